//! How much of a question its time holds over a line whose rate is known: on a slow one slices are long.

use model::shape::Shape;
use model::values::MessageSize;
use model::{Bounds, Cell, Nanos, Plan};
use report::numbers::duration;

/// What is measured, and what is left out for the time's sake.
pub(super) struct Scope {
    pub(super) plan: Plan,
    /// What a reader must know of it; empty where all of it is measured.
    pub(super) note: Option<String>,
    /// What its rounds take; none where the line's rate is not known.
    pub(super) takes: Option<Nanos>,
}

/// Whole minutes, as somebody types them.
pub(super) fn in_minutes(time: Nanos) -> String {
    format!("{}m", time.0.div_ceil(Nanos::s(60).0))
}

impl Scope {
    /// The largest part of a plan whose fewest rounds fit into its limit: with as many turns as it asks for, with as many as the line's rate
    /// leaves, of the sizes next to the asked one, of that alone.
    pub(super) fn of(plan: Plan, asked: &Cell, bounds: Bounds) -> Self {
        let limit = plan.measure.max_time;
        let (Some(_), Some(limit)) = (bounds.line_bits_per_s, limit) else {
            return Self { plan, note: None, takes: None };
        };
        let takes = |plan: &Plan| study::forecast(plan, bounds, |_| false).least;
        let parts = parts(&plan, asked);
        let all = parts.get(1).map(takes).unwrap_or_default();
        let last = parts.len().saturating_sub(1);
        let fitting = parts.iter().position(|part| takes(part) <= limit);
        let chosen = fitting.unwrap_or(last);
        let Some(part) = parts.into_iter().nth(chosen) else {
            return Self { plan, note: None, takes: None };
        };
        let of_part = takes(&part);
        let sizes = part.factors.message.len().max(part.factors.shape.len());
        let what = if sizes > 1 { "a few sizes".to_owned() } else { of_message(asked) };
        let note = match (fitting, chosen) {
            (None, _) => Some(format!(
                "over this line {} rounds of {what} alone take about {}, and fewer are preliminary: --max-time {}",
                part.measure.min_rounds,
                duration(of_part),
                in_minutes(of_part)
            )),
            (Some(0 | 1), _) => None,
            (Some(_), _) => Some(format!(
                "over this line {} hold {what} alone: larger and smaller ones, for a break-even, take --max-time {}",
                duration(limit),
                in_minutes(all)
            )),
        };
        Self { plan: part, note, takes: Some(of_part) }
    }
}

fn of_message(asked: &Cell) -> String {
    asked.message.bytes().to_string()
}

/// Parts of a plan, the largest first.
fn parts(plan: &Plan, asked: &Cell) -> Vec<Plan> {
    let of_rate = |plan: &Plan| {
        let mut plan = plan.clone();
        plan.measure.turns = None;
        plan
    };
    let bytes = asked.message.bytes().0;
    let is_near =
        |size: &MessageSize| (bytes / 2..=bytes.saturating_mul(2)).contains(&size.bytes().0);
    let keeping = |sizes: &dyn Fn(&MessageSize) -> bool, shapes: &dyn Fn(&Shape) -> bool| {
        let mut plan = of_rate(plan);
        plan.factors.message.retain(|size| sizes(size));
        plan.factors.shape.retain(|shape| shapes(shape));
        plan
    };
    let near = keeping(&is_near, &|_| true);
    let alone = keeping(&|size| *size == asked.message, &|shape| *shape == asked.shape);
    vec![plan.clone(), of_rate(plan), near, alone]
}

#[cfg(test)]
mod tests {
    use model::{Factor, Preset, UsableCpus};

    use super::*;

    fn asked() -> Cell {
        "link=ssh message_bytes=16384".parse().unwrap()
    }

    fn scope(mbit: Option<u64>, time: Nanos) -> Scope {
        let mut plan = Plan::preset(Preset::Default);
        for (factor, values) in [
            (Factor::Link, "ssh"),
            (Factor::Threads, "1"),
            (Factor::Send, "send,staged,sendmsg,zerocopy"),
            (Factor::Message, "4KiB,8KiB,16KiB,32KiB"),
        ] {
            plan.factors.set(factor, values).unwrap();
        }
        plan.measure.controls = false;
        plan.measure.steady_control = false;
        plan.measure.turns = Some(4);
        plan.measure.max_time = Some(time);
        let cpus = UsableCpus { sender: 2, receiver: Some(2) };
        let line_bits_per_s = mbit.map(|mbit| mbit * 1_000_000);
        Scope::of(plan, &asked(), Bounds { cpus, line_bits_per_s })
    }

    #[test]
    fn a_slow_line_has_fewer_turns_and_sizes_and_a_fast_one_all() {
        let of = |mbit, seconds| {
            let Scope { plan, note, takes } = scope(mbit, Nanos::s(seconds));
            (plan.factors.message.len(), plan.measure.turns, note, takes)
        };
        assert_eq!(of(None, 53), (4, Some(4), None, None));
        let (sizes, turns, note, takes) = of(Some(25_000), 53);
        assert_eq!((sizes, turns, note), (4, Some(4), None));
        assert!(takes.unwrap() <= Nanos::s(53));
        let (sizes, turns, note, takes) = of(Some(1000), 70);
        assert_eq!((sizes, turns, note.is_none()), (4, None, true), "{takes:?}");
        // Not even one size has its rounds in a minute: what would hold them is computed, and does.
        let (sizes, turns, note, takes) = of(Some(100), 53);
        assert_eq!((sizes, turns), (1, None));
        let takes = takes.unwrap();
        assert!(takes > Nanos::s(53));
        let time = in_minutes(takes);
        assert!(note.unwrap().ends_with(&format!("preliminary: --max-time {time}")));
        let (sizes, _, note, _) = of(Some(100), takes.0.div_ceil(Nanos::s(60).0) * 60);
        assert_eq!(sizes, 1);
        let note = note.unwrap();
        let all = note.rsplit_once(' ').unwrap().1.trim_end_matches('m').parse::<u64>().unwrap();
        assert_eq!(of(Some(100), all * 60).0, 4, "{note}");
    }
}
