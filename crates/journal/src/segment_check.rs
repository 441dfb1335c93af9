//! Whether a journal's segments are of the plan and the machines that stand beside it.

use std::path::PathBuf;

use model::Plan;
use model::host::Host;
use model::line_facts::KnownLine;
use model::record::Record;

use crate::error::JournalError;

/// Checks segments as they come.
#[derive(Debug)]
pub(crate) struct SegmentCheck {
    line: u64,
    plan: (PathBuf, String),
    host: PathBuf,
    /// The machine of the engine, and that of either end where it is another one: the receiving end's, the sending end's.
    machines: (String, [Option<String>; 2]),
    line_facts: KnownLine,
    /// The sum of what `host.json` says.
    host_crc32: String,
}

impl SegmentCheck {
    /// Against these two files, by their paths.
    pub(crate) fn new(
        (plan_path, plan): (PathBuf, &Plan),
        (host_path, host, host_crc32): (PathBuf, &Host, String),
    ) -> Self {
        Self {
            line: 0,
            plan: (plan_path, plan.identity()),
            host: host_path,
            machines: (
                host.identity(),
                [&host.receiver_host, &host.sender_host].map(|it| Some(it.as_ref()?.identity())),
            ),
            line_facts: KnownLine::of(host, &plan.factors.link),
            host_crc32,
        }
    }

    /// Takes the next record; only segments are looked at.
    ///
    /// # Errors
    /// It is a segment of another machine, line or plan, or of a `host.json` that said something else.
    pub(crate) fn next(&mut self, record: &Record) -> Result<(), JournalError> {
        self.line += 1;
        let line = self.line;
        let Record::Segment(segment) = record else { return Ok(()) };
        let others = [&segment.receiver_host, &segment.sender_host];
        if segment.host != self.machines.0 || others != self.machines.1.each_ref() {
            let machines = std::iter::once(&segment.host).chain(others.into_iter().flatten());
            let machines: Vec<&str> = machines.map(String::as_str).collect();
            let measured = machines.join(" and ");
            return Err(JournalError::OtherHost { path: self.host.clone(), line, measured });
        }
        if segment.host_crc32.as_ref().is_some_and(|sum| *sum != self.host_crc32) {
            return Err(JournalError::ChangedHost { path: self.host.clone(), line });
        }
        if let Some(told) = &segment.line {
            if let Some(differs) = self.line_facts.differs_from(told) {
                return Err(JournalError::OtherLine { path: self.host.clone(), line, differs });
            }
            self.line_facts.learn(told);
        }
        // A plan of another version may say more than this one understands.
        let measured = segment.plan.as_deref().and_then(|text| Plan::from_toml(text).ok());
        let (path, named) = &self.plan;
        if let Some(measured) = measured.map(|it| it.identity())
            && measured != *named
        {
            let mut lines = measured.lines().zip(named.lines());
            let (then, now) = lines.find(|(then, now)| then != now).unwrap_or_default();
            return Err(JournalError::OtherPlan {
                path: path.clone(),
                line,
                then: then.to_owned(),
                now: now.to_owned(),
            });
        }
        Ok(())
    }
}
