//! Unblock PIN.

use std::sync::Arc;
use std::time::Duration;

use crescendo_ext::aca::XauthChallenge;
use crescendo_ext::xauth::XauthKey;
use eframe::egui::accesskit::Role;
use egui_kittest::kittest::Queryable as _;
use token_manager::Manager;
use token_manager::token_profile::ChallengeType;
use virtual_token::Profile;

use crate::desk::{Desk, FAMILIES, empty, set_policy, takes, token};
use crate::lock::{LOCKED, unlock};

/// Uses the PIN up behind the window's back, and opens the dialog.
fn blocked(profile: Profile) -> Desk {
    let (desk, _) = Desk::holding(profile);
    unblocking(desk)
}

fn unblocking(mut desk: Desk) -> Desk {
    desk.block("Desk");
    let menu = desk.word("Menu of");
    desk.press(&menu);
    desk.press("Unblock PIN…");
    desk.sees("PIN: ");
    desk
}

fn type_new_pin(desk: &mut Desk) {
    desk.type_secret("New PIN", "583914");
    desk.type_secret("New PIN again", "583914");
}

#[test]
fn the_puk_unblocks_where_the_token_has_one() {
    for profile in FAMILIES {
        let Some(puk) = profile.factory_puk() else {
            continue;
        };
        let mut desk = blocked(profile);
        if desk.shows("With the PUK") {
            desk.window
                .get_by_role_and_label(Role::RadioButton, "With the PUK")
                .click();
            desk.window.step();
        }
        desk.type_secret("PUK", std::str::from_utf8(puk).unwrap());
        type_new_pin(&mut desk);
        desk.press("Unblock PIN");
        desk.sees("The PIN is unblocked");
        assert!(takes(&desk, "Desk", "583914"), "{}", profile.name());
    }
}

#[test]
fn challenge_and_response_unblock_a_crescendo() {
    for profile in [Profile::Crescendo2300, Profile::Crescendo4000] {
        let mut desk = blocked(profile);
        if desk.shows("By challenge and response") {
            let way = "By challenge and response";
            desk.window
                .get_by_role_and_label(Role::RadioButton, way)
                .click();
            desk.window.step();
        }
        respond(&mut desk);
        type_new_pin(&mut desk);
        desk.press("Unblock PIN");
        desk.sees("The PIN is unblocked");
        assert!(takes(&desk, "Desk", "583914"), "{}", profile.name());
    }
}

/// Asks for the challenge, and gives the response to it.
fn respond(desk: &mut Desk) {
    desk.press("Get challenge");
    desk.sees("The challenge as a QR code");
    let field = desk
        .window
        .get_by_role_and_label(Role::TextInput, "Challenge");
    let digits = field.value().unwrap().replace('-', "");
    let challenge = XauthChallenge::from_hex(&digits).unwrap();
    let key = XauthKey::from_slice(&[0; 24]).unwrap();
    let response = key.cryptogram(&challenge).unwrap().to_hex();
    desk.replace("Response", &response);
}

/// To see whether it is still open, it would be asked for its state, which ends a challenge.
#[test]
fn a_token_that_is_open_is_locked_and_takes_the_response() {
    let (mut desk, _) = Desk::holding(Profile::Crescendo2300);
    unlock(&mut desk, Profile::Crescendo2300);
    desk.pick("Unblock PIN…");
    desk.sees(LOCKED);
    respond(&mut desk);
    type_new_pin(&mut desk);
    desk.press("Unblock PIN");
    desk.sees("The PIN is unblocked");
    assert!(takes(&desk, "Desk", "583914"));
}

/// The help desk takes its time; what was typed does not lie there meanwhile.
#[test]
fn a_challenge_waits_for_its_response_when_nobody_uses_the_window() {
    let (mut desk, _) = Desk::locking_after(Profile::Crescendo2300, Duration::from_millis(1500));
    desk.pick("Unblock PIN…");
    desk.press("Get challenge");
    desk.sees("The challenge as a QR code");
    type_new_pin(&mut desk);
    let is_typed = |desk: &Desk| desk.words().iter().any(|word| word.contains('•'));
    assert!(is_typed(&desk));
    desk.until("wiped fields", |desk| !is_typed(desk));
    assert!(desk.shows("The challenge as a QR code"));
}

