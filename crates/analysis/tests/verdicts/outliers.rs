//! Rounds far from the others: what they do to a ratio is told.

use analysis::metric::Metric;
use analysis::results::Ratio;
use analysis::warnings::Warning;
use model::SendPath::{Sendmsg, Zerocopy};

use crate::made::{Run, host, one_thread};

/// Twenty rounds in which zerocopy has 1.2 times the goodput, but this much of it in each tenth one.
fn stalling(to: f64) -> Run {
    let plan = one_thread();
    let records = synthetic::run(&plan, 20, |cell, round| {
        let is_it = cell.send_path == Zerocopy;
        let stall = if is_it && round % 10 == 5 { to } else { 1.0 };
        synthetic::trial(cell, round)
            .usable_cpus(16)
            .goodput_gbps(if is_it { 12.0 } else { 10.0 })
            .faster(stall * synthetic::noise(3, cell, round, 0.02))
    });
    Run { plan, host: host(), records }
}

fn goodput(run: &Run) -> Vec<Ratio> {
    let mut ratios = run.summary().ratios;
    ratios.retain(|ratio| {
        let paths = (ratio.cell.send_path, ratio.against.send_path);
        ratio.metric == Metric::GoodputGbps && paths == (Zerocopy, Sendmsg)
    });
    assert_eq!(ratios.len(), 4);
    ratios
}

fn is_outliers(warning: &Warning) -> bool {
    matches!(warning, Warning::Outliers { ratios: 1.., widest, .. }
        if widest.trimmed_apart().is_some())
}

#[test]
fn a_stall_in_one_round_of_ten_is_told_beside_the_mean() {
    let run = stalling(0.05);
    for ratio in goodput(&run) {
        let (mean, trimmed) = (ratio.ratio.value().unwrap(), ratio.trimmed_apart().unwrap());
        assert!(mean.high.unwrap() / mean.low.unwrap() > 1.5, "{mean:?}");
        assert!((trimmed.mean - 1.2).abs() < 0.03, "{trimmed:?}");
        assert!(trimmed.high.unwrap() / trimmed.low.unwrap() < 1.08, "{trimmed:?}");
    }
    assert!(run.summary().warnings.iter().any(is_outliers));
}

#[test]
fn without_one_both_agree() {
    let run = stalling(1.0);
    for ratio in goodput(&run) {
        let trimmed = ratio.trimmed.value().unwrap();
        assert!(ratio.trimmed_apart().is_none(), "{ratio:?}");
        assert!((trimmed.mean / ratio.ratio.value().unwrap().mean - 1.0).abs() < 0.01);
    }
    assert!(!run.summary().warnings.iter().any(is_outliers));
}

#[test]
fn below_ten_pairs_nothing_is_cut() {
    let mut run = stalling(0.05);
    run.records = synthetic::run(&run.plan, 9, |cell, round| {
        synthetic::trial(cell, round).faster(synthetic::noise(3, cell, round, 0.02))
    });
    assert!(goodput(&run).iter().all(|ratio| ratio.trimmed.reason().is_some()));
}
