//! Who may write to a card, and what recovers it: XAUTH key 1 and RESET CARD on a
//! Crescendo, the management key 9B on a plain PIV card.

use aes::{Aes128, Aes192, Aes256};
use cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use crescendo_ext::properties::Init;
use des::TdesEde3;
use piv_apdu::command::{
    DynamicAuthenticationTemplate, GeneralAuthenticate, GenerateAsymmetric, GetData, PublicKey,
    PutData, TypedCommand,
};
use piv_apdu::key::{Algorithm, KeyReference};
use piv_apdu::object::ObjectTag;
use piv_apdu::status::StatusWord;
use virtual_token::{Content, CreateOptions, Profile, SymmetricAlgorithm, VirtualToken};

use crate::common::{
    SELECT_ACA, SELECT_PIV, blank, encrypt, expect, hex, options, personal, properties, raw, send,
    xauth,
};

fn decrypt<C: KeyInit + BlockCipherDecrypt>(key: &[u8], block: &[u8]) -> Vec<u8> {
    let mut block = Block::<C>::try_from(block).unwrap();
    C::new_from_slice(key).unwrap().decrypt_block(&mut block);
    block.to_vec()
}

const VERIFY_ACA: &str = "00200000 08 3030303030303030";

#[test]
fn xauth_authenticates_with_the_challenge_encrypted() {
    for profile in [
        Profile::Crescendo2300,
        Profile::Crescendo4000,
        Profile::CrescendoKey,
    ] {
        let mut token = blank(profile);
        expect(&mut token, SELECT_ACA, 0x9000);
        expect(&mut token, "00820001 08 0000000000000000", 0x6985);
        assert_eq!(xauth::<TdesEde3>(&mut token, &[2; 24]), 0x6300);
        expect(&mut token, "00820001 08 0000000000000000", 0x6985);
        assert_eq!(xauth::<TdesEde3>(&mut token, &[0; 24]), 0x9000);
        let p2_of_the_2300 = raw(&mut token, &hex("00840000 00")).status().get();
        let expected = if profile == Profile::Crescendo4000 {
            0x6A86
        } else {
            0x9000
        };
        assert_eq!(p2_of_the_2300, expected, "{profile}");
    }
}

#[test]
fn xauth_with_aes_has_a_longer_challenge() {
    let options = options()
        .content(Content::Empty)
        .xauth_key(SymmetricAlgorithm::Aes128);
    let mut token = VirtualToken::create(Profile::Crescendo2300, &options).unwrap();
    expect(&mut token, SELECT_ACA, 0x9000);
    assert_eq!(expect(&mut token, "00840000 00", 0x9000).len(), 16);
    assert_eq!(xauth::<Aes128>(&mut token, &[0; 16]), 0x9000);
}

#[test]
fn a_challenge_does_not_outlive_a_select() {
    let mut token = blank(Profile::Crescendo2300);
    expect(&mut token, SELECT_ACA, 0x9000);
    let challenge = expect(&mut token, "00840000 00", 0x9000);
    expect(&mut token, SELECT_ACA, 0x9000);
    let cryptogram = encrypt::<TdesEde3>(&[0; 24], &challenge);
    let command = piv_apdu::apdu::Command::new(0x00, 0x82, 0x00, 0x01).with_data(&cryptogram);
    assert_eq!(send(&mut token, &command).status().get(), 0x6985);
}

