//! Trials that are sums of slices: their marks, and the machine's cost beside them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's functions may fail it")]

use analysis::Metric;
use analysis::figures::value;
use analysis::marks::judge;
use model::record::{CpuBusy, Finished, Outcome, SeriesSettings, Slices, Span, Trial};
use model::{Bytes, Cell, Mark, Measured, Nanos, Thresholds};

const SLICES: u64 = 20;

/// A good trial whose window is made of equal slices.
fn series() -> Trial {
    let mut trial = synthetic::trial(&Cell::default(), 1).build();
    let slice = Nanos(trial.settings.window_ns.0 / SLICES);
    trial.settings.series = Some(SeriesSettings {
        settle_ns: Nanos::ms(1),
        window_ns: slice,
        warmup_turns: 2,
        places: vec![0; 20],
        steady_ns: Nanos(0),
    });
    let finished = finished(&mut trial);
    for worker in finished.sender.workers.iter_mut().chain(&mut finished.receiver.workers) {
        let span = Span {
            window_ns: slice.0,
            bytes: worker.bytes.0 / SLICES,
            cpu_ns: worker.cpu_ns.0 / SLICES,
        };
        (0..SLICES).for_each(|_| worker.slices.push(span));
    }
    trial
}

fn finished(trial: &mut Trial) -> &mut Finished {
    let Outcome::Finished(finished) = &mut trial.outcome else { panic!("it failed") };
    finished
}

fn marks(change: impl FnOnce(&mut Finished)) -> Vec<Mark> {
    let mut trial = series();
    change(finished(&mut trial));
    judge(&trial, &Thresholds::default())
}

#[test]
fn a_worker_that_hardly_ran_in_many_slices_makes_a_trial_void_and_in_few_notes_it() {
    let idle = |slices: usize| {
        move |finished: &mut Finished| {
            let of = &mut finished.receiver.workers[0].slices;
            of.window_ns.iter_mut().take(slices).for_each(|ns| *ns = 0);
        }
    };
    assert_eq!(marks(idle(0)), []);
    assert_eq!(marks(idle(1)), [], "one in twenty is what the threshold allows");
    assert_eq!(marks(idle(2)), [Mark::WindowNoted]);
    assert_eq!(marks(idle(6)), [Mark::WindowVoid]);
    let longer = |finished: &mut Finished| {
        finished.sender.workers[0].slices.window_ns.iter_mut().for_each(|ns| *ns += *ns / 3);
    };
    assert_eq!(marks(longer), [], "its bytes and CPU time are of that longer window");
}

#[test]
fn one_late_wake_up_makes_no_short_series_void() {
    let idle = |missed: usize, of: usize| {
        marks(move |finished: &mut Finished| {
            let slices = &mut finished.receiver.workers[0].slices;
            let spans: Vec<Span> = slices.iter().take(of).collect();
            *slices = Slices::default();
            for (place, span) in spans.into_iter().enumerate() {
                slices.push(if place < missed { Span { window_ns: 0, ..span } } else { span });
            }
        })
    };
    assert_eq!(idle(1, 3), [Mark::WindowNoted]);
    assert_eq!(idle(1, 2), [Mark::WindowNoted]);
    assert_eq!(idle(2, 3), [Mark::WindowVoid]);
    assert_eq!(idle(2, 2), [Mark::WindowVoid]);
    assert_eq!(idle(1, 1), [Mark::WindowVoid], "it saw nothing");
    assert_eq!(idle(0, 0), [Mark::WindowVoid], "it has no slice");
}

#[test]
fn slices_in_which_bytes_stood_still_are_noted_and_count() {
    let stalled = |slices: usize| {
        let mut trial = synthetic::trial(&Cell::default(), 1).build();
        synthetic::stalled_in(&mut trial, slices);
        let told =
            [Metric::StalledShare, Metric::StallUs].map(|metric| value(metric, &trial, None));
        (judge(&trial, &Thresholds::default()), told)
    };
    let (marks, [share, length]) = stalled(0);
    assert_eq!((marks, share), (vec![], Measured::Value(0.0)));
    assert!(length.reason().is_some());
    assert_eq!(stalled(1).0, [], "one in twenty is what the threshold allows");
    for slices in [2, 6, 19] {
        let (marks, [share, length]) = stalled(slices);
        assert_eq!(marks, [Mark::Stalled], "nothing is void by its outcome");
        assert_eq!(share, Measured::Value(slices as f64 / 20.0));
        assert!(length.value().is_some_and(|us| *us >= 40_000.0), "{length:?}");
    }
}

