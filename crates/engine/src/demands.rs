//! What a cell demands of the kernels of its ends' hosts, and whether they grant it.
//!
//! A send path is asked of the kernel where the sending end runs, and a receive path of the one where the receiving end does: of another
//! host over the connection to it ([`crate::protocol::PeerOrder::Probe`]).

use std::collections::{BTreeMap, BTreeSet};

use model::values::BusyPoll;
use model::{Cell, Missing, Nanos, Pages, ReceivePath, RingFile, SendPath};
use serde::{Deserialize, Serialize};

use crate::child::WhichEnd;
use crate::congestion::CongestionChoice;
use crate::{busy_poll, receive_paths, send_paths};

/// Something that a kernel may refuse. Cells that demand the same have equal ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Demand {
    /// To set a congestion control.
    Congestion(String),
    /// To have a receive call look for packets itself for so many microseconds.
    BusyPoll(u32),
    /// A send path.
    SendPath(SendPath),
    /// Memory for a send path's ring.
    Memory(SendPath, Pages, RingFile),
    /// A receive path.
    ReceivePath(ReceivePath),
    /// An io_uring as this cell's, of which nothing else counts.
    Ring(Box<Cell>),
}

impl Demand {
    /// What one end of a cell demands, its congestion control being this one.
    fn of(cell: &Cell, which: WhichEnd, congestion: &str) -> Vec<Self> {
        let of_both =
            [Self::Congestion(congestion.to_owned()), Self::BusyPoll(cell.busy_poll.micros())];
        let own = match which {
            WhichEnd::Sender => {
                let path = cell.send_path;
                let memory = Self::Memory(path, cell.pages, cell.sendfile_from);
                let ring = path.capabilities().goes_through_uring.then(|| {
                    Self::Ring(Box::new(Cell {
                        send_path: path,
                        sqpoll: cell.sqpoll,
                        registered_files: cell.registered_files,
                        defer_taskrun: cell.defer_taskrun,
                        ..Cell::default()
                    }))
                });
                [Some(Self::SendPath(path)), Some(memory), ring].into_iter().flatten().collect()
            }
            WhichEnd::Receiver => vec![Self::ReceivePath(cell.receive_path)],
        };
        of_both.into_iter().chain(own).collect()
    }

    /// Whether the kernel of this host grants it.
    ///
    /// # Errors
    /// Why not, what gives it and what takes that back.
    pub(crate) fn ask(&self) -> Result<(), Missing> {
        match self {
            Self::Congestion(name) => Ok(CongestionChoice::may_set(name)?),
            Self::BusyPoll(0) => Ok(()),
            Self::BusyPoll(us) => {
                busy_poll::may_set(BusyPoll::Fixed(Nanos(u64::from(*us) * 1_000)))
            }
            Self::SendPath(path) => send_paths::supported(*path),
            Self::Memory(path, pages, file) => send_paths::memory_supported(*path, *pages, *file),
            Self::ReceivePath(path) => receive_paths::supported(*path),
            Self::Ring(cell) => send_paths::ring_supported(cell),
        }
    }
}

/// What of a host's answers is kept: those of this host as they come, and those of another one.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    here: BTreeMap<Demand, Result<(), Missing>>,
    there: BTreeMap<Demand, Result<(), Missing>>,
}

/// Which end of a cell runs at another host.
pub(crate) type There = Option<WhichEnd>;

impl Answers {
    /// Asks another host for all that the ends of these cells demand there, at once; `ask` does.
    pub(crate) fn ask_there<'c>(
        &mut self,
        cells: impl IntoIterator<Item = (&'c Cell, WhichEnd, String)>,
        ask: impl FnOnce(&[Demand]) -> Result<Vec<Result<(), Missing>>, Missing>,
    ) {
        let demands: BTreeSet<Demand> = cells
            .into_iter()
            .flat_map(|(cell, which, congestion)| Demand::of(cell, which, &congestion))
            .collect();
        if demands.is_empty() {
            return;
        }
        let demands: Vec<Demand> = demands.into_iter().collect();
        match ask(&demands) {
            Ok(answers) => self.there.extend(demands.into_iter().zip(answers)),
            Err(why) => {
                self.there.extend(demands.into_iter().map(|demand| (demand, Err(why.clone()))));
            }
        }
    }

