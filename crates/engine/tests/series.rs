//! Series over real sockets: several cells side by side that take turns.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop where it stands, and say what it skips"
)]

use std::process::ExitCode;

use model::Nanos;
use model::record::{FailureKind, Outcome};

mod common;

use common::{Test, assert_sums, engine, in_windows, measure_series, run_tests, series};

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|word| word == "end") {
        return engine::end::main();
    }
    let tests: [Test; 9] = [
        ("every_slice_of_every_cell_is_recorded_and_what_was_accepted_arrives", slices),
        ("several_threads_and_flows_take_turns_too", threads_and_flows),
        ("workers_that_share_a_connection_take_turns_too", shared_sockets),
        ("receivers_that_wait_for_many_bytes_take_turns_and_take_all", low_water),
        ("a_thread_that_polls_sleeps_while_others_have_their_turn", polled),
        ("the_steady_control_stands_apart_from_the_sums", control),
        ("a_cell_that_fails_ends_the_series_and_the_next_one_goes_well", failing_cell),
        ("a_cell_that_is_refused_is_told_before_anything_runs", refused_cell),
        ("cells_over_veth_take_turns", veth),
    ];
    run_tests(&tests, None)
}

const PATHS: [&str; 4] = [
    "send=send message_bytes=4096 threads=1",
    "send=sendmsg message_bytes=4096 threads=1",
    "send=staged message_bytes=4096 threads=1",
    "send=zerocopy message_bytes=4096 threads=1",
];

fn slices() {
    // Of a sender that was waited for in all of its windows nothing completed in them.
    let (window_ms, measured) = in_windows("sends that complete in the windows", 4, |window_ms| {
        let mut order = series(&PATHS, 6, None);
        order.slice.window = Nanos::ms(window_ms);
        let measured = measure_series(&order);
        let [.., (_, zerocopy)] = measured.as_slice() else { panic!("{measured:?}") };
        (zerocopy.sender.window.completed > 0).then_some((window_ms, measured))
    });
    for (place, (settings, finished)) in measured.into_iter().enumerate() {
        let (sent, received) = (&finished.sender, &finished.receiver);
        assert_eq!(received.total.received_bytes, sent.total.accepted_bytes);
        assert_eq!(sent.total.completed, sent.total.zerocopy_sends, "{}", PATHS[place]);
        assert!(sent.total.accepted_bytes > sent.window.accepted_bytes, "warm-up is not counted");
        assert_eq!(sent.window.accepted_bytes, sent.workers[0].bytes.0);
        assert_sums(&sent.workers[0], 6);
        assert_sums(&received.workers[0], 6);
        let completions = &sent.workers[0].slices.completions;
        assert_eq!(completions.iter().sum::<u64>(), sent.window.completed);
        assert_eq!(completions.is_empty(), !PATHS[place].contains("zerocopy"));
        assert!(sent.workers[0].steady.is_none() && finished.machine.busy.value().is_none());
        let series = settings.series.unwrap();
        let there = u32::try_from(place).unwrap();
        assert_eq!(series.places, [there, 3 - there, there, 3 - there, there, 3 - there]);
        assert_eq!(settings.window_ns, Nanos::ms(6 * window_ms));
    }
}

fn threads_and_flows() {
    let cells = [
        "send=sendmsg message_bytes=65536 threads=2 flows=3",
        "send=zerocopy message_bytes=65536 threads=2 flows=3",
    ];
    for (_, finished) in measure_series(&series(&cells, 3, None)) {
        let (sent, received) = (&finished.sender, &finished.receiver);
        assert_eq!((sent.workers.len(), received.workers.len()), (2, 2));
        assert_eq!(received.total.received_bytes, sent.total.accepted_bytes);
        assert_eq!(sent.total.completed, sent.total.zerocopy_sends);
        sent.workers.iter().chain(&received.workers).for_each(|worker| assert_sums(worker, 3));
    }
}

fn shared_sockets() {
    let cells = [
        "send=sendmsg message_bytes=4096 threads=2 sockets=shared",
        "send=sendmsg message_bytes=4096 threads=2",
    ];
    for (_, finished) in measure_series(&series(&cells, 6, None)) {
        let (sent, received) = (finished.sender.total, finished.receiver.total);
        assert_eq!(sent.accepted_bytes, received.received_bytes);
        for worker in finished.sender.workers.iter().chain(&finished.receiver.workers) {
            assert_sums(worker, 6);
        }
    }
}

/// Messages of an odd size, so that what is left at a pause is less than the receivers wait for.
fn low_water() {
    let of = |recv: &str, flows: u32| {
        format!(
            "send=sendmsg recv={recv} message_bytes=4099 threads=1 flows={flows} rcvlowat=65536"
        )
    };
    let cells: Vec<String> = ["recv", "readv", "recv-trunc", "recv-zerocopy", "uring-recv"]
        .iter()
        .flat_map(|recv| [of(recv, 1), of(recv, 3)])
        .collect();
    let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
    let order = series(&cells, 4, Some(20));
    for (cell, (_, finished)) in cells.iter().zip(measure_series(&order)) {
        let (sent, received) = (&finished.sender, &finished.receiver);
        assert_eq!(received.total.received_bytes, sent.total.accepted_bytes, "{cell}");
        if cell.contains("recv=recv ") || cell.contains("recv=readv") {
            // A call takes less where a slice or the connection ends: of each flow once a slice, some for the greeting and the end.
            let whole = received.total.received_bytes / 65_536;
            let calls = received.total.calls.receiving();
            assert!(calls <= whole + 3 * 16, "{cell}: {calls} calls for {whole} times 64 KiB");
        }
    }
}

