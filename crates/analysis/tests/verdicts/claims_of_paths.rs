//! C1 to C9.

use analysis::claims::claim::Claim;
use analysis::findings::{CrossoverOutcome, ModelledSide};
use analysis::metric::Metric;
use analysis::reason::PartKind::{Counter, Effect, Intervention, Premise};
use analysis::reason::Shown::{NotMeasured, Unclear};
use analysis::reason::{Derived, Reason};
use analysis::reference::{Caveat, Reference};
use model::SendPath::{self, Send, Sendmsg, Zerocopy};
use model::{Audit, Cell, Factor, Preset};

use crate::made::{
    Run, are_each, decided_by, gives, lacks, one_thread, plan, run, run_of_goodput, run_with_noise,
};

fn bytes(cell: &Cell) -> u64 {
    cell.message.bytes().0
}

/// A ratio to 10 Gbit/s for one path, by size.
fn ratio_of(path: SendPath, of: impl Fn(u64) -> f64) -> impl Fn(&Cell) -> f64 {
    move |cell| if cell.send_path == path { 10.0 * of(bytes(cell)) } else { 10.0 }
}

fn is_not_varied(reason: &Reason, of: Factor, by: Option<&str>) -> bool {
    matches!(reason, Reason::NotVaried { factor, value } if *factor == of && value.as_deref() == by)
}

#[test]
fn c1_no_record_counts_the_copies_of_a_send() {
    let claim = run(one_thread(), |_, trial| trial.counted()).leaves_open(1, Effect, NotMeasured);
    gives(&claim, |it| {
        matches!(it, Reason::NotAudited { audit: Audit::CopyAudit, cell: None, why: None })
    });
}

#[test]
fn c2_falls_where_one_field_makes_both_paths_the_same() {
    let fields = || {
        plan(&[(Factor::Threads, "1"), (Factor::Message, "4KiB,64KiB"), (Factor::Fields, "1,8")])
    };
    let saves = |only_calls: bool| {
        run(fields(), move |cell, trial| {
            let saved = cell.send_path == Sendmsg && (!only_calls || cell.fields.get() > 1);
            trial.ends_cpu_ns_per_kib(if saved { 200.0 } else { 300.0 })
        })
    };
    saves(true).refutes(2, Intervention);
    let by_calls = |claim: Claim| (claim.parts[1].kind, claim.parts[1].shown);
    let claim = saves(false).leaves_open(2, Counter, NotMeasured);
    assert_eq!(by_calls(claim), (Intervention, Unclear));
    let claim = run(one_thread(), |_, trial| trial).leaves_open(2, Counter, NotMeasured);
    gives(&claim, |it| is_not_varied(it, Factor::Fields, Some("1")));
    assert_eq!(by_calls(claim), (Intervention, NotMeasured));
}

/// So many of the zero-copy completions were marked copied, over the cells.
#[track_caller]
fn marked(claim: &Claim, shares: Option<[f64; 2]>) {
    let near = |copied: &[f64; 2], shares: [f64; 2]| {
        copied.iter().zip(shares).all(|(share, should)| (share - should).abs() < 0.01)
    };
    gives(claim, |it| {
        matches!(it, Reason::Completions { copied, .. } if match (copied.value(), shares) {
            (Some(copied), Some(shares)) => near(copied, shares),
            (None, None) => true,
            (_, _) => false,
        })
    });
}

#[test]
fn c3_is_what_the_completions_say() {
    let some = |share: fn(&Cell) -> f64| {
        run(one_thread(), move |cell, trial| trial.copied_share(share(cell)))
    };
    marked(&run(one_thread(), |_, trial| trial).refutes(3, Effect), Some([1.0; 2]));
    marked(&some(|_| 0.4).refutes(3, Effect), Some([0.4; 2]));
    marked(&some(|_| 0.0).supports(3), Some([0.0; 2]));
    let large = some(|cell| if bytes(cell) > 1000 { 0.9 } else { 0.0 });
    marked(&large.leaves_open(3, Effect, Unclear), Some([0.0, 0.9]));
    let without = run(plan(&[(Factor::Send, "send,sendmsg")]), |_, trial| trial);
    marked(&without.leaves_open(3, Effect, NotMeasured), None);
}

