#![no_main]
//! A conversation with a token in software: any commands, on any profile.
//!
//! The first byte picks the profile. Then come the commands, each after a byte
//! with its length: 00 resets the token, FF means all that is left.

use std::sync::OnceLock;
use std::time::SystemTime;

use fuzz::take_part;
use libfuzzer_sys::fuzz_target;
use pcsc_transport::Interface;
use piv_apdu::apdu::Command;
use piv_apdu::key::KeyReference;
use piv_apdu::sm::CipherSuite;
use virtual_token::{
    CreateOptions, KeyAlgorithm, Profile, Protocol, TokenState, Vci, VirtualToken,
};

const SELECT_PIV: &[u8] = b"\x00\xA4\x04\x00\x0B\xA0\x00\x00\x03\x08\x00\x00\x10\x00\x01\x00\x00";

/// Personalized tokens, with keys that are quick to use, and one wrong PIN
/// behind them. Made once.
fn tokens() -> &'static [TokenState] {
    static TOKENS: OnceLock<Vec<TokenState>> = OnceLock::new();
    TOKENS.get_or_init(|| {
        let options = |profile| {
            let keys: &[u8] = match profile {
                Profile::Crescendo4000 => &[0x9A, 0xB0],
                Profile::Piv => &[0x9A, 0x9C, 0x9D, 0x9E],
                _ => &[0x9A, 0x9C, 0x9D, 0x82],
            };
            keys.iter().fold(
                CreateOptions::default()
                    .seed(1)
                    .created(SystemTime::UNIX_EPOCH),
                |options, key| options.key(KeyReference(*key), KeyAlgorithm::EccP256),
            )
        };
        let t0 = options(Profile::Piv).protocol(Protocol::T0).yubico(true);
        let vci = options(Profile::Piv).vci(Vci::new(CipherSuite::Cs2));
        Profile::ALL
            .map(|profile| (profile, options(profile)))
            .into_iter()
            .chain([(Profile::Piv, t0), (Profile::Piv, vci.clone())])
            .map(|token| (token, Interface::Contact))
            .chain([((Profile::Piv, vci), Interface::Contactless)])
            .map(|((profile, options), interface)| {
                let mut token = VirtualToken::create(profile, &options).expect("the options fit");
                token.set_interface(interface);
                let before = tries(&mut token);
                token.process(b"\x00\x20\x00\x80\x08111222\xFF\xFF");
                let cost = u8::from(interface == Interface::Contact);
                assert_eq!(tries(&mut token), before - cost);
                with_fido_pin(token.to_state())
            })
            .collect()
    })
}

/// A FIDO PIN that nobody can guess, with two wrong ones behind it, where there is FIDO.
const FIDO_PIN: &str = "2B7E151628AED2A6ABF7158809CF4F3C";
const FIDO_TRIES_USED: u64 = 2;

fn with_fido_pin(state: TokenState) -> TokenState {
    let has_fido = matches!(
        state.profile(),
        Profile::Crescendo4000 | Profile::CrescendoKey
    );
    if !has_fido {
        return state;
    }
    let mut state = serde_json::to_value(state).expect("a state can be written");
    state["fido"]["pin"] = FIDO_PIN.into();
    state["fido"]["tries_used"] = FIDO_TRIES_USED.into();
    serde_json::from_value(state).expect("what was written can be read")
}

/// The tries that the PIN has left, as a host asks for them over contact.
fn tries(token: &mut VirtualToken) -> u8 {
    let interface = token.interface();
    token.set_interface(Interface::Contact);
    token.reset();
    token.process(SELECT_PIV);
    let tries = match token.process(b"\x00\x20\x00\x80")[..] {
        [0x63, status] => status & 0x0F,
        [0x69, 0x83] => 0,
        ref other => panic!("VERIFY without data answers {other:02X?}"),
    };
    token.set_interface(interface);
    token.process(SELECT_PIV);
    tries
}

/// Whether the bytes hold the PIN or the PUK that would be right.
fn holds_a_secret(data: &[u8], token: &VirtualToken) -> bool {
    let holds = |secret: &[u8]| data.windows(secret.len()).any(|window| window == secret);
    holds(token.factory_pin()) || token.factory_puk().is_some_and(holds)
}

/// Generating an RSA key takes seconds.
fn is_slow(command: &[u8]) -> bool {
    command.get(1) == Some(&0x47)
        && command
            .windows(3)
            .any(|window| matches!(window, [0x80, 0x01, 0x05..=0x07]))
}

/// One command; the answer is a status word and no more data than allowed.
/// Whether the command was an EXTERNAL AUTHENTICATE that succeeded.
fn process(token: &mut VirtualToken, command: &[u8]) -> bool {
    let response = token.process(command);
    let data = response
        .len()
        .checked_sub(2)
        .expect("there is a status word");
    let allowed = Command::decode(command).map_or(0, |command| {
        command.le().map_or(256, |le| le.get() as usize)
    });
    assert!(
        data <= allowed,
        "{data} bytes of data where {allowed} are allowed"
    );
    command.get(1) == Some(&0x82) && response[..] == [0x90, 0x00]
}

fuzz_target!(|data: &[u8]| {
    let Some((which, mut rest)) = data.split_first() else {
        return;
    };
    let state = &tokens()[usize::from(*which) % tokens().len()];
    let mut token = VirtualToken::from_state(state.clone()).expect("it was a token's");
    token.set_random_seed(2);
    let before = tries(&mut token);
    token.reset();

    // With the XAUTH key a Crescendo's PIN is unlocked.
    let mut unlocked = holds_a_secret(data, &token);
    while let Some(command) = take_part(&mut rest) {
        if command.is_empty() {
            token.reset();
        } else if !is_slow(command) {
            unlocked |= process(&mut token, command);
        }
    }

    if !unlocked {
        assert!(
            tries(&mut token) <= before,
            "tries came back without PIN, PUK or key"
        );
    }
    let state = serde_json::to_value(token.to_state()).expect("a state can be written");
    if state["fido"]["pin"] == FIDO_PIN {
        assert!(
            state["fido"]["tries_used"].as_u64() >= Some(FIDO_TRIES_USED),
            "tries of the FIDO PIN came back without it"
        );
    }
    VirtualToken::from_state(token.to_state()).expect("what the token became is a token");
});
