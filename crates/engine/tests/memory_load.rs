//! What streams through memory beside a trial (`--memory-load stream`). This test program is its own end, as in `trials.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop where it stands, and say what it skips"
)]

use std::process::ExitCode;

use model::record::{MemoryTraffic, Outcome};
use model::{Cell, Link, Plan, Preset};

mod common;

use common::{Test, engine, finished, measure_series, order, run_tests, series, trial};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("end") {
        return engine::end::main();
    }
    let tests: [Test; 3] = [
        ("it_streams_in_the_turns_of_the_cells_that_ask_for_it_alone", turns),
        ("a_steady_trial_has_it_beside_and_nothing_stays", steady),
        ("without_a_cpu_of_its_own_a_cell_is_refused_before_anything_runs", refusal),
    ];
    run_tests(&tests, refused())
}

/// Why this machine has none.
fn refused() -> Option<String> {
    let mut plan = Plan::preset(Preset::Default);
    plan.factors.message = vec!["4KiB".parse().unwrap()];
    plan.factors.threads = vec!["1".parse().unwrap()];
    plan.factors.memory_load = vec!["stream".parse().unwrap()];
    plan.factors.placement = vec!["spare".parse().unwrap()];
    let lacking = engine().unsupported(&plan);
    let (_, why) = lacking.into_iter().find(|(cell, _)| cell.link == Link::Loopback)?;
    Some(why.to_string())
}

fn check(traffic: Option<MemoryTraffic>, workers: &[u32]) {
    let traffic = traffic.unwrap();
    assert!(!workers.is_empty(), "nobody has a CPU that it could take");
    assert!(traffic.moved_bytes.0 > 0 && traffic.cpu_ns.0 > 0, "{traffic:?}");
    assert!(traffic.buffer_bytes.0 > traffic.cache_bytes.0, "{traffic:?}");
    assert!(!workers.contains(&traffic.cpu), "{traffic:?} beside {workers:?}");
}

const WITH: &str = "send=sendmsg message_bytes=4096 threads=1 placement=spare memory_load=stream";
const WITHOUT: &str = "send=sendmsg message_bytes=4096 threads=1 placement=spare";

fn turns() {
    let measured = measure_series(&series(&[WITH, WITHOUT], 4, Some(20)));
    let [(settings, with), (alike, without)] = measured.as_slice() else { panic!("two cells") };
    check(with.memory_traffic, &[&settings.sender_cpus[..], &settings.receiver_cpus].concat());
    assert_eq!(without.memory_traffic, None);
    let seats = |of: &model::record::Settings| (of.sender_cpus.clone(), of.receiver_cpus.clone());
    assert_eq!(seats(settings), seats(alike));
    // The time of the one that streams is in neither end's cost, and in what the engine's own processes took.
    let own = with.load_here().unwrap().own_cpu_ns.value().unwrap().0;
    assert!(own >= with.memory_traffic.unwrap().cpu_ns.0, "{own}");
}

fn steady() {
    let mut engine = engine();
    let (settings, outcome) = engine.trial(&order(WITH, 20)).unwrap();
    let workers = [&settings.sender_cpus[..], &settings.receiver_cpus].concat();
    check(finished(outcome, WITH).memory_traffic, &workers);
    assert_eq!(trial(&mut engine, WITHOUT, 20).memory_traffic, None);
    let is_there = |wanted: &str| {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        names.into_iter().any(|name| name.trim() == wanted)
    };
    assert!(is_there("memory load"));
    drop(engine);
    assert!(!is_there("memory load"), "it ends with its engine");
}

fn refusal() {
    let id = "send=sendmsg message_bytes=4096 threads=1 placement=none memory_load=stream";
    let cell: Cell = id.parse().unwrap();
    let mut plan = Plan::preset(Preset::Default);
    for factor in model::Factor::ALL {
        plan.factors.set(*factor, &cell.get(*factor)).unwrap();
    }
    let lacking = engine().unsupported(&plan);
    let (_, why) = lacking.first().unwrap();
    assert!(why.to_string().contains("use --placement spare"), "{why}");
    let (_, outcome) = engine().trial(&order(id, 20)).unwrap();
    assert!(
        matches!(&outcome, Outcome::Failed(failure) if failure.why.contains("placement spare")),
        "{outcome:?}"
    );
}
