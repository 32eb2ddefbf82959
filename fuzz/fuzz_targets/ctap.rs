#![no_main]
//! What a FIDO authenticator answers: GetInfo, ClientPIN and Reset, in responses of any
//! kind, after keep-alives or none.

use std::convert::Infallible;
use std::sync::LazyLock;

use ctap_apdu::client_pin::{ChangePin, GetKeyAgreement, GetPinRetries, GetPinToken, SetPin};
use ctap_apdu::framing::{AskOn, MAX_KEEP_ALIVES, Message, Select};
use ctap_apdu::{AgreementKey, CtapCommand, FidoPin, GetInfo, PinProtocol, Reset, SharedSecret};
use fuzz::take_part;
use libfuzzer_sys::fuzz_target;
use piv_apdu::apdu::{Command, Response};
use piv_apdu::command::TypedCommand;
use piv_apdu::secret::from_hex;
use piv_apdu::status::StatusWord;
use rand_core::{TryCryptoRng, TryRng};

/// Always the same.
struct Ones;

impl TryRng for Ones {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(1)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(1)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.fill(1);
        Ok(())
    }
}

impl TryCryptoRng for Ones {}

/// The base point of P-256, as the authenticator's key.
const POINT: &str = "04\
    6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296\
    4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5";

static PIN: LazyLock<FidoPin> = LazyLock::new(|| FidoPin::new("1234").unwrap());

static SECRETS: LazyLock<[SharedSecret; 2]> = LazyLock::new(|| {
    let key = AgreementKey::from_point(&from_hex(POINT).unwrap()).unwrap();
    [PinProtocol::One, PinProtocol::Two]
        .map(|protocol| SharedSecret::agree(protocol, &key, &mut Ones).unwrap())
});

/// Calls with the responses in `data`, the last one over and over.
fn call<C: CtapCommand>(command: &C, mut data: &[u8]) -> Option<C::Answer> {
    let mut response = Response::from_status(StatusWord::SUCCESS);
    let mut sent = 0;
    let answer = ctap_apdu::call(command, |_: &Command| {
        sent += 1;
        if let Some(next) = take_part(&mut data).and_then(|part| Response::decode(part).ok()) {
            response = next;
        }
        Ok::<_, Infallible>(response.clone())
    });
    assert!(sent <= 1 + MAX_KEEP_ALIVES);
    answer.ok()
}

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else {
        return;
    };
    let secret = &SECRETS[usize::from(first >> 7)];
    let protocol = secret.protocol();
    match first & 7 {
        0 => {
            if let Some(info) = call(&GetInfo, data) {
                assert!(info.min_pin_length() >= FidoPin::MIN_CODE_POINTS);
                let _ = (info.client_pin(), info.pin_protocol());
            }
        }
        1 => {
            let _ = call(&GetPinRetries { protocol }, data);
        }
        2 => {
            if let Some(key) = call(&GetKeyAgreement { protocol }, data) {
                assert_eq!(AgreementKey::from_point(&key.to_point()), Some(key));
            }
        }
        3 => {
            let get = GetPinToken::new(secret, &PIN, &mut Ones).unwrap();
            if let Some(token) = call(&get, data) {
                assert!(matches!(token.as_bytes().len(), 16 | 32));
            }
        }
        4 => {
            let set = SetPin::new(secret, &PIN, &mut Ones).unwrap();
            let _ = call(&set, data);
        }
        5 => {
            let change = ChangePin::new(secret, &PIN, &PIN, &mut Ones).unwrap();
            let _ = call(&change, data);
        }
        6 => {
            let _ = call(&Reset, data);
        }
        _ => {
            if let Ok(response) = Response::decode(data) {
                let _ = Select::decode_answer(&response);
                let _ = Message::decode_answer(&response);
            }
            if let Ok(command) = Command::decode(data) {
                let _ = Select::from_command(&command);
                let _ = AskOn::from_command(&command);
                if let Ok(message) = Message::from_command(&command) {
                    assert_eq!(message.as_bytes(), command.data());
                }
            }
        }
    }
});
