//! The profile as an object.

use piv_apdu::tlv::{self, Node, Reader, Tag, TlvError};

use crate::policy::{Alphabet, ChallengeType, Policy, PolicyError};

/// The tag of the object, on a token that lists a container for it.
pub const OBJECT_TAG: u32 = 0x5F_FD01;

const TEMPLATE: Tag = Tag::new(0xE1);
const MAGIC: Tag = Tag::new(0x80);
const VERSION: Tag = Tag::new(0x81);
const MINIMUM: Tag = Tag::new(0x82);
const MAXIMUM: Tag = Tag::new(0x83);
const ALPHABET: Tag = Tag::new(0x84);
const FORCE_CHANGE: Tag = Tag::new(0x85);
const CHALLENGE: Tag = Tag::new(0x86);
const REFUSE_WEAK: Tag = Tag::new(0x87);
const SHARED_PIN: Tag = Tag::new(0x88);
const STATE: Tag = Tag::new(0x89);

const MAGIC_VALUE: &[u8] = b"PTMP";
const VERSION_1: u8 = 0x01;
const PERSONALIZED: u8 = 0x01;
const ENFORCED_BY_CARD: u8 = 0x02;

/// A policy and the state of the token that it belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ManagementProfile {
    /// The policy.
    pub policy: Policy,
    /// Whether the token was personalized by software that keeps this profile.
    pub personalized: bool,
    /// Whether the card itself enforces the policy. Only a card sets this.
    pub enforced_by_card: bool,
}

impl ManagementProfile {
    /// The object's content: what goes inside `53`.
    pub fn encode(&self) -> Vec<u8> {
        let policy = &self.policy;
        let state = if self.personalized { PERSONALIZED } else { 0 }
            | if self.enforced_by_card {
                ENFORCED_BY_CARD
            } else {
                0
            };
        let byte = |tag, value: &'static [u8]| Node::Value(tag, value);
        let flag = |tag, value: bool| byte(tag, if value { &[1] } else { &[0] });
        let (minimum, maximum, state) = ([policy.minimum], [policy.maximum], [state]);
        tlv::encode(&[Node::Template(
            TEMPLATE,
            &[
                Node::Value(MAGIC, MAGIC_VALUE),
                byte(VERSION, &[VERSION_1]),
                Node::Value(MINIMUM, &minimum),
                Node::Value(MAXIMUM, &maximum),
                flag(ALPHABET, policy.alphabet == Alphabet::Any),
                flag(FORCE_CHANGE, policy.force_change),
                flag(CHALLENGE, policy.challenge == ChallengeType::Static),
                flag(REFUSE_WEAK, policy.refuse_weak),
                flag(SHARED_PIN, policy.fido_shared_pin),
                Node::Value(STATE, &state),
            ],
        )])
        .to_vec()
    }

    /// Reads the object's content. Fields that are missing have the value of
    /// a token as delivered, unknown ones are passed over.
    ///
    /// # Errors
    /// [`ProfileError`].
    pub fn decode(content: &[u8]) -> Result<Self, ProfileError> {
        if content.is_empty() {
            return Err(ProfileError::Empty);
        }
        let fields = ours(content, TEMPLATE, MAGIC_VALUE).ok_or(ProfileError::NotOurs)?;
        let byte = |tag| -> Result<Option<u8>, ProfileError> {
            match tlv::find(fields, tag)? {
                None => Ok(None),
                Some([value]) => Ok(Some(*value)),
                Some(_) => Err(ProfileError::Field { tag: tag.get() }),
            }
        };
        let flag = |tag: Tag| match byte(tag)? {
            None | Some(0) => Ok(false),
            Some(1) => Ok(true),
            Some(_) => Err(ProfileError::Field { tag: tag.get() }),
        };
        match byte(VERSION)? {
            Some(VERSION_1) => {}
            Some(version) => return Err(ProfileError::Unsupported { version }),
            None => return Err(ProfileError::Field { tag: VERSION.get() }),
        }
        let delivery = Policy::DELIVERY;
        let policy = Policy {
            minimum: byte(MINIMUM)?.unwrap_or(delivery.minimum),
            maximum: byte(MAXIMUM)?.unwrap_or(delivery.maximum),
            alphabet: match byte(ALPHABET)? {
                None | Some(1) => Alphabet::Any,
                Some(0) => Alphabet::Digits,
                Some(_) => {
                    return Err(ProfileError::Field {
                        tag: ALPHABET.get(),
                    });
                }
            },
            force_change: flag(FORCE_CHANGE)?,
            challenge: if flag(CHALLENGE)? {
                ChallengeType::Static
            } else {
                ChallengeType::Dynamic
            },
            refuse_weak: flag(REFUSE_WEAK)?,
            fido_shared_pin: flag(SHARED_PIN)?,
        };
        policy.check()?;
        let state = byte(STATE)?.unwrap_or(0);
        Ok(Self {
            policy,
            personalized: state & PERSONALIZED != 0,
            enforced_by_card: state & ENFORCED_BY_CARD != 0,
        })
    }
}

/// The content of the first template, if it begins with our mark.
pub(crate) fn ours<'a>(content: &'a [u8], template: Tag, magic: &[u8]) -> Option<&'a [u8]> {
    let object = Reader::new(content).next()?.ok()?;
    if object.tag != template {
        return None;
    }
    let mark = Reader::new(object.value).next()?.ok()?;
    (mark.tag == MAGIC && mark.value == magic).then_some(object.value)
}

/// The object is no profile that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// The object is empty.
    #[error("there is no token management profile in it")]
    Empty,
    /// Something else is in the object.
    #[error("what is in it is no token management profile")]
    NotOurs,
    /// A later version of the format.
    #[error(
        "the token management profile has version {version}, which this software does not know"
    )]
    Unsupported {
        /// Its version.
        version: u8,
    },
    /// A field has a wrong length or a value that it can't have, or is missing.
    #[error("the token management profile's field {tag:02X} is missing or wrong")]
    Field {
        /// The field's tag.
        tag: u32,
    },
    /// It is cut off, or was changed by others.
    #[error("the token management profile is damaged: {0}")]
    Damaged(#[from] TlvError),
    /// The policy in it makes no sense.
    #[error("the token management profile makes no sense: {0}")]
    Nonsense(#[from] PolicyError),
}
