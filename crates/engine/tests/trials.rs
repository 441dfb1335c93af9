//! Whole trials with real ends on loopback. This test program is its own end: the engine starts it again
//! with `end`, or with the name of a misbehaviour.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop where it stands, and say what it skips"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use engine::protocol::{Meet, Order, PROTOCOL, Reply, Report, Role, Times};
use kernel::socket::Socket;
use model::record::{FailureKind, Outcome};
use model::{Cell, Measured, Nanos};

mod common;

use common::{
    OrderedEnd, PATIENCE, Test, checked_trial, engine, engine_with, from_now, has_moved,
    in_windows, order, prepare, run_tests, sleep_until_ms, this_program, trial, trial_in_window,
    wait_until,
};

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
        ("every_path_delivers_what_it_accepted_in_whole_messages", every_path_delivers),
        (
            "every_receive_path_takes_what_was_accepted_by_its_own_calls",
            every_receive_path_takes_all,
        ),
        ("what_every_send_path_sent_comes_through_a_uring_unchanged", through_a_uring),
        ("pages_of_a_zero_copy_sender_are_mapped_and_are_what_was_sent", pages_are_mapped),
        ("zero_copy_on_loopback_is_copied_and_every_send_is_completed", zero_copy_is_copied),
        ("completions_left_unread_are_all_accounted_for_in_the_end", completions_left),
        ("without_so_zerocopy_the_flag_is_an_ordinary_copy", so_zerocopy_off),
        ("workers_that_share_a_connection_deliver_together", shared_sockets),
        ("chains_of_several_messages_deliver_in_order_by_fewer_calls", depths),
        ("what_a_polling_thread_sends_is_whole_and_its_time_is_the_senders", polled),
        ("a_ring_that_is_polled_does_not_defer_and_says_so", polled_and_deferred),
        ("short_fields_are_copied_and_long_ones_passed_in_their_order", hybrid),
        ("what_lies_in_a_file_on_a_disk_is_sent_unchanged", from_a_disk),
        ("several_flows_a_thread_all_move", several_flows),
        ("ipv6_works_where_the_machine_has_it", ipv6),
        ("checked_content_of_odd_sizes_arrives_unchanged", odd_sizes),
        ("the_instruments_tell_or_say_why_not", instruments),
        ("a_control_trial_runs_without_instruments_and_says_so", unwatched),
        ("settings_reach_the_sockets", settings),
        ("a_stranger_is_refused_and_counted", strangers),
        ("without_a_common_clock_a_sender_goes_on_until_it_is_told_to_stop", outlasted),
        ("an_end_that_dies_fails_its_trial_with_its_last_words", an_end_dies),
        ("an_end_that_prints_something_else_is_quoted", an_end_prints),
        ("ends_of_two_boots_have_no_common_clock_and_are_refused", ends_of_two_boots),
        ("an_end_that_hangs_is_given_up", an_end_hangs),
        ("ends_leave_when_their_engine_is_killed", the_engine_is_killed),
        ("an_end_that_was_stopped_and_continued_tells_it_and_no_figure", stopped_ends),
        ("a_cpu_that_may_not_be_used_is_unsupported_not_a_crash", impossible_placement),
    ];
    run_tests(&tests, None)
}

fn every_path_delivers() {
    let mut engine = engine();
    for path in model::SendPath::ALL {
        for (size, threads) in [(64, 1), (4096, 2), (65_536, 1), (1000, 3)] {
            let cell = format!("send={path} message_bytes={size} threads={threads}");
            let finished = trial_in_window(&mut engine, &cell, 50);
            let (sent, received) = (finished.sender.total, finished.receiver.total);
            assert_eq!(sent.accepted_bytes, received.received_bytes, "{cell}");
            assert_eq!(sent.accepted_bytes, sent.messages * size, "{cell}");
            assert_eq!(finished.sender.workers.len(), threads, "{cell}");
            let fewest_calls = match path.capabilities().calls {
                model::CallsPerMessage::OneAField => 8,
                // Equal fields all go the same way.
                model::CallsPerMessage::One | model::CallsPerMessage::OneARun => 1,
            };
            let calls = sent.calls.sending(*path);
            assert!(calls >= sent.messages * fewest_calls, "{cell}: {calls}");
            let staged = if *path == model::SendPath::Staged { sent.accepted_bytes } else { 0 };
            assert_eq!(sent.staged_bytes, staged, "{cell}");
        }
    }
}

