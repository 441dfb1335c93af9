//! The screen and the JSON of `copycost experiment run` and `judge`: each claim, what decides it, and why.

use std::io::Write;

use analysis::experiments::Decision;
use analysis::id::Id;
use model::Experiment;
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::ReportError;
use crate::styled_text::{Line, Style, render};
use crate::words::{claims, experiments as words};

/// What the experiments decide, claim by claim.
pub fn experiments_screen(decisions: &[Decision], width: usize, colour: bool) -> String {
    let tally = Line::wrapped(0).and(Style::Strong, words::tally(decisions));
    let mut lines = vec![tally, Line::fixed()];
    for it in decisions {
        let (verdict, experiment, because) = words::decision(it);
        lines.push(
            Line::wrapped(4)
                .and(Style::Strong, format!("{:3} {verdict}", it.id.name()))
                .and(Style::Faint, format!(" ({experiment}): "))
                .and(Style::Plain, claims::text(it.id)),
        );
        lines.push(Line::wrapped(4).and(Style::Plain, format!("    {because}")));
    }
    render(&lines, width, colour)
}

/// A decision with its sentences.
#[derive(Serialize, JsonSchema)]
struct DecisionInWords<'a> {
    /// The claim.
    text: &'static str,
    /// `supported`, `refuted`, `undecidable here`, `not applicable here` or `not run`.
    verdict: &'static str,
    /// Why.
    because: String,
    #[serde(flatten)]
    decision: &'a Decision,
}

/// Writes the decisions as JSON, indented.
///
/// # Errors
/// The writer's.
pub fn write_experiments(mut out: impl Write, decisions: &[Decision]) -> Result<(), ReportError> {
    let in_words = |decision| {
        let (verdict, _, because) = words::decision(decision);
        DecisionInWords { text: claims::text(decision.id), verdict, because, decision }
    };
    let all: Vec<DecisionInWords<'_>> = decisions.iter().map(in_words).collect();
    let failed = |error| ReportError::new("the decisions", error);
    serde_json::to_writer_pretty(&mut out, &all).map_err(failed)?;
    let end = out.write_all(b"\n").and_then(|()| out.flush());
    end.map_err(|error| ReportError::new("the decisions", error))
}

/// Every experiment: what it is about, which claims it is made for, how long it takes and what it needs.
pub fn experiments_list(width: usize, colour: bool) -> String {
    let mut lines = Vec::new();
    for experiment in Experiment::ALL {
        let name = format!("{:HANG$}", experiment.name());
        lines.push(
            Line::wrapped(HANG).and(Style::Strong, name).and(Style::Plain, experiment.help()),
        );
        let facts = format!(
            "{:HANG$}for {}; {}; needs {}",
            "",
            words::names(experiment.claims()),
            words::limit(*experiment),
            words::needs(*experiment)
        );
        lines.push(Line::wrapped(HANG).and(Style::Plain, facts));
    }
    lines.push(Line::fixed());
    lines.push(Line::wrapped(0).and(
        Style::Faint,
        "One of them: copycost experiment show NAME      Run: copycost experiment run NAME|all",
    ));
    render(&lines, width, colour)
}

/// The names of experiments take so many columns.
const HANG: usize = 16;

/// One experiment: its claims, and its plan as flags of `copycost run`.
pub fn experiment_screen(experiment: Experiment, width: usize, colour: bool) -> String {
    let plan = experiment.plan();
    let title = format!("{experiment}: {}", experiment.help());
    let mut lines = vec![Line::wrapped(2).and(Style::Strong, title), Line::fixed()];
    for number in experiment.claims() {
        let id = Id::Claim(*number);
        let text = format!("{:5}{}", id.name(), claims::text(id));
        lines.push(Line::wrapped(5).and(Style::Plain, text));
    }
    lines.push(Line::fixed());
    let facts = format!(
        "{} cells in {} blocks; {}; needs {}",
        plan.cells().len(),
        plan.blocks().len(),
        words::limit(experiment),
        words::needs(experiment)
    );
    lines.push(Line::wrapped(2).and(Style::Plain, facts));
    let flags: Vec<String> = experiment
        .factors()
        .iter()
        .map(|(factor, values)| format!("--{} {values}", factor.key()))
        .collect();
    lines.push(Line::wrapped(2).and(Style::Plain, format!("Varies: {}", flags.join(" "))));
    let command = format!("Run: copycost experiment run {experiment}");
    lines.push(Line::wrapped(2).and(Style::Faint, command));
    render(&lines, width, colour)
}
