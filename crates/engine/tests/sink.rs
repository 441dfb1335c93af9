//! Whole trials over the link `sink`, as root. This test program is its own end, as in `trials.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop where it stands, and say what it skips"
)]

use std::process::ExitCode;

use engine::{Engine, EngineOptions, Interrupts, TrialOrder};
use kernel::Unavailable;
use libtest_mimic::{Arguments, Failed, Trial};
use model::record::{Finished, Outcome};
use model::{Factor, Nanos, Plan, Preset, SendPath};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("end") {
        return engine::end::main();
    }
    let tests: Vec<(&str, fn())> = vec![
        ("what_every_path_sends_the_program_counts", every_path),
        ("zero_copy_is_never_copied", zero_copy),
        ("both_placements_of_acknowledgements_serve_one_and_four_threads", placements),
        ("several_flows_of_a_thread_are_served", flows),
        ("long_intervals_and_odd_segments_work", intervals),
        ("what_the_sink_does_not_have_is_refused_before_anything_runs", refusals),
        ("content_cannot_be_checked_and_says_so", content),
    ];
    let refused = unavailable();
    let trials = tests.into_iter().map(|(name, test)| {
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

fn unavailable() -> Option<Unavailable> {
    kernel::netns::Namespace::create().map(|_| ()).and_then(|()| kernel::sink::supported()).err()
}

fn engine() -> Engine {
    let program = std::env::current_exe().unwrap();
    let interrupts = Interrupts::install().unwrap();
    Engine::new(EngineOptions { program, interrupts }).unwrap()
}

fn order(cell: &str) -> TrialOrder {
    TrialOrder {
        cell: cell.parse().unwrap(),
        window: Nanos::ms(60),
        warmup: Nanos::ms(20),
        tail: Nanos::ms(10),
        extended: false,
    }
}

/// Runs a trial and checks what must hold of every one on the sink.
fn run(engine: &mut Engine, cell: &str) -> Finished {
    let (_, outcome) = engine.trial(&order(cell)).unwrap();
    let finished = match outcome {
        Outcome::Finished(finished) => *finished,
        Outcome::Failed(failure) => panic!("{cell}: {}", failure.why),
    };
    let sink = finished.sink.value().unwrap_or_else(|| panic!("{cell}: no facts of the sink"));
    let sent = finished.sender.total;
    // Law 1, from two independent sources.
    assert_eq!(sink.total.payload_bytes, sent.accepted_bytes, "{cell}");
    assert_eq!(finished.receiver.total.received_bytes, sent.accepted_bytes, "{cell}");
    assert_eq!(sink.window.payload_bytes, finished.receiver.window.received_bytes, "{cell}");
    assert!(finished.receiver.total.received_bytes > 0, "{cell}");
    assert_eq!((sink.total.refused, finished.receiver.strangers), (0, 0), "{cell}");
    assert_eq!((sent.copied, sent.stray_ids), (0, 0), "{cell}");
    assert_eq!(sent.completed, sent.zerocopy_sends, "{cell}");
    assert!(sink.answering_ns <= sink.helper_cpu_ns, "{cell}");
    assert!(sink.total.acks > 0 && sink.total.packets > 0, "{cell}");
    let [worker] = finished.receiver.workers.as_slice() else { panic!("{cell}: one helper") };
    assert_eq!(worker.third_bytes.iter().sum::<u64>(), worker.bytes.0, "{cell}");
    let receiver = &finished.receiver;
    for reason in [receiver.usage.reason(), receiver.tcp.reason(), receiver.snmp.reason()] {
        assert!(reason.unwrap().contains("no receiving socket"), "{cell}");
    }
    finished
}

/// The sender's own word, which is absent where a crowded machine let it sleep through the window.
fn assert_segment(finished: &Finished, bytes: f64) {
    match finished.sender.tcp.value() {
        Some(tcp) => assert!((tcp.mss_bytes - bytes).abs() < f64::EPSILON, "{tcp:?}"),
        None => eprintln!("skipped: the segment size, {:?}", finished.sender.tcp.reason()),
    }
}

fn every_path() {
    let mut engine = engine();
    for family in ["ipv4", "ipv6"] {
        for path in SendPath::ALL {
            let cell =
                format!("send={path} link=sink message_bytes=4096 threads=1 family={family}");
            let finished = run(&mut engine, &cell);
            let facts = finished.link.value().unwrap();
            assert_eq!((facts.mtu_bytes, facts.ack_cpus.len()), (1500, 0), "{cell}");
            let payload = f64::from(if family == "ipv4" { 1460 } else { 1440 });
            assert_segment(&finished, payload);
        }
    }
}

fn zero_copy() {
    let mut engine = engine();
    for family in ["ipv4", "ipv6"] {
        for size in [64, 4096, 65_536, 262_144] {
            let cell =
                format!("send=zerocopy link=sink message_bytes={size} threads=1 family={family}");
            let finished = run(&mut engine, &cell);
            let sent = finished.sender.total;
            assert!(sent.zerocopy_sends > 0 && sent.completed > 0, "{cell}");
        }
    }
}

fn placements() {
    let mut engine = engine();
    for placement in ["helper", "sender"] {
        for threads in [1, 4] {
            for path in ["sendmsg", "zerocopy"] {
                let cell = format!(
                    "send={path} link=sink message_bytes=16384 threads={threads} ack_placement={placement}"
                );
                let finished = run(&mut engine, &cell);
                let steered = !finished.link.value().unwrap().ack_cpus.is_empty();
                assert_eq!(steered, placement == "sender", "{cell}");
            }
        }
    }
}

fn flows() {
    let mut engine = engine();
    run(&mut engine, "send=sendmsg link=sink message_bytes=4096 threads=2 flows=16");
    run(&mut engine, "send=sendmsg link=sink message_bytes=4096 threads=1 placement=none");
}

fn intervals() {
    let mut engine = engine();
    run(&mut engine, "send=zerocopy link=sink message_bytes=65536 threads=1 ack_interval=1ms");
    run(&mut engine, "send=sendmsg link=sink message_bytes=65536 threads=1 ack_interval=50ms");
    let cell = "send=sendmsg link=sink message_bytes=65536 threads=1 mtu=9000 segment=1000 tso=off";
    let finished = run(&mut engine, cell);
    let sink = finished.sink.value().unwrap();
    assert!(sink.total.payload_bytes / sink.total.packets <= 1000, "{sink:?}");
    let cell = "send=sendmsg link=sink message_bytes=65536 threads=1 mtu=9000";
    assert_segment(&run(&mut engine, cell), 8960.0);
}

fn refusals() {
    let cell =
        "send=sendmsg link=sink message_bytes=4096 threads=1 placement=none ack_placement=sender";
    let (_, outcome) = engine().trial(&order(cell)).unwrap();
    let Outcome::Failed(failure) = outcome else { panic!("it ran") };
    assert!(
        failure.why.contains("--ack-placement sender") && failure.why.contains("--placement split")
    );
    // The rest of the plan is taken.
    let mut plan = Plan::preset(Preset::Quick);
    plan.measure.controls = false;
    plan.factors = model::FactorLists::default();
    for (factor, text) in [
        (Factor::Link, "sink"),
        (Factor::Placement, "none,split"),
        (Factor::AckPlacement, "helper,sender"),
        (Factor::Gro, "auto,on"),
    ] {
        plan.factors.set(factor, text).unwrap();
    }
    let refused = engine().unsupported(&plan);
    assert_eq!((plan.cells().len(), refused.len()), (8, 5), "{refused:?}");
}

fn content() {
    let cell = "send=sendmsg link=sink message_bytes=4096 threads=1";
    let (_, outcome) = engine().checked_trial(&order(cell)).unwrap();
    let Outcome::Failed(failure) = outcome else { panic!("it ran") };
    assert!(failure.why.contains("--link loopback"), "{}", failure.why);
}
