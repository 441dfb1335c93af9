//! Which path to use at one size and setting.

use model::{Cell, Measured, SendPath, Share};

use super::Choice;
use crate::estimate::Estimate;
use crate::metric::{Better, Metric};
use crate::pairs::{SIGNIFICANCE, holm};
use crate::results::{Finding, Ratio};

/// Ratios of a run with what is shown of each for one question. The question names its cells before it looks, so that Holm's
/// correction is over their ratios, and not over all of the run.
pub(super) struct Shown<'a>(Vec<(&'a Ratio, Finding)>);

impl<'a> Shown<'a> {
    /// What the ratios of one metric between any two of these cells show. Two are equivalent where the whole interval lies
    /// within the margin on either side of 1 (two one-sided tests, each at 2.5 %).
    pub(super) fn of(cells: &[&Cell], ratios: &'a [Ratio], metric: Metric, margin: Share) -> Self {
        let has = |cell: &Cell| cells.contains(&cell);
        let of_them = ratios
            .iter()
            .filter(|ratio| ratio.metric == metric && has(&ratio.cell) && has(&ratio.against));
        let of_them: Vec<&Ratio> = of_them.collect();
        let p: Vec<f64> = of_them.iter().filter_map(|ratio| ratio.p.value().copied()).collect();
        let mut corrected = holm(&p).into_iter();
        let shown = of_them.into_iter().map(|ratio| {
            // Taken for every ratio that has one, so that each gets its own.
            let p = ratio.p.value().and_then(|_| corrected.next());
            (ratio, finding(&ratio.ratio, p, margin))
        });
        Self(shown.collect())
    }
}

fn finding(ratio: &Measured<Estimate>, p: Option<f64>, margin: Share) -> Finding {
    let Some(estimate) = ratio.value() else { return Finding::Undecided };
    let limit = 1.0 + margin.0;
    let is_within = |(low, high): (f64, f64)| low > limit.recip() && high < limit;
    if estimate.low.zip(estimate.high).is_some_and(is_within) {
        return Finding::Equivalent;
    }
    match p {
        Some(p) if p < SIGNIFICANCE && estimate.mean > 1.0 => Finding::More,
        Some(p) if p < SIGNIFICANCE => Finding::Less,
        Some(_) | None => Finding::Undecided,
    }
}

/// Every two paths of one size and setting against each other.
pub(super) struct Duels<'a> {
    ratios: Vec<(&'a Ratio, Finding)>,
    is_low_better: bool,
    paths: Vec<SendPath>,
}

impl<'a> Duels<'a> {
    /// Between these cells, which differ in their path alone.
    pub(super) fn between(cells: &[&Cell], shown: &Shown<'a>, metric: Metric) -> Self {
        let has = |cell: &Cell| cells.contains(&cell);
        let is_of_them = |(ratio, _): &&(&Ratio, Finding)| has(&ratio.cell) && has(&ratio.against);
        Self {
            ratios: shown.0.iter().filter(is_of_them).copied().collect(),
            is_low_better: metric.better() == Better::Low,
            paths: cells.iter().map(|cell| cell.send_path).collect(),
        }
    }

    /// One path's figure over another's, and what is shown of it.
    pub(super) fn of(&self, path: SendPath, against: SendPath) -> Option<(Estimate, Finding)> {
        self.ratios.iter().find_map(|(ratio, finding)| {
            let estimate = *ratio.ratio.value()?;
            let paths = (ratio.cell.send_path, ratio.against.send_path);
            if paths == (path, against) {
                Some((estimate, *finding))
            } else if paths == (against, path) {
                Some((estimate.inverse(), finding.turned()))
            } else {
                None
            }
        })
    }

    fn is_better(&self, path: SendPath, other: SendPath) -> bool {
        let finding = self.of(path, other).map(|(_, finding)| finding);
        finding == Some(if self.is_low_better { Finding::Less } else { Finding::More })
    }

    fn is_alike(&self, path: SendPath, other: SendPath) -> bool {
        self.of(path, other).is_some_and(|(_, finding)| finding == Finding::Equivalent)
    }

