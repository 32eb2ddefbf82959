//! Refusals, seen from the host and from the card.

use crate::status::StatusWord;
use crate::tlv::{TemplateError, TlvError};

/// A response is not the answer that was hoped for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The card refused the command, or did only a part of it.
    #[error("the card answered {0}")]
    Status(StatusWord),
    /// The card answered `9000` and data that makes no sense: the card
    /// misbehaves, or another applet is selected than was thought.
    #[error("the card's answer is malformed: {0}")]
    Malformed(#[from] TemplateError),
}

impl AnswerError {
    /// The status word with which the card refused; `None` if it did not.
    pub fn status(&self) -> Option<StatusWord> {
        match self {
            Self::Status(status) => Some(*status),
            Self::Malformed(_) => None,
        }
    }
}

impl From<TlvError> for AnswerError {
    fn from(error: TlvError) -> Self {
        Self::Malformed(error.into())
    }
}

/// A command is not one that the card can carry out, whatever its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// A class byte other than `00`. Answered with `6E00`.
    #[error("class {0:02X} is not supported")]
    Class(u8),
    /// Another instruction. Answered with `6D00`.
    #[error("instruction {0:02X} is not supported")]
    Instruction(u8),
    /// P1 and P2 are not the command's. Answered with `6A86`.
    #[error("parameters P1-P2 {p1:02X} {p2:02X} are incorrect")]
    Parameters {
        /// The first parameter byte.
        p1: u8,
        /// The second parameter byte.
        p2: u8,
    },
    /// Data where there should be none, or none where there should be some.
    /// Answered with `6700`.
    #[error("{length} data bytes are not a length that this command can have")]
    Length {
        /// Bytes of data in the command.
        length: usize,
    },
    /// The data is not what it should be. Answered with `6A80`.
    #[error("the command's data is incorrect: {0}")]
    Data(#[from] TemplateError),
}

impl CommandError {
    /// The status word that a card answers with.
    pub fn status_word(&self) -> StatusWord {
        match self {
            Self::Class(_) => StatusWord::CLA_NOT_SUPPORTED,
            Self::Instruction(_) => StatusWord::INS_NOT_SUPPORTED,
            Self::Parameters { .. } => StatusWord::INCORRECT_P1P2,
            Self::Length { .. } => StatusWord::WRONG_LENGTH,
            Self::Data(_) => StatusWord::WRONG_DATA,
        }
    }
}

impl From<TlvError> for CommandError {
    fn from(error: TlvError) -> Self {
        Self::Data(error.into())
    }
}
