//! Performance counters of one thread, user and kernel mode together.
//!
//! Each worker opens its own. Counters are opened in groups small enough for the four programmable
//! counters that hyper-threaded Intel CPUs leave to a thread, so that a group is on the PMU as
//! a whole or not at all. On a hybrid CPU each group is opened once for each core type and the
//! readings are joined.

use std::path::Path;

use crate::machine::tree;
use crate::perf_format::{Count, GROUP_BYTES, GROUP_LIMIT, parse_group};
use crate::pmu::{CorePmu, Surroundings};
use crate::{CallError, Errno, Remedy, Unavailable};

pub(crate) mod event;
mod live;
mod snapshot;

pub use event::{CounterName, CounterSource, EventRequest};
pub use live::LiveSource;
pub(crate) use live::{ATTR_SIZE_VER0, PerfEventAttr};
pub use snapshot::{CounterSnapshot, ReadFault, Reading};

const GROUPS: [&[CounterName]; 5] = [
    &[CounterName::Cycles, CounterName::Instructions],
    &[CounterName::LlcLoads, CounterName::LlcMisses],
    &[CounterName::L1dMisses, CounterName::DtlbMisses],
    &[CounterName::CacheMisses],
    &[
        CounterName::ContextSwitches,
        CounterName::Migrations,
        CounterName::TaskClock,
        CounterName::PageFaults,
    ],
];
const _: () = assert!(GROUPS[4].len() <= GROUP_LIMIT);

#[derive(Debug)]
struct Member<E> {
    counter: CounterName,
    id: u64,
    event: E,
}

/// One group on one PMU; the leader apart, so that a group without one cannot exist.
#[derive(Debug)]
struct Group<E> {
    leader: Member<E>,
    others: Vec<Member<E>>,
}

impl<E> Group<E> {
    fn members(&self) -> impl Iterator<Item = &Member<E>> {
        std::iter::once(&self.leader).chain(&self.others)
    }
}

/// The counters of one thread.
#[derive(Debug)]
pub struct Counters<S: CounterSource = LiveSource> {
    source: S,
    groups: Vec<Group<S::Event>>,
    wanted: Vec<CounterName>,
    unavailable: Vec<(CounterName, Unavailable)>,
    /// Core types of a hybrid CPU that lack a counter which another has.
    lacking: Vec<(CounterName, String)>,
}

/// What opening gave.
#[derive(Debug)]
pub struct Opened<S: CounterSource = LiveSource> {
    /// The counters that opened, disabled.
    pub counters: Counters<S>,
    /// The others, each with its reason.
    pub unavailable: Vec<(CounterName, Unavailable)>,
    /// Those of them that another moment may give (out of descriptors or memory).
    pub transient: Vec<CounterName>,
}

impl Counters<LiveSource> {
    /// Opens the wanted counters of the *calling* thread; reading works from any thread.
    ///
    /// A missing event leaves the rest of its group alone. User mode alone is never counted.
    pub fn open(wanted: &[CounterName]) -> Opened {
        Self::open_with(LiveSource, &Surroundings::read(Path::new(tree::LIVE)), wanted)
    }
}

impl<S: CounterSource> Counters<S> {
    /// [`Counters::open`] on any source and surroundings.
    pub fn open_with(source: S, around: &Surroundings, wanted: &[CounterName]) -> Opened<S> {
        let mut opening = Opening { source, groups: Vec::new(), refused: Vec::new() };
        let core = around.core_pmus();
        let is_hybrid = core.len() > 1;
        for group in GROUPS {
            let wanted: Vec<CounterName> =
                group.iter().copied().filter(|name| wanted.contains(name)).collect();
            let is_software = group.iter().all(|name| name.is_software());
            if is_software || !is_hybrid {
                opening.open_group(&wanted, None);
            } else {
                core.iter().for_each(|pmu| opening.open_group(&wanted, Some(pmu)));
            }
        }
        let Opening { source, groups, refused } = opening;
        let mut unavailable = Vec::new();
        let mut transient = Vec::new();
        let mut lacking = Vec::new();
        for &Refused { counter, ref pmu, errno } in &refused {
            let is_open = groups.iter().flat_map(Group::members).any(|m| m.counter == counter);
            if is_open {
                lacking.push((counter, pmu.clone()));
            } else if !unavailable.iter().any(|(name, _)| *name == counter) {
                unavailable.push((counter, around.explain(counter, errno)));
                if matches!(errno.0, libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EINTR) {
                    transient.push(counter);
                }
            }
        }
        let mut each: Vec<CounterName> = wanted.to_vec();
        each.sort_unstable();
        each.dedup();
        let counters =
            Self { source, groups, wanted: each, unavailable: unavailable.clone(), lacking };
        Opened { counters, unavailable, transient }
    }

    /// Starts all groups.
    ///
    /// # Errors
    /// The group that the kernel refused to start.
    pub fn enable(&mut self) -> Result<(), CallError> {
        for group in &self.groups {
            let answer = self.source.enable_group(&group.leader.event);
            answer.map_err(|errno| ioctl_error("ENABLE", group.leader.counter, errno))?;
        }
        Ok(())
    }

