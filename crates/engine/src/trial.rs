//! One trial over two ends: connect, run, collect.

use std::time::{Duration, Instant};

use kernel::clock;
use model::record::{Finished, Machine, NO_SINK};
use model::{Measured, Nanos};

use crate::auditing::Auditing;
use crate::child::WhichEnd;
use crate::connect::Connect;
use crate::ends::{Ends, TrialError, lost, wrong_reply};
use crate::instruments::Watched;
use crate::meeting::MEETING;
use crate::order::TrialOrder;
use crate::protocol::{Order, Reply, Report, Times};

/// How long a drain may take.
pub(crate) const DRAINING: Nanos = Nanos::s(15);
/// How long a reply may be late after the drain's own deadline.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
/// From the order to run until the start: both ends must have read it.
const AHEAD: Nanos = Nanos::ms(2);

/// A trial with all that was decided before it.
pub(crate) struct Trial<'t> {
    pub(crate) order: &'t TrialOrder,
    pub(crate) connect: Connect<'t>,
}

impl Trial<'_> {
    /// Runs it.
    ///
    /// # Errors
    /// What went wrong; the ends are then not to be used again.
    pub(crate) fn conduct(
        &self,
        ends: &mut Ends,
        mut auditing: Option<&mut Auditing<'_>>,
    ) -> Result<Finished, TrialError> {
        let Connect { seats, cpus, .. } = &self.connect;
        // Of this host, whichever end runs here.
        let by_receiver = seats.in_use_by_receiver(cpus).filter(|_| ends.sender.id().is_none());
        let watched = Watched {
            sender: ends.sender.id(),
            receiver: ends.receiver.id(),
            may_share_kernel: ends.may_share_kernel,
            has_helper: self.order.cell.link.capabilities().has_helper,
            speaks_tcp: self.order.cell.link.speaks_tcp(),
            cpus: by_receiver.unwrap_or_else(|| seats.in_use(cpus)),
        };
        if let Some(auditing) = &mut auditing {
            auditing.before_meeting(&watched);
        }
        self.connect.conduct(ends, auditing.as_deref_mut())?;
        if let Some(auditing) = &mut auditing {
            auditing.before_run(&watched);
        }
        self.start(ends)?;
        if !self.order.cell.link.capabilities().has_common_clock {
            self.stop(ends)?;
        }
        self.collect(ends)
    }

    /// Orders both ends to run.
    fn start(&self, ends: &mut Ends) -> Result<(), TrialError> {
        let has_common_clock = self.order.cell.link.capabilities().has_common_clock;
        let times = Times {
            start_ns: has_common_clock.then(|| clock::monotonic_ns() + AHEAD.0),
            warmup_ns: self.order.warmup,
            window_ns: self.order.window,
            tail_ns: self.order.tail,
            drain_ns: DRAINING,
        };
        // The receiver first: without a common clock it must be there before the load.
        ends.order(WhichEnd::Receiver, &Order::Run(times))?;
        if !has_common_clock {
            const PHASE: &str = "starting";
            let deadline = Instant::now() + GRACE + round_trip(ends);
            let Reply::Ready = ends.reply_from(WhichEnd::Receiver, deadline, PHASE)? else {
                return Err(wrong_reply(WhichEnd::Receiver, PHASE));
            };
        }
        ends.order(WhichEnd::Sender, &Order::Run(times))?;
        Ok(())
    }

    /// Without a common clock: waits until the receiving end has seen its window end under load, and has the senders stop.
    fn stop(&self, ends: &mut Ends) -> Result<(), TrialError> {
        const PHASE: &str = "measuring";
        let TrialOrder { warmup, window, .. } = self.order;
        let lasts = Duration::from_nanos(warmup.0.saturating_add(window.0));
        // As long as the first bytes may take to come, and the last worker to see some after its window.
        let deadline = Instant::now() + lasts + 2 * MEETING + round_trip(ends) + GRACE;
        let Reply::WindowOver = ends.reply_from(WhichEnd::Receiver, deadline, PHASE)? else {
            return Err(wrong_reply(WhichEnd::Receiver, PHASE));
        };
        // The sender first: receivers leave when the flows end.
        ends.order(WhichEnd::Sender, &Order::Finish)?;
        ends.order(WhichEnd::Receiver, &Order::Finish)?;
        Ok(())
    }

    /// Waits for both ends' reports.
    fn collect(&self, ends: &mut Ends) -> Result<Finished, TrialError> {
        const PHASE: &str = "measuring";
        let TrialOrder { warmup, window, tail, .. } = self.order;
        let lasts = AHEAD.0 + warmup.0 + window.0 + tail.0 + DRAINING.0;
        let deadline = Instant::now() + Duration::from_nanos(lasts) + round_trip(ends) + GRACE;
        let (mut sender, mut receiver) = (None, None);
        let (mut machine, mut there) = (None, None);
        let mut sink = Measured::absent(NO_SINK);
        while sender.is_none() || receiver.is_none() {
            match ends.next_reply(deadline, PHASE)? {
                (WhichEnd::Sender, Reply::Finished(report)) => match *report {
                    Report::Sent { side, machine: seen } => {
                        sender = Some(side);
                        machine = seen;
                    }
                    Report::Received { .. } | Report::Absorbed { .. } => {
                        return Err(wrong_reply(WhichEnd::Sender, PHASE));
                    }
                },
                (WhichEnd::Receiver, Reply::Finished(report)) => match *report {
                    Report::Received { side, machine: seen } => {
                        receiver = Some(side);
                        there = seen;
                    }
                    Report::Absorbed { side, facts, .. } => {
                        receiver = Some(side);
                        sink = Measured::Value(facts);
                    }
                    Report::Sent { .. } => return Err(wrong_reply(WhichEnd::Receiver, PHASE)),
                },
                (which, _) => return Err(wrong_reply(which, PHASE)),
            }
        }
        let (Some(sender), Some(receiver)) = (sender, receiver) else {
            return Err(lost("an end did not report"));
        };
        let machine = machine.unwrap_or_else(unwatched);
        let is_apart = self.connect.cpus.receiver.is_some();
        let receiver_machine = is_apart.then(|| Box::new(there.unwrap_or_else(unwatched)));
        let link = ends.raised.facts();
        Ok(Finished {
            sender,
            receiver,
            machine,
            receiver_machine,
            link,
            sink,
            memory_traffic: None,
        })
    }
}

/// How long a line takes to the end that is farther away, and its answer back.
fn round_trip(ends: &Ends) -> Duration {
    Duration::from_nanos(ends.raised.line_round_trip().0)
}

pub(crate) fn unwatched() -> Machine {
    const WHY: &str = "not read in this trial: the CPU time of a whole machine is read beside steady windows, which a series has in one round of three, and never without instruments (watch=none)";
    Machine {
        busy: Measured::absent(WHY),
        ticks: Measured::absent(WHY),
        khz: Measured::absent(WHY),
        moved_bytes: None,
        ends_cpu_ns: None,
        idle: None,
        load: None,
    }
}
