//! What this machine cannot measure, told before anything runs.

use std::collections::BTreeMap;

use kernel::process;
use model::host::Host;
use model::message::Message;
use model::{Audit, Cell, Measured, Missing, Plan};

use super::Engine;
use crate::demands::{Answers, Demand};
use crate::error::missing;
use crate::instruments::{ceiling, copy_audit, memory_load, profile};
use crate::links::{self, LinkSetup};
use crate::ring_memory;

impl Engine {
    /// Which cells of a plan this machine cannot measure, each with the reason and the remedy.
    pub fn unsupported(&self, plan: &Plan) -> Vec<(Cell, Missing)> {
        let mut links = BTreeMap::new();
        let room = self.room();
        let cells: Vec<Cell> = plan.cells().into_iter().chain(plan.controls()).collect();
        let mut answers = self.answers(&cells);
        let mut refused = Vec::new();
        for cell in cells {
            if let Err(why) = links::has_what_varies(&cell) {
                refused.push((cell, why.into()));
                continue;
            }
            if let Some(why) = cell.lacks_path() {
                refused.push((cell, why));
                continue;
            }
            let link = links
                .entry(LinkSetup::from(&cell))
                .or_insert_with_key(|setup| links::raise(setup, &self.peering).map(|_| ()));
            let congestion = self.congestion.resolve(&cell.congestion);
            let mut verdict = || -> Result<(), Missing> {
                cell.check()?;
                link.clone()?;
                answers.grant(&cell, self.there(cell.link), &congestion)?;
                if self.seat(&cell)?.0.memory_load.is_some() {
                    memory_load::supported()?;
                }
                self.message(&cell)?;
                Ok(fits(&[&cell], room)?)
            };
            if let Err(why) = verdict() {
                refused.push((cell, why));
            }
        }
        refused.extend(self.crowded(plan, &refused, room));
        refused
    }

    /// What the kernel of the other host grants, in the order of the demands; each with the reason and the remedy where it does not.
    ///
    /// # Errors
    /// There is no other host, it is not reached, or it did not answer.
    pub fn granted_at_peer(&self, demands: &[Demand]) -> Result<Vec<Result<(), Missing>>, Missing> {
        self.peering.session()?.probe(demands)
    }

    /// What the kernels of these cells' hosts grant: the other host is asked for all of them at once.
    fn answers(&self, cells: &[Cell]) -> Answers {
        let mut answers = Answers::default();
        let there = cells.iter().filter_map(|cell| {
            Some((cell, self.there(cell.link)?, self.congestion.resolve(&cell.congestion)))
        });
        answers.ask_there(there, |demands| self.peering.session()?.probe(demands));
        answers
    }

    /// What the rings and connections of cells must fit into: the memory of the sending end's host, and the descriptors of a process of
    /// either.
    fn room(&self) -> Room {
        let here = Room::here();
        let Some(session) = self.peering.live() else { return here };
        let there = Room::of(&session.facts().host);
        let memory = if session.facts().sends { there.memory } else { here.memory };
        Room { memory, open_files: here.open_files.min(there.open_files) }
    }

    /// The cells of blocks that take turns and do not fit side by side, though each of them would alone.
    fn crowded(
        &self,
        plan: &Plan,
        refused: &[(Cell, Missing)],
        room: Room,
    ) -> Vec<(Cell, Missing)> {
        let mut crowded = Vec::new();
        for (_, mut cells) in plan.blocks() {
            cells.retain(|cell| !refused.iter().any(|(other, _)| other == cell));
            let all: Vec<&Cell> = cells.iter().collect();
            if plan.turns(&cells, self.usable_cpus(), false).is_some()
                && let Err(why) = fits(&all, room)
            {
                let why = Missing::from(format!("{why}, or --steady, as its block takes turns"));
                crowded.extend(cells.into_iter().map(|cell| (cell, why.clone())));
            }
        }
        crowded
    }

    /// Which of a plan's heavy instruments this machine lacks, each with the reason and the remedy. Between two hosts they watch the end
    /// that runs here.
    pub fn unsupported_audits(&self, plan: &Plan) -> Vec<(Audit, Missing)> {
        let lacking = |audit: &Audit| {
            let supported = match audit {
                Audit::CopyAudit => copy_audit::supported().map(|_| ()),
                Audit::Profile => profile::supported().map(|_| ()),
                Audit::Ceiling => ceiling::supported(),
            };
            Some((*audit, missing(supported.err()?)))
        };
        plan.measure.audits.iter().filter_map(lacking).collect()
    }
}

/// Whether the rings of cells that exist at once fit into memory, and their connections into the descriptors of a process.
fn fits(cells: &[&Cell], Room { memory, open_files }: Room) -> Result<(), String> {
    let mut rings: u64 = 0;
    let mut connections: u64 = 0;
    let mut handles: u64 = 0;
    for cell in cells {
        let message = Message::of(cell, process::page_size())?;
        let ring = message.arena(cell.ring.slots(cell.message)).map_or(u64::MAX, |bytes| bytes.0);
        let ring = ring_memory::rounded_up(ring, cell.pages);
        rings = rings.saturating_add(ring.saturating_mul(u64::from(cell.rings())));
        connections += u64::from(cell.connections());
        handles += u64::from(cell.connections()) + u64::from(cell.rings());
    }
    if rings > memory / 2 {
        return Err(format!(
            "its rings need {} MiB, more than half of this machine's memory (or its container's); use a smaller --ring, --flows or --threads",
            rings >> 20
        ));
    }
    let most = cells.iter().map(|cell| links::most_flows(cell.link)).min().unwrap_or(u32::MAX);
    if connections > u64::from(most) {
        return Err(format!(
            "{connections} connections: their link has ports for {most}; use fewer --flows or --threads"
        ));
    }
    // Each connection has a handle of the end's own, and one of each worker that uses it.
    let needed = handles + 64;
    if needed > open_files {
        return Err(format!(
            "{connections} connections need {needed} open files, the limit is {open_files}; raise it with: ulimit -n"
        ));
    }
    Ok(())
}

/// What there is of a host's memory and of a process's descriptors; the most that can be where nobody knows.
#[derive(Clone, Copy, Debug)]
struct Room {
    memory: u64,
    open_files: u64,
}

impl Room {
    fn here() -> Self {
        // A container may have far less than its machine, and is killed when it takes more.
        let memory = kernel::machine::Machine::read().memory_bytes.unwrap_or(u64::MAX);
        let allowed =
            kernel::machine::memory_limit_bytes(std::path::Path::new(kernel::machine::LIVE));
        let open_files = match kernel::limits::open_files() {
            Ok(kernel::limits::Limit::At(most)) => most,
            Ok(kernel::limits::Limit::Unlimited) | Err(_) => u64::MAX,
        };
        Self { memory: memory.min(allowed.unwrap_or(u64::MAX)), open_files }
    }

    /// Of another host, as its facts tell.
    fn of(host: &Host) -> Self {
        let files = host.limits.get("open-files").and_then(Measured::value);
        Self {
            memory: host.memory_bytes.value().copied().unwrap_or(u64::MAX),
            open_files: files.copied().unwrap_or(u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_that_exist_side_by_side_must_fit_together() {
        let cell: Cell = "send=sendmsg message_bytes=65536 threads=1".parse().unwrap();
        // A ring of it takes 4 to 5 MiB.
        let room = Room { memory: 10 << 20, open_files: u64::MAX };
        assert_eq!(fits(&[&cell], room), Ok(()));
        let why = fits(&[&cell, &cell], room).unwrap_err();
        assert!(why.contains("more than half of this machine's memory"), "{why}");
    }
}
