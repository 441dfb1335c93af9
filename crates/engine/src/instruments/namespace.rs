//! The TCP counters of an end's network namespace: retransmissions by kind.

use kernel::snmp::{Snmp, SnmpCounter};
use model::record::SnmpFacts;
use model::{Instrument as Name, Measured};

use super::instrument::{Edge, Instrument, Scope};

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
        // Every kernel from 5.15 on has all of these; one that lacks any tells none, rather than a 0.
        let kind = |counter: SnmpCounter| {
            gained.get(counter).ok_or_else(|| format!("this kernel counts no {}", counter.name()))
        };
        let kinds = || -> Result<SnmpFacts, String> {
            Ok(SnmpFacts {
                retransmits: kind(SnmpCounter::RetransSegs)?,
                fast: kind(SnmpCounter::FastRetrans)?,
                slow_start: kind(SnmpCounter::SlowStartRetrans)?,
                timeouts: kind(SnmpCounter::Timeouts)?,
                loss_probes: kind(SnmpCounter::LossProbes)?,
                spurious: kind(SnmpCounter::SpuriousRtos)?,
                lost_again: kind(SnmpCounter::LostRetransmit)?,
                backlog_drops: kind(SnmpCounter::BacklogDrop)?,
            })
        };
        kinds().into()
    }
}
