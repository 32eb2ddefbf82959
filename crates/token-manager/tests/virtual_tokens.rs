//! Every profile of the software tokens: what a load costs, counted at the
//! card, and what it finds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pcsc_transport::{Backend, Card, ExtendedLength};
use piv_apdu::key::KeyReference;
use piv_apdu::object::ObjectTag;
use piv_apdu::status::StatusWord;
use token_manager::{
    Action, AlgorithmSource, Alphabet, Capability, CertificateState, KeyOrigin, LoadError,
    LoadOptions, OathState, ObjectState, Part, PinStatus, PolicySource, Reason, Token, Validity,
    load, load_all,
};
use virtual_token::fault::{Fault, Faults};
use virtual_token::{
    Content, CreateOptions, KeyAlgorithm, LinkOptions, MemoryBackend, Profile, SharedToken,
    VirtualToken,
};

/// 1 January 2026: what the tokens' certificates are made for.
fn created() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}

fn token(profile: Profile, content: Content) -> SharedToken {
    make(profile, CreateOptions::default().content(content))
}

/// A token that is the same each time.
fn make(profile: Profile, options: CreateOptions) -> SharedToken {
    let options = options.seed(profile as u64).created(created());
    SharedToken::new(VirtualToken::create(profile, &options).unwrap())
}

fn read_over(card: &SharedToken, extended: ExtendedLength) -> Token {
    let link = card
        .connect(&LinkOptions::new("Virtual").announces(extended))
        .unwrap();
    let token = load(&mut Card::new(Box::new(link)), &LoadOptions::default()).unwrap();
    assert!(token.problems.is_empty(), "{:?}", token.problems);
    assert_eq!(
        token.round_trips,
        card.commands(),
        "the card counts what we count"
    );
    token
}

fn read(card: &SharedToken) -> Token {
    read_over(card, ExtendedLength::No)
}

/// Commands at the card by instruction: SELECT, VERIFY, GET DATA (CB), GET
/// RESPONSE, and the vendor's (CA, 56).
fn counts(card: &SharedToken) -> [usize; 5] {
    let log = card.log();
    assert!(
        log.iter()
            .all(|header| header.ins != 0x20 || header.lc == 0),
        "no PIN try"
    );
    [&[0xA4][..], &[0x20], &[0xCB], &[0xC0], &[0xCA, 0x56]].map(|ins| {
        log.iter()
            .filter(|header| ins.contains(&header.ins))
            .count()
    })
}

/// How many GET DATA the card answered with 6A82, which a load with a list of
/// containers never causes.
fn absent(card: &SharedToken) -> usize {
    card.log()
        .iter()
        .filter(|header| {
            header.ins == 0xCB && header.status.is_some_and(|status| status.get() == 0x6A82)
        })
        .count()
}

fn slots(token: &Token) -> Vec<u8> {
    token
        .certificates
        .iter()
        .filter(|entry| entry.certificate().is_some())
        .map(|entry| entry.slot.unwrap().get())
        .collect()
}

/// With certificates of two GET RESPONSEs each, as a certificate for an elliptic
/// curve key is.
#[test]
fn plain_piv_costs_eighteen_round_trips_or_ten_with_extended_length() {
    let options = CreateOptions::default()
        .content(Content::Personal)
        .key(KeyReference::PIV_AUTHENTICATION, KeyAlgorithm::EccP256);

    let card = make(Profile::Piv, options.clone());
    let short = read_over(&card, ExtendedLength::No);
    assert_eq!(counts(&card), [1, 1, 8, 8, 0]);
    assert_eq!(short.round_trips, 18);

    let card = make(Profile::Piv, options);
    let extended = read_over(&card, ExtendedLength::FULL);
    assert_eq!(counts(&card), [1, 1, 8, 0, 0]);
    assert_eq!(extended.round_trips, 10);
    assert_eq!(extended.certificates, short.certificates);

    assert_eq!(slots(&short), [0x9A, 0x9C, 0x9D, 0x9E]);
    assert!(short.identity.id().is_some());
    assert!(short.keys.iter().all(|key| {
        key.origin == KeyOrigin::Unknown && key.algorithm_source == AlgorithmSource::Certificate
    }));
    for entry in &short.certificates {
        let info = entry.certificate().unwrap();
        assert_eq!(info.validity(created()), Validity::Valid);
    }
}

#[test]
fn an_empty_plain_piv_card_is_shown_as_empty() {
    let card = token(Profile::Piv, Content::Empty);
    let found = read(&card);
    assert!(found.keys.is_empty(), "{:?}", found.keys);
    assert!(slots(&found).is_empty());
    assert_eq!(counts(&card)[2], 8);
}

