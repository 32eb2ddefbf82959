//! Personalize, page by page.

use std::path::Path;
use std::sync::Arc;

use crescendo_ext::xauth::XauthKey;
use devices_view::Lending;
use eframe::egui::{Key, ViewportCommand, ViewportEvent};
use pcsc_transport::Backend;
use piv_apdu::secret::{Pin, Puk};
use token_desktop::ClipboardError;
use token_manager::{
    Authority, KeyCheck, LastTry, Manager, PinEntry, RecoveryPlace, Session, SetKey,
};
use virtual_token::fault::{Fault, Faults};
use virtual_token::{CreateOptions, Profile};

use crate::clipboard::FakeClipboard;
use crate::desk::{Desk, FIVE_MINUTES, empty, pin, takes, token};
use crate::dialogs::click_beside;
use crate::policies::{managing, managing_for};
use crate::recycle::{DELIVERED_KEY, id};

pub(crate) const NEW: &str = "583914";
const ADDED: &str = "It is added to the file";

pub(crate) fn session(desk: &Desk) -> Session {
    let backend: Arc<dyn Backend> = Arc::new(desk.readers.clone());
    Manager::new(backend).open("Desk").unwrap()
}

/// What stands in the file behind this.
pub(crate) fn saved(file: &Path, kind: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let mut lines = text.lines();
    lines.find_map(|line| Some(line.strip_prefix(kind)?.trim_start_matches(": ").to_owned()))
}

/// The page with the new PIN, and the one after it.
pub(crate) fn choose_pin(desk: &mut Desk, place: &str) {
    desk.type_secret("New PIN", NEW);
    desk.type_secret("New PIN again", NEW);
    desk.press("Next");
    desk.set(place);
}

/// Sets up a token that is as delivered, as far as its first new secret.
pub(crate) fn start(desk: &mut Desk) {
    desk.pick("Personalize…");
    for _ in 0..3 {
        desk.press("Next");
    }
    choose_pin(desk, "Nowhere besides");
    desk.press("Next");
    desk.press("Start");
}

/// Sets up a plain card with its present secrets, as far as its first new secret if this is
/// its PIN.
fn start_plain(desk: &mut Desk, pin: &str) {
    desk.pick("Personalize…");
    desk.press("Next");
    desk.type_secret("Present PIN", pin);
    desk.type_secret("Present PUK", "12345678");
    desk.press("Next");
    choose_pin(desk, "Nowhere besides");
    desk.press("Next");
    desk.press("Start");
}

/// Tries all that would leave a page with a new secret.
fn can_t_be_left(desk: &mut Desk, secret: &str) {
    desk.sees(secret);
    desk.key(Key::Escape);
    click_beside(desk);
    let viewport = desk
        .window
        .input_mut()
        .viewports
        .entry(eframe::egui::ViewportId::ROOT);
    viewport.or_default().events.push(ViewportEvent::Close);
    desk.window.step();
    let viewports = &desk.window.output().viewport_output;
    let commands: Vec<_> = viewports
        .values()
        .flat_map(|output| &output.commands)
        .collect();
    assert!(
        commands.contains(&&ViewportCommand::CancelClose),
        "{commands:?}"
    );
    for viewport in desk.window.input_mut().viewports.values_mut() {
        viewport.events.clear();
    }
    desk.window.step();
    assert!(desk.shows(secret));
    assert!(!desk.can("Close") && !desk.can("Cancel"));
    assert!(!desk.can("Go on"), "it was not taken over");
    assert!(!desk.can_set("I have it in safe keeping"));
}

/// Takes the secret over by saving it.
fn take_over(desk: &mut Desk, secret: &str, file: Option<&Path>) {
    desk.sees(secret);
    if let Some(file) = file {
        desk.replace("File", &file.display().to_string());
    }
    assert_eq!(desk.shows(ADDED), file.is_none());
    desk.press("Save to file");
    desk.sees("It is in ");
    assert!(!desk.shows(ADDED), "it is there");
    assert!(!desk.can("Go on"), "not said to be safe");
    desk.set("I have it in safe keeping");
    desk.press("Go on");
}

