use std::cell::RefCell;
use std::collections::VecDeque;

use super::*;

/// What the scripted kernel answers, call by call.
enum Answer {
    Sent(usize),
    Refused(Errno),
}

#[derive(Default)]
struct Script {
    /// Waits that a signal interrupts.
    interruptions: std::cell::Cell<u32>,
    sends: RefCell<VecDeque<Answer>>,
    notifications: RefCell<VecDeque<Notification>>,
    /// Notifications that only a wait brings.
    late: RefCell<VecDeque<Notification>>,
    dead: bool,
    /// Nothing is outstanding: waits just pass the time.
    barren: bool,
}

impl Wire for Script {
    fn send(&self, gather: &Gather) -> Result<usize, Errno> {
        match self.sends.borrow_mut().pop_front() {
            None => Ok(gather.remaining()),
            Some(Answer::Sent(bytes)) => Ok(bytes),
            Some(Answer::Refused(errno)) => Err(errno),
        }
    }

    fn notification(&self, _: &mut ErrorQueueSpace) -> Result<Option<Notification>, Errno> {
        Ok(self.notifications.borrow_mut().pop_front())
    }

    fn wait(&self, _: i32) -> Result<Ready, Errno> {
        if self.interruptions.get() > 0 {
            self.interruptions.set(self.interruptions.get() - 1);
            return Err(Errno::INTERRUPTED);
        }
        if self.barren {
            return Ok(Ready::default());
        }
        let late = self.late.borrow_mut().pop_front();
        assert!(late.is_some() || self.dead, "the path waits for something that never comes");
        self.notifications.borrow_mut().extend(late);
        Ok(Ready { error: true, hang_up: self.dead, ..Ready::default() })
    }
}

struct Bench {
    path: Zerocopy<Script>,
    slots: Slots,
    tally: SendTally,
}

