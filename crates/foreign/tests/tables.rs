//! Tables as people write them, and what follows from them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where its own helpers fail")]

use analysis::claims::claim::Verdict;
use analysis::oversubscribed::Oversubscribed;
use analysis::own_table::{Says, TableVerdict};
use analysis::{Metric, Summary};
use foreign::{Asked, Decimal, Mapping};
use model::record::{Outcome, Record};
use model::{Factor, Mark, Measured, Plan, SendPath};
use proptest::prelude::*;

const PAPER: &str = include_str!("../../../docs/paper-figures.csv");
const HEADING: &str = "Implementation,MessageSize,Threads,TotalBytes,Throughput_Gbps,Cycles,CacheMisses,ContextSwitches\n";

fn asked(maps: &[Mapping]) -> Asked<'_> {
    Asked { maps, ..Asked::default() }
}

fn refused(text: &[u8]) -> String {
    foreign::read("f.csv", text, Asked::default()).unwrap_err().to_string()
}

fn summary_of(tables: &[&[u8]], asked: Asked<'_>) -> Summary {
    let tables = tables.iter().map(|text| foreign::read("f.csv", *text, asked).unwrap()).collect();
    let made = foreign::import(tables, "f", asked.cpus, 7).unwrap();
    analysis::summarise(&made.plan, &made.host, &made.records)
}

fn summary(text: &str) -> Summary {
    summary_of(&[text.as_bytes()], Asked::default())
}

fn figure(summary: &Summary, cell: &str, metric: Metric) -> f64 {
    let cell = cell.parse().unwrap();
    let entry = summary.estimates.iter().find(|entry| entry.cell == cell).unwrap();
    entry.metrics[&metric].value().unwrap_or_else(|| panic!("{:?}", entry.metrics[&metric])).mean
}

#[test]
fn one_table_in_many_spellings_has_the_same_figures() {
    let cell = "send=sendmsg message_bytes=65536 threads=8";
    let near = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-9;
    for text in [
        format!("{HEADING}A2,65536,8,134200000000,107.3,165100000000,460000000,28372\n"),
        format!("\u{feff}{HEADING}\"A2\",\"65,536\",8,\"134,200,000,000\",107.3,165.1e9,4.6E8,\"28,372\"\r\n\r\n"),
        "implementation;msg size [KiB];threads;total bytes;throughput (Mbit/s);sender cycles;sender cache misses;tx context switches\r\none-copy;64,0;8;134 200 000 000;107300,0;165.100.000.000;460 000 000;28372\r\n;;;;;;;\r\n".to_owned(),
        "path\tsize\tnum_threads\tbytes\tgoodput_GB/s\tsender_cycles\tsender-cache-misses\tsender context switches\nA2_one_copy\t64KiB\t8\t1.342e11\t13.4125\t1.651e11\t4.6e8\t28372\n".to_owned(),
    ] {
        let summary = summary(&text);
        let is = |metric, value| {
            let found = figure(&summary, cell, metric);
            assert!(near(found, value), "{metric:?}: {found}, not {value}: {text}");
        };
        is(Metric::GoodputGbps, 107.3);
        is(Metric::MessagesPerS, 107.3e9 / 8.0 / 65_536.0);
        is(Metric::SenderCyclesPerByte, 165.1 / 134.2);
        is(Metric::SenderCacheMissesPerKib, 0.46 / 134.2 * 1024.0);
        is(Metric::SenderContextSwitchesPerS, 28_372.0 / (134.2 * 8.0 / 107.3));
        let paper = &summary.estimates[0].paper;
        assert_eq!(paper.total_bytes.value(), Some(&134_200_000_000));
        assert_eq!(paper.context_switches.value(), Some(&28_372));
    }
}

