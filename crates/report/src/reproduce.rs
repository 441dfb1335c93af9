//! What a run is called, the command that measures the same again, and when it was measured.

use analysis::summary::Summary;
use model::host::Host;
use model::{Plan, Preset};

/// What the run is called: its label, else the machine's name.
pub(crate) fn name<'a>(summary: &'a Summary, host: &'a Host) -> &'a str {
    match summary.run.label.as_str() {
        "" => host.hostname.value().map_or("unknown machine", String::as_str),
        label => label,
    }
}

/// What the command below does.
pub(crate) fn again(summary: &Summary) -> &'static str {
    if summary.run.imported.is_empty() {
        "Measure it again"
    } else {
        "Imported then; measure the same here"
    }
}

/// The command that measures the same plan again; the plan file lies in the run directory.
pub(crate) fn command(plan: &Plan) -> String {
    let preset = Plan { label: plan.label.clone(), ..Plan::preset(plan.preset) };
    match (preset == *plan, plan.preset) {
        (true, Preset::Default) => "copycost run".to_owned(),
        (true, preset) => format!("copycost run --preset {preset}"),
        (false, _) => "copycost run plan.toml".to_owned(),
    }
}

/// `2026-11-23 08:30 UTC`.
pub(crate) fn date(unix_ms: u64) -> String {
    i64::try_from(unix_ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .map_or_else(
            || "at an unknown time".to_owned(),
            |time| time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        )
}

#[cfg(test)]
mod tests {
    use model::Nanos;

    use super::*;

    #[test]
    fn a_preset_is_named_and_anything_else_is_the_plan_file() {
        let mut plan = Plan::preset(Preset::Default);
        plan.label = "mine".to_owned();
        assert_eq!(command(&plan), "copycost run");
        assert_eq!(command(&Plan::preset(Preset::Quick)), "copycost run --preset quick");
        plan.measure.window = Nanos::ms(300);
        assert_eq!(command(&plan), "copycost run plan.toml");
    }

    #[test]
    fn a_time_is_said_in_utc() {
        assert_eq!(date(1_764_000_000_000), "2025-11-24 16:00 UTC");
        assert_eq!(date(u64::MAX), "at an unknown time");
    }
}
