//! Counters, idle times and `/proc` on the running kernel, and counters on a scripted one: no
//! machine at hand has a PMU of every kind.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test's own functions may fail it; what is skipped is said"
)]

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use kernel::Errno;
use kernel::allocator::CountingAllocator;
use kernel::counter_probe::{Answer, probe, probe_with};
use kernel::idle::{IdleClock, IdleSource};
use kernel::machine::{LIVE, Machine};
use kernel::perf::{CounterName, CounterSource, Counters, EventRequest, Opened, Reading};
use kernel::pmu::{CorePmu, Pmus, Surroundings};
use kernel::snmp::{Snmp, SnmpCounter};
use kernel::stat::{Stat, TimeAccounting};
use kernel::topology::Topology;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// One counter's state in the script: value, time enabled, time running.
type State = (u64, u64, u64);

/// Answers like a kernel would, from tables.
#[derive(Clone, Debug, Default)]
struct Script {
    refusals: HashMap<(CounterName, u32), i32>,
    refusals_in_a_group: HashMap<CounterName, i32>,
    states: HashMap<(CounterName, u32), State>,
    fault: Option<i32>,
    cut: Option<usize>,
    opened: Vec<EventRequest>,
    group_of: Vec<usize>,
}

#[derive(Clone, Debug, Default)]
struct Scripted(Rc<RefCell<Script>>);

fn pmu_of(request: EventRequest) -> u32 {
    u32::try_from(request.config >> 32).unwrap()
}

impl CounterSource for Scripted {
    type Event = usize;

    fn open(&mut self, request: EventRequest, leader: Option<&usize>) -> Result<usize, Errno> {
        let mut script = self.0.borrow_mut();
        if let Some(errno) = script.refusals.get(&(request.counter, pmu_of(request))) {
            return Err(Errno(*errno));
        }
        if leader.is_some()
            && let Some(errno) = script.refusals_in_a_group.get(&request.counter)
        {
            return Err(Errno(*errno));
        }
        let event = script.opened.len();
        script.opened.push(request);
        script.group_of.push(leader.copied().unwrap_or(event));
        Ok(event)
    }

    fn id(&mut self, event: &usize) -> Result<u64, Errno> {
        Ok(1000 + u64::try_from(*event).unwrap())
    }

    fn enable_group(&mut self, _: &usize) -> Result<(), Errno> {
        Ok(())
    }

    fn disable_group(&mut self, _: &usize) -> Result<(), Errno> {
        Ok(())
    }

    fn read_group(&mut self, leader: &usize, buffer: &mut [u8]) -> Result<usize, Errno> {
        let script = self.0.borrow();
        if let Some(errno) = script.fault {
            return Err(Errno(errno));
        }
        let members: Vec<usize> =
            (0..script.opened.len()).filter(|event| script.group_of[*event] == *leader).collect();
        let state = |event: usize| {
            let request = script.opened[event];
            let key = (request.counter, pmu_of(request));
            script.states.get(&key).copied().unwrap_or_default()
        };
        let (_, enabled, running) = state(*leader);
        let mut words = vec![u64::try_from(members.len()).unwrap(), enabled, running];
        for event in members {
            words.extend([state(event).0, 1000 + u64::try_from(event).unwrap()]);
        }
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let length = script.cut.unwrap_or(bytes.len());
        buffer[..length].copy_from_slice(&bytes[..length]);
        Ok(length)
    }
}

fn pmu(name: &str, pmu_type: u32) -> CorePmu {
    CorePmu {
        name: name.to_owned(),
        pmu_type,
        cpus: Vec::new(),
        events: vec![("cache-misses".to_owned(), "event=0x2e".to_owned())],
        caps: Vec::new(),
    }
}

fn machine_with(core: Vec<CorePmu>) -> Surroundings {
    Surroundings { paranoid: Ok(1), is_root: true, is_virtual: false, pmus: Ok(Pmus { core }) }
}

fn hybrid() -> Surroundings {
    machine_with(vec![pmu("cpu_core", 4), pmu("cpu_atom", 10)])
}

fn open(script: &Scripted, around: &Surroundings, wanted: &[CounterName]) -> Opened<Scripted> {
    Counters::open_with(script.clone(), around, wanted)
}

