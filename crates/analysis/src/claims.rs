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
pub mod claim;
mod copies;
mod cycles;
mod pages;
mod paths;
mod placement;
mod sizes;
mod threads;
mod through_caches;

pub(crate) use self::caches::PEAK;
pub(crate) use self::cycles::RANGES;
pub(crate) use self::threads::{NEAR, PAPER_FALLS};

use std::collections::BTreeSet;

use model::{Cell, Link, Missing, RunCommand};

use crate::claims::claim::{Claim, Verdict};
use crate::copies::copy_audit;
use crate::evidence::Evidence;
use crate::id::Id;
use crate::laws::law::{Law, LawState};
use crate::on_link::{main_link, no_main_link};
use crate::reason::{Part, PartKind, Reason, Shown};
use crate::reference::{Caveat, Reference};
use crate::results::RunFacts;

/// How a claim is judged.
#[derive(Clone, Copy)]
enum Judge {
    /// By what was measured on the link that the paper's claims are about, which has a receiver.
    Main(fn(&Evidence<'_>) -> Ruling),
    /// The same of a claim about the ends' own machine, which a link between two hosts says nothing of; with the flags that measure it.
    OneHost(fn(&Evidence<'_>, &Evidence<'_>) -> Ruling, &'static str),
    /// By that link's evidence (first) and that of every link: an audit, a profile or the sink may decide it too.
    Whole(fn(&Evidence<'_>, &Evidence<'_>) -> Ruling),
}
use Judge::{Main, OneHost, Whole};

/// What judges each claim, in the order of their numbers.
const CLAIMS: [Judge; 25] = [
    Whole(audited::c1),
    Whole(audited::c2),
    OneHost(audited::c3, "--send zerocopy,sendmsg"),
    Main(paths::c4),
    Whole(bookkeeping::c5),
    Whole(audited::c6),
    Main(pages::c7),
    Main(paths::c8),
    Main(sizes::c9),
    Main(threads::c10),
    Main(threads::c11),
    Main(threads::c12),
    Main(causes::c13),
    Main(causes::c14),
    Main(causes::c15),
    Main(placement::c16),
    Main(causes::c17),
    Main(caches::c18),
    OneHost(through_caches::c19, "--preset break-even --send send,sendmsg,zerocopy"),
    Main(caches::c20),
    OneHost(c21, "--send sendmsg --sizes 64KiB --ring 1,auto"),
    Main(cycles::c22),
    Main(cycles::c23),
    Main(threads::c24),
    Main(placement::c25),
];

fn c21(main: &Evidence<'_>, whole: &Evidence<'_>) -> Ruling {
    if main_link(whole).is_none() { without_main_link(whole) } else { caches::c21(main) }
}

/// Claims of a cause, by number: where busy threads share a CPU, none is claimed.
const CAUSES: [usize; 6] = [5, 9, 15, 16, 18, 19];

/// C1 to C25.
///
/// `evidence` is of the link that the paper's claims are about, `whole` of every link: what an audit or the sink decides
/// comes before what timing decides.
pub fn claims(evidence: &Evidence<'_>, whole: &Evidence<'_>, laws: &[Law]) -> Vec<Claim> {
    let oversubscribed: BTreeSet<&Cell> =
        evidence.estimates.iter().filter(|e| e.oversubscribed.is_so()).map(|e| &e.cell).collect();
    let claim = |(number, judge): (usize, &Judge)| {
        let mut ruling = if !evidence.asked().any(|estimates| estimates.trials > 0) {
            not_measured(Reason::NoValidTrial, Missing::plan(RunCommand::default()))
        } else if evidence.run.rounds == 0 {
            not_measured(Reason::NoWholeRound, Missing::rounds())
        } else {
            match judge {
                OneHost(_, flags) if main_link(whole).is_some_and(|it| !it.is_of_one_host()) => {
                    not_measured(
                        Reason::TwoHosts,
                        Missing::plan(RunCommand::new(*flags).on_one_host()),
                    )
                }
                Main(_) if main_link(whole).is_none() => without_main_link(whole),
                Main(judge) => judge(evidence),
                OneHost(judge, _) | Whole(judge) => judge(evidence, whole),
            }
        };
        ruling.hold_against(laws);
        ruling.hold_against_cpus(&oversubscribed, CAUSES.contains(&(number + 1)));
        if evidence.run.knows_no_cpus() {
            ruling.hold_against_unknown_cpus(CAUSES.contains(&(number + 1)));
        }
        ruling.hold_against_rounds(evidence.run);
        Claim {
            id: Id::Claim(number + 1),
            verdict: ruling.verdict,
            parts: ruling.parts,
            evidence: ruling.evidence,
            caveats: ruling.caveats,
            would_decide: ruling.would_decide,
        }
    };
    CLAIMS.iter().enumerate().map(claim).collect()
}

/// A verdict with the argument that it follows from.
#[derive(Clone, Debug)]
struct Ruling {
    verdict: Verdict,
    parts: Vec<Part>,
    evidence: Vec<Reference>,
    caveats: Vec<Caveat>,
    /// What would decide it, should it not be decided.
    would_decide: Vec<Missing>,
}

/// What the parts of an argument come to: one that is contradicted refutes the claim, and all that it needs support it.
fn verdict(parts: &[Part]) -> Verdict {
    let any = |shown| parts.iter().any(|part| part.shown == shown);
    if any(Shown::NotApplicable) {
        Verdict::NotApplicable
    } else if any(Shown::No) {
        Verdict::Refuted
    } else if parts.iter().all(|part| part.shown == Shown::Yes) {
        Verdict::Supported
    } else {
        Verdict::Undecidable
    }
}

impl Ruling {
    /// An argument's first part.
    fn of(kind: PartKind, shown: Shown, reasons: impl IntoIterator<Item = Reason>) -> Self {
        let nothing = Self {
            verdict: Verdict::Undecidable,
            parts: Vec::new(),
            evidence: Vec::new(),
            caveats: Vec::new(),
            would_decide: Vec::new(),
        };
        nothing.then(kind, shown, reasons)
    }

    /// With one more part.
    fn then(
        mut self,
        kind: PartKind,
        shown: Shown,
        reasons: impl IntoIterator<Item = Reason>,
    ) -> Self {
        self.parts.push(Part { kind, shown, reasons: reasons.into_iter().collect() });
        self.verdict = verdict(&self.parts);
        if self.is_decided() {
            self.would_decide.clear();
        }
        self
    }

    /// Whether every part so far is shown.
    fn holds(&self) -> bool {
        self.verdict == Verdict::Supported
    }

    /// Whether a further part would tell more: none so far is contradicted, or lacks what would show it.
    fn is_open(&self) -> bool {
        self.parts.iter().all(|part| matches!(part.shown, Shown::Yes | Shown::Unclear))
    }

    /// With more to say beside its last part.
    fn beside(mut self, reasons: impl IntoIterator<Item = Reason>) -> Self {
        if let Some(part) = self.parts.last_mut() {
            part.reasons.extend(reasons);
        }
        self
    }

    /// With what would decide it; nothing where it is decided.
    fn lacks(mut self, missing: Missing) -> Self {
        if self.verdict == Verdict::Undecidable {
            self.would_decide.push(missing);
        }
        self
    }
}

/// What the claim says happens.
fn effect(shown: Shown, reasons: impl IntoIterator<Item = Reason>) -> Ruling {
    Ruling::of(PartKind::Effect, shown, reasons)
}

/// What the claim takes for granted.
fn premise(shown: Shown, reasons: impl IntoIterator<Item = Reason>) -> Ruling {
    Ruling::of(PartKind::Premise, shown, reasons)
}

/// Nothing that would tell was measured, and what would be.
fn not_measured(reason: Reason, missing: Missing) -> Ruling {
    effect(Shown::NotMeasured, [reason]).lacks(missing)
}

/// Nothing but the sink was measured, which has no receiver.
fn without_main_link(whole: &Evidence<'_>) -> Ruling {
    not_measured(
        no_main_link(whole),
        Missing::of_itself("the same on a link with a receiver")
            .unlocked_by(RunCommand::default().over(&Link::TELLING)),
    )
}

/// A cause is claimed only where each busy thread has a CPU.
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

    /// Tells that nobody knows whether cells behind it are oversubscribed; supports no cause from them.
    fn hold_against_unknown_cpus(&mut self, is_cause: bool) {
        if !self.is_decided() || !self.evidence.iter().any(|it| it.cells().next().is_some()) {
            return;
        }
        self.caveats.push(Caveat::UnknownCpus);
        if is_cause && self.verdict == Verdict::Supported {
            self.verdict = Verdict::Undecidable;
            self.would_decide =
                vec![Missing::of_itself("how many CPUs the ends had").unlocked_by("--cpus N")];
        }
    }

    /// Tells where a decided verdict rests on intervals of too few rounds.
    fn hold_against_rounds(&mut self, run: &RunFacts) {
        if run.preliminary && self.is_decided() && self.evidence.iter().any(Reference::needs_rounds)
        {
            self.caveats.push(Caveat::Preliminary { rounds: run.rounds });
        }
    }
}
