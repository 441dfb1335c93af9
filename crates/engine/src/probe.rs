//! What this machine can measure, how to unlock the rest, and how to undo that.

use std::fmt;

use kernel::counter_probe::{self, Answer};
use kernel::idle::{IdleClock, IdleSource};
use kernel::snmp::Snmp;
use kernel::{Unavailable, cpu};
use model::host::Host;
use model::names::AckPlacement;
use model::{Factor, Family, Instrument, Link, ReceivePath, SendPath};
use serde::{Serialize, Serializer};

use crate::congestion::CongestionChoice;
use crate::instruments::counters::WANTED;
use crate::instruments::{ceiling, copy_audit, profile};
use crate::links::LinkSetup;
use crate::{host, links, receive_paths, send_paths};

/// Whether something can be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum State {
    /// Yes.
    Yes,
    /// No.
    No {
        /// Why.
        because: String,
        /// What would give it; empty where nothing would.
        unlock: String,
        /// What takes that back; empty where there is nothing to take back.
        undo: String,
    },
    /// It could not be told.
    Unknown {
        /// Why.
        because: String,
    },
}

/// One member of a list and its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// The list: `send path`, `receive path`, `link`, `instrument`, `counter`, `setting`.
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

fn item(group: &str, name: &str, state: State, note: impl Into<String>) -> Item {
    Item { group: group.to_owned(), name: name.to_owned(), state, note: note.into() }
}

fn no(because: impl Into<String>, unlock: impl Into<String>, undo: impl Into<String>) -> State {
    State::No { because: because.into(), unlock: unlock.into(), undo: undo.into() }
}

impl From<Unavailable> for State {
    fn from(why: Unavailable) -> Self {
        no(why.because, why.remedy.unlock, why.remedy.undo)
    }
}

fn from_result(result: Result<(), String>) -> State {
    match result {
        Ok(()) => State::Yes,
        Err(because) => no(because, "", ""),
    }
}

/// Asks the machine; changes nothing.
pub fn probe() -> Probe {
    let host = host::facts();
    let mut items = Vec::new();
    for path in SendPath::ALL {
        let state = from_result(send_paths::supported(*path));
        items.push(item("send path", path.name(), state, ""));
    }
    for path in ReceivePath::ALL {
        let state = from_result(receive_paths::supported(*path));
        items.push(item("receive path", path.name(), state, ""));
    }
    for link in Link::ALL {
        for family in Family::ALL {
            let raised = links::raise(&LinkSetup::plain(*link, *family));
            let state = raised.map_or_else(State::from, |_| State::Yes);
            items.push(item("link", &format!("{link} {family}"), state, ""));
        }
    }
    for instrument in Instrument::ALL {
        let (state, note) = instrument_state(*instrument, &host);
        let scope = format!("observes {}", crate::instruments::scope(*instrument));
        let note = if note.is_empty() { scope } else { format!("{scope}; {note}") };
        items.push(item("instrument", instrument.name(), state, note));
    }
    for (counter, answer) in counter_probe::probe(&WANTED) {
        let (state, note) = match answer {
            Answer::Yes { raw_event } => (State::Yes, raw_event.unwrap_or_default()),
            Answer::No(why) => (State::from(why), String::new()),
            Answer::CouldNotTell(why) => {
                (State::Unknown { because: why.to_string() }, String::new())
            }
        };
        items.push(item("counter", counter.name(), state, note));
    }
    items.extend(settings(&host));
    let noise = noise(&host);
    Probe { host, items, noise }
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
    match supported {
        Ok(note) => (State::Yes, note),
        Err(why) => (State::from(why), String::new()),
    }
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
            let supported = supported.unwrap_or_else(|| Err("no path gets any".to_owned()));
            (from_result(supported), zerocopy_limits(host))
        }
        Instrument::Counters => {
            let answers = counter_probe::probe(&WANTED);
            let mut refused = None;
            for (_, answer) in answers {
                match answer {
                    Answer::Yes { .. } => return (State::Yes, String::new()),
                    Answer::No(why) => refused = Some(State::from(why)),
                    Answer::CouldNotTell(why) => {
                        refused = Some(State::Unknown { because: why.to_string() });
                    }
                }
            }
            let note = "context switches, migrations and CPU time come from the scheduler";
            (refused.unwrap_or(State::Yes), note.to_owned())
        }
        Instrument::CopyAudit => state_and_note(copy_audit::supported()),
        Instrument::Profile => state_and_note(profile::supported()),
        Instrument::Ceiling => state_and_note(ceiling::supported().map(|()| String::new())),
        Instrument::CpuBusy => {
            let cpus = match cpu::allowed() {
                Ok(cpus) => cpus,
                Err(error) => {
                    return (State::Unknown { because: error.to_string() }, String::new());
                }
            };
            match IdleClock::choose(cpus.cpus()) {
                Err(why) => (State::from(why), String::new()),
                Ok((clock, error_ns)) => {
                    let better = match clock.source() {
                        IdleSource::TimerList => String::new(),
                        IdleSource::CpuIdle | IdleSource::ProcStat => {
                            "; finer as root: sudo copycost run".to_owned()
                        }
                    };
                    let error_us = error_ns / 1000;
                    let source = clock.source().name();
                    (State::Yes, format!("from {source}, to within {error_us} us a window{better}"))
                }
            }
        }
    }
}

fn settings(host: &Host) -> Vec<Item> {
    let mut items = Vec::new();
    match CongestionChoice::find() {
        Err(because) => items.push(item("setting", "congestion", no(because, "", ""), "")),
        Ok(choice) => {
            let sysctl = |name: &str| {
                let value = host.sysctls.get(name).and_then(|value| value.value());
                value.cloned().unwrap_or_default()
            };
            let available = sysctl("net.ipv4.tcp_available_congestion_control");
            let allowed = sysctl("net.ipv4.tcp_allowed_congestion_control");
            for name in available.split_whitespace() {
                let state = match CongestionChoice::may_set(name) {
                    Ok(()) => State::Yes,
                    Err(because) => no(
                        because,
                        format!(
                            "sudo sysctl net.ipv4.tcp_allowed_congestion_control=\"{allowed} {name}\""
                        ),
                        format!(
                            "sudo sysctl net.ipv4.tcp_allowed_congestion_control=\"{allowed}\""
                        ),
                    ),
                };
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
    let state = if cpus.len() >= 2 {
        State::Yes
    } else {
        no("only one CPU may be used: both ends share it", "allow more CPUs (taskset, cpuset)", "")
    };
    items.push(item("setting", "placement split", state, note));
    let sender = AckPlacement::Sender;
    let steered = LinkSetup { ack_placement: sender, ..LinkSetup::plain(Link::Sink, Family::Ipv4) };
    let state = links::raise(&steered).map_or_else(State::from, |_| State::Yes);
    let name = format!("{} {sender}", Factor::AckPlacement.key());
    items.push(item("setting", &name, state, "of link sink"));
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
