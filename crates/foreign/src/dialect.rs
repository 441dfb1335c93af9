//! How a table's text is written: its separator and encoding, told from its beginning.

use crate::column::{Taken, recognised};
use crate::error::ForeignError;
use crate::number::is_number;

/// The separators that tables have.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// UTF-8's mark at the beginning of a file.
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// How a table is written, and where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) separator: u8,
    /// Bytes before its heading: comments, and the sign that makes a heading look like one.
    pub(crate) skip: usize,
    /// Lines that those bytes end.
    pub(crate) skipped_lines: u64,
}

/// A table's text without its mark, as far as its beginning goes.
///
/// # Errors
/// It is empty, of another encoding, or no text.
pub(crate) fn text<'a>(file: &str, sample: &'a [u8]) -> Result<&'a [u8], ForeignError> {
    if sample.starts_with(b"\xff\xfe") || sample.starts_with(b"\xfe\xff") {
        return Err(ForeignError::of_file(
            file,
            "it is UTF-16: save it as UTF-8, or iconv -f UTF-16 -t UTF-8",
        ));
    }
    if let Some(at) = sample.iter().position(|byte| *byte == 0) {
        let before = sample.get(..at).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        return Err(ForeignError::at(file, line, "a zero byte: it is no text; name a CSV file"));
    }
    let text = sample.strip_prefix(UTF8_MARK).unwrap_or(sample);
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err(ForeignError::of_file(file, "it is empty"));
    }
    if is_json(text) {
        return Err(ForeignError::of_file(
            file,
            "it is JSON, not CSV: of a run of copycost import its trials.csv, or read it by copycost report DIR",
        ));
    }
    Ok(text)
}

/// A reader of a table with this separator. Lines that begin with `#` are comments.
pub(crate) fn reader<R: std::io::Read>(separator: u8, input: R) -> csv::Reader<R> {
    csv::ReaderBuilder::new()
        .delimiter(separator)
        .flexible(true)
        .has_headers(false)
        .comment(Some(b'#'))
        .from_reader(input)
}

/// Whether a text begins as JSON does; the journal of a run is lines of it.
fn is_json(text: &[u8]) -> bool {
    match text.trim_ascii_start() {
        [b'{', ..] => true,
        [b'[', rest @ ..] => matches!(rest.trim_ascii_start(), [b'{' | b'[' | b'"', ..]),
        _ => false,
    }
}

/// The separator under which most headings are recognised, and then the most columns have the same number in the lines
/// that follow; and where the heading begins.
///
/// # Errors
/// No separator gives two columns.
pub(crate) fn dialect(file: &str, sample: &[u8]) -> Result<Dialect, ForeignError> {
    const LINES: usize = 20;
    let score = |separator: u8| {
        let skip = heading_at(sample, separator);
        let table = sample.get(skip..)?;
        let mut lines = reader(separator, table).into_byte_records().map_while(Result::ok);
        let first = lines.next()?;
        let columns = first.len();
        let alike = lines.take(LINES).filter(|line| line.len() == columns).count();
        (columns > 1).then_some(((known(&first), alike, columns), skip))
    };
    let scored = SEPARATORS.iter().filter_map(|it| Some((score(*it)?, *it)));
    let best = scored.max_by_key(|((score, _), _)| *score);
    let Some(((_, skip), separator)) = best else {
        let quoted = sample.trim_ascii_start().starts_with(b"\"");
        let what = if quoted {
            "a quote that opens here is not closed before the next column: close it, or remove it"
        } else {
            "no comma, semicolon, tab or bar parts columns: it is no CSV file with a heading"
        };
        return Err(ForeignError::at(file, 1, what));
    };
    let before = sample.get(..skip).unwrap_or_default();
    let skipped_lines = before.iter().filter(|byte| **byte == b'\n').count() as u64;
    Ok(Dialect { separator, skip, skipped_lines })
}

/// How many headings of a line are recognised.
fn known(line: &csv::ByteRecord) -> usize {
    let is_known = |field: &&[u8]| {
        !matches!(recognised(&String::from_utf8_lossy(field), None), Taken::Unknown)
    };
    line.iter().filter(is_known).count()
}

/// Whether a line is a row, where a heading was looked for: no heading in it is recognised, and most of it are numbers.
pub(crate) fn is_row(line: &csv::ByteRecord) -> bool {
    let numbers = line
        .iter()
        .filter(|field| std::str::from_utf8(field).is_ok_and(|text| is_number(text.trim())));
    known(line) == 0 && numbers.count() * 2 >= line.len()
}

/// Where the heading begins: after the sign of a comment, where the last comment above the rows has as many fields as they
/// have; else at the first line.
fn heading_at(sample: &[u8], separator: u8) -> usize {
    let (mut at, mut comment) = (0, None);
    while let Some(rest) = sample.get(at..).filter(|rest| !rest.is_empty()) {
        let length = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |n| n + 1);
        let line = rest.get(..length).unwrap_or_default();
        if line.starts_with(b"#") {
            comment = Some(at);
        } else if !line.iter().all(u8::is_ascii_whitespace) {
            break;
        }
        at += length;
    }
    let first = |from: usize| {
        let text = sample.get(from..)?;
        reader(separator, text).into_byte_records().map_while(Result::ok).next()
    };
    let heading = comment.and_then(|comment| Some((comment + 1, first(comment + 1)?)));
    match (heading, first(at)) {
        (Some((from, heading)), Some(row))
            if heading.len() > 1
                && heading.len() == row.len()
                && is_row(&row)
                && !is_row(&heading) =>
        {
            from
        }
        _ => 0,
    }
}

/// A separator's name.
pub(crate) const fn name(separator: u8) -> &'static str {
    match separator {
        b';' => "semicolons",
        b'\t' => "tabs",
        b'|' => "bars",
        _ => "commas",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_separator_is_told_from_headings_and_lines() {
        for (text, wanted) in [
            ("impl,size,threads\nA1,64,1\n", b','),
            ("impl;size;throughput [Mbit/s]\nA1;64;1,5\n", b';'),
            ("impl\tsize\nA1\t64\n", b'\t'),
            ("impl|size\nA1|64\n", b'|'),
            ("a;b\n1,5;2,5\n3,5;4,5\n", b';'),
            ("# a, comment\nimpl;size\nA1;64\n", b';'),
            ("\"impl\";\"size, in bytes\"\nA1;64\n", b';'),
        ] {
            assert_eq!(dialect("f", text.as_bytes()).unwrap().separator, wanted, "{text}");
        }
        assert!(dialect("f", b"one\ntwo\n").is_err());
    }

    #[test]
    fn what_is_no_text_is_told_by_its_kind() {
        let what = |bytes: &[u8]| text("f", bytes).unwrap_err().to_string();
        assert_eq!(what(b""), "f: it is empty");
        assert_eq!(what(b"\xef\xbb\xbf \r\n"), "f: it is empty");
        assert!(what(b"\xff\xfea\0").contains("UTF-16"));
        assert!(what(b"a\nb\0").starts_with("f line 2: a zero byte"));
        assert_eq!(text("f", b"\xef\xbb\xbfa").unwrap(), b"a");
    }
}
