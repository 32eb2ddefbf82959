//! GENERATE ASYMMETRIC KEY PAIR.

use super::{AnswerError, CommandError, TypedCommand, answer_data, expect_instruction, ins};
use crate::apdu::{Command, Le, Response};
use crate::key::{Algorithm, KeyReference};
use crate::tlv::{self, Node, Tag, TemplateError};

/// GENERATE ASYMMETRIC KEY PAIR: `00 47 00 key Lc AC L { 80 01 algorithm } 00`.
///
/// Replaces the key: what was there is lost. Needs card management
/// authentication (`6982`), and the contact interface.
///
/// Source: SP 800-73-5 Part 2, 3.3.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenerateAsymmetric {
    /// The key to generate, in P2.
    pub key: KeyReference,
    /// `80`: the algorithm.
    pub algorithm: Algorithm,
    /// `81`: its parameter, for RSA the public exponent; seldom there.
    pub parameters: Option<Vec<u8>>,
}

const CONTROL_REFERENCE: Tag = Tag::new(0xAC);
const ALGORITHM: Tag = Tag::new(0x80);
const PARAMETERS: Tag = Tag::new(0x81);

impl GenerateAsymmetric {
    /// Generates `key` with the algorithm's usual parameters.
    pub const fn new(key: KeyReference, algorithm: Algorithm) -> Self {
        GenerateAsymmetric {
            key,
            algorithm,
            parameters: None,
        }
    }
}

impl TypedCommand for GenerateAsymmetric {
    type Answer = PublicKey;

    fn to_command(&self) -> Command {
        let algorithm = [self.algorithm.to_u8()];
        let mut nodes = vec![Node::Value(ALGORITHM, &algorithm)];
        if let Some(parameters) = &self.parameters {
            nodes.push(Node::Value(PARAMETERS, parameters));
        }
        let data = tlv::encode(&[Node::Template(CONTROL_REFERENCE, &nodes)]);
        Command::new(0x00, ins::GENERATE_ASYMMETRIC, 0x00, self.key.get())
            .with_owned_data(data)
            .with_le(Le::SHORT_MAX)
    }

    fn from_command(command: &Command) -> Result<Self, CommandError> {
        expect_instruction(command, ins::GENERATE_ASYMMETRIC)?;
        if command.p1() != 0x00 {
            return Err(super::wrong_parameters(command));
        }
        if command.data().is_empty() {
            return Err(CommandError::Length { length: 0 });
        }
        let template = tlv::require(command.data(), CONTROL_REFERENCE)?;
        let algorithm = match tlv::require(template, ALGORITHM)? {
            [identifier] => Algorithm::from_u8(*identifier),
            other => {
                return Err(TemplateError::Length {
                    tag: ALGORITHM,
                    length: other.len(),
                }
                .into());
            }
        };
        Ok(GenerateAsymmetric {
            key: KeyReference(command.p2()),
            algorithm,
            parameters: tlv::find(template, PARAMETERS)?.map(<[u8]>::to_vec),
        })
    }

    fn decode_answer(response: &Response) -> Result<PublicKey, AnswerError> {
        Ok(PublicKey::decode(answer_data(response)?)?)
    }
}

/// A public key as the card gives it: `7F49 { 81, 82 }` or `7F49 { 86 }`.
///
/// Source: SP 800-73-5 Part 2, 3.3.2 (public key template).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// RSA.
    Rsa {
        /// `81`: the modulus, big-endian.
        modulus: Vec<u8>,
        /// `82`: the public exponent, big-endian.
        exponent: Vec<u8>,
    },
    /// Elliptic curve.
    Ecc {
        /// `86`: the point, `04 X Y`.
        point: Vec<u8>,
    },
}

const PUBLIC_KEY: Tag = Tag::new(0x7F49);
const MODULUS: Tag = Tag::new(0x81);
const EXPONENT: Tag = Tag::new(0x82);
const POINT: Tag = Tag::new(0x86);

impl PublicKey {
    /// Decodes the template `7F49`.
    ///
    /// # Errors
    /// [`TemplateError`] if there is no `7F49`, or neither `86` nor both of
    /// `81` and `82` in it, or if one of them is empty. Whether it is a key
    /// that can be used is not looked at.
    pub fn decode(data: &[u8]) -> Result<Self, TemplateError> {
        let template = tlv::require(data, PUBLIC_KEY)?;
        if let Some(point) = tlv::find(template, POINT)? {
            let point = not_empty(POINT, point)?;
            return Ok(Self::Ecc { point });
        }
        Ok(Self::Rsa {
            modulus: not_empty(MODULUS, tlv::require(template, MODULUS)?)?,
            exponent: not_empty(EXPONENT, tlv::require(template, EXPONENT)?)?,
        })
    }

    /// Encodes the template `7F49`, as a card answers it.
    pub fn encode(&self) -> Vec<u8> {
        let nodes: &[_] = match self {
            Self::Rsa { modulus, exponent } => &[
                Node::Value(MODULUS, modulus),
                Node::Value(EXPONENT, exponent),
            ],
            Self::Ecc { point } => &[Node::Value(POINT, point)],
        };
        tlv::encode(&[Node::Template(PUBLIC_KEY, nodes)]).to_vec()
    }
}

fn not_empty(tag: Tag, value: &[u8]) -> Result<Vec<u8>, TemplateError> {
    match value {
        [] => Err(TemplateError::Length { tag, length: 0 }),
        value => Ok(value.to_vec()),
    }
}
