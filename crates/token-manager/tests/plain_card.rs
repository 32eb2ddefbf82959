//! Loading a plain PIV card, over a hand-written fake of one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

mod common;

use std::time::{Duration, SystemTime};

use common::{
    CCC, CERTIFICATE_9A, CERTIFICATE_9D, CHUID, DISCOVERY, FakePiv, GUID, KEY_HISTORY, TAG_9A,
    TAG_9C, TAG_9D, TAG_9E, certificate_object, chuid, discovery, key_history, sw, tlv,
};
use pcsc_transport::{Interface, LinkError, LinkInfo};
use piv_apdu::atr::Atr;
use piv_apdu::key::{Algorithm, KeyReference};
use piv_apdu::object::ObjectTag;
use piv_apdu::status::StatusWord;
use token_manager::{
    Action, AlgorithmSource, Alphabet, Capability, CertificateState, KeyOrigin, KeyUsage,
    LoadError, LoadOptions, ObjectState, ObjectValue, Part, PinStatus, PolicySource,
    PublicKeyAlgorithm, Reason, Token, TokenFamily, Unreadable, Validity, load, utc,
};

const MAIN_SLOTS: [KeyReference; 4] = [
    KeyReference::PIV_AUTHENTICATION,
    KeyReference::DIGITAL_SIGNATURE,
    KeyReference::KEY_MANAGEMENT,
    KeyReference::CARD_AUTHENTICATION,
];

fn read(card: FakePiv) -> Token {
    load(&mut card.card(), &LoadOptions::default()).unwrap()
}

fn fail(card: FakePiv) -> LoadError {
    load(&mut card.card(), &LoadOptions::default()).unwrap_err()
}

/// The tags asked for with GET DATA, in order.
fn tags_read(log: &[Vec<u8>]) -> Vec<u32> {
    log.iter()
        .filter(|apdu| apdu[1] == 0xCB)
        .map(|apdu| {
            let at = apdu.iter().position(|byte| *byte == 0x5C).unwrap();
            let len = usize::from(apdu[at + 1]);
            apdu[at + 2..at + 2 + len]
                .iter()
                .fold(0, |tag, byte| tag << 8 | u32::from(*byte))
        })
        .collect()
}

const STANDARD_READS: [u32; 8] = [
    DISCOVERY,
    CHUID,
    CCC,
    KEY_HISTORY,
    TAG_9A,
    TAG_9C,
    TAG_9D,
    TAG_9E,
];

#[test]
fn eighteen_round_trips_with_short_apdus() {
    let card = FakePiv::new(false);
    let log = card.log();
    let token = read(card);
    let log = log.lock().unwrap();
    assert_eq!(log.len(), 18, "{log:02X?}");
    assert_eq!(token.round_trips, 18);
    assert_eq!(tags_read(&log), STANDARD_READS);
    let count = |ins| log.iter().filter(|apdu| apdu[1] == ins).count();
    assert_eq!(
        (count(0xA4), count(0x20), count(0xCB), count(0xC0)),
        (1, 1, 8, 8)
    );
    assert_eq!(
        log[0],
        b"\x00\xA4\x04\x00\x0B\xA0\x00\x00\x03\x08\x00\x00\x10\x00\x01\x00\x00"
    );
    assert_eq!(log[1], b"\x00\x20\x00\x80");
}

#[test]
fn ten_round_trips_with_extended_length() {
    let card = FakePiv::new(true);
    let log = card.log();
    let token = read(card);
    let log = log.lock().unwrap();
    assert_eq!(log.len(), 10, "{log:02X?}");
    assert_eq!(token.round_trips, 10);
    assert_eq!(tags_read(&log), STANDARD_READS);
    assert_eq!(token.certificates.len(), 4);
}