#[test]
fn a_broken_law_leaves_no_claim_that_rests_on_it() {
    let lost = run(one_thread(), |_, trial| trial).with(|_, finished| {
        finished.sender.total.stray_ids = u64::from(finished.sender.total.completed > 0);
    });
    // Every zerocopy trial is void then, so nothing is left to say.
    assert_eq!(lost.law(3).state, analysis::laws::law::LawState::Broken);
    marked(&lost.leaves_open(3, Effect, NotMeasured), None);
    let mut once = run(one_thread(), |_, trial| trial);
    let mut is_first = true;
    for record in &mut once.records {
        if let model::record::Record::Trial(trial) = record
            && trial.cell.send_path == Zerocopy
            && let model::record::Outcome::Finished(finished) = &mut trial.outcome
            && std::mem::take(&mut is_first)
        {
            finished.sender.total.stray_ids = 1;
        }
    }
    once.leaves_open_with(3, Caveat::LawBroken { id: 3 });
}

#[test]
fn c4_needs_a_gain_at_every_size_and_the_largest_at_small_ones() {
    let sendmsg = |of: fn(u64) -> f64| run_of_goodput(one_thread(), ratio_of(Sendmsg, of));
    let claim = sendmsg(|n| if n < 1000 { 5.0 } else { 1.2 }).supports(4);
    gives(&claim, |it| {
        matches!(it, Reason::Range { metric: Metric::GoodputGbps, least, most, .. }
            if (least.ratio.mean - 1.2).abs() < 0.01 && (most.ratio.mean - 5.0).abs() < 0.05)
    });
    // No gain at the largest size.
    let claim = sendmsg(|n| if n < 10_000 { 3.0 } else { 1.0 }).refutes(4, Effect);
    gives(
        &claim,
        |it| matches!(it, Reason::Each { ratios, .. } if ratios.len() == 1 && bytes(&ratios[0].cell) == 65_536),
    );
    // The largest gain is not at the smallest size.
    let claim = sendmsg(|n| if n < 1000 { 1.2 } else { 5.0 }).refutes(4, Effect);
    let gain = |claim: &Claim, of: f64| {
        gives(claim, |it| {
            matches!(it, Reason::Derived { what: Derived::Gain { path: Sendmsg, against: Send }, most, .. }
                if (most.ratio.mean - of).abs() < 0.01 * of
                    && (bytes(&most.cell), bytes(&most.against)) == (64, 65_536))
        });
    };
    gain(&claim, 1.2 / 5.0);
    // The same at every size: not most at small ones.
    gain(&sendmsg(|_| 3.0).refutes(4, Effect), 1.0);
    gain(&sendmsg(|n| if n < 1000 { 3.3 } else { 3.0 }).supports(4), 1.1);
    // A little more than the margin at the smallest size, in too much noise.
    let gain_in = |noise: f64, thousandths: u32, sizes: &'static str| {
        let plan = plan(&[(Factor::Threads, "1"), (Factor::Message, sizes)]);
        run_with_noise(plan, noise, move |cell, trial| {
            let small = 1.0 + f64::from(thousandths) / 1000.0;
            trial.goodput_gbps(match (cell.send_path, bytes(cell)) {
                (Sendmsg, 64) => 30.0 * small,
                (Sendmsg, _) => 30.0,
                _ => 10.0,
            })
        })
    };
    gain_in(0.1, 50, "64,64KiB").leaves_open(4, Effect, Unclear);
    let one_size = run_of_goodput(plan(&[(Factor::Message, "64")]), ratio_of(Sendmsg, |_| 3.0));
    decided_by(&one_size.leaves_open(4, Effect, NotMeasured), |it| {
        is_not_varied(it, Factor::Message, None)
    });
    run_with_noise(one_thread(), 0.8, |cell, trial| {
        trial.goodput_gbps(if cell.send_path == Sendmsg { 13.0 } else { 10.0 })
    })
    .leaves_open(4, Effect, Unclear);
}

/// Where zerocopy begins to be better than send.
#[track_caller]
fn crosses(claim: &Claim, is_it: impl Fn(&CrossoverOutcome) -> bool) {
    gives(
        claim,
        |reason| matches!(reason, Reason::Crossovers { of } if of.iter().all(|it| is_it(&it.crossover.outcome))),
    );
}

