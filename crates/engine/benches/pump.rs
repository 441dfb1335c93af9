//! What the worker's loop costs: `cargo bench -p copycost-engine --bench pump [PAIRS]`
//!
//! 1. The pump over a path that does nothing, in ns a message.
//! 2. What it costs that one message in N is timed until it is released, in ns a message, N from 1 to 256.
//! 3. The pump with `sendmsg` of 64 B from a ring of one slot against a bare libc loop of the same call: CPU time
//!    a message, both on fresh connections in turn, pinned alike; the median of the paired ratios is the figure.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark tells what it measured and stops where it cannot go on"
)]

mod common;

use common::{connection, pin_first, pumped, quantile};
use engine::release_times::timed_one_in;
use engine::send_paths::{SendOptions, SendPath, Sendmsg};
use engine::slots::{Slot, Slots};
use kernel::arena::Arena;
use kernel::gather::{Field, Gather};
use kernel::socket::Socket;
use kernel::{Errno, yardstick};
use model::message::Message;
use model::record::SendTally;

/// A path that does nothing.
struct Nothing {
    socket: Socket,
    arena: Arena,
}

impl SendPath for Nothing {
    fn open(socket: Socket, arena: Arena, _: &Message, _: &SendOptions) -> Result<Self, String> {
        Ok(Self { socket, arena })
    }

    fn socket(&self) -> &Socket {
        &self.socket
    }

    fn arena_mut(&mut self) -> &mut Arena {
        &mut self.arena
    }

    fn submit(&mut self, slot: Slot, _: &mut Slots, tally: &mut SendTally) -> Result<(), Errno> {
        std::hint::black_box(slot);
        tally.messages += 1;
        Ok(())
    }
}

fn main() {
    let pairs: usize = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(40);
    let message = Message::of(&"message_bytes=64".parse().unwrap(), 4096).unwrap();
    for slots in [1, 256] {
        println!(
            "pump over nothing, ring of {slots}: {:.2} ns a message",
            a_message(pumped::<Nothing>(&message, slots, 0, None))
        );
    }
    timing(&message, pairs);
    let mut ratios = Vec::new();
    let (mut bare_ns, mut pump_ns) = (Vec::new(), Vec::new());
    for pair in 0..pairs {
        let measure_pump = || a_message(pumped::<Sendmsg>(&message, 1, 0, None));
        // Every other pair the other way round, so that drift cancels.
        let (bare, pumped) = if pair % 2 == 0 {
            let bare = bare(&message);
            (bare, measure_pump())
        } else {
            let pumped = measure_pump();
            (bare(&message), pumped)
        };
        bare_ns.push(bare);
        pump_ns.push(pumped);
        ratios.push(pumped / bare);
    }
    println!(
        "sendmsg 64 B, ring of 1, {pairs} pairs: bare {:.1} ns, pump {:.1} ns a message; ratio median {:.4}, quartiles {:.4} to {:.4}",
        quantile(&mut bare_ns, 0.5),
        quantile(&mut pump_ns, 0.5),
        quantile(&mut ratios, 0.5),
        quantile(&mut ratios, 0.25),
        quantile(&mut ratios, 0.75),
    );
}

fn a_message((cpu_ns, messages): (u64, u64)) -> f64 {
    cpu_ns as f64 / messages as f64
}

/// The pump over a path whose messages are released at once, timed and not, in turn.
fn timing(message: &Message, pairs: usize) {
    let every = [1, 4, 8, 16, 32, 64, 256];
    let mut more = every.map(|_| Vec::new());
    for _ in 0..pairs.div_ceil(4) {
        for (one_in, more) in every.iter().zip(&mut more) {
            let without = a_message(pumped::<Nothing>(message, 256, 0, None));
            more.push(a_message(pumped::<Nothing>(message, 256, 0, Some(*one_in))) - without);
        }
    }
    for (one_in, mut more) in every.iter().zip(more) {
        let is_set =
            if *one_in == timed_one_in(message.bytes() as u64) { " (as it is set)" } else { "" };
        println!(
            "one message in {one_in} timed{is_set}: {:.2} ns a message more, quartiles {:.2} to {:.2}",
            quantile(&mut more, 0.5),
            quantile(&mut more, 0.25),
            quantile(&mut more, 0.75)
        );
    }
}

/// Messages of one measurement: some 100 ms of 64 B sends.
const MESSAGES: u64 = 150_000;

fn bare(message: &Message) -> f64 {
    let (client, receiver) = connection();
    let fields: Vec<Field> = message
        .fields()
        .iter()
        .map(|field| Field { offset: field.offset, bytes: field.length })
        .collect();
    let sender = std::thread::spawn(move || {
        pin_first();
        let arena = Arena::new(8192).unwrap();
        let mut gather = Gather::new(&fields).unwrap();
        gather.point(&arena, 0).unwrap();
        yardstick::sendmsg_loop(&client, &gather, MESSAGES / 5).unwrap();
        yardstick::sendmsg_loop(&client, &gather, MESSAGES).unwrap()
    });
    let cpu_ns = sender.join().unwrap();
    receiver.join().unwrap();
    cpu_ns as f64 / MESSAGES as f64
}
