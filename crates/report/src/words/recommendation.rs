//! What to use, in a sentence a link: at most 25 words, with one interval.

use analysis::explained::CrossoverOutcome;
use analysis::figure_text::{counted, listed, ratio, short, size};
use analysis::metric::{Better, Metric};
use analysis::recommendation::{Advice, ByReference, Gain, Pays, Recommendation};
use analysis::reference::Caveat;
use analysis::summary::{Finding, Summary};
use model::SendPath;

/// One sentence a link, the link's name before it where there are several.
pub(crate) fn recommendations(summary: &Summary) -> Vec<String> {
    let all = &summary.explained.recommendations;
    let one = |recommendation: &Recommendation| {
        let sentence = sentence(recommendation);
        if all.len() > 1 {
            let mut chars = sentence.chars();
            let first = chars.next().map(|c| c.to_lowercase().to_string()).unwrap_or_default();
            capital(&format!("{}: {first}{}", recommendation.link, chars.as_str()))
        } else {
            sentence
        }
    };
    if all.is_empty() {
        return vec!["Nothing was measured yet.".to_owned()];
    }
    all.iter().map(one).collect()
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().to_string() + chars.as_str())
}

fn sentence(recommendation: &Recommendation) -> String {
    let metric = recommendation.metric;
    let mut sentence = match &recommendation.advice {
        Advice::Use { path, against, gains, .. } => used(*path, *against, gains, metric),
        Advice::BySize { path, against, outcome } => {
            let over_settings = recommendation.by_reference.iter().find(|it| {
                (it.path, it.against, it.metric) == (*path, *against, recommendation.metric)
            });
            match over_settings.map(|it| it.pays) {
                // Wider than this family's own: the settings of the link differ in it.
                Some(pays @ Pays::From { low, high }) if pays != Pays::of(outcome) => format!(
                    "use {against} for small messages, {path} from a size between {} and {} on",
                    size(low),
                    size(high)
                ),
                _ => by_size(*path, *against, outcome),
            }
        }
        Advice::Alike { paths } => {
            format!("use any of {}: alike at every size", names(paths))
        }
        Advice::Unclear { paths } => {
            format!("unclear which of {} to use (wide intervals)", names(paths))
        }
        Advice::NotCompared { paths } => {
            format!("{} were not compared with each other: no path is recommended", names(paths))
        }
        Advice::Alone { path } => format!("only {path} was measured: no path is recommended"),
        Advice::Nothing => "no valid trial: this run says nothing about any path".to_owned(),
    };
    let chosen =
        if let Advice::Use { path, .. } = &recommendation.advice { Some(*path) } else { None };
    for it in recommendation.by_reference.iter().filter(|it| is_said(recommendation, it)) {
        sentence.push_str(&format!("; {}", pays(it, recommendation, chosen)));
    }
    for caveat in &recommendation.caveats {
        match caveat {
            Caveat::Preliminary { rounds } => {
                sentence =
                    format!("preliminary, {}: {sentence}", counted(*rounds, "round", "rounds"));
            }
            Caveat::Oversubscribed { .. } => sentence.push_str("; more threads than CPUs"),
            Caveat::LawBroken { .. } | Caveat::NoCause => {}
        }
    }
    capital(&sentence) + "."
}

/// Whether the sentence tells when a path by reference pays: not where its advice does so already.
pub(crate) fn is_said(recommendation: &Recommendation, it: &ByReference) -> bool {
    match &recommendation.advice {
        // Chosen for its goodput, it may still cost more CPU.
        Advice::Use { path, .. } => *path != it.path || it.pays == Pays::Never,
        Advice::BySize { path, against, .. } => ![*path, *against].contains(&it.path),
        Advice::Nothing | Advice::NotCompared { .. } | Advice::Alone { .. } => false,
        Advice::Alike { .. } | Advice::Unclear { .. } => true,
    }
}