    /// Stops all groups.
    ///
    /// # Errors
    /// The group that the kernel refused to stop.
    pub fn disable(&mut self) -> Result<(), CallError> {
        for group in &self.groups {
            let answer = self.source.disable_group(&group.leader.event);
            answer.map_err(|errno| ioctl_error("DISABLE", group.leader.counter, errno))?;
        }
        Ok(())
    }

    /// Reads every group with one system call each, without allocating.
    pub fn read(&mut self) -> CounterSnapshot {
        let mut snapshot = CounterSnapshot { readings: [Reading::NotOpen; CounterName::ALL.len()] };
        let mut buffer = [0_u8; GROUP_BYTES];
        for group in &self.groups {
            let length = self.source.read_group(&group.leader.event, &mut buffer);
            let parsed = length.map_err(ReadFault::Call).and_then(|length| {
                parse_group(buffer.get(..length).unwrap_or_default()).map_err(ReadFault::Format)
            });
            for member in group.members() {
                let sample =
                    parsed.and_then(|reading| reading.sample(member.id).map_err(ReadFault::Format));
                snapshot.join(member.counter, sample);
            }
        }
        snapshot
    }

    /// What every wanted counter counted between two snapshots, or why it did not.
    pub fn delta(
        &self,
        before: &CounterSnapshot,
        after: &CounterSnapshot,
    ) -> Vec<(CounterName, Result<Count, Unavailable>)> {
        self.wanted.iter().map(|&name| (name, self.delta_of(name, before, after))).collect()
    }

    /// What one counter counted between two snapshots.
    ///
    /// # Errors
    /// It was not opened, could not be read, or was never scheduled onto the PMU.
    pub fn delta_of(
        &self,
        counter: CounterName,
        before: &CounterSnapshot,
        after: &CounterSnapshot,
    ) -> Result<Count, Unavailable> {
        let absent = |because: String| Unavailable {
            what: counter.to_string(),
            because,
            remedy: Remedy::default(),
        };
        if let Some((_, why)) = self.unavailable.iter().find(|(name, _)| *name == counter) {
            return Err(why.clone());
        }
        let sample = |snapshot: &CounterSnapshot| match snapshot.reading(counter) {
            Reading::Taken(sample) => Ok(sample),
            Reading::NotOpen => Err(absent("it was not opened".to_owned())),
            Reading::Failed(fault) => Err(absent(fault.to_string())),
        };
        let count = Count::between(sample(before)?, sample(after)?)
            .map_err(|why| absent(why.to_string()))?;
        if let Some((_, pmu)) = self.lacking.iter().find(|(name, _)| *name == counter)
            && count.scaled
        {
            // Time on a core type without the event looks like multiplexing, and extrapolating
            // over it would invent what that core did.
            return Err(absent(format!(
                "it counted for a part of the window only: the thread ran on {pmu} too, which has no such event, or the counter was multiplexed"
            )));
        }
        if counter.always_counts() && count.value == 0 && count.time_running_ns > 0 {
            return Err(absent(format!(
                "it stood at 0 through {} ns of running code: this machine's counter does not count",
                count.time_running_ns
            )));
        }
        Ok(count)
    }

    /// The counters that were asked for but did not open, each with its reason.
    pub fn unavailable(&self) -> &[(CounterName, Unavailable)] {
        &self.unavailable
    }
}

fn ioctl_error(request: &str, counter: CounterName, errno: Errno) -> CallError {
    CallError { call: "ioctl", argument: format!("PERF_EVENT_IOC_{request}, {counter}"), errno }
}

struct Refused {
    counter: CounterName,
    pmu: String,
    errno: Errno,
}

struct Opening<S: CounterSource> {
    source: S,
    groups: Vec<Group<S::Event>>,
    refused: Vec<Refused>,
}

impl<S: CounterSource> Opening<S> {
    fn open_group(&mut self, wanted: &[CounterName], pmu: Option<&CorePmu>) {
        let mut group: Option<Group<S::Event>> = None;
        for &counter in wanted {
            let request = EventRequest::new(counter, pmu.map(|pmu| pmu.pmu_type));
            let leader = group.as_ref().map(|group| &group.leader.event);
            let grouped = leader.is_some();
            match self.open_member(request, group.as_ref()) {
                Ok(member) => match &mut group {
                    Some(group) => group.others.push(member),
                    None => group = Some(Group { leader: member, others: Vec::new() }),
                },
                // The event may exist yet not fit beside its leader: then it leads its own group.
                Err(Errno(libc::EINVAL | libc::ENOSPC)) if grouped => {
                    match self.open_member(request, None) {
                        Ok(member) => {
                            self.groups.push(Group { leader: member, others: Vec::new() });
                        }
                        Err(errno) => self.refuse(counter, pmu, errno),
                    }
                }
                Err(errno) => self.refuse(counter, pmu, errno),
            }
        }
        self.groups.extend(group);
    }

    fn open_member(
        &mut self,
        request: EventRequest,
        group: Option<&Group<S::Event>>,
    ) -> Result<Member<S::Event>, Errno> {
        let event = self.source.open(request, group.map(|group| &group.leader.event))?;
        let id = self.source.id(&event)?;
        Ok(Member { counter: request.counter, id, event })
    }

    fn refuse(&mut self, counter: CounterName, pmu: Option<&CorePmu>, errno: Errno) {
        let pmu = pmu.map_or_else(String::new, |pmu| pmu.name.clone());
        self.refused.push(Refused { counter, pmu, errno });
    }
}
