//! What the fuzz targets of this crate check (`fuzz/targets`), replayed on their corpora by its tests. Not a part of the
//! library: it is compiled for `cargo test` and `cargo fuzz` alone.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a check fails by a panic, and each is named for what it reads"
)]

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::by_hand::{read_line, read_token, token_text};
use crate::meeting::read_greeting;
use crate::nic;
use crate::protocol::{GREETING_BYTES, Order, Reply, Token};

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

/// The first byte says what the rest is: an order, a reply, a greeting with the token that is awaited, a token as text, a line
/// between ends by hand, or facts of a device.
pub fn protocol(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    match kind % 4 {
        // Beside the others of their remainder.
        3 if *kind == 255 => {
            if let Ok(line) = read_line(rest) {
                let written = serde_json::to_vec(&line).unwrap();
                assert!(!written.contains(&b'\n'));
                assert_eq!(read_line(&written), Ok(line));
            }
        }
        3 if *kind == 251 => {
            let Ok(text) = std::str::from_utf8(rest) else { return };
            if let Ok(facts) = nic::from_line(text) {
                let line = nic::to_line(&facts).unwrap();
                assert!(!line.contains('\n'));
                assert_eq!(nic::from_line(&line), Ok(facts));
            }
        }
        0 => {
            if let Some(Order::Run(times)) = read::<Order>(rest) {
                let moments = times.moments(0);
                assert!(moments.edges_ns.is_sorted(), "{moments:?}");
                assert!(moments.edges_ns[5] <= moments.drained_ns, "{moments:?}");
            }
        }
        1 => {
            read::<Reply>(rest);
        }
        2 => greeting(rest),
        _ => {
            let Ok(text) = std::str::from_utf8(rest) else { return };
            if let Ok(token) = read_token(text) {
                assert_eq!(token_text(&token), text.trim().to_ascii_lowercase());
            }
        }
    }
}

/// A line that is read is written as one line, which reads back as the same.
fn read<T: Serialize + DeserializeOwned + PartialEq + Debug>(line: &[u8]) -> Option<T> {
    let read: T = serde_json::from_slice(line).ok()?;
    let written = serde_json::to_vec(&read).unwrap();
    assert!(!written.contains(&b'\n'));
    assert_eq!(serde_json::from_slice::<T>(&written).unwrap(), read);
    Some(read)
}

/// A greeting names its flow where it shows the token, and is a stranger's where a single bit of it differs.
fn greeting(bytes: &[u8]) {
    let Some((token, rest)) = bytes.split_first_chunk::<{ size_of::<Token>() }>() else { return };
    let Some((shown, rest)) = rest.split_first_chunk::<GREETING_BYTES>() else { return };
    let is_shown = shown[..token.len()] == *token;
    let flow = shown.last_chunk().map(|flow| u32::from_be_bytes(*flow));
    assert_eq!(read_greeting(shown, token), flow.filter(|_| is_shown));
    let mut right = *shown;
    right[..token.len()].copy_from_slice(token);
    assert_eq!(read_greeting(&right, token), flow);
    if let [bit, ..] = rest {
        let bit = usize::from(*bit) % (8 * token.len());
        right[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(read_greeting(&right, token), None);
    }
}

#[cfg(test)]
mod tests {
    use super::replay::replay;

    #[test]
    fn the_corpus_of_the_protocol_is_read() {
        replay("protocol", super::protocol);
    }
}
