//! A token in a reader with its own PIN pad.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use pcsc_transport::{
    Backend, Card, CardLink, LinkError, PinDigits, PinModify, PinPadError, PinPadFeatures,
    PinVerify, Sharing,
};
use piv_apdu::aid;
use support::{PIN_STATUS, SELECT_PIV, card, piv, send, status};
use virtual_token::{Keypad, LinkOptions, MemoryBackend, Profile, SharedToken};

const PIN: &str = "123456";
const WRONG: &str = "654321";

fn verify() -> PinVerify {
    PinVerify::new([0x00, 0x20, 0x00, 0x80], PinDigits::PIV)
}

fn change() -> PinModify {
    PinModify::new([0x00, 0x24, 0x00, 0x80], PinDigits::PIV)
}

fn inserted(token: &SharedToken, keypad: &Keypad) -> Card {
    let options = LinkOptions::new("Pad").pin_pad(keypad);
    Card::new(Box::new(token.connect(&options).unwrap()))
}

/// One entry on the pad in a transaction of its own: the card's status word.
fn verified(card: &mut Card) -> Result<u16, PinPadError> {
    let mut transaction = card.begin().unwrap();
    transaction.ensure_selected(aid::PIV).unwrap();
    let response = transaction.verify_on_pin_pad(&verify())?;
    Ok(response.status().get())
}

fn changed(card: &mut Card) -> Result<u16, PinPadError> {
    let mut transaction = card.begin().unwrap();
    transaction.ensure_selected(aid::PIV).unwrap();
    let response = transaction.modify_on_pin_pad(&change())?;
    Ok(response.status().get())
}

/// What an empty VERIFY tells another program.
fn pin_status(token: &SharedToken) -> u16 {
    let mut link = token.link("other");
    send(&mut link, SELECT_PIV).unwrap();
    status(&send(&mut link, PIN_STATUS).unwrap())
}

#[test]
fn a_pin_is_verified_on_the_pad_until_the_card_is_left() {
    let token = piv();
    let keypad = Keypad::new();
    let mut card = inserted(&token, &keypad);
    keypad.press(PIN);
    assert_eq!(verified(&mut card).unwrap(), 0x9000);
    assert_eq!(card.round_trips(), 2, "SELECT and VERIFY");
    {
        let mut transaction = card.begin().unwrap();
        transaction.ensure_selected(aid::PIV).unwrap();
        assert_eq!(*transaction.raw(PIN_STATUS).unwrap(), [0x90, 0x00]);
    }
    // Somebody else holds the card, so that it is not powered off.
    let other = token.link("other");
    drop(card);
    assert_eq!(pin_status(&token), 0x63C3);
    drop(other);
}

#[test]
fn a_wrong_pin_spends_a_try_and_the_last_one_blocks() {
    let token = piv();
    let keypad = Keypad::new();
    let mut card = inserted(&token, &keypad);
    for expected in [0x63C2, 0x63C1, 0x6983] {
        keypad.press(WRONG);
        assert_eq!(verified(&mut card).unwrap(), expected);
    }
    keypad.press(PIN);
    assert_eq!(verified(&mut card).unwrap(), 0x6983);
    assert_eq!(keypad.remaining(), 0);
}

#[test]
fn what_goes_wrong_at_the_pad_never_reaches_the_card() {
    let token = piv();
    let keypad = Keypad::new();
    let mut card = inserted(&token, &keypad);
    {
        let mut transaction = card.begin().unwrap();
        transaction.select(aid::PIV).unwrap();
    }
    let before = token.commands();

    keypad.cancel();
    assert!(matches!(verified(&mut card), Err(PinPadError::Cancelled)));
    keypad.leave();
    assert!(matches!(verified(&mut card), Err(PinPadError::Timeout)));
    assert!(matches!(verified(&mut card), Err(PinPadError::Timeout)));
    for digits in ["", "12345", "123456789"] {
        keypad.press(digits);
        assert!(matches!(verified(&mut card), Err(PinPadError::PinLength)));
    }
    for (entries, differ) in [
        ([PIN, "11223344", "11223345"], true),
        ([PIN, "1", "1"], false),
    ] {
        let keypad = Keypad::new();
        let mut card = inserted(&token, &keypad);
        for digits in entries {
            keypad.press(digits);
        }
        let mut transaction = card.begin().unwrap();
        let error = transaction.modify_on_pin_pad(&change()).unwrap_err();
        assert!(error.card_saw_nothing());
        assert_eq!(matches!(error, PinPadError::NewPinsDiffer), differ);
        assert_eq!(matches!(error, PinPadError::PinLength), !differ);
    }
    keypad.press(PIN);
    keypad.cancel();
    assert!(matches!(changed(&mut card), Err(PinPadError::Cancelled)));

    assert_eq!(token.commands(), before);
    assert_eq!(pin_status(&token), 0x63C3, "no try was spent");
}

