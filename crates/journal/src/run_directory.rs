//! A run's directory: its files by name, made and replaced so that no reader ever sees half of one.
//!
//! Files are reached through the directory's descriptor, no link among them is followed, and under sudo everything is done
//! with the rights of the user who called it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Once};

use model::Plan;
use model::host::Host;
use model::record::{FinishReason, Record};

use crate::error::JournalError;
use crate::folder::Folder;
use crate::reader::{Reader, Torn};
use crate::records::Records;
use crate::rights::{Owner, Rights};
use crate::writer::{Resumed, Writer, lock};

mod contents;
mod left_behind;
mod replacement;

use left_behind::temporary_name;
pub use replacement::Replacement;

/// The link beside the run directories that points at the newest.
pub const LATEST: &str = "latest";

const PLAN: &str = "plan.toml";
const HOST: &str = "host.json";
const JOURNAL: &str = "journal.jsonl";
const FIGURES: &str = "figures";

/// A journal of so many bytes is read ahead by a thread.
const LONG_JOURNAL: u64 = 4 << 20;

/// Bytes handed to a file at once.
const WRITTEN_AT_ONCE: usize = 256 << 10;

/// A run directory's name from a local time such as `2026-11-23T07-10-00` and a host's name.
pub fn directory_name(time: &str, host: &str) -> String {
    let plain = |text: &str| -> String {
        let keep = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        text.chars().map(|c| if keep(c) { c } else { '-' }).collect()
    };
    format!("{}-{}", plain(time), plain(host))
}

/// The directory of one run.
#[derive(Clone, Debug)]
pub struct RunDirectory {
    folder: Arc<Folder>,
    path: PathBuf,
    owner: Owner,
    /// What an earlier process left half-written is removed once, before the first file is replaced.
    swept: Arc<Once>,
}

/// What a run directory holds.
#[derive(Debug)]
pub struct Contents {
    /// What was asked.
    pub plan: Plan,
    /// The machine.
    pub host: Host,
    /// What was measured.
    pub records: Vec<Record>,
    /// The torn last line that was left out.
    pub torn: Option<Torn>,
}

/// A run whose records are still to be read.
#[derive(Debug)]
pub struct Opened {
    /// What was asked.
    pub plan: Plan,
    /// The machine.
    pub host: Host,
    /// What was measured.
    pub records: Records,
}

impl RunDirectory {
    /// Begins a run in a directory, which is made with its parents: its journal is there and locked when this returns. An empty
    /// directory is taken, and so is one in which a run began and recorded nothing.
    ///
    /// # Errors
    /// It holds something else, another process has it, it is a file, or it cannot be made.
    pub fn begin(path: &Path, owner: Owner) -> Result<(Self, Writer), JournalError> {
        let begin = || {
            let _rights = Rights::take(owner)?;
            make_directories(path)?;
            let run = Self::of(Folder::open(path, owner.is_none())?, path, owner);
            let writer = run.begin_journal()?;
            Ok((run, writer))
        };
        told(owner, begin())
    }

    /// Begins a run in `parent/name`, or in `parent/name-2` and so on where another run of the same second has it. Whoever makes the
    /// directory has it: of several machines on one disk too, where a lock may be seen by its own machine alone.
    ///
    /// # Errors
    /// As [`RunDirectory::begin`].
    pub fn begin_within(
        parent: &Path,
        name: &str,
        owner: Owner,
    ) -> Result<(Self, Writer), JournalError> {
        let begin = |name: &str| {
            let _rights = Rights::take(owner)?;
            make_directories(parent)?;
            let folder = Folder::open(parent, owner.is_none())?.make(name)?;
            let run = Self::of(folder, &parent.join(name), owner);
            let writer = run.begin_journal()?;
            Ok((run, writer))
        };
        let mut tried = begin(name);
        for number in 2..100 {
            if !matches!(tried, Err(JournalError::Exists(_) | JournalError::Locked(_))) {
                break;
            }
            tried = begin(&format!("{name}-{number}"));
        }
        told(owner, tried)
    }

