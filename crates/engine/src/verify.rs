//! `verify`: checked content down every path, so that nothing is lost, reordered or changed.

use std::fmt;

use model::names::{RingFile, Switch};
use model::record::{Failure, FailureKind, Outcome};
use model::shape::Shape;
use model::values::{Fields, MessageSize, Replica, Ring, Threads};
use model::{Cell, Family, Link, Nanos, ReceivePath, SendPath};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::order::TrialOrder;

/// What to verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyOptions {
    /// The paths.
    pub paths: Vec<SendPath>,
    /// The receive paths.
    pub receive: Vec<ReceivePath>,
    /// The links.
    pub links: Vec<Link>,
    /// Message sizes.
    pub sizes: Vec<MessageSize>,
    /// Shapes of messages beside those sizes.
    pub shapes: Vec<Shape>,
    /// Workers a side.
    pub threads: Vec<Threads>,
    /// Whether each size and route is sent with one of them, the next one each time, and not with each.
    pub threads_in_turn: bool,
    /// Address families.
    pub families: Vec<Family>,
    /// Whether a thread polls the io_uring of a path that has one.
    pub sqpoll: Vec<Switch>,
    /// Whether that is told of its socket once.
    pub registered_files: Vec<Switch>,
    /// Whether each size and route through one is sent in one of those ways, the next one each time, and not in each.
    pub rings_in_turn: bool,
    /// Kinds of files, for paths that send pages of one.
    pub files: Vec<RingFile>,
    /// How long each trial sends.
    pub window: Nanos,
}

/// From 1 B to 1 MiB: powers of two, their neighbours, and some of no form at all.
const SIZES: [u64; 27] = [
    1, 2, 3, 7, 8, 9, 63, 64, 65, 511, 512, 513, 1000, 1448, 4095, 4096, 4097, 12_345, 16_384,
    32_768, 65_535, 65_536, 65_537, 131_073, 262_144, 1_048_575, 1_048_576,
];

/// A header and a body; lengths of no form at all; and short fields between long ones.
const SHAPES: [&str; 3] = ["24+65536", "1+4095+7+131073", "20000+24+16384+9"];

impl Default for VerifyOptions {
    fn default() -> Self {
        Self {
            paths: SendPath::ALL.to_vec(),
            receive: ReceivePath::ALL.to_vec(),
            links: vec![Cell::default().link],
            sizes: SIZES.into_iter().filter_map(MessageSize::new).collect(),
            shapes: SHAPES.iter().filter_map(|shape| shape.parse().ok()).collect(),
            threads: [1, 2, 4].into_iter().filter_map(Threads::new).collect(),
            threads_in_turn: true,
            families: vec![Family::Ipv4],
            sqpoll: vec![Switch::Off, Switch::On],
            registered_files: vec![Switch::Off, Switch::On],
            rings_in_turn: true,
            files: RingFile::ALL.to_vec(),
            window: Nanos::ms(20),
        }
    }
}

/// One cell's verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What was sent.
    pub cell: Cell,
    /// Bytes that were compared one by one.
    pub checked_bytes: u64,
    /// Bytes that the receiver was given by mapping their pages, in place of a copy.
    pub mapped_bytes: u64,
    /// Messages sent.
    pub messages: u64,
    /// What was wrong; none if nothing was.
    pub fault: Option<String>,
}

impl Verified {
    /// That of a cell through which nothing came.
    const fn nothing(cell: Cell, fault: String) -> Self {
        Self { cell, checked_bytes: 0, mapped_bytes: 0, messages: 0, fault: Some(fault) }
    }
}

