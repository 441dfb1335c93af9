//! How many CPUs the ends of a trial may use, of one host or of one each.

use crate::host::Host;

/// CPUs that the ends may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsableCpus {
    /// Of the sending end's host.
    pub sender: usize,
    /// Of the receiving end's, where that is another one; none: both ends share the sender's.
    pub receiver: Option<usize>,
}

impl UsableCpus {
    /// With one fewer on each host.
    pub(crate) fn less_one(self) -> Self {
        let less = |cpus: usize| cpus.saturating_sub(1);
        Self { sender: less(self.sender), receiver: self.receiver.map(less) }
    }

    /// As a host's facts tell.
    pub fn of(host: &Host) -> Self {
        let sender = host.of_sender().usable_cpus.len();
        Self { sender, receiver: host.peer().map(|_| host.of_receiver().usable_cpus.len()) }
    }
}

impl From<usize> for UsableCpus {
    /// Both ends share them.
    fn from(cpus: usize) -> Self {
        Self { sender: cpus, receiver: None }
    }
}

/// Threads that are busy at once on each host of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusyThreads {
    /// On the sending end's, those of the receiving end among them where they share it.
    pub sender: u32,
    /// On the receiving end's, where that is another one.
    pub receiver: u32,
}

impl BusyThreads {
    /// How many share a CPU at most, where helpers have CPUs to themselves, which the others lack.
    pub(crate) fn shared_by(self, cpus: UsableCpus, helpers: u32) -> u32 {
        let on = |threads: u32, cpus: usize| {
            let cpus = cpus.saturating_sub(helpers as usize).max(1);
            threads.div_ceil(u32::try_from(cpus).unwrap_or(u32::MAX))
        };
        let sender = on(self.sender.saturating_sub(helpers), cpus.sender);
        cpus.receiver.map_or(sender, |receiver| sender.max(on(self.receiver, receiver)))
    }

    /// Whether there are more of them than CPUs.
    pub fn exceed(self, cpus: UsableCpus) -> bool {
        let more = |threads: u32, cpus: usize| cpus > 0 && threads as usize > cpus;
        more(self.sender, cpus.sender)
            || cpus.receiver.is_some_and(|receiver| more(self.receiver, receiver))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cell;

    #[test]
    fn each_host_has_its_own_ends_threads() {
        let on = |text: &str| text.parse::<Cell>().unwrap().busy_on_hosts();
        assert_eq!(on("link=ssh threads=4"), BusyThreads { sender: 4, receiver: 4 });
        assert_eq!(on("link=loopback threads=4"), BusyThreads { sender: 8, receiver: 0 });
        let polled = on("link=ssh send=uring-send sqpoll=on threads=4");
        assert_eq!(polled, BusyThreads { sender: 8, receiver: 4 });
        let hosts = |sender, receiver| UsableCpus { sender, receiver: Some(receiver) };
        // 4 threads on 16 CPUs here and 4 on 2 there: the other host is the crowded one.
        let four = BusyThreads { sender: 4, receiver: 4 };
        assert_eq!(four.shared_by(hosts(16, 2), 0), 2);
        assert_eq!(four.shared_by(hosts(16, 4), 0), 1);
        assert!(four.exceed(hosts(16, 2)) && four.exceed(hosts(2, 16)));
        assert!(!four.exceed(hosts(4, 4)) && !four.exceed(hosts(0, 0)));
        assert!(BusyThreads { sender: 8, receiver: 0 }.exceed(4.into()));
    }
}