    /// Takes the directory of an earlier run.
    ///
    /// # Errors
    /// It is missing, is no directory, or holds no journal.
    pub fn open(path: &Path, owner: Owner) -> Result<Self, JournalError> {
        let open = || {
            let _rights = Rights::take(owner)?;
            let run = Self::opened(path, owner)?;
            run.folder.file(OsStr::new(JOURNAL), false)?;
            Ok(run)
        };
        told(owner, open())
    }

    /// Takes the directory of an earlier run to go on with it, also where that run ended before it recorded anything.
    ///
    /// # Errors
    /// It is missing, is no directory, or holds no run.
    pub fn open_to_resume(path: &Path, owner: Owner) -> Result<Self, JournalError> {
        let open = || {
            let _rights = Rights::take(owner)?;
            let run = Self::opened(path, owner)?;
            match run.folder.file(OsStr::new(JOURNAL), false) {
                Err(why @ JournalError::Missing(_)) => {
                    let has =
                        |name| run.folder.is_link(OsStr::new(name)).is_ok_and(|is| is.is_some());
                    if !run.is_beginning()? || ![PLAN, HOST].into_iter().any(has) {
                        return Err(why);
                    }
                }
                other => drop(other?),
            }
            Ok(run)
        };
        told(owner, open())
    }

    fn of(folder: Folder, path: &Path, owner: Owner) -> Self {
        let (folder, path) = (Arc::new(folder), path.to_owned());
        Self { folder, path, owner, swept: Arc::new(Once::new()) }
    }

