//! The cells of one link in one figure, on both sides: their levels, and the ratios that the plan compares.

use std::collections::BTreeMap;

use model::{Cell, Contrast, Factor, Link};

use super::measured_run::{MeasuredRun, Rounds, metrics};
use super::shift::{Shift, Units, quantile};
use super::{Change, FigureOnLink, Overall, Subject, Unit, found, median, moments};
use crate::common_spread::CommonSpread;
use crate::drift::Drift;
use crate::estimate::Moments;
use crate::metric::Metric;
use crate::pairs::SIGNIFICANCE;
use crate::results::Finding;

/// The fewest changes whose middle tells how far out chance puts it.
const FEWEST_CHANGES: usize = 5;
/// What a spread that is told from the middle of so many is worth, as a share of them (F. R. Hampel, J. American Statistical
/// Association 69, 1974).
const MEDIAN_EFFICIENCY: f64 = 0.37;
/// The fewest cells of which one can be told against the others.
const FEWEST_CELLS: usize = 3;

/// Lines whose rates differ by no more than this share are one line: what they carry is no change.
const SAME_LINE: f64 = 0.01;

/// A figure of both sides, unit by unit.
type Sides = [Rounds; 2];

pub(super) struct Stratum<'a> {
    unit: Unit,
    link: Link,
    metric: Metric,
    levels: Vec<(&'a Cell, Sides)>,
    pairs: Vec<(&'a Contrast, &'a Cell, &'a Cell, Sides)>,
    /// Cells that are at line rate in every run, and at the same one: the line decides the figure, so that it is no change of
    /// theirs.
    pub(super) lines: Vec<&'a Cell>,
    /// Cells among `levels` that are at line rate in some run, where not all runs are known to have had that line. A run that no longer
    /// fills the line of the others is slower.
    at_another_line: usize,
    /// Cells of which a run has too few rounds.
    pub(super) lacking: Vec<&'a Cell>,
    /// Whether each side's runs know the link.
    stated_link: Option<Link>,
    /// Whether a run has the figure of no cell at all.
    pub(super) is_nowhere: bool,
}

impl<'a> Stratum<'a> {
    /// That of these cells, which are of one link; none without a cell.
    pub(super) fn new(
        base: &'a [MeasuredRun],
        other: &'a [MeasuredRun],
        unit: Unit,
        place: usize,
        cells: &[&'a Cell],
    ) -> Option<Self> {
        let first = cells.first()?;
        let sides = |rounds: &dyn Fn(&MeasuredRun) -> Option<Rounds>| -> Option<Sides> {
            Some([units(base, unit, rounds)?, units(other, unit, rounds)?])
        };
        let (mut levels, mut lacking) = (Vec::new(), Vec::new());
        for cell in cells {
            match sides(&|run| run.rounds(cell, place)) {
                Some(of) => levels.push((*cell, of)),
                None => lacking.push(*cell),
            }
        }
        let metric = *metrics(first).get(place)?;
        let is_lines = |cell: &Cell| {
            let runs = base.iter().chain(other);
            let rates: Option<Vec<f64>> = runs.map(|run| run.lines_rate(cell, metric)).collect();
            rates.is_some_and(|rates| is_one_line(&rates))
        };
        let compared = base.first()?.contrasts.iter().filter(|(_, cell, against)| {
            [cell, against].iter().all(|it| levels.iter().any(|(level, _)| *level == *it))
                && !(is_lines(cell) && is_lines(against))
        });
        let pairs = compared.filter_map(|(contrast, cell, against)| {
            let of = sides(&|run| run.ratios(cell, against, place))?;
            Some((contrast, cell, against, of))
        });
        let pairs = pairs.collect();
        let lines: Vec<&Cell> =
            levels.iter().map(|(cell, _)| *cell).filter(|cell| is_lines(cell)).collect();
        levels.retain(|(cell, _)| !lines.contains(cell));
        // What such a cell costs in CPU hangs on the rate that the line lets it send at, too.
        let lines_rates: Option<Vec<f64>> =
            base.iter().chain(other).map(MeasuredRun::line_gbps).collect();
        let same_line = lines_rates.is_some_and(|it| is_one_line(&it));
        let is_elsewhere = |cell: &&Cell| {
            !same_line && base.iter().chain(other).any(|run| run.is_at_line_rate(cell))
        };
        let at_another_line = levels.iter().map(|(cell, _)| *cell).filter(is_elsewhere).count();
        let mut runs = base.iter().chain(other);
        let is_nowhere = runs.any(|run| cells.iter().all(|it| run.rounds(it, place).is_none()));
        let mut runs = base.iter().chain(other);
        let link = first.link;
        let stated_link = runs.all(|run| run.facts.states(Factor::Link)).then_some(link);
        Some(Self {
            unit,
            link,
            metric,
            levels,
            pairs,
            lines,
            at_another_line,
            lacking,
            stated_link,
            is_nowhere,
        })
    }

    /// The figure, on its link.
    pub(super) const fn figure(&self) -> FigureOnLink {
        FigureOnLink { link: self.link, stated_link: self.stated_link, metric: self.metric }
    }

    /// Each cell's series on both sides, less what all cells of a unit have in common; of cells too few to tell that, as they
    /// are.
    fn cells_apart(&self) -> [Vec<Rounds>; 2] {
        [0, 1].map(|side| {
            let of: Vec<&Rounds> = self.levels.iter().map(|(_, sides)| &sides[side]).collect();
            if self.tells_cells_apart() { apart(&of) } else { of.into_iter().cloned().collect() }
        })
    }

    const fn tells_cells_apart(&self) -> bool {
        self.levels.len() >= FEWEST_CELLS
    }

    /// The median change over cells; 0 of so few that it would be one of them.
    fn common(&self, [base, other]: &[Vec<Rounds>; 2]) -> f64 {
        let offs = base.iter().zip(other).map(|(base, other)| mean(other) - mean(base));
        let middle = median(offs.collect());
        middle.filter(|_| self.tells_cells_apart()).unwrap_or(0.0)
    }

    /// All cells together; none without a cell.
    pub(super) fn overall(&self) -> Option<Overall> {
        if self.levels.is_empty() {
            return None;
        }
        let of_side = |side: usize| {
            let of: Vec<&Rounds> = self.levels.iter().map(|(_, sides)| &sides[side]).collect();
            let figures = course(&of, &vec![1.0; of.len()]);
            Units { widening: self.widening(&of), ..Units::alone(figures) }
        };
        let shift = Shift::between(&of_side(0), &of_side(1));
        let common = self.common(&self.cells_apart());
        // A few cells that changed move the mean, but are no sign that all did.
        let is_apart = self.tells_cells_apart();
        let shared =
            shift.map(|shift| if is_apart { Shift { log: common, ..shift } } else { shift });
        Some(Overall {
            link: self.link,
            stated_link: self.stated_link,
            metric: self.metric,
            cells: u32::try_from(self.levels.len()).unwrap_or(u32::MAX),
            ratio: shift.map(|shift| shift.ratio()),
            common: common.exp(),
            finding: shared.map_or(Finding::Undecided, |shared| found(shared.p(), shared.log)),
            at_another_line: u32::try_from(self.at_another_line).unwrap_or(u32::MAX),
            shift: shared,
        })
    }

    /// Each cell, beyond what all have in common, and as it is.
    pub(super) fn levels(&self) -> Vec<Change> {
        let series = self.cells_apart();
        let common = self.common(&series);
        let n = self.levels.len() as f64;
        // A cell is part of the mean that is taken from it.
        let own = if self.tells_cells_apart() { (n / (n - 1.0)).sqrt() } else { 1.0 };
        let as_they_are =
            [0, 1].map(|side| self.levels.iter().map(|(_, sides)| sides[side].clone()).collect());
        let itself = self.shifts(&as_they_are, |series| self.widening(series));
        let shifts = self.shifts(&series, |series| self.shown_widening(series));
        let (changes, itself): (Vec<Change>, Vec<Shift>) = self
            .levels
            .iter()
            .zip(shifts)
            .zip(itself)
            .filter_map(|(((cell, [base, other]), shift), itself)| {
                let subject = Subject::Level { cell: Box::new((*cell).clone()) };
                let shift = shift?.beyond(common).widened(own);
                Some((self.change(subject, [base, other], shift), itself?))
            })
            .unzip();
        let known: Vec<f64> = changes.iter().map(|change| change.shift.error).collect();
        let mut changes = self.as_far_out_as_chance(changes, |_| 0.0);
        for ((change, known), itself) in changes.iter_mut().zip(known).zip(itself) {
            // What rounds do not tell of cells beside each other, they do not tell of a cell alone.
            let itself = itself.scattered(change.shift.error.powi(2) - known.powi(2));
            let itself = itself.known_as(change.shift.freedom);
            change.as_it_is = self.tells_cells_apart().then_some(itself);
            change.itself = Some(change.as_it_is.unwrap_or(change.shift).ratio());
        }
        changes
    }

    /// Every ratio, over all blocks and within each.
    pub(super) fn contrasts(&self) -> Vec<Change> {
        let mut contrasts: Vec<&Contrast> = Vec::new();
        for (contrast, ..) in &self.pairs {
            if !contrasts.contains(contrast) {
                contrasts.push(contrast);
            }
        }
        let series = [0, 1].map(|side| {
            self.pairs.iter().map(|(.., sides)| sides[side].clone()).collect::<Vec<Rounds>>()
        });
        let usual = |contrast: &Contrast| {
            let of = self.pairs.iter().filter(|pair| pair.0 == contrast);
            median(of.map(|(.., [base, other])| mean(other) - mean(base)).collect()).unwrap_or(0.0)
        };
        let shifts = self.shifts(&series, |series| self.shown_widening(series));
        let within = self.pairs.iter().zip(&shifts).filter_map(
            |((contrast, cell, against, sides), shift)| {
                let subject = Subject::Ratio {
                    contrast: (*contrast).clone(),
                    cell: Box::new((*cell).clone()),
                    against: Box::new((*against).clone()),
                };
                Some(self.change(subject, [&sides[0], &sides[1]], (*shift)?))
            },
        );
        // What all blocks have in common is told of the contrast, and is no sign of noise.
        let within = self.as_far_out_as_chance(within.collect(), |change| match &change.subject {
            Subject::Ratio { contrast, .. } => usual(contrast),
            Subject::Contrast { .. } | Subject::Level { .. } => 0.0,
        });
        let mut changes: Vec<Change> = contrasts
            .into_iter()
            .filter_map(|contrast| self.over_blocks(contrast, &shifts))
            .collect();
        changes.extend(within);
        changes
    }

    /// A ratio over all blocks, each weighted by how well its change is known: unit by unit, or where one run a side is
    /// compared and that is wider, block by block. None of a single block.
    fn over_blocks(&self, contrast: &Contrast, shifts: &[Option<Shift>]) -> Option<Change> {
        let of = self.pairs.iter().zip(shifts).filter(|(pair, _)| pair.0 == contrast);
        let of: Vec<(&Sides, Shift)> =
            of.filter_map(|(pair, shift)| Some((&pair.3, (*shift)?))).collect();
        if of.len() < 2 {
            return None;
        }
        let blocks: Vec<Shift> = of.iter().map(|(_, shift)| *shift).collect();
        let by_block = Shift::over(&blocks)?;
        let weights: Vec<f64> = blocks.iter().map(|shift| by_block.weight(shift)).collect();
        let [base, other] = [0, 1].map(|side| {
            let of: Vec<&Rounds> = of.iter().map(|(sides, _)| &sides[side]).collect();
            let widening = self.shown_widening(&of);
            Units { widening, ..Units::alone(course(&of, &weights)) }
        });
        let by_unit = Shift::between(&base, &other)?;
        // Runs tell what all blocks of a run have in common, which blocks of one run do not.
        let is_wider = by_block.shift.half_interval() > by_unit.half_interval();
        let shift = match self.unit {
            Unit::Rounds if is_wider => by_block.shift,
            Unit::Rounds | Unit::Runs => by_unit,
        };
        let blocks = u32::try_from(of.len()).unwrap_or(u32::MAX);
        let subject = Subject::Contrast { contrast: contrast.clone(), blocks };
        Some(self.changed(subject, [base.figures.mean(), other.figures.mean()], shift))
    }

    /// The shift of each series from one side to the other, with errors that are so much wider; none where neither tells its spread.
    fn shifts(
        &self,
        sides: &[Vec<Rounds>; 2],
        widening: impl Fn(&[&Rounds]) -> f64,
    ) -> Vec<Option<Shift>> {
        let [base, other] = sides.each_ref().map(|side| {
            let figures: Vec<Moments> = side.iter().map(figures_of).collect();
            let common = CommonSpread::of(&figures);
            let widening = widening(&side.iter().collect::<Vec<_>>());
            figures.into_iter().map(move |figures| Units { figures, common, widening })
        });
        base.zip(other).map(|(base, other)| Shift::between(&base, &other)).collect()
    }

    /// What neighbouring rounds have in common; runs have none.
    fn drift(&self, series: &[&Rounds]) -> Option<Drift> {
        let levels = || series.iter().map(|of| (*of).clone()).collect();
        let is_of_rounds = self.unit == Unit::Rounds;
        is_of_rounds.then(|| Drift::of(&[levels()]).value().cloned()).flatten()
    }

    /// By how much that widens what is told of levels.
    fn widening(&self, series: &[&Rounds]) -> f64 {
        self.drift(series).map_or(1.0, |drift| drift.widening)
    }

    /// The same of what a machine's state cancels in: where chance alone makes neighbours as alike, nothing.
    fn shown_widening(&self, series: &[&Rounds]) -> f64 {
        match self.drift(series) {
            Some(drift) if drift.p.value().is_some_and(|p| *p < SIGNIFICANCE) => drift.widening,
            Some(_) | None => 1.0,
        }
    }

    /// Changes whose errors are wide enough that the middle one, less what is usual, is as far out as chance puts it. Runs
    /// tell how they differ; one run a side does not, but its many changes do.
    fn as_far_out_as_chance(
        &self,
        mut changes: Vec<Change>,
        usual: impl Fn(&Change) -> f64,
    ) -> Vec<Change> {
        if self.unit == Unit::Runs || changes.len() < FEWEST_CHANGES {
            return changes;
        }
        let off = |change: &Change| Some(change.shift.beyond(usual(change)).t()?.abs());
        let freedom = median(changes.iter().map(|change| change.shift.freedom).collect());
        let middle = median(changes.iter().filter_map(off).collect());
        let chance = freedom.map(|freedom| quantile(0.75, freedom));
        let by = middle.zip(chance).map_or(1.0, |(middle, chance)| (middle / chance).max(1.0));
        let known = changes.len() as f64 * MEDIAN_EFFICIENCY;
        for change in &mut changes {
            if by > 1.0 {
                change.shift = change.shift.widened(by).known_as(known);
            }
            (change.ratio, change.p) = (change.shift.ratio(), change.shift.p());
        }
        changes
    }

    fn change(&self, subject: Subject, [base, other]: [&Rounds; 2], shift: Shift) -> Change {
        self.changed(subject, [mean(base), mean(other)], shift)
    }

    fn changed(&self, subject: Subject, [base, other]: [f64; 2], shift: Shift) -> Change {
        Change {
            subject,
            stated_link: self.stated_link,
            link: self.link,
            metric: self.metric,
            before: base.exp(),
            after: other.exp(),
            ratio: shift.ratio(),
            itself: None,
            as_it_is: None,
            p: shift.p(),
            p_holm: 1.0,
            finding: Finding::Undecided,
            shift,
        }
    }
}

/// A figure unit by unit: each run's mean over its rounds, or the rounds of the one run. None where a run has none, or the one
/// run fewer than two.
fn units(
    runs: &[MeasuredRun],
    unit: Unit,
    rounds: &dyn Fn(&MeasuredRun) -> Option<Rounds>,
) -> Option<Rounds> {
    match unit {
        Unit::Runs => {
            let of_run = |(number, run)| Some((number, mean(&rounds(run)?)));
            (1..).zip(runs).map(of_run).collect()
        }
        Unit::Rounds => rounds(runs.first()?).filter(|rounds| rounds.len() > 1),
    }
}

fn figures_of(rounds: &Rounds) -> Moments {
    moments(rounds.iter().map(|(_, x)| *x))
}

fn mean(rounds: &Rounds) -> f64 {
    figures_of(rounds).mean()
}

/// What series have in common in a unit: how many weigh how much there, and the mean of their deviations from their own means.
#[derive(Clone, Copy, Debug, Default)]
struct Common {
    weight: f64,
    sum: f64,
}

impl Common {
    fn mean(self) -> f64 {
        if self.weight > 0.0 { self.sum / self.weight } else { 0.0 }
    }
}

fn in_common(series: &[&Rounds], weights: &[f64]) -> BTreeMap<u32, Common> {
    let mut units: BTreeMap<u32, Common> = BTreeMap::new();
    for (of, weight) in series.iter().zip(weights) {
        let own = mean(of);
        for (unit, x) in *of {
            let common = units.entry(*unit).or_default();
            common.weight += weight;
            common.sum += weight * (x - own);
        }
    }
    units
}

/// Each series less what they have in common.
fn apart(series: &[&Rounds]) -> Vec<Rounds> {
    let common = in_common(series, &vec![1.0; series.len()]);
    let of_unit = |unit: &u32| common.get(unit).map_or(0.0, |common| common.mean());
    let less = |(unit, x): &(u32, f64)| (*unit, x - of_unit(unit));
    series.iter().map(|of| of.iter().map(less).collect()).collect()
}

/// The weighted mean over series, unit by unit. A series that lacks a unit moves nothing there; a unit that most of them lack
/// is left out.
fn course(series: &[&Rounds], weights: &[f64]) -> Moments {
    let whole: f64 = weights.iter().sum();
    let all = series.iter().zip(weights).map(|(of, weight)| weight * mean(of)).sum::<f64>() / whole;
    let units = in_common(series, weights);
    let most = units.values().filter(|common| 2.0 * common.weight >= whole);
    moments(most.map(|common| all + common.mean()))
}

/// Whether all runs were over a line of one rate.
fn is_one_line(rates: &[f64]) -> bool {
    let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
    rates.iter().all(|rate| *rate <= least * (1.0 + SAME_LINE))
}
