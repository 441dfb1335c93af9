//! Whether turns and steady windows agree, and whether cells change within a series, of planted truth.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's functions may fail it")]

use analysis::control::{Agreement, Control};
use analysis::results::Finding;
use analysis::trends::{Trend, trends};
use analysis::warnings::Warning;
use analysis::{Metric, Summary, summarise};
use model::record::Record;
use model::{Cell, Factor, Plan, SendPath};

const SLICES: u32 = 24;

fn plan() -> Plan {
    synthetic::without_controls(&[(Factor::Message, "64,4096,65536"), (Factor::Threads, "1")])
}

/// A run of so many rounds. `speed` is that of a cell at a share of its slices, `steady` that of its steady window beside its
/// turns.
fn run(
    rounds: u32,
    speed: impl Fn(&Cell, f64) -> f64,
    steady: impl Fn(&Cell) -> Option<f64>,
) -> (Plan, Vec<Record>) {
    let plan = plan();
    let mut records = synthetic::run(&plan, rounds, |cell, round| {
        synthetic::trial(cell, round).faster(synthetic::noise(1, cell, round, 0.01))
    });
    for record in &mut records {
        let Record::Trial(trial) = record else { continue };
        let (cell, round) = (trial.cell.clone(), trial.round);
        let slice = |n| {
            let noise = synthetic::noise(2, &cell, round * SLICES + n, 0.05);
            speed(&cell, f64::from(n) / f64::from(SLICES - 1)) * noise
        };
        let speeds: Vec<f64> = (0..SLICES).map(slice).collect();
        let beside = steady(&cell).filter(|_| round % 2 == 0);
        let beside = beside.map(|speed| speed * synthetic::noise(3, &cell, round, 0.01));
        synthetic::in_turns(trial, &speeds, beside);
    }
    (plan, records)
}

fn summary((plan, records): &(Plan, Vec<Record>)) -> Summary {
    summarise(plan, &synthetic::host(), records)
}

fn control(summary: &Summary) -> &Control {
    summary.control.value().unwrap()
}

fn warned(summary: &Summary) -> Option<&Agreement> {
    summary.warnings.iter().find_map(|warning| {
        let Warning::Control { largest, .. } = warning else { return None };
        Some(largest.as_ref())
    })
}

#[test]
fn ratios_that_are_the_same_both_ways_are_called_equivalent() {
    let summary = summary(&run(24, |_, _| 1.0, |_| Some(1.0)));
    let control = control(&summary);
    assert_eq!(control.rounds, 12);
    let metrics: Vec<Metric> = control.overall.iter().map(|all| all.metric).collect();
    assert_eq!(metrics, [Metric::GoodputGbps, Metric::EndsCpuNsPerKib]);
    for all in control.all() {
        assert_eq!(all.finding, Finding::Equivalent, "{all:?}");
        assert!((all.quotient.mean - all.turns.mean / all.steady.mean).abs() < 1e-9, "{all:?}");
    }
    assert!(warned(&summary).is_none());
}

#[test]
fn a_path_that_turns_favour_is_told_though_its_contrasts_cancel_over_all() {
    let favoured =
        |cell: &Cell| Some(if cell.send_path == SendPath::Sendmsg { 1.0 / 1.05 } else { 1.0 });
    let summary = summary(&run(24, |_, _| 1.0, favoured));
    let control = control(&summary);
    for of in control.contrasts.iter().filter(|of| of.metric == Metric::GoodputGbps) {
        let contrast = of.contrast.as_ref().unwrap();
        let expected = match (contrast.value.as_str(), contrast.against.as_str()) {
            ("sendmsg", _) => Finding::More,
            (_, "sendmsg") => Finding::Less,
            _ => Finding::Equivalent,
        };
        assert_eq!(of.finding, expected, "{of:?}");
    }
    let largest = warned(&summary).unwrap();
    assert!(largest.differs() && (largest.off() - 0.05).abs() < 0.02, "{largest:?}");
}

#[test]
fn a_difference_within_the_margin_is_no_difference() {
    let favoured = |cell: &Cell| Some(if cell.send_path == SendPath::Sendmsg { 1.01 } else { 1.0 });
    let summary = summary(&run(60, |_, _| 1.0, favoured));
    assert!(control(&summary).all().all(|of| !of.differs()));
    assert!(warned(&summary).is_none());
}