#[test]
fn the_full_content_is_there() {
    let token = read(FakePiv::new(false));

    assert_eq!(token.reader, "Fake reader");
    assert_eq!(token.interface, Interface::Contact);
    assert_eq!(token.identity.name, "Handwritten PIV");
    assert_eq!(token.identity.family, TokenFamily::Piv);
    assert_eq!(token.identity.serial, None);
    assert_eq!(token.identity.guid.unwrap().0, GUID);
    assert_eq!(token.pin.reference, KeyReference::PIV_PIN);
    assert_eq!(token.pin.status, PinStatus::TriesLeft(3));
    assert!(token.problems.is_empty(), "{:?}", token.problems);
    assert!(token.oath_slots.is_empty());

    assert_eq!((token.pin_policy.minimum, token.pin_policy.maximum), (6, 8));
    assert_eq!(token.pin_policy.alphabet, Alphabet::Digits);
    assert_eq!(token.pin_policy.decided_by, PolicySource::Standard);

    let objects: Vec<_> = token
        .objects
        .iter()
        .map(|object| object.tag.get())
        .collect();
    assert_eq!(objects, [DISCOVERY, CHUID, CCC, KEY_HISTORY]);
    for object in &token.objects {
        assert!(
            matches!(object.state, ObjectState::Present { .. }),
            "{object:?}"
        );
    }

    let slots: Vec<_> = token
        .certificates
        .iter()
        .map(|entry| entry.slot.unwrap())
        .collect();
    assert_eq!(slots, MAIN_SLOTS);
    let keys: Vec<_> = token
        .keys
        .iter()
        .map(|key| (key.slot, key.algorithm.unwrap()))
        .collect();
    assert_eq!(
        keys,
        [
            (KeyReference::PIV_AUTHENTICATION, Algorithm::EccP256),
            (KeyReference::DIGITAL_SIGNATURE, Algorithm::Rsa2048),
            (KeyReference::KEY_MANAGEMENT, Algorithm::EccP384),
            (KeyReference::CARD_AUTHENTICATION, Algorithm::EccP256),
        ]
    );
    for key in &token.keys {
        assert_eq!(key.algorithm_source, AlgorithmSource::Certificate);
        assert_eq!(key.origin, KeyOrigin::Unknown);
        assert_eq!(key.is_filled(), None);
    }
}

/// Values as OpenSSL prints them for the same file.
#[test]
fn a_certificate_is_read_as_openssl_reads_it() {
    let token = read(FakePiv::new(false));
    let entry = token.certificate(KeyReference::PIV_AUTHENTICATION).unwrap();
    let info = entry.certificate().unwrap();
    assert_eq!(
        info.subject,
        r#"CN=Jo \"The Card\" Doe,OU=Department of Examples,O=Example Corporation\, Ltd.,C=XX"#
    );
    assert_eq!(info.issuer, info.subject);
    assert!(info.self_issued);
    assert_eq!(info.serial_hex(), "0102030405060708");
    assert_eq!(utc(info.not_before), "2026-11-24T20:07:49Z");
    assert_eq!(utc(info.not_after), "2036-11-21T20:07:49Z");
    assert_eq!(
        info.key_usage.as_deref(),
        Some(&[KeyUsage::DigitalSignature][..])
    );
    let purposes: Vec<_> = info
        .extended_key_usage
        .iter()
        .flatten()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        purposes,
        ["client authentication", "smart card logon", "1.2.3.4"]
    );
    assert_eq!(info.public_key, PublicKeyAlgorithm::EccP256);
    assert_eq!(info.signature_algorithm, "ecdsa-with-SHA256");
    assert_eq!(
        info.sha256_hex(),
        "1317f7501909f166be55bbc5cc3be9549aa2689446859a394f1abfcff312cf0b"
    );
    assert_eq!(entry.der(), Some(CERTIFICATE_9A));
    assert!(!info.compressed);

    let rsa = token.certificate(KeyReference::DIGITAL_SIGNATURE).unwrap();
    let rsa = rsa.certificate().unwrap();
    assert_eq!(rsa.public_key, PublicKeyAlgorithm::Rsa { bits: 2048 });
    assert_eq!(rsa.extended_key_usage, None);
    assert_eq!(
        rsa.key_usage.as_deref(),
        Some(&[KeyUsage::DigitalSignature, KeyUsage::NonRepudiation][..])
    );
}

#[test]
fn validity_is_judged_by_the_clock_that_is_given() {
    let token = read(FakePiv::new(false));
    let info = token.certificates[0].certificate().unwrap();
    let second = Duration::from_secs(1);
    let cases = [
        (info.not_before - second, Validity::NotYetValid),
        (info.not_before, Validity::Valid),
        (info.not_after, Validity::Valid),
        (info.not_after + second, Validity::Expired),
        (SystemTime::UNIX_EPOCH, Validity::NotYetValid),
    ];
    for (now, expected) in cases {
        assert_eq!(info.validity(now), expected, "{}", utc(now));
    }
}

