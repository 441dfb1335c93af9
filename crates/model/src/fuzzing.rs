//! What the fuzz targets of this crate check (`fuzz/targets`), replayed on their corpora by its tests. Not a part of the
//! library: it is compiled for `cargo test` and `cargo fuzz` alone.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a check fails by a panic, and each is named for what it reads"
)]

use std::collections::BTreeSet;
use std::fmt::{Debug, Display};
use std::str::FromStr;

use crate::message::Message;
use crate::names::{
    AckPlacement, Audit, Completions, Deferral, Family, Layout, Link, MemoryLoad, Offload, Pages,
    ReceivePath, RingFile, SendPath, Sockets, Switch, Watch,
};
use crate::plan::MAX_CELLS;
use crate::shape::Shape;
use crate::values::{
    AckInterval, BusyPoll, Congestion, CopyBelow, Fields, Flows, MAX_FIELDS, MAX_FLOWS,
    MAX_MESSAGE, MAX_RING, MAX_THREADS, MessageSize, Mtu, Offset, Rate, ReceiveBuffer, Replica,
    Ring, Segment, SocketBuffer, Threads,
};
use crate::{
    BitRate, Bytes, Cell, Contrast, Factor, FactorLists, Measure, Nanos, Placement, Plan, Preset,
    Share, Thresholds,
};

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

/// Cells of a plan that are looked at one by one: all would make each try slow.
const LOOKED_AT: usize = 64;

/// A plan file: what is accepted is written out whole and read back as the same plan, its cells are within their limits, and
/// an error tells a place within the file.
pub fn plan(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let plan = match Plan::from_toml(text) {
        Ok(plan) => plan,
        Err(error) => {
            let lines = text.matches('\n').count() + 1;
            assert!((1..=lines).contains(&error.line) && error.column >= 1, "{error}");
            return;
        }
    };
    let written = plan.to_toml();
    match Plan::from_toml(&written) {
        Ok(again) => {
            assert_eq!(again.to_toml(), written);
            assert_eq!(again, plan, "{written}");
        }
        Err(why) => panic!("what was accepted is refused when written out: {why}\n{written}"),
    }
    let cells = plan.cells();
    assert!((1..=MAX_CELLS).contains(&cells.len()));
    let blocks = plan.blocks();
    let in_blocks: Vec<&Cell> = blocks.iter().flat_map(|(_, cells)| cells).collect();
    assert_eq!(in_blocks.len(), cells.len() + plan.controls().len());
    for cell in cells.iter().take(LOOKED_AT) {
        assert_eq!(cell.id().parse::<Cell>().as_ref(), Ok(cell));
        assert!(in_blocks.contains(&cell));
        lies_as_told(cell);
        assert!(plan.window(cell, 1) >= plan.measure.window);
    }
    plan.expected(cells.iter().take(LOOKED_AT), 7, 2);
    for contrast in plan.contrasts() {
        printed(&contrast);
    }
}

/// A message's fields lie behind one another within its slot, and have its bytes in all.
fn lies_as_told(cell: &Cell) {
    let Ok(message) = Message::of(cell, 4096) else { return };
    let mut end = 0;
    for field in message.fields() {
        assert!(field.length > 0 && field.offset >= end, "{cell}");
        end = field.offset + field.length;
    }
    assert!(end <= message.stride(), "{cell}");
    let bytes: usize = message.fields().iter().map(|field| field.length).sum();
    assert_eq!((bytes, bytes as u64), (message.bytes(), cell.message.bytes().0), "{cell}");
    assert!(message.arena(cell.ring.slots(cell.message)).is_some());
}

/// What is printed reads back as the same.
fn printed<T: FromStr<Err = String> + Display + PartialEq + Debug>(value: &T) {
    assert_eq!(value.to_string().parse::<T>().as_ref(), Ok(value));
}

/// Reads a value and prints it.
fn parsed<T: FromStr<Err = String> + Display + PartialEq + Debug>(
    text: &str,
    is_within: impl Fn(&T) -> bool,
) {
    if let Ok(value) = text.parse::<T>() {
        assert!(is_within(&value), "{value:?} was accepted of {text:?}");
        printed(&value);
    }
}

/// Where every value of a type is within its limits.
fn any<T>(_: &T) -> bool {
    true
}

