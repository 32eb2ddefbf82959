//! What Yubico's programs ask a card before anything else, for a plain PIV card that is
//! made to answer them.

use piv_apdu::apdu::Command;
use piv_apdu::status::StatusWord;
use zeroize::Zeroizing;

use crate::card::{Answer, Card};

const INS_GET_SERIAL: u8 = 0xF8;
const INS_GET_VERSION: u8 = 0xFD;

/// The last before GET METADATA (5.3), which this card does not have, and after GET
/// SERIAL moved to the PIV application (5.0).
const VERSION: [u8; 3] = [5, 2, 7];

/// `None` if the card does not play along, or the command is another.
pub(super) fn execute(card: &Card, command: &Command) -> Option<Answer> {
    if !card.state.yubico || command.cla() != 0x00 {
        return None;
    }
    let answer: &[u8] = match command.ins() {
        INS_GET_VERSION => &VERSION,
        INS_GET_SERIAL => &card.state.serial.to_be_bytes(),
        _ => return None,
    };
    if (command.p1(), command.p2()) != (0x00, 0x00) {
        return Some(Err(StatusWord::INCORRECT_P1P2));
    }
    Some(Ok(Zeroizing::new(answer.to_vec())))
}
