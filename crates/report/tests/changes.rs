//! What changed between runs: on the screen, as JSON, and for services that follow figures.
#![allow(clippy::unwrap_used, reason = "a test may stop where its own helpers fail")]

use analysis::JudgedRun;
use analysis::changes::{Changes, FigureOnLink, MeasuredRun, compare};
use analysis::metric::Metric;
use model::{Cell, Factor, Link, Plan, SendPath};
use report::{ChangesOptions, Format};

fn plan(sizes: &str) -> Plan {
    synthetic::without_controls(&[(Factor::Message, sizes), (Factor::Threads, "1,2")])
}

fn run(name: &str, plan: &Plan, seed: u64, speed: impl Fn(&Cell) -> f64) -> MeasuredRun {
    let host = synthetic::host();
    let records = synthetic::run(plan, 10, |cell, round| {
        let noise = synthetic::noise(seed, cell, round, 0.01);
        synthetic::trial(cell, round).faster(speed(cell) * noise)
    });
    let summary = analysis::summarise(plan, &host, &records);
    MeasuredRun::new(name.to_owned(), plan, &host, &JudgedRun::of(plan, &records), &summary)
}

/// A slower path on another kernel, a slower machine, and a size more on one side.
fn changed() -> Changes {
    let before = run("before", &plan("64,4096,65536"), 1, |_| 1.0);
    let mut after = run("after", &plan("64,512,4096,65536"), 2, |cell| {
        if cell.send_path == SendPath::Zerocopy { 0.7 } else { 0.9 }
    });
    after.host.kernel = model::Measured::Value("6.11.0-9-generic".to_owned());
    compare(&[before], &[vec![after]])
}

