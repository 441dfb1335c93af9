//! A whole run on loopback, small.

use std::collections::BTreeSet;
use std::path::Path;

use crate::common::{Ended, PATIENCE, Place, TINY, run_facts, run_marks, trials};

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
    // On a crowded machine an end may sleep through so short windows, and its cell has no figure.
    let in_windows = |time: &str| {
        let place = Place::new();
        let mut line: Vec<&str> =
            TINY.iter().map(|word| if *word == "20ms" { time } else { word }).collect();
        line.extend(["--label", "a \"tiny\" one"]);
        let ended = place.copycost(&line).ends_with(0);
        (!ended.output.contains("has no length")).then_some((place, ended))
    };
    let (place, ended) = ["20ms", "200ms", "2s"].into_iter().find_map(in_windows).unwrap();
    for part in ["16 KiB", "sendmsg", "copycost-runs/", "report.html", "reliminary"] {
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
    // On a crowded machine nothing may have come in one of so short windows.
    let bytes = paper.iter().map(|row| row[3].parse::<u64>().unwrap());
    assert!(bytes.sum::<u64>() > 0, "{paper:?}");

    let facts = run_facts(&run);
    assert_eq!(facts["label"], "a \"tiny\" one");
    assert_eq!((&facts["rounds"], &facts["finish"]), (&2.into(), &"rounds".into()));
    assert_eq!(facts["preliminary"], true);

    // Everything derived is derived again, byte for byte, with `latest` as the default.
    let read = |file: &&str| std::fs::read(run.join(file)).unwrap();
    let before: Vec<_> = DERIVED.iter().map(read).collect();
    for file in DERIVED {
        std::fs::remove_file(run.join(file)).unwrap();
    }
    let again = place.copycost(&["report"]).ends_with(0);
    assert!(again.output.contains("sendmsg / send"), "{again:#?}");
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
    let summary: serde_json::Value = serde_json::from_str(&ended.output).unwrap();
    assert_eq!(summary["run"]["rounds"], 2);
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
fn a_plan_may_come_from_standard_input() {
    let place = Place::new();
    let dry_run = |plan: &str| {
        let mut command = assert_cmd::Command::from_std(place.command(&["run", "-", "--dry-run"]));
        Ended::of(command.write_stdin(plan).timeout(PATIENCE).output().unwrap())
    };
    let ended = dry_run("[factors]\nsizes = \"64..256\"\nthreads = 1\n").ends_with(0);
    assert!(ended.output.contains("9 cells and 3 controls in 3 blocks"), "{ended:#?}");
    let ended = dry_run("[factors]\nsizs = 64\n").ends_with(2);
    assert!(
        ended.complaint().starts_with("error: standard input: line 2, column 1: "),
        "{ended:#?}"
    );
    assert!(ended.complaint().contains("did you mean \"sizes\"?"), "{ended:#?}");
}

#[test]
fn the_example_plan_of_the_documents_is_measured() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/example-plan.toml");
    let place = Place::new();
    let ended = place.copycost(&["run", example, "--dry-run"]).ends_with(0);
    assert!(ended.output.starts_with("30 cells and 3 controls in 10 blocks; "), "{ended:#?}");
    // Its own plan, but for what takes long and for a machine that is not quiet.
    let mut line = vec!["run", example, "--out", "run", "--sizes", "4KiB", "--threads", "1"];
    line.extend(["--controls", "off", "--time", "20ms", "--warmup", "5ms", "--rounds", "2"]);
    line.extend(["--threshold", "unsettled=1000", "--threshold", "window-void=1000"]);
    place.copycost(&line).ends_with(0);
    assert!(trials(&place.path("run")).len() >= 6);
    let text = std::fs::read_to_string(place.path("run/plan.toml")).unwrap();
    let plan = model::Plan::from_toml(&text).unwrap();
    assert_eq!(plan.label, "answers of 1 to 16 KiB");
    assert_eq!(plan.factors.get(model::Factor::Nodelay), ["on"]);
    assert_eq!(plan.measure.precision, Some(model::Share(0.05)));
}

