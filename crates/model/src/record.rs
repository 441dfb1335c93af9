//! What the journal holds: trials with all that is needed to judge them, and the frame around them.
//!
//! Records carry raw figures: sums over a side's workers, and a few numbers of each worker. Times of a side
//! are of that side's own clock; sizes are bytes. Marks are not recorded: they are judged from these figures and
//! the plan's thresholds, so that a reader can judge again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::audit::{Audited, Ceiling, RefusedAudit};
use crate::measured::Measured;
use crate::units::Nanos;

mod counters;
mod imported;
mod link;
mod machine;
pub mod releases;
mod side;
mod tallies;
mod tally_table;
pub(crate) mod trial;

pub use counters::{Count, Counter, Counters};
pub use imported::{Imported, ImportedColumn, ImportedFile, ImportedTotals};
pub use link::{LinkFacts, SinkFacts};
pub use machine::{CpuBusy, CpuTicks, Load, Machine, MemoryTraffic, NO_MEMORY_LOAD};
pub use releases::Releases;
pub use side::{Held, RingThreads, Side, Slices, SocketFacts, Span, Worker};
pub use tallies::{Calls, ReceiveTally, SendTally, SinkTally, SnmpFacts, TcpFacts, Usage};
pub use tally_table::{Field, Figure, Getter};
pub use trial::{
    Failure, FailureKind, Finished, NO_DEVICES, NO_SINK, NO_TCP, Outcome, SeriesSettings, Settings,
    Trial,
};

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body", rename_all = "kebab-case")]
pub enum Record {
    /// A process begins to measure: the first one, and each resume.
    Segment(Segment),
    /// A round begins, with fresh ends.
    Round(Round),
    /// A trial ended, one way or the other.
    Trial(Box<Trial>),
    /// An audit trial of a cell: heavy instruments, never timed.
    Audit(Box<Audited>),
    /// A heavy instrument that was asked for and could not be had.
    AuditRefused(Box<RefusedAudit>),
    /// The copying ceiling, measured before the first trial of a segment.
    Ceiling(Ceiling),
    /// A process stopped measuring.
    Finish(Finish),
    /// A file that the trials after it were imported from.
    Imported(Box<ImportedFile>),
}

/// A process begins to measure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Version of copycost.
    pub copycost: String,
    /// When, in milliseconds since 1970.
    pub started_unix_ms: u64,
    /// The boot it runs in; another boot begins a new segment.
    pub boot_id: Measured<String>,
    /// The identity of the machine that the engine and, unless it is said otherwise, both ends run on, as in `host.json`.
    pub host: String,
    /// The same of the receiving end's machine, where it is another one; absent: both ends run on `host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver_host: Option<String>,
    /// The same of the sending end's machine, where that is another one than the engine's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender_host: Option<String>,
    /// A checksum of what `host.json` said when the segment began; absent in journals of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_crc32: Option<String>,
    /// What was known of the line when the segment began, by the names of [`crate::line_facts`]; absent in journals of earlier
    /// versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<BTreeMap<String, String>>,
    /// The congestion control that `auto` or `system` stands for in this segment.
    pub congestion: String,
    /// The plan, as in `plan.toml`; absent in journals of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
}

/// A round begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// From 1.
    pub round: u32,
    /// When, in milliseconds since 1970.
    pub started_unix_ms: u64,
    /// Busy time of the CPUs in use with both ends idle: what a machine does anyway. Where the ends run on two, the sending end's.
    pub idle: Measured<CpuBusy>,
}

/// Why a process stopped measuring.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finish {
    /// Why.
    pub reason: FinishReason,
    /// Time spent in this segment.
    pub spent_ns: Nanos,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FinishReason {
    /// Every cell's interval is narrow enough.
    Precise,
    /// The rounds asked for are done.
    Rounds,
    /// The time is spent.
    Time,
    /// A signal.
    Interrupted,
    /// Something that no trial can survive; the text went to the terminal.
    Failed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_says_its_kind() {
        let record = Record::Finish(Finish { reason: FinishReason::Time, spent_ns: Nanos::s(1) });
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(text, r#"{"kind":"finish","body":{"reason":"time","spent_ns":1000000000}}"#);
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
    }

    #[test]
    fn an_imported_trial_says_nothing_of_settings_that_nobody_knows() {
        let mut imported = Imported { line: 2, ..Imported::default() };
        imported.figures.insert("goodput_gbps".to_owned(), Measured::Value(0.126));
        let trial = Trial {
            cell: crate::Cell::default(),
            round: 1,
            block: 0,
            position: 0,
            attempt: 1,
            started_unix_ms: 0,
            settings: Settings::default(),
            outcome: Outcome::Imported(Box::new(imported)),
        };
        let text = serde_json::to_string(&trial).unwrap();
        assert!(!text.contains("settings"), "{text}");
        assert!(
            text.ends_with(
                r#""outcome":{"imported":{"line":2,"figures":{"goodput_gbps":0.126}}}}"#
            ),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<Trial>(&text).unwrap(), trial);
    }

    #[test]
    fn a_refused_audit_reads_back_and_is_spelt_as_it_always_was() {
        let old = r#"{"kind":"audit-refused","body":{"audit":"profile","started_unix_ms":7,"refusal":{"what":"profile","because":"perf_event_paranoid is 4","remedy":"run as root"}}}"#;
        let record: Record = serde_json::from_str(old).unwrap();
        assert_eq!(serde_json::to_string(&record).unwrap(), old);
        let Record::AuditRefused(mut refused) = record else { panic!("another kind") };
        let told = "profile: perf_event_paranoid is 4; run as root";
        assert_eq!(refused.refusal.to_string(), told);
        refused.refusal.undo = "leave".to_owned();
        let record = Record::AuditRefused(refused);
        let text = serde_json::to_string(&record).unwrap();
        assert!(text.ends_with(r#""remedy":"run as root","undo":"leave"}}}"#), "{text}");
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
    }
}