fn screen(changes: &Changes, width: usize) -> String {
    report::changes_screen(changes, ChangesOptions { width, colour: false, verbose: false })
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut bytes = Vec::new();
    write(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

#[test]
fn the_screen_of_a_change() {
    insta::assert_snapshot!("changes_screen", screen(&changed(), 80));
}

#[test]
fn the_screen_of_no_change_says_what_would_have_been_seen() {
    let plan = plan("64,4096,65536");
    let same = compare(&[run("a", &plan, 1, |_| 1.0)], &[vec![run("b", &plan, 2, |_| 1.0)]]);
    insta::assert_snapshot!("changes_screen_none", screen(&same, 80));
}

#[test]
fn the_page_says_beside_what_the_changes_of_cells_are_told() {
    let page = written(|out| report::write_changes_html(out, &changed()).unwrap());
    let told = "Whether a cell changed is told by its change beside that of all cells (goodput ";
    assert!(page.contains(told), "{page}");
}

#[test]
fn the_page_lays_what_changed_before_what_did_not() {
    let page = written(|out| report::write_changes_html(out, &changed()).unwrap());
    let (first, folded) = page.split_once("<details class=\"bulk\">").unwrap();
    let verdicts = |text: &str| {
        text.matches("<td>worse</td>").count() + text.matches("<td>better</td>").count()
    };
    let rows = |text: &str| text.matches("<tr><td>").count();
    let (_, first) = first.split_once("What changed beyond noise").unwrap();
    assert!(rows(first) > 0 && rows(first) == verdicts(first), "{first}");
    assert_eq!(verdicts(first), verdicts(folded));
    assert!(rows(folded) > rows(first), "{folded}");

    let plan = plan("64,4096,65536");
    let same = compare(&[run("a", &plan, 1, |_| 1.0)], &[vec![run("b", &plan, 2, |_| 1.0)]]);
    let page = written(|out| report::write_changes_html(out, &same).unwrap());
    assert!(!page.contains("What changed beyond noise"), "{page}");
    assert!(page.contains("<details class=\"bulk\">"), "{page}");
}

/// Two runs whose every cell is at the rate of one line.
fn at_line_rate() -> Changes {
    over_lines([0.95, 0.95], [1; 2])
}

/// Two runs whose cells have this goodput, in Gbit/s, over lines of so many Gbit/s.
fn over_lines(goodput_gbps: [f64; 2], lines_gbps: [u64; 2]) -> Changes {
    let plan = synthetic::without_controls(&[
        (Factor::Threads, "1"),
        (Factor::Link, "ssh"),
        (Factor::Send, "send,sendmsg"),
        (Factor::Message, "4KiB,64KiB"),
    ]);
    let nic = || synthetic::nic("veth", None);
    let host =
        |gbps: u64| synthetic::two_hosts(synthetic::shaped(nic(), gbps * 1_000_000_000), nic());
    let run = |seed, goodput_gbps: f64, host: model::host::Host| {
        let records = synthetic::run(&plan, 10, |cell, round| {
            let noise = synthetic::noise(seed, cell, round, 0.001);
            let trial = synthetic::trial(cell, round).copied_share(0.0);
            trial.goodput_gbps(goodput_gbps * noise).ends_cpu_ns_per_kib(400.0 * noise)
        });
        let records = synthetic::apart(records);
        let summary = analysis::summarise(&plan, &host, &records);
        let judged = JudgedRun::of(&plan, &records);
        MeasuredRun::new(format!("run{seed}"), &plan, &host, &judged, &summary)
    };
    let ([before, after], [line_before, line_after]) = (goodput_gbps, lines_gbps.map(host));
    compare(&[run(1, before, line_before)], &[vec![run(2, after, line_after)]])
}

/// The screen without its line breaks.
fn on_one_line(changes: &Changes) -> String {
    screen(changes, 100).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn screen_page_and_json_all_say_that_the_line_decides_goodput() {
    let changes = at_line_rate();
    let page = written(|out| report::write_changes_html(out, &changes).unwrap());
    let json = written(|out| report::write_changes(out, &changes, None).unwrap());
    let told = "Every cell is at line rate on both sides: the line decides goodput there";
    for text in [on_one_line(&changes), page, json] {
        assert!(text.contains(told) && text.contains("what they cost in CPU decides"), "{text}");
    }
    let json = written(|out| report::write_changes(out, &changed(), None).unwrap());
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(value["answers"][0]["at_line_rate"].is_null(), "{json}");
}

#[test]
fn of_another_line_no_machine_is_blamed_and_of_the_same_it_is() {
    let text = |goodput, lines| on_one_line(&over_lines(goodput, lines));
    let told =
        "that says nothing of the machine, as the lines differ and decide goodput in all of them.";
    for (goodput, lines) in [([1.9, 0.95], [2, 1]), ([1.4, 0.95], [10, 1]), ([0.95, 0.8], [1, 2])] {
        let other = text(goodput, lines);
        assert!(other.contains(told) && !other.contains("the whole machine"), "{other}");
    }
    // A run that no longer fills the line is slower by that much at least.
    for goodput in [[0.95, 0.6], [0.8, 0.6]] {
        let same = text(goodput, [1; 2]);
        assert!(same.contains("the whole machine was slower"), "{same}");
    }
}

#[test]
fn at_line_rate_without_a_cost_the_answer_does_not_blame_a_single_round() {
    let mut changes = at_line_rate();
    for comparison in &mut changes.comparisons {
        // What is left of it where no run has the CPU time of a cell.
        comparison.changes.clear();
        comparison.overall.clear();
        comparison.not_measured.push(FigureOnLink {
            stated_link: Some(Link::Ssh),
            link: Link::Ssh,
            metric: Metric::EndsCpuNsPerKib,
        });
    }
    let text = on_one_line(&changes);
    let told = "Nothing can be told of 4 cells: the line decides their goodput on both sides, and their CPU time was not measured on both.";
    assert!(text.contains(told), "{text}");
    assert!(!text.contains("single round") && !text.contains("CPU decides"), "{text}");
}

#[test]
fn a_change_that_hardly_any_run_would_show_is_not_told_in_percent() {
    let plan = plan("64,4096,65536");
    let calm = |name, seed| run(name, &plan, seed, |_| 1.0);
    let wild = |name: &str, seed| {
        let host = synthetic::host();
        let records = synthetic::run(&plan, 3, |cell, round| {
            synthetic::trial(cell, round).faster(synthetic::noise(seed, cell, round, 2.0))
        });
        let summary = analysis::summarise(&plan, &host, &records);
        let judged = JudgedRun::of(&plan, &records);
        MeasuredRun::new(name.to_owned(), &plan, &host, &judged, &summary)
    };
    let text = screen(&compare(&[wild("a", 1)], &[vec![wild("b", 2)]]), 200);
    assert!(text.contains("not even a tenfold one"), "{text}");
    let usual = screen(&compare(&[calm("a", 1)], &[vec![calm("b", 2)]]), 200);
    assert!(usual.contains("seen nine times in ten") && !usual.contains("tenfold"), "{usual}");
}

#[test]
fn every_line_fits_the_terminal() {
    for width in [80, 100] {
        let text = screen(&changed(), width);
        assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
    }
}

#[test]
fn the_changes_are_json_and_their_schema_names_every_key() {
    let text = written(|out| report::write_changes(out, &changed(), None).unwrap());
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let schema = report::changes_schema();
    let named = schema["properties"].as_object().unwrap();
    for key in value.as_object().unwrap().keys() {
        assert!(named.contains_key(key), "{key}");
    }
    let comparison = &schema["$defs"]["Comparison"]["properties"];
    for key in value["comparisons"][0].as_object().unwrap().keys() {
        assert!(comparison.get(key).is_some(), "{key}");
    }
    assert!(value["comparisons"][0]["changes"][0].get("shift").is_none());
}

#[test]
fn figures_for_services_that_follow_them() {
    let plan = plan("4096");
    let host = synthetic::host();
    let records = synthetic::run(&plan, 3, synthetic::trial);
    let summary = analysis::summarise(&plan, &host, &records);
    for format in [Format::Bmf, Format::Gha, Format::GhaGoodput] {
        let text = written(|out| report::write_metrics(out, &summary, format).unwrap());
        insta::assert_snapshot!(format!("metrics_{}", format.name()), text);
    }
    let text = written(|out| {
        report::write_change_metrics(out, &changed(), Format::Gha).unwrap();
    });
    assert!(!text.contains("goodput"), "more is better there: {text}");
}

#[test]
fn a_figure_that_is_absent_is_left_out_and_never_0() {
    let plan = plan("4096");
    let nothing = analysis::summarise(&plan, &synthetic::host(), &[]);
    for (format, empty) in [(Format::Bmf, "{}\n"), (Format::Gha, "[]\n")] {
        assert_eq!(written(|out| report::write_metrics(out, &nothing, format).unwrap()), empty);
    }
}
