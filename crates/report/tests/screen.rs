//! What the last screen says, how it fits a terminal, and that its figures are the summary's.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where its own helpers fail")]

mod common;

use std::collections::BTreeMap;

use analysis::estimate::Estimate;
use analysis::metric::Metric;
use analysis::results::{Ending, Finding};
use analysis::summary::Summary;
use analysis::warnings::Warning;
use model::{Cell, Factor, Mark, Measured, Plan, Preset};
use report::numbers::{ratio, short};
use report::{ScreenOptions, cells_table, screen, write_results};

const DIRECTORY: &str = "copycost-runs/latest";

const NARROW: usize = 80;

fn options(width: usize) -> ScreenOptions<'static> {
    ScreenOptions { width, colour: false, verbose: false, directory: DIRECTORY }
}

fn shown(summary: &Summary, plan: &Plan, options: ScreenOptions) -> String {
    screen(summary, &synthetic::host(), plan, options)
}

fn plain(summary: &Summary, plan: &Plan, width: usize) -> String {
    shown(summary, plan, options(width))
}

fn verbose(summary: &Summary, plan: &Plan, width: usize) -> String {
    shown(summary, plan, ScreenOptions { verbose: true, ..options(width) })
}

/// A run with a bit of everything: marks, a wide interval, cells that failed.
fn mixed(plan: &Plan) -> Summary {
    let mut summary = common::summary(plan);
    summary.estimates[3].marks.insert(Mark::Retransmits, 2);
    summary.estimates[7].marks.insert(Mark::Oversubscribed, 13);
    summary.marks.extend([(Mark::Retransmits, 2), (Mark::Oversubscribed, 169)]);
    summary.run.noted_trials = 2;
    summary.estimates[5].precise = Measured::Value(false);
    summary.run.precise_cells = Measured::Value(45);
    for index in [40, 41] {
        common::without_trial(
            &mut summary,
            index,
            "setsockopt SO_ZEROCOPY: EINVAL; this kernel has none",
        );
    }
    summary
}

#[test]
fn what_notes_a_trial_is_counted_among_the_valid_ones_that_are_called_marked() {
    let plan = Plan::preset(Preset::Default);
    let mut summary = mixed(&plan);
    // Void trials bear it too.
    summary.marks.extend([(Mark::Retransmits, 40), (Mark::Throttled, 7)]);
    let text = verbose(&summary, &plan, 1000);
    assert!(text.contains("2 marked (retransmits 2)"), "{text}");
    assert!(text.contains("throttled") && !text.contains("retransmits 40"), "{text}");
}

/// Plans of every kind that a screen must bear.
fn plans() -> Vec<Plan> {
    vec![
        Plan::preset(Preset::Default),
        Plan::preset(Preset::Quick),
        Plan::preset(Preset::Paper),
        Plan::preset(Preset::BreakEven),
        synthetic::plan(&[
            (Factor::Send, "sendmsg"),
            (Factor::Message, "77"),
            (Factor::Threads, "3"),
        ]),
        synthetic::plan(&[
            (Factor::Send, "send,staged,sendmsg,zerocopy"),
            (Factor::SoZerocopy, "on,off"),
        ]),
        synthetic::plan(&[
            (Factor::Nodelay, "off,on"),
            (Factor::Layout, "paged"),
            (Factor::Threads, "1,2"),
        ]),
        synthetic::plan(&[(Factor::Fields, "1,2,3,4,5,6,7,8,9,10,11")]),
    ]
}

#[test]
fn the_default_run_is_one_screen() {
    let plan = Plan::preset(Preset::Default);
    let text = plain(&common::summary(&plan), &plan, NARROW);
    assert!(text.lines().count() <= 40, "{} lines", text.lines().count());
    insta::assert_snapshot!("default", text);
    // What was measured on a machine of which much has to be said.
    let mut host = synthetic::host();
    for counter in host.counters.values_mut() {
        *counter = Measured::absent(synthetic::NO_COUNTERS);
    }
    host.virtualization = Measured::Value("kvm".to_owned());
    let records = synthetic::run(&plan, 8, |cell, round| {
        synthetic::trial(cell, round).faster(synthetic::noise(1, cell, round, 0.2))
    });
    let summary = analysis::summarise(&plan, &host, &records);
    let text = screen(&summary, &host, &plan, options(NARROW));
    assert!(text.lines().filter(|line| line.starts_with("! ")).count() >= 3, "{text}");
    assert!(text.lines().count() <= 40, "{} lines\n{text}", text.lines().count());
    insta::assert_snapshot!("noisy", text);
}