#[test]
fn what_a_file_does_not_tell_is_absent_with_the_reason() {
    let summary = summary(&format!("{HEADING}A1,64,2,,,,20100000,\nA2,64,2,1e9,0.8,1e9,,\n"));
    let of = |place: usize, metric: Metric| summary.estimates[place].metrics[&metric].reason();
    assert_eq!(of(0, Metric::GoodputGbps), Some("\"Throughput_Gbps\" is empty in its row"));
    assert!(of(0, Metric::SenderCacheMissesPerKib).unwrap().contains("neither bytes"));
    assert!(of(1, Metric::ReceiverCyclesPerByte).unwrap().contains("no column"));
    assert_eq!(of(1, Metric::SenderCyclesPerByte), None);
    assert!(summary.run.usable_cpus == 0 && summary.run.knows_no_cpus());
    assert!(summary.run.rounds == 1 && summary.run.preliminary);
    let estimate = summary.estimates[1].metrics[&Metric::GoodputGbps].value().unwrap();
    assert_eq!((estimate.low, estimate.high), (None, None), "a single row has no interval");
    for claim in &summary.explained.claims {
        let decided = matches!(claim.verdict, Verdict::Supported | Verdict::Refuted);
        assert!(
            !decided || claim.evidence.iter().all(|it| it.cells().next().is_none()),
            "{claim:?}"
        );
        assert!(claim.would_decide.iter().all(|it| !it.unlock.contains("--resume")), "{claim:?}");
    }
}

#[test]
fn a_column_is_named_where_its_heading_says_nothing_or_two_things() {
    let speed = "impl,size,threads,speed\none,64,1,800\n";
    assert!(refused(speed.as_bytes()).starts_with(
        "f.csv line 1, column \"speed\": in which unit? say it by --map speed=goodput_gbps (or "
    ));
    let maps = ["speed=goodput_mbps", "one=sendmsg"].map(|map| map.parse().unwrap());
    let summary = summary_of(&[speed.as_bytes()], asked(&maps));
    let cell = "send=sendmsg message_bytes=64 threads=1";
    assert!((figure(&summary, cell, Metric::GoodputGbps) - 0.8).abs() < 1e-12);
    let table = foreign::read(
        "f",
        &b"what,size,threads,goodput_gbps,note\nA1,64,1,1,x\n"[..],
        asked(&["what=send_path".parse().unwrap()]),
    )
    .unwrap();
    assert_eq!(table.used, [true]);
    let told: Vec<_> =
        table.file.columns.iter().map(|it| it.taken_as.value().map(String::as_str)).collect();
    let names = ["send_path", "message_bytes", "threads", "goodput_gbps"];
    assert_eq!(told, names.map(Some).into_iter().chain([None]).collect::<Vec<_>>());
}

