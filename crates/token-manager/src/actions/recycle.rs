//! Recycle: erase a token, back to its factory state.

use std::sync::Arc;

use crescendo_ext::aca::ResetCard;
use crescendo_ext::identity::{Family, Form};
use crescendo_ext::{Evidence, operations};
use piv_apdu::object::Guid;
use piv_apdu::secret::Pin;
use piv_apdu::status::StatusWord;
use token_profile::{ManagementProfile, OBJECT_TAG};

use super::authenticate::present;
use super::authority::Authority;
use super::entry::PinEntry;
use super::progress::{Observer, Progress};
use crate::capability::Action;
use crate::certificate::CertificateState;
use crate::content::ObjectState;
use crate::failure::{ActionError, Aftermath, NotSent, Secret};
use crate::fido::{BeforeErasure, FidoErasure, FidoState};
use crate::pairing_codes::PairingCodeStore;
use crate::pin::PinStatus;
use crate::plan::{Fate, Plan, Step};
use crate::record::HostRecord;
use crate::session::{LastTry, Session};
use crate::token::{ProfileState, Token, TokenFamily};

pub(super) const READ_AGAIN: &str = "read-again";
pub(super) const RESET_CARD: &str = "reset-card";
pub(super) const VERIFY_EMPTY: &str = "verify-empty";
const FORGET: &str = "forget-records";

/// How the erasure of a token went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recycled {
    /// The token was erased by an earlier run that did not come to its end;
    /// this one has verified it and finished.
    pub finished_earlier_run: bool,
    /// The PIN's state: it is the delivery value, with all its tries.
    pub pin: PinStatus,
    /// What the FIDO application says of itself by now, where there is one.
    pub fido: FidoState,
    /// What that tells, next to what it said before. That RESET CARD clears FIDO on a C4000
    /// is third-party evidence, so it is not taken for granted.
    pub fido_erasure: FidoErasure,
}

impl Recycled {
    /// How it went, as sentences.
    pub fn sentences(&self) -> &'static str {
        if self.finished_earlier_run {
            "The token is erased: an earlier run had done it, and this one has finished it. It has \
             the PIN that it is delivered with."
        } else {
            "The token is erased. It has the PIN that it is delivered with."
        }
    }
}

/// What came of an erasure.
pub(super) struct Erased {
    /// Or by an earlier one, which was interrupted.
    pub(super) by_this_run: bool,
    pub(super) fido: FidoErasure,
}

impl Session {
    /// What a person has to type to have this token erased: its identifier
    /// ([`TokenIdentity::id`](crate::TokenIdentity::id)), or the reader's name
    /// if it has none.
    pub fn confirmation(&self) -> String {
        let id = self.token.identity.id();
        id.unwrap_or_else(|| self.token.reader.clone())
    }

    /// What [`recycle`](Self::recycle) would do, and what becomes of each kind
    /// of content. Sends nothing.
    ///
    /// # Errors
    /// [`ActionError::Unavailable`].
    pub fn plan_recycle(&self) -> Result<Plan, ActionError> {
        self.ensure(Action::Recycle)?;
        let mut plan = Plan::new(Action::Recycle)
            .step(read_again_step())
            .step(self.reset_step())
            .step(verify_step())
            .step(forget_step());
        plan.fates = self.fates();
        Ok(plan)
    }

    pub(super) fn reset_step(&self) -> Step {
        let evidence = self.reset_evidence();
        Step::new(RESET_CARD, "present the PIN or the admin key, and erase")
            .sends(&["VERIFY PIN", "RESET CARD"])
            .evidence(evidence)
            .irreversible()
    }

    fn reset_evidence(&self) -> Option<Evidence> {
        let family = self.family()?;
        operations::find("RESET CARD")?.evidence(family)
    }

    /// What becomes of each kind of content. Sources: LL/reset-card (C2300
    /// family), third parties (C4000).
    pub(super) fn fates(&self) -> Vec<Fate> {
        let evidence = self.reset_evidence();
        let fate = |content: &str, erased| Fate {
            content: content.to_owned(),
            erased,
            evidence: erased.and(evidence),
        };
        let mut fates = vec![
            fate("keys and certificates", Some(true)),
            fate("data objects, the token's GUID among them", Some(true)),
            fate("PIN: set to the delivery value", Some(true)),
            fate(
                "admin key (XAUTH key 1): removed, not set to the delivery value",
                Some(true),
            ),
        ];
        let form = match &self.token.identity.family {
            TokenFamily::Crescendo(identity) => Some(identity.form()),
            TokenFamily::Piv => None,
        };
        if form == Some(Form::Key) {
            fates.push(fate("one-time passwords (OATH)", Some(true)));
        }
        if self.token.facts.project_profile {
            fates.push(Fate {
                content: "PIN policy and PUK: set to the delivery values".to_owned(),
                erased: Some(true),
                evidence: Some(Evidence::ProjectProfile),
            });
        }
        let fido = (self.family() == Some(Family::C4000)).then_some(true);
        fates.push(fate("FIDO credentials and FIDO PIN", fido));
        fates.push(fate("serial number and production data", Some(false)));
        fates.push(fate("the applications on the token", Some(false)));
        fates.push(Fate {
            content: "what this computer keeps about the token".to_owned(),
            erased: Some(true),
            evidence: None,
        });
        fates
    }

