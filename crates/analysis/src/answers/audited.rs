//! Q0 by the audit, and what the sink adds to the questions about zero-copy.

use model::audit::Audited;
use model::{Audit, Link, Measured, Missing, SendPath};

use super::{Found, columns};
use crate::audited::{OfPath, Seen};
use crate::comparisons::{copied_shares, copied_words, path_name, paths_asked};
use crate::copies::copy_audit;
use crate::copies::{PerByte, Step, expected, not_audited, of_cell};
use crate::evidence::{Evidence, figure};
use crate::explained::Table;
use crate::figure_text::over;
use crate::figure_text::{percent, short};
use crate::links;
use crate::metric::Metric;
use crate::on_link::{links_asked, main_link};

/// An answer that an audit gives, or that a run over the sink alone cannot give; none where timing answers.
pub(super) fn of(number: usize, main: &Evidence<'_>, whole: &Evidence<'_>) -> Option<Found> {
    if number == 0 {
        return q0(main, whole);
    }
    let is_measured = whole.asked().any(|estimates| estimates.trials > 0);
    (is_measured && main_link(whole).is_none()).then(|| Found {
        line: "not answered: the sink alone was measured, which has no receiver; its figures are sender-side cost".to_owned(),
        would_answer: vec![Missing::plan("copycost run --link loopback,sink")],
        ..Found::default()
    })
}

/// What the sink says beside the answers about zero-copy.
pub(super) fn notes(number: usize, whole: &Evidence<'_>) -> Vec<String> {
    if number != 1 && number != 5 {
        return Vec::new();
    }
    let verdicts = links::verdicts(&links::comparisons(whole));
    verdicts
        .into_iter()
        .filter(|verdict| !verdict.link.has_receiver())
        .map(|verdict| format!("where nothing is copied: {}", verdict.line))
        .collect()
}

/// By what an audit counted of send over a link with a receiver.
fn q0(main: &Evidence<'_>, whole: &Evidence<'_>) -> Option<Found> {
    let links = links_asked(whole);
    let paths = paths_asked(whole);
    let seen = |path: SendPath, link: Link| OfPath::new(whole, path, link);
    if !paths.iter().any(|path| links.iter().any(|link| seen(*path, *link).is_some())) {
        return None;
    }
    let delivered = links.iter().filter(|link| link.has_receiver());
    let mut of_send: Vec<OfPath> = delivered
        .filter_map(|link| seen(SendPath::A1, *link))
        .filter(|of_send| of_send.of(Step::In).is_some() && of_send.of(Step::Out).is_some())
        .collect();
    // What was counted goes before what remains.
    of_send.sort_by_key(|of_send| of_send.decided(Step::In).is_none());
    let of_send = of_send.first();
    let heard = copied_shares(main)
        .map_or_else(String::new, |_| format!(" Of zerocopy: {}.", copied_words(main)));
    let (line, answered) = match of_send {
        Some(of_send) => {
            let (line, answered) = counted_line(whole, of_send);
            (format!("{line}{heard}"), answered)
        }
        None => (
            format!(
                "By the kernel's source send() copies twice in all: once in, by the sender's call, and once out, by the receiver's; a network card's DMA is no copy by the CPU. The audit did not count both of them here.{heard}"
            ),
            false,
        ),
    };
    let rows = paths.iter().flat_map(|path| links.iter().map(move |link| (*path, *link)));
    let rows = rows.filter_map(|(path, link)| row(whole, path, link));
    Some(Found {
        line,
        answered,
        evidence: Table {
            columns: columns([
                "path",
                "link",
                "send calls per message",
                "copies in (the sender's call)",
                "copies at delivery (softirq)",
                "copies out (the receiver's call)",
                "completions",
            ]),
            rows: rows.collect(),
        },
        would_change: if answered {
            "another kernel, or a network card between the ends".to_owned()
        } else {
            String::new()
        },
        would_answer: if answered {
            Vec::new()
        } else {
            vec![copy_audit().because("of send over loopback, on a kernel with kprobes or fentry and a CPU with breakpoint registers")]
        },
        notes: not_counted(whole).into_iter().collect(),
    })
}

