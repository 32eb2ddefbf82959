//! PIV tokens in software, for programs and tests that have no hardware: the card's
//! side of the wire, of HID's Crescendo 2300, 4000 and Key, and of a plain NIST PIV card.
//!
//! A [`VirtualToken`] is one card: command APDUs in, response APDUs out. It has the
//! applets of its [`Profile`] with real keys, real certificates and retry counters, and
//! it keeps its state as a serde value, [`TokenState`]. Ways to reach one:
//!
//! - in-process, [`SharedToken::link`] gives a link as [`pcsc_transport`] wants it, and
//!   [`MemoryBackend`] and [`EmbeddedBackend`] make readers of tokens;
//! - over TCP, [`vpcd`] puts one into the virtual reader of vsmartcard, so that pcscd
//!   and every PC/SC program on the machine sees a card.
//!
//! Tokens can be kept in a directory ([`store`]) and made to misbehave ([`fault`]).
//!
//! ```
//! use piv_apdu::apdu::Response;
//! use piv_apdu::command::{GetData, Select, TypedCommand, Verify};
//! use piv_apdu::key::KeyReference;
//! use piv_apdu::object::{Chuid, DataObject, ObjectTag};
//! use piv_apdu::secret::Pin;
//! use virtual_token::{CreateOptions, Profile, VirtualToken};
//!
//! let mut token = VirtualToken::create(Profile::Piv, &CreateOptions::default().seed(1))?;
//! token.power_on();
//! let mut send = |command: &piv_apdu::apdu::Command| -> Result<Response, Box<dyn std::error::Error>> {
//!     Ok(Response::decode(&token.process(&command.encode_extended()?))?)
//! };
//!
//! Select::decode_answer(&send(&Select::piv().to_command())?)?;
//! let chuid = GetData::decode_answer(&send(&GetData::new(ObjectTag::CHUID).to_command())?)?;
//! println!("GUID {}", Chuid::decode(&chuid)?.guid);
//!
//! let pin = Pin::new(Profile::Piv.factory_pin())?;
//! let verify = Verify::check(KeyReference::PIV_PIN, pin.padded());
//! assert!(send(&verify.to_command())?.status().is_success());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it is not
//!
//! It is an instrument, not a place for secrets: its state holds PIN, PUK and private
//! keys in the clear. The Crescendo profiles follow what is public about those cards, with
//! the evidence that `crescendo-ext` records; no real one was there to compare with.

mod aca;
mod atr;
mod backend;
mod card;
mod create;
mod crypto;
pub mod fault;
mod fido;
mod isd;
mod keypad;
mod link;
mod oath;
mod piv;
mod policy;
mod profile;
mod secure_messaging;
mod shared;
mod state;
pub mod store;
mod token;
mod verification;
pub mod vpcd;

pub use backend::{EmbeddedBackend, MemoryBackend, ReaderInUse};
pub use create::{Content, CreateError, CreateOptions, Vci};
pub use crypto::{KeyAlgorithm, SymmetricAlgorithm};
pub use keypad::Keypad;
pub use link::{ExtendedCarriage, LinkOptions, VirtualLink};
pub use oath::{Button, OathCredential, OathHash};
pub use profile::{Profile, Protocol, UnknownProfile};
pub use shared::{CommandHeader, LOG_LENGTH, Persist, SharedToken};
pub use state::{STATE_VERSION, StateError, TokenState};
pub use token::VirtualToken;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
