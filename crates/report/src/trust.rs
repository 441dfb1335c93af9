//! How far the figures of a run can be trusted, in a few words each.

use analysis::laws::law::LawState;
use analysis::results::Ending;
use analysis::summary::Summary;
use model::{Measured, Nanos, Plan};

use crate::numbers::{counted, duration, percent, ratio};

/// What a fact means for trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grade {
    /// As it should be.
    Good,
    /// A reader must know it.
    Caution,
    /// Figures contradict each other.
    Bad,
}

impl Grade {
    /// A sign that tells it without colour.
    pub(crate) const fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Caution => "!",
            Self::Bad => "✗",
        }
    }

    /// Its name in classes of style.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Caution => "caution",
            Self::Bad => "bad",
        }
    }
}

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trust {
    pub(crate) name: &'static str,
    pub(crate) figure: String,
    pub(crate) note: String,
    pub(crate) grade: Grade,
}

const fn grade(good: bool) -> Grade {
    if good { Grade::Good } else { Grade::Caution }
}

/// Rounds, precision, noise floor, trials, laws and warnings.
pub(crate) fn trust(summary: &Summary, plan: &Plan) -> Vec<Trust> {
    vec![
        rounds(summary),
        precision(summary, plan),
        noise_floor(summary),
        trials(summary),
        laws(summary),
        warnings(summary),
    ]
}

fn rounds(summary: &Summary) -> Trust {
    let run = &summary.run;
    let time = run.spent_ns.value().map(|ns| format!("{}, ", duration(Nanos(*ns))));
    let time = time.unwrap_or_default();
    let ended = match run.finish {
        Ending::Precise => "until all was as precise as asked",
        Ending::Rounds if !run.imported.is_empty() => "as many as the file has",
        Ending::Rounds => "as many as were asked for",
        Ending::Time => "until the time was spent",
        Ending::Interrupted => "interrupted",
        Ending::Failed => "failed",
        Ending::Unfinished => "unfinished",
    };
    let segments =
        if run.segments > 1 { format!("in {} segments, ", run.segments) } else { String::new() };
    let preliminary = if run.preliminary { "preliminary: fewer than 10; " } else { "" };
    let whole = matches!(run.finish, Ending::Precise | Ending::Rounds | Ending::Time);
    Trust {
        name: "Rounds",
        figure: run.rounds.to_string(),
        note: format!("{preliminary}{time}{segments}{ended}"),
        grade: grade(!run.preliminary && whole),
    }
}

fn precision(summary: &Summary, plan: &Plan) -> Trust {
    let run = &summary.run;
    let (name, precise, of) = if run.comparisons > 0 {
        ("Precise ratios", &run.precise_comparisons, run.comparisons)
    } else {
        ("Precise cells", &run.precise_cells, run.cells)
    };
    match (precise, plan.measure.precision) {
        (Measured::Value(precise), Some(precision)) => Trust {
            name,
            figure: format!("{precise} of {of}"),
            note: format!("intervals within ±{}", percent(precision.0)),
            grade: grade(*precise == of),
        },
        (Measured::Absent { absent }, Some(_)) => Trust {
            name,
            figure: "unknown".to_owned(),
            note: absent.clone(),
            grade: Grade::Caution,
        },
        (_, None) => Trust {
            name,
            figure: "not asked".to_owned(),
            note: "the plan asks for no precision".to_owned(),
            grade: Grade::Caution,
        },
    }
}

fn noise_floor(summary: &Summary) -> Trust {
    match &summary.noise_floor {
        Measured::Value(floor) => Trust {
            name: "Noise floor",
            figure: percent(floor.half_width),
            note: format!(
                "a cell against its twin: {} {}{}",
                if floor.telling_goodput().is_some() { "goodput" } else { "at line rate, CPU" },
                ratio(floor.told()),
                if floor.equivalent { "" } else { ", not shown to be equal" }
            ),
            grade: grade(floor.equivalent),
        },
        Measured::Absent { absent } => Trust {
            name: "Noise floor",
            figure: "not measured".to_owned(),
            note: absent.clone(),
            grade: Grade::Caution,
        },
    }
}

fn trials(summary: &Summary) -> Trust {
    let run = &summary.run;
    let without = run.without_valid_trial.len();
    let without = match u32::try_from(without).unwrap_or(u32::MAX) {
        0 => String::new(),
        cells => format!("; {} without a valid one", counted(cells, "cell", "cells")),
    };
    Trust {
        name: "Trials",
        figure: run.trials.to_string(),
        note: format!("{} marked, {} void{without}", run.noted_trials, run.void_trials),
        grade: grade(run.void_trials == 0 && run.noted_trials == 0 && without.is_empty()),
    }
}

fn laws(summary: &Summary) -> Trust {
    let laws = &summary.explained.laws;
    let count = |state| laws.iter().filter(|law| law.state == state).count();
    let (holds, broken) = (count(LawState::Holds), count(LawState::Broken));
    Trust {
        name: "Laws",
        figure: match (holds, broken) {
            (0, 0) => "none checked".to_owned(),
            (_, 0) => format!("{holds} hold"),
            _ => format!("{broken} broken"),
        },
        note: match (laws.is_empty(), broken) {
            (true, _) => "no trial to check them by".to_owned(),
            (false, 0) if holds == 0 => format!("all {} undecidable here", laws.len()),
            (false, 0) => format!("none broken, {} undecidable here", count(LawState::Undecidable)),
            (false, _) => {
                format!("{holds} hold, {} undecidable here", count(LawState::Undecidable))
            }
        },
        grade: match (laws.is_empty(), broken) {
            (false, 0) if holds > 0 => Grade::Good,
            (_, 0) => Grade::Caution,
            _ => Grade::Bad,
        },
    }
}

fn warnings(summary: &Summary) -> Trust {
    let count = summary.warnings.len();
    Trust {
        name: "Warnings",
        figure: count.to_string(),
        note: if count == 0 { "none" } else { "beside the answer and below" }.to_owned(),
        grade: grade(count == 0),
    }
}
