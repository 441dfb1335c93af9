//! Small experiments, each a plan that decides claims which the paper's matrix of cells cannot.

use crate::factor::Factor;
use crate::names::{Audit, names};
use crate::plan::Plan;
use crate::preset::Preset;
use crate::units::Nanos;

names! {
    /// A ready-made experiment.
    Experiment, "experiment" {
        /// What the kernel copies: paths and fields under the copy audit.
        Copies = "copies",
        /// What a call costs: fields and TCP_NODELAY.
        Calls = "calls",
        /// Why zero-copy loses at small messages: fields, links, packets of one message each and a profile.
        SmallMessages = "small-messages",
        /// From which size on zero-copy is better, where delivery copies and where nothing does.
        BreakEven = "break-even",
        /// Whether zero-copy's threshold follows pages: sizes and offsets within a page.
        Pages = "pages",
        /// Whether zero-copy has a sweet spot over sizes and threads.
        SweetSpot = "sweet-spot",
        /// How goodput grows with threads.
        Threads = "threads",
        /// Whether 8 threads carry less than 4, and with notifications left out or unread.
        Fall = "fall",
        /// Whether that fall is memory's: buffers that fit a cache, those that the kernel sizes, and receivers that discard.
        Memory = "memory",
        /// Whether that fall is memory's: with less of its bandwidth left, and with messages that are rewritten.
        Bandwidth = "bandwidth",
        /// Whether messages fit the last-level cache: one sent again and again, and many, rewritten or not, and beside a thread that streams through it.
        WorkingSet = "working-set",
        /// What it costs where workers share a connection.
        Sockets = "sockets",
        /// What pinning, connections of one's own and batching bring.
        Placement = "placement",
        /// What caches see: layouts and sizes under counters.
        Caches = "caches",
    }
}

/// What an experiment is made of.
struct Recipe {
    help: &'static str,
    claims: &'static [usize],
    factors: &'static [(Factor, &'static str)],
    audits: &'static [Audit],
    /// The claims for which it takes hardware counters, too.
    counted: &'static [usize],
    minutes: u64,
}