fn control() {
    for (_, finished) in measure_series(&series(&PATHS[..2], 3, Some(20))) {
        let worker = &finished.sender.workers[0];
        assert_sums(worker, 3);
        let steady = worker.steady.unwrap();
        let moved = finished.machine.moved_bytes.unwrap().0;
        assert!(moved >= steady.bytes && moved <= finished.sender.total.accepted_bytes);
        assert!(
            finished.sender.window.accepted_bytes + moved <= finished.sender.total.accepted_bytes
        );
        assert!(finished.machine.idle.is_some());
        // A kernel may not tell them, but both edges were read.
        let missed = finished.sender.counters.migrations.reason().unwrap_or_default();
        assert!(!missed.contains("both ends"), "{missed}");
        let receiver = finished.receiver.workers[0].steady.unwrap();
        let ends = finished.machine.ends_cpu_ns.unwrap().0;
        assert!(ends >= steady.cpu_ns + receiver.cpu_ns, "{ends}");
    }
}

/// Four cells of one end, of which two have a thread that polls: in the others' windows it must not run.
fn polled() {
    let cells = [
        "send=uring-send message_bytes=4096 sqpoll=on",
        "send=uring-sendmsg message_bytes=4096",
        "send=uring-send message_bytes=4096 sqpoll=on registered_files=on flows=2",
        "send=uring-send message_bytes=4096 threads=2",
    ];
    let cell: model::Cell = cells[0].parse().unwrap();
    if let Err(why) = engine::send_paths::ring_supported(&cell) {
        eprintln!("skipped: {why}");
        return;
    }
    let mut polling_ns = Vec::new();
    for (cell, (_, finished)) in cells.iter().zip(measure_series(&series(&cells, 8, Some(20)))) {
        let (sent, received) = (&finished.sender, &finished.receiver);
        assert_eq!(received.total.received_bytes, sent.total.accepted_bytes, "{cell}");
        sent.workers.iter().for_each(|worker| assert_sums(worker, 8));
        let threads = sent.ring_threads.clone().unwrap();
        let threads = *threads.value().unwrap();
        assert_eq!((threads.workers, threads.working_cpu_ns), (0, 0), "{cell}: {threads:?}");
        let workers: u64 = sent.workers.iter().map(|worker| worker.cpu_ns.0).sum();
        assert!(workers > threads.polling_cpu_ns, "{cell}: {threads:?}");
        assert_eq!(
            threads.polling_after_cpu_ns.unwrap() > 0,
            cell.contains("sqpoll"),
            "{cell}: {threads:?}"
        );
        // What polls in the steady window too is in the process's time.
        let steady: u64 = sent.workers.iter().filter_map(|it| Some(it.steady?.cpu_ns)).sum();
        let taking: u64 = received.workers.iter().filter_map(|it| Some(it.steady?.cpu_ns)).sum();
        let ends = finished.machine.ends_cpu_ns.unwrap().0;
        assert!(ends >= steady + taking, "{cell}: {ends} ns of {steady} + {taking}");
        polling_ns.push(threads.polling_cpu_ns);
    }
    // It may still be on its way to sleep when it says that it sleeps.
    assert!(polling_ns[1] * 20 < polling_ns[0], "{polling_ns:?}");
    assert!(polling_ns[3] * 20 < polling_ns[2], "{polling_ns:?}");
}

/// A congestion control that no kernel has is refused when the cell's connections are made.
fn failing_cell() {
    let mut engine = engine();
    let failing = "send=send message_bytes=4096 threads=1 congestion=nosuch";
    let outcomes = engine.series(&series(&[PATHS[0], failing, PATHS[1]], 3, None)).unwrap();
    let [None, Some((_, Outcome::Failed(failure))), None] = &outcomes[..] else {
        panic!("{outcomes:?}")
    };
    assert!(failure.why.contains("nosuch"), "{failure:?}");
    let after = engine.series(&series(&PATHS[..2], 3, None)).unwrap();
    assert!(after.iter().all(|it| matches!(it, Some((_, Outcome::Finished(_))))), "{after:?}");
}

fn refused_cell() {
    let refused = "send=send message_bytes=4096 threads=1 placement=4000/4001";
    let outcomes = engine().series(&series(&[PATHS[0], refused], 3, None)).unwrap();
    let [None, Some((_, Outcome::Failed(failure)))] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!(failure.kind, FailureKind::Unsupported);
}

fn veth() {
    let cells = PATHS.map(|cell| format!("{cell} link=veth"));
    let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
    let outcomes = engine().series(&series(&cells, 3, None)).unwrap();
    for (cell, outcome) in cells.iter().zip(outcomes) {
        match outcome {
            Some((_, Outcome::Finished(finished))) => {
                let (sent, received) = (finished.sender.total, finished.receiver.total);
                assert_eq!(received.received_bytes, sent.accepted_bytes, "{cell}");
            }
            Some((_, Outcome::Failed(failure))) if failure.kind == FailureKind::Unsupported => {
                eprintln!("skipped: {}", failure.why);
                return;
            }
            other => panic!("{cell}: {other:?}"),
        }
    }
}
