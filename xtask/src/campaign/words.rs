//! Command lines made of the program's own words, other words and nonsense: none makes it panic, hang, or answer in more than a
//! line. What would measure looks only (`--dry-run`), or is interrupted after a moment.

use std::time::Duration;

use rand::RngExt as _;
use rand::seq::IndexedRandom as _;

use super::{Field, Tally, wrong};

const COMMANDS: [&str; 14] = [
    "run",
    "report",
    "advise",
    "experiment",
    "compare",
    "table",
    "import",
    "probe",
    "completions",
    "man",
    "help",
    "verify",
    "serve",
    "selftest",
];
/// Those that go on until they are interrupted, or for longer than a campaign has time for.
const LASTING: [&str; 3] = ["verify", "serve", "selftest"];
const A_MOMENT: Duration = Duration::from_millis(300);

const VALUES: [&str; 40] = [
    "",
    "-",
    "--",
    "0",
    "1",
    "-1",
    "1e9",
    "99999999999999999999",
    "4294967295",
    "4KiB",
    "64B..1GiB",
    "1..1",
    "8..2",
    "1,2,4,8",
    "send",
    "sendmsg,zerocopy",
    "sned",
    "loopback,veth,sink",
    "20ms",
    "1h",
    "0s",
    "999999999h",
    "50%",
    "-50%",
    "NaN",
    "inf",
    "on,off",
    "auto",
    "packed",
    "0-1/2-3",
    "9999/0",
    "\u{1b}[2J",
    "\u{202e}x",
    "ü",
    "none",
    "all",
    "/dev/null",
    "/proc/self/mem",
    ".",
    "x=y",
];

/// Flags as the program's own help lists them.
fn flags(field: &Field<'_>, command: &str) -> Vec<String> {
    let help = field.run(&[command, "--help"]).map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&help).into_owned();
    let is_flag = |word: &&str| word.starts_with("--") && word.len() > 2;
    let plain = |word: &str| word.trim_end_matches([',', ']', ')', '.', ':']).to_owned();
    text.split_whitespace().filter(is_flag).map(plain).collect()
}

pub(super) fn attack(field: &mut Field<'_>) -> Result<Tally, String> {
    let all: Vec<(&str, Vec<String>)> =
        COMMANDS.iter().map(|command| (*command, flags(field, command))).collect();
    let mut tally = Tally::default();
    while field.goes_on() {
        let Some((command, flags)) = all.choose(&mut field.random) else { break };
        let mut line = vec![(*command).to_owned()];
        for _ in 0..field.random.random_range(0..8) {
            let word = match flags.choose(&mut field.random) {
                Some(flag) if field.random.random_range(0..5) < 3 => flag.clone(),
                _ => (*VALUES.choose(&mut field.random).unwrap_or(&"")).to_owned(),
            };
            line.push(word);
        }
        // Whatever could measure looks only.
        line.extend(match *command {
            "run" => vec!["--dry-run".to_owned()],
            "advise" => vec!["--measure=never".to_owned()],
            "experiment" => vec!["list".to_owned()],
            _ => Vec::new(),
        });
        let words: Vec<&str> = line.iter().map(String::as_str).collect();
        let output = match LASTING.contains(command) {
            true => field.run_for(&words, A_MOMENT),
            false => field.run(&words),
        };
        let output = output.map_err(|why| why.to_string())?;
        tally.note(wrong(&output).map(|fault| format!("{line:?}: {fault}")));
    }
    Ok(tally)
}