fn from_a_disk() {
    let mut engine = engine();
    let (pages, file) = (model::Pages::Normal, model::RingFile::File);
    if let Err(why) = engine::send_paths::memory_supported(model::SendPath::Sendfile, pages, file) {
        eprintln!("skipped: {why}");
        return;
    }
    for (size, layout) in [(64, "scattered"), (4097, "packed"), (65_536, "paged")] {
        let cell = format!(
            "send=sendfile message_bytes={size} threads=2 layout={layout} sendfile_from=file"
        );
        let finished = in_windows(&cell, 20, |ms| {
            let finished = checked_trial(&mut engine, &cell, ms);
            (finished.receiver.total.checked_bytes > 0).then_some(finished)
        });
        let (sent, received) = (finished.sender.total, finished.receiver.total);
        assert_eq!(received.wrong_bytes, 0, "{cell}: first at {:?}", received.first_wrong);
        assert_eq!(received.checked_bytes, sent.accepted_bytes, "{cell}");
        assert!(sent.calls.sendfile >= sent.messages * 8, "{cell}");
    }
    let (settings, _) =
        engine.trial(&order("send=sendfile message_bytes=4096 sendfile_from=file", 20)).unwrap();
    assert!(settings.ring_filesystem.is_some_and(|name| name != "tmpfs"));
    let (settings, _) = engine.trial(&order("send=sendfile message_bytes=4096", 20)).unwrap();
    assert_eq!(settings.ring_filesystem, None);
}

fn every_receive_path_takes_all() {
    let mut engine = engine();
    for path in model::ReceivePath::ALL {
        if let Err(why) = engine::receive_paths::supported(*path) {
            println!("skipped {path}: {why}");
            continue;
        }
        // Several flows are waited for together, so that no call may wait.
        for (size, threads, flows) in [(64, 1, 1), (65_536, 2, 1), (4097, 1, 3)] {
            let cell = format!(
                "send=sendmsg recv={path} message_bytes={size} threads={threads} flows={flows}"
            );
            let finished = trial_in_window(&mut engine, &cell, 50);
            let (sent, received) = (finished.sender.total, finished.receiver.total);
            assert_eq!(sent.accepted_bytes, received.received_bytes, "{cell}");
            assert!(received.calls.receiving() > 0, "{cell}");
            let calls = received.calls;
            let own = match path {
                model::ReceivePath::Recv | model::ReceivePath::RecvTrunc => calls.recv,
                model::ReceivePath::Recvmsg => calls.recvmsg,
                model::ReceivePath::Readv => calls.readv,
                model::ReceivePath::RecvZerocopy => calls.zerocopy_receive + calls.recv,
                model::ReceivePath::UringRecv => calls.io_uring_enter,
            };
            assert_eq!(own, calls.receiving(), "{cell}: {calls:?}");
            // A copying sender's bytes lie in compound pages.
            assert_eq!(received.mapped_bytes, 0, "{cell}");
            if *path == model::ReceivePath::UringRecv {
                // The end is a completion without a buffer; bundles are asked for always or never.
                let flows: u64 = threads * flows;
                assert!(received.ring_completions > flows && received.ring_buffers > 0, "{cell}");
                assert!(received.armed >= flows && received.no_buffers < received.armed, "{cell}");
                let all_or_none = [0, received.armed].contains(&received.armed_bundles);
                assert!(all_or_none, "{cell}: {received:?}");
                let can_hold = received.ring_buffers * 131_072_u64.div_ceil(8);
                assert!(received.received_bytes <= can_hold, "{cell}: {received:?}");
            } else {
                assert_eq!((received.ring_completions, received.armed), (0, 0), "{cell}");
            }
        }
    }
}

fn through_a_uring() {
    if let Err(why) = engine::receive_paths::supported(model::ReceivePath::UringRecv) {
        println!("skipped: {why}");
        return;
    }
    let mut engine = engine();
    for path in model::SendPath::ALL {
        if let Err(why) = engine::send_paths::supported(*path) {
            println!("skipped {path}: {why}");
            continue;
        }
        // A buffer that is no power of two, so that pieces end anywhere; and several flows a worker.
        for more in ["receive_buffer=30001", "flows=2"] {
            let cell =
                format!("send={path} recv=uring-recv message_bytes=65537 threads=1 ring=8 {more}");
            let finished = in_windows(&cell, 50, |ms| {
                let finished = checked_trial(&mut engine, &cell, ms);
                (finished.sender.total.accepted_bytes > 0).then_some(finished)
            });
            let (sent, received) = (finished.sender.total, finished.receiver.total);
            assert_eq!(received.wrong_bytes, 0, "{cell}: first at {:?}", received.first_wrong);
            assert_eq!(received.checked_bytes, sent.accepted_bytes, "{cell}");
        }
    }
}

