//! C1, C2, C3, C5, C6 and C19 where an audit or the sink decides: what the kernel copied, and what sending costs where it
//! copies nothing.

use model::{Link, SendPath};

use super::{Says, copies, law_name, paths, refuted, supported, undecidable};
use crate::audited::{OfPath, of_path};
use crate::comparisons::{Compared, extremes, names};
use crate::copies::Step;
use crate::evidence::{Evidence, figure};
use crate::explained::Verdict;
use crate::figure_text::{outcome, ratio, shared_words, short};
use crate::links::nothing_copied_on_the_sink;
use crate::metric::Metric;
use crate::on_link::{OnLink, link_of, main_link};

const PLAN_OF_SINK: &str = "copycost run --preset zero-copy (as root)";
/// Packets of the two paths are alike from this ratio of their bytes on: else what smaller packets cost is not parted.
const LIKE_PACKETS: f64 = 0.8;

/// The verdict of a claim by audit or sink; none where timing decides alone.
pub(super) fn claim(number: usize, main: &Evidence<'_>, whole: &Evidence<'_>) -> Option<Says> {
    let sink_alone = main_link(whole).is_none();
    match number {
        1 => c1(whole),
        2 => c2(whole),
        3 => c3(main, whole).or_else(|| sink_alone.then(of_the_sink_alone)),
        5 => c5(whole).or_else(|| sink_alone.then(of_the_sink_alone)),
        6 => c6(main, whole, sink_alone),
        19 => Some(c19(main, whole)),
        _ => sink_alone.then(of_the_sink_alone),
    }
}

fn of_the_sink_alone() -> Says {
    undecidable(
        "the sink alone was measured: it has no receiver, and its figures are sender-side cost",
        "the same plan on a link with a receiver: --link loopback,sink",
    )
}

// Law 5 is what these claims are about: it is no premise of theirs.

/// Copies of plain send on its way out: into the socket, and again before delivery.
fn c1(whole: &Evidence<'_>) -> Option<Says> {
    let seen = of_path(whole, SendPath::Send);
    let cited = || seen.iter().map(OfPath::name).collect::<Vec<_>>();
    let told = || texts(&seen);
    let on_way: Vec<_> = seen.iter().filter_map(OfPath::on_the_way_out).collect();
    if on_way.is_empty() {
        return None;
    }
    Some(if on_way.iter().all(|seen| seen.is(1.0)) {
        refuted(format!(
            "on the way out each byte is copied once, by the sender's call; the other copy is the receiver's own: {}. A network card's DMA is no copy by the CPU",
            told()
        ))
        .from(cited())
    } else if on_way.iter().all(|seen| seen.is(2.0)) {
        supported(format!("each byte is copied twice on the way out: {}", told())).from(cited())
    } else {
        undecidable(
            format!("the audits do not agree on one number of copies: {}", told()),
            "an audit on an idle machine: --audits copy-audit",
        )
        .from(cited())
    })
}

fn texts(seen: &[OfPath]) -> String {
    seen.iter().map(OfPath::text).collect::<Vec<_>>().join("; ")
}

