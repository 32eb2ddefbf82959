//! CTAP2 messages in APDUs, as over NFC: CTAP 2.1, 11.3.
//!
//! What cuts a long command into a chain (CLA 90) and fetches a long answer (`61XX`) is
//! the transport. What is left is here: the instructions, and asking on while the
//! authenticator is not done.

use core::fmt;

use piv_apdu::apdu::{Command, Le, Response};
use piv_apdu::command::{AnswerError, CommandError, TypedCommand, answer_data, expect_header};
use piv_apdu::status::StatusWord;
use zeroize::Zeroizing;

use crate::command::CtapCommand;
use crate::error::{CallError, CtapError};

pub use piv_apdu::aid::FIDO as AID;

/// How often [`call`] asks whether an authenticator is done that says it is not.
pub const MAX_KEEP_ALIVES: u32 = 600;

/// `9100`: the authenticator is not done, and says so as it was allowed to.
const NOT_DONE: StatusWord = StatusWord::new(0x9100);

const SELECT: u8 = 0xA4;
/// The class of CTAP's own instructions.
const CTAP: u8 = 0x80;
const NFCCTAP_MSG: u8 = 0x10;
const NFCCTAP_GETRESPONSE: u8 = 0x11;
/// P1 of `NFCCTAP_MSG`: the host knows `NFCCTAP_GETRESPONSE`.
const KEEP_ALIVE_WELCOME: u8 = 0x80;

/// Sends a CTAP command and reads its answer: `80 10 80 00`, and `80 11 00 00` for as
/// long as the authenticator says that it is not done, at most [`MAX_KEEP_ALIVES`] times.
///
/// `exchange` carries a whole command to the card and brings the whole response back,
/// as `pcsc_transport::Transaction::exchange` does. The FIDO application has to be
/// selected. Who wants to wait between two questions does so in `exchange`, before it
/// sends `80 11`.
///
/// # Errors
/// [`CallError::Exchange`] with what `exchange` failed with, or [`CallError::Ctap`] if
/// card or authenticator refused, or answered something that makes no sense.
pub fn call<C: CtapCommand, E>(
    command: &C,
    mut exchange: impl FnMut(&Command) -> Result<Response, E>,
) -> Result<C::Answer, CallError<E>> {
    let mut next = Message::new(command).to_command();
    for _ in 0..=MAX_KEEP_ALIVES {
        let response = exchange(&next).map_err(CallError::Exchange)?;
        if let Progress::Done(answer) = Progress::read(&response)? {
            return Ok(command.read_answer(&answer)?);
        }
        next = AskOn.to_command();
    }
    let asked = MAX_KEEP_ALIVES;
    Err(CtapError::StillProcessing { asked }.into())
}

/// SELECT of the FIDO application: `00 A4 04 00 08 A0000006472F0001 00`.
///
/// Source: CTAP 2.1, 11.3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Select;

impl TypedCommand for Select {
    type Answer = Protocols;

    fn to_command(&self) -> Command {
        Command::new(0x00, SELECT, 0x04, 0x00)
            .with_data(AID)
            .with_le(Le::SHORT_MAX)
    }

    fn from_command(command: &Command) -> Result<Self, CommandError> {
        expect_header(command, [0x00, SELECT, 0x04, 0x00])?;
        if command.data() == AID {
            Ok(Select)
        } else {
            Err(wrong_length(command))
        }
    }

    fn decode_answer(response: &Response) -> Result<Protocols, AnswerError> {
        Ok(Protocols::read(answer_data(response)?))
    }
}

/// What the FIDO application says it speaks when it is selected.
///
/// Source: CTAP 2.1, 11.3.3.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocols {
    /// `U2F_V2`: U2F (CTAP1). Whether CTAP2 too, [`GetInfo`](crate::GetInfo) tells.
    U2f,
    /// `FIDO_2_0`: CTAP2, and no U2F.
    Ctap2,
    /// Something else, or nothing.
    Other(String),
}

