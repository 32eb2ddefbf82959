use core::fmt;

use piv_apdu::key::{Algorithm, KeyReference};
use piv_apdu::object::ObjectTag;
use piv_apdu::tlv::{Tag, write_tlv};

use super::field::{self, Field};

const OBJECT_TAG: Tag = Tag::new(0x47);
const KEY_REFERENCE: Tag = Tag::new(0x48);
const KEY_ATTRIBUTES: Tag = Tag::new(0x43);
const CAPACITY: Tag = Tag::new(0x42);

/// A data object that exists (`50`).
///
/// `47` object tag, `42` capacity, and fields whose meaning is not public
/// (`26`; access rules in `4D` on a C4000).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectBlock {
    /// The object's tag.
    pub tag: ObjectTag,
    /// How much the container holds, in bytes; it does not change with the
    /// content.
    pub capacity: Option<u32>,
    /// The other fields.
    pub other: Vec<Field>,
}

impl ObjectBlock {
    /// Reads the value of a block `50`; `None` unless it names an object.
    pub(super) fn decode(value: &[u8], damaged: &mut bool) -> Option<Self> {
        let mut fields = field::read_all(value, damaged);
        Some(Self {
            tag: field::take(&mut fields, OBJECT_TAG, ObjectTag::from_bytes)?,
            capacity: field::take(&mut fields, CAPACITY, read_capacity),
            other: fields,
        })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut value = Vec::new();
        write_tlv(&mut value, OBJECT_TAG, &self.tag.to_bytes());
        field::write_leading(&mut value, &self.other);
        write_capacity(&mut value, self.capacity);
        field::write_trailing(&mut value, &self.other);
        value
    }
}

/// A key container that exists (`51`).
///
/// `47` certificate object (C2300 only), `48` key reference, `43` attributes,
/// `42` capacity, and fields whose meaning is not public (`26`; access rules in
/// `4D` on a C4000).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyBlock {
    /// The key reference; the C4000 family has some of its own (B0, B4, F0)
    /// beside the standard's.
    pub key: KeyReference,
    /// The object with the key's certificate, if the card names it; see
    /// [`Self::certificate`].
    pub certificate_object: Option<ObjectTag>,
    /// What the card says about the key.
    pub attributes: Option<KeyAttributes>,
    /// How much the container holds, in bytes; it does not change with the
    /// content.
    pub capacity: Option<u32>,
    /// The other fields.
    pub other: Vec<Field>,
}

impl KeyBlock {
    /// Reads the value of a block `51`; `None` unless it names a key, by its
    /// reference or by the standard's certificate object of one.
    pub(super) fn decode(value: &[u8], damaged: &mut bool) -> Option<Self> {
        let mut fields = field::read_all(value, damaged);
        let certificate_object = field::take(&mut fields, OBJECT_TAG, ObjectTag::from_bytes);
        let key = field::take(&mut fields, KEY_REFERENCE, read_key_reference);
        let of_certificate = certificate_object.and_then(ObjectTag::certificate_key);
        Some(Self {
            key: key.or(of_certificate)?,
            certificate_object,
            attributes: field::take(&mut fields, KEY_ATTRIBUTES, KeyAttributes::decode),
            capacity: field::take(&mut fields, CAPACITY, read_capacity),
            other: fields,
        })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut value = Vec::new();
        if let Some(tag) = self.certificate_object {
            write_tlv(&mut value, OBJECT_TAG, &tag.to_bytes());
        }
        field::write_leading(&mut value, &self.other);
        write_tlv(&mut value, KEY_REFERENCE, &[self.key.get()]);
        if let Some(attributes) = self.attributes {
            write_tlv(&mut value, KEY_ATTRIBUTES, &attributes.encode());
        }
        write_capacity(&mut value, self.capacity);
        field::write_trailing(&mut value, &self.other);
        value
    }

