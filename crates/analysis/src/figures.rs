//! The figures of one trial: every [`Metric`], or why there is none.

use model::names::AckPlacement;
use model::record::{
    Count, CpuBusy, Finished, Imported, Machine, MemoryTraffic, NO_MEMORY_LOAD, Outcome,
    ReceiveTally, Releases, SendTally, Side, Span, TcpFacts, Trial, Worker,
};
use model::{Bytes, Cell, Measured, TakenBytes};

use crate::copies::mapped_share;
use crate::metric::Metric;
use crate::release_latency::of_trial;

mod by_hand;
mod machine;
mod sink;
mod stalls;

use machine::{machine_cpu_ns_per_kib_of, machine_ns};
use sink::{bytes_per_taken_packet, looking_per_ns, looks, uncharged_softirq_ns};
use stalls::{Stalls, stalls};

pub(crate) use machine::{MachineNs, machine_ns_there};
pub(crate) use sink::answering_ns;

pub use by_hand::HandFigures;

const KIB: f64 = 1024.0;

/// Why a path that copies has no release latency.
pub const FREE_AT_RETURN: &str = "copies: the buffer is free when the call returns";
/// Why `sendfile` and `splice` have none.
const NEVER_TOLD: &str = "the kernel never tells when it has let go of the pages";
/// Why completions left unread give none.
const LEFT_UNREAD: &str = "completions are left unread; use --completions read";
/// Why a journal has none that could.
const NOT_TIMED: &str = "not timed: its trials ran without instruments (watch=none), or an earlier version measured them";

/// Why a path that makes calls has no threads of an io_uring.
const NO_RING: &str = "the path has no io_uring";

/// Why the counters of a sender with a thread that polls give no figure.
const POLLED: &str = "counters are of the sender's workers alone, and a thread that polls its io_uring does a part of their work; use --sqpoll off";

/// Why an imported trial has no figure that its file has no column for.
pub const NOT_IN_FILE: &str = "the imported file has no column that tells it";

/// One figure of a trial.
///
/// `idle` is the idle baseline of the trial's round, for [`Metric::MachineCpuNsPerKib`]. To read many figures of
/// one trial, [`Reading`] sums its workers only once.
pub fn value(metric: Metric, trial: &Trial, idle: Option<&Measured<CpuBusy>>) -> Measured<f64> {
    Reading::new(trial, idle).value(metric)
}

/// A trial with the sums from which its figures are formed.
///
/// A rate is the sum over workers of their bytes over their own windows. A cost divides a side's figure by that
/// side's own bytes of the same windows.
#[derive(Clone, Debug)]
pub struct Reading<'a> {
    trial: &'a Trial,
    idle: Option<&'a Measured<CpuBusy>>,
    sums: Result<Sums<'a>, String>,
    /// What a table told, instead of the sums.
    imported: Option<&'a Imported>,
}

#[derive(Clone, Debug)]
struct Sums<'a> {
    finished: &'a Finished,
    sender: Result<SideSums, String>,
    receiver: Result<SideSums, String>,
}

/// Whether threads did the sender's work whose time nobody could tell: then its CPU time is not known.
fn untold_threads(cell: &Cell, sender: &Side<SendTally>) -> bool {
    let threads = sender.ring_threads.as_ref();
    cell.is_polled() && threads.is_none_or(|threads| threads.value().is_none())
}

/// Sums over one side's workers; all are above 0.
#[derive(Clone, Copy, Debug)]
struct SideSums {
    /// Whether the CPU time lacks that of threads which worked for them.
    untold: bool,
    bytes: f64,
    cpu_ns: f64,
    bytes_per_ns: f64,
    mean_window_ns: f64,
}

impl SideSums {
    fn new(side: &str, workers: &[Worker]) -> Result<Self, String> {
        let window = |worker: &Worker| Span {
            window_ns: worker.window_ns.0,
            bytes: worker.bytes.0,
            cpu_ns: worker.cpu_ns.0,
        };
        Self::of(side, &workers.iter().map(window).collect::<Vec<_>>())
    }

