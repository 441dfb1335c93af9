//! What every path delivers.

use model::Cell;
use model::record::{FailureKind, Outcome};

use crate::common::{checked_trial, engine, has_moved, in_windows, order, trial, trial_in_window};

pub(crate) fn every_path_delivers() {
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

pub(crate) fn from_a_disk() {
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

pub(crate) fn every_receive_path_takes_all() {
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

pub(crate) fn through_a_uring() {
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
pub(crate) fn pages_are_mapped() {
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

pub(crate) fn zero_copy_is_copied() {
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

pub(crate) fn completions_left() {
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

pub(crate) fn depths() {
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

pub(crate) fn polled() {
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
            // A sender or a thread that got no CPU in so short a window had nothing to tell; one that got none before either is not
            // asleep yet when it is to begin, and not woken.
            let finished = in_windows(&cell, 20, |window_ms| {
                let finished = checked_trial(&mut engine, &cell, window_ms);
                let threads = finished.sender.ring_threads.as_ref()?.value()?;
                let is_woken = finished.sender.total.ring_wakeups > 0;
                let ran = pollers == 0 || threads.polling_cpu_ns > 0 && is_woken;
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

pub(crate) fn polled_and_deferred() {
    let cell = "send=uring-send message_bytes=4096 sqpoll=on defer_taskrun=on";
    let (_, outcome) = engine().trial(&order(cell, 20)).unwrap();
    let Outcome::Failed(failure) = outcome else { panic!("the kernel refuses it") };
    assert!(failure.why.contains("--defer-taskrun auto"), "{}", failure.why);
}

/// Each shape and threshold with the runs that are copied and passed, and the share of bytes by reference.
pub(crate) fn hybrid() {
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

pub(crate) fn so_zerocopy_off() {
    let cell = "send=zerocopy message_bytes=4096 threads=1 so_zerocopy=off";
    let finished = trial_in_window(&mut engine(), cell, 50);
    let sent = finished.sender.total;
    assert_eq!((sent.zerocopy_sends, sent.notifications, sent.completed), (0, 0, 0));
    assert!(!finished.sender.socket.zerocopy);
    assert_eq!(finished.sender.releases, None, "what is copied is free when the call returns");
}

pub(crate) fn odd_sizes() {
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
