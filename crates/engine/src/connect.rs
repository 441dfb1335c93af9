//! How the two ends of a trial are prepared and meet.

use std::time::{Duration, Instant};

use model::Cell;

use crate::auditing::Auditing;
use crate::child::WhichEnd;
use crate::ends::{Ends, TrialError, unsupported, wrong_reply};
use crate::placement::{EndCpus, Seats};
use crate::protocol::{Among, Meet, Order, Prepare, Reply, Role, Token};

/// How long an end may take to prepare, meeting and filling rings included.
const PREPARING: Duration = Duration::from_secs(75);

/// A cell with all that was decided before its ends meet.
pub(crate) struct Connect<'t> {
    pub(crate) cell: &'t Cell,
    pub(crate) seats: &'t Seats,
    /// CPUs that the ends may use.
    pub(crate) cpus: &'t EndCpus,
    /// The congestion control to set.
    pub(crate) congestion: String,
    /// Whether the receiver compares every byte with what was sent.
    pub(crate) check: bool,
    /// Windows that will be measured.
    pub(crate) windows: usize,
    /// What every data connection begins with.
    pub(crate) token: Token,
    /// Its flows among those of all cells that are prepared side by side.
    pub(crate) among: Among,
}

impl Connect<'_> {
    /// Has both ends prepare and meet.
    pub(crate) fn conduct(
        &self,
        ends: &mut Ends,
        auditing: Option<&mut Auditing<'_>>,
    ) -> Result<(), TrialError> {
        const PHASE: &str = "connecting";
        let role = ends
            .raised
            .receiving_role(self.cell, self.seats, &self.cpus.of_receiver().usable)
            .map_err(unsupported)?;
        let prepare = |role, meet, worker_cpus: &[u32], machine_cpus: Vec<u32>| {
            Order::Prepare(Box::new(Prepare {
                role,
                cell: self.cell.clone(),
                meet,
                token: self.token,
                among: self.among,
                worker_cpus: worker_cpus.to_vec(),
                poller_cpus: if role == Role::Send {
                    self.seats.pollers.clone()
                } else {
                    Vec::new()
                },
                congestion: self.congestion.clone(),
                machine_cpus,
                check: self.check,
                windows: self.windows,
            }))
        };
        let deadline = Instant::now() + PREPARING;
        // One host's CPUs are read by one end.
        let of_receiver = self.seats.in_use_by_receiver(self.cpus).unwrap_or_default();
        let listen = Meet::Listen(ends.raised.listening_address());
        ends.order(WhichEnd::Receiver, &prepare(role, listen, &self.seats.receivers, of_receiver))?;
        let address = match ends.reply_from(WhichEnd::Receiver, deadline, PHASE)? {
            Reply::Listening(address) => address,
            Reply::Hello { .. }
            | Reply::Idle(_)
            | Reply::Ready
            | Reply::WindowOver
            | Reply::Paused { .. }
            | Reply::Drained
            | Reply::MachineRead
            | Reply::Finished(_)
            | Reply::Failed { .. } => return Err(wrong_reply(WhichEnd::Receiver, PHASE)),
        };
        if let Some(auditing) = auditing {
            // What has no port has no packets either.
            auditing.before_connecting(address.port().unwrap_or(0));
        }
        let connect = match role {
            Role::Absorb(_) => Meet::ConnectEach(address),
            Role::Send | Role::Receive => Meet::Connect(address),
        };
        let machine_cpus = self.seats.in_use(self.cpus);
        ends.order(
            WhichEnd::Sender,
            &prepare(Role::Send, connect, &self.seats.senders, machine_cpus),
        )?;
        for _ in 0..2 {
            match ends.next_reply(deadline, PHASE)? {
                (_, Reply::Ready) => {}
                (which, _) => return Err(wrong_reply(which, PHASE)),
            }
        }
        Ok(())
    }
}
