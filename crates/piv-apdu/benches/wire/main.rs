//! What reading from and writing to the wire costs, in bytes a second:
//! `cargo bench -p piv-apdu --bench wire`. See docs/performance.md.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark whose input is wrong should stop"
)]

mod secure;

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use piv_apdu::aid::Aid;
use piv_apdu::apdu::{Command, Response};
use piv_apdu::command::{
    DynamicAuthenticationTemplate, GeneralAuthenticate, GetData, PutData, Select, TypedCommand,
    Verify,
};
use piv_apdu::key::{Algorithm, KeyReference};
use piv_apdu::object::{
    CardCapabilityContainer, CertificateObject, CertificateRef, Chuid, DataGroup, DataObject, Date,
    Discovery, FascN, FascNFields, Guid, KeyHistory, ObjectTag, PairingCodeObject, PinUsagePolicy,
    PrintedInformation, SecurityObject, SmSigner,
};
use piv_apdu::secret::{PairingCode, Pin};
use piv_apdu::status::StatusWord;
use piv_apdu::tlv::{self, Reader, Tag};

use secure::secure;

const P256: &[u8] = include_bytes!("../../tests/data/p256.der");
const RSA2048: &[u8] = include_bytes!("../../tests/data/rsa2048.der");

/// The size of a signature with its certificate, as issuers put it into a CHUID
/// and into a security object.
const SIGNED: usize = 1200;

const SLOT: ObjectTag = ObjectTag::PIV_AUTHENTICATION_CERTIFICATE;

criterion_group!(benches, tlv, decoding, encoding, secure);
criterion_main!(benches);

fn tlv(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tlv");
    let chuid = chuid().encode();
    of_bytes(
        &mut group,
        "read every data object of a CHUID",
        &chuid,
        |bytes| Reader::new(bytes).map(Result::unwrap).count(),
    );
    of_bytes(
        &mut group,
        "find the last data object of a CHUID",
        &chuid,
        |bytes| tlv::find(bytes, Tag::new(0xFE)).unwrap().map(<[u8]>::len),
    );
    let container = CardCapabilityContainer::piv(&[0xA0; 21]).encode();
    of_bytes(
        &mut group,
        "read every data object of a CCC",
        &container,
        |bytes| Reader::new(bytes).map(Result::unwrap).count(),
    );
    group.finish();
}

fn decoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");

    let answer = GetData::encode_answer(SLOT, &CertificateObject::new(RSA2048).encode());
    of_bytes(
        &mut group,
        "certificate from an answer, borrowed",
        &answer,
        |data| {
            let content = GetData::content(data).unwrap();
            CertificateRef::decode(content)
                .unwrap()
                .der()
                .unwrap()
                .len()
        },
    );
    let response = Response::new(&answer, StatusWord::SUCCESS).encode();
    of_bytes(
        &mut group,
        "certificate from an answer, owned",
        &response,
        |bytes| {
            let response = Response::decode(bytes).unwrap();
            let content = GetData::decode_answer(&response).unwrap();
            CertificateObject::decode(&content).unwrap()
        },
    );
    let compressed = CertificateObject {
        certificate: RSA2048.to_vec(),
        compressed: true,
    };
    let content = compressed.encode();
    of_bytes(&mut group, "certificate, compressed", &content, |bytes| {
        CertificateObject::decode(bytes).unwrap()
    });
    let content = CertificateObject::new(RSA2048).encode();
    of_bytes(
        &mut group,
        "certificate, and its X.509",
        &content,
        |bytes| CertificateObject::decode(bytes).unwrap().parse().unwrap(),
    );

    object(&mut group, "CHUID", &chuid());
    object(
        &mut group,
        "CCC",
        &CardCapabilityContainer::piv(&[0xA0; 21]),
    );
    object(&mut group, "discovery object", &discovery());
    object(&mut group, "key history", &key_history());
    object(&mut group, "printed information", &printed_information());
    object(&mut group, "security object", &security_object());
    object(&mut group, "pairing code", &pairing_code());
    object(&mut group, "secure messaging signer", &sm_signer());
    group.finish();
}

