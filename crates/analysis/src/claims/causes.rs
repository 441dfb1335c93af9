//! C13, C14, C15 and C17: causes given for the fall at 8 threads.
//!
//! Where there is no fall, there is nothing to explain. Else a counter may refute a cause; showing one takes a counter
//! and an intervention.

use model::names::{Completions, Switch};
use model::values::SocketBuffer;
use model::{Cell, Factor, MemoryLoad, ReceivePath, RunCommand, SendPath, Sockets};

use super::threads::{GOODPUT, LARGE, falls, measure_falls};
use super::{Missing, PartKind, Reference, Ruling, Shown, effect, premise};
use crate::comparisons::{
    against, completions, of_moments, paths_asked, sizes_asked, threads, threads_asked, unmeasured,
};
use crate::estimate::Moments;
use crate::evidence::{Evidence, figure};
use crate::metric::Metric;
use crate::operands::Compared;
use crate::operands::names;
use crate::reason::{Derived, Figured, Reason, Unseen};

/// What every cause of the fall takes for granted, and the falls that show it; no more follows where it is not open.
pub(super) fn fall(evidence: &Evidence<'_>) -> (Ruling, Vec<Compared>) {
    let falls = falls(evidence);
    let ruling = if falls.is_empty() {
        no_falls(evidence, &[])
    } else {
        // A fall that is not ruled out is enough to ask for its cause.
        let none = falls.iter().all(Compared::is_no_less);
        premise(Shown::by(none, true), [Reason::each(GOODPUT, &falls)]).from(names(&falls, GOODPUT))
    };
    (ruling, falls)
}

/// The falls of these paths, or of any, were not measured.
fn no_falls(evidence: &Evidence<'_>, paths: &[SendPath]) -> Ruling {
    premise(Shown::NotMeasured, [unmeasured(evidence, GOODPUT, paths, &[LARGE], &[4, 8])])
        .lacks(measure_falls())
}

/// How the goodput that 8 threads keep of what 4 carry differs between two such pairs of cells, round by round.
pub(super) fn kept(
    evidence: &Evidence<'_>,
    [eight, four]: [&Cell; 2],
    [other_eight, other_four]: [&Cell; 2],
) -> (Cell, Cell, Moments) {
    let terms = [(1.0, eight), (-1.0, four), (-1.0, other_eight), (1.0, other_four)];
    let moments = evidence.combined(&terms.map(|(weight, cell)| (weight, cell, GOODPUT)));
    (eight.clone(), other_eight.clone(), moments)
}

pub(super) const KEPT: Derived = Derived::GoodputKept { from: 4, to: 8 };

/// A last-level miss brings one cache line from memory.
const LINE: f64 = 64.0;

/// The most memory's bandwidth that a plan can take from the workers, by a thread of the engine that streams through it.
const MEMORY_LOAD: &str = "--send send,sendmsg --memory-load off,stream --rewriting off,on --placement spare --sizes 64KiB --threads 4,8";
const LESS_MEMORY: &str = "--send send,sendmsg --recv recv,recv-trunc --ring auto,1 --sndbuf auto,64KiB --rcvbuf auto,64KiB --sizes 64KiB --threads 4,8";

