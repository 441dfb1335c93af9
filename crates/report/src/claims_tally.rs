//! How many of the paper's claims came out how, and what verdicts and states are called.

use analysis::claims::claim::{Claim, Verdict};
use analysis::laws::law::LawState;
use model::Missing;

/// Every verdict, in the order in which they are counted.
pub(crate) const ALL_VERDICTS: [Verdict; 4] =
    [Verdict::Supported, Verdict::Refuted, Verdict::Undecidable, Verdict::NotApplicable];

/// The verdict as readers see it.
pub(crate) const fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Supported => "supported",
        Verdict::Refuted => "refuted",
        Verdict::Undecidable => "undecidable here",
        Verdict::NotApplicable => "not applicable here",
    }
}

/// A law's state as readers see it.
pub(crate) const fn law_state(state: LawState) -> &'static str {
    match state {
        LawState::Holds => "holds",
        LawState::Broken => "broken",
        LawState::Undecidable => "undecidable here",
    }
}

/// What is missing, one after the other.
pub(crate) fn all_missing(missing: &[Missing]) -> String {
    missing.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// How many claims have a verdict.
pub(crate) fn counted(claims: &[Claim], verdict: Verdict) -> usize {
    claims.iter().filter(|claim| claim.verdict == verdict).count()
}

/// `5 of them preliminary`: how many verdicts rest on intervals of too few rounds; none where none does.
pub(crate) fn preliminary(claims: &[Claim]) -> Option<String> {
    let n = claims.iter().filter(|claim| claim.is_preliminary()).count();
    (n > 0).then(|| format!("{n} of them preliminary"))
}

/// `9 supported, 7 refuted, 9 undecidable here`, and how many of them are preliminary; nothing where no claim was judged.
pub(crate) fn claims_tally(claims: &[Claim]) -> Option<String> {
    if claims.is_empty() {
        return None;
    }
    let parts: Vec<String> = ALL_VERDICTS
        .iter()
        .map(|verdict| (counted(claims, *verdict), *verdict))
        .filter(|(n, verdict)| *n > 0 || *verdict != Verdict::NotApplicable)
        .map(|(n, verdict)| format!("{n} {}", verdict_name(verdict)))
        .collect();
    let note = preliminary(claims).map_or_else(String::new, |note| format!(" ({note})"));
    Some(format!("{}{note}", parts.join(", ")))
}
