//! Unblock PIN.

use crescendo_ext::aca::XauthChallenge;
use crescendo_ext::xauth::XauthKey;
use eframe::egui::accesskit::Role;
use egui_kittest::kittest::Queryable as _;
use virtual_token::Profile;

use crate::desk::{Desk, FAMILIES, takes};

/// Uses the PIN up behind the window's back, and opens the dialog.
fn blocked(profile: Profile) -> Desk {
    let (mut desk, _) = Desk::holding(profile);
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
        type_new_pin(&mut desk);
        desk.press("Unblock PIN");
        desk.sees("The PIN is unblocked");
        assert!(takes(&desk, "Desk", "583914"), "{}", profile.name());
    }
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
