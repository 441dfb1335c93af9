//! The paper's questions and what a run answers, in sentences.

mod sizes;
mod surprise;
mod tables;

use crate::spelling::{listed, reduction};
use analysis::answers::{Answer, AnswerFinding, CopiesInAll, Largest, LevelRatio, Saves};
use analysis::estimate::Estimate;
use analysis::metric::Metric;
use analysis::operands::{Compared, OfPath};
use analysis::reason::Reason;
use analysis::reference::Caveat;
use analysis::results::Finding;
use analysis::summary::Summary;
use model::{Factor, Measured};

pub(crate) use self::tables::table;
use super::copying;
use super::figures::{metric, place, tested};
use super::links::link_verdict;
use super::reasons::{comparisons, reason};
use crate::numbers::{counted, ratio};

/// The questions as the paper asks them.
const QUESTIONS: [&str; 7] = [
    "Where do the two copies of send() happen? Is it really only two? Which component does each?",
    "Why does zero-copy not always give the best throughput?",
    "Which cache level shows the largest reduction in misses, and why?",
    "How does the thread count interact with cache contention?",
    "At what message size does one-copy (A2) beat two-copy (A1) on this system?",
    "At what message size does zero-copy (A3) beat two-copy (A1) on this system?",
    "Name one unexpected result and explain it with OS or hardware concepts.",
];

/// The question that is answered.
pub(crate) fn question(answer: &Answer) -> &'static str {
    QUESTIONS.get(answer.id.number()).copied().unwrap_or_default()
}

/// The answer in one line.
pub(crate) fn line(summary: &Summary, answer: &Answer) -> String {
    line_of(answer, tested(summary, Metric::GoodputGbps))
}

/// The same, where so many ratios of goodput were tested together.
fn line_of(answer: &Answer, tested: usize) -> String {
    let found = match &answer.finding {
        AnswerFinding::Lacking { reason: lacking } => reason(lacking),
        AnswerFinding::Copies { total, counted, not_counted, completions } => {
            let found = copies(*total, counted, completions);
            std::iter::once(found)
                .chain(not_counted.iter().map(reason))
                .collect::<Vec<_>>()
                .join("; ")
        }
        AnswerFinding::ByReference { saves, option, completions } => {
            let goodput = fitting(answer.of(Metric::GoodputGbps));
            let pair = pair(answer).unwrap_or_default();
            let why = why(*saves, option, completions);
            let outcomes = outcomes(&goodput, tested);
            format!("goodput, {pair}: {outcomes}, {}; {why}", range(&goodput))
        }
        AnswerFinding::Levels { threads, largest, levels } => {
            self::levels(answer, *threads, largest, levels)
        }
        AnswerFinding::Threads { from, to, .. } if from == to => {
            format!("only {} was measured", counted(*from, "thread", "threads"))
        }
        AnswerFinding::Threads { .. } => threads(answer),
        AnswerFinding::Sizes { path, against, break_evens, completions } => {
            let ratios = fitting(answer.of(Metric::GoodputGbps));
            let found = sizes::found(*path, *against, break_evens, &ratios);
            let copied = completions.iter().map(reason);
            std::iter::once(found).chain(copied).collect::<Vec<_>>().join("; ")
        }
        AnswerFinding::Departures { tests, surviving, margin, departures } => {
            surprise::found(*tests, *surviving, *margin, departures)
        }
    };
    let lead = match &answer.finding {
        _ if answer.answered => "",
        // Some sizes tell, and others do not.
        AnswerFinding::Sizes { break_evens, .. }
            if break_evens.iter().any(|it| it.better + it.worse + it.alike > 0) =>
        {
            "in part: "
        }
        AnswerFinding::Lacking { .. }
        | AnswerFinding::Copies { .. }
        | AnswerFinding::ByReference { .. }
        | AnswerFinding::Levels { .. }
        | AnswerFinding::Threads { .. }
        | AnswerFinding::Sizes { .. }
        | AnswerFinding::Departures { .. } => "not answered: ",
    };
    format!("{lead}{found}")
}

/// What a reader must know beside.
pub(crate) fn notes(summary: &Summary, answer: &Answer) -> Vec<String> {
    let mut notes = match &answer.finding {
        AnswerFinding::ByReference { .. } => {
            vec!["compared with sendmsg, as send makes a call for each field".to_owned()]
        }
        AnswerFinding::Sizes { completions: Some(_), .. } => {
            vec!["send makes a call for each field, zerocopy one for all: what passing by reference alone brings is in Q1".to_owned()]
        }
        AnswerFinding::Levels { largest, levels, .. } => beside_levels(answer, largest, levels),
        AnswerFinding::Departures { surviving, tests, departures, .. } => {
            surprise::notes(summary, *surviving, *tests, departures)
        }
        AnswerFinding::Lacking { .. }
        | AnswerFinding::Copies { .. }
        | AnswerFinding::Threads { .. }
        | AnswerFinding::Sizes { .. } => Vec::new(),
    };
    let is_by_reference = matches!(
        answer.finding,
        AnswerFinding::ByReference { .. } | AnswerFinding::Sizes { completions: Some(_), .. }
    );
    let verdicts = summary.explained.link_verdicts.iter().filter(|_| is_by_reference);
    let uncopied = verdicts.filter(|verdict| !verdict.link.has_receiver());
    notes.extend(
        uncopied.map(|verdict| format!("where nothing is copied: {}", link_verdict(verdict))),
    );
    notes.extend(answer.caveats.iter().map(caveat));
    notes
}