/// The window's count of one counter, when its state goes from `before` to `after` on each PMU.
fn count(
    script: &Scripted,
    opened: &mut Opened<Scripted>,
    counter: CounterName,
    pmus: &[(u32, State, State)],
) -> Result<kernel::perf_format::Count, kernel::Unavailable> {
    let counters = &mut opened.counters;
    counters.enable().unwrap();
    for (pmu, before, _) in pmus {
        script.0.borrow_mut().states.insert((counter, *pmu), *before);
    }
    let before = counters.read();
    for (pmu, _, after) in pmus {
        script.0.borrow_mut().states.insert((counter, *pmu), *after);
    }
    let after = counters.read();
    counters.disable().unwrap();
    counters.delta_of(counter, &before, &after)
}

#[test]
fn every_group_fits_beside_the_fixed_counters() {
    let script = Scripted::default();
    let opened = open(&script, &machine_with(vec![pmu("cpu", 4)]), &CounterName::ALL);
    assert!(opened.unavailable.is_empty());
    let script = script.0.borrow();
    for leader in 0..script.opened.len() {
        let programmable = (0..script.opened.len())
            .filter(|event| script.group_of[*event] == leader)
            .filter(|event| !script.opened[*event].counter.is_software());
        assert!(programmable.count() <= 4);
    }
    assert!(script.opened.iter().all(|request| request.config >> 32 == 0), "one PMU is not named");
}

#[test]
fn a_missing_event_leaves_the_rest_of_its_group_alone() {
    let script = Scripted::default();
    script.0.borrow_mut().refusals.insert((CounterName::LlcLoads, 0), libc::ENOENT);
    let around = machine_with(vec![pmu("cpu", 4)]);
    let mut opened = open(&script, &around, &[CounterName::LlcLoads, CounterName::LlcMisses]);
    assert_eq!(opened.unavailable.len(), 1);
    assert!(opened.unavailable[0].1.because.contains("no such event"));
    let misses =
        count(&script, &mut opened, CounterName::LlcMisses, &[(0, (5, 100, 100), (25, 300, 300))]);
    assert_eq!(misses.unwrap().value, 20);
}

#[test]
fn an_event_that_does_not_fit_its_group_leads_one_of_its_own() {
    let script = Scripted::default();
    script.0.borrow_mut().refusals_in_a_group.insert(CounterName::DtlbMisses, libc::EINVAL);
    let around = machine_with(vec![pmu("cpu", 4)]);
    let mut opened = open(&script, &around, &[CounterName::L1dMisses, CounterName::DtlbMisses]);
    assert!(opened.unavailable.is_empty());
    for counter in [CounterName::L1dMisses, CounterName::DtlbMisses] {
        let counted = count(&script, &mut opened, counter, &[(0, (0, 0, 0), (7, 9, 9))]);
        assert_eq!(counted.unwrap().value, 7);
    }
}

#[test]
fn a_machine_without_a_pmu_gives_every_reason_and_no_zero() {
    let script = Scripted::default();
    for counter in CounterName::ALL {
        script.0.borrow_mut().refusals.insert((counter, 0), libc::ENOENT);
    }
    let mut opened = open(&script, &machine_with(Vec::new()), &CounterName::ALL);
    let snapshot = opened.counters.read();
    let counts = opened.counters.delta(&snapshot, &snapshot);
    assert_eq!(counts.len(), CounterName::ALL.len());
    assert!(counts.iter().all(|(_, count)| count.is_err()));
}

#[test]
fn a_multiplexed_counter_is_scaled_and_marked_through_the_live_code() {
    let script = Scripted::default();
    let mut opened = open(&script, &machine_with(vec![pmu("cpu", 4)]), &[CounterName::Cycles]);
    let cycles = [(0, (100, 1000, 1000), (600, 3000, 2000))];
    let counted = count(&script, &mut opened, CounterName::Cycles, &cycles).unwrap();
    assert_eq!((counted.value, counted.scaled), (1000, true));
}

#[test]
fn a_counter_that_never_ran_is_absent_through_the_live_code() {
    let script = Scripted::default();
    let mut opened = open(&script, &machine_with(vec![pmu("cpu", 4)]), &[CounterName::Cycles]);
    let never = [(0, (0, 1000, 0), (0, 3000, 0))];
    let refusal = count(&script, &mut opened, CounterName::Cycles, &never).unwrap_err();
    assert!(refusal.because.contains("never scheduled onto the PMU"), "{refusal}");
}

