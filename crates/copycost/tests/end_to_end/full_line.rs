//! A line between two hosts that is shaped, so that the paths fill it: its goodput is called line rate, and CPU decides. As of
//! `ssh.rs` it takes root, `sshd`, `ip` and `nsenter`, and `tc` beside them; without them it is skipped, and says so.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::common::Ended;
use crate::ssh::{Lab, THERE};

/// Rates of which the first that this machine fills is looked at: it may be crowded.
const RATES: [(&str, f64); 3] = [("1gbit", 1.0), ("250mbit", 0.25), ("50mbit", 0.05)];

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.output).unwrap_or_else(|why| panic!("{why}: {ended:#?}"))
}

fn summary(run: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(run.join("summary.json")).unwrap()).unwrap()
}

/// A run of two paths at one size.
fn measured(lab: &Lab) -> (Ended, Value) {
    let _ = std::fs::remove_dir_all(lab.place.path("run"));
    let line = "run --send sendmsg,zerocopy --sizes 64KiB --threads 1 --time 150ms --warmup 50ms --rounds 4 --max-time 10m --controls off --out run --peer";
    let line: Vec<&str> = line.split(' ').chain([THERE]).collect();
    let ended = lab.copycost("config", &line).ends_with(0);
    let summary = summary(&lab.place.path("run"));
    (ended, summary)
}

/// Shapes what leaves this host; false where `tc` cannot.
fn shape(lab: &Lab, rate: &str) -> bool {
    let words = format!("tc qdisc replace dev va root tbf rate {rate} burst 64kb latency 50ms");
    let id = lab.here.id();
    let shaped = Command::new("nsenter").args(["-t", &id, "-n", "sh", "-c", &words]).output();
    match shaped {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            eprintln!("skipped: {words}: {}", String::from_utf8_lossy(&output.stderr).trim());
            false
        }
        Err(error) => {
            eprintln!("skipped: nsenter: {error}");
            false
        }
    }
}

#[test]
fn over_a_line_that_is_full_goodput_is_called_line_rate_and_cpu_decides() {
    let Some(lab) = Lab::new() else { return };
    // Without shaping nothing is known to bound a pair of veth devices.
    let (_, free) = measured(&lab);
    assert!(free["line"]["rate"]["absent"].is_string(), "{}", free["line"]);
    assert_eq!(free["line"]["at_rate"], Value::Array(Vec::new()));
    let mut full = None;
    for (name, gbps) in RATES {
        if !shape(&lab, name) {
            return;
        }
        let (ended, summary) = measured(&lab);
        assert_eq!(summary["line"]["rate"]["line_gbps"], gbps, "{}", summary["line"]);
        assert_eq!(summary["line"]["rate"]["by"]["queueing"], "tbf");
        let all = summary["line"]["at_rate"].as_array().unwrap().len();
        if all == 2 {
            full = Some((name, ended, summary));
            break;
        }
        eprintln!("this machine does not fill {name}: {}", summary["line"]);
    }
    let Some((rate, ended, summary)) = full else { panic!("no rate is filled") };
    // Lines are folded.
    let output = ended.output.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "at line rate, by CPU: ",
        "every cell is at line rate: CPU decides",
        "by tbf of the sender's va",
        "= both at line rate",
        "veth (tbf ",
    ] {
        assert!(output.contains(words), "{words}: {ended:#?}");
    }
    let recommended = &summary["recommendations"][0];
    assert_eq!(recommended["at_line_rate"], true, "{recommended}");
    assert_eq!(recommended["metric"], "ends_cpu_ns_per_kib");
    let ratios = summary["ratios"].as_array().unwrap();
    let of = |metric: &str| ratios.iter().find(|ratio| ratio["metric"] == metric).unwrap();
    assert_eq!(of("goodput_gbps")["finding"], "at-line-rate");
    assert_ne!(of("ends_cpu_ns_per_kib")["finding"], "at-line-rate");
    both_hosts_are_in_every_row(&lab.place.path("run"));

    // The run answers by itself, from CPU, and nobody asks for its peer again.
    let asked = ["advise", "run", "--size", "64KiB", "--send", "sendmsg,zerocopy", "--json"];
    let never = asked.iter().copied().chain(["--measure", "never"]).collect::<Vec<_>>();
    let advice = json(&lab.copycost("config", &never));
    assert_eq!(advice["links"][0]["link"], "ssh", "{advice}");
    assert_eq!(advice["links"][0]["metric"], "ends_cpu_ns_per_kib", "{advice}");
    let seen = advice["links"][0]["line_rate"]["line_gbps"].as_f64();
    assert_eq!(seen, RATES.iter().find(|(name, _)| *name == rate).map(|(_, gbps)| *gbps));
    lab.is_clean();
}

