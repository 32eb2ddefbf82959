//! Any bytes into every decoder: none may panic.

use piv_apdu::apdu::{Command, Response};
use piv_apdu::command::{
    ApplicationProperties, ChangeReferenceData, DynamicAuthenticationTemplate, GeneralAuthenticate,
    GenerateAsymmetric, GetData, PinQuery, PivCommand, PublicKey, PutData, ResetRetryCounter,
    Select, TypedCommand, Verify,
};
use piv_apdu::object::{
    CardCapabilityContainer, CertificateObject, Chuid, DataObject, Discovery, KeyHistory,
    PairingCodeObject, PrintedInformation, SecurityObject, SmSigner,
};
use piv_apdu::sm::{CipherSuite, Cvc, KeyEstablishment, TrustAnchor};
use piv_apdu::status::StatusWord;
use piv_apdu::tlv::{self, Node};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::any;

fn answer<C: TypedCommand>(data: &[u8]) {
    let _ = C::decode_answer(&Response::new(data, StatusWord::SUCCESS));
    if let Ok(response) = Response::decode(data) {
        let _ = C::decode_answer(&response);
    }
    if let Ok(command) = Command::decode(data) {
        let _ = C::from_command(&command);
    }
}

fn everything(data: &[u8]) {
    answer::<Select>(data);
    answer::<GetData>(data);
    answer::<PutData>(data);
    answer::<Verify>(data);
    answer::<PinQuery>(data);
    answer::<ChangeReferenceData>(data);
    answer::<ResetRetryCounter>(data);
    answer::<GeneralAuthenticate>(data);
    answer::<GenerateAsymmetric>(data);
    if let Ok(command) = Command::decode(data) {
        let _ = PivCommand::from_command(&command);
    }
    let _ = ApplicationProperties::decode(data);
    let _ = DynamicAuthenticationTemplate::decode(data);
    let _ = PublicKey::decode(data);
    let _ = CardCapabilityContainer::decode(data);
    let _ = CertificateObject::decode(data);
    let _ = Chuid::decode(data).map(|chuid| chuid.fasc_n.map(|fasc_n| fasc_n.fields()));
    let _ = Discovery::decode(data);
    let _ = KeyHistory::decode(data);
    let _ = PairingCodeObject::decode(data);
    let _ = PrintedInformation::decode(data);
    let _ = SecurityObject::decode(data);
    let _ = SmSigner::decode(data);
    let _ = Cvc::decode(data);
    let _ = TrustAnchor::from_der(data);
    for suite in [CipherSuite::Cs2, CipherSuite::Cs7] {
        let key = vec![1; suite.coordinate_length()];
        let establishment = KeyEstablishment::from_parts(suite, [1; 8], &key).unwrap();
        let _ = establishment.finish(&Response::new(data, StatusWord::SUCCESS));
    }
}

/// The tags that some decoder looks for.
const TAGS: &[u32] = &[
    0x01, 0x02, 0x06, 0x08, 0x30, 0x34, 0x35, 0x36, 0x3E, 0x42, 0x4F, 0x50, 0x53, 0x5C, 0x5F20,
    0x5F29, 0x5F2F, 0x5F37, 0x5F4C, 0x5F50, 0x61, 0x6F, 0x70, 0x71, 0x79, 0x7C, 0x7E, 0x7F21,
    0x7F49, 0x7F61, 0x80, 0x81, 0x82, 0x84, 0x85, 0x86, 0x99, 0xA5, 0xAC, 0xBA, 0xBB, 0xC1, 0xC2,
    0xF0, 0xF1, 0xF3, 0xFE,
];

/// Data objects with those tags and any values, some of them nested, with
/// values of the lengths that matter.
fn objects() -> impl Strategy<Value = Vec<u8>> {
    let value = prop_oneof![
        any::bytes(3),
        vec(any::<u8>(), 8),
        vec(any::<u8>(), 16),
        vec(any::<u8>(), 25),
    ];
    let encode = |objects: Vec<(u32, Vec<u8>)>| {
        let nodes: Vec<_> = objects
            .iter()
            .map(|(tag, value)| Node::Value(piv_apdu::tlv::Tag::new(*tag), value))
            .collect();
        tlv::encode(&nodes).to_vec()
    };
    let tag = || proptest::sample::select(TAGS);
    let flat = vec((tag(), value), 0..4).prop_map(encode);
    flat.prop_recursive(3, 24, 3, move |inner| {
        vec((tag(), inner), 1..3).prop_map(encode)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes(bytes in any::bytes(80)) {
        everything(&bytes);
    }

    #[test]
    fn any_objects(bytes in objects()) {
        everything(&bytes);
    }

    #[test]
    fn damaged_objects(bytes in objects(), at in any::<Index>(), byte: u8, cut in any::<Index>()) {
        let mut bytes = bytes;
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        everything(&bytes);
    }

    #[test]
    fn any_command(ins in proptest::sample::select(&[0x20_u8, 0x24, 0x2C, 0x47, 0x87, 0xA4, 0xCB, 0xDB][..]),
                   p1 in proptest::sample::select(&[0x00_u8, 0x04, 0x3F, 0xFF][..]),
                   p2 in proptest::sample::select(&[0x00_u8, 0x80, 0x9A, 0xFF][..]),
                   data in objects()) {
        let command = Command::new(0, ins, p1, p2).with_data(&data);
        if let Ok(read) = PivCommand::from_command(&command) {
            // What was understood can be said again.
            let again = PivCommand::from_command(&read.to_command());
            prop_assert_eq!(again.unwrap(), read);
        }
    }
}
