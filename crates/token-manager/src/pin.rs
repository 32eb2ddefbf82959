//! The PIN as far as it can be known without trying it: tries left, and the
//! policy in force.

use std::fmt;
use std::ops::RangeInclusive;

use crescendo_ext::Evidence;
use crescendo_ext::aca::PinProperties;
use piv_apdu::key::KeyReference;
use piv_apdu::status::StatusWord;

use token_profile::{Alphabet as ProfileAlphabet, Policy, Rule, RuleState};

use crate::error::Unreadable;

/// The PIN's state, as a VERIFY with an empty body tells it (`00 20 00 80`,
/// SP 800-73 Part 2, VERIFY). Asking spends no try.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PinState {
    /// Which PIN was asked about: the PIV application's (80), or the global
    /// one (00) on a card that has no other.
    pub reference: KeyReference,
    /// What the card said.
    pub status: PinStatus,
}

/// What is known about a PIN's tries.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PinStatus {
    /// So many tries are left (63CX with X from 1; the counter's own maximum
    /// is not told).
    TriesLeft(u8),
    /// The PIN is verified at this moment (9000). The card does not tell the
    /// tries left then; it is never "0 left".
    AlreadyVerified,
    /// No try is left (6983, or 63C0): the PIN has to be unblocked.
    Blocked,
    /// The card has no such PIN (6A88), for instance because none was set yet.
    NotSet,
    /// The card did not tell.
    Unknown(Unreadable),
}

impl PinStatus {
    /// Reads the answer to an empty VERIFY (SP 800-73 Part 2, VERIFY).
    pub fn from_status_word(status: StatusWord) -> Self {
        match status {
            StatusWord::SUCCESS => Self::AlreadyVerified,
            StatusWord::AUTHENTICATION_METHOD_BLOCKED => Self::Blocked,
            StatusWord::REFERENCED_DATA_NOT_FOUND => Self::NotSet,
            other => match other.tries_left() {
                Some(0) => Self::Blocked,
                Some(left) => Self::TriesLeft(left),
                None => Self::Unknown(Unreadable::Refused(other)),
            },
        }
    }

    /// The number of tries left where the card told it; a blocked PIN has 0.
    pub fn tries_left(&self) -> Option<u8> {
        match self {
            Self::TriesLeft(left) => Some(*left),
            Self::Blocked => Some(0),
            Self::AlreadyVerified | Self::NotSet | Self::Unknown(_) => None,
        }
    }
}

impl fmt::Display for PinStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TriesLeft(1) => f.write_str("1 try left"),
            Self::TriesLeft(left) => write!(f, "{left} tries left"),
            Self::AlreadyVerified => f.write_str("already verified"),
            Self::Blocked => f.write_str("blocked, no try left"),
            Self::NotSet => f.write_str("not set"),
            Self::Unknown(why) => write!(f, "unknown ({why})"),
        }
    }
}

/// Which rule the token's PIN has to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[allow(clippy::struct_excessive_bools, reason = "each is a rule of its own")]
pub struct PinPolicy {
    /// Least number of characters.
    pub minimum: u8,
    /// Greatest number of characters.
    pub maximum: u8,
    /// Which characters.
    pub alphabet: Alphabet,
    /// Whose rule decides. A card's own rule wins over the standard's range,
    /// because the card is what will accept or refuse a PIN.
    pub decided_by: PolicySource,
    /// How well the card's answer is documented; `None` where the standard
    /// decides.
    pub evidence: Option<Evidence>,
    /// What the card said, where it has a command for it (GET PIN PROPERTIES,
    /// `00 56 02 00 01 31 00`).
    pub card: Option<PinProperties>,
    /// Whether a new PIN is refused if it is weak, such as 123456
    /// ([`token_profile::is_weak`]).
    pub refuse_weak: bool,
    /// Whether the PIN is the FIDO PIN too, and has to be one that FIDO takes.
    pub fido_shared_pin: bool,
    /// Whether the PIN has to be changed before the token is used.
    pub force_change: bool,
    /// Whether the card itself enforces the token management profile.
    pub enforced_by_card: bool,
    /// Whether it was agreed that the standard's rule need not be the card's, which
    /// tells none ([`Overrides::allow_any_pin`](crate::Overrides)).
    pub any_pin: bool,
    /// What a person should know about how this was arrived at.
    pub notes: Vec<PolicyNote>,
}

