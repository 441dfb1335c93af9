//! Cost models: intervals that hold, lines that fit, and breaks that were planted.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test's functions may fail it, and tell the coverage"
)]

use analysis::cost_model::{SizeCosts, fit};
use rand_pcg::Pcg64;
use synthetic::normal;

/// A study: `truth` is ns a message at a size, `spread` that of its logarithm; a part is shared by a round's sizes.
fn study(
    sizes: &[u64],
    rounds: u32,
    truth: impl Fn(f64) -> f64,
    spread: impl Fn(usize) -> f64,
    random: &mut Pcg64,
) -> Vec<SizeCosts> {
    let mut costs: Vec<SizeCosts> =
        sizes.iter().map(|bytes| SizeCosts { bytes: *bytes, log_ns: Vec::new() }).collect();
    for round in 1..=rounds {
        let shared = 0.02 * normal(random);
        for (place, size) in costs.iter_mut().enumerate() {
            let noise = shared + spread(place) * normal(random);
            size.log_ns.push((round, truth(size.bytes as f64).ln() + noise));
        }
    }
    costs
}

const SIZES: [u64; 8] = [64, 512, 1024, 4096, 16_384, 65_536, 131_072, 262_144];
const STUDIES: u32 = 2_000;

fn line(n: f64) -> f64 {
    650.0 + 0.115 * n
}

fn share(n: u32) -> f64 {
    f64::from(n) / f64::from(STUDIES)
}

#[test]
fn intervals_hold_a_and_b_and_the_line_is_rejected_as_seldom_as_it_should() {
    let mut random = Pcg64::new(20_261_123, 11);
    for (name, sizes, rounds, unequal) in [
        ("eight sizes", &SIZES[..], 12, false),
        ("eight sizes of unequal spread", &SIZES[..], 12, true),
        ("the paper's sizes", &[64, 512, 4096, 65_536][..], 10, false),
        ("three sizes", &[64, 4096, 65_536][..], 10, true),
    ] {
        let (mut a, mut b, mut rejected, mut broken, mut tested) = (0, 0, 0, 0, 0);
        for _ in 0..STUDIES {
            let spread =
                |place: usize| if unequal && place.is_multiple_of(2) { 0.06 } else { 0.02 };
            let costs = study(sizes, rounds, line, spread, &mut random);
            let fitted = fit(&costs, &[32_768.0], 1.0).unwrap();
            let holds = |estimate: analysis::estimate::Estimate, truth: f64| {
                u32::from(estimate.low.unwrap() <= truth && truth <= estimate.high.unwrap())
            };
            a += holds(fitted.per_message_ns, 650.0);
            b += holds(fitted.per_byte_ns, 0.115);
            rejected += u32::from(*fitted.lack_of_fit_p.value().unwrap() < 0.05);
            if let Some(p) = fitted.break_p[0].value() {
                tested += 1;
                broken += u32::from(*p < 0.05);
            }
        }
        let (a, b, rejected) = (share(a), share(b), share(rejected));
        eprintln!(
            "{name}: a {a:.3}, b {b:.3}, rejected {rejected:.3}, broken {broken} of {tested}"
        );
        assert!((0.93..=0.97).contains(&a) && (0.93..=0.97).contains(&b), "{name}: {a} {b}");
        assert!((0.01..=0.065).contains(&rejected), "{name}: {rejected}");
        assert!(share(broken) <= 0.06, "{name}: {broken}");
        assert_eq!(tested, if sizes.len() == 8 { STUDIES } else { 0 }, "{name}");
    }
}

#[test]
fn a_planted_break_is_found_where_it_was_planted() {
    let mut random = Pcg64::new(20_261_123, 12);
    let broken = |n: f64| line(n) + if n > 32_768.0 { 0.05 * (n - 32_768.0) } else { 0.0 };
    let costs = study(&SIZES, 12, broken, |_| 0.02, &mut random);
    let fitted = fit(&costs, &[32_768.0, 100.0], 1.0).unwrap();
    assert!(*fitted.lack_of_fit_p.value().unwrap() < 0.001);
    assert!(*fitted.break_p[0].value().unwrap() < 0.001);
    assert!(fitted.break_p[1].reason().unwrap().contains("2 sizes on either side; 1 lie"));
}