/// What a zero-copy sender passed on pages of its own, in segments of whole pages, is mapped, and is what was sent.
fn pages_are_mapped() {
    if let Err(why) = engine::receive_paths::supported(model::ReceivePath::RecvZerocopy) {
        println!("skipped: {why}");
        return;
    }
    let mut engine = engine();
    let cell = "send=zerocopy recv=recv-zerocopy message_bytes=65536 layout=paged threads=1 segment=4108 rewriting=on";
    let finished =
        in_windows(cell, 50, |ms| Some(checked_trial(&mut engine, cell, ms)).filter(has_moved));
    let received = finished.receiver.total;
    assert_eq!(received.wrong_bytes, 0);
    assert_eq!(received.checked_bytes, received.received_bytes);
    assert!(received.mapped_bytes > 0, "{received:?}");
}

fn zero_copy_is_copied() {
    let mut engine = engine();
    for size in [64, 65_536] {
        let cell = format!("send=zerocopy message_bytes={size} threads=1");
        let finished = trial_in_window(&mut engine, &cell, 50);
        let sent = finished.sender.total;
        assert!(sent.zerocopy_sends >= sent.messages);
        assert_eq!(sent.completed, sent.zerocopy_sends);
        assert_eq!(sent.copied, sent.completed, "loopback copies every one");
        assert_eq!(sent.stray_ids, 0);
        assert!(sent.notifications <= sent.completed);
        assert!(finished.sender.socket.zerocopy);
        let releases = finished.sender.releases.unwrap();
        assert_eq!(releases.one_in, engine::release_times::timed_one_in(size));
        assert!(releases.times() <= sent.messages, "{releases:?}");
        // So many that one was timed.
        if finished.sender.window.messages > 2 * u64::from(releases.one_in) {
            assert!(releases.times() > 0 && releases.longest_ns > 0, "{releases:?}");
        }
    }
    let copying = trial(&mut engine, "send=sendmsg message_bytes=64 threads=1", 50);
    assert_eq!(copying.sender.releases, None);
}

fn completions_left() {
    let mut engine = engine();
    let cell = "send=zerocopy message_bytes=4096 threads=2 completions=left";
    let finished = trial_in_window(&mut engine, cell, 50);
    let sent = finished.sender.total;
    assert_eq!(sent.completed, sent.zerocopy_sends);
    assert_eq!((sent.stray_ids, sent.slot_waits), (0, 0));
    // Each refusal for want of option memory reads the error queue once, or twice where it must wait; nothing else does.
    let window = finished.sender.window;
    let reads = window.calls.recvmsg_errqueue;
    let most = 2 * window.no_buffers + window.interrupted;
    assert!((window.no_buffers..=most).contains(&reads), "{reads} reads: {window:?}");
    assert_eq!(finished.sender.releases, None, "nobody reads when buffers are free");
    let (_, outcome) = engine.checked_trial(&order(cell, 20)).unwrap();
    let Outcome::Failed(failure) = outcome else { panic!("its content was checked") };
    assert!(failure.why.contains("--completions read"), "{}", failure.why);
}

fn depths() {
    let mut engine = engine();
    let through_uring = |path: &&model::SendPath| path.capabilities().goes_through_uring;
    for path in model::SendPath::ALL.iter().filter(through_uring) {
        for depth in [3, 8] {
            let cell = format!("send={path} message_bytes=4097 threads=2 ring=8 depth={depth}");
            let (_, outcome) = engine.checked_trial(&order(&cell, 20)).unwrap();
            let finished = match outcome {
                Outcome::Finished(finished) => finished,
                Outcome::Failed(failure) if failure.kind == FailureKind::Unsupported => {
                    eprintln!("skipped: {}", failure.why);
                    return;
                }
                other @ (Outcome::Failed(_) | Outcome::Imported(_)) => panic!("{cell}: {other:?}"),
            };
            let (sent, received) = (finished.sender.total, finished.receiver.total);
            assert_eq!(received.wrong_bytes, 0, "{cell}: first at {:?}", received.first_wrong);
            assert_eq!(received.checked_bytes, sent.accepted_bytes, "{cell}");
            assert_eq!(sent.accepted_bytes, sent.messages * 4097, "{cell}");
            assert_eq!((sent.completed, sent.stray_ids), (sent.zerocopy_sends, 0), "{cell}");
            assert!(sent.ring_completions >= sent.messages, "{cell}");
        }
    }
}

