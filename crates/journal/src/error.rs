//! How the journal and the run directory fail: one line each, with the remedy.

use std::io;
use std::path::{Path, PathBuf};

use model::PlanError;
use model::line_facts::LineDiffers;
use thiserror::Error;

use crate::line::VERSION;

/// Which exit code an error asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// What was named cannot be used so: exit code 2.
    Usage,
    /// This machine cannot do it now: exit code 3.
    Cannot,
}

/// Why a run directory or its journal cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// A new run was to be put where something is already.
    #[error("{0} exists and is not empty: name another directory with --out")]
    Exists(PathBuf),
    /// A file stands where a directory should.
    #[error("{0} is not a directory: name a run directory")]
    NotADirectory(PathBuf),
    /// A file of the run is not there.
    #[error("{0} does not exist; name a run directory")]
    Missing(PathBuf),
    /// Another process holds the journal.
    #[error(
        "another copycost is writing to this run ({0}): wait until it ends, or name another run"
    )]
    Locked(PathBuf),
    /// The journal was written by another version.
    #[error(
        "{path}: line {line} is of journal version {found}, and this copycost reads versions 1 and {reads}: use the copycost that wrote it",
        reads = VERSION
    )]
    OtherVersion {
        /// The journal.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// The version that the line names.
        found: u64,
    },
    /// A line before the last one is not what was written.
    #[error("{path}: line {line} is damaged ({why}): take the file from a copy{}", how_to_keep(path, *line))]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// A line is whole, but of a kind that this program does not know.
    #[error(
        "{path}: line {line} is a record of the unknown kind \"{kind}\": use the copycost that wrote it"
    )]
    UnknownKind {
        /// The journal.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// The kind.
        kind: String,
    },
    /// Lines are missing or doubled.
    #[error(
        "{path}: line {line} has sequence number {found} where {expected} belongs, so lines are missing or doubled: take the file from a copy{}",
        how_to_keep(path, *line)
    )]
    Gap {
        /// The journal.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// The number that belongs there.
        expected: u64,
        /// The number that is there.
        found: u64,
    },
    /// A line was written by another run.
    #[error(
        "{path}: line {line} belongs to another run: take the file from a copy{}",
        how_to_keep(path, *line)
    )]
    OtherRun {
        /// The journal.
        path: PathBuf,
        /// From 1.
        line: u64,
    },
    /// A line followed another one than the one before it.
    #[error(
        "{path}: line {line} does not follow the line before it, one of which was exchanged: take the file from a copy{}",
        how_to_keep(path, *line)
    )]
    Unchained {
        /// The journal.
        path: PathBuf,
        /// From 1.
        line: u64,
    },
    /// The records were made on another machine than `host.json` describes.
    #[error(
        "{path} describes another machine or kernel than that of the journal's line {line} ({measured}): take the file from a copy of this run"
    )]
    OtherHost {
        /// The file.
        path: PathBuf,
        /// The line of the journal, from 1.
        line: u64,
        /// The machine that the line names, or those of both ends.
        measured: String,
    },
    /// The records were made over another line than `host.json` describes.
    #[error(
        "{path} describes another line than that of the journal's line {line}: the {fact} is \"{then}\" there, and was \"{now}\": take the file from a copy of this run",
        fact = differs.fact, then = differs.then, now = differs.now
    )]
    OtherLine {
        /// The file.
        path: PathBuf,
        /// The line of the journal, from 1.
        line: u64,
        /// The first fact that differs.
        differs: LineDiffers,
    },
    /// `host.json` was changed since a segment began.
    #[error(
        "{path} does not say what it said when line {line} of the journal was written: take the file from a copy of this run"
    )]
    ChangedHost {
        /// The file.
        path: PathBuf,
        /// The line of the journal, from 1.
        line: u64,
    },
    /// The records were made under another plan than `plan.toml`.
    #[error(
        "{path} has \"{now}\" where the journal's line {line} has \"{then}\": take the file from a copy of this run"
    )]
    OtherPlan {
        /// The file.
        path: PathBuf,
        /// The line of the journal, from 1.
        line: u64,
        /// The first line of the journal's plan that differs.
        then: String,
        /// The same line of the file.
        now: String,
    },
    /// `plan.toml` has nothing in it.
    #[error("{0} is empty, and a run is judged by its plan: take the file from a copy")]
    EmptyPlan(PathBuf),
    /// A name in a run directory, or under sudo the directory's own, is a link's.
    #[error(
        "{0} is a symbolic link, which is not followed: in a run directory nothing is one, and under sudo the directory itself must be named"
    )]
    Link(PathBuf),
    /// Something that is no file stands where one should.
    #[error("{0} is a pipe, a device or a directory, not a file: name a run directory")]
    NotAFile(PathBuf),
    /// Under sudo: the journal is another user's.
    #[error(
        "{path} belongs to user {owner}, and user {user} called sudo: that user may go on with it, or root itself (env -u SUDO_UID)"
    )]
    NotOwned {
        /// The journal.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Who called sudo.
        user: u32,
    },
    /// Under sudo: the user who called it may not do this.
    #[error(
        "user {user}, who called sudo, may not use {path} ({why}): name another directory, or run it as root itself (env -u SUDO_UID)"
    )]
    NotPermitted {
        /// The file or directory.
        path: PathBuf,
        /// Who called sudo.
        user: u32,
        /// The system's answer.
        why: io::Error,
    },
    /// Under sudo: the user's rights cannot be taken.
    #[error(
        "{call}({id}): {why}; under sudo files are written with the rights of the user who called it: run it as root itself (env -u SUDO_UID)"
    )]
    Rights {
        /// The call.
        call: &'static str,
        /// Its argument: the user's or the group's number, or none.
        id: String,
        /// The system's answer.
        why: io::Error,
    },
    /// `plan.toml` is wrong.
    #[error("{path}: {why}")]
    Plan {
        /// The plan file.
        path: PathBuf,
        /// Line, column and what is wrong.
        why: PlanError,
    },
    /// `host.json` is wrong.
    #[error("{path}: {why}: take the file from a copy; it describes the machine that measured")]
    Host {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        why: String,
    },
    /// The disk or the quota is full.
    #[error("no space left to write {path}: {remedy}", path = .0.display(), remedy = after_full(.0))]
    Full(PathBuf),
    /// Writing failed.
    #[error("cannot write {path}: {why}{}", remedy(why))]
    Unwritable {
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        why: io::Error,
    },
    /// Reading failed.
    #[error("cannot read {path}: {why}{}", how_to_read(why))]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        why: io::Error,
    },
    /// A record would not read back, so it was not written.
    #[error(
        "a record was not written to {path} because it would not read back ({why}): report this as a fault of copycost"
    )]
    WouldNotReadBack {
        /// The journal.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// An earlier write failed and left the file in doubt.
    #[error(
        "nothing more is written to {0} after a write that failed: go on with --resume once that is mended"
    )]
    Broken(PathBuf),
}

