//! What this machine can measure, how to unlock the rest, and how to undo that.

use std::fmt;

use kernel::counter_probe::{self, Answer};
use kernel::disk_file::DiskFolder;
use kernel::idle::{IdleClock, IdleSource};
use kernel::snmp::Snmp;
use kernel::{Unavailable, cpu};
use model::host::Host;
use model::names::AckPlacement;
use model::{
    Cell, Deferral, Factor, Family, Instrument, Link, Missing, Pages, ReceivePath, RingFile,
    SendPath,
};
use serde::{Serialize, Serializer};

use crate::congestion::CongestionChoice;
use crate::error::missing;
use crate::instruments::copy_audit::{self, Audited};
use crate::instruments::counters::WANTED;
use crate::instruments::{ceiling, profile};
use crate::links::LinkSetup;
use crate::peering::Peering;
use crate::{host, links, receive_paths, send_paths};

/// Whether something can be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum State {
    /// Yes.
    Yes,
    /// Yes, but not all that it consists of; the note beside it says what, and why.
    InPart,
    /// No.
    No(Missing),
    /// It could not be told.
    Unknown(Missing),
}

/// One member of a list and its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// The list: `send path`, `io_uring`, `receive path`, `link`, `instrument`, `counter`, `setting`.
    pub group: String,
    /// The member's name.
    pub name: String,
    /// Whether it can be had.
    pub state: State,
    /// What is worth knowing beside; empty where nothing is.
    pub note: String,
}

/// What the machine can measure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Probe {
    /// The machine's facts.
    pub host: Host,
    /// Every member of every list.
    pub items: Vec<Item>,
    /// Noise to expect; in JSON one line each.
    pub noise: Vec<Noise>,
}

/// Something that will disturb the figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noise {
    /// Its name, such as `on battery`.
    pub what: String,
    /// What it does, and what to do about it.
    pub advice: String,
}

impl fmt::Display for Noise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.advice)
    }
}

impl Serialize for Noise {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn item(group: &str, name: &str, state: impl Into<State>, note: impl Into<String>) -> Item {
    Item { group: group.to_owned(), name: name.to_owned(), state: state.into(), note: note.into() }
}

impl<T, E: Into<Missing>> From<Result<T, E>> for State {
    fn from(had: Result<T, E>) -> Self {
        had.map_or_else(|why| Self::No(why.into()), |_| Self::Yes)
    }
}

impl From<Answer> for State {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Yes { .. } => Self::Yes,
            Answer::No(why) => Self::No(missing(why)),
            Answer::CouldNotTell(why) => Self::Unknown(missing(why)),
        }
    }
}

/// Asks the machine; changes nothing.
pub fn probe() -> Probe {
    let host = host::facts();
    let mut items = Vec::new();
    for path in SendPath::ALL {
        let since = path.capabilities().since_kernel;
        let note = since.map_or_else(String::new, |version| format!("since Linux {version}"));
        items.push(item("send path", path.name(), send_paths::supported(*path), note));
    }
    let huge = send_paths::memory_supported(SendPath::A2, Pages::Huge, RingFile::Memfd);
    items.push(item("memory", "huge pages", huge, "for --pages huge"));
    items.extend(of_rings());
    let of_files = SendPath::ALL.iter().find(|path| path.capabilities().sends_from_file);
    if let Some(path) = of_files {
        let file = send_paths::memory_supported(*path, Pages::Normal, RingFile::File);
        let on = DiskFolder::usual()
            .map_or_else(|_| String::new(), |folder| format!(" ({})", folder.filesystem()));
        items.push(item("memory", "file on a disk", file, format!("for --sendfile-from file{on}")));
    }
    for path in ReceivePath::ALL {
        items.push(item("receive path", path.name(), receive_paths::supported(*path), ""));
    }
    items.extend(Link::ALL.iter().flat_map(|link| of_link(*link)));
    for instrument in Instrument::ALL {
        let (state, note) = instrument_state(*instrument, &host);
        let scope = format!("observes {}", crate::instruments::scope(*instrument));
        let note = if note.is_empty() { scope } else { format!("{scope}; {note}") };
        items.push(item("instrument", instrument.name(), state, note));
    }
    for (counter, answer) in counter_probe::probe(&WANTED) {
        let note = match &answer {
            Answer::Yes { raw_event } => raw_event.clone().unwrap_or_default(),
            Answer::No(_) | Answer::CouldNotTell(_) => String::new(),
        };
        items.push(item("counter", counter.name(), answer, note));
    }
    items.extend(settings(&host));
    let noise = noise(&host);
    Probe { host, items, noise }
}

