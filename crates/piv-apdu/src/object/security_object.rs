//! The security object.

use zeroize::Zeroizing;

use super::{DataObject, ERROR_DETECTION_CODE, ObjectError, ObjectTag};
use crate::tlv::{self, Node, Tag, TemplateError};

/// The security object, `5FC106`: signed hashes of the other data objects.
///
/// Source: SP 800-73-5 Part 1, section 3 and Appendix A.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecurityObject {
    /// `BA`: which data group of the signed object stands for which container,
    /// three bytes each.
    pub mapping: Vec<DataGroup>,
    /// `BB`: the signed object (CMS), at most 1,298 bytes in the standard.
    pub signed: Vec<u8>,
}

/// A data group number and the container that it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataGroup {
    /// The number in the signed object, from 1.
    pub number: u8,
    /// The container identifier, such as `3000` for the CHUID.
    pub container: u16,
}

const MAPPING: Tag = Tag::new(0xBA);
const SIGNED: Tag = Tag::new(0xBB);

impl DataObject for SecurityObject {
    const TAG: ObjectTag = ObjectTag::SECURITY_OBJECT;

    /// `BA` and `BB` must be there.
    fn decode(content: &[u8]) -> Result<Self, ObjectError> {
        let mapping = tlv::require(content, MAPPING)?;
        let (groups, rest) = mapping.as_chunks::<3>();
        if !rest.is_empty() {
            let length = mapping.len();
            return Err(TemplateError::Length {
                tag: MAPPING,
                length,
            }
            .into());
        }
        let mapping = groups.iter().map(|&[number, high, low]| DataGroup {
            number,
            container: u16::from_be_bytes([high, low]),
        });
        Ok(SecurityObject {
            mapping: mapping.collect(),
            signed: tlv::require(content, SIGNED)?.to_vec(),
        })
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let groups = self.mapping.iter().flat_map(|group| {
            let [high, low] = group.container.to_be_bytes();
            [group.number, high, low]
        });
        let mapping: Vec<u8> = groups.collect();
        tlv::encode(&[
            Node::Value(MAPPING, &mapping),
            Node::Value(SIGNED, &self.signed),
            Node::Value(ERROR_DETECTION_CODE, &[]),
        ])
    }
}
