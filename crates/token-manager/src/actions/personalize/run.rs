//! The steps that set a token up, each noted before and after it is done.

use crescendo_ext::aca::{PutXauthKey, XauthChallenge};
use piv_apdu::management::ManagementKey;
use piv_apdu::secret::{Pin, Puk};
use token_profile::{ChallengeType, ManagementProfile, Policy, RecoveryKind};

use super::{
    CHANGE_PIN, CHANGE_PUK, HAND_OVER, KEEP_RECOVERY, PUT_KEY, PersonalizeOptions, READ_BACK,
    WRITE_CHALLENGE, WRITE_POLICY,
};
use crate::actions::admin_key::{put_key, secrets_of};
use crate::actions::authenticate::{present, refused_pin, tries, verify};
use crate::actions::entry::{PinChangeEntry, PinEntry, may_be_puk};
use crate::actions::hand_over::{HandOver, hand_over, random_key, random_puk, to_hand_over};
use crate::actions::policy::write_profile;
use crate::actions::progress::Progress;
use crate::actions::recovery::{RecoverySecret, erase_ours, leave_foreign_content, write_record};
use crate::actions::unblock::challenge;
use crate::actions::{change_pin, change_puk};
use crate::capability::Action;
use crate::failure::{ActionError, Aftermath, NotSent, Secret};
use crate::record::RecoveryPlace;
use crate::secrets::SecretStoreError;
use crate::session::{Job, LastTry, Session};
use crate::token::ProfileState;

const DONE_BEFORE: &str = "it was done before the interruption";

/// What a run was given.
pub(super) struct Setup<'a> {
    pub(super) options: &'a PersonalizeOptions<'a>,
    pub(super) new_pin: &'a Pin,
    pub(super) present_pin: Pin,
    pub(super) present_puk: Option<Puk>,
    pub(super) management: Option<&'a ManagementKey>,
    /// Look for a recovery secret on the token, and erase it.
    pub(super) erase_kept: bool,
    pub(super) last_try: LastTry,
}

/// What the token is to get.
struct NewSecrets {
    key: Option<PutXauthKey>,
    puk: Option<Puk>,
    /// What unblocks the token from then on.
    recovery: RecoverySecret,
}

