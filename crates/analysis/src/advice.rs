//! What to use for one kind of message: a question, answered link by link from the runs that cover it.
//!
//! A link's answer is drawn from one run and one figure. Between two sizes that were measured it is given only where both
//! say the same; where they do not, the asked size has to be measured. Links are never ranked against each other, and
//! nothing is concluded of a remote peer from a link that delivers on the same machine.

mod break_even;
mod choice;
mod gap;
mod price;
mod reasons;
mod setting;

use std::cmp::Reverse;

use model::host::Host;
use model::{Cell, Factor, Link, Measured, Nanos, Plan, SendPath, Share, Shared};
use schemars::JsonSchema;
use serde::Serialize;

pub use break_even::{BreakEven, of_fields};
pub use gap::{Differs, Gap};
pub use price::{Price, Released, Saving};
pub use reasons::{CopiesHere, Seen, WhyNot};
pub use setting::Contender;

use crate::estimate::Estimate;
use crate::line_rate::LineRate;
use crate::metric::Metric;
use crate::oversubscribed::Oversubscribed;
use crate::reference::Caveat;
use crate::results::{CellEstimates, Ending, Finding};
use crate::summary::Summary;

/// How long a peer is taken to need for an acknowledgement where nobody says how long.
pub const ASSUMED_ROUND_TRIP: Nanos = Nanos::ms(1);

/// What somebody asks.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The message, threads, flows and every other factor; its path, its link and the settings of acknowledgements are not
    /// looked at.
    pub cell: Cell,
    /// The links that an answer is wanted for.
    pub links: Vec<Link>,
    /// The paths to choose from.
    pub paths: Vec<SendPath>,
    /// Whether somebody named them; else others join them that a run has beside them, but for those of which nothing tells when their memory
    /// may be written again.
    pub names_paths: bool,
    /// The path in use now; none: each answer names one to be compared with.
    pub against: Option<SendPath>,
    /// Payload to be sent a second, in Gbit/s, over all threads.
    pub rate_gbps: Option<f64>,
    /// What of its CPU time a service spends in sending.
    pub share_of_cpu: Option<Share>,
    /// How long a peer takes to acknowledge; none: nobody said, and [`ASSUMED_ROUND_TRIP`] is taken.
    pub round_trip: Option<Nanos>,
}

impl Question {
    /// The question as it is put to a run: with the other paths that the run has valid trials of, in cells of the asked kind.
    fn put_to(&self, link: Link, source: &Source<'_>) -> Self {
        let mut question = self.clone();
        if self.names_paths {
            return question;
        }
        let asked = asked(self);
        let joins = |estimates: &&CellEstimates| {
            let cell = &estimates.cell;
            let tells = cell.send_path.capabilities().tells_release();
            !estimates.control
                && estimates.trials > 0
                && cell.link == link
                && asked.has(cell)
                && tells
        };
        for estimates in source.summary.estimates.iter().filter(joins) {
            if !question.paths.contains(&estimates.cell.send_path) {
                question.paths.push(estimates.cell.send_path);
            }
        }
        question
    }

    /// The figure that decides on a link: of a fixed load, and where nobody receives, its CPU cost; else the goodput.
    pub const fn metric(&self, link: Link) -> Metric {
        let is_fixed_load = self.rate_gbps.is_some() || self.share_of_cpu.is_some();
        if link.has_receiver() && !is_fixed_load {
            Metric::GoodputGbps
        } else {
            Metric::cost_on(link)
        }
    }
}

/// A run that may answer.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its name.
    pub name: &'a str,
    /// What was derived from it.
    pub summary: &'a Summary,
    /// The machine.
    pub host: &'a Host,
    /// Differences within this margin count as none.
    pub margin: Share,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Advice {
    /// The asked message's size in bytes.
    pub message_bytes: u64,
    /// Fields of it.
    pub fields: u32,
    /// Threads a side.
    pub threads: u32,
    /// Connections a thread.
    pub flows: u32,
    /// The path in use now, where the question names it.
    pub against: Option<SendPath>,
    /// The asked rate in Gbit/s.
    pub rate_gbps: Option<f64>,
    /// The asked share of CPU time spent in sending.
    pub share_of_cpu: Option<f64>,
    /// One entry a link, in the question's order.
    pub links: Vec<LinkAdvice>,
}

