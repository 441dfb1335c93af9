//! Break-even sizes, cost models, scaling, and the ratios behind them.

use analysis::results::{Finding, Ratio};
use analysis::summary::Summary;
use model::Measured;

use super::markup::Markup;
use super::{Page, plain_table, section, table};
use crate::ceiling_table;
use crate::explained_tables::{
    NO_CROSSOVER, TextTable, cost_models, crossovers, field_thresholds, load_savings, measured,
    metric_name, probability, scalability_law, scaling,
};
use crate::numbers::ratio;
use crate::words;

/// More ratios than this are left to `summary.json`.
const MOST_RATIOS: usize = 600;

pub(super) fn explanations(html: &mut Markup, page: &Page) {
    let explained = &page.summary.explained;
    section(html, "break-even", |html| {
        let crossovers = crossovers(page.summary);
        text_table(html, &crossovers);
        if crossovers.rows.is_empty() {
            html.paragraph(NO_CROSSOVER);
        }
        let thresholds = field_thresholds(page.summary);
        if !thresholds.rows.is_empty() {
            text_table(html, &thresholds);
            for constant in words::advice::field_thresholds(page.summary) {
                html.element("p", &[], |html| html.leaf("code", &[], &constant));
            }
        }
        let loads = load_savings(page.summary);
        if !loads.rows.is_empty() {
            text_table(html, &loads);
            for line in words::fixed_load::load_savings(page.summary) {
                html.paragraph(&line);
            }
        }
        let known = [
            cost_models(&explained.cost_models),
            scaling(&explained.scaling),
            scalability_law(&explained.scaling),
        ];
        for table in known.into_iter().chain(ceiling_table::tables(explained)) {
            if !table.rows.is_empty() {
                text_table(html, &table);
            }
        }
    });
    section(html, "ratios", |html| ratios(html, page.summary));
}

pub(super) fn text_table(html: &mut Markup, table: &TextTable) {
    html.leaf("h3", &[], table.heading);
    html.fixed("\n");
    if !table.reading.is_empty() {
        html.paragraph(table.reading);
    }
    if !table.rows.is_empty() {
        plain_table(html, table.heading, table.columns, &table.rows);
    }
}

fn ratios(html: &mut Markup, summary: &Summary) {
    let shown: Vec<&Ratio> = summary
        .ratios
        .iter()
        .filter(|ratio| {
            matches!(metric_name(ratio.metric), "goodput" | "CPU, both sides" | "sender-side cost")
        })
        .collect();
    if shown.is_empty() {
        html.fixed("<p>No two paths were measured in the same blocks.</p>\n");
        return;
    }
    html.fixed(concat!(
        "<p>Geometric means of the ratios within blocks, with 95 % intervals; p is of “no difference”, after Holm’s ",
        "correction over the ratios of the same metric. The other metrics’ ratios are in summary.json.</p>\n"
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
            let of = cell.send_path.to_string();
            html.leaf("td", &[("title", &cell.id())], &of);
        }
        html.leaf("td", &[], metric_name(row.metric));
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
        (Measured::Value(_), Finding::AtLineRate) => "both at line rate",
    }
}