#[test]
fn every_answer_to_an_empty_verify_keeps_its_meaning() {
    let refused = |status| PinStatus::Unknown(Unreadable::Refused(StatusWord::new(status)));
    let cases = [
        (0x9000, PinStatus::AlreadyVerified, None),
        (0x63C3, PinStatus::TriesLeft(3), Some(3)),
        (0x63CF, PinStatus::TriesLeft(15), Some(15)),
        (0x63C0, PinStatus::Blocked, Some(0)),
        (0x6983, PinStatus::Blocked, Some(0)),
        (0x6A88, PinStatus::NotSet, None),
        (0x6D00, refused(0x6D00), None),
        (0x6982, refused(0x6982), None),
    ];
    for (status, expected, left) in cases {
        let mut card = FakePiv::new(false);
        card.pin = status;
        let pin = read(card).pin;
        assert_eq!(pin.status, expected, "{status:04X}");
        assert_eq!(pin.status.tries_left(), left, "{status:04X}");
    }
}

#[test]
fn the_global_pin_is_asked_about_only_where_the_card_uses_it() {
    let mut card = FakePiv::new(false);
    card.pin = 0x6A88;
    card.global_pin = 0x63C5;
    card.objects.insert(DISCOVERY, discovery([0x60, 0x20]));
    let token = read(card);
    assert_eq!(token.pin.reference, KeyReference::GLOBAL_PIN);
    assert_eq!(token.pin.status, PinStatus::TriesLeft(5));
    assert_eq!(token.round_trips, 19);

    let mut card = FakePiv::new(false);
    card.pin = 0x6A88;
    let token = read(card);
    assert_eq!(token.pin.reference, KeyReference::PIV_PIN);
    assert_eq!(token.pin.status, PinStatus::NotSet);
    assert_eq!(token.round_trips, 18);
}

/// What is wrong with one object, and how it has to show.
fn assert_spoils_only(tag: u32, spoil: impl FnOnce(&mut FakePiv), check: impl FnOnce(&Token)) {
    let mut card = FakePiv::new(false);
    spoil(&mut card);
    let token = read(card);
    check(&token);
    for slot in MAIN_SLOTS {
        let entry = token.certificate(slot).unwrap();
        if entry.tag.get() != tag {
            assert!(entry.certificate().is_some(), "{tag:X} spoilt {entry:?}");
        }
    }
    for object in &token.objects {
        if object.tag.get() != tag {
            assert!(
                matches!(object.state, ObjectState::Present { .. }),
                "{tag:X} spoilt {object:?}"
            );
        }
    }
}

fn state_9a(token: &Token) -> &CertificateState {
    &token
        .certificate(KeyReference::PIV_AUTHENTICATION)
        .unwrap()
        .state
}

#[test]
fn a_bad_certificate_is_shown_as_such_and_spoils_nothing_else() {
    let garbage = b"not a certificate".as_slice();
    assert_spoils_only(
        TAG_9A,
        |card| {
            card.objects.insert(TAG_9A, certificate_object(garbage));
        },
        |token| {
            assert!(
                matches!(state_9a(token), CertificateState::NotX509 { der, .. } if der == garbage)
            );
            // Something is in the slot, so there is likely a key, of a kind unknown.
            let key = token.key(KeyReference::PIV_AUTHENTICATION).unwrap();
            assert_eq!(
                (key.algorithm, key.algorithm_source),
                (None, AlgorithmSource::Nothing)
            );
        },
    );
    // One byte of DER more than the certificate has.
    let longer = [CERTIFICATE_9A, &[0]].concat();
    assert_spoils_only(
        TAG_9A,
        |card| {
            card.objects.insert(TAG_9A, certificate_object(&longer));
        },
        |token| assert!(matches!(state_9a(token), CertificateState::NotX509 { .. })),
    );
    // Announced as compressed, and not gzip.
    let mut content = tlv(0x70, b"\x1F\x8Bnonsense");
    content.extend([0x71, 0x01, 0x01, 0xFE, 0x00]);
    assert_spoils_only(
        TAG_9A,
        |card| {
            card.objects.insert(TAG_9A, tlv(0x53, &content));
        },
        |token| {
            assert!(matches!(
                state_9a(token),
                CertificateState::Unreadable(Unreadable::Malformed(_))
            ));
        },
    );
    // The TLV is cut off.
    assert_spoils_only(
        TAG_9A,
        |card| {
            card.objects
                .insert(TAG_9A, vec![0x53, 0x82, 0x10, 0x00, 0x70]);
        },
        |token| {
            assert!(matches!(
                state_9a(token),
                CertificateState::Unreadable(Unreadable::Malformed(_))
            ));
        },
    );
}

