//! HID Crescendo on the wire: what a Crescendo has beyond the PIV standard, as
//! values that know their bytes. No I/O.
//!
//! - [`identity`]: which Crescendo a token is, from its answer to reset.
//! - [`aca`]: the access control applet: the rules of the PIN, and what changes
//!   the PIN, the admin key and the whole card.
//! - [`xauth`]: the admin key (XAUTH key 1) and its responses to challenges.
//! - [`properties`]: which containers the PIV instance has, and what state its
//!   keys are in.
//! - [`pki`]: taking a key out of its container.
//! - [`cplc`]: the serial number.
//! - [`oath`]: a Key's OATH slots and their codes.
//! - [`operations`]: every operation that is publicly known, as data.
//!
//! # Evidence
//!
//! No vendor hardware was available to this project: everything here is from
//! public texts, and says from which, by an [`Evidence`] level. Vendor pages
//! are written `LL/x` for `docs.hidglobal.com/crescendo/api/low-level/x.htm`
//! (C2300) and `C4/x` for `docs.hidglobal.com/crescendo/api/c4000/x.htm`
//! (C4000, read by third parties only). The third party is the open-source
//! project framefilter/keyroost, which had a live C2300 and no C4000.
//!
//! # Example
//!
//! Both sides of a conversation; the bytes between them are what a transport
//! carries.
//!
//! ```
//! use crescendo_ext::aca::{GetChallenge, GetPinProperties, PinProperties};
//! use crescendo_ext::aca::{UnlockPin, UnlockRefusal};
//! use crescendo_ext::identity::Identity;
//! use crescendo_ext::xauth::XauthKey;
//! use piv_apdu::apdu::{Command, Response};
//! use piv_apdu::atr::Atr;
//! use piv_apdu::command::TypedCommand;
//! use piv_apdu::status::StatusWord;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let atr = Atr::parse(b"\x3B\xD9\x96\xFF\x81\x91\xFE\x1F\xC3C2300-KEY\xBA")?;
//! let identity = Identity::from_atr(&atr).ok_or("not a Crescendo")?;
//! assert_eq!(identity.name(), "HID Crescendo Key (C2300)");
//!
//! // The host asks…
//! let sent = GetPinProperties.to_command().encode_short()?;
//! assert_eq!(*sent, [0x00, 0x56, 0x02, 0x00, 0x01, 0x31, 0x00]);
//!
//! // …the card answers…
//! GetPinProperties::from_command(&Command::decode(&sent)?)?;
//! let rules = PinProperties { minimum: 4, maximum: 8, rfu: [0, 0], numeric_only_raw: 0 };
//! let received = Response::new(&rules.encode(), StatusWord::SUCCESS).encode();
//!
//! // …and the host reads the answer.
//! let rules = GetPinProperties::decode_answer(&Response::decode(&received)?)?;
//! assert_eq!(rules.lengths(), Some(4..=8));
//!
//! // What changes a token: the admin key answers the token's challenge…
//! let received = b"The qufc\x90\x00"; // to GET CHALLENGE
//! let challenge = GetChallenge::decode_answer(&Response::decode(received)?)?;
//! let key = XauthKey::from_hex("01234567-89ABCDEF-23456789-ABCDEF01-456789AB-CDEF0123")?;
//! let cryptogram = key.cryptogram(&challenge)?; // for EXTERNAL AUTHENTICATE
//! assert_eq!(*cryptogram.to_hex(), "A826-FD8C-E53B-855F");
//!
//! // …and a refusal says what it means in this command.
//! let refused = StatusWord::new(0x63C4); // to UNLOCK PIN
//! let unlocks_left = 4; // not tries
//! assert_eq!(UnlockPin::refusal(refused), UnlockRefusal::NotAuthenticated { unlocks_left });
//! # Ok(())
//! # }
//! ```

#![allow(clippy::doc_markdown)] // GlobalPlatform and ActivID are names

pub mod aca;
pub mod aid;
pub mod cplc;
mod evidence;
pub mod identity;
pub mod oath;
pub mod operations;
pub mod pki;
pub mod properties;
mod version;
mod wire;
pub mod xauth;

pub use evidence::Evidence;
pub use version::AppletVersion;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
