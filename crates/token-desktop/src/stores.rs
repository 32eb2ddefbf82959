//! Which stores for secrets this computer has: one for recovery secrets, and one for
//! pairing codes that ends with the login.

use std::fmt;
use std::sync::{Arc, OnceLock};

use piv_apdu::object::Guid;
use piv_apdu::secret::PairingCode;
use token_manager::{
    Action, ActionError, KeptUntil, MemoryPairingCodes, PairingCodeStore, Reason, SecretStore,
    SecretStoreError, Session, Token, VciError, VciState,
};

/// The environment variable that turns the stores off with the value `none`: where
/// nothing may be kept, and for tests.
pub const STORES: &str = "TOKENCTL_SECRET_STORE";

/// Why there is no such store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoStore {
    /// The environment says so ([`STORES`]).
    #[error("it is turned off ({STORES} is \"none\")")]
    TurnedOff,
    /// The feature `secret-store` or `login-session` was left out.
    #[error("it was left out of this build")]
    LeftOut,
    /// The system has none for this program.
    #[cfg(feature = "login-session")]
    #[error(transparent)]
    NoLoginSession(#[from] token_manager::NoLoginSession),
}

#[cfg(any(feature = "login-session", feature = "secret-store"))]
fn refuse_if_off() -> Result<(), NoStore> {
    match std::env::var_os(STORES) {
        Some(value) if value == "none" => Err(NoStore::TurnedOff),
        _ => Ok(()),
    }
}

/// The desktop's store for recovery secrets. It is not asked for anything yet, and may
/// turn out not to answer.
///
/// # Errors
/// [`NoStore::TurnedOff`], [`NoStore::LeftOut`].
#[cfg(feature = "secret-store")]
pub fn secret_store() -> Result<Arc<dyn SecretStore>, NoStore> {
    refuse_if_off()?;
    Ok(Arc::new(crate::secret_store::DesktopStore))
}

/// The desktop's store for recovery secrets, which this build does not know.
///
/// # Errors
/// [`NoStore::LeftOut`].
#[cfg(not(feature = "secret-store"))]
pub fn secret_store() -> Result<Arc<dyn SecretStore>, NoStore> {
    Err(NoStore::LeftOut)
}

/// The store that keeps pairing codes until logout.
///
/// # Errors
/// [`NoStore`].
#[cfg(feature = "login-session")]
pub fn login_session() -> Result<Arc<dyn PairingCodeStore>, NoStore> {
    refuse_if_off()?;
    Ok(token_manager::login_session()?)
}

/// The store that keeps pairing codes until logout, which this build does not know.
///
/// # Errors
/// [`NoStore::LeftOut`].
#[cfg(not(feature = "login-session"))]
pub fn login_session() -> Result<Arc<dyn PairingCodeStore>, NoStore> {
    Err(NoStore::LeftOut)
}

/// The pairing codes that were given to this program, and those of the login session,
/// which is asked only when a card wants one.
///
/// As a [`PairingCodeStore`] it looks in both, what was given first; puts into the
/// program's memory only, since keeping a code for longer is a person's decision
/// ([`kept`](Self::kept)); and forgets in both.
#[derive(Default)]
pub struct PairingCodes {
    given: MemoryPairingCodes,
    kept: OnceLock<Option<Arc<dyn PairingCodeStore>>>,
}

impl PairingCodes {
    /// Without any that was given, and with those of the login session if there is one
    /// ([`login_session`]).
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with this store, or none, in the place of the login session's.
    pub fn with_kept(kept: Option<Arc<dyn PairingCodeStore>>) -> Self {
        Self {
            given: MemoryPairingCodes::new(),
            kept: OnceLock::from(kept),
        }
    }

    /// Those that were given to this program.
    pub fn given(&self) -> &MemoryPairingCodes {
        &self.given
    }

