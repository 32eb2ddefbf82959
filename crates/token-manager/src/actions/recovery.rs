//! The secret that unblocks a token: keep it, show it, forget it.

mod object;
mod secret;

use std::sync::Arc;

use crescendo_ext::Evidence;
use crescendo_ext::identity::Family;
use crescendo_ext::xauth::XauthCryptogram;
use piv_apdu::management::ManagementKey;
use piv_apdu::secret::Pin;
use piv_apdu::status::StatusWord;
use token_profile::{RecoveryError, RecoveryKind, RecoveryRecord};

use self::object::{Kept, erase_record, read_record};
pub(crate) use self::object::{leave_foreign_content, replace_record, write_record};
pub use self::secret::{RecoveryDoubt, RecoverySecret};

use super::entry::PinEntry;
use super::unblock::{answer_with_code, authenticate_admin};
use crate::capability::{Action, Reason};
use crate::failure::{ActionError, NotSent};
use crate::plan::{Plan, Step};
use crate::record::{KeptPuk, RecoveryPlace, TokenKey};
use crate::secrets::{SecretStore, SecretStoreError};
use crate::session::{Job, LastTry, Session};

const KEEP: &str = "keep-recovery";
const ERASE: &str = "erase-recovery";
const FORGET_ON_HOST: &str = "forget-on-host";

impl Session {
    /// Where the recovery secret of this token can be kept, the best place
    /// first. On a plain PIV card writing to the token takes the management
    /// key. Sends nothing.
    pub fn recovery_places(&self) -> Vec<RecoveryPlace> {
        let token = self.family().is_none() || self.token.facts.protected_object;
        let host = self.key.is_some() && self.manager.secrets().is_some();
        let places = [
            (token, RecoveryPlace::Token),
            (host, RecoveryPlace::Host),
            (true, RecoveryPlace::Nowhere),
        ];
        places
            .into_iter()
            .filter_map(|(possible, place)| possible.then_some(place))
            .collect()
    }

    /// Keeps the recovery secret on the token or on this computer, for instance
    /// after it was changed, in place of what this software kept before: there or
    /// in the other place.
    ///
    /// VERIFY as [`authenticate`](Self::authenticate) does; then on the token
    /// SELECT of the PIV application, on a plain PIV card mutual authentication
    /// with the management key, GET DATA of `5FC109`, PUT DATA and GET DATA to
    /// read it back. With [`RecoveryPlace::Nowhere`] this is
    /// [`forget_recovery`](Self::forget_recovery).
    ///
    /// # Errors
    /// [`ActionError::ForeignContent`] if the object has other content: that is
    /// never written over; [`ActionError::Unavailable`],
    /// [`ActionError::NotSent`], [`ActionError::Wrong`],
    /// [`ActionError::Blocked`], [`ActionError::PinPad`],
    /// [`ActionError::Refused`], [`ActionError::NotConfirmed`],
    /// [`ActionError::Secrets`], [`ActionError::Store`];
    /// [`ActionError::Interrupted`] with [`Aftermath::ObjectOldOrNew`](crate::Aftermath) if the
    /// card was lost while it was written. The token is locked after.
    pub fn keep_recovery(
        &mut self,
        pin: PinEntry<'_>,
        last_try: LastTry,
        management: Option<&ManagementKey>,
        place: RecoveryPlace,
        secret: &RecoverySecret,
    ) -> Result<(), ActionError> {
        let plan = self.plan_keep_recovery(place)?;
        let was = self.record.recovery;
        if place == RecoveryPlace::Token || was == Some(RecoveryPlace::Token) {
            self.may_write(management)?;
        }
        self.carry_out(&plan, |session| {
            match place {
                RecoveryPlace::Token => {
                    session.with_pin(Action::ViewPuk, pin, last_try, |job| {
                        job.step(KEEP);
                        authorise(job, management)?;
                        write_record(job, secret)
                    })?;
                }
                RecoveryPlace::Host => {
                    let look = matches!(was, None | Some(RecoveryPlace::Token))
                        && session.may_write(management).is_ok();
                    session.with_pin(Action::ViewPuk, pin, last_try, |job| {
                        erase_ours(job, look, management)
                    })?;
                    session.steps.come_to(KEEP);
                    session.keep_on_host(secret)?;
                }
                RecoveryPlace::Nowhere => return session.forget(pin, last_try, management),
            }
            session.note_recovery(place)?;
            match (was, place) {
                (Some(RecoveryPlace::Host), RecoveryPlace::Token) => session.forget_on_host(was),
                _ => Ok(()),
            }
        })
    }

