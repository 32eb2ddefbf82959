//! VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER: SP 800-73-5 Part 2, 3.2.

use piv_apdu::command::{ChangeReferenceData, PinStatus, ResetRetryCounter, Verify, VerifyAction};
use piv_apdu::key::KeyReference;
use piv_apdu::secret::PinBlock;
use piv_apdu::status::StatusWord;

use super::{access, pairing_code};
use crate::card::{Answer, Card, done};
use crate::state::ReferenceData;
use crate::verification::{self, check};

/// VERIFY of the PIV PIN or of the pairing code: asks, checks or logs out.
pub(super) fn verify(card: &mut Card, command: &Verify) -> Answer {
    match command.reference {
        KeyReference::PIV_PIN => verify_pin(card, &command.action),
        KeyReference::PAIRING_CODE => pairing_code::verify(card, &command.action),
        _ => Err(StatusWord::REFERENCED_DATA_NOT_FOUND),
    }
}

fn verify_pin(card: &mut Card, action: &VerifyAction) -> Answer {
    access::check_pin_interface(card)?;
    match action {
        VerifyAction::Query => query(card),
        VerifyAction::Check(block) => {
            access::check_tries(card)?;
            presented(card, block)?;
            verification::verify(card, block)
        }
        VerifyAction::Logout => {
            card.access.drop_pin();
            done()
        }
    }
}

fn query(card: &Card) -> Answer {
    let status = match card.state.pin.tries_left {
        0 => PinStatus::Blocked,
        _ if card.access.pin() => PinStatus::AlreadyVerified,
        tries_left => PinStatus::TriesLeft(tries_left),
    };
    match status.to_status_word() {
        StatusWord::SUCCESS => done(),
        other => Err(other),
    }
}

/// CHANGE REFERENCE DATA, of the PIN or the PUK.
pub(super) fn change_reference_data(card: &mut Card, command: &ChangeReferenceData) -> Answer {
    let (old, new) = (&command.old, &command.new);
    match command.reference {
        KeyReference::PIV_PIN => {
            access::check_pin_interface(card)?;
            access::check_tries(card)?;
            presented(card, old)?;
            verification::change_pin(card, old, new)
        }
        // Over contact alone (SP 800-73-5 Part 1, table 4).
        KeyReference::PUK if card.state.contactless => {
            Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED)
        }
        KeyReference::PUK => {
            check_puk(card, old)?;
            puk(card)?.set(new);
            card.mark_changed();
            done()
        }
        _ => Err(StatusWord::REFERENCED_DATA_NOT_FOUND),
    }
}

/// RESET RETRY COUNTER: the PUK sets a new PIN, which is not verified by that.
pub(super) fn reset_retry_counter(card: &mut Card, command: &ResetRetryCounter) -> Answer {
    if command.reference != KeyReference::PIV_PIN {
        return Err(StatusWord::REFERENCED_DATA_NOT_FOUND);
    }
    let new = &command.new;
    if puk(card)?.tries_left > 0 {
        verification::check_new_pin(card, new)?;
    }
    check_puk(card, &command.puk)?;
    verification::set_pin(card, new);
    done()
}

/// A PIV card refuses what cannot be a PIN, without spending a try on it; a Crescendo,
/// whose documentation has no status word for that, compares it.
fn presented(card: &Card, block: &PinBlock) -> Result<(), StatusWord> {
    let state = &card.state;
    if state.pin.tries_left == 0 {
        Err(StatusWord::AUTHENTICATION_METHOD_BLOCKED)
    } else if !state.profile.is_crescendo() && !state.pin_format.accepts(block) {
        Err(StatusWord::WRONG_DATA)
    } else {
        Ok(())
    }
}

fn check_puk(card: &mut Card, block: &PinBlock) -> Result<(), StatusWord> {
    let puk = puk(card)?;
    let tries_left = puk.tries_left;
    let comparison = puk.compare(block);
    if puk.tries_left != tries_left {
        card.mark_changed();
    }
    check(comparison)
}

/// The PUK, on a card that has one.
fn puk(card: &mut Card) -> Result<&mut ReferenceData, StatusWord> {
    card.state
        .puk
        .as_mut()
        .ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)
}
