//! Change the PIN, knowing the old one.

use crescendo_ext::aca::ChangePin;
use piv_apdu::command::ChangeReferenceData;
use piv_apdu::status::StatusWord;

use super::authenticate::{refused_pin, tries};
use super::entry::{PinChangeEntry, PinEntry, may_become_pin};
use crate::capability::Action;
use crate::failure::{ActionError, Aftermath, NotSent, Secret, Sides};
use crate::pin::PinStatus;
use crate::plan::Plan;
use crate::session::{Job, LastTry, Session};

const CHANGE: &str = "change-pin";

/// How a change of the PIN went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PinChanged {
    /// The PIN's state before.
    pub before: PinStatus,
    /// Whether a forced PIN change was waiting, and is now done.
    pub was_forced: bool,
}

impl Session {
    /// Changes the PIN.
    ///
    /// Sends SELECT of the PIV application and an empty VERIFY (tries left),
    /// then on a Crescendo SELECT of the ACA and CHANGE PIN (`00 24 01 00 10 old
    /// new`), on a plain PIV card CHANGE REFERENCE DATA (`00 24 00 80 10 old
    /// new`), as on any token through the air. A wrong old PIN costs one try. Sends nothing if the new PIN breaks
    /// the policy or is the old one, if the old one can't be this token's, or
    /// if the PIN is known to be blocked.
    ///
    /// # Errors
    /// [`ActionError::NotSent`], [`ActionError::Wrong`],
    /// [`ActionError::Blocked`], [`ActionError::Refused`] (`6A80`: the card
    /// does not accept the new PIN; no try was spent),
    /// [`ActionError::Interrupted`] with [`Aftermath::PinOldOrNew`] if the
    /// card was lost with the command on its way, or [`Aftermath::SharedPinOldOrNew`] if
    /// FIDO shares the PIN. The token is locked after. Of a PIN that FIDO shares and that is
    /// said to be blocked (`6983`), the tries of both sides are asked for, as
    /// [`refresh_pin_status`](Self::refresh_pin_status) does and with getPINRetries in the
    /// FIDO application.
    pub fn change_pin(
        &mut self,
        entry: PinChangeEntry<'_>,
        last_try: LastTry,
    ) -> Result<PinChanged, ActionError> {
        let plan = self.plan_change_pin()?;
        self.check_change(entry)?;
        self.carry_out(&plan, |session| session.replace_pin(entry, last_try))
    }

    /// What [`change_pin`](Self::change_pin) would do. Sends nothing.
    ///
    /// # Errors
    /// [`ActionError::Unavailable`]; [`ActionError::NotSent`] if the PIN is known
    /// to be blocked, on either side if FIDO shares it.
    pub fn plan_change_pin(&self) -> Result<Plan, ActionError> {
        self.ensure(Action::ChangePin)?;
        let change: &[_] = match self.aca() {
            Some(_) => &["CHANGE PIN"],
            None => &["CHANGE REFERENCE DATA"],
        };
        let text = "present the PIN, and set the new one in its place";
        let step = self.vendor_step(CHANGE, text, change).irreversible();
        Ok(Plan::new(Action::ChangePin).step(step))
    }

    fn replace_pin(
        &mut self,
        entry: PinChangeEntry<'_>,
        last_try: LastTry,
    ) -> Result<PinChanged, ActionError> {
        let shared = self.token.shares_fido_pin();
        let mut job = self.job(Action::ChangePin)?;
        let result = change(&mut job, shared, entry, last_try);
        job.end();
        self.note_verification(&result);
        let before = result.map_err(|error| self.note_shared_block(error))?;
        let was_forced = self.token.pin_policy.force_change;
        self.note_locked();
        self.token.note_shared_pin_changed();
        self.note_pin_changed();
        Ok(PinChanged { before, was_forced })
    }

    /// Whoever knew the PIN has changed it. It is changed, whatever this computer can note
    /// of that: at worst it asks for a change once more.
    pub(super) fn note_pin_changed(&mut self) {
        self.note_changed();
        if let Err(error) = self.pin_was_changed() {
            tracing::warn!(%error, "that the PIN was changed could not be noted");
        }
    }

    /// What can be told before anything is sent.
    fn check_change(&self, entry: PinChangeEntry<'_>) -> Result<(), ActionError> {
        let PinChangeEntry::Typed { old, new } = entry else {
            return self.check_presented(PinEntry::PinPad);
        };
        self.check_presented(PinEntry::Typed(old))?;
        may_become_pin(&self.token.pin_policy, new)?;
        if old == new {
            let secret = Secret::Pin;
            return Err(NotSent::SameAsOld { secret }.into());
        }
        Ok(())
    }

    /// A forced change is done with. A card that enforces the profile has
    /// noticed by itself.
    pub(crate) fn pin_was_changed(&mut self) -> Result<(), ActionError> {
        self.token.note_change_done();
        self.update_record(|record| {
            if let Some(profile) = &mut record.profile {
                profile.policy.force_change = false;
            }
        })?;
        self.refresh();
        Ok(())
    }
}

fn change(
    job: &mut Job<'_>,
    shared: bool,
    entry: PinChangeEntry<'_>,
    last_try: LastTry,
) -> Result<PinStatus, ActionError> {
    let before = tries(job, last_try)?;
    if job.aca().is_some() {
        job.select_aca()?;
    }
    let aftermath = if shared {
        Aftermath::SharedPinOldOrNew
    } else {
        Aftermath::PinOldOrNew
    };
    match send_change(job.risking(CHANGE, aftermath), entry)? {
        Ok(()) => Ok(before),
        // Either side may be the one that is: PIV's had tries left a moment ago.
        Err(StatusWord::AUTHENTICATION_METHOD_BLOCKED) if shared && !job.is_through_air() => {
            let secret = Secret::SharedPin(Sides::NotTold);
            Err(ActionError::Blocked { secret })
        }
        // Not a word about the old PIN: the card refused the new one's form,
        // or is not in a state to change it.
        Err(status @ (StatusWord::WRONG_DATA | StatusWord::CONDITIONS_NOT_SATISFIED)) => {
            Err(job.refused(status))
        }
        Err(status) => Err(refused_pin(job, status)),
    }
}

/// CHANGE PIN in the ACA, where that compares the PIN and is selected, else CHANGE
/// REFERENCE DATA.
pub(crate) fn send_change(
    job: &mut Job<'_>,
    entry: PinChangeEntry<'_>,
) -> Result<Result<(), StatusWord>, ActionError> {
    match (entry, job.aca()) {
        (PinChangeEntry::Typed { old, new }, Some(_)) => job.send(&ChangePin {
            old: old.padded(),
            new: new.padded(),
        }),
        (PinChangeEntry::Typed { old, new }, None) => {
            let reference = job.pin_reference();
            job.send(&ChangeReferenceData {
                reference,
                old: old.padded(),
                new: new.padded(),
            })
        }
        (PinChangeEntry::PinPad, _) => job.change_on_pin_pad(),
    }
}
