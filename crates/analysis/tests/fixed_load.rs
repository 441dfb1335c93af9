//! What is saved at a fixed offered load, where it is known what was put in.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's functions may fail it")]

use analysis::fixed_load::{LoadSaving, largest};
use analysis::results::Finding;
use analysis::{Summary, summarise};
use model::{Cell, Factor, Plan, Preset, SendPath};

/// `sendmsg` costs 819.2 ns per KiB, which is 0.1 CPUs for each Gbit/s, `send` twice as much; each delivers a share of what is
/// offered.
fn run(rates: &str, delivered: f64) -> Summary {
    let mut plan = Plan::preset(Preset::Default);
    for (factor, values) in [
        (Factor::Send, "send,sendmsg"),
        (Factor::Message, "4KiB"),
        (Factor::Threads, "1"),
        (Factor::Rate, rates),
    ] {
        plan.factors.set(factor, values).unwrap();
    }
    let records = synthetic::run(&plan, 12, |cell: &Cell, round| {
        let dear = if cell.send_path == SendPath::Send { 2.0 } else { 1.0 };
        let noise = synthetic::noise(5, cell, round, 0.005);
        synthetic::trial(cell, round)
            .goodput_gbps(2.0 * delivered)
            .ends_cpu_ns_per_kib(819.2 * dear * noise)
    });
    summarise(&plan, &synthetic::host(), &records)
}

#[test]
fn the_cheaper_path_comes_first_with_what_it_saves_for_each_gbit() {
    let summary = run("2Gbit/s", 1.0);
    let [saving] = summary.explained.load_savings.as_slice() else {
        panic!("{:?}", summary.explained.load_savings)
    };
    let LoadSaving { contrast, cell, against, offered_gbps, delivered, finding, .. } = saving;
    assert_eq!((contrast.value.as_str(), contrast.against.as_str()), ("sendmsg", "send"));
    assert_eq!((cell.send_path, against.send_path), (SendPath::Sendmsg, SendPath::Send));
    assert_eq!((*offered_gbps, *finding), (2.0, Finding::Less));
    assert!(delivered.iter().all(|share| (share - 1.0).abs() < 0.02), "{delivered:?}");
    let [takes, other] = saving.cpus_per_gbps.map(|it| it.mean);
    assert!((takes - 0.1).abs() < 0.002 && (other - 0.2).abs() < 0.004, "{takes} {other}");
    let saved = saving.saved_cpus_per_gbps;
    assert!((saved.mean - 0.1).abs() < 0.004, "{saved:?}");
    assert!(saved.low.unwrap() < 0.1 + 0.004 && saved.high.unwrap() > 0.1 - 0.004, "{saved:?}");
}

#[test]
fn without_a_rate_nothing_is_told_and_each_load_has_its_own() {
    assert_eq!(run("max", 1.0).explained.load_savings, []);
    let summary = run("max,1Gbit/s,2Gbit/s", 0.5);
    let all = &summary.explained.load_savings;
    assert_eq!(all.iter().map(|it| it.offered_gbps).collect::<Vec<_>>(), [1.0, 2.0]);
    assert_eq!(largest(all).len(), 2);
    // Of the larger load half was delivered.
    assert!(all[1].delivered.iter().all(|share| (share - 0.5).abs() < 0.01), "{all:?}");
}
