//! Crossovers: planted ones are found where they are, and none where there is none.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test's functions may fail it, and tell the coverage"
)]

use analysis::crossovers::{Found, SizeRatios};
use analysis::findings::CrossoverOutcome;
use model::Share;
use rand_pcg::Pcg64;
use synthetic::normal;

/// Spread of the log-ratio of a pair within a block.
const SPREAD: f64 = 0.03;

/// The plan's usual margin of equivalence.
const MARGIN: Share = Share(0.03);

fn found(curves: &[Vec<SizeRatios>]) -> Vec<Found> {
    analysis::crossovers::outcomes(curves, MARGIN)
}

fn outcomes(curves: &[Vec<SizeRatios>]) -> Vec<CrossoverOutcome> {
    found(curves).into_iter().map(|found| found.outcome).collect()
}

fn powers(from: u32, to: u32) -> Vec<u64> {
    (from..=to).map(|power| 1 << power).collect()
}

/// A study of one pair of paths: `truth` is the log-ratio at a size, above 0 where the path is better.
fn study(
    sizes: &[u64],
    rounds: u32,
    truth: impl Fn(f64) -> f64,
    random: &mut Pcg64,
) -> Vec<SizeRatios> {
    let mut curve: Vec<SizeRatios> =
        sizes.iter().map(|bytes| SizeRatios { bytes: *bytes, log_ratios: Vec::new() }).collect();
    for round in 1..=rounds {
        // A part of the noise is shared by the sizes of a round.
        let shared = normal(random);
        for size in &mut curve {
            let noise = SPREAD * (0.5 * shared + 0.75_f64.sqrt() * normal(random));
            size.log_ratios.push((round, truth(size.bytes as f64) + noise));
        }
    }
    curve
}

/// Log-ratio of costs a + b·n: the second path costs more a message and less a byte.
fn of_costs(first: (f64, f64), second: (f64, f64)) -> (f64, impl Fn(f64) -> f64) {
    let crossing = (second.0 - first.0) / (first.1 - second.1);
    (crossing, move |n: f64| ((first.0 + first.1 * n) / (second.0 + second.1 * n)).ln())
}

/// Shares of studies that found a crossover, and of those whose interval holds the truth.
fn covered(
    sizes: &[u64],
    rounds: u32,
    (at, truth): (f64, &dyn Fn(f64) -> f64),
    studies: u32,
    random: &mut Pcg64,
) -> (f64, f64) {
    let (mut found, mut held) = (0, 0);
    for _ in 0..studies {
        let (low, high) = match outcomes(&[study(sizes, rounds, truth, random)])[0] {
            CrossoverOutcome::At { bytes, low, high } => {
                assert!(low <= bytes && bytes <= high);
                (low, high)
            }
            CrossoverOutcome::Bracket { low, high } => (low, high),
            CrossoverOutcome::Always
            | CrossoverOutcome::Never
            | CrossoverOutcome::Alike
            | CrossoverOutcome::Until { .. }
            | CrossoverOutcome::UntilBracket { .. }
            | CrossoverOutcome::Partly { .. }
            | CrossoverOutcome::Undecided => continue,
        };
        found += 1;
        held += u32::from(low <= at && at <= high);
    }
    (f64::from(found) / f64::from(studies), f64::from(held) / f64::from(found))
}

#[test]
fn a_planted_crossover_is_found_and_its_interval_holds_it_as_often_as_it_says() {
    let mut random = Pcg64::new(20_261_123, 1);
    let sizes = powers(6, 20);
    for rounds in [10, 30] {
        for (first, second) in [
            ((650.0, 0.16), (2_300.0, 0.04)),
            ((650.0, 0.16), (1_400.0, 0.09)),
            ((700.0, 0.30), (800.0, 0.05)),
        ] {
            let (at, truth) = of_costs(first, second);
            let (found, held) = covered(&sizes, rounds, (at, &truth), 2_000, &mut random);
            eprintln!("at {at:.0} B, {rounds} rounds: found {found:.3}, held {held:.3}");
            assert!(found > 0.95, "{found}");
            assert!((0.93..=0.97).contains(&held), "{held}");
        }
    }
}

