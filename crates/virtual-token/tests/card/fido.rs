//! The FIDO2 applet, as a host sees it that was written for these tests.

use minicbor::Decoder;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{DerSignature, VerifyingKey};
use piv_apdu::apdu::{Command, Le};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use virtual_token::{Profile, TokenState, VirtualToken};

use crate::common::{SELECT_ACA, SELECT_PIV, blank, expect, hex, options, raw, send};
use crate::fido_host::{
    Agreement, PIN, RP, Request, Token, bytes, ctap, descriptor, field, get_assertion, get_info,
    lookup, make_credential, pin_token, retries, select, set_pin, text, wrong_pin,
};

const HASH: [u8; 32] = [0x5A; 32];

const PIN_INVALID: u8 = 0x31;
const PIN_BLOCKED: u8 = 0x32;
const PIN_AUTH_INVALID: u8 = 0x33;
const PIN_AUTH_BLOCKED: u8 = 0x34;

fn delivered() -> VirtualToken {
    let mut token = blank(Profile::Crescendo4000);
    select(&mut token);
    token
}

/// A token whose FIDO PIN is [`PIN`].
fn with_pin() -> VirtualToken {
    let mut token = delivered();
    assert_eq!(set_pin(&mut token, 2, PIN), 0x00);
    token
}

/// The parts of authenticator data.
struct AuthenticatorData {
    rp_id_hash: Vec<u8>,
    flags: u8,
    counter: u32,
    /// Identifier and public key of a new credential.
    attested: Option<(Vec<u8>, VerifyingKey)>,
}

impl AuthenticatorData {
    fn read(data: &[u8]) -> Self {
        let attested = (data[32] & 0x40 != 0).then(|| {
            let length = usize::from(u16::from_be_bytes([data[53], data[54]]));
            let (id, key) = data[55..].split_at(length);
            let mut point = vec![0x04];
            for coordinate in [-2, -3] {
                point.extend(bytes(&lookup(key, coordinate).unwrap()));
            }
            (id.to_vec(), VerifyingKey::from_sec1_bytes(&point).unwrap())
        });
        AuthenticatorData {
            rp_id_hash: data[..32].to_vec(),
            flags: data[32],
            counter: u32::from_be_bytes(data[33..37].try_into().unwrap()),
            attested,
        }
    }
}

/// A credential as its relying party knows it.
struct Registered {
    id: Vec<u8>,
    key: VerifyingKey,
    flags: u8,
}

/// Registers, and looks at the attestation as a relying party does.
#[track_caller]
fn register(token: &mut VirtualToken, request: &Request<'_>) -> Registered {
    let (status, answer) = make_credential(token, request);
    assert_eq!(status, 0x00);
    assert_eq!(text(&field(&answer, 1)), "packed");
    let data = bytes(&field(&answer, 2));
    let statement = field(&answer, 3);
    let mut statement = Decoder::new(&statement);
    assert_eq!(statement.map().unwrap(), Some(2));
    assert_eq!(statement.str().unwrap(), "alg");
    assert_eq!(statement.i8().unwrap(), -7);
    assert_eq!(statement.str().unwrap(), "sig");
    let signature = statement.bytes().unwrap();
    let parts = AuthenticatorData::read(&data);
    assert_eq!(parts.rp_id_hash, Sha256::digest(request.rp_id).to_vec());
    let (id, key) = parts.attested.unwrap();
    check(&key, &data, signature);
    Registered {
        id,
        key,
        flags: parts.flags,
    }
}

/// Asks for an assertion and checks its signature by the credential's key.
#[track_caller]
fn authenticate(token: &mut VirtualToken, request: &Request<'_>, by: &Registered) -> (u8, u32) {
    let (status, answer) = get_assertion(token, request);
    assert_eq!(status, 0x00);
    assert_eq!(descriptor(&field(&answer, 1)), by.id);
    let data = bytes(&field(&answer, 2));
    check(&by.key, &data, &bytes(&field(&answer, 3)));
    let parts = AuthenticatorData::read(&data);
    assert_eq!(parts.rp_id_hash, Sha256::digest(request.rp_id).to_vec());
    (parts.flags, parts.counter)
}