/// Whether sendmsg's bytes are copied less often than send's.
fn c2(whole: &Evidence<'_>) -> Option<Says> {
    let (mut less, mut same, mut other) = (0, 0, 0);
    let mut both = Vec::new();
    for link in Link::ALL {
        let (Some(send), Some(sendmsg)) = (
            OfPath::new(whole, SendPath::Send, *link),
            OfPath::new(whole, SendPath::Sendmsg, *link),
        ) else {
            continue;
        };
        // Gathering is the sender's; where the rest was not counted, what was copied in decides alone.
        let (Some(of_send), Some(of_sendmsg)) = (
            send.in_all().or_else(|| send.of(Step::In)),
            sendmsg.in_all().or_else(|| sendmsg.of(Step::In)),
        ) else {
            continue;
        };
        let whole = [0.0, 1.0, 2.0, 3.0];
        let number = |seen: crate::audited::Seen| whole.into_iter().find(|n| seen.is(*n));
        match (number(of_send), number(of_sendmsg)) {
            (Some(a), Some(b)) if a == b => same += 1,
            (Some(a), Some(b)) if a > b => less += 1,
            _ => other += 1,
        }
        both.extend([send, sendmsg]);
    }
    let cited = || both.iter().map(OfPath::name).collect::<Vec<_>>();
    match (less, same, other) {
        (0, 0, 0) => None,
        (0, 1.., 0) => Some(
            refuted(format!(
                "both are copied equally often, so what sendmsg saves is calls: {}",
                texts(&both)
            ))
            .from(cited()),
        ),
        (1.., 0, 0) => Some(
            supported(format!("sendmsg's bytes are copied less often: {}", texts(&both)))
                .from(cited()),
        ),
        _ => Some(
            undecidable(
                format!("the audits do not agree: {}", texts(&both)),
                "an audit on an idle machine: --audits copy-audit",
            )
            .from(cited()),
        ),
    }
}

/// Over loopback the audit and the completions must tell the same.
fn c3(main: &Evidence<'_>, whole: &Evidence<'_>) -> Option<Says> {
    let seen = OfPath::new(whole, SendPath::Zerocopy, Link::Loopback)?;
    let copied = seen.on_the_way_out()?;
    let cited = [seen.name(), law_name(3)];
    let of_completions = crate::comparisons::copied_shares(main);
    let said = crate::comparisons::copied_words(main);
    let (says_copied, says_none) = (
        of_completions.is_none_or(|(least, _)| least > 0.0),
        of_completions.is_none_or(|(_, most)| most <= 0.0),
    );
    Some(if copied.is(1.0) && says_copied {
        refuted(format!(
            "the kernel copied the payload when it delivered it: {}; {said}",
            seen.text()
        ))
        .from(cited)
    } else if copied.is(0.0) && says_none {
        supported(format!("{}; {said}", seen.text())).from(cited)
    } else {
        undecidable(
            format!("the audit and the completions do not say the same: {}; {said}", seen.text()),
            "an audit on an idle machine: --audits copy-audit",
        )
        .from(cited)
    })
}

/// On the sink nothing is copied, so that what zerocopy costs more is all that is not the copy: pinning, reference counts,
/// notifications; and smaller packets, unless those are alike.
fn c5(whole: &Evidence<'_>) -> Option<Says> {
    if !nothing_copied_on_the_sink(whole) {
        return None;
    }
    let metric = Metric::SenderSideCpuNsPerKib;
    let all = on_sink(whole, metric, SendPath::Sendmsg);
    let small: Vec<Compared> =
        all.into_iter().filter(|c| c.cell.message.bytes().0 < 4096 && !c.oversubscribed).collect();
    let smallest = small.iter().map(|c| c.cell.message).min()?;
    let small: Vec<Compared> = small.into_iter().filter(|c| c.cell.message == smallest).collect();
    let packets = |c: &Compared| {
        let of = |cell| whole.cell(cell).and_then(|e| figure(e, Metric::BytesPerPacket));
        Some((of(&c.cell)?.mean, of(&c.against)?.mean))
    };
    let is_alike = |c: &&Compared| packets(c).is_some_and(|(a, b)| a / b >= LIKE_PACKETS);
    let alike: Vec<Compared> = small.iter().filter(is_alike).cloned().collect();
    let (least, most) = extremes(if alike.is_empty() { &small } else { &alike })?;
    let told = format!(
        "into the sink no completion was marked copied, and at {} zerocopy's sender-side cost a KiB against sendmsg's is {}",
        crate::figure_text::size(smallest.bytes().0 as f64),
        if least.cell == most.cell {
            ratio(&most.ratio)
        } else {
            format!("from {} to {}", ratio(&least.ratio), ratio(&most.ratio))
        }
    );
    let compared = if alike.is_empty() { &small } else { &alike };
    let cited = || names(compared, metric).into_iter().chain([law_name(3), law_name(4)]);
    let loses = compared.iter().filter(|c| c.is_above(1.0)).count();
    Some(if compared.iter().all(Compared::is_no_more) {
        refuted(format!(
            "zero-copy does not lose at small messages where it copies nothing: {told}"
        ))
        .from(cited())
    } else if loses < compared.len() {
        undecidable(
            format!("it loses in {loses} of {} settings: {told}", compared.len()),
            "more rounds: --resume with more --max-time",
        )
        .from(cited())
    } else if let (true, Some((by_reference, by_copy))) = (alike.is_empty(), packets(most)) {
        undecidable(
            format!(
                "it does lose ({told}), but its packets are smaller too ({} bytes against {}), as every field takes a fragment of its own: that is not parted from pages and notifications",
                short(by_reference),
                short(by_copy)
            ),
            "the same with one field a message, whose packets are alike: --link sink --send sendmsg,zerocopy --fields 1 --sizes 64,512 --threads 1",
        )
        .from(cited())
    } else if alike.is_empty() {
        undecidable(
            format!("it does lose ({told}), but the bytes a packet were not counted"),
            PLAN_OF_SINK,
        )
        .from(cited())
    } else {
        supported(format!(
            "{told}; packets are alike, so that pages, reference counts and notifications cost more than the copy they replace"
        ))
        .from(cited())
    })
}

