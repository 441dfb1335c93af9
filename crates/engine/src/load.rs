//! What else the machine did while a series lasted: read before its connections and after its last slice, never between.

use kernel::clock;
use model::record::Load;
use model::{Measured, Nanos};

use crate::child::EndHandle;
use crate::ends::Ends;
use crate::instruments::cpu_busy::{CpuBusy, softirqs_apart};
use crate::instruments::{Edge, Instrument};

/// The usable CPUs and copycost's own processes at the beginning of a series.
#[derive(Debug)]
pub(crate) struct LoadWatch {
    cpus: Vec<u32>,
    machine: CpuBusy,
    own_ns: Result<u64, String>,
    interrupts_apart: Measured<bool>,
}

impl LoadWatch {
    /// The first reading.
    pub(crate) fn begin(ends: &Ends, cpus: &[u32]) -> Self {
        // Asked first: it may start a process, the first time.
        let interrupts_apart = softirqs_apart();
        let mut machine = CpuBusy::attach(cpus);
        machine.mark(Edge::Start, cpus);
        Self { cpus: cpus.to_vec(), machine, own_ns: own_cpu_ns(ends), interrupts_apart }
    }

    /// The second reading, while both ends still live.
    pub(crate) fn end(mut self, ends: &Ends) -> Load {
        let own_ns =
            self.own_ns.and_then(|before| Ok(Nanos(own_cpu_ns(ends)?.saturating_sub(before))));
        self.machine.mark(Edge::End, &self.cpus);
        let seen = self.machine.figures();
        Load {
            busy: seen.busy,
            ticks: seen.ticks,
            khz: seen.khz,
            own_cpu_ns: own_ns.into(),
            interrupts_apart: self.interrupts_apart,
        }
    }
}

/// CPU time of the ends of this host and of this process so far.
fn own_cpu_ns(ends: &Ends) -> Result<u64, String> {
    let of = |process| clock::cpu_ns_of(process).map_err(|error| error.to_string());
    let ends = [&ends.sender, &ends.receiver].into_iter().filter_map(EndHandle::id);
    ends.map(of).sum::<Result<u64, String>>().map(|ends_ns| ends_ns + clock::process_cpu_ns())
}
