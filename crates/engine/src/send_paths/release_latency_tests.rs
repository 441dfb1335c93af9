//! A scripted kernel that lets go of buffers after known delays, by a clock of its own, on both kinds of paths that are notified.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use kernel::Errno;
use kernel::arena::Arena;
use kernel::error_queue::{ErrorQueueSpace, Notification};
use kernel::gather::Gather;
use kernel::poll::Ready;
use kernel::uring::{Completion, Payload, Request};
use model::message::Message;
use model::record::{Releases, SendTally};

use super::uring::{Port, Uring};
use super::uring_sendmsg_zc::OfSendmsgZc;
use super::zerocopy::{Wire, Zerocopy};
use super::{SendOptions, Wait};
use crate::release_times::ReleaseTimer;
use crate::slots::{Slot, Slots};

thread_local! {
    static NOW_NS: Cell<u64> = const { Cell::new(0) };
}

fn now_ns() -> u64 {
    NOW_NS.get()
}

fn pass(ns: u64) {
    NOW_NS.set(now_ns() + ns);
}

/// What each sending call takes.
const CALL_NS: u64 = 1_000;

/// The kernel: lets go of each message so long after it was handed over, in order of the delays that are left.
#[derive(Default)]
struct Kernel {
    delays_ns: RefCell<VecDeque<u64>>,
    /// When what was sent is let go of, and what tells so.
    due: RefCell<Vec<(u64, u64)>>,
    sent: Cell<u32>,
    ended: RefCell<VecDeque<Completion>>,
}

impl Kernel {
    fn of(delays_us: impl IntoIterator<Item = u64>) -> Self {
        let delays_ns = RefCell::new(delays_us.into_iter().map(|us| us * 1_000).collect());
        Self { delays_ns, ..Self::default() }
    }

    /// Takes a message: its delay counts from the call's beginning.
    fn take(&self, token: u64) {
        let delay = self.delays_ns.borrow_mut().pop_front().unwrap_or(0);
        self.due.borrow_mut().push((now_ns() + delay, token));
        pass(CALL_NS);
    }

    /// One that it has let go of by now.
    fn released(&self) -> Option<u64> {
        let mut due = self.due.borrow_mut();
        let place = due.iter().position(|(at, _)| *at <= now_ns())?;
        Some(due.remove(place).1)
    }

    /// Until the next one.
    fn sleep(&self) {
        let due = self.due.borrow();
        let next = due.iter().map(|(at, _)| *at).min().expect("nothing is outstanding");
        NOW_NS.set(now_ns().max(next));
    }
}

impl Wire for Kernel {
    fn send(&self, gather: &Gather) -> Result<usize, Errno> {
        self.take(u64::from(self.sent.get()));
        self.sent.set(self.sent.get() + 1);
        Ok(gather.remaining())
    }

    fn notification(&self, _: &mut ErrorQueueSpace) -> Result<Option<Notification>, Errno> {
        let id = self.released().map(|id| u32::try_from(id).unwrap());
        Ok(id.map(|id| Notification { low: id, high: id, copied: false }))
    }

    fn wait(&self, _: i32) -> Result<Ready, Errno> {
        self.sleep();
        Ok(Ready::default())
    }
}

impl Port for Kernel {
    fn submit<'a>(
        &mut self,
        requests: impl Iterator<Item = Request<'a>>,
        _: u32,
    ) -> Result<u32, Errno> {
        let mut taken = 0;
        for Request { data, payload, .. } in requests {
            let Payload::Gather(gather) = payload else { panic!("one request a message") };
            let result = Ok(gather.remaining());
            self.take(data);
            self.ended.borrow_mut().push_back(Completion::Ended { data, result, notifies: true });
            taken += 1;
        }
        Ok(taken)
    }

    fn wait(&mut self, _: u32, _: Option<u32>) -> Result<(), Errno> {
        self.sleep();
        Ok(())
    }

    fn completion(&mut self) -> Option<Completion> {
        let ended = self.ended.borrow_mut().pop_front();
        ended.or_else(|| Some(Completion::Notified { data: self.released()?, copied: false }))
    }

    fn is_over(&self) -> Result<bool, Errno> {
        Ok(false)
    }
}

