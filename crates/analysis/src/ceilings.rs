//! How near each cell comes to the rate at which its CPUs can copy at all.
//!
//! The kernel copies between the ring of messages or the receive buffer and the memory of sockets, so a worker's
//! working set is at least the former. The ceiling is that of the largest measured working set that is no larger: it
//! may be too high, as smaller working sets are copied faster, but not too low.

use std::collections::{BTreeMap, BTreeSet};

use model::audit::CeilingPoint;
use model::names::Audit;
use model::record::Outcome;
use model::{Cell, Measured, Pages};

use crate::copies::{Step, per_byte};
use crate::delivery::{Delivery, Unforeseen};
use crate::estimate::Estimate;
use crate::evidence::{Evidence, figure};
use crate::findings::{
    CeilingShare, Copies, CopyingCeiling, CpuRate, ModelledSide, NoCeilingShare, NoShare,
};
use crate::judged::Seating;
use crate::metric::Metric;
use crate::results::CellEstimates;

/// Bytes a second in Gbit/s, decimal.
fn gbps(bytes_per_s: f64) -> f64 {
    bytes_per_s * 8.0 / 1e9
}

/// The copying ceilings of a run: of several segments each CPU's highest.
pub(crate) fn ceilings(evidence: &Evidence<'_>) -> Vec<CopyingCeiling> {
    let mut alone: BTreeMap<(u64, &str), BTreeMap<u32, f64>> = BTreeMap::new();
    let mut together = alone.clone();
    for point in points(evidence) {
        let key = (point.working_set_bytes, point.routine.as_str());
        let into = if point.cpus.len() == 1 { &mut alone } else { &mut together };
        for (cpu, rate) in rates(point) {
            let highest = into.entry(key).or_default().entry(cpu).or_insert(0.0);
            *highest = highest.max(rate);
        }
    }
    let keys: BTreeSet<(u64, &str)> = alone.keys().chain(together.keys()).copied().collect();
    let of = |rates: Option<&BTreeMap<u32, f64>>| -> Vec<CpuRate> {
        let rates = rates.into_iter().flatten();
        rates.map(|(cpu, rate)| CpuRate { cpu: *cpu, gbps: gbps(*rate) }).collect()
    };
    let ceilings = keys.into_iter().map(|key| {
        let (alone, together) = (of(alone.get(&key)), of(together.get(&key)));
        CopyingCeiling {
            routine: key.1.to_owned(),
            working_set_bytes: key.0,
            together_gbps: match (together.is_empty(), alone.len()) {
                (false, _) => Measured::Value(together.iter().map(|rate| rate.gbps).sum()),
                (true, 0 | 1) => Measured::absent("one CPU is in use"),
                (true, _) => {
                    Measured::absent("all working sets together would take too much memory")
                }
            },
            alone,
            together,
        }
    });
    ceilings.collect()
}

fn points<'a>(evidence: &Evidence<'a>) -> impl Iterator<Item = &'a CeilingPoint> {
    evidence.audits.ceilings.iter().flat_map(|ceiling| &ceiling.points)
}

/// Each CPU of a point with its bytes a second; what is no rate is left out.
fn rates(point: &CeilingPoint) -> impl Iterator<Item = (u32, f64)> {
    let rates = point.cpus.iter().copied().zip(point.bytes_per_s.iter().copied());
    rates.filter(|(_, rate)| rate.is_finite() && *rate > 0.0)
}

/// Every cell's shares.
pub(crate) fn shares(evidence: &Evidence<'_>) -> Vec<CeilingShare> {
    all_shares(evidence).into_iter().filter_map(Result::ok).collect()
}

/// The cells without a share where a ceiling was measured, and why.
pub(crate) fn without_share(evidence: &Evidence<'_>) -> Vec<NoCeilingShare> {
    all_shares(evidence).into_iter().filter_map(Result::err).collect()
}

/// Every cell's shares, controls included, in the plan's order: cells with a valid trial, where a ceiling was measured.
/// On the sink the senders' side alone: there is no receiver to copy anything out.
fn all_shares(evidence: &Evidence<'_>) -> Vec<Result<CeilingShare, NoCeilingShare>> {
    let rates = Rates::new(evidence);
    let mut shares = Vec::new();
    if rates.of.is_empty() {
        return shares;
    }
    for estimates in evidence.estimates {
        let Some(goodput) = figure(estimates, Metric::GoodputGbps) else { continue };
        let Some(seats) = Seats::of(evidence, &estimates.cell) else { continue };
        let receiving = estimates.cell.link.has_receiver().then_some(ModelledSide::Receiver);
        // The rates are of this host's CPUs.
        let is_here = |side: &ModelledSide| match side {
            ModelledSide::Sender => evidence.host.sender_host.is_none(),
            ModelledSide::Receiver => evidence.host.receiver_host.is_none(),
        };
        for side in [ModelledSide::Sender].into_iter().chain(receiving).filter(is_here) {
            let of_side = share(evidence, &rates, estimates, goodput, &seats, side);
            let none = |why| NoCeilingShare { cell: estimates.cell.clone(), side, why };
            shares.extend(of_side.map_err(none).transpose());
        }
    }
    shares
}

