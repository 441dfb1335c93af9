//! What the values of `[measure]` may be.

use crate::plan::{MOST_ROUNDS, Measure};
use crate::units::Nanos;

impl Measure {
    /// Checks one key's value by itself.
    ///
    /// # Errors
    /// What it must be, and what it is; the caller names the key as the reader wrote it.
    pub(crate) fn check_value(&self, key: &str) -> Result<(), String> {
        let from_to = |value: Nanos, least: Nanos, most: Nanos| {
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err(format!("must be from {least} to {most}, not {value}"))
            }
        };
        let rounds = |rounds: Option<u32>| match rounds {
            Some(rounds) if !(1..=MOST_ROUNDS).contains(&rounds) => {
                Err(format!("must be from 1 to {MOST_ROUNDS}, not {rounds}"))
            }
            Some(_) | None => Ok(()),
        };
        match key {
            "time" => from_to(self.window, Nanos::ms(1), Nanos::s(3600)),
            "slice" => from_to(self.slice, Nanos(500_000), Nanos::s(60)),
            "turns" => match self.turns {
                Some(turns) if !(2..=10_000).contains(&turns) => {
                    Err(format!("must be from 2 to 10000, not {turns}"))
                }
                Some(_) | None => Ok(()),
            },
            "warmup" => from_to(self.warmup, Nanos(0), Nanos::s(3600)),
            "tail" => from_to(self.tail, Nanos(0), Nanos::s(60)),
            "rounds" => rounds(self.rounds),
            "min-rounds" => rounds(Some(self.min_rounds)),
            "precision" => match self.precision {
                Some(share) if share.0 <= 0.0 || share.0 >= 1.0 => {
                    Err(format!("must be between 0% and 100%, such as 3%, not {share}"))
                }
                Some(_) | None => Ok(()),
            },
            "max-time" if self.max_time == Some(Nanos(0)) => {
                Err("must be longer than 0".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Checks every key's value, and those together that only together can be wrong.
    ///
    /// # Errors
    /// The key, and what its value must be.
    pub(crate) fn check(&self) -> Result<(), String> {
        for key in Self::KEYS {
            self.check_value(key).map_err(|why| format!("{key}: {why}"))?;
        }
        let Self { slice, settle, .. } = self;
        if settle >= slice {
            return Err(format!("settle: must be shorter than the slice ({slice}), not {settle}"));
        }
        if self.rounds.is_none() && self.precision.is_none() && self.max_time.is_none() {
            return Err(
                "nothing would end this run; give rounds, a precision or max-time".to_owned()
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Plan, Preset};

    #[test]
    fn a_value_out_of_its_range_is_refused_where_it_is_set_and_whoever_made_the_plan() {
        for (key, text, part) in [
            ("time", "0ms", "from 1ms to"),
            ("slice", "400us", "from 500us to"),
            ("turns", "1", "from 2 to 10000, not 1"),
            ("warmup", "2h", "from 0"),
            ("tail", "61s", "from 0"),
            ("rounds", "0", "from 1 to"),
            ("min-rounds", "0", "from 1 to"),
            ("precision", "200%", "between 0% and 100%, such as 3%, not 200%"),
            ("max-time", "0s", "longer than 0"),
        ] {
            let mut plan = Plan::preset(Preset::Default);
            let why = plan.measure.set(key, text).unwrap_err();
            assert!(why.contains(part), "{key}: {why}");
            // Set all the same.
            let why = plan.check().unwrap_err();
            assert!(why.starts_with(&format!("{key}: ")) && why.contains(part), "{why}");
        }
        let mut plan = Plan::preset(Preset::Default);
        plan.measure.settle = plan.measure.slice;
        assert!(plan.check().unwrap_err().starts_with("settle: must be shorter"));
    }
}
