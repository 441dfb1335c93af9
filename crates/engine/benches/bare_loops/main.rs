//! Each send path's loop against a bare C loop of the same calls (`loops.c`): `cargo bench -p copycost-engine --bench bare_loops
//! [PAIRS [BYTES...] [PATH...]]`. It compiles the C with `cc` (or `$CC`).
//!
//! The pump with messages of 64 B (or BYTES) in 8 fields, on loopback, and the C program with the same messages: CPU time of the sending
//! thread a message, both on fresh connections in turn, pinned alike, in windows of 120 ms; the median of the paired ratios is the
//! figure, with the 95 % interval of a median from the order of the ratios.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark tells what it measured and stops where it cannot go on"
)]

#[path = "../common/mod.rs"]
mod common;

use std::path::Path;
use std::process::{Command, Stdio};

use common::{listener, pumped, quantile, receiving};
use engine::release_times::timed_one_in;
use engine::send_paths::{
    Send, SendMore, SendPath, Sendfile, Sendmsg, Splice, Staged, UringSend, UringSendZc,
    UringSendZcFixed, UringSendmsg, UringSendmsgZc, UringWriteFixed, Zerocopy,
};
use kernel::cpu;
use model::message::Message;

/// A path by its name, and its pump over a ring of so many slots: CPU time in ns and messages.
struct Loop {
    path: model::SendPath,
    supported: fn() -> Result<(), String>,
    pumped: fn(&Message, u32, Option<u32>) -> (u64, u64),
}

fn of<P: SendPath>(path: model::SendPath) -> Loop {
    Loop {
        path,
        supported: || P::supported().map_err(|missing| missing.because.clone()),
        pumped: pumped::<P>,
    }
}

fn all() -> Vec<Loop> {
    use model::SendPath as Path;
    vec![
        of::<Send>(Path::Send),
        of::<SendMore>(Path::SendMore),
        of::<Staged>(Path::Staged),
        of::<Sendmsg>(Path::Sendmsg),
        of::<Zerocopy>(Path::Zerocopy),
        of::<Sendfile>(Path::Sendfile),
        of::<Splice>(Path::Splice),
        of::<UringSend>(Path::UringSend),
        of::<UringSendmsg>(Path::UringSendmsg),
        of::<UringWriteFixed>(Path::UringWriteFixed),
        of::<UringSendZc>(Path::UringSendZc),
        of::<UringSendmsgZc>(Path::UringSendmsgZc),
        of::<UringSendZcFixed>(Path::UringSendZcFixed),
    ]
}

/// Slots of the ring: one where a message is free when the call returns, else enough for notifications to merge.
fn slots(path: model::SendPath) -> u32 {
    if path.capabilities().gets_notifications { 64 } else { 1 }
}

fn main() {
    let words: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let pairs: usize = words.first().and_then(|word| word.parse().ok()).unwrap_or(40);
    let (sizes, asked): (Vec<&String>, Vec<&String>) =
        words.iter().skip(1).partition(|word| word.parse::<u64>().is_ok());
    let sizes: Vec<&str> = if sizes.is_empty() {
        vec!["64"]
    } else {
        sizes.iter().map(|size| size.as_str()).collect()
    };
    let work = tempfile::tempdir().unwrap();
    let program = work.path().join("loops");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/bare_loops/loops.c");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let done = Command::new(&compiler)
        .args(["-O2", "-o"])
        .arg(&program)
        .arg(&source)
        .arg("-lpthread")
        .status();
    assert!(
        done.is_ok_and(|status| status.success()),
        "{compiler} did not compile {}",
        source.display()
    );
    for size in sizes {
        let cell = format!("message_bytes={size}").parse().unwrap();
        let message = Message::of(&cell, 4096).unwrap();
        println!(
            "{size} B in 8 fields, {pairs} pairs: CPU ns a message of the C loop and of the pump, and pump / C (95 % interval)"
        );
        for one in all() {
            let name = one.path.name();
            if !asked.is_empty() && !asked.iter().any(|word| *word == name) {
                continue;
            }
            if let Err(why) = (one.supported)() {
                println!("{name}: skipped: {why}");
                continue;
            }
            compare(&one, &message, &program, pairs);
        }
    }
}

fn compare(one: &Loop, message: &Message, program: &Path, pairs: usize) {
    let slots = slots(one.path);
    let pump = || {
        // As in a trial: where a release is told, that of some messages is timed.
        let timed = one
            .path
            .capabilities()
            .gets_notifications
            .then(|| timed_one_in(message.bytes() as u64));
        let (cpu_ns, messages) = (one.pumped)(message, slots, timed);
        cpu_ns as f64 / messages as f64
    };
    let (mut bare_ns, mut pump_ns, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..pairs {
        // Every other pair the other way round, so that drift cancels.
        let (bare, pumped) = if pair % 2 == 0 {
            let bare = bare(program, one.path.name(), message, slots);
            (bare, pump())
        } else {
            let pumped = pump();
            (bare(program, one.path.name(), message, slots), pumped)
        };
        bare_ns.push(bare);
        pump_ns.push(pumped);
        ratios.push(pumped / bare);
    }
    let median = quantile(&mut ratios, 0.5);
    let (low, high) = interval(&ratios);
    println!(
        "{:<20} {:>7.0} {:>7.0}  {median:.3} [{low:.3}, {high:.3}]",
        one.path.name(),
        quantile(&mut bare_ns, 0.5),
        quantile(&mut pump_ns, 0.5),
    );
}

/// The 95 % interval of the median of sorted values, by their order: normal approximation to the binomial.
fn interval(sorted: &[f64]) -> (f64, f64) {
    let n = sorted.len() as f64;
    let reach = 0.98 * n.sqrt();
    let place = |at: f64| sorted[(at.round().max(0.0) as usize).min(sorted.len() - 1)];
    (place(n / 2.0 - reach - 0.5), place(n / 2.0 + reach - 0.5))
}

/// CPU time a message of the C loop, in ns.
fn bare(program: &Path, path: &str, message: &Message, slots: u32) -> f64 {
    let (listener, address) = listener();
    let cpus = cpu::allowed().unwrap();
    let fields = message.fields().iter().map(|field| format!("{}:{}", field.offset, field.length));
    let child = Command::new(program)
        .arg(path)
        .arg(address.port().to_string())
        .arg(cpus.cpus()[0].to_string())
        .arg(slots.to_string())
        .arg(message.stride().to_string())
        .args(fields)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let receiver = receiving(&listener);
    let output = child.wait_with_output().unwrap();
    receiver.join().unwrap();
    assert!(output.status.success(), "the C loop of {path} ended with {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let figures: Vec<f64> = text.split_whitespace().map(|word| word.parse().unwrap()).collect();
    figures[0] / figures[1]
}