#[test]
fn the_screen_begins_with_what_to_use_and_ends_with_the_report() {
    let plan = Plan::preset(Preset::Default);
    let text = plain(&common::summary(&plan), &plan, 200);
    let first = "Use sendmsg: 5.19 × [5.08, 5.29] the goodput of send at 64 B, 1.46 × at 64 KiB; zerocopy never beats it (copied over loopback).";
    let (answer, _) = text.split_once("\n\n").unwrap();
    assert_eq!(answer.replace("\n  ", " "), first);
    assert_eq!(
        text.lines().last(),
        Some("Report: copycost-runs/latest/report.html (how it was measured: under Method)")
    );
}

#[test]
fn at_most_five_warnings_are_shown_unless_all_are_asked_for() {
    let plan = synthetic::plan(&[(Factor::Threads, "1,2")]);
    let mut summary = common::summary(&plan);
    summary.warnings = (1..=8)
        .map(|n| Warning::NoValidTrial {
            cells: n,
            all: false,
            first: Cell::default(),
            why: format!("detail {n}"),
        })
        .collect();
    let few = plain(&summary, &plan, 100);
    let last = "\n! 3 more warnings: copycost report copycost-runs/latest --verbose\n";
    assert!(few.contains("! 5 cells have no valid trial"), "{few}");
    assert!(few.contains(last), "{few}");
    assert!(!few.contains("6 cells have") && !few.contains("detail"), "{few}");
    let all = verbose(&summary, &plan, 100);
    for n in 1..=8 {
        assert!(all.contains(&format!("(the reason: detail {n})\n")), "{all}");
    }
    // Long ones are fewer, so that the run is still one screen.
    let plan = Plan::preset(Preset::Default);
    let mut summary = Summary { warnings: summary.warnings, ..common::summary(&plan) };
    summary.warnings = (1..=8).map(|n| common::long_warning(n, 24)).collect();
    let long = plain(&summary, &plan, NARROW);
    assert!(long.lines().count() <= 40, "{} lines\n{long}", long.lines().count());
    assert!(
        long.contains("was 1 word")
            && long.contains(" more warnings: copycost report copycost-runs/latest --verbose"),
        "{long}"
    );
    insta::assert_snapshot!("verbose", verbose(&common::summary(&plan), &plan, 100));
}

#[test]
fn a_run_with_faults_says_which_and_why() {
    let plan = Plan::preset(Preset::Default);
    insta::assert_snapshot!("mixed", plain(&mixed(&plan), &plan, 100));
}

#[test]
fn a_narrow_terminal_gets_the_same_words() {
    let plan = Plan::preset(Preset::Default);
    let narrow = plain(&mixed(&plan), &plan, 44);
    insta::assert_snapshot!("narrow", narrow);
    let wide = plain(&mixed(&plan), &plan, 200);
    // Only what is no finding is left out for want of room.
    let (words, method) = wide.split_once(" (how it was measured").unwrap();
    assert_eq!(method.trim(), ": under Method)");
    for word in words.split_whitespace() {
        assert!(narrow.contains(word), "{word}");
    }
}

#[test]
fn other_factors_stand_beside_the_threads() {
    let plan = synthetic::plan(&[
        (Factor::Send, "zerocopy,staged,send"),
        (Factor::Nodelay, "off,on"),
        (Factor::Layout, "paged"),
        (Factor::Threads, "1,8"),
    ]);
    insta::assert_snapshot!("other_factors", plain(&common::summary(&plan), &plan, 100));
}

#[test]
fn where_receive_paths_vary_each_column_says_to_which_it_sends() {
    let plan = synthetic::plan(&[
        (Factor::Send, "sendmsg"),
        (Factor::Recv, "recv,readv"),
        (Factor::Threads, "1"),
    ]);
    let text = plain(&common::summary(&plan), &plan, NARROW);
    assert!(text.contains("sendmsg to recv  sendmsg to readv"), "{text}");
    assert!(!text.contains("recv="), "{text}");
}

