//! Standard output and error: who reads them, how wide, in colour or not, and readers that go away.

use std::io::{self, BufWriter, ErrorKind, IsTerminal as _, Write};

use report::{ReportError, visible, visible_screen};

use crate::exit::Stop;

/// Columns where nobody says how many there are.
const COLUMNS: usize = 100;
/// Lines where nobody says how many there are.
const LINES: usize = 24;

/// Who reads an output of this program: that decides how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reader {
    /// Whether it is a person at a terminal.
    pub(crate) at_terminal: bool,
    /// Whether the text may have colour.
    pub(crate) colour: bool,
    /// Columns.
    pub(crate) width: usize,
    /// Lines.
    pub(crate) height: usize,
}

impl Reader {
    /// Who reads standard output.
    pub(crate) fn of_output() -> Self {
        Self::new(io::stdout().is_terminal(), terminal_size::terminal_size_of(io::stdout()))
    }

    /// Who reads standard error.
    pub(crate) fn of_error() -> Self {
        Self::new(io::stderr().is_terminal(), terminal_size::terminal_size_of(io::stderr()))
    }

    fn new(at_terminal: bool, size: Option<(terminal_size::Width, terminal_size::Height)>) -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let columns =
            variable("COLUMNS").and_then(|text| text.parse().ok()).filter(|columns| *columns > 0);
        let width = size.map(|(width, _)| usize::from(width.0)).or(columns).unwrap_or(COLUMNS);
        let height = size.map_or(LINES, |(_, height)| usize::from(height.0));
        Self { at_terminal, colour: colour(at_terminal, variable), width, height }
    }
}

/// `NO_COLOR` (<https://no-color.org>) first, then `CLICOLOR_FORCE` (<https://bixense.com/clicolors>), then
/// whether it is a terminal that knows colour.
fn colour(terminal: bool, variable: impl Fn(&str) -> Option<String>) -> bool {
    if variable("NO_COLOR").is_some_and(|text| !text.is_empty()) {
        return false;
    }
    if variable("CLICOLOR_FORCE").is_some_and(|text| !text.is_empty() && text != "0") {
        return true;
    }
    terminal && variable("TERM").is_none_or(|term| term != "dumb")
}

/// Writes to standard output; at a terminal with what would drive that shown as escapes. A reader that went away
/// (`copycost probe | head -1`) has had enough: no error.
///
/// # Errors
/// Anything else that keeps the text from its reader, such as a full disk.
pub(crate) fn show(text: &str) -> Result<(), Stop> {
    let mut output = io::stdout().lock();
    let text = if output.is_terminal() { visible_screen(text) } else { text.into() };
    written(output.write_all(text.as_bytes()))
}

/// The same of a command that would go on for ever: where the reader went away it is over, as programs are that SIGPIPE ends, and as
/// well as [`show`] has it.
///
/// # Errors
/// As [`show`].
pub(crate) fn show_while_read(text: &str) -> Result<(), Stop> {
    let mut output = io::stdout().lock();
    let shown = if output.is_terminal() { visible_screen(text) } else { text.into() };
    let out = output.write_all(shown.as_bytes()).and_then(|()| output.flush());
    if out.as_ref().is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
        std::process::exit(0);
    }
    drop(output);
    written(out)
}

/// What came of writing to standard output, once all of it is out.
///
/// # Errors
/// As [`show`].
pub(crate) fn written(written: io::Result<()>) -> Result<(), Stop> {
    match written.and_then(|()| io::stdout().lock().flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Stop::Cannot(format!("cannot write to standard output: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The same of what is written bit by bit; at a terminal it is gathered first, to be shown as [`show`] does.
///
/// # Errors
/// As [`show`].
pub(crate) fn stream(
    write: impl FnOnce(&mut dyn Write) -> Result<(), ReportError>,
) -> Result<(), Stop> {
    if io::stdout().is_terminal() {
        let mut text = Vec::new();
        write(&mut text).map_err(|error| Stop::Cannot(error.to_string()))?;
        return show(&String::from_utf8_lossy(&text));
    }
    match write(&mut BufWriter::new(io::stdout().lock())) {
        Err(error) if error.io().kind() != ErrorKind::BrokenPipe => {
            Err(Stop::Cannot(format!("cannot write to standard output: {}", error.io())))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes a line to standard error, with what would drive a terminal shown as escapes, and for somebody at a terminal broken at
/// its width; where even that fails nobody is left to be told.
pub(crate) fn tell(line: &str) {
    let line = visible(line);
    let reader = Reader::of_error();
    if !reader.at_terminal {
        return tell_exactly(&line);
    }
    tell_exactly(&lines_of(&line, reader.width));
}

/// Writes what is our own, and to be copied whole, such as a command.
pub(crate) fn tell_exactly(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Lines of at most so many columns; what goes on stands two columns further in than its beginning.
fn lines_of(text: &str, width: usize) -> String {
    let fold = |line: &str| {
        let indent = line.chars().take_while(|c| *c == ' ').count();
        report::folded(line, indent + 2, width)
    };
    text.lines().map(fold).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_for_a_terminal_are_no_wider_than_it() {
        let text = "! one two three\n  four five six seven";
        assert_eq!(lines_of(text, 12), "! one two\n  three\n  four five\n    six\n    seven");
        assert_eq!(lines_of(text, 40), text);
    }

    #[test]
    fn colour_is_for_terminals_and_for_those_who_insist() {
        let with = |set: &'static [(&str, &str)]| {
            move |name: &str| {
                set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            }
        };
        assert!(colour(true, with(&[])));
        assert!(!colour(false, with(&[])));
        assert!(!colour(true, with(&[("TERM", "dumb")])));
        assert!(!colour(true, with(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")])));
        assert!(colour(true, with(&[("NO_COLOR", "")])));
        assert!(colour(false, with(&[("CLICOLOR_FORCE", "1")])));
        assert!(!colour(false, with(&[("CLICOLOR_FORCE", "0")])));
    }
}
