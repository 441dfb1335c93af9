//! What a reader must know before the figures.

use std::collections::BTreeMap;

use model::host::Host;
use model::{Cell, Factor, Link, Mark, Measured, Plan, SendPath};
use schemars::JsonSchema;
use serde::Serialize;

use crate::control::{Agreement, Control};
use crate::copies::Step;
use crate::estimate::Estimate;
use crate::evidence::AuditRecords;
use crate::findings::NotAudited;
use crate::load::LoadFacts;
use crate::results::{CellEstimates, Ending, InstrumentCost, NoiseFloor, Ratio, RunFacts};
use crate::stopping::Widest;
use crate::trends::Trend;

mod rules;

/// A step that copy audits did not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StepNotCounted {
    /// The step.
    pub step: Step,
    /// Of these paths; of all that were audited, where there are none.
    pub paths: Vec<SendPath>,
    /// Why, as the journal has it.
    pub why: String,
}

/// What a reader must know beside the figures.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Warning {
    /// No trial was made.
    NothingMeasured,
    /// Another program measured: what its files do not tell.
    Imported {
        /// So many files.
        files: u32,
        /// Rows of theirs.
        rows: u64,
        /// Whether each cell has one row, so that nothing has an interval.
        single: bool,
        /// Whether counters are of the sender alone.
        one_sided: bool,
        /// Whether the number of CPUs is unknown, so that no cell can be told to be oversubscribed.
        unknown_cpus: bool,
        /// Factors that they have no column for.
        unstated: Vec<Factor>,
    },
    /// Cells that the imported files have no row of.
    NotInTable {
        /// How many.
        cells: u32,
        /// Of so many.
        of: u32,
    },
    /// Cells in which every attempt was void.
    NoValidTrial {
        /// How many.
        cells: u32,
        /// Whether no trial of the whole run is valid.
        all: bool,
        /// The first of them.
        #[schemars(with = "String")]
        first: Cell,
        /// The commonest reason there; empty where none is known.
        why: String,
    },
    /// Cells whose turn did not come.
    NotReached {
        /// How many.
        cells: u32,
    },
    /// The run was interrupted, failed or was killed.
    EndedEarly {
        /// How.
        ending: Ending,
    },
    /// The run was gone on with over a line that was not recorded, and may have been another one.
    LineNotRecorded {
        /// In so many segments.
        segments: u32,
        /// Of so many.
        of: u32,
    },
    /// The time was spent before each block was measured once.
    LimitTooShort {
        /// The limit, in seconds.
        limit_s: f64,
        /// Blocks that were measured whole; one that was cut off counts as not reached.
        blocks: u32,
        /// Of so many that can be measured.
        of: u32,
        /// What each took on average, further attempts included, in seconds.
        block_s: f64,
        /// What of the plan would have fitted; none where not even one block would.
        #[serde(skip_serializing_if = "Option::is_none")]
        smaller: Option<SmallerPlan>,
    },
    /// Heavy instruments that were asked for told nothing.
    AuditedNothing {
        /// Which, and why.
        of: Vec<NotAudited>,
    },
    /// A copy audit counted a part of what the kernel copies, and not these steps.
    AuditedInPart {
        /// Which, and why.
        of: Vec<StepNotCounted>,
    },
    /// Too few rounds.
    Preliminary {
        /// Whole rounds.
        rounds: u32,
        /// What to ask for.
        more: MoreRounds,
    },
    /// Other programs used the CPUs.
    Busy {
        /// In so many trials.
        trials: u32,
        /// Of so many.
        of: u32,
    },
    /// Equal cells differ, or small differences cannot be seen.
    Noise {
        /// Half the width of the interval of equal cells.
        half_width: f64,
        /// Goodput of equal cells against each other.
        goodput: Estimate,
        /// What they cost against each other, where they are at line rate: then the half-width is of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cost: Option<Estimate>,
        /// Whether that interval holds 1 and is wider than the margin: the run is too coarse, rather than its cells unequal.
        is_coarse: bool,
    },
    /// Ratios that a few rounds far from the others move, or make much wider.
    Outliers {
        /// So many.
        ratios: u32,
        /// Of so many.
        of: u32,
        /// The one whose interval they widen most.
        widest: Box<Ratio>,
    },
    /// Intervals wider than asked for.
    Imprecise {
        /// Of so many ratios, or where nothing is compared levels of cells.
        wide: u32,
        /// Of so many.
        of: u32,
        /// Whether they are ratios.
        are_ratios: bool,
        /// What was asked for, as half the width over the figure.
        precision: f64,
        /// The widest; empty where none has an interval.
        #[serde(skip_serializing_if = "Option::is_none")]
        widest: Option<Widest>,
        /// What to ask for.
        more: MoreRounds,
    },
    /// Rounds next to each other are alike: the machine's state lasted longer than a round.
    Drift {
        /// Correlation of levels with those of the round before.
        correlation: f64,
        /// By how much the intervals of levels are widened for it, as a factor.
        widening: f64,
        /// p of "the rounds could have come in any order".
        p: f64,
    },
    /// Ratios measured in turns are not those of steady windows.
    Control {
        /// In so many comparisons.
        differ: u32,
        /// Of so many.
        of: u32,
        /// The one that differs most.
        largest: Box<Agreement>,
    },
    /// Cells get faster or slower within a series.
    Trend {
        /// So many are faster at its end.
        faster: u32,
        /// So many are slower.
        slower: u32,
        /// Of so many.
        of: u32,
        /// The largest.
        largest: Box<Trend>,
    },
    /// Others, or the hypervisor, took a part of the usable CPUs' time while series lasted.
    Load {
        /// How much, and what it did to the intervals.
        load: Box<LoadFacts>,
    },
    /// The hypervisor took CPU time.
    Steal {
        /// In so many trials.
        trials: u32,
        /// Of so many.
        of: u32,
        /// More than this share.
        limit: f64,
    },
    /// A CPU quota throttles the ends.
    Quota {
        /// CPUs.
        cpus: f64,
    },
    /// The machine ran on battery.
    Battery,
    /// The instruments cost more than they should.
    Instruments {
        /// Share of the ends' CPU time.
        share: f64,
    },
    /// More busy threads than CPUs.
    Oversubscribed {
        /// The fewest and the most threads of which that is so.
        threads: [u32; 2],
        /// CPUs.
        cpus: u32,
    },
    /// Of what a receive path could map, most was copied.
    LittleMapped {
        /// The least of a cell, as a share of what it received.
        least: f64,
        /// The most of a cell that is warned of.
        most: f64,
        /// Cells that are warned of.
        cells: u32,
        /// Cells that could have mapped pages.
        of: u32,
    },
    /// Threads of the kernel did a part of senders' work for their io_urings (SQPOLL, io-wq).
    RingThreads {
        /// The least of a cell where they did any, as a share of its senders' CPU time.
        least: f64,
        /// The most of a cell.
        most: f64,
    },
    /// Busy polling was asked for and did nothing, as the receiving connections had no NAPI id.
    NoBusyPoll {
        /// In so many cells.
        cells: u32,
        /// Of so many that ask for it.
        of: u32,
        /// Their links.
        over: Vec<Link>,
    },
    /// In slices next to nothing moved while a worker slept in one call; they count.
    Stalled {
        /// In so many cells.
        cells: u32,
        /// Of so many.
        of: u32,
        /// The largest share of a cell's slices.
        share: f64,
        /// How long the worker slept there at least, on average, in µs.
        stall_us: f64,
        /// That cell.
        #[schemars(with = "String")]
        largest: Cell,
    },
    /// What was passed by reference was copied.
    Copied {
        /// The least and the largest share of a cell's completions.
        shares: [f64; 2],
        /// Whether every link of them copies on delivery.
        on_delivery: bool,
        /// Their links, where the run has others on which none was; else empty.
        over: Vec<Link>,
    },
    /// No hardware counters.
    NoCounters {
        /// Why.
        why: String,
    },
    /// Another congestion control than the system's.
    Congestion {
        /// The one in effect.
        used: String,
        /// The system's.
        system: String,
    },
    /// A virtual machine.
    VirtualMachine {
        /// Of this hypervisor.
        hypervisor: String,
    },
}

