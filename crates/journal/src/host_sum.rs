//! A checksum of what `host.json` says.

use model::host::Host;

/// CRC-32 of the facts as this version writes them, so that spaces and the order of keys are all the same.
pub fn host_crc32(host: &Host) -> String {
    // Facts are names, numbers and texts: there is nothing that JSON could not hold.
    let text = serde_json::to_vec(host).unwrap_or_default();
    format!("{:08x}", crc32fast::hash(&text))
}
