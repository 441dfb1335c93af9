//! A command's time limit: what is told where it is too small for what is asked, and which one would do.

use model::{Nanos, Plan};
use report::numbers::duration;
use study::{Forecast, OutOfTime};

/// Who made the plan that a limit is too small for, and so what else than the limit can be another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Planned {
    /// The flags of `copycost run`.
    ByFlags,
    /// An earlier segment: the plan stays.
    Earlier,
    /// The command itself.
    ByCommand,
}

/// A time limit as it was given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeLimit {
    /// The flag that gives it.
    flag: &'static str,
    /// All of it, of which the plan may have a part.
    whole: Option<Nanos>,
    planned: Planned,
}

impl TimeLimit {
    /// That of `copycost run`, for a new run or one that is gone on with.
    pub(crate) const fn of_run(is_gone_on_with: bool) -> Self {
        let planned = if is_gone_on_with { Planned::Earlier } else { Planned::ByFlags };
        Self { flag: "--max-time", whole: None, planned }
    }

    /// That of a command which makes its plan itself; nothing where nobody gave one.
    pub(crate) const fn of_command(flag: &'static str, whole: Option<Nanos>) -> Self {
        Self { flag, whole, planned: Planned::ByCommand }
    }

    /// Whether the plan is made of flags, which then may be named.
    pub(crate) fn has_plan_flags(self) -> bool {
        self.planned == Planned::ByFlags
    }

    /// What must be known of a plan's limit before anything is measured.
    pub(crate) fn caution(self, plan: &Plan, forecast: &Forecast) -> Option<String> {
        let given = self.given(plan);
        let takes = |time: Nanos| about(Nanos(forecast.audits.0.saturating_add(time.0)));
        let audits = if forecast.audits.0 == 0 { "" } else { " with its audits" };
        if forecast.first_round_outlasts_limit() {
            let takes = takes(forecast.least_round);
            return Some(match self.planned {
                Planned::ByFlags => {
                    let shorter = match (plan.measure.steady, plan.measure.turns) {
                        (true, _) => " or less --time",
                        (false, Some(_)) => " or less --turns",
                        (false, None) => "",
                    };
                    format!(
                        "one round of this plan{audits} takes about {takes}: {given} will be exceeded, as one is measured whole; raise it, or ask for fewer --sizes, --threads or --send{shorter}"
                    )
                }
                Planned::Earlier => format!(
                    "what is left of the first round{audits} takes about {takes}: {given} will be exceeded, as it is measured whole"
                ),
                Planned::ByCommand => format!(
                    "one round{audits} takes about {takes}: {given} will be exceeded, as one is measured whole"
                ),
            });
        }
        let or_fewer = |what: &str| match self.planned {
            Planned::ByFlags => format!("raise it, or ask for fewer {what}"),
            Planned::Earlier | Planned::ByCommand => "raise it".to_owned(),
        };
        if forecast.first_round_is_cut() {
            return Some(format!(
                "one round takes about {}, longer than {given}: the first gets fewer turns for it, and the run ends after it; {}",
                takes(forecast.round),
                or_fewer("cells")
            ));
        }
        if forecast.no_round_fits() {
            return Some(format!(
                "{given} holds no whole round: at most a part of one is measured; raise it"
            ));
        }
        (!forecast.fits()).then(|| {
            let more = if forecast.done == 0 { "" } else { "more " };
            format!(
                "{} {more}rounds take about {}, longer than {given}, so the run ends before: {}",
                forecast.left(),
                about(forecast.least),
                or_fewer("cells or --turns")
            )
        })
    }

    /// `--max-time 5 s`, or the plan's part of it.
    fn given(self, plan: &Plan) -> String {
        let limit = plan.measure.max_time.unwrap_or_default();
        match self.whole {
            Some(whole) if whole != limit => {
                format!("its {} of {} {}", about(limit), self.flag, about(whole))
            }
            Some(_) | None => format!("{} {}", self.flag, about(limit)),
        }
    }

    /// The flag with which all of the round that was cut would have been measured.
    fn enough(self, plan: &Plan, out: &OutOfTime) -> String {
        let limit = plan.measure.max_time.unwrap_or_default();
        let whole = self.whole.unwrap_or(limit);
        // A part of the limit stays that part of it.
        let parts = whole.as_secs_f64() / limit.as_secs_f64().max(1e-9);
        let enough = Nanos::from_secs_f64(out.enough().as_secs_f64() * parts);
        format!("{} {}", self.flag, typed(enough))
    }

