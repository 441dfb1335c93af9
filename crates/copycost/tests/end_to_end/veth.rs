//! The link `veth`: as root it is measured, otherwise refused with what would give it.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::common::{Ended, Place, TINY, trials};

/// TINY over these links, one size.
fn over(links: &str) -> Vec<&str> {
    let mut line = TINY.to_vec();
    line[4] = "4KiB";
    line.extend(["--controls", "off", "--out", "run", "--link", links]);
    line
}

/// What `probe` says of veth: nothing where it can be had.
fn refusal(probe: &Ended) -> Option<serde_json::Value> {
    let told: serde_json::Value = serde_json::from_str(&probe.output).unwrap();
    let items = told["items"].as_array().unwrap();
    let state = items.iter().find(|item| item["name"] == "veth ipv4").unwrap()["state"].clone();
    (state["answer"] != "yes").then_some(state)
}

#[test]
fn a_run_over_veth_measures_and_records_its_devices() {
    let place = Place::new();
    if let Some(why) = refusal(&place.copycost(&["probe", "--json"])) {
        eprintln!("skipped: {why}");
        return;
    }
    let mut line = over("loopback,veth");
    line.extend(["--mtu", "auto,9000"]);
    let ended = place.copycost(&line).ends_with(0);
    assert!(ended.output.contains("veth"), "{ended:#?}");
    // Loopback has no device of ours: there it is measured once, as it is.
    assert!(!ended.error.contains("not measured: "), "{ended:#?}");
    let refused = place.copycost(&["run", "--link", "loopback", "--mtu", "9000"]).ends_with(2);
    assert!(refused.error.contains("mtu means nothing on loopback"), "{refused:#?}");
    let trials = trials(&place.path("run"));
    for (mtu, cell) in
        [("1500", "link=veth message_bytes=4096 threads=1\""), ("9000", "mtu=9000\"")]
    {
        let of_cell: Vec<_> = trials
            .iter()
            .filter(|trial| trial.contains("link=veth") && trial.contains(cell))
            .collect();
        assert!(of_cell.len() >= 4, "two paths and two rounds: {}", of_cell.len());
        let facts = format!("\"link\":{{\"mtu_bytes\":{mtu},\"tso\":true");
        assert!(of_cell.iter().all(|trial| trial.contains(&facts)), "{of_cell:#?}");
    }
    // A namespace never shows among the machine's interfaces.
    let devices = std::fs::read_to_string("/proc/net/dev").unwrap();
    assert!(!devices.contains("send0") && !devices.contains("recv0"), "{devices}");
}

/// The program as nobody (65534), in a place that nobody may enter and write; as it is where this is no root.
fn as_nobody(place: &Place, arguments: &[&str]) -> Ended {
    let here = place.path("");
    if std::fs::metadata(&here).unwrap().uid() != 0 {
        return place.copycost(arguments);
    }
    std::fs::set_permissions(&here, std::fs::Permissions::from_mode(0o777)).unwrap();
    let program = place.path("copycost");
    std::fs::copy(assert_cmd::cargo::cargo_bin!("copycost"), &program).unwrap();
    let mut command = Command::new(program);
    Ended::of(command.args(arguments).current_dir(here).uid(65_534).gid(65_534).output().unwrap())
}

#[test]
fn without_root_veth_is_refused_with_the_remedy_and_the_rest_runs() {
    let place = Place::new();
    let Some(state) = refusal(&as_nobody(&place, &["probe", "--json"])) else {
        eprintln!("skipped: here anybody may make network namespaces");
        return;
    };
    assert_eq!(state["unlock"], "sudo copycost run --link veth");
    assert!(state["because"].as_str().unwrap().contains("CAP_SYS_ADMIN is missing"), "{state}");

    let ended = as_nobody(&place, &over("veth")).ends_with(3);
    let complaint = ended.complaint();
    assert!(complaint.contains("CAP_SYS_ADMIN is missing"), "{complaint}");
    assert!(complaint.ends_with("; sudo copycost run --link veth"), "{complaint}");
    assert!(!place.path("run").exists(), "nothing was begun");

    let ended = as_nobody(&place, &over("loopback,veth")).ends_with(0);
    assert!(
        ended.error.contains("not measured: ") && ended.error.contains("CAP_SYS_ADMIN"),
        "{ended:#?}"
    );
    let finished = |trial: &&String| trial.contains("\"finished\"");
    let measured = trials(&place.path("run"));
    assert!(measured.iter().filter(finished).count() >= 4, "{measured:#?}");
    let over_veth = measured.iter().filter(|trial| trial.contains("link=veth"));
    assert_eq!(over_veth.filter(finished).count(), 0);
}
