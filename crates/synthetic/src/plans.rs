//! Plans with other values for some factors.

use model::{Factor, Plan, Preset};

/// The default plan with other values for some factors, controls included.
///
/// # Panics
/// A list is none of its factor's values.
#[allow(clippy::panic, reason = "only tests call it, with lists that they know")]
pub fn plan(lists: &[(Factor, &str)]) -> Plan {
    let mut plan = Plan::preset(Preset::Default);
    for (factor, list) in lists {
        if let Err(why) = plan.factors.set(*factor, list) {
            panic!("{list}: {why}");
        }
    }
    plan
}

/// The same without controls.
pub fn without_controls(lists: &[(Factor, &str)]) -> Plan {
    let mut plan = plan(lists);
    plan.measure.controls = false;
    plan
}
