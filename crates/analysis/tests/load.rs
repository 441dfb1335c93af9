//! What other load did to the intervals, of planted truth; `STUDIES=10` simulates ten times as many.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test's functions may fail it, and tell the rates"
)]

use analysis::load::{BlockSeries, LoadEffect, LoadFacts};
use analysis::summarise;
use analysis::warnings::Warning;
use model::record::Record;
use model::{Factor, Measured};
use rand_pcg::Pcg64;
use synthetic::normal;

/// What scatters.
#[derive(Clone, Copy, Debug)]
enum Noise {
    /// Each log-ratio on its own, normally.
    Independent,
    /// The same, but all of a round have a size of noise in common.
    SharedByARound,
    /// Student's t with three degrees of freedom.
    HeavyTailed,
    /// A size of noise of which 0.6 is left in the next round, as of load.
    Lasting,
}

/// Four blocks of four ratios; load from 0 to 1, of which half is left in the next round where it lasts. Log-ratios scatter
/// `times` as far in the half of a block's series with more load.
fn study(noise: Noise, rounds: u32, times: f64, random: &mut Pcg64) -> LoadEffect {
    let mut blocks = vec![BlockSeries::default(); 4];
    for block in &mut blocks {
        block.log_ratios = vec![Vec::new(); 4];
    }
    let left = if matches!(noise, Noise::Lasting) { 0.6 } else { 0.0 };
    let new = f64::sqrt(1.0 - left * left);
    let (mut load, mut size) = (normal(random), normal(random));
    let mut sizes = Vec::new();
    for round in 1..=rounds {
        load = left * load + new * normal(random);
        size = left * size + new * normal(random);
        sizes.push(match noise {
            Noise::SharedByARound | Noise::Lasting => 0.03 * (0.4 * size).exp(),
            Noise::Independent | Noise::HeavyTailed => 0.03,
        });
        for block in &mut blocks {
            block.shares.insert(round, load + 0.5 * normal(random));
        }
    }
    for BlockSeries { shares, log_ratios } in &mut blocks {
        let mut sorted: Vec<f64> = shares.values().copied().collect();
        sorted.sort_by(f64::total_cmp);
        for ((round, share), size) in shares.iter().zip(&sizes) {
            let scale = if *share >= sorted[sorted.len() / 2] { size * times } else { *size };
            for logs in log_ratios.iter_mut() {
                let tail = if matches!(noise, Noise::HeavyTailed) {
                    let square: f64 = (0..3).map(|_| normal(random).powi(2)).sum();
                    (square / 3.0).sqrt()
                } else {
                    1.0
                };
                logs.push((*round, 0.5 + scale * normal(random) / tail));
            }
        }
    }
    LoadEffect::of(&blocks).value().unwrap().clone()
}

/// In how many of 100 studies an effect is shown, in how many the interval holds `times`, and the median effect.
fn rates(noise: Noise, rounds: u32, times: f64) -> [f64; 3] {
    let more: u32 = std::env::var("STUDIES").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let studies = 200 * more;
    let mut random = Pcg64::new(u128::from(rounds), 3);
    let (mut shown, mut held, mut scatter) = (0, 0, Vec::new());
    for _ in 0..studies {
        let effect = study(noise, rounds, times, &mut random);
        shown += u32::from(effect.shown);
        let (low, high) = (effect.scatter.low.unwrap(), effect.scatter.high.unwrap());
        held += u32::from(low <= times && times <= high);
        scatter.push(effect.scatter.mean);
    }
    scatter.sort_by(f64::total_cmp);
    let rates = [shown, held].map(|n| 100.0 * f64::from(n) / f64::from(studies));
    let median = scatter[scatter.len() / 2];
    eprintln!("{noise:?}, {rounds} rounds, {times} times: {rates:?} {median:.2}");
    [rates[0], rates[1], median]
}

#[test]
fn no_effect_is_claimed_in_no_more_than_five_of_100_studies() {
    for rounds in [8, 20] {
        for noise in [Noise::Independent, Noise::SharedByARound, Noise::HeavyTailed] {
            let [shown, held, _] = rates(noise, rounds, 1.0);
            // Two standard errors of 200 studies.
            assert!(shown <= 8.5, "{noise:?}: shown in {shown} of 100");
            assert!(held >= 90.0, "{noise:?}: held in {held} of 100");
        }
    }
    // Where both last and there are fewer rounds than can be shifted, it is claimed a little more often.
    for (rounds, limit) in [(12, 12.0), (20, 8.5), (60, 8.5)] {
        let [shown, ..] = rates(Noise::Lasting, rounds, 1.0);
        assert!(shown <= limit, "{rounds} rounds: shown in {shown} of 100");
    }
}

