//! Inputs as scripts: bytes read as steps, so that every input means something and a mutation changes one step.

/// Reads steps from the front of an input.
pub(crate) struct Script<'a>(pub(crate) &'a [u8]);

impl<'a> Script<'a> {
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes([self.byte()?, self.byte()?]))
    }

    /// A length of 16 bits and as many bytes, or what is left of them.
    pub(crate) fn chunk(&mut self) -> Option<&'a [u8]> {
        let len = usize::from(self.u16()?).min(self.0.len());
        let (chunk, rest) = self.0.split_at(len);
        self.0 = rest;
        Some(chunk)
    }
}

/// The same steps as bytes, for seeds.
#[derive(Default)]
pub(crate) struct ScriptWriter(Vec<u8>);

impl ScriptWriter {
    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn chunk(self, chunk: &[u8]) -> Self {
        self.bytes(&(chunk.len() as u16).to_be_bytes()).bytes(chunk)
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}