#[test]
fn c6_and_c7_follow_the_threshold_that_is_found() {
    let from_4096 = || {
        run_of_goodput(
            plan(&[(Factor::Threads, "1"), (Factor::Message, "64,2KiB,8KiB,64KiB")]),
            ratio_of(Zerocopy, |n| match n {
                0..512 => 0.6,
                512..4096 => 0.8,
                4096..60_000 => 1.2,
                _ => 1.5,
            }),
        )
    };
    crosses(&from_4096().supports(6), |it| {
        *it == CrossoverOutcome::Bracket { low: 2048.0, high: 8192.0 }
    });
    from_4096().leaves_open(7, Intervention, NotMeasured);
    let claim = from_4096()
        .on(|host| host.page_bytes = model::Measured::Value(16_384))
        .refutes(7, Intervention);
    gives(&claim, |it| matches!(it, Reason::PageBytes { bytes: 16_384 }));
    // Worse at 64 B and better at 64 KiB says nothing of 4 KiB.
    let two_sizes = || {
        run_of_goodput(
            plan(&[(Factor::Threads, "1"), (Factor::Message, "64,64KiB")]),
            ratio_of(Zerocopy, |n| if n < 1000 { 0.6 } else { 1.5 }),
        )
    };
    crosses(&two_sizes().leaves_open(6, Effect, Unclear), |it| {
        *it == CrossoverOutcome::Bracket { low: 64.0, high: 65_536.0 }
    });
    two_sizes().leaves_open(7, Premise, Unclear);
    // One truth, looked at through other sizes: never supported by one and refuted by another.
    let sized = |sizes: &'static str, at: f64| {
        run_of_goodput(
            plan(&[(Factor::Threads, "1"), (Factor::Message, sizes)]),
            ratio_of(Zerocopy, move |n| (n as f64 / at).powf(0.1)),
        )
    };
    sized("64,512,4KiB,64KiB", 1000.0).leaves_open(6, Effect, Unclear);
    sized("64B..1MiB", 1000.0).refutes(6, Effect);
    sized("64,512,4KiB,64KiB", 3000.0).leaves_open(6, Effect, Unclear);
    sized("64,2KiB,8KiB,64KiB", 3000.0).supports(6);
    sized("64B..1MiB", 3000.0).supports(6);
    sized("64,512,4KiB,64KiB", 10_000.0).leaves_open(6, Effect, Unclear);
    sized("64,12KiB,64KiB", 20_000.0).refutes(6, Effect);
    // A sweep finds it near 4 KiB, with an interval that is narrow or wide, or elsewhere.
    let sweep = |at: f64, noise: f64| {
        let plan = plan(&[(Factor::Threads, "1"), (Factor::Message, "64B..1MiB")]);
        run_with_noise(plan, noise, move |cell, trial| {
            let slope = if noise > 0.1 { 0.12 } else { 0.1 };
            let is_it = cell.send_path == Zerocopy;
            let better = (bytes(cell) as f64 / at).powf(slope);
            trial.goodput_gbps(if is_it { 10.0 * better } else { 10.0 })
        })
    };
    let from = |low: f64, high: f64| move |it: &CrossoverOutcome| matches!(it, CrossoverOutcome::At { bytes, .. } if (low..high).contains(bytes));
    crosses(&sweep(4300.0, 0.01).supports(6), from(4096.0, 4600.0));
    sweep(4300.0, 0.2).leaves_open(6, Effect, Unclear);
    crosses(&sweep(20_000.0, 0.01).refutes(6, Effect), from(18_432.0, 19_456.0));
    crosses(&sweep(700.0, 0.01).refutes(6, Effect), from(600.0, 700.0));
    // Better at 4 KiB, but not told of the largest size.
    let not_beyond = run_of_goodput(
        one_thread(),
        ratio_of(Zerocopy, |n| match n {
            0..4096 => 0.7,
            4096..60_000 => 1.4,
            _ => 1.0,
        }),
    );
    gives(
        &not_beyond.leaves_open(6, Effect, Unclear),
        |it| matches!(it, Reason::Crossovers { of } if of[0].crossover.unclear_sizes == [65_536]),
    );
    let alike = run_of_goodput(one_thread(), ratio_of(Zerocopy, |_| 1.0));
    crosses(&alike.refutes(6, Effect), |it| *it == CrossoverOutcome::Alike);
    let always = run_of_goodput(one_thread(), ratio_of(Zerocopy, |_| 1.5));
    crosses(&always.refutes(6, Effect), |it| *it == CrossoverOutcome::Always);
    crosses(&always.refutes(7, Premise), |it| *it == CrossoverOutcome::Always);
    let never = run_of_goodput(one_thread(), ratio_of(Zerocopy, |_| 0.7)).refutes(6, Effect);
    crosses(&never, |it| *it == CrossoverOutcome::Never);
    marked(&never, Some([1.0; 2]));
    // Zerocopy makes one call where send makes one a field.
    gives(&never, |it| {
        matches!(it, Reason::Each { metric: Metric::SendCallsPerMessage, ratios }
            if (ratios[0].ratio.mean - 0.125).abs() < 1e-6)
    });
    let noisy = run_with_noise(one_thread(), 0.8, |_, trial| trial.goodput_gbps(10.0));
    gives(
        &noisy.leaves_open(6, Effect, Unclear),
        |it| matches!(it, Reason::Crossovers { of } if of.iter().all(|it| it.unclear > 0)),
    );
    noisy.leaves_open(7, Premise, Unclear);
    let send = run(plan(&[(Factor::Send, "send")]), |_, trial| trial);
    send.leaves_open(6, Effect, NotMeasured);
    send.leaves_open(7, Premise, NotMeasured);
}

