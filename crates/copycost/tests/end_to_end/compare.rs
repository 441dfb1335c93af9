//! `copycost compare` and the formats, on runs that nobody measured.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use journal::RunDirectory;
use model::{Cell, Factor, Plan, SendPath};

use crate::common::Place;

fn plan() -> Plan {
    synthetic::without_controls(&[(Factor::Message, "64,4096,65536"), (Factor::Threads, "1,2")])
}

/// A run directory of ten rounds on a quiet machine; `speed` multiplies each cell's goodput.
fn made(
    place: &Place,
    name: &str,
    plan: &Plan,
    seed: u64,
    speed: impl Fn(&Cell) -> f64,
) -> PathBuf {
    made_of(place, name, plan, seed, 10, speed)
}

fn made_of(
    place: &Place,
    name: &str,
    plan: &Plan,
    seed: u64,
    rounds: u32,
    speed: impl Fn(&Cell) -> f64,
) -> PathBuf {
    let path = place.path(name);
    let (directory, mut journal) = RunDirectory::begin(&path, None).unwrap();
    directory.write_plan(plan).unwrap();
    let mut host = synthetic::host();
    if seed > 100 {
        host.kernel = model::Measured::Value("6.11.0-9-generic".to_owned());
    }
    directory.write_host(&host).unwrap();
    let records = synthetic::run(plan, rounds, |cell, round| {
        let noise = synthetic::noise(seed, cell, round, 0.01);
        synthetic::trial(cell, round).faster(speed(cell) * noise)
    });
    synthetic::on(&host, records).iter().for_each(|record| journal.append(record).unwrap());
    path
}

fn slow_zerocopy(cell: &Cell) -> f64 {
    if cell.send_path == SendPath::Zerocopy { 0.8 } else { 1.0 }
}

#[test]
fn a_page_goes_through_a_link_and_into_a_pipe_where_nobody_called_sudo() {
    let place = Place::new();
    for name in ["a", "b"] {
        crate::table::made(&place.path(name), "alpha");
    }
    place.write("target", "before");
    symlink("target", place.path("page.html")).unwrap();
    place.copycost(&["compare", "a", "b", "--out", "page.html"]).ends_with(0);
    assert!(std::fs::read_to_string(place.path("target")).unwrap().contains("What changed"));
    // What a link of /proc points at has no name that could be replaced.
    symlink("/proc/self/fd/1", place.path("piped.html")).unwrap();
    let ended = place.copycost(&["compare", "a", "b", "--out", "piped.html"]).ends_with(0);
    assert!(ended.output.contains("</html>"), "{}", ended.output);
    assert!(std::fs::symlink_metadata(place.path("piped.html")).unwrap().is_symlink());
    let ended = place.copycost(&["compare", "a", "b", "--out", "."]).ends_with(2);
    assert!(ended.complaint().contains(". is a directory; name a file by --out"), "{ended:#?}");
    // /proc takes files from nobody, root included.
    let ended = place.copycost(&["compare", "a", "b", "--out", "/proc/page.html"]).ends_with(3);
    for part in ["/proc/page.html", "--out"] {
        assert!(ended.complaint().contains(part), "{part}: {ended:#?}");
    }
    assert_eq!(ended.output, "", "nothing is shown before it is known that all can be written");
    assert_eq!(ended.output, "", "nothing is shown before it is known that all can be written");
}

#[test]
fn the_screen_says_what_changed_and_what_would_have_been_seen() {
    let place = Place::new();
    made(&place, "before", &plan(), 1, |_| 1.0);
    made(&place, "same", &plan(), 2, |_| 1.0);
    made(&place, "slower", &plan(), 103, slow_zerocopy);
    let ended = place.copycost(&["compare", "before", "same"]).ends_with(0);
    for part in [
        "before  before (10 rounds)",
        "after   same (10 rounds)",
        "The machines are the same, as far as recorded.",
        "No cell changed beyond noise.",
        "A change would have been seen nine times in ten from ",
        "one run a side",
    ] {
        assert!(ended.output.contains(part), "{part}: {}", ended.output);
    }
    let ended = place.copycost(&["compare", "before", "slower", "same"]).ends_with(0);
    for part in [
        "kernel: 6.8.0-45-generic → 6.11.0-9-generic",
        "zerocopy got worse against every other path over all 6 blocks: goodput",
        "zerocopy / sendmsg, 6 blocks",
        "after   same (10 rounds)",
    ] {
        assert!(ended.output.contains(part), "{part}: {}", ended.output);
    }
    let mut command = place.command(&["compare", "before", "slower"]);
    command.env("COLUMNS", "80");
    let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
    assert_eq!(wide, Vec::<&str>::new());
}

