//! A checksum of what `host.json` says.

use model::host::Host;
use serde_json::Value;

/// CRC-32 of the facts as `host.json` has them, but for spaces: of the text alone, so that a version that knows more facts finds
/// the same sum.
pub fn host_crc32(host: &Host) -> String {
    // Facts are names, numbers and texts: there is nothing that JSON could not hold.
    crc32(&serde_json::to_value(host).unwrap_or_default())
}

/// The same of the file's text.
pub(crate) fn crc32_of_text(text: &str) -> String {
    crc32(&serde_json::from_str(text).unwrap_or_default())
}

fn crc32(facts: &Value) -> String {
    format!("{:08x}", crc32fast::hash(facts.to_string().as_bytes()))
}