/// Whether the sentence says that what a path by reference handed over was copied all the same.
pub(crate) fn says_copied(recommendation: &Recommendation) -> bool {
    let says = |it: &ByReference| {
        is_said(recommendation, it)
            && matches!(it.pays, Pays::Never | Pays::Alike | Pays::Unclear)
            && all_copied(it)
    };
    recommendation.by_reference.iter().any(says)
}

fn all_copied(it: &ByReference) -> bool {
    it.copied_share.value().is_some_and(|[least, _]| *least >= 1.0)
}

fn names(paths: &[SendPath]) -> String {
    listed(&paths.iter().map(ToString::to_string).collect::<Vec<_>>())
}

/// Whether a finding says that a figure is better.
fn is_better(finding: Finding, metric: Metric) -> bool {
    let low = metric.better() == Better::Low;
    matches!((finding, low), (Finding::More, false) | (Finding::Less, true))
}

/// `use sendmsg: 4.8 × [4.7, 4.9] the goodput of send at 64 B, 1.3 × at 64 KiB`.
fn used(path: SendPath, against: SendPath, gains: &[Gain], metric: Metric) -> String {
    let what = match metric.better() {
        Better::Low => "the sender's CPU per KiB",
        Better::High | Better::None => "the goodput",
    };
    let (Some(first), Some(last)) = (gains.first(), gains.last()) else {
        return format!("use {path}");
    };
    // The interval that is shown belongs to a finding that holds after correction.
    let shown = gains.iter().find(|gain| is_better(gain.finding, metric)).unwrap_or(first);
    let other = if shown == last { first } else { last };
    let mut text = format!(
        "use {path}: {} {what} of {against} at {}",
        ratio(&shown.ratio),
        size(shown.message_bytes as f64)
    );
    if other.message_bytes != shown.message_bytes {
        let at = size(other.message_bytes as f64);
        text.push_str(&match other.finding {
            Finding::Equivalent => format!(", the same at {at}"),
            Finding::Undecided => format!(", unclear at {at}"),
            Finding::More | Finding::Less => {
                format!(", {} × at {at}", short(other.ratio.mean))
            }
        });
    }
    text
}

fn by_size(path: SendPath, against: SendPath, outcome: &CrossoverOutcome) -> String {
    let between = |low: f64, high: f64| format!("between {} and {}", size(low), size(high));
    match *outcome {
        CrossoverOutcome::At { bytes, low, high } => format!(
            "use {against} below {} [{}, {}], {path} above",
            size(bytes),
            size(low),
            size(high)
        ),
        CrossoverOutcome::Until { bytes, low, high } => format!(
            "use {path} below {} [{}, {}], {against} above",
            size(bytes),
            size(low),
            size(high)
        ),
        CrossoverOutcome::Bracket { low, high } => {
            format!(
                "use {against} for small messages and {path} for large ones; they change places {}",
                between(low, high)
            )
        }
        CrossoverOutcome::UntilBracket { low, high } => {
            format!(
                "use {path} for small messages and {against} for large ones; they change places {}",
                between(low, high)
            )
        }
        CrossoverOutcome::Always
        | CrossoverOutcome::Never
        | CrossoverOutcome::Alike
        | CrossoverOutcome::Undecided => format!("unclear which of {path} and {against} to use"),
    }
}

/// `zerocopy never wins on loopback (copied anyway)`.
fn pays(it: &ByReference, recommendation: &Recommendation, chosen: Option<SendPath>) -> String {
    let ByReference { path, .. } = it;
    let link = recommendation.link;
    let anyway = if all_copied(it) { " (copied anyway)" } else { "" };
    match it.pays {
        Pays::Never if chosen == Some(*path) => {
            format!("it costs more CPU than {}{anyway}", it.against)
        }
        Pays::Never if chosen == Some(it.against) => {
            format!("{path} never wins on {link}{anyway}")
        }
        Pays::Never => format!("{path} never beats {} on {link}{anyway}", it.against),
        Pays::Alike => format!("{path} costs the same on {link}{anyway}"),
        Pays::Always => format!("{path} costs less CPU at every size"),
        Pays::From { low, high } if (low - high).abs() < 1.0 => {
            format!("{path} costs less CPU from {} on", size(low))
        }
        Pays::From { low, high } => {
            format!("{path} costs less CPU above {} … {}", size(low), size(high))
        }
        Pays::Until { high, .. } => format!("{path} costs less CPU only below {}", size(high)),
        Pays::Mixed => format!("{path} costs less CPU in some settings only"),
        Pays::Unclear => format!("whether {path} pays is unclear{anyway}"),
    }
}

