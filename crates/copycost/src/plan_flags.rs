//! The flags of a plan: one for every factor and one for every key of `[measure]`, made from the model's
//! tables, so that a new factor is a flag by itself.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};
use model::shape::{check_beside_shapes, shapes_of_lengths};
use model::{Factor, Link, Measure, Plan, Preset, Thresholds};

use crate::peer_flags::PeerFlags;
use crate::word_list::WordList;

/// What the flags of a plan said, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PlanFlags {
    factors: Vec<(Factor, String)>,
    measure: Vec<(&'static str, String)>,
    contrasts: Option<String>,
    thresholds: Vec<String>,
    peer: PeerFlags,
}

/// A key of `[measure]` as a flag of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MeasureFlag {
    key: &'static str,
    value: &'static str,
    help: &'static str,
}

/// Every key of `[measure]`; a test holds this list against the model's.
const MEASURE: &[MeasureFlag] = &[
    MeasureFlag {
        key: "time",
        value: "TIME",
        help: "Length of a steady window, longer where threads share CPUs; implies --steady on",
    },
    MeasureFlag {
        key: "steady",
        value: "on|off",
        help: "Measure each cell alone in one steady window, not the cells of a block in turns",
    },
    MeasureFlag {
        key: "slice",
        value: "TIME",
        help: "Load of one cell in a turn; longer where threads share CPUs",
    },
    MeasureFlag {
        key: "settle",
        value: "TIME",
        help: "How much of a slice passes before its window",
    },
    MeasureFlag {
        key: "turns",
        value: "N",
        help: "Turns of a series; auto: what its noise calls for",
    },
    MeasureFlag { key: "warmup", value: "TIME", help: "Warm-up before a steady window" },
    MeasureFlag {
        key: "tail",
        value: "TIME",
        help: "How long senders go on after a steady window, so that receivers stay under load",
    },
    MeasureFlag {
        key: "precision",
        value: "SHARE",
        help: "Half-width of each ratio's interval at which it is done (a cell's where nothing is compared), or none",
    },
    MeasureFlag {
        key: "min-rounds",
        value: "N",
        help: "Rounds before precision is looked at; fewer than 10 are preliminary",
    },
    MeasureFlag { key: "rounds", value: "N", help: "Exactly so many rounds, or none" },
    MeasureFlag {
        key: "max-time",
        value: "TIME",
        help: "When to stop at the latest, or none; --resume begins to count anew",
    },
    MeasureFlag {
        key: "margin",
        value: "SHARE",
        help: "Differences within this margin count as none",
    },
    MeasureFlag { key: "seed", value: "N", help: "Seed of the order of blocks and cells" },
    MeasureFlag {
        key: "controls",
        value: "on|off",
        help: "Whether control cells (A/A, instruments off, SO_ZEROCOPY off) are measured too",
    },
    MeasureFlag {
        key: "steady-control",
        value: "on|off",
        help: "Whether one in three rounds of a block ends with steady windows, which turns are held against",
    },
    MeasureFlag {
        key: "audits",
        value: "LIST",
        help: "Heavy instruments, in trials of their own that are never timed: copy-audit, profile, ceiling, all, none",
    },
];

const CONTRASTS: &str = "contrasts";
const THRESHOLD: &str = "threshold";
const FACTORS: &str = "Factors (lists with commas; the cells are their product)";
const MEASURING: &str = "Measuring";

impl PlanFlags {
    /// Lays what the flags said over a plan.
    ///
    /// # Errors
    /// The flag and what is wrong with its value.
    pub(crate) fn apply(&self, plan: &mut Plan) -> Result<(), String> {
        let mut given = Vec::new();
        for (factor, text) in &self.factors {
            let shapes = shapes_of_lengths(text).filter(|_| *factor == Factor::Fields);
            let set = match shapes {
                Some(_) if self.factors.iter().any(|(other, _)| *other == Factor::Shape) => {
                    Err("--shape tells the lengths of fields too; leave one of the two out"
                        .to_owned())
                }
                Some(shapes) => plan.factors.set(Factor::Shape, &shapes),
                None => {
                    given.push(*factor);
                    plan.factors.set(*factor, text)
                }
            };
            set.map_err(|why| format!("--{}: {why}", factor.key()))?;
        }
        let given = given.into_iter();
        check_beside_shapes(given, &plan.factors.shape)
            .map_err(|(factor, why)| format!("--{}: {why}", factor.key()))?;
        for (key, text) in &self.measure {
            plan.measure.set(key, text).map_err(|why| format!("--{key}: {why}"))?;
        }
        plan.set_peer(&self.peer.given())?;
        let has_peer = |link: &Link| link.capabilities().has_peer_host;
        let names_link = self.factors.iter().any(|(factor, _)| *factor == Factor::Link);
        if plan.peer.is_some() && !names_link && !plan.factors.link.iter().any(has_peer) {
            plan.factors.link = Link::ALL.iter().copied().filter(has_peer).collect();
        }
        if let Some(text) = &self.contrasts {
            plan.set_contrasts(text).map_err(|why| format!("--{CONTRASTS}: {why}"))?;
        }
        for text in &self.thresholds {
            let set = match text.split_once('=') {
                Some((key, share)) => plan.thresholds.set(key.trim(), share),
                None => Err(format!(
                    "\"{text}\" is no KEY=SHARE, such as steal=2%; the length from which hybrid passes a field by reference is --copy-below"
                )),
            };
            set.map_err(|why| format!("--{THRESHOLD}: {why}"))?;
        }
        Ok(())
    }
}

