//! A path that uses a slot again before the kernel has let go of it sends bytes that were rewritten meanwhile.
//! The content check must catch that, and must find nothing wrong with the path that waits.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop where it stands"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use engine::content::{Checked, Pattern};
use engine::gate::{Gate, Phase};
use engine::pump::{self, ReceiveFlow, SendFlow};
use engine::receive_paths::{ReceiveOptions, ReceivePath, Recv};
use engine::send_paths::{
    Hybrid, Send, SendMore, SendOptions, SendPath, Sendfile, Sendmsg, Splice, Staged, UringSend,
    UringSendZc, UringSendZcFixed, UringSendmsg, UringSendmsgZc, UringWriteFixed, Wait, Zerocopy,
};
use engine::slots::{Slot, Slots};
use engine::watch::Watch;
use kernel::Errno;
use kernel::arena::{Arena, Pages};
use kernel::error_queue::ErrorQueueSpace;
use kernel::socket::Socket;
use model::message::Message;
use model::record::{ReceiveTally, SendTally};
use model::{Cell, Missing};

mod common;

use common::{connected, connected_unix, wait_until};

const SLOTS: u32 = 4;

/// The planted fault: zero-copy sends whose slots are called free at once.
struct Hasty<P> {
    inner: P,
    hidden: Slots,
}

impl<P: SendPath> SendPath for Hasty<P> {
    fn open(
        socket: Socket,
        arena: Arena,
        message: &Message,
        options: &SendOptions,
    ) -> Result<Self, String> {
        let inner = P::open(socket, arena, message, options)?;
        Ok(Self { inner, hidden: Slots::new(options.slots) })
    }

    fn supported() -> Result<(), Missing> {
        P::supported()
    }

    fn socket(&self) -> &Socket {
        SendPath::socket(&self.inner)
    }

    fn arena_mut(&mut self) -> &mut Arena {
        self.inner.arena_mut()
    }

    fn submit(&mut self, slot: Slot, _: &mut Slots, tally: &mut SendTally) -> Result<(), Errno> {
        SendPath::submit(&mut self.inner, slot, &mut self.hidden, tally)
    }

    fn reap(&mut self, wait: Wait, _: &mut Slots, tally: &mut SendTally) -> Result<(), Errno> {
        SendPath::reap(&mut self.inner, wait, &mut self.hidden, tally)
    }
}

/// Another planted fault: of so many messages one is handed over after the one that follows it.
struct Swapped<P> {
    inner: P,
    kept_back: Option<Slot>,
    messages: u64,
}

/// One message in so many changes places with the next.
const SWAPPED_IN: u64 = 16;

impl<P: SendPath> SendPath for Swapped<P> {
    fn arena(bytes: usize, pages: Pages) -> Result<Arena, kernel::CallError> {
        P::arena(bytes, pages)
    }

    fn open(
        socket: Socket,
        arena: Arena,
        message: &Message,
        options: &SendOptions,
    ) -> Result<Self, String> {
        let inner = P::open(socket, arena, message, options)?;
        Ok(Self { inner, kept_back: None, messages: 0 })
    }

    fn supported() -> Result<(), Missing> {
        P::supported()
    }

    fn socket(&self) -> &Socket {
        SendPath::socket(&self.inner)
    }

    fn arena_mut(&mut self) -> &mut Arena {
        self.inner.arena_mut()
    }

    fn submit(
        &mut self,
        slot: Slot,
        slots: &mut Slots,
        tally: &mut SendTally,
    ) -> Result<(), Errno> {
        self.messages += 1;
        if self.messages.is_multiple_of(SWAPPED_IN) {
            self.kept_back = Some(slot);
            return Ok(());
        }
        SendPath::submit(&mut self.inner, slot, slots, tally)?;
        self.kept_back
            .take()
            .map_or(Ok(()), |slot| SendPath::submit(&mut self.inner, slot, slots, tally))
    }