#[test]
fn a_line_without_noise_is_found_exactly() {
    let costs: Vec<SizeCosts> = SIZES
        .iter()
        .map(|bytes| SizeCosts {
            bytes: *bytes,
            log_ns: (1..=10).map(|round| (round, line(*bytes as f64).ln())).collect(),
        })
        .collect();
    let fitted = fit(&costs, &[32_768.0], 1.0).unwrap();
    assert!((fitted.per_message_ns.mean - 650.0).abs() < 1e-6);
    assert!((fitted.per_byte_ns.mean - 0.115).abs() < 1e-9);
    assert!(*fitted.lack_of_fit_p.value().unwrap() > 0.99);
    assert!((0.0..=1.0).contains(fitted.break_p[0].value().unwrap()));
    for [bytes, measured, model] in fitted.points {
        assert!(
            (measured - line(bytes)).abs() < 1e-6 * measured
                && (model - measured).abs() < 1e-6 * measured
        );
    }
}

#[test]
fn too_few_sizes_or_rounds_say_so() {
    let mut random = Pcg64::new(20_261_123, 13);
    let costs = study(&SIZES[..2], 10, line, |_| 0.02, &mut random);
    assert!(fit(&costs, &[], 1.0).unwrap_err().contains("needs 3 sizes, 2 were measured"));
    assert!(fit(&[], &[], 1.0).unwrap_err().contains("none was"));
    let costs = study(&SIZES, 1, line, |_| 0.02, &mut random);
    let fitted = fit(&costs, &[32_768.0], 1.0).unwrap();
    assert_eq!((fitted.per_message_ns.low, fitted.per_message_ns.trials), (None, 1));
    assert!(fitted.lack_of_fit_p.reason().is_some() && fitted.break_p[0].reason().is_some());
    let mut apart = study(&SIZES, 4, line, |_| 0.02, &mut random);
    for (place, size) in apart.iter_mut().enumerate() {
        size.log_ns
            .retain(|(round, _)| (*round as usize).is_multiple_of(2) == place.is_multiple_of(2));
    }
    let fitted = fit(&apart, &[32_768.0], 1.0).unwrap();
    assert!((fitted.per_byte_ns.mean / 0.115 - 1.0).abs() < 0.1);
    for p in [&fitted.lack_of_fit_p, &fitted.break_p[0]] {
        assert!(p.reason().unwrap().contains("no round measured every size"));
    }
    apart[1].log_ns.clear();
    assert!(fit(&apart, &[], 1.0).unwrap_err().contains("never measured"));
}

#[test]
fn sizes_that_were_left_out_of_later_rounds_leave_the_others_their_worth() {
    let mut random = Pcg64::new(20_261_123, 14);
    let (mut a, mut b, mut rejected, mut width, mut short) = (0, 0, 0, 0.0, 0.0);
    for _ in 0..STUDIES {
        // Small sizes spread more and go on; large ones are precise after ten rounds. Both share each round's drift.
        let spread = |place: usize| if place < 4 { 0.08 } else { 0.02 };
        let mut costs = study(&SIZES, 40, line, spread, &mut random);
        costs.iter_mut().skip(4).for_each(|size| size.log_ns.truncate(10));
        let fitted = fit(&costs, &[], 1.0).unwrap();
        let holds = |estimate: analysis::estimate::Estimate, truth: f64| {
            u32::from(estimate.low.unwrap() <= truth && truth <= estimate.high.unwrap())
        };
        a += holds(fitted.per_message_ns, 650.0);
        b += holds(fitted.per_byte_ns, 0.115);
        rejected += u32::from(*fitted.lack_of_fit_p.value().unwrap() < 0.05);
        let of_a = |of: analysis::estimate::Estimate| of.high.unwrap() - of.low.unwrap();
        width += of_a(fitted.per_message_ns);
        costs.iter_mut().for_each(|size| size.log_ns.truncate(10));
        short += of_a(fit(&costs, &[], 1.0).unwrap().per_message_ns);
    }
    let (a, b, rejected) = (share(a), share(b), share(rejected));
    let width = width / short;
    eprintln!("a {a:.3}, b {b:.3}, rejected {rejected:.3}, width of a {width:.3} of ten rounds'");
    assert!((0.93..=0.99).contains(&a) && (0.93..=0.99).contains(&b), "{a} {b}");
    assert!(rejected <= 0.065 && width < 0.7, "{rejected} {width}");
}
