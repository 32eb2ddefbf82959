//! The PUK: hidden until it is asked for, copied for a while, and never shown again.

use std::sync::Arc;
use std::time::Duration;

use devices_view::Lending;
use eframe::egui::Key;
use piv_apdu::management::{ManagementAlgorithm, ManagementKey};
use piv_apdu::secret::Pin;
use token_desktop::ClipboardError;
use token_manager::token_profile::RecoveryKind;
use token_manager::{
    ActionError, LastTry, Manager, Overrides, PinEntry, Reason, RecoveryPlace, RecoverySecret,
};
use virtual_token::{CreateOptions, LinkOptions, MemoryBackend, Profile, SharedToken};

use crate::clipboard::FakeClipboard;
use crate::desk::{Desk, FAMILIES, FIVE_MINUTES, empty, pin, token};
use crate::lock::{LOCKED, is_verified, unlock};

const PUK: &str = "31415926";
const KEPT: &str = "It is shown as it was kept";
const SAFE: &str = "I have it in safe keeping, or don't need it";

/// That of the software PIV card, in hexadecimal.
const MANAGEMENT_KEY: &str = "0102030405060708010203040506070801020304050607080102030405060708";

fn entered(profile: Profile) -> Pin {
    Pin::new(pin(profile).as_bytes()).unwrap()
}

/// Keeps a PUK there.
fn keep(manager: &Manager, profile: Profile, place: RecoveryPlace) {
    let risks = Overrides::default()
        .allow_managed(true)
        .allow_unverified(true);
    let mut session = manager.clone().with_overrides(risks).open("Desk").unwrap();
    let key = ManagementKey::from_hex(ManagementAlgorithm::Aes256, MANAGEMENT_KEY).unwrap();
    let key = (profile == Profile::Piv).then_some(&key);
    let secret = RecoverySecret::new(RecoveryKind::Puk, PUK.as_bytes()).unwrap();
    let pin = entered(profile);
    session
        .keep_recovery(PinEntry::Typed(&pin), LastTry::Spare, key, place, &secret)
        .unwrap();
}

fn readers_with(token: &SharedToken) -> MemoryBackend {
    let readers = MemoryBackend::new();
    readers.insert("Desk", token).unwrap();
    readers
}

/// A reader with a token that keeps a PUK.
fn keeping(profile: Profile) -> MemoryBackend {
    let readers = readers_with(&token(profile, &empty()));
    let manager = Manager::new(Arc::new(readers.clone()));
    keep(&manager, profile, RecoveryPlace::Token);
    readers
}

/// A window on such a reader, with what it lends to.
fn lending(lending: Lending, clipboard: FakeClipboard) -> Desk {
    let readers = keeping(Profile::Crescendo4000);
    Desk::lending(
        readers,
        |manager| manager,
        FIVE_MINUTES,
        (clipboard, lending),
    )
}

fn view(desk: &mut Desk, profile: Profile) {
    desk.is_read();
    desk.pick("View PUK…");
    desk.type_secret("PIN", &pin(profile));
    desk.press("View PUK");
    desk.sees("hidden");
}

/// What a look behind the window's back finds.
fn kept_on_token(desk: &Desk, profile: Profile) -> Result<String, ActionError> {
    let manager = Manager::new(Arc::new(desk.readers.clone()));
    let pin = entered(profile);
    let mut session = manager.open("Desk").unwrap();
    let secret = session.view_puk(PinEntry::Typed(&pin), LastTry::Spare)?;
    Ok(secret.reveal().to_string())
}

fn is_not_set(result: &Result<String, ActionError>) -> bool {
    let reason = Reason::NotSetByThisSoftware;
    matches!(result, Err(ActionError::Unavailable { reason: why, .. }) if *why == reason)
}