/// SELECT of ISD, ACA and PIV; CPLC, PIN properties, PIV properties; VERIFY.
#[test]
fn a_crescendo_2300_is_read_by_its_own_list() {
    let card = token(Profile::Crescendo2300, Content::Personal);
    let found = read(&card);
    let [select, verify, get_data, get_response, vendor] = counts(&card);
    assert_eq!((select, verify, vendor), (3, 1, 2));
    // As docs/performance.md has it: what others have beside PIV costs it nothing.
    assert_eq!(found.round_trips, 22);
    // GET PIV PROPERTIES is a GET DATA too; the rest is what it lists.
    let listed = found.objects.len() + found.certificates.len();
    let behind_pin = found
        .objects
        .iter()
        .filter(|object| object.state == ObjectState::NeedsPin)
        .count();
    assert_eq!(get_data, 1 + listed - behind_pin);
    assert_eq!(absent(&card), 0, "nothing absent was probed");
    assert_eq!(card.log().len(), 7 + get_data - 1 + get_response);
    check_crescendo(&found, "HID Crescendo C2300");
    assert_eq!(slots(&found), [0x9A, 0x9C, 0x9D, 0x82]);
    assert!(found.oath_slots.is_empty());
    let retired = found.key(KeyReference::retired(2).unwrap()).unwrap();
    assert_eq!(
        (retired.origin, retired.is_filled()),
        (KeyOrigin::Allocated, Some(false))
    );
    // PIV stays selected.
    assert_eq!(
        found.capabilities.entry(Action::Otp).unwrap().token,
        Capability::Unavailable(Reason::NotSupportedByFamily)
    );
}

#[test]
fn a_crescendo_4000_is_read_by_its_own_list() {
    let card = token(Profile::Crescendo4000, Content::Personal);
    let found = read(&card);
    let [select, verify, _, _, vendor] = counts(&card);
    // SELECT of the FIDO application too.
    assert_eq!((select, verify, vendor), (4, 1, 3));
    // As docs/performance.md has it.
    assert_eq!(found.round_trips, 18);
    assert_eq!(absent(&card), 0, "nothing absent was probed");
    check_crescendo(&found, "HID Crescendo C4000");
    let keys: Vec<_> = found.keys.iter().map(|key| key.slot.get()).collect();
    assert_eq!(keys, [0x9A, 0xB0, 0xB4, 0xF0]);
    assert_eq!(slots(&found), [0x9A]);
}

#[test]
fn a_crescendo_key_has_its_oath_slots() {
    let card = token(Profile::CrescendoKey, Content::Personal);
    let found = read(&card);
    let [select, verify, _, _, vendor] = counts(&card);
    assert_eq!((select, verify, vendor), (7, 1, 2));
    assert_eq!(absent(&card), 0, "nothing absent was probed");
    check_crescendo(&found, "HID Crescendo Key (C2300)");
    let oath: Vec<_> = found
        .oath_slots
        .iter()
        .map(|slot| (slot.number, &slot.state))
        .collect();
    assert_eq!(
        oath,
        [
            (1, &OathState::Present),
            (2, &OathState::Present),
            (3, &OathState::Present)
        ]
    );
    assert_eq!(
        found.capabilities.entry(Action::Otp).unwrap().token,
        Capability::Available
    );
}

fn check_crescendo(found: &Token, name: &str) {
    assert_eq!(found.identity.name, name);
    let serial = found.identity.serial.as_ref().unwrap();
    assert!(
        serial.len() == 20 && serial.bytes().all(|digit| digit.is_ascii_digit()),
        "{serial}"
    );
    assert!(found.identity.applet_version.is_some());
    assert!(found.identity.id().is_some());
    assert!(matches!(found.pin.status, PinStatus::TriesLeft(_)));
    assert_eq!((found.pin_policy.minimum, found.pin_policy.maximum), (4, 8));
    assert_eq!(found.pin_policy.decided_by, PolicySource::Card);
    assert_eq!(found.pin_policy.alphabet, Alphabet::AnyButPadding);
    assert_eq!(found.pin_policy.interoperable_length(), Some(6..=8));
    assert!(!found.pin_policy.notes.is_empty());
    assert_eq!(
        found
            .object(ObjectTag::PRINTED_INFORMATION)
            .map(|object| &object.state),
        Some(&ObjectState::NeedsPin)
    );
    for key in &found.keys {
        assert_eq!(key.algorithm_source, AlgorithmSource::Properties);
        let certificate = key.certificate.and_then(|tag| {
            found
                .certificates
                .iter()
                .find(|entry| entry.tag == tag)?
                .certificate()
        });
        if let Some(info) = certificate {
            assert_eq!(key.origin, KeyOrigin::Generated);
            assert_eq!(info.public_key.piv(), key.algorithm, "{key:?}");
        }
    }
    assert_eq!(
        found.capabilities.get(Action::ReadPinPolicy),
        Capability::Available
    );
}

