//! Secure messaging as a layer: what goes through it is what a second implementation
//! wrapped, what must not go past it does not, and nothing falls back to the clear.

#![allow(clippy::unwrap_used, clippy::panic)] // a failed unwrap is a failed test

mod common;

use common::{Answer, Fake, Log, hex_text};
use pcsc_transport::{
    Card, Continuity, Interface, PinDigits, PinPadError, PinPadFeatures, PinVerify, TransportError,
};
use piv_apdu::apdu::{Command, Le, Response};
use piv_apdu::secret::from_hex;
use piv_apdu::sm::{CipherSuite, OtherInfo, SecureMessaging, SessionKeys, SmError};
use piv_apdu::status::StatusWord;
use serde_json::Value;

const VECTORS: &str = include_str!("../../piv-apdu/tests/vectors/secure_messaging/vectors.json");
const SUITES: [(CipherSuite, &str); 2] = [(CipherSuite::Cs2, "CS2"), (CipherSuite::Cs7, "CS7")];
const SELECT_ANSWER: &str = "61114F0600001000010079074F05A0000003089000";

fn vectors(suite: &str) -> Value {
    let mut vectors: Value = serde_json::from_str(VECTORS).unwrap();
    vectors["suites"][suite].take()
}

fn bytes(value: &Value) -> Vec<u8> {
    match value.as_str().unwrap() {
        "" => Vec::new(),
        text => from_hex(text).unwrap().to_vec(),
    }
}

fn session(suite: CipherSuite, vectors: &Value) -> SecureMessaging {
    let (host, card, exchange) = (&vectors["host"], &vectors["card"], &vectors["direct"]);
    let point = bytes(&host["public_key"]);
    let info = OtherInfo {
        host_id: bytes(&host["ids_h"]).try_into().unwrap(),
        host_control: 0,
        host_point_x: &point[1..=suite.coordinate_length()],
        card_id: bytes(&exchange["ids_icc"]).try_into().unwrap(),
        nonce: &bytes(&card["nonce"]),
        card_control: 0,
    };
    let keys = SessionKeys::derive(suite, &bytes(&exchange["z"]), &info);
    SecureMessaging::new(keys.unwrap())
}

fn plain_command(step: &Value) -> Command {
    let plain = &step["plain_command"];
    let [cla, ins, p1, p2] = bytes(&plain["header"]).try_into().unwrap();
    let command = Command::new(cla, ins, p1, p2).with_data(&bytes(&plain["data"]));
    if plain["le"] == true {
        command.with_le(Le::SHORT_MAX)
    } else {
        command
    }
}

/// A card that has exactly this session.
fn wire(steps: &[Value]) -> Vec<(Vec<u8>, Answer)> {
    let exchanges = steps
        .iter()
        .flat_map(|step| step["on_the_wire"].as_array().unwrap());
    exchanges
        .map(|it| (bytes(&it["command"]), Ok(bytes(&it["response"]))))
        .collect()
}

fn steps(vectors: &Value) -> &[Value] {
    vectors["session_of_direct"].as_array().unwrap()
}

/// A card that answers 9000 to everything but SELECT, over this interface.
fn obliging(interface: Interface) -> Fake {
    let answer = |command: &[u8]| match command {
        [_, 0xA4, ..] => Ok(from_hex(SELECT_ANSWER).unwrap().to_vec()),
        _ => Ok(vec![0x90, 0x00]),
    };
    Fake::new(answer).interface(interface)
}

fn cs2() -> (Value, SecureMessaging) {
    let vectors = vectors("CS2");
    let session = session(CipherSuite::Cs2, &vectors);
    (vectors, session)
}

#[test]
fn whoever_sends_commands_sees_plain_ones_and_the_wire_sees_wrapped_ones() {
    for (suite, name) in SUITES {
        let vectors = vectors(name);
        for interface in [Interface::Contact, Interface::Contactless] {
            let fake = Fake::script(wire(steps(&vectors))).interface(interface);
            let (mut card, _) = fake.card();
            let mut transaction = card.begin().unwrap();
            transaction.secure(session(suite, &vectors));
            for step in steps(&vectors) {
                let response = transaction.exchange(&plain_command(step)).unwrap();
                let expected = Response::decode(&bytes(&step["plain_response"])).unwrap();
                assert_eq!(response, expected, "{name}, {}", step["title"]);
                assert!(transaction.is_secured());
            }
        }
    }
}

