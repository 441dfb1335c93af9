//! What the fuzz targets of this crate check (`fuzz/targets`), replayed on their corpora by its tests. Not a part of the
//! library: it is compiled for `cargo test` and `cargo fuzz` alone.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a check fails by a panic, and each is named for what it reads"
)]

use model::Plan;
use model::plan::MAX_CELLS;
use model::record::Record;

use crate::heading::Heading;
use crate::number::{self, NoNumber};
use crate::reading::{Asked, read};
use crate::unit::{Dimension, Scale};
use crate::{Decimal, Mapping, import};

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

/// A table. The first byte tells what a reader says beside it: a decimal sign (2 bits), whether CPUs are known (1 bit), and
/// whether the first line holds mappings, with tabs between. What is accepted becomes records of one plan, whose figures are
/// numbers, and a summary; what is not is refused by a line that the table has.
pub fn table(bytes: &[u8]) {
    let Some((said, rest)) = bytes.split_first() else { return };
    let (mut maps, mut table): (Vec<Mapping>, &[u8]) = (Vec::new(), rest);
    if said & 8 != 0 {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let words = String::from_utf8_lossy(&rest[..end]);
        maps = words.split('\t').filter_map(|word| word.parse().ok()).take(16).collect();
        table = rest.get(end + 1..).unwrap_or_default();
    }
    let decimal = [None, Some(Decimal::Point), Some(Decimal::Comma), None][usize::from(said & 3)];
    let asked = Asked { maps: &maps, decimal, cpus: (said & 4 != 0).then_some(8) };
    let lines = table.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
    let read = match read("f.csv", table, asked) {
        Ok(read) => read,
        Err(error) => {
            assert!(error.to_string().starts_with("f.csv"), "{error}");
            assert!(error.to_string().lines().count() == 1, "one line: {error:?}");
            if let Some(line) = error.to_string().strip_prefix("f.csv line ") {
                let digits = line.find(|c: char| !c.is_ascii_digit()).unwrap_or(line.len());
                let line: usize = line[..digits].parse().unwrap();
                assert!((1..=lines).contains(&line), "{error}");
            }
            return;
        }
    };
    assert!((1..=lines as u64).contains(&read.file.rows));
    assert_eq!(read.rows.len() as u64, read.file.rows);
    let rows = read.rows.len();
    let Ok(made) = import(vec![read], "a try", asked.cpus, 7) else { return };
    assert_eq!(Plan::from_toml(&made.plan.to_toml()).as_ref(), Ok(&made.plan));
    assert!(made.plan.cells().len() <= MAX_CELLS);
    let mut trials = 0;
    for record in &made.records {
        if let Record::Trial(trial) = record {
            trials += 1;
            // A journal has no way to write these, and could not be read again.
            let text = format!("{trial:?}");
            assert!(!text.contains(": inf") && !text.contains(": NaN"), "{text}");
            assert!(!text.contains("(inf") && !text.contains("(NaN"), "{text}");
        }
    }
    assert_eq!(trials, rows);
    let summary = analysis::summarise(&made.plan, &made.host, &made.records);
    assert_eq!(summary.run.trials as usize, rows);
}

/// A number, a unit, a heading or a mapping: the first byte says which, the rest is its text. A number that is read is one
/// in any spelling that the reader itself would give it.
pub fn words(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    const DIMENSIONS: [Dimension; 5] =
        [Dimension::Rate, Dimension::Size, Dimension::Time, Dimension::Count, Dimension::Plain];
    let dimension = DIMENSIONS[usize::from(kind >> 2) % DIMENSIONS.len()];
    let is_scale = |scale: Scale| match scale {
        Scale::By(factor) => factor.is_finite() && factor > 0.0,
        Scale::TwoReadings => true,
    };
    match kind % 4 {
        0 => read_number(text),
        1 => {
            assert!(dimension.unit(text).is_none_or(is_scale), "{text:?}");
        }
        2 => {
            let heading = Heading::new(text);
            let words = heading.words();
            assert_eq!(words, words.to_lowercase());
            let scale = heading.is(&words, dimension).flatten();
            assert!(scale.is_none_or(is_scale), "{text:?}");
            crate::column::recognised(text, None);
        }
        _ => {
            if let Ok(mapping) = text.parse::<Mapping>() {
                assert!(!mapping.of.is_empty() && !mapping.to.is_empty());
                let is_one = mapping.is_of_value() ^ mapping.is_of(&mapping.of);
                assert!(is_one, "a column or a word, and not both: {text:?}");
            }
        }
    }
}

fn read_number(text: &str) {
    let read = Decimal::ALL.map(|decimal| number::number(text, Some(decimal)));
    assert_eq!(number::is_number(text), read.iter().any(Result::is_ok));
    for (decimal, read) in Decimal::ALL.into_iter().zip(read) {
        let Ok(value) = read else { continue };
        assert!(value.is_finite());
        let plain = format!("{value:e}");
        let spelt = if decimal == Decimal::Comma { plain.replace('.', ",") } else { plain };
        assert_eq!(number::number(&spelt, Some(decimal)), Ok(value), "{text:?} as {spelt:?}");
        if let Some(whole) = number::whole(value) {
            assert!((value - whole as f64).abs() <= 1e-9 * value.abs().max(1.0));
        }
    }
    match (number::proves(text), number::number(text, None)) {
        // What proves a sign is read with it, whoever says nothing.
        (Some(decimal), told) => {
            let with_it = number::number(text, Some(decimal));
            assert_eq!(told.is_ok(), with_it.is_ok(), "{text:?}");
        }
        (None, Err(NoNumber::TwoReadings)) => assert!(number::is_open(text), "{text:?}"),
        (None, _) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::replay::replay;

    #[test]
    fn the_corpus_of_tables_is_read() {
        replay("table", super::table);
    }

    #[test]
    fn the_corpus_of_words_of_tables_is_read() {
        replay("table_words", super::words);
    }
}