#[test]
fn empty_crescendos_are_read_without_a_word_of_complaint() {
    for profile in [
        Profile::Crescendo2300,
        Profile::Crescendo4000,
        Profile::CrescendoKey,
    ] {
        let card = token(profile, Content::Empty);
        let found = read(&card);
        assert!(slots(&found).is_empty());
        assert!(!found.keys.is_empty());
        assert!(
            found.keys.iter().all(|key| key.is_filled() == Some(false)),
            "{profile}"
        );
        for entry in &found.certificates {
            assert!(
                matches!(
                    entry.state,
                    CertificateState::Empty | CertificateState::Absent
                ),
                "{entry:?}"
            );
        }
    }
}

#[test]
fn a_card_pulled_out_at_any_command_is_a_named_error() {
    for profile in Profile::ALL {
        let card = token(profile, Content::Empty);
        let whole = read(&card).round_trips;
        for k in 1..=whole {
            let card = token(profile, Content::Empty);
            card.arm(Faults::new().at(k, Fault::VanishBefore));
            let link = card.link("Virtual");
            let error = load(&mut Card::new(Box::new(link)), &LoadOptions::default()).unwrap_err();
            assert!(
                matches!(error, LoadError::Link { .. }),
                "{profile} at {k}: {error}"
            );
        }
    }
}

#[test]
fn a_reset_by_another_program_at_any_command_is_got_over() {
    for profile in Profile::ALL {
        let card = token(profile, Content::Personal);
        let calm = read(&card);
        let state = card.with(|token| token.to_state());
        for k in 1..=calm.round_trips {
            let card = SharedToken::new(VirtualToken::from_state(state.clone()).unwrap());
            card.arm(Faults::new().at(k, Fault::Reset));
            let link = card.link("Virtual");
            let found = load(&mut Card::new(Box::new(link)), &LoadOptions::default()).unwrap();
            assert!(found.certificates == calm.certificates, "{profile} at {k}");
            assert!(found.objects == calm.objects, "{profile} at {k}");
        }
    }
}

#[test]
fn a_refusal_at_any_command_spoils_one_part_only() {
    for profile in Profile::ALL {
        let card = token(profile, Content::Personal);
        let calm = read(&card);
        let state = card.with(|token| token.to_state());
        for k in 1..=calm.round_trips {
            let card = SharedToken::new(VirtualToken::from_state(state.clone()).unwrap());
            card.arm(Faults::new().at(k, Fault::Status(StatusWord::new(0x6F00))));
            let link = card.link("Virtual");
            let outcome = load(&mut Card::new(Box::new(link)), &LoadOptions::default());
            if profile == Profile::Piv && k == 1 {
                let error = outcome.unwrap_err();
                assert!(matches!(error, LoadError::NotAPivCard { .. }), "{error}");
                continue;
            }
            let found = outcome.unwrap();
            if found
                .problems
                .iter()
                .any(|problem| problem.part == Part::PivApplication)
            {
                // Without the PIV application: who it is, at least.
                assert_eq!(found.identity.name, calm.identity.name);
                assert_eq!(found.identity.serial, calm.identity.serial);
                assert!(matches!(found.pin.status, PinStatus::Unknown(_)));
                continue;
            }
            assert!(
                slots(&found).len() + 1 >= slots(&calm).len(),
                "{profile} at {k}"
            );
            let unreadable = found
                .objects
                .iter()
                .filter(|object| matches!(object.state, ObjectState::Unreadable(_)));
            let spoilt = found.problems.len()
                + unreadable.count()
                + slots(&calm).len().saturating_sub(slots(&found).len())
                + usize::from(matches!(found.pin.status, PinStatus::Unknown(_)))
                + found
                    .oath_slots
                    .iter()
                    .filter(|slot| slot.state != OathState::Present)
                    .count();
            assert!(spoilt <= 1, "{profile} at {k}: {:?}", found.problems);
        }
    }
}

#[test]
fn all_four_side_by_side() {
    let readers = MemoryBackend::new();
    for profile in Profile::ALL {
        readers
            .insert(profile.name(), &token(profile, Content::Personal))
            .unwrap();
    }
    let backend: Arc<dyn Backend> = Arc::new(readers);
    let loaded = load_all(&backend, &LoadOptions::default())
        .unwrap()
        .ordered();
    let names: Vec<_> = loaded.iter().map(|loaded| loaded.reader.as_str()).collect();
    assert_eq!(names, Profile::ALL.map(Profile::name));
    let ids: std::collections::HashSet<_> = loaded
        .iter()
        .map(|loaded| loaded.result.as_ref().unwrap().identity.id().unwrap())
        .collect();
    assert_eq!(ids.len(), 4);
}
