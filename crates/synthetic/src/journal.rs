//! Whole journals made to order.

use analysis::round_order;
use model::host::Host;
use model::record::{CpuBusy, Finish, FinishReason, Record, Round, Segment};
use model::{Cell, Measured, Nanos, Plan};

use crate::{CPUS, START_UNIX_MS, TrialBuilder, host};

/// From the start of one trial to the next, in milliseconds.
const TRIAL_MS: u64 = 400;

/// The beginning of a segment on [`host`].
pub fn segment(started_unix_ms: u64) -> Segment {
    let host = host();
    Segment {
        copycost: host.copycost.clone(),
        started_unix_ms,
        boot_id: host.boot_id.clone(),
        host: host.identity(),
        receiver_host: None,
        sender_host: None,
        host_crc32: None,
        line: None,
        congestion: "cubic".to_owned(),
        plan: None,
    }
}

/// The same records as if `host` had measured them.
pub fn on(host: &Host, mut records: Vec<Record>) -> Vec<Record> {
    for record in &mut records {
        if let Record::Segment(segment) = record {
            segment.host = host.identity();
        }
    }
    records
}

/// The beginning of a round on [`host`], a thousandth of whose CPU time is never idle.
pub fn round(round: u32, started_unix_ms: u64) -> Round {
    let span = Nanos::ms(250);
    Round {
        round,
        started_unix_ms,
        idle: Measured::Value(CpuBusy {
            source: "cpuidle".to_owned(),
            error_ns: Nanos(20_000),
            span_ns: span,
            cpus: (0..CPUS).collect(),
            busy_ns: vec![span.0 / 1_000; CPUS as usize],
        }),
    }
}

/// A journal of whole rounds: one segment, every cell of every block in the plan's random order, and a
/// finish. `figures` makes each trial; its place and time are set here.
pub fn run(
    plan: &Plan,
    rounds: u32,
    figures: impl FnMut(&Cell, u32) -> TrialBuilder,
) -> Vec<Record> {
    let mut records = Vec::new();
    each_record(plan, rounds, figures, |record| records.push(record));
    records
}

/// The records of [`run`] one after the other, for runs that no memory holds.
pub fn each_record(
    plan: &Plan,
    rounds: u32,
    mut figures: impl FnMut(&Cell, u32) -> TrialBuilder,
    mut take: impl FnMut(Record),
) {
    let mut now = START_UNIX_MS;
    take(Record::Segment(segment(now)));
    for number in 1..=rounds {
        take(Record::Round(round(number, now)));
        for (block, (_, cells)) in (0..).zip(round_order(plan, number)) {
            for (position, cell) in (0..).zip(cells) {
                let trial =
                    figures(&cell, number).place(block, position).started_unix_ms(now).build();
                now += TRIAL_MS;
                take(Record::Trial(Box::new(trial)));
            }
        }
    }
    let spent_ns = Nanos::ms(now - START_UNIX_MS);
    take(Record::Finish(Finish { reason: FinishReason::Rounds, spent_ns }));
}