#[test]
fn a_wrong_response_takes_a_new_challenge() {
    let mut desk = blocked(Profile::Crescendo2300);
    desk.press("Get challenge");
    desk.sees("The challenge as a QR code");
    desk.replace("Response", "0011 2233 4455 6677");
    type_new_pin(&mut desk);
    desk.press("Unblock PIN");
    desk.sees("The admin key, or the response made with it, is wrong");
    assert!(desk.can("Get challenge"));
    assert!(!takes(&desk, "Desk", "583914"));
}

#[test]
fn what_is_no_response_is_refused_before_it_is_sent() {
    let mut desk = blocked(Profile::Crescendo2300);
    desk.press("Get challenge");
    desk.sees("The challenge as a QR code");
    desk.replace("Response", "as told by telephone");
    type_new_pin(&mut desk);
    desk.press("Unblock PIN");
    desk.sees("This is no response");
    assert!(desk.shows("Challenge"), "the challenge still holds");
}

#[test]
fn what_can_t_be_a_puk_costs_nothing_and_the_new_pin_stays() {
    let mut desk = blocked(Profile::Piv);
    desk.type_secret("PUK", "123456789");
    type_new_pin(&mut desk);
    desk.press("Unblock PIN");
    desk.sees("This can't be a PUK");
    desk.wipe_secret("PUK");
    desk.type_secret("PUK", "12345678");
    desk.press("Unblock PIN");
    desk.sees("The PIN is unblocked");
}

/// A blocked 4000 that gives the same challenge each time, and the response to it.
fn with_unlock_code() -> (Desk, String) {
    let card = token(Profile::Crescendo4000, &empty());
    set_policy(&card, |policy| policy.challenge = ChallengeType::Static);
    let mut desk = Desk::new();
    desk.readers.insert("Desk", &card).unwrap();
    desk.sees("ID ");
    let manager = Manager::new(Arc::new(desk.readers.clone()));
    let challenge = manager.open("Desk").unwrap().unblock_challenge().unwrap();
    let key = XauthKey::from_slice(&[0; 24]).unwrap();
    let code = key.cryptogram(challenge.challenge()).unwrap().to_hex();
    let mut desk = unblocking(desk);
    assert!(!desk.can_set("By challenge and response"));
    desk.set("With the unlock code");
    (desk, code.to_string())
}

#[test]
fn a_fixed_code_unblocks_a_token_with_a_static_challenge() {
    let (mut desk, code) = with_unlock_code();
    assert!(!desk.can("Get challenge"), "nobody has to be asked");
    type_new_pin(&mut desk);
    assert!(!desk.can("Unblock PIN"), "without the code");
    desk.type_secret("Unlock code", &code);
    desk.press("Unblock PIN");
    desk.sees("The PIN is unblocked");
    assert!(takes(&desk, "Desk", "583914"));
}

#[test]
fn a_wrong_unlock_code_unblocks_nothing() {
    let (mut desk, code) = with_unlock_code();
    desk.type_secret("Unlock code", "as told by telephone");
    type_new_pin(&mut desk);
    desk.press("Unblock PIN");
    desk.sees("This is no unlock code");
    desk.wipe_secret("Unlock code");
    desk.type_secret("Unlock code", &other(&code));
    desk.press("Unblock PIN");
    desk.sees("The unlock code is wrong");
    assert!(!desk.can("Unblock PIN"), "it is not sent again");
    assert!(!takes(&desk, "Desk", "583914"));
    desk.type_secret("Unlock code", &code);
    type_new_pin(&mut desk);
    desk.press("Unblock PIN");
    desk.sees("The PIN is unblocked");
}

/// Another code of the same length.
fn other(code: &str) -> String {
    let turn = |digit| if digit == '0' { '1' } else { '0' };
    let mut digits = code.chars();
    let first = digits.next().map(turn);
    first.into_iter().chain(digits).collect()
}