impl Session {
    /// From the first new secret to the policy. Gives the kind of the recovery
    /// secret.
    pub(super) fn set_up<'p>(
        &mut self,
        setup: &'p Setup<'p>,
        take: &mut HandOver<'_>,
        progress: &mut Progress<'_>,
    ) -> Result<RecoveryKind, ActionError> {
        let wanted = wanted(&setup.options.policy);
        if progress.was_begun(WRITE_POLICY) && holds(&self.token.profile, &wanted) {
            // All else was done before it.
            progress.skipped(WRITE_POLICY, DONE_BEFORE);
            return Ok(RecoveryKind::Puk);
        }
        self.may_try_puk(setup.last_try)?;
        let handed_puk = handed_puk(setup, progress)?;
        let right = self.look_first(setup, progress)?;
        let new = self.new_secrets(setup, right, handed_puk, take, progress)?;

        let mut job = self.job(Action::Personalize)?;
        let result = change_secrets(&mut job, setup, right, &new, progress);
        job.end();
        if new.puk.is_some() {
            self.note_puk(&result);
        }
        self.note_verification(&result);
        self.note_locked();
        result?;

        if setup.options.recovery == RecoveryPlace::Host {
            progress.step(KEEP_RECOVERY, || self.keep_on_host(&new.recovery))?;
        }
        if self.keeps_profile_on_token() {
            let mut job = self.job(Action::Personalize)?;
            job.at("verify-pin", Aftermath::Resumable);
            let pin = PinEntry::Typed(setup.new_pin);
            let result = verify(&mut job, pin, setup.last_try).and_then(|_| {
                progress.step(WRITE_POLICY, || write_profile(&mut job, &wanted).map(drop))
            });
            job.end();
            result?;
        }
        Ok(new.recovery.kind())
    }

    /// Before anything is made, handed over or changed: which PIN the token has,
    /// whether the management key is its own, and whether there is room for what
    /// is to be kept on it. All of that is known only behind the PIN.
    fn look_first<'p>(
        &mut self,
        setup: &'p Setup<'p>,
        progress: &mut Progress<'_>,
    ) -> Result<&'p Pin, ActionError> {
        let mut job = self.job(Action::Personalize)?;
        job.at("verify-pin", progress.aftermath());
        let result = look(&mut job, setup, progress);
        job.end();
        self.note_verification(&result);
        self.note_locked();
        result
    }

    /// Makes the new secrets and hands them over, but for a PUK that an
    /// interrupted run has handed over. `right` is the PIN that the token has.
    fn new_secrets(
        &mut self,
        setup: &Setup<'_>,
        right: &Pin,
        handed_puk: Option<Puk>,
        take: &mut HandOver<'_>,
        progress: &mut Progress<'_>,
    ) -> Result<NewSecrets, ActionError> {
        let mut handed = Vec::new();
        let mut key = None;
        if self.family().is_some() {
            let (algorithm, code) = self.challenge_for_key(setup, right, progress)?;
            let new = random_key(algorithm)?;
            handed = match &code {
                Some(challenge) => secrets_of(&new, challenge, true)?,
                None => vec![to_hand_over(RecoveryKind::XauthKey, new.as_bytes())?],
            };
            key = Some(PutXauthKey { key: new });
        }
        let mut puk = handed_puk;
        if setup.present_puk.is_some() && puk.is_none() {
            let new = random_puk()?;
            handed.push(to_hand_over(RecoveryKind::Puk, new.as_bytes())?);
            puk = Some(new);
        }
        for secret in &handed {
            hand_over(take, secret, progress.aftermath())
                .map_err(|error| progress.failed(HAND_OVER, error))?;
        }
        progress.done(HAND_OVER);
        let recovery = match (&puk, &key) {
            (Some(puk), _) => to_hand_over(RecoveryKind::Puk, puk.as_bytes())?,
            (None, Some(put)) => to_hand_over(RecoveryKind::XauthKey, put.key.as_bytes())?,
            (None, None) => return Err(NotSent::NoPuk.into()),
        };
        Ok(NewSecrets { key, puk, recovery })
    }

    /// The algorithm that the new key has to have, and the challenge if it is
    /// static: the token draws that one first.
    fn challenge_for_key(
        &mut self,
        setup: &Setup<'_>,
        right: &Pin,
        progress: &mut Progress<'_>,
    ) -> Result<(crescendo_ext::xauth::XauthAlgorithm, Option<XauthChallenge>), ActionError> {
        let fixed = setup.options.policy.challenge == ChallengeType::Static;
        if let (false, Some(algorithm)) = (fixed, setup.options.key_algorithm) {
            return Ok((algorithm, None));
        }
        let mut stored = self.token.profile.profile().cloned().unwrap_or_default();
        let mut job = self.job(Action::Personalize)?;
        job.at("challenge", progress.aftermath());
        let result = if fixed {
            fixed_challenge(&mut job, setup, right, &mut stored, progress)
        } else {
            challenge(&mut job)
        };
        job.end();
        self.note_verification(&result);
        self.note_locked();
        if fixed {
            self.token.profile = ProfileState::OnToken(stored);
            self.refresh();
        }
        let challenge = result?;
        Ok((challenge.algorithm(), fixed.then_some(challenge)))
    }

    /// Reads the token back, and closes the journal along with what this host
    /// keeps from now on. Gives why it could not forget what it has kept so far: the token
    /// is set up all the same, and what is left unblocks it no more.
    pub(super) fn finish_personalize(
        &mut self,
        options: &PersonalizeOptions<'_>,
        mut progress: Progress<'_>,
    ) -> Result<Option<SecretStoreError>, ActionError> {
        self.reload_changed(Action::Personalize)?;
        let wanted = wanted(&options.policy);
        let on_token = self.keeps_profile_on_token();
        if on_token && !holds(&self.token.profile, &wanted) {
            let error = ActionError::NotConfirmed {
                action: Action::Personalize,
                detail: "it has another policy than was written".to_owned(),
            };
            return Err(progress.failed(READ_BACK, error));
        }
        if !on_token {
            progress.done(WRITE_POLICY);
        }
        progress.done(READ_BACK);
        let place = options.recovery;
        let mut left_on_host = None;
        if place != RecoveryPlace::Host {
            let was_kept = progress.may_be_kept_on_host()?;
            let forgotten = self.manager.forget_secret(self.key.as_ref());
            left_on_host = forgotten.err().filter(|_| was_kept);
        }
        progress.finish(|record| {
            record.profile = (!on_token).then(|| wanted.clone());
            record.recovery = Some(place);
            record.kept_puk = None;
        })?;
        self.consult_record()?;
        Ok(left_on_host)
    }
}

