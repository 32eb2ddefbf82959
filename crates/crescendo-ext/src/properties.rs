//! GET PIV PROPERTIES: which containers a Crescendo's PIV instance has, and
//! what state its keys are in.
//!
//! The answer is a list of fields: the applet's version (`01`), one block `50`
//! for each data object, one block `51` for each key container, and a few
//! whose meaning is not public. A block says that a container **exists**, not
//! that something is in it: an allocated container may be empty, so what is
//! listed has to be read, and what is not listed need not be.
//!
//! Evidence: vendor for the command of the C2300 family
//! (LL/get-piv-properties); third-party for the C4000 family's command, and
//! for the fields of both answers. The decoder is lenient for that reason:
//! the wrapper `53` may be missing, fields may come in any order and with
//! lengths that nobody has seen, and fields that are not understood are kept.
//!
//! ```
//! use crescendo_ext::properties::{Init, PivProperties};
//! use piv_apdu::key::{Algorithm, KeyReference};
//!
//! // Version 3.0.3.6 and one key container: 9A, P-256, generated on the token.
//! let answer = b"\x53\x1E\
//!     \x01\x05\x21\x03\x00\x03\x06\
//!     \x51\x15\x47\x03\x5F\xC1\x05\x26\x01\x01\x48\x01\x9A\
//!     \x43\x04\x11\x20\x01\x01\x42\x02\x75\x07";
//! let properties = PivProperties::decode(answer)?;
//!
//! assert_eq!(properties.version.map(|version| version.to_string()).as_deref(), Some("3.0.3.6"));
//! let key = &properties.keys[0];
//! assert_eq!(key.key, KeyReference::PIV_AUTHENTICATION);
//! assert_eq!(key.algorithm(), Some(Algorithm::EccP256));
//! assert_eq!(key.is_filled(), Some(true));
//! assert_eq!(key.attributes.map(|key| key.private_init), Some(Init::Generated));
//! assert_eq!(key.capacity, Some(1909));
//! # Ok::<(), piv_apdu::tlv::TemplateError>(())
//! ```

mod block;
mod field;

use piv_apdu::apdu::{Command, Le, Response};
use piv_apdu::command::{AnswerError, CommandError, TypedCommand, answer_data};
use piv_apdu::key::KeyReference;
use piv_apdu::object::ObjectTag;
use piv_apdu::tlv::{Reader, Tag, TemplateError, Tlv, write_tlv};

pub use block::{Init, KeyAttributes, KeyBlock, ObjectBlock};
pub use field::Field;

use crate::identity::Family;
use crate::{AppletVersion, wire};

const TAG_LIST: Tag = Tag::new(0x5C);
const WRAPPER: Tag = Tag::new(0x53);
const VERSION: Tag = Tag::new(0x01);
const OBJECT_BLOCK: Tag = Tag::new(0x50);
const KEY_BLOCK: Tag = Tag::new(0x51);

/// The tag list with which a C2300 is asked for everything.
const ALL_PROPERTIES: [u8; 5] = [0x5C, 0x03, 0xFF, 0xFF, 0x7F];

/// The longest answer that is read, in bytes. The longest that makes sense,
/// with all the standard's objects and 24 keys, is about a kilobyte.
const MAX_ANSWER: usize = 8 * 1024;

/// GET PIV PROPERTIES, to the PIV instance.
///
/// Sends `00 CB 3F FF 05 5C 03 FFFF7F 00` to a C2300 (evidence: vendor,
/// LL/get-piv-properties) and `80 56 00 00 00` to a C4000 (evidence:
/// third-party). Needs no authentication and changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GetPivProperties {
    /// Whose command is sent.
    pub family: Family,
}

impl TypedCommand for GetPivProperties {
    type Answer = PivProperties;

    fn to_command(&self) -> Command {
        match self.family {
            Family::C2300 => Command::new(0x00, 0xCB, 0x3F, 0xFF)
                .with_data(&ALL_PROPERTIES)
                .with_le(Le::SHORT_MAX),
            Family::C4000 => Command::new(0x80, 0x56, 0x00, 0x00).with_le(Le::SHORT_MAX),
        }
    }

    /// Recognises the command of either family.
    fn from_command(command: &Command) -> Result<Self, CommandError> {
        let family = if command.cla() == 0x80 {
            wire::expect_header(command, [0x80, 0x56, 0x00, 0x00])?;
            wire::expect_no_data(command)?;
            Family::C4000
        } else {
            wire::expect_header(command, [0x00, 0xCB, 0x3F, 0xFF])?;
            wire::expect_data(command, TAG_LIST, &ALL_PROPERTIES)?;
            Family::C2300
        };
        Ok(Self { family })
    }