    /// The choice; none where there are fewer than two paths.
    pub(super) fn choice(&self, against: Option<SendPath>) -> Option<Choice> {
        if self.paths.len() < 2 {
            return None;
        }
        let is_beaten =
            |path: &SendPath| self.paths.iter().any(|other| self.is_better(*other, *path));
        let mut standing: Vec<SendPath> =
            self.paths.iter().copied().filter(|path| !is_beaten(path)).collect();
        standing.sort_by_key(|path| effort(*path));
        let Some((first, others)) = standing.split_first() else {
            return Some(self.open(self.paths.clone()));
        };
        let are_alike = standing.iter().enumerate().all(|(place, path)| {
            standing.iter().skip(place + 1).all(|other| self.is_alike(*path, *other))
        });
        match others {
            [] => {
                let against = against.filter(|against| against != first);
                let (against, (ratio, finding)) = against
                    .and_then(|against| Some((against, self.of(*first, against)?)))
                    .or_else(|| self.rival(*first))?;
                // What it beats may not be what was asked about.
                if finding == Finding::Undecided {
                    return Some(self.open(vec![*first, against]));
                }
                Some(Choice::Use { path: *first, against, ratio, finding })
            }
            _ if are_alike => Some(Choice::Alike { paths: standing }),
            _ => Some(self.open(standing)),
        }
    }

    /// An answer that is not known, with the ratio of the first two.
    fn open(&self, paths: Vec<SendPath>) -> Choice {
        let ratio = match paths.as_slice() {
            [first, second, ..] => self.of(*first, *second).map(|(ratio, _)| ratio),
            [] | [_] => None,
        };
        Choice::Open { paths, ratio }
    }

    /// What a path is compared with where nobody says: its twin that copies, else the best of those that it beats.
    fn rival(&self, path: SendPath) -> Option<(SendPath, (Estimate, Finding))> {
        let beaten = self.paths.iter().copied().filter(|other| self.is_better(path, *other));
        let beaten: Vec<_> =
            beaten.filter_map(|other| Some((other, self.of(path, other)?))).collect();
        let twin = path.capabilities().copying_twin;
        let is_twin = |(other, _): &&(SendPath, (Estimate, Finding))| Some(*other) == twin;
        // The best of them is the one that it is least better than.
        let distance = |(_, (ratio, _)): &&(SendPath, (Estimate, Finding))| ratio.mean.ln().abs();
        let nearest = || beaten.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
        beaten.iter().find(is_twin).or_else(nearest).copied()
    }
}

/// What a path asks of a program beside its calls: nothing, a buffer to copy together in, completions to read.
fn effort(path: SendPath) -> (bool, bool, bool) {
    let can = path.capabilities();
    (
        can.passes_by_reference || can.gets_notifications,
        can.copies_fields_together,
        !path.only_copies(),
    )
}

/// One answer of several that hold at once (settings of a link, sizes on either side): theirs where they agree, with the ratio that says least.
pub(super) fn agreed(choices: &[Choice]) -> Option<Choice> {
    let (first, others) = choices.split_first()?;
    others.iter().try_fold(first.clone(), |so_far, other| match (so_far, other) {
        (
            Choice::Use { path, against, ratio, finding },
            Choice::Use { path: p, against: a, ratio: r, finding: f },
        ) if path == *p && against == *a => {
            let is_nearer = r.mean.ln().abs() < ratio.mean.ln().abs();
            let (ratio, finding) = if is_nearer { (*r, *f) } else { (ratio, finding) };
            Some(Choice::Use { path, against, ratio, finding })
        }
        (Choice::Alike { paths }, Choice::Alike { paths: p }) if paths == *p => {
            Some(Choice::Alike { paths })
        }
        (Choice::Open { mut paths, ratio }, Choice::Open { paths: p, ratio: r }) => {
            // Of other paths it would be another ratio.
            let ratio = ratio.filter(|_| paths == *p).or(r.filter(|_| paths == *p));
            let more: Vec<SendPath> =
                p.iter().filter(|path| !paths.contains(path)).copied().collect();
            paths.extend(more);
            Some(Choice::Open { paths, ratio })
        }
        _ => None,
    })
}