/// The answer in words, and whether it is one: what was not counted at delivery may be a third copy.
fn counted_line(whole: &Evidence<'_>, of_send: &OfPath) -> (String, bool) {
    let text = |step: Step| of_send.of(step).map(|seen| seen.text()).unwrap_or_default();
    let once = |step: Step| of_send.decided(step).is_some_and(|seen| seen.is(1.0));
    let both_once = once(Step::In) && once(Step::Out);
    let over = over(of_send.link);
    let (really, delivery, answered) = match of_send.of(Step::Deferred) {
        deferred if of_send.decided(Step::In).is_none() => {
            let really = format!(
                "Not told for send() {over}, as what is copied in was eliminated and not counted, so that a second copy could not show:"
            );
            let delivery = deferred.map_or_else(
                || format!("not counted ({})", why_not(whole, of_send, Step::Deferred)),
                Seen::text,
            );
            (really, delivery, false)
        }
        Some(deferred) => {
            let two = both_once && deferred.is(0.0);
            let really = if two { "Yes, two in all" } else { "No, not two" };
            (format!("{really}, counted here for send() {over}:"), deferred.text(), true)
        }
        None => {
            let seen = [Step::In, Step::Out].map(|step| of_send.decided(step));
            let more = matches!(seen, [Some(a), Some(b)] if a.plus(b).is_above(2.0));
            let really = match (both_once, more) {
                (true, _) => "Two at least",
                (false, true) => "No, more than two",
                (false, false) => "Not told",
            };
            let why = why_not(whole, of_send, Step::Deferred);
            let really = format!("{really}, counted here for send() {over}:");
            (really, format!("not counted ({why})"), more)
        }
    };
    let line = format!(
        "{really} {} in, by the sender's call ({}), and {} out, by the receiver's ({}); at delivery {delivery}; a network card's DMA is no copy by the CPU.",
        text(Step::In),
        of_send.source(Step::In),
        text(Step::Out),
        of_send.source(Step::Out),
    );
    (line, answered)
}

/// Why a step of a path on a link was not counted.
fn why_not(whole: &Evidence<'_>, of: &OfPath, step: Step) -> String {
    let cells = whole.estimates.iter().map(|estimates| &estimates.cell);
    cells
        .filter(|cell| cell.send_path == of.path && cell.link == of.link)
        .filter(|cell| whole.audits.of(cell, Audit::CopyAudit).is_some())
        .find_map(|cell| of_cell(whole.audits, cell, step).err())
        .unwrap_or_else(|| not_audited(whole.audits))
}

fn row(whole: &Evidence<'_>, path: SendPath, link: Link) -> Option<Vec<String>> {
    let on = |metric: Metric| {
        let cells = whole.asked().filter(|e| e.cell.send_path == path && e.cell.link == link);
        cells.filter_map(|e| figure(e, metric)).map(|e| e.mean).next()
    };
    let cell = whole.asked().find(|e| e.cell.send_path == path && e.cell.link == link)?;
    let should = expected(&cell.cell);
    let seen = OfPath::new(whole, path, link);
    let copies = |step: Step| {
        let should = short_whole(step.of(&should));
        match seen.as_ref().and_then(|seen| seen.of(step)) {
            Some(figure) => format!("{} {}, {should} expected", figure.text(), figure.how()),
            None if seen.is_some() => format!("not counted, {should} expected"),
            None => format!("{should} expected"),
        }
    };
    let staged =
        if path.capabilities().copies_fields_together { "1 by the program, then " } else { "" };
    Some(vec![
        path_name(path),
        link.to_string(),
        on(Metric::SendCallsPerMessage).map_or_else(|| "-".to_owned(), short),
        format!("{staged}{}", copies(Step::In)),
        copies(Step::Deferred),
        copies(Step::Out),
        on(Metric::CopiedShare)
            .map_or_else(|| "-".to_owned(), |share| format!("{} copied", percent(share))),
    ])
}

fn short_whole(copies: f64) -> String {
    format!("{copies:.0}")
}

/// Why a figure of an audit is absent.
fn not_counted(whole: &Evidence<'_>) -> Option<String> {
    let mut reasons: Vec<String> = Vec::new();
    let watched = |audited: &&&Audited| audited.audits.contains(&Audit::CopyAudit);
    for audited in whole.audits.audited.iter().filter(watched) {
        for step in Step::ALL {
            let decided = crate::copies::per_byte(audited, step).and_then(PerByte::decided);
            if let Err(why) = decided {
                let reason = format!("{}: {why}", step.words());
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
        }
        if let Measured::Absent { absent } = &audited.copies {
            reasons.truncate(0);
            reasons.push(absent.clone());
        }
    }
    (!reasons.is_empty()).then(|| format!("not counted: {}", reasons.join("; ")))
}
