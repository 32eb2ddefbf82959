//! What can be wrong with encoded data objects.

use core::fmt;

use super::Tag;

/// Bytes are not well-formed BER-TLV.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset}")]
#[non_exhaustive]
pub struct TlvError {
    /// What is wrong.
    pub kind: TlvErrorKind,
    /// Where the data object that is wrong starts, counted from the first of
    /// the bytes given to the reader.
    pub offset: usize,
}

/// What is wrong with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlvErrorKind {
    /// The bytes end within a tag.
    TruncatedTag,
    /// A tag has more than three bytes.
    TagTooLong,
    /// The bytes end within a length field.
    TruncatedLength,
    /// An indefinite length (`80`), which ISO 7816-4 does not allow.
    IndefiniteLength,
    /// A length field of more than three bytes after its first (`84` on).
    LengthTooLong,
    /// The length is greater than what is left.
    TruncatedValue {
        /// The length that the data object claims.
        claimed: usize,
        /// The bytes that follow.
        available: usize,
    },
}

impl fmt::Display for TlvErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TruncatedTag => f.write_str("the data ends within a tag"),
            Self::TagTooLong => f.write_str("a tag is longer than three bytes"),
            Self::TruncatedLength => f.write_str("the data ends within a length"),
            Self::IndefiniteLength => f.write_str("a length is indefinite"),
            Self::LengthTooLong => f.write_str("a length field is longer than four bytes"),
            Self::TruncatedValue { claimed, available } => write!(
                f,
                "a value claims {claimed} bytes where {available} are left"
            ),
        }
    }
}

/// A set of data objects is not what it should be: not BER-TLV at all, or
/// something in it is missing, has the wrong length or a value that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// Not well-formed BER-TLV.
    #[error(transparent)]
    Tlv(#[from] TlvError),
    /// A data object that must be there is not.
    #[error("data object {tag} is missing")]
    Missing {
        /// The missing data object.
        tag: Tag,
    },
    /// A data object has a length that it cannot have.
    #[error("data object {tag} has {length} bytes, which is not a length it can have")]
    Length {
        /// The data object.
        tag: Tag,
        /// Its length, in bytes.
        length: usize,
    },
    /// A data object has a value that it cannot have.
    #[error("data object {tag}: {reason}")]
    Value {
        /// The data object.
        tag: Tag,
        /// What is wrong with its value.
        reason: &'static str,
    },
    /// The bytes are not BER-TLV by their kind and have a length they cannot have.
    #[error("{length} bytes, which is not a length this data can have")]
    TotalLength {
        /// The length, in bytes.
        length: usize,
    },
}
