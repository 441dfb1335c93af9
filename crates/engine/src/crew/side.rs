//! What a side's workers saw, added up for the record.

use kernel::usage;
use model::record::{Counters, Side, SocketFacts, Usage, Worker};
use model::{Bytes, Measured, Nanos};

use super::{Crew, Done, Tally};
use crate::instruments::Instrument;
use crate::instruments::counters;
use crate::instruments::flows;
use crate::instruments::namespace::Namespace;
use crate::instruments::throttling::Throttling;

impl<T: Tally> Crew<T> {
    /// The side's part of the record.
    pub(super) fn side(
        &self,
        done: &[Done<T>],
        first_ns: u64,
        socket: SocketFacts,
        namespace: Option<&Namespace>,
        throttling: Option<&Throttling>,
    ) -> Side<T> {
        const UNWATCHED: &str = "this control trial ran without instruments (watch=none)";
        let mut window = T::default();
        let mut total = T::default();
        let mut usage: Measured<Usage> = Measured::Value(Usage::default());
        let mut counted: Option<Counters> = None;
        let mut tcp = Measured::Value(Vec::new());
        let mut after_cpu_ns = 0;
        let mut edge_ns = 0;
        for worker in done {
            total.add(&worker.total);
            edge_ns += worker.watch.edge_ns;
            if let (Some(start), Some(end)) = (&worker.watch.start, &worker.watch.end) {
                window.add(&end.tally.since(&start.tally));
                after_cpu_ns += worker.cpu_ns.saturating_sub(end.cpu_ns);
            }
            let Some(attached) = &worker.watch.attached else {
                usage = Measured::absent(UNWATCHED);
                tcp = Measured::absent(UNWATCHED);
                continue;
            };
            if let Measured::Value(sum) = &mut usage {
                sum.add(&attached.rusage.figures());
            }
            let figures = attached.counters.figures();
            match &mut counted {
                None => counted = Some(figures),
                Some(sum) => sum.add(&figures),
            }
            match (&mut tcp, attached.flows.figures()) {
                (Measured::Value(all), Measured::Value(flows)) => all.extend(flows),
                (Measured::Value(_), Measured::Absent { absent }) => tcp = Measured::absent(absent),
                (Measured::Absent { .. }, _) => {}
            }
        }
        let mut counters = counted.unwrap_or_else(|| Counters::absent(UNWATCHED));
        counters.cache_misses_event = match counters.cache_misses.reason() {
            Some(reason) => Measured::absent(reason),
            None => counters::cache_misses_event(),
        };
        Side {
            workers: done.iter().map(|worker| brief(worker, first_ns)).collect(),
            window,
            total,
            usage,
            after_cpu_ns: Nanos(after_cpu_ns),
            counters,
            tcp: match tcp {
                Measured::Value(flows) => flows::sum(&flows),
                Measured::Absent { absent } => Measured::absent(absent),
            },
            snmp: namespace.map_or_else(|| Measured::absent(UNWATCHED), Instrument::figures),
            strangers: self.strangers,
            edge_ns: Nanos(edge_ns),
            peak_rss_bytes: Bytes(usage::peak_rss_bytes()),
            ring_bytes: Bytes(self.ring_bytes),
            socket,
            throttled_us: throttling
                .map_or_else(|| Measured::absent(UNWATCHED), Instrument::figures),
        }
    }
}

fn brief<T: Tally>(worker: &Done<T>, first_ns: u64) -> Worker {
    let (Some(start), Some(end)) = (&worker.watch.start, &worker.watch.end) else {
        // It never saw the window: an empty one, which is marked.
        return Worker {
            late_ns: i64::MAX,
            window_ns: Nanos(0),
            bytes: Bytes(0),
            cpu_ns: Nanos(0),
            third_bytes: [0; 3],
            third_ns: [0; 3],
        };
    };
    let edges = [
        (start.moment_ns, start.tally.bytes()),
        worker.watch.inner[0],
        worker.watch.inner[1],
        (end.moment_ns, end.tally.bytes()),
    ];
    let third = |n: usize| {
        let ((from, before), (to, after)) = (edges[n], edges[n + 1]);
        (to.saturating_sub(from), after.saturating_sub(before))
    };
    let thirds = [third(0), third(1), third(2)];
    let late = i128::from(start.moment_ns) - i128::from(first_ns);
    Worker {
        late_ns: i64::try_from(late).unwrap_or(i64::MAX),
        window_ns: Nanos(end.moment_ns.saturating_sub(start.moment_ns)),
        bytes: Bytes(end.tally.bytes().saturating_sub(start.tally.bytes())),
        cpu_ns: Nanos(end.cpu_ns.saturating_sub(start.cpu_ns)),
        third_bytes: thirds.map(|(_, bytes)| bytes),
        third_ns: thirds.map(|(ns, _)| ns),
    }
}
