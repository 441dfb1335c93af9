//! The answer of one run for one link.

use std::collections::BTreeSet;

use model::{Cell, Factor, Link, Measured, SendPath, Shared};
use schemars::JsonSchema;
use serde::Serialize;

use super::break_even::BreakEven;
use super::choice::{Duels, Shown, agreed};
use super::{
    Choice, Gap, LinkAdvice, NotReached, Question, RefusedPath, Source, asked, break_even,
    goes_as_asked, price, reasons,
};
use crate::estimate::Estimate;
use crate::evidence::figure;
use crate::field_thresholds::passed_alone;
use crate::findings::FieldThreshold;
use crate::line_rate::{Line, LineRate};
use crate::metric::Metric;
use crate::oversubscribed::Oversubscribed;
use crate::results::CellEstimates;

/// One path's figures.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Contender {
    /// The path.
    pub path: SendPath,
    /// Of messages of this size, in bytes.
    pub message_bytes: u64,
    /// Goodput in Gbit/s; absent where nobody receives.
    pub goodput_gbps: Measured<Estimate>,
    /// What the link's cost is called in files.
    pub cost: Metric,
    /// CPU time per KiB in ns: of both ends, or of the sender's side where nobody receives.
    pub cost_ns_per_kib: Measured<Estimate>,
    /// The same per message.
    pub cost_ns_per_message: Measured<Estimate>,
    /// Share of its completions that were marked copied.
    pub copied_share: Measured<Estimate>,
    /// CPUs that the asked rate would take at this cost.
    pub cpus_at_rate: Option<f64>,
}

/// Cells that differ in path and size alone.
pub(super) struct Setting<'a> {
    pub(super) shared: Shared,
    pub(super) cells: Vec<&'a CellEstimates>,
}

impl<'a> Setting<'a> {
    fn sizes(&self) -> BTreeSet<u64> {
        self.cells.iter().map(|estimates| bytes(&estimates.cell)).collect()
    }

    /// Whether it has a cell of the same path and message.
    fn has_like(&self, cell: &Cell) -> bool {
        let mut cells = self.cells.iter().map(|known| &known.cell);
        cells.any(|known| known.send_path == cell.send_path && known.message == cell.message)
    }

    /// The cells of one size.
    pub(super) fn at(&self, size: u64) -> Vec<&'a CellEstimates> {
        self.cells.iter().copied().filter(|it| bytes(&it.cell) == size).collect()
    }

    /// Whether two paths or more are at line rate with messages of a size.
    fn is_levelled(&self, size: u64, line: &Line) -> bool {
        let at = self.at(size).into_iter().filter(|estimates| line.has(&estimates.cell));
        at.map(|estimates| estimates.cell.send_path).collect::<BTreeSet<_>>().len() > 1
    }

    /// The asked size, or the nearest ones on either side.
    fn sizes_for(&self, asked: u64) -> Vec<u64> {
        let sizes = self.sizes();
        if sizes.contains(&asked) {
            return vec![asked];
        }
        let below = sizes.range(..asked).next_back();
        below.into_iter().chain(sizes.range(asked..).next()).copied().collect()
    }
}

fn bytes(cell: &Cell) -> u64 {
    cell.message.bytes().0
}

/// An entry without an answer.
pub(super) fn uncovered(question: &Question, link: Link, nearest: Vec<u64>) -> LinkAdvice {
    LinkAdvice {
        link,
        metric: question.metric(link),
        line: None,
        line_rate: None,
        run: Measured::absent("no run covers the question on this link"),
        gap: None,
        not_reached: None,
        rounds: 0,
        sizes: Vec::new(),
        settings: 0,
        choice: Choice::NotCovered { nearest },
        oversubscribed: false.into(),
        caveats: Vec::new(),
        contenders: Vec::new(),
        not_compared: Vec::new(),
        refused: Vec::new(),
        break_evens: Vec::new(),
        why_not: Vec::new(),
        copies_here: None,
        saving: None,
        prices: Vec::new(),
    }
}

