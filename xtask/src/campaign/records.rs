//! A run's files are changed as no run would change them: bits flipped, lines cut, doubled, exchanged, taken from another run,
//! numbers made huge under a checksum that fits. Each is refused with its line, or the torn tail is left out; a number that
//! a record may hold may be reported, but nothing falls over it.

use std::fs;
use std::process::Command;

use rand::RngExt as _;
use rand::seq::IndexedRandom as _;

use super::{Field, Tally, tiny, wrong};

const SUM: &str = ",\"crc32\":\"";

/// CRC-32 (IEEE 802.3), bit by bit: this crate imports nothing of the program that it attacks.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 }
        })
    })
}

/// Lines with sums and links that fit what they say now.
fn sealed(lines: &[String]) -> String {
    let mut text = String::new();
    let mut previous = 0;
    for line in lines {
        let body = line.rsplit_once(SUM).map_or(line.as_str(), |(body, _)| body);
        let body = match body.split_once("\"prev\":\"") {
            Some((head, rest)) => {
                format!("{head}\"prev\":\"{previous:08x}{}", rest.get(8..).unwrap_or_default())
            }
            None => body.to_owned(),
        };
        previous = crc32(body.as_bytes());
        text.push_str(&format!("{body}{SUM}{previous:08x}\"}}\n"));
    }
    text
}

/// A number in a line replaced by one that is far out.
fn outrageous(line: &str, random: &mut impl rand::Rng) -> String {
    const NUMBERS: [&str; 8] = [
        "0",
        "1",
        "-1",
        "18446744073709551615",
        "9223372036854775807",
        "4294967295",
        "1e308",
        "0.5",
    ];
    let body_at = line.find("\"body\":").unwrap_or(0);
    let bytes = line.as_bytes();
    let starts: Vec<usize> = (body_at.max(1)..bytes.len())
        .filter(|at| bytes[*at].is_ascii_digit() && matches!(bytes[*at - 1], b':' | b'[' | b','))
        .collect();
    let Some(from) = starts.choose(random) else { return line.to_owned() };
    let is_of_number =
        |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'-' | b'+');
    let length = bytes[*from..].iter().take_while(|byte| is_of_number(byte)).count();
    let number = NUMBERS.choose(random).unwrap_or(&"0");
    format!("{}{number}{}", &line[..*from], &line[from + length..])
}

pub(super) fn attack(field: &mut Field<'_>) -> Result<Tally, String> {
    let mut runs: Vec<Vec<String>> = Vec::new();
    for name in ["ours", "theirs"] {
        let line = tiny("4KiB", "2", "3s", &["--audits", "ceiling", "--quiet", "--out", name]);
        let output = field.run(&line).map_err(|why| why.to_string())?;
        let journal = fs::read_to_string(field.work.join(name).join("journal.jsonl"));
        let journal = journal.map_err(|why| format!("{name}: {why}, {output:?}"))?;
        runs.push(journal.lines().map(str::to_owned).collect());
    }
    let [ours, theirs] = &runs[..] else { return Err("two runs are needed".to_owned()) };
    let path = field.work.join("ours/journal.jsonl");
    let mut tally = Tally::default();
    let mut accepted = [0_u64; 2];
    while field.goes_on() {
        let mut lines = ours.clone();
        let at = field.random.random_range(0..lines.len());
        let kind = field.random.random_range(0..7);
        let (what, must_be_told, text) = match kind {
            0 => {
                let mut bytes = (lines.join("\n") + "\n").into_bytes();
                let last = bytes.len() - lines.last().map_or(0, String::len) - 1;
                let bit = field.random.random_range(0..last * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
                ("a flipped bit", true, bytes)
            }
            1 => {
                let from = field.random.random_range(0..theirs.len());
                lines[at].clone_from(&theirs[from]);
                ("a line of another run", true, (lines.join("\n") + "\n").into_bytes())
            }
            2 if at + 1 < lines.len() => {
                lines.remove(at);
                ("a missing line", true, (lines.join("\n") + "\n").into_bytes())
            }
            3 => {
                lines.insert(at, ours[at].clone());
                ("a doubled line", true, (lines.join("\n") + "\n").into_bytes())
            }
            4 if at + 1 < lines.len() => {
                lines.swap(at, at + 1);
                ("exchanged lines", true, (lines.join("\n") + "\n").into_bytes())
            }
            _ => {
                for _ in 0..field.random.random_range(1..4) {
                    let at = field.random.random_range(0..lines.len());
                    lines[at] = outrageous(&lines[at], &mut field.random);
                }
                ("outrageous numbers", false, sealed(&lines).into_bytes())
            }
        };
        fs::write(&path, &text).map_err(|why| format!("{}: {why}", path.display()))?;
        let mut command = Command::new(field.program);
        // Text figures and everything that is derived; nothing is written.
        command.args(["table", "ours", "--format", "csv", "--columns", "all", "--strict"]);
        command.current_dir(&field.work);
        let output = super::bounded(command).map_err(|why| why.to_string())?;
        let is_accepted = output.status.code() == Some(0);
        accepted[usize::from(!must_be_told)] += u64::from(is_accepted);
        let fault = wrong(&output).or_else(|| {
            (must_be_told && is_accepted).then(|| "was taken for the run's own".to_owned())
        });
        if fault.is_some() {
            let kept = field.work.join(format!("failed{}.jsonl", tally.tried));
            let _ = fs::write(kept, &text);
        }
        tally.note(fault.map(|fault| format!("{what} at line {}: {fault}", at + 1)));
    }
    tally.notes.push(format!(
        "{} accepted of what no run wrote; {} of forged numbers under fitting sums were read as figures",
        accepted[0], accepted[1]
    ));
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_links_fit_what_the_lines_say() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let line = |previous: &str| {
            format!("{{\"v\":2,\"prev\":\"{previous}\",\"kind\":\"x\",\"crc32\":\"0\"}}")
        };
        let text = sealed(&[line("ffffffff"), line("ffffffff")]);
        let mut lines = text.lines();
        let first = lines.next().unwrap();
        assert!(first.starts_with("{\"v\":2,\"prev\":\"00000000\",\"kind\":\"x\",\"crc32\":\""));
        let sum = &first[first.len() - 10..first.len() - 2];
        assert!(lines.next().unwrap().contains(&format!("\"prev\":\"{sum}\"")));
    }
}
