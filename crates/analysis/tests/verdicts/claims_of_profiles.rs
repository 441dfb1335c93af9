//! C5 and C19: what profile, audit and sink decide together.

use analysis::Metric;
use analysis::claims::claim::{Claim, Verdict};
use analysis::copies::{NotCounted, Step};
use analysis::findings::CrossoverOutcome;
use analysis::operands::{Compared, CopyingTime, Unit};
use analysis::reason::PartKind::{Counter, Effect, Intervention};
use analysis::reason::Reason;
use analysis::reason::Shown::{self, NotMeasured, Unclear};
use analysis::reference::{Caveat, Reference};
use model::SendPath::{Sendmsg, Zerocopy};
use model::audit::{Audited, CopyCounts, Owner, Stack};
use model::record::Outcome;
use model::{Audit, Cell, Factor, Link, Measured, Plan};

use crate::made::{
    CPUS, Run, count, decided_by, gives, host, kib, one_thread, plan, run, run_with_noise,
};

fn small() -> Plan {
    plan(&[
        (Factor::Send, "sendmsg,zerocopy"),
        (Factor::Message, "64,512"),
        (Factor::Threads, "1"),
        (Factor::Link, "loopback,sink"),
    ])
}

fn option() -> Plan {
    plan(&[(Factor::Threads, "1"), (Factor::SoZerocopy, "on,off")])
}

fn made(plan: Plan) -> Run {
    run(plan, |_, trial| trial)
}

/// Samples of zerocopy's bookkeeping and of sendmsg's copy; what zerocopy passes by reference is copied at delivery, but
/// on the sink.
fn parts(bookkeeping: u64, copied: u64) -> impl Fn(&Cell) -> [u64; 3] {
    move |cell| match (cell.send_path, cell.so_zerocopy.is_on(), cell.link) {
        (Zerocopy, true, Link::Sink) => [bookkeeping, 0, 0],
        (Zerocopy, true, _) => [bookkeeping, copied, 0],
        _ => [0, 0, copied],
    }
}

/// Its packets into the sink are six times smaller.
fn crumbs() -> Run {
    made(small()).with(|cell, finished| {
        if cell.send_path == Zerocopy
            && let Measured::Value(sink) = &mut finished.sink
        {
            sink.window.packets *= 6;
        }
    })
}

/// No profile tells why it loses, which it does.
#[track_caller]
fn not_sampled(run: &Run, words: Option<&str>) {
    let claim = run.leaves_open(5, Counter, NotMeasured);
    assert_eq!((claim.parts[0].kind, claim.parts[0].shown), (Effect, Shown::Yes), "{claim:#?}");
    gives(&claim, |it| {
        matches!(it, Reason::NotAudited { audit: Audit::Profile, cell: Some(_), why }
            if words.is_none_or(|words| why.as_ref().is_some_and(|why| why.contains(words))))
    });
}

/// The pairs of profiles that the claim was decided by.
#[track_caller]
fn sampled(claim: &Claim, is_it: impl Fn(&CopyingTime) -> bool) {
    gives(claim, |reason| {
        matches!(reason, Reason::Bookkeeping { ends, .. } | Reason::StillCopied { ends, .. }
            if ends.iter().all(&is_it))
    });
}

#[test]
fn c5_is_undecidable_without_a_profile_and_says_why() {
    for plan in [one_thread(), small(), option()] {
        not_sampled(&made(plan.clone()), None);
        let refused = made(plan).profiled(parts(400, 100)).with_audits(|audited| {
            audited.profile = Measured::absent("perf_event_open: EACCES");
        });
        not_sampled(&refused, Some("perf_event_open: EACCES"));
    }
    made(plan(&[(Factor::Message, "64KiB")])).leaves_open(5, Effect, NotMeasured);
}

