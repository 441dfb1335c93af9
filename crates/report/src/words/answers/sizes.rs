//! From which size on a path beats another: equal outcomes are told once.

use crate::spelling::{listed, shared_words};
use analysis::findings::CrossoverOutcome;
use analysis::metric::Metric;
use analysis::operands::{Compared, Crossed};
use analysis::results::Finding;
use model::{Factor, SendPath, Shared};

use super::range;
use crate::words::figures::{crossed, is_alike, is_unclear, tells_where_better};

/// `sendmsg beats send at every size measured (1 and 2 threads): 1.46 × [1.43, 1.49] at 64 KiB … 5.25 × [5.17, 5.33] at 64 B;
/// it costs less CPU per KiB at every size measured (1 and 2 threads)`.
pub(super) fn found(
    path: SendPath,
    against: SendPath,
    break_evens: &[Crossed],
    goodput: &[&Compared],
) -> String {
    let (of_goodput, of_cpu): (Vec<&Crossed>, Vec<&Crossed>) =
        break_evens.iter().partition(|it| it.crossover.metric == Metric::GoodputGbps);
    let beats = clauses(
        &of_goodput,
        &format!("{path} beats {against}"),
        &format!("whether {path} beats {against} is"),
    );
    let beats = beats.unwrap_or_else(|| format!("{path} / {against} goodput"));
    let cpu = clauses(&of_cpu, "it costs less CPU per KiB", "whether it costs less CPU per KiB is");
    let cpu = cpu.map_or_else(String::new, |cpu| format!("; {cpu}"));
    let (claimed, others): (Vec<&Compared>, Vec<&Compared>) =
        goodput.iter().copied().partition(|it| of_goodput.iter().any(|of| speaks_of(of, it)));
    let figures = match (claimed.is_empty(), others.is_empty()) {
        (true, _) => range(&others),
        (false, true) => range(&claimed),
        (false, false) => format!("{}; elsewhere {}", range(&claimed), range(&others)),
    };
    format!("{beats}: {figures}{cpu}")
}

/// Whether "it is better" is said of a comparison: not where that holds of other sizes or of other cells.
fn speaks_of(it: &Crossed, compared: &Compared) -> bool {
    let bytes = compared.cell.message.bytes().0;
    tells_where_better(it)
        && it.crossover.shared.has(&compared.cell)
        && !it.crossover.unclear_sizes.contains(&bytes)
        && match it.crossover.outcome {
            CrossoverOutcome::Partly { up_to, from, .. } => {
                up_to.is_some_and(|up_to| bytes as f64 <= up_to)
                    || from.is_some_and(|from| bytes as f64 >= from)
            }
            CrossoverOutcome::Undecided => compared.finding == Finding::More,
            CrossoverOutcome::At { .. }
            | CrossoverOutcome::Until { .. }
            | CrossoverOutcome::Bracket { .. }
            | CrossoverOutcome::UntilBracket { .. }
            | CrossoverOutcome::Always
            | CrossoverOutcome::Never
            | CrossoverOutcome::Alike => true,
        }
}

/// A clause for each outcome, with all that it is of; none without any.
fn clauses(break_evens: &[&Crossed], so: &str, unclear: &str) -> Option<String> {
    let mut groups: Vec<(&Crossed, Vec<&Shared>)> = Vec::new();
    for it in break_evens {
        match groups.iter_mut().find(|(first, _)| is_alike(first, it)) {
            Some((_, shared)) => shared.push(&it.crossover.shared),
            None => groups.push((it, vec![&it.crossover.shared])),
        }
    }
    // What goes on from "it is better" stands first.
    groups.sort_by_key(|(first, _)| !tells_where_better(first));
    let lead = if tells_where_better(groups.first()?.0) { so } else { unclear };
    let told = groups.iter().map(|(first, shared)| {
        let why = if is_unclear(first) { "; intervals too wide" } else { "" };
        format!("{} ({}{why})", crossed(first), each(shared))
    });
    let told: Vec<String> = told.collect();
    Some(format!("{lead} {}", told.join(", ")))
}

