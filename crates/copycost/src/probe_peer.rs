//! `copycost probe --peer`: what two hosts can measure between them.

use std::fmt::Write as _;

use analysis::line_rate::LineRate;
use engine::demands::Demand;
use engine::probe::{Item, Probe, State};
use model::host::{Host, Reached};
use model::{Link, Measured, Missing, Peer, ReceivePath, SendPath};
use serde_json::{Value, json};

use crate::exit::Stop;
use crate::peer_flags::links_to_a_peer;
use crate::probe::heading;
use crate::run::{both_hosts, start_engine};
use crate::terminal::{Reader, show};

/// Whether a path can be had on each host.
struct PathOnBoth {
    /// `send path` or `receive path`.
    group: &'static str,
    name: &'static str,
    /// Tried here.
    here: State,
    /// Tried there, by the program that runs at the other host.
    there: State,
    /// Why the link between the hosts has none of it.
    no_such_path: Option<&'static str>,
}

/// What two hosts tell.
struct Between<'p> {
    /// Which end runs at the other host.
    peer_sends: bool,
    /// This host, as without a peer.
    here: &'p Probe,
    /// Facts of the other host.
    there: &'p Host,
    /// How it is reached, with both devices.
    reached: &'p Reached,
    /// What the line between them carries.
    line_rate: Measured<LineRate>,
    paths: Vec<PathOnBoth>,
}

impl Between<'_> {
    fn json(&self) -> Value {
        let path = |it: &PathOnBoth| {
            json!({
                "group": it.group,
                "name": it.name,
                "here": it.here,
                "there": it.there,
                "no_such_path": it.no_such_path,
            })
        };
        json!({
            "peer_sends": self.peer_sends,
            "here": self.here,
            "there": self.there,
            "reached": self.reached,
            "line_rate": self.line_rate,
            "paths": self.paths.iter().map(path).collect::<Vec<_>>(),
        })
    }
}

/// Reaches the other host and shows what both say; nothing is measured, and nothing left there.
///
/// # Errors
/// The other host is not reached, or a signal came.
pub(crate) fn probe_peer(peer: Peer, json: bool) -> Result<(), Stop> {
    let sends = peer.sends;
    let engine = start_engine(Some(peer))?;
    let host = both_hosts(&engine)?;
    let here = engine::probe::probe();
    let (Some(there), Some(reached)) = (host.peer(), host.reached.as_deref()) else {
        return Err(Stop::Cannot("the other host tells nothing of itself".to_owned()));
    };
    let line_rate = LineRate::of(&host)
        .unwrap_or_else(|| Measured::absent("the devices between the hosts are not known"));
    let demands = demands();
    let granted = self::there(engine.granted_at_peer(&demands), demands.len());
    let paths = paths(&here.items, granted);
    let between = Between { peer_sends: sends, here: &here, there, reached, line_rate, paths };
    if json {
        let text = serde_json::to_string_pretty(&between.json())
            .map_err(|error| Stop::Cannot(format!("cannot write JSON: {error}")))?;
        return show(&(text + "\n"));
    }
    let reader = Reader::of_output();
    show(&table(&between, if reader.at_terminal { reader.width } else { usize::MAX }))
}

/// The paths that are asked of both hosts, in their order, and as what.
fn demands() -> Vec<Demand> {
    let send = SendPath::ALL.iter().map(|path| Demand::SendPath(*path));
    send.chain(ReceivePath::ALL.iter().map(|path| Demand::ReceivePath(*path))).collect()
}

/// What another host answers of each; where it does not, that is not known of any.
fn there(answers: Result<Vec<Result<(), Missing>>, Missing>, asked: usize) -> Vec<State> {
    match answers {
        Ok(answers) => answers.into_iter().map(State::from).collect(),
        Err(why) => vec![State::Unknown(why); asked],
    }
}

fn paths(items: &[Item], there: Vec<State>) -> Vec<PathOnBoth> {
    let links = links_to_a_peer();
    let of = |demand: &Demand, there: State| {
        let (group, name, lacks) = match demand {
            Demand::SendPath(path) => {
                let lacks = links.iter().find_map(|link| Link::lacks_sending(*link, *path));
                ("send path", path.name(), lacks.map(|no| no.because))
            }
            Demand::ReceivePath(path) => {
                let lacks = links.iter().find_map(|link| Link::lacks_receiving(*link, *path));
                ("receive path", path.name(), lacks.map(|no| no.because))
            }
            Demand::Congestion(_) | Demand::BusyPoll(_) | Demand::Memory(..) | Demand::Ring(_) => {
                return None;
            }
        };
        let here = items.iter().find(|item| item.group == group && item.name == name);
        let here = here.map_or_else(
            || State::Unknown("it was not asked for".to_owned().into()),
            |item| item.state.clone(),
        );
        Some(PathOnBoth { group, name, here, there, no_such_path: lacks })
    };
    demands().iter().zip(there).filter_map(|(demand, there)| of(demand, there)).collect()
}

