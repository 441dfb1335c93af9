//! Slices in which bytes stood still.

use model::record::{Finished, Trial, Worker};

/// Slices of a trial's workers in which bytes stood still, of so many, and for how long in all.
pub(super) struct Stalls {
    pub(super) slices: usize,
    pub(super) of: usize,
    pub(super) slept_ns: u64,
}

/// Those of the receivers, to whom nothing came; on the sink, whose helper never sleeps, of the senders.
///
/// # Errors
/// Measured steadily; the kernel does not tell; or no slice was measured.
pub(super) fn stalls(trial: &Trial, finished: &Finished) -> Result<Stalls, String> {
    let series = trial.settings.series.as_ref().ok_or("measured steadily: told of slices")?;
    let is_told = |workers: &[Worker]| workers.iter().all(|worker| worker.slices.held.is_some());
    let sides = [&finished.receiver.workers, &finished.sender.workers];
    let workers = sides.into_iter().find(|workers| is_told(workers)).ok_or(
        "the kernel does not tell how long threads wait for a CPU (CONFIG_SCHED_INFO), or an earlier version measured",
    )?;
    let mut sum = Stalls { slices: 0, of: 0, slept_ns: 0 };
    for worker in workers {
        sum.of = sum.of.saturating_add(worker.slices.len());
        for (_, ns) in worker.slices.stalled(series.window_ns.0) {
            sum.slices += 1;
            sum.slept_ns = sum.slept_ns.saturating_add(ns);
        }
    }
    if sum.of == 0 { Err("no slice was measured".to_owned()) } else { Ok(sum) }
}
