use std::cell::RefCell;
use std::collections::VecDeque;

use super::*;

/// A call, and whether more of the message follows it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Call {
    Copied(usize, bool),
    Passed(usize, bool),
}
use Call::{Copied, Passed};

/// What the scripted kernel answers, call by call; else it takes all.
enum Answer {
    Sent(usize),
    Refused(Errno),
}

#[derive(Default)]
struct Script {
    more: Cell<bool>,
    calls: RefCell<Vec<Call>>,
    answers: RefCell<VecDeque<Answer>>,
    notifications: RefCell<VecDeque<Notification>>,
    /// Notifications that only a wait brings.
    late: RefCell<VecDeque<Notification>>,
}

impl Script {
    fn answer(&self, gather: &Gather) -> Result<usize, Errno> {
        match self.answers.borrow_mut().pop_front() {
            None => Ok(gather.remaining()),
            Some(Answer::Sent(bytes)) => Ok(bytes),
            Some(Answer::Refused(errno)) => Err(errno),
        }
    }
}

impl Wire for Script {
    fn send(&self, gather: &Gather) -> Result<usize, Errno> {
        self.calls.borrow_mut().push(Passed(gather.remaining(), self.more.get()));
        self.answer(gather)
    }

    fn notification(&self, _: &mut ErrorQueueSpace) -> Result<Option<Notification>, Errno> {
        Ok(self.notifications.borrow_mut().pop_front())
    }

    fn wait(&self, _: i32) -> Result<Ready, Errno> {
        let late = self.late.borrow_mut().pop_front();
        assert!(late.is_some(), "the path waits for something that never comes");
        self.notifications.borrow_mut().extend(late);
        Ok(Ready { error: true, ..Ready::default() })
    }
}

impl PartWire for Script {
    fn set_more(&self, more: bool) {
        self.more.set(more);
    }

    fn copy(&self, gather: &Gather, more: bool) -> Result<usize, Errno> {
        self.calls.borrow_mut().push(Copied(gather.remaining(), more));
        self.answer(gather)
    }
}

struct Bench {
    path: Hybrid<Script>,
    slots: Slots,
    tally: SendTally,
}

fn bench(script: Script, shape: &str, copy_below: usize, slots: u32) -> Bench {
    let cell: model::Cell = format!("shape={shape} layout=packed").parse().unwrap();
    let message = Message::of(&cell.in_its_shape(), 4096).unwrap();
    let options =
        SendOptions { so_zerocopy: true, slots, depth: 1, copy_below, ..SendOptions::default() };
    let arena = Arena::new(message.stride() * slots as usize).unwrap();
    Bench {
        path: Hybrid::with_wire(script, arena, &message, &options).unwrap(),
        slots: Slots::new(slots),
        tally: SendTally::default(),
    }
}

impl Bench {
    fn submit(&mut self) -> Result<(), Errno> {
        let slot = self.slots.turn();
        assert!(self.slots.is_turn_free(), "the slot is still the kernel's");
        self.slots.advance();
        self.path.submit(slot, &mut self.slots, &mut self.tally)
    }

    fn calls(&self) -> Vec<Call> {
        self.path.passing.wire().calls.borrow_mut().drain(..).collect()
    }

    fn notify(&self, low: u32, high: u32) {
        let notification = Notification { low, high, copied: false };
        self.path.passing.wire().notifications.borrow_mut().push_back(notification);
    }

    fn reap(&mut self, wait: Wait) {
        self.path.passing.reap(wait, &mut self.slots, &mut self.tally).unwrap();
    }
}

#[test]
fn neighbours_that_go_the_same_way_are_one_call_in_their_order_and_the_last_one_alone_pushes() {
    for (shape, below, calls) in [
        ("24+40+6000+5000+7", 4096, vec![Copied(64, true), Passed(11_000, true), Copied(7, false)]),
        ("6000+24+5000", 4096, vec![Passed(6000, true), Copied(24, true), Passed(5000, false)]),
        ("24+65536", 16_384, vec![Copied(24, true), Passed(65_536, false)]),
        // A field as long as the threshold goes by reference, a shorter one does not.
        ("4095+4096", 4096, vec![Copied(4095, true), Passed(4096, false)]),
        ("24+40", 4096, vec![Copied(64, false)]),
        ("6000+5000", 4096, vec![Passed(11_000, false)]),
        ("1+5000", 0, vec![Passed(5001, false)]),
    ] {
        let mut bench = bench(Script::default(), shape, below, 2);
        for _ in 0..2 {
            bench.submit().unwrap();
            assert_eq!(bench.calls(), calls, "{shape} below {below}");
        }
        let tally = bench.tally;
        let passed = calls.iter().filter(|call| matches!(call, Passed(..))).count() as u64;
        assert_eq!((tally.messages, tally.zerocopy_sends), (2, 2 * passed));
        assert_eq!(tally.calls.sendmsg, 2 * calls.len() as u64);
        let whole: u64 = shape.split('+').map(|bytes| bytes.parse::<u64>().unwrap()).sum();
        assert_eq!((tally.accepted_bytes, tally.staged_bytes), (2 * whole, 0));
    }
}

