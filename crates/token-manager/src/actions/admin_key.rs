//! The keys that administer a token: whether the right one is at hand, and a
//! new one for a Crescendo.

use crescendo_ext::aca::{PutXauthKey, XauthChallenge};
use crescendo_ext::xauth::{XauthAlgorithm, XauthKey};
use piv_apdu::management::ManagementKey;
use token_profile::RecoveryKind;

use super::authority::Authority;
use super::hand_over::{HandOver, hand_over, random_key, to_hand_over};
use super::recovery::{self, RecoverySecret};
use super::unblock::{authenticate_admin, challenge};
use crate::capability::Action;
use crate::failure::{ActionError, Aftermath, NotSent, Secret};
use crate::plan::{Plan, Step};
use crate::record::RecoveryPlace;
use crate::session::{Job, LastTry, Session};

const HAND_OVER: &str = "hand-over";
const PUT_KEY: &str = "put-admin-key";
const CHECK_KEY: &str = "check-admin-key";
const KEEP_RECOVERY: &str = "keep-recovery";

/// The admin key that a token is to get.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetKey {
    /// A random one, of the algorithm that the token's challenge tells.
    Generated,
    /// This one. The delivery value, zeros throughout, is refused.
    Given(XauthKey),
    /// The delivery value, zeros throughout, of the algorithm that the token's
    /// challenge tells: everybody who has the token can then unblock and erase
    /// it.
    Delivery,
}

/// How the change of the admin key went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdminKeySet {
    /// The new key's algorithm.
    pub algorithm: XauthAlgorithm,
    /// Whether a recovery secret that this software had kept, and that has
    /// changed with the key, was replaced where it is kept (`Some`), or can't
    /// be shown any more (`Some(Nowhere)`). `None` if none was kept.
    pub recovery: Option<RecoveryPlace>,
}

/// Whether a key is the token's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyCheck {
    /// It is.
    Right,
    /// It is not.
    Wrong,
}

impl Session {
    /// Whether this is the token's admin key (XAUTH key 1): SELECT of the ACA,
    /// GET CHALLENGE, EXTERNAL AUTHENTICATE. No try counter is documented for
    /// it. The token is locked after.
    ///
    /// # Errors
    /// [`ActionError::NotSent`] if the key is not of the kind that the
    /// challenge wants, [`ActionError::Refused`] (`6A88`: the token has no admin
    /// key), [`ActionError::Interrupted`].
    pub fn check_admin_key(&mut self, key: &XauthKey) -> Result<KeyCheck, ActionError> {
        self.ensure(Action::UnblockWithChallengeResponse)?;
        let mut job = self.job(Action::ChangeAdminKey)?;
        let result = authenticate_admin(&mut job, key);
        job.end();
        match result {
            Ok(()) => Ok(KeyCheck::Right),
            Err(ActionError::Wrong { .. }) => Ok(KeyCheck::Wrong),
            Err(error) => Err(error),
        }
    }

    /// Whether this is the token's card management key (9B), and whether the
    /// card knows it too: SELECT of the PIV application and mutual
    /// authentication with GENERAL AUTHENTICATE (`00 87 algorithm 9B`), two
    /// commands. The token is locked after.
    ///
    /// # Errors
    /// [`ActionError::CardNotGenuine`] if the card takes the key and does not know it;
    /// [`ActionError::Unavailable`], [`ActionError::Refused`],
    /// [`ActionError::Interrupted`].
    pub fn check_management_key(&mut self, key: &ManagementKey) -> Result<KeyCheck, ActionError> {
        self.ensure(Action::AuthenticateManagementKey)?;
        let mut job = self.job(Action::AuthenticateManagementKey)?;
        let result = job.authenticate_management(key);
        job.end();
        match result {
            Ok(()) => Ok(KeyCheck::Right),
            Err(ActionError::Wrong {
                secret: Secret::ManagementKey,
                ..
            }) => Ok(KeyCheck::Wrong),
            Err(error) => Err(error),
        }
    }

