//! Appends records: one write and one sync each, under a lock for the writer's life.

use std::fs::{File, TryLockError};
use std::io::{self, BufReader, Write as _};
use std::path::{Path, PathBuf};

use model::record::Record;

use crate::error::JournalError;
use crate::line::{Next, RunId, decode, encode};
use crate::reader::{Reader, Torn};

/// Where lines go: a file, or in tests something that fails on purpose.
pub trait Store {
    /// Appends bytes, some of them perhaps.
    ///
    /// # Errors
    /// As `write(2)`.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Returns when what was written would survive a power cut.
    ///
    /// # Errors
    /// As `fdatasync(2)`.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts to a length in bytes.
    ///
    /// # Errors
    /// As `ftruncate(2)`.
    fn truncate(&mut self, bytes: u64) -> io::Result<()>;
}

impl Store for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(self, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }
}

/// The one process that may append to a journal.
pub struct Writer {
    store: Box<dyn Store>,
    path: PathBuf,
    next: Next,
    bytes: u64,
    broken: bool,
}

/// A journal opened to go on with.
pub struct Resumed {
    /// Appends after what is there.
    pub writer: Writer,
    /// What is there.
    pub records: Vec<Record>,
    /// The torn last line that was cut off.
    pub torn: Option<Torn>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("path", &self.path)
            .field("records", &self.records())
            .finish_non_exhaustive()
    }
}

impl Writer {
    /// Begins a journal in an empty file that is locked already, and stays so for the writer's life.
    pub(crate) fn begin(file: File, path: &Path) -> Result<Self, JournalError> {
        let run = RunId::draw().map_err(|why| JournalError::writing(path, why))?;
        Ok(Self::with_store(Box::new(file), path, run))
    }

    /// Goes on with a journal in a file that is locked already: reads it whole, and cuts off a torn last line. A torn first
    /// line is not cut: nothing can be kept then, and a new file, of `renewed`, takes the place of this one.
    pub(crate) fn resume(
        file: File,
        path: &Path,
        renewed: impl FnOnce() -> Result<File, JournalError>,
    ) -> Result<Resumed, JournalError> {
        let mut reader = Reader::new(BufReader::new(&file), path);
        let records = reader.by_ref().collect::<Result<Vec<_>, _>>()?;
        let (bytes, torn, next) = (reader.whole_bytes(), reader.torn(), reader.next_line());
        if records.is_empty() {
            let file = if torn.is_some() { renewed()? } else { file };
            return Ok(Resumed { writer: Self::begin(file, path)?, records, torn });
        }
        let lacks_newline = reader.lacks_newline();
        if torn.is_some() {
            let cut = file.set_len(bytes).and_then(|()| file.sync_data());
            cut.map_err(|why| JournalError::writing(path, why))?;
        }
        let path = path.to_owned();
        let mut writer = Self { store: Box::new(file), path, next, bytes, broken: false };
        if lacks_newline {
            writer.bytes += writer.write(b"\n")?;
        }
        Ok(Resumed { writer, records, torn })
    }

    /// Writes to an empty store; the path is for messages.
    pub fn with_store(store: Box<dyn Store>, path: &Path, run: RunId) -> Self {
        let (path, next) = (path.to_owned(), Next::begin(run));
        Self { store, path, next, bytes: 0, broken: false }
    }

    /// Appends a record and returns when it would survive a power cut.
    ///
    /// # Errors
    /// The disk is full or the file cannot be written. What came before stays readable: a line that was written in
    /// part is cut off, and where even that fails it is a torn last line, after which nothing is written.
    pub fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        self.append_all(std::slice::from_ref(record))
    }

    /// Appends many records and returns when all would survive a power cut: for what was not measured just now, and can be had
    /// again where it is lost.
    ///
    /// # Errors
    /// As [`Writer::append`]; of these records none is kept.
    pub fn append_all(&mut self, records: &[Record]) -> Result<(), JournalError> {
        const CHUNK_BYTES: usize = 1 << 20;
        let mut bytes = 0;
        let mut chunk = Vec::new();
        let mut next = self.next;
        for record in records {
            let (mut line, after) = match self.line(next, record) {
                Ok(line) => line,
                Err(why) => {
                    if bytes > 0 {
                        self.take_back();
                    }
                    return Err(why);
                }
            };
            next = after;
            chunk.append(&mut line);
            if chunk.len() >= CHUNK_BYTES {
                bytes += self.write(&chunk)?;
                chunk.clear();
            }
        }
        bytes += self.write(&chunk)?;
        if let Err(why) = self.store.sync() {
            self.take_back();
            return Err(JournalError::writing(&self.path, why));
        }
        self.next = next;
        self.bytes += bytes;
        Ok(())
    }

    /// A record as a line that reads back, and what comes after it.
    fn line(&self, next: Next, record: &Record) -> Result<(Vec<u8>, Next), JournalError> {
        if self.broken {
            return Err(JournalError::Broken(self.path.clone()));
        }
        let would_not = |why| JournalError::WouldNotReadBack { path: self.path.clone(), why };
        let (line, after) = encode(next, record).map_err(would_not)?;
        // A figure that JSON cannot hold (NaN becomes null) would make the whole journal unreadable.
        let mut copy = line.get(..line.len().saturating_sub(1)).unwrap_or_default().to_vec();
        decode(&mut copy, next).map_err(|flaw| would_not(format!("{flaw:?}")))?;
        Ok((line, after))
    }

    /// Writes bytes, or takes back all since the last record that was kept.
    fn write(&mut self, bytes: &[u8]) -> Result<u64, JournalError> {
        match write_whole(self.store.as_mut(), bytes) {
            Ok(()) => Ok(bytes.len() as u64),
            Err(why) => {
                self.take_back();
                Err(JournalError::writing(&self.path, why))
            }
        }
    }

    /// After a failed write or sync nobody knows what is on the disk, so all since the last record is taken back.
    fn take_back(&mut self) {
        let taken_back = self.store.truncate(self.bytes).and_then(|()| self.store.sync());
        self.broken = taken_back.is_err();
    }

    /// Records in the journal.
    pub fn records(&self) -> u64 {
        self.next.lines()
    }

    /// The journal's path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// One write in all but rare cases.
fn write_whole(store: &mut dyn Store, line: &[u8]) -> io::Result<()> {
    struct Through<'s>(&'s mut dyn Store);
    impl io::Write for Through<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    Through(store).write_all(line)
}

/// Locks a journal for one writer.
pub(crate) fn lock(file: &File, path: &Path) -> Result<(), JournalError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(JournalError::Locked(path.to_owned())),
        // A file system without locks (some network ones) must not keep anybody from measuring.
        Err(TryLockError::Error(why)) if why.kind() == io::ErrorKind::Unsupported => Ok(()),
        Err(TryLockError::Error(why)) => Err(JournalError::writing(path, why)),
    }
}
