//! The plan that a command line asks for: preset, then plan file, then flags.

use std::io::{self, ErrorKind, IsTerminal as _, Read};
use std::path::Path;

use model::message::Message;
use model::{Cell, Plan, Preset};

use crate::exit::Stop;
use crate::named_files::{open, within};
use crate::plan_flags::PlanFlags;
use crate::run_directories;
use crate::terminal::tell;

/// What of a command line makes a plan.
pub(crate) struct PlanRequest<'a> {
    /// A plan file; `-` for standard input.
    pub(crate) file: Option<&'a Path>,
    /// `--preset`.
    pub(crate) preset: Option<&'a str>,
    /// The factors' and the measure's flags.
    pub(crate) flags: &'a PlanFlags,
    /// `--label`.
    pub(crate) label: Option<&'a str>,
}

impl PlanRequest<'_> {
    /// The plan, checked as far as that goes without the machine.
    ///
    /// `kept` is the plan of a run to go on with: it holds where neither a file nor a preset is named.
    ///
    /// # Errors
    /// Wrong usage: the file with line and column, or the flag, and what is wrong with it.
    pub(crate) fn plan(&self, kept: Option<Plan>) -> Result<Plan, Stop> {
        let preset = match self.preset {
            Some(name) => Some(
                name.parse::<Preset>().map_err(|why| Stop::Usage(format!("--preset: {why}")))?,
            ),
            None => None,
        };
        // Before the file, because a flag that swallowed the next word makes that one's value a file's name.
        self.flags.apply(&mut Plan::preset(Preset::Default)).map_err(Stop::Usage)?;
        let mut plan = match (self.file, preset, kept) {
            (Some(file), _, _) => read(file, preset)?,
            (None, None, Some(kept)) => kept,
            (None, _, _) => Plan::preset(preset.unwrap_or(Preset::Default)),
        };
        self.flags.apply(&mut plan).map_err(Stop::Usage)?;
        if let Some(label) = self.label {
            label.clone_into(&mut plan.label);
        }
        plan.check().map_err(Stop::Usage)?;
        Ok(plan)
    }
}

/// The name under which standard input stands in the place of a plan file.
const STANDARD_INPUT: &str = "-";

/// What may have been meant instead of a plan.
const NO_PLAN: &str = ", or none for the default plan";

/// A plan is no longer than this, in bytes; without a bound a file that never ends would fill the memory.
const LONGEST_PLAN: u64 = 16 << 20;

/// Reads a plan file over a preset: the one named on the command line, or the file's own.
fn read(file: &Path, preset: Option<Preset>) -> Result<Plan, Stop> {
    let is_input = file.as_os_str() == STANDARD_INPUT;
    let name = if is_input { "standard input".to_owned() } else { file.display().to_string() };
    let cannot = |error: io::Error| {
        Stop::Usage(if error.kind() == ErrorKind::IsADirectory {
            format!("{name} is a directory; name a plan file{}", within(file, "plan.toml"))
        } else if error.kind() == ErrorKind::NotFound {
            format!("there is no plan file {name}; name a TOML file{NO_PLAN}")
        } else {
            format!("cannot read the plan {name}: {error}; name a TOML file that you may read")
        })
    };
    let text = if is_input {
        read_standard_input()
    } else {
        read_bounded(open(file, run_directories::caller(), cannot)?)
    };
    let text = text.map_err(cannot)?;
    // What should have written it has failed.
    if text.trim().is_empty() {
        return Err(Stop::Usage(format!(
            "{name} is empty; name a plan with a line in it{NO_PLAN}"
        )));
    }
    let wrong = |why: String| Stop::Usage(format!("{name}: {why}"));
    let plan = Plan::from_toml(&text).map_err(|error| wrong(error.to_string()))?;
    let Some(preset) = preset else { return Ok(plan) };
    // The text is known to be right, so that exchanging its preset cannot make an error of place.
    let mut table: toml::Table =
        text.parse().map_err(|error: toml::de::Error| wrong(error.message().to_owned()))?;
    table.insert("preset".to_owned(), toml::Value::String(preset.name().to_owned()));
    Plan::from_toml(&table.to_string()).map_err(|error| wrong(error.why))
}