    /// Under sudo a link is not followed but for [`LATEST`], which points at a name beside it.
    fn opened(path: &Path, owner: Owner) -> Result<Self, JournalError> {
        let opened = Folder::open(path, owner.is_none());
        if matches!(opened, Err(JournalError::Link(_)))
            && path.file_name().is_some_and(|name| name == LATEST)
            && let Some(parent) = path.parent()
            && let Some(name) = name_alone(&fs::read_link(path).unwrap_or_default())
        {
            let folder = Folder::open(parent, false)?.within(&name, false)?;
            return Ok(Self::of(folder, &parent.join(name), owner));
        }
        Ok(Self::of(opened?, path, owner))
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name, by which files tell runs apart; the same where it was opened through a link such as [`LATEST`].
    pub fn name(&self) -> String {
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// What was asked.
    pub fn plan(&self) -> PathBuf {
        self.path.join(PLAN)
    }

    /// The machine.
    pub fn host(&self) -> PathBuf {
        self.path.join(HOST)
    }

    /// The records.
    pub fn journal(&self) -> PathBuf {
        self.path.join(JOURNAL)
    }

    /// One row a trial.
    pub fn trials(&self) -> PathBuf {
        self.path.join("trials.csv")
    }

    /// One row a cell.
    pub fn results(&self) -> PathBuf {
        self.path.join("results.csv")
    }

    /// One row a ratio.
    pub fn ratios(&self) -> PathBuf {
        self.path.join("ratios.csv")
    }

    /// The paper's columns.
    pub fn paper(&self) -> PathBuf {
        self.path.join("paper.csv")
    }

    /// Everything that a reporter may say.
    pub fn summary(&self) -> PathBuf {
        self.path.join("summary.json")
    }

    /// The folder of figures, which is made if it is missing.
    ///
    /// # Errors
    /// It cannot be made, or something else has its name.
    pub fn figures(&self) -> Result<PathBuf, JournalError> {
        let make = || {
            let _rights = Rights::take(self.owner)?;
            self.folder.within(FIGURES, true)?;
            Ok(self.path.join(FIGURES))
        };
        told(self.owner, make())
    }

    /// Begins the journal, or takes one that holds no record; it is locked from here on.
    fn begin_journal(&self) -> Result<Writer, JournalError> {
        if !self.is_beginning()? {
            return Err(JournalError::Exists(self.path.clone()));
        }
        let path = self.journal();
        let writer = match self.folder.create(OsStr::new(JOURNAL)) {
            Ok(file) => {
                self.lock(&file)?;
                Writer::begin(file, &path)?
            }
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {
                let resumed = self.resume()?;
                if !resumed.records.is_empty() {
                    return Err(JournalError::Exists(self.path.clone()));
                }
                resumed.writer
            }
            Err(why) => return Err(JournalError::writing(&path, why)),
        };
        self.folder.sync()?;
        Ok(writer)
    }

    /// Locks the journal. Whoever waited for a lock may hold that of a file which another process has replaced meanwhile.
    fn lock(&self, file: &File) -> Result<(), JournalError> {
        let path = self.journal();
        lock(file, &path)?;
        if self.folder.still_names(OsStr::new(JOURNAL), file) {
            Ok(())
        } else {
            Err(JournalError::Locked(path))
        }
    }

    fn resume(&self) -> Result<Resumed, JournalError> {
        let path = self.journal();
        let file = self.folder.file(OsStr::new(JOURNAL), true)?;
        if let Some((user, _)) = self.owner {
            let owner = file.metadata().map_err(|why| JournalError::reading(&path, why))?.uid();
            if owner != user {
                return Err(JournalError::NotOwned { path, owner, user });
            }
        }
        self.lock(&file)?;
        let renewed = || {
            let name = temporary_name(OsStr::new(JOURNAL));
            let renew = || {
                self.folder.remove(&name)?;
                let file = self.folder.create(&name)?;
                self.folder.rename(&name, OsStr::new(JOURNAL))?;
                Ok(file)
            };
            let file = renew().map_err(|why| JournalError::writing(&path, why))?;
            self.lock(&file)?;
            Ok(file)
        };
        Writer::resume(file, &path, renewed)
    }

    /// Opens the journal to go on with; begins it where the run ended before it had one.
    ///
    /// # Errors
    /// It is unwritable, locked, of another version or another user's, or damaged elsewhere than at its end.
    pub fn resume_journal(&self) -> Result<Resumed, JournalError> {
        let resume = || {
            let _rights = Rights::take(self.owner)?;
            match self.resume() {
                Err(JournalError::Missing(_)) if self.is_beginning()? => {
                    Ok(Resumed { writer: self.begin_journal()?, records: Vec::new(), torn: None })
                }
                other => other,
            }
        };
        told(self.owner, resume())
    }

    /// Opens the journal for reading. A run that is still being written can be read.
    ///
    /// # Errors
    /// It is missing or unreadable.
    pub fn read_journal(&self) -> Result<Reader, JournalError> {
        let read = || {
            let _rights = Rights::take(self.owner)?;
            let file = self.folder.file(OsStr::new(JOURNAL), false)?;
            Ok(Reader::of_file(file, &self.journal()))
        };
        told(self.owner, read())
    }

    /// Whether anything was recorded.
    ///
    /// # Errors
    /// As [`RunDirectory::read_journal`], but for a journal that is missing, in which nothing is; and a first line that is no
    /// record's.
    pub fn has_records(&self) -> Result<bool, JournalError> {
        match self.read_journal() {
            Ok(mut reader) => reader.next().transpose().map(|first| first.is_some()),
            Err(JournalError::Missing(_)) => Ok(false),
            Err(why) => Err(why),
        }
    }

    /// Why the run ended, where the last thing that was recorded is its end.
    ///
    /// # Errors
    /// The journal is damaged or unreadable; one that is missing tells of no end.
    pub fn finish(&self) -> Result<Option<FinishReason>, JournalError> {
        let mut records = match self.read_journal() {
            Ok(reader) => reader,
            Err(JournalError::Missing(_)) => return Ok(None),
            Err(why) => return Err(why),
        };
        records.try_fold(None, |_, record| match record? {
            Record::Finish(finish) => Ok(Some(finish.reason)),
            Record::Segment(_)
            | Record::Round(_)
            | Record::Trial(_)
            | Record::Audit(_)
            | Record::AuditRefused(_)
            | Record::Ceiling(_)
            | Record::Imported(_) => Ok(None),
        })
    }

    /// Whether another program measured it, so that it cannot be gone on with: a table's record follows its first segment's.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn is_imported(&self) -> Result<bool, JournalError> {
        let mut first = match self.read_journal() {
            Ok(reader) => reader.take(2),
            Err(JournalError::Missing(_)) => return Ok(false),
            Err(why) => return Err(why),
        };
        first.try_fold(false, |found, record| Ok(found || matches!(record?, Record::Imported(_))))
    }

    /// Replaces a file of this directory, or of its folder of figures, by what a function writes: whole, or not at all.
    ///
    /// # Errors
    /// The disk is full or the directory cannot be written; the file that was there is kept.
    pub fn replace(
        &self,
        path: &Path,
        write: impl FnOnce(&mut io::BufWriter<File>) -> io::Result<()>,
    ) -> Result<(), JournalError> {
        let replace = || {
            let _rights = Rights::take(self.owner)?;
            self.sweep();
            let inside = path.strip_prefix(&self.path).unwrap_or(path);
            let parts: Vec<&OsStr> = inside.iter().collect();
            match parts[..] {
                [name] => replace_in(&self.folder, name, write),
                [folder, name] if folder == FIGURES => {
                    replace_in(&self.folder.within(FIGURES, true)?, name, write)
                }
                _ => Err(JournalError::writing(path, io::ErrorKind::InvalidInput.into())),
            }
        };
        told(self.owner, replace())
    }

    /// Points `latest`, beside this directory, at it. What stands there and is no link is left alone, and the note to
    /// show says so.
    ///
    /// # Errors
    /// The link cannot be made.
    pub fn point_latest(&self) -> Result<Option<String>, JournalError> {
        let (Some(parent), Some(name)) = (self.path.parent(), self.path.file_name()) else {
            return Ok(Some(format!(
                "{} has no place beside it for a link \"{LATEST}\"",
                self.path.display()
            )));
        };
        let latest = parent.join(LATEST);
        if latest == self.path {
            return Ok(None);
        }
        let point = || {
            let _rights = Rights::take(self.owner)?;
            let folder = Folder::open(parent, self.owner.is_none())?;
            let wrong = |why| JournalError::writing(&latest, why);
            if folder.is_link(OsStr::new(LATEST)).map_err(wrong)? == Some(false) {
                return Ok(Some(format!(
                    "{} is no link and was left alone, so it does not point at this run: rename it",
                    latest.display()
                )));
            }
            let temporary = temporary_name(OsStr::new(LATEST));
            let linked = folder
                .remove(&temporary)
                .and_then(|()| folder.link(name, &temporary))
                .and_then(|()| folder.rename(&temporary, OsStr::new(LATEST)));
            linked.map_err(|why| {
                let _ = folder.remove(&temporary);
                wrong(why)
            })?;
            Ok(None)
        };
        told(self.owner, point())
    }
}

/// Under sudo a refusal names the user whose rights it met.
fn told<T>(owner: Owner, done: Result<T, JournalError>) -> Result<T, JournalError> {
    match owner {
        Some((user, _)) => done.map_err(|why| why.of_user(user)),
        None => done,
    }
}

fn replace_in(
    folder: &Folder,
    name: &OsStr,
    write: impl FnOnce(&mut io::BufWriter<File>) -> io::Result<()>,
) -> Result<(), JournalError> {
    let temporary = temporary_name(name);
    let wrong = |why| JournalError::writing(&folder.path().join(name), why);
    folder.remove(&temporary).map_err(wrong)?;
    let written = (|| {
        let mut buffered =
            io::BufWriter::with_capacity(WRITTEN_AT_ONCE, folder.create(&temporary)?);
        write(&mut buffered)?;
        let file = buffered.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        folder.rename(&temporary, name)
    })();
    written.map_err(|why| {
        // The first error is the one to tell.
        let _ = folder.remove(&temporary);
        wrong(why)
    })?;
    folder.sync()
}

/// Makes a directory and what is missing above it.
fn make_directories(path: &Path) -> Result<(), JournalError> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_directories(parent)?;
    }
    match fs::create_dir(path) {
        // Something else, or another run may have made it a moment ago: opening it tells.
        Err(why) if why.kind() != io::ErrorKind::AlreadyExists => {
            Err(JournalError::writing(path, why))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A path that is nothing but a name.
fn name_alone(path: &Path) -> Option<String> {
    let mut parts = path.components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(name)), None) => name.to_str().map(str::to_owned),
        _ => None,
    }
}