#[test]
fn xauth_unlocks_a_blocked_pin_a_limited_number_of_times() {
    let mut token = blank(Profile::Crescendo2300);
    expect(&mut token, SELECT_ACA, 0x9000);
    for left in (1..6).rev() {
        expect(&mut token, "00200000 08 3131313131313131", 0x63C0 | left);
    }
    expect(&mut token, "00200000 08 3131313131313131", 0x6983);
    expect(&mut token, VERIFY_ACA, 0x6983);
    expect(
        &mut token,
        "00240100 10 3030303030303030 3131313131313131",
        0x6983,
    );

    expect(&mut token, "002C0200 08 31323334FFFFFFFF", 0x63CA);
    assert_eq!(xauth::<TdesEde3>(&mut token, &[0; 24]), 0x9000);
    expect(&mut token, "002C0200 08 313233FFFFFFFFFF", 0x6A80);
    expect(&mut token, "002C0200 04 31323334", 0x6700);
    expect(&mut token, "002C0200 08 31323334FFFFFFFF", 0x9000);
    // Unlocked, not verified.
    expect(&mut token, SELECT_PIV, 0x9000);
    expect(&mut token, "00200080", 0x63C6);
    expect(&mut token, "00200080 08 31323334FFFFFFFF", 0x9000);
    expect(&mut token, SELECT_ACA, 0x9000);
    for _ in 0..9 {
        expect(&mut token, "002C0200 08 31323334FFFFFFFF", 0x9000);
    }
    expect(&mut token, "002C0200 08 31323334FFFFFFFF", 0x6983);
}

#[test]
fn the_xauth_key_is_replaced_by_whoever_has_pin_or_key() {
    let mut token = blank(Profile::Crescendo2300);
    let put_aes = "00D80100 15 00 08 11 10 000102030405060708090A0B0C0D0E0F 00";
    expect(&mut token, SELECT_ACA, 0x9000);
    expect(&mut token, put_aes, 0x6982);
    expect(&mut token, VERIFY_ACA, 0x9000);
    expect(
        &mut token,
        "00D80100 15 00 0A 11 10 000102030405060708090A0B0C0D0E0F 00",
        0x6A80,
    );
    expect(
        &mut token,
        "00D80100 15 00 08 12 10 000102030405060708090A0B0C0D0E0F 00",
        0x6A80,
    );
    expect(
        &mut token,
        "00D80100 15 00 08 11 10 000102030405060708090A0B0C0D0E0F 01",
        0x6A80,
    );
    expect(
        &mut token,
        "00D80100 14 00 08 11 10 000102030405060708090A0B0C0D0E 00",
        0x6A80,
    );
    expect(&mut token, "00D80100 01 00", 0x6A80);
    expect(&mut token, put_aes, 0x9000);
    let key = hex("000102030405060708090A0B0C0D0E0F");
    assert_eq!(xauth::<Aes128>(&mut token, &[0; 16]), 0x6300);
    assert_eq!(xauth::<Aes128>(&mut token, &key), 0x9000);
    token.reset();
    expect(&mut token, SELECT_ACA, 0x9000);
    assert_eq!(xauth::<Aes128>(&mut token, &key), 0x9000);
    let put_3des = format!("00D80100 1D 00 03 19 18 {} 00", "11".repeat(24));
    expect(&mut token, &put_3des, 0x9000);
    // What the old key opened is closed.
    expect(&mut token, &put_3des, 0x6982);
    assert_eq!(xauth::<TdesEde3>(&mut token, &[0x11; 24]), 0x9000);
}

#[test]
fn reset_card_leaves_nothing() {
    for profile in [
        Profile::Crescendo2300,
        Profile::Crescendo4000,
        Profile::CrescendoKey,
    ] {
        let mut token = personal(profile);
        assert!(token.issuer_certificate().is_some());
        token.take_dirty();
        expect(&mut token, SELECT_ACA, 0x9000);
        expect(&mut token, "00380000", 0x6982);
        let pin = profile.factory_pin();
        let mut block = [0xFF; 8];
        block[..pin.len()].copy_from_slice(pin);
        let verify = piv_apdu::apdu::Command::new(0x00, 0x20, 0x00, 0x00).with_data(&block);
        assert!(send(&mut token, &verify).status().is_success());
        expect(&mut token, "00380000 00", 0x6700);
        expect(&mut token, "00380000 01 00", 0x6700);
        expect(&mut token, "00380001", 0x6A86);
        expect(&mut token, "00380000", 0x9000);
        assert!(token.take_dirty());

        // Nothing is selected, nothing verified, and there is no key to authenticate.
        expect(&mut token, VERIFY_ACA, 0x6D00);
        expect(&mut token, SELECT_ACA, 0x9000);
        expect(&mut token, "00380000", 0x6982);
        assert_eq!(xauth::<TdesEde3>(&mut token, &[0; 24]), 0x6A88);
        assert!(
            send(&mut token, &verify).status().is_success(),
            "factory PIN"
        );
        expect(&mut token, SELECT_PIV, 0x9000);
        for tag in ObjectTag::ALL {
            let response = send(&mut token, &GetData::new(*tag).to_command());
            if response.status() != StatusWord::FILE_NOT_FOUND {
                assert_eq!(
                    response.data().len(),
                    2,
                    "{profile} {tag}: allocated and empty"
                );
            }
        }
        let properties = properties(&mut token);
        assert!(
            properties
                .keys
                .iter()
                .all(|key| key.is_filled() == Some(false))
        );
        assert_eq!(token.issuer_certificate(), None);
    }
}

