use std::collections::VecDeque;

use super::super::uring_send::OfSend;
use super::super::uring_send_zc::OfSendZc;
use super::super::uring_send_zc_fixed::OfSendZcFixed;
use super::super::uring_sendmsg::OfSendmsg;
use super::super::uring_sendmsg_zc::OfSendmsgZc;
use super::super::uring_write_fixed::OfWriteFixed;
use super::*;

const EINVAL: Errno = Errno(22);
const ENOMEM: Errno = Errno(12);

/// What the scripted kernel does with one submission.
#[derive(Default)]
struct Script {
    /// What each request takes, in order of submission; all that it is given where nothing is said.
    results: VecDeque<Result<usize, Errno>>,
    /// Submissions that are refused whole.
    refused: VecDeque<Errno>,
    /// Requests that it takes of a submission, where not all.
    takes: VecDeque<u32>,
    /// Completions that can be taken.
    ready: VecDeque<Completion>,
    /// Completions that only a wait brings, one each.
    late: VecDeque<Completion>,
    /// Refused requests have a notification too, as kernels give them.
    notifies_refused: bool,
    /// A short request that does not end its chain.
    breaks_no_chain: bool,
    is_dead: bool,
    /// Waits bring nothing and nobody has died: they just pass the time.
    is_barren: bool,
    interruptions: u32,
    /// Operation, bytes, data, linked and reporting of every request.
    seen: Vec<(Operation, usize, u64, bool, bool)>,
    submissions: u32,
}

impl Port for Script {
    fn submit<'a>(
        &mut self,
        requests: impl Iterator<Item = Request<'a>>,
        _: u32,
    ) -> Result<u32, Errno> {
        self.submissions += 1;
        if let Some(errno) = self.refused.pop_front() {
            return Err(errno);
        }
        let takes = self.takes.pop_front().unwrap_or(u32::MAX);
        let mut taken = 0;
        let mut is_broken = false;
        for request in requests.take(takes as usize) {
            taken += 1;
            let bytes = match &request.payload {
                Payload::Bytes(_, range) => range.len(),
                Payload::Gather(gather) => gather.remaining(),
            };
            let Request { operation, data, linked, reports_copies, .. } = request;
            self.seen.push((operation, bytes, data, linked, reports_copies));
            let result = if is_broken {
                Err(Errno::CANCELLED)
            } else {
                self.results.pop_front().unwrap_or(Ok(bytes))
            };
            is_broken |= result != Ok(bytes) && !self.breaks_no_chain;
            // A notification follows wherever pages were referred to.
            let notifies = operation.is_zerocopy() && (result.is_ok() || self.notifies_refused);
            self.ready.push_back(Completion::Ended { data, result, notifies });
        }
        Ok(taken)
    }

    fn wait(&mut self, _: u32, _: Option<u32>) -> Result<(), Errno> {
        if self.interruptions > 0 {
            self.interruptions -= 1;
            return Err(Errno::INTERRUPTED);
        }
        let late = self.late.pop_front();
        assert!(
            late.is_some() || self.is_dead || self.is_barren,
            "the path waits for something that never comes"
        );
        self.ready.extend(late);
        Ok(())
    }

    fn completion(&mut self) -> Option<Completion> {
        self.ready.pop_front()
    }

    fn is_over(&self) -> Result<bool, Errno> {
        Ok(self.is_dead)
    }
}

struct Bench<K> {
    path: Uring<K, Script>,
    slots: Slots,
    tally: SendTally,
}

fn bench<K: Kind>(script: Script, slots: u32) -> Bench<K> {
    bench_at(script, slots, 1)
}

/// Messages of 800 bytes in eight fields of 100, so many in a chain.
fn bench_at<K: Kind>(script: Script, slots: u32, depth: u32) -> Bench<K> {
    let message = Message::of(&"message_bytes=800 layout=packed".parse().unwrap(), 4096).unwrap();
    let arena = Arena::new(message.stride() * slots as usize).unwrap();
    Bench {
        path: Uring::with_port(script, arena, &message, depth).unwrap(),
        slots: Slots::new(slots),
        tally: SendTally::default(),
    }
}

impl<K: Kind> Bench<K> {
    fn submit(&mut self) -> Result<(), Errno> {
        let slot = self.slots.turn();
        assert!(self.slots.is_turn_free(), "the slot is still the kernel's");
        self.slots.advance();
        self.path.submit(slot, &mut self.slots, &mut self.tally)
    }

    fn reap(&mut self, wait: Wait) -> Result<(), Errno> {
        self.path.reap(wait, &mut self.slots, &mut self.tally)
    }

