//! Runs made to order.

use analysis::answers::Answer;
use analysis::claims::claim::{Claim, Verdict};
use analysis::explained::Explained;
use analysis::id::Id;
use analysis::laws::law::Law;
use analysis::metric::Metric;
use analysis::operands::Compared;
use analysis::reason::{Part, PartKind, Reason, Shown};
use analysis::reference::Caveat;
use analysis::{Summary, summarise};
use model::audit::{Audited, Owner, Stack};
use model::host::Host;
use model::record::{Count, Finished, Outcome, Record, Trial};
use model::{Cell, Factor, Measured, Missing, Plan, Preset};

/// CPUs of the machine: eight senders and eight receivers fit.
pub(crate) const CPUS: u32 = 16;
pub(crate) const ROUNDS: u32 = 10;

/// A plan of these lists, without controls.
pub(crate) fn plan(lists: &[(Factor, &str)]) -> Plan {
    let mut plan = Plan::preset(Preset::Default);
    plan.measure.controls = false;
    for (factor, list) in lists {
        plan.factors.set(*factor, list).unwrap();
    }
    plan
}

/// The paper's paths and sizes at one thread.
pub(crate) fn one_thread() -> Plan {
    plan(&[(Factor::Threads, "1")])
}

/// A machine with sixteen CPUs, else as the usual one.
pub(crate) fn host() -> Host {
    let mut host = synthetic::host();
    let first = host.cpus[0].clone();
    host.cpus = (0..CPUS).map(|cpu| model::host::CpuFacts { cpu, ..first.clone() }).collect();
    host.usable_cpus = (0..CPUS).collect();
    host
}

/// A run in its making.
pub(crate) struct Run {
    pub(crate) plan: Plan,
    pub(crate) host: Host,
    pub(crate) records: Vec<Record>,
}

/// What a trial's cell makes of it.
pub(crate) type Builder = synthetic::TrialBuilder;

/// Ten rounds with half a percent of noise on sixteen CPUs; `figures` changes what a test is about.
pub(crate) fn run(plan: Plan, figures: impl Fn(&Cell, Builder) -> Builder) -> Run {
    run_with_noise(plan, 0.005, figures)
}

pub(crate) fn run_with_noise(
    plan: Plan,
    sigma: f64,
    figures: impl Fn(&Cell, Builder) -> Builder,
) -> Run {
    let records = synthetic::run(&plan, ROUNDS, |cell, round| {
        let trial = synthetic::trial(cell, round).usable_cpus(CPUS);
        figures(cell, trial).faster(synthetic::noise(3, cell, round, sigma))
    });
    Run { plan, host: host(), records }
}

/// Goodput in Gbit/s of each cell; CPU as usual.
pub(crate) fn run_of_goodput(plan: Plan, gbps: impl Fn(&Cell) -> f64) -> Run {
    run(plan, |cell, trial| trial.goodput_gbps(gbps(cell)))
}

impl Run {
    /// Changes every trial's record.
    pub(crate) fn changed(mut self, change: impl Fn(&mut Trial)) -> Self {
        for record in &mut self.records {
            if let Record::Trial(trial) = record {
                change(trial);
            }
        }
        self
    }

    /// Changes every finished trial's reports.
    pub(crate) fn with(self, change: impl Fn(&Cell, &mut Finished)) -> Self {
        self.changed(|trial| {
            let cell = trial.cell.clone();
            if let Outcome::Finished(finished) = &mut trial.outcome {
                change(&cell, finished);
            }
        })
    }

    /// The same, round by round.
    pub(crate) fn with_rounds(self, change: impl Fn(&Cell, u32, &mut Finished)) -> Self {
        self.changed(|trial| {
            let (cell, round) = (trial.cell.clone(), trial.round);
            if let Outcome::Finished(finished) = &mut trial.outcome {
                change(&cell, round, finished);
            }
        })
    }

    /// With an audit trial of every cell in which all is as it should be.
    pub(crate) fn audited(mut self) -> Self {
        self.records.extend(synthetic::audits(&self.plan));
        self
    }

    /// With a profile of every cell, in which the sending side has these samples of zero-copy's bookkeeping, of copying at
    /// delivery and of copying in.
    pub(crate) fn profiled(mut self, samples: impl Fn(&Cell) -> [u64; 3]) -> Self {
        for cell in self.plan.cells() {
            let [bookkeeping, deferred, copied_in] = samples(&cell);
            let mut audited = synthetic::profiled(&cell);
            if let Measured::Value(profile) = &mut audited.profile {
                let mut place = |name: &str| {
                    profile.symbols.push(name.to_owned());
                    u32::try_from(profile.symbols.len() - 1).unwrap()
                };
                let (pin, delivery, copy) = (
                    place("iov_iter_get_pages2"),
                    place("skb_copy_ubufs"),
                    place("_copy_from_iter"),
                );
                let by_name = |stack: &Stack, name: &str| {
                    stack.frames.iter().any(|frame| profile.symbols[*frame as usize] == name)
                };
                let mut stacks: Vec<Stack> = profile
                    .stacks
                    .iter()
                    .filter(|stack| {
                        !["skb_zerocopy_iter_stream", "skb_copy_ubufs", "_copy_from_iter"]
                            .iter()
                            .any(|name| by_name(stack, name))
                    })
                    .cloned()
                    .collect();
                for (frame, samples) in
                    [(pin, bookkeeping), (delivery, deferred), (copy, copied_in)]
                {
                    let owner = Owner::Sender;
                    stacks.push(Stack { owner, cpu: 0, frames: vec![frame], samples });
                }
                profile.stacks = stacks;
            }
            self.records.push(Record::Audit(Box::new(audited)));
        }
        self
    }

