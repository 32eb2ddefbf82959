//! The PIV data objects.

use core::fmt::Debug;

use hex_literal::hex;
use piv_apdu::aid::Aid;
use piv_apdu::apdu::Response;
use piv_apdu::command::{GetData, TypedCommand};
use piv_apdu::object::{
    CardCapabilityContainer, Chuid, DataGroup, DataObject, Date, Discovery, FascN, FascNError,
    FascNFields, Guid, KeyHistory, ObjectError, PairingCodeObject, PinUsagePolicy,
    PrintedInformation, SecurityObject,
};
use piv_apdu::secret::PairingCode;
use piv_apdu::status::StatusWord;
use piv_apdu::tlv::{Tag, TemplateError};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::any;

/// The value encodes to these bytes, and these bytes are read as it.
fn check<T: DataObject + PartialEq + Debug>(value: &T, content: &[u8]) {
    assert_eq!(value.encode().as_slice(), content);
    assert_eq!(T::decode(content).as_ref(), Ok(value));
}

fn missing<T: DataObject + Debug>(content: &[u8], tag: u32) {
    let tag = Tag::new(tag);
    assert_eq!(
        T::decode(content).unwrap_err(),
        ObjectError::Template(TemplateError::Missing { tag })
    );
}

fn wrong_length<T: DataObject + Debug>(content: &[u8], tag: u32, length: usize) {
    let tag = Tag::new(tag);
    assert_eq!(
        T::decode(content).unwrap_err(),
        ObjectError::Template(TemplateError::Length { tag, length })
    );
}

#[test]
fn chuid_as_yubicos_tools_write_it() {
    let content = hex!(
        "3019 D4E739DA739CED39CE739D836858210842108421C84210C3EB"
        "3410 00112233445566778899AABBCCDDEEFF"
        "3508 3230333030313031"
        "3E00 FE00"
    );
    let chuid = Chuid::decode(&content).unwrap();
    assert_eq!(
        chuid.guid.to_string(),
        "00112233-4455-6677-8899-aabbccddeeff"
    );
    assert_eq!(chuid.expiry, Date::new(2030, 1, 1));
    assert_eq!(chuid.cardholder_uuid, None);
    let fields = chuid.fasc_n.unwrap().fields().unwrap();
    assert_eq!(
        (fields.agency, fields.system, fields.credential),
        (9999, 9999, 999_999)
    );
    check(&chuid, &content);

    // The whole way from a response.
    let answer = GetData::encode_answer(Chuid::TAG, &content);
    let response = Response::from_owned(answer, StatusWord::SUCCESS);
    let read = GetData::decode_answer(&response).unwrap();
    assert_eq!(Chuid::decode(&read), Ok(chuid));
}

#[test]
fn chuid_with_everything() {
    let chuid = Chuid {
        fasc_n: Some(FascN([0x11; 25])),
        guid: Guid([0x22; 16]),
        expiry: Date::new(2032, 2, 29),
        cardholder_uuid: Some(Guid([0x33; 16])),
        signature: vec![0x44; 300],
        other: vec![(Tag::new(0x32), b"0001".to_vec())],
    };
    let content = [
        &hex!("3019")[..],
        &[0x11; 25],
        &hex!("3204 30303031 3410"),
        &[0x22; 16],
        &hex!("3508 3230333230323239 3610"),
        &[0x33; 16],
        &hex!("3E82012C"),
        &[0x44; 300],
        &hex!("FE00"),
    ]
    .concat();
    check(&chuid, &content);
}

#[test]
fn chuid_refused() {
    missing::<Chuid>(&[], 0x34);
    missing::<Chuid>(&hex!("3E00FE00"), 0x34);
    wrong_length::<Chuid>(&hex!("3402 0102"), 0x34, 2);
    wrong_length::<Chuid>(&hex!("3001 01"), 0x30, 1);
    let with_expiry = |expiry: &[u8]| {
        let length = u8::try_from(expiry.len()).unwrap();
        [&hex!("3410")[..], &[0; 16], &[0x35, length], expiry].concat()
    };
    assert!(Chuid::decode(&with_expiry(b"20301231")).is_ok());
    assert_eq!(Chuid::decode(&with_expiry(b"")).unwrap().expiry, None);
    wrong_length::<Chuid>(&with_expiry(b"2030123"), 0x35, 7);
    for no_date in [b"20301301", b"20300230", b"2030 101", b"\xFF0301231"] {
        assert!(Chuid::decode(&with_expiry(no_date)).is_err(), "{no_date:?}");
    }
}

