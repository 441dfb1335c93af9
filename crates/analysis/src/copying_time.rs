//! What copying and zero-copy's bookkeeping cost in CPU time: the profile of zerocopy against that of sendmsg.
//!
//! Samples are counts: two of them are compared by the ratio of their rates, with half a sample added to each so that none
//! may be 0 (Haldane, Annals of Human Genetics 20, 1956), and a 95 % interval that is normal on the logarithm, with the
//! variance 1/a + 1/b of Poisson counts.

use model::record::Outcome;
use model::{Audit, Cell, Factor, Measured, SendPath, Shared};

use crate::categories::Category;
use crate::cpu_breakdown::CYCLES;
use crate::evidence::Evidence;
use crate::explained::{BreakdownSide, CpuBreakdown};
use crate::figure_text::over;
use crate::figure_text::{message, ratio, short};
use crate::reference::Reference;
use crate::summary::Estimate;

/// Two-sided 95 % of a normal figure.
const Z_975: f64 = 1.96;

/// CPU time of one kind of work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sampled {
    samples: f64,
    /// Variance beyond that of a Poisson count, in samples squared: 0 but of a difference of counts.
    beyond_poisson: f64,
    /// Cost for the payload, in its profile's unit.
    cost: f64,
    /// The same of one sample.
    cost_of_one: f64,
}

/// What cost is told in. Samples of the clock stand for time; those of cycles stand for equally many cycles, and nobody
/// measured how long these took, so that they are compared as what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    NanosAKib,
    CycleSamplesAMib,
}

impl Unit {
    const fn words(self) -> &'static str {
        match self {
            Self::NanosAKib => "ns per KiB",
            Self::CycleSamplesAMib => "samples of cycles a MiB",
        }
    }
}

impl Sampled {
    /// The time that this takes over the time of the other; none where neither has a sample.
    pub(crate) fn over(self, other: Self) -> Option<Estimate> {
        if self.samples + other.samples < 0.5 {
            return None;
        }
        let (a, b) = (self.samples + 0.5, other.samples + 0.5);
        let log = (a * self.cost_of_one / (b * other.cost_of_one)).ln();
        let relative = |count: f64, beyond: f64| (count + beyond) / (count * count);
        let half =
            Z_975 * (relative(a, self.beyond_poisson) + relative(b, other.beyond_poisson)).sqrt();
        let end = |log: f64| log.exp();
        log.is_finite().then(|| Estimate {
            mean: end(log),
            low: Some(end(log - half)),
            high: Some(end(log + half)),
            trials: 1,
        })
    }

    /// Both together.
    fn plus(self, other: Self) -> Self {
        Self {
            samples: self.samples + other.samples,
            beyond_poisson: self.beyond_poisson + other.beyond_poisson,
            cost: self.cost + other.cost,
            cost_of_one: self.cost_of_one,
        }
    }

    /// What this takes beyond the other, in its own samples; no less than nothing.
    fn beyond(self, other: Self) -> Self {
        // So many of this profile's samples are one of the other's.
        let scale = other.cost_of_one / self.cost_of_one;
        let samples = (self.samples - other.samples * scale).max(0.0);
        Self {
            samples,
            // The variances of both, less what is taken for Poisson's own.
            beyond_poisson: self.beyond_poisson + self.samples + other.samples * scale * scale
                - samples,
            cost: samples * self.cost_of_one,
            cost_of_one: self.cost_of_one,
        }
    }
}

/// What zerocopy does instead of sendmsg's copy, of one message on one link.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) zerocopy: Cell,
    pub(crate) sendmsg: Cell,
    /// Zerocopy's pinning and notifications, wherever they ran: a lower bound of its bookkeeping, since the references to
    /// pages are dropped in `skb_release_data` and `put_page`, inline mostly, which every path's packets go through.
    pub(crate) bookkeeping: Sampled,
    /// An upper bound: with all of zerocopy's page memory, and its packet memory beyond sendmsg's.
    at_most: Sampled,
    /// What the sending side of zerocopy copies all the same, as at delivery.
    pub(crate) still_copied: Sampled,
    /// What the sending side of sendmsg copies.
    pub(crate) copied: Sampled,
    /// What zerocopy costs more than sendmsg; of the sink's helper what it spends in softirq.
    extra: f64,
    unit: Unit,
}

