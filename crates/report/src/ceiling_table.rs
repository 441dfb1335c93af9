//! The copying ceiling and each cell's share of it, as tables of text: the same in HTML and Markdown.

use std::collections::BTreeMap;

use analysis::explained::Explained;
use analysis::findings::{CeilingShare, CpuRate, ModelledSide, NoCeilingShare, NoShare};
use model::{Bytes, Measured};

use crate::explained_tables::TextTable;
use crate::numbers::{counted, percent, short};
use crate::words::laws::unforeseen;

/// More shares than this are left to `summary.json`.
const MOST_SHARES: usize = 200;

/// What a reader must know of both tables.
const CEILING_NOTE: &str = "How fast the CPUs in use copy memory, measured before the run in each CPU’s own time: source and destination together make the working set.";
/// What a reader must know of the shares.
const SHARES_NOTE: &str = "Goodput × copies a byte, as a share of what these CPUs can copy at the largest measured working set that is no larger than the worker’s own memory (its ring, or its receive buffer). The true working set is larger, so the true share may be higher. The ceiling of a path that makes a copy of its own is the harmonic mean of both copies’. On the sink there is the sender’s side alone; what zerocopy passes by reference is copied nowhere there, so that its share is 0: no copy limits it, and its goodput may lie above the ceiling. Rings of huge pages have no share: the ceiling is of normal pages. At most 200 are shown, those nearest to it first; all are in summary.json, ceiling_shares.";

/// How fast the CPUs copy, and each cell's share of it; without rows where no ceiling was measured.
pub(crate) fn tables(explained: &Explained) -> [TextTable; 2] {
    [ceilings(explained), shares(explained)]
}

fn ceilings(explained: &Explained) -> TextTable {
    let rows = explained.ceilings.iter().map(|ceiling| {
        vec![
            Bytes(ceiling.working_set_bytes).to_string(),
            ceiling.routine.clone(),
            rates(&ceiling.alone),
            match &ceiling.together_gbps {
                Measured::Value(sum) => format!("{} ({})", short(*sum), rates(&ceiling.together)),
                Measured::Absent { absent } => format!("– ({absent})"),
            },
        ]
    });
    TextTable {
        heading: "Copying ceiling",
        reading: CEILING_NOTE,
        columns: &["Working set", "Routine", "Each CPU alone, Gbit/s", "All together, Gbit/s"],
        rows: rows.collect(),
    }
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

const fn side(side: ModelledSide) -> &'static str {
    match side {
        ModelledSide::Sender => "sender",
        ModelledSide::Receiver => "receiver",
    }
}

/// What has no share, a row a side and reason.
fn without_share(all: &[NoCeilingShare]) -> Vec<Vec<String>> {
    let mut groups: BTreeMap<(ModelledSide, &NoShare), Vec<&NoCeilingShare>> = BTreeMap::new();
    for one in all {
        groups.entry((one.side, &one.why)).or_default().push(one);
    }
    let row = |((of, why), cells): ((ModelledSide, &NoShare), Vec<&NoCeilingShare>)| {
        let first = cells.first().map(|one| one.cell.id()).unwrap_or_default();
        let others = u32::try_from(cells.len() - 1).unwrap_or(u32::MAX);
        let which = match others {
            0 => first,
            others => format!("{first} and {}", counted(others, "other cell", "other cells")),
        };
        let why = match why {
            NoShare::HugePages => "its ring is of huge pages".to_owned(),
            NoShare::Unforeseen { why } => format!(
                "how often its bytes are copied was not counted, and is not known beforehand: {}",
                unforeseen(why)
            ),
        };
        let dash = || "–".to_owned();
        vec![which, side(of).to_owned(), dash(), dash(), dash(), dash(), format!("none: {why}")]
    };
    groups.into_iter().map(row).collect()
}

/// Those nearest to the ceiling first.
fn shares(explained: &Explained) -> TextTable {
    let mut shares: Vec<&CeilingShare> = explained.ceiling_shares.iter().collect();
    shares.sort_by(|a, b| b.share.mean.total_cmp(&a.share.mean));
    let rows = shares.into_iter().map(|share| {
        let counted = if share.copies.audited { "counted" } else { "expected" };
        vec![
            share.cell.id(),
            side(share.side).to_owned(),
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
    let rows = rows.take(MOST_SHARES).chain(without_share(&explained.no_ceiling_share));
    TextTable {
        heading: "Shares of the copying ceiling",
        reading: SHARES_NOTE,
        columns: &[
            "Cell",
            "Side",
            "Goodput, Gbit/s",
            "Copies a byte",
            "Ceiling, Gbit/s",
            "Ceiling’s routine and working set",
            "Share",
        ],
        rows: rows.collect(),
    }
}
