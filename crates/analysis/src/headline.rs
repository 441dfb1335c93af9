//! The run's answer in one or two lines.

use model::factor::Factor;
use model::{Bytes, Contrast, SendPath};

use crate::evidence::{Evidence, figure};
use crate::explained::{Crossover, CrossoverOutcome, LinkVerdict};
use crate::figure_text::{counted, ratio, share_range, shared_words, size, untold};
use crate::metric::{Better, Metric};
use crate::on_link::{OnLink, links_asked};
use crate::summary::{Estimate, Finding, Ratio};

/// Which path to use here, link by link: links are never ranked against each other.
pub(crate) fn headline(evidence: &Evidence<'_>, verdicts: &[LinkVerdict]) -> Vec<String> {
    let links = links_asked(evidence);
    if let [] | [_] = links[..] {
        return of_link(evidence, verdicts);
    }
    let mut lines = Vec::new();
    for link in links {
        let on_link = OnLink::new(evidence, link);
        let of_link = of_link(&on_link.evidence(evidence), verdicts);
        // What is said of links side by side names its link itself.
        let named = format!("{link}, ");
        lines.extend(
            of_link.into_iter().map(|line| {
                if line.starts_with(&named) { line } else { format!("{link}: {line}") }
            }),
        );
    }
    lines
}

/// One link's answer: what one call for many fields saves, then what passing by reference saves.
fn of_link(evidence: &Evidence<'_>, verdicts: &[LinkVerdict]) -> Vec<String> {
    if !evidence.asked().any(|estimates| estimates.trials > 0) {
        return vec!["no trial was valid: this run says nothing of any path".to_owned()];
    }
    let is_sink = evidence.asked().all(|estimates| !estimates.cell.link.has_receiver());
    let copying = &[SendPath::A2, SendPath::Staged, SendPath::A1][..];
    let calling = &[SendPath::A1, SendPath::Staged][..];
    let mut lines = if is_sink {
        let metric = Metric::SenderSideCpuNsPerKib;
        let mut lines: Vec<String> = calling
            .iter()
            .find_map(|against| line(evidence, &Contrast::of_paths(SendPath::A2, *against), metric))
            .into_iter()
            .collect();
        // The break-even as a range over intervals and placements stands for the single comparisons.
        let told = verdicts.iter().filter(|verdict| !verdict.link.has_receiver());
        lines.extend(told.map(|verdict| verdict.line.clone()));
        lines
    } else {
        [
            (SendPath::A2, calling, Metric::GoodputGbps),
            (SendPath::A3, copying, Metric::EndsCpuNsPerKib),
        ]
        .into_iter()
        .filter_map(|(path, others, metric)| {
            others
                .iter()
                .find_map(|against| line(evidence, &Contrast::of_paths(path, *against), metric))
        })
        .collect()
    };
    if lines.is_empty() {
        // Neither question was asked; whatever pair there is stands for the answer.
        let shown = evidence
            .crossovers
            .iter()
            .find(|crossover| !is_sink || crossover.metric != Metric::GoodputGbps);
        lines.extend(shown.and_then(|c| line(evidence, &c.contrast, c.metric)));
    }
    if lines.is_empty() {
        let mut paths: Vec<SendPath> =
            evidence.asked().map(|estimates| estimates.cell.send_path).collect();
        paths.sort_unstable();
        paths.dedup();
        let names: Vec<String> = paths.iter().map(ToString::to_string).collect();
        lines.push(format!(
            "{} alone was measured: there is nothing to compare it with",
            names.join(", ")
        ));
    }
    if evidence.run.preliminary {
        let rounds = counted(evidence.run.rounds, "whole round", "whole rounds");
        lines[0] = format!("preliminary ({rounds}): {}", lines[0]);
    }
    lines
}

/// The comparison of two paths in the family of cells that says most: not oversubscribed, then the first of the plan,
/// which has the fewest threads.
fn line(evidence: &Evidence<'_>, contrast: &Contrast, metric: Metric) -> Option<String> {
    let crossover = evidence
        .crossovers
        .iter()
        .filter(|c| c.contrast == *contrast && c.metric == metric)
        .min_by_key(|c| (c.sizes.is_empty(), c.oversubscribed))?;
    let mut ratios: Vec<&Ratio> = evidence
        .ratios
        .iter()
        .filter(|ratio| {
            ratio.metric == metric
                && ratio.contrast == *contrast
                && crossover.shared.has(&ratio.cell)
        })
        .collect();
    ratios.sort_by_key(|ratio| ratio.cell.message);
    let mut text = format!("{}: {}", place(crossover), verdict(crossover, metric, &ratios));
    text.push_str(&untold(crossover));
    if let Some(figures) = figures(&ratios, metric) {
        text.push_str("; ");
        text.push_str(&figures);
    }
    if ratios.iter().any(|ratio| ratio.cell.passes_by_reference())
        && let Some(copied) = copied(evidence, crossover)
    {
        text.push_str("; ");
        text.push_str(&copied);
    }
    Some(text)
}

/// What the two have in common, as people say it.
fn place(crossover: &Crossover) -> String {
    // The link stands before the line where there are several.
    let shared = shared_words(&crossover.shared.without(&[Factor::Link]));
    if crossover.oversubscribed {
        format!("{shared}, oversubscribed (no cause is claimed)")
    } else {
        shared
    }
}

