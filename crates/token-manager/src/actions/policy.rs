//! Set the PIN policy, and say who enforces which rule of it.

use std::fmt;

use crescendo_ext::Evidence;
use piv_apdu::command::{GetData, PutData};
use piv_apdu::object::ObjectTag;
use piv_apdu::status::StatusWord;
use token_profile::{Alphabet, ChallengeType, ManagementProfile, OBJECT_TAG, Policy};

use super::authenticate::verify;
use super::entry::PinEntry;
use super::rules::PolicyRule;
use crate::capability::{Action, Capability, Reason};
use crate::failure::{ActionError, Aftermath, PolicyRefusal};
use crate::pin::{PinStatus, PolicySource};
use crate::plan::{Plan, Step};
use crate::session::{Job, LastTry, Session};
use crate::token::ProfileState;

const WRITE_RECORD: &str = "write-record";

/// Who makes a rule of the PIN policy hold on a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Enforcer {
    /// The card: no program gets round it.
    Card,
    /// The computers that run this software: other programs don't know of it.
    Host,
    /// Nobody, but computers that run this software ask for it.
    Prompt,
    /// Nobody: the token has no such thing.
    Nobody,
}

impl Enforcer {
    /// A stable identifier for programs: `card`, `host`, `prompt`, `nobody`.
    pub fn id(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Host => "host",
            Self::Prompt => "prompt",
            Self::Nobody => "nobody",
        }
    }

    /// As part of a sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Card => "the card enforces it",
            Self::Host => "computers that run this software enforce it, other programs do not",
            Self::Prompt => "computers that run this software ask for it, nothing enforces it",
            Self::Nobody => "nothing enforces it on this token",
        }
    }
}

impl fmt::Display for Enforcer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

/// How a change of the policy went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicySet {
    /// What was changed; nothing if the policy was the one in force already.
    pub changed: Vec<Action>,
    /// The PIN's state before; `None` if there was nothing to change, so that
    /// nothing was sent.
    pub before: Option<PinStatus>,
}

impl Session {
    /// The policy of the token management profile, that of a token as
    /// delivered if there is none: what a change starts from. The rule for a
    /// PIN that follows from it and from the card is
    /// [`policy`](Self::policy).
    pub fn managed_policy(&self) -> Policy {
        let profile = self.token.profile.profile();
        profile.map_or(Policy::DELIVERY, |profile| profile.policy.clone())
    }

    /// Who enforces each part of the policy on this token, or would if it were
    /// set. Sends nothing.
    pub fn enforcement(&self) -> Vec<(Action, Enforcer)> {
        let (rule, card) = (&self.token.pin_policy, &self.token.facts.card_policy);
        let by_card = card.decided_by == PolicySource::Card;
        let enforcer = |part| match part {
            Action::UpdatePinLength
                if by_card && (rule.minimum, rule.maximum) == (card.minimum, card.maximum) =>
            {
                Enforcer::Card
            }
            Action::UpdatePinAlphabet if by_card && rule.alphabet == card.alphabet => {
                Enforcer::Card
            }
            part => self.enforcer(part),
        };
        PolicyRule::ACTIONS
            .map(|part| (part, enforcer(part)))
            .to_vec()
    }

    /// Who enforces a part of the token management profile.
    fn enforcer(&self, part: Action) -> Enforcer {
        match part {
            _ if self.token.pin_policy.enforced_by_card => Enforcer::Card,
            Action::UpdateForcePinChange => Enforcer::Prompt,
            Action::UpdateChallengeType | Action::UpdateFidoSharedPin => Enforcer::Nobody,
            _ => Enforcer::Host,
        }
    }

