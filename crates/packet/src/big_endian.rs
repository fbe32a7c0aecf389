//! Reads and writes of network-order bytes that cannot go out of bounds.

/// The 16-bit integer at `at`, if it lies within `bytes`.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_be_bytes(*chunk))
}

/// The 24-bit integer at `at`, if it lies within `bytes`.
pub(crate) fn u24_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|[high, middle, low]| u32::from_be_bytes([0, *high, *middle, *low]))
}

/// The 32-bit integer at `at`, if it lies within `bytes`.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_be_bytes(*chunk))
}

/// The 64-bit integer at `at`, if it lies within `bytes`.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_be_bytes(*chunk))
}

/// Appends to a slice of fixed size.
pub(crate) struct Cursor<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl<'a> Cursor<'a> {
    /// Starts at the first byte of `out`.
    pub(crate) fn new(out: &'a mut [u8]) -> Self {
        Self { out, len: 0 }
    }

    /// Number of bytes written so far.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Appends `bytes`, or returns `None` when they do not fit.
    ///
    /// Inlined, so that a few bytes of known length are one store and no call.
    #[inline(always)]
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.len + bytes.len();
        self.out.get_mut(self.len..end)?.copy_from_slice(bytes);
        self.len = end;
        Some(())
    }

    /// Appends zeros until the length is a multiple of four.
    pub(crate) fn pad_to_word(&mut self) -> Option<()> {
        // Each a store of known length: a loop becomes a call of the C library.
        match self.len % 4 {
            0 => Some(()),
            1 => self.put(&[0; 3]),
            2 => self.put(&[0; 2]),
            _ => self.put(&[0; 1]),
        }
    }

    /// Forgets everything after the first `len` bytes.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Overwrites what was written at `at`; `None` when that part was not written yet.
    pub(crate) fn patch(&mut self, at: usize, bytes: &[u8]) -> Option<()> {
        self.out[..self.len].get_mut(at..at + bytes.len())?.copy_from_slice(bytes);
        Some(())
    }
}
