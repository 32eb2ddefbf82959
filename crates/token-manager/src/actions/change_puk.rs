//! Change the PUK, knowing the old one.

use crescendo_ext::Evidence;
use piv_apdu::command::ChangeReferenceData;
use piv_apdu::key::KeyReference;
use piv_apdu::secret::{Pin, Puk};
use token_profile::RecoveryKind;

use super::entry::{may_be_puk, may_try};
use super::hand_over::to_hand_over;
use crate::capability::Action;
use crate::failure::{ActionError, Aftermath, NotSent, Secret};
use crate::pin::PinStatus;
use crate::plan::{Plan, Step};
use crate::record::{KeptPuk, RecoveryPlace};
use crate::session::{Job, LastTry, Session};

const CHANGE: &str = "change-puk";
const KEEP_RECOVERY: &str = "keep-recovery";
const NOTE_OUTDATED: &str = "note-outdated";

impl Session {
    /// Changes the PUK: SELECT of the PIV application and CHANGE REFERENCE DATA
    /// (`00 24 00 81 10 old new`). A wrong old PUK costs one of its tries.
    ///
    /// No command tells the PUK's tries. Where this host has seen the card say
    /// that one is left, or none, it is not used unasked.
    ///
    /// Where this computer keeps the PUK, the new one takes its place. One that is
    /// kept on the token is not shown any more: give the new one to
    /// [`keep_recovery`](Self::keep_recovery). If it is not known how the change
    /// ended, one that is kept is shown along with that
    /// ([`RecoveryDoubt::ChangeInterrupted`](crate::RecoveryDoubt)), until another
    /// change succeeds, it is kept anew, or it has unblocked the PIN. Other computers
    /// know nothing of the change.
    ///
    /// # Errors
    /// [`ActionError::Store`] before anything is sent, if a PUK is kept and that its
    /// change is begun could not be noted. [`ActionError::Secrets`] and [`ActionError::Store`] come after the
    /// change when what is kept could not follow it;
    /// [`ActionError::NotSent`], [`ActionError::Wrong`],
    /// [`ActionError::Blocked`], [`ActionError::Refused`],
    /// [`ActionError::Interrupted`] with [`Aftermath::PukOldOrNew`].
    pub fn change_puk(
        &mut self,
        old: &Puk,
        new: &Puk,
        last_try: LastTry,
    ) -> Result<(), ActionError> {
        let plan = self.plan_change_puk()?;
        may_be_puk(old)?;
        may_be_puk(new)?;
        if old == new {
            let secret = Secret::Puk;
            return Err(NotSent::SameAsOld { secret }.into());
        }
        self.may_try_puk(last_try)?;
        self.carry_out(&plan, |session| {
            let known = session.record.kept_puk;
            session.doubt_kept_puk()?;
            let result = session.job(Action::ChangePuk).and_then(|mut job| {
                let result = change(&mut job, old, new);
                job.end();
                result
            });
            session.note_puk(&result);
            if !result.as_ref().is_err_and(leaves_doubt) {
                session.withdraw_doubt(known);
            }
            result?;
            session.note_changed();
            session.puk_was_changed(new)
        })
    }

    /// What [`change_puk`](Self::change_puk) would do. Sends nothing.
    ///
    /// # Errors
    /// [`ActionError::Unavailable`].
    pub fn plan_change_puk(&self) -> Result<Plan, ActionError> {
        self.ensure(Action::ChangePuk)?;
        let change = Step::new(CHANGE, "present the PUK, and set the new one in its place")
            .sends(&["CHANGE REFERENCE DATA"])
            .evidence(self.family().map(|_| Evidence::ProjectProfile))
            .irreversible();
        let plan = Plan::new(Action::ChangePuk).step(change);
        Ok(match self.record.recovery {
            Some(RecoveryPlace::Host) => plan.step(Step::new(
                KEEP_RECOVERY,
                "replace the PUK that this computer keeps, if it keeps one",
            )),
            Some(RecoveryPlace::Nowhere) => plan,
            _ => plan.step(Step::new(
                NOTE_OUTDATED,
                "note that a PUK which the token keeps behind the PIN is not the right one any more",
            )),
        })
    }

    /// A PUK that is kept may be the old one from here on. Noted before anything is
    /// sent, so that it is known whatever becomes of this program.
    fn doubt_kept_puk(&mut self) -> Result<(), ActionError> {
        let noted = match self.record.recovery {
            Some(RecoveryPlace::Nowhere) => return Ok(()),
            _ => self.note_kept_puk(|kept| *kept = (*kept).max(Some(KeptPuk::MayBeOld))),
        };
        match noted {
            // None is kept that this computer knows of.
            Err(error) if self.record.recovery.is_none() => {
                tracing::warn!(%error, "that the PUK may be changed could not be noted");
                Ok(())
            }
            noted => noted,
        }
    }

    /// The PUK certainly is the one that it was.
    fn withdraw_doubt(&mut self, known: Option<KeptPuk>) {
        let withdrawn = self.note_kept_puk(|kept| {
            if *kept == Some(KeptPuk::MayBeOld) {
                *kept = known;
            }
        });
        if let Err(error) = withdrawn {
            tracing::warn!(%error, "that the PUK was not changed could not be noted");
        }
    }

