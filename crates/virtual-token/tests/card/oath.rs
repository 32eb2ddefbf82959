//! One-time passwords: the codes of the standards and of the vendor's sample, and what it
//! takes to get one.

use pcsc_transport::Interface;
use piv_apdu::status::StatusWord;
use virtual_token::{
    Button, Content, CreateError, CreateOptions, OathCredential, OathHash, Profile, VirtualToken,
};

use crate::common::{SELECT_ACA, hex, options, personal, raw};

const HOTP: &str = "80880000 00";
const WAITING: StatusWord = StatusWord::CONDITIONS_NOT_SATISFIED;

/// The secret of RFC 4226, appendix D, and of the vendor's samples.
const SECRET: &[u8] = b"12345678901234567890";

fn select(slot: u8) -> String {
    format!("00A40400 07 A00000007923{:02} 00", slot - 1)
}

fn totp(time: u32) -> String {
    format!("80881100 04 {time:08X} 00")
}

fn key(options: &CreateOptions) -> VirtualToken {
    VirtualToken::create(
        Profile::CrescendoKey,
        &options.clone().content(Content::Empty),
    )
    .unwrap()
}

fn status(token: &mut VirtualToken, command: &str) -> StatusWord {
    raw(token, &hex(command)).status()
}

fn verify_pin(token: &mut VirtualToken) {
    assert!(status(token, SELECT_ACA).is_success());
    assert!(status(token, "00200000 08 3030303030303030").is_success());
}

/// Presses the button and asks; gives the code as digits.
fn code(token: &mut VirtualToken, command: &str) -> String {
    token.press_button();
    let response = raw(token, &hex(command));
    assert!(response.status().is_success(), "{}", response.status());
    let digits = response.data().iter().map(|byte| format!("{byte:02X}"));
    digits.collect()
}

/// RFC 4226, appendix D.
#[test]
fn the_hotp_values_of_rfc_4226() {
    let mut token = key(&options().oath_slot(1, OathCredential::hotp(SECRET)));
    assert!(status(&mut token, &select(1)).is_success());
    for expected in [
        "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871",
        "520489",
    ] {
        assert_eq!(code(&mut token, HOTP), expected);
    }
}

/// RFC 6238, appendix B, with the secrets of its erratum: as long as the hash. Its last
/// time, in the year 2603, does not fit into the four bytes that the command has.
#[test]
fn the_totp_values_of_rfc_6238() {
    let secret =
        |length: usize| -> Vec<u8> { SECRET.iter().copied().cycle().take(length).collect() };
    let hashes = [
        (OathHash::Sha1, 20),
        (OathHash::Sha256, 32),
        (OathHash::Sha512, 64),
    ];
    let codes = [
        (59, ["94287082", "46119246", "90693936"]),
        (1_111_111_109, ["07081804", "68084774", "25091201"]),
        (1_111_111_111, ["14050471", "67062674", "99943326"]),
        (1_234_567_890, ["89005924", "91819424", "93441116"]),
        (2_000_000_000, ["69279037", "90698825", "38618901"]),
    ];
    for (index, (hash, length)) in hashes.into_iter().enumerate() {
        let credential = OathCredential::totp(&secret(length)).hash(hash).digits(8);
        let mut token = key(&options().oath_slot(3, credential));
        verify_pin(&mut token);
        assert!(status(&mut token, &select(3)).is_success());
        for (time, expected) in codes {
            assert_eq!(
                code(&mut token, &totp(time)),
                expected[index],
                "{hash:?} at {time}"
            );
        }
    }
}

/// The whole conversation of LL/oath-usage-sequences, but for what SELECT answers.
#[test]
fn the_vendors_sample() {
    let mut token = key(&options().oath_slot(2, OathCredential::totp(SECRET)));
    verify_pin(&mut token);
    assert!(status(&mut token, &select(2)).is_success());
    let sample = "80881100 04 5E84A802";
    assert_eq!(status(&mut token, sample), WAITING);
    assert_eq!(*token.process(&hex(sample)), hex("340909 9000"));
}

#[test]
fn an_attended_key_waits_once_for_each_code() {
    let mut token = key(&options().oath_slot(1, OathCredential::hotp(SECRET)));
    status(&mut token, &select(1));
    for expected in ["755224 9000", "287082 9000"] {
        assert_eq!(status(&mut token, HOTP), WAITING);
        assert_eq!(*token.process(&hex(HOTP)), hex(expected));
    }
}

#[test]
fn an_unattended_key_waits_until_its_button_is_pressed() {
    let options = options().button(Button::Unattended);
    let mut token = key(&options.oath_slot(1, OathCredential::hotp(SECRET)));
    status(&mut token, &select(1));
    for _ in 0..5 {
        assert_eq!(status(&mut token, HOTP), WAITING);
    }
    assert_eq!(code(&mut token, HOTP), "755224");
    assert_eq!(status(&mut token, HOTP), WAITING, "a press serves once");

    token.press_button();
    status(&mut token, &select(1));
    assert_eq!(
        status(&mut token, HOTP),
        WAITING,
        "nor for another selection"
    );
    token.press_button();
    token.reset();
    status(&mut token, &select(1));
    assert_eq!(status(&mut token, HOTP), WAITING, "nor after a reset");
}

