//! What the end-to-end tests stand on: a pcscd of their own with vpcd's
//! virtual reader ([`Pcscd`]), cards to put into it ([`Inserted`],
//! [`independent::insert`]), and programs run with a time limit
//! ([`programs`]).
//!
//! `cargo xtask test --only e2e` installs and builds what they need and tells
//! them where it is. Nothing here touches a pcscd that the system runs, nor
//! a reader that is plugged in.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "support for tests: what fails here fails the test, at once and loudly"
)]

pub mod counting;
pub mod independent;
mod inserted;
mod opensc;
mod pcscd;
pub mod programs;
pub mod tokens;

use std::path::PathBuf;

pub use inserted::{Inserted, wait_for_card};
pub use opensc::OpenSc;
pub use pcscd::{Pcscd, READERS};

/// The path in the environment variable `name`, which `cargo xtask test` sets.
#[must_use]
pub fn path_from_environment(name: &str) -> PathBuf {
    std::env::var_os(name)
        .unwrap_or_else(|| panic!("{name} is not set: please run cargo xtask test --only e2e"))
        .into()
}