#[test]
fn an_empty_crescendo_is_set_up_and_takes_what_was_saved() {
    for profile in [Profile::Crescendo4000, Profile::Crescendo2300] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secrets.txt");
        let (mut desk, _, _) = managing(profile, &empty());
        desk.pick("Personalize…");
        desk.sees("Page 1 of 6");
        desk.press("Next");
        desk.set("Shortest PIN: 6");
        desk.press("Next");
        desk.set("Those it is delivered with");
        desk.press("Next");
        choose_pin(&mut desk, "On the token");
        desk.press("Next");
        desk.sees("Change the PIN to the person's");
        desk.press("Start");
        can_t_be_left(&mut desk, "New admin key");
        take_over(&mut desk, "New admin key", Some(&file));
        if profile == Profile::Crescendo4000 {
            can_t_be_left(&mut desk, "New PUK");
            take_over(&mut desk, "New PUK", None);
        }
        desk.sees("The token is set up.");
        desk.press("Close");
        let name = profile.name();
        assert!(takes(&desk, "Desk", NEW), "{name}");
        let key = XauthKey::from_hex(&saved(&file, "admin-key").unwrap()).unwrap();
        let mut session = session(&desk);
        let right = session.check_admin_key(&key).unwrap();
        assert!(matches!(right, KeyCheck::Right), "{name}");
        if profile == Profile::Crescendo4000 {
            let puk = saved(&file, "puk").unwrap();
            let kept = session.view_puk(
                PinEntry::Typed(&Pin::new(NEW.as_bytes()).unwrap()),
                LastTry::Spare,
            );
            assert_eq!(*kept.unwrap().reveal(), puk);
            let (puk, new) = (
                Puk::new(puk.as_bytes()).unwrap(),
                Pin::new(b"271828").unwrap(),
            );
            session
                .unblock_with_puk(&puk, &new, LastTry::Spare)
                .unwrap();
            assert_eq!(session.managed_policy().minimum, 6);
        }
    }
}

#[test]
fn a_crescendo_that_was_used_is_erased_and_set_up() {
    for profile in [Profile::Crescendo4000, Profile::Crescendo2300] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secrets.txt");
        let (mut desk, _, _) = managing(profile, &CreateOptions::default());
        let id = id(&mut desk);
        desk.pick("Personalize…");
        desk.set("Erase the token first");
        desk.sees("Erased: keys and certificates");
        desk.type_secret("PIN", &pin(profile));
        desk.replace("ID of the token that is erased", "000000000000");
        assert!(!desk.can("Next"), "a wrong ID");
        desk.replace("ID of the token that is erased", &id);
        desk.press("Next");
        desk.press("Next");
        choose_pin(&mut desk, "In this computer's secret store");
        desk.press("Next");
        desk.sees("The token is erased. That can't be undone.");
        desk.press("Start");
        take_over(&mut desk, "New admin key", Some(&file));
        if profile == Profile::Crescendo4000 {
            take_over(&mut desk, "New PUK", None);
        }
        desk.sees("The token is set up.");
        desk.sees(match profile {
            Profile::Crescendo4000 => "Its FIDO application has no PIN, and has room for",
            _ => "Whether a C2300 has a FIDO application no document says",
        });
        let name = profile.name();
        assert!(takes(&desk, "Desk", NEW), "{name}");
        let session = session(&desk);
        let mut keys = session.token().keys.iter();
        assert!(keys.all(|key| key.is_filled() != Some(true)), "{name}");
    }
}

#[test]
fn a_plain_piv_card_is_set_up_with_its_present_secrets() {
    for options in [CreateOptions::default(), empty()] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secrets.txt");
        let (mut desk, _, _) = managing(Profile::Piv, &options);
        desk.pick("Personalize…");
        desk.sees("Page 1 of 5");
        desk.press("Next");
        desk.type_secret("Present PIN", "123456");
        assert!(!desk.can("Next"), "it has a PUK");
        desk.type_secret("Present PUK", "12345678");
        desk.press("Next");
        choose_pin(&mut desk, "Nowhere besides");
        desk.press("Next");
        desk.press("Start");
        can_t_be_left(&mut desk, "New PUK");
        take_over(&mut desk, "New PUK", Some(&file));
        desk.sees("The token is set up.");
        assert!(takes(&desk, "Desk", NEW));
        let puk = Puk::new(saved(&file, "puk").unwrap().as_bytes()).unwrap();
        let new = Pin::new(b"271828").unwrap();
        let mut session = session(&desk);
        session
            .unblock_with_puk(&puk, &new, LastTry::Spare)
            .unwrap();
    }
}

