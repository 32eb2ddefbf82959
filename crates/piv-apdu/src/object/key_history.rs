//! The key history object.

use zeroize::Zeroizing;

use super::{DataObject, ERROR_DETECTION_CODE, ObjectError, ObjectTag, exactly, text};
use crate::tlv::{self, Node, Tag};

/// The key history object, `5FC10C`: how many retired key management keys there are.
///
/// With it nobody need probe the twenty retired certificate objects.
///
/// Source: SP 800-73-5 Part 1, 3.3.3.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyHistory {
    /// `C1`: retired keys whose certificates are on the card: from `82` on.
    pub on_card: u8,
    /// `C2`: retired keys whose certificates are elsewhere: from `95` down.
    pub off_card: u8,
    /// `F3`: where those are, at most 118 bytes; the standard has it only if
    /// `off_card` is not zero.
    pub url: Option<String>,
}

const ON_CARD: Tag = Tag::new(0xC1);
const OFF_CARD: Tag = Tag::new(0xC2);
const URL: Tag = Tag::new(0xF3);

impl DataObject for KeyHistory {
    const TAG: ObjectTag = ObjectTag::KEY_HISTORY;

    /// `C1` and `C2` must be there; an empty `F3` counts as absent.
    fn decode(content: &[u8]) -> Result<Self, ObjectError> {
        let count = |tag| exactly(tag, tlv::require(content, tag)?).map(|[count]: [u8; 1]| count);
        Ok(KeyHistory {
            on_card: count(ON_CARD)?,
            off_card: count(OFF_CARD)?,
            url: tlv::find(content, URL)?
                .filter(|url| !url.is_empty())
                .map(text),
        })
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let url = self.url.as_deref().unwrap_or_default();
        tlv::encode(&[
            Node::Value(ON_CARD, &[self.on_card]),
            Node::Value(OFF_CARD, &[self.off_card]),
            Node::Value(URL, url.as_bytes()),
            Node::Value(ERROR_DETECTION_CODE, &[]),
        ])
    }
}