/// A part of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SmallerPlan {
    /// Its sizes, where they are fewer.
    pub sizes: Vec<String>,
    /// Its threads, where they are fewer.
    pub threads: Vec<String>,
}

/// How a run goes on to more rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "by")]
pub enum MoreRounds {
    /// More time.
    Time,
    /// More rows in the imported file.
    Rows,
    /// The plan fixes the rounds and all are measured: more of them, and time for them.
    Rounds {
        /// So many.
        rounds: u32,
    },
}

/// What warnings are drawn from.
pub(crate) struct Basis<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) host: &'a Host,
    pub(crate) run: &'a RunFacts,
    /// Segments after the first whose line was not recorded.
    pub(crate) without_line: u32,
    pub(crate) estimates: &'a [CellEstimates],
    pub(crate) ratios: &'a [Ratio],
    pub(crate) marks: &'a BTreeMap<Mark, u32>,
    pub(crate) noise_floor: &'a Measured<NoiseFloor>,
    pub(crate) instrument_cost: &'a InstrumentCost,
    pub(crate) control: &'a Measured<Control>,
    pub(crate) trends: &'a [Trend],
    pub(crate) audits: &'a AuditRecords<'a>,
}

/// The warnings, in order of weight.
pub(crate) fn warnings(basis: &Basis<'_>) -> Vec<Warning> {
    type Warn = fn(&Basis<'_>) -> Option<Warning>;
    const ALL: [Warn; 29] = [
        rules::imported,
        rules::without_valid_trial,
        rules::limit_too_short,
        rules::not_reached,
        rules::ended_early,
        rules::line_not_recorded,
        rules::audited_nothing,
        rules::audited_in_part,
        rules::preliminary,
        rules::busy,
        rules::load,
        rules::noise,
        rules::control,
        rules::trend,
        rules::outliers,
        rules::imprecise,
        rules::drift,
        rules::steal,
        rules::limited,
        rules::instruments,
        rules::oversubscribed,
        rules::stalled,
        rules::copied,
        rules::little_mapped,
        rules::ring_threads,
        rules::no_busy_poll,
        rules::no_counters,
        rules::congestion,
        rules::virtual_machine,
    ];
    ALL.iter().filter_map(|warn| warn(basis)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop where its own helpers fail")]
mod tests {
    use model::Preset;
    use model::record::{FailureKind, Finish, FinishReason, Record};

    use super::*;

    fn small_plan() -> Plan {
        let mut plan = Plan::preset(Preset::Default);
        plan.factors.message.truncate(1);
        plan.factors.threads.truncate(1);
        plan
    }

    fn warnings_of(plan: &Plan, records: &[Record]) -> Vec<Warning> {
        crate::summarise(plan, &synthetic::host(), records).warnings
    }

    fn cells_without(warnings: &[Warning]) -> Option<u32> {
        warnings.iter().find_map(|warning| {
            if let Warning::NoValidTrial { cells, .. } = warning { Some(*cells) } else { None }
        })
    }

    fn void_where(plan: &Plan, is_void: impl Fn(&Cell) -> bool) -> Vec<Record> {
        synthetic::run(plan, 3, |cell, round| {
            let trial = synthetic::trial(cell, round);
            let failed = is_void(cell);
            if failed { trial.failed(FailureKind::CallFailed, "connect: EPERM") } else { trial }
        })
    }

    #[test]
    fn a_control_without_a_valid_trial_is_no_cell_without_one() {
        let plan = small_plan();
        let controls = plan.controls();
        let warnings = warnings_of(&plan, &void_where(&plan, |cell| controls.contains(cell)));
        assert_eq!(cells_without(&warnings), None, "{warnings:#?}");
        let is_void = |cell: &Cell| controls.contains(cell) || cell.send_path != SendPath::Sendmsg;
        let warnings = warnings_of(&plan, &void_where(&plan, is_void));
        assert_eq!(cells_without(&warnings), Some(2), "{warnings:#?}");
        assert!(!warnings.iter().any(|it| matches!(it, Warning::NotReached { .. })));
    }

    #[test]
    fn what_an_interruption_left_out_was_not_reached() {
        let plan = small_plan();
        let mut records = synthetic::run(&plan, 1, synthetic::trial);
        let is_trial = |record: &Record| matches!(record, Record::Trial(trial) if !plan.controls().contains(&trial.cell));
        let first = records.iter().position(is_trial).unwrap();
        records.truncate(first + 1);
        let warnings = warnings_of(&plan, &records);
        assert!(warnings.contains(&Warning::NotReached { cells: 2 }), "{warnings:#?}");
        assert_eq!(cells_without(&warnings), None, "{warnings:#?}");
    }

    #[test]
    fn a_limit_that_sufficed_for_a_part_names_what_of_the_plan_would_fit() {
        let mut plan = Plan::preset(Preset::Default);
        plan.measure.controls = false;
        plan.measure.max_time = Some(model::Nanos::s(20));
        let all = synthetic::run(&plan, 1, synthetic::trial);
        let of = |blocks: u32, limit: FinishReason, plan: &Plan| {
            let is_kept = |record: &&Record| {
                let is_later = matches!(record, Record::Trial(trial) if trial.block >= blocks);
                !is_later && !matches!(record, Record::Finish(_))
            };
            let mut records: Vec<Record> = all.iter().filter(is_kept).cloned().collect();
            records.push(Record::Finish(Finish { reason: limit, spent_ns: model::Nanos::s(20) }));
            let mut told = warnings_of(plan, &records).into_iter();
            told.find(|it| matches!(it, Warning::LimitTooShort { .. }))
        };
        let Some(Warning::LimitTooShort { limit_s, blocks, of: total, block_s, smaller }) =
            of(4, FinishReason::Time, &plan)
        else {
            panic!("not told")
        };
        assert_eq!((limit_s, blocks, total, block_s), (20.0, 4, 16, 5.0));
        // Four of sixteen blocks: every size, and the fewest threads.
        let only = |sizes: &[&str], threads: &[&str]| {
            let owned = |of: &[&str]| of.iter().map(|it| (*it).to_owned()).collect();
            Some(SmallerPlan { sizes: owned(sizes), threads: owned(threads) })
        };
        assert_eq!(smaller, only(&[], &["1"]));
        let smaller = |blocks| match of(blocks, FinishReason::Time, &plan) {
            Some(Warning::LimitTooShort { smaller, .. }) => smaller,
            other => panic!("{other:?}"),
        };
        assert_eq!(smaller(8), only(&[], &["1", "8"]));
        let sizes = plan.factors.get(Factor::Message);
        assert_eq!(smaller(2), only(&[&sizes[0], &sizes[3]], &["1"]));
        // A block that was cut off is none that was measured, and neither is one without a valid trial.
        let measured = |records: &[Record]| {
            let mut told = warnings_of(&plan, records).into_iter();
            told.find_map(|it| {
                if let Warning::LimitTooShort { blocks, of, .. } = it {
                    Some((blocks, of))
                } else {
                    None
                }
            })
        };
        let is_cut_off = |record: &&Record| {
            matches!(record, Record::Trial(trial) if (trial.block, trial.position) > (4, 0))
                || matches!(record, Record::Finish(_))
        };
        let mut records: Vec<Record> =
            all.iter().filter(|record| !is_cut_off(record)).cloned().collect();
        let (reason, spent_ns) = (FinishReason::Time, model::Nanos::s(20));
        records.push(Record::Finish(Finish { reason, spent_ns }));
        assert_eq!(measured(&records), Some((4, 16)));
        for record in &mut records {
            if let Record::Trial(trial) = record
                && trial.block == 3
            {
                let failed = synthetic::trial(&trial.cell, 1)
                    .failed(FailureKind::Unsupported, "no such path")
                    .build();
                trial.outcome = failed.outcome;
            }
        }
        assert_eq!(measured(&records), Some((3, 15)));
        // What reached every block, ended otherwise, or has a whole round, is not short of time.
        assert_eq!(of(16, FinishReason::Time, &plan), None);
        assert_eq!(of(4, FinishReason::Interrupted, &plan), None);
        let mut long = plan.clone();
        long.measure.max_time = None;
        assert_eq!(of(4, FinishReason::Time, &long), None);
    }

    #[test]
    fn an_interval_above_100_percent_is_of_no_use() {
        let plan = small_plan();
        let records = synthetic::run(&plan, 2, |cell, round| {
            let is_wild = cell.send_path == SendPath::Send;
            synthetic::trial(cell, round).faster(f64::from(if is_wild { round } else { 1 }).powi(6))
        });
        let warnings = warnings_of(&plan, &records);
        let widest = warnings.iter().find_map(|warning| {
            if let Warning::Imprecise { widest, .. } = warning { widest.as_ref() } else { None }
        });
        assert!(widest.unwrap().half_width > 1.0, "{warnings:#?}");
    }
}
