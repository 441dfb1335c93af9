//! One trial without the study around it: `cargo run --release -p copycost-engine --example one_trial -- 'send=sendmsg message_bytes=65536 threads=1' 250ms`
//!
//! Prints the record of each of its (by default five) trials in short, and the last one whole with `--json`.
#![allow(clippy::print_stdout, reason = "an example tells what it measured")]

use std::process::ExitCode;

use engine::{Engine, EngineOptions, Interrupts, TrialOrder};
use model::record::Outcome;
use model::{Cell, Nanos};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.peek().is_some_and(|word| word == "end") {
        return engine::end::main();
    }
    match run(&arguments.collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("{why}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<(), String> {
    let words: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|word| !word.starts_with("--")).collect();
    let cell: Cell =
        words.first().copied().unwrap_or("send=sendmsg message_bytes=65536 threads=1").parse()?;
    let window: Nanos = words.get(1).copied().unwrap_or("250ms").parse()?;
    let trials: u32 =
        words.get(2).copied().unwrap_or("5").parse().map_err(|_| "how many trials?")?;
    let warmup: Nanos = words.get(3).copied().unwrap_or("100ms").parse()?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let interrupts = Interrupts::install()?;
    let mut engine = Engine::new(EngineOptions { program, interrupts, peer: None })
        .map_err(|error| error.to_string())?;
    let idle = engine.begin_round().map_err(|error| error.to_string())?;
    println!("idle: {idle:?}");
    let mut last = None;
    for _ in 0..trials {
        let order = TrialOrder { cell: cell.clone(), window, warmup, tail: Nanos::ms(10) };
        let began = std::time::Instant::now();
        let (_, outcome) = engine.trial(&order).map_err(|error| error.to_string())?;
        let took = began.elapsed();
        match &outcome {
            Outcome::Failed(failure) => println!("failed: {}", failure.why),
            Outcome::Imported(_) => println!("imported"),
            Outcome::Finished(finished) => {
                let rate: f64 = finished
                    .receiver
                    .workers
                    .iter()
                    .map(|w| w.bytes.0 as f64 * 8.0 / (w.window_ns.0.max(1) as f64))
                    .sum();
                let cpu = |workers: &[model::record::Worker]| {
                    let ns: u64 = workers.iter().map(|w| w.cpu_ns.0).sum();
                    let bytes: u64 = workers.iter().map(|w| w.bytes.0).sum();
                    ns as f64 / (bytes as f64 / 1024.0)
                };
                println!(
                    "{rate:8.3} Gbit/s  sender {:8.1} receiver {:8.1} ns/KiB  took {took:?}  thirds {:?} late {:?} off {:?}",
                    cpu(&finished.sender.workers),
                    cpu(&finished.receiver.workers),
                    finished.receiver.workers.iter().fold([0; 3], |mut sum, w| {
                        for ((s, b), ns) in sum.iter_mut().zip(w.third_bytes).zip(w.third_ns) {
                            // Mbit/s.
                            *s += b * 8000 / ns.max(1);
                        }
                        sum
                    }),
                    finished.sender.workers.iter().map(|w| w.late_ns / 1000).max(),
                    finished
                        .sender
                        .workers
                        .iter()
                        .map(|w| w.window_ns.0.abs_diff(window.0) / 1000)
                        .max(),
                );
            }
        }
        last = Some(outcome);
    }
    engine.end_round();
    if arguments.iter().any(|word| word == "--json") {
        let text = serde_json::to_string_pretty(&last).map_err(|error| error.to_string())?;
        println!("{text}");
    }
    Ok(())
}
