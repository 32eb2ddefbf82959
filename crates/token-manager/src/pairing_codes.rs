//! Where this host keeps pairing codes while their holder is logged in, behind a
//! small trait: the login session's own store, or this program's memory.

#[cfg(feature = "login-session")]
mod login_session;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use piv_apdu::object::Guid;
use piv_apdu::secret::PairingCode;

use crate::secrets::SecretStoreError;

#[cfg(feature = "login-session")]
pub use login_session::{NoLoginSession, login_session};

/// How long a store keeps what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeptUntil {
    /// Until the person logs out.
    Logout,
    /// Until this program ends.
    ProgramEnd,
}

impl KeptUntil {
    /// A stable identifier for programs: `logout`, `program-end`.
    pub fn id(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::ProgramEnd => "program-end",
        }
    }

    /// As the end of a sentence: "until you log out".
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Logout => "until you log out",
            Self::ProgramEnd => "until this program ends",
        }
    }
}

/// Keeps pairing codes, each for the card with a GUID, and none for longer than
/// the login session: nothing of it is written to a disk.
pub trait PairingCodeStore: Send + Sync {
    /// What to call it in a sentence: "the login session's keyring".
    fn name(&self) -> &str;

    /// How long it keeps a code that is not forgotten before.
    fn kept_until(&self) -> KeptUntil;

    /// Keeps the code of a card in place of what it kept before.
    ///
    /// # Errors
    /// [`SecretStoreError`].
    fn put(&self, card: &Guid, code: &PairingCode) -> Result<(), SecretStoreError>;

    /// The code of a card; `None` if none is kept.
    ///
    /// # Errors
    /// [`SecretStoreError`].
    fn get(&self, card: &Guid) -> Result<Option<PairingCode>, SecretStoreError>;

    /// Erases the code of a card. `false` if there was none.
    ///
    /// # Errors
    /// [`SecretStoreError`].
    fn forget(&self, card: &Guid) -> Result<bool, SecretStoreError>;

    /// The cards of which a code is kept, in the order of their GUIDs.
    ///
    /// # Errors
    /// [`SecretStoreError`].
    fn list(&self) -> Result<Vec<Guid>, SecretStoreError>;

    /// Erases all codes, and gives the cards whose they were.
    ///
    /// # Errors
    /// [`SecretStoreError`]; some may be erased then.
    fn forget_all(&self) -> Result<Vec<Guid>, SecretStoreError> {
        let mut forgotten = self.list()?;
        let mut failed = None;
        forgotten.retain(|card| {
            self.forget(card).unwrap_or_else(|error| {
                failed = Some(error);
                false
            })
        });
        failed.map_or(Ok(forgotten), Err)
    }
}

/// Pairing codes in this program's memory, wiped when they are forgotten and when
/// it is dropped: where there is no better place, and for tests.
#[derive(Default)]
pub struct MemoryPairingCodes {
    /// Each in a block of its own, which is wiped: a map moves what it holds, and
    /// leaves copies in its nodes.
    codes: Mutex<BTreeMap<Guid, Box<PairingCode>>>,
}

impl MemoryPairingCodes {
    /// Keeps nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn codes(&self) -> MutexGuard<'_, BTreeMap<Guid, Box<PairingCode>>> {
        self.codes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PairingCodeStore for MemoryPairingCodes {
    #[allow(clippy::unnecessary_literal_bound, reason = "the trait's signature")]
    fn name(&self) -> &str {
        "this program's memory"
    }

    fn kept_until(&self) -> KeptUntil {
        KeptUntil::ProgramEnd
    }

    fn put(&self, card: &Guid, code: &PairingCode) -> Result<(), SecretStoreError> {
        self.codes().insert(*card, Box::new(code.clone()));
        Ok(())
    }

    fn get(&self, card: &Guid) -> Result<Option<PairingCode>, SecretStoreError> {
        Ok(self.codes().get(card).map(|code| (**code).clone()))
    }

    fn forget(&self, card: &Guid) -> Result<bool, SecretStoreError> {
        Ok(self.codes().remove(card).is_some())
    }

    fn list(&self) -> Result<Vec<Guid>, SecretStoreError> {
        Ok(self.codes().keys().copied().collect())
    }
}

impl fmt::Debug for MemoryPairingCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryPairingCodes(..)")
    }
}
