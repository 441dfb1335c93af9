//! One line of the journal:
//! `{"v":1,"seq":7,"kind":"trial","body":{…},"crc32":"0a1b2c3d"}`.
//!
//! The sum (CRC-32 as in IEEE 802.3) covers the raw bytes before its own suffix, which has a fixed length, so a reader
//! checks a line without parsing or re-serialising it. It finds every damage of up to 32 bits in a row.

use model::record::Record;
use serde::Deserialize;

/// The journal's version, in every line.
pub(crate) const VERSION: u32 = 1;

const SUFFIX_START: &[u8] = br#","crc32":""#;
const SUFFIX_BYTES: usize = SUFFIX_START.len() + 8 + 2;

/// What is wrong with a line.
#[derive(Debug)]
pub(crate) enum Flaw {
    /// Its bytes are not those that were written.
    Damaged(&'static str),
    /// Its bytes are whole, but no record of this program.
    Unreadable(String),
    /// Another version wrote it.
    OtherVersion(u64),
    /// It is whole, of a kind that is not known.
    UnknownKind(String),
    /// It is whole, and not the one that belongs here.
    OtherSequence(u64),
}

/// A record as a line, newline included.
pub(crate) fn encode(sequence: u64, record: &Record) -> Result<Vec<u8>, String> {
    let record = serde_json::to_vec(record).map_err(|why| why.to_string())?;
    // serde writes {"kind":…,"body":…}; its braces make way for ours.
    let inner = record.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}"));
    let inner = inner.ok_or("it is no object")?;
    let mut line = format!("{{\"v\":{VERSION},\"seq\":{sequence},").into_bytes();
    line.extend_from_slice(inner);
    let suffix = suffix(&line);
    line.extend_from_slice(&suffix);
    line.push(b'\n');
    Ok(line)
}

fn suffix(before: &[u8]) -> Vec<u8> {
    format!(",\"crc32\":\"{:08x}\"}}", crc32fast::hash(before)).into_bytes()
}

/// A line without its newline as a record. The bytes serve as scratch space.
pub(crate) fn decode(line: &mut [u8], expected: u64) -> Result<Record, Flaw> {
    let end = line.len().saturating_sub(SUFFIX_BYTES);
    let (before, after) = line.split_at(end);
    let has_sum = after.starts_with(SUFFIX_START);
    let is_whole = has_sum && after == suffix(before);
    let head = number(line, b"{\"v\":");
    if let Some((version, _)) = head
        && version != u64::from(VERSION)
        // Another version may end its lines in another way; a wrong sum in our way is damage.
        && (is_whole || !has_sum)
    {
        return Err(Flaw::OtherVersion(version));
    }
    if !is_whole {
        return Err(Flaw::Damaged(if has_sum {
            "its checksum is wrong"
        } else {
            "it has no checksum"
        }));
    }
    let sequence = head.and_then(|(_, at)| {
        let (sequence, more) = number(line.get(at..)?, b",\"seq\":")?;
        Some((sequence, at + more))
    });
    let Some((sequence, at)) = sequence else {
        return Err(Flaw::Unreadable(
            "it does not begin with version and sequence number".to_owned(),
        ));
    };
    if sequence != expected {
        return Err(Flaw::OtherSequence(sequence));
    }
    // The comma before "kind" and the one after the body become braces: what serde wrote.
    if let Some(byte) = line.get_mut(at) {
        *byte = b'{';
    }
    if let Some(byte) = line.get_mut(end) {
        *byte = b'}';
    }
    let object = line.get(at..=end).unwrap_or_default();
    serde_json::from_slice(object).map_err(|why| match serde_json::from_slice::<Kind>(object) {
        Ok(Kind { kind }) if !KINDS.contains(&kind.as_str()) => Flaw::UnknownKind(kind),
        _ => Flaw::Unreadable(why.to_string()),
    })
}

/// The kinds of [`Record`], as serde spells them; a test holds them together.
const KINDS: [&str; 8] =
    ["segment", "round", "trial", "audit", "audit-refused", "ceiling", "finish", "imported"];