/// The answer for one link, as far as one run covers it.
pub(super) fn on_link(question: &Question, link: Link, source: &Source<'_>) -> LinkAdvice {
    let settings = settings(question, link, source);
    let wanted = bytes(&question.cell);
    // Settings that were measured at other sizes than the first one say nothing of the same message; the asked size itself says most.
    let has_wanted = |setting: &&Setting<'_>| !setting.at(wanted).is_empty();
    let first = settings.iter().find(has_wanted).or(settings.first());
    let sizes = first.map(|setting| setting.sizes_for(wanted)).unwrap_or_default();
    let metric = question.metric(link);
    let not_reached = not_reached(question, link, source);
    let uncovered = |sizes: Vec<u64>| LinkAdvice {
        not_reached: not_reached.clone(),
        ..uncovered(question, link, sizes)
    };
    if sizes.is_empty() {
        let gap = not_reached.is_none().then(|| Gap::of(question, link, source));
        return LinkAdvice { gap, ..uncovered(sizes) };
    }
    if sizes.len() < 2 && !sizes.contains(&wanted) {
        return uncovered(sizes);
    }
    let settings: Vec<&Setting<'_>> = settings
        .iter()
        .filter(|setting| sizes.iter().all(|size| !setting.at(*size).is_empty()))
        .collect();
    let has = |path: &SendPath| {
        cells_at(&settings, &sizes).any(|estimates| estimates.cell.send_path == *path)
    };
    if question.against.is_some_and(|against| !has(&against)) {
        let gap = Some(Gap::of(question, link, source));
        return LinkAdvice { gap, ..uncovered(sizes) };
    }
    // Two paths at line rate differ in their cost alone.
    let line = source.summary.line.as_ref().filter(|line| {
        settings.iter().any(|setting| sizes.iter().any(|size| setting.is_levelled(*size, line)))
    });
    let line_rate = line.and_then(|line| line.rate.value().cloned());
    let metric = if line_rate.is_some() { Metric::cost_on(link) } else { metric };
    let (choices, against) = choices(question, metric, &settings, &sizes, source);
    let Some(of_settings) = of_settings(&choices) else {
        return uncovered(sizes);
    };
    let choice = match agreed(&of_settings) {
        Some(choice) => choice,
        None => Choice::BySetting {
            paths: settings
                .iter()
                .zip(&of_settings)
                .map(|(setting, choice)| (difference(setting, &settings), choice.path()))
                .collect(),
        },
    };
    let cells: Vec<&CellEstimates> = cells_at(&settings, &sizes).collect();
    let recommended = &source.summary.explained.recommendations;
    let caveats = recommended.iter().find(|it| it.link == link).map(|it| it.caveats.clone());
    let nearest = sizes.iter().copied().min_by_key(|size| size.abs_diff(wanted)).unwrap_or(wanted);
    let first = settings.first().map(|setting| setting.at(nearest)).unwrap_or_default();
    let not_compared: Vec<SendPath> =
        question.paths.iter().copied().filter(|path| !has(path)).collect();
    LinkAdvice {
        link,
        metric,
        line: LineRate::of(source.host).filter(|_| link.capabilities().has_peer_host),
        line_rate,
        run: Measured::Value(source.name.to_owned()),
        gap: None,
        not_reached: None,
        rounds: source.summary.run.rounds,
        settings: u32::try_from(settings.len()).unwrap_or(u32::MAX),
        oversubscribed: Oversubscribed::any(cells.iter().map(|estimates| estimates.oversubscribed)),
        caveats: caveats.unwrap_or_default(),
        contenders: first.iter().map(|estimates| contender(question, estimates)).collect(),
        refused: refused(question, link, &not_compared, source),
        not_compared,
        break_evens: break_evens(question, &settings, link, source),
        why_not: reasons::why_not(&choice, link, &cells, source),
        copies_here: reasons::copies_here(link, &question.paths, source.host),
        saving: price::saving(question, &choice, against, &first, source),
        prices: price::prices(question, &first, source),
        sizes,
        choice,
    }
}

