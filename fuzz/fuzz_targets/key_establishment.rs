#![no_main]
//! What opens a secure session: the card's answer, its certificate, and the object with
//! the signer's. Only the right signer vouches for the card.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use libfuzzer_sys::fuzz_target;
use piv_apdu::apdu::Response;
use piv_apdu::object::{DataObject, SmSigner};
use piv_apdu::secret::from_hex;
use piv_apdu::sm::{CipherSuite, Cvc, CvcHolder, KeyEstablishment, TrustAnchor};
use piv_apdu::status::StatusWord;

const VECTORS: &str =
    include_str!("../../crates/piv-apdu/tests/vectors/secure_messaging/vectors.json");

/// One establishment of which all is known.
struct Known {
    host_id: [u8; 8],
    private_key: Vec<u8>,
    answer: Response,
    card_point: Vec<u8>,
    signer: SmSigner,
    anchor: TrustAnchor,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let vectors: serde_json::Value = serde_json::from_str(VECTORS).unwrap();
    let suite = &vectors["suites"]["CS2"];
    let bytes = |value: &serde_json::Value| from_hex(value.as_str().unwrap()).unwrap().to_vec();
    let direct = &suite["direct"];
    Known {
        host_id: bytes(&suite["host"]["ids_h"]).try_into().unwrap(),
        private_key: bytes(&suite["host"]["private_key"]),
        answer: Response::decode(&bytes(&direct["answer"])).unwrap(),
        card_point: bytes(&suite["card"]["public_key"]),
        signer: SmSigner::decode(&bytes(&direct["object_5fc122"])).unwrap(),
        anchor: TrustAnchor::from_der(&bytes(&suite["root_certificate"])).unwrap(),
    }
});

fn establishment() -> KeyEstablishment {
    KeyEstablishment::from_parts(CipherSuite::Cs2, KNOWN.host_id, &KNOWN.private_key).unwrap()
}

fn certificate(bytes: &[u8]) {
    let Ok(cvc) = Cvc::decode(bytes) else {
        return;
    };
    assert_eq!(cvc.point().len(), 1 + 2 * cvc.suite().coordinate_length());
    assert!(cvc.signed().len() < bytes.len());
    if let CvcHolder::Card(guid) = cvc.holder() {
        assert!(bytes.windows(16).any(|at| at == guid.0));
    }
}

fn answer(data: &[u8]) {
    let response = Response::new(data, StatusWord::SUCCESS);
    if let Ok(established) = establishment().finish(&response) {
        assert_eq!(established.cvc().point(), KNOWN.card_point);
    }
    let other = KeyEstablishment::from_parts(CipherSuite::Cs7, [1; 8], &[1; 48]).unwrap();
    assert!(other.finish(&response).is_err());
}

fn signer_object(content: &[u8]) {
    let Ok(signer) = SmSigner::decode(content) else {
        return;
    };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let established = establishment().finish(&KNOWN.answer).unwrap();
    let anchors = [KNOWN.anchor.clone()];
    if established.verified(&signer, &anchors, now).is_ok() {
        assert_eq!(
            signer.certificate.certificate,
            KNOWN.signer.certificate.certificate
        );
        assert_eq!(signer.intermediate_cvc, None);
    }
    let Ok(anchor) = TrustAnchor::from_der(&signer.certificate.certificate) else {
        return;
    };
    // A signer that is trusted as it is still has to have signed.
    let established = establishment().finish(&KNOWN.answer).unwrap();
    let _ = established.verified(&signer, &[anchor], now);
}

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else {
        return;
    };
    match first & 3 {
        0 => certificate(data),
        1 => answer(data),
        _ => signer_object(data),
    }
});
