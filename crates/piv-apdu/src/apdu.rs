//! Command and response APDUs: ISO 7816-4, all cases, short and extended.
//!
//! [`Command`] and [`Response`] own their data in zeroizing buffers that are
//! allocated once at their exact size, so that no copy of a PIN is left behind
//! by a growing vector. Neither prints its data in `Debug`.

mod command;
#[cfg(feature = "apdu")]
mod interop;
mod response;

pub use command::{Command, DecodeError, EncodeError, Le};
#[cfg(feature = "apdu")]
pub use interop::ConversionError;
pub use response::Response;