#[test]
fn c5_is_supported_where_bookkeeping_takes_longer_than_the_copy_and_nothing_is_copied() {
    let claim = made(small()).profiled(parts(400, 100)).supports(5);
    gives(&claim, |it| matches!(it, Reason::NothingCopied { link: Link::Sink }));
    gives(
        &claim,
        |it| matches!(it, Reason::Range { metric: Metric::BytesPerPacket, least, .. } if least.ratio.mean > 0.8),
    );
    // Releasing pages is not in the lower bound.
    sampled(&claim, |times| times.bookkeeping > times.copied && times.at_most >= times.bookkeeping);
    gives(&claim, |it| {
        matches!(it, Reason::Range { metric: Metric::SenderSideCpuNsPerKib, least, .. }
            if least.ratio.mean > 1.0)
    });
    // Where each stops to lose is told, link by link.
    gives(&claim, |it| {
        matches!(it, Reason::Crossovers { of } if of.iter().all(|it| {
            it.crossover.shared.cell().link == Link::Sink
                && it.crossover.outcome == CrossoverOutcome::Never
        }))
    });
    let is_profiles = |reference: &Reference| matches!(reference, Reference::Profiles { .. });
    assert!(claim.evidence.iter().any(is_profiles), "{claim:#?}");
    assert!(claim.evidence.contains(&Reference::Law { id: 4 }), "{claim:#?}");
}

#[test]
fn c5_is_refuted_where_bookkeeping_takes_less_than_the_copy() {
    for plan in [small(), option()] {
        let claim = made(plan).profiled(parts(10, 400)).refutes(5, Counter);
        assert_eq!((claim.parts[0].kind, claim.parts[0].shown), (Effect, Shown::Yes));
    }
}

#[test]
fn c5_is_of_the_link_and_of_every_setting_whose_loss_it_is() {
    // Loopback's profiles, and a part of the sink's, are no profile of what is lost on the sink.
    let failed = |run: Run, which: fn(&Cell) -> bool| {
        run.with_audits(|audited| {
            if which(&audited.cell) {
                audited.profile = Measured::absent("the sink's trial failed");
            }
        })
    };
    let on_sink = |cell: &Cell| cell.link == Link::Sink;
    for samples in [[400, 100], [10, 400]] {
        let run = failed(made(small()).profiled(parts(samples[0], samples[1])), on_sink);
        not_sampled(&run, Some("the sink's trial failed"));
    }
    let mut fields = small();
    fields.factors.set(Factor::Fields, "1,2").unwrap();
    let run = || made(fields.clone()).profiled(parts(400, 100));
    run().supports(5);
    let one =
        failed(run(), |cell| cell.link == Link::Sink && cell.fields == model::values::Fields::ONE);
    not_sampled(&one, Some("the sink's trial failed"));
    // The other link may be without.
    failed(made(small()).profiled(parts(400, 100)), |cell| cell.link != Link::Sink).supports(5);
    // It decides nothing by itself, but may speak against.
    let against = made(small()).profiled(|cell| match (cell.send_path, cell.link) {
        (Zerocopy, Link::Sink) => [400, 0, 0],
        (Zerocopy, _) => [10, 0, 0],
        (_, Link::Sink) => [0, 0, 100],
        _ => [0, 0, 400],
    });
    against.leaves_open(5, Counter, Unclear);
}

/// With so many samples of zerocopy in which packets are freed, and pages released with them.
fn releasing(run: Run, samples: u64) -> Run {
    run.with_audits(|audited| {
        if audited.cell.send_path == Zerocopy
            && let Measured::Value(profile) = &mut audited.profile
        {
            profile.symbols.push("skb_release_data".to_owned());
            let frame = u32::try_from(profile.symbols.len() - 1).unwrap();
            let frames = vec![frame];
            profile.stacks.push(Stack { owner: Owner::Sender, cpu: 0, frames, samples });
        }
    })
}

#[test]
fn c5_is_not_refuted_by_bookkeeping_that_leaves_out_the_releasing_of_pages() {
    let run = |samples| releasing(made(small()).profiled(parts(10, 400)), samples);
    let below_one = |times: &CopyingTime| {
        times.at_most_against_the_copy.unwrap().high.unwrap() < 1.0
            && times.at_most > times.bookkeeping
    };
    sampled(&run(20).refutes(5, Counter), below_one);
    sampled(&run(600).leaves_open(5, Counter, Unclear), |times| !below_one(times));
    // What is more than the copy without it is more with it.
    releasing(made(small()).profiled(parts(400, 100)), 600).supports(5);
}

