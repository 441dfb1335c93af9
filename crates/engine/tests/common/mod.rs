//! What the tests of whole trials share: engines and orders, and ends that a test orders about itself.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop where it stands, and say what it skips"
)]
#![allow(dead_code, reason = "each test program uses its part")]

pub(crate) mod by_hand;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use engine::protocol::{Among, Meet, Order, PROTOCOL, Prepare, Reply, Report, Role, Times};
use engine::{Engine, EngineOptions, Interrupts, SeriesOrder, SliceTimes, TrialOrder};
use kernel::socket::{Address, Arrival, Socket};
use libtest_mimic::{Arguments, Failed, Trial};
use model::record::{Finished, Outcome, Settings, Span, Worker};
use model::{Cell, Nanos};

/// Far longer than anything here takes, however crowded the machine: only what hangs meets it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// What the token of every trial that a test orders is made of.
pub(crate) const TOKEN_BYTE: u8 = 3;

/// Windows that are tried until the ends had their turn in one, each eight times as long as the one before it.
const WINDOWS: u32 = 4;

/// What comes of the first window that shows something. Where others crowd the CPUs an end may sleep through a short one: then it
/// has done nothing wrong, and a longer one is tried.
pub(crate) fn in_windows<T>(
    what: &str,
    shortest_ms: u64,
    mut run: impl FnMut(u64) -> Option<T>,
) -> T {
    let windows = (0..WINDOWS).map(|n| shortest_ms << (3 * n));
    let longest_ms = shortest_ms << (3 * (WINDOWS - 1));
    windows.into_iter().find_map(&mut run).unwrap_or_else(|| {
        panic!("{what}: nothing in {WINDOWS} windows, the last of {longest_ms} ms")
    })
}

/// Waits for something that must come.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The times of a trial that begins at this moment, whenever its ends come to read them: one that got no CPU meanwhile begins late
/// and ends with the others.
pub(crate) fn from_now(warmup_ms: u64, window_ms: u64, tail_ms: u64, drain: Nanos) -> Times {
    Times {
        start_ns: Some(kernel::clock::monotonic_ns()),
        warmup_ns: Nanos::ms(warmup_ms),
        window_ns: Nanos::ms(window_ms),
        tail_ns: Nanos::ms(tail_ms),
        drain_ns: drain,
    }
}

/// Sleeps until so long after the start of a trial.
pub(crate) fn sleep_until_ms(times: &Times, after_start_ms: u64) {
    kernel::clock::sleep_until_ns(times.start_ns.unwrap() + Nanos::ms(after_start_ms).0);
}

/// What the kernel knows of a connection of the test's.
fn tcp_state(peer: &TcpStream) -> u8 {
    let handle = Socket::from(OwnedFd::from(peer.try_clone().unwrap()));
    handle.tcp_info().unwrap().state.unwrap()
}

/// Whether the other end has ended its direction and everything before that lies here (CLOSE-WAIT), or there is no connection any
/// more (net/tcp_states.h).
pub(crate) fn has_ended(peer: &TcpStream) -> bool {
    [7, 8].contains(&tcp_state(peer))
}

/// Waits until so many bytes lie unread; false where the connection ends before.
pub(crate) fn await_unread(peer: &TcpStream, bytes: usize) -> bool {
    let mut unread = vec![0; bytes];
    let mut count = 0;
    wait_until("what the other end says", || {
        let has_ended = has_ended(peer);
        // The first byte is waited for, so that this ends where nothing comes.
        count = peer.peek(&mut unread).unwrap_or(0);
        count == bytes || has_ended || count == 0
    });
    count == bytes
}

