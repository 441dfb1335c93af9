//! What a run is made of: its plan, the facts of its machine, its records, and whether they belong together.

use std::ffi::OsStr;
use std::io::{self, Read as _};
use std::path::PathBuf;

use model::Plan;
use model::host::Host;
use model::record::Record;
use serde_json::Value;

use super::{Contents, HOST, LONG_JOURNAL, Opened, PLAN, RunDirectory, told};
use crate::error::JournalError;
use crate::host_sum::crc32_of_text;
use crate::records::Records;
use crate::rights::Rights;
use crate::segment_check::SegmentCheck;

/// A plan or the facts of a host are no longer than this, in bytes; without a bound a foreign file could fill the memory.
const LONGEST_TEXT: u64 = 16 << 20;

/// A fact of a host is no longer than this, in bytes; each stands in every figure's footer.
const LONGEST_FACT: usize = 4096;

impl RunDirectory {
    /// Reads all that the run is made of.
    ///
    /// # Errors
    /// A file that is missing, damaged or of another version; records that were made on another machine than `host.json`
    /// describes, or under another plan.
    pub fn read(&self) -> Result<Contents, JournalError> {
        let Opened { plan, host, mut records } = self.open_contents()?;
        let all = records.by_ref().collect::<Result<_, _>>()?;
        Ok(Contents { plan, host, records: all, torn: records.torn() })
    }

    /// Reads all that the run is made of but its records, which come one after the other: a journal of a day is larger than most
    /// memories.
    ///
    /// # Errors
    /// As [`RunDirectory::read`]; those of the records come with them.
    pub fn open_contents(&self) -> Result<Opened, JournalError> {
        let journal = self.read_journal()?;
        let (plan, host) = (self.read_plan()?, self.read_host()?);
        let records = if journal.bytes().is_some_and(|bytes| bytes >= LONG_JOURNAL) {
            Records::ahead(|| self.read_journal())?
        } else {
            Records::here(journal)
        };
        let records = records.checked_by(self.segment_check(&plan, &host)?);
        Ok(Opened { plan, host, records })
    }

    /// Checks that every segment names the machines of its ends as `host.json` does and knows all that it says, and holds the
    /// plan but for budget, precision, rounds and label.
    ///
    /// # Errors
    /// The first segment of another machine or another plan, or of a `host.json` that said something else.
    pub fn check(&self, plan: &Plan, host: &Host, records: &[Record]) -> Result<(), JournalError> {
        let mut check = self.segment_check(plan, host)?;
        records.iter().try_for_each(|record| check.next(record))
    }

    fn segment_check(&self, plan: &Plan, host: &Host) -> Result<SegmentCheck, JournalError> {
        let (path, text) = self.text(HOST)?;
        Ok(SegmentCheck::new((self.plan(), plan), (path, host, crc32_of_text(&text))))
    }

    /// Writes `plan.toml`.
    ///
    /// # Errors
    /// As [`RunDirectory::replace`].
    pub fn write_plan(&self, plan: &Plan) -> Result<(), JournalError> {
        self.replace(&self.plan(), |file| io::Write::write_all(file, plan.to_toml().as_bytes()))
    }

    /// Writes `host.json`; a fact that would be refused when it is read is cut.
    ///
    /// # Errors
    /// As [`RunDirectory::replace`].
    pub fn write_host(&self, host: &Host) -> Result<(), JournalError> {
        let mut facts = serde_json::to_value(host).map_err(io::Error::from);
        let is_cut = facts.as_mut().is_ok_and(|facts| {
            let mut is_cut = false;
            each_text(facts, &mut |text| {
                is_cut |= text.len() > LONGEST_FACT;
                text.truncate(text.floor_char_boundary(LONGEST_FACT));
            });
            is_cut
        });
        self.replace(&self.host(), |file| {
            match facts {
                Ok(cut) if is_cut => serde_json::to_writer_pretty(&mut *file, &cut)?,
                Ok(_) | Err(_) => serde_json::to_writer_pretty(&mut *file, host)?,
            }
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
    /// It is missing, unreadable or wrong, with line and column, or holds a fact that is longer than any machine's.
    pub fn read_host(&self) -> Result<Host, JournalError> {
        let (path, text) = self.text(HOST)?;
        let wrong = |why: String| JournalError::Host { path, why };
        let mut longest = 0;
        let facts = serde_json::from_str::<Value>(&text);
        if let Ok(mut facts) = facts {
            each_text(&mut facts, &mut |text| longest = longest.max(text.len()));
        }
        if longest > LONGEST_FACT {
            return Err(wrong(format!(
                "it holds a text of {longest} bytes; a fact of a machine has at most {LONGEST_FACT}"
            )));
        }
        serde_json::from_str(&text).map_err(|why| wrong(why.to_string()))
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

/// Goes through all texts of a value; of the names of its fields, which are map keys too, copies are seen.
fn each_text(value: &mut Value, see: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => see(text),
        Value::Array(values) => values.iter_mut().for_each(|value| each_text(value, see)),
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                let mut name = name.clone();
                see(&mut name);
                each_text(value, see);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
