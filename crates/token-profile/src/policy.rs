//! A PIN policy and its rules.

use core::fmt;

use unicode_normalization::is_nfc;

use crate::weak::is_weak;

/// The byte that pads a PIN to its block of eight; no PIN may have it.
const PADDING: u8 = 0xFF;

/// The shortest FIDO PIN, in code points.
const FIDO_MINIMUM: usize = 4;

/// The lengths that a Crescendo's PIN block takes, in bytes.
const LENGTHS: core::ops::RangeInclusive<u8> = 4..=8;

/// A PIN policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The shortest PIN, in bytes (characters, for ASCII), 4 to 8.
    pub minimum: u8,
    /// The longest PIN, in bytes (characters, for ASCII), 4 to 8.
    pub maximum: u8,
    /// The characters that a PIN is made of.
    pub alphabet: Alphabet,
    /// Whether the PIN has to be changed before anything else.
    pub force_change: bool,
    /// The challenge that the token gives for unblocking.
    pub challenge: ChallengeType,
    /// Whether a new PIN that is weak ([`is_weak`]) is refused.
    pub refuse_weak: bool,
    /// Whether the PIN and the FIDO PIN are one. Decided when the token is
    /// personalized.
    pub fido_shared_pin: bool,
}

/// The characters of a PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alphabet {
    /// ASCII digits.
    Digits,
    /// Any byte but FF, which is padding.
    Any,
}

/// The challenge that a token gives for unblocking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChallengeType {
    /// Another one each time: the response serves once.
    Dynamic,
    /// Always the same: the response is a fixed unlock code.
    Static,
}

impl Policy {
    /// That of a token as delivered: 4 to 8 characters of any kind, nothing
    /// forced, a dynamic challenge, weak PINs allowed, not shared with FIDO.
    pub const DELIVERY: Policy = Policy {
        minimum: 4,
        maximum: 8,
        alphabet: Alphabet::Any,
        force_change: false,
        challenge: ChallengeType::Dynamic,
        refuse_weak: false,
        fido_shared_pin: false,
    };

    /// Whether the policy makes sense.
    ///
    /// # Errors
    /// [`PolicyError`] says what does not.
    pub fn check(&self) -> Result<(), PolicyError> {
        let (minimum, maximum) = (self.minimum, self.maximum);
        if !LENGTHS.contains(&minimum) || !LENGTHS.contains(&maximum) {
            return Err(PolicyError::OutOfRange { minimum, maximum });
        }
        if minimum > maximum {
            return Err(PolicyError::MinimumAboveMaximum { minimum, maximum });
        }
        Ok(())
    }

    /// Every rule for a new PIN, each met by `pin` or not, in the order in
    /// which a person reads them. `pin` is without padding.
    ///
    /// A rule that follows from another is left out: digits have no padding
    /// among them, and four to eight of them are a FIDO PIN.
    pub fn rules(&self, pin: &[u8]) -> Vec<RuleState> {
        let state = |rule, met| RuleState { rule, met };
        let mut rules = vec![
            state(
                Rule::AtLeast(self.minimum),
                pin.len() >= usize::from(self.minimum),
            ),
            state(
                Rule::AtMost(self.maximum),
                pin.len() <= usize::from(self.maximum),
            ),
        ];
        rules.push(match self.alphabet {
            Alphabet::Digits => state(Rule::DigitsOnly, pin.iter().all(u8::is_ascii_digit)),
            Alphabet::Any => state(Rule::NoPadding, !pin.contains(&PADDING)),
        });
        if self.fido_shared_pin && self.alphabet == Alphabet::Any {
            rules.push(state(Rule::FidoPin, is_fido_pin(pin)));
        }
        if self.refuse_weak {
            rules.push(state(Rule::NotWeak, !is_weak(pin)));
        }
        rules
    }

    /// Whether `pin` keeps every rule.
    ///
    /// # Errors
    /// The first [`Rule`] that it breaks.
    pub fn accepts(&self, pin: &[u8]) -> Result<(), Rule> {
        match self.rules(pin).into_iter().find(|state| !state.met) {
            Some(state) => Err(state.rule),
            None => Ok(()),
        }
    }
}

/// Whether CTAP takes it, and as it is: UTF-8, at least four code points, not ending
/// in the byte 00, with which CTAP pads. Its greatest length, 63 bytes, is far off.
///
/// A host brings a FIDO PIN into Normalization Form C before it sends it, and a PIV PIN
/// goes out as it is typed: of one that is in another form the two sides would see two.
fn is_fido_pin(pin: &[u8]) -> bool {
    core::str::from_utf8(pin).is_ok_and(|text| {
        text.chars().count() >= FIDO_MINIMUM && !text.ends_with('\0') && is_nfc(text)
    })
}

impl Default for Policy {
    fn default() -> Self {
        Self::DELIVERY
    }
}

/// A rule and whether a PIN keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleState {
    /// The rule.
    pub rule: Rule,
    /// Whether it is met.
    pub met: bool,
}

/// A rule for a new PIN. Its `Display` goes after "it has to have".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// At least so many characters.
    AtLeast(u8),
    /// At most so many characters.
    AtMost(u8),
    /// ASCII digits only.
    DigitsOnly,
    /// Any byte but FF.
    NoPadding,
    /// What FIDO takes as well, where the PIN is shared with it: UTF-8 text of
    /// at least four code points that does not end in the byte 00 and is in
    /// Unicode's Normalization Form C (CTAP 2.1, PIN composition requirements).
    FidoPin,
    /// Not weak.
    NotWeak,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(1) => f.write_str("at least 1 character"),
            Self::AtLeast(least) => write!(f, "at least {least} characters"),
            Self::AtMost(most) => write!(f, "at most {most} characters"),
            Self::DigitsOnly => f.write_str("digits only"),
            Self::NoPadding => f.write_str("no byte FF"),
            Self::FidoPin => f.write_str(
                "text that FIDO takes as it is: at least 4 characters of UTF-8, the last not NUL, \
                 each accent in one character with its letter (Unicode NFC; digits and letters \
                 without accents always do)",
            ),
            Self::NotWeak => f.write_str("no regular sequence, such as 1234, 8642 or 1111"),
        }
    }
}

/// A policy makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The least length is above the greatest.
    #[error("the least length, {minimum}, is above the greatest, {maximum}")]
    MinimumAboveMaximum {
        /// The least length.
        minimum: u8,
        /// The greatest length.
        maximum: u8,
    },
    /// A length that no PIN block holds.
    #[error("the lengths {minimum} to {maximum} are not within 4 to 8")]
    OutOfRange {
        /// The least length.
        minimum: u8,
        /// The greatest length.
        maximum: u8,
    },
}
