//! What holds for any bytes and any values.
#![allow(clippy::unwrap_used)] // a test's way to fail

use crescendo_ext::AppletVersion;
use crescendo_ext::aca::{
    AcaSelectAnswer, ChangePin, ExternalAuthenticate, GetChallenge, GetPinProperties,
    PinProperties, PutXauthKey, ResetCard, SelectAca, UnlockPin, VerifyPin, XauthChallenge,
};
use crescendo_ext::cplc::{Cplc, GetCplc, SelectIsd};
use crescendo_ext::identity::{Family, Identity};
use crescendo_ext::oath::{HotpAuthenticate, OneTimePassword, SelectOathSlot, TotpAuthenticate};
use crescendo_ext::pki::RemovePkiKey;
use crescendo_ext::properties::{
    Field, GetPivProperties, Init, KeyAttributes, KeyBlock, ObjectBlock, PivProperties,
};
use crescendo_ext::xauth::{XauthAlgorithm, XauthCryptogram, XauthKey};
use piv_apdu::apdu::{Command, Response};
use piv_apdu::command::TypedCommand;
use piv_apdu::key::{Algorithm, KeyReference};
use piv_apdu::object::ObjectTag;
use piv_apdu::secret::PinBlock;
use piv_apdu::tlv::Tag;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

fn version() -> impl Strategy<Value = AppletVersion> {
    (any::<u8>(), vec(any::<u8>(), 1..=8))
        .prop_map(|(family, numbers)| AppletVersion { family, numbers })
}

/// Fields that are not understood, in the order in which they are written.
fn other() -> impl Strategy<Value = Vec<Field>> {
    let field = (
        select(&[0x26, 0x39, 0x3A, 0x3B, 0x40, 0x45, 0x4D, 0x5F2F][..]),
        vec(any::<u8>(), 0..60),
    )
        .prop_map(|(tag, value)| Field {
            tag: Tag::new(tag),
            value,
        });
    vec(field, 0..6).prop_map(|mut fields| {
        fields.sort_by_key(|field| field.tag > Tag::new(0x40));
        fields
    })
}

fn object() -> impl Strategy<Value = ObjectBlock> {
    (select(ObjectTag::ALL), any::<Option<u32>>(), other()).prop_map(|(tag, capacity, other)| {
        ObjectBlock {
            tag,
            capacity,
            other,
        }
    })
}

fn attributes() -> impl Strategy<Value = KeyAttributes> {
    (any::<[u8; 4]>(), any::<Option<u8>>()).prop_map(
        |([algorithm, key_length, private, public], purpose)| KeyAttributes {
            algorithm: Algorithm::from_u8(algorithm),
            key_length,
            private_init: Init::from_u8(private),
            public_init: Init::from_u8(public),
            purpose,
        },
    )
}

fn key() -> impl Strategy<Value = KeyBlock> {
    (
        any::<u8>().prop_map(KeyReference),
        option::of(select(ObjectTag::ALL)),
        option::of(attributes()),
        any::<Option<u32>>(),
        other(),
    )
        .prop_map(
            |(key, certificate_object, attributes, capacity, other)| KeyBlock {
                key,
                certificate_object,
                attributes,
                capacity,
                other,
            },
        )
}

prop_compose! {
    fn piv_properties()(
        version in version(),
        objects in vec(object(), 0..4),
        keys in vec(key(), 0..4),
        other in other(),
    ) -> PivProperties {
        PivProperties { version: Some(version), objects, keys, other, damaged: false }
    }
}

/// Bytes of which some look like an answer.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop_oneof![
        vec(any::<u8>(), 0..8),
        select(
            &[
                0x01, 0x31, 0x42, 0x43, 0x47, 0x48, 0x50, 0x51, 0x53, 0x6F, 0x84, 0xA5
            ][..]
        )
        .prop_flat_map(|tag| (0_u8..12).prop_map(move |length| vec![tag, length])),
        Just(vec![0x9F, 0x7F, 0x2A]),
    ];
    vec(fragment, 0..40).prop_map(|fragments| fragments.concat())
}

/// What a card reads of a command that a host has sent.
fn read<C: TypedCommand>(command: &C) -> C {
    let sent = command.to_command().encode_short().unwrap();
    C::from_command(&Command::decode(&sent).unwrap()).unwrap()
}

