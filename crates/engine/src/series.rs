//! A series: the cells of a block side by side over two ends, taking turns in slices.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use model::record::{
    CpuBusy, Finished, LinkFacts, Machine, MemoryTraffic, NO_SINK, ReceiveTally, SendTally,
    SeriesSettings, Side, SinkFacts,
};
use model::{Bytes, Measured, Nanos};

use crate::child::WhichEnd;
use crate::connect::Connect;
use crate::ends::{Ends, TrialError, lost, wrong_reply};
use crate::gate::SliceKind;
use crate::instruments::memory_load::{MemoryLoad, Streaming, Traffic};
use crate::load::LoadWatch;
use crate::meeting::MEETING;
use crate::order::{SeriesOrder, SliceTimes};
use crate::protocol::{Order, Reply, Report, Slice};
use crate::stalls;
use crate::trial::{DRAINING, GRACE, unwatched};

/// Load before a steady window begins: reading the idle clocks disturbs a CPU for this long (`READING_NS` of the crew).
const STEADY_SETTLE: Nanos = Nanos::ms(30);

/// A series with all that was decided before it.
pub(crate) struct Series<'t> {
    pub(crate) order: &'t SeriesOrder,
    /// CPUs of this host that copycost may use.
    pub(crate) here: &'t [u32],
    /// In the order of the order's cells.
    pub(crate) connect: Vec<Connect<'t>>,
    /// What streams through memory beside the cells that ask for it.
    pub(crate) memory_load: Option<&'t MemoryLoad>,
}

/// A slice that is over, for who watches: roughly what it moved, from the order that begins it to the silence after it. No figure is
/// made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SliceSeen {
    /// Which of the series' cells.
    pub cell: usize,
    /// Payload that its senders sent.
    pub bytes: Bytes,
    /// How long it took.
    pub took: Duration,
}

/// A series that went wrong.
pub(crate) struct SeriesError {
    /// The cell that it happened to, where that is known.
    pub(crate) cell: Option<usize>,
    pub(crate) error: TrialError,
}

