//! Where two paths break even, as words and as areas of a panel; both follow from the finding and from the figures drawn.

use crate::spelling::{listed, size, stretch};
use analysis::estimate::Estimate;
use analysis::findings::{Crossover, CrossoverOutcome};
use analysis::metric::{Better, Metric};
use analysis::results::Finding;
use model::{Cell, Factor};

use super::groups::Group;
use super::run::{Pair, Run};
use crate::drawing::description::{Area, AreaKind, Key, KeyShape, Plot};
use crate::drawing::looks::Look;

/// What being better and being worse is called in a metric.
pub(super) const fn words(metric: Metric) -> [&'static str; 2] {
    match metric.better() {
        Better::High => ["faster", "slower"],
        Better::Low | Better::None => ["cheaper", "costs more"],
    }
}

/// A ratio's finding as its drawn interval has it.
pub(super) fn by_interval(ratio: &Estimate) -> Finding {
    match ratio.low.zip(ratio.high) {
        Some((low, _)) if low > 1.0 => Finding::More,
        Some((_, high)) if high < 1.0 => Finding::Less,
        _ => Finding::Undecided,
    }
}

const NONE_FOUND: &str = "no break-even found";
/// Why a size counts for neither path, though its own interval tells them apart.
const CORRECTED: &str = "unclear after correction";

/// What a size is counted as. A finding is corrected for many comparisons, its drawn interval is not: where only the latter
/// tells two paths apart, that is said.
fn counted_as(metric: Metric, (ratio, finding): (&Estimate, Finding)) -> &'static str {
    let [better, worse] = words(metric);
    let is_higher_better = metric.better() == Better::High;
    match finding {
        Finding::More if is_higher_better => better,
        Finding::Less if !is_higher_better => better,
        Finding::More | Finding::Less => worse,
        Finding::Equivalent => "the same",
        Finding::AtLineRate => "at line rate",
        Finding::Undecided if by_interval(ratio) != Finding::Undecided => CORRECTED,
        Finding::Undecided => "unclear",
    }
}

/// A finding in words, after the name of the path: `cheaper from 9.8 KiB [8.1 KiB, 12 KiB] on`. Where no break-even was
/// found, the sizes are counted: `cheaper at 3 of 7 sizes, unclear at 4; no break-even found`.
pub(super) fn caption(
    outcome: &CrossoverOutcome,
    metric: Metric,
    ratios: &[(&Estimate, Finding)],
) -> String {
    let [better, worse] = words(metric);
    match outcome {
        CrossoverOutcome::At { bytes, low, high } => {
            format!("{better} from {} [{}, {}] on", size(*bytes), size(*low), size(*high))
        }
        CrossoverOutcome::Bracket { low, high } => {
            format!("{better} from a size between {} and {} on", size(*low), size(*high))
        }
        CrossoverOutcome::Until { bytes, low, high } => {
            format!("{better} only below {} [{}, {}]", size(*bytes), size(*low), size(*high))
        }
        CrossoverOutcome::UntilBracket { low, high } => {
            format!("{better} only below a size between {} and {}", size(*low), size(*high))
        }
        CrossoverOutcome::Always => format!("{better} at every size"),
        CrossoverOutcome::Never => format!("{worse} at every size"),
        CrossoverOutcome::Alike => "no difference at any size".to_owned(),
        CrossoverOutcome::Partly { is_better, up_to, from } => {
            format!("{} {}", if *is_better { better } else { worse }, stretch(*up_to, *from))
        }
        CrossoverOutcome::Undecided => undecided(metric, ratios),
    }
}

fn undecided(metric: Metric, ratios: &[(&Estimate, Finding)]) -> String {
    let [better, worse] = words(metric);
    let sizes = if ratios.len() == 1 { "size" } else { "sizes" };
    let mut text = String::new();
    for word in [better, worse, "the same", "unclear", CORRECTED] {
        match ratios.iter().filter(|ratio| counted_as(metric, **ratio) == word).count() {
            0 => {}
            n if text.is_empty() => text = format!("{word} at {n} of {} {sizes}", ratios.len()),
            n => text.push_str(&format!(", {word} at {n}")),
        }
    }
    if text.is_empty() { NONE_FOUND.to_owned() } else { format!("{text}; {NONE_FOUND}") }
}

