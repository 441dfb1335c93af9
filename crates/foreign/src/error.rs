//! Why a table cannot be imported: one line that names file, line and column, and the remedy.

use std::fmt;

/// Why a table cannot be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignError {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1; none where it is about the whole file.
    pub line: Option<u64>,
    /// The column's heading.
    pub column: Option<String>,
    /// What is wrong, and the remedy.
    pub what: String,
}

impl ForeignError {
    pub(crate) fn of_file(file: &str, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: None, column: None, what: what.into() }
    }

    pub(crate) fn at(file: &str, line: u64, what: impl Into<String>) -> Self {
        Self { line: Some(line), ..Self::of_file(file, what) }
    }

    pub(crate) fn in_column(self, column: &str) -> Self {
        Self { column: Some(column.to_owned()), ..self }
    }
}

impl fmt::Display for ForeignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.file))?;
        if let Some(line) = self.line {
            write!(f, " line {line}")?;
        }
        if let Some(column) = &self.column {
            write!(f, ", column {}", quoted(column))?;
        }
        write!(f, ": {}", self.what)
    }
}

/// The same in quotes.
pub(crate) fn quoted(text: &str) -> String {
    model::quoted(&shown(text))
}

/// `--map` as a shell is to read it: that this word or column is so called.
pub fn map_flag(of: &str, name: &str) -> String {
    format!("--map {}", model::shell_word(&format!("{}={name}", shown(of))))
}

/// Text of a file in one line of no great length.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 60;
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match clean.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", clean.get(..at).unwrap_or_default()),
        None => clean,
    }
}
