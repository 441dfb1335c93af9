//! The program as `.ci/run` calls it.
#![allow(clippy::unwrap_used, reason = "a test's functions may fail it")]

use std::process::{Command, Output};

fn xtask(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(words).output().unwrap()
}

#[test]
fn a_task_that_is_not_known_fails_and_lists_those_that_are() {
    for words in [&[][..], &["importz"]] {
        let output = xtask(words);
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
        let help = String::from_utf8(output.stderr).unwrap();
        for task in ["imports", "killed-runs", "passed GATE [--record]", "vm"] {
            assert!(help.contains(&format!("\n  {task}")), "{help}");
        }
    }
}

#[test]
fn a_task_that_succeeds_reports_on_standard_output() {
    let output = xtask(&["imports"]);
    assert!(output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("borders hold"));
}

#[test]
fn a_gate_that_is_not_known_is_never_passed_over() {
    assert_eq!(xtask(&["passed", "nobody"]).status.code(), Some(1));
}
