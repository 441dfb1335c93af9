//! Every figure of a trial against a truth that was put into it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's functions may fail it")]

use analysis::figures::{Reading, value};
use analysis::{Metric, synthetic};
use model::names::{Switch, Watch};
use model::record::{CpuBusy, FailureKind, Finished, Outcome, Trial};
use model::{Bytes, Cell, Measured, Nanos, SendPath};

fn close(measured: &Measured<f64>, truth: f64) {
    let Measured::Value(x) = measured else { panic!("absent: {measured:?}") };
    assert!((x - truth).abs() <= 1e-6 * truth.abs().max(1e-6), "{x} is not {truth}");
}

fn finished(trial: &mut Trial) -> &mut Finished {
    match &mut trial.outcome {
        Outcome::Finished(finished) => finished,
        Outcome::Failed(failure) => panic!("{}", failure.why),
    }
}

fn idle() -> Measured<CpuBusy> {
    synthetic::round(1, 0).idle
}

#[test]
fn what_was_put_in_comes_out() {
    for path in SendPath::ALL {
        for threads in [1, 3, 8] {
            let cell = Cell {
                send_path: *path,
                threads: threads.to_string().parse().unwrap(),
                ..Cell::default()
            };
            let trial = synthetic::trial(&cell, 1)
                .goodput_gbps(20.0)
                .sender_cpu_ns_per_kib(300.0)
                .receiver_cpu_ns_per_kib(100.0)
                .build();
            let figure = |metric| value(metric, &trial, None);
            close(&figure(Metric::GoodputGbps), 20.0);
            close(&figure(Metric::MessagesPerS), 20e9 / 8.0 / 4096.0);
            close(&figure(Metric::SenderCpuNsPerKib), 300.0);
            close(&figure(Metric::ReceiverCpuNsPerKib), 100.0);
            close(&figure(Metric::EndsCpuNsPerKib), 400.0);
            close(&figure(Metric::SenderCpuNsPerMessage), 1200.0);
            close(&figure(Metric::ReceiverCpuNsPerMessage), 400.0);
        }
    }
}

#[test]
fn calls_a_message_are_those_of_the_path() {
    for (path, calls) in [
        (SendPath::Send, 8.0),
        (SendPath::Staged, 1.0),
        (SendPath::Sendmsg, 1.0),
        (SendPath::Zerocopy, 1.0),
    ] {
        let cell = Cell { send_path: path, ..Cell::default() };
        let trial = synthetic::trial(&cell, 1).goodput_gbps(32.768).build();
        close(&value(Metric::SendCallsPerMessage, &trial, None), calls);
    }
}

#[test]
fn goodput_is_the_sum_of_each_workers_rate_over_its_own_window() {
    let cell = Cell { threads: "2".parse().unwrap(), ..Cell::default() };
    let mut trial = synthetic::trial(&cell, 1).build();
    let workers = &mut finished(&mut trial).receiver.workers;
    (workers[0].bytes, workers[0].window_ns) = (Bytes(1_000), Nanos(1_000));
    (workers[1].bytes, workers[1].window_ns) = (Bytes(1_000), Nanos(500));
    close(&value(Metric::GoodputGbps, &trial, None), 24.0);
}

#[test]
fn a_total_is_refused_when_one_side_is_missing() {
    let mut trial = synthetic::trial(&Cell::default(), 1).build();
    finished(&mut trial).receiver.workers.clear();
    assert!(value(Metric::SenderCpuNsPerKib, &trial, None).value().is_some());
    for metric in [Metric::EndsCpuNsPerKib, Metric::GoodputGbps, Metric::MachineCpuNsPerKib] {
        let figure = value(metric, &trial, Some(&idle()));
        assert!(figure.reason().unwrap().contains("receiver"), "{figure:?}");
    }
}

#[test]
fn busy_time_is_charged_less_the_idle_baseline_and_scaled_to_the_bytes_of_its_span() {
    let mut trial = synthetic::trial(&Cell::default(), 1).goodput_gbps(8.0).build();
    let Measured::Value(busy) = &mut finished(&mut trial).machine.busy else {
        panic!("no busy time")
    };
    // 8 Gbit/s is one byte a ns: 100 ms hold 97656.25 KiB, whatever the window's length.
    busy.span_ns = Nanos::ms(100);
    busy.busy_ns = vec![10_000_000; 8];
    let Measured::Value(mut idle) = idle() else { panic!("no idle baseline") };
    idle.span_ns = Nanos::ms(1000);
    idle.busy_ns = vec![10_000_000; 8];
    close(
        &value(Metric::MachineCpuNsPerKib, &trial, Some(&Measured::Value(idle.clone()))),
        72e6 / 97_656.25,
    );

    // Busier when idle than now: the figure is not left out, or only the high ones would remain.
    let mut other_load = idle.clone();
    other_load.busy_ns = vec![300_000_000; 8];
    let below = value(Metric::MachineCpuNsPerKib, &trial, Some(&Measured::Value(other_load)));
    close(&below, -160e6 / 97_656.25);

    idle.cpus[7] = 99;
    let missing = value(Metric::MachineCpuNsPerKib, &trial, Some(&Measured::Value(idle)));
    assert!(missing.reason().unwrap().contains("CPU 7"));
    assert!(value(Metric::MachineCpuNsPerKib, &trial, None).reason().unwrap().contains("idle"));
    let absent = Measured::absent("no cpuidle");
    assert_eq!(
        value(Metric::MachineCpuNsPerKib, &trial, Some(&absent)).reason(),
        Some("no cpuidle")
    );
}

