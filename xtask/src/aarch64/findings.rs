//! What probe, verify and a run must have found on aarch64 in QEMU.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::vm::judgement::Found;

/// Of all events the one that QEMU's PMUv3 counts without `-icount`.
const COUNTED: &str = "cycles";
/// How cycles and CPU time of all trials together may differ: QEMU's processor makes one cycle a nanosecond. Of a single trial they may
/// differ by more, as counters and clock are read one after the other, and a machine made of software stands still in between.
const CYCLES_A_NANOSECOND: std::ops::Range<f64> = 0.7..1.4;
/// Cells of the run: three paths, with one thread and with two.
const CELLS: usize = 6;

/// Major and minor of a kernel's package.
pub(super) fn version(package: &str) -> Option<(u32, u32)> {
    let mut parts = package.strip_prefix("linux-image-")?.split(['.', '+', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Judges what the machine sent back; `read` reads a file of it.
pub(super) fn judge(read: &dyn Fn(&str) -> Result<String, String>) -> Result<Found, String> {
    let json = |name: &str| -> Result<Value, String> {
        let text = read(name)?;
        serde_json::from_str(&text).map_err(|why| format!("{name}: {why}: {text}"))
    };
    let mut found = Found::default();
    probed(&json("probe.json")?, &mut found);
    for command in ["verify", "quick"] {
        let status = read(&format!("{command}.status"))?;
        if status.trim() != "0" {
            let said = read(&format!("{command}.log"))?;
            found.differing.push(format!(
                "{command} ended with {}: {}",
                status.trim(),
                said.trim()
            ));
        }
    }
    verified(&json("verify.json")?, &mut found);
    let journal: Result<Vec<Value>, _> =
        read("quick/journal.jsonl")?.lines().map(serde_json::from_str).collect();
    measured(&journal.map_err(|why| format!("quick/journal.jsonl: {why}"))?, &mut found);
    reported(&json("quick.json")?, &read("quick/files")?, &mut found);
    Ok(found)
}

fn probed(probe: &Value, found: &mut Found) {
    let host = &probe["host"];
    found.lines.push(format!(
        "  {}, Linux {}, pages of {} B",
        host["cpu_model"], host["kernel"], host["page_bytes"]
    ));
    if host["architecture"] != "aarch64" {
        found.differing.push(format!("probe calls the machine {}", host["architecture"]));
    }
    let items = probe["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut yes = 0;
    for item in items {
        let (name, state) = (item["name"].as_str().unwrap_or("?"), &item["state"]);
        let is_there = state["answer"] == "yes";
        yes += usize::from(is_there);
        let must_be = match item["group"].as_str() {
            // Software counters are no items; of the others QEMU has one.
            Some("counter") => name == COUNTED,
            // What a link lacks it lacks on every machine.
            Some("send path" | "receive path") => !name.contains(" over "),
            Some("link") => name.starts_with("loopback") || name == "unix" || is_there,
            Some("instrument") => true,
            _ => is_there,
        };
        if is_there != must_be {
            found.differing.push(format!("probe: {name} is {state}"));
        }
        if !is_there && state["because"].as_str().is_none_or(str::is_empty) {
            found.differing.push(format!("probe: {name} is absent without a reason"));
        }
    }
    if !items.iter().any(|item| item["group"] == "counter" && item["name"] == COUNTED) {
        found.differing.push(format!("probe does not tell of {COUNTED}"));
    }
    found.lines.push(format!("  probe: {yes} of {} yes, {COUNTED} among them", items.len()));
}

fn verified(verified: &Value, found: &mut Found) {
    let cells = verified["cells"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut bytes = 0;
    for cell in cells {
        bytes += cell["checked_bytes"].as_u64().unwrap_or(0);
        if !cell["fault"].is_null() || cell["messages"].as_u64().is_none_or(|sent| sent == 0) {
            let (id, fault) = (&cell["cell"], &cell["fault"]);
            found
                .differing
                .push(format!("verify: {id} moved {} messages: {fault}", cell["messages"]));
        }
    }
    if bytes == 0 {
        found.differing.push("verify compared no byte".to_owned());
    }
    found.lines.push(format!("  verify: {} cells, {bytes} bytes compared", cells.len()));
}

/// Each cell has trials that counted cycles on both sides, all together as many as the CPU time of their workers makes plausible.
fn measured(journal: &[Value], found: &mut Found) {
    let trials = journal.iter().filter(|record| record["kind"] == "trial");
    let mut whole: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut cycles, mut running_ns) = (0.0, 0.0);
    for trial in trials {
        let cell = trial["body"]["cell"].as_str().unwrap_or("?");
        let finished = &trial["body"]["outcome"]["finished"];
        let counted = |side: &str| {
            let counters = &finished[side]["counters"];
            let count = |name: &str| counters[name]["count"].as_f64().filter(|count| *count > 0.0);
            Some((count("cycles")?, count("task_clock_ns")?))
        };
        // A worker that slept through its window counts nothing, and says so: on a processor like this one some do.
        let (Some(sender), Some(receiver)) = (counted("sender"), counted("receiver")) else {
            continue;
        };
        *whole.entry(cell).or_default() += 1;
        cycles += sender.0 + receiver.0;
        running_ns += sender.1 + receiver.1;
        for side in ["sender", "receiver"] {
            for absent in ["instructions", "cache_misses"] {
                let is = &finished[side]["counters"][absent];
                if is["absent"].as_str().is_none_or(str::is_empty) {
                    found
                        .differing
                        .push(format!("{cell}: {absent} is {is} on a PMU that has none"));
                }
            }
        }
    }
    if whole.len() != CELLS {
        found.differing.push(format!("{} cells counted cycles, not {CELLS}", whole.len()));
    }
    let each = cycles / running_ns;
    if !CYCLES_A_NANOSECOND.contains(&each) {
        found.differing.push(format!("{cycles} cycles in {running_ns} ns of CPU time"));
    }
    let trials: usize = whole.values().sum();
    found.lines.push(format!(
        "  run: {trials} trials of {} cells counted cycles, {each:.3} a nanosecond of CPU time",
        whole.len()
    ));
}

/// The report that the machine itself derived has its files.
fn reported(summary: &Value, files: &str, found: &mut Found) {
    let files: Vec<&str> = files.split_whitespace().collect();
    for name in ["results.csv", "report.html", "report.md", "cpu-cost-over-size.png"] {
        if !files.contains(&name) {
            found.differing.push(format!("the run left no {name}"));
        }
    }
    if summary["estimates"].as_array().is_none_or(|cells| cells.len() != CELLS) {
        found.differing.push(format!("summary.json has not {CELLS} cells"));
    }
}

/// What a test of counters skipped although the machine counts it.
pub(super) fn skipped_counters(said: &str) -> Vec<String> {
    let skipped = said.lines().filter(|line| line.contains(&format!("skipped: {COUNTED}")));
    skipped.map(|line| format!("the tests of counters {line}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn differing(judge: impl FnOnce(&mut Found)) -> Vec<String> {
        let mut found = Found::default();
        judge(&mut found);
        found.differing
    }

    fn trial(cell: usize, cycles: &Value, running_ns: u64) -> Value {
        let none = json!({"absent": "this CPU has no such event"});
        let side = json!({"counters": {
            "cycles": cycles, "task_clock_ns": {"count": running_ns}, "instructions": none, "cache_misses": none,
        }});
        json!({"kind": "trial", "body": {
            "cell": cell.to_string(), "outcome": {"finished": {"sender": side, "receiver": side}},
        }})
    }

    #[test]
    fn each_cell_counts_cycles_and_all_together_one_a_nanosecond() {
        let trials = |cycles: &Value| -> Vec<Value> {
            (0..CELLS).map(|cell| trial(cell, cycles, 1_010_000)).collect()
        };
        let of = |trials: &[Value]| differing(|found| measured(trials, found));
        let whole = trials(&json!({"count": 1_000_000}));
        assert_eq!(of(&whole), [""; 0]);
        assert_eq!(
            of(&trials(&json!({"count": 2_000_000}))),
            ["24000000 cycles in 12120000 ns of CPU time"]
        );
        // Absent, not a number, and none: each is a cell that counted nothing.
        for cycles in [json!({"absent": "x"}), json!({"count": 0}), Value::Null] {
            let found = of(&[&whole[1..], &[trial(0, &cycles, 1)]].concat());
            assert_eq!(found, ["5 cells counted cycles, not 6"]);
        }
        assert_eq!(of(&[]).len(), 2);
        let failed =
            json!({"kind": "trial", "body": {"cell": "0", "outcome": {"failed": {"why": "x"}}}});
        assert_eq!(of(&[&whole[1..], std::slice::from_ref(&failed)].concat()).len(), 1);
        assert_eq!(of(&[&whole[..], &[failed]].concat()), [""; 0]);
        // A figure that the PMU cannot have counted.
        let mut odd = whole;
        odd[0]["body"]["outcome"]["finished"]["sender"]["counters"]["instructions"] =
            json!({"count": 0});
        assert_eq!(of(&odd).len(), 1);
    }

    #[test]
    fn a_probe_must_have_cycles_and_every_path_and_a_reason_for_the_rest() {
        let item = |group: &str, name: &str, state: &Value| json!({"group": group, "name": name, "state": state});
        let (yes, no) = (json!({"answer": "yes"}), json!({"answer": "no", "because": "x"}));
        let probe = |architecture: &str, send: &Value, cycles: &Value, misses: &Value| {
            json!({"host": {"architecture": architecture}, "items": [
                item("send path", "send", send), item("send path", "zerocopy over unix", &no),
                item("counter", COUNTED, cycles), item("counter", "llc-misses", misses),
            ]})
        };
        let of = |probe: Value| differing(|found| probed(&probe, found));
        assert_eq!(of(probe("aarch64", &yes, &yes, &no)), [""; 0]);
        assert_eq!(of(probe("x86_64", &yes, &yes, &no)).len(), 1);
        assert_eq!(of(probe("aarch64", &no, &yes, &no)).len(), 1);
        assert_eq!(of(probe("aarch64", &yes, &no, &no)).len(), 1);
        assert_eq!(of(probe("aarch64", &yes, &yes, &yes)).len(), 1);
        assert_eq!(of(probe("aarch64", &yes, &yes, &json!({"answer": "no"}))).len(), 1);
        assert_eq!(of(json!({"host": {"architecture": "aarch64"}, "items": []})).len(), 1);
    }

    #[test]
    fn a_cell_with_a_fault_or_without_a_message_is_named() {
        let cell = |messages: u64, fault: Value| json!({"cell": "c", "messages": messages, "checked_bytes": messages, "fault": fault});
        let of = |cells: Value| differing(|found| verified(&json!({"cells": cells}), found));
        assert_eq!(of(json!([cell(1, Value::Null)])), [""; 0]);
        assert_eq!(of(json!([cell(1, json!("8 bytes are wrong"))])).len(), 1);
        assert_eq!(of(json!([cell(1, Value::Null), cell(0, Value::Null)])).len(), 1);
        assert_eq!(of(json!([])), ["verify compared no byte"]);
    }

    #[test]
    fn a_test_of_cycles_may_not_be_skipped_and_one_of_instructions_may() {
        assert_eq!(skipped_counters("skipped: cycles: no\nskipped: instructions: no\n").len(), 1);
        assert_eq!(skipped_counters("ok\n"), [""; 0]);
    }

    #[test]
    fn a_kernels_version_stands_in_its_package() {
        assert_eq!(version("linux-image-6.12.117+deb12-arm64-16k"), Some((6, 12)));
        assert_eq!(version("linux-image-6.1.0-57-cloud-arm64"), Some((6, 1)));
        assert_eq!(version("linux-headers"), None);
    }
}
