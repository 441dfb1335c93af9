//! Q0 and Q1: where bytes are copied, and why zero-copy may not pay.

use model::names::Switch;
use model::{Cell, Missing, SendPath};

use super::{Found, columns, crowd_note};
use crate::comparisons::{
    Compared, copied_shares, copied_words, extremes, of_moments, path_name, paths, paths_asked,
    place, row_name, sound,
};
use crate::copies::copy_audit;
use crate::evidence::{Evidence, figure};
use crate::explained::Table;
use crate::figure_text::{counted, percent, ratio, short};
use crate::metric::Metric;

/// Copies of a payload byte by the kernel's source (net/ipv4/tcp.c, net/core/skbuff.c): into the socket, on delivery on the
/// same machine, out of the socket.
const fn expected_copies(path: SendPath) -> [&'static str; 3] {
    let can = path.capabilities();
    let out = "1 (_copy_to_iter, the receiver's call)";
    match (can.passes_by_reference, can.copies_fields_together) {
        (true, _) => ["0 (pages are pinned)", "1 (skb_copy_ubufs, softirq)", out],
        (false, true) => ["1 by the program and 1 (_copy_from_iter, the sender's call)", "0", out],
        (false, false) => ["1 (_copy_from_iter, the sender's call)", "0", out],
    }
}

/// From the kernel's source, with what this run counted of it: calls, staged bytes and copied completions.
pub(super) fn q0(evidence: &Evidence<'_>) -> Found {
    let rows = paths_asked(evidence).into_iter().map(|path| {
        let of = |metric: Metric| {
            let cells = evidence.asked().filter(|e| e.cell.send_path == path);
            cells.filter_map(|e| figure(e, metric)).map(|e| e.mean).next()
        };
        let [copies_in, deferred, copies_out] = expected_copies(path);
        let text = |x: Option<f64>| x.map_or_else(|| "-".to_owned(), short);
        let notified = path.capabilities().gets_notifications;
        let said = match (notified, of(Metric::CopiedShare)) {
            (true, Some(share)) => format!("{} of completions copied", percent(share)),
            (true, None) => "no completion came".to_owned(),
            (false, _) => "-".to_owned(),
        };
        vec![
            path_name(path),
            text(of(Metric::SendCallsPerMessage)),
            copies_in.to_owned(),
            deferred.to_owned(),
            copies_out.to_owned(),
            said,
        ]
    });
    let heard = copied_shares(evidence).map_or_else(String::new, |_| {
        format!(" Of zerocopy this run did hear: {}.", copied_words(evidence))
    });
    Found {
        line: format!(
            "By the kernel's source send() copies twice in all: once in, by the sender's call, and once out, by the receiver's; a network card's DMA is no copy by the CPU. This run did not count copied bytes.{heard}"
        ),
        answered: false,
        evidence: Table {
            columns: columns([
                "path",
                "send calls per message (measured)",
                "copies in (kernel source)",
                "copies on delivery over loopback (kernel source)",
                "copies out (kernel source)",
                "completions (measured)",
            ]),
            rows: rows.collect(),
        },
        would_change: String::new(),
        would_answer: vec![copy_audit()],
        notes: Vec::new(),
    }
}

