//! Chaining, GET RESPONSE and extended length.

use piv_apdu::apdu::{Command, Le};
use piv_apdu::command::{GetData, TypedCommand};
use piv_apdu::object::ObjectTag;
use piv_apdu::status::StatusWord;
use virtual_token::{CreateOptions, Profile, VirtualToken};

use crate::common::{blank, created, hex, personal, raw, send};

const SELECT: &str = "00A404000BA00000030800001000010000";
const GET_9A: &str = "00CB3FFF055C035FC10500";

fn selected(mut token: VirtualToken) -> VirtualToken {
    assert!(raw(&mut token, &hex(SELECT)).status().is_success());
    token
}

#[test]
fn a_long_answer_is_fetched_in_pieces() {
    let mut token = selected(personal(Profile::Piv));
    let first = raw(&mut token, &hex(GET_9A));
    assert_eq!(first.data().len(), 256);
    assert_eq!(
        first.status(),
        StatusWord::new(0x6100),
        "256 or more are left"
    );
    let second = raw(&mut token, &hex("00C0000000"));
    assert_eq!(second.data().len(), 256);
    let left = second.status().more_data().unwrap();
    let third = raw(&mut token, &hex("00C0000000"));
    assert_eq!(third.data().len(), left);
    assert_eq!(third.status(), StatusWord::SUCCESS);
    assert_eq!(
        raw(&mut token, &hex("00C0000000")).status(),
        StatusWord::CONDITIONS_NOT_SATISFIED
    );
}

#[test]
fn less_can_be_wanted_and_another_command_gives_the_rest_up() {
    let mut token = selected(personal(Profile::Piv));
    let start = raw(&mut token, &hex("00CB3FFF055C035FC10508"));
    assert_eq!(start.data().len(), 8);
    assert_eq!(start.status(), StatusWord::new(0x6100));
    let more = raw(&mut token, &hex("00C0000003"));
    assert_eq!(more.data().len(), 3);
    assert_eq!(
        raw(&mut token, &hex("00C0000100")).status(),
        StatusWord::INCORRECT_P1P2
    );
    assert_eq!(
        raw(&mut token, &hex("00C0000000")).status(),
        StatusWord::CONDITIONS_NOT_SATISFIED
    );
    raw(&mut token, &hex(GET_9A));
    raw(&mut token, &hex("00200080"));
    assert_eq!(
        raw(&mut token, &hex("00C0000000")).status(),
        StatusWord::CONDITIONS_NOT_SATISFIED
    );
}

#[test]
fn extended_length_carries_it_in_one_piece() {
    let mut token = selected(personal(Profile::Piv));
    let pieces = send(
        &mut token,
        &GetData::new(ObjectTag::PIV_AUTHENTICATION_CERTIFICATE).to_command(),
    );
    let whole = raw(&mut token, &hex("00CB3FFF 000005 5C035FC105 0000"));
    assert_eq!(whole, pieces);
    let part = raw(&mut token, &hex("00CB3FFF 000005 5C035FC105 0200"));
    assert_eq!(part.data().len(), 512);
    assert_eq!(part.status().more_data(), Some(pieces.data().len() - 512));
    let rest = raw(&mut token, &hex("00C00000 000000"));
    assert_eq!(rest.data(), &pieces.data()[512..]);
}

#[test]
fn a_card_without_extended_length_says_so() {
    for profile in [
        Profile::Crescendo2300,
        Profile::Crescendo4000,
        Profile::CrescendoKey,
    ] {
        let mut token = selected(blank(profile));
        assert!(!token.extended_length());
        assert_eq!(
            raw(&mut token, &hex("00CB3FFF 000005 5C035FC102 0000")).status(),
            StatusWord::WRONG_LENGTH
        );
    }
    let options = CreateOptions::default()
        .content(virtual_token::Content::Empty)
        .created(created())
        .extended_length(false);
    let mut token = selected(VirtualToken::create(Profile::Piv, &options).unwrap());
    assert_eq!(
        raw(&mut token, &hex("00CB3FFF 000005 5C035FC102 0000")).status(),
        StatusWord::WRONG_LENGTH
    );
    assert!(!token.atr().card_capabilities().unwrap().extended_length);
}

#[test]
fn a_command_comes_in_a_chain() {
    let mut token = selected(blank(Profile::Piv));
    // VERIFY in two parts.
    assert_eq!(*token.process(&hex("10200080 03 313233")), [0x90, 0x00]);
    assert_eq!(*token.process(&hex("00200080 05 343536FFFF")), [0x90, 0x00]);
    assert_eq!(*token.process(&hex("00200080")), [0x90, 0x00]);
    token.process(&hex("0020FF80"));
    // A chain that something else comes into is no chain any more.
    token.process(&hex("10200080 03 313233"));
    assert_eq!(
        *token.process(&hex("00CB3FFF 05 5C035FC102 00")),
        [0x6A, 0x82]
    );
    assert_eq!(*token.process(&hex("00200080 05 343536FFFF")), [0x6A, 0x80]);
    assert_eq!(*token.process(&hex("00200080")), [0x63, 0xC3]);
    // Nor after a reset.
    token.process(&hex("10200080 03 313233"));
    token.reset();
    let mut token = selected(token);
    assert_eq!(*token.process(&hex("00200080 05 343536FFFF")), [0x6A, 0x80]);
}

#[test]
fn a_chain_without_end_is_cut() {
    let mut token = selected(blank(Profile::Piv));
    let part = Command::new(0x10, 0xDB, 0x3F, 0xFF).with_data(&[0; 255]);
    let part = part.encode_short().unwrap();
    let refused = (0..1000).find(|_| *token.process(&part) != [0x90, 0x00]);
    assert_eq!(refused, Some(64), "16 KiB and no more");
}

#[test]
fn more_than_16_kib_in_one_piece_is_too_much() {
    let mut token = selected(blank(Profile::Piv));
    let command = Command::new(0x00, 0xDB, 0x3F, 0xFF)
        .with_data(&vec![0; 16 * 1024 + 1])
        .with_le(Le::EXTENDED_MAX);
    let answer = raw(&mut token, &command.encode_extended().unwrap());
    assert_eq!(answer.status(), StatusWord::WRONG_LENGTH);
}

#[test]
fn answers_to_reset_are_the_published_ones() {
    for (profile, atr) in [
        (Profile::Crescendo2300, "3BD596FF8191FE1FC34332333030CC"),
        (Profile::Crescendo4000, "3BD596FF8191FE1FC34334303030C9"),
        (
            Profile::CrescendoKey,
            "3BD996FF8191FE1FC343323330302D4B4559BA",
        ),
    ] {
        assert_eq!(blank(profile).atr().as_bytes(), hex(atr), "{profile}");
    }
    let atr = blank(Profile::Piv).atr();
    assert_eq!(atr.historical_bytes(), hex("80 73C021C0 57 536F6674504956"));
    let capabilities = atr.card_capabilities().unwrap();
    assert!(capabilities.extended_length && capabilities.command_chaining);
    assert!(atr.offers_protocol(1));
    let options = CreateOptions::default()
        .content(virtual_token::Content::Empty)
        .protocol(virtual_token::Protocol::T0);
    let atr = VirtualToken::create(Profile::Piv, &options).unwrap().atr();
    assert!(atr.offers_protocol(0) && !atr.offers_protocol(1));
    assert!(!atr.card_capabilities().unwrap().extended_length);
}