/// A test's name as a sentence, and what it does.
pub(crate) type Test = (&'static str, fn());

/// Runs a program's tests one after the other: trials side by side would disturb each other's deadlines. Where this
/// machine refuses what they are about, each says so instead.
pub(crate) fn run_tests(tests: &[Test], refused: Option<String>) -> ExitCode {
    let trials = tests.iter().map(|&(name, test)| {
        let refused = refused.clone();
        Trial::test(name, move || {
            match refused {
                Some(why) => eprintln!("skipped: {why}"),
                None => test(),
            }
            Ok::<(), Failed>(())
        })
    });
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// Why this machine has no sink for these tests.
pub(crate) fn sink_refused() -> Option<String> {
    let supported = kernel::netns::Namespace::create().and_then(|_| kernel::sink::supported());
    let cpus = kernel::cpu::allowed().unwrap().cpus().len();
    match supported {
        Err(why) => Some(why.to_string()),
        Ok(()) if cpus < 2 => Some("the sink's helper needs a CPU beside the senders'".to_owned()),
        Ok(()) => None,
    }
}

pub(crate) fn this_program() -> PathBuf {
    std::env::current_exe().unwrap()
}

/// An engine whose ends are this program's, started with `end`.
pub(crate) fn engine() -> Engine {
    engine_with(&this_program())
}

pub(crate) fn engine_with(program: &Path) -> Engine {
    let interrupts = Interrupts::install().unwrap();
    Engine::new(EngineOptions { program: program.to_path_buf(), interrupts, peer: None }).unwrap()
}

pub(crate) fn order(cell: &str, window_ms: u64) -> TrialOrder {
    TrialOrder {
        cell: cell.parse().unwrap(),
        window: Nanos::ms(window_ms),
        warmup: Nanos::ms(20),
        tail: Nanos::ms(5),
    }
}

pub(crate) fn finished(outcome: Outcome, cell: &str) -> Finished {
    match outcome {
        Outcome::Finished(finished) => *finished,
        Outcome::Failed(failure) => panic!("{cell}: {}", failure.why),
        Outcome::Imported(_) => panic!("{cell}: nothing was measured"),
    }
}

/// Runs a trial that must go well.
pub(crate) fn trial(engine: &mut Engine, cell: &str, window_ms: u64) -> Finished {
    let (_, outcome) = engine.trial(&order(cell, window_ms)).unwrap();
    finished(outcome, cell)
}

/// The same, whose content is checked.
pub(crate) fn checked_trial(engine: &mut Engine, cell: &str, window_ms: u64) -> Finished {
    let (_, outcome) = engine.checked_trial(&order(cell, window_ms)).unwrap();
    finished(outcome, cell)
}

/// The same in a window in which both ends moved bytes.
pub(crate) fn trial_in_window(engine: &mut Engine, cell: &str, window_ms: u64) -> Finished {
    in_windows(cell, window_ms, |ms| Some(trial(engine, cell, ms)).filter(has_moved))
}

/// Whether both ends had their turn in the window.
pub(crate) fn has_moved(finished: &Finished) -> bool {
    finished.sender.window.messages > 0 && finished.receiver.window.received_bytes > 0
}

/// So many turns of these cells, every second one the other way round.
pub(crate) fn series(cells: &[&str], turns: usize, steady_ms: Option<u64>) -> SeriesOrder {
    let cells: Vec<Cell> = cells.iter().map(|cell| cell.parse().unwrap()).collect();
    let there: Vec<usize> = (0..cells.len()).collect();
    let back: Vec<usize> = there.iter().rev().copied().collect();
    let turn = |n: usize| if n.is_multiple_of(2) { there.clone() } else { back.clone() };
    SeriesOrder {
        slice: SliceTimes { settle: Nanos::ms(2), window: Nanos::ms(4) },
        warmup_turns: (0..2).map(turn).collect(),
        warmup_window: Nanos::ms(3),
        turns: (0..turns).map(turn).collect(),
        steady: steady_ms.map(|ms| (Nanos::ms(ms), turn(0))),
        cells,
    }
}

pub(crate) fn measure_series(order: &SeriesOrder) -> Vec<(Settings, Finished)> {
    let outcomes = engine().series(order).unwrap();
    let finished = |(cell, outcome): (&Cell, Option<_>)| match outcome {
        Some((settings, Outcome::Finished(finished))) => (settings, *finished),
        other => panic!("{cell}: {other:?}"),
    };
    order.cells.iter().zip(outcomes).map(finished).collect()
}

/// What holds of a worker's slices, whatever the machine was busy with.
pub(crate) fn assert_sums(worker: &Worker, turns: usize) {
    assert_eq!(worker.slices.len(), turns);
    let sum = |of: fn(&Span) -> u64| worker.slices.iter().map(|span| of(&span)).sum::<u64>();
    assert_eq!(worker.window_ns.0, sum(|span| span.window_ns));
    assert_eq!(worker.bytes.0, sum(|span| span.bytes));
    assert_eq!(worker.cpu_ns.0, sum(|span| span.cpu_ns));
    assert_eq!(worker.third_bytes.iter().sum::<u64>(), worker.bytes.0);
}

/// The order to prepare a trial of a cell, as these tests give it to both ends.
pub(crate) fn prepare(cell: &Cell, role: Role, meet: Meet) -> Order {
    Order::Prepare(Box::new(Prepare {
        role,
        cell: cell.clone(),
        meet,
        token: [TOKEN_BYTE; 16],
        worker_cpus: Vec::new(),
        poller_cpus: Vec::new(),
        congestion: String::new(),
        machine_cpus: Vec::new(),
        check: false,
        windows: 1,
        among: Among::alone(cell),
    }))
}

/// An end that the test gives its orders.
pub(crate) struct OrderedEnd {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl OrderedEnd {
    /// Starts and greets it; `place` may move it, e.g. into a namespace.
    pub(crate) fn start(place: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(this_program());
        command.arg("end").stdin(Stdio::piped()).stdout(Stdio::piped());
        place(&mut command);
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut end = Self { child, output };
        end.order(&Order::Hello { protocol: PROTOCOL });
        assert!(matches!(end.reply(), Reply::Hello { .. }));
        end
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn order(&mut self, order: &Order) {
        let line = serde_json::to_string(order).unwrap();
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    pub(crate) fn reply(&mut self) -> Reply {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    pub(crate) fn finished(&mut self) -> Report {
        let reply = self.reply();
        let Reply::Finished(report) = reply else { panic!("{reply:?}") };
        *report
    }
}

impl Drop for OrderedEnd {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

/// The same over unix sockets.
pub(crate) fn connected_unix() -> (Socket, Socket) {
    let listener = Socket::listen(Address::ANY_UNIX, 1).unwrap();
    let address = listener.address().unwrap();
    let client = Socket::stream(address).unwrap();
    client.connect(address, Duration::from_secs(5)).unwrap();
    let Arrival::Connection(server) = listener.accept_at_once().unwrap() else {
        panic!("nobody came")
    };
    (client, server)
}

/// A connection over loopback: the end that connected and the end that accepted.
pub(crate) fn connected() -> (Socket, Socket) {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = Socket::listen(any, 1).unwrap();
    let address = listener.local_address().unwrap();
    let client = Socket::stream(address).unwrap();
    client.connect(address, PATIENCE).unwrap();
    let (server, _) = listener.accept(Some(120_000)).unwrap().unwrap();
    (client, server)
}
