//! The worker's loop allocates nothing, on any path, from the start to the end of the drain.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop where it stands"
)]

use std::sync::Arc;
use std::time::Duration;

use engine::content::{Pattern, Unread};
use engine::gate::{Gate, Phase, SliceKind};
use engine::pump::{self, ReceiveFlow, SendFlow};
use engine::receive_paths::{
    Readv, ReceiveOptions, ReceivePath, Recv, RecvTrunc, RecvZerocopy, Recvmsg, UringRecv,
};
use engine::release_times::{ReleaseTimer, ReleaseTimes};
use engine::send_paths::{
    Hybrid, Send, SendMore, SendOptions, SendPath, Sendfile, Sendmsg, Splice, Staged, UringSend,
    UringSendZc, UringSendZcFixed, UringSendmsg, UringSendmsgZc, UringWriteFixed, Zerocopy,
};
use engine::slots::Slots;
use engine::watch::Watch;
use kernel::allocator::CountingAllocator;
use kernel::arena::Pages;
use kernel::uring::{Polling, Ring, RingSetup};
use model::Cell;
use model::message::Message;
use model::record::{ReceiveTally, SendTally};

mod common;

use common::{connected, wait_until};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Runs both pumps over one connection through all phases of two slices; allocations of each, and messages sent.
fn allocations<P: SendPath, R: ReceivePath>(
    shape: &str,
    level: model::names::Watch,
    rewriting: bool,
    depth: u32,
    ring: RingSetup,
) -> (u64, u64, u64) {
    let (client, server) = connected();
    let gate = Arc::new(Gate::for_workers(2));
    let cell: Cell = shape.parse().unwrap();
    let message = Message::of(&cell.in_its_shape(), 4096).unwrap();
    let options = SendOptions {
        so_zerocopy: true,
        slots: 8,
        depth,
        copy_below: 1024,
        ring,
        registers_file: ring.polling.is_some(),
    };
    let sending = {
        let gate = Arc::clone(&gate);
        std::thread::spawn(move || {
            let arena = P::arena(message.stride() * 8, Pages::NORMAL).unwrap();
            let mut flows = [SendFlow {
                path: P::open(client, arena, &message, &options).unwrap(),
                slots: Slots::new(8).timed_by(ReleaseTimer::new(8, 3, 1).unwrap()),
                pattern: Pattern::new(&[1; 16], 0),
                written: 0,
                is_shared: false,
            }];
            let mut watch = Watch::for_windows(level, 1, 0, 2);
            let mut tally = SendTally::default();
            let before = CountingAllocator::of_this_thread();
            pump::send(&mut flows, &message, rewriting, &gate, &mut watch, &mut tally).unwrap();
            (CountingAllocator::of_this_thread() - before, tally.messages)
        })
    };
    let receiving = {
        let gate = Arc::clone(&gate);
        std::thread::spawn(move || {
            let options = ReceiveOptions { buffer_bytes: 131_072, may_wait: true };
            let mut buffer = R::buffer(&options).unwrap();
            let path = R::open(server, &mut buffer, &options).unwrap();
            let mut flows = [ReceiveFlow { path, content: Unread }];
            let mut watch = Watch::for_windows(level, 1, 1, 2);
            let mut tally = ReceiveTally::default();
            let before = CountingAllocator::of_this_thread();
            pump::receive(&mut flows, &mut buffer, &gate, &mut watch, &mut tally).unwrap();
            CountingAllocator::of_this_thread() - before
        })
    };
    let phases =
        [Phase::Warmup, Phase::First, Phase::Second, Phase::Third, Phase::Tail, Phase::Pause];
    for (slice, phase) in (1..=2).flat_map(|slice| phases.map(|phase| (slice, phase))) {
        gate.open_slice(slice, SliceKind::Counted, phase);
        // A phase is over when those who answer in it have: on a crowded machine that takes longer than any time. Receivers sleep
        // in their call through a pause.
        let answers = match phase {
            Phase::Warmup | Phase::Tail => 2,
            Phase::Pause => 1,
            Phase::Hold | Phase::First | Phase::Second | Phase::Third | Phase::Stop => 0,
        };
        wait_until("the workers' answer", || gate.obeyed() >= answers);
        std::thread::sleep(Duration::from_millis(10));
    }
    gate.open_slice(2, SliceKind::Counted, Phase::Stop);
    let (sent, messages) = sending.join().unwrap();
    (sent, receiving.join().unwrap(), messages)
}

fn assert_nothing_is_allocated<P: SendPath, R: ReceivePath>() {
    assert_nothing_is_allocated_of::<P, R>("message_bytes=4096");
}

fn assert_nothing_is_allocated_of<P: SendPath, R: ReceivePath>(shape: &str) {
    assert_nothing_is_allocated_with::<P, R>(shape, RingSetup::default());
}