fn share(
    evidence: &Evidence<'_>,
    rates: &Rates<'_>,
    estimates: &CellEstimates,
    goodput_gbps: Estimate,
    seats: &Seats,
    side: ModelledSide,
) -> Result<Option<CeilingShare>, NoShare> {
    // The ceiling is of normal pages, of which fewer lie in the CPU's table of addresses: it may be too low there.
    if estimates.cell.pages != Pages::Normal {
        return Err(NoShare::HugePages);
    }
    let kernel =
        kernel_copies(evidence, estimates, side).map_err(|why| NoShare::Unforeseen { why })?;
    Ok(share_of(rates, estimates, goodput_gbps, seats, side, kernel))
}

/// The share of a side whose copies are known; none where no rate of its CPUs was measured.
fn share_of(
    rates: &Rates<'_>,
    estimates: &CellEstimates,
    goodput_gbps: Estimate,
    seats: &Seats,
    side: ModelledSide,
    kernel: Copies,
) -> Option<CeilingShare> {
    let cell = &estimates.cell;
    let (cpus, least_bytes, staged) = match side {
        // The path's own copy comes from the ring as well. What the kernel then copies is the staging buffer, and a
        // working set of one message may be much faster.
        ModelledSide::Sender => {
            (&seats.senders, seats.ring_bytes, cell.send_path.capabilities().copies_fields_together)
        }
        ModelledSide::Receiver => (&seats.receivers, seats.receive_bytes, false),
    };
    let first = rates.highest(least_bytes, cpus, seats.threads)?;
    let mut copies = kernel.per_byte;
    // Gbit/s of payload = 1 / the time that all copies of a bit take: each at its own ceiling.
    let mut time = kernel.per_byte / gbps(first.bytes_per_s);
    if staged {
        let second = rates.highest(seats.message_bytes, cpus, seats.threads)?;
        copies += 1.0;
        time = 1.0 / gbps(first.bytes_per_s) + kernel.per_byte / gbps(second.bytes_per_s);
    }
    // Where nothing is copied there is no time that it takes: no goodput is near the ceiling.
    let ceiling_gbps = if time > 0.0 { copies / time } else { gbps(first.bytes_per_s) };
    let scaled = |figure: f64| figure * time;
    Some(CeilingShare {
        cell: cell.clone(),
        side,
        cpus: cpus.iter().copied().collect(),
        goodput_gbps,
        copies: Copies {
            per_byte: copies,
            audited: kernel.audited,
            expected: kernel.expected.map(|copies| copies + f64::from(u8::from(staged))),
        },
        routine: first.routine.to_owned(),
        working_set_bytes: first.working_set_bytes,
        ceiling_gbps,
        share: Estimate {
            mean: scaled(goodput_gbps.mean),
            low: goodput_gbps.low.map(scaled),
            high: goodput_gbps.high.map(scaled),
            trials: goodput_gbps.trials,
        },
    })
}

/// Copies a payload byte that the kernel makes on a side's CPUs: as the last audit trial counted them, else as its
/// source has them; else why neither tells. Deferred copies are made in softirq, normally on the sender's CPU (`skb_copy_ubufs`).
fn kernel_copies(
    evidence: &Evidence<'_>,
    estimates: &CellEstimates,
    side: ModelledSide,
) -> Result<Copies, Unforeseen> {
    let cell = &estimates.cell;
    let delivery = Delivery::of_cell(evidence.host, cell);
    let mapped = figure(estimates, Metric::MappedShare).map_or(0.0, |share| share.mean);
    let should = crate::copies::expected(cell, mapped, &delivery);
    let expected = match side {
        ModelledSide::Sender => should.deferred.map(|deferred| should.copied_in + deferred),
        ModelledSide::Receiver => Ok(should.copied_out),
    };
    let audited = || {
        let audit = evidence.audits.of(cell, Audit::CopyAudit)?;
        let counts = audit.copies.value()?;
        let Outcome::Finished(finished) = &audit.outcome else { return None };
        let (copied, payload) = match side {
            // What remains of a path that copies was not counted.
            ModelledSide::Sender if !per_byte(audit, Step::In).is_ok_and(|seen| seen.decides) => {
                return None;
            }
            ModelledSide::Sender => (
                counts.copied_in.value()?.bytes.checked_add(counts.deferred.value()?.bytes)?,
                finished.sender.total.accepted_bytes,
            ),
            ModelledSide::Receiver => {
                (counts.copied_out.value()?.bytes, finished.receiver.total.received_bytes)
            }
        };
        let per_byte = copied as f64 / payload as f64;
        let expected = expected.as_ref().ok().copied();
        (payload > 0).then_some(Copies { per_byte, audited: true, expected })
    };
    if let Some(audited) = audited() {
        return Ok(audited);
    }
    let per_byte = expected?;
    Ok(Copies { per_byte, audited: false, expected: Some(per_byte) })
}

