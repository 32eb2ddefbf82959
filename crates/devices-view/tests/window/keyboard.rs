//! Everything by the keyboard alone; what has the focus shows it.

use std::collections::BTreeSet;

use eframe::egui::{Event, Key, Modifiers, Rect, Shape, Vec2, accesskit::Role};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use piv_apdu::secret::Puk;
use token_manager::LastTry;
use virtual_token::{CreateOptions, Profile};

use crate::desk::{Desk, FAMILIES, empty, pin, takes, token};
use crate::personalize::{NEW, choose_pin, saved, session};
use crate::policies::{managing, policy};
use crate::recycle::{content, id};
use crate::title_bar::two;

/// Goes on with Tab until what has this name has the focus. All that has it in between has to
/// show it.
pub(crate) fn tab_to(desk: &mut Desk, name: &str) {
    let mut passed = Vec::new();
    for _ in 0..60 {
        desk.key(Key::Tab);
        // It moves in this frame or the next one; one more scrolls there, and one draws it.
        desk.window.run_steps(3);
        let at = focused(desk);
        assert!(
            shows_focus(desk),
            "{at:?} has the focus and does not show it"
        );
        if at.as_deref().is_some_and(|it| it.starts_with(name)) {
            return;
        }
        passed.push(at);
    }
    panic!("Tab does not lead to {name}, but to {passed:?}");
}

/// Goes there, and presses this key.
fn go(desk: &mut Desk, name: &str, key: Key) {
    tab_to(desk, name);
    desk.key(key);
    desk.window.step();
}

