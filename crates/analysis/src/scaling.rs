//! Goodput over threads.

use model::{Factor, Measured};

use crate::estimate::Estimate;
use crate::estimate::Moments;
use crate::findings::{Scaling, ScalingPoint, Usl};
use crate::line_rate::Line;
use crate::metric::Metric;
use crate::pairings::Places;
use crate::pairs::ratio;
use crate::results::CellEstimates;
use crate::round_logs::{RoundLogs, families};
use crate::usl::{LeftOut, Point, usl};

/// Speed-up of every path over threads, everything else being equal; nothing where there is one thread count only.
///
/// A speed-up is the geometric mean of ratios of goodput against the fewest threads. Pairs are formed within a round, as
/// other threads stand in another block: drift within a round does not cancel and widens the Student-t interval. Threads at line
/// rate have none, and take no part in the law: the line decides their goodput, and what they could carry is not known.
pub(crate) fn scaling(
    places: &Places,
    logs: &RoundLogs<'_>,
    estimates: &[CellEstimates],
    line: Option<&Line>,
) -> Vec<Scaling> {
    let is_at_rate = |cell: usize| line.is_some_and(|line| line.has(&places.cells[cell]));
    let mut scalings = Vec::new();
    for (shared, mut cells) in families(places, &[Factor::Threads]) {
        cells.sort_by_key(|cell| places.cells[*cell].threads);
        let [fewest, _, ..] = cells[..] else { continue };
        let base = f64::from(places.cells[fewest].threads.get());
        let point = |cell: &usize| {
            let threads = places.cells[*cell].threads.get();
            let speed_up = match (is_at_rate(*cell), is_at_rate(fewest)) {
                (false, false) => speed_up(logs, *cell, fewest),
                (true, _) => Measured::absent(
                    "at line rate: the line decides the goodput, and not the threads",
                ),
                (false, true) => Measured::absent(
                    "the fewest threads are at line rate: what they could carry is not known",
                ),
            };
            let ideal = f64::from(threads) / base;
            ScalingPoint {
                threads,
                efficiency: speed_up.clone().map(|speed_up| over(&speed_up, ideal)),
                speed_up,
                oversubscribed: estimates[*cell].oversubscribed,
            }
        };
        scalings.push(Scaling {
            path: shared.cell().send_path,
            shared: shared.without(&[Factor::Send]),
            points: cells.iter().map(point).collect(),
            usl: law(places, logs, estimates, &cells, is_at_rate),
        });
    }
    scalings
}

/// The universal scalability law through the cells that have a CPU for each thread and are not at line rate.
fn law(
    places: &Places,
    logs: &RoundLogs<'_>,
    estimates: &[CellEstimates],
    cells: &[usize],
    is_at_rate: impl Fn(usize) -> bool,
) -> Measured<Usl> {
    let (oversubscribed, others): (Vec<usize>, Vec<usize>) =
        cells.iter().partition(|cell| estimates[**cell].oversubscribed.is_so());
    let (at_line_rate, fitting): (Vec<usize>, Vec<usize>) =
        others.into_iter().partition(|cell| is_at_rate(*cell));
    let left_out =
        LeftOut { oversubscribed: oversubscribed.len(), at_line_rate: at_line_rate.len() };
    let points: Option<Vec<Point>> = fitting
        .iter()
        .map(|cell| Some((places.cells[*cell].threads.get(), logs.at(*cell, Metric::GoodputGbps)?)))
        .collect();
    match points {
        Some(points) => usl(&points, left_out),
        None => Measured::absent("a goodput of 0 has no logarithm"),
    }
}

fn speed_up(logs: &RoundLogs<'_>, cell: usize, fewest: usize) -> Measured<Estimate> {
    let Some(log_ratios) = logs.paired_at(cell, fewest, Metric::GoodputGbps) else {
        return Measured::absent("a goodput of 0 has no ratio");
    };
    let mut moments = Moments::default();
    log_ratios.iter().for_each(|(_, log)| moments.push(*log));
    match ratio(&moments) {
        Measured::Absent { .. } if cell == fewest => {
            Measured::absent("the fewest threads have no valid trial in a complete block")
        }
        Measured::Absent { .. } => Measured::absent(
            "these threads and the fewest ones were never measured validly in complete blocks of one round",
        ),
        // Against itself it is 1 by definition, also where one round gives no interval.
        Measured::Value(estimate) if cell == fewest => {
            Measured::Value(Estimate { low: Some(1.0), high: Some(1.0), ..estimate })
        }
        measured @ Measured::Value(_) => measured,
    }
}

fn over(estimate: &Estimate, by: f64) -> Estimate {
    Estimate {
        mean: estimate.mean / by,
        low: estimate.low.map(|low| low / by),
        high: estimate.high.map(|high| high / by),
        trials: estimate.trials,
    }
}
