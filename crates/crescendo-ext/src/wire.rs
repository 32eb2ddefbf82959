//! What every command of this crate has in common.

use piv_apdu::apdu::{Command, Le};
use piv_apdu::command::CommandError;
pub(crate) use piv_apdu::command::expect_header;
use piv_apdu::tlv::{Reader, Tag, TemplateError, TlvErrorKind};

/// SELECT by application identifier.
pub(crate) fn select(aid: &[u8]) -> Command {
    Command::new(0x00, 0xA4, 0x04, 0x00)
        .with_data(aid)
        .with_le(Le::SHORT_MAX)
}

/// Refuses a command that is not the SELECT of that application.
pub(crate) fn expect_select(command: &Command, aid: &[u8]) -> Result<(), CommandError> {
    expect_header(command, [0x00, 0xA4, 0x04, 0x00])?;
    expect_data(command, Tag::new(0x4F), aid)
}

/// Refuses a command with other data; the error names `tag`.
pub(crate) fn expect_data(command: &Command, tag: Tag, data: &[u8]) -> Result<(), CommandError> {
    let length = command.data().len();
    if length != data.len() {
        Err(CommandError::Length { length })
    } else if command.data() != data {
        Err(CommandError::Data(TemplateError::Value {
            tag,
            reason: "not what this command asks for",
        }))
    } else {
        Ok(())
    }
}

/// Refuses a command with data.
pub(crate) fn expect_no_data(command: &Command) -> Result<(), CommandError> {
    match command.data().len() {
        0 => Ok(()),
        length => Err(CommandError::Length { length }),
    }
}

/// What is inside a wrapper, and whether the wrapper claims more than there
/// is. Data without the wrapper is taken as it is.
pub(crate) fn unwrap(data: &[u8], wrapper: Tag) -> (&[u8], bool) {
    match Reader::new(data).next() {
        Some(Ok(field)) if field.tag == wrapper => (field.value, false),
        Some(Err(error)) if data.starts_with(&wrapper.to_bytes()) => match error.kind {
            TlvErrorKind::TruncatedValue { available, .. } => {
                (&data[data.len() - available..], true)
            }
            _ => (data, false),
        },
        _ => (data, false),
    }
}
