//! Which columns the CSV files have, in which order, and what every field of them keeps to.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where its own helpers fail")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use analysis::estimate::Estimate;
use analysis::metric::Metric;
use common::csv_tables::{Rows, column, full, names, ratios, results, sorted, trials, trials_with};
use model::record::{Outcome, Record};
use model::{Cell, Factor, Mark, Plan, Preset};
use report::{ColumnSet, ratios_columns, results_columns, table_columns, trial_columns};

#[test]
fn columns_are_named_once_and_described() {
    for columns in [trial_columns(), results_columns(), ratios_columns(), table_columns()] {
        for column in &columns {
            assert!(column.meaning.ends_with('.'), "{}: {}", column.name, column.meaning);
            assert!(!column.subject.is_empty(), "{}", column.name);
        }
        let mut names = sorted(names(columns));
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}

#[test]
fn results_begin_with_the_factors_that_vary_and_end_with_the_empty_columns() {
    let summary = common::summary(&Plan::preset(Preset::Default));
    insta::assert_snapshot!("results_header", results(&summary, ColumnSet::All).0.join("\n"));
    insta::assert_snapshot!("results_compact", results(&summary, ColumnSet::Compact).0.join("\n"));
    assert_eq!(
        sorted(results(&summary, ColumnSet::All).0),
        sorted(names(results_columns())),
        "every column stands once"
    );
}

/// `why_empty` read back: each reason with its columns.
fn explained(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    text.split(" | ")
        .filter(|group| !group.is_empty())
        .map(|group| {
            let (columns, reason) = group.split_once(": ").unwrap();
            (reason.to_owned(), columns.split(' ').map(str::to_owned).collect())
        })
        .collect()
}

#[test]
fn every_empty_figure_of_a_row_is_explained_once_and_no_other() {
    let plan = Plan::preset(Preset::Default);
    let mut summary = common::summary(&plan);
    common::without_trial(&mut summary, 2, "it broke");
    let one = summary.estimates[3].metrics.get_mut(&Metric::GoodputGbps).unwrap();
    *one = model::Measured::Value(Estimate { mean: 1.0, low: None, high: None, trials: 1 });
    summary.ratios[3].p = model::Measured::absent("one pair: no \"p\" | of any\nkind");
    let figures: BTreeSet<String> = results_columns()
        .into_iter()
        .filter(|column| column.subject == "Figures" || column.name == "precise")
        .map(|column| column.name)
        .collect();
    let (header, rows) = results(&summary, ColumnSet::All);
    for row in &rows {
        let mut empty: BTreeSet<String> = header
            .iter()
            .zip(row)
            .filter(|(name, field)| figures.contains(*name) && field.is_empty())
            .map(|(name, _)| name.clone())
            .collect();
        for metric in Metric::ALL {
            // The name of a metric without a figure stands for its interval too.
            if empty.contains(metric.name()) {
                for end in ["low", "high"] {
                    assert!(empty.remove(&format!("{}_{end}", metric.name())));
                }
            }
        }
        let reasons = explained(&row[column(&header, "why_empty")]);
        let named: Vec<String> = reasons.into_values().flatten().collect();
        assert_eq!(sorted(named), empty.into_iter().collect::<Vec<_>>());
    }
    let why = |row: usize| explained(&rows[row][column(&header, "why_empty")]);
    assert_eq!(why(2).keys().collect::<Vec<_>>(), ["no valid trial"]);
    assert_eq!(why(0).keys().collect::<Vec<_>>(), [common::NO_COUNTERS]);
    let interval = &why(3)["fewer than two trials give no interval"];
    assert!(interval.iter().eq(["goodput_gbps_high", "goodput_gbps_low"]), "{interval:?}");

    let (header, rows) = ratios(&summary, ColumnSet::All);
    let reasons = &explained(&rows[3][column(&header, "why_empty")]);
    assert_eq!(reasons.keys().collect::<Vec<_>>(), ["one pair: no \"p\" of any kind"]);
    assert_eq!(rows[3][column(&header, "p")], "");
}

/// The three tables of one noisy little run, with all columns and without the constant and the empty ones.
fn both_sets() -> Vec<[(Vec<String>, Rows); 2]> {
    let plan = synthetic::plan(&[(Factor::Message, "64,65536"), (Factor::Threads, "1,8")]);
    let mut summary = common::summary(&plan);
    common::without_trial(&mut summary, 2, "it broke");
    let records =
        synthetic::run(&plan, 2, |cell, round| synthetic::trial(cell, round).marked(Mark::Steal));
    let sets = [ColumnSet::All, ColumnSet::Compact];
    vec![
        sets.map(|set| trials_with(&plan, &records, set)),
        sets.map(|set| results(&summary, set)),
        sets.map(|set| ratios(&summary, set)),
    ]
}

#[test]
fn compact_is_the_first_part_of_all_and_leaves_out_only_what_is_constant_or_empty() {
    // That each row has as many fields as the header is what the reader of `read` insists on.
    for [(all, rows), (compact, compact_rows)] in both_sets() {
        assert!(compact.len() < all.len());
        assert_eq!(compact, all[..compact.len()]);
        assert_eq!(rows.len(), compact_rows.len());
        for (row, compact_row) in rows.iter().zip(&compact_rows) {
            assert_eq!(*compact_row, row[..compact.len()]);
        }
        let is_factor = |name: &str| Factor::ALL.iter().any(|factor| factor.column() == name);
        for (index, name) in all.iter().enumerate() {
            let mut values = rows.iter().map(|row| &row[index]);
            let first = values.next().unwrap();
            let constant = values.all(|value| value == first);
            let is_used = if is_factor(name) { !constant } else { !(constant && first.is_empty()) };
            assert_eq!(is_used, index < compact.len(), "{name}");
        }
    }
}

#[test]
fn every_factor_has_a_value_in_every_row_of_all_columns() {
    for [(all, rows), _] in both_sets() {
        for factor in Factor::ALL {
            let index = column(&all, factor.column());
            assert!(rows.iter().all(|row| !row[index].is_empty()), "{}", factor.column());
        }
    }
}

#[test]
fn a_run_without_a_trial_has_every_column_in_either_set() {
    let plan = Plan::preset(Preset::Default);
    for set in ColumnSet::ALL {
        let (header, rows) = trials_with(&plan, &[], set);
        assert_eq!((header, rows), (names(trial_columns()), Vec::new()));
    }
}

#[test]
fn a_plans_text_is_no_formula_in_a_spreadsheet() {
    let mut plan = Plan::preset(Preset::Default);
    plan.label = "=HYPERLINK(\"http://a.example\",\"b\")".to_owned();
    let mut summary = common::summary(&plan);
    summary.run.label = plan.label.clone();
    let text =
        |(header, rows): (Vec<String>, Rows), name: &str| rows[0][column(&header, name)].clone();
    let tame = format!("'{}", plan.label);
    assert_eq!(text(results(&summary, ColumnSet::All), "label"), tame);
    assert_eq!(text(ratios(&summary, ColumnSet::All), "label"), tame);
    let failed =
        synthetic::trial(&Cell::default(), 1).failed(common::FAILURES[1], "-1+cmd|' /C x'!A0");
    let mut failed = Record::Trial(Box::new(failed.build()));
    assert_eq!(text(trials(&plan, std::slice::from_ref(&failed)), "label"), tame);
    assert_eq!(
        text(trials(&plan, std::slice::from_ref(&failed)), "failure_why"),
        "'-1+cmd|' /C x'!A0"
    );
    // A number may be below 0 and stays one.
    failed = Record::Trial(Box::new(full()));
    if let Record::Trial(trial) = &mut failed
        && let Outcome::Finished(finished) = &mut trial.outcome
    {
        finished.sender.workers[0].late_ns = -17;
    }
    let late = text(trials(&plan, std::slice::from_ref(&failed)), "sender_worker_late_ns");
    assert!(late.starts_with("-17"), "{late}");
}

#[test]
fn every_table_names_the_run_and_the_machine() {
    let plan = Plan::preset(Preset::Default);
    let records = synthetic::run(&plan, 1, synthetic::trial);
    let summary = analysis::summarise(&plan, &synthetic::host(), &records);
    let (run, machine) =
        ("2026-11-18T11-06-40-here", synthetic::host().hostname.value().cloned().unwrap());
    let tables = [
        results(&summary, ColumnSet::All),
        ratios(&summary, ColumnSet::All),
        trials(&plan, &records),
    ];
    for (header, rows) in tables {
        assert!(!rows.is_empty());
        for row in rows {
            let field = |name: &str| row[column(&header, name)].as_str();
            assert_eq!((field("run"), field("machine"), field("label")), (run, &*machine, ""));
        }
    }
}
