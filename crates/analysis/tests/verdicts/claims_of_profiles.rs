//! C5 and C19: what profile, audit and sink decide together.

use analysis::explained::Verdict;
use analysis::reference::{Caveat, Reference};
use model::SendPath::{Sendmsg, Zerocopy};
use model::audit::{Audited, CopyCounts, Owner, Stack};
use model::record::Outcome;
use model::{Cell, Factor, Link, Measured, Plan};

use crate::made::{CPUS, Run, count, host, kib, one_thread, plan, run, run_with_noise};

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

#[test]
fn c5_is_undecidable_without_a_profile_and_says_why() {
    for plan in [one_thread(), small(), option()] {
        made(plan.clone()).leaves_open(5, "were not sampled");
        made(plan.clone()).leaves_open(5, "it does lose");
        let refused = made(plan).profiled(parts(400, 100)).with_audits(|audited| {
            audited.profile = Measured::absent("perf_event_open: EACCES");
        });
        refused.leaves_open(5, "perf_event_open: EACCES");
    }
    made(plan(&[(Factor::Message, "64KiB")])).leaves_open(5, "not both measured");
}

#[test]
fn c5_is_supported_where_bookkeeping_takes_longer_than_the_copy_and_nothing_is_copied() {
    let run = made(small()).profiled(parts(400, 100));
    run.supports(5, "packets are alike");
    run.supports(5, "pinning and notifying with zerocopy (a lower bound of its bookkeeping");
    run.supports(5, "sender-side cost per KiB against sendmsg's is");
    // Where each stops to lose is told, link by link.
    run.supports(5, "into the sink it costs less at no size measured");
    let claim = run.claim(5);
    let is_profiles = |reference: &Reference| matches!(reference, Reference::Profiles { .. });
    assert!(claim.evidence.iter().any(is_profiles), "{claim:#?}");
    assert!(claim.evidence.contains(&Reference::Law { id: 4 }), "{claim:#?}");
}

#[test]
fn c5_is_refuted_where_bookkeeping_takes_less_than_the_copy() {
    let run = made(small()).profiled(parts(10, 400));
    run.refutes(5, "notifications cost less than the copy");
    run.refutes(5, "it does lose");
    made(option()).profiled(parts(10, 400)).refutes(5, "notifications cost less than the copy");
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
        run.leaves_open(5, "the sink's trial failed");
    }
    let mut fields = small();
    fields.factors.set(Factor::Fields, "1,2").unwrap();
    let run = || made(fields.clone()).profiled(parts(400, 100));
    run().supports(5, "packets are alike");
    failed(run(), |cell| cell.link == Link::Sink && cell.fields == model::values::Fields::ONE)
        .leaves_open(5, "the sink's trial failed");
    // The other link may be without.
    failed(made(small()).profiled(parts(400, 100)), |cell| cell.link != Link::Sink)
        .supports(5, "packets are alike");
    // It decides nothing by itself, but may speak against.
    let against = made(small()).profiled(|cell| match (cell.send_path, cell.link) {
        (Zerocopy, Link::Sink) => [400, 0, 0],
        (Zerocopy, _) => [10, 0, 0],
        (_, Link::Sink) => [0, 0, 100],
        _ => [0, 0, 400],
    });
    against.leaves_open(5, "the samples do not tell");
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
    run(20).refutes(5, "with all that releasing pages may take");
    run(600).leaves_open(5, "with all that releasing pages may take they need not");
    // What is more than the copy without it is more with it.
    releasing(made(small()).profiled(parts(400, 100)), 600).supports(5, "packets are alike");
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
    refuted().refutes(5, "samples of cycles a MiB of pinning and notifying");
    cycles(made(small()).profiled(parts(400, 100))).supports(5, "samples of cycles a MiB");
    let mixed = refuted().with_audits(|audited| {
        if audited.cell.send_path == Sendmsg
            && let Measured::Value(profile) = &mut audited.profile
        {
            profile.event = "cpu-clock".to_owned();
        }
    });
    mixed.leaves_open(5, "samples of cycles and of cpu-clock are not compared");
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
    let words = "does not lose at small messages where it copies nothing";
    cheap("loopback,sink").refutes(5, words);
    cheap("loopback,sink").profiled(parts(400, 100)).refutes(5, words);
    cheap("loopback").refutes(5, "does not lose at small messages");
    let noisy = run_with_noise(small(), 0.9, |cell, trial| {
        if cell.send_path == Zerocopy { trial.sender_cpu_ns_per_kib(10_500.0) } else { trial }
    });
    noisy.leaves_open(5, "not shown either way");
}

