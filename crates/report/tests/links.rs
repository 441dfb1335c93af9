//! Links side by side and counted copies: on the page, in Markdown, on the screen, in figures and files.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where its own helpers fail")]

mod common;

use analysis::summary::Summary;
use model::audit::{Hook, RefusedAudit};
use model::record::Record;
use model::{Audit, Factor, Link, Measured, Missing, Plan, Preset};
use report::{ScreenOptions, data_paths, screen, write_paper, write_results, write_trials};

/// Ten rounds of the preset, and an audit trial of each cell.
fn run(preset: Preset, factors: &[(Factor, &str)]) -> (Plan, Vec<Record>, Summary) {
    let mut plan = Plan::preset(preset);
    plan.measure.controls = false;
    for (factor, values) in factors {
        plan.factors.set(*factor, values).unwrap();
    }
    let mut records = synthetic::run(&plan, 10, |cell, round| {
        synthetic::trial(cell, round).faster(synthetic::noise(4, cell, round, 0.005))
    });
    records.extend(synthetic::audits(&plan));
    let summary = analysis::summarise(&plan, &synthetic::host(), &records);
    (plan, records, summary)
}

fn zero_copy() -> (Plan, Vec<Record>, Summary) {
    run(Preset::ZeroCopy, &[])
}

fn on_screen(plan: &Plan, summary: &Summary) -> String {
    let options = ScreenOptions { width: 120, colour: false, verbose: true, directory: "x" };
    let text = screen(summary, &synthetic::host(), plan, options);
    text.replace('\u{a0}', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn page_markdown_and_screen_tell_each_links_break_even() {
    let (plan, _, summary) = zero_copy();
    assert_eq!(summary.explained.link_verdicts.len(), 2);
    let documents = common::documents(&summary, &synthetic::host(), &plan);
    let screen = on_screen(&plan, &summary);
    for link in ["loopback", "sink"] {
        let line = format!("{link}, 1 thread: zerocopy costs less than sendmsg in ");
        assert!(documents.html.contains(&line), "{}", documents.html);
        assert!(documents.markdown.contains(&line), "{}", documents.markdown);
        assert!(screen.contains(&line), "{screen}");
    }
    for text in ["sender-side cost", "Completions copied", "What the kernel copied"] {
        assert!(documents.html.contains(text), "{text}");
    }
    assert!(documents.html.contains("ack_placement=sender"));
}

#[test]
fn the_length_from_which_on_a_field_pays_is_a_constant_on_screen_page_markdown_and_in_json() {
    let (plan, _, summary) = run(Preset::Hybrid, &[]);
    let documents = common::documents(&summary, &synthetic::host(), &plan);
    let mut json = Vec::new();
    report::write_summary(&mut json, &summary).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let [here, there] = json["threshold_sentences"].as_array().unwrap().as_slice() else {
        panic!("{json}")
    };
    let (here, there) = (here.as_str().unwrap(), there.as_str().unwrap());
    // In the made-up kernel 1100 ns a message against 45 ns per KiB of it.
    assert!(there.starts_with("HYBRID_THRESHOLD = 2"), "{there}");
    assert!(there.ends_with("field N of 24+N: by reference / copied, sink */"), "{there}");
    assert!(here.starts_with("no constant for hybrid, field N of 24+N"), "{here}");
    assert!(here.contains("never costs less"), "{here}");
    let screen = on_screen(&plan, &summary);
    for sentence in [here, there] {
        assert!(documents.html.contains(sentence), "{sentence}");
        assert!(documents.markdown.contains(&format!("`{sentence}`")), "{sentence}");
        assert!(screen.contains(sentence), "{screen}");
    }
    assert!(documents.html.contains("Better by reference"));
    assert_eq!(json["field_thresholds"].as_array().unwrap().len(), 6);
    // A run without such a field says nothing of it.
    let (plan, _, summary) = zero_copy();
    let page = common::documents(&summary, &synthetic::host(), &plan).html;
    assert!(!page.contains("Better by reference"), "{page}");
}

#[test]
fn counted_copies_stand_beside_the_expected_ones() {
    let (plan, _, summary) = zero_copy();
    let documents = common::documents(&summary, &synthetic::host(), &plan);
    assert!(documents.html.contains("measured 1.00, expected 1 (breakpoint)"));
    assert!(documents.html.contains("skb_copy_ubufs"));
    let screen = on_screen(&plan, &summary);
    let counted =
        "Copies of each byte, counted: sendmsg loopback 1.00 in + 0.00 at delivery + 1.00 out";
    assert!(screen.contains(counted) && documents.markdown.contains(counted), "{screen}");
    assert!(screen.contains("zerocopy sink 0.00 in + 0.00 at delivery + 0.00 out"), "{screen}");
    // A reason is told once, however many cells it is of.
    let mut without = summary.clone();
    for audit in &mut without.explained.copy_audits {
        audit.figures[0].per_byte = Measured::absent("no breakpoint registers");
        audit.figures[2].per_byte = Measured::absent("no breakpoint registers");
    }
    let page = common::documents(&without, &synthetic::host(), &plan).html;
    assert_eq!(page.matches("no breakpoint registers").count(), 1, "{page}");
    assert!(page.contains("not counted, expected 1"), "{page}");
    assert!(page.contains("In, At delivery"), "{page}");
    // What remains is not called measured.
    let mut remaining = summary.clone();
    for audit in &mut remaining.explained.copy_audits {
        audit.figures[0].hook = Some(Hook::Elimination);
    }
    let page = common::documents(&remaining, &synthetic::host(), &plan).html;
    assert!(page.contains("eliminated, not counted: 1.00, expected 1"), "{page}");
    let screen = on_screen(&plan, &remaining);
    assert!(
        screen.contains("sendmsg loopback 1.00 in (eliminated) + 0.00 at delivery"),
        "{screen}"
    );
    // Each function's own hook, and not that of the figure which it adds to.
    let mut summary = summary;
    let hooks = [Measured::Value(Hook::Kprobe), Measured::absent("not recorded")];
    let functions = &mut summary.explained.copy_audits[0].functions;
    functions.truncate(2);
    for (one, hook) in functions.iter_mut().zip(hooks) {
        one.function = "skb_zerocopy_iter_stream".to_owned();
        one.hook = hook;
    }
    let documents = common::documents(&summary, &synthetic::host(), &plan);
    assert!(documents.html.contains("<td>kprobe</td>"));
    assert!(documents.html.contains("<td>– (not recorded)</td>"));
    let paths = data_paths(&summary, &synthetic::host());
    let names: Vec<&str> = paths.iter().map(|path| path.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "data-path-sendmsg",
            "data-path-sendmsg-sink",
            "data-path-zerocopy",
            "data-path-zerocopy-sink"
        ]
    );
    assert!(paths[0].svg.contains("1.00 copies per byte (expected: 1)"));
    let (plan, mut records, _) = zero_copy();
    records.retain(|record| !matches!(record, Record::Audit(_)));
    let summary = analysis::summarise(&plan, &synthetic::host(), &records);
    let documents = common::documents(&summary, &synthetic::host(), &plan);
    assert!(documents.html.contains("No copy audit was made"));
    assert!(!on_screen(&plan, &summary).contains("counted:"));
    let because = "perf_event_open is refused";
    records.extend([Audit::CopyAudit, Audit::Profile].map(|audit| {
        let refusal = Missing::of_itself(audit.name()).because(because).unlocked_by("run as root");
        Record::AuditRefused(Box::new(RefusedAudit {
            audit,
            cell: None,
            started_unix_ms: 1,
            refusal,
        }))
    }));
    let summary = analysis::summarise(&plan, &synthetic::host(), &records);
    let documents = common::documents(&summary, &synthetic::host(), &plan);
    let told = |text: &str, audit: &str| {
        text.contains(&format!("The reason: {audit}: {because}; run as root."))
    };
    assert!(told(&documents.html, "copy-audit") && told(&documents.html, "profile"));
    let markdown = documents.markdown.replace('\\', "");
    assert!(told(&markdown, "copy-audit") && told(&markdown, "profile"), "{markdown}");
}

#[test]
fn one_figure_lays_the_links_side_by_side_and_the_others_leave_the_sink_out() {
    let (_, _, summary) = zero_copy();
    let figures = report::figures::all(&summary, &synthetic::host());
    let links = figures.iter().find(|figure| figure.name == "zero-copy-by-link").unwrap();
    assert_eq!(links.title, "Zero-copy: same machine against sink");
    for text in ["loopback, 1 thread", "sink, acknowledged every", "sender-side cost, ratio"] {
        assert!(links.svg.contains(text), "{text}");
    }
    assert!(links.svg.contains("break-even"));
    assert!(links.reading.contains("sender-side cost from a size between"), "{}", links.reading);
    let footer = "sink";
    for figure in figures.iter().filter(|figure| figure.name != links.name) {
        let panels = figure.svg.replace("loopback · sink", "").replace("loopback\u{a0}· sink", "");
        let named = panels.matches(footer).count();
        assert!(named <= 1, "{} speaks of the sink {named} times", figure.name);
    }
    let (_, _, alone) = run(Preset::BreakEven, &[]);
    let figures = report::figures::all(&alone, &synthetic::host());
    assert!(figures.iter().all(|figure| figure.name != "zero-copy-by-link"));
}

#[test]
fn a_run_over_the_sink_alone_is_drawn_and_told_as_sender_side_cost() {
    let (plan, _, summary) =
        run(Preset::Default, &[(Factor::Link, "sink"), (Factor::Threads, "1")]);
    let figures = report::figures::all(&summary, &synthetic::host());
    assert!(figures[0].svg.contains("sender-side cost, ns per KiB"), "{}", figures[0].reading);
    let screen = on_screen(&plan, &summary);
    assert!(screen.contains("sender-side cost, ns per KiB"), "{screen}");
    assert!(screen.contains("sendmsg / send, sender-side cost: "), "{screen}");
    assert!(!screen.contains("faster"), "{screen}");
}

#[test]
fn comparisons_on_the_screen_never_count_links_together() {
    let lists = &[(Factor::Threads, "1")];
    let (plan, _, loopback) = run(Preset::Default, lists);
    let (both_plan, _, both) =
        run(Preset::Default, &[(Factor::Threads, "1"), (Factor::Link, "loopback,sink")]);
    let (alone, both) = (on_screen(&plan, &loopback), on_screen(&both_plan, &both));
    let sentence = |text: &str| {
        let start = text.find("sendmsg / send, ").unwrap();
        text[start..].split("zerocopy / sendmsg, ").next().unwrap().to_owned()
    };
    assert_eq!(sentence(&alone), sentence(&both));
}

#[test]
fn files_hold_what_the_sink_counted_and_the_papers_table_leaves_it_out() {
    let (plan, records, summary) = zero_copy();
    let mut bytes = Vec::new();
    write_trials(
        &mut bytes,
        &plan,
        &common::csv_tables::origin(""),
        &records,
        report::ColumnSet::All,
    )
    .unwrap();
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let header = reader.headers().unwrap().clone();
    let place = |name: &str| header.iter().position(|column| column == name).unwrap();
    let mut sinks = 0;
    for row in reader.records().map(Result::unwrap) {
        let is_sink = row[place("link")] == *"sink";
        sinks += usize::from(is_sink);
        for name in [
            "sink_window_packets",
            "sink_total_payload_bytes",
            "sink_window_gaps",
            "sink_helper_cpu_ns",
            "sink_answering_ns",
            "sink_answering_cpu_ns",
            "sink_softirqs_apart",
            "device_mtu_bytes",
            "device_tso",
            "sender_side_cpu_ns_per_kib",
        ] {
            assert_eq!(row[place(name)].is_empty(), !is_sink, "{name}");
        }
        assert_eq!(row[place("ends_cpu_ns_per_kib")].is_empty(), is_sink);
    }
    assert_eq!(sinks, 1080);
    let mut paper = Vec::new();
    write_paper(&mut paper, &summary).unwrap();
    let on_loopback = summary.estimates.iter().filter(|e| e.cell.link == Link::Loopback).count();
    assert_eq!(String::from_utf8(paper).unwrap().lines().count(), 1 + on_loopback);
    let mut results = Vec::new();
    write_results(&mut results, &summary, &common::csv_tables::origin(""), report::ColumnSet::All)
        .unwrap();
    assert_eq!(String::from_utf8(results).unwrap().lines().count(), 1 + 126);
}
