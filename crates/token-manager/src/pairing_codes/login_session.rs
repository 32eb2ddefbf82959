//! The store that ends with the login session: the kernel's session keyring on
//! Linux, credentials of this logon session on Windows.

#[cfg(windows)]
mod credential_manager;
#[cfg(target_os = "linux")]
mod keyring;

use std::sync::Arc;

#[cfg(any(target_os = "linux", windows))]
use piv_apdu::object::Guid;

use super::PairingCodeStore;

/// There is no store that ends with the login session, so that pairing codes can
/// be kept in memory only ([`MemoryPairingCodes`](super::MemoryPairingCodes)).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoLoginSession {
    /// Nothing has given this program a session keyring. The kernel then offers one
    /// of the user, which is still there after a logout.
    #[error(
        "this program was not started in a login session that has a keyring of its own, and what the \
         user's keyring holds would outlast the login. Log in where PAM has pam_keyinit, or begin a \
         session with `keyctl session`"
    )]
    None,
    /// The session's keyring was revoked or has expired.
    #[error("the login session is over: its keyring was revoked. Log in again")]
    Over,
    /// The kernel does not let this program at it.
    #[error(
        "the kernel does not let this program use its session keyring ({0}), as it is in many \
         containers"
    )]
    Refused(String),
    /// The system has nothing of the kind.
    #[error("this system has no store that ends with the login session")]
    NotOnThisSystem,
}

/// The store of the login session that this program belongs to: each code is for
/// one card, and gone at logout.
///
/// On Linux a key of type `user` in the session keyring, for each code, that only
/// programs of the same session can read. On Windows a generic credential of the
/// logon session. macOS has no such store: its keychain outlasts a logout.
///
/// # Errors
/// [`NoLoginSession`]; [`MemoryPairingCodes`](super::MemoryPairingCodes) is what is
/// left then.
pub fn login_session() -> Result<Arc<dyn PairingCodeStore>, NoLoginSession> {
    #[cfg(target_os = "linux")]
    return Ok(Arc::new(keyring::SessionKeyring::open()?));
    #[cfg(windows)]
    return Ok(Arc::new(credential_manager::LogonSession::open()?));
    #[cfg(not(any(target_os = "linux", windows)))]
    Err(NoLoginSession::NotOnThisSystem)
}

/// The card with the GUID that this is, as [`Guid`] writes it.
#[cfg(any(target_os = "linux", windows))]
fn card_named(guid: &str) -> Option<Guid> {
    let digits = u128::from_str_radix(&guid.replace('-', ""), 16).ok()?;
    let card = Guid(digits.to_be_bytes());
    (card.to_string() == guid).then_some(card)
}
