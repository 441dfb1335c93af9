//! Ratios between cells of a block, from trials measured next to each other.
//!
//! Each round gives a pair of cells one log-ratio a block; drift of the machine that both share cancels in it. The mean
//! log-ratio gets a Student-t interval and test (paired t test: Student, Biometrika 6, 1908), a family of tests gets
//! Holm's correction, and "no difference" is claimed from two one-sided tests against a margin only.

use std::collections::HashMap;

use model::{Measured, Share};

use crate::estimate::{Estimate, Moments, half_width, trimmed};
use crate::metric::Metric;
use crate::results::{Finding, Ratio};

/// The metrics of which ratios are formed.
pub const RATIO_METRICS: [Metric; 6] = [
    Metric::GoodputGbps,
    Metric::EndsCpuNsPerKib,
    Metric::SenderCpuNsPerKib,
    Metric::ReceiverCpuNsPerKib,
    Metric::MachineCpuNsPerKib,
    Metric::SenderSideCpuNsPerKib,
];

/// The error rate at which a finding is claimed, over its whole family.
pub const SIGNIFICANCE: f64 = 0.05;

/// Logarithms of a valid trial's figures, in the order of [`RATIO_METRICS`].
pub(crate) type Logs = [Log; RATIO_METRICS.len()];

/// The logarithm of a figure.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Log {
    /// There is no figure.
    #[default]
    Absent,
    /// The figure is 0 or below.
    Undefined,
    /// Its natural logarithm.
    Of(f64),
}

impl Log {
    pub(crate) fn of(x: f64) -> Self {
        if x > 0.0 { Self::Of(x.ln()) } else { Self::Undefined }
    }
}

/// A trial as far as pairing needs it. `cell` and `block` are places in the plan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paired {
    pub(crate) round: u32,
    pub(crate) block: usize,
    pub(crate) cell: usize,
    /// Its place among the judged trials; none where it is void.
    pub(crate) trial: Option<usize>,
    pub(crate) is_unsupported: bool,
}

/// One uninterrupted measurement of a block in a round.
#[derive(Debug, Default)]
struct Group {
    /// The ends that measured it.
    ends: u32,
    trials: Vec<Paired>,
    /// Whether the study went on to something else in the same segment.
    is_left_behind: bool,
}

/// Trials by round and block, as they come from the journal.
///
/// Trials of a block in a round belong together as long as the same ends measured them. A group is
/// *complete* if every cell of the block was attempted in it; cells that this machine cannot measure are not waited
/// for, and neither, in a group that the study left behind, are those that were never attempted in the whole run. Only
/// complete groups give pairs, of several for one block and round the last one, so that trials of a killed segment are
/// never paired with those of the next.
#[derive(Debug)]
pub(crate) struct Groups {
    /// Cells of each block.
    blocks: Vec<Vec<usize>>,
    groups: HashMap<(u32, usize), Vec<Group>>,
    open: Option<(u32, usize)>,
    /// How often fresh ends were started.
    ends: u32,
    was_attempted: Vec<bool>,
    is_unsupported: Vec<bool>,
}

/// A complete block of a round: each cell's last valid trial.
#[derive(Debug)]
pub(crate) struct Complete {
    pub(crate) round: u32,
    pub(crate) block: usize,
    /// Cell, and the place of its trial among the judged ones.
    pub(crate) trials: Vec<(usize, usize)>,
}

impl Groups {
    pub(crate) fn new(blocks: Vec<Vec<usize>>) -> Self {
        let cells = blocks.iter().flatten().map(|cell| cell + 1).max().unwrap_or(0);
        Self {
            blocks,
            groups: HashMap::new(),
            open: None,
            ends: 0,
            was_attempted: vec![false; cells],
            is_unsupported: vec![false; cells],
        }
    }

    /// A trial ended.
    pub(crate) fn push(&mut self, trial: Paired) {
        let key = (trial.round, trial.block);
        if self.open != Some(key) {
            self.close(true);
            self.open = Some(key);
            let groups = self.groups.entry(key).or_default();
            if groups.last().is_none_or(|group| group.ends != self.ends) {
                groups.push(Group { ends: self.ends, ..Group::default() });
            }
        }
        self.was_attempted[trial.cell] = true;
        self.is_unsupported[trial.cell] = trial.is_unsupported;
        if let Some(group) = self.groups.get_mut(&key).and_then(|groups| groups.last_mut()) {
            group.is_left_behind = false;
            group.trials.push(trial);
        }
    }

