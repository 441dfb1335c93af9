//! C5: whether zero-copy loses at small messages, and whether its bookkeeping is why.
//!
//! That it loses is measured, on the sink where nothing is copied, else over a link with a receiver. Why is told by a
//! counter and an intervention together: the profile lays the time of pinning and notifying beside the time of the copy
//! that it replaces, and the sink (or the option left off) takes the copy away. Releasing pages has no function of its own
//! in a profile, so that this time is a lower bound, and refutes the claim only with all that releasing may take.

use model::names::Switch;
use model::{Cell, Link, SendPath};

use super::{Missing, Reference, Ruling, refuted, supported, undecidable};
use crate::comparisons::{
    Compared, copied_words, crossovers, extremes, names, of_moments, paths, sound,
};
use crate::copying_time::{Parts, bookkeeping_words};
use crate::evidence::{Evidence, figure};
use crate::figure_text::over;
use crate::figure_text::{listed, outcome, percent, ratio, short, size};
use crate::links::nothing_copied_on_the_sink;
use crate::metric::Metric;
use crate::on_link::{OnLink, links_asked, main_link};
use crate::summary::Estimate;

/// Packets of the two paths are alike from this ratio of their bytes on: else what smaller packets cost is not parted.
const LIKE_PACKETS: f64 = 0.8;
/// A cause must explain at least this part of what zerocopy costs more.
const MOST_OF_IT: f64 = 0.5;
const PLAN: &str = "copycost run --link loopback,sink --send sendmsg,zerocopy --fields 1,8 --sizes 64,512 --threads 1 --audits profile, as root";

/// Zerocopy against sendmsg at the smallest size of a link.
struct Smallest {
    link: Link,
    metric: Metric,
    compared: Vec<Compared>,
    /// Bytes a packet of zerocopy and of sendmsg, where they were counted and are not alike.
    packets: Option<(f64, f64)>,
    /// Packets of what is compared are alike.
    alike: bool,
}

impl Smallest {
    fn new(link: Link, metric: Metric, all: Vec<Compared>) -> Option<Self> {
        // The claim is of messages below the paper's threshold.
        let small: Vec<Compared> =
            all.into_iter().filter(|c| c.cell.message.bytes().0 < 4096).collect();
        let smallest = small.iter().map(|c| c.cell.message).min()?;
        let compared = small.into_iter().filter(|c| c.cell.message == smallest).collect();
        Some(Self { link, metric, compared, packets: None, alike: false })
    }

    /// Over a link with a receiver.
    fn delivered(main: &Evidence<'_>, link: Link) -> Option<Self> {
        let metric = Metric::cost_on(link);
        let (compared, _) = sound(paths(main, SendPath::A3, SendPath::A2, metric));
        Self::new(link, metric, compared)
    }

    /// Into the sink, where its completions say that nothing was copied; of those whose packets are alike, if any are.
    fn sink(whole: &Evidence<'_>) -> Option<Self> {
        if !nothing_copied_on_the_sink(whole) {
            return None;
        }
        let link = links_asked(whole).into_iter().find(|link| !link.has_receiver())?;
        let metric = Metric::cost_on(link);
        let on = OnLink::new(whole, link);
        let all = paths(&on.evidence(whole), SendPath::A3, SendPath::A2, metric);
        let all = all.into_iter().filter(|c| !c.oversubscribed).collect();
        let mut smallest = Self::new(link, metric, all)?;
        let packets = |c: &Compared| {
            let of = |cell| whole.cell(cell).and_then(|e| figure(e, Metric::BytesPerPacket));
            Some((of(&c.cell)?.mean, of(&c.against)?.mean))
        };
        smallest.packets = extremes(&smallest.compared).and_then(|(_, most)| packets(most));
        let is_alike = |c: &&Compared| packets(c).is_some_and(|(a, b)| a / b >= LIKE_PACKETS);
        let alike: Vec<Compared> = smallest.compared.iter().filter(is_alike).cloned().collect();
        if !alike.is_empty() {
            smallest.compared = alike;
            smallest.alike = true;
        }
        Some(smallest)
    }

    /// `into the sink at 64 B zerocopy's sender-side cost per KiB against sendmsg's is 1.68 × [1.66, 1.70]`.
    fn told(&self) -> String {
        let Some((least, most)) = extremes(&self.compared) else { return String::new() };
        let what = if !self.link.has_receiver() { "sender-side cost" } else { "CPU" };
        format!(
            "{} at {} zerocopy's {what} per KiB against sendmsg's is {}",
            over(self.link),
            size(most.cell.message.bytes().0 as f64),
            if least.cell == most.cell {
                ratio(&most.ratio)
            } else {
                format!("from {} to {}", ratio(&least.ratio), ratio(&most.ratio))
            }
        )
    }

