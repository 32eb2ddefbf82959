//! Secure messaging: commands and responses between a host and a PIV card that
//! others can neither read nor change.
//!
//! Once both sides have agreed on [`SessionKeys`], a [`SecureMessaging`] wraps each
//! command and unwraps its response. Anything that is not as it has to be ends the
//! session for good: keys and counters are of use once.
//!
//! ```
//! use piv_apdu::command::{GetData, TypedCommand};
//! use piv_apdu::object::ObjectTag;
//! use piv_apdu::sm::{CipherSuite, OtherInfo, SecureMessaging, SessionKeys};
//!
//! let info = OtherInfo {
//!     host_id: [1; 8],
//!     host_control: 0,
//!     host_point_x: &[2; 32],
//!     card_id: [3; 8],
//!     nonce: &[4; 16],
//!     card_control: 0,
//! };
//! let keys = SessionKeys::derive(CipherSuite::Cs2, &[5; 32], &info).ok_or("lengths")?;
//! let mut channel = SecureMessaging::new(keys);
//! let wrapped = channel.wrap(&GetData::new(ObjectTag::CHUID).to_command())?;
//! assert_eq!((wrapped.cla(), wrapped.ins()), (0x0C, 0xCB));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The key establishment itself, the card's certificate and the layer around a
//! transport are not here yet.
//!
//! Source: SP 800-73-5 Part 2, section 4, read in NIST's working draft of the
//! revision after it.

mod channel;
mod keys;

pub use channel::{SecureMessaging, SmError};
pub use keys::{CipherSuite, OtherInfo, SessionKeys};
