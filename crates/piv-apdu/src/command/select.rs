//! SELECT.

use super::{AnswerError, CommandError, TypedCommand, answer_data, expect_instruction, ins};
use crate::aid::Aid;
use crate::apdu::{Command, Le, Response};
use crate::key::Algorithm;
use crate::tlv::{self, Node, Reader, Tag, TemplateError};

/// SELECT by AID: `00 A4 04 00 Lc AID 00`.
///
/// Drops the security state of the application selected before, of the PIV
/// application too if another AID is found; if none is, `6A82`, the selection
/// stays.
///
/// Source: SP 800-73-5 Part 2, 3.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Select {
    /// The application to select.
    pub aid: Aid,
}

impl Select {
    /// Selects the application `aid`.
    pub const fn new(aid: Aid) -> Self {
        Select { aid }
    }

    /// Selects the PIV card application by its full AID.
    pub fn piv() -> Self {
        Select { aid: Aid::piv() }
    }
}

impl TypedCommand for Select {
    type Answer = ApplicationProperties;

    fn to_command(&self) -> Command {
        Command::new(0x00, ins::SELECT, 0x04, 0x00)
            .with_data(self.aid.as_bytes())
            .with_le(Le::SHORT_MAX)
    }

    fn from_command(command: &Command) -> Result<Self, CommandError> {
        expect_instruction(command, ins::SELECT)?;
        if (command.p1(), command.p2()) != (0x04, 0x00) {
            return Err(super::wrong_parameters(command));
        }
        let data = command.data();
        let aid = Aid::new(data).ok_or(CommandError::Length { length: data.len() })?;
        Ok(Select { aid })
    }

    fn decode_answer(response: &Response) -> Result<ApplicationProperties, AnswerError> {
        Ok(ApplicationProperties::decode(answer_data(response)?)?)
    }
}

/// What an application says of itself when it is selected: the application
/// property template `61`.
///
/// ```
/// use piv_apdu::command::ApplicationProperties;
/// use piv_apdu::aid::Aid;
///
/// let properties = ApplicationProperties {
///     aid: Some(Aid::piv()),
///     label: Some("HID Global ActivID Applet 3.0.3".into()),
///     ..ApplicationProperties::default()
/// };
/// assert_eq!(ApplicationProperties::decode(&properties.encode()), Ok(properties));
/// ```
///
/// Source: SP 800-73-5 Part 2, 3.1.1, from Table 3 on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApplicationProperties {
    /// `4F`: the AID, or only its part after the provider's five bytes.
    pub aid: Option<Aid>,
    /// `79 { 4F }`: who allocates the tags; NIST's RID.
    pub authority: Option<Aid>,
    /// `50`: a label for people to read, as the card has it.
    pub label: Option<String>,
    /// `5F50`: where the specification is.
    pub url: Option<String>,
    /// `AC { 80 }`: algorithms, of which the standard asks only that the
    /// secure messaging cipher suite be listed.
    pub algorithms: Vec<Algorithm>,
}

const PROPERTIES: Tag = Tag::new(0x61);
const FILE_CONTROL_INFORMATION: Tag = Tag::new(0x6F);
const AID: Tag = Tag::new(0x4F);
const DF_NAME: Tag = Tag::new(0x84);
const PROPRIETARY: Tag = Tag::new(0xA5);
const AUTHORITY: Tag = Tag::new(0x79);
const LABEL: Tag = Tag::new(0x50);
const URL: Tag = Tag::new(0x5F50);
const ALGORITHMS: Tag = Tag::new(0xAC);
const ALGORITHM: Tag = Tag::new(0x80);
const OBJECT_IDENTIFIER: Tag = Tag::new(0x06);

impl ApplicationProperties {
    /// Decodes the data of a SELECT answer.
    ///
    /// Lenient, as cards are many: nothing at all is read as no properties, a
    /// file control information template (`6F { 84 AID, A5 }`) is read in
    /// place of `61`, unknown data objects are skipped.
    ///
    /// # Errors
    /// [`TemplateError`] if the data is neither template, or not BER-TLV, or
    /// an AID in it is longer than 16 bytes.
    pub fn decode(data: &[u8]) -> Result<Self, TemplateError> {
        let mut properties = Self::default();
        if data.is_empty() {
            return Ok(properties);
        }
        let template = match tlv::find(data, PROPERTIES)? {
            Some(template) => template,
            None => tlv::find(data, FILE_CONTROL_INFORMATION)?
                .ok_or(TemplateError::Missing { tag: PROPERTIES })?,
        };
        properties.read(template)?;
        Ok(properties)
    }

    fn read(&mut self, template: &[u8]) -> Result<(), TemplateError> {
        for object in Reader::new(template) {
            let object = object?;
            match object.tag {
                tag @ (AID | DF_NAME) => self.aid = Some(bounded_aid(tag, object.value)?),
                AUTHORITY => {
                    self.authority = tlv::find(object.value, AID)?
                        .map(|aid| bounded_aid(AID, aid))
                        .transpose()?;
                }
                LABEL => self.label = Some(text(object.value)),
                URL => self.url = Some(text(object.value)),
                // Need not be BER-TLV inside.
                PROPRIETARY => {
                    if let Ok(Some(label)) = tlv::find(object.value, LABEL) {
                        self.label = Some(text(label));
                    }
                }
                ALGORITHMS => {
                    for algorithm in Reader::new(object.value) {
                        let algorithm = algorithm?;
                        if algorithm.tag == ALGORITHM {
                            let identifiers = algorithm.value.iter().copied();
                            self.algorithms.extend(identifiers.map(Algorithm::from_u8));
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Encodes the template `61`, as a card answers it.
    pub fn encode(&self) -> Vec<u8> {
        let mut nodes = Vec::new();
        if let Some(aid) = &self.aid {
            nodes.push(Node::Value(AID, aid.as_bytes()));
        }
        let authority = self
            .authority
            .as_ref()
            .map(|aid| [Node::Value(AID, aid.as_bytes())]);
        if let Some(authority) = &authority {
            nodes.push(Node::Template(AUTHORITY, authority));
        }
        if let Some(label) = &self.label {
            nodes.push(Node::Value(LABEL, label.as_bytes()));
        }
        if let Some(url) = &self.url {
            nodes.push(Node::Value(URL, url.as_bytes()));
        }
        let identifiers: Vec<[u8; 1]> = self.algorithms.iter().map(|a| [a.to_u8()]).collect();
        let mut algorithms: Vec<_> = identifiers
            .iter()
            .map(|identifier| Node::Value(ALGORITHM, identifier))
            .collect();
        if !algorithms.is_empty() {
            algorithms.push(Node::Value(OBJECT_IDENTIFIER, &[0x00]));
            nodes.push(Node::Template(ALGORITHMS, &algorithms));
        }
        tlv::encode(&[Node::Template(PROPERTIES, &nodes)]).to_vec()
    }
}

fn bounded_aid(tag: Tag, bytes: &[u8]) -> Result<Aid, TemplateError> {
    Aid::new(bytes).ok_or(TemplateError::Length {
        tag,
        length: bytes.len(),
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