/// A first block can't be checked, so that all of the answer is fetched.
#[test]
fn the_first_block_of_an_answer_is_all_of_it() {
    let (vectors, session) = cs2();
    let (mut card, _) = Fake::script(wire(&steps(&vectors)[..1])).card();
    let mut transaction = card.begin().unwrap();
    transaction.secure(session);
    let step = &steps(&vectors)[0];
    let response = transaction.exchange_first(&plain_command(step)).unwrap();
    assert!(response.status().is_success());
    assert!(response.data().len() > 256);
}

#[test]
fn no_secret_goes_over_a_contactless_reader_in_the_clear() {
    let secrets = [
        "0020008008313233343536FFFF",
        "00200000083030303030303030",
        "00200098083132333435363738",
        "0024008010313233343536FFFF363534333231FFFF",
        "002C0080103132333435363738313233343536FFFF",
        "002C020008313233343536FFFF",
        "00D8010003000810",
        "80D8070003000000",
        "1020008008313233343536FFFF",
        // A wrong length, none, an odd instruction, a class that only says that it is
        // wrapped, an envelope, other vendors' keys.
        "0020008009313233343536FFFF",
        "00200080313233343536FFFF",
        "0025008010313233343536FFFF363534333231FFFF",
        "0C20008008313233343536FFFF",
        "00C20000080020008003313233",
        "00FFFFFF0603000000000001",
    ];
    let (mut card, log) = obliging(Interface::Contactless).card();
    let mut transaction = card.begin().unwrap();
    for secret in secrets {
        let command = from_hex(secret).unwrap();
        let refused = transaction.raw(&command);
        assert!(
            matches!(refused, Err(TransportError::InTheClear)),
            "{secret}"
        );
        let Ok(command) = Command::decode(&command) else {
            continue;
        };
        let refused = transaction.exchange_first(&command);
        let is_it = matches!(refused, Err(TransportError::InTheClear));
        assert!(is_it, "{secret}");
        let refused = transaction.exchange(&command);
        assert!(
            matches!(refused, Err(TransportError::InTheClear)),
            "{secret}"
        );
    }
    // Asking for the tries, logging out, reading: nothing in it to hide.
    for open in ["00200080", "0020FF80", "00CB3FFF055C035FC10200"] {
        transaction.raw(&from_hex(open).unwrap()).unwrap();
    }
    transaction.end().unwrap();
    assert_eq!(log.commands().len(), 3);
    // Nothing was unlocked, so that nothing has to be locked.
    card.close().unwrap();
    assert_eq!(log.commands().len(), 3);
}

/// CTAP encrypts PINs itself; but only the FIDO application speaks it.
#[test]
fn a_ctap_message_goes_over_a_contactless_reader_if_the_fido_application_is_selected() {
    const SELECT_FIDO: &[u8] = &[0xA0, 0x00, 0x00, 0x06, 0x47, 0x2F, 0x00, 0x01];
    let messages = ["801080000104", "901080000104", "801100000104"];
    let others = [
        "001080000104",
        "80D8000003000810",
        "80200080083132333435363738",
    ];
    let is_refused = |sent| matches!(sent, Err(TransportError::InTheClear));
    for (aid, may_go) in [(SELECT_FIDO, true), (piv_apdu::aid::PIV, false)] {
        let (mut card, _) = obliging(Interface::Contactless).card();
        let mut transaction = card.begin().unwrap();
        transaction.select(aid).unwrap();
        for message in messages {
            let message = from_hex(message).unwrap();
            assert_eq!(is_refused(transaction.raw(&message)), !may_go);
            let command = Command::decode(&message).unwrap();
            let refused = transaction.exchange(&command);
            assert_eq!(matches!(refused, Err(TransportError::InTheClear)), !may_go);
        }
        for other in others {
            assert!(is_refused(transaction.raw(&from_hex(other).unwrap())));
        }
        // Nobody knows any more.
        transaction.forget_selected();
        assert!(is_refused(transaction.raw(&from_hex(messages[0]).unwrap())));
    }
}

