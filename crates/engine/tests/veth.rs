//! Whole trials over the link `veth`, as root. This test program is its own end, as in `trials.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop where it stands, and say what it skips"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use kernel::netns::Namespace;
use model::record::Outcome;
use model::{Cell, Factor, Plan, Preset};

mod common;

use common::{
    PATIENCE, Test, checked_trial, engine, finished, in_windows, order, run_tests, trial,
    trial_in_window,
};

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("end") => return engine::end::main(),
        Some("engine") => {
            let mut engine = engine();
            // Other settings every time, so that the link is raised anew.
            for mtu in 1500..4000 {
                let cell =
                    format!("send=zerocopy link=veth message_bytes=16384 threads=1 mtu={mtu}");
                let _ = engine.trial(&order(&cell, 30));
            }
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let tests: [Test; 8] = [
        ("checked_content_arrives_unchanged_and_the_devices_are_recorded", content),
        ("zero_copy_over_veth_is_copied_on_delivery", zero_copy_is_copied),
        ("a_segment_size_reaches_the_connections_of_every_link", segments),
        ("congestion_control_and_buffers_work_in_a_new_namespace", settings),
        ("sockets_have_a_napi_id_where_the_device_joins_packets", napi_ids),
        ("what_a_link_does_not_have_is_refused_before_anything_runs", refusals),
        ("a_setting_that_cannot_be_is_refused_with_the_remedy", impossible_settings),
        ("a_killed_engine_leaves_no_process_namespace_or_interface", killed_engines),
    ];
    run_tests(&tests, Namespace::create().err().map(|why| why.to_string()))
}

/// Whether this kernel has IPv6; where it has none, it is said.
fn has_ipv6() -> bool {
    let has = Path::new("/proc/sys/net/ipv6").exists();
    if !has {
        eprintln!("skipped: IPv6, this kernel has none");
    }
    has
}

fn content() {
    let mut engine = engine();
    for (settings, mtu_bytes, tso, gso) in [
        ("", 1500, true, true),
        (" mtu=9000", 9000, true, true),
        (" tso=off", 1500, false, true),
        (" mtu=1280 tso=off gso=off", 1280, false, false),
    ] {
        for family in ["ipv4", "ipv6"] {
            if family == "ipv6" && !has_ipv6() {
                continue;
            }
            for path in model::SendPath::ALL {
                let cell = format!(
                    "send={path} link=veth message_bytes=4097 threads=2 ring=4 family={family}{settings}"
                );
                let finished = in_windows(&cell, 10, |window_ms| {
                    let finished = checked_trial(&mut engine, &cell, window_ms);
                    (finished.receiver.total.checked_bytes > 0).then_some(finished)
                });
                let received = finished.receiver.total;
                assert_eq!(received.wrong_bytes, 0, "{cell}: first at {:?}", received.first_wrong);
                assert_eq!(received.checked_bytes, finished.sender.total.accepted_bytes, "{cell}");
                let facts = finished.link.value().unwrap();
                assert_eq!(
                    (facts.mtu_bytes, facts.tso, facts.gso),
                    (mtu_bytes, tso, gso),
                    "{cell}"
                );
                assert!(facts.ack_cpus.is_empty());
            }
        }
    }
    for (gro, is_on) in [("on", true), ("off", false)] {
        let cell = format!("send=send link=veth message_bytes=4096 threads=1 gro={gro}");
        let (_, outcome) = engine.trial(&order(&cell, 20)).unwrap();
        assert_eq!(finished(outcome, &cell).link.value().unwrap().gro, is_on);
    }
}