#[track_caller]
fn check(key: &VerifyingKey, data: &[u8], signature: &[u8]) {
    let signature = DerSignature::from_bytes(signature).unwrap();
    key.verify(&[data, &HASH].concat(), &signature).unwrap();
}

fn request() -> Request<'static> {
    Request::new(RP, HASH)
}

#[test]
fn it_is_there_on_the_4000_and_on_the_key() {
    for profile in Profile::ALL {
        let mut token = blank(profile);
        let response = raw(&mut token, &hex("00A40400 08 A0000006472F0001 00"));
        if matches!(profile, Profile::Crescendo4000 | Profile::CrescendoKey) {
            assert_eq!(response.data(), b"FIDO_2_0");
            assert_eq!(get_info(&mut token).0, 0x00);
        } else {
            assert_eq!(response.status().get(), 0x6A82, "{profile}");
        }
    }
}

#[test]
fn it_tells_what_it_can_in_canonical_cbor() {
    let mut token = delivered();
    let expected = hex(
        "AD 01 81 68 4649444F5F325F30 03 50 7B1D4C5E920F4A6BB3580E41D6A72C93 \
         04 A5 62 726B F5 62 7570 F5 64 706C6174 F4 69 636C69656E7450696E F4 \
         6E 70696E557641757468546F6B656E F5 05 190800 06 82 02 01 07 10 08 1831 \
         09 82 63 6E6663 6A 736D6172742D63617264 \
         0A 81 A2 63 616C67 26 64 74797065 6A 7075626C69632D6B6579 0C F4 0D 04 0E 01 14 1832",
    );
    assert_eq!(get_info(&mut token), (0x00, expected.clone()));
    assert_eq!(set_pin(&mut token, 1, PIN), 0x00);
    let info = get_info(&mut token).1;
    let changed = expected.iter().zip(&info).filter(|(a, b)| a != b).count();
    assert_eq!(
        (info.len(), changed),
        (expected.len(), 1),
        "clientPin alone"
    );
}

#[test]
fn messages_come_in_chains_and_answers_in_parts() {
    let mut token = delivered();
    // More than fits into a short command: a list with credentials that are not the card's.
    let foreign = vec![vec![0x11; 100]; 6];
    let mut long = request();
    long.list = &foreign;
    assert_eq!(make_credential(&mut token, &long).0, 0x00);

    for get_response in ["00C00000", "80C00000"] {
        let first = raw(&mut token, &hex("80108000 01 04 10"));
        assert_eq!((first.data().len(), first.status().sw1()), (16, 0x61));
        let rest = raw(&mut token, &hex(&format!("{get_response} 00")));
        assert_eq!(rest.status().get(), 0x9000);
        let whole = [first.data(), rest.data()].concat();
        assert_eq!(whole[1..], get_info(&mut token).1);
    }
    // The proprietary class is the FIDO applet's alone.
    expect(&mut token, SELECT_PIV, 0x9000);
    expect(&mut token, "80C00000 00", 0x6E00);

    let options = options()
        .content(virtual_token::Content::Empty)
        .extended_length(true);
    let mut token = VirtualToken::create(Profile::CrescendoKey, &options).unwrap();
    select(&mut token);
    let command = Command::new(0x80, 0x10, 0x00, 0x00)
        .with_data(&[0x04])
        .with_le(Le::new(0x10000).unwrap());
    let response = raw(&mut token, &command.encode_extended().unwrap());
    assert_eq!(response.data()[1..], get_info(&mut token).1);
}