#[test]
fn properties_of_an_empty_c2300_are_those_of_the_live_one() {
    let mut token = blank(Profile::Crescendo2300);
    expect(&mut token, SELECT_PIV, 0x9000);
    let answer = raw(&mut token, &hex("00CB3FFF 05 5C03FFFF7F 00"));
    let object = |tag: &str, capacity: &str| format!("500C 4703{tag} 260101 4202{capacity}");
    let key = |tag: &str, key: &str, algorithm: &str| {
        format!("5115 4703{tag} 260101 4801{key} 4304{algorithm}0000 42027507")
    };
    let expected = [
        "5381B9 0105 2103000306 390115 3A07A0000000791000 3B00".to_owned(),
        object("5FC102", "680B"),
        object("5FC109", "F500"),
        object("5FC10C", "0A00"),
        key("5FC105", "9A", "0720"),
        key("5FC10A", "9C", "1120"),
        key("5FC10B", "9D", "1430"),
        key("5FC10D", "82", "0720"),
        key("5FC10E", "83", "0720"),
        "4505D688838000".to_owned(),
    ];
    assert_eq!(answer.data(), hex(&expected.concat()));
    assert_eq!(answer.data().len(), 188);
    // Other parameters.
    expect(&mut token, "00CB0000 05 5C03FFFF7F 00", 0x6A86);
    // The C4000's form, and what a plain card says to both.
    expect(&mut token, "80560000 00", 0x6E00);
    let mut token = blank(Profile::Piv);
    expect(&mut token, SELECT_PIV, 0x9000);
    let plain = raw(&mut token, &hex("00CB3FFF 05 5C03FFFF7F 00"));
    assert!(!plain.status().is_success());
    expect(&mut token, "80560000 00", 0x6E00);
}

#[test]
fn properties_of_a_c4000() {
    let mut token = personal(Profile::Crescendo4000);
    expect(&mut token, SELECT_PIV, 0x9000);
    expect(&mut token, "00CB3FFF 05 5C03FFFF7F 00", 0x6A82);
    let properties = properties(&mut token);
    assert_eq!(properties.version.unwrap().to_string(), "4.0.0.0.1");
    let keys: Vec<_> = properties
        .keys
        .iter()
        .map(|block| (block.key.get(), block.is_filled()))
        .collect();
    assert_eq!(
        keys,
        [
            (0x9A, Some(true)),
            (0xB0, Some(true)),
            (0xB4, Some(false)),
            (0xF0, Some(false))
        ]
    );
    assert!(
        properties
            .objects
            .iter()
            .any(|block| block.tag == ObjectTag::PIV_AUTHENTICATION_CERTIFICATE)
    );
    assert!(
        properties
            .keys
            .iter()
            .all(|block| block.attributes.unwrap().purpose.is_some())
    );
}

