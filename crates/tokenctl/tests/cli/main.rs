//! The real program, over software tokens in a directory of its own; nothing
//! here needs a reader or pcscd.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking, and is no interface"
)]

mod admin_key;
mod apdu;
mod at_terminal;
mod cache;
mod cert;
mod contactless;
mod doctor;
mod failures;
mod fido;
mod helpdesk;
mod json;
mod list;
mod meta;
mod otp;
mod pairing_code;
mod personalize;
mod pin;
mod policy;
mod puk;
mod records;
mod recycle;
mod secrets;
mod show;
mod tokens;
mod tool;
mod trace;
mod watch;