    /// Notifies the request with this place among all that were submitted.
    fn notify(&mut self, place: usize, copied: bool) {
        let data = self.path.port.seen[place].2;
        self.path.port.ready.push_back(Completion::Notified { data, copied });
    }
}

#[test]
fn a_message_is_one_linked_chain_and_the_next_begins_when_it_has_ended() {
    let mut bench = bench::<OfSend>(Script::default(), 2);
    bench.submit().unwrap();
    bench.submit().unwrap();
    assert_eq!((bench.tally.messages, bench.tally.accepted_bytes), (2, 1600));
    assert_eq!((bench.tally.calls.io_uring_enter, bench.tally.ring_completions), (2, 16));
    let linked: Vec<bool> = bench.path.port.seen.iter().map(|seen| seen.3).collect();
    let chain = [true, true, true, true, true, true, true, false];
    assert_eq!(linked, [chain, chain].concat());
    assert_eq!((bench.tally.zerocopy_sends, bench.slots.held()), (0, 0));
}

#[test]
fn a_write_that_took_less_goes_on_in_the_middle_of_its_field() {
    let script = Script { results: [Ok(100), Ok(30)].into(), ..Script::default() };
    let mut bench = bench::<OfWriteFixed>(script, 1);
    bench.submit().unwrap();
    assert_eq!((bench.tally.messages, bench.tally.accepted_bytes), (1, 800));
    assert_eq!((bench.tally.short_writes, bench.tally.calls.io_uring_enter), (1, 2));
    let again: Vec<usize> = bench.path.port.seen[8..].iter().map(|seen| seen.1).collect();
    assert_eq!(again, [70, 100, 100, 100, 100, 100, 100]);
}

#[test]
fn a_chain_that_went_on_behind_a_short_request_is_an_error_and_no_message() {
    let script = Script { results: [Ok(30)].into(), breaks_no_chain: true, ..Script::default() };
    let mut bench = bench::<OfWriteFixed>(script, 1);
    assert_eq!(bench.submit(), Err(Errno::IO), "its bytes are out of order");
    assert_eq!(bench.tally.messages, 0);
}

#[test]
fn requests_that_the_kernel_did_not_take_are_submitted_when_those_before_have_ended() {
    let script = Script { takes: [3, 1].into(), ..Script::default() };
    let mut bench = bench::<OfSend>(script, 1);
    bench.submit().unwrap();
    assert_eq!((bench.tally.messages, bench.tally.accepted_bytes), (1, 800));
    assert_eq!(bench.path.port.submissions, 3);
    assert_eq!(bench.path.port.seen.len(), 8);
}

#[test]
fn a_slot_is_the_kernels_until_the_notification_of_its_last_field() {
    let mut bench = bench::<OfSendZc>(Script::default(), 1);
    bench.submit().unwrap();
    assert_eq!((bench.tally.zerocopy_sends, bench.slots.held()), (8, 1));
    for place in (1..8).rev() {
        bench.notify(place, false);
        bench.reap(Wait::Never).unwrap();
        assert!(!bench.slots.is_turn_free(), "the first field's is outstanding");
    }
    bench.notify(0, false);
    bench.reap(Wait::All).unwrap();
    assert!(bench.slots.is_turn_free());
    assert_eq!((bench.tally.completed, bench.tally.notifications), (8, 8));
    assert_eq!(bench.tally.calls.poll, 0);
}

#[test]
fn a_notification_that_comes_before_its_sends_end_releases_all_the_same() {
    let mut bench = bench::<OfSendmsgZc>(Script::default(), 1);
    bench.path.port.ready.push_back(Completion::Notified { data: 0, copied: false });
    bench.submit().unwrap();
    assert!(bench.slots.is_turn_free());
    assert_eq!((bench.tally.completed, bench.tally.zerocopy_sends), (1, 1));
    assert_eq!(bench.tally.stray_ids, 0);
}

#[test]
fn the_copied_mark_counts_where_the_request_was_alone_until_its_notification() {
    let mut bench = bench::<OfSendmsgZc>(Script::default(), 4);
    bench.submit().unwrap();
    bench.notify(0, true);
    bench.reap(Wait::All).unwrap();
    assert_eq!((bench.tally.copied, bench.tally.unreliable_marks), (1, 0));
    // The second is joined by the third before its notification comes, and the third began beside it.
    bench.submit().unwrap();
    bench.submit().unwrap();
    bench.notify(1, true);
    bench.notify(2, true);
    bench.reap(Wait::All).unwrap();
    assert_eq!((bench.tally.copied, bench.tally.unreliable_marks), (1, 2));
    bench.submit().unwrap();
    bench.notify(3, false);
    bench.reap(Wait::All).unwrap();
    assert_eq!((bench.tally.copied, bench.tally.unreliable_marks), (1, 2));
    assert_eq!((bench.tally.completed, bench.tally.zerocopy_sends), (4, 4));
}

