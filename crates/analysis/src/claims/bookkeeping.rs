//! C5: whether zero-copy loses at small messages, and whether its bookkeeping is why.
//!
//! That it loses is measured, on the sink where nothing is copied, else over a link with a receiver. Why is told by a
//! counter and an intervention together: the profile lays the time of pinning and notifying beside the time of the copy
//! that it replaces, and the sink (or the option left off) takes the copy away. Releasing pages has no function of its own
//! in a profile, so that this time is a lower bound, and refutes the claim only with all that releasing may take.

use model::names::Switch;
use model::values::Fields;
use model::{Audit, Cell, Factor, Link, RunCommand, SendPath};

use super::{Missing, PartKind, Reason, Reference, Ruling, Shown, effect, not_measured};
use crate::comparisons::{
    completions, crossed, crossovers, of_moments, paths, unmeasured, with_a_cpu_each,
};
use crate::copying_time::bookkeeping;
use crate::estimate::Estimate;
use crate::evidence::{Evidence, figure};
use crate::links::nothing_copied_on_the_sink;
use crate::metric::Metric;
use crate::on_link::{OnLink, links_asked, main_link};
use crate::operands::Compared;
use crate::operands::CopyingTime;
use crate::operands::names;

/// Packets of the two paths are alike from this ratio of their bytes on: else what smaller packets cost is not parted.
const LIKE_PACKETS: f64 = 0.8;
/// A cause must explain at least this part of what zerocopy costs more.
const MOST_OF_IT: f64 = 0.5;
fn plan() -> RunCommand {
    RunCommand::new("--send sendmsg,zerocopy --fields 1,8 --nodelay off,on --sizes 64,512 --threads 1 --audits profile").over(&Link::TELLING).saying(", as root")
}

/// Zerocopy against sendmsg at the smallest size of a link.
struct Smallest {
    link: Link,
    metric: Metric,
    compared: Vec<Compared>,
    /// Bytes a packet of the two paths, where they were counted.
    packets: Vec<Compared>,
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
        Some(Self { link, metric, compared, packets: Vec::new(), alike: false })
    }

    /// Over a link with a receiver.
    fn delivered(main: &Evidence<'_>, link: Link) -> Option<Self> {
        let metric = Metric::cost_on(link);
        let (compared, _) = with_a_cpu_each(paths(main, SendPath::A3, SendPath::A2, metric));
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
        let all = all.into_iter().filter(|c| !c.oversubscribed.is_so()).collect();
        let mut smallest = Self::new(link, metric, all)?;
        let packets = Metric::BytesPerPacket;
        let mean = |cell: &Cell| whole.cell(cell).and_then(|e| figure(e, packets)).map(|e| e.mean);
        let is_alike = |c: &&Compared| match (mean(&c.cell), mean(&c.against)) {
            (Some(by_reference), Some(by_copy)) => by_reference / by_copy >= LIKE_PACKETS,
            (None, _) | (_, None) => false,
        };
        let alike: Vec<Compared> = smallest.compared.iter().filter(is_alike).cloned().collect();
        if !alike.is_empty() {
            smallest.compared = alike;
            smallest.alike = true;
        }
        let of_packets = smallest.compared.iter().map(|c| {
            let moments = whole.paired(&c.cell, &c.against, packets);
            (c.cell.clone(), c.against.clone(), moments)
        });
        smallest.packets = of_moments(whole, of_packets.collect());
        Some(smallest)
    }

    /// One setting without a loss speaks against the claim; on the sink, whose settings stand for delays, all of them.
    fn does_not_lose(&self) -> bool {
        if !self.link.has_receiver() {
            self.compared.iter().all(Compared::is_no_more)
        } else {
            self.compared.iter().any(Compared::is_no_more)
        }
    }

    fn loses(&self) -> bool {
        self.compared.iter().all(|c| c.is_above(1.0))
    }

    /// The loss, and where it ends.
    fn reasons(&self, main: &Evidence<'_>, whole: &Evidence<'_>) -> Vec<Reason> {
        let on_sink = (!self.link.has_receiver()).then(|| OnLink::new(whole, self.link));
        let on_sink = on_sink.as_ref().map(|on| on.evidence(whole));
        let of = on_sink.as_ref().unwrap_or(main);
        let ends = crossovers(of, SendPath::A3, SendPath::A2, self.metric);
        let ends = (!ends.is_empty()).then(|| crossed(of, &ends));
        let not = self.does_not_lose().then(|| Reason::all_more(self.metric, &self.compared));
        let seen = not.unwrap_or_else(|| Reason::range(self.metric, &self.compared));
        seen.into_iter().chain(ends).collect()
    }

    fn names(&self) -> Vec<Reference> {
        names(&self.compared, self.metric)
    }
}