#[test]
fn windows_that_nobody_saw_for_want_of_a_cpu_are_missed_and_no_stall() {
    let mut trial = synthetic::trial(&Cell::default(), 1).build();
    synthetic::stalled_in(&mut trial, 6);
    for worker in &mut finished(&mut trial).receiver.workers {
        worker.slices.window_ns.iter_mut().take(6).for_each(|ns| *ns = 0);
        let held = worker.slices.held.iter_mut().flatten();
        held.for_each(|held| (held.waited_ns, held.stalled) = (held.held_ns, false));
    }
    for worker in &mut finished(&mut trial).sender.workers {
        worker.slices.held = Some(Vec::new());
    }
    assert_eq!(judge(&trial, &Thresholds::default()), [Mark::WindowVoid]);
    assert_eq!(value(Metric::StalledShare, &trial, None), Measured::Value(0.0));
    finished(&mut trial).receiver.workers[0].slices.held = None;
    finished(&mut trial).sender.workers[0].slices.held = None;
    let untold = value(Metric::StalledShare, &trial, None);
    assert!(untold.reason().unwrap().contains("CONFIG_SCHED_INFO"), "{untold:?}");
}

#[test]
fn nothing_is_void_by_its_outcome() {
    let trend = |finished: &mut Finished| {
        let worker = &mut finished.receiver.workers[0];
        worker.third_bytes = [worker.bytes.0 / 2, worker.bytes.0 / 3, worker.bytes.0 / 6];
    };
    assert_eq!(marks(trend), []);
}

#[test]
fn queues_that_fill_over_the_slices_are_noted() {
    let less = |finished: &mut Finished| {
        let worker = &mut finished.receiver.workers[0];
        worker.bytes = Bytes(worker.bytes.0 * 98 / 100);
    };
    assert_eq!(marks(less), [Mark::Imbalance]);
    // Longer windows at one end with as many more bytes are the same rate.
    let longer = |finished: &mut Finished| {
        let worker = &mut finished.receiver.workers[0];
        worker.bytes = Bytes(worker.bytes.0 * 11 / 10);
        worker.window_ns = Nanos(worker.window_ns.0 * 11 / 10);
    };
    assert_eq!(marks(longer), []);
}

fn idle(busy_ns: u64) -> CpuBusy {
    CpuBusy {
        source: "cpuidle".to_owned(),
        error_ns: Nanos(0),
        span_ns: Nanos::ms(50),
        cpus: vec![0, 1],
        busy_ns: vec![busy_ns; 2],
    }
}

#[test]
fn the_machines_cost_is_of_the_bytes_between_its_readings_less_the_silence_beside_them() {
    let mut trial = series();
    let machine = &mut finished(&mut trial).machine;
    machine.busy = Measured::Value(CpuBusy {
        span_ns: Nanos::ms(100),
        busy_ns: vec![90_000_000, 70_000_000],
        ..idle(0)
    });
    machine.moved_bytes = Some(Bytes(1 << 20));
    machine.idle = Some(Measured::Value(idle(5_000_000)));
    // 160 ms busy, of which 2 × 10 ms the machine spends anyway, over 1024 KiB.
    let cost = value(Metric::MachineCpuNsPerKib, &trial, None);
    assert_eq!(cost, Measured::Value(140_000_000.0 / 1024.0));
    let beside = |round_ns| {
        let round = Measured::Value(idle(round_ns));
        value(Metric::MachineCpuNsPerKib, &trial, Some(&round))
    };
    assert_eq!(beside(1_000_000), cost, "the silence beside the reading comes before the round's");
    let busy = beside(25_000_000);
    assert!(busy.reason().unwrap().starts_with("other programs used 30 % of the CPUs"), "{busy:?}");
    finished(&mut trial).machine.moved_bytes = Some(Bytes(0));
    assert!(value(Metric::MachineCpuNsPerKib, &trial, None).reason().is_some());
}
