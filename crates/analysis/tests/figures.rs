//! Every figure of a trial against a truth that was put into it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's functions may fail it")]

use analysis::Metric;
use analysis::figures::{HandFigures, Reading, value};
use model::names::{Switch, Watch};
use model::record::{CpuBusy, FailureKind, Finished, NO_TCP, Outcome, SinkFacts, Trial};
use model::{Bytes, Cell, Link, Measured, Nanos, ReceivePath, SendPath, TakenBytes};

fn close(measured: &Measured<f64>, truth: f64) {
    let Measured::Value(x) = measured else { panic!("absent: {measured:?}") };
    assert!((x - truth).abs() <= 1e-6 * truth.abs().max(1e-6), "{x} is not {truth}");
}

fn finished(trial: &mut Trial) -> &mut Finished {
    match &mut trial.outcome {
        Outcome::Finished(finished) => finished,
        Outcome::Failed(failure) => panic!("{}", failure.why),
        Outcome::Imported(_) => panic!("imported"),
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
fn what_is_of_tcp_is_absent_over_a_unix_socket_and_the_rest_is_there() {
    let cell = Cell { link: Link::Unix, ..Cell::default() };
    let trial = synthetic::trial(&cell, 1).goodput_gbps(20.0).build();
    let figure = |metric| value(metric, &trial, None);
    close(&figure(Metric::GoodputGbps), 20.0);
    for metric in [
        Metric::BytesPerPacket,
        Metric::SendBufferLimitedShare,
        Metric::Retransmits,
        Metric::RttUs,
        Metric::CwndPackets,
        Metric::MssBytes,
    ] {
        assert_eq!(figure(metric).reason(), Some(NO_TCP), "{metric:?}");
    }
    let of_sink = figure(Metric::HelperCpuNsPerKib);
    assert!(of_sink.reason().is_some_and(|why| why != NO_TCP), "{of_sink:?}");
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
    let other_load = |busy_ns| {
        let idle = Measured::Value(CpuBusy { busy_ns: vec![busy_ns; 8], ..idle.clone() });
        value(Metric::MachineCpuNsPerKib, &trial, Some(&idle))
    };
    close(&other_load(90_000_000), 8e6 / 97_656.25);
    // What others had before, they may have left to the ends: of a trial on a busy machine nothing is known, whatever it came to.
    let busy = other_load(300_000_000);
    assert!(busy.reason().unwrap().starts_with("other programs used 30 % of the CPUs"), "{busy:?}");

    let mut quiet = trial.clone();
    let Measured::Value(busy) = &mut finished(&mut quiet).machine.busy else {
        panic!("no busy time")
    };
    busy.busy_ns = vec![1_000_000; 8];
    idle.busy_ns = vec![50_000_000; 8];
    let below = value(Metric::MachineCpuNsPerKib, &quiet, Some(&Measured::Value(idle.clone())));
    close(&below, -32e6 / 97_656.25);

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
fn what_polls_counts_as_the_senders_and_without_its_time_the_sender_has_no_cost() {
    let of = |id: &str| {
        let cell: Cell = id.parse().unwrap();
        synthetic::trial(&cell, 1).counted().build()
    };
    let mut polled = of("send=uring-sendmsg sqpoll=on");
    close(&value(Metric::UringThreadsShare, &polled, None), 0.75);
    let cost = value(Metric::SenderCpuNsPerKib, &polled, None);
    let with = finished(&mut polled).sender.ring_threads.clone().unwrap();
    let (all, threads) =
        (finished(&mut polled).sender.workers[0].cpu_ns.0, with.value().unwrap().cpu_ns());
    assert!(threads > 0 && all > threads && cost.value().is_some());
    let why = value(Metric::SenderCyclesPerByte, &polled, None);
    assert!(why.reason().unwrap().contains("--sqpoll off"), "{why:?}");
    let plain = of("send=uring-sendmsg");
    assert_eq!(value(Metric::UringThreadsShare, &plain, None), Measured::Value(0.0));
    assert!(value(Metric::SenderCyclesPerByte, &plain, None).value().is_some());
    let none = value(Metric::UringThreadsShare, &of("send=sendmsg"), None);
    assert_eq!(none.reason(), Some("the path has no io_uring"));
    for untold in [None, Some(Measured::absent("no /proc"))] {
        finished(&mut polled).sender.ring_threads = untold;
        for metric in
            [Metric::SenderCpuNsPerKib, Metric::SenderCpuNsPerMessage, Metric::EndsCpuNsPerKib]
        {
            let why = value(metric, &polled, None);
            assert!(why.reason().unwrap().contains("could not be read"), "{why:?}");
        }
        assert!(value(Metric::UringThreadsShare, &polled, None).value().is_none());
        assert!(value(Metric::GoodputGbps, &polled, None).value().is_some());
    }
}

#[test]
fn what_a_receive_path_took_a_call_and_mapped_is_of_its_own_calls() {
    let of = |path: ReceivePath| {
        let cell = Cell { receive_path: path, ..Cell::default() };
        let trial = synthetic::trial(&cell, 1).build();
        (value(Metric::BytesPerReceiveCall, &trial, None), value(Metric::MappedShare, &trial, None))
    };
    for path in ReceivePath::ALL {
        let (bytes, mapped) = of(*path);
        assert!(*bytes.value().unwrap() > 100_000.0, "{path}: {bytes:?}");
        match path.capabilities().taken {
            TakenBytes::Mapped => assert!((mapped.value().unwrap() - 0.75).abs() < 1e-6),
            TakenBytes::Copied | TakenBytes::Dropped => {
                assert_eq!(mapped.reason(), Some("the receive path maps no page"));
            }
        }
    }
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

#[test]
fn the_interval_of_acknowledgements_is_the_one_that_was_kept() {
    let of = |window, total| {
        let mut trial = sink_trial("helper");
        let sink = sink(&mut trial);
        (sink.window.looks, sink.total.looks) = (window, total);
        value(Metric::AckIntervalUs, &trial, None)
    };
    // 100 ms at 20 us, and with every second look missed.
    assert_eq!(of(5_000, 6_000), Measured::Value(20.0));
    assert_eq!(of(2_500, 6_000), Measured::Value(40.0));
    assert!(of(0, 1).reason().unwrap().contains("did not look in the window"));
    assert!(of(0, 0).reason().unwrap().contains("did not count looks"));
    let loopback = synthetic::trial(&Cell::default(), 1).build();
    assert!(value(Metric::AckIntervalUs, &loopback, None).reason().is_some());
}

fn sink_cell(placement: &str) -> Cell {
    format!("send=zerocopy link=sink ack_placement={placement}").parse().unwrap()
}

fn sink(trial: &mut Trial) -> &mut SinkFacts {
    match &mut finished(trial).sink {
        Measured::Value(sink) => sink,
        Measured::Absent { absent } => panic!("{absent}"),
    }
}

/// One byte a ns for 100 ms; the sender 20 ms on its CPU, the helper 90 ms, of these 10 ms answering.
fn sink_trial(placement: &str) -> Trial {
    let mut trial = synthetic::trial(&sink_cell(placement), 1).build();
    let both = finished(&mut trial);
    for worker in both.sender.workers.iter_mut().chain(&mut both.receiver.workers) {
        worker.window_ns = Nanos::ms(100);
        worker.bytes = Bytes(100_000_000);
        worker.cpu_ns = Nanos::ms(20);
    }
    let Measured::Value(busy) = &mut both.machine.busy else { panic!("no busy time") };
    busy.span_ns = Nanos::ms(200);
    busy.busy_ns = vec![0; busy.cpus.len()];
    busy.busy_ns[0] = 90_000_000;
    busy.busy_ns[1] = 185_000_000;
    let Measured::Value(ticks) = &mut both.machine.ticks else { panic!("no ticks") };
    ticks.span_ns = Nanos::ms(200);
    ticks.softirq_ns = vec![16_000_000, 4_000_000];
    let sink = sink(&mut trial);
    sink.helper_cpu_ns = Nanos::ms(90);
    sink.answering_ns = Nanos::ms(12);
    sink.answering_cpu_ns = Measured::Value(Nanos::ms(10));
    trial
}

const SENT_KIB: f64 = 97_656.25;

#[test]
fn the_senders_side_pays_for_answers_on_the_helpers_cpu_by_its_cpu_clock() {
    let side = |trial: &Trial| value(Metric::SenderSideCpuNsPerKib, trial, None);
    close(&side(&sink_trial("sender")), 20e6 / SENT_KIB);
    let mut trial = sink_trial("helper");
    close(&side(&trial), 30e6 / SENT_KIB);
    // An older record has the wall clock alone.
    sink(&mut trial).answering_cpu_ns = Measured::absent("older");
    close(&side(&trial), 32e6 / SENT_KIB);
}

#[test]
fn softirqs_that_no_thread_pays_for_are_added_or_the_figure_is_absent() {
    for (placement, paid) in [("sender", 20e6), ("helper", 30e6)] {
        let mut trial = sink_trial(placement);
        sink(&mut trial).softirqs_apart = Measured::Value(true);
        // 20 ms in 200 ms.
        close(&value(Metric::SenderSideCpuNsPerKib, &trial, None), (paid + 10e6) / SENT_KIB);
        finished(&mut trial).machine.ticks = Measured::absent("no /proc");
        let figure = value(Metric::SenderSideCpuNsPerKib, &trial, None);
        let why = figure.reason().unwrap();
        assert!(why.contains("charges softirqs to no thread") && why.contains("no /proc"), "{why}");
    }
}

#[test]
fn a_kernel_of_unknown_accounting_has_no_sender_side_cost() {
    for placement in ["sender", "helper"] {
        let mut trial = sink_trial(placement);
        sink(&mut trial).softirqs_apart = Measured::absent("/boot/config-6.1 is missing");
        let figure = value(Metric::SenderSideCpuNsPerKib, &trial, None);
        let why = figure.reason().unwrap();
        assert!(why.contains("/boot/config-6.1 is missing; measure again where"), "{why}");
        // Busy time knows no thread.
        let busy = value(Metric::SenderSideMachineCpuNsPerKib, &trial, Some(&idle()));
        assert!(busy.value().is_some(), "{busy:?}");
    }
}

#[test]
fn the_machines_cost_on_the_sink_leaves_out_only_what_the_helper_looks() {
    let Measured::Value(mut none) = idle() else { panic!("no idle baseline") };
    none.busy_ns = vec![0; none.cpus.len()];
    let machine = |trial: &Trial| {
        value(Metric::SenderSideMachineCpuNsPerKib, trial, Some(&Measured::Value(none.clone())))
    };
    let mut trial = sink_trial("sender");
    // 275 ms busy in 200 ms, less 160 ms of looking; 200 MB taken.
    close(&machine(&trial), 115e6 / (2.0 * SENT_KIB));
    // Of a series it is told what it looked between the readings.
    sink(&mut trial).looking_ns = Some(Nanos::ms(25));
    close(&machine(&trial), 250e6 / (2.0 * SENT_KIB));
    // The helper is not among the CPUs that are watched: nothing of it is in their time.
    sink(&mut trial).helper_cpu = 99;
    close(&machine(&trial), 275e6 / (2.0 * SENT_KIB));
    let over_loopback = synthetic::trial(&Cell::default(), 1).build();
    let figure = value(Metric::SenderSideMachineCpuNsPerKib, &over_loopback, Some(&idle()));
    assert_eq!(figure.reason(), Some("told apart only on the sink"));
}

#[test]
fn a_helper_that_answered_longer_than_it_ran_is_marked_and_costs_nothing() {
    let thresholds = model::Plan::preset(model::Preset::Default).thresholds;
    let mut trial = sink_trial("helper");
    let marked = |trial: &Trial| {
        analysis::marks::judge(trial, &thresholds).contains(&model::Mark::HelperClock)
    };
    assert!(!marked(&trial));
    // Waiting for a crowded CPU is no contradiction.
    sink(&mut trial).answering_ns = Nanos::ms(95);
    assert!(!marked(&trial));
    sink(&mut trial).answering_cpu_ns = Measured::Value(Nanos::ms(91));
    assert!(marked(&trial));
    for metric in [Metric::SenderSideCpuNsPerKib, Metric::SenderSideMachineCpuNsPerKib] {
        let figure = value(metric, &trial, Some(&idle()));
        assert!(figure.reason().unwrap().contains("but had only 90ms"), "{figure:?}");
    }
}

#[test]
fn a_test_by_hand_has_the_figures_of_a_trial_as_far_as_its_sides_are_known() {
    let cell: Cell = "send=zerocopy message_bytes=16384 threads=2".parse().unwrap();
    let trial = synthetic::trial(&cell, 1).goodput_gbps(20.0).build();
    let Outcome::Finished(finished) = &trial.outcome else { panic!("it failed") };
    let sent = || Measured::Value(&finished.sender);
    let received = || Measured::Value(&finished.receiver);
    let both = HandFigures::of(&cell, sent(), received());
    let of_trial = |metric| value(metric, &trial, None);
    assert_eq!(both.goodput_gbps, of_trial(Metric::GoodputGbps));
    assert_eq!(both.messages_per_s, of_trial(Metric::MessagesPerS));
    assert_eq!(both.sender_cpu_ns_per_kib, of_trial(Metric::SenderCpuNsPerKib));
    assert_eq!(both.receiver_cpu_ns_per_kib, of_trial(Metric::ReceiverCpuNsPerKib));
    assert_eq!(both.copied_share, of_trial(Metric::CopiedShare));
    assert!(both.goodput_gbps.value().is_some() && both.copied_share.value().is_some());

    let alone = HandFigures::of(&cell, sent(), Measured::absent("it left"));
    assert_eq!(alone.goodput_gbps.reason(), Some("it left"));
    assert_eq!(alone.receiver_cpu_ns_per_kib.reason(), Some("it left"));
    assert_eq!(alone.sender_cpu_ns_per_kib, both.sender_cpu_ns_per_kib);
}
