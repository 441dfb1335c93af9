//! `copycost import` on files.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{Ended, Place};

fn paper() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/paper-figures.csv")
}

fn import(place: &Place, arguments: &[&str]) -> Ended {
    place.copycost(&[&["import"], arguments].concat())
}

#[test]
fn the_papers_table_becomes_a_run_that_reports_again() {
    let here = Place::new();
    let paper = paper();
    let paper = paper.to_str().unwrap();
    let done = import(&here, &[paper, "--out", "run", "--label", "the paper"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    for part in ["Throughput_Gbps  goodput_gbps", "Cycles           sender_cycles", "which sends"] {
        assert!(done.error.contains(part), "{part}: {}", done.error);
    }
    for part in
        ["that figure is 0.0402 with sendmsg", "C23", "single runs, so no interval", "--cpus N"]
    {
        assert!(done.output.contains(part), "{part}: {}", done.output);
    }
    assert!(!done.error.contains("\\u{a}") && done.error.lines().count() > 8, "{}", done.error);
    assert!(!done.output.contains("--resume"), "{}", done.output);
    let widest = done.output.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(100), "{}", done.output);
    let run = here.path("run");
    let derived = ["report.html", "report.md", "summary.json", "trials.csv", "paper.csv"];
    let read = || derived.map(|name| fs::read(run.join(name)).unwrap());
    let before = read();
    // What came in comes out again in the paper's columns; missing cells stay empty.
    let table = String::from_utf8_lossy(&before[4]).into_owned();
    assert!(
        table.contains("A2,65536,8,134200000000,107.3,165100000000,460000000,28372"),
        "{table}"
    );
    assert!(table.contains("A1,64,2,,,,20100000,"), "{table}");
    let again = here.copycost(&["report", "run"]);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(read() == before, "a report derived again differs");
    let host = fs::read_to_string(run.join("host.json")).unwrap();
    assert!(host.contains(r#""absent": "not told by the file that was imported""#), "{host}");
    // Nothing can be measured after it as if it were of this machine.
    let resumed = here.copycost(&["run", "--resume", "run"]);
    assert_eq!(resumed.code, Some(2), "{resumed:?}");
}

#[test]
fn a_file_named_twice_and_a_word_that_no_row_has_are_refused() {
    let here = Place::new();
    here.write("speed.csv", "path,size,threads,goodput_gbps\nsend,64,1,1.5\n");
    for (arguments, part) in [
        (&["speed.csv", "./speed.csv"][..], "./speed.csv is named twice"),
        (&["speed.csv", "--map", "sned=send"], "no row's send path is \"sned\""),
    ] {
        let done = import(&here, arguments);
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(done.error.contains(part), "{done:?}");
    }
}

#[test]
fn what_is_no_table_is_one_line_with_the_remedy() {
    let here = Place::new();
    here.write("speed.csv", "impl,size,threads,speed\nA1,64,1,3\n");
    here.write("swapped.csv", "impl,size,threads,goodput_gbps\nA1,64,1,5e11\n");
    here.write("results.csv", "cell,trials,goodput_gbps_low\nx,1,1\n");
    fs::create_dir(here.path("run")).unwrap();
    for (arguments, part) in [
        (vec!["none.csv"], "there is no file none.csv"),
        (vec!["run"], "run is a directory: name a CSV file"),
        (
            vec!["speed.csv"],
            "speed.csv line 1, column \"speed\": in which unit? say it by --map speed=goodput_gbps (or",
        ),
        (vec!["speed.csv", "--map", "speed=goodput_mpbs"], "did you mean \"goodput_gbps\""),
        (vec!["speed.csv", "--map", "spede=goodput_mbps"], "--map speed=goodput_gbps"),
        (
            vec!["swapped.csv"],
            "swapped.csv line 2, column \"goodput_gbps\": 5e11 Gbit/s is more than any machine moves",
        ),
        (vec!["swapped.csv", "--map", "gbps=ignore"], "more than any machine moves"),
        (vec!["results.csv"], "import its trials.csv"),
        (vec![], "required arguments were not provided: <FILE>"),
        (vec!["speed.csv", "--cpus", "0"], "--cpus: 0 is not in 1"),
    ] {
        let ended = import(&here, &arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {ended:?}");
        assert!(ended.error.contains(part), "{arguments:?}: {}\n  lacks {part}", ended.error);
        assert_eq!(ended.error.trim_end().lines().count(), 1, "{}", ended.error);
        assert!(!here.path("copycost-runs").exists(), "{arguments:?} left something behind");
    }
}

#[test]
fn what_never_ends_is_refused_and_a_pipe_is_not() {
    let here = Place::new();
    let heading = "impl,size,threads,goodput_gbps,note\n";
    let endless = format!("{heading}A1,64,1,3,\"{}", "x".repeat(3 << 20));
    for (done, part) in [
        (import(&here, &["/dev/zero"]), "/dev/zero cannot be read: it is a device"),
        (here.copycost(&["run", "/dev/zero"]), "cannot read the plan /dev/zero: it is a device"),
        (here.copycost(&["run", "."]), ". is a directory; name a plan file"),
        (
            here.copycost_with(&["run", "-"], &"#\n".repeat(9 << 20)),
            "cannot read the plan standard input: it is longer than 16 MiB",
        ),
        (
            here.copycost_with(&["import", "-"], &endless),
            "standard input line 2: cannot be read: no row ends within 1 MiB",
        ),
    ] {
        let done = done.ends_with(2);
        assert!(done.complaint().contains(part), "{part}: {}", done.error);
    }
    let table = format!("{heading}A1,64,1,3,none\n");
    let line = ["import", "/dev/stdin", "--out", "run"];
    here.copycost_with(&line, &table).ends_with(0);
    here.copycost_with(&["run", "/dev/stdin", "--dry-run"], "preset = \"quick\"\n").ends_with(0);
}

#[test]
fn an_import_without_out_is_latest_and_speaks_json() {
    let here = Place::new();
    here.write(
        "mine.csv",
        "impl;size;threads;throughput [Mbit/s]\r\nA1;64;1;800,5\r\nA1;64;8;0\r\n",
    );
    let done = import(&here, &["mine.csv", "--cpus", "4", "--json", "-q"]);
    assert_eq!((done.code, done.error.as_str()), (Some(0), ""), "{done:?}");
    let summary: serde_json::Value = serde_json::from_str(&done.output).unwrap();
    assert_eq!(summary["run"]["label"], "mine");
    assert_eq!(
        summary["run"]["imported"][0]["columns"][3]["taken_as"],
        "goodput_gbps, times 0.001"
    );
    assert_eq!(summary["run"]["void_trials"], 1);
    assert_eq!(summary["estimates"][0]["metrics"]["goodput_gbps"]["mean"], 0.8005);
    assert_eq!(summary["estimates"][0]["oversubscribed"], false, "it says how many CPUs");
    assert!(here.path("copycost-runs/latest/journal.jsonl").exists());
}

/// Goodput of three paths in so many rounds, and with `cpu` the CPU time of both ends.
fn table(rounds: u32, cpu: bool) -> String {
    let mut text = "impl,size,threads,goodput_gbps".to_owned();
    text += if cpu { ",sender cpu (s),receiver cpu (s),total_bytes\n" } else { "\n" };
    for round in 0..rounds {
        let drift = 1.0 + 0.01 * f64::from(round * 7 % 5);
        for (path, by) in [("A1", 1.0), ("A2", 2.0), ("A3", 1.5)] {
            for (size, threads) in [(64, 1), (64, 8), (65_536, 1), (65_536, 8)] {
                text += &format!("{path},{size},{threads},{:.4}", by * drift);
                text +=
                    &if cpu { format!(",{:.4},1.5,1e9\n", drift / by) } else { "\n".to_owned() };
            }
        }
    }
    text
}

#[test]
fn what_a_table_does_not_tell_is_unknown_in_every_file() {
    let here = Place::new();
    here.write("mine.csv", &table(12, true));
    let done = import(&here, &["mine.csv", "--out", "run"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let read = |name: &str| fs::read_to_string(here.path("run").join(name)).unwrap();
    for part in
        ["unknown link", "not in the table: link, fields, layout and ", "\"A2\" is taken as"]
    {
        let output = done.output.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(output.contains(part) || done.error.contains(part), "{part}: {done:?}");
    }
    assert!(!done.output.contains("loopback"), "{}", done.output);
    let markdown = read("report.md");
    // The paper's own claims and the commands that would settle them name links.
    let before_claims = markdown.split("## Claims of the paper").next().unwrap();
    assert!(!before_claims.contains("loopback"), "{before_claims}");
    assert!(before_claims.contains("not in the table: link"), "{before_claims}");
    let page = read("report.html");
    for part in [
        "link not in the table",
        "Not in the table, so not known",
        "the link is not in the table, and on it hangs where bytes go",
        "<td>unknown</td>",
        "The paper’s claims against this table",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let summary: serde_json::Value = serde_json::from_str(&read("summary.json")).unwrap();
    let unstated = summary["run"]["unstated"].as_array().unwrap();
    assert!(unstated.contains(&"link".into()) && !unstated.contains(&"threads".into()));
    let results = read("results.csv");
    let mut lines = results.lines();
    let heading = lines.next().unwrap().split(',').position(|name| name == "link").unwrap();
    // No field before it holds a comma.
    let link = lines.next().unwrap().split(',').nth(heading).unwrap();
    assert_eq!(link, "", "{results}");
}

#[test]
fn a_table_of_goodput_alone_says_that_cpu_time_is_missing_and_compares() {
    let here = Place::new();
    here.write("a.csv", &table(12, false));
    here.write("b.csv", &table(12, false).replace("A1,64,1,1.0", "A1,64,1,1.5"));
    here.write("once.csv", &table(1, false));
    here.write("other.csv", &table(12, false).replace(",64,", ",100,").replace(",65536,", ",200,"));
    for name in ["a", "b", "once", "other"] {
        let done = import(&here, &[&format!("{name}.csv"), "--out", name]);
        assert_eq!(done.code, Some(0), "{done:?}");
        let part = "CPU per KiB of both ends of every cell (the imported file has no column";
        let output = done.output.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(output.contains(part), "{part}: {output}");
        for part in [" 0 ms", "whether zerocopy pays", "0 hold"] {
            assert!(!done.output.contains(part), "{part}: {}", done.output);
        }
    }
    let page = fs::read_to_string(here.path("a/report.html")).unwrap();
    assert!(page.contains("! Laws") && page.contains("none checked"), "laws");
    assert!(!page.contains("never measured validly"), "a wrong cause");
    let compared = here.copycost(&["compare", "a", "b"]);
    assert_eq!(compared.code, Some(0), "{compared:?}");
    for part in
        ["CPU per KiB of both ends, which one side measured in no cell", "All 12 cells together"]
    {
        assert!(compared.output.contains(part), "{part}: {}", compared.output);
    }
    for (other, part) in
        [("once", "once has one round of each cell"), ("other", "have no cell in common")]
    {
        let refused = here.copycost(&["compare", "a", other]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.error.contains(part), "{}", refused.error);
        assert!(!refused.error.contains("--resume"), "{}", refused.error);
    }
}

#[test]
fn standard_input_is_a_file_too() {
    let here = Place::new();
    let done = here.copycost_with(&["import", "-", "--json", "-q"], &table(2, false));
    assert_eq!(done.code, Some(0), "{done:?}");
    let summary: serde_json::Value = serde_json::from_str(&done.output).unwrap();
    assert_eq!(summary["run"]["imported"][0]["file"], "standard input");
    let empty = here.copycost_with(&["import", "-"], "");
    assert_eq!(
        (empty.code, empty.error.as_str()),
        (Some(2), "error: standard input: it is empty\n")
    );
}
