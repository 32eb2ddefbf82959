//! GENERAL AUTHENTICATE.

use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{AnswerError, CommandError, TypedCommand, answer_data, expect_instruction, ins};
use crate::apdu::{Command, Le, Response};
use crate::key::{Algorithm, KeyReference};
use crate::tlv::{self, Node, Reader, Tag, TemplateError};

/// GENERAL AUTHENTICATE: `00 87 algorithm key Lc 7C L template 00`.
///
/// Signs, agrees on a key, authenticates either side; which one follows from
/// the template. Keys may need the PIN first (`6982`), key 9C directly before.
///
/// Source: SP 800-73-5 Part 2, 3.2.4, and its examples in Appendix A.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneralAuthenticate {
    /// The algorithm, in P1.
    pub algorithm: Algorithm,
    /// The key, in P2.
    pub key: KeyReference,
    /// What is given and what is asked for.
    pub template: DynamicAuthenticationTemplate,
}

impl TypedCommand for GeneralAuthenticate {
    /// Empty if the card answered without data, as it does to the last step of
    /// an external authentication.
    type Answer = DynamicAuthenticationTemplate;

    fn to_command(&self) -> Command {
        // The standard's examples of key establishment and of mutual
        // authentication (Part 2, A.2, table 23) ask last, all others first.
        let key_establishment = matches!(self.algorithm, Algorithm::Cs2 | Algorithm::Cs7);
        let ask_first = !key_establishment && self.template.witness.is_none();
        Command::new(
            0x00,
            ins::GENERAL_AUTHENTICATE,
            self.algorithm.to_u8(),
            self.key.get(),
        )
        .with_owned_data(self.template.encode_ordered(ask_first))
        .with_le(Le::SHORT_MAX)
    }

    fn from_command(command: &Command) -> Result<Self, CommandError> {
        expect_instruction(command, ins::GENERAL_AUTHENTICATE)?;
        if command.data().is_empty() {
            return Err(CommandError::Length { length: 0 });
        }
        Ok(GeneralAuthenticate {
            algorithm: Algorithm::from_u8(command.p1()),
            key: KeyReference(command.p2()),
            template: DynamicAuthenticationTemplate::decode(command.data())?,
        })
    }

    fn decode_answer(response: &Response) -> Result<Self::Answer, AnswerError> {
        let data = answer_data(response)?;
        if data.is_empty() {
            return Ok(DynamicAuthenticationTemplate::default());
        }
        Ok(DynamicAuthenticationTemplate::decode(data)?)
    }
}

/// `7C`: what one side gives, and with empty values what it asks for.
///
/// `Debug` shows lengths only; `==` is in constant time for equal lengths.
///
/// Source: SP 800-73-5 Part 2, 3.2.4 (dynamic authentication template).
#[derive(Clone, Default)]
pub struct DynamicAuthenticationTemplate {
    /// `80`: a witness, to prove knowledge of a key without revealing it.
    pub witness: Option<Zeroizing<Vec<u8>>>,
    /// `81`: a challenge: what is to be signed or encrypted.
    pub challenge: Option<Zeroizing<Vec<u8>>>,
    /// `82`: a response: a signature, a cryptogram, a shared secret.
    pub response: Option<Zeroizing<Vec<u8>>>,
    /// `85`: the other side's public key, for key agreement.
    pub exponentiation: Option<Zeroizing<Vec<u8>>>,
}

const TEMPLATE: Tag = Tag::new(0x7C);
const WITNESS: Tag = Tag::new(0x80);
const CHALLENGE: Tag = Tag::new(0x81);
const RESPONSE: Tag = Tag::new(0x82);
const EXPONENTIATION: Tag = Tag::new(0x85);

impl DynamicAuthenticationTemplate {
    /// Asks for a signature over `challenge`: `82 00, 81 challenge`.
    ///
    /// For RSA the challenge is the padded block of the modulus' length, for
    /// elliptic curves the hash. With `9B`'s algorithms it is a block to encrypt.
    pub fn internal_authenticate(challenge: &[u8]) -> Self {
        Self::default()
            .asking_for_response()
            .with_challenge(challenge)
    }

