//! The Credential Manager of Windows: credentials that it keeps for this logon
//! session only (`CRED_PERSIST_SESSION`).

use std::collections::HashMap;
use std::sync::Arc;

use keyring_core::api::CredentialStoreApi as _;
use keyring_core::{Entry, Error};
use piv_apdu::object::Guid;
use piv_apdu::secret::PairingCode;
use windows_native_keyring_store::Store;
use zeroize::Zeroizing;

use super::{NoLoginSession, card_named};
use crate::pairing_codes::{KeptUntil, PairingCodeStore};
use crate::secrets::SecretStoreError;

/// What the credentials are filed under; the user is the card's GUID.
const SERVICE: &str = "piv-pairing-code";

/// The credentials of this logon session.
#[derive(Debug)]
pub(super) struct LogonSession {
    store: Arc<Store>,
}

impl LogonSession {
    pub(super) fn open() -> Result<Self, NoLoginSession> {
        match Store::new() {
            Ok(store) => Ok(Self { store }),
            Err(error) => Err(NoLoginSession::Refused(error.to_string())),
        }
    }

    fn entry(&self, card: &Guid) -> Result<Entry, Error> {
        let session = HashMap::from([("persistence", "session")]);
        self.store.build(SERVICE, &card.to_string(), Some(&session))
    }

    fn failed(&self, error: &Error) -> SecretStoreError {
        let detail = match error {
            // These may hold what could not be understood.
            Error::BadEncoding(_) | Error::BadDataFormat(..) => {
                "what it holds for this card cannot be read. Forget it".to_owned()
            }
            other => other.to_string(),
        };
        SecretStoreError {
            store: self.name().to_owned(),
            detail,
        }
    }
}

impl PairingCodeStore for LogonSession {
    #[allow(clippy::unnecessary_literal_bound, reason = "the trait's signature")]
    fn name(&self) -> &str {
        "the Credential Manager, for this logon session"
    }

    fn kept_until(&self) -> KeptUntil {
        KeptUntil::Logout
    }

    fn put(&self, card: &Guid, code: &PairingCode) -> Result<(), SecretStoreError> {
        let put = self
            .entry(card)
            .and_then(|entry| entry.set_secret(code.as_bytes()));
        put.map_err(|error| self.failed(&error))
    }

    fn get(&self, card: &Guid) -> Result<Option<PairingCode>, SecretStoreError> {
        let digits = match self.entry(card).and_then(|entry| entry.get_secret()) {
            Ok(digits) => Zeroizing::new(digits),
            Err(Error::NoEntry) => return Ok(None),
            Err(error) => return Err(self.failed(&error)),
        };
        let code = PairingCode::new(&digits);
        code.map(Some).map_err(|error| SecretStoreError {
            store: self.name().to_owned(),
            detail: format!("what it holds for this card is of no use: {error}. Forget it"),
        })
    }

    fn forget(&self, card: &Guid) -> Result<bool, SecretStoreError> {
        match self.entry(card).and_then(|entry| entry.delete_credential()) {
            Ok(()) => Ok(true),
            Err(Error::NoEntry) => Ok(false),
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn list(&self) -> Result<Vec<Guid>, SecretStoreError> {
        let ours = HashMap::from([("pattern", SERVICE)]);
        let found = self
            .store
            .search(&ours)
            .map_err(|error| self.failed(&error))?;
        let mut cards: Vec<_> = found
            .iter()
            .filter_map(Entry::get_specifiers)
            .filter(|(service, _)| service == SERVICE)
            .filter_map(|(_, user)| card_named(&user))
            .collect();
        cards.sort();
        Ok(cards)
    }
}
