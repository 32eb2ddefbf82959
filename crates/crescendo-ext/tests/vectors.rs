//! Known answers: those that the vendor's pages or a live token give.
#![allow(clippy::unwrap_used)] // a test's way to fail

use crescendo_ext::AppletVersion;
use crescendo_ext::aca::{AcaSelectAnswer, GetPinProperties, PinProperties, SelectAca};
use crescendo_ext::cplc::{GetCplc, SelectIsd};
use crescendo_ext::identity::Family;
use crescendo_ext::oath::{
    HotpAuthenticate, OneTimePassword, SelectOathSlot, TotpAuthenticate, WAITING_FOR_BUTTON,
};
use crescendo_ext::properties::{
    Field, GetPivProperties, Init, KeyAttributes, KeyBlock, ObjectBlock, PivProperties,
};
use hex_literal::hex;
use piv_apdu::apdu::{Command, Response};
use piv_apdu::command::{AnswerError, TypedCommand};
use piv_apdu::key::{Algorithm, KeyReference};
use piv_apdu::object::ObjectTag;
use piv_apdu::status::StatusWord;
use piv_apdu::tlv::{Tag, TemplateError};

/// The answer of a live C2300, 188 bytes, put together from its published
/// description. The description leaves open, and this vector supplies: the
/// value of `26` in the object blocks, which container has the capacity 75 07,
/// and the capacity of the printed information.
const LIVE_C2300: [u8; 188] = hex!(
    "53 81B9"
    "01 05 2103000306"
    "39 01 15"
    "3A 07 A0000000791000"
    "3B 00"
    "50 0C 47035FC102 260101 4202680B"
    "50 0C 47035FC109 260101 42027507"
    "50 0C 47035FC10C 260101 42020A00"
    "51 15 47035FC105 260101 48019A 430407200000 42027507"
    "51 15 47035FC10A 260101 48019C 430407200000 42027507"
    "51 15 47035FC10B 260101 48019D 430407200000 42027507"
    "51 15 47035FC10D 260101 480182 430407200000 42027507"
    "51 15 47035FC10E 260101 480183 430407200000 42027507"
    "45 05 D688838000"
);

fn raw(tag: u32, value: &[u8]) -> Field {
    Field {
        tag: Tag::new(tag),
        value: value.to_vec(),
    }
}

#[test]
fn a_live_c2300s_properties() {
    let properties = PivProperties::decode(&LIVE_C2300).unwrap();

    let version = properties.version.clone().unwrap();
    assert_eq!(version.family, 0x21);
    assert_eq!(version.to_string(), "3.0.3.6");
    assert!(!properties.damaged);

    let capacities: Vec<_> = properties
        .objects
        .iter()
        .map(|o| (o.tag, o.capacity))
        .collect();
    assert_eq!(
        capacities,
        [
            (ObjectTag::CHUID, Some(2920)),
            (ObjectTag::PRINTED_INFORMATION, Some(1909)),
            (ObjectTag::KEY_HISTORY, Some(10)),
        ]
    );

    let keys: Vec<u8> = properties.keys.iter().map(|key| key.key.get()).collect();
    assert_eq!(keys, [0x9A, 0x9C, 0x9D, 0x82, 0x83]);
    for key in &properties.keys {
        assert_eq!(key.certificate_object, key.key.certificate_object());
        assert_eq!(key.is_filled(), Some(false), "allocated, not filled");
        assert_eq!(key.other, [raw(0x26, &[0x01])]);
        assert_eq!(
            key.attributes,
            Some(KeyAttributes {
                algorithm: Algorithm::Rsa2048,
                key_length: 0x20,
                private_init: Init::None,
                public_init: Init::None,
                purpose: None,
            })
        );
    }
    assert!(properties.key(KeyReference::CARD_AUTHENTICATION).is_none());
    assert!(properties.key(KeyReference::CARD_MANAGEMENT).is_none());

    assert_eq!(
        properties.other,
        [
            raw(0x39, &hex!("15")),
            raw(0x3A, crescendo_ext::aid::ACA),
            raw(0x3B, &[]),
            raw(0x45, &hex!("D688838000")),
        ]
    );

    // And the card side writes the very same bytes.
    assert_eq!(properties.encode(), LIVE_C2300);
}

