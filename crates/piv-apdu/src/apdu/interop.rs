//! The way out to programs that use the `apdu` crate.

use super::Command;

/// A [`Command`] cannot be expressed soundly by the `apdu` crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConversionError {
    /// More than 255 bytes of data: `apdu` would write a truncated or
    /// byte-swapped Lc.
    #[error(
        "the `apdu` crate carries 255 data bytes and the command has {length}; split it by command chaining"
    )]
    DataTooLong {
        /// Bytes of data in the command.
        length: usize,
    },
    /// An Le above 256: `apdu` would write it truncated or byte-swapped.
    #[error("the `apdu` crate can ask for 256 bytes and the command expects {le}")]
    LeTooLarge {
        /// The command's Le.
        le: u32,
    },
}

/// Borrows the command as an `apdu::Command`, short form only.
///
/// The result's `Debug` prints its payload; do not log one that carries a PIN.
impl<'a> TryFrom<&'a Command> for ::apdu::Command<'a> {
    type Error = ConversionError;

    fn try_from(command: &'a Command) -> Result<Self, ConversionError> {
        let data = command.data();
        if data.len() > 255 {
            return Err(ConversionError::DataTooLong { length: data.len() });
        }
        let le = match command.le().map(super::Le::get) {
            None => None,
            // 256 is given as 0, its wire value: as 256 it would come out
            // as two bytes if the crate's `longer_payloads` is switched on.
            Some(256) => Some(0),
            Some(n @ 1..=255) => u16::try_from(n).ok(),
            Some(le) => return Err(ConversionError::LeTooLarge { le }),
        };
        Ok(::apdu::Command {
            cla: command.cla(),
            ins: command.ins(),
            p1: command.p1(),
            p2: command.p2(),
            le,
            payload: (!data.is_empty()).then_some(data),
        })
    }
}
