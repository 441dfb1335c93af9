//! The paper's claims, and what a run says of them.
//!
//! Each claim is one function from the records to a verdict, and may come out either way. Rules of speech: a cause is
//! named only when a counter and an intervention show it; what zero-copy completions said stands beside every
//! comparison of the zerocopy path; oversubscribed cells are called that. A claim that no record of these instruments
//! can decide says just that, with what would.

mod audited;
mod bookkeeping;
mod caches;
mod causes;
mod copies;
mod cycles;
mod paths;
mod placement;
mod sizes;
mod threads;
mod through_caches;

use std::collections::BTreeSet;

pub(crate) use self::caches::{LEVELS, log_ratios};
use crate::copying_time::PROFILE;
use crate::evidence::Evidence;
use crate::explained::{Claim, Law, LawState, Verdict};
use crate::figure_text::counted;
use crate::metric::Metric;

type Judge = fn(&Evidence<'_>) -> Says;

/// Each claim in one line, and what judges it.
const CLAIMS: [(&str, Judge); 25] = [
    (
        "send() copies twice on the way out: from user memory to the socket buffer, then to the DMA buffer",
        copies::c1,
    ),
    (
        "sendmsg() with an iovec removes one copy: the kernel gathers straight from the user's buffers",
        copies::c2,
    ),
    ("MSG_ZEROCOPY over loopback is zero-copy", copies::c3),
    ("sendmsg (A2) beats send (A1) at every size, most at small ones", paths::c4),
    (
        "zero-copy loses at small messages because pinning, reference counts and notifications cost more than the copy",
        |evidence| bookkeeping::c5(evidence, evidence),
    ),
    ("zero-copy (A3) beats two-copy (A1) from 4096 bytes on", paths::c6),
    ("that threshold is 4096 because a page has 4096 bytes", paths::c7),
    (
        "zero-copy's sweet spot is 4 to 8 KiB with 2 to 4 threads: 10 to 20 % more than two-copy",
        paths::c8,
    ),
    ("throughput grows with message size because the system call is amortised", sizes::c9),
    ("throughput scales near-linearly from 1 to 4 threads at 4096 bytes", threads::c10),
    (
        "sendmsg's jump from 4 to 8 threads at 4096 bytes comes from CPU pipeline optimisations",
        threads::c11,
    ),
    (
        "at 65536 bytes, 8 threads carry less than 4: sendmsg 62 % less, zerocopy 66 %, send 27 %",
        threads::c12,
    ),
    ("that fall is the memory wall: the copies use up the DRAM bandwidth", causes::c13),
    ("that fall is false sharing and cache-line traffic in struct sock", causes::c14),
    ("zerocopy falls most because its notifications thrash the scheduler", causes::c15),
    ("NUMA placement explains part of that fall", placement::c16),
    ("global locks and a tcp_write_queue spinlock are contended", causes::c17),
    ("send's cache misses peak at 512 bytes because eight cache lines align badly", caches::c18),
    (
        "zerocopy has the best cache behaviour at medium sizes because nothing is copied through the cache",
        |evidence| through_caches::c19(evidence, evidence),
    ),
    (
        "the last-level cache shows the largest reduction in misses from send to sendmsg",
        caches::c20,
    ),
    ("64 KiB messages do not fit the L3 cache", caches::c21),
    (
        "50 to 300 cycles a byte at 64 bytes, 0.2 to 1 at 64 KiB; sendmsg lowest, 0.04 at 64 KiB and 8 threads",
        cycles::c22,
    ),
    ("more threads lower the cycles a byte", cycles::c23),
    ("4 threads is the sweet spot", threads::c24),
    ("pinning threads, separate sockets and batching would help", placement::c25),
];

/// Claims of a cause, by number: where busy threads share a CPU, none is claimed.
const CAUSES: [usize; 6] = [5, 9, 15, 16, 18, 19];

/// How the reason of a verdict begins that rests on intervals of too few rounds.
const PRELIMINARY: &str = "preliminary";

/// Whether a verdict rests on intervals of too few rounds.
pub fn is_preliminary(claim: &Claim) -> bool {
    claim.because.starts_with(PRELIMINARY)
}

/// C1 to C25.
///
/// `evidence` is of the link that the paper's claims are about, `whole` of every link: what an audit or the sink decides
/// comes before what timing decides.
pub fn claims(evidence: &Evidence<'_>, whole: &Evidence<'_>, laws: &[Law]) -> Vec<Claim> {
    let oversubscribed: BTreeSet<String> =
        evidence.estimates.iter().filter(|e| e.oversubscribed).map(|e| e.cell.id()).collect();
    let claim = |(number, (text, judge)): (usize, &(&str, Judge))| {
        let mut says = if evidence.asked().any(|estimates| estimates.trials > 0) {
            audited::claim(number + 1, evidence, whole).unwrap_or_else(|| judge(evidence))
        } else {
            undecidable("no trial is valid", "a run with valid trials: copycost run")
        };
        says.doubt(laws);
        says.crowd(&oversubscribed, CAUSES.contains(&(number + 1)));
        if evidence.run.preliminary {
            says.preliminary(evidence.run.rounds);
        }
        says.shorten();
        let Says { verdict, because, evidence, would_decide } = says;
        Claim {
            id: format!("c{}", number + 1),
            text: (*text).to_owned(),
            verdict,
            because,
            evidence,
            would_decide,
        }
    };
    CLAIMS.iter().enumerate().map(claim).collect()
}

/// A verdict with its reasons.
#[derive(Clone, Debug)]
struct Says {
    verdict: Verdict,
    because: String,
    evidence: Vec<String>,
    would_decide: String,
}

fn supported(because: impl Into<String>) -> Says {
    Says {
        verdict: Verdict::Supported,
        because: because.into(),
        evidence: Vec::new(),
        would_decide: String::new(),
    }
}

fn refuted(because: impl Into<String>) -> Says {
    Says { verdict: Verdict::Refuted, ..supported(because) }
}

fn undecidable(because: impl Into<String>, would_decide: impl Into<String>) -> Says {
    Says { verdict: Verdict::Undecidable, would_decide: would_decide.into(), ..supported(because) }
}

/// Said where no cell behind a verdict leaves each busy thread a CPU.
const EVERY_ONE_CROWDED: &str = "every cell is oversubscribed";

/// The most names that stand as evidence of one claim; the rest is counted.
const MOST_NAMED: usize = 24;

impl Says {
    /// With the cells, laws or ratios behind it.
    fn from(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(names);
        self
    }

    /// Names no more than so many.
    fn shorten(&mut self) {
        let more = self.evidence.len().saturating_sub(MOST_NAMED);
        if more > 0 {
            self.evidence.truncate(MOST_NAMED);
            self.evidence.push(format!("and {more} more"));
        }
    }

    /// With one more clause to its reason.
    fn and(mut self, clause: &str) -> Self {
        if !clause.is_empty() {
            self.because = format!("{}; {clause}", self.because);
        }
        self
    }

    /// Calls oversubscription that, where a cell behind the verdict is; supports no cause from it.
    fn crowd(&mut self, oversubscribed: &BTreeSet<String>, is_cause: bool) {
        let is_crowded = |name: &String| cells_of(name).any(|cell| oversubscribed.contains(cell));
        let of_cells = || self.evidence.iter().filter(|name| cells_of(name).next().is_some());
        let crowded = self.evidence.iter().filter(|name| is_crowded(name)).count();
        if crowded == 0 {
            return;
        }
        let all = of_cells().all(is_crowded);
        if is_cause && self.verdict == Verdict::Supported {
            self.verdict = Verdict::Undecidable;
            self.because = format!(
                "cells behind it are oversubscribed, so no cause is claimed; else: {}",
                self.because
            );
            self.would_decide =
                "a thread count that leaves each busy thread a CPU: --threads 1 on 2 CPUs or more"
                    .to_owned();
        }
        if !self.because.contains("oversubscribed") {
            let which =
                if all { EVERY_ONE_CROWDED } else { "some of its cells are oversubscribed" };
            self.because = format!("{}; {which}", self.because);
        }
    }

    /// Says that a decided verdict rests on intervals of too few rounds. Facts of the machine, laws and what every
    /// completion said need none, nor do samples, whose intervals are of their own number.
    fn preliminary(&mut self, rounds: u32) {
        let needs_interval = |name: &String| {
            (name.starts_with("crossover ") || cells_of(name).next().is_some())
                && !name.starts_with(Metric::CopiedShare.name())
                && !name.starts_with(PROFILE)
        };
        if self.verdict != Verdict::Undecidable && self.evidence.iter().any(needs_interval) {
            let rounds = counted(rounds as usize, "round", "rounds");
            self.because = format!("{PRELIMINARY} ({rounds}): {}", self.because);
        }
    }

    /// A verdict that rests on notifications stands no firmer than the laws about them.
    fn doubt(&mut self, laws: &[Law]) {
        if self.verdict == Verdict::Undecidable {
            return;
        }
        let broken =
            |law: &&Law| law.state == LawState::Broken && self.evidence.contains(&law_name(law.id));
        let broken: Vec<String> =
            laws.iter().filter(broken).map(|law| format!("law {} is broken", law.id)).collect();
        if let Some(first) = broken.first() {
            self.verdict = Verdict::Undecidable;
            self.because =
                format!("{first}, so its source is not believed; else: {}", self.because);
            self.would_decide = "a run in which that law holds".to_owned();
        }
    }
}

/// The cells of one piece of evidence, `METRIC: CELL / CELL` or `METRIC: CELL`; none of facts, laws and crossovers.
fn cells_of(name: &str) -> impl Iterator<Item = &str> {
    let of_metric = name.split_once(": ").filter(|(of, _)| *of != HOST);
    of_metric.into_iter().flat_map(|(_, cells)| cells.split(" / "))
}

/// The file of the machine's facts, as evidence names it.
const HOST: &str = "host.json";

/// How a law stands among the evidence.
fn law_name(id: u32) -> String {
    format!("law {id}")
}
