//! Made-up trials over the sink, and the devices of links.

use model::names::{AckPlacement, Offload};
use model::record::{Counters, LinkFacts, ReceiveTally, Side, SinkFacts, SinkTally};
use model::values::Mtu;
use model::{Cell, Mark, Measured, Nanos, SendPath};

use super::{Figures, TrialBuilder};
use crate::{to_f64, to_u64};

/// Time in which the made-up helper answers, in ns per KiB.
pub(super) const ANSWERING_NS_PER_KIB: f64 = 6.0;
/// Payload bytes of a made-up packet.
const PACKET_BYTES: u64 = 32_768;
/// Why the sink's side of a record has no figures of a process.
const NO_PROCESS: &str = "the sink has no receiver";

/// Figures as a sink might have them: nothing is delivered, so that zerocopy costs more a message and less a byte, and
/// overtakes sendmsg at 10 KiB.
pub(super) fn likely(cell: &Cell) -> Figures {
    let kib = to_f64(cell.message.bytes().0) / 1024.0;
    let (per_message, per_kib) = match cell.send_path {
        SendPath::Send => (3_400.0, 70.0),
        SendPath::Staged => (620.0, 100.0),
        SendPath::Sendmsg => (650.0, 60.0),
        SendPath::Zerocopy if !cell.so_zerocopy.is_on() => (650.0, 60.0),
        SendPath::Zerocopy => (1_100.0, 15.0),
        SendPath::SendMore => (1_900.0, 60.0),
        SendPath::Sendfile => (4_800.0, 12.0),
        SendPath::Splice => (1_400.0, 12.0),
        SendPath::UringSend => (2_600.0, 62.0),
        SendPath::UringSendmsg => (800.0, 60.0),
        SendPath::UringWriteFixed => (2_700.0, 62.0),
        SendPath::UringSendZc => (2_400.0, 16.0),
        SendPath::UringSendmsgZc => (1_200.0, 15.0),
        SendPath::UringSendZcFixed => (1_000.0, 11.0),
        SendPath::Hybrid => super::of_runs(cell, (650.0, 60.0), (1_100.0, 15.0)),
    };
    let sender = per_message / kib + per_kib;
    // The helper is busy all the time, whatever it takes.
    Figures {
        goodput_gbps: f64::from(cell.threads.get()) * 8.0 * 1024.0 / sender,
        sender_cpu_ns_per_kib: sender,
        receiver_cpu_ns_per_kib: sender / f64::from(cell.threads.get()),
    }
}

/// Blanks what only a receiving process could tell.
pub(super) fn without_receiver(side: &mut Side<ReceiveTally>) {
    side.usage = Measured::absent(NO_PROCESS);
    side.counters = Counters::absent(NO_PROCESS);
    side.tcp = Measured::absent(NO_PROCESS);
    side.snmp = Measured::absent(NO_PROCESS);
    for tally in [&mut side.window, &mut side.total] {
        *tally = ReceiveTally { received_bytes: tally.received_bytes, ..ReceiveTally::default() };
    }
}

fn tally(bytes: u64) -> SinkTally {
    let packets = bytes.div_ceil(PACKET_BYTES);
    SinkTally { packets, payload_bytes: bytes, acks: packets / 8, ..SinkTally::default() }
}

impl TrialBuilder {
    pub(super) fn sink_facts(&self, window: u64, total: u64, helper_cpu_ns: u64) -> SinkFacts {
        let answering = to_u64(self.answering_ns_per_kib * to_f64(window) / 1024.0);
        let helper_cpu_ns = helper_cpu_ns.max(answering);
        // As asked, and twice as many looks as those of the window in the whole trial.
        let looks = self.window.0 / self.cell.ack_interval.nanos().0;
        let beyond = u64::from(self.has(Mark::HelperClock));
        SinkFacts {
            window: SinkTally { looks, ..tally(window) },
            total: SinkTally { looks: 2 * looks, ..tally(total) },
            helper_cpu: 1,
            helper_cpu_ns: Nanos(helper_cpu_ns),
            answering_ns: Nanos(answering),
            looking_ns: None,
            answering_cpu_ns: Measured::Value(Nanos(answering.max(beyond * (helper_cpu_ns + 1)))),
            softirqs_apart: Measured::Value(false),
            program_ns_per_packet: Measured::Value(180.0),
        }
    }

    pub(super) fn link_facts(&self) -> LinkFacts {
        let is_on = |offload: Offload| offload != Offload::Off;
        LinkFacts {
            mtu_bytes: match self.cell.mtu {
                Mtu::Auto => 1500,
                Mtu::Fixed(bytes) => bytes,
            },
            tso: is_on(self.cell.tso),
            gso: is_on(self.cell.gso),
            gro: is_on(self.cell.gro),
            scatter_gather: Measured::Value(true),
            packet_taps: Measured::Value(0),
            ack_cpus: match self.cell.ack_placement {
                AckPlacement::Helper => Vec::new(),
                AckPlacement::Sender => vec![0],
            },
        }
    }
}