    /// Erases the token. This can't be undone: keys that are on no other token
    /// are lost.
    ///
    /// `confirmation` is what [`confirmation`](Self::confirmation) says, to the
    /// letter. The token is read afresh, past everything that is remembered,
    /// and has to be the same one. Then, in one transaction, the authority is
    /// presented ([`Authority`]: SELECT of the PIV application, empty VERIFY,
    /// SELECT of the ACA, VERIFY) and RESET CARD sent (`00 38 00 00`). The token
    /// is read once more and has to be empty, and what this host keeps about it,
    /// a recovery secret and a pairing code too, is forgotten.
    ///
    /// If it is interrupted, start it again with the same PIN or key: a token
    /// that is erased already is not asked for anything. A token that had
    /// nothing on it does not show that; it is then offered the given PIN and,
    /// if that is wrong and more than one try is left, its delivery value.
    ///
    /// # Errors
    /// [`ActionError::Unavailable`], [`NotSent::Unconfirmed`],
    /// [`NotSent::OtherToken`], [`NotSent::CannotAuthorize`];
    /// [`ActionError::Wrong`], [`ActionError::Blocked`],
    /// [`ActionError::Refused`]; [`ActionError::Interrupted`] with
    /// [`Aftermath::ErasedOrUnchanged`] from RESET CARD on;
    /// [`ActionError::NotConfirmed`] with what is left on the token.
    pub fn recycle(
        &mut self,
        authority: Authority<'_>,
        confirmation: &str,
        last_try: LastTry,
        observer: &mut Observer<'_>,
    ) -> Result<Recycled, ActionError> {
        self.ensure(Action::Recycle)?;
        self.check_confirmation(confirmation)?;
        authority.check(self)?;
        self.reload_same()?;
        self.ensure(Action::Recycle)?;
        let mut progress = Progress::new(self, Action::Recycle, observer);
        progress.done(READ_AGAIN);
        let erased = self.erase(Action::Recycle, authority, last_try, &mut progress)?;
        self.forget_records(progress)?;
        Ok(Recycled {
            finished_earlier_run: !erased.by_this_run,
            pin: self.token.pin.status.clone(),
            fido: self.token.fido.clone(),
            fido_erasure: erased.fido,
        })
    }

    pub(super) fn check_confirmation(&self, given: &str) -> Result<(), ActionError> {
        let expected = self.confirmation();
        if given == expected {
            return Ok(());
        }
        Err(NotSent::Unconfirmed { expected }.into())
    }

    /// Reads the token again after an action has changed it, its GUID too perhaps:
    /// what is read has to be that token's, or it would prove nothing.
    pub(super) fn reload_changed(&mut self, action: Action) -> Result<(), ActionError> {
        let known = self.token.identity.clone();
        self.reload()?;
        let now = &self.token.identity;
        if (&known.family, &known.serial) != (&now.family, &now.serial) {
            return Err(ActionError::NotConfirmed {
                action,
                detail: "another token is in the reader now".to_owned(),
            });
        }
        Ok(())
    }

    /// Erases the token, unless an interrupted run has done so, and sees that
    /// it is empty.
    pub(super) fn erase(
        &mut self,
        action: Action,
        authority: Authority<'_>,
        last_try: LastTry,
        progress: &mut Progress<'_>,
    ) -> Result<Erased, ActionError> {
        let before = self.was_erased(action);
        let told = self.fido_before();
        let now = if before {
            false
        } else {
            authority.check(self)?;
            self.reset_card(authority, last_try, progress)?
        };
        if !now {
            progress.done_before(RESET_CARD, "it was erased before the interruption")?;
        }
        if before && progress.was_done(FORGET) {
            // That comes after, so it was empty; by now it need not be.
            progress.skipped(VERIFY_EMPTY, "it was empty before the interruption");
        } else {
            self.verify_empty(progress)?;
        }
        let told = if now { told } else { BeforeErasure::default() };
        Ok(Erased {
            by_this_run: now,
            fido: FidoErasure::of(told, &self.token.fido),
        })
    }

