//! Documents of `otp`.

use serde::Serialize;

use super::{Reason, TokenName};

/// The slots for one-time passwords.
#[derive(Debug, Serialize)]
pub(crate) struct OtpList {
    pub(crate) token: TokenName,
    pub(crate) slots: Vec<OtpSlot>,
    /// Why no code can be had of them.
    pub(crate) reason: Option<Reason>,
}

/// A slot.
#[derive(Debug, Serialize)]
pub(crate) struct OtpSlot {
    pub(crate) number: u8,
    pub(crate) state: &'static str,
    pub(crate) kinds: Vec<&'static str>,
}

/// A code.
#[derive(Serialize)]
pub(crate) struct OtpCode<'a> {
    pub(crate) token: TokenName,
    pub(crate) slot: u8,
    pub(crate) kind: &'static str,
    pub(crate) value: &'a str,
    /// The time that a TOTP is of.
    pub(crate) time: Option<String>,
}
