//! Slices in which bytes stood still are an outcome, like a fast one: their windows count for as long as was ordered.
//!
//! A worker opens and closes its windows between two messages. One that slept in a call through a whole window saw nothing of it, and
//! one that got no CPU neither; only of the latter nothing is known. What tells them apart is the scheduler's account of the thread
//! (`Held`), and the other end: a receiver to whom nothing came because its sender had no CPU has seen no stall.

use model::record::{Held, Slices, Worker};

/// A window that its worker saw begin was held when it lasted so many times as long as ordered.
const LONG: u64 = 2;

/// Tells the slices of a series in which bytes stood still (`Held::stalled`), gives those windows of theirs that their workers did not see
/// the length that was ordered, and keeps of `Slices::held` what says something.
pub(crate) fn settle(senders: &mut [Worker], receivers: &mut [Worker], ordered_ns: u64) {
    for worker in senders.iter_mut().chain(receivers.iter_mut()) {
        keep_held(&mut worker.slices, ordered_ns);
    }
    let awake = |peer: &Slices, slice| held(peer, slice).is_none_or(|it| it.slept(ordered_ns));
    // First the receivers: what senders did not see was a stall where nothing came there.
    let stalled = found(receivers, senders, ordered_ns, awake);
    count(receivers, &stalled, ordered_ns);
    let stalled = found(senders, receivers, ordered_ns, |receiver, slice| {
        let is_seen = receiver.span(slice).is_some_and(|span| span.window_ns > 0);
        is_seen && receiver.stood_still(slice) && awake(receiver, slice)
    });
    count(senders, &stalled, ordered_ns);
}

fn keep_held(slices: &mut Slices, ordered_ns: u64) {
    let Slices { held: Some(held), window_ns, .. } = slices else { return };
    held.retain(|held| {
        let window = usize::try_from(held.slice).ok().and_then(|slice| window_ns.get(slice));
        held.is_unseen() || window.is_some_and(|ns| *ns >= LONG.saturating_mul(ordered_ns))
    });
}

/// What held a worker through a slice.
fn held(slices: &Slices, slice: usize) -> Option<&Held> {
    let mut held = slices.held.iter().flatten();
    held.find(|held| usize::try_from(held.slice) == Ok(slice))
}

/// The slices of each worker through which it slept while nothing moved, where those at the other end agree: of as many workers its own
/// peer, else all.
fn found(
    workers: &[Worker],
    peers: &[Worker],
    ordered_ns: u64,
    agrees: impl Fn(&Slices, usize) -> bool,
) -> Vec<Vec<usize>> {
    let of_worker = |(place, worker): (usize, &Worker)| {
        let peers = match peers.get(place) {
            Some(peer) if peers.len() == workers.len() => std::slice::from_ref(peer),
            _ => peers,
        };
        let held = worker.slices.held.iter().flatten();
        held.filter(|held| held.slept(ordered_ns))
            .filter_map(|held| {
                let slice = usize::try_from(held.slice).ok()?;
                let is_still = held.is_unseen() || worker.slices.stood_still(slice);
                let agree = peers.iter().all(|peer| agrees(&peer.slices, slice));
                (is_still && agree).then_some(slice)
            })
            .collect()
    };
    workers.iter().enumerate().map(of_worker).collect()
}

