//! Wrong usage: one clear line, the remedy, the right exit code, and nothing lost.

use crate::common::{Place, TINY, trials};

#[test]
fn a_wrong_command_line_is_one_line_with_the_remedy_and_exit_2() {
    let place = Place::new();
    for (arguments, part) in [
        ("--sizes 0", "--sizes: a message must have from 1 byte to 64 MiB, not 0 bytes"),
        ("--sizes -1", "--sizes: \"-1\" is no size"),
        ("--sizes -4KiB", "--sizes: \"-4KiB\" is no size"),
        ("--sizes --threads 2", "--sizes: \"--threads\" is no size"),
        ("--sizes 1GiB", "--sizes: a message must have from 1 byte to 64 MiB"),
        ("--sizes 99999999999999999999", "too large"),
        ("--sizes 64XB", "--sizes: \"64XB\" is no size"),
        ("--sizes 64,,512", "--sizes: \"\" is no size"),
        ("--sizes 64..100", "powers of two"),
        ("--sizes 64,64", "stands twice"),
        ("--sizes 4", "--fields 4"),
        ("--threads 9999", "--threads: threads must be at most 256, not 9999"),
        ("--threads 0", "at least 1"),
        ("--threads two", "no number of threads"),
        ("--threads 1..6", "--threads: a range goes by powers of two, and 6 is none"),
        ("--flows 8..1", "runs backwards"),
        ("--thread 4", "did you mean \"--threads\"? see copycost run --help"),
        ("--send sendmgs", "did you mean \"sendmsg\"?"),
        ("--recv rcv", "did you mean \"recv\"?"),
        ("--link loopbak", "did you mean \"loopback\"?"),
        ("--layout page", "did you mean \"paged\"?"),
        ("--placement spilt", "did you mean \"split\"?"),
        ("--time 250", "--time: \"250\" is no time; write a number and a unit"),
        ("--time 0ms", "--time: must be from 1ms to"),
        ("--precision 200%", "between 0% and 100%"),
        ("--rounds 0", "from 1 to 1000000"),
        ("--rounds 4294967295", "from 1 to 1000000"),
        ("--threshold steel=1%", "did you mean \"steal\"?"),
        ("--preset quik", "did you mean \"quick\"? see copycost run --help"),
        ("--sizs 64", "did you mean \"--sizes\"? see copycost run --help"),
        ("--label", "a value is required for '--label <NAME>'"),
        ("--link vteh", "did you mean \"veth\"?"),
        ("--link bridge", "unknown link \"bridge\"; one of: loopback, veth, sink, unix"),
        ("--mtu 100", "--mtu: an MTU must have from 576 to 65535 bytes, not 100"),
        ("--segment 40000", "--segment: a segment must have from 88 to 32767 bytes"),
        ("--tso maybe", "--tso: "),
        ("--resume nowhere", "nowhere does not exist; name a run directory"),
        ("no-such-plan.toml", "there is no plan file no-such-plan.toml"),
        (".", "is a directory"),
        ("--out here --resume there", "cannot be used with"),
    ] {
        let mut line = vec!["run"];
        line.extend(arguments.split(' '));
        let ended = place.copycost(&line).ends_with(2);
        assert!(ended.complaint().contains(part), "{arguments}: {ended:#?}");
        assert_eq!(ended.error.lines().count(), 1, "{arguments}: {ended:#?}");
        assert_eq!(ended.output, "", "{arguments}");
    }
    assert!(!place.path("copycost-runs").exists(), "a wrong command line left something behind");
}

#[test]
fn an_unknown_subcommand_names_the_nearest_one() {
    let place = Place::new();
    let ended = place.copycost(&["prob"]).ends_with(2);
    assert!(ended.error.contains("did you mean \"probe\"?"), "{ended:#?}");
    let ended = place.copycost(&["help", "rum"]).ends_with(2);
    assert!(ended.error.contains("did you mean \"run\"?"), "{ended:#?}");
    let ended = place.copycost(&["frobnicate"]).ends_with(2);
    assert_eq!(ended.error, "error: unrecognized subcommand 'frobnicate'; see copycost --help\n");
}

