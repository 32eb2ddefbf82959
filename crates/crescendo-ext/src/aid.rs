//! Application identifiers of a Crescendo's instances.
//!
//! The PIV and FIDO instances have the standards' identifiers,
//! [`piv_apdu::aid::PIV`] and [`FIDO`].

pub use piv_apdu::aid::FIDO;

/// The access control applet (ACA), which holds the card's PIN and its XAUTH
/// keys. Evidence: vendor (LL/select).
///
/// That it can be selected does not prove a Crescendo: CAC cards have it too.
pub const ACA: &[u8] = &[0xA0, 0x00, 0x00, 0x00, 0x79, 0x10, 0x00];

/// The three OATH slots; a Crescendo Key has them, a card has not. Evidence:
/// vendor (LL/select).
pub const OATH_SLOTS: [&[u8]; 3] = [
    &[0xA0, 0x00, 0x00, 0x00, 0x79, 0x23, 0x00],
    &[0xA0, 0x00, 0x00, 0x00, 0x79, 0x23, 0x01],
    &[0xA0, 0x00, 0x00, 0x00, 0x79, 0x23, 0x02],
];

/// The issuer security domain (GlobalPlatform Card Specification 2.3.1, H.1.3),
/// which hands out the CPLC.
pub const ISD: &[u8] = &[0xA0, 0x00, 0x00, 0x01, 0x51, 0x00, 0x00, 0x00];
