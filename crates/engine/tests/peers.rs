//! Ends whose peer misbehaves: plain sockets that show the token and then reset, stall, half-close or babble. Every trial ends with a
//! reason or with a figure that holds, and what arrives is what was sent. This test program is its own end.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop where it stands, and say what it skips"
)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use engine::content::{Checked, Content, Pattern};
use engine::protocol::{Among, Meet, Order, Prepare, Reply, Report, Role, Times};
use model::record::{ReceiveTally, SendTally, Side};
use model::values::CopyBelow;
use model::{Cell, Completions, Nanos, SendPath};

mod common;

use common::{
    OrderedEnd, Test, await_unread, from_now, has_ended, in_windows, run_tests, sleep_until_ms,
};

const TOKEN: [u8; 16] = [3; 16];
/// A drain that nothing outlasts but what hangs.
const LONG: Nanos = Nanos::s(120);

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("end") {
        return engine::end::main();
    }
    let tests: [Test; 12] = [
        ("a_reset_in_the_warm_up_or_the_window_is_the_reason_on_every_path", reset_under_load),
        ("a_reset_in_the_drain_is_told_although_all_was_accepted", reset_in_the_drain),
        ("a_peer_that_reads_everything_and_stays_is_told_so", stays_open),
        ("a_peer_that_never_reads_meets_the_deadline_on_every_path", zero_window),
        ("a_peer_that_has_shut_its_receiving_side_is_one_that_never_reads", shut_read),
        ("a_peer_that_reads_a_byte_a_second_is_told_as_slow", one_byte_a_second),
        ("a_peer_that_stalls_and_then_reads_gets_everything", stalls_and_reads),
        ("a_half_closed_peer_that_reads_on_gets_everything_on_every_path", half_closed),
        ("a_peer_that_reads_single_bytes_gets_everything", single_bytes),
        ("a_receiver_takes_segments_of_one_byte_as_they_were_sent", one_byte_segments),
        ("a_receiver_tells_resets_ends_and_silence_apart", bad_senders),
        ("a_receiver_counts_what_nobody_sent_as_wrong", wrong_content),
    ];
    run_tests(&tests, None)
}

/// Every way to send: each path, and where completions can be left unread, that too.
fn ways_to_send(more: &str) -> Vec<Cell> {
    let mut cells = Vec::new();
    for path in SendPath::ALL {
        let cell: Cell =
            format!("send={path} message_bytes=4096 threads=1 ring=8{more}").parse().unwrap();
        if path.capabilities().may_copy_instead() {
            cells.push(Cell { completions: Completions::Left, ..cell.clone() });
        }
        if path.capabilities().copies_short_fields {
            let copy_below = CopyBelow::new(0).unwrap();
            cells.push(Cell { copy_below, ..cell.clone() });
        }
        cells.push(cell);
    }
    assert!(cells.len() > SendPath::ALL.len(), "no path that notifies");
    cells
}

/// A warm-up of 40 ms, the window, and a tail of 20 ms, from this moment on.
fn times(window_ms: u64, drain: Nanos) -> Times {
    from_now(40, window_ms, 20, drain)
}

fn order(cell: &Cell, role: Role, meet: Meet) -> Order {
    Order::Prepare(Box::new(Prepare {
        role,
        cell: cell.clone(),
        meet,
        token: TOKEN,
        worker_cpus: Vec::new(),
        poller_cpus: Vec::new(),
        congestion: String::new(),
        machine_cpus: Vec::new(),
        // What is left unread does not tell when a message may be written anew.
        check: cell.completions == Completions::Read,
        windows: 1,
        among: Among::alone(cell),
    }))
}

