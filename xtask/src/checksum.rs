//! A checksum of files: against forgetfulness, not against malice.

/// FNV-1a, 64 bits (draft-eastlake-fnv), in hexadecimal digits.
pub(crate) fn checksum(parts: &[&[u8]]) -> String {
    let hash =
        parts.iter().flat_map(|part| part.iter()).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_fnv_1a() {
        // From the draft's test vectors.
        assert_eq!(checksum(&[b"foobar"]), "85944171f73967e8");
        assert_eq!(checksum(&[b"foo", b"bar"]), "85944171f73967e8");
    }
}
