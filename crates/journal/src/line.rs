//! One line of the journal:
//! `{"v":2,"seq":7,"run":"9f86d081884c7d65","prev":"5b4ecb12","kind":"trial","body":{…},"crc32":"0a1b2c3d"}`.
//!
//! The sum (CRC-32 as in IEEE 802.3) covers the raw bytes before its own suffix, which has a fixed length, so a reader
//! checks a line without parsing or re-serialising it. It finds every damage of up to 32 bits in a row. `run` is the number that
//! the run drew when it began, and `prev` the sum of the line before, so that a line of another run, or of another place, is
//! told from one that belongs here. Version 1 has neither.

use std::fmt;

use model::record::Record;
use serde::Deserialize;

/// The version of the journals that are begun.
pub(crate) const VERSION: u32 = 2;
/// The version before, which is read, and written to where it was begun.
const UNCHAINED: u32 = 1;

const SUFFIX_START: &[u8] = br#","crc32":""#;
const SUFFIX_BYTES: usize = SUFFIX_START.len() + 8 + 2;

/// A number that a run draws when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunId([u8; 8]);

impl RunId {
    /// One that no other run has.
    ///
    /// # Errors
    /// The kernel's, where it has no random numbers (getrandom(2)).
    pub fn draw() -> std::io::Result<Self> {
        let mut drawn = [0; 8];
        let filled =
            rustix::rand::getrandom(&mut drawn[..], rustix::rand::GetRandomFlags::empty())?;
        if filled == drawn.len() {
            Ok(Self(drawn))
        } else {
            Err(std::io::ErrorKind::Interrupted.into())
        }
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// Which line comes next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Next {
    /// Its number, from 1.
    sequence: u64,
    run: Run,
    /// The sum of the line before; 0 at the first.
    previous: u32,
}

/// Whose lines they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    /// Nothing was read yet.
    Unknown,
    /// Of a journal of version 1.
    Unnamed,
    Named(RunId),
}

impl Next {
    /// The first line of a new run.
    pub(crate) const fn begin(run: RunId) -> Self {
        Self { sequence: 1, run: Run::Named(run), previous: 0 }
    }

    /// The first line of whatever is read.
    pub(crate) const fn of_any_run() -> Self {
        Self { sequence: 1, run: Run::Unknown, previous: 0 }
    }

    /// Lines before it.
    pub(crate) const fn lines(self) -> u64 {
        self.sequence - 1
    }

    const fn after(self, run: Run, sum: u32) -> Self {
        Self { sequence: self.sequence + 1, run, previous: sum }
    }
}

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
    /// It is whole, and of another run.
    OtherRun,
    /// It is whole, and follows another line than the one before it.
    Unchained,
}

/// A record as a line, newline included, and what comes after it.
pub(crate) fn encode(next: Next, record: &Record) -> Result<(Vec<u8>, Next), String> {
    let record = serde_json::to_vec(record).map_err(|why| why.to_string())?;
    // serde writes {"kind":…,"body":…}; its braces make way for ours.
    let inner = record.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}"));
    let inner = inner.ok_or("it is no object")?;
    let Next { sequence, run, previous } = next;
    let head = match run {
        Run::Named(run) => {
            format!(
                "{{\"v\":{VERSION},\"seq\":{sequence},\"run\":\"{run}\",\"prev\":\"{previous:08x}\","
            )
        }
        Run::Unnamed | Run::Unknown => format!("{{\"v\":{UNCHAINED},\"seq\":{sequence},"),
    };
    let mut line = head.into_bytes();
    line.extend_from_slice(inner);
    let sum = crc32fast::hash(&line);
    line.extend_from_slice(&suffix(sum));
    line.push(b'\n');
    Ok((line, next.after(run, sum)))
}

fn suffix(sum: u32) -> Vec<u8> {
    format!(",\"crc32\":\"{sum:08x}\"}}").into_bytes()
}

