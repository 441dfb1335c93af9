//! What a side's workers saw, added up for the record.

use kernel::usage;
use model::record::{Counters, Held, NO_TCP, Side, Slices, SocketFacts, Span, Usage, Worker};
use model::{Bytes, Measured, Nanos};

use super::{Crew, Done, RingThreads, Tally};
use crate::instruments::Instrument;
use crate::instruments::counters;
use crate::instruments::flows;
use crate::instruments::namespace::Namespace;
use crate::instruments::throttling::Throttling;
use crate::release_times::ReleaseTimes;
use crate::watch::{Snapshot, Waited, Window};

impl<T: Tally> Crew<T> {
    /// The side's part of the record.
    pub(super) fn side(
        &self,
        done: &[Done<T>],
        ordered_ns: &[u64],
        socket: SocketFacts,
        namespace: Option<&Namespace>,
        throttling: Option<&Throttling>,
    ) -> Side<T> {
        const UNWATCHED: &str = "this control trial ran without instruments (watch=none)";
        let mut window = T::default();
        let mut total = T::default();
        let mut usage: Measured<Usage> = Measured::Value(Usage::default());
        let mut counters: Option<Counters> = None;
        let mut tcp = Measured::Value(Vec::new());
        let mut after_cpu_ns = 0;
        let mut edge_ns = 0;
        for worker in done {
            total.add(&worker.total);
            edge_ns += worker.watch.edge_ns;
            for (start, end) in counted(&worker.watch.windows) {
                window.add(&end.tally.since(&start.tally));
            }
            let open = worker.watch.after_from;
            after_cpu_ns +=
                worker.watch.after_ns + open.map_or(0, |from| worker.cpu_ns.saturating_sub(from));
            let Some(attached) = &worker.watch.attached else {
                usage = Measured::absent(UNWATCHED);
                tcp = Measured::absent(UNWATCHED);
                continue;
            };
            if let Measured::Value(sum) = &mut usage {
                sum.add(&attached.rusage.figures());
            }
            let figures = attached.counters.figures();
            match &mut counters {
                None => counters = Some(figures),
                Some(sum) => sum.add(&figures),
            }
            if !worker.watch.reads_flows {
                continue;
            }
            match (&mut tcp, attached.flows.figures()) {
                (Measured::Value(all), Measured::Value(flows)) => all.extend(flows),
                (Measured::Value(_), Measured::Absent { absent }) => tcp = Measured::absent(absent),
                (Measured::Absent { .. }, _) => {}
            }
        }
        let beside = self.ring_threads.as_ref().map(RingThreads::in_windows).unwrap_or_default();
        let mut workers: Vec<Worker> = done
            .iter()
            .map(|Done { watch, .. }| worker(&watch.windows, watch.inner, ordered_ns))
            .collect();
        charge(&mut workers, &beside);
        let ring_threads = self.ring_threads.as_ref().map(|threads| {
            after_cpu_ns += threads.after_ns();
            let steady = done.first().map_or(0, |worker| {
                worker.watch.windows.iter().filter(|window| window.is_steady).count()
            });
            threads.figures(beside.len().saturating_sub(steady))
        });
        let speaks_tcp = self.prepare.cell.link.speaks_tcp();
        let no_namespace = if speaks_tcp { UNWATCHED } else { NO_TCP };
        if !speaks_tcp {
            tcp = Measured::absent(NO_TCP);
        }
        let mut counters = counters.unwrap_or_else(|| Counters::absent(UNWATCHED));
        counters.cache_misses_event = match counters.cache_misses.reason() {
            Some(reason) => Measured::absent(reason),
            None => counters::cache_misses_event(),
        };
        Side {
            workers,
            ring_threads,
            window,
            total,
            usage,
            after_cpu_ns: Nanos(after_cpu_ns),
            counters,
            tcp: match tcp {
                Measured::Value(flows) => flows::sum(&flows),
                Measured::Absent { absent } => Measured::absent(absent),
            },
            snmp: namespace.map_or_else(|| Measured::absent(no_namespace), Instrument::figures),
            strangers: self.strangers,
            edge_ns: Nanos(edge_ns),
            peak_rss_bytes: Bytes(usage::peak_rss_bytes()),
            ring_bytes: Bytes(self.ring_bytes),
            socket,
            throttled_us: throttling
                .map_or_else(|| Measured::absent(UNWATCHED), Instrument::figures),
            releases: ReleaseTimes::sum(done.iter().filter_map(|worker| worker.releases.as_ref()))
                .map(|times| Box::new(times.record())),
        }
    }
}