#[test]
fn a_plain_piv_card_keeps_its_puk_with_the_management_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets.txt");
    let (mut desk, _, _) = managing(Profile::Piv, &empty());
    desk.pick("Personalize…");
    desk.press("Next");
    desk.type_secret("Present PIN", "123456");
    desk.type_secret("Present PUK", "12345678");
    desk.press("Next");
    choose_pin(&mut desk, "On the token");
    assert!(!desk.can("Next"), "no management key");
    desk.type_secret(
        "Management key (hexadecimal)",
        &"0102030405060708".repeat(4),
    );
    desk.press("Next");
    desk.press("Start");
    take_over(&mut desk, "New PUK", Some(&file));
    desk.sees("The token is set up.");
    let mut session = session(&desk);
    let kept = session.view_puk(
        PinEntry::Typed(&Pin::new(NEW.as_bytes()).unwrap()),
        LastTry::Spare,
    );
    assert_eq!(*kept.unwrap().reveal(), saved(&file, "puk").unwrap());
    assert!(session.recovery_places().contains(&RecoveryPlace::Token));
}

#[test]
fn a_secret_that_is_not_taken_over_is_not_put_on_the_token() {
    let (mut desk, _, _) = managing(Profile::Crescendo2300, &empty());
    start(&mut desk);
    desk.press("Stop…");
    desk.press("Back to the secret");
    desk.press("Stop…");
    desk.press("Stop: the token does not get it");
    desk.sees("Stopped before the token got the new admin key, since it was not taken over.");
    desk.press("Cancel");
    assert!(takes(&desk, "Desk", &pin(Profile::Crescendo2300)));
}

