//! What a refusal means where the vendor's pages give a status word a meaning
//! of its own.

use piv_apdu::status::StatusWord;

use super::{ChangePin, ExternalAuthenticate, UnlockPin};

/// Why [`ChangePin`] was refused, and that the PIN is what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeRefusal {
    /// `63CX`: the old PIN is wrong. It cost a try.
    #[error("the old PIN is wrong; tries left: {tries_left}")]
    WrongPin {
        /// How often a PIN may still be tried.
        tries_left: u8,
    },
    /// `6983`: no try is left.
    #[error("the PIN is blocked: unblock it first")]
    Blocked,
    /// `6A80`: the new PIN's length or characters are refused.
    #[error("the token does not take the new PIN's length or characters")]
    NewPinFormat,
    /// `6A88`: there is no PIN to change.
    #[error("the token has no PIN")]
    NoPin,
    /// Anything else: nothing is documented.
    #[error("the token answered {0}")]
    Other(StatusWord),
}

impl ChangePin {
    /// What a status word other than `9000` means. Evidence: vendor
    /// (LL/change-pin).
    pub const fn refusal(status: StatusWord) -> ChangeRefusal {
        match status {
            StatusWord::AUTHENTICATION_METHOD_BLOCKED => ChangeRefusal::Blocked,
            StatusWord::WRONG_DATA => ChangeRefusal::NewPinFormat,
            StatusWord::REFERENCED_DATA_NOT_FOUND => ChangeRefusal::NoPin,
            _ => match status.tries_left() {
                Some(tries_left) => ChangeRefusal::WrongPin { tries_left },
                None => ChangeRefusal::Other(status),
            },
        }
    }
}

/// Why [`ExternalAuthenticate`] was refused. The challenge is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum XauthRefusal {
    /// `6300`: the response is wrong. No counter is documented.
    #[error("the response is wrong: it was made with another admin key or for another challenge")]
    WrongResponse,
    /// `6985`: no challenge was asked for before, or something came between.
    #[error("the token waits for no response: ask it for a challenge first")]
    NoChallenge,
    /// `6A88`: the admin key is not initialised, as after RESET CARD.
    #[error("the token has no admin key: set one first, with the PIN")]
    NoKey,
    /// Anything else: nothing is documented.
    #[error("the token answered {0}")]
    Other(StatusWord),
}

impl ExternalAuthenticate {
    /// What a status word other than `9000` means. Evidence: vendor
    /// (LL/external-auth-xauth).
    pub const fn refusal(status: StatusWord) -> XauthRefusal {
        match status {
            StatusWord::VERIFICATION_FAILED => XauthRefusal::WrongResponse,
            StatusWord::CONDITIONS_NOT_SATISFIED => XauthRefusal::NoChallenge,
            StatusWord::REFERENCED_DATA_NOT_FOUND => XauthRefusal::NoKey,
            _ => XauthRefusal::Other(status),
        }
    }
}

/// Why [`UnlockPin`] was refused, and that the PIN is what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnlockRefusal {
    /// `63CX`, which in every other command means a wrong PIN: the admin key
    /// has not been authenticated.
    #[error(
        "the admin key has not been authenticated; times that the PIN can still be unlocked: \
         {unlocks_left}"
    )]
    NotAuthenticated {
        /// How often the PIN may still be unlocked.
        unlocks_left: u8,
    },
    /// `6983`: the PIN has been unlocked as often as the token allows.
    #[error("the PIN has been unlocked as often as the token allows: it cannot be again")]
    UnlocksUsedUp,
    /// `6A80`: the new PIN's length or characters are refused.
    #[error("the token does not take the new PIN's length or characters")]
    NewPinFormat,
    /// Anything else: nothing is documented.
    #[error("the token answered {0}")]
    Other(StatusWord),
}

impl UnlockPin {
    /// What a status word other than `9000` means. Evidence: vendor
    /// (LL/unlock-pin).
    pub const fn refusal(status: StatusWord) -> UnlockRefusal {
        match status {
            StatusWord::AUTHENTICATION_METHOD_BLOCKED => UnlockRefusal::UnlocksUsedUp,
            StatusWord::WRONG_DATA => UnlockRefusal::NewPinFormat,
            _ => match status.tries_left() {
                Some(unlocks_left) => UnlockRefusal::NotAuthenticated { unlocks_left },
                None => UnlockRefusal::Other(status),
            },
        }
    }
}