/// Both edges of the windows whose sums the record holds.
pub(crate) fn counted<T>(
    windows: &[Window<T>],
) -> impl Iterator<Item = (&Snapshot<T>, &Snapshot<T>)> {
    let windows = windows.iter().filter(|window| !window.is_steady);
    windows.filter_map(|window| Some((&window.start, window.end.as_ref()?)))
}

/// Adds to each worker its part of what others took for all of them, window by window; the steady one comes last.
fn charge(workers: &mut [Worker], beside: &[u64]) {
    let count = workers.len().max(1) as u64;
    for (place, worker) in workers.iter_mut().enumerate() {
        // What does not divide is the first one's.
        let part = |ns: &u64| ns / count + if place == 0 { ns % count } else { 0 };
        let parts: Vec<u64> = beside.iter().map(part).collect();
        let counted = match &mut worker.steady {
            Some(steady) => {
                let Some((last, counted)) = parts.split_last() else { continue };
                steady.cpu_ns += last;
                counted
            }
            None => &parts[..],
        };
        worker.cpu_ns.0 += counted.iter().sum::<u64>();
        for (slice, ns) in worker.slices.cpu_ns.iter_mut().zip(counted) {
            *slice += ns;
        }
    }
}

fn span<T: Tally>(start: &Snapshot<T>, end: &Snapshot<T>) -> Span {
    Span {
        window_ns: end.moment_ns.saturating_sub(start.moment_ns),
        bytes: end.tally.bytes().saturating_sub(start.tally.bytes()),
        cpu_ns: end.cpu_ns.saturating_sub(start.cpu_ns),
    }
}

/// A worker, briefly: its windows, moment and bytes at the two inner edges of a window that is the only one, and when each
/// window was to begin.
pub(crate) fn worker<T: Tally>(
    windows: &[Window<T>],
    inner: [(u64, u64); 2],
    ordered_ns: &[u64],
) -> Worker {
    let spans: Vec<Span> = counted(windows).map(|(start, end)| span(start, end)).collect();
    let late = windows.iter().zip(ordered_ns).map(|(window, ordered)| {
        let late = i128::from(window.start.moment_ns) - i128::from(*ordered);
        i64::try_from(late).unwrap_or(i64::MAX)
    });
    let sum = |of: fn(&Span) -> u64| spans.iter().map(of).sum::<u64>();
    let (third_bytes, third_ns) = thirds(windows, inner, &spans);
    let mut slices = Slices::default();
    if ordered_ns.len() > 1 {
        spans.iter().for_each(|span| slices.push(*span));
        let of = |(start, end): (&Snapshot<T>, &Snapshot<T>)| {
            end.tally.since(&start.tally).completions()
        };
        let completions: Vec<u64> = counted(windows).map(of).collect();
        if completions.iter().any(|n| *n > 0) {
            slices.completions = completions;
        }
        slices.held = held(windows, ordered_ns);
    }
    let steady = windows.iter().rfind(|window| window.is_steady);
    Worker {
        // One that never saw a window has an empty one, which is marked.
        late_ns: late.max().unwrap_or(i64::MAX),
        window_ns: Nanos(sum(|span| span.window_ns)),
        bytes: Bytes(sum(|span| span.bytes)),
        cpu_ns: Nanos(sum(|span| span.cpu_ns)),
        third_bytes,
        third_ns,
        slices,
        steady: steady.and_then(|window| Some(span(&window.start, window.end.as_ref()?))),
    }
}

