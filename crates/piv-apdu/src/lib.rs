//! NIST PIV on the wire.

pub mod aid;
pub mod apdu;
pub mod atr;
pub mod command;
pub mod key;
pub mod object;
pub mod secret;
pub mod status;
pub mod tlv;

pub use zeroize::Zeroizing;