    /// Those of the steady windows that are the control of a series.
    fn of_control(side: &str, workers: &[Worker]) -> Result<Self, String> {
        let spans: Option<Vec<Span>> = workers.iter().map(|worker| worker.steady).collect();
        Self::of(side, &spans.ok_or("no steady window beside the turns")?)
    }

    /// Of each worker's window.
    fn of(side: &str, windows: &[Span]) -> Result<Self, String> {
        if windows.is_empty() {
            return Err(format!("the {side} reported no worker"));
        }
        if windows.iter().any(|window| window.window_ns == 0) {
            return Err(format!("a window of the {side} has no length"));
        }
        let sum = |of: fn(&Span) -> f64| windows.iter().map(of).sum::<f64>();
        let sums = Self {
            untold: false,
            bytes: sum(|w| w.bytes as f64),
            cpu_ns: sum(|w| w.cpu_ns as f64),
            bytes_per_ns: sum(|w| w.bytes as f64 / w.window_ns as f64),
            mean_window_ns: sum(|w| w.window_ns as f64) / windows.len() as f64,
        };
        if sums.bytes <= 0.0 {
            return Err(format!("no byte passed the {side} in its window"));
        }
        Ok(sums)
    }

    fn kib(&self) -> f64 {
        self.bytes / KIB
    }

    /// A clock that stood still was not read: 0 would be a cost that nothing has.
    fn cpu_ns(&self) -> Result<f64, String> {
        if self.untold {
            Err("the CPU time of the thread that polls its io_uring could not be read".to_owned())
        } else if self.cpu_ns > 0.0 {
            Ok(self.cpu_ns)
        } else {
            Err("the workers' CPU clock stood still".to_owned())
        }
    }

    fn cpu_ns_per_kib(&self) -> Result<f64, String> {
        Ok(self.cpu_ns()? / self.kib())
    }
}

impl<'a> Reading<'a> {
    /// Sums a trial's workers.
    pub fn new(trial: &'a Trial, idle: Option<&'a Measured<CpuBusy>>) -> Self {
        let sums = match &trial.outcome {
            Outcome::Failed(failure) => Err(format!("the trial failed: {}", failure.why)),
            Outcome::Imported(_) => Err(NOT_IN_FILE.to_owned()),
            Outcome::Finished(finished) => Ok(Sums {
                finished,
                sender: SideSums::new("sender", &finished.sender.workers).map(|sums| SideSums {
                    untold: untold_threads(&trial.cell, &finished.sender),
                    ..sums
                }),
                receiver: SideSums::new("receiver", &finished.receiver.workers),
            }),
        };
        let imported = match &trial.outcome {
            Outcome::Imported(imported) => Some(&**imported),
            Outcome::Failed(_) | Outcome::Finished(_) => None,
        };
        Self { trial, idle, sums, imported }
    }

    /// One figure, or why there is none.
    pub fn value(&self, metric: Metric) -> Measured<f64> {
        if let Some(imported) = self.imported {
            let told = imported.figures.get(metric.name()).cloned();
            return told.unwrap_or_else(|| Measured::absent(NOT_IN_FILE));
        }
        let figure = match &self.sums {
            Ok(sums) => self.figure(metric, sums),
            Err(why) => Err(why.clone()),
        };
        match figure {
            Ok(value) if !value.is_finite() => Measured::absent("the figure is not finite"),
            figure => figure.into(),
        }
    }

    /// The same of the steady windows that are the control of a series: goodput, or what both ends cost.
    pub(crate) fn control(&self, metric: Metric) -> Measured<f64> {
        let figure = || {
            let Sums { finished, .. } = self.sums.as_ref().map_err(Clone::clone)?;
            let receiver = SideSums::of_control("receiver", &finished.receiver.workers)?;
            if metric == Metric::GoodputGbps {
                return Ok(receiver.bytes_per_ns * 8.0);
            }
            let untold = untold_threads(&self.trial.cell, &finished.sender);
            let sender = SideSums::of_control("sender", &finished.sender.workers)?;
            let sender = SideSums { untold, ..sender };
            if metric == Metric::EndsCpuNsPerKib {
                return Ok(sender.cpu_ns_per_kib()? + receiver.cpu_ns_per_kib()?);
            }
            Err("the control gives goodput and the cost of both ends alone".to_owned())
        };
        figure().into()
    }

