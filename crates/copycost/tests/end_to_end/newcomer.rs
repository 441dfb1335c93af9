//! What somebody meets who does not know the program: every refusal tells the true reason and a remedy that helps.

use crate::common::Place;

/// Goodput of two paths, so many rows each; the figure differs from row to row.
fn table(rows: u32, more: &str, value: &str) -> String {
    let mut text = format!("impl,size,threads,goodput_gbps{more}\n");
    for row in 0..rows {
        for (path, gbps) in [("A1", 1.0), ("A2", 2.0)] {
            let gbps = gbps + 0.1 * f64::from(row * 3 % 4);
            text += &format!("{path},64,1,{gbps}{value}\n");
        }
    }
    text
}

/// A run directory made of such a table.
fn imported(place: &Place, name: &str, table: &str) {
    place.write(&format!("{name}.csv"), table);
    let file = format!("{name}.csv");
    place.copycost(&["import", &file, "--out", name, "-q"]).ends_with(0);
}

#[test]
fn imported_tables_that_cannot_be_compared_say_why() {
    let place = Place::new();
    imported(&place, "once", &table(1, "", ""));
    imported(&place, "thrice", &table(3, "", ""));
    imported(&place, "veth", &table(3, ",link", ",veth"));
    let why = |line: &[&str]| place.copycost(line).ends_with(2).complaint().to_owned();
    let one_round = why(&["compare", "once", "thrice"]);
    assert!(one_round.contains("once has one round of each cell"), "{one_round}");
    assert!(one_round.contains("import tables with two rows or more of a cell"), "{one_round}");
    let unknown = why(&["compare", "thrice", "veth"]);
    assert!(unknown.contains("the table of thrice has no column link"), "{unknown}");
    assert!(unknown.contains("the other side has link=veth"), "{unknown}");
}

#[test]
fn what_a_table_does_not_tell_is_no_difference() {
    let place = Place::new();
    imported(&place, "thrice", &table(3, "", ""));
    let plan = synthetic::without_controls(&[
        (model::Factor::Send, "send,sendmsg"),
        (model::Factor::Message, "64"),
        (model::Factor::Threads, "1"),
    ]);
    crate::table::made_of(&place.path("run"), &plan, "alpha");
    let ended = place.copycost(&["compare", "run", "thrice", "--verbose"]).ends_with(0);
    assert!(!ended.output.contains(" → "), "{}", ended.output);
    for what in ["machines", "settings"] {
        let told = format!("Whether the {what} differ is not told by thrice, an imported table.");
        assert!(ended.output.contains(&told), "{}", ended.output);
    }
}

#[test]
fn a_table_without_a_figure_is_refused_and_a_unit_alone_is_one() {
    let place = Place::new();
    place.write("unit.csv", "impl,size,threads,Gbps,note\nA1,64,1,2,x\n");
    let done =
        place.copycost(&["import", "unit.csv", "--map", "note=ignore", "--out", "a"]).ends_with(0);
    assert!(done.error.contains("Gbps     goodput_gbps"), "{}", done.error);
    // Who asked for it needs no remedy.
    assert!(done.error.contains("note     not used: left out, as was asked\n"), "{}", done.error);
    let why = |line: &[&str]| place.copycost(line).ends_with(2).complaint().to_owned();
    place.write("bytes.csv", "impl,size,threads,bytes\nA1,64,1,1000000\n");
    let none = why(&["import", "bytes.csv", "--out", "b"]);
    assert!(none.contains("no figure follows from its rows"), "{none}");
    place.write("lacks.csv", "impl,length,n,goodput_gbps\nA1,64,1,2\n");
    let lacks = why(&["import", "lacks.csv", "--map", "nosuch=threads"]);
    for part in [
        "there is no column \"nosuch\" (--map)",
        "no column tells the message size, the threads",
        "--map COLUMN=message_bytes --map COLUMN=threads",
    ] {
        assert!(lacks.contains(part), "{part}: {lacks}");
    }
    place.write("bits.csv", "impl,size,threads,goodput_gbps\nA1,64Kb,1,2\n");
    assert!(why(&["import", "bits.csv"]).contains("\"64Kb\" is in bits"));
    place.write("said.csv", "impl,size_kb,threads,goodput_gbps\nA1,64,1,2\n");
    let said = place.copycost(&["import", "said.csv", "--out", "c"]).ends_with(0);
    assert!(said.error.contains("times 1000 (kb taken as kilobytes)"), "{}", said.error);
}

#[test]
fn an_imported_run_is_not_said_to_be_gone_on_with() {
    let place = Place::new();
    imported(&place, "thrice", &table(3, "", ""));
    let why = |line: &[&str]| place.copycost(line).ends_with(2).complaint().to_owned();
    let resumed = why(&["run", "--resume", "thrice"]);
    assert!(resumed.contains("was imported from a table"), "{resumed}");
    assert!(resumed.contains("copycost run thrice/plan.toml"), "{resumed}");
    for line in
        [&["import", "thrice.csv", "-q", "--out", "thrice"][..], &["run", "--out", "thrice"]]
    {
        let exists = why(line);
        assert!(exists.contains("name another directory with --out"), "{exists}");
        assert!(!exists.contains("--resume"), "{exists}");
    }
    crate::table::made(&place.path("run"), "alpha");
    let exists = why(&["run", "--out", "run"]);
    assert!(exists.contains("or go on with it: copycost run --resume run"), "{exists}");
}

#[test]
fn what_is_no_plan_is_said_to_be_none() {
    let place = Place::new();
    place.write("empty.toml", " \n");
    place.write("wide.toml", "label = \"x\"\n[measure]\nprecision = \"200%\"\n");
    std::fs::create_dir(place.path("clone")).unwrap();
    crate::table::made(&place.path("run"), "alpha");
    std::fs::write(place.path("run/trials.csv"), "").unwrap();
    for (line, part) in [
        (&["run", "-"][..], "standard input is empty; name a plan"),
        (&["run", "empty.toml"], "empty.toml is empty; name a plan"),
        (&["run", "clone"], "clone is a directory; name a plan file\n"),
        (&["run", "run"], "name a plan file, such as run/plan.toml"),
        (&["run", "nowhere"], "there is no plan file nowhere"),
        (&["import", "clone"], "clone is a directory: name a CSV file\n"),
        (&["import", "run"], "name a CSV file, such as run/trials.csv"),
        (&["import", "clone/docs"], "there is no file clone/docs"),
        (&["run", "--precision", "200%"], "--precision: must be between 0% and 100%, such as 3%"),
        (&["run", "wide.toml"], "line 3, column 13: precision: must be between 0% and 100%"),
        (&["import", "x.csv", "--map", "x=mb/s"], "--map: x=mb/s: bits or bytes?"),
    ] {
        let ended = place.copycost(line).ends_with(2);
        assert!(ended.error.contains(part), "{line:?}: {}", ended.error);
        assert_eq!(ended.error.lines().count(), 1, "{line:?}: {}", ended.error);
    }
}

#[test]
fn a_limit_that_one_round_outlasts_is_said_before_anything_is_measured() {
    let place = Place::new();
    let line = ["run", "--steady", "--time", "3s", "--max-time", "2s", "--dry-run"];
    let ended = place.copycost(&line).ends_with(0);
    let output = ended.output.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(output.contains("; one round, which will exceed the limit of 2s"), "{ended:?}");
    assert!(ended.error.contains("--max-time 2 s will be exceeded"), "{ended:?}");
}