impl VerifyOptions {
    /// The cells, by size so that a fault shows early. Fewer fields where a message has no room for eight; the
    /// smallest ring, so that slots are used again as soon as they may be.
    pub fn cells(&self) -> Vec<Cell> {
        let common = Cell {
            ring: Ring::Fixed(4),
            rewriting: Switch::On,
            replica: Replica::ONE,
            ..Cell::default()
        };
        let sizes = self.sizes.iter().map(|size| {
            let fields = u32::try_from(size.bytes().0.min(8)).unwrap_or(8);
            let fields = Fields::new(fields).unwrap_or(Fields::EIGHT);
            Cell { message: *size, fields, ..common.clone() }
        });
        let shapes = self.shapes.iter().map(|shape| {
            let shaped = Cell { shape: shape.clone(), ..common.clone() };
            shaped.in_its_shape()
        });
        let mut cells: Vec<Cell> = Vec::new();
        for (size, common) in sizes.chain(shapes).enumerate() {
            let mut through_rings = 0;
            for (place, route) in self.routes().enumerate() {
                let turn = place + cells.len();
                let at_once = self.threads.iter().enumerate().filter(|(number, _)| {
                    !self.threads_in_turn || *number == turn % self.threads.len()
                });
                let mut cell = route.of(&common);
                if !cell.send_path.capabilities().tells_release() {
                    // What cannot be rewritten repeats with the ring, which is the longer the better.
                    (cell.ring, cell.rewriting) = (Ring::Auto, Switch::Off);
                }
                let ways = self.rings_of(&cell);
                // One more with each size, so that a route takes another way at the next one.
                let way = size + through_rings;
                through_rings += usize::from(ways.len() > 1);
                let at_once: Vec<Threads> = at_once.map(|(_, threads)| *threads).collect();
                for (number, ring) in ways.iter().enumerate() {
                    if !self.rings_in_turn || number == way % ways.len() {
                        let with = |threads: &Threads| Cell { threads: *threads, ..ring.clone() };
                        cells.extend(at_once.iter().map(with));
                    }
                }
            }
        }
        cells
    }

    /// A cell with each way of making its path's io_uring; itself where that has none.
    fn rings_of(&self, cell: &Cell) -> Vec<Cell> {
        if !cell.send_path.capabilities().goes_through_uring {
            return vec![cell.clone()];
        }
        let polled = self.sqpoll.iter().map(|sqpoll| Cell { sqpoll: *sqpoll, ..cell.clone() });
        polled
            .flat_map(|cell| {
                self.registered_files
                    .iter()
                    .map(move |on| Cell { registered_files: *on, ..cell.clone() })
            })
            .collect()
    }

    /// Every link, family and pair of paths.
    pub fn routes(&self) -> impl Iterator<Item = Route> {
        let usual = Cell::default().family;
        let families = self.links.iter().flat_map(move |link| {
            // A link without addresses has no family of them.
            let families = if link.speaks_tcp() { self.families.clone() } else { vec![usual] };
            families.into_iter().map(move |family| (link, family))
        });
        families.flat_map(|(link, family)| {
            let sent = self.paths.iter().flat_map(|send| {
                let is_of_file = send.capabilities().sends_from_file;
                let usual = Cell::default().sendfile_from;
                let files = if is_of_file { self.files.clone() } else { vec![usual] };
                files.into_iter().map(move |file| (*send, file))
            });
            let pairs =
                sent.flat_map(|sent| self.receive.iter().map(move |receive| (sent, *receive)));
            pairs.map(move |((send, file), receive)| Route {
                send,
                file,
                receive,
                link: *link,
                family,
            })
        })
    }
}

/// How bytes get from the sender to the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The send path.
    pub send: SendPath,
    /// What its messages lie in, where it sends pages of a file.
    pub file: RingFile,
    /// The receive path.
    pub receive: ReceivePath,
    /// The link.
    pub link: Link,
    /// The address family.
    pub family: Family,
}

impl Route {
    /// That of a cell.
    pub const fn through(cell: &Cell) -> Self {
        let Cell { send_path, sendfile_from, receive_path, link, family, .. } = cell;
        Self {
            send: *send_path,
            file: *sendfile_from,
            receive: *receive_path,
            link: *link,
            family: *family,
        }
    }

    /// A cell like another that goes this way.
    pub fn of(self, like: &Cell) -> Cell {
        Cell {
            send_path: self.send,
            sendfile_from: self.file,
            receive_path: self.receive,
            link: self.link,
            family: self.family,
            ..like.clone()
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.send.name())?;
        if self.file != Cell::default().sendfile_from {
            write!(f, " from a {}", self.file)?;
        }
        write!(f, " to {} over {}", self.receive, self.link)?;
        if self.link.speaks_tcp() { write!(f, " {}", self.family) } else { Ok(()) }
    }
}

/// Sends checked content through every cell; `each` is given every verdict, so that those before an error are known.
///
/// # Errors
/// Interrupted, or this machine cannot do what a cell asks for.
pub fn verify(
    engine: &mut Engine,
    cells: &[Cell],
    window: Nanos,
    each: &mut dyn FnMut(Verified),
) -> Result<(), EngineError> {
    for cell in cells {
        each(verify_cell(engine, cell.clone(), window)?);
    }
    engine.end_round();
    Ok(())
}

