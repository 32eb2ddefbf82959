//! A line that is typed: bytes in a buffer that never moves and is wiped.

use zeroize::Zeroizing;

/// No secret that is typed is longer, in bytes.
pub(super) const MAX: usize = 256;

/// What has been typed so far.
pub(super) struct Line(Zeroizing<Vec<u8>>);

impl Line {
    pub(super) fn new() -> Self {
        Line(Zeroizing::new(Vec::with_capacity(MAX)))
    }

    /// Adds a character, if there is room: the buffer must not grow, or a copy
    /// would be left behind.
    pub(super) fn push(&mut self, character: char) {
        let mut utf8 = Zeroizing::new([0; 4]);
        let bytes = character.encode_utf8(&mut *utf8).as_bytes();
        if self.0.len() + bytes.len() <= MAX {
            self.0.extend_from_slice(bytes);
        }
    }

    pub(super) fn push_byte(&mut self, byte: u8) -> bool {
        let fits = self.0.len() < MAX;
        if fits {
            self.0.push(byte);
        }
        fits
    }

    /// Takes the last character back.
    pub(super) fn backspace(&mut self) {
        while let Some(byte) = self.0.pop() {
            // Not a continuation byte: the character's first.
            if byte & 0xC0 != 0x80 {
                break;
            }
        }
    }

    pub(super) fn clear(&mut self) {
        while self.0.pop().is_some() {}
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many characters were typed.
    pub(super) fn characters(&self) -> usize {
        self.0.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
    }

    /// A copy of the exact size; the buffer is wiped.
    pub(super) fn finish(self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.as_slice().to_vec())
    }
}
