//! Each path's loop against a bare C loop of the same calls (`loops.c`, `receives.c`): `cargo bench -p copycost-engine --bench
//! bare_loops [PAIRS [BYTES...] [PATH...] [untimed]]`. It compiles the C with `cc` (or `$CC`).
//!
//! Send paths: the pump with messages of 64 B (or BYTES) in 8 fields (`hybrid`: a header of 24 B that is copied, and a body of BYTES by
//! reference), on loopback, and the C program with the same messages: CPU time of the sending thread a message. The pump times the
//! release of some messages as in a trial, which the C does not; `untimed` leaves that out. Receive paths: CPU time
//! of the receiving thread per KiB. Both on fresh connections in turn, pinned alike, in windows of 120 ms; the median of the paired
//! ratios is the figure, with the 95 % interval of a median from the order of the ratios.
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
mod receives;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{listener, pumped, quantile, receiving};
use engine::release_times::timed_one_in;
use engine::send_paths::{
    Hybrid, Send, SendMore, SendPath, Sendfile, Sendmsg, Splice, Staged, UringSend, UringSendZc,
    UringSendZcFixed, UringSendmsg, UringSendmsgZc, UringWriteFixed, Zerocopy,
};
use model::message::Message;

/// A path by its name, and its pump over a ring of so many slots: CPU time in ns and messages.
struct Loop {
    path: model::SendPath,
    supported: fn() -> Result<(), String>,
    pumped: fn(&Message, u32, usize, Option<u32>) -> (u64, u64),
}

/// The word that leaves the timing of releases out.
const UNTIMED: &str = "untimed";

/// `hybrid`: the header, and the length below which a field is copied.
const HEADER: usize = 24;
const COPY_BELOW: usize = 32;

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
        of::<Hybrid>(Path::Hybrid),
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
    let is_timed = !words.iter().any(|word| word == UNTIMED);
    let (sizes, asked): (Vec<&String>, Vec<&String>) = words
        .iter()
        .skip(1)
        .filter(|word| *word != UNTIMED)
        .partition(|word| word.parse::<u64>().is_ok());
    let sizes: Vec<&str> = if sizes.is_empty() {
        vec!["64"]
    } else {
        sizes.iter().map(|size| size.as_str()).collect()
    };
    let is_asked = |name: &str| asked.is_empty() || asked.iter().any(|word| *word == name);
    let work = tempfile::tempdir().unwrap();
    let loops = compiled("loops", work.path());
    for size in sizes {
        println!(
            "{size} B in 8 fields, {pairs} pairs: CPU ns a message of the C loop and of the pump, and pump / C (95 % interval)"
        );
        for one in all().iter().filter(|one| is_asked(one.path.name())) {
            let shape = if one.path == model::SendPath::Hybrid {
                format!("shape={HEADER}+{size}")
            } else {
                format!("message_bytes={size}")
            };
            let cell: model::Cell = shape.parse().unwrap();
            let message = Message::of(&cell.in_its_shape(), 4096).unwrap();
            match (one.supported)() {
                Ok(()) => compare_sending(one, &message, &loops, pairs, is_timed),
                Err(why) => println!("{}: skipped: {why}", one.path.name()),
            }
        }
    }
    receives::compare_all(pairs, is_asked, &compiled("receives", work.path()));
}

/// The program of `NAME.c`, compiled into a directory.
fn compiled(name: &str, into: &Path) -> PathBuf {
    let program = into.join(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("benches/bare_loops/{name}.c"));
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
    program
}

fn compare_sending(one: &Loop, message: &Message, program: &Path, pairs: usize, is_timed: bool) {
    let slots = slots(one.path);
    let pump = || {
        // As in a trial: where a release is told, that of some messages is timed.
        let is_timed = is_timed && one.path.capabilities().gets_notifications;
        let timed = is_timed.then(|| timed_one_in(message.bytes() as u64));
        let (cpu_ns, messages) = (one.pumped)(message, slots, COPY_BELOW, timed);
        cpu_ns as f64 / messages as f64
    };
    compare(one.path.name(), pairs, || bare(program, one.path.name(), message, slots), pump);
}

/// Measures both in turn, so many times, and prints medians and the median of the ratios.
fn compare(name: &str, pairs: usize, bare: impl Fn() -> f64, pump: impl Fn() -> f64) {
    let (mut bare_ns, mut pump_ns, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..pairs {
        // Every other pair the other way round, so that drift cancels.
        let (bare, pumped) = if pair % 2 == 0 {
            let bare = bare();
            (bare, pump())
        } else {
            let pumped = pump();
            (bare(), pumped)
        };
        bare_ns.push(bare);
        pump_ns.push(pumped);
        ratios.push(pumped / bare);
    }
    let median = quantile(&mut ratios, 0.5);
    let (low, high) = interval(&ratios);
    let (bare, pump) = (quantile(&mut bare_ns, 0.5), quantile(&mut pump_ns, 0.5));
    let places = if bare < 1000.0 { 1 } else { 0 };
    println!("{name:<20} {bare:>7.places$} {pump:>7.places$}  {median:.3} [{low:.3}, {high:.3}]");
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
    let fields = message.fields().iter().map(|field| format!("{}:{}", field.offset, field.length));
    let child = Command::new(program)
        .arg(path)
        .arg(address.port().to_string())
        .arg(common::first_cpu().to_string())
        .arg(slots.to_string())
        .arg(message.stride().to_string())
        .args(fields)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let receiver = receiving(&listener);
    let (cpu_ns, messages) = told(path, child);
    receiver.join().unwrap();
    cpu_ns / messages
}

/// The two figures that a C program prints.
fn told(path: &str, child: std::process::Child) -> (f64, f64) {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the C loop of {path} ended with {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let figures: Vec<f64> = text.split_whitespace().map(|word| word.parse().unwrap()).collect();
    (figures[0], figures[1])
}
