//! What follows for a cell from what its paths and its link can do.

use crate::cell::Cell;
use crate::missing::Missing;
use crate::names::{Completions, MemoryLoad, Sockets};
use crate::usable_cpus::BusyThreads;

impl Cell {
    /// What of its paths its link does not have, whatever the machine; none where it has both.
    pub fn lacks_path(&self) -> Option<Missing> {
        let Self { send_path, receive_path, link, .. } = self;
        let (name, no) = match link.lacks_sending(*send_path) {
            Some(no) => (send_path.name(), no),
            None => (receive_path.name(), link.lacks_receiving(*receive_path)?),
        };
        Some(
            Missing::of_itself(format!("{name} over {link}"))
                .because(no.because)
                .unlocked_by(no.instead),
        )
    }

    /// Whether its bytes are handed over by reference: the path does, the socket was told to where it must be
    /// (MSG_ZEROCOPY without SO_ZEROCOPY is an ordinary copy), and where short fields are copied one is long enough.
    pub fn passes_by_reference(&self) -> bool {
        let can = self.send_path.capabilities();
        can.passes_by_reference
            && !self.copies_instead()
            && (!can.copies_short_fields || self.longest_field() >= self.copy_below.bytes().0)
    }

    /// Whether a field of so many bytes is handed over by reference.
    pub fn passes_field(&self, bytes: u64) -> bool {
        let can = self.send_path.capabilities();
        self.passes_by_reference()
            && (!can.copies_short_fields || bytes >= self.copy_below.bytes().0)
    }

    /// Share of a message's bytes that is handed over by reference, from 0 to 1.
    pub fn share_by_reference(&self) -> f64 {
        if !self.passes_by_reference() {
            return 0.0;
        }
        let passed: u64 = self.field_lengths().filter(|bytes| self.passes_field(*bytes)).sum();
        passed as f64 / self.message.bytes().0 as f64
    }

    /// Whether its bytes are copied when they are delivered: passed by reference with a notification, over a link that copies
    /// those.
    pub fn is_copied_on_delivery(&self) -> bool {
        self.passes_by_reference()
            && self.send_path.capabilities().gets_notifications
            && self.link.copies_by_reference_on_delivery()
    }

    /// Whether the kernel holds its buffers until a notification of theirs is read, which its path does: what is copied is free when
    /// the call returns.
    pub fn awaits_releases(&self) -> bool {
        self.passes_by_reference()
            && self.send_path.capabilities().gets_notifications
            && self.completions == Completions::Read
    }

    /// Whether its path was told not to pass by reference, as it else would.
    pub fn copies_instead(&self) -> bool {
        !self.so_zerocopy.is_on() && self.send_path.capabilities().may_copy_instead()
    }

    /// Whether its path does what its name says, on connections of its workers' own and with nothing beside it: one that passes
    /// by reference may have been told not to, or not to read its completions, and workers to share a connection.
    pub fn is_itself(&self) -> bool {
        !self.copies_instead()
            && self.completions == Completions::Read
            && self.sockets == Sockets::Own
            && self.memory_load == MemoryLoad::Off
    }

    /// Threads that are busy on one machine in a trial: both ends' workers, and those that poll the senders' io_urings; without
    /// a receiver the senders and the helper, and where the ends run on two machines those of the sending one, which has no fewer.
    pub const fn busy_threads(&self) -> u32 {
        let link = self.link.capabilities();
        let is_of_one_host = self.link.is_of_one_host();
        let receivers = if is_of_one_host { self.threads.get() } else { 0 };
        let polling = if self.is_polled() { self.threads.get() } else { 0 };
        self.threads.get() + polling + receivers + link.has_helper as u32
    }

    /// The same on each host.
    pub const fn busy_on_hosts(&self) -> BusyThreads {
        let receiver = if self.link.is_of_one_host() { 0 } else { self.threads.get() };
        BusyThreads { sender: self.busy_threads(), receiver }
    }
}
