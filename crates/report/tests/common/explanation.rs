//! What a run explains, made to order: a bit of everything.

use analysis::answers::{Answer, AnswerFinding, Comparisons, CopiesInAll};
use analysis::claims::claim::{Claim, Verdict};
use analysis::copies::{NotCounted, Step};
use analysis::cpu_breakdown;
use analysis::estimate::Estimate;
use analysis::explained::Explained;
use analysis::findings::{
    BreakPoint, CeilingShare, Copies, CopyAudit, CopyFigure, CopyFunction, CopyingCeiling,
    CostModel, CpuBreakdown, CpuRate, Crossover, CrossoverOutcome, DataPath, DeferredCopies,
    LinkComparison, LinkOutcome, LinkPoint, LinkVerdict, ModelledSide, Scaling, ScalingPoint, Usl,
};
use analysis::id::Id;
use analysis::laws::law::{Law, LawState};
use analysis::laws::reason::{Breach, BreachRecord, Figure, LawReason, Source, Wrong};
use analysis::metric::Metric;
use analysis::operands::Compared;
use analysis::reason::{Part, PartKind, Reason, Shown};
use analysis::recommendation::{Advice, ByReference, Gain, Pays, Recommendation};
use analysis::reference::{Caveat, Reference};
use analysis::results::Finding;
use analysis::summary::Summary;
use model::audit::{Hook, Owner};
use model::names::AckPlacement;
use model::{Audit, Cell, Factor, Link, Measured, Missing, SendPath, Shared};

/// The summary with everything that a run explains; every free text is what the function makes of a plain one.
pub(crate) fn explained(mut summary: Summary, text: impl Fn(&str) -> String) -> Summary {
    summary.explained = Explained {
        field_thresholds: Vec::new(),
        load_savings: Vec::new(),
        crossovers: crossovers(),
        cost_models: vec![cost_model(&text)],
        scaling: vec![scaling()],
        laws: laws(&text),
        own_table: Vec::new(),
        answers: answers(&text),
        claims: claims(&text),
        trials: Vec::new(),
        data_paths: summary
            .estimates
            .iter()
            .filter(|entry| {
                !entry.control
                    && entry.cell.threads.get() == 1
                    && entry.cell.message.bytes().0 == 4096
            })
            .map(|entry| data_path(entry.cell.clone(), &text))
            .collect(),
        links: links(&text),
        link_verdicts: vec![LinkVerdict {
            link: Link::Sink,
            stated_link: Some(Link::Sink),
            shared: shared("", &[Factor::Send, Factor::Message]),
            outcomes: vec![LinkOutcome {
                outcome: CrossoverOutcome::Bracket { low: 9_216.0, high: 14_336.0 },
                settings: 2,
            }],
            settings: 2,
            ack_intervals: vec![text("20us"), text("1ms")],
            ack_placements: vec![AckPlacement::Helper],
            oversubscribed: false.into(),
            copied: Measured::Value([0.0, 0.0]),
            points: 8,
            held_back: 1,
            not_compared: None,
            from_bytes: Measured::Value(9_216.0),
            to_bytes: Measured::Value(14_336.0),
        }],
        copy_audits: summary
            .estimates
            .first()
            .map(|entry| copy_audit(entry.cell.clone(), &text))
            .into_iter()
            .collect(),
        recommendations: recommendations(),
        receiving: Vec::new(),
        breakdowns: summary
            .estimates
            .iter()
            .filter(|entry| !entry.control)
            .take(3)
            .filter_map(|entry| breakdown(&entry.cell, &text))
            .collect(),
        ceilings: ceilings(&text),
        ceiling_shares: summary
            .estimates
            .iter()
            .filter(|entry| !entry.control)
            .map(|entry| ceiling_share(entry.cell.clone(), &text))
            .collect(),
        no_ceiling_share: Vec::new(),
        not_audited: Vec::new(),
    };
    summary
}

fn breakdown(cell: &Cell, text: impl Fn(&str) -> String) -> Option<CpuBreakdown> {
    let audited = synthetic::profiled(cell);
    let mut found = cpu_breakdown::breakdown(&audited, audited.profile.value()?);
    for symbol in &mut found.unmapped_symbols {
        symbol.symbol = text(&symbol.symbol);
    }
    found.event = text(&found.event);
    Some(found)
}

/// What the points of one curve over size on one link may differ in.
const LINK_POINTS: [Factor; 3] = [Factor::Send, Factor::Link, Factor::Message];

