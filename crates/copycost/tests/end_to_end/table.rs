//! `copycost table`: many runs, some of them damaged, beside what is none.

use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;

use journal::RunDirectory;
use model::{Factor, Plan};

use crate::common::{Ended, Place};

/// A run that nobody measured.
pub(crate) fn made(path: &Path, host: &str) {
    let mut plan: Plan = synthetic::plan(&[(Factor::Message, "64")]);
    plan.label = "made".to_owned();
    made_of(path, &plan, host);
}

/// The same of another plan.
pub(crate) fn made_of(path: &Path, plan: &Plan, host: &str) {
    let (run, mut journal) = RunDirectory::begin(path, None).unwrap();
    run.write_plan(plan).unwrap();
    let host = model::host::Host {
        hostname: model::Measured::Value(host.to_owned()),
        ..synthetic::host()
    };
    run.write_host(&host).unwrap();
    for record in synthetic::on(&host, synthetic::run(plan, 2, synthetic::trial)) {
        journal.append(&record).unwrap();
    }
}

/// Two machines with a run of one name each, a link to one of them, a damaged run and a directory that is none.
fn fleet() -> Place {
    let place = Place::new();
    for host in ["alpha", "beta"] {
        made(&place.path(&format!("fleet/{host}/copycost-runs/one")), host);
    }
    let runs = place.path("fleet/alpha/copycost-runs");
    std::os::unix::fs::symlink("one", runs.join("latest")).unwrap();
    made(&runs.join("two"), "alpha");
    place.write("fleet/alpha/copycost-runs/two/journal.jsonl", "{}\n{}\n");
    std::fs::create_dir(place.path("fleet/notes")).unwrap();
    place
}

#[test]
fn every_run_below_is_in_the_table_once_and_what_is_left_out_is_named() {
    let place = fleet();
    let ended =
        place.copycost(&["table", "fleet", "fleet/alpha/copycost-runs/latest"]).ends_with(0);
    let mut csv = csv::Reader::from_reader(ended.output.as_bytes());
    let header = csv.headers().unwrap().clone();
    let column = |name: &str| header.iter().position(|column| column == name).unwrap();
    let rows: Vec<csv::StringRecord> = csv.records().map(Result::unwrap).collect();
    let mut runs: Vec<[&str; 3]> =
        rows.iter().map(|row| ["run", "machine", "label"].map(|name| &row[column(name)])).collect();
    runs.dedup();
    assert_eq!(
        runs,
        [["alpha/copycost-runs/one", "alpha", "made"], ["beta/copycost-runs/one", "beta", "made"]]
    );
    assert!(rows.iter().any(|row| &row[column("metric")] == "goodput_gbps"));
    assert_eq!(ended.error.lines().count(), 2, "{ended:#?}");
    for part in ["two/journal.jsonl", "line 1", "fleet/notes"] {
        assert!(ended.error.contains(part), "{part}: {ended:#?}");
    }
}

#[test]
fn a_run_whose_journal_cannot_be_opened_says_why_and_is_not_called_foreign() {
    let place = fleet();
    let runs = place.path("fleet/beta/copycost-runs");
    for name in ["device", "folder"] {
        std::fs::create_dir(runs.join(name)).unwrap();
    }
    // Who is not under sudo may keep a journal elsewhere, but not in a device.
    std::os::unix::fs::symlink("/dev/zero", runs.join("device/journal.jsonl")).unwrap();
    std::fs::create_dir(runs.join("folder/journal.jsonl")).unwrap();
    for named in [
        &["fleet/beta"][..],
        &[
            "fleet/beta/copycost-runs/one",
            "fleet/beta/copycost-runs/device",
            "fleet/beta/copycost-runs/folder",
        ],
    ] {
        let ended = place.copycost(&[&["table"], named].concat()).ends_with(0);
        for part in ["device/journal.jsonl is a pipe, a device", "folder/journal.jsonl is a pipe"] {
            assert!(ended.error.contains(part), "{part}: {ended:#?}");
        }
        assert_eq!(ended.error.lines().count(), 2, "{ended:#?}");
        assert!(!ended.error.contains("no journal.jsonl"), "{ended:#?}");
    }
}

#[test]
fn the_other_formats_and_the_metrics_are_asked_for() {
    let place = fleet();
    let ended = place
        .copycost(&["table", "fleet", "--format", "jsonl", "--metric", "goodput_gbps"])
        .ends_with(0);
    for line in ended.output.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(row["metric"], "goodput_gbps");
        assert!(row["value"].is_number(), "{row}");
    }
    let ended = place.copycost(&["table", "fleet", "--format", "screen"]).ends_with(0);
    assert!(ended.output.contains("alpha") && ended.output.contains("beta"), "{ended:#?}");
    let ended = place.copycost(&["table", "fleet", "--metric", "goodput"]).ends_with(2);
    assert!(ended.complaint().contains("did you mean \"goodput_gbps\"?"), "{ended:#?}");
    let ended = place.copycost(&["table", "fleet", "--format", "xml"]).ends_with(2);
    assert!(ended.complaint().contains("csv, jsonl, screen"), "{ended:#?}");
}

#[test]
fn a_table_of_nothing_is_wrong_usage_and_a_strict_one_is_whole() {
    let place = fleet();
    let ended = place.copycost(&["table"]).ends_with(2);
    assert!(ended.complaint().contains("copycost-runs"), "{ended:#?}");
    let ended = place.copycost(&["table", "fleet/notes", "nowhere"]).ends_with(2);
    assert!(ended.error.contains("fleet/notes holds no run"), "{ended:#?}");
    assert!(ended.complaint().contains("fleet/notes, nowhere"), "{ended:#?}");
    let ended = place.copycost(&["table", "--strict", "fleet"]).ends_with(1);
    assert!(!ended.output.is_empty() && ended.complaint().contains("2 directories"), "{ended:#?}");
    place.copycost(&["table", "--strict", "fleet/beta"]).ends_with(0);
}

#[test]
fn a_reader_of_the_table_that_went_away_has_had_enough() {
    let place = fleet();
    let mut child = place
        .command(&["table", "fleet/beta"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut error = String::new();
    child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    let code = child.wait().unwrap().code();
    Ended { code, output: String::new(), error: error.clone() }.ends_with(0);
    assert_eq!(error, "");
}
