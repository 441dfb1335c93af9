//! Tables as a plan, a machine and the records of a run.

use std::collections::BTreeSet;

use model::host::Host;
use model::record::{Finish, FinishReason, Record, Round, Segment, Settings, Trial};
use model::{Cell, Factor, FactorLists, Measured, Nanos, Plan, Preset};

use crate::reading::Table;

/// A run that was made of tables.
#[derive(Clone, Debug)]
pub struct Import {
    /// Its cells.
    pub plan: Plan,
    /// What is known of the machine.
    pub host: Host,
    /// Its records, in the journal's order.
    pub records: Vec<Record>,
}

/// Why nothing is known of the machine.
const NOT_TOLD: &str = "not told by the file that was imported";

/// Makes a run of tables; those of a later table are further rounds. `label` names it, `cpus` are those that the ends could use,
/// `now` is in milliseconds since 1970.
///
/// # Errors
/// No plan has all of its cells.
pub fn import(
    tables: Vec<Table>,
    label: &str,
    cpus: Option<u32>,
    now: u64,
) -> Result<Import, String> {
    let copycost = env!("CARGO_PKG_VERSION");
    let host = Host::unknown(copycost, cpus, NOT_TOLD);
    let mut records = vec![Record::Segment(Segment {
        copycost: copycost.to_owned(),
        started_unix_ms: now,
        boot_id: Measured::absent(NOT_TOLD),
        host: host.identity(),
        receiver_host: None,
        congestion: String::new(),
    })];
    let is_own = tables.iter().all(|table| table.is_own);
    let mut rows = Vec::new();
    for mut table in tables {
        records.push(Record::Imported(Box::new(table.file)));
        let before = rows.iter().map(|row: &crate::row::Row| row.round).max().unwrap_or(0);
        table.rows.iter_mut().for_each(|row| row.round = row.round.saturating_add(before));
        rows.append(&mut table.rows);
    }
    // Stable: rows of a round stay in their order.
    rows.sort_by_key(|row| row.round);
    let cells: BTreeSet<Cell> = rows.iter().map(|row| row.cell.clone()).collect();
    let mut round = 0;
    let mut rounds = 0;
    let mut position = 0;
    let mut spent_s = 0.0;
    for row in rows {
        if row.round != round {
            (round, position) = (row.round, 0);
            rounds += 1;
            let idle = Measured::absent(NOT_TOLD);
            records.push(Record::Round(Round { round, started_unix_ms: now, idle }));
        }
        let [block, place, attempt] = row.place;
        spent_s += row.duration_s;
        records.push(Record::Trial(Box::new(Trial {
            cell: row.cell,
            round,
            block,
            position: if is_own { place } else { position },
            attempt,
            started_unix_ms: row.started_unix_ms,
            settings: Settings::default(),
            outcome: row.outcome,
        })));
        position += 1;
    }
    let spent_ns = Nanos::from_secs_f64(spent_s);
    records.push(Record::Finish(Finish { reason: FinishReason::Rounds, spent_ns }));
    let plan = plan(&cells, is_own, rounds, label)?;
    Ok(Import { plan, host, records })
}

/// The plan whose cells these are; a table that lacks some leaves them unmeasured. Of copycost's own trials the controls are the
/// plan's, where it has them all.
fn plan(cells: &BTreeSet<Cell>, is_own: bool, rounds: u32, label: &str) -> Result<Plan, String> {
    const CONTROLS: [Factor; 3] = [Factor::Replica, Factor::Watch, Factor::SoZerocopy];
    let mut plan = Plan::preset(Preset::Paper);
    plan.label = label.to_owned();
    plan.measure.rounds = Some(rounds.max(1));
    if is_own {
        let asked = cells.iter().filter(|cell| CONTROLS.iter().all(|it| cell.is_default(*it)));
        plan.factors = lists(&asked.cloned().collect())?;
        plan.measure.controls = true;
        plan.check()?;
        let known: BTreeSet<Cell> = plan.cells().into_iter().chain(plan.controls()).collect();
        if cells.is_subset(&known) {
            return Ok(plan);
        }
    }
    plan.factors = lists(cells)?;
    plan.measure.controls = false;
    plan.check()?;
    Ok(plan)
}

/// Every value that a factor has in these cells, in the order of its type.
fn lists(cells: &BTreeSet<Cell>) -> Result<FactorLists, String> {
    let mut lists = FactorLists::default();
    for factor in Factor::ALL {
        // A cell for each value sorts as its factor does.
        let mut values = BTreeSet::new();
        for cell in cells {
            let mut alone = Cell::default();
            alone.set(*factor, &cell.get(*factor))?;
            values.insert(alone);
        }
        let texts: Vec<String> = values.iter().map(|cell| cell.get(*factor)).collect();
        if !texts.is_empty() {
            lists.set(*factor, &texts.join(","))?;
        }
    }
    Ok(lists)
}
