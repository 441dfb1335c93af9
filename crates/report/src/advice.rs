//! The screen and the JSON of `copycost advise`: the answer first.

use std::io::Write;

use analysis::advice::{Advice, Contender, LinkAdvice};
use model::{Link, Measured, Missing, Share};
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::ReportError;
use crate::numbers::{percent, short};
use crate::plain_table::{Group, Table, TableRow};
use crate::spelling::{counted, size};
use crate::styled_text::{Line, Style, render};
use crate::words::advice as words;
use crate::words::line_rate::line_words;

/// How to lay out an answer, and what the analysis cannot know.
#[derive(Clone, Copy, Debug)]
pub struct AdviceOptions<'a> {
    /// Columns of the terminal.
    pub width: usize,
    /// Whether to colour.
    pub colour: bool,
    /// Differences within this margin count as none.
    pub margin: Share,
    /// Links and paths that this machine could not measure.
    pub refused: &'a [(String, Missing)],
}

/// What no answer of this version speaks of.
const NOT_MEASURED: [&str; 3] = ["your network card", "latency and its tail", "TLS"];

/// The same of this answer: how long buffers are held is measured where a path that passes by reference was.
fn not_measured(advice: &Advice) -> Vec<&'static str> {
    let prices = || advice.links.iter().flat_map(|on| &on.prices);
    let is_measured = prices().any(|price| price.released_us.value().is_some());
    let releases = (!is_measured).then_some("release latency of buffers");
    NOT_MEASURED.into_iter().chain(releases).collect()
}

/// The answer in text.
pub fn advice_screen(advice: &Advice, options: AdviceOptions<'_>) -> String {
    let mut lines = Vec::new();
    for on in &advice.links {
        let answer = words::answer(on, advice.message_bytes, options.margin);
        lines.push(Line::wrapped(2).and(Style::Strong, answer));
        if let Some(line) = &on.line {
            lines.push(item(&format!("Line, {}", on.link), &line_words(line)));
        }
        for caution in words::cautions(on) {
            lines.push(Line::wrapped(4).and(Style::Warning, "  ! ").and(Style::Plain, caution));
        }
    }
    for (what, why) in options.refused {
        lines.push(
            Line::wrapped(4)
                .and(Style::Warning, "! ")
                .and(Style::Plain, format!("{what}: not measured, {why}")),
        );
    }
    lines.push(Line::fixed());
    lines.extend(contenders(advice, options.width));
    for on in advice.links.iter().filter(|on| on.is_covered()) {
        lines.extend(of_link(on, advice));
    }
    let not_measured = not_measured(advice).join(", ");
    lines.push(item("Not measured", &not_measured));
    lines.extend(evidence(advice));
    render(&lines, options.width, options.colour)
}

fn item(name: &str, text: &str) -> Line {
    Line::wrapped(2).and(Style::Faint, format!("{name}: ")).and(Style::Plain, text)
}

/// Every path's figures, link beside link.
fn contenders(advice: &Advice, width: usize) -> Vec<Line> {
    let links: Vec<&LinkAdvice> =
        advice.links.iter().filter(|on| !on.contenders.is_empty()).collect();
    let mut paths: Vec<model::SendPath> = Vec::new();
    for contender in links.iter().flat_map(|on| &on.contenders) {
        if !paths.contains(&contender.path) {
            paths.push(contender.path);
        }
    }
    if paths.is_empty() {
        return Vec::new();
    }
    let has_rate = advice.rate_gbps.is_some();
    let columns = |link: Link| -> Vec<String> {
        let goodput = link.has_receiver().then_some("Gbit/s");
        let rate = has_rate.then_some("CPUs");
        let all = goodput.into_iter().chain(["ns/KiB", "ns/message", "copied"]).chain(rate);
        all.map(str::to_owned).collect()
    };
    let groups = links
        .iter()
        .map(|on| Group { heading: heading(on, advice.message_bytes), columns: columns(on.link) });
    let of = |on: &LinkAdvice, path: model::SendPath| -> Vec<String> {
        match on.contenders.iter().find(|contender| contender.path == path) {
            Some(contender) => figures(contender, on.link, has_rate),
            None => vec!["-".to_owned(); columns(on.link).len()],
        }
    };
    let rows = paths.iter().map(|path| {
        let figures = links.iter().flat_map(|on| of(on, *path)).collect();
        TableRow::Figures(path.name().to_owned(), figures)
    });
    let corner = [
        format!(
            "{}, {}",
            size(advice.message_bytes as f64),
            counted(advice.threads, "thread", "threads")
        ),
        counted(advice.fields, "field", "fields"),
    ];
    let table = Table { corner, groups: groups.collect(), rows: rows.collect() };
    let mut lines = table.lines(width);
    lines.push(Line::wrapped(0).and(
        Style::Faint,
        "CPU time: of both ends where both are measured, else of the sender's side.",
    ));
    lines
}

