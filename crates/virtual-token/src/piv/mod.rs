//! The PIV card application: SP 800-73-5, Part 2.

use piv_apdu::aid;
use piv_apdu::apdu::Command;
use piv_apdu::status::StatusWord;
use piv_apdu::tlv::{self, Node, Tag};
use zeroize::Zeroizing;

use crate::card::{Answer, Card};
use crate::state::TokenState;

/// `61 { 4F <AID>, 79 { 4F <RID> }, 50 <label> }`.
pub(crate) fn select_answer(state: &TokenState) -> Zeroizing<Vec<u8>> {
    let label: &[u8] = if state.profile.is_crescendo() {
        b"HID Global ActivID Applet 3.0.3"
    } else {
        b"Software PIV card"
    };
    tlv::encode(&[Node::Template(
        Tag::new(0x61),
        &[
            Node::Value(Tag::new(0x4F), aid::PIV),
            Node::Template(
                Tag::new(0x79),
                &[Node::Value(Tag::new(0x4F), aid::RID_NIST)],
            ),
            Node::Value(Tag::new(0x50), label),
        ],
    )])
}

pub(crate) fn execute(card: &mut Card, command: &Command) -> Answer {
    let _ = (card, command);
    Err(StatusWord::INS_NOT_SUPPORTED)
}
