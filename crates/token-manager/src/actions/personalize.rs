//! Personalize: set a token up for a person. This project's composition from
//! documented commands, and not the vendor's procedure.

mod plan;
mod run;

use crescendo_ext::xauth::XauthAlgorithm;
use piv_apdu::secret::{Pin, Puk};
use token_profile::{ChallengeType, Policy, RecoveryKind};

use super::authority::Authority;
use super::entry::{may_be_pin, may_be_puk, may_become_pin};
use super::hand_over::HandOver;
use super::progress::{Observer, Progress};
use super::recycle::{READ_AGAIN, RESET_CARD, delivery_pin};
use crate::capability::{Action, Reason};
use crate::failure::{ActionError, NotSent, PolicyRefusal, Secret};
use crate::fido::FidoErasure;
use crate::pin::PinStatus;
use crate::record::RecoveryPlace;
use crate::secrets::SecretStoreError;
use crate::session::{LastTry, Session};
use crate::token::{Token, TokenFamily};

const WRITE_CHALLENGE: &str = "write-challenge";
const HAND_OVER: &str = "hand-over";
const PUT_KEY: &str = "put-admin-key";
pub(crate) const CHANGE_PUK: &str = "change-puk";
const CHANGE_PIN: &str = "change-pin";
pub(crate) const KEEP_RECOVERY: &str = "keep-recovery";
const WRITE_POLICY: &str = "write-policy";
const READ_BACK: &str = "read-back";

/// The PUK of a token with the project's profile, as delivered and after RESET
/// CARD.
const DELIVERY_PUK: &[u8] = b"12345678";

/// The secrets that a token has before it is personalized.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum PresentSecrets<'a> {
    /// Those that it is delivered with. Only for a Crescendo that shows no sign
    /// of use; a plain PIV card does not tell its own.
    Delivery,
    /// These.
    Typed {
        /// The PIN.
        pin: &'a Pin,
        /// The PUK, for a token that has one: a plain PIV card, or one that
        /// keeps the project's profile.
        puk: Option<&'a Puk>,
    },
}

/// How a token is to be personalized.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PersonalizeOptions<'a> {
    /// The PIN policy that it is to have.
    pub policy: Policy,
    /// Erase it first: what [`Session::confirmation`] says, to the letter. Takes
    /// an authority.
    pub recycle_first: Option<&'a str>,
    /// The secrets that it has now. After an erasure in the same run they are
    /// the delivery values, whatever is said here.
    pub present: PresentSecrets<'a>,
    /// Where the secret that unblocks it is kept besides with the person.
    pub recovery: RecoveryPlace,
    /// The PUK that an interrupted run has handed over: the token may have it.
    pub interrupted_puk: Option<&'a Puk>,
    /// The admin key's algorithm, for a Crescendo that does not tell it by its
    /// challenge. `None`: that of its challenge.
    pub key_algorithm: Option<XauthAlgorithm>,
}

impl<'a> PersonalizeOptions<'a> {
    /// The policy of a token as delivered, nothing erased, the recovery secret
    /// with the person only.
    pub fn new(present: PresentSecrets<'a>) -> Self {
        Self {
            policy: Policy::DELIVERY,
            recycle_first: None,
            present,
            recovery: RecoveryPlace::Nowhere,
            interrupted_puk: None,
            key_algorithm: None,
        }
    }
}

/// What a person is asked for before a token is set up, besides the new PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is asked for or not")]
#[non_exhaustive]
pub struct PersonalizeNeeds {
    /// What allows the erasure: the PIN, or the admin key. The token has the secrets that it
    /// is delivered with then.
    pub authority: bool,
    /// The present PIN.
    pub present_pin: bool,
    /// The present PUK.
    pub present_puk: bool,
    /// The card management key (9B), to keep the recovery secret where it is to be kept.
    pub management_key: bool,
}