/// The area in which paths break even: an estimate's interval. None where no break-even was found, and none where it is
/// only known to lie somewhere between two sizes, which may be the whole axis.
pub(super) fn band(outcome: &CrossoverOutcome, look: Look) -> Option<Area> {
    match *outcome {
        CrossoverOutcome::At { low, high, .. } | CrossoverOutcome::Until { low, high, .. } => {
            Some(Area { kind: AreaKind::BreakEven(look), x: Some([low, high]), y: None })
        }
        CrossoverOutcome::Bracket { .. }
        | CrossoverOutcome::UntilBracket { .. }
        | CrossoverOutcome::Always
        | CrossoverOutcome::Never
        | CrossoverOutcome::Alike
        | CrossoverOutcome::Partly { .. }
        | CrossoverOutcome::Undecided => None,
    }
}

/// Pairs that a panel tells of: of twelve paths there are 66, and nobody reads them all.
const MOST_PAIRS: usize = 6;

/// Adds to a panel where paths break even in this group, as areas and in words. Of many pairs those of a path and its copying
/// twin come first, then those with a break-even.
pub(super) fn break_even(run: &Run, group: &Group, metric: Metric, plot: &mut Plot) {
    let crossovers = run.summary.explained.crossovers.iter();
    let drawn = crossovers.filter(|one| one.metric == metric && run.draws(&one.contrast));
    let mut pairs: Vec<(&Crossover, &Cell)> = Vec::new();
    for crossover in drawn {
        let Crossover { contrast, shared, .. } = crossover;
        let is_first =
            |cell: &&Cell| shared.has(cell) && cell.get(contrast.factor) == contrast.value;
        pairs.extend(group.cells().find(is_first).map(|cell| (crossover, cell)));
    }
    let mut ranks: Vec<(u8, usize)> = pairs.iter().map(rank).zip(0..).collect();
    ranks.sort_unstable();
    let mut told: Vec<usize> = ranks.into_iter().map(|(_, place)| place).take(MOST_PAIRS).collect();
    told.sort_unstable();
    for (crossover, cell) in told.iter().filter_map(|place| pairs.get(*place)) {
        let Crossover { contrast, shared, outcome, .. } = crossover;
        let is_first =
            |cell: &Cell| shared.has(cell) && cell.get(contrast.factor) == contrast.value;
        let ratios = run.summary.ratios.iter().filter(|ratio| {
            ratio.metric == metric && ratio.contrast == *contrast && is_first(&ratio.cell)
        });
        let ratios: Vec<(&Estimate, Finding)> =
            ratios.filter_map(|ratio| Some((ratio.ratio.value()?, ratio.finding))).collect();
        let pair = Pair { path: cell.send_path, contrast };
        let caption = caption(outcome, metric, &ratios);
        plot.remarks.push(format!(
            "{}: {caption}{}",
            pair.name(),
            unclear(&crossover.unclear_sizes)
        ));
        plot.areas.extend(band(outcome, pair.look()));
    }
    match pairs.len().saturating_sub(MOST_PAIRS) {
        0 => {}
        1 => plot.remarks.push("1 more pair: ratios.csv".to_owned()),
        more => plot.remarks.push(format!("{more} more pairs: ratios.csv")),
    }
}

/// What is told first has the lowest rank.
fn rank((crossover, cell): &(&Crossover, &Cell)) -> u8 {
    let twin = cell.send_path.capabilities().copying_twin;
    let contrast = &crossover.contrast;
    let is_of_twins =
        contrast.factor == Factor::Send && twin.is_some_and(|twin| twin.name() == contrast.against);
    // What receives as usual is what the other receive paths are held against.
    let is_to_usual =
        contrast.factor == Factor::Recv && Cell::default().get(Factor::Recv) == contrast.against;
    match crossover.outcome {
        _ if is_of_twins || is_to_usual => 0,
        CrossoverOutcome::At { .. }
        | CrossoverOutcome::Bracket { .. }
        | CrossoverOutcome::Until { .. }
        | CrossoverOutcome::UntilBracket { .. } => 1,
        CrossoverOutcome::Always
        | CrossoverOutcome::Never
        | CrossoverOutcome::Alike
        | CrossoverOutcome::Partly { .. } => 2,
        CrossoverOutcome::Undecided => 3,
    }
}