/// The verdict. `main` is of the link that the paper's claims are about, `whole` of every link.
pub(super) fn c5(main: &Evidence<'_>, whole: &Evidence<'_>) -> Ruling {
    let sink = Smallest::sink(whole);
    let link = main_link(whole);
    let delivered = link.and_then(|link| Smallest::delivered(main, link));
    // Where nothing is copied the copy and the rest are parted already, so it comes first.
    let mut both = sink.into_iter().chain(delivered);
    let Some(first) = both.next() else {
        let Some(link) = link else { return super::without_main_link(whole) };
        let metric = Metric::cost_on(link);
        return not_measured(
            unmeasured(main, metric, &[SendPath::A2, SendPath::A3], &[64, 512], &[]),
            Missing::plan(RunCommand::new("--send sendmsg,zerocopy --sizes 64,512 --threads 1")),
        );
    };
    let second = both.next();
    let into_sink = !first.link.has_receiver();
    let heard = if into_sink { vec![Reference::law(3), Reference::law(4)] } else { Vec::new() };
    let mut seen = first.reasons(main, whole);
    seen.extend(second.iter().flat_map(|second| second.reasons(main, whole)));
    seen.push(completions(main));
    let ruling = effect(Shown::by(first.does_not_lose(), first.loses()), seen)
        .lacks(Missing::rounds())
        .from(first.names())
        .from(heard);
    if first.does_not_lose() || !first.loses() {
        return ruling;
    }
    let ruling = against_the_copy(ruling, whole, &first, second.as_ref());
    if ruling.parts.iter().all(|part| part.shown == Shown::Yes) {
        without_the_copy(ruling, main, whole, &first)
    } else {
        ruling
    }
}

/// The counter: the time of bookkeeping against that of the copy.
fn against_the_copy(
    ruling: Ruling,
    whole: &Evidence<'_>,
    first: &Smallest,
    second: Option<&Smallest>,
) -> Ruling {
    let counter = PartKind::Counter;
    // Each setting of the link whose loss it is must have been sampled: no other one's time tells what that loss is of.
    let own: Vec<CopyingTime> = match times(whole, first).collect() {
        Ok(own) => own,
        Err(why) => {
            let ask = whole.audits.or_why(Audit::Profile, "a profile", Missing::plan(plan()));
            return ruling.then(counter, Shown::NotMeasured, [*why]).lacks(ask);
        }
    };
    // The other link's stand beside them, and may only speak against.
    let beside: Vec<CopyingTime> =
        second.into_iter().flat_map(|second| times(whole, second)).flatten().collect();
    let all: Vec<CopyingTime> = own.iter().chain(&beside).cloned().collect();
    let is_less = |times: &CopyingTime| is_below_one(times.against_the_copy);
    let is_more = |times: &CopyingTime| is_above_one(times.against_the_copy);
    let less = own.iter().all(is_less) && !beside.iter().any(is_more);
    let more = own.iter().all(is_more) && !beside.iter().any(is_less);
    // What was sampled of bookkeeping is a lower bound, which refutes nothing.
    let less_at_most = own.iter().all(|times| is_below_one(times.at_most_against_the_copy));
    ruling
        .then(counter, Shown::by(less && less_at_most, more), bookkeeping(&all))
        .lacks(if less {
            Missing::plan(RunCommand::new("--send sendmsg,zerocopy --fields 1 --sizes 64,512 --threads 1 --audits profile").saying(", as root: packets of one field are alike, so that their memory costs the same but for releasing"))
        } else {
            Missing::of_itself("a longer profile").unlocked_by("--audits profile with a longer --time")
        })
        .from(all.iter().map(CopyingTime::reference))
}

