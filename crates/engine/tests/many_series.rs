//! Links are raised, series measured over them and links lowered, again and again: nothing grows, neither in this process nor in
//! the kernel. `COPYCOST_SERIES=10000 cargo test -p copycost-engine --test many_series` is the long run; as usual it is a short one.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop where it stands, and say what it skips"
)]

use std::fs;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use aya::maps::loaded_maps;
use aya::programs::loaded_programs;
use engine::Engine;
use kernel::netns::Namespace;
use model::record::Outcome;

mod common;

use common::{Test, engine, run_tests, series, sink_refused};

/// Series of each link where nobody says how many.
const USUAL: u64 = 12;
/// Series before the first look: what is made once is there then.
const BEFORE: u64 = 4;
/// What allocators and page caches may keep back of themselves, in KiB.
const SPARE_KIB: u64 = 4096;
/// How long the kernel may take to take down what nobody holds any more.
const SETTLING: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("end") {
        return engine::end::main();
    }
    let tests: [Test; 1] =
        [("series_raised_and_lowered_again_and_again_leave_nothing", again_and_again)];
    run_tests(&tests, None)
}

/// What could grow. Where the kernel does not tell, absent.
#[derive(Clone, Copy, Debug)]
struct Present {
    resident_kib: u64,
    descriptors: u64,
    threads: u64,
    children: u64,
    /// Objects of the whole machine, which others make too.
    tcp_sockets: u64,
    namespaces: Option<u64>,
    bpf: Option<u64>,
}

/// The number after a name in a text of names and numbers.
fn number(text: &str, name: &str) -> Option<u64> {
    let after = text.split(name).nth(1)?;
    after.split_whitespace().next()?.parse().ok()
}

impl Present {
    fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let sockets = fs::read_to_string("/proc/net/sockstat").unwrap();
        let tcp = sockets.lines().find(|line| line.starts_with("TCP:")).unwrap();
        let mine = std::process::id().to_string();
        let is_child = |status: &String| {
            let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
            parent.is_some_and(|parent| parent.trim() == mine)
        };
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let statuses =
            processes.filter_map(|entry| fs::read_to_string(entry.path().join("status")).ok());
        let slabs = fs::read_to_string("/proc/slabinfo").ok();
        let bpf = || {
            let programs: Result<Vec<_>, _> = loaded_programs().collect();
            let maps: Result<Vec<_>, _> = loaded_maps().collect();
            Some((programs.ok()?.len() + maps.ok()?.len()) as u64)
        };
        Self {
            resident_kib: number(&status, "VmRSS:").unwrap(),
            descriptors: fs::read_dir("/proc/self/fd").unwrap().count() as u64,
            threads: number(&status, "Threads:").unwrap(),
            children: statuses.filter(is_child).count() as u64,
            // Those in TIME-WAIT are in neither, and go by themselves.
            tcp_sockets: number(tcp, "inuse").unwrap() + number(tcp, "orphan").unwrap(),
            namespaces: slabs.and_then(|slabs| number(&slabs, "\nnet_namespace ")),
            bpf: bpf(),
        }
    }

    /// What is more than it was after so many series more.
    fn growth(&self, before: &Self, series: u64) -> Vec<String> {
        // Others on the machine make sockets and namespaces as well; what leaks does so in every series, or in every tenth.
        let others = (series / 10).max(8);
        let exact = |now: u64, then: u64| (Some(now), Some(then), 0);
        let figures = [
            ("KiB resident", (Some(self.resident_kib), Some(before.resident_kib), SPARE_KIB)),
            ("descriptors", exact(self.descriptors, before.descriptors)),
            ("threads", exact(self.threads, before.threads)),
            ("children", exact(self.children, before.children)),
            ("TCP sockets", (Some(self.tcp_sockets), Some(before.tcp_sockets), others)),
            ("network namespaces", (self.namespaces, before.namespaces, others)),
            ("BPF programs and maps", (self.bpf, before.bpf, others)),
        ];
        let grown = figures.into_iter().filter_map(|(what, (now, then, spare))| {
            let (now, then) = (now?, then?);
            (now > then + spare).then(|| format!("{then} {what} became {now}"))
        });
        grown.collect()
    }
}

/// Raises, measures and lowers.
fn once(engine: &mut Engine, link: &str) {
    let cell = |send: &str| format!("send={send} link={link} message_bytes=512 threads=1");
    // Without TCP there is no path with notifications.
    let is_tcp = link.parse::<model::Link>().unwrap().speaks_tcp();
    let cells = [cell("sendmsg"), cell(if is_tcp { "zerocopy" } else { "splice" })];
    let order = series(&[cells[0].as_str(), cells[1].as_str()], 2, None);
    for outcome in engine.series(&order).unwrap() {
        match outcome {
            Some((_, Outcome::Finished(finished))) => {
                let (sent, received) = (finished.sender.total, finished.receiver.total);
                assert_eq!(sent.accepted_bytes, received.received_bytes, "{link}");
            }
            other => panic!("{link}: {other:?}"),
        }
    }
    engine.end_round();
}

fn again_and_again() {
    let asked = std::env::var("COPYCOST_SERIES").ok();
    let asked = asked.map(|text| text.parse::<u64>().unwrap());
    let mut links = vec!["loopback", "unix"];
    match (Namespace::create(), sink_refused()) {
        (Err(why), _) => eprintln!("skipped: veth and sink: {why}"),
        (Ok(_), Some(why)) => {
            links.push("veth");
            eprintln!("skipped: sink: {why}");
        }
        (Ok(_), None) => links.extend(["veth", "sink"]),
    }
    let each = asked.map_or(USUAL, |all| all / links.len() as u64);
    let mut engine = engine();
    for link in &links {
        (0..BEFORE).for_each(|_| once(&mut engine, link));
    }
    let before = Present::now();
    let begun = Instant::now();
    for link in &links {
        (0..each).for_each(|_| once(&mut engine, link));
    }
    let (lasted, all) = (begun.elapsed(), each * links.len() as u64);
    let deadline = Instant::now() + SETTLING;
    let mut now = Present::now();
    while !now.growth(&before, all).is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(200));
        now = Present::now();
    }
    eprintln!("{all} series over {} in {lasted:?}: {before:?} became {now:?}", links.join(", "));
    let grown = now.growth(&before, all);
    assert!(grown.is_empty(), "after {all} series: {}", grown.join(", "));
}