/// How it went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Personalized {
    /// An earlier run had been interrupted, and this one has finished it.
    pub finished_earlier_run: bool,
    /// What the person has in hand to unblock the token.
    pub recovery: RecoveryKind,
    /// Where that is kept besides.
    pub place: RecoveryPlace,
    /// The PIN's state.
    pub pin: PinStatus,
    /// What the FIDO application told of its erasure, where the token was erased first.
    pub fido_erasure: Option<FidoErasure>,
    /// Why what this host's secret store has kept so far could not be erased. It unblocks
    /// the token no more.
    pub left_on_host: Option<SecretStoreError>,
}

impl Personalized {
    /// How it went, and what unblocks the token from now on, as sentences.
    pub fn sentences(&self) -> String {
        let what = if self.finished_earlier_run {
            "The token is set up: this run has finished an earlier one."
        } else {
            "The token is set up."
        };
        let kind = match self.recovery {
            RecoveryKind::Puk => "the PUK",
            RecoveryKind::XauthKey => "the admin key",
            RecoveryKind::UnlockCode => "the unlock code",
        };
        let place = match self.place {
            RecoveryPlace::Token => "on the token, behind the PIN, too",
            RecoveryPlace::Host => "in this computer's secret store, too",
            RecoveryPlace::Nowhere => "with you only",
        };
        format!("{what} Its PIN is the new one. What unblocks it is {kind}, which is {place}.")
    }

    /// What [`left_on_host`](Self::left_on_host) means, as sentences.
    pub fn leftover(&self) -> Option<String> {
        let error = self.left_on_host.as_ref()?;
        Some(format!(
            "What was kept for the token so far could not be erased: {error}. It unblocks the token \
             no more."
        ))
    }
}

impl Token {
    /// What a person is asked for to set the token up: if it is erased first or not, if it is
    /// said to have other secrets than it is delivered with, and if what unblocks it is kept
    /// in this place. Sends nothing.
    pub fn personalize_needs(
        &self,
        erase: bool,
        has_others: bool,
        place: RecoveryPlace,
    ) -> PersonalizeNeeds {
        let typed = !erase && (has_others || !self.may_have_delivery_secrets());
        PersonalizeNeeds {
            authority: erase,
            present_pin: typed,
            present_puk: typed && self.has_puk(),
            management_key: self.takes_management_key(place),
        }
    }

    /// Whether the token has a PUK on its wire, as far as is public: one that is asked for
    /// as [`PresentSecrets::Typed`], and replaced. Sends nothing.
    pub fn has_puk(&self) -> bool {
        self.identity.family == TokenFamily::Piv || self.facts.project_profile
    }

    /// Whether [`PresentSecrets::Delivery`] may be said of the token as it is, without
    /// erasing it first: a Crescendo that shows no sign of use, or one that a run which
    /// was not finished has erased. Sends nothing.
    pub fn may_have_delivery_secrets(&self) -> bool {
        self.identity.family != TokenFamily::Piv && self.may_be_as_delivered()
    }

    /// Nothing is on the token, and this software has not set it up; unless a run
    /// that was not finished has erased it since, or goes on from where the PIN was
    /// changed.
    fn may_be_as_delivered(&self) -> bool {
        let facts = &self.facts;
        let set_up = facts.personalized || facts.personalized_here;
        let goes_on = self.unfinished.as_ref().is_some_and(|journal| {
            let begun = |step| journal.has_done(step) || journal.is_doubtful(step);
            begun(RESET_CARD) || begun(CHANGE_PIN)
        });
        facts.empty && (!set_up || goes_on)
    }
}

