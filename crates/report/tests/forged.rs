//! Forged records: whatever numbers a journal holds, everything is derived from it and told, and nothing overflows. Debug
//! builds, which tests are, check every sum.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where its own helpers fail")]

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex};

use model::audit::{Ceiling, CeilingPoint};
use model::record::{Record, Trial};
use model::{Cell, Factor, Mark, Nanos, Plan};
use serde_json::Value;
use told::tell;

#[path = "../src/fuzzing/told.rs"]
mod told;

/// A generator of numbers that needs to be no more than different (xorshift64, G. Marsaglia, 2003).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }
}

/// Numbers at the edges of what a field can hold.
fn extreme(dice: &mut Dice) -> Value {
    match dice.roll(14) {
        0 | 1 => u64::MAX.into(),
        2 => (u64::MAX - 1).into(),
        3 => (u64::MAX / 2 + 1).into(),
        4 => (1_u64 << 53).into(),
        5 | 6 => u32::MAX.into(),
        7 => 0.into(),
        8 => 1.into(),
        9 => i64::MIN.into(),
        10 => (-1).into(),
        11 => f64::MAX.into(),
        12 => (-f64::MAX).into(),
        _ => f64::MIN_POSITIVE.into(),
    }
}

/// Every number in a value, by its path.
fn numbers(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(keys) => {
            keys.iter().for_each(|(key, value)| numbers(value, &format!("{path}/{key}"), found));
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(place, value)| numbers(value, &format!("{path}/{place}"), found));
        }
        Value::Number(_) => found.push(path.to_owned()),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// The record with some of its numbers forged; as it was where that is no record any more.
fn forged(record: &Record, paths: usize, dice: &mut Dice) -> Record {
    let mut value = serde_json::to_value(record).unwrap();
    let mut found = Vec::new();
    numbers(&value, "", &mut found);
    for _ in 0..paths.min(found.len()) {
        let before = value.clone();
        let path = &found[dice.roll(found.len())];
        *value.pointer_mut(path).unwrap() = extreme(dice);
        if serde_json::from_value::<Record>(value.clone()).is_err() {
            value = before;
        }
    }
    serde_json::from_value(value).unwrap()
}

/// Plans that have a bit of everything.
fn plans() -> Vec<Plan> {
    let plan = |send: &str, link: &str, more: &[(Factor, &str)]| {
        let mut lists =
            vec![(Factor::Send, send), (Factor::Link, link), (Factor::Message, "4096,65536")];
        lists.extend(more);
        synthetic::plan(&lists)
    };
    vec![
        plan("send,sendmsg,zerocopy", "loopback,sink", &[(Factor::Threads, "1,2")]),
        plan("sendmsg", "loopback", &[(Factor::Threads, "1"), (Factor::Replica, "1,2,3,4")]),
        plan("sendmsg,zerocopy", "veth", &[(Factor::Threads, "1"), (Factor::Mtu, "1500,9000")]),
    ]
}

fn trial(cell: &Cell, round: u32) -> Trial {
    let mut builder = synthetic::trial(cell, round)
        .faster(synthetic::noise(1, cell, round, 0.02))
        .counted()
        .marked(Mark::Retransmits);
    if round == 2 {
        builder = builder.marked(Mark::Steal);
    }
    builder.build()
}

/// A journal with every kind of record.
fn records(plan: &Plan) -> Vec<Record> {
    let mut records = synthetic::run(plan, 3, synthetic::trial);
    for record in &mut records {
        if let Record::Trial(made) = record {
            let mut full = trial(&made.cell, made.round);
            (full.block, full.position) = (made.block, made.position);
            full.started_unix_ms = made.started_unix_ms;
            if made.round != 2 {
                synthetic::in_turns(&mut full, &[0.9, 1.0, 1.1, 1.0], Some(1.0));
                synthetic::loaded(&mut full, 0.1, 0.01);
            }
            **made = full;
        }
    }
    let finish = records.pop();
    records.extend(synthetic::audits(plan));
    records
        .extend(plan.cells().iter().map(|cell| Record::Audit(Box::new(synthetic::profiled(cell)))));
    let point = |routine: &str| CeilingPoint {
        routine: routine.to_owned(),
        working_set_bytes: 4096,
        cpus: vec![0, 1],
        bytes_per_s: vec![1e10, 1e10],
    };
    records.insert(
        1,
        Record::Ceiling(Ceiling {
            started_unix_ms: 1_764_000_000_000,
            spent_ns: Nanos::s(1),
            points: vec![point("memcpy"), point("rep-movsb")],
        }),
    );
    records.extend(finish);
    records
}

/// Tells of a forged journal; where that panics, of the place and of what was forged.
fn try_to_tell(plan: &Plan, records: &[Record], what: &str, faults: &mut BTreeMap<String, String>) {
    let place = Arc::new(Mutex::new(String::new()));
    let told = {
        let place = Arc::clone(&place);
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let at = info.location().map_or_else(String::new, ToString::to_string);
            let message = info.payload_as_str().unwrap_or_default().to_owned();
            *place.lock().unwrap() = format!("{at}: {message}");
        }));
        let told =
            panic::catch_unwind(AssertUnwindSafe(|| tell(plan, &synthetic::host(), records)));
        panic::set_hook(hook);
        told
    };
    if told.is_err() {
        let place = place.lock().unwrap().clone();
        faults.entry(place).or_insert_with(|| what.to_owned());
    }
}

/// One test, as all panics of a process share a hook.
#[test]
fn no_forged_number_is_too_much() {
    let mut faults = BTreeMap::new();
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    // More of them are asked for by the environment, as proptest's cases are.
    let rounds: usize = std::env::var("FORGED_ROUNDS").map_or(3, |text| text.parse().unwrap());
    for plan in plans() {
        let honest = records(&plan);
        tell(&plan, &synthetic::host(), &honest);
        for round in 0..rounds {
            let share = [1, 4, 40][round % 3];
            let journal: Vec<Record> =
                honest.iter().map(|record| forged(record, share, &mut dice)).collect();
            try_to_tell(&plan, &journal, &format!("round {round}, {share} numbers"), &mut faults);
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
