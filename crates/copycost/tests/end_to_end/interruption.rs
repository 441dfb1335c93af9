//! Ctrl-C, SIGTERM and `kill -9` lose at most the trial in hand.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Child;

use crate::common::{
    Ended, PATIENCE, Place, eventually, run_facts, signal, signal_process, trials,
};

/// Longer than any test waits for it, so that it is always interrupted.
pub(crate) const ENDLESS: &[&str] = &[
    "run",
    "--send",
    "send,sendmsg",
    "--sizes",
    "512,16KiB",
    "--time",
    "20ms",
    "--warmup",
    "5ms",
    "--tail",
    "2ms",
    "--controls",
    "off",
    "--rounds",
    "100000",
    "--max-time",
    "1h",
    "--threads",
    "1",
    "--threshold",
    "unsettled=1000",
    "--threshold",
    "window-void=1000",
    "--out",
    "run",
];

pub(crate) fn wait(child: Child) -> Ended {
    let (done, waited) = std::sync::mpsc::channel();
    let pid = child.id();
    std::thread::spawn(move || done.send(child.wait_with_output()));
    let output =
        waited.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("process {pid} does not end"));
    Ended::of(output.unwrap())
}

/// What asks a child to stop: SIGINT, or SIGTERM where the former is ignored, as in a background job of a shell.
pub(crate) fn stopping() -> &'static str {
    if is_ignored(2) { "TERM" } else { "INT" }
}

/// Whether this process ignores a signal; what it starts inherits that.
pub(crate) fn is_ignored(signal: u32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
    u64::from_str_radix(mask, 16).unwrap() >> (signal - 1) & 1 == 1
}

pub(crate) fn measured(run: &Path, least: usize) -> impl FnMut() -> bool {
    move || trials(run).len() >= least
}

#[test]
fn after_a_signal_what_was_measured_is_there_and_the_exit_code_is_130() {
    for (name, number) in [("INT", 2), ("TERM", 15)] {
        if is_ignored(number) {
            eprintln!(
                "skipped: SIG{name} is ignored by whoever started this test, and so by its children"
            );
            continue;
        }
        let place = Place::new();
        let run = place.path("run");
        let child = place.spawn(ENDLESS);
        eventually("three trials", measured(&run, 3));
        signal(name, &child);
        let ended = wait(child).ends_with(130);
        assert!(ended.error.contains("--resume run"), "{ended:#?}");
        for file in ["trials.csv", "results.csv", "ratios.csv", "paper.csv", "summary.json"] {
            assert!(run.join(file).is_file(), "{file} is missing after SIG{name}");
        }
        let facts = run_facts(&run);
        assert_eq!(facts["finish"], "interrupted");
        assert_eq!(facts["trials"], trials(&run).len());
        let is_told = ended.output.starts_with("No round was finished; kept: ");
        assert_eq!(is_told, facts["rounds"] == 0, "{ended:#?}");
    }
}

#[test]
fn a_killed_run_goes_on_and_keeps_every_trial() {
    let place = Place::new();
    let run = place.path("run");
    let mut child = place.spawn(ENDLESS);
    eventually("three trials", measured(&run, 3));
    child.kill().unwrap();
    child.wait().unwrap();
    let before = trials(&run);
    assert!(before.len() >= 3);

    // The rounds may differ on resume; nothing else is named, so the run's own plan holds.
    let rounds = before.len() / 4 + 2;
    let ended =
        place.copycost(&["run", "--resume", "run", "--rounds", &rounds.to_string()]).ends_with(0);
    let after = trials(&run);
    assert_eq!(after[..before.len()], before[..], "a trial was lost");
    assert!(after.len() > before.len(), "{ended:#?}");
    let facts = run_facts(&run);
    assert_eq!((&facts["segments"], &facts["finish"]), (&2.into(), &"rounds".into()));
    assert_eq!(facts["rounds"], rounds);
}

