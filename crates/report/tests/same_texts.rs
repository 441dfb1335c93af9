//! What is said in words is said alike: the page, Markdown and the screen have the same sentences and the same figures.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where its own helpers fail")]

mod common;

use std::collections::BTreeSet;

use analysis::findings::{Crossover, CrossoverOutcome};
use analysis::metric::Metric;
use analysis::summary::Summary;
use common::Documents;
use model::{Factor, Measured, Plan, Preset, SendPath};
use report::spelling::{outcome, ratio, size};
use report::{ScreenOptions, screen};
use serde_json::Value;

/// A run of ten rounds in which zerocopy breaks even with sendmsg between two sizes.
fn run(factors: &[(Factor, &str)], copied: impl Fn(u64) -> f64) -> (Plan, Summary) {
    let mut plan = Plan::preset(Preset::Default);
    for (factor, values) in factors {
        plan.factors.set(*factor, values).unwrap();
    }
    let records = synthetic::run(&plan, 10, |cell, round| {
        let noise = |seed| synthetic::noise(seed, cell, round, 0.01);
        let bytes = cell.message.bytes().0;
        let doublings = f64::from(u32::try_from(bytes).unwrap()).log2();
        let is_zerocopy = cell.send_path == SendPath::Zerocopy && cell.so_zerocopy.is_on();
        let dear = if is_zerocopy { 1.9 - 0.07 * doublings } else { 1.0 };
        let trial = synthetic::trial(cell, round)
            .goodput_gbps(10.0 / dear * noise(1))
            .ends_cpu_ns_per_kib(900.0 * dear * noise(2));
        if is_zerocopy { trial.copied_share(copied(bytes)) } else { trial }
    });
    let summary = analysis::summarise(&plan, &synthetic::host(), &records);
    (plan, summary)
}

fn paper() -> (Plan, Summary) {
    run(&[], |_| 1.0)
}

fn sweep() -> (Plan, Summary) {
    run(&[(Factor::Message, "64B..1MiB"), (Factor::Threads, "1")], |_| 1.0)
}

/// The page and Markdown as they are read, where entities and backslashes stand for characters.
fn documents((plan, summary): &(Plan, Summary)) -> Documents {
    let Documents { html, markdown } = common::documents(summary, &synthetic::host(), plan);
    let entities = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#64;", "@"),
        ("&amp;", "&"),
    ];
    let read = |text: String| entities.iter().fold(text, |text, (from, to)| text.replace(from, to));
    Documents { html: flat(&read(html)), markdown: flat(&read(markdown).replace('\\', "")) }
}

/// The screen, and the answer in its first lines.
fn on_screen((plan, summary): &(Plan, Summary)) -> (String, String) {
    let options = ScreenOptions { width: 100, colour: false, verbose: true, directory: "x" };
    let text = screen(summary, &synthetic::host(), plan, options);
    let answer = text.split("\n\n").next().unwrap().lines();
    let is_broken_law = |line: &&str| line.starts_with(['!', ' ']);
    let answer: Vec<&str> = answer.skip_while(is_broken_law).collect();
    (flat(&text), flat(&answer.join(" ")))
}