    fn figure(&self, metric: Metric, sums: &Sums<'_>) -> Result<f64, String> {
        let Sums { finished, .. } = sums;
        let link = self.trial.cell.link;
        if let Some(why) = metric.why_not_formed_on(link) {
            return Err(why.to_owned());
        }
        let (sending, taking) = (&finished.sender, &finished.receiver);
        let sender = || sums.sender.as_ref().map_err(Clone::clone);
        let receiver = || sums.receiver.as_ref().map_err(Clone::clone);
        let message = self.trial.cell.message.bytes().0 as f64;
        let messages = || sender().map(|sums| sums.bytes / message);
        // What counted its workers counted no thread that polls for them.
        let watched =
            || if self.trial.cell.is_polled() { Err(POLLED.to_owned()) } else { sender() };
        let sender_per_byte = |count| Ok(counted(count)? / watched()?.bytes);
        let receiver_per_byte = |count| Ok(counted(count)? / receiver()?.bytes);
        let sender_per_kib = |count| Ok(counted(count)? / watched()?.kib());
        let receiver_per_kib = |count| Ok(counted(count)? / receiver()?.kib());
        match metric {
            Metric::GoodputGbps => Ok(receiver()?.bytes_per_ns * 8.0),
            Metric::MessagesPerS => Ok(receiver()?.bytes_per_ns * 1e9 / message),
            Metric::SenderCpuNsPerMessage => Ok(sender()?.cpu_ns()? / messages()?),
            Metric::ReceiverCpuNsPerMessage => Ok(receiver()?.cpu_ns_per_kib()? / KIB * message),
            Metric::SenderCpuNsPerKib => sender()?.cpu_ns_per_kib(),
            Metric::ReceiverCpuNsPerKib => receiver()?.cpu_ns_per_kib(),
            Metric::EndsCpuNsPerKib => {
                Ok(sender()?.cpu_ns_per_kib()? + receiver()?.cpu_ns_per_kib()?)
            }
            Metric::SenderSideCpuNsPerKib => {
                let sink = present(&finished.sink)?;
                // Placed on the senders' CPUs, the work on acknowledgements is in the senders' own time.
                let answering = match self.trial.cell.ack_placement {
                    AckPlacement::Helper => answering_ns(sink)?,
                    AckPlacement::Sender => 0.0,
                };
                let softirqs = uncharged_softirq_ns(finished, sink, sender()?)?;
                Ok((sender()?.cpu_ns()? + answering + softirqs) / sender()?.kib())
            }
            Metric::SenderSideMachineCpuNsPerKib => {
                let looking = looking_per_ns(finished, receiver()?)?;
                self.machine_cpu_ns_per_kib(finished, receiver()?, looking)
            }
            Metric::AckIntervalUs => {
                Ok(receiver()?.mean_window_ns / looks(present(&finished.sink)?)? / 1e3)
            }
            Metric::HelperCpuNsPerKib => {
                Ok(present(&finished.sink)?.helper_cpu_ns.0 as f64 / receiver()?.kib())
            }
            Metric::ProgramNsPerPacket => {
                present(&present(&finished.sink)?.program_ns_per_packet).copied()
            }
            Metric::SenderHostCpuNsPerKib => {
                machine_cpu_ns_per_kib_of(&finished.machine, self.idle, 0.0, receiver()?)
            }
            Metric::ReceiverHostCpuNsPerKib => match finished.receiver_machine.as_deref() {
                Some(there) => machine_cpu_ns_per_kib_of(there, None, 0.0, receiver()?),
                None => Err("the receiver's host was not watched".to_owned()),
            },
            Metric::MachineCpuNsPerKib => self.machine_cpu_ns_per_kib(finished, receiver()?, 0.0),
            Metric::SoftirqNsPerKib => softirq_ns_per_kib(finished, receiver()?),
            Metric::SenderCyclesPerByte => sender_per_byte(&sending.counters.cycles),
            Metric::ReceiverCyclesPerByte => receiver_per_byte(&taking.counters.cycles),
            Metric::SenderInstructionsPerByte => sender_per_byte(&sending.counters.instructions),
            Metric::ReceiverInstructionsPerByte => receiver_per_byte(&taking.counters.instructions),
            Metric::SenderLlcLoadsPerKib => sender_per_kib(&sending.counters.llc_loads),
            Metric::ReceiverLlcLoadsPerKib => receiver_per_kib(&taking.counters.llc_loads),
            Metric::SenderLlcMissesPerKib => sender_per_kib(&sending.counters.llc_misses),
            Metric::ReceiverLlcMissesPerKib => receiver_per_kib(&taking.counters.llc_misses),
            Metric::SenderL1dMissesPerKib => sender_per_kib(&sending.counters.l1d_misses),
            Metric::ReceiverL1dMissesPerKib => receiver_per_kib(&taking.counters.l1d_misses),
            Metric::SenderDtlbMissesPerKib => sender_per_kib(&sending.counters.dtlb_misses),
            Metric::ReceiverDtlbMissesPerKib => receiver_per_kib(&taking.counters.dtlb_misses),
            Metric::SenderCacheMissesPerKib => sender_per_kib(&sending.counters.cache_misses),
            Metric::ReceiverCacheMissesPerKib => receiver_per_kib(&taking.counters.cache_misses),
            Metric::ContextSwitchesPerS => Ok(per_s(context_switches(sending)? as f64, sender()?)
                + per_s(context_switches(taking)? as f64, receiver()?)),
            Metric::SenderContextSwitchesPerS => {
                Ok(per_s(context_switches(sending)? as f64, sender()?))
            }
            Metric::MigrationsPerS if self.trial.settings.series.is_some() => {
                Err("in turns they are read around the whole series, other cells' slices included; --steady tells them".to_owned())
            }
            Metric::MigrationsPerS => Ok(per_s(counted(&sending.counters.migrations)?, sender()?)
                + per_s(counted(&taking.counters.migrations)?, receiver()?)),
            Metric::SendCallsPerMessage => {
                Ok(sending.window.calls.sending(self.trial.cell.send_path) as f64 / messages()?)
            }
            Metric::SenderCallsPerMessage => Ok(sending.window.calls.all() as f64 / messages()?),
            Metric::BytesPerReceiveCall => bytes_per_receive_call(&taking.window),
            Metric::MappedShare => match self.trial.cell.receive_path.capabilities().taken {
                TakenBytes::Mapped => Ok(mapped_share(&taking.total)),
                TakenBytes::Copied | TakenBytes::Dropped => {
                    Err("the receive path maps no page".to_owned())
                }
            },
            Metric::BytesPerPacket => match finished.sink.value() {
                Some(sink) => bytes_per_taken_packet(&sink.window),
                None => bytes_per_packet(present(&sending.tcp)?),
            },
            Metric::SendBufferLimitedShare => send_buffer_limited(present(&sending.tcp)?),
            Metric::CopiedShare => copied_share(&self.trial.cell, &sending.total),
            Metric::SenderCpuAfterShare => Ok(sending.after_cpu_ns.0 as f64 / sender()?.cpu_ns()?),
            Metric::UringThreadsShare => match &sending.ring_threads {
                Some(threads) => Ok(present(threads)?.cpu_ns() as f64 / sender()?.cpu_ns()?),
                None if !self.trial.cell.send_path.capabilities().goes_through_uring => {
                    Err(NO_RING.to_owned())
                }
                None => Err("not read by earlier versions".to_owned()),
            },
            Metric::ReleaseP50Us | Metric::ReleaseP99Us | Metric::ReleaseMaxUs => {
                released(&self.trial.cell, sending.releases.as_deref(), metric)
            }
            Metric::SlotWaitsPerMessage => Ok(sending.window.slot_waits as f64 / messages()?),
            Metric::NoBuffersPerMessage => Ok(sending.window.no_buffers as f64 / messages()?),
            Metric::Retransmits => match sending.retransmits() {
                Some(segments) => Ok(segments as f64),
                None => present(&sending.snmp).map(|snmp| snmp.retransmits as f64),
            },
            Metric::StalledShare => {
                let Stalls { slices, of, .. } = stalls(self.trial, finished)?;
                Ok(slices as f64 / of as f64)
            }
            Metric::StallUs => match stalls(self.trial, finished)? {
                Stalls { slices: 0, .. } => Err("bytes stood still in no slice".to_owned()),
                Stalls { slices, slept_ns, .. } => Ok(slept_ns as f64 / slices as f64 / 1e3),
            },
            Metric::RttUs => Ok(present(&sending.tcp)?.rtt_us),
            Metric::CwndPackets => Ok(present(&sending.tcp)?.cwnd_packets),
            Metric::MssBytes => Ok(present(&sending.tcp)?.mss_bytes),
            Metric::MemoryLoadGbPerS => match finished.memory_traffic {
                Some(MemoryTraffic { moved_bytes, span_ns, .. }) if span_ns.0 > 0 => {
                    Ok(moved_bytes.0 as f64 / span_ns.0 as f64)
                }
                Some(_) => Err("nothing streamed for any time".to_owned()),
                None => Err(NO_MEMORY_LOAD.to_owned()),
            },
        }
    }