#[test]
fn counters_are_divided_by_their_own_sides_bytes() {
    let trial = synthetic::trial(&Cell::default(), 1)
        .goodput_gbps(8.192)
        .sender_cpu_ns_per_kib(1024.0)
        .receiver_cpu_ns_per_kib(512.0)
        .counted()
        .build();
    close(&value(Metric::SenderCyclesPerByte, &trial, None), 3.2);
    close(&value(Metric::ReceiverCyclesPerByte, &trial, None), 1.6);
    close(&value(Metric::SenderLlcMissesPerKib, &trial, None), 1.5);
    close(&value(Metric::ReceiverL1dMissesPerKib, &trial, None), 19.0);
}

#[test]
fn without_counters_the_reason_stands_where_the_figure_would() {
    let trial = synthetic::trial(&Cell::default(), 1).build();
    let figure = value(Metric::SenderCyclesPerByte, &trial, None);
    assert_eq!(figure.reason(), Some(synthetic::NO_COUNTERS));
}

#[test]
fn context_switches_come_from_usage_or_else_from_the_counter() {
    let mut trial = synthetic::trial(&Cell::default(), 1).build();
    // 125 a side in 250 ms.
    close(&value(Metric::ContextSwitchesPerS, &trial, None), 1000.0);
    finished(&mut trial).sender.usage = Measured::absent("no rusage");
    close(&value(Metric::ContextSwitchesPerS, &trial, None), 1000.0);
    finished(&mut trial).sender.counters.context_switches = Measured::absent("no perf");
    assert_eq!(value(Metric::ContextSwitchesPerS, &trial, None).reason(), Some("no rusage"));
}

#[test]
fn the_copied_share_is_of_completions_and_absent_without_any() {
    let zerocopy = Cell { send_path: SendPath::Zerocopy, ..Cell::default() };
    close(&value(Metric::CopiedShare, &synthetic::trial(&zerocopy, 1).build(), None), 1.0);
    let none = synthetic::trial(&zerocopy, 1).copied_share(0.0).build();
    assert_eq!(value(Metric::CopiedShare, &none, None), Measured::Value(0.0));
    let off = Cell { so_zerocopy: Switch::Off, ..zerocopy };
    let reason = value(Metric::CopiedShare, &synthetic::trial(&off, 1).build(), None);
    assert!(reason.reason().unwrap().contains("ordinary copy"));
    let send = value(Metric::CopiedShare, &synthetic::trial(&Cell::default(), 1).build(), None);
    assert!(send.reason().unwrap().contains("no completions"));
}

#[test]
fn a_failed_trial_has_no_figure_and_says_why() {
    let trial =
        synthetic::trial(&Cell::default(), 1).failed(FailureKind::EndLost, "the end died").build();
    for metric in Metric::ALL {
        assert!(value(*metric, &trial, Some(&idle())).reason().unwrap().contains("the end died"));
    }
}

#[test]
fn no_figure_is_ever_infinite_or_a_zero_that_stands_for_absence() {
    let emptied: [fn(&mut Finished); 6] = [
        |f| f.receiver.workers.iter_mut().for_each(|w| w.window_ns = Nanos(0)),
        |f| f.sender.workers.iter_mut().for_each(|w| w.bytes = Bytes(0)),
        |f| f.receiver.workers.iter_mut().for_each(|w| w.bytes = Bytes(0)),
        |f| f.sender.workers.iter_mut().for_each(|w| w.cpu_ns = Nanos(0)),
        |f| f.receiver.window.calls.recv = 0,
        |f| f.machine.busy.clone_from(&Measured::absent("no cpuidle")),
    ];
    for empty in emptied {
        let mut trial = synthetic::trial(&Cell::default(), 1).build();
        empty(finished(&mut trial));
        let idle = idle();
        let reading = Reading::new(&trial, Some(&idle));
        for metric in Metric::ALL {
            match reading.value(*metric) {
                Measured::Value(x) => assert!(x.is_finite(), "{metric:?}"),
                Measured::Absent { absent } => assert!(!absent.is_empty(), "{metric:?}"),
            }
        }
        for metric in [Metric::GoodputGbps, Metric::EndsCpuNsPerKib, Metric::BytesPerReceiveCall] {
            assert_ne!(reading.value(metric), Measured::Value(0.0), "{metric:?}");
        }
    }
}

#[test]
fn a_cell_without_instruments_has_goodput_and_cpu_and_reasons_for_the_rest() {
    let cell = Cell { watch: Watch::None, ..Cell::default() };
    let trial = synthetic::trial(&cell, 1).build();
    assert!(value(Metric::EndsCpuNsPerKib, &trial, None).value().is_some());
    for metric in
        [Metric::RttUs, Metric::Retransmits, Metric::ContextSwitchesPerS, Metric::SoftirqNsPerKib]
    {
        assert!(
            value(metric, &trial, None).reason().unwrap().contains("not watched"),
            "{metric:?}"
        );
    }
}