/// Where all that the workers touch fits a cache, memory has little to do with the fall, and less where receivers discard what
/// they take, or send without rewriting, so that each byte is read and written less often: where workers fall no less than with more, it
/// is refuted. So it is where workers fall no further beside a thread that takes of the memory's bandwidth what it can: 8 of them would be at
/// a wall that has moved towards them, and what 4 lose as well is no part of the fall. Showing it takes the memory's own counters beside: the workers' last-level misses are demand reads,
/// and leave out what was prefetched and what was written.
pub(super) fn c13(evidence: &Evidence<'_>) -> Ruling {
    let (ruling, falls) = fall(evidence);
    if !ruling.is_open() {
        return ruling;
    }
    let from_memory = |compared: &Compared| {
        // At the peak, before the fall: there the paper sees the bandwidth used up.
        let estimates = evidence.cell(&compared.against)?;
        let sender = figure(estimates, Metric::SenderLlcMissesPerKib)?;
        let receiver = figure(estimates, Metric::ReceiverLlcMissesPerKib)?;
        Some((sender.high? + receiver.high?) * LINE / 1024.0)
    };
    let read: Option<Vec<f64>> = falls.iter().map(from_memory).collect();
    let (shown, seen) = match read.and_then(|bytes| bytes.into_iter().max_by(f64::total_cmp)) {
        Some(most) => (Shown::Unclear, Reason::DemandReads { bytes_per_byte: most }),
        None => (Shown::NotMeasured, Reason::not_counted(Metric::SenderLlcMissesPerKib)),
    };
    let unseen = Reason::NotInstrumented { what: Unseen::MemoryBandwidth };
    let ruling = ruling
        .then(PartKind::Counter, shown, [seen, unseen])
        .lacks(Missing::of_itself("the memory controller's counters (uncore_imc or amd_umc events of the whole machine, root; not in this version), beside a measured ceiling of that memory"));
    let interventions = [
        in_a_cache(evidence, &falls),
        discarding(evidence, &falls),
        not_rewriting(evidence, &falls),
    ];
    let beside = beside_memory_load(evidence, &falls);
    if interventions.iter().all(Option::is_none) && beside.is_none() {
        let not = [Reason::not_varied(Factor::Ring, "1")]
            .into_iter()
            .chain(discards().map(|path| Reason::not_varied(Factor::Recv, path.name())))
            .chain([Reason::not_varied(Factor::MemoryLoad, "stream")]);
        return ruling
            .then(PartKind::Intervention, Shown::NotMeasured, not)
            .lacks(Missing::plan(RunCommand::new(LESS_MEMORY)))
            .lacks(Missing::plan(RunCommand::new(MEMORY_LOAD)));
    }
    let then = |ruling: Ruling, (compared, seen): LessMemory| {
        // All must keep more of their goodput for memory to be why; that none does speaks against it.
        ruling
            .then(PartKind::Intervention, Shown::more(&compared), seen)
            .from(names(&compared, GOODPUT))
    };
    let ruling = interventions.into_iter().flatten().fold(ruling, then);
    let ruling = match beside {
        // All must keep less for memory to be why; that none does speaks against it.
        Some((compared, seen)) => ruling
            .then(PartKind::Intervention, Shown::less(&compared), seen)
            .from(names(&compared, GOODPUT)),
        None => ruling,
    };
    ruling.lacks(Missing::rounds())
}

/// Falls with less traffic to memory against those with more, and what there is to say of them.
type LessMemory = (Vec<Compared>, Vec<Reason>);

/// The falls of workers whose memory fits the last-level cache against those of the same workers with more.
fn in_a_cache(evidence: &Evidence<'_>, falls: &[Compared]) -> Option<LessMemory> {
    let l3 = evidence.host.caches.iter().filter(|cache| cache.level == 3);
    let l3 = l3.map(|cache| cache.bytes).max();
    let fits =
        |fall: &Compared| Some((working_set(&fall.cell)?, l3?)).filter(|(set, l3)| set <= l3);
    let larger = |cell: &Cell| {
        let auto = Cell::default();
        let (ring, send_buffer) = (auto.ring, auto.send_buffer);
        let receive_socket_buffer = auto.receive_socket_buffer;
        Cell { ring, send_buffer, receive_socket_buffer, ..cell.clone() }
    };
    let mut family = Vec::new();
    let mut largest = None;
    for fall in falls {
        let Some((set, cache)) = fits(fall) else { continue };
        let Some(more) = falls.iter().find(|more| more.cell == larger(&fall.cell)) else {
            continue;
        };
        family.push(kept(evidence, [&fall.cell, &fall.against], [&more.cell, &more.against]));
        largest = largest.max(Some((set, cache)));
    }
    let compared = of_moments(evidence, family);
    let (seen, (bytes, cache_bytes)) = (Reason::derived(KEPT, &compared)?, largest?);
    Some((compared, vec![seen, Reason::WorkingSet { bytes, cache_bytes }]))
}

/// The paths of receivers that discard what comes.
fn discards() -> impl Iterator<Item = ReceivePath> {
    ReceivePath::ALL.iter().copied().filter(|path| !path.shows_content())
}

/// The falls with receivers that discard against those of the same workers with receivers that read.
fn discarding(evidence: &Evidence<'_>, falls: &[Compared]) -> Option<LessMemory> {
    let family = discards().flat_map(|receive_path| {
        falls.iter().map(move |fall| {
            let twin = |cell: &Cell| Cell { receive_path, ..cell.clone() };
            let (eight, four) = (twin(&fall.cell), twin(&fall.against));
            kept(evidence, [&eight, &four], [&fall.cell, &fall.against])
        })
    });
    let compared = of_moments(evidence, family.collect());
    let seen = Reason::derived(KEPT, &compared)?;
    Some((compared, vec![seen]))
}