#[test]
fn a_run_without_a_valid_trial_tells_its_reasons_and_shows_no_figure() {
    let plan = Plan::preset(Preset::Default);
    let mut summary = common::summary(&plan);
    common::without_any_trial(&mut summary, |index| {
        if index % 2 == 0 { "the sending end died: signal 9" } else { "connect: ETIMEDOUT" }
    });
    insta::assert_snapshot!("no_valid_trial", plain(&summary, &plan, 100));
}

#[test]
fn hundreds_of_cells_get_a_digest_of_one_screen() {
    let plan = synthetic::plan(&[(Factor::Fields, "1,2,3,4,5,6,7,8,9,10,11")]);
    let summary = common::summary(&plan);
    assert!(summary.estimates.len() > 500);
    let text = plain(&summary, &plan, 100);
    assert!(text.lines().count() <= 40, "{} lines", text.lines().count());
    assert!(text.contains("copycost-runs/latest/results.csv"), "{text}");
    insta::assert_snapshot!("digest", text);
}

#[test]
fn of_hundreds_of_columns_a_few_have_a_row() {
    let replicas: Vec<String> = (1..=40).map(|n| n.to_string()).collect();
    let mut plan = synthetic::plan(&[(Factor::Message, "64"), (Factor::Threads, "1")]);
    plan.factors.set(Factor::Replica, &replicas.join(",")).unwrap();
    let text = plain(&common::summary(&plan), &plan, 100);
    assert!(text.lines().count() <= 60, "{} lines", text.lines().count());
    let left: Vec<&str> =
        text.lines().filter(|line| line.starts_with("not shown here: ")).collect();
    let [left] = left.as_slice() else { panic!("{text}") };
    let rows = text.lines().filter(|line| line.contains(" replica=")).count();
    // Levels and ratios of each.
    let left = left.split(' ').nth(3).and_then(|n| n.parse::<usize>().ok()).unwrap();
    assert!(rows > 30 && 2 * (120 - left) >= rows, "{left}\n{text}");
}

#[test]
fn what_a_correction_takes_back_fits_the_terminal_too() {
    let plan = Plan::preset(Preset::Default);
    let records = synthetic::run(&plan, 3, |cell, round| {
        synthetic::trial(cell, round).faster(synthetic::noise(7, cell, round, 0.3))
    });
    let summary = analysis::summarise(&plan, &synthetic::host(), &records);
    let text = verbose(&summary, &plan, NARROW);
    assert!(text.contains("(not after correction for") && text.contains("(3 pairs)"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= NARROW), "{text}");
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for plan in plans() {
        for width in [60, 80, 100, 132, 250] {
            for summary in [common::summary(&plan), with_long_texts(&plan)] {
                let both = plain(&summary, &plan, width) + &verbose(&summary, &plan, width);
                for line in both.lines() {
                    let longest =
                        line.split_whitespace().map(|word| word.chars().count()).max().unwrap_or(0);
                    assert!(line.chars().count() <= width.max(longest + 4), "{width}: {line}");
                }
            }
        }
    }
}

fn with_long_texts(plan: &Plan) -> Summary {
    let mut summary = common::summary(plan);
    summary.warnings.push(common::long_warning(0, 200));
    summary.run.label =
        "a label that somebody made rather long because it had to say so much".to_owned();
    summary
}

#[test]
fn a_screen_without_colour_differs_in_the_escapes_only() {
    for plan in plans() {
        let summary = common::summary(&plan);
        let options = ScreenOptions { verbose: true, ..options(90) };
        let coloured = shown(&summary, &plan, ScreenOptions { colour: true, ..options });
        assert!(coloured.contains('\u{1b}'));
        let mut stripped = String::new();
        let mut inside = false;
        for c in coloured.chars() {
            match c {
                '\u{1b}' => inside = true,
                'm' if inside => inside = false,
                other if !inside => stripped.push(other),
                _ => {}
            }
        }
        // A space before a line's end is all that an escape may hide.
        let trimmed: Vec<&str> = stripped.lines().map(str::trim_end).collect();
        assert_eq!(trimmed, verbose(&summary, &plan, 90).lines().collect::<Vec<_>>());
    }
}