fn napi_ids() {
    let mut engine = engine();
    // Packets go through a veth device's NAPI where it joins them and they may be joined (`veth_skb_is_eligible_for_gro`,
    // drivers/net/veth.c).
    for (offloads, has_napi) in [("gro=on tso=off", true), ("gro=off", false)] {
        let cell = format!(
            "send=sendmsg link=veth message_bytes=4096 threads=1 {offloads} busy_poll=50us"
        );
        let finished = trial_in_window(&mut engine, &cell, 50);
        for socket in [&finished.sender.socket, &finished.receiver.socket] {
            assert_eq!(socket.busy_poll_us, Some(50), "{cell}");
            assert_eq!(socket.napi_id.is_some(), has_napi, "{cell}: {socket:?}");
        }
        assert_eq!(finished.receiver.total.received_bytes, finished.sender.total.accepted_bytes);
    }
}

fn zero_copy_is_copied() {
    let mut engine = engine();
    for size in [64, 65_536] {
        let cell = format!("send=zerocopy link=veth message_bytes={size} threads=1");
        let finished = trial_in_window(&mut engine, &cell, 50);
        let sent = finished.sender.total;
        assert!(sent.zerocopy_sends >= sent.messages && sent.messages > 0);
        assert_eq!(sent.completed, sent.zerocopy_sends);
        assert_eq!(sent.copied, sent.completed, "delivery to a socket copies every one");
        assert_eq!(finished.receiver.total.received_bytes, sent.accepted_bytes);
    }
}

fn segments() {
    let mut engine = engine();
    for link in ["loopback", "veth"] {
        let cell = format!("send=sendmsg link={link} message_bytes=16384 threads=1 segment=1000");
        // On a machine that is too busy a worker may come late to an edge of the window.
        let mss = in_windows(&cell, 50, |window_ms| {
            let finished = trial(&mut engine, &cell, window_ms);
            let (sent, received) = (finished.sender.total, finished.receiver.total);
            assert_eq!(received.received_bytes, sent.accepted_bytes);
            finished.sender.tcp.value().map(|tcp| tcp.mss_bytes)
        });
        // 12 bytes of it are the timestamps' where they are on (RFC 7323).
        assert!([988.0, 1000.0].contains(&mss), "{cell}: {mss}");
    }
}

fn settings() {
    let mut engine = engine();
    // Loaded where it is a module: a namespace cannot ask for that.
    let congestion = engine.congestion().resolve(&model::values::Congestion::Auto);
    let cell = format!(
        "send=sendmsg link=veth message_bytes=4096 threads=1 congestion={congestion} nodelay=on sndbuf=65536 rcvbuf=65536"
    );
    let finished = trial(&mut engine, &cell, 30);
    assert_eq!(finished.sender.socket.congestion, congestion);
    assert_eq!(finished.sender.socket.send_buffer_bytes, 131_072);
    assert_eq!(finished.receiver.socket.receive_buffer_bytes, 131_072);
}

/// What the engine says of the cells of one link and one more factor; the cells that it takes are counted.
fn unsupported(lists: &[(Factor, &str)]) -> (Vec<String>, usize) {
    let mut plan = Plan::preset(Preset::Quick);
    plan.measure.controls = false;
    plan.factors = model::FactorLists::default();
    for (factor, text) in lists {
        plan.factors.set(*factor, text).unwrap();
    }
    let refused = engine().unsupported(&plan);
    let taken = plan.cells().len() - refused.len();
    (refused.into_iter().map(|(_, why)| why.to_string()).collect(), taken)
}

fn refusals() {
    for (factor, value, link, remedy) in [
        (Factor::Mtu, "9000", "loopback", "use --link veth or sink"),
        (Factor::Tso, "off", "loopback", "use --link veth or sink"),
        (Factor::Gso, "off", "loopback", "use --link veth or sink"),
        (Factor::Gro, "on", "loopback", "use --link veth"),
        (Factor::AckInterval, "1ms", "loopback", "use --link sink"),
        (Factor::AckInterval, "1ms", "veth", "use --link sink"),
        (Factor::AckPlacement, "sender", "veth", "use --link sink"),
    ] {
        let mut cell = Cell::default();
        cell.set(Factor::Link, link).unwrap();
        cell.set(factor, value).unwrap();
        let (_, outcome) = engine().trial(&order(&cell.id(), 20)).unwrap();
        let Outcome::Failed(failure) = outcome else { panic!("it ran") };
        let flag = format!("--{} {value}: link {link} has no such setting", factor.key());
        assert!(failure.why.starts_with(&flag) && failure.why.ends_with(remedy), "{failure:?}");
    }
    // A plan gives such a factor only to the links that have it.
    let (refused, taken) =
        unsupported(&[(Factor::Link, "loopback,veth"), (Factor::Mtu, "auto,9000")]);
    assert_eq!((refused.len(), taken), (0, 3), "{refused:?}");
}

