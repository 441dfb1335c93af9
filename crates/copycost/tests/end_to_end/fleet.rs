//! The ready files of docs/fleet, with stand-ins for what starts them: the scheduler's part is played, copycost's is real. Under a real
//! Slurm runs `cargo run -p xtask -- slurm`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::{Ended, Place, eventually, run_facts, signal_process, trials};
use crate::interruption::{is_ignored, measured, wait};

/// Four cells, two rounds.
const STUDY: &str = "--send send,sendmsg --sizes 512,16KiB --threads 1 --time 20ms --warmup 5ms --tail 2ms --controls off --rounds 2 --max-time 10m --threshold unsettled=1000 --threshold window-void=1000";

fn ready(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/fleet").join(file)
}

/// A place whose path of programs begins with stand-ins, and with this copycost.
fn staged(stand_ins: &[(&str, &str)]) -> Place {
    let place = Place::new();
    std::fs::create_dir(place.path("bin")).unwrap();
    let copycost = place.path("bin/copycost");
    std::os::unix::fs::symlink(assert_cmd::cargo::cargo_bin!("copycost"), copycost).unwrap();
    for (name, script) in stand_ins {
        let path = place.write(&format!("bin/{name}"), &format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    place
}

/// A ready file called in a place, as its first lines say.
fn call(place: &Place, file: &str, first: &[&str], study: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell
        .arg(ready(file))
        .args(first)
        .args(study.split(' '))
        .env("PATH", format!("{}:{path}", place.path("bin").display()))
        .current_dir(place.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    shell
}

#[test]
fn the_slurm_file_measures_on_each_node_and_queues_again_what_was_interrupted() {
    if is_ignored(15) {
        eprintln!("skipped: SIGTERM is ignored by whoever started this test");
        return;
    }
    // The step's process bears the number that is signalled.
    let place = staged(&[
        ("srun", "echo $$ >step; SLURMD_NODENAME=n7 exec \"$@\""),
        ("scontrol", "echo \"$@\" >>scontrol.log"),
    ]);
    let job = |study: &str, goes: u32| {
        let mut command = call(&place, "slurm.sbatch", &[], study);
        command
            .env("SLURM_JOB_ID", "43")
            .env("SLURM_ARRAY_JOB_ID", "42")
            .env("SLURM_ARRAY_TASK_ID", "3")
            .env("SLURM_RESTART_COUNT", goes.to_string());
        command
    };
    let queued = || std::fs::read_to_string(place.path("scontrol.log")).unwrap_or_default();
    let run = place.path("copycost-runs/slurm-42_3-n7");
    let endless = STUDY.replace("--rounds 2", "--rounds 100000");
    let interrupted = |goes: u32, least: usize| {
        let child = job(&endless, goes).spawn().unwrap();
        eventually("two more trials", measured(&run, least));
        let step = std::fs::read_to_string(place.path("step")).unwrap();
        assert!(signal_process("TERM", step.trim().parse().unwrap()));
        wait(child).ends_with(130);
    };
    interrupted(0, 2);
    assert_eq!(queued(), "requeue 43\n");
    let before = trials(&run);
    // Not for ever.
    interrupted(20, before.len() + 2);
    assert_eq!(queued(), "requeue 43\n");
    assert_eq!(trials(&run)[..before.len()], before[..], "a trial was lost");

    let rounds = trials(&run).len() / 4 + 2;
    let last = STUDY.replace("--rounds 2", &format!("--rounds {rounds}"));
    Ended::of(job(&last, 1).output().unwrap()).ends_with(0);
    let facts = run_facts(&run);
    assert_eq!((&facts["label"], &facts["finish"]), (&"n7".into(), &"rounds".into()));
    assert_eq!((&facts["segments"], queued()), (&3.into(), "requeue 43\n".to_owned()));
}

#[test]
fn the_file_for_clush_measures_on_every_machine_and_gathers_the_runs() {
    // Two machines, each a directory of its own with a name of its own; files come back as clush brings them.
    let place = staged(&[
        ("hostname", "echo \"$AS\""),
        (
            "clush",
            "case \"$*\" in
            *--rcopy*) for n in n1 n2; do cp -r $n/copycost-fleet copycost-runs/copycost-fleet.$n; done ;;
            *) for last; do :; done; for n in n1 n2; do mkdir -p $n; (cd $n && AS=$n sh -c \"$last\") || exit; done ;;
            esac",
        ),
    ]);
    let ended = Ended::of(call(&place, "clush.sh", &["n[1-2]"], STUDY).output().unwrap());
    ended.ends_with(0);
    let runs = ["n1", "n2"].map(|n| format!("copycost-runs/copycost-fleet.{n}/clush-{n}"));
    holds_both(&place, &runs);
}

#[test]
fn the_file_for_parallel_measures_on_every_machine_of_a_shared_disk() {
    let place = staged(&[
        ("hostname", "echo \"$AS\""),
        (
            "parallel",
            "while [ \"$1\" != -S ]; do shift; done; shift 2
            for n in n1 n2; do AS=$n sh -c \"$*\" || exit; done",
        ),
    ]);
    let ended = Ended::of(call(&place, "parallel.sh", &["n1,n2"], STUDY).output().unwrap());
    ended.ends_with(0);
    holds_both(&place, &["n1", "n2"].map(|n| format!("copycost-runs/parallel-{n}")));
}

/// Both machines' runs are done and labelled, and the table has each of them.
fn holds_both(place: &Place, runs: &[String; 2]) {
    let table = std::fs::read_to_string(place.path("all.csv")).unwrap();
    let mut csv = csv::Reader::from_reader(table.as_bytes());
    let label = csv.headers().unwrap().iter().position(|column| column == "label").unwrap();
    let mut labels: Vec<String> = csv.records().map(|row| row.unwrap()[label].to_owned()).collect();
    labels.dedup();
    assert_eq!(labels, ["n1", "n2"]);
    for (run, label) in runs.iter().zip(["n1", "n2"]) {
        let facts = run_facts(&place.path(run));
        assert_eq!((&facts["label"], &facts["finish"]), (&label.into(), &"rounds".into()), "{run}");
    }
}

#[test]
fn the_manifests_command_is_one_that_the_program_takes() {
    let manifest = std::fs::read_to_string(ready("kubernetes.yaml")).unwrap();
    let line = manifest.lines().find_map(|line| line.trim().strip_prefix("args: [")).unwrap();
    let words: Vec<String> = line
        .trim_end_matches(']')
        .split(", ")
        .map(|word| word.trim_matches('"').replace("$(NODE)", "n7"))
        .collect();
    assert!(words.contains(&"--or-resume".to_owned()), "{words:?}");
    let place = Place::new();
    let words: Vec<&str> = words.iter().map(String::as_str).chain(["--dry-run"]).collect();
    let ended = place.copycost(&words).ends_with(0);
    assert!(ended.output.contains("48 cells"), "{ended:#?}");
}

#[test]
fn the_page_names_every_ready_file() {
    let page = std::fs::read_to_string(ready("../FLEET.md")).unwrap();
    for file in std::fs::read_dir(ready("")).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(page.contains(&format!("(fleet/{name})")), "{name}");
    }
}
