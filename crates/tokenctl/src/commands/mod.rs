//! A file for each command.

pub(crate) mod admin_key;
pub(crate) mod apdu;
pub(crate) mod cache;
pub(crate) mod cert;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod fido;
pub(crate) mod helpdesk;
pub(crate) mod list;
pub(crate) mod man;
pub(crate) mod otp;
pub(crate) mod pairing_code;
pub(crate) mod personalize;
pub(crate) mod pin;
pub(crate) mod policy;
pub(crate) mod puk;
pub(crate) mod recycle;
pub(crate) mod show;
pub(crate) mod virtual_token;
pub(crate) mod watch;
