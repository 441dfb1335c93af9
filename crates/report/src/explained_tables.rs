//! Break-even sizes, cost models and scaling as tables of text, for the page and for Markdown.

use analysis::findings::{BreakPoint, CostModel, Crossover, FieldThreshold, ModelledSide, Scaling};
use analysis::fixed_load::LoadSaving;
use analysis::metric::Metric;
use analysis::results::Finding;
use analysis::summary::Summary;
use model::{Factor, Measured};

use crate::numbers::{level, percent, ratio, short};
use crate::spelling::{outcome, shared_words, size};
use crate::words::advice::message;
use crate::words::figures::{counted_findings, crossed};
use crate::words::fixed_load::{cpus, values};

/// A table with what it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TextTable {
    pub(crate) heading: &'static str,
    /// How to read it; empty where the heading says it.
    pub(crate) reading: &'static str,
    pub(crate) columns: &'static [&'static str],
    pub(crate) rows: Vec<Vec<String>>,
}

/// Said where there is no break-even to show.
pub(crate) const NO_CROSSOVER: &str = "No two paths were measured over several sizes.";

const fn oversubscribed(is: bool) -> &'static str {
    if is { " (more threads than CPUs)" } else { "" }
}

/// From which size on which path is better.
pub(crate) fn crossovers(summary: &Summary) -> TextTable {
    let row = |crossover: &Crossover| {
        let found = counted_findings(summary, crossover);
        vec![
            format!(
                "{}{}",
                shared_words(&crossover.shared),
                oversubscribed(crossover.oversubscribed.is_so())
            ),
            crossover.contrast.values(),
            metric_name(crossover.metric).to_owned(),
            crossed(&found),
            crossover.sizes.len().to_string(),
        ]
    };
    TextTable {
        heading: "From which message size on a path is better",
        reading: "",
        columns: &["Cells", "Paths", "In", "Better", "Sizes measured"],
        rows: summary.explained.crossovers.iter().map(row).collect(),
    }
}

/// From which length on a field pays by reference.
pub(crate) fn field_thresholds(summary: &Summary) -> TextTable {
    let row = |it: &FieldThreshold| {
        let busy = oversubscribed(it.oversubscribed.is_so());
        vec![
            format!("{}, {}{busy}", it.link, shared_words(&it.shared.without(&[Factor::Link]))),
            it.path.to_string(),
            message(&it.others),
            metric_name(it.metric).to_owned(),
            outcome(&it.outcome),
            it.lengths.len().to_string(),
        ]
    };
    TextTable {
        heading: "From which length on a field pays by reference",
        reading: "The field N goes by reference and the others are copied, against the same message all copied.",
        columns: &["Cells", "Path", "Message", "In", "Better by reference", "Lengths measured"],
        rows: summary.explained.field_thresholds.iter().map(row).collect(),
    }
}

const fn finding(of: Finding) -> &'static str {
    match of {
        Finding::Less | Finding::More => "shown",
        Finding::Equivalent => "alike",
        Finding::Undecided => "not shown",
        Finding::AtLineRate => "both at line rate",
    }
}

/// What is saved where senders are held to a rate.
pub(crate) fn load_savings(summary: &Summary) -> TextTable {
    let row = |it: &LoadSaving| {
        let [name, against] = values(&it.contrast);
        let [takes, other] = it.cpus_per_gbps.map(|of| cpus(&of));
        vec![
            it.cell.id(),
            format!("{name} / {against}"),
            it.cell.rate.to_string(),
            format!("{}, {}", percent(it.delivered[0]), percent(it.delivered[1])),
            takes,
            other,
            cpus(&it.saved_cpus_per_gbps),
            finding(it.finding).to_owned(),
        ]
    };
    TextTable {
        heading: "What is saved at a fixed load",
        reading: "CPUs for each Gbit/s: CPU time a second over the payload's rate.",
        columns: &[
            "Cell",
            "Values",
            "Offered",
            "Delivered",
            "CPUs, first",
            "CPUs, second",
            "Saved",
            "Finding",
        ],
        rows: summary.explained.load_savings.iter().map(row).collect(),
    }
}

/// What a metric is called here.
pub(crate) fn metric_name(metric: Metric) -> &'static str {
    if metric == Metric::GoodputGbps {
        "goodput"
    } else if metric == Metric::EndsCpuNsPerKib {
        "CPU, both sides"
    } else if metric == Metric::SenderSideCpuNsPerKib {
        "sender-side cost"
    } else {
        metric.name()
    }
}

/// CPU time a message over its size.
pub(crate) fn cost_models(models: &[CostModel]) -> TextTable {
    let row = |model: &CostModel| {
        let side = match model.side {
            ModelledSide::Sender => "sender",
            ModelledSide::Receiver => "receiver",
        };
        vec![
            format!(
                "{}{}",
                shared_words(&model.shared),
                oversubscribed(model.oversubscribed.is_so())
            ),
            model.path.to_string(),
            side.to_owned(),
            measured(&model.per_message_ns, level),
            measured(&model.per_byte_ns, level),
            measured(&model.lack_of_fit_p, |p| probability(*p)),
            breaks(&model.breaks),
        ]
    };
    TextTable {
        heading: "CPU time a message = a + b · bytes",
        reading: "A small p of “the line fits” says that it does not. Break points were named beforehand; each is tested.",
        columns: &[
            "Cells",
            "Path",
            "Side",
            "a, ns a message",
            "b, ns a byte",
            "p (line fits)",
            "Break points",
        ],
        rows: models.iter().map(row).collect(),
    }
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
pub(crate) fn probability(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { short(p) }
}

/// Goodput over threads.
pub(crate) fn scaling(scaling: &[Scaling]) -> TextTable {
    let rows = scaling.iter().flat_map(|path| {
        path.points.iter().map(|point| {
            vec![
                shared_words(&path.shared),
                path.path.to_string(),
                format!("{}{}", point.threads, oversubscribed(point.oversubscribed.is_so())),
                measured(&point.speed_up, ratio),
                measured(&point.efficiency, level),
            ]
        })
    });
    TextTable {
        heading: "Speed-up over threads",
        reading: "Goodput against the fewest threads; an efficiency of 1 is ideal.",
        columns: &["Cells", "Path", "Threads", "Speed-up", "Efficiency"],
        rows: rows.collect(),
    }
}

/// The universal scalability law, where enough thread counts were measured.
pub(crate) fn scalability_law(scaling: &[Scaling]) -> TextTable {
    let rows = scaling.iter().filter_map(|path| {
        let law = path.usl.value()?;
        Some(vec![
            shared_words(&path.shared),
            path.path.to_string(),
            level(&law.contention),
            level(&law.coherency),
            measured(&law.peak_threads, |threads| format!("{threads:.0} threads")),
            percent(law.off),
            law.thread_counts.to_string(),
        ])
    });
    TextTable {
        heading: "Universal scalability law",
        reading: "Goodput over N threads, fitted as N / (1 + α(N − 1) + βN(N − 1)) to the thread counts that have a CPU for each thread; intervals from rounds. α and β describe the curve; they show no mechanism. Off: the largest distance of a point from the curve.",
        columns: &["Cells", "Path", "α (flattens)", "β (falls)", "Peak", "Off", "Thread counts"],
        rows: rows.collect(),
    }
}

/// A figure, or a dash that carries the reason.
pub(crate) fn measured<T>(value: &Measured<T>, text: impl FnOnce(&T) -> String) -> String {
    match value {
        Measured::Value(value) => text(value),
        Measured::Absent { absent } => format!("– ({absent})"),
    }
}