    fn fido_before(&self) -> BeforeErasure {
        let Some(application) = self.token.fido.application() else {
            return BeforeErasure::default();
        };
        BeforeErasure {
            had_own_pin: application.pin.is_set() && !self.token.shares_fido_pin(),
            room: application.room(),
        }
    }

    /// Whether an interrupted run has certainly erased the token: it says so, or
    /// there was something to see on it, and nothing is now. A token that was
    /// then begun to be personalized is to be erased again if that is asked for.
    pub(super) fn was_erased(&self, action: Action) -> bool {
        let Some(journal) = &self.record.journal else {
            return false;
        };
        let erased =
            journal.has_done(RESET_CARD) || journal.is_doubtful(RESET_CARD) && journal.had_content;
        let untouched = || {
            let mut steps = journal.done.iter().chain(&journal.doubtful);
            let begun = journal.begun.as_str();
            steps.all(|step| step == RESET_CARD || step == FORGET)
                && (begun.is_empty() || begun == RESET_CARD || begun == FORGET)
        };
        self.token.facts.empty && erased && (action == Action::Personalize || untouched())
    }

    /// Another action has changed the token. If that was erased by a run that did
    /// not come to its end, it is not as that run has left it: the next one erases
    /// it again.
    pub(crate) fn note_changed(&mut self) {
        let of_erasure = |step: &String| step == RESET_CARD || step == FORGET;
        let journal = self.record.journal.as_ref();
        let erased = journal.is_some_and(|journal| {
            let mut steps = journal.done.iter().chain(&journal.doubtful);
            steps.any(of_erasure) || of_erasure(&journal.begun)
        });
        if !erased {
            return;
        }
        let noted = self.update_record(|record| {
            let Some(mut journal) = record.journal.take() else {
                return;
            };
            journal.done.retain(|step| !of_erasure(step));
            journal.doubtful.retain(|step| !of_erasure(step));
            if of_erasure(&journal.begun) {
                journal.begun.clear();
            }
            let left = [&journal.done, &journal.doubtful]
                .iter()
                .any(|it| !it.is_empty());
            record.journal = (left || !journal.begun.is_empty()).then_some(journal);
        });
        if let Err(error) = noted {
            tracing::warn!(%error, "that the erased token was changed could not be noted");
        }
    }

    /// `false` if it turned out that an interrupted run has erased it.
    fn reset_card(
        &mut self,
        authority: Authority<'_>,
        last_try: LastTry,
        progress: &mut Progress<'_>,
    ) -> Result<bool, ActionError> {
        let tried_before = progress.was_begun(RESET_CARD);
        progress.note_content(!self.token.facts.empty);
        let delivery = self.family().and_then(delivery_pin);
        let codes = Arc::clone(self.manager.pairing_codes());
        let card = self.token.identity.guid;
        let mut job = self.job(Action::Recycle)?;
        let mut verified = authority.authenticate(&mut job, last_try);
        if let (
            true,
            Some(delivery),
            Err(ActionError::Wrong {
                secret: Secret::Pin,
                tries_left,
            }),
        ) = (tried_before, &delivery, &verified)
            && (last_try == LastTry::Use || tries_left.is_none_or(|left| left > 1))
        {
            // It may have been erased, which sets this PIN.
            verified = present(&mut job, PinEntry::Typed(delivery));
        }
        let result = match verified {
            // An erasure removes the admin key.
            Err(ActionError::Refused {
                status: StatusWord::REFERENCED_DATA_NOT_FOUND,
                ..
            }) if tried_before => Ok(false),
            Err(error) => Err(progress.failed(RESET_CARD, error)),
            Ok(()) => {
                // Before, since the GUID it is kept for may be gone after.
                forget_pairing_code(&*codes, card);
                progress.start_over();
                progress
                    .step(RESET_CARD, || {
                        job.at(RESET_CARD, Aftermath::ErasedOrUnchanged)
                            .demand(&ResetCard)
                    })
                    .map(|()| true)
            }
        };
        // Nothing is selected any more, whatever was before.
        job.transaction().forget_selected();
        job.end();
        if matches!(authority, Authority::Pin(_)) && result.is_err() {
            self.note_verification(&result);
        }
        result
    }

