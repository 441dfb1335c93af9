//! `copycost advise`: the answer of runs that are there, measuring where there is none, and what a script sees.

use journal::RunDirectory;
use model::record::{Finish, FinishReason, Record};
use model::{Cell, Factor, Nanos, Plan};
use serde_json::Value;

use crate::common::{Ended, Place, only_run};

/// A question that a few seconds of measuring cover.
const SHORT: &[&str] =
    &["advise", "--link", "loopback", "--send", "send,sendmsg", "--max-time", "5s"];

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.output).unwrap_or_else(|why| panic!("{why}: {ended:#?}"))
}

/// A run of the default plan that nobody measured, on a machine made up.
fn made(place: &Place) -> String {
    let plan = synthetic::without_controls(&[(Factor::Threads, "1")]);
    made_of(place, &plan, |_| true)
}

/// The same of another plan, of which only such cells were reached.
fn made_of(place: &Place, plan: &Plan, is_reached: impl Fn(&Cell) -> bool) -> String {
    made_with(place, plan, is_reached, |cell, round| {
        synthetic::trial(cell, round).faster(synthetic::noise(1, cell, round, 0.01))
    })
}

/// The same of such trials.
fn made_with(
    place: &Place,
    plan: &Plan,
    is_reached: impl Fn(&Cell) -> bool,
    trial: impl Fn(&Cell, u32) -> synthetic::TrialBuilder,
) -> String {
    made_in(place, plan, Nanos::s(5), is_reached, trial)
}

/// The same that took so long.
fn made_in(
    place: &Place,
    plan: &Plan,
    spent: Nanos,
    is_reached: impl Fn(&Cell) -> bool,
    trial: impl Fn(&Cell, u32) -> synthetic::TrialBuilder,
) -> String {
    let path = place.path("made");
    let (directory, mut journal) = RunDirectory::begin(&path, None).unwrap();
    directory.write_plan(plan).unwrap();
    directory.write_host(&synthetic::host()).unwrap();
    let records = synthetic::run(plan, 12, trial);
    let is_kept = |record: &&Record| {
        let is_cut = matches!(record, Record::Trial(trial) if !is_reached(&trial.cell));
        !is_cut && !matches!(record, Record::Finish(_))
    };
    let end = Record::Finish(Finish { reason: FinishReason::Time, spent_ns: spent });
    for record in records.iter().filter(is_kept).chain([&end]) {
        journal.append(record).unwrap();
    }
    path.to_str().unwrap().to_owned()
}

/// 0 where the intervals decided, 4 where not: a loaded machine may give either.
fn answered(ended: Ended) -> Ended {
    assert!(matches!(ended.code, Some(0 | 4)), "{ended:#?}");
    assert!(!ended.error.contains("panicked"), "{ended:#?}");
    ended
}

#[test]
fn what_no_run_covers_is_measured_and_then_answers_without_measuring() {
    let place = Place::new();
    let mut line = SHORT.to_vec();
    line.extend(["--size", "20KB", "--json"]);
    let first = answered(place.copycost(&line));
    assert!(first.error.contains("advise, loopback: "), "{first:#?}");
    let told = json(&first);
    assert_eq!(told["decided"], first.code == Some(0));
    assert_eq!(told["message_bytes"], 20_000);
    // On a loaded machine no trial of so short a run may be valid; it is kept all the same.
    assert!(only_run(&place, "advise-").join("report.html").is_file());
    assert!(!place.path("copycost-runs/latest").exists(), "that is what the user measured last");
    // The same question again has its answer, and so has one that is given the run.
    line.extend(["--measure", "never"]);
    let again = json(&answered(place.copycost(&line)));
    assert_eq!(again["links"], told["links"]);
}

