//! Whole trials with real ends on loopback. This test program is its own end: the engine starts it again
//! with `end`, or with the name of a misbehaviour.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop where it stands, and say what it skips"
)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use engine::protocol::{PROTOCOL, Reply};
use model::Measured;
use model::record::{FailureKind, Outcome};

mod common;
#[path = "trials/ends.rs"]
mod ends;
#[path = "trials/paths.rs"]
mod paths;

use common::{Test, engine, in_windows, order, run_tests, trial, trial_in_window};

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("end") => return engine::end::main(),
        Some("end-that-dies") => {
            std::thread::spawn(|| {
                std::thread::sleep(Duration::from_millis(400));
                eprintln!("I have seen enough");
                std::process::exit(9);
            });
            return engine::end::main();
        }
        Some("end-that-prints") => {
            println!("Welcome to this machine!");
            return engine::end::main();
        }
        Some("end-of-another-boot") => {
            let mut order = String::new();
            std::io::stdin().read_line(&mut order).unwrap();
            let boot_id = Measured::Value(format!("boot {}", std::process::id()));
            let hello = Reply::Hello { protocol: PROTOCOL, build: String::new(), boot_id };
            println!("{}", serde_json::to_string(&hello).unwrap());
            std::io::stdin().read_line(&mut order).unwrap();
            return ExitCode::SUCCESS;
        }
        Some("end-that-hangs") => {
            std::thread::sleep(Duration::from_secs(60));
            return ExitCode::SUCCESS;
        }
        Some("engine") => {
            let mut engine = engine();
            let _ = engine.trial(&order("send=sendmsg message_bytes=512 threads=1", 20_000));
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let tests: [Test; 28] = [
        ("every_path_delivers_what_it_accepted_in_whole_messages", paths::every_path_delivers),
        (
            "every_receive_path_takes_what_was_accepted_by_its_own_calls",
            paths::every_receive_path_takes_all,
        ),
        ("what_every_send_path_sent_comes_through_a_uring_unchanged", paths::through_a_uring),
        ("pages_of_a_zero_copy_sender_are_mapped_and_are_what_was_sent", paths::pages_are_mapped),
        ("zero_copy_on_loopback_is_copied_and_every_send_is_completed", paths::zero_copy_is_copied),
        ("completions_left_unread_are_all_accounted_for_in_the_end", paths::completions_left),
        ("without_so_zerocopy_the_flag_is_an_ordinary_copy", paths::so_zerocopy_off),
        ("workers_that_share_a_connection_deliver_together", shared_sockets),
        ("chains_of_several_messages_deliver_in_order_by_fewer_calls", paths::depths),
        ("what_a_polling_thread_sends_is_whole_and_its_time_is_the_senders", paths::polled),
        ("a_ring_that_is_polled_does_not_defer_and_says_so", paths::polled_and_deferred),
        ("short_fields_are_copied_and_long_ones_passed_in_their_order", paths::hybrid),
        ("what_lies_in_a_file_on_a_disk_is_sent_unchanged", paths::from_a_disk),
        ("several_flows_a_thread_all_move", several_flows),
        ("ipv6_works_where_the_machine_has_it", ipv6),
        ("checked_content_of_odd_sizes_arrives_unchanged", paths::odd_sizes),
        ("the_instruments_tell_or_say_why_not", instruments),
        ("a_control_trial_runs_without_instruments_and_says_so", unwatched),
        ("settings_reach_the_sockets", settings),
        ("a_stranger_is_refused_and_counted", ends::strangers),
        ("without_a_common_clock_a_sender_goes_on_until_it_is_told_to_stop", ends::outlasted),
        ("an_end_that_dies_fails_its_trial_with_its_last_words", ends::an_end_dies),
        ("an_end_that_prints_something_else_is_quoted", ends::an_end_prints),
        ("ends_of_two_boots_have_no_common_clock_and_are_refused", ends::ends_of_two_boots),
        ("an_end_that_hangs_is_given_up", ends::an_end_hangs),
        ("ends_leave_when_their_engine_is_killed", ends::the_engine_is_killed),
        ("an_end_that_was_stopped_and_continued_tells_it_and_no_figure", ends::stopped_ends),
        ("a_cpu_that_may_not_be_used_is_unsupported_not_a_crash", impossible_placement),
    ];
    run_tests(&tests, None)
}