    /// The store that keeps codes until logout, if there is one.
    pub fn kept(&self) -> Option<&Arc<dyn PairingCodeStore>> {
        self.kept.get_or_init(|| login_session().ok()).as_ref()
    }

    /// Gives this program the code of a session's card, and reads the token again with it:
    /// the commands are those of [`load`](token_manager::load()), in a secure session if it
    /// opens. The session's manager has to have these codes. Inside is the card that has
    /// taken the code, or why there is no secure session; as
    /// [`forget_refused`](Self::forget_refused) and [`settle`](Self::settle) say, a code that
    /// is wrong is given no more.
    ///
    /// # Errors
    /// [`ActionError::Unavailable`] without a GUID; [`ActionError::Secrets`]; as
    /// [`Session::reload_same`].
    pub fn enter(
        &self,
        session: &mut Session,
        code: &PairingCode,
    ) -> Result<Result<Guid, VciError>, ActionError> {
        let card = session.token().identity.guid;
        let card = card.ok_or(ActionError::Unavailable {
            action: Action::Authenticate,
            reason: Reason::NoGuid,
        })?;
        self.forget_refused(session.token())?;
        self.put(&card, code)?;
        session.reload_same()?;
        let settled = self.settle(session.token())?;
        Ok(settled.map(|()| card))
    }

    /// Forgets the code of a card that calls it wrong, in both places, but only if somebody
    /// who is trusted vouches for the card: another one could say it of a code that is right.
    /// `false` if nothing was forgotten. Sends nothing.
    ///
    /// # Errors
    /// [`SecretStoreError`].
    pub fn forget_refused(&self, token: &Token) -> Result<bool, SecretStoreError> {
        match (&token.vci, &token.identity.guid) {
            (VciState::Closed(VciError::WrongPairingCode { vouched: true }), Some(card)) => {
                self.forget(card)
            }
            _ => Ok(false),
        }
    }

    /// What came of a code that was given, after the token was read with it: inside, why
    /// there is no secure session. A code that the card calls wrong is given no more,
    /// whoever vouches for the card; what the login session keeps stays. Sends nothing.
    ///
    /// # Errors
    /// [`SecretStoreError`].
    pub fn settle(&self, token: &Token) -> Result<Result<(), VciError>, SecretStoreError> {
        let VciState::Closed(why) = &token.vci else {
            return Ok(Ok(()));
        };
        if let (VciError::WrongPairingCode { .. }, Some(card)) = (why, &token.identity.guid) {
            self.given.forget(card)?;
        }
        Ok(Err(why.clone()))
    }
}

impl PairingCodeStore for PairingCodes {
    fn name(&self) -> &str {
        self.kept().map_or(self.given.name(), |kept| kept.name())
    }

    fn kept_until(&self) -> KeptUntil {
        KeptUntil::ProgramEnd
    }

    fn put(&self, card: &Guid, code: &PairingCode) -> Result<(), SecretStoreError> {
        self.given.put(card, code)
    }

    fn get(&self, card: &Guid) -> Result<Option<PairingCode>, SecretStoreError> {
        match (self.given.get(card)?, self.kept()) {
            (None, Some(kept)) => kept.get(card),
            (given, _) => Ok(given),
        }
    }

    fn forget(&self, card: &Guid) -> Result<bool, SecretStoreError> {
        let given = self.given.forget(card)?;
        let kept = self.kept().map_or(Ok(false), |kept| kept.forget(card))?;
        Ok(given || kept)
    }

    fn list(&self) -> Result<Vec<Guid>, SecretStoreError> {
        let mut cards = self.given.list()?;
        for card in self.kept().map_or(Ok(Vec::new()), |kept| kept.list())? {
            if !cards.contains(&card) {
                cards.push(card);
            }
        }
        Ok(cards)
    }
}

/// Without the codes, and without asking the login session.
impl fmt::Debug for PairingCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PairingCodes").finish_non_exhaustive()
    }
}