    /// Reads the token and sees that there is nothing on it.
    fn verify_empty(&mut self, progress: &mut Progress<'_>) -> Result<(), ActionError> {
        self.reload_changed(Action::Recycle)?;
        let mut left = left_over(&self.token);
        if self.token.pin.status == PinStatus::Blocked {
            left.push("a blocked PIN".to_owned());
        }
        let fido = self.token.fido.application();
        let has_fido_pin = fido.is_some_and(|fido| fido.pin.is_set());
        if self.family() == Some(Family::C4000) && has_fido_pin {
            left.push("a FIDO PIN, and maybe FIDO credentials".to_owned());
        }
        if left.is_empty() {
            progress.done(VERIFY_EMPTY);
            return Ok(());
        }
        let error = ActionError::NotConfirmed {
            action: Action::Recycle,
            detail: format!("there still is {}", left.join(", ")),
        };
        Err(progress.failed(VERIFY_EMPTY, error))
    }

    /// Forgets what this host keeps about an erased token.
    fn forget_records(&mut self, mut progress: Progress<'_>) -> Result<(), ActionError> {
        self.forget_kept_secret(&progress)
            .map_err(|error| progress.failed(FORGET, error))?;
        progress.done(FORGET);
        progress.finish(|record| *record = HostRecord::new())?;
        self.consult_record()
    }

    /// Erases what this host's secret store keeps for an erased token. Where nothing
    /// says that there is anything, a store that does not answer is no failure.
    fn forget_kept_secret(&self, progress: &Progress<'_>) -> Result<(), ActionError> {
        match self.manager.forget_secret(progress.key()) {
            Err(error) if !progress.may_be_kept_on_host()? => {
                tracing::warn!(%error, "whether a secret was kept for the erased token is not known");
                Ok(())
            }
            removed => Ok(removed?),
        }
    }

    /// Forgets what this host keeps about an erased token, which is to be used
    /// again at once: the journal stays open.
    pub(super) fn forget_for_reuse(
        &mut self,
        progress: &mut Progress<'_>,
    ) -> Result<(), ActionError> {
        if progress.was_done(FORGET) {
            return Ok(());
        }
        let removed = self.forget_kept_secret(progress);
        progress.step(FORGET, || removed)?;
        progress.amend(|record| {
            record.profile = None;
            record.recovery = None;
            record.kept_puk = None;
            record.puk_tries_left = None;
        })?;
        self.consult_record()
    }
}

/// Forgets the pairing code that is kept for a card. That it can't be is no reason
/// not to erase the card: it is gone with the login session at the latest.
fn forget_pairing_code(codes: &dyn PairingCodeStore, card: Option<Guid>) {
    if let Some(Err(error)) = card.map(|card| codes.forget(&card)) {
        tracing::warn!(%error, "the pairing code that is kept for the token is not forgotten");
    }
}

pub(super) fn read_again_step() -> Step {
    Step::new(
        READ_AGAIN,
        "read the token again, and see that it still is the same one",
    )
}

pub(super) fn verify_step() -> Step {
    Step::new(VERIFY_EMPTY, "read the token and see that it is empty")
}

pub(super) fn forget_step() -> Step {
    Step::new(FORGET, "forget what this computer keeps about the token")
}

/// The PIN of a token as delivered, and after RESET CARD (vendor).
pub(super) fn delivery_pin(family: Family) -> Option<Pin> {
    let digits: &[u8] = match family {
        Family::C2300 => b"00000000",
        Family::C4000 => b"000000",
    };
    Pin::new(digits).ok()
}

/// What an erased token should not have.
fn left_over(token: &Token) -> Vec<String> {
    let keys = token
        .keys
        .iter()
        .filter(|key| key.is_filled() == Some(true))
        .map(|key| format!("a key in {}", key.slot));
    let certificates = token
        .certificates
        .iter()
        .filter(|entry| {
            !matches!(
                entry.state,
                CertificateState::Absent | CertificateState::Empty
            )
        })
        .map(|entry| format!("a certificate in {}", entry.tag));
    let objects = token
        .objects
        .iter()
        .filter(|object| object.tag.get() != OBJECT_TAG)
        .filter(|object| {
            matches!(
                object.state,
                ObjectState::Present { .. } | ObjectState::Unreadable(_)
            )
        })
        .map(|object| format!("content in {}", object.name));
    let mut left: Vec<_> = keys.chain(certificates).chain(objects).collect();
    if let ProfileState::OnToken(profile) = &token.profile {
        let delivery = ManagementProfile {
            enforced_by_card: profile.enforced_by_card,
            ..ManagementProfile::default()
        };
        if *profile != delivery {
            left.push("a token management profile".to_owned());
        }
    }
    left
}