#[test]
fn a_request_that_is_refused_without_a_notification_holds_nothing() {
    let script = Script { results: [Err(Errno::BROKEN_PIPE)].into(), ..Script::default() };
    let mut bench = bench::<OfSendZc>(script, 1);
    assert_eq!(bench.submit(), Err(Errno::BROKEN_PIPE));
    assert_eq!((bench.slots.held(), bench.tally.zerocopy_sends), (0, 0));
    bench.reap(Wait::All).unwrap();
}

#[test]
fn a_notification_of_a_refused_request_releases_its_slot_and_tells_nothing_of_copies() {
    let script =
        Script { results: [Err(EINVAL)].into(), notifies_refused: true, ..Script::default() };
    let mut bench = bench::<OfSendZcFixed>(script, 2);
    bench.submit().unwrap();
    assert_eq!(bench.path.port.seen.len(), 1 + 8);
    // The gather of registered memory that this kernel refuses: not passed by reference, and so "copied".
    bench.notify(0, true);
    for place in 1..9 {
        bench.notify(place, false);
    }
    bench.reap(Wait::All).unwrap();
    let tally = &bench.tally;
    assert_eq!((tally.zerocopy_sends, tally.completed, tally.notifications), (8, 8, 9));
    assert_eq!((tally.copied, tally.unreliable_marks, tally.stray_ids), (0, 8, 0));
    assert_eq!((bench.slots.held(), bench.tally.messages), (0, 1));
}

#[test]
fn a_kernel_without_gathers_of_registered_memory_or_without_reports_is_asked_otherwise() {
    let results = [Err(EINVAL), Err(EINVAL)].into();
    let mut bench = bench::<OfSendZcFixed>(Script { results, ..Script::default() }, 2);
    bench.submit().unwrap();
    let seen = &bench.path.port.seen;
    assert_eq!((seen[0].0, seen[0].1, seen[0].4), (Operation::SendmsgZcFixed, 800, true));
    assert_eq!((seen[1].0, seen[1].1, seen[1].4), (Operation::SendZcFixed, 100, true));
    assert!(seen[9..].iter().all(|it| (it.0, it.4) == (Operation::SendZcFixed, false)));
    assert_eq!(seen.len(), 1 + 8 + 8);
    for place in 9..17 {
        bench.notify(place, true);
    }
    bench.reap(Wait::All).unwrap();
    // Nobody was asked to say what was copied.
    assert_eq!((bench.tally.copied, bench.tally.unreliable_marks), (0, 8));
    assert_eq!((bench.tally.messages, bench.tally.accepted_bytes), (1, 800));
    let results = (0..3).map(|_| Err(EINVAL)).collect();
    let mut bench = self::bench::<OfSendmsgZc>(Script { results, ..Script::default() }, 1);
    assert_eq!(bench.submit(), Err(EINVAL), "there is no third way");
}

#[test]
fn want_of_memory_means_wait_for_a_notification_and_retry_and_is_counted() {
    let script = Script { results: [Ok(800), Err(ENOMEM)].into(), ..Script::default() };
    let mut bench = bench::<OfSendmsgZc>(script, 2);
    bench.submit().unwrap();
    let data = bench.path.port.seen[0].2;
    bench.path.port.late.push_back(Completion::Notified { data, copied: false });
    bench.submit().unwrap();
    assert_eq!((bench.tally.no_buffers, bench.tally.completed, bench.tally.messages), (1, 1, 2));
    // With nothing outstanding it waits for others, and not for ever.
    let results = (0..1000).map(|_| Err(ENOMEM)).collect();
    let mut bench =
        self::bench::<OfSendmsgZc>(Script { results, is_barren: true, ..Script::default() }, 1);
    assert_eq!(bench.submit(), Err(Errno::NO_BUFFERS));
    let refused = [Errno(11), Errno(16)].into();
    let mut bench =
        self::bench::<OfSend>(Script { refused, is_barren: true, ..Script::default() }, 1);
    bench.submit().unwrap();
    assert_eq!((bench.tally.no_buffers, bench.tally.messages), (2, 1));
}