fn bench(script: Script, slots: u32) -> Bench {
    let message = Message::of(&"message_bytes=800 layout=packed".parse().unwrap(), 4096).unwrap();
    let options =
        SendOptions { so_zerocopy: true, slots, depth: 1, copy_below: 0, ..SendOptions::default() };
    let arena = Arena::new(message.stride() * slots as usize).unwrap();
    Bench {
        path: Zerocopy::with_wire(script, arena, &message, &options).unwrap(),
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

    fn reap(&mut self, wait: Wait) -> Result<(), Errno> {
        self.path.reap(wait, &mut self.slots, &mut self.tally)
    }

    fn notify(&self, low: u32, high: u32, copied: bool) {
        self.path.wire.notifications.borrow_mut().push_back(Notification { low, high, copied });
    }
}

#[test]
fn a_slot_is_the_kernels_until_its_notification() {
    let mut bench = bench(Script::default(), 2);
    bench.submit().unwrap();
    bench.submit().unwrap();
    assert!(!bench.slots.is_turn_free());
    bench.notify(0, 0, true);
    bench.reap(Wait::Never).unwrap();
    assert!(bench.slots.is_turn_free());
    assert_eq!((bench.tally.completed, bench.tally.copied), (1, 1));
}

#[test]
fn a_partial_send_goes_on_in_the_middle_and_holds_its_slot_once_for_each_id() {
    let script = Script::default();
    script.sends.borrow_mut().extend([Answer::Sent(150), Answer::Sent(649), Answer::Sent(1)]);
    let mut bench = bench(script, 1);
    bench.submit().unwrap();
    assert_eq!((bench.tally.accepted_bytes, bench.tally.messages), (800, 1));
    assert_eq!((bench.tally.zerocopy_sends, bench.tally.short_writes), (3, 2));
    bench.notify(0, 1, false);
    bench.reap(Wait::Never).unwrap();
    assert!(!bench.slots.is_turn_free(), "the third id is outstanding");
    bench.notify(2, 2, false);
    bench.reap(Wait::All).unwrap();
    assert!(bench.slots.is_turn_free());
}

#[test]
fn ids_wrap_around_two_to_the_thirty_two() {
    let mut bench = bench(Script::default(), 4);
    bench.path.outstanding.next = u32::MAX - 1;
    for _ in 0..4 {
        bench.submit().unwrap();
    }
    bench.notify(u32::MAX - 1, 1, true);
    bench.reap(Wait::All).unwrap();
    assert_eq!((bench.tally.completed, bench.tally.copied, bench.tally.stray_ids), (4, 4, 0));
}

#[test]
fn completions_out_of_order_release_their_own_slots() {
    let mut bench = bench(Script::default(), 3);
    for _ in 0..3 {
        bench.submit().unwrap();
    }
    bench.notify(1, 2, false);
    bench.reap(Wait::Never).unwrap();
    assert!(!bench.slots.is_turn_free(), "it is slot 0's turn, and id 0 is outstanding");
    bench.notify(0, 0, false);
    bench.reap(Wait::Never).unwrap();
    assert!(bench.slots.is_turn_free());
}

#[test]
fn no_buffers_means_reap_wait_and_retry_and_is_counted() {
    let script = Script::default();
    script.sends.borrow_mut().extend([Answer::Sent(800), Answer::Refused(Errno::NO_BUFFERS)]);
    script.late.borrow_mut().push_back(Notification { low: 0, high: 0, copied: true });
    let mut bench = bench(script, 2);
    bench.submit().unwrap();
    bench.submit().unwrap();
    assert_eq!((bench.tally.no_buffers, bench.tally.completed, bench.tally.messages), (1, 1, 2));
}

#[test]
fn no_buffers_with_nothing_outstanding_waits_for_others_and_survives_a_signal() {
    let script = Script { barren: true, ..Script::default() };
    script.interruptions.set(1);
    let refused = || Answer::Refused(Errno::NO_BUFFERS);
    script.sends.borrow_mut().extend([refused(), refused()]);
    let mut bench = bench(script, 1);
    bench.submit().unwrap();
    assert_eq!((bench.tally.no_buffers, bench.tally.interrupted, bench.tally.messages), (2, 1, 1));
    let script = Script { barren: true, ..Script::default() };
    script.sends.borrow_mut().extend((0..10_000).map(|_| refused()));
    let mut bench = self::bench(script, 1);
    assert_eq!(bench.submit(), Err(Errno::NO_BUFFERS), "it does not wait for ever");
}

#[test]
fn an_interrupted_send_is_repeated() {
    let script = Script::default();
    script.sends.borrow_mut().extend([Answer::Refused(Errno::INTERRUPTED)]);
    let mut bench = bench(script, 1);
    bench.submit().unwrap();
    assert_eq!((bench.tally.interrupted, bench.tally.messages), (1, 1));
}

#[test]
fn an_id_that_was_never_sent_or_comes_twice_is_a_stray() {
    let mut bench = bench(Script::default(), 2);
    bench.submit().unwrap();
    bench.notify(0, 0, false);
    bench.notify(0, 0, false);
    bench.notify(7, 7, false);
    bench.notify(5, 4, false);
    bench.reap(Wait::Never).unwrap();
    assert_eq!(bench.tally.completed, 1);
    assert_eq!(bench.tally.stray_ids, 2 + (1 << 32));
}

#[test]
fn waiting_on_a_dead_connection_ends_with_an_error() {
    let mut bench = bench(Script { dead: true, ..Script::default() }, 1);
    bench.submit().unwrap();
    assert_eq!(bench.reap(Wait::All), Err(Errno::BROKEN_PIPE));
}

#[test]
fn without_so_zerocopy_nothing_is_held_and_nobody_is_waited_for() {
    let message = Message::of(&"message_bytes=800 layout=packed".parse().unwrap(), 4096).unwrap();
    let options = SendOptions {
        so_zerocopy: false,
        slots: 1,
        depth: 1,
        copy_below: 0,
        ..SendOptions::default()
    };
    let arena = Arena::new(message.stride()).unwrap();
    let mut path = Zerocopy::with_wire(Script::default(), arena, &message, &options).unwrap();
    let mut slots = Slots::new(1);
    let mut tally = SendTally::default();
    path.submit(Slot(0), &mut slots, &mut tally).unwrap();
    path.reap(Wait::All, &mut slots, &mut tally).unwrap();
    assert!(slots.is_turn_free());
    assert_eq!(tally.zerocopy_sends, 0);
}
