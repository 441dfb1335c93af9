//! What copying and zero-copy's bookkeeping cost in CPU time: the profile of zerocopy against that of sendmsg.
//!
//! Samples are counts: two of them are compared by the ratio of their rates, with half a sample added to each so that none
//! may be 0 (Haldane, Annals of Human Genetics 20, 1956), and a 95 % interval that is normal on the logarithm, with the
//! variance 1/a + 1/b of Poisson counts.

use crate::operands::CopyingTime;
use crate::operands::Unit;
use model::{Audit, Cell, Measured, SendPath};

use crate::categories::Category;
use crate::cpu_breakdown::CYCLES;
use crate::estimate::Estimate;
use crate::evidence::Evidence;
use crate::findings::{BreakdownSide, CpuBreakdown};
use crate::reason::Reason;
use crate::reference::Reference;

/// Two-sided 95 % of a normal figure.
const Z_975: f64 = 1.96;

/// CPU time of one kind of work.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sampled {
    samples: f64,
    /// Variance beyond that of a Poisson count, in samples squared: 0 but of a difference of counts.
    beyond_poisson: f64,
    /// Cost for the payload, in its profile's unit.
    cost: f64,
    /// The same of one sample.
    cost_of_one: f64,
}

impl Sampled {
    /// The time that this takes over the time of the other; none where neither has a sample.
    fn over(self, other: Self) -> Option<Estimate> {
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

impl CopyingTime {
    /// The profiles of a cell and of its twin of sendmsg, or why there are none.
    pub(crate) fn of(evidence: &Evidence<'_>, cell: &Cell) -> Result<Self, Box<Reason>> {
        let against = Cell { send_path: SendPath::A2, ..cell.clone() };
        let by_reference = Sides::of(evidence, cell)?;
        let by_copy = Sides::of(evidence, &against)?;
        if by_reference.unit != by_copy.unit {
            let events = [by_reference, by_copy].map(|sides| sides.breakdown.event.clone());
            return Err(Box::new(Reason::UnlikeSamples { events }));
        }
        let sending = [BreakdownSide::Sender, BreakdownSide::Machine];
        // A completion may be posted, and its pages released, where acknowledgements are processed.
        let anywhere = [BreakdownSide::Sender, BreakdownSide::Helper, BreakdownSide::Machine];
        let bookkeeping = by_reference.time(Category::ZerocopyBookkeeping, &anywhere);
        let [packets, packets_by_copy] =
            [&by_reference, &by_copy].map(|sides| sides.time(Category::PacketMemory, &anywhere));
        let at_most = bookkeeping
            .plus(by_reference.time(Category::PageMemory, &anywhere))
            .plus(packets.beyond(packets_by_copy));
        let still_copied = by_reference.time(Category::DataCopy, &sending);
        let copied = by_copy.time(Category::DataCopy, &sending);
        // Of the sink's helper what it spends in softirq.
        let extra = by_reference.all() - by_copy.all();
        let instead = bookkeeping.cost - copied.cost;
        // What a path costs more is told of both ends.
        let is_of_both =
            [&by_reference, &by_copy].iter().all(|it| it.breakdown.unwatched.is_none());
        Ok(Self {
            bookkeeping: bookkeeping.cost,
            at_most: at_most.cost,
            still_copied: still_copied.cost,
            copied: copied.cost,
            against_the_copy: bookkeeping.over(copied),
            at_most_against_the_copy: at_most.over(copied),
            still_copied_share: still_copied.over(copied),
            explained: (extra > 0.0 && is_of_both).then(|| instead / extra),
            unit: by_reference.unit,
            cell: cell.clone(),
            against,
        })
    }

    /// How the two stand among the evidence.
    pub(crate) fn reference(&self) -> Reference {
        Reference::Profiles { cell: self.cell.clone(), against: self.against.clone() }
    }
}

/// Bookkeeping against the copy; none without a profile.
pub(crate) fn bookkeeping(all: &[CopyingTime]) -> Option<Reason> {
    let (ends, of) = ends(all, |times| times.against_the_copy)?;
    Some(Reason::Bookkeeping { ends, of })
}

/// The same of copying that is still done.
pub(crate) fn still_copied(all: &[CopyingTime]) -> Option<Reason> {
    let (ends, of) = ends(all, |times| times.still_copied_share)?;
    Some(Reason::StillCopied { ends, of })
}

/// Those with the least and the largest ratio, and how many there are.
fn ends(
    all: &[CopyingTime],
    over: fn(&CopyingTime) -> Option<Estimate>,
) -> Option<(Vec<CopyingTime>, u32)> {
    let mean = |times: &&CopyingTime| over(times).map_or(0.0, |over| over.mean);
    let by_mean = |a: &&CopyingTime, b: &&CopyingTime| mean(a).total_cmp(&mean(b));
    let (least, most) = (all.iter().min_by(by_mean)?, all.iter().max_by(by_mean)?);
    let mut ends = vec![least.clone(), most.clone()];
    ends.dedup();
    Some((ends, u32::try_from(all.len()).unwrap_or(u32::MAX)))
}

/// A breakdown of which the payload is known.
struct Sides<'a> {
    breakdown: &'a CpuBreakdown,
    unit: Unit,
    cost_of_one: f64,
}

impl<'a> Sides<'a> {
    fn of(evidence: &Evidence<'a>, cell: &Cell) -> Result<Self, Box<Reason>> {
        let absent = |why| {
            let cell = Some(Box::new(cell.clone()));
            Box::new(Reason::NotAudited { audit: Audit::Profile, cell, why })
        };
        let breakdown = evidence.breakdowns.iter().find(|breakdown| breakdown.cell == *cell);
        let why = || evidence.audits.why_cell_not_audited(cell, Audit::Profile);
        let breakdown = breakdown.ok_or_else(|| absent(why()))?;
        // What the sender did is what is asked for.
        if let Some(unwatched) = &breakdown.unwatched
            && unwatched.side == BreakdownSide::Sender
        {
            return Err(absent(Some(unwatched.why.clone())));
        }
        if breakdown.busy_samples == 0 {
            return Err(absent(Some("no sample of the ends".to_owned())));
        }
        let value = |figure: &Measured<f64>| match figure {
            Measured::Value(value) => Ok(*value),
            Measured::Absent { absent: why } => Err(absent(Some(why.clone()))),
        };
        if breakdown.event == CYCLES {
            let cost_of_one = 1024.0 / value(&breakdown.payload_kib)?;
            return Ok(Self { breakdown, unit: Unit::CycleSamplesPerMib, cost_of_one });
        }
        let mut busy_ns = 0.0;
        for side in &breakdown.sides {
            busy_ns += value(&side.cpu_ns_per_kib)?;
        }
        let cost_of_one = busy_ns / breakdown.busy_samples as f64;
        Ok(Self { breakdown, unit: Unit::NsPerKib, cost_of_one })
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
