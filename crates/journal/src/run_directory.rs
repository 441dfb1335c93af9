//! A run's directory: its files by name, made and replaced so that no reader ever sees half of one.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{fchown, lchown, symlink};
use std::path::{Path, PathBuf};

use model::Plan;
use model::host::Host;

use crate::error::JournalError;
use crate::reader::Reader;
use crate::writer::{Resumed, Writer};

/// The link beside the run directories that points at the newest.
pub const LATEST: &str = "latest";

/// User and group that everything in the directory shall belong to: the invoking user's under sudo.
pub type Owner = Option<(u32, u32)>;

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
    path: PathBuf,
    owner: Owner,
}

impl RunDirectory {
    /// Makes a directory for a new run, parents included. An empty one that is there already is taken.
    ///
    /// # Errors
    /// It exists and is not empty, is a file, or cannot be made.
    pub fn create(path: &Path, owner: Owner) -> Result<Self, JournalError> {
        match fs::read_dir(path) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(JournalError::Exists(path.to_owned()));
                }
            }
            Err(why) if why.kind() == io::ErrorKind::NotFound => make_directories(path, owner)?,
            Err(why) if why.kind() == io::ErrorKind::NotADirectory && path.is_file() => {
                return Err(JournalError::NotADirectory(path.to_owned()));
            }
            Err(why) => return Err(JournalError::writing(path, why)),
        }
        Ok(Self { path: path.to_owned(), owner })
    }

    /// Makes `parent/name`, or `parent/name-2` and so on where another run of the same second has it.
    ///
    /// # Errors
    /// As [`RunDirectory::create`].
    pub fn create_within(parent: &Path, name: &str, owner: Owner) -> Result<Self, JournalError> {
        let mut tried = Self::create(&parent.join(name), owner);
        for number in 2..100 {
            if !matches!(tried, Err(JournalError::Exists(_))) {
                break;
            }
            tried = Self::create(&parent.join(format!("{name}-{number}")), owner);
        }
        tried
    }

    /// Takes the directory of an earlier run.
    ///
    /// # Errors
    /// It is missing, is no directory, or holds no journal.
    pub fn open(path: &Path, owner: Owner) -> Result<Self, JournalError> {
        let facts = fs::metadata(path).map_err(|why| JournalError::reading(path, why))?;
        if !facts.is_dir() {
            return Err(JournalError::NotADirectory(path.to_owned()));
        }
        let directory = Self { path: path.to_owned(), owner };
        let journal = directory.journal();
        fs::metadata(&journal).map_err(|why| JournalError::reading(&journal, why))?;
        Ok(directory)
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
        self.path.join("plan.toml")
    }

    /// The machine.
    pub fn host(&self) -> PathBuf {
        self.path.join("host.json")
    }

    /// The records.
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal.jsonl")
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
    /// It cannot be made.
    pub fn figures(&self) -> Result<PathBuf, JournalError> {
        let path = self.path.join("figures");
        make_directories(&path, self.owner)?;
        Ok(path)
    }

    /// Begins the journal.
    ///
    /// # Errors
    /// As [`Writer::create`].
    pub fn create_journal(&self) -> Result<Writer, JournalError> {
        let path = self.journal();
        let writer = Writer::create(&path)?;
        if let Some((uid, gid)) = self.owner {
            lchown(&path, Some(uid), Some(gid)).map_err(|why| JournalError::writing(&path, why))?;
        }
        sync_directory(&self.path)?;
        Ok(writer)
    }

    /// Opens the journal to go on with.
    ///
    /// # Errors
    /// As [`Writer::resume`].
    pub fn resume_journal(&self) -> Result<Resumed, JournalError> {
        Writer::resume(&self.journal())
    }

    /// Opens the journal for reading.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn read_journal(&self) -> Result<Reader, JournalError> {
        Reader::open(&self.journal())
    }

    /// Writes `plan.toml`.
    ///
    /// # Errors
    /// As [`RunDirectory::replace`].
    pub fn write_plan(&self, plan: &Plan) -> Result<(), JournalError> {
        self.replace(&self.plan(), |file| io::Write::write_all(file, plan.to_toml().as_bytes()))
    }

    /// Writes `host.json`.
    ///
    /// # Errors
    /// As [`RunDirectory::replace`].
    pub fn write_host(&self, host: &Host) -> Result<(), JournalError> {
        self.replace(&self.host(), |file| {
            serde_json::to_writer_pretty(&mut *file, host)?;
            io::Write::write_all(file, b"\n")
        })
    }

    /// Reads `plan.toml`.
    ///
    /// # Errors
    /// It is missing, unreadable or wrong, with line and column.
    pub fn read_plan(&self) -> Result<Plan, JournalError> {
        let path = self.plan();
        let text = fs::read_to_string(&path).map_err(|why| JournalError::reading(&path, why))?;
        Plan::from_toml(&text).map_err(|why| JournalError::Plan { path, why })
    }

    /// Reads `host.json`.
    ///
    /// # Errors
    /// It is missing, unreadable or wrong, with line and column.
    pub fn read_host(&self) -> Result<Host, JournalError> {
        let path = self.host();
        let text = fs::read_to_string(&path).map_err(|why| JournalError::reading(&path, why))?;
        serde_json::from_str(&text).map_err(|why| JournalError::Host { path, why: why.to_string() })
    }

    /// Replaces a file of this directory by what a function writes: whole, or not at all.
    ///
    /// # Errors
    /// The disk is full or the directory cannot be written; the file that was there is kept.
    pub fn replace(
        &self,
        path: &Path,
        write: impl FnOnce(&mut io::BufWriter<File>) -> io::Result<()>,
    ) -> Result<(), JournalError> {
        let temporary = self.path.join(temporary_name(path));
        let wrong = |why| JournalError::writing(path, why);
        remove_if_there(&temporary).map_err(wrong)?;
        let written = (|| {
            // create_new follows no link that somebody put there.
            let file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
            let mut buffered = io::BufWriter::new(file);
            write(&mut buffered)?;
            let file = buffered.into_inner().map_err(io::IntoInnerError::into_error)?;
            if let Some((uid, gid)) = self.owner {
                fchown(&file, Some(uid), Some(gid))?;
            }
            file.sync_all()?;
            fs::rename(&temporary, path)
        })();
        written.map_err(|why| {
            // The first error is the one to tell.
            let _ = fs::remove_file(&temporary);
            wrong(why)
        })?;
        sync_directory(&self.path)
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
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        let latest = parent.join(LATEST);
        if latest == self.path {
            return Ok(None);
        }
        match fs::symlink_metadata(&latest) {
            Ok(facts) if !facts.is_symlink() => {
                return Ok(Some(format!(
                    "{} is no link and was left alone, so it does not point at this run: rename it",
                    latest.display()
                )));
            }
            Ok(_) => {}
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            Err(why) => return Err(JournalError::writing(&latest, why)),
        }
        let temporary = parent.join(temporary_name(&latest));
        let linked =
            remove_if_there(&temporary).and_then(|()| symlink(name, &temporary)).and_then(|()| {
                if let Some((uid, gid)) = self.owner {
                    lchown(&temporary, Some(uid), Some(gid))?;
                }
                fs::rename(&temporary, &latest)
            });
        linked.map_err(|why| {
            let _ = fs::remove_file(&temporary);
            JournalError::writing(&latest, why)
        })?;
        Ok(None)
    }
}

/// Makes a directory and what is missing above it; each new one belongs to the owner.
fn make_directories(path: &Path, owner: Owner) -> Result<(), JournalError> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_directories(parent, owner)?;
    }
    match fs::create_dir(path) {
        Ok(()) => {}
        // Another run may have made it a moment ago.
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
        Err(why) => return Err(JournalError::writing(path, why)),
    }
    if let Some((uid, gid)) = owner {
        lchown(path, Some(uid), Some(gid)).map_err(|why| JournalError::writing(path, why))?;
    }
    Ok(())
}

/// Hidden, beside its target so that a rename stays within one file system, and of this process alone.
fn temporary_name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    format!(".{name}.{}", std::process::id())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Makes names durable: a rename survives a power cut only once its directory is synced (fsync(2)).
fn sync_directory(path: &Path) -> Result<(), JournalError> {
    let synced = File::open(path).and_then(|directory| directory.sync_all());
    match synced {
        // Some file systems cannot sync a directory and say EINVAL; they order names themselves.
        Err(why) if why.kind() == io::ErrorKind::InvalidInput => Ok(()),
        other => other.map_err(|why| JournalError::writing(path, why)),
    }
}