#[test]
fn signals_interrupt_submissions_requests_and_waits_and_all_are_repeated() {
    let script = Script {
        refused: [Errno::INTERRUPTED].into(),
        results: [Err(Errno::INTERRUPTED)].into(),
        ..Script::default()
    };
    let mut bench = bench::<OfSendmsgZc>(script, 1);
    bench.submit().unwrap();
    assert_eq!((bench.tally.interrupted, bench.tally.messages), (2, 1));
    bench.path.port.interruptions = 1;
    let data = bench.path.port.seen[1].2;
    bench.path.port.late.push_back(Completion::Notified { data, copied: false });
    bench.reap(Wait::All).unwrap();
    assert_eq!((bench.tally.interrupted, bench.tally.completed), (3, 1));
}

#[test]
fn a_notification_that_was_lost_is_waited_for_until_the_connection_dies() {
    let mut bench = bench::<OfSendmsgZc>(Script { is_dead: true, ..Script::default() }, 1);
    bench.submit().unwrap();
    assert!(!bench.slots.is_turn_free(), "nobody has said that it may be used again");
    assert_eq!(bench.reap(Wait::All), Err(Errno::BROKEN_PIPE));
    assert!(!bench.slots.is_turn_free());
    assert_eq!((bench.tally.zerocopy_sends, bench.tally.completed), (1, 0));
}

#[test]
fn completions_that_nobody_waits_for_are_strays() {
    let mut bench = bench::<OfSendmsgZc>(Script::default(), 2);
    bench.submit().unwrap();
    bench.notify(0, false);
    bench.notify(0, false);
    let data = data(Slot(900), 0);
    bench.path.port.ready.push_back(Completion::Notified { data, copied: false });
    let ended = Completion::Ended { data: 77, result: Ok(1), notifies: false };
    bench.path.port.ready.push_back(ended);
    bench.reap(Wait::Never).unwrap();
    assert_eq!((bench.tally.completed, bench.tally.stray_ids), (1, 3));
}

#[test]
fn numbers_wrap_around_two_to_the_thirty_two() {
    let mut bench = bench::<OfSendZc>(Script::default(), 2);
    bench.path.next = u32::MAX - 3;
    bench.submit().unwrap();
    bench.submit().unwrap();
    (0..16).for_each(|place| bench.notify(place, false));
    bench.reap(Wait::All).unwrap();
    assert_eq!((bench.tally.completed, bench.tally.stray_ids), (16, 0));
    assert_eq!((bench.tally.messages, bench.path.next), (2, 12));
}

#[test]
fn the_completion_queue_has_room_for_all_that_may_come_as_far_as_the_kernel_allows() {
    let of = |slots, depth| SendOptions {
        so_zerocopy: true,
        slots,
        depth,
        copy_below: 0,
        ..SendOptions::default()
    };
    assert_eq!(completions(1, &of(4, 1)), 12);
    assert_eq!(completions(8, &of(256, 1)), 4128);
    assert_eq!(completions(8, &of(64, 16)), 1296);
    assert_eq!(completions(1024, &of(256, 1)), 65_536);
}

#[test]
fn a_depth_joins_messages_in_one_chain_and_a_flush_sends_what_is_queued() {
    let mut bench = bench_at::<OfSend>(Script::default(), 4, 3);
    bench.submit().unwrap();
    bench.submit().unwrap();
    assert_eq!((bench.tally.messages, bench.tally.calls.io_uring_enter), (0, 0));
    assert_eq!(bench.slots.held(), 2, "what is queued may not be written again");
    bench.submit().unwrap();
    assert_eq!((bench.tally.messages, bench.tally.calls.io_uring_enter), (3, 1));
    assert_eq!((bench.tally.accepted_bytes, bench.slots.held()), (2400, 0));
    assert_eq!(bench.path.port.seen.iter().filter(|seen| !seen.3).count(), 1, "one chain");
    bench.submit().unwrap();
    bench.path.flush(&mut bench.slots, &mut bench.tally).unwrap();
    assert_eq!((bench.tally.messages, bench.tally.calls.io_uring_enter), (4, 2));
    assert_eq!(bench.slots.held(), 0);
    bench.path.flush(&mut bench.slots, &mut bench.tally).unwrap();
    assert_eq!(bench.path.port.submissions, 2, "of nothing nothing is submitted");
}

#[test]
fn who_waits_for_a_slot_that_is_queued_has_it_sent() {
    let mut bench = bench_at::<OfSendmsgZc>(Script::default(), 2, 4);
    bench.submit().unwrap();
    bench.submit().unwrap();
    assert!(!bench.slots.is_turn_free());
    let late = [data(Slot(0), 0), data(Slot(1), 1)];
    let late = late.map(|data| Completion::Notified { data, copied: false });
    bench.path.port.late.extend(late);
    bench.reap(Wait::One).unwrap();
    assert!(bench.slots.is_turn_free());
    assert_eq!((bench.tally.messages, bench.tally.accepted_bytes), (2, 1600));
    bench.reap(Wait::All).unwrap();
    // They were submitted together.
    assert_eq!((bench.tally.completed, bench.tally.unreliable_marks), (2, 2));
    assert_eq!(bench.slots.held(), 0);
}

