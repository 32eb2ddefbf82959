//! Change PIN.

use std::time::Duration;

use eframe::egui::accesskit::Live;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use virtual_token::Profile;

use crate::desk::{Desk, FAMILIES, empty, pin, set_policy, takes, token};

const RULE: &str = "No regular sequence";

#[test]
fn a_pin_is_changed_on_each_family() {
    for profile in FAMILIES {
        let (mut desk, _) = Desk::holding(profile);
        let name = profile.name();
        let menu = desk.words();
        let menu = menu
            .iter()
            .find(|word| word.starts_with("Menu of"))
            .unwrap()
            .clone();
        desk.press(&menu);
        desk.press("Change PIN…");
        desk.change_pin(&pin(profile));
        desk.sees("The PIN is changed.");
        desk.press("Close");
        assert!(takes(&desk, "Desk", "583914"), "{name}");
        assert!(!takes(&desk, "Desk", &pin(profile)), "{name}");
    }
}

/// Each rule is ticked as it is met, and the one that is not says why the PIN is not taken.
#[test]
fn a_weak_pin_is_refused_with_the_reason() {
    let card = token(Profile::Crescendo4000, &empty());
    // The present PIN is weak, so it has to be changed.
    set_policy(&card, |policy| {
        policy.refuse_weak = true;
        policy.force_change = true;
    });
    let mut desk = Desk::new();
    desk.readers.insert("Desk", &card).unwrap();
    let menu = desk.word("Menu of");
    desk.until("the token", |desk| desk.shows("ID "));
    desk.press(&menu);
    desk.press("Change PIN…");
    desk.type_secret("Present PIN", &pin(Profile::Crescendo4000));
    assert_eq!(desk.told(RULE), Some("not met yet".to_owned()));
    for (typed, said) in [("123456", "not met yet"), ("583914", "met")] {
        desk.wipe_secret("New PIN");
        desk.wipe_secret("New PIN again");
        desk.type_secret("New PIN", typed);
        desk.type_secret("New PIN again", typed);
        assert_eq!(desk.told(RULE), Some(said.to_owned()), "{typed}");
        assert_eq!(desk.can("Change PIN"), said == "met", "{typed}");
    }
}

/// The new PIN, which was typed twice, is still there once the mistake is mended.
#[test]
fn a_present_pin_that_can_t_be_any_costs_nothing_that_was_typed() {
    for profile in FAMILIES {
        let (mut desk, _) = Desk::holding(profile);
        desk.pick("Change PIN…");
        desk.type_secret("Present PIN", "123456789");
        desk.type_secret("New PIN", "583914");
        desk.type_secret("New PIN again", "583914");
        desk.press("Change PIN");
        desk.sees("This can't be a PIN: it has 9 bytes");
        desk.wipe_secret("Present PIN");
        desk.type_secret("Present PIN", &pin(profile));
        desk.press("Change PIN");
        desk.sees("The PIN is changed.");
        desk.press("Close");
        assert!(takes(&desk, "Desk", "583914"), "{}", profile.name());
    }
}

/// What comes or changes while the focus is elsewhere is said by a screen reader.
#[test]
fn what_changes_by_itself_is_said() {
    let (mut desk, card) = Desk::holding(Profile::Piv);
    let is_said = |desk: &Desk, text: &str| {
        let mut nodes = desk.window.query_all_by(|_| true);
        nodes.any(|node| {
            let node = node.accesskit_node();
            let text_of = node.value().or(node.label());
            let is_it = text_of.is_some_and(|it| it.starts_with(text));
            is_it && node.live() == Live::Polite
        })
    };
    desk.pick("Change PIN…");
    desk.sees("PIN: ");
    assert!(is_said(&desk, "PIN: "), "the tries");
    desk.type_secret("Present PIN", &pin(Profile::Piv));
    desk.type_secret("New PIN", "583914");
    desk.type_secret("New PIN again", "58391");
    let differ = "The two entries of the new PIN differ.";
    assert!(is_said(&desk, differ), "{differ}");
    desk.type_secret("New PIN again", "4");
    card.set_latency(Duration::from_millis(300));
    desk.press("Change PIN");
    desk.until("progress", |desk| is_said(desk, "Changing the PIN…"));
}
