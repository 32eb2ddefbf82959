//! What this computer knows besides a token, put together for a manager of tokens.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use pcsc_transport::Backend;
use token_manager::token_cache::Cache;
use token_manager::{
    CardTrust, FileStore, LoadOptions, Manager, Overrides, PairingCodeStore, SecretStore,
};

use crate::places::{NoPlace, Place, cache};
use crate::stores::{PairingCodes, secret_store};

/// What this computer keeps about tokens, remembers of them, and whom it believes.
#[derive(Clone)]
pub struct Desktop {
    records: Result<PathBuf, NoPlace>,
    secrets: Option<Arc<dyn SecretStore>>,
    cache: Cache,
    trust: CardTrust,
    pairing_codes: Arc<PairingCodes>,
}

impl Default for Desktop {
    fn default() -> Self {
        Self::new()
    }
}

impl Desktop {
    /// This person's: records and cache where they lie ([`Place`]), the desktop's secret
    /// store unless it is turned off or left out, and the pairing codes of the login
    /// session. Nobody is trusted to vouch for a card. Touches no file and asks no store.
    pub fn new() -> Self {
        Self {
            records: Place::Records.directory(),
            secrets: secret_store().ok(),
            cache: cache(false),
            trust: CardTrust::Nobody,
            pairing_codes: Arc::default(),
        }
    }

    /// Sets the directory of records.
    #[must_use]
    pub fn with_records(mut self, directory: impl Into<PathBuf>) -> Self {
        self.records = Ok(directory.into());
        self
    }

    /// Sets the store of recovery secrets, or that there is none.
    #[must_use]
    pub fn with_secrets(mut self, secrets: Option<Arc<dyn SecretStore>>) -> Self {
        self.secrets = secrets;
        self
    }

    /// Sets the cache.
    #[must_use]
    pub fn with_cache(mut self, cache: Cache) -> Self {
        self.cache = cache;
        self
    }

    /// Sets who is trusted to vouch for a card on a contactless reader.
    #[must_use]
    pub fn with_trust(mut self, trust: CardTrust) -> Self {
        self.trust = trust;
        self
    }

    /// Sets where pairing codes are.
    #[must_use]
    pub fn with_pairing_codes(mut self, codes: PairingCodes) -> Self {
        self.pairing_codes = Arc::new(codes);
        self
    }

    /// What is remembered of tokens.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The pairing codes.
    pub fn pairing_codes(&self) -> &Arc<PairingCodes> {
        &self.pairing_codes
    }

    /// These options, with what this computer remembers and whom it believes.
    #[must_use]
    pub fn options(&self, options: LoadOptions) -> LoadOptions {
        options
            .with_cache(self.cache.clone())
            .with_card_trust(self.trust.clone())
            .with_pairing_codes(self.codes())
    }

    /// A manager of a backend's tokens, with what this computer keeps about them, that
    /// takes the risks in `overrides`. Sends nothing and touches no file.
    ///
    /// # Errors
    /// [`NoPlace`]: there is no directory for records;
    /// [`manager_without_records`](Self::manager_without_records) is enough to look at
    /// a token.
    pub fn manager(
        &self,
        backend: Arc<dyn Backend>,
        overrides: Overrides,
    ) -> Result<Manager, NoPlace> {
        let records = FileStore::new(self.records.clone()?);
        let manager = self
            .manager_without_records(backend, overrides)
            .with_store(Arc::new(records));
        Ok(match &self.secrets {
            Some(secrets) => manager.with_secrets(Arc::clone(secrets)),
            None => manager,
        })
    }

    /// The same without what this computer keeps about tokens: neither records nor
    /// recovery secrets.
    pub fn manager_without_records(
        &self,
        backend: Arc<dyn Backend>,
        overrides: Overrides,
    ) -> Manager {
        Manager::new(backend)
            .with_options(self.options(LoadOptions::new()))
            .with_pairing_codes(self.codes())
            .with_overrides(overrides)
    }

    fn codes(&self) -> Arc<dyn PairingCodeStore> {
        Arc::clone(&self.pairing_codes) as Arc<dyn PairingCodeStore>
    }
}

impl fmt::Debug for Desktop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desktop")
            .field("records", &self.records)
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}
