//! The TCP counters of an end's network namespace: retransmissions by kind.

use kernel::snmp::{Snmp, SnmpCounter};
use model::record::SnmpFacts;
use model::{Instrument as Name, Measured};

use super::{Edge, Instrument, Scope};

/// `/proc/self/net/snmp` and `netstat` at both edges.
#[derive(Debug)]
pub(crate) struct Namespace {
    marks: [Result<Snmp, String>; 2],
}

impl Instrument for Namespace {
    const NAME: Name = Name::TcpInfo;
    const SCOPE: Scope = Scope::Process;
    type Target<'t> = ();
    type Figures = Measured<SnmpFacts>;

    fn attach((): ()) -> Self {
        let unmarked = || Err("the end never saw both edges of the window".to_owned());
        Self { marks: [unmarked(), unmarked()] }
    }

    fn mark(&mut self, edge: Edge, (): ()) {
        self.marks[edge as usize] = Snmp::read().map_err(|why| why.to_string());
    }

    fn figures(&self) -> Measured<SnmpFacts> {
        let [start, end] = &self.marks;
        let gained = match (start, end) {
            (Ok(start), Ok(end)) => end.since(start),
            (Err(why), _) | (_, Err(why)) => return Measured::absent(why),
        };
        // RetransSegs is as old as the file; a kind that this kernel lacks never happened under that name.
        match gained.get(SnmpCounter::RetransSegs) {
            None => Measured::absent("/proc/self/net/snmp has no RetransSegs"),
            Some(retransmits) => {
                let kind = |counter| gained.get(counter).unwrap_or(0);
                Measured::Value(SnmpFacts {
                    retransmits,
                    fast: kind(SnmpCounter::FastRetrans),
                    slow_start: kind(SnmpCounter::SlowStartRetrans),
                    timeouts: kind(SnmpCounter::Timeouts),
                    loss_probes: kind(SnmpCounter::LossProbes),
                    spurious: kind(SnmpCounter::SpuriousRtos),
                    lost_again: kind(SnmpCounter::LostRetransmit),
                    backlog_drops: kind(SnmpCounter::BacklogDrop),
                })
            }
        }
    }
}
