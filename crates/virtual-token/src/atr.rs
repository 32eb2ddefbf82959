//! The answers to reset.

use piv_apdu::atr::{Atr, AtrError};

use crate::profile::Protocol;
use crate::state::TokenState;

/// TA1, TC1, TD1 (T=1), TA3, TD3 … as every contact Crescendo has them: T=1, 254-byte
/// blocks.
const T1: (u8, &[u8]) = (0xD, &[0x96, 0xFF, 0x81, 0x91, 0xFE, 0x1F, 0xC3]);
/// TA1 and TC1, and no TD1: T=0.
const T0: (u8, &[u8]) = (0x5, &[0x96, 0xFF]);

/// A Crescendo's ATR is the published one. The plain PIV card's is of our own: in
/// compact-TLV (ISO 7816-4, 8.1.1) its capabilities, and the name `SoftPIV`.
pub(crate) fn of(state: &TokenState) -> Result<Atr, AtrError> {
    let (announced, interface) = match state.protocol {
        Protocol::T0 => T0,
        Protocol::T1 => T1,
    };
    if let Some(historical) = state.profile.crescendo_historical_bytes() {
        return Atr::build(announced, interface, historical);
    }
    // Command chaining; extended Lc and Le.
    let lengths = if state.extended_length { 0xC0 } else { 0x80 };
    let mut historical = vec![0x80];
    // Card capabilities: selection by full and by partial name; data coding one byte.
    historical.extend_from_slice(&[0x73, 0xC0, 0x21, lengths]);
    // Card issuer's data.
    historical.push(0x57);
    historical.extend_from_slice(b"SoftPIV");
    Atr::build(announced, interface, &historical)
}