    /// What [`keep_recovery`](Self::keep_recovery) would do. Sends nothing.
    ///
    /// # Errors
    /// As `keep_recovery`, for what can be told without a PIN and without the
    /// management key.
    pub fn plan_keep_recovery(&self, place: RecoveryPlace) -> Result<Plan, ActionError> {
        let was = self.record.recovery;
        let keep = match place {
            RecoveryPlace::Token => "keep the recovery secret on the token, behind the PIN",
            RecoveryPlace::Host => "keep the recovery secret in this computer's secret store",
            RecoveryPlace::Nowhere => return self.plan_forget_recovery(),
        };
        let mut plan = Plan::new(Action::ViewPuk).step(self.verify_pin_step());
        if place == RecoveryPlace::Token {
            self.may_personalize()?;
            self.may_write_with_key()?;
            let keep = Step::new(KEEP, keep).sends(&["GET DATA", "PUT DATA"]);
            plan = plan.step(keep.evidence(self.writing_evidence()));
            if was == Some(RecoveryPlace::Host) {
                plan = plan.step(forget_on_host_step());
            }
            return Ok(plan);
        }
        self.host_secrets()?;
        if was == Some(RecoveryPlace::Token) {
            self.may_write_with_key()?;
        }
        if matches!(was, None | Some(RecoveryPlace::Token)) && self.may_write_with_key().is_ok() {
            plan = plan.step(self.erase_step());
        }
        Ok(plan.step(Step::new(KEEP, keep)))
    }

    /// Shows the secret that unblocks the token: the PUK, or what plays its
    /// part. Only one that this software has kept can be shown.
    ///
    /// VERIFY as [`authenticate`](Self::authenticate) does; then SELECT of the
    /// PIV application and GET DATA of `5FC109`, or, if this computer keeps it,
    /// its secret store, which is opened only after the card has accepted the
    /// PIN. If nobody noted where it is, the token is looked into. An admin key or
    /// an unlock code is shown only if the token still takes it: SELECT of the ACA,
    /// GET CHALLENGE, EXTERNAL AUTHENTICATE. Of a PUK that can't be told without
    /// spending a try if it is wrong, so it is shown as it was kept, and
    /// [`RecoverySecret::doubt`] says what speaks against it. That another computer
    /// has changed it since, nothing here can tell.
    ///
    /// # Errors
    /// [`ActionError::Unavailable`] with [`Reason::NotSetByThisSoftware`] if it
    /// is not there, or not ours, with [`Reason::Outdated`] if it is not the
    /// token's any more; [`ActionError::Malformed`] if it is ours and
    /// can't be read; [`ActionError::NotSent`], [`ActionError::Wrong`],
    /// [`ActionError::Blocked`], [`ActionError::PinPad`],
    /// [`ActionError::Refused`], [`ActionError::Secrets`],
    /// [`ActionError::Interrupted`]. The token is locked after.
    pub fn view_puk(
        &mut self,
        pin: PinEntry<'_>,
        last_try: LastTry,
    ) -> Result<RecoverySecret, ActionError> {
        self.ensure(Action::ViewPuk)?;
        let fixed = self.token.has_static_challenge();
        let puk = self.record.kept_puk();
        if self.record.recovery == Some(RecoveryPlace::Host) {
            self.host_secrets()?;
            self.with_pin(Action::ViewPuk, pin, last_try, |_| Ok(()))?;
            let secret = self.read_on_host()?;
            let mut job = self.job(Action::ViewPuk)?;
            let doubt = doubt(&mut job, &secret, fixed, puk);
            job.end();
            return Ok(secret.doubted(doubt?));
        }
        let secret = self.with_pin(Action::ViewPuk, pin, last_try, |job| {
            let secret = read_secret(job)?;
            let doubt = doubt(job, &secret, fixed, puk)?;
            Ok(secret.doubted(doubt))
        })?;
        // That it can't be noted keeps nobody from it.
        if let Err(error) = self.update_record(|record| {
            record.recovery = Some(RecoveryPlace::Token);
        }) {
            tracing::warn!(%error, "where the recovery secret is could not be noted");
        }
        Ok(secret)
    }

