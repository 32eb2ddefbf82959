//! What an authenticator answers instead of what was asked for.

use piv_apdu::status::StatusWord;

use crate::status::CtapStatus;

/// A command had no answer that is of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CtapError {
    /// The authenticator refused the command.
    #[error("the FIDO application refused: {0}")]
    Status(CtapStatus),
    /// The card refused the APDU; the authenticator has not seen the command. Most
    /// likely another application is selected.
    #[error("the card did not take the FIDO command: {0}")]
    Card(StatusWord),
    /// The authenticator answered something that makes no sense.
    #[error("the FIDO application's answer is malformed: {0}")]
    Malformed(#[from] MalformedAnswer),
    /// The authenticator was still at it when it had been asked so many times
    /// whether it is done. What came of the command is unknown.
    #[error(
        "the FIDO application was not done after it was asked {asked} times; what came of the command is unknown"
    )]
    StillProcessing {
        /// How often it was asked.
        asked: u32,
    },
}

impl CtapError {
    /// The status code with which the authenticator refused; `None` if it did not.
    pub fn status(&self) -> Option<CtapStatus> {
        match self {
            Self::Status(status) => Some(*status),
            _ => None,
        }
    }
}

/// A command was not answered: the way to the card failed, or what came back is
/// not what was hoped for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError<E> {
    /// What carries commands failed.
    #[error(transparent)]
    Exchange(E),
    /// The card or its authenticator did not answer as hoped.
    #[error(transparent)]
    Ctap(#[from] CtapError),
}

/// An answer is not what the command can have as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MalformedAnswer {
    /// Not even a status code.
    #[error("it is empty")]
    Empty,
    /// Longer than any answer needs to be.
    #[error("it has {length} bytes, and no answer has more than {max}")]
    TooLong {
        /// Its length, in bytes.
        length: usize,
        /// The most that is read.
        max: usize,
    },
    /// Not well-formed CBOR, or a value of another type than the field has.
    #[error("at byte {offset} there is no CBOR value of the type that belongs there")]
    Cbor {
        /// Where the value starts, counted from the first byte after the status code.
        offset: usize,
    },
    /// Two entries of a map have one key.
    #[error("the key at byte {offset} is in its map a second time")]
    Duplicate {
        /// Where the second one starts, counted from the first byte after the status
        /// code.
        offset: usize,
    },
    /// Bytes follow the answer's map, or an answer that has none.
    #[error("{length} bytes follow its end")]
    TrailingBytes {
        /// How many.
        length: usize,
    },
    /// A field that must be there is not.
    #[error("it lacks {field}")]
    Missing {
        /// The field's name in CTAP.
        field: &'static str,
    },
    /// A field has a value that it cannot have.
    #[error("{field} has a value that it cannot have")]
    Value {
        /// The field's name in CTAP.
        field: &'static str,
    },
}
