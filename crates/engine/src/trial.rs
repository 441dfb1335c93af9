//! One trial over two ends: connect, run, collect.

use std::time::{Duration, Instant};

use kernel::{clock, process};
use model::record::{Finished, Machine, NO_SINK};
use model::{Measured, Nanos};

use crate::auditing::Auditing;
use crate::child::WhichEnd;
use crate::ends::{Ends, TrialError, lost, unsupported, wrong_reply};
use crate::instruments::Watched;
use crate::order::TrialOrder;
use crate::placement::Seats;
use crate::protocol::{Meet, Order, Prepare, Reply, Report, Role, Times, Token};

/// How long an end may take to prepare, meeting and filling rings included.
const PREPARING: Duration = Duration::from_secs(75);
/// How long a drain may take.
const DRAINING: Nanos = Nanos::s(15);
/// How long a reply may be late after the drain's own deadline.
const GRACE: Duration = Duration::from_secs(5);
/// From the order to run until the start: both ends must have read it.
const AHEAD: Nanos = Nanos::ms(2);

/// A trial with all that was decided before it.
pub(crate) struct Trial<'t> {
    pub(crate) order: &'t TrialOrder,
    pub(crate) seats: &'t Seats,
    /// CPUs that the ends may use.
    pub(crate) usable: &'t [u32],
    /// The congestion control to set.
    pub(crate) congestion: String,
    /// Whether the receiver compares every byte with what was sent.
    pub(crate) check: bool,
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
        let watched = Watched {
            sender: ends.sender.id(),
            receiver: ends.receiver.id(),
            has_helper: self.order.cell.link.capabilities().has_helper,
            cpus: self.seats.in_use(self.usable),
        };
        if let Some(auditing) = &mut auditing {
            auditing.before_meeting(&watched);
        }
        self.connect(ends, auditing.as_deref_mut())?;
        if let Some(auditing) = &mut auditing {
            auditing.before_run(&watched);
        }
        self.start(ends)?;
        self.collect(ends)
    }

    /// Has both ends prepare and meet.
    fn connect(
        &self,
        ends: &mut Ends,
        auditing: Option<&mut Auditing<'_>>,
    ) -> Result<(), TrialError> {
        const PHASE: &str = "connecting";
        let token: Token = process::random_token().map_err(|error| error.to_string())?;
        let role = ends
            .raised
            .receiving_role(&self.order.cell, self.seats, self.usable)
            .map_err(unsupported)?;
        let prepare = |role, meet, worker_cpus: &[u32], machine_cpus: Vec<u32>| {
            Order::Prepare(Box::new(Prepare {
                role,
                cell: self.order.cell.clone(),
                meet,
                token,
                worker_cpus: worker_cpus.to_vec(),
                congestion: self.congestion.clone(),
                machine_cpus,
                check: self.check,
            }))
        };
        let deadline = Instant::now() + PREPARING;
        let listen = Meet::Listen(ends.raised.listening_address());
        ends.receiver.order(&prepare(role, listen, &self.seats.receivers, Vec::new()))?;
        let address = match ends.reply_from(WhichEnd::Receiver, deadline, PHASE)? {
            Reply::Listening(address) => address,
            Reply::Hello { .. }
            | Reply::Idle(_)
            | Reply::Ready
            | Reply::Finished(_)
            | Reply::Failed { .. } => return Err(wrong_reply(WhichEnd::Receiver, PHASE)),
        };
        if let Some(auditing) = auditing {
            auditing.before_connecting(address.port());
        }
        let connect = match role {
            Role::Absorb(_) => Meet::ConnectEach(address),
            Role::Send | Role::Receive => Meet::Connect(address),
        };
        let machine_cpus = self.seats.in_use(self.usable);
        ends.sender.order(&prepare(Role::Send, connect, &self.seats.senders, machine_cpus))?;
        for _ in 0..2 {
            match ends.next_reply(deadline, PHASE)? {
                (_, Reply::Ready) => {}
                (which, _) => return Err(wrong_reply(which, PHASE)),
            }
        }
        Ok(())
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
        ends.receiver.order(&Order::Run(times))?;
        ends.sender.order(&Order::Run(times))?;
        Ok(())
    }

    /// Waits for both ends' reports.
    fn collect(&self, ends: &mut Ends) -> Result<Finished, TrialError> {
        const PHASE: &str = "measuring";
        let TrialOrder { warmup, window, tail, .. } = self.order;
        let lasts = AHEAD.0 + warmup.0 + window.0 + tail.0 + DRAINING.0;
        let deadline = Instant::now() + Duration::from_nanos(lasts) + GRACE;
        let (mut sender, mut receiver) = (None, None);
        let mut machine = None;
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
                    Report::Received { side, .. } => receiver = Some(side),
                    Report::Absorbed { side, facts } => {
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
        Ok(Finished { sender, receiver, machine, link: ends.raised.facts(), sink })
    }
}

fn unwatched() -> Machine {
    const WHY: &str = "this control trial ran without instruments (watch=none)";
    Machine {
        busy: Measured::absent(WHY),
        ticks: Measured::absent(WHY),
        khz: Measured::absent(WHY),
    }
}