/// Zerocopy against sendmsg, as the question is copying. The cause is named where the completions (counter) and the
/// option left off (intervention) both show it.
pub(super) fn q1(evidence: &Evidence<'_>) -> Found {
    let cpu = Metric::EndsCpuNsPerKib;
    let by_cpu = paths(evidence, SendPath::A3, SendPath::A2, cpu);
    let by_goodput = paths(evidence, SendPath::A3, SendPath::A2, Metric::GoodputGbps);
    let columns = columns([
        "message",
        "threads",
        "A3 / A2 goodput",
        "A3 / A2 CPU per KiB",
        "completions copied",
        "A2 bytes per packet",
        "A3 bytes per packet",
    ]);
    let rows = by_goodput.iter().map(|goodput| {
        let cpu = by_cpu.iter().find(|c| c.cell == goodput.cell);
        let of = |cell: &Cell, metric: Metric, text: fn(f64) -> String| {
            let estimate = evidence.cell(cell).and_then(|e| figure(e, metric));
            estimate.map_or_else(|| "-".to_owned(), |e| text(e.mean))
        };
        vec![
            row_name(&goodput.cell),
            threads_text(goodput),
            ratio(&goodput.ratio),
            cpu.map_or_else(|| "-".to_owned(), |c| ratio(&c.ratio)),
            of(&goodput.cell, Metric::CopiedShare, percent),
            of(&goodput.against, Metric::BytesPerPacket, short),
            of(&goodput.cell, Metric::BytesPerPacket, short),
        ]
    });
    let table = Table { columns, rows: rows.collect() };
    let (sound_goodput, crowded) = sound(by_goodput);
    let Some((least, most)) = extremes(&sound_goodput) else {
        return Found {
            line: "not answered: zerocopy and sendmsg were not both measured".to_owned(),
            would_answer: vec![Missing::plan("copycost run --send send,sendmsg,zerocopy")],
            ..Found::default()
        };
    };
    let wins = sound_goodput.iter().filter(|c| c.finding == crate::summary::Finding::More).count();
    let loses = sound_goodput.iter().filter(|c| c.finding == crate::summary::Finding::Less).count();
    let range = if sound_goodput.len() == 1 {
        most.text()
    } else {
        format!("from {} to {}", least.text(), most.text())
    };
    let (why, change) = cause(evidence);
    let mut notes = vec![
        "A3 is compared with A2, as against A1 it also makes one call of eight".to_owned(),
        copied_words(evidence),
    ];
    notes.extend(crowd_note(evidence));
    if crowded {
        notes.push("every comparison is oversubscribed".to_owned());
    }
    Found {
        line: format!(
            "A3's goodput against A2's is {} ({range}); {why}",
            wins_words(wins, loses, sound_goodput.len())
        ),
        answered: true,
        evidence: table,
        would_change: change,
        would_answer: Vec::new(),
        notes,
    }
}

/// `less in all 4 comparisons`, `more in 1 and less in 2 of 4 comparisons`.
fn wins_words(wins: usize, loses: usize, all: usize) -> String {
    let of = counted(all, "comparison", "comparisons");
    match (wins, loses) {
        (wins, _) if wins == all => format!("more in all {of}"),
        (_, loses) if loses == all => format!("less in all {of}"),
        (0, 0) => format!("not shown to differ in any of {of}"),
        (0, loses) => format!("less in {loses} of {of} and more in none"),
        (wins, 0) => format!("more in {wins} of {of} and less in none"),
        (wins, loses) => format!("more in {wins} and less in {loses} of {of}"),
    }
    .replace("in all 1 comparison", "in the one comparison")
}

fn threads_text(compared: &Compared) -> String {
    let crowd = if compared.oversubscribed { " (oversubscribed)" } else { "" };
    format!("{}{crowd}", compared.cell.threads)
}

/// What may be said of why, and what would change it.
fn cause(evidence: &Evidence<'_>) -> (String, String) {
    let metric = Metric::EndsCpuNsPerKib;
    let off = evidence.estimates.iter().filter(|e| {
        e.cell.send_path == SendPath::A3 && e.cell.so_zerocopy == Switch::Off && !e.oversubscribed
    });
    let family = off.map(|e| {
        let on = Cell { so_zerocopy: Switch::On, ..e.cell.clone() };
        let moments = evidence.paired(&on, &e.cell, metric);
        (on, e.cell.clone(), moments)
    });
    let compared = of_moments(evidence, family.collect());
    let all_copied = copied_shares(evidence).is_some_and(|(least, _)| least >= 1.0);
    let elsewhere = "a link on which zero-copy copies nothing (a network card, a sink), more fields or fewer (--fields), larger messages";
    match (compared.first(), all_copied) {
        (Some(c), true) if c.is_above(1.0) => (
            format!(
                "here every completion was copied anyway, so it pays for pages and notifications on top of a copy: with SO_ZEROCOPY on, CPU per KiB is {} of the same path's with it off ({})",
                ratio(&c.ratio),
                place(&c.cell)
            ),
            elsewhere.to_owned(),
        ),
        (Some(c), true) => (
            format!(
                "every completion was copied anyway, so no copy was saved; with SO_ZEROCOPY on, CPU per KiB is {} of the same path's with it off ({})",
                ratio(&c.ratio),
                place(&c.cell)
            ),
            elsewhere.to_owned(),
        ),
        (None, true) => (
            "every completion was copied anyway, so no copy was saved; what the rest of the path costs is not parted from it".to_owned(),
            format!("the option as an intervention (--so-zerocopy on,off, or controls on); {elsewhere}"),
        ),
        (_, false) => (
            format!("why is not shown: {}", copied_words(evidence)),
            format!("--so-zerocopy on,off at the sizes where it loses; {elsewhere}"),
        ),
    }
}
