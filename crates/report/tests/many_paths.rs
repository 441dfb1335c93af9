//! The screen of a run of more paths than stand beside each other: the answer, then a row a path.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where its own helpers fail")]

mod common;

use std::sync::LazyLock;

use analysis::findings::CrossoverOutcome;
use analysis::recommendation::Advice;
use analysis::summary::Summary;
use model::{Factor, Plan, Preset, ReceivePath, SendPath};
use report::{ScreenOptions, screen};

const DIRECTORY: &str = "copycost-runs/latest";

fn shown(summary: &Summary, plan: &Plan, width: usize) -> String {
    let options = ScreenOptions { width, colour: false, verbose: false, directory: DIRECTORY };
    screen(summary, &synthetic::host(), plan, options)
}

fn measured(plan: &Plan, rounds: u32) -> Summary {
    let records = synthetic::run(plan, rounds, |cell, round| {
        synthetic::trial(cell, round).faster(synthetic::noise(3, cell, round, 0.02))
    });
    analysis::summarise(plan, &synthetic::host(), &records)
}

/// Every send path at eight sizes, over loopback and the sink.
fn all_paths() -> Plan {
    let mut plan = Plan::preset(Preset::Paths);
    plan.measure.controls = false;
    plan
}

static PATHS: LazyLock<Summary> = LazyLock::new(|| measured(&all_paths(), 4));

/// The words of a screen's answer, and the lines of each table below it.
fn parted(text: &str) -> (String, Vec<&str>) {
    let (answer, tables) = text.split_once("\n\n").unwrap();
    (answer.replace("\n  ", " "), tables.lines().collect())
}

/// Whether a line is the row of a value: its name, then figures.
fn is_row_of(line: &str, name: &str) -> bool {
    line.strip_prefix(name).is_some_and(|rest| rest.starts_with("  ") || rest.starts_with(" to "))
}

/// The paths that a text names.
fn named(text: &str) -> Vec<SendPath> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '-');
    words.filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn fourteen_paths_at_eight_sizes_over_two_links_are_one_screen() {
    let plan = all_paths();
    let text = shown(&PATHS, &plan, 80);
    assert!(text.lines().count() <= 60, "{} lines\n{text}", text.lines().count());
    assert!(text.contains("copycost-runs/latest/results.csv"), "{text}");
    for width in [60, 80, 100] {
        let text = shown(&PATHS, &plan, width);
        assert!(text.lines().all(|line| line.chars().count() <= width), "{width}: {text}");
        insta::assert_snapshot!(format!("all_paths_{width}"), text);
    }
}

#[test]
fn what_the_answer_names_stands_in_the_tables_of_its_link() {
    let plan = all_paths();
    let mut summary = PATHS.clone();
    let others = SendPath::ALL.iter().cycle().skip(5);
    for (number, (one, other)) in SendPath::ALL.iter().zip(others).enumerate() {
        let (value, against) = (one.to_string(), other.to_string());
        let outcome = CrossoverOutcome::Bracket { low: 4096.0, high: 16_384.0 };
        let advice = match number % 3 {
            0 => Advice::BySize { value, against, outcome },
            1 => Advice::Use { value, against, everywhere: false, gains: Vec::new() },
            _ => Advice::Unclear { values: vec![value, against] },
        };
        for recommendation in &mut summary.explained.recommendations {
            recommendation.advice = advice.clone();
            recommendation.if_rewritten = None;
        }
        let width = [60, 80, 100][number / 3 % 3];
        let text = shown(&summary, &plan, width);
        let (answer, tables) = parted(&text);
        let paths = named(&answer);
        assert!(paths.contains(one), "{answer}");
        for path in paths {
            // Levels and, but for what the others are held against, ratios; on each link.
            let rows = tables.iter().filter(|line| is_row_of(line, path.name())).count();
            assert!(rows >= 2, "{width}: {path} of \"{answer}\" has no row\n{text}");
        }
    }
}

#[test]
fn the_page_of_fourteen_paths_stays_within_its_bytes_and_draws_what_can_be_told_apart() {
    let page = common::documents(&PATHS, &synthetic::host(), &all_paths()).html;
    // Beside them stand trials, warnings and releases of a real run.
    assert!(page.len() < 2_600_000, "{} bytes", page.len());
    let (_, figure) = page.split_once("id=\"figure-ratios-over-size\"").unwrap();
    let (figure, _) = figure.split_once("</figure>").unwrap();
    assert!(figure.contains("the other pairs are in ratios.csv"), "nothing tells of the others");
    for path in SendPath::ALL.iter().filter(|path| **path != SendPath::USUAL) {
        let usual = SendPath::USUAL;
        let is_drawn = |pair: String| figure.contains(&pair);
        assert!(
            is_drawn(format!("{path} / {usual}, ")) || is_drawn(format!("{usual} / {path}, ")),
            "{path} is not drawn against {usual}"
        );
    }
    assert!(figure.contains("uring-send-zc / uring-send, "), "a twin is drawn");
    assert!(!figure.contains("splice / staged, "), "one of many pairs is drawn");
    assert!(figure.contains("the highest of "), "the reading names all");
}

#[test]
fn with_room_for_all_of_one_link_nothing_is_left_out() {
    let mut plan = all_paths();
    plan.factors.set(Factor::Link, "sink").unwrap();
    plan.factors.set(Factor::Message, "64,4KiB,1MiB").unwrap();
    let text = shown(&measured(&plan, 4), &plan, 80);
    assert!(text.lines().count() <= 60, "{} lines\n{text}", text.lines().count());
    assert!(!text.contains("not shown here"), "{text}");
    for path in SendPath::ALL {
        let rows = text.lines().filter(|line| is_row_of(line, path.name())).count();
        assert!((1..=2).contains(&rows), "{path}\n{text}");
    }
}

#[test]
fn receive_paths_have_an_answer_of_their_own_on_one_screen() {
    let mut plan = Plan::preset(Preset::Receive);
    plan.measure.controls = false;
    // Recvmsg is what to use behind one path, and nothing is told behind the other.
    let records = synthetic::run(&plan, 10, |cell, round| {
        let factor = match (cell.send_path, cell.receive_path) {
            (SendPath::Sendmsg, ReceivePath::Recvmsg) => 1.4,
            (_, ReceivePath::RecvTrunc) => 2.0,
            _ => 1.0,
        };
        synthetic::trial(cell, round).faster(factor * synthetic::noise(3, cell, round, 0.01))
    });
    let summary = analysis::summarise(&plan, &synthetic::host(), &records);
    let text = shown(&summary, &plan, 80);
    assert!(text.lines().count() <= 60, "{} lines\n{text}", text.lines().count());
    let (answer, tables) = parted(&text);
    let recvmsg = "Receiving behind sendmsg: use recvmsg: ";
    assert!(answer.contains(recvmsg), "{answer}");
    assert!(answer.contains("recv-trunc is no choice, it drops the bytes"), "{answer}");
    assert!(!answer.contains("use recv-trunc"), "{answer}");
    assert!(tables.iter().any(|line| line.starts_with("sendmsg to recvmsg ")), "{text}");
    insta::assert_snapshot!("receive", text);
    // The page and the Markdown say it too.
    let documents = common::documents(&summary, &synthetic::host(), &plan);
    for document in [documents.html, documents.markdown] {
        assert!(document.contains(recvmsg), "{document}");
    }
}
