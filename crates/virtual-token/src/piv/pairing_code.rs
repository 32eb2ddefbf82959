//! VERIFY of the pairing code, which makes a virtual contact interface of the contactless
//! one: SP 800-73-5 Part 2, 3.2.1.

use piv_apdu::command::VerifyAction;
use piv_apdu::object::{DataObject as _, ObjectTag, PairingCodeObject};
use piv_apdu::secret::{PairingCode, PinBlock};
use piv_apdu::status::StatusWord;
use subtle::ConstantTimeEq;

use super::access;
use crate::card::{Answer, Card, done};
use crate::state::HexId;

/// Asks, checks or logs out. There is no counter, so a wrong code is `6300`, and so is the
/// answer to whoever asks while none has been verified. Over the contactless interface it
/// all has to come under secure messaging.
pub(super) fn verify(card: &mut Card, action: &VerifyAction) -> Answer {
    let code = code(card).ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
    if card.state.contactless && !card.over_secure_messaging {
        return Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED);
    }
    match action {
        VerifyAction::Query => {}
        VerifyAction::Check(block) => card.access.pairing_code = compare(&code, block)?,
        VerifyAction::Logout => {
            card.access.pairing_code = false;
            return done();
        }
    }
    if card.access.pairing_code {
        done()
    } else {
        Err(StatusWord::VERIFICATION_FAILED)
    }
}

/// What is no pairing code is not compared.
fn compare(code: &PairingCode, candidate: &PinBlock) -> Result<bool, StatusWord> {
    let candidate = PairingCode::new(candidate.as_bytes()).map_err(|_| StatusWord::WRONG_DATA)?;
    Ok(bool::from(
        code.as_bytes()[..].ct_eq(&candidate.as_bytes()[..]),
    ))
}

/// The code of a card that has the virtual contact interface, as its object has it.
fn code(card: &Card) -> Option<PairingCode> {
    if card.state.secure_messaging.is_none() || !access::pin_usage(card).vci() {
        return None;
    }
    let object = card
        .state
        .objects
        .get(&HexId::from(ObjectTag::PAIRING_CODE))?;
    let object = PairingCodeObject::decode(&object.content.0).ok()?;
    Some(object.code)
}