/// Waits until the focus is there by itself.
fn focus_comes_to(desk: &mut Desk, name: &str) {
    desk.until(name, |desk| {
        focused(desk).as_deref() == Some(name) && shows_focus(desk)
    });
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

/// Whether a thick line is drawn around what has the focus, or around its mark, and lies where
/// it can be seen.
fn shows_focus(desk: &Desk) -> bool {
    let Some(node) = focused_node(desk) else {
        return false;
    };
    if node.accesskit_node().raw_bounds().is_none() {
        return false; // The window itself.
    }
    let place = node.rect().expand(9.0);
    let mut shapes = desk.window.output().shapes.iter();
    shapes.any(|drawn| {
        let is_there = |line: &Rect| place.contains_rect(*line);
        let can_be_seen = |line: &Rect| drawn.clip_rect.contains(line.center());
        thick_lines(&drawn.shape)
            .iter()
            .any(|line| is_there(line) && can_be_seen(line))
    })
}

/// What thick lines are drawn around.
fn thick_lines(shape: &Shape) -> Vec<Rect> {
    match shape {
        Shape::Vec(shapes) => shapes.iter().flat_map(thick_lines).collect(),
        Shape::Rect(area) if area.stroke.width >= 2.0 => vec![area.rect],
        Shape::Circle(circle) if circle.stroke.width >= 2.0 => {
            let size = Vec2::splat(2.0 * circle.radius);
            vec![Rect::from_center_size(circle.center, size)]
        }
        _ => Vec::new(),
    }
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

/// Puts this into the field of text that has the focus, in the place of what is in it.
fn types_over(desk: &mut Desk, text: &str) {
    desk.window.key_press_modifiers(Modifiers::COMMAND, Key::A);
    desk.window.step();
    types(desk, text);
    desk.window.step();
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

/// Opens the menu of the only token, and what has this name in it.
fn open(desk: &mut Desk, item: &str) {
    go(desk, "Menu of ", Key::Space);
    go(desk, item, Key::Enter);
}

/// A window as large as most are, on a token that may be administered.
fn manages(profile: Profile, options: &CreateOptions) -> Desk {
    let (mut desk, _, _) = managing(profile, options);
    desk.window.set_size(Vec2::new(900.0, 700.0));
    desk.window.step();
    desk
}

/// Goes around with Tab, through all that can have the focus. Each has to show it.
fn goes_around(desk: &mut Desk, page: &str) {
    let mut passed = BTreeSet::new();
    for _ in 0..80 {
        desk.key(Key::Tab);
        desk.window.run_steps(3);
        let at = focused(desk);
        assert!(shows_focus(desk), "{page}: {at:?} does not show the focus");
        if !passed.insert(place_in_tree(desk)) {
            assert!(passed.len() > 1, "{page}: only {at:?} can have the focus");
            return;
        }
    }
    panic!("{page}: Tab leads to no end");
}

#[allow(
    clippy::redundant_closure_for_method_calls,
    reason = "the method alone is not general enough in its lifetimes"
)]
fn place_in_tree(desk: &Desk) -> String {
    let node = desk.window.get_by(|node| node.is_focused());
    format!("{:?}", node.accesskit_node().locate())
}

#[test]
fn all_that_can_have_the_focus_shows_it() {
    for profile in FAMILIES {
        let mut desk = manages(profile, &CreateOptions::default());
        let name = profile.name();
        goes_around(&mut desk, &format!("{name}: tiles"));
        for item in desk.possible() {
            desk.pick(&item);
            desk.until("the dialog", |desk| desk.can("Cancel") || desk.can("Close"));
            goes_around(&mut desk, &format!("{name}: {item}"));
            desk.key(Key::Escape);
            desk.until("the end of it", |desk| !desk.shows("Cancel"));
        }
        desk.press("Preferences");
        goes_around(&mut desk, "preferences");
        desk.key(Key::Escape);
        let content = desk.word("Content of ");
        desk.press(&content);
        desk.sees("Certificates");
        goes_around(&mut desk, &format!("{name}: content"));
    }
}

#[test]
fn the_menu_opens_shows_where_one_is_and_closes() {
    let (mut desk, card) = Desk::holding(Profile::Crescendo4000);
    let commands = card.commands();
    go(&mut desk, "Menu of ", Key::Enter);
    let items = ["Change PIN…", "Unblock PIN…", "View PUK…", "Clear cache"];
    for item in items {
        tab_to(&mut desk, item);
    }
    desk.key(Key::Escape);
    desk.until("the end of it", |desk| !desk.shows("Clear cache"));
    assert_eq!(card.commands(), commands);
    tab_to(&mut desk, "Menu of ");
}

#[test]
fn a_pin_is_unblocked_with_the_puk() {
    let (mut desk, _) = Desk::holding(Profile::Crescendo4000);
    desk.block("Desk");
    open(&mut desk, "Unblock PIN…");
    focus_comes_to(&mut desk, "PUK");
    go(&mut desk, "By challenge and response", Key::Space);
    desk.sees("The token gives a challenge.");
    go(&mut desk, "With the PUK", Key::Space);
    tab_to(&mut desk, "PUK");
    types(&mut desk, "12345678");
    tab_to(&mut desk, "New PIN");
    types(&mut desk, NEW);
    tab_to(&mut desk, "New PIN again");
    types(&mut desk, NEW);
    go(&mut desk, "Unblock PIN", Key::Enter);
    desk.sees("The PIN is unblocked");
    focus_comes_to(&mut desk, "Close");
    desk.key(Key::Enter);
    desk.until("the end of it", |desk| !desk.shows("The PIN is unblocked"));
    assert!(takes(&desk, "Desk", NEW));
}

#[test]
fn a_challenge_is_asked_for_and_answered() {
    let (mut desk, _) = Desk::holding(Profile::Crescendo2300);
    desk.block("Desk");
    open(&mut desk, "Unblock PIN…");
    go(&mut desk, "Get challenge", Key::Space);
    desk.sees("The challenge as a QR code");
    desk.window.run_steps(3);
    // How quick the card is decides where the focus has gone.
    if focused(&desk).as_deref() != Some("Response") {
        tab_to(&mut desk, "Response");
    }
    types(&mut desk, "0011223344556677");
    tab_to(&mut desk, "New PIN");
    types(&mut desk, NEW);
    tab_to(&mut desk, "New PIN again");
    types(&mut desk, NEW);
    desk.key(Key::Enter);
    desk.sees("The admin key, or the response made with it, is wrong");
    go(&mut desk, "Cancel", Key::Space);
    desk.until("the end of it", |desk| !desk.shows("New PIN"));
}

#[test]
fn policies_are_updated() {
    let (mut desk, _, store) = managing(Profile::Crescendo4000, &CreateOptions::default());
    desk.window.set_size(Vec2::new(900.0, 700.0));
    open(&mut desk, "Update PIN policies…");
    desk.sees("What will be done");
    go(&mut desk, "Shortest PIN: 6", Key::Space);
    go(&mut desk, "Characters: digits only", Key::Enter);
    go(&mut desk, "Weak PINs refused", Key::Space);
    go(&mut desk, "Weak PINs refused", Key::Space);
    desk.sees("Update PIN characters: ");
    tab_to(&mut desk, "PIN");
    while focused(&desk).as_deref() != Some("PIN") {
        tab_to(&mut desk, "PIN");
    }
    types(&mut desk, "000000");
    desk.key(Key::Enter);
    desk.sees("The PIN policies are updated.");
    go(&mut desk, "Close", Key::Space);
    let policy = policy(&desk, &store);
    assert_eq!((policy.minimum, policy.refuse_weak), (6, false));
}

#[test]
fn a_token_is_erased() {
    let mut desk = manages(Profile::Crescendo2300, &CreateOptions::default());
    let id = id(&mut desk);
    open(&mut desk, "Recycle device…");
    desk.sees("What will be done");
    go(&mut desk, "Allowed by: Admin key", Key::Space);
    tab_to(&mut desk, "Admin key");
    go(&mut desk, "Allowed by: PIN", Key::Space);
    tab_to(&mut desk, "PIN");
    types(&mut desk, &pin(Profile::Crescendo2300));
    tab_to(&mut desk, "ID of the token that is erased");
    types(&mut desk, &id);
    go(&mut desk, "Erase", Key::Space);
    desk.sees("The token is erased.");
    assert_eq!(content(&desk), 0);
    focus_comes_to(&mut desk, "Personalize");
    desk.key(Key::Enter);
    desk.sees("Page 1 of");
    desk.key(Key::Escape);
    desk.until("the end of it", |desk| !desk.shows("Page 1 of"));
}

#[test]
fn a_token_is_set_up_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets.txt");
    let mut desk = manages(Profile::Crescendo4000, &empty());
    open(&mut desk, "Personalize…");
    desk.sees("Page 1 of 6");
    focus_comes_to(&mut desk, "Erase the token first");
    go(&mut desk, "Next", Key::Enter);
    desk.sees("Page 2 of 6");
    focus_comes_to(&mut desk, "Shortest PIN: 4");
    go(&mut desk, "Shortest PIN: 6", Key::Space);
    go(&mut desk, "Next", Key::Space);
    desk.sees("Page 3 of 6");
    focus_comes_to(&mut desk, "Those it is delivered with");
    go(&mut desk, "Back", Key::Enter);
    desk.sees("Page 2 of 6");
    go(&mut desk, "Next", Key::Enter);
    go(&mut desk, "Next", Key::Enter);
    desk.sees("Page 4 of 6");
    focus_comes_to(&mut desk, "New PIN");
    types(&mut desk, NEW);
    tab_to(&mut desk, "New PIN again");
    types(&mut desk, NEW);
    desk.key(Key::Enter);
    desk.sees("Page 5 of 6");
    go(&mut desk, "Nowhere besides", Key::Space);
    go(&mut desk, "Next", Key::Enter);
    focus_comes_to(&mut desk, "Start");
    desk.key(Key::Enter);
    for (secret, is_first) in [("New admin key", true), ("New PUK", false)] {
        desk.sees(secret);
        focus_comes_to(&mut desk, "Show");
        desk.key(Key::Space);
        desk.until("the secret", |desk| desk.can("Hide"));
        if is_first {
            tab_to(&mut desk, "File");
            types_over(&mut desk, &file.display().to_string());
        }
        go(&mut desk, "Save to file", Key::Enter);
        desk.sees("It is in ");
        go(&mut desk, "I have it in safe keeping", Key::Space);
        go(&mut desk, "Go on", Key::Enter);
    }
    desk.sees("The token is set up.");
    focus_comes_to(&mut desk, "Close");
    desk.key(Key::Space);
    desk.until("the end of it", |desk| !desk.shows("The token is set up."));
    assert!(takes(&desk, "Desk", NEW));
    let puk = Puk::new(saved(&file, "puk").unwrap().as_bytes()).unwrap();
    let new = piv_apdu::secret::Pin::new(b"271828").unwrap();
    let unblocked = session(&desk).unblock_with_puk(&puk, &new, LastTry::Spare);
    assert!(unblocked.is_ok());
}

