//! What a study tells while it runs. It tells between trials and in the silence between two slices only, so that drawing disturbs nothing
//! that is measured.

use analysis::stopping::Widest;
use model::record::FinishReason;
use model::{Audit, Bytes, Cell, Mark, Measured, Nanos};

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A round begins.
    RoundStarted {
        /// From 1.
        round: u32,
        /// Blocks to measure in it; those that are precise already are left out.
        blocks: u32,
        /// Trials to measure in it, without retries.
        trials: u32,
        /// Time spent in this segment.
        elapsed: Nanos,
    },
    /// The copying ceiling is about to be measured.
    CeilingStarted,
    /// An audit trial is about to start.
    AuditStarted {
        /// What is audited.
        cell: Cell,
        /// The instrument.
        audit: Audit,
        /// Its number among the audit trials, from 1.
        number: u32,
        /// All of them.
        of: u32,
    },
    /// A trial is about to start.
    TrialStarted {
        /// What is measured.
        cell: Cell,
        /// Its number in the round, from 1; attempts share it.
        number: u32,
        /// Trials of the round.
        of: u32,
        /// From 1.
        attempt: u32,
    },
    /// A slice that counts is over; both ends sleep until this is taken note of. Roughly what it moved: the figure comes with the trial.
    SliceEnded {
        /// Whose it was.
        cell: Cell,
        /// Payload that the senders sent.
        bytes: Bytes,
        /// From its order to the silence after it.
        took: Nanos,
    },
    /// A trial ended and is in the journal.
    TrialEnded {
        /// What was measured.
        cell: Cell,
        /// What speaks against it.
        marks: Vec<Mark>,
        /// In Gbit/s.
        goodput_gbps: Measured<f64>,
    },
    /// A void trial is tried again.
    Retried {
        /// What is measured again.
        cell: Cell,
        /// The attempt that comes now, 2 or 3.
        attempt: u32,
        /// Why the last one is void.
        why: String,
    },
    /// This machine cannot measure a cell, which is not tried again.
    CellRefused {
        /// What cannot be measured.
        cell: Cell,
        /// Why, and the remedy.
        why: String,
    },
    /// A round is over.
    RoundEnded {
        /// From 1.
        round: u32,
        /// What is known least precisely, once there are intervals.
        widest: Option<Widest>,
        /// Cells that are as precise as the plan asks.
        precise: u32,
        /// Cells, without controls, that can be measured here.
        cells: u32,
        /// Time spent in this segment.
        elapsed: Nanos,
        /// Estimated time until the end, where anything is known of it.
        left: Option<Nanos>,
    },
    /// Something that the reader should know, in one line.
    Warning(String),
    /// The study is over, and the journal says so.
    Finished(FinishReason),
}