/// What a test does with either path.
trait Path {
    fn submit(&mut self, slot: Slot, slots: &mut Slots, tally: &mut SendTally)
    -> Result<(), Errno>;
    fn reap(&mut self, wait: Wait, slots: &mut Slots, tally: &mut SendTally) -> Result<(), Errno>;
    fn is_reap_due(&self, slots: &Slots) -> bool;
}

macro_rules! path {
    ($path:ty) => {
        impl Path for $path {
            fn submit(
                &mut self,
                slot: Slot,
                of: &mut Slots,
                by: &mut SendTally,
            ) -> Result<(), Errno> {
                self.submit(slot, of, by)
            }
            fn reap(
                &mut self,
                wait: Wait,
                of: &mut Slots,
                by: &mut SendTally,
            ) -> Result<(), Errno> {
                self.reap(wait, of, by)
            }
            fn is_reap_due(&self, slots: &Slots) -> bool {
                self.is_reap_due(slots)
            }
        }
    };
}
path!(Zerocopy<Kernel>);
path!(Uring<OfSendmsgZc, Kernel>);

fn message() -> Message {
    Message::of(&"message_bytes=800 layout=packed".parse().unwrap(), 4096).unwrap()
}

fn arena(slots: u32) -> Arena {
    Arena::new(message().stride() * slots as usize).unwrap()
}

fn zerocopy(kernel: Kernel, slots: u32) -> Zerocopy<Kernel> {
    let options =
        SendOptions { so_zerocopy: true, slots, depth: 1, copy_below: 0, ..SendOptions::default() };
    Zerocopy::with_wire(kernel, arena(slots), &message(), &options).unwrap()
}

fn uring(kernel: Kernel, slots: u32) -> Uring<OfSendmsgZc, Kernel> {
    Uring::with_port(kernel, arena(slots), &message(), 1).unwrap()
}

fn timed(slots: u32) -> Slots {
    NOW_NS.set(1_000_000);
    let timer = ReleaseTimer::by_clock(slots, 1, 7, now_ns).unwrap();
    Slots::new(slots).timed_by(timer)
}

/// Sends so many messages, each awaited before the next where `alone`, else as the pump does.
fn send(path: &mut impl Path, slots: &mut Slots, messages: usize, alone: bool) {
    let mut tally = SendTally::default();
    for _ in 0..messages {
        while !slots.is_turn_free() {
            path.reap(Wait::One, slots, &mut tally).unwrap();
        }
        slots.hand_over(|slot, slots| path.submit(slot, slots, &mut tally)).unwrap();
        if alone {
            path.reap(Wait::All, slots, &mut tally).unwrap();
        } else if path.is_reap_due(slots) {
            path.reap(Wait::Never, slots, &mut tally).unwrap();
        }
    }
    path.reap(Wait::All, slots, &mut tally).unwrap();
    assert_eq!(tally.messages, messages as u64);
}

fn record(slots: &Slots) -> Releases {
    slots.times().unwrap().record()
}

/// The bucket in which the message of this rank lies, from 1: in µs.
fn bucket_of(releases: &Releases, rank: u64) -> (f64, f64) {
    let mut below = 0;
    for (from, to, times) in releases.spans() {
        below += times;
        if below >= rank {
            return (from as f64 / 1e3, to as f64 / 1e3);
        }
    }
    panic!("there are {below} only");
}

fn assert_in(releases: &Releases, rank: u64, us: f64) {
    let (from, to) = bucket_of(releases, rank);
    assert!(from <= us && us <= to, "{us} µs is not in [{from}, {to}]");
    // Buckets are narrow enough to tell something.
    assert!(to - from <= us / 15.0, "{from} to {to}");
}

fn known_delays(path: &mut impl Path) {
    let mut slots = timed(8);
    slots.time(true);
    send(path, &mut slots, 1000, true);
    let releases = record(&slots);
    assert_eq!((releases.times(), releases.one_in), (1000, 1));
    assert_in(&releases, 500, 500.0);
    assert_in(&releases, 990, 990.0);
    assert_eq!(releases.longest_ns, 1_000_000);
}