fn beside_levels(answer: &Answer, largest: &Largest, levels: &[LevelRatio]) -> Vec<String> {
    let Some(best) = levels.first() else { return Vec::new() };
    let by_mean = |a: &&Compared, b: &&Compared| a.ratio.mean.total_cmp(&b.ratio.mean);
    let of_best = answer.of(best.metric).iter().filter(|_| *largest == Largest::First);
    let most = of_best.min_by(by_mean).map(|most| {
        let at = place(&most.cell, &[Factor::Threads]);
        format!("{} misses fall most at {at}: by {}", level(best.metric), reduction(&most.ratio))
    });
    let how = "counted on the senders; L2 misses are the reads that reach the last level";
    std::iter::once(how.to_owned()).chain(most).collect()
}

fn caveat(caveat: &Caveat) -> String {
    match caveat {
        Caveat::Preliminary { rounds } => {
            let rounds = counted(*rounds, "round", "rounds");
            format!("preliminary ({rounds}): the intervals are not to be trusted")
        }
        Caveat::LawBroken { id } => format!("law {id} is broken"),
        Caveat::Oversubscribed { all: true } => "every cell has more threads than CPUs".to_owned(),
        Caveat::Oversubscribed { all: false } => {
            "some cells have more threads than CPUs".to_owned()
        }
        Caveat::NoCause => "no cause is claimed".to_owned(),
        Caveat::UnknownCpus => "how many CPUs there were is unknown".to_owned(),
    }
}

/// `sendmsg / send`, of the paths of its first comparison.
fn pair(answer: &Answer) -> Option<String> {
    let first = answer.compared.first()?.ratios.first()?;
    Some(format!("{} / {}", first.cell.send_path, first.against.send_path))
}

/// Comparisons with a CPU for each busy thread; all of them where none has.
fn fitting(ratios: &[Compared]) -> Vec<&Compared> {
    let all = ratios.iter().all(|compared| compared.oversubscribed.is_so());
    ratios.iter().filter(|compared| all || !compared.oversubscribed.is_so()).collect()
}

/// The least and the largest: `1.46 × [1.43, 1.49] at 64 KiB … 5.25 × [5.17, 5.33] at 64 B`.
fn range(ratios: &[&Compared]) -> String {
    let one_count = ratios.windows(2).all(|two| two[0].cell.threads == two[1].cell.threads);
    let but: &[Factor] = if one_count { &[Factor::Threads] } else { &[] };
    let text = |c: &&&Compared| format!("{} at {}", ratio(&c.ratio), place(&c.cell, but));
    let by_mean = |a: &&&Compared, b: &&&Compared| a.ratio.mean.total_cmp(&b.ratio.mean);
    let ends = [ratios.iter().min_by(by_mean), ratios.iter().max_by(by_mean)];
    let mut ends: Vec<String> = ends.iter().flatten().map(text).collect();
    ends.dedup();
    ends.join(" … ")
}

/// Whether its own interval tells two apart, which no longer does after correction.
fn is_told_by_itself_alone(compared: &Compared) -> bool {
    let Estimate { low, high, .. } = compared.ratio;
    let excludes_1 = low.is_some_and(|low| low > 1.0) || high.is_some_and(|high| high < 1.0);
    compared.finding == Finding::Undecided && excludes_1
}

/// `less in all 4 comparisons`, `more in 1 and less in 2 of 4 comparisons`; where an interval alone would tell more, that it was
/// corrected, over so many.
fn outcomes(ratios: &[&Compared], tested: usize) -> String {
    let corrected = if ratios.iter().any(|it| is_told_by_itself_alone(it)) {
        format!(" after correction for {tested} comparisons")
    } else {
        String::new()
    };
    let of = match ratios.len() {
        1 => "the one comparison".to_owned(),
        n => format!("{n} comparisons"),
    };
    let found = [(Finding::More, "more"), (Finding::Less, "less")].map(|(finding, word)| {
        (word, ratios.iter().filter(|compared| compared.finding == finding).count())
    });
    if let Some((word, _)) = found.iter().find(|(_, n)| *n == ratios.len()) {
        let all = if ratios.len() > 1 { "all " } else { "" };
        return format!("{word} in {all}{of}");
    }
    let some = found.iter().filter(|(_, n)| *n > 0).map(|(word, n)| format!("{word} in {n}"));
    let some = listed(&some.collect::<Vec<_>>());
    if some.is_empty() {
        let any = if ratios.len() > 1 { "any of " } else { "" };
        format!("not shown to differ in {any}{of}{corrected}")
    } else {
        format!("{some} of {of}{corrected}")
    }
}