    fn decode_answer(response: &Response) -> Result<PivProperties, AnswerError> {
        Ok(PivProperties::decode(answer_data(response)?)?)
    }
}

/// The answer to GET PIV PROPERTIES.
///
/// Evidence: third-party, from a live C2300; for the C4000 family third-party
/// without one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PivProperties {
    /// The PIV applet's version (`01`): family `21` and four numbers on a
    /// C2300, five on a C4000.
    pub version: Option<AppletVersion>,
    /// The data objects (`50`), in the card's order.
    pub objects: Vec<ObjectBlock>,
    /// The key containers (`51`), in the card's order. A real `9B` key is one
    /// of them on the minority of units that have it.
    pub keys: Vec<KeyBlock>,
    /// Fields that are not understood (`39`, `3A`, `3B`, `40`, `45`, …), and
    /// blocks that name neither an object nor a key.
    pub other: Vec<Field>,
    /// True if the answer broke off or was damaged: what came before is here,
    /// and a container that is not listed may exist nevertheless. Not looked
    /// at by [`Self::encode`].
    pub damaged: bool,
}

impl PivProperties {
    /// Reads the data of the answer (without the status word), of at most
    /// 8,192 bytes.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] if the answer is longer, or if not one field can be
    /// read.
    pub fn decode(data: &[u8]) -> Result<Self, TemplateError> {
        if data.len() > MAX_ANSWER {
            return Err(TemplateError::TotalLength { length: data.len() });
        }
        let (content, cut_short) = wire::unwrap(data, WRAPPER);
        if content.is_empty() {
            return Err(TemplateError::TotalLength { length: 0 });
        }
        let mut properties = Self {
            damaged: cut_short,
            ..Self::default()
        };
        for (position, field) in Reader::new(content).enumerate() {
            match field {
                Ok(field) => properties.take(field),
                Err(error) if position == 0 => return Err(error.into()),
                Err(_) => properties.damaged = true,
            }
        }
        field::put_leading_first(&mut properties.other);
        Ok(properties)
    }

    /// Puts a field in its place; what is not understood, and a second
    /// version, goes to the others.
    fn take(&mut self, field: Tlv<'_>) {
        match field.tag {
            VERSION if self.version.is_none() => {
                if let Some(version) = AppletVersion::decode(field.value) {
                    self.version = Some(version);
                    return;
                }
            }
            OBJECT_BLOCK => {
                if let Some(block) = ObjectBlock::decode(field.value, &mut self.damaged) {
                    return self.objects.push(block);
                }
            }
            KEY_BLOCK => {
                if let Some(block) = KeyBlock::decode(field.value, &mut self.damaged) {
                    return self.keys.push(block);
                }
            }
            _ => {}
        }
        self.other.push(Field::from(field));
    }

    /// The data of the answer, without the status word, in a C2300's order and
    /// with its wrapper `53`.
    pub fn encode(&self) -> Vec<u8> {
        let mut content = Vec::new();
        if let Some(version) = &self.version {
            write_tlv(&mut content, VERSION, &version.encode());
        }
        field::write_leading(&mut content, &self.other);
        for object in &self.objects {
            write_tlv(&mut content, OBJECT_BLOCK, &object.encode());
        }
        for key in &self.keys {
            write_tlv(&mut content, KEY_BLOCK, &key.encode());
        }
        field::write_trailing(&mut content, &self.other);

        let mut answer = Vec::new();
        write_tlv(&mut answer, WRAPPER, &content);
        answer
    }

    /// Whether the answer can be taken for the list of what the card has. An
    /// empty list can, as that of a card that was reset; one in which nothing
    /// was understood cannot.
    pub fn is_conclusive(&self) -> bool {
        let unread = |field: &Field| [OBJECT_BLOCK, KEY_BLOCK].contains(&field.tag);
        let honestly_empty =
            self.version.is_some() && !self.damaged && !self.other.iter().any(unread);
        self.listed_objects().next().is_some() || !self.keys.is_empty() || honestly_empty
    }

    /// The container of that key, if the card lists one.
    pub fn key(&self, key: KeyReference) -> Option<&KeyBlock> {
        self.keys.iter().find(|block| block.key == key)
    }

    /// Every data object that the card lists, the keys' certificates after the
    /// others: what there is to read, each of which may be empty.
    pub fn listed_objects(&self) -> impl Iterator<Item = ObjectTag> + '_ {
        let objects = self.objects.iter().map(|block| block.tag);
        let certificates = self.keys.iter().filter_map(KeyBlock::certificate);
        objects.chain(certificates)
    }
}
