//! Which stores for secrets this computer has: one for recovery secrets, and one for
//! pairing codes that ends with the login.

use std::fmt;
use std::sync::{Arc, OnceLock};

use piv_apdu::object::Guid;
use piv_apdu::secret::PairingCode;
use token_manager::{
    KeptUntil, MemoryPairingCodes, PairingCodeStore, SecretStore, SecretStoreError,
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
