//! The pairing code's container.

use zeroize::Zeroizing;

use super::{DataObject, ERROR_DETECTION_CODE, ObjectError, ObjectTag, wrong_length};
use crate::secret::PairingCode;
use crate::tlv::{self, Node, Tag, TemplateError};

/// The pairing code reference data container, `5FC123`, behind the PIN.
///
/// The card's code is chosen at random when the card is made; the cardholder
/// reads it here and cannot change it.
///
/// Source: SP 800-73-5 Part 1, 3.3.8 and Table 44.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairingCodeObject {
    /// `99`: eight ASCII digits.
    pub code: PairingCode,
}

const PAIRING_CODE: Tag = Tag::new(0x99);

impl DataObject for PairingCodeObject {
    const TAG: ObjectTag = ObjectTag::PAIRING_CODE;

    fn decode(content: &[u8]) -> Result<Self, ObjectError> {
        let digits = tlv::require(content, PAIRING_CODE)?;
        if digits.len() != 8 {
            return Err(wrong_length(PAIRING_CODE, digits).into());
        }
        let code = PairingCode::new(digits).map_err(|_| TemplateError::Value {
            tag: PAIRING_CODE,
            reason: "not eight ASCII digits",
        })?;
        Ok(PairingCodeObject { code })
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        tlv::encode(&[
            Node::Value(PAIRING_CODE, self.code.as_bytes()),
            Node::Value(ERROR_DETECTION_CODE, &[]),
        ])
    }
}
