//! Many runs in one table: as CSV, as JSON lines, and for people.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where its own helpers fail")]

mod common;

use analysis::metric::Metric;
use common::csv_tables::{column, names, read, sorted};
use model::host::Host;
use model::{Factor, Measured, Plan};
use report::{
    ColumnSet, Origin, RunResults, runs_screen, table_columns, write_table, write_table_lines,
};
use serde_json::Value;

fn run(name: &str, host: &Host, plan: &Plan) -> RunResults {
    let mut summary = common::summary(plan);
    common::without_trial(&mut summary, 1, "it broke");
    RunResults { origin: Origin::new(name, &plan.label, host), estimates: summary.estimates }
}

/// A machine with two sizes, another one with one of them and a label.
fn two() -> Vec<RunResults> {
    let big = synthetic::plan(&[(Factor::Message, "64,65536"), (Factor::Threads, "1,2")]);
    let mut small = synthetic::plan(&[(Factor::Message, "64"), (Factor::Threads, "1,2")]);
    small.label = "new kernel".to_owned();
    let alpha = Host { hostname: Measured::Value("alpha".to_owned()), ..synthetic::host() };
    let beta = Host {
        hostname: Measured::Value("beta-0123456789-0123456789".to_owned()),
        kernel: Measured::Value("6.12.0".to_owned()),
        cpu_model: Measured::absent("hidden"),
        ..synthetic::host()
    };
    vec![run("a", &alpha, &big), run("b", &beta, &small)]
}

#[test]
fn each_run_cell_and_metric_has_a_row_and_what_is_absent_is_empty_with_its_reason() {
    let runs = two();
    let mut bytes = Vec::new();
    write_table(&mut bytes, &runs, Metric::ALL, ColumnSet::All).unwrap();
    let (header, rows) = read(&bytes);
    assert_eq!(sorted(header.clone()), sorted(names(table_columns())));
    let cells: usize = runs.iter().map(|run| run.estimates.len()).sum();
    assert_eq!(rows.len(), cells * Metric::ALL.len());
    let mut rows = rows.iter();
    for run in &runs {
        for entry in &run.estimates {
            for metric in Metric::ALL {
                let row = rows.next().unwrap();
                let field = |name: &str| row[column(&header, name)].as_str();
                let number = |name: &str| field(name).parse::<f64>().ok();
                assert_eq!(field("run"), run.origin.run);
                assert_eq!(Some(field("machine")), run.origin.machine.value().map(String::as_str));
                assert_eq!(Some(field("kernel")), run.origin.kernel.value().map(String::as_str));
                assert_eq!((field("cell"), field("metric")), (&*entry.cell.id(), metric.name()));
                let figure = &entry.metrics[metric];
                assert_eq!(number("value"), figure.value().map(|e| e.mean));
                assert_eq!(number("low"), figure.value().and_then(|e| e.low));
                assert_eq!(number("high"), figure.value().and_then(|e| e.high));
                assert_eq!(field("why_empty"), figure.reason().unwrap_or(""));
                assert_eq!(field("control"), entry.control.to_string());
            }
        }
    }
}

#[test]
fn json_lines_say_the_same_as_csv() {
    let runs = two();
    let (mut csv, mut lines) = (Vec::new(), Vec::new());
    for set in ColumnSet::ALL {
        csv.clear();
        lines.clear();
        write_table(&mut csv, &runs, Metric::ALL, set).unwrap();
        write_table_lines(&mut lines, &runs, Metric::ALL, set).unwrap();
        let (header, rows) = read(&csv);
        let lines: Vec<Value> = std::str::from_utf8(&lines)
            .unwrap()
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        assert_eq!(lines.len(), rows.len());
        for (line, row) in lines.iter().zip(&rows) {
            assert_eq!(line.as_object().unwrap().len(), header.len());
            for (name, field) in header.iter().zip(row) {
                match &line[name] {
                    Value::Null => assert_eq!(field, ""),
                    Value::String(text) => assert_eq!(text, field),
                    Value::Bool(is) => assert_eq!(is.to_string(), *field),
                    Value::Number(n) => assert_eq!(n.as_f64(), field.parse().ok(), "{name}"),
                    other @ (Value::Array(_) | Value::Object(_)) => panic!("{other}"),
                }
            }
        }
        assert!(lines[0]["value"].is_number() && lines[0]["control"].is_boolean());
        assert!(lines[0]["message_bytes"].is_number() && lines[0]["metric"].is_string());
    }
}

#[test]
fn people_see_cells_as_rows_and_runs_as_columns() {
    let metrics = [Metric::GoodputGbps, Metric::SenderCyclesPerByte];
    insta::assert_snapshot!("runs", runs_screen(&two(), &metrics, 80, false));
}

#[test]
fn many_runs_fit_the_terminal_one_below_the_other() {
    let plan = synthetic::plan(&[(Factor::Message, "64,65536"), (Factor::Threads, "1,2")]);
    let runs: Vec<RunResults> =
        (1..=9).map(|n| run(&format!("run-{n}"), &synthetic::host(), &plan)).collect();
    let text = runs_screen(&runs, &[Metric::GoodputGbps], 80, false);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    for n in 1..=9 {
        // Once above its column and once in the legend: one machine, no label, so named by the run.
        assert!(text.matches(&format!("run-{n}")).count() >= 2, "{text}");
    }
}

#[test]
fn runs_that_no_short_name_tells_apart_are_numbered() {
    let plan = synthetic::plan(&[]);
    let name = |n: u32| format!("2026-11-18T11-06-40-{n}");
    let runs: Vec<RunResults> = (1..=2).map(|n| run(&name(n), &synthetic::host(), &plan)).collect();
    let text = runs_screen(&runs, &[Metric::GoodputGbps], 80, false);
    assert!(text.contains("\n1: ") && text.contains(&format!("run {}", name(2))), "{text}");
}

#[test]
fn factors_that_leave_no_room_for_figures_stand_above_the_rows_that_share_them() {
    let plan = synthetic::plan(&[
        (Factor::Message, "64"),
        (Factor::Threads, "1,2"),
        (Factor::Fields, "1,8"),
        (Factor::Layout, "scattered,packed"),
        (Factor::Nodelay, "off,on"),
        (Factor::ReceiveBuffer, "65536,131072"),
        (Factor::Placement, "split,none"),
    ]);
    let runs = [run("a", &synthetic::host(), &plan)];
    for width in [80, 100] {
        let text = runs_screen(&runs, &[Metric::GoodputGbps], width, false);
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(width), "{width}: {text}");
    }
    let text = runs_screen(&runs, &[Metric::GoodputGbps], 80, false);
    let above = "fields=1 layout=packed nodelay=on receive-buffer=65536 placement=none";
    assert_eq!(text.matches(above).count(), 1, "{text}");
    // Where there is room they are columns.
    let wide = runs_screen(&runs, &[Metric::GoodputGbps], 140, false);
    assert!(!wide.contains("fields=1") && wide.contains("receive-buffer"), "{wide}");
}

#[test]
fn what_an_imported_run_does_not_tell_is_named_with_it() {
    let mut run = run("a", &synthetic::host(), &synthetic::plan(&[(Factor::Message, "64")]));
    run.origin = run.origin.without(&[Factor::Link, Factor::Fields]);
    let text = runs_screen(&[run], &[Metric::GoodputGbps], 120, false);
    assert!(text.contains("not in its table: link and fields"), "{text}");
}