#[test]
fn a_crescendo_is_written_to_after_the_pin() {
    let mut token = blank(Profile::Crescendo2300);
    expect(&mut token, SELECT_PIV, 0x9000);
    let put = PutData::new(ObjectTag::CHUID, &[0x3E, 0x00]).to_command();
    let generate =
        GenerateAsymmetric::new(KeyReference::KEY_MANAGEMENT, Algorithm::EccP256).to_command();
    let remove = "80D8039D 03 00B100";
    assert_eq!(send(&mut token, &put).status().get(), 0x6982);
    assert_eq!(send(&mut token, &generate).status().get(), 0x6982);
    expect(&mut token, remove, 0x6982);
    expect(&mut token, "00200080 08 3030303030303030", 0x9000);
    assert_eq!(send(&mut token, &put).status().get(), 0x9000);
    let chuid = send(&mut token, &GetData::new(ObjectTag::CHUID).to_command());
    assert_eq!(chuid.data(), hex("5302 3E00"));

    // Containers are what they are: no others, and no bigger.
    let other = PutData::new(ObjectTag::CCC, &[0xFE, 0x00]).to_command();
    assert_eq!(send(&mut token, &other).status().get(), 0x6A82);
    let large = PutData::new(ObjectTag::KEY_HISTORY, &[0; 11]).to_command();
    assert_eq!(send(&mut token, &large).status().get(), 0x6A84);
    let other =
        GenerateAsymmetric::new(KeyReference::CARD_AUTHENTICATION, Algorithm::EccP256).to_command();
    assert_eq!(send(&mut token, &other).status().get(), 0x6A86);

    // A key comes and goes.
    assert!(PublicKey::decode(send(&mut token, &generate).data()).is_ok());
    let init = |token: &mut VirtualToken| {
        let properties = properties(token);
        let block = properties.key(KeyReference::KEY_MANAGEMENT).unwrap();
        block.attributes.unwrap().private_init
    };
    assert_eq!(init(&mut token), Init::Generated);
    expect(&mut token, "80D8009D 03 00A300", 0x6A86);
    expect(&mut token, "80D8039D 03 00B101", 0x6A80);
    expect(&mut token, "80D8039B 03 00B100", 0x6A86);
    expect(&mut token, remove, 0x9000);
    assert_eq!(init(&mut token), Init::None);

    // XAUTH opens the same.
    token.reset();
    expect(&mut token, SELECT_ACA, 0x9000);
    assert_eq!(xauth::<TdesEde3>(&mut token, &[0; 24]), 0x9000);
    expect(&mut token, SELECT_PIV, 0x9000);
    assert_eq!(send(&mut token, &put).status().get(), 0x9000);
    // But not what is behind the PIN.
    expect(&mut token, "00CB3FFF 05 5C035FC109 00", 0x6982);
}

fn manage(
    token: &mut VirtualToken,
    algorithm: Algorithm,
    template: DynamicAuthenticationTemplate,
) -> (u16, DynamicAuthenticationTemplate) {
    let command = GeneralAuthenticate {
        algorithm,
        key: KeyReference::CARD_MANAGEMENT,
        template,
    };
    let response = send(token, &command.to_command());
    let template = DynamicAuthenticationTemplate::decode(response.data()).unwrap_or_default();
    (response.status().get(), template)
}

fn single<C: KeyInit + BlockCipherEncrypt>(
    token: &mut VirtualToken,
    algorithm: Algorithm,
    key: &[u8],
) -> u16 {
    let request = DynamicAuthenticationTemplate::request_challenge();
    let (status, answer) = manage(token, algorithm, request);
    assert_eq!(status, 0x9000);
    let response = encrypt::<C>(key, &answer.challenge.unwrap());
    let template = DynamicAuthenticationTemplate::default().with_response(&response);
    manage(token, algorithm, template).0
}

fn managed(algorithm: SymmetricAlgorithm) -> VirtualToken {
    let options: CreateOptions = options().content(Content::Empty).management_key(algorithm);
    let mut token = VirtualToken::create(Profile::Piv, &options).unwrap();
    expect(&mut token, SELECT_PIV, 0x9000);
    token
}

