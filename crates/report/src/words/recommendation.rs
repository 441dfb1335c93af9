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

/// The most words of a sentence, but for those that mark a path as copied.
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
mod tests;