/// Whether this machine lets a thread poll an io_uring, as `probe` tells.
fn may_poll(place: &Place) -> bool {
    let probe = place.copycost(&["probe", "--json"]).ends_with(0);
    let probe: serde_json::Value = serde_json::from_str(&probe.output).unwrap();
    let item = |item: &&serde_json::Value| item["group"] == "io_uring" && item["name"] == "sqpoll";
    let sqpoll = probe["items"].as_array().unwrap().iter().find(item).unwrap();
    if sqpoll["state"]["answer"] != "yes" {
        eprintln!("skipped: {sqpoll}");
        return false;
    }
    true
}

#[test]
fn what_a_thread_that_polls_takes_is_told_and_counts_as_the_senders() {
    let place = Place::new();
    if !may_poll(&place) {
        return;
    }
    let mut line = vec!["run", "--send", "sendmsg,uring-send,uring-sendmsg", "--sqpoll", "on,off"];
    line.extend(["--sizes", "16KiB", "--threads", "1", "--controls", "off", "--rounds", "2"]);
    line.extend(["--max-time", "10m", "--out", "run", "--verbose"]);
    line.extend(["--threshold", "unsettled=1000", "--threshold", "window-void=1000"]);
    let ended = place.copycost(&line).ends_with(0);
    for part in ["sqpoll=on / off", "the kernel's threads for io_urings (SQPOLL, io-wq) took"] {
        assert!(ended.output.contains(part), "{part}: {ended:#?}");
    }
    let run = place.path("run");
    let page = std::fs::read_to_string(run.join("report.html")).unwrap();
    let markdown = std::fs::read_to_string(run.join("report.md")).unwrap();
    for text in [page, markdown] {
        assert!(text.contains("(SQPOLL, io-wq) took"), "{text}");
    }
    let (header, results) = rows(&run.join("results.csv"));
    let column = |name: &str| header.iter().position(|column| column == name).unwrap();
    let (send, sqpoll, share) =
        (column("send_path"), column("sqpoll"), column("uring_threads_share"));
    let of = |path: &str, polled: &str| {
        let is_it = |row: &&csv::StringRecord| &row[send] == path && &row[sqpoll] == polled;
        results.iter().find(is_it).map(|row| row[share].to_owned())
    };
    for path in ["uring-send", "uring-sendmsg"] {
        assert_eq!(of(path, "off").as_deref(), Some("0"), "{path}");
        let polled: f64 = of(path, "on").unwrap().parse().unwrap();
        assert!(polled > 0.0 && polled < 1.0, "{path}: {polled}");
    }
    // A path that makes calls is one cell, and has no ring.
    assert_eq!((of("sendmsg", "off").as_deref(), of("sendmsg", "on")), (Some(""), None));
}

#[test]
fn a_ring_that_is_polled_and_defers_is_refused_before_anything_runs() {
    let place = Place::new();
    let line = ["run", "--send", "uring-send", "--sqpoll", "on", "--defer-taskrun", "on"];
    let ended = place.copycost(&line);
    assert!(ended.code == Some(2) || ended.code == Some(3), "{ended:#?}");
    assert!(ended.error.contains("use --sqpoll off, or --defer-taskrun auto"), "{ended:#?}");
    assert!(!place.path("copycost-runs").exists());
    // Nothing polls where no path has a ring.
    let idle = place.copycost(&["run", "--send", "sendmsg", "--sqpoll", "on,off", "--dry-run"]);
    assert!(idle.error.contains("--sqpoll") && idle.error.contains("uring-sendmsg"), "{idle:#?}");
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
    let json = place
        .copycost(&["run", "--dry-run", "--json", "--congestion", "auto,no-such-control"])
        .ends_with(0);
    let told: serde_json::Value = serde_json::from_str(&json.output).unwrap();
    let length = |key: &str| told[key].as_array().unwrap().len();
    assert_eq!((length("cells"), length("blocks")), (48, 16), "{told}");
    assert!(length("not_measured") >= 48, "{told}");
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
    if ended.error.contains("not measured: ") {
        eprintln!("skipped: no SO_ZEROCOPY here: {}", ended.error);
        return;
    }
    let ended = ended.ends_with(0);
    assert!(ended.output.contains("copied"), "{ended:#?}");
}

