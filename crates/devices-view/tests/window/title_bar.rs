//! Which token the title bar is about.

use std::time::Duration;

use eframe::egui::accesskit::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use virtual_token::Profile;

use crate::desk::{Desk, empty, pin, token};
use crate::lock::{LOCKED, OPEN, is_verified, unlock};

/// A 4000 in the reader "A", and a 2300 in the reader "B".
pub(crate) fn two() -> Desk {
    let mut desk = Desk::new();
    for (reader, profile) in [("A", Profile::Crescendo4000), ("B", Profile::Crescendo2300)] {
        let token = token(profile, &empty());
        desk.readers.insert(reader, &token).unwrap();
    }
    desk.until("both", |desk| {
        let words = desk.words();
        words.iter().filter(|it| it.starts_with("ID ")).count() == 2
    });
    desk
}

/// Chooses the token of this name, which the list has with its reader.
fn choose(desk: &mut Desk, name: &str) {
    let selector = desk.window.get_by_role(Role::ComboBox);
    selector.click_accesskit();
    desk.window.step();
    desk.press(name);
    desk.until("the end of the list", |desk| !desk.can(name));
}

#[test]
fn the_lock_is_that_of_the_token_that_was_chosen() {
    let mut desk = two();
    desk.sees("Locked: authenticate to HID Crescendo C4000");
    choose(&mut desk, "HID Crescendo C2300 in B");
    desk.sees("Locked: authenticate to HID Crescendo C2300");
    unlock(&mut desk, Profile::Crescendo2300);
    assert!(is_verified(&desk, "B") && !is_verified(&desk, "A"));

    choose(&mut desk, "HID Crescendo C4000 in A");
    desk.sees("Locked: authenticate to HID Crescendo C4000");
    assert!(is_verified(&desk, "B"), "choosing locks nothing");

    choose(&mut desk, "HID Crescendo C2300 in B");
    let lock = desk.word("Authenticated: lock HID Crescendo C2300");
    desk.press(&lock);
    desk.sees("Locked: authenticate to HID Crescendo C2300");
    assert!(!is_verified(&desk, "B"));
}

#[test]
fn the_dialog_says_which_token_it_opens() {
    let mut desk = two();
    choose(&mut desk, "HID Crescendo C2300 in B");
    let lock = desk.word(LOCKED);
    desk.press(&lock);
    let about = desk.word("HID Crescendo C2300  ");
    assert!(about.ends_with("in B"), "{about}");
    desk.type_secret("PIN", &pin(Profile::Crescendo4000));
    desk.press("Authenticate");
    desk.sees("The PIN is wrong");
    assert!(!desk.shows(OPEN) && !is_verified(&desk, "A"));
}

#[test]
fn the_selector_is_called_by_what_it_shows() {
    let name = |desk: &Desk| {
        let selector = desk.window.get_by_role(Role::ComboBox);
        selector.accesskit_node().label().unwrap()
    };
    let mut desk = Desk::new();
    assert_eq!(name(&desk), "Token: No token");
    let token = token(Profile::Piv, &empty());
    desk.readers.insert("C", &token).unwrap();
    desk.is_read();
    let label = desk.word("Menu of ");
    let label = label
        .trim_start_matches("Menu of ")
        .trim_end_matches(" in C");
    assert_eq!(name(&desk), format!("Token: {label}"));
    let mut desk = two();
    assert_eq!(name(&desk), "Token: HID Crescendo C4000");
    choose(&mut desk, "HID Crescendo C2300 in B");
    assert_eq!(name(&desk), "Token: HID Crescendo C2300");
}

#[test]
fn the_page_of_the_content_turns_to_the_token_that_is_chosen() {
    let mut desk = two();
    desk.press("Content of HID Crescendo C4000 in A");
    desk.sees("Certificates");
    desk.sees("A (contact)");
    choose(&mut desk, "HID Crescendo C2300 in B");
    desk.sees("B (contact)");
    assert!(!desk.shows("A (contact)"));
}

/// With nothing read of the token there is no dialog for it.
#[test]
fn the_lock_says_why_it_can_t_be_pressed() {
    let mut desk = Desk::new();
    let card = token(Profile::Crescendo2300, &empty());
    card.set_latency(Duration::from_millis(500));
    desk.readers.insert("Desk", &card).unwrap();
    let lock = desk.word(LOCKED);
    assert!(!desk.can(&lock));
    assert_eq!(
        desk.told(LOCKED),
        Some("The token is being read.".to_owned())
    );
    desk.press("Cancel");
    desk.sees("Read again");
    let lock = desk.word(LOCKED);
    assert!(!desk.can(&lock));
    assert_eq!(
        desk.told(LOCKED),
        Some("The token can't be read.".to_owned())
    );
    card.set_latency(Duration::ZERO);
    desk.press("Read again");
    desk.sees("ID ");
    let lock = desk.word(LOCKED);
    desk.press(&lock);
    desk.sees("PIN: ");
}
