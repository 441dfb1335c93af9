//! Where else a run shows the advised value to be the worse one.

use std::collections::BTreeSet;

use model::{Factor, Shared};

use super::duels::shown;
use crate::evidence::Evidence;
use crate::findings::Crossover;
use crate::metric::Better;
use crate::results::Finding;

/// What differs in a setting from the one that an advice is drawn from.
type Setting = Vec<(Factor, String)>;

/// Settings with a CPU for each busy thread in which a value is shown to be worse than another one at some size, by what differs in
/// them from `here`; without those that only add to another one of them.
pub(super) fn not_with(
    evidence: &Evidence<'_>,
    value: &str,
    here: &Shared,
    of_metric: &[&Crossover],
) -> Vec<Setting> {
    let others = of_metric.iter().filter(|c| c.shared != *here && !c.oversubscribed.is_so());
    let is_worse = |c: &Crossover| {
        let worse = match c.metric.better() {
            Better::Low => Finding::More,
            Better::High => Finding::Less,
            Better::None => return false,
        };
        let of_setting = evidence.ratios.iter().filter(|ratio| {
            (ratio.metric, &ratio.contrast) == (c.metric, &c.contrast) && c.shared.has(&ratio.cell)
        });
        // By the rule that the advice itself is drawn by.
        let mut shown = of_setting.map(|ratio| shown(ratio, Some(c), worse == Finding::More));
        if c.contrast.value == value {
            shown.any(|finding| finding == worse)
        } else {
            c.contrast.against == value && shown.any(|finding| finding.turned() == worse)
        }
    };
    let differing = |c: &Crossover| -> Setting {
        let (one, other) = (c.shared.cell(), here.cell());
        let factors = Factor::ALL.iter().filter(|of| one.get(**of) != other.get(**of));
        factors.map(|of| (*of, one.get(*of))).collect()
    };
    let settings: BTreeSet<Setting> =
        others.filter(|c| is_worse(c)).map(|c| differing(c)).collect();
    let only_adds = |setting: &Setting| {
        settings.iter().any(|less| less != setting && less.iter().all(|it| setting.contains(it)))
    };
    settings.iter().filter(|setting| !only_adds(setting)).cloned().collect()
}
