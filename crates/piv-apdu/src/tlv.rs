//! BER-TLV: a reader that borrows and a writer that allocates once.
//!
//! Tags have one to three bytes, lengths are definite and may be longer than
//! they need be (`81 05`, `82 0005`), as cards do send them. There is no
//! recursion: a template is opened by giving its value to another [`Reader`],
//! so that nesting is as deep as the caller's code goes.
//!
//! ```
//! use piv_apdu::tlv::{self, Node, Tag};
//!
//! let discovery = tlv::encode(&[Node::Template(
//!     Tag::new(0x7E),
//!     &[
//!         Node::Value(Tag::new(0x4F), piv_apdu::aid::PIV),
//!         Node::Value(Tag::new(0x5F2F), &[0x40, 0x00]),
//!     ],
//! )]);
//! let content = tlv::find(&discovery, Tag::new(0x7E))?.unwrap_or_default();
//! assert_eq!(tlv::find(content, Tag::new(0x5F2F))?, Some(&[0x40, 0x00][..]));
//! # Ok::<(), piv_apdu::tlv::TlvError>(())
//! ```
//!
//! Source: ISO 7816-4 (BER-TLV data objects).

mod error;
mod reader;
mod tag;
mod writer;

pub use error::{TemplateError, TlvError, TlvErrorKind};
pub use reader::{Reader, Tlv, find, require};
pub use tag::{InvalidTag, Tag};
pub use writer::{Node, encode, encoded_len, write_tlv};
