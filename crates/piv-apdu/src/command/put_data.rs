//! PUT DATA.

use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::get_data::{TAG_LIST, WRAPPER, object_tag, wrapper};
use super::{AnswerError, CommandError, TypedCommand, answer_data, expect_instruction, ins};
use crate::apdu::{Command, Response};
use crate::object::ObjectTag;
use crate::tlv::{self, Node, Reader, TemplateError};

/// PUT DATA: `00 DB 3F FF Lc 5C L tag 53 L content`, or the bare object for
/// the discovery object (`7E`) and the BIT group template (`7F61`).
///
/// Replaces the whole data object. Needs card management authentication, and
/// the contact interface. Longer than one APDU for most objects: chained.
/// Refusals: `6982` not authenticated, `6A84` no room, `6A81`.
///
/// Source: SP 800-73-5 Part 2, 3.3.1.
#[derive(Clone)]
pub struct PutData {
    /// The data object to write.
    pub tag: ObjectTag,
    /// What goes inside `53` (or `7E`, `7F61`). Empty to clear the object.
    pub content: Zeroizing<Vec<u8>>,
}

impl PutData {
    /// Writes a copy of `content` into the data object `tag`.
    pub fn new(tag: ObjectTag, content: &[u8]) -> Self {
        PutData {
            tag,
            content: Zeroizing::new(content.to_vec()),
        }
    }
}

impl TypedCommand for PutData {
    type Answer = ();

    fn to_command(&self) -> Command {
        let name = self.tag.to_bytes();
        let content = Node::Value(wrapper(self.tag), &self.content);
        let data = if self.tag.is_bare() {
            tlv::encode(&[content])
        } else {
            tlv::encode(&[Node::Value(TAG_LIST, &name), content])
        };
        Command::new(0x00, ins::PUT_DATA, 0x3F, 0xFF).with_owned_data(data)
    }

    /// Also accepts `5C` before a bare object, and `53` in place of its tag,
    /// as some hosts send them.
    fn from_command(command: &Command) -> Result<Self, CommandError> {
        expect_instruction(command, ins::PUT_DATA)?;
        if (command.p1(), command.p2()) != (0x3F, 0xFF) {
            return Err(super::wrong_parameters(command));
        }
        let mut objects = Reader::new(command.data());
        let first = objects.next().ok_or(CommandError::Length { length: 0 })??;
        if ObjectTag::from(first.tag).is_bare() {
            return Ok(PutData::new(first.tag.into(), first.value));
        }
        if first.tag != TAG_LIST {
            return Err(TemplateError::Missing { tag: TAG_LIST }.into());
        }
        let tag = object_tag(first.value)?;
        let missing = TemplateError::Missing { tag: wrapper(tag) };
        let content = objects.next().ok_or(missing)??;
        if content.tag != WRAPPER && content.tag != wrapper(tag) {
            return Err(missing.into());
        }
        Ok(PutData::new(tag, content.value))
    }

    fn decode_answer(response: &Response) -> Result<(), AnswerError> {
        answer_data(response).map(drop)
    }
}

impl PartialEq for PutData {
    fn eq(&self, other: &Self) -> bool {
        self.tag == other.tag && bool::from(self.content.ct_eq(&other.content))
    }
}

impl Eq for PutData {}

impl fmt::Debug for PutData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PutData({}, {} bytes)", self.tag, self.content.len())
    }
}