/// A line without its newline as a record, and what comes after it. The bytes serve as scratch space.
pub(crate) fn decode(line: &mut [u8], next: Next) -> Result<(Record, Next), Flaw> {
    let end = line.len().saturating_sub(SUFFIX_BYTES);
    let (before, after) = line.split_at(end);
    let has_sum = after.starts_with(SUFFIX_START);
    let sum = crc32fast::hash(before);
    let is_whole = has_sum && after == suffix(sum);
    let head = number(line, b"{\"v\":");
    let is_known = |version: u64| [UNCHAINED, VERSION].map(u64::from).contains(&version);
    if let Some((version, _)) = head
        && !is_known(version)
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
    let unreadable =
        || Flaw::Unreadable("it does not begin with version and sequence number".to_owned());
    let (version, at) = head.ok_or_else(unreadable)?;
    let rest = line.get(at..).ok_or_else(unreadable)?;
    let (sequence, more) = number(rest, b",\"seq\":").ok_or_else(unreadable)?;
    if sequence != next.sequence {
        return Err(Flaw::OtherSequence(sequence));
    }
    let mut at = at + more;
    let run = if version == u64::from(UNCHAINED) {
        Run::Unnamed
    } else {
        let place = line.get(at..).and_then(place);
        let (run, previous, more) = place.ok_or_else(|| {
            Flaw::Unreadable("it does not name its run and the line before".to_owned())
        })?;
        at += more;
        if [Run::Unknown, Run::Named(run)].contains(&next.run) && previous != next.previous {
            return Err(Flaw::Unchained);
        }
        Run::Named(run)
    };
    if next.run != Run::Unknown && next.run != run {
        return Err(Flaw::OtherRun);
    }
    // The comma before "kind" and the one after the body become braces: what serde wrote.
    if let Some(byte) = line.get_mut(at) {
        *byte = b'{';
    }
    if let Some(byte) = line.get_mut(end) {
        *byte = b'}';
    }
    // Checked once as a whole, its texts need not be one by one.
    let object = std::str::from_utf8(line.get(at..=end).unwrap_or_default())
        .map_err(|_| Flaw::Unreadable("it is no UTF-8 text".to_owned()))?;
    let record =
        serde_json::from_str(object).map_err(|why| match serde_json::from_str::<Kind>(object) {
            Ok(Kind { kind }) if !KINDS.contains(&kind.as_str()) => Flaw::UnknownKind(kind),
            _ => Flaw::Unreadable(why.to_string()),
        })?;
    Ok((record, next.after(run, sum)))
}

/// `,"run":"9f86d081884c7d65","prev":"5b4ecb12"`: the run, the sum, and where that ends.
fn place(bytes: &[u8]) -> Option<(RunId, u32, usize)> {
    const RUN: &[u8] = br#","run":""#;
    const PREVIOUS: &[u8] = br#"","prev":""#;
    let rest = bytes.strip_prefix(RUN)?;
    let run = hexadecimal(rest.get(..16)?)?;
    let rest = rest.get(16..)?.strip_prefix(PREVIOUS)?;
    let previous = hexadecimal(rest.get(..8)?)?;
    rest.get(8..)?.strip_prefix(b"\"")?;
    let ends = RUN.len() + 16 + PREVIOUS.len() + 8 + 1;
    Some((RunId(run.to_be_bytes()), u32::try_from(previous).ok()?, ends))
}

