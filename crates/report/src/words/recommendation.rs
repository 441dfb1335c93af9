//! What to use, in a sentence a link: at most 25 words, with one interval.

use crate::spelling::{counted, listed, on, ratio, short, size, stretch};
use analysis::findings::CrossoverOutcome;
use analysis::metric::{Better, Metric};
use analysis::recommendation::{Advice, ByReference, Gain, Pays, Receiving, Recommendation};
use analysis::reference::Caveat;
use analysis::results::Finding;
use analysis::summary::Summary;
use model::{Factor, SendPath};

/// One sentence a link, the link's name before it where there are several, and another one where what it names cannot send memory
/// that is written again.
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
    all.iter().flat_map(|it| [Some(one(it)), if_rewritten(it, all.len() > 1)]).flatten().collect()
}

/// What to use instead where memory is written again.
fn if_rewritten(recommendation: &Recommendation, says_link: bool) -> Option<String> {
    let advice = recommendation.if_rewritten.clone()?;
    let untold = SendPath::ALL.iter().filter(|path| {
        recommendation.advice.names(path.name()) && !path.capabilities().tells_release()
    });
    let untold: Vec<String> = untold.map(ToString::to_string).collect();
    let instead = Recommendation { advice, if_rewritten: None, ..recommendation.clone() };
    let (advice, _) = advised(&instead, &instead.copied_anyway);
    let link = if says_link { format!(" over {}", recommendation.link) } else { String::new() };
    Some(format!(
        "Buffers that are written again{link}: {advice}; nothing tells when {} has let go of one.",
        listed(&untold)
    ))
}

/// With which path to receive, in a sentence for each of so many send paths at most; those of which the same is said together.
pub(crate) fn receiving(summary: &Summary, most: usize) -> Vec<String> {
    let all = &summary.explained.receiving;
    let links = summary.explained.recommendations.len();
    // No ratio tells them apart: what is said is of all of them.
    let is_same = |a: &Receiving, b: &Receiving| {
        let has_gains = matches!(a.choice.advice, Advice::Use { .. });
        a.choice.link == b.choice.link && a.choice.advice == b.choice.advice && !has_gains
    };
    let groups: Vec<&[Receiving]> = all.chunk_by(is_same).collect();
    let mut sentences: Vec<String> = groups
        .iter()
        .take(most)
        .filter_map(|group| {
            let first = group.first()?;
            let link = first.choice.link;
            let on = if links > 1 { format!(" over {link}") } else { String::new() };
            let paths: Vec<String> = group.iter().map(|it| it.send_path.to_string()).collect();
            let (before, after) = caveats(&first.choice.caveats);
            let (advice, other_end) = advised(&first.choice, &[]);
            let dropping: Vec<String> = first.dropping.iter().map(ToString::to_string).collect();
            // Said once a link.
            let is_first =
                groups.iter().find(|group| group.first().is_some_and(|it| it.choice.link == link))
                    == Some(group);
            let no_choice = match dropping.as_slice() {
                [] => String::new(),
                _ if !is_first => String::new(),
                [one] => format!("; {one} is no choice, it drops the bytes"),
                several => format!("; {} are no choice, they drop the bytes", listed(several)),
            };
            Some(format!(
                "Receiving{on} behind {}: {before}{advice}{other_end}{after}{no_choice}.",
                listed(&paths)
            ))
        })
        .collect();
    if groups.len() > most {
        let more = u32::try_from(groups.len() - most).unwrap_or(u32::MAX);
        let more = counted(more, "more send path", "more send paths");
        sentences.push(format!("Receiving behind {more}: the report says it."));
    }
    sentences
}

/// Of which paths by reference the answer says when they pay.
pub(crate) fn said_by_reference(recommendation: &Recommendation) -> Vec<&ByReference> {
    said(recommendation).1
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().to_string() + chars.as_str())
}

/// The most words of a sentence.
const LONGEST: usize = 25;

