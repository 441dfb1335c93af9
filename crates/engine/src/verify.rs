//! `verify`: checked content down every path, so that nothing is lost, reordered or changed.

use model::names::Switch;
use model::record::{Failure, FailureKind, Outcome};
use model::values::{Fields, MessageSize, Replica, Ring, Threads};
use model::{Cell, Family, Nanos, SendPath};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::order::TrialOrder;

/// What to verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyOptions {
    /// The paths.
    pub paths: Vec<SendPath>,
    /// Message sizes.
    pub sizes: Vec<MessageSize>,
    /// Workers a side.
    pub threads: Vec<Threads>,
    /// Address families.
    pub families: Vec<Family>,
    /// How long each trial sends.
    pub window: Nanos,
}

/// From 1 B to 1 MiB: powers of two, their neighbours, and some of no form at all.
const SIZES: [u64; 27] = [
    1, 2, 3, 7, 8, 9, 63, 64, 65, 511, 512, 513, 1000, 1448, 4095, 4096, 4097, 12_345, 16_384,
    32_768, 65_535, 65_536, 65_537, 131_073, 262_144, 1_048_575, 1_048_576,
];

impl Default for VerifyOptions {
    fn default() -> Self {
        Self {
            paths: SendPath::ALL.to_vec(),
            sizes: SIZES.into_iter().filter_map(MessageSize::new).collect(),
            threads: [1, 2, 4].into_iter().filter_map(Threads::new).collect(),
            families: vec![Family::Ipv4],
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
    /// Messages sent.
    pub messages: u64,
    /// What was wrong; none if nothing was.
    pub fault: Option<String>,
}

impl VerifyOptions {
    /// The cells, by size so that a fault shows early. Fewer fields where a message has no room for eight; the
    /// smallest ring, so that slots are used again as soon as they may be.
    pub fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for family in &self.families {
            for size in &self.sizes {
                for threads in &self.threads {
                    for path in &self.paths {
                        // What cannot be rewritten repeats with the ring, which is the longer the better.
                        let (ring, rewriting) = if path.capabilities().tells_release() {
                            (Ring::Fixed(4), Switch::On)
                        } else {
                            (Ring::Auto, Switch::Off)
                        };
                        let fields = u32::try_from(size.bytes().0.min(8)).unwrap_or(8);
                        cells.push(Cell {
                            send_path: *path,
                            message: *size,
                            threads: *threads,
                            family: *family,
                            fields: Fields::new(fields).unwrap_or(Fields::EIGHT),
                            ring,
                            rewriting,
                            replica: Replica::ONE,
                            ..Cell::default()
                        });
                    }
                }
            }
        }
        cells
    }
}

/// Sends checked content through every cell; `each` is called with every verdict.
///
/// # Errors
/// Interrupted, or this machine cannot do what a cell asks for.
pub fn verify(
    engine: &mut Engine,
    options: &VerifyOptions,
    each: &mut dyn FnMut(&Verified),
) -> Result<Vec<Verified>, EngineError> {
    let mut all = Vec::new();
    for cell in options.cells() {
        let verified = verify_cell(engine, cell, options.window)?;
        each(&verified);
        all.push(verified);
    }
    engine.end_round();
    Ok(all)
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
            return Ok(Verified { cell, checked_bytes: 0, messages: 0, fault: Some(failure.why) });
        }
        Outcome::Finished(finished) => finished,
        Outcome::Imported(_) => {
            let fault = Some(NOTHING_SENT.to_owned());
            return Ok(Verified { cell, checked_bytes: 0, messages: 0, fault });
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
    } else if received.checked_bytes != received.received_bytes {
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
    Ok(Verified { cell, checked_bytes: received.checked_bytes, messages: sent.messages, fault })
}