/// The sizes outside a break-even at which neither path is shown to be better: `; unclear at 64 B`.
pub(super) fn unclear(sizes: &[u64]) -> String {
    let sizes: Vec<String> = sizes.iter().map(|bytes| model::Bytes(*bytes).to_string()).collect();
    if sizes.is_empty() { String::new() } else { format!("; unclear at {}", listed(&sizes)) }
}

/// The key of break-even areas where panels have one.
pub(super) fn break_even_key(plots: &[Plot]) -> Option<Key> {
    let areas = plots.iter().flat_map(|plot| &plot.areas);
    let kind = areas.map(|area| area.kind).find(|kind| matches!(kind, AreaKind::BreakEven(_)))?;
    Some(Key { shape: KeyShape::Area(kind), text: "break-even, 95 % interval".to_owned() })
}

#[cfg(test)]
mod tests {
    use model::SendPath;

    use super::*;

    const CPU: Metric = Metric::EndsCpuNsPerKib;
    const ALL: [CrossoverOutcome; 9] = [
        CrossoverOutcome::At { bytes: 10_000.0, low: 8192.0, high: 12_288.0 },
        CrossoverOutcome::Bracket { low: 512.0, high: 4096.0 },
        CrossoverOutcome::Until { bytes: 10_000.0, low: 8192.0, high: 12_288.0 },
        CrossoverOutcome::UntilBracket { low: 512.0, high: 4096.0 },
        CrossoverOutcome::Always,
        CrossoverOutcome::Never,
        CrossoverOutcome::Alike,
        CrossoverOutcome::Partly { is_better: true, up_to: Some(512.0), from: None },
        CrossoverOutcome::Undecided,
    ];

    fn ratio(low: f64, high: f64) -> Estimate {
        Estimate { mean: f64::midpoint(low, high), low: Some(low), high: Some(high), trials: 9 }
    }

    #[test]
    fn sizes_are_counted_where_no_break_even_was_found() {
        let ratios = [ratio(0.8, 0.9), ratio(0.7, 0.9), ratio(0.9, 1.1), ratio(1.2, 1.3)];
        let with = |metric, ratios: &[Estimate], finding: fn(&Estimate) -> Finding| {
            let ratios: Vec<_> = ratios.iter().map(|ratio| (ratio, finding(ratio))).collect();
            caption(&CrossoverOutcome::Undecided, metric, &ratios)
        };
        assert_eq!(
            with(CPU, &ratios, by_interval),
            "cheaper at 2 of 4 sizes, costs more at 1, unclear at 1; no break-even found"
        );
        assert_eq!(
            with(CPU, &ratios[..2], by_interval),
            "cheaper at 2 of 2 sizes; no break-even found"
        );
        assert_eq!(
            with(Metric::GoodputGbps, &ratios[..3], by_interval),
            "slower at 2 of 3 sizes, unclear at 1; no break-even found"
        );
        assert_eq!(
            with(CPU, &ratios[1..3], |_| Finding::Undecided),
            "unclear at 1 of 2 sizes, unclear after correction at 1; no break-even found"
        );
        assert_eq!(
            with(CPU, &ratios[2..3], |_| Finding::Equivalent),
            "the same at 1 of 1 size; no break-even found"
        );
        let alone = Estimate { low: None, high: None, ..ratios[0] };
        assert_eq!(with(CPU, &[alone], by_interval), "unclear at 1 of 1 size; no break-even found");
        assert_eq!(with(CPU, &[], by_interval), "no break-even found");
    }

    #[test]
    fn a_band_is_drawn_where_a_break_even_was_found_and_only_there() {
        let look = Look::for_path(SendPath::ALL[0]);
        for outcome in ALL {
            let caption = caption(&outcome, CPU, &[(&ratio(0.8, 0.9), Finding::Less)]);
            // An estimate stands before its interval.
            assert_eq!(band(&outcome, look).is_some(), caption.contains(" ["), "{caption}");
        }
    }
}