#[test]
fn it_is_hidden_until_it_is_asked_for() {
    for profile in FAMILIES {
        let mut desk = Desk::around(keeping(profile));
        view(&mut desk, profile);
        assert!(!desk.shows(PUK), "{}", profile.name());
        desk.sees(KEPT);
        desk.press("Show");
        desk.sees(PUK);
        desk.press("Hide");
        assert!(!desk.shows(PUK), "{}", profile.name());
        desk.press("Close");
        assert!(!desk.shows("Show"));
    }
}

#[test]
fn it_is_reached_by_keys_alone() {
    let mut desk = Desk::around(keeping(Profile::Piv));
    desk.is_read();
    desk.pick("View PUK…");
    desk.sees("PIN:");
    for digit in pin(Profile::Piv).chars() {
        desk.window
            .event(eframe::egui::Event::Text(digit.to_string()));
    }
    desk.window.step();
    desk.key(Key::Enter);
    desk.sees("hidden");
    desk.window.step();
    desk.key(Key::Space);
    desk.sees(PUK);
    desk.key(Key::Escape);
    desk.window.step();
    assert!(!desk.shows("Hide"));
}

#[test]
fn a_wrong_pin_shows_nothing() {
    let mut desk = Desk::around(keeping(Profile::Piv));
    desk.is_read();
    desk.pick("View PUK…");
    desk.type_secret("PIN", "918273");
    desk.press("View PUK");
    desk.sees("The PIN is wrong");
    assert!(!desk.shows("Show"));
}

#[test]
fn one_that_this_software_has_not_set_is_told_to_be_so() {
    let (mut desk, _) = Desk::holding(Profile::Crescendo2300);
    desk.pick("View PUK…");
    desk.type_secret("PIN", &pin(Profile::Crescendo2300));
    desk.press("View PUK");
    let text = Reason::NotSetByThisSoftware.to_string();
    desk.until(&text, |desk| {
        desk.words().iter().any(|word| word.contains(&text))
    });
    assert!(!desk.shows("Show"));
}

#[test]
fn through_the_air_the_menu_says_why_not() {
    let mut desk = Desk::new();
    desk.readers
        .add_reader(LinkOptions::new("Pad").contactless());
    let token = token(Profile::Piv, &CreateOptions::default());
    desk.readers.insert("Pad", &token).unwrap();
    desk.sees("ID ");
    let why = desk.why_not("View PUK…");
    assert!(why.contains(&Reason::OnlyOnContact.to_string()), "{why}");
}

#[test]
fn a_copy_is_cleared_when_its_time_is_over() {
    let clipboard = FakeClipboard::default();
    let lent = clipboard.lending(Duration::from_secs(3));
    let mut desk = lending(lent, clipboard);
    view(&mut desk, Profile::Crescendo4000);
    desk.press("Copy");
    desk.sees("The PUK is in the clipboard for ");
    assert_eq!(desk.clipboard.text().as_deref(), Some(PUK));
    assert!(!desk.shows(PUK), "copying shows nothing");
    desk.sees("The clipboard was cleared.");
    assert_eq!(desk.clipboard.text(), None);
}

#[test]
fn closing_the_window_clears_a_copy_at_once() {
    let mut desk = Desk::around(keeping(Profile::Crescendo4000));
    view(&mut desk, Profile::Crescendo4000);
    desk.press("Copy");
    desk.sees("The PUK is in the clipboard for ");
    let clipboard = desk.clipboard.clone();
    assert_eq!(clipboard.text().as_deref(), Some(PUK));
    drop(desk);
    assert_eq!(clipboard.text(), None);
}

#[test]
fn a_copy_outlives_its_dialog_and_can_be_cleared_before_its_time() {
    let mut desk = Desk::around(keeping(Profile::Crescendo4000));
    view(&mut desk, Profile::Crescendo4000);
    desk.press("Copy");
    desk.sees("The PUK is in the clipboard for ");
    desk.press("Close");
    desk.sees("The PUK is in the clipboard for ");
    assert_eq!(desk.clipboard.text().as_deref(), Some(PUK));
    desk.press("Clear now");
    desk.sees("The clipboard was cleared.");
    assert_eq!(desk.clipboard.text(), None);
}

