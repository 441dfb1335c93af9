//! What a run is warned of.

use super::*;

#[test]
fn a_receive_path_that_maps_little_of_what_it_could_is_warned_of() {
    let mut plan = small_plan();
    plan.factors.set(Factor::Recv, "recv,recv-zerocopy").unwrap();
    let warnings = |mapped: Option<u64>| {
        let mut records = synthetic::run(&plan, 3, synthetic::trial);
        for record in &mut records {
            if let Record::Trial(trial) = record
                && let Outcome::Finished(finished) = &mut trial.outcome
                && let Some(mapped) = mapped
            {
                finished.receiver.total.mapped_bytes = mapped;
            }
        }
        summary(&plan, &records).warnings
    };
    let is_it = |warning: &Warning| matches!(warning, Warning::LittleMapped { .. });
    assert!(!warnings(None).iter().any(is_it), "three quarters are mapped");
    let all = warnings(Some(0));
    let of = all.iter().find_map(|warning| {
        let Warning::LittleMapped { least, most, cells, of } = warning else { return None };
        Some((*least, *most, *cells, *of))
    });
    let (least, most, cells, of) = of.unwrap();
    assert_eq!((least, most), (0.0, 0.0));
    assert!(cells > 0 && cells == of, "{cells} of {of}");
}

#[test]
fn that_threads_of_the_kernel_did_a_part_of_the_work_is_told_where_they_did() {
    let mut plan = small_plan();
    plan.factors.set(Factor::Send, "sendmsg,uring-sendmsg").unwrap();
    let told = |plan: &Plan| {
        let records = synthetic::run(plan, 3, synthetic::trial);
        let warnings = summary(plan, &records).warnings;
        warnings.into_iter().find(|warning| matches!(warning, Warning::RingThreads { .. }))
    };
    assert_eq!(told(&plan), None);
    plan.factors.set(Factor::Sqpoll, "off,on").unwrap();
    let Some(Warning::RingThreads { least, most }) = told(&plan) else { panic!("it polls") };
    assert!((0.74..=0.75).contains(&least) && (least..0.76).contains(&most), "{least} {most}");
}

#[test]
fn busy_polling_that_could_not_happen_is_told_and_compared_with_nothing() {
    let mut plan = small_plan();
    plan.factors.set(Factor::Send, "send,sendmsg").unwrap();
    plan.factors.set(Factor::BusyPoll, "off,50us").unwrap();
    let summary_of = |could: bool| {
        let make = |cell: &Cell, round| {
            let trial = noisy(cell, round);
            if could { trial } else { trial.marked(Mark::NoBusyPoll) }
        };
        summary(&plan, &synthetic::run(&plan, 12, make))
    };
    for could in [true, false] {
        let summary = summary_of(could);
        let of =
            |factor: Factor| summary.ratios.iter().filter(move |r| r.contrast.factor == factor);
        assert!(of(Factor::BusyPoll).count() >= 4 && of(Factor::Send).count() >= 4);
        assert!(of(Factor::Send).any(|ratio| ratio.ratio.value().is_some()), "paths are compared");
        let compared: Vec<&Ratio> =
            of(Factor::BusyPoll).filter(|ratio| ratio.ratio.value().is_some()).collect();
        let told = summary.warnings.contains(&Warning::NoBusyPoll {
            cells: 2,
            of: 2,
            over: vec![model::Link::Loopback],
        });
        assert_eq!((told, compared.is_empty()), (!could, !could), "{compared:?}");
        if !could {
            for ratio in of(Factor::BusyPoll) {
                assert!(ratio.ratio.reason().unwrap().contains("no NAPI id"), "{ratio:?}");
                assert_eq!(ratio.finding, Finding::Undecided);
                assert_eq!(ratio.p.value(), None);
            }
            let drawn = |c: &analysis::findings::Crossover| {
                c.contrast.factor == Factor::BusyPoll && !c.sizes.is_empty()
            };
            assert!(!summary.explained.crossovers.iter().any(drawn));
            assert_eq!(summary.marks[&Mark::NoBusyPoll], 24);
        }
    }
}

#[test]
fn the_machine_is_warned_of_where_it_matters() {
    let plan = small_plan();
    let mut host = synthetic::host();
    host.virtualization = Measured::Value("kvm".to_owned());
    host.sysctls
        .insert("net.ipv4.tcp_congestion_control".to_owned(), Measured::Value("bbr".to_owned()));
    host.on_battery = Measured::Value(true);
    let records =
        synthetic::run(&plan, 3, |cell, round| noisy(cell, round).marked(Mark::Steal).counted());
    let summary = summarise(&plan, &host, &records);
    warns!(summary, Warning::VirtualMachine { hypervisor } if hypervisor == "kvm");
    warns!(summary, Warning::Congestion { used, system } if used == "cubic" && system == "bbr");
    warns!(summary, Warning::Battery);
    warns!(summary, Warning::Steal { trials: 15, of: 18, limit: 0.02 });
    warns!(summary, Warning::Preliminary { rounds: 3, .. });
    let is_of_counters = |it: &&Warning| matches!(it, Warning::NoCounters { .. });
    assert_eq!(summary.warnings.iter().find(is_of_counters), None);
    assert_eq!(summary.run.noted_trials, 15, "the cell without instruments sees no steal");
}

#[test]
fn unpinned_workers_are_said_to_be_unpinned() {
    let plan = plan(Preset::Paper);
    let summary = summary(&plan, &synthetic::run(&plan, 1, noisy));
    assert_eq!(summary.run.placement, "not pinned");
    assert!(summary.run.precise_cells.reason().is_some());
    assert!(summary.estimates.iter().all(|e| e.precise.reason().is_some()));
    assert!(summary.estimates.iter().all(|e| estimate(e, Metric::GoodputGbps).low.is_none()));
    assert!(summary.ratios.iter().all(|r| r.ratio.value().is_some() && r.p.reason().is_some()));
}