    /// The object with the key's certificate: the one that the card names,
    /// else the standard's for this key reference, if there is one.
    pub fn certificate(&self) -> Option<ObjectTag> {
        self.certificate_object
            .or_else(|| self.key.certificate_object())
    }

    /// The key's algorithm, if the card says it. An empty container has one
    /// too.
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.attributes.map(|attributes| attributes.algorithm)
    }

    /// Whether there is a key in the container; `None` if the card does not
    /// say. False means allocated and empty: both init bytes are 00.
    pub fn is_filled(&self) -> Option<bool> {
        let attributes = self.attributes?;
        let empty = [attributes.private_init, attributes.public_init] == [Init::None; 2];
        Some(!empty)
    }
}

/// What a card says about a key (`43`): `[algorithm] [key length] [private
/// init] [public init]`, and on a C4000 `[purpose]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyAttributes {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The key length, in a unit that is not known: a live C2300 has 20 (hex)
    /// with RSA-2048.
    pub key_length: u8,
    /// Where the private key comes from.
    pub private_init: Init,
    /// Where the public key comes from.
    pub public_init: Init,
    /// The key's purpose; only a C4000 says it, and the values are not public.
    pub purpose: Option<u8>,
}

impl KeyAttributes {
    /// Reads the value of a field `43`; `None` if it has fewer than four
    /// bytes. What comes after the fifth is not looked at.
    fn decode(value: &[u8]) -> Option<Self> {
        let (&[algorithm, key_length, private_init, public_init], rest) =
            value.split_first_chunk()?;
        Some(Self {
            algorithm: Algorithm::from_u8(algorithm),
            key_length,
            private_init: Init::from_u8(private_init),
            public_init: Init::from_u8(public_init),
            purpose: rest.first().copied(),
        })
    }

    fn encode(self) -> Vec<u8> {
        let mut value = vec![
            self.algorithm.to_u8(),
            self.key_length,
            self.private_init.to_u8(),
            self.public_init.to_u8(),
        ];
        value.extend(self.purpose);
        value
    }
}

/// How a key came into its container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Init {
    /// `00`: not at all; there is no key.
    None,
    /// `01`: generated on the token.
    Generated,
    /// `81`: injected from outside.
    Injected,
    /// Any other value, whose meaning is not known.
    Other(u8),
}

impl Init {
    /// Reads the byte; every byte has a value.
    pub const fn from_u8(byte: u8) -> Self {
        match byte {
            0x00 => Self::None,
            0x01 => Self::Generated,
            0x81 => Self::Injected,
            other => Self::Other(other),
        }
    }

    /// The byte on the wire.
    pub const fn to_u8(self) -> u8 {
        match self {
            Self::None => 0x00,
            Self::Generated => 0x01,
            Self::Injected => 0x81,
            Self::Other(other) => other,
        }
    }
}

/// `none`, `generated`, `injected`, or `unknown origin XX` in hexadecimal.
impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Generated => f.write_str("generated"),
            Self::Injected => f.write_str("injected"),
            Self::Other(other) => write!(f, "unknown origin {other:02X}"),
        }
    }
}

fn read_key_reference(value: &[u8]) -> Option<KeyReference> {
    match value {
        [reference] => Some(KeyReference(*reference)),
        _ => None,
    }
}

/// A little-endian number of one to four bytes; two of them on a live C2300.
fn read_capacity(value: &[u8]) -> Option<u32> {
    if !(1..=4).contains(&value.len()) {
        return None;
    }
    let capacity = value
        .iter()
        .rev()
        .fold(0, |capacity, &byte| capacity << 8 | u32::from(byte));
    Some(capacity)
}

/// Two bytes where that is enough, else four.
fn write_capacity(out: &mut Vec<u8>, capacity: Option<u32>) {
    let Some(capacity) = capacity else { return };
    match u16::try_from(capacity) {
        Ok(capacity) => write_tlv(out, CAPACITY, &capacity.to_le_bytes()),
        Err(_) => write_tlv(out, CAPACITY, &capacity.to_le_bytes()),
    }
}