#[test]
fn what_is_listed_is_what_there_is_to_read() {
    let properties = PivProperties::decode(&LIVE_C2300).unwrap();
    let listed: Vec<u32> = properties.listed_objects().map(ObjectTag::get).collect();
    assert_eq!(
        listed,
        [
            0x5F_C102, 0x5F_C109, 0x5F_C10C, // objects
            0x5F_C105, 0x5F_C10A, 0x5F_C10B, 0x5F_C10D, 0x5F_C10E, // certificates
        ]
    );
}

#[test]
fn properties_in_the_c4000s_shape() {
    // No answer of a C4000 is public: this is what its fields are said to be.
    let answer = hex!(
        "53 3B"
        "01 06 210400000102"
        "40 02 0304"
        "50 0F 47035FC102 4202680B 4D04AABBCCDD"
        "51 10 48019A 43051120010107 4D04AABBCCDD"
        "51 0A 4801B0 43051481810009"
    );
    let properties = PivProperties::decode(&answer).unwrap();
    assert_eq!(properties.version.clone().unwrap().to_string(), "4.0.0.1.2");
    assert_eq!(properties.other, [raw(0x40, &hex!("0304"))]);
    assert_eq!(
        properties.objects,
        [ObjectBlock {
            tag: ObjectTag::CHUID,
            capacity: Some(2920),
            other: vec![raw(0x4D, &hex!("AABBCCDD"))],
        }]
    );
    assert_eq!(
        properties.keys[0],
        KeyBlock {
            key: KeyReference::PIV_AUTHENTICATION,
            certificate_object: None,
            attributes: Some(KeyAttributes {
                algorithm: Algorithm::EccP256,
                key_length: 0x20,
                private_init: Init::Generated,
                public_init: Init::Generated,
                purpose: Some(7),
            }),
            capacity: None,
            other: vec![raw(0x4D, &hex!("AABBCCDD"))],
        }
    );
    // The card names no certificate object: the standard does, for its keys.
    assert_eq!(
        properties.keys[0].certificate(),
        Some(ObjectTag::PIV_AUTHENTICATION_CERTIFICATE)
    );
    let vendor_key = &properties.keys[1];
    assert_eq!(vendor_key.key, KeyReference(0xB0));
    assert_eq!(vendor_key.certificate(), None);
    assert_eq!(vendor_key.is_filled(), Some(true));
    assert_eq!(properties.encode(), answer);
}

#[test]
fn a_real_management_key_is_recognised() {
    let answer = hex!("53 0B 51 09 48019B 430408100101");
    let properties = PivProperties::decode(&answer).unwrap();
    let key = properties.key(KeyReference::CARD_MANAGEMENT).unwrap();
    assert_eq!(key.algorithm(), Some(Algorithm::Aes128));
}

#[test]
fn properties_are_read_leniently() {
    // No wrapper, blocks first, an unknown tag, capacities of one and four
    // bytes, a key named only by its certificate object.
    let properties = PivProperties::decode(&hex!(
        "51 08 47035FC10A 42010A"
        "DF7F 01 99"
        "50 0B 42 04 01020304 4703 5FC102"
        "01 02 21 09"
    ))
    .unwrap();
    assert_eq!(properties.version.clone().unwrap().to_string(), "9");
    assert_eq!(properties.keys[0].key, KeyReference::DIGITAL_SIGNATURE);
    assert_eq!(properties.keys[0].capacity, Some(10));
    assert_eq!(
        properties.keys[0].is_filled(),
        None,
        "the card does not say"
    );
    assert_eq!(properties.objects[0].capacity, Some(0x0403_0201));
    assert_eq!(properties.other, [raw(0xDF7F, &[0x99])]);
    assert!(!properties.damaged);
}

#[test]
fn a_damaged_answer_gives_what_came_before() {
    for cut in 12..LIVE_C2300.len() {
        let properties = PivProperties::decode(&LIVE_C2300[..cut]).unwrap();
        assert!(properties.damaged, "cut at {cut}");
        assert!(properties.version.is_some(), "cut at {cut}");
    }
    let half = PivProperties::decode(&LIVE_C2300[..90]).unwrap();
    assert_eq!((half.objects.len(), half.keys.len()), (3, 1));

    // A block that is damaged inside.
    let properties = PivProperties::decode(&hex!("50 07 47035FC102 42 09")).unwrap();
    assert!(properties.damaged);
    assert_eq!(properties.objects[0].tag, ObjectTag::CHUID);
}

#[test]
fn blocks_that_name_nothing_are_kept_raw() {
    let answer = hex!("53 09 50 03 420110 51 02 4200");
    let properties = PivProperties::decode(&answer).unwrap();
    assert!(properties.objects.is_empty() && properties.keys.is_empty());
    assert_eq!(
        properties.other,
        [raw(0x50, &hex!("420110")), raw(0x51, &hex!("4200"))]
    );
    assert_eq!(properties.encode(), answer);
}

