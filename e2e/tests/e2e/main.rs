//! The whole stack, end to end: real programs, pcscd, vpcd, and cards.
//!
//! `cargo xtask test --only e2e` runs them (one at a time: there is one virtual
//! reader), with everything installed and built that they need.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests: what fails here should fail at once"
)]

mod cache;
mod contactless;
mod desktop;
mod fido;
mod hotplug;
mod independent_card;
mod life;
mod life_by_tokenctl;
mod opensc;
mod opensc_secure_messaging;
mod pairing_code;
mod round_trips;
mod sharing;
mod side_by_side;
mod support;
mod tokenctl;
mod yubico;
