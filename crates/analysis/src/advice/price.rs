//! What an answer saves, and what passing by reference asks for.

use model::{Cell, Measured, SendPath};
use schemars::JsonSchema;
use serde::Serialize;

use super::choice::{Duels, Shown};
use super::{ASSUMED_ROUND_TRIP, Choice, Question, Source};
use crate::estimate::Estimate;
use crate::evidence::figure;
use crate::fixed_load::cpus;
use crate::metric::Metric;
use crate::results::{CellEstimates, Finding};

/// What using one path in place of another saves.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Saving {
    /// The path.
    pub path: SendPath,
    /// What it stands in place of.
    pub against: SendPath,
    /// The cost of one over that of the other.
    pub cost_ratio: Estimate,
    /// What is shown of it.
    pub finding: Finding,
    /// CPUs saved at the asked rate, or for each Gbit/s where none was asked.
    pub cpus: Option<Estimate>,
    /// Share of the service's CPU time, where what it spends in sending was asked; of the sender's CPU cost.
    pub share_of_cpu: Option<Estimate>,
}

/// What a path that passes by reference asks for, at the asked rate or else the one that it reached.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Price {
    /// The path.
    pub path: SendPath,
    /// Payload a second in Gbit/s.
    pub rate_gbps: f64,
    /// How long a peer takes to acknowledge, in microseconds.
    pub round_trip_us: f64,
    /// Whether that is assumed, as nobody said it.
    pub round_trip_is_assumed: bool,
    /// Share of the bytes that is passed by reference; the rest is copied, and free when the call returns.
    pub by_reference_share: f64,
    /// Memory in bytes that is pinned, and may not be written, until it is acknowledged: that share of the rate times round trip,
    /// at least of one message a connection.
    pub held_bytes: f64,
    /// Release latency as measured on this link, in microseconds.
    pub released_us: Measured<Released>,
    /// What this user may pin, in bytes (RLIMIT_MEMLOCK); absent where nothing limits it or it is not known.
    pub memlock_bytes: Measured<u64>,
    /// Option memory of a socket in bytes (net.core.optmem_max), from which notifications are taken.
    pub optmem_max_bytes: Measured<u64>,
    /// So many sends of a connection may wait for their completion before the next one fails with ENOBUFS; more where the
    /// kernel puts neighbours together.
    pub pending_sends: Measured<f64>,
    /// Notifications to be read a message.
    pub completions_per_message: Measured<f64>,
    /// The first kernel that has the path on TCP.
    pub since_kernel: Option<String>,
}

/// After how long a buffer may be written again, as measured.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Released {
    /// The median in microseconds.
    pub median: Estimate,
    /// The 99th percentile in microseconds; absent where too few messages were timed.
    pub p99: Measured<Estimate>,
    /// Memory in bytes that is held where buffers are released as late as the 99th percentile, or where there is none the median:
    /// what is passed by reference of the rate times that, at least of one message a connection.
    pub held_bytes: f64,
}

/// Memory that a notification takes of a socket's option memory, in bytes: an empty packet with its shared information
/// (`sock_omalloc` of 0 bytes, net/core/sock.c), whose size follows the kernel's own structures; rounded up, so that what
/// comes of it is "about".
const NOTIFICATION_BYTES: f64 = 1024.0;

/// What a decided answer saves against the path that it is compared with.
pub(super) fn saving(
    question: &Question,
    choice: &Choice,
    against: Option<SendPath>,
    cells: &[&CellEstimates],
    source: &Source<'_>,
) -> Option<Saving> {
    let path = choice.path()?;
    let against = against.filter(|against| *against != path)?;
    let of_cells: Vec<&Cell> = cells.iter().map(|estimates| &estimates.cell).collect();
    let link = of_cells.first()?.link;
    let cost = Metric::cost_on(link);
    let duel = |metric: Metric| {
        let shown = Shown::of(&of_cells, &source.summary.ratios, metric, source.margin);
        Duels::between(&of_cells, &shown, metric).of(path, against)
    };
    let (cost_ratio, finding) = duel(cost)?;
    let of_sender = if link.has_receiver() { duel(Metric::SenderCpuNsPerKib) } else { None };
    let (sender_ratio, _) = of_sender.unwrap_or((cost_ratio, finding));
    let replaced = cells.iter().find(|estimates| estimates.cell.send_path == against)?;
    let rate = question.rate_gbps.unwrap_or(1.0);
    let cpus = figure(replaced, cost).map(|cost| cost_ratio.saved_of(cpus(rate, cost.mean)));
    let share_of_cpu = question.share_of_cpu.map(|share| sender_ratio.saved_of(share.0));
    Some(Saving { path, against, cost_ratio, finding, cpus, share_of_cpu })
}

