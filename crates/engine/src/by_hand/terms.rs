//! What a server by hand does for a client, and what it refuses: a client's settings win, within what this machine has and what
//! one client may take of it.

use kernel::limits::{self, Limit};
use kernel::process;
use model::message::Message;
use model::{Bytes, Cell, Nanos};

use super::control::Ask;
use crate::protocol::Role;
use crate::{receive_paths, send_paths};

/// The longest load.
pub const LONGEST: Nanos = Nanos(24 * 3600 * 1_000_000_000);
/// The most memory that the rings, or the receive buffers, of one client's workers may take.
pub const MOST_MEMORY: Bytes = Bytes(1 << 30);
/// The most connections of one client.
pub const MOST_CONNECTIONS: u32 = 1024;
/// Descriptors that one connection takes: its socket, a handle of the coordinator's and one of the meter's, an io_uring.
const DESCRIPTORS: u64 = 4;
/// Descriptors for everything else, but for strangers at the door.
const SPARE: u64 = 12;

/// Whether an end may do its part of what a client asks for.
///
/// # Errors
/// Why not, in one line with the remedy.
pub(super) fn check(ask: &Ask, role: Role) -> Result<(), String> {
    let cell = &ask.cell;
    let time = ask.time_ns;
    if time < Nanos::ms(1) || time > LONGEST {
        return Err(format!("--time: from 1ms to 24h, not {time}"));
    }
    if cell.link != Cell::default().link {
        return Err(format!(
            "serve and connect measure over TCP between two addresses, so that there is no --link {}; leave it out",
            cell.link
        ));
    }
    cell.check()?;
    let message = Message::of(cell, process::page_size())?;
    let connections = cell.connections();
    if connections > MOST_CONNECTIONS {
        return Err(format!(
            "{connections} connections: a server by hand takes at most {MOST_CONNECTIONS}; use fewer --threads or --flows"
        ));
    }
    if let Ok(Limit::At(limit)) = limits::open_files()
        && u64::from(connections) * DESCRIPTORS + SPARE > limit
    {
        return Err(format!(
            "{connections} connections take more descriptors than the {limit} that the limit of open files allows here; raise ulimit -n, or use fewer --threads or --flows"
        ));
    }
    let memory = match role {
        Role::Send => message.arena(cell.ring.slots(cell.message)).map(|ring| ring.0),
        Role::Receive | Role::Absorb(_) => Some(cell.receive_buffer.bytes(cell.message)),
    };
    let parts = match role {
        Role::Send => cell.rings(),
        Role::Receive | Role::Absorb(_) => cell.threads.get(),
    };
    let memory = memory.and_then(|each| each.checked_mul(u64::from(parts)));
    if memory.is_none_or(|memory| memory > MOST_MEMORY.0) {
        let of = if role == Role::Send { "--ring, --size" } else { "--receive-buffer" };
        let memory =
            memory.map_or("more bytes than can be named".to_owned(), |n| Bytes(n).to_string());
        return Err(format!(
            "memory of {memory} for the messages: one client gets at most {MOST_MEMORY}; use a smaller {of} or fewer --threads"
        ));
    }
    supported(cell, role).map_err(|missing| missing.to_string())
}

/// Whether this machine has the path, and what goes with it.
fn supported(cell: &Cell, role: Role) -> Result<(), model::Missing> {
    match role {
        Role::Send => {
            send_paths::supported(cell.send_path)?;
            send_paths::memory_supported(cell.send_path, cell.pages, cell.sendfile_from)?;
            send_paths::ring_supported(cell)
        }
        Role::Receive | Role::Absorb(_) => receive_paths::supported(cell.receive_path),
    }
}

#[cfg(test)]
mod tests {
    use super::super::control::HAND_PROTOCOL;
    use super::*;

    fn refused(cell: &str, time: Nanos, role: Role) -> Option<String> {
        let ask = Ask {
            protocol: HAND_PROTOCOL,
            version: String::new(),
            cell: cell.parse().unwrap(),
            time_ns: time,
            reverse: role == Role::Receive,
        };
        check(&ask, role).err()
    }

    #[test]
    fn what_one_client_may_take_is_bounded_with_the_remedy() {
        let usual = Nanos::s(10);
        assert_eq!(refused("threads=2", usual, Role::Send), None);
        assert_eq!(refused("threads=2", usual, Role::Receive), None);
        for (cell, time, role, part) in [
            ("threads=1", Nanos(0), Role::Send, "--time: from 1ms to 24h"),
            ("threads=1", Nanos(LONGEST.0 + 1), Role::Send, "--time: "),
            ("link=unix", usual, Role::Send, "no --link unix"),
            ("link=sink", usual, Role::Send, "no --link sink"),
            ("threads=256 flows=5", usual, Role::Send, "at most 1024; use fewer --threads"),
            ("message_bytes=16777216 threads=256", usual, Role::Send, "use a smaller --ring"),
            (
                "receive_buffer=16777216 threads=256",
                usual,
                Role::Receive,
                "a smaller --receive-buffer",
            ),
        ] {
            let why = refused(cell, time, role).unwrap_or_else(|| panic!("{cell}: taken"));
            assert!(why.contains(part), "{cell}: {why}");
            assert_eq!(why.lines().count(), 1);
        }
        // A ring is no receiver's.
        let large = "message_bytes=16777216 threads=64 receive_buffer=65536";
        assert_eq!(refused(large, usual, Role::Receive), None);
    }
}