#[test]
fn a_file_that_is_there_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.txt");
    std::fs::write(&file, "mine").unwrap();
    let (mut desk, _, _) = managing(Profile::Crescendo2300, &empty());
    start(&mut desk);
    desk.sees("New admin key");
    desk.replace("File", &file.display().to_string());
    desk.press("Save to file");
    desk.sees(&format!("{} exists already", file.display()));
    assert!(!desk.can_set("I have it in safe keeping"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn a_card_that_was_pulled_out_while_it_was_set_up_is_finished() {
    // At these commands after the secrets were taken over.
    for lost_at in [2, 5, 8, 11, 14] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secrets.txt");
        let (mut desk, card, _) = managing(Profile::Crescendo4000, &CreateOptions::default());
        let id = id(&mut desk);
        desk.pick("Personalize…");
        desk.set("Erase the token first");
        desk.type_secret("PIN", "000000");
        desk.replace("ID of the token that is erased", &id);
        desk.press("Next");
        desk.press("Next");
        choose_pin(&mut desk, "Nowhere besides");
        desk.press("Next");
        desk.press("Start");
        take_over(&mut desk, "New admin key", Some(&file));
        desk.sees("New PUK");
        desk.press("Save to file");
        desk.set("I have it in safe keeping");
        card.arm(Faults::new().at(lost_at, Fault::VanishAfter));
        desk.press("Go on");
        desk.sees("The token was taken out");
        desk.readers.eject("Desk");
        card.disarm();
        desk.readers.insert("Desk", &card).unwrap();
        desk.press("Resume");
        desk.sees("Personalize: interrupted at");
        desk.press("Go on");
        desk.until("the end or a secret", |desk| {
            desk.shows("The token is set up") || desk.shows("New ")
        });
        let second = folder.path().join("second.txt");
        for secret in ["New admin key", "New PUK"] {
            desk.until("the next", |desk| {
                desk.shows("The token is set up") || desk.shows(secret)
            });
            if desk.shows(secret) {
                let is_first = !second.exists();
                take_over(&mut desk, secret, is_first.then_some(second.as_path()));
            }
        }
        desk.sees("The token is set up: this run has finished an earlier one.");
        assert!(takes(&desk, "Desk", NEW), "{lost_at}");
        let puk = saved(&second, "puk")
            .or_else(|| saved(&file, "puk"))
            .unwrap();
        let key = saved(&second, "admin-key")
            .or_else(|| saved(&file, "admin-key"))
            .unwrap();
        let mut session = session(&desk);
        let right = session
            .check_admin_key(&XauthKey::from_hex(&key).unwrap())
            .unwrap();
        assert!(matches!(right, KeyCheck::Right), "{lost_at}");
        let (puk, new) = (
            Puk::new(puk.as_bytes()).unwrap(),
            Pin::new(b"271828").unwrap(),
        );
        session
            .unblock_with_puk(&puk, &new, LastTry::Spare)
            .unwrap();
    }
}

/// At which command after the hand-over the card's PUK is changed; its PIN is at the next one.
const PUK_CHANGES: u64 = 3;

/// Sets up a plain card with its present secrets, as far as its new PUK is in hand; the card
/// is lost at this command after that.
fn lost_while_set_up(file: &Path, lost_at: u64) -> Desk {
    let (mut desk, card, _) = managing(Profile::Piv, &CreateOptions::default());
    start_plain(&mut desk, "123456");
    desk.sees("New PUK");
    desk.replace("File", &file.display().to_string());
    desk.press("Save to file");
    desk.set("I have it in safe keeping");
    card.arm(Faults::new().at(lost_at, Fault::VanishAfter));
    desk.press("Go on");
    desk.sees("The token was taken out");
    card.disarm();
    desk.readers.insert("Desk", &card).unwrap();
    desk
}

#[test]
fn a_plain_card_that_was_pulled_out_says_how_it_stands_and_is_finished() {
    for (lost_at, state) in [
        (PUK_CHANGES, "Perhaps done: the new PUK"),
        (
            PUK_CHANGES + 1,
            "Done: the new PUK. Perhaps done: the new PIN",
        ),
        (
            PUK_CHANGES + 2,
            "Done: the new PUK. Perhaps done: the new PIN",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secrets.txt");
        let mut desk = lost_while_set_up(&file, lost_at);
        desk.sees(state);
        desk.press("Resume");
        desk.sees("Personalize: interrupted at ");
        desk.press("Go on");
        desk.until("the end or a secret", |desk| {
            desk.shows("The token is set up") || desk.shows("New PUK")
        });
        let second = folder.path().join("second.txt");
        if desk.shows("New PUK") {
            take_over(&mut desk, "New PUK", Some(&second));
        }
        desk.sees("The token is set up: this run has finished an earlier one.");
        assert!(takes(&desk, "Desk", NEW), "{lost_at}");
        let puk = saved(&second, "puk").or_else(|| saved(&file, "puk"));
        let puk = Puk::new(puk.unwrap().as_bytes()).unwrap();
        let new = Pin::new(b"271828").unwrap();
        let unblocked = session(&desk).unblock_with_puk(&puk, &new, LastTry::Spare);
        assert!(unblocked.is_ok(), "{lost_at}");
    }
}

/// Whoever leaves the dialog finds on the tile how the card stands, and the way to go on.
#[test]
fn a_plain_card_that_was_left_half_set_up_says_so_on_its_tile() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets.txt");
    let mut desk = lost_while_set_up(&file, PUK_CHANGES);
    desk.press("Close");
    desk.sees("An earlier personalize did not come to its end");
    desk.press("Resume personalize");
    desk.sees("Page 1 of ");
    desk.sees("An earlier personalize did not come to its end");
}

#[test]
fn what_an_earlier_window_has_begun_is_offered_to_be_resumed() {
    let (mut desk, card, store) = managing(Profile::Crescendo2300, &CreateOptions::default());
    {
        let backend: Arc<dyn Backend> = Arc::new(desk.readers.clone());
        let manager = Manager::new(backend)
            .with_store(Arc::clone(&store) as _)
            .with_overrides(token_manager::Overrides::default().allow_managed(true));
        let mut session = manager.open("Desk").unwrap();
        let confirmation = session.confirmation();
        let pin = Pin::new(pin(Profile::Crescendo2300).as_bytes()).unwrap();
        let authority = Authority::Pin(PinEntry::Typed(&pin));
        let mut lost = false;
        let result = session.recycle(authority, &confirmation, LastTry::Spare, &mut |report| {
            if report.id == "reset-card" && !lost {
                lost = true;
                card.arm(Faults::new().from(1, Fault::VanishBefore));
            }
        });
        assert!(result.is_err());
    }
    desk.readers.eject("Desk");
    desk.sees("No token");
    card.disarm();
    desk.readers.insert("Desk", &card).unwrap();
    desk.sees("An earlier recycle did not come to its end");
    desk.press("Resume recycle");
    desk.sees("Recycle device");
    let id = session(&desk).confirmation();
    desk.type_secret("PIN", &pin(Profile::Crescendo2300));
    desk.replace("ID of the token that is erased", &id);
    desk.press("Erase");
    desk.sees("The token is erased: an earlier run had done it");
}

#[test]
fn a_secret_that_was_wrong_is_typed_again_before_anything_is_sent() {
    let (mut desk, _, _) = managing(Profile::Piv, &empty());
    start_plain(&mut desk, "918273");
    desk.sees("The PIN is wrong");
    desk.sees("Page 2 of 5");
    assert!(!desk.can("Next"), "the wrong one is not sent again");
    desk.type_secret("Present PIN", "123456");
    desk.press("Next");
    assert!(!desk.shows("The PIN is wrong"));
}

#[test]
fn a_secret_that_did_not_come_into_the_clipboard_was_not_taken_over() {
    let none = Lending {
        open: Arc::new(|| Err(ClipboardError::NoDisplay)),
        time: FIVE_MINUTES,
    };
    let readers = virtual_token::MemoryBackend::new();
    let card = token(Profile::Crescendo2300, &empty());
    readers.insert("Desk", &card).unwrap();
    let set = |manager: Manager| {
        manager.with_overrides(token_manager::Overrides::default().allow_managed(true))
    };
    let clipboard = (FakeClipboard::default(), none);
    let mut desk = Desk::lending(readers, set, FIVE_MINUTES, clipboard);
    desk.is_read();
    start(&mut desk);
    desk.sees("New admin key");
    desk.press("Copy");
    desk.sees("It was not copied.");
    assert!(!desk.can_set("I have it in safe keeping"));
}

#[test]
fn a_secret_that_came_into_the_clipboard_can_be_said_to_be_safe() {
    let (mut desk, _, _) = managing(Profile::Crescendo2300, &empty());
    start(&mut desk);
    desk.sees("New admin key");
    assert!(!desk.can_set("I have it in safe keeping"));
    desk.press("Copy");
    desk.set("I have it in safe keeping");
    assert!(desk.can("Go on"));
}

/// The page stays, for the token waits for it; the secret on it does not.
#[test]
fn a_new_secret_is_hidden_when_nobody_is_there() {
    let patience = std::time::Duration::from_secs(3);
    let (mut desk, _, _) = managing_for(Profile::Crescendo2300, &empty(), patience);
    start(&mut desk);
    desk.press("Show");
    assert!(desk.can("Hide"));
    desk.until("nobody", |desk| desk.can("Show"));
    assert!(desk.shows("New admin key"));
}

/// Gives a token the admin key of these bytes, behind the window's back.
fn set_admin_key(desk: &Desk, profile: Profile, byte: u8) {
    let manager = Manager::new(Arc::new(desk.readers.clone()))
        .with_overrides(token_manager::Overrides::default().allow_managed(true));
    let pin = Pin::new(pin(profile).as_bytes()).unwrap();
    let key = XauthKey::from_slice(&[byte; 24]).unwrap();
    let mut session = manager.open("Desk").unwrap();
    session
        .set_admin_key(
            Authority::Pin(PinEntry::Typed(&pin)),
            SetKey::Given(key),
            &mut |_| true,
            LastTry::Spare,
        )
        .unwrap();
}

#[test]
fn a_used_token_with_a_blocked_pin_is_set_up_by_its_own_admin_key() {
    for profile in [Profile::Crescendo4000, Profile::Crescendo2300] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secrets.txt");
        let (mut desk, _, _) = managing(profile, &CreateOptions::default());
        set_admin_key(&desk, profile, 0x5A);
        desk.block("Desk");
        let id = id(&mut desk);
        desk.pick("Personalize…");
        desk.set("Erase the token first");
        desk.set("Allowed by: Admin key");
        desk.type_secret("Admin key", DELIVERED_KEY);
        desk.replace("ID of the token that is erased", &id);
        desk.press("Next");
        desk.press("Next");
        choose_pin(&mut desk, "Nowhere besides");
        desk.press("Next");
        desk.press("Start");
        desk.sees("The admin key, or the response made with it, is wrong");
        desk.sees("Page 1 of ");
        assert!(!desk.can("Next"), "the wrong one is not sent again");
        desk.type_secret("Admin key", &"5A".repeat(24));
        for _ in 0..4 {
            desk.press("Next");
        }
        desk.press("Go on");
        take_over(&mut desk, "New admin key", Some(&file));
        if profile == Profile::Crescendo4000 {
            take_over(&mut desk, "New PUK", None);
        }
        desk.sees("The token is set up.");
        let name = profile.name();
        assert!(takes(&desk, "Desk", NEW), "{name}");
        let mut session = session(&desk);
        let new = XauthKey::from_hex(&saved(&file, "admin-key").unwrap()).unwrap();
        let right = session.check_admin_key(&new).unwrap();
        assert!(matches!(right, KeyCheck::Right), "{name}");
    }
}
