//! Secrets are wiped before their memory is given back: the PIN as typed, padded and
//! hashed, the keys agreed on, the host's private key, the token.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

use std::convert::Infallible;

use ctap_apdu::client_pin::{ChangePin, GetKeyAgreement, GetPinToken, SetPin};
use ctap_apdu::{CtapCommand, FidoPin, PinProtocol, SharedSecret};
use piv_apdu::secret::from_hex;
use rand_core::{TryCryptoRng, TryRng};
use secret_scan::{Scanner, look_for};
use serde_json::Value;
use sha2::{Digest, Sha256};

#[global_allocator]
static ALLOCATOR: Scanner = Scanner;

const VECTORS: &str = include_str!("vectors/client_pin/vectors.json");

fn hex(value: &Value) -> piv_apdu::Zeroizing<Vec<u8>> {
    from_hex(value.as_str().unwrap()).unwrap()
}

/// The bytes of the vector, and ones when they are used up.
struct Noted<'v>(&'v [u8]);

impl TryRng for Noted<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("bytes are asked for, not numbers")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("bytes are asked for, not numbers")
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for byte in out {
            let (first, rest) = self.0.split_first().unwrap_or((&1, &[]));
            (*byte, self.0) = (*first, rest);
        }
        Ok(())
    }
}

impl TryCryptoRng for Noted<'_> {}

#[test]
fn nothing_secret_is_left_in_memory_that_is_given_back() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let text = |name: &str| vectors[name].as_str().unwrap();
    let (present, new) = (text("present_pin"), text("new_pin"));
    let protocols = [(PinProtocol::One, "1"), (PinProtocol::Two, "2")];
    look_for("hash of the PIN", &Sha256::digest(present)[..16]);
    for (_, number) in protocols {
        let vector = &vectors["protocols"][number];
        look_for("token", &hex(&vector["pin_token"]));
        for key in hex(&vector["token"]["shared_secret"]).chunks(32) {
            look_for("shared secret", key);
        }
        let mut private_key =
            piv_apdu::Zeroizing::new(hex(&vector["token"]["random"])[..32].to_vec());
        look_for("private key", &private_key);
        // As numbers lie in memory here.
        private_key.reverse();
        look_for("private key", &private_key);
    }
    let (present, new) = (FidoPin::new(present).unwrap(), FidoPin::new(new).unwrap());
    look_for("present PIN", present.as_str().as_bytes());
    look_for("new PIN", new.as_str().as_bytes());
    for (protocol, number) in protocols {
        let action = &vectors["protocols"][number]["token"];
        let (random, said) = (hex(&action["random"]), &action["said"]);
        let random = &mut Noted(&random);
        let answer = hex(&said[0]["answer"]);
        let key = GetKeyAgreement { protocol }.read_answer(&answer).unwrap();
        let secret = SharedSecret::agree(protocol, &key, random).unwrap();
        let get = GetPinToken::new(&secret, &present, random).unwrap();
        drop(get.read_answer(&hex(&said[1]["answer"])).unwrap());
        drop(
            ChangePin::new(&secret, &present.clone(), &new, random)
                .unwrap()
                .to_message(),
        );
        drop(
            SetPin::new(&secret, &new.clone(), random)
                .unwrap()
                .to_message(),
        );
    }
    drop((present, new));
    let found = secret_scan::found();
    assert!(found.is_empty(), "{found:?}");
    // That it would be found.
    drop(hex(&vectors["protocols"]["1"]["pin_token"]).to_vec());
    assert_eq!(secret_scan::found().len(), 1);
}