/// 1 to 1000 µs, each once, in no order.
fn delays() -> impl Iterator<Item = u64> + Clone {
    (0..1000).map(|n| n * 619 % 1000 + 1)
}

#[test]
fn delays_that_are_known_give_their_quantiles() {
    known_delays(&mut zerocopy(Kernel::of(delays()), 8));
    known_delays(&mut uring(Kernel::of(delays()), 8));
}

fn a_late_one(path: &mut impl Path) {
    let mut slots = timed(8);
    slots.time(true);
    send(path, &mut slots, 200, true);
    let releases = record(&slots);
    assert_eq!(releases.longest_ns, 41_000_000);
    assert_in(&releases, 100, 50.0);
    assert_in(&releases, 199, 41_000.0);
}

#[test]
fn notifications_that_come_late_are_the_longest_and_the_tail() {
    let late = || (0..200).map(|n| if n % 80 == 60 { 41_000 } else { 50 });
    a_late_one(&mut zerocopy(Kernel::of(late()), 8));
    a_late_one(&mut uring(Kernel::of(late()), 8));
}

#[test]
fn what_the_path_reads_late_counts_until_it_is_read() {
    // Released at once, and read when half of eight is held: after three to no further calls.
    let mut path = zerocopy(Kernel::of([]), 8);
    let mut slots = timed(8);
    slots.time(true);
    send(&mut path, &mut slots, 400, false);
    let releases = record(&slots);
    let times: Vec<(u64, u64)> = releases.spans().map(|(from, _, times)| (from, times)).collect();
    let calls = [1_u64, 2, 3, 4].map(|calls| calls * CALL_NS);
    let expected = calls.map(|ns| (ns - ns % model::record::releases::width(ns, 16), 100));
    assert_eq!((times, releases.longest_ns), (expected.to_vec(), 4_000));
}

#[test]
fn only_what_is_handed_over_while_it_is_timed_counts_however_late_it_is_released() {
    let mut path = zerocopy(Kernel::of([5, 900, 5]), 8);
    let mut slots = timed(8);
    let mut tally = SendTally::default();
    for is_timing in [false, true, false] {
        slots.time(is_timing);
        slots.hand_over(|slot, slots| path.submit(slot, slots, &mut tally)).unwrap();
    }
    path.reap(Wait::All, &mut slots, &mut tally).unwrap();
    let releases = record(&slots);
    assert_eq!((releases.times(), releases.longest_ns), (1, 900_000));
    assert_eq!((tally.completed, tally.stray_ids, slots.held()), (3, 0, 0));
}

#[test]
fn a_message_that_is_taken_in_parts_is_released_with_its_last_one() {
    let mut slots = timed(2);
    slots.time(true);
    let taken = slots.hand_over(|slot, slots| {
        // The first part is let go of before the second one is sent.
        slots.hold(slot);
        pass(10_000);
        assert!(slots.release(slot));
        slots.hold(slot);
        pass(10_000);
        Ok::<_, Errno>(())
    });
    assert_eq!((taken, record(&slots).times()), (Ok(()), 0));
    pass(30_000);
    assert!(slots.release(Slot(0)));
    assert!(!slots.release(Slot(0)), "a release too many is noticed");
    let releases = record(&slots);
    assert_eq!((releases.times(), releases.longest_ns), (1, 50_000));
    assert_eq!(slots.held(), 0);
}

#[test]
fn one_in_many_is_timed_and_slots_are_held_as_ever() {
    let timer = ReleaseTimer::by_clock(8, 16, 3, now_ns).unwrap();
    let mut slots = Slots::new(8).timed_by(timer);
    slots.time(true);
    send(&mut zerocopy(Kernel::of(delays().cycle().take(8000)), 8), &mut slots, 8000, false);
    let times = record(&slots).times();
    assert!((400..600).contains(&times), "{times} of 8000");
    assert_eq!(slots.held(), 0);
}
