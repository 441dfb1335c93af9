//! A whole run on loopback, small.

use std::collections::BTreeSet;
use std::path::Path;

use analysis::summary::Summary;

use crate::common::{Ended, Place, TINY, trials};

const FILES: &[&str] = &[
    "plan.toml",
    "host.json",
    "journal.jsonl",
    "trials.csv",
    "results.csv",
    "ratios.csv",
    "paper.csv",
    "summary.json",
    "figures/goodput-over-size.svg",
    "figures/goodput-over-size.png",
];
const DERIVED: &[&str] = &[
    "trials.csv",
    "results.csv",
    "ratios.csv",
    "paper.csv",
    "summary.json",
    "figures/goodput-over-size.svg",
    "figures/goodput-over-size.png",
];

fn rows(path: &Path) -> (Vec<String>, Vec<csv::StringRecord>) {
    // Not flexible: every row must have as many fields as the header.
    let mut reader = csv::Reader::from_path(path).unwrap();
    let header = reader.headers().unwrap().iter().map(str::to_owned).collect();
    (header, reader.records().map(|row| row.unwrap()).collect())
}

#[test]
fn a_run_leaves_every_file_and_report_derives_the_same_again() {
    let place = Place::new();
    let mut line = TINY.to_vec();
    line.extend(["--label", "a \"tiny\" one"]);
    let ended = place.copycost(&line).ends_with(0);
    for part in ["16 KiB", "A1", "A2", "copycost-runs/", "preliminary"] {
        assert!(ended.output.contains(part), "{part}: {ended:#?}");
    }
    assert!(
        !ended.output.contains('\u{1b}') && !ended.error.contains('\u{1b}'),
        "colour without a terminal"
    );
    assert!(ended.error.contains("round 2"), "a plain line a round: {ended:#?}");

    let run = place.path("copycost-runs/latest");
    for file in FILES {
        assert!(run.join(file).is_file(), "{file} is missing");
    }

    // 2 sizes x 2 paths and two controls, two rounds; a void trial adds an attempt.
    let (header, results) = rows(&run.join("results.csv"));
    assert_eq!(header.first().map(String::as_str), Some("send_path"));
    let (_, each) = rows(&run.join("trials.csv"));
    assert_eq!(each.len(), trials(&run).len());
    assert!(each.len() >= 2 * results.len(), "{} of {}", each.len(), results.len());
    let (header, paper) = rows(&run.join("paper.csv"));
    assert_eq!(
        header.join(","),
        "Implementation,MessageSize,Threads,TotalBytes,Throughput_Gbps,Cycles,CacheMisses,ContextSwitches"
    );
    let cells: BTreeSet<_> =
        paper.iter().map(|row| (row[0].to_owned(), row[1].to_owned())).collect();
    let pair = |path: &str, size: &str| (path.to_owned(), size.to_owned());
    assert_eq!(
        cells,
        BTreeSet::from([
            pair("A1", "512"),
            pair("A1", "16384"),
            pair("A2", "512"),
            pair("A2", "16384")
        ])
    );
    assert!(paper.iter().all(|row| row[3].parse::<u64>().unwrap() > 0), "{paper:?}");

    let text = std::fs::read_to_string(run.join("summary.json")).unwrap();
    let summary: Summary = serde_json::from_str(&text).unwrap();
    assert_eq!(summary.run.label, "a \"tiny\" one");
    assert_eq!((summary.run.rounds, summary.run.finish.as_str()), (2, "rounds"));
    assert!(summary.run.preliminary);

    // Everything derived is derived again, byte for byte, with `latest` as the default.
    let read = |file: &&str| std::fs::read(run.join(file)).unwrap();
    let before: Vec<_> = DERIVED.iter().map(read).collect();
    for file in DERIVED {
        std::fs::remove_file(run.join(file)).unwrap();
    }
    let again = place.copycost(&["report"]).ends_with(0);
    assert!(again.output.contains("A2 against A1"), "{again:#?}");
    for (file, before) in DERIVED.iter().zip(before) {
        assert!(read(file) == before, "{file} differs");
    }

    let (all, _) = rows(&run.join("results.csv"));
    place.copycost(&["report", "--columns", "compact"]).ends_with(0);
    let (compact, _) = rows(&run.join("results.csv"));
    assert!(compact.len() < all.len(), "{compact:?}");
    assert_eq!(compact, all[..compact.len()], "what tells nothing stands last");
}

#[test]
fn json_is_the_summary_and_nothing_else() {
    let place = Place::new();
    let mut line = TINY.to_vec();
    line.extend(["--out", "run", "--json", "--quiet"]);
    let ended = place.copycost(&line).ends_with(0);
    let summary: Summary = serde_json::from_str(&ended.output).unwrap();
    assert_eq!(summary.run.rounds, 2);
    assert!(!ended.error.contains("round 1"), "{ended:#?}");
    let again = place.copycost(&["report", "run", "--json"]).ends_with(0);
    assert_eq!(again.output, ended.output);
    assert_eq!(
        std::fs::read_to_string(place.path("run/summary.json")).unwrap().trim(),
        ended.output.trim()
    );
}