#[test]
fn empty_absent_and_refused_certificates_are_told_apart() {
    for empty in [vec![0x53, 0x00], tlv(0x53, &[0x70, 0, 0x71, 1, 0, 0xFE, 0])] {
        assert_spoils_only(
            TAG_9A,
            |card| {
                card.objects.insert(TAG_9A, empty);
            },
            |token| {
                assert_eq!(*state_9a(token), CertificateState::Empty);
                assert_eq!(token.key(KeyReference::PIV_AUTHENTICATION), None);
            },
        );
    }
    assert_spoils_only(
        TAG_9A,
        |card| {
            card.objects.remove(&TAG_9A);
        },
        |token| {
            assert_eq!(*state_9a(token), CertificateState::Absent);
            assert_eq!(token.key(KeyReference::PIV_AUTHENTICATION), None);
        },
    );
    assert_spoils_only(
        TAG_9A,
        |card| {
            card.refused.insert(TAG_9A, 0x6F00);
        },
        |token| {
            let refused = Unreadable::Refused(StatusWord::new(0x6F00));
            assert_eq!(*state_9a(token), CertificateState::Unreadable(refused));
        },
    );
}

#[test]
fn a_bad_object_is_shown_as_such_and_spoils_nothing_else() {
    assert_spoils_only(
        CHUID,
        |card| {
            card.objects.insert(CHUID, tlv(0x53, &[0x34, 0x10, 0x00]));
        },
        |token| {
            let chuid = token.object(ObjectTag::CHUID).unwrap();
            assert!(
                matches!(
                    chuid.state,
                    ObjectState::Unreadable(Unreadable::Malformed(_))
                ),
                "{chuid:?}"
            );
            assert_eq!(token.identity.guid, None);
            assert_eq!(token.identity.id(), None);
        },
    );
    assert_spoils_only(
        CCC,
        |card| {
            card.refused.insert(CCC, 0x6982);
        },
        |token| {
            assert_eq!(
                token.object(ObjectTag::CCC).unwrap().state,
                ObjectState::NeedsPin
            );
        },
    );
    assert_spoils_only(
        CCC,
        |card| {
            card.objects.insert(CCC, vec![0x53, 0x00]);
        },
        |token| {
            assert_eq!(
                token.object(ObjectTag::CCC).unwrap().state,
                ObjectState::Empty
            );
        },
    );
    assert_spoils_only(
        DISCOVERY,
        |card| {
            card.objects.remove(&DISCOVERY);
        },
        |token| {
            let discovery = token.object(ObjectTag::DISCOVERY).unwrap();
            assert_eq!(discovery.state, ObjectState::Absent);
            assert_eq!(
                token
                    .capabilities
                    .entry(Action::EstablishVci)
                    .unwrap()
                    .token,
                Capability::Unavailable(Reason::NotAnnounced)
            );
        },
    );
}

#[test]
fn an_answer_without_end_is_given_up_and_spoils_nothing_else() {
    let mut endless = false;
    let card = FakePiv::new(false).with_fault(move |_, apdu| {
        endless = match apdu[1] {
            0xCB => apdu[5..].starts_with(&[0x5C, 3, 0x5F, 0xC1, 0x05]),
            0xC0 => endless,
            _ => false,
        };
        endless.then(|| Ok([&[0xAA; 256][..], &[0x61, 0x00]].concat()))
    });
    let token = read(card);
    assert!(matches!(
        state_9a(&token),
        CertificateState::Unreadable(Unreadable::GivenUp(_))
    ));
    assert_eq!(
        token
            .certificates
            .iter()
            .filter(|entry| entry.certificate().is_some())
            .count(),
        3
    );
}