/// Better and worse in a metric.
const fn words(metric: Metric) -> (&'static str, &'static str) {
    match metric.better() {
        Better::Low => ("cheaper", "dearer"),
        Better::High | Better::None => ("faster", "slower"),
    }
}

/// What is recommended, and from where to where.
fn verdict(crossover: &Crossover, metric: Metric, ratios: &[&Ratio]) -> String {
    let (path, against) = (&crossover.contrast.value, &crossover.contrast.against);
    let (better, worse) = words(metric);
    let range = match crossover.sizes.as_slice() {
        [] => return format!("{path} and {against} were never measured validly side by side"),
        [only] => format!("at {}, the only size measured", Bytes(*only)),
        [first, .., last] => {
            format!("at every size from {} to {}", Bytes(*first), Bytes(*last))
        }
    };
    match crossover.outcome {
        CrossoverOutcome::Always => {
            format!("use {path} rather than {against}: {better} {range}")
        }
        CrossoverOutcome::Never => {
            format!("use {against} rather than {path}, which is {worse} {range}")
        }
        CrossoverOutcome::At { bytes, low, high } => format!(
            "{path} is {better} than {against} from {} on [{}, {}], and {worse} below",
            size(bytes),
            size(low),
            size(high)
        ),
        CrossoverOutcome::Bracket { low, high } => format!(
            "{path} becomes {better} than {against} somewhere between {} and {} (--preset break-even finds where)",
            size(low),
            size(high)
        ),
        CrossoverOutcome::Until { bytes, low, high } => format!(
            "{path} is {better} than {against} up to {} [{}, {}], and {worse} above",
            size(bytes),
            size(low),
            size(high)
        ),
        CrossoverOutcome::UntilBracket { low, high } => format!(
            "{path} is {better} than {against} up to {} and {worse} from {} on (--preset break-even finds where)",
            size(low),
            size(high)
        ),
        CrossoverOutcome::Alike => format!("{path} and {against} are alike {range}"),
        CrossoverOutcome::Undecided => {
            format!("{path} against {against}: no break-even is shown; {}", found(ratios, metric))
        }
    }
}

/// At how many sizes which finding was made.
fn found(ratios: &[&Ratio], metric: Metric) -> String {
    let (better, worse) = words(metric);
    let (more, less) = match metric.better() {
        Better::Low => (worse, better),
        Better::High | Better::None => (better, worse),
    };
    let told = |finding: Finding, word: &str| {
        let n = ratios.iter().filter(|ratio| ratio.finding == finding).count();
        (n > 0).then(|| format!("{word} at {n}"))
    };
    let parts: Vec<String> = [
        told(Finding::More, more),
        told(Finding::Less, less),
        told(Finding::Equivalent, "equivalent"),
        told(Finding::Undecided, "undecided"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let sizes = if ratios.len() == 1 { "size" } else { "sizes" };
    format!("{} of {} {sizes}", parts.join(", "), ratios.len())
}

/// The ratios at the ends of the range.
fn figures(ratios: &[&Ratio], metric: Metric) -> Option<String> {
    let first = ratios.first()?;
    let (path, against) = (&first.contrast.value, &first.contrast.against);
    let what = match metric.better() {
        Better::Low if metric == Metric::SenderSideCpuNsPerKib => {
            format!("sender-side cost {path}/{against}")
        }
        Better::Low => format!("CPU {path}/{against}"),
        Better::High | Better::None => format!("goodput {path}/{against}"),
    };
    let with_figure: Vec<(&Ratio, &Estimate)> =
        ratios.iter().filter_map(|ratio| Some((*ratio, ratio.ratio.value()?))).collect();
    let at = |(pair, estimate): &(&Ratio, &Estimate)| {
        let same = if pair.finding == Finding::Equivalent { " (equivalent)" } else { "" };
        format!("{}{same} at {}", ratio(estimate), pair.cell.message.bytes())
    };
    match with_figure.as_slice() {
        [] => None,
        [only] => Some(format!("{what} {}", at(only))),
        [first, .., last] => Some(format!("{what} {}, {}", at(first), at(last))),
    }
}

/// The completions that were copied after all, in the cells compared.
fn copied(evidence: &Evidence<'_>, crossover: &Crossover) -> Option<String> {
    let compared = evidence.asked().filter(|estimates| {
        estimates.cell.passes_by_reference() && crossover.shared.has(&estimates.cell)
    });
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    let mut is_loopback = true;
    for estimates in compared {
        if let Some(share) = figure(estimates, Metric::CopiedShare) {
            least = least.min(share.mean);
            most = most.max(share.mean);
            is_loopback &= estimates.cell.link.copies_by_reference_on_delivery();
        }
    }
    if least > most {
        return None;
    }
    // Shares are quotients of equal whole numbers where all were copied, and so exact.
    Some(if least >= 1.0 {
        let why = if is_loopback { " (loopback always copies)" } else { "" };
        format!("100 % of its completions were copied anyway{why}")
    } else if most > 0.0 {
        format!("{} of its completions were copied anyway", share_range(least, most))
    } else {
        "none of its completions was copied".to_owned()
    })
}