/// Zero-copy better from 4 KiB on, and its cost over the copy's at each offset and size, with a field on pages of its own.
fn at_offsets(noise: f64, relative_cost: impl Fn(&Cell) -> f64) -> Run {
    let plan = plan(&[
        (Factor::Threads, "1"),
        (Factor::Send, "send,zerocopy"),
        (Factor::Fields, "1"),
        (Factor::Layout, "paged"),
        (Factor::Offset, "0,1,2048"),
        (Factor::Message, "2KiB,3KiB,4KiB,5KiB,6KiB,8KiB,12KiB"),
    ]);
    run_with_noise(plan, noise, move |cell, trial| {
        let (is_it, n) = (cell.send_path == Zerocopy, bytes(cell));
        let better = if n < 4096 { 0.8 } else { 1.2 };
        let cost = if is_it { 200.0 * relative_cost(cell) } else { 200.0 };
        trial.goodput_gbps(if is_it { 10.0 * better } else { 10.0 }).ends_cpu_ns_per_kib(cost)
    })
}

/// Pages on which a cell's field lies.
fn pages(cell: &Cell) -> f64 {
    (u64::from(cell.offset.bytes()) + bytes(cell)).div_ceil(4096) as f64
}

#[test]
fn c7_is_shown_where_cost_follows_pages_and_falls_where_it_does_not() {
    let of_pages = |each: f64| at_offsets(0.005, move |cell| 1.0 + each * pages(cell));
    let claim = of_pages(0.3).supports(7);
    gives(&claim, |it| {
        let Reason::OffsetCosts { of } = it else { return false };
        let seen: Vec<_> = of.iter().map(|c| (c.offset, c.with_more, c.with_as_many)).collect();
        seen == [(1, 3, 4), (2048, 4, 3)]
            && of.iter().all(|c| c.pages_more == 1.0 && c.ratio.mean > 1.1)
    });
    // The pages move, and nothing else.
    of_pages(0.0).refutes(7, Intervention);
    // What starts away from a page's start costs more, whatever it touches.
    at_offsets(0.005, |cell| if cell.offset.bytes() > 0 { 1.3 } else { 1.0 })
        .refutes(7, Intervention);
    at_offsets(0.4, |cell| 1.0 + 0.05 * pages(cell)).leaves_open(7, Premise, Unclear);
    // No size of eight fields touches more pages.
    let eight = plan(&[
        (Factor::Threads, "1"),
        (Factor::Layout, "paged"),
        (Factor::Offset, "0,1"),
        (Factor::Message, "64,2KiB,8KiB,16KiB"),
    ]);
    let gain = ratio_of(Zerocopy, |n| if n < 4096 { 0.8 } else { 1.2 });
    let claim = run_of_goodput(eight, gain).leaves_open(7, Intervention, NotMeasured);
    decided_by(&claim, |it| *it == Reason::OffsetCosts { of: Vec::new() });
    // Noise in the cost alone.
    let noisy = at_offsets(0.005, |cell| 1.0 + 0.1 * pages(cell)).with_rounds(|cell, round, it| {
        let by = synthetic::noise(7, cell, round, 0.5);
        for worker in &mut it.sender.workers {
            worker.cpu_ns = model::Nanos::from_secs_f64(worker.cpu_ns.as_secs_f64() * by);
        }
    });
    noisy.leaves_open(7, Intervention, Unclear);
}

