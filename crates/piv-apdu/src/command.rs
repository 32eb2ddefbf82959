//! The PIV card commands as values, for both sides of the wire.
//!
//! A host makes a value, sends [`to_command`](TypedCommand::to_command) and
//! reads the response with [`decode_answer`](TypedCommand::decode_answer). A
//! card reads what came with [`PivCommand::from_command`] and makes its answer
//! with the `encode` of the answer's type. Chaining, `61XX`, `6CXX` and the
//! form of the length fields belong to the transport.
//!
//! ```
//! use piv_apdu::apdu::Response;
//! use piv_apdu::command::{AnswerError, GetData, PivCommand, TypedCommand};
//! use piv_apdu::object::ObjectTag;
//! use piv_apdu::status::StatusWord;
//!
//! let get = GetData::new(ObjectTag::CHUID);
//! let command = get.to_command();
//! assert_eq!(
//!     *command.encode_short()?,
//!     [0x00, 0xCB, 0x3F, 0xFF, 0x05, 0x5C, 0x03, 0x5F, 0xC1, 0x02, 0x00],
//! );
//!
//! // The card's side of the same command:
//! assert_eq!(PivCommand::from_command(&command), Ok(PivCommand::GetData(get)));
//! let refusal = Response::from_status(StatusWord::FILE_NOT_FOUND);
//! assert_eq!(
//!     GetData::decode_answer(&refusal),
//!     Err(AnswerError::Status(StatusWord::FILE_NOT_FOUND)),
//! );
//! # Ok::<(), piv_apdu::apdu::EncodeError>(())
//! ```

mod change_reference_data;
mod error;
mod general_authenticate;
mod generate_asymmetric;
mod get_data;
mod put_data;
mod reset_retry_counter;
mod select;
mod verify;

pub use change_reference_data::ChangeReferenceData;
pub use error::{AnswerError, CommandError};
pub use general_authenticate::{DynamicAuthenticationTemplate, GeneralAuthenticate};
pub use generate_asymmetric::{GenerateAsymmetric, PublicKey};
pub use get_data::GetData;
pub use put_data::PutData;
pub use reset_retry_counter::ResetRetryCounter;
pub use select::{ApplicationProperties, Select};
pub use verify::{PinQuery, PinStatus, Verify, VerifyAction};

use crate::apdu::{Command, Response};

/// A command that knows its bytes and how to read its answer.
pub trait TypedCommand: Sized {
    /// What the card answers when it does not refuse.
    type Answer;

    /// The command APDU, before chaining and with the standard's Le.
    fn to_command(&self) -> Command;

    /// Reads the command APDU as a card does: whole (chaining undone), class `00`.
    ///
    /// # Errors
    /// [`CommandError`], which knows the status word to answer with.
    fn from_command(command: &Command) -> Result<Self, CommandError>;

    /// Reads the response, whole: `61XX` and `6CXX` dealt with.
    ///
    /// # Errors
    /// [`AnswerError::Status`] if the card refused, [`AnswerError::Malformed`]
    /// if it answered something that this command cannot have as an answer.
    fn decode_answer(response: &Response) -> Result<Self::Answer, AnswerError>;
}

/// The data of a response that ended with `9000`.
///
/// # Errors
/// [`AnswerError::Status`] with any other status word.
pub fn answer_data(response: &Response) -> Result<&[u8], AnswerError> {
    if response.status().is_success() {
        Ok(response.data())
    } else {
        Err(AnswerError::Status(response.status()))
    }
}

/// Instruction bytes: SP 800-73-5 Part 2, section 3.
mod ins {
    pub(super) const VERIFY: u8 = 0x20;
    pub(super) const CHANGE_REFERENCE_DATA: u8 = 0x24;
    pub(super) const RESET_RETRY_COUNTER: u8 = 0x2C;
    pub(super) const GENERATE_ASYMMETRIC: u8 = 0x47;
    pub(super) const GENERAL_AUTHENTICATE: u8 = 0x87;
    pub(super) const SELECT: u8 = 0xA4;
    pub(super) const GET_DATA: u8 = 0xCB;
    pub(super) const PUT_DATA: u8 = 0xDB;
}