/// A link, and the size where it is not the asked one.
fn heading(on: &LinkAdvice, asked: u64) -> String {
    match on.contenders.first().map(|contender| contender.message_bytes) {
        Some(bytes) if bytes != asked => format!("{} at {}", on.link, size(bytes as f64)),
        Some(_) | None => on.link.to_string(),
    }
}

fn figures(contender: &Contender, link: Link, has_rate: bool) -> Vec<String> {
    let plain = |of: &Measured<analysis::estimate::Estimate>| {
        of.value().map_or_else(|| "-".to_owned(), |estimate| short(estimate.mean))
    };
    let goodput = link.has_receiver().then(|| plain(&contender.goodput_gbps));
    let copied = contender.copied_share.value();
    let copied = copied.map_or_else(|| "-".to_owned(), |share| percent(share.mean));
    let cost = [plain(&contender.cost_ns_per_kib), plain(&contender.cost_ns_per_message), copied];
    let rate = has_rate.then(|| {
        contender.cpus_at_rate.map_or_else(|| "-".to_owned(), |cpus| format!("{cpus:.3}"))
    });
    goodput.into_iter().chain(cost).chain(rate).collect()
}

/// What is told of a link below the table.
fn of_link(on: &LinkAdvice, advice: &Advice) -> Vec<Line> {
    let mut lines = Vec::new();
    // A pair for a path: its twin, or the path in use; the others are in the JSON.
    let is_shown = |it: &&analysis::advice::BreakEven| {
        Some(it.against) == it.path.capabilities().copying_twin
            || Some(it.against) == advice.against
    };
    for it in on.break_evens.iter().filter(is_shown) {
        lines.push(item("Break-even", &words::break_even(it, on.link)));
    }
    for saved in on
        .saving
        .iter()
        .flat_map(|saving| words::saving(saving, advice.rate_gbps, advice.share_of_cpu))
    {
        lines.push(item(&format!("Saving, {}", on.link), &saved));
    }
    for why in &on.why_not {
        lines.push(item(&format!("Why not, {}", on.link), &words::why_not(why)));
    }
    // What passing by reference asks for matters where it may be taken.
    for price in on.prices.iter().filter(|price| on.choice.leaves(price.path)) {
        let text = words::price(price).join("; ");
        lines.push(item(&format!("Price of {}, {}", price.path, on.link), &text));
    }
    lines
}

/// The runs behind the answers.
fn evidence(advice: &Advice) -> Vec<Line> {
    let mut told: Vec<(&str, u32)> = Vec::new();
    for on in &advice.links {
        if let Some(run) = on.run.value()
            && !told.iter().any(|(name, _)| name == run)
        {
            told.push((run, on.rounds));
        }
    }
    let line = |(run, rounds): (&str, u32)| {
        let rounds = counted(rounds, "round", "rounds");
        item("Evidence", &format!("{rounds}, 95 % intervals; all of it: copycost report {run}"))
    };
    told.into_iter().map(line).collect()
}

/// The answer with its sentences.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Advice")]
struct AdviceFile<'a> {
    /// Whether every link is decided: exit code 0, else 4.
    decided: bool,
    /// What to use, a sentence a link.
    answer: Vec<String>,
    /// What a reader must know beside it, by link.
    cautions: Vec<Vec<String>>,
    /// Constants to paste, or why there is none.
    break_evens: Vec<String>,
    /// What could not be measured here, and why.
    refused: Vec<String>,
    /// What no answer speaks of.
    not_measured: Vec<&'static str>,
    #[serde(flatten)]
    advice: &'a Advice,
}

/// Writes the answer as JSON, indented.
///
/// # Errors
/// The writer's.
pub fn write_advice(
    mut out: impl Write,
    advice: &Advice,
    options: AdviceOptions<'_>,
) -> Result<(), ReportError> {
    let on = || advice.links.iter();
    let file = AdviceFile {
        decided: advice.is_decided(),
        answer: on().map(|on| words::answer(on, advice.message_bytes, options.margin)).collect(),
        cautions: on().map(words::cautions).collect(),
        break_evens: on()
            .flat_map(|on| on.break_evens.iter().map(|it| words::break_even(it, on.link)))
            .collect(),
        refused: options.refused.iter().map(|(what, why)| format!("{what}: {why}")).collect(),
        not_measured: not_measured(advice),
        advice,
    };
    let failed = |error| ReportError::new("the answer", error);
    serde_json::to_writer_pretty(&mut out, &file).map_err(failed)?;
    out.write_all(b"\n")
        .and_then(|()| out.flush())
        .map_err(|error| ReportError::new("the answer", error))
}

/// The JSON schema of `copycost advise --json`, published as `schema/advice.schema.json`.
pub fn advice_schema() -> serde_json::Value {
    schemars::schema_for!(AdviceFile<'_>).to_value()
}