/// What cells share, thread counts together: `1, 2 and 4 threads`.
fn each(shared: &[&Shared]) -> String {
    let mut groups: Vec<(Shared, Vec<String>)> = Vec::new();
    for it in shared {
        let (rest, threads) = (it.without(&[Factor::Threads]), it.cell().threads.to_string());
        match groups.iter_mut().find(|(other, _)| *other == rest) {
            Some((_, counts)) => counts.push(threads),
            None => groups.push((rest, vec![threads])),
        }
    }
    let words = groups.iter().map(|(rest, counts)| {
        let noun = if counts.len() == 1 && counts[0] == "1" { "thread" } else { "threads" };
        let threads = format!("{} {noun}", listed(counts));
        [threads, shared_words(rest)]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
            .join(", ")
    });
    words.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use analysis::estimate::Estimate;
    use analysis::findings::Crossover;
    use model::{Cell, Contrast};

    use super::*;

    fn cell(path: &str, bytes: u64, threads: u32) -> Cell {
        format!("send={path} message_bytes={bytes} threads={threads}").parse().unwrap()
    }

    fn break_even(metric: Metric, threads: u32, outcome: CrossoverOutcome) -> Crossed {
        let is_unclear = outcome == CrossoverOutcome::Undecided;
        Crossed {
            crossover: Crossover {
                contrast: Contrast::of_paths(SendPath::Sendmsg, SendPath::Send),
                shared: Shared::new(&cell("send", 64, threads), &[Factor::Send, Factor::Message]),
                oversubscribed: false.into(),
                metric,
                outcome,
                sizes: vec![64, 4096],
                unclear_sizes: Vec::new(),
            },
            better: if is_unclear { 0 } else { 2 },
            worse: 0,
            alike: 0,
            unclear: if is_unclear { 2 } else { 0 },
        }
    }

    #[test]
    fn what_is_said_of_one_size_stands_beside_the_figures_of_that_size() {
        let compared = |bytes, mean: f64, finding| Compared {
            cell: cell("sendmsg", bytes, 1),
            against: cell("send", bytes, 1),
            ratio: Estimate { mean, low: Some(mean - 0.1), high: Some(mean + 0.1), trials: 10 },
            finding,
            oversubscribed: false.into(),
        };
        let ratios = [
            compared(64, 1.5, Finding::More),
            compared(4096, 0.95, Finding::Undecided),
            compared(65_536, 1.05, Finding::Undecided),
        ];
        let ratios: Vec<&Compared> = ratios.iter().collect();
        let told = |outcome| {
            let mut it = break_even(Metric::GoodputGbps, 1, outcome);
            (it.better, it.worse, it.unclear) = (1, 0, 2);
            it.crossover.sizes = vec![64, 4096, 65_536];
            found(SendPath::Sendmsg, SendPath::Send, &[it], &ratios)
        };
        let figures = "(1 thread): 1.50 × [1.40, 1.60] at 64 B; elsewhere 0.950 × [0.850, 1.05] at 4 KiB … 1.05 × [0.950, 1.15] at 64 KiB";
        for outcome in [
            CrossoverOutcome::Undecided,
            CrossoverOutcome::Partly { is_better: true, up_to: Some(64.0), from: None },
        ] {
            let text = told(outcome);
            assert!(text.starts_with("sendmsg beats send "), "{text}");
            assert!(text.ends_with(figures), "{text}");
        }
        let always = told(CrossoverOutcome::Always);
        assert!(
            always.ends_with(": 0.950 × [0.850, 1.05] at 4 KiB … 1.50 × [1.40, 1.60] at 64 B"),
            "{always}"
        );
    }

    #[test]
    fn equal_outcomes_are_told_once() {
        let (always, unclear) = (CrossoverOutcome::Always, CrossoverOutcome::Undecided);
        let goodput = [(1, always), (2, unclear), (4, always)]
            .map(|(threads, outcome)| break_even(Metric::GoodputGbps, threads, outcome));
        let cpu = [1, 2, 4].map(|threads| break_even(Metric::EndsCpuNsPerKib, threads, unclear));
        let compared = |bytes, mean: f64| Compared {
            cell: cell("sendmsg", bytes, 1),
            against: cell("send", bytes, 1),
            ratio: Estimate { mean, low: Some(mean - 0.1), high: Some(mean + 0.1), trials: 10 },
            finding: Finding::More,
            oversubscribed: false.into(),
        };
        let ratios = [compared(64, 5.2), compared(4096, 1.5)];
        assert_eq!(
            found(
                SendPath::Sendmsg,
                SendPath::Send,
                &[&goodput[..], &cpu].concat(),
                &[&ratios[0], &ratios[1]]
            ),
            "sendmsg beats send at every size measured (1 and 4 threads), unclear at every size (2 threads; intervals too wide): 1.50 × [1.40, 1.60] at 4 KiB … 5.20 × [5.10, 5.30] at 64 B; whether it costs less CPU per KiB is unclear at every size (1, 2 and 4 threads; intervals too wide)"
        );
    }
}