/// The characters that a PIN may be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Alphabet {
    /// ASCII digits, 30 to 39.
    Digits,
    /// Any byte from 00 to FE; FF is padding.
    AnyButPadding,
}

impl Alphabet {
    /// What it is called in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Digits => "digits",
            Self::AnyButPadding => "characters of any kind",
        }
    }
}

/// Whose rule decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PolicySource {
    /// The card told its own rule.
    Card,
    /// The card has no way to tell, or told nonsense: SP 800-73's range.
    Standard,
    /// The same, and it was agreed that the standard's range need not hold.
    Nobody,
    /// The token management profile, this project's own, is the narrowest.
    Profile,
}

impl PolicySource {
    /// What it is called in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Card => "the card's own rule",
            Self::Standard => "the standard's rule (SP 800-73)",
            Self::Nobody => "since no rule of the card's is known",
            Self::Profile => "the token management profile's rule",
        }
    }
}

/// Something to know about a [`PinPolicy`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyNote {
    /// The card's range of lengths is not the standard's.
    LengthsDiffer {
        /// The card's range.
        card: RangeInclusive<u8>,
    },
    /// The card takes more than digits, the standard only digits.
    AlphabetsDiffer,
    /// What the alphabet byte means is an inference: no public document gives
    /// its polarity.
    AlphabetInferred {
        /// The byte as the card sent it.
        raw: u8,
    },
    /// The card's range makes no sense (least over greatest, zero, or more
    /// than the 8 bytes of a PIN block), so the standard's is shown.
    CardRangeInvalid {
        /// Least length, as the card sent it.
        minimum: u8,
        /// Greatest length, as the card sent it.
        maximum: u8,
    },
    /// The token management profile narrows the rule; on this token it is
    /// kept by the hosts that run this software, and not by the card.
    KeptByHost,
    /// The token management profile leaves no PIN that the card would take, so
    /// the card's rule is shown.
    ProfileOutsideCard {
        /// The profile's range.
        profile: RangeInclusive<u8>,
    },
}

impl fmt::Display for PolicyNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LengthsDiffer { card } => write!(
                f,
                "the card takes {} to {} characters and decides; the standard says 6 to 8, and \
                 other PIV programs may refuse a PIN outside that",
                card.start(),
                card.end()
            ),
            Self::AlphabetsDiffer => f.write_str(
                "the card takes more than digits and decides; the standard says digits, and other \
                 PIV programs may refuse anything else",
            ),
            Self::AlphabetInferred { raw } => write!(
                f,
                "that {raw:02X} stands for {} is inferred, not documented",
                if *raw == 0 {
                    "characters of any kind"
                } else {
                    "digits"
                }
            ),
            Self::CardRangeInvalid { minimum, maximum } => write!(
                f,
                "the card reports lengths from {minimum} to {maximum}, which cannot be; the \
                 standard's range is shown instead"
            ),
            Self::KeptByHost => f.write_str(
                "the token management profile is kept by computers that run this software; the \
                 card itself does not know it",
            ),
            Self::ProfileOutsideCard { profile } => write!(
                f,
                "the token management profile wants {} to {} characters, which the card does not \
                 take; the card decides",
                profile.start(),
                profile.end()
            ),
        }
    }
}

impl PinPolicy {
    /// SP 800-73's range of lengths: 6 to 8.
    pub const STANDARD_LENGTH: RangeInclusive<u8> = 6..=8;

    /// SP 800-73's rule, for a card that cannot tell its own: 6 to 8 digits.
    pub fn standard() -> Self {
        Self {
            minimum: *Self::STANDARD_LENGTH.start(),
            maximum: *Self::STANDARD_LENGTH.end(),
            alphabet: Alphabet::Digits,
            decided_by: PolicySource::Standard,
            evidence: None,
            card: None,
            refuse_weak: false,
            fido_shared_pin: false,
            force_change: false,
            enforced_by_card: false,
            any_pin: false,
            notes: Vec::new(),
        }
    }