/// The intervention: a link on which nothing is copied, or the same path with the option off, which copies.
fn without_the_copy(
    ruling: Ruling,
    main: &Evidence<'_>,
    whole: &Evidence<'_>,
    first: &Smallest,
) -> Ruling {
    let intervention = PartKind::Intervention;
    let into_sink = !first.link.has_receiver();
    let off = if into_sink { Vec::new() } else { without_the_option(main, first) };
    let seen = if into_sink {
        Reason::NothingCopied { link: first.link }
    } else if off.is_empty() {
        Reason::not_varied(Factor::SoZerocopy, "off")
    } else {
        Reason::each(first.metric, &off)
    };
    if !into_sink && (off.is_empty() || !off.iter().all(|c| c.is_above(1.0))) {
        let shown = if off.is_empty() { Shown::NotMeasured } else { Shown::Unclear };
        return ruling.then(intervention, shown, [seen]).lacks(Missing::plan(RunCommand::default().over(&Link::TELLING).saying(", or --so-zerocopy on,off --sizes 64,512: a link on which zero-copy copies nothing, or the option as an intervention")));
    }
    // With packets alike and nothing copied, all that zerocopy costs more is of pages and notifications, system calls and
    // waiting for them included, which the profile has under other names.
    let mut all = times(whole, first);
    let explain_most = all.all(|times| {
        times.is_ok_and(|times| times.explained.is_some_and(|part| part >= MOST_OF_IT))
    });
    let packets = Reason::range(Metric::BytesPerPacket, &first.packets);
    ruling
        .then(
            intervention,
            Shown::by(false, first.alike || explain_most),
            [seen].into_iter().chain(packets),
        )
        .lacks(packets_alike(first))
        .from(names(&off, first.metric))
}

/// Both paths' packets must be alike: with TCP_NODELAY each message is one, where the window has room for it. Without it those by
/// reference hold 17 fragments at most, and pacing joins what waits.
fn packets_alike(smallest: &Smallest) -> Missing {
    let are_single = |c: &Compared| c.cell.nodelay.is_on() && c.cell.fields == Fields::ONE;
    if smallest.compared.iter().any(are_single) {
        return Missing::of_itself(
            "packets that hold as many bytes on both paths: here not even messages of one field that are sent at once (--nodelay on) have them",
        );
    }
    Missing::plan(
        RunCommand::new("--send sendmsg,zerocopy --fields 1 --nodelay on --sizes 64,512 --threads 1 --audits profile").over(&Link::TELLING).saying(", as root: each message is a packet of its own on both paths"),
    )
}

fn is_below_one(over: Option<Estimate>) -> bool {
    over.is_some_and(|over| over.high.is_some_and(|high| high < 1.0))
}

fn is_above_one(over: Option<Estimate>) -> bool {
    over.is_some_and(|over| over.low.is_some_and(|low| low > 1.0))
}

/// The profiles of each setting that is compared on a link, or why there are none.
fn times(
    whole: &Evidence<'_>,
    smallest: &Smallest,
) -> impl Iterator<Item = Result<CopyingTime, Box<Reason>>> {
    smallest.compared.iter().map(|compared| CopyingTime::of(whole, &compared.cell))
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