#[test]
fn a_wrong_plan_file_is_told_with_line_and_column() {
    let place = Place::new();
    for (text, parts) in [
        ("[factors]\nsizs = [64]\n", ["plan.toml: line 2, column 1", "did you mean \"sizes\"?"]),
        ("[factors]\nsend = [\"sned\"]\n", ["plan.toml: line 2", "did you mean \"send\"?"]),
        ("[factors]\nsizes = [64\n", ["plan.toml: line ", "column "]),
        ("factors = 3\n", ["plan.toml: line 1", "is a table"]),
        ("[measure]\ntime = 250\n", ["line 2", "such as 250s, 250ms or 250m"]),
        ("[measure]\nmax-tim = 250\n", ["line 2", "did you mean \"max-time\"?"]),
        ("[measure]\nsend = \"send\"\n", ["line 2", "send belongs under [factors]"]),
        ("[factors]\nlink = \"veht\"\n", ["line 2", "unknown link"]),
    ] {
        place.write("plan.toml", text);
        let ended = place.copycost(&["run", "plan.toml"]).ends_with(2);
        for part in parts {
            assert!(ended.complaint().contains(part), "{text}: {ended:#?}");
        }
    }
}

#[test]
fn an_existing_directory_is_never_written_over() {
    let place = Place::new();
    std::fs::create_dir(place.path("run")).unwrap();
    place.write("run/precious.txt", "mine");
    let mut line = TINY.to_vec();
    line.extend(["--out", "run"]);
    let ended = place.copycost(&line).ends_with(2);
    assert!(ended.complaint().contains("name another directory with --out"), "{ended:#?}");
    assert_eq!(std::fs::read_dir(place.path("run")).unwrap().count(), 1);
}

#[test]
fn an_unwritable_place_is_told_before_anything_is_measured() {
    let place = Place::new();
    place.write("file", "not a directory");
    let mut line = TINY.to_vec();
    line.extend(["--out", "file/run"]);
    let ended = place.copycost(&line).ends_with(3);
    assert!(ended.complaint().contains("file/run"), "{ended:#?}");
}

/// A journal as a later copycost might write it: its first line whole, by its own checksum.
fn of_version_7(journal: &str) -> String {
    let (line, rest) = journal.split_once('\n').unwrap();
    let (body, _) = line.split_once(",\"crc32\":").unwrap();
    let body = body.replacen("{\"v\":2,", "{\"v\":7,", 1);
    format!("{body},\"crc32\":\"{:08x}\"}}\n{rest}", crc32fast::hash(body.as_bytes()))
}

#[test]
fn a_damaged_journal_names_its_line_and_a_torn_tail_never_happened() {
    let place = Place::new();
    let run = place.tiny_run();
    let journal = run.join("journal.jsonl");
    let whole = std::fs::read_to_string(&journal).unwrap();

    // Another version, told apart from damage: both versions are named.
    std::fs::write(&journal, of_version_7(&whole)).unwrap();
    let ended = place.copycost(&["report", "run"]).ends_with(2);
    assert!(ended.complaint().contains("version 7"), "{ended:#?}");
    assert!(ended.complaint().contains("reads versions 1 and 2"), "{ended:#?}");

    // Damage in the middle.
    let damaged = whole.replacen("\"attempt\":1", "\"attempt\":2", 1);
    let line = 1 + whole.lines().zip(damaged.lines()).position(|(a, b)| a != b).unwrap();
    std::fs::write(&journal, &damaged).unwrap();
    let ended = place.copycost(&["report", "run"]).ends_with(2);
    assert!(ended.complaint().contains("journal.jsonl"), "{ended:#?}");
    assert!(ended.complaint().contains(&format!("line {line}")), "{ended:#?}");
    let mut resume = TINY.to_vec();
    resume.extend(["--resume", "run"]);
    place.copycost(&resume).ends_with(2);
    assert_eq!(
        std::fs::read_to_string(&journal).unwrap(),
        damaged,
        "a damaged journal is left as it is"
    );

    // A torn tail: reading works, and nothing before it is lost.
    std::fs::write(&journal, &whole[..whole.len() - 5]).unwrap();
    place.copycost(&["report", "run"]).ends_with(0);
    let before = trials(&run).len();
    place.copycost(&resume).ends_with(0);
    assert!(trials(&run).len() >= before);
}