#[test]
fn a_pin_pad_on_a_contactless_reader_is_not_asked_for_a_pin() {
    let pad = PinPadFeatures::new(true, true);
    let (mut card, log) = obliging(Interface::Contactless).pad(pad).card();
    let mut transaction = card.begin().unwrap();
    let request = PinVerify::new([0x00, 0x20, 0x00, 0x80], PinDigits::PIV);
    let refused = transaction.verify_on_pin_pad(&request);
    assert!(
        matches!(
            refused,
            Err(PinPadError::Transport(TransportError::InTheClear))
        ),
        "{refused:?}"
    );
    assert!(log.commands().is_empty());
}

#[test]
fn on_contact_a_pin_goes_as_ever() {
    let (mut card, log) = obliging(Interface::Contact).card();
    let mut transaction = card.begin().unwrap();
    let verify = "0020008008313233343536FFFF";
    transaction.raw(&from_hex(verify).unwrap()).unwrap();
    assert_eq!(log.commands(), [verify]);
}

/// What the layer does not carry goes in the clear, also within a session.
#[test]
fn a_command_that_secure_messaging_does_not_carry_goes_in_the_clear_or_not_at_all() {
    let (_, session) = cs2();
    let (mut card, log) = obliging(Interface::Contactless).card();
    let mut transaction = card.begin().unwrap();
    transaction.secure(session);
    let generate = Command::new(0x00, 0x47, 0x00, 0x9A).with_data(&[0xAC, 0x03, 0x80, 0x01, 0x11]);
    transaction.exchange(&generate).unwrap();
    assert!(transaction.is_secured());
    let unblock = Command::new(0x00, 0x2C, 0x00, 0x80).with_data(&[0x31; 16]);
    let refused = transaction.exchange(&unblock);
    assert!(matches!(refused, Err(TransportError::InTheClear)));
    assert_eq!(log.commands(), ["0047009A05AC03800111"]);
}