fn shared(id: &str, but: &[Factor]) -> Shared {
    Shared::new(&id.parse().unwrap(), but)
}

/// Loopback, and the sink with both placements.
fn links(text: impl Fn(&str) -> String) -> Vec<LinkComparison> {
    let point = |message_bytes, cost: f64, copied| LinkPoint {
        message_bytes,
        cost_ratio: Measured::Value(super::around(cost)),
        sender_cpu_ratio: Measured::absent(text("no CPU clock")),
        copied_share: Measured::Value(copied),
        bytes_per_packet: [Measured::Value(32_741.0), Measured::Value(32_741.0)],
        send_buffer_limited: [Measured::Value(0.0), Measured::Value(0.25)],
    };
    let comparison = |link, placement: Option<AckPlacement>, points, crossover| LinkComparison {
        link,
        stated_link: Some(link),
        shared: match placement {
            Some(AckPlacement::Sender) => shared("link=sink ack_placement=sender", &LINK_POINTS),
            Some(AckPlacement::Helper) | None => shared("", &LINK_POINTS),
        },
        ack_interval: placement.map(|_| "20us".to_owned()),
        ack_placement: placement,
        path: SendPath::Zerocopy,
        against: SendPath::Sendmsg,
        metric: Metric::cost_on(link),
        points,
        crossover,
        oversubscribed: false.into(),
    };
    let at = |low: f64, high| CrossoverOutcome::At { bytes: low + 1000.0, low, high };
    vec![
        comparison(
            Link::Loopback,
            None,
            vec![point(4096, 1.6, 1.0), point(16_384, 1.3, 1.0)],
            CrossoverOutcome::Never,
        ),
        comparison(
            Link::Sink,
            Some(AckPlacement::Helper),
            vec![point(4096, 1.2, 0.0), point(16_384, 0.8, 0.0)],
            at(9_216.0, 11_264.0),
        ),
        comparison(
            Link::Sink,
            Some(AckPlacement::Sender),
            vec![point(4096, 1.4, 0.0), point(16_384, 0.9, 0.0)],
            at(11_264.0, 14_336.0),
        ),
    ]
}

fn copy_audit(cell: Cell, text: impl Fn(&str) -> String) -> CopyAudit {
    let figure = |name: &str, per_byte, expected: f64| CopyFigure {
        name: name.to_owned(),
        per_byte,
        expected: Some(expected),
        hook: Some(Hook::Breakpoint),
    };
    let absent = Measured::absent(text("kprobes are not built in"));
    CopyAudit {
        cell,
        accepted_bytes: 150_994_944,
        figures: vec![
            figure("copied in", Measured::Value(1.000_001), 1.0),
            figure("passed by reference", Measured::Value(0.0), 0.0),
            CopyFigure { hook: None, ..figure("copied at delivery", absent, 0.0) },
            figure("copied out", Measured::Value(1.0), 1.0),
        ],
        functions: vec![CopyFunction {
            function: text("_copy_from_iter"),
            owner: Owner::Sender,
            calls: 36_864,
            bytes: 150_995_087,
            hook: Measured::Value(Hook::Breakpoint),
        }],
    }
}

fn crossovers() -> Vec<Crossover> {
    let outcomes = [
        CrossoverOutcome::At { bytes: 9_830.4, low: 8_294.4, high: 12_288.0 },
        CrossoverOutcome::Bracket { low: 4096.0, high: 65_536.0 },
        CrossoverOutcome::Always,
        CrossoverOutcome::Never,
        CrossoverOutcome::Until { bytes: 700.0, low: 512.0, high: 900.0 },
        CrossoverOutcome::Undecided,
    ];
    let crossover = |outcome| Crossover {
        contrast: "send: zerocopy / sendmsg".parse().unwrap(),
        shared: shared("", &[Factor::Send, Factor::Message]),
        oversubscribed: false.into(),
        metric: Metric::EndsCpuNsPerKib,
        outcome,
        sizes: vec![64, 512, 4096, 65_536],
        unclear_sizes: Vec::new(),
    };
    outcomes.into_iter().map(crossover).collect()
}

fn cost_model(text: impl Fn(&str) -> String) -> CostModel {
    CostModel {
        shared: shared("", &[Factor::Send, Factor::Message]),
        path: SendPath::Sendmsg,
        side: ModelledSide::Sender,
        oversubscribed: false.into(),
        per_message_ns: Measured::Value(super::around(412.0)),
        per_message_by_round: std::collections::BTreeMap::new(),
        per_byte_ns: Measured::Value(super::around(0.081)),
        lack_of_fit_p: Measured::Value(0.000_4),
        breaks: vec![BreakPoint {
            name: "32 KiB page fragments".to_owned(),
            bytes: 32_768.0,
            p: Measured::absent(text("no size between 4 KiB and 64 KiB was measured")),
        }],
        points: vec![[64.0, 410.0, 417.0]],
    }
}

