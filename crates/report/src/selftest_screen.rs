//! What a machine's equal cells tell: the screen and JSON of `copycost selftest`.

use analysis::metric::Metric;
use analysis::selftest::{CellNoise, SelfTest, TIMES};
use model::Nanos;
use serde::Serialize;

use crate::numbers::{counted, duration};
use crate::plain_table::{Group, Table, TableRow};
use crate::styled_text::{Line, Style, render};
use crate::words::figures::metric;
use crate::words::selftest as words;

/// Something about the machine that will disturb figures, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// Its name.
    pub what: String,
    /// What it does, and what to do.
    pub advice: String,
}

/// The screen: the verdict, the smallest differences, the noise, and what disturbs it.
pub fn selftest_screen(
    of: &SelfTest,
    conditions: &[Condition],
    directory: &str,
    width: usize,
    colour: bool,
) -> String {
    // A figure and its unit stay on one line.
    let line = |hang: usize, style: Style, text: &str| {
        Line::wrapped(hang).and(style, text.replace(" %", "\u{a0}%"))
    };
    let plain = |text: String| line(2, Style::Plain, &text);
    let faint = |text: String| line(2, Style::Faint, &text);
    let warning = |text: String| line(2, Style::Warning, &format!("! {text}"));
    let shown = |lines: &[Line]| render(lines, width, colour);
    let verdict = [line(0, Style::Strong, &words::verdict(of))];
    let mut differences = table(of).lines(width);
    differences.push(faint(words::method(of)));
    let mut noise: Vec<Line> = of.told_apart.iter().map(words::told_apart).map(plain).collect();
    noise.extend(of.noise_of(Metric::GoodputGbps).map(|it| words::noise(of, it)).map(plain));
    let mut disturbs: Vec<Line> = of
        .disturbances
        .iter()
        .filter_map(|disturbance| words::disturbance(disturbance, of.trials))
        .chain(of.timer.value().and_then(words::timer))
        .chain(conditions.iter().map(|it| format!("{}: {}", it.what, it.advice)))
        .map(warning)
        .collect();
    if disturbs.is_empty() {
        disturbs.push(plain("Nothing that disturbs figures was seen.".to_owned()));
    }
    disturbs.extend(words::not_seen(of).map(faint));
    disturbs.extend(of.disturbances.iter().filter_map(words::unseen).map(faint));
    let run = [faint(format!(
        "{}, {}, {}; {directory}",
        counted(of.rounds, "round", "rounds"),
        counted(of.trials, "trial", "trials"),
        duration(Nanos(of.spent_ns))
    ))];
    [shown(&verdict), shown(&differences), shown(&noise), shown(&disturbs), shown(&run)].join("\n")
}

/// Rows are sizes, columns times, a group a metric.
fn table(of: &SelfTest) -> Table {
    let metrics: Vec<Metric> = of.told_apart.iter().map(|told| told.metric).collect();
    let row = |noise: &CellNoise| {
        let same = of.noise.iter().filter(|other| other.cell == noise.cell);
        let figures = metrics.iter().flat_map(|metric| {
            let of = same.clone().find(|noise| noise.metric == *metric);
            TIMES.iter().enumerate().map(move |(at, _)| {
                let detectable = of.and_then(|noise| noise.detectable.get(at));
                detectable.map_or_else(|| "-".to_owned(), words::difference)
            })
        });
        TableRow::Figures(words::named(of, noise), figures.collect())
    };
    Table {
        corner: [String::new(), "smallest difference in".to_owned()],
        groups: metrics
            .iter()
            .map(|it| Group { heading: metric(*it), columns: TIMES.map(words::time).to_vec() })
            .collect(),
        rows: of.noise_of(Metric::GoodputGbps).map(row).collect(),
    }
}

/// The same as JSON: the figures, then the sentences.
///
/// # Errors
/// None in practice: the figures are plain.
pub fn selftest_json(
    of: &SelfTest,
    conditions: &[Condition],
    directory: &str,
) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct File<'a> {
        verdict: String,
        #[serde(flatten)]
        of: &'a SelfTest,
        conditions: &'a [Condition],
        disturbance_sentences: Vec<String>,
        directory: &'a str,
    }
    let sentences = of.disturbances.iter().filter_map(|it| words::disturbance(it, of.trials));
    let timer = of.timer.value().and_then(words::timer);
    let file = File {
        verdict: words::verdict(of),
        of,
        conditions,
        disturbance_sentences: sentences.chain(timer).collect(),
        directory,
    };
    serde_json::to_string_pretty(&file).map(|text| text + "\n")
}