#[test]
fn bad_tables_are_refused_by_line_and_column() {
    let row = |row: &str| format!("{HEADING}{row}\n");
    for (text, part) in [
        (String::new(), "f.csv: it is empty"),
        (HEADING.to_owned(), "f.csv: it has a heading and no row"),
        (
            "impl,size\nA1,64\n".to_owned(),
            "no column tells the threads, a figure; say which by --map COLUMN=threads --map COLUMN=",
        ),
        ("impl,size,threads\nA1,64,1\n".to_owned(), "no column tells a figure"),
        (
            "impl,size,threads,gbps,gbps\n".to_owned(),
            "column \"gbps\": columns 4 and 5 have the same heading",
        ),
        (
            "impl,path,size,threads,goodput_gbps\n".to_owned(),
            "column \"path\": it is send_path, and so is column \"impl\"",
        ),
        (
            "impl,size,threads,cycles\n".to_owned(),
            "column \"cycles\": whose, the sender's, the receiver's or both ends'? say it by --map cycles=sender_cycles (or receiver_cycles, ends_cycles)",
        ),
        ("impl,size,threads,goodput_gb_s\n".to_owned(), "bits or bytes?"),
        ("cell,trials,goodput_gbps,goodput_gbps_low\n".to_owned(), "import its trials.csv"),
        (row("A1,64,1,1e9"), "f.csv line 2: 4 fields, where the heading has 8"),
        (
            row("A1,64,1,1e9,abc,,,"),
            "f.csv line 2, column \"Throughput_Gbps\": \"abc\" is no number",
        ),
        (
            row("A1,64,0,1e9,0.8,,,"),
            "f.csv line 2, column \"Threads\": \"0\" is no whole number from 1 on",
        ),
        (row("A1,0,1,1e9,0.8,,,"), "column \"MessageSize\": a message must have from 1 byte"),
        (row(",64,1,1e9,0.8,,,"), "column \"Implementation\": empty"),
        (row("A9,64,1,1e9,0.8,,,"), "column \"Implementation\": unknown send path \"A9\""),
        (row("A1,64,1,1e9,-0.8,,,"), "is below 0"),
        (
            row("A1,64,1,0.8,1e9,,,"),
            "column \"Throughput_Gbps\": 1e9 Gbit/s is more than any machine moves",
        ),
        (row("A1,64,1,8,0.8,,,"), "column \"TotalBytes\": a trial of 8e-8 s"),
        (row("A1,64,1,0,0.8,,,"), "one of the two is wrong"),
        (row("A1,64,1,1e9,0.8,5e6,8e9,"), "8e9 cache misses in 5e6 cycles: are columns swapped?"),
        (
            row("A1,64,1,1e9,0.8,,,\nA1,64,1,1e9,0.9,,,\nA2,64,1,1e9,0.9,,,"),
            "f.csv line 3: send=send message_bytes=64 threads=1: line 2 is of the same cell with other figures",
        ),
        (
            "round,impl,size,threads,goodput_gbps\n1,A1,64,1,2\n1,A1,64,1,3\n".to_owned(),
            "f.csv line 3: send=send message_bytes=64 threads=1: repetition 1 stands in line 2 already",
        ),
        (
            "impl;size;threads;goodput_gbps\nA1;64;1;1,234\n".to_owned(),
            "\"1,234\" may be thousands or a fraction: say --decimal point or --decimal comma",
        ),
        (
            "impl;size;threads;goodput_gbps\nA1;64;1;0,5\nA2;64;1;0.5\n".to_owned(),
            "f.csv line 3, column \"goodput_gbps\": \"0.5\" has a decimal point, and \"0,5\" in line 2 a decimal comma",
        ),
        ("impl,size,threads,goodput_gbps,duration_s\nA1,64,1,1,0\n".to_owned(), "no time at all"),
        ("no table".to_owned(), "no comma, semicolon, tab or bar"),
        (
            "impl,size,threads,goodput (Gbit/s)\nA1,64 KiB,1,12.3 Gbit/s\n".to_owned(),
            "f.csv line 2, column \"goodput (Gbit/s)\": \"12.3 Gbit/s\" has a unit: write 12.3 here, and (Gbit/s) in the heading",
        ),
        (
            "impl,size [KiB],threads,goodput_gbps\nA1,64 KiB,1,1\n".to_owned(),
            "column \"size [KiB]\": \"64 KiB\" has a unit: write 64 here",
        ),
        (
            "impl,size,threads,goodput_gbps,note\nA1,64,1,1,\"a\nA2,64,1,2,b\n".to_owned(),
            "f.csv line 2, column \"note\": a quote that opens here is not closed in its line",
        ),
        (
            "impl,size,threads,goodput_gbps\nA1,64,\"1,1\nA2,64,\"1,2\n".to_owned(),
            "f.csv line 2, column \"threads\": a quote that opens here is not closed in its line",
        ),
        (
            "impl,size,\"threads,goodput_gbps\nA1,64,1,1\n".to_owned(),
            "f.csv line 1: column 3: a quote that opens here is not closed",
        ),
        (
            "\"impl,size,threads\nA1,64,1\n".to_owned(),
            "f.csv line 1: a quote that opens here is not closed",
        ),
        ("{\n \"a\": [1, 2]\n}\n".to_owned(), "f.csv: it is JSON, not CSV"),
        (
            "{\"v\":1,\"seq\":0,\"kind\":\"segment\"}\n".to_owned(),
            "of a run of copycost import its trials.csv, or read it by copycost report DIR",
        ),
        (
            "A1,64,1,12.3\nA2,64,1,12.4\n".to_owned(),
            "f.csv line 1: a row, where a heading was looked for: write one above it",
        ),
    ] {
        let error = refused(text.as_bytes());
        assert!(error.contains(part), "{error}\n  lacks {part}");
        assert!(!error.contains('\n'), "{error}");
    }
    assert!(
        refused(b"impl,size,threads,goodput_gbps\nA1,64,1,\xb5\n")
            .contains("line 2, column \"goodput_gbps\": not UTF-8")
    );
    assert!(refused(b"\x7fELF\0\0").contains("no text"));
}