#[test]
fn stopping_before_a_new_secret_is_put_on_is_asked_about() {
    let mut desk = manages(Profile::Crescendo2300, &empty());
    crate::personalize::start(&mut desk);
    focus_comes_to(&mut desk, "Show");
    go(&mut desk, "Stop…", Key::Enter);
    go(&mut desk, "Back to the secret", Key::Space);
    desk.sees("New admin key");
    go(&mut desk, "Stop…", Key::Enter);
    go(&mut desk, "Stop: the token does not get it", Key::Enter);
    desk.sees("Stopped before the token got the new admin key");
}

#[test]
fn content_is_looked_at_and_a_certificate_exported() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nine-a.der");
    let mut desk = Desk::new();
    let card = token(Profile::Piv, &CreateOptions::default());
    desk.readers.insert("Desk", &card).unwrap();
    desk.sees("ID ");
    go(&mut desk, "Content of ", Key::Enter);
    desk.sees("Certificates");
    go(&mut desk, "Export…", Key::Enter);
    desk.sees("Export certificate");
    go(&mut desk, "Binary (DER)", Key::Space);
    tab_to(&mut desk, "File");
    types_over(&mut desk, file.to_str().unwrap());
    go(&mut desk, "Export", Key::Enter);
    desk.sees("It is in ");
    focus_comes_to(&mut desk, "Close");
    desk.key(Key::Escape);
    desk.until("the end of it", |desk| !desk.shows("Export certificate"));
    let key = piv_apdu::key::KeyReference::PIV_AUTHENTICATION;
    assert_eq!(std::fs::read(file).unwrap(), desk.certificate("Desk", key));
    go(&mut desk, "What can be done with it", Key::Space);
    desk.sees("change PIN");
    go(&mut desk, "Back to all tokens", Key::Enter);
    desk.sees("Menu of ");
}

