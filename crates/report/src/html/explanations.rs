//! Break-even sizes, cost models, scaling, and the ratios behind them.

use analysis::explained::{BreakPoint, CostModel, Crossover, Explained, ModelledSide, Scaling};
use analysis::metric::Metric;
use analysis::summary::{Finding, Ratio, Summary};
use model::Measured;

use super::markup::Markup;
use super::{Page, measured, plain_table, section, table};
use crate::ceiling_table::{self, CEILING_NOTE, SHARES_NOTE, TextTable};
use crate::crossover_text::{outcome, size};
use crate::numbers::{level, ratio, short};

/// More ratios than this are left to `summary.json`.
const MOST_RATIOS: usize = 600;

pub(super) fn explanations(html: &mut Markup, page: &Page) {
    let explained = &page.summary.explained;
    section(html, "break-even", |html| {
        crossovers(html, &explained.crossovers);
        cost_models(html, &explained.cost_models);
        scaling(html, &explained.scaling);
        ceiling(html, explained);
    });
    section(html, "ratios", |html| ratios(html, page.summary));
}

const fn oversubscribed(is: bool) -> &'static str {
    if is { " (oversubscribed)" } else { "" }
}

fn crossovers(html: &mut Markup, crossovers: &[Crossover]) {
    html.fixed("<h3>From which message size on a path is better</h3>\n");
    if crossovers.is_empty() {
        html.fixed("<p>No two paths were measured over several sizes.</p>\n");
        return;
    }
    let rows: Vec<Vec<String>> = crossovers
        .iter()
        .map(|crossover| {
            vec![
                format!("{}{}", crossover.shared, oversubscribed(crossover.oversubscribed)),
                format!(
                    "{} against {}",
                    crossover.path.paper_name(),
                    crossover.against.paper_name()
                ),
                name(crossover.metric).to_owned(),
                outcome(&crossover.outcome),
                crossover.sizes.len().to_string(),
            ]
        })
        .collect();
    plain_table(
        html,
        "Break-even sizes",
        &["Cells", "Paths", "In", "Better", "Sizes measured"],
        &rows,
    );
}

/// What a metric is called here.
fn name(metric: Metric) -> &'static str {
    if metric == Metric::GoodputGbps {
        "goodput"
    } else if metric == Metric::EndsCpuNsPerKib {
        "CPU, both sides"
    } else {
        metric.name()
    }
}

fn cost_models(html: &mut Markup, models: &[CostModel]) {
    if models.is_empty() {
        return;
    }
    html.fixed("<h3>CPU time a message = a + b · bytes</h3>\n");
    html.fixed("<p>A small p of “the line fits” says that it does not. Break points were named beforehand; each is tested.</p>\n");
    let rows: Vec<Vec<String>> = models
        .iter()
        .map(|model| {
            let side = match model.side {
                ModelledSide::Sender => "sender",
                ModelledSide::Receiver => "receiver",
            };
            vec![
                format!("{}{}", model.shared, oversubscribed(model.oversubscribed)),
                model.path.paper_name().to_owned(),
                side.to_owned(),
                measured(&model.per_message_ns, level),
                measured(&model.per_byte_ns, level),
                measured(&model.lack_of_fit_p, |p| probability(*p)),
                breaks(&model.breaks),
            ]
        })
        .collect();
    plain_table(
        html,
        "Cost models",
        &[
            "Cells",
            "Path",
            "Side",
            "a, ns a message",
            "b, ns a byte",
            "p (line fits)",
            "Break points",
        ],
        &rows,
    );
}

/// The tested break points with their p; then those that could not be tested, the same reason said once.
fn breaks(points: &[BreakPoint]) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut untested: Vec<(&str, Vec<&str>)> = Vec::new();
    for point in points {
        match &point.p {
            Measured::Value(p) => {
                let p = probability(*p);
                texts.push(format!("{} at {}: p {p}", point.name, size(point.bytes)));
            }
            Measured::Absent { absent } => {
                match untested.iter_mut().find(|(reason, _)| reason == absent) {
                    Some((_, names)) => names.push(&point.name),
                    None => untested.push((absent, vec![&point.name])),
                }
            }
        }
    }
    for (reason, names) in untested {
        texts.push(format!("not tested: {} ({reason})", names.join(", ")));
    }
    texts.join("; ")
}

/// A probability; very small ones are only said to be so.
fn probability(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { short(p) }
}

