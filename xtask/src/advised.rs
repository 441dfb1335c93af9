//! `advise` against a full run: for each of the run's sizes and links it is asked twice, of the run alone and of a measurement
//! of its own, and what both decide is compared.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;

/// Where the measurements of its own lie.
const WORK: &str = "target/advised";
/// What a question may take, in seconds.
const LONGEST: f64 = 60.0;
/// The exit code of an answer that the intervals do not decide.
const UNDECIDED: i32 = 4;

struct Options {
    run: PathBuf,
    sizes: Option<Vec<String>>,
    program: PathBuf,
}

fn parse(words: &[String]) -> Result<Options, String> {
    let mut options = Options {
        run: PathBuf::new(),
        sizes: None,
        program: PathBuf::from("target/release/copycost"),
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--sizes" => options.sizes = Some(value()?.split(',').map(str::to_owned).collect()),
            "--program" => options.program = PathBuf::from(value()?),
            _ if word.starts_with("--") => {
                return Err(format!("unknown option {word}; there are --sizes and --program"));
            }
            run => options.run = PathBuf::from(run),
        }
    }
    if options.run.as_os_str().is_empty() {
        return Err("name the directory of a full run: advised DIR [--sizes LIST]".to_owned());
    }
    Ok(options)
}

/// What an answer comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    /// Any of these will do; one alone is to be used.
    Of(BTreeSet<String>),
    /// It does not tell, or not for all settings of the link.
    Open(String),
}

impl Answer {
    /// # Errors
    /// It is none that this task knows: what it names has changed.
    fn of(choice: &Value) -> Result<Self, String> {
        let unknown =
            || format!("copycost advise --json has an answer that is not known here: {choice}");
        let kind = choice["kind"].as_str().ok_or_else(unknown)?;
        let paths = |value: &Value| -> BTreeSet<String> {
            let all = value.as_array().map(Vec::as_slice).unwrap_or_default();
            all.iter().filter_map(|path| path.as_str().map(str::to_owned)).collect()
        };
        let answer = match kind {
            // No better than what it is compared with: either will do.
            "use" if choice["finding"] == "equivalent" => Self::Of(
                ["path", "against"]
                    .iter()
                    .filter_map(|key| choice[*key].as_str().map(str::to_owned))
                    .collect(),
            ),
            "use" => Self::Of(choice["path"].as_str().map(str::to_owned).into_iter().collect()),
            "alike" => Self::Of(paths(&choice["paths"])),
            "open" | "by-setting" | "not-covered" => Self::Open(kind.to_owned()),
            _ => return Err(unknown()),
        };
        match &answer {
            Self::Of(paths) if paths.is_empty() => Err(unknown()),
            Self::Of(_) | Self::Open(_) => Ok(answer),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Of(paths) => paths.iter().cloned().collect::<Vec<_>>().join(" or "),
            Self::Open(kind) => format!("({kind})"),
        }
    }

    /// Whether one of them holds by the other too; none where one is open.
    fn agrees(&self, other: &Self) -> Option<bool> {
        match (self, other) {
            (Self::Of(one), Self::Of(other)) => Some(!one.is_disjoint(other)),
            _ => None,
        }
    }
}

/// Asks, and tells how often both agree.
///
/// # Errors
/// They differ, none is decided by both, or one took too long; or what could not be done.
pub(crate) fn run(words: &[String]) -> Result<String, String> {
    let options = parse(words)?;
    let here =
        |path: &Path| path.canonicalize().map_err(|why| format!("{}: {why}", path.display()));
    let (run, program) = (here(&options.run)?, here(&options.program)?);
    let work = PathBuf::from(WORK);
    std::fs::create_dir_all(&work).map_err(|why| format!("{WORK}: {why}"))?;
    let cells = Cells::of(&program, &run)?;
    let sizes = options.sizes.unwrap_or(cells.sizes);
    let (mut agreed, mut differed, mut open, mut late) = (0, Vec::new(), 0, 0);
    let mut lines = Vec::new();
    for size in &sizes {
        for link in &cells.links {
            let ask = |more: &[&str], directory: Option<&Path>| {
                let mut command = Command::new(&program);
                command.current_dir(&work).args(["advise", "-q", "--json", "--size", size]);
                command
                    .args(["--link", link, "--threads", "1", "--send", &cells.paths])
                    .args(more)
                    .args(directory);
                answer(&mut command)
            };
            let of_run = ask(&["--measure", "never"], Some(&run))?;
            let began = Instant::now();
            let own = ask(&["--measure", "always"], None)?;
            let took = began.elapsed().as_secs_f64();
            late += u32::from(took > LONGEST);
            let told = match of_run.agrees(&own) {
                Some(true) => {
                    agreed += 1;
                    "agree"
                }
                Some(false) => "differ",
                None => {
                    open += 1;
                    "not both decided"
                }
            };
            let line = format!(
                "{size} on {link}: the run {}, its own {} in {took:.0} s: {told}",
                of_run.text(),
                own.text()
            );
            if told == "differ" {
                differed.push(line.clone());
            }
            lines.push(line);
        }
    }
    let decided = agreed + differed.len();
    let text = format!(
        "{}\n{agreed} of {decided} decided answers agree, {open} not decided by both, {late} took longer than {LONGEST} s",
        lines.join("\n")
    );
    match wrong(agreed, differed, late) {
        wrong if wrong.is_empty() => Ok(text),
        wrong => Err(format!("{text}\n{}", wrong.join("\n"))),
    }
}