    /// Busy time less what the same CPUs do in the same time with both ends idle, over what was received in that
    /// time at the trial's goodput. Where this falls below 0 it is not left out for that, as only the high ones of such
    /// figures would remain; where others use much of the CPUs before the ends run, no trial beside that baseline has it.
    ///
    /// Busy is all that is not the idle loop, so that softirqs are in it whichever thread, idle or not, they came upon;
    /// only `cpuidle` in a guest counts those that wake an idle CPU as idle. `aside` is what is left out of it, in ns a ns.
    fn machine_cpu_ns_per_kib(
        &self,
        finished: &Finished,
        receiver: &SideSums,
        aside: f64,
    ) -> Result<f64, String> {
        // What two hosts take is both hosts' time, each for the bytes that passed while it was read.
        let there = finished
            .receiver_machine
            .as_deref()
            .map_or(Ok(0.0), |there| machine_cpu_ns_per_kib_of(there, None, 0.0, receiver))?;
        Ok(machine_cpu_ns_per_kib_of(&finished.machine, self.idle, aside, receiver)? + there)
    }

    /// [`machine_ns`] of the sending end's machine.
    ///
    /// # Errors
    /// The same.
    pub(crate) fn machine_ns(&self, finished: &Finished) -> Result<MachineNs, String> {
        machine_ns(&finished.machine, self.idle)
    }
}

