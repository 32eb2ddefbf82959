//! The tag of a data object.

use core::fmt;

/// A BER tag of one to three bytes, such as `5C`, `5F2F` or `5FFF7F`.
///
/// Source: ISO 7816-4 (BER-TLV tag fields).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(u32);

/// A number is not a BER tag of one to three bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:X} is not a BER tag of one to three bytes")]
pub struct InvalidTag(pub u32);

impl Tag {
    /// Makes a tag from its bytes read as one big-endian number. Meant for
    /// constants, where a number that is no tag fails to compile.
    ///
    /// # Panics
    /// If `value` is not a tag of one to three bytes. For a tag that comes
    /// from outside use `TryFrom<u32>` or [`Tag::from_bytes`].
    pub const fn new(value: u32) -> Tag {
        assert!(is_tag(value), "not a BER tag of one to three bytes");
        Tag(value)
    }

    /// Reads a tag that fills `bytes`; `None` if they are anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Tag> {
        match Tag::read(bytes) {
            Ok((tag, [])) => Some(tag),
            _ => None,
        }
    }

    /// The bytes read as one big-endian number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// How many bytes the tag has, 1 to 3.
    #[allow(clippy::len_without_is_empty)] // a tag is never empty
    pub const fn len(self) -> usize {
        match self.0 {
            0..=0xFF => 1,
            0x100..=0xFFFF => 2,
            _ => 3,
        }
    }

    /// Whether the value is itself made of data objects.
    pub const fn is_constructed(self) -> bool {
        let first = self.0 >> (8 * (self.len() - 1));
        first & 0x20 != 0
    }

    /// The tag's bytes, the first [`len`](Tag::len) of which count.
    const fn padded(self) -> [u8; 3] {
        let [_, a, b, c] = self.0.to_be_bytes();
        match self.len() {
            1 => [c, 0, 0],
            2 => [b, c, 0],
            _ => [a, b, c],
        }
    }

    /// The tag's bytes.
    pub fn to_bytes(self) -> Vec<u8> {
        self.padded()[..self.len()].to_vec()
    }

    /// Appends the tag's bytes.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.padded()[..self.len()]);
    }

    /// Reads a tag off the front; `Err` says whether the bytes end within it
    /// or it is longer than three bytes.
    pub(super) fn read(bytes: &[u8]) -> Result<(Tag, &[u8]), ReadError> {
        let (&first, mut rest) = bytes.split_first().ok_or(ReadError::Truncated)?;
        let mut value = u32::from(first);
        if first & 0x1F == 0x1F {
            loop {
                let (&next, after) = rest.split_first().ok_or(ReadError::Truncated)?;
                if value > 0xFFFF {
                    return Err(ReadError::TooLong);
                }
                value = value << 8 | u32::from(next);
                rest = after;
                if next & 0x80 == 0 {
                    break;
                }
            }
        }
        Ok((Tag(value), rest))
    }
}

/// Why no tag could be read.
pub(super) enum ReadError {
    Truncated,
    TooLong,
}

/// Whether the number's bytes are one whole tag.
const fn is_tag(value: u32) -> bool {
    match value {
        0..=0xFF => value & 0x1F != 0x1F,
        0x100..=0xFFFF => value >> 8 & 0x1F == 0x1F && value & 0x80 == 0,
        0x1_0000..=0xFF_FFFF => {
            value >> 16 & 0x1F == 0x1F && value >> 8 & 0x80 != 0 && value & 0x80 == 0
        }
        _ => false,
    }
}

impl TryFrom<u32> for Tag {
    type Error = InvalidTag;

    fn try_from(value: u32) -> Result<Self, InvalidTag> {
        if is_tag(value) {
            Ok(Tag(value))
        } else {
            Err(InvalidTag(value))
        }
    }
}

/// Upper-case hexadecimal digits, such as `5FC102`.
impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$X}", self.0, width = 2 * self.len())
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({self})")
    }
}