/// Whether this machine lets a thread poll.
fn may_poll() -> bool {
    let cell: Cell = "send=uring-send sqpoll=on".parse().unwrap();
    let why = engine::send_paths::ring_supported(&cell).err();
    if let Some(why) = &why {
        eprintln!("skipped: {why}");
    }
    why.is_none()
}

fn polled() {
    if !may_poll() {
        return;
    }
    let mut engine = engine();
    let through_uring = |path: &&model::SendPath| {
        path.capabilities().goes_through_uring && engine::send_paths::supported(**path).is_ok()
    };
    for path in model::SendPath::ALL.iter().filter(through_uring) {
        for (more, pollers) in [
            ("", 0),
            ("defer_taskrun=off", 0),
            ("registered_files=on", 0),
            ("sqpoll=on", 1),
            ("sqpoll=on registered_files=on ring=8 depth=8", 1),
            ("sqpoll=on threads=2 flows=3 registered_files=on", 2),
            ("sqpoll=on placement=none", 1),
        ] {
            let cell = format!("send={path} message_bytes=4097 {more}");
            // A sender or a thread that got no CPU in so short a window had nothing to tell.
            let finished = in_windows(&cell, 20, |window_ms| {
                let finished = checked_trial(&mut engine, &cell, window_ms);
                let threads = finished.sender.ring_threads.as_ref()?.value()?;
                let ran = pollers == 0 || threads.polling_cpu_ns > 0;
                (finished.sender.window.messages > 0 && ran).then_some(finished)
            });
            let (sent, received) = (finished.sender.total, finished.receiver.total);
            assert_eq!(received.wrong_bytes, 0, "{cell}: first at {:?}", received.first_wrong);
            assert_eq!(received.checked_bytes, sent.accepted_bytes, "{cell}");
            assert_eq!(sent.accepted_bytes, sent.messages * 4097, "{cell}");
            assert_eq!((sent.completed, sent.stray_ids), (sent.zerocopy_sends, 0), "{cell}");
            let threads = finished.sender.ring_threads.clone().unwrap();
            let threads = *threads.value().unwrap();
            // On a crowded CPU not each of them has run in the window.
            let ran = pollers.min(1)..=pollers;
            assert!(ran.contains(&threads.pollers), "{cell}: {threads:?}");
            assert_eq!((threads.workers, threads.working_cpu_ns), (0, 0), "{cell}: {threads:?}");
            assert_eq!(threads.polling_cpu_ns > 0, pollers > 0, "{cell}: {threads:?}");
            assert_eq!(sent.ring_wakeups > 0, pollers > 0, "{cell}: it sleeps before the start");
            let workers: u64 = finished.sender.workers.iter().map(|one| one.cpu_ns.0).sum();
            assert!(workers > threads.cpu_ns(), "{cell}: their own time comes on top");
            assert_eq!(finished.receiver.ring_threads, None, "{cell}");
        }
    }
    let plain = trial(&mut engine, "send=sendmsg message_bytes=4096 sqpoll=on", 20);
    assert_eq!(plain.sender.ring_threads, None, "it has no ring");
}

fn polled_and_deferred() {
    let cell = "send=uring-send message_bytes=4096 sqpoll=on defer_taskrun=on";
    let (_, outcome) = engine().trial(&order(cell, 20)).unwrap();
    let Outcome::Failed(failure) = outcome else { panic!("the kernel refuses it") };
    assert!(failure.why.contains("--defer-taskrun auto"), "{}", failure.why);
}