#[test]
fn a_plan_file_is_a_run_like_its_flags() {
    let place = Place::new();
    let run = place.tiny_run();
    std::fs::copy(run.join("plan.toml"), place.path("again.toml")).unwrap();
    place.copycost(&["run", "again.toml", "--out", "again", "--quiet"]).ends_with(0);
    let plan = |name: &str| std::fs::read_to_string(place.path(name)).unwrap();
    assert_eq!(plan("again/plan.toml"), plan("run/plan.toml"));
    assert!(!place.path("latest").exists(), "a link where nobody asked for one");
}

#[test]
fn a_dry_run_tells_cells_and_minutes_and_writes_nothing() {
    let place = Place::new();
    let ended = place.copycost(&["run", "--dry-run"]).ends_with(0);
    for part in ["48 cells", "16 blocks", "10 rounds of", "send, sendmsg, zerocopy"] {
        assert!(ended.output.contains(part), "{part}: {ended:#?}");
    }
    let json = place.copycost(&["run", "--dry-run", "--json"]).ends_with(0);
    let told: serde_json::Value = serde_json::from_str(&json.output).unwrap();
    assert_eq!(told["cells"].as_array().unwrap().len(), 48, "{told}");
    assert!(told["expected_seconds"].as_f64().unwrap() > 1.0, "{told}");
    assert_eq!(std::fs::read_dir(place.path("")).unwrap().count(), 0);
    let ended = place.copycost(&["run", "--dry-run", "--max-time", "1s"]).ends_with(0);
    assert!(
        ended.error.contains("max-time"),
        "a budget too small for the rounds is told: {ended:#?}"
    );
}

#[test]
fn zero_copy_on_loopback_says_that_it_was_copied() {
    let place = Place::new();
    let mut line = TINY.to_vec();
    line[2] = "sendmsg,zerocopy";
    line.extend(["--controls", "off"]);
    let ended = place.copycost(&line);
    if ended.error.contains("left out") {
        eprintln!("skipped: no SO_ZEROCOPY here: {}", ended.error);
        return;
    }
    let ended = ended.ends_with(0);
    assert!(ended.output.contains("copied"), "{ended:#?}");
}

#[test]
fn what_this_machine_refuses_is_left_out_and_the_rest_runs() {
    let place = Place::new();
    let mut line = TINY.to_vec();
    line.extend(["--out", "run", "--controls", "off", "--congestion", "auto,no-such-control"]);
    let ended = place.copycost(&line).ends_with(0);
    assert!(
        ended.error.contains("left out: ") && ended.error.contains("no-such-control"),
        "{ended:#?}"
    );
    assert!(!ended.error.contains("left out from here on"), "told twice: {ended:#?}");
    let refused =
        trials(&place.path("run")).iter().filter(|trial| trial.contains("no-such-control")).count();
    assert_eq!(refused, 4, "one record a refused cell");

    // A cell without a valid trial is invalid where somebody insists.
    let ended = place.copycost(&["report", "run", "--strict"]).ends_with(1);
    assert!(ended.complaint().contains("4 cells without a valid trial"), "{ended:#?}");

    let mut line = TINY.to_vec();
    line.extend(["--out", "none", "--congestion", "no-such-control"]);
    let ended = place.copycost(&line).ends_with(3);
    assert!(ended.complaint().contains("no cell of this plan can be measured here"), "{ended:#?}");
    assert!(!place.path("none").exists());
}

#[test]
fn a_run_without_one_valid_trial_ends_with_3_and_the_reason() {
    let place = Place::new();
    // No two thirds of a window are equal to the byte, and no worker is on time to the nanosecond.
    let ended = place.copycost(&[
        "run",
        "--send",
        "send",
        "--sizes",
        "512",
        "--threads",
        "1",
        "--time",
        "20ms",
        "--warmup",
        "5ms",
        "--rounds",
        "1",
        "--controls",
        "off",
        "--threshold",
        "unsettled=0",
        "--threshold",
        "window-void=0",
        "--out",
        "run",
    ]);
    let ended = ended.ends_with(3);
    assert!(
        ended.complaint().contains("not one valid trial (send=send message_bytes=512"),
        "{ended:#?}"
    );
    assert_eq!(trials(&place.path("run")).len(), 3, "it is tried again twice");
}

#[test]
fn under_sudo_everything_belongs_to_the_invoking_user() {
    use std::os::unix::fs::MetadataExt as _;

    let place = Place::new();
    let owner = |path: &Path| {
        let facts = std::fs::symlink_metadata(path).unwrap();
        (facts.uid(), facts.gid())
    };
    if owner(&place.path("")).0 != 0 {
        eprintln!("skipped: only root can be under sudo");
        return;
    }
    let mut command = place.command(TINY);
    command.env("SUDO_UID", "12345").env("SUDO_GID", "54321");
    Ended::of(command.output().unwrap()).ends_with(0);
    let mut paths = vec![place.path("copycost-runs"), place.path("copycost-runs/latest")];
    paths.push(std::fs::canonicalize(place.path("copycost-runs/latest")).unwrap());
    paths.extend(FILES.iter().map(|file| place.path("copycost-runs/latest").join(file)));
    for path in paths {
        assert_eq!(owner(&path), (12345, 54321), "{}", path.display());
    }
}