/// What is wrong: answers that differ, none to compare, and those that took too long.
fn wrong(agreed: usize, differed: Vec<String>, late: u32) -> Vec<String> {
    let mut wrong = differed;
    if agreed + wrong.len() == 0 {
        wrong.push("no answer is decided by both: nothing was compared".to_owned());
    }
    if late > 0 {
        wrong.push(format!("{late} took longer than {LONGEST} s"));
    }
    wrong
}

fn answer(command: &mut Command) -> Result<Answer, String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|why| format!("copycost advise: {why}"))?;
    if !output.status.success() && output.status.code() != Some(UNDECIDED) {
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(format!("copycost advise ended with {}: {why}", output.status));
    }
    let advice: Value = serde_json::from_slice(&output.stdout)
        .map_err(|why| format!("copycost advise --json: {why}"))?;
    Answer::of(&advice["links"][0]["choice"])
}

/// What the run has.
struct Cells {
    sizes: Vec<String>,
    links: Vec<String>,
    paths: String,
}

impl Cells {
    fn of(program: &Path, run: &Path) -> Result<Self, String> {
        let output = Command::new(program).arg("table").arg(run).stdin(Stdio::null()).output();
        let output = output.map_err(|why| format!("copycost table: {why}"))?;
        let table = String::from_utf8_lossy(&output.stdout);
        let mut rows = table.lines().map(|row| row.split(',').collect::<Vec<_>>());
        let heads = rows.next().unwrap_or_default();
        let rows: Vec<_> = rows.collect();
        let values = |name: &str| -> Result<Vec<String>, String> {
            let place = heads.iter().position(|head| *head == name);
            let place = place.ok_or_else(|| format!("copycost table has no column {name}"))?;
            let mut values: Vec<String> = Vec::new();
            for value in rows.iter().filter_map(|row| row.get(place)) {
                if !values.iter().any(|known| known == value) {
                    values.push((*value).to_owned());
                }
            }
            Ok(values)
        };
        Ok(Self {
            sizes: values("message_bytes")?,
            links: values("link")?,
            paths: values("send_path")?.join(","),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers_that_are_not_known_or_decide_nothing_fail() {
        for unknown in [
            json!({"kind": "choose", "path": "send"}),
            json!({"sort": "use", "path": "send"}),
            json!({"kind": "use", "way": "send"}),
            json!({"kind": "alike", "ways": ["send"]}),
            Value::Null,
        ] {
            assert!(Answer::of(&unknown).is_err(), "{unknown}");
        }
        for open in ["open", "by-setting", "not-covered"] {
            assert_eq!(Answer::of(&json!({"kind": open})), Ok(Answer::Open(open.to_owned())));
        }
        assert!(wrong(1, Vec::new(), 0).is_empty());
        assert_eq!(wrong(0, Vec::new(), 0).len(), 1);
        assert_eq!(wrong(0, vec!["x".to_owned()], 0), ["x"]);
        assert_eq!(wrong(5, Vec::new(), 1), ["1 took longer than 60 s"]);
    }

    #[test]
    fn answers_agree_where_one_path_will_do_by_both() {
        let of = |choice: Value| Answer::of(&choice).unwrap();
        let sendmsg =
            of(json!({"kind": "use", "path": "sendmsg", "against": "send", "finding": "less"}));
        let either = of(json!({"kind": "alike", "paths": ["sendmsg", "send"]}));
        let zerocopy =
            of(json!({"kind": "use", "path": "zerocopy", "against": "send", "finding": "less"}));
        let open = of(json!({"kind": "open", "paths": ["send"]}));
        assert_eq!(sendmsg.agrees(&either), Some(true));
        assert_eq!(sendmsg.agrees(&zerocopy), Some(false));
        assert_eq!(either.agrees(&zerocopy), Some(false));
        assert_eq!(zerocopy.agrees(&open), None);
        let no_better =
            json!({"kind": "use", "path": "zerocopy", "against": "send", "finding": "equivalent"});
        assert_eq!(of(no_better).agrees(&either), Some(true));
    }
}
