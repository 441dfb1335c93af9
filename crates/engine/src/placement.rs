//! Which CPUs the workers of a cell run on.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::host::{CpuFacts, Host};
use model::nic::Nic;
use model::{Cell, Measured, MemoryLoad, Placement};

/// The CPUs of a cell's workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seats {
    /// CPU of each sending worker; empty: not pinned.
    pub(crate) senders: Vec<u32>,
    /// CPU of each receiving worker, on the sink of its helper alone; empty: not pinned.
    pub(crate) receivers: Vec<u32>,
    /// CPU of the thread that polls each sending worker's io_urings; empty: none polls, or not pinned.
    pub(crate) pollers: Vec<u32>,
    /// CPU of the thread that streams through memory beside the cell, which none of these has; none streams.
    pub(crate) memory_load: Option<u32>,
}

/// The CPUs of one host that an end may use there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HostCpus {
    /// Logical CPUs.
    pub(crate) usable: Vec<u32>,
    /// The same by physical core, in order; those near the device first, where there is one.
    pub(crate) cores: Vec<Vec<u32>>,
    /// The NUMA node of each CPU that tells its own.
    pub(crate) nodes: BTreeMap<u32, u32>,
    /// The device that its CPUs are ordered by, where that made a difference.
    pub(crate) near: Option<NearDevice>,
}

/// A network device whose NUMA node has some of a host's CPUs and not all: they come first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearDevice {
    /// Its name, such as `eth0`.
    pub device: String,
    /// Its NUMA node.
    pub node: u32,
    /// Physical cores of that node which may be used.
    pub cores: usize,
}

impl HostCpus {
    /// By the facts of a host: CPUs of one package and core together, and those whose place is not known each by itself.
    pub(crate) fn of(host: &Host) -> Self {
        // Package and core, and the CPUs of that place.
        let mut places: Vec<Option<(u32, u32)>> = Vec::new();
        let mut cores: Vec<Vec<u32>> = Vec::new();
        for cpu in &host.usable_cpus {
            let facts = host.cpus.iter().find(|facts| facts.cpu == *cpu);
            let place =
                facts.and_then(|facts| Some((*facts.package.value()?, *facts.core.value()?)));
            let known = places.iter().position(|other| place.is_some() && *other == place);
            match known.and_then(|known| cores.get_mut(known)) {
                Some(core) => core.push(*cpu),
                None => {
                    places.push(place);
                    cores.push(vec![*cpu]);
                }
            }
        }
        let node = |cpu: &CpuFacts| Some((cpu.cpu, *cpu.node.value()?));
        let nodes = host.cpus.iter().filter_map(node).collect();
        Self { usable: host.usable_cpus.clone(), cores, nodes, near: None }
    }

    /// The same with the cores of a device's NUMA node first, where that is known and has some of them and not all.
    #[must_use]
    pub(crate) fn near(&self, nic: &Measured<Nic>) -> Self {
        let found = nic.value().and_then(|nic| Some((&nic.device, *nic.numa_node.value()?)));
        let Some((device, node)) = found else { return self.clone() };
        let is_near =
            |core: &Vec<u32>| core.first().is_some_and(|cpu| self.nodes.get(cpu) == Some(&node));
        let (near, far): (Vec<_>, Vec<_>) = self.cores.iter().cloned().partition(is_near);
        if near.is_empty() || far.is_empty() {
            return self.clone();
        }
        let decided = NearDevice { device: device.clone(), node, cores: near.len() };
        Self { cores: [near, far].concat(), near: Some(decided), ..self.clone() }
    }

    /// Its CPUs in the order in which workers take them: all near the device before the others, and among these and those one of every
    /// core before the second ones.
    fn in_order(&self) -> Vec<u32> {
        self.first_in_order(&self.cores)
    }

    /// The same of all cores but the last: of one far from the device where there is one.
    fn but_last_in_order(&self) -> Result<Vec<u32>, String> {
        but_last(&self.cores).map(|cores| self.first_in_order(cores))
    }

    /// Of its first cores.
    fn first_in_order(&self, cores: &[Vec<u32>]) -> Vec<u32> {
        let near = self.near.as_ref().map_or(0, |near| near.cores);
        let (near, far) = cores.split_at(near.min(cores.len()));
        [spread(near), spread(far)].concat()
    }
}