    /// One setting without a loss speaks against the claim; on the sink, whose settings stand for delays, all of them.
    fn does_not_lose(&self) -> bool {
        if !self.link.has_receiver() {
            self.compared.iter().all(Compared::is_no_more)
        } else {
            self.compared.iter().any(Compared::is_no_more)
        }
    }

    fn loses(&self) -> usize {
        self.compared.iter().filter(|c| c.is_above(1.0)).count()
    }

    fn names(&self) -> Vec<Reference> {
        names(&self.compared, self.metric)
    }
}

/// The verdict. `main` is of the link that the paper's claims are about, `whole` of every link.
pub(super) fn c5(main: &Evidence<'_>, whole: &Evidence<'_>) -> Ruling {
    let sink = Smallest::sink(whole);
    let delivered = main_link(whole).and_then(|link| Smallest::delivered(main, link));
    let copied = copied_words(main);
    // Where nothing is copied the copy and the rest are parted already, so it comes first.
    let (first, second) = match (sink, delivered) {
        (Some(sink), delivered) => (sink, delivered),
        (None, Some(delivered)) => (delivered, None),
        (None, None) if main_link(whole).is_none() => return super::audited::of_the_sink_alone(),
        (None, None) => {
            return undecidable(
                "zerocopy and sendmsg were not both measured below 4 KiB",
                Missing::plan("copycost run --send sendmsg,zerocopy --sizes 64,512 --threads 1"),
            );
        }
    };
    let told = told(main, whole, &first, second.as_ref());
    let into_sink = !first.link.has_receiver();
    let heard = if into_sink { vec![Reference::law(3), Reference::law(4)] } else { Vec::new() };
    let cited = || first.names().into_iter().chain(heard.clone());
    if first.does_not_lose() {
        let place = if into_sink { " where it copies nothing" } else { "" };
        return refuted(format!(
            "zero-copy does not lose at small messages{place}: {told}; {copied}"
        ))
        .from(cited());
    }
    if first.loses() < first.compared.len() {
        return undecidable(
            format!(
                "not shown either way, it loses in {} of {} settings: {told}; {copied}",
                first.loses(),
                first.compared.len()
            ),
            Missing::rounds(),
        )
        .from(cited());
    }
    let loses = format!("it does lose ({told}; {copied})");
    // Each setting of the link whose loss it is must have been sampled: no other one's time tells what that loss is of.
    let own: Vec<Parts> = match parts(whole, &first).collect() {
        Ok(own) => own,
        Err(why) => {
            return undecidable(
                format!("{loses}, but why is not shown: the CPU time of pages and notifications and that of the copy were not sampled ({why})"),
                Missing::plan(PLAN),
            )
            .from(cited());
        }
    };
    // The other link's stand beside them, and may only speak against.
    let beside: Vec<Parts> =
        second.iter().flat_map(|second| parts(whole, second)).flatten().collect();
    let all: Vec<Parts> = own.iter().chain(&beside).cloned().collect();
    let profiled = || all.iter().map(Parts::reference).collect::<Vec<_>>();
    let cited = || cited().chain(profiled());
    let sampled = bookkeeping_words(&all);
    let is_less = |parts: &Parts| parts.against_the_copy().is_some_and(|over| is_below_one(&over));
    let is_more = |parts: &Parts| parts.against_the_copy().is_some_and(|over| is_above_one(&over));
    if own.iter().all(is_less) && !beside.iter().any(is_more) {
        // What was sampled of bookkeeping is a lower bound, which refutes nothing.
        let is_less_at_most = |parts: &Parts| {
            parts.at_most_against_the_copy().is_some_and(|over| is_below_one(&over))
        };
        if own.iter().all(is_less_at_most) {
            return refuted(format!(
                "{loses}, but pinning, reference counts and notifications cost less than the copy, with all that releasing pages may take: {sampled}"
            ))
            .from(cited());
        }
        return undecidable(
            format!("{loses}, and pinning and notifying cost less than the copy, but with all that releasing pages may take they need not: {sampled}"),
            Missing::plan("copycost run --send sendmsg,zerocopy --fields 1 --sizes 64,512 --threads 1 --audits profile, as root: packets of one field are alike, so that their memory costs the same but for releasing"),
        )
        .from(cited());
    }
    if !own.iter().all(is_more) || beside.iter().any(is_less) {
        return undecidable(
            format!("{loses}, but the samples do not tell whether pages and notifications cost more than the copy: {sampled}"),
            Missing::of_itself("a longer profile").unlocked_by("--audits profile with a longer --time"),
        )
        .from(cited());
    }
    let off = without_the_option(main, &first);
    let intervened = if into_sink {
        "nothing is copied there".to_owned()
    } else if !off.is_empty() && off.iter().all(|c| c.is_above(1.0)) {
        let off: Vec<String> = off.iter().map(Compared::text).collect();
        format!("the same path with SO_ZEROCOPY off, which copies, costs less ({})", off.join("; "))
    } else {
        return undecidable(
            format!("{loses}, and pages and notifications cost more than the copy ({sampled}), but no intervention shows that this is why"),
            Missing::plan("copycost run --link loopback,sink, or --so-zerocopy on,off --sizes 64,512: a link on which zero-copy copies nothing, or the option as an intervention"),
        )
        .from(cited());
    };
    let cited = || {
        let off = if into_sink { Vec::new() } else { names(&off, first.metric) };
        cited().chain(off)
    };
    let least = own
        .iter()
        .map(Parts::explained)
        .try_fold(f64::INFINITY, |least, part| Some(least.min(part?)));
    let least = least.filter(|least| least.is_finite());
    // With packets alike and nothing copied, all that zerocopy costs more is of pages and notifications, system calls and
    // waiting for them included, which the profile has under other names.
    if !first.alike && least.is_none_or(|least| least < MOST_OF_IT) {
        let part =
            least.map_or_else(|| "an unknown part".to_owned(), |least| percent(least.max(0.0)));
        let packets = first.packets.map_or_else(String::new, |(by_reference, by_copy)| {
            format!(
                ": its packets are smaller too ({} bytes against {}), as every field takes a fragment of its own",
                short(by_reference),
                short(by_copy)
            )
        });
        return undecidable(
            format!("{loses}, and pages and notifications cost more than the copy ({sampled}), but that explains {part} of what it costs more{packets}"),
            Missing::plan("copycost run --link loopback,sink --send sendmsg,zerocopy --fields 1 --sizes 64,512 --threads 1 --audits profile, as root: packets of one field are alike"),
        )
        .from(cited());
    }
    let packets = if first.alike { ", packets are alike" } else { "" };
    supported(format!(
        "{told}; {intervened}{packets}, and pinning, reference counts and notifications cost more than the copy: {sampled}; {copied}"
    ))
    .from(cited())
}