#[test]
fn a_planted_effect_is_found_and_told_with_its_size() {
    for (noise, rounds) in
        [(Noise::Independent, 10), (Noise::SharedByARound, 20), (Noise::HeavyTailed, 20)]
    {
        let [shown, held, median] = rates(noise, rounds, 2.0);
        assert!(shown >= 80.0, "{noise:?}: shown in {shown} of 100");
        assert!(held >= 85.0, "{noise:?}: held in {held} of 100");
        assert!((1.6..2.2).contains(&median), "{noise:?}: {median}");
    }
}

#[test]
fn too_few_rounds_say_so() {
    let effect = LoadEffect::of(&[BlockSeries::default()]);
    assert_eq!(effect.reason(), Some("fewer than 8 rounds"));
}

/// The rounds in which something else ran.
const LOADED: [u32; 10] = [1, 4, 5, 6, 9, 11, 12, 16, 18, 19];

/// A run of 20 rounds; those have so much load, and noise of `noisy` instead of 0.01.
fn run(others: f64, stolen: f64, noisy: f64) -> (LoadFacts, Vec<Warning>) {
    let plan = synthetic::without_controls(&[(Factor::Message, "64,4096"), (Factor::Threads, "1")]);
    let mut records = synthetic::run(&plan, 20, |cell, round| {
        let noise = if LOADED.contains(&round) { noisy } else { 0.01 };
        synthetic::trial(cell, round).faster(synthetic::noise(1, cell, round, noise))
    });
    for record in &mut records {
        let Record::Trial(trial) = record else { continue };
        synthetic::in_turns(trial, &[1.0; 4], None);
        let is_loaded = f64::from(u8::from(LOADED.contains(&trial.round)));
        synthetic::loaded(trial, 0.01 + is_loaded * others, is_loaded * stolen);
    }
    let summary = summarise(&plan, &synthetic::host(), &records);
    (summary.run.load.value().unwrap().clone(), summary.warnings)
}

fn is_warned(warnings: &[Warning]) -> bool {
    warnings.iter().any(|warning| matches!(warning, Warning::Load { .. }))
}

#[test]
fn load_is_told_in_shares_of_the_usable_cpus_and_what_it_did() {
    let (load, warnings) = run(0.4, 0.0, 0.05);
    assert!((load.others.most - 0.41).abs() < 1e-3 && load.rounds == 20, "{load:?}");
    assert_eq!(load.steal.value().unwrap().most, 0.0);
    let effect = load.effect.value().unwrap();
    assert!(effect.shown && effect.scatter.mean > 2.0, "{effect:?}");
    assert!(effect.half_width_quieter < effect.half_width, "{effect:?}");
    assert!((effect.shares[1] - effect.shares[0] - 0.4).abs() < 1e-3, "{effect:?}");
    assert!(is_warned(&warnings));
    let (load, _) = run(0.0, 0.3, 0.01);
    assert!((load.steal.value().unwrap().most - 0.3).abs() < 1e-3, "{load:?}");
    assert!((load.others.most - 0.01).abs() < 1e-3, "what was stolen is not others': {load:?}");
    assert!(load.seen && !load.effect.value().unwrap().shown, "{load:?}");
}

#[test]
fn of_little_load_no_effect_is_told_and_nobody_is_warned() {
    let (load, warnings) = run(0.01, 0.0, 0.05);
    assert!(!load.seen && load.effect.value().is_none(), "{load:?}");
    assert!(!is_warned(&warnings));
}

#[test]
fn runs_that_do_not_tell_have_none() {
    let plan = synthetic::without_controls(&[(Factor::Message, "64"), (Factor::Threads, "1")]);
    let records = synthetic::run(&plan, 3, synthetic::trial);
    let summary = summarise(&plan, &synthetic::host(), &records);
    assert!(matches!(summary.run.load, Measured::Absent { .. }));
}
