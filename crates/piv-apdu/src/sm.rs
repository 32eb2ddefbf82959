//! Secure messaging: commands and responses between a host and a PIV card that
//! others can neither read nor change.
//!
//! A [`KeyEstablishment`] makes the command that opens a session and takes the card's
//! answer. What comes of it, [`Established`], holds keys that both sides share, and the
//! card's certificate, a [`Cvc`]. To use the keys takes a decision about that
//! certificate. Then a [`SecureMessaging`] wraps each command and unwraps its response.
//! Anything that is not as it has to be ends the session for good: keys and counters are
//! of use once.
//!
//! ```
//! use piv_apdu::apdu::Response;
//! use piv_apdu::command::{GetData, TypedCommand};
//! use piv_apdu::object::ObjectTag;
//! use piv_apdu::sm::{CipherSuite, EstablishError, KeyEstablishment};
//!
//! # fn example(
//! #     random: &mut impl rand_core::CryptoRng,
//! #     mut exchange: impl FnMut(&piv_apdu::apdu::Command) -> Response,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! let establishment = KeyEstablishment::new(CipherSuite::Cs2, random)?;
//! let answer = exchange(&establishment.command());
//! let mut session = establishment.finish(&answer)?.unverified();
//!
//! let command = session.wrap(&GetData::new(ObjectTag::CHUID).to_command())?;
//! let answer = session.unwrap(&exchange(&command))?;
//! let chuid = GetData::decode_answer(&answer)?;
//! # Ok(())
//! # }
//! ```
//!
//! Source: SP 800-73-5 Part 2, section 4, read in NIST's working draft of the
//! revision after it.

mod chain;
mod channel;
mod cvc;
mod ephemeral;
mod establish;
mod keys;
mod signature;
mod x509;

pub use chain::{ChainError, CvcFault};
pub use channel::{SecureMessaging, SmError};
pub use cvc::{Cvc, CvcHolder};
pub use establish::{EstablishError, Established, KeyEstablishment};
pub use keys::{CipherSuite, OtherInfo, SessionKeys};
pub use x509::TrustAnchor;