impl Series<'_> {
    /// Runs it: every cell's record, in order. `seen` is told of each counted slice in the silence after it.
    ///
    /// # Errors
    /// What went wrong and where; the ends are then not to be used again.
    pub(crate) fn conduct(
        &self,
        ends: &mut Ends,
        seen: &mut dyn FnMut(SliceSeen),
    ) -> Result<Vec<Finished>, SeriesError> {
        let watch = LoadWatch::begin(ends, self.here);
        let mut links = Vec::with_capacity(self.connect.len());
        let mut traffic = Traffic::default();
        for (cell, connect) in self.connect.iter().enumerate() {
            connect.conduct(ends, None).map_err(|error| SeriesError { cell: Some(cell), error })?;
            links.push(ends.raised.facts());
        }
        let SeriesOrder { warmup_turns, warmup_window, turns, slice, steady, .. } = self.order;
        let warmup = SliceTimes { window: *warmup_window, ..*slice };
        // What each cell's senders have sent since the start.
        let mut sent = vec![0; self.connect.len()];
        for (kind, slice, turns) in
            [(SliceKind::Warmup, warmup, warmup_turns), (SliceKind::Counted, *slice, turns)]
        {
            for cell in turns.iter().flatten().copied() {
                let begun = Instant::now();
                let (by_now, streamed) = self.take(ends, cell, kind, slice)?;
                let Some(sent) = sent.get_mut(cell) else { continue };
                let bytes = by_now.saturating_sub(std::mem::replace(sent, by_now));
                if kind == SliceKind::Counted {
                    if let Some(streamed) = streamed {
                        traffic.add(cell, streamed);
                    }
                    seen(SliceSeen { cell, bytes: Bytes(bytes), took: begun.elapsed() });
                }
            }
        }
        let mut idle = None;
        if let Some((window, turn)) = steady {
            idle = Some(self.steady(ends, *window, turn)?);
        }
        let load = Box::new(watch.end(ends));
        let are_apart = self.are_apart();
        let finished =
            collect(ends, links, are_apart).map_err(|error| SeriesError { cell: None, error })?;
        let sends_here = ends.sender.id().is_some();
        let (idle, idle_there) = idle.unzip();
        let beside = |mut finished: Finished| {
            let Finished { sender, receiver, .. } = &mut finished;
            stalls::settle(&mut sender.workers, &mut receiver.workers, slice.window.0);
            let machine = &mut finished.machine;
            machine.idle = machine.moved_bytes.and(idle.clone());
            if let Some(there) = &mut finished.receiver_machine {
                there.idle = there.moved_bytes.and(idle_there.clone().flatten());
                if !sends_here {
                    there.load = Some(load.clone());
                }
            }
            if sends_here {
                finished.machine.load = Some(load.clone());
            }
            finished
        };
        let with_traffic = |(cell, finished): (usize, Finished)| Finished {
            memory_traffic: traffic.of(cell),
            ..finished
        };
        Ok(finished.into_iter().map(beside).enumerate().map(with_traffic).collect())
    }

    /// One long window of each cell, with the idle clocks read in the silence before and after.
    fn steady(
        &self,
        ends: &mut Ends,
        window: Nanos,
        turn: &[usize],
    ) -> Result<(Measured<CpuBusy>, Option<Measured<CpuBusy>>), SeriesError> {
        let of_all = |error| SeriesError { cell: None, error };
        let in_use = |connect: &Connect<'_>| connect.seats.in_use(connect.cpus);
        let cpus: BTreeSet<u32> = self.connect.iter().flat_map(in_use).collect();
        let cpus: Vec<u32> = cpus.into_iter().collect();
        let idle = ends.idle(WhichEnd::Sender, &cpus, window).map_err(of_all)?;
        let in_use = |connect: &Connect<'_>| connect.seats.in_use_by_receiver(connect.cpus);
        let there: BTreeSet<u32> = self.connect.iter().filter_map(in_use).flatten().collect();
        let idle_there = if self.are_apart() {
            let there: Vec<u32> = there.into_iter().collect();
            Some(ends.idle(WhichEnd::Receiver, &there, window).map_err(of_all)?)
        } else {
            None
        };
        let slice = SliceTimes { settle: STEADY_SETTLE, window };
        for cell in turn {
            let read = |ends: &mut Ends, is_end| {
                let order = Order::ReadMachine { crew: *cell, is_end };
                for which in [WhichEnd::Receiver, WhichEnd::Sender] {
                    ends.order(which, &order).map_err(of_all)?;
                }
                (0..2).try_for_each(|_| match ends.next_reply(Instant::now() + GRACE, "reading") {
                    Ok((_, Reply::MachineRead)) => Ok(()),
                    Ok((which, _)) => Err(of_all(wrong_reply(which, "reading"))),
                    Err(error) => Err(of_all(error)),
                })
            };
            read(ends, false)?;
            self.take(ends, *cell, SliceKind::Steady, slice)?;
            read(ends, true)?;
        }
        Ok((idle, idle_there))
    }

    /// Whether the ends run on two hosts.
    fn are_apart(&self) -> bool {
        self.connect.iter().any(|connect| connect.cpus.receiver.is_some())
    }

    /// One slice of one cell, from silence to silence; returns the bytes that its senders have sent since the start, and what streamed
    /// through memory beside it.
    fn take(
        &self,
        ends: &mut Ends,
        crew: usize,
        kind: SliceKind,
        slice: SliceTimes,
    ) -> Result<(u64, Option<MemoryTraffic>), SeriesError> {
        let mut taken = || {
            let mut streaming = None;
            if let Some(connect) = self.connect.get(crew) {
                ends.turn_to(connect.seats)?;
                streaming = MemoryLoad::beside(self.memory_load, connect.seats)?;
            }
            let sent = slice_of(ends, crew, kind, slice)?;
            Ok((sent, streaming.map(Streaming::end).transpose()?))
        };
        taken().map_err(|error| SeriesError { cell: Some(crew), error })
    }

    /// How the record of a cell tells of the series.
    pub(crate) fn settings(&self, cell: usize) -> SeriesSettings {
        let place = |turn: &Vec<usize>| {
            let place = turn.iter().position(|other| *other == cell).unwrap_or(0);
            u32::try_from(place).unwrap_or(u32::MAX)
        };
        let SeriesOrder { warmup_turns, turns, slice, steady, .. } = self.order;
        SeriesSettings {
            settle_ns: slice.settle,
            window_ns: slice.window,
            warmup_turns: u32::try_from(warmup_turns.len()).unwrap_or(u32::MAX),
            places: turns.iter().map(place).collect(),
            steady_ns: steady.as_ref().map_or(Nanos(0), |(window, _)| *window),
        }
    }
}

