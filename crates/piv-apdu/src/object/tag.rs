//! The standard's data objects by tag.

use core::fmt;

use crate::key::KeyReference;
use crate::tlv::{InvalidTag, Tag};

/// The tag by which GET DATA and PUT DATA name a data object.
///
/// Source: SP 800-73-5 Part 1 (object identifiers of the PIV data objects).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectTag(Tag);

/// When a card lets a data object be read over the contact interface.
///
/// Source: SP 800-73-5 Part 1, Table 2 (access rules).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReadAccess {
    /// Always.
    Always,
    /// After the PIN, or on-card comparison, was verified.
    Pin,
}

impl ObjectTag {
    /// `7E`, the discovery object.
    pub const DISCOVERY: Self = Self::new(0x7E);
    /// `7F61`, the biometric information templates group template.
    pub const BIT_GROUP: Self = Self::new(0x7F61);
    /// `5FC101`, the X.509 certificate for card authentication (key 9E).
    pub const CARD_AUTHENTICATION_CERTIFICATE: Self = Self::new(0x5F_C101);
    /// `5FC102`, the card holder unique identifier.
    pub const CHUID: Self = Self::new(0x5F_C102);
    /// `5FC103`, the cardholder fingerprints.
    pub const FINGERPRINTS: Self = Self::new(0x5F_C103);
    /// `5FC105`, the X.509 certificate for PIV authentication (key 9A).
    pub const PIV_AUTHENTICATION_CERTIFICATE: Self = Self::new(0x5F_C105);
    /// `5FC106`, the security object.
    pub const SECURITY_OBJECT: Self = Self::new(0x5F_C106);
    /// `5FC107`, the card capability container.
    pub const CCC: Self = Self::new(0x5F_C107);
    /// `5FC108`, the cardholder facial image.
    pub const FACIAL_IMAGE: Self = Self::new(0x5F_C108);
    /// `5FC109`, the printed information.
    pub const PRINTED_INFORMATION: Self = Self::new(0x5F_C109);
    /// `5FC10A`, the X.509 certificate for digital signature (key 9C).
    pub const DIGITAL_SIGNATURE_CERTIFICATE: Self = Self::new(0x5F_C10A);
    /// `5FC10B`, the X.509 certificate for key management (key 9D).
    pub const KEY_MANAGEMENT_CERTIFICATE: Self = Self::new(0x5F_C10B);
    /// `5FC10C`, the key history object.
    pub const KEY_HISTORY: Self = Self::new(0x5F_C10C);
    /// `5FC121`, the cardholder iris images.
    pub const IRIS: Self = Self::new(0x5F_C121);
    /// `5FC122`, the secure messaging certificate signer.
    pub const SM_SIGNER: Self = Self::new(0x5F_C122);
    /// `5FC123`, the pairing code reference data container.
    pub const PAIRING_CODE: Self = Self::new(0x5F_C123);

    /// Every data object of the standard, in the order of their tags.
    pub const ALL: &[ObjectTag] = &ALL;

    /// Makes an object tag from its bytes read as one big-endian number. Meant
    /// for constants, where a number that is no tag fails to compile.
    ///
    /// # Panics
    /// If `value` is not a BER tag of one to three bytes. For a tag that
    /// comes from outside use `TryFrom<u32>` or [`ObjectTag::from_bytes`].
    pub const fn new(value: u32) -> Self {
        ObjectTag(Tag::new(value))
    }

