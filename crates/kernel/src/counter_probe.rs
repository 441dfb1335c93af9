//! Whether each performance counter can be had here: it is opened, counts for a moment, and is closed again.

use std::path::Path;

use crate::machine::tree;
use crate::perf::{CounterName, CounterSource, Counters, LiveSource};
use crate::pmu::Surroundings;
use crate::{Remedy, Unavailable};

/// What a probe found out of one counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It counts. The raw event is named where it is `cache-misses`.
    Yes {
        /// The vendor's event behind a generic name.
        raw_event: Option<String>,
    },
    /// It cannot be had; the remedy holds how to unlock and to undo, where there is a way.
    No(Unavailable),
    /// The probe itself failed.
    CouldNotTell(Unavailable),
}

/// Opens each counter on the calling thread, lets it count for a moment, and closes it again.
pub fn probe(wanted: &[CounterName]) -> Vec<(CounterName, Answer)> {
    probe_with(LiveSource, &Surroundings::read(Path::new(tree::LIVE)), wanted)
}

/// [`probe`] on any source and surroundings.
pub fn probe_with<S: CounterSource>(
    source: S,
    surroundings: &Surroundings,
    wanted: &[CounterName],
) -> Vec<(CounterName, Answer)> {
    let opened = Counters::open_with(source, surroundings, wanted);
    let mut counters = opened.counters;
    let started = counters.enable();
    let before = counters.read();
    std::hint::black_box((0..200_000_u64).fold(0_u64, |sum, next| sum.rotate_left(3) ^ next));
    let after = counters.read();
    let raw_event = |counter| {
        let pmus = surroundings.pmus.as_ref().ok()?;
        if counter == CounterName::CacheMisses { pmus.raw_cache_misses().ok() } else { None }
    };
    let answer = |counter| {
        if let Some((_, refusal)) = opened.unavailable.iter().find(|(name, _)| *name == counter) {
            let transient = opened.transient.contains(&counter);
            return if transient {
                Answer::CouldNotTell(refusal.clone())
            } else {
                Answer::No(refusal.clone())
            };
        }
        if let Err(error) = &started {
            return Answer::CouldNotTell(Unavailable {
                what: counter.to_string(),
                because: error.to_string(),
                remedy: Remedy::default(),
            });
        }
        match counters.delta_of(counter, &before, &after) {
            Ok(_) => Answer::Yes { raw_event: raw_event(counter) },
            Err(refusal) => Answer::No(refusal),
        }
    };
    wanted.iter().map(|&counter| (counter, answer(counter))).collect()
}
