//! The PIV commands and their answers.

use hex_literal::hex;
use piv_apdu::aid::Aid;
use piv_apdu::apdu::{Command, Response};
use piv_apdu::command::{
    AnswerError, ApplicationProperties, ChangeReferenceData, CommandError,
    DynamicAuthenticationTemplate, GeneralAuthenticate, GenerateAsymmetric, GetData, PinQuery,
    PinStatus, PivCommand, PublicKey, PutData, ResetRetryCounter, Select, TypedCommand, Verify,
};
use piv_apdu::key::{Algorithm, KeyReference};
use piv_apdu::object::ObjectTag;
use piv_apdu::secret::{PairingCode, Pin, PinBlock, Puk};
use piv_apdu::status::StatusWord;
use piv_apdu::tlv::{Tag, TemplateError};
use proptest::prelude::*;

use crate::any;

fn pin(digits: &str) -> PinBlock {
    Pin::new(digits.as_bytes()).unwrap().padded()
}

fn puk(bytes: &[u8]) -> PinBlock {
    Puk::new(bytes).unwrap().padded()
}

fn success(data: &[u8]) -> Response {
    Response::new(data, StatusWord::SUCCESS)
}

/// The command encodes to these bytes, and these bytes are read as it.
fn check<C: TypedCommand + PartialEq + core::fmt::Debug>(command: &C, bytes: &[u8]) {
    let encoded = command.to_command();
    assert_eq!(encoded.encode_short().unwrap().as_slice(), bytes);
    let read = Command::decode(bytes).unwrap();
    assert_eq!(C::from_command(&read).as_ref(), Ok(command));
}

/// The status word that a card answers these bytes with.
fn refusal(bytes: &[u8]) -> u16 {
    let command = Command::decode(bytes).unwrap();
    let error = PivCommand::from_command(&command).unwrap_err();
    error.status_word().get()
}

#[test]
fn select() {
    check(
        &Select::piv(),
        &hex!("00A40400 0B A000000308000010000100 00"),
    );
    check(
        &Select::new(Aid::new(piv_apdu::aid::PIV_TRUNCATED).unwrap()),
        &hex!("00A40400 09 A00000030800001000 00"),
    );
    // The card's default application: no AID at all.
    check(&Select::new(Aid::new(&[]).unwrap()), &hex!("00A40400 00"));
    assert_eq!(refusal(&hex!("00A40000 02 3F00")), 0x6A86);
    assert_eq!(
        refusal(&hex!("00A40400 11 0102030405060708091011121314151617")),
        0x6700
    );
}

#[test]
fn select_answer_of_a_crescendo() {
    let label = "HID Global ActivID Applet 3.0.3";
    let data = [
        &hex!("61 37 4F 0B A000000308000010000100 79 07 4F 05 A000000308 50 1F")[..],
        label.as_bytes(),
    ]
    .concat();
    let properties = Select::decode_answer(&success(&data)).unwrap();
    assert_eq!(properties.aid, Some(Aid::piv()));
    assert_eq!(properties.authority, Aid::new(&hex!("A000000308")));
    assert_eq!(properties.label.as_deref(), Some(label));
    assert_eq!(properties.url, None);
    assert_eq!(properties.algorithms, []);
    assert_eq!(properties.encode(), data);
}

#[test]
fn select_answer_that_announces_secure_messaging() {
    let data = hex!("61 16 4F 06 000010000100 79 07 4F 05 A000000308 AC 03 80 01 27");
    let properties = ApplicationProperties::decode(&data).unwrap();
    assert_eq!(properties.aid, Aid::new(&hex!("000010000100")));
    assert_eq!(properties.algorithms, [Algorithm::Cs2]);
    let encoded = properties.encode();
    assert!(encoded.ends_with(&hex!("AC 06 80 01 27 06 01 00")));
}