    /// Sets the admin key (XAUTH key 1), which unblocks the PIN by challenge and
    /// response, and administers the token. To rotate it, give the old key as
    /// authority.
    ///
    /// SELECT of the ACA and GET CHALLENGE tell the algorithm. Then the new key is
    /// handed over; with a static challenge so is the unlock code that belongs
    /// to it. Only then, in one transaction: the authority is presented
    /// ([`Authority`]), PUT XAUTH KEY (`00 D8 01 00 Lc 00 alg len+1 len key 00`), and
    /// GET CHALLENGE and EXTERNAL AUTHENTICATE with the new key to see that the
    /// token has it. The token is locked after.
    ///
    /// # Errors
    /// [`ActionError::Unavailable`], on a plain PIV card always, since the
    /// standard has no command for it; [`NotSent::DeliveryKey`],
    /// [`NotSent::SameAsOld`], [`NotSent::KeyDoesNotFit`] (another algorithm than
    /// the token's); [`ActionError::NotTakenOver`]; [`ActionError::Wrong`],
    /// [`ActionError::Blocked`], [`ActionError::Refused`];
    /// [`ActionError::NotConfirmed`] if the token does not take the new key
    /// afterwards; [`ActionError::Interrupted`] with [`Aftermath::KeyOldOrNew`] if
    /// the card was lost with the command on its way.
    pub fn set_admin_key(
        &mut self,
        authority: Authority<'_>,
        new: SetKey,
        take: &mut HandOver<'_>,
        last_try: LastTry,
    ) -> Result<AdminKeySet, ActionError> {
        let plan = self.plan_admin_key()?;
        authority.check(self)?;
        if let SetKey::Given(new) = &new {
            if new.is_delivery_value() {
                return Err(NotSent::DeliveryKey.into());
            }
            if matches!(authority, Authority::AdminKey(old) if old == new) {
                let secret = Secret::AdminKey;
                return Err(NotSent::SameAsOld { secret }.into());
            }
        }
        self.carry_out(&plan, |session| {
            session.replace_key(authority, new, take, last_try)
        })
    }

    fn replace_key(
        &mut self,
        authority: Authority<'_>,
        new: SetKey,
        take: &mut HandOver<'_>,
        last_try: LastTry,
    ) -> Result<AdminKeySet, ActionError> {
        let action = Action::ChangeAdminKey;
        let challenge = self.ask_challenge(action)?;
        self.steps.come_to(HAND_OVER);
        let key = match new {
            SetKey::Generated => random_key(challenge.algorithm())?,
            SetKey::Given(key) => key,
            SetKey::Delivery => delivery_key(challenge.algorithm())?,
        };
        let algorithm = key.algorithm();
        let secrets = secrets_of(&key, &challenge, self.token.has_static_challenge())?;
        for secret in &secrets {
            hand_over(take, secret, Aftermath::Unchanged)?;
        }
        self.steps.come_to(PUT_KEY);
        let on_token = self.record.recovery == Some(RecoveryPlace::Token);
        let command = PutXauthKey { key };
        let mut job = self.job(action)?;
        let verified = authority.authenticate(&mut job, last_try);
        let result = verified.is_ok().then(|| {
            put_key(&mut job, &command)?;
            job.step(KEEP_RECOVERY);
            match authority {
                Authority::Pin(_) if on_token => recovery::replace_record(&mut job, &secrets),
                _ => Ok(false),
            }
        });
        job.end();
        let by_pin = matches!(authority, Authority::Pin(_));
        if by_pin {
            self.note_verification(&verified);
        }
        self.note_locked();
        verified?;
        let replaced = result.unwrap_or(Err(ActionError::AuthenticationLost))?;
        self.note_changed();
        let recovery = self.keep_along(&secrets, by_pin, replaced)?;
        Ok(AdminKeySet {
            algorithm,
            recovery,
        })
    }

