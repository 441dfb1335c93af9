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

#[test]
fn noise_lasts_as_long_as_its_command_and_gives_its_exit_code() {
    let short = ["noise", "--bursts", "1ms..2ms", "--cpus", "0", "--"];
    let beside = |command: &[&str]| xtask(&[&short[..], command].concat());
    // Standard error is read to its end: the noise has ended, or this would not return.
    let output = beside(&["sh", "-c", "sleep 0.3; echo done; exit 7"]);
    let noise = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(7), &b"done\n"[..]));
    assert!(noise.starts_with("noise: ") && noise.lines().count() == 1, "{noise}");
    let output = beside(&["/nobody"]);
    assert!(!output.status.success() && output.stderr.starts_with(b"/nobody: "), "{output:?}");
}

#[test]
fn noise_that_cannot_be_made_as_asked_runs_no_command() {
    for (options, why) in [
        (&["--cpus", "1023"][..], "CPU 1023"),
        (&["--share", "0"], "--share"),
        (&["--for", "1s"], "--for"),
    ] {
        let output = xtask(&[&["noise"], options, &["--", "echo", "run"]].concat());
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(why), "{said}");
    }
}