/// Found by fuzzing: they were dropped, and of two only one.
#[test]
fn a_keys_fields_in_an_objects_block_are_kept_raw() {
    let answer = hex!("53 16 50 14 47035FC102 48019A 430411200101 430407200101");
    let properties = PivProperties::decode(&answer).unwrap();
    assert_eq!(
        properties.objects[0].other,
        [
            raw(0x48, &[0x9A]),
            raw(0x43, &hex!("11200101")),
            raw(0x43, &hex!("07200101")),
        ]
    );
    assert_eq!(properties.encode(), answer);
}

#[test]
fn what_is_no_properties_answer_is_malformed() {
    for data in [
        &b""[..],
        b"\x53\x00",
        b"\x53",
        b"\x53\x81",
        b"\x01",
        b"\x53\x01\x50",
        &[0x9F; 40],
        &[0; 9000],
    ] {
        assert!(PivProperties::decode(data).is_err(), "{} bytes", data.len());
    }
}

#[test]
fn the_acas_select_answer() {
    let data = hex!("6F 12 84 07 A0000000791000 A5 07 01 05 10 03000301");
    let answer = AcaSelectAnswer::decode(&data).unwrap();
    assert_eq!(
        answer,
        AcaSelectAnswer {
            aid: Some(crescendo_ext::aid::ACA.to_vec()),
            applet: Some(AppletVersion {
                family: 0x10,
                numbers: vec![3, 0, 3, 1]
            }),
        }
    );
    assert_eq!(answer.applet.as_ref().unwrap().to_string(), "3.0.3.1");
    assert_eq!(answer.encode(), data);
}

#[test]
fn an_aca_that_says_less_or_more_is_still_an_aca() {
    // As on a CAC card, or on an applet of another version.
    assert_eq!(
        AcaSelectAnswer::decode(b"").unwrap(),
        AcaSelectAnswer::default()
    );
    let answer = AcaSelectAnswer::decode(&hex!("A5 05 7300 9F6E00 84 05 A000000079")).unwrap();
    assert_eq!(answer.applet, None);
    assert_eq!(answer.aid.as_deref(), Some(&hex!("A000000079")[..]));
    assert!(matches!(
        AcaSelectAnswer::decode(b"\x6F\x05"),
        Err(TemplateError::Tlv(_)) | Ok(_)
    ));
    assert!(AcaSelectAnswer::decode(b"\x84\x7F\x00").is_err());
}

#[test]
fn pin_properties() {
    let data = hex!("31 05 04 08 00 00 00");
    let properties = PinProperties::decode(&data).unwrap();
    assert_eq!(properties.lengths(), Some(4..=8));
    assert!(!properties.numeric_only());
    assert_eq!(properties.encode(), data);

    let numeric = PinProperties::decode(&hex!("31 05 06 08 12 34 FF")).unwrap();
    assert!(numeric.numeric_only());
    assert_eq!(
        (numeric.rfu, numeric.numeric_only_raw),
        ([0x12, 0x34], 0xFF)
    );
}

#[test]
fn pin_properties_that_make_no_sense_promise_no_lengths() {
    for (minimum, maximum) in [(0, 8), (8, 4), (4, 9), (0, 0), (0xFF, 0xFF)] {
        let properties = PinProperties {
            minimum,
            maximum,
            rfu: [0; 2],
            numeric_only_raw: 0,
        };
        assert_eq!(properties.lengths(), None, "{minimum}..={maximum}");
    }
    assert!(PinProperties::decode(b"").is_err());
    assert!(PinProperties::decode(&hex!("31 04 04 08 00 00")).is_err());
    assert!(PinProperties::decode(&hex!("32 05 04 08 00 00 00")).is_err());
}

