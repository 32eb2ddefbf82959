//! Key references, algorithms, object tags and AIDs.

use hex_literal::hex;
use piv_apdu::aid::{self, Aid};
use piv_apdu::key::{Algorithm, KeyReference};
use piv_apdu::object::{ObjectTag, ReadAccess};

#[test]
fn each_key_has_its_certificate_object() {
    for (key, tag) in [
        (0x9A, 0x5F_C105),
        (0x9C, 0x5F_C10A),
        (0x9D, 0x5F_C10B),
        (0x9E, 0x5F_C101),
        (0x82, 0x5F_C10D),
        (0x95, 0x5F_C120),
    ] {
        let object = ObjectTag::new(tag);
        assert_eq!(KeyReference(key).certificate_object(), Some(object));
        assert_eq!(object.certificate_key(), Some(KeyReference(key)));
    }
    // One is the other's inverse, for all of them.
    let keys: Vec<_> = (0..=255)
        .map(KeyReference)
        .filter(|key| key.certificate_object().is_some())
        .collect();
    assert_eq!(keys.len(), 24);
    for key in keys {
        let object = key.certificate_object().unwrap();
        assert_eq!(object.certificate_key(), Some(key));
        assert!(ObjectTag::ALL.contains(&object));
    }
    assert_eq!(KeyReference::CARD_MANAGEMENT.certificate_object(), None);
    assert_eq!(ObjectTag::CHUID.certificate_key(), None);
}

#[test]
fn retired_keys_are_numbered_from_1_to_20() {
    assert_eq!(KeyReference::retired(0), None);
    assert_eq!(KeyReference::retired(21), None);
    for n in 1..=20 {
        let key = KeyReference::retired(n).unwrap();
        assert_eq!(key.retired_index(), Some(n));
        assert_eq!(key.name(), format!("retired key management key {n}"));
        assert_eq!(ObjectTag::retired_certificate(n), key.certificate_object());
        let name = ObjectTag::retired_certificate(n).unwrap().name();
        assert_eq!(
            name,
            format!("X.509 certificate for retired key management {n}")
        );
    }
    assert_eq!(KeyReference::PIV_AUTHENTICATION.retired_index(), None);
}

#[test]
fn the_standards_objects() {
    let mut sorted = ObjectTag::ALL.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted, ObjectTag::ALL);
    assert_eq!(ObjectTag::ALL.len(), 36);
    for object in ObjectTag::ALL {
        assert_ne!(object.name(), "unknown data object", "{object}");
    }
    let behind_pin: Vec<_> = ObjectTag::ALL
        .iter()
        .filter(|object| object.read_access() == ReadAccess::Pin)
        .map(|object| object.get())
        .collect();
    assert_eq!(
        behind_pin,
        [0x5F_C103, 0x5F_C108, 0x5F_C109, 0x5F_C121, 0x5F_C123]
    );
    assert_eq!(ObjectTag::CHUID.to_bytes(), hex!("5FC102"));
    assert_eq!(
        ObjectTag::from_bytes(&hex!("FFFF7F")),
        Some(ObjectTag::new(0xFF_FF7F))
    );
    assert_eq!(ObjectTag::from_bytes(&hex!("5FC1")), None);
    assert!(ObjectTag::try_from(0x5FC1).is_err());
}

#[test]
fn algorithms_keep_their_identifier() {
    for identifier in 1..=255_u8 {
        assert_eq!(Algorithm::from_u8(identifier).to_u8(), identifier);
    }
    // 00 is 3DES too, and is written 03.
    assert_eq!(Algorithm::from_u8(0x00), Algorithm::TripleDes);
    assert_eq!(Algorithm::from_u8(0x07), Algorithm::Rsa2048);
    assert_eq!(Algorithm::from_u8(0x11).to_string(), "ECC P-256");
    assert_eq!(Algorithm::from_u8(0xE0).to_string(), "algorithm E0");
}

#[test]
fn aids() {
    assert_eq!(aid::PIV, hex!("A000000308000010000100"));
    assert!(aid::PIV.starts_with(aid::PIV_TRUNCATED));
    assert!(aid::PIV_TRUNCATED.starts_with(aid::RID_NIST));
    assert_eq!(aid::PIV_TRUNCATED.len(), 9);
    assert_eq!(Aid::piv().as_bytes(), aid::PIV);
    assert_eq!(Aid::new(&[1; 16]).unwrap().as_bytes(), [1; 16]);
    assert_eq!(Aid::new(&[1; 17]), None);
    assert_eq!(Aid::new(&[1; 300]), None);
    assert_eq!(Aid::piv().to_string(), "A000000308000010000100");
}
