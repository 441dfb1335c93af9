//! The copying ceiling and each cell's share of it, as tables of text: the same in HTML and Markdown.

use analysis::explained::{CeilingShare, CpuRate, Explained, ModelledSide};
use model::{Bytes, Measured};

use crate::numbers::{percent, short};

/// A table whose cells are text.
pub(crate) struct TextTable<const N: usize> {
    /// Heads of the columns.
    pub(crate) columns: [&'static str; N],
    /// Rows.
    pub(crate) rows: Vec<[String; N]>,
}

/// What a reader must know of both tables.
pub(crate) const CEILING_NOTE: &str = "How fast the CPUs in use copy memory, measured before the run in each CPU’s own time: source and destination together make the working set.";
/// What a reader must know of the shares.
pub(crate) const SHARES_NOTE: &str = "Goodput × copies a byte, as a share of what these CPUs can copy at the largest measured working set that is no larger than the worker’s own memory (its ring, or its receive buffer). The true working set is larger, so the true share may be higher. The ceiling of a path that makes a copy of its own is the harmonic mean of both copies’.";

/// How fast the CPUs copy; none where it was not measured.
pub(crate) fn ceilings(explained: &Explained) -> Option<TextTable<4>> {
    let rows = explained.ceilings.iter().map(|ceiling| {
        [
            Bytes(ceiling.working_set_bytes).to_string(),
            ceiling.routine.clone(),
            rates(&ceiling.alone),
            match &ceiling.together_gbps {
                Measured::Value(sum) => format!("{} ({})", short(*sum), rates(&ceiling.together)),
                Measured::Absent { absent } => format!("– ({absent})"),
            },
        ]
    });
    let rows: Vec<[String; 4]> = rows.collect();
    let columns = ["Working set", "Routine", "Each CPU alone, Gbit/s", "All together, Gbit/s"];
    (!rows.is_empty()).then_some(TextTable { columns, rows })
}

/// `CPU 0: 115, CPU 1: 114`; of many CPUs the slowest and the fastest, as they stand in the summary.
fn rates(rates: &[CpuRate]) -> String {
    const MOST: usize = 4;
    let text = |rate: &CpuRate| format!("CPU {}: {}", rate.cpu, short(rate.gbps));
    if rates.len() > MOST {
        let by_rate = |a: &&CpuRate, b: &&CpuRate| a.gbps.total_cmp(&b.gbps);
        let ends = [rates.iter().min_by(by_rate), rates.iter().max_by(by_rate)];
        let ends: Vec<String> = ends.into_iter().flatten().map(text).collect();
        return format!("{} CPUs, {}", rates.len(), ends.join(" to "));
    }
    rates.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// Each cell's share of the ceiling, those nearest to it first; none where no ceiling was measured.
pub(crate) fn shares(explained: &Explained) -> Option<TextTable<7>> {
    let mut shares: Vec<&CeilingShare> = explained.ceiling_shares.iter().collect();
    shares.sort_by(|a, b| b.share.mean.total_cmp(&a.share.mean));
    let rows = shares.into_iter().map(|share| {
        let side = match share.side {
            ModelledSide::Sender => "sender",
            ModelledSide::Receiver => "receiver",
        };
        let counted = if share.copies.audited { "counted" } else { "expected" };
        [
            share.cell.id(),
            side.to_owned(),
            short(share.goodput_gbps.mean),
            format!("{} ({counted})", short(share.copies.per_byte)),
            short(share.ceiling_gbps),
            format!("{}, {}", share.routine, Bytes(share.working_set_bytes)),
            match (share.share.low, share.share.high) {
                (Some(low), Some(high)) => {
                    format!("{} [{}, {}]", percent(share.share.mean), percent(low), percent(high))
                }
                (None, _) | (_, None) => percent(share.share.mean),
            },
        ]
    });
    let rows: Vec<[String; 7]> = rows.collect();
    let columns = [
        "Cell",
        "Side",
        "Goodput, Gbit/s",
        "Copies a byte",
        "Ceiling, Gbit/s",
        "Ceiling’s routine and working set",
        "Share",
    ];
    (!rows.is_empty()).then_some(TextTable { columns, rows })
}
