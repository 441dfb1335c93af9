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
use engine::receive_paths::{ReceiveOptions, ReceivePath, Recv};
use engine::send_paths::{
    Send, SendMore, SendOptions, SendPath, Sendfile, Sendmsg, Splice, Staged, UringSend,
    UringSendZc, UringSendZcFixed, UringSendmsg, UringSendmsgZc, UringWriteFixed, Zerocopy,
};
use engine::slots::Slots;
use engine::watch::Watch;
use kernel::allocator::CountingAllocator;
use model::message::Message;
use model::record::{ReceiveTally, SendTally};

mod common;

use common::connected;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Runs both pumps over one connection through all phases of two slices; allocations of each, and messages sent.
fn allocations<P: SendPath>(
    level: model::names::Watch,
    rewriting: bool,
    depth: u32,
) -> (u64, u64, u64) {
    let (client, server) = connected();
    let gate = Arc::new(Gate::for_workers(2));
    let message = Message::of(&"message_bytes=4096".parse().unwrap(), 4096).unwrap();
    let options = SendOptions { so_zerocopy: true, slots: 8, depth };
    let sending = {
        let gate = Arc::clone(&gate);
        std::thread::spawn(move || {
            let arena = P::arena(message.stride() * 8).unwrap();
            let mut flows = [SendFlow {
                path: P::open(client, arena, &message, &options).unwrap(),
                slots: Slots::new(8),
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
            let mut buffer = Recv::buffer(&options).unwrap();
            let path = Recv::open(server, &mut buffer, &options).unwrap();
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
        std::thread::sleep(Duration::from_millis(10));
        gate.open_slice(slice, SliceKind::Counted, phase);
    }
    gate.open_slice(2, SliceKind::Counted, Phase::Stop);
    let (sent, messages) = sending.join().unwrap();
    (sent, receiving.join().unwrap(), messages)
}

fn assert_nothing_is_allocated<P: SendPath>() {
    use model::names::Watch;
    if let Err(why) = P::supported() {
        eprintln!("skipped: {why}");
        return;
    }
    for (level, rewriting, depth) in
        [(Watch::None, false, 1), (Watch::Cheap, false, 3), (Watch::Cheap, true, 1)]
    {
        let (sender, receiver, messages) = allocations::<P>(level, rewriting, depth);
        assert!(messages > 0, "nothing was sent");
        assert_eq!((sender, receiver), (0, 0), "{level}, rewriting {rewriting}");
    }
}

#[test]
fn send_allocates_nothing() {
    assert_nothing_is_allocated::<Send>();
}

#[test]
fn send_more_allocates_nothing() {
    assert_nothing_is_allocated::<SendMore>();
}

#[test]
fn sendfile_allocates_nothing() {
    assert_nothing_is_allocated::<Sendfile>();
}

#[test]
fn splice_allocates_nothing() {
    assert_nothing_is_allocated::<Splice>();
}

#[test]
fn staged_allocates_nothing() {
    assert_nothing_is_allocated::<Staged>();
}

#[test]
fn sendmsg_allocates_nothing() {
    assert_nothing_is_allocated::<Sendmsg>();
}

#[test]
fn zerocopy_allocates_nothing() {
    assert_nothing_is_allocated::<Zerocopy>();
}

#[test]
fn copies_through_a_uring_allocate_nothing() {
    assert_nothing_is_allocated::<UringSend>();
    assert_nothing_is_allocated::<UringSendmsg>();
    assert_nothing_is_allocated::<UringWriteFixed>();
}

#[test]
fn zero_copy_through_a_uring_allocates_nothing() {
    assert_nothing_is_allocated::<UringSendZc>();
    assert_nothing_is_allocated::<UringSendmsgZc>();
    assert_nothing_is_allocated::<UringSendZcFixed>();
}

#[test]
fn the_counter_would_notice_an_allocation() {
    let before = CountingAllocator::of_this_thread();
    let boxed = std::hint::black_box(Box::new(7_u64));
    assert_eq!(*boxed, 7);
    assert!(CountingAllocator::of_this_thread() > before);
}
