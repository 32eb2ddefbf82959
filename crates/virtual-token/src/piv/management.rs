//! GENERAL AUTHENTICATE with the card management key 9B: SP 800-73-5 Part 2, 3.2.4 and
//! appendix A.

use piv_apdu::command::{DynamicAuthenticationTemplate, GeneralAuthenticate};
use piv_apdu::status::StatusWord;
use subtle::ConstantTimeEq;

use crate::card::access::Challenge;
use crate::card::{Answer, Card, done};
use crate::crypto::SymmetricKey;

/// Single authentication (the card's challenge, the host's response) and mutual
/// authentication (the card's witness and the host's, then the host's challenge and the
/// card's response).
pub(super) fn authenticate(card: &mut Card, command: &GeneralAuthenticate) -> Answer {
    let asked = card.access.challenge.take();
    let key = card
        .state
        .management_key
        .clone()
        .ok_or(StatusWord::INS_NOT_SUPPORTED)?;
    // SP 800-73-5 Part 1, table 5: never over the contactless interface.
    if card.state.contactless {
        return Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED);
    }
    if key.algorithm.identifier() != command.algorithm.to_u8() {
        return Err(StatusWord::INCORRECT_P1P2);
    }
    let template = &command.template;
    match (
        template.witness.as_deref().map(Vec::as_slice),
        template.challenge.as_deref().map(Vec::as_slice),
        template.response.as_deref().map(Vec::as_slice),
    ) {
        (None, Some([]), None) => request_challenge(card, &key),
        (None, None, Some(response)) => check_response(card, &key, asked, response),
        (Some([]), None, None) => request_witness(card, &key),
        (Some(witness), Some(challenge), None | Some([])) => {
            check_witness(card, &key, asked, witness, challenge)
        }
        _ => Err(StatusWord::WRONG_DATA),
    }
}

#[allow(clippy::unnecessary_wraps)] // one of several that answer
fn request_challenge(card: &mut Card, key: &SymmetricKey) -> Answer {
    let challenge = card.random_bytes(key.algorithm.block_length());
    let answer = DynamicAuthenticationTemplate::default().with_challenge(&challenge);
    card.access.challenge = Some(Challenge::Management(challenge));
    Ok(answer.encode())
}

fn check_response(
    card: &mut Card,
    key: &SymmetricKey,
    asked: Option<Challenge>,
    response: &[u8],
) -> Answer {
    let Some(Challenge::Management(challenge)) = asked else {
        return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
    };
    let expected = key
        .encrypt(&challenge)
        .map_err(|_| StatusWord::EXECUTION_ERROR)?;
    admit(card, &expected, response)?;
    done()
}

fn request_witness(card: &mut Card, key: &SymmetricKey) -> Answer {
    let witness = card.random_bytes(key.algorithm.block_length());
    let encrypted = key
        .encrypt(&witness)
        .map_err(|_| StatusWord::EXECUTION_ERROR)?;
    card.access.challenge = Some(Challenge::Witness(witness));
    Ok(DynamicAuthenticationTemplate::default()
        .with_witness(&encrypted)
        .encode())
}

fn check_witness(
    card: &mut Card,
    key: &SymmetricKey,
    asked: Option<Challenge>,
    witness: &[u8],
    challenge: &[u8],
) -> Answer {
    let Some(Challenge::Witness(expected)) = asked else {
        return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
    };
    // A challenge of a wrong length must not cost the host its authentication silently.
    let response = key.encrypt(challenge).map_err(|_| StatusWord::WRONG_DATA)?;
    admit(card, &expected, witness)?;
    Ok(DynamicAuthenticationTemplate::default()
        .with_response(&response)
        .encode())
}

/// Compares in constant time; a failure also ends what was opened before.
fn admit(card: &mut Card, expected: &[u8], presented: &[u8]) -> Result<(), StatusWord> {
    card.access.management = bool::from(expected.ct_eq(presented));
    if card.access.management {
        Ok(())
    } else {
        Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED)
    }
}
