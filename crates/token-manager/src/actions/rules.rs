//! The rules of the PIN policy one by one, as a person is shown them.

use token_profile::{Alphabet, ChallengeType, Policy};

use super::policy::Enforcer;
use crate::capability::{Action, Capability, Reason};
use crate::session::Session;

/// A rule of the PIN policy as it stands on a token.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyRule {
    /// The action that sets it.
    pub action: Action,
    /// A stable identifier for programs: `length`, `alphabet`, `force-change`, `challenge`,
    /// `refuse-weak`, `fido-shared-pin`.
    pub id: &'static str,
    /// The name for people.
    pub name: &'static str,
    /// What it is set to, in a word or two.
    pub value: String,
    /// Who makes it hold, or would if it were set.
    pub enforcer: Enforcer,
    /// Whether it can be set.
    pub capability: Capability,
    meaning: String,
    /// The token was personalized, and what is decided then is decided.
    is_decided: bool,
}

/// What a policy is set for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PolicyOccasion {
    /// The token as it is ([`Session::set_policy`]).
    Update,
    /// A token that is set up for a person ([`Session::personalize`]).
    Personalize {
        /// Whether it is erased first.
        erase: bool,
    },
}

impl PolicyRule {
    /// The rules of a policy, as the actions that set them.
    pub const ACTIONS: [Action; 6] = [
        Action::UpdatePinLength,
        Action::UpdatePinAlphabet,
        Action::UpdateForcePinChange,
        Action::UpdateChallengeType,
        Action::UpdateWeakPinControl,
        Action::UpdateFidoSharedPin,
    ];

    /// What the value means, as a sentence without a full stop. Whether it holds is
    /// [`enforcer`](Self::enforcer)'s to say.
    pub fn meaning(&self) -> &str {
        &self.meaning
    }

    /// What it means under another policy, in the same way.
    pub fn meaning_under(&self, policy: &Policy) -> String {
        words(self.action, policy).meaning
    }

    /// Why it can't be set on the token as it is; `None` if it can. That it takes the PIN is
    /// no reason: whoever sets it gives that.
    pub fn refusal(&self) -> Option<Reason> {
        self.capability.obstacle()
    }

    /// The same on this occasion: what is decided when a token is personalized can be set
    /// then, unless it was decided before and the token is not erased.
    pub fn refusal_at(&self, occasion: PolicyOccasion) -> Option<Reason> {
        let reason = self.refusal()?;
        match (occasion, reason) {
            (PolicyOccasion::Personalize { erase }, Reason::OnlyAtPersonalize)
                if erase || !self.is_decided =>
            {
                None
            }
            _ => Some(reason),
        }
    }
}

impl Session {
    /// Each rule of the PIN policy as it stands on the token: the management profile's,
    /// with length and characters as they are in force. Sends nothing.
    pub fn rules(&self) -> Vec<PolicyRule> {
        let mut in_force = self.managed_policy();
        let rule = self.policy();
        in_force.minimum = rule.minimum;
        in_force.maximum = rule.maximum;
        in_force.alphabet = match rule.alphabet {
            crate::pin::Alphabet::Digits => Alphabet::Digits,
            _ => Alphabet::Any,
        };
        let capabilities = &self.token.capabilities;
        let profile = self.token.profile.profile();
        let is_decided = profile.is_some_and(|profile| profile.personalized);
        self.enforcement()
            .into_iter()
            .map(|(action, enforcer)| {
                let Words {
                    id,
                    name,
                    value,
                    meaning,
                } = words(action, &in_force);
                PolicyRule {
                    action,
                    id,
                    name,
                    value,
                    enforcer,
                    capability: capabilities.get(action),
                    meaning,
                    is_decided,
                }
            })
            .collect()
    }
}

/// A rule in words.
struct Words {
    id: &'static str,
    name: &'static str,
    value: String,
    meaning: String,
}

impl Words {
    fn new(
        (id, name): (&'static str, &'static str),
        (value, meaning): (impl Into<String>, impl Into<String>),
    ) -> Self {
        Self {
            id,
            name,
            value: value.into(),
            meaning: meaning.into(),
        }
    }
}

fn words(action: Action, policy: &Policy) -> Words {
    match action {
        Action::UpdatePinLength => {
            let (minimum, maximum) = (policy.minimum, policy.maximum);
            let meaning = if minimum == maximum {
                format!("A new PIN has exactly {minimum} characters")
            } else {
                format!("A new PIN has {minimum} to {maximum} characters")
            };
            Words::new(
                ("length", "Length"),
                (format!("{minimum} to {maximum}"), meaning),
            )
        }
        Action::UpdatePinAlphabet => Words::new(
            ("alphabet", "Characters"),
            match policy.alphabet {
                Alphabet::Digits => ("digits", "A new PIN is made of digits only"),
                Alphabet::Any => ("any", "A new PIN may have characters of any kind"),
            },
        ),
        Action::UpdateForcePinChange => Words::new(
            ("force-change", "Change forced"),
            if policy.force_change {
                (
                    "yes",
                    "The PIN has to be changed before it is used for anything else",
                )
            } else {
                ("no", "The PIN may be used as it is")
            },
        ),
        Action::UpdateChallengeType => Words::new(
            ("challenge", "Unlock challenge"),
            match policy.challenge {
                ChallengeType::Static => (
                    "static",
                    "Unblocking takes the same response each time, a fixed unlock code",
                ),
                ChallengeType::Dynamic => (
                    "dynamic",
                    "Unblocking by the help desk takes a new response each time",
                ),
            },
        ),
        Action::UpdateWeakPinControl => Words::new(
            ("refuse-weak", "Weak PINs refused"),
            if policy.refuse_weak {
                (
                    "yes",
                    "A new PIN that is easy to guess, like 123456, is refused",
                )
            } else {
                ("no", "A new PIN may be easy to guess, like 123456")
            },
        ),
        _ => Words::new(
            ("fido-shared-pin", "PIN shared with FIDO"),
            if policy.fido_shared_pin {
                (
                    "yes",
                    "PIV and FIDO have one PIN: changed on either side, it is changed on both",
                )
            } else {
                ("no", "FIDO has a PIN of its own, or none")
            },
        ),
    }
}
