//! Records made to order.

use model::host::Host;
use model::record::{
    Calls, Counters, CpuBusy, Failure, FailureKind, Finish, FinishReason, Finished, Machine,
    NO_DEVICES, NO_SINK, Outcome, ReceiveTally, Record, Round, Segment, SendTally, Settings, Side,
    Slices, SocketFacts, TcpFacts, Trial, Usage, Worker,
};
use model::{Bytes, Cell, Measured, Nanos};

pub(crate) fn segment() -> Record {
    Record::Segment(Segment {
        copycost: "0.1.0".to_owned(),
        started_unix_ms: 1_795_000_000_000,
        boot_id: Measured::absent("no \"boot_id\",\n\\here"),
        host: "höst / cpu".to_owned(),
        receiver_host: Some("ändërër / cpu".to_owned()),
        sender_host: None,
        host_crc32: None,
        line: None,
        congestion: "cubic".to_owned(),
        plan: None,
    })
}

/// A process begins to measure on a machine.
pub(crate) fn segment_of(host: &Host) -> Record {
    Record::Segment(Segment {
        copycost: "0.1.0".to_owned(),
        started_unix_ms: 1_795_000_000_000,
        boot_id: host.boot_id.clone(),
        host: host.identity(),
        receiver_host: None,
        sender_host: None,
        host_crc32: None,
        line: None,
        congestion: "cubic".to_owned(),
        plan: None,
    })
}

pub(crate) fn round(round: u32) -> Record {
    let busy = CpuBusy {
        source: "cpuidle".to_owned(),
        error_ns: Nanos(1000),
        span_ns: Nanos::ms(100),
        cpus: vec![0, 1],
        busy_ns: vec![7, u64::MAX],
    };
    Record::Round(Round { round, started_unix_ms: 1_795_000_000_001, idle: Measured::Value(busy) })
}

pub(crate) fn failed(round: u32, position: u32) -> Record {
    trial(
        round,
        position,
        Outcome::Failed(Failure { kind: FailureKind::EndLost, why: "it left".to_owned() }),
    )
}

pub(crate) fn finish() -> Record {
    Record::Finish(Finish { reason: FinishReason::Time, spent_ns: Nanos::s(1) })
}

pub(crate) fn finished(rtt_us: f64, bytes: u64) -> Record {
    let worker = Worker {
        late_ns: -17,
        window_ns: Nanos::ms(250),
        bytes: Bytes(bytes),
        cpu_ns: Nanos::ms(200),
        third_bytes: [bytes, 0, 1],
        third_ns: [1, 2, 3],
        slices: Slices::default(),
        steady: None,
    };
    let tcp = TcpFacts { rtt_us, data_segments_out: Some(bytes), ..TcpFacts::default() };
    let sent = SendTally {
        messages: bytes,
        calls: Calls { send: 8, ..Calls::default() },
        ..SendTally::default()
    };
    let received =
        ReceiveTally { received_bytes: bytes, first_wrong: None, ..ReceiveTally::default() };
    trial(
        1,
        0,
        Outcome::Finished(Box::new(Finished {
            receiver_machine: None,
            memory_traffic: None,
            sender: side(worker.clone(), sent, tcp),
            receiver: side(worker, received, tcp),
            machine: Machine {
                busy: Measured::absent("none"),
                ticks: Measured::absent("none"),
                khz: Measured::Value(vec![[1, 2]]),
                moved_bytes: None,
                ends_cpu_ns: None,
                idle: None,
                load: None,
            },
            link: Measured::absent(NO_DEVICES),
            sink: Measured::absent(NO_SINK),
        })),
    )
}

fn side<T: Clone>(worker: Worker, tally: T, tcp: TcpFacts) -> Side<T> {
    Side {
        workers: vec![worker],
        window: tally.clone(),
        total: tally,
        ring_threads: None,
        usage: Measured::Value(Usage::default()),
        after_cpu_ns: Nanos(5),
        counters: Counters::absent("no counters here"),
        tcp: Measured::Value(tcp),
        snmp: Measured::absent("no snmp"),
        strangers: 0,
        edge_ns: Nanos(9),
        peak_rss_bytes: Bytes::mib(8),
        ring_bytes: Bytes::mib(4),
        socket: SocketFacts::default(),
        throttled_us: Measured::Value(0),
        releases: None,
    }
}

fn trial(round: u32, position: u32, outcome: Outcome) -> Record {
    let settings = Settings {
        window_ns: Nanos::ms(250),
        warmup_ns: Nanos::ms(100),
        tail_ns: Nanos::ms(10),
        extended: false,
        usable_cpus: vec![0, 1],
        receiver_usable_cpus: None,
        sender_cpus: vec![0],
        receiver_cpus: vec![1],
        ring_slots: 256,
        slot_bytes: Bytes(4096),
        receive_buffer_bytes: Bytes::kib(128),
        ring_filesystem: None,
        series: None,
    };
    Record::Trial(Box::new(Trial {
        cell: Cell::default(),
        round,
        block: 0,
        position,
        attempt: 1,
        started_unix_ms: 1_795_000_000_002,
        settings,
        outcome,
    }))
}

/// A short journal of every kind of record.
pub(crate) fn journal() -> Vec<Record> {
    vec![segment(), round(1), failed(1, 0), failed(1, 1), finish()]
}