fn hexadecimal(digits: &[u8]) -> Option<u64> {
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
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

/// Whether bytes end with the sum of all before it.
pub(crate) fn ends_with_its_sum(bytes: &[u8]) -> bool {
    let (before, after) = bytes.split_at(bytes.len().saturating_sub(SUFFIX_BYTES));
    after == suffix(crc32fast::hash(before))
}

/// Whether bytes can be the beginning of a journal's first line; zeros are what a power cut leaves of a file that had grown, and was
/// not yet written to.
pub(crate) fn may_begin_a_journal(bytes: &[u8]) -> bool {
    if !bytes.is_empty() && bytes.iter().all(|byte| *byte == 0) {
        return true;
    }
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

    const RUN: RunId = RunId([0x9f, 0x86, 0xd0, 0x81, 0x88, 0x4c, 0x7d, 0x65]);

    #[test]
    fn a_line_is_what_the_format_says_and_reads_back() {
        let next = Next { sequence: 7, run: Run::Named(RUN), previous: 0x1f };
        let (line, after) = encode(next, &finish()).unwrap();
        let text = String::from_utf8(line.clone()).unwrap();
        assert_eq!(
            text,
            "{\"v\":2,\"seq\":7,\"run\":\"9f86d081884c7d65\",\"prev\":\"0000001f\",\"kind\":\"finish\",\"body\":{\"reason\":\"time\",\"spent_ns\":1000000000},\"crc32\":\"e44c7783\"}\n"
        );
        let mut line = line[..line.len() - 1].to_vec();
        let (record, read) = decode(&mut line, next).unwrap();
        assert_eq!(record, finish());
        assert_eq!((read.sequence, read.previous), (after.sequence, after.previous));
    }

    #[test]
    fn a_journal_of_the_version_before_is_read_and_gone_on_with_as_it_is() {
        let line = "{\"v\":1,\"seq\":1,\"kind\":\"finish\",\"body\":{\"reason\":\"time\",\"spent_ns\":1000000000}";
        let (record, after) = decode(&mut sealed(line), Next::of_any_run()).unwrap();
        assert_eq!(record, finish());
        let (line, _) = encode(after, &finish()).unwrap();
        assert!(line.starts_with(b"{\"v\":1,\"seq\":2,\"kind\""));
        let mut line = line[..line.len() - 1].to_vec();
        assert!(decode(&mut line, after).is_ok());
    }

    #[test]
    fn a_line_of_another_run_or_of_another_place_is_told() {
        let first = Next::begin(RUN);
        let (_, second) = encode(first, &finish()).unwrap();
        let flaw = |line: Vec<u8>, next| decode(&mut line[..line.len() - 1].to_vec(), next).err();
        let of = |run: Run, previous: u32| {
            encode(Next { sequence: 2, run, previous }, &finish()).unwrap().0
        };
        assert!(flaw(of(Run::Named(RUN), second.previous), second).is_none());
        let other = Run::Named(RunId::draw().unwrap());
        assert!(matches!(flaw(of(other, second.previous), second), Some(Flaw::OtherRun)));
        assert!(matches!(flaw(of(Run::Unnamed, 0), second), Some(Flaw::OtherRun)));
        assert!(matches!(flaw(of(Run::Named(RUN), 1), second), Some(Flaw::Unchained)));
        // A first line that follows another one is none.
        let cut = encode(Next { previous: 5, ..first }, &finish()).unwrap().0;
        assert!(matches!(flaw(cut, Next::of_any_run()), Some(Flaw::Unchained)));
    }

    /// A line with a right sum around any head and body.
    fn sealed(before: &str) -> Vec<u8> {
        let mut line = before.as_bytes().to_vec();
        let suffix = suffix(crc32fast::hash(&line));
        line.extend_from_slice(&suffix);
        line
    }

    #[test]
    fn what_is_whole_but_not_ours_is_told_apart_from_damage() {
        let flaw = |before: &str| decode(&mut sealed(before), Next::of_any_run()).unwrap_err();
        assert!(matches!(
            flaw(r#"{"v":3,"seq":1,"kind":"finish","body":{}"#),
            Flaw::OtherVersion(3)
        ));
        assert!(matches!(
            flaw(r#"{"v":1,"seq":3,"kind":"finish","body":{}"#),
            Flaw::OtherSequence(3)
        ));
        assert!(
            matches!(flaw(r#"{"v":1,"seq":1,"kind":"dance","body":{}"#), Flaw::UnknownKind(kind) if kind == "dance")
        );
        for unreadable in [
            r#"{"v":1,"seq":1,"kind":"finish","body":{}"#,
            r#"{"v":2,"seq":1,"kind":"finish","body":{}"#,
            r#"{"v":2,"seq":1,"run":"9f86d081884c7d6","prev":"00000000","kind":"finish","body":{}"#,
            r#"{"v":2,"seq":1,"run":"+f86d081884c7d65","prev":"00000000","kind":"finish","body":{}"#,
            r#"{"seq":1"#,
            r#"{"v":1,"seq":99999999999999999999999"#,
        ] {
            assert!(matches!(flaw(unreadable), Flaw::Unreadable(_)), "{unreadable}");
        }
        assert!(matches!(
            decode(&mut br#"{"v":9,"other":"shape"}"#.to_vec(), Next::of_any_run()),
            Err(Flaw::OtherVersion(9))
        ));
        assert!(matches!(decode(&mut [], Next::of_any_run()), Err(Flaw::Damaged(_))));
    }

    #[test]
    fn every_kind_that_serde_knows_is_known_here() {
        let why =
            serde_json::from_str::<Record>(r#"{"kind":"","body":{}}"#).unwrap_err().to_string();
        let quoted: Vec<_> = why.split('`').skip(3).step_by(2).collect();
        assert_eq!(quoted, KINDS, "{why}");
    }
}