/// Any command of the standard: where a card starts to read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs)] // each is the type of that name
pub enum PivCommand {
    Select(Select),
    GetData(GetData),
    PutData(PutData),
    Verify(Verify),
    ChangeReferenceData(ChangeReferenceData),
    ResetRetryCounter(ResetRetryCounter),
    GeneralAuthenticate(GeneralAuthenticate),
    GenerateAsymmetric(GenerateAsymmetric),
}

impl PivCommand {
    /// Reads a whole command (chaining undone) by its instruction byte.
    ///
    /// # Errors
    /// [`CommandError`]: `6E00` for another class than `00`, `6D00` for an
    /// instruction that is none of the standard's, otherwise what the
    /// command's own type refuses.
    pub fn from_command(command: &Command) -> Result<PivCommand, CommandError> {
        if command.cla() != 0x00 {
            return Err(CommandError::Class(command.cla()));
        }
        Ok(match command.ins() {
            ins::SELECT => Self::Select(Select::from_command(command)?),
            ins::GET_DATA => Self::GetData(GetData::from_command(command)?),
            ins::PUT_DATA => Self::PutData(PutData::from_command(command)?),
            ins::VERIFY => Self::Verify(Verify::from_command(command)?),
            ins::CHANGE_REFERENCE_DATA => {
                Self::ChangeReferenceData(ChangeReferenceData::from_command(command)?)
            }
            ins::RESET_RETRY_COUNTER => {
                Self::ResetRetryCounter(ResetRetryCounter::from_command(command)?)
            }
            ins::GENERAL_AUTHENTICATE => {
                Self::GeneralAuthenticate(GeneralAuthenticate::from_command(command)?)
            }
            ins::GENERATE_ASYMMETRIC => {
                Self::GenerateAsymmetric(GenerateAsymmetric::from_command(command)?)
            }
            other => return Err(CommandError::Instruction(other)),
        })
    }

    /// The command APDU.
    pub fn to_command(&self) -> Command {
        match self {
            Self::Select(command) => command.to_command(),
            Self::GetData(command) => command.to_command(),
            Self::PutData(command) => command.to_command(),
            Self::Verify(command) => command.to_command(),
            Self::ChangeReferenceData(command) => command.to_command(),
            Self::ResetRetryCounter(command) => command.to_command(),
            Self::GeneralAuthenticate(command) => command.to_command(),
            Self::GenerateAsymmetric(command) => command.to_command(),
        }
    }
}

/// Refuses a command with another header than `[CLA, INS, P1, P2]`: for the
/// [`TypedCommand::from_command`] of a command that has no other.
///
/// # Errors
/// [`CommandError::Class`], [`CommandError::Instruction`] or
/// [`CommandError::Parameters`], whichever differs first.
pub fn expect_header(command: &Command, header: [u8; 4]) -> Result<(), CommandError> {
    let [cla, ins, p1, p2] = header;
    if command.cla() != cla {
        Err(CommandError::Class(command.cla()))
    } else if command.ins() != ins {
        Err(CommandError::Instruction(command.ins()))
    } else if (command.p1(), command.p2()) != (p1, p2) {
        Err(wrong_parameters(command))
    } else {
        Ok(())
    }
}

/// Refuses another class than `00` or another instruction than `ins`.
fn expect_instruction(command: &Command, ins: u8) -> Result<(), CommandError> {
    if command.cla() != 0x00 {
        Err(CommandError::Class(command.cla()))
    } else if command.ins() != ins {
        Err(CommandError::Instruction(command.ins()))
    } else {
        Ok(())
    }
}

/// The error for parameters P1-P2 that the command cannot have.
fn wrong_parameters(command: &Command) -> CommandError {
    CommandError::Parameters {
        p1: command.p1(),
        p2: command.p2(),
    }
}