#[test]
fn a_chain_of_several_messages_that_ends_early_goes_on_where_it_stopped() {
    let mut results: VecDeque<_> = (0..12).map(|_| Ok(100)).collect();
    results.push_back(Ok(40));
    let mut bench = bench_at::<OfWriteFixed>(Script { results, ..Script::default() }, 2, 2);
    bench.submit().unwrap();
    bench.submit().unwrap();
    assert_eq!((bench.tally.messages, bench.tally.accepted_bytes), (2, 1600));
    let again: Vec<_> = bench.path.port.seen[16..].iter().map(|it| (it.1, it.2 >> 32)).collect();
    assert_eq!(again, [(60, 1), (100, 1), (100, 1), (100, 1)]);
    let script = Script { results: [Ok(800), Ok(500)].into(), ..Script::default() };
    let mut bench = bench_at::<OfSendmsg>(script, 3, 3);
    (0..3).for_each(|_| bench.submit().unwrap());
    assert_eq!((bench.tally.messages, bench.tally.accepted_bytes), (3, 2400));
    let again: Vec<_> = bench.path.port.seen[3..].iter().map(|it| (it.1, it.2 >> 32)).collect();
    assert_eq!(again, [(300, 1), (800, 2)]);
}

/// A ring over a live connection that loses the first notification.
struct Losing {
    port: RingAndSocket,
    has_lost: bool,
}

impl Port for Losing {
    fn submit<'a>(
        &mut self,
        requests: impl Iterator<Item = Request<'a>>,
        wait_for: u32,
    ) -> Result<u32, Errno> {
        self.port.submit(requests, wait_for)
    }

    fn wait(&mut self, completions: u32, at_most_ms: Option<u32>) -> Result<(), Errno> {
        self.port.wait(completions, at_most_ms)
    }

    fn completion(&mut self) -> Option<Completion> {
        let next = self.port.completion();
        if matches!(next, Some(Completion::Notified { .. })) && !self.has_lost {
            self.has_lost = true;
            return self.port.completion();
        }
        next
    }

    fn is_over(&self) -> Result<bool, Errno> {
        self.port.is_over()
    }
}

/// Sends over loopback what fits the receiver's buffer.
fn lose_a_notification<K: Kind>() {
    const SLOTS: u32 = 3;
    if let Err(why) = Uring::<K>::supported() {
        #[allow(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("skipped: {why}");
        }
        return;
    }
    let any = std::net::SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0));
    let listener = Socket::listen(any, 1).unwrap();
    let address = listener.local_address().unwrap();
    let client = Socket::stream(address).unwrap();
    client.connect(address, std::time::Duration::from_secs(60)).unwrap();
    let (server, _) = listener.accept(Some(60_000)).unwrap().unwrap();

    let message = Message::of(&"message_bytes=8192 layout=packed".parse().unwrap(), 4096).unwrap();
    let options =
        SendOptions { so_zerocopy: true, slots: SLOTS, depth: 1, ..SendOptions::default() };
    let arena = Arena::new(message.stride() * SLOTS as usize).unwrap();
    let Uring { port, arena, .. } = Uring::<K>::open(client, arena, &message, &options).unwrap();
    let port = Losing { port, has_lost: false };
    let mut path = Uring::<K, Losing>::with_port(port, arena, &message, 1).unwrap();
    let (mut slots, mut tally) = (Slots::new(SLOTS), SendTally::default());
    for _ in 0..SLOTS {
        slots.hand_over(|slot, slots| path.submit(slot, slots, &mut tally)).unwrap();
    }
    while tally.zerocopy_sends - tally.completed > 1 {
        path.reap(Wait::One, &mut slots, &mut tally).unwrap();
    }
    assert_eq!(slots.held(), 1, "nobody has said that it may be used again");
    drop(server);
    assert!(path.reap(Wait::All, &mut slots, &mut tally).is_err());
    assert_eq!((slots.held(), tally.zerocopy_sends - tally.completed, tally.stray_ids), (1, 1, 0));
}

#[test]
fn a_notification_lost_on_a_live_connection_is_waited_for_until_it_dies() {
    lose_a_notification::<OfSendZc>();
    lose_a_notification::<OfSendmsgZc>();
    lose_a_notification::<OfSendZcFixed>();
}
