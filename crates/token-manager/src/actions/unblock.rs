//! Unblock the PIN: with the PUK, or by challenge and response.

use crescendo_ext::Evidence;
use crescendo_ext::aca::{ExternalAuthenticate, GetChallenge, UnlockPin, XauthChallenge};
use crescendo_ext::identity::Family;
use crescendo_ext::xauth::{XauthCryptogram, XauthKey};
use pcsc_transport::Continuity;
use piv_apdu::command::ResetRetryCounter;
use piv_apdu::secret::{Pin, Puk};
use piv_apdu::status::StatusWord;

use super::entry::{may_be_puk, may_become_pin};
use crate::capability::Action;
use crate::error::Unreadable;
use crate::failure::{ActionError, Aftermath, NotSent, Secret};
use crate::pin::PinStatus;
use crate::plan::{Plan, Step};
use crate::session::{Job, LastTry, Session};

const RESET: &str = "reset-retry-counter";
const CHALLENGE: &str = "challenge";
const ANSWER: &str = "external-authenticate";
const UNLOCK: &str = "unlock-pin";
const TRIES_LEFT: &str = "tries-left";

/// What unblocks the PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnblockWith {
    /// The PUK.
    Puk,
    /// The response to a challenge, which somebody else makes with the admin key.
    Response,
    /// The admin key itself.
    AdminKey,
    /// The unlock code of a token that always gives the same challenge.
    UnlockCode,
}

/// How an unblocking went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unblocked {
    /// The PIN's state after: it has all its tries again. Unknown if the token
    /// was lost before it told.
    pub after: PinStatus,
}

/// A challenge of the token's, for whoever has the admin key. It holds until
/// the token is used otherwise, loses power, or is asked for another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnblockChallenge {
    challenge: XauthChallenge,
}

impl UnblockChallenge {
    /// The challenge: 8 bytes for a 3DES key, 16 for an AES key. Its `Display`
    /// is what is told to the helpdesk.
    pub fn challenge(&self) -> &XauthChallenge {
        &self.challenge
    }
}

impl Session {
    /// Unblocks the PIN with the PUK and sets a new one: SELECT of the PIV
    /// application, RESET RETRY COUNTER (`00 2C 00 80 10 PUK new`), and an empty
    /// VERIFY to see the tries. A wrong PUK costs one of its tries. If an interrupted
    /// change has left in doubt whether a PUK that is kept is the token's, it is looked
    /// at now, on the token with VERIFY of the new PIN and GET DATA of `5FC109`.
    ///
    /// # Errors
    /// [`ActionError::NotSent`], [`ActionError::Wrong`],
    /// [`ActionError::Blocked`], [`ActionError::Refused`],
    /// [`ActionError::Interrupted`] with [`Aftermath::PinNewOrBlocked`], or with
    /// [`Aftermath::PinOldOrNew`] if the PIN was not blocked.
    pub fn unblock_with_puk(
        &mut self,
        puk: &Puk,
        new: &Pin,
        last_try: LastTry,
    ) -> Result<Unblocked, ActionError> {
        let plan = self.plan_unblock(UnblockWith::Puk)?;
        may_be_puk(puk)?;
        may_become_pin(&self.token.pin_policy, new)?;
        self.may_try_puk(last_try)?;
        let during = self.while_unblocking();
        let unblocked = self.carry_out(&plan, |session| {
            let mut job = session.job(Action::UnblockWithPuk)?;
            let result = reset_retry_counter(&mut job, puk, new, during);
            job.end();
            session.note_puk(&result);
            session.unblocked(result)
        })?;
        self.note_proven_puk(puk, new);
        Ok(unblocked)
    }

    /// Asks the token for a challenge: SELECT of the ACA, GET CHALLENGE
    /// (`00 84 00 00 00`; on a C4000 P2 = 01). Tell it to whoever has the admin
    /// key, and go on with
    /// [`unblock_with_response`](Self::unblock_with_response), in this session.
    ///
    /// # Errors
    /// [`ActionError::Unavailable`], [`ActionError::Refused`],
    /// [`ActionError::Interrupted`].
    pub fn unblock_challenge(&mut self) -> Result<UnblockChallenge, ActionError> {
        let plan = self.plan_unblock(UnblockWith::Response)?;
        self.carry_out(&plan, |session| {
            let mut job = session.job(Action::UnblockWithChallengeResponse)?;
            let challenge = challenge(&mut job)?;
            job.end();
            Ok(UnblockChallenge { challenge })
        })
    }