/// How each slice's window held its worker; which of them say something is decided where both ends are known. None where a wait for a
/// CPU is not told.
fn held<T>(windows: &[Window<T>], ordered_ns: &[u64]) -> Option<Vec<Held>> {
    let counted = windows.iter().filter(|window| !window.is_steady && window.end.is_some());
    let of_one = |((slice, window), ordered): ((usize, &Window<T>), &u64)| -> Option<Option<Held>> {
        let end = window.end.as_ref()?;
        let waited_ns = match window.waited {
            Waited::Unknown => return None,
            Waited::Unasked => return Some(None),
            Waited::For(ns) => ns,
        };
        let (from, cpu_from) =
            window.unseen_since.unwrap_or((window.start.moment_ns, window.start.cpu_ns));
        Some(Some(Held {
            slice: u32::try_from(slice).ok()?,
            before_ns: window.unseen_since.map(|(since, _)| ordered.saturating_sub(since)),
            held_ns: end.moment_ns.saturating_sub(from),
            cpu_ns: end.cpu_ns.saturating_sub(cpu_from),
            waited_ns,
            stalled: false,
        }))
    };
    let all: Option<Vec<Option<Held>>> = counted.enumerate().zip(ordered_ns).map(of_one).collect();
    Some(all?.into_iter().flatten().collect())
}

/// Bytes and length of each third: of the one window, or of the slices.
fn thirds<T: Tally>(
    windows: &[Window<T>],
    inner: [(u64, u64); 2],
    spans: &[Span],
) -> ([u64; 3], [u64; 3]) {
    let (mut bytes, mut ns) = ([0; 3], [0; 3]);
    if let [_] = spans
        && let Some((start, end)) = counted(windows).next()
    {
        let edges = [
            (start.moment_ns, start.tally.bytes()),
            inner[0],
            inner[1],
            (end.moment_ns, end.tally.bytes()),
        ];
        for (n, pair) in edges.windows(2).enumerate() {
            let [(from, before), (to, after)] = pair else { continue };
            ns[n] = to.saturating_sub(*from);
            bytes[n] = after.saturating_sub(*before);
        }
    } else {
        for (n, span) in spans.iter().enumerate() {
            let third = n * 3 / spans.len();
            ns[third] += span.window_ns;
            bytes[third] += span.bytes;
        }
    }
    (bytes, ns)
}

#[cfg(test)]
mod charge_tests {
    use super::*;

    fn worker(cpu_ns: &[u64], steady: Option<u64>) -> Worker {
        let mut slices = Slices::default();
        for ns in cpu_ns {
            slices.push(Span { window_ns: 1, bytes: 1, cpu_ns: *ns });
        }
        Worker {
            late_ns: 0,
            window_ns: Nanos(1),
            bytes: Bytes(1),
            cpu_ns: Nanos(cpu_ns.iter().sum()),
            third_bytes: [0; 3],
            third_ns: [0; 3],
            slices,
            steady: steady.map(|cpu_ns| Span { window_ns: 1, bytes: 1, cpu_ns }),
        }
    }

    #[test]
    fn workers_share_what_others_took_for_them_window_by_window_and_nothing_is_lost() {
        let mut workers = vec![worker(&[10, 20], Some(5)), worker(&[30, 40], Some(6))];
        charge(&mut workers, &[101, 7, 9]);
        let of = |n: usize| {
            let it = &workers[n];
            (it.slices.cpu_ns.clone(), it.cpu_ns.0, it.steady.map(|span| span.cpu_ns))
        };
        // 101 = 51 + 50, 7 = 4 + 3, and the last window is the steady one: 9 = 5 + 4.
        assert_eq!(of(0), (vec![61, 24], 85, Some(10)));
        assert_eq!(of(1), (vec![80, 43], 123, Some(10)));
    }

    #[test]
    fn without_a_steady_window_the_last_one_counts_and_without_figures_nothing_changes() {
        let mut workers = vec![worker(&[10, 20], None)];
        charge(&mut workers, &[]);
        assert_eq!(workers[0].cpu_ns, Nanos(30));
        charge(&mut workers, &[1, 2]);
        assert_eq!(
            (workers[0].cpu_ns, workers[0].slices.cpu_ns.clone()),
            (Nanos(33), vec![11, 22])
        );
    }
}