fn slice_of(
    ends: &mut Ends,
    crew: usize,
    kind: SliceKind,
    slice: SliceTimes,
) -> Result<u64, TrialError> {
    const PHASE: &str = "measuring";
    let SliceTimes { settle, window } = slice;
    let order = Order::Slice(Slice {
        crew,
        kind,
        settle_ns: settle,
        window_ns: window,
        drain_ns: DRAINING,
    });
    let deadline = || {
        Instant::now()
            + Duration::from_nanos(settle.0 + window.0 + DRAINING.0)
            + 2 * MEETING
            + GRACE
    };
    // The receiver first: it must be there before the load, as its slice begins with the first bytes.
    ends.order(WhichEnd::Receiver, &order)?;
    ends.order(WhichEnd::Sender, &order)?;
    let Reply::WindowOver = ends.reply_from(WhichEnd::Receiver, deadline(), PHASE)? else {
        return Err(wrong_reply(WhichEnd::Receiver, PHASE));
    };
    ends.order(WhichEnd::Sender, &Order::Pause { crew })?;
    let Reply::Paused { bytes } = ends.reply_from(WhichEnd::Sender, deadline(), PHASE)? else {
        return Err(wrong_reply(WhichEnd::Sender, PHASE));
    };
    ends.order(WhichEnd::Receiver, &Order::Drain { crew, bytes })?;
    let Reply::Drained = ends.reply_from(WhichEnd::Receiver, deadline(), PHASE)? else {
        return Err(wrong_reply(WhichEnd::Receiver, PHASE));
    };
    Ok(bytes)
}

/// What a receiving end told of a cell.
type Received = (Side<ReceiveTally>, Option<Machine>, Measured<SinkFacts>);

/// Ends the series and waits for the reports of every crew of both ends.
fn collect(
    ends: &mut Ends,
    links: Vec<Measured<LinkFacts>>,
    are_apart: bool,
) -> Result<Vec<Finished>, TrialError> {
    const PHASE: &str = "collecting";
    let crews = links.len();
    let deadline = Instant::now() + Duration::from_nanos(DRAINING.0) + GRACE;
    // The sender first: receivers leave when the flows end.
    ends.order(WhichEnd::Sender, &Order::Finish)?;
    ends.order(WhichEnd::Receiver, &Order::Finish)?;
    let mut sent: Vec<(Side<SendTally>, _)> = Vec::with_capacity(crews);
    let mut received: Vec<Received> = Vec::with_capacity(crews);
    while sent.len() < crews || received.len() < crews {
        match ends.next_reply(deadline, PHASE)? {
            (which, Reply::Finished(report)) => match (which, *report) {
                (WhichEnd::Sender, Report::Sent { side, machine }) => sent.push((side, machine)),
                (WhichEnd::Receiver, Report::Received { side, machine }) => {
                    received.push((side, machine, Measured::absent(NO_SINK)));
                }
                (WhichEnd::Receiver, Report::Absorbed { side, facts, machine }) => {
                    received.push((side, machine, Measured::Value(facts)));
                }
                (which, _) => return Err(wrong_reply(which, PHASE)),
            },
            (which, _) => return Err(wrong_reply(which, PHASE)),
        }
    }
    if sent.len() != received.len() {
        return Err(lost("the ends did not report the same cells"));
    }
    let both = |(of_sender, of_receiver): (Option<Machine>, Option<Machine>)| {
        let mut machine = of_sender.unwrap_or_else(unwatched);
        if are_apart {
            return (machine, Some(Box::new(of_receiver.unwrap_or_else(unwatched))));
        }
        let receiver_ns = of_receiver.and_then(|machine| machine.ends_cpu_ns);
        let ends_ns = machine.ends_cpu_ns.zip(receiver_ns);
        machine.ends_cpu_ns = ends_ns.map(|(sender, receiver)| Nanos(sender.0 + receiver.0));
        (machine, None)
    };
    let finished = sent.into_iter().zip(received).zip(links).map(
        |(((sender, seen), (receiver, own, sink)), link)| {
            let (machine, receiver_machine) = both((seen, own));
            Finished {
                sender,
                receiver,
                machine,
                receiver_machine,
                link,
                sink,
                memory_traffic: None,
            }
        },
    );
    Ok(finished.collect())
}
