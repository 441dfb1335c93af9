//! The link `sink`: as root it is measured, and zero-copy copies nothing there.

use crate::common::{Place, TINY, trials};

/// What `probe` says of the sink: nothing where it can be had.
fn refusal(place: &Place) -> Option<serde_json::Value> {
    let probe = place.copycost(&["probe", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&probe.output).unwrap();
    let items = told["items"].as_array().unwrap();
    let state = items.iter().find(|item| item["name"] == "sink ipv4").unwrap()["state"].clone();
    (state["answer"] != "yes").then_some(state)
}

#[test]
fn a_run_over_the_sink_records_what_its_program_counted() {
    let place = Place::new();
    if let Some(why) = refusal(&place) {
        eprintln!("skipped: {why}");
        return;
    }
    let mut line = TINY.to_vec();
    (line[2], line[4]) = ("sendmsg,zerocopy", "16KiB");
    line.extend(["--controls", "off", "--out", "run", "--link", "sink"]);
    line.extend(["--ack-interval", "20us,1ms"]);
    let ended = place.copycost(&line).ends_with(0);
    assert!(ended.output.contains("sink"), "{ended:#?}");
    let trials = trials(&place.path("run"));
    assert!(trials.len() >= 8, "two paths, two intervals and two rounds: {}", trials.len());
    for trial in &trials {
        let record: serde_json::Value = serde_json::from_str(trial).unwrap();
        let text = record.to_string();
        let finished = find(&record, "finished").unwrap_or_else(|| panic!("{text}"));
        let (sent, sink) = (&finished["sender"]["total"], &finished["sink"]);
        assert_eq!(sink["total"]["payload_bytes"], sent["accepted_bytes"], "{text}");
        assert_eq!(sink["total"]["refused"], 0, "{text}");
        assert_eq!(sent["copied"], 0, "{text}");
        assert_eq!(sent["completed"], sent["zerocopy_sends"], "{text}");
        assert!(finished["link"]["mtu_bytes"] == 1500, "{text}");
        let why = &finished["receiver"]["tcp"]["absent"];
        assert_eq!(why, "the sink has no receiving socket", "{text}");
    }
}

/// The value of a key, wherever it stands.
fn find<'v>(value: &'v serde_json::Value, key: &str) -> Option<&'v serde_json::Value> {
    match value {
        serde_json::Value::Object(map) => {
            map.get(key).or_else(|| map.values().find_map(|value| find(value, key)))
        }
        serde_json::Value::Array(values) => values.iter().find_map(|value| find(value, key)),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_) => None,
    }
}