#[test]
fn select_answer_in_other_shapes() {
    // A file control information template, as the ISD and the ACA answer.
    let fci = hex!("6F 12 84 07 A0000000791000 A5 07 0105 10 03000301");
    let properties = ApplicationProperties::decode(&fci).unwrap();
    assert_eq!(properties.aid, Aid::new(&hex!("A0000000791000")));
    assert_eq!(properties.label, None);
    let labelled = ApplicationProperties::decode(&hex!("6F 08 8401A0 A503 500141")).unwrap();
    assert_eq!(labelled.label.as_deref(), Some("A"));
    // What is proprietary may be anything.
    let proprietary = ApplicationProperties::decode(&hex!("6F 07 500141 A502 5FFF"));
    assert_eq!(proprietary.unwrap().label.as_deref(), Some("A"));

    assert_eq!(
        Select::decode_answer(&success(&[])),
        Ok(ApplicationProperties::default())
    );
    assert_eq!(
        Select::decode_answer(&success(&hex!("53 00"))),
        Err(AnswerError::Malformed(TemplateError::Missing {
            tag: Tag::new(0x61)
        }))
    );
    let long = [&hex!("61 13 4F 11")[..], &[0xA0; 17]].concat();
    assert_eq!(
        ApplicationProperties::decode(&long),
        Err(TemplateError::Length {
            tag: Tag::new(0x4F),
            length: 17
        })
    );
    assert_eq!(
        Select::decode_answer(&Response::from_status(StatusWord::FILE_NOT_FOUND)),
        Err(AnswerError::Status(StatusWord::FILE_NOT_FOUND))
    );
}

#[test]
fn get_data() {
    check(
        &GetData::new(ObjectTag::CHUID),
        &hex!("00CB3FFF 05 5C035FC102 00"),
    );
    check(
        &GetData::new(ObjectTag::DISCOVERY),
        &hex!("00CB3FFF 03 5C017E 00"),
    );
    check(
        &GetData::new(ObjectTag::BIT_GROUP),
        &hex!("00CB3FFF 04 5C027F61 00"),
    );
    // The Crescendo's properties: a tag that is not the standard's.
    check(
        &GetData::new(ObjectTag::new(0xFF_FF7F)),
        &hex!("00CB3FFF 05 5C03FFFF7F 00"),
    );
    assert_eq!(refusal(&hex!("00CB0000 05 5C035FC102 00")), 0x6A86);
    assert_eq!(refusal(&hex!("00CB3FFF 00")), 0x6700);
    assert_eq!(refusal(&hex!("00CB3FFF 02 5C03 00")), 0x6A80);
    assert_eq!(refusal(&hex!("00CB3FFF 04 5C025FC1 00")), 0x6A80);
    assert_eq!(refusal(&hex!("00CB3FFF 02 5300 00")), 0x6A80);
}

#[test]
fn get_data_answers() {
    let content =
        |data: &[u8]| GetData::decode_answer(&success(data)).map(|content| content.to_vec());
    assert_eq!(content(&hex!("53 03 700101")), Ok(hex!("700101").to_vec()));
    assert_eq!(
        content(&hex!("53 8103 700101")),
        Ok(hex!("700101").to_vec())
    );
    assert_eq!(content(&hex!("53 00")), Ok(vec![]));
    assert_eq!(content(&hex!("7E 02 4F00")), Ok(hex!("4F00").to_vec()));
    assert_eq!(
        content(&hex!("7F61 03 020101")),
        Ok(hex!("020101").to_vec())
    );
    assert!(matches!(
        content(&hex!("54 00")),
        Err(AnswerError::Malformed(_))
    ));
    assert!(matches!(
        content(&hex!("53 04 7001")),
        Err(AnswerError::Malformed(_))
    ));
    assert!(matches!(content(&[]), Err(AnswerError::Malformed(_))));
    assert_eq!(
        GetData::decode_answer(&Response::new(&hex!("5300"), StatusWord::new(0x6105))),
        Err(AnswerError::Status(StatusWord::new(0x6105)))
    );
    assert_eq!(
        *GetData::encode_answer(ObjectTag::CHUID, &[1]),
        hex!("53 01 01")
    );
    assert_eq!(
        *GetData::encode_answer(ObjectTag::DISCOVERY, &[1]),
        hex!("7E 01 01")
    );
}