#[test]
fn a_change_for_the_worse_ends_with_1_and_one_for_the_better_does_not() {
    let place = Place::new();
    made(&place, "before", &plan(), 1, |_| 1.0);
    made(&place, "slower", &plan(), 2, slow_zerocopy);
    let over = |a: &str, b: &str, share: &str, code: i32| {
        place.copycost(&["compare", a, b, "--fail-over", share]).ends_with(code)
    };
    let ended = over("before", "slower", "5%", 1);
    assert!(
        ended
            .complaint()
            .contains("for the worse by more than 5% beyond doubt: zerocopy got worse"),
        "{ended:#?}"
    );
    assert!(ended.output.contains("before"), "the screen is shown all the same");
    let passed = over("before", "slower", "30%", 0);
    assert_eq!(passed.error, "nothing that was compared got worse by more than 30 %\n");
    // A cost can rise by more than all of it, and a goodput cannot lose that.
    let passed = over("before", "slower", "150%", 0);
    assert_eq!(passed.error, "no cost got worse by more than 150 %\n");
    over("slower", "before", "5%", 0);
    place.copycost(&["compare", "before", "slower"]).ends_with(0);
}

#[test]
fn a_change_that_could_not_have_been_seen_ends_with_4_and_says_what_would_tell() {
    let place = Place::new();
    made(&place, "before", &plan(), 1, |_| 1.0);
    made(&place, "same", &plan(), 2, |_| 1.0);
    made(&place, "slower", &plan(), 3, slow_zerocopy);
    made(&place, "slow-machine", &plan(), 4, |_| 0.8);
    let outcome = |after: &str, share: &str, code: i32| {
        let line = ["compare", "before", after, "--fail-over", share];
        let ended = place.copycost(&line).ends_with(code);
        let json = place.copycost(&[&line[..], &["--json"]].concat()).ends_with(code);
        assert_eq!(ended.error.lines().count(), 1, "{ended:#?}");
        let json: serde_json::Value = serde_json::from_str(&json.output).unwrap();
        (ended.error, json["fail_over"].clone())
    };
    let (told, json) = outcome("same", "0.5%", 4);
    for part in [
        "undecided: a change of 0.5 % for the worse is neither shown nor excluded in ",
        " of 18 cells: the widest interval reaches ",
        "copycost run --resume before with more --rounds and --max-time",
        "copycost compare A1 A2 --with B1 B2",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!((&json["outcome"], &json["share"]), (&"undecided".into(), &0.005.into()));
    assert!(told.contains(json["text"].as_str().unwrap()), "{told} {json}");
    let (_, json) = outcome("same", "10%", 0);
    assert_eq!(json["outcome"], "excluded");
    let (_, json) = outcome("slower", "5%", 1);
    assert_eq!(json["outcome"], "worse");
    // One run a side does not tell a slower machine from its state, and no round more would.
    let (told, _) = outcome("slow-machine", "15%", 4);
    assert!(told.contains("all cells over loopback together"), "{told}");
    assert!(told.contains("the machine's state") && !told.contains("--resume"), "{told}");
    let json = place.copycost(&["compare", "before", "same", "--json"]).ends_with(0);
    assert!(!json.output.contains("fail_over"));
}

#[test]
fn several_runs_a_side_are_given_with_with() {
    let place = Place::new();
    for (name, seed) in [("a1", 1), ("a2", 2), ("b1", 3), ("b2", 4)] {
        made(&place, name, &plan(), seed, |_| 1.0);
    }
    let ended = place.copycost(&["compare", "a1", "a2", "--with", "b1", "b2"]).ends_with(0);
    assert!(ended.output.contains("after   b1 (10 rounds), b2 (10 rounds)"), "{ended:#?}");
    assert!(!ended.output.contains("one run a side"), "{ended:#?}");
    let ended = place.copycost(&["compare", "a1", "--with", "b1", "b2", "--json"]).ends_with(0);
    let json: serde_json::Value = serde_json::from_str(&ended.output).unwrap();
    assert_eq!(json["comparisons"][0]["unit"], "runs");
}

#[test]
fn a_limit_for_costs_alone_is_refused_where_there_is_no_cost() {
    let place = Place::new();
    for (name, goodput) in [("before", 20), ("after", 9)] {
        let rows: Vec<String> = (1..6).map(|n| format!("A2,4096,1,{goodput}.{n}\n")).collect();
        let table =
            format!("implementation,message_size,threads,throughput_gbps\n{}", rows.concat());
        std::fs::write(place.path(&format!("{name}.csv")), table).unwrap();
        place.copycost(&["import", &format!("{name}.csv"), "--out", name]).ends_with(0);
    }
    let over = |share| place.copycost(&["compare", "before", "after", "--fail-over", share]);
    let refused = over("150%").ends_with(2);
    assert!(refused.error.contains("--fail-over: 150% judges CPU cost alone"), "{refused:#?}");
    assert!(refused.error.contains("that of before or of after was not measured"), "{refused:#?}");
    // Where there is one, of too few rounds, that is why nothing is decided.
    for (name, seed) in [("one", 1), ("another", 2)] {
        made_of(&place, name, &plan(), seed, 1, |_| 1.0);
    }
    let few = place.copycost(&["compare", "one", "another", "--fail-over", "150%"]).ends_with(2);
    assert!(few.error.contains("one round of each cell"), "{few:#?}");
    // What halved is worse by more than this, or may owe it to the machine.
    let lower = over("30%");
    assert!(matches!(lower.code, Some(1 | 4)), "{lower:#?}");
}

#[test]
fn what_cannot_be_compared_is_one_line_and_exit_2() {
    let place = Place::new();
    made(&place, "before", &plan(), 1, |_| 1.0);
    let other = synthetic::without_controls(&[(Factor::Message, "128"), (Factor::Threads, "1")]);
    made(&place, "others", &other, 2, |_| 1.0);
    std::fs::create_dir(place.path("empty")).unwrap();
    for (line, part) in [
        (&["compare"][..], "required arguments were not provided"),
        (&["compare", "before"], "one run alone cannot be compared; name another"),
        (&["compare", "before", "before"], "before and before are the same run"),
        (&["compare", "before", "./before"], "are the same run"),
        (&["compare", "before", "missing"], "missing does not exist; name a run directory"),
        (&["compare", "before", "empty"], "empty"),
        (&["compare", "before", "others"], "before and others have no cell in common"),
        (&["compare", "before", "others", "--fail-over", "5"], "--fail-over: 5 is 500%; write 5%"),
        (&["compare", "before", "others", "--fail-over", "-5%"], "--fail-over: "),
        (
            &["compare", "before", "others", "--format", "gha-godput"],
            "did you mean \"gha-goodput\"?",
        ),
        (&["compare", "before", "others", "--json", "--format", "bmf"], "cannot be used with"),
    ] {
        let ended = place.copycost(line).ends_with(2);
        assert!(ended.complaint().contains(part), "{line:?}: {ended:#?}");
        assert_eq!(ended.error.lines().count(), 1, "{line:?}: {ended:#?}");
        // What the machines differ in takes no cell in common.
        let tells_machines = line == ["compare", "before", "others"];
        assert_eq!(ended.output.contains("The machines are the same"), tells_machines, "{line:?}");
        assert_eq!(ended.output.is_empty(), !tells_machines, "{line:?}");
    }
    let journal = place.path("before/journal.jsonl");
    let whole = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, whole.replacen("\"attempt\":1", "\"attempt\":2", 1)).unwrap();
    let ended = place.copycost(&["compare", "others", "before"]).ends_with(2);
    assert!(ended.complaint().contains("line "), "{ended:#?}");
}