#[test]
fn c5_stays_open_where_the_samples_do_not_tell() {
    // The same time for both: a KiB of zerocopy takes longer, so that fewer samples are as much time.
    let alike = made(small()).profiled(|cell| match (cell.send_path, cell.link) {
        (Zerocopy, _) => [100, 0, 0],
        (_, Link::Sink) => [0, 0, 168],
        _ => [0, 0, 351],
    });
    alike.leaves_open(5, "the samples do not tell");
    made(small()).profiled(parts(0, 0)).leaves_open(5, "the samples do not tell");
}

#[test]
fn c5_needs_bookkeeping_to_explain_most_of_what_smaller_packets_cost_too() {
    crumbs().profiled(parts(100, 20)).leaves_open(5, "its packets are smaller too");
    crumbs().profiled(parts(4_000, 100)).supports(5, "nothing is copied there");
}

#[test]
fn c5_over_loopback_needs_the_option_as_an_intervention() {
    made(one_thread()).profiled(parts(4_000, 100)).leaves_open(5, "no intervention");
    made(option()).profiled(parts(4_000, 100)).supports(5, "SO_ZEROCOPY off, which copies");
    made(option()).profiled(parts(200, 30)).leaves_open(5, "explains");
    // A sink that copied is none: loopback alone is left.
    let copied = made(small()).with(|cell, finished| {
        if cell.link == Link::Sink {
            finished.sender.total.copied = finished.sender.total.completed;
        }
    });
    copied.profiled(parts(4_000, 100)).leaves_open(5, "no intervention");
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

#[test]
fn c19_falls_where_the_audit_counted_the_payload_copied() {
    let all = audited(made(one_thread()), 100);
    all.refutes(19, "the kernel copied its payload, as the audit counted");
    all.refutes(19, "counted: zerocopy over loopback: 0.00 copied in, 1.00 copied at delivery");
    // Fewest misses are of no account then.
    let marked = run(option(), |_, trial| trial.counted()).with(|cell, finished| {
        finished.sender.counters.llc_misses = count(kib(&finished.sender) * fewer(cell));
    });
    audited(marked, 100).refutes(19, "did pass through the cache");
    // What every completion says needs no audit.
    made(one_thread()).refutes(19, "its completions said so");
}

#[test]
fn c19_stands_where_nothing_is_copied_and_misses_return_with_the_copy() {
    let none = || audited(nothing_copied(option(), fewer), 0);
    none().supports(19, "with SO_ZEROCOPY off they return");
    none().profiled(parts(100, 400)).leaves_open(19, "the profile saw copying");
    let gone = none().profiled(|cell| match (cell.send_path, cell.so_zerocopy.is_on()) {
        (Zerocopy, true) => [100, 0, 0],
        _ => [0, 0, 400],
    });
    gone.supports(19, "of the sending side's copying with zerocopy");
    audited(nothing_copied(one_thread(), fewer), 0).leaves_open(19, "no intervention");
    audited(nothing_copied(one_thread(), |_| 5.0), 0).refutes(19, "not the fewest");
    let uncounted = run(one_thread(), |_, trial| trial.copied_share(0.0));
    audited(uncounted, 0).leaves_open(19, "not both counted");
}

#[test]
fn c19_stays_open_without_an_audit_or_where_sources_differ() {
    nothing_copied(option(), fewer).leaves_open(19, "whether nothing is copied is not known");
    let no_hook = audited(nothing_copied(option(), fewer), 0).with_audits(|audited| {
        if let Measured::Value(copies) = &mut audited.copies {
            copies.deferred = Measured::absent("kprobes are not built in");
        }
    });
    no_hook.leaves_open(19, "copied at delivery (kprobes are not built in)");
    audited(nothing_copied(option(), fewer), 100).leaves_open(19, "no completion was marked with");
    audited(made(one_thread()), 0).leaves_open(19, "the audit counted no copy");
    audited(nothing_copied(option(), fewer), 30).leaves_open(19, "do not agree");
    // A profile alone shows copying that goes on.
    let half = run(one_thread(), |_, trial| trial.copied_share(0.5));
    half.profiled(parts(100, 400)).refutes(19, "still spends the time of copying");
    let sampled = nothing_copied(option(), fewer).profiled(parts(100, 400));
    sampled.leaves_open(19, "the profile saw copying, and no completion was marked copied");
    let not_more = nothing_copied(one_thread(), fewer)
        .profiled(|cell| if cell.send_path == Sendmsg { [0, 0, 400] } else { [100, 0, 0] });
    not_more.leaves_open(19, "whether nothing is copied is not known");
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