#[test]
fn samples_of_cycles_are_compared_as_such_however_long_a_cpu_halted_between_them() {
    let cycles = |run: Run| {
        run.with_audits(|audited| {
            if let Measured::Value(profile) = &mut audited.profile {
                profile.event = "cycles".to_owned();
                // With zerocopy the CPUs halt most of the time.
                let times = if audited.cell.send_path == Zerocopy { 20 } else { 1 };
                profile.interval_ns.0 *= times;
            }
        })
    };
    let refuted = || cycles(made(small()).profiled(parts(40, 400)));
    let of_cycles = |times: &CopyingTime| times.unit == Unit::CycleSamplesPerMib;
    sampled(&refuted().refutes(5, Counter), of_cycles);
    sampled(&cycles(made(small()).profiled(parts(400, 100))).supports(5), of_cycles);
    let mixed = refuted().with_audits(|audited| {
        if audited.cell.send_path == Sendmsg
            && let Measured::Value(profile) = &mut audited.profile
        {
            profile.event = "cpu-clock".to_owned();
        }
    });
    gives(
        &mixed.leaves_open(5, Counter, NotMeasured),
        |it| matches!(it, Reason::UnlikeSamples { events } if events == &["cycles", "cpu-clock"]),
    );
}

#[test]
fn c5_is_refuted_where_zero_copy_does_not_lose_whatever_the_samples() {
    let cheap = |link: &'static str| {
        let mut plan = small();
        plan.factors.set(Factor::Link, link).unwrap();
        run(plan, |cell, trial| {
            if cell.send_path == Zerocopy { trial.sender_cpu_ns_per_kib(900.0) } else { trial }
        })
    };
    cheap("loopback,sink").refutes(5, Effect);
    cheap("loopback,sink").profiled(parts(400, 100)).refutes(5, Effect);
    cheap("loopback").refutes(5, Effect);
    let noisy = run_with_noise(small(), 0.9, |cell, trial| {
        if cell.send_path == Zerocopy { trial.sender_cpu_ns_per_kib(10_500.0) } else { trial }
    });
    noisy.leaves_open(5, Effect, Unclear);
}

#[test]
fn c5_stays_open_where_the_samples_do_not_tell() {
    // The same time for both: zerocopy takes longer per KiB, so that fewer samples are as much time.
    let alike = made(small()).profiled(|cell| match (cell.send_path, cell.link) {
        (Zerocopy, _) => [100, 0, 0],
        (_, Link::Sink) => [0, 0, 168],
        _ => [0, 0, 351],
    });
    alike.leaves_open(5, Counter, Unclear);
    made(small()).profiled(parts(0, 0)).leaves_open(5, Counter, Unclear);
}

#[test]
fn c5_needs_bookkeeping_to_explain_most_of_what_smaller_packets_cost_too() {
    let claim = crumbs().profiled(parts(100, 20)).leaves_open(5, Intervention, Unclear);
    gives(
        &claim,
        |it| matches!(it, Reason::Range { metric: Metric::BytesPerPacket, most, .. } if most.ratio.mean < 0.2),
    );
    sampled(&claim, |times| times.explained.is_some_and(|part| part < 0.5));
    let claim = crumbs().profiled(parts(4_000, 100)).supports(5);
    gives(&claim, |it| matches!(it, Reason::NothingCopied { link: Link::Sink }));
}

#[test]
fn c5_is_decided_by_packets_of_one_message_each_where_others_differ() {
    // With TCP_NODELAY packets of both paths are alike, without it those by reference are six times smaller, or in both.
    let at_once = |alike: bool, bookkeeping: u64, copied: u64| {
        let plan = plan(&[
            (Factor::Send, "sendmsg,zerocopy"),
            (Factor::Message, "64,512"),
            (Factor::Threads, "1"),
            (Factor::Link, "loopback,sink"),
            (Factor::Nodelay, "off,on"),
        ]);
        let run = made(plan).with(|cell, finished| {
            if cell.send_path == Zerocopy
                && !(alike && cell.nodelay.is_on())
                && let Measured::Value(sink) = &mut finished.sink
            {
                sink.window.packets *= 6;
            }
        });
        run.profiled(parts(bookkeeping, copied))
    };
    let claim = at_once(true, 100, 20).supports(5);
    let is_at_once = |c: &Compared| c.cell.nodelay.is_on() && c.ratio.mean > 0.8;
    gives(
        &claim,
        |it| matches!(it, Reason::Range { metric: Metric::BytesPerPacket, least, .. } if is_at_once(least)),
    );
    at_once(true, 10, 400).refutes(5, Counter);
    let claim = at_once(false, 100, 20).leaves_open(5, Intervention, Unclear);
    assert!(claim.would_decide[0].to_string().contains("--fields 1 --nodelay on"), "{claim:#?}");
}