#[test]
fn every_size_is_only_said_where_each_is_shown() {
    let plan = synthetic::plan(&[(Factor::Send, "send,sendmsg"), (Factor::Threads, "1")]);
    let mut summary = common::summary(&plan);
    let faster = "sendmsg / send, goodput: faster at every size;";
    assert!(verbose(&summary, &plan, 100).contains(faster));
    let goodput = |ratio: &&mut analysis::results::Ratio| ratio.metric == Metric::GoodputGbps;
    summary.ratios.iter_mut().find(goodput).unwrap().finding = Finding::Undecided;
    let text = verbose(&summary, &plan, 200);
    let most = "sendmsg / send, goodput: faster at 3 of 4 sizes; unclear at 64 B;";
    assert!(text.contains(most), "{text}");
    summary.ratios.iter_mut().filter(goodput).for_each(|ratio| ratio.finding = Finding::Equivalent);
    let text = verbose(&summary, &plan, 100);
    let alike = "sendmsg / send, goodput: as fast (within ±3 %) at every size;";
    assert!(text.contains(alike), "{text}");
}

#[test]
fn what_is_not_shown_after_correction_is_called_unclear_beside_its_interval() {
    let plan = synthetic::plan(&[(Factor::Send, "send,sendmsg"), (Factor::Threads, "1")]);
    let mut summary = common::summary(&plan);
    for ratio in &mut summary.ratios {
        ratio.finding = Finding::Undecided;
    }
    let text = verbose(&summary, &plan, 200);
    assert!(text.contains("5.19? ±2 %") && text.contains("1.46? ±2 %"), "{text}");
    assert!(text.contains("? unclear, corrected for all 4 comparisons of this metric"), "{text}");
    assert!(text.contains("[5.08, 5.29] (not after correction for 4 comparisons)"), "{text}");
}

#[test]
fn zerocopy_is_compared_with_the_path_that_differs_in_copying_alone() {
    let text = |paths: &str| {
        let plan = synthetic::plan(&[(Factor::Send, paths), (Factor::Threads, "1")]);
        plain(&common::summary(&plan), &plan, 100)
    };
    let all = text("send,staged,sendmsg,zerocopy");
    for pair in ["staged / send,", "sendmsg / send,", "sendmsg / staged,", "zerocopy / sendmsg,"] {
        assert!(all.contains(pair), "{all}");
    }
    assert!(!all.contains("zerocopy / send,"), "{all}");
    assert!(text("send,zerocopy").contains("zerocopy / send,"));
}

#[test]
fn what_was_not_compared_is_told_once_at_the_end() {
    let plan = Plan::preset(Preset::Default);
    let text = verbose(&mixed(&plan), &plan, 500);
    assert_eq!(text.to_lowercase().matches("not compared").count(), 1, "{text}");
    assert!(
        text.contains(
            "Not compared: zerocopy against sendmsg at 4 KiB (1 and 2 threads): no pair of valid"
        ),
        "{text}"
    );
    assert!(text.contains("goodput: slower wherever it was compared; 1 thread: at"), "{text}");

    // A whole path that is missing leaves no empty line.
    let plan = synthetic::plan(&[(Factor::Threads, "1")]);
    let mut summary = common::summary(&plan);
    for index in 0..plan.cells().len() {
        if summary.estimates[index].cell.send_path == model::SendPath::Zerocopy {
            common::without_trial(&mut summary, index, "SO_ZEROCOPY: ENOTSUPP");
        }
    }
    let text = verbose(&summary, &plan, 200);
    assert!(!text.contains("zerocopy / sendmsg"), "{text}");
    let once = "Not compared: zerocopy against sendmsg: no pair of valid trials\n";
    assert!(text.contains(once), "{text}");
}

#[test]
fn few_pairs_and_useless_intervals_are_told_beside_the_ratio() {
    let plan = synthetic::plan(&[(Factor::Send, "send,sendmsg"), (Factor::Threads, "1")]);
    let mut summary = common::summary(&plan);
    for ratio in &mut summary.ratios {
        if let Measured::Value(estimate) = &mut ratio.ratio {
            estimate.trials = 2;
            estimate.high = Some(estimate.mean * 300.0);
        }
    }
    let text = verbose(&summary, &plan, 200);
    assert!(text.contains("× [no useful interval] (2 pairs)"), "{text}");
    if let Measured::Value(floor) = &mut summary.noise_floor {
        floor.half_width = 254.97;
    }
    let text = verbose(&summary, &plan, 200);
    assert!(text.contains("Noise floor: no useful interval ("), "{text}");
}

