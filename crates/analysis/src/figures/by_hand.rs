//! The figures of a test by hand: as those of a trial, of sides that may be missing.

use model::record::{ReceiveTally, SendTally, Side};
use model::{Cell, Measured};
use serde::Serialize;

use super::{SideSums, copied_share, untold_threads};

/// The figures of a test by hand, of which either side may be missing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HandFigures {
    /// What the receivers took in their windows, Gbit/s.
    pub goodput_gbps: Measured<f64>,
    /// The same in messages.
    pub messages_per_s: Measured<f64>,
    /// CPU time of the senders' threads for each KiB of their own windows.
    pub sender_cpu_ns_per_kib: Measured<f64>,
    /// The same of the receivers.
    pub receiver_cpu_ns_per_kib: Measured<f64>,
    /// Share of zero-copy completions that told of a copy after all.
    pub copied_share: Measured<f64>,
}

impl HandFigures {
    /// Of both sides, or why one of them is not known.
    pub fn of(
        cell: &Cell,
        sent: Measured<&Side<SendTally>>,
        received: Measured<&Side<ReceiveTally>>,
    ) -> Self {
        let sender = known(&sent).and_then(|side| {
            let sums = SideSums::new("sender", &side.workers)?;
            Ok(SideSums { untold: untold_threads(cell, side), ..sums })
        });
        let receiver = known(&received).and_then(|side| SideSums::new("receiver", &side.workers));
        let taken = receiver.as_ref().map(|sums| sums.bytes_per_ns).map_err(Clone::clone);
        let message = cell.message.bytes().0 as f64;
        Self {
            goodput_gbps: taken.clone().map(|bytes_per_ns| bytes_per_ns * 8.0).into(),
            messages_per_s: taken.map(|bytes_per_ns| bytes_per_ns * 1e9 / message).into(),
            sender_cpu_ns_per_kib: sender.and_then(|sums| sums.cpu_ns_per_kib()).into(),
            receiver_cpu_ns_per_kib: receiver.and_then(|sums| sums.cpu_ns_per_kib()).into(),
            copied_share: known(&sent).and_then(|side| copied_share(cell, &side.total)).into(),
        }
    }
}

fn known<'s, T>(side: &Measured<&'s T>) -> Result<&'s T, String> {
    match side {
        Measured::Value(side) => Ok(side),
        Measured::Absent { absent } => Err(absent.clone()),
    }
}
