//! The gates that need minutes: which files each covers, and whether they are as when it last passed.
//!
//! `.ci/passed` is committed and holds a checksum of every path that a gate covers, as it was when the gate passed. A gate
//! is passed over, or made shorter, only where all of them agree; whatever is missing, new, unreadable or different makes it
//! run. It needs no history, so that a shallow clone and an unpacked archive decide alike.

use std::fs;
use std::path::{Path, PathBuf};

use crate::checksum::checksum;
use crate::metadata::root;

/// Where the checksums are kept.
const RECORD: &str = ".ci/passed";
const HEADING: &str = "# What each gate last passed with; written by `cargo run -p xtask -- passed GATE --record` when it has passed.\n";

/// A gate of `.ci/run`, and the paths whose change can change what it finds.
struct Gate {
    name: &'static str,
    covers: &'static [&'static [&'static str]],
}

/// What is built, how, and how the gates are run.
const BUILD: &[&str] = &[".ci/run", "Cargo.lock", "Cargo.toml"];
/// What runs a trial, from the command line down to the system calls.
const TRIAL: &[&str] = &[
    "crates/copycost/Cargo.toml",
    "crates/copycost/src",
    "crates/engine/Cargo.toml",
    "crates/engine/src",
    "crates/journal/Cargo.toml",
    "crates/journal/src",
    "crates/kernel/Cargo.toml",
    "crates/kernel/bpf",
    "crates/kernel/src",
    "crates/model/Cargo.toml",
    "crates/model/src",
    "crates/study/Cargo.toml",
    "crates/study/src",
];
/// The laws that the gate in QEMU reads, and what they judge by.
const LAWS: &[&str] =
    &["crates/analysis/Cargo.toml", "crates/analysis/src", "crates/report/src/summary_json.rs"];

/// What reads files and words that others may have written.
const READING: &[&str] = &[
    "crates/analysis/Cargo.toml",
    "crates/analysis/src",
    "crates/foreign/Cargo.toml",
    "crates/foreign/src",
    "crates/report/Cargo.toml",
    "crates/report/src",
];

/// What a scheduler is given, and what reckons its runs anew.
const FLEET: &[&str] =
    &["docs/fleet/slurm.sbatch", "docs/queries.sql", "xtask/fleet.py", "xtask/src/slurm.rs"];

const GATES: [Gate; 6] = [
    Gate {
        name: "aarch64",
        covers: &[
            BUILD,
            TRIAL,
            LAWS,
            // The tests that are run there.
            &["crates/kernel/tests/copy_audit.rs", "crates/kernel/tests/counters.rs"],
            &["xtask/src/aarch64", "xtask/src/aarch64.rs", "xtask/src/dist", "xtask/src/dist.rs"],
            &["xtask/src/vm", "xtask/src/vm.rs"],
        ],
    },
    Gate {
        name: "campaign",
        covers: &[BUILD, TRIAL, READING, &["xtask/src/campaign", "xtask/src/campaign.rs"]],
    },
    Gate {
        name: "cut-peers",
        covers: &[BUILD, TRIAL, &["xtask/src/cut_peers", "xtask/src/cut_peers.rs"]],
    },
    Gate { name: "killed-runs", covers: &[BUILD, TRIAL, &["xtask/src/killed_runs.rs"]] },
    Gate { name: "slurm", covers: &[BUILD, TRIAL, FLEET] },
    Gate { name: "vm", covers: &[BUILD, TRIAL, LAWS, &["xtask/src/vm", "xtask/src/vm.rs"]] },
];

impl Gate {
    fn paths(&self) -> impl Iterator<Item = &'static str> {
        self.covers.iter().flat_map(|paths| paths.iter().copied())
    }
}