#[test]
fn a_pin_is_changed_on_the_pad() {
    let token = piv();
    let keypad = Keypad::new();
    let mut card = inserted(&token, &keypad);
    for digits in [PIN, "11223344", "11223344"] {
        keypad.press(digits);
    }
    assert_eq!(changed(&mut card).unwrap(), 0x9000);
    card.close().unwrap();
    assert_eq!(pin_status(&token), 0x63C3, "left locked");

    let mut card = inserted(&token, &keypad);
    keypad.press(PIN);
    assert_eq!(verified(&mut card).unwrap(), 0x63C2);
    keypad.press("11223344");
    assert_eq!(verified(&mut card).unwrap(), 0x9000);

    // A wrong old PIN is the card's to refuse.
    for digits in [PIN, "55667788", "55667788"] {
        keypad.press(digits);
    }
    assert_eq!(changed(&mut card).unwrap(), 0x63C2);
}

#[test]
fn a_crescendo_verifies_its_pin_in_its_own_application() {
    let token = SharedToken::new(card(Profile::Crescendo2300));
    let keypad = Keypad::new();
    let mut card = inserted(&token, &keypad);
    let mut transaction = card.begin().unwrap();
    transaction.select(crescendo_ext::aid::ACA).unwrap();
    keypad.press(Profile::Crescendo2300.factory_pin());
    let digits = PinDigits::new(4, 8).unwrap();
    let request = PinVerify::new([0x00, 0x20, 0x00, 0x00], digits);
    let response = transaction.verify_on_pin_pad(&request).unwrap();
    assert_eq!(response.status().get(), 0x9000);
    drop(transaction);
    card.close().unwrap();
}

#[test]
fn a_pad_has_limits_and_features_of_its_own() {
    let token = piv();
    let mut features = PinPadFeatures::new(true, false);
    features.max_digits = Some(6);
    let keypad = Keypad::with_features(features);
    let mut card = inserted(&token, &keypad);
    assert_eq!(card.pin_pad(), features);
    keypad.press("12345678");
    assert!(matches!(verified(&mut card), Err(PinPadError::PinLength)));
    keypad.press(PIN);
    assert!(matches!(changed(&mut card), Err(PinPadError::NoPinPad)));
    assert_eq!(keypad.remaining(), 1, "nobody was asked");
    assert_eq!(verified(&mut card).unwrap(), 0x9000);
}

#[test]
fn a_reader_without_a_pad_says_so() {
    let token = piv();
    let mut link = token.link("Plain");
    assert_eq!(link.pin_pad(), PinPadFeatures::NONE);
    link.begin().unwrap();
    assert!(matches!(
        link.verify_on_pin_pad(&verify()),
        Err(LinkError::NoPinPad)
    ));
    assert_eq!(token.commands(), 0);
}

#[test]
fn a_pad_is_used_in_a_transaction_only() {
    let token = piv();
    let keypad = Keypad::new();
    keypad.press(PIN);
    let options = LinkOptions::new("Pad").pin_pad(&keypad);
    let mut link = token.connect(&options).unwrap();
    assert!(matches!(
        link.verify_on_pin_pad(&verify()),
        Err(LinkError::OutOfOrder(_))
    ));
    assert_eq!(keypad.remaining(), 1);
}

#[test]
fn a_backend_has_readers_with_pads() {
    let keypad = Keypad::new();
    let backend = MemoryBackend::new();
    backend.add_reader(LinkOptions::new("Pad").pin_pad(&keypad));
    backend.insert("Pad", &piv()).unwrap();
    let mut card = Card::new(backend.connect("Pad", Sharing::Shared).unwrap());
    assert!(card.pin_pad().modify);
    keypad.press(PIN);
    assert_eq!(verified(&mut card).unwrap(), 0x9000);
}
