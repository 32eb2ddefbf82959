//! Who may vouch for a card, and what is refused on the way.

use std::time::SystemTime;

use der::asn1::BitString;
use piv_apdu::apdu::Response;
use piv_apdu::object::{CertificateObject, DataObject as _, ObjectError, SmSigner};
use piv_apdu::sm::{
    ChainError, CipherSuite, CvcFault, EstablishError, Established, KeyEstablishment, SmError,
    TrustAnchor,
};
use piv_apdu::tlv::TemplateError;
use serde_json::Value;
use x509_cert::ext::pkix::KeyUsages;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use super::issuer::{
    CLIENT_AUTHENTICATION, CvcParts, ECDSA_SHA256, Key, ROOT, VALID, X509, at, established,
    established_with, extension, key, now, point, signer_object, whole,
};
use super::{SUITES, bytes, eight, plain_command, vectors};

const ROOT_KEY: Key = Key::P256(0x31);
const SIGNER_KEY: Key = Key::P256(0x32);
const OTHER_KEY: Key = Key::P256(0x33);
const INTERMEDIATE_KEY: Key = Key::P256(0x34);

// ---- The other implementation's chains.

fn finish(
    suite: CipherSuite,
    vectors: &Value,
    answer: &[u8],
) -> Result<Established, EstablishError> {
    let host = &vectors["host"];
    let (host_id, private_key) = (eight(&host["ids_h"]), bytes(&host["private_key"]));
    KeyEstablishment::from_parts(suite, host_id, &private_key)
        .unwrap()
        .finish(&Response::decode(answer).unwrap())
}

fn anchors(vectors: &Value) -> [TrustAnchor; 1] {
    [TrustAnchor::from_der(&bytes(&vectors["root_certificate"])).unwrap()]
}

fn object(value: &Value) -> SmSigner {
    SmSigner::decode(&bytes(value)).unwrap()
}

#[test]
fn the_other_implementation_s_chains_hold() {
    for (suite, name) in SUITES {
        let vectors = vectors(name);
        for chain in ["direct", "through_intermediate"] {
            let exchange = &vectors[chain];
            let established = finish(suite, &vectors, &bytes(&exchange["answer"])).unwrap();
            assert_eq!(
                established.cvc().signed(),
                bytes(&exchange["cvc_signed_bytes"])
            );
            let signer = object(&exchange["object_5fc122"]);
            let mut session = established
                .verified(&signer, &anchors(&vectors), now())
                .unwrap();
            let first = &vectors["session_of_direct"][0];
            let wrapped = session.wrap(&plain_command(first)).unwrap();
            let is_first = wrapped.data() == bytes(&first["wrapped_command"]["data"]);
            assert_eq!(is_first, chain == "direct", "{name}, {chain}");
        }
    }
}

/// Which error of ours is the other implementation's reason.
fn is_reason(reason: &str, error: &ChainError) -> bool {
    match reason {
        "cvc signature" => matches!(
            error,
            ChainError::Card(CvcFault::Signature) | ChainError::Intermediate(CvcFault::Signature)
        ),
        "cvc issuer" => *error == ChainError::Card(CvcFault::Issuer),
        "signer certificate" => *error == ChainError::SignerSignature,
        "intermediate cvc" => matches!(
            error,
            ChainError::Intermediate(CvcFault::Malformed(_) | CvcFault::Role)
        ),
        _ => false,
    }
}

#[test]
fn each_of_the_other_implementation_s_bad_establishments_is_refused() {
    for (suite, name) in SUITES {
        let vectors = vectors(name);
        let (mut by_answer, mut by_chain) = (0, 0);
        for bad in vectors["negative"]["establishment"].as_array().unwrap() {
            let signer = object(&bad["object_5fc122"]);
            // Those that fail here are held against their reasons in `establish`.
            let Ok(established) = finish(suite, &vectors, &bytes(&bad["answer"])) else {
                by_answer += 1;
                continue;
            };
            let refused = established.verified(&signer, &anchors(&vectors), now());
            let (reason, error) = (bad["reason"].as_str().unwrap(), refused.unwrap_err());
            let title = &bad["title"];
            assert!(is_reason(reason, &error), "{name}, {title}: {error:?}");
            by_chain += 1;
        }
        assert_eq!((by_answer, by_chain), (11, 8), "{name}");
    }
}