    /// What [`set_policy`](Self::set_policy) would do, with who enforces each
    /// change. Sends nothing. Without steps if nothing would change.
    ///
    /// # Errors
    /// As `set_policy`, but for what only the PIN tells.
    pub fn plan_policy(&self, new: &Policy) -> Result<Plan, ActionError> {
        let changed = self.check_policy(new)?;
        let Some(action) = changed.first() else {
            return Ok(Plan::new(Action::UpdatePinLength));
        };
        let profile = Some(Evidence::ProjectProfile);
        let mut plan = Plan::new(*action).step(self.verify_pin_step());
        plan = if self.keeps_profile_on_token() {
            plan.step(
                Step::new("write-policy", "write the policy to the token")
                    .sends(&["PUT DATA"])
                    .evidence(profile),
            )
            .step(
                Step::new("read-back", "read it back and compare")
                    .sends(&["GET DATA"])
                    .evidence(profile),
            )
        } else {
            let text = "keep the policy on this computer, by the token's identity";
            plan.step(Step::new(WRITE_RECORD, text))
        };
        let present = self.managed_policy();
        for part in changed {
            let text = format!(
                "{}: {} becomes {}; {}",
                part.name(),
                value(part, &present),
                value(part, new),
                self.enforcer(part)
            );
            plan = plan.step(Step::new(part.id(), text));
        }
        Ok(plan)
    }

    /// Sets the PIN policy. The PIN confirms it, and is not changed by it.
    ///
    /// On a token that keeps the token management profile: an empty VERIFY
    /// (tries left), SELECT of the ACA, `00 20 00 00 08 PIN`, SELECT of the PIV
    /// application, PUT DATA of `5FFD01` and GET DATA to read it back, in one
    /// transaction. Else the policy is kept on this computer, and the same
    /// VERIFY is all that is sent (on a plain PIV card `00 20 00 80 08 PIN`).
    /// Sends nothing at all if nothing would change, if the policy is refused,
    /// or if what was given can't be this token's PIN.
    ///
    /// With `force_change` a card that enforces the profile refuses its PIN
    /// until it is changed.
    ///
    /// # Errors
    /// [`ActionError::Policy`] if it makes no sense, leaves no PIN that the card
    /// takes, or is broken by the present PIN as far as that was typed here;
    /// [`ActionError::Unavailable`] for a change that this token can't make;
    /// [`ActionError::NotSent`], [`ActionError::Wrong`],
    /// [`ActionError::Blocked`], [`ActionError::PinPad`],
    /// [`ActionError::Refused`], [`ActionError::NotConfirmed`],
    /// [`ActionError::Store`]; [`ActionError::Interrupted`] with
    /// [`Aftermath::ObjectOldOrNew`] if the card was lost while it was written.
    /// The token is locked after.
    pub fn set_policy(
        &mut self,
        authority: PinEntry<'_>,
        last_try: LastTry,
        new: &Policy,
    ) -> Result<PolicySet, ActionError> {
        let changed = self.check_policy(new)?;
        if changed.is_empty() {
            let before = None;
            return Ok(PolicySet { changed, before });
        }
        let plan = self.plan_policy(new)?;
        self.check_presented(authority)?;
        if let PinEntry::Typed(pin) = authority
            && !new.force_change
        {
            let broken = |rule| PolicyRefusal::PresentPin { rule };
            new.accepts(pin.as_bytes()).map_err(broken)?;
        }
        self.carry_out(&plan, |session| {
            let before = session.write_policy(plan.action, authority, last_try, new)?;
            for part in &changed {
                session.steps.come_to(part.id());
            }
            let before = Some(before);
            Ok(PolicySet { changed, before })
        })
    }

    /// Verifies the PIN, and puts the policy where it is kept. Gives the PIN's state
    /// before.
    fn write_policy(
        &mut self,
        action: Action,
        pin: PinEntry<'_>,
        last_try: LastTry,
        new: &Policy,
    ) -> Result<PinStatus, ActionError> {
        let profile = ManagementProfile {
            policy: new.clone(),
            personalized: self
                .token
                .profile
                .profile()
                .is_some_and(|profile| profile.personalized),
            enforced_by_card: false,
        };
        let on_token = self.keeps_profile_on_token();
        let mut job = self.job(action)?;
        let verified = verify(&mut job, pin, last_try);
        let written = (on_token && verified.is_ok()).then(|| write_profile(&mut job, &profile));
        job.end();
        self.note_verification(&verified);
        self.note_locked();
        let before = verified?;
        if let Some(written) = written {
            self.token.profile = ProfileState::OnToken(written?);
            self.refresh();
        } else {
            self.steps.come_to(WRITE_RECORD);
            self.update_record(|record| record.profile = Some(profile.clone()))?;
        }
        self.note_changed();
        Ok(before)
    }

