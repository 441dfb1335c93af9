//! What a run is made of: its plan, the facts of its machine, its records, and whether they belong together.

use std::ffi::OsStr;
use std::io::{self, Read as _};
use std::path::PathBuf;

use model::Plan;
use model::host::Host;
use model::record::Record;

use super::{Contents, HOST, PLAN, RunDirectory, told};
use crate::error::JournalError;
use crate::host_sum::host_crc32;
use crate::rights::Rights;

/// A plan or the facts of a host are no longer than this, in bytes; without a bound a foreign file could fill the memory.
const LONGEST_TEXT: u64 = 16 << 20;

impl RunDirectory {
    /// Reads all that the run is made of.
    ///
    /// # Errors
    /// A file that is missing, damaged or of another version; records that were made on another machine than `host.json`
    /// describes.
    pub fn read(&self) -> Result<Contents, JournalError> {
        let (records, torn) = self.read_journal()?.read_all()?;
        let (plan, host) = (self.read_plan()?, self.read_host()?);
        self.check(&plan, &host, &records)?;
        Ok(Contents { plan, host, records, torn })
    }

    /// Checks that every segment names the machines of its ends as `host.json` does and knows all that it says, and holds the plan but for budget, precision,
    /// rounds and label.
    ///
    /// # Errors
    /// The first segment of another machine or another plan, or of a `host.json` that said something else.
    pub fn check(&self, plan: &Plan, host: &Host, records: &[Record]) -> Result<(), JournalError> {
        let described = (host.identity(), host.receiver_host.as_ref().map(|it| it.identity()));
        for (line, record) in (1..).zip(records) {
            let Record::Segment(segment) = record else { continue };
            if (&segment.host, &segment.receiver_host) != (&described.0, &described.1) {
                let receiver = segment.receiver_host.iter();
                let machines: Vec<&str> =
                    std::iter::once(&segment.host).chain(receiver).map(String::as_str).collect();
                let measured = machines.join(" and ");
                return Err(JournalError::OtherHost { path: self.host(), line, measured });
            }
            if segment.host_crc32.as_ref().is_some_and(|sum| *sum != host_crc32(host)) {
                return Err(JournalError::ChangedHost { path: self.host(), line });
            }
            // A plan of another version may say more than this one understands.
            let measured = segment.plan.as_deref().and_then(|text| Plan::from_toml(text).ok());
            if let Some(measured) = measured.map(|it| it.identity())
                && measured != plan.identity()
            {
                let named = plan.identity();
                let mut lines = measured.lines().zip(named.lines());
                let (then, now) = lines.find(|(then, now)| then != now).unwrap_or_default();
                return Err(JournalError::OtherPlan {
                    path: self.plan(),
                    line,
                    then: then.to_owned(),
                    now: now.to_owned(),
                });
            }
        }
        Ok(())
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
    /// It is missing, unreadable, empty or wrong, with line and column.
    pub fn read_plan(&self) -> Result<Plan, JournalError> {
        let (path, text) = self.text(PLAN)?;
        // A plan file may leave everything to the defaults; that of a run leaves nothing.
        let says_nothing = |line: &str| line.trim().is_empty() || line.trim().starts_with('#');
        if text.lines().all(says_nothing) {
            return Err(JournalError::EmptyPlan(path));
        }
        Plan::from_toml(&text).map_err(|why| JournalError::Plan { path, why })
    }

    /// Reads `host.json`.
    ///
    /// # Errors
    /// It is missing, unreadable or wrong, with line and column.
    pub fn read_host(&self) -> Result<Host, JournalError> {
        let (path, text) = self.text(HOST)?;
        serde_json::from_str(&text).map_err(|why| JournalError::Host { path, why: why.to_string() })
    }

    fn text(&self, name: &str) -> Result<(PathBuf, String), JournalError> {
        let read = || {
            let _rights = Rights::take(self.owner)?;
            self.text_here(name)
        };
        told(self.owner, read()).map(|text| (self.path.join(name), text))
    }

    pub(super) fn text_here(&self, name: &str) -> Result<String, JournalError> {
        let file = self.folder.file(OsStr::new(name), false)?;
        let mut text = String::new();
        let read = file.take(LONGEST_TEXT).read_to_string(&mut text);
        read.map_err(|why| JournalError::reading(&self.path.join(name), why))?;
        Ok(text)
    }
}