    fn flush(&mut self, slots: &mut Slots, tally: &mut SendTally) -> Result<(), Errno> {
        let kept_back = self.kept_back.take();
        kept_back.map_or(Ok(()), |slot| SendPath::submit(&mut self.inner, slot, slots, tally))?;
        self.inner.flush(slots, tally)
    }

    fn is_reap_due(&self, slots: &Slots) -> bool {
        self.inner.is_reap_due(slots)
    }

    fn reap(&mut self, wait: Wait, slots: &mut Slots, tally: &mut SendTally) -> Result<(), Errno> {
        SendPath::reap(&mut self.inner, wait, slots, tally)
    }
}

/// Where the kernel tells of the calling thread.
fn own_task() -> PathBuf {
    Path::new("/proc").join(std::fs::read_link("/proc/thread-self").unwrap())
}

/// Whether a thread sleeps in a call.
fn sleeps(task: &Path) -> bool {
    let stat = std::fs::read_to_string(task.join("stat")).unwrap();
    stat.rsplit_once(')').unwrap().1.trim_start().starts_with('S')
}

/// Sends rewritten messages to a receiver that starts late, so that some wait in the sender's queue, where
/// the kernel still reads the slots. None: this machine refuses SO_ZEROCOPY.
fn check_with<P: SendPath>(cell: &str) -> Option<(SendTally, ReceiveTally)> {
    check_between::<P>(cell, connected())
}

/// The same over given sockets.
fn check_between<P: SendPath>(
    cell: &str,
    (client, server): (Socket, Socket),
) -> Option<(SendTally, ReceiveTally)> {
    if let Err(why) = P::supported() {
        eprintln!("skipped: {why}");
        return None;
    }
    let gate = Arc::new(Gate::default());
    let cell: Cell = cell.parse().unwrap();
    let message = Message::of(&cell.in_its_shape(), 4096).unwrap();
    let pattern = Pattern::new(&[5; 16], 0);
    let (tell, told) = std::sync::mpsc::channel();
    let sending = {
        let gate = Arc::clone(&gate);
        std::thread::spawn(move || {
            let options = SendOptions {
                so_zerocopy: true,
                slots: SLOTS,
                depth: 1,
                copy_below: 16_384,
                ..SendOptions::default()
            };
            let arena = P::arena(message.stride() * SLOTS as usize, Pages::NORMAL).unwrap();
            let mut flow = SendFlow {
                path: P::open(client, arena, &message, &options).unwrap(),
                slots: Slots::new(SLOTS),
                pattern,
                written: 0,
                is_shared: false,
            };
            flow.fill(&message);
            tell.send(own_task()).unwrap();
            let mut watch = Watch::open(model::names::Watch::None, 1);
            let mut tally = SendTally::default();
            pump::send(&mut [flow], &message, true, &gate, &mut watch, &mut tally).unwrap();
            tally
        })
    };
    gate.open(Phase::Warmup);
    // Until it can send no more: what lies in its queue it has then sent, and the kernel still reads.
    let task = told.recv().unwrap();
    wait_until("the sender's full queue", || server.unread_bytes().unwrap() > 0 && sleeps(&task));
    let receiving = {
        let gate = Arc::clone(&gate);
        std::thread::spawn(move || {
            let options = ReceiveOptions { buffer_bytes: 131_072, may_wait: true };
            let mut buffer = Recv::buffer(&options).unwrap();
            let path = Recv::open(server, &mut buffer, &options).unwrap();
            let mut flows = [ReceiveFlow { path, content: Checked::new(pattern) }];
            let mut watch = Watch::open(model::names::Watch::None, 1);
            let mut tally = ReceiveTally::default();
            pump::receive(&mut flows, &mut buffer, &gate, &mut watch, &mut tally).unwrap();
            tally
        })
    };
    std::thread::sleep(Duration::from_millis(50));
    gate.open(Phase::Stop);
    Some((sending.join().unwrap(), receiving.join().unwrap()))
}

