//! The flags of a plan: one for every factor and one for every key of `[measure]`, made from the model's
//! tables, so that a new factor is a flag by itself.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};
use model::{Factor, Plan};

/// What the flags of a plan said, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PlanFlags {
    factors: Vec<(Factor, String)>,
    measure: Vec<(MeasureFlag, String)>,
    thresholds: Vec<String>,
}

/// A key of `[measure]` as a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MeasureFlag {
    key: &'static str,
    flag: &'static str,
    value: &'static str,
    help: &'static str,
}

/// Every key of `[measure]`; a test holds this list against the model's.
const MEASURE: &[MeasureFlag] = &[
    MeasureFlag {
        key: "window",
        flag: "time",
        value: "TIME",
        help: "Length of a trial's window, such as 250ms",
    },
    MeasureFlag { key: "warmup", flag: "warmup", value: "TIME", help: "Warm-up before the window" },
    MeasureFlag {
        key: "tail",
        flag: "tail",
        value: "TIME",
        help: "How long senders go on after the window, so that receivers see no end of load",
    },
    MeasureFlag {
        key: "precision",
        flag: "precision",
        value: "SHARE",
        help: "Half-width of a cell's interval at which it is done, such as 3%, or none",
    },
    MeasureFlag {
        key: "min_rounds",
        flag: "min-rounds",
        value: "N",
        help: "Rounds before precision is looked at; fewer than 10 are preliminary",
    },
    MeasureFlag {
        key: "rounds",
        flag: "rounds",
        value: "N",
        help: "Exactly so many rounds, or none",
    },
    MeasureFlag {
        key: "max_time",
        flag: "max-time",
        value: "TIME",
        help: "When to stop at the latest, such as 5m, or none",
    },
    MeasureFlag {
        key: "margin",
        flag: "margin",
        value: "SHARE",
        help: "Margin of equivalence, such as 3%",
    },
    MeasureFlag {
        key: "seed",
        flag: "seed",
        value: "N",
        help: "Seed of the order of blocks and cells",
    },
    MeasureFlag {
        key: "controls",
        flag: "controls",
        value: "on|off",
        help: "Whether the control cells (A/A, instruments off, SO_ZEROCOPY off) are measured too",
    },
    MeasureFlag {
        key: "audits",
        flag: "audits",
        value: "LIST",
        help: "Heavy instruments, in audit trials that are never timed: copy-audit, profile, ceiling, all or none",
    },
];

const THRESHOLD: &str = "threshold";
const FACTORS: &str = "Factors (lists with commas; the cells are their product)";
const MEASURING: &str = "Measuring";

impl PlanFlags {
    /// Lays what the flags said over a plan.
    ///
    /// # Errors
    /// The flag and what is wrong with its value.
    pub(crate) fn apply(&self, plan: &mut Plan) -> Result<(), String> {
        for (factor, text) in &self.factors {
            plan.factors.set(*factor, text).map_err(|why| format!("--{}: {why}", factor.key()))?;
        }
        for (flag, text) in &self.measure {
            plan.measure.set(flag.key, text).map_err(|why| format!("--{}: {why}", flag.flag))?;
        }
        for text in &self.thresholds {
            let set = match text.split_once('=') {
                Some((key, share)) => plan.thresholds.set(&key.trim().replace('-', "_"), share),
                None => Err(format!("\"{text}\" is no KEY=SHARE, such as steal=2%")),
            };
            set.map_err(|why| format!("--{THRESHOLD}: {why}"))?;
        }
        Ok(())
    }
}

/// The flag of one factor.
pub(crate) fn factor_flag(factor: Factor) -> Arg {
    Arg::new(factor.key())
        .long(factor.key())
        .value_name("LIST")
        .help(factor.help().trim_end_matches('.').to_owned())
        .help_heading(FACTORS)
        .allow_hyphen_values(true)
        .action(ArgAction::Set)
}

impl Args for PlanFlags {
    fn augment_args(command: Command) -> Command {
        let command =
            Factor::ALL.iter().fold(command, |command, factor| command.arg(factor_flag(*factor)));
        let command = MEASURE.iter().fold(command, |command, flag| {
            let arg = Arg::new(flag.key)
                .long(flag.flag)
                .value_name(flag.value)
                .help(flag.help)
                .help_heading(MEASURING)
                .allow_hyphen_values(true)
                .action(ArgAction::Set);
            command.arg(if flag.key == "window" { arg.alias("window") } else { arg })
        });
        command.arg(
            Arg::new(THRESHOLD)
                .long(THRESHOLD)
                .value_name("KEY=SHARE")
                .help(format!(
                    "Where a mark begins, again for each: {}",
                    model::Thresholds::KEYS.join(", ")
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
        let said = |id: &str| matches.get_one::<String>(id).cloned();
        Ok(Self {
            factors: Factor::ALL
                .iter()
                .filter_map(|factor| Some((*factor, said(factor.key())?)))
                .collect(),
            measure: MEASURE.iter().filter_map(|flag| Some((*flag, said(flag.key)?))).collect(),
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
    use model::{Measure, Preset};

    use super::*;

    fn flags(line: &str) -> PlanFlags {
        let command = PlanFlags::augment_args(Command::new("run").no_binary_name(true));
        PlanFlags::from_arg_matches(&command.get_matches_from(line.split_whitespace())).unwrap()
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
        assert!(wrong("--window 250").starts_with("--time: "));
        assert!(wrong("--threshold steal").contains("KEY=SHARE"));
        assert!(wrong("--threshold steel=1%").contains("did you mean \"steal\""));
    }
}
