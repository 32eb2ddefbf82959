//! The desktop's own store for secrets: the Secret Service of a Linux or BSD
//! desktop (GNOME Keyring, `KWallet`, `KeePassXC`), the keychain of macOS, the
//! Credential Manager of Windows.
//!
//! Each secret is an item with the attributes `service` = `tokenctl` and
//! `username` = the token's key. The store is looked for when it is first
//! needed, not before: it may ask the person to unlock it.

use keyring::v1::Entry;
use token_manager::{SecretStore, SecretStoreError, TokenKey};
use zeroize::Zeroizing;

/// What the items are filed under.
const SERVICE: &str = "tokenctl";

/// The desktop's store.
#[derive(Debug)]
pub(crate) struct DesktopStore;

impl SecretStore for DesktopStore {
    fn name(&self) -> &'static str {
        if cfg!(target_os = "macos") {
            "the keychain"
        } else if cfg!(windows) {
            "the Credential Manager"
        } else {
            "the desktop's keyring"
        }
    }

    fn put(&self, token: &TokenKey, secret: &[u8]) -> Result<(), SecretStoreError> {
        let put = entry(token).and_then(|entry| entry.set_secret(secret));
        put.map_err(|error| failed(self, &error))
    }

    fn get(&self, token: &TokenKey) -> Result<Option<Zeroizing<Vec<u8>>>, SecretStoreError> {
        match entry(token).and_then(|entry| entry.get_secret()) {
            Ok(secret) => Ok(Some(Zeroizing::new(secret))),
            Err(keyring::v1::Error::NoEntry) => Ok(None),
            Err(error) => Err(failed(self, &error)),
        }
    }

    fn remove(&self, token: &TokenKey) -> Result<(), SecretStoreError> {
        match entry(token).and_then(|entry| entry.delete_credential()) {
            Ok(()) | Err(keyring::v1::Error::NoEntry) => Ok(()),
            Err(error) => Err(failed(self, &error)),
        }
    }
}

fn entry(token: &TokenKey) -> keyring::v1::Result<Entry> {
    Entry::new(SERVICE, token.as_str())
}

/// What happened, and what to do about it. Only errors that cannot hold the
/// secret are repeated.
fn failed(store: &DesktopStore, error: &keyring::v1::Error) -> SecretStoreError {
    use keyring::v1::Error;

    let detail = match error {
        Error::NoDefaultStore | Error::PlatformFailure(_) => format!(
            "it does not answer{}. Start or install one (Debian: apt install gnome-keyring), or \
             have the secret kept on the token or nowhere",
            cause()
        ),
        Error::NoStorageAccess(why) => {
            format!(
                "it is locked, or does not let this program in ({why}). Unlock it, and try again"
            )
        }
        Error::Ambiguous(_) => format!(
            "it holds several items for this token. Remove all but one, filed under {SERVICE}"
        ),
        Error::BadEncoding(_) | Error::BadDataFormat(..) => {
            "what it holds for this token cannot be read. Remove that item".to_owned()
        }
        other => other.to_string(),
    };
    SecretStoreError {
        store: store.name().to_owned(),
        detail,
    }
}

/// Why the store could not be reached at all.
fn cause() -> String {
    match Entry::store_status() {
        Err(error) => format!(" ({error})"),
        Ok(()) => String::new(),
    }
}