impl JournalError {
    /// Which exit code it asks for.
    pub fn class(&self) -> Class {
        match self {
            Self::Exists(_)
            | Self::NotADirectory(_)
            | Self::Missing(_)
            | Self::Locked(_)
            | Self::OtherVersion { .. }
            | Self::Damaged { .. }
            | Self::UnknownKind { .. }
            | Self::Gap { .. }
            | Self::OtherRun { .. }
            | Self::Unchained { .. }
            | Self::OtherHost { .. }
            | Self::ChangedHost { .. }
            | Self::OtherLine { .. }
            | Self::OtherPlan { .. }
            | Self::EmptyPlan(_)
            | Self::Link(_)
            | Self::NotAFile(_)
            | Self::NotOwned { .. }
            | Self::Plan { .. }
            | Self::Host { .. } => Class::Usage,
            Self::Full(_)
            | Self::Unwritable { .. }
            | Self::Unreadable { .. }
            | Self::NotPermitted { .. }
            | Self::Rights { .. }
            | Self::WouldNotReadBack { .. }
            | Self::Broken(_) => Class::Cannot,
        }
    }

    /// Under sudo a refusal is told with whose rights it met.
    #[allow(clippy::wildcard_enum_match_arm, reason = "any other failure is told as it is")]
    pub(crate) fn of_user(self, user: u32) -> Self {
        match self {
            Self::Unwritable { path, why } | Self::Unreadable { path, why }
                if why.kind() == io::ErrorKind::PermissionDenied =>
            {
                Self::NotPermitted { path, user, why }
            }
            other => other,
        }
    }

    pub(crate) fn writing(path: &Path, why: io::Error) -> Self {
        if is_full(&why) {
            Self::Full(path.to_owned())
        } else {
            Self::Unwritable { path: path.to_owned(), why }
        }
    }

    pub(crate) fn reading(path: &Path, why: io::Error) -> Self {
        if why.kind() == io::ErrorKind::NotFound {
            Self::Missing(path.to_owned())
        } else {
            Self::Unreadable { path: path.to_owned(), why }
        }
    }
}

/// What to do about a full disk. Not every command that begins a run goes on with one.
fn after_full(path: &Path) -> &'static str {
    if path.ends_with("journal.jsonl") {
        "what was measured before is kept; make room, then go on with --resume"
    } else {
        "make room, then give the command again"
    }
}

fn is_full(why: &io::Error) -> bool {
    matches!(
        why.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// How to keep what is whole before a damaged line, as a command for a shell.
fn how_to_keep(path: &Path, line: u64) -> String {
    let whole = line.saturating_sub(1);
    if whole == 0 {
        return "; this is its first line, so nothing of it can be kept".to_owned();
    }
    let (old, new) =
        (quoted(&path.display().to_string()), quoted(&format!("{}.new", path.display())));
    format!(
        ", or keep what is whole before that line: head -n {whole} {old} > {new} && mv {new} {old}"
    )
}

/// A file's name for a shell.
fn quoted(word: &str) -> String {
    // What begins with a dash would be an option.
    let word = if word.starts_with('-') { format!("./{word}") } else { word.to_owned() };
    model::shell_word(&word)
}

/// What to do about a file that cannot be read.
fn how_to_read(why: &io::Error) -> &'static str {
    if why.kind() == io::ErrorKind::PermissionDenied {
        ": it must be one that you may read"
    } else {
        ""
    }
}

/// What to do about the commonest of the system's answers. Not every command that writes can be given another directory.
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "ErrorKind is open; most answers have no remedy of ours"
)]
fn remedy(why: &io::Error) -> &'static str {
    match why.kind() {
        io::ErrorKind::PermissionDenied => ": it must lie in a directory that you may write",
        io::ErrorKind::ReadOnlyFilesystem => ": it must be on a file system that can be written",
        io::ErrorKind::NotADirectory => ": a part of that path is a file",
        _ => "",
    }
}
