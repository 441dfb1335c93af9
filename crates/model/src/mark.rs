//! Marks: what speaks against a trial.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a mark does to its trial.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// The trial enters no estimate, is tried again up to twice, and is counted.
    Void,
    /// The trial stays, and its cell shows the note.
    Noted,
}

macro_rules! marks {
    ($( $(#[doc = $doc:literal])+ $mark:ident = $name:literal, $class:ident; )+) => {
        /// A reason to distrust a trial.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(rename_all = "kebab-case")]
        pub enum Mark { $( $(#[doc = $doc])+ $mark, )+ }

        impl Mark {
            /// Every mark, void ones first.
            pub const ALL: &'static [Self] = &[$( Self::$mark ),+];

            /// The name in files.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$mark => $name ),+ }
            }

            /// Void or noted.
            pub const fn class(self) -> Class {
                match self { $( Self::$mark => Class::$class ),+ }
            }

            /// What it means, in one line.
            pub fn meaning(self) -> &'static str {
                match self { $( Self::$mark => concat!($( $doc ),+).trim_ascii() ),+ }
            }
        }
    };
}

marks! {
    /// Bytes received after the drain are not the bytes accepted, or their content is wrong.
    ContentLost = "content-lost", Void;
    /// An end died, hung or babbled.
    EndLost = "end-lost", Void;
    /// A system call failed.
    CallFailed = "call-failed", Void;
    /// No byte passed, says the table that the trial was imported from.
    NothingPassed = "nothing-passed", Void;
    /// A worker's own window is far from the ordered one; of slices, it missed many (it got no CPU, or one call ran on), and two at least or all.
    WindowVoid = "window-void", Void;
    /// A cgroup limit throttled an end.
    Throttled = "throttled", Void;
    /// Measured again although an earlier attempt was valid: older versions did so where the load had not settled.
    Repeated = "repeated", Void;
    /// The first and last third of a steady window disagree.
    Unsettled = "unsettled", Noted;
    /// Segments were sent again.
    Retransmits = "retransmits", Noted;
    /// Accepted and received bytes of the window (of slices, their rates) differ: the queues between the ends filled or drained.
    Imbalance = "imbalance", Noted;
    /// A worker's own window is off the ordered one; of slices, it missed some.
    WindowNoted = "window-noted", Noted;
    /// In slices a worker slept in one call through the whole window or as long again, and next to nothing moved: an outcome, which counts.
    Stalled = "stalled", Noted;
    /// The hypervisor took CPU time away.
    Steal = "steal", Noted;
    /// Other processes used a CPU that the ends used.
    Others = "others", Noted;
    /// A CPU's frequency changed.
    Frequency = "frequency", Noted;
    /// More busy threads than usable CPUs, or two workers of a side (on the sink also its helper and a sender) on one CPU.
    Oversubscribed = "oversubscribed", Noted;
    /// A hardware counter shared its place with another and was scaled.
    Multiplexed = "multiplexed", Noted;
    /// A stranger knocked at the data port and was refused.
    Strangers = "strangers", Noted;
    /// The sink's helper answered for longer than it had CPU time: costs that rest on it are absent.
    HelperClock = "helper-clock", Noted;
    /// Busy polling was asked for and did nothing: the receiving connection has no NAPI id.
    NoBusyPoll = "no-busy-poll", Noted;
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marks_name_is_its_spelling_in_files() {
        for mark in Mark::ALL {
            assert_eq!(serde_json::to_string(mark).unwrap(), format!("\"{}\"", mark.name()));
        }
    }
}
