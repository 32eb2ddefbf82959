//! GENERATE ASYMMETRIC KEY PAIR: SP 800-73-5 Part 2, 3.3.2.

use piv_apdu::command::GenerateAsymmetric;
use piv_apdu::status::StatusWord;
use zeroize::Zeroizing;

use super::{has_key_container, may_administer};
use crate::card::{Answer, Card};
use crate::crypto::{KeyAlgorithm, PrivateKey};
use crate::state::{HexId, KeyContainer};

/// Makes a key pair and answers the public key. The key that was there is gone; its
/// certificate stays until it is overwritten, as on other cards.
pub(super) fn generate(card: &mut Card, command: &GenerateAsymmetric) -> Answer {
    if !has_key_container(card, command.key) {
        return Err(StatusWord::INCORRECT_P1P2);
    }
    may_administer(card)?;
    let algorithm =
        KeyAlgorithm::from_identifier(command.algorithm.to_u8()).ok_or(StatusWord::WRONG_DATA)?;
    let key = PrivateKey::generate(algorithm, &mut card.random)
        .map_err(|_| StatusWord::EXECUTION_ERROR)?;
    let container =
        KeyContainer::generated(algorithm, &key).map_err(|_| StatusWord::EXECUTION_ERROR)?;
    card.state.keys.insert(HexId::from(command.key), container);
    card.mark_changed();
    Ok(Zeroizing::new(key.public_key().encode()))
}