fn read_standard_input() -> io::Result<String> {
    if io::stdin().is_terminal() {
        tell("reading the plan from this terminal; Ctrl-D ends it");
    }
    read_bounded(io::stdin().lock())
}

fn read_bounded(input: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    input.take(LONGEST_PLAN + 1).read_to_end(&mut bytes)?;
    let wrong = |what: &str| io::Error::new(ErrorKind::InvalidData, what);
    if bytes.len() as u64 > LONGEST_PLAN {
        return Err(wrong("it is longer than 16 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8"))
}

/// Whether every message can be laid out as the plan asks, on pages of `page` bytes.
///
/// # Errors
/// The first message that cannot, and the remedy.
pub(crate) fn check_messages(plan: &Plan, page: u64) -> Result<(), Stop> {
    plan.cells().iter().try_for_each(|cell| check_message(cell, page))
}

/// Whether a cell's factors go together, and its message can be laid out on pages of `page` bytes.
///
/// # Errors
/// Why not, and the remedy.
pub(crate) fn check_message(cell: &Cell, page: u64) -> Result<(), Stop> {
    let page = usize::try_from(page).unwrap_or(4096);
    cell.check().and_then(|()| Message::of(cell, page).map(|_| ())).map_err(Stop::Usage)
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches as _};
    use model::Nanos;

    use super::*;

    fn flags(line: &str) -> PlanFlags {
        let command = PlanFlags::augment_args(clap::Command::new("run").no_binary_name(true));
        PlanFlags::from_arg_matches(&command.get_matches_from(line.split_whitespace())).unwrap()
    }

    fn requested(file: Option<&str>, preset: Option<&str>, line: &str) -> Result<Plan, Stop> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plan.toml");
        if let Some(text) = file {
            std::fs::write(&path, text).unwrap();
        }
        let flags = flags(line);
        PlanRequest { file: file.map(|_| path.as_path()), preset, flags: &flags, label: None }
            .plan(None)
    }

    #[test]
    fn a_flag_overrides_the_file_and_the_file_overrides_the_preset() {
        let file = "preset = \"paper\"\n[measure]\nwindow = \"50ms\"\n";
        let plan = requested(Some(file), None, "").unwrap();
        assert_eq!((plan.preset, plan.measure.window), (Preset::Paper, Nanos::ms(50)));
        let plan = requested(Some(file), Some("quick"), "").unwrap();
        assert_eq!((plan.preset, plan.measure.window), (Preset::Quick, Nanos::ms(50)));
        assert_eq!(plan.measure.rounds, Plan::preset(Preset::Quick).measure.rounds);
        let plan = requested(Some(file), Some("quick"), "--time 70ms").unwrap();
        assert_eq!(plan.measure.window, Nanos::ms(70));
        assert_eq!(requested(None, None, "").unwrap(), Plan::preset(Preset::Default));
    }

    #[test]
    fn a_message_smaller_than_its_fields_is_refused_before_anything_runs() {
        let plan = requested(None, None, "--sizes 4,64").unwrap();
        let Err(Stop::Usage(why)) = check_messages(&plan, 4096) else { panic!("accepted") };
        assert!(why.contains("--fields 4"), "{why}");
        assert_eq!(
            check_messages(&requested(None, None, "--sizes 4,64 --fields 4").unwrap(), 4096),
            Ok(())
        );
    }

    #[test]
    fn what_ends_never_is_refused() {
        let Err(Stop::Usage(why)) = requested(None, None, "--precision none --max-time none")
        else {
            panic!("accepted")
        };
        assert!(why.contains("nothing would end this run"), "{why}");
    }
}
