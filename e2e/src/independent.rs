//! The PIV card that no one here wrote: the crate `piv-authenticator`, in a
//! process of its own.

use std::process::{Child, Command};

use crate::{Pcscd, path_from_environment, wait_for_card};

/// Its PIN, PUK and management key (3DES) as it comes.
pub const PIN: &[u8] = b"123456";
/// Its PUK as it comes.
pub const PUK: &[u8] = b"12345678";
/// Its management key as it comes: three-key 3DES with three equal keys of
/// eight bytes, Yubico's default.
pub const MANAGEMENT_KEY: [u8; 24] = [
    1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8,
];

/// The card, pulled out when dropped.
#[derive(Debug)]
pub struct IndependentCard {
    process: Child,
}

/// Puts a new card as it comes from the factory into the first slot, and
/// waits until PC/SC sees it.
#[must_use]
pub fn insert(pcscd: &Pcscd) -> IndependentCard {
    wait_for_card(0, false);
    let process = Command::new(path_from_environment("E2E_INDEPENDENT_CARD"))
        .arg(pcscd.address(0))
        .spawn()
        .unwrap();
    let card = IndependentCard { process };
    wait_for_card(0, true);
    card
}

impl Drop for IndependentCard {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}
