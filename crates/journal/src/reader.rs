//! Reads a journal line by line; a torn last line never happened, damage elsewhere is an error.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use model::record::Record;

use crate::error::JournalError;
use crate::line::{
    Flaw, Next, decode, ends_with_its_sum, holds_more_than_a_line, may_begin_a_journal,
};

/// A longer line is no record of ours; without a bound one damaged file could fill the memory.
const LONGEST_LINE: u64 = 64 << 20;

/// Bytes asked of a file at once.
const READ_AT_ONCE: usize = 256 << 10;

/// A last line that was being written when its process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The line, from 1.
    pub line: u64,
    /// Its bytes.
    pub bytes: u64,
}

impl fmt::Display for Torn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the journal's last line ({}, {} bytes) was torn when the run ended, so its record is left out",
            self.line, self.bytes
        )
    }
}

/// The records of a journal, in order. After the first error there are no more.
#[derive(Debug)]
pub struct Reader<R = BufReader<File>> {
    source: R,
    path: PathBuf,
    next: Next,
    whole_bytes: u64,
    lacks_newline: bool,
    torn: Option<Torn>,
    done: bool,
    buffer: Vec<u8>,
}

impl Reader {
    /// Reads a file; the path is for messages.
    pub(crate) fn of_file(file: File, path: &Path) -> Self {
        Self::new(BufReader::with_capacity(READ_AT_ONCE, file), path)
    }

    /// How long the file is; none where that cannot be told.
    pub(crate) fn bytes(&self) -> Option<u64> {
        Some(self.source.get_ref().metadata().ok()?.len())
    }
}

impl<R: BufRead> Reader<R> {
    /// Reads from any source; the path is for messages.
    pub fn new(source: R, path: &Path) -> Self {
        let path = path.to_owned();
        let next = Next::of_any_run();
        Self {
            source,
            path,
            next,
            whole_bytes: 0,
            lacks_newline: false,
            torn: None,
            done: false,
            buffer: Vec::new(),
        }
    }

    /// The journal.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The torn last line, once the end was reached.
    pub fn torn(&self) -> Option<Torn> {
        self.torn
    }

    /// Bytes of the whole lines read so far.
    pub(crate) fn whole_bytes(&self) -> u64 {
        self.whole_bytes
    }

    /// Whether the last line is whole but for its newline.
    pub(crate) fn lacks_newline(&self) -> bool {
        self.lacks_newline
    }

    /// Records read so far, which is also the last sequence number.
    pub fn records(&self) -> u64 {
        self.next.lines()
    }

    /// Which line would come after those that were read.
    pub(crate) fn next_line(&self) -> Next {
        self.next
    }

    /// All records, and the torn last line if there was one.
    ///
    /// # Errors
    /// As the iterator's.
    pub fn read_all(mut self) -> Result<(Vec<Record>, Option<Torn>), JournalError> {
        let records = self.by_ref().collect::<Result<_, _>>()?;
        Ok((records, self.torn))
    }

    fn step(&mut self) -> Result<Option<Record>, JournalError> {
        self.buffer.clear();
        let read = (&mut self.source).take(LONGEST_LINE).read_until(b'\n', &mut self.buffer);
        let bytes = read.map_err(|why| JournalError::reading(&self.path, why))? as u64;
        if bytes == 0 {
            return Ok(None);
        }
        let line = self.next.lines() + 1;
        let ended = self.buffer.pop_if(|byte| *byte == b'\n').is_some();
        let is_last = self
            .source
            .fill_buf()
            .map_err(|why| JournalError::reading(&self.path, why))?
            .is_empty();
        // A last line whose own sum fits is whole: its newline alone was lost.
        let is_whole = ended || (is_last && ends_with_its_sum(&self.buffer));
        let record = if is_whole {
            decode(&mut self.buffer, self.next)
        } else {
            Err(Flaw::Damaged(if is_last { "its end is missing" } else { "it is too long" }))
        };
        let path = || self.path.clone();
        match record {
            Ok((record, next)) => {
                self.next = next;
                self.whole_bytes += bytes;
                self.lacks_newline = !ended;
                Ok(Some(record))
            }
            Err(Flaw::Damaged(_))
                if is_last
                    && (line > 1 || may_begin_a_journal(&self.buffer))
                    && !holds_more_than_a_line(&self.buffer) =>
            {
                self.torn = Some(Torn { line, bytes });
                Ok(None)
            }
            Err(Flaw::Damaged(why)) => {
                Err(JournalError::Damaged { path: path(), line, why: why.to_owned() })
            }
            Err(Flaw::Unreadable(why)) => Err(JournalError::Damaged { path: path(), line, why }),
            Err(Flaw::OtherVersion(found)) => {
                Err(JournalError::OtherVersion { path: path(), line, found })
            }
            Err(Flaw::UnknownKind(kind)) => {
                Err(JournalError::UnknownKind { path: path(), line, kind })
            }
            Err(Flaw::OtherRun) => Err(JournalError::OtherRun { path: path(), line }),
            Err(Flaw::Unchained) => Err(JournalError::Unchained { path: path(), line }),
            Err(Flaw::OtherSequence(found)) => {
                Err(JournalError::Gap { path: path(), line, expected: line, found })
            }
        }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Record, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let step = self.step().transpose();
        self.done = !matches!(step, Some(Ok(_)));
        step
    }
}
