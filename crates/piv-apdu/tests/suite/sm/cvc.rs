//! Card verifiable certificates: what is read, and what is refused.

use piv_apdu::object::Guid;
use piv_apdu::sm::{CipherSuite, Cvc, CvcHolder};
use piv_apdu::tlv::{self, Node, Tag, TemplateError};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::issuer::{CvcParts, ECDSA_SHA256, Key, P256, P384, short_hash, whole};
use super::{SUITES, bytes, vectors};

const ISSUER_ID: [u8; 8] = [0x49; 8];

fn card() -> CvcParts {
    CvcParts::card(ISSUER_ID, Key::P256(0x32))
}

#[test]
fn the_other_implementation_s_certificates_are_read() {
    for (suite, name) in SUITES {
        let vectors = vectors(name);
        let guid = bytes(&vectors["card"]["guid"]).try_into().unwrap();
        for chain in ["direct", "through_intermediate"] {
            let chain = &vectors[chain];
            let cvc = Cvc::decode(&bytes(&chain["cvc"])).unwrap();
            assert_eq!(cvc.holder(), CvcHolder::Card(Guid(guid)));
            assert_eq!(cvc.suite(), suite);
            assert_eq!(cvc.point(), bytes(&vectors["card"]["public_key"]));
            assert_eq!(cvc.signed(), bytes(&chain["cvc_signed_bytes"]));
        }
        let key_id = bytes(&vectors["direct"]["signer_subject_key_id"]);
        let direct = Cvc::decode(&bytes(&vectors["direct"]["cvc"])).unwrap();
        assert_eq!(direct.issuer_id(), key_id[..8]);

        let chain = &vectors["through_intermediate"];
        let intermediate = Cvc::decode(&bytes(&chain["intermediate_cvc"])).unwrap();
        let point = bytes(&chain["intermediate_public_key"]);
        let id = short_hash(&point);
        assert_eq!(intermediate.holder(), CvcHolder::Intermediate(id));
        assert_eq!(
            (intermediate.suite(), intermediate.point()),
            (suite, &point[..])
        );
        let signed = bytes(&chain["intermediate_cvc_signed_bytes"]);
        assert_eq!(intermediate.signed(), signed);
        let of_card = Cvc::decode(&bytes(&chain["cvc"])).unwrap();
        assert_eq!(of_card.issuer_id(), id);
    }
}

#[test]
fn all_of_a_certificate_has_to_be_there_and_nothing_else() {
    let good = card().content();
    assert!(Cvc::decode(&whole(&good)).is_ok());
    let objects: Vec<_> = tlv::Reader::new(&good).map(Result::unwrap).collect();
    assert_eq!(objects.len(), 6);
    let of = |objects: &[tlv::Tlv<'_>]| {
        let nodes: Vec<_> = objects
            .iter()
            .map(|object| Node::Value(object.tag, object.value))
            .collect();
        Cvc::decode(&whole(&tlv::encode(&nodes)))
    };
    for at in 0..objects.len() {
        let mut without = objects.clone();
        let tag = without.remove(at).tag;
        assert_eq!(of(&without), Err(TemplateError::Missing { tag }));
        let mut twice = objects.clone();
        twice.insert(at, objects[at]);
        assert!(of(&twice).is_err(), "{tag} twice");
        if at > 0 {
            let mut swapped = objects.clone();
            swapped.swap(at - 1, at);
            assert!(of(&swapped).is_err(), "{tag} before its turn");
        }
        let mut empty = objects.clone();
        empty[at].value = &[];
        assert!(of(&empty).is_err(), "{tag} empty");
    }
    for at in 0..whole(&good).len() {
        assert!(Cvc::decode(&whole(&good)[..at]).is_err(), "cut at {at}");
    }
    let longer = [&whole(&good)[..], &[0x00]].concat();
    assert!(Cvc::decode(&longer).is_err());
    assert!(Cvc::decode(&good).is_err(), "without 7F21");
}

#[test]
fn lengths_with_more_bytes_than_they_need_are_read_and_signed_as_they_came() {
    let good = card().content();
    // 5F29 01 80 as 5F29 81 01 80.
    let long = [&good[..2], &[0x81], &good[2..]].concat();
    let cvc = Cvc::decode(&whole(&long)).unwrap();
    let signed = card().signed();
    assert_eq!(cvc.signed(), [&signed[..2], &[0x81], &signed[2..]].concat());
}

/// The data object that is found to be wrong.
fn wrong(content: &[u8]) -> u32 {
    match Cvc::decode(&whole(content)).unwrap_err() {
        TemplateError::Missing { tag }
        | TemplateError::Length { tag, .. }
        | TemplateError::Value { tag, .. } => tag.get(),
        other => panic!("{other}"),
    }
}

