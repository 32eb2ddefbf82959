//! The card's cryptography: its keys and what is done with them.

mod certificate;
mod cvc;
mod key;
mod signed_data;
mod symmetric;

pub(crate) use certificate::{Issuer, Purpose, Request, key_identifier};
pub(crate) use cvc::CardVerifiable;
pub use key::KeyAlgorithm;
pub(crate) use key::{KeyError, PrivateKey};
pub use symmetric::SymmetricAlgorithm;
pub(crate) use symmetric::SymmetricKey;