/// `passed GATE`: succeeds where all that the gate covers is as when it last passed. `passed GATE --record`: it has passed now.
pub(crate) fn run(words: &[String]) -> Result<String, String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (name, is_new) = match words.as_slice() {
        [name] => (*name, false),
        [name, "--record"] => (*name, true),
        _ => return Err("name a gate: cargo run -p xtask -- passed GATE [--record]".to_owned()),
    };
    let Some(gate) = GATES.iter().find(|gate| gate.name == name) else {
        let names: Vec<&str> = GATES.iter().map(|gate| gate.name).collect();
        return Err(format!("there is no gate \"{name}\"; there are {}", names.join(" and ")));
    };
    let root = root();
    let path = root.join(RECORD);
    // Without a record every gate runs.
    let record = fs::read_to_string(&path).unwrap_or_default();
    let now = checksums(&root, gate)?;
    if is_new {
        fs::write(&path, recorded(&record, name, &now))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        return Ok(format!("recorded in {RECORD}; commit it"));
    }
    match changed(&record, name, &now).as_slice() {
        all if all.len() == now.len() => Err(format!("{RECORD} does not say that {name} passed")),
        [] => Ok(format!("all that it covers is as when it last passed ({RECORD})")),
        changed => Err(format!("changed since it last passed: {}", changed.join(", "))),
    }
}

/// A gate's paths and the checksum of each, a line each as they stand in the record.
fn checksums(root: &Path, gate: &Gate) -> Result<Vec<(&'static str, String)>, String> {
    gate.paths().map(|path| Ok((path, checksum_of(root, path)?))).collect()
}

/// The checksum of a file, or of all files in a folder with their names.
fn checksum_of(root: &Path, path: &str) -> Result<String, String> {
    let mut files = Vec::new();
    let mut open = vec![root.join(path)];
    while let Some(path) = open.pop() {
        let failed = |error| format!("{}: {error}", path.display());
        if fs::metadata(&path).map_err(failed)?.is_dir() {
            for entry in fs::read_dir(&path).map_err(failed)? {
                open.push(entry.map_err(failed)?.path());
            }
        } else {
            files.push(path);
        }
    }
    files.sort();
    let contents: Result<Vec<(PathBuf, Vec<u8>)>, String> = files
        .into_iter()
        .map(|file| {
            let bytes = fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            let name = file.strip_prefix(root).unwrap_or(&file).to_owned();
            Ok((name, bytes))
        })
        .collect();
    let contents = contents?;
    let parts = contents.iter().flat_map(|(name, bytes)| {
        // A name and the bytes after it are told apart by a byte that no name has.
        [name.as_os_str().as_encoded_bytes(), b"\0", bytes.as_slice(), b"\0"]
    });
    Ok(checksum(&parts.collect::<Vec<_>>()))
}

fn line(gate: &str, path: &str, checksum: &str) -> String {
    format!("{gate} {path} {checksum}\n")
}