    /// Forgets the recovery secret: it is erased from where this software keeps
    /// it, and never shown again. It still unblocks the token; whoever has not
    /// written it down can't do that any more.
    ///
    /// VERIFY as [`authenticate`](Self::authenticate) does; then on the token
    /// SELECT of the PIV application, GET DATA of `5FC109`, and if what is there
    /// is ours, PUT DATA of an empty object and GET DATA to see that it is gone.
    ///
    /// # Errors
    /// [`NotSent::ManagementKey`] on a plain PIV card that may hold it: see
    /// [`forget_recovery_with_key`](Self::forget_recovery_with_key);
    /// [`ActionError::Unavailable`] if there is none of ours, or, with
    /// [`Reason::Unverified`], on a C4000 if commands that only third parties
    /// describe were not agreed to; else as
    /// [`keep_recovery`](Self::keep_recovery). The token is locked after.
    pub fn forget_recovery(
        &mut self,
        pin: PinEntry<'_>,
        last_try: LastTry,
    ) -> Result<(), ActionError> {
        let plan = self.plan_forget_recovery()?;
        self.carry_out(&plan, |session| session.forget(pin, last_try, None))
    }

    /// [`forget_recovery`](Self::forget_recovery) on a plain PIV card, where
    /// writing takes the management key (9B).
    ///
    /// # Errors
    /// As there, and [`ActionError::Wrong`] for the management key.
    pub fn forget_recovery_with_key(
        &mut self,
        pin: PinEntry<'_>,
        last_try: LastTry,
        management: &ManagementKey,
    ) -> Result<(), ActionError> {
        let plan = self.plan_forget_recovery()?;
        self.carry_out(&plan, |session| {
            session.forget(pin, last_try, Some(management))
        })
    }

    /// What [`forget_recovery`](Self::forget_recovery) would do. Sends nothing.
    ///
    /// # Errors
    /// As there, for what can be told without a PIN and without the management
    /// key.
    pub fn plan_forget_recovery(&self) -> Result<Plan, ActionError> {
        self.ensure(Action::ViewPuk)?;
        let on_host = self.record.recovery == Some(RecoveryPlace::Host);
        if on_host {
            self.host_secrets()?;
        } else {
            self.may_write_with_key()?;
        }
        let mut plan = Plan::new(Action::ViewPuk).step(self.verify_pin_step());
        if !on_host || self.may_write_with_key().is_ok() {
            plan = plan.step(self.erase_step());
        }
        if self.key.is_some() && self.manager.secrets().is_some() {
            plan = plan.step(forget_on_host_step());
        }
        Ok(plan)
    }

    fn erase_step(&self) -> Step {
        Step::new(ERASE, "erase the recovery secret that the token keeps")
            .sends(&["GET DATA", "PUT DATA"])
            .evidence(self.writing_evidence())
            .irreversible()
    }

    /// How well it is founded that PUT DATA needs no more than the PIN on a
    /// Crescendo.
    fn writing_evidence(&self) -> Option<Evidence> {
        self.family().map(|_| Evidence::ThirdParty)
    }

    fn forget(
        &mut self,
        pin: PinEntry<'_>,
        last_try: LastTry,
        management: Option<&ManagementKey>,
    ) -> Result<(), ActionError> {
        self.ensure(Action::ViewPuk)?;
        if self.record.recovery == Some(RecoveryPlace::Host) {
            self.host_secrets()?;
            // Another computer may have kept one on the token.
            let look = self.may_write(management).is_ok();
            self.with_pin(Action::ViewPuk, pin, last_try, |job| {
                erase_ours(job, look, management)
            })?;
            self.forget_on_host(self.record.recovery)?;
            return self.note_recovery(RecoveryPlace::Nowhere);
        }
        self.may_write(management)?;
        // Gone already: an erasure whose end was not seen.
        let may_be_gone = self.record.recovery == Some(RecoveryPlace::Token);
        self.with_pin(Action::ViewPuk, pin, last_try, |job| {
            job.step(ERASE);
            match read_record(job)? {
                Kept::Ours(_) => {
                    authorise(job, management)?;
                    erase_record(job)?;
                }
                Kept::Nothing | Kept::Foreign if may_be_gone => {
                    job.steps().skip(ERASE, "it is gone already");
                }
                Kept::Nothing | Kept::Foreign => return Err(not_set()),
            }
            Ok(())
        })?;
        self.forget_on_host(self.record.recovery)?;
        self.note_recovery(RecoveryPlace::Nowhere)
    }

    /// Erases what this computer's store keeps for the token, if there is a store. Where
    /// the secret `was` not noted to be there, a store that does not answer is no failure.
    fn forget_on_host(&mut self, was: Option<RecoveryPlace>) -> Result<(), ActionError> {
        self.steps.come_to(FORGET_ON_HOST);
        match self.manager.forget_secret(self.key.as_ref()) {
            Err(error) if was != Some(RecoveryPlace::Host) => {
                self.steps.skip(FORGET_ON_HOST, &error.to_string());
                Ok(())
            }
            forgotten => Ok(forgotten?),
        }
    }

