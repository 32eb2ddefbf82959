//! The PIV data objects as values, for both sides of the wire.
//!
//! A data object's *content* is what is inside `53` (or `7E`, `7F61`): what
//! [`GetData`](crate::command::GetData) answers and
//! [`PutData`](crate::command::PutData) takes. Decoders skip data objects that
//! they do not know and, unless they say otherwise, take them in any order.
//! Encoders write the standard's order and close with the empty error
//! detection code `FE 00` where the standard has one.
//!
//! ```
//! use piv_apdu::object::{DataObject, KeyHistory};
//!
//! let history = KeyHistory { on_card: 3, off_card: 0, url: None };
//! let content = history.encode();
//! assert_eq!(**content, [0xC1, 1, 3, 0xC2, 1, 0, 0xF3, 0, 0xFE, 0]);
//! assert_eq!(KeyHistory::decode(&content)?, history);
//! # Ok::<(), piv_apdu::object::ObjectError>(())
//! ```
//!
//! The biometric objects (fingerprints, facial image, iris, BIT group) have
//! tags and names here and no types: their content is bytes.

mod card_capability;
mod certificate;
mod chuid;
mod date;
mod discovery;
mod fasc_n;
mod key_history;
mod pairing_code;
mod printed_information;
mod security_object;
mod sm_signer;
mod tag;

pub use card_capability::CardCapabilityContainer;
pub use certificate::{CertificateObject, CertificateRef};
pub use chuid::{Chuid, Guid};
pub use date::Date;
pub use discovery::{Discovery, PinUsagePolicy};
pub use fasc_n::{FascN, FascNError, FascNFields};
pub use key_history::KeyHistory;
pub use pairing_code::PairingCodeObject;
pub use printed_information::PrintedInformation;
pub use security_object::{DataGroup, SecurityObject};
pub use sm_signer::SmSigner;
pub use tag::{ObjectTag, ReadAccess};

use zeroize::Zeroizing;

use crate::tlv::{Tag, TemplateError, TlvError};

/// A data object with one tag and typed content.
pub trait DataObject: Sized {
    /// The tag that GET DATA and PUT DATA name it by.
    const TAG: ObjectTag;

    /// Decodes the content: what is inside `53`, or inside the object's own
    /// tag where it comes bare.
    ///
    /// # Errors
    /// [`ObjectError`] if it is not BER-TLV or lacks what the object must
    /// have. Empty content lacks it; an object that is allocated and holds
    /// nothing is for the caller to tell before.
    fn decode(content: &[u8]) -> Result<Self, ObjectError>;

    /// Encodes the content.
    fn encode(&self) -> Zeroizing<Vec<u8>>;
}

/// A data object's content is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// A part is missing or cannot be.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A certificate is marked as compressed and is not sound gzip.
    #[error("the compressed certificate cannot be decompressed")]
    Gzip,
    /// A compressed certificate decompresses to more than is allowed.
    #[error("the compressed certificate decompresses to more than {max} bytes")]
    TooLarge {
        /// The greatest length allowed, in bytes.
        max: usize,
    },
    /// A certificate is not sound DER.
    #[error("the certificate cannot be read: {0}")]
    Certificate(x509_cert::der::Error),
}

impl From<TlvError> for ObjectError {
    fn from(error: TlvError) -> Self {
        Self::Template(error.into())
    }
}

/// The error detection code, always empty.
const ERROR_DETECTION_CODE: Tag = Tag::new(0xFE);

fn wrong_length(tag: Tag, value: &[u8]) -> TemplateError {
    TemplateError::Length {
        tag,
        length: value.len(),
    }
}

/// A value that has exactly N bytes.
fn exactly<const N: usize>(tag: Tag, value: &[u8]) -> Result<[u8; N], TemplateError> {
    <[u8; N]>::try_from(value).map_err(|_| wrong_length(tag, value))
}

/// A value of one byte, or none.
fn optional_byte(tag: Tag, value: &[u8]) -> Result<Option<u8>, TemplateError> {
    match value {
        [] => Ok(None),
        [byte] => Ok(Some(*byte)),
        other => Err(wrong_length(tag, other)),
    }
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}
