//! `copycost selftest`: judging equal cells that were measured, and measuring some.

use journal::RunDirectory;
use model::Factor;

use crate::common::Place;

/// A made-up run of equal cells.
fn made(place: &Place, replicas: &str) {
    let plan = synthetic::without_controls(&[
        (Factor::Send, "sendmsg"),
        (Factor::Message, "4096,65536"),
        (Factor::Threads, "1"),
        (Factor::Replica, replicas),
    ]);
    let (run, mut journal) = RunDirectory::begin(&place.path("run"), None).unwrap();
    run.write_plan(&plan).unwrap();
    run.write_host(&synthetic::host()).unwrap();
    for record in synthetic::run(&plan, 20, |cell, round| {
        synthetic::trial(cell, round).faster(synthetic::noise(1, cell, round, 0.02))
    }) {
        journal.append(&record).unwrap();
    }
}

#[test]
fn equal_cells_of_an_earlier_run_are_judged_as_text_and_as_json() {
    let place = Place::new();
    made(&place, "1,2,3,4");
    let text = place.copycost(&["selftest", "--of", "run"]).ends_with(0).output;
    assert!(text.starts_with("This machine can see differences of "), "{text}");
    assert!(text.contains("4 KiB") && text.contains(" of 8 times"), "{text}");
    let json = place.copycost(&["selftest", "--of", "run", "--json"]).ends_with(0).output;
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["told_apart"][0]["of"], 8, "two studies of two pairs at two sizes");
    assert!(value["noise"][0]["detectable"][1]["difference"].is_number(), "{value}");
    assert!(!place.path("run/report.html").exists(), "what is only judged is left as it is");
}

#[test]
fn a_run_without_equal_cells_and_a_wrong_time_are_wrong_usage() {
    let place = Place::new();
    made(&place, "1");
    let ended = place.copycost(&["selftest", "--of", "run"]).ends_with(2);
    assert!(ended.complaint().contains("--replica 1,2,3,4"), "{ended:#?}");
    let ended = place.copycost(&["selftest", "--time", "60"]).ends_with(2);
    assert!(ended.complaint().contains("--time: "), "{ended:#?}");
    let ended = place.copycost(&["selftest", "--of", "nowhere"]).ends_with(2);
    assert!(ended.complaint().contains("nowhere"), "{ended:#?}");
    assert!(!place.path("copycost-runs").exists());
}

#[test]
fn a_short_one_measures_and_leaves_latest_alone() {
    let place = Place::new();
    let ended = place.copycost(&["selftest", "--time", "5s", "--quiet"]);
    let runs: Vec<_> = std::fs::read_dir(place.path("copycost-runs")).unwrap().flatten().collect();
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert!(runs[0].file_name().to_string_lossy().starts_with("selftest-"), "{runs:?}");
    // A machine that is busy with other tests may not get to two rounds.
    if ended.code == Some(3) {
        let whys = ["two", "not one valid trial: too many missed windows"];
        assert!(whys.iter().any(|why| ended.complaint().contains(why)), "{ended:#?}");
    } else {
        let ended = ended.ends_with(0);
        assert!(ended.output.contains("differences of "), "{ended:#?}");
    }
}