#[test]
fn retired_keys_are_read_only_as_far_as_the_key_history_goes() {
    let retired = |n: u32| 0x5F_C10C + n;
    let mut card = FakePiv::new(true);
    card.objects.insert(KEY_HISTORY, key_history(2, 3));
    for n in [1, 2] {
        card.objects
            .insert(retired(n), certificate_object(CERTIFICATE_9D));
    }
    let log = card.log();
    let token = read(card);
    assert_eq!(
        tags_read(&log.lock().unwrap())[8..],
        [retired(1), retired(2)]
    );
    let slots: Vec<_> = token.keys.iter().map(|key| key.slot.get()).collect();
    assert_eq!(
        slots,
        [0x9A, 0x9C, 0x9D, 0x9E, 0x82, 0x83, 0x93, 0x94, 0x95]
    );
    let off_card = token.key(KeyReference::retired(20).unwrap()).unwrap();
    assert_eq!((off_card.certificate, off_card.algorithm), (None, None));

    // A card that leaves a gap is followed until both were found.
    let mut card = FakePiv::new(true);
    card.objects.insert(KEY_HISTORY, key_history(2, 0));
    for n in [1, 3] {
        card.objects
            .insert(retired(n), certificate_object(CERTIFICATE_9D));
    }
    let token = read(card);
    assert_eq!(token.round_trips, 13);
    let slots: Vec<_> = token
        .certificates
        .iter()
        .map(|entry| entry.slot.unwrap().get())
        .collect();
    assert_eq!(slots, [0x9A, 0x9C, 0x9D, 0x9E, 0x82, 0x84]);

    // A key history that cannot be true ends with the twenty that can exist.
    let mut card = FakePiv::new(true);
    card.objects.insert(KEY_HISTORY, key_history(255, 255));
    assert_eq!(read(card).round_trips, 30);
}

#[test]
fn all_asks_for_the_rest_of_the_standard_and_for_nothing_behind_the_pin() {
    let card = FakePiv::new(true);
    let log = card.log();
    let options = LoadOptions::new().with_all(true);
    let token = load(&mut card.card(), &options).unwrap();
    let mut tags = tags_read(&log.lock().unwrap());
    tags.sort_unstable();
    let mut expected: Vec<_> = ObjectTag::ALL.iter().map(|tag| tag.get()).collect();
    // Fingerprints, facial image, printed information, iris, pairing code.
    expected.retain(|tag| ![0x5F_C103, 0x5F_C108, 0x5F_C109, 0x5F_C121, 0x5F_C123].contains(tag));
    expected.sort_unstable();
    assert_eq!(tags, expected);
    let printed = token.object(ObjectTag::PRINTED_INFORMATION).unwrap();
    assert_eq!(printed.state, ObjectState::NeedsPin);
    let security = token.object(ObjectTag::SECURITY_OBJECT).unwrap();
    assert_eq!(security.state, ObjectState::Absent);
    assert_eq!(token.certificates.len(), 24);
}

#[test]
fn a_reset_in_the_middle_starts_the_load_over_once() {
    for at in 1..=18 {
        let card = FakePiv::new(false)
            .with_fault(move |number, _| (number == at).then_some(Err(LinkError::Reset)));
        let token = read(card);
        assert_eq!(token.certificates.len(), 4);
        assert_eq!(token.round_trips, 18 + at as u64);
    }
    for second in 1..=18 {
        let card = FakePiv::new(false).with_fault(move |number, _| {
            (number == 5 || number == 5 + second).then_some(Err(LinkError::Reset))
        });
        let log = card.log();
        let error = fail(card);
        assert!(matches!(error, LoadError::ResetAgain { .. }), "{error}");
        assert_eq!(log.lock().unwrap().len(), 5 + second);
    }
}

#[test]
fn a_card_that_is_pulled_out_ends_the_load() {
    for at in 1..=18 {
        let card = FakePiv::new(false)
            .with_fault(move |number, _| (number >= at).then_some(Err(LinkError::Removed)));
        let log = card.log();
        let error = fail(card);
        assert!(
            matches!(
                &error,
                LoadError::Link {
                    source: LinkError::Removed,
                    ..
                }
            ),
            "{error}"
        );
        assert_eq!(error.reader(), "Fake reader");
        assert_eq!(log.lock().unwrap().len(), at, "nothing more was sent");
    }
}