/// Where a cell's workers ran, and on what memory.
struct Seats {
    senders: BTreeSet<u32>,
    receivers: BTreeSet<u32>,
    /// Workers a side: no more CPUs than these copy at the same time.
    threads: usize,
    message_bytes: u64,
    /// Payload in the rings of a worker. The gaps of the layout are never read.
    ring_bytes: u64,
    receive_bytes: u64,
}

impl Seats {
    /// Over all valid trials: every CPU that one of them used, and the smallest memory, so that their order is of no
    /// account. None without a valid trial.
    fn of(evidence: &Evidence<'_>, cell: &Cell) -> Option<Self> {
        let message_bytes = cell.message.bytes().0;
        let mut seats: Option<Self> = None;
        for judged in evidence.trials.of_cell(cell).filter(|judged| judged.is_valid()) {
            let seating = &judged.seating;
            let ring_bytes = message_bytes
                .saturating_mul(u64::from(seating.ring_slots))
                .saturating_mul(u64::from(cell.flows.get()));
            let receive_bytes = seating.receive_buffer_bytes;
            let seats = seats.get_or_insert_with(|| Self {
                senders: BTreeSet::new(),
                receivers: BTreeSet::new(),
                threads: cell.threads.get() as usize,
                message_bytes,
                ring_bytes,
                receive_bytes,
            });
            seats.senders.extend(seated(seating, &seating.sender_cpus));
            seats.receivers.extend(seated(seating, &seating.receiver_cpus));
            seats.ring_bytes = seats.ring_bytes.min(ring_bytes);
            seats.receive_bytes = seats.receive_bytes.min(receive_bytes);
        }
        seats
    }
}

/// The CPUs of pinned workers; any usable one where they are not pinned.
fn seated<'a>(seating: &'a Seating, pinned: &'a [u32]) -> impl Iterator<Item = u32> + use<'a> {
    let cpus = if pinned.is_empty() { &seating.usable_cpus } else { pinned };
    cpus.iter().copied()
}

/// The highest rates measured.
struct Rates<'a> {
    /// Bytes a second by working set, routine and CPU.
    of: BTreeMap<u64, BTreeMap<&'a str, BTreeMap<u32, f64>>>,
}

/// A ceiling of several CPUs.
struct Highest<'a> {
    routine: &'a str,
    working_set_bytes: u64,
    bytes_per_s: f64,
}

impl<'a> Rates<'a> {
    fn new(evidence: &Evidence<'a>) -> Self {
        let mut of: BTreeMap<u64, BTreeMap<&str, BTreeMap<u32, f64>>> = BTreeMap::new();
        for point in points(evidence) {
            for (cpu, rate) in rates(point) {
                let of_routine =
                    of.entry(point.working_set_bytes).or_default().entry(&point.routine);
                let highest = of_routine.or_default().entry(cpu).or_insert(0.0);
                *highest = highest.max(rate);
            }
        }
        Self { of }
    }

    /// What these CPUs copy together by the best routine, at most `workers` of them at the same time: each as fast as
    /// it ever was, alone or together with the others; one that was not measured as fast as the fastest.
    ///
    /// At the largest working set of at most so many bytes; below all of them at the smallest. None where nothing was
    /// measured.
    fn highest(
        &self,
        at_most_bytes: u64,
        cpus: &BTreeSet<u32>,
        workers: usize,
    ) -> Option<Highest<'a>> {
        let (working_set, routines) =
            self.of.range(..=at_most_bytes).next_back().or_else(|| self.of.iter().next())?;
        let sum = |of_cpu: &BTreeMap<u32, f64>| -> f64 {
            let fastest = of_cpu.values().copied().fold(0.0, f64::max);
            let mut rates: Vec<f64> =
                cpus.iter().map(|cpu| of_cpu.get(cpu).copied().unwrap_or(fastest)).collect();
            rates.sort_by(|a, b| b.total_cmp(a));
            rates.iter().take(workers).sum()
        };
        let sums = routines.iter().map(|(routine, of_cpu)| Highest {
            routine,
            working_set_bytes: *working_set,
            bytes_per_s: sum(of_cpu),
        });
        let best = sums.max_by(|a, b| a.bytes_per_s.total_cmp(&b.bytes_per_s));
        best.filter(|best| best.bytes_per_s > 0.0)
    }
}
