//! What may be remembered: a closed list, in which no secret has a place.

use piv_apdu::object::{ObjectTag, ReadAccess};

/// A data object that a token shows without a PIN, by the standard's access
/// rules (SP 800-73-5 Part 1, Table 2). One that only the PIN opens can't be
/// made into this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicObject(ObjectTag);

impl PublicObject {
    /// `None` for an object that only the PIN opens. An object outside of the
    /// standard counts as public: whoever reads one while somebody's PIN holds
    /// a token open must not store it.
    pub fn new(tag: ObjectTag) -> Option<Self> {
        (tag.read_access() == ReadAccess::Always).then_some(Self(tag))
    }

    /// Its tag.
    pub fn tag(self) -> ObjectTag {
        self.0
    }
}

/// A command that reads something public, by what it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Item {
    /// SELECT of the issuer security domain.
    IssuerSecurityDomain,
    /// GET CPLC: the production data.
    ProductionData,
    /// SELECT of a Crescendo's access control applet.
    AccessControlApplet,
    /// GET PIN PROPERTIES.
    PinProperties,
    /// SELECT of an OATH slot, by its number.
    OathSlot(u8),
    /// SELECT of the PIV application.
    PivApplication,
    /// GET PIV PROPERTIES: the list of keys and containers.
    PivProperties,
    /// VERIFY without a PIN: the tries left of this key reference. Held only
    /// while it says how many, never that the PIN is verified.
    Tries(u8),
    /// GET DATA of a data object.
    Object(PublicObject),
    /// SELECT of the FIDO application.
    FidoApplication,
    /// authenticatorGetInfo: what the FIDO application says of itself. Its tries are
    /// asked for with another command, which is none of these.
    FidoInfo,
}

impl Item {
    /// GET DATA of this object; `None` if only the PIN opens it.
    pub fn object(tag: ObjectTag) -> Option<Self> {
        PublicObject::new(tag).map(Self::Object)
    }

    /// What it is called: `CHUID`'s name in the standard, `PIN properties`.
    pub fn name(self) -> String {
        match self {
            Self::IssuerSecurityDomain => "issuer security domain".to_owned(),
            Self::ProductionData => "production data (CPLC)".to_owned(),
            Self::AccessControlApplet => "access control applet".to_owned(),
            Self::PinProperties => "PIN properties".to_owned(),
            Self::OathSlot(number) => format!("OATH slot {number}"),
            Self::PivApplication => "PIV application".to_owned(),
            Self::PivProperties => "list of keys and containers".to_owned(),
            Self::Tries(reference) => format!("tries left of {reference:02X}"),
            Self::Object(object) => object.tag().name().to_owned(),
            Self::FidoApplication => "FIDO application".to_owned(),
            Self::FidoInfo => "FIDO authenticator's information".to_owned(),
        }
    }

    /// Its two numbers in a file.
    pub(crate) fn to_numbers(self) -> (u8, u32) {
        match self {
            Self::IssuerSecurityDomain => (1, 0),
            Self::ProductionData => (2, 0),
            Self::AccessControlApplet => (3, 0),
            Self::PinProperties => (4, 0),
            Self::OathSlot(number) => (5, number.into()),
            Self::PivApplication => (6, 0),
            Self::PivProperties => (7, 0),
            Self::Tries(reference) => (8, reference.into()),
            Self::Object(object) => (9, object.tag().get()),
            Self::FidoApplication => (10, 0),
            Self::FidoInfo => (11, 0),
        }
    }

    /// The other way; `None` for what is no item, or could not be one.
    pub(crate) fn from_numbers(kind: u8, value: u32) -> Option<Self> {
        Some(match (kind, value) {
            (1, 0) => Self::IssuerSecurityDomain,
            (2, 0) => Self::ProductionData,
            (3, 0) => Self::AccessControlApplet,
            (4, 0) => Self::PinProperties,
            (5, number) => Self::OathSlot(number.try_into().ok()?),
            (6, 0) => Self::PivApplication,
            (7, 0) => Self::PivProperties,
            (8, reference) => Self::Tries(reference.try_into().ok()?),
            (9, tag) => Self::object(ObjectTag::try_from(tag).ok()?)?,
            (10, 0) => Self::FidoApplication,
            (11, 0) => Self::FidoInfo,
            _ => return None,
        })
    }
}