#[test]
fn a_bracket_holds_the_crossover_between_the_papers_sizes() {
    let mut random = Pcg64::new(20_261_123, 2);
    let (at, truth) = of_costs((650.0, 0.16), (2_300.0, 0.04));
    let sizes = [64, 512, 4096, 65_536];
    let (found, held) = covered(&sizes, 10, (at, &truth), 1_000, &mut random);
    assert!(found > 0.99 && held > 0.95, "{found} {held}");
    let one = outcomes(&[study(&sizes, 10, &truth, &mut random)]);
    assert_eq!(one, [CrossoverOutcome::Bracket { low: 4096.0, high: 65_536.0 }]);
}

/// Share of studies that claim any crossover.
fn claimed(truth: impl Fn(f64) -> f64, random: &mut Pcg64) -> f64 {
    let sizes = powers(6, 20);
    let studies = 2_000;
    let is_claimed = |outcome: &CrossoverOutcome| match outcome {
        CrossoverOutcome::At { .. }
        | CrossoverOutcome::Bracket { .. }
        | CrossoverOutcome::Until { .. }
        | CrossoverOutcome::UntilBracket { .. } => true,
        CrossoverOutcome::Always
        | CrossoverOutcome::Never
        | CrossoverOutcome::Alike
        | CrossoverOutcome::Partly { .. }
        | CrossoverOutcome::Undecided => false,
    };
    let claims = (0..studies)
        .filter(|_| outcomes(&[study(&sizes, 10, &truth, random)]).iter().any(is_claimed))
        .count();
    claims as f64 / f64::from(studies)
}

#[test]
fn no_crossover_is_found_where_there_is_none() {
    let mut random = Pcg64::new(20_261_123, 3);
    for (name, claims) in [
        ("equal paths", claimed(|_| 0.0, &mut random)),
        ("a small advantage everywhere", claimed(|_| 0.01, &mut random)),
        ("an advantage that fades to nothing", claimed(|n| 20.0 / (64.0 + n), &mut random)),
        ("one that grows from nothing", claimed(|n| n / 1e6, &mut random)),
    ] {
        eprintln!("{name}: {claims:.4}");
        assert!(claims <= 0.05, "{name}: {claims}");
    }
}

#[test]
fn always_and_never_are_claimed_falsely_in_one_study_of_twenty_at_most() {
    let mut random = Pcg64::new(20_261_123, 4);
    let sizes = powers(6, 9);
    // Better everywhere but at one size, where the two are equal: the hardest case for an intersection–union test.
    let truth = |n: f64| if n > 500.0 { 0.0 } else { 0.2 };
    let studies = 2_000;
    let is_always =
        |_: &i32| outcomes(&[study(&sizes, 10, truth, &mut random)]) == [CrossoverOutcome::Always];
    let always = (0..studies).filter(is_always).count() as f64 / f64::from(studies);
    assert!((0.005..=0.05).contains(&always), "{always}");
}

#[test]
fn twelve_curves_with_one_equal_size_each_claim_always_falsely_in_one_study_of_twenty_at_most() {
    let mut random = Pcg64::new(20_261_123, 5);
    let sizes = [64, 512, 4096, 65_536];
    let truth = |n: f64| if n > 10_000.0 { 0.0 } else { 0.2 };
    let studies = 2_000;
    let is_false = |_: &i32| {
        let curves: Vec<Vec<SizeRatios>> =
            (0..12).map(|_| study(&sizes, 10, truth, &mut random)).collect();
        outcomes(&curves).contains(&CrossoverOutcome::Always)
    };
    let share = (0..studies).filter(is_false).count() as f64 / f64::from(studies);
    eprintln!("always, falsely: {share:.4}");
    assert!(share <= 0.05, "{share}");
}

