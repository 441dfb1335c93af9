//! How a table's text is written: its separator and encoding, told from its beginning.

use crate::column::{Taken, recognised};
use crate::error::ForeignError;

/// The separators that tables have.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// UTF-8's mark at the beginning of a file.
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

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

/// The separator under which most headings are recognised, and then the most columns have the same number in the lines
/// that follow.
///
/// # Errors
/// No separator gives two columns.
pub(crate) fn separator(file: &str, sample: &[u8]) -> Result<u8, ForeignError> {
    const LINES: usize = 20;
    let score = |separator: &u8| {
        let mut lines = reader(*separator, sample).into_byte_records().map_while(Result::ok);
        let first = lines.next()?;
        let known = |field: &&[u8]| {
            !matches!(recognised(&String::from_utf8_lossy(field), None), Taken::Unknown)
        };
        let known = first.iter().filter(known).count();
        let columns = first.len();
        let alike = lines.take(LINES).filter(|line| line.len() == columns).count();
        (columns > 1).then_some((known, alike, columns))
    };
    let scored = SEPARATORS.iter().filter_map(|separator| Some((score(separator)?, *separator)));
    let best = scored.max_by_key(|(score, _)| *score);
    best.map(|(_, separator)| separator).ok_or_else(|| {
        ForeignError::at(
            file,
            1,
            "no comma, semicolon, tab or bar parts columns: it is no CSV file with a heading",
        )
    })
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
            assert_eq!(separator("f", text.as_bytes()).unwrap(), wanted, "{text}");
        }
        assert!(separator("f", b"one\ntwo\n").is_err());
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