#[test]
fn each_value_has_to_be_one_that_it_can_have() {
    let content = |parts: CvcParts| parts.content();
    let mut profile = card().content();
    profile[3] = 0x81;
    let compressed = [&[0x02][..], &card().point[1..]].concat();
    for (content, tag) in [
        (profile, 0x5F29),
        (
            content(CvcParts {
                subject: vec![1; 8],
                ..card()
            }),
            0x5F20,
        ),
        (
            content(CvcParts {
                role: 0x12,
                ..card()
            }),
            0x5F20,
        ),
        (
            content(CvcParts {
                role: 0x01,
                ..card()
            }),
            0x5F4C,
        ),
        (
            content(CvcParts {
                curve: P384,
                ..card()
            }),
            0x86,
        ),
        (
            content(CvcParts {
                curve: &[0x2B, 0x81, 0x04, 0x00, 0x23],
                ..card()
            }),
            0x06,
        ),
        (
            content(CvcParts {
                point: card().point[..33].to_vec(),
                ..card()
            }),
            0x86,
        ),
        (
            content(CvcParts {
                point: compressed,
                ..card()
            }),
            0x86,
        ),
    ] {
        assert_eq!(wrong(&content), tag);
    }
}

#[test]
fn a_signature_has_to_be_der_of_a_known_algorithm() {
    let with = |algorithm: &[u8]| wrong(&card().with_signature(algorithm, &[1; 70]));
    let null = b"\x30\x0C\x06\x08\x2A\x86\x48\xCE\x3D\x04\x03\x02\x05\x00";
    let rsa_without_null = b"\x30\x0B\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0B";
    let ecdsa_sha1 = b"\x30\x09\x06\x07\x2A\x86\x48\xCE\x3D\x04\x01";
    for algorithm in [&null[..], rsa_without_null, ecdsa_sha1, b"", b"\x30\x00"] {
        assert_eq!(with(algorithm), 0x5F37);
    }
    // A length that DER has shorter, and bytes after the sequence.
    let good = card().with_signature(ECDSA_SHA256, &[1; 70]);
    let start = card().signed().len();
    let signature = |value: &[u8]| {
        let signature = tlv::encode(&[Node::Value(Tag::new(0x5F37), value)]);
        [&good[..start], &signature].concat()
    };
    let value = &good[start + 3..];
    assert!(Cvc::decode(&whole(&signature(value))).is_ok());
    let long = [&[0x30, 0x81], &value[1..]].concat();
    assert_eq!(wrong(&signature(&long)), 0x5F37);
    let longer = [value, &[0x00]].concat();
    assert_eq!(wrong(&signature(&longer)), 0x5F37);
}

fn parts() -> impl Strategy<Value = (CipherSuite, CvcParts, Vec<u8>)> {
    let suite = prop_oneof![Just(CipherSuite::Cs2), Just(CipherSuite::Cs7)];
    let fields = (any::<[u8; 8]>(), any::<[u8; 16]>(), any::<bool>());
    let rest = (vec(any::<u8>(), 96), vec(any::<u8>(), 0..300));
    (suite, fields, rest).prop_map(|(suite, (issuer_id, subject, is_card), (xy, signature))| {
        let point = [&[0x04], &xy[..2 * suite.coordinate_length()]].concat();
        let parts = CvcParts {
            issuer_id,
            subject: subject[..if is_card { 16 } else { 8 }].to_vec(),
            curve: match suite {
                CipherSuite::Cs2 => P256,
                CipherSuite::Cs7 => P384,
            },
            point,
            role: if is_card { 0x00 } else { 0x12 },
            signed_by: Key::P256(1),
        };
        (suite, parts, signature)
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read((suite, parts, signature) in parts()) {
        let written = whole(&parts.with_signature(ECDSA_SHA256, &signature));
        let read = Cvc::decode(&written).unwrap();
        prop_assert_eq!(read.issuer_id(), parts.issuer_id);
        prop_assert_eq!(read.suite(), suite);
        prop_assert_eq!(read.point(), &parts.point[..]);
        prop_assert_eq!(read.signed(), &parts.signed()[..]);
        match read.holder() {
            CvcHolder::Card(guid) => prop_assert_eq!(&guid.0[..], &parts.subject[..]),
            CvcHolder::Intermediate(id) => prop_assert_eq!(&id[..], &parts.subject[..]),
        }
    }

    #[test]
    fn damaged_certificates((_, parts, signature) in parts(), at in any::<Index>(), byte: u8, cut in any::<Index>()) {
        let mut written = whole(&parts.with_signature(ECDSA_SHA256, &signature));
        let at = at.index(written.len());
        written[at] = byte;
        let _ = Cvc::decode(&written);
        written.truncate(cut.index(written.len()));
        prop_assert!(Cvc::decode(&written).is_err());
    }
}
