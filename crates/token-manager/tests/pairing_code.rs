//! The pairing code: retrieved behind the PIN, on the contact interface only, and
//! kept for its card.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

mod code_store;
mod desk;
mod sight;

use std::sync::Arc;

use code_store::check_store;
use desk::{Desk, GET_DATA, SELECT, VERIFY, factory, limit, pin};
use pcsc_transport::Card;
use piv_apdu::key::KeyReference;
use piv_apdu::object::{DataObject as _, Guid, PairingCodeObject};
use piv_apdu::secret::PairingCode;
use piv_apdu::status::StatusWord;
use sight::is_open;
use token_manager::{
    Action, ActionError, Aftermath, Authority, Capability, KeptUntil, LastTry, Manager,
    MemoryPairingCodes, NotSent, PairingCodeStore, PinEntry, Reason, Secret, Session,
};
use virtual_token::fault::Fault;
use virtual_token::{
    Content, CreateOptions, KeyAlgorithm, LinkOptions, MemoryBackend, Profile, VirtualToken,
};

const CODE: &[u8; 8] = b"60718294";

/// A token with this pairing code object: its content without the `53`. A plain PIV
/// card announces it, a Crescendo lists it.
fn holding(profile: Profile, content: Option<&[u8]>) -> Desk {
    let mut options = CreateOptions::default()
        .seed(profile as u64)
        .content(Content::Personal)
        .pairing_code(profile == Profile::Piv);
    let references: &[u8] = match profile {
        Profile::Crescendo2300 => &[0x9A, 0x82],
        Profile::CrescendoKey => &[0x9C],
        Profile::Crescendo4000 | Profile::Piv => &[0x9A],
    };
    for reference in references {
        options = options.key(KeyReference(*reference), KeyAlgorithm::EccP256);
    }
    let token = VirtualToken::create(profile, &options).unwrap();
    let mut state = serde_json::to_value(token.to_state()).unwrap();
    let objects = state["objects"].as_object_mut().unwrap();
    match content {
        Some(content) => {
            let content = content
                .iter()
                .fold(String::new(), |text, byte| format!("{text}{byte:02X}"));
            let object = serde_json::json!({ "capacity": 12, "content": content });
            objects.insert("5FC123".to_owned(), object);
        }
        None => {
            objects.remove("5FC123");
        }
    }
    Desk::with_state(serde_json::from_value(state).unwrap())
}

fn with_code(profile: Profile) -> Desk {
    let code = PairingCode::new(CODE).unwrap();
    holding(profile, Some(&PairingCodeObject { code }.encode()))
}

fn retrieve(session: &mut Session, profile: Profile) -> Result<PairingCode, ActionError> {
    let pin = factory(profile);
    session.retrieve_pairing_code(PinEntry::Typed(&pin), LastTry::Spare)
}

fn refused(session: &mut Session, profile: Profile) -> Reason {
    match retrieve(session, profile).unwrap_err() {
        ActionError::Unavailable {
            action: Action::RetrievePairingCode,
            reason,
        } => reason,
        other => panic!("{other}"),
    }
}

#[test]
fn it_is_read_behind_the_pin_in_a_known_number_of_commands() {
    for profile in Profile::ALL {
        let desk = with_code(profile);
        let mut session = desk.open();
        let before = session.round_trips();
        let code = retrieve(&mut session, profile).unwrap();
        assert_eq!(code.as_bytes(), CODE, "{profile}");
        let spent = session.round_trips() - before;
        // The last two log the PIN out and see that it is; a Crescendo is reset.
        let expected: &[u8] = match profile {
            Profile::Piv => &[VERIFY, VERIFY, GET_DATA, VERIFY, VERIFY],
            _ => &[VERIFY, SELECT, VERIFY, SELECT, GET_DATA],
        };
        assert_eq!(desk.sent(), expected, "{profile}");
        assert_eq!(spent, expected.len() as u64, "{profile}");
        assert!(!is_open(&desk.card), "{profile}");
    }
}

#[test]
fn a_made_token_has_one_of_its_own() {
    let options = CreateOptions::default()
        .seed(7)
        .pairing_code(true)
        .key(KeyReference::PIV_AUTHENTICATION, KeyAlgorithm::EccP256);
    let made = VirtualToken::create(Profile::Piv, &options).unwrap();
    let desk = Desk::with_state(made.to_state());
    let mut session = desk.open();
    let code = retrieve(&mut session, Profile::Piv).unwrap();
    assert_ne!(code.as_bytes(), CODE);
    assert_eq!(format!("{code:?}"), "PairingCode(..)");
}