/// What the io_urings of send paths may be made with.
fn of_rings() -> Vec<Item> {
    let mut through_ring =
        SendPath::ALL.iter().filter(|path| path.capabilities().goes_through_uring);
    let Some(path) = through_ring.next() else { return Vec::new() };
    let plain = Cell { send_path: *path, ..Cell::default() };
    let on = model::names::Switch::On;
    let polled = Cell { sqpoll: on, ..plain.clone() };
    let registered = Cell { registered_files: on, ..plain.clone() };
    let deferred = Cell { defer_taskrun: Deferral::On, ..plain };
    [
        (Factor::Sqpoll, polled, "a thread of the kernel submits; since Linux 5.13 without root"),
        (Factor::RegisteredFiles, registered, "of the io_uring send paths"),
        (Factor::DeferTaskrun, deferred, "since Linux 6.1; not with sqpoll"),
    ]
    .into_iter()
    .map(|(factor, cell, note)| {
        item("io_uring", factor.key(), send_paths::ring_supported(&cell), note)
    })
    .collect()
}

/// A link over each family of addresses, and the paths that do not exist on it.
fn of_link(link: Link) -> Vec<Item> {
    let families = if link.speaks_tcp() { Family::ALL } else { &[Family::Ipv4] };
    let mut items: Vec<Item> = Vec::new();
    for family in families {
        let name =
            if link.speaks_tcp() { format!("{link} {family}") } else { link.name().to_owned() };
        items.push(item(
            "link",
            &name,
            links::raise(&LinkSetup::plain(link, *family), &Peering::none()),
            "",
        ));
    }
    let of_send =
        SendPath::ALL.iter().map(|path| Cell { send_path: *path, link, ..Cell::default() });
    let of_receive =
        ReceivePath::ALL.iter().map(|path| Cell { receive_path: *path, link, ..Cell::default() });
    for (group, cells) in
        [("send path", of_send.collect::<Vec<_>>()), ("receive path", of_receive.collect())]
    {
        // Nothing unlocks what is not there.
        for Missing { what, because, unlock, .. } in cells.iter().filter_map(Cell::lacks_path) {
            let no = State::No(Missing::default().because(because));
            items.push(item(group, &what, no, format!("use {unlock}")));
        }
    }
    items
}

fn zerocopy_limits(host: &Host) -> String {
    let optmem = host.sysctls.get("net.core.optmem_max").and_then(|v| v.value());
    let memlock = host.limits.get("memlock").and_then(|v| v.value());
    let mut limits = Vec::new();
    if let Some(bytes) = optmem {
        limits.push(format!("optmem_max {bytes} B"));
    }
    if let Some(bytes) = memlock {
        limits.push(format!("memlock {bytes} B"));
    }
    limits.join(", ")
}

fn state_and_note(supported: Result<String, Unavailable>) -> (State, String) {
    let note = supported.as_ref().ok().cloned().unwrap_or_default();
    (supported.map_err(missing).into(), note)
}

fn instrument_state(instrument: Instrument, host: &Host) -> (State, String) {
    match instrument {
        Instrument::Tally | Instrument::Rusage | Instrument::TcpInfo => {
            let note = match (instrument, Snmp::read()) {
                (Instrument::TcpInfo, Err(why)) => {
                    format!("without retransmissions by kind: {why}")
                }
                _ => String::new(),
            };
            (State::Yes, note)
        }
        Instrument::ZcNotifications => {
            let notifying = SendPath::ALL.iter().filter(|p| p.capabilities().gets_notifications);
            let supported = notifying.map(|path| send_paths::supported(*path)).reduce(Result::or);
            let supported = supported.unwrap_or_else(|| Err("no path gets any".to_owned().into()));
            (supported.into(), zerocopy_limits(host))
        }
        Instrument::Counters => {
            let answers = counter_probe::probe(&WANTED).into_iter();
            let states: Vec<State> = answers.map(|(_, answer)| answer.into()).collect();
            if states.contains(&State::Yes) {
                return (State::Yes, String::new());
            }
            let note = "context switches, migrations and CPU time come from the scheduler";
            (states.last().cloned().unwrap_or(State::Yes), note.to_owned())
        }
        Instrument::CopyAudit => match copy_audit::supported() {
            Ok(Audited { note, is_whole: false }) => (State::InPart, note),
            Ok(Audited { note, is_whole: true }) => (State::Yes, note),
            Err(why) => state_and_note(Err(why)),
        },
        Instrument::Profile => state_and_note(profile::supported()),
        Instrument::Ceiling => state_and_note(ceiling::supported().map(|()| String::new())),
        Instrument::CpuBusy => {
            let cpus = match cpu::allowed() {
                Ok(cpus) => cpus,
                Err(error) => {
                    return (State::Unknown(error.to_string().into()), String::new());
                }
            };
            state_and_note(IdleClock::choose(cpus.cpus()).map(|(clock, error_ns)| {
                let better = match clock.source() {
                    IdleSource::TimerList => "",
                    IdleSource::CpuIdle | IdleSource::ProcStat => {
                        "; finer as root: sudo copycost run"
                    }
                };
                let error_us = error_ns / 1000;
                let source = clock.source().name();
                format!("from {source}, to within {error_us} us a window{better}")
            }))
        }
    }
}