#[cfg(test)]
mod tests {
    use analysis::summary::Estimate;
    use model::{Link, Measured};

    use super::*;

    fn estimate(mean: f64) -> Estimate {
        Estimate { mean, low: Some(mean * 0.98), high: Some(mean * 1.02), trials: 12 }
    }

    fn gain(message_bytes: u64, mean: f64, finding: Finding) -> Gain {
        Gain { message_bytes, ratio: estimate(mean), finding }
    }

    fn recommended(advice: Advice, pays: Pays) -> Recommendation {
        Recommendation {
            link: Link::Loopback,
            shared: None,
            metric: Metric::GoodputGbps,
            advice,
            by_reference: vec![ByReference {
                path: SendPath::A3,
                against: SendPath::A2,
                metric: Metric::EndsCpuNsPerKib,
                pays,
                copied_share: Measured::Value([1.0, 1.0]),
            }],
            caveats: Vec::new(),
        }
    }

    fn use_sendmsg(gains: Vec<Gain>) -> Advice {
        Advice::Use { path: SendPath::A2, against: SendPath::A1, everywhere: true, gains }
    }

    #[test]
    fn the_answer_is_short_and_has_one_interval() {
        let more = Finding::More;
        let gains = vec![gain(64, 4.8, more), gain(512, 4.5, more), gain(65_536, 1.3, more)];
        let text = sentence(&recommended(use_sendmsg(gains), Pays::Never));
        assert_eq!(
            text,
            "Use sendmsg: 4.80 × [4.70, 4.90] the goodput of send at 64 B, 1.30 × at 64 KiB; zerocopy never wins on loopback (copied anyway)."
        );
        assert!(text.split_whitespace().count() <= 25, "{text}");
        assert_eq!(text.matches('[').count(), 1);
    }

    #[test]
    fn an_interval_is_shown_only_of_what_is_shown_after_correction() {
        let gains = vec![gain(64, 1.1, Finding::Undecided), gain(65_536, 1.5, Finding::More)];
        let text = sentence(&recommended(use_sendmsg(gains), Pays::Unclear));
        assert!(
            text.starts_with(
                "Use sendmsg: 1.50 × [1.47, 1.53] the goodput of send at 64 KiB, unclear at 64 B;"
            ),
            "{text}"
        );
    }

    #[test]
    fn every_advice_is_at_most_25_words() {
        let at = CrossoverOutcome::At { bytes: 10_035.0, low: 8_300.0, high: 12_288.0 };
        let bracket = CrossoverOutcome::Bracket { low: 4096.0, high: 65_536.0 };
        let paths = SendPath::ALL.to_vec();
        let (path, against) = (SendPath::A3, SendPath::A2);
        for advice in [
            Advice::BySize { path, against, outcome: at },
            Advice::BySize { path, against, outcome: bracket },
            Advice::Alike { paths: paths.clone() },
            Advice::Unclear { paths },
            Advice::Alone { path },
            Advice::Nothing,
        ] {
            let mut recommendation = recommended(advice, Pays::From { low: 8e3, high: 9e3 });
            recommendation.caveats.push(Caveat::Preliminary { rounds: 3 });
            let text = sentence(&recommendation);
            assert!(text.split_whitespace().count() <= 25, "{text}");
            assert!(text.starts_with("Preliminary, 3 rounds: ") && text.ends_with('.'), "{text}");
        }
    }
}
