//! Measures the send paths at one size in turns, and prints what each slice said:
//! `cargo run --release -p copycost-engine --example one_series -- SIZE SLICE SETTLE TURNS [ROUNDS [THREADS]]`, such as
//! `4KiB 5ms 1500us 25 3`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "an example tells what it measured, and stops where it stands"
)]

use engine::{Engine, EngineOptions, Interrupts, SeriesOrder, SliceTimes};
use model::record::Outcome;
use model::{Cell, Nanos, SendPath};

fn main() {
    if std::env::args().nth(1).as_deref() == Some("end") {
        std::process::exit(i32::from(engine::end::main() != std::process::ExitCode::SUCCESS));
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let size = args[0].parse().unwrap();
    let slice: Nanos = args[1].parse().unwrap();
    let settle: Nanos = args[2].parse().unwrap();
    let turns: usize = args[3].parse().unwrap();
    let rounds: usize = args.get(4).map_or(1, |n| n.parse().unwrap());
    let threads = args.get(5).map_or(1, |n| n.parse().unwrap());
    let interrupts = Interrupts::install().unwrap();
    let program = std::env::current_exe().unwrap();
    let mut engine = Engine::new(EngineOptions { program, interrupts, peer: None }).unwrap();
    let cells: Vec<Cell> = [SendPath::Send, SendPath::Sendmsg, SendPath::Zerocopy]
        .into_iter()
        .map(|send_path| Cell {
            send_path,
            message: size,
            threads: model::values::Threads::new(threads).unwrap(),
            ..Cell::default()
        })
        .collect();
    for round in 0..rounds {
        let turn = |n: usize| (0..3).map(|k| (k * (1 + n % 2) + n) % 3).collect::<Vec<_>>();
        let order = SeriesOrder {
            cells: cells.clone(),
            slice: SliceTimes { settle, window: Nanos(slice.0 - settle.0) },
            warmup_turns: (0..4).map(turn).collect(),
            warmup_window: Nanos(slice.0 - settle.0),
            turns: (round..round + turns).map(turn).collect(),
            steady: Some((Nanos::ms(60), turn(round))),
        };
        engine.end_round();
        let begun = std::time::Instant::now();
        let outcomes = engine.series(&order).unwrap();
        let took = begun.elapsed();
        let mut logs = Vec::new();
        for (cell, outcome) in cells.iter().zip(&outcomes) {
            match outcome {
                Some((_, Outcome::Finished(finished))) => {
                    let worker = &finished.receiver.workers[0];
                    let sender = &finished.sender.workers[0];
                    let rates: Vec<f64> = worker
                        .slices
                        .iter()
                        .map(|s| s.bytes as f64 * 8.0 / s.window_ns as f64)
                        .collect();
                    logs.push(rates.iter().map(|rate| rate.ln()).collect::<Vec<_>>());
                    let cpu = sender.cpu_ns.0 as f64 / sender.bytes.0 as f64 * 1024.0;
                    let rate = worker.bytes.0 as f64 * 8.0 / worker.window_ns.0 as f64;
                    let steady = worker.steady.unwrap();
                    let steady = steady.bytes as f64 * 8.0 / steady.window_ns as f64;
                    println!(
                        "{} {rate:.3} Gbit/s {cpu:.1} ns/KiB late {} window {} of {} steady {steady:.3} moved {:?} lost {}",
                        cell.send_path,
                        worker.late_ns,
                        worker.window_ns,
                        Nanos((slice.0 - settle.0) * turns as u64),
                        finished.machine.moved_bytes,
                        finished.sender.total.accepted_bytes
                            - finished.receiver.total.received_bytes,
                    );
                }
                other => println!("{other:?}"),
            }
        }
        if let [a, b, c] = &logs[..] {
            let ratio = |over: &[f64], under: &[f64]| {
                let n = over.len() as f64;
                let logs: Vec<f64> = over.iter().zip(under).map(|(x, y)| x - y).collect();
                let mean = logs.iter().sum::<f64>() / n;
                let sd = (logs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
                format!("{:.3} (sd of a turn {sd:.3})", mean.exp())
            };
            println!("sendmsg/send {}; zerocopy/sendmsg {}; {took:?}", ratio(b, a), ratio(c, b));
        }
    }
}