fn shared_sockets() {
    let mut engine = engine();
    for (path, flows) in [("send", 1), ("sendmsg", 1), ("sendmsg", 2)] {
        let cell = format!("send={path} message_bytes=4096 threads=3 flows={flows} sockets=shared");
        let finished = trial_in_window(&mut engine, &cell, 50);
        let (sent, received) = (finished.sender.total, finished.receiver.total);
        assert_eq!(sent.accepted_bytes, received.received_bytes, "{cell}");
        assert_eq!(sent.accepted_bytes, sent.messages * 4096, "{cell}");
        assert_eq!(finished.sender.workers.len(), 3, "{cell}");
        // The kernel's figures are of each connection once.
        match finished.sender.tcp.value().and_then(|tcp| tcp.sent_bytes) {
            // What was sent again is told with the rest (tcpi_bytes_sent).
            Some(_) if finished.sender.retransmits().is_some_and(|again| again > 0) => {}
            Some(bytes) => assert!(
                (1..=sent.accepted_bytes + 64).contains(&bytes),
                "{cell}: {bytes} of {}",
                sent.accepted_bytes
            ),
            None => eprintln!(
                "skipped: bytes sent of {cell}: {}",
                finished.sender.tcp.reason().unwrap_or("this kernel does not tell them")
            ),
        }
    }
    let cell = "send=sendmsg message_bytes=4096 threads=2 sockets=shared";
    let (_, outcome) = engine.checked_trial(&order(cell, 20)).unwrap();
    let Outcome::Failed(failure) = outcome else { panic!("its content was checked") };
    assert!(failure.why.contains("--sockets own"), "{}", failure.why);
    let by_reference = "send=zerocopy message_bytes=4096 threads=2 sockets=shared";
    let (_, outcome) = engine.trial(&order(by_reference, 20)).unwrap();
    let Outcome::Failed(failure) = outcome else { panic!("completions are of a connection") };
    assert!(failure.why.contains("--sockets own"), "{}", failure.why);
}

fn several_flows() {
    let mut engine = engine();
    for path in ["sendmsg", "zerocopy"] {
        let cell = format!("send={path} message_bytes=4096 threads=2 flows=3");
        let finished = in_windows(&cell, 50, |window_ms| {
            let finished = trial(&mut engine, &cell, window_ms);
            let (sent, received) = (finished.sender.total, finished.receiver.total);
            assert_eq!(sent.accepted_bytes, received.received_bytes);
            (sent.messages >= 6).then_some(finished)
        });
        assert!(finished.receiver.total.calls.epoll_wait > 0);
    }
}

fn ipv6() {
    let mut engine = engine();
    let cell = "send=sendmsg message_bytes=4096 threads=1 family=ipv6";
    match engine.trial(&order(cell, 50)).unwrap() {
        (_, Outcome::Finished(finished)) => {
            assert_eq!(
                finished.sender.total.accepted_bytes,
                finished.receiver.total.received_bytes
            );
        }
        (_, Outcome::Failed(failure)) => {
            assert_eq!(failure.kind, FailureKind::Unsupported, "{}", failure.why);
            eprintln!("skipped: {}", failure.why);
        }
        (_, Outcome::Imported(_)) => panic!("nothing was measured"),
    }
}

