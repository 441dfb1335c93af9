//! An end at another host, as the engine sees it.

use std::sync::Arc;

use crate::child::WhichEnd;
use crate::peering::Session;
use crate::protocol::{Order, PeerOrder};

/// One end at another host. Dropping it ends the process.
#[derive(Debug)]
pub(crate) struct EndAtPeer {
    pub(super) which: WhichEnd,
    /// Its number among those that were started there.
    pub(super) number: u32,
    pub(super) session: Arc<Session>,
}

impl EndAtPeer {
    /// Sends an order.
    pub(crate) fn order(&mut self, order: &Order) -> Result<(), String> {
        let sent = self.session.send(&PeerOrder::Order(Box::new(order.clone())));
        sent.map_err(|_| self.describe_exit())
    }

    /// How it ended, or the connection to its host.
    pub(crate) fn describe_exit(&mut self) -> String {
        let how = self.session.how_ended(self.number);
        format!("{} at {}: {how}", self.which.name(), self.session.name())
    }
}

impl Drop for EndAtPeer {
    fn drop(&mut self) {
        self.session.leave(self.number);
    }
}