/// What ends a session at the card ends it here, and what comes after does not go in
/// the clear.
#[test]
fn a_select_a_new_establishment_and_a_raw_command_end_the_session() {
    type End = fn(&mut pcsc_transport::Transaction<'_>);
    let ends: [End; 3] = [
        |it| drop(it.select(piv_apdu::aid::PIV).unwrap()),
        |it| {
            let establish = Command::new(0x00, 0x87, 0x27, 0x04).with_data(&[0x7C, 0x00]);
            it.exchange(&establish).unwrap();
        },
        |it| drop(it.raw(&[0x00, 0x47, 0x00, 0x9A]).unwrap()),
    ];
    for end in ends {
        let (_, session) = cs2();
        let (mut card, log) = obliging(Interface::Contactless).card();
        let mut transaction = card.begin().unwrap();
        transaction.secure(session);
        end(&mut transaction);
        assert!(!transaction.is_secured());
        let verify = Command::new(0x00, 0x20, 0x00, 0x80).with_data(&[0x31; 8]);
        let refused = transaction.exchange(&verify);
        assert!(matches!(refused, Err(TransportError::InTheClear)));
        assert_eq!(log.commands().len(), 1);
    }
}

fn secured_then(continuity: Continuity) -> bool {
    let (_, session) = cs2();
    let fake = obliging(Interface::Contactless);
    let begins = vec![Ok(Continuity::Shared), Ok(continuity)];
    let (mut card, _) = fake.begins(begins).card();
    let mut transaction = card.begin().unwrap();
    transaction.secure(session);
    transaction.end().unwrap();
    card.begin().unwrap().is_secured()
}

#[test]
fn a_session_lasts_only_while_nobody_else_has_the_card() {
    assert!(secured_then(Continuity::Unbroken));
    assert!(!secured_then(Continuity::Shared));
    assert!(!secured_then(Continuity::Lost));
}

#[test]
fn a_session_ends_with_a_reset() {
    let (_, session) = cs2();
    let begins = vec![Ok(Continuity::Shared), Ok(Continuity::Unbroken)];
    let (mut card, _) = obliging(Interface::Contact).begins(begins).card();
    let mut transaction = card.begin().unwrap();
    transaction.secure(session);
    transaction.reset().unwrap();
    assert!(!card.begin().unwrap().is_secured());
}

type IsIt = fn(&TransportError) -> bool;

fn failing(answer: Answer, interface: Interface) -> (Card, Log) {
    let mut answer = Some(answer);
    let again = || panic!("a second command went to the card");
    Fake::new(move |_| answer.take().unwrap_or_else(again))
        .interface(interface)
        .card()
}

/// A response that is not what the card sent, one in the clear, a lost link: the
/// session is over, and the PIN that comes next does not go in the clear, not even on contact.
#[test]
fn what_fails_ends_the_session_and_nothing_falls_back() {
    let (vectors, _) = cs2();
    let step = &steps(&vectors)[1];
    let mut changed = bytes(&step["on_the_wire"][0]["response"]);
    changed[3] ^= 0x01;
    let cases: [(Answer, IsIt); 4] = [
        (Ok(changed), |error| {
            matches!(error, TransportError::Secure(SmError::Mac))
        }),
        (Ok(vec![0x69, 0x88]), |error| {
            let ended = StatusWord::new(0x6988);
            matches!(error, TransportError::Secure(SmError::Plain(status)) if *status == ended)
        }),
        (Ok(vec![0x90, 0x00]), |error| {
            matches!(error, TransportError::Secure(SmError::Plain(_)))
        }),
        (Err(pcsc_transport::LinkError::NotTransacted), |error| {
            matches!(error, TransportError::Link(_))
        }),
    ];
    for (answer, is_it) in cases {
        let (_, session) = cs2();
        let what = format!("{answer:?}");
        let (mut card, log) = failing(answer, Interface::Contact);
        let mut transaction = card.begin().unwrap();
        transaction.secure(session);
        let error = transaction.exchange(&plain_command(step)).unwrap_err();
        assert!(is_it(&error), "{what}: {error:?}");
        assert!(!transaction.is_secured(), "{what}");
        let verify = plain_command(&steps(&vectors)[3]);
        let refused = transaction.exchange(&verify);
        let over = matches!(refused, Err(TransportError::Secure(SmError::Over)));
        assert!(over, "{what}: {refused:?}");
        let refused = transaction.exchange_first(&plain_command(&steps(&vectors)[0]));
        let over = matches!(refused, Err(TransportError::Secure(SmError::Over)));
        assert!(over, "{what}: {refused:?}");
        assert_eq!(log.commands().len(), 1, "{what}");
    }
}

/// A PIN that was verified within a session is logged out, or the card reset.
#[test]
fn what_was_unlocked_within_a_session_is_locked() {
    let (vectors, session) = cs2();
    let mut script = wire(&steps(&vectors)[..4]);
    script.insert(0, {
        let select = from_hex("00A404000BA00000030800001000010000").unwrap();
        (
            select.to_vec(),
            Ok(from_hex(SELECT_ANSWER).unwrap().to_vec()),
        )
    });
    let mut script = std::collections::VecDeque::from(script);
    let fake = Fake::new(move |_| {
        // What comes after the script is the attempt to log out in the clear.
        script.pop_front().map_or(Ok(vec![0x69, 0x82]), |it| it.1)
    });
    let (mut card, log) = fake.interface(Interface::Contactless).card();
    let mut transaction = card.begin().unwrap();
    transaction.select(piv_apdu::aid::PIV).unwrap();
    transaction.secure(session);
    for step in &steps(&vectors)[..4] {
        transaction.exchange(&plain_command(step)).unwrap();
    }
    transaction.end().unwrap();
    card.close().unwrap();
    assert_eq!(log.ends().last(), Some(&pcsc_transport::Leave::Reset));
    let pin = hex_text(b"123456\xFF\xFF");
    assert!(log.commands().iter().all(|command| !command.contains(&pin)));
}