#[test]
fn a_token_that_says_it_has_none_is_sent_nothing() {
    for profile in Profile::ALL {
        let desk = Desk::new(profile, Content::Empty);
        let mut session = desk.open();
        assert_eq!(refused(&mut session, profile), Reason::NotAnnounced);
        assert_eq!(desk.card.commands(), 0, "{profile}");
    }
}

/// Announced or listed, and not there: only a look behind the PIN tells.
#[test]
fn none_behind_the_pin_is_said_so_and_costs_no_try() {
    for (profile, content) in [
        (Profile::Piv, None),
        (Profile::Piv, Some(&[][..])),
        (Profile::Crescendo2300, Some(&[])),
        (Profile::Crescendo4000, Some(&[])),
    ] {
        let desk = holding(profile, content);
        let mut session = desk.open();
        let error = retrieve(&mut session, profile).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("there is no pairing code on it"), "{text}");
        assert!(matches!(
            error,
            ActionError::Unavailable {
                reason: Reason::NoPairingCode,
                ..
            }
        ));
        assert!(!is_open(&desk.card), "{profile}");
        let all = token_manager::PinStatus::TriesLeft(limit(profile));
        assert_eq!(desk.tries(), all, "{profile}");
    }
}

#[test]
fn contactless_is_refused_before_anything_is_sent() {
    let desk = with_code(Profile::Piv);
    let options = LinkOptions::new("Desk").contactless();
    let link = desk.card.connect(&options).unwrap();
    let manager = Manager::new(Arc::new(MemoryBackend::new()));
    let mut session = manager.session(Card::new(Box::new(link))).unwrap();
    desk.card.clear_log();
    assert_eq!(refused(&mut session, Profile::Piv), Reason::OnlyOnContact);
    assert_eq!(desk.card.commands(), 0);
}

/// As over a reader of which it can't be told that it is contactless.
#[test]
fn a_card_that_took_the_pin_and_does_not_give_it_is_explained() {
    let desk = with_code(Profile::Piv);
    let refusal = Fault::Status(StatusWord::SECURITY_STATUS_NOT_SATISFIED);
    let mut session = desk.open_with(3, refusal);
    let error = retrieve(&mut session, Profile::Piv).unwrap_err();
    assert_eq!(
        error.status(),
        Some(StatusWord::SECURITY_STATUS_NOT_SATISFIED)
    );
    let text = error.to_string();
    assert!(text.contains("contact interface only"), "{text}");
    assert!(!error.may_have_spent_a_try());
    assert!(!is_open(&desk.card));
}

#[test]
fn wrong_blocked_and_the_last_try_are_told_apart() {
    for profile in [Profile::Piv, Profile::Crescendo2300] {
        let desk = with_code(profile);
        let mut session = desk.open();
        let wrong = pin("271828");
        let attempt = |session: &mut Session, last_try| {
            session
                .retrieve_pairing_code(PinEntry::Typed(&wrong), last_try)
                .unwrap_err()
        };
        for left in (1..limit(profile)).rev() {
            let error = attempt(&mut session, LastTry::Spare);
            assert!(
                matches!(error, ActionError::Wrong { secret: Secret::Pin, tries_left } if tries_left == Some(left)),
                "{error}"
            );
        }
        let error = attempt(&mut session, LastTry::Spare);
        assert!(
            matches!(error, ActionError::NotSent(NotSent::LastTry { .. })),
            "{error}"
        );
        let error = attempt(&mut session, LastTry::Use);
        assert!(
            matches!(
                error,
                ActionError::Blocked {
                    secret: Secret::Pin
                }
            ),
            "{error}"
        );
        desk.card.clear_log();
        let error = retrieve(&mut session, profile).unwrap_err();
        assert!(
            matches!(error, ActionError::NotSent(NotSent::Blocked { .. })),
            "{error}"
        );
        assert_eq!(desk.card.commands(), 0, "{profile}");
        let entry = *session
            .token()
            .capabilities
            .entry(Action::RetrievePairingCode)
            .unwrap();
        assert_eq!(
            entry.capability,
            Capability::Unavailable(Reason::PinBlocked)
        );
    }
}

