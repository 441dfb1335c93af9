//! The paper's claims and what a run says of them, in sentences.

use analysis::claims::claim::Claim;
use analysis::reason::{Part, PartKind, Shown};
use analysis::reference::Caveat;

use super::reasons::reasons;
use crate::numbers::counted;

/// The claims, in the order of their numbers.
const CLAIMS: [&str; 25] = [
    "send() copies twice on the way out: from user memory to the socket buffer, then to the DMA buffer",
    "sendmsg() with an iovec removes one copy: the kernel gathers straight from the user's buffers",
    "MSG_ZEROCOPY over loopback is zero-copy",
    "sendmsg (A2) beats send (A1) at every size, most at small ones",
    "zero-copy loses at small messages because pinning, reference counts and notifications cost more than the copy",
    "zero-copy (A3) beats two-copy (A1) from 4096 bytes on",
    "that threshold is 4096 because a page has 4096 bytes",
    "zero-copy's sweet spot is 4 to 8 KiB with 2 to 4 threads: 10 to 20 % more than two-copy",
    "throughput grows with message size because the system call is amortised",
    "throughput scales near-linearly from 1 to 4 threads at 4096 bytes",
    "sendmsg's jump from 4 to 8 threads at 4096 bytes comes from CPU pipeline optimisations",
    "at 65536 bytes, 8 threads carry less than 4: sendmsg 62 % less, zerocopy 66 %, send 27 %",
    "that fall is the memory wall: the copies use up the DRAM bandwidth",
    "that fall is false sharing and cache-line traffic in struct sock",
    "zerocopy falls most because its notifications thrash the scheduler",
    "NUMA placement explains part of that fall",
    "global locks and a tcp_write_queue spinlock are contended",
    "send's cache misses peak at 512 bytes because eight cache lines align badly",
    "zerocopy has the best cache behaviour at medium sizes because nothing is copied through the cache",
    "the last-level cache shows the largest reduction in misses from send to sendmsg",
    "64 KiB messages do not fit the L3 cache",
    "50 to 300 cycles per byte at 64 bytes, 0.2 to 1 at 64 KiB; sendmsg lowest, 0.04 at 64 KiB and 8 threads",
    "more threads lower the cycles per byte",
    "4 threads is the sweet spot",
    "pinning threads, separate sockets and batching would help",
];

/// The claim in one line.
pub(crate) fn claim(claim: &Claim) -> &'static str {
    CLAIMS.get(claim.id.number().wrapping_sub(1)).copied().unwrap_or_default()
}

/// Why its verdict is what it is: its parts in their order, with the caveats.
pub(crate) fn because(claim: &Claim) -> String {
    let parts: Vec<String> = claim.parts.iter().map(part).filter(|text| !text.is_empty()).collect();
    let mut sentence = parts.join("; ");
    for caveat in &claim.caveats {
        sentence = with_caveat(sentence, *caveat);
    }
    sentence
}

fn part(part: &Part) -> String {
    let seen = reasons(&part.reasons);
    let lead = match (part.kind, part.shown) {
        (PartKind::Premise, Shown::No) => "nothing to explain: ",
        (_, Shown::Unclear) => "not shown: ",
        (_, Shown::Yes | Shown::No | Shown::NotMeasured | Shown::NotApplicable) => "",
    };
    format!("{lead}{seen}")
}

/// A sentence with what speaks against taking it further.
fn with_caveat(sentence: String, caveat: Caveat) -> String {
    match caveat {
        Caveat::LawBroken { id } => {
            format!("law {id} is broken, so its source is not believed; else: {sentence}")
        }
        Caveat::Oversubscribed { all: true } => {
            format!("{sentence}; every cell has more threads than CPUs")
        }
        Caveat::Oversubscribed { all: false } => {
            format!("{sentence}; some of its cells have more threads than CPUs")
        }
        Caveat::NoCause => format!("no cause is claimed from such cells; else: {sentence}"),
        Caveat::Preliminary { rounds } => {
            format!("preliminary ({}): {sentence}", counted(rounds, "round", "rounds"))
        }
    }
}