fn sentence(recommendation: &Recommendation) -> String {
    said(recommendation).0
}

/// The sentence, and of which paths by reference it says when they pay. What there is no room for is left out: the other end
/// of the sizes, then those paths.
fn said(recommendation: &Recommendation) -> (String, Vec<&ByReference>) {
    let by_reference = recommendation.by_reference.iter().filter(|it| is_said(recommendation, it));
    let by_reference: Vec<&ByReference> = by_reference.collect();
    let (mut before, after) = caveats(&recommendation.caveats);
    let after = format!("{}{after}", not_with(recommendation));
    if recommendation.at_line_rate {
        before.push_str("at line rate, by CPU: ");
    }
    let with = |has_other_end: bool, has_by_reference: bool| {
        let said = if has_by_reference { by_reference.clone() } else { Vec::new() };
        // Said once of a path.
        let is_untold =
            |path: &SendPath| !said.iter().any(|it| it.path == *path && says_anyway(it));
        let copied = recommendation.copied_anyway.iter().copied().filter(is_untold);
        let (advice, other_end) = advised(recommendation, &copied.collect::<Vec<_>>());
        let other_end = if has_other_end { other_end.as_str() } else { "" };
        let pay = said.iter().map(|it| format!("; {}", pays(it, recommendation)));
        let pay = pay.collect::<String>();
        (capital(&format!("{before}{advice}{other_end}{pay}{after}.")), said)
    };
    let fits = |(text, _): &(String, Vec<&ByReference>)| text.split_whitespace().count() <= LONGEST;
    let longer = [(true, true), (false, true), (true, false)].into_iter();
    longer.map(|(end, pay)| with(end, pay)).find(fits).unwrap_or_else(|| with(false, false))
}

/// The advice; of a value to use, what it gains at the other end of the sizes stands apart. Where it names one of these paths, it says
/// that all of it was copied.
fn advised(recommendation: &Recommendation, copied: &[SendPath]) -> (String, String) {
    let (factor, metric) = (recommendation.factor, recommendation.metric);
    let is_copied = |factor: Factor, value: &str| {
        factor == Factor::Send && copied.iter().any(|it| it.name() == value)
            || factor == Factor::Recv
                && recommendation.copied_out_anyway.iter().any(|it| it.name() == value)
    };
    let option = |factor: Factor, value: &str| {
        let anyway = if is_copied(factor, value) { ANYWAY } else { "" };
        format!("{}{anyway}", option(factor, value))
    };
    let names = |factor: Factor, values: &[String]| {
        listed(&values.iter().map(|value| option(factor, value)).collect::<Vec<_>>())
    };
    let advice = match &recommendation.advice {
        Advice::Use { value, against, gains, .. } => {
            return used(&option(factor, value), &option(factor, against), gains, metric);
        }
        Advice::BySize { value, against, outcome } => {
            let over_settings = recommendation.by_reference.iter().find(|it| {
                (it.path.name(), it.against.name(), it.metric) == (value, against, metric)
            });
            let (value, against) = (&option(factor, value), &option(factor, against));
            match over_settings.map(|it| it.pays) {
                // Wider than this family's own: the settings of the link differ in it.
                Some(pays @ Pays::From { low, high }) if pays != Pays::of(outcome) => format!(
                    "use {against} for small messages, {value} from a size between {} and {} on",
                    size(low),
                    size(high)
                ),
                _ => by_size(value, against, outcome),
            }
        }
        Advice::Alike { values } => {
            format!("use any of {}: alike at every size", names(factor, values))
        }
        Advice::Unclear { values } => {
            // Of one whole round or less there is none.
            let has_none =
                |caveat: &Caveat| matches!(caveat, Caveat::Preliminary { rounds: 0 | 1 });
            let intervals = if recommendation.caveats.iter().any(has_none) { "no" } else { "wide" };
            format!("unclear which of {} to use ({intervals} intervals)", names(factor, values))
        }
        Advice::NotCompared { values } => format!(
            "{} were not compared with each other: nothing is recommended",
            names(factor, values)
        ),
        Advice::NotThemselves { settings, .. } => {
            let flags: Vec<String> =
                settings.iter().map(|(factor, value)| option(*factor, value)).collect();
            let it = if flags.len() == 1 { "it" } else { "them" };
            format!(
                "nothing is recommended: all was measured with {}, which shows what that costs, not which path to use; leave {it} out",
                listed(&flags)
            )
        }
        Advice::Alone { value } => {
            format!("only {} was measured: nothing is recommended", option(factor, value))
        }
        Advice::Nothing => "no valid trial: no path is recommended".to_owned(),
    };
    (advice, String::new())
}

