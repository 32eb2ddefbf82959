//! The printed information.

use core::fmt;

use zeroize::Zeroizing;

use super::{DataObject, ERROR_DETECTION_CODE, ObjectError, ObjectTag, text};
use crate::tlv::{self, Node, Reader, Tag};

/// The printed information, `5FC109`: what is printed on the card, behind the PIN.
///
/// Each field is text as the card has it and empty if the card lacks it; bytes
/// that are not UTF-8 become U+FFFD. Unknown data objects are dropped on
/// purpose: some hosts hide a management key among them. `Debug` shows nothing.
///
/// Source: SP 800-73-5 Part 1, Appendix A.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PrintedInformation {
    /// `01`: name, at most 125 bytes.
    pub name: String,
    /// `02`: employee affiliation, at most 20 bytes.
    pub employee_affiliation: String,
    /// `04`: expiration date, nine bytes such as `2030DEC31`.
    pub expiration_date: String,
    /// `05`: agency card serial number, at most 20 bytes.
    pub agency_card_serial_number: String,
    /// `06`: issuer identification, at most 15 bytes.
    pub issuer_identification: String,
    /// `07`: organization affiliation, first line, at most 20 bytes.
    pub organization_affiliation_1: String,
    /// `08`: organization affiliation, second line, at most 20 bytes.
    pub organization_affiliation_2: String,
}

const NAME: Tag = Tag::new(0x01);
const EMPLOYEE_AFFILIATION: Tag = Tag::new(0x02);
const EXPIRATION_DATE: Tag = Tag::new(0x04);
const AGENCY_CARD_SERIAL_NUMBER: Tag = Tag::new(0x05);
const ISSUER_IDENTIFICATION: Tag = Tag::new(0x06);
const ORGANIZATION_AFFILIATION_1: Tag = Tag::new(0x07);
const ORGANIZATION_AFFILIATION_2: Tag = Tag::new(0x08);

impl DataObject for PrintedInformation {
    const TAG: ObjectTag = ObjectTag::PRINTED_INFORMATION;

    /// Nothing must be there.
    fn decode(content: &[u8]) -> Result<Self, ObjectError> {
        let mut printed = Self::default();
        for object in Reader::new(content) {
            let object = object?;
            let field = match object.tag {
                NAME => &mut printed.name,
                EMPLOYEE_AFFILIATION => &mut printed.employee_affiliation,
                EXPIRATION_DATE => &mut printed.expiration_date,
                AGENCY_CARD_SERIAL_NUMBER => &mut printed.agency_card_serial_number,
                ISSUER_IDENTIFICATION => &mut printed.issuer_identification,
                ORGANIZATION_AFFILIATION_1 => &mut printed.organization_affiliation_1,
                ORGANIZATION_AFFILIATION_2 => &mut printed.organization_affiliation_2,
                _ => continue,
            };
            *field = text(object.value);
        }
        Ok(printed)
    }

    /// The two lines of organization affiliation are left out if empty.
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let required = [
            (NAME, &self.name),
            (EMPLOYEE_AFFILIATION, &self.employee_affiliation),
            (EXPIRATION_DATE, &self.expiration_date),
            (AGENCY_CARD_SERIAL_NUMBER, &self.agency_card_serial_number),
            (ISSUER_IDENTIFICATION, &self.issuer_identification),
        ];
        let optional = [
            (ORGANIZATION_AFFILIATION_1, &self.organization_affiliation_1),
            (ORGANIZATION_AFFILIATION_2, &self.organization_affiliation_2),
        ];
        let optional = optional.into_iter().filter(|(_, text)| !text.is_empty());
        let mut nodes: Vec<_> = required
            .into_iter()
            .chain(optional)
            .map(|(tag, text)| Node::Value(tag, text.as_bytes()))
            .collect();
        nodes.push(Node::Value(ERROR_DETECTION_CODE, &[]));
        tlv::encode(&nodes)
    }
}

impl fmt::Debug for PrintedInformation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrintedInformation(..)")
    }
}
