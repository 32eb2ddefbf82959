//! Where typed and read secrets lie: a buffer that never moves and is wiped.

use zeroize::{Zeroize as _, Zeroizing};

/// No secret is longer, in bytes.
pub(crate) const MAX_LENGTH: usize = 256;

/// A secret. Its buffer was made in full at once, so that it never moved and
/// left a copy behind, and is wiped when dropped.
pub(crate) type Secret = Zeroizing<Vec<u8>>;

/// A secret while it is typed or read, of [`MAX_LENGTH`] bytes at most.
pub(super) struct Buffer(Secret);

impl Buffer {
    /// An empty one, with room for all that it will ever hold.
    pub(super) fn new() -> Self {
        Buffer(Zeroizing::new(Vec::with_capacity(MAX_LENGTH)))
    }

    /// Appends a byte; false if there is no room, and nothing was appended.
    pub(super) fn push(&mut self, byte: u8) -> bool {
        let fits = self.0.len() < MAX_LENGTH;
        if fits {
            self.0.push(byte);
        }
        fits
    }

    /// Takes the last character off: of UTF-8, all its bytes.
    pub(super) fn backspace(&mut self) {
        while let Some(last) = self.0.last_mut() {
            let continues = is_continuation(*last);
            last.zeroize();
            self.0.pop();
            if !continues {
                break;
            }
        }
    }

    /// Takes everything off.
    pub(super) fn clear(&mut self) {
        // Zeroize wipes the whole capacity and leaves it in place.
        self.0.zeroize();
    }

    /// What is in it.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many characters are in it; a byte that is no UTF-8 counts as one.
    pub(super) fn characters(&self) -> usize {
        characters(&self.0)
    }

    /// Gives it away as it is, without a copy.
    pub(super) fn into_secret(self) -> Secret {
        self.0
    }
}

/// How many characters some UTF-8 has.
pub(crate) fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| !is_continuation(**byte)).count()
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Buffer {
        let mut buffer = Buffer::new();
        assert!(bytes.iter().all(|byte| buffer.push(*byte)));
        buffer
    }

    #[test]
    fn backspace_takes_a_whole_character() {
        let mut buffer = of("aé日".as_bytes());
        assert_eq!(buffer.characters(), 3);
        buffer.backspace();
        assert_eq!(buffer.as_bytes(), "aé".as_bytes());
        buffer.backspace();
        assert_eq!(buffer.as_bytes(), b"a");
        buffer.backspace();
        buffer.backspace();
        assert_eq!(buffer.as_bytes(), b"");
    }

    #[test]
    fn it_never_grows_or_moves() {
        let mut buffer = Buffer::new();
        let place = buffer.as_bytes().as_ptr();
        for _ in 0..MAX_LENGTH {
            assert!(buffer.push(b'x'));
        }
        assert!(!buffer.push(b'x'));
        assert_eq!(buffer.as_bytes().len(), MAX_LENGTH);
        buffer.clear();
        assert!(buffer.push(b'y'));
        let secret = buffer.into_secret();
        assert_eq!(secret.as_slice(), b"y");
        assert_eq!(secret.as_ptr(), place);
    }
}