/// The flag of one factor; the caller adds its default.
pub(crate) fn factor_flag(factor: Factor, default: &str) -> Arg {
    let help = factor.help().trim_end_matches('.');
    let words = WordList::new(factor.words());
    Arg::new(factor.key())
        .long(factor.key())
        .value_name("LIST")
        .help(format!("{help} [default: {default}]"))
        .help_heading(FACTORS)
        .hide_possible_values(words.is_named_in(help))
        .value_parser(words)
        .allow_hyphen_values(true)
        .action(ArgAction::Set)
}

/// The default of a key of `[measure]`, and the presets that have another.
fn measure_default(key: &str) -> String {
    let value = |preset: Preset| Plan::preset(preset).measure.get(key).unwrap_or_default();
    let usual = value(Preset::Default);
    let others = Preset::ALL.iter().filter(|preset| value(**preset) != usual);
    let others: String = others.map(|preset| format!("; {preset}: {}", value(*preset))).collect();
    usual + &others
}

/// The thresholds and their defaults.
fn threshold_defaults() -> String {
    let thresholds = Thresholds::default();
    let each = Thresholds::KEYS.iter().filter_map(|key| Some((key, thresholds.get(key)?)));
    each.map(|(key, share)| format!("{key}={share}")).collect::<Vec<_>>().join(", ")
}

fn measure_flag(flag: MeasureFlag) -> Arg {
    let arg = Arg::new(flag.key)
        .long(flag.key)
        .value_name(flag.value)
        .help(format!("{} [default: {}]", flag.help, measure_default(flag.key)))
        .help_heading(MEASURING)
        .hide_possible_values(true)
        .value_parser(WordList::new(Measure::words(flag.key)))
        .allow_hyphen_values(true)
        .action(ArgAction::Set);
    match flag.key {
        // Its name in the plans of earlier versions.
        "time" => arg.alias("window"),
        "steady" => arg.num_args(0..=1).require_equals(true).default_missing_value("on"),
        _ => arg,
    }
}

