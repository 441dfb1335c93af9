//! How long buffers are held: on the page, in Markdown, on the screen and in files.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where its own helpers fail")]

mod common;

use analysis::Metric;
use analysis::summary::Summary;
use model::{Factor, Measured, Plan, Preset, SendPath};
use report::{ScreenOptions, screen};

fn run(paths: &str) -> (Plan, Summary) {
    let mut plan = Plan::preset(Preset::Default);
    plan.measure.controls = false;
    let factors = [(Factor::Send, paths), (Factor::Message, "4096,65536"), (Factor::Threads, "1")];
    for (factor, values) in factors {
        plan.factors.set(factor, values).unwrap();
    }
    let records = synthetic::run(&plan, 10, |cell, round| {
        synthetic::trial(cell, round).faster(synthetic::noise(4, cell, round, 0.005))
    });
    let summary = analysis::summarise(&plan, &synthetic::host(), &records);
    (plan, summary)
}

fn on_screen(plan: &Plan, summary: &Summary, verbose: bool) -> String {
    let options = ScreenOptions { width: 120, colour: false, verbose, directory: "x" };
    let text = screen(summary, &synthetic::host(), plan, options);
    text.replace('\u{a0}', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn page_and_markdown_have_a_row_for_each_size_and_path_that_is_notified() {
    let (plan, summary) = run("sendmsg,sendfile,zerocopy,uring-send-zc");
    let documents = common::documents(&summary, &synthetic::host(), &plan);
    for document in [&documents.html, &documents.markdown] {
        assert!(document.contains("Release latency"), "{document}");
    }
    let is_row = |line: &&str| line.starts_with("| zerocopy | ") && line.contains(" | 512 | ");
    assert_eq!(documents.markdown.lines().filter(is_row).count(), 2, "{}", documents.markdown);
    let has = |path: SendPath| {
        let of_path = summary.estimates.iter().filter(move |entry| entry.cell.send_path == path);
        of_path.map(|entry| entry.metrics[&Metric::ReleaseP99Us].clone()).collect::<Vec<_>>()
    };
    for (path, why) in
        [(SendPath::Sendmsg, "copies: the buffer is free"), (SendPath::Sendfile, "never tells")]
    {
        assert!(has(path).iter().all(|of| of.reason().unwrap().contains(why)), "{path}");
    }
    assert!(has(SendPath::Zerocopy).iter().all(|of| of.value().unwrap().low.is_some()));
}

#[test]
fn a_run_of_paths_that_copy_says_why_no_buffer_is_held() {
    let (plan, summary) = run("send,sendmsg");
    let documents = common::documents(&summary, &synthetic::host(), &plan);
    assert!(documents.html.contains("No buffer was held: the paths measured here copy"));
    assert!(!documents.markdown.contains("Release latency"));
    assert!(!on_screen(&plan, &summary, true).contains("a buffer is held"));
}

#[test]
fn the_screen_tells_it_where_such_a_path_may_be_the_answer_or_is_all_that_was_asked_for() {
    let told = "zerocopy, loopback: a buffer is held for";
    let (plan, summary) = run("sendmsg,zerocopy");
    assert!(!on_screen(&plan, &summary, false).contains(told), "sendmsg is the answer");
    assert!(on_screen(&plan, &summary, true).contains(told));
    let (plan, summary) = run("zerocopy");
    let screen = on_screen(&plan, &summary, false);
    assert!(screen.contains(told) && screen.contains("longest 512 µs"), "{screen}");
}

#[test]
fn the_longest_has_no_interval_and_results_say_why() {
    let (_, summary) = run("zerocopy");
    let longest = &summary.estimates[0].metrics[&Metric::ReleaseMaxUs];
    let Measured::Value(of) = longest else { unreachable!("it was timed") };
    assert_eq!((of.mean, of.low, of.high), (512.0, None, None));
    let mut csv = Vec::new();
    let origin = report::Origin::new("here", "", &synthetic::host());
    report::write_results(&mut csv, &summary, &origin, report::ColumnSet::All).unwrap();
    let text = String::from_utf8(csv).unwrap();
    assert!(text.contains("a largest figure has no interval"), "{text}");
}
