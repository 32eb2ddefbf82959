//! The desktop's own store for secrets: the Secret Service of a Linux or BSD
//! desktop (GNOME Keyring, `KWallet`, `KeePassXC`), the keychain of macOS, the
//! Credential Manager of Windows.
//!
//! Each secret is an item with the attributes `service` = `tokenctl` and
//! `username` = the token's key. The store is looked for when it is first
//! needed, not before: it may ask the person to unlock it.

use std::sync::mpsc;
use std::time::Duration;

use keyring::v1::Entry;
use token_manager::{SecretStore, SecretStoreError, TokenKey};
use zeroize::Zeroizing;

/// What the items are filed under.
const SERVICE: &str = "tokenctl";

/// The desktop's store for secrets. It may ask the person to unlock it, and is waited for
/// two minutes at most; ask it on a thread that may wait.
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
        let secret = Zeroizing::new(secret.to_vec());
        self.ask(token, move |entry| entry.set_secret(&secret))
    }

    fn get(&self, token: &TokenKey) -> Result<Option<Zeroizing<Vec<u8>>>, SecretStoreError> {
        self.ask(token, |entry| match entry.get_secret() {
            Ok(secret) => Ok(Some(Zeroizing::new(secret))),
            Err(keyring::v1::Error::NoEntry) => Ok(None),
            Err(error) => Err(error),
        })
    }

    fn remove(&self, token: &TokenKey) -> Result<(), SecretStoreError> {
        self.ask(token, |entry| match entry.delete_credential() {
            Err(keyring::v1::Error::NoEntry) => Ok(()),
            removed => removed,
        })
    }
}

impl DesktopStore {
    /// Asks the store: first whether it is there, which takes no time, and then
    /// what is wanted, for which it may ask the person to unlock it.
    fn ask<T: Send + 'static>(
        &self,
        token: &TokenKey,
        act: impl FnOnce(Entry) -> keyring::v1::Result<T> + Send + 'static,
    ) -> Result<T, SecretStoreError> {
        let silent = |limit: Duration| SecretStoreError {
            store: self.name().to_owned(),
            detail: format!(
                "it has not answered within {} s. Unlock or restart it and try again, or have the \
                 secret kept on the token or nowhere; TOKENCTL_SECRET_STORE=none does \
                 without it",
                limit.as_secs()
            ),
        };
        within(THERE, || Entry::store_status().is_ok()).ok_or_else(|| silent(THERE))?;
        let token = token.clone();
        within(ANSWER, move || entry(&token).and_then(act))
            .ok_or_else(|| silent(ANSWER))?
            .map_err(|error| failed(self, &error))
    }
}

/// How long the store may take to say that it is there.
const THERE: Duration = Duration::from_secs(10);

/// How long it may take to do something: a person may have to find a password.
const ANSWER: Duration = Duration::from_secs(120);

/// What `act` gives, on a thread of its own, unless it takes longer. The thread
/// is left behind then, and ends with the program.
fn within<T: Send + 'static>(
    limit: Duration,
    act: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (done, result) = mpsc::channel();
    let work = move || {
        // Nobody waits for it any more: it is dropped.
        let _ = done.send(act());
    };
    std::thread::Builder::new().spawn(work).ok()?;
    result.recv_timeout(limit).ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_answers_is_not_waited_for() {
        let began = std::time::Instant::now();
        let limit = Duration::from_millis(50);
        let answer = within(limit, || std::thread::sleep(Duration::from_secs(30)));
        assert_eq!(answer, None);
        assert!(began.elapsed() < Duration::from_secs(10));
        assert_eq!(within(Duration::from_secs(30), || 7), Some(7));
    }
}
