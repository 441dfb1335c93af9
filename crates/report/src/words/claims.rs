//! The paper's claims and what a run says of them, in sentences.

use analysis::claims::claim::Claim;
use analysis::id::Id;
use analysis::reason::{Part, PartKind, Reason, Shown};
use analysis::reference::Caveat;

use super::reasons::reasons;
use crate::numbers::counted;

/// The claims, in the order of their numbers.
const CLAIMS: [&str; 25] = [
    "send() copies twice on the way out: from user memory to the socket buffer, then to the DMA buffer",
    "sendmsg() with an iovec removes one copy: the kernel gathers straight from the user's buffers",
    "MSG_ZEROCOPY over loopback is zero-copy",
    "sendmsg (A2) beats send (A1) at every size, most at small ones",
    "zero-copy loses at small messages because pinning, reference counts and notifications cost more than the copy",
    "zero-copy (A3) beats two-copy (A1) from 4096 bytes on",
    "that threshold is 4096 because a page has 4096 bytes",
    "zero-copy's sweet spot is 4 to 8 KiB with 2 to 4 threads: 10 to 20 % more than two-copy",
    "throughput grows with message size because the system call is amortised",
    "throughput scales near-linearly from 1 to 4 threads at 4096 bytes",
    "sendmsg's jump from 4 to 8 threads at 4096 bytes comes from CPU pipeline optimisations",
    "at 65536 bytes, 8 threads carry less than 4: sendmsg 62 % less, zerocopy 66 %, send 27 %",
    "that fall is the memory wall: the copies use up the DRAM bandwidth",
    "that fall is false sharing and cache-line traffic in struct sock",
    "zerocopy falls most because its notifications thrash the scheduler",
    "NUMA placement explains part of that fall",
    "global locks and a tcp_write_queue spinlock are contended",
    "send's cache misses peak at 512 bytes because eight cache lines align badly",
    "zerocopy has the best cache behaviour at medium sizes because nothing is copied through the cache",
    "the last-level cache shows the largest reduction in misses from send to sendmsg",
    "64 KiB messages do not fit the L3 cache",
    "50 to 300 cycles per byte at 64 bytes, 0.2 to 1 at 64 KiB; sendmsg lowest, 0.04 at 64 KiB and 8 threads",
    "more threads lower the cycles per byte",
    "4 threads is the sweet spot",
    "pinning threads, separate sockets and batching would help",
];

/// The claim in one line.
pub(crate) fn claim(claim: &Claim) -> &'static str {
    text(claim.id)
}

/// The claim of an id in one line.
pub(crate) fn text(id: Id) -> &'static str {
    CLAIMS.get(id.number().wrapping_sub(1)).copied().unwrap_or_default()
}

/// Why its verdict is what it is: the part that decided it first, then the others, with what speaks against taking it
/// further.
pub(crate) fn because(claim: &Claim) -> String {
    let deciding = claim.deciding();
    let first = deciding.map(|part| format!("{}{}", lead(part), reasons(&part.reasons)));
    let others = claim.parts.iter().filter(|part| Some(*part) != deciding);
    let others = others.map(|part| reasons(&part.reasons));
    let clauses: Vec<String> =
        first.into_iter().chain(others).filter(|it| !it.is_empty()).collect();
    with_caveats(clauses.join("; "), claim)
}

/// What a part's reasons come to, where its verdict does not say so.
fn lead(part: &Part) -> &'static str {
    let compares = |reason: &Reason| {
        matches!(
            reason,
            Reason::Each { .. }
                | Reason::Range { .. }
                | Reason::Derived { .. }
                | Reason::Figures { .. }
                | Reason::Crossovers { .. }
        )
    };
    match (part.kind, part.shown) {
        (PartKind::Premise, Shown::No) => "nothing to explain: ",
        (_, Shown::Unclear) if part.reasons.first().is_some_and(compares) => "unclear: ",
        (
            _,
            Shown::Unclear | Shown::Yes | Shown::No | Shown::NotMeasured | Shown::NotApplicable,
        ) => "",
    }
}