#[test]
fn a_slot_is_held_until_each_of_its_runs_by_reference_is_completed() {
    let mut bench = bench(Script::default(), "6000+24+5000", 4096, 2);
    bench.submit().unwrap();
    bench.submit().unwrap();
    assert_eq!(bench.slots.held(), 2);
    bench.notify(0, 0);
    bench.reap(Wait::Never);
    assert!(!bench.slots.is_turn_free(), "its other run is still the kernel's");
    bench.notify(1, 2);
    bench.reap(Wait::Never);
    assert!(bench.slots.is_turn_free());
    assert_eq!((bench.slots.held(), bench.tally.completed, bench.tally.stray_ids), (1, 3, 0));
}

#[test]
fn a_message_of_short_fields_alone_holds_nothing_and_waits_for_nobody() {
    let mut bench = bench(Script::default(), "24+1000", 4096, 1);
    for _ in 0..3 {
        bench.submit().unwrap();
        bench.reap(Wait::All);
    }
    assert_eq!((bench.tally.messages, bench.tally.zerocopy_sends), (3, 0));
    assert_eq!(bench.tally.calls.recvmsg_errqueue, 0);
}

#[test]
fn what_is_taken_in_part_goes_on_where_it_ended_and_nothing_is_sent_before_it() {
    let script = Script::default();
    script.answers.borrow_mut().extend([
        Answer::Sent(10),
        Answer::Refused(Errno::INTERRUPTED),
        Answer::Sent(54),
        Answer::Sent(4000),
    ]);
    let mut bench = bench(script, "64+6000+7", 4096, 1);
    bench.submit().unwrap();
    assert_eq!(
        bench.calls(),
        [
            Copied(64, true),
            Copied(54, true),
            Copied(54, true),
            Passed(6000, true),
            Passed(2000, true),
            Copied(7, false)
        ]
    );
    let tally = bench.tally;
    assert_eq!((tally.messages, tally.accepted_bytes, tally.short_writes), (1, 6071, 2));
    assert_eq!((tally.interrupted, tally.zerocopy_sends, bench.slots.held()), (1, 2, 1));
}

#[test]
fn no_buffers_between_two_runs_are_waited_for_with_the_message_half_sent() {
    let script = Script::default();
    script.late.borrow_mut().push_back(Notification { low: 0, high: 0, copied: true });
    let mut bench = bench(script, "64+6000", 4096, 2);
    bench.submit().unwrap();
    bench
        .path
        .passing
        .wire()
        .answers
        .borrow_mut()
        .extend([Answer::Sent(64), Answer::Refused(Errno::NO_BUFFERS)]);
    bench.submit().unwrap();
    let passed = Passed(6000, false);
    assert_eq!(bench.calls()[2..], [Copied(64, true), passed, passed]);
    assert_eq!((bench.tally.no_buffers, bench.tally.completed, bench.tally.messages), (1, 1, 2));
}

#[test]
fn an_error_in_a_later_run_leaves_each_run_its_own_gather() {
    let script = Script::default();
    script.answers.borrow_mut().extend([
        Answer::Sent(6000),
        Answer::Sent(24),
        Answer::Refused(Errno::BROKEN_PIPE),
    ]);
    let mut bench = bench(script, "6000+24+5000", 4096, 2);
    assert_eq!(bench.submit(), Err(Errno::BROKEN_PIPE));
    assert_eq!((bench.tally.messages, bench.tally.accepted_bytes), (0, 6024));
    bench.calls();
    bench.submit().unwrap();
    assert_eq!(bench.calls(), [Passed(6000, true), Copied(24, true), Passed(5000, false)]);
}
