//! The FIDO PIN: what it must look like, how often it may be wrong (CTAP 2.1, 6.5.1 and
//! 6.5.5).

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::state::PIN_HASH;
use super::status::Status;
use crate::card::Card;
use crate::state::{SecretBytes, TokenState};

/// Code points of the shortest PIN.
const MINIMUM: u8 = 4;
/// Bytes of the longest.
const MAXIMUM: usize = 63;
/// Wrong PINs in a row after which only a power cycle helps.
const MISMATCHES_LIMIT: u8 = 3;

pub(super) fn is_set(state: &TokenState) -> bool {
    state.fido.pin.is_some()
}

/// Code points of the shortest new PIN.
pub(super) fn minimum(_state: &TokenState) -> u8 {
    MINIMUM
}

/// Whether the PIN has to be changed before it opens anything.
pub(super) fn is_to_be_changed(_state: &TokenState) -> bool {
    false
}

/// Only a power cycle lets a PIN be tried again.
pub(super) fn wants_power_cycle(card: &Card) -> bool {
    card.fido.mismatches >= MISMATCHES_LIMIT
}

/// Whether a PIN may be tried at all.
pub(super) fn check_tries(card: &Card) -> Result<(), Status> {
    if card.state.fido.tries_left() == 0 {
        Err(Status::PinBlocked)
    } else if wants_power_cycle(card) {
        Err(Status::PinAuthBlocked)
    } else {
        Ok(())
    }
}

/// Compares what a host sent of the PIN, its hash's first half. The try is taken before the
/// comparison and given back after it. After a wrong one the host has to agree on another
/// key, and a token that was given out is void.
pub(super) fn compare(card: &mut Card, candidate: &[u8]) -> Result<(), Status> {
    check_tries(card)?;
    let hash = hash(&card.state).ok_or(Status::PinNotSet)?;
    let tries_used = card.state.fido.tries_used;
    card.state.fido.tries_used += 1;
    if bool::from(hash.as_slice().ct_eq(candidate)) {
        card.state.fido.tries_used = 0;
        card.fido.mismatches = 0;
        if tries_used > 0 {
            card.mark_changed();
        }
        return Ok(());
    }
    card.mark_changed();
    card.fido.mismatches += 1;
    card.fido.key_agreement = None;
    card.fido.token = None;
    check_tries(card)?;
    Err(Status::PinInvalid)
}

fn hash(state: &TokenState) -> Option<SecretBytes> {
    state.fido.pin.clone()
}

/// Sets a new PIN, with all its tries.
pub(super) fn set(card: &mut Card, new: &[u8]) -> Result<(), Status> {
    let is_long_enough =
        core::str::from_utf8(new).is_ok_and(|text| text.chars().count() >= usize::from(MINIMUM));
    if !is_long_enough || new.len() > MAXIMUM {
        return Err(Status::PinPolicyViolation);
    }
    card.state.fido.pin = Some(hash_of(new));
    card.state.fido.tries_used = 0;
    card.mark_changed();
    Ok(())
}

/// LEFT(SHA-256(PIN), 16).
fn hash_of(pin: &[u8]) -> SecretBytes {
    let digest: Zeroizing<[u8; 32]> = Zeroizing::new(Sha256::digest(pin).into());
    SecretBytes::new(&digest[..PIN_HASH])
}
