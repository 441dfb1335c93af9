//! Trials that are sums of slices.

use model::Nanos;
use model::record::{Held, Outcome, SeriesSettings, Span, Trial};

use crate::{to_f64, to_u64};

/// The steady window of the control.
const STEADY: Nanos = Nanos::ms(60);

/// Makes a trial the sum of slices, each of this speed (1 is the trial's goodput), with a steady window of so much the trial's
/// goodput, where there is one; CPU time a nanosecond stays, so that a faster window costs less a byte.
pub fn in_turns(trial: &mut Trial, speeds: &[f64], steady: Option<f64>) {
    let slices = u64::try_from(speeds.len()).unwrap_or(1).max(1);
    let slice = Nanos(trial.settings.window_ns.0 / slices);
    trial.settings.series = Some(SeriesSettings {
        settle_ns: Nanos::ms(1),
        window_ns: slice,
        warmup_turns: 4,
        places: vec![0; speeds.len()],
        steady_ns: steady.map_or(Nanos(0), |_| STEADY),
    });
    let Outcome::Finished(finished) = &mut trial.outcome else { return };
    for worker in finished.sender.workers.iter_mut().chain(&mut finished.receiver.workers) {
        let (bytes, cpu_ns) = (worker.bytes.0, worker.cpu_ns.0);
        let whole = to_f64(worker.window_ns.0);
        let window = |ns: u64, speed: f64| {
            let share = to_f64(ns) / whole;
            Span {
                window_ns: ns,
                bytes: to_u64(to_f64(bytes) * share * speed),
                cpu_ns: to_u64(to_f64(cpu_ns) * share),
            }
        };
        speeds.iter().for_each(|speed| worker.slices.push(window(slice.0, *speed)));
        worker.steady = steady.map(|speed| window(STEADY.0, speed));
    }
}

/// Makes a trial the sum of twenty slices, in the first so many of which its workers slept in a call for 40 ms and nothing moved.
pub fn stalled_in(trial: &mut Trial, stalled: usize) {
    in_turns(trial, &[1.0; 20], None);
    let Some(window_ns) = trial.settings.series.as_ref().map(|series| series.window_ns.0) else {
        return;
    };
    let Outcome::Finished(finished) = &mut trial.outcome else { return };
    for worker in finished.sender.workers.iter_mut().chain(&mut finished.receiver.workers) {
        let slept = |slice| Held {
            slice,
            before_ns: Some(1_000_000),
            held_ns: window_ns.max(40_000_000) + 1_000_000,
            cpu_ns: 900_000,
            waited_ns: 20_000,
            stalled: true,
        };
        worker.slices.held = Some((0..20u32).take(stalled).map(slept).collect());
        worker.slices.bytes.iter_mut().take(stalled).for_each(|bytes| *bytes = 0);
    }
}