#[test]
fn cycles_that_stand_still_while_running_are_absent() {
    let script = Scripted::default();
    let mut opened = open(&script, &machine_with(vec![pmu("cpu", 4)]), &[CounterName::Cycles]);
    let still = [(0, (0, 1000, 1000), (0, 3000, 3000))];
    let refusal = count(&script, &mut opened, CounterName::Cycles, &still).unwrap_err();
    assert!(refusal.because.contains("does not count"), "{refusal}");
}

#[test]
fn a_hybrid_cpus_counters_are_opened_on_each_core_type_and_summed() {
    let script = Scripted::default();
    let mut opened = open(&script, &hybrid(), &[CounterName::Cycles]);
    let types: Vec<u64> =
        script.0.borrow().opened.iter().map(|request| request.config >> 32).collect();
    assert_eq!(types, [4, 10]);
    let both = [(4, (0, 0, 0), (6000, 1000, 600)), (10, (0, 0, 0), (2000, 1000, 400))];
    let counted = count(&script, &mut opened, CounterName::Cycles, &both).unwrap();
    assert_eq!((counted.value, counted.scaled), (8000, false));
}

#[test]
fn a_counter_of_one_core_type_counts_only_for_threads_that_stay_there() {
    let script = Scripted::default();
    script.0.borrow_mut().refusals.insert((CounterName::L1dMisses, 10), libc::ENOENT);
    let mut opened = open(&script, &hybrid(), &[CounterName::L1dMisses]);
    assert!(opened.unavailable.is_empty());
    let stayed = [(4, (0, 0, 0), (500, 1000, 1000))];
    let counted = count(&script, &mut opened, CounterName::L1dMisses, &stayed).unwrap();
    assert_eq!(counted.value, 500);
    let strayed = [(4, (0, 0, 0), (500, 1000, 600))];
    let refusal = count(&script, &mut opened, CounterName::L1dMisses, &strayed).unwrap_err();
    assert!(refusal.because.contains("cpu_atom"), "{refusal}");
}

#[test]
fn software_counters_are_opened_once_on_a_hybrid_cpu() {
    let script = Scripted::default();
    open(&script, &hybrid(), &[CounterName::ContextSwitches, CounterName::TaskClock]);
    assert_eq!(script.0.borrow().opened.len(), 2);
}

#[test]
fn a_failed_or_cut_reading_is_absent_with_its_reason() {
    let script = Scripted::default();
    let mut opened = open(&script, &machine_with(vec![pmu("cpu", 4)]), &[CounterName::Cycles]);
    let before = opened.counters.read();
    script.0.borrow_mut().cut = Some(17);
    let cut = opened.counters.read();
    assert!(matches!(cut.reading(CounterName::Cycles), Reading::Failed(_)));
    let refusal = opened.counters.delta_of(CounterName::Cycles, &before, &cut).unwrap_err();
    assert!(refusal.because.contains("17 bytes"), "{refusal}");
    script.0.borrow_mut().fault = Some(libc::EIO);
    let failed = opened.counters.read();
    assert!(opened.counters.delta_of(CounterName::Cycles, &before, &failed).is_err());
}

#[test]
fn a_probe_tells_no_from_could_not_tell() {
    let script = Scripted::default();
    script.0.borrow_mut().refusals.insert((CounterName::Cycles, 0), libc::EACCES);
    script.0.borrow_mut().refusals.insert((CounterName::LlcMisses, 0), libc::EMFILE);
    let mut around = machine_with(vec![pmu("cpu", 4)]);
    around.is_root = false;
    around.paranoid = Ok(4);
    let wanted = [CounterName::Cycles, CounterName::LlcMisses, CounterName::CacheMisses];
    let answers = probe_with(script, &around, &wanted);
    let [(_, Answer::No(no)), (_, Answer::CouldNotTell(_)), (_, Answer::Yes { raw_event })] =
        &answers[..]
    else {
        panic!("{answers:?}");
    };
    assert!(no.remedy.unlock.contains("perf_event_paranoid=1"), "{no}");
    assert_eq!(raw_event.as_deref(), Some("cpu/event=0x2e/"));
}

