//! Any bytes into every decoder: none may panic, and what a token is decrypted from
//! decides nothing but its length.

use std::convert::Infallible;

use ctap_apdu::client_pin::{GetKeyAgreement, GetPinRetries, GetPinToken, SetPin};
use ctap_apdu::framing::{AskOn, Message, Select};
use ctap_apdu::{
    AgreementKey, CtapCommand, FidoPin, GetInfo, PinProtocol, Reset, SharedSecret, call,
};
use piv_apdu::apdu::{Command, Response};
use piv_apdu::command::TypedCommand;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use rand_core::{TryCryptoRng, TryRng};

use crate::cbor::{Habits, Value, any_habits, any_value};

/// The same bytes over and over.
struct Constant(u8);

impl TryRng for Constant {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_ne_bytes([self.0; 4]))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_ne_bytes([self.0; 8]))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.fill(self.0);
        Ok(())
    }
}

impl TryCryptoRng for Constant {}

/// The base point of P-256 (SP 800-186, 3.2.1.3).
const BASE_POINT: &str = "04\
    6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296\
    4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5";

fn secret(protocol: PinProtocol) -> SharedSecret {
    let point = piv_apdu::secret::from_hex(BASE_POINT).unwrap();
    let key = AgreementKey::from_point(&point).unwrap();
    SharedSecret::agree(protocol, &key, &mut Constant(7)).unwrap()
}

fn everything(answer: &[u8]) {
    let _ = GetInfo.read_answer(answer);
    let _ = Reset.read_answer(answer);
    let pin = FidoPin::new("1234").unwrap();
    for protocol in [PinProtocol::One, PinProtocol::Two] {
        let _ = GetPinRetries { protocol }.read_answer(answer);
        let _ = GetKeyAgreement { protocol }.read_answer(answer);
        let secret = secret(protocol);
        let set = SetPin::new(&secret, &pin, &mut Constant(1)).unwrap();
        let _ = set.read_answer(answer);
        let get = GetPinToken::new(&secret, &pin, &mut Constant(1)).unwrap();
        let _ = get.read_answer(answer);
    }
}

fn framing(bytes: &[u8]) {
    if let Ok(response) = Response::decode(bytes) {
        let _ = Select::decode_answer(&response);
        let _ = Message::decode_answer(&response);
        let _ = AskOn::decode_answer(&response);
        let _ = call(&GetInfo, |_| Ok::<_, Infallible>(response.clone()));
    }
    if let Ok(command) = Command::decode(bytes) {
        if let Ok(read) = Message::from_command(&command) {
            assert_eq!(read.as_bytes(), command.data());
        }
        let _ = Select::from_command(&command);
        let _ = AskOn::from_command(&command);
    }
}

proptest! {
    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..80)) {
        everything(&bytes);
        framing(&bytes);
    }

    #[test]
    fn any_values(value in any_value(), habits in any_habits()) {
        everything(&[&[0], &*value.encode(habits)].concat());
    }

    #[test]
    fn damaged_values(
        value in any_value(),
        habits in any_habits(),
        at in any::<Index>(),
        byte: u8,
        cut in any::<Index>(),
    ) {
        let mut answer = [&[0], &*value.encode(habits)].concat();
        let at = at.index(answer.len());
        answer[at] = byte;
        answer.truncate(cut.index(answer.len() + 1));
        everything(&answer);
    }

    #[test]
    fn a_token_is_taken_by_its_length(length in 0_usize..100) {
        let pin = FidoPin::new("1234").unwrap();
        let answer = Value::Map(vec![(Value::Integer(2), Value::Bytes(vec![5; length]))]);
        let answer = [&[0], &*answer.encode(Habits::default())].concat();
        for (protocol, lengths) in [
            (PinProtocol::One, &[16, 32][..]),
            // With its initialization vector.
            (PinProtocol::Two, &[48]),
        ] {
            let secret = secret(protocol);
            let get = GetPinToken::new(&secret, &pin, &mut Constant(1)).unwrap();
            prop_assert_eq!(get.read_answer(&answer).is_ok(), lengths.contains(&length));
        }
    }
}
