//! `summary.json`: everything that a reporter may say, already computed.
//!
//! Terminal, CSV, Markdown and HTML all show these figures; none computes one of its own.

use std::collections::BTreeMap;

use model::{Mark, Measured};
use schemars::JsonSchema;
use serde::Serialize;

use crate::control::Control;
use crate::explained::Explained;
use crate::line_rate::Line;
use crate::results::{CellEstimates, InstrumentCost, NoiseFloor, Ratio, RunFacts};
use crate::trends::Trend;
use crate::warnings::Warning;

/// The version of this file's shape.
pub const SUMMARY_VERSION: u32 = 2;

/// `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Summary {
    /// [`SUMMARY_VERSION`].
    pub version: u32,
    /// Version of copycost that wrote it.
    pub copycost: String,
    /// The run as a whole.
    pub run: RunFacts,
    /// One entry a cell of the plan, controls included, in the plan's order.
    pub estimates: Vec<CellEstimates>,
    /// Ratios of the plan's contrasts within blocks.
    pub ratios: Vec<Ratio>,
    /// Marks over all trials, void attempts included: how many bear each.
    pub marks: BTreeMap<Mark, u32>,
    /// What equal cells differ by on this machine.
    pub noise_floor: Measured<NoiseFloor>,
    /// Whether ratios measured in turns are those of steady windows.
    pub control: Measured<Control>,
    /// The line between two hosts, and the cells that are at its rate; none where both ends ran on one machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<Line>,
    /// How each cell's goodput changes from the beginning of a series to its end.
    pub trends: Vec<Trend>,
    /// What the cheap instruments cost.
    pub instrument_cost: InstrumentCost,
    /// What a reader must know beside the figures, in order of weight.
    pub warnings: Vec<Warning>,
    /// Crossovers, models, laws, answers and verdicts.
    #[serde(flatten)]
    pub explained: Explained,
}