/// What is no pairing code is not given as one, and not repeated.
#[test]
fn nonsense_is_refused_and_not_shown() {
    for content in [
        &b"\x99\x0860718-94\xFE\x00"[..],
        b"\x99\x076071829\xFE\x00",
        b"\x99\x09607182945\xFE\x00",
        b"\x98\x0860718294\xFE\x00",
        b"60718294",
        b"\xFE\x00",
    ] {
        let desk = holding(Profile::Piv, Some(content));
        let mut session = desk.open();
        let error = retrieve(&mut session, Profile::Piv).unwrap_err();
        assert!(matches!(error, ActionError::Malformed { .. }), "{error}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("6071"), "{shown}");
        assert!(!is_open(&desk.card));
    }
}

#[test]
fn lost_while_it_is_read_nothing_was_changed() {
    let desk = with_code(Profile::Piv);
    let mut session = desk.open_with(3, Fault::VanishAfter);
    let error = retrieve(&mut session, Profile::Piv).unwrap_err();
    assert!(
        matches!(
            error,
            ActionError::Interrupted {
                aftermath: Aftermath::Unchanged,
                ..
            }
        ),
        "{error}"
    );
    let mut session = desk.open();
    assert_eq!(
        retrieve(&mut session, Profile::Piv).unwrap().as_bytes(),
        CODE
    );
}

fn cache(session: &mut Session, profile: Profile) -> Result<(), ActionError> {
    let pin = factory(profile);
    session.cache_pairing_code(PinEntry::Typed(&pin), LastTry::Spare)
}

#[test]
fn it_is_kept_for_the_card_s_guid() {
    let desk = with_code(Profile::Piv);
    let codes = Arc::new(MemoryPairingCodes::new());
    let readers = MemoryBackend::new();
    readers.insert("Desk", &desk.card).unwrap();
    let manager = Manager::new(Arc::new(readers)).with_pairing_codes(codes.clone());
    let mut session = manager.open("Desk").unwrap();
    let guid = session.token().identity.guid.unwrap();
    assert_eq!(codes.list().unwrap(), []);
    // A wrong PIN keeps nothing.
    let wrong = pin("271828");
    session
        .cache_pairing_code(PinEntry::Typed(&wrong), LastTry::Spare)
        .unwrap_err();
    assert_eq!(codes.list().unwrap(), []);
    cache(&mut session, Profile::Piv).unwrap();
    assert!(!is_open(&desk.card));
    assert_eq!(codes.list().unwrap(), [guid]);
    let kept = manager.pairing_codes().get(&guid).unwrap().unwrap();
    assert_eq!(kept.as_bytes(), CODE);
}

#[test]
fn it_is_forgotten_when_its_card_is_erased_and_not_when_that_is_refused() {
    let profile = Profile::Crescendo2300;
    let desk = with_code(profile).daring();
    let codes = Arc::new(MemoryPairingCodes::new());
    let readers = MemoryBackend::new();
    readers.insert("Desk", &desk.card).unwrap();
    let manager = Manager::new(Arc::new(readers))
        .with_overrides(desk.overrides)
        .with_pairing_codes(codes.clone());
    let mut session = manager.open("Desk").unwrap();
    let guid = session.token().identity.guid.unwrap();
    let other = Guid([0x5A; 16]);
    codes.put(&other, &PairingCode::new(CODE).unwrap()).unwrap();
    cache(&mut session, profile).unwrap();
    assert!(codes.get(&guid).unwrap().is_some());
    let id = session.confirmation();
    let mut erase = |with: &str| {
        let typed = pin(with);
        let authority = Authority::Pin(PinEntry::Typed(&typed));
        session.recycle(authority, &id, LastTry::Spare, &mut |_| {})
    };
    erase("27182818").unwrap_err();
    assert!(codes.get(&guid).unwrap().is_some());
    erase(std::str::from_utf8(profile.factory_pin()).unwrap()).unwrap();
    assert_eq!(codes.list().unwrap(), [other]);
}

#[test]
fn a_card_without_a_guid_has_nothing_kept_and_is_sent_nothing() {
    let desk = with_code(Profile::Crescendo2300);
    let mut state = serde_json::to_value(desk.state()).unwrap();
    state["objects"]["5FC102"]["content"] = "".into();
    let desk = Desk::with_state(serde_json::from_value(state).unwrap());
    let mut session = desk.open();
    let error = cache(&mut session, Profile::Crescendo2300).unwrap_err();
    assert!(
        matches!(
            error,
            ActionError::Unavailable {
                reason: Reason::NoGuid,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(desk.card.commands(), 0);
    // It can be shown all the same.
    let code = retrieve(&mut session, Profile::Crescendo2300).unwrap();
    assert_eq!(code.as_bytes(), CODE);
}

#[test]
fn a_store_keeps_one_code_a_card_until_it_forgets() {
    check_store(&MemoryPairingCodes::new());
    let codes = MemoryPairingCodes::new();
    assert_eq!(codes.kept_until(), KeptUntil::ProgramEnd);
    codes
        .put(&Guid([3; 16]), &PairingCode::new(CODE).unwrap())
        .unwrap();
    assert_eq!(format!("{codes:?}"), "MemoryPairingCodes(..)");
}