/// What was measured of the loss, with where it ends on each link.
fn told(
    main: &Evidence<'_>,
    whole: &Evidence<'_>,
    first: &Smallest,
    second: Option<&Smallest>,
) -> String {
    let mut told = vec![first.told()];
    told.extend(second.map(Smallest::told));
    let ends = [Some(first), second].into_iter().flatten().filter_map(|smallest| {
        let on_sink = (!smallest.link.has_receiver()).then(|| OnLink::new(whole, smallest.link));
        let on_sink = on_sink.as_ref().map(|on| on.evidence(whole));
        let of = on_sink.as_ref().unwrap_or(main);
        let found = crossovers(of, SendPath::A3, SendPath::A2, smallest.metric);
        let mut outcomes: Vec<String> = Vec::new();
        for outcome in found.iter().map(|c| outcome(&c.outcome)) {
            if !outcomes.contains(&outcome) {
                outcomes.push(outcome);
            }
        }
        (!outcomes.is_empty())
            .then(|| format!("{} it costs less {}", over(smallest.link), listed(&outcomes)))
    });
    told.extend(ends);
    told.join(", ")
}

fn is_below_one(over: &Estimate) -> bool {
    over.high.is_some_and(|high| high < 1.0)
}

fn is_above_one(over: &Estimate) -> bool {
    over.low.is_some_and(|low| low > 1.0)
}

/// The profiles of each setting that is compared on a link, or why there are none.
fn parts(whole: &Evidence<'_>, smallest: &Smallest) -> impl Iterator<Item = Result<Parts, String>> {
    smallest.compared.iter().map(|compared| Parts::of(whole, &compared.cell))
}

/// The path against itself without the option, as an ordinary copy.
fn without_the_option(main: &Evidence<'_>, smallest: &Smallest) -> Vec<Compared> {
    let family = smallest.compared.iter().map(|c| {
        let off = Cell { so_zerocopy: Switch::Off, ..c.cell.clone() };
        let moments = main.paired(&c.cell, &off, smallest.metric);
        (c.cell.clone(), off, moments)
    });
    of_moments(main, family.collect())
}