#[test]
fn c8_needs_its_gain_in_its_spot_and_nowhere_else() {
    let grid = || plan(&[(Factor::Threads, "1,2,4")]);
    let gain = |in_spot: f64, outside: f64| {
        run_of_goodput(grid(), move |cell| {
            let is_in = bytes(cell) == 4096 && cell.threads.get() > 1;
            match (cell.send_path, is_in) {
                (Zerocopy, true) => 10.0 * in_spot,
                (Zerocopy, false) => 10.0 * outside,
                _ => 10.0,
            }
        })
    };
    let largest = |claim: &Claim, gain: f64| {
        gives(
            claim,
            |it| matches!(it, Reason::Each { ratios, .. } if (ratios[0].ratio.mean - gain).abs() < 0.02),
        );
    };
    let supported = gain(1.15, 0.95).supports(8);
    largest(&supported, 1.15);
    gives(&supported, |it| *it == Reason::CountsAs { low: 1.05, high: 1.25 });
    // An interval that only touches 10 to 20 % is not enough.
    let too_much = gain(1.30, 0.95).refutes(8, Effect);
    largest(&too_much, 1.30);
    gives(&too_much, |it| *it == Reason::Claimed { low: 1.1, high: 1.2 });
    let wide = run_with_noise(grid(), 0.12, |cell, trial| {
        let is_in = bytes(cell) == 4096 && cell.threads.get() > 1;
        trial.goodput_gbps(match (cell.send_path, is_in) {
            (Zerocopy, true) => 12.2,
            (Zerocopy, false) => 6.0,
            _ => 10.0,
        })
    });
    wide.leaves_open(8, Effect, Unclear);
    largest(&gain(0.9, 0.95).refutes(8, Effect), 0.9);
    largest(&gain(1.15, 1.6).refutes(8, Effect), 1.6);
    gain(1.15, 1.15).leaves_open(8, Effect, Unclear);
    let one = run(one_thread(), |_, trial| trial).leaves_open(8, Effect, NotMeasured);
    gives(&one, |it| lacks(it, Metric::GoodputGbps, &[4096, 8192], &[2, 4]));
    // Measured in its spot, with too few CPUs.
    let few_cpus = run(grid(), |_, trial| trial.usable_cpus(2)).leaves_open(8, Effect, NotMeasured);
    gives(&few_cpus, |it| *it == Reason::TooFewCpus);
    gives(&few_cpus, |it| {
        matches!(it, Reason::Range { least, most, .. }
            if [least, most].iter().all(|c| c.oversubscribed.is_so() && bytes(&c.cell) == 4096))
    });
    let spot_alone = plan(&[(Factor::Message, "4KiB"), (Factor::Threads, "2,4")]);
    let spot_alone = run(spot_alone, |_, trial| trial).leaves_open(8, Effect, NotMeasured);
    gives(&spot_alone, |it| lacks(it, Metric::GoodputGbps, &[64, 65_536], &[]));
}

