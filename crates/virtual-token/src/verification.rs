//! The cardholder's PIN, which the access control applet and the PIV applet share.

use piv_apdu::secret::PinBlock;
use piv_apdu::status::StatusWord;

use crate::card::{Answer, Card, done};
use crate::state::Comparison;

/// The one block that is the command's data.
pub(crate) fn block(data: &[u8]) -> Result<PinBlock, StatusWord> {
    PinBlock::from_slice(data).ok_or(StatusWord::WRONG_LENGTH)
}

/// The two blocks that are the command's data.
pub(crate) fn two_blocks(data: &[u8]) -> Result<(PinBlock, PinBlock), StatusWord> {
    let (first, second) = data
        .split_at_checked(PinBlock::LEN)
        .ok_or(StatusWord::WRONG_LENGTH)?;
    Ok((block(first)?, block(second)?))
}

/// Compares the PIN; a wrong one costs a try and ends what the right one had opened.
pub(crate) fn verify(card: &mut Card, candidate: &PinBlock) -> Answer {
    let tries_left = card.state.pin.tries_left;
    let result = check(card.state.pin.compare(candidate));
    if card.state.pin.tries_left != tries_left {
        card.mark_changed();
    }
    match result {
        Ok(()) => {
            card.access.verified();
            done()
        }
        Err(status) => {
            card.access.drop_pin();
            Err(status)
        }
    }
}

/// Replaces the PIN by whoever knows it. The new one's form is looked at first, so that
/// a slip there costs no try.
pub(crate) fn change_pin(card: &mut Card, old: &PinBlock, new: &PinBlock) -> Answer {
    if !card.state.pin_format.accepts(new) {
        return Err(StatusWord::WRONG_DATA);
    }
    verify(card, old)?;
    card.state.pin.set(new);
    card.mark_changed();
    done()
}

/// The status word of a comparison.
pub(crate) fn check(comparison: Comparison) -> Result<(), StatusWord> {
    match comparison {
        Comparison::Equal => Ok(()),
        Comparison::Wrong { tries_left } => Err(StatusWord::verification_failed(tries_left)),
        Comparison::Blocked => Err(StatusWord::AUTHENTICATION_METHOD_BLOCKED),
    }
}