/// The answer for one link.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct LinkAdvice {
    /// The link.
    pub link: Link,
    /// The figure that decides.
    pub metric: Metric,
    /// What the line between two hosts carries, or why that is not known; absent where both ends ran on one machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<Measured<LineRate>>,
    /// What the line between two hosts carries, where two paths or more are at that rate, so that their cost decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line_rate: Option<LineRate>,
    /// The run behind it; absent where none covers the question.
    pub run: Measured<String>,
    /// Of a link that no run covers: in what the run that comes nearest differs from the question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap: Option<Gap>,
    /// Of a link that no run covers: the run that was to measure what is asked for, and ended before its turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_reached: Option<NotReached>,
    /// Rounds of that run.
    pub rounds: u32,
    /// The sizes in bytes that it rests on: the asked one, or its two measured neighbours.
    pub sizes: Vec<u64>,
    /// Settings of the link behind it, such as where acknowledgements are processed.
    pub settings: u32,
    /// The answer.
    pub choice: Choice,
    /// Whether more busy threads than usable CPUs stand behind it.
    pub oversubscribed: Oversubscribed,
    /// What speaks against taking it further.
    pub caveats: Vec<Caveat>,
    /// Every path's figures at one of `sizes`, in the first setting.
    pub contenders: Vec<Contender>,
    /// Paths to choose from that its run has no valid trial of.
    pub not_compared: Vec<SendPath>,
    /// Why it has none, where its run tells: what this machine refuses (a seccomp filter, a kernel without the path), or what went wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedPath>,
    /// From which size on paths that pass by reference cost less, and no more than that.
    pub break_evens: Vec<BreakEven>,
    /// Why paths that pass by reference are not the answer here, where they are not.
    pub why_not: Vec<WhyNot>,
    /// What of its run's machine copies what is passed by reference on its way to another host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copies_here: Option<CopiesHere>,
    /// What the answer saves, where the question says of how much.
    pub saving: Option<Saving>,
    /// What paths that pass by reference ask for.
    pub prices: Vec<Price>,
}

/// A run that was to measure what is asked for, and ended before its turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NotReached {
    /// The run.
    pub run: String,
    /// How it ended.
    pub ending: Ending,
}

/// A path without a valid trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RefusedPath {
    /// The path.
    pub path: SendPath,
    /// The commonest reason, in one line.
    pub why: String,
}

/// Which path to use.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Choice {
    /// One path, shown to be better than another, while nothing is shown to be better than it.
    Use {
        /// The path.
        path: SendPath,
        /// What it is compared with.
        against: SendPath,
        /// Its figure over the other's; over several settings or sizes the one that says least.
        ratio: Estimate,
        /// What is shown of it: better, or no detectable difference.
        finding: Finding,
    },
    /// No detectable difference between these (each two shown to lie within the margin), and none is shown to be better.
    Alike {
        /// The paths; first the one that asks for least.
        paths: Vec<SendPath>,
    },
    /// The intervals do not tell which of these is best; every other one is shown to be worse.
    Open {
        /// The paths.
        paths: Vec<SendPath>,
        /// The first one's figure over the second one's.
        ratio: Option<Estimate>,
    },
    /// The settings of the link differ in their answer.
    BySetting {
        /// What differs between the settings, as id text, and the path of each; none where it does not tell.
        paths: Vec<(String, Option<SendPath>)>,
    },
    /// The measured sizes on either side differ in their answer, or there is none on one side.
    NotCovered {
        /// The nearest measured sizes in bytes, ascending; empty where nothing like the question was measured.
        nearest: Vec<u64>,
    },
}

impl Choice {
    /// Whether a path may still turn out to be the one.
    pub fn leaves(&self, path: SendPath) -> bool {
        match self {
            Self::Use { .. } => self.path() == Some(path),
            Self::Alike { paths } | Self::Open { paths, .. } => paths.contains(&path),
            Self::BySetting { paths } => paths.iter().any(|(_, of)| *of == Some(path)),
            Self::NotCovered { .. } => false,
        }
    }

    /// Whether it can be acted on.
    pub const fn is_decided(&self) -> bool {
        match self {
            Self::Use { .. } | Self::Alike { .. } => true,
            Self::Open { .. } | Self::BySetting { .. } | Self::NotCovered { .. } => false,
        }
    }

    /// The path to use.
    pub fn path(&self) -> Option<SendPath> {
        match self {
            Self::Use { path, .. } => Some(*path),
            Self::Alike { paths } => paths.first().copied(),
            Self::Open { .. } | Self::BySetting { .. } | Self::NotCovered { .. } => None,
        }
    }
}

impl LinkAdvice {
    /// Whether it can be acted on: the intervals tell, and no law that it rests on is broken.
    pub fn is_decided(&self) -> bool {
        self.choice.is_decided() && !self.is_doubted()
    }

    /// Whether a law that it rests on is broken.
    fn is_doubted(&self) -> bool {
        self.caveats.iter().any(|caveat| matches!(caveat, Caveat::LawBroken { .. }))
    }

    /// Whether no other run would answer better: it is of the asked size, has intervals, and no law that it rests on is broken.
    pub fn is_answered(&self) -> bool {
        self.is_covered() && !self.is_doubted() && !self.is_too_short() && self.sizes.len() == 1
    }