fn scaling(html: &mut Markup, scaling: &[Scaling]) {
    if scaling.is_empty() {
        return;
    }
    html.fixed("<h3>Speed-up over threads</h3>\n");
    html.fixed("<p>Goodput against the fewest threads; an efficiency of 1 is ideal.</p>\n");
    let mut rows = Vec::new();
    for path in scaling {
        for point in &path.points {
            rows.push(vec![
                path.shared.clone(),
                path.path.paper_name().to_owned(),
                format!("{}{}", point.threads, oversubscribed(point.oversubscribed)),
                measured(&point.speed_up, ratio),
                measured(&point.efficiency, level),
            ]);
        }
    }
    plain_table(html, "Scaling", &["Cells", "Path", "Threads", "Speed-up", "Efficiency"], &rows);
}

/// More shares than this are left to `summary.json`.
const MOST_SHARES: usize = 200;

fn ceiling(html: &mut Markup, explained: &Explained) {
    let Some(ceilings) = ceiling_table::ceilings(explained) else { return };
    html.fixed("<h3 id=\"copying-ceiling\">Copying ceiling</h3>\n");
    html.paragraph(CEILING_NOTE);
    text_table(html, "Copying ceiling", &ceilings, usize::MAX);
    let Some(shares) = ceiling_table::shares(explained) else { return };
    html.paragraph(SHARES_NOTE);
    html.element("details", &[("class", "bulk")], |html| {
        html.leaf("summary", &[], &format!("{} shares of the ceiling", shares.rows.len()));
        text_table(html, "Shares of the copying ceiling", &shares, MOST_SHARES);
        if let Some(more) = shares.rows.len().checked_sub(MOST_SHARES).filter(|more| *more > 0) {
            html.paragraph(&format!("{more} more in summary.json, ceiling_shares"));
        }
    });
}

fn text_table<const N: usize>(html: &mut Markup, name: &str, of: &TextTable<N>, most: usize) {
    let rows: Vec<Vec<String>> = of.rows.iter().take(most).map(|row| row.to_vec()).collect();
    plain_table(html, name, &of.columns, &rows);
}

fn ratios(html: &mut Markup, summary: &Summary) {
    let shown: Vec<&Ratio> = summary
        .ratios
        .iter()
        .filter(|ratio| matches!(name(ratio.metric), "goodput" | "CPU, both sides"))
        .collect();
    if shown.is_empty() {
        html.fixed("<p>No two paths were measured in the same blocks.</p>\n");
        return;
    }
    html.fixed(concat!(
        "<p>Geometric means of the ratios within blocks, with 95 % intervals; p is of “no difference”, after Holm’s ",
        "correction. The other metrics’ ratios are in summary.json.</p>\n"
    ));
    let columns =
        ["Block", "Path", "Against", "In", "Ratio", "p", "Finding", "Pairs"].map(str::to_owned);
    html.element("details", &[("class", "bulk")], |html| {
        html.leaf("summary", &[], &format!("{} ratios", shown.len()));
        table(html, "Ratios", "ratios sortable", &columns, |html| {
            for ratio in shown.iter().take(MOST_RATIOS) {
                ratio_row(html, ratio);
            }
        });
        if shown.len() > MOST_RATIOS {
            html.paragraph(&format!("{} more in summary.json, ratios", shown.len() - MOST_RATIOS));
        }
    });
}

fn ratio_row(html: &mut Markup, row: &Ratio) {
    let estimate = row.ratio.value();
    html.element("tr", &[], |html| {
        html.leaf("td", &[], &row.block);
        for cell in [&row.cell, &row.against] {
            let of = format!("{} {}", cell.send_path.paper_name(), cell.send_path);
            html.leaf("td", &[("title", &cell.id())], &of);
        }
        html.leaf("td", &[], name(row.metric));
        let value = estimate.map_or_else(String::new, |estimate| estimate.mean.to_string());
        html.leaf("td", &[("data-value", &value)], &measured(&row.ratio, ratio));
        let p = row.p_holm.value().map_or_else(String::new, f64::to_string);
        html.leaf("td", &[("data-value", &p)], &measured(&row.p_holm, |p| probability(*p)));
        html.leaf("td", &[], finding(row));
        let pairs = estimate.map_or_else(|| "0".to_owned(), |estimate| estimate.trials.to_string());
        html.leaf("td", &[], &pairs);
    });
}

const fn finding(row: &Ratio) -> &'static str {
    match (&row.ratio, row.finding) {
        (Measured::Absent { .. }, _) => "not compared",
        (Measured::Value(_), Finding::More) => "more",
        (Measured::Value(_), Finding::Less) => "less",
        (Measured::Value(_), Finding::Equivalent) => "equivalent",
        (Measured::Value(_), Finding::Undecided) => "undecided",
    }
}