fn impossible_settings() {
    let (refused, _) =
        unsupported(&[(Factor::Link, "veth"), (Factor::Family, "ipv6"), (Factor::Mtu, "1000")]);
    assert!(refused[0].contains("--mtu 1000: too small for IPv6"), "{refused:?}");
    assert!(refused[0].contains("at least 1280"), "{refused:?}");
    let (refused, taken) = unsupported(&[(Factor::Link, "veth"), (Factor::Segment, "1460,1461")]);
    assert_eq!((refused.len(), taken), (1, 1), "{refused:?}");
    assert!(
        refused[0].contains("--segment 1461") && refused[0].ends_with("use --mtu 1501 or more")
    );
}

/// The network namespaces that a process is in or holds open, by their inode.
fn namespaces_of(process: &Path) -> BTreeSet<String> {
    let links = |directory: PathBuf| {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| Some(std::fs::read_link(entry.path()).ok()?.display().to_string()))
    };
    let both = links(process.join("ns")).chain(links(process.join("fd")));
    both.filter(|name| name.starts_with("net:[")).collect()
}

/// Every process's directory below /proc.
fn processes() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let is_number = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().parse::<u32>().is_ok())
    };
    entries.filter(is_number).collect()
}

/// The processes of this program, this one left out.
fn of_this_program() -> Vec<PathBuf> {
    let program = std::env::current_exe().unwrap();
    let own = PathBuf::from(format!("/proc/{}", std::process::id()));
    let is_same = |process: &PathBuf| {
        std::fs::read_link(process.join("exe")).is_ok_and(|exe| exe == program) && *process != own
    };
    processes().into_iter().filter(is_same).collect()
}

fn killed_engines() {
    let here = namespaces_of(Path::new("/proc/self"));
    let mut seen = BTreeSet::new();
    let begun = Instant::now();
    // `xtask killed-runs` kills 200. On a crowded machine an engine takes longer to come to where it has a link.
    let mut n = 0;
    while n < 15 || (seen.is_subset(&here) && begun.elapsed() < PATIENCE) {
        let mut engine =
            Command::new(std::env::current_exe().unwrap()).arg("engine").spawn().unwrap();
        // Spread over the starting, the raising, the trial and the lowering.
        std::thread::sleep(Duration::from_millis(n * 37 % 200 + n / 15 * 200));
        n += 1;
        seen.extend(of_this_program().iter().flat_map(|process| namespaces_of(process)));
        engine.kill().unwrap();
        engine.wait().unwrap();
    }
    let seen: BTreeSet<_> = seen.difference(&here).cloned().collect();
    assert!(!seen.is_empty(), "no namespace was ever seen, so nothing was shown");
    let left = || -> BTreeSet<String> {
        let held: BTreeSet<_> =
            processes().iter().flat_map(|process| namespaces_of(process)).collect();
        held.intersection(&seen).cloned().collect()
    };
    let deadline = Instant::now() + PATIENCE;
    while !of_this_program().is_empty() || !left().is_empty() {
        assert!(Instant::now() < deadline, "left behind: {:?}, {:?}", of_this_program(), left());
        std::thread::sleep(Duration::from_millis(50));
    }
    let devices = std::fs::read_to_string("/proc/net/dev").unwrap();
    assert!(!devices.contains("send0:") && !devices.contains("recv0:"), "{devices}");
}