impl Parts {
    /// The profiles of a cell of zerocopy and of its twin of sendmsg, or why there are none.
    pub(crate) fn of(evidence: &Evidence<'_>, zerocopy: &Cell) -> Result<Self, String> {
        let sendmsg = Cell { send_path: SendPath::A2, ..zerocopy.clone() };
        let [by_reference, by_copy] = [zerocopy, &sendmsg].map(|cell| Sides::of(evidence, cell));
        let (by_reference, by_copy) = (by_reference?, by_copy?);
        if by_reference.unit != by_copy.unit {
            return Err(format!(
                "{zerocopy} and {sendmsg}: samples of {} and of {} are not compared",
                by_reference.breakdown.event, by_copy.breakdown.event
            ));
        }
        let sending = [BreakdownSide::Sender, BreakdownSide::Machine];
        // A completion may be posted, and its pages released, where acknowledgements are processed.
        let anywhere = [BreakdownSide::Sender, BreakdownSide::Helper, BreakdownSide::Machine];
        let bookkeeping = by_reference.time(Category::ZerocopyBookkeeping, &anywhere);
        let [packets, packets_by_copy] =
            [&by_reference, &by_copy].map(|sides| sides.time(Category::PacketMemory, &anywhere));
        Ok(Self {
            bookkeeping,
            at_most: bookkeeping
                .plus(by_reference.time(Category::PageMemory, &anywhere))
                .plus(packets.beyond(packets_by_copy)),
            still_copied: by_reference.time(Category::DataCopy, &sending),
            copied: by_copy.time(Category::DataCopy, &sending),
            extra: by_reference.all() - by_copy.all(),
            unit: by_reference.unit,
            zerocopy: zerocopy.clone(),
            sendmsg,
        })
    }

    /// Bookkeeping over the copy that it replaces: no more than it is.
    pub(crate) fn against_the_copy(&self) -> Option<Estimate> {
        self.bookkeeping.over(self.copied)
    }

    /// The same of all that bookkeeping may be, releasing pages included.
    pub(crate) fn at_most_against_the_copy(&self) -> Option<Estimate> {
        self.at_most.over(self.copied)
    }

    /// Zerocopy's own copying over sendmsg's.
    pub(crate) fn still_copied_share(&self) -> Option<Estimate> {
        self.still_copied.over(self.copied)
    }

    /// The part of what zerocopy costs more that bookkeeping instead of the copy explains; none where it costs no more.
    pub(crate) fn explained(&self) -> Option<f64> {
        let instead = self.bookkeeping.cost - self.copied.cost;
        (self.extra > 0.0).then(|| instead / self.extra)
    }

    /// `64 B, fields=1, over loopback`.
    fn place(&self) -> String {
        let beside = [Factor::Send, Factor::Message, Factor::Threads, Factor::Link];
        let others = Shared::new(&self.zerocopy, &beside).to_string().replace(' ', ", ");
        let others = if others.is_empty() { others } else { format!(", {others},") };
        format!("{}{others} {}", message(&self.zerocopy), over(self.zerocopy.link))
    }

    fn bookkeeping_text(&self) -> String {
        format!(
            "{}: {} {} of pinning and notifying with zerocopy (a lower bound of its bookkeeping: with its page memory and the packet memory beyond sendmsg's, in which pages are released, {}), {} of the sending side's copying with sendmsg{}",
            self.place(),
            short(self.bookkeeping.cost),
            self.unit.words(),
            short(self.at_most.cost),
            short(self.copied.cost),
            times(self.against_the_copy())
        )
    }

    fn copying_text(&self) -> String {
        format!(
            "{}: {} {} of the sending side's copying with zerocopy, {} with sendmsg{}",
            self.place(),
            short(self.still_copied.cost),
            self.unit.words(),
            short(self.copied.cost),
            times(self.still_copied_share())
        )
    }

    /// How the two stand among the evidence.
    pub(crate) fn reference(&self) -> Reference {
        Reference::Profiles { cell: self.zerocopy.clone(), against: self.sendmsg.clone() }
    }
}

/// `sampled at 64 B over loopback: 812 ns per KiB of pinning, … (6.2 × [4.1, 9.5])`: bookkeeping against the copy, of many
/// profiles the least and the most.
pub(crate) fn bookkeeping_words(parts: &[Parts]) -> String {
    words(parts, Parts::against_the_copy, Parts::bookkeeping_text)
}