#[test]
fn what_the_machines_differ_in_is_told_of_runs_of_one_round_too() {
    let place = Place::new();
    made_of(&place, "before", &plan(), 1, 1, |_| 1.0);
    made_of(&place, "after", &plan(), 103, 1, |_| 1.0);
    let ended = place.copycost(&["compare", "before", "after"]).ends_with(2);
    for part in ["before  before (1 round)", "  kernel: 6.8.0-45-generic → 6.11.0-9-generic"] {
        assert!(ended.output.contains(part), "{part}: {}", ended.output);
    }
    assert!(ended.complaint().contains("have one round of each cell"), "{ended:#?}");
    let json = place.copycost(&["compare", "before", "after", "--json"]).ends_with(2);
    assert_eq!(json.output, "");
}

#[test]
fn the_formats_are_json_with_the_figures_of_the_summary() {
    let place = Place::new();
    made(&place, "before", &plan(), 1, |_| 1.0);
    made(&place, "after", &plan(), 2, |_| 1.0);
    let json = |line: &[&str]| -> serde_json::Value {
        serde_json::from_str(&place.copycost(line).ends_with(0).output).unwrap()
    };
    let summary = json(&["report", "before", "--json"]);
    let cell = &summary["estimates"][0];
    let id = cell["cell"].as_str().unwrap();
    let bmf = json(&["report", "before", "--format", "bmf"]);
    let of = |key: &str| &cell["metrics"][key];
    assert_eq!(bmf.as_object().unwrap().len(), 18);
    assert_eq!(bmf[id]["goodput-gbps"]["value"], of("goodput_gbps")["mean"]);
    assert_eq!(bmf[id]["goodput-gbps"]["lower_value"], of("goodput_gbps")["low"]);
    assert_eq!(bmf[id]["ends-cpu-ns-per-kib"]["upper_value"], of("ends_cpu_ns_per_kib")["high"]);
    let gha = json(&["report", "before", "--format", "gha"]);
    assert_eq!((&gha[0]["name"], &gha[0]["unit"]), (&cell["cell"], &"ns per KiB".into()));
    assert_eq!(gha[0]["value"], of("ends_cpu_ns_per_kib")["mean"]);
    let gha = json(&["report", "before", "--format", "gha-goodput"]);
    assert_eq!((&gha[0]["unit"], gha.as_array().unwrap().len()), (&"Gbit/s".into(), 18));
    let changes = json(&["compare", "before", "after", "--format", "bmf"]);
    let change = &changes["zerocopy / sendmsg, 6 blocks"]["goodput-gbps-change"];
    assert!((change["value"].as_f64().unwrap() - 1.0).abs() < 0.05, "{changes}");
}
