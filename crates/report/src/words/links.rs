//! When zero-copy pays on a link, in a sentence.

use crate::spelling::{counted, listed, outcome, shared_words};
use analysis::findings::LinkVerdict;
use model::Link;
use model::names::AckPlacement;
use model::values::Threads;

use super::reasons::copied;

/// `sink, 1 thread: zerocopy costs less than sendmsg in sender-side cost from a size between 4.6 KiB and 33 KiB on …`.
pub(crate) fn link_verdict(verdict: &LinkVerdict) -> String {
    let link = verdict.link;
    let on = if verdict.stated_link.is_some() { format!("{link}, ") } else { String::new() };
    let shared = shared_words(&verdict.shared);
    if let Some(why) = &verdict.not_compared {
        return format!(
            "{on}{shared}: zerocopy and sendmsg were not compared in {}: {why}",
            cost(link)
        );
    }
    let busy = if verdict.oversubscribed.is_so() { ", more threads than CPUs" } else { "" };
    let outcomes: Vec<String> = verdict
        .outcomes
        .iter()
        .map(|it| {
            let words = outcome(&it.outcome);
            if it.settings == verdict.settings {
                words
            } else {
                format!("{words} in {} of {} settings", it.settings, verdict.settings)
            }
        })
        .collect();
    format!(
        "{on}{shared}{busy}: zerocopy costs less than sendmsg in {} {}{}; {}{}",
        cost(link),
        listed(&outcomes),
        settings(verdict),
        copied(&verdict.copied, None),
        held_back(verdict)
    )
}

/// What a link's cost is called.
const fn cost(link: Link) -> &'static str {
    if link.has_receiver() { "CPU of both ends" } else { "sender-side cost" }
}

/// ` over 2 placements and 3 intervals of acknowledgements`; one setting is named.
fn settings(verdict: &LinkVerdict) -> String {
    let (intervals, placements) = (&verdict.ack_intervals, &verdict.ack_placements);
    let (Some(interval), Some(placement)) = (intervals.first(), placements.first()) else {
        return String::new();
    };
    let placed = match placements.len() {
        1 => format!("acknowledgements processed on {}", cpu_of(*placement, verdict)),
        n => counted(n, "placement", "placements"),
    };
    match (placements.len(), intervals.len()) {
        (1, 1) => format!(" ({placed} every {interval})"),
        (_, 1) => format!(" over {placed} of acknowledgements sent every {interval}"),
        (1, n) => format!(" over {n} intervals ({placed})"),
        (_, n) => format!(" over {placed} and {n} intervals of acknowledgements"),
    }
}

/// Whose CPU processes acknowledgements. Steered to several senders' CPUs, a flow's lie on the one that its hash chooses
/// (receive packet steering), which need not be its own sender's.
fn cpu_of(placement: AckPlacement, verdict: &LinkVerdict) -> &'static str {
    match placement {
        AckPlacement::Helper => "the helper's CPU",
        AckPlacement::Sender if verdict.shared.cell().threads == Threads::ONE => "the sender's CPU",
        AckPlacement::Sender => "the senders' CPUs, a flow's on one of them,",
    }
}

fn held_back(verdict: &LinkVerdict) -> String {
    match verdict.held_back {
        0 => String::new(),
        n => format!(
            "; at {n} of {} the send buffer held zerocopy back, as whole pages are charged for what it refers to until they are acknowledged (--sndbuf 4MiB would tell how much that matters)",
            counted(verdict.points, "point", "points")
        ),
    }
}

#[cfg(test)]
mod tests {
    use analysis::findings::LinkOutcome;
    use model::{Measured, Shared};

    use super::*;

    #[test]
    fn acknowledgements_lie_on_a_senders_own_cpu_where_there_is_one_sender_alone() {
        let placed = |placement, shared: &str| {
            settings(&LinkVerdict {
                link: Link::Sink,
                stated_link: Some(Link::Sink),
                shared: Shared::new(&shared.parse().unwrap_or_default(), &[]),
                outcomes: Vec::<LinkOutcome>::new(),
                settings: 1,
                ack_intervals: vec!["20us".to_owned()],
                ack_placements: vec![placement],
                oversubscribed: false.into(),
                copied: Measured::absent("none"),
                points: 0,
                held_back: 0,
                not_compared: None,
                from_bytes: Measured::absent("none"),
                to_bytes: Measured::absent("none"),
            })
        };
        let one = placed(AckPlacement::Sender, "threads=1 ack_placement=sender");
        assert_eq!(one, " (acknowledgements processed on the sender's CPU every 20us)");
        for threads in ["threads=2", "threads=16"] {
            let several = placed(AckPlacement::Sender, threads);
            assert!(several.contains("the senders' CPUs, a flow's on one of them,"), "{several}");
            let helper = placed(AckPlacement::Helper, threads);
            assert_eq!(helper, " (acknowledgements processed on the helper's CPU every 20us)");
        }
    }
}