#[test]
fn a_thread_that_sleeps_n_times_is_switched_at_least_n_times() {
    const SLEEPS: u64 = 25;
    let mut opened = Counters::open(&[CounterName::ContextSwitches, CounterName::TaskClock]);
    if let Some((_, why)) = opened.unavailable.first() {
        eprintln!("skipped: {why}");
        return;
    }
    let counters = &mut opened.counters;
    counters.enable().unwrap();
    let before = counters.read();
    for _ in 0..SLEEPS {
        std::thread::sleep(Duration::from_micros(200));
    }
    let after = counters.read();
    counters.disable().unwrap();
    let switches = counters.delta_of(CounterName::ContextSwitches, &before, &after).unwrap();
    assert!(switches.value >= SLEEPS, "{switches:?}");
    assert!(!switches.scaled);
    let clock = counters.delta_of(CounterName::TaskClock, &before, &after).unwrap();
    assert!(clock.value > 0, "{clock:?}");
}

/// What this thread counts while it does something; none, with the reason printed, where the machine lacks one of the counters.
fn counted(wanted: &[CounterName], work: impl FnOnce()) -> Option<Vec<u64>> {
    let mut opened = Counters::open(wanted);
    if let Some((_, why)) = opened.unavailable.first() {
        eprintln!("skipped: {why}");
        return None;
    }
    let counters = &mut opened.counters;
    counters.enable().unwrap();
    let before = counters.read();
    work();
    let after = counters.read();
    counters.disable().unwrap();
    let count = |counter: &CounterName| match counters.delta_of(*counter, &before, &after) {
        Ok(count) => Some(count.value),
        // A machine may have the event and nothing that counts it.
        Err(why) => {
            eprintln!("skipped: {why}");
            None
        }
    };
    wanted.iter().map(count).collect()
}

fn spin(rounds: u64) {
    let sum = (0..rounds).fold(0_u64, |sum, next| std::hint::black_box(sum.rotate_left(3) ^ next));
    std::hint::black_box(sum);
}

#[test]
fn live_cycles_are_those_of_a_cpu_while_the_thread_runs() {
    let wanted = [CounterName::Cycles, CounterName::TaskClock];
    let Some(counts) = counted(&wanted, || spin(2_000_000)) else { return };
    let [cycles, running_ns] = counts[..] else { panic!("{counts:?}") };
    // No CPU is slower than 100 MHz or faster than 10 GHz.
    assert!(cycles >= running_ns / 10 && cycles <= running_ns * 10, "{cycles} in {running_ns} ns");
}

#[test]
fn live_cycles_of_a_thread_that_sleeps_are_few() {
    let asleep = Duration::from_millis(300);
    let Some(cycles) = counted(&[CounterName::Cycles], || std::thread::sleep(asleep)) else {
        return;
    };
    let Some(all) = counted(&[CounterName::Cycles], || {
        let began_ns = kernel::clock::thread_cpu_ns();
        while kernel::clock::thread_cpu_ns() < began_ns + 300_000_000 {
            spin(1000);
        }
    }) else {
        return;
    };
    assert!(cycles[0] < all[0] / 2, "{cycles:?} asleep, {all:?} awake as long");
}

#[test]
fn live_instructions_are_at_least_those_of_the_loop_and_grow_with_it() {
    const ROUNDS: u64 = 1_000_000;
    let once = counted(&[CounterName::Instructions], || spin(ROUNDS));
    let thrice = counted(&[CounterName::Instructions], || spin(3 * ROUNDS));
    let (Some(once), Some(thrice)) = (once, thrice) else { return };
    // A round has an instruction that rotates, one that combines and one that counts; instructions of interrupts come on top.
    assert!(once[0] >= 2 * ROUNDS, "{once:?}");
    assert!(thrice[0] > 2 * once[0] && thrice[0] < 6 * once[0], "{once:?} and {thrice:?}");
}

#[test]
fn reading_counters_allocates_nothing() {
    let mut opened = Counters::open(&CounterName::ALL);
    if opened.unavailable.len() == CounterName::ALL.len() {
        eprintln!("skipped: {}", opened.unavailable[0].1);
        return;
    }
    opened.counters.enable().unwrap();
    let before = CountingAllocator::of_this_thread();
    let snapshots = [opened.counters.read(), opened.counters.read()];
    assert_eq!(CountingAllocator::of_this_thread() - before, 0, "{snapshots:?}");
}

