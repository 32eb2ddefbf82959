//! NIST PIV on the wire: commands, responses, BER-TLV and data objects as
//! values. No I/O, so that the same types serve a host, a card in software, a
//! fuzzer and a trace viewer.
//!
//! What is where:
//!
//! - [`apdu`]: command and response APDUs, all ISO 7816-4 cases, short and extended;
//! - [`status`]: status words, each with a meaning, and the tries left kept;
//! - [`command`]: the PIV commands, [`command::TypedCommand`] both ways;
//! - [`object`]: the PIV data objects, [`object::DataObject`] both ways;
//! - [`management`]: the card management key 9B, and authentication with it;
//! - [`sm`]: secure messaging, the host's side;
//! - [`key`], [`aid`], [`atr`], [`tlv`]: key references and algorithms,
//!   application identifiers, answers to reset, BER-TLV;
//! - [`secret`]: PIN, PUK and pairing code, which wipe and hide themselves;
//!   hexadecimal as a person types and copies a key.
//!
//! # Example
//!
//! Ask for the CHUID and read the answer. `exchange` stands for whatever takes
//! a command APDU and returns a response APDU.
//!
//! ```
//! use piv_apdu::apdu::Response;
//! use piv_apdu::command::{GetData, TypedCommand};
//! use piv_apdu::object::{Chuid, DataObject, ObjectTag};
//! # use piv_apdu::object::{Date, Guid};
//! # use piv_apdu::status::StatusWord;
//! # let exchange = |command: &[u8]| {
//! #     assert_eq!(command, [0x00, 0xCB, 0x3F, 0xFF, 5, 0x5C, 3, 0x5F, 0xC1, 0x02, 0x00]);
//! #     let chuid = Chuid { expiry: Date::new(2032, 12, 31), ..Chuid::new(Guid([0x11; 16])) };
//! #     let data = GetData::encode_answer(ObjectTag::CHUID, &chuid.encode());
//! #     Response::from_owned(data, StatusWord::SUCCESS).encode().to_vec()
//! # };
//!
//! let command = GetData::new(ObjectTag::CHUID).to_command();
//! let response = Response::decode(&exchange(&command.encode_short()?))?;
//! let content = GetData::decode_answer(&response)?;
//! let chuid = Chuid::decode(&content)?;
//!
//! assert_eq!(chuid.guid.to_string(), "11111111-1111-1111-1111-111111111111");
//! assert_eq!(chuid.expiry.unwrap().to_string(), "2032-12-31");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it takes from a card
//!
//! Every decoder takes any bytes without panicking, allocates no more than a
//! small multiple of what it was given (a compressed certificate: at most
//! [`CertificateObject::MAX_DECOMPRESSED`](object::CertificateObject::MAX_DECOMPRESSED)),
//! and says in a type what is wrong.
//!
//! # Features
//!
//! `apdu`: a fallible conversion to the `apdu` crate's command type, for
//! programs that use that crate. Refuses what that crate would truncate.
//!
//! # Sources
//!
//! SP 800-73-5 Parts 1 and 2, SP 800-78-5, ISO 7816-3 and ISO 7816-4. Section
//! numbers are given where they could be confirmed; where a card in the field is
//! read more leniently than the standard has it, the item says so.

pub mod aid;
pub mod apdu;
pub mod atr;
pub mod command;
pub mod key;
pub mod management;
pub mod object;
pub mod secret;
pub mod sm;
pub mod status;
pub mod tlv;

/// What secrets and APDU buffers are wrapped in: wiped when dropped.
pub use zeroize::Zeroizing;

/// Runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