fn present<T>(measured: &Measured<T>) -> Result<&T, String> {
    match measured {
        Measured::Value(value) => Ok(value),
        Measured::Absent { absent } => Err(absent.clone()),
    }
}

fn counted(count: &Measured<Count>) -> Result<f64, String> {
    present(count).map(|count| count.count as f64)
}

/// A figure of a side's windows a second.
fn per_s(figure: f64, side: &SideSums) -> f64 {
    figure / side.mean_window_ns * 1e9
}

/// A side's context switches: as `getrusage` has them, or else the counter.
pub(crate) fn context_switches<T>(side: &Side<T>) -> Result<u64, String> {
    match (&side.usage, &side.counters.context_switches) {
        (Measured::Value(usage), _) => {
            Ok(usage.voluntary_switches.saturating_add(usage.involuntary_switches))
        }
        (_, Measured::Value(count)) => Ok(count.count),
        (Measured::Absent { absent }, Measured::Absent { .. }) => Err(absent.clone()),
    }
}

fn softirq_ns_per_kib(finished: &Finished, receiver: &SideSums) -> Result<f64, String> {
    let there = finished.receiver_machine.as_deref();
    let there = there.map_or(Ok(0.0), |there| softirq_ns_per_kib_of(there, receiver))?;
    Ok(softirq_ns_per_kib_of(&finished.machine, receiver)? + there)
}

