//! FIDO CTAP2 over ISO 7816 APDUs, the host's side: what an authenticator on a card says
//! of itself, its PIN, and its reset. No I/O.
//!
//! - [`framing`]: CTAP2 messages in APDUs, and [`call`], which takes one to a card;
//! - [`get_info`]: authenticatorGetInfo, what an authenticator says of itself;
//! - [`client_pin`]: authenticatorClientPIN, with [`SharedSecret`] for both PIN protocols;
//! - [`Reset`]: authenticatorReset, which erases all;
//! - [`FidoPin`]: the PIN, which wipes and hides itself;
//! - [`status`]: CTAP's status codes, each with a sentence.
//!
//! # Example
//!
//! Ask an authenticator what it is, and set its first PIN; here on a software token. With
//! a card reader only the first two lines differ. `transaction.exchange` takes a whole
//! command to a card; what else does that serves as well.
//!
//! ```
//! use ctap_apdu::client_pin::{GetKeyAgreement, GetPinRetries, SetPin};
//! use ctap_apdu::framing::{Protocols, Select};
//! use ctap_apdu::{ClientPinState, FidoPin, GetInfo, SharedSecret, call};
//! use pcsc_transport::Card;
//! use virtual_token::{CreateOptions, LinkOptions, Profile, SharedToken, VirtualToken};
//! # use rand_chacha::ChaCha20Rng;
//! # use rand_core::SeedableRng as _;
//!
//! let token = VirtualToken::create(Profile::Crescendo4000, &CreateOptions::default())?;
//! let link = SharedToken::new(token).connect(&LinkOptions::new("Virtual"))?;
//! let mut card = Card::new(Box::new(link));
//! let mut transaction = card.begin()?;
//! assert_eq!(transaction.send(&Select)?, Protocols::Ctap2);
//!
//! let info = call(&GetInfo, |command| transaction.exchange(command))?;
//! assert_eq!(info.versions, ["FIDO_2_0"]);
//! assert_eq!(info.client_pin(), ClientPinState::NotSet);
//!
//! // The system's generator, such as `getrandom::SysRng`, in a program.
//! # let mut random = ChaCha20Rng::seed_from_u64(1);
//! let protocol = info.pin_protocol().ok_or("it has no PIN protocol that is known")?;
//! let key = call(&GetKeyAgreement { protocol }, |command| transaction.exchange(command))?;
//! let secret = SharedSecret::agree(protocol, &key, &mut random)?;
//! let set = SetPin::new(&secret, &FidoPin::new("two plus two")?, &mut random)?;
//! call(&set, |command| transaction.exchange(command))?;
//!
//! let retries = call(&GetPinRetries { protocol }, |command| transaction.exchange(command))?;
//! assert_eq!(retries.left, 8);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it takes from a card
//!
//! Every decoder takes any bytes without panicking, allocates no more than a small
//! multiple of what it was given, and says in a type what is wrong. Canonical CBOR is
//! written, and not required: a map in another order, of indefinite length or with
//! unknown keys is read. A key that is in a map twice is refused.
//!
//! # Not here
//!
//! Credentials: making and using them is a browser's or an operating system's task. U2F.
//! The choice of what a person may do, and when a try may be spent.
//!
//! # Sources
//!
//! FIDO Client to Authenticator Protocol (CTAP) 2.1, section numbers as in its edition of
//! June 2021; RFC 8949 and RFC 9053 for CBOR and COSE.

mod cbor;
pub mod client_pin;
mod command;
mod error;
pub mod framing;
pub mod get_info;
mod pin;
mod protocol;
pub mod status;

pub use command::{CtapCommand, MAX_ANSWER, Reset};
pub use error::{CallError, CtapError, MalformedAnswer};
pub use framing::call;
pub use get_info::{ClientPinState, GetInfo, Info};
pub use pin::{FidoPin, FidoPinError};
pub use protocol::{AgreementKey, PinProtocol, SharedSecret};

/// Runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
