//! What equal cells tell, on machines whose truth is known.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's functions may fail it")]

use analysis::Metric;
use analysis::selftest::{SelfTest, TIMES};
use model::record::Record;
use model::{Cell, Factor, Mark, Measured, Plan};
use synthetic::TrialBuilder;

const ROUNDS: u32 = 60;
const SPREAD: f64 = 0.02;

fn plan() -> Plan {
    synthetic::without_controls(&[
        (Factor::Send, "sendmsg"),
        (Factor::Message, "4096,65536"),
        (Factor::Threads, "1"),
        (Factor::Replica, "1,2,3,4"),
    ])
}

fn run(figures: impl Fn(&Cell, u32) -> TrialBuilder) -> SelfTest {
    let plan = plan();
    of(&plan, &synthetic::run(&plan, ROUNDS, figures)).value().unwrap().clone()
}

fn of(plan: &Plan, records: &[Record]) -> Measured<SelfTest> {
    SelfTest::of(plan, records, &analysis::summarise(plan, &synthetic::host(), records), 0.25)
}

fn noisy(seed: u64) -> impl Fn(&Cell, u32) -> TrialBuilder {
    move |cell, round| {
        synthetic::trial(cell, round).faster(synthetic::noise(seed, cell, round, SPREAD))
    }
}

#[test]
fn the_noise_of_equal_cells_is_found_and_they_are_not_told_apart() {
    let mut told = 0;
    for seed in 0..10 {
        let found = run(noisy(seed));
        assert_eq!(found.noise.len(), 4, "two sizes, goodput and cost");
        for noise in &found.noise {
            // A ratio has the noise of two trials.
            let truth = SPREAD * std::f64::consts::SQRT_2;
            assert!((noise.spread / truth - 1.0).abs() < 0.25, "{noise:?}");
            assert_eq!((noise.pairs, noise.ratios), (2, 2 * ROUNDS));
            let minute = noise.detectable.iter().find(|of| of.time_ns == TIMES[1].0).unwrap();
            assert!(minute.rounds >= 2 && *minute.difference.value().unwrap() > 0.0);
        }
        let goodput = found.told_apart[0];
        assert_eq!((goodput.metric, goodput.of), (Metric::GoodputGbps, 2 * 2 * ROUNDS / 10));
        assert!(!goodput.is_too_often(), "{goodput:?}");
        told += goodput.times;
    }
    // 5 % of 240; more than 24 of them has a probability of 1 in 2000.
    assert!((2..=24).contains(&told), "{told}");
}

#[test]
fn a_machine_on_which_equal_cells_differ_is_told_so() {
    let found = run(|cell, round| {
        let faster = if cell.replica.get() == 1 { 1.1 } else { 1.0 };
        noisy(1)(cell, round).faster(faster)
    });
    assert!(found.told_apart.iter().all(|told| told.is_too_often()), "{:?}", found.told_apart);
}

#[test]
fn a_disturbance_is_told_with_what_it_does_to_the_ratios() {
    let found = run(|cell, round| {
        let trial = noisy(2)(cell, round);
        if round % 4 != 0 {
            return trial;
        }
        trial.marked(Mark::Steal).faster(synthetic::noise(3, cell, round, 5.0 * SPREAD))
    });
    let of = |mark: Mark| found.disturbances.iter().find(|it| it.mark == mark).unwrap();
    assert_eq!(of(Mark::Steal).trials, Measured::Value(ROUNDS / 4 * 8));
    let times = *of(Mark::Steal).spread_times.value().unwrap();
    assert!((3.0..8.0).contains(&times), "{times}");
    assert_eq!(of(Mark::Others).trials, Measured::Value(0));
    assert!(of(Mark::Others).spread_times.value().is_none());
}

#[test]
fn without_equal_cells_or_rounds_nothing_is_said() {
    let alone = synthetic::without_controls(&[(Factor::Message, "64")]);
    let records = synthetic::run(&alone, 3, synthetic::trial);
    assert!(of(&alone, &records).reason().unwrap().contains("--replica"));
    let plan = plan();
    let one = synthetic::run(&plan, 1, noisy(1));
    assert!(of(&plan, &one).reason().unwrap().contains("two whole rounds"));
    // Enough for noise, and for no study of ten rounds.
    let few = of(&plan, &synthetic::run(&plan, 5, noisy(1))).value().unwrap().clone();
    assert!(few.told_apart.iter().all(|told| told.of == 0 && !told.is_too_often()));
    assert!(few.noise.iter().all(|noise| noise.noise_floor > 0.0));
}