#[test]
fn a_heading_that_looks_like_a_comment_is_one_where_it_fits_the_rows() {
    let cell = "send=send message_bytes=64 threads=1";
    for text in [
        "# made on a Tuesday, by hand\n# impl,size,threads,goodput_gbps\nA1,64,1,2\n",
        "#impl;size;threads;goodput_gbps\nA1;64;1;2\n",
    ] {
        assert_eq!(figure(&summary(text), cell, Metric::GoodputGbps), 2.0, "{text}");
    }
    // Lines are counted from the file's first.
    let wrong = refused(b"# one\n\n# impl,size,threads,goodput_gbps\nA1,64,1,2\nA1,64,1,x\n");
    assert!(wrong.starts_with("f.csv line 5, column \"goodput_gbps\""), "{wrong}");
    // A comment above a heading stays one, and one that does not fit the rows does not become a heading.
    let text = "# a,b,c,d\nimpl,size,threads,goodput_gbps\n# A1,64,1,9\nA1,64,1,2\n";
    assert_eq!(figure(&summary(text), cell, Metric::GoodputGbps), 2.0);
    assert!(refused(b"# impl,size\nA1,64,1,2\n").contains(": a row, where a heading"));
}

#[test]
fn what_no_column_tells_is_told_as_unknown() {
    let stated = |text: &str| {
        let run = summary(text).run;
        Factor::ALL.iter().copied().filter(|it| run.states(*it)).collect::<Vec<_>>()
    };
    let three = [Factor::Send, Factor::Message, Factor::Threads];
    assert_eq!(stated("impl,size,threads,goodput_gbps\nA1,64,1,2\n"), three);
    let [send, message, threads] = three;
    let five = [send, Factor::Link, message, Factor::Fields, threads];
    let all = "impl,size,threads,link,fields,goodput_gbps\nA1,64,1,veth,4,2\n";
    assert_eq!(stated(all), five);
    let of = summary("impl,size,threads,goodput_gbps\nA1,64,1,2\n");
    assert!(of.explained.data_paths.is_empty(), "where bytes go hangs on the link");
    assert!(of.explained.recommendations.iter().all(|it| it.stated_link.is_none()));
    // Cells of a table that tells the link would pass for those of one that does not.
    let read = |text: &str| foreign::read("f.csv", text.as_bytes(), Asked::default()).unwrap();
    let tables = vec![read(all), read("impl,size,threads,fields,goodput_gbps\nA1,64,1,4,2\n")];
    let why = foreign::import(tables, "f", None, 7).unwrap_err();
    assert_eq!(why, "f.csv tells link and f.csv does not: import them apart");
    // A record of a version that did not say tells nothing new.
    let mut old = foreign::import(vec![read(all)], "f", None, 7).unwrap();
    for record in &mut old.records {
        if let Record::Imported(file) = record {
            file.stated = None;
        }
    }
    let old = analysis::summarise(&old.plan, &old.host, &old.records);
    assert!(old.run.unstated.is_empty());
}

#[test]
fn how_long_trials_took_is_absent_where_a_row_does_not_say() {
    let spent = |tables: &[&[u8]]| summary_of(tables, Asked::default()).run.spent_ns;
    let told = b"impl,size,threads,goodput_gbps,duration_s\nA1,64,1,2,3\nA2,64,1,2,4\n";
    let silent = b"impl,size,threads,goodput_gbps\nA1,64,1,2\n";
    assert_eq!(spent(&[told]), Measured::Value(7_000_000_000));
    assert!(spent(&[silent]).reason().is_some());
    assert!(spent(&[told, silent]).reason().is_some());
}

#[test]
fn words_that_are_taken_as_a_path_by_another_name_are_told() {
    let notes = |text: &str| {
        foreign::read("f.csv", text.as_bytes(), Asked::default()).unwrap().file.notes.join("; ")
    };
    let told = notes("path,size,threads,goodput_gbps\nwritev,64,1,2\nsend,64,1,1\nA3,64,1,1\n");
    assert!(told.contains("\"writev\" is taken as sendmsg, \"A3\" is taken as zerocopy"), "{told}");
    assert!(!told.contains("\"send\" is"), "{told}");
    assert!(!notes("path,size,threads,goodput_gbps\nsend,64,1,1\n").contains("taken as"));
}