#[test]
fn the_management_key_authenticates_singly_with_each_algorithm() {
    let key: Vec<u8> = (1..=8).cycle().take(32).collect();
    let mut token = managed(SymmetricAlgorithm::TripleDes);
    assert_eq!(
        single::<TdesEde3>(&mut token, Algorithm::TripleDes, &key[..24]),
        0x9000
    );
    let mut token = managed(SymmetricAlgorithm::Aes128);
    assert_eq!(
        single::<Aes128>(&mut token, Algorithm::Aes128, &key[..16]),
        0x9000
    );
    let mut token = managed(SymmetricAlgorithm::Aes192);
    assert_eq!(
        single::<Aes192>(&mut token, Algorithm::Aes192, &key[..24]),
        0x9000
    );
    let mut token = managed(SymmetricAlgorithm::Aes256);
    assert_eq!(
        single::<Aes256>(&mut token, Algorithm::Aes256, &key),
        0x9000
    );
    let put = PutData::new(ObjectTag::CHUID, &[0x3E, 0x00]).to_command();
    assert_eq!(send(&mut token, &put).status().get(), 0x9000);
    assert_eq!(
        single::<Aes256>(&mut token, Algorithm::Aes256, &[0; 32]),
        0x6982
    );
    assert_eq!(
        send(&mut token, &put).status().get(),
        0x6982,
        "a failure closes it"
    );
}

#[test]
fn the_management_key_authenticates_mutually() {
    let key: Vec<u8> = (1..=8).cycle().take(32).collect();
    let mut token = managed(SymmetricAlgorithm::Aes256);
    let request = DynamicAuthenticationTemplate::request_witness();
    let (status, answer) = manage(&mut token, Algorithm::Aes256, request.clone());
    assert_eq!(status, 0x9000);
    let witness = decrypt::<Aes256>(&key, &answer.witness.unwrap());
    let challenge = [0x5A; 16];
    let proof = DynamicAuthenticationTemplate::default()
        .with_witness(&witness)
        .with_challenge(&challenge)
        .asking_for_response();
    let (status, answer) = manage(&mut token, Algorithm::Aes256, proof.clone());
    assert_eq!(status, 0x9000);
    assert_eq!(
        *answer.response.unwrap(),
        encrypt::<Aes256>(&key, &challenge)
    );

    // A witness serves once, and a wrong one not at all.
    assert_eq!(
        manage(&mut token, Algorithm::Aes256, proof.clone()).0,
        0x6985
    );
    manage(&mut token, Algorithm::Aes256, request);
    assert_eq!(manage(&mut token, Algorithm::Aes256, proof).0, 0x6982);
}

#[test]
fn the_management_key_refuses_what_is_not_its_own() {
    let mut token = managed(SymmetricAlgorithm::Aes256);
    let request = DynamicAuthenticationTemplate::request_challenge();
    assert_eq!(
        manage(&mut token, Algorithm::Aes128, request.clone()).0,
        0x6A86
    );
    assert_eq!(manage(&mut token, Algorithm::TripleDes, request).0, 0x6A86);
    let response = DynamicAuthenticationTemplate::default().with_response(&[0; 16]);
    assert_eq!(
        manage(&mut token, Algorithm::Aes256, response).0,
        0x6985,
        "nothing was asked"
    );
    let internal = DynamicAuthenticationTemplate::internal_authenticate(&[0; 16]);
    assert_eq!(manage(&mut token, Algorithm::Aes256, internal).0, 0x6A80);
    let nothing = DynamicAuthenticationTemplate::default();
    assert_eq!(manage(&mut token, Algorithm::Aes256, nothing).0, 0x6A80);
    let request = DynamicAuthenticationTemplate::request_witness();
    manage(&mut token, Algorithm::Aes256, request);
    let short = DynamicAuthenticationTemplate::default()
        .with_witness(&[0; 16])
        .with_challenge(&[0; 8]);
    assert_eq!(manage(&mut token, Algorithm::Aes256, short).0, 0x6A80);
}