#[test]
fn a_second_copy_is_not_taken_out_with_the_first() {
    let mut desk = Desk::around(keeping(Profile::Crescendo4000));
    view(&mut desk, Profile::Crescendo4000);
    desk.press("Copy");
    desk.sees("The PUK is in the clipboard for ");
    desk.press("Copy");
    desk.sees("The PUK is in the clipboard for ");
    assert_eq!(desk.clipboard.text().as_deref(), Some(PUK));
}

#[test]
fn what_others_have_copied_since_is_left_alone() {
    let mut desk = Desk::around(keeping(Profile::Crescendo4000));
    view(&mut desk, Profile::Crescendo4000);
    desk.press("Copy");
    desk.sees("The PUK is in the clipboard for ");
    desk.clipboard.set(Some("a poem"));
    desk.press("Clear now");
    desk.sees("The clipboard holds something else by now");
    assert_eq!(desk.clipboard.text().as_deref(), Some("a poem"));
}

#[test]
fn without_a_clipboard_it_is_said_that_nothing_was_copied() {
    let none = Lending {
        open: Arc::new(|| Err(ClipboardError::NoDisplay)),
        time: FIVE_MINUTES,
    };
    let mut desk = lending(none, FakeClipboard::default());
    view(&mut desk, Profile::Crescendo4000);
    desk.press("Copy");
    desk.sees("The clipboard cannot be used: there is no display");
    desk.sees("It was not copied.");
}

#[test]
fn a_copy_that_can_t_be_taken_out_is_not_said_to_be_gone() {
    let clipboard = FakeClipboard::that_holds();
    let lent = clipboard.lending(FIVE_MINUTES);
    let mut desk = lending(lent, clipboard);
    view(&mut desk, Profile::Crescendo4000);
    desk.press("Copy");
    desk.press("Clear now");
    desk.sees("The clipboard cannot be used: it is busy");
    desk.sees("It may still be in the clipboard: copy something else over it.");
    assert_eq!(desk.clipboard.text().as_deref(), Some(PUK));
}

#[test]
fn a_copy_that_nobody_can_look_for_is_not_said_to_be_gone() {
    let clipboard = FakeClipboard::that_hides();
    let lent = clipboard.lending(FIVE_MINUTES);
    let mut desk = lending(lent, clipboard);
    view(&mut desk, Profile::Crescendo4000);
    desk.press("Copy");
    desk.press("Clear now");
    desk.sees("The clipboard cannot be used: it does not answer");
    desk.sees("It may still be in the clipboard: copy something else over it.");
}

#[test]
fn it_is_never_shown_again_once_that_is_confirmed() {
    const FORGET: &str = "Never show again";
    for profile in FAMILIES {
        let mut desk = Desk::around(keeping(profile));
        view(&mut desk, profile);
        assert_eq!(kept_on_token(&desk, profile).unwrap(), PUK);
        desk.press("Never show again…");
        desk.sees("Erase the recovery secret that the token keeps");
        desk.type_secret("PIN", &pin(profile));
        if profile == Profile::Piv {
            desk.type_secret("Management key (hexadecimal)", MANAGEMENT_KEY);
        }
        assert!(!desk.can(FORGET), "it was not confirmed");
        desk.tick(SAFE);
        desk.press(FORGET);
        desk.sees("It is forgotten.");
        desk.press("Close");
        let kept = kept_on_token(&desk, profile);
        assert!(is_not_set(&kept), "{}: {kept:?}", profile.name());
        // Of a plain PIV card without a GUID nothing is noted.
        if profile != Profile::Piv {
            let why = desk.why_not("View PUK…");
            assert!(why.starts_with("Not possible: "), "{why}");
        }
    }
}

