//! Authenticate: verify the PIN, hold the token open, and lock it again.

use crescendo_ext::aca::VerifyPin;
use crescendo_ext::identity::Family;
use pcsc_transport::Continuity;
use piv_apdu::command::{GetData, Verify};
use piv_apdu::object::ObjectTag;
use piv_apdu::status::StatusWord;
use zeroize::Zeroizing;

use super::entry::{PinEntry, may_be_pin, may_try};
use crate::capability::Action;
use crate::error::Unreadable;
use crate::failure::{ActionError, Aftermath, NotSent, Secret};
use crate::pin::PinStatus;
use crate::session::{Job, LastTry, Session};
use crate::token::Token;

/// How an authentication went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// The PIN's state before: tries left, or already verified by another
    /// program.
    pub before: PinStatus,
}

/// The token, unlocked. Dropping this value locks it again.
///
/// No transaction is held: other programs can use the token meanwhile, and
/// what is unlocked is unlocked for them too. Before each protected step the
/// card is asked whether it still is unlocked; if not, the step fails with
/// [`ActionError::AuthenticationLost`] and nothing is sent for it.
#[derive(Debug)]
pub struct Authenticated<'s> {
    session: &'s mut Session,
    verification: Verification,
}

impl Session {
    /// Verifies the PIN and holds the token unlocked.
    ///
    /// Sends SELECT of the PIV application and an empty VERIFY (tries left),
    /// then on a plain PIV card `00 20 00 80 08 PIN`, on a Crescendo SELECT of
    /// the ACA and `00 20 00 00 08 PIN`, which opens the whole card. Through the air it
    /// opens the virtual contact interface first, and is the former on any token. Sends
    /// nothing at all if the PIN is known to be blocked, or if what was given
    /// can't be this token's PIN.
    ///
    /// Already verified by another program: it is verified all the same, since
    /// that says nothing about the person who is here now.
    ///
    /// # Errors
    /// [`ActionError::NotSent`], [`ActionError::Wrong`],
    /// [`ActionError::Blocked`], [`ActionError::PinPad`],
    /// [`ActionError::Interrupted`] and others; the token is locked then.
    pub fn authenticate(
        &mut self,
        pin: PinEntry<'_>,
        last_try: LastTry,
    ) -> Result<Authenticated<'_>, ActionError> {
        self.ensure(Action::Authenticate)?;
        self.check_presented(pin)?;
        match self.verify_in_job(pin, last_try) {
            Ok(before) => Ok(Authenticated {
                session: self,
                verification: Verification { before },
            }),
            Err(error) => {
                self.lock_again();
                Err(error)
            }
        }
    }

    fn verify_in_job(
        &mut self,
        pin: PinEntry<'_>,
        last_try: LastTry,
    ) -> Result<PinStatus, ActionError> {
        let mut job = self.job(Action::Authenticate)?;
        let result = verify(&mut job, pin, last_try);
        job.end_open();
        self.note_verification(&result);
        result
    }

    /// One transaction of an action: VERIFY as [`authenticate`](Self::authenticate)
    /// does, then `act`. The token is locked after.
    pub(super) fn with_pin<T>(
        &mut self,
        action: Action,
        pin: PinEntry<'_>,
        last_try: LastTry,
        act: impl FnOnce(&mut Job<'_>) -> Result<T, ActionError>,
    ) -> Result<T, ActionError> {
        self.ensure(Action::Authenticate)?;
        self.check_presented(pin)?;
        let mut job = self.job(action)?;
        let verified = verify(&mut job, pin, last_try);
        let result = verified.is_ok().then(|| act(&mut job));
        job.end();
        self.note_verification(&verified);
        self.note_locked();
        verified?;
        result.unwrap_or(Err(ActionError::AuthenticationLost))
    }

    /// What can be told of a PIN before anything is sent.
    pub(crate) fn check_presented(&self, pin: PinEntry<'_>) -> Result<(), ActionError> {
        if self.token.pin.status == PinStatus::Blocked {
            let secret = Secret::Pin;
            return Err(NotSent::Blocked { secret }.into());
        }
        if let PinEntry::Typed(pin) = pin {
            may_be_pin(&self.token.pin_policy, pin)?;
        }
        Ok(())
    }

    /// The PIN's state after it was verified, or not.
    pub(crate) fn note_verification<T>(&mut self, result: &Result<T, ActionError>) {
        let Err(error) = result else {
            return self.note_pin(PinStatus::AlreadyVerified);
        };
        match error {
            ActionError::Blocked {
                secret: Secret::Pin,
            }
            | ActionError::NotSent(NotSent::Blocked {
                secret: Secret::Pin,
            }) => self.note_pin(PinStatus::Blocked),
            ActionError::Wrong {
                secret: Secret::Pin,
                tries_left: Some(left),
            } => self.note_pin(PinStatus::TriesLeft(*left)),
            ActionError::NotSent(NotSent::LastTry {
                secret: Secret::Pin,
            }) => self.note_pin(PinStatus::TriesLeft(1)),
            ActionError::NotSent(NotSent::KeptForContact { left }) => {
                self.note_pin(PinStatus::TriesLeft(*left));
            }
            ActionError::SessionLost { aftermath, .. }
            | ActionError::Interrupted { aftermath, .. }
                if *aftermath != Aftermath::Unchanged =>
            {
                self.note_pin(PinStatus::Unknown(Unreadable::NotTold(
                    "not asked since the connection was lost with the PIN on its way",
                )));
            }
            ActionError::NotSent(NotSent::NoPin) => self.note_pin(PinStatus::NotSet),
            ActionError::NotSent(NotSent::TriesUnknown {
                secret: Secret::Pin,
                why,
            }) => self.note_pin(PinStatus::Unknown(why.clone())),
            _ => {}
        }
    }
}

