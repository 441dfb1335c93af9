//! The records of a journal one after the other. Those of a long one are read ahead by a thread, as most of the time goes
//! into reading them.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::vec;

use model::record::Record;

use crate::error::JournalError;
use crate::reader::{Reader, Torn};
use crate::segment_check::SegmentCheck;

/// Records handed over at once, and how many times that many may wait: some MB at most.
const AT_ONCE: usize = 32;
const WAITING: usize = 8;

/// The records of a journal, in order; after the first error there are no more.
#[derive(Debug)]
pub struct Records {
    source: Source,
    check: Option<SegmentCheck>,
    is_over: bool,
}

#[derive(Debug)]
enum Source {
    Here(Box<Reader>),
    Ahead {
        batches: Receiver<Batch>,
        batch: vec::IntoIter<Record>,
        end: Option<End>,
        path: PathBuf,
    },
}

#[derive(Debug)]
struct Batch {
    records: Vec<Record>,
    /// That of the journal, after these records.
    end: Option<End>,
}

#[derive(Debug)]
enum End {
    Whole(Option<Torn>),
    Failed(Option<JournalError>),
}

impl Records {
    const fn of(source: Source) -> Self {
        Self { source, check: None, is_over: false }
    }

    /// Reads on this thread.
    pub(crate) fn here(reader: Reader) -> Self {
        Self::of(Source::Here(Box::new(reader)))
    }

    /// Reads on a thread of its own; on this one where none can be had. `open` gives the reader.
    ///
    /// # Errors
    /// The reader's.
    pub(crate) fn ahead(
        open: impl Fn() -> Result<Reader, JournalError>,
    ) -> Result<Self, JournalError> {
        Self::ahead_on(open, |work| {
            thread::Builder::new().name("journal".to_owned()).spawn(work).map(drop)
        })
    }

    /// The same on a thread that `start` makes, or refuses.
    fn ahead_on(
        open: impl Fn() -> Result<Reader, JournalError>,
        start: impl FnOnce(Box<dyn FnOnce() + Send>) -> io::Result<()>,
    ) -> Result<Self, JournalError> {
        let reader = open()?;
        let path = reader.path().to_owned();
        let (into, batches) = sync_channel(WAITING);
        match start(Box::new(move || hand_over(reader, &into))) {
            Ok(()) => {
                let batch = Vec::new().into_iter();
                Ok(Self::of(Source::Ahead { batches, batch, end: None, path }))
            }
            Err(_) => Ok(Self::here(open()?)),
        }
    }

    /// The same records, whose segments must pass a check.
    pub(crate) fn checked_by(self, check: SegmentCheck) -> Self {
        Self { check: Some(check), ..self }
    }

    /// The torn last line that was left out, once the end was reached.
    pub fn torn(&self) -> Option<Torn> {
        match &self.source {
            Source::Here(reader) => reader.torn(),
            Source::Ahead { end: Some(End::Whole(torn)), .. } => *torn,
            Source::Ahead { .. } => None,
        }
    }
}

/// Reads to the end, or until nobody takes what was read.
fn hand_over(mut reader: Reader, into: &SyncSender<Batch>) {
    loop {
        let mut batch = Batch { records: Vec::with_capacity(AT_ONCE), end: None };
        while batch.records.len() < AT_ONCE && batch.end.is_none() {
            match reader.next() {
                Some(Ok(record)) => batch.records.push(record),
                Some(Err(error)) => batch.end = Some(End::Failed(Some(error))),
                None => batch.end = Some(End::Whole(reader.torn())),
            }
        }
        let is_last = batch.end.is_some();
        if into.send(batch).is_err() || is_last {
            return;
        }
    }
}

impl Source {
    fn next(&mut self) -> Option<Result<Record, JournalError>> {
        match self {
            Self::Here(reader) => reader.next(),
            Self::Ahead { batches, batch, end, path } => loop {
                if let Some(record) = batch.next() {
                    return Some(Ok(record));
                }
                match end {
                    Some(End::Whole(_)) => return None,
                    Some(End::Failed(error)) => return error.take().map(Err),
                    None => {}
                }
                match batches.recv() {
                    Ok(next) => (*batch, *end) = (next.records.into_iter(), next.end),
                    Err(_) => {
                        let why = io::Error::other("the thread that reads it died");
                        *end = Some(End::Failed(Some(JournalError::reading(path, why))));
                    }
                }
            },
        }
    }
}

