//! The page of all tokens.

use std::path::Path;
use std::time::Duration;

use eframe::egui::accesskit::{Live, Role};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use token_manager::{Manager, token_cache};
use virtual_token::{CreateOptions, Profile};

use crate::desk::{Desk, FIVE_MINUTES, empty, pin, set_policy, takes, token};
use crate::policies::managing;

#[test]
fn a_tile_comes_and_goes_with_its_token() {
    let mut desk = Desk::new();
    desk.sees("No software token");
    let token = token(Profile::Crescendo4000, &CreateOptions::default());
    desk.readers.insert("Desk", &token).unwrap();
    desk.sees("ID ");
    desk.readers.eject("Desk");
    desk.sees("No token");
}

fn with_cache(cache: token_cache::Cache) -> impl FnOnce(Manager) -> Manager {
    move |manager| {
        let options = manager.options().clone().with_cache(cache);
        manager.with_options(options)
    }
}

/// A window on a 2300 that another window has left in the cache there, and that takes so
/// long a command.
fn knowing(cache: &Path, latency: Duration) -> Desk {
    let cache = token_cache::Cache::off().with_disk(cache);
    let card = token(Profile::Crescendo2300, &CreateOptions::default());
    let mut first = Desk::with(with_cache(cache.clone()), FIVE_MINUTES);
    first.readers.insert("Desk", &card).unwrap();
    first.sees("ID ");
    drop(first);
    card.set_latency(latency);
    let second = Desk::with(with_cache(cache), FIVE_MINUTES);
    second.readers.insert("Desk", &card).unwrap();
    second
}

#[test]
fn a_token_that_is_known_is_there_at_once_and_marked_until_it_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let mut second = knowing(folder.path(), Duration::from_millis(100));
    second.sees("Being checked; as it was");
    assert!(second.shows("HID Crescendo C2300") && !second.shows("ID "));
    second.press("Content of HID Crescendo C2300 in Desk");
    second.sees("Certificates");
    let has_id = |desk: &Desk| desk.words().iter().any(|word| word == "ID");
    assert!(second.shows("Being checked; as it was") && !has_id(&second));
    second.until("the ID", |desk| has_id(desk));
    assert!(!second.shows("Being checked"));
    second.press("Back to all tokens");
    second.sees("ID ");
    assert!(!second.shows("Being checked"));
}

#[test]
fn reading_is_cancelled_and_begun_again() {
    let mut desk = Desk::new();
    let card = token(Profile::Piv, &CreateOptions::default());
    card.set_latency(Duration::from_millis(300));
    desk.readers.insert("Desk", &card).unwrap();
    desk.press("Cancel");
    desk.until("a stop", |desk| desk.can("Read again"));
    let commands = card.commands();
    assert!(commands < 18, "it was stopped before it had read all");
    card.set_latency(Duration::ZERO);
    desk.press("Read again");
    desk.sees("ID ");
}

#[test]
fn what_was_not_checked_is_said_on_the_page_of_the_content_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut second = knowing(folder.path(), Duration::from_millis(200));
    second.press("Content of HID Crescendo C2300 in Desk");
    second.press("Cancel");
    second.sees("Reading the token in \"Desk\" was cancelled.");
    let said = second
        .window
        .query_all_by(|node| node.live() == Live::Assertive);
    let said: Vec<_> = said
        .filter_map(|node| node.accesskit_node().value())
        .collect();
    assert!(
        said.iter().any(|word| word.contains("was cancelled")),
        "{said:?}"
    );
    assert!(!second.words().iter().any(|word| word == "ID"));
}

#[test]
fn a_forced_change_of_the_pin_is_told_when_the_token_appears() {
    let card = token(Profile::Crescendo4000, &empty());
    set_policy(&card, |policy| policy.force_change = true);
    let mut desk = Desk::new();
    desk.readers.insert("Desk", &card).unwrap();
    desk.sees("The PIN has to be changed");
    desk.press("Change PIN now…");
    desk.change_pin(&pin(Profile::Crescendo4000));
    desk.sees("The PIN is changed.");
    desk.press("Close");
    desk.until("no more of it", |desk| {
        !desk.shows("The PIN has to be changed")
    });
}

/// Kept on this computer, it holds here. Of a plain card without a GUID nothing can be kept.
#[test]
fn a_forced_change_that_this_computer_keeps_is_told_too() {
    for profile in [Profile::Crescendo2300, Profile::Piv] {
        let (mut desk, card, _) = managing(profile, &CreateOptions::default());
        assert!(!desk.shows("The PIN has to be changed"));
        desk.pick("Update PIN policies…");
        desk.set("Change forced");
        desk.type_secret("PIN", &pin(profile));
        desk.press("Update policies");
        desk.sees("The PIN has to be changed now.");
        desk.press("Close");
        desk.readers.eject("Desk");
        desk.sees("No token");
        desk.readers.insert("Desk", &card).unwrap();
        desk.sees("The PIN has to be changed before the token is of use.");
        desk.press("Change PIN now…");
        desk.change_pin(&pin(profile));
        desk.sees("The PIN is changed.");
        desk.press("Close");
        let told = |desk: &Desk| desk.shows("The PIN has to be changed");
        desk.until("no more of it", |desk| !told(desk));
        assert!(takes(&desk, "Desk", "583914"), "{}", profile.name());
        desk.readers.eject("Desk");
        desk.sees("No token");
        desk.readers.insert("Desk", &card).unwrap();
        desk.sees("ID ");
        assert!(!told(&desk), "{}: it is done", profile.name());
    }
}