#[test]
fn dates() {
    assert_eq!(Date::new(2030, 12, 31).unwrap().to_string(), "2030-12-31");
    assert!(Date::new(2032, 2, 29).is_some() && Date::new(2000, 2, 29).is_some());
    for (year, month, day) in [
        (2031, 2, 29),
        (2100, 2, 29),
        (2030, 0, 1),
        (2030, 13, 1),
        (2030, 1, 0),
        (2030, 4, 31),
        (10_000, 1, 1),
    ] {
        assert_eq!(Date::new(year, month, day), None);
    }
    assert!(Date::new(2030, 1, 31) < Date::new(2030, 2, 1));
}

/// The example of the Technical Implementation Guidance.
#[test]
fn fasc_n_of_the_guidance() {
    let fasc_n = FascN(hex!("D0439458210C2C19A0846D83685A1082108CE73984108CA3FC"));
    let fields = fasc_n.fields().unwrap();
    assert_eq!(
        fields,
        FascNFields {
            agency: 32,
            system: 1,
            credential: 92_446,
            series: 0,
            issue: 1,
            person: 1_112_223_333,
            category: 1,
            organization: 1223,
            association: 2,
        }
    );
    assert_eq!(
        fields.to_string(),
        "0032-0001-092446-0-1-1112223333-1-1223-2"
    );
    assert_eq!(FascN::from_fields(&fields), Some(fasc_n));
}

#[test]
fn fasc_n_refused() {
    let good = hex!("D0439458210C2C19A0846D83685A1082108CE73984108CA3FC");
    // Every single flipped bit breaks a parity.
    for bit in 0..200 {
        let mut bad = good;
        bad[bit / 8] ^= 0x80 >> (bit % 8);
        let position = bit / 5;
        assert_eq!(FascN(bad).fields(), Err(FascNError::Parity { position }));
    }
    assert_eq!(
        FascN([0; 25]).fields(),
        Err(FascNError::Parity { position: 0 })
    );
    // Two flipped bits within a character keep its parity and break the check.
    let mut bad = good;
    bad[1] ^= 0x30;
    assert_eq!(FascN(bad).fields(), Err(FascNError::Checksum));
    // Two flips that the check does not see put a wrong character somewhere.
    let mut bad = good;
    bad[0] ^= 0b1100_0000; // character 0, bits 0 and 1
    bad[0] ^= 0b0000_0110; // character 1, bits 0 and 1
    assert_eq!(
        FascN(bad).fields(),
        Err(FascNError::Character { position: 0 })
    );

    let too_large = FascNFields {
        agency: 10_000,
        ..FascNFields::default()
    };
    assert_eq!(FascN::from_fields(&too_large), None);
}

#[test]
fn card_capability_container_as_yubicos_tools_write_it() {
    let content = hex!(
        "F015 A000000116FF02 0102030405060708090A0B0C0D0E"
        "F10121 F20121 F300 F40100 F50110 F600 F700 FA00 FB00 FC00 FD00 FE00"
    );
    let identifier = hex!("A000000116FF02 0102030405060708090A0B0C0D0E");
    check(&CardCapabilityContainer::piv(&identifier), &content);
}

#[test]
fn card_capability_container_in_other_shapes() {
    let ccc =
        CardCapabilityContainer::decode(&hex!("F000 F100 F20122 F30101 F30102 99 00")).unwrap();
    assert_eq!(ccc.container_version, None);
    assert_eq!(ccc.grammar_version, Some(0x22));
    assert_eq!(ccc.application_urls, [[1], [2]]);
    assert_eq!(
        CardCapabilityContainer::decode(&[]),
        Ok(CardCapabilityContainer::default())
    );
    wrong_length::<CardCapabilityContainer>(&hex!("F1022121"), 0xF1, 2);
}

#[test]
fn discovery() {
    let discovery = Discovery {
        aid: Aid::piv(),
        pin_usage: PinUsagePolicy(0x4000),
    };
    check(&discovery, &hex!("4F0B A000000308000010000100 5F2F02 4000"));
    let answer = GetData::encode_answer(Discovery::TAG, &discovery.encode());
    assert_eq!(
        *answer,
        hex!("7E12 4F0B A000000308000010000100 5F2F02 4000")
    );
    missing::<Discovery>(&hex!("5F2F02 4000"), 0x4F);
    missing::<Discovery>(&hex!("4F00"), 0x5F2F);
    wrong_length::<Discovery>(&hex!("4F00 5F2F01 40"), 0x5F2F, 1);
}