/// The CPUs of both ends' hosts.
#[derive(Clone, Debug)]
pub(crate) struct EndCpus {
    pub(crate) sender: Arc<HostCpus>,
    /// The receiving end's, where its host is another one.
    pub(crate) receiver: Option<Arc<HostCpus>>,
}

impl EndCpus {
    /// Of the receiving end's host.
    pub(crate) fn of_receiver(&self) -> &HostCpus {
        self.receiver.as_deref().unwrap_or(&self.sender)
    }
}

/// One CPU of every core, then the second ones, and so on: SMT siblings are shared last.
fn spread(cores: &[Vec<u32>]) -> Vec<u32> {
    let most = cores.iter().map(Vec::len).max().unwrap_or(0);
    (0..most).flat_map(|n| cores.iter().filter_map(move |core| core.get(n).copied())).collect()
}

/// The CPUs of each side, senders first, where every core has them to itself.
fn split(has_helper: bool, cores: &[Vec<u32>]) -> (Vec<u32>, Vec<u32>) {
    let usable = spread(cores);
    let without = |cpu: u32| usable.iter().copied().filter(|other| *other != cpu).collect();
    match (cores, usable.as_slice()) {
        ([_, _, ..], _) => {
            let (first, second) = cores.split_at(cores.len() / 2);
            match second {
                // One helper answers for all flows: every other core is the senders'.
                [helpers, others @ ..] if has_helper => {
                    (spread(&[first, others].concat()), helpers.clone())
                }
                _ => (spread(first), spread(second)),
            }
        }
        // One core: its SMT siblings if it has two, else both sides on the one CPU there is.
        (_, [_, second, ..]) if has_helper => (without(*second), vec![*second]),
        (_, [first, second, ..]) => (vec![*first], vec![*second]),
        _ => (usable.clone(), usable.clone()),
    }
}

/// Why the sink's helper may not sit where it would: it spins, so that a sender on its CPU would have its acknowledgements
/// at the scheduler's slices.
fn shared_with_helper(placement: &Placement, helper: u32) -> String {
    match placement {
        Placement::Split | Placement::Spare | Placement::None => format!(
            "link sink: its helper needs a CPU beside the senders', and only CPU {helper} may be used; allow a second one (taskset, cpuset), or use --link loopback or veth"
        ),
        Placement::Same => format!(
            "--placement same: on link sink the helper would share CPU {helper} with a sender; use --placement split"
        ),
        Placement::Cpus { .. } => format!(
            "--placement {placement}: on link sink the helper takes the first CPU after the slash and would share CPU {helper} with a sender; name another one there, or use --placement split"
        ),
    }
}

/// Seats the workers of a cell: worker i on its side's CPU i modulo their number. On the sink the helper has the first
/// CPU of the receivers.
///
/// Where the ends have a host each, all CPUs of it are theirs.
///
/// # Errors
/// One line with the remedy: a CPU that was named but may not be used, or that the sink's helper would share with a sender.
pub(crate) fn seat(cell: &Cell, cpus: &EndCpus) -> Result<Seats, String> {
    let Cell { placement, threads, link, .. } = cell;
    let has_helper = link.capabilities().has_helper;
    let cores = cpus.sender.cores.as_slice();
    let usable: Vec<u32> = cpus.sender.in_order();
    let of_receiver: Vec<u32> = cpus.of_receiver().in_order();
    let (senders, receivers) = match placement {
        Placement::Split | Placement::Same if cpus.receiver.is_some() => {
            (usable.clone(), of_receiver)
        }
        Placement::Spare if cpus.receiver.is_some() => {
            (cpus.sender.but_last_in_order()?, cpus.of_receiver().but_last_in_order()?)
        }
        Placement::None => match usable.as_slice() {
            [only] if has_helper => return Err(shared_with_helper(placement, *only)),
            _ if cell.memory_load != MemoryLoad::Off => return Err(no_cpu_for_memory_load(cell)),
            _ => return Ok(Seats::default()),
        },
        Placement::Spare => split(has_helper, but_last(cores)?),
        Placement::Same => (usable.clone(), usable.clone()),
        Placement::Split => split(has_helper, cores),
        Placement::Cpus { senders, receivers } => {
            for (cpus, usable) in [(senders, &usable), (receivers, &of_receiver)] {
                let Some(cpu) = cpus.iter().find(|cpu| !usable.contains(cpu)) else { continue };
                let mut sorted = usable.clone();
                sorted.sort_unstable();
                let list: Vec<_> = sorted.iter().map(ToString::to_string).collect();
                return Err(format!(
                    "placement {placement}: CPU {cpu} may not be used there; usable: {}",
                    list.join(", ")
                ));
            }
            (senders.clone(), receivers.clone())
        }
    };
    let worker = |cpus: &[u32]| {
        (0..threads.get() as usize).map(|i| cpus[i % cpus.len()]).collect::<Vec<_>>()
    };
    if senders.is_empty() || receivers.is_empty() {
        return Err("no CPU may be used".to_owned());
    }
    // After the workers', as far as there are others; else it shares a worker's, and never takes the other end's.
    let pollers = if cell.is_polled() {
        let count = threads.get() as usize;
        (count..2 * count).map(|i| senders[i % senders.len()]).collect()
    } else {
        Vec::new()
    };
    let mut seats = Seats {
        senders: worker(&senders),
        receivers: worker(&receivers),
        pollers,
        memory_load: None,
    };
    if has_helper {
        seats.receivers.truncate(1);
        if let Some(helper) = seats.receivers.first().filter(|cpu| seats.senders.contains(cpu)) {
            return Err(shared_with_helper(placement, *helper));
        }
    }
    if cell.memory_load != MemoryLoad::Off {
        let free = seats.free(cores).ok_or_else(|| no_cpu_for_memory_load(cell))?;
        seats.memory_load = Some(free);
    }
    Ok(seats)
}