/// Why paths have no valid trial, where their run tells.
fn refused(
    question: &Question,
    link: Link,
    paths: &[SendPath],
    source: &Source<'_>,
) -> Vec<RefusedPath> {
    let asked = asked(question);
    let why = |path: &SendPath| {
        let cells = source.summary.estimates.iter().map(|it| &it.cell);
        let mut cells =
            cells.filter(|cell| cell.link == link && cell.send_path == *path && asked.has(cell));
        let why =
            cells.find_map(|cell| source.summary.run.without_valid_trial.get(&cell.id()).cloned());
        Some(RefusedPath { path: *path, why: why? })
    };
    paths.iter().filter_map(why).collect()
}

/// From which message size on a path costs less, and from which length on a field of the asked message pays by reference.
fn break_evens(
    question: &Question,
    settings: &[&Setting<'_>],
    link: Link,
    source: &Source<'_>,
) -> Vec<BreakEven> {
    let thresholds = source.summary.explained.field_thresholds.iter();
    let is_asked = |it: &&FieldThreshold| {
        let asked = Cell { send_path: it.path, ..question.cell.clone() };
        it.link == link
            && question.paths.contains(&it.path)
            && passed_alone(&asked).is_some_and(|(_, others)| others == it.others)
            && settings.iter().any(|setting| {
                setting.shared.without(&[Factor::Fields, Factor::Shape]).cell() == it.shared.cell()
            })
    };
    let of_fields = break_even::of_fields(thresholds.filter(is_asked));
    break_even::found(settings, link, source.summary).into_iter().chain(of_fields).collect()
}

/// A run that was to measure cells of the asked kind and size, and tried none of them.
fn not_reached(question: &Question, link: Link, source: &Source<'_>) -> Option<NotReached> {
    let run = &source.summary.run;
    let wanted = bytes(&question.cell);
    let mut cells = asked_of(question, link, source).filter(|it| bytes(&it.cell) == wanted);
    let is_tried = |it: &CellEstimates| it.trials > 0 || it.void_trials > 0;
    // Of a table nobody knows what there was to measure.
    let is_untried = run.imported.is_empty()
        && cells.next().is_some_and(|first| !is_tried(first))
        && !cells.any(is_tried);
    is_untried.then(|| NotReached { run: source.name.to_owned(), ending: run.finish })
}

/// The cells of the asked kind on a link, of every size, in the plan's order, whether they were measured or not.
fn asked_of<'a>(
    question: &Question,
    link: Link,
    source: &Source<'a>,
) -> impl Iterator<Item = &'a CellEstimates> {
    let asked = asked(question);
    source.summary.estimates.iter().filter(move |it| {
        !it.control
            && it.cell.link == link
            && question.paths.contains(&it.cell.send_path)
            && it.cell.is_itself()
            && asked.has(&it.cell)
            && goes_as_asked(&it.cell, question)
    })
}

/// Those that were measured, by setting.
fn settings<'a>(question: &Question, link: Link, source: &Source<'a>) -> Vec<Setting<'a>> {
    let mut settings: Vec<Setting<'a>> = Vec::new();
    // A table that does not tell its link answers for none.
    if !source.summary.run.states(Factor::Link) {
        return settings;
    }
    for estimates in asked_of(question, link, source).filter(|it| it.trials > 0) {
        let but = [Factor::Send, Factor::Message, Factor::CopyBelow];
        let shared = Shared::new(&estimates.cell, &but);
        match settings.iter_mut().find(|setting| setting.shared == shared) {
            // Another length from which on the same fields are passed.
            Some(setting) if setting.has_like(&estimates.cell) => {}
            Some(setting) => setting.cells.push(estimates),
            None => settings.push(Setting { shared, cells: vec![estimates] }),
        }
    }
    settings
}