    /// Whether its run ended so soon that nothing has an interval: it could not have told a difference of any size.
    pub fn is_too_short(&self) -> bool {
        let tells_none = matches!(&self.choice, Choice::Open { ratio, .. }
            if ratio.is_none_or(|ratio| ratio.low.is_none()));
        self.rounds < 2 && tells_none
    }

    /// Whether a run covers the question on this link.
    pub const fn is_covered(&self) -> bool {
        !matches!(self.choice, Choice::NotCovered { .. })
    }
}

impl Advice {
    /// Whether every link is decided.
    pub fn is_decided(&self) -> bool {
        self.links.iter().all(LinkAdvice::is_decided)
    }

    /// The links that no run covers.
    pub fn uncovered(&self) -> impl Iterator<Item = Link> + '_ {
        self.links.iter().filter(|on| !on.is_covered()).map(|on| on.link)
    }

    /// The links of which nothing can be told without measuring: no run covers them, or one that was too short.
    pub fn unmeasured(&self) -> impl Iterator<Item = Link> + '_ {
        self.links.iter().filter(|on| !on.is_covered() || on.is_too_short()).map(|on| on.link)
    }
}

/// The answer of each link from the first source that covers it: before all whose laws hold, then with intervals, then of the
/// asked size itself. Whether a source decides the question is not asked, as an answer that is chosen for being one would be found
/// too often.
pub fn advise(question: &Question, sources: &[Source<'_>]) -> Advice {
    let rank = |on: &LinkAdvice| {
        let nearest =
            if let Choice::NotCovered { nearest } = &on.choice { nearest.len() } else { 0 };
        let differs = on.gap.as_ref().map_or(0, |gap| gap.differs.len());
        (
            (on.is_covered(), !on.is_doubted(), !on.is_too_short(), on.sizes.len() == 1),
            (nearest, Reverse(differs)),
        )
    };
    let on = |link: &Link| -> LinkAdvice {
        let answers = sources
            .iter()
            .map(|source| setting::on_link(&question.put_to(*link, source), *link, source));
        // Of equals the last one is the largest.
        let best = answers.rev().max_by_key(rank);
        best.unwrap_or_else(|| setting::uncovered(question, *link, Vec::new()))
    };
    let cell = &question.cell;
    Advice {
        message_bytes: cell.message.bytes().0,
        fields: cell.fields.get(),
        threads: cell.threads.get(),
        flows: cell.flows.get(),
        against: question.against,
        rate_gbps: question.rate_gbps,
        share_of_cpu: question.share_of_cpu.map(|share| share.0),
        links: question.links.iter().map(on).collect(),
    }
}

/// Whether a run of a plan may cover the question on one of its links: it has cells of the asked kind there, of the asked
/// size or of sizes on either side.
pub fn may_answer(question: &Question, plan: &Plan) -> bool {
    let asked = asked(question);
    let bytes = question.cell.message.bytes();
    let cells = plan.cells();
    let of_kind = |link: Link| {
        let is_it = |cell: &&Cell| cell.link == link && asked.has(cell);
        cells.iter().filter(is_it).map(|cell| cell.message.bytes()).collect::<Vec<_>>()
    };
    let has = |path: &SendPath| plan.factors.send_path.contains(path);
    let has_paths = question.paths.iter().filter(|path| has(path)).count() > 1
        && question.against.as_ref().is_none_or(has);
    has_paths
        && question.links.iter().any(|link| {
            let sizes = of_kind(*link);
            sizes.iter().any(|size| *size <= bytes) && sizes.iter().any(|size| *size >= bytes)
        })
}

/// What the cells that a question asks of share.
fn asked(question: &Question) -> Shared {
    let open: Vec<Factor> = OPEN.into_iter().chain([Factor::Message]).collect();
    Shared::new(&question.cell, &open)
}

/// The factors by which a question does not choose its cells.
const OPEN: [Factor; 5] = [
    Factor::Send,
    Factor::Link,
    Factor::AckInterval,
    Factor::AckPlacement,
    // What counts is which fields it has copied.
    Factor::CopyBelow,
];

/// Whether two cells differ in nothing but their path.
fn differ_in_path(one: &Cell, other: &Cell) -> bool {
    Cell { send_path: one.send_path, copy_below: one.copy_below, ..other.clone() } == *one
}

/// Whether the fields of a cell's message go the way that they would at the question's own length.
fn goes_as_asked(cell: &Cell, question: &Question) -> bool {
    let asked = Cell { copy_below: question.cell.copy_below, ..cell.clone() };
    cell.field_lengths().all(|bytes| cell.passes_field(bytes) == asked.passes_field(bytes))
}