    /// Asks for a shared secret with the public key `point` (`04 X Y`):
    /// `82 00, 85 point`.
    pub fn key_agreement(point: &[u8]) -> Self {
        DynamicAuthenticationTemplate {
            exponentiation: Some(owned(point)),
            ..Self::default().asking_for_response()
        }
    }

    /// Asks for a challenge to answer: `81 00`.
    pub fn request_challenge() -> Self {
        Self::default().with_challenge(&[])
    }

    /// Asks for a witness to decrypt: `80 00`.
    pub fn request_witness() -> Self {
        Self::default().with_witness(&[])
    }

    /// Sets the witness.
    #[must_use]
    pub fn with_witness(mut self, witness: &[u8]) -> Self {
        self.witness = Some(owned(witness));
        self
    }

    /// Sets the challenge.
    #[must_use]
    pub fn with_challenge(mut self, challenge: &[u8]) -> Self {
        self.challenge = Some(owned(challenge));
        self
    }

    /// Sets the response.
    #[must_use]
    pub fn with_response(mut self, response: &[u8]) -> Self {
        self.response = Some(owned(response));
        self
    }

    /// Asks for a response: sets an empty one.
    #[must_use]
    pub fn asking_for_response(self) -> Self {
        self.with_response(&[])
    }

    /// Decodes `7C L template`. Unknown data objects are skipped; of two with
    /// one tag the last counts.
    ///
    /// # Errors
    /// [`TemplateError`] if there is no `7C` or it is not BER-TLV inside.
    pub fn decode(data: &[u8]) -> Result<Self, TemplateError> {
        let mut template = Self::default();
        for object in Reader::new(tlv::require(data, TEMPLATE)?) {
            let object = object?;
            let field = match object.tag {
                WITNESS => &mut template.witness,
                CHALLENGE => &mut template.challenge,
                RESPONSE => &mut template.response,
                EXPONENTIATION => &mut template.exponentiation,
                _ => continue,
            };
            *field = Some(owned(object.value));
        }
        Ok(template)
    }

    /// Encodes `7C L template`, with an empty response before the challenge.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        self.encode_ordered(true)
    }

    /// Encodes with an empty response first or last.
    fn encode_ordered(&self, ask_first: bool) -> Zeroizing<Vec<u8>> {
        let (asked, given) = match &self.response {
            Some(response) if response.is_empty() && ask_first => (Some(response), None),
            other => (None, other.as_ref()),
        };
        let fields = [
            (WITNESS, self.witness.as_ref()),
            (RESPONSE, asked),
            (CHALLENGE, self.challenge.as_ref()),
            (EXPONENTIATION, self.exponentiation.as_ref()),
            (RESPONSE, given),
        ];
        let nodes: Vec<_> = fields
            .into_iter()
            .filter_map(|(tag, value)| Some(Node::Value(tag, value?)))
            .collect();
        tlv::encode(&[Node::Template(TEMPLATE, &nodes)])
    }

    fn fields(&self) -> [Option<&[u8]>; 4] {
        [
            &self.witness,
            &self.challenge,
            &self.response,
            &self.exponentiation,
        ]
        .map(|field| field.as_ref().map(|value| value.as_slice()))
    }
}

fn owned(value: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(value.to_vec())
}

impl PartialEq for DynamicAuthenticationTemplate {
    fn eq(&self, other: &Self) -> bool {
        self.fields()
            .iter()
            .zip(other.fields())
            .all(|(one, other)| match (one, other) {
                (Some(one), Some(other)) => one.ct_eq(other).into(),
                (None, None) => true,
                _ => false,
            })
    }
}

impl Eq for DynamicAuthenticationTemplate {}

impl fmt::Debug for DynamicAuthenticationTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [witness, challenge, response, exponentiation] =
            self.fields().map(|field| field.map(<[u8]>::len));
        f.debug_struct("DynamicAuthenticationTemplate")
            .field("witness_len", &witness)
            .field("challenge_len", &challenge)
            .field("response_len", &response)
            .field("exponentiation_len", &exponentiation)
            .finish()
    }
}