    /// Unblocks the PIN with the response to the challenge, and sets a new
    /// one: EXTERNAL AUTHENTICATE (`00 82 00 01 Lc response`), UNLOCK PIN
    /// (`00 2C 02 00 08 new`). Nothing is selected in between, since that would
    /// end the challenge: if another program has used the token meanwhile, the
    /// token refuses, and a new challenge is needed.
    ///
    /// # Errors
    /// [`ActionError::Wrong`] if the response is wrong (a new challenge is
    /// needed), [`ActionError::Blocked`] if no unlock is left,
    /// [`ActionError::NotSent`], with [`NotSent::ChallengeLost`] if the token was
    /// reset meanwhile; [`ActionError::Refused`],
    /// [`ActionError::Interrupted`] with [`Aftermath::PinNewOrBlocked`], or with
    /// [`Aftermath::PinOldOrNew`] if the PIN was not blocked.
    pub fn unblock_with_response(
        &mut self,
        challenge: &UnblockChallenge,
        response: &XauthCryptogram,
        new: &Pin,
    ) -> Result<Unblocked, ActionError> {
        let plan = self.plan_unblock(UnblockWith::Response)?;
        may_become_pin(&self.token.pin_policy, new)?;
        if response.as_bytes().len() != challenge.challenge.as_bytes().len() {
            let what = "the response has another length than the challenge".to_owned();
            return Err(NotSent::KeyDoesNotFit(what).into());
        }
        let during = self.while_unblocking();
        self.carry_out(&plan, |session| {
            // Who it is need not be asked: another token has not given the challenge.
            let lost = session.was_lost();
            let mut job = session.job_on_any(Action::UnblockWithChallengeResponse)?;
            if lost || job.transaction().continuity() == Continuity::Lost {
                return Err(NotSent::ChallengeLost.into());
            }
            let result = external_authenticate(&mut job, response)
                .and_then(|()| unlock(&mut job, new, during));
            job.end();
            session.unblocked(result)
        })
    }

    /// Unblocks the PIN with the admin key itself, in one transaction: the
    /// commands of [`unblock_challenge`](Self::unblock_challenge) and
    /// [`unblock_with_response`](Self::unblock_with_response).
    ///
    /// # Errors
    /// As those.
    pub fn unblock_with_key(
        &mut self,
        key: &XauthKey,
        new: &Pin,
    ) -> Result<Unblocked, ActionError> {
        let plan = self.plan_unblock(UnblockWith::AdminKey)?;
        may_become_pin(&self.token.pin_policy, new)?;
        self.unblock_in_one(&plan, new, |job| authenticate_admin(job, key))
    }

    /// Unblocks the PIN with the unlock code of a token that always gives the
    /// same challenge ([`Token::has_static_challenge`](crate::Token)): the code
    /// is the constant response, and is used like a PUK. In one transaction:
    /// the commands of [`unblock_challenge`](Self::unblock_challenge) and
    /// [`unblock_with_response`](Self::unblock_with_response).
    ///
    /// # Errors
    /// As those; [`ActionError::Wrong`] for the unlock code, of which no count
    /// of tries is documented.
    pub fn unblock_with_code(
        &mut self,
        code: &XauthCryptogram,
        new: &Pin,
    ) -> Result<Unblocked, ActionError> {
        self.ensure(Action::UnblockWithChallengeResponse)?;
        may_become_pin(&self.token.pin_policy, new)?;
        let plan = self.plan_unblock(UnblockWith::UnlockCode)?;
        self.unblock_in_one(&plan, new, |job| answer_with_code(job, code))
    }