#[test]
fn a_crescendo_with_a_management_key_lists_it_and_is_written_to_after_it() {
    let key: Vec<u8> = (1..=8).cycle().take(32).collect();
    for profile in [
        Profile::Crescendo2300,
        Profile::Crescendo4000,
        Profile::CrescendoKey,
    ] {
        let listed = |token: &mut VirtualToken| {
            expect(token, SELECT_PIV, 0x9000);
            properties(token)
                .key(KeyReference::CARD_MANAGEMENT)
                .cloned()
        };
        assert_eq!(listed(&mut blank(profile)), None, "{profile}");

        let options = options()
            .content(Content::Empty)
            .management_key(SymmetricAlgorithm::Aes256);
        let mut token = VirtualToken::create(profile, &options).unwrap();
        let block = listed(&mut token).unwrap();
        assert_eq!(block.is_filled(), None, "nothing more is known of it");
        let put = PutData::new(ObjectTag::CHUID, &[0x3E, 0x00]).to_command();
        assert_eq!(send(&mut token, &put).status().get(), 0x6982);
        assert_eq!(
            single::<Aes256>(&mut token, Algorithm::Aes256, &key),
            0x9000
        );
        assert_eq!(send(&mut token, &put).status().get(), 0x9000);
        // It is no container to make a key in, and belongs to the PIV instance.
        let generate =
            GenerateAsymmetric::new(KeyReference::CARD_MANAGEMENT, Algorithm::EccP256).to_command();
        assert_eq!(send(&mut token, &generate).status().get(), 0x6A86);
        expect(&mut token, SELECT_ACA, 0x9000);
        expect(&mut token, "00380000", 0x6982);
        expect(&mut token, SELECT_PIV, 0x9000);
        assert_eq!(send(&mut token, &put).status().get(), 0x6982);
    }
}

#[test]
fn a_plain_card_is_written_to_after_its_management_key() {
    let key: Vec<u8> = (1..=8).cycle().take(32).collect();
    let mut token = managed(SymmetricAlgorithm::Aes256);
    let generate = |key| GenerateAsymmetric::new(key, Algorithm::EccP256).to_command();
    expect(&mut token, "00200080 08 313233343536FFFF", 0x9000);
    let authentication = generate(KeyReference::PIV_AUTHENTICATION);
    assert_eq!(
        send(&mut token, &authentication).status().get(),
        0x6982,
        "not after the PIN"
    );
    assert_eq!(
        single::<Aes256>(&mut token, Algorithm::Aes256, &key),
        0x9000
    );
    assert_eq!(send(&mut token, &authentication).status().get(), 0x9000);
    let retired = generate(KeyReference::retired(20).unwrap());
    assert_eq!(send(&mut token, &retired).status().get(), 0x9000);
    let management = generate(KeyReference::CARD_MANAGEMENT);
    assert_eq!(send(&mut token, &management).status().get(), 0x6A86);
    let other = GenerateAsymmetric::new(KeyReference::PIV_AUTHENTICATION, Algorithm::Rsa1024);
    assert_eq!(send(&mut token, &other.to_command()).status().get(), 0x6A80);

    // The largest object of the standard comes in a chain; an empty one is no object.
    let large = PutData::new(ObjectTag::FACIAL_IMAGE, &[0x5A; 12_710]).to_command();
    assert_eq!(send(&mut token, &large).status().get(), 0x9000);
    let read = GetData::new(ObjectTag::FACIAL_IMAGE).to_command();
    let response = send(&mut token, &read);
    assert_eq!(*GetData::decode_answer(&response).unwrap(), [0x5A; 12_710]);
    let empty = PutData::new(ObjectTag::FACIAL_IMAGE, &[]).to_command();
    assert_eq!(send(&mut token, &empty).status().get(), 0x9000);
    assert_eq!(send(&mut token, &read).status().get(), 0x6A82);
    let too_large = PutData::new(ObjectTag::FACIAL_IMAGE, &[0; 12_801]).to_command();
    assert_eq!(send(&mut token, &too_large).status().get(), 0x6A84);
    let unknown = PutData::new(ObjectTag::new(0x5F_FF00), &[1]).to_command();
    assert_eq!(send(&mut token, &unknown).status().get(), 0x6A82);
}