fn scaling() -> Scaling {
    let point = |threads, speed_up| ScalingPoint {
        threads,
        speed_up: Measured::Value(super::around(speed_up)),
        efficiency: Measured::Value(super::around(speed_up / f64::from(threads))),
        oversubscribed: (threads > 4).into(),
    };
    Scaling {
        shared: shared("", &[Factor::Send, Factor::Threads]),
        path: SendPath::Sendmsg,
        points: vec![point(1, 1.0), point(2, 2.0), point(4, 4.0), point(8, 4.0)],
        usl: Measured::Value(Usl {
            contention: super::around(0.05),
            coherency: Estimate { mean: 0.0, low: Some(-0.001), high: Some(0.001), trials: 13 },
            thread_counts: 6,
            off: 0.021,
            peak_threads: Measured::absent("β is not shown to be above 0"),
        }),
    }
}

/// What to use on loopback.
pub(super) fn recommendations() -> Vec<Recommendation> {
    let gain = |message_bytes: u64| {
        let goodput = |path: SendPath| {
            let mut cell = Cell { send_path: path, ..Cell::default() };
            cell.set(Factor::Message, &message_bytes.to_string()).unwrap();
            synthetic::likely(&cell).goodput_gbps
        };
        let ratio = super::around(goodput(SendPath::Sendmsg) / goodput(SendPath::Send));
        Gain { message_bytes, ratio, finding: Finding::More }
    };
    vec![Recommendation {
        at_line_rate: false,
        link: Link::Loopback,
        stated_link: Some(Link::Loopback),
        factor: Factor::Send,
        shared: Some(shared("", &[Factor::Send, Factor::Message])),
        metric: Metric::GoodputGbps,
        advice: Advice::Use {
            value: "sendmsg".to_owned(),
            against: "send".to_owned(),
            everywhere: true,
            gains: vec![gain(64), gain(65_536)],
        },
        not_with: Vec::new(),
        if_rewritten: None,
        by_reference: vec![ByReference {
            path: SendPath::Zerocopy,
            against: SendPath::Sendmsg,
            metric: Metric::EndsCpuNsPerKib,
            pays: Pays::Never,
            copied_share: Measured::Value([1.0, 1.0]),
        }],
        copied_anyway: vec![SendPath::Zerocopy],
        copied_out_anyway: vec![model::ReceivePath::RecvZerocopy],
        caveats: Vec::new(),
    }]
}

fn laws(text: impl Fn(&str) -> String) -> Vec<Law> {
    let law = |id, state, reason, broken_by| Law {
        id,
        state,
        reasons: vec![reason],
        would_decide: match state {
            LawState::Undecidable => vec![Missing::of_itself(text("hardware counters"))],
            LawState::Holds | LawState::Broken => Vec::new(),
        },
        compared: 624,
        broken_by,
        broken_by_more: 0,
        links: Vec::new(),
    };
    let compared = |differ| LawReason::Compared { of: 624, differ };
    let cell = "send=zerocopy message_bytes=64 threads=1".parse().unwrap();
    let breach = Breach {
        record: BreachRecord::Trial { round: 2, cell },
        wrong: Wrong::Figure { figure: Figure::Completed, is: 9.0, should: 10.0 },
    };
    let why = text("no hardware counters");
    let absent = LawReason::Absent { source: Source::Cycles, of: Vec::new(), why };
    vec![
        law(3, LawState::Broken, compared(1), vec![breach]),
        law(1, LawState::Holds, compared(0), Vec::new()),
        law(7, LawState::Undecidable, absent, Vec::new()),
    ]
}

fn answers(text: impl Fn(&str) -> String) -> Vec<Answer> {
    let answer = |number: usize| {
        let open = |is: bool| match is {
            true => vec![Missing::of_itself(text("hardware counters"))],
            false => Vec::new(),
        };
        Answer {
            id: Id::Question(number),
            answered: number != 2,
            finding: AnswerFinding::Copies {
                total: CopiesInAll::Unclear,
                counted: Vec::new(),
                not_counted: vec![Reason::StepNotCounted {
                    step: Step::In,
                    why: NotCounted::Quoted { text: text("no breakpoint registers") },
                }],
                completions: Reason::Completions {
                    copied: Measured::absent("no completion came"),
                    copied_by: None,
                },
            },
            compared: vec![Comparisons {
                metric: Metric::GoodputGbps,
                ratios: [64, 65_536].map(compared).to_vec(),
            }],
            caveats: vec![Caveat::Oversubscribed { all: false }],
            would_change: open(number != 2),
            would_answer: open(number == 2),
        }
    };
    (0..=6).map(answer).collect()
}