impl Iterator for Records {
    type Item = Result<Record, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = self.source.next().map(|record| {
            let record = record?;
            if let Some(check) = &mut self.check {
                check.next(&record)?;
            }
            Ok(record)
        });
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use model::Nanos;
    use model::record::{Finish, FinishReason};

    use super::*;
    use crate::line::{Next, RunId, encode};

    /// A journal of so many records; whether its last line lacks its end.
    fn journal(records: u64, torn: bool) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.jsonl");
        let (mut bytes, mut next) = (Vec::new(), Next::begin(RunId::draw().unwrap()));
        for n in 0..records {
            let (line, after) = encode(next, &record(n)).unwrap();
            bytes.extend(line);
            next = after;
        }
        if torn {
            bytes.truncate(bytes.len() - 20);
        }
        fs::write(&path, bytes).unwrap();
        (directory, path)
    }

    fn record(n: u64) -> Record {
        Record::Finish(Finish { reason: FinishReason::Time, spent_ns: Nanos(n) })
    }

    fn open(path: &Path) -> Result<Reader, JournalError> {
        Ok(Reader::of_file(fs::File::open(path).unwrap(), path))
    }

    #[test]
    fn what_is_read_ahead_is_what_is_read() {
        let lengths =
            [0, 1, AT_ONCE as u64 - 1, AT_ONCE as u64, 1 + (AT_ONCE * WAITING * 3) as u64];
        for (records, torn) in lengths.into_iter().flat_map(|n| [(n, false), (n, true)]) {
            let (_directory, path) = journal(records.max(u64::from(torn)), torn);
            let mut ahead = Records::ahead(|| open(&path)).unwrap();
            assert!(matches!(ahead.source, Source::Ahead { .. }));
            let read: Vec<Record> = ahead.by_ref().map(Result::unwrap).collect();
            let (expected, lost) = open(&path).unwrap().read_all().unwrap();
            assert_eq!((read, ahead.torn()), (expected, lost), "{records} {torn}");
            assert!(ahead.next().is_none());
        }
    }

    #[test]
    fn where_no_thread_can_be_had_all_is_read_here_from_the_beginning() {
        for torn in [false, true] {
            let (_directory, path) = journal(100, torn);
            let refused = |_| Err(io::ErrorKind::WouldBlock.into());
            let mut here = Records::ahead_on(|| open(&path), refused).unwrap();
            assert!(matches!(here.source, Source::Here(_)));
            let read: Vec<Record> = here.by_ref().map(Result::unwrap).collect();
            let (expected, lost) = open(&path).unwrap().read_all().unwrap();
            assert_eq!(read.len(), 100 - usize::from(torn));
            assert_eq!((read, here.torn()), (expected, lost));
        }
    }

    #[test]
    fn damage_comes_after_the_records_before_it_and_ends_them() {
        let (_directory, path) = journal(100, false);
        let mut text = fs::read(&path).unwrap();
        let at = text.len() * 3 / 4;
        text[at] ^= 1;
        fs::write(&path, text).unwrap();
        let mut here = open(&path).unwrap();
        let before = here.by_ref().take_while(Result::is_ok).count();
        let mut ahead = Records::ahead(|| open(&path)).unwrap();
        assert_eq!(ahead.by_ref().take(before).filter(Result::is_ok).count(), before);
        let error = ahead.next().unwrap().unwrap_err().to_string();
        assert!(error.contains(&format!("line {} is damaged", before + 1)), "{error}");
        assert!(ahead.next().is_none());
    }

    #[test]
    fn a_reader_that_nobody_listens_to_ends() {
        let (_directory, path) = journal((AT_ONCE * WAITING * 4) as u64, false);
        let mut ahead = Records::ahead(|| open(&path)).unwrap();
        assert_eq!(ahead.next().unwrap().unwrap(), record(0));
        drop(ahead);
    }
}
