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

/// VERIFY with a PIN. While the PIN is to be changed it opens nothing, and no try is spent
/// on it: 6985. A blocked one is blocked all the same.
pub(crate) fn verify(card: &mut Card, candidate: &PinBlock) -> Answer {
    if card.state.management.force_change && card.state.pin.tries_left > 0 {
        return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
    }
    compare(card, candidate)?;
    done()
}

/// Replaces the PIN by whoever knows it, which is the change that was forced, if it was.
/// The new one is looked at first, so that a slip there costs no try.
pub(crate) fn change_pin(card: &mut Card, old: &PinBlock, new: &PinBlock) -> Answer {
    if is_blocked(card) {
        return Err(StatusWord::AUTHENTICATION_METHOD_BLOCKED);
    }
    check_new_pin(card, new)?;
    compare(card, old)?;
    set_pin_by_holder(card, new);
    done()
}

/// Whether the PIN can only be unblocked. One that is the FIDO PIN too has tries on either
/// side, and whoever knows it changes it only while both have some left.
pub(crate) fn is_blocked(card: &Card) -> bool {
    let state = &card.state;
    let is_shared = state.management.shares_fido_pin();
    state.pin.tries_left == 0 || is_shared && state.fido.tries_left() == 0
}

/// Whether a PIN may be the next one: the policy of the card, for every command that
/// sets a PIN.
pub(crate) fn check_new_pin(card: &Card, new: &PinBlock) -> Result<(), StatusWord> {
    if card.state.pin_format.accepts(new) {
        Ok(())
    } else {
        Err(StatusWord::WRONG_DATA)
    }
}

/// Sets a PIN that [`check_new_pin`] let pass, with all its tries, FIDO's too if that shares
/// it.
pub(crate) fn set_pin(card: &mut Card, new: &PinBlock) {
    card.state.pin.set(new);
    if card.state.management.shares_fido_pin() {
        card.state.fido.forget_pin();
    }
    card.mark_changed();
}

/// As [`set_pin`], by whoever knew the old one: that is the change that was forced, if it
/// was.
pub(crate) fn set_pin_by_holder(card: &mut Card, new: &PinBlock) {
    set_pin(card, new);
    card.state.management.force_change = false;
}

/// Compares the PIN; a wrong one costs a try and ends what the right one had opened.
fn compare(card: &mut Card, candidate: &PinBlock) -> Result<(), StatusWord> {
    let tries_left = card.state.pin.tries_left;
    let result = check(card.state.pin.compare(candidate));
    if card.state.pin.tries_left != tries_left {
        card.mark_changed();
    }
    if result.is_ok() {
        card.access.verified();
    } else {
        card.access.drop_pin();
    }
    result
}

/// The status word of a comparison.
pub(crate) fn check(comparison: Comparison) -> Result<(), StatusWord> {
    match comparison {
        Comparison::Equal => Ok(()),
        Comparison::Wrong { tries_left } => Err(StatusWord::verification_failed(tries_left)),
        Comparison::Blocked => Err(StatusWord::AUTHENTICATION_METHOD_BLOCKED),
    }
}
