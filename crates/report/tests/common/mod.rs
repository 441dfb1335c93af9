//! Summaries made to order: shaped by a plan, with figures that follow from [`synthetic::likely`].
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::{BTreeMap, HashSet};

use analysis::control::{Agreement, Control};
use analysis::estimate::Estimate;
use analysis::explained::Explained;
use analysis::metric::Metric;
use analysis::recommendation::{Advice, Recommendation};
use analysis::results::{
    CellEstimates, Ending, Finding, InstrumentCost, NoiseFloor, PaperRow, Ratio, RunFacts,
};
use analysis::summary::{SUMMARY_VERSION, Summary};
use analysis::warnings::Warning;
use model::host::Host;
use model::record::FailureKind;
use model::{Cell, Contrast, Mark, Measured, Plan, SendPath};

pub(crate) mod csv_tables;
pub(crate) mod explanation;

pub(crate) const NO_COUNTERS: &str = "no hardware counters";

/// The page and the Markdown of a run.
pub(crate) struct Documents {
    pub(crate) html: String,
    pub(crate) markdown: String,
}

pub(crate) fn documents(summary: &Summary, host: &Host, plan: &Plan) -> Documents {
    let figures = report::figures::all(summary, host);
    let data_paths = report::data_paths(summary, host);
    let page = report::Page { summary, host, plan, figures: &figures, data_paths: &data_paths };
    let (mut html, mut markdown) = (Vec::new(), Vec::new());
    report::write_html(&mut html, &page).unwrap();
    report::write_markdown(&mut markdown, &page).unwrap();
    Documents {
        html: String::from_utf8(html).unwrap(),
        markdown: String::from_utf8(markdown).unwrap(),
    }
}

pub(crate) fn around(mean: f64) -> Estimate {
    Estimate { mean, low: Some(mean * 0.98), high: Some(mean * 1.02), trials: 13 }
}

fn entry(cell: &Cell, control: bool) -> CellEstimates {
    let figures = synthetic::likely(cell);
    let mut metrics: BTreeMap<Metric, Measured<Estimate>> =
        Metric::ALL.iter().map(|metric| (*metric, Measured::absent(NO_COUNTERS))).collect();
    let mut set = |metric, mean| metrics.insert(metric, Measured::Value(around(mean)));
    set(Metric::GoodputGbps, figures.goodput_gbps);
    set(Metric::SenderCpuNsPerKib, figures.sender_cpu_ns_per_kib);
    set(Metric::ReceiverCpuNsPerKib, figures.receiver_cpu_ns_per_kib);
    set(Metric::EndsCpuNsPerKib, figures.sender_cpu_ns_per_kib + figures.receiver_cpu_ns_per_kib);
    set(Metric::Retransmits, 0.0);
    if cell.send_path == SendPath::Zerocopy && cell.so_zerocopy.is_on() {
        metrics.insert(
            Metric::CopiedShare,
            Measured::Value(Estimate { mean: 1.0, low: Some(1.0), high: Some(1.0), trials: 13 }),
        );
    }
    CellEstimates {
        cell: cell.clone(),
        control,
        trials: 13,
        void_trials: 0,
        oversubscribed: (cell.threads.get() * 2 > 8).into(),
        precise: Measured::Value(true),
        metrics,
        marks: BTreeMap::new(),
        timed_releases: 0,
        paper: PaperRow {
            implementation: cell.send_path.paper_name().unwrap_or(cell.send_path.name()).to_owned(),
            message_bytes: cell.message.bytes().0,
            threads: cell.threads.get(),
            total_bytes: Measured::Value(123_456_789),
            throughput_gbps: Measured::Value(figures.goodput_gbps),
            cycles: Measured::absent(NO_COUNTERS),
            cache_misses: Measured::absent(NO_COUNTERS),
            context_switches: Measured::Value(1_625),
        },
    }
}

fn ratio(
    contrast: &Contrast,
    cell: &Cell,
    against: &Cell,
    metric: Metric,
    of: impl Fn(&Cell) -> f64,
) -> Ratio {
    let mean = of(cell) / of(against);
    let finding = match mean {
        m if m > 1.03 => Finding::More,
        m if m < 0.97 => Finding::Less,
        m if (m - 1.0).abs() < 0.01 => Finding::Equivalent,
        _ => Finding::Undecided,
    };
    Ratio {
        contrast: contrast.clone(),
        block: cell.block(&[contrast.factor]).to_string(),
        cell: cell.clone(),
        against: against.clone(),
        metric,
        ratio: Measured::Value(around(mean)),
        trimmed: Measured::Value(around(mean)),
        p: Measured::Value(0.001),
        p_holm: Measured::Value(0.01),
        finding,
    }
}

