//! Where this host can keep the secret that unblocks a token: the desktop's
//! secret store, behind a small trait that frontends implement.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use zeroize::Zeroizing;

use crate::record::TokenKey;

/// The host's store for secrets: the Secret Service of a Linux desktop, the
/// keychain of macOS, the credential manager of Windows.
pub trait SecretStore: Send + Sync {
    /// What to call it in a sentence: "the desktop's secret store".
    fn name(&self) -> &str;

    /// Keeps `secret` for a token in place of what it kept before.
    ///
    /// # Errors
    /// [`SecretStoreError`].
    fn put(&self, token: &TokenKey, secret: &[u8]) -> Result<(), SecretStoreError>;

    /// What is kept for a token; `None` if nothing is.
    ///
    /// # Errors
    /// [`SecretStoreError`].
    fn get(&self, token: &TokenKey) -> Result<Option<Zeroizing<Vec<u8>>>, SecretStoreError>;

    /// Erases what is kept for a token, if anything is.
    ///
    /// # Errors
    /// [`SecretStoreError`].
    fn remove(&self, token: &TokenKey) -> Result<(), SecretStoreError>;
}

/// The host's secret store failed. Its message never holds the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{store} can't be used: {detail}")]
pub struct SecretStoreError {
    /// The store's name.
    pub store: String,
    /// What happened and what to do about it.
    pub detail: String,
}

/// Secrets in memory, wiped when it is dropped: for tests.
#[derive(Default)]
pub struct MemorySecretStore {
    secrets: Mutex<BTreeMap<TokenKey, Zeroizing<Vec<u8>>>>,
}

impl MemorySecretStore {
    /// Keeps nothing yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl SecretStore for MemorySecretStore {
    #[allow(clippy::unnecessary_literal_bound, reason = "the trait's signature")]
    fn name(&self) -> &str {
        "this program's memory"
    }

    fn put(&self, token: &TokenKey, secret: &[u8]) -> Result<(), SecretStoreError> {
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.insert(token.clone(), Zeroizing::new(secret.to_vec()));
        Ok(())
    }

    fn get(&self, token: &TokenKey) -> Result<Option<Zeroizing<Vec<u8>>>, SecretStoreError> {
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(secrets
            .get(token)
            .map(|secret| Zeroizing::new(secret.to_vec())))
    }

    fn remove(&self, token: &TokenKey) -> Result<(), SecretStoreError> {
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.remove(token);
        Ok(())
    }
}

impl std::fmt::Debug for MemorySecretStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemorySecretStore(..)")
    }
}