/// `trials.csv` names both hosts, their devices, and what each one's CPUs did.
fn both_hosts_are_in_every_row(run: &Path) {
    let text = std::fs::read_to_string(run.join("trials.csv")).unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    for name in [
        "sender_host",
        "sender_kernel",
        "sender_nic_driver",
        "receiver_host",
        "receiver_kernel",
        "receiver_cpu_model",
        "receiver_nic_driver",
        "receiver_machine_busy_ns",
        "receiver_host_cpu_ns_per_kib",
    ] {
        assert!(header.contains(&name), "{name} is no column");
    }
    // In the column of the driver; no name of a machine has a comma where this runs.
    assert!(lines.all(|line| line.matches("veth").count() >= 2), "{text}");
}

#[test]
fn probe_and_advice_of_a_peer_speak_of_it() {
    let Some(lab) = Lab::new() else { return };
    let told = lab.copycost("config", &["probe", "--peer", THERE, "--json"]).ends_with(0);
    let told = json(&told);
    assert_eq!(told["reached"]["nic_there"]["driver"], "veth", "{told}");
    assert!(told["reached"]["line_round_trip_ns"].as_u64().unwrap() > 0);
    assert!(told["there"]["kernel"].is_string());
    let paths = told["paths"].as_array().unwrap();
    let send = paths.iter().find(|path| path["name"] == "send").unwrap();
    assert_eq!((&send["here"]["answer"], &send["there"]["answer"]), (&"yes".into(), &"yes".into()));
    lab.is_clean();
    let screen = lab.copycost("config", &["probe", "--peer", THERE]).ends_with(0);
    assert!(screen.output.lines().count() <= 40, "one screen: {screen:#?}");
    for word in ["here", "there", "line", "round trip", "zerocopy"] {
        assert!(screen.output.contains(word), "{word}: {screen:#?}");
    }
    // A run over loopback says nothing of a peer: it is measured.
    let short = "--send send,sendmsg --size 16KiB --max-time 6s --json --quiet";
    let local: Vec<&str> =
        ["advise"].into_iter().chain(short.split(' ')).chain(["--link", "loopback"]).collect();
    let _ = json(&lab.copycost("config", &local));
    // On a crowded machine the first rounds may have no valid trial.
    let longer = short.replace("6s", "15s");
    let line: Vec<&str> =
        ["advise"].into_iter().chain(longer.split(' ')).chain(["--peer", THERE]).collect();
    let never: Vec<&str> = line.iter().copied().chain(["--measure", "never"]).collect();
    let unanswered = json(&lab.copycost("config", &never).ends_with(4));
    assert_eq!(unanswered["links"][0]["choice"]["kind"], "not-covered", "{unanswered}");
    let answered = lab.copycost("config", &line);
    let advice = json(&answered);
    let on = advice["links"].as_array().unwrap();
    assert_eq!((on.len(), &on[0]["link"]), (1, &"ssh".into()), "{advice}");
    assert!(on[0]["run"].is_string() && on[0]["choice"]["kind"] != "not-covered", "{advice}");
    // The same question finds that run, and measures no more.
    let again = json(&lab.copycost("config", &never));
    assert_eq!(again["links"][0]["run"], on[0]["run"], "{again}");
    for wrong in [["--link", "loopback"], ["--peer-sends=perhaps", "--json"]] {
        let line = ["advise", "--peer", THERE].into_iter().chain(wrong).collect::<Vec<_>>();
        lab.copycost("config", &line).ends_with(2);
    }
    lab.is_clean();
}
