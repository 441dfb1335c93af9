//! Whatever is said is said alike: the page, Markdown and the screen have the same sentences and the same figures.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where its own helpers fail")]

mod common;

use std::collections::BTreeSet;

use analysis::explained::{Crossover, CrossoverOutcome};
use analysis::figure_text::{outcome, ratio, size};
use analysis::metric::Metric;
use analysis::summary::Summary;
use common::Documents;
use model::{Factor, Measured, Plan, Preset, SendPath};
use report::{ScreenOptions, screen};

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

fn documents((plan, summary): &(Plan, Summary)) -> Documents {
    common::documents(summary, &synthetic::host(), plan)
}

fn on_screen((plan, summary): &(Plan, Summary)) -> String {
    let options = ScreenOptions { width: 100, colour: false, directory: "x" };
    screen(summary, &synthetic::host(), plan, options)
}

/// A text in one line with single spaces.
fn flat(text: &str) -> String {
    text.replace('\u{a0}', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a reader of the page reads: its texts without the elements around them.
fn read_html(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    while let Some((text, tail)) = rest.split_once('<') {
        out.push_str(text);
        let (tag, tail) = tail.split_once('>').unwrap();
        let inside = ["strong", "/strong", "b", "/b", "a", "/a"];
        if !inside.contains(&tag.split(' ').next().unwrap()) {
            out.push(' ');
        }
        rest = tail;
    }
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    flat(&entities.iter().fold(out, |text, (from, to)| text.replace(from, to)))
}

/// What a reader of Markdown reads.
fn read_markdown(markdown: &str) -> String {
    let mut out = String::new();
    let mut chars = markdown.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek().is_some_and(char::is_ascii_punctuation) => {
                out.extend(chars.next())
            }
            '*' | '`' => {}
            c => out.push(c),
        }
    }
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&#64;", "@"), ("&amp;", "&")];
    flat(&entities.iter().fold(out, |text, (from, to)| text.replace(from, to)))
}

/// Every sentence of answers, claims and laws, and every text of their evidence.
fn sentences(summary: &Summary) -> Vec<String> {
    let known = &summary.explained;
    let mut texts = known.headline.clone();
    for answer in &known.answers {
        texts.extend([answer.question.clone(), answer.line.clone(), answer.would_change.clone()]);
        texts.extend(answer.notes.iter().chain(&answer.evidence.columns).cloned());
        texts.extend(answer.evidence.rows.iter().flatten().cloned());
    }
    for claim in &known.claims {
        texts.extend([claim.text.clone(), claim.because.clone(), claim.would_decide.clone()]);
        texts.extend(claim.evidence.iter().cloned());
    }
    for law in &known.laws {
        texts.extend([law.says.clone(), law.because.clone()]);
        texts.extend(law.sources.iter().chain(&law.broken_by).cloned());
    }
    texts.extend(summary.marks.keys().map(|mark| mark.meaning().to_owned()));
    texts.extend(known.crossovers.iter().map(|crossover| outcome(&crossover.outcome)));
    texts
}

#[test]
fn markdown_says_the_same_as_the_page() {
    let plan = Plan::preset(Preset::Default);
    let made_up = common::explanation::explained(common::summary(&plan), str::to_owned);
    for run in [paper(), sweep(), (plan, made_up)] {
        let Documents { html, markdown } = documents(&run);
        let (html, markdown) = (read_html(&html), read_markdown(&markdown));
        let sentences = sentences(&run.1);
        assert!(sentences.len() > 200, "{}", sentences.len());
        for said in sentences {
            let said = flat(&said);
            assert!(html.contains(&said), "the page lacks: {said}");
            assert!(markdown.contains(&said), "Markdown lacks: {said}");
        }
    }
}

