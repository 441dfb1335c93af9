//! Two machines with a line between them.

use std::collections::BTreeMap;

use model::host::{Host, Reached};
use model::nic::{Nic, Shaping};
use model::record::{Machine, Outcome, Record, Worker};
use model::{Bytes, Measured, Nanos};

use crate::host;

/// A network card of this driver and speed, with packets of 1500 bytes, that nothing shapes.
pub fn nic(driver: &str, speed_mbps: Option<u64>) -> Nic {
    fn untold<T>() -> Measured<T> {
        Measured::absent("not read")
    }
    Nic {
        device: "eth0".to_owned(),
        driver: Measured::Value(driver.to_owned()),
        speed_mbps: speed_mbps.map_or_else(untold, Measured::Value),
        queueing: Measured::Value("fq_codel".to_owned()),
        shaping: Measured::absent("fq_codel holds packets to none"),
        mtu_bytes: Measured::Value(1500),
        offloads: BTreeMap::from([("sg".to_owned(), Measured::Value(true))]),
        receive_queues: Measured::Value(8),
        transmit_queues: Measured::Value(8),
        interrupt_cpus: untold(),
        receive_steering_cpus: untold(),
        transmit_steering_cpus: untold(),
        numa_node: untold(),
        threaded: untold(),
        deferred_interrupts: untold(),
    }
}

/// The same card, shaped by a token bucket.
pub fn shaped(nic: Nic, bits_per_s: u64) -> Nic {
    Nic {
        queueing: Measured::Value("tbf".to_owned()),
        shaping: Measured::Value(Shaping { bits_per_s, overhead_bytes: 0 }),
        ..nic
    }
}

/// [`host`] that sends to another machine, `server`, by these devices.
pub fn two_hosts(here: Nic, there: Nic) -> Host {
    let mut peer = host();
    peer.hostname = Measured::Value("server".to_owned());
    peer.boot_id = Measured::Value("99999999-2222-3333-4444-555555555555".to_owned());
    peer.kernel = Measured::Value("6.12.0-1-amd64".to_owned());
    peer.cpu_model = Measured::Value("AMD EPYC 7763 64-Core Processor".to_owned());
    Host {
        receiver_host: Some(Box::new(peer)),
        reached: Some(Box::new(Reached {
            peer: "user@server".to_owned(),
            data_address: Measured::Value("10.0.0.2".to_owned()),
            line_round_trip_ns: Nanos(180_000),
            nic_here: Measured::Value(here),
            nic_there: Measured::Value(there),
            copied_bytes: Bytes(0),
            started_in_ns: Nanos::ms(300),
        })),
        ..host()
    }
}

/// The same records with each end on a machine of its own.
#[must_use]
pub fn apart(mut records: Vec<Record>) -> Vec<Record> {
    for record in &mut records {
        let Record::Trial(trial) = record else { continue };
        let Outcome::Finished(finished) = &mut trial.outcome else { continue };
        let taken = |workers: &[Worker]| workers.iter().map(|worker| worker.cpu_ns.0).sum();
        let mut there = finished.machine.clone();
        take_from(&mut there, taken(&finished.sender.workers));
        take_from(&mut finished.machine, taken(&finished.receiver.workers));
        // Its baseline stands beside its reading.
        there.idle = Some(there.busy.clone().map(|mut busy| {
            busy.busy_ns.iter_mut().for_each(|ns| *ns = 1000);
            busy
        }));
        finished.receiver_machine = Some(Box::new(there));
    }
    records
}

/// Leaves the work of the other end out, which was spread over all CPUs.
fn take_from(machine: &mut Machine, cpu_ns: u64) {
    let Measured::Value(busy) = &mut machine.busy else { return };
    let share = cpu_ns / (busy.cpus.len() as u64).max(1);
    busy.busy_ns.iter_mut().for_each(|ns| *ns = ns.saturating_sub(share));
}