/// Tells these slices of each worker as stalled; those that it did not see count with the length that was ordered, and nothing in them.
fn count(workers: &mut [Worker], stalled: &[Vec<usize>], ordered_ns: u64) {
    for (worker, stalled) in workers.iter_mut().zip(stalled) {
        let slices = worker.slices.len().max(1);
        for held in worker.slices.held.iter_mut().flatten() {
            let Some(slice) = usize::try_from(held.slice).ok().filter(|it| stalled.contains(it))
            else {
                continue;
            };
            held.stalled = true;
            let window = worker.slices.window_ns.get_mut(slice).filter(|_| held.is_unseen());
            let Some(window) = window else { continue };
            *window = ordered_ns;
            worker.window_ns.0 += ordered_ns;
            if let Some(third) = worker.third_ns.get_mut(slice * 3 / slices) {
                *third += ordered_ns;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use model::record::Span;
    use model::{Bytes, Nanos};

    use super::*;

    const WINDOW: u64 = 4_000_000;
    const SLICES: u32 = 6;

    /// A worker that saw none of its second slice, where that is given; its others are as ordered.
    fn worker(held: Option<Held>) -> Worker {
        let mut slices = Slices::default();
        for slice in 0..SLICES {
            let is_unseen = held.is_some_and(|held| held.slice == slice && held.is_unseen());
            let whole = Span { window_ns: WINDOW, bytes: 1 << 20, cpu_ns: WINDOW / 2 };
            slices.push(if is_unseen { Span::default() } else { whole });
        }
        let seen = Held { held_ns: WINDOW, cpu_ns: WINDOW / 2, ..Held::default() };
        let of = |slice| held.filter(|held| held.slice == slice).unwrap_or(Held { slice, ..seen });
        slices.held = Some((0..SLICES).map(of).collect());
        let window_ns = slices.window_ns.iter().sum();
        Worker {
            late_ns: 0,
            window_ns: Nanos(window_ns),
            bytes: Bytes(slices.bytes.iter().sum()),
            cpu_ns: Nanos(1),
            third_bytes: [1; 3],
            third_ns: [window_ns / 3; 3],
            slices,
            steady: None,
        }
    }

    /// Slept through its second slice for 40 ms.
    const SLEPT: Held = Held {
        slice: 1,
        before_ns: Some(1_000_000),
        held_ns: 41_000_000,
        cpu_ns: 1_100_000,
        waited_ns: 30_000,
        stalled: false,
    };
    /// Was ready and had no CPU.
    const HELD_UP: Held =
        Held { held_ns: 6_000_000, waited_ns: 5_500_000, cpu_ns: 90_000, ..SLEPT };
    /// Was busy in one call.
    const BUSY: Held = Held { cpu_ns: 40_500_000, ..SLEPT };

    /// What the second windows of a sender and a receiver count for.
    fn settled(sender: Option<Held>, receiver: Option<Held>) -> [u64; 2] {
        let (mut senders, mut receivers) = ([worker(sender)], [worker(receiver)]);
        let before = [senders[0].window_ns.0, receivers[0].window_ns.0];
        settle(&mut senders, &mut receivers, WINDOW);
        let window = |worker: &Worker| worker.slices.window_ns[1];
        for (worker, before) in [&senders[0], &receivers[0]].into_iter().zip(before) {
            let all: u64 = worker.slices.window_ns.iter().sum();
            assert_eq!(worker.window_ns, Nanos(all), "the sum stays one");
            assert_eq!(worker.third_ns.iter().sum::<u64>(), before / 3 * 3 + (all - before));
        }
        [window(&senders[0]), window(&receivers[0])]
    }

    #[test]
    fn windows_slept_through_at_both_ends_count_as_ordered_with_nothing_in_them() {
        assert_eq!(settled(Some(SLEPT), Some(SLEPT)), [WINDOW, WINDOW]);
        let (mut senders, mut receivers) = ([worker(Some(SLEPT))], [worker(Some(SLEPT))]);
        settle(&mut senders, &mut receivers, WINDOW);
        for worker in senders.iter().chain(&receivers) {
            assert_eq!(worker.slices.bytes[1], 0);
            assert_eq!(worker.third_ns[0], worker.third_ns[2] + WINDOW);
            assert_eq!(worker.slices.stalled(WINDOW).collect::<Vec<_>>(), [(1, 40_000_000)]);
            let told = Held { stalled: true, ..SLEPT };
            assert_eq!(worker.slices.held.as_deref(), Some(&[told][..]), "the others say nothing");
        }
    }

    #[test]
    fn a_receiver_that_saw_nothing_while_its_sender_went_on_has_slept_too() {
        // The sender's window may have begun just before.
        assert_eq!(settled(None, Some(SLEPT)), [WINDOW, WINDOW]);
    }

    #[test]
    fn who_got_no_cpu_or_was_busy_in_one_call_has_missed_the_window() {
        for missed in [HELD_UP, BUSY] {
            assert_eq!(settled(Some(missed), None)[0], 0, "{missed:?}");
            assert_eq!(settled(None, Some(missed))[1], 0, "{missed:?}");
        }
        assert_eq!(settled(Some(HELD_UP), Some(SLEPT)), [0, 0], "nothing came for want of a CPU");
        assert_eq!(
            settled(Some(SLEPT), Some(HELD_UP)),
            [0, 0],
            "nothing was taken for want of one"
        );
    }

    #[test]
    fn who_waits_for_an_end_without_a_cpu_sees_no_stall() {
        let within = Held { before_ns: None, held_ns: 44_000_000, cpu_ns: 2_000_000, ..SLEPT };
        let long = |held: Held| {
            let mut worker = worker(Some(held));
            worker.slices.window_ns[1] = held.held_ns;
            worker
        };
        let held_up = Held { waited_ns: 40_000_000, ..within };
        let (mut senders, mut receivers) = ([worker(Some(SLEPT))], [long(held_up)]);
        settle(&mut senders, &mut receivers, WINDOW);
        assert_eq!(
            (senders[0].slices.window_ns[1], senders[0].slices.stalled(WINDOW).count()),
            (0, 0)
        );
        assert_eq!(receivers[0].slices.stalled(WINDOW).count(), 0);
        let (mut senders, mut receivers) = ([long(held_up)], [long(within)]);
        settle(&mut senders, &mut receivers, WINDOW);
        assert_eq!(receivers[0].slices.stalled(WINDOW).count(), 0);
    }

    #[test]
    fn a_sender_in_a_long_call_whose_bytes_arrive_has_seen_no_stall() {
        assert_eq!(settled(Some(SLEPT), None), [0, WINDOW]);
    }

    #[test]
    fn where_nobody_tells_the_wait_nothing_changes() {
        let (mut senders, mut receivers) = ([worker(Some(SLEPT))], [worker(Some(SLEPT))]);
        for worker in senders.iter_mut().chain(&mut receivers) {
            worker.slices.held = None;
        }
        let before = (senders.clone(), receivers.clone());
        settle(&mut senders, &mut receivers, WINDOW);
        assert_eq!((senders, receivers), before);
    }

    #[test]
    fn a_stall_that_begins_in_a_window_is_kept_with_its_own_length() {
        let within = Held { before_ns: None, held_ns: 44_000_000, cpu_ns: 2_000_000, ..SLEPT };
        let mut receivers = [worker(Some(within))];
        receivers[0].slices.window_ns[1] = within.held_ns;
        settle(&mut [worker(None)], &mut receivers, WINDOW);
        let slices = &receivers[0].slices;
        assert_eq!(slices.window_ns[1], within.held_ns);
        assert_eq!(slices.stalled(WINDOW).collect::<Vec<_>>(), [(1, 40_000_000)]);
        // One long message that moved as fast as ever is none.
        let mut receivers = [worker(Some(within))];
        receivers[0].slices.window_ns[1] = within.held_ns;
        receivers[0].slices.bytes[1] = 11 << 20;
        settle(&mut [worker(None)], &mut receivers, WINDOW);
        assert_eq!(receivers[0].slices.stalled(WINDOW).count(), 0);
    }
}