#[derive(Deserialize)]
struct Kind {
    kind: String,
}

/// The decimal number after a prefix, and where it ends.
fn number(bytes: &[u8], prefix: &[u8]) -> Option<(u64, usize)> {
    let rest = bytes.strip_prefix(prefix)?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = std::str::from_utf8(rest.get(..digits)?).ok()?.parse().ok()?;
    Some((number, prefix.len() + digits))
}

/// Whether bytes that are no line hold the end of one and more after it: then not a write was torn, but a newline was
/// changed, and a record that was written whole would be lost with it. A raw `,"crc32":"` stands nowhere else inside a
/// line, since JSON escapes the quotes of a text.
pub(crate) fn holds_more_than_a_line(bytes: &[u8]) -> bool {
    let sum = bytes.windows(SUFFIX_START.len()).position(|window| window == SUFFIX_START);
    sum.is_some_and(|at| bytes.len() - at > SUFFIX_BYTES)
}

/// Whether bytes can be the beginning of a journal's first line.
pub(crate) fn may_begin_a_journal(bytes: &[u8]) -> bool {
    const HEAD: &[u8] = b"{\"v\":";
    let shared = bytes.len().clamp(1, HEAD.len());
    bytes.get(..shared) == HEAD.get(..shared)
}

#[cfg(test)]
mod tests {
    use model::Nanos;
    use model::record::{Finish, FinishReason};

    use super::*;

    fn finish() -> Record {
        Record::Finish(Finish { reason: FinishReason::Time, spent_ns: Nanos::s(1) })
    }

    #[test]
    fn a_line_is_what_the_format_says_and_reads_back() {
        let line = encode(7, &finish()).unwrap();
        let text = String::from_utf8(line.clone()).unwrap();
        assert_eq!(
            text,
            "{\"v\":1,\"seq\":7,\"kind\":\"finish\",\"body\":{\"reason\":\"time\",\"spent_ns\":1000000000},\"crc32\":\"5b4ecb12\"}\n"
        );
        let mut line = line[..line.len() - 1].to_vec();
        assert_eq!(decode(&mut line, 7).unwrap(), finish());
    }

    /// A line with a right sum around any head and body.
    fn sealed(before: &str) -> Vec<u8> {
        let mut line = before.as_bytes().to_vec();
        let suffix = suffix(&line);
        line.extend_from_slice(&suffix);
        line
    }

    #[test]
    fn what_is_whole_but_not_ours_is_told_apart_from_damage() {
        let flaw = |before: &str| decode(&mut sealed(before), 1).unwrap_err();
        assert!(matches!(
            flaw(r#"{"v":2,"seq":1,"kind":"finish","body":{}"#),
            Flaw::OtherVersion(2)
        ));
        assert!(matches!(
            flaw(r#"{"v":1,"seq":3,"kind":"finish","body":{}"#),
            Flaw::OtherSequence(3)
        ));
        assert!(
            matches!(flaw(r#"{"v":1,"seq":1,"kind":"dance","body":{}"#), Flaw::UnknownKind(kind) if kind == "dance")
        );
        assert!(matches!(flaw(r#"{"v":1,"seq":1,"kind":"finish","body":{}"#), Flaw::Unreadable(_)));
        assert!(matches!(flaw(r#"{"seq":1"#), Flaw::Unreadable(_)));
        assert!(matches!(flaw(r#"{"v":1,"seq":99999999999999999999999"#), Flaw::Unreadable(_)));
        assert!(matches!(
            decode(&mut br#"{"v":9,"other":"shape"}"#.to_vec(), 1),
            Err(Flaw::OtherVersion(9))
        ));
        assert!(matches!(decode(&mut [], 1), Err(Flaw::Damaged(_))));
    }

    #[test]
    fn every_kind_that_serde_knows_is_known_here() {
        let why =
            serde_json::from_str::<Record>(r#"{"kind":"","body":{}}"#).unwrap_err().to_string();
        let quoted: Vec<_> = why.split('`').skip(3).step_by(2).collect();
        assert_eq!(quoted, KINDS, "{why}");
    }
}