fn settings(host: &Host) -> Vec<Item> {
    let mut items = Vec::new();
    match CongestionChoice::find() {
        Err(because) => {
            items.push(item("setting", "congestion", State::No(because.into()), ""));
        }
        Ok(choice) => {
            let sysctl = |name: &str| {
                let value = host.sysctls.get(name).and_then(|value| value.value());
                value.cloned().unwrap_or_default()
            };
            let available = sysctl("net.ipv4.tcp_available_congestion_control");
            let allowed = sysctl("net.ipv4.tcp_allowed_congestion_control");
            for name in available.split_whitespace() {
                let allow = |names: &str| {
                    format!("sudo sysctl net.ipv4.tcp_allowed_congestion_control=\"{names}\"")
                };
                let state = CongestionChoice::may_set(name).map_err(|because| Missing {
                    because,
                    unlock: allow(&format!("{allowed} {name}")),
                    undo: allow(&allowed),
                    ..Missing::default()
                });
                let mut notes = Vec::new();
                if name == choice.auto {
                    notes.push("what auto stands for here");
                }
                if name == choice.system {
                    notes.push("the system's default");
                }
                items.push(item("setting", &format!("congestion {name}"), state, notes.join(", ")));
            }
        }
    }
    let cpus = &host.usable_cpus;
    let note = format!("{} usable CPUs", cpus.len());
    let one = "only one CPU may be used: both ends share it".to_owned();
    let state = if cpus.len() >= 2 {
        State::Yes
    } else {
        State::No(Missing::from(one).unlocked_by("allow more CPUs (taskset, cpuset)"))
    };
    items.push(item("setting", "placement split", state, note));
    let sender = AckPlacement::Sender;
    let name = format!("{} {sender}", Factor::AckPlacement.key());
    for link in Link::ALL.iter().filter(|link| link.capabilities().has_helper) {
        let steered = LinkSetup { ack_placement: sender, ..LinkSetup::plain(*link, Family::Ipv4) };
        let raised = links::raise(&steered, &Peering::none());
        items.push(item("setting", &name, raised, format!("of link {link}")));
    }
    items
}

/// What will disturb the figures here.
pub fn noise(host: &Host) -> Vec<Noise> {
    let mut noise = Vec::new();
    let mut add = |what: String, advice: &str| {
        noise.push(Noise { what, advice: advice.to_owned() });
    };
    match host.virtualization.value().map(String::as_str) {
        None | Some("none") => {}
        Some(name) => add(
            format!("a virtual machine ({name})"),
            "wake-ups cost more, CPU time may be stolen; compare ratios",
        ),
    }
    if host.on_battery.value() == Some(&true) {
        add("on battery".to_owned(), "frequencies change; plug it in");
    }
    if let Some(governor) = host.governor.value().filter(|name| !name.ends_with("/performance")) {
        add(
            format!("frequency governor {governor}"),
            "steadier with: sudo cpupower frequency-set -g performance",
        );
    }
    if let Some(load) = host.load_average.value().filter(|load| **load > 0.3) {
        add(format!("load average {load}"), "other programs are running; end them");
    }
    if let Some(quota) = host.cpu_quota.value() {
        add(
            format!("a quota of {quota} CPUs"),
            "throttled trials are void; run outside of that control group, or raise its cpu.max",
        );
    }
    noise
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_of_the_open_lists_is_told() {
        let probe = probe();
        let names: Vec<_> = probe.items.iter().map(|item| item.name.as_str()).collect();
        for name in SendPath::ALL.iter().map(|p| p.name()) {
            assert!(names.contains(&name), "{name}");
        }
        for name in Instrument::ALL.iter().map(|i| i.name()) {
            assert!(names.contains(&name), "{name}");
        }
        let answer = |name: &str| probe.items.iter().find(|i| i.name == name).map(|i| &i.state);
        let (steered, sink) = (answer("ack-placement sender"), answer("sink ipv4"));
        // Where the link cannot be had, nothing of it can.
        assert!(steered.is_some() && (sink == Some(&State::Yes) || steered == sink), "{steered:?}");
        assert!(probe.items.iter().filter(|i| i.group == "counter").count() == WANTED.len());
    }
}