#[test]
fn tables_without_a_common_cell_are_rounds_of_their_own_or_are_said_to_share_none() {
    let rows = |path: &str, sizes: [u32; 2]| {
        let mut text = "impl,size,threads,goodput_gbps\n".to_owned();
        for round in 0..12 {
            for size in sizes {
                text += &format!("{path},{size},1,{}\n", f64::from(size + round) / 1000.0);
            }
        }
        text
    };
    let run = |first: &str, second: &str| {
        summary_of(&[first.as_bytes(), second.as_bytes()], Asked::default()).run
    };
    let notes = |run: &analysis::results::RunFacts| run.imported[1].notes.join("; ");
    let apart = run(&rows("A1", [64, 512]), &rows("A1", [4096, 65_536]));
    assert_eq!((apart.rounds, apart.preliminary), (12, false));
    assert!(!notes(&apart).contains("shares no cell"), "{}", notes(&apart));
    let paths = run(&rows("A1", [64, 512]), &rows("A2", [64, 512]));
    assert_eq!(paths.rounds, 0);
    assert!(
        notes(&paths).contains("shares no cell with the tables before it"),
        "{}",
        notes(&paths)
    );
    let again = run(&rows("A1", [64, 512]), &rows("A1", [64, 512]));
    assert_eq!(again.rounds, 24);
}

#[test]
fn a_sparse_table_of_too_many_combinations_is_told_to_be_imported_in_parts() {
    let mut text = "impl,size,threads,fields,goodput_gbps\n".to_owned();
    for n in 1..150 {
        text += &format!("A1,{},{n},{n},1\n", 1024 * n);
    }
    let table = foreign::read("f.csv", text.as_bytes(), Asked::default()).unwrap();
    let why = foreign::import(vec![table], "f", None, 7).unwrap_err();
    assert!(why.contains("more than 10000 cells: import its rows in parts, such as by "), "{why}");
}

#[test]
fn a_decimal_sign_may_be_said_where_numbers_do_not_show_it() {
    let text = "impl;size;threads;goodput_gbps\nA1;64;1;1,234\n";
    for (decimal, value) in [(Decimal::Comma, 1.234), (Decimal::Point, 1234.0)] {
        let asked = Asked { decimal: Some(decimal), ..Asked::default() };
        let summary = summary_of(&[text.as_bytes()], asked);
        let found = figure(&summary, "send=send message_bytes=64 threads=1", Metric::GoodputGbps);
        assert!((found / value - 1.0).abs() < 1e-12, "{found}");
    }
}

#[test]
fn repetitions_are_rounds_and_give_intervals_and_findings() {
    let mut text = "impl,size,threads,goodput_gbps\n".to_owned();
    for k in 0..12 {
        let drift = 1.0 + 0.01 * f64::from(k % 5);
        text += &format!("A1,64,1,{:.4}\nA2,64,1,{:.4}\n", drift, 2.0 * drift);
    }
    let once = summary(&text);
    assert_eq!((once.run.rounds, once.run.preliminary), (12, false));
    let ratio = once.ratios.iter().find(|ratio| ratio.metric == Metric::GoodputGbps).unwrap();
    let estimate = ratio.ratio.value().unwrap();
    assert!((estimate.mean - 2.0).abs() < 1e-3 && estimate.low.is_some(), "{ratio:?}");
    assert_eq!(ratio.finding, analysis::results::Finding::More);
    // Other files are further rounds, and a row that was appended twice counts once.
    let twice = summary_of(&[text.as_bytes(), text.as_bytes()], Asked::default());
    assert_eq!((twice.run.rounds, twice.run.trials), (24, 48));
    let table = foreign::read(
        "f",
        &b"impl,size,threads,goodput_gbps\nA1,64,1,1\nA1,64,1,1\nA2,64,1,2\n"[..],
        Asked::default(),
    )
    .unwrap();
    assert_eq!(table.file.rows, 2);
    assert!(
        table.file.notes.iter().any(|note| note.contains("taken once")),
        "{:?}",
        table.file.notes
    );
}

