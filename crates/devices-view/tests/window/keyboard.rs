//! Everything by the keyboard alone.

use eframe::egui::{Event, Key, Rect, Shape, accesskit::Role};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use virtual_token::Profile;

use crate::desk::{Desk, pin, takes};

/// Goes on with Tab until what has this name has the focus.
pub(crate) fn tab_to(desk: &mut Desk, name: &str) {
    for _ in 0..40 {
        desk.key(Key::Tab);
        desk.window.step();
        if focused(desk).is_some_and(|it| it.starts_with(name)) {
            return;
        }
    }
    panic!(
        "Tab does not lead to {name}; the focus is at {:?}",
        focused(desk)
    );
}

#[allow(
    clippy::redundant_closure_for_method_calls,
    reason = "the method alone is not general enough in its lifetimes"
)]
fn focused_node(desk: &Desk) -> Option<egui_kittest::Node<'_>> {
    desk.window.query_by(|node| node.is_focused())
}

/// What has the focus.
pub(crate) fn focused(desk: &Desk) -> Option<String> {
    focused_node(desk)?.accesskit_node().label()
}

/// Where it is; `None` if nothing has it but the window.
pub(crate) fn focus_place(desk: &Desk) -> Option<Rect> {
    let node = focused_node(desk)?;
    (node.accesskit_node().role() != Role::Window).then(|| node.rect())
}

/// Whether a line is drawn around this button, at a distance.
fn has_ring(desk: &Desk, name: &str) -> bool {
    let button = desk.window.get_by_role_and_label(Role::Button, name).rect();
    let mut shapes = desk.window.output().shapes.iter();
    shapes.any(|shape| match &shape.shape {
        Shape::Rect(drawn) => {
            let gap = button.left() - drawn.rect.left();
            let is_around =
                drawn.rect.contains_rect(button) && shape.clip_rect.contains_rect(drawn.rect);
            drawn.stroke.width >= 2.0 && is_around && (1.0..8.0).contains(&gap)
        }
        _ => false,
    })
}

fn types(desk: &mut Desk, text: &str) {
    for character in text.chars() {
        desk.window.event(Event::Text(character.to_string()));
        desk.window.step();
    }
}

#[test]
fn a_pin_is_changed() {
    let (mut desk, _) = Desk::holding(Profile::Crescendo4000);
    tab_to(&mut desk, "Menu of HID Crescendo C4000");
    desk.key(Key::Enter);
    tab_to(&mut desk, "Change PIN…");
    desk.key(Key::Enter);
    desk.sees("Present PIN");
    desk.until("the focus in the first field", |desk| {
        focused(desk).as_deref() == Some("Present PIN")
    });
    types(&mut desk, &pin(Profile::Crescendo4000));
    tab_to(&mut desk, "New PIN");
    types(&mut desk, "583914");
    tab_to(&mut desk, "New PIN again");
    types(&mut desk, "583914");
    desk.key(Key::Enter);
    desk.sees("The PIN is changed.");
    desk.until("the focus on the button", |desk| {
        focused(desk).as_deref() == Some("Close")
    });
    desk.until("a ring around it", |desk| has_ring(desk, "Close"));
    desk.key(Key::Enter);
    desk.until("the end of it", |desk| !desk.shows("The PIN is changed."));
    assert!(takes(&desk, "Desk", "583914"));
}

#[test]
fn escape_leaves_a_dialog_and_changes_nothing() {
    let (mut desk, token) = Desk::holding(Profile::Piv);
    let lock = desk.word("Locked: authenticate to");
    tab_to(&mut desk, &lock);
    desk.key(Key::Space);
    desk.sees("PIN: ");
    types(&mut desk, "9182");
    desk.key(Key::Escape);
    desk.until("the end of it", |desk| !desk.shows("PIN: "));
    assert!(takes(&desk, "Desk", &pin(Profile::Piv)));
    drop(token);
}
