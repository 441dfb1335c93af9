//! Cuts, flips and worse: what reads is always a beginning of what was written, and damage is told.

use std::fs;
use std::path::Path;

use journal::{JournalError, Reader, RunDirectory, Torn};
use model::record::Record;
use proptest::prelude::*;

use crate::made;

fn written(records: &[Record]) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let (run, mut writer) = RunDirectory::begin(directory.path(), None).unwrap();
    for record in records {
        writer.append(record).unwrap();
    }
    fs::read(run.journal()).unwrap()
}

fn read(bytes: &[u8]) -> Result<(Vec<Record>, Option<Torn>), JournalError> {
    Reader::new(bytes, Path::new("journal.jsonl")).read_all()
}

#[test]
fn every_record_reads_back_as_it_was_written() {
    let mut records = made::journal();
    records.push(made::finished(0.1 + 0.2, u64::MAX));
    assert_eq!(read(&written(&records)).unwrap(), (records, None));
}

#[test]
fn a_torn_tail_never_happened_wherever_the_journal_is_cut() {
    let records = made::journal();
    let bytes = written(&records);
    for cut in 0..=bytes.len() {
        let kept = &bytes[..cut];
        let whole = kept.iter().filter(|byte| **byte == b'\n').count();
        let (left, torn) = read(kept).unwrap();
        // A line that lacks its newline alone has all that it said.
        if bytes.get(cut) == Some(&b'\n') {
            assert_eq!((left, torn), (records[..=whole].to_vec(), None), "cut at {cut}");
            continue;
        }
        assert_eq!(left, records[..whole], "cut at {cut}");
        let tail = kept.len() - kept.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let expected = (tail > 0).then(|| Torn { line: whole as u64 + 1, bytes: tail as u64 });
        assert_eq!(torn, expected, "cut at {cut}");
    }
    // What a power cut leaves of a file that had grown.
    assert_eq!(read(&[0; 300]).unwrap(), (Vec::new(), Some(Torn { line: 1, bytes: 300 })));
}

#[test]
fn no_flipped_bit_is_ever_accepted() {
    let records = made::journal();
    let bytes = written(&records);
    let last_line = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match read(&flipped) {
            Err(error) => assert!(error.to_string().contains("line "), "{error}"),
            Ok((left, torn)) => {
                assert!(bit / 8 >= last_line, "bit {bit} before the last line went unnoticed");
                assert_eq!(left, records[..records.len() - 1], "bit {bit}");
                assert!(torn.is_some(), "bit {bit}");
            }
        }
    }
}

#[test]
fn damage_in_the_middle_names_file_line_and_remedy() {
    let mut bytes = written(&made::journal());
    let third = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(1).unwrap().0 + 40;
    bytes[third] = b'X';
    let error = read(&bytes).unwrap_err();
    assert_eq!(
        error.to_string(),
        "journal.jsonl: line 3 is damaged (its checksum is wrong): take the file from a copy, or keep what is whole before that line: head -n 2 journal.jsonl > journal.jsonl.new && mv journal.jsonl.new journal.jsonl"
    );
    assert_eq!(error.class(), journal::Class::Usage);
}

#[test]
fn of_a_journal_damaged_in_its_first_line_nothing_can_be_kept() {
    let error = read(b"round,block\n").unwrap_err().to_string();
    assert!(
        error.ends_with(
            "take the file from a copy; this is its first line, so nothing of it can be kept"
        ),
        "{error}"
    );
}

#[test]
fn the_command_that_keeps_what_is_whole_does_so() {
    let records = made::journal();
    let bytes = written(&records);
    let second = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 40;
    let mut damaged = bytes;
    damaged[second] = b'X';
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("it's a run.jsonl");
    fs::write(&path, &damaged).unwrap();
    let error = Reader::new(damaged.as_slice(), &path).read_all().unwrap_err().to_string();
    let (_, command) = error.rsplit_once("before that line: ").unwrap();
    assert!(std::process::Command::new("sh").args(["-c", command]).status().unwrap().success());
    assert_eq!(read(&fs::read(&path).unwrap()).unwrap(), (records[..1].to_vec(), None));
}

#[test]
fn what_is_not_there_is_told_with_its_name() {
    let missing = JournalError::Missing("nonexist".into());
    assert_eq!(missing.to_string(), "nonexist does not exist; name a run directory");
    assert_eq!(missing.class(), journal::Class::Usage);
}

