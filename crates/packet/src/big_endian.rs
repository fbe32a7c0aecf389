//! Reads of network-order integers that cannot go out of bounds.

/// The 32-bit integer at `at`, if it lies within `bytes`.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_be_bytes(*chunk))
}