/// Zerocopy against a path on the sink, over every interval and placement.
fn on_sink(whole: &Evidence<'_>, metric: Metric, against: SendPath) -> Vec<Compared> {
    let on = OnLink::new(whole, Link::Sink);
    crate::comparisons::paths(&on.evidence(whole), SendPath::Zerocopy, against, metric)
}

/// Goodput over a link with a receiver; the sink's own break-even against send beside it. The sink decides alone where the
/// other link cannot, and only if all of its settings agree.
fn c6(main: &Evidence<'_>, whole: &Evidence<'_>, sink_alone: bool) -> Option<Says> {
    let found: Vec<_> = whole
        .crossovers
        .iter()
        .filter(|c| {
            c.path == SendPath::Zerocopy
                && c.against == SendPath::Send
                && c.metric == Metric::SenderSideCpuNsPerKib
                && link_of(&c.shared) == Link::Sink
                && !c.oversubscribed
                && !c.shared.contains("so_zerocopy=off")
        })
        .collect();
    if found.is_empty() {
        return sink_alone.then(of_the_sink_alone);
    }
    let words: Vec<String> = found
        .iter()
        .map(|c| {
            let shared: Vec<&str> =
                c.shared.split(' ').filter(|part| !part.starts_with("link=")).collect();
            format!("{} ({})", outcome(&c.outcome), shared_words(&shared.join(" ")))
        })
        .collect();
    let told = format!(
        "into the sink, where it copies nothing, zerocopy's sender-side cost is below send's {}",
        words.join("; ")
    );
    let cited = found.iter().map(|c| paths::crossover_name(c));
    let is_elsewhere = found.iter().all(|c| paths::is_elsewhere(c));
    if sink_alone {
        let says = if is_elsewhere { refuted(told) } else { of_the_sink_alone().and(&told) };
        return Some(says.from(cited));
    }
    let timed = paths::c6(main);
    let says = if timed.verdict == Verdict::Undecidable && is_elsewhere {
        refuted(timed.because).from(timed.evidence)
    } else {
        timed
    };
    Some(says.and(&told).from(cited))
}

/// What timing decides, with what the audit counted of zerocopy beside it.
fn c19(main: &Evidence<'_>, whole: &Evidence<'_>) -> Says {
    let says = copies::c19(main);
    let audited = of_path(whole, SendPath::Zerocopy);
    if audited.is_empty() {
        return says;
    }
    says.and(&format!("counted: {}", texts(&audited))).from(audited.iter().map(OfPath::name))
}