/// On a busy machine the senders may not have run at all while the window was open: each further try is so much longer.
const LONGER: u64 = 8;

/// Windows tried before "nothing was sent" is a fault.
const TRIES: u32 = 4;

fn verify_cell(engine: &mut Engine, cell: Cell, window: Nanos) -> Result<Verified, EngineError> {
    let mut window = window;
    for _ in 1..TRIES {
        let verified = try_cell(engine, cell.clone(), window)?;
        if verified.messages > 0 || verified.fault.as_deref() != Some(NOTHING_SENT) {
            return Ok(verified);
        }
        window = Nanos(window.0.saturating_mul(LONGER));
    }
    try_cell(engine, cell, window)
}

const NOTHING_SENT: &str = "nothing was sent";

fn try_cell(engine: &mut Engine, cell: Cell, window: Nanos) -> Result<Verified, EngineError> {
    let order = TrialOrder { cell: cell.clone(), window, warmup: Nanos::ms(1), tail: Nanos::ms(1) };
    let (_, outcome) = engine.checked_trial(&order)?;
    let finished = match outcome {
        Outcome::Failed(Failure { kind: FailureKind::Unsupported, why }) => {
            return Err(EngineError::Unsupported(format!("{cell}: {why}")));
        }
        Outcome::Failed(failure) => {
            return Ok(Verified::nothing(cell, failure.why));
        }
        Outcome::Finished(finished) => finished,
        Outcome::Imported(_) => {
            return Ok(Verified::nothing(cell, NOTHING_SENT.to_owned()));
        }
    };
    let (sent, received) = (&finished.sender.total, &finished.receiver.total);
    let whole = sent.messages.saturating_mul(cell.message.bytes().0);
    let fault = if received.wrong_bytes > 0 {
        let first = received
            .first_wrong
            .map_or_else(String::new, |at| format!(", the first at byte {at} of its flow"));
        Some(format!(
            "{} of {} bytes are not what was sent{first}",
            received.wrong_bytes, received.received_bytes
        ))
    } else if received.received_bytes != sent.accepted_bytes {
        Some(format!(
            "{} bytes were accepted, {} arrived",
            sent.accepted_bytes, received.received_bytes
        ))
    } else if cell.receive_path.shows_content() && received.checked_bytes != received.received_bytes
    {
        Some(format!(
            "only {} of {} bytes were checked",
            received.checked_bytes, received.received_bytes
        ))
    } else if sent.accepted_bytes != whole {
        Some(format!(
            "{} messages make {whole} bytes, {} were accepted",
            sent.messages, sent.accepted_bytes
        ))
    } else if sent.zerocopy_sends != sent.completed || sent.stray_ids > 0 {
        Some(format!(
            "{} zero-copy sends, {} completed, {} completions that nobody sent",
            sent.zerocopy_sends, sent.completed, sent.stray_ids
        ))
    } else if sent.messages == 0 {
        Some(NOTHING_SENT.to_owned())
    } else {
        None
    };
    Ok(Verified {
        cell,
        checked_bytes: received.checked_bytes,
        mapped_bytes: received.mapped_bytes,
        messages: sent.messages,
        fault,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn each_route_through_a_ring_takes_every_way_of_making_it() {
        let rings: Vec<SendPath> = SendPath::ALL
            .iter()
            .copied()
            .filter(|path| path.capabilities().goes_through_uring)
            .collect();
        for paths in 1..=rings.len() {
            for receive_paths in 1..=2 {
                let options = VerifyOptions {
                    paths: rings[..paths].to_vec(),
                    receive: ReceivePath::ALL[..receive_paths].to_vec(),
                    ..VerifyOptions::default()
                };
                let mut ways: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
                for cell in options.cells() {
                    let route = (cell.send_path.name(), cell.receive_path.name());
                    ways.entry(route)
                        .or_default()
                        .insert((cell.sqpoll.is_on(), cell.registered_files.is_on()));
                }
                assert_eq!(ways.len(), paths * receive_paths);
                assert!(ways.values().all(|ways| ways.len() == 4), "{ways:?}");
            }
        }
    }
}
