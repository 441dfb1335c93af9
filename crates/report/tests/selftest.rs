//! The screen and the JSON of a self-test.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where its own helpers fail")]

use analysis::selftest::SelfTest;
use model::{Cell, Factor, Mark};
use report::{Condition, selftest_json, selftest_screen};
use synthetic::TrialBuilder;

/// Four equal cells of two sizes over so many rounds.
fn found(rounds: u32, figures: impl Fn(&Cell, u32) -> TrialBuilder) -> SelfTest {
    let plan = synthetic::without_controls(&[
        (Factor::Send, "sendmsg"),
        (Factor::Message, "4096,65536"),
        (Factor::Threads, "1"),
        (Factor::Replica, "1,2,3,4"),
    ]);
    let records = synthetic::run(&plan, rounds, figures);
    let summary = analysis::summarise(&plan, &synthetic::host(), &records);
    SelfTest::of(&plan, &records, &summary, 0.25).value().unwrap().clone()
}

fn noisy(cell: &Cell, round: u32) -> TrialBuilder {
    synthetic::trial(cell, round).faster(synthetic::noise(1, cell, round, 0.02))
}

fn conditions() -> Vec<Condition> {
    let advice = "frequencies change; plug it in".to_owned();
    vec![Condition { what: "on battery".to_owned(), advice }]
}

#[test]
fn the_verdict_comes_first_and_disturbances_have_remedies() {
    let disturbed = found(60, |cell, round| {
        let trial = noisy(cell, round);
        if round % 4 == 0 { trial.marked(Mark::Steal) } else { trial }
    });
    let text = selftest_screen(&disturbed, &conditions(), "copycost-runs/selftest-x", 80, false);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    insta::assert_snapshot!("selftest", text);
}

#[test]
fn a_machine_that_tells_equal_cells_apart_is_not_praised() {
    let wrong = found(60, |cell, round| {
        noisy(cell, round).faster(if cell.replica.get() == 1 { 1.1 } else { 1.0 })
    });
    let text = selftest_screen(&wrong, &[], "run", 80, false);
    assert!(text.starts_with("Do not trust small differences here"), "{text}");
    let few = selftest_screen(&found(4, noisy), &[], "run", 80, false);
    assert!(few.contains("too few rounds to say"), "{few}");
}

#[test]
fn json_says_what_the_screen_says() {
    let of = found(20, noisy);
    let json: serde_json::Value =
        serde_json::from_str(&selftest_json(&of, &conditions(), "run").unwrap()).unwrap();
    let screen = selftest_screen(&of, &conditions(), "run", 1000, false);
    assert!(screen.starts_with(json["verdict"].as_str().unwrap()), "{screen}");
    assert_eq!(json["noise"][0]["spread"].as_f64(), Some(of.noise[0].spread));
    assert_eq!(json["conditions"][0]["what"], "on battery");
    assert_eq!(json["directory"], "run");
}
