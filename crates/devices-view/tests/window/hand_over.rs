//! A new secret is in the person's hands before the token gets it: copied, and said to be
//! safe, on each kind of token.

use std::sync::Arc;

use crescendo_ext::xauth::XauthKey;
use piv_apdu::secret::{Pin, Puk};
use token_manager::{KeyCheck, LastTry, Manager, Session};
use virtual_token::Profile;

use crate::desk::{Desk, empty, pin, takes};
use crate::personalize::{NEW, choose_pin, start};
use crate::policies::managing;

const SAFE: &str = "I have it in safe keeping";
const ADMIN_KEY: &str = "admin key (recovery)";
const PUK: &str = "PUK";

/// Begins to set up an empty token, as far as its first new secret.
fn begin(desk: &mut Desk, profile: Profile) {
    if profile.is_crescendo() {
        return start(desk);
    }
    desk.pick("Personalize…");
    desk.press("Next");
    desk.type_secret("Present PIN", &pin(profile));
    desk.type_secret("Present PUK", "12345678");
    desk.press("Next");
    choose_pin(desk, "Nowhere besides");
    desk.press("Next");
    desk.press("Start");
}

/// The secrets that it gets, in this order.
fn secrets(profile: Profile) -> &'static [&'static str] {
    match profile {
        Profile::Crescendo4000 => &[ADMIN_KEY, PUK],
        Profile::Piv => &[PUK],
        _ => &[ADMIN_KEY],
    }
}

/// Takes this one over by a copy, and tries to go on before each step of that.
fn copy(desk: &mut Desk, secret: &str) -> String {
    desk.sees(&format!("New {secret}"));
    desk.sees("Copy it or save it first.");
    assert!(
        !desk.can_set(SAFE) && !desk.can("Go on"),
        "{secret}: unseen"
    );
    desk.press("Show");
    assert!(
        !desk.can_set(SAFE) && !desk.can("Go on"),
        "{secret}: only seen"
    );
    desk.press("Copy");
    desk.sees(&format!("The {secret} is in the clipboard for "));
    assert!(!desk.can("Go on"), "{secret}: not said to be safe");
    desk.set(SAFE);
    desk.set(SAFE);
    assert!(!desk.can("Go on"), "{secret}: taken back");
    desk.set(SAFE);
    let copied = desk.clipboard.text().unwrap();
    desk.press("Go on");
    copied
}

/// Whether the token takes it, asked behind the window's back.
fn works(session: &mut Session, name: &str, secret: &str) -> bool {
    if name == ADMIN_KEY {
        let key = XauthKey::from_hex(secret).unwrap();
        return session.check_admin_key(&key).unwrap() == KeyCheck::Right;
    }
    let (puk, new) = (
        Puk::new(secret.as_bytes()).unwrap(),
        Pin::new(b"271828").unwrap(),
    );
    session.unblock_with_puk(&puk, &new, LastTry::Spare).is_ok()
}

#[test]
fn a_copy_that_is_said_to_be_safe_releases_it_on_each_kind_of_token() {
    for profile in Profile::ALL {
        let (mut desk, _, _) = managing(profile, &empty());
        begin(&mut desk, profile);
        let name = profile.name();
        let mut copied = Vec::new();
        for secret in secrets(profile) {
            copied.push((secret, copy(&mut desk, secret)));
        }
        desk.sees("The token is set up.");
        assert!(takes(&desk, "Desk", NEW), "{name}");
        let manager = Manager::new(Arc::new(desk.readers.clone()));
        let mut session = manager.open("Desk").unwrap();
        for (secret, text) in copied {
            assert!(works(&mut session, secret, &text), "{name}: {secret}");
        }
    }
}

#[test]
fn the_token_does_not_have_it_before() {
    for profile in Profile::ALL {
        let (mut desk, card, _) = managing(profile, &empty());
        begin(&mut desk, profile);
        desk.sees("New ");
        card.clear_log();
        for secret in secrets(profile) {
            desk.sees(&format!("New {secret}"));
            desk.press("Copy");
            desk.set(SAFE);
            for _ in 0..10 {
                desk.window.step();
            }
            assert!(card.log().is_empty(), "{profile}: {:?}", card.log());
            desk.press("Go on");
        }
        desk.until("a command", |_| !card.log().is_empty());
    }
}