#[test]
fn one_command_begins_a_run_goes_on_with_it_and_reports_it_when_it_has_ended() {
    if is_ignored(15) {
        eprintln!("skipped: SIGTERM is ignored by whoever started this test");
        return;
    }
    let place = Place::new();
    let run = place.path("run");
    let or_resume = [ENDLESS, &["--or-resume", "--quiet", "--label", "node7"]].concat();
    let mut before = Vec::new();
    for segment in 1..=2 {
        let least = before.len() + 2;
        let child = place.spawn(&or_resume);
        eventually("two more trials", measured(&run, least));
        signal("TERM", &child);
        wait(child).ends_with(130);
        let after = trials(&run);
        assert_eq!(after[..before.len()], before[..], "a trial was lost");
        let facts = run_facts(&run);
        assert_eq!((&facts["segments"], &facts["label"]), (&segment.into(), &"node7".into()));
        before = after;
    }
    // Another plan is no reason to begin again over what is there.
    let mut other = or_resume.clone();
    let sizes = other.iter().position(|word| *word == "512,16KiB").unwrap();
    other[sizes] = "512,32KiB";
    let refused = place.copycost(&other).ends_with(2);
    assert!(refused.complaint().contains("differs from the run's"), "{refused:#?}");

    // With rounds that are done it ends, and is done for good.
    let rounds = (before.len() / 4 + 2).to_string();
    let mut last = or_resume.clone();
    let place_of_rounds = last.iter().position(|word| *word == "100000").unwrap();
    last[place_of_rounds] = &rounds;
    place.copycost(&last).ends_with(0);
    let journal = std::fs::read(run.join("journal.jsonl")).unwrap();
    assert_eq!(run_facts(&run)["finish"], "rounds");
    std::fs::remove_file(run.join("report.html")).unwrap();
    last.retain(|word| *word != "--quiet");
    let again = place.copycost(&last).ends_with(0);
    assert!(again.error.contains("has ended, and nothing is measured"), "{again:#?}");
    assert!(again.output.contains("report.html") && run.join("report.html").is_file());
    assert_eq!(std::fs::read(run.join("journal.jsonl")).unwrap(), journal);
}

#[test]
fn what_asks_every_process_of_a_job_to_stop_asks_the_engine_alone() {
    let place = Place::new();
    let run = place.path("run");
    let child = place.spawn(ENDLESS);
    eventually("a trial", measured(&run, 1));
    let mut signalled = std::collections::BTreeSet::new();
    let least = trials(&run).len() + 8;
    eventually("eight more trials", || {
        for end in ends_of(child.id()) {
            signal_process("TERM", end);
            signalled.insert(end);
        }
        trials(&run).len() >= least
    });
    signal("KILL", &child);
    wait(child);
    assert!(signalled.len() >= 2, "{signalled:?}");
    let failed: Vec<String> =
        trials(&run).iter().filter(|line| line.contains("died")).map(ToString::to_string).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

/// The ends of an engine that live and have begun: each leads a group of its own by then.
fn ends_of(engine: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let is_end = |id: &u32| {
        // Behind the name in parentheses stand state, parent and group (proc(5)).
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
        let words: Vec<&str> = after.split_whitespace().skip(1).take(2).collect();
        words == [engine.to_string(), id.to_string()]
    };
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_end).collect()
}

#[test]
fn two_processes_never_write_to_one_run() {
    let place = Place::new();
    let run = place.path("run");
    let child = place.spawn(ENDLESS);
    eventually("a trial", measured(&run, 1));
    let second = place.copycost(&["run", "--resume", "run"]);
    signal("TERM", &child);
    let first = wait(child);
    let second = second.ends_with(2);
    assert!(second.complaint().contains("another copycost"), "{second:#?}");
    first.ends_with(130);
}

#[test]
fn a_run_that_waits_for_a_quiet_machine_ends_at_a_signal_and_leaves_nothing() {
    if is_ignored(15) {
        eprintln!("skipped: SIGTERM is ignored by whoever started this test");
        return;
    }
    let place = Place::new();
    // Even a quiet machine needs three looks, longer than the signal takes.
    let mut child = place.spawn(&[ENDLESS, &["--wait-quiet=1h"]].concat());
    let mut first = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut first).unwrap();
    signal("TERM", &child);
    let ended = wait(child).ends_with(130);
    assert!(first.starts_with("waiting until") && first.contains("1h00m"), "{first}");
    assert!(ended.error.contains("nothing was measured while waiting"), "{ended:#?}");
    assert!(!place.path("run").exists());
}

#[test]
fn waiting_for_a_quiet_machine_is_bounded() {
    let place = Place::new();
    let arguments = [crate::common::TINY, &["--wait-quiet=1ms"]].concat();
    let ended = place.copycost(&arguments).ends_with(0);
    assert!(ended.error.contains("measuring all the same"), "{ended:#?}");
    let wrong = place.copycost(&["run", "--wait-quiet=soon"]).ends_with(2);
    assert!(wrong.complaint().contains("--wait-quiet"), "{wrong:#?}");
}