#[test]
fn void_controls_are_not_told_to_be_switched_on() {
    let plan = Plan::preset(Preset::Default);
    let mut summary = common::summary(&plan);
    let advice = "no cell was measured beside its twin";
    summary.noise_floor = Measured::absent(advice);
    summary.instrument_cost.ends_cpu_ratio = Measured::absent(advice);
    for index in 48..summary.estimates.len() {
        common::without_trial(&mut summary, index, "unsettled");
    }
    let text = verbose(&summary, &plan, 500);
    assert!(!text.contains("leave controls on"), "{text}");
    assert_eq!(text.matches("not measured: all 3 control trials were void").count(), 2, "{text}");
    assert!(!text.contains("without a valid trial"), "controls are no cells of the plan: {text}");
    summary.estimates.truncate(48);
    assert!(verbose(&summary, &plan, 500).contains("leave controls on"));
}

#[test]
fn cells_that_were_not_reached_are_not_called_invalid() {
    let plan = Plan::preset(Preset::Default);
    let mut summary = common::summary(&plan);
    for index in 0..summary.estimates.len() {
        common::without_trial(&mut summary, index, "it was never tried");
        summary.estimates[index].void_trials = 0;
    }
    let text = plain(&summary, &plan, 200).replace("\n  ", " ");
    assert!(text.contains("; 48 cells not reached yet\n"), "{text}");
    assert!(text.contains("No trial yet, so there is no figure to show."), "{text}");
    assert!(!text.contains("alid trial"), "{text}");
    assert!(text.contains("48 cells: not reached yet"), "{text}");
}

#[test]
fn a_run_that_was_stopped_within_its_first_round_is_told_in_a_line_and_has_no_table() {
    let plan = Plan::preset(Preset::Default);
    let mut summary = common::summary(&plan);
    let tables = |text: &str| text.contains("goodput Gbit/s") || text.contains("ratio, ");
    let go_on = "go on with: copycost run --resume copycost-runs/latest";
    let first = |summary: &Summary| {
        let text = plain(summary, &plan, 200).replace("\n  ", " ");
        let first = text.lines().next().unwrap().to_owned();
        (first, text.lines().count(), tables(&text))
    };
    summary.run.rounds = 0;
    // What another limit cut still shows what it has.
    summary.run.finish = Ending::Time;
    assert!(first(&summary).2);
    summary.run.finish = Ending::Interrupted;
    for index in 3..summary.estimates.len() {
        common::without_trial(&mut summary, index, "it was never tried");
        summary.estimates[index].void_trials = 0;
    }
    summary.run.trials = 6;
    let (line, lines, has_tables) = first(&summary);
    assert_eq!(
        line,
        format!(
            "No round was finished; kept: 6 trials, of 3 of 48 cells; {go_on} (so far: copycost report copycost-runs/latest --verbose)"
        )
    );
    assert!(!has_tables && lines < 8, "{}", plain(&summary, &plan, 200));
    assert!(tables(&verbose(&summary, &plan, 200)), "what there is is shown to who asks");
    summary.run.trials = 0;
    assert_eq!(first(&summary).0, format!("No round was finished, and nothing is kept; {go_on}"));
    // One whole round has its tables.
    summary.run.rounds = 1;
    assert!(first(&summary).2);
}

#[test]
fn ratios_of_groups_that_are_not_shown_are_told_with_where_they_are() {
    let told = |lists: &[(Factor, &str)]| {
        let plan = synthetic::plan(lists);
        let text = plain(&common::summary(&plan), &plan, 200);
        text.lines().find(|line| line.contains("more group")).map(ToOwned::to_owned)
    };
    let paths = (Factor::Send, "sendmsg,zerocopy");
    let of = |shapes| [paths, (Factor::Threads, "1"), (Factor::Shape, shapes)];
    assert_eq!(
        told(&of("24+1024,24+4096,24+65536")).as_deref(),
        Some("ratios of 2 more groups of shape: ratios.csv, and Figures in report.html")
    );
    assert_eq!(told(&of("24+1024")), None, "all are shown");
    // A row that compares the other setting with this one shows none of that setting's own ratios.
    let other = (Factor::Nodelay, "off,on");
    assert_eq!(
        told(&[paths, (Factor::Threads, "1"), other]).as_deref(),
        Some("ratios of 1 more group of nodelay: ratios.csv, and Figures in report.html")
    );
    // The heading of the table says of how many threads it is.
    assert_eq!(told(&[paths, (Factor::Threads, "1,4")]), None);
}

