//! The issuer security domain of `GlobalPlatform`: it is selected after a reset and gives
//! the card production life cycle data (CPLC).
//!
//! `GlobalPlatform` Card Specification 2.3.1, 11.3 (GET DATA) and 11.9 (SELECT).

use piv_apdu::apdu::Command;
use piv_apdu::status::StatusWord;
use piv_apdu::tlv::{self, Node, Tag};
use zeroize::Zeroizing;

use crate::card::{Answer, Card};

pub(crate) const AID: &[u8] = crescendo_ext::aid::ISD;
/// The name by which HID's documentation selects it.
pub(crate) const AID_TRUNCATED: &[u8] = AID.split_at(7).0;

const CPLC: Tag = Tag::new(0x9F7F);

pub(crate) fn select_answer() -> Zeroizing<Vec<u8>> {
    tlv::encode(&[Node::Template(
        Tag::new(0x6F),
        &[
            Node::Value(Tag::new(0x84), AID),
            // The largest command data that the domain takes.
            Node::Template(Tag::new(0xA5), &[Node::Value(Tag::new(0x9F65), &[0xFF])]),
        ],
    )])
}

pub(crate) fn execute(card: &Card, command: &Command) -> Answer {
    match (command.cla(), command.ins()) {
        (0x00 | 0x80, 0xCA) => get_data(card, command),
        _ => Err(StatusWord::INS_NOT_SUPPORTED),
    }
}

/// GET DATA: `80 CA 9F 7F 00`.
fn get_data(card: &Card, command: &Command) -> Answer {
    if (command.p1(), command.p2()) != (0x9F, 0x7F) {
        return Err(StatusWord::REFERENCED_DATA_NOT_FOUND);
    }
    Ok(tlv::encode(&[Node::Value(CPLC, &card.state.cplc.0)]))
}
