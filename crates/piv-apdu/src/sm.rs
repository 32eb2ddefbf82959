//! Secure messaging, the host's side: commands and responses between a host and a PIV
//! card that others can neither read nor change.
//!
//! A [`KeyEstablishment`] makes the command that opens a session and takes the card's
//! answer. What comes of it, [`Established`], holds keys that both sides share, and the
//! card's certificate, a [`Cvc`]. To use the keys takes a decision about that
//! certificate: it is [`verified`](Established::verified) up to one of the caller's
//! [`TrustAnchor`]s, or the caller says that it stays
//! [`unverified`](Established::unverified). Then a [`SecureMessaging`] wraps each command
//! and unwraps its response. Anything that is not as it has to be ends the session for
//! good: keys and counters are of use once.
//!
//! ```
//! use std::time::SystemTime;
//!
//! use piv_apdu::command::{GetData, TypedCommand};
//! use piv_apdu::object::{Chuid, DataObject, ObjectTag, SmSigner};
//! use piv_apdu::sm::{CipherSuite, KeyEstablishment, TrustAnchor};
//! # use piv_apdu::apdu::{Command, Response};
//! # use rand_core::SeedableRng;
//! # let vectors = include_str!("../tests/vectors/secure_messaging/vectors.json");
//! # let vectors: serde_json::Value = serde_json::from_str(vectors)?;
//! # let vectors = &vectors["suites"]["CS2"];
//! # let (direct, step) = (&vectors["direct"], &vectors["session_of_direct"][0]);
//! # let hex = |value: &serde_json::Value| {
//! #     piv_apdu::secret::from_hex(value.as_str().unwrap()).unwrap()
//! # };
//! # let mut random = rand_chacha::ChaCha20Rng::from_seed([0; 32]);
//! # // The host's key is that of the recorded answers, and what is asked is held against it.
//! # let host = &vectors["host"];
//! # let host_id = hex(&host["ids_h"]).as_slice().try_into()?;
//! # let recorded = || KeyEstablishment::from_parts(CipherSuite::Cs2, host_id, &hex(&host["private_key"]));
//! # let exchange = |command: &Command| {
//! #     let (expected, answer) = match command.ins() {
//! #         0x87 => (hex(&host["request"])[5..85].to_vec(), &direct["answer"]),
//! #         _ => (hex(&step["wrapped_command"]["data"]).to_vec(), &step["wrapped_response"]),
//! #     };
//! #     assert_eq!(command.data(), expected);
//! #     Response::decode(&hex(answer)).unwrap()
//! # };
//! # let algorithms = [piv_apdu::key::Algorithm::Cs2];
//! # let (signer_object, anchor) = (hex(&direct["object_5fc122"]), hex(&vectors["root_certificate"]));
//!
//! // The card has announced a suite when it was selected.
//! let suite = algorithms.into_iter().find_map(CipherSuite::from_algorithm);
//! let suite = suite.ok_or("no secure messaging")?;
//! let establishment = KeyEstablishment::new(suite, &mut random)?;
//! # let establishment = recorded().unwrap();
//! let answer = exchange(&establishment.command());
//! let established = establishment.finish(&answer)?;
//!
//! // Who has signed the card's certificate lies on the card (5FC122), who is trusted does not.
//! let signer = SmSigner::decode(&signer_object)?;
//! let anchors = [TrustAnchor::from_der(&anchor)?];
//! let guid = established.guid();
//! let mut session = established.verified(&signer, &anchors, SystemTime::now())?;
//!
//! let command = session.wrap(&GetData::new(ObjectTag::CHUID).to_command())?;
//! let answer = session.unwrap(&exchange(&command))?;
//! let chuid = Chuid::decode(&GetData::decode_answer(&answer)?)?;
//! assert_eq!(chuid.guid, guid, "the certificate is another card's");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What this does for you, and what it does not
//!
//! A session with a card that was verified is with a card whose issuer the caller trusts,
//! and nobody between can read or change anything. The card does not know who the host
//! is: that takes the pairing code, and the PIN. A session that stays unverified keeps out
//! who only listens. That the certificate's GUID is that of the card's CHUID is for the
//! caller to compare.
//!
//! A session ends when the card is selected anew, reset, or asked to establish another; it
//! carries GET DATA, VERIFY, CHANGE REFERENCE DATA and GENERAL AUTHENTICATE. To cut what
//! is wrapped into APDUs (chaining with class `1C`) is the transport's part.
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