    /// One transaction: the challenge is asked for and answered, and the new PIN set.
    fn unblock_in_one(
        &mut self,
        plan: &Plan,
        new: &Pin,
        answer: impl FnOnce(&mut Job<'_>) -> Result<(), ActionError>,
    ) -> Result<Unblocked, ActionError> {
        let during = self.while_unblocking();
        self.carry_out(plan, |session| {
            let mut job = session.job(Action::UnblockWithChallengeResponse)?;
            let result = answer(&mut job).and_then(|()| unlock(&mut job, new, during));
            job.end();
            session.unblocked(result)
        })
    }

    /// What unblocking the PIN would do: for [`UnblockWith::Response`], both
    /// [`unblock_challenge`](Self::unblock_challenge) and
    /// [`unblock_with_response`](Self::unblock_with_response). Sends nothing.
    ///
    /// # Errors
    /// [`ActionError::Unavailable`]; [`ActionError::NotSent`] for an unlock code on
    /// a token that gives another challenge each time.
    pub fn plan_unblock(&self, with: UnblockWith) -> Result<Plan, ActionError> {
        let tries = Step::new(TRIES_LEFT, "see that the PIN has its tries back").sends(&["VERIFY"]);
        if with == UnblockWith::Puk {
            let action = Action::UnblockWithPuk;
            self.ensure(action)?;
            let reset = Step::new(RESET, "present the PUK, and set the new PIN")
                .sends(&["RESET RETRY COUNTER"])
                .evidence(self.family().map(|_| Evidence::ProjectProfile))
                .irreversible();
            return Ok(Plan::new(action).step(reset).step(tries));
        }
        let action = Action::UnblockWithChallengeResponse;
        self.ensure(action)?;
        if with == UnblockWith::UnlockCode && !self.token.has_static_challenge() {
            let what = "this token gives another challenge each time, which no fixed code answers";
            return Err(NotSent::KeyDoesNotFit(what.to_owned()).into());
        }
        let answer = match with {
            UnblockWith::AdminKey => "answer it with the admin key",
            UnblockWith::UnlockCode => "answer it with the unlock code",
            _ => "answer it with the response that is given",
        };
        let ask = "ask the token for a challenge";
        Ok(Plan::new(action)
            .step(self.vendor_step(CHALLENGE, ask, &["GET CHALLENGE"]))
            .step(self.vendor_step(ANSWER, answer, &["EXTERNAL AUTHENTICATE"]))
            .step(
                self.vendor_step(UNLOCK, "set the new PIN", &["UNLOCK PIN"])
                    .irreversible(),
            )
            .step(tries))
    }

    /// What it means to lose the token with the command on its way: a PIN that
    /// has tries left tells nothing by them.
    fn while_unblocking(&self) -> Aftermath {
        match self.token.pin.status {
            PinStatus::Blocked => Aftermath::PinNewOrBlocked,
            _ => Aftermath::PinOldOrNew,
        }
    }

    /// Looks at the tries, which are all back. A token that is lost by now is
    /// unblocked all the same.
    fn unblocked(&mut self, result: Result<(), ActionError>) -> Result<Unblocked, ActionError> {
        // It may not be blocked any more, also where that is not certain.
        if !matches!(
            result,
            Err(ActionError::Wrong { .. } | ActionError::Blocked { .. } | ActionError::NotSent(_))
        ) {
            self.note_pin(PinStatus::Unknown(Unreadable::NotTold(
                "not asked since the token was unblocked, or was to be",
            )));
        }
        result?;
        self.note_changed();
        self.token.note_shared_pin_changed();
        self.steps.come_to(TRIES_LEFT);
        let after = self.refresh_pin_status().unwrap_or_else(|error| {
            self.steps.fail(&error);
            self.token.pin.status.clone()
        });
        Ok(Unblocked { after })
    }
}

fn reset_retry_counter(
    job: &mut Job<'_>,
    puk: &Puk,
    new: &Pin,
    during: Aftermath,
) -> Result<(), ActionError> {
    job.select_piv()?;
    job.at(RESET, during);
    let reference = job.pin_reference();
    job.send(&ResetRetryCounter {
        reference,
        puk: puk.padded(),
        new: new.padded(),
    })?
    .map_err(|status| job.refused_secret(Secret::Puk, status))
}

/// GET CHALLENGE and EXTERNAL AUTHENTICATE with the constant response.
pub(crate) fn answer_with_code(
    job: &mut Job<'_>,
    code: &XauthCryptogram,
) -> Result<(), ActionError> {
    let challenge = challenge(job)?;
    if challenge.as_bytes().len() != code.as_bytes().len() {
        let what = "the unlock code has another length than the token's challenge".to_owned();
        return Err(NotSent::KeyDoesNotFit(what).into());
    }
    external_authenticate(job, code).map_err(|error| match error {
        ActionError::Wrong { tries_left, .. } => ActionError::Wrong {
            secret: Secret::UnlockCode,
            tries_left,
        },
        other => other,
    })
}

/// SELECT of the ACA, GET CHALLENGE.
pub(crate) fn challenge(job: &mut Job<'_>) -> Result<XauthChallenge, ActionError> {
    job.step(CHALLENGE).select_aca()?;
    let family = job.family().unwrap_or(Family::C2300);
    job.demand(&GetChallenge { family })
}

/// GET CHALLENGE and EXTERNAL AUTHENTICATE with the admin key.
pub(crate) fn authenticate_admin(job: &mut Job<'_>, key: &XauthKey) -> Result<(), ActionError> {
    let challenge = challenge(job)?;
    let response = key
        .cryptogram(&challenge)
        .map_err(|error| NotSent::KeyDoesNotFit(error.to_string()))?;
    external_authenticate(job, &response)
}

/// EXTERNAL AUTHENTICATE, in the application that has given the challenge.
fn external_authenticate(job: &mut Job<'_>, response: &XauthCryptogram) -> Result<(), ActionError> {
    job.step(ANSWER);
    let command = ExternalAuthenticate {
        cryptogram: response.clone(),
    };
    job.send(&command)?.map_err(|status| match status {
        // Documented without a counter.
        StatusWord::VERIFICATION_FAILED => ActionError::Wrong {
            secret: Secret::AdminKey,
            tries_left: None,
        },
        status => job.refused(status),
    })
}

/// UNLOCK PIN, with the admin key authenticated.
fn unlock(job: &mut Job<'_>, new: &Pin, during: Aftermath) -> Result<(), ActionError> {
    job.at(UNLOCK, during);
    let command = UnlockPin { new: new.padded() };
    job.send(&command)?.map_err(|status| match status {
        // Vendor: the unlocks are used up. What `63CX` counts are the unlocks, too.
        status
            if status == StatusWord::AUTHENTICATION_METHOD_BLOCKED
                || status.tries_left() == Some(0) =>
        {
            ActionError::Blocked {
                secret: Secret::AdminKey,
            }
        }
        status => job.refused(status),
    })
}