/// The PUK that an interrupted run has handed over. It stays what it is to become:
/// so the PUK is one of two, however often this is interrupted.
fn handed_puk(setup: &Setup<'_>, progress: &Progress<'_>) -> Result<Option<Puk>, ActionError> {
    if setup.present_puk.is_none() || !progress.was_begun(CHANGE_PUK) {
        return Ok(None);
    }
    let given = setup.options.interrupted_puk;
    let given = given.ok_or(NotSent::InterruptedPuk)?;
    may_be_puk(given)?;
    Ok(Some(given.clone()))
}

fn wanted(policy: &Policy) -> ManagementProfile {
    ManagementProfile {
        policy: policy.clone(),
        personalized: true,
        enforced_by_card: false,
    }
}

fn holds(profile: &ProfileState, wanted: &ManagementProfile) -> bool {
    match profile {
        ProfileState::OnToken(found) => {
            found.personalized == wanted.personalized && found.policy == wanted.policy
        }
        _ => false,
    }
}

/// Presents the PIN, or after an interrupted change of it first the new one, and
/// notes which it is. Then the management key, if there is one, and a look at the
/// object that the recovery secret is to go into.
fn look<'p>(
    job: &mut Job<'_>,
    setup: &'p Setup<'p>,
    progress: &mut Progress<'_>,
) -> Result<&'p Pin, ActionError> {
    tries(job, setup.last_try)?;
    if job.family().is_some() {
        job.select_aca()?;
    }
    let right = present_either(job, setup, progress)?;
    if right == setup.new_pin {
        progress.note(CHANGE_PIN)?;
    } else {
        progress.settle(CHANGE_PIN);
    }
    if let Some(key) = setup.management {
        job.authenticate_management(key)?;
    }
    if setup.options.recovery == RecoveryPlace::Token {
        leave_foreign_content(job)?;
    }
    Ok(right)
}

/// The old PIN is not presented as the last try after the new one was wrong.
fn present_either<'p>(
    job: &mut Job<'_>,
    setup: &'p Setup<'p>,
    progress: &Progress<'_>,
) -> Result<&'p Pin, ActionError> {
    if progress.was_begun(CHANGE_PIN) {
        match present(job, PinEntry::Typed(setup.new_pin)) {
            Ok(()) => return Ok(setup.new_pin),
            Err(error) if may_go_on(&error, setup.last_try) => {}
            Err(error) => return Err(error),
        }
    }
    present(job, PinEntry::Typed(&setup.present_pin)).map(|()| &setup.present_pin)
}

/// Whether a PIN was wrong, and another one may be presented.
fn may_go_on(error: &ActionError, last_try: LastTry) -> bool {
    matches!(
        error,
        ActionError::Wrong { secret: Secret::Pin | Secret::Puk, tries_left }
            if last_try == LastTry::Use || tries_left.is_none_or(|left| left > 1)
    )
}

