//! Secure messaging against the vectors of a second implementation, which was
//! written from the standard's description in another language
//! (`vectors/secure_messaging`).

mod chain;
mod cvc;
mod establish;
mod issuer;
mod overhead;

use piv_apdu::apdu::{Command, Le, Response};
use piv_apdu::secret::from_hex;
use piv_apdu::sm::{CipherSuite, OtherInfo, SecureMessaging, SessionKeys, SmError};
use piv_apdu::status::StatusWord;
use serde_json::Value;

const VECTORS: &str = include_str!("../vectors/secure_messaging/vectors.json");

const SUITES: [(CipherSuite, &str); 2] = [(CipherSuite::Cs2, "CS2"), (CipherSuite::Cs7, "CS7")];

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

fn eight(value: &Value) -> [u8; 8] {
    bytes(value).try_into().unwrap()
}

fn byte(value: &Value) -> u8 {
    bytes(value)[0]
}

/// The keys that this exchange leads to.
fn keys(suite: CipherSuite, vectors: &Value, exchange: &str) -> SessionKeys {
    let (host, card) = (&vectors["host"], &vectors["card"]);
    let exchange = &vectors[exchange];
    let point = bytes(&host["public_key"]);
    let info = OtherInfo {
        host_id: eight(&host["ids_h"]),
        host_control: byte(&host["cbh"]),
        host_point_x: &point[1..=suite.coordinate_length()],
        card_id: eight(&exchange["ids_icc"]),
        nonce: &bytes(&card["nonce"]),
        card_control: byte(&card["cbicc"]),
    };
    SessionKeys::derive(suite, &bytes(&exchange["z"]), &info).unwrap()
}

fn channel(suite: CipherSuite, vectors: &Value) -> SecureMessaging {
    SecureMessaging::new(keys(suite, vectors, "direct"))
}

fn plain_command(step: &Value) -> Command {
    let header: [u8; 4] = bytes(&step["plain_command"]["header"]).try_into().unwrap();
    let [cla, ins, p1, p2] = header;
    let command = Command::new(cla, ins, p1, p2).with_data(&bytes(&step["plain_command"]["data"]));
    if step["plain_command"]["le"] == true {
        command.with_le(Le::SHORT_MAX)
    } else {
        command
    }
}

fn response(value: &Value) -> Response {
    Response::decode(&bytes(value)).unwrap()
}

/// Goes through the session up to this step, whose command is on its way then.
fn up_to(suite: CipherSuite, vectors: &Value, step: u64) -> SecureMessaging {
    let mut channel = channel(suite, vectors);
    for made in vectors["session_of_direct"].as_array().unwrap() {
        channel.wrap(&plain_command(made)).unwrap();
        if made["step"] == step {
            break;
        }
        channel
            .unwrap(&response(&made["wrapped_response"]))
            .unwrap();
    }
    channel
}

#[test]
fn both_sides_come_to_the_same_keys() {
    for (suite, name) in SUITES {
        let vectors = vectors(name);
        let point = bytes(&vectors["host"]["public_key"]);
        let host_id = eight(&vectors["host"]["ids_h"]);
        for exchange in ["direct", "through_intermediate"] {
            let keys = keys(suite, &vectors, exchange);
            let exchange = &vectors[exchange];
            let card_id = eight(&exchange["ids_icc"]);
            let cryptogram = bytes(&exchange["cryptogram"]);
            let confirmed = |cryptogram: &[u8], point: &[u8]| {
                keys.is_confirmed_by(cryptogram, card_id, host_id, point)
            };
            assert!(confirmed(&cryptogram, &point[1..]), "{name}");
            for at in 0..cryptogram.len() {
                let mut other = cryptogram.clone();
                other[at] ^= 1;
                assert!(!confirmed(&other, &point[1..]), "{name}, byte {at}");
            }
            assert!(!confirmed(&cryptogram[1..], &point[1..]), "{name}");
            assert!(!confirmed(&cryptogram, &point), "{name}: with the 04");
        }
    }
}

#[test]
fn a_session_is_wrapped_and_unwrapped_as_by_the_other_implementation() {
    for (suite, name) in SUITES {
        let vectors = vectors(name);
        let mut channel = channel(suite, &vectors);
        let steps = vectors["session_of_direct"].as_array().unwrap();
        assert!(steps.len() >= 6);
        for step in steps {
            let what = format!("{name}, {}", step["title"]);
            let wrapped = channel.wrap(&plain_command(step)).unwrap();
            assert_eq!(
                wrapped.data(),
                bytes(&step["wrapped_command"]["data"]),
                "{what}"
            );
            let header = [wrapped.cla(), wrapped.ins(), wrapped.p1(), wrapped.p2()];
            let apdus = step["wrapped_command"]["apdus"].as_array().unwrap();
            assert_eq!(header, bytes(apdus.last().unwrap())[..4], "{what}");
            assert_eq!(wrapped.le(), Some(Le::SHORT_MAX), "{what}");
            let plain = channel
                .unwrap(&response(&step["wrapped_response"]))
                .unwrap();
            assert_eq!(plain, response(&step["plain_response"]), "{what}");
        }
    }
}