#[test]
fn one_path_alone_is_compared_with_nothing() {
    let plan = synthetic::plan(&[(Factor::Send, "sendmsg"), (Factor::Threads, "1")]);
    let text = verbose(&common::summary(&plan), &plan, 100);
    assert!(text.starts_with("Only sendmsg was measured: nothing is recommended.\n"), "{text}");
    assert!(!text.contains("ratio") && !text.contains("sendmsg /"), "{text}");
}

#[test]
fn what_the_answer_says_is_no_warning_too() {
    let plan = Plan::preset(Preset::Default);
    let records = synthetic::run(&plan, 10, |cell, round| {
        synthetic::trial(cell, round).faster(synthetic::noise(1, cell, round, 0.02))
    });
    let summary = analysis::summarise(&plan, &synthetic::host(), &records);
    let text = plain(&summary, &plan, 100).replace("\n  ", " ");
    assert_eq!(text.matches("copied over loopback").count(), 1, "{text}");
    assert!(summary.warnings.len() <= 5, "{:?}", summary.warnings);
    let is_copied = |warning: &&Warning| matches!(warning, Warning::Copied { .. });
    assert_eq!(summary.warnings.iter().filter(is_copied).count(), 1);
    assert!(!text.contains("completion was marked copied"), "{text}");
    let shown = text.lines().filter(|line| line.starts_with("! ")).count();
    assert_eq!(shown, summary.warnings.len() - 1, "{text}");
}

#[test]
fn a_plan_of_two_factors_compares_each_by_its_own_name() {
    let plan = synthetic::plan(&[
        (Factor::Send, "send,sendmsg"),
        (Factor::Nodelay, "off,on"),
        (Factor::Threads, "1"),
    ]);
    let records = synthetic::run(&plan, 10, synthetic::trial);
    let summary = analysis::summarise(&plan, &synthetic::host(), &records);
    for text in [plain(&summary, &plan, 200), plain(&common::summary(&plan), &plan, 200)] {
        assert!(text.contains("\nsendmsg / send, goodput "), "{text}");
        for path in ["send", "sendmsg"] {
            assert!(text.contains(&format!("\n{path} nodelay=on / off, goodput ")), "{text}");
            assert!(!text.contains(&format!("{path} / {path} ")), "{text}");
        }
    }
}

#[test]
fn a_strange_label_cannot_drive_the_terminal() {
    let mut plan = Plan::preset(Preset::Default);
    plan.label = "\u{1b}]0;owned\u{7}\n! all is well".to_owned();
    let text = plain(&common::summary(&plan), &plan, 100);
    assert!(text.contains("\n\\u{1b}]0;owned\\u{7}\\u{a}! all is well: "), "{text}");
    assert!(!text.contains(['\u{1b}', '\u{7}']), "{text}");
}

#[test]
fn broken_laws_come_first_and_the_claims_last() {
    let plan = Plan::preset(Preset::Default);
    let summary = common::explanation::explained(common::summary(&plan), str::to_owned);
    let text = verbose(&summary, &plan, 120);
    let broken =
        "! law 3 (notifications) is broken: sends and completions differ in 1 of 624 trials";
    assert_eq!(text.lines().next(), Some(broken));
    let last = "Report: copycost-runs/latest/report.html    claims of the paper: 8 supported, 9 refuted, 8 undecidable here";
    assert_eq!(text.lines().last(), Some(last));
}

/// The figures of a screen's table: group and size, then as they are written.
fn table(text: &str) -> BTreeMap<(String, String), Vec<String>> {
    let mut rows = BTreeMap::new();
    let mut group = String::new();
    let mut inside = false;
    for line in text.lines() {
        let parts: Vec<String> = line
            .split("  ")
            .map(|part| part.trim().to_owned())
            .filter(|part| !part.is_empty())
            .collect();
        let Some(first) = parts.first() else { continue };
        if first.ends_with(" thread") || first.ends_with(" threads") {
            group.clone_from(first);
            inside = true;
        } else if first == "ratio" {
            inside = false;
        } else if inside && first != "size" && parts.len() == 7 {
            rows.insert((group.clone(), first.clone()), parts[1..].to_vec());
        }
    }
    rows
}