/// A sentence with what speaks against taking it further, each said once.
fn with_caveats(sentence: String, claim: &Claim) -> String {
    let is_said = claim.parts.iter().any(|part| part.reasons.contains(&Reason::TooFewCpus));
    let no_cause = claim.caveats.contains(&Caveat::NoCause);
    claim.caveats.iter().fold(sentence, |sentence, caveat| match caveat {
        Caveat::LawBroken { id } => format!("not relied on, as law {id} is broken: {sentence}"),
        Caveat::UnknownCpus => {
            format!("{sentence}; whether each thread had a CPU is unknown")
        }
        Caveat::NoCause => format!("{sentence}; more threads than CPUs, so no cause is claimed"),
        Caveat::Oversubscribed { .. } if is_said || no_cause => sentence,
        Caveat::Oversubscribed { all: true } => {
            format!("{sentence}; every cell has more threads than CPUs")
        }
        Caveat::Oversubscribed { all: false } => {
            format!("{sentence}; some of its cells have more threads than CPUs")
        }
        Caveat::Preliminary { rounds } => {
            format!("preliminary ({}): {sentence}", counted(*rounds, "round", "rounds"))
        }
    })
}

#[cfg(test)]
mod tests {
    use analysis::claims::claim::Verdict;
    use analysis::id::Id;
    use analysis::metric::Metric;

    use super::*;

    fn claim(parts: Vec<Part>, caveats: Vec<Caveat>) -> Claim {
        Claim {
            id: Id::Claim(15),
            verdict: Verdict::Undecidable,
            parts,
            evidence: Vec::new(),
            caveats,
            would_decide: Vec::new(),
        }
    }

    fn part(kind: PartKind, shown: Shown, reasons: Vec<Reason>) -> Part {
        Part { kind, shown, reasons }
    }

    fn not_measured(metric: Metric) -> Reason {
        Reason::NotMeasured { metric, paths: Vec::new(), sizes: vec![65_536], threads: vec![4, 8] }
    }

    #[test]
    fn every_claim_has_its_text() {
        for number in 1..=25 {
            let text = super::claim(&Claim { id: Id::Claim(number), ..claim(vec![], vec![]) });
            assert!(!text.is_empty() && !text.ends_with('.'), "{number}");
        }
    }

    #[test]
    fn the_deciding_part_comes_first() {
        let holds = part(
            PartKind::Effect,
            Shown::Yes,
            vec![Reason::NothingCopied { link: model::Link::Sink }],
        );
        let lacks =
            part(PartKind::Counter, Shown::NotMeasured, vec![not_measured(Metric::GoodputGbps)]);
        assert_eq!(
            because(&claim(vec![holds, lacks], vec![])),
            "not measured: goodput at 64 KiB with 4 and 8 threads; into the sink nothing is copied"
        );
        let none = part(
            PartKind::Premise,
            Shown::No,
            vec![Reason::NumaNodes { nodes: model::Measured::Value(2) }],
        );
        assert_eq!(because(&claim(vec![none], vec![])), "nothing to explain: 2 NUMA nodes");
    }

    #[test]
    fn what_speaks_against_a_claim_is_said_once() {
        let of = |reasons: Vec<Reason>, caveats: Vec<Caveat>| {
            because(&claim(vec![part(PartKind::Effect, Shown::Yes, reasons)], caveats))
        };
        let sink = || Reason::NothingCopied { link: model::Link::Sink };
        let all = Caveat::Oversubscribed { all: true };
        assert_eq!(
            of(vec![sink()], vec![all]),
            "into the sink nothing is copied; every cell has more threads than CPUs"
        );
        assert_eq!(
            of(vec![sink(), Reason::TooFewCpus], vec![all]),
            "into the sink nothing is copied; more threads than CPUs"
        );
        assert_eq!(
            of(vec![sink()], vec![all, Caveat::NoCause, Caveat::Preliminary { rounds: 3 }]),
            "preliminary (3 rounds): into the sink nothing is copied; more threads than CPUs, so no cause is claimed"
        );
        assert_eq!(
            of(vec![sink()], vec![Caveat::LawBroken { id: 4 }]),
            "not relied on, as law 4 is broken: into the sink nothing is copied"
        );
    }
}