    /// Fresh ends measure: what they measure belongs to no group of earlier ones. `goes_on`: the study went on to them by
    /// itself.
    pub(crate) fn begin_ends(&mut self, goes_on: bool) {
        self.close(goes_on);
        self.ends += 1;
    }

    /// Whatever comes next is another group. `goes_on`: the study went on to it by itself.
    pub(crate) fn close(&mut self, goes_on: bool) {
        let Some(open) = self.open.take() else { return };
        if let Some(group) = self.groups.get_mut(&open).and_then(|groups| groups.last_mut()) {
            group.is_left_behind = goes_on;
        }
    }

    fn is_complete(&self, block: usize, group: &Group) -> bool {
        let waits_for = |cell: usize| {
            !self.is_unsupported[cell] && (self.was_attempted[cell] || !group.is_left_behind)
        };
        let has = |cell: usize| group.trials.iter().any(|trial| trial.cell == cell);
        self.blocks[block].iter().all(|cell| has(*cell) || !waits_for(*cell))
    }

    /// The complete blocks, by round and block.
    pub(crate) fn complete(&self) -> Vec<Complete> {
        let last = |(key, groups): (&(u32, usize), &Vec<Group>)| {
            let (round, block) = *key;
            let group = groups.iter().rev().find(|group| self.is_complete(block, group))?;
            let of_cell = |cell: &usize| {
                let valid = group
                    .trials
                    .iter()
                    .rev()
                    .filter(|trial| trial.cell == *cell)
                    .find_map(|trial| trial.trial);
                valid.map(|trial| (*cell, trial))
            };
            Some(Complete {
                round,
                block,
                trials: self.blocks[block].iter().filter_map(of_cell).collect(),
            })
        };
        let mut complete: Vec<Complete> = self.groups.iter().filter_map(last).collect();
        // A sum's last digits depend on its order: the same journal must give the same file.
        complete.sort_unstable_by_key(|complete| (complete.round, complete.block));
        complete
    }

    /// Whether any cell of the block was ever attempted.
    pub(crate) fn was_attempted(&self, block: usize) -> bool {
        self.blocks[block].iter().any(|cell| self.was_attempted[*cell])
    }
}

/// The log-ratios of one cell against another.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogRatios {
    logs: Vec<f64>,
    /// Whether a figure had no logarithm: the others alone would be a choice among the trials.
    is_undefined: bool,
}

impl LogRatios {
    /// Takes the figures of a round in; one that is absent on a side gives no pair.
    fn push(&mut self, cell: Log, against: Log) {
        match (cell, against) {
            (Log::Of(cell), Log::Of(against)) => self.logs.push(cell - against),
            (Log::Absent, _) | (_, Log::Absent) => {}
            (Log::Undefined, _) | (_, Log::Undefined) => self.is_undefined = true,
        }
    }

    /// The log-ratios; empty where one is undefined.
    pub(crate) fn moments(&self) -> Moments {
        let mut moments = Moments::default();
        if !self.is_undefined {
            self.logs.iter().for_each(|log| moments.push(*log));
        }
        moments
    }

    /// Their geometric mean, or why there is none.
    pub(crate) fn ratio(&self) -> Measured<Estimate> {
        if self.is_undefined {
            Measured::absent("a figure at or below 0 has no ratio")
        } else {
            ratio(&self.moments())
        }
    }

    /// The same without the highest and the lowest tenth, or why there is none.
    pub(crate) fn trimmed(&self) -> Measured<Estimate> {
        let few = || Measured::absent("a tenth is cut of ten pairs or more");
        match self.ratio() {
            Measured::Value(_) => trimmed(&self.logs).map_or_else(few, Measured::Value),
            absent @ Measured::Absent { .. } => absent,
        }
    }
}

/// The log-ratios of one cell against another, metric by metric.
#[derive(Clone, Debug, Default)]
pub(crate) struct AllLogRatios([LogRatios; RATIO_METRICS.len()]);

impl AllLogRatios {
    /// Takes the figures of a round in.
    pub(crate) fn push(&mut self, cell: &Logs, against: &Logs) {
        for (log_ratios, (cell, against)) in self.0.iter_mut().zip(cell.iter().zip(against)) {
            log_ratios.push(*cell, *against);
        }
    }

