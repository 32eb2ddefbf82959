//! New secrets: made here, and in the person's hands before a card has them.

use crescendo_ext::xauth::{XauthAlgorithm, XauthKey};
use piv_apdu::secret::Puk;
use token_profile::{RecoveryKind, is_weak};
use zeroize::Zeroizing;

use super::recovery::RecoverySecret;
use crate::failure::{ActionError, Aftermath, NotSent, Secret};

/// Gives a person a secret that the card is about to get, and says whether it
/// was taken over. It is asked while no transaction is held, so it may take its
/// time; `false` stops the action, and the card does not get the secret.
pub type HandOver<'a> = dyn FnMut(&RecoverySecret) -> bool + 'a;

/// Gives the secret to the person, or stops.
pub(crate) fn hand_over(
    take: &mut HandOver<'_>,
    secret: &RecoverySecret,
    aftermath: Aftermath,
) -> Result<(), ActionError> {
    if take(secret) {
        return Ok(());
    }
    let secret = match secret.kind() {
        RecoveryKind::Puk => Secret::Puk,
        RecoveryKind::XauthKey => Secret::AdminKey,
        RecoveryKind::UnlockCode => Secret::UnlockCode,
    };
    Err(ActionError::NotTakenOver { secret, aftermath })
}

/// A secret as a person gets it.
pub(crate) fn to_hand_over(kind: RecoveryKind, value: &[u8]) -> Result<RecoverySecret, NotSent> {
    RecoverySecret::new(kind, value).map_err(|error| NotSent::KeyDoesNotFit(error.to_string()))
}

/// A random admin key.
pub(crate) fn random_key(algorithm: XauthAlgorithm) -> Result<XauthKey, ActionError> {
    let mut bytes = Zeroizing::new([0; 24]);
    let bytes = &mut bytes[..algorithm.key_length()];
    fill(bytes)?;
    XauthKey::new(algorithm, bytes)
        .map_err(|error| NotSent::KeyDoesNotFit(error.to_string()).into())
}

/// A random PUK of eight digits that is not weak.
pub(crate) fn random_puk() -> Result<Puk, ActionError> {
    let mut digits = Zeroizing::new([0; 8]);
    loop {
        for digit in digits.iter_mut() {
            *digit = b'0' + random_digit()?;
        }
        if !is_weak(digits.as_slice()) {
            break;
        }
    }
    Puk::new(digits.as_slice()).map_err(|error| NotSent::KeyDoesNotFit(error.to_string()).into())
}

/// Every digit is as likely as any other: what is over the last full ten of
/// the bytes is drawn again.
fn random_digit() -> Result<u8, ActionError> {
    let mut byte = Zeroizing::new([0; 1]);
    loop {
        fill(byte.as_mut_slice())?;
        if byte[0] < 250 {
            return Ok(byte[0] % 10);
        }
    }
}

fn fill(bytes: &mut [u8]) -> Result<(), ActionError> {
    getrandom::fill(bytes).map_err(|error| ActionError::Random(error.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_random_puk_is_eight_digits_of_every_kind_and_never_the_same() {
        let mut seen = HashSet::new();
        let mut digits = HashSet::new();
        for _ in 0..64 {
            let puk = random_puk().unwrap();
            assert!(puk.as_bytes().iter().all(u8::is_ascii_digit));
            assert!(!is_weak(puk.as_bytes()));
            digits.extend(*puk.as_bytes());
            seen.insert(*puk.as_bytes());
        }
        assert_eq!((seen.len(), digits.len()), (64, 10));
    }

    #[test]
    fn a_random_key_has_the_algorithm_that_was_asked_for() {
        for algorithm in XauthAlgorithm::ALL {
            let key = random_key(algorithm).unwrap();
            assert_eq!(key.algorithm(), algorithm);
            assert!(!key.is_delivery_value());
            assert_ne!(key, random_key(algorithm).unwrap());
        }
    }
}