impl Args for PlanFlags {
    fn augment_args(command: Command) -> Command {
        let usual = Plan::preset(Preset::Default).factors;
        let command = Factor::ALL.iter().fold(command, |command, factor| {
            command.arg(factor_flag(*factor, &usual.get(*factor).join(",")))
        });
        let command =
            MEASURE.iter().fold(command, |command, flag| command.arg(measure_flag(*flag)));
        let command = PeerFlags::augment_args(command);
        let command = command.arg(
            Arg::new(CONTRASTS)
                .long(CONTRASTS)
                .value_name("LIST")
                .help("What is compared within a block, such as \"send: zerocopy / sendmsg\" [default: each two values of every choice, such as send, that varies]")
                .help_heading(FACTORS)
                .action(ArgAction::Set),
        );
        command.arg(
            Arg::new(THRESHOLD)
                .long(THRESHOLD)
                .value_name("KEY=SHARE")
                .help(format!(
                    "Where a mark begins; may be given again [default: {}]",
                    threshold_defaults()
                ))
                .help_heading(MEASURING)
                .action(ArgAction::Append),
        )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for PlanFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let given = |id: &str| matches.get_one::<String>(id).cloned();
        Ok(Self {
            factors: Factor::ALL
                .iter()
                .filter_map(|factor| Some((*factor, given(factor.key())?)))
                .collect(),
            measure: MEASURE.iter().filter_map(|flag| Some((flag.key, given(flag.key)?))).collect(),
            peer: PeerFlags::from_arg_matches(matches)?,
            contrasts: given(CONTRASTS),
            thresholds: matches
                .get_many::<String>(THRESHOLD)
                .unwrap_or_default()
                .cloned()
                .collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(line: &str) -> PlanFlags {
        let command = PlanFlags::augment_args(Command::new("run").no_binary_name(true));
        PlanFlags::from_arg_matches(&command.get_matches_from(line.split_whitespace())).unwrap()
    }

    #[test]
    fn sizes_beside_shapes_that_decide_them_are_refused() {
        let plan = |preset, line: &str| {
            let mut plan = Plan::preset(preset);
            flags(line).apply(&mut plan).map(|()| plan)
        };
        let refused = plan(Preset::Default, "--shape 24+64KiB --sizes 1KiB").unwrap_err();
        assert!(refused.starts_with("--sizes: the shape 24+65536 decides"), "{refused}");
        assert!(plan(Preset::Http, "--sizes 1KiB").unwrap_err().starts_with("--sizes: "));
        assert!(plan(Preset::Http, "--shape equal --sizes 1KiB").is_ok());
        assert!(plan(Preset::Default, "--shape 24+64KiB,equal --sizes 1KiB").is_ok());
    }

    #[test]
    fn fields_with_a_unit_are_the_lengths_of_one_messages_fields() {
        let set = |line: &str| {
            let mut plan = Plan::preset(Preset::Default);
            flags(line).apply(&mut plan).map(|()| plan)
        };
        let shapes = |line: &str| set(line).unwrap().factors.get(Factor::Shape);
        assert_eq!(shapes("--fields 24,64KiB"), ["24+65536"]);
        assert_eq!(shapes("--fields 24+64,24+4KiB"), ["24+64", "24+4096"]);
        // They are what the same shape is.
        assert_eq!(set("--fields 24,64KiB"), set("--shape 24+64KiB"));
        let counts = set("--fields 1,8").unwrap();
        assert_eq!(counts.factors.get(Factor::Fields), ["1", "8"]);
        assert_eq!(counts.factors.get(Factor::Shape), ["equal"]);
        for (line, why) in [
            ("--fields 24,64KiB --shape 24+4KiB", "--fields: --shape tells the lengths"),
            ("--fields 24,64KiB --sizes 4KiB", "--sizes: the shape 24+65536 decides"),
            (
                "--fields 24,65536",
                "--fields: fields must be at most 1024, not 65536; lengths bear a unit",
            ),
            ("--fields eight", "--fields: \"eight\" is no number of fields"),
            ("--fields 24,64Kib,x", "--fields: "),
        ] {
            let told = set(line).unwrap_err();
            assert!(told.starts_with(why), "{line}: {told}");
        }
    }

    #[test]
    fn every_key_of_measure_is_a_flag() {
        assert_eq!(MEASURE.iter().map(|flag| flag.key).collect::<Vec<_>>(), Measure::KEYS);
    }

    #[test]
    fn every_factor_is_a_flag_and_none_shares_its_name_with_another_flag() {
        PlanFlags::augment_args(Command::new("run")).debug_assert();
        let mut plan = Plan::preset(Preset::Default);
        for factor in Factor::ALL {
            let value = plan.factors.get(*factor).remove(0);
            flags(&format!("--{} {value}", factor.key())).apply(&mut plan).unwrap();
            assert_eq!(plan.factors.get(*factor), [value]);
        }
    }

    #[test]
    fn a_default_is_told_with_the_presets_that_have_another() {
        assert_eq!(measure_default("precision"), "1.2%; paper: none");
        assert_eq!(measure_default("seed"), "1");
        assert!(threshold_defaults().contains("window-void=25%, window-noted=5%"));
    }

    #[test]
    fn flags_lie_over_the_plan_and_say_which_of_them_is_wrong() {
        let mut plan = Plan::preset(Preset::Default);
        flags("--sizes 64B..256B --time 20ms --precision none --threshold steal=5%")
            .apply(&mut plan)
            .unwrap();
        assert_eq!(plan.factors.message.len(), 3);
        assert_eq!(plan.measure.window, model::Nanos::ms(20));
        assert_eq!(plan.measure.precision, None);
        assert_eq!(plan.thresholds.steal, model::Share(0.05));
        let wrong = |line| flags(line).apply(&mut Plan::preset(Preset::Default)).unwrap_err();
        assert!(wrong("--sizes 0").starts_with("--sizes: "), "{}", wrong("--sizes 0"));
        assert!(wrong("--sizes -1").contains("\"-1\""));
        assert_eq!(
            wrong("--rounds -1"),
            "--rounds: \"-1\" is no whole number from 1 to 4294967295"
        );
        assert!(wrong("--window 250").starts_with("--time: "));
        assert!(wrong("--contrasts send").starts_with("--contrasts: \"send\" is no contrast"));
        assert!(wrong("--threshold steal").contains("KEY=SHARE"));
        assert!(wrong("--threshold steel=1%").contains("did you mean \"steal\""));
    }
}