#[test]
fn put_data() {
    check(
        &PutData::new(ObjectTag::CHUID, &hex!("3E00FE00")),
        &hex!("00DB3FFF 0B 5C035FC102 5304 3E00FE00"),
    );
    check(
        &PutData::new(ObjectTag::CHUID, &[]),
        &hex!("00DB3FFF 07 5C035FC102 5300"),
    );
    // Discovery object and BIT group go bare.
    check(
        &PutData::new(ObjectTag::DISCOVERY, &[1]),
        &hex!("00DB3FFF 03 7E0101"),
    );
    check(
        &PutData::new(ObjectTag::BIT_GROUP, &[1]),
        &hex!("00DB3FFF 04 7F610101"),
    );
    // Some hosts wrap the discovery object all the same.
    for lax in [
        &hex!("00DB3FFF 06 5C017E 530101")[..],
        &hex!("00DB3FFF 06 5C017E 7E0101"),
    ] {
        let read = PutData::from_command(&Command::decode(lax).unwrap());
        assert_eq!(read, Ok(PutData::new(ObjectTag::DISCOVERY, &[1])));
    }
    assert_eq!(refusal(&hex!("00DB0000 07 5C035FC102 5300")), 0x6A86);
    assert_eq!(refusal(&hex!("00DB3FFF")), 0x6700);
    assert_eq!(refusal(&hex!("00DB3FFF 05 5C035FC102")), 0x6A80);
    assert_eq!(refusal(&hex!("00DB3FFF 02 5300")), 0x6A80);
    assert_eq!(refusal(&hex!("00DB3FFF 07 5C035FC102 7000")), 0x6A80);
    let secret = PutData::new(ObjectTag::PAIRING_CODE, b"31415926");
    assert_eq!(format!("{secret:?}"), "PutData(5FC123, 8 bytes)");
}

#[test]
fn verify() {
    check(
        &Verify::check(KeyReference::PIV_PIN, pin("123456")),
        &hex!("00200080 08 313233343536FFFF"),
    );
    check(
        &Verify::check(KeyReference::GLOBAL_PIN, pin("12345678")),
        &hex!("00200000 08 3132333435363738"),
    );
    let code = PairingCode::new(b"87654321").unwrap();
    check(
        &Verify::check(KeyReference::PAIRING_CODE, code.block()),
        &hex!("00200098 08 3837363534333231"),
    );
    check(&Verify::query(KeyReference::PIV_PIN), &hex!("00200080"));
    check(&Verify::logout(KeyReference::PIV_PIN), &hex!("0020FF80"));
    check(&PinQuery::new(KeyReference::PIV_PIN), &hex!("00200080"));
    assert_eq!(refusal(&hex!("00200180")), 0x6A86);
    assert_eq!(refusal(&hex!("00200080 06 313233343536")), 0x6A80);
    assert_eq!(refusal(&hex!("0020FF80 08 313233343536FFFF")), 0x6700);
    let checking = Command::decode(&hex!("00200080 08 313233343536FFFF")).unwrap();
    assert!(PinQuery::from_command(&checking).is_err());
    assert!(!format!("{:?}", Verify::check(KeyReference::PIV_PIN, pin("123456"))).contains("31"));
}

#[test]
fn a_pins_state_is_never_mistaken() {
    for (status, state) in [
        (0x9000, Ok(PinStatus::AlreadyVerified)),
        (0x63C3, Ok(PinStatus::TriesLeft(3))),
        (0x63CF, Ok(PinStatus::TriesLeft(15))),
        (0x63C0, Ok(PinStatus::Blocked)),
        (0x6983, Ok(PinStatus::Blocked)),
        (0x6A88, Ok(PinStatus::NotSupported)),
        (0x6300, Err(StatusWord::new(0x6300))),
        (0x6D00, Err(StatusWord::new(0x6D00))),
        (0x6700, Err(StatusWord::new(0x6700))),
    ] {
        let response = Response::from_status(StatusWord::new(status));
        let expected = state.map_err(AnswerError::Status);
        assert_eq!(PinQuery::decode_answer(&response), expected, "{status:04X}");
        if let Ok(state) = state {
            assert_eq!(PinStatus::from_query(state.to_status_word()), Ok(state));
        }
    }
    let wrong = Response::from_status(StatusWord::new(0x63C2));
    let error = Verify::decode_answer(&wrong).unwrap_err();
    assert_eq!(error.status().and_then(StatusWord::tries_left), Some(2));
    assert_eq!(
        error.to_string(),
        "the card answered 63C2 (not verified; 2 tries left)"
    );
}

#[test]
fn change_reference_data() {
    check(
        &ChangeReferenceData {
            reference: KeyReference::PIV_PIN,
            old: pin("123456"),
            new: pin("654321"),
        },
        &hex!("00240080 10 313233343536FFFF 363534333231FFFF"),
    );
    check(
        &ChangeReferenceData {
            reference: KeyReference::PUK,
            old: puk(b"12345678"),
            new: puk(&[0xFF; 8]),
        },
        &hex!("00240081 10 3132333435363738 FFFFFFFFFFFFFFFF"),
    );
    assert_eq!(
        refusal(&hex!("00240180 10 313233343536FFFF363534333231FFFF")),
        0x6A86
    );
    assert_eq!(
        refusal(&hex!("00240080 0F 313233343536FFFF363534333231FF")),
        0x6A80
    );
    assert_eq!(refusal(&hex!("00240080")), 0x6A80);
}