/// What stands before the advice, and what after it.
fn caveats(caveats: &[Caveat]) -> (String, String) {
    let (mut before, mut after, mut broken) = (String::new(), String::new(), Vec::new());
    for caveat in caveats {
        match caveat {
            Caveat::Preliminary { rounds } => {
                before = format!("preliminary, {}: ", counted(*rounds, "round", "rounds"));
            }
            Caveat::Oversubscribed { .. } => after.push_str("; more threads than CPUs"),
            Caveat::LawBroken { id } => broken.push(id.to_string()),
            Caveat::NoCause | Caveat::UnknownCpus => {}
        }
    }
    match broken.as_slice() {
        [] => {}
        [one] => after.push_str(&format!("; unreliable: law {one} is broken")),
        laws => after.push_str(&format!("; unreliable: laws {} are broken", listed(laws))),
    }
    (before, after)
}

/// The settings of the run in which the advice is not to be followed: `; not with --fields 1 or --threads 8`.
fn not_with(recommendation: &Recommendation) -> String {
    let setting = |setting: &Vec<(Factor, String)>| {
        let flags = setting.iter().map(|(factor, value)| option(*factor, value));
        flags.collect::<Vec<_>>().join(" ")
    };
    match recommendation.not_with.as_slice() {
        [] => String::new(),
        [one] => format!("; not with {}", setting(one)),
        [one, other] => format!("; not with {} or {}", setting(one), setting(other)),
        [one, others @ ..] => {
            format!("; not with {} and {} other settings", setting(one), others.len())
        }
    }
}

/// Whether the sentence tells when a path by reference pays: not where its advice does so already.
fn is_said(recommendation: &Recommendation, it: &ByReference) -> bool {
    match &recommendation.advice {
        // Chosen for its goodput, it may still cost more CPU.
        Advice::Use { value, .. } => value != it.path.name() || it.pays == Pays::Never,
        Advice::BySize { value, against, .. } => {
            ![value.as_str(), against].contains(&it.path.name())
        }
        Advice::Nothing
        | Advice::NotCompared { .. }
        | Advice::NotThemselves { .. }
        | Advice::Alone { .. } => false,
        Advice::Alike { .. } | Advice::Unclear { .. } => true,
    }
}

/// What stands behind a path by reference whose every completion was marked copied.
const ANYWAY: &str = " (copied anyway)";

/// Whether the sentence says that what a path by reference handed over was copied all the same.
pub(crate) fn says_copied(recommendation: &Recommendation) -> bool {
    let is_named = |path: &SendPath| match &recommendation.advice {
        Advice::Use { value, against, .. } | Advice::BySize { value, against, .. } => {
            [value, against].iter().any(|it| *it == path.name())
        }
        Advice::Alike { values } | Advice::Unclear { values } | Advice::NotCompared { values } => {
            values.iter().any(|it| it == path.name())
        }
        Advice::Alone { value } => value == path.name(),
        Advice::NotThemselves { .. } | Advice::Nothing => false,
    };
    said(recommendation).1.into_iter().any(says_anyway)
        || recommendation.copied_anyway.iter().any(is_named)
}

