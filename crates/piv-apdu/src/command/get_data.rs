//! GET DATA.

use zeroize::Zeroizing;

use super::{AnswerError, CommandError, TypedCommand, answer_data, expect_instruction, ins};
use crate::apdu::{Command, Le, Response};
use crate::object::ObjectTag;
use crate::tlv::{self, Node, Reader, Tag, TemplateError};

/// The tag list by which GET DATA and PUT DATA name a data object.
pub(super) const TAG_LIST: Tag = Tag::new(0x5C);
/// The data object that wraps all but the discovery object and the BIT group.
pub(super) const WRAPPER: Tag = Tag::new(0x53);

/// GET DATA: `00 CB 3F FF Lc 5C L tag 00`.
///
/// Refusals: `6A82` no such object, `6982` the PIN is needed first.
///
/// Source: SP 800-73-5 Part 2, 3.1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetData {
    /// The data object to read.
    pub tag: ObjectTag,
}

impl GetData {
    /// Reads the data object `tag`.
    pub const fn new(tag: ObjectTag) -> Self {
        GetData { tag }
    }

    /// The answer's data as a card makes it: `content` in `53`, or in the
    /// object's own tag where that comes bare (`7E`, `7F61`).
    pub fn encode_answer(tag: ObjectTag, content: &[u8]) -> Zeroizing<Vec<u8>> {
        tlv::encode(&[Node::Value(wrapper(tag), content)])
    }

    /// The content in a successful answer's data, borrowed from there: what is
    /// inside `53`, or inside `7E` or `7F61`. Bytes after that are ignored.
    /// Allocates nothing.
    ///
    /// # Errors
    /// [`TemplateError`] if the data does not begin with one of these.
    pub fn content(data: &[u8]) -> Result<&[u8], TemplateError> {
        let missing = TemplateError::Missing { tag: WRAPPER };
        let object = Reader::new(data).next().ok_or(missing)??;
        if object.tag != WRAPPER && !ObjectTag::from(object.tag).is_bare() {
            return Err(missing);
        }
        Ok(object.value)
    }
}

/// The outermost tag of a data object on the wire.
pub(super) fn wrapper(tag: ObjectTag) -> Tag {
    if tag.is_bare() { tag.tag() } else { WRAPPER }
}

impl TypedCommand for GetData {
    /// What is inside `53`, or inside `7E` or `7F61`: what
    /// [`DataObject::decode`](crate::object::DataObject::decode) takes. Empty
    /// for an object that is allocated and holds nothing (`53 00`).
    type Answer = Zeroizing<Vec<u8>>;

    fn to_command(&self) -> Command {
        let data = tlv::encode(&[Node::Value(TAG_LIST, &self.tag.to_bytes())]);
        Command::new(0x00, ins::GET_DATA, 0x3F, 0xFF)
            .with_owned_data(data)
            .with_le(Le::SHORT_MAX)
    }

    fn from_command(command: &Command) -> Result<Self, CommandError> {
        expect_instruction(command, ins::GET_DATA)?;
        if (command.p1(), command.p2()) != (0x3F, 0xFF) {
            return Err(super::wrong_parameters(command));
        }
        if command.data().is_empty() {
            return Err(CommandError::Length { length: 0 });
        }
        let tag = object_tag(tlv::require(command.data(), TAG_LIST)?)?;
        Ok(GetData { tag })
    }

    /// Also `Malformed` if the data has no [`content`](GetData::content).
    fn decode_answer(response: &Response) -> Result<Self::Answer, AnswerError> {
        let content = GetData::content(answer_data(response)?)?;
        Ok(Zeroizing::new(content.to_vec()))
    }
}

/// Reads the one tag in a tag list.
pub(super) fn object_tag(list: &[u8]) -> Result<ObjectTag, TemplateError> {
    ObjectTag::from_bytes(list).ok_or(TemplateError::Value {
        tag: TAG_LIST,
        reason: "not the tag of one data object",
    })
}