/// All cores but the last.
fn but_last(cores: &[Vec<u32>]) -> Result<&[Vec<u32>], String> {
    match cores {
        [others @ .., _] if !others.is_empty() => Ok(others),
        _ => Err("--placement spare leaves a core free, and only one may be used; allow a second one (taskset, cpuset), or use --placement split".to_owned()),
    }
}

/// Why nothing can stream through memory beside a cell: on a CPU of its workers it would take their time, and not their memory's.
fn no_cpu_for_memory_load(cell: &Cell) -> String {
    format!(
        "--memory-load {}: its thread needs a CPU that no worker has, and with --placement {} and --threads {} all usable ones are theirs; use --placement spare",
        cell.memory_load, cell.placement, cell.threads
    )
}

impl Seats {
    /// The last CPU that none of these has: of a core that none of them uses where there is one, else a sibling of one.
    fn free(&self, cores: &[Vec<u32>]) -> Option<u32> {
        let taken = |cpu: &u32| {
            [&self.senders, &self.receivers, &self.pollers].iter().any(|cpus| cpus.contains(cpu))
        };
        let whole = cores.iter().rev().find(|core| !core.iter().any(taken));
        let cpu = whole.and_then(|core| core.first());
        cpu.or_else(|| cores.iter().rev().flatten().find(|cpu| !taken(cpu))).copied()
    }

    /// The CPU of the sink's helper: the first receiver's, or the last usable one where workers are not pinned.
    pub(crate) fn helper(&self, usable: &[u32]) -> u32 {
        self.receivers.first().or(usable.last()).copied().unwrap_or(0)
    }

    /// The CPUs in use of the sending end's host, without repetition; all usable ones where workers are not pinned. Where both
    /// ends are of one host, those of both.
    pub(crate) fn in_use(&self, cpus: &EndCpus) -> Vec<u32> {
        let receivers = if cpus.receiver.is_some() { &[] } else { self.receivers.as_slice() };
        let workers = self.senders.iter().chain(receivers).chain(&self.pollers);
        sorted(workers.copied().collect(), &cpus.sender.usable)
    }

    /// The same of the receiving end's host, where it is another one.
    pub(crate) fn in_use_by_receiver(&self, cpus: &EndCpus) -> Option<Vec<u32>> {
        let host = cpus.receiver.as_ref()?;
        Some(sorted(self.receivers.clone(), &host.usable))
    }
}