#[test]
fn what_this_machine_refuses_is_told_once_and_the_rest_runs() {
    let place = Place::new();
    let mut line = TINY.to_vec();
    line.extend(["--out", "run", "--controls", "off", "--congestion", "auto,no-such-control"]);
    let ended = place.copycost(&line).ends_with(0);
    // Nothing is said of precision where ends slept through their windows and no cell has an interval.
    let is_precise = " to ±1.2 %";
    assert!(
        ended.error.contains("4 of 8 cells in ")
            && (!ended.error.contains(is_precise)
                || ended.error.contains(&format!("of 2 ratios{is_precise}"))),
        "only what can be measured is counted: {ended:#?}"
    );
    assert_eq!(ended.error.matches("not measured: ").count(), 1, "{ended:#?}");
    assert_eq!(ended.error.matches("no-such-control").count(), 2, "in one line: {ended:#?}");
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
    let marks = run_marks(&place.path("run"));
    assert_eq!(marks["window-void"], 3, "{marks}");
    // Where a cgroup's limit held every one of them up as well, that is the reason.
    let late = "too many missed windows (late wake-ups, or calls";
    let why = if marks["throttled"] == 3 { "" } else { late };
    let why = format!("error: there is not one valid trial: {why}");
    assert!(ended.complaint().starts_with(&why), "{ended:#?}");
    assert!(ended.complaint().contains("; what helps: "), "{ended:#?}");
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
    let by_a_user = |line: &[&str]| {
        let mut command = place.command(line);
        command.env("SUDO_UID", "12345").env("SUDO_GID", "54321");
        Ended::of(command.output().unwrap())
    };
    // Where that user may not write, root does not write for it.
    let refused = by_a_user(TINY).ends_with(3);
    let why = "user 12345, who called sudo, may not use copycost-runs";
    assert!(refused.complaint().contains(why), "{refused:#?}");
    assert!(!place.path("copycost-runs").exists());
    std::os::unix::fs::chown(place.path(""), Some(12345), Some(54321)).unwrap();
    by_a_user(TINY).ends_with(0);
    let mut paths = vec![place.path("copycost-runs"), place.path("copycost-runs/latest")];
    paths.push(std::fs::canonicalize(place.path("copycost-runs/latest")).unwrap());
    paths.extend(FILES.iter().map(|file| place.path("copycost-runs/latest").join(file)));
    for path in paths {
        assert_eq!(owner(&path), (12345, 54321), "{}", path.display());
    }
}

#[test]
fn a_resume_whose_limit_holds_no_block_says_so_below_what_was_measured_before() {
    let place = Place::new();
    place.tiny_run();
    let resume = |time| {
        place
            .copycost(&["run", "--resume", "run", "--rounds", "3", "--max-time", time])
            .ends_with(0)
    };
    let short = resume("1ms");
    let last = short.error.lines().last().unwrap_or_default();
    assert!(last.starts_with("! no further block was measured: --max-time 1 ms holds none of round 3, which takes about "), "{short:#?}");
    let (_, enough) = last.rsplit_once("; go on with --max-time ").unwrap();
    assert!(!short.error.contains("done: "), "{short:#?}");
    assert!(short.output.contains("2 rounds"), "{short:#?}");
    // With more than it names, for a crowded machine.
    let seconds: u32 = enough.trim_end_matches('s').parse().unwrap();
    let more = resume(&format!("{}s", seconds * 10));
    assert!(!more.error.contains("nothing more"), "{more:#?}");
    assert!(more.output.contains("3 rounds"), "{more:#?}");
}

#[test]
fn a_run_that_has_the_rounds_that_are_asked_for_says_so_and_keeps_its_plan() {
    let place = Place::new();
    let run = place.tiny_run();
    let held = || ["plan.toml", "journal.jsonl"].map(|file| std::fs::read(run.join(file)).unwrap());
    let before = held();
    let again = place.copycost(&["run", "--resume", "run", "--rounds", "1"]).ends_with(0);
    assert!(again.error.contains("already, and nothing is measured; more"), "{again:#?}");
    assert!(again.output.contains("Report: run/report.html"), "{again:#?}");
    assert_eq!(held(), before);
}