/// A warning with this text in it.
pub(crate) fn warning(text: impl Into<String>) -> Warning {
    Warning::Congestion { used: text.into(), system: "another".to_owned() }
}

/// A warning of so many words, and a number to know it by.
pub(crate) fn long_warning(number: u32, words: usize) -> Warning {
    warning(format!("{number}{}", " word".repeat(words)))
}

/// What to use where the plan compares the paper's paths, or has one path alone.
fn recommended(plan: &Plan) -> Vec<Recommendation> {
    let paths = &plan.factors.send_path;
    let mut all = explanation::recommendations();
    for one in &mut all {
        one.advice = match paths.as_slice() {
            [path] => Advice::Alone { value: path.to_string() },
            paths if paths.contains(&SendPath::Send) && paths.contains(&SendPath::Sendmsg) => {
                continue;
            }
            paths => Advice::Unclear { values: paths.iter().map(ToString::to_string).collect() },
        };
        one.by_reference.clear();
    }
    all
}

/// A run of the plan in which everything went well.
pub(crate) fn summary(plan: &Plan) -> Summary {
    let mut estimates: Vec<CellEstimates> =
        plan.cells().iter().map(|cell| entry(cell, false)).collect();
    estimates.extend(plan.controls().iter().map(|cell| entry(cell, true)));
    let asked: HashSet<Cell> = plan.cells().into_iter().collect();
    let contrasts = plan.contrasts();
    let mut ratios = Vec::new();
    for metric in [Metric::GoodputGbps, Metric::EndsCpuNsPerKib] {
        let of = |cell: &Cell| {
            let figures = synthetic::likely(cell);
            if metric == Metric::GoodputGbps {
                figures.goodput_gbps
            } else {
                figures.sender_cpu_ns_per_kib + figures.receiver_cpu_ns_per_kib
            }
        };
        for cell in plan.blocks().iter().flat_map(|(_, cells)| cells) {
            for contrast in &contrasts {
                if let Some(against) = contrast.twin(cell).filter(|twin| asked.contains(twin))
                    && asked.contains(cell)
                {
                    ratios.push(ratio(contrast, cell, &against, metric, of));
                }
            }
        }
    }
    let cells = u32::try_from(plan.cells().len()).unwrap();
    let compared = ratios.iter().filter(|ratio| ratio.metric == Metric::GoodputGbps).count();
    let comparisons = u32::try_from(compared).unwrap();
    Summary {
        line: None,
        version: SUMMARY_VERSION,
        copycost: "0.1.0".to_owned(),
        run: RunFacts {
            label: plan.label.clone(),
            preset: plan.preset.to_string(),
            started_unix_ms: 1_764_000_000_000,
            spent_ns: Measured::Value(298_000_000_000),
            segments: 1,
            imported: Vec::new(),
            unstated: Vec::new(),
            copying_devices: Vec::new(),
            rounds: 13,
            preliminary: false,
            finish: Ending::Precise,
            cells,
            comparisons,
            precise_comparisons: Measured::Value(comparisons),
            precise_cells: Measured::Value(cells),
            turn_noise: Measured::absent("not in this sample"),
            load: Measured::absent("not in this sample"),
            drift: Measured::absent("no cell has the 10 rounds that this takes"),
            imprecise: Vec::new(),
            without_valid_trial: BTreeMap::new(),
            trials: 13 * u32::try_from(estimates.len()).unwrap(),
            void_trials: 0,
            noted_trials: 0,
            congestion: "cubic".to_owned(),
            placement: "pinned: senders 0-3, receivers 4-7".to_owned(),
            usable_cpus: 8,
            peak_rss_without_rings_bytes: Measured::Value(11 << 20),
        },
        estimates,
        ratios,
        marks: BTreeMap::new(),
        noise_floor: Measured::Value(NoiseFloor {
            metric: Metric::GoodputGbps,
            goodput: Estimate { mean: 1.002, low: Some(0.991), high: Some(1.013), trials: 13 },
            ends_cpu: Measured::Value(Estimate {
                mean: 0.999,
                low: Some(0.994),
                high: Some(1.004),
                trials: 13,
            }),
            half_width: 0.011,
            equivalent: true,
        }),
        control: control(plan),
        trends: Vec::new(),
        instrument_cost: InstrumentCost {
            edge_share: Measured::Value(0.000_24),
            ends_cpu_ratio: Measured::Value(Estimate {
                mean: 1.002,
                low: Some(0.997),
                high: Some(1.007),
                trials: 13,
            }),
            goodput_ratio: Measured::Value(Estimate {
                mean: 0.999,
                low: Some(0.99),
                high: Some(1.008),
                trials: 13,
            }),
        },
        warnings: vec![Warning::NoCounters {
            why: "kernel.perf_event_paranoid is 4; sudo sysctl kernel.perf_event_paranoid=1"
                .to_owned(),
        }],
        explained: Explained { recommendations: recommended(plan), ..Explained::default() },
    }
}