    /// The token takes this PUK. If an interrupted change has left in doubt whether
    /// that is the one that is kept, it is looked at: on this host, or behind the
    /// PIN, which is known to be right. That this may not work leaves the doubt.
    pub(crate) fn note_proven_puk(&mut self, puk: &Puk, pin: &Pin) {
        if self.record.kept_puk != Some(KeptPuk::MayBeOld) {
            return;
        }
        let noted = self.kept_secret(pin).and_then(|kept| {
            let same = kept.puk().as_ref() == Some(puk);
            self.note_kept_puk(|kept| *kept = (!same).then_some(KeptPuk::Old))
        });
        if let Err(error) = noted {
            tracing::warn!(%error, "whether the kept PUK is this one could not be told");
        }
    }

    fn note_kept_puk(
        &mut self,
        mut change: impl FnMut(&mut Option<KeptPuk>),
    ) -> Result<(), ActionError> {
        self.update_record(|record| change(&mut record.kept_puk))?;
        if self.key.is_none() {
            // Of a token without a name at least this session knows.
            change(&mut self.record.kept_puk);
        }
        Ok(())
    }

    /// What is kept of the PUK: on this host the new one takes the old one's
    /// place; on the token only the PIN gets at it, so the old one is not shown any
    /// more.
    fn puk_was_changed(&mut self, new: &Puk) -> Result<(), ActionError> {
        let on_host = match self.record.recovery {
            Some(RecoveryPlace::Nowhere) => return Ok(()),
            place => place == Some(RecoveryPlace::Host),
        };
        self.steps.come_to(NOTE_OUTDATED);
        self.steps.come_to(KEEP_RECOVERY);
        self.note_kept_puk(|kept| *kept = Some(KeptPuk::Old))?;
        if on_host {
            let new = [to_hand_over(RecoveryKind::Puk, new.as_bytes())?];
            if !self.replace_on_host(&new)? {
                self.steps.skip(KEEP_RECOVERY, "it keeps no PUK");
            }
            self.note_kept_puk(|kept| *kept = None)?;
        }
        Ok(())
    }

    /// Refuses to use the PUK's last try unasked, as far as this host knows. That
    /// it is blocked is remembered and not asked, and an erased token has all
    /// tries back: whoever insists may have the card say it.
    pub(crate) fn may_try_puk(&self, last_try: LastTry) -> Result<(), ActionError> {
        match self.record.puk_tries_left {
            Some(0) if last_try == LastTry::Spare => {
                may_try(Secret::Puk, &PinStatus::Blocked, last_try)
            }
            Some(left) => may_try(Secret::Puk, &PinStatus::TriesLeft(left), last_try),
            None => Ok(()),
        }
    }

    /// Remembers what the card said of the PUK's tries, and that one may have
    /// gone where it could not say anything; for the time of this session only, if
    /// the store can't. What came of the PUK counts for more.
    pub(crate) fn note_puk<T>(&mut self, result: &Result<T, ActionError>) {
        let left = match result {
            Ok(_) => None,
            Err(ActionError::Wrong {
                secret: Secret::Puk,
                tries_left,
            }) => *tries_left,
            Err(ActionError::Blocked {
                secret: Secret::Puk,
            }) => Some(0),
            Err(error) if leaves_doubt(error) => {
                // One less at the worst, and never "blocked" for that.
                let worst = |left| if left > 1 { left - 1 } else { left };
                self.record.puk_tries_left.map(worst)
            }
            Err(_) => return,
        };
        if let Err(error) = self.update_record(|record| record.puk_tries_left = left) {
            tracing::warn!(%error, "the PUK's tries could not be noted");
        }
        self.record.puk_tries_left = left;
    }
}

/// The steps in which the card compares the PUK.
const PRESENTS_PUK: [&str; 2] = [CHANGE, "reset-retry-counter"];

/// Whether the PUK may be changed, although the card did not say so.
fn leaves_doubt(error: &ActionError) -> bool {
    matches!(
        error,
        ActionError::Interrupted { step, .. }
        | ActionError::Malformed { step, .. }
        | ActionError::Refused { step, .. }
            if PRESENTS_PUK.contains(step)
    ) && error.may_have_spent_a_try()
}

fn change(job: &mut Job<'_>, old: &Puk, new: &Puk) -> Result<(), ActionError> {
    job.select_piv()?;
    send_change(job, old, new)
}

/// CHANGE REFERENCE DATA of the PUK, with the PIV application selected.
pub(crate) fn send_change(job: &mut Job<'_>, old: &Puk, new: &Puk) -> Result<(), ActionError> {
    job.risking(CHANGE, Aftermath::PukOldOrNew);
    job.send(&ChangeReferenceData {
        reference: KeyReference::PUK,
        old: old.padded(),
        new: new.padded(),
    })?
    .map_err(|status| job.refused_secret(Secret::Puk, status))
}