/// Each shape and threshold with the runs that are copied and passed, and the share of bytes by reference.
fn hybrid() {
    if let Err(why) = engine::send_paths::supported(model::SendPath::Hybrid) {
        eprintln!("skipped: {why}");
        return;
    }
    let mut engine = engine();
    for (shape, below, copied, passed) in [
        ("24+65536", 16_384, 1, 1),
        ("65536+24", 16_384, 1, 1),
        ("24+40+32768+7+49152+9", 16_384, 3, 2),
        ("70000+20000+5", 65_536, 1, 1),
        ("24+65536", 0, 0, 1),
        ("24+65536", 1 << 20, 1, 0),
    ] {
        for threads in [1, 2] {
            let cell =
                format!("send=hybrid shape={shape} threads={threads} ring=8 copy_below={below}");
            let cell = cell.parse::<Cell>().unwrap().on_its_link();
            // On a busy machine the senders may not have run while the window was open.
            let finished = in_windows(&cell.id(), 20, |window_ms| {
                let (_, outcome) = engine.checked_trial(&order(&cell.id(), window_ms)).unwrap();
                let Outcome::Finished(finished) = outcome else { panic!("{cell}: {outcome:?}") };
                (finished.sender.total.messages > 0).then_some(finished)
            });
            let (sent, received) = (finished.sender.total, finished.receiver.total);
            assert_eq!(received.wrong_bytes, 0, "{cell}: first at {:?}", received.first_wrong);
            assert_eq!(received.checked_bytes, sent.accepted_bytes, "{cell}");
            assert_eq!(sent.accepted_bytes, sent.messages * cell.message.bytes().0, "{cell}");
            let repeated = sent.short_writes + sent.interrupted + sent.no_buffers;
            let calls = sent.messages * (copied + passed);
            assert_eq!(sent.calls.sendmsg, calls + repeated, "{cell}: {sent:?}");
            assert!(sent.zerocopy_sends >= sent.messages * passed, "{cell}: {sent:?}");
            assert_eq!((sent.completed, sent.stray_ids), (sent.zerocopy_sends, 0), "{cell}");
            // Loopback copies what was passed.
            assert_eq!(sent.copied, sent.completed, "{cell}");
            assert_eq!(finished.sender.socket.zerocopy, passed > 0, "{cell}");
            assert_eq!(sent.staged_bytes, 0, "{cell}");
        }
    }
}