#[test]
fn pin_usage_policy() {
    let policy = PinUsagePolicy(0x4000);
    assert!(policy.piv_pin());
    assert!(!policy.global_pin() && !policy.occ() && !policy.vci());
    assert!(!policy.vci_without_pairing_code() && !policy.global_preferred());

    assert!(PinUsagePolicy(0x6020).global_preferred());
    assert!(!PinUsagePolicy(0x6010).global_preferred());
    // The second byte says nothing where there is no global PIN.
    assert!(!PinUsagePolicy(0x4020).global_preferred());

    let vci = PinUsagePolicy(0x4C00);
    assert!(vci.vci() && vci.vci_without_pairing_code());
    let with_code = PinUsagePolicy(0x5800);
    assert!(with_code.occ() && with_code.vci() && !with_code.vci_without_pairing_code());
}

#[test]
fn key_history() {
    let history = KeyHistory {
        on_card: 2,
        off_card: 1,
        url: Some("http://x".into()),
    };
    check(&history, &hex!("C10102 C20101 F308 687474703A2F2F78 FE00"));
    missing::<KeyHistory>(&hex!("C20101"), 0xC1);
    missing::<KeyHistory>(&hex!("C10101"), 0xC2);
    wrong_length::<KeyHistory>(&hex!("C100 C20101"), 0xC1, 0);
}

#[test]
fn printed_information() {
    let printed = PrintedInformation {
        name: "DOE, JANE".into(),
        employee_affiliation: "EMPLOYEE".into(),
        expiration_date: "2030DEC31".into(),
        agency_card_serial_number: "42".into(),
        issuer_identification: "ISSUER".into(),
        ..PrintedInformation::default()
    };
    let content = [
        &hex!("0109")[..],
        b"DOE, JANE",
        &hex!("0208"),
        b"EMPLOYEE",
        &hex!("0409"),
        b"2030DEC31",
        &hex!("0502"),
        b"42",
        &hex!("0606"),
        b"ISSUER",
        &hex!("FE00"),
    ]
    .concat();
    check(&printed, &content);
    assert_eq!(format!("{printed:?}"), "PrintedInformation(..)");
    // A management key that a host hid here is dropped.
    let hidden = PrintedInformation::decode(&hex!("8803 890101")).unwrap();
    assert_eq!(hidden, PrintedInformation::default());
    let not_utf8 = PrintedInformation::decode(&hex!("0102 41FF")).unwrap();
    assert_eq!(not_utf8.name, "A\u{FFFD}");
}

#[test]
fn security_object() {
    let object = SecurityObject {
        mapping: vec![
            DataGroup {
                number: 1,
                container: 0x3000,
            },
            DataGroup {
                number: 2,
                container: 0x3001,
            },
        ],
        signed: vec![0x30, 0x00],
    };
    check(&object, &hex!("BA06 013000 023001 BB02 3000 FE00"));
    wrong_length::<SecurityObject>(&hex!("BA04 01300002 BB00"), 0xBA, 4);
    missing::<SecurityObject>(&hex!("BA00"), 0xBB);
}

#[test]
fn pairing_code() {
    let object = PairingCodeObject {
        code: PairingCode::new(b"87654321").unwrap(),
    };
    let answer = GetData::encode_answer(PairingCodeObject::TAG, &object.encode());
    assert_eq!(*answer, hex!("530C 9908 3837363534333231 FE00"));
    check(&object, &hex!("9908 3837363534333231 FE00"));
    assert!(!format!("{object:?}").contains('8'));
    missing::<PairingCodeObject>(&hex!("FE00"), 0x99);
    wrong_length::<PairingCodeObject>(&hex!("9901 31"), 0x99, 1);
    assert!(PairingCodeObject::decode(&hex!("9908 38373635343332FF")).is_err());
}

fn date() -> impl Strategy<Value = Date> {
    (0..=9999_u16, 1..=12_u8, 1..=28_u8)
        .prop_map(|(year, month, day)| Date::new(year, month, day).unwrap())
}