/// An end that sends, as a server by hand does, and the peer that came to it.
fn sender(cell: &Cell) -> (OrderedEnd, TcpStream) {
    let mut end = OrderedEnd::start(|_| {});
    end.order(&order(
        cell,
        Role::Send,
        Meet::Listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()),
    ));
    let Reply::Listening(address) = end.reply() else { panic!("it does not listen") };
    let mut peer = TcpStream::connect(address.inet().unwrap()).unwrap();
    peer.write_all(&[TOKEN.as_slice(), &[0; 4]].concat()).unwrap();
    assert_eq!(end.reply(), Reply::Ready);
    (end, peer)
}

/// An end that receives, and the peer to which it came. What it said first lies unread: a close is a reset.
fn receiver(cell: &Cell) -> (OrderedEnd, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let mut end = OrderedEnd::start(|_| {});
    end.order(&order(cell, Role::Receive, Meet::Connect(address.into())));
    let (peer, _) = listener.accept().unwrap();
    assert_eq!(end.reply(), Reply::Ready);
    assert!(await_unread(&peer, 20), "it has not said who it is");
    peer.set_nodelay(true).unwrap();
    (end, peer)
}

fn sent(reply: &Reply, cell: &Cell) -> Side<SendTally> {
    if let Reply::Finished(report) = reply
        && let Report::Sent { side, .. } = &**report
    {
        return side.clone();
    }
    panic!("{cell}: {reply:?}")
}

fn received(reply: &Reply) -> Side<ReceiveTally> {
    if let Reply::Finished(report) = reply
        && let Report::Received { side, .. } = &**report
    {
        return side.clone();
    }
    panic!("{reply:?}")
}

fn reason(reply: Reply, what: &str) -> String {
    if let Reply::Failed { why, .. } = reply {
        return why;
    }
    panic!("{what}: {reply:?}")
}

fn assert_part(why: &str, parts: &[&str], what: &str) {
    assert!(parts.iter().any(|part| why.contains(part)), "{what}: {why}");
}

/// The messages of a connection that died under a call, whichever call it was.
const DIED: [&str; 2] = ["Connection reset by peer", "Broken pipe"];

/// Reads to the end, `at_once` bytes a call, and closes. Returns how many bytes came and how many are not what the pattern says.
fn read_all(mut peer: TcpStream, at_once: usize, cell: &Cell) -> (u64, u64) {
    let pattern = Pattern::new(&TOKEN, 0);
    let mut content = if cell.send_path.capabilities().tells_release() {
        Checked::new(pattern)
    } else {
        let slots = u64::from(cell.ring.slots(cell.message));
        Checked::repeating(pattern, slots * cell.message.bytes().0)
    };
    let mut tally = ReceiveTally::default();
    let mut buffer = vec![0; at_once];
    loop {
        match peer.read(&mut buffer).unwrap() {
            0 => return (tally.checked_bytes, tally.wrong_bytes),
            count => content.take(&buffer[..count], &mut tally),
        }
    }
}

fn assert_whole(side: &Side<SendTally>, (read, wrong): (u64, u64), cell: &Cell) {
    let total = &side.total;
    assert_eq!(total.accepted_bytes, read, "{cell}");
    assert_eq!(total.accepted_bytes, total.messages * cell.message.bytes().0, "{cell}");
    assert_eq!((total.zerocopy_sends, total.stray_ids), (total.completed, 0), "{cell}");
    if cell.completions == Completions::Read {
        assert_eq!(wrong, 0, "{cell}");
    }
}

/// Reads for so long. Then what comes lies unread, and a close is a reset.
fn read_for(peer: &mut TcpStream, time: Duration) {
    let until = std::time::Instant::now() + time;
    let mut buffer = [0; 65_536];
    while std::time::Instant::now() < until {
        assert!(peer.read(&mut buffer).unwrap() > 0, "the sender ended");
    }
}

fn reset_under_load() {
    for after_ms in [5, 300] {
        for cell in ways_to_send("") {
            let (mut end, mut peer) = sender(&cell);
            // It is over with the reset.
            end.order(&Order::Run(times(60_000, LONG)));
            read_for(&mut peer, Duration::from_millis(after_ms));
            drop(peer);
            let what = format!("{cell}, reset after {after_ms} ms");
            let why = reason(end.reply(), &what);
            assert_part(&why, &DIED, &what);
            assert!(why.contains("bytes)"), "{what}: {why}");
        }
    }
}

