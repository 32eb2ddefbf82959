//! RESET RETRY COUNTER.

use super::change_reference_data::{join, split};
use super::{AnswerError, CommandError, TypedCommand, answer_data, expect_instruction, ins};
use crate::apdu::{Command, Response};
use crate::key::KeyReference;
use crate::secret::PinBlock;

/// RESET RETRY COUNTER: `00 2C 00 80 10 PUK newPIN`.
///
/// Sets the PIN and gives it all its tries back; does not verify it. A wrong
/// PUK uses one of the PUK's tries: `63CX`, or `6983` if none is left. Contact
/// interface only.
///
/// Source: SP 800-73-5 Part 2, 3.2.3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResetRetryCounter {
    /// What is unblocked: `80`, the PIV PIN.
    pub reference: KeyReference,
    /// The PIN unblocking key.
    pub puk: PinBlock,
    /// The PIN from now on.
    pub new: PinBlock,
}

impl TypedCommand for ResetRetryCounter {
    type Answer = ();

    fn to_command(&self) -> Command {
        Command::new(0x00, ins::RESET_RETRY_COUNTER, 0x00, self.reference.get())
            .with_owned_data(join(&self.puk, &self.new))
    }

    /// Data that is not sixteen bytes long is `6A80`.
    fn from_command(command: &Command) -> Result<Self, CommandError> {
        expect_instruction(command, ins::RESET_RETRY_COUNTER)?;
        if command.p1() != 0x00 {
            return Err(super::wrong_parameters(command));
        }
        let (puk, new) = split(command.data())?;
        Ok(ResetRetryCounter {
            reference: KeyReference(command.p2()),
            puk,
            new,
        })
    }

    fn decode_answer(response: &Response) -> Result<(), AnswerError> {
        answer_data(response).map(drop)
    }
}
