//! The OATH slots of a Crescendo Key.
//!
//! Public: their names, and that HOTP (`80 88 00 00 00`) and TOTP
//! (`80 88 11 00 04 <unix time>`) answer 6985 while the key waits for its button to be
//! touched. How a secret gets in and what a code looks like is not public, so a slot
//! here waits for a button that nobody can touch.

use piv_apdu::apdu::Command;
use piv_apdu::status::StatusWord;
use piv_apdu::tlv::{self, Node, Tag};
use zeroize::Zeroizing;

use crate::card::Answer;

pub(crate) const AIDS: [&[u8]; 3] = crescendo_ext::aid::OATH_SLOTS;

const HOTP: u8 = 0x00;
const TOTP: u8 = 0x11;

/// Only the name: the real answer is not public.
pub(crate) fn select_answer(slot: u8) -> Zeroizing<Vec<u8>> {
    let aid = AIDS.get(usize::from(slot)).copied().unwrap_or_default();
    tlv::encode(&[Node::Template(
        Tag::new(0x6F),
        &[Node::Value(Tag::new(0x84), aid)],
    )])
}

pub(crate) fn execute(command: &Command) -> Answer {
    match (command.cla(), command.ins()) {
        (0x80, 0x88) => compute(command),
        _ => Err(StatusWord::INS_NOT_SUPPORTED),
    }
}

fn compute(command: &Command) -> Answer {
    let data = match (command.p1(), command.p2()) {
        (HOTP, 0x00) => 0,
        (TOTP, 0x00) => 4,
        _ => return Err(StatusWord::INCORRECT_P1P2),
    };
    if command.data().len() != data {
        return Err(StatusWord::WRONG_LENGTH);
    }
    Err(StatusWord::CONDITIONS_NOT_SATISFIED)
}
