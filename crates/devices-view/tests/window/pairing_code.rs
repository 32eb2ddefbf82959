//! The pairing code: retrieved on contact, kept, forgotten, and entered where a token lies
//! on a contactless reader.

use std::sync::Arc;

use piv_apdu::key::KeyReference;
use piv_apdu::object::Guid;
use piv_apdu::secret::{PairingCode, Pin};
use piv_apdu::sm::{CipherSuite, TrustAnchor};
use token_manager::{
    CardTrust, LastTry, LoadOptions, Manager, PairingCodeStore as _, PinEntry, Reason,
};
use virtual_token::{
    Content, CreateOptions, KeyAlgorithm, LinkOptions, MemoryBackend, Profile, SharedToken, Vci,
};

use crate::desk::{Desk, FAMILIES, FIVE_MINUTES, pin, takes, token};

/// A token with a pairing code.
fn with_code(profile: Profile) -> SharedToken {
    let options = CreateOptions::default()
        .content(Content::Personal)
        .key(KeyReference::PIV_AUTHENTICATION, KeyAlgorithm::EccP256)
        .vci(Vci::new(CipherSuite::Cs2));
    token(profile, &options)
}

/// Its code and GUID, asked behind the window's back.
fn code_of(token: &SharedToken) -> (PairingCode, Guid) {
    let readers = MemoryBackend::new();
    readers.insert("Slot", token).unwrap();
    let mut session = Manager::new(Arc::new(readers)).open("Slot").unwrap();
    let pin = pin(token.with(|token| token.profile()));
    let pin = Pin::new(pin.as_bytes()).unwrap();
    let code = session.retrieve_pairing_code(PinEntry::Typed(&pin), LastTry::Spare);
    (code.unwrap(), session.token().identity.guid.unwrap())
}

fn text(code: &PairingCode) -> String {
    String::from_utf8(code.as_bytes().to_vec()).unwrap()
}

/// Another one.
fn not(code: &PairingCode) -> &'static str {
    match code.as_bytes() {
        b"00000000" => "11111111",
        _ => "00000000",
    }
}

/// A window that believes cards so, with a token on a contactless reader.
fn through_air(token: &SharedToken, trust: CardTrust) -> Desk {
    let options = LoadOptions::new().with_card_trust(trust);
    let set = |manager: Manager| manager.with_options(options);
    let mut desk = Desk::with(set, FIVE_MINUTES);
    desk.readers
        .add_reader(LinkOptions::new("Pad").contactless());
    desk.readers.insert("Pad", token).unwrap();
    desk.sees("ID ");
    desk
}

fn anchor(token: &SharedToken) -> CardTrust {
    let issuer = token.with(|token| token.issuer_certificate().unwrap().to_vec());
    CardTrust::Anchors(Arc::new([TrustAnchor::from_der(&issuer).unwrap()]))
}

#[test]
fn it_is_shown_copied_kept_and_forgotten() {
    for profile in FAMILIES {
        let token = with_code(profile);
        let (code, card) = code_of(&token);
        let mut desk = Desk::new();
        desk.readers.insert("Desk", &token).unwrap();
        desk.sees("ID ");
        desk.pick("Retrieve pairing code…");
        desk.type_secret("PIN", &pin(profile));
        desk.press("Retrieve");
        desk.sees("hidden");
        assert!(!desk.shows(&text(&code)), "{}", profile.name());
        desk.press("Show");
        desk.sees(&text(&code));
        desk.press("Copy");
        desk.sees("The pairing code is in the clipboard for ");
        assert_eq!(desk.clipboard.text(), Some(text(&code)));

        desk.press("Keep until this program ends");
        desk.sees("It is kept in this program's memory, until this program ends.");
        assert!(desk.kept_codes.get(&card).unwrap() == Some(code));
        desk.press("Forget it");
        desk.sees("Where it is kept, ");
        assert!(desk.kept_codes.get(&card).unwrap().is_none());
    }
}

#[test]
fn a_card_that_has_none_says_so_in_its_menu() {
    let (mut desk, _) = Desk::holding(Profile::Piv);
    let why = desk.why_not("Retrieve pairing code…");
    assert!(why.contains(&Reason::NotAnnounced.to_string()), "{why}");
}