    /// What becomes of the secret that is kept, once the key is a new one: whether
    /// it was replaced on the token is known.
    fn keep_along(
        &mut self,
        secrets: &[RecoverySecret],
        by_pin: bool,
        replaced: bool,
    ) -> Result<Option<RecoveryPlace>, ActionError> {
        match self.record.recovery {
            Some(RecoveryPlace::Token) if replaced => return Ok(Some(RecoveryPlace::Token)),
            // Only the PIN opens it, so it could not be replaced: never show
            // a key that does not hold any more.
            Some(RecoveryPlace::Token) if !by_pin && !self.token.facts.project_profile => {
                self.note_recovery(RecoveryPlace::Nowhere)?;
                let why = "only the PIN opens it, so it is not shown any more";
                self.steps.skip(KEEP_RECOVERY, why);
                return Ok(Some(RecoveryPlace::Nowhere));
            }
            Some(RecoveryPlace::Host) if self.replace_on_host(secrets)? => {
                return Ok(Some(RecoveryPlace::Host));
            }
            _ => {}
        }
        self.steps
            .skip(KEEP_RECOVERY, "what is kept has not changed");
        Ok(None)
    }

    /// What [`set_admin_key`](Self::set_admin_key) would do. Sends nothing.
    ///
    /// # Errors
    /// [`ActionError::Unavailable`].
    pub fn plan_admin_key(&self) -> Result<Plan, ActionError> {
        let action = Action::ChangeAdminKey;
        self.ensure(action)?;
        let ask = "ask which kind of key the token has";
        let put = "present the PIN or the old key, and put the new one in its place";
        let check = "see that the token takes the new key";
        let plan = Plan::new(action)
            .step(self.vendor_step("challenge", ask, &["GET CHALLENGE"]))
            .step(Step::new(
                HAND_OVER,
                "hand the new key over, unless it was given",
            ))
            .step(
                self.vendor_step(PUT_KEY, put, &["VERIFY PIN", "PUT XAUTH KEY"])
                    .irreversible(),
            )
            .step(self.vendor_step(
                CHECK_KEY,
                check,
                &["GET CHALLENGE", "EXTERNAL AUTHENTICATE"],
            ));
        Ok(match self.record.recovery {
            Some(RecoveryPlace::Token | RecoveryPlace::Host) => plan.step(Step::new(
                KEEP_RECOVERY,
                "replace the copy that is kept, if it is one of the key",
            )),
            _ => plan,
        })
    }

    /// SELECT of the ACA, GET CHALLENGE.
    fn ask_challenge(&mut self, action: Action) -> Result<XauthChallenge, ActionError> {
        let mut job = self.job(action)?;
        let challenge = challenge(&mut job);
        job.end();
        challenge
    }
}

/// The secrets that come with a new admin key: the key, and with a static
/// challenge the unlock code.
pub(crate) fn secrets_of(
    key: &XauthKey,
    challenge: &XauthChallenge,
    fixed: bool,
) -> Result<Vec<RecoverySecret>, ActionError> {
    let response = key
        .cryptogram(challenge)
        .map_err(|error| NotSent::KeyDoesNotFit(error.to_string()))?;
    let mut secrets = vec![to_hand_over(RecoveryKind::XauthKey, key.as_bytes())?];
    if fixed {
        secrets.push(to_hand_over(RecoveryKind::UnlockCode, response.as_bytes())?);
    }
    Ok(secrets)
}

/// PUT XAUTH KEY in the ACA, with an authority presented; then GET CHALLENGE and
/// EXTERNAL AUTHENTICATE, to see that it is there.
pub(crate) fn put_key(job: &mut Job<'_>, command: &PutXauthKey) -> Result<(), ActionError> {
    job.step("select-aca").select_aca()?;
    job.risking(PUT_KEY, Aftermath::KeyOldOrNew)
        .demand(command)?;
    job.step(CHECK_KEY);
    match authenticate_admin(job, &command.key) {
        Err(ActionError::Wrong { .. } | ActionError::NotSent(_)) => {
            Err(job.not_confirmed("it does not take the new admin key"))
        }
        result => result,
    }
}

fn delivery_key(algorithm: XauthAlgorithm) -> Result<XauthKey, NotSent> {
    XauthKey::new(algorithm, &[0; 24][..algorithm.key_length()])
        .map_err(|error| NotSent::KeyDoesNotFit(error.to_string()))
}
