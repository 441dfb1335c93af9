//! Tables as a plan, a machine and the records of a run.

use std::collections::BTreeSet;

use model::factor::FactorKind;
use model::host::Host;
use model::plan::MAX_CELLS;
use model::record::{Finish, FinishReason, Record, Round, Segment, Settings, Trial};
use model::{Block, Cell, Factor, FactorLists, Measured, Nanos, Plan, Preset};

use crate::error::shown;
use crate::reading::Table;
use crate::row::Row;

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

/// What is told of a table whose rows stand in blocks of an earlier one, and whose cells do not.
const NO_CELL_SHARED: &str = "it shares no cell with the tables before it, so that none of its rows is compared with theirs: rows to be compared belong into one file";

/// What cells that may be compared share.
fn block(cell: &Cell) -> Block {
    let within: Vec<Factor> = Factor::ALL
        .iter()
        .copied()
        .filter(|factor| matches!(factor.kind(), FactorKind::Choice | FactorKind::Control))
        .collect();
    cell.block(&within)
}

/// Makes a run of tables; rows of a later table are further rounds of the blocks that it shares with earlier ones. `label` names it, `cpus` are those that the ends could use,
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
    check_alike(&tables)?;
    let mut host = Host::unknown(copycost, cpus, NOT_TOLD);
    if let Some(name) = machine(&tables) {
        host.hostname = Measured::Value(name.to_owned());
    }
    let mut records = vec![Record::Segment(Segment {
        copycost: copycost.to_owned(),
        started_unix_ms: now,
        boot_id: Measured::absent(NOT_TOLD),
        host: host.identity(),
        receiver_host: None,
        sender_host: None,
        host_crc32: None,
        line: None,
        congestion: String::new(),
        plan: None,
    })];
    let is_own = tables.iter().all(|table| table.is_own);
    let mut rows: Vec<Row> = Vec::new();
    for mut table in tables {
        // Its rows are further rounds of the blocks that an earlier table has; blocks of its own begin at the first.
        let own: BTreeSet<Block> = table.rows.iter().map(|row| block(&row.cell)).collect();
        let earlier = rows.iter().filter(|row| own.contains(&block(&row.cell)));
        let before = earlier.map(|row| row.round).max().unwrap_or(0);
        let shares_cells = || {
            let known: BTreeSet<&Cell> = rows.iter().map(|row| &row.cell).collect();
            table.rows.iter().any(|row| known.contains(&row.cell))
        };
        if before > 0 && !shares_cells() {
            table.file.notes.push(NO_CELL_SHARED.to_owned());
        }
        records.push(Record::Imported(Box::new(table.file)));
        table.rows.iter_mut().for_each(|row| row.round = row.round.saturating_add(before));
        rows.append(&mut table.rows);
    }
    // Stable: rows of a round stay in their order.
    rows.sort_by_key(|row| row.round);
    let cells: BTreeSet<Cell> = rows.iter().map(|row| row.cell.clone()).collect();
    let mut round = 0;
    let mut rounds = 0;
    let mut position = 0;
    // How long it took is known where each row says so.
    let mut spent_ns = Some(Nanos(0));
    for row in rows {
        if row.round != round {
            (round, position) = (row.round, 0);
            rounds += 1;
            let idle = Measured::absent(NOT_TOLD);
            records.push(Record::Round(Round { round, started_unix_ms: now, idle }));
        }
        let [block, place, attempt] = row.place;
        spent_ns = spent_ns.zip(row.window_ns).map(|(all, it)| Nanos(all.0.saturating_add(it.0)));
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
    let spent_ns = spent_ns.unwrap_or_default();
    records.push(Record::Finish(Finish { reason: FinishReason::Rounds, spent_ns }));
    let plan = plan(&cells, is_own, rounds, label)?;
    Ok(Import { plan, host, records })
}

/// The machine that measured them all; none where a table does not say, or another one.
fn machine(tables: &[Table]) -> Option<&str> {
    let (first, rest) = tables.split_first()?;
    let name = first.machine.as_deref()?;
    rest.iter().all(|table| table.machine.as_deref() == Some(name)).then_some(name)
}

/// Cells of one table that tells a factor and of another that does not would pass for equal where they may not be.
///
/// # Errors
/// There are two such tables.
fn check_alike(tables: &[Table]) -> Result<(), String> {
    let tells = |table: &Table, factor: &Factor| {
        table.file.stated.as_ref().is_some_and(|stated| stated.contains(factor))
    };
    for factor in Factor::ALL {
        let tell = tables.iter().find(|table| tells(table, factor));
        let silent = tables.iter().find(|table| !tells(table, factor));
        if let (Some(tell), Some(silent)) = (tell, silent) {
            return Err(format!(
                "{} tells {} and {} does not: import them apart",
                shown(&tell.file.file),
                factor.column(),
                shown(&silent.file.file)
            ));
        }
    }
    Ok(())
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
        if !plan.factors.are_too_many() {
            plan.check()?;
            let known: BTreeSet<Cell> = plan.cells().into_iter().chain(plan.controls()).collect();
            if cells.is_subset(&known) {
                return Ok(plan);
            }
        }
    }
    plan.factors = lists(cells)?;
    if plan.factors.are_too_many() {
        let most = Factor::ALL.iter().max_by_key(|factor| plan.factors.get(**factor).len());
        return Err(format!(
            "the values of its factors could be combined in more than {MAX_CELLS} cells: import its rows in parts{}",
            most.map(|factor| format!(", such as by {}", factor.column())).unwrap_or_default()
        ));
    }
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
