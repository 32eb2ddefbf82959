//! The OATH slots of a Crescendo Key, as far as they can be seen without a
//! button press: whether they are there.

use piv_apdu::apdu::{Command, Response};
use piv_apdu::command::{AnswerError, CommandError, TypedCommand, answer_data};

use crate::{aid, wire};

/// SELECT of one OATH slot.
///
/// Sends `00 A4 04 00 07 A00000007923nn 00` with nn from 00 to 02. A token
/// without the slot answers 6A82. The content of the answer is not documented
/// and not looked at. Evidence: vendor (LL/select) for the C2300 family.
///
/// Reading a code (HOTP, TOTP) waits for the button and is not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SelectOathSlot(u8);

impl SelectOathSlot {
    /// The slot with that number, 1 to 3; `None` for any other number.
    pub const fn new(slot: u8) -> Option<Self> {
        match slot {
            1..=3 => Some(Self(slot)),
            _ => None,
        }
    }

    /// All three slots.
    pub const fn all() -> [Self; 3] {
        [Self(1), Self(2), Self(3)]
    }

    /// The slot's number, 1 to 3.
    pub const fn slot(self) -> u8 {
        self.0
    }

    /// The application identifier of the slot's instance.
    pub const fn aid(self) -> &'static [u8] {
        match self.0 {
            1 => aid::OATH_SLOTS[0],
            2 => aid::OATH_SLOTS[1],
            _ => aid::OATH_SLOTS[2],
        }
    }
}

impl TypedCommand for SelectOathSlot {
    type Answer = ();

    fn to_command(&self) -> Command {
        wire::select(self.aid())
    }

    fn from_command(command: &Command) -> Result<Self, CommandError> {
        // Of a command that selects no slot, the first one tells what is wrong.
        let slot = Self::all()
            .into_iter()
            .find(|slot| slot.aid() == command.data())
            .unwrap_or(Self(1));
        wire::expect_select(command, slot.aid()).map(|()| slot)
    }

    fn decode_answer(response: &Response) -> Result<(), AnswerError> {
        answer_data(response).map(|_| ())
    }
}