/// A value of a flag or of a plan: the first byte says of which kind, the rest is its text. What is accepted is within its
/// limits and is printed as text that reads back as the same.
pub fn value(bytes: &[u8]) {
    let Some((kind, text)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    match kind % 43 {
        0 => parsed::<Bytes>(text, any),
        1 => parsed::<Nanos>(text, any),
        2 => parsed::<Share>(text, |share| share.0 >= 0.0 && share.0.is_finite()),
        3 => {
            if let Ok(rate) = text.parse::<BitRate>() {
                assert!(rate.0 > 0 && rate.gbps() > 0.0);
                printed(&rate);
                let text = text.to_lowercase();
                let units = text.matches("bit/s").count() + text.matches("bps").count();
                assert!(units <= 1, "{text:?}");
            }
        }
        4 => parsed::<Threads>(text, |it| (1..=MAX_THREADS).contains(&it.get())),
        5 => parsed::<Flows>(text, |it| (1..=MAX_FLOWS).contains(&it.get())),
        6 => parsed::<Fields>(text, |it| (1..=MAX_FIELDS).contains(&it.get())),
        7 => parsed::<Replica>(text, |it| (1..=1_000_000).contains(&it.get())),
        8 => parsed::<MessageSize>(text, |it| (1..=MAX_MESSAGE.0).contains(&it.bytes().0)),
        9 => parsed::<Mtu>(text, |it| match it {
            Mtu::Auto => true,
            Mtu::Fixed(bytes) => (576..=65_535).contains(bytes),
        }),
        10 => parsed::<Segment>(text, |it| match it {
            Segment::Auto => true,
            Segment::Fixed(bytes) => (88..=32_767).contains(bytes),
        }),
        11 => parsed::<SocketBuffer>(text, |it| match it {
            SocketBuffer::Auto => true,
            SocketBuffer::Fixed(bytes) => (1..=1 << 30).contains(bytes),
        }),
        12 => parsed::<Ring>(text, |it| match it {
            Ring::Auto => true,
            Ring::Fixed(slots) => (1..=MAX_RING).contains(slots),
        }),
        13 => parsed::<ReceiveBuffer>(text, any),
        14 => parsed::<Offset>(text, |it| it.bytes() <= 65_535),
        15 => parsed::<AckInterval>(text, |it| (1_000..=100_000_000).contains(&it.nanos().0)),
        16 => parsed::<Congestion>(text, any),
        17 => parsed::<Placement>(text, |it| match it {
            Placement::Cpus { senders, receivers } => [senders, receivers]
                .iter()
                .all(|cpus| !cpus.is_empty() && cpus.iter().all(|cpu| *cpu <= 65_535)),
            Placement::Split | Placement::Spare | Placement::Same | Placement::None => true,
        }),
        18 => parsed::<Contrast>(text, |it| it.value != it.against),
        19 => parsed::<Cell>(text, any),
        20 => parsed::<SendPath>(text, any),
        21 => parsed::<ReceivePath>(text, any),
        22 => parsed::<Link>(text, any),
        23 => parsed::<Layout>(text, any),
        24 => parsed::<Family>(text, any),
        25 => parsed::<Switch>(text, any),
        26 => parsed::<Offload>(text, any),
        27 => parsed::<Watch>(text, any),
        28 => parsed::<AckPlacement>(text, any),
        29 => parsed::<Completions>(text, any),
        30 => parsed::<Sockets>(text, any),
        31 => parsed::<Audit>(text, any),
        32 => parsed::<Preset>(text, any),
        34 => parsed::<Rate>(text, |it| match it {
            Rate::Auto => true,
            Rate::Fixed(rate) => (100_000..=1_000_000_000_000).contains(&rate.0),
        }),
        35 => parsed::<Shape>(text, |it| {
            it.decides().is_none_or(|(_, fields)| (1..=MAX_FIELDS).contains(&fields.get()))
        }),
        36 => parsed::<CopyBelow>(text, |it| it.bytes() <= MAX_MESSAGE),
        37 => parsed::<Pages>(text, any),
        38 => parsed::<Deferral>(text, any),
        40 => parsed::<RingFile>(text, any),
        41 => parsed::<MemoryLoad>(text, any),
        39 => parsed::<BusyPoll>(text, |it| match it {
            BusyPoll::Auto => true,
            BusyPoll::Fixed(time) => (1_000..=100_000_000).contains(&time.0) && it.micros() > 0,
        }),
        _ => keyed(text),
    }
}

/// `key=value` as a flag or a plan has it: lists of factors, what a plan measures, thresholds, contrasts.
fn keyed(text: &str) {
    let Some((key, text)) = text.split_once('=') else { return };
    if let Ok(factor) = Factor::of_key(key) {
        let mut lists = FactorLists::default();
        if lists.set(factor, text).is_ok() {
            let written = lists.get(factor);
            assert!(!written.is_empty());
            let different: BTreeSet<&String> = written.iter().collect();
            assert_eq!(different.len(), written.len(), "each value once");
            let mut again = FactorLists::default();
            assert_eq!(again.set(factor, &written.join(",")), Ok(()));
            assert_eq!(again, lists);
        }
    }
    let mut measure = Plan::preset(Preset::Default).measure;
    if measure.set(key, text).is_ok() {
        let mut again = measure.clone();
        for key in Measure::KEYS {
            let steady = again.steady;
            let value = measure.get(key).expect("each key has a value");
            assert_eq!(again.set(key, &value), Ok(()), "{key} = {value:?}");
            // The key `time` implies another.
            again.steady = steady;
        }
        assert_eq!(again, measure);
    }
    let mut thresholds = Thresholds::default();
    if thresholds.set(key, text).is_ok() {
        let mut again = Thresholds::default();
        for key in Thresholds::KEYS {
            let value = thresholds.get(key).expect("each key has a value").to_string();
            assert_eq!(again.set(key, &value), Ok(()), "{key} = {value:?}");
        }
        assert_eq!(again, thresholds);
    }
    if key == "contrasts" {
        let mut plan = Plan::preset(Preset::Default);
        if plan.set_contrasts(text).is_ok() {
            plan.contrasts.iter().for_each(printed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::replay::replay;

    #[test]
    fn the_corpus_of_plans_is_read() {
        replay("plan", super::plan);
    }

    #[test]
    fn the_corpus_of_values_is_read() {
        replay("value", super::value);
    }
}