fn reset_in_the_drain() {
    for cell in ways_to_send("") {
        let why = in_windows(&cell.to_string(), 50, |window_ms| {
            let (mut end, mut peer) = sender(&cell);
            let times = times(window_ms, LONG);
            end.order(&Order::Run(times));
            // The rest lies acknowledged and unread when it closes, or has not even been sent.
            let came = peer.read(&mut [0]).unwrap();
            sleep_until_ms(&times, window_ms + 300);
            drop(peer);
            (came > 0).then(|| reason(end.reply(), &cell.to_string()))
        });
        assert_part(&why, &DIED, &cell.to_string());
    }
    // All that was sent fits into the buffers: the sender is done, and nothing but the reset is left to be seen.
    let cell: Cell = "send=sendmsg message_bytes=64 fields=8 threads=1".parse().unwrap();
    let ms = Nanos::ms;
    let (warmup_ns, window_ns, tail_ns) = (ms(2), ms(5), ms(1));
    let short = Times { start_ns: None, warmup_ns, window_ns, tail_ns, drain_ns: LONG };
    let reset = || {
        let (mut end, mut peer) = sender(&cell);
        end.order(&Order::Run(short));
        end.order(&Order::Finish);
        let came = peer.read(&mut [0]).unwrap();
        thread::sleep(Duration::from_millis(300));
        drop(peer);
        (came > 0).then(|| reason(end.reply(), "all fits"))
    };
    // Where others crowd the CPUs the sender may not have had its turn, or one in which it filled the buffers.
    let is_in_drain = |why: &String| why.contains("died in the drain: Connection reset by peer");
    let mut tries = Vec::new();
    while !tries.last().is_some_and(is_in_drain) {
        tries.extend(reset());
        assert!(tries.len() < 30, "{tries:?}");
    }
}

fn stays_open() {
    let cell = "send=sendmsg message_bytes=4096 threads=1 sndbuf=16384".parse().unwrap();
    let why = at_the_deadline(
        &cell,
        |peer| {
            let mut buffer = [0; 65_536];
            while peer.read(&mut buffer).is_ok_and(|read| read > 0) {}
        },
        // It has read everything, and not at the last moment.
        |_, through_ns, deadline_ns| through_ns + 200_000_000 < deadline_ns,
    );
    assert!(why.contains("has not ended 1 of 1 connections; it must read to the end"), "{why}");
}

/// What the trial says when its own deadline comes first. Where the CPUs were others' it may not have come to what it `shows`, and
/// gets longer: of a peer it is told the moment when that was through with what it does, and the deadline.
fn at_the_deadline(
    cell: &Cell,
    behave: fn(&mut TcpStream),
    shows: fn(&TcpStream, u64, u64) -> bool,
) -> String {
    let why = (0..4).find_map(|n| {
        let (mut end, mut peer) = sender(cell);
        let times = times(250 << (3 * n), Nanos::s(1 << (2 * n)));
        let Times { start_ns, warmup_ns, window_ns, tail_ns, drain_ns } = times;
        let deadline_ns = start_ns.unwrap() + warmup_ns.0 + window_ns.0 + tail_ns.0 + drain_ns.0;
        end.order(&Order::Run(times));
        let peer = thread::spawn(move || {
            behave(&mut peer);
            (peer, kernel::clock::monotonic_ns())
        });
        let why = reason(end.reply(), &cell.to_string());
        // Until here it stays.
        let (peer, through_ns) = peer.join().unwrap();
        // The end is as good as new.
        end.order(&order(
            cell,
            Role::Send,
            Meet::Listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()),
        ));
        assert!(matches!(end.reply(), Reply::Listening(_)), "{cell}");
        assert!(why.contains(&format!("the drain was not over {drain_ns}")), "{cell}: {why}");
        shows(&peer, through_ns, deadline_ns).then_some(why)
    });
    why.unwrap_or_else(|| panic!("{cell}: in none of four trials"))
}