fn chuid() -> impl Strategy<Value = Chuid> {
    let other = (any::tag(), any::bytes(20)).prop_filter("a field of its own", |(tag, _)| {
        ![0x30, 0x34, 0x35, 0x36, 0x3E, 0xFE].contains(&tag.get())
    });
    (
        option::of(any::<[u8; 25]>().prop_map(FascN)),
        any::<[u8; 16]>().prop_map(Guid),
        option::of(date()),
        option::of(any::<[u8; 16]>().prop_map(Guid)),
        any::bytes(400),
        vec(other, 0..3),
    )
        .prop_map(
            |(fasc_n, guid, expiry, cardholder_uuid, signature, other)| Chuid {
                fasc_n,
                guid,
                expiry,
                cardholder_uuid,
                signature,
                other,
            },
        )
}

fn ccc() -> impl Strategy<Value = CardCapabilityContainer> {
    let urls = vec(vec(any::<u8>(), 1..40), 0..3);
    let byte = || option::of(any::<u8>());
    (
        (any::bytes(21), byte(), byte(), urls, byte(), byte()),
        (
            any::bytes(17),
            any::bytes(8),
            any::bytes(8),
            any::bytes(8),
            any::bytes(8),
            any::bytes(8),
        ),
    )
        .prop_map(|(first, second)| CardCapabilityContainer {
            card_identifier: first.0,
            container_version: first.1,
            grammar_version: first.2,
            application_urls: first.3,
            pkcs15: first.4,
            data_model: first.5,
            access_control_rules: second.0,
            card_apdus: second.1,
            redirection: second.2,
            capability_tuples: second.3,
            status_tuples: second.4,
            next: second.5,
        })
}

fn printed() -> impl Strategy<Value = PrintedInformation> {
    let text = || ".{0,30}";
    (text(), text(), text(), text(), text(), text(), text()).prop_map(|text| PrintedInformation {
        name: text.0,
        employee_affiliation: text.1,
        expiration_date: text.2,
        agency_card_serial_number: text.3,
        issuer_identification: text.4,
        organization_affiliation_1: text.5,
        organization_affiliation_2: text.6,
    })
}

fn fasc_n_fields() -> impl Strategy<Value = FascNFields> {
    (
        0..10_000_u16,
        0..10_000_u16,
        0..1_000_000_u32,
        0..10_u8,
        0..10_u8,
        0..10_000_000_000_u64,
        0..10_u8,
        0..10_000_u16,
        0..10_u8,
    )
        .prop_map(|numbers| FascNFields {
            agency: numbers.0,
            system: numbers.1,
            credential: numbers.2,
            series: numbers.3,
            issue: numbers.4,
            person: numbers.5,
            category: numbers.6,
            organization: numbers.7,
            association: numbers.8,
        })
}

proptest! {
    #[test]
    fn chuid_round_trip(chuid in chuid()) {
        prop_assert_eq!(Chuid::decode(&chuid.encode()).unwrap(), chuid);
    }

    #[test]
    fn ccc_round_trip(ccc in ccc()) {
        prop_assert_eq!(CardCapabilityContainer::decode(&ccc.encode()).unwrap(), ccc);
    }

    #[test]
    fn discovery_round_trip(aid in any::aid(), policy in any::<u16>()) {
        let discovery = Discovery { aid, pin_usage: PinUsagePolicy(policy) };
        prop_assert_eq!(Discovery::decode(&discovery.encode()).unwrap(), discovery);
    }

    #[test]
    fn key_history_round_trip(on_card: u8, off_card: u8, url in option::of(".{1,40}")) {
        let history = KeyHistory { on_card, off_card, url };
        prop_assert_eq!(KeyHistory::decode(&history.encode()).unwrap(), history);
    }

    #[test]
    fn printed_information_round_trip(printed in printed()) {
        prop_assert_eq!(PrintedInformation::decode(&printed.encode()).unwrap(), printed);
    }

    #[test]
    fn security_object_round_trip(mapping in vec((any::<u8>(), any::<u16>()), 0..10), signed in any::bytes(600)) {
        let mapping = mapping.into_iter()
            .map(|(number, container)| DataGroup { number, container }).collect();
        let object = SecurityObject { mapping, signed };
        prop_assert_eq!(SecurityObject::decode(&object.encode()).unwrap(), object);
    }

    #[test]
    fn pairing_code_round_trip(digits in "[0-9]{8}") {
        let object = PairingCodeObject { code: PairingCode::new(digits.as_bytes()).unwrap() };
        prop_assert_eq!(PairingCodeObject::decode(&object.encode()).unwrap(), object);
    }

    #[test]
    fn fasc_n_round_trip(fields in fasc_n_fields()) {
        prop_assert_eq!(FascN::from_fields(&fields).unwrap().fields().unwrap(), fields);
    }
}