fn check<P: SendPath>() -> Option<(SendTally, ReceiveTally)> {
    check_with::<P>("message_bytes=65536")
}

/// A message of which a part is copied: the rest is the kernel's until its notification.
fn check_parts<P: SendPath>() -> Option<(SendTally, ReceiveTally)> {
    check_with::<P>("shape=24+32768+7+32737")
}

/// What is done with each path that has notifications.
fn each_by_reference(hasty: fn(SendTally, ReceiveTally), patient: fn(SendTally, ReceiveTally)) {
    let both = [
        (check::<Hasty<Zerocopy>> as fn() -> _, check::<Zerocopy> as fn() -> _),
        (check::<Hasty<UringSendZc>>, check::<UringSendZc>),
        (check::<Hasty<UringSendmsgZc>>, check::<UringSendmsgZc>),
        (check::<Hasty<UringSendZcFixed>>, check::<UringSendZcFixed>),
        (check_parts::<Hasty<Hybrid>>, check_parts::<Hybrid>),
    ];
    for (early, in_time) in both {
        let told = |(sent, received), then: fn(SendTally, ReceiveTally)| then(sent, received);
        let early: Option<(SendTally, ReceiveTally)> = early();
        let in_time: Option<(SendTally, ReceiveTally)> = in_time();
        if let (Some(early), Some(in_time)) = (early, in_time) {
            told(early, hasty);
            told(in_time, patient);
        }
    }
}

#[test]
fn a_path_that_uses_a_slot_again_too_early_is_caught_and_one_that_waits_sends_what_was_written() {
    each_by_reference(
        |sent, received| {
            assert_eq!(received.received_bytes, sent.accepted_bytes);
            assert!(
                received.wrong_bytes > 0,
                "the planted fault went unnoticed over {} bytes",
                received.checked_bytes
            );
            assert!(received.first_wrong.is_some());
        },
        |sent, received| {
            assert_eq!(received.checked_bytes, sent.accepted_bytes);
            assert_eq!(received.wrong_bytes, 0, "first at {:?}", received.first_wrong);
            assert!(sent.slot_waits > 0, "the ring was never full: nothing was proved");
            assert_eq!(sent.completed, sent.zerocopy_sends);
        },
    );
}

/// The other planted fault: what nobody tells the release of is rewritten all the same, as the engine refuses to.
#[test]
fn a_message_that_is_rewritten_although_nobody_tells_of_its_release_is_caught() {
    for check in [check::<Sendfile>, check::<Splice>] {
        let Some((sent, received)) = check() else { return };
        assert_eq!(received.received_bytes, sent.accepted_bytes);
        assert!(received.wrong_bytes > 0, "unnoticed over {} bytes", received.checked_bytes);
    }
}

/// Over unix sockets, too: pages lie in the receiver's queue as they are.
#[test]
fn a_message_that_is_rewritten_too_early_over_unix_sockets_is_caught() {
    // So short that more of them wait in a unix socket's send buffer (208 KiB) than the ring has.
    let cell = "message_bytes=16384";
    for check in [check_between::<Sendfile>, check_between::<Splice>] {
        let Some((sent, received)) = check(cell, connected_unix()) else { return };
        assert_eq!(received.received_bytes, sent.accepted_bytes);
        assert!(received.wrong_bytes > 0, "unnoticed over {} bytes", received.checked_bytes);
    }
    // What copies may be rewritten as soon as its call has returned.
    let Some((sent, received)) = check_between::<Sendmsg>(cell, connected_unix()) else { return };
    assert_eq!((received.checked_bytes, received.wrong_bytes), (sent.accepted_bytes, 0));
}