    /// Takes the mean of other log-ratios in as one observation.
    pub(crate) fn push_mean_of(&mut self, others: &Self) {
        for (log_ratios, others) in self.0.iter_mut().zip(&others.0) {
            log_ratios.is_undefined |= others.is_undefined;
            let others = others.moments();
            if !others.is_empty() {
                log_ratios.logs.push(others.mean());
            }
        }
    }

    /// The log-ratios of one of [`RATIO_METRICS`].
    pub(crate) fn of(&self, metric: Metric) -> LogRatios {
        let place = RATIO_METRICS.iter().position(|other| *other == metric);
        place.map_or_else(LogRatios::default, |place| self.0[place].clone())
    }
}

impl AllLogRatios {
    /// Whether nothing was paired.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|of| !of.is_undefined && of.moments().is_empty())
    }

    /// The geometric mean of the ratios of a metric, or why there is none: where goodput was paired, the figure is what is
    /// missing, and no trial.
    pub(crate) fn ratio(&self, metric: Metric) -> Measured<Estimate> {
        let log_ratios = self.of(metric);
        let is_paired = || !self.of(Metric::GoodputGbps).moments().is_empty();
        if !log_ratios.is_undefined && log_ratios.moments().is_empty() && is_paired() {
            return Measured::absent("no complete block has this figure of both");
        }
        log_ratios.ratio()
    }
}

/// The geometric mean of ratios and its interval; absent without a pair.
pub fn ratio(log_ratios: &Moments) -> Measured<Estimate> {
    if log_ratios.is_empty() {
        return Measured::absent("the two were never measured validly in one complete block");
    }
    let half = log_ratios.half_interval();
    Measured::Value(Estimate {
        mean: log_ratios.mean().exp(),
        low: half.map(|half| (log_ratios.mean() - half).exp()),
        high: half.map(|half| (log_ratios.mean() + half).exp().min(f64::MAX)),
        trials: log_ratios.len(),
    })
}

/// Half-widths of each contrast within a block, as shares: the wider one of goodput and the link's cost; none below two
/// pairs of either. Contrasts without a pair are left out.
pub(crate) fn widths(ratios: &[Ratio]) -> impl Iterator<Item = (&Ratio, Option<f64>)> {
    let is_same = |a: &Ratio, b: &Ratio| {
        a.cell == b.cell && a.against == b.against && a.contrast == b.contrast
    };
    ratios.chunk_by(is_same).filter_map(|metrics| {
        let of = |metric: Metric| metrics.iter().find(|ratio| ratio.metric == metric);
        let goodput = of(Metric::GoodputGbps).filter(|ratio| ratio.ratio.value().is_some())?;
        let width = |ratio: &Ratio| half_width(ratio.ratio.value()?);
        let cost = of(Metric::cost_on(goodput.cell.link)).and_then(width);
        Some((goodput, width(goodput).zip(cost).map(|(a, b)| a.max(b))))
    })
}

/// Holm's correction: p-values such that claiming those below α is wrong anywhere in the family with probability α at
/// most, whatever their dependence (S. Holm, Scandinavian J. of Statistics 6, 1979). The order is kept.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut corrected = vec![1.0; p.len()];
    let mut largest: f64 = 0.0;
    for (rank, place) in order.into_iter().enumerate() {
        largest = largest.max(p[place] * (p.len() - rank) as f64).min(1.0);
        corrected[place] = largest;
    }
    corrected
}

/// One ratio's tests before and after correction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tested {
    /// Two-sided p of "no difference".
    pub p: f64,
    /// After Holm's correction.
    pub p_holm: f64,
    /// What may be said.
    pub finding: Finding,
}

