//! Quotes that nobody closed: such a field swallows the lines below it.

use crate::error::ForeignError;
use crate::reading::Used;

/// What is wrong, and the remedy.
const NOT_CLOSED: &str =
    "a quote that opens here is not closed in its line: close it, or remove it";

/// Whether a field has swallowed rows: a line within it has as many fields as rows have.
fn swallows(field: &[u8], separator: u8, columns: usize) -> bool {
    let mut lines = field.split(|byte| *byte == b'\n').skip(1);
    lines.any(|line| line.iter().filter(|byte| **byte == separator).count() + 1 >= columns)
}

/// Refuses a row with a field that runs on into the next one. A note may have several lines, a figure has one.
///
/// # Errors
/// It has one.
pub(crate) fn check_row(
    file: &str,
    (record, line): (&csv::ByteRecord, u64),
    separator: u8,
    headings: &[String],
    used: &[Used],
) -> Result<(), ForeignError> {
    for (index, field) in record.iter().enumerate() {
        let runs_on = || {
            swallows(field, separator, headings.len()) || used.iter().any(|it| it.index == index)
        };
        if field.trim_ascii().contains(&b'\n') && runs_on() {
            let error = ForeignError::at(file, line, NOT_CLOSED);
            return Err(match headings.get(index) {
                Some(heading) => error.in_column(heading),
                None => error,
            });
        }
    }
    Ok(())
}

/// Refuses headings of which one runs on into a row; one of several lines is what spreadsheets write.
///
/// # Errors
/// One does.
pub(crate) fn check_headings(
    file: &str,
    (record, line): (&csv::ByteRecord, u64),
    separator: u8,
) -> Result<(), ForeignError> {
    match record.iter().position(|field| swallows(field, separator, 2)) {
        Some(index) => {
            let what = format!("column {}: {NOT_CLOSED}", index + 1);
            Err(ForeignError::at(file, line, what))
        }
        None => Ok(()),
    }
}