/// Twelve curves of one truth: shares of studies in which some curve is called better, or worse, at a size where it is not;
/// and of curves that are called better from the smallest size on up to just these sizes.
fn partly(truth: impl Fn(f64) -> f64, up_to: Option<f64>, random: &mut Pcg64) -> (f64, f64) {
    let sizes = powers(6, 12);
    let studies = 1_000;
    let (mut wrong, mut told) = (0, 0);
    for _ in 0..studies {
        let curves: Vec<_> = (0..12).map(|_| study(&sizes, 10, &truth, random)).collect();
        let found = outcomes(&curves);
        let is_wrong = |outcome: &CrossoverOutcome| {
            let CrossoverOutcome::Partly { is_better, up_to, from } = *outcome else {
                return false;
            };
            sizes.iter().any(|bytes| {
                let bytes = *bytes as f64;
                let is_told = up_to.is_some_and(|up_to| bytes <= up_to)
                    || from.is_some_and(|from| bytes >= from);
                is_told && (truth(bytes) > 0.0) != is_better
            })
        };
        let is_told = |outcome: &&CrossoverOutcome| {
            **outcome == CrossoverOutcome::Partly { is_better: true, up_to, from: None }
        };
        wrong += u32::from(found.iter().any(is_wrong));
        told += found.iter().filter(is_told).count();
    }
    (f64::from(wrong) / f64::from(studies), told as f64 / (12.0 * f64::from(studies)))
}

#[test]
fn better_up_to_a_size_is_told_as_far_as_it_is_so_and_falsely_in_one_study_of_twenty_at_most() {
    let mut random = Pcg64::new(20_261_123, 7);
    let (wrong, _) = partly(|_| 0.0, None, &mut random);
    eprintln!("equal everywhere: wrong {wrong:.4}");
    assert!(wrong <= 0.05, "{wrong}");
    let (wrong, told) = partly(|n| if n > 600.0 { 0.0 } else { 0.2 }, Some(512.0), &mut random);
    eprintln!("better up to 512 B: wrong {wrong:.4}, told {told:.4}");
    assert!(wrong <= 0.05 && told > 0.9, "{wrong} {told}");
    // Better everywhere, at one size by next to nothing: that one alone hides nothing of the others.
    let truth = |n: f64| if n > 600.0 && n < 1500.0 { 0.002 } else { 0.2 };
    let found = outcomes(&[study(&powers(6, 12), 10, truth, &mut random)]);
    let (up_to, from) = (Some(512.0), Some(2048.0));
    assert_eq!(found, [CrossoverOutcome::Partly { is_better: true, up_to, from }]);
    let found = outcomes(&[study(&powers(6, 12), 10, |n| -truth(n), &mut random)]);
    assert_eq!(found, [CrossoverOutcome::Partly { is_better: false, up_to, from }]);
}

#[test]
fn paths_are_called_alike_falsely_in_one_study_of_twenty_at_most() {
    let mut random = Pcg64::new(20_261_123, 6);
    // Equal at every size but one, where they differ by just the margin.
    let truth = |n: f64| if n > 500.0 { 1.03_f64.ln() } else { 0.0 };
    let studies = 2_000;
    let is_alike = |_: &i32| {
        let curves: Vec<Vec<SizeRatios>> =
            (0..12).map(|_| study(&powers(6, 9), 30, truth, &mut random)).collect();
        outcomes(&curves).contains(&CrossoverOutcome::Alike)
    };
    let share = (0..studies / 4).filter(is_alike).count() as f64 / f64::from(studies / 4);
    eprintln!("alike, falsely: {share:.4}");
    assert!(share <= 0.05, "{share}");
}

fn exact(sizes: &[u64], truth: impl Fn(f64) -> f64) -> Vec<SizeRatios> {
    let of_round = |round: u32, bytes: u64| {
        (round, truth(bytes as f64) + 0.001 * (f64::from(round % 3) - 1.0))
    };
    let size = |bytes: &u64| SizeRatios {
        bytes: *bytes,
        log_ratios: (1..=12).map(|round| of_round(round, *bytes)).collect(),
    };
    sizes.iter().map(size).collect()
}

fn one(curve: Vec<SizeRatios>) -> CrossoverOutcome {
    outcomes(&[curve])[0]
}

