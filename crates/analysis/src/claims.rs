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

use model::{Cell, Missing};

pub(crate) use self::caches::{LEVELS, log_ratios};
use crate::copies::copy_audit;
use crate::evidence::Evidence;
use crate::explained::{Claim, Law, LawState, Verdict};
use crate::figure_text::counted;
use crate::reference::{Caveat, Reference};
use crate::summary::RunFacts;

type Judge = fn(&Evidence<'_>) -> Ruling;

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
        "50 to 300 cycles per byte at 64 bytes, 0.2 to 1 at 64 KiB; sendmsg lowest, 0.04 at 64 KiB and 8 threads",
        cycles::c22,
    ),
    ("more threads lower the cycles per byte", cycles::c23),
    ("4 threads is the sweet spot", threads::c24),
    ("pinning threads, separate sockets and batching would help", placement::c25),
];

/// Claims of a cause, by number: where busy threads share a CPU, none is claimed.
const CAUSES: [usize; 6] = [5, 9, 15, 16, 18, 19];

/// C1 to C25.
///
/// `evidence` is of the link that the paper's claims are about, `whole` of every link: what an audit or the sink decides
/// comes before what timing decides.
pub fn claims(evidence: &Evidence<'_>, whole: &Evidence<'_>, laws: &[Law]) -> Vec<Claim> {
    let oversubscribed: BTreeSet<&Cell> =
        evidence.estimates.iter().filter(|e| e.oversubscribed).map(|e| &e.cell).collect();
    let claim = |(number, (text, judge)): (usize, &(&str, Judge))| {
        let mut ruling = if !evidence.asked().any(|estimates| estimates.trials > 0) {
            undecidable("no trial is valid", Missing::plan("copycost run"))
        } else if evidence.run.rounds == 0 {
            undecidable("no whole round was measured", Missing::rounds())
        } else {
            audited::claim(number + 1, evidence, whole).unwrap_or_else(|| judge(evidence))
        };
        ruling.hold_against(laws);
        ruling.hold_against_cpus(&oversubscribed, CAUSES.contains(&(number + 1)));
        ruling.hold_against_rounds(evidence.run);
        Claim {
            id: format!("c{}", number + 1),
            text: (*text).to_owned(),
            verdict: ruling.verdict,
            because: ruling.sentence(),
            evidence: ruling.evidence,
            caveats: ruling.caveats,
            would_decide: ruling.would_decide,
        }
    };
    CLAIMS.iter().enumerate().map(claim).collect()
}

/// A verdict with its reasons.
#[derive(Clone, Debug)]
struct Ruling {
    verdict: Verdict,
    because: String,
    evidence: Vec<Reference>,
    caveats: Vec<Caveat>,
    would_decide: Vec<Missing>,
}

fn supported(because: impl Into<String>) -> Ruling {
    Ruling {
        verdict: Verdict::Supported,
        because: because.into(),
        evidence: Vec::new(),
        caveats: Vec::new(),
        would_decide: Vec::new(),
    }
}

fn refuted(because: impl Into<String>) -> Ruling {
    Ruling { verdict: Verdict::Refuted, ..supported(because) }
}

fn not_applicable(because: impl Into<String>) -> Ruling {
    Ruling { verdict: Verdict::NotApplicable, ..supported(because) }
}

fn undecidable(because: impl Into<String>, missing: Missing) -> Ruling {
    Ruling { verdict: Verdict::Undecidable, would_decide: vec![missing], ..supported(because) }
}

/// A cause is told only where each busy thread has a CPU.
fn a_cpu_for_each_thread() -> Missing {
    Missing::machine(
        "a thread count that leaves each busy thread a CPU",
        "--threads 1 on 2 CPUs or more",
    )
}

impl Ruling {
    fn is_decided(&self) -> bool {
        matches!(self.verdict, Verdict::Supported | Verdict::Refuted)
    }

    /// With what it rests on.
    fn from(mut self, evidence: impl IntoIterator<Item = Reference>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    /// With one more clause to its reason.
    fn and(mut self, clause: &str) -> Self {
        if !clause.is_empty() {
            self.because = format!("{}; {clause}", self.because);
        }
        self
    }

    /// With something more that it would take.
    fn also(mut self, missing: Missing) -> Self {
        self.would_decide.push(missing);
        self
    }

    /// With what it would take before the rest.
    fn first(mut self, mut missing: Vec<Missing>) -> Self {
        missing.append(&mut self.would_decide);
        self.would_decide = missing;
        self
    }

    /// A verdict stands no firmer than the laws about its sources.
    fn hold_against(&mut self, laws: &[Law]) {
        if !self.is_decided() {
            return;
        }
        let broken = laws.iter().find(|law| {
            law.state == LawState::Broken && self.evidence.contains(&Reference::law(law.id))
        });
        if let Some(law) = broken {
            self.verdict = Verdict::Undecidable;
            self.caveats.push(Caveat::LawBroken { id: law.id });
            self.would_decide = vec![Missing::of_itself("a run in which that law holds")];
        }
    }

    /// Tells where cells behind it are oversubscribed; supports no cause from them.
    fn hold_against_cpus(&mut self, oversubscribed: &BTreeSet<&Cell>, is_cause: bool) {
        let is_of_them =
            |reference: &&Reference| reference.cells().any(|cell| oversubscribed.contains(cell));
        let of_cells = self.evidence.iter().filter(|reference| reference.cells().next().is_some());
        let (of_them, others): (Vec<_>, Vec<_>) = of_cells.partition(is_of_them);
        let (any, all) = (!of_them.is_empty(), others.is_empty());
        if !any {
            return;
        }
        self.caveats.push(Caveat::Oversubscribed { all });
        if is_cause && self.verdict == Verdict::Supported {
            self.verdict = Verdict::Undecidable;
            self.caveats.push(Caveat::NoCause);
            self.would_decide = vec![a_cpu_for_each_thread()];
        }
    }

    /// Tells where a decided verdict rests on intervals of too few rounds.
    fn hold_against_rounds(&mut self, run: &RunFacts) {
        if run.preliminary && self.is_decided() && self.evidence.iter().any(Reference::needs_rounds)
        {
            self.caveats.push(Caveat::Preliminary { rounds: run.rounds });
        }
    }

    /// Its reason with the caveats.
    fn sentence(&self) -> String {
        let mut sentence = self.because.clone();
        for caveat in &self.caveats {
            sentence = match caveat {
                Caveat::LawBroken { id } => {
                    format!("law {id} is broken, so its source is not believed; else: {sentence}")
                }
                Caveat::Oversubscribed { all: true } => {
                    format!("{sentence}; every cell is oversubscribed")
                }
                Caveat::Oversubscribed { all: false } => {
                    format!("{sentence}; some of its cells are oversubscribed")
                }
                Caveat::NoCause => format!("no cause is claimed from such cells; else: {sentence}"),
                Caveat::Preliminary { rounds } => {
                    format!("preliminary ({}): {sentence}", counted(*rounds, "round", "rounds"))
                }
            };
        }
        sentence
    }
}