/// Why an item can't be chosen, as it comes up under the pointer.
fn hovered(desk: &mut Desk, item: &str) -> String {
    let menu = desk.word("Menu of");
    desk.press(&menu);
    assert!(
        !desk.shows("Not possible: "),
        "nothing is under the pointer"
    );
    let button = desk.window.get_by_role_and_label(Role::Button, item);
    button.hover();
    let why = desk.word("Not possible: ");
    let away = eframe::egui::Pos2::new(5.0, 895.0);
    desk.window.hover_at(away);
    desk.until("it to go", |desk| !desk.shows("Not possible: "));
    desk.key(eframe::egui::Key::Escape);
    why
}

#[test]
fn why_an_item_is_disabled_comes_up_under_the_pointer() {
    let (mut desk, _) = Desk::holding(Profile::Piv);
    let why = hovered(&mut desk, "Recycle device…");
    assert_eq!(why, "Not possible: tokens of this kind do not have it.");
    let (mut desk, _) = Desk::holding(Profile::Crescendo2300);
    let why = hovered(&mut desk, "Recycle device…");
    assert!(why.ends_with("Allow it in Preferences."), "{why}");
    assert_eq!(desk.why_not("Recycle device…"), why, "read out as well");
}

#[test]
fn what_a_token_cannot_do_is_there_with_its_reason() {
    let (mut desk, _) = Desk::holding(Profile::Piv);
    let menu = desk.word("Menu of");
    desk.press(&menu);
    let item = desk
        .window
        .get_by_role_and_label(Role::Button, "Recycle device…");
    let item = item.accesskit_node();
    assert!(item.is_disabled());
    let reason = item.description().unwrap();
    assert!(reason.starts_with("Not possible: "), "{reason}");
}

#[test]
fn nothing_happens_while_nothing_happens() {
    let (mut desk, token) = Desk::holding(Profile::Crescendo4000);
    // Fades come to their end.
    for _ in 0..60 {
        desk.window.step();
    }
    let commands = token.commands();
    for _ in 0..5 {
        desk.window.step();
        let output = &desk.window.output().viewport_output;
        let next = output.values().map(|viewport| viewport.repaint_delay).min();
        assert_eq!(next, Some(Duration::MAX), "a frame is asked for");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(
        token.commands(),
        commands,
        "the card was asked for something"
    );
}

/// Another token is never meant silently: what the person does next would be done to it.
#[test]
fn the_title_bar_does_not_turn_to_another_token_by_itself() {
    let mut desk = Desk::new();
    let cards: Vec<_> = [Profile::Crescendo4000, Profile::Crescendo2300, Profile::Piv]
        .into_iter()
        .map(|profile| token(profile, &CreateOptions::default()))
        .collect();
    for (reader, card) in ["A", "B", "C"].into_iter().zip(&cards) {
        desk.readers.insert(reader, card).unwrap();
    }
    desk.until("three", |desk| {
        desk.words()
            .iter()
            .filter(|word| word.starts_with("ID "))
            .count()
            == 3
    });
    desk.sees("Locked: authenticate to HID Crescendo C4000");
    desk.readers.eject("A");
    desk.until("no lock", |desk| !desk.shows("Locked: authenticate to"));
    assert!(desk.shows("Token: Choose a token"));
    desk.readers.insert("A", &cards[0]).unwrap();
    desk.sees("Locked: authenticate to HID Crescendo C4000");
}

#[test]
fn what_a_reader_calls_itself_stays_in_its_line() {
    let mut desk = Desk::new();
    let card = token(Profile::Piv, &CreateOptions::default());
    let reader = "Desk\nLocked \u{202e}eldnaH";
    desk.readers.insert(reader, &card).unwrap();
    desk.sees("ID ");
    let said = "Desk\\nLocked \\u{202e}eldnaH";
    let content = desk.word("Content of");
    assert!(content.ends_with(said), "{content}");
    let harmless = |desk: &mut Desk, page: &str| {
        let words = desk.words();
        assert!(words.iter().any(|word| word.contains(said)), "{page}");
        let acts = |word: &&String| word.contains(['\n', '\u{202e}']);
        assert_eq!(words.iter().find(acts), None, "{page}");
    };
    harmless(&mut desk, "tiles");
    desk.pick("Change PIN…");
    desk.sees("Present PIN");
    harmless(&mut desk, "dialog");
    desk.key(eframe::egui::Key::Escape);
    desk.press(&content);
    desk.sees("Certificates");
    harmless(&mut desk, "content");
}

#[test]
fn a_blocked_pin_can_be_unblocked_from_its_tile() {
    let (desk, _) = Desk::holding(Profile::Piv);
    assert!(!desk.can("Unblock PIN now…"));
    desk.block("Desk");
    let (mut desk, readers) = (Desk::around(desk.readers.clone()), desk.readers.clone());
    desk.press("Unblock PIN now…");
    desk.type_secret("PUK", "12345678");
    desk.type_secret("New PIN", "583914");
    desk.type_secret("New PIN again", "583914");
    desk.press("Unblock PIN");
    desk.sees("The PIN is unblocked");
    desk.press("Close");
    desk.until("the end of it", |desk| !desk.can("Unblock PIN now…"));
    assert!(takes(&Desk::around(readers), "Desk", "583914"));
}