/// Has the token draw its static challenge, unless it has one, and asks for it.
/// `stored` is the profile on the token, before and after.
fn fixed_challenge(
    job: &mut Job<'_>,
    setup: &Setup<'_>,
    right: &Pin,
    stored: &mut ManagementProfile,
    progress: &mut Progress<'_>,
) -> Result<XauthChallenge, ActionError> {
    if stored.policy.challenge == ChallengeType::Static {
        progress.skipped(WRITE_CHALLENGE, "the token has one");
        return challenge(job);
    }
    verify(job, PinEntry::Typed(right), setup.last_try)?;
    let drawn = ManagementProfile {
        policy: Policy {
            challenge: ChallengeType::Static,
            ..stored.policy.clone()
        },
        ..stored.clone()
    };
    progress.step(WRITE_CHALLENGE, || {
        job.at(WRITE_CHALLENGE, Aftermath::Resumable);
        *stored = write_profile(job, &drawn)?;
        Ok(())
    })?;
    challenge(job)
}

/// Admin key, PUK, PIN, in one transaction; and the recovery record, if it is
/// kept on the token.
fn change_secrets(
    job: &mut Job<'_>,
    setup: &Setup<'_>,
    right: &Pin,
    new: &NewSecrets,
    progress: &mut Progress<'_>,
) -> Result<(), ActionError> {
    job.at("verify-pin", progress.aftermath());
    verify(job, PinEntry::Typed(right), setup.last_try)?;
    if let Some(command) = &new.key {
        progress.step(PUT_KEY, || {
            job.at(PUT_KEY, Aftermath::Resumable);
            put_key(job, command)
        })?;
    }
    if let (Some(old), Some(new)) = (&setup.present_puk, &new.puk) {
        replace_puk(job, old, new, setup.last_try, progress)?;
    }
    if right == setup.new_pin {
        progress.done_before(CHANGE_PIN, DONE_BEFORE)?;
    } else {
        progress.step(CHANGE_PIN, || replace_pin(job, setup))?;
    }
    if setup.options.recovery == RecoveryPlace::Token {
        progress.step(KEEP_RECOVERY, || {
            job.at(KEEP_RECOVERY, Aftermath::Resumable);
            if let Some(key) = setup.management {
                job.authenticate_management(key)?;
            }
            write_record(job, &new.recovery)
        })?;
    } else if setup.erase_kept {
        job.at(KEEP_RECOVERY, Aftermath::Resumable);
        erase_ours(job, true, setup.management)?;
    }
    Ok(())
}

/// The token has the old PUK, or the new one from an interrupted run.
fn replace_puk(
    job: &mut Job<'_>,
    old: &Puk,
    new: &Puk,
    last_try: LastTry,
    progress: &mut Progress<'_>,
) -> Result<(), ActionError> {
    if progress.was_done(CHANGE_PUK) {
        progress.skipped(CHANGE_PUK, DONE_BEFORE);
        return Ok(());
    }
    let may_have_new = progress.was_begun(CHANGE_PUK);
    progress.step(CHANGE_PUK, || {
        job.at(CHANGE_PUK, Aftermath::Resumable).select_piv()?;
        match change_puk::send_change(job, old, new) {
            // That it is taken for the old one gives the try back.
            Err(error) if may_have_new && may_go_on(&error, last_try) => {
                change_puk::send_change(job, new, new)
            }
            result => result,
        }
    })
}

/// CHANGE PIN, and VERIFY to see that it is the new one.
fn replace_pin(job: &mut Job<'_>, setup: &Setup<'_>) -> Result<(), ActionError> {
    job.at(CHANGE_PIN, Aftermath::Resumable);
    if job.family().is_some() {
        job.select_aca()?;
    } else {
        job.select_piv()?;
    }
    let entry = PinChangeEntry::Typed {
        old: &setup.present_pin,
        new: setup.new_pin,
    };
    change_pin::send_change(job, entry)?.map_err(|status| refused_pin(job, status))?;
    match present(job, PinEntry::Typed(setup.new_pin)) {
        Err(ActionError::Wrong { .. }) => Err(job.not_confirmed("it does not take the new PIN")),
        result => result,
    }
}