impl Experiment {
    const fn recipe(self) -> Recipe {
        use Factor::{
            Completions, Fields, Layout, Link, MemoryLoad, Message, Nodelay, Offset, Placement,
            Rcvbuf, Recv, Rewriting, Ring, Send, Sndbuf, SoZerocopy, Sockets, Threads,
        };
        const THREE: (Factor, &str) = (Send, "send,sendmsg,zerocopy");
        const ONE: (Factor, &str) = (Threads, "1");
        match self {
            Self::Copies => Recipe {
                help: "what the kernel copies: paths and fields under the copy audit",
                claims: &[1, 2, 3],
                factors: &[THREE, (Fields, "1,8"), (Message, "4KiB,64KiB"), ONE],
                audits: &[Audit::CopyAudit],
                counted: &[],
                minutes: 2,
            },
            Self::Calls => Recipe {
                help: "what a call costs: one field and eight, with and without TCP_NODELAY",
                claims: &[4, 9],
                factors: &[
                    (Send, "send,sendmsg"),
                    (Fields, "1,8"),
                    (Nodelay, "off,on"),
                    (Message, "64,512,4KiB,64KiB"),
                    ONE,
                ],
                audits: &[],
                counted: &[],
                minutes: 4,
            },
            Self::SmallMessages => Recipe {
                help: "why zero-copy loses at small messages: fields, links, packets of one message each and a profile",
                claims: &[5],
                factors: &[
                    (Send, "sendmsg,zerocopy"),
                    (Link, "loopback,sink"),
                    (Fields, "1,8"),
                    // With it each message is a packet of its own, by reference or by copy.
                    (Nodelay, "off,on"),
                    (Message, "64,512"),
                    ONE,
                ],
                audits: &[Audit::Profile],
                counted: &[],
                minutes: 5,
            },
            Self::BreakEven => Recipe {
                help: "from which size on zero-copy is better, where delivery copies and where not",
                claims: &[3, 6, 19],
                factors: &[THREE, (Link, "loopback,sink"), (Message, "1KiB..256KiB"), ONE],
                audits: &[],
                counted: &[19],
                minutes: 5,
            },
            Self::Pages => Recipe {
                help: "whether zero-copy's threshold follows pages: the same sizes at other offsets within a page",
                claims: &[7],
                factors: &[
                    (Send, "send,zerocopy"),
                    // Of one field the pages follow the size; each of several would have pages of its own.
                    (Fields, "1"),
                    (Layout, "paged"),
                    (Offset, "0,1,2048"),
                    (
                        Message,
                        "2048,3072,3584,4096,4608,5120,5632,6144,6656,7168,7680,8192,8704,9216,9728,10240,10752,11264,11776,12288,12800,13312,13824,14336,14848,15360,15872,16384,16896,17408,17920,18432,18944,19456,19968,20480",
                    ),
                    ONE,
                ],
                audits: &[],
                counted: &[],
                minutes: 8,
            },
            Self::SweetSpot => Recipe {
                help: "whether zero-copy has a sweet spot over sizes and threads",
                claims: &[8],
                factors: &[
                    (Send, "send,zerocopy"),
                    (Message, "64,512,4KiB,8KiB,64KiB"),
                    (Threads, "1,2,4"),
                ],
                audits: &[],
                counted: &[],
                minutes: 5,
            },
            Self::Threads => Recipe {
                help: "how goodput and cost change with threads",
                claims: &[10, 11, 17, 23, 24],
                factors: &[THREE, (Message, "4KiB,64KiB"), (Threads, "1,2,4,8")],
                audits: &[],
                counted: &[11, 23],
                minutes: 5,
            },
            Self::Fall => Recipe {
                help: "whether 8 threads carry less than 4, and what notifications and the reading of them have to do with it",
                claims: &[12, 15, 16],
                factors: &[
                    THREE,
                    (SoZerocopy, "on,off"),
                    (Completions, "read,left"),
                    (Message, "64KiB"),
                    (Threads, "4,8"),
                ],
                audits: &[],
                counted: &[],
                minutes: 5,
            },
            Self::Memory => Recipe {
                help: "whether that fall is memory's: with buffers that fit a cache and a receiver that discards, and without",
                claims: &[13],
                factors: &[
                    (Send, "send,sendmsg"),
                    (Recv, "recv,recv-trunc"),
                    (Ring, "auto,1"),
                    (Sndbuf, "auto,64KiB"),
                    (Rcvbuf, "auto,64KiB"),
                    (Message, "64KiB"),
                    (Threads, "4,8"),
                ],
                audits: &[],
                counted: &[],
                minutes: 6,
            },
            Self::Bandwidth => Recipe {
                help: "whether that fall is memory's: beside a thread that streams through memory, and without; with messages rewritten, and as they are",
                claims: &[13],
                factors: &[
                    (Send, "send,sendmsg"),
                    (MemoryLoad, "off,stream"),
                    (Rewriting, "off,on"),
                    // A core for what streams.
                    (Placement, "spare"),
                    (Message, "64KiB"),
                    (Threads, "4,8"),
                ],
                audits: &[],
                counted: &[],
                minutes: 5,
            },
            Self::WorkingSet => Recipe {
                help: "whether messages fit the last-level cache: one sent again and again, and 128 MiB of them, rewritten or not, and beside a thread that streams through that cache",
                claims: &[21],
                factors: &[
                    (Send, "send,sendmsg"),
                    (Ring, "1,2048"),
                    (MemoryLoad, "off,stream"),
                    (Rewriting, "off,on"),
                    (Placement, "spare"),
                    (Message, "64KiB"),
                    ONE,
                ],
                audits: &[],
                counted: &[],
                minutes: 4,
            },
            Self::Sockets => Recipe {
                help: "what it costs where workers share a connection, over threads",
                claims: &[14],
                factors: &[
                    (Send, "send,sendmsg"),
                    (Sockets, "own,shared"),
                    (Message, "64KiB"),
                    (Threads, "1,2,4,8"),
                ],
                audits: &[],
                counted: &[],
                minutes: 4,
            },
            Self::Placement => Recipe {
                help: "what pinning, connections of one's own and batching bring",
                claims: &[25],
                factors: &[
                    (Send, "send,sendmsg"),
                    (Placement, "split,none"),
                    (Sockets, "own,shared"),
                    (Message, "64,4KiB,64KiB"),
                    (Threads, "1,2"),
                ],
                audits: &[],
                counted: &[],
                minutes: 4,
            },
            Self::Caches => Recipe {
                help: "what caches see: layouts and sizes under hardware counters",
                claims: &[18, 20, 21, 22],
                factors: &[
                    THREE,
                    (Layout, "scattered,packed"),
                    (Message, "64,512,4KiB,64KiB"),
                    (Threads, "1,8"),
                ],
                audits: &[],
                counted: &[18, 20, 22],
                minutes: 4,
            },
        }
    }