impl Session {
    /// Sets the token up for a person: PIN, recovery secrets, policy.
    ///
    /// The token is read afresh and has to be the same one, and is erased if the
    /// options say so ([`recycle`](Self::recycle)). Then
    ///
    /// | step | Crescendo | plain PIV |
    /// |---|---|---|
    /// | whether the PIN is right, and what is to be kept has room | VERIFY; GET DATA of `5FC109` if it is to be kept there | VERIFY, authentication with the management key if given, GET DATA |
    /// | recovery secrets are made and handed over | admin key, and a PUK where the project's profile has one | PUK |
    /// | the token gets them | VERIFY, PUT XAUTH KEY, GET CHALLENGE and EXTERNAL AUTHENTICATE to check it; CHANGE REFERENCE DATA of the PUK | CHANGE REFERENCE DATA of the PUK |
    /// | the PIN becomes the person's | CHANGE PIN, VERIFY | CHANGE REFERENCE DATA, VERIFY |
    /// | the recovery secret is kept, if it is to be | `5FC109` or the host | `5FC109` (with the management key) or the host |
    /// | the policy | `5FFD01` where the token has a place for it, else the host | the host |
    ///
    /// and the token is read once more. With a static challenge (project's
    /// profile) the token draws it first, and the unlock code is handed over
    /// with the key. Nobody is asked while a transaction is held.
    ///
    /// A delivery PIN is presented only after an erasure, or if the options say
    /// so and the token is empty; never as a guess.
    ///
    /// If it is interrupted, start it again with the same options and the same
    /// new PIN. What is certainly done is not done again; of what may be done,
    /// the new PIN is tried first, which costs at most one try and only where
    /// more than one is left. A new admin key is handed over again and replaces
    /// the one before; a PUK that was handed over is given back as
    /// [`PersonalizeOptions::interrupted_puk`]. A token with neither a serial
    /// number nor a GUID leaves no trace on this host: look then which PIN holds,
    /// and give that one.
    ///
    /// # Errors
    /// [`ActionError::Unavailable`], [`ActionError::NotSent`],
    /// [`ActionError::Policy`] before anything is sent;
    /// [`ActionError::NotTakenOver`] before the token gets what was not taken;
    /// [`ActionError::Wrong`], [`ActionError::Blocked`],
    /// [`ActionError::Refused`], [`ActionError::ForeignContent`],
    /// [`ActionError::NotConfirmed`], [`ActionError::Secrets`],
    /// [`ActionError::Store`]; [`ActionError::Interrupted`], from the first
    /// change on with [`Aftermath::Resumable`](crate::Aftermath::Resumable).
    #[allow(
        clippy::too_many_arguments,
        reason = "each is a decision of the person's"
    )]
    pub fn personalize(
        &mut self,
        options: &PersonalizeOptions<'_>,
        new_pin: &Pin,
        authority: Option<Authority<'_>>,
        take: &mut HandOver<'_>,
        last_try: LastTry,
        observer: &mut Observer<'_>,
    ) -> Result<Personalized, ActionError> {
        self.check_all(options, new_pin, authority)?;
        self.reload_same()?;
        self.check_all(options, new_pin, authority)?;
        let mut progress = Progress::new(self, Action::Personalize, observer);
        progress.done(READ_AGAIN);
        let finished_earlier_run = progress.is_under_way();
        let mut fido_erasure = None;
        if let Some(authority) = authority
            && options.recycle_first.is_some()
        {
            let erased = self.erase(Action::Personalize, authority, last_try, &mut progress)?;
            self.forget_for_reuse(&mut progress)?;
            fido_erasure = Some(erased.fido);
        }
        let erased = fido_erasure.is_some();
        let management = match authority {
            Some(Authority::ManagementKey(key)) => Some(key),
            _ => None,
        };
        let setup = run::Setup {
            options,
            new_pin,
            present_pin: self.present_pin(options, erased)?,
            present_puk: self.present_puk(options, erased)?,
            management,
            // Kept for whoever had it before: it does not hold any more.
            erase_kept: options.recovery != RecoveryPlace::Token
                && !erased
                && matches!(options.present, PresentSecrets::Typed { .. })
                && self.may_write(management).is_ok(),
            last_try,
        };
        let recovery = self.set_up(&setup, take, &mut progress)?;
        let left_on_host = self.finish_personalize(options, progress)?;
        Ok(Personalized {
            finished_earlier_run,
            recovery,
            place: options.recovery,
            pin: self.token.pin.status.clone(),
            fido_erasure,
            left_on_host,
        })
    }

    fn check_all(
        &self,
        options: &PersonalizeOptions<'_>,
        new_pin: &Pin,
        authority: Option<Authority<'_>>,
    ) -> Result<(), ActionError> {
        self.check_personalize(options)?;
        self.check_new_pin(options, new_pin)?;
        if let Some(confirmation) = options.recycle_first
            && !self.was_erased(Action::Personalize)
        {
            self.check_confirmation(confirmation)?;
            authority.ok_or(NotSent::NoAuthority)?.check(self)?;
        } else if let Some(authority @ Authority::ManagementKey(_)) = authority {
            authority.check(self)?;
        }
        if options.recovery == RecoveryPlace::Token {
            let management = match authority {
                Some(Authority::ManagementKey(key)) => Some(key),
                _ => None,
            };
            self.may_write(management)?;
        }
        Ok(())
    }

    /// What can be told before the person is asked for a PIN.
    fn check_personalize(&self, options: &PersonalizeOptions<'_>) -> Result<(), ActionError> {
        let action = Action::Personalize;
        self.ensure(action)?;
        let policy = &options.policy;
        policy.check().map_err(PolicyRefusal::from)?;
        let erase = options.recycle_first.is_some();
        if erase {
            self.ensure(Action::Recycle)?;
        }
        let unavailable = |action, reason| Err(ActionError::Unavailable { action, reason });
        if self.keeps_profile_on_token() {
            let present = self.token.profile.profile();
            let decided = present.is_some_and(|it| {
                it.personalized && it.policy.fido_shared_pin != policy.fido_shared_pin
            });
            if decided && !erase {
                return Err(PolicyRefusal::SharedPinOutsidePersonalize.into());
            }
        } else {
            self.policy_fits(policy)?;
            let reason = Reason::NotPubliclyDocumented;
            if policy.challenge == ChallengeType::Static {
                return unavailable(Action::UpdateChallengeType, reason);
            }
            if policy.fido_shared_pin {
                return unavailable(Action::UpdateFidoSharedPin, reason);
            }
            if self.key.is_none() && *policy != Policy::DELIVERY {
                return unavailable(action, Reason::NoIdentity);
            }
        }
        if options.recovery == RecoveryPlace::Host {
            self.host_secrets()?;
        }
        self.present_pin(options, erase)?;
        self.present_puk(options, erase)?;
        Ok(())
    }

    /// The new PIN has to keep the new policy, and, if the card keeps to one of
    /// its own until then, that one too.
    fn check_new_pin(
        &self,
        options: &PersonalizeOptions<'_>,
        new: &Pin,
    ) -> Result<(), ActionError> {
        let erase = options.recycle_first.is_some();
        may_become_pin(&self.token.pin_policy_under(&options.policy), new)?;
        if self.keeps_profile_on_token() && !erase {
            may_become_pin(&self.token.pin_policy, new)?;
        }
        if self.present_pin(options, erase)? == *new {
            let secret = Secret::Pin;
            return Err(NotSent::SameAsOld { secret }.into());
        }
        Ok(())
    }

    /// The PIN that the token has until it gets the new one. The delivery value
    /// is never a guess: the token was erased, or is empty and said to be as
    /// delivered.
    fn present_pin(
        &self,
        options: &PersonalizeOptions<'_>,
        erased: bool,
    ) -> Result<Pin, ActionError> {
        match options.present {
            PresentSecrets::Typed { pin, .. } if !erased => {
                may_be_pin(&self.token.pin_policy, pin)?;
                Ok(pin.clone())
            }
            PresentSecrets::Delivery if !erased && !self.token.may_be_as_delivered() => {
                Err(NotSent::NotAsDelivered.into())
            }
            _ => {
                let pin = self.family().and_then(delivery_pin);
                Ok(pin.ok_or(NotSent::NotAsDelivered)?)
            }
        }
    }

    /// The PUK that the token has until it gets the new one; `None` on one that
    /// has none.
    fn present_puk(
        &self,
        options: &PersonalizeOptions<'_>,
        erased: bool,
    ) -> Result<Option<Puk>, ActionError> {
        if !self.token.has_puk() {
            return Ok(None);
        }
        match options.present {
            PresentSecrets::Typed { puk, .. } if !erased => {
                let puk = puk.ok_or(NotSent::NoPuk)?;
                may_be_puk(puk)?;
                Ok(Some(puk.clone()))
            }
            _ if self.token.facts.project_profile => Ok(Puk::new(DELIVERY_PUK).ok()),
            _ => Err(NotSent::NotAsDelivered.into()),
        }
    }
}
