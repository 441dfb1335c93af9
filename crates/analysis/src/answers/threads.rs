//! Q3: threads against misses, switches and CPU.

use model::{Missing, RunCommand};

use super::{AnswerFinding, Found};
use crate::comparisons::{counters_remedy, paths_asked, sizes_asked, threads, threads_asked};
use crate::evidence::Evidence;
use crate::metric::Metric;
use crate::reason::Reason;

const MISSES: Metric = Metric::SenderLlcMissesPerKib;

/// Each path at the largest size over threads; misses where they are counted.
pub(super) fn q3(evidence: &Evidence<'_>) -> Found {
    let (counts, sizes) = (threads_asked(evidence), sizes_asked(evidence));
    let plan = || Missing::plan(RunCommand::new("--threads 1,2,4,8"));
    let ([from, more @ ..], Some(bytes)) = (counts.as_slice(), sizes.last().copied()) else {
        return Found::lacking(Reason::NoValidTrial, plan());
    };
    // Interaction with caches is told from thread counts that each leave a busy thread its CPU.
    let fits = |n: &u32| {
        let mut of = evidence.asked().filter(|e| e.cell.threads.get() == *n);
        of.all(|e| !e.oversubscribed.is_so())
    };
    let fitting = more.iter().copied().filter(fits).max();
    let to = fitting.or(more.last().copied()).unwrap_or(*from);
    let finding = AnswerFinding::Threads { bytes, from: *from, to };
    if more.is_empty() {
        return Found::open(finding, plan()).from([]);
    }
    let change = |metric: Metric| {
        let paths = paths_asked(evidence).into_iter();
        let of = |path| threads(evidence, metric, path, bytes, [to, *from]);
        (metric, paths.flat_map(of).collect::<Vec<_>>())
    };
    let compared = [MISSES, Metric::EndsCpuNsPerKib].map(change);
    let found = if compared[0].1.is_empty() {
        Found::open(finding, counters_remedy(evidence, MISSES, "llc-misses"))
    } else {
        let others = [
            Missing::of_itself("a machine with more CPUs or a larger cache"),
            Missing::machine("another working set", "--ring"),
            Missing::machine("another placement", "--placement"),
        ];
        Found::answered(finding, others)
    };
    found.from(compared)
}