#[test]
fn markdown_names_every_picture_with_its_reading() {
    let run = paper();
    let markdown = documents(&run).markdown;
    let read = read_markdown(&markdown);
    let host = synthetic::host();
    for figure in report::figures::all(&run.1, &host) {
        assert!(markdown.contains(&format!("](figures/{}.svg)", figure.name)), "{}", figure.name);
        assert!(read.contains(&flat(&figure.reading)), "{}", figure.reading);
    }
    for path in report::data_paths(&run.1, &host) {
        assert!(markdown.contains(&format!("](figures/{}.svg)", path.name)), "{}", path.name);
        assert!(read.contains(&flat(&path.reading)), "{}", path.reading);
    }
}

/// Every ratio with its interval in a text: `1.20 × [1.17, 1.24]`.
fn ratios_in(text: &str) -> Vec<String> {
    let text = flat(text);
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
        let headline = run.1.explained.headline.join("\n");
        let told = ratios_in(&headline);
        assert!(told.len() >= 2, "{headline}");
        for text in &told {
            assert!(spelt.contains(text), "{text} in: {headline}");
        }
        // What the answer says stands in the page's table of ratios and on the screen in the same letters.
        let Documents { html, markdown } = documents(&run);
        let (html, markdown) = (read_html(&html), read_markdown(&markdown));
        let shown = flat(&on_screen(&run));
        for text in &told {
            assert!(html.matches(text).count() > 1, "{text}");
            assert!(markdown.contains(text) && shown.contains(text), "{text} in {shown}");
        }
        let between = &shown[shown.find("A2 against A1:").unwrap()..];
        let between = between.split("Noise floor").next().unwrap();
        let on_screen = ratios_in(between);
        assert!(on_screen.len() >= 4, "{between}");
        for text in on_screen {
            assert!(spelt.contains(&text), "{text} on the screen: {between}");
            assert!(html.contains(&text), "{text}");
        }
    }
}

#[test]
fn a_break_even_size_is_spelt_alike_in_answer_page_figure_and_markdown() {
    let run = sweep();
    let compared = |c: &&Crossover| {
        c.path == SendPath::Zerocopy
            && c.against == SendPath::Sendmsg
            && c.metric == Metric::EndsCpuNsPerKib
    };
    let found = run.1.explained.crossovers.iter().find(compared).unwrap();
    let CrossoverOutcome::At { bytes, low, high } = found.outcome else { panic!("{found:?}") };
    let (words, [at, low, high]) = (outcome(&found.outcome), [bytes, low, high].map(size));
    let headline = run.1.explained.headline.join("\n");
    assert!(headline.contains(&format!("from {at} on [{low}, {high}]")), "{at}: {headline}");
    let Documents { html, markdown } = documents(&run);
    let (html, markdown) = (read_html(&html), read_markdown(&markdown));
    // In the figures of ratios and in the table of break-even sizes.
    assert!(html.matches(&words).count() > 1, "{words}");
    assert!(markdown.contains(&words), "{words}");
}

#[test]
fn only_what_was_copied_throughout_saved_nothing() {
    let part = run(&[(Factor::Threads, "1")], |bytes| if bytes == 64 { 0.02 } else { 0.5 });
    for text in [documents(&part).html, on_screen(&part), part.1.explained.headline.join("\n")] {
        let text = flat(&text);
        assert!(text.contains("2 % to 50 % of its completions were"), "{text}");
        assert!(!text.contains("no copy was saved") && !text.contains("(loopback always copies)"));
    }
    let all = run(&[(Factor::Threads, "1")], |_| 1.0);
    let html = flat(&documents(&all).html);
    assert!(
        html.contains("100 % of its completions were marked copied, so no copy was saved there")
    );
    assert!(all.1.explained.headline.join("\n").contains("anyway (loopback always copies)"));
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
    assert_eq!(open.matches(reason).count(), 1, "{open}");
    assert!(!open.contains("not answered:"), "no line is repeated: {open}");
    assert!(first.find("Files of this run").unwrap() < first.find("Not answered here").unwrap());
}