#[test]
fn one_round_with_a_control_decides_nothing_and_none_is_absent_with_the_reason() {
    let favoured = |cell: &Cell| Some(if cell.send_path == SendPath::Sendmsg { 0.5 } else { 1.0 });
    let few = summary(&run(3, |_, _| 1.0, favoured));
    assert_eq!(control(&few).rounds, 1);
    for of in control(&few).all() {
        assert_eq!((of.finding, of.quotient.low), (Finding::Undecided, None));
        assert!(of.p_holm.reason().is_some());
    }
    assert!(warned(&few).is_none());
    let reason = |summary: &Summary| summary.control.reason().unwrap().to_owned();
    let none = reason(&summary(&run(1, |_, _| 1.0, favoured)));
    assert!(none.contains("every third round"), "{none}");
    let steadily = plan();
    let records = synthetic::run(&steadily, 4, synthetic::trial);
    let none = reason(&summary(&(steadily, records)));
    assert_eq!(none, "nothing was measured in turns");
}

fn is_rising(cell: &Cell) -> bool {
    cell.send_path == SendPath::Zerocopy && cell.message.bytes().0 == 64
}

fn found((plan, records): &(Plan, Vec<Record>)) -> Vec<Trend> {
    let all = trends(plan, records);
    assert_eq!(all.len(), plan.cells().len());
    all.into_iter().filter(Trend::is_found).collect()
}

#[test]
fn a_cell_that_gets_faster_within_a_series_is_found_and_no_other() {
    let rising =
        |by: f64| move |cell: &Cell, at: f64| if is_rising(cell) { 1.0 + by * at } else { 1.0 };
    let run_of = |by| run(20, rising(by), |_| None);
    for (by, expected) in [(0.15, 1.10), (-0.15, 0.9)] {
        let run = run_of(by);
        let found = found(&run);
        assert!(found.len() == 1 && is_rising(&found[0].cell), "{found:?}");
        assert!((found[0].change.mean - expected).abs() < 0.02, "{found:?}");
        let summary = summary(&run);
        let told = summary.warnings.iter().find_map(|warning| {
            let Warning::Trend { faster, slower, of, .. } = warning else { return None };
            Some([*faster, *slower, *of])
        });
        let cells = u32::try_from(summary.trends.len()).unwrap();
        assert_eq!(told, Some([u32::from(by > 0.0), u32::from(by < 0.0), cells]));
    }
    assert_eq!(found(&run_of(0.0)), []);
}

#[test]
fn a_change_within_the_margin_is_shown_and_is_none_that_matters() {
    let small = |cell: &Cell, at: f64| if is_rising(cell) { 1.0 + 0.02 * at } else { 1.0 };
    let (plan, records) = run(400, small, |_| None);
    let all = trends(&plan, &records);
    let it = all.iter().find(|trend| is_rising(&trend.cell)).unwrap();
    assert!(it.significant && !it.beyond_margin && !it.is_found(), "{it:?}");
}

#[test]
fn with_another_warm_up_a_cell_is_another_one_and_what_it_was_stays_told() {
    let rising = |cell: &Cell, at: f64| if is_rising(cell) { 1.0 + 0.15 * at } else { 1.0 };
    let (plan, mut records) = run(20, rising, |_| None);
    let (_, flat) = run(40, |_, _| 1.0, |_| None);
    let is_later = |record: &Record| matches!(record, Record::Trial(trial) if trial.round > 20);
    let later = flat.into_iter().filter(is_later);
    records.extend(later.map(|mut record| {
        if let Record::Trial(trial) = &mut record {
            trial.settings.series.as_mut().unwrap().warmup_turns = 12;
        }
        record
    }));
    let all = trends(&plan, &records);
    let of_cell: Vec<_> = all.iter().filter(|trend| is_rising(&trend.cell)).collect();
    let told = of_cell.iter().map(|it| (it.warmup_turns, it.change.trials, it.is_found()));
    assert_eq!(told.collect::<Vec<_>>(), [(4, 20, true), (12, 20, false)]);
}