/// Waiting moves nothing on, and a code is never given twice.
#[test]
fn the_counter_is_kept_without_power() {
    let mut token = key(&options().oath_slot(1, OathCredential::hotp(SECRET)));
    token.take_dirty();
    status(&mut token, &select(1));
    assert_eq!(status(&mut token, HOTP), WAITING);
    assert!(!token.take_dirty());
    assert_eq!(code(&mut token, HOTP), "755224");
    assert!(
        token.take_dirty(),
        "it is to be saved before the code leaves"
    );

    let mut token = VirtualToken::from_state(token.to_state()).unwrap();
    status(&mut token, &select(1));
    assert_eq!(code(&mut token, HOTP), "287082");
}

#[test]
fn totp_wants_the_pin_and_hotp_does_not() {
    let mut token = personal(Profile::CrescendoKey);
    status(&mut token, &select(2));
    token.press_button();
    assert_eq!(
        status(&mut token, &totp(59)),
        StatusWord::SECURITY_STATUS_NOT_SATISFIED
    );
    verify_pin(&mut token);
    status(&mut token, &select(2));
    assert_eq!(code(&mut token, &totp(59)).len(), 6);
    token.reset();
    status(&mut token, &select(1));
    assert_eq!(code(&mut token, HOTP).len(), 6);
}

/// This project's choice: what a real slot answers is not known.
#[test]
fn a_slot_of_the_other_kind_and_an_empty_one_refuse() {
    let mut token = personal(Profile::CrescendoKey);
    verify_pin(&mut token);
    for (slot, command, expected) in [
        (1, totp(59), StatusWord::INCORRECT_P1P2),
        (2, HOTP.to_owned(), StatusWord::INCORRECT_P1P2),
        (3, totp(59), StatusWord::REFERENCED_DATA_NOT_FOUND),
        (3, HOTP.to_owned(), StatusWord::REFERENCED_DATA_NOT_FOUND),
    ] {
        status(&mut token, &select(slot));
        assert_eq!(
            status(&mut token, &command),
            expected,
            "{command} to {slot}"
        );
    }
}

#[test]
fn secrets_are_random_or_follow_from_the_seed() {
    let hotp = |seed: Option<u64>| {
        let mut options = CreateOptions::default().key(
            piv_apdu::key::KeyReference::DIGITAL_SIGNATURE,
            virtual_token::KeyAlgorithm::EccP256,
        );
        options.seed = seed;
        let mut token = VirtualToken::create(Profile::CrescendoKey, &options).unwrap();
        status(&mut token, &select(1));
        (0..3).map(|_| code(&mut token, HOTP)).collect::<Vec<_>>()
    };
    assert_eq!(hotp(Some(1)), hotp(Some(1)));
    assert_ne!(hotp(Some(1)), hotp(Some(2)));
    assert_ne!(hotp(None), hotp(None));
}

/// HID's page on RESET CARD: OATH is cleared on a Key.
#[test]
fn reset_card_clears_the_slots() {
    let mut token = personal(Profile::CrescendoKey);
    verify_pin(&mut token);
    assert!(status(&mut token, "00380000").is_success());
    status(&mut token, &select(1));
    assert_eq!(
        status(&mut token, HOTP),
        StatusWord::REFERENCED_DATA_NOT_FOUND
    );
}

/// This project's choice, as for the access control applet.
#[test]
fn no_code_goes_through_the_air() {
    let mut token = personal(Profile::CrescendoKey);
    token.set_interface(Interface::Contactless);
    status(&mut token, &select(1));
    token.press_button();
    assert_eq!(status(&mut token, HOTP), StatusWord::FUNCTION_NOT_SUPPORTED);
}

#[test]
fn what_no_token_can_have_is_refused_when_it_is_made() {
    let hotp = || OathCredential::hotp(SECRET);
    for (profile, options) in [
        (Profile::Crescendo2300, options().oath_slot(1, hotp())),
        (Profile::Piv, options().button(Button::Unattended)),
        (Profile::CrescendoKey, options().oath_slot(0, hotp())),
        (Profile::CrescendoKey, options().oath_slot(4, hotp())),
        (
            Profile::CrescendoKey,
            options().oath_slot(1, OathCredential::totp(SECRET)),
        ),
        (
            Profile::CrescendoKey,
            options().oath_slot(2, hotp().digits(7)),
        ),
        (
            Profile::CrescendoKey,
            options().oath_slot(2, OathCredential::hotp(b"")),
        ),
    ] {
        let made = VirtualToken::create(profile, &options.content(Content::Empty));
        assert!(matches!(made, Err(CreateError::Option { .. })), "{profile}");
    }
}

#[test]
fn no_secret_is_in_debug() {
    let options = options().oath_slot(1, OathCredential::hotp(SECRET));
    let token = key(&options);
    let shown = format!("{options:?} {token:?} {:?}", token.to_state());
    assert!(
        !shown.contains("1234567890") && !shown.contains("31323334"),
        "{shown}"
    );
}
