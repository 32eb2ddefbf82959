//! The answers to reset.

use piv_apdu::atr::{Atr, AtrError};

use crate::profile::Protocol;
use crate::state::TokenState;

/// TA1, TC1, TD1 (T=1), TA3, TD3 … as every contact Crescendo has them: T=1, 254-byte
/// blocks.
const T1: (u8, &[u8]) = (0xD, &[0x96, 0xFF, 0x81, 0x91, 0xFE, 0x1F, 0xC3]);
/// TA1 and TC1, and no TD1: T=0.
const T0: (u8, &[u8]) = (0x5, &[0x96, 0xFF]);

/// A contactless card's ATR is what PC/SC part 3 makes of its historical bytes, which are
/// taken to be the same on both interfaces: HID's published ones are, and of the C4000
/// and of our own no contactless one was seen.
pub(crate) fn of(state: &TokenState) -> Result<Atr, AtrError> {
    let historical = historical_bytes(state);
    if state.contactless {
        return Atr::contactless(&historical);
    }
    let (announced, interface) = match state.protocol {
        Protocol::T0 => T0,
        Protocol::T1 => T1,
    };
    Atr::build(announced, interface, &historical)
}

/// A Crescendo's are the published ones. The plain PIV card's are of our own: in
/// compact-TLV (ISO 7816-4, 8.1.1) its capabilities, and the name `SoftPIV`.
fn historical_bytes(state: &TokenState) -> Vec<u8> {
    if let Some(historical) = state.profile.crescendo_historical_bytes() {
        return historical.to_vec();
    }
    // Command chaining; extended Lc and Le.
    let lengths = if state.extended_length { 0xC0 } else { 0x80 };
    let mut historical = vec![0x80];
    // Card capabilities: selection by full and by partial name; data coding one byte.
    historical.extend_from_slice(&[0x73, 0xC0, 0x21, lengths]);
    // Card issuer's data.
    historical.push(0x57);
    historical.extend_from_slice(b"SoftPIV");
    historical
}
