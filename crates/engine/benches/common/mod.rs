//! What the benchmarks of the worker's loop share.
#![allow(dead_code, reason = "each benchmark uses a part of it")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use engine::content::Pattern;
use engine::gate::{Gate, Phase};
use engine::pump::{self, SendFlow};
use engine::release_times::ReleaseTimer;
use engine::send_paths::{SendOptions, SendPath};
use engine::slots::Slots;
use engine::watch::Watch;
use kernel::arena::Pages;
use kernel::cpu;
use kernel::socket::{ReceiveFlags, Socket};
use model::message::Message;
use model::record::SendTally;

/// The value at this share of the sorted ones.
pub(crate) fn quantile(values: &mut [f64], at: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * at).round() as usize]
}

/// What a receiver waits for, in bytes.
pub(crate) const LOW_WATER: usize = 65_536;

/// A listener, and where it is reached.
pub(crate) fn listener() -> (Socket, SocketAddr) {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = Socket::listen(any, 1).unwrap();
    let address = listener.local_address().unwrap();
    (listener, address)
}

/// Receives until the end, on the last usable CPU.
pub(crate) fn receiving(listener: &Socket) -> JoinHandle<()> {
    let (server, _) = listener.accept(Some(5000)).unwrap().unwrap();
    // It takes much at a time, so that both sides meet seldom at the socket's lock, whatever the rhythm of the sender is.
    server.set_receive_low_water(LOW_WATER).unwrap();
    std::thread::spawn(move || {
        let cpus = cpu::allowed().unwrap();
        cpu::pin_thread(&cpus.cpus()[cpus.len() - 1..]).unwrap();
        let mut buffer = vec![0; 131_072];
        while server.receive(&mut buffer, ReceiveFlags::NONE).unwrap_or(0) > 0 {}
    })
}

/// A connection to a thread that receives until the end.
pub(crate) fn connection() -> (Socket, JoinHandle<()>) {
    let (listener, address) = listener();
    let client = Socket::stream(address).unwrap();
    // Without the right to set it both sides of the comparison use the system's.
    let _ = client.set_congestion("cubic");
    client.connect(address, Duration::from_secs(5)).unwrap();
    let receiver = receiving(&listener);
    (client, receiver)
}

/// Pins the thread to the first usable CPU.
pub(crate) fn pin_first() {
    let cpus = cpu::allowed().unwrap();
    cpu::pin_thread(&cpus.cpus()[..1]).unwrap();
}

/// The first usable CPU, which the measured thread has.
pub(crate) fn first_cpu() -> usize {
    cpu::allowed().unwrap().cpus()[0]
}

/// Goes through the phases of a window: to warm up, to count, to stop.
pub(crate) fn pass(gate: &Gate) {
    for (phase, ms) in [(Phase::Warmup, 25), (Phase::First, 120), (Phase::Stop, 0)] {
        gate.open(phase);
        std::thread::sleep(Duration::from_millis(ms));
    }
}

/// CPU time and messages of the pump's window.
pub(crate) fn pumped<P: SendPath>(
    message: &Message,
    slots: u32,
    copy_below: usize,
    timed_one_in: Option<u32>,
) -> (u64, u64) {
    let (client, receiver) = connection();
    let gate = Arc::new(Gate::default());
    let sender = {
        let (gate, message) = (Arc::clone(&gate), message.clone());
        std::thread::spawn(move || {
            pin_first();
            let options = SendOptions {
                so_zerocopy: true,
                slots,
                depth: 1,
                copy_below,
                ..SendOptions::default()
            };
            let arena = P::arena(message.stride() * slots as usize, Pages::NORMAL).unwrap();
            let mut ring = Slots::new(slots);
            if let Some(one_in) = timed_one_in {
                ring = ring.timed_by(ReleaseTimer::new(slots, one_in, 1).unwrap());
            }
            let mut flows = [SendFlow {
                path: P::open(client, arena, &message, &options).unwrap(),
                slots: ring,
                pattern: Pattern::new(&[0; 16], 0),
                written: 0,
                is_shared: false,
            }];
            let mut watch = Watch::open(model::names::Watch::None, 1);
            let mut tally = SendTally::default();
            pump::send(&mut flows, &message, false, &gate, &mut watch, &mut tally).unwrap();
            let window = watch.windows.last().unwrap();
            let (start, end) = (window.start, window.end.unwrap());
            (end.cpu_ns - start.cpu_ns, end.tally.messages - start.tally.messages)
        })
    };
    pass(&gate);
    let figures = sender.join().unwrap();
    receiver.join().unwrap();
    figures
}
