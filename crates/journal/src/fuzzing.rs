//! What the fuzz targets of this crate check (`fuzz/targets`), replayed on their corpora by its tests. Not a part of the
//! library: it is compiled for `cargo test` and `cargo fuzz` alone.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a check fails by a panic, and each is named for what it reads"
)]

use std::path::Path;

use model::host::Host;
use model::record::Record;

use crate::JournalError;
use crate::line::{Flaw, Next, RunId, decode, encode};
use crate::reader::{Reader, Torn};

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

type Read = Result<(Vec<Record>, Option<Torn>), JournalError>;

fn read(journal: &[u8]) -> Read {
    Reader::new(journal, Path::new("j")).read_all()
}

/// A line, newline excluded. First byte 0: the line as it is. Else a record without its envelope: written as a line it reads
/// back as the same, and with the byte changed that the next two bytes name it is damaged.
pub fn line(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    if *kind == 0 {
        if let Ok((record, next)) = decode(&mut rest.to_vec(), Next::of_any_run()) {
            assert_eq!(next.lines(), 1);
            written_and_read(&record);
        }
        return;
    }
    let Some((place, body)) = rest.split_first_chunk::<2>() else { return };
    let Ok(record) = serde_json::from_slice::<Record>(body) else { return };
    let written = written_and_read(&record);
    let mut changed = written.clone();
    let place = usize::from(u16::from_le_bytes(*place)) % written.len();
    changed[place] ^= kind;
    let flaw = decode(&mut changed, Next::of_any_run()).expect_err("a byte was changed");
    assert!(matches!(flaw, Flaw::Damaged(_) | Flaw::OtherVersion(_)), "{flaw:?}");
}

/// A record as a line, which reads back as the record.
fn written_and_read(record: &Record) -> Vec<u8> {
    let next = Next::begin(RunId::draw().unwrap());
    let (mut line, after) = encode(next, record).unwrap();
    assert_eq!(line.pop(), Some(b'\n'));
    assert!(!line.contains(&b'\n'));
    let (again, read) = decode(&mut line.clone(), next).unwrap();
    assert_eq!(&again, record);
    assert_eq!(read.lines(), after.lines());
    line
}

/// A journal. First byte 0: a file as it is; what is accepted stays so when what was torn is cut off. Else lines of records
/// without their envelope, which become a journal that reads back as them, wherever it is cut, and in no other order.
pub fn journal(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    if *kind == 0 {
        return raw(rest);
    }
    let Some((place, bodies)) = rest.split_first_chunk::<4>() else { return };
    let place = u32::from_le_bytes(*place) as usize;
    let bodies = bodies.split(|byte| *byte == b'\n');
    let records: Vec<Record> =
        bodies.filter_map(|body| serde_json::from_slice(body).ok()).collect();
    let mut next = Next::begin(RunId::draw().unwrap());
    let mut lines = Vec::new();
    for record in &records {
        let (line, after) = encode(next, record).unwrap();
        next = after;
        lines.push(line);
    }
    let file = lines.concat();
    let (found, torn) = read(&file).unwrap();
    assert_eq!((&found, torn), (&records, None));
    if file.is_empty() {
        return;
    }
    cut(&file, &records, place % file.len());
    changed(&file, &records, place % file.len(), *kind);
    out_of_order(lines, place);
}

fn raw(file: &[u8]) {
    let mut reader = Reader::new(file, Path::new("j"));
    let mut records = Vec::new();
    let mut failed = false;
    for step in reader.by_ref() {
        match step {
            Ok(record) => records.push(record),
            Err(_) => failed = true,
        }
    }
    let whole = usize::try_from(reader.whole_bytes()).unwrap();
    assert!(whole <= file.len());
    assert_eq!(reader.records(), records.len() as u64);
    if let Some(torn) = reader.torn() {
        assert!(!failed);
        assert_eq!(whole as u64 + torn.bytes, file.len() as u64, "all but the torn line was read");
        assert_eq!(torn.line, reader.records() + 1);
    } else if !failed {
        assert_eq!(whole, file.len());
    }
    // What resuming leaves of it.
    let (again, torn) = read(&file[..whole]).unwrap();
    assert_eq!((again, torn), (records, None));
}

/// Cut anywhere, the whole lines before the cut are all there, and no other.
fn cut(file: &[u8], records: &[Record], at: usize) {
    let kept = &file[..at];
    let (found, torn) = read(kept).unwrap();
    let whole_lines = kept.iter().filter(|byte| **byte == b'\n').count();
    // Where the newline alone is cut off the line is whole.
    let whole = whole_lines + usize::from(file[at] == b'\n');
    assert_eq!(found, records[..whole]);
    let begun = !kept.is_empty() && kept.last() != Some(&b'\n') && file[at] != b'\n';
    assert_eq!(torn.is_some(), begun, "{torn:?}");
    if let Some(torn) = torn {
        let begins = kept.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        assert_eq!((torn.line, torn.bytes), (whole as u64 + 1, (at - begins) as u64));
    }
}

/// A byte changed is told, or takes the last line away; no record is another than was written.
fn changed(file: &[u8], records: &[Record], at: usize, by: u8) {
    let mut file = file.to_vec();
    file[at] ^= by;
    if let Ok((found, torn)) = read(&file) {
        assert!(records.starts_with(&found));
        assert!(found.len() == records.len() || torn.is_some());
        assert!(found.len() + 1 >= records.len(), "a line before the last is lost unseen");
    }
}

/// A line left out, said twice, exchanged with its neighbour, or of another run is told.
fn out_of_order(lines: Vec<Vec<u8>>, place: usize) {
    let at = place % lines.len();
    let is_last = at + 1 == lines.len();
    if !is_last {
        let mut fewer = lines.clone();
        fewer.remove(at);
        read(&fewer.concat()).expect_err("a line is missing");
        let mut exchanged = lines.clone();
        exchanged.swap(at, at + 1);
        read(&exchanged.concat()).expect_err("two lines are exchanged");
    }
    let mut twice = lines.clone();
    twice.insert(at, lines[at].clone());
    read(&twice.concat()).expect_err("a line stands twice");
    if at > 0 {
        let other = Next::begin(RunId::draw().unwrap());
        let first: Record =
            decode(&mut lines[0][..lines[0].len() - 1].to_vec(), Next::of_any_run())
                .map(|(record, _)| record)
                .unwrap();
        let mut spliced = lines;
        spliced[0] = encode(other, &first).unwrap().0;
        read(&spliced.concat()).expect_err("the first line is of another run");
    }
}

/// `host.json`, as it is read beside a journal: what is accepted is written and read back as the same.
pub fn host(bytes: &[u8]) {
    let Ok(host) = serde_json::from_slice::<Host>(bytes) else { return };
    let written = serde_json::to_vec(&host).unwrap();
    assert_eq!(serde_json::from_slice::<Host>(&written).unwrap(), host);
    // A segment names its machine by this, and whoever goes on compares it.
    assert_eq!(serde_json::from_slice::<Host>(&written).unwrap().identity(), host.identity());
}

#[cfg(test)]
mod tests {
    use super::replay::replay;

    #[test]
    fn the_corpus_of_lines_is_read() {
        replay("journal_line", super::line);
    }

    #[test]
    fn the_corpus_of_journals_is_read() {
        replay("journal", super::journal);
    }

    #[test]
    fn the_corpus_of_host_files_is_read() {
        replay("host", super::host);
    }
}
