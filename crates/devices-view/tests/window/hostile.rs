//! A card that calls itself something that would mislead the eye.

use eframe::egui::accesskit::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use virtual_token::{CreateOptions, MemoryBackend, Profile};

use crate::desk::{Desk, token};
use crate::readers::Called;

const BEGIN: &str = "PIV\\nAuthenticated: lock \\u{202e}drac";

/// A window on a plain card of such a name.
fn on_hostile() -> Desk {
    let name = format!("PIV\nAuthenticated: lock \u{202e}drac{}", "é".repeat(4000));
    let readers = MemoryBackend::new();
    readers
        .insert("Desk", &token(Profile::Piv, &CreateOptions::default()))
        .unwrap();
    let mut desk = Desk::through(Called::so(&readers, &name), readers);
    desk.sees("ID ");
    desk
}

/// That the name is there, and nothing of it acts or runs over the window.
fn is_harmless(desk: &mut Desk, page: &str) {
    for _ in 0..3 {
        desk.window.step();
    }
    let words = desk.words();
    assert!(words.iter().any(|word| word.contains(BEGIN)), "{page}");
    for word in &words {
        assert!(!word.contains(['\n', '\u{202e}']), "{page}: {word}");
        // The label itself, as a value among others, is there in full.
        let is_value = word.starts_with(BEGIN) && word.ends_with('é');
        assert!(is_value || word.chars().count() < 200, "{page}: {word}");
    }
    let all = desk
        .window
        .query_all_by(|node| node.role() != Role::Unknown);
    for node in all.filter(|node| node.accesskit_node().raw_bounds().is_some()) {
        let (rect, label) = (node.rect(), node.accesskit_node().label());
        let is_inside = rect.left() >= -0.5 && rect.right() <= 900.5;
        assert!(is_inside, "{page}: {label:?} lies at {rect:?}");
    }
}

#[test]
fn its_name_is_one_short_line_on_its_tile_and_in_the_title_bar() {
    let mut desk = on_hostile();
    is_harmless(&mut desk, "tile and title bar");
    let lock = desk.word("Locked: authenticate to ");
    assert!(lock.ends_with("é…"), "{lock}");
    assert!(!desk.shows("Authenticated: "), "it is not what it says");
    let menu = desk.word("Menu of ");
    desk.press(&menu);
    is_harmless(&mut desk, "menu");
}

#[test]
fn its_name_is_one_short_line_in_the_selector() {
    let mut desk = on_hostile();
    let selector = desk.window.get_by_role(Role::ComboBox);
    let name = selector.accesskit_node().label().unwrap();
    assert!(name.starts_with(&format!("Token: {BEGIN}")), "{name}");
    selector.click_accesskit();
    desk.until("the list", |desk| {
        let words = desk.words();
        let is_entry = |word: &String| word.starts_with(BEGIN) && word.ends_with("in Desk");
        words.iter().any(is_entry)
    });
    is_harmless(&mut desk, "selector");
}

#[test]
fn its_name_is_one_short_line_in_a_dialog() {
    let mut desk = on_hostile();
    desk.pick("Change PIN…");
    desk.sees("Present PIN");
    is_harmless(&mut desk, "dialog");
    desk.type_secret("Present PIN", "918273");
    desk.type_secret("New PIN", "583914");
    desk.type_secret("New PIN again", "583914");
    desk.press("Change PIN");
    desk.sees("The PIN is wrong");
    is_harmless(&mut desk, "failure");
    desk.readers.eject("Desk");
    desk.sees("The token was taken out");
    desk.press("Close");
}

#[test]
fn its_name_is_one_short_line_above_its_content() {
    let mut desk = on_hostile();
    let content = desk.word("Content of ");
    desk.press(&content);
    desk.sees("Certificates");
    is_harmless(&mut desk, "content");
    let headings = desk
        .window
        .query_all_by(|node| node.role() == Role::Heading);
    let mut names = headings.filter_map(|node| node.accesskit_node().label());
    let title = names.find(|name| name.starts_with(BEGIN)).unwrap();
    assert!(title.ends_with('…'), "{title}");
}