#[test]
fn what_is_no_message_is_refused_by_a_status_word_or_byte() {
    let mut token = delivered();
    expect(&mut token, "80100100 01 04 00", 0x6A86);
    expect(&mut token, "80110000 00", 0x6985);
    expect(&mut token, "80120100", 0x9000);
    expect(&mut token, "80120000", 0x6A86);
    expect(&mut token, "00030000 00", 0x6D00);
    for (message, status) in [
        ("", 0x03),
        ("40", 0x01),
        ("01", 0x12),
        ("01 A0", 0x14),
        ("02 A0 00", 0x12),
        ("02 80", 0x11),
        ("02 A1 01 01", 0x11),
        // Keys twice, out of order, of indefinite length.
        ("06 A2 02 01 02 01", 0x12),
        ("06 A2 02 01 01 01", 0x12),
        ("06 BF 02 01 FF", 0x12),
        ("06 A1 02 06", 0x3E),
        ("06 A1 01 01", 0x14),
        ("06 A2 01 03 02 02", 0x02),
        ("06 A1 02 02", 0x14),
    ] {
        let message = hex(message);
        let command = Command::new(0x80, 0x10, 0x00, 0x00)
            .with_data(&message)
            .with_le(Le::SHORT_MAX);
        let response = send(&mut token, &command);
        assert_eq!(response.status().get(), 0x9000);
        assert_eq!(response.data(), [status], "{message:02X?}");
    }
    let too_long = [&[0x01][..], &[0xA0; 2048]].concat();
    let command = Command::new(0x80, 0x10, 0x00, 0x00).with_data(&too_long);
    assert_eq!(send(&mut token, &command).data(), [0x39]);
}

#[test]
fn a_pin_is_set_once_and_changed_by_whoever_knows_it() {
    for protocol in [1, 2] {
        let mut token = delivered();
        assert_eq!(
            pin_token(&mut token, protocol, PIN, 3, RP).err(),
            Some(0x35)
        );
        assert_eq!(set_pin(&mut token, protocol, PIN), 0x00);
        assert_eq!(set_pin(&mut token, protocol, b"9999"), PIN_AUTH_INVALID);
        assert!(pin_token(&mut token, protocol, PIN, 3, RP).is_ok());

        let agreement = Agreement::with(&mut token, protocol);
        assert_eq!(
            agreement.change_pin(&mut token, b"0000", b"9999"),
            PIN_INVALID
        );
        let agreement = Agreement::with(&mut token, protocol);
        assert_eq!(agreement.change_pin(&mut token, PIN, b"9999"), 0x00);
        assert_eq!(
            pin_token(&mut token, protocol, PIN, 3, RP).err(),
            Some(PIN_INVALID)
        );
        assert!(pin_token(&mut token, protocol, b"9999", 3, RP).is_ok());
        assert_eq!(retries(&mut token), (8, false));
    }
}

#[test]
fn a_pin_is_text_of_four_to_sixty_three_bytes() {
    for (pin, status) in [
        (&b"123"[..], 0x37),
        ("äöü".as_bytes(), 0x37),
        (b"123\xFF", 0x37),
        (&[b'1'; 64], 0x37),
        ("äöüß".as_bytes(), 0x00),
        (&[b'1'; 63], 0x00),
    ] {
        let mut token = delivered();
        assert_eq!(set_pin(&mut token, 2, pin), status, "{pin:02X?}");
    }
}

#[test]
fn three_wrong_pins_want_a_power_cycle_and_eight_block() {
    let mut token = with_pin();
    let mut left = 8;
    for cycle in 0..3 {
        for attempt in 1..=3 {
            if left == 0 {
                break;
            }
            left -= 1;
            let expected = match (left, attempt) {
                (0, _) => PIN_BLOCKED,
                (_, 3) => PIN_AUTH_BLOCKED,
                _ => PIN_INVALID,
            };
            assert_eq!(wrong_pin(&mut token), expected, "{cycle}, {attempt}");
        }
        assert_eq!(retries(&mut token), (left, left == 2 || left == 5));
        if left > 0 {
            // Neither the right PIN nor selecting the applet anew helps.
            select(&mut token);
            let answer = pin_token(&mut token, 2, PIN, 3, RP);
            assert_eq!(answer.err(), Some(PIN_AUTH_BLOCKED));
            assert_eq!(retries(&mut token).0, left);
        }
        // The tries outlast the power.
        token = VirtualToken::from_state(token.to_state()).unwrap();
        select(&mut token);
    }
    assert_eq!(retries(&mut token), (0, false));
    assert_eq!(
        pin_token(&mut token, 2, PIN, 3, RP).err(),
        Some(PIN_BLOCKED)
    );
    let agreement = Agreement::with(&mut token, 2);
    assert_eq!(agreement.change_pin(&mut token, PIN, b"9999"), PIN_BLOCKED);
}