    /// Notes where the recovery secret is kept.
    pub(crate) fn note_recovery(&mut self, place: RecoveryPlace) -> Result<(), ActionError> {
        self.note_changed();
        self.update_record(|record| {
            record.recovery = Some(place);
            record.kept_puk = None;
        })
    }

    /// Puts the secret into this computer's store.
    pub(crate) fn keep_on_host(&self, secret: &RecoverySecret) -> Result<(), ActionError> {
        let (store, key) = self.host_secrets()?;
        Ok(store.put(&key, &secret.record.encode())?)
    }

    /// Puts the one of these secrets that is of the kind that this computer
    /// keeps in its place. `false` if it keeps none of them.
    pub(crate) fn replace_on_host(&self, new: &[RecoverySecret]) -> Result<bool, ActionError> {
        let kept = match self.read_on_host() {
            Ok(kept) => kept.kind(),
            Err(ActionError::Unavailable { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        match new.iter().find(|secret| secret.kind() == kept) {
            Some(secret) => self.keep_on_host(secret).map(|()| true),
            None => Ok(false),
        }
    }

    /// What is kept, wherever that is, given the PIN that is known to be right.
    pub(super) fn kept_secret(&mut self, pin: &Pin) -> Result<RecoverySecret, ActionError> {
        match self.record.recovery {
            Some(RecoveryPlace::Host) => self.read_on_host(),
            _ => self.with_pin(
                Action::ViewPuk,
                PinEntry::Typed(pin),
                LastTry::Spare,
                read_secret,
            ),
        }
    }

    fn read_on_host(&self) -> Result<RecoverySecret, ActionError> {
        let (store, key) = self.host_secrets()?;
        let content = store.get(&key)?.ok_or_else(not_set)?;
        match RecoveryRecord::decode(&content) {
            Ok(record) => Ok(record.into()),
            Err(RecoveryError::Empty | RecoveryError::NotOurs) => Err(not_set()),
            Err(error) => Err(SecretStoreError {
                store: store.name().to_owned(),
                detail: error.to_string(),
            }
            .into()),
        }
    }

    pub(super) fn host_secrets(&self) -> Result<(Arc<dyn SecretStore>, TokenKey), ActionError> {
        let Some(key) = &self.key else {
            return Err(unavailable(Reason::NoIdentity));
        };
        match self.manager.secrets() {
            Some(store) => Ok((Arc::clone(store), key.clone())),
            None => Err(SecretStoreError {
                store: "this computer's secret store".to_owned(),
                detail: "this program was started without one".to_owned(),
            }
            .into()),
        }
    }

    /// Whether what a token is set up with may be put on it: nobody else
    /// administers it.
    fn may_personalize(&self) -> Result<(), ActionError> {
        self.ensure(Action::Personalize)
            .map_err(|error| match error {
                ActionError::Unavailable { reason, .. } => unavailable(reason),
                other => other,
            })
    }

    /// As [`may_write`](Self::may_write), for whoever has the management key.
    fn may_write_with_key(&self) -> Result<(), ActionError> {
        match self.may_write(None) {
            Err(ActionError::NotSent(NotSent::ManagementKey)) => Ok(()),
            result => result,
        }
    }

    /// Whether an object of ours can be written, as far as that can be told. On
    /// a Crescendo the PIN authorises PUT DATA (third-party evidence), on a
    /// plain PIV card the management key does.
    pub(super) fn may_write(&self, management: Option<&ManagementKey>) -> Result<(), ActionError> {
        let facts = &self.token.facts;
        match facts.family {
            None if management.is_none() => Err(NotSent::ManagementKey.into()),
            Some(_) if !facts.protected_object => Err(unavailable(Reason::NotAnnounced)),
            Some(Family::C4000) if !facts.project_profile && !facts.overrides.allow_unverified => {
                Err(unavailable(Reason::Unverified))
            }
            _ => Ok(()),
        }
    }
}

/// The recovery secret on the token; the PIN has to be verified.
fn read_secret(job: &mut Job<'_>) -> Result<RecoverySecret, ActionError> {
    match read_record(job)? {
        Kept::Ours(Ok(record)) => Ok(record.into()),
        Kept::Ours(Err(error)) => Err(job.malformed(error.to_string())),
        Kept::Nothing | Kept::Foreign => Err(not_set()),
    }
}

/// Whether the token still takes what is to be shown: the key, or the unlock code,
/// may have been changed by others. On a Crescendo SELECT of the ACA, GET CHALLENGE,
/// EXTERNAL AUTHENTICATE, for which no count of tries is documented. A PUK can't be
/// looked at without its tries, and is not: of it only `puk` is known.
fn doubt(
    job: &mut Job<'_>,
    secret: &RecoverySecret,
    fixed: bool,
    puk: Option<KeptPuk>,
) -> Result<Option<RecoveryDoubt>, ActionError> {
    if secret.kind() == RecoveryKind::Puk {
        return match puk {
            Some(KeptPuk::Old) => Err(unavailable(Reason::Outdated)),
            Some(KeptPuk::MayBeOld) => Ok(Some(RecoveryDoubt::ChangeInterrupted)),
            None => Ok(Some(RecoveryDoubt::NotAsked)),
        };
    }
    if job.family().is_none() {
        return Ok(Some(RecoveryDoubt::NotAsked));
    }
    still_holds(job, secret, fixed).map(|()| None)
}

fn still_holds(job: &mut Job<'_>, secret: &RecoverySecret, fixed: bool) -> Result<(), ActionError> {
    let checked = match (secret.kind(), secret.xauth_key()) {
        (RecoveryKind::XauthKey, Some(key)) => authenticate_admin(job, &key),
        (RecoveryKind::UnlockCode, _) if fixed => {
            match XauthCryptogram::from_slice(secret.record.value()) {
                Ok(code) => answer_with_code(job, &code),
                Err(_) => return Err(unavailable(Reason::Outdated)),
            }
        }
        _ => return Err(unavailable(Reason::Outdated)),
    };
    checked.map_err(|error| match error {
        ActionError::Wrong { .. }
        | ActionError::NotSent(NotSent::KeyDoesNotFit(_))
        | ActionError::Refused {
            status: StatusWord::REFERENCED_DATA_NOT_FOUND,
            ..
        } => unavailable(Reason::Outdated),
        other => other,
    })
}

/// Erases the secret on the token if there is one of ours and it is to be looked
/// for; the PIN has to be verified.
pub(super) fn erase_ours(
    job: &mut Job<'_>,
    look: bool,
    management: Option<&ManagementKey>,
) -> Result<(), ActionError> {
    if !look {
        let why = "it may be there, but erasing it takes the management key, which was not given";
        job.steps().skip(ERASE, why);
        return Ok(());
    }
    job.step(ERASE);
    if matches!(read_record(job)?, Kept::Ours(_)) {
        authorise(job, management)?;
        return erase_record(job);
    }
    job.steps().skip(ERASE, "the token keeps none");
    Ok(())
}

fn forget_on_host_step() -> Step {
    let text = "erase the recovery secret from this computer's secret store, if it is there";
    Step::new(FORGET_ON_HOST, text).irreversible()
}

/// A plain PIV card's management key, where it was given.
fn authorise(job: &mut Job<'_>, management: Option<&ManagementKey>) -> Result<(), ActionError> {
    match (job.family(), management) {
        (None, Some(key)) => job.authenticate_management(key),
        _ => Ok(()),
    }
}

fn unavailable(reason: Reason) -> ActionError {
    ActionError::Unavailable {
        action: Action::ViewPuk,
        reason,
    }
}

fn not_set() -> ActionError {
    unavailable(Reason::NotSetByThisSoftware)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

    use piv_apdu::secret::Pin;
    use token_profile::RecoveryKind;
    use virtual_token::{
        Content, CreateOptions, MemoryBackend, Profile, SharedToken, VirtualToken,
    };

    use super::*;
    use crate::session::Manager;

    /// A 4000 as a vendor's would be: without the project's profile.
    #[test]
    fn a_real_c4000_is_not_written_to_unasked() {
        let profile = Profile::Crescendo4000;
        let options = CreateOptions::default().content(Content::Empty);
        let card = SharedToken::new(VirtualToken::create(profile, &options).unwrap());
        let readers = MemoryBackend::new();
        readers.insert("Desk", &card).unwrap();
        let mut session = Manager::new(Arc::new(readers)).open("Desk").unwrap();
        card.clear_log();
        let facts = &mut session.token.facts;
        facts.project_profile = false;
        session.refresh();
        let pin = Pin::new(profile.factory_pin()).unwrap();
        let pin = PinEntry::Typed(&pin);
        let secret = RecoverySecret::new(RecoveryKind::Puk, b"31415926").unwrap();
        let place = RecoveryPlace::Token;
        let kept = session.keep_recovery(pin, LastTry::Spare, None, place, &secret);
        let forgotten = session.forget_recovery(pin, LastTry::Spare);
        for error in [kept.unwrap_err(), forgotten.unwrap_err()] {
            assert!(
                matches!(
                    error,
                    ActionError::Unavailable {
                        reason: Reason::Unverified,
                        ..
                    }
                ),
                "{error}"
            );
        }
        assert_eq!(card.commands(), 0);
    }
}
