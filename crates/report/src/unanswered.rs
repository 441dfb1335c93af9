//! What a run could not tell, and what would.

use std::collections::BTreeMap;

use analysis::explained::{LawState, Verdict};
use analysis::summary::Summary;
use model::host::Host;

/// Something that stayed open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    /// What: questions, claims, laws or counters.
    pub(crate) what: String,
    /// What would decide it.
    pub(crate) remedy: String,
}

/// Questions without an answer, claims and laws that nothing here decides, counters that this machine lacks. What has
/// the same remedy stands together.
pub(crate) fn unanswered(summary: &Summary, host: &Host) -> Vec<Open> {
    let explained = &summary.explained;
    let mut open: Vec<Open> = Vec::new();
    for answer in explained.answers.iter().filter(|answer| !answer.answered) {
        open.push(Open {
            what: format!("{}: {}", answer.id.to_uppercase(), answer.line),
            remedy: answer.would_change.clone(),
        });
    }
    let undecided = explained.claims.iter().filter(|claim| claim.verdict == Verdict::Undecidable);
    let claims = undecided.map(|claim| (claim.would_decide.as_str(), claim.id.to_uppercase()));
    open.extend(together("claim", "claims", claims));
    let laws = explained.laws.iter().filter(|law| law.state == LawState::Undecidable);
    let laws = laws.map(|law| (law.because.as_str(), format!("{} ({})", law.id, law.name)));
    open.extend(together("law", "laws", laws));
    let absent = host
        .counters
        .iter()
        .filter_map(|(name, counter)| counter.reason().map(|reason| (reason, name.clone())));
    open.extend(together("counter", "counters", absent));
    open
}

/// Names with the same remedy, in the order in which remedies first come up.
fn together<'a>(one: &str, many: &str, of: impl Iterator<Item = (&'a str, String)>) -> Vec<Open> {
    let mut order: Vec<&str> = Vec::new();
    let mut names: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (remedy, name) in of {
        if !names.contains_key(remedy) {
            order.push(remedy);
        }
        names.entry(remedy).or_default().push(name);
    }
    let open = order.into_iter().map(|remedy| {
        let names = names.get(remedy).cloned().unwrap_or_default();
        let noun = if names.len() == 1 { one } else { many };
        Open { what: format!("{noun} {}", names.join(", ")), remedy: remedy.to_owned() }
    });
    open.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_the_same_remedy_stands_together() {
        let of = [("count", "C1"), ("audit", "C2"), ("count", "C9")];
        let open = together("claim", "claims", of.into_iter().map(|(r, n)| (r, n.to_owned())));
        let texts: Vec<(String, String)> =
            open.into_iter().map(|open| (open.what, open.remedy)).collect();
        assert_eq!(
            texts,
            [
                ("claims C1, C9".to_owned(), "count".to_owned()),
                ("claim C2".to_owned(), "audit".to_owned())
            ]
        );
    }
}