#[test]
fn the_right_pin_gives_the_tries_back() {
    let mut token = with_pin();
    let _ = token.take_dirty();
    assert!(pin_token(&mut token, 1, PIN, 3, RP).is_ok());
    assert!(!token.take_dirty(), "nothing has changed");
    wrong_pin(&mut token);
    assert!(token.take_dirty());
    wrong_pin(&mut token);
    assert_eq!(retries(&mut token), (6, false));
    assert!(pin_token(&mut token, 1, PIN, 3, RP).is_ok());
    assert_eq!(retries(&mut token), (8, false));
}

#[test]
fn a_wrong_pin_voids_the_agreement_and_the_token() {
    let mut token = with_pin();
    let held = pin_token(&mut token, 2, PIN, 3, RP).unwrap();
    let agreement = Agreement::with(&mut token, 2);
    assert_eq!(
        agreement.change_pin(&mut token, b"0000", b"9999"),
        PIN_INVALID
    );
    assert_eq!(
        agreement.change_pin(&mut token, PIN, b"9999"),
        PIN_AUTH_INVALID
    );
    assert_eq!(retries(&mut token).0, 7, "no try was spent on that");
    let mut proven = request();
    proven.token = Some(&held);
    assert_eq!(make_credential(&mut token, &proven).0, PIN_AUTH_INVALID);
}

#[test]
fn without_a_pin_whoever_is_there_registers_and_authenticates() {
    let mut token = delivered();
    let registered = register(&mut token, &request());
    assert_eq!(registered.flags, 0x41);
    let ids = [vec![0; 49], registered.id.clone()];
    let mut allowed = request();
    allowed.list = &ids;
    let (flags, counter) = authenticate(&mut token, &allowed, &registered);
    assert_eq!(flags, 0x01);
    allowed.up = Some(false);
    let (flags, next) = authenticate(&mut token, &allowed, &registered);
    assert_eq!((flags, next > counter), (0x00, true));

    // It is not one that the card finds, nor another relying party's.
    assert_eq!(get_assertion(&mut token, &request()).0, 0x2E);
    let mut elsewhere = Request::new("example.net", HASH);
    elsewhere.list = &ids;
    assert_eq!(get_assertion(&mut token, &elsewhere).0, 0x2E);
}

#[test]
fn with_a_pin_registering_takes_it_and_it_is_told() {
    for protocol in [1, 2] {
        let mut token = delivered();
        assert_eq!(set_pin(&mut token, protocol, PIN), 0x00);
        assert_eq!(make_credential(&mut token, &request()).0, 0x36);
        let held = pin_token(&mut token, protocol, PIN, 1, RP).unwrap();
        let mut proven = request();
        proven.token = Some(&held);
        proven.uv = Some(true);
        let registered = register(&mut token, &proven);
        assert_eq!(registered.flags, 0x45);

        let ids = [registered.id.clone()];
        let held = pin_token(&mut token, protocol, PIN, 2, RP).unwrap();
        proven.list = &ids;
        proven.token = Some(&held);
        assert_eq!(authenticate(&mut token, &proven, &registered).0, 0x05);
        proven.token = None;
        proven.uv = None;
        assert_eq!(authenticate(&mut token, &proven, &registered).0, 0x01);
    }
}

