//! The project profile in the card: a virtual Crescendo 4000 keeps a PIN policy as
//! object `5FFD01`, and enforces it.
//!
//! It is **this project's own**, and no statement about the vendor's cards: no public
//! command stores a policy on one. The object's format and rules are those of
//! [`token_profile`]. It is listed in GET PIV PROPERTIES and always readable; PUT DATA
//! after the PIN or XAUTH key 1 writes it. What is written is taken apart and kept as the
//! PIN's format and [`Management`], so that the applets ask one place.

use piv_apdu::object::ObjectTag;
use piv_apdu::secret::PinBlock;
use piv_apdu::status::StatusWord;
use serde::{Deserialize, Serialize};
use token_profile::{Alphabet, ChallengeType, ManagementProfile, OBJECT_TAG, Policy};
use zeroize::Zeroizing;

use crate::card::{Answer, Card, done};
use crate::crypto::SymmetricAlgorithm;
use crate::profile::Profile;
use crate::state::{Bytes, TokenState};

/// What fits into the container: the object as it is today has 35 bytes.
const CAPACITY: u16 = 64;

/// The longest challenge there is; a shorter one is its beginning.
const STATIC_CHALLENGE_LENGTH: usize = SymmetricAlgorithm::Aes128.block_length();

/// What the project profile has beside the PIN's format. The default is a token as
/// delivered, and a card that does not keep the profile has nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Management {
    /// The PIN is to be changed before it opens anything.
    pub(crate) force_change: bool,
    /// What GET CHALLENGE answers while the challenge is static.
    static_challenge: Option<Bytes>,
    fido_shared_pin: bool,
    personalized: bool,
}

impl Management {
    /// Whether the static challenge, if there is one, has its length.
    pub(crate) fn holds_together(&self) -> bool {
        self.static_challenge
            .as_ref()
            .is_none_or(|challenge| challenge.0.len() == STATIC_CHALLENGE_LENGTH)
    }

    /// Whether the PIN is the FIDO PIN too.
    pub(crate) fn shares_fido_pin(&self) -> bool {
        self.fido_shared_pin
    }

    /// The challenge of that length, if it is static.
    pub(crate) fn static_challenge(&self, length: usize) -> Option<Zeroizing<Vec<u8>>> {
        let challenge = self.static_challenge.as_ref()?;
        Some(Zeroizing::new(
            challenge.0.iter().copied().take(length).collect(),
        ))
    }
}

/// What a new PIN must look like.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct PinFormat {
    pub(crate) minimum: u8,
    pub(crate) maximum: u8,
    pub(crate) numeric_only: bool,
    #[serde(default)]
    refuse_weak: bool,
    /// It is the FIDO PIN too, and has to be one that FIDO takes.
    #[serde(default)]
    fido_shared_pin: bool,
}

impl PinFormat {
    /// That of a token as it is made.
    pub(crate) fn factory(profile: Profile) -> Self {
        let (minimum, maximum, numeric_only) = profile.pin_format();
        PinFormat {
            minimum,
            maximum,
            numeric_only,
            refuse_weak: false,
            fido_shared_pin: false,
        }
    }

    /// The part of the policy that a new PIN has to keep.
    pub(crate) fn policy(self) -> Policy {
        Policy {
            minimum: self.minimum,
            maximum: self.maximum,
            alphabet: if self.numeric_only {
                Alphabet::Digits
            } else {
                Alphabet::Any
            },
            refuse_weak: self.refuse_weak,
            fido_shared_pin: self.fido_shared_pin,
            ..Policy::DELIVERY
        }
    }

    /// Whether a block is a PIN of this format with its padding.
    pub(crate) fn accepts(self, block: &PinBlock) -> bool {
        self.policy().accepts(block.unpadded()).is_ok()
    }
}

impl From<&Policy> for PinFormat {
    fn from(policy: &Policy) -> Self {
        PinFormat {
            minimum: policy.minimum,
            maximum: policy.maximum,
            numeric_only: policy.alphabet == Alphabet::Digits,
            refuse_weak: policy.refuse_weak,
            fido_shared_pin: policy.fido_shared_pin,
        }
    }
}

/// The container of the object and its capacity, on a card that has it.
pub(crate) fn container(state: &TokenState) -> Option<(ObjectTag, u16)> {
    state
        .profile
        .keeps_project_profile()
        .then(|| (ObjectTag::new(OBJECT_TAG), CAPACITY))
}