/// The same of one machine.
fn softirq_ns_per_kib_of(machine: &Machine, receiver: &SideSums) -> Result<f64, String> {
    let ticks = present(&machine.ticks)?;
    if ticks.span_ns.0 == 0 {
        return Err("softirq time was read over no time at all".to_owned());
    }
    let ns: f64 = ticks.softirq_ns.iter().map(|ns| *ns as f64).sum();
    let bytes = match machine.moved_bytes {
        Some(Bytes(0)) => return Err("no byte passed while softirq time was read".to_owned()),
        Some(moved) => moved.0 as f64,
        None => receiver.bytes_per_ns * ticks.span_ns.0 as f64,
    };
    Ok(ns / (bytes / KIB))
}

fn bytes_per_receive_call(window: &ReceiveTally) -> Result<f64, String> {
    match window.calls.receiving() {
        0 => Err("no receive call was made in the window".to_owned()),
        calls => Ok(window.received_bytes as f64 / calls as f64),
    }
}

fn bytes_per_packet(tcp: &TcpFacts) -> Result<f64, String> {
    match (tcp.sent_bytes, tcp.data_segments_out) {
        (Some(_), Some(0)) => Err("no segment was sent in the window".to_owned()),
        (Some(bytes), Some(segments)) => Ok(bytes as f64 / segments as f64),
        _ => Err("this kernel's TCP_INFO counts no segments or bytes sent".to_owned()),
    }
}

/// How long buffers are held; or why nobody can tell.
fn released(cell: &Cell, releases: Option<&Releases>, metric: Metric) -> Result<f64, String> {
    if !cell.passes_by_reference() {
        return Err(FREE_AT_RETURN.to_owned());
    }
    if !cell.send_path.capabilities().gets_notifications {
        return Err(NEVER_TOLD.to_owned());
    }
    if !cell.awaits_releases() {
        return Err(LEFT_UNREAD.to_owned());
    }
    let releases = releases.ok_or(NOT_TIMED)?;
    match metric.pooled() {
        Some(pooled) => of_trial(releases, pooled),
        None => Err("it is no figure of single messages".to_owned()),
    }
}

/// Waiting for the send buffer is a part of the busy time (tcp_get_info_chrono_stats of net/ipv4/tcp.c).
fn send_buffer_limited(tcp: &TcpFacts) -> Result<f64, String> {
    match (tcp.send_buffer_limited_us, tcp.busy_us) {
        (Some(_), Some(0)) => Err("TCP had nothing to send in the window".to_owned()),
        (Some(limited), Some(busy)) => Ok(limited as f64 / busy as f64),
        _ => Err("this kernel's TCP_INFO does not tell what held the sender back".to_owned()),
    }
}

/// Why nobody knows what was copied although completions came.
const UNRELIABLE_MARKS: &str = "an io_uring's copied marks mean something of requests that are alone: use --ring 1, and a path with one request a message";

/// Of the whole trial, drain included: completions of the window's messages come in after it.
fn copied_share(cell: &Cell, total: &SendTally) -> Result<f64, String> {
    match total.completed {
        0 if !cell.send_path.capabilities().gets_notifications => {
            Err("the path has no completions".to_owned())
        }
        0 if !cell.passes_by_reference() && !cell.copies_instead() => {
            Err("no field is as long as copy-below: all were copied".to_owned())
        }
        0 => Err("no zero-copy completion came: MSG_ZEROCOPY was an ordinary copy".to_owned()),
        _ if total.reliable_marks() == 0 => Err(UNRELIABLE_MARKS.to_owned()),
        _ => Ok(total.copied as f64 / total.reliable_marks() as f64),
    }
}