#[test]
fn a_wrong_management_key_erases_nothing() {
    let mut desk = Desk::around(keeping(Profile::Piv));
    view(&mut desk, Profile::Piv);
    desk.press("Never show again…");
    desk.tick(SAFE);
    desk.type_secret("PIN", &pin(Profile::Piv));
    desk.type_secret("Management key (hexadecimal)", "0102");
    desk.press("Never show again");
    desk.sees("Nothing was sent.");
    let wrong = MANAGEMENT_KEY.replace('1', "9");
    desk.wipe_secret("Management key (hexadecimal)");
    desk.type_secret("Management key (hexadecimal)", &wrong);
    desk.press("Never show again");
    desk.sees("The management key is wrong");
    desk.press("Back");
    desk.sees("hidden");
    assert_eq!(kept_on_token(&desk, Profile::Piv).unwrap(), PUK);
}

#[test]
fn a_pin_that_can_t_be_any_costs_no_management_key() {
    let mut desk = Desk::around(keeping(Profile::Piv));
    view(&mut desk, Profile::Piv);
    desk.press("Never show again…");
    desk.tick(SAFE);
    desk.type_secret("PIN", "123456789");
    desk.type_secret("Management key (hexadecimal)", MANAGEMENT_KEY);
    desk.press("Never show again");
    desk.sees("This can't be a PIN: it has 9 bytes");
    desk.wipe_secret("PIN");
    desk.type_secret("PIN", &pin(Profile::Piv));
    desk.press("Never show again");
    desk.sees("It is forgotten.");
}

#[test]
fn one_that_this_computer_keeps_is_shown_and_forgotten_without_the_management_key() {
    let readers = readers_with(&token(Profile::Piv, &CreateOptions::default()));
    let mut same = None;
    let set = |manager: Manager| same.insert(manager).clone();
    let clipboard = FakeClipboard::default();
    let lent = clipboard.lending(FIVE_MINUTES);
    let mut desk = Desk::lending(readers, set, FIVE_MINUTES, (clipboard, lent));
    let manager = same.unwrap();
    keep(&manager, Profile::Piv, RecoveryPlace::Host);
    view(&mut desk, Profile::Piv);
    desk.press("Show");
    desk.sees(PUK);
    desk.press("Never show again…");
    desk.sees("Erase the recovery secret from this computer's secret store");
    desk.tick(SAFE);
    desk.type_secret("PIN", &pin(Profile::Piv));
    desk.press("Never show again");
    desk.sees("It is forgotten.");
    let session = manager.open("Desk").unwrap();
    assert_eq!(session.record().recovery, Some(RecoveryPlace::Nowhere));
}

/// The time that is left goes down where it can be seen, and then the copy is gone.
#[test]
fn a_copy_says_how_long_it_is_there_on_each_family() {
    for profile in FAMILIES {
        let clipboard = FakeClipboard::default();
        let lent = clipboard.lending(Duration::from_secs(2));
        let readers = keeping(profile);
        let mut desk = Desk::lending(readers, |it| it, FIVE_MINUTES, (clipboard, lent));
        view(&mut desk, profile);
        desk.press("Copy");
        desk.sees("The PUK is in the clipboard for 2 more seconds.");
        assert_eq!(desk.clipboard.text().as_deref(), Some(PUK));
        desk.sees("The PUK is in the clipboard for 1 more second.");
        assert_eq!(desk.clipboard.text().as_deref(), Some(PUK));
        desk.sees("The clipboard was cleared.");
        assert_eq!(desk.clipboard.text(), None, "{}", profile.name());
        assert!(!desk.shows(PUK), "copying shows nothing");
    }
}

#[test]
fn a_token_that_is_open_asks_for_the_pin_again_and_is_locked_after_it() {
    let mut desk = Desk::around(keeping(Profile::Piv));
    desk.is_read();
    unlock(&mut desk, Profile::Piv);
    desk.pick("View PUK…");
    desk.sees("The PIN is asked for again");
    desk.type_secret("PIN", &pin(Profile::Piv));
    desk.press("View PUK");
    desk.sees("hidden");
    desk.press("Close");
    desk.sees(LOCKED);
    assert!(!is_verified(&desk, "Desk"));
}
