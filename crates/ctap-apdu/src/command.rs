//! A CTAP2 command: what it says, and how its answer is read.

use crate::cbor::Reader;
use crate::error::{CtapError, MalformedAnswer};
use crate::status::CtapStatus;

/// The longest answer that is read, in bytes. What an authenticator says of itself
/// takes a few hundred.
pub const MAX_ANSWER: usize = 16_384;

/// A CTAP2 command that knows its bytes and how to read its answer.
///
/// Source: CTAP 2.1, 6 and 8.
pub trait CtapCommand {
    /// What the authenticator answers when it does not refuse.
    type Answer;

    /// The command byte, and the parameters in canonical CBOR if there are any.
    fn to_message(&self) -> Vec<u8>;

    /// Reads what follows the status code of a command that succeeded.
    ///
    /// # Errors
    /// [`MalformedAnswer`].
    fn decode_answer(&self, parameters: &[u8]) -> Result<Self::Answer, MalformedAnswer>;

    /// Reads a whole answer: the status code and what follows it.
    ///
    /// # Errors
    /// [`CtapError::Status`] if the authenticator refused, [`CtapError::Malformed`] if
    /// it answered something that this command cannot have as an answer.
    fn read_answer(&self, answer: &[u8]) -> Result<Self::Answer, CtapError> {
        if answer.len() > MAX_ANSWER {
            return Err(CtapError::Malformed(MalformedAnswer::TooLong {
                length: answer.len(),
                max: MAX_ANSWER,
            }));
        }
        let (&status, parameters) = answer.split_first().ok_or(MalformedAnswer::Empty)?;
        match CtapStatus(status) {
            CtapStatus::SUCCESS => Ok(self.decode_answer(parameters)?),
            refusal => Err(CtapError::Status(refusal)),
        }
    }
}

/// authenticatorReset (07): erases all credentials and the PIN.
///
/// Authenticators take it only soon after they got power, and some only with a touch;
/// else they answer [`CtapStatus::NOT_ALLOWED`].
///
/// Source: CTAP 2.1, 6.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset;

impl CtapCommand for Reset {
    type Answer = ();

    fn to_message(&self) -> Vec<u8> {
        vec![0x07]
    }

    fn decode_answer(&self, parameters: &[u8]) -> Result<(), MalformedAnswer> {
        nothing(parameters)
    }
}

/// The answer that has nothing in it; an empty map says the same.
pub(crate) fn nothing(parameters: &[u8]) -> Result<(), MalformedAnswer> {
    if parameters.is_empty() {
        return Ok(());
    }
    let mut reader = Reader::new(parameters);
    reader.fields(|_, reader| reader.skip())?;
    reader.finish()
}