#[test]
fn counters_count_only_the_thread_that_opened_them() {
    let mut opened = Counters::open(&[CounterName::ContextSwitches]);
    if let Some((_, why)) = opened.unavailable.first() {
        eprintln!("skipped: {why}");
        return;
    }
    // Reading from another thread works; the other thread's own switches are not in it.
    opened.counters.enable().unwrap();
    let (before, after) = std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let before = opened.counters.read();
            for _ in 0..200 {
                std::thread::sleep(Duration::from_micros(100));
            }
            (before, opened.counters.read())
        });
        other.join().unwrap()
    });
    let counted = opened.counters.delta_of(CounterName::ContextSwitches, &before, &after).unwrap();
    assert!(counted.value < 200, "{counted:?}");
}

#[test]
fn every_counter_of_this_machine_counts_or_says_why_not() {
    for (counter, answer) in probe(&CounterName::ALL) {
        match answer {
            Answer::Yes { .. } => {}
            Answer::No(why) | Answer::CouldNotTell(why) => {
                assert!(!why.because.is_empty());
                eprintln!("skipped: {counter}: {why}");
            }
        }
    }
}

#[test]
fn a_cpus_busy_time_lies_within_the_window_and_its_error_is_stated() {
    let cpus: Vec<usize> = Stat::read().unwrap().cpus.iter().map(|(cpu, _)| *cpu).collect();
    let (mut chosen, error_ns) = IdleClock::choose(&cpus).unwrap();
    assert!(error_ns > 0);
    for refusal in chosen.refused() {
        eprintln!("skipped: {refusal}");
    }
    let before = chosen.read().unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let after = chosen.read().unwrap();
    let window_ns = after.monotonic_ns - before.monotonic_ns;
    let busy = chosen.busy(&before, &after);
    assert_eq!(busy.len(), cpus.len());
    assert!(busy.iter().all(|busy| busy.busy_ns <= window_ns));
}

#[test]
fn all_cpus_together_were_busy_at_least_as_long_as_this_thread_ran() {
    let cpus: Vec<usize> = Stat::read().unwrap().cpus.iter().map(|(cpu, _)| *cpu).collect();
    for source in [IdleSource::TimerList, IdleSource::CpuIdle, IdleSource::ProcStat] {
        let mut clock = match IdleClock::open(source, &cpus) {
            Ok(clock) => clock,
            Err(why) => {
                eprintln!("skipped: {}: {why}", source.name());
                continue;
            }
        };
        let before = clock.read().unwrap();
        let began_ns = kernel::clock::thread_cpu_ns();
        while kernel::clock::thread_cpu_ns() < began_ns + 60_000_000 {
            std::hint::spin_loop();
        }
        let ran_ns = kernel::clock::thread_cpu_ns() - began_ns;
        let after = clock.read().unwrap();
        let busy = clock.busy(&before, &after);
        let busy_ns: u64 = busy.iter().map(|busy| busy.busy_ns + busy.error_ns).sum();
        assert!(busy_ns >= ran_ns, "{}: {busy:?}, ran {ran_ns} ns", source.name());
    }
}

#[test]
fn a_cpu_that_does_not_exist_has_no_idle_time() {
    assert!(IdleClock::choose(&[60_000]).is_err());
}

#[test]
fn the_running_kernels_counts_are_read() {
    let before = Stat::read().unwrap();
    assert!(before.context_switches.is_some());
    let snmp = Snmp::read().unwrap();
    assert!(snmp.get(SnmpCounter::RetransSegs).is_some());
    if let Err(why) = TimeAccounting::find() {
        eprintln!("skipped: {why}");
    }
}

#[test]
fn the_running_machine_is_described() {
    let root = Path::new(LIVE);
    let machine = Machine::read();
    assert!(machine.memory_bytes.is_ok());
    match &machine.interfaces {
        Ok(interfaces) => assert!(interfaces.iter().any(|interface| interface.name == "lo")),
        Err(why) => eprintln!("skipped: {why}"),
    }
    match Topology::read(root) {
        Ok(topology) => {
            let all: Vec<usize> = topology.cpus.iter().map(|cpu| cpu.cpu).collect();
            let cores = topology.physical_cores(&all);
            assert_eq!(cores.iter().map(Vec::len).sum::<usize>(), all.len());
        }
        Err(why) => eprintln!("skipped: {why}"),
    }
    match machine.cpu_quota {
        Ok(quota) => {
            if let Err(why) = quota.throttled(root) {
                eprintln!("skipped: {why}");
            }
        }
        Err(why) => eprintln!("skipped: {why}"),
    }
}