#[test]
fn a_token_serves_once_for_what_it_was_given_for() {
    let mut token = with_pin();
    let refused = |token: &mut VirtualToken, held, rp_id| {
        let mut proven = Request::new(rp_id, HASH);
        proven.token = Some(held);
        make_credential(token, &proven).0
    };
    let assertions_only = pin_token(&mut token, 2, PIN, 2, RP).unwrap();
    assert_eq!(refused(&mut token, &assertions_only, RP), PIN_AUTH_INVALID);
    let held = pin_token(&mut token, 2, PIN, 3, RP).unwrap();
    assert_eq!(refused(&mut token, &held, "example.net"), PIN_AUTH_INVALID);
    assert_eq!(refused(&mut token, &held, RP), 0x00);
    assert_eq!(refused(&mut token, &held, RP), PIN_AUTH_INVALID, "used up");
    let held = pin_token(&mut token, 2, PIN, 3, RP).unwrap();
    select(&mut token);
    assert_eq!(
        refused(&mut token, &held, RP),
        PIN_AUTH_INVALID,
        "selected anew"
    );

    // getPinToken of CTAP 2.0 names no relying party: the first use does.
    let agreement = Agreement::with(&mut token, 1);
    let held = agreement.pin_token_of_ctap_2_0(&mut token, PIN).unwrap();
    let mut silent = request();
    silent.token = Some(&held);
    silent.up = Some(false);
    assert_eq!(get_assertion(&mut token, &silent).0, 0x2E);
    assert_eq!(refused(&mut token, &held, "example.net"), PIN_AUTH_INVALID);
    assert_eq!(refused(&mut token, &held, RP), 0x00);

    for (permissions, status) in [(0, 0x02), (4, 0x40), (3 | 0x20, 0x40)] {
        assert_eq!(
            pin_token(&mut token, 2, PIN, permissions, RP).err(),
            Some(status)
        );
    }
    // An empty proof asks whether there is a PIN.
    let empty = Token::question();
    assert_eq!(refused(&mut token, &empty, RP), PIN_INVALID);
    assert_eq!(refused(&mut delivered(), &empty, RP), 0x35);
}

#[test]
fn a_credential_that_is_there_is_not_made_again() {
    let mut token = delivered();
    let ids = [register(&mut token, &request()).id];
    let mut excluding = request();
    excluding.list = &ids;
    assert_eq!(make_credential(&mut token, &excluding).0, 0x19);
    let mut elsewhere = Request::new("example.net", HASH);
    elsewhere.list = &ids;
    assert_eq!(make_credential(&mut token, &elsewhere).0, 0x00);
}

#[test]
fn options_and_algorithms_that_it_does_not_have() {
    let mut token = delivered();
    let mut odd = request();
    odd.uv = Some(true);
    assert_eq!(make_credential(&mut token, &odd).0, 0x2C);
    assert_eq!(get_assertion(&mut token, &odd).0, 0x2C);
    let mut odd = request();
    odd.up = Some(false);
    assert_eq!(make_credential(&mut token, &odd).0, 0x2C);
    let mut odd = request();
    odd.rk = Some(true);
    assert_eq!(get_assertion(&mut token, &odd).0, 0x2B);
    let mut odd = request();
    odd.algorithms = &[-257, -8];
    assert_eq!(make_credential(&mut token, &odd).0, 0x26);
    odd.algorithms = &[-257, -7];
    assert_eq!(make_credential(&mut token, &odd).0, 0x00);
}

#[test]
fn discoverable_credentials_are_found_the_latest_first() {
    let mut token = with_pin();
    let mut made = Vec::new();
    for user in [&b"one"[..], b"two", b"one"] {
        let held = pin_token(&mut token, 2, PIN, 1, RP).unwrap();
        let mut resident = request();
        resident.rk = Some(true);
        resident.user = user;
        resident.token = Some(&held);
        made.push(register(&mut token, &resident));
    }
    let left = lookup(&get_info(&mut token).1, 0x14).unwrap();
    assert_eq!(
        left,
        [0x18, 48],
        "the second account has replaced its first"
    );

    let held = pin_token(&mut token, 2, PIN, 2, RP).unwrap();
    let mut verified = request();
    verified.token = Some(&held);
    let (status, first) = get_assertion(&mut token, &verified);
    assert_eq!(status, 0x00);
    assert_eq!(descriptor(&field(&first, 1)), made[2].id);
    assert_eq!(field(&first, 5), [2]);
    let user = field(&first, 4);
    assert_eq!(
        user,
        hex(
            "A3 62 6964 43 6F6E65 64 6E616D65 65 4E616D6564 6B 646973706C61794E616D65 65 5368 6F776E"
        )
    );
    let (status, second) = ctap(&mut token, 0x08, &[]);
    assert_eq!(status, 0x00);
    assert_eq!(descriptor(&field(&second, 1)), made[1].id);
    check(
        &made[1].key,
        &bytes(&field(&second, 2)),
        &bytes(&field(&second, 3)),
    );
    assert_eq!(lookup(&second, 5), None);
    assert_eq!(ctap(&mut token, 0x08, &[]).0, 0x30);

    // Who is not verified learns no names, and another command ends it all.
    let (_, first) = get_assertion(&mut token, &request());
    assert_eq!(field(&first, 4), hex("A1 62 6964 43 6F6E65"));
    assert_eq!(get_info(&mut token).0, 0x00);
    assert_eq!(ctap(&mut token, 0x08, &[]).0, 0x30);

    // By its identifier the one that was replaced is gone too.
    let ids = [made[0].id.clone()];
    let mut allowed = request();
    allowed.list = &ids;
    assert_eq!(get_assertion(&mut token, &allowed).0, 0x2E);
}

