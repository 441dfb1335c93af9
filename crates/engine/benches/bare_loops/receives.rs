//! The receive paths beside `receives.c`: reads of 128 KiB of what one sender sends by `send()` of 64 KiB.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use engine::content::Unread;
use engine::gate::Gate;
use engine::pump::{self, ReceiveFlow};
use engine::receive_paths::{
    Readv, ReceiveOptions, ReceivePath, Recv, RecvTrunc, RecvZerocopy, Recvmsg, UringRecv,
};
use engine::watch::Watch;
use kernel::cpu;
use kernel::socket::{SendFlags, Socket};
use model::record::ReceiveTally;

use crate::common::{self, LOW_WATER, first_cpu, listener};
use crate::{compare, told};

const BUFFER: usize = 131_072;

/// A path by its name, and its pump: CPU time in ns and bytes.
struct Loop {
    path: model::ReceivePath,
    supported: fn() -> Result<(), String>,
    pumped: fn() -> (u64, u64),
}

fn of<P: ReceivePath>(path: model::ReceivePath) -> Loop {
    Loop {
        path,
        supported: || P::supported().map_err(|missing| missing.because.clone()),
        pumped: pumped::<P>,
    }
}

fn all() -> Vec<Loop> {
    use model::ReceivePath as Path;
    vec![
        of::<Recv>(Path::Recv),
        of::<Recvmsg>(Path::Recvmsg),
        of::<Readv>(Path::Readv),
        of::<RecvTrunc>(Path::RecvTrunc),
        of::<RecvZerocopy>(Path::RecvZerocopy),
        of::<UringRecv>(Path::UringRecv),
    ]
}

/// Holds each path that is asked for against the program of `receives.c`.
pub(crate) fn compare_all(pairs: usize, is_asked: impl Fn(&str) -> bool, program: &Path) {
    let all = all();
    let asked: Vec<&Loop> = all.iter().filter(|one| is_asked(one.path.name())).collect();
    if asked.is_empty() {
        return;
    }
    println!(
        "reads of {BUFFER} B, {pairs} pairs: CPU ns per KiB of the C loop and of the pump, and pump / C (95 % interval)"
    );
    for one in asked {
        let per_kib = |(cpu_ns, bytes): (f64, f64)| cpu_ns / (bytes / 1024.0);
        let pump = || {
            let (cpu_ns, bytes) = (one.pumped)();
            per_kib((cpu_ns as f64, bytes as f64))
        };
        match (one.supported)() {
            Ok(()) => compare(one.path.name(), pairs, || per_kib(bare(program, one)), pump),
            Err(why) => println!("{}: skipped: {why}", one.path.name()),
        }
    }
}

/// Sends, on the last usable CPU, until it is told to stop or the receiver has gone.
fn sending(listener: &Socket, stop: &Arc<AtomicBool>) -> JoinHandle<()> {
    let (server, _) = listener.accept(Some(5000)).unwrap().unwrap();
    // Without the right to set it both sides of the comparison use the system's.
    let _ = server.set_congestion("cubic");
    let stop = Arc::clone(stop);
    std::thread::spawn(move || {
        let cpus = cpu::allowed().unwrap();
        cpu::pin_thread(&cpus.cpus()[cpus.len() - 1..]).unwrap();
        let message = vec![1; 65_536];
        while !stop.load(Ordering::Relaxed) && server.send(&message, SendFlags::NONE).is_ok() {}
    })
}

/// CPU time in ns and bytes of the C loop.
fn bare(program: &Path, one: &Loop) -> (f64, f64) {
    let (listener, address) = listener();
    let child = Command::new(program)
        .arg(one.path.name())
        .arg(address.port().to_string())
        .arg(first_cpu().to_string())
        .arg(BUFFER.to_string())
        .arg(LOW_WATER.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let sender = sending(&listener, &Arc::default());
    let figures = told(one.path.name(), child);
    sender.join().unwrap();
    figures
}

/// CPU time in ns and bytes of the pump's window.
fn pumped<P: ReceivePath>() -> (u64, u64) {
    let (listener, address) = listener();
    let client = Socket::stream(address).unwrap();
    client.set_receive_low_water(LOW_WATER).unwrap();
    client.connect(address, std::time::Duration::from_secs(5)).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let sender = sending(&listener, &stop);
    let gate = Arc::new(Gate::default());
    let receiver = {
        let gate = Arc::clone(&gate);
        std::thread::spawn(move || {
            common::pin_first();
            let options = ReceiveOptions { buffer_bytes: BUFFER, may_wait: true };
            let mut buffer = P::buffer(&options).unwrap();
            let path = P::open(client, &mut buffer, &options).unwrap();
            let mut flows = [ReceiveFlow { path, content: Unread }];
            let mut watch = Watch::open(model::names::Watch::None, 1);
            let mut tally = ReceiveTally::default();
            pump::receive(&mut flows, &mut buffer, &gate, &mut watch, &mut tally).unwrap();
            let window = watch.windows.last().unwrap();
            let (start, end) = (window.start, window.end.unwrap());
            (end.cpu_ns - start.cpu_ns, end.tally.received_bytes - start.tally.received_bytes)
        })
    };
    common::pass(&gate);
    stop.store(true, Ordering::Relaxed);
    sender.join().unwrap();
    receiver.join().unwrap()
}