#[test]
fn missing_doubled_and_exchanged_lines_are_told() {
    let bytes = written(&made::journal());
    let lines: Vec<_> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    for (order, line) in
        [([0, 2, 3, 4].as_slice(), 2), (&[0, 1, 1, 2], 3), (&[1, 0, 2], 1), (&[0, 1, 2, 4], 4)]
    {
        let changed: Vec<u8> = order.iter().flat_map(|at| lines[*at]).copied().collect();
        let error = read(&changed).unwrap_err();
        assert!(matches!(error, JournalError::Gap { line: at, .. } if at == line), "{error}");
    }
}

#[test]
fn lines_of_two_runs_spliced_together_are_told_at_every_seam() {
    let ours = written(&made::journal());
    let theirs = written(&made::journal());
    let lines = |bytes: &[u8]| -> Vec<Vec<u8>> {
        bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    };
    let (ours, theirs) = (lines(&ours), lines(&theirs));
    for from in 1..ours.len() {
        for to in from + 1..=ours.len() {
            let mut spliced = ours.clone();
            spliced.splice(from..to, theirs[from..to].iter().cloned());
            let error = read(&spliced.concat()).unwrap_err();
            let line = from as u64 + 1;
            assert!(
                matches!(error, JournalError::OtherRun { line: at, .. } if at == line),
                "{from}..{to}: {error}"
            );
            assert_eq!(error.class(), journal::Class::Usage);
        }
    }
    // A line of the same run that was written in another course of it.
    let path = tempfile::tempdir().unwrap();
    let (run, mut writer) = RunDirectory::begin(path.path(), None).unwrap();
    writer.append_all(&[made::segment(), made::round(1), made::finish()]).unwrap();
    drop(writer);
    let first = lines(&fs::read(run.journal()).unwrap());
    fs::write(run.journal(), first[..1].concat()).unwrap();
    run.resume_journal().unwrap().writer.append_all(&[made::round(2), made::finish()]).unwrap();
    let second = lines(&fs::read(run.journal()).unwrap());
    let mixed = [&first[0], &first[1], &second[2]].map(Clone::clone).concat();
    let error = read(&mixed).unwrap_err();
    assert!(matches!(error, JournalError::Unchained { line: 3, .. }), "{error}");
}

/// A line with a right sum, from another program.
fn sealed(before: &str) -> String {
    format!("{before},\"crc32\":\"{:08x}\"}}\n", crc32fast::hash(before.as_bytes()))
}

#[test]
fn another_version_is_told_with_both_versions_even_in_the_last_line() {
    for line in
        [sealed(r#"{"v":3,"seq":1,"kind":"finish","body":{}"#), "{\"v\":3,\"sum\":0}\n".to_owned()]
    {
        let text = read(line.as_bytes()).unwrap_err().to_string();
        assert!(
            text.contains(
                "line 1 is of journal version 3, and this copycost reads versions 1 and 2"
            ),
            "{text}"
        );
    }
}

#[test]
fn an_unknown_kind_is_told_and_not_skipped() {
    let text = read(sealed(r#"{"v":1,"seq":1,"kind":"dance","body":{}"#).as_bytes())
        .unwrap_err()
        .to_string();
    assert!(text.contains("line 1 is a record of the unknown kind \"dance\""), "{text}");
}

#[test]
fn a_file_of_something_else_is_no_journal_with_a_torn_tail() {
    for bytes in [b"round,block\n".as_slice(), b"\x89PNG", b"\n"] {
        assert!(matches!(read(bytes), Err(JournalError::Damaged { line: 1, .. })));
    }
}

#[test]
fn after_an_error_a_reader_yields_nothing() {
    let bytes = written(&made::journal());
    let damaged = [b"x".as_slice(), &bytes].concat();
    let mut reader = Reader::new(damaged.as_slice(), Path::new("j"));
    assert!(reader.next().unwrap().is_err());
    assert!(reader.next().is_none());
}

proptest! {
    #[test]
    fn whatever_replaces_a_stretch_of_bytes_no_record_is_invented(
        from in 0_usize..2000, length in 0_usize..300, with in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let records = made::journal();
        let mut bytes = written(&records);
        let from = from % bytes.len();
        let to = (from + length).min(bytes.len());
        bytes.splice(from..to, with);
        if let Ok((left, _)) = read(&bytes) {
            prop_assert!(records.starts_with(&left));
        }
    }

    #[test]
    fn every_figure_reads_back_to_the_last_bit(rtt_us in 0.0_f64..1e9, bytes in any::<u64>()) {
        let record = made::finished(rtt_us, bytes);
        prop_assert_eq!(read(&written(std::slice::from_ref(&record))).unwrap().0, [record]);
    }
}
