//! Compares the sources of idle time: what each reads of a sleeping, a half busy and a busy CPU.
//!
//! `cargo run --release -p copycost-kernel --example idle_sources`; the last allowed CPU should have nothing
//! else to do. The table in `kernel::idle` comes from this.
#![allow(clippy::print_stdout, reason = "printing is all that it is for")]

use std::time::{Duration, Instant};

use kernel::idle::{IdleClock, IdleSnapshot, IdleSource, busy};
use kernel::stat::Stat;

const WINDOW: Duration = Duration::from_millis(250);
const ROUNDS: u32 = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cpus: Vec<usize> = Stat::read()?.cpus.iter().map(|(cpu, _)| *cpu).collect();
    let victim = *cpus.last().ok_or("no CPU")?;
    let mut clocks = Vec::new();
    for source in [IdleSource::TimerList, IdleSource::CpuIdle, IdleSource::ProcStat] {
        match IdleClock::open(source, &[victim]) {
            Ok(clock) => clocks.push(clock),
            Err(refusal) => println!("{}: {refusal}", source.name()),
        }
    }
    for clock in &mut clocks {
        let begin = Instant::now();
        for _ in 0..100 {
            clock.read()?;
        }
        println!("{}: {} us a reading", clock.source().name(), begin.elapsed().as_micros() / 100);
    }
    for busy_ms in [0, 125, 400] {
        for _ in 0..ROUNDS {
            let spinner = std::thread::spawn(move || spin(victim, busy_ms));
            if busy_ms > 250 {
                std::thread::sleep(Duration::from_millis(20));
            }
            let before = read_all(&mut clocks)?;
            std::thread::sleep(WINDOW);
            let after = read_all(&mut clocks)?;
            spinner.join().map_err(|_| "the spinning thread died")??;
            println!("CPU {victim}, a thread with {busy_ms} ms of CPU time:");
            for (clock, (before, after)) in clocks.iter().zip(before.iter().zip(&after)) {
                print(clock.source(), before, after);
            }
        }
    }
    Ok(())
}

fn read_all(clocks: &mut [IdleClock]) -> Result<Vec<IdleSnapshot>, kernel::Unavailable> {
    clocks.iter_mut().map(IdleClock::read).collect()
}

fn print(source: IdleSource, before: &IdleSnapshot, after: &IdleSnapshot) {
    let window_ns = after.monotonic_ns - before.monotonic_ns;
    for (busy, (before, after)) in
        busy(source, before, after).iter().zip(before.cpus.iter().zip(&after.cpus))
    {
        let idle_ns = after.fine.idle_ns.saturating_sub(before.fine.idle_ns);
        println!(
            "  {:10} busy {:>9} us of {window_ns} ns, error {:>6} us, unchecked idle {:>7} us, from {}",
            source.name(),
            busy.busy_ns / 1000,
            busy.error_ns / 1000,
            idle_ns / 1000,
            busy.source.name()
        );
    }
}

fn spin(cpu: usize, milliseconds: u64) -> Result<(), kernel::CallError> {
    kernel::cpu::pin_thread(&[cpu])?;
    let end_ns = kernel::clock::thread_cpu_ns() + milliseconds * 1_000_000;
    while kernel::clock::thread_cpu_ns() < end_ns {}
    Ok(())
}
