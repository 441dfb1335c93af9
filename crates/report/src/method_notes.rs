//! What was measured of the method itself, and what no figure of a run can show.

use analysis::metric::Metric;
use analysis::summary::Summary;
use analysis::turn_noise::TurnNoise;
use model::host::Host;
use model::names::Watch;
use model::{Cell, Factor, Measured, Plan};

use crate::control_table::in_short;
use crate::numbers::{percent, ratio};
use crate::ring_note::ring;
use crate::spelling::{NO_USEFUL_INTERVAL, is_of_no_use};
use crate::styled_text::whole;
use crate::words::load;

/// A name and a text.
pub(crate) struct MethodNote {
    /// `Noise floor`.
    pub(crate) name: &'static str,
    /// What is to be said of it.
    pub(crate) text: String,
    /// Whether Markdown, which is short, leaves it out: it says the same elsewhere, or leaves it to the page.
    pub(crate) is_for_the_page: bool,
}

impl MethodNote {
    fn new(name: &'static str, text: String) -> Self {
        Self { name, text, is_for_the_page: false }
    }

    fn for_the_page(self) -> Self {
        Self { is_for_the_page: true, ..self }
    }
}

/// Noise floor, other load, where noise lies, the control of the method, instruments, the ring and what is not claimed.
pub(crate) fn method_notes(summary: &Summary, plan: &Plan, host: &Host) -> Vec<MethodNote> {
    let ring = ring(summary, plan, host);
    let ring = ring.map(|text| MethodNote::new("Ring", text).for_the_page());
    let not_claimed = MethodNote::new("Not claimed", not_claimed(summary, plan));
    let notes = [
        MethodNote::new("Noise floor", noise_floor(summary)).for_the_page(),
        MethodNote::new("Other load", load::note(&summary.run.load)).for_the_page(),
        MethodNote::new("Noise", turn_noise(summary)),
        MethodNote::new("Turns and steady windows", in_short(summary, plan)),
        MethodNote::new("Instruments", instrument_cost(summary)),
    ];
    notes.into_iter().chain(ring).chain([not_claimed]).collect()
}

/// What equal cells differ by.
fn noise_floor(summary: &Summary) -> String {
    match &summary.noise_floor {
        Measured::Absent { absent } => {
            let why = why_no_twins(summary, |cell| cell.watch == Watch::Cheap, absent);
            format!("not measured: {why}")
        }
        Measured::Value(floor) => {
            let cpu = floor
                .ends_cpu
                .value()
                .map_or_else(String::new, |e| format!(", {}", whole(&format!("CPU {}", ratio(e)))));
            let noise = if is_of_no_use(floor.half_width) {
                NO_USEFUL_INTERVAL.to_owned()
            } else {
                percent(floor.half_width)
            };
            let differ = if floor.equivalent { "" } else { ", not shown to be equal" };
            let goodput = match floor.telling_goodput() {
                Some(goodput) => whole(&format!("goodput {}", ratio(goodput))),
                None => "goodput at line rate".to_owned(),
            };
            format!("{} (a cell against its twin: {goodput}{cpu}{differ})", whole(&noise))
        }
    }
}

/// Between what the log-ratios of goodput scatter.
fn turn_noise(summary: &Summary) -> String {
    match &summary.run.turn_noise {
        Measured::Absent { absent } => format!("not measured: {absent}"),
        Measured::Value(TurnNoise { between_turns, between_series, turns, .. }) => format!(
            "one path's goodput against another's varies by {} between the turns of a series and by {} between series of {turns:.0} turns (standard deviations, medians over blocks)",
            whole(&percent(*between_turns)),
            whole(&percent(*between_series)),
        ),
    }
}

/// Why there is no pair of twins: what became of the control cells of that kind, or `why` and what would give one where the plan has none.
fn why_no_twins(summary: &Summary, kind: impl Fn(&Cell) -> bool, why: &str) -> String {
    // SO_ZEROCOPY off is a control of another question.
    let controls = || {
        let twin = |cell: &Cell| cell.is_itself() && kind(cell);
        summary.estimates.iter().filter(move |entry| entry.control && twin(&entry.cell))
    };
    let valid: u32 = controls().map(|entry| entry.trials).sum();
    let void: u32 = controls().map(|entry| entry.void_trials).sum();
    if controls().next().is_none() {
        format!("{why}; leave controls on, or add a second value to replica")
    } else if valid > 0 {
        why.to_owned()
    } else if void > 0 {
        format!(
            "{} void; look at the marks, and measure when less else runs",
            if void == 1 {
                "the control trial was".to_owned()
            } else {
                format!("all {void} control trials were")
            }
        )
    } else {
        "the control cells were not reached yet; go on with --resume".to_owned()
    }
}

/// What the cheap instruments cost.
fn instrument_cost(summary: &Summary) -> String {
    let cost = &summary.instrument_cost;
    let edge = match &cost.edge_share {
        Measured::Value(share) => format!("{} of the workers' CPU time", whole(&percent(*share))),
        Measured::Absent { absent } => format!("not measured: {absent}"),
    };
    let against = match (&cost.ends_cpu_ratio, &cost.goodput_ratio) {
        (Measured::Value(cpu), Measured::Value(goodput)) => {
            let (cpu, goodput) =
                (format!("CPU {}", ratio(cpu)), format!("goodput {}", ratio(goodput)));
            format!("{}, {}", whole(&cpu), whole(&goodput))
        }
        (Measured::Absent { absent }, _) | (_, Measured::Absent { absent }) => {
            let why = why_no_twins(summary, |cell| cell.watch == Watch::None, absent);
            format!("not measured: {why}")
        }
    };
    format!("{edge} (with against without them: {against})")
}

/// What no figure of this run can show.
fn not_claimed(summary: &Summary, plan: &Plan) -> String {
    let mut not = vec!["a cause of any difference".to_owned()];
    if !summary.run.states(Factor::Link) {
        not.push("anything of a link (which one is not in the table)".to_owned());
    } else if plan.factors.link.iter().any(|link| link.copies_by_reference_on_delivery()) {
        not.push(
            "anything of a network card (loopback has none, and copies what zero-copy spared)"
                .to_owned(),
        );
    } else if plan.factors.link.iter().all(|link| !link.speaks_tcp()) {
        not.push("anything of TCP or of a network card (a unix socket has neither)".to_owned());
    }
    let counted = summary.estimates.iter().any(|entry| {
        [Metric::SenderCyclesPerByte, Metric::SenderLlcMissesPerKib]
            .iter()
            .any(|m| entry.metrics.get(m).and_then(Measured::value).is_some())
    });
    if !counted {
        not.push("cycles and cache misses (not counted)".to_owned());
    }
    not.join("; ")
}
