//! Preferences.

use std::time::Duration;

use eframe::egui::Key;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use virtual_token::Profile;

use crate::desk::Desk;

#[test]
fn consent_makes_possible_what_it_was_missing_for_and_holds_until_it_is_withdrawn() {
    let (mut desk, _) = Desk::holding(Profile::Crescendo2300);
    let why = desk.why_not("Recycle device…");
    assert!(why.ends_with("Allow it in Preferences."), "{why}");
    desk.press("Preferences");
    desk.sees("They hold until this window is closed, and are not stored.");
    desk.sees("An issuer manages some tokens");
    desk.set("Administer tokens that an issuer may manage");
    desk.press("Apply");
    desk.sees("ID ");
    let menu = desk.word("Menu of");
    desk.press(&menu);
    desk.until("the item", |desk| desk.can("Recycle device…"));
    desk.key(Key::Escape);

    desk.press("Preferences");
    desk.set("Administer tokens that an issuer may manage");
    desk.press("Cancel");
    let menu = desk.word("Menu of");
    desk.press(&menu);
    desk.until("the item", |desk| desk.can("Recycle device…"));
}

#[test]
fn the_time_after_which_tokens_are_locked_is_chosen() {
    let mut desk = Desk::with(|manager| manager, Duration::from_mins(1));
    let is_chosen = |desk: &Desk, name: &str| {
        let choice = desk.window.get_by_label(name);
        choice.accesskit_node().toggled() == Some(eframe::egui::accesskit::Toggled::True)
    };
    desk.press("Preferences");
    desk.sees("Lock after: 1 min");
    assert!(is_chosen(&desk, "Lock after: 1 min"));
    desk.set("Lock after: 15 min");
    desk.press("Apply");
    desk.press("Preferences");
    assert!(is_chosen(&desk, "Lock after: 15 min"));
}