/// Asks for the tries left and, if one may be used, verifies the PIN. Gives
/// the state before.
pub(crate) fn verify(
    job: &mut Job<'_>,
    pin: PinEntry<'_>,
    last_try: LastTry,
) -> Result<PinStatus, ActionError> {
    let before = tries(job, last_try)?;
    if job.aca().is_some() {
        job.select_aca()?;
    }
    present(job, pin)?;
    Ok(before)
}

/// The PIN's state, from the PIV application; refuses if no try may be used.
pub(crate) fn tries(job: &mut Job<'_>, last_try: LastTry) -> Result<PinStatus, ActionError> {
    job.step("tries-left").select_piv()?;
    let status = match (job.pin_status()?, job.family()) {
        // The PIN is the access control applet's, which can't be asked.
        (PinStatus::NotSet, Some(_)) => {
            PinStatus::Unknown(Unreadable::Refused(StatusWord::REFERENCED_DATA_NOT_FOUND))
        }
        (status, _) => status,
    };
    may_try(Secret::Pin, &status, last_try)?;
    Ok(status)
}

/// VERIFY in the application that is selected: the ACA where that compares the PIN,
/// else PIV.
pub(crate) fn present(job: &mut Job<'_>, pin: PinEntry<'_>) -> Result<(), ActionError> {
    let before = job.aftermath();
    job.risking("verify-pin", Aftermath::TryUncertain);
    let answer = match (pin, job.aca()) {
        (PinEntry::Typed(pin), Some(_)) => job.send(&VerifyPin { pin: pin.padded() })?,
        (PinEntry::Typed(pin), None) => {
            let verify = Verify::check(job.pin_reference(), pin.padded());
            job.send(&verify)?
        }
        (PinEntry::PinPad, _) => job.verify_on_pin_pad()?,
    };
    answer.map_err(|status| refused_pin(job, status))?;
    job.at("verified", before).steps().done("verify-pin");
    Ok(())
}