#[test]
fn a_label_has_a_bound_wherever_it_comes_from() {
    let place = Place::new();
    let long = "ü".repeat(201);
    let mut line = TINY.to_vec();
    line.extend(["--label", &long]);
    let refused = place.copycost(&line).ends_with(2);
    assert_eq!(refused.complaint(), "error: label: at most 200 characters, not 201");
    place.write("plan.toml", &format!("label = \"{long}\"\n"));
    let refused = place.copycost(&["run", "plan.toml"]).ends_with(2);
    assert!(refused.complaint().contains("plan.toml: line 1"), "{refused:#?}");
}

#[test]
fn plan_host_and_journal_must_be_of_one_run() {
    let place = Place::new();
    let run = place.tiny_run();
    let [plan, host] = ["plan.toml", "host.json"].map(|name| run.join(name));
    let [of_plan, of_host] = [&plan, &host].map(|path| std::fs::read_to_string(path).unwrap());
    let name: serde_json::Value = serde_json::from_str(&of_host).unwrap();
    let name = name["hostname"].as_str().unwrap().to_owned();
    std::fs::write(&host, of_host.replacen(&format!("\"{name}\""), "\"elsewhere\"", 1)).unwrap();
    let foreign = place.copycost(&["report", "run"]).ends_with(2);
    assert!(foreign.complaint().contains("another machine or kernel"), "{foreign:#?}");
    std::fs::write(&host, &of_host).unwrap();

    std::fs::write(&plan, "").unwrap();
    let empty = place.copycost(&["report", "run"]).ends_with(2);
    assert!(empty.complaint().contains("plan.toml is empty"), "{empty:#?}");
    assert!(of_plan.contains("\"512\""), "{of_plan}");
    // Of another size, or measured otherwise: the journal holds the plan that its records were made under.
    let journal = std::fs::read(run.join("journal.jsonl")).unwrap();
    for (from, to) in [("\"512\"", "\"1024\""), ("seed = \"1\"", "seed = \"2\"")] {
        assert!(of_plan.contains(from), "{of_plan}");
        std::fs::write(&plan, of_plan.replace(from, to)).unwrap();
        for line in [&["report", "run"][..], &["run", "--resume", "run", "--rounds", "9"]] {
            let other = place.copycost(line).ends_with(2);
            assert!(other.complaint().contains("the journal's line 1 has"), "{other:#?}");
        }
        assert_eq!(std::fs::read(run.join("journal.jsonl")).unwrap(), journal);
    }
    std::fs::write(&plan, &of_plan).unwrap();
    place.copycost(&["report", "run"]).ends_with(0);
}

#[test]
fn a_run_that_ended_before_its_first_record_is_begun_anew_either_way() {
    for flag in ["--out", "--resume"] {
        let place = Place::new();
        std::fs::create_dir(place.path("run")).unwrap();
        place.write("run/journal.jsonl", "{\"v\":2,\"seq\":1,\"ru");
        place.write("run/plan.toml", "");
        let mut line = TINY.to_vec();
        line.extend([flag, "run"]);
        place.copycost(&line).ends_with(0);
        assert!(!trials(&place.path("run")).is_empty());
    }
}

#[test]
fn a_run_goes_on_with_its_own_plan_only() {
    let place = Place::new();
    place.tiny_run();
    let before = trials(&place.path("run"));
    let ended =
        place.copycost(&["run", "--resume", "run", "--sizes", "512", "--rounds", "3"]).ends_with(2);
    assert!(ended.complaint().contains("sizes"), "{ended:#?}");
    let ended = place.copycost(&["run", "--resume", "run", "--preset", "quick"]).ends_with(2);
    ended.complaint();
    assert_eq!(trials(&place.path("run")), before);
}

#[test]
fn a_directory_that_is_no_run_is_told_so() {
    let place = Place::new();
    std::fs::create_dir(place.path("empty")).unwrap();
    for line in [
        &["report", "empty"][..],
        &["report", "missing"],
        &["report"],
        &["run", "--resume", "empty"],
    ] {
        let ended = place.copycost(line).ends_with(2);
        ended.complaint();
    }
    let ended = place.copycost(&["report", "missing"]).ends_with(2);
    assert_eq!(ended.complaint(), "error: missing does not exist; name a run directory");
}

#[test]
fn a_cpu_that_is_not_there_is_told_before_anything_runs() {
    let place = Place::new();
    let mut line = TINY.to_vec();
    line.extend(["--placement", "60000/60001"]);
    let ended = place.copycost(&line).ends_with(3);
    assert!(ended.complaint().contains("6000"), "{ended:#?}");
}