#[test]
fn through_the_air_it_is_entered_and_then_all_is_possible_that_is_on_contact() {
    for profile in FAMILIES {
        let token = with_code(profile);
        let (code, card) = code_of(&token);
        let mut desk = through_air(&token, anchor(&token));
        desk.sees("It takes the card's pairing code");
        desk.why_not("Change PIN…");
        desk.press("Enter pairing code…");
        desk.type_secret("Pairing code", &text(&code));
        desk.press("Use this code");
        desk.sees("The token has taken the pairing code.");
        assert!(
            desk.kept_codes.get(&card).unwrap().is_none(),
            "nobody said to keep it"
        );
        desk.press("Keep until this program ends");
        desk.sees("It is kept in ");
        assert!(desk.kept_codes.get(&card).unwrap() == Some(code));
        desk.press("Close");
        assert!(!desk.can("Enter pairing code…"), "{}", profile.name());

        let (old, new) = (pin(profile), "583914");
        desk.pick("Change PIN…");
        desk.type_secret("Present PIN", &old);
        desk.type_secret("New PIN", new);
        desk.type_secret("New PIN again", new);
        desk.press("Change PIN");
        desk.sees("The PIN is changed.");
        desk.readers.eject("Pad");
        desk.readers.insert("Slot", &token).unwrap();
        assert!(takes(&desk, "Slot", new), "{}", profile.name());
    }
}

#[test]
fn a_wrong_code_is_told_and_not_remembered() {
    let token = with_code(Profile::Piv);
    let (code, card) = code_of(&token);
    let mut desk = through_air(&token, anchor(&token));
    desk.press("Enter pairing code…");
    desk.type_secret("Pairing code", "1234");
    desk.press("Use this code");
    desk.sees("This can't be a pairing code");
    desk.sees("Nothing was sent.");
    desk.type_secret("Pairing code", not(&code));
    desk.press("Use this code");
    desk.sees("The pairing code is not this card's.");
    assert!(desk.kept_codes.get(&card).unwrap().is_none());
    desk.type_secret("Pairing code", &text(&code));
    desk.press("Use this code");
    desk.sees("The token has taken the pairing code.");
}

#[test]
fn a_kept_code_that_is_not_the_cards_any_more_gives_way_to_the_right_one() {
    let token = with_code(Profile::Crescendo4000);
    let (code, card) = code_of(&token);
    let options = LoadOptions::new().with_card_trust(anchor(&token));
    let set = |manager: Manager| manager.with_options(options);
    let mut desk = Desk::with(set, FIVE_MINUTES);
    let wrong = PairingCode::new(not(&code).as_bytes()).unwrap();
    desk.kept_codes.put(&card, &wrong).unwrap();
    desk.readers
        .add_reader(LinkOptions::new("Pad").contactless());
    desk.readers.insert("Pad", &token).unwrap();
    desk.sees("The pairing code is not this card's.");
    desk.press("Enter pairing code…");
    desk.type_secret("Pairing code", &text(&code));
    desk.press("Use this code");
    desk.sees("The token has taken the pairing code.");
    assert!(desk.kept_codes.get(&card).unwrap().is_none());
}

#[test]
fn a_kept_code_is_asked_of_nobody() {
    let token = with_code(Profile::Piv);
    let (code, card) = code_of(&token);
    let options = LoadOptions::new().with_card_trust(anchor(&token));
    let set = |manager: Manager| manager.with_options(options);
    let mut desk = Desk::with(set, FIVE_MINUTES);
    desk.kept_codes.put(&card, &code).unwrap();
    desk.readers
        .add_reader(LinkOptions::new("Pad").contactless());
    desk.readers.insert("Pad", &token).unwrap();
    desk.sees("ID ");
    assert!(!desk.can("Enter pairing code…"));
}

#[test]
fn a_card_that_nobody_vouches_for_is_given_no_code() {
    let token = with_code(Profile::Piv);
    let desk = through_air(&token, CardTrust::Nobody);
    assert!(!desk.can("Enter pairing code…"));
}