#[test]
fn commands_are_recognised_and_others_are_not() {
    fn sent<C: TypedCommand>(command: &C) -> Command {
        Command::decode(&command.to_command().encode_short().unwrap()).unwrap()
    }
    assert_eq!(SelectAca::from_command(&sent(&SelectAca)), Ok(SelectAca));
    assert_eq!(SelectIsd::from_command(&sent(&SelectIsd)), Ok(SelectIsd));
    assert_eq!(GetCplc::from_command(&sent(&GetCplc)), Ok(GetCplc));
    assert_eq!(
        GetPinProperties::from_command(&sent(&GetPinProperties)),
        Ok(GetPinProperties)
    );
    for family in Family::ALL {
        let command = GetPivProperties { family };
        assert_eq!(GetPivProperties::from_command(&sent(&command)), Ok(command));
    }
    for slot in SelectOathSlot::all() {
        assert_eq!(SelectOathSlot::from_command(&sent(&slot)), Ok(slot));
    }

    assert_eq!(
        HotpAuthenticate::from_command(&sent(&HotpAuthenticate)),
        Ok(HotpAuthenticate)
    );
    let totp = TotpAuthenticate { time: u32::MAX };
    assert_eq!(TotpAuthenticate::from_command(&sent(&totp)), Ok(totp));

    assert!(HotpAuthenticate::from_command(&sent(&totp)).is_err());
    assert!(TotpAuthenticate::from_command(&sent(&HotpAuthenticate)).is_err());
    assert!(SelectOathSlot::from_command(&sent(&SelectAca)).is_err());
    assert!(SelectAca::from_command(&sent(&SelectIsd)).is_err());
    assert!(GetCplc::from_command(&sent(&GetCplc).with_data(&[1])).is_err());
    assert!(GetPivProperties::from_command(&sent(&GetPinProperties)).is_err());
}

/// LL/hotp-authenticate: the code 755224 is `75 52 24`; LL/oath-usage-sequences: a
/// TOTP of a slot that waits for the button, and then of the 1st of April 2020.
#[test]
fn the_vendors_one_time_passwords() {
    let answer = |bytes: &[u8]| Response::decode(bytes).unwrap();
    let code = HotpAuthenticate::decode_answer(&answer(&hex!("755224 9000"))).unwrap();
    assert_eq!(code.digits(), "755224");
    assert_eq!(*code.encode(), hex!("755224"));

    let totp = TotpAuthenticate {
        time: 1_585_752_066,
    };
    let sent = totp.to_command().encode_short().unwrap();
    assert_eq!(*sent, hex!("80881100 04 5E84A802 00"));
    // The sample there goes without Le.
    let sample = Command::decode(&hex!("80881100 04 5E84A802")).unwrap();
    assert_eq!(TotpAuthenticate::from_command(&sample), Ok(totp));
    assert!(matches!(
        TotpAuthenticate::decode_answer(&answer(&hex!("6985"))),
        Err(AnswerError::Status(WAITING_FOR_BUTTON))
    ));
    let code = TotpAuthenticate::decode_answer(&answer(&hex!("340909 9000"))).unwrap();
    assert_eq!(code.digits(), "340909");
}

/// 6700: "Lc is not 04" (LL/totp-authenticate).
#[test]
fn a_time_that_is_not_four_bytes_is_6700() {
    let command = Command::new(0x80, 0x88, 0x11, 0x00).with_data(&[1, 2, 3]);
    let error = TotpAuthenticate::from_command(&command).unwrap_err();
    assert_eq!(error.status_word(), StatusWord::WRONG_LENGTH);
}

#[test]
fn what_is_no_one_time_password_is_malformed() {
    for answer in [
        &hex!("9000")[..],
        &hex!("7552 9000"),
        &hex!("7552A4 9000"),
        &hex!("7552240F 9000"),
        &hex!("7552241234 9000"),
    ] {
        let response = Response::decode(answer).unwrap();
        assert!(
            matches!(
                HotpAuthenticate::decode_answer(&response),
                Err(AnswerError::Malformed(_))
            ),
            "{answer:02X?}"
        );
    }
    assert!(OneTimePassword::new("12345").is_none());
    assert!(OneTimePassword::new("12345\u{663}").is_none());
}

/// P1 other than 02 answers 6A86 (LL/get-pin-properties).
#[test]
fn pin_properties_with_another_p1_are_6a86() {
    let command = Command::new(0x00, 0x56, 0x01, 0x00).with_data(&[0x31]);
    let error = GetPinProperties::from_command(&command).unwrap_err();
    assert_eq!(error.status_word(), StatusWord::INCORRECT_P1P2);
}

#[test]
fn a_refusal_keeps_its_status_word() {
    let refused = Response::new(&[], StatusWord::FILE_NOT_FOUND);
    assert!(matches!(
        SelectAca::decode_answer(&refused),
        Err(AnswerError::Status(StatusWord::FILE_NOT_FOUND))
    ));
    assert!(matches!(
        GetPivProperties::decode_answer(&refused),
        Err(AnswerError::Status(StatusWord::FILE_NOT_FOUND))
    ));
}
