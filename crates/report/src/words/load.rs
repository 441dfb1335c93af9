//! What else ran, and what it did to the intervals.

use analysis::load::{LoadEffect, LoadFacts, RoundShares};
use model::Measured;

use crate::spelling::{half_width, percent, ratio, short};

/// How much, and what it did to the intervals.
pub(crate) fn load(of: &LoadFacts) -> String {
    let effect = match &of.effect {
        Measured::Value(effect) => what_it_did(effect),
        Measured::Absent { absent } => {
            format!("what that does to intervals is not known: {absent}")
        }
    };
    format!("{}: {effect}", taken(of))
}

/// What a reader may want to know beside that.
pub(crate) fn detail(of: &LoadFacts) -> String {
    let mut parts = Vec::new();
    if let Measured::Value(LoadEffect { scatter, p, shares: [less, more], .. }) = &of.effect {
        parts.push(format!("{}, p {p:.3}", ratio(scatter)));
        parts.push(format!(
            "the half of the series with less of it had {} and the other {}",
            percent(*less),
            percent(*more)
        ));
    }
    parts.push(format!("a round's share is off by up to {}", percent(of.error)));
    if let Measured::Value([low, high]) = &of.khz {
        parts.push(format!("frequencies from {} to {} GHz", short(low / 1e6), short(high / 1e6)));
    }
    parts.join("; ")
}

/// The same in one line; also where there is nothing to warn of.
pub(crate) fn note(of: &Measured<LoadFacts>) -> String {
    match of {
        Measured::Value(of) => format!("{} ({})", load(of), detail(of)),
        Measured::Absent { absent } => format!("not measured: {absent}"),
    }
}

/// `other programs took 12 % of the CPUs (most in a round: 40 %), the hypervisor 3 % (most: 9 %)`.
fn taken(of: &LoadFacts) -> String {
    let RoundShares { median, most } = of.others;
    let mut text = format!(
        "other programs took {} of the CPUs (most in a round: {})",
        percent(median),
        percent(most)
    );
    if let Some(RoundShares { median, most }) = of.steal.value().filter(|steal| steal.most > 0.0) {
        let steal = format!(", the hypervisor {} (most: {})", percent(*median), percent(*most));
        text.push_str(&steal);
    }
    text
}

fn what_it_did(effect: &LoadEffect) -> String {
    let LoadEffect { scatter, shown, half_width: all, half_width_quieter: quieter, .. } = effect;
    if !shown {
        return "rounds with more of it are not shown to scatter more".to_owned();
    }
    let times = format!("rounds with more of it scatter {} times as much", short(scatter.mean));
    let (all, quieter_text) = (half_width(*all), half_width(*quieter));
    if quieter < &effect.half_width {
        format!("{times}; the quieter half alone would give {quieter_text} instead of {all}")
    } else {
        format!(
            "{times}; yet the quieter half alone would give {quieter_text}, and all of them give {all}"
        )
    }
}

#[cfg(test)]
mod tests {
    use analysis::estimate::Estimate;

    use super::*;

    fn facts(effect: Measured<LoadEffect>) -> LoadFacts {
        LoadFacts {
            rounds: 20,
            others: RoundShares { median: 0.12, most: 0.4 },
            steal: Measured::Value(RoundShares { median: 0.0, most: 0.0 }),
            error: 0.001,
            khz: Measured::Value([2_400_000.0, 3_200_000.0]),
            seen: true,
            effect,
        }
    }

    fn effect(shown: bool, quieter: f64) -> Measured<LoadEffect> {
        Measured::Value(LoadEffect {
            scatter: Estimate { mean: 1.7, low: Some(1.3), high: Some(2.2), trials: 20 },
            p: 0.002,
            shown,
            shares: [0.03, 0.22],
            half_width: 0.06,
            half_width_quieter: quieter,
        })
    }

    #[test]
    fn it_says_how_much_there_was_and_what_that_did() {
        let taken = "other programs took 12 % of the CPUs (most in a round: 40 %)";
        let [more, wider, none] = [(true, 0.04), (true, 0.07), (false, 0.04)]
            .map(|(shown, quieter)| facts(effect(shown, quieter)));
        assert_eq!(
            load(&more),
            format!(
                "{taken}: rounds with more of it scatter 1.70 times as much; the quieter half alone would give ±4 % instead of ±6 %"
            )
        );
        assert!(
            load(&wider)
                .ends_with("yet the quieter half alone would give ±7 %, and all of them give ±6 %")
        );
        assert!(load(&none).ends_with("are not shown to scatter more"));
        assert_eq!(
            detail(&more),
            "1.70 × [1.30, 2.20], p 0.002; the half of the series with less of it had 3 % and the other 22 %; a round's share is off by up to 0.1 %; frequencies from 2.40 to 3.20 GHz"
        );
    }

    #[test]
    fn what_is_not_known_has_its_reason() {
        let few = facts(Measured::absent("fewer than 8 rounds"));
        assert!(load(&few).ends_with("is not known: fewer than 8 rounds"));
        assert_eq!(note(&Measured::absent("measured steadily")), "not measured: measured steadily");
        let steal = Measured::Value(RoundShares { median: 0.02, most: 0.05 });
        let stolen = LoadFacts { steal, ..few };
        assert!(load(&stolen).contains("40 %), the hypervisor 2 % (most: 5 %): "));
    }
}