#[test]
fn a_response_with_any_byte_changed_is_refused_and_ends_the_session() {
    for (suite, name) in SUITES {
        let vectors = vectors(name);
        for step in vectors["session_of_direct"].as_array().unwrap() {
            let wrapped = response(&step["wrapped_response"]);
            let number = step["step"].as_u64().unwrap();
            for at in 0..wrapped.data().len() {
                let mut data = wrapped.data().to_vec();
                data[at] ^= 0x01;
                let mut channel = up_to(suite, &vectors, number);
                let refused = channel.unwrap(&Response::new(&data, wrapped.status()));
                assert!(refused.is_err(), "{name}, step {number}, byte {at}");
                assert!(channel.is_over());
                assert_eq!(channel.unwrap(&wrapped), Err(SmError::Over));
                assert_eq!(channel.wrap(&plain_command(step)), Err(SmError::Over));
            }
        }
    }
}

#[test]
fn the_other_implementation_s_bad_responses_are_refused() {
    for (suite, name) in SUITES {
        let vectors = vectors(name);
        for bad in vectors["negative"]["responses"].as_array().unwrap() {
            let mut channel = up_to(suite, &vectors, bad["step"].as_u64().unwrap());
            let refused = channel.unwrap(&response(&bad["wrapped_response"]));
            assert!(refused.is_err(), "{name}, {}: {refused:?}", bad["title"]);
            assert!(channel.is_over());
        }
    }
}

#[test]
fn nothing_follows_the_checksum() {
    let vectors = vectors("CS2");
    let good = response(&vectors["session_of_direct"][0]["wrapped_response"]);
    // A data object, and what is none.
    for more in [&[0x99, 0x00][..], &[0x99], &[0x99, 0x80], &[0x1F], &[0x00]] {
        let longer = [good.data(), more].concat();
        let mut channel = up_to(CipherSuite::Cs2, &vectors, 1);
        let refused = channel.unwrap(&Response::new(&longer, good.status()));
        assert_eq!(refused, Err(SmError::Malformed), "{more:02X?}");
    }
}

#[test]
fn an_answer_in_the_clear_ends_the_session() {
    let vectors = vectors("CS2");
    for status in [0x6882, 0x6982, 0x6987, 0x6988, 0x9000, 0x6D00] {
        let mut channel = up_to(CipherSuite::Cs2, &vectors, 1);
        let status = StatusWord::new(status);
        let refused = channel.unwrap(&Response::from_status(status));
        assert_eq!(refused, Err(SmError::Plain(status)));
        assert!(channel.is_over());
    }
}

#[test]
fn commands_and_responses_take_turns() {
    let vectors = vectors("CS2");
    let first = &vectors["session_of_direct"][0];
    let mut channel = channel(CipherSuite::Cs2, &vectors);
    // Another class is refused, and the session goes on.
    let chained = Command::new(0x10, 0xDB, 0x3F, 0xFF);
    assert_eq!(channel.wrap(&chained), Err(SmError::Class(0x10)));
    channel.wrap(&plain_command(first)).unwrap();
    assert_eq!(channel.wrap(&plain_command(first)), Err(SmError::OutOfStep));
    assert!(channel.is_over());
    let mut channel = up_to(CipherSuite::Cs2, &vectors, 1);
    let answer = response(&first["wrapped_response"]);
    channel.unwrap(&answer).unwrap();
    assert_eq!(channel.unwrap(&answer), Err(SmError::OutOfStep), "replayed");
    assert!(channel.is_over());
}

#[test]
fn nothing_secret_is_shown() {
    let vectors = vectors("CS2");
    let channel = channel(CipherSuite::Cs2, &vectors);
    assert!(format!("{channel:?}").contains("Cs2"));
    let key = vectors["direct"]["sk_enc"].as_str().unwrap().to_lowercase();
    let keys = keys(CipherSuite::Cs2, &vectors, "direct");
    assert!(!format!("{keys:?}{channel:?}").to_lowercase().contains(&key));
    assert_eq!(format!("{keys:?}"), "SessionKeys(Cs2)");
}
