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
//! Ask an authenticator what it is. `exchange` stands for whatever takes a whole command
//! to a card, chaining and `61XX` taken care of, such as
//! `pcsc_transport::Transaction::exchange`.
//!
//! ```
//! use ctap_apdu::framing::{Protocols, Select};
//! use ctap_apdu::{ClientPinState, GetInfo, call};
//! use piv_apdu::apdu::Response;
//! use piv_apdu::command::TypedCommand;
//! # use piv_apdu::apdu::Command;
//! # use piv_apdu::status::StatusWord;
//! # let exchange = |command: &Command| {
//! #     let mut answer = b"\x00\xA3\x01\x81\x68FIDO_2_0\x03\x50".to_vec();
//! #     answer.extend_from_slice(&[0x11; 16]);
//! #     answer.extend_from_slice(b"\x04\xA1\x69clientPin\xF5");
//! #     let answer = if command.ins() == 0xA4 { b"FIDO_2_0".to_vec() } else { answer };
//! #     Ok::<_, std::convert::Infallible>(Response::new(&answer, StatusWord::SUCCESS))
//! # };
//!
//! let protocols = Select::decode_answer(&exchange(&Select.to_command())?)?;
//! assert_eq!(protocols, Protocols::Ctap2);
//!
//! let info = call(&GetInfo, exchange)?;
//! assert_eq!(info.versions, ["FIDO_2_0"]);
//! assert_eq!(info.aaguid.to_string(), "11111111-1111-1111-1111-111111111111");
//! assert_eq!(info.client_pin(), ClientPinState::Set);
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
