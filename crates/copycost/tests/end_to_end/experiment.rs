//! `copycost experiment`: what there is, and what running it tells.

use serde_json::{Value, json};

use crate::common::{Place, only_run};

#[test]
fn experiments_are_listed_and_shown_without_measuring() {
    let place = Place::new();
    let list = place.copycost(&["experiment", "list"]).ends_with(0);
    for experiment in model::Experiment::ALL {
        assert!(list.output.contains(experiment.name()), "{experiment}: {list:#?}");
        let shown = place.copycost(&["experiment", "show", experiment.name()]).ends_with(0);
        for number in experiment.claims() {
            assert!(shown.output.contains(&format!("C{number} ")), "{experiment}: {shown:#?}");
        }
        for (factor, values) in experiment.factors() {
            let flag = format!("--{} {values}", factor.key());
            assert!(shown.output.replace("\n  ", " ").contains(&flag), "{flag}: {shown:#?}");
        }
    }
    assert_eq!(place.copycost(&["experiment"]).ends_with(0).output, list.output);
    assert!(!place.path("copycost-runs").exists());
}

#[test]
fn wrong_names_are_one_line_with_those_that_there_are() {
    let place = Place::new();
    for (line, part) in [
        (&["experiment", "show", "cals"][..], "did you mean \"calls\"?"),
        (&["experiment", "run", "everything"], "one of: copies, calls"),
        (&["experiment", "run", "calls", "--max-time", "5"], "--max-time: \"5\" is no time"),
        (&["experiment", "run"], "<NAME>"),
    ] {
        let ended = place.copycost(line).ends_with(2);
        assert!(ended.complaint().contains(part), "{line:?}: {ended:#?}");
    }
    assert!(!place.path("copycost-runs").exists());
}

#[test]
fn a_run_of_one_tells_every_claim_and_keeps_its_records() {
    let place = Place::new();
    let line = ["experiment", "run", "placement", "--max-time", "3s", "--json"];
    let ended = place.copycost(&line).ends_with(0);
    let told: Value = serde_json::from_str(&ended.output).unwrap();
    let claims = told.as_array().unwrap();
    assert_eq!(claims.len(), 25);
    let of = |id: &str| claims.iter().find(|claim| claim["id"] == id).unwrap();
    // Made for it and run, whatever it came to in so short a time.
    assert_eq!(of("c25")["ruling"]["experiment"], "placement");
    assert_eq!(of("c12")["ruling"]["kind"], "not-run");
    assert!(of("c12")["because"].as_str().unwrap().contains("experiment run fall"));
    assert!(ended.error.contains("experiment 1 of 1: placement"), "{ended:#?}");
    assert!(only_run(&place, "placement-").join("report.html").is_file());

    // The same run, read again, says the same; what the paper's own table says stands beside.
    let ruling = |claim: &Value| (claim["id"].clone(), claim["verdict"].clone());
    let judged = |line: &[&str]| -> Vec<Value> {
        let ended = place.copycost(line).ends_with(0);
        serde_json::from_str::<Value>(&ended.output).unwrap().as_array().unwrap().clone()
    };
    let again = judged(&["experiment", "judge", "--json"]);
    assert_eq!(
        again.iter().map(ruling).collect::<Vec<_>>(),
        claims.iter().map(ruling).collect::<Vec<_>>()
    );
    assert!(again.iter().all(|claim| claim["own_table"].is_null()));
    let table = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/paper-figures.csv");
    place.copycost(&["import", table, "--out", "paper"]).ends_with(0);
    let both = judged(&["experiment", "judge", "copycost-runs", "paper", "--json"]);
    let of = |id: &str| both.iter().find(|claim| claim["id"] == id).unwrap();
    assert_eq!(of("c25")["ruling"]["experiment"], "placement");
    assert_eq!(
        (&of("c23")["own_table"], &of("c23")["ruling"]["kind"]),
        (&json!("contradicts"), &json!("not-run"))
    );
    let told = place.copycost(&["experiment", "judge", "copycost-runs", "paper"]).ends_with(0);
    assert!(
        told.output.contains("placement: copycost report copycost-runs/placement-"),
        "{told:#?}"
    );
    assert!(told.output.lines().next().unwrap().contains("own table contradicts"), "{told:#?}");
    assert!(told.output.contains("a run of another plan: copycost report paper"), "{told:#?}");
    let nothing = place.copycost(&["experiment", "judge", "no-such-place"]).ends_with(2);
    assert!(nothing.complaint().contains("no run can be read in no-such-place"), "{nothing:#?}");
}
