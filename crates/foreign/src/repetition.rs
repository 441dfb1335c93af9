//! Which repetition a row is: by its own column, or by its place among the rows of its cell.

use std::collections::{BTreeMap, HashSet};

use model::Cell;

use crate::error::ForeignError;
use crate::row::Row;

/// Gives every row its round, drops copies of rows, and says what was done.
///
/// # Errors
/// Rows of a cell that differ and that nothing tells apart.
pub(crate) fn rounds(
    file: &str,
    rows: &mut Vec<Row>,
    has_column: bool,
    is_papers: bool,
) -> Result<Vec<String>, ForeignError> {
    let mut notes = Vec::new();
    // Figures of few digits repeat by chance; a row that was copied spoils the count of its cell's rows, a file that was
    // appended to itself has all of them twice.
    if has_column || !is_even(rows) || is_doubled(rows) {
        let copies = drop_copies(rows);
        if copies > 0 {
            notes.push(format!("{copies} of its rows repeat another field by field: taken once"));
        }
    }
    let mut of_cell: BTreeMap<&Cell, Vec<(u64, u32)>> = BTreeMap::new();
    for row in rows.iter() {
        of_cell.entry(&row.cell).or_default().push((row.line, row.round));
    }
    if has_column {
        for (cell, places) in &of_cell {
            let mut lines = BTreeMap::new();
            for (line, round) in places {
                if let Some(earlier) = lines.insert(*round, *line) {
                    let what = format!(
                        "{cell}: repetition {round} stands in line {earlier} already, with other figures: remove one"
                    );
                    return Err(ForeignError::at(file, *line, what));
                }
            }
        }
        return Ok(notes);
    }
    let fewest = of_cell.values().map(Vec::len).min().unwrap_or(0);
    let most = of_cell.values().map(Vec::len).max().unwrap_or(0);
    if fewest != most
        && let Some((cell, places)) = of_cell.iter().find(|(_, places)| places.len() == most)
        && let [.., (earlier, _), (line, _)] = places[..]
    {
        let what = format!(
            "{cell}: line {earlier} is of the same cell with other figures, and other cells have {fewest} rows: remove one, or number repetitions in a column \"round\""
        );
        return Err(ForeignError::at(file, line, what));
    }
    if is_papers
        && let Some([(earlier, _), (line, _), ..]) =
            of_cell.values().find(|of| of.len() > 1).map(Vec::as_slice)
    {
        let what = format!(
            "line {earlier} is of the same cell: the paper's columns do not tell what else varies; import copycost's trials.csv, or number repetitions in a column \"round\""
        );
        return Err(ForeignError::at(file, *line, what));
    }
    if most > 1 {
        notes.push(format!("{most} rows a cell: the k-th of each is taken as round k"));
    }
    let mut next: BTreeMap<Cell, u32> = BTreeMap::new();
    for row in rows {
        let round = next.entry(row.cell.clone()).or_insert(0);
        *round += 1;
        row.round = *round;
    }
    Ok(notes)
}

/// Whether every cell has as many rows.
fn is_even(rows: &[Row]) -> bool {
    let mut counts: BTreeMap<&Cell, usize> = BTreeMap::new();
    rows.iter().for_each(|row| *counts.entry(&row.cell).or_default() += 1);
    let mut counts = counts.into_values();
    let first = counts.next();
    counts.all(|count| Some(count) == first)
}

/// Whether the second half of a file is its first.
fn is_doubled(rows: &[Row]) -> bool {
    let (first, second) = rows.split_at(rows.len() / 2);
    let hashes = |rows: &[Row]| rows.iter().map(|row| row.hash).collect::<Vec<_>>();
    !first.is_empty() && hashes(first) == hashes(second)
}

/// Leaves the first of rows with the very same fields; how many went.
fn drop_copies(rows: &mut Vec<Row>) -> usize {
    let before = rows.len();
    let mut seen = HashSet::new();
    rows.retain(|row| seen.insert(row.hash));
    before - rows.len()
}
