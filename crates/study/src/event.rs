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
        /// Ratios that are as narrow as the plan asks, and of how many that can be measured here; none where it compares nothing.
        ratios: Option<(u32, u32)>,
        /// Cells that are as precise as the plan asks.
        precise: u32,
        /// Cells, without controls, that can be measured here.
        cells: u32,
        /// Time spent in this segment.
        elapsed: Nanos,
        /// Of a run's first round: what it took, and what was foreseen of it.
        first: Option<FirstRound>,
        /// Estimated time until the end, where anything is known of it.
        left: Option<Nanos>,
    },
    /// Something that the reader should know, in one line.
    Warning(String),
    /// The limit does not hold the next block: the study ends.
    OutOfTime(OutOfTime),
    /// The study is over, and the journal says so.
    Finished(FinishReason),
}

/// What a run's first round took beside what was foreseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstRound {
    /// What it took.
    pub took: Nanos,
    /// What [`Forecast::first_round`](crate::Forecast::first_round) told.
    pub foreseen: Nanos,
}

/// Where a study ended for want of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfTime {
    /// The round in hand, from 1.
    pub round: u32,
    /// Blocks that this segment measured.
    pub blocks: u32,
    /// Time spent in this segment.
    pub elapsed: Nanos,
    /// What the blocks of the round that are left take, as far as this segment knows.
    pub left: Nanos,
    /// Where that is a run's first round, which this segment began: what was foreseen of it.
    pub foreseen: Option<Nanos>,
}

impl OutOfTime {
    /// A limit with which this segment would have measured the rest of the round too, on a machine that varies.
    pub fn enough(&self) -> Nanos {
        let needed = self.elapsed.0.saturating_add(self.left.0);
        Nanos(needed.saturating_add(needed / 4))
    }
}