/// What passing by reference saves, and how that is known.
fn why(saves: Saves, option: &[Compared], completions: &Reason) -> String {
    let copied = reason(completions);
    let so = match saves {
        Saves::NothingAndPays => "so it pays for pages and notifications on top of a copy",
        Saves::Nothing => "so no copy was saved",
        Saves::Unclear => return format!("why is not shown: {copied}"),
    };
    let option = match option {
        [] => "the option was not left off to compare".to_owned(),
        pairs => comparisons(&metric(Metric::EndsCpuNsPerKib), pairs),
    };
    format!("{copied}, {so}; {option}")
}

/// Where both copies are made by the kernel's source.
const TWICE: &str = "once in, by the sender's call, once out, by the receiver's";

/// How often a byte is copied, by the kernel's source and as counted.
fn copies(total: CopiesInAll, counted: &[OfPath], completions: &Reason) -> String {
    let counted = match counted {
        [] => "not counted in this run".to_owned(),
        all => format!("counted for {}", copying::copies(all)),
    };
    let mut clauses = match total {
        CopiesInAll::Two => vec![format!("Two in all: {TWICE}"), counted],
        CopiesInAll::TwoAtLeast => vec![format!("at least two: {TWICE}"), counted],
        CopiesInAll::NotTwo => vec!["Not two in all".to_owned(), counted],
        CopiesInAll::Unclear => {
            vec![counted, format!("by the kernel's source two in all: {TWICE}")]
        }
    };
    clauses.push("a network card's DMA is no copy by the CPU".to_owned());
    if matches!(completions, Reason::Completions { copied: Measured::Value(_), .. }) {
        clauses.push(reason(completions));
    }
    clauses.join("; ")
}

fn levels(answer: &Answer, threads: u32, largest: &Largest, levels: &[LevelRatio]) -> String {
    let first = levels.first().map(|level| self::level(level.metric)).unwrap_or_default();
    let lead = match largest {
        Largest::First => format!("{first} misses fall most"),
        Largest::OneOf(_) => "which level's misses fall most is unclear".to_owned(),
        Largest::NoneFalls => "no level's misses fall".to_owned(),
        Largest::NoneShown => "no level's misses are shown to fall".to_owned(),
        Largest::NotTogether => {
            return "no round counted misses of both paths at every size".to_owned();
        }
        Largest::NotCounted => {
            let nearest = answer.compared.first().map_or_else(String::new, |of| {
                let ratios: Vec<&Compared> = of.ratios.iter().collect();
                format!(
                    "; the nearest that was, {}, {}: {}",
                    metric(of.metric),
                    pair(answer).unwrap_or_default(),
                    range(&ratios)
                )
            });
            return format!("cache misses of both paths were not counted{nearest}");
        }
    };
    let is_told = |of: &&LevelRatio| {
        if let Largest::OneOf(these) = largest { these.contains(&of.metric) } else { true }
    };
    let by = |of: &LevelRatio| format!("{} by {}", level(of.metric), reduction(&of.ratio));
    let told: Vec<String> = levels.iter().filter(is_told).map(by).collect();
    let all =
        if levels.len() < 3 { "not every level was counted; of those that were, " } else { "" };
    let why = if matches!(largest, Largest::First) {
        "; why is not shown: the calls and the order of the copy change together"
    } else {
        ""
    };
    let threads = counted(threads, "thread", "threads");
    let pair = pair(answer).unwrap_or_default();
    format!("{all}{lead}, {pair} on the average over sizes ({threads}): {}{why}", listed(&told))
}

/// A cache level by what counts its misses.
fn level(metric: Metric) -> String {
    #[allow(clippy::wildcard_enum_match_arm, reason = "only these count a level's misses")]
    match metric {
        Metric::SenderL1dMissesPerKib => "L1 data".to_owned(),
        Metric::SenderLlcLoadsPerKib => "L2".to_owned(),
        Metric::SenderLlcMissesPerKib => "last-level".to_owned(),
        other => super::figures::metric(other),
    }
}

/// Misses and CPU with more threads.
fn threads(answer: &Answer) -> String {
    let told = answer.compared.iter().map(|of| comparisons(&metric(of.metric), &of.ratios));
    let mut told = told.collect::<Vec<_>>();
    if answer.of(Metric::EndsCpuNsPerKib).is_empty() {
        told.push("CPU per KiB was not measured at both".to_owned());
    }
    let told = told.join("; ");
    let mut ratios = answer.compared.iter().flat_map(|of| &of.ratios).peekable();
    let crowded = ratios.peek().is_some() && ratios.all(|c| c.oversubscribed.is_so());
    let cause = match (answer.answered, crowded) {
        (_, true) => "; more threads than CPUs, so no cause is claimed",
        (true, false) => "; that the one makes the other is not shown",
        (false, false) => "",
    };
    if answer.answered {
        format!("{told}{cause}")
    } else {
        format!("cache misses were not counted; {told}{cause}")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop where its own helpers fail")]
mod tests;