#[test]
fn there_is_room_for_fifty() {
    let mut token = delivered();
    let mut resident = request();
    resident.rk = Some(true);
    let users: Vec<[u8; 1]> = (0..=50).map(|number| [number]).collect();
    for user in &users[..50] {
        resident.user = user;
        assert_eq!(make_credential(&mut token, &resident).0, 0x00);
    }
    resident.user = &users[50];
    assert_eq!(make_credential(&mut token, &resident).0, 0x28);
    resident.user = &users[0];
    assert_eq!(make_credential(&mut token, &resident).0, 0x00);
    assert!(VirtualToken::from_state(token.to_state()).is_ok());
}

#[test]
fn credentials_outlast_the_power() {
    let mut token = delivered();
    let registered = register(&mut token, &request());
    let text = serde_json::to_string(&token.to_state()).unwrap();
    let mut token = VirtualToken::from_state(serde_json::from_str(&text).unwrap()).unwrap();
    select(&mut token);
    let ids = [registered.id.clone()];
    let mut allowed = request();
    allowed.list = &ids;
    assert_eq!(authenticate(&mut token, &allowed, &registered).1, 2);
}

#[test]
fn reset_forgets_everything_and_is_for_the_first_moments() {
    let mut token = with_pin();
    let held = pin_token(&mut token, 2, PIN, 1, RP).unwrap();
    let mut resident = request();
    resident.rk = Some(true);
    resident.token = Some(&held);
    let ids = [register(&mut token, &resident).id];
    assert_eq!(ctap(&mut token, 0x07, &[]).0, 0x30);
    token.reset();
    select(&mut token);
    assert_eq!(get_info(&mut token).0, 0x00);
    assert_eq!(retries(&mut token).0, 8);
    assert_eq!(ctap(&mut token, 0x0B, &[]).0, 0x00);
    assert_eq!(ctap(&mut token, 0x07, &[]).0, 0x00);
    assert_eq!(get_info(&mut token), get_info(&mut delivered()));
    let mut allowed = request();
    allowed.list = &ids;
    assert_eq!(get_assertion(&mut token, &allowed).0, 0x2E);
    assert_eq!(ctap(&mut token, 0x07, &[]).0, 0x30);
}

#[test]
fn reset_card_takes_it_along_on_the_4000_alone() {
    for profile in [Profile::Crescendo4000, Profile::CrescendoKey] {
        let mut token = blank(profile);
        select(&mut token);
        assert_eq!(set_pin(&mut token, 2, PIN), 0x00);
        expect(&mut token, SELECT_ACA, 0x9000);
        let mut verify = hex("00200000 08");
        verify.extend(token.factory_pin());
        verify.resize(13, 0xFF);
        assert_eq!(raw(&mut token, &verify).status().get(), 0x9000);
        expect(&mut token, "00380000", 0x9000);
        select(&mut token);
        let is_kept = profile == Profile::CrescendoKey;
        let mut delivered = blank(profile);
        select(&mut delivered);
        let as_delivered = get_info(&mut token) == get_info(&mut delivered);
        assert_eq!(as_delivered, !is_kept, "{profile}");
    }
}

#[test]
fn selecting_it_closes_what_the_piv_pin_opened() {
    let mut token = delivered();
    expect(&mut token, SELECT_ACA, 0x9000);
    expect(&mut token, "00200000 08 303030303030FFFF", 0x9000);
    select(&mut token);
    expect(&mut token, SELECT_PIV, 0x9000);
    expect(&mut token, "00200080", 0x63C6);
}