/// Whether what is said of a path by reference says that all of it was copied.
fn says_anyway(it: &ByReference) -> bool {
    matches!(it.pays, Pays::Never | Pays::Alike | Pays::Unclear) && it.is_all_copied()
}

/// A value as it is asked for: a path by its name, another factor's by its flag: `--nodelay on`.
#[allow(clippy::wildcard_enum_match_arm, reason = "only paths have names of their own")]
fn option(factor: Factor, value: &str) -> String {
    match factor {
        Factor::Send | Factor::Recv => value.to_owned(),
        other => format!("--{} {value}", other.key()),
    }
}

/// Whether a finding says that a figure is better.
fn is_better(finding: Finding, metric: Metric) -> bool {
    let low = metric.better() == Better::Low;
    matches!((finding, low), (Finding::More, false) | (Finding::Less, true))
}

/// `use sendmsg: 4.8 × [4.7, 4.9] the goodput of send at 64 B`, then `, 1.3 × at 64 KiB`.
fn used(value: &str, against: &str, gains: &[Gain], metric: Metric) -> (String, String) {
    let what = match metric.better() {
        Better::Low if metric == Metric::EndsCpuNsPerKib => "the CPU of both ends per KiB",
        Better::Low => "the sender's CPU per KiB",
        Better::High | Better::None => "the goodput",
    };
    let (Some(first), Some(last)) = (gains.first(), gains.last()) else {
        return (format!("use {value}"), String::new());
    };
    // The interval that is shown belongs to a finding that holds after correction.
    let shown = gains.iter().find(|gain| is_better(gain.finding, metric)).unwrap_or(first);
    let other = if shown == last { first } else { last };
    let text = format!(
        "use {value}: {} {what} of {against} at {}",
        ratio(&shown.ratio),
        size(shown.message_bytes as f64)
    );
    if other.message_bytes == shown.message_bytes {
        return (text, String::new());
    }
    let at = size(other.message_bytes as f64);
    let other_end = match other.finding {
        Finding::Equivalent => format!(", the same at {at}"),
        Finding::Undecided => format!(", unclear at {at}"),
        Finding::AtLineRate => format!(", at line rate at {at}"),
        Finding::More | Finding::Less => format!(", {} × at {at}", short(other.ratio.mean)),
    };
    (text, other_end)
}

fn by_size(value: &str, against: &str, outcome: &CrossoverOutcome) -> String {
    let between = |low: f64, high: f64| format!("between {} and {}", size(low), size(high));
    match *outcome {
        CrossoverOutcome::At { bytes, low, high } => format!(
            "use {against} below {} [{}, {}], {value} above",
            size(bytes),
            size(low),
            size(high)
        ),
        CrossoverOutcome::Until { bytes, low, high } => format!(
            "use {value} below {} [{}, {}], {against} above",
            size(bytes),
            size(low),
            size(high)
        ),
        CrossoverOutcome::Bracket { low, high } => {
            format!(
                "use {against} for small messages and {value} for large ones; they change places {}",
                between(low, high)
            )
        }
        CrossoverOutcome::UntilBracket { low, high } => {
            format!(
                "use {value} for small messages and {against} for large ones; they change places {}",
                between(low, high)
            )
        }
        CrossoverOutcome::Always
        | CrossoverOutcome::Never
        | CrossoverOutcome::Alike
        | CrossoverOutcome::Partly { .. }
        | CrossoverOutcome::Undecided => format!("unclear which of {value} and {against} to use"),
    }
}

