//! Appending, locking, resuming, and disks that fail.

use std::cell::RefCell;
use std::fs;
use std::io;
use std::path::Path;
use std::rc::Rc;

use journal::{Class, JournalError, Reader, RunDirectory, RunId, Store, Torn, Writer};
use model::record::Record;

use crate::made;

fn place() -> (tempfile::TempDir, RunDirectory, Writer) {
    let root = tempfile::tempdir().unwrap();
    let (run, writer) = RunDirectory::begin(root.path(), None).unwrap();
    (root, run, writer)
}

fn read(run: &RunDirectory) -> (Vec<Record>, Option<Torn>) {
    run.read_journal().unwrap().read_all().unwrap()
}

#[test]
fn each_record_is_in_the_file_when_append_returns() {
    let (_root, run, mut writer) = place();
    for (at, record) in made::journal().iter().enumerate() {
        writer.append(record).unwrap();
        assert_eq!(read(&run).0, made::journal()[..=at]);
    }
    assert_eq!(writer.records(), 5);
}

#[test]
fn a_journal_goes_on_from_every_byte_at_which_it_was_cut() {
    let (_root, run, mut writer) = place();
    let path = run.journal();
    for record in &made::journal() {
        writer.append(record).unwrap();
    }
    drop(writer);
    let bytes = fs::read(&path).unwrap();
    // A sync for each byte would be slow; the boundaries and their neighbours are what matters here.
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    let cuts =
        ends.flat_map(|end| [end.saturating_sub(1), end, (end + 1).min(bytes.len())]).chain([0, 5]);
    for cut in cuts {
        fs::write(&path, &bytes[..cut]).unwrap();
        let mut resumed = run.resume_journal().unwrap();
        let whole = resumed.records.len();
        assert_eq!(resumed.records, made::journal()[..whole]);
        let is_whole = cut == 0 || bytes[cut - 1] == b'\n' || bytes[cut] == b'\n';
        assert_eq!(resumed.torn.is_some(), !is_whole, "cut at {cut}");
        resumed.writer.append(&made::round(9)).unwrap();
        drop(resumed);
        let (records, torn) = read(&run);
        assert_eq!((records.len(), torn), (whole + 1, None), "cut at {cut}");
        assert_eq!(records[whole], made::round(9));
    }
}

#[test]
fn a_second_writer_is_refused_while_the_first_lives() {
    let (_root, run, mut writer) = place();
    writer.append(&made::segment()).unwrap();
    let error = run.resume_journal().err().unwrap();
    assert!(error.to_string().starts_with("another copycost is writing to this run"), "{error}");
    drop(writer);
    assert_eq!(run.resume_journal().unwrap().records.len(), 1);
}

#[test]
fn resume_leaves_a_damaged_journal_as_it_is() {
    let (_root, run, mut writer) = place();
    writer.append(&made::segment()).unwrap();
    writer.append(&made::round(1)).unwrap();
    drop(writer);
    let mut bytes = fs::read(run.journal()).unwrap();
    bytes[20] ^= 1;
    fs::write(run.journal(), &bytes).unwrap();
    assert!(matches!(run.resume_journal(), Err(JournalError::Damaged { line: 1, .. })));
    assert_eq!(fs::read(run.journal()).unwrap(), bytes);
}

/// A disk with so much room, on which cutting or syncing may fail.
#[derive(Default)]
struct Disk {
    bytes: Vec<u8>,
    room: usize,
    sync_fails: bool,
    cut_fails: bool,
}

#[derive(Clone, Default)]
struct Shared(Rc<RefCell<Disk>>);

impl Store for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut disk = self.0.borrow_mut();
        let taken = bytes.len().min(disk.room - disk.bytes.len());
        if taken == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.bytes.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.0.borrow().sync_fails { Err(io::Error::other("medium error")) } else { Ok(()) }
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        let mut disk = self.0.borrow_mut();
        if disk.cut_fails {
            return Err(io::Error::other("medium error"));
        }
        disk.bytes.truncate(usize::try_from(bytes).unwrap());
        Ok(())
    }
}

fn on(disk: Disk) -> (Writer, Shared) {
    let shared = Shared(Rc::new(RefCell::new(disk)));
    let run = RunId::draw().unwrap();
    (Writer::with_store(Box::new(shared.clone()), Path::new("run/journal.jsonl"), run), shared)
}

fn left(disk: &Shared) -> usize {
    Reader::new(disk.0.borrow().bytes.as_slice(), Path::new("j")).read_all().unwrap().0.len()
}

#[test]
fn a_full_disk_loses_the_record_in_hand_and_no_other() {
    let (mut writer, disk) = on(Disk { room: 1000, ..Disk::default() });
    let mut written = 0;
    let error = loop {
        match writer.append(&made::segment()) {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.class(), Class::Cannot);
    assert_eq!(
        error.to_string(),
        "no space left to write run/journal.jsonl: what was measured before is kept; make room, then go on with --resume"
    );
    // What begins a run is no part of what can be gone on with.
    assert_eq!(
        JournalError::Full("run/plan.toml".into()).to_string(),
        "no space left to write run/plan.toml: make room, then give the command again"
    );
    assert!(written > 0);
    assert_eq!(left(&disk), written);
    assert_eq!(disk.0.borrow().bytes.last(), Some(&b'\n'));
    disk.0.borrow_mut().room = 100_000;
    writer.append(&made::round(1)).unwrap();
    assert_eq!(left(&disk), written + 1);
}

#[test]
fn where_a_part_of_a_line_cannot_be_taken_back_nothing_is_written_after_it() {
    let (mut writer, disk) = on(Disk { room: 200, cut_fails: true, ..Disk::default() });
    writer.append(&made::finish()).unwrap();
    assert!(matches!(writer.append(&made::segment()), Err(JournalError::Full(_))));
    disk.0.borrow_mut().room = 100_000;
    assert!(matches!(writer.append(&made::finish()), Err(JournalError::Broken(_))));
    assert_eq!(left(&disk), 1);
}

#[test]
fn a_failed_sync_is_an_error_and_the_record_is_taken_back() {
    let (mut writer, disk) = on(Disk { room: 100_000, ..Disk::default() });
    writer.append(&made::finish()).unwrap();
    disk.0.borrow_mut().sync_fails = true;
    let text = writer.append(&made::finish()).unwrap_err().to_string();
    assert_eq!(text, "cannot write run/journal.jsonl: medium error");
    assert_eq!(left(&disk), 1);
}

#[test]
fn a_record_that_would_not_read_back_is_refused_before_it_spoils_the_journal() {
    let (mut writer, disk) = on(Disk { room: 100_000, ..Disk::default() });
    writer.append(&made::segment()).unwrap();
    let error = writer.append(&made::finished(f64::NAN, 1)).unwrap_err();
    assert!(matches!(error, JournalError::WouldNotReadBack { .. }), "{error}");
    writer.append(&made::finish()).unwrap();
    assert_eq!(left(&disk), 2);
}

#[test]
fn a_real_device_without_room_is_told_as_such() {
    let full = Path::new("/dev/full");
    let Ok(file) = fs::OpenOptions::new().write(true).open(full) else {
        eprintln!("skipped: /dev/full cannot be opened here");
        return;
    };
    let error = Writer::with_store(Box::new(file), full, RunId::draw().unwrap())
        .append(&made::finish())
        .unwrap_err();
    assert!(matches!(error, JournalError::Full(_)), "{error}");
}
