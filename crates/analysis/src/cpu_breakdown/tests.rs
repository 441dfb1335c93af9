use model::record::Settings;
use model::{Audit, Bytes, Nanos, Plan, Preset};

use super::*;

/// Samples with their stacks, outermost first.
fn profile(event: &str, stacks: &[(Owner, &str, u64)]) -> Profile {
    let mut symbols: Vec<String> = Vec::new();
    let mut place = |name: &str| {
        let known = symbols.iter().position(|symbol| symbol == name);
        let place = known.unwrap_or_else(|| {
            symbols.push(name.to_owned());
            symbols.len() - 1
        });
        u32::try_from(place).unwrap()
    };
    let stacks = stacks.iter().map(|(owner, frames, samples)| Stack {
        owner: *owner,
        cpu: 0,
        frames: frames.split(' ').map(&mut place).collect(),
        samples: *samples,
    });
    let stacks = stacks.collect();
    Profile {
        event: event.to_owned(),
        interval_ns: Nanos(250_000),
        span_ns: Nanos::ms(130),
        cpus: vec![0, 1],
        lost: 2,
        symbols,
        stacks,
    }
}

fn audited(profile: Profile) -> Audited {
    let plan = Plan::preset(Preset::Default);
    let cell = plan.cells()[0].clone();
    let trial = synthetic::trial(&cell, 1).build();
    Audited {
        cell,
        audits: vec![Audit::Profile],
        started_unix_ms: 0,
        settings: Settings {
            window_ns: Nanos::ms(100),
            warmup_ns: Nanos::ms(20),
            tail_ns: Nanos::ms(5),
            extended: false,
            usable_cpus: vec![0, 1],
            receiver_usable_cpus: None,
            sender_cpus: vec![0],
            receiver_cpus: vec![1],
            ring_slots: 4,
            slot_bytes: Bytes(64),
            receive_buffer_bytes: Bytes(64),
            ring_filesystem: None,
            series: None,
        },
        outcome: trial.outcome,
        copies: Measured::absent("not asked"),
        calls: Measured::absent("not asked"),
        profile: Measured::Value(profile),
    }
}

fn sorted(profile: Profile) -> CpuBreakdown {
    let audited = audited(profile);
    breakdown(&audited, audited.profile.value().unwrap())
}

fn side(breakdown: &CpuBreakdown, side: BreakdownSide) -> &SideBreakdown {
    breakdown.sides.iter().find(|one| one.side == side).unwrap()
}

fn near(found: f64, expected: f64) -> bool {
    (found - expected).abs() < 1e-9
}

fn loopback() -> CpuBreakdown {
    sorted(profile(
        "cpu-clock",
        &[
            (Owner::Sender, "do_syscall_64 tcp_sendmsg _copy_from_iter", 40),
            (Owner::Sender, "do_syscall_64 handle_softirqs tcp_v4_rcv", 20),
            (Owner::Sender, "copycost`pump", 10),
            (Owner::Receiver, "do_syscall_64 tcp_recvmsg_locked _copy_to_iter", 20),
            (Owner::Receiver, "who_is_this", 4),
            (Owner::Idle, "do_idle default_idle", 60),
            (Owner::Idle, "do_idle irq_exit_rcu handle_softirqs net_rx_action", 4),
            (Owner::Other, "[program]`[unknown]", 30),
            (Owner::Other, "run_ksoftirqd handle_softirqs tcp_v4_rcv", 2),
        ],
    ))
}

#[test]
fn shares_are_of_the_busy_samples_of_the_ends_and_of_softirq() {
    let found = loopback();
    assert_eq!((found.samples, found.busy_samples, found.elsewhere_samples), (190, 100, 30));
    let sender = side(&found, BreakdownSide::Sender);
    assert!(near(sender.share, 0.7) && near(sender.softirq_share, 0.2));
    let shares: Vec<(Category, f64)> =
        sender.categories.iter().map(|one| (one.category, one.share)).collect();
    assert_eq!(
        shares,
        [(Category::DataCopy, 0.4), (Category::TcpIp, 0.2), (Category::Copycost, 0.1)]
    );
    let machine = side(&found, BreakdownSide::Machine);
    assert!(near(machine.share, 0.06) && near(machine.softirq_share, 0.06));
    let parts = found
        .sides
        .iter()
        .map(|side| side.unmapped_share + side.categories.iter().map(|one| one.share).sum::<f64>());
    assert!(near(parts.sum(), 1.0), "nothing is left over and nothing counts twice");
}

#[test]
fn all_sides_together_show_the_largest_category_first() {
    let shares: Vec<(Category, f64)> =
        loopback().categories.iter().map(|one| (one.category, one.share)).collect();
    assert_eq!(shares[0], (Category::DataCopy, 0.6));
    assert!(shares.is_sorted_by(|a, b| a.1 >= b.1));
}

