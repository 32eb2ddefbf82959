//! What is on a token besides certificates: data objects, keys, one-time
//! password slots.

use std::fmt;

use piv_apdu::key::{Algorithm, KeyReference};
use piv_apdu::object::{
    CardCapabilityContainer, Chuid, Discovery, KeyHistory, ObjectTag, SecurityObject, SmSigner,
};

use crate::error::Unreadable;

/// A data object (not a certificate) and what is in it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ObjectEntry {
    /// Its tag.
    pub tag: ObjectTag,
    /// The standard's name for it, or `unknown data object`; the token management
    /// profile by its own name.
    pub name: String,
    /// What was found.
    pub state: ObjectState,
}

/// What was found where a data object should be.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ObjectState {
    /// It is there and understood.
    Present {
        /// Its content.
        value: ObjectValue,
        /// Bytes of content, without the 53 (or 7E, 7F61) around it.
        size: usize,
    },
    /// The container exists and is empty (`53 00`).
    Empty,
    /// There is no such object on the card (6A82).
    Absent,
    /// The card gives it only after the PIN, so it was not asked for: by the
    /// standard's access rule, or because the card said 6982.
    NeedsPin,
    /// The card gives it on contact, or over the virtual contact interface, and it is on
    /// a contactless reader with that closed (6982).
    NeedsContact,
    /// It is there (or may be), but could not be read or understood.
    Unreadable(Unreadable),
}

/// A data object's content.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ObjectValue {
    /// The cardholder unique identifier (5FC102).
    Chuid(Box<Chuid>),
    /// The card capability container (5FC107).
    CardCapabilityContainer(Box<CardCapabilityContainer>),
    /// The discovery object (7E).
    Discovery(Discovery),
    /// The key history object (5FC10C).
    KeyHistory(KeyHistory),
    /// The security object (5FC106).
    SecurityObject(Box<SecurityObject>),
    /// The secure messaging certificate signer (5FC122).
    SmSigner(Box<SmSigner>),
    /// An object that is listed but not taken apart: its content as it came.
    Raw(Vec<u8>),
}

/// A private key's place and what is known of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyEntry {
    /// The key reference.
    pub slot: KeyReference,
    /// The algorithm, if anything told it.
    pub algorithm: Option<Algorithm>,
    /// What told the algorithm.
    pub algorithm_source: AlgorithmSource,
    /// Where the key came from.
    pub origin: KeyOrigin,
    /// The object that holds, or would hold, the key's certificate.
    pub certificate: Option<ObjectTag>,
}

impl KeyEntry {
    /// Whether a private key is in the slot; `None` if nothing tells.
    pub fn is_filled(&self) -> Option<bool> {
        match self.origin {
            KeyOrigin::Allocated => Some(false),
            KeyOrigin::Generated | KeyOrigin::Injected | KeyOrigin::Other(_) => Some(true),
            KeyOrigin::Unknown => None,
        }
    }
}

/// What told a key's algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AlgorithmSource {
    /// The card's own list of containers.
    Properties,
    /// The public key in the slot's certificate: on a card without such a
    /// list, that is as near as one gets without using the key.
    Certificate,
    /// Nothing did.
    Nothing,
}

/// Where a private key came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyOrigin {
    /// Made on the card; it never was anywhere else.
    Generated,
    /// Put in from outside.
    Injected,
    /// The container exists and has no key in it.
    Allocated,
    /// The card has a value for it that is not publicly documented.
    Other(u8),
    /// The card cannot tell. On a plain PIV card it never can.
    Unknown,
}

impl KeyOrigin {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Generated => "generated on the card",
            Self::Injected => "injected",
            Self::Allocated => "no key",
            Self::Other(_) => "undocumented",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for KeyOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(value) => write!(f, "undocumented ({value:02X})"),
            other => f.write_str(other.name()),
        }
    }
}

/// A one-time-password slot (OATH) of a Crescendo Key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OathSlot {
    /// Its number, 1 to 3.
    pub number: u8,
    /// The applet instance's AID.
    pub aid: Vec<u8>,
    /// What was found.
    pub state: OathState,
}

/// What selecting an OATH slot's applet showed. Whether a secret is in the
/// slot, and which kind of code it gives, can only be told by asking for a code
/// ([`Session::hotp`](crate::Session::hotp), [`Session::totp`](crate::Session::totp)), which
/// a load never does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OathState {
    /// The applet instance is there.
    Present,
    /// It is not (6A82).
    Absent,
    /// The card did not tell.
    Unreadable(Unreadable),
}