/// `zerocopy never beats it (copied over loopback)`.
fn pays(it: &ByReference, recommendation: &Recommendation) -> String {
    let ByReference { path, .. } = it;
    let chosen = match &recommendation.advice {
        Advice::Use { value, .. } => value.as_str(),
        Advice::BySize { .. }
        | Advice::Alike { .. }
        | Advice::Unclear { .. }
        | Advice::NotCompared { .. }
        | Advice::NotThemselves { .. }
        | Advice::Alone { .. }
        | Advice::Nothing => "",
    };
    let link = recommendation.stated_link;
    let anyway = if it.is_all_copied() { ANYWAY } else { "" };
    match it.pays {
        Pays::Never if chosen == path.name() => {
            format!("it costs more CPU than {}{anyway}", it.against)
        }
        Pays::Never if chosen == it.against.name() => match link {
            Some(link) if it.is_all_copied() => {
                format!("{path} never beats it (copied over {link})")
            }
            _ => format!("{path} never beats it{}{anyway}", on(link)),
        },
        Pays::Never => format!("{path} never beats {}{}{anyway}", it.against, on(link)),
        Pays::Alike => format!("{path} costs the same{}{anyway}", on(link)),
        Pays::Always => format!("{path} costs less CPU at every size"),
        Pays::From { low, high } if (low - high).abs() < 1.0 => {
            format!("{path} costs less CPU from {} on", size(low))
        }
        Pays::From { low, high } => {
            format!("{path} costs less CPU above {} … {}", size(low), size(high))
        }
        Pays::Until { high, .. } => format!("{path} costs less CPU only below {}", size(high)),
        Pays::Partly { less, up_to, from } => {
            let less = if less { "less" } else { "more" };
            format!("{path} costs {less} CPU {}", stretch(up_to, from))
        }
        Pays::Mixed => format!("{path} costs less CPU in some settings only"),
        Pays::Unclear => format!("whether {path} pays is unclear{anyway}"),
    }
}

#[cfg(test)]
mod tests {
    use analysis::estimate::Estimate;
    use model::{Link, Measured, SendPath};

    use super::*;

    fn estimate(mean: f64) -> Estimate {
        Estimate { mean, low: Some(mean * 0.98), high: Some(mean * 1.02), trials: 12 }
    }

    fn gain(message_bytes: u64, mean: f64, finding: Finding) -> Gain {
        Gain { message_bytes, ratio: estimate(mean), finding }
    }

    fn recommended(advice: Advice, pays: Pays) -> Recommendation {
        Recommendation {
            at_line_rate: false,
            link: Link::Loopback,
            stated_link: Some(Link::Loopback),
            factor: Factor::Send,
            shared: None,
            metric: Metric::GoodputGbps,
            advice,
            not_with: Vec::new(),
            if_rewritten: None,
            by_reference: vec![ByReference {
                path: SendPath::A3,
                against: SendPath::A2,
                metric: Metric::EndsCpuNsPerKib,
                pays,
                copied_share: Measured::Value([1.0, 1.0]),
            }],
            copied_anyway: vec![SendPath::A3],
            copied_out_anyway: Vec::new(),
            caveats: Vec::new(),
        }
    }

    fn use_sendmsg(gains: Vec<Gain>) -> Advice {
        let (value, against) = ("sendmsg".to_owned(), "send".to_owned());
        Advice::Use { value, against, everywhere: true, gains }
    }

    #[test]
    fn the_answer_is_short_and_has_one_interval() {
        let more = Finding::More;
        let gains = vec![gain(64, 4.8, more), gain(512, 4.5, more), gain(65_536, 1.3, more)];
        let text = sentence(&recommended(use_sendmsg(gains), Pays::Never));
        assert_eq!(
            text,
            "Use sendmsg: 4.80 × [4.70, 4.90] the goodput of send at 64 B, 1.30 × at 64 KiB; zerocopy never beats it (copied over loopback)."
        );
        assert!(text.split_whitespace().count() <= 25, "{text}");
        assert_eq!(text.matches('[').count(), 1);
    }