/// Five times as much by sendmsg as by send.
fn compared(bytes: u64) -> Compared {
    let cell = |path: &str| format!("send={path} message_bytes={bytes} threads=1").parse().unwrap();
    Compared {
        cell: cell("sendmsg"),
        against: cell("send"),
        ratio: super::around(5.19),
        finding: Finding::More,
        oversubscribed: false.into(),
    }
}

fn claims(text: impl Fn(&str) -> String) -> Vec<Claim> {
    let claim = |number: usize| {
        let verdict = match number % 3 {
            0 => Verdict::Supported,
            1 => Verdict::Refuted,
            _ => Verdict::Undecidable,
        };
        Claim {
            id: Id::Claim(number),
            verdict,
            parts: vec![Part {
                kind: PartKind::Effect,
                shown: Shown::Yes,
                reasons: vec![Reason::NotAudited {
                    audit: Audit::CopyAudit,
                    cell: None,
                    why: Some(text("CAP_BPF is missing")),
                }],
            }],
            evidence: vec![Reference::Host { key: text("caches") }],
            caveats: Vec::new(),
            would_decide: if verdict == Verdict::Undecidable {
                vec![Missing::of_itself(text("hardware counters (cache-misses)"))]
            } else {
                Vec::new()
            },
        }
    };
    (1..=25).map(claim).collect()
}

fn ceilings(text: impl Fn(&str) -> String) -> Vec<CopyingCeiling> {
    let rates = |cpus: std::ops::Range<u32>, gbps: f64| -> Vec<CpuRate> {
        cpus.map(|cpu| CpuRate { cpu, gbps: gbps + f64::from(cpu) }).collect()
    };
    let ceiling = |together: Vec<CpuRate>, working_set_bytes| CopyingCeiling {
        routine: text("memcpy"),
        working_set_bytes,
        alone: rates(0..2, 115.0),
        together_gbps: if together.is_empty() {
            Measured::absent(text("all working sets together would take too much memory"))
        } else {
            Measured::Value(together.iter().map(|rate| rate.gbps).sum())
        },
        together,
    };
    vec![ceiling(rates(0..8, 100.0), 4 << 20), ceiling(Vec::new(), 64 << 20)]
}

fn ceiling_share(cell: Cell, text: impl Fn(&str) -> String) -> CeilingShare {
    let gbps = 46.0 * (cell.message.bytes().0 as f64 / 65_536.0);
    CeilingShare {
        side: ModelledSide::Sender,
        cpus: vec![0],
        goodput_gbps: super::around(gbps),
        copies: Copies {
            per_byte: 1.0,
            audited: cell.send_path == SendPath::Send,
            expected: Some(1.0),
        },
        routine: text("memcpy"),
        working_set_bytes: 4 << 20,
        ceiling_gbps: 115.0,
        share: super::around(gbps / 115.0),
        cell,
    }
}

fn data_path(cell: Cell, text: impl Fn(&str) -> String) -> DataPath {
    let expected = |per_byte| Copies { per_byte, audited: false, expected: Some(per_byte) };
    let zerocopy = cell.send_path == SendPath::Zerocopy;
    let only = |value| {
        if zerocopy {
            Measured::Value(value)
        } else {
            Measured::absent(text("this path asks for none"))
        }
    };
    DataPath {
        path: cell.send_path,
        send_calls_per_message: if cell.send_path == SendPath::Send {
            Measured::Value(8.0)
        } else {
            Measured::absent(text("the instruments were off"))
        },
        staged_copies: Measured::Value(0.0),
        copies_in: expected(if zerocopy { 0.0 } else { 1.0 }),
        copies_deferred: DeferredCopies::Known(expected(if zerocopy { 1.0 } else { 0.0 })),
        copies_out: expected(1.0),
        pages_pinned_counted: false,
        pages_pinned_per_message: if zerocopy {
            Measured::Value(8.0)
        } else {
            Measured::absent("the path copies")
        },
        notifications_per_message: only(0.125),
        copied_share: only(1.0),
        cell,
    }
}