    /// Whether the policy can be set on this token, as far as it can be told
    /// without the PIN; gives what would change.
    fn check_policy(&self, new: &Policy) -> Result<Vec<Action>, ActionError> {
        if let ProfileState::Unusable(why) = &self.token.profile {
            return Err(PolicyRefusal::ProfileUnusable(why.clone()).into());
        }
        self.policy_fits(new)?;
        let changed = changes(&self.managed_policy(), new);
        for &part in &changed {
            if self.token.capabilities.get(part)
                == Capability::Unavailable(Reason::OnlyAtPersonalize)
            {
                return Err(PolicyRefusal::SharedPinOutsidePersonalize.into());
            }
            self.ensure(part)?;
        }
        Ok(changed)
    }

    /// Whether a policy makes sense, and leaves a PIN that the card takes. A
    /// card that enforces the profile has no range of its own.
    pub(crate) fn policy_fits(&self, new: &Policy) -> Result<(), PolicyRefusal> {
        new.check()?;
        let card = &self.token.facts.card_policy;
        let apart = new.minimum > card.maximum || new.maximum < card.minimum;
        if apart && !self.token.pin_policy.enforced_by_card {
            return Err(PolicyRefusal::OutsideCard {
                minimum: card.minimum,
                maximum: card.maximum,
            });
        }
        Ok(())
    }

    /// Whether the token has a place for the profile.
    pub(crate) fn keeps_profile_on_token(&self) -> bool {
        matches!(self.token.profile, ProfileState::OnToken(_))
    }
}

/// Writes the profile to the token, whose PIN or admin key is verified, and
/// reads it back; SELECT of the PIV application first. Gives what is on the
/// token then.
pub(crate) fn write_profile(
    job: &mut Job<'_>,
    profile: &ManagementProfile,
) -> Result<ManagementProfile, ActionError> {
    let tag = ObjectTag::new(OBJECT_TAG);
    job.step("select-piv").select_piv()?;
    job.risking("write-policy", Aftermath::ObjectOldOrNew);
    match job.send(&PutData::new(tag, &profile.encode()))? {
        Ok(()) => {}
        // Of what the profile refuses so, the host has checked all but the PIN.
        Err(StatusWord::CONDITIONS_NOT_SATISFIED) => {
            return Err(PolicyRefusal::PresentPinByCard.into());
        }
        Err(status) => return Err(job.refused(status)),
    }
    job.step("read-back");
    let content = job.demand(&GetData::new(tag))?;
    let found = ManagementProfile::decode(&content)
        .map_err(|error| job.not_confirmed(error.to_string()))?;
    if (&found.policy, found.personalized) != (&profile.policy, profile.personalized) {
        return Err(job.not_confirmed("it has another policy than was written"));
    }
    Ok(found)
}

fn changes(from: &Policy, to: &Policy) -> Vec<Action> {
    let mut changed = PolicyRule::ACTIONS.to_vec();
    changed.retain(|part| value(*part, from) != value(*part, to));
    changed
}

/// What a policy says on one of its parts.
fn value(part: Action, policy: &Policy) -> String {
    let one_of = |first, yes: &str, no: &str| if first { yes } else { no }.to_owned();
    match part {
        Action::UpdatePinLength => format!("{} to {}", policy.minimum, policy.maximum),
        Action::UpdatePinAlphabet => one_of(
            policy.alphabet == Alphabet::Digits,
            "digits",
            "characters of any kind",
        ),
        Action::UpdateForcePinChange => one_of(policy.force_change, "forced", "not forced"),
        Action::UpdateChallengeType => one_of(
            policy.challenge == ChallengeType::Static,
            "static",
            "dynamic",
        ),
        Action::UpdateWeakPinControl => one_of(policy.refuse_weak, "refused", "allowed"),
        _ => one_of(policy.fido_shared_pin, "shared", "not shared"),
    }
}