#[test]
fn a_failed_run_is_void_and_no_zero_in_a_mean() {
    let text = format!("{HEADING}A1,64,1,0,0,0,0,0\nA2,64,1,1e9,0.8,1e9,1e6,10\n");
    let summary = summary(&text);
    assert_eq!((summary.run.trials, summary.run.void_trials), (2, 1));
    assert_eq!(summary.marks[&Mark::NothingPassed], 1);
    let why = &summary.run.without_valid_trial["send=send message_bytes=64 threads=1"];
    assert_eq!(why, "no byte passed, says line 2 of f.csv");
    assert_eq!(summary.estimates[0].metrics[&Metric::GoodputGbps].value(), None);
}

#[test]
fn how_many_cpus_there_were_tells_which_cells_had_too_few() {
    let text = "impl,size,threads,goodput_gbps\nA1,64,1,1\nA1,64,8,2\n";
    let oversubscribed = |cpus| {
        let asked = Asked { cpus, ..Asked::default() };
        let summary = summary_of(&[text.as_bytes()], asked);
        (
            summary.estimates.iter().map(|entry| entry.oversubscribed).collect::<Vec<_>>(),
            summary.run.knows_no_cpus(),
        )
    };
    assert_eq!(oversubscribed(Some(8)), (vec![false.into(), true.into()], false));
    assert_eq!(oversubscribed(None), (vec![Oversubscribed::UNKNOWN; 2], true));
}

/// What a table says of each claim, in order.
fn checks(text: &str) -> Vec<(String, TableVerdict)> {
    let checks = summary(text).explained.own_table.into_iter();
    checks.map(|check| (format!("{} {:?}", check.id, check.says), check.agreement)).collect()
}

fn agreement(checks: &[(String, TableVerdict)], part: &str) -> TableVerdict {
    checks.iter().find(|(name, _)| name.contains(part)).unwrap_or_else(|| panic!("{part}")).1
}

#[test]
fn the_papers_own_table_contradicts_what_it_says_of_cycles_and_bears_its_falls_out() {
    let checks = checks(PAPER);
    let is = |part: &str, wanted| assert_eq!(agreement(&checks, part), wanted, "{part}");
    is("c22 CyclesBetween { bytes: 65536, only: Some(Sendmsg)", TableVerdict::Contradicts);
    is("c22 FewestCycles", TableVerdict::Contradicts);
    is("c23", TableVerdict::Contradicts);
    is("c4", TableVerdict::Contradicts);
    is("c6", TableVerdict::Contradicts);
    is("c10", TableVerdict::Agrees);
    is("c12 Falls { path: Sendmsg", TableVerdict::Agrees);
    is("c12 Falls { path: Zerocopy", TableVerdict::Agrees);
    is("c12 Falls { path: Send,", TableVerdict::Agrees);
    is("c18", TableVerdict::Agrees);
    is("c20", TableVerdict::NotInTable);
    is("c24", TableVerdict::Agrees);
    let summary = summary(PAPER);
    let single = |check: &&analysis::own_table::TableCheck| {
        matches!(check.says, Says::CyclesBetween { only: Some(_), .. })
    };
    let check = summary.explained.own_table.iter().find(single).unwrap();
    assert!((check.gives[0].value - 1.23).abs() < 0.005, "{check:?}");
    let [elsewhere] = &check.elsewhere[..] else { panic!("{check:?}") };
    assert_eq!((elsewhere.cell.send_path, elsewhere.cell.threads.get()), (SendPath::A2, 1));
}

