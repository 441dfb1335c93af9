//! A run's journal, or that of an imported table, and its `host.json` are changed as no run would change them: bits flipped, lines
//! cut, doubled, exchanged, taken from another run, numbers made huge under a checksum that fits. Each is refused with its line, or
//! the torn tail is left out; a number that a record may hold may be reported, but nothing falls over it.

use std::fs;
use std::process::{Command, Output};

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

const JOURNAL: &str = "journal.jsonl";
/// A run that was imported, and its table.
const IMPORTED: &str = "imported";
const TABLE: &str = "impl,size,threads,run,goodput_gbps\nA1,64,1,1,0.2\nA2,64,1,1,0.9\nA3,64,1,1,0.3\nA1,4096,1,1,10\nA2,4096,1,1,30\nA3,4096,1,1,12\nA1,64,1,2,0.21\nA2,64,1,2,0.92\n";

/// Reads a run and derives everything; nothing is written.
fn read(field: &Field<'_>, name: &str) -> Result<Output, String> {
    let mut command = Command::new(field.program);
    command.args(["table", name, "--format", "csv", "--columns", "all", "--strict"]);
    command.current_dir(&field.work);
    super::bounded(command).map_err(|why| why.to_string())
}

/// Changes what `host.json` of a run says, reads the run, and puts it back as it was; what was wrong.
fn forge_host(field: &mut Field<'_>, name: &str) -> Result<Option<String>, String> {
    let path = field.work.join(name).join("host.json");
    let told = |why: std::io::Error| format!("{}: {why}", path.display());
    let before = fs::read_to_string(&path).map_err(told)?;
    let mut bytes = before.clone().into_bytes();
    let at = field.random.random_range(0..bytes.len());
    let what = match field.random.random_range(0..4) {
        0 => {
            bytes[at] ^= 1 << field.random.random_range(0..7);
            "a flipped bit"
        }
        1 => {
            bytes.truncate(at);
            "a cut"
        }
        2 => {
            let mut lines: Vec<&str> = before.lines().collect();
            lines.remove(field.random.random_range(0..lines.len()));
            bytes = lines.join("\n").into_bytes();
            "a missing line"
        }
        _ => {
            let compact = serde_json::from_str::<serde_json::Value>(&before);
            let compact = compact.map_err(|why| format!("{name}: {why}"))?.to_string();
            bytes = outrageous(&compact, &mut field.random).into_bytes();
            "an outrageous number"
        }
    };
    let value = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).ok();
    let says_the_same = value(&bytes) == value(before.as_bytes());
    fs::write(&path, &bytes).map_err(told)?;
    let output = read(field, name)?;
    let is_accepted = output.status.code() == Some(0);
    let fault = wrong(&output).or_else(|| {
        (is_accepted && !says_the_same).then(|| "was taken for the run's own".to_owned())
    });
    if fault.is_some() {
        let _ = fs::write(field.work.join(format!("failed-host-{at}.json")), &bytes);
    }
    fs::write(&path, before).map_err(told)?;
    Ok(fault.map(|fault| format!("{what} at byte {at} of {name}'s host.json: {fault}")))
}

pub(super) fn attack(field: &mut Field<'_>) -> Result<Tally, String> {
    let mut runs: Vec<Vec<String>> = Vec::new();
    fs::write(field.work.join("table.csv"), TABLE).map_err(|why| format!("table.csv: {why}"))?;
    let made = field.run(&["import", "table.csv", "--quiet", "--out", IMPORTED]);
    let made = made.map_err(|why| why.to_string())?;
    let imported = fs::read_to_string(field.work.join(IMPORTED).join(JOURNAL));
    let imported = imported.map_err(|why| format!("{IMPORTED}: {why}, {made:?}"))?;
    let imported: Vec<String> = imported.lines().map(str::to_owned).collect();
    if !imported.iter().any(|line| line.contains("\"imported\":{")) {
        return Err("the table made no record of kind imported".to_owned());
    }
    for name in ["ours", "theirs"] {
        let line = tiny("4KiB", "2", "3s", &["--audits", "ceiling", "--quiet", "--out", name]);
        let output = field.run(&line).map_err(|why| why.to_string())?;
        let journal = fs::read_to_string(field.work.join(name).join("journal.jsonl"));
        let journal = journal.map_err(|why| format!("{name}: {why}, {output:?}"))?;
        runs.push(journal.lines().map(str::to_owned).collect());
    }
    let [ours, theirs] = &runs[..] else { return Err("two runs are needed".to_owned()) };
    for name in ["ours", IMPORTED] {
        let output = read(field, name)?;
        if output.status.code() != Some(0) {
            return Err(format!("{name} is not read as it was made: {output:?}"));
        }
    }
    let mut tally = Tally::default();
    let mut accepted = [0_u64; 2];
    let mut hosts = 0_u64;
    while field.goes_on() {
        let (name, whole) = match field.random.random_range(0..3) {
            0 => (IMPORTED, &imported),
            _ => ("ours", ours),
        };
        if field.random.random_range(0..4) == 0 {
            let fault = forge_host(field, name)?;
            hosts += 1;
            tally.note(fault);
            continue;
        }
        let path = field.work.join(name).join(JOURNAL);
        let mut lines = whole.clone();
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
                lines.insert(at, whole[at].clone());
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
        let output = read(field, name)?;
        fs::write(&path, whole.join("\n") + "\n").map_err(|why| format!("{name}: {why}"))?;
        let is_accepted = output.status.code() == Some(0);
        accepted[usize::from(!must_be_told)] += u64::from(is_accepted);
        let fault = wrong(&output).or_else(|| {
            (must_be_told && is_accepted).then(|| "was taken for the run's own".to_owned())
        });
        if fault.is_some() {
            let kept = field.work.join(format!("failed{}.jsonl", tally.tried));
            let _ = fs::write(kept, &text);
        }
        tally.note(fault.map(|fault| format!("{what} at line {} of {name}: {fault}", at + 1)));
    }
    tally.notes.push(format!("{hosts} of them in host.json"));
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