/// Turns and steady windows that agree.
fn control(plan: &Plan) -> Measured<Control> {
    let of = |contrast: Option<Contrast>, cell: Option<Cell>| {
        [Metric::GoodputGbps, Metric::EndsCpuNsPerKib].map(|metric| Agreement {
            contrast: contrast.clone(),
            cell: cell.clone(),
            metric,
            turns: Estimate { mean: 1.21, low: Some(1.2), high: Some(1.22), trials: 6 },
            steady: Estimate { mean: 1.2, low: Some(1.19), high: Some(1.22), trials: 6 },
            quotient: Estimate { mean: 1.004, low: Some(0.995), high: Some(1.013), trials: 6 },
            p_holm: Measured::Value(0.4),
            finding: Finding::Equivalent,
        })
    };
    let contrasts = plan.contrasts();
    if contrasts.is_empty() {
        return Measured::absent("nothing is compared");
    }
    let of_each = contrasts.iter().flat_map(|contrast| of(Some(contrast.clone()), None)).collect();
    let cells = contrasts.first().into_iter().flat_map(|contrast| {
        let mut cell = Cell::default();
        cell.set(contrast.factor, &contrast.value).unwrap();
        of(Some(contrast.clone()), Some(cell))
    });
    Measured::Value(Control {
        rounds: 6,
        overall: of(None, None).to_vec(),
        contrasts: of_each,
        cells: cells.collect(),
    })
}

/// Takes every valid trial away; each cell gets its reason.
pub(crate) fn without_any_trial(summary: &mut Summary, reason: impl Fn(usize) -> &'static str) {
    for index in 0..summary.estimates.len() {
        without_trial(summary, index, reason(index));
    }
    for one in &mut summary.explained.recommendations {
        one.advice = Advice::Nothing;
        one.by_reference.clear();
    }
}

/// Takes every valid trial of a cell away.
pub(crate) fn without_trial(summary: &mut Summary, index: usize, reason: &str) {
    let entry = &mut summary.estimates[index];
    entry.trials = 0;
    entry.void_trials = 3;
    entry.precise = Measured::absent("no valid trial");
    for value in entry.metrics.values_mut() {
        *value = Measured::absent("no valid trial");
    }
    entry.paper.total_bytes = Measured::absent("no valid trial");
    entry.paper.throughput_gbps = Measured::absent("no valid trial");
    entry.paper.context_switches = Measured::absent("no valid trial");
    let id = entry.cell.id();
    summary.run.without_valid_trial.insert(id, reason.to_owned());
    summary.run.void_trials += 3;
    *summary.marks.entry(Mark::CallFailed).or_default() += 3;
    let cell = summary.estimates[index].cell.clone();
    for ratio in &mut summary.ratios {
        if ratio.cell == cell || ratio.against == cell {
            ratio.ratio = Measured::absent("no pair of valid trials");
            ratio.trimmed = Measured::absent("no pair of valid trials");
            ratio.p = Measured::absent("no pair of valid trials");
            ratio.p_holm = Measured::absent("no pair of valid trials");
            ratio.finding = Finding::Undecided;
        }
    }
}

/// Kinds of failures, so that a new one is met here.
pub(crate) const FAILURES: [FailureKind; 3] =
    [FailureKind::EndLost, FailureKind::CallFailed, FailureKind::Unsupported];