    #[test]
    fn what_else_may_be_chosen_is_named_by_its_flag_and_a_broken_law_is_said() {
        let gains = vec![gain(64, 1.5, Finding::More), gain(65_536, 1.0, Finding::Equivalent)];
        let (value, against) = ("on".to_owned(), "off".to_owned());
        let advice = Advice::Use { value, against, everywhere: false, gains };
        let factor = Factor::Nodelay;
        let of =
            Recommendation { factor, by_reference: Vec::new(), ..recommended(advice, Pays::Never) };
        let broken = |id| Caveat::LawBroken { id };
        let text = |caveats| sentence(&Recommendation { caveats, ..of.clone() });
        assert_eq!(
            text(vec![broken(8)]),
            "Use --nodelay on: 1.50 × [1.47, 1.53] the goodput of --nodelay off at 64 B, the same at 64 KiB; unreliable: law 8 is broken."
        );
        assert_eq!(
            text(vec![broken(1), broken(8)]),
            "Use --nodelay on: 1.50 × [1.47, 1.53] the goodput of --nodelay off at 64 B; unreliable: laws 1 and 8 are broken."
        );
        assert_eq!(
            text(Vec::new()),
            "Use --nodelay on: 1.50 × [1.47, 1.53] the goodput of --nodelay off at 64 B, the same at 64 KiB."
        );
    }

    #[test]
    fn settings_in_which_it_is_otherwise_are_named_before_the_other_end_of_the_sizes() {
        let gains = vec![gain(64, 5.4, Finding::More), gain(65_536, 1.2, Finding::More)];
        let setting = |factor, value: &str| vec![(factor, value.to_owned())];
        let of = |not_with| Recommendation {
            not_with,
            by_reference: Vec::new(),
            ..recommended(use_sendmsg(gains.clone()), Pays::Never)
        };
        let one = setting(Factor::Fields, "1");
        assert_eq!(
            sentence(&of(vec![one.clone()])),
            "Use sendmsg: 5.40 × [5.29, 5.51] the goodput of send at 64 B, 1.20 × at 64 KiB; not with --fields 1."
        );
        let both = of(vec![one.clone(), setting(Factor::Threads, "8")]);
        assert!(sentence(&both).ends_with("; not with --fields 1 or --threads 8."));
        let many = of(vec![one, setting(Factor::Threads, "4"), setting(Factor::Threads, "8")]);
        assert!(sentence(&many).ends_with("; not with --fields 1 and 2 other settings."));
    }

    #[test]
    fn what_nobody_tells_the_release_of_is_followed_by_what_can_be_written_again() {
        let by_size = |value: &str| Advice::BySize {
            value: value.to_owned(),
            against: "staged".to_owned(),
            outcome: CrossoverOutcome::Bracket { low: 16_384.0, high: 65_536.0 },
        };
        let if_rewritten = Some(by_size("sendmsg"));
        let of = Recommendation { if_rewritten, ..recommended(by_size("splice"), Pays::Never) };
        assert_eq!(
            super::if_rewritten(&of, false).unwrap(),
            "Buffers that are written again: use staged for small messages and sendmsg for large ones; they change places between 16 KiB and 64 KiB; nothing tells when splice has let go of one."
        );
        assert!(
            super::if_rewritten(&of, true)
                .unwrap()
                .starts_with("Buffers that are written again over loopback: use")
        );
        assert_eq!(super::if_rewritten(&recommended(by_size("sendmsg"), Pays::Never), true), None);
    }

