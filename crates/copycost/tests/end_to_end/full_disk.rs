//! No space left: what was measured is kept and shown, and nothing is named that was never written.

use crate::common::{Ended, PATIENCE, Place, TINY, trials};

/// TINY with a limit on the size of each file, which the kernel answers much like a full disk (setrlimit(2)).
fn limited(place: &Place, kib: u32) -> Ended {
    let mut line = vec!["-c", "", assert_cmd::cargo::cargo_bin!("copycost").to_str().unwrap()];
    // A shell counts in half KiB (POSIX, ulimit).
    let script = format!("ulimit -f {}; exec \"$0\" \"$@\"", kib * 2);
    line[1] = &script;
    line.extend(TINY);
    line.extend(["--controls", "off", "--out", "run"]);
    let mut command = std::process::Command::new("sh");
    command.args(&line).current_dir(place.path("")).stdin(std::process::Stdio::null());
    let mut command = assert_cmd::Command::from_std(command);
    Ended::of(command.timeout(PATIENCE).output().unwrap())
}

#[test]
fn a_report_that_could_not_be_written_is_not_named() {
    let place = Place::new();
    // Room for the journal and the tables, not for the page.
    let ended = limited(&place, 100).ends_with(3);
    assert!(!place.path("run/report.html").exists());
    assert!(!ended.output.contains("report.html"), "{ended:#?}");
    assert!(ended.output.contains("send=sendmsg message_bytes=16384"), "{ended:#?}");
    let complaint = ended.complaint();
    assert!(complaint.contains("no space left to write run/"), "{complaint}");
    assert!(complaint.ends_with("make room, then copycost report run"), "{complaint}");
    assert!(trials(&place.path("run")).len() >= 8, "every trial is kept");

    // With room again the report is made from what was kept.
    let ended = place.copycost(&["report", "run"]).ends_with(0);
    assert!(ended.output.contains("run/report.html"), "{ended:#?}");
    assert!(place.path("run/report.html").is_file());
}

#[test]
fn a_journal_that_cannot_grow_ends_the_run_and_keeps_what_it_has() {
    let place = Place::new();
    let ended = limited(&place, 16).ends_with(3);
    assert!(ended.complaint().contains("no space left to write run/journal.jsonl"), "{ended:#?}");
    assert!(!ended.output.contains("report.html"), "{ended:#?}");
    let kept = trials(&place.path("run")).len();
    assert!((1..8).contains(&kept), "{kept}");
    place.copycost(&["run", "--resume", "run"]).ends_with(0);
    assert!(trials(&place.path("run")).len() >= 8);
}

#[test]
fn what_help_could_not_print_is_no_success() {
    let place = Place::new();
    for arguments in [&["--help"][..], &["run", "--help"], &["--version"], &["man"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = place.command(arguments);
        let ended = Ended::of(command.stdout(full).output().unwrap()).ends_with(3);
        assert!(ended.complaint().contains("cannot write to standard output"), "{ended:#?}");
        assert_eq!(ended.error.lines().count(), 1, "{ended:#?}");
    }
}