#[test]
fn another_token_is_chosen_in_the_title_bar() {
    let mut desk = two();
    go(&mut desk, "Token: HID Crescendo C4000", Key::Space);
    go(&mut desk, "HID Crescendo C2300 in B", Key::Enter);
    desk.until("the end of the list", |desk| {
        !desk.can("HID Crescendo C2300 in B")
    });
    desk.sees("Locked: authenticate to HID Crescendo C2300");
    go(&mut desk, "Preferences", Key::Enter);
    go(&mut desk, "Lock after: 15 min", Key::Space);
    go(&mut desk, "Cancel", Key::Enter);
    desk.until("the end of it", |desk| !desk.shows("Lock after: "));
}

/// A key that is held: pressed again and again, and let go by nobody.
fn hold(desk: &mut Desk, key: Key) {
    desk.window.event(Event::Key {
        key,
        physical_key: None,
        pressed: true,
        repeat: false,
        modifiers: Modifiers::NONE,
    });
    desk.window.step();
}

#[test]
fn a_key_that_is_held_presses_one_button() {
    let (mut desk, ..) = managing(Profile::Crescendo4000, &empty());
    desk.pick("Personalize…");
    for _ in 0..3 {
        desk.press("Next");
    }
    choose_pin(&mut desk, "Nowhere besides");
    tab_to(&mut desk, "Next");
    hold(&mut desk, Key::Enter);
    desk.until("the plan", |desk| {
        hold(desk, Key::Enter);
        desk.can("Start")
    });
    for _ in 0..30 {
        hold(&mut desk, Key::Enter);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(desk.can("Start"), "it was started");
}