/// Tests a family of ratios, each given by its paired log-ratios; none for those below two pairs.
///
/// Differences are one family and equivalences another, each corrected by Holm. `margin` is on the ratio: 3 % means from
/// 1/1.03 to 1.03, the same either way round. A ratio shown to lie within the margin is called equivalent even where
/// it is also shown not to be 1: the plan says that so small a difference is none.
pub fn test_family(family: &[Moments], margin: Share) -> Vec<Option<Tested>> {
    let bound = margin.0.ln_1p();
    let testable: Vec<(usize, f64, f64)> = family
        .iter()
        .enumerate()
        .filter_map(|(place, moments)| {
            Some((place, moments.p_of_zero()?, moments.p_outside(bound)?))
        })
        .collect();
    let differences = holm(&testable.iter().map(|(_, p, _)| *p).collect::<Vec<_>>());
    let equivalences = holm(&testable.iter().map(|(_, _, p)| *p).collect::<Vec<_>>());
    let mut tested = vec![None; family.len()];
    for ((place, p, _), (p_holm, p_outside)) in
        testable.into_iter().zip(differences.into_iter().zip(equivalences))
    {
        let finding = match family[place].mean() {
            _ if p_outside < SIGNIFICANCE => Finding::Equivalent,
            mean if p_holm < SIGNIFICANCE && mean > 0.0 => Finding::More,
            _ if p_holm < SIGNIFICANCE => Finding::Less,
            _ => Finding::Undecided,
        };
        tested[place] = Some(Tested { p, p_holm, finding });
    }
    tested
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moments(figures: &[f64]) -> Moments {
        let mut moments = Moments::default();
        figures.iter().for_each(|x| moments.push(*x));
        moments
    }

    #[test]
    fn holms_correction_gives_the_known_figures() {
        // R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm").
        let corrected = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (p, known) in corrected.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((p - known).abs() < 1e-12, "{corrected:?}");
        }
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn a_family_makes_a_single_weak_difference_undecided() {
        let weak = moments(&[0.02, 0.09, 0.01, 0.12, 0.05, 0.07, -0.01, 0.06, 0.01, 0.1]);
        let nothing = moments(&[0.2, -0.2, 0.15, -0.15, 0.1, -0.1, 0.3, -0.3, 0.05, -0.05]);
        let alone = test_family(&[weak], Share(0.03))[0].unwrap();
        assert_eq!(alone.finding, Finding::More);
        let mut family = vec![nothing; 19];
        family.push(weak);
        let among = test_family(&family, Share(0.03))[19].unwrap();
        assert_eq!(among.finding, Finding::Undecided);
        assert!((among.p - alone.p).abs() < 1e-15 && among.p_holm > alone.p_holm);
    }

    #[test]
    fn findings_need_evidence_in_their_direction() {
        let up = moments(&[0.5, 0.52, 0.48, 0.51, 0.49]);
        let down = moments(&[-0.5, -0.52, -0.48, -0.51, -0.49]);
        let same = moments(&[0.001, -0.001, 0.0005, -0.0005, 0.0]);
        let one = moments(&[0.5]);
        let tested = test_family(&[up, down, same, one], Share(0.03));
        let findings: Vec<_> = tested.iter().map(|t| t.map(|t| t.finding)).collect();
        assert_eq!(
            findings,
            [Some(Finding::More), Some(Finding::Less), Some(Finding::Equivalent), None]
        );
    }

    fn trial(round: u32, cell: usize, trial: usize) -> Paired {
        Paired { round, block: 0, cell, trial: Some(trial), is_unsupported: false }
    }

    #[test]
    fn a_killed_segments_trials_are_never_paired_with_the_next_ones() {
        let mut groups = Groups::new(vec![vec![0, 1]]);
        groups.push(trial(1, 0, 5));
        groups.begin_ends(false);
        groups.push(trial(1, 1, 1));
        assert!(groups.complete().is_empty());
        groups.push(trial(1, 0, 2));
        let complete = groups.complete();
        assert_eq!(complete.len(), 1);
        assert_eq!(complete[0].trials, [(0, 2), (1, 1)]);
    }

    #[test]
    fn a_cell_that_this_machine_cannot_measure_is_not_waited_for() {
        let mut groups = Groups::new(vec![vec![0, 1, 2], vec![3]]);
        groups.push(Paired { trial: None, is_unsupported: true, ..trial(1, 2, 0) });
        groups.push(trial(1, 0, 1));
        groups.push(trial(1, 1, 2));
        groups.push(Paired { block: 1, ..trial(1, 3, 2) });
        groups.push(trial(2, 1, 1));
        groups.push(trial(2, 0, 2));
        assert_eq!(groups.complete().len(), 3);
    }

    #[test]
    fn a_cell_left_out_of_the_whole_run_is_not_waited_for_once_the_block_is_left_behind() {
        let mut groups = Groups::new(vec![vec![0, 1, 2], vec![3]]);
        groups.push(trial(1, 0, 1));
        groups.push(trial(1, 1, 2));
        assert!(groups.complete().is_empty(), "a third cell may still come");
        groups.push(Paired { block: 1, ..trial(1, 3, 2) });
        assert_eq!(groups.complete().len(), 2);
    }

    #[test]
    fn a_block_that_the_same_ends_go_on_with_after_another_one_is_one_group() {
        let mut groups = Groups::new(vec![vec![0, 1], vec![2]]);
        groups.push(trial(1, 0, 5));
        groups.push(Paired { block: 1, ..trial(1, 2, 6) });
        groups.push(trial(1, 1, 7));
        let complete = groups.complete();
        assert_eq!(complete.len(), 2);
        assert_eq!(complete[0].trials, [(0, 5), (1, 7)]);
        // Fresh ends in between: neither half of the block is one.
        let mut apart = Groups::new(vec![vec![0, 1], vec![2]]);
        apart.push(trial(1, 0, 5));
        apart.push(Paired { block: 1, ..trial(1, 2, 6) });
        apart.begin_ends(true);
        apart.push(trial(1, 1, 7));
        let complete = apart.complete();
        assert_eq!(complete.len(), 1);
        assert_eq!(complete[0].trials, [(2, 6)]);
    }

    #[test]
    fn a_block_that_was_gone_on_with_waits_for_its_cells_until_it_is_left_behind_again() {
        let mut groups = Groups::new(vec![vec![0, 1, 2], vec![3]]);
        groups.push(trial(1, 0, 1));
        groups.push(Paired { block: 1, ..trial(1, 3, 2) });
        groups.push(trial(1, 1, 3));
        let blocks = |groups: &Groups| -> Vec<usize> {
            groups.complete().iter().map(|complete| complete.block).collect()
        };
        assert_eq!(blocks(&groups), [1], "a third cell may still come");
        groups.close(false);
        assert_eq!(blocks(&groups), [1], "killed, so that it may yet come");
        groups.push(trial(1, 0, 4));
        groups.close(true);
        assert_eq!(blocks(&groups), [0, 1]);
    }

    #[test]
    fn a_void_trial_gives_no_pair_and_its_retry_does() {
        let mut groups = Groups::new(vec![vec![0, 1]]);
        groups.push(Paired { trial: None, ..trial(1, 0, 0) });
        groups.push(trial(1, 0, 3));
        groups.push(Paired { trial: None, ..trial(1, 1, 0) });
        let complete = groups.complete();
        assert_eq!(complete[0].trials, [(0, 3)]);
    }

    #[test]
    fn a_figure_without_a_logarithm_leaves_no_ratio_and_an_absent_one_no_pair() {
        let mut ratios = AllLogRatios::default();
        ratios.push(&[Log::of(2.0); RATIO_METRICS.len()], &[Log::of(1.0); RATIO_METRICS.len()]);
        ratios.push(
            &[Log::of(2.0), Log::Absent, Log::of(-1.0), Log::of(2.0), Log::of(2.0), Log::of(2.0)],
            &[Log::of(1.0); RATIO_METRICS.len()],
        );
        let pairs: Vec<_> =
            RATIO_METRICS.iter().map(|metric| ratios.of(*metric).moments().len()).collect();
        assert_eq!(pairs, [2, 1, 0, 2, 2, 2]);
        assert!(ratios.of(RATIO_METRICS[2]).ratio().reason().is_some());
    }

    proptest! {
        #[test]
        fn correction_never_lowers_a_p_nor_changes_their_order(p in prop::collection::vec(0.0_f64..=1.0, 0..30)) {
            let corrected = holm(&p);
            for (i, a) in p.iter().enumerate() {
                prop_assert!(corrected[i] >= *a && corrected[i] <= 1.0);
                for (j, b) in p.iter().enumerate() {
                    prop_assert!(a >= b || corrected[i] <= corrected[j]);
                }
            }
        }

        #[test]
        fn a_ratio_and_its_inverse_say_the_same(figures in prop::collection::vec(-0.2_f64..0.2, 2..20)) {
            let there = moments(&figures);
            let back = moments(&figures.iter().map(|x| -x).collect::<Vec<_>>());
            let (there_is, back_is) = (test_family(&[there], Share(0.03))[0].unwrap(), test_family(&[back], Share(0.03))[0].unwrap());
            prop_assert!((there_is.p - back_is.p).abs() < 1e-9);
            let product = ratio(&there).value().unwrap().mean * ratio(&back).value().unwrap().mean;
            prop_assert!((product - 1.0).abs() < 1e-12);
        }
    }
}