fn is_option_on_alone(reason: &Reason) -> bool {
    matches!(reason, Reason::NotVaried { factor: Factor::SoZerocopy, value: Some(value) } if value == "off")
}

#[test]
fn c5_over_loopback_needs_the_option_as_an_intervention() {
    let one = made(one_thread()).profiled(parts(4_000, 100));
    decided_by(&one.leaves_open(5, Intervention, NotMeasured), is_option_on_alone);
    let claim = made(option()).profiled(parts(4_000, 100)).supports(5);
    gives(&claim, |it| {
        matches!(it, Reason::Each { ratios, .. }
            if ratios.iter().all(|it| it.cell.so_zerocopy.is_on() && !it.against.so_zerocopy.is_on()))
    });
    let claim = made(option()).profiled(parts(200, 30)).leaves_open(5, Intervention, Unclear);
    sampled(&claim, |times| times.explained.is_some_and(|part| part < 0.5));
    // A sink that copied is none: loopback alone is left.
    let copied = made(small()).with(|cell, finished| {
        if cell.link == Link::Sink {
            finished.sender.total.copied = finished.sender.total.completed;
        }
    });
    copied.profiled(parts(4_000, 100)).leaves_open(5, Intervention, NotMeasured);
}

/// Last-level misses of the sender per KiB, with nothing copied.
fn nothing_copied(plan: Plan, misses: impl Fn(&Cell) -> f64) -> Run {
    run(plan, |_, trial| trial.counted().copied_share(0.0)).with(|cell, finished| {
        finished.sender.counters.llc_misses = count(kib(&finished.sender) * misses(cell));
    })
}

/// With an audit in which zerocopy has so many hundredths of a copy a byte at delivery.
fn audited(run: Run, hundredths: u64) -> Run {
    run.audited().with_audits(|audited: &mut Audited| {
        let Outcome::Finished(finished) = &audited.outcome else { return };
        let accepted = finished.sender.total.accepted_bytes;
        if audited.cell.send_path == Zerocopy
            && audited.cell.so_zerocopy.is_on()
            && let Measured::Value(CopyCounts { deferred: Measured::Value(counted), .. }) =
                &mut audited.copies
        {
            counted.bytes = accepted * hundredths / 100;
        }
    })
}

fn fewer(cell: &Cell) -> f64 {
    if cell.send_path == Zerocopy && cell.so_zerocopy.is_on() { 2.0 } else { 8.0 }
}

/// Zerocopy's bytes were copied so often at delivery by the audit.
#[track_caller]
fn at_delivery(claim: &Claim, copies: f64) {
    gives(claim, |it| {
        matches!(it, Reason::Copies { of } if of.iter().all(|of| {
            let seen = of.steps[&Step::Deferred];
            of.path == Zerocopy && (seen.low - copies).abs() < 0.01 && (seen.high - copies).abs() < 0.01
        }))
    });
}

#[test]
fn c19_falls_where_the_audit_counted_the_payload_copied() {
    at_delivery(&audited(made(one_thread()), 100).refutes(19, Counter), 1.0);
    // Fewest misses are of no account then.
    let marked = run(option(), |_, trial| trial.counted()).with(|cell, finished| {
        finished.sender.counters.llc_misses = count(kib(&finished.sender) * fewer(cell));
    });
    audited(marked, 100).refutes(19, Counter);
    // What every completion says needs no audit.
    let heard = made(one_thread()).refutes(19, Counter);
    assert_eq!(heard.evidence, [Reference::Law { id: 3 }, Reference::Law { id: 4 }], "{heard:#?}");
}

