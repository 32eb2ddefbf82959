//! Whatever comes, the card answers, and in bounds.

use pcsc_transport::Interface;
use piv_apdu::sm::CipherSuite;
use proptest::prelude::*;
use virtual_token::{Profile, Vci, VirtualToken};

use crate::common::{hex, options};

/// Commands that lead somewhere, for random ones to go on from.
const KNOWN: &[&str] = &[
    "00A40400 0B A000000308000010000100 00",
    "00A40400 07 A0000000791000 00",
    "00A40400 07 A0000001510000 00",
    "00A40400 07 A0000000792300 00",
    "00200080 08 313233343536FFFF",
    "00200080 08 3030303030303030",
    "00200000 08 3030303030303030",
    "00CB3FFF 05 5C035FC105 00",
    "00CB3FFF 05 5C03FFFF7F 00",
    "80560000 00",
    "80CA9F7F 00",
    "00C00000 00",
    "00840000 00",
    "0087039B 04 7C028100 00",
    "00870C9B 04 7C028000 00",
    "00470099 05 AC03800111 00",
    "10DB3FFF 05 5C035FC102",
    "00380000",
    "80D8039D 03 00B100",
    "00240100 10 3030303030303030 323731383238FFFF",
    "002C0080 10 3132333435363738 323731383238FFFF",
    "00CB3FFF 05 5C035FFD01 00",
    "00DB3FFF 12 5C035FFD01 530B E109 800450544D50 810101",
    "00DB3FFF 15 5C035FFD01 530E E10C 800450544D50 810101 850101",
    "00200098 08 3132333435363738",
    // A key establishment with the point of the vectors' host.
    "00872704 50 7C4E814A 00 1E56FC20C9EED2AF 04418FD867B6096A664EDCAD810BC1618C4FB945CF247BDE6E\
     5D0BE681D0A6FC997A460D83F6E880A02AC2B226BB67F1AB4E80E3ED76D386F8B8CC1C21CB097D7D 8200 00",
    "0CCB3FFF 0A 8E080102030405060708 00",
    "1C870799 03 871101",
    // FIDO: SELECT, GetInfo, the tries, a key agreement, Reset, the beginning of a message.
    "00A40400 08 A0000006472F0001 00",
    "80108000 01 04 00",
    "80108000 04 06A10201 00",
    "80100000 06 06A201020202 00",
    "80100000 01 07 00",
    "90100000 03 01A501",
    "00A40400 07 A0000000792300 00",
    "00A40400 07 A0000000792301 00",
    "80880000 00",
    "80881100 04 5E84A802 00",
];

const INSTRUCTIONS: &[u8] = &[
    0x10, 0x20, 0x24, 0x2C, 0x38, 0x47, 0x56, 0x82, 0x84, 0x87, 0x88, 0xA4, 0xC0, 0xCA, 0xCB, 0xD8,
    0xDB, 0xF8, 0xFD,
];

fn command() -> impl Strategy<Value = Vec<u8>> {
    let known = || prop::sample::select(KNOWN).prop_map(hex);
    let made = (
        prop::sample::select(&[0x00, 0x10, 0x80, 0x90, 0x0C, 0x1C][..]),
        prop::sample::select(INSTRUCTIONS),
        any::<[u8; 2]>(),
        prop::collection::vec(any::<u8>(), 0..60),
    )
        .prop_map(|(cla, ins, [p1, p2], data)| {
            let mut bytes = vec![cla, ins, p1, p2];
            if !data.is_empty() {
                bytes.push(u8::try_from(data.len()).unwrap());
            }
            bytes.extend(data);
            bytes
        });
    let damaged = (known(), any::<prop::sample::Index>(), any::<u8>()).prop_map(
        |(mut bytes, position, value)| {
            let position = position.index(bytes.len());
            bytes[position] = value;
            bytes
        },
    );
    prop_oneof![
        4 => known(),
        3 => made,
        2 => damaged,
        1 => prop::collection::vec(any::<u8>(), 0..300),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_conversation_is_answered(
        profile in prop::sample::select(&Profile::ALL[..]),
        contactless in any::<bool>(),
        commands in prop::collection::vec(command(), 0..40),
    ) {
        let state = personal_state(profile);
        let mut token = VirtualToken::from_state(state).unwrap();
        if contactless {
            token.set_interface(Interface::Contactless);
        }
        for command in commands {
            // Generating RSA keys at random is not what is to be tested here.
            if command.get(1) == Some(&0x47) && command.contains(&0x07) {
                continue;
            }
            let answer = token.process(&command);
            prop_assert!((2..=65_538).contains(&answer.len()));
            prop_assert!(matches!(answer[answer.len() - 2], 0x61..=0x6F | 0x90));
        }
        // Nor does it leave anything that could not be kept and taken up again.
        prop_assert!(VirtualToken::from_state(token.to_state()).is_ok());
    }
}

/// Made once: keys take their time.
fn personal_state(profile: Profile) -> virtual_token::TokenState {
    use std::collections::HashMap;
    use std::sync::{LazyLock, Mutex};
    static STATES: LazyLock<Mutex<HashMap<Profile, virtual_token::TokenState>>> =
        LazyLock::new(Mutex::default);
    let mut states = STATES.lock().unwrap();
    states
        .entry(profile)
        .or_insert_with(|| {
            let options = options().vci(Vci::new(CipherSuite::Cs2));
            VirtualToken::create(profile, &options).unwrap().to_state()
        })
        .clone()
}

#[test]
fn a_wrong_pin_can_be_tried_no_more_often_than_the_limit() {
    for profile in Profile::ALL {
        let mut token =
            VirtualToken::create(profile, &options().content(virtual_token::Content::Empty))
                .unwrap();
        token.process(&hex("00A40400 0B A000000308000010000100 00"));
        let mut wrong = 0;
        // Resets between the tries do not help either.
        while *token.process(&hex("00200080 08 393939393939FFFF")) != [0x69, 0x83] {
            wrong += 1;
            assert!(wrong < 15);
            token.reset();
            token.process(&hex("00A40400 0B A000000308000010000100 00"));
        }
        let expected = if profile == Profile::Piv { 2 } else { 5 };
        assert_eq!(wrong, expected, "the last wrong one blocks");
    }
}