    /// Whether the hosts of both ends grant what a cell demands.
    ///
    /// # Errors
    /// The first that one of them refuses.
    pub(crate) fn grant(
        &mut self,
        cell: &Cell,
        there: There,
        congestion: &str,
    ) -> Result<(), Missing> {
        for which in [WhichEnd::Sender, WhichEnd::Receiver] {
            for demand in Demand::of(cell, which, congestion) {
                if there == Some(which) {
                    match self.there.get(&demand) {
                        Some(answer) => answer.clone()?,
                        None => {
                            return Err(Missing::of_itself(format!("{}'s host", which.name()))
                                .because("it was not asked for this cell"));
                        }
                    }
                } else {
                    let answer = self.here.entry(demand).or_insert_with_key(Demand::ask).clone();
                    answer?;
                }
            }
        }
        Ok(())
    }
}

/// What another host refuses, told as of it.
pub(crate) fn refused_at(name: &str, why: Missing) -> Missing {
    if why.what.is_empty() {
        return Missing { because: format!("at {name}: {}", why.because), ..why };
    }
    Missing { what: format!("{} at {name}", why.what), ..why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(text: &str) -> Cell {
        text.parse().unwrap()
    }

    /// Another host that refuses one demand.
    fn refusing(refused: &Demand, cells: &[Cell], which: WhichEnd) -> (Answers, Vec<Demand>) {
        let mut answers = Answers::default();
        let mut asked = Vec::new();
        let all = cells.iter().map(|cell| (cell, which, "cubic".to_owned()));
        answers.ask_there(all, |demands| {
            asked = demands.to_vec();
            let answer = |demand: &Demand| match demand == refused {
                true => Err(refused_at("h", Missing::of_itself("it").because("too old"))),
                false => Ok(()),
            };
            Ok(demands.iter().map(answer).collect())
        });
        (answers, asked)
    }

    #[test]
    fn each_path_is_asked_of_the_kernel_where_its_end_runs() {
        let cells = [
            cell("link=ssh send=zerocopy recv=recvmsg"),
            cell("link=ssh send=zerocopy recv=recvmsg threads=8"),
            cell("link=ssh send=uring-send recv=recvmsg sqpoll=on"),
        ];
        let zerocopy = Demand::SendPath(SendPath::Zerocopy);
        let (mut sends, asked) = refusing(&zerocopy, &cells, WhichEnd::Sender);
        // Once for all cells, and nothing of the receiving end, which runs here.
        assert_eq!(asked.iter().filter(|demand| **demand == zerocopy).count(), 1);
        assert!(asked.iter().all(|demand| !matches!(demand, Demand::ReceivePath(_))), "{asked:?}");
        assert!(
            asked.iter().any(|demand| matches!(demand, Demand::Ring(cell) if cell.is_polled()))
        );
        let why = sends.grant(&cells[0], Some(WhichEnd::Sender), "cubic").unwrap_err();
        assert_eq!(why.to_string(), "it at h: too old");
        // Where the other host receives, its send paths are nobody's matter.
        let recvmsg = Demand::ReceivePath(ReceivePath::Recvmsg);
        let (mut receives, asked) = refusing(&recvmsg, &cells, WhichEnd::Receiver);
        assert!(!asked.contains(&zerocopy) && asked.contains(&recvmsg), "{asked:?}");
        let why = receives.grant(&cells[0], Some(WhichEnd::Receiver), "cubic").unwrap_err();
        assert_eq!(why.what, "it at h");
    }

    #[test]
    fn a_host_that_does_not_answer_refuses_all_and_one_host_is_asked_itself() {
        let mut answers = Answers::default();
        let cell = cell("link=ssh send=send");
        let ask = |_: &[Demand]| Err(Missing::of_itself("peer h").because("it is gone"));
        answers.ask_there([(&cell, WhichEnd::Receiver, "cubic".to_owned())], ask);
        let why = answers.grant(&cell, Some(WhichEnd::Receiver), "cubic").unwrap_err();
        assert_eq!(why.to_string(), "peer h: it is gone");
        let name = CongestionChoice::find().unwrap().resolve(&model::values::Congestion::System);
        assert_eq!(Answers::default().grant(&cell, None, &name), Ok(()));
        let why = Answers::default().grant(&cell, None, "nobodys").unwrap_err();
        assert!(why.to_string().contains("nobodys"), "{why}");
    }

    #[test]
    fn a_reason_without_a_name_says_where_it_holds() {
        let why = refused_at("u@h", Missing::from("setsockopt: no".to_owned()));
        assert_eq!(why.to_string(), "at u@h: setsockopt: no");
    }
}