/// The same of zerocopy's own copying; empty without a profile.
pub(crate) fn copying_words(parts: &[Parts]) -> String {
    words(parts, Parts::still_copied_share, Parts::copying_text)
}

fn words(
    parts: &[Parts],
    over: fn(&Parts) -> Option<Estimate>,
    text: fn(&Parts) -> String,
) -> String {
    let mean = |parts: &&Parts| over(parts).map_or(0.0, |over| over.mean);
    let by_mean = |a: &&Parts, b: &&Parts| mean(a).total_cmp(&mean(b));
    let ends = [parts.iter().min_by(by_mean), parts.iter().max_by(by_mean)];
    let [Some(least), Some(most)] = ends else { return String::new() };
    let sampled = format!("sampled at {}", text(least));
    match parts.len() {
        1 => sampled,
        2 => format!("{sampled}, and at {}", text(most)),
        n => format!("{sampled}, to {} ({n} pairs of profiles)", text(most)),
    }
}

fn times(over: Option<Estimate>) -> String {
    over.map_or_else(String::new, |over| format!(" ({})", ratio(&over)))
}

/// A breakdown of which the payload is known.
struct Sides<'a> {
    breakdown: &'a CpuBreakdown,
    unit: Unit,
    cost_of_one: f64,
}

impl<'a> Sides<'a> {
    fn of(evidence: &Evidence<'a>, cell: &Cell) -> Result<Self, String> {
        let breakdown = evidence.breakdowns.iter().find(|breakdown| breakdown.cell == *cell);
        let breakdown = breakdown.ok_or_else(|| why_no_profile(evidence, cell))?;
        let absent = |absent: &str| format!("{cell}: {absent}");
        if breakdown.busy_samples == 0 {
            return Err(absent("the profile has no sample of the ends"));
        }
        if breakdown.event == CYCLES {
            return match &breakdown.payload_kib {
                Measured::Value(kib) => {
                    Ok(Self { breakdown, unit: Unit::CycleSamplesAMib, cost_of_one: 1024.0 / kib })
                }
                Measured::Absent { absent: why } => Err(absent(why)),
            };
        }
        let mut busy_ns = 0.0;
        for side in &breakdown.sides {
            match &side.cpu_ns_per_kib {
                Measured::Value(ns) => busy_ns += ns,
                Measured::Absent { absent: why } => return Err(absent(why)),
            }
        }
        let cost_of_one = busy_ns / breakdown.busy_samples as f64;
        Ok(Self { breakdown, unit: Unit::NanosAKib, cost_of_one })
    }

    /// One category's time on some sides.
    fn time(&self, category: Category, sides: &[BreakdownSide]) -> Sampled {
        let on = self.breakdown.sides.iter().filter(|side| sides.contains(&side.side));
        let share: f64 = on
            .flat_map(|side| &side.categories)
            .filter(|one| one.category == category)
            .map(|one| one.share)
            .sum();
        let samples = share * self.breakdown.busy_samples as f64;
        Sampled {
            samples,
            beyond_poisson: 0.0,
            cost: samples * self.cost_of_one,
            cost_of_one: self.cost_of_one,
        }
    }

    /// All time; of the sink's helper, which is busy whatever it takes, what it spends in softirq.
    fn all(&self) -> f64 {
        let sides = self.breakdown.sides.iter().map(|side| match side.side {
            BreakdownSide::Helper => side.softirq_share,
            BreakdownSide::Sender | BreakdownSide::Receiver | BreakdownSide::Machine => side.share,
        });
        sides.sum::<f64>() * self.breakdown.busy_samples as f64 * self.cost_of_one
    }
}

/// Why a cell has no profile.
fn why_no_profile(evidence: &Evidence<'_>, cell: &Cell) -> String {
    let Some(audited) = evidence.audits.of(cell, Audit::Profile) else {
        return match evidence.audits.why_cell_not_audited(cell, Audit::Profile) {
            Some(why) => format!("{cell} was not profiled: {why}"),
            None => format!("{cell} was not profiled"),
        };
    };
    match (&audited.profile, &audited.outcome) {
        (Measured::Absent { absent }, _) => format!("{cell}: {absent}"),
        (Measured::Value(_), Outcome::Failed(failure)) => {
            format!("{cell}: the audit trial failed: {}", failure.why)
        }
        (Measured::Value(_), Outcome::Finished(_)) => format!("{cell} is a control"),
    }
}
