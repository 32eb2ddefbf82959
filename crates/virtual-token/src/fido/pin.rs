//! The FIDO PIN: what it must look like, how often it may be wrong (CTAP 2.1, 6.5.1 and
//! 6.5.5).

use piv_apdu::secret::Pin;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::state::PIN_HASH;
use super::status::Status;
use crate::card::Card;
use crate::state::{SecretBytes, TokenState};
use crate::verification;

/// Code points of the shortest PIN.
const MINIMUM: u8 = 4;
/// Bytes of the longest.
const MAXIMUM: usize = 63;
/// Wrong PINs in a row after which only a power cycle helps.
const MISMATCHES_LIMIT: u8 = 3;

/// The project profile makes the PIV PIN the FIDO PIN too. The applet then has none of its
/// own: what is compared, changed and forced is the one PIN that there is.
pub(super) fn is_shared(state: &TokenState) -> bool {
    state.management.shares_fido_pin()
}

pub(super) fn is_set(state: &TokenState) -> bool {
    is_shared(state) || state.fido.pin.is_some()
}

/// Code points of the shortest new PIN.
pub(super) fn minimum(state: &TokenState) -> u8 {
    if is_shared(state) {
        MINIMUM.max(state.pin_format.minimum)
    } else {
        MINIMUM
    }
}

/// Whether the PIN has to be changed before it opens anything.
pub(super) fn is_to_be_changed(state: &TokenState) -> bool {
    is_shared(state) && state.management.force_change
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
    if is_shared(state) {
        Some(hash_of(&state.pin.unpadded()))
    } else {
        state.fido.pin.clone()
    }
}

/// Whether whoever knows the PIN may change it. The PIV PIN is changed over contact alone,
/// and not while either side is blocked.
pub(super) fn check_change(card: &Card) -> Result<(), Status> {
    if !is_shared(&card.state) {
        Ok(())
    } else if !card.has_contact() {
        Err(Status::NotAllowed)
    } else if verification::is_blocked(card) {
        Err(Status::PinBlocked)
    } else {
        Ok(())
    }
}

/// Sets a new PIN, with all its tries.
pub(super) fn set(card: &mut Card, new: &[u8]) -> Result<(), Status> {
    if is_shared(&card.state) {
        return set_shared(card, new);
    }
    let is_long_enough =
        core::str::from_utf8(new).is_ok_and(|text| text.chars().count() >= usize::from(MINIMUM));
    if !is_long_enough || new.len() > MAXIMUM {
        return Err(Status::PinPolicyViolation);
    }
    card.state.fido.forget_pin();
    card.state.fido.pin = Some(hash_of(new));
    card.mark_changed();
    Ok(())
}

/// Sets the one PIN that there is, by the rules of both sides. One that was forced to be
/// changed has to become another.
fn set_shared(card: &mut Card, new: &[u8]) -> Result<(), Status> {
    let block = Pin::new(new)
        .map_err(|_| Status::PinPolicyViolation)?
        .padded();
    verification::check_new_pin(card, &block).map_err(|_| Status::PinPolicyViolation)?;
    let is_the_same = bool::from(card.state.pin.unpadded().ct_eq(new));
    if is_to_be_changed(&card.state) && is_the_same {
        return Err(Status::PinPolicyViolation);
    }
    verification::set_pin_by_holder(card, &block);
    Ok(())
}

/// LEFT(SHA-256(PIN), 16).
fn hash_of(pin: &[u8]) -> SecretBytes {
    let digest: Zeroizing<[u8; 32]> = Zeroizing::new(Sha256::digest(pin).into());
    SecretBytes::new(&digest[..PIN_HASH])
}