#[test]
fn a_state_from_before_has_it_as_delivered_and_a_damaged_one_is_refused() {
    let token = with_pin();
    let state = serde_json::to_value(token.to_state()).unwrap();
    let load = |state: serde_json::Value| {
        VirtualToken::from_state(serde_json::from_value::<TokenState>(state).unwrap())
    };
    let mut old = state.clone();
    old.as_object_mut().unwrap().remove("fido").unwrap();
    let mut old = load(old).unwrap();
    select(&mut old);
    assert_eq!(get_info(&mut old), get_info(&mut delivered()));

    for (field, value) in [("pin", "00".into()), ("tries_used", serde_json::json!(9))] {
        let mut damaged = state.clone();
        damaged["fido"][field] = value;
        assert!(load(damaged).is_err(), "{field}");
    }
    let mut other = serde_json::to_value(blank(Profile::Piv).to_state()).unwrap();
    other["fido"] = state["fido"].clone();
    assert!(load(other).is_err(), "a card without the applet");
}

#[test]
fn a_conversation_with_another_implementation_goes_as_it_went() {
    let mut token = delivered();
    token.set_random_seed(7);
    let lines = include_str!("python_fido2.txt").lines();
    let mut answer = Vec::new();
    for line in lines.filter(|line| !line.starts_with('#')) {
        let (side, bytes) = line.split_at(2);
        if side == "> " {
            answer = token.process(&hex(bytes)).to_vec();
        } else {
            assert_eq!(answer, hex(bytes));
        }
    }
    assert_eq!(retries(&mut token).0, 8);
    assert!(pin_token(&mut token, 1, b"31415", 3, RP).is_ok());
    let info = get_info(&mut token).1;
    assert_eq!(field(&info, 0x14), [0x18, 49], "one credential was made");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Damaged messages too: those get further than bytes at random.
    #[test]
    fn any_message_is_answered(
        with_a_pin in any::<bool>(),
        messages in prop::collection::vec(message(), 1..12),
    ) {
        let mut token = if with_a_pin { with_pin() } else { delivered() };
        for message in messages {
            let command = Command::new(0x80, 0x10, 0x00, 0x00)
                .with_data(&message)
                .with_le(Le::SHORT_MAX);
            let response = send(&mut token, &command);
            prop_assert_eq!(response.status().get(), 0x9000);
            prop_assert!(!response.data().is_empty());
        }
        prop_assert!(VirtualToken::from_state(token.to_state()).is_ok());
    }
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let commands: &[u8] = &[0x01, 0x02, 0x04, 0x06, 0x07, 0x08, 0x0B];
    let random = (
        prop::sample::select(commands),
        prop::collection::vec(any::<u8>(), 0..80),
    )
        .prop_map(|(command, parameters)| [vec![command], parameters].concat());
    let good = prop::sample::select(good_messages()).prop_map(|(message, _)| message);
    let damaged = (
        prop::sample::select(good_messages()),
        any::<prop::sample::Index>(),
        any::<u8>(),
    )
        .prop_map(|((mut message, _), position, value)| {
            let position = position.index(message.len());
            message[position] = value;
            message
        });
    prop_oneof![1 => random, 1 => good, 3 => damaged]
}

/// Messages and what a token as delivered answers.
fn good_messages() -> Vec<(Vec<u8>, u8)> {
    let mut resident = request();
    resident.rk = Some(true);
    vec![
        ([vec![0x01], request().registration()].concat(), 0x00),
        ([vec![0x01], resident.registration()].concat(), 0x00),
        // There is no credential yet.
        ([vec![0x02], request().authentication()].concat(), 0x2E),
        (hex("06 A2 01 02 02 02"), 0x00),
        // getPinToken with a point that is on the curve; there is no PIN.
        (
            hex("06 A4 01 02 02 05 03 A5 01 02 03 3818 20 01 \
                 21 5820 6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296 \
                 22 5820 4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5 \
                 06 58 20 0000000000000000000000000000000000000000000000000000000000000000"),
            0x35,
        ),
        (vec![0x04], 0x00),
        (vec![0x07], 0x00),
        (vec![0x08], 0x30),
    ]
}

#[test]
fn the_messages_that_are_damaged_are_good() {
    for (message, expected) in good_messages() {
        let (status, _) = ctap(&mut delivered(), message[0], &message[1..]);
        assert_eq!(status, expected, "{message:02X?}");
    }
}