    /// What it is about, in one line.
    pub const fn help(self) -> &'static str {
        self.recipe().help
    }

    /// The claims of the paper that it is made for, by number.
    pub const fn claims(self) -> &'static [usize] {
        self.recipe().claims
    }

    /// Those of its claims that take hardware counters.
    pub const fn claims_by_counters(self) -> &'static [usize] {
        self.recipe().counted
    }

    /// The experiments that are made for a claim.
    pub fn of_claim(number: usize) -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(move |experiment| experiment.claims().contains(&number))
    }

    /// The experiment whose factors a plan varies, whatever time it was given; none where it is a plan of its own.
    pub fn of_plan(plan: &Plan) -> Option<Self> {
        let is_of = |experiment: &&Self| experiment.plan().factors == plan.factors;
        Self::ALL.iter().find(is_of).copied()
    }

    /// The factors that it names, and their values as text.
    pub const fn factors(self) -> &'static [(Factor, &'static str)] {
        self.recipe().factors
    }

    /// Its plan: as long as it needs, with the controls of every run.
    pub fn plan(self) -> Plan {
        let recipe = self.recipe();
        let mut plan = Plan::preset(Preset::Default);
        for (factor, values) in recipe.factors {
            // Constants, which a test reads.
            let _ = plan.factors.set(*factor, values);
        }
        plan.measure.audits = recipe.audits.to_vec();
        // Cells that take turns turn each other out of the caches.
        plan.measure.steady = matches!(self, Self::WorkingSet);
        plan.measure.max_time = Some(Nanos::s(60 * recipe.minutes));
        plan.label = format!("experiment {self}");
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_experiment_is_a_plan_that_can_run() {
        for experiment in Experiment::ALL {
            let mut plan = Plan::preset(Preset::Default);
            for (factor, values) in experiment.factors() {
                plan.factors.set(*factor, values).unwrap();
            }
            assert_eq!(experiment.plan().check(), Ok(()), "{experiment}");
            assert!(!experiment.plan().contrasts().is_empty(), "{experiment} compares nothing");
            let text = experiment.plan().to_toml();
            let read = Plan::from_toml(&text).unwrap();
            assert_eq!(read.cells(), experiment.plan().cells());
            assert_eq!(Experiment::of_plan(&read), Some(*experiment));
        }
    }

    #[test]
    fn a_plan_of_other_factors_is_no_experiment() {
        assert_eq!(Experiment::of_plan(&Plan::preset(Preset::Default)), None);
        let mut shorter = Experiment::Calls.plan();
        shorter.measure.max_time = Some(Nanos::s(1));
        assert_eq!(Experiment::of_plan(&shorter), Some(Experiment::Calls));
    }

    #[test]
    fn every_claim_has_an_experiment() {
        for claim in 1..=25 {
            assert!(Experiment::of_claim(claim).next().is_some(), "c{claim}");
        }
        assert!(Experiment::of_claim(26).next().is_none());
        for experiment in Experiment::ALL {
            let counted = experiment.claims_by_counters();
            assert!(
                counted.iter().all(|claim| experiment.claims().contains(claim)),
                "{experiment}"
            );
        }
    }
}
