//! What is read without owning it allocates nothing, and what is written
//! allocates once.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

use std::borrow::Cow;

use piv_apdu::apdu::Command;
use piv_apdu::command::{GetData, PutData, Select, TypedCommand};
use piv_apdu::object::{
    CardCapabilityContainer, CertificateObject, CertificateRef, Chuid, DataObject, Date, Discovery,
    FascN, Guid, KeyHistory, ObjectTag, PinUsagePolicy,
};
use piv_apdu::tlv::{self, Reader, Tag};
use piv_apdu::{aid::Aid, apdu::Response, status::StatusWord};
use secret_scan::{Scanner, allocations};

#[global_allocator]
static ALLOCATOR: Scanner = Scanner;

const RSA2048: &[u8] = include_bytes!("data/rsa2048.der");

/// Asserts that `act` allocates nothing; what it returns.
#[track_caller]
fn without_allocating<R>(act: impl FnOnce() -> R) -> R {
    let (result, count) = allocations(act);
    assert_eq!(count, 0, "allocations");
    result
}

/// Asserts that `act` allocates once; what it returns.
#[track_caller]
fn allocating_once<R>(act: impl FnOnce() -> R) -> R {
    let (result, count) = allocations(act);
    assert_eq!(count, 1, "allocations");
    result
}

/// The data of an answer to GET DATA for a certificate.
fn answer(compressed: bool) -> Vec<u8> {
    let object = CertificateObject {
        certificate: RSA2048.to_vec(),
        compressed,
    };
    GetData::encode_answer(ObjectTag::PIV_AUTHENTICATION_CERTIFICATE, &object.encode()).to_vec()
}

#[test]
fn what_is_allocated_is_counted() {
    assert_eq!(allocations(|| RSA2048.to_vec()).1, 1);
    let (grown, count) = allocations(|| {
        let mut bytes = Vec::with_capacity(1);
        bytes.push(1);
        bytes.reserve_exact(1000);
        bytes
    });
    assert_eq!((grown.as_slice(), count), (&[1][..], 2));
    let owned = allocations(|| CertificateObject::decode(&answer(false)[4..])).1;
    assert!(owned > 0);
}

#[test]
fn data_objects_are_read_without_allocating() {
    let answer = answer(false);
    let read = without_allocating(|| {
        let content = tlv::require(&answer, Tag::new(0x53))?;
        let objects = Reader::new(content).map(Result::unwrap).count();
        assert_eq!(objects, 3);
        tlv::find(content, Tag::new(0x70)).map_err(piv_apdu::tlv::TemplateError::from)
    });
    assert_eq!(read, Ok(Some(RSA2048)));
}

#[test]
fn malformed_data_objects_are_refused_without_allocating() {
    let answer = answer(false);
    for length in 0..answer.len() {
        let cut = &answer[..length];
        assert!(without_allocating(|| GetData::content(cut)).is_err());
    }
    let content = GetData::content(&answer).unwrap();
    // Within the certificate, which 71 01 00 FE 00 follow.
    for length in 0..content.len() - 5 {
        let cut = &content[..length];
        assert!(without_allocating(|| CertificateRef::decode(cut)).is_err());
    }
}

#[test]
fn a_certificate_is_read_from_an_answer_without_allocating() {
    let answer = answer(false);
    let der = without_allocating(|| {
        let content = GetData::content(&answer).unwrap();
        CertificateRef::decode(content).unwrap().der().unwrap()
    });
    assert!(matches!(der, Cow::Borrowed(der) if der == RSA2048));
}

#[test]
fn a_compressed_certificate_is_found_without_allocating_and_owned_when_decompressed() {
    let answer = answer(true);
    let found =
        without_allocating(|| CertificateRef::decode(GetData::content(&answer).unwrap()).unwrap());
    assert!(found.compressed && found.stored.len() < RSA2048.len());
    let (der, count) = allocations(|| found.der().unwrap());
    assert!(count > 0);
    assert!(matches!(der, Cow::Owned(der) if der == RSA2048));
}

#[test]
fn objects_of_numbers_are_decoded_without_allocating() {
    let discovery = Discovery {
        aid: Aid::piv(),
        pin_usage: PinUsagePolicy(0x4000),
    };
    let history = KeyHistory {
        on_card: 3,
        off_card: 0,
        url: None,
    };
    let chuid = Chuid {
        fasc_n: Some(FascN([0x11; 25])),
        expiry: Date::new(2032, 12, 31),
        ..Chuid::new(Guid([0x22; 16]))
    };
    let container = CardCapabilityContainer::piv(&[]);

    let content = discovery.encode();
    assert_eq!(
        without_allocating(|| Discovery::decode(&content)),
        Ok(discovery)
    );
    let content = history.encode();
    assert_eq!(
        without_allocating(|| KeyHistory::decode(&content)),
        Ok(history)
    );
    let content = chuid.encode();
    assert_eq!(without_allocating(|| Chuid::decode(&content)), Ok(chuid));
    let content = container.encode();
    let decoded = without_allocating(|| CardCapabilityContainer::decode(&content));
    assert_eq!(decoded, Ok(container));
}

#[test]
fn what_is_written_is_allocated_once() {
    let select = Select::piv().to_command();
    let get = GetData::new(ObjectTag::CHUID).to_command();
    let content = CertificateObject::new(RSA2048).encode();
    let put = PutData::new(ObjectTag::PIV_AUTHENTICATION_CERTIFICATE, &content).to_command();
    for command in [&select, &get] {
        allocating_once(|| command.encode_short().unwrap());
    }
    for command in [&select, &get, &put] {
        let bytes = allocating_once(|| command.encode_extended().unwrap());
        assert_eq!(
            allocating_once(|| Command::decode(&bytes)).as_ref(),
            Ok(command)
        );
    }
    let response = Response::new(&content, StatusWord::SUCCESS);
    let bytes = allocating_once(|| response.encode());
    assert_eq!(allocating_once(|| Response::decode(&bytes)), Ok(response));
    allocating_once(|| GetData::encode_answer(ObjectTag::PIV_AUTHENTICATION_CERTIFICATE, &content));
}