fn encoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    let pin = Pin::new(b"123456").unwrap().padded();
    let certificate = CertificateObject::new(RSA2048).encode();

    short(&mut group, "SELECT", &Select::piv());
    short(&mut group, "GET DATA", &GetData::new(SLOT));
    short(
        &mut group,
        "VERIFY",
        &Verify::check(KeyReference::PIV_PIN, pin),
    );
    extended(&mut group, "GET DATA", &GetData::new(SLOT));
    extended(&mut group, "GENERAL AUTHENTICATE", &signature());
    extended(&mut group, "PUT DATA", &PutData::new(SLOT, &certificate));
    group.finish();
}

/// What `act` takes for `bytes`.
fn of_bytes<R>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    bytes: &[u8],
    act: impl Fn(&[u8]) -> R,
) {
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function(name, |bencher| bencher.iter(|| act(black_box(bytes))));
}

/// What decoding an object's content takes.
fn object<T: DataObject>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, value: &T) {
    of_bytes(group, name, &value.encode(), |content| {
        T::decode(content).unwrap()
    });
}

/// What it takes from a typed command to the bytes of a short APDU.
fn short<C: TypedCommand>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, command: &C) {
    let encode = |command: &C| command.to_command().encode_short().unwrap();
    written(group, &format!("{name}, short"), command, encode);
}

/// What it takes from a typed command to the bytes of an extended APDU.
fn extended<C: TypedCommand>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, command: &C) {
    let encode = |command: &C| command.to_command().encode_extended().unwrap();
    written(group, &format!("{name}, extended"), command, encode);
}

/// What `encode` takes for `command`; the APDU has to be a sound one.
fn written<C, R: AsRef<[u8]>>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    command: &C,
    encode: impl Fn(&C) -> R,
) {
    let apdu = encode(command);
    Command::decode(apdu.as_ref()).unwrap();
    group.throughput(Throughput::Bytes(apdu.as_ref().len() as u64));
    group.bench_function(name, |bencher| bencher.iter(|| encode(black_box(command))));
}

/// What a key of RSA 2048 is asked to sign.
fn signature() -> GeneralAuthenticate {
    GeneralAuthenticate {
        algorithm: Algorithm::Rsa2048,
        key: KeyReference::DIGITAL_SIGNATURE,
        template: DynamicAuthenticationTemplate::internal_authenticate(&[0x5A; 256]),
    }
}

fn chuid() -> Chuid {
    let fields = FascNFields {
        agency: 9999,
        system: 9999,
        credential: 999_999,
        person: 1_234_567_890,
        ..FascNFields::default()
    };
    Chuid {
        fasc_n: FascN::from_fields(&fields),
        expiry: Date::new(2032, 12, 31),
        cardholder_uuid: Some(Guid([0x33; 16])),
        signature: vec![0x30; SIGNED],
        ..Chuid::new(Guid([0x22; 16]))
    }
}

fn discovery() -> Discovery {
    Discovery {
        aid: Aid::piv(),
        pin_usage: PinUsagePolicy(0x6010),
    }
}

fn key_history() -> KeyHistory {
    KeyHistory {
        on_card: 3,
        off_card: 2,
        url: Some("http://pki.example/history/0123456789abcdef".to_owned()),
    }
}

fn printed_information() -> PrintedInformation {
    PrintedInformation {
        name: "EXAMPLE, ALEX B.".to_owned(),
        employee_affiliation: "EMPLOYEE".to_owned(),
        expiration_date: "2032DEC31".to_owned(),
        agency_card_serial_number: "0000012345".to_owned(),
        issuer_identification: "EXAMPLE00000001".to_owned(),
        ..PrintedInformation::default()
    }
}

fn security_object() -> SecurityObject {
    let group = |number: u8| DataGroup {
        number,
        container: 0x3000 + u16::from(number),
    };
    SecurityObject {
        mapping: (1..=8).map(group).collect(),
        signed: vec![0x30; SIGNED],
    }
}

fn pairing_code() -> PairingCodeObject {
    PairingCodeObject {
        code: PairingCode::new(b"12345678").unwrap(),
    }
}

fn sm_signer() -> SmSigner {
    SmSigner {
        certificate: CertificateObject::new(P256),
        intermediate_cvc: Some(vec![0x5F; 200]),
    }
}