    /// The rule that a card tells through GET PIN PROPERTIES. Its answer
    /// decides, with notes where it differs from the standard; an impossible
    /// range gives way to the standard's.
    pub fn from_card(properties: PinProperties) -> Self {
        let Some(lengths) = properties.lengths() else {
            let (minimum, maximum) = (properties.minimum, properties.maximum);
            return Self {
                card: Some(properties),
                notes: vec![PolicyNote::CardRangeInvalid { minimum, maximum }],
                ..Self::standard()
            };
        };
        let (minimum, maximum) = lengths.clone().into_inner();
        let mut notes = Vec::new();
        if lengths != Self::STANDARD_LENGTH {
            notes.push(PolicyNote::LengthsDiffer { card: lengths });
        }
        let alphabet = if properties.numeric_only() {
            Alphabet::Digits
        } else {
            notes.push(PolicyNote::AlphabetsDiffer);
            Alphabet::AnyButPadding
        };
        notes.push(PolicyNote::AlphabetInferred {
            raw: properties.numeric_only_raw,
        });
        Self {
            minimum,
            maximum,
            alphabet,
            decided_by: PolicySource::Card,
            evidence: Some(Evidence::Vendor),
            card: Some(properties),
            refuse_weak: false,
            fido_shared_pin: false,
            force_change: false,
            enforced_by_card: false,
            any_pin: false,
            notes,
        }
    }

    /// The rule of a card that enforces a token management profile: the
    /// profile's. `said` is what it told when it was read, which was the rule
    /// of that moment.
    pub(crate) fn of_enforced(policy: &Policy, said: Option<PinProperties>) -> Self {
        let properties = PinProperties {
            minimum: policy.minimum,
            maximum: policy.maximum,
            rfu: [0; 2],
            numeric_only_raw: u8::from(policy.alphabet == ProfileAlphabet::Digits),
        };
        let mut rule = Self::from_card(properties);
        if rule.as_profile() != Policy::DELIVERY {
            rule.decided_by = PolicySource::Profile;
            rule.evidence = Some(Evidence::ProjectProfile);
        }
        Self {
            card: said,
            refuse_weak: policy.refuse_weak,
            fido_shared_pin: policy.fido_shared_pin,
            force_change: policy.force_change,
            enforced_by_card: true,
            ..rule
        }
    }

    /// This rule, narrowed by a token management profile that hosts keep: of
    /// each two limits the narrower one holds.
    #[must_use]
    pub(crate) fn narrowed_by(mut self, policy: &Policy) -> Self {
        self.refuse_weak = policy.refuse_weak;
        self.force_change = policy.force_change;
        let minimum = self.minimum.max(policy.minimum);
        let maximum = self.maximum.min(policy.maximum);
        if minimum > maximum {
            let profile = policy.minimum..=policy.maximum;
            self.notes.push(PolicyNote::ProfileOutsideCard { profile });
            return self;
        }
        let digits = policy.alphabet == ProfileAlphabet::Digits;
        let narrower = (minimum, maximum) != (self.minimum, self.maximum)
            || (digits && self.alphabet != Alphabet::Digits);
        if narrower {
            self.decided_by = PolicySource::Profile;
            self.evidence = Some(Evidence::ProjectProfile);
        }
        self.minimum = minimum;
        self.maximum = maximum;
        if digits {
            self.alphabet = Alphabet::Digits;
        }
        if narrower || self.refuse_weak || self.force_change {
            self.notes.push(PolicyNote::KeptByHost);
        }
        self
    }

    /// Every rule that a new PIN has to keep, each met by `pin` or not, in the
    /// order in which they are shown.
    pub fn rules(&self, pin: &[u8]) -> Vec<RuleState> {
        self.as_profile().rules(pin)
    }

    fn as_profile(&self) -> Policy {
        let mut policy = Policy::DELIVERY;
        policy.minimum = self.minimum;
        policy.maximum = self.maximum;
        policy.alphabet = match self.alphabet {
            Alphabet::Digits => ProfileAlphabet::Digits,
            Alphabet::AnyButPadding => ProfileAlphabet::Any,
        };
        policy.refuse_weak = self.refuse_weak;
        policy.fido_shared_pin = self.fido_shared_pin;
        policy
    }

    /// The rule without what a profile adds: the card's own, or else the standard's,
    /// or any PIN if that was agreed to.
    #[must_use]
    pub fn without_profile(&self) -> Self {
        let rule = self.card.map_or_else(Self::standard, Self::from_card);
        rule.allowing_any(self.any_pin)
    }

    /// Any PIN in the place of the standard's rule, or that rule again. A rule that
    /// the card or a profile tells stays.
    #[must_use]
    pub(crate) fn allowing_any(self, any_pin: bool) -> Self {
        let standard = Self::standard();
        match self.decided_by {
            PolicySource::Standard if any_pin => Self {
                minimum: 1,
                alphabet: Alphabet::AnyButPadding,
                decided_by: PolicySource::Nobody,
                any_pin,
                ..self
            },
            PolicySource::Nobody if !any_pin => Self {
                minimum: standard.minimum,
                alphabet: standard.alphabet,
                decided_by: standard.decided_by,
                any_pin,
                ..self
            },
            _ => self,
        }
    }

