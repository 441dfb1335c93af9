//! Ends that meet strangers, die, hang or are stopped.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use engine::protocol::{Meet, Order, Reply, Report, Role, Times};
use kernel::socket::Socket;
use model::record::{FailureKind, Outcome};
use model::{Cell, Nanos};

use crate::common::{
    OrderedEnd, PATIENCE, engine_with, from_now, in_windows, order, prepare, sleep_until_ms,
    this_program, wait_until,
};

pub(crate) fn strangers() {
    let cell = Cell::default();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut receiver = OrderedEnd::start(|_| {});
    receiver.order(&prepare(&cell, Role::Receive, Meet::Listen(any.into())));
    let Reply::Listening(address) = receiver.reply() else { panic!("it does not listen") };
    // One that knows no token, one that says nothing, one that claims a flow that is not there.
    let knock = |words: &[u8]| {
        let socket = Socket::stream(address).unwrap();
        socket.connect(address, PATIENCE).unwrap();
        if !words.is_empty() {
            socket.write_all(words, Instant::now() + PATIENCE).unwrap();
        }
        socket
    };
    let wrong = knock(&[9; 20]);
    let silent = knock(&[]);
    let beyond = knock(&[[3; 16].as_slice(), &[0, 0, 0, 7]].concat());
    let mut sender = OrderedEnd::start(|_| {});
    sender.order(&prepare(&cell, Role::Send, Meet::Connect(address)));
    assert_eq!(sender.reply(), Reply::Ready);
    assert_eq!(receiver.reply(), Reply::Ready);
    let times = from_now(5, 30, 5, Nanos::s(120));
    receiver.order(&Order::Run(times));
    sender.order(&Order::Run(times));
    let Report::Received { side, .. } = receiver.finished() else { panic!("wrong report") };
    let Report::Sent { side: sent, .. } = sender.finished() else { panic!("wrong report") };
    assert_eq!(side.strangers, 3);
    assert_eq!(
        side.total.received_bytes, sent.total.accepted_bytes,
        "no stranger's byte is counted"
    );
    for stranger in [wrong, silent, beyond] {
        let mut byte = [0];
        let refused = stranger.read_exact(&mut byte, Instant::now() + PATIENCE);
        assert!(refused.is_err(), "the stranger was let in");
    }
}

pub(crate) fn outlasted() {
    let cell: Cell = "send=sendmsg message_bytes=4096 threads=2".parse().unwrap();
    let mut receiver = OrderedEnd::start(|_| {});
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into();
    receiver.order(&prepare(&cell, Role::Receive, Meet::Listen(anywhere)));
    let Reply::Listening(address) = receiver.reply() else { panic!("it does not listen") };
    let mut sender = OrderedEnd::start(|_| {});
    sender.order(&prepare(&cell, Role::Send, Meet::Connect(address)));
    assert_eq!((sender.reply(), receiver.reply()), (Reply::Ready, Reply::Ready));
    let times = |window_ms| Times {
        start_ns: None,
        warmup_ns: Nanos::ms(5),
        window_ns: Nanos::ms(window_ms),
        tail_ns: Nanos::ms(5),
        drain_ns: Nanos::s(60),
    };
    receiver.order(&Order::Run(times(1500)));
    assert_eq!(receiver.reply(), Reply::Ready);
    // Its own window is over long before the receiver's, and nobody has told it to stop.
    sender.order(&Order::Run(times(20)));
    assert_eq!(receiver.reply(), Reply::WindowOver);
    sender.order(&Order::Finish);
    receiver.order(&Order::Finish);
    let Report::Received { side, .. } = receiver.finished() else { panic!("wrong report") };
    let Report::Sent { side: sent, .. } = sender.finished() else { panic!("wrong report") };
    assert_eq!(side.total.received_bytes, sent.total.accepted_bytes);
    for worker in &side.workers {
        assert!(worker.bytes.0 > 0, "{worker:?}");
    }
}

/// A program whose `end` behaves in another way.
fn misbehaving(mode: &str, directory: &Path) -> PathBuf {
    let script = directory.join(mode);
    let text = format!("#!/bin/sh\nexec '{}' {mode}\n", this_program().display());
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    script
}

fn failure(mode: &str, window_ms: u64) -> model::record::Failure {
    let directory = tempfile::tempdir().unwrap();
    let mut engine = engine_with(&misbehaving(mode, directory.path()));
    let order = order("send=sendmsg message_bytes=4096 threads=1", window_ms);
    match engine.trial(&order).unwrap() {
        (_, Outcome::Failed(failure)) => failure,
        (_, Outcome::Finished(_) | Outcome::Imported(_)) => panic!("{mode}: the trial went well"),
    }
}

pub(crate) fn an_end_dies() {
    let failure = failure("end-that-dies", 5_000);
    assert!(matches!(failure.kind, FailureKind::EndLost | FailureKind::CallFailed), "{failure:?}");
    if failure.kind == FailureKind::EndLost {
        assert!(failure.why.contains("I have seen enough"), "{}", failure.why);
    }
}

