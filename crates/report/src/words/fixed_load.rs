//! What is saved where senders are held to a rate, in CPUs for each Gbit/s.

use analysis::estimate::Estimate;
use analysis::fixed_load::{KEPT_UP, LoadSaving, largest};
use analysis::results::Finding;
use analysis::summary::Summary;
use model::{Contrast, Factor};

use crate::spelling::{message, over, percent};

/// A sentence for each link and load.
pub(crate) fn load_savings(summary: &Summary) -> Vec<String> {
    largest(&summary.explained.load_savings).into_iter().map(sentence).collect()
}

fn sentence(saving: &LoadSaving) -> String {
    let LoadSaving { cell, cpus_per_gbps: [takes, other], .. } = saving;
    let [name, against] = values(&saving.contrast);
    let [saved, takes, other] = [&saving.saved_cpus_per_gbps, takes, other].map(cpus);
    let doubt = match saving.finding {
        Finding::Less | Finding::More => "",
        Finding::Equivalent => ", which is shown to be no difference that matters",
        Finding::Undecided | Finding::AtLineRate => ", which is not shown to be a difference",
    };
    let behind: String = [&name, &against]
        .iter()
        .zip(saving.delivered)
        .filter(|(_, delivered)| *delivered < KEPT_UP)
        .map(|(name, delivered)| {
            format!("; {name} delivered {} of it, so that the loads differ", percent(delivered))
        })
        .collect();
    format!(
        "at {} offered {}, {}: {name} in place of {against} saves {saved} CPUs for each Gbit/s ({takes} in place of {other}){doubt}{behind}",
        cell.rate,
        over(cell.link),
        message(cell)
    )
}

/// CPUs, with the interval where there is one.
pub(crate) fn cpus(of: &Estimate) -> String {
    match (of.low, of.high) {
        (Some(low), Some(high)) => format!("{:.4} [{low:.4}, {high:.4}]", of.mean),
        (None, _) | (_, None) => format!("{:.4}", of.mean),
    }
}

/// The two values as they are asked for.
pub(crate) fn values(contrast: &Contrast) -> [String; 2] {
    [&contrast.value, &contrast.against].map(|value| {
        if matches!(contrast.factor, Factor::Send | Factor::Recv) {
            value.clone()
        } else {
            format!("--{} {value}", contrast.factor.key())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Cell;

    #[test]
    fn a_saving_says_at_which_load_it_is_and_what_is_not_shown() {
        let estimate =
            |mean: f64| Estimate { mean, low: Some(mean / 2.0), high: Some(mean * 2.0), trials: 9 };
        let cell = |send: &str| -> Cell {
            format!("send={send} message_bytes=65536 threads=1 rate=2Gbit/s").parse().unwrap()
        };
        let mut saving = LoadSaving {
            contrast: "send: zerocopy / sendmsg".parse().unwrap(),
            cell: cell("zerocopy"),
            against: cell("sendmsg"),
            offered_gbps: 2.0,
            delivered: [1.0, 0.99],
            cpus_per_gbps: [estimate(0.01), estimate(0.02)],
            saved_cpus_per_gbps: estimate(0.01),
            cost_ratio: estimate(0.5),
            finding: Finding::Less,
        };
        assert_eq!(
            sentence(&saving),
            "at 2Gbit/s offered over loopback, 64 KiB: zerocopy in place of sendmsg saves 0.0100 [0.0050, 0.0200] CPUs for each Gbit/s (0.0100 [0.0050, 0.0200] in place of 0.0200 [0.0100, 0.0400])"
        );
        (saving.finding, saving.delivered) = (Finding::Undecided, [0.5, 0.99]);
        let said = sentence(&saving);
        assert!(
            said.contains(
                ", which is not shown to be a difference; zerocopy delivered 50 % of it, so that the loads differ"
            ),
            "{said}"
        );
        saving.contrast = "nodelay: on / off".parse().unwrap();
        assert!(sentence(&saving).contains("--nodelay on in place of --nodelay off"));
    }
}