#[test]
fn an_answer_with_any_byte_changed_gives_no_session() {
    for (suite, name) in SUITES {
        let vectors = vectors(name);
        for chain in ["direct", "through_intermediate"] {
            let answer = bytes(&vectors[chain]["answer"]);
            let signer = object(&vectors[chain]["object_5fc122"]);
            for at in 0..answer.len() {
                for bit in [0x01, 0x80] {
                    let mut other = answer.clone();
                    other[at] ^= bit;
                    let session = finish(suite, &vectors, &other)
                        .ok()
                        .map(|it| it.verified(&signer, &anchors(&vectors), now()));
                    assert!(
                        !matches!(session, Some(Ok(_))),
                        "{name}, {chain}, byte {at}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_signer_object_with_any_signed_byte_changed_gives_no_session() {
    for (suite, name) in SUITES {
        let vectors = vectors(name);
        for chain in ["direct", "through_intermediate"] {
            let answer = bytes(&vectors[chain]["answer"]);
            let signer = object(&vectors[chain]["object_5fc122"]);
            let refused = |signer: &SmSigner, what: &str, at| {
                let established = finish(suite, &vectors, &answer).unwrap();
                let session = established.verified(signer, &anchors(&vectors), now());
                assert!(session.is_err(), "{name}, {chain}, {what}, byte {at}");
            };
            // Signatures of P-384 take long in an unoptimised build.
            let stride = if suite == CipherSuite::Cs7 { 5 } else { 1 };
            for at in (0..signer.certificate.certificate.len()).step_by(stride) {
                let mut other = signer.clone();
                other.certificate.certificate[at] ^= 0x01;
                refused(&other, "certificate", at);
            }
            let length = signer.intermediate_cvc.as_ref().map_or(0, Vec::len);
            for at in (0..length).step_by(stride) {
                let mut other = signer.clone();
                other.intermediate_cvc.as_mut().unwrap()[at] ^= 0x01;
                refused(&other, "intermediate", at);
            }
        }
    }
}

#[test]
fn the_chain_of_one_suite_does_not_vouch_for_a_card_of_the_other() {
    let (cs2, cs7) = (vectors("CS2"), vectors("CS7"));
    let all = [anchors(&cs2), anchors(&cs7)].concat();
    for chain in ["direct", "through_intermediate"] {
        let answer = bytes(&cs2[chain]["answer"]);
        let established = finish(CipherSuite::Cs2, &cs2, &answer).unwrap();
        let signer = object(&cs7[chain]["object_5fc122"]);
        let refused = established.verified(&signer, &all, now()).unwrap_err();
        let expected = if chain == "direct" {
            ChainError::Card(CvcFault::Issuer)
        } else {
            ChainError::Intermediate(CvcFault::Key)
        };
        assert_eq!(refused, expected);
    }
}

// ---- Chains made here, each wrong in one point.

/// What comes of a card whose certificate the signer's key has signed directly.
fn outcome(signer: &X509, anchors: &[TrustAnchor], now: SystemTime) -> Result<(), ChainError> {
    let object = signer_object(&signer.der(), None);
    let card = established(SIGNER_KEY.id(), SIGNER_KEY);
    card.verified(&object, anchors, now).map(drop)
}

fn signer() -> X509 {
    X509::signer(SIGNER_KEY, ROOT_KEY)
}

fn root() -> TrustAnchor {
    X509::root(ROOT_KEY).anchor()
}

#[test]
fn a_signer_that_an_anchor_has_certified_vouches_for_a_card() {
    assert_eq!(outcome(&signer(), &[root()], now()), Ok(()));
    let unnamed = X509 {
        usage: None,
        more: vec![extension(false)],
        ..signer()
    };
    assert_eq!(outcome(&unnamed, &[root()], now()), Ok(()));
    let unlimited = X509 {
        usage: None,
        ..X509::root(ROOT_KEY)
    };
    assert_eq!(outcome(&signer(), &[unlimited.anchor()], now()), Ok(()));
    // By an RSA key.
    let signer = X509::signer(SIGNER_KEY, Key::Rsa);
    let root = X509::root(Key::Rsa).anchor();
    assert_eq!(outcome(&signer, &[root], now()), Ok(()));
}

#[test]
fn a_signer_that_is_an_anchor_vouches_for_a_card() {
    let anchor = [signer().anchor()];
    assert_eq!(outcome(&signer(), &anchor, now()), Ok(()));
    let another = X509 {
        subject: "CN=Another",
        ..signer()
    };
    let refused = outcome(&another, &anchor, now()).unwrap_err();
    assert!(matches!(refused, ChainError::UnknownIssuer { .. }));
    // It is still held against its time and its use.
    let late = at(VALID.1 + 1);
    let refused = outcome(&signer(), &anchor, late);
    assert_eq!(refused, Err(ChainError::SignerNotValid));
    let usage = Some(KeyUsages::KeyAgreement.into());
    let other = X509 { usage, ..signer() };
    let refused = outcome(&other, &[other.anchor()], now());
    assert_eq!(refused, Err(ChainError::SignerUsage));
}

#[test]
fn only_a_signer_that_is_an_anchor_need_not_say_that_it_signs_content() {
    let silent = X509 {
        extended: None,
        ..signer()
    };
    let refused = outcome(&silent, &[root()], now());
    assert_eq!(refused, Err(ChainError::SignerPurpose));
    assert_eq!(outcome(&silent, &[silent.anchor()], now()), Ok(()));
    assert_eq!(outcome(&silent, &[root(), silent.anchor()], now()), Ok(()));
    // One that differs in anything is another one: here in who has signed it.
    let as_signed_by_another = X509 {
        signed_by: OTHER_KEY,
        ..silent.clone()
    };
    let anchors = [root(), as_signed_by_another.anchor()];
    let refused = outcome(&silent, &anchors, now());
    assert_eq!(refused, Err(ChainError::SignerPurpose));
    // To say something else is worse than to say nothing.
    let for_people = X509 {
        extended: Some(CLIENT_AUTHENTICATION),
        ..signer()
    };
    for anchor in [root(), for_people.anchor()] {
        let refused = outcome(&for_people, &[anchor], now());
        assert_eq!(refused, Err(ChainError::SignerUsage));
    }
}

#[test]
fn of_anchors_with_one_name_the_right_one_is_found() {
    let (old, new) = (X509::root(OTHER_KEY).anchor(), root());
    for anchors in [[old.clone(), new.clone()], [new, old.clone()]] {
        assert_eq!(outcome(&signer(), &anchors, now()), Ok(()));
    }
    let refused = outcome(&signer(), &[old], now());
    assert_eq!(refused, Err(ChainError::SignerSignature));
}

#[test]
fn without_an_anchor_nobody_vouches() {
    let refused = outcome(&signer(), &[], now());
    assert_eq!(refused, Err(ChainError::NoAnchor));
    let named = X509 {
        subject: "CN=Another root",
        ..X509::root(ROOT_KEY)
    };
    let refused = outcome(&signer(), &[named.anchor()], now());
    let issuer = ROOT.to_owned();
    assert_eq!(refused, Err(ChainError::UnknownIssuer { issuer }));
}

#[test]
fn an_anchor_has_to_be_an_authority() {
    let usage = Some(KeyUsages::DigitalSignature.into());
    for root in [
        X509 {
            authority: None,
            ..X509::root(ROOT_KEY)
        },
        X509 {
            authority: Some(false),
            ..X509::root(ROOT_KEY)
        },
        X509 {
            usage,
            ..X509::root(ROOT_KEY)
        },
    ] {
        let refused = outcome(&signer(), &[root.anchor()], now());
        assert_eq!(refused, Err(ChainError::NotAnAuthority));
    }
}

#[test]
fn both_certificates_have_a_time() {
    let (begin, end) = VALID;
    let long = (begin - 1000, end + 1000);
    let lasting = |certificate: X509| X509 {
        valid: long,
        ..certificate
    };
    for (time, is_valid) in [
        (at(begin - 1), false),
        (at(begin), true),
        (at(end), true),
        (at(end + 1), false),
        (SystemTime::UNIX_EPOCH, false),
    ] {
        let anchor = lasting(X509::root(ROOT_KEY)).anchor();
        let by_signer = outcome(&signer(), &[anchor], time);
        let by_anchor = outcome(&lasting(signer()), &[root()], time);
        assert_eq!((by_signer.is_ok(), by_anchor.is_ok()), (is_valid, is_valid));
    }
    let late = at(end + 1);
    let anchor = lasting(X509::root(ROOT_KEY)).anchor();
    let refused = outcome(&signer(), &[anchor], late);
    assert_eq!(refused, Err(ChainError::SignerNotValid));
    let refused = outcome(&lasting(signer()), &[root()], late);
    assert_eq!(refused, Err(ChainError::AnchorNotValid));
    let before_1970 = SystemTime::UNIX_EPOCH - core::time::Duration::from_secs(1);
    assert!(outcome(&signer(), &[root()], before_1970).is_err());
}

#[test]
fn a_signer_s_certificate_has_to_be_for_that() {
    let usage = Some(KeyUsages::KeyAgreement.into());
    let extended = Some(CLIENT_AUTHENTICATION);
    for wrong in [
        X509 { usage, ..signer() },
        X509 {
            extended,
            ..signer()
        },
    ] {
        let refused = outcome(&wrong, &[root()], now());
        assert_eq!(refused, Err(ChainError::SignerUsage));
    }
    let unknown = extension(true);
    let refused = X509 {
        more: vec![unknown.clone()],
        ..signer()
    };
    let refused = outcome(&refused, &[root()], now());
    assert_eq!(refused, Err(ChainError::SignerExtension(unknown.extn_id)));
    let unnamed = X509 {
        has_key_identifier: false,
        ..signer()
    };
    let refused = outcome(&unnamed, &[root()], now());
    assert_eq!(refused, Err(ChainError::SignerKeyIdentifier));
    let ed25519 = SubjectPublicKeyInfoOwned {
        algorithm: AlgorithmIdentifierOwned {
            oid: const_oid::ObjectIdentifier::new_unwrap("1.3.101.112"),
            parameters: None,
        },
        subject_public_key: BitString::from_bytes(&[7; 32]).unwrap(),
    };
    let of_another_kind = X509 {
        key: ed25519,
        ..signer()
    };
    let refused = outcome(&of_another_kind, &[root()], now());
    assert_eq!(refused, Err(ChainError::SignerKey));
}

#[test]
fn what_is_no_certificate_is_refused() {
    for der in [&[][..], b"\x30\x00", &[0xFF; 40]] {
        let card = established(SIGNER_KEY.id(), SIGNER_KEY);
        let refused = card.verified(&signer_object(der, None), &[root()], now());
        assert!(matches!(
            refused,
            Err(ChainError::Signer(ObjectError::Certificate(_)))
        ));
        assert!(TrustAnchor::from_der(der).is_err());
    }
}

#[test]
fn a_compressed_signer_s_certificate_is_read() {
    let object = SmSigner {
        certificate: CertificateObject {
            certificate: signer().der(),
            compressed: true,
        },
        intermediate_cvc: None,
    };
    let object = SmSigner::decode(&object.encode()).unwrap();
    let card = established(SIGNER_KEY.id(), SIGNER_KEY);
    assert!(card.verified(&object, &[root()], now()).is_ok());
}

#[test]
fn a_card_s_certificate_has_to_be_from_the_signer() {
    let object = signer_object(&signer().der(), None);
    let refused = |cvc: &[u8], signer: &SmSigner| {
        established_with(cvc)
            .verified(signer, &[root()], now())
            .unwrap_err()
    };
    let good = CvcParts::card(SIGNER_KEY.id(), SIGNER_KEY);
    let by_another = CvcParts {
        signed_by: OTHER_KEY,
        ..good.clone()
    };
    let of_another = CvcParts {
        issuer_id: OTHER_KEY.id(),
        ..good.clone()
    };
    let (ecdsa_sha384, signature) = (ecdsa_sha384(), [1; 70]);
    for (content, fault) in [
        (by_another.content(), CvcFault::Signature),
        (of_another.content(), CvcFault::Issuer),
        (
            good.with_signature(&ecdsa_sha384, &signature),
            CvcFault::Algorithm,
        ),
        (
            good.with_signature(ECDSA_SHA256, &signature),
            CvcFault::Signature,
        ),
    ] {
        let expected = ChainError::Card(fault);
        assert_eq!(refused(&whole(&content), &object), expected);
    }
    // An RSA key signs intermediates only.
    let object = signer_object(&X509::signer(Key::Rsa, ROOT_KEY).der(), None);
    let by_rsa = CvcParts::card(Key::Rsa.id(), Key::Rsa).content();
    let expected = ChainError::Card(CvcFault::Algorithm);
    assert_eq!(refused(&whole(&by_rsa), &object), expected);
}

fn ecdsa_sha384() -> Vec<u8> {
    let mut identifier = ECDSA_SHA256.to_vec();
    *identifier.last_mut().unwrap() = 0x03;
    identifier
}

fn intermediate_point() -> Vec<u8> {
    point(&key(0x34))
}

/// What comes of a card whose certificate the intermediate's key has signed.
fn outcome_through(intermediate: &CvcParts) -> Result<(), ChainError> {
    let signer = X509::signer(Key::Rsa, ROOT_KEY).der();
    let object = signer_object(&signer, Some(intermediate));
    let id = super::issuer::short_hash(&intermediate_point());
    let card = established(id, INTERMEDIATE_KEY);
    card.verified(&object, &[root()], now()).map(drop)
}

#[test]
fn an_intermediate_has_to_be_one_of_the_signer() {
    let good = CvcParts::intermediate(intermediate_point(), Key::Rsa);
    assert_eq!(outcome_through(&good), Ok(()));
    let p384 = {
        use p384::elliptic_curve::sec1::ToSec1Point as _;
        let key = p384::SecretKey::from_slice(&[0x35; 48]).unwrap();
        key.public_key().to_sec1_point(false).as_bytes().to_vec()
    };
    let mut off_curve = intermediate_point();
    *off_curve.last_mut().unwrap() ^= 1;
    for (wrong, fault) in [
        (
            CvcParts {
                role: 0x00,
                subject: vec![1; 16],
                ..good.clone()
            },
            CvcFault::Role,
        ),
        (
            CvcParts {
                subject: vec![1; 8],
                ..good.clone()
            },
            CvcFault::KeyIdentifier,
        ),
        (CvcParts::intermediate(p384, Key::Rsa), CvcFault::Key),
        (CvcParts::intermediate(off_curve, Key::Rsa), CvcFault::Key),
        (
            CvcParts {
                issuer_id: OTHER_KEY.id(),
                ..good.clone()
            },
            CvcFault::Issuer,
        ),
        (
            CvcParts {
                signed_by: ROOT_KEY,
                ..good.clone()
            },
            CvcFault::Algorithm,
        ),
    ] {
        assert_eq!(
            outcome_through(&wrong),
            Err(ChainError::Intermediate(fault))
        );
    }
    // One that is there has to hold, even if the signer has signed the card directly.
    let mut object = signer_object(&signer().der(), Some(&good));
    let card = || established(SIGNER_KEY.id(), SIGNER_KEY);
    let refused = card().verified(&object, &[root()], now()).unwrap_err();
    assert_eq!(refused, ChainError::Intermediate(CvcFault::Issuer));
    object.intermediate_cvc = Some(Vec::new());
    let refused = card().verified(&object, &[root()], now()).unwrap_err();
    assert!(matches!(
        refused,
        ChainError::Intermediate(CvcFault::Malformed(TemplateError::Missing { .. }))
    ));
}

#[test]
fn unverified_has_to_be_said() {
    let card = established_with(&whole(
        &CvcParts::card(OTHER_KEY.id(), SIGNER_KEY).content(),
    ));
    let mut session = card.unverified();
    assert!(!session.is_over());
    session.end();
    let command = piv_apdu::apdu::Command::new(0x00, 0xCB, 0x3F, 0xFF);
    assert_eq!(session.wrap(&command), Err(SmError::Over));
}

#[test]
fn what_went_wrong_is_a_sentence() {
    let error = outcome(&signer(), &[X509::root(OTHER_KEY).anchor()], now()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the certificate of the card's signer is not from the authority that it names"
    );
    let issuer = "CN=Somebody".to_owned();
    assert_eq!(
        ChainError::UnknownIssuer { issuer }.to_string(),
        "the card's signer was certified by \"CN=Somebody\", which is not trusted here"
    );
    assert_eq!(
        ChainError::Card(CvcFault::Signature).to_string(),
        "the card's certificate for secure sessions does not hold: its signature is not its issuer's"
    );
}