impl Protocols {
    fn read(answer: &[u8]) -> Self {
        match answer {
            b"U2F_V2" => Self::U2f,
            b"FIDO_2_0" => Self::Ctap2,
            other => Self::Other(String::from_utf8_lossy(other).into_owned()),
        }
    }
}

/// As the card says it.
impl fmt::Display for Protocols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::U2f => "U2F_V2",
            Self::Ctap2 => "FIDO_2_0",
            Self::Other(text) => text,
        })
    }
}

/// `NFCCTAP_MSG` with a CTAP2 message: `80 10 80 00 Lc message 00`. P1 says that the
/// host takes keep-alives.
///
/// Source: CTAP 2.1, 11.3.7.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message(Zeroizing<Vec<u8>>);

impl Message {
    /// A message with that command.
    pub fn new(command: &impl CtapCommand) -> Self {
        Message(Zeroizing::new(command.to_message()))
    }

    /// The command byte and its parameters.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl TypedCommand for Message {
    type Answer = Progress;

    fn to_command(&self) -> Command {
        Command::new(CTAP, NFCCTAP_MSG, KEEP_ALIVE_WELCOME, 0x00)
            .with_data(&self.0)
            .with_le(Le::SHORT_MAX)
    }

    fn from_command(command: &Command) -> Result<Self, CommandError> {
        expect_header(command, [CTAP, NFCCTAP_MSG, KEEP_ALIVE_WELCOME, 0x00])?;
        match command.data() {
            [] => Err(wrong_length(command)),
            message => Ok(Message(Zeroizing::new(message.to_vec()))),
        }
    }

    fn decode_answer(response: &Response) -> Result<Progress, AnswerError> {
        Progress::of(response).map_err(AnswerError::Status)
    }
}

/// `NFCCTAP_GETRESPONSE`, whether the authenticator is done by now: `80 11 00 00 00`.
///
/// Source: CTAP 2.1, 11.3.7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskOn;

impl TypedCommand for AskOn {
    type Answer = Progress;

    fn to_command(&self) -> Command {
        Command::new(CTAP, NFCCTAP_GETRESPONSE, 0x00, 0x00).with_le(Le::SHORT_MAX)
    }

    fn from_command(command: &Command) -> Result<Self, CommandError> {
        expect_header(command, [CTAP, NFCCTAP_GETRESPONSE, 0x00, 0x00])?;
        if command.data().is_empty() {
            Ok(AskOn)
        } else {
            Err(wrong_length(command))
        }
    }

    fn decode_answer(response: &Response) -> Result<Progress, AnswerError> {
        Progress::of(response).map_err(AnswerError::Status)
    }
}

/// How far an authenticator has come with a command.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// `9000`: here is the answer, a status code and what belongs to it.
    Done(Zeroizing<Vec<u8>>),
    /// `9100`: it is processing.
    Processing,
    /// `9100` and 02: it waits for the user to touch it.
    TouchNeeded,
}

impl Progress {
    /// Reads a response; the status word if it is neither of the two.
    fn of(response: &Response) -> Result<Self, StatusWord> {
        match (response.status(), response.data()) {
            (StatusWord::SUCCESS, answer) => Ok(Self::Done(Zeroizing::new(answer.to_vec()))),
            (NOT_DONE, [0x02]) => Ok(Self::TouchNeeded),
            (NOT_DONE, _) => Ok(Self::Processing),
            (other, _) => Err(other),
        }
    }

    fn read(response: &Response) -> Result<Self, CtapError> {
        Self::of(response).map_err(CtapError::Card)
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(answer) => write!(f, "Done({} bytes)", answer.len()),
            Self::Processing => f.write_str("Processing"),
            Self::TouchNeeded => f.write_str("TouchNeeded"),
        }
    }
}

fn wrong_length(command: &Command) -> CommandError {
    CommandError::Length {
        length: command.data().len(),
    }
}