fn assert_nothing_is_allocated_with<P: SendPath, R: ReceivePath>(shape: &str, ring: RingSetup) {
    use model::names::Watch;
    if let Err(why) = P::supported() {
        eprintln!("skipped: {why}");
        return;
    }
    if let Err(why) = R::supported() {
        eprintln!("skipped: {why}");
        return;
    }
    for (level, rewriting, depth) in
        [(Watch::None, false, 1), (Watch::Cheap, false, 3), (Watch::Cheap, true, 1)]
    {
        let (sender, receiver, messages) =
            allocations::<P, R>(shape, level, rewriting, depth, ring);
        assert!(messages > 0, "nothing was sent");
        assert_eq!((sender, receiver), (0, 0), "{level}, rewriting {rewriting}");
    }
}

#[test]
fn send_allocates_nothing() {
    assert_nothing_is_allocated::<Send, Recv>();
}

#[test]
fn send_more_allocates_nothing() {
    assert_nothing_is_allocated::<SendMore, Recv>();
}

#[test]
fn sendfile_allocates_nothing() {
    assert_nothing_is_allocated::<Sendfile, Recv>();
}

#[test]
fn splice_allocates_nothing() {
    assert_nothing_is_allocated::<Splice, Recv>();
}

#[test]
fn staged_allocates_nothing() {
    assert_nothing_is_allocated::<Staged, Recv>();
}

#[test]
fn sendmsg_allocates_nothing() {
    assert_nothing_is_allocated::<Sendmsg, Recv>();
}

#[test]
fn zerocopy_allocates_nothing() {
    assert_nothing_is_allocated::<Zerocopy, Recv>();
}

#[test]
fn messages_in_runs_allocate_nothing() {
    assert_nothing_is_allocated_of::<Hybrid, Recv>("shape=24+4096+7+2048");
    assert_nothing_is_allocated_of::<Hybrid, Recv>("shape=24+512");
}

#[test]
fn no_receive_path_allocates() {
    assert_nothing_is_allocated::<Sendmsg, Recvmsg>();
    assert_nothing_is_allocated::<Sendmsg, Readv>();
    assert_nothing_is_allocated::<Sendmsg, RecvTrunc>();
    assert_nothing_is_allocated::<Sendmsg, RecvZerocopy>();
    assert_nothing_is_allocated::<Sendmsg, UringRecv>();
}

#[test]
fn copies_through_a_uring_allocate_nothing() {
    assert_nothing_is_allocated::<UringSend, Recv>();
    assert_nothing_is_allocated::<UringSendmsg, Recv>();
    assert_nothing_is_allocated::<UringWriteFixed, Recv>();
}

#[test]
fn what_a_thread_sends_that_polls_a_uring_allocates_nothing() {
    let polling = Polling { cpu: None, idle_ms: 1, shared_with: None };
    let polled = RingSetup { polling: Some(polling), ..RingSetup::default() };
    if let Err(why) = Ring::made_so(1, 2, &polled) {
        eprintln!("skipped: {why}");
        return;
    }
    let shape = "message_bytes=4096";
    assert_nothing_is_allocated_with::<UringSend, Recv>(shape, polled);
    assert_nothing_is_allocated_with::<UringSendmsg, Recv>(shape, polled);
    assert_nothing_is_allocated_with::<UringWriteFixed, Recv>(shape, polled);
    assert_nothing_is_allocated_with::<UringSendZc, Recv>(shape, polled);
    assert_nothing_is_allocated_with::<UringSendZcFixed, Recv>(shape, polled);
}

#[test]
fn zero_copy_through_a_uring_allocates_nothing() {
    assert_nothing_is_allocated::<UringSendZc, Recv>();
    assert_nothing_is_allocated::<UringSendmsgZc, Recv>();
    assert_nothing_is_allocated::<UringSendZcFixed, Recv>();
}

#[test]
fn timing_the_release_of_slots_allocates_nothing() {
    thread_local! { static NOW_NS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) }; }
    let timer = ReleaseTimer::by_clock(8, 2, 1, || NOW_NS.get()).unwrap();
    let mut slots = Slots::new(8).timed_by(timer);
    slots.time(true);
    let before = CountingAllocator::of_this_thread();
    for message in 0..10_000_u64 {
        let slot = slots.turn();
        let held = slots.hand_over(|slot, slots| {
            slots.hold(slot);
            Ok::<_, ()>(())
        });
        held.unwrap();
        // Every octave, and beyond the last bucket.
        NOW_NS.set(NOW_NS.get() + (1 << (message % 44)));
        assert!(slots.release(slot));
    }
    assert_eq!(CountingAllocator::of_this_thread() - before, 0);
    assert!(slots.times().map_or(0, ReleaseTimes::len) > 4_000);
}

#[test]
fn the_counter_would_notice_an_allocation() {
    let before = CountingAllocator::of_this_thread();
    let boxed = std::hint::black_box(Box::new(7_u64));
    assert_eq!(*boxed, 7);
    assert!(CountingAllocator::of_this_thread() > before);
}