    /// Of a segment that measured no block: why, and what to give.
    pub(crate) fn nothing_measured(self, plan: &Plan, out: &OutOfTime) -> String {
        format!(
            "no further block was measured: {} holds none of round {}, which takes about {} more; go on with {}",
            self.given(plan),
            out.round,
            about(out.left),
            self.enough(plan, out)
        )
    }

    /// Of a first round that was cut: that it was, and what would have held all of it.
    pub(crate) fn first_round_cut(self, plan: &Plan, out: &OutOfTime) -> String {
        format!(
            "{} ended within the first round, the rest of which takes about {}: {} holds one",
            self.given(plan),
            about(out.left),
            self.enough(plan, out)
        )
    }
}

/// A time that may be short: a limit and what it does not hold must not look alike.
pub(crate) fn about(time: Nanos) -> String {
    let tenths = time.0.saturating_add(50_000_000) / 100_000_000;
    match (tenths / 10, tenths % 10) {
        (0, _) => format!("{} ms", time.0 / 1_000_000),
        (seconds @ 1..10, part @ 1..) => format!("{seconds}.{part} s"),
        (_, _) => duration(time),
    }
}

/// A time as somebody types it, in whole seconds or minutes, and no shorter than it is.
fn typed(time: Nanos) -> String {
    match time.0.div_ceil(Nanos::s(1).0) {
        seconds @ 0..=120 => format!("{seconds}s"),
        seconds => format!("{}m", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use model::Preset;

    use super::*;

    fn plan(limit: Nanos) -> Plan {
        let mut plan = Plan::preset(Preset::Default);
        plan.measure.max_time = Some(limit);
        plan
    }

    #[test]
    fn what_measured_nothing_is_told_with_a_limit_that_would_do() {
        let out = OutOfTime {
            round: 3,
            blocks: 0,
            elapsed: Nanos::ms(100),
            left: Nanos::ms(7850),
            foreseen: None,
        };
        assert_eq!(
            TimeLimit::of_run(true).nothing_measured(&plan(Nanos::s(1)), &out),
            "no further block was measured: --max-time 1 s holds none of round 3, which takes about 7.9 s more; go on with --max-time 10s"
        );
        // Of a limit that is shared the whole is what to give.
        let shared = TimeLimit::of_command("--max-time", Some(Nanos::s(4)));
        assert_eq!(
            shared.first_round_cut(&plan(Nanos::s(1)), &out),
            "its 1 s of --max-time 4 s ended within the first round, the rest of which takes about 7.9 s: --max-time 40s holds one"
        );
        let long = OutOfTime { left: Nanos::s(300), ..out };
        assert!(
            shared.first_round_cut(&plan(Nanos::s(4)), &long).ends_with("--max-time 7m holds one")
        );
    }

    #[test]
    fn short_times_are_told_apart() {
        for (ms, text) in [
            (20, "20 ms"),
            (949, "949 ms"),
            (950, "1 s"),
            (1360, "1.4 s"),
            (8000, "8 s"),
            (9940, "9.9 s"),
            (9960, "10 s"),
            (75_400, "1m15s"),
        ] {
            assert_eq!(about(Nanos::ms(ms)), text);
        }
    }

    #[test]
    fn only_a_command_that_has_them_is_told_of_flags_of_the_plan() {
        let with = |limit: TimeLimit, plan: &Plan| {
            limit.caution(plan, &study::forecast(plan, 2, |_| false)).unwrap_or_default()
        };
        let command = TimeLimit::of_command("--time", Some(Nanos::s(60)));
        for limit in [Nanos::s(1), Nanos::s(8), Nanos::s(20)] {
            let mut plan = plan(limit);
            let flags = |text: &str| text.matches("--").count();
            for turns in [None, Some(12)] {
                plan.measure.turns = turns;
                let told = with(command, &plan);
                assert_eq!(flags(&told), 1, "{told}");
                assert!(told.contains(" of --time 1m00s"), "{told}");
                let told = with(TimeLimit::of_run(true), &plan);
                assert!(flags(&told) == 1 && !told.contains("fewer cells"), "{told}");
                assert!(with(TimeLimit::of_run(false), &plan).contains("or ask for fewer "));
            }
        }
        assert_eq!(with(command, &plan(Nanos::s(3000))), "");
    }

    #[test]
    fn a_run_that_is_gone_on_with_is_told_before_that_no_round_fits() {
        let plan = plan(Nanos::s(1));
        let earlier = synthetic::run(&plan, 2, synthetic::trial);
        let forecast = study::forecast_rest(&plan, 2, |_| false, &earlier);
        assert_eq!(
            TimeLimit::of_run(true).caution(&plan, &forecast).unwrap(),
            "--max-time 1 s holds no whole round: at most a part of one is measured; raise it"
        );
    }
}