#[test]
fn each_outcome_has_its_curve() {
    let sizes = powers(6, 12);
    assert_eq!(one(exact(&sizes, |_| 0.1)), CrossoverOutcome::Always);
    assert_eq!(one(exact(&sizes, |_| -0.1)), CrossoverOutcome::Never);
    assert_eq!(one(exact(&sizes, |_| 0.0)), CrossoverOutcome::Alike);
    // Shown to differ from 1, but within the margin.
    assert_eq!(one(exact(&sizes, |_| 0.01)), CrossoverOutcome::Alike);
    // Better at every size but one, where it is alike.
    let fading = |n: f64| if n > 2000.0 { 0.01 } else { 0.1 };
    let partly = |is_better, up_to, from| CrossoverOutcome::Partly { is_better, up_to, from };
    assert_eq!(one(exact(&sizes, fading)), partly(true, Some(1024.0), None));
    let rising = |n: f64| 0.1 * (n / 700.0).ln();
    let CrossoverOutcome::At { bytes, low, high } = one(exact(&sizes, rising)) else {
        panic!("no crossover")
    };
    assert!((bytes - 700.0).abs() < 1.0 && low < 700.0 && 700.0 < high && high / low < 1.05);
    let CrossoverOutcome::Until { bytes, low, high } = one(exact(&sizes, |n| -rising(n))) else {
        panic!("no crossover")
    };
    assert!((bytes - 700.0).abs() < 1.0 && low < 700.0 && 700.0 < high);
    let papers = [64, 512, 4096, 65_536];
    assert_eq!(one(exact(&papers, rising)), CrossoverOutcome::Bracket { low: 512.0, high: 4096.0 });
    assert_eq!(
        one(exact(&papers, |n| -rising(n))),
        CrossoverOutcome::UntilBracket { low: 512.0, high: 4096.0 }
    );
    let twice = |n: f64| if (200.0..2000.0).contains(&n) { 0.1 } else { -0.1 };
    assert_eq!(one(exact(&sizes, twice)), partly(false, Some(128.0), Some(2048.0)));
}

#[test]
fn sizes_beyond_the_crossover_that_do_not_tell_are_named() {
    let sizes = [64, 512, 4096, 65_536];
    let rising = |n: f64| if n < 100.0 { 0.0 } else { 0.1 * (n / 700.0).ln() };
    let mut curve = exact(&sizes, rising);
    for (round, log) in &mut curve[0].log_ratios {
        *log += if *round % 2 == 0 { 0.2 } else { -0.2 };
    }
    let told = found(&[curve]).remove(0);
    assert_eq!(told.outcome, CrossoverOutcome::Bracket { low: 512.0, high: 4096.0 });
    assert_eq!(told.unclear_sizes, [64]);
    // A size at which both are alike is no better shown.
    assert_eq!(found(&[exact(&sizes, rising)])[0].unclear_sizes, [64]);
    let all = found(&[exact(&sizes, |n| 0.1 * (n / 700.0).ln())]).remove(0);
    assert_eq!(all.unclear_sizes, [0; 0]);
    assert_eq!(found(&[exact(&sizes, |_| 0.1)])[0].unclear_sizes, [0; 0]);
}

#[test]
fn sizes_that_nobody_foresaw_are_no_hindrance() {
    let rising = |n: f64| 0.1 * (n / 700.0).ln();
    let CrossoverOutcome::At { bytes, .. } =
        one(exact(&[63, 100, 190, 333, 660, 777, 1_400], rising))
    else {
        panic!("no crossover")
    };
    assert!((bytes - 700.0).abs() < 2.0, "{bytes}");
}

#[test]
fn too_little_to_test_is_undecided() {
    let sizes = powers(6, 9);
    assert_eq!(outcomes(&[]), []);
    assert_eq!(one(Vec::new()), CrossoverOutcome::Undecided);
    let mut curve = exact(&sizes, |_| 0.3);
    curve[2].log_ratios.truncate(1);
    let (up_to, from) = (Some(128.0), Some(512.0));
    let but_one = CrossoverOutcome::Partly { is_better: true, up_to, from };
    assert_eq!(one(curve), but_one, "one size has a single round");
    let mut curve = exact(&sizes, |_| 0.3);
    curve.iter_mut().for_each(|size| size.log_ratios.truncate(1));
    assert_eq!(one(curve), CrossoverOutcome::Undecided, "every size has a single round");
    assert_eq!(one(exact(&[4096], |_| 0.3)), CrossoverOutcome::Always, "the only size measured");
}