#[test]
fn reset_retry_counter() {
    check(
        &ResetRetryCounter {
            reference: KeyReference::PIV_PIN,
            puk: puk(b"12345678"),
            new: pin("123456"),
        },
        &hex!("002C0080 10 3132333435363738 313233343536FFFF"),
    );
    assert_eq!(
        refusal(&hex!("002C0180 10 3132333435363738313233343536FFFF")),
        0x6A86
    );
    assert_eq!(refusal(&hex!("002C0080 08 3132333435363738")), 0x6A80);
}

fn authenticate(
    algorithm: Algorithm,
    key: KeyReference,
    template: DynamicAuthenticationTemplate,
) -> GeneralAuthenticate {
    GeneralAuthenticate {
        algorithm,
        key,
        template,
    }
}

#[test]
fn general_authenticate() {
    check(
        &authenticate(
            Algorithm::EccP256,
            KeyReference::DIGITAL_SIGNATURE,
            DynamicAuthenticationTemplate::internal_authenticate(&[0xAB; 4]),
        ),
        &hex!("0087119C 0A 7C08 8200 8104ABABABAB 00"),
    );
    check(
        &authenticate(
            Algorithm::EccP256,
            KeyReference::KEY_MANAGEMENT,
            DynamicAuthenticationTemplate::key_agreement(&hex!("04 AA BB")),
        ),
        &hex!("0087119D 09 7C07 8200 850304AABB 00"),
    );
    check(
        &authenticate(
            Algorithm::Aes128,
            KeyReference::CARD_MANAGEMENT,
            DynamicAuthenticationTemplate::request_challenge(),
        ),
        &hex!("0087089B 04 7C02 8100 00"),
    );
    check(
        &authenticate(
            Algorithm::TripleDes,
            KeyReference::CARD_MANAGEMENT,
            DynamicAuthenticationTemplate::request_witness(),
        ),
        &hex!("0087039B 04 7C02 8000 00"),
    );
    // The second step of mutual authentication, as many hosts send it and as
    // the standard's example has it (A.2, table 23).
    let witness_and_challenge = || {
        DynamicAuthenticationTemplate::default()
            .with_witness(&[1; 8])
            .with_challenge(&[2; 8])
    };
    let second_step = |template| {
        authenticate(
            Algorithm::TripleDes,
            KeyReference::CARD_MANAGEMENT,
            template,
        )
    };
    check(
        &second_step(witness_and_challenge()),
        &hex!("0087039B 16 7C14 80080101010101010101 81080202020202020202 00"),
    );
    check(
        &second_step(witness_and_challenge().asking_for_response()),
        &hex!("0087039B 18 7C16 80080101010101010101 81080202020202020202 8200 00"),
    );
    // Key establishment asks last, too.
    check(
        &authenticate(
            Algorithm::Cs2,
            KeyReference::SECURE_MESSAGING,
            DynamicAuthenticationTemplate::default()
                .with_challenge(&[0xAA; 2])
                .asking_for_response(),
        ),
        &hex!("00872704 08 7C06 8102AAAA 8200 00"),
    );
    assert_eq!(refusal(&hex!("0087119C 00")), 0x6700);
    assert_eq!(refusal(&hex!("0087119C 02 7C01 00")), 0x6A80);
    assert_eq!(refusal(&hex!("0087119C 02 8200 00")), 0x6A80);
}

#[test]
fn general_authenticate_answers() {
    let signature = GeneralAuthenticate::decode_answer(&success(&hex!("7C04 8202 CAFE"))).unwrap();
    assert_eq!(signature.response.unwrap().as_slice(), hex!("CAFE"));
    assert_eq!(signature.challenge, None);
    // External authentication ends without data.
    assert_eq!(
        GeneralAuthenticate::decode_answer(&success(&[])),
        Ok(DynamicAuthenticationTemplate::default())
    );
    let response = DynamicAuthenticationTemplate::default().with_response(&hex!("CAFE"));
    assert_eq!(*response.encode(), hex!("7C04 8202 CAFE"));
    assert_eq!(
        format!("{response:?}"),
        "DynamicAuthenticationTemplate { witness_len: None, challenge_len: None, \
         response_len: Some(2), exponentiation_len: None }"
    );
}