fn sorted(mut cpus: Vec<u32>, usable: &[u32]) -> Vec<u32> {
    if cpus.is_empty() {
        cpus = usable.to_vec();
    }
    cpus.sort_unstable();
    cpus.dedup();
    cpus
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(cores: &[Vec<u32>]) -> Arc<HostCpus> {
        let (nodes, near) = (BTreeMap::new(), None);
        Arc::new(HostCpus { usable: cores.concat(), cores: cores.to_vec(), nodes, near })
    }

    fn one_host(cores: &[Vec<u32>]) -> EndCpus {
        EndCpus { sender: host(cores), receiver: None }
    }

    fn seat(cell: &Cell, cores: &[Vec<u32>]) -> Result<Seats, String> {
        super::seat(cell, &one_host(cores))
    }

    /// Cores of two CPUs each, CPU n and its sibling, on these nodes.
    fn numa(nodes: &[u32]) -> HostCpus {
        let count = u32::try_from(nodes.len()).unwrap();
        let cores: Vec<Vec<u32>> = (0..count).map(|n| vec![n, n + count]).collect();
        let of = |n: u32| nodes[(n % count) as usize];
        let nodes = (0..2 * count).map(|cpu| (cpu, of(cpu))).collect();
        HostCpus { usable: (0..2 * count).collect(), cores, nodes, near: None }
    }

    fn nic(node: Measured<u32>) -> Measured<Nic> {
        let lo = crate::nic::facts_towards("127.0.0.1".parse().unwrap());
        lo.map(|lo| Nic { device: "eth1".to_owned(), numa_node: node, ..lo })
    }

    #[test]
    fn cpus_of_the_devices_node_come_first_and_the_others_after_them() {
        let host = numa(&[0, 0, 1, 1]);
        let near = host.near(&nic(Measured::Value(1)));
        let decided = NearDevice { device: "eth1".to_owned(), node: 1, cores: 2 };
        assert_eq!(near.near, Some(decided));
        // The siblings near the device too come before the node across.
        assert_eq!(near.in_order(), [2, 3, 6, 7, 0, 1, 4, 5]);
        assert_eq!(near.usable, host.usable);
        let ends = EndCpus { sender: Arc::new(near), receiver: Some(Arc::new(host)) };
        let seats = |id: &str| super::seat(&id.parse().unwrap(), &ends).unwrap();
        let three = seats("link=ssh threads=3");
        assert_eq!((three.senders, three.receivers), (vec![2, 3, 6], vec![0, 1, 2]));
        // With a core left free, which is one across, no worker goes there before the siblings near the device are taken.
        let spare = seats("link=ssh threads=5 placement=spare");
        assert_eq!((spare.senders, spare.receivers), (vec![2, 3, 6, 7, 0], vec![0, 1, 2, 4, 5]));
        // What is named is taken as it is named.
        let named = seats("link=ssh threads=2 placement=0-1/2-3");
        assert_eq!((named.senders, named.receivers), (vec![0, 1], vec![2, 3]));
        // Who polls comes after the workers, near the device as long as there is room.
        let polled = seats("link=ssh send=uring-send sqpoll=on threads=2");
        assert_eq!((polled.senders, polled.pollers), (vec![2, 3], vec![6, 7]));
    }

    #[test]
    fn where_the_node_decides_nothing_the_order_stays_and_nothing_is_said() {
        let host = numa(&[0, 0, 1, 1]);
        let unknown = || Measured::absent("a virtual device");
        for (what, host, nic) in [
            ("no node of the device", &host, nic(unknown())),
            ("a node without usable CPUs", &host, nic(Measured::Value(7))),
            ("no device", &host, Measured::absent("no route")),
            ("one node", &numa(&[0, 0]), nic(Measured::Value(0))),
        ] {
            assert_eq!(&host.near(&nic), host, "{what}");
        }
        let silent = HostCpus { nodes: BTreeMap::new(), ..host };
        assert_eq!(silent.near(&nic(Measured::Value(1))), silent);
        // Interleaved nodes, as some machines number them.
        let near = numa(&[0, 1, 0, 1]).near(&nic(Measured::Value(1)));
        assert_eq!(near.in_order(), [1, 3, 5, 7, 0, 2, 4, 6]);
    }

    #[test]
    fn what_streams_through_memory_has_a_cpu_that_no_worker_has() {
        let four = [vec![0], vec![1], vec![2], vec![3]];
        let seated = |id: &str, cores: &[Vec<u32>]| seat(&id.parse().unwrap(), cores);
        let of = |id: &str, cores: &[Vec<u32>]| seated(id, cores).unwrap().memory_load;
        assert_eq!(of("threads=1 memory_load=stream", &four), Some(3));
        assert_eq!(of("threads=1", &four), None);
        assert_eq!(of("threads=8 placement=spare memory_load=stream", &four), Some(3));
        // The sibling of a worker shares its core: only where no core is free.
        let siblings = [vec![0, 2], vec![1, 3]];
        assert_eq!(of("threads=1 memory_load=stream", &siblings), Some(3));
        assert_eq!(of("threads=1 placement=spare memory_load=stream", &siblings), Some(1));
        // On two CPUs both sides share the one, and the other is its own.
        let two = [vec![0], vec![1]];
        let seats = seated("threads=4 placement=spare memory_load=stream", &two).unwrap();
        assert_eq!((seats.senders, seats.receivers), (vec![0; 4], vec![0; 4]));
        assert_eq!(seats.memory_load, Some(1));
        for id in ["threads=1 memory_load=stream", "threads=1 placement=none memory_load=stream"] {
            let why = seated(id, &two).unwrap_err();
            assert!(why.contains("needs a CPU that no worker has"), "{why}");
            assert!(why.ends_with("use --placement spare"), "{why}");
        }
        let why = seated("threads=1 placement=spare", &two[..1]).unwrap_err();
        assert!(why.contains("only one may be used"), "{why}");
        // Without it they sit as with it, so that the two are alike but for what streams.
        let (with, without) =
            ("threads=8 placement=spare memory_load=stream", "threads=8 placement=spare");
        let (with, without) = (seated(with, &four).unwrap(), seated(without, &four).unwrap());
        assert_eq!((with.senders, with.receivers), (without.senders, without.receivers));
    }

    #[test]
    fn each_end_has_all_cpus_of_a_host_of_its_own() {
        let two = EndCpus {
            sender: host(&[vec![0, 4], vec![1, 5]]),
            receiver: Some(host(&[vec![0], vec![7]])),
        };
        let seated = |placement: &str| {
            let id = format!("link=ssh placement={placement} threads=3");
            super::seat(&id.parse().unwrap(), &two)
        };
        for placement in ["split", "same"] {
            let seats = seated(placement).unwrap();
            assert_eq!(
                (seats.senders.clone(), seats.receivers.clone()),
                (vec![0, 1, 4], vec![0, 7, 0])
            );
            assert_eq!(seats.in_use(&two), [0, 1, 4]);
            assert_eq!(seats.in_use_by_receiver(&two), Some(vec![0, 7]));
        }
        let named = seated("5/7").unwrap();
        assert_eq!((named.senders, named.receivers), (vec![5; 3], vec![7; 3]));
        assert!(
            seated("7/7").unwrap_err().contains("CPU 7 may not be used there; usable: 0, 1, 4, 5")
        );
        assert!(seated("5/5").unwrap_err().contains("usable: 0, 7"));
        let free = seated("none").unwrap();
        assert_eq!(free.in_use(&two), [0, 1, 4, 5]);
        assert_eq!(free.in_use_by_receiver(&two), Some(vec![0, 7]));
        assert_eq!(free.in_use_by_receiver(&one_host(&[vec![0]])), None);
    }

    fn seated(
        link: &str,
        placement: &str,
        threads: u32,
        cores: &[Vec<u32>],
    ) -> Result<Seats, String> {
        let id = format!("link={link} placement={placement} threads={threads}");
        seat(&id.parse().unwrap(), cores)
    }

    fn seats(placement: &str, threads: u32, cores: &[Vec<u32>]) -> Seats {
        seated("loopback", placement, threads, cores).unwrap()
    }

    #[test]
    fn who_polls_takes_the_next_cpu_of_the_senders_or_shares_the_workers() {
        let pollers = |threads: u32, placement: &str, cores: &[Vec<u32>]| {
            let id = format!("send=uring-send sqpoll=on threads={threads} placement={placement}");
            let seats = seat(&id.parse().unwrap(), cores).unwrap();
            (seats.pollers.clone(), seats.in_use(&one_host(cores)))
        };
        let four = [vec![0], vec![1], vec![2], vec![3]];
        assert_eq!(pollers(1, "split", &four), (vec![1], vec![0, 1, 2]));
        assert_eq!(pollers(2, "split", &four), (vec![0, 1], vec![0, 1, 2, 3]));
        assert_eq!(pollers(1, "split", &four[..2]), (vec![0], vec![0, 1]));
        assert_eq!(pollers(1, "0+3/1", &four), (vec![3], vec![0, 1, 3]));
        assert_eq!(pollers(1, "none", &four), (vec![], vec![0, 1, 2, 3]));
        assert!(seats("split", 2, &four).pollers.is_empty());
    }

    #[test]
    fn split_gives_each_side_physical_cores_of_its_own() {
        let smt = [vec![0, 4], vec![1, 5], vec![2, 6], vec![3, 7]];
        let seated = seats("split", 4, &smt);
        assert_eq!(seated.senders, [0, 1, 4, 5]);
        assert_eq!(seated.receivers, [2, 3, 6, 7]);
        let two = seats("split", 3, &[vec![0], vec![1]]);
        assert_eq!((two.senders, two.receivers), (vec![0, 0, 0], vec![1, 1, 1]));
    }

    #[test]
    fn one_cpu_serves_both_sides() {
        let one = seats("split", 2, &[vec![3]]);
        assert_eq!((one.senders, one.receivers), (vec![3, 3], vec![3, 3]));
        let siblings = seats("split", 1, &[vec![0, 1]]);
        assert_eq!((siblings.senders, siblings.receivers), (vec![0], vec![1]));
    }

    #[test]
    fn a_cpu_that_may_not_be_used_is_named_with_those_that_may() {
        let error = seated("veth", "0/7", 1, &[vec![0], vec![1]]).unwrap_err();
        assert!(error.contains("CPU 7") && error.contains("0, 1"), "{error}");
    }

    #[test]
    fn the_sinks_helper_has_a_core_of_its_own_and_the_senders_have_the_others() {
        let on_sink = |threads, cores: &[Vec<u32>]| {
            let seats = seated("sink", "split", threads, cores).unwrap();
            (seats.senders, seats.receivers)
        };
        assert_eq!(on_sink(1, &[vec![0], vec![1]]), (vec![0], vec![1]));
        let eight: Vec<Vec<u32>> = (0..8).map(|cpu| vec![cpu]).collect();
        assert_eq!(on_sink(7, &eight), (vec![0, 1, 2, 3, 5, 6, 7], vec![4]));
        assert_eq!(seats("split", 7, &eight).senders, [0, 1, 2, 3, 0, 1, 2]);
        let smt = [vec![0, 3], vec![1, 4], vec![2, 5]];
        assert_eq!(on_sink(5, &smt), (vec![0, 2, 3, 5, 0], vec![1]));
        assert_eq!(on_sink(2, &[vec![0, 1]]), (vec![0, 0], vec![1]));
    }

    #[test]
    fn the_sinks_helper_shares_no_senders_cpu() {
        let two = [vec![0], vec![1]];
        let refused = |placement, threads, cores: &[Vec<u32>]| {
            let why = seated("sink", placement, threads, cores).unwrap_err();
            assert!(!why.contains('\n') && why.contains("; "), "{why}");
            why
        };
        assert!(refused("same", 1, &two).contains("share CPU 0"));
        assert!(refused("0/0", 1, &two).contains("--placement 0/0"));
        assert!(refused("0-1/1", 2, &two).contains("share CPU 1"));
        for placement in ["split", "none"] {
            assert!(refused(placement, 1, &[vec![3]]).contains("only CPU 3 may be used"));
            assert!(seated("sink", placement, 1, &two).is_ok());
            assert!(seated("veth", placement, 1, &[vec![3]]).is_ok());
        }
        // CPUs that no worker takes are nobody's.
        let seats = seated("sink", "0-1/1", 1, &two).unwrap();
        assert_eq!((seats.senders, seats.receivers), (vec![0], vec![1]));
        assert!(seated("loopback", "same", 1, &two).is_ok());
    }

    #[test]
    fn the_helper_of_unpinned_senders_sits_on_the_last_cpu() {
        assert_eq!(seated("sink", "split", 4, &[vec![0], vec![1]]).unwrap().helper(&[0, 1]), 1);
        assert_eq!(seated("sink", "none", 4, &[vec![0], vec![5]]).unwrap().helper(&[0, 5]), 5);
    }

    #[test]
    fn unpinned_workers_use_all_usable_cpus() {
        assert_eq!(
            seats("none", 2, &[vec![0], vec![1]]).in_use(&one_host(&[vec![0], vec![1]])),
            [0, 1]
        );
        assert_eq!(
            seats("same", 3, &[vec![0], vec![1]]).in_use(&one_host(&[vec![0], vec![1]])),
            [0, 1]
        );
    }
}
