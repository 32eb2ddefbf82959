//! The lock in the title bar.

use std::time::Duration;

use pcsc_transport::{Backend as _, Card, Sharing};
use piv_apdu::aid;
use piv_apdu::command::Verify;
use piv_apdu::key::KeyReference;
use virtual_token::Profile;

use crate::desk::{Desk, FAMILIES, pin};

pub(crate) const OPEN: &str = "Authenticated: lock ";
pub(crate) const LOCKED: &str = "Locked: authenticate to ";

/// Whether the token is open to all programs, asked by another one.
pub(crate) fn is_verified(desk: &Desk, reader: &str) -> bool {
    let link = desk.readers.connect(reader, Sharing::Shared).unwrap();
    let mut card = Card::new(link);
    let mut transaction = card.begin().unwrap();
    transaction.ensure_selected(aid::PIV).unwrap();
    transaction
        .send(&Verify::query(KeyReference::PIV_PIN))
        .is_ok()
}

pub(crate) fn unlock(desk: &mut Desk, profile: Profile) {
    let button = desk.word(LOCKED);
    desk.press(&button);
    desk.type_secret("PIN", &pin(profile));
    desk.press("Authenticate");
    desk.sees(OPEN);
    desk.until("the end of the dialog", |desk| !desk.shows("PIN: "));
}

#[test]
fn a_click_opens_and_another_locks() {
    for profile in FAMILIES {
        let (mut desk, _) = Desk::holding(profile);
        assert!(!is_verified(&desk, "Desk"));
        unlock(&mut desk, profile);
        assert!(is_verified(&desk, "Desk"), "{}", profile.name());
        let button = desk.word(OPEN);
        desk.press(&button);
        desk.sees(LOCKED);
        assert!(!is_verified(&desk, "Desk"), "{}", profile.name());
    }
}

#[test]
fn a_wrong_pin_opens_nothing_and_costs_one_try() {
    let (mut desk, _) = Desk::holding(Profile::Piv);
    let button = desk.word(LOCKED);
    desk.press(&button);
    desk.type_secret("PIN", "918273");
    desk.press("Authenticate");
    desk.sees("The PIN is wrong");
    assert!(desk.shows(LOCKED) && !desk.shows(OPEN));
    assert!(!is_verified(&desk, "Desk"));
}

#[test]
fn what_nobody_uses_is_locked() {
    let (mut desk, _) = Desk::locking_after(Profile::Crescendo4000, Duration::from_millis(1500));
    unlock(&mut desk, Profile::Crescendo4000);
    desk.sees(LOCKED);
    assert!(!is_verified(&desk, "Desk"));
}

#[test]
fn closing_the_window_locks_before_the_program_ends() {
    let (mut desk, token) = Desk::holding(Profile::Crescendo2300);
    unlock(&mut desk, Profile::Crescendo2300);
    let readers = desk.readers.clone();
    drop(desk);
    assert!(!is_verified(&Desk::around(readers), "Desk"));
    drop(token);
}

/// What was typed does not wait for whoever comes by.
#[test]
fn a_dialog_that_nobody_uses_is_closed() {
    let (mut desk, _) = Desk::locking_after(Profile::Piv, Duration::from_millis(1500));
    let button = desk.word(LOCKED);
    desk.press(&button);
    desk.type_secret("PIN", "123");
    desk.until("the end of it", |desk| !desk.shows("PIN: "));
}