#[test]
fn the_table_and_results_csv_show_the_same_figures() {
    let plan = Plan::preset(Preset::Default);
    let summary = mixed(&plan);
    let rows = table(&plain(&summary, &plan, 120));
    assert_eq!(rows.len(), 16);
    let mut bytes = Vec::new();
    write_results(&mut bytes, &summary, &common::csv_tables::origin(""), report::ColumnSet::All)
        .unwrap();
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let header = reader.headers().unwrap().clone();
    let mut compared = 0;
    for record in reader.records() {
        let record = record.unwrap();
        let field = |name: &str| &record[header.iter().position(|column| column == name).unwrap()];
        if field("control") == "true" {
            continue;
        }
        let threads = field("threads");
        let group =
            if threads == "1" { "1 thread".to_owned() } else { format!("{threads} threads") };
        let size = model::Bytes(field("message_bytes").parse().unwrap()).to_string();
        let path =
            ["send", "sendmsg", "zerocopy"].iter().position(|p| *p == field("send_path")).unwrap();
        let figures = &rows[&(group, size)];
        for (place, metric) in [(path, Metric::GoodputGbps), (path + 3, Metric::EndsCpuNsPerKib)] {
            let expected = field(metric.name()).parse().map_or("-".to_owned(), short);
            assert_eq!(figures[place].trim_end_matches(['~', '*']), expected);
            compared += 1;
        }
    }
    assert_eq!(compared, 96);
}

#[test]
fn every_ratio_on_the_screen_is_one_of_the_summarys() {
    let plan = Plan::preset(Preset::Default);
    let summary = common::summary(&plan);
    let text = verbose(&summary, &plan, 500);
    let mut known: Vec<String> =
        summary.ratios.iter().filter_map(|r| r.ratio.value()).map(ratio).collect();
    let floor = summary.noise_floor.value().unwrap();
    let cost = &summary.instrument_cost;
    known.extend([&floor.goodput, floor.ends_cpu.value().unwrap()].map(ratio));
    known.extend(
        [cost.ends_cpu_ratio.value().unwrap(), cost.goodput_ratio.value().unwrap()].map(ratio),
    );
    let control = summary.control.value().unwrap();
    known.extend(control.overall.iter().map(|all| ratio(&all.quotient)));
    // At a width of 500 only the sentence's own limit wraps; intervals stay whole.
    let shown: Vec<&str> = text
        .match_indices(" × [")
        .map(|(at, _)| {
            let start = text[..at].rfind([' ', '\n']).unwrap() + 1;
            &text[start..=at + text[at..].find(']').unwrap()]
        })
        .collect();
    assert_eq!(shown.len(), 15);
    for figure in shown {
        assert!(known.contains(&figure.to_owned()), "{figure}");
    }
}

#[test]
fn every_figure_of_the_table_of_ratios_is_one_of_the_summarys() {
    let plan = Plan::preset(Preset::Default);
    let summary = common::summary(&plan);
    let brief = |estimate: &Estimate| {
        let width = analysis::estimate::half_width(estimate).unwrap();
        format!("{} ±{:.0} %", short(estimate.mean), (width * 100.0).max(1.0))
    };
    let spelt: Vec<String> =
        summary.ratios.iter().filter_map(|r| r.ratio.value()).map(brief).collect();
    for width in [44, NARROW, 120] {
        let text = plain(&summary, &plan, width);
        let rows = text.lines().filter(|line| line.contains(" / ") && line.contains("±"));
        let figures: Vec<String> = rows
            .flat_map(|line| line.split("  ").skip(1))
            .map(|figure| figure.trim().replace('?', ""))
            .filter(|figure| !figure.is_empty())
            .collect();
        assert_eq!(figures.len(), 16, "{text}");
        for figure in figures {
            assert!(spelt.contains(&figure), "{figure}");
        }
    }
}

#[test]
fn the_table_of_all_cells_has_a_line_for_each_and_a_reason_for_each_absence() {
    let plan = synthetic::plan(&[(Factor::Message, "64,20KB"), (Factor::Threads, "1")]);
    let mut summary = common::summary(&plan);
    common::without_trial(&mut summary, 1, "it broke");
    summary.estimates[0].marks.insert(Mark::Steal, 4);
    let text = cells_table(&summary, 140, false);
    for entry in &summary.estimates {
        assert!(text.lines().any(|line| line.starts_with(&entry.cell.id())), "{text}");
    }
    insta::assert_snapshot!("cells", text);
}