/// Commands of which some are nearly one of this crate's.
fn hostile_command() -> impl Strategy<Value = Command> {
    let header = select(
        &[
            [0x00, 0x20, 0x00, 0x00],
            [0x00, 0x24, 0x01, 0x00],
            [0x00, 0x84, 0x00, 0x01],
            [0x00, 0x82, 0x00, 0x01],
            [0x00, 0x2C, 0x02, 0x00],
            [0x00, 0xD8, 0x01, 0x00],
            [0x00, 0x38, 0x00, 0x00],
            [0x80, 0xD8, 0x03, 0x9A],
            [0x80, 0xD8, 0x11, 0x9C],
        ][..],
    );
    let data = prop_oneof![
        vec(any::<u8>(), 0..40),
        vec(any::<u8>(), 16..25).prop_map(|key| [&[0x00, 0x08, 0x11, 0x10][..], &key].concat()),
        vec(any::<u8>(), 24..27).prop_map(|key| [&[0x00, 0x03, 0x19, 0x18][..], &key].concat()),
    ];
    (header, data)
        .prop_map(|([cla, ins, p1, p2], data)| Command::new(cla, ins, p1, p2).with_data(&data))
}

proptest! {
    #[test]
    fn commands_that_change_a_token_round_trip(
        first: [u8; 8],
        second: [u8; 8],
        block: [u8; 16],
        long: [u8; 24],
        key: u8,
        algorithm: u8,
    ) {
        let (pin, new) = (PinBlock::from(first), PinBlock::from(second));
        let verify = VerifyPin { pin: pin.clone() };
        prop_assert_eq!(read(&verify), verify);
        let change = ChangePin { old: pin, new: new.clone() };
        prop_assert_eq!(read(&change), change);
        let unlock = UnlockPin { new };
        prop_assert_eq!(read(&unlock), unlock);
        for bytes in [&first[..], &block] {
            let cryptogram = XauthCryptogram::from_slice(bytes).unwrap();
            prop_assert_eq!(&XauthCryptogram::from_hex(&cryptogram.to_hex()).unwrap(), &cryptogram);
            let authenticate = ExternalAuthenticate { cryptogram };
            prop_assert_eq!(read(&authenticate), authenticate);
        }
        for bytes in [&block[..], &long] {
            let put = PutXauthKey { key: XauthKey::from_slice(bytes).unwrap() };
            prop_assert_eq!(read(&put), put);
        }
        for family in Family::ALL {
            prop_assert_eq!(read(&GetChallenge { family }), GetChallenge { family });
            let algorithm = Algorithm::from_u8(algorithm);
            if let Some(remove) = RemovePkiKey::new(family, KeyReference(key), algorithm) {
                prop_assert_eq!(read(&remove), remove);
            }
        }
        prop_assert_eq!(read(&ResetCard), ResetCard);
    }

    #[test]
    fn challenges_round_trip(bytes in prop_oneof![vec(any::<u8>(), 8), vec(any::<u8>(), 16)]) {
        let challenge = XauthChallenge::from_slice(&bytes).unwrap();
        prop_assert_eq!(challenge.as_bytes(), &bytes[..]);
        prop_assert_eq!(challenge.algorithm().block_length(), bytes.len());
        prop_assert_eq!(XauthChallenge::from_hex(&challenge.to_string()).unwrap(), challenge);
    }

    /// The key of the challenge's algorithm gives a response of its length, and
    /// the other gives none.
    #[test]
    fn a_response_is_as_long_as_the_challenge(key: [u8; 24], challenge: [u8; 16]) {
        for of_key in XauthAlgorithm::ALL {
            for of_challenge in XauthAlgorithm::ALL {
                let key = XauthKey::new(of_key, &key[..of_key.key_length()]).unwrap();
                let length = of_challenge.block_length();
                let challenge = XauthChallenge::from_slice(&challenge[..length]).unwrap();
                let response = key.cryptogram(&challenge).ok();
                let expected = (of_key == of_challenge).then_some(length);
                prop_assert_eq!(response.map(|response| response.as_bytes().len()), expected);
            }
        }
    }

    /// What a card reads is what would be sent for it, to the byte.
    #[test]
    fn what_was_read_is_what_is_sent(command in hostile_command()) {
        fn again<C: TypedCommand>(command: &Command) -> Option<Command> {
            C::from_command(command).ok().map(|read| read.to_command())
        }
        for sent in [
            again::<VerifyPin>(&command),
            again::<ChangePin>(&command),
            again::<ExternalAuthenticate>(&command),
            again::<UnlockPin>(&command),
            again::<PutXauthKey>(&command),
            again::<ResetCard>(&command),
            again::<RemovePkiKey>(&command),
        ]
        .into_iter()
        .flatten()
        {
            prop_assert_eq!(&sent, &command);
        }
        let _ = GetChallenge::from_command(&command);
    }

    #[test]
    fn piv_properties_round_trip(properties in piv_properties()) {
        prop_assert_eq!(PivProperties::decode(&properties.encode()), Ok(properties));
    }

    #[test]
    fn what_was_read_of_piv_properties_is_read_again(bytes in hostile()) {
        if let Ok(read) = PivProperties::decode(&bytes) {
            // Damage is not written again, unless in a block that is kept raw.
            let mut again = PivProperties::decode(&read.encode()).unwrap();
            again.damaged = read.damaged;
            prop_assert_eq!(again, read);
        }
    }

    #[test]
    fn aca_select_answers_round_trip(
        aid in option::of(vec(any::<u8>(), 0..=16)),
        applet in option::of(version()),
    ) {
        let answer = AcaSelectAnswer { aid, applet };
        prop_assert_eq!(AcaSelectAnswer::decode(&answer.encode()), Ok(answer));
    }

    #[test]
    fn pin_properties_round_trip(minimum: u8, maximum: u8, rfu: [u8; 2], numeric_only_raw: u8) {
        let properties = PinProperties { minimum, maximum, rfu, numeric_only_raw };
        prop_assert_eq!(PinProperties::decode(&properties.encode()), Ok(properties));
    }

    #[test]
    fn cplcs_round_trip(bytes in vec(any::<u8>(), 42)) {
        let cplc = Cplc { bytes: bytes.try_into().unwrap() };
        prop_assert_eq!(Cplc::decode(&cplc.encode()), Ok(cplc));
        prop_assert_eq!(cplc.serial().len(), 20);
    }

    #[test]
    fn one_time_passwords_round_trip(digits in "[0-9]{6}|[0-9]{8}") {
        let code = OneTimePassword::new(&digits).unwrap();
        let read = OneTimePassword::decode(&code.encode()).unwrap();
        prop_assert_eq!(read.digits(), digits);
        prop_assert_eq!(read, code);
    }

    /// What is read is what was sent, and nothing else is read.
    #[test]
    fn one_time_passwords_are_decimal(bytes in vec(any::<u8>(), 0..6)) {
        let decimal = bytes.iter().all(|byte| byte >> 4 < 10 && byte & 0x0F < 10);
        match OneTimePassword::decode(&bytes) {
            Ok(code) => prop_assert_eq!(&*code.encode(), &bytes),
            Err(_) => prop_assert!(!decimal || !(3..=4).contains(&bytes.len())),
        }
    }

    #[test]
    fn serial_numbers_round_trip(serial in "[0-9]{20}") {
        prop_assert_eq!(Cplc::from_serial(&serial).unwrap().serial(), serial);
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in prop_oneof![hostile(), vec(any::<u8>(), 0..300)]) {
        let _ = Identity::from_historical_bytes(&bytes);
        if let Ok(response) = Response::decode(&bytes) {
            let _ = SelectAca::decode_answer(&response);
            let _ = GetPinProperties::decode_answer(&response);
            let _ = GetChallenge::decode_answer(&response);
            let _ = GetPivProperties::decode_answer(&response);
            let _ = SelectIsd::decode_answer(&response);
            let _ = GetCplc::decode_answer(&response);
            let _ = SelectOathSlot::decode_answer(&response);
            let _ = HotpAuthenticate::decode_answer(&response);
            let _ = TotpAuthenticate::decode_answer(&response);
        }
        let _ = PivProperties::decode(&bytes);
        let _ = AcaSelectAnswer::decode(&bytes);
        let _ = PinProperties::decode(&bytes);
        let _ = Cplc::decode(&bytes);
        if let Ok(command) = Command::decode(&bytes) {
            let _ = SelectAca::from_command(&command);
            let _ = GetPinProperties::from_command(&command);
            let _ = GetPivProperties::from_command(&command);
            let _ = SelectIsd::from_command(&command);
            let _ = GetCplc::from_command(&command);
            let _ = SelectOathSlot::from_command(&command);
            let _ = HotpAuthenticate::from_command(&command);
            let _ = TotpAuthenticate::from_command(&command);
            let _ = GetChallenge::from_command(&command);
            let _ = PutXauthKey::from_command(&command);
            let _ = RemovePkiKey::from_command(&command);
        }
    }
}