/// A text in one line with single spaces.
fn flat(text: &str) -> String {
    text.replace('\u{a0}', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The sentences of `summary.json`: what was looked at, and what was found, by the names of its fields.
fn sentences(summary: &Summary) -> Vec<(String, String, Vec<String>)> {
    let mut json = Vec::new();
    report::write_summary(&mut json, summary).unwrap();
    let json: serde_json::Map<String, Value> = serde_json::from_slice(&json).unwrap();
    let of = json.iter().filter(|(name, _)| name.ends_with("_sentences"));
    of.flat_map(|(name, of)| of.as_object().into_iter().flatten().map(move |(_, it)| (name, it)))
        .map(|(name, it)| {
            let more = ["broken_by", "notes"].iter().flat_map(|more| it[more].as_array());
            let because = std::iter::once(&it["because"]).chain(more.flatten());
            let texts = |it: &Value| it.as_str().unwrap().to_owned();
            (name.clone(), texts(&it["text"]), because.map(texts).collect())
        })
        .collect()
}

/// The lines of `summary.json` that stand in a list: of warnings with their detail, and of links.
fn lines(summary: &Summary) -> [Vec<(String, Option<String>)>; 2] {
    let mut json = Vec::new();
    report::write_summary(&mut json, summary).unwrap();
    let json: Value = serde_json::from_slice(&json).unwrap();
    let text = |it: &Value| it.as_str().map(str::to_owned);
    let of = |name: &str, line: &dyn Fn(&Value) -> (String, Option<String>)| {
        json[name].as_array().unwrap().iter().map(line).collect()
    };
    let warning = |it: &Value| (text(&it["text"]).unwrap(), text(&it["detail"]));
    let link = |it: &Value| (text(it).unwrap(), None);
    [of("warning_sentences", &warning), of("link_sentences", &link)]
}

/// The start of a text that Markdown, which cuts long ones, has in any case.
fn start(text: &str, characters: usize) -> String {
    flat(text).chars().take(characters).collect()
}

#[test]
fn page_and_markdown_have_the_sentences_of_the_summary() {
    let plan = Plan::preset(Preset::Default);
    let made_up = common::explanation::explained(common::summary(&plan), str::to_owned);
    for run in [paper(), sweep(), (plan, made_up)] {
        let Documents { html, markdown } = documents(&run);
        let sentences = sentences(&run.1);
        assert!(!sentences.is_empty());
        for (name, text, because) in sentences {
            assert!(html.contains(&flat(&text)), "the page lacks: {text}");
            for because in &because {
                assert!(html.contains(&flat(because)), "the page lacks: {because}");
            }
            // Markdown has no law that holds, and a sentence too long for a pull request ends on the page.
            let lacks = |text: &str, most: usize| !markdown.contains(&start(text, most));
            assert!(name == "law_sentences" || !lacks(&text, 150), "Markdown lacks: {text}");
            if name == "answer_sentences" {
                assert!(!lacks(&because[0], 280), "Markdown lacks: {}", because[0]);
            }
        }
        let [warnings, links] = lines(&run.1);
        assert_eq!(warnings.len(), run.1.warnings.len());
        for (text, detail) in warnings.iter().chain(&links) {
            let whole = detail.as_ref().map_or(text.clone(), |detail| format!("{text} ({detail})"));
            assert!(html.contains(&flat(&whole)), "the page lacks: {whole}");
            assert!(markdown.contains(&start(text, 280)), "Markdown lacks: {text}");
        }
    }
}

#[test]
fn screen_page_and_markdown_begin_with_the_same_answer() {
    for run in [paper(), sweep()] {
        let (_, answer) = on_screen(&run);
        assert!(answer.starts_with("Use ") && answer.ends_with('.'), "{answer}");
        let Documents { html, markdown } = documents(&run);
        let first = html.split("<nav").next().unwrap();
        assert!(first.contains(&answer), "the page lacks: {answer}");
        assert!(markdown.contains(&format!("**{answer}**")), "Markdown lacks: {answer}");
    }
}

#[test]
fn markdown_names_every_picture() {
    let run = paper();
    let markdown = documents(&run).markdown;
    let host = synthetic::host();
    let figures = report::figures::all(&run.1, &host);
    let paths = report::data_paths(&run.1, &host);
    let names = figures.iter().map(|figure| figure.name);
    for name in names.chain(paths.iter().map(|path| path.name.as_str())) {
        assert!(markdown.contains(&format!("](figures/{name}.svg)")), "{name}");
    }
}

/// Every ratio with its interval in a text: `1.20 × [1.17, 1.24]`.
fn ratios_in(text: &str) -> Vec<String> {
    text.match_indices(" × [")
        .map(|(at, mark)| {
            let start = text[..at].rfind([' ', '(', '>']).map_or(0, |space| space + 1);
            let end = at + mark.len() + text[at + mark.len()..].find(']').unwrap() + 1;
            text[start..end].to_owned()
        })
        .collect()
}

#[test]
fn every_ratio_between_paths_is_spelt_as_the_summary_has_it() {
    for run in [paper(), sweep()] {
        let spelt: BTreeSet<String> =
            run.1.ratios.iter().filter_map(|r| r.ratio.value()).map(ratio).collect();
        let html = documents(&run).html;
        let (shown, answer) = on_screen(&run);
        let between = &shown[shown.find("sendmsg / send, ").unwrap()..];
        let between = between.split("Noise floor").next().unwrap();
        let told = ratios_in(between);
        assert!(told.len() >= 4, "{between}");
        for text in ratios_in(&answer).into_iter().chain(told) {
            assert!(spelt.contains(&text), "{text} on the screen: {between}");
            assert!(html.contains(&text), "{text}");
        }
    }
}

#[test]
fn a_break_even_size_is_spelt_alike_wherever_it_stands() {
    let run = sweep();
    let compared = |c: &&Crossover| {
        c.contrast.values() == "zerocopy / sendmsg" && c.metric == Metric::EndsCpuNsPerKib
    };
    let found = run.1.explained.crossovers.iter().find(compared).unwrap();
    let CrossoverOutcome::At { bytes, low, high } = found.outcome else { panic!("{found:?}") };
    let words = outcome(&found.outcome);
    assert!(words.contains(&size(bytes)), "{words}");
    let Documents { html, markdown } = documents(&run);
    // In the figures of ratios and in the table of break-even sizes.
    assert!(html.matches(&words).count() > 1, "{words}");
    let interval = format!("[{}, {}]", size(low), size(high));
    assert!(html.contains(&interval) && markdown.contains(&interval), "{interval}: {markdown}");
}

#[test]
fn only_what_was_copied_throughout_is_called_copied_anyway() {
    let part = run(&[(Factor::Threads, "1")], |bytes| if bytes == 64 { 0.02 } else { 0.5 });
    let (shown, answer) = on_screen(&part);
    assert!(shown.contains("2 % to 50 % of its completions were"), "{shown}");
    assert!(!shown.contains("delivery on this machine copies") && !answer.contains("copied over"));
    let all = run(&[(Factor::Threads, "1")], |_| 1.0);
    let (shown, _) = on_screen(&all);
    assert!(shown.contains("copied anyway (delivery on this machine copies)"), "{shown}");
}

#[test]
fn what_a_machine_lacks_is_said_once_above_the_contents() {
    let mut host = synthetic::host();
    for counter in host.counters.values_mut() {
        *counter = Measured::absent(synthetic::NO_COUNTERS);
    }
    let (plan, summary) = paper();
    let html = common::documents(&summary, &host, &plan).html;
    let first = &html[..html.find("<nav").unwrap()];
    let open = &first[first.find("Not answered here").unwrap()..];
    let reason = synthetic::NO_COUNTERS;
    // Once for all questions, claims and laws.
    assert_eq!(open.matches(reason).count(), 1, "{open}");
    assert!(!open.contains("not answered:"), "no line is repeated: {open}");
    assert!(first.find("Files of this run").unwrap() < first.find("Not answered here").unwrap());
}