#[test]
fn a_table_that_says_otherwise_turns_every_check_round() {
    // The 8-thread row takes 0.04 cycles a byte and every path fewer with more threads; the falls are others.
    let rows = "A1,65536,4,1e11,80,3e10,1e8,1\nA1,65536,8,1e11,75,2e10,1e8,1\n\
                A2,65536,4,1e11,80,2.1e10,1e8,1\nA2,65536,8,1e11,79,4e9,1e8,1\n\
                A3,65536,4,1e11,80,4e10,1e8,1\nA3,65536,8,1e11,78,3e10,1e8,1\n";
    let agreeing = checks(&format!("{HEADING}{rows}"));
    let is = |part: &str, wanted| assert_eq!(agreement(&agreeing, part), wanted, "{part}");
    is("c22 CyclesBetween { bytes: 65536, only: Some(Sendmsg)", TableVerdict::Agrees);
    is("c22 CyclesBetween { bytes: 65536, only: None", TableVerdict::Agrees);
    is("c22 CyclesBetween { bytes: 64, only: None", TableVerdict::NotInTable);
    is("c22 FewestCycles", TableVerdict::Agrees);
    is("c23", TableVerdict::Agrees);
    is("c12 Falls { path: Sendmsg", TableVerdict::Contradicts);
    is("c12 Falls { path: Send,", TableVerdict::Contradicts);
    // The very count that it calls best is not.
    let rows = "A1,4096,1,1e10,10,,,\nA1,4096,4,1e10,12,,,\nA1,4096,8,1e10,20,,,\n";
    let others = checks(&format!("{HEADING}{rows}"));
    assert_eq!(agreement(&others, "c10"), TableVerdict::Contradicts);
    assert_eq!(agreement(&others, "c24"), TableVerdict::Contradicts);
    assert_eq!(agreement(&others, "c23"), TableVerdict::NotInTable);
    // Copies beat no copy nowhere, and misses peak elsewhere.
    let rows = "A1,64,1,1e9,8,1e10,9e6,1\nA1,512,1,1e9,8,1e10,2e6,1\nA2,64,1,1e9,9,1e10,1e6,1\nA2,512,1,1e9,9,1e10,1e6,1\n";
    let others = checks(&format!("{HEADING}{rows}"));
    assert_eq!(agreement(&others, "c4"), TableVerdict::Agrees);
    assert_eq!(agreement(&others, "c18"), TableVerdict::Contradicts);
}

#[test]
fn nothing_is_checked_in_what_copycost_measured() {
    let plan = Plan::preset(model::Preset::Quick);
    let records = synthetic::run(&plan, 3, synthetic::trial);
    let summary = analysis::summarise(&plan, &synthetic::host(), &records);
    assert!(summary.explained.own_table.is_empty() && summary.run.imported.is_empty());
}