/// Whether more was sent than the buffers hold: what follows them, the end at least, has not come.
fn are_buffers_full(peer: &TcpStream, _: u64, _: u64) -> bool {
    !has_ended(peer)
}

fn zero_window() {
    for cell in ways_to_send("") {
        let why = at_the_deadline(&cell, |_| {}, are_buffers_full);
        for part in ["has not taken", "the window of 1 of 1"] {
            assert!(why.contains(part), "{cell}: {why}");
        }
    }
}

fn shut_read() {
    for cell in ways_to_send("") {
        let shut = |peer: &mut TcpStream| peer.shutdown(Shutdown::Read).unwrap();
        let why = at_the_deadline(&cell, shut, are_buffers_full);
        assert!(why.contains("the window of 1 of 1 connections is shut"), "{cell}: {why}");
    }
}

fn one_byte_a_second() {
    let cells = ways_to_send("");
    let read_slowly = |peer: &mut TcpStream| {
        for _ in 0..2 {
            let _ = peer.read(&mut [0]);
            thread::sleep(Duration::from_secs(1));
        }
    };
    let why = at_the_deadline(&cells[0], read_slowly, are_buffers_full);
    assert!(why.contains("the other end has not taken"), "{why}");
}

/// Sends to a peer, which is told its times, until something came to it; all of it must have come.
fn assert_delivers(cell: &Cell, peer_reads: impl Fn(TcpStream, &Times) -> (u64, u64)) {
    in_windows(&cell.to_string(), 60, |window_ms| {
        let (mut end, peer) = sender(cell);
        let times = times(window_ms, LONG);
        end.order(&Order::Run(times));
        let read = peer_reads(peer, &times);
        let side = sent(&end.reply(), cell);
        assert_whole(&side, read, cell);
        // Where it filled the buffers in the warm-up it then waited in one call, and of the window nothing is told.
        let worker = &side.workers[0];
        assert!(worker.window_ns.0 > 0 || worker.bytes.0 == 0, "{cell}: {worker:?}");
        (read.0 > 0).then_some(())
    });
}

fn stalls_and_reads() {
    for cell in ways_to_send(" sndbuf=16384") {
        assert_delivers(&cell, |peer, times| {
            sleep_until_ms(times, times.window_ns.0 / 1_000_000 + 340);
            read_all(peer, 65_536, &cell)
        });
    }
}

fn half_closed() {
    for cell in ways_to_send("") {
        assert_delivers(&cell, |mut peer, _| {
            // It says more than it should, and then that it will say nothing more.
            peer.write_all(&[7; 10_000]).unwrap();
            peer.shutdown(Shutdown::Write).unwrap();
            read_all(peer, 65_536, &cell)
        });
    }
}

fn single_bytes() {
    for cell in ways_to_send(" sndbuf=16384") {
        assert_delivers(&cell, |peer, _| read_all(peer, 1, &cell));
    }
}

/// Cells of a receiver that takes by a call of its own, and of one to which the kernel posts what it took.
fn ways_to_receive() -> Vec<Cell> {
    let mut cells = Vec::new();
    for path in [model::ReceivePath::Recv, model::ReceivePath::UringRecv] {
        match engine::receive_paths::supported(path) {
            Ok(()) => cells.push(
                format!("send=send recv={path} message_bytes=4096 threads=1").parse().unwrap(),
            ),
            Err(why) => eprintln!("skipped {path}: {why}"),
        }
    }
    cells
}

fn one_byte_segments() {
    ways_to_receive().iter().for_each(one_byte_segments_to);
}

