//! GENERAL AUTHENTICATE with an asymmetric key: SP 800-73-5 Part 2, 3.2.4.

use piv_apdu::command::{DynamicAuthenticationTemplate, GeneralAuthenticate};
use piv_apdu::key::KeyReference;
use piv_apdu::status::StatusWord;

use crate::card::{Answer, Card};
use crate::crypto::{KeyError, PrivateKey};
use crate::state::HexId;

/// Signs (or decrypts, which is the same to RSA), or agrees on a secret.
pub(super) fn authenticate(card: &mut Card, command: &GeneralAuthenticate) -> Answer {
    let container = card.state.keys.get(&HexId::from(command.key));
    let (container, stored) = container
        .and_then(|container| Some((container, container.key.as_ref()?)))
        .ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
    if container.algorithm.identifier() != command.algorithm.to_u8() {
        return Err(StatusWord::INCORRECT_P1P2);
    }
    if !may_use(card, command.key) {
        return Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED);
    }
    let key = PrivateKey::from_pkcs8(container.algorithm, stored.pkcs8.as_slice())
        .map_err(status_word)?;

    // The response is asked for by naming it, empty.
    let template = &command.template;
    if template
        .response
        .as_ref()
        .is_none_or(|response| !response.is_empty())
    {
        return Err(StatusWord::WRONG_DATA);
    }
    let result = match (&template.challenge, &template.exponentiation) {
        (Some(challenge), None) => key.sign(challenge, &mut card.random),
        (None, Some(point)) => key.agree(point),
        _ => return Err(StatusWord::WRONG_DATA),
    };
    let response = result.map_err(status_word)?;
    Ok(DynamicAuthenticationTemplate::default()
        .with_response(&response)
        .encode())
}

/// The access rules of SP 800-73-5 Part 1, table 5: the card authentication key always,
/// the signature key right after the PIN, the others once the PIN has been verified; all
/// but the first over contact, by wire or virtually.
fn may_use(card: &Card, key: KeyReference) -> bool {
    match key {
        KeyReference::CARD_AUTHENTICATION => true,
        _ if !card.has_contact() => false,
        KeyReference::DIGITAL_SIGNATURE => card.access.pin_just_verified(),
        _ => card.access.pin(),
    }
}

fn status_word(error: KeyError) -> StatusWord {
    match error {
        KeyError::Input | KeyError::Kind => StatusWord::WRONG_DATA,
        KeyError::Damaged => StatusWord::EXECUTION_ERROR,
    }
}