fn so_zerocopy_off() {
    let cell = "send=zerocopy message_bytes=4096 threads=1 so_zerocopy=off";
    let finished = trial_in_window(&mut engine(), cell, 50);
    let sent = finished.sender.total;
    assert_eq!((sent.zerocopy_sends, sent.notifications, sent.completed), (0, 0, 0));
    assert!(!finished.sender.socket.zerocopy);
    assert_eq!(finished.sender.releases, None, "what is copied is free when the call returns");
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

fn odd_sizes() {
    let mut engine = engine();
    for path in model::SendPath::ALL {
        for (size, fields) in [(1, 1), (67, 8), (4097, 8), (131_073, 8), (4096, 3)] {
            for layout in model::Layout::ALL {
                let cell = format!(
                    "send={path} message_bytes={size} fields={fields} layout={layout} threads=2 ring=4"
                );
                // Where others crowd the CPUs the senders may sleep through so short a trial.
                in_windows(&cell, 10, |window_ms| {
                    let finished = checked_trial(&mut engine, &cell, window_ms);
                    let received = finished.receiver.total;
                    let first = received.first_wrong;
                    assert_eq!(received.wrong_bytes, 0, "{cell}: first at {first:?}");
                    let sent = finished.sender.total.accepted_bytes;
                    assert_eq!(received.checked_bytes, sent, "{cell}");
                    (sent > 0).then_some(())
                });
            }
        }
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

fn strangers() {
    let cell = Cell::default();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut receiver = OrderedEnd::start(|_| {});
    receiver.order(&prepare(&cell, Role::Receive, Meet::Listen(any.into())));
    let Reply::Listening(address) = receiver.reply() else { panic!("it does not listen") };
    // One that knows no token, one that says nothing, one that claims a flow that is not there.
    let knock = |words: &[u8]| {
        let socket = Socket::stream(address).unwrap();
        socket.connect(address, PATIENCE).unwrap();
        if !words.is_empty() {
            socket.write_all(words, Instant::now() + PATIENCE).unwrap();
        }
        socket
    };
    let wrong = knock(&[9; 20]);
    let silent = knock(&[]);
    let beyond = knock(&[[3; 16].as_slice(), &[0, 0, 0, 7]].concat());
    let mut sender = OrderedEnd::start(|_| {});
    sender.order(&prepare(&cell, Role::Send, Meet::Connect(address)));
    assert_eq!(sender.reply(), Reply::Ready);
    assert_eq!(receiver.reply(), Reply::Ready);
    let times = from_now(5, 30, 5, Nanos::s(120));
    receiver.order(&Order::Run(times));
    sender.order(&Order::Run(times));
    let Report::Received { side, .. } = receiver.finished() else { panic!("wrong report") };
    let Report::Sent { side: sent, .. } = sender.finished() else { panic!("wrong report") };
    assert_eq!(side.strangers, 3);
    assert_eq!(
        side.total.received_bytes, sent.total.accepted_bytes,
        "no stranger's byte is counted"
    );
    for stranger in [wrong, silent, beyond] {
        let mut byte = [0];
        let refused = stranger.read_exact(&mut byte, Instant::now() + PATIENCE);
        assert!(refused.is_err(), "the stranger was let in");
    }
}

fn outlasted() {
    let cell: Cell = "send=sendmsg message_bytes=4096 threads=2".parse().unwrap();
    let mut receiver = OrderedEnd::start(|_| {});
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into();
    receiver.order(&prepare(&cell, Role::Receive, Meet::Listen(anywhere)));
    let Reply::Listening(address) = receiver.reply() else { panic!("it does not listen") };
    let mut sender = OrderedEnd::start(|_| {});
    sender.order(&prepare(&cell, Role::Send, Meet::Connect(address)));
    assert_eq!((sender.reply(), receiver.reply()), (Reply::Ready, Reply::Ready));
    let times = |window_ms| Times {
        start_ns: None,
        warmup_ns: Nanos::ms(5),
        window_ns: Nanos::ms(window_ms),
        tail_ns: Nanos::ms(5),
        drain_ns: Nanos::s(60),
    };
    receiver.order(&Order::Run(times(1500)));
    assert_eq!(receiver.reply(), Reply::Ready);
    // Its own window is over long before the receiver's, and nobody has told it to stop.
    sender.order(&Order::Run(times(20)));
    assert_eq!(receiver.reply(), Reply::WindowOver);
    sender.order(&Order::Finish);
    receiver.order(&Order::Finish);
    let Report::Received { side, .. } = receiver.finished() else { panic!("wrong report") };
    let Report::Sent { side: sent, .. } = sender.finished() else { panic!("wrong report") };
    assert_eq!(side.total.received_bytes, sent.total.accepted_bytes);
    for worker in &side.workers {
        assert!(worker.bytes.0 > 0, "{worker:?}");
    }
}

/// A program whose `end` behaves in another way.
fn misbehaving(mode: &str, directory: &Path) -> PathBuf {
    let script = directory.join(mode);
    let text = format!("#!/bin/sh\nexec '{}' {mode}\n", this_program().display());
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    script
}

fn failure(mode: &str, window_ms: u64) -> model::record::Failure {
    let directory = tempfile::tempdir().unwrap();
    let mut engine = engine_with(&misbehaving(mode, directory.path()));
    let order = order("send=sendmsg message_bytes=4096 threads=1", window_ms);
    match engine.trial(&order).unwrap() {
        (_, Outcome::Failed(failure)) => failure,
        (_, Outcome::Finished(_) | Outcome::Imported(_)) => panic!("{mode}: the trial went well"),
    }
}

fn an_end_dies() {
    let failure = failure("end-that-dies", 5_000);
    assert!(matches!(failure.kind, FailureKind::EndLost | FailureKind::CallFailed), "{failure:?}");
    if failure.kind == FailureKind::EndLost {
        assert!(failure.why.contains("I have seen enough"), "{}", failure.why);
    }
}

fn ends_of_two_boots() {
    let failure = failure("end-of-another-boot", 50);
    assert_eq!(failure.kind, FailureKind::EndLost);
    assert!(failure.why.contains("have no common clock"), "{}", failure.why);
}

fn an_end_prints() {
    let failure = failure("end-that-prints", 50);
    assert_eq!(failure.kind, FailureKind::EndLost);
    assert!(failure.why.contains("Welcome to this machine!"), "{}", failure.why);
}

fn an_end_hangs() {
    let failure = failure("end-that-hangs", 50);
    assert_eq!(failure.kind, FailureKind::EndLost);
    assert!(failure.why.contains("did not answer in time while greeting"), "{}", failure.why);
}

fn children_of(parent: u32) -> Vec<u32> {
    let mut children = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(status) = std::fs::read_to_string(entry.path().join("status")) else { continue };
        if status
            .lines()
            .any(|line| line.strip_prefix("PPid:").is_some_and(|p| p.trim() == parent.to_string()))
        {
            children.push(pid);
        }
    }
    children
}

fn is_alive(pid: u32) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Err(_) => false,
        // A zombie is dead; somebody else has to bury it.
        Ok(stat) => !stat.rsplit(')').next().unwrap_or("").trim_start().starts_with('Z'),
    }
}