#[test]
fn copycosts_own_trials_give_the_same_means_and_ratios() {
    let mut plan = Plan::preset(model::Preset::Quick);
    plan.factors.set(Factor::Message, "64,4096").unwrap();
    plan.factors.set(Factor::Threads, "1,8").unwrap();
    let records = synthetic::run(&plan, 10, |cell, round| {
        let trial = synthetic::trial(cell, round)
            .goodput_gbps(20.0 * synthetic::noise(1, cell, round, 0.05))
            .counted();
        if round == 4 && cell.threads.get() == 8 { trial.marked(Mark::ContentLost) } else { trial }
    });
    let original = analysis::summarise(&plan, &synthetic::host(), &records);
    let mut csv = Vec::new();
    let origin = report::Origin::new("a-run", &plan.label, &synthetic::host());
    report::write_trials(&mut csv, &plan, &origin, &records, report::ColumnSet::All).unwrap();
    let imported = summary_of(&[&csv], Asked::default());
    assert_eq!(imported.run.rounds, original.run.rounds);
    assert!(imported.run.unstated.is_empty(), "its ids tell every factor");
    let table = foreign::read("f", &csv[..], Asked::default()).unwrap();
    let column = |name: &str| table.file.columns.iter().find(|it| it.heading == name).unwrap();
    assert!(column("ring_slots_effective").lost && !column("send_path").lost);
    assert_eq!(column("failure").taken_as.value().map(String::as_str), Some("failure"));
    let made = foreign::import(vec![table], "f", None, 7).unwrap();
    assert_eq!(made.host.hostname, synthetic::host().hostname);
    let windows = |records: &[Record]| {
        let mut windows = Vec::new();
        for record in records {
            let Record::Trial(trial) = record else { continue };
            windows.push(match &trial.outcome {
                Outcome::Imported(imported) => imported.window_ns.unwrap(),
                Outcome::Finished(_) | Outcome::Failed(_) => trial.settings.window_ns,
            });
        }
        windows
    };
    assert_eq!(windows(&made.records), windows(&records));
    assert_eq!(imported.run.usable_cpus, original.run.usable_cpus);
    assert_eq!(imported.marks, original.marks);
    assert_eq!(imported.noise_floor.value().is_some(), original.noise_floor.value().is_some());
    assert_eq!(imported.estimates.len(), original.estimates.len());
    for entry in &original.estimates {
        let again = imported.estimates.iter().find(|it| it.cell == entry.cell).unwrap();
        assert_eq!(
            (again.trials, again.void_trials, again.control),
            (entry.trials, entry.void_trials, entry.control)
        );
        assert_eq!(again.oversubscribed.is_so(), entry.oversubscribed.is_so());
        for (metric, estimate) in &entry.metrics {
            if matches!(metric, Metric::ReleaseP50Us | Metric::ReleaseP99Us | Metric::ReleaseMaxUs)
            {
                // A quantile of all trials' messages is none of the trials' quantiles.
                assert!(again.metrics[metric].reason().is_some(), "{} {metric:?}", entry.cell);
                continue;
            }
            assert_eq!(
                again.metrics[metric].value(),
                estimate.value(),
                "{} {metric:?}",
                entry.cell
            );
        }
    }
    for ratio in &original.ratios {
        let is_it = |it: &&analysis::results::Ratio| {
            (&it.cell, &it.against, it.metric) == (&ratio.cell, &ratio.against, ratio.metric)
        };
        let again = imported.ratios.iter().find(is_it).unwrap();
        assert_eq!((again.ratio.value(), again.finding), (ratio.ratio.value(), ratio.finding));
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = foreign::read("f", &bytes[..], Asked::default());
    }

    #[test]
    fn no_table_makes_it_panic(rows in prop::collection::vec("[A-C0-9a-z,;.\"'\t #e+-]{0,40}\r?\n", 0..8), decimal in any::<bool>()) {
        let text = format!("{HEADING}{}", rows.concat());
        let decimal = decimal.then_some(Decimal::Comma);
        let read = foreign::read("f", text.as_bytes(), Asked { decimal, ..Asked::default() });
        if let Ok(table) = read && let Ok(made) = foreign::import(vec![table], "f", None, 7) {
            analysis::summarise(&made.plan, &made.host, &made.records);
        }
    }

    #[test]
    fn no_row_of_numbers_makes_it_panic(rows in prop::collection::vec((0_usize..3, 1_u32..100_000, 1_u32..9, any::<f64>(), any::<f64>(), any::<u64>()), 1..8)) {
        let mut text = HEADING.to_owned();
        for (path, size, threads, bytes, gbps, cycles) in rows {
            text += &format!("A{},{size},{threads},{bytes},{gbps},{cycles},1,1\n", path + 1);
        }
        if let Ok(table) = foreign::read("f", text.as_bytes(), Asked::default()) {
            let made = foreign::import(vec![table], "f", None, 7).unwrap();
            analysis::summarise(&made.plan, &made.host, &made.records);
        }
    }
}

#[test]
fn what_may_be_read_in_two_ways_is_refused() {
    let wrong = |text: &str| {
        foreign::read("f.csv", text.as_bytes(), Asked::default()).unwrap_err().to_string()
    };
    let open = wrong("path;size;threads;goodput_gbps\nsend;64;1;1.234\n");
    assert!(open.contains("\"1.234\" may be thousands or a fraction"), "{open}");
    // Where commas part columns, or another number shows the sign, it is a fraction.
    for text in [
        "path,size,threads,goodput_gbps\nsend,64,1,1.234\n",
        "path;size;threads;goodput_gbps\nsend;64;1;1.234\nsendmsg;64;1;0.5\n",
    ] {
        assert!(foreign::read("f.csv", text.as_bytes(), Asked::default()).is_ok(), "{text}");
    }
    let two = wrong("path,size,threads,goodput_gbps\nwritev,64,1,1\nsendmsg,64,1,2\n");
    assert!(two.contains("\"writev\" and \"sendmsg\" are both taken as sendmsg"), "{two}");
    let repeated = format!("{HEADING}A1,64,1,1e10,8,,,\nA1,64,1,1e10,9,,,\n");
    let repeated = wrong(&repeated);
    assert!(repeated.contains("do not tell what else varies"), "{repeated}");
}