/// The falls of senders that send what they have as it is against those of the same workers that rewrite each message first.
fn not_rewriting(evidence: &Evidence<'_>, falls: &[Compared]) -> Option<LessMemory> {
    let family = falls.iter().filter(|fall| !fall.cell.rewriting.is_on()).map(|fall| {
        let twin = |cell: &Cell| Cell { rewriting: Switch::On, ..cell.clone() };
        let (eight, four) = (twin(&fall.cell), twin(&fall.against));
        kept(evidence, [&fall.cell, &fall.against], [&eight, &four])
    });
    let compared = of_moments(evidence, family.collect());
    let seen = Reason::derived(KEPT, &compared)?;
    Some((compared, vec![seen]))
}

/// The falls of workers beside a thread that streams through memory against those of the same workers without, and how much that
/// moved beside 8.
fn beside_memory_load(evidence: &Evidence<'_>, falls: &[Compared]) -> Option<LessMemory> {
    let family = falls.iter().map(|fall| {
        let twin = |cell: &Cell| Cell { memory_load: MemoryLoad::Stream, ..cell.clone() };
        let (eight, four) = (twin(&fall.cell), twin(&fall.against));
        kept(evidence, [&eight, &four], [&fall.cell, &fall.against])
    });
    let compared = of_moments(evidence, family.collect());
    let moved = compared.iter().filter_map(|compared| {
        let value = figure(evidence.cell(&compared.cell)?, Metric::MemoryLoadGbPerS)?;
        Some(Figured { cell: compared.cell.clone(), value })
    });
    let moved = Reason::Figures { metric: Metric::MemoryLoadGbPerS, figures: moved.collect() };
    let seen = Reason::derived(KEPT, &compared)?;
    Some((compared, vec![seen, moved]))
}

/// The most memory that the workers of a cell touch, in bytes: messages, what a receive call fills, and what socket buffers may
/// hold, which is twice what is asked for (socket(7)). None where the kernel sizes them.
fn working_set(cell: &Cell) -> Option<u64> {
    let fixed = |buffer: SocketBuffer| match buffer {
        SocketBuffer::Fixed(bytes) => Some(bytes.saturating_mul(2)),
        SocketBuffer::Auto => None,
    };
    let ring = u64::from(cell.ring.slots(cell.message)).saturating_mul(cell.message.bytes().0);
    let sockets = fixed(cell.send_buffer)?.saturating_add(fixed(cell.receive_socket_buffer)?);
    let flow = ring.saturating_add(sockets);
    let worker = flow
        .saturating_mul(u64::from(cell.flows.get()))
        .saturating_add(cell.receive_buffer.bytes(cell.message));
    Some(worker.saturating_mul(u64::from(cell.threads.get())))
}

/// Sharing shows as this much more CPU a byte, or it is not what workers with connections of their own suffer from.
const FAR: f64 = 1.1;