fn one_byte_segments_to(cell: &Cell) {
    let mut stream = vec![0; 20_000];
    Pattern::new(&TOKEN, 0).write(0, &mut stream);
    in_windows("one byte a segment", 200, |window_ms| {
        let (mut end, mut peer) = receiver(cell);
        let times = times(window_ms, LONG);
        end.order(&Order::Run(times));
        let until_ns = times.start_ns.unwrap() + 2 * times.window_ns.0;
        let is_over = || kernel::clock::monotonic_ns() >= until_ns;
        let mut sent = 0;
        for byte in stream.chunks(1).take_while(|_| !is_over()) {
            peer.write_all(byte).unwrap();
            sent += 1;
            thread::sleep(Duration::from_micros(window_ms / 4));
        }
        // What had been left unread would make the close a reset.
        peer.read_exact(&mut [0; 20]).unwrap();
        kernel::clock::sleep_until_ns(until_ns);
        drop(peer);
        let side = received(&end.reply());
        assert_eq!((side.total.received_bytes, side.total.wrong_bytes), (sent, 0));
        assert_eq!(side.total.checked_bytes, sent);
        (side.window.received_bytes > 0 && side.workers[0].window_ns.0 > 0).then_some(())
    });
}

fn bad_senders() {
    ways_to_receive().iter().for_each(bad_senders_to);
}

fn bad_senders_to(cell: &Cell) {
    let run = |window_ms: u64, drain: Nanos, behave: &dyn Fn(&mut TcpStream)| {
        let (mut end, mut peer) = receiver(cell);
        end.order(&Order::Run(times(window_ms, drain)));
        behave(&mut peer);
        let why = reason(end.reply(), &format!("a bad sender to {cell}"));
        drop(peer);
        why
    };
    let wait = |ms| thread::sleep(Duration::from_millis(ms));
    let replaced = |peer: &mut TcpStream| {
        // Closing the only handle while what it was told lies unread resets the connection.
        let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        *peer = TcpStream::connect(other.local_addr().unwrap()).unwrap();
    };
    for after_ms in [10, 150, 700] {
        let why = run(300, LONG, &|peer| {
            peer.write_all(&[1; 64]).unwrap();
            wait(after_ms);
            replaced(peer);
        });
        let parts = ["receiving: Connection reset by peer", "(after 64 bytes)"];
        assert!(parts.iter().all(|part| why.contains(part)), "after {after_ms} ms: {why}");
    }
    for after_ms in [10, 150] {
        // It is over with the end.
        let why = run(60_000, LONG, &|peer| {
            peer.write_all(&[1; 64]).unwrap();
            wait(after_ms);
            peer.shutdown(Shutdown::Write).unwrap();
        });
        assert!(why.contains("ended before the window did (after 64 bytes)"), "{why}");
    }
    let soon = Nanos::s(1);
    let why = run(300, soon, &|_| {});
    for part in
        ["the drain was not over 1s", "has not ended 1 of 1 connections", "the last bytes came"]
    {
        assert!(why.contains(part), "{why}");
    }
    // One that never stops.
    let why = run(300, soon, &|peer| {
        peer.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
        while peer.write_all(&[1; 65_536]).is_ok() {}
    });
    assert!(why.contains("must stop in time"), "{why}");
    let why = run(300, soon, &|peer| {
        while peer.write_all(&[1]).is_ok() {
            wait(1000);
        }
    });
    assert!(why.contains("has not ended 1 of 1 connections"), "{why}");
}

fn wrong_content() {
    ways_to_receive().iter().for_each(wrong_content_to);
}

fn wrong_content_to(cell: &Cell) {
    let (mut end, mut peer) = receiver(cell);
    let times = times(60, LONG);
    end.order(&Order::Run(times));
    let mut stream = vec![0; 4096];
    Pattern::new(&TOKEN, 0).write(0, &mut stream);
    stream[77] ^= 1;
    peer.write_all(&stream).unwrap();
    sleep_until_ms(&times, 300);
    peer.read_exact(&mut [0; 20]).unwrap();
    drop(peer);
    let side = received(&end.reply());
    assert_eq!((side.total.wrong_bytes, side.total.first_wrong), (1, Some(77)));
}