#[test]
fn an_rsa_signature_command_is_longer_than_a_short_apdu() {
    let sign = authenticate(
        Algorithm::Rsa2048,
        KeyReference::PIV_AUTHENTICATION,
        DynamicAuthenticationTemplate::internal_authenticate(&[0x55; 256]),
    );
    let command = sign.to_command();
    assert_eq!(&command.data()[..10], hex!("7C820106 8200 81820100"));
    assert_eq!(command.data().len(), 266);
    assert!(command.encode_short().is_err());
    assert_eq!(GeneralAuthenticate::from_command(&command), Ok(sign));
}

#[test]
fn generate_asymmetric() {
    check(
        &GenerateAsymmetric::new(KeyReference::PIV_AUTHENTICATION, Algorithm::EccP256),
        &hex!("0047009A 05 AC03 800111 00"),
    );
    check(
        &GenerateAsymmetric {
            parameters: Some(hex!("010001").to_vec()),
            ..GenerateAsymmetric::new(KeyReference::KEY_MANAGEMENT, Algorithm::Rsa2048)
        },
        &hex!("0047009D 0A AC08 800107 8103010001 00"),
    );
    assert_eq!(refusal(&hex!("0047019A 05 AC03 800111 00")), 0x6A86);
    assert_eq!(refusal(&hex!("0047009A 00")), 0x6700);
    assert_eq!(refusal(&hex!("0047009A 02 AC00 00")), 0x6A80);
    assert_eq!(refusal(&hex!("0047009A 06 AC04 80021111 00")), 0x6A80);
}

#[test]
fn public_keys() {
    let ecc = PublicKey::Ecc {
        point: hex!("04AABB").to_vec(),
    };
    assert_eq!(ecc.encode(), hex!("7F49 05 8603 04AABB"));
    let rsa = PublicKey::Rsa {
        modulus: hex!("C0FFEE").to_vec(),
        exponent: hex!("010001").to_vec(),
    };
    assert_eq!(rsa.encode(), hex!("7F49 0A 8103C0FFEE 8203010001"));
    let decoded = GenerateAsymmetric::decode_answer(&success(&rsa.encode()));
    assert_eq!(decoded, Ok(rsa));
    for wrong in [
        &hex!("7F49 00")[..],
        &hex!("7F49 05 8103C0FFEE")[..],
        &hex!("7F49 02 8600")[..],
        &hex!("53 00")[..],
        &[],
    ] {
        assert!(PublicKey::decode(wrong).is_err());
    }
}

#[test]
fn other_classes_and_instructions() {
    let class = |cla| refusal(&[cla, 0xCB, 0x3F, 0xFF, 3, 0x5C, 1, 0x7E]);
    assert_eq!(class(0x80), 0x6E00);
    assert_eq!(class(0x0C), 0x6E00);
    assert_eq!(class(0x10), 0x6E00); // chaining is undone before
    assert_eq!(refusal(&hex!("00FD0000")), 0x6D00);
    assert_eq!(refusal(&hex!("00C00000 00")), 0x6D00);
    assert_eq!(
        GetData::from_command(&Command::new(0, 0xDB, 0x3F, 0xFF)),
        Err(CommandError::Instruction(0xDB))
    );
}

proptest! {
    #[test]
    fn every_command_is_read_back(command in any::piv_command()) {
        let apdu = command.to_command();
        prop_assert_eq!(PivCommand::from_command(&apdu).unwrap(), command);
        let bytes = apdu.encode_extended().unwrap();
        prop_assert_eq!(Command::decode(&bytes).unwrap(), apdu);
    }

    #[test]
    fn application_properties_round_trip(properties in any::properties()) {
        prop_assert_eq!(ApplicationProperties::decode(&properties.encode()).unwrap(), properties);
    }

    #[test]
    fn templates_round_trip(template in any::template()) {
        prop_assert_eq!(DynamicAuthenticationTemplate::decode(&template.encode()).unwrap(), template);
    }

    #[test]
    fn public_keys_round_trip(key in any::public_key()) {
        prop_assert_eq!(PublicKey::decode(&key.encode()).unwrap(), key);
    }

    #[test]
    fn get_data_answers_round_trip(tag in any::object_tag(), content in any::bytes(400)) {
        let answer = GetData::encode_answer(tag, &content);
        prop_assert_eq!(&*GetData::decode_answer(&success(&answer)).unwrap(), &content);
    }
}
