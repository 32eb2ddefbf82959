//! Reading, without allocating.

use super::tag::ReadError;
use super::{Tag, TemplateError, TlvError, TlvErrorKind};

/// One data object, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// The tag.
    pub tag: Tag,
    /// The value, without tag and length.
    pub value: &'a [u8],
}

/// Reads data objects one after the other.
///
/// Yields an error once, at the first data object that is not well-formed, and
/// then nothing more. Bytes between data objects are not skipped: `00` and
/// `FF` are read as tags.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    all: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader {
            all: bytes,
            rest: bytes,
        }
    }

    /// What was not read yet.
    pub fn remaining(&self) -> &'a [u8] {
        self.rest
    }

    fn read(&mut self) -> Result<Tlv<'a>, TlvErrorKind> {
        let (tag, rest) = Tag::read(self.rest).map_err(|error| match error {
            ReadError::Truncated => TlvErrorKind::TruncatedTag,
            ReadError::TooLong => TlvErrorKind::TagTooLong,
        })?;
        let (length, rest) = read_length(rest)?;
        let (value, rest) = rest
            .split_at_checked(length)
            .ok_or(TlvErrorKind::TruncatedValue {
                claimed: length,
                available: rest.len(),
            })?;
        self.rest = rest;
        Ok(Tlv { tag, value })
    }
}

fn read_length(bytes: &[u8]) -> Result<(usize, &[u8]), TlvErrorKind> {
    let (&first, rest) = bytes.split_first().ok_or(TlvErrorKind::TruncatedLength)?;
    let count = match first {
        0x00..=0x7F => return Ok((usize::from(first), rest)),
        0x80 => return Err(TlvErrorKind::IndefiniteLength),
        0x81..=0x83 => usize::from(first & 0x7F),
        _ => return Err(TlvErrorKind::LengthTooLong),
    };
    let (length, rest) = rest
        .split_at_checked(count)
        .ok_or(TlvErrorKind::TruncatedLength)?;
    let length = length
        .iter()
        .fold(0, |length, &byte| length << 8 | usize::from(byte));
    Ok((length, rest))
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Tlv<'a>, TlvError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let offset = self.all.len() - self.rest.len();
        let read = self.read().map_err(|kind| {
            self.rest = &[];
            TlvError { kind, offset }
        });
        Some(read)
    }
}

impl core::iter::FusedIterator for Reader<'_> {}

/// The value of the first data object with `tag`, or `None` if there is none.
///
/// # Errors
/// [`TlvError`] if something before it, or it itself, is not well-formed.
pub fn find(bytes: &[u8], tag: Tag) -> Result<Option<&[u8]>, TlvError> {
    for tlv in Reader::new(bytes) {
        let tlv = tlv?;
        if tlv.tag == tag {
            return Ok(Some(tlv.value));
        }
    }
    Ok(None)
}

/// The value of the first data object with `tag`, which must be there.
///
/// # Errors
/// [`TemplateError::Missing`] if it is not; [`TemplateError::Tlv`] as [`find`].
pub fn require(bytes: &[u8], tag: Tag) -> Result<&[u8], TemplateError> {
    find(bytes, tag)?.ok_or(TemplateError::Missing { tag })
}