/// What a status word that answered a PIN means.
pub(crate) fn refused_pin(job: &mut Job<'_>, status: StatusWord) -> ActionError {
    match status {
        StatusWord::AUTHENTICATION_METHOD_BLOCKED if job.is_through_air() => kept_for_contact(job),
        // No try was spent. Of the families only the C4000 enforces a forced change.
        StatusWord::CONDITIONS_NOT_SATISFIED if job.family() == Some(Family::C4000) => {
            let secret = Secret::Pin;
            NotSent::ForcePinChange { secret }.into()
        }
        _ => job.refused_secret(Secret::Pin, status),
    }
}

/// What "blocked" means through the air: no try is left, or the card keeps the last ones
/// for the contact interface and has not looked at the PIN (SP 800-73-5 Part 2, 3.2.1: the
/// intermediate retry value). The tries tell.
fn kept_for_contact(job: &mut Job<'_>) -> ActionError {
    let secret = Secret::Pin;
    match job.pin_status() {
        Ok(PinStatus::TriesLeft(left)) => NotSent::KeptForContact { left }.into(),
        Ok(_) => ActionError::Blocked { secret },
        Err(error) => error,
    }
}

impl Authenticated<'_> {
    /// The token.
    pub fn token(&self) -> &Token {
        &self.session.token
    }

    /// How the authentication went.
    pub fn verification(&self) -> &Verification {
        &self.verification
    }

    /// The session, for actions; those that verify the PIN themselves lock the
    /// token when they are done.
    pub fn session(&mut self) -> &mut Session {
        self.session
    }

    /// Whether the token still is unlocked: asks the card, SELECT of the PIV
    /// application and an empty VERIFY. Spends no try.
    ///
    /// # Errors
    /// [`ActionError::Interrupted`], [`ActionError::Refused`].
    pub fn is_still_verified(&mut self) -> Result<bool, ActionError> {
        let mut job = self.session.job_on_any(Action::Authenticate)?;
        let verified = still_verified(&mut job)?;
        job.end_open();
        Ok(verified && !self.session.was_lost())
    }

    /// Reads a data object that the PIN protects, such as the printed
    /// information: SELECT, an empty VERIFY, GET DATA. `None` if the card has
    /// none. The content is that inside the object's `53`.
    ///
    /// # Errors
    /// [`ActionError::AuthenticationLost`], [`ActionError::Refused`],
    /// [`ActionError::Interrupted`].
    pub fn read_object(
        &mut self,
        tag: ObjectTag,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, ActionError> {
        if self.session.was_lost() {
            return Err(ActionError::AuthenticationLost);
        }
        let mut job = self.session.job_on_any(Action::ReadContent)?;
        if !still_verified(&mut job)? {
            return Err(ActionError::AuthenticationLost);
        }
        job.at("read-object", Aftermath::Unchanged);
        match job.send(&GetData::new(tag))? {
            Ok(content) => Ok(Some(content)),
            Err(StatusWord::FILE_NOT_FOUND) => Ok(None),
            Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED) => Err(ActionError::AuthenticationLost),
            Err(status) => Err(job.refused(status)),
        }
    }

    /// Locks the token and asks for the tries left after.
    ///
    /// # Errors
    /// As [`Session::lock`] and [`Session::refresh_pin_status`].
    pub fn lock(self) -> Result<PinStatus, ActionError> {
        self.session.lock()?;
        self.session.refresh_pin_status()
    }
}

impl Drop for Authenticated<'_> {
    fn drop(&mut self) {
        self.session.lock_again();
        self.session.note_locked();
    }
}

/// Whether the PIN still is verified. A reset that was reported says no
/// without asking.
fn still_verified(job: &mut Job<'_>) -> Result<bool, ActionError> {
    if job.transaction().continuity() == Continuity::Lost {
        return Ok(false);
    }
    job.at("still-verified", Aftermath::Unchanged)
        .select_piv()?;
    Ok(job.pin_status()? == PinStatus::AlreadyVerified)
}