#[test]
fn a_run_that_is_named_answers_whatever_machine_it_is_of() {
    let place = Place::new();
    let run = made(&place);
    let mut line = SHORT.to_vec();
    line.extend(["--size", "4KiB", "--measure", "never", "--json", &run]);
    let told = json(&place.copycost(&line).ends_with(0));
    assert_eq!(told["links"][0]["choice"]["path"], "sendmsg");
    assert_eq!(
        told["links"][0]["contenders"].as_array().unwrap().len(),
        2,
        "zerocopy is not asked about"
    );
    let mut text = SHORT.to_vec();
    text.extend(["--size", "4KiB", "--measure", "never", "--rate", "1Gbit/s", &run]);
    let text = place.copycost(&text).ends_with(0);
    assert!(text.output.starts_with("Same host (loopback): use sendmsg"), "{text:#?}");
    for part in ["4 KiB, 1 thread", "CPUs", "Not measured: ", "Evidence: "] {
        assert!(text.output.contains(part), "{part}: {text:#?}");
    }
    assert!(text.output.lines().all(|line| line.chars().count() <= 100), "{text:#?}");
}

#[test]
fn where_cpu_cost_would_decide_what_goodput_does_not_the_rate_is_asked_for() {
    for costs in [[400.0, 200.0], [400.0, 400.0]] {
        let place = Place::new();
        let plan = synthetic::without_controls(&[(Factor::Threads, "1")]);
        let run = made_with(
            &place,
            &plan,
            |_| true,
            |cell, round| {
                let cost = costs[usize::from(cell.id().contains("sendmsg"))];
                let noise = |seed| synthetic::noise(seed, cell, round, 0.05);
                synthetic::trial(cell, round)
                    .goodput_gbps(10.0 * noise(1))
                    .ends_cpu_ns_per_kib(cost * noise(2))
            },
        );
        let ask = |more: &[&str]| {
            let never = ["--size", "4KiB", "--measure", "never", &run];
            place.copycost(&[SHORT, &never, more].concat())
        };
        let ended = ask(&[]).ends_with(4);
        let is_cost = costs[0] > costs[1];
        assert_eq!(ended.error.contains("--rate 5Gbit/s"), is_cost, "{ended:#?}");
        // And that does decide it.
        let with_rate = ask(&["--rate", "5Gbit/s"]);
        assert_eq!(with_rate.code == Some(0), is_cost, "{with_rate:#?}");
    }
}

#[test]
fn what_a_long_run_left_open_takes_more_time_than_that_had() {
    for (spent, enough) in [(Nanos::s(5), "5m"), (Nanos::s(400), "14m")] {
        let place = Place::new();
        let plan = synthetic::without_controls(&[(Factor::Threads, "1")]);
        let run = made_in(
            &place,
            &plan,
            spent,
            |_| true,
            |cell, round| {
                let noise = |seed| synthetic::noise(seed, cell, round, 0.05);
                synthetic::trial(cell, round)
                    .goodput_gbps(10.0 * noise(1))
                    .ends_cpu_ns_per_kib(400.0 * noise(2))
            },
        );
        let never = ["--size", "4KiB", "--measure", "never", &run];
        let ended = place.copycost(&[SHORT, &never].concat()).ends_with(4);
        let command = format!(
            "undecided: measure anew with more time: copycost advise --size 4KiB --link loopback --send send,sendmsg --measure always --max-time {enough}\n"
        );
        assert!(ended.error.ends_with(&command), "{ended:#?}");
    }
}

#[test]
fn without_a_run_and_without_measuring_nothing_is_claimed() {
    let place = Place::new();
    let ended = place.copycost(&["advise", "--measure", "never"]).ends_with(4);
    assert!(ended.output.starts_with("Same host (loopback): not measured."), "{ended:#?}");
    assert!(ended.error.ends_with("undecided: measure it: copycost advise\n"), "{ended:#?}");
    // Nor from another size, on whose side the answer may be another one.
    let run = place.tiny_run();
    let run = run.to_str().unwrap();
    let ended =
        place.copycost(&["advise", run, "--measure", "never", "--size", "1MiB"]).ends_with(4);
    assert!(ended.output.contains("not measured at 1 MiB"), "{ended:#?}");
    let command = format!("measure it: copycost advise {run} --size 1MiB\n");
    assert!(ended.error.ends_with(&command), "{ended:#?}");
}