    /// Reads a tag that fills `bytes`; `None` if they are anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Tag::from_bytes(bytes).map(ObjectTag)
    }

    /// The tag's bytes, one to three.
    pub fn to_bytes(self) -> Vec<u8> {
        self.0.to_bytes()
    }

    /// The tag's bytes read as one big-endian number.
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// The BER-TLV tag.
    pub const fn tag(self) -> Tag {
        self.0
    }

    /// `5FC10D` to `5FC120`, the certificate of the `n`-th retired key
    /// management key, 1 ≤ `n` ≤ 20; `None` for any other `n`.
    pub const fn retired_certificate(n: u8) -> Option<Self> {
        match n {
            1..=20 => Some(Self::new(0x5F_C10C + n as u32)),
            _ => None,
        }
    }

    /// The key that this object holds the certificate of, if it is a
    /// certificate object.
    pub const fn certificate_key(self) -> Option<KeyReference> {
        match self {
            Self::PIV_AUTHENTICATION_CERTIFICATE => Some(KeyReference::PIV_AUTHENTICATION),
            Self::DIGITAL_SIGNATURE_CERTIFICATE => Some(KeyReference::DIGITAL_SIGNATURE),
            Self::KEY_MANAGEMENT_CERTIFICATE => Some(KeyReference::KEY_MANAGEMENT),
            Self::CARD_AUTHENTICATION_CERTIFICATE => Some(KeyReference::CARD_AUTHENTICATION),
            _ => match self.get() {
                // At most 20 is left for the cast.
                #[allow(clippy::cast_possible_truncation)]
                tag @ 0x5F_C10D..=0x5F_C120 => KeyReference::retired((tag - 0x5F_C10C) as u8),
                _ => None,
            },
        }
    }

    /// The standard's name, or `"unknown data object"`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DISCOVERY => "discovery object",
            Self::BIT_GROUP => "biometric information templates group template",
            Self::CARD_AUTHENTICATION_CERTIFICATE => "X.509 certificate for card authentication",
            Self::CHUID => "card holder unique identifier",
            Self::FINGERPRINTS => "cardholder fingerprints",
            Self::PIV_AUTHENTICATION_CERTIFICATE => "X.509 certificate for PIV authentication",
            Self::SECURITY_OBJECT => "security object",
            Self::CCC => "card capability container",
            Self::FACIAL_IMAGE => "cardholder facial image",
            Self::PRINTED_INFORMATION => "printed information",
            Self::DIGITAL_SIGNATURE_CERTIFICATE => "X.509 certificate for digital signature",
            Self::KEY_MANAGEMENT_CERTIFICATE => "X.509 certificate for key management",
            Self::KEY_HISTORY => "key history object",
            Self::IRIS => "cardholder iris images",
            Self::SM_SIGNER => "secure messaging certificate signer",
            Self::PAIRING_CODE => "pairing code reference data container",
            _ => match self.get() {
                tag @ 0x5F_C10D..=0x5F_C120 => RETIRED_NAMES[(tag - 0x5F_C10D) as usize],
                _ => "unknown data object",
            },
        }
    }

    /// When the contact interface lets it be read. A data object outside the
    /// standard counts as always readable: the card has the last word.
    pub const fn read_access(self) -> ReadAccess {
        match self {
            Self::PRINTED_INFORMATION
            | Self::FINGERPRINTS
            | Self::FACIAL_IMAGE
            | Self::IRIS
            | Self::PAIRING_CODE => ReadAccess::Pin,
            _ => ReadAccess::Always,
        }
    }

    /// Whether GET DATA returns and PUT DATA takes the object bare instead of
    /// inside a `53`: the discovery object and the BIT group template.
    pub const fn is_bare(self) -> bool {
        matches!(self, Self::DISCOVERY | Self::BIT_GROUP)
    }
}

/// 7E, 7F61, then 5FC101 to 5FC123 without 5FC104, which is not assigned.
const ALL: [ObjectTag; 36] = {
    let mut all = [ObjectTag::DISCOVERY; 36];
    all[1] = ObjectTag::BIT_GROUP;
    let (mut at, mut tag) = (2, 0x5F_C101);
    while tag <= 0x5F_C123 {
        if tag != 0x5F_C104 {
            all[at] = ObjectTag::new(tag);
            at += 1;
        }
        tag += 1;
    }
    all
};

const RETIRED_NAMES: [&str; 20] = [
    "X.509 certificate for retired key management 1",
    "X.509 certificate for retired key management 2",
    "X.509 certificate for retired key management 3",
    "X.509 certificate for retired key management 4",
    "X.509 certificate for retired key management 5",
    "X.509 certificate for retired key management 6",
    "X.509 certificate for retired key management 7",
    "X.509 certificate for retired key management 8",
    "X.509 certificate for retired key management 9",
    "X.509 certificate for retired key management 10",
    "X.509 certificate for retired key management 11",
    "X.509 certificate for retired key management 12",
    "X.509 certificate for retired key management 13",
    "X.509 certificate for retired key management 14",
    "X.509 certificate for retired key management 15",
    "X.509 certificate for retired key management 16",
    "X.509 certificate for retired key management 17",
    "X.509 certificate for retired key management 18",
    "X.509 certificate for retired key management 19",
    "X.509 certificate for retired key management 20",
];

impl From<Tag> for ObjectTag {
    fn from(tag: Tag) -> Self {
        ObjectTag(tag)
    }
}

impl From<ObjectTag> for Tag {
    fn from(tag: ObjectTag) -> Self {
        tag.0
    }
}

impl TryFrom<u32> for ObjectTag {
    type Error = InvalidTag;

    fn try_from(value: u32) -> Result<Self, InvalidTag> {
        Tag::try_from(value).map(ObjectTag)
    }
}

/// Upper-case hexadecimal digits, such as `5FC102`.
impl fmt::Display for ObjectTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ObjectTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectTag({self})")
    }
}