#[test]
fn c19_stands_where_nothing_is_copied_and_misses_return_with_the_copy() {
    let none = || audited(nothing_copied(option(), fewer), 0);
    gives(&none().supports(19), |it| {
        matches!(it, Reason::Range { metric: Metric::SenderLlcMissesPerKib, most, .. }
            if !most.against.so_zerocopy.is_on() && most.ratio.mean < 1.0)
    });
    // The profile saw copying.
    let still = none().profiled(parts(100, 400)).leaves_open(19, Counter, Unclear);
    sampled(&still, |times| times.still_copied_share.unwrap().low.unwrap() > 0.5);
    let gone = none().profiled(|cell| match (cell.send_path, cell.so_zerocopy.is_on()) {
        (Zerocopy, true) => [100, 0, 0],
        _ => [0, 0, 400],
    });
    sampled(&gone.supports(19), |times| times.still_copied_share.unwrap().high.unwrap() < 0.5);
    let option_on = audited(nothing_copied(one_thread(), fewer), 0);
    decided_by(&option_on.leaves_open(19, Intervention, NotMeasured), is_option_on_alone);
    audited(nothing_copied(one_thread(), |_| 5.0), 0).refutes(19, Effect);
    let uncounted = run(one_thread(), |_, trial| trial.copied_share(0.0));
    audited(uncounted, 0).leaves_open(19, Effect, NotMeasured);
}

#[test]
fn c19_stays_open_without_an_audit_or_where_sources_differ() {
    let none = || nothing_copied(option(), fewer);
    let not_audited =
        |it: &Reason| matches!(it, Reason::NotAudited { audit: Audit::CopyAudit, .. });
    gives(&none().leaves_open(19, Counter, NotMeasured), not_audited);
    let no_hook = audited(none(), 0).with_audits(|audited| {
        if let Measured::Value(copies) = &mut audited.copies {
            copies.deferred = Measured::absent("kprobes are not built in");
        }
    });
    gives(&no_hook.leaves_open(19, Counter, NotMeasured), |it| {
        matches!(it, Reason::StepNotCounted { step: Step::Deferred, why }
            if *why == NotCounted::Quoted { text: "kprobes are not built in".to_owned() })
    });
    // Copies that no completion was marked with, and the other way round; and audits that do not agree.
    at_delivery(&audited(none(), 100).leaves_open(19, Counter, Unclear), 1.0);
    at_delivery(&audited(made(one_thread()), 0).leaves_open(19, Counter, Unclear), 0.0);
    at_delivery(&audited(none(), 30).leaves_open(19, Counter, Unclear), 0.3);
    // A profile alone shows copying that goes on.
    let still = |times: &CopyingTime| times.still_copied_share.unwrap().low.unwrap() > 0.5;
    let half = run(one_thread(), |_, trial| trial.copied_share(0.5));
    sampled(&half.profiled(parts(100, 400)).refutes(19, Counter), still);
    // But not where no completion was marked copied.
    sampled(&none().profiled(parts(100, 400)).leaves_open(19, Counter, Unclear), still);
    let not_more = nothing_copied(one_thread(), fewer)
        .profiled(|cell| if cell.send_path == Sendmsg { [0, 0, 400] } else { [100, 0, 0] });
    gives(&not_more.leaves_open(19, Counter, NotMeasured), not_audited);
}

#[test]
fn samples_and_counts_of_few_rounds_are_not_preliminary_and_ratios_are() {
    let rounds = |plan: Plan| {
        let records = synthetic::run(&plan, 3, |cell, round| {
            synthetic::trial(cell, round)
                .usable_cpus(CPUS)
                .faster(synthetic::noise(3, cell, round, 0.005))
        });
        Run { plan, host: host(), records }
    };
    let claim = audited(rounds(one_thread()), 100).profiled(parts(100, 400)).claim(19);
    assert_eq!(claim.verdict, Verdict::Refuted, "{claim:#?}");
    assert!(!claim.is_preliminary(), "{claim:#?}");
    let claim = rounds(small()).profiled(parts(400, 100)).claim(5);
    assert_eq!(claim.verdict, Verdict::Supported, "{claim:#?}");
    assert_eq!(claim.caveats, [Caveat::Preliminary { rounds: 3 }], "{claim:#?}");
}
