//! Certificate objects.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use hex_literal::hex;
use piv_apdu::object::{CertificateObject, DataObject, ObjectError, SmSigner};
use piv_apdu::tlv::{self, Node, Tag, TemplateError};
use proptest::prelude::*;

use crate::any;

const P256: &[u8] = include_bytes!("../data/p256.der");
const P384: &[u8] = include_bytes!("../data/p384.der");
const RSA2048: &[u8] = include_bytes!("../data/rsa2048.der");
/// Made by gzip(1).
const RSA2048_GZ: &[u8] = include_bytes!("../data/rsa2048.der.gz");

fn content(certificate: &[u8], info: &[u8]) -> Vec<u8> {
    let nodes = [
        Node::Value(Tag::new(0x70), certificate),
        Node::Value(Tag::new(0x71), info),
        Node::Value(Tag::new(0xFE), &[]),
    ];
    tlv::encode(&nodes).to_vec()
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn real_certificates() {
    for (der, subject, serial) in [
        (
            P256,
            "CN=PIV Authentication,O=Example,C=SE",
            &hex!("0102030405060708")[..],
        ),
        (P384, "CN=Digital Signature", &hex!("33")[..]),
        (
            RSA2048,
            "CN=Key Management,O=Example,C=SE",
            &hex!("1122")[..],
        ),
    ] {
        let object = CertificateObject::decode(&content(der, &[0])).unwrap();
        assert_eq!(object, CertificateObject::new(der));
        assert_eq!(*object.encode(), content(der, &[0]));
        let certificate = object.parse().unwrap();
        let certificate = certificate.tbs_certificate();
        assert_eq!(certificate.subject().to_string(), subject);
        assert_eq!(certificate.serial_number().as_bytes(), serial);
    }
}

#[test]
fn compressed_certificates() {
    let expected = CertificateObject {
        certificate: RSA2048.to_vec(),
        compressed: true,
    };
    // As the standard says it, as old cards do, and not said at all.
    for info in [&[0x01][..], &[0x80], &[0x00], &[]] {
        let decoded = CertificateObject::decode(&content(RSA2048_GZ, info));
        assert_eq!(decoded.as_ref(), Ok(&expected));
    }
    let encoded = expected.encode();
    assert!(encoded.len() < RSA2048.len());
    assert_eq!(encoded[encoded.len() - 5..], hex!("71 01 01 FE 00"));
    assert_eq!(CertificateObject::decode(&encoded), Ok(expected));
}

#[test]
fn decompression_is_bounded() {
    let max = CertificateObject::MAX_DECOMPRESSED;
    let largest = content(&gzip(&vec![0; max]), &[1]);
    assert_eq!(
        CertificateObject::decode(&largest)
            .unwrap()
            .certificate
            .len(),
        max
    );
    let bomb = content(&gzip(&vec![0; 64 << 20]), &[1]);
    assert!(bomb.len() < 100_000);
    assert_eq!(
        CertificateObject::decode(&bomb),
        Err(ObjectError::TooLarge { max })
    );
    let one_too_many = content(&gzip(&vec![0; max + 1]), &[1]);
    assert_eq!(
        CertificateObject::decode(&one_too_many),
        Err(ObjectError::TooLarge { max })
    );
}

#[test]
fn damaged_certificates() {
    let half = &RSA2048_GZ[..RSA2048_GZ.len() / 2];
    for gzip in [half, RSA2048, &[0x1F, 0x8B], &[0x00]] {
        assert_eq!(
            CertificateObject::decode(&content(gzip, &[1])),
            Err(ObjectError::Gzip)
        );
    }
    let mut checksum = RSA2048_GZ.to_vec();
    let end = checksum.len();
    checksum[end - 8] ^= 1;
    assert_eq!(
        CertificateObject::decode(&content(&checksum, &[1])),
        Err(ObjectError::Gzip)
    );

    let tag = Tag::new(0x70);
    assert_eq!(
        CertificateObject::decode(&[]),
        Err(ObjectError::Template(TemplateError::Missing { tag }))
    );
    assert_eq!(
        CertificateObject::decode(&content(&[], &[0])),
        Err(ObjectError::Template(TemplateError::Length {
            tag,
            length: 0
        }))
    );

    // What is no certificate is still an object, and says so when parsed.
    let truncated = CertificateObject::decode(&content(&P256[..100], &[0])).unwrap();
    assert!(matches!(
        truncated.parse(),
        Err(ObjectError::Certificate(_))
    ));
    let trailing = CertificateObject::new(&[P256, &[0]].concat());
    assert!(matches!(trailing.parse(), Err(ObjectError::Certificate(_))));
}

#[test]
fn secure_messaging_signer() {
    let plain = SmSigner {
        certificate: CertificateObject::new(RSA2048),
        intermediate_cvc: None,
    };
    assert_eq!(*plain.encode(), content(RSA2048, &[0]));
    assert_eq!(SmSigner::decode(&plain.encode()).as_ref(), Ok(&plain));

    let with_cvc = SmSigner {
        intermediate_cvc: Some(hex!("5F290180").to_vec()),
        ..plain
    };
    let encoded = with_cvc.encode();
    assert!(encoded.ends_with(&hex!("7F21 04 5F290180 FE00")));
    assert_eq!(SmSigner::decode(&encoded), Ok(with_cvc));
}

proptest! {
    #[test]
    fn round_trip(certificate in proptest::collection::vec(any::<u8>(), 1..800), compressed: bool) {
        // Plain gzip would be taken for what it is.
        prop_assume!(compressed || !certificate.starts_with(&[0x1F, 0x8B]));
        let object = CertificateObject { certificate, compressed };
        prop_assert_eq!(CertificateObject::decode(&object.encode()).unwrap(), object);
    }

    #[test]
    fn any_gzip_is_decompressed_or_refused(bytes in any::bytes(200), start in 0..RSA2048_GZ.len()) {
        let damaged = [&RSA2048_GZ[..start], &bytes].concat();
        let _ = CertificateObject::decode(&content(&damaged, &[1]));
    }

    #[test]
    fn any_certificate_is_parsed_or_refused(at in 0..P256.len(), byte: u8) {
        let mut der = P256.to_vec();
        der[at] = byte;
        let _ = CertificateObject::new(&der).parse();
    }
}