#[test]
fn another_kind_of_card_is_not_a_piv_card() {
    for status in [0x6A82, 0x6D00, 0x6E00, 0x6999] {
        let mut card = FakePiv::new(false);
        card.select = (Vec::new(), status);
        let log = card.log();
        let error = fail(card);
        assert!(
            matches!(&error, LoadError::NotAPivCard { status: said, .. } if said.get() == status),
            "{error}"
        );
        assert_eq!(log.lock().unwrap().len(), 1, "nothing more was sent");
    }
}

#[test]
fn a_select_answer_that_says_nothing_does_not_hide_the_card() {
    for answer in [Vec::new(), vec![0x61, 0x7F, 0x00], vec![0xFF; 20]] {
        let mut card = FakePiv::new(false).with_fault(move |number, _| {
            (number == 1).then(|| Ok([answer.clone(), sw(0x9000)].concat()))
        });
        card.select_silently();
        let token = read(card);
        assert_eq!(token.identity.name, "PIV card");
        assert_eq!(token.certificates.len(), 4);
        assert!(
            token
                .problems
                .iter()
                .all(|problem| problem.part == Part::PivApplication)
        );
    }
}

#[test]
fn a_blank_label_is_no_name() {
    for label in ["", "   "] {
        let mut card = FakePiv::new(false);
        card.select = (tlv(0x61, &tlv(0x50, label.as_bytes())), 0x9000);
        let identity = read(card).identity;
        assert_eq!(
            (identity.name.as_str(), identity.application_label),
            ("PIV card", None)
        );
    }
}

#[test]
fn a_contactless_card_says_what_waits_for_contact() {
    let mut card = FakePiv::new(false);
    let atr = Atr::contactless(&[0x80, 0x73, 0x00, 0x00, 0x80]).unwrap();
    card.info = LinkInfo::new("Radio", atr);
    for tag in [CCC, TAG_9A, TAG_9C, TAG_9D] {
        card.refused.insert(tag, 0x6982);
    }
    let token = read(card);
    assert_eq!(token.interface, Interface::Contactless);
    // The PIN would not help: it is the interface.
    assert_eq!(
        token.object(ObjectTag::CCC).unwrap().state,
        ObjectState::NeedsContact
    );
    assert_eq!(
        token.capabilities.entry(Action::ChangePin).unwrap().token,
        Capability::Unavailable(Reason::OnlyOnContact)
    );
    assert!(
        token
            .certificate(KeyReference::CARD_AUTHENTICATION)
            .unwrap()
            .certificate()
            .is_some()
    );
}

#[test]
fn what_the_card_says_decides_its_capabilities() {
    let entry = |card: FakePiv, action| *read(card).capabilities.entry(action).unwrap();

    let mut card = FakePiv::new(false);
    card.pin = 0x6983;
    let blocked = entry(card, Action::ChangePin);
    assert_eq!(blocked.token, Capability::Unavailable(Reason::PinBlocked));
    assert_eq!(blocked.capability, blocked.token);

    // VCI with the pairing code, which is behind the PIN.
    let mut card = FakePiv::new(false);
    card.objects.insert(DISCOVERY, discovery([0x48, 0x00]));
    let code = entry(card, Action::RetrievePairingCode);
    assert_eq!(
        code.token,
        Capability::Unavailable(Reason::NeedsAuthentication)
    );
    let mut card = FakePiv::new(false);
    card.objects.insert(DISCOVERY, discovery([0x48, 0x00]));
    card.pin = 0x9000;
    assert_eq!(
        entry(card, Action::RetrievePairingCode).token,
        Capability::Available
    );

    // VCI without one.
    let mut card = FakePiv::new(false);
    card.objects.insert(DISCOVERY, discovery([0x4C, 0x00]));
    let code = entry(card, Action::RetrievePairingCode);
    assert_eq!(code.token, Capability::Unavailable(Reason::NotAnnounced));

    // Nothing tells: a look behind the PIN does.
    let mut card = FakePiv::new(false);
    card.refused.insert(DISCOVERY, 0x6F00);
    card.pin = 0x9000;
    let code = entry(card, Action::RetrievePairingCode);
    assert_eq!(code.capability, Capability::Available);
    let mut card = FakePiv::new(false);
    card.objects.remove(&DISCOVERY);
    let code = entry(card, Action::RetrievePairingCode);
    assert_eq!(code.token, Capability::Unavailable(Reason::NotAnnounced));

    // Who signed the CHUID administers the card.
    let personalize = entry(FakePiv::new(false), Action::Personalize);
    assert_eq!(
        personalize.token,
        Capability::Unknown(Reason::ManagementUnknown)
    );
    let mut card = FakePiv::new(false);
    card.objects.insert(CHUID, chuid(b"an issuer's signature"));
    let personalize = entry(card, Action::Personalize);
    assert_eq!(
        personalize.token,
        Capability::Unavailable(Reason::DeviceManaged)
    );

    let content = entry(FakePiv::new(false), Action::ReadContent);
    assert_eq!(content.capability, Capability::Available);
}