fn word(state: &State) -> &'static str {
    match state {
        State::Yes => "yes",
        State::InPart => "in part",
        State::No(_) => "no",
        State::Unknown(_) => "could not tell",
    }
}

fn machine(host: &Host) -> String {
    let cpus = u32::try_from(host.usable_cpus.len()).unwrap_or(u32::MAX);
    format!(
        "{}: {}, {}, Linux {}",
        host.hostname.value().map_or("unknown", String::as_str),
        host.cpu_model.value().map_or("unknown CPU", String::as_str),
        report::numbers::counted(cpus, "usable CPU", "usable CPUs"),
        host.kernel.value().map_or("unknown", String::as_str),
    )
}

/// One screen: both hosts, the line between them, and the paths that each has.
fn table(between: &Between<'_>, width: usize) -> String {
    let Between { peer_sends, here, there, reached, line_rate, paths } = between;
    let nic = |nic: &Measured<model::nic::Nic>| match nic {
        Measured::Value(nic) => report::nic_line(nic),
        Measured::Absent { absent } => format!("device not known: {absent}"),
    };
    let ends = |is_sending: bool| if is_sending { "sends" } else { "receives" };
    let address = match &reached.data_address {
        Measured::Value(address) => address.clone(),
        Measured::Absent { absent } => format!("not known: {absent}"),
    };
    let round_trip = reached.line_round_trip_ns.0 as f64 / 1e6;
    let line = report::line_words(line_rate);
    let rows = [
        ("here", format!("{}; {}", machine(&here.host), ends(!peer_sends))),
        ("", nic(&reached.nic_here)),
        ("there", format!("{}, {}; {}", reached.peer, machine(there), ends(*peer_sends))),
        ("", nic(&reached.nic_there)),
        ("line", line),
        ("data to", address),
        (
            "round trip",
            format!(
                "{round_trip:.3} ms for a line of text by ssh, there and back, with waking the programs that read it; the network alone takes less"
            ),
        ),
    ];
    let mut text = String::new();
    for (name, words) in rows {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(text, "{}", report::folded(&format!("{name:<12}{words}"), 12, width));
    }
    let name_width = paths.iter().map(|path| path.name.len()).max().unwrap_or(0);
    let mut group = "";
    for path in paths {
        if path.group != group {
            group = path.group;
            let _ = writeln!(text, "\n{:<1$}here  there", heading(group), name_width + 4);
        }
        let why = match (&path.no_such_path, &path.here, &path.there) {
            (Some(because), ..) => format!("  not between hosts: {because}"),
            (None, State::No(no) | State::Unknown(no), _) => format!("  here: {}", no.because),
            (None, State::Yes | State::InPart, State::No(no) | State::Unknown(no)) => {
                format!("  there: {}", no.because)
            }
            (None, State::Yes | State::InPart, State::Yes | State::InPart) => String::new(),
        };
        let row = format!(
            "  {:<name_width$}  {:<4}  {:<5}{why}",
            path.name,
            word(&path.here),
            word(&path.there)
        );
        let _ = writeln!(text, "{}", report::folded(row.trim_end(), name_width + 4, width));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_there_where_the_kernel_grants_them() {
        let item = Item {
            group: "send path".to_owned(),
            name: "send".to_owned(),
            state: State::Yes,
            note: String::new(),
        };
        let asked = demands();
        // io_uring switched off, as a version does not tell (kernel.io_uring_disabled).
        let no = Missing::of_itself("io_uring at h").because("io_uring_setup: EPERM");
        let answers = asked.iter().map(|demand| match demand {
            Demand::SendPath(path) if path.capabilities().goes_through_uring => Err(no.clone()),
            Demand::Congestion(_)
            | Demand::BusyPoll(_)
            | Demand::SendPath(_)
            | Demand::Memory(..)
            | Demand::ReceivePath(_)
            | Demand::Ring(_) => Ok(()),
        });
        let all = paths(&[item], there(Ok(answers.collect()), asked.len()));
        assert_eq!(all.len(), SendPath::ALL.len() + ReceivePath::ALL.len());
        let of = |name: &str| all.iter().find(|path| path.name == name).unwrap();
        assert_eq!((&of("send").here, &of("send").there), (&State::Yes, &State::Yes));
        assert_eq!(of("uring-send").there, State::No(no));
        let gone = Missing::of_itself("peer h").because("the connection is lost");
        let unknown = paths(&[], there(Err(gone.clone()), asked.len()));
        assert_eq!(unknown.len(), all.len());
        assert!(unknown.iter().all(|path| path.there == State::Unknown(gone.clone())));
    }
}