#[test]
fn rounds_that_miss_a_size_leave_the_others_in() {
    let sizes = powers(6, 12);
    let mut curve = exact(&sizes, |n| 0.1 * (n / 700.0).ln());
    curve[0].log_ratios.truncate(3);
    curve[3].log_ratios.retain(|(round, _)| round % 2 == 0);
    let CrossoverOutcome::At { bytes, low, high } = one(curve.clone()) else {
        panic!("no crossover")
    };
    assert!((bytes - 700.0).abs() < 20.0 && low <= bytes && bytes <= high);
    // No round has both neighbours of the crossover, as blocks differ in when they were left out.
    curve[3].log_ratios.retain(|(round, _)| *round <= 6);
    curve[4].log_ratios.retain(|(round, _)| *round > 6);
    let CrossoverOutcome::At { bytes, low, high } = one(curve) else { panic!("no crossover") };
    assert!((bytes - 700.0).abs() < 20.0 && low <= bytes && bytes <= high);
}

#[test]
fn sizes_that_were_left_out_of_later_rounds_widen_no_other_ones_interval() {
    let mut random = Pcg64::new(20_261_123, 8);
    let sizes = powers(6, 16);
    let truth = |n: f64| 0.1 * (n / 700.0).ln();
    let (mut held, mut width, mut short) = (0, 0.0, 0.0);
    let studies = 1_000;
    let at = |curve| {
        let CrossoverOutcome::At { low, high, .. } = one(curve) else { panic!("no crossover") };
        (low, high)
    };
    for _ in 0..studies {
        // Of the sizes beside the crossover one needs four times as many rounds as the other.
        let mut curve = study(&sizes, 40, truth, &mut random);
        for size in curve.iter_mut().step_by(2) {
            size.log_ratios.truncate(10);
        }
        let (low, high) = at(curve.clone());
        held += u32::from(low <= 700.0 && 700.0 <= high);
        width += (high / low).ln();
        curve.iter_mut().for_each(|size| size.log_ratios.truncate(10));
        let (low, high) = at(curve);
        short += (high / low).ln();
    }
    let held = f64::from(held) / f64::from(studies);
    eprintln!("held {held:.3}, width {:.3} of that of ten rounds", width / short);
    assert!((0.93..=0.98).contains(&held), "{held}");
    assert!(width < 0.95 * short, "{width} {short}");
}

#[test]
fn figures_without_spread_cross_at_one_point() {
    let curve: Vec<SizeRatios> = powers(6, 12)
        .into_iter()
        .map(|bytes| SizeRatios {
            bytes,
            log_ratios: (1..=10).map(|round| (round, (bytes as f64 / 700.0).ln())).collect(),
        })
        .collect();
    let CrossoverOutcome::At { bytes, low, high } = one(curve) else { panic!("no crossover") };
    for end in [bytes, low, high] {
        assert!((end - 700.0).abs() < 0.01, "{end}");
    }
}

#[test]
fn more_curves_ask_for_more_evidence() {
    // At the two ends of the curve the evidence is moderate: 10 rounds, t about 4.
    let weak = |bytes: u64, mean: f64| SizeRatios {
        bytes,
        log_ratios: (1..=10)
            .map(|round| (round, mean + 0.03 * (f64::from(round) - 5.5) / 3.0))
            .collect(),
    };
    let curve = vec![weak(64, -0.04), weak(128, 0.0), weak(256, 0.04)];
    assert!(matches!(one(curve.clone()), CrossoverOutcome::At { .. }));
    let flat = vec![weak(64, 0.0), weak(128, 0.0), weak(256, 0.0)];
    let mut family = vec![flat; 200];
    family.push(curve);
    assert_eq!(outcomes(&family)[200], CrossoverOutcome::Undecided);
}