fn the_engine_is_killed() {
    let mut engine = Command::new(this_program()).arg("engine").spawn().unwrap();
    let mut ends = Vec::new();
    wait_until("the start of both ends", || {
        ends = children_of(engine.id());
        ends.len() == 2
    });
    engine.kill().unwrap();
    engine.wait().unwrap();
    wait_until("the leaving of both ends", || ends.iter().all(|end| !is_alive(*end)));
}

fn signal(name: &str, process: u32) {
    let sent = Command::new("kill").args(["-s", name, &process.to_string()]).status().unwrap();
    assert!(sent.success());
}

/// CPU time that an end has taken so far.
fn cpu_ns(end: &OrderedEnd) -> u64 {
    kernel::clock::cpu_ns_of(end.id()).unwrap()
}

fn stopped_ends() {
    for stops_the_sender in [true, false] {
        in_windows("a stop within the window", 500, |window_ms| {
            stop_in(window_ms, stops_the_sender)
        });
    }
}

/// Stops an end while it measures and continues it; none where that came too late, because the CPUs were others'.
fn stop_in(window_ms: u64, stops_the_sender: bool) -> Option<()> {
    let cell: Cell = "send=sendmsg message_bytes=4096 threads=1".parse().unwrap();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut receiver = OrderedEnd::start(|_| {});
    receiver.order(&prepare(&cell, Role::Receive, Meet::Listen(any.into())));
    let Reply::Listening(address) = receiver.reply() else { panic!("it does not listen") };
    let mut sender = OrderedEnd::start(|_| {});
    sender.order(&prepare(&cell, Role::Send, Meet::Connect(address)));
    assert_eq!((sender.reply(), receiver.reply()), (Reply::Ready, Reply::Ready));
    let before = [cpu_ns(&sender), cpu_ns(&receiver)];
    let times = from_now(50, window_ms, 50, Nanos::s(120));
    receiver.order(&Order::Run(times));
    sender.order(&Order::Run(times));
    sleep_until_ms(&times, 200);
    // Under load, which takes far more CPU time than reading an order does; or too late.
    let is_loaded = |end: &OrderedEnd, before| cpu_ns(end) > before + 20_000_000;
    let window_end_ns = times.start_ns.unwrap() + Nanos::ms(50 + window_ms).0;
    let is_late = || kernel::clock::monotonic_ns() > window_end_ns;
    wait_until("the load", || {
        is_late() || (is_loaded(&sender, before[0]) && is_loaded(&receiver, before[1]))
    });
    let (stopped, other) =
        if stops_the_sender { (&mut sender, &mut receiver) } else { (&mut receiver, &mut sender) };
    signal("STOP", stopped.id());
    let was_late = is_late();
    std::thread::sleep(Duration::from_millis(60));
    signal("CONT", stopped.id());
    let reply = stopped.reply();
    if was_late && matches!(reply, Reply::Finished(_)) {
        return None;
    }
    let Reply::Failed { kind, why } = reply else { panic!("{reply:?}") };
    assert_eq!(kind, FailureKind::EndLost);
    assert!(why.contains("stopped and continued while it measured"), "{why}");
    assert!(matches!(other.reply(), Reply::Finished(_)), "the other end knows nothing of it");
    // What it measures next counts again.
    stopped.order(&prepare(&cell, Role::Receive, Meet::Listen(any.into())));
    assert!(matches!(stopped.reply(), Reply::Listening(_)));
    Some(())
}

fn impossible_placement() {
    let cell = "send=sendmsg message_bytes=4096 threads=1 placement=60000/60001";
    let (_, outcome) = engine().trial(&order(cell, 20)).unwrap();
    let Outcome::Failed(failure) = outcome else { panic!("CPU 60000 exists here?") };
    assert_eq!(failure.kind, FailureKind::Unsupported);
    assert!(failure.why.contains("CPU 60000"), "{}", failure.why);
}