    #[test]
    fn whatever_the_first_line_names_it_says_to_have_been_copied_once() {
        let (zerocopy, send) = ("zerocopy".to_owned(), "send".to_owned());
        let bracket = CrossoverOutcome::Bracket { low: 4096.0, high: 65_536.0 };
        let both = || vec![send.clone(), zerocopy.clone()];
        // The twin that copies was not measured, so that nothing is said of when it pays.
        for (advice, text) in [
            (
                use_one("zerocopy", "send"),
                "Use zerocopy (copied anyway): 1.50 × [1.47, 1.53] the goodput of send at 64 B, 1.20 × at 64 KiB.",
            ),
            (
                use_one("send", "zerocopy"),
                "Use send: 1.50 × [1.47, 1.53] the goodput of zerocopy (copied anyway) at 64 B, 1.20 × at 64 KiB.",
            ),
            (
                Advice::BySize { value: zerocopy.clone(), against: send.clone(), outcome: bracket },
                "Use send for small messages and zerocopy (copied anyway) for large ones; they change places between 4 KiB and 64 KiB.",
            ),
            (
                Advice::Alike { values: both() },
                "Use any of send and zerocopy (copied anyway): alike at every size.",
            ),
            (
                Advice::Unclear { values: both() },
                "Unclear which of send and zerocopy (copied anyway) to use (wide intervals).",
            ),
            (
                Advice::Alone { value: zerocopy.clone() },
                "Only zerocopy (copied anyway) was measured: nothing is recommended.",
            ),
        ] {
            let by_reference = Vec::new();
            let mut of = Recommendation { by_reference, ..recommended(advice, Pays::Never) };
            assert_eq!(sentence(&of), text);
            assert!(says_copied(&of));
            of.copied_anyway.clear();
            assert_eq!(sentence(&of), text.replace(" (copied anyway)", ""));
            assert!(!says_copied(&of));
        }
        // What is said of when it pays says it only where it does not pay.
        let of = recommended(use_one("zerocopy", "sendmsg"), Pays::Never);
        assert!(sentence(&of).ends_with("; it costs more CPU than sendmsg (copied anyway)."));
        assert_eq!(sentence(&of).matches("copied").count(), 1);
        let of = recommended(use_one("zerocopy", "sendmsg"), Pays::Always);
        assert!(sentence(&of).starts_with("Use zerocopy (copied anyway): "));
    }

    fn use_one(value: &str, against: &str) -> Advice {
        let gains = vec![gain(64, 1.5, Finding::More), gain(65_536, 1.2, Finding::More)];
        let (value, against) = (value.to_owned(), against.to_owned());
        Advice::Use { value, against, everywhere: true, gains }
    }

    #[test]
    fn a_path_to_receive_that_could_map_and_copied_all_is_said_to_copy() {
        let advice = use_one("recv-zerocopy", "recv");
        let of = Recommendation {
            factor: Factor::Recv,
            by_reference: Vec::new(),
            copied_anyway: Vec::new(),
            copied_out_anyway: vec![model::ReceivePath::RecvZerocopy],
            ..recommended(advice, Pays::Never)
        };
        assert!(
            sentence(&of).starts_with("Use recv-zerocopy (copied anyway): "),
            "{}",
            sentence(&of)
        );
        let of = Recommendation { copied_out_anyway: Vec::new(), ..of };
        assert!(sentence(&of).starts_with("Use recv-zerocopy: "), "{}", sentence(&of));
    }