/// The cells of these settings at these sizes.
fn cells_at<'s, 'a>(
    settings: &'s [&Setting<'a>],
    sizes: &'s [u64],
) -> impl Iterator<Item = &'a CellEstimates> + use<'s, 'a> {
    settings.iter().flat_map(move |setting| sizes.iter().flat_map(|size| setting.at(*size)))
}

/// What a setting differs in from the others, as id text.
fn difference(setting: &Setting<'_>, settings: &[&Setting<'_>]) -> String {
    let cell = setting.shared.cell();
    let differs = |factor: &&Factor| {
        settings.iter().any(|other| other.shared.cell().get(**factor) != cell.get(**factor))
    };
    let text = |factor: &Factor| format!("{}={}", factor.id_key(), cell.get(*factor));
    Factor::ALL.iter().filter(differs).map(text).collect::<Vec<_>>().join(" ")
}

/// Of each setting the choice at each size, all against one path; and that path.
fn choices(
    question: &Question,
    metric: Metric,
    settings: &[&Setting<'_>],
    sizes: &[u64],
    source: &Source<'_>,
) -> (Vec<Vec<Option<Choice>>>, Option<SendPath>) {
    let mut against = question.against;
    let mut all = Vec::new();
    let asked: Vec<&Cell> = cells_at(settings, sizes).map(|estimates| &estimates.cell).collect();
    let shown = Shown::of(&asked, &source.summary.ratios, metric, source.margin);
    for setting in settings {
        let mut of_setting = Vec::new();
        for size in sizes {
            let cells = setting.at(*size);
            let cells: Vec<&Cell> = cells.iter().map(|estimates| &estimates.cell).collect();
            let choice = Duels::between(&cells, &shown, metric).choice(against);
            if let (None, Some(Choice::Use { against: rival, .. })) = (against, &choice) {
                against = Some(*rival);
            }
            of_setting.push(choice);
        }
        all.push(of_setting);
    }
    (all, against)
}

/// The choice of each setting; none where a size has none, or two sizes differ: there the answer changes between them.
fn of_settings(choices: &[Vec<Option<Choice>>]) -> Option<Vec<Choice>> {
    let of_sizes = |of_setting: &Vec<Option<Choice>>| -> Option<Choice> {
        let sizes: Vec<Choice> = of_setting.iter().cloned().collect::<Option<_>>()?;
        // Between two sizes an answer that is not known at either is none.
        let is_between = sizes.len() > 1;
        agreed(&sizes).filter(|choice| !is_between || choice.is_decided())
    };
    let settings: Vec<Choice> = choices.iter().map(of_sizes).collect::<Option<_>>()?;
    (!settings.is_empty()).then_some(settings)
}

fn contender(question: &Question, estimates: &CellEstimates) -> Contender {
    let measured = |metric: Metric| -> Measured<Estimate> {
        match estimates.metrics.get(&metric) {
            Some(measured) => measured.clone(),
            None => Measured::absent("not measured on this link"),
        }
    };
    let cell = &estimates.cell;
    let cost = Metric::cost_on(cell.link);
    let cost_ns_per_kib = measured(cost);
    let kib = bytes(cell) as f64 / 1024.0;
    let cost_ns_per_message = match &cost_ns_per_kib {
        Measured::Value(per_kib) => Measured::Value(per_kib.times(kib)),
        Measured::Absent { absent } => Measured::absent(absent.clone()),
    };
    Contender {
        path: cell.send_path,
        message_bytes: bytes(cell),
        goodput_gbps: measured(Metric::GoodputGbps),
        cost,
        cpus_at_rate: question
            .rate_gbps
            .and_then(|rate| Some(crate::fixed_load::cpus(rate, figure(estimates, cost)?.mean))),
        cost_ns_per_kib,
        cost_ns_per_message,
        copied_share: measured(Metric::CopiedShare),
    }
}
