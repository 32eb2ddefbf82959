//! The card's side of the wire, at the level of bytes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod administration;
mod common;
mod contactless;
mod content;
mod conversations;
mod cryptography;
mod fido;
mod fido_host;
mod fido_toolkit;
mod hostile;
mod oath;
mod policy;
mod shared_pin;
mod state;
mod status_words;
mod transmission;