#[test]
fn why_a_run_does_not_cover_a_question_is_named_with_its_values() {
    let place = Place::new();
    let run = made(&place);
    let ask = |asked: &[&str]| {
        let line = [&["advise", "--measure", "never", "--size", "4KiB"], asked].concat();
        place.copycost(&line).ends_with(4)
    };
    for (asked, part) in [
        (&["--threads", "4", "--link", "loopback"][..], "has threads 1, not 4"),
        (&["--fields", "3", "--link", "loopback"], "has fields 8, not 3"),
        (&["--link", "sink"], "has link loopback, not sink"),
    ] {
        let ended = ask(&[asked, &[&run]].concat());
        assert!(ended.output.contains(part), "{part}: {ended:#?}");
        // What is named measures the same here.
        let command = format!(
            "ask for what that run has, or measure here: copycost advise --size 4KiB {}",
            asked.join(" ")
        );
        assert!(ended.error.trim_end().ends_with(&command), "{ended:#?}");
    }
    // Of a table that does not tell its link nothing is said of one.
    place.write("mine.csv", "impl,size,threads,goodput_gbps\nA1,4096,1,1\nA2,4096,1,2\n");
    place.copycost(&["import", "mine.csv", "--out", "mine", "-q"]).ends_with(0);
    let ended = ask(&["--link", "loopback", "mine"]);
    assert!(ended.output.contains("link loopback: its table does not tell it"), "{ended:#?}");
}

#[test]
fn a_size_that_a_run_did_not_reach_is_told_as_that_and_not_as_two_answers() {
    let place = Place::new();
    let sizes = [(Factor::Threads, "1"), (Factor::Message, "10000,20000,40000")];
    let plan = synthetic::without_controls(&sizes);
    let run = made_of(&place, &plan, |cell| cell.message.bytes().0 == 10_000);
    let line = ["advise", "--measure", "never", "--size", "20000", "--link", "loopback", &run];
    let ended = place.copycost(&line).ends_with(4);
    let text = ended.output.split_whitespace().collect::<Vec<_>>().join(" ");
    let told = format!("not measured at 20000 B, as the time of {run} was spent before its turn.");
    assert!(text.contains(&told), "{ended:#?}");
}

#[test]
fn too_little_time_is_told_before_and_after_by_the_flag_that_advise_has() {
    let place = Place::new();
    let mut line = SHORT.to_vec();
    *line.last_mut().unwrap() = "1ms";
    let ended = answered(place.copycost(&line));
    let cautions: Vec<&str> = ended.error.lines().filter(|it| it.starts_with("! ")).collect();
    let first = cautions.first().copied().unwrap_or_default();
    assert!(first.starts_with("! one round takes about "), "{ended:#?}");
    assert!(first.contains(": --max-time 1 ms will be exceeded"), "{ended:#?}");
    for flag in ["--turns", "--sizes", "fewer"] {
        assert!(cautions.iter().all(|it| !it.contains(flag)), "{flag}: {ended:#?}");
    }
}

#[test]
fn wrong_questions_name_the_flag_and_the_remedy() {
    let place = Place::new();
    for (arguments, part) in [
        ("--size 0", "--size: a message must have from 1 byte"),
        ("--size 20XB", "--size: \"20XB\" is no size"),
        ("--size 4", "--fields 4"),
        ("--threads none", "--threads: "),
        ("--link lop", "--link: unknown link \"lop\""),
        ("--send sendmsg", "--send: two paths or more"),
        ("--against sendmgs", "--against: "),
        ("--against staged --send send,sendmsg", "--against staged is not among --send"),
        ("--rate 5", "--rate: \"5\" is no rate"),
        ("--share-of-cpu 120%", "--share-of-cpu: above 0 and up to 100%"),
        ("--round-trip 5", "--round-trip: \"5\" is no time"),
        ("--max-time 0s", "--max-time: "),
        ("nowhere", "nowhere"),
    ] {
        let mut line = vec!["advise", "--measure", "never"];
        line.extend(arguments.split(' '));
        let ended = place.copycost(&line).ends_with(2);
        assert!(ended.complaint().contains(part), "{arguments}: {ended:#?}");
        assert_eq!(ended.output, "", "{arguments}");
    }
}