#[test]
fn c9_needs_growth_and_a_fixed_cost_that_follows_the_calls() {
    let usual = run(one_thread(), |_, trial| trial);
    let claim = usual.supports(9);
    gives(&claim, |it| {
        let Reason::Figures { metric: Metric::SendCallsPerMessage, figures } = it else {
            return false;
        };
        figures.iter().map(|figure| figure.value.mean.round()).eq([8.0, 1.0])
    });
    gives(&claim, |it| {
        let Reason::FixedCosts { costs } = it else { return false };
        costs.iter().map(|cost| cost.path).eq([Send, Sendmsg])
    });
    let is_model_of_send = |reference: &Reference| {
        let Reference::CostModel { side, path, .. } = reference else { return false };
        (*side, *path) == (ModelledSide::Sender, Send)
    };
    assert!(claim.evidence.iter().any(is_model_of_send));
    // send's fixed cost of 4000 ns, of which this part goes with its calls: with one of 8 it falls by 7/8 of the part.
    let sendmsg = |part: f64| 4000.0 * (1.0 - part * 7.0 / 8.0);
    let straight = |part: f64, noise: f64| {
        run_with_noise(one_thread(), noise, move |cell, trial| {
            let n = bytes(cell) as f64;
            let fixed = if cell.send_path == Send { 4000.0 } else { sendmsg(part) };
            trial.sender_cpu_ns_per_kib((fixed + 0.1 * n) / n * 1024.0)
        })
    };
    let has_share = |claim: &Claim, part: f64| {
        gives(claim, |it| {
            matches!(it, Reason::CallsShare { share }
                if share.low.unwrap() - 0.01 <= part && part <= share.high.unwrap() + 0.01)
        });
    };
    for part in [0.95, 0.6] {
        has_share(&straight(part, 0.005).supports(9), part);
    }
    for part in [0.4, 0.05, 0.0] {
        has_share(&straight(part, 0.005).refutes(9, Intervention), part);
    }
    has_share(&straight(0.48, 0.05).leaves_open(9, Intervention, Unclear), 0.48);
    // No line fits: the smallest message stands for the fixed cost, with what its bytes cost.
    let bent = |part: f64, noise: f64| {
        run_with_noise(one_thread(), noise, move |cell, trial| {
            let n = bytes(cell) as f64;
            let fixed = if cell.send_path == Send { 4000.0 } else { sendmsg(part) };
            trial.sender_cpu_ns_per_kib((fixed + 3.0 * n.powf(0.8)) / n * 1024.0)
        })
    };
    gives(&bent(0.9, 0.005).supports(9), |it| {
        let Reason::Each { metric: Metric::SenderCpuNsPerKib, ratios } = it else {
            return false;
        };
        bytes(&ratios[0].cell) == 64
    });
    bent(0.6, 0.005).supports(9);
    bent(0.4, 0.005).refutes(9, Intervention);
    bent(0.0, 0.005).refutes(9, Intervention);
    bent(0.5, 0.1).leaves_open(9, Intervention, Unclear);
    // The cells' fields say how many calls are saved: of two, a half of all that two calls cost is the other one's.
    let two_fields = |one: f64| {
        run(plan(&[(Factor::Threads, "1"), (Factor::Fields, "2")]), move |cell, trial| {
            let n = bytes(cell) as f64;
            let fixed = if cell.send_path == Send { 4000.0 } else { one };
            trial.sender_cpu_ns_per_kib((fixed + 0.1 * n) / n * 1024.0)
        })
    };
    two_fields(2600.0).supports(9);
    two_fields(3400.0).refutes(9, Intervention);
    // Beside messages of one field, which both paths send by one call, those of several decide.
    let beside_one_field = |part: f64| {
        let fields = plan(&[(Factor::Threads, "1"), (Factor::Fields, "1,8")]);
        run(fields, move |cell, trial| {
            let n = bytes(cell) as f64;
            let many_calls = cell.send_path == Send && cell.fields.get() == 8;
            let fixed = if many_calls { 4000.0 } else { sendmsg(part) };
            trial.sender_cpu_ns_per_kib((fixed + 0.1 * n) / n * 1024.0)
        })
    };
    beside_one_field(0.9).supports(9);
    beside_one_field(0.2).refutes(9, Intervention);
    run(plan(&[(Factor::Threads, "1"), (Factor::Fields, "1")]), |_, trial| trial)
        .leaves_open(9, Counter, Unclear);
    let level = run_of_goodput(one_thread(), |_| 10.0).refutes(9, Effect);
    decided_by(&level, |it| are_each(it, 3, |_| true));
    // One step of one path alone does not grow.
    let stalls = run_of_goodput(one_thread(), |cell| match (bytes(cell), cell.send_path) {
        (4096, Send) => 10.0,
        (65_536, Send) => 11.0,
        (n, _) => (n as f64).sqrt(),
    });
    decided_by(&stalls.refutes(9, Effect), |it| {
        are_each(it, 1, |c| c.cell.send_path == Send && c.ratio.mean < 1.0)
    });
    // Goodput grows, but a message costs the same whatever the calls.
    run(one_thread(), |cell, trial| {
        let kib = bytes(cell) as f64 / 1024.0;
        let fixed = if cell.send_path == Send { 500.0 } else { 3000.0 };
        trial.sender_cpu_ns_per_kib(fixed / kib + 100.0)
    })
    .refutes(9, Intervention);
    run(plan(&[(Factor::Send, "sendmsg"), (Factor::Threads, "1")]), |_, trial| trial).leaves_open(
        9,
        Counter,
        NotMeasured,
    );
    run(plan(&[(Factor::Threads, "8")]), |_, trial| trial.usable_cpus(4))
        .leaves_open_with(9, Caveat::Oversubscribed { all: true });
    run(plan(&[(Factor::Message, "64")]), |_, trial| trial).leaves_open(9, Effect, NotMeasured);
}

#[test]
fn the_paper_preset_of_one_round_decides_only_what_one_round_can() {
    let mut once = run(model::Plan::preset(Preset::Paper), |_, trial| trial);
    once.records = synthetic::run(&once.plan, 1, synthetic::trial);
    once.refutes(3, Effect);
    once.leaves_open(4, Effect, Unclear);
    once.leaves_open(12, Effect, Unclear);
}