fn instruments() {
    let finished = trial_in_window(&mut engine(), "send=sendmsg message_bytes=4096 threads=1", 50);
    for counters in [&finished.sender.counters, &finished.receiver.counters] {
        for (name, counter) in counters.all() {
            match counter.reason() {
                None => {}
                Some(reason) => {
                    assert!(!reason.is_empty(), "{name}");
                    eprintln!("absent here: {reason}");
                }
            }
        }
    }
    assert!(finished.sender.usage.value().is_some());
    assert!(finished.sender.snmp.value().is_some());
    let tcp = finished.sender.tcp.value().unwrap();
    assert!(tcp.mss_bytes > 0.0 && tcp.cwnd_packets > 0.0);
    assert!(tcp.data_segments_out.is_none_or(|segments| segments > 0));
    let busy = finished.machine.busy.value().unwrap();
    assert_eq!(busy.cpus.len(), busy.busy_ns.len());
    assert!(finished.machine.ticks.value().is_some());
    let worker = &finished.sender.workers[0];
    assert!(worker.cpu_ns.0 > 0);
    assert_eq!(worker.third_bytes.iter().sum::<u64>(), worker.bytes.0);
    assert_eq!(worker.third_ns.iter().sum::<u64>(), worker.window_ns.0);
}

fn unwatched() {
    let cell = "send=sendmsg message_bytes=4096 threads=1 watch=none";
    let finished = trial_in_window(&mut engine(), cell, 50);
    assert!(finished.sender.usage.reason().unwrap().contains("watch=none"));
    assert!(finished.machine.busy.reason().unwrap().contains("watch=none"));
    assert!(finished.sender.workers[0].cpu_ns.0 > 0, "the clocks run all the same");
}

fn settings() {
    let cell = "send=sendmsg message_bytes=4096 threads=1 congestion=reno nodelay=on sndbuf=65536 rcvbuf=65536";
    let (settings, outcome) = engine().trial(&order(cell, 30)).unwrap();
    let Outcome::Finished(finished) = outcome else { panic!("{outcome:?}") };
    assert_eq!(finished.sender.socket.congestion, "reno");
    assert_eq!(finished.sender.socket.nodelay, Some(true));
    // The kernel doubles what it is given, for its own bookkeeping (socket(7)).
    assert_eq!(finished.sender.socket.send_buffer_bytes, 131_072);
    assert_eq!(finished.receiver.socket.receive_buffer_bytes, 131_072);
    assert_eq!(finished.sender.socket.pacing_bytes_per_s, None);
    // Shared by the connections.
    let cell = "send=sendmsg message_bytes=4096 threads=2 rate=1Gbit/s";
    let mut engine = engine();
    let begun = Instant::now();
    let paced = trial_in_window(&mut engine, cell, 500);
    let lasted_s = begun.elapsed().as_secs_f64();
    assert_eq!(paced.sender.socket.pacing_bytes_per_s, Some(62_500_000));
    // No more than the rate in all the time that there was, whatever a worker saw in its window: a crowded CPU makes it less.
    let bytes = paced.sender.total.accepted_bytes as f64;
    assert!(bytes < 125_000_000.0 * lasted_s + 16_000_000.0, "{bytes} in {lasted_s} s");
    assert_eq!(settings.ring_slots, 256);
    assert_eq!(settings.receive_buffer_bytes.0, 131_072);
    let socket =
        |engine: &mut engine::Engine, cell: &str| trial_in_window(engine, cell, 20).receiver.socket;
    let usual = "send=sendmsg message_bytes=4096 threads=1";
    assert_eq!(socket(&mut engine, usual).busy_poll_us, None);
    let plan = {
        let mut plan = model::Plan::preset(model::Preset::Quick);
        plan.measure.controls = false;
        plan.factors = model::FactorLists::default();
        plan.factors.set(model::Factor::BusyPoll, "50us").unwrap();
        plan
    };
    if let Some((_, why)) = engine.unsupported(&plan).first() {
        eprintln!("not tried: {why}");
        return;
    }
    let polled = socket(&mut engine, &format!("{usual} busy_poll=50us"));
    // The kernel takes it, and loopback has no NAPI to look at.
    assert_eq!((polled.busy_poll_us, polled.napi_id), (Some(50), None));
}

fn impossible_placement() {
    let cell = "send=sendmsg message_bytes=4096 threads=1 placement=60000/60001";
    let (_, outcome) = engine().trial(&order(cell, 20)).unwrap();
    let Outcome::Failed(failure) = outcome else { panic!("CPU 60000 exists here?") };
    assert_eq!(failure.kind, FailureKind::Unsupported);
    assert!(failure.why.contains("CPU 60000"), "{}", failure.why);
}