/// The paths that do not stand in the record as they are now.
fn changed(record: &str, gate: &str, now: &[(&'static str, String)]) -> Vec<&'static str> {
    let lines: Vec<&str> = record.lines().collect();
    let stands = |path: &str, sum: &str| lines.contains(&line(gate, path, sum).trim_end());
    now.iter().filter(|(path, sum)| !stands(path, sum)).map(|(path, _)| *path).collect()
}

/// The record with a gate's lines anew, and the other gates' as they were.
fn recorded(record: &str, gate: &str, now: &[(&'static str, String)]) -> String {
    let others = record.lines().filter(|line| {
        let name = line.split(' ').next().unwrap_or_default();
        name != gate && GATES.iter().any(|gate| gate.name == name)
    });
    let others = others.map(|line| format!("{line}\n"));
    let mut lines: Vec<String> =
        now.iter().map(|(path, sum)| line(gate, path, sum)).chain(others).collect();
    lines.sort();
    format!("{HEADING}{}", lines.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_in_the_table_is_there_and_stands_there_once() {
        for gate in &GATES {
            checksums(&root(), gate).unwrap();
            let mut paths: Vec<&str> = gate.paths().collect();
            let all = paths.len();
            paths.sort_unstable();
            paths.dedup();
            assert_eq!(paths.len(), all, "{}", gate.name);
        }
    }

    #[test]
    fn every_crate_that_takes_part_in_a_trial_is_covered_by_every_gate() {
        // All that the binary is built from, but for what derives reports and reads tables; in QEMU the laws are read too, and what
        // a campaign forges is read by most of it.
        let apart = ["analysis", "figure-png", "foreign", "report", "synthetic"];
        for entry in fs::read_dir(root().join("crates")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let sources = format!("crates/{name}/src");
            for gate in &GATES {
                let covers = gate.paths().any(|path| path == sources);
                let reads: &[&str] = match gate.name {
                    "aarch64" | "vm" => &["analysis"],
                    "campaign" => &["analysis", "foreign", "report"],
                    _ => &[],
                };
                let name = name.as_str();
                let takes_part = reads.contains(&name) || !apart.contains(&name);
                assert_eq!(covers, takes_part, "{}: {sources}", gate.name);
            }
        }
    }

    #[test]
    fn a_gate_is_passed_over_only_while_every_path_is_as_recorded() {
        let now = vec![("a", "1".to_owned()), ("b", "2".to_owned())];
        assert_eq!(changed("", "vm", &now), ["a", "b"]);
        let record = recorded("", "vm", &now);
        assert!(changed(&record, "vm", &now).is_empty());
        assert_eq!(changed(&record, "killed-runs", &now), ["a", "b"]);
        let edited = vec![("a", "1".to_owned()), ("b", "3".to_owned())];
        assert_eq!(changed(&record, "vm", &edited), ["b"]);
        // A path that the table did not have when the gate passed.
        let more = [now.clone(), vec![("c", "4".to_owned())]].concat();
        assert_eq!(changed(&record, "vm", &more), ["c"]);
    }

    #[test]
    fn recording_a_gate_leaves_the_others_and_drops_what_it_no_longer_covers() {
        let first = recorded("", "vm", &[("a", "1".to_owned()), ("old", "2".to_owned())]);
        let both = recorded(&first, "killed-runs", &[("a", "1".to_owned())]);
        let again = recorded(&both, "vm", &[("a", "5".to_owned())]);
        assert_eq!(again, format!("{HEADING}killed-runs a 1\nvm a 5\n"));
    }

    #[test]
    fn a_checksum_knows_contents_and_names() {
        let folder = std::env::temp_dir().join(format!("copycost-passed-{}", std::process::id()));
        let inner = folder.join("inner");
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("one"), "1").unwrap();
        let first = checksum_of(&folder, "inner").unwrap();
        fs::write(inner.join("one"), "2").unwrap();
        let other_content = checksum_of(&folder, "inner").unwrap();
        fs::write(inner.join("one"), "1").unwrap();
        let as_before = checksum_of(&folder, "inner").unwrap();
        fs::rename(inner.join("one"), inner.join("two")).unwrap();
        let other_name = checksum_of(&folder, "inner").unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(first, as_before);
        assert_ne!(first, other_content);
        assert_ne!(first, other_name);
        assert!(checksum_of(&folder, "inner").is_err());
    }

    #[test]
    fn the_gates_are_those_that_ci_asks_for() {
        let script = fs::read_to_string(root().join(".ci/run")).unwrap();
        for gate in &GATES {
            assert!(script.contains(&format!("unchanged {}", gate.name)), "{}", gate.name);
            assert!(script.contains(&format!("passed {} --record", gate.name)), "{}", gate.name);
        }
    }

    #[test]
    fn a_gate_that_is_not_known_is_refused_with_those_that_are() {
        assert!(run(&["nobody".to_owned()]).unwrap_err().contains("killed-runs and slurm and vm"));
        assert!(run(&[]).unwrap_err().contains("name a gate"));
    }
}
