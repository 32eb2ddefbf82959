//! CHANGE REFERENCE DATA.

use zeroize::Zeroizing;

use super::{AnswerError, CommandError, TypedCommand, answer_data, expect_instruction, ins};
use crate::apdu::{Command, Response};
use crate::key::KeyReference;
use crate::secret::PinBlock;
use crate::tlv::TemplateError;

/// CHANGE REFERENCE DATA: `00 24 00 reference 10 old new`.
///
/// A wrong old value uses one try: `63CX`, or `6983` if none is left. A new
/// value that the card does not accept is `6A80`.
///
/// Source: SP 800-73-5 Part 2, 3.2.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeReferenceData {
    /// What is changed: `80` PIV PIN, `81` PUK, `00` global PIN.
    pub reference: KeyReference,
    /// The value so far.
    pub old: PinBlock,
    /// The value from now on.
    pub new: PinBlock,
}

impl TypedCommand for ChangeReferenceData {
    type Answer = ();

    fn to_command(&self) -> Command {
        Command::new(0x00, ins::CHANGE_REFERENCE_DATA, 0x00, self.reference.get())
            .with_owned_data(join(&self.old, &self.new))
    }

    /// Data that is not sixteen bytes long is `6A80`.
    fn from_command(command: &Command) -> Result<Self, CommandError> {
        expect_instruction(command, ins::CHANGE_REFERENCE_DATA)?;
        if command.p1() != 0x00 {
            return Err(super::wrong_parameters(command));
        }
        let (old, new) = split(command.data())?;
        Ok(ChangeReferenceData {
            reference: KeyReference(command.p2()),
            old,
            new,
        })
    }

    fn decode_answer(response: &Response) -> Result<(), AnswerError> {
        answer_data(response).map(drop)
    }
}

/// Two blocks, one after the other.
pub(super) fn join(first: &PinBlock, second: &PinBlock) -> Zeroizing<Vec<u8>> {
    let mut data = Zeroizing::new(Vec::with_capacity(2 * PinBlock::LEN));
    data.extend_from_slice(first.as_bytes());
    data.extend_from_slice(second.as_bytes());
    data
}

/// The two blocks that `data` is made of.
pub(super) fn split(data: &[u8]) -> Result<(PinBlock, PinBlock), TemplateError> {
    data.split_at_checked(PinBlock::LEN)
        .and_then(|(first, second)| {
            Some((PinBlock::from_slice(first)?, PinBlock::from_slice(second)?))
        })
        .ok_or(TemplateError::TotalLength { length: data.len() })
}
