//! Q4 and Q5: from which size on sendmsg, and zerocopy, beat send.

use model::{Missing, RunCommand, SendPath};

use super::copies::no_copies_there;
use super::{AnswerFinding, Found};
use crate::comparisons::{completions, crossovers, each_crossed, paths, tells_at_each_size};
use crate::evidence::Evidence;
use crate::findings::CrossoverOutcome;
use crate::metric::Metric;
use crate::reason::Reason;
use crate::results::Finding;

pub(super) fn q4(evidence: &Evidence<'_>) -> Found {
    beats(evidence, SendPath::A2, SendPath::A1)
}

pub(super) fn q5(evidence: &Evidence<'_>) -> Found {
    beats(evidence, SendPath::A3, SendPath::A1)
}

fn beats(evidence: &Evidence<'_>, path: SendPath, against: SendPath) -> Found {
    let (goodput, cpu) = (Metric::GoodputGbps, Metric::EndsCpuNsPerKib);
    let compared = paths(evidence, path, against, goodput);
    if compared.is_empty() {
        return Found::lacking(
            Reason::not_measured(goodput, [path, against], [], []),
            Missing::plan(RunCommand::new(format!("--send {against},{path}"))),
        );
    }
    // Where the line decides the goodput of every pair, CPU time answers.
    let decides =
        if compared.iter().all(|pair| pair.finding == Finding::AtLineRate) { cpu } else { goodput };
    let found = crossovers(evidence, path, against, decides);
    let is_open = found
        .iter()
        .all(|c| c.outcome == CrossoverOutcome::Undecided && !tells_at_each_size(evidence, c));
    let is_bracketed = found.iter().any(|c| {
        matches!(
            c.outcome,
            CrossoverOutcome::Bracket { .. } | CrossoverOutcome::UntilBracket { .. }
        )
    });
    let [of_goodput, of_cpu] =
        [goodput, cpu].map(|metric| crossovers(evidence, path, against, metric));
    let all = if decides == cpu { of_cpu } else { [of_goodput, of_cpu].concat() };
    let by_reference = path.passes_by_reference();
    let finding = AnswerFinding::Sizes {
        path,
        against,
        break_evens: each_crossed(evidence, &all),
        completions: by_reference.then(|| completions(evidence)),
    };
    let between = || RunCommand::new("--preset break-even");
    let found = if is_open {
        Found::open(finding, Missing::plan(between()))
    } else if is_bracketed {
        let mut changes =
            vec![Missing::machine("sizes in between, which narrow the bracket", between())];
        changes.extend(by_reference.then(no_copies_there));
        Found::answered(finding, changes)
    } else {
        let mut changes = vec![
            Missing::of_itself("other sizes"),
            Missing::machine("other fields", "--fields"),
            Missing::of_itself("another machine or kernel"),
        ];
        changes.extend(by_reference.then(no_copies_there));
        Found::answered(finding, changes)
    };
    found.from([(goodput, compared)])
}