    /// The rule that `pin` breaks and that holds for every PIN this token ever
    /// had, and whose it is: the card's own, or else the standard's. A profile is no
    /// such rule, since a PIN may be older than it; and a card that enforces one has
    /// no other rule to tell.
    pub(crate) fn any_pin_breaks(&self, pin: &[u8]) -> Option<(Rule, PolicySource)> {
        let whose = if self.enforced_by_card {
            PolicySource::Card
        } else {
            self.without_profile().decided_by
        };
        let broken = self.of_any_pin().accepts(pin).err();
        broken.map(|rule| (rule, whose))
    }

    /// The rule that holds for every PIN this token ever had.
    pub(crate) fn of_any_pin(&self) -> Policy {
        if self.enforced_by_card {
            Policy::DELIVERY
        } else {
            self.without_profile().as_profile()
        }
    }

    /// The lengths that both the rule in force and the standard allow: what a
    /// PIN should keep to so that every PIV program takes it. `None` if there
    /// is no such length.
    pub fn interoperable_length(&self) -> Option<RangeInclusive<u8>> {
        let least = self.minimum.max(*Self::STANDARD_LENGTH.start());
        let greatest = self.maximum.min(*Self::STANDARD_LENGTH.end());
        (least <= greatest).then_some(least..=greatest)
    }
}

impl fmt::Display for PinPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.minimum == self.maximum {
            write!(f, "{}", self.minimum)?;
        } else {
            write!(f, "{} to {}", self.minimum, self.maximum)?;
        }
        write!(f, " {}, {}", self.alphabet.name(), self.decided_by.name())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

    use super::*;

    fn policy(minimum: u8, maximum: u8, numeric_only: u8) -> PinPolicy {
        let answer = [0x31, 0x05, minimum, maximum, 0, 0, numeric_only];
        PinPolicy::from_card(PinProperties::decode(&answer).unwrap())
    }

    #[test]
    fn the_card_s_rule_wins_and_says_where_it_differs() {
        let rule = policy(4, 8, 0);
        assert_eq!((rule.minimum, rule.maximum), (4, 8));
        assert_eq!(rule.decided_by, PolicySource::Card);
        assert_eq!(rule.alphabet, Alphabet::AnyButPadding);
        assert_eq!(
            rule.notes,
            [
                PolicyNote::LengthsDiffer { card: 4..=8 },
                PolicyNote::AlphabetsDiffer,
                PolicyNote::AlphabetInferred { raw: 0 },
            ]
        );
        assert_eq!(rule.interoperable_length(), Some(6..=8));

        let same = policy(6, 8, 1);
        assert_eq!(same.alphabet, Alphabet::Digits);
        assert_eq!(same.notes, [PolicyNote::AlphabetInferred { raw: 1 }]);
        assert_eq!(same.to_string(), "6 to 8 digits, the card's own rule");
    }

    #[test]
    fn a_rule_may_have_no_length_in_common_with_the_standard() {
        assert_eq!(policy(4, 5, 1).interoperable_length(), None);
    }

    #[test]
    fn an_impossible_range_gives_way_to_the_standard_s() {
        for (minimum, maximum) in [(0, 8), (8, 4), (4, 9), (9, 9), (255, 0)] {
            let rule = policy(minimum, maximum, 1);
            assert_eq!((rule.minimum, rule.maximum), (6, 8));
            assert_eq!(rule.decided_by, PolicySource::Standard);
            assert!(rule.card.is_some(), "what the card said is kept");
            assert_eq!(
                rule.notes,
                [PolicyNote::CardRangeInvalid { minimum, maximum }]
            );
        }
    }

    #[test]
    fn every_status_word_has_a_meaning() {
        for status in 0..=u16::MAX {
            let pin = PinStatus::from_status_word(StatusWord::new(status));
            let expected = match status {
                0x9000 => PinStatus::AlreadyVerified,
                0x6983 | 0x63C0 => PinStatus::Blocked,
                0x6A88 => PinStatus::NotSet,
                0x63C1..=0x63CF => PinStatus::TriesLeft((status & 0xF) as u8),
                _ => PinStatus::Unknown(Unreadable::Refused(StatusWord::new(status))),
            };
            assert_eq!(pin, expected, "{status:04X}");
        }
    }
}