pub(crate) fn ends_of_two_boots() {
    let failure = failure("end-of-another-boot", 50);
    assert_eq!(failure.kind, FailureKind::EndLost);
    assert!(failure.why.contains("have no common clock"), "{}", failure.why);
}

pub(crate) fn an_end_prints() {
    let failure = failure("end-that-prints", 50);
    assert_eq!(failure.kind, FailureKind::EndLost);
    assert!(failure.why.contains("Welcome to this machine!"), "{}", failure.why);
}

pub(crate) fn an_end_hangs() {
    let failure = failure("end-that-hangs", 50);
    assert_eq!(failure.kind, FailureKind::EndLost);
    assert!(failure.why.contains("did not answer in time while greeting"), "{}", failure.why);
}

fn children_of(parent: u32) -> Vec<u32> {
    let mut children = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(status) = std::fs::read_to_string(entry.path().join("status")) else { continue };
        if status
            .lines()
            .any(|line| line.strip_prefix("PPid:").is_some_and(|p| p.trim() == parent.to_string()))
        {
            children.push(pid);
        }
    }
    children
}

fn is_alive(pid: u32) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Err(_) => false,
        // A zombie is dead; somebody else has to bury it.
        Ok(stat) => !stat.rsplit(')').next().unwrap_or("").trim_start().starts_with('Z'),
    }
}

pub(crate) fn the_engine_is_killed() {
    let mut engine = Command::new(this_program()).arg("engine").spawn().unwrap();
    let mut ends = Vec::new();
    wait_until("the start of both ends", || {
        ends = children_of(engine.id());
        ends.len() == 2
    });
    engine.kill().unwrap();
    engine.wait().unwrap();
    wait_until("the leaving of both ends", || ends.iter().all(|end| !is_alive(*end)));
}

fn signal(name: &str, process: u32) {
    let sent = Command::new("kill").args(["-s", name, &process.to_string()]).status().unwrap();
    assert!(sent.success());
}

/// CPU time that an end has taken so far.
fn cpu_ns(end: &OrderedEnd) -> u64 {
    kernel::clock::cpu_ns_of(end.id()).unwrap()
}

pub(crate) fn stopped_ends() {
    for stops_the_sender in [true, false] {
        in_windows("a stop within the window", 500, |window_ms| {
            stop_in(window_ms, stops_the_sender)
        });
    }
}

/// Stops an end while it measures and continues it; none where that came too late, because the CPUs were others'.
fn stop_in(window_ms: u64, stops_the_sender: bool) -> Option<()> {
    let cell: Cell = "send=sendmsg message_bytes=4096 threads=1".parse().unwrap();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut receiver = OrderedEnd::start(|_| {});
    receiver.order(&prepare(&cell, Role::Receive, Meet::Listen(any.into())));
    let Reply::Listening(address) = receiver.reply() else { panic!("it does not listen") };
    let mut sender = OrderedEnd::start(|_| {});
    sender.order(&prepare(&cell, Role::Send, Meet::Connect(address)));
    assert_eq!((sender.reply(), receiver.reply()), (Reply::Ready, Reply::Ready));
    let before = [cpu_ns(&sender), cpu_ns(&receiver)];
    let times = from_now(50, window_ms, 50, Nanos::s(120));
    receiver.order(&Order::Run(times));
    sender.order(&Order::Run(times));
    sleep_until_ms(&times, 200);
    // Under load, which takes far more CPU time than reading an order does; or too late.
    let is_loaded = |end: &OrderedEnd, before| cpu_ns(end) > before + 20_000_000;
    let window_end_ns = times.start_ns.unwrap() + Nanos::ms(50 + window_ms).0;
    let is_late = || kernel::clock::monotonic_ns() > window_end_ns;
    wait_until("the load", || {
        is_late() || (is_loaded(&sender, before[0]) && is_loaded(&receiver, before[1]))
    });
    let (stopped, other) =
        if stops_the_sender { (&mut sender, &mut receiver) } else { (&mut receiver, &mut sender) };
    signal("STOP", stopped.id());
    let was_late = is_late();
    std::thread::sleep(Duration::from_millis(60));
    signal("CONT", stopped.id());
    let reply = stopped.reply();
    if was_late && matches!(reply, Reply::Finished(_)) {
        return None;
    }
    let Reply::Failed { kind, why } = reply else { panic!("{reply:?}") };
    assert_eq!(kind, FailureKind::EndLost);
    assert!(why.contains("stopped and continued while it measured"), "{why}");
    assert!(matches!(other.reply(), Reply::Finished(_)), "the other end knows nothing of it");
    // What it measures next counts again.
    stopped.order(&prepare(&cell, Role::Receive, Meet::Listen(any.into())));
    assert!(matches!(stopped.reply(), Reply::Listening(_)));
    Some(())
}