#[test]
fn what_the_table_does_not_know_is_printed_with_its_names() {
    let found = loopback();
    assert!(near(found.unmapped_share, 0.04));
    assert!(near(side(&found, BreakdownSide::Receiver).unmapped_share, 0.04));
    let [only] = found.unmapped_symbols.as_slice() else { panic!("{found:?}") };
    assert_eq!(only.symbol, "who_is_this");
    assert_eq!(found.lost, 2);
}

#[test]
fn an_ends_samples_in_nobodys_code_raise_the_unmapped_share() {
    let found = sorted(profile(
        "cycles",
        &[
            (Owner::Sender, "copycost`pump", 6),
            (Owner::Sender, "[hypervisor]`[unknown]", 3),
            (Owner::Receiver, "copycost`pump [unmapped]`[unknown]", 1),
        ],
    ));
    assert!(near(found.unmapped_share, 0.4), "{found:?}");
    let named: Vec<&str> = found.unmapped_symbols.iter().map(|one| one.symbol.as_str()).collect();
    assert_eq!(named, ["[hypervisor]`[unknown]", "[unmapped]`[unknown]"]);
    assert!(near(found.categories[0].share, 0.6), "{found:?}");
}

#[test]
fn time_a_kib_is_samples_times_interval_over_the_payload_of_the_sampled_time() {
    let found = loopback();
    let kib = *found.payload_kib.value().unwrap();
    let sender = side(&found, BreakdownSide::Sender);
    assert!(near(*sender.cpu_ns_per_kib.value().unwrap(), 70.0 * 250_000.0 / kib));
    let audited = audited(profile("cpu-clock", &[(Owner::Sender, "tcp_ack", 1)]));
    let total = |span: u64| {
        let profile =
            Profile { span_ns: Nanos::ms(span), ..audited.profile.value().unwrap().clone() };
        payload_kib(&audited, &profile)
    };
    let Outcome::Finished(finished) = &audited.outcome else { panic!("failed") };
    assert_eq!(total(121), Measured::Value(as_f64(finished.sender.total.accepted_bytes) / 1024.0));
    assert_eq!(total(105), Measured::Value(as_f64(finished.sender.window.accepted_bytes) / 1024.0));
    assert!(total(115).value().is_none() && total(50).value().is_none());
}

#[test]
fn idle_is_sampled_by_the_clock() {
    assert!(near(*loopback().idle_share.value().unwrap(), 60.0 / 190.0));
    assert!(sorted(profile("cpu-clock", &[])).idle_share.value().is_none());
}

#[test]
fn cycles_of_a_cpu_that_halts_in_between_are_shares_and_no_time() {
    // Every other 250 µs the CPU halts: so two samples are 500 µs apart, of which it was busy for half.
    let mut halting = profile("cycles", &[(Owner::Sender, "tcp_ack", 260)]);
    halting.interval_ns = Nanos(500_000);
    let found = sorted(halting);
    let sender = side(&found, BreakdownSide::Sender);
    assert!(near(sender.share, 1.0) && found.payload_kib.value().is_some());
    for absent in [&sender.cpu_ns_per_kib, &sender.categories[0].cpu_ns_per_kib, &found.idle_share]
    {
        assert!(absent.reason().unwrap().contains("a halted CPU counts none"), "{absent:?}");
    }
}

#[test]
fn a_profile_without_a_sample_has_no_shares() {
    let found = sorted(profile("cpu-clock", &[]));
    assert_eq!((found.samples, found.busy_samples, found.sides.len()), (0, 0, 0));
    assert!(near(found.unmapped_share, 0.0));
}

#[test]
fn a_place_beyond_the_symbols_is_unknown_and_no_crash() {
    let mut odd = profile("cpu-clock", &[(Owner::Sender, "tcp_ack", 3)]);
    odd.stacks[0].frames = vec![7];
    assert_eq!(sorted(odd).unmapped_symbols[0].symbol, "[unknown]");
}

#[test]
fn flame_graphs_have_names_that_every_file_system_takes() {
    let plan = Plan::preset(Preset::Default);
    let mut stems: Vec<String> = plan.cells().iter().map(stem).collect();
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
    assert!(stems.iter().all(|stem| stem.len() <= LONGEST_STEM && stem.chars().all(allowed)));
    stems.sort();
    let all = stems.len();
    stems.dedup();
    assert_eq!(stems.len(), all);
}

#[test]
fn of_several_profiles_of_a_cell_the_last_counts() {
    let one = audited(profile("cpu-clock", &[(Owner::Sender, "tcp_ack", 1)]));
    let two = audited(profile("cpu-clock", &[(Owner::Sender, "tcp_ack", 2)]));
    let other = Audited { profile: Measured::absent("another instrument's"), ..two.clone() };
    let found = profiles([&one, &two, &other]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].2.stacks[0].samples, 2);
}
