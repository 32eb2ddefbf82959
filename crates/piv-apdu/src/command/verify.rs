//! VERIFY.

use super::{AnswerError, CommandError, TypedCommand, answer_data, expect_instruction, ins};
use crate::apdu::{Command, Response};
use crate::key::KeyReference;
use crate::secret::PinBlock;
use crate::status::StatusWord;
use crate::tlv::TemplateError;

/// VERIFY: `00 20 P1 reference`, with eight bytes of reference data or none.
///
/// Source: SP 800-73-5 Part 2, 3.2.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verify {
    /// What is verified: `80` PIV PIN, `00` global PIN, `98` pairing code.
    pub reference: KeyReference,
    /// What is to be done.
    pub action: VerifyAction,
}

/// What a VERIFY does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifyAction {
    /// Asks for the state, with no data. Uses no try. The card answers by
    /// status word alone: use [`PinQuery`] to have it read.
    Query,
    /// Compares. A wrong value uses one try: `63CX` with X tries left, `6983`
    /// if there are none. A wrong pairing code has no counter: `6300`. A value
    /// of a wrong format may be refused with `6A80`, without using a try.
    Check(PinBlock),
    /// P1 = `FF`: puts the state back to "not verified". Uses no try. Since
    /// SP 800-73-4; older cards answer `6A86`.
    Logout,
}

impl Verify {
    /// Asks for the state of `reference`.
    pub const fn query(reference: KeyReference) -> Self {
        Verify {
            reference,
            action: VerifyAction::Query,
        }
    }

    /// Compares `block` with `reference`.
    pub const fn check(reference: KeyReference, block: PinBlock) -> Self {
        Verify {
            reference,
            action: VerifyAction::Check(block),
        }
    }

    /// Puts `reference` back to "not verified".
    pub const fn logout(reference: KeyReference) -> Self {
        Verify {
            reference,
            action: VerifyAction::Logout,
        }
    }
}

impl TypedCommand for Verify {
    type Answer = ();

    fn to_command(&self) -> Command {
        let command = |p1| Command::new(0x00, ins::VERIFY, p1, self.reference.get());
        match &self.action {
            VerifyAction::Query => command(0x00),
            VerifyAction::Check(block) => command(0x00).with_data(block.as_bytes()),
            VerifyAction::Logout => command(0xFF),
        }
    }

    /// Data that is not eight bytes long is `6A80`, as the standard has it.
    fn from_command(command: &Command) -> Result<Self, CommandError> {
        expect_instruction(command, ins::VERIFY)?;
        let length = command.data().len();
        let action = match (command.p1(), length) {
            (0x00, 0) => VerifyAction::Query,
            (0x00, _) => VerifyAction::Check(
                PinBlock::from_slice(command.data())
                    .ok_or(TemplateError::TotalLength { length })?,
            ),
            (0xFF, 0) => VerifyAction::Logout,
            (0xFF, _) => return Err(CommandError::Length { length }),
            _ => return Err(super::wrong_parameters(command)),
        };
        Ok(Verify {
            reference: KeyReference(command.p2()),
            action,
        })
    }

    fn decode_answer(response: &Response) -> Result<(), AnswerError> {
        answer_data(response).map(drop)
    }
}

/// The empty VERIFY, with its answer read as a [`PinStatus`]: `00 20 00 reference`.
///
/// Uses no try and changes nothing.
///
/// Source: SP 800-73-5 Part 2, 3.2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinQuery {
    /// What is asked about: `80` PIV PIN, `00` global PIN.
    pub reference: KeyReference,
}

impl PinQuery {
    /// Asks about `reference`.
    pub const fn new(reference: KeyReference) -> Self {
        PinQuery { reference }
    }
}

impl TypedCommand for PinQuery {
    type Answer = PinStatus;

    fn to_command(&self) -> Command {
        Verify::query(self.reference).to_command()
    }

    fn from_command(command: &Command) -> Result<Self, CommandError> {
        match Verify::from_command(command)? {
            Verify {
                reference,
                action: VerifyAction::Query,
            } => Ok(PinQuery { reference }),
            _ => Err(CommandError::Length {
                length: command.data().len(),
            }),
        }
    }

    fn decode_answer(response: &Response) -> Result<PinStatus, AnswerError> {
        PinStatus::from_query(response.status()).map_err(AnswerError::Status)
    }
}

/// The state of a PIN, as the empty VERIFY tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PinStatus {
    /// `9000`: verified already. The tries left are not told, and are not zero.
    AlreadyVerified,
    /// `63CX`: not verified; this many tries are left, at least one.
    TriesLeft(u8),
    /// `6983` or `63C0`: no try is left.
    Blocked,
    /// `6A88`: the card has no such PIN.
    NotSupported,
}

impl PinStatus {
    /// Reads the status word that answered an empty VERIFY.
    ///
    /// # Errors
    /// The status word, if it tells nothing of the PIN's state.
    pub fn from_query(status: StatusWord) -> Result<PinStatus, StatusWord> {
        match (status, status.tries_left()) {
            (StatusWord::SUCCESS, _) => Ok(Self::AlreadyVerified),
            (StatusWord::AUTHENTICATION_METHOD_BLOCKED, _) | (_, Some(0)) => Ok(Self::Blocked),
            (_, Some(tries)) => Ok(Self::TriesLeft(tries)),
            (StatusWord::REFERENCED_DATA_NOT_FOUND, _) => Ok(Self::NotSupported),
            (other, None) => Err(other),
        }
    }

    /// The status word by which a card tells this state.
    pub fn to_status_word(self) -> StatusWord {
        match self {
            Self::AlreadyVerified => StatusWord::SUCCESS,
            Self::TriesLeft(tries) => StatusWord::verification_failed(tries),
            Self::Blocked => StatusWord::AUTHENTICATION_METHOD_BLOCKED,
            Self::NotSupported => StatusWord::REFERENCED_DATA_NOT_FOUND,
        }
    }
}
