//! The card holder unique identifier.

use core::fmt;

use zeroize::Zeroizing;

use super::{
    DataObject, Date, ERROR_DETECTION_CODE, FascN, ObjectError, ObjectTag, exactly, wrong_length,
};
use crate::tlv::{self, Node, Reader, Tag, TemplateError};

/// A UUID of 16 bytes: of the card (`34`) or of the cardholder (`36`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid(pub [u8; 16]);

/// As in RFC 9562: `00112233-4455-6677-8899-aabbccddeeff`.
impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, byte) in self.0.iter().enumerate() {
            if matches!(position, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guid({self})")
    }
}

/// The card holder unique identifier, `5FC102`.
///
/// The signature covers the data objects before it as they lie on the card;
/// [`encode`](DataObject::encode) puts them in the standard's order, so a
/// signature is checked against the content that was read, not against this.
///
/// Source: SP 800-73-5 Part 1, 3.1.2 and Table 10.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chuid {
    /// `30`: the FASC-N, 25 bytes. The standard has it always; some cards do not.
    pub fasc_n: Option<FascN>,
    /// `34`: the card's UUID. All zeros on cards that have none.
    pub guid: Guid,
    /// `35`: the card's last day, eight digits on the card.
    pub expiry: Option<Date>,
    /// `36`: the cardholder's UUID.
    pub cardholder_uuid: Option<Guid>,
    /// `3E`: the issuer's signature (CMS); empty if there is none.
    pub signature: Vec<u8>,
    /// What else there is, among it the data objects that the standard has
    /// given up: `EE` length, `32` organization, `33` DUNS, `3D` key map.
    pub other: Vec<(Tag, Vec<u8>)>,
}

const FASC_N: Tag = Tag::new(0x30);
const GUID: Tag = Tag::new(0x34);
const EXPIRY: Tag = Tag::new(0x35);
const CARDHOLDER_UUID: Tag = Tag::new(0x36);
const SIGNATURE: Tag = Tag::new(0x3E);

impl Chuid {
    /// A CHUID with a card UUID and nothing else.
    pub fn new(guid: Guid) -> Self {
        Chuid {
            fasc_n: None,
            guid,
            expiry: None,
            cardholder_uuid: None,
            signature: Vec::new(),
            other: Vec::new(),
        }
    }
}

impl DataObject for Chuid {
    const TAG: ObjectTag = ObjectTag::CHUID;

    /// `34` must be there. Empty `30`, `35` and `36` count as absent.
    fn decode(content: &[u8]) -> Result<Self, ObjectError> {
        let mut guid = None;
        let mut chuid = Chuid::new(Guid([0; 16]));
        for object in Reader::new(content) {
            let object = object?;
            let (tag, value) = (object.tag, object.value);
            match tag {
                FASC_N | EXPIRY | CARDHOLDER_UUID if value.is_empty() => {}
                FASC_N => chuid.fasc_n = Some(FascN(exactly(tag, value)?)),
                GUID => guid = Some(Guid(exactly(tag, value)?)),
                EXPIRY => chuid.expiry = Some(expiry(value)?),
                CARDHOLDER_UUID => chuid.cardholder_uuid = Some(Guid(exactly(tag, value)?)),
                SIGNATURE => chuid.signature = value.to_vec(),
                ERROR_DETECTION_CODE => {}
                _ => chuid.other.push((tag, value.to_vec())),
            }
        }
        chuid.guid = guid.ok_or(TemplateError::Missing { tag: GUID })?;
        Ok(chuid)
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let expiry = self.expiry.map(Date::to_digits);
        let mut nodes = Vec::new();
        if let Some(fasc_n) = &self.fasc_n {
            nodes.push(Node::Value(FASC_N, &fasc_n.0));
        }
        for (tag, value) in &self.other {
            nodes.push(Node::Value(*tag, value));
        }
        nodes.push(Node::Value(GUID, &self.guid.0));
        if let Some(expiry) = &expiry {
            nodes.push(Node::Value(EXPIRY, expiry.as_bytes()));
        }
        if let Some(uuid) = &self.cardholder_uuid {
            nodes.push(Node::Value(CARDHOLDER_UUID, &uuid.0));
        }
        nodes.push(Node::Value(SIGNATURE, &self.signature));
        nodes.push(Node::Value(ERROR_DETECTION_CODE, &[]));
        tlv::encode(&nodes)
    }
}

fn expiry(value: &[u8]) -> Result<Date, TemplateError> {
    if value.len() != 8 {
        return Err(wrong_length(EXPIRY, value));
    }
    Date::from_digits(value).ok_or(TemplateError::Value {
        tag: EXPIRY,
        reason: "not a date of the form YYYYMMDD",
    })
}