/// Whether this tag is the object's, on this card.
pub(crate) fn is_object(state: &TokenState, tag: ObjectTag) -> bool {
    container(state).is_some_and(|(object, _)| object == tag)
}

/// The object's content, with the mark that the card enforces what it says.
pub(crate) fn read(state: &TokenState) -> Vec<u8> {
    let management = &state.management;
    ManagementProfile {
        policy: Policy {
            force_change: management.force_change,
            challenge: if management.static_challenge.is_some() {
                ChallengeType::Static
            } else {
                ChallengeType::Dynamic
            },
            fido_shared_pin: management.fido_shared_pin,
            ..state.pin_format.policy()
        },
        personalized: management.personalized,
        enforced_by_card: true,
    }
    .encode()
}

/// Takes a new content, whole or not at all. Whoever may is asked before.
///
/// 6A84: longer than the container; 6A80: no profile of a version that is known, or one
/// that makes no sense; 6985: it would change whether FIDO shares the PIN after the token
/// was personalized, or the present PIN breaks it and is not to be changed.
pub(crate) fn write(card: &mut Card, content: &[u8]) -> Answer {
    if content.len() > usize::from(CAPACITY) {
        return Err(StatusWord::NOT_ENOUGH_MEMORY);
    }
    let profile = ManagementProfile::decode(content).map_err(|_| StatusWord::WRONG_DATA)?;
    let policy = &profile.policy;
    let format = PinFormat::from(policy);
    let present = &card.state.management;
    let shares_otherwise = policy.fido_shared_pin != present.fido_shared_pin;
    if present.personalized && shares_otherwise
        || !policy.force_change && !card.state.pin.has_format(format)
    {
        return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
    }
    let static_challenge = match (policy.challenge, present.static_challenge.clone()) {
        (ChallengeType::Dynamic, _) => None,
        (ChallengeType::Static, Some(challenge)) => Some(challenge),
        (ChallengeType::Static, None) => {
            Some(Bytes(card.random_bytes(STATIC_CHALLENGE_LENGTH).to_vec()))
        }
    };
    card.state.pin_format = format;
    card.state.management = Management {
        force_change: policy.force_change,
        static_challenge,
        fido_shared_pin: policy.fido_shared_pin,
        personalized: profile.personalized,
    };
    if shares_otherwise {
        card.state.fido.forget_pin();
    }
    if policy.force_change {
        // A PIN that no longer opens anything has not opened anything either.
        card.access.drop_pin();
    }
    card.mark_changed();
    done()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn accepts(format: PinFormat, block: &[u8]) -> bool {
        format.accepts(&PinBlock::from_slice(block).unwrap())
    }

    #[test]
    fn pin_formats() {
        let digits = PinFormat::factory(Profile::Piv);
        assert!(accepts(digits, b"123456\xFF\xFF"));
        assert!(accepts(digits, b"12345678"));
        assert!(!accepts(digits, b"12345\xFF\xFF\xFF"));
        assert!(!accepts(digits, b"12345a\xFF\xFF"));
        assert!(!accepts(digits, b"123456\xFF8"));
        assert!(!accepts(digits, &[0xFF; 8]));
        let any = PinFormat::factory(Profile::Crescendo2300);
        assert!(accepts(any, b"\x00\xFEab\xFF\xFF\xFF\xFF"));
        assert!(accepts(any, b"1234\xFF\xFF\xFF\xFF"));
        assert!(!accepts(any, b"abc\xFF\xFF\xFF\xFF\xFF"));
        assert!(!accepts(any, b"ab\xFFde\xFF\xFF\xFF"));
        let strong = PinFormat {
            refuse_weak: true,
            ..any
        };
        assert!(accepts(strong, b"1243\xFF\xFF\xFF\xFF"));
        assert!(!accepts(strong, b"1234\xFF\xFF\xFF\xFF"));
    }

    #[test]
    fn the_content_fits_its_container() {
        let mut state =
            TokenState::blank(Profile::Crescendo4000, String::new(), 0, Bytes::default());
        state.management = Management {
            force_change: true,
            static_challenge: Some(Bytes(vec![0; STATIC_CHALLENGE_LENGTH])),
            fido_shared_pin: true,
            personalized: true,
        };
        assert!(read(&state).len() <= usize::from(CAPACITY));
    }
}
