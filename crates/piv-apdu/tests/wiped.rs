//! Secrets of a secure session are wiped before their memory is given back: the shared
//! secret, the session keys, the host's private key, and a PIN on its way.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

use piv_apdu::apdu::{Command, Response};
use piv_apdu::command::{TypedCommand, Verify, VerifyAction};
use piv_apdu::key::KeyReference;
use piv_apdu::secret::{Pin, from_hex};
use piv_apdu::sm::{CipherSuite, Established, KeyEstablishment};
use secret_scan::{Scanner, look_for};
use serde_json::Value;

#[global_allocator]
static ALLOCATOR: Scanner = Scanner;

const VECTORS: &str = include_str!("vectors/secure_messaging/vectors.json");
const PIN: &[u8] = b"739164";

fn hex(value: &Value) -> piv_apdu::Zeroizing<Vec<u8>> {
    from_hex(value.as_str().unwrap()).unwrap()
}

fn established(suite: CipherSuite, vectors: &Value) -> Established {
    let host = &vectors["host"];
    let host_id = hex(&host["ids_h"]).as_slice().try_into().unwrap();
    let private_key = hex(&host["private_key"]);
    let establishment = KeyEstablishment::from_parts(suite, host_id, &private_key).unwrap();
    let answer = Response::decode(&hex(&vectors["direct"]["answer"])).unwrap();
    establishment.finish(&answer).unwrap()
}

fn verify() -> Command {
    let action = VerifyAction::Check(Pin::new(PIN).unwrap().padded());
    let reference = KeyReference::PIV_PIN;
    Verify { reference, action }.to_command()
}

#[test]
fn nothing_secret_is_left_in_memory_that_is_given_back() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let suites = [(CipherSuite::Cs2, "CS2"), (CipherSuite::Cs7, "CS7")];
    look_for("PIN", PIN);
    for (_, name) in suites {
        let vectors = &vectors["suites"][name];
        for secret in ["z", "sk_cfrm", "sk_mac", "sk_enc", "sk_rmac"] {
            look_for(secret, &hex(&vectors["direct"][secret]));
        }
        let mut private_key = hex(&vectors["host"]["private_key"]);
        look_for("private key", &private_key);
        // As numbers lie in memory here.
        private_key.reverse();
        look_for("private key", &private_key);
    }
    for (suite, name) in suites {
        let vectors = &vectors["suites"][name];
        // Given up, ended, dropped, and out of step.
        drop(established(suite, vectors));
        let mut session = established(suite, vectors).unverified();
        session.end();
        let mut session = established(suite, vectors).unverified();
        drop(session.wrap(&verify()).unwrap());
        drop(session);
        let mut session = established(suite, vectors).unverified();
        drop(session.wrap(&verify()).unwrap());
        assert!(session.wrap(&verify()).is_err());
    }
    let found = secret_scan::found();
    assert!(found.is_empty(), "{found:?}");
    // That it would be found.
    drop(PIN.to_vec());
    assert_eq!(secret_scan::found().len(), 1);
}
