//! A machine whose loopback device is down, as in a network namespace that was just made.

use std::process::{Command, Stdio};

use crate::common::{Ended, PATIENCE, Place, TINY};

/// The program in a network namespace of its own; nothing where none may be made.
fn without_loopback(place: &Place, arguments: &[&str]) -> Option<Ended> {
    let made = Command::new("unshare").args(["--net", "true"]).stderr(Stdio::null()).status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!(
            "skipped: no network namespace can be made here (root, and unshare of util-linux)"
        );
        return None;
    }
    let mut command = Command::new("unshare");
    command.arg("--net").arg(assert_cmd::cargo::cargo_bin!("copycost")).args(arguments);
    command.current_dir(place.path(""));
    let mut command = assert_cmd::Command::from_std(command);
    Some(Ended::of(command.timeout(PATIENCE).output().unwrap()))
}

#[test]
fn probe_says_no_and_how_to_bring_it_up() {
    let Some(ended) = without_loopback(&Place::new(), &["probe", "--json"]) else { return };
    let probe: serde_json::Value = serde_json::from_str(&ended.ends_with(0).output).unwrap();
    for family in ["ipv4", "ipv6"] {
        let name = format!("loopback {family}");
        let items = probe["items"].as_array().unwrap();
        let state = &items.iter().find(|item| item["name"] == name).unwrap()["state"];
        assert_eq!(state["answer"], "no", "{state}");
        assert_eq!(state["unlock"], "sudo ip link set lo up", "{state}");
        assert_eq!(state["undo"], "sudo ip link set lo down", "{state}");
    }
}

#[test]
fn run_and_verify_say_so_before_anything_is_measured() {
    let place = Place::new();
    let mut line = TINY.to_vec();
    line.extend(["--out", "run"]);
    for line in [&line[..], &["verify"]] {
        let Some(ended) = without_loopback(&place, line) else { return };
        let ended = ended.ends_with(3);
        assert!(ended.complaint().contains("; sudo ip link set lo up"), "{ended:#?}");
        assert_eq!(ended.error.lines().count(), 1, "{ended:#?}");
    }
    assert!(!place.path("run").exists(), "nothing was begun");
}
