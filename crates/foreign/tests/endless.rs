//! A row that never ends is refused before it fills the memory.
#![allow(clippy::unwrap_used, reason = "a test may stop where its own helpers fail")]

use std::io::{Read as _, repeat};

use foreign::{Asked, read};

const TABLE: &str = "impl,size,threads,goodput_gbps,note\nA1,64,1,3,";
/// More than a row may have, and than the dialect is told from.
const MUCH: u64 = 4 << 20;

#[test]
fn a_row_without_an_end_is_refused_whatever_it_is_made_of() {
    for (begun, rest) in [("", b'x'), ("\"", b'x'), ("\"", b'\n'), ("none\n", b'\n'), ("\n#", b'#')]
    {
        let text = format!("{TABLE}{begun}");
        let input = text.as_bytes().chain(repeat(rest).take(MUCH));
        let why = read("f.csv", input, Asked::default()).unwrap_err().to_string();
        assert!(why.contains("no row ends within 1 MiB"), "{begun:?} {rest}: {why}");
        assert!(why.starts_with("f.csv line ") && why.len() < 160, "{why}");
    }
}

#[test]
fn many_rows_and_long_ones_are_read() {
    let long = format!("{TABLE}{}\n", "x".repeat(900_000));
    let rows = format!("A1,64,1,3,{}\n", "y".repeat(50_000)).repeat(60);
    let table = read("f.csv", (long + &rows).as_bytes(), Asked::default()).unwrap();
    assert_eq!(table.file.rows, 61);
}
