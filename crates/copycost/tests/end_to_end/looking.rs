//! What is looked at and not measured: help, `probe`, closed pipes.

use std::io::Read as _;
use std::process::Stdio;

use crate::common::{Ended, Place};

#[test]
fn without_arguments_the_two_common_commands_are_named() {
    let ended = Place::new().copycost(&[]).ends_with(2);
    assert!(
        ended.error.contains("copycost run") && ended.error.contains("copycost probe"),
        "{ended:#?}"
    );
    assert_eq!(ended.output, "");
    assert!(ended.error.lines().all(|line| line.chars().count() <= 80), "{ended:#?}");
}

#[test]
fn help_shows_every_factor_and_hides_the_ends() {
    let place = Place::new();
    let help = place.copycost(&["--help"]).ends_with(0);
    assert!(!help.output.contains("\n  end"), "{help:#?}");
    let help = place.copycost(&["run", "--help"]).ends_with(0);
    for factor in model::Factor::ALL {
        assert!(help.output.contains(&format!("--{}", factor.key())), "{}", factor.key());
    }
}

#[test]
fn help_of_a_command_is_asked_for_in_two_ways() {
    let place = Place::new();
    for command in [
        "run",
        "report",
        "advise",
        "experiment",
        "table",
        "selftest",
        "probe",
        "verify",
        "serve",
        "connect",
        "completions",
        "man",
    ] {
        let flag = place.copycost(&[command, "--help"]).ends_with(0);
        let word = place.copycost(&["help", command]).ends_with(0);
        assert_eq!(word.output, flag.output, "{command}");
    }
    let run = place.copycost(&["help", "run"]).ends_with(0).output;
    for text in ["--preset <NAME>", "zero-copy", "Exit codes: 0 done; 1 ", "[default: 1,2,4,8]"] {
        assert!(run.contains(text), "{text}: {run}");
    }
    assert_eq!(place.copycost(&["help"]).output, place.copycost(&["--help"]).output);
}

#[test]
fn completions_offer_the_values_of_flags() {
    let place = Place::new();
    let bash = place.copycost(&["completions", "bash"]).ends_with(0).output;
    let zsh = place.copycost(&["completions", "zsh"]).ends_with(0).output;
    let paths: Vec<_> = model::SendPath::ALL.iter().map(|path| path.name()).collect();
    let paths = paths.join(" ");
    assert!(paths.starts_with("send staged sendmsg zerocopy send-more sendfile splice"), "{paths}");
    for (flag, words) in [
        ("send", paths.as_str()),
        ("recv", "recv recvmsg readv recv-trunc recv-zerocopy uring-recv"),
        ("link", "loopback veth sink unix ssh"),
        (
            "preset",
            "default quick paper break-even zero-copy receive http records hybrid paths working-set",
        ),
        ("audits", "copy-audit profile ceiling all none"),
        ("nodelay", "off on"),
        ("controls", "on off"),
    ] {
        let offered = bash.lines().skip_while(|line| line.trim() != format!("--{flag})")).nth(1);
        assert!(offered.unwrap().contains(&format!("-W \"{words}\" --")), "{flag}: {offered:?}");
        let is_of_flag = |line: &&str| line.starts_with(&format!("'--{flag}=["));
        let line = zsh.lines().find(is_of_flag).unwrap();
        assert!(line.contains(&format!(":({words})'")), "{line}");
    }
}

#[test]
fn probe_tells_every_member_of_the_three_lists() {
    let place = Place::new();
    let table = place.copycost(&["probe"]).ends_with(0);
    let paths = model::SendPath::ALL.iter().map(|path| path.name());
    let instruments = model::Instrument::ALL.iter().map(|instrument| instrument.name());
    for name in paths.chain(instruments).chain(["recv", "loopback"]) {
        assert!(table.output.contains(name), "{name}: {table:#?}");
    }
    let json = place.copycost(&["probe", "--json"]).ends_with(0);
    let value: serde_json::Value = serde_json::from_str(&json.output).unwrap();
    assert!(value["items"].as_array().is_some_and(|items| !items.is_empty()), "{value}");
}

#[test]
fn shells_and_man_learn_the_command_line() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = place.copycost(&["completions", shell]).ends_with(0).output;
        for word in ["copycost", "report", "preset"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let page = place.copycost(&["man"]).ends_with(0).output;
    assert!(page.contains(".TH copycost 1"), "{page}");
    let page = place.copycost(&["man", "run"]).ends_with(0).output;
    assert!(page.contains("\\-\\-precision"), "{page}");
    let ended = place.copycost(&["man", "rum"]).ends_with(2);
    assert!(ended.complaint().contains("\"rum\""), "{ended:#?}");
}

#[test]
fn a_reader_that_went_away_has_had_enough() {
    let place = Place::new();
    let mut child =
        place.command(&["probe"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Closed before the first line is written.
    drop(child.stdout.take());
    let mut error = String::new();
    child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    let code = child.wait().unwrap().code();
    Ended { code, output: String::new(), error: error.clone() }.ends_with(0);
    assert_eq!(error, "");
}