/// Messages in another order than they were written in are wrong content, by whichever path they go. (Not by `sendfile` and `splice`,
/// whose messages cannot be rewritten, so that nothing tells one from the next.)
#[test]
fn two_messages_in_each_others_place_are_caught_on_every_path_that_rewrites() {
    let caught = |path: &str, check: fn() -> Option<(SendTally, ReceiveTally)>| {
        let Some((sent, received)) = check() else { return };
        assert_eq!(received.received_bytes, sent.accepted_bytes, "{path}");
        let wrong = received.wrong_bytes;
        // All of two messages but the bytes that are the same in both: one in 256 or so.
        assert!(wrong > 2 * 65_536 * 3 / 4, "{path}: {wrong} bytes of {}", sent.accepted_bytes);
        let first = received.first_wrong.unwrap();
        let place = (SWAPPED_IN - 1) * 65_536;
        assert!((place..place + 65_536).contains(&first), "{path}: first at {first}");
    };
    caught("send", check::<Swapped<Send>>);
    caught("staged", check::<Swapped<Staged>>);
    caught("sendmsg", check::<Swapped<Sendmsg>>);
    caught("send-more", check::<Swapped<SendMore>>);
    caught("zerocopy", check::<Swapped<Zerocopy>>);
    caught("hybrid", check::<Swapped<Hybrid>>);
    caught("uring-send", check::<Swapped<UringSend>>);
    caught("uring-sendmsg", check::<Swapped<UringSendmsg>>);
    caught("uring-write-fixed", check::<Swapped<UringWriteFixed>>);
    caught("uring-send-zc", check::<Swapped<UringSendZc>>);
    caught("uring-sendmsg-zc", check::<Swapped<UringSendmsgZc>>);
    caught("uring-send-zc-fixed", check::<Swapped<UringSendZcFixed>>);
}

/// A third planted fault, on a live connection: somebody else takes a notification from its error queue.
fn lose_a_notification<P: SendPath>() {
    const CELL: &str = "shape=24+16384";
    if let Err(why) = P::supported() {
        eprintln!("skipped: {why}");
        return;
    }
    let (client, server) = connected();
    let thief = client.try_clone().unwrap();
    let message = Message::of(&CELL.parse::<Cell>().unwrap().in_its_shape(), 4096).unwrap();
    let options = SendOptions {
        so_zerocopy: true,
        slots: SLOTS,
        depth: 1,
        copy_below: 16_384,
        ..SendOptions::default()
    };
    let arena = P::arena(message.stride() * SLOTS as usize, Pages::NORMAL).unwrap();
    let mut path = P::open(client, arena, &message, &options).unwrap();
    let (mut slots, mut tally) = (Slots::new(SLOTS), SendTally::default());
    let send = |path: &mut P, slots: &mut Slots, tally: &mut SendTally| {
        slots.hand_over(|slot, slots| SendPath::submit(path, slot, slots, tally)).unwrap();
    };
    // The first one's alone: those that nobody has read yet grow into one.
    send(&mut path, &mut slots, &mut tally);
    let mut space = ErrorQueueSpace::new();
    wait_until("a notification", || thief.read_error_queue(&mut space).unwrap().is_some());
    for _ in 1..SLOTS {
        send(&mut path, &mut slots, &mut tally);
    }
    let others = tally.zerocopy_sends - 1;
    wait_until("the others", || {
        path.reap(Wait::Never, &mut slots, &mut tally).unwrap();
        tally.completed == others
    });
    assert_eq!(slots.held(), 1, "nobody has said that it may be used again");
    // Nothing was read, so that the connection is reset.
    drop(server);
    let last = path.reap(Wait::All, &mut slots, &mut tally);
    assert!(last.is_err(), "it waits for what is lost until the connection dies");
    assert_eq!(slots.held(), 1);
    assert_eq!((tally.completed, tally.stray_ids), (others, 0), "law 3 tells of it");
}

#[test]
fn a_notification_that_somebody_else_took_is_waited_for_until_the_connection_dies() {
    lose_a_notification::<Zerocopy>();
    lose_a_notification::<Hybrid>();
}