    /// Changes every audit trial.
    pub(crate) fn with_audits(mut self, change: impl Fn(&mut Audited)) -> Self {
        for record in &mut self.records {
            if let Record::Audit(audited) = record {
                change(audited);
            }
        }
        self
    }

    pub(crate) fn on(mut self, change: impl Fn(&mut Host)) -> Self {
        change(&mut self.host);
        self
    }

    pub(crate) fn summary(&self) -> Summary {
        summarise(&self.plan, &self.host, &self.records)
    }

    pub(crate) fn explained(&self) -> Explained {
        self.summary().explained
    }

    pub(crate) fn claim(&self, number: usize) -> Claim {
        let claims = self.explained().claims;
        for claim in &claims {
            let is_silent = |part: &Part| part.shown != Shown::Yes && part.reasons.is_empty();
            assert!(!claim.parts.iter().any(is_silent), "no reason: {claim:#?}");
        }
        let claim = claims[number - 1].clone();
        assert_eq!(claim.id, Id::Claim(number));
        claim
    }

    pub(crate) fn law(&self, id: u32) -> Law {
        self.explained().laws.into_iter().find(|law| law.id == id).unwrap()
    }

    pub(crate) fn answer(&self, number: usize) -> Answer {
        self.explained().answers[number].clone()
    }

    /// The claim comes out like this, decided by such a part of its argument, and names what it rests on.
    #[track_caller]
    pub(crate) fn says(&self, number: usize, verdict: Verdict, by: PartKind) -> Claim {
        let claim = self.says_so(number, verdict);
        assert_eq!(claim.deciding().map(|part| part.kind), Some(by), "{claim:#?}");
        claim
    }

    #[track_caller]
    fn says_so(&self, number: usize, verdict: Verdict) -> Claim {
        let claim = self.claim(number);
        assert_eq!(claim.verdict, verdict, "{claim:#?}");
        let undecidable = verdict == Verdict::Undecidable;
        assert_eq!(claim.would_decide.is_empty(), !undecidable, "{claim:#?}");
        assert!(undecidable || !claim.evidence.is_empty(), "{claim:#?}");
        claim
    }

    /// The claim is not decided, and bears this caveat.
    #[track_caller]
    pub(crate) fn leaves_open_with(&self, number: usize, caveat: Caveat) {
        let claim = self.says_so(number, Verdict::Undecidable);
        assert!(claim.caveats.contains(&caveat), "{claim:#?}");
    }

    #[track_caller]
    pub(crate) fn supports(&self, number: usize) -> Claim {
        self.says_so(number, Verdict::Supported)
    }

    /// The claim is refuted by such a part of its argument.
    #[track_caller]
    pub(crate) fn refutes(&self, number: usize, by: PartKind) -> Claim {
        self.says(number, Verdict::Refuted, by)
    }

    /// The claim is left open, as such a part of its argument is not shown, or was not measured.
    #[track_caller]
    pub(crate) fn leaves_open(&self, number: usize, by: PartKind, shown: Shown) -> Claim {
        let claim = self.says(number, Verdict::Undecidable, by);
        assert_eq!(claim.deciding().map(|part| part.shown), Some(shown), "{claim:#?}");
        claim
    }
}

/// Among the reasons of a claim is such a one.
#[track_caller]
pub(crate) fn gives(claim: &Claim, is_it: impl Fn(&Reason) -> bool) {
    let mut reasons = claim.parts.iter().flat_map(|part| &part.reasons);
    assert!(reasons.any(is_it), "{claim:#?}");
}

/// Among the reasons of the part that decided a claim is such a one.
#[track_caller]
pub(crate) fn decided_by(claim: &Claim, is_it: impl Fn(&Reason) -> bool) {
    let part = claim.deciding();
    assert!(part.is_some_and(|part| part.reasons.iter().any(is_it)), "{claim:#?}");
}

/// These ratios are each told, and are such ones.
pub(crate) fn are_each(reason: &Reason, of: usize, is_it: impl Fn(&Compared) -> bool) -> bool {
    matches!(reason, Reason::Each { ratios, .. } if ratios.len() == of && ratios.iter().all(is_it))
}

/// Not measured is this of these sizes and thread counts.
pub(crate) fn lacks(reason: &Reason, these: Metric, bytes: &[u64], counts: &[u32]) -> bool {
    matches!(reason, Reason::NotMeasured { metric, sizes, threads, .. }
        if *metric == these && sizes == bytes && threads == counts)
}

/// Something is missing by this name, and its reason or the step that would give it holds these words.
#[track_caller]
pub(crate) fn misses(missing: &[Missing], what: &str, words: &str) {
    let is_it =
        |it: &Missing| it.what == what && (it.because.contains(words) || it.unlock.contains(words));
    assert!(missing.iter().any(is_it), "{what}, {words}: {missing:#?}");
}

/// A count as the counters give it.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, which will do here"
)]
pub(crate) fn count(x: f64) -> Measured<Count> {
    Measured::Value(Count { count: x.round() as u64, scaled: false })
}

/// KiB that a side's workers moved in their windows.
pub(crate) fn kib<T>(side: &model::record::Side<T>) -> f64 {
    side.workers.iter().map(|worker| worker.bytes.0 as f64).sum::<f64>() / 1024.0
}
