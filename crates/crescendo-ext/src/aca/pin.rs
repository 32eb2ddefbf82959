//! VERIFY PIN and CHANGE PIN.

use piv_apdu::apdu::{Command, Response};
use piv_apdu::command::{AnswerError, CommandError, TypedCommand, answer_data};
use piv_apdu::secret::PinBlock;
use zeroize::Zeroizing;

use crate::wire;

/// VERIFY PIN, to the access control applet: `00 20 00 00 08 PIN`. P2 is 00, not
/// 80.
///
/// Opens the PIN's access condition on the whole card, so it also authorises
/// administration (third-party: access is card-wide). A wrong PIN costs a try:
/// `63CX`, X tries left; `6983`, none left. Evidence: vendor (LL/verify-pin).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyPin {
    /// The PIN, padded with FF to 8 bytes.
    pub pin: PinBlock,
}

impl TypedCommand for VerifyPin {
    type Answer = ();

    fn to_command(&self) -> Command {
        Command::new(0x00, 0x20, 0x00, 0x00).with_data(self.pin.as_bytes())
    }

    fn from_command(command: &Command) -> Result<Self, CommandError> {
        wire::expect_header(command, [0x00, 0x20, 0x00, 0x00])?;
        let pin = block(command.data())?;
        Ok(Self { pin })
    }

    fn decode_answer(response: &Response) -> Result<(), AnswerError> {
        answer_data(response).map(drop)
    }
}

/// CHANGE PIN, to the access control applet: `00 24 01 00 10 old new`.
///
/// A wrong old PIN costs a try: `63CX`, `6983`. `6A80`: the new PIN's format is
/// refused. `6A88`: there is no PIN. See [`Self::refusal`]. Evidence: vendor
/// (LL/change-pin).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangePin {
    /// The PIN so far, padded with FF to 8 bytes.
    pub old: PinBlock,
    /// The PIN from now on, padded with FF to 8 bytes.
    pub new: PinBlock,
}

impl TypedCommand for ChangePin {
    type Answer = ();

    fn to_command(&self) -> Command {
        let mut data = Zeroizing::new(Vec::with_capacity(2 * PinBlock::LEN));
        data.extend_from_slice(self.old.as_bytes());
        data.extend_from_slice(self.new.as_bytes());
        Command::new(0x00, 0x24, 0x01, 0x00).with_owned_data(data)
    }

    fn from_command(command: &Command) -> Result<Self, CommandError> {
        wire::expect_header(command, [0x00, 0x24, 0x01, 0x00])?;
        let length = command.data().len();
        let (old, new) = command
            .data()
            .split_at_checked(PinBlock::LEN)
            .ok_or(CommandError::Length { length })?;
        let (old, new) = (block(old)?, block(new)?);
        Ok(Self { old, new })
    }

    fn decode_answer(response: &Response) -> Result<(), AnswerError> {
        answer_data(response).map(drop)
    }
}

/// The block that is the command's data.
pub(super) fn block(data: &[u8]) -> Result<PinBlock, CommandError> {
    PinBlock::from_slice(data).ok_or(CommandError::Length { length: data.len() })
}