/// Workers with connections of their own share no `struct sock` by construction, and those that share one show what sharing costs.
/// Where that is far more, and a byte over connections of one's own costs no more with 8 threads than with 4, what sharing would
/// cost is absent from the fall. Where it is nothing, workers may share as much without it: that would take a record of the
/// lines that travel to be shown, so that the claim can fall here and not stand.
pub(super) fn c14(evidence: &Evidence<'_>) -> Ruling {
    let (ruling, falls) = fall(evidence);
    if !ruling.is_open() {
        return ruling;
    }
    let cost = |cell: &Cell| Metric::cost_on(cell.link);
    let metric = falls.first().map_or(Metric::EndsCpuNsPerKib, |fall| cost(&fall.cell));
    let own: Vec<&Cell> = falls.iter().map(|fall| &fall.cell).collect();
    let pairs = own.into_iter().map(|cell| (shared(cell), cell.clone()));
    let measured = against(evidence, pairs, metric);
    let sharing: Vec<Compared> =
        measured.iter().filter(|c| !c.oversubscribed.is_so()).cloned().collect();
    let ruling = match Reason::range(metric, &sharing) {
        // Threads that wait for a CPU cost more for other reasons.
        None if !measured.is_empty() => ruling
            .then(
                PartKind::Intervention,
                Shown::NotMeasured,
                Reason::range(metric, &measured).into_iter().chain([Reason::TooFewCpus]),
            )
            .lacks(Missing::machine(
                "a machine with at least 16 usable CPUs",
                RunCommand::new(
                    "--send send,sendmsg --sockets own,shared --sizes 64KiB --threads 4,8",
                ),
            )),
        None => ruling
            .then(
                PartKind::Intervention,
                Shown::NotMeasured,
                [Reason::not_varied(Factor::Sockets, "shared")],
            )
            .lacks(Missing::plan(RunCommand::new(
                "--send send,sendmsg --sockets own,shared --sizes 64KiB --threads 4,8",
            ))),
        Some(range) => {
            let costs_far_more = sharing.iter().all(|c| c.is_above(FAR));
            let costs_nothing = sharing.iter().all(Compared::is_no_more);
            let grown = falls.iter().map(|fall| (fall.cell.clone(), fall.against.clone()));
            let grown = against(evidence, grown, metric);
            let own_does_not = !grown.is_empty() && grown.iter().all(Compared::is_no_more);
            let shown = Shown::by(costs_far_more && own_does_not, costs_nothing);
            ruling
                .then(PartKind::Intervention, shown, [range])
                .beside(Reason::range(metric, &grown))
                .from(names(&sharing, metric))
                .from(names(&grown, metric))
                .lacks(Missing::rounds())
        }
    };
    if ruling.is_decided() && !ruling.holds() {
        return ruling;
    }
    let unseen = Reason::NotInstrumented { what: Unseen::SharedCacheLines };
    ruling
        .then(PartKind::Counter, Shown::NotMeasured, [unseen])
        .lacks(Missing::of_itself("a record of modified lines hit in other caches (perf c2c: hardware counters with memory sampling, root)"))
}

/// The same cell with one connection for all workers.
pub(super) fn shared(cell: &Cell) -> Cell {
    Cell { sockets: Sockets::Shared, ..cell.clone() }
}

/// Zerocopy must fall, further than every other path, and switch more than each; and where its notifications are taken away, by
/// the option left off or by nobody reading them (as in the paper's program), it must fall less and switch less.
pub(super) fn c15(evidence: &Evidence<'_>) -> Ruling {
    let falls = falls(evidence);
    let of = |path: SendPath| falls.iter().filter(move |c| c.cell.send_path == path);
    // Calls per message are those of sendmsg, so that it is the fairer comparison.
    let paths = [SendPath::A2, SendPath::A1];
    let others: Vec<&Compared> = paths.into_iter().flat_map(of).collect();
    let (Some(zerocopy), false) = (of(SendPath::A3).next(), others.is_empty()) else {
        return no_falls(evidence, &[SendPath::A3, SendPath::A2, SendPath::A1]);
    };
    let seen = [Reason::each(GOODPUT, &falls), completions(evidence)];
    let mut cited = names(&falls, GOODPUT);
    if zerocopy.is_no_less() {
        return premise(Shown::No, seen).from(cited);
    }
    let further = || {
        Missing::machine(
            "a machine with at least 16 usable CPUs",
            RunCommand::new(
                "--send send,sendmsg,zerocopy --so-zerocopy on,off --completions read,left --sizes 64KiB --threads 4,8",
            ),
        )
    };
    let is_below = |a: &Compared, b: &Compared| {
        a.ratio.high.zip(b.ratio.low).is_some_and(|(high, low)| high < low)
    };
    let too_few_cpus = falls.iter().any(|c| c.oversubscribed.is_so());
    let falls_most = zerocopy.is_below(1.0)
        && others.iter().all(|other| is_below(zerocopy, other))
        && paths.iter().all(|path| of(*path).next().is_some());
    // Shown to fall no further than sendmsg, which makes as many calls; or less than another path.
    let of_sendmsg = of(SendPath::A2)
        .map(|c| kept(evidence, [&zerocopy.cell, &zerocopy.against], [&c.cell, &c.against]));
    let no_further = of_moments(evidence, of_sendmsg.collect()).iter().any(Compared::is_no_less);
    let contradicted = no_further || others.iter().any(|other| is_below(other, zerocopy));
    let ruling = effect(Shown::by(contradicted, falls_most && !too_few_cpus), seen)
        .beside(too_few_cpus.then_some(Reason::TooFewCpus));
    if !ruling.is_open() {
        return ruling.from(cited);
    }
    let switches = Metric::ContextSwitchesPerS;
    let pairs = others.iter().map(|other| (zerocopy.cell.clone(), other.cell.clone()));
    let switching = against(evidence, pairs, switches);
    cited.extend(names(&switching, switches));
    let mut shown = Shown::all_more(&switching);
    if shown == Shown::Yes && switching.len() < others.len() {
        shown = Shown::NotMeasured;
    }
    let ruling = ruling.then(PartKind::Counter, shown, [Reason::each(switches, &switching)]);
    if shown == Shown::No {
        return ruling.from(cited);
    }
    let mut interventions = Vec::new();
    for taken_away in [Factor::SoZerocopy, Factor::Completions] {
        interventions.extend(without(evidence, zerocopy, taken_away, &mut cited));
    }
    if interventions.is_empty() {
        let not = [
            Reason::not_varied(Factor::Completions, "left"),
            Reason::not_varied(Factor::SoZerocopy, "off"),
        ];
        return ruling
            .then(PartKind::Intervention, Shown::NotMeasured, not)
            .lacks(further())
            .from(cited);
    }
    let then = |ruling: Ruling, (shown, seen)| ruling.then(PartKind::Intervention, shown, seen);
    let ruling = interventions.into_iter().fold(ruling, then);
    ruling.lacks(further()).from(cited)
}