    #[test]
    fn what_has_no_room_is_not_said() {
        let gains = vec![gain(64, 4.8, Finding::More), gain(65_536, 1.3, Finding::More)];
        let mut of = recommended(use_sendmsg(gains), Pays::Never);
        assert!(says_copied(&of));
        of.caveats.extend([1, 8].map(|id| Caveat::LawBroken { id }));
        assert_eq!(
            sentence(&of),
            "Use sendmsg: 4.80 × [4.70, 4.90] the goodput of send at 64 B, 1.30 × at 64 KiB; unreliable: laws 1 and 8 are broken."
        );
        assert!(!says_copied(&of));
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
    fn a_size_at_line_rate_is_not_called_unclear() {
        let gains = vec![gain(64, 1.5, Finding::More), gain(65_536, 1.0, Finding::AtLineRate)];
        let of = recommended(use_sendmsg(gains), Pays::Unclear);
        let text = sentence(&Recommendation { by_reference: Vec::new(), ..of });
        assert!(text.contains("the goodput of send at 64 B, at line rate at 64 KiB"), "{text}");
    }

    #[test]
    fn before_two_whole_rounds_there_are_no_intervals() {
        let values: Vec<String> = SendPath::ALL.iter().map(ToString::to_string).collect();
        for (rounds, intervals) in
            [(0, "(no intervals)"), (1, "(no intervals)"), (2, "(wide intervals)")]
        {
            let mut it = recommended(Advice::Unclear { values: values.clone() }, Pays::Never);
            it.caveats.push(Caveat::Preliminary { rounds });
            assert!(sentence(&it).contains(intervals), "{rounds}: {}", sentence(&it));
        }
    }

    #[test]
    fn every_advice_is_at_most_25_words() {
        let at = CrossoverOutcome::At { bytes: 10_035.0, low: 8_300.0, high: 12_288.0 };
        let bracket = CrossoverOutcome::Bracket { low: 4096.0, high: 65_536.0 };
        let values: Vec<String> = SendPath::ALL.iter().map(ToString::to_string).collect();
        let (value, against) = ("zerocopy".to_owned(), "sendmsg".to_owned());
        let gains = vec![gain(64, 1.5, Finding::More), gain(65_536, 1.0, Finding::Equivalent)];
        for advice in [
            use_sendmsg(gains),
            Advice::BySize { value: value.clone(), against: against.clone(), outcome: at },
            Advice::BySize { value: value.clone(), against, outcome: bracket },
            Advice::Alike { values: values.clone() },
            Advice::Unclear { values: values.clone() },
            Advice::NotThemselves { values, settings: stream() },
            Advice::Alone { value },
            Advice::Nothing,
        ] {
            let is_used = matches!(advice, Advice::Use { .. });
            for pays in [Pays::From { low: 8e3, high: 9e3 }, Pays::Never] {
                let mut recommendation = recommended(advice.clone(), pays);
                recommendation.caveats.push(Caveat::Preliminary { rounds: 3 });
                if is_used {
                    recommendation.caveats.extend([1, 8].map(|id| Caveat::LawBroken { id }));
                }
                let text = sentence(&recommendation);
                assert!(text.split_whitespace().count() <= 25, "{text}");
                assert!(text.starts_with("Preliminary, 3 rounds: "), "{text}");
                let end = if is_used { "; unreliable: laws 1 and 8 are broken." } else { "." };
                assert!(text.ends_with(end), "{text}");
            }
        }
    }

    fn stream() -> Vec<(Factor, String)> {
        vec![(Factor::MemoryLoad, "stream".to_owned())]
    }

    #[test]
    fn why_nothing_is_recommended_beside_a_memory_load_comes_first() {
        let values = vec!["send".to_owned(), "sendmsg".to_owned()];
        let advice = Advice::NotThemselves { values, settings: stream() };
        assert_eq!(
            sentence(&recommended(advice, Pays::Never)),
            "Nothing is recommended: all was measured with --memory-load stream, which shows what that costs, not which path to use; leave it out."
        );
    }

    #[test]
    fn at_line_rate_cpu_is_said_to_decide() {
        let gain = gain(65_536, 0.6, Finding::Less);
        let (value, against) = ("zerocopy".to_owned(), "sendmsg".to_owned());
        let advice = Advice::Use { value, against, everywhere: true, gains: vec![gain] };
        let recommended = Recommendation {
            at_line_rate: true,
            metric: Metric::EndsCpuNsPerKib,
            by_reference: Vec::new(),
            copied_anyway: Vec::new(),
            copied_out_anyway: Vec::new(),
            ..recommended(advice, Pays::Never)
        };
        let text = sentence(&recommended);
        assert!(text.starts_with("At line rate, by CPU: use zerocopy: 0.6"), "{text}");
        assert!(text.contains("the CPU of both ends per KiB of sendmsg at 64 KiB"), "{text}");
    }
}
