//! The card capability container.

use zeroize::Zeroizing;

use super::{DataObject, ERROR_DETECTION_CODE, ObjectError, ObjectTag, optional_byte};
use crate::tlv::{self, Node, Reader, Tag};

/// The card capability container, `5FC107`.
///
/// A remnant of the Government Smart Card Interoperability Specification: most
/// of it is empty on PIV cards. Some middleware uses the card identifier as
/// the card's serial number.
///
/// Source: SP 800-73-5 Part 1, 3.1.1 and Appendix A.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CardCapabilityContainer {
    /// `F0`: the card identifier, 21 bytes (`A000000116 FF …`) or none.
    pub card_identifier: Vec<u8>,
    /// `F1`: version of the container; `21` is 2.1.
    pub container_version: Option<u8>,
    /// `F2`: version of the grammar; `21` is 2.1.
    pub grammar_version: Option<u8>,
    /// `F3`: the applications' card URLs, any number.
    pub application_urls: Vec<Vec<u8>>,
    /// `F4`: whether there is a PKCS #15 application.
    pub pkcs15: Option<u8>,
    /// `F5`: the registered data model; `10` for PIV.
    pub data_model: Option<u8>,
    /// `F6`: the access control rule table.
    pub access_control_rules: Vec<u8>,
    /// `F7`: the card's APDUs.
    pub card_apdus: Vec<u8>,
    /// `FA`: redirection.
    pub redirection: Vec<u8>,
    /// `FB`: capability tuples.
    pub capability_tuples: Vec<u8>,
    /// `FC`: status tuples.
    pub status_tuples: Vec<u8>,
    /// `FD`: where the next container is.
    pub next: Vec<u8>,
}

const CARD_IDENTIFIER: Tag = Tag::new(0xF0);
const CONTAINER_VERSION: Tag = Tag::new(0xF1);
const GRAMMAR_VERSION: Tag = Tag::new(0xF2);
const APPLICATION_URL: Tag = Tag::new(0xF3);
const PKCS15: Tag = Tag::new(0xF4);
const DATA_MODEL: Tag = Tag::new(0xF5);
const ACCESS_CONTROL_RULES: Tag = Tag::new(0xF6);
const CARD_APDUS: Tag = Tag::new(0xF7);
const REDIRECTION: Tag = Tag::new(0xFA);
const CAPABILITY_TUPLES: Tag = Tag::new(0xFB);
const STATUS_TUPLES: Tag = Tag::new(0xFC);
const NEXT: Tag = Tag::new(0xFD);

impl CardCapabilityContainer {
    /// The container of a PIV card: versions 2.1, data model `10`.
    pub fn piv(card_identifier: &[u8]) -> Self {
        CardCapabilityContainer {
            card_identifier: card_identifier.to_vec(),
            container_version: Some(0x21),
            grammar_version: Some(0x21),
            pkcs15: Some(0x00),
            data_model: Some(0x10),
            ..Self::default()
        }
    }
}

impl DataObject for CardCapabilityContainer {
    const TAG: ObjectTag = ObjectTag::CCC;

    /// Nothing must be there; what should have one byte must not have more.
    fn decode(content: &[u8]) -> Result<Self, ObjectError> {
        let mut ccc = Self::default();
        for object in Reader::new(content) {
            let object = object?;
            let (tag, value) = (object.tag, object.value);
            match tag {
                CARD_IDENTIFIER => ccc.card_identifier = value.to_vec(),
                CONTAINER_VERSION => ccc.container_version = optional_byte(tag, value)?,
                GRAMMAR_VERSION => ccc.grammar_version = optional_byte(tag, value)?,
                APPLICATION_URL if value.is_empty() => {}
                APPLICATION_URL => ccc.application_urls.push(value.to_vec()),
                PKCS15 => ccc.pkcs15 = optional_byte(tag, value)?,
                DATA_MODEL => ccc.data_model = optional_byte(tag, value)?,
                ACCESS_CONTROL_RULES => ccc.access_control_rules = value.to_vec(),
                CARD_APDUS => ccc.card_apdus = value.to_vec(),
                REDIRECTION => ccc.redirection = value.to_vec(),
                CAPABILITY_TUPLES => ccc.capability_tuples = value.to_vec(),
                STATUS_TUPLES => ccc.status_tuples = value.to_vec(),
                NEXT => ccc.next = value.to_vec(),
                _ => {}
            }
        }
        Ok(ccc)
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut nodes = vec![
            Node::Value(CARD_IDENTIFIER, &self.card_identifier),
            Node::Value(CONTAINER_VERSION, self.container_version.as_slice()),
            Node::Value(GRAMMAR_VERSION, self.grammar_version.as_slice()),
        ];
        if self.application_urls.is_empty() {
            nodes.push(Node::Value(APPLICATION_URL, &[]));
        }
        for url in &self.application_urls {
            nodes.push(Node::Value(APPLICATION_URL, url));
        }
        nodes.extend([
            Node::Value(PKCS15, self.pkcs15.as_slice()),
            Node::Value(DATA_MODEL, self.data_model.as_slice()),
            Node::Value(ACCESS_CONTROL_RULES, &self.access_control_rules),
            Node::Value(CARD_APDUS, &self.card_apdus),
            Node::Value(REDIRECTION, &self.redirection),
            Node::Value(CAPABILITY_TUPLES, &self.capability_tuples),
            Node::Value(STATUS_TUPLES, &self.status_tuples),
            Node::Value(NEXT, &self.next),
            Node::Value(ERROR_DETECTION_CODE, &[]),
        ]);
        tlv::encode(&nodes)
    }
}