/// Whether zerocopy falls less and switches less where this factor takes its notifications away: the option off, or nobody
/// reading them. None where that was not measured.
fn without(
    evidence: &Evidence<'_>,
    zerocopy: &Compared,
    factor: Factor,
    cited: &mut Vec<Reference>,
) -> Option<(Shown, Vec<Reason>)> {
    let twin = |cell: &Cell| {
        let mut twin = cell.clone();
        if factor == Factor::Completions {
            twin.completions = Completions::Left;
        } else {
            twin.so_zerocopy = Switch::Off;
        }
        twin
    };
    let [eight, four] = [&zerocopy.cell, &zerocopy.against];
    let (eight_without, four_without) = (twin(eight), twin(four));
    let falls = kept(evidence, [eight, four], [&eight_without, &four_without]);
    let falling = of_moments(evidence, vec![falls]);
    let switches = Metric::ContextSwitchesPerS;
    let busier = against(evidence, std::iter::once((eight.clone(), eight_without)), switches);
    let (further, more) = (falling.first()?, busier.first()?);
    cited.extend([further.reference(GOODPUT), more.reference(switches), Reference::law(3)]);
    // That it switches no less without them refutes the cause as much as that it falls no less.
    let contradicted = further.is_no_less() || more.is_no_more();
    let shown = Shown::by(contradicted, further.is_below(1.0) && more.is_above(1.0));
    let seen = Reason::derived(KEPT, &falling).into_iter();
    Some((shown, seen.chain([Reason::each(switches, &busier)]).collect()))
}

/// A contended spinlock burns CPU time: where the sender's cost per KiB is no higher with several threads that have connections
/// and CPUs of their own than with one, none is.
pub(super) fn c17(evidence: &Evidence<'_>) -> Ruling {
    let metric = Metric::SenderCpuNsPerKib;
    let mut compared: Vec<Compared> = Vec::new();
    for bytes in sizes_asked(evidence) {
        for path in paths_asked(evidence) {
            for more in threads_asked(evidence).into_iter().filter(|n| *n > 1) {
                compared.extend(threads(evidence, metric, path, bytes, [more, 1]));
            }
        }
    }
    let measured = compared.clone();
    compared.retain(|c| !c.oversubscribed.is_so());
    let limit = 1.0 + evidence.plan.measure.margin.0;
    let ruling = match Reason::range(metric, &compared) {
        None => {
            let seen = match Reason::range(metric, &measured) {
                Some(range) => vec![range, Reason::TooFewCpus],
                None => vec![unmeasured(evidence, metric, &[], &[], &[1, 4])],
            };
            Ruling::of(PartKind::Counter, Shown::NotMeasured, seen)
        }
        Some(seen) => {
            let none_spins = compared.iter().all(|c| c.is_below(limit));
            Ruling::of(PartKind::Counter, Shown::by(none_spins, false), [seen])
        }
    };
    if ruling.is_decided() {
        return ruling.from(names(&compared, metric));
    }
    ruling
        .beside([Reason::NotInstrumented { what: Unseen::LockContention }])
        .lacks(Missing::of_itself(
            "a record of contended locks (perf lock contention, Linux 5.19 or later, root)",
        ))
        .lacks(Missing::machine(
            "a machine with at least 8 usable CPUs",
            RunCommand::new("--threads 1,2,4"),
        ))
        .from(names(&compared, metric))
}
