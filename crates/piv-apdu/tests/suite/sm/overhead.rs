//! How many bytes secure messaging adds, as docs/performance.md says it.

use piv_apdu::apdu::{Command, Le};
use piv_apdu::sm::CipherSuite;
use serde_json::Value;

use super::{SUITES, bytes, channel, plain_command, vectors};

type Suite = (CipherSuite, &'static str);

fn wrapped((suite, name): Suite, command: &Command) -> Command {
    channel(suite, &vectors(name)).wrap(command).unwrap()
}

/// The bytes of a command as a short APDU.
fn length(command: &Command) -> usize {
    command.encode_short().unwrap().len()
}

fn step<'a>(vectors: &'a Value, title: &str) -> &'a Value {
    let steps = vectors["session_of_direct"].as_array().unwrap();
    let is_it = |step: &&Value| step["title"].as_str().unwrap().starts_with(title);
    steps.iter().find(is_it).unwrap()
}

#[test]
fn a_command_grows_by_its_padding_and_the_checksum() {
    for suite in SUITES {
        let vectors = vectors(suite.1);
        for (title, plain, secured) in [
            ("VERIFY with an empty body", 4, 16),
            ("GET DATA of the CHUID", 11, 38),
            ("VERIFY with the PIN", 13, 35),
            ("VERIFY with the pairing code", 13, 35),
            ("CHANGE REFERENCE DATA", 21, 51),
        ] {
            let command = plain_command(step(&vectors, title));
            let lengths = (length(&command), length(&wrapped(suite, &command)));
            assert_eq!(lengths, (plain, secured), "{title}");
        }
    }
}

#[test]
fn a_command_of_up_to_223_bytes_stays_one_short_apdu() {
    for suite in SUITES {
        let data_field = |length: usize, le: Option<Le>| {
            let command = Command::new(0x00, 0x87, 0x07, 0x9A).with_data(&vec![0x5A; length]);
            let command = match le {
                Some(le) => command.with_le(le),
                None => command,
            };
            wrapped(suite, &command).data().len()
        };
        let answered = Some(Le::SHORT_MAX);
        assert_eq!(
            (data_field(223, answered), data_field(224, answered)),
            (241, 257)
        );
        assert_eq!((data_field(239, None), data_field(240, None)), (254, 271));
        // However long it is, the checksum comes once.
        let more = (1..1000).map(|length| data_field(length, answered) - length);
        assert_eq!(more.clone().min().zip(more.max()), Some((17, 34)));
    }
}

#[test]
fn a_response_grows_by_its_padding_its_status_and_the_checksum() {
    for (_, name) in SUITES {
        let vectors = vectors(name);
        let steps = vectors["session_of_direct"].as_array().unwrap();
        let mut lengths = Vec::new();
        for step in steps {
            let plain = bytes(&step["plain_response"]).len() - 2;
            let wrapped = bytes(&step["wrapped_response"]).len() - 2;
            assert_eq!(wrapped, expected_length(plain), "{}", step["title"]);
            lengths.push((plain, wrapped));
        }
        for known in [(0, 14), (111, 129), (112, 146)] {
            assert!(lengths.contains(&known), "{known:?}: {lengths:?}");
        }
    }
    let grows_by = |range: core::ops::Range<usize>| {
        let more = range.map(|length| expected_length(length) - length);
        more.clone().min().zip(more.max())
    };
    assert_eq!(grows_by(1..112), Some((18, 33)));
    assert_eq!(grows_by(112..240), Some((19, 34)));
    assert_eq!(grows_by(240..4000), Some((20, 35)));
    assert_eq!((expected_length(223), expected_length(224)), (242, 258));
}

/// Of the data field of a response, by the format: `87` with the padding indicator and
/// whole blocks if there is data, `99 02 SW`, `8E 08 MAC`.
fn expected_length(plain: usize) -> usize {
    let cryptogram = match plain {
        0 => return 4 + 10,
        length => 1 + (length / 16 + 1) * 16,
    };
    let head = match cryptogram {
        ..0x80 => 2,
        0x80..0x100 => 3,
        _ => 4,
    };
    head + cryptogram + 4 + 10
}