/// What the paths that pass by reference ask for.
pub(super) fn prices(
    question: &Question,
    cells: &[&CellEstimates],
    source: &Source<'_>,
) -> Vec<Price> {
    // Without completions nothing has to be held and reaped; that the memory may never be written again is no price that a
    // figure could tell.
    let notified = cells.iter().filter(|it| {
        it.cell.passes_by_reference() && it.cell.send_path.capabilities().gets_notifications
    });
    notified.filter_map(|estimates| price(question, estimates, source)).collect()
}

fn price(question: &Question, estimates: &CellEstimates, source: &Source<'_>) -> Option<Price> {
    let cell = &estimates.cell;
    let reached = figure(estimates, Metric::GoodputGbps).map(|goodput| goodput.mean);
    let rate_gbps = question.rate_gbps.or(reached)?;
    let connections = f64::from(cell.threads.get()) * f64::from(cell.flows.get());
    let by_reference_share = cell.share_by_reference();
    let held = |s: f64| {
        let bytes = (rate_gbps * 1e9 / 8.0 * s).max(cell.message.bytes().0 as f64 * connections);
        bytes * by_reference_share
    };
    let host = source.host;
    let optmem_max_bytes = match host.sysctls.get("net.core.optmem_max") {
        _ if !cell.send_path.capabilities().uses_error_queue => {
            Measured::absent("its notifications take no option memory")
        }
        Some(Measured::Value(text)) => text
            .parse()
            .map_or_else(|_| Measured::absent("net.core.optmem_max is no number"), Measured::Value),
        Some(Measured::Absent { absent }) => Measured::absent(absent.clone()),
        None => Measured::absent("net.core.optmem_max was not read"),
    };
    let memlock_bytes = match host.limits.get("memlock") {
        Some(_) if host.uid.value() == Some(&0) => Measured::absent("root may pin all memory"),
        Some(limit) => limit.clone(),
        None => Measured::absent("RLIMIT_MEMLOCK was not read"),
    };
    let of_path = source.summary.explained.data_paths.iter();
    let mut of_path = of_path.filter(|it| it.path == cell.send_path && it.cell.link == cell.link);
    let round_trip = question.round_trip.unwrap_or(ASSUMED_ROUND_TRIP).as_secs_f64();
    Some(Price {
        path: cell.send_path,
        rate_gbps,
        round_trip_us: round_trip * 1e6,
        round_trip_is_assumed: question.round_trip.is_none(),
        by_reference_share,
        held_bytes: held(round_trip),
        released_us: released(estimates, held),
        memlock_bytes,
        pending_sends: match &optmem_max_bytes {
            Measured::Value(bytes) => Measured::Value((*bytes as f64 / NOTIFICATION_BYTES).floor()),
            Measured::Absent { absent } => Measured::absent(absent.clone()),
        },
        optmem_max_bytes,
        completions_per_message: of_path.next().map_or_else(
            || Measured::absent("not measured"),
            |it| it.notifications_per_message.clone(),
        ),
        since_kernel: cell.send_path.capabilities().since_kernel.map(str::to_owned),
    })
}

/// After how long a buffer was released, and what that holds. Few timed messages have a median and no 99th percentile.
fn released(estimates: &CellEstimates, held: impl Fn(f64) -> f64) -> Measured<Released> {
    let of = |metric: Metric| match estimates.metrics.get(&metric) {
        Some(measured) => measured.clone(),
        None => Measured::absent("not measured"),
    };
    let p99 = of(Metric::ReleaseP99Us);
    of(Metric::ReleaseP50Us).map(|median| {
        let latest = p99.value().map_or(median.mean, |p99| p99.mean);
        Released { median, p99, held_bytes: held(latest / 1e6) }
    })
}