#[test]
fn the_id_follows_the_guid_and_not_the_reader() {
    let id = |reader: &str, guid: [u8; 16]| {
        let mut card = FakePiv::new(false);
        card.info = LinkInfo::new(reader, common::atr(false));
        let mut content = tlv(0x30, &[0xD0; 25]);
        content.extend(tlv(0x34, &guid));
        content.extend(tlv(0x35, b"20351231"));
        content.extend([0x3E, 0x00, 0xFE, 0x00]);
        card.objects.insert(CHUID, tlv(0x53, &content));
        read(card).identity.id()
    };
    let first = id("A", [1; 16]);
    assert_eq!(first.as_ref().unwrap().len(), 12);
    assert_eq!(first, id("B", [1; 16]));
    assert_ne!(first, id("A", [2; 16]));
    // Not set: every such card has it.
    assert_eq!(id("A", [0; 16]), None);
}

#[test]
fn time_runs_out_with_an_error_of_its_own() {
    let card = FakePiv::new(false).with_fault(|_, _| {
        std::thread::sleep(Duration::from_millis(10));
        None
    });
    let log = card.log();
    let options = LoadOptions::new().with_timeout(Some(Duration::from_millis(35)));
    let error = load(&mut card.card(), &options).unwrap_err();
    assert!(matches!(error, LoadError::Timeout { .. }), "{error}");
    assert!(log.lock().unwrap().len() < 18);
}

#[test]
fn an_object_that_is_not_taken_apart_is_given_raw() {
    let mut card = FakePiv::new(false);
    card.objects.insert(0x7F61, tlv(0x7F61, b"\x02\x01\x00"));
    let options = LoadOptions::new().with_all(true);
    let token = load(&mut card.card(), &options).unwrap();
    let group = token.object(ObjectTag::BIT_GROUP).unwrap();
    let value = ObjectValue::Raw(b"\x02\x01\x00".to_vec());
    assert_eq!(group.state, ObjectState::Present { value, size: 3 });
}

#[test]
fn a_crescendo_whose_list_is_not_understood_is_read_like_any_card() {
    // An empty list of a reset card is taken at its word; one of blocks that
    // name nothing, and one that breaks off before the first, are not.
    let lists: [(&[u8], bool); 3] = [
        (b"\x01\x05\x21\x03\x00\x03\x06", true),
        (b"\x01\x05\x21\x03\x00\x03\x06\x51\x03\x99\x01\x9A", false),
        (b"\x01\x05\x21\x03\x00\x03\x06\x50\x40", false),
    ];
    for (list, believed) in lists {
        let mut card = FakePiv::new(false);
        card.info.atr = Atr::contactless(b"C2300").unwrap();
        card.objects.insert(0xFF_FF7F, tlv(0x53, list));
        let token = load(&mut card.card(), &LoadOptions::default()).unwrap();
        assert_eq!(token.certificates.is_empty(), believed, "{list:02X?}");
        assert_eq!(token.identity.guid.is_none(), believed, "{list:02X?}");
        let told = token
            .problems
            .iter()
            .any(|problem| problem.part == Part::PivProperties);
        assert_eq!(told, !believed, "{list:02X?}");
    }
}

#[test]
fn nothing_is_asked_for_twice_when_everything_is_read() {
    // One retired key, with two gaps before it.
    let mut card = FakePiv::new(false);
    card.objects.insert(KEY_HISTORY, key_history(1, 0));
    card.objects
        .insert(0x5F_C10F, certificate_object(CERTIFICATE_9A));
    let log = card.log();
    let options = LoadOptions::new().with_all(true);
    let token = load(&mut card.card(), &options).unwrap();
    let mut tags = tags_read(&log.lock().unwrap());
    let asked = tags.len();
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), asked, "{tags:06X?}");
    assert_eq!(token.certificates.len(), 24);
}
