//! Ratios and crossovers are of whatever a plan contrasts, send paths or not.
#![allow(clippy::unwrap_used, reason = "a test's functions may fail it")]

use analysis::findings::CrossoverOutcome;
use analysis::results::{Finding, Ratio};
use analysis::{Metric, Summary, summarise};
use model::{Cell, Contrast, Factor, Plan};
use synthetic::without_controls;

/// Ten rounds in which cells that a function takes carry 1.3 times as much.
fn summary(plan: &Plan, is_faster: impl Fn(&Cell) -> bool) -> Summary {
    let records = synthetic::run(plan, 10, |cell, round| {
        let factor = if is_faster(cell) { 1.3 } else { 1.0 };
        synthetic::trial(cell, round)
            .goodput_gbps(10.0 * factor)
            .faster(synthetic::noise(7, cell, round, 0.005))
    });
    summarise(plan, &synthetic::host(), &records)
}

fn goodput<'a>(summary: &'a Summary, contrast: &Contrast) -> Vec<&'a Ratio> {
    let is_it = |ratio: &&Ratio| ratio.contrast == *contrast && ratio.metric == Metric::GoodputGbps;
    summary.ratios.iter().filter(is_it).collect()
}

#[test]
fn a_choice_that_is_no_path_gets_ratios_and_crossovers_like_a_path() {
    let lists = [(Factor::Threads, "1"), (Factor::Send, "sendmsg"), (Factor::Nodelay, "on,off")];
    let plan = without_controls(&lists);
    let [nodelay] = plan.contrasts().try_into().unwrap();
    assert_eq!(nodelay.factor, Factor::Nodelay);
    let is_value = |cell: &Cell| cell.get(Factor::Nodelay) == nodelay.value;
    let summary = summary(&plan, is_value);
    let ratios = goodput(&summary, &nodelay);
    assert_eq!(ratios.len(), 4, "one for each size");
    for ratio in ratios {
        assert_eq!(nodelay.twin(&ratio.cell).unwrap(), ratio.against);
        let estimate = ratio.ratio.value().unwrap();
        assert!((estimate.mean / 1.3 - 1.0).abs() < 0.02, "{estimate:?}");
        assert_eq!((estimate.trials, ratio.finding), (10, Finding::More));
    }
    let crossover = summary.explained.crossovers.iter().find(|c| c.metric == Metric::GoodputGbps);
    let crossover = crossover.unwrap();
    assert_eq!((&crossover.contrast, crossover.outcome), (&nodelay, CrossoverOutcome::Always));
    assert_eq!(crossover.shared.to_string(), "send=sendmsg threads=1");
}

#[test]
fn two_choices_are_each_contrasted_with_the_other_one_held_equal() {
    let lists = [
        (Factor::Threads, "1"),
        (Factor::Message, "4KiB"),
        (Factor::Send, "send,sendmsg"),
        (Factor::Nodelay, "on,off"),
    ];
    let plan = without_controls(&lists);
    // The option helps sendmsg alone.
    let value = plan.contrasts().into_iter().find(|c| c.factor == Factor::Nodelay).unwrap();
    let summary = summary(&plan, |cell| {
        cell.send_path == model::SendPath::A2 && cell.get(Factor::Nodelay) == value.value
    });
    let found = |of: Factor| -> Vec<(String, Finding)> {
        let ratios = summary.ratios.iter();
        let ratios = ratios.filter(|r| r.contrast.factor == of && r.metric == Metric::GoodputGbps);
        let other = if of == Factor::Send { Factor::Nodelay } else { Factor::Send };
        let mut found: Vec<_> = ratios.map(|r| (r.cell.get(other), r.finding)).collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    };
    let of_option = found(Factor::Nodelay);
    let named = |name: &str, finding| (name.to_owned(), finding);
    assert_eq!(of_option, [named("send", Finding::Equivalent), named("sendmsg", Finding::More)]);
    let of_path = found(Factor::Send);
    assert_eq!(of_path.len(), 2);
    for (option, finding) in of_path {
        let expected = if option == value.value { Finding::More } else { Finding::Equivalent };
        assert_eq!(finding, expected, "{option}");
    }
}

#[test]
fn a_plan_that_names_its_contrasts_is_compared_by_these_alone() {
    let mut plan = without_controls(&[(Factor::Threads, "1,2"), (Factor::Message, "4KiB")]);
    let paths: Contrast = "send: zerocopy / sendmsg".parse().unwrap();
    let threads: Contrast = "threads: 2 / 1".parse().unwrap();
    plan.contrasts = vec![paths.clone(), threads.clone()];
    let summary = summary(&plan, |cell| cell.threads.get() == 2);
    assert!(summary.ratios.iter().all(|r| r.contrast == paths || r.contrast == threads));
    let of_paths = goodput(&summary, &paths);
    assert_eq!(of_paths.len(), 2);
    assert!(of_paths.iter().all(|ratio| ratio.finding == Finding::Equivalent));
    let of_threads = goodput(&summary, &threads);
    assert_eq!(of_threads.len(), 3, "one for each path");
    assert!(of_threads.iter().all(|ratio| ratio.finding == Finding::More));
}
