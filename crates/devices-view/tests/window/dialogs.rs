//! What all dialogs have in common.

use std::time::Duration;

use eframe::egui::{Event, Key, Modifiers, PointerButton, Pos2, Rect, Vec2, accesskit::Role};
use egui_kittest::kittest::Queryable as _;
use virtual_token::Profile;

use crate::desk::{Desk, empty, pin, takes};
use crate::keyboard::{focus_place, focused, tab_to};
use crate::policies::managing;

/// The smallest window.
const SMALL: Vec2 = Vec2::new(480.0, 400.0);

fn is_in_sight(rect: Rect) -> bool {
    Rect::from_min_size(Pos2::ZERO, SMALL).contains_rect(rect)
}

/// A click beside the dialog.
pub(crate) fn click_beside(desk: &mut Desk) {
    for pressed in [true, false] {
        desk.window.event(Event::PointerButton {
            pos: Pos2::new(5.0, 5.0),
            button: PointerButton::Primary,
            pressed,
            modifiers: Modifiers::NONE,
        });
        desk.window.step();
    }
}

/// Scrolling takes a while.
fn settle(desk: &mut Desk) {
    for _ in 0..10 {
        desk.window.step();
    }
}

#[test]
fn its_buttons_stay_in_sight_in_the_smallest_window() {
    let (mut desk, _, _) = managing(Profile::Crescendo4000, &empty());
    desk.window.set_size(SMALL);
    for (item, button) in [
        ("Change PIN…", "Change PIN"),
        ("Update PIN policies…", "Update policies"),
        ("Recycle device…", "Erase"),
        ("Personalize…", "Next"),
    ] {
        desk.pick(item);
        desk.sees("Cancel");
        settle(&mut desk);
        for name in [button, "Cancel"] {
            let rect = desk.window.get_by_role_and_label(Role::Button, name).rect();
            assert!(is_in_sight(rect), "{item} {name} {rect:?}");
        }
        desk.key(Key::Escape);
        desk.until("the end of it", |desk| !desk.shows("Cancel"));
    }
}

#[test]
fn what_gets_the_focus_comes_into_sight() {
    let (mut desk, _, _) = managing(Profile::Crescendo4000, &empty());
    desk.window.set_size(SMALL);
    desk.pick("Update PIN policies…");
    for _ in 0..25 {
        desk.key(Key::Tab);
        settle(&mut desk);
        let place = focus_place(&desk);
        let is_hidden = place.is_some_and(|place| !is_in_sight(place));
        assert!(!is_hidden, "{:?} {place:?}", focused(&desk));
    }
}

#[test]
fn the_focus_goes_back_to_where_it_came_from() {
    let (mut desk, _) = Desk::holding(Profile::Crescendo2300);
    tab_to(&mut desk, "Menu of");
    desk.key(Key::Enter);
    tab_to(&mut desk, "Change PIN…");
    desk.key(Key::Enter);
    desk.sees("Present PIN");
    desk.key(Key::Escape);
    desk.until("the end of it", |desk| !desk.shows("Present PIN"));
    settle(&mut desk);
    assert!(focused(&desk).unwrap().starts_with("Menu of"));
    tab_to(&mut desk, "Preferences");
    desk.key(Key::Enter);
    desk.sees("Lock after");
    assert_ne!(focused(&desk).as_deref(), Some("Preferences"));
    desk.key(Key::Escape);
    desk.until("the end of it", |desk| !desk.shows("Lock after"));
    settle(&mut desk);
    assert_eq!(focused(&desk).as_deref(), Some("Preferences"));
}

#[test]
fn a_click_beside_it_loses_nothing() {
    let (mut desk, _) = Desk::holding(Profile::Piv);
    desk.press("Preferences");
    desk.sees("Lock after");
    click_beside(&mut desk);
    assert!(desk.shows("Lock after"));
    desk.press("Cancel");
    let content = desk.word("Content of");
    desk.press(&content);
    desk.sees("Certificates");
    let export = desk.window.get_all_by_label("Export…").next().unwrap();
    export.click_accesskit();
    desk.sees("File");
    click_beside(&mut desk);
    assert!(desk.shows("File"));
}

/// A token that is slow from when the dialog is opened, with a PIN change that waits.
fn waiting() -> (Desk, virtual_token::SharedToken) {
    let (mut desk, token) = Desk::holding(Profile::Crescendo4000);
    token.set_latency(Duration::from_millis(300));
    desk.pick("Change PIN…");
    desk.change_pin(&pin(Profile::Crescendo4000));
    desk.sees("The token is being read first…");
    (desk, token)
}

/// Nothing is sent for what has not begun, and nobody has to wait for a slow card to say so.
#[test]
fn what_waits_for_a_slow_card_can_be_left() {
    let leave: [fn(&mut Desk); 2] = [|desk| desk.press("Cancel"), |desk| desk.key(Key::Escape)];
    for leave in leave {
        let (mut desk, token) = waiting();
        leave(&mut desk);
        desk.until("the end of it", |desk| !desk.shows("Present PIN"));
        let before = token.commands();
        std::thread::sleep(Duration::from_millis(1200));
        let more = token.commands() - before;
        assert!(more <= 2, "{more} commands were sent after it was left");
        token.set_latency(Duration::ZERO);
        assert!(takes(&desk, "Desk", &pin(Profile::Crescendo4000)));
    }
}

#[test]
fn what_waits_for_a_slow_card_is_done_when_it_was_read() {
    let (mut desk, token) = waiting();
    token.set_latency(Duration::ZERO);
    desk.sees("The PIN is changed.");
    assert!(takes(&desk, "Desk", "583914"));
}

#[test]
fn a_time_that_is_not_in_the_list_is_shown_where_it_was_set() {
    let mut desk = Desk::with(|manager| manager, Duration::from_mins(7));
    desk.press("Preferences");
    desk.sees("Lock after: 7 min");
    desk.set("Lock after: 1 h");
    assert!(desk.shows("Lock after: 7 min"));
}
