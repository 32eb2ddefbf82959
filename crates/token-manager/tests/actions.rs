//! Authenticate, change and unblock, on every kind of software token: what is
//! sent, what it costs, and what is known after.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

use std::sync::Arc;

use crescendo_ext::xauth::{XauthCryptogram, XauthKey};
use pcsc_transport::Card;
use piv_apdu::management::{ManagementAlgorithm, ManagementKey};
use piv_apdu::object::ObjectTag;
use piv_apdu::secret::{Pin, Puk};
use token_manager::{
    ActionError, KeyCheck, LastTry, Manager, NotSent, PinChangeEntry, PinEntry, PinStatus,
    PolicySource, Reason, Secret, Session,
};
use virtual_token::fault::{Fault, Faults};
use virtual_token::{
    CreateOptions, Keypad, LinkOptions, MemoryBackend, Profile, SharedToken, VirtualToken,
};

fn card(profile: Profile) -> SharedToken {
    let options = CreateOptions::default().seed(profile as u64);
    SharedToken::new(VirtualToken::create(profile, &options).unwrap())
}

fn open(card: &SharedToken) -> Session {
    let readers = MemoryBackend::new();
    readers.insert("Desk", card).unwrap();
    let overrides = token_manager::Overrides::default()
        .allow_unverified(true)
        .allow_managed(true);
    let manager = Manager::new(Arc::new(readers)).with_overrides(overrides);
    let session = manager.open("Desk").unwrap();
    card.clear_log();
    session
}

fn pin(digits: &str) -> Pin {
    Pin::new(digits.as_bytes()).unwrap()
}

fn factory(profile: Profile) -> Pin {
    Pin::new(profile.factory_pin()).unwrap()
}

fn limit(profile: Profile) -> u8 {
    if profile == Profile::Piv { 3 } else { 6 }
}

/// The instructions that the card was sent, in order.
fn sent(card: &SharedToken) -> Vec<u8> {
    let sent = card.log().iter().map(|header| header.ins).collect();
    card.clear_log();
    sent
}

const SELECT: u8 = 0xA4;
const VERIFY: u8 = 0x20;
const CHANGE: u8 = 0x24;
const GET_DATA: u8 = 0xCB;

#[test]
fn a_guard_holds_the_token_open_and_locks_it_when_it_goes() {
    for profile in Profile::ALL {
        let card = card(profile);
        let mut session = open(&card);
        let right = factory(profile);
        let mut open = session
            .authenticate(PinEntry::Typed(&right), LastTry::Spare)
            .unwrap();
        assert_eq!(
            open.verification().before,
            PinStatus::TriesLeft(limit(profile))
        );
        let expected: &[u8] = match profile {
            // The PIV application is still selected since the token was read:
            // nobody else can get at a token in this process.
            Profile::Piv => &[VERIFY, VERIFY],
            _ => &[VERIFY, SELECT, VERIFY],
        };
        assert_eq!(sent(&card), expected, "{profile}");
        assert!(open.is_still_verified().unwrap());
        let printed = open.read_object(ObjectTag::PRINTED_INFORMATION).unwrap();
        assert!(
            printed.is_some_and(|content| !content.is_empty()),
            "{profile}"
        );
        drop(open);
        let status = session.refresh_pin_status().unwrap();
        assert_eq!(status, PinStatus::TriesLeft(limit(profile)), "{profile}");
    }
}

#[test]
fn a_reset_between_two_steps_is_noticed() {
    let card = card(Profile::Piv);
    let mut session = open(&card);
    let right = factory(Profile::Piv);
    let mut open = session
        .authenticate(PinEntry::Typed(&right), LastTry::Spare)
        .unwrap();
    card.reset();
    let error = open
        .read_object(ObjectTag::PRINTED_INFORMATION)
        .unwrap_err();
    assert!(matches!(error, ActionError::AuthenticationLost), "{error}");
}

#[test]
fn wrong_blocked_and_not_sent_are_three_things() {
    for profile in Profile::ALL {
        let card = card(profile);
        let mut session = open(&card);
        let wrong = pin("271828");
        for left in (2..limit(profile)).rev() {
            let error = session
                .authenticate(PinEntry::Typed(&wrong), LastTry::Spare)
                .map(drop)
                .unwrap_err();
            assert!(
                matches!(error, ActionError::Wrong { secret: Secret::Pin, tries_left } if tries_left == Some(left)),
                "{profile}: {error}"
            );
            assert!(
                error
                    .to_string()
                    .contains(&format!("{left} tries are left"))
            );
        }
        let error = session
            .authenticate(PinEntry::Typed(&wrong), LastTry::Spare)
            .map(drop)
            .unwrap_err();
        assert!(error.to_string().contains("one try is left"), "{error}");
        card.clear_log();
        // The last one is not used unasked.
        let error = session
            .authenticate(PinEntry::Typed(&wrong), LastTry::Spare)
            .map(drop)
            .unwrap_err();
        assert!(
            matches!(error, ActionError::NotSent(NotSent::LastTry { .. })),
            "{error}"
        );
        assert!(
            card.log()
                .iter()
                .all(|header| header.ins != VERIFY || header.lc == 0)
        );
        let error = session
            .authenticate(PinEntry::Typed(&wrong), LastTry::Use)
            .map(drop)
            .unwrap_err();
        assert!(matches!(error, ActionError::Blocked { .. }), "{error}");
        assert!(error.may_have_spent_a_try());
        card.clear_log();
        // Known to be blocked: nothing at all is sent.
        let right = factory(profile);
        let error = session
            .authenticate(PinEntry::Typed(&right), LastTry::Use)
            .map(drop)
            .unwrap_err();
        assert!(
            matches!(error, ActionError::NotSent(NotSent::Blocked { .. })),
            "{error}"
        );
        assert!(!error.may_have_spent_a_try());
        assert!(sent(&card).is_empty(), "{profile}");
    }
}

/// A plain PIV card whose PIN has letters. It can't say so.
fn card_with_letters(pin: &[u8]) -> SharedToken {
    let options = CreateOptions::default().seed(9);
    let state = VirtualToken::create(Profile::Piv, &options)
        .unwrap()
        .to_state();
    let mut state = serde_json::to_value(state).unwrap();
    state["pin_format"]["numeric_only"] = false.into();
    state["pin_format"]["minimum"] = 4.into();
    let state = serde_json::from_value(state).unwrap();
    let card = SharedToken::new(VirtualToken::from_state(state).unwrap());
    let mut session = open_any(&card, true);
    let (old, new) = (factory(Profile::Piv), Pin::new(pin).unwrap());
    let change = PinChangeEntry::Typed {
        old: &old,
        new: &new,
    };
    session.change_pin(change, LastTry::Spare).unwrap();
    drop(session);
    card
}

fn open_any(card: &SharedToken, any_pin: bool) -> Session {
    let readers = MemoryBackend::new();
    readers.insert("Desk", card).unwrap();
    let overrides = token_manager::Overrides::default().allow_any_pin(any_pin);
    let manager = Manager::new(Arc::new(readers)).with_overrides(overrides);
    let session = manager.open("Desk").unwrap();
    card.clear_log();
    session
}

#[test]
fn a_pin_with_letters_is_sent_to_a_card_without_a_rule_by_consent_only() {
    let card = card_with_letters(b"kale");
    let letters = pin("kale");
    let error = open_any(&card, false)
        .authenticate(PinEntry::Typed(&letters), LastTry::Use)
        .map(drop)
        .unwrap_err();
    let expected = PolicySource::Standard;
    assert!(
        matches!(error, ActionError::NotSent(NotSent::CannotBe { whose, .. }) if whose == expected),
        "{error}"
    );
    assert!(error.to_string().contains("agree to any PIN"), "{error}");
    assert!(sent(&card).is_empty());

    let mut session = open_any(&card, true);
    assert_eq!(session.policy().decided_by, PolicySource::Nobody);
    let opened = session.authenticate(PinEntry::Typed(&letters), LastTry::Spare);
    assert!(opened.is_ok());
}

#[test]
fn what_the_card_or_a_profile_tells_holds_whatever_was_agreed_to() {
    for profile in [Profile::Crescendo2300, Profile::Crescendo4000] {
        let card = card(profile);
        let calm = open_any(&card, false).policy().clone();
        let mut session = open_any(&card, true);
        assert_eq!(*session.policy(), calm, "{profile}");
        let error = session
            .authenticate(PinEntry::Typed(&pin("123")), LastTry::Use)
            .map(drop)
            .unwrap_err();
        assert!(
            matches!(error, ActionError::NotSent(NotSent::CannotBe { whose, .. }) if whose != PolicySource::Standard),
            "{error}"
        );
        assert!(!error.to_string().contains("agree to any PIN"), "{error}");
        assert!(sent(&card).is_empty(), "{profile}");
    }
}

/// Cards exist that do not answer the question after the tries: they stay usable.
#[test]
fn a_card_that_does_not_tell_its_tries_takes_a_pin_by_consent_only() {
    for profile in Profile::ALL {
        for status in [0x6300_u16, 0x6303, 0x6700, 0x6A80, 0x6D00] {
            let card = card(profile);
            let mut session = open(&card);
            let right = factory(profile);
            let mut attempt = |last_try| {
                card.arm(Faults::new().at(1, Fault::Status(status.into())));
                let opened = session.authenticate(PinEntry::Typed(&right), last_try);
                opened.map(|open| open.verification().before.clone())
            };
            let error = attempt(LastTry::Spare).unwrap_err();
            let secret = Secret::Pin;
            assert!(
                matches!(&error, ActionError::NotSent(NotSent::TriesUnknown { secret: told, .. }) if *told == secret),
                "{profile}: {error}"
            );
            let mut sent = card.log().into_iter();
            assert!(!sent.any(|it| it.ins == VERIFY && it.lc > 0), "{profile}");
            card.clear_log();
            let before = attempt(LastTry::Use).unwrap();
            assert!(matches!(before, PinStatus::Unknown(_)), "{before}");
        }
    }
}

/// What the card does not have can't be right: agreeing to the last try is no
/// reason to send it.
#[test]
fn a_pin_is_not_sent_to_a_card_that_says_it_has_none() {
    let card = card(Profile::Piv);
    let mut session = open(&card);
    let right = factory(Profile::Piv);
    for last_try in [LastTry::Spare, LastTry::Use] {
        card.arm(Faults::new().at(1, Fault::Status(0x6A88.into())));
        let error = session
            .authenticate(PinEntry::Typed(&right), last_try)
            .map(drop)
            .unwrap_err();
        assert!(
            matches!(error, ActionError::NotSent(NotSent::NoPin)),
            "{error}"
        );
        assert!(!error.may_have_spent_a_try());
        assert_eq!(session.token().pin.status, PinStatus::NotSet);
    }
    // It is asked each time: others may have set one.
    card.disarm();
    assert!(
        session
            .authenticate(PinEntry::Typed(&right), LastTry::Spare)
            .is_ok()
    );
}

#[test]
fn what_the_host_can_know_is_not_sent() {
    for profile in Profile::ALL {
        let card = card(profile);
        let mut session = open(&card);
        let right = factory(profile);
        let mut impossible = vec![pin("123")];
        if profile == Profile::Piv {
            impossible.extend([pin("12345"), pin("abcdef")]);
        }
        for impossible in &impossible {
            let error = session
                .authenticate(PinEntry::Typed(impossible), LastTry::Use)
                .map(drop)
                .unwrap_err();
            assert!(
                matches!(error, ActionError::NotSent(NotSent::CannotBe { .. })),
                "{error}"
            );
            for (old, new) in [(impossible, &right), (&right, impossible)] {
                let change = PinChangeEntry::Typed { old, new };
                let error = session.change_pin(change, LastTry::Use).unwrap_err();
                assert!(matches!(error, ActionError::NotSent(_)), "{error}");
            }
        }
        let same = PinChangeEntry::Typed {
            old: &right,
            new: &right,
        };
        let error = session.change_pin(same, LastTry::Use).unwrap_err();
        assert!(
            matches!(error, ActionError::NotSent(NotSent::SameAsOld { .. })),
            "{error}"
        );
        assert!(sent(&card).is_empty(), "{profile}");
    }
}

#[test]
fn the_pin_is_changed_and_the_token_locked() {
    for profile in Profile::ALL {
        let card = card(profile);
        let mut session = open(&card);
        let (old, new) = (factory(profile), pin("271828"));
        let change = PinChangeEntry::Typed {
            old: &old,
            new: &new,
        };
        session.change_pin(change, LastTry::Spare).unwrap();
        let expected: &[u8] = match profile {
            // The card leaves the PIN verified: logged out, and asked.
            Profile::Piv => &[VERIFY, CHANGE, VERIFY, VERIFY],
            _ => &[VERIFY, SELECT, CHANGE],
        };
        assert_eq!(sent(&card), expected, "{profile}");
        let error = session.change_pin(change, LastTry::Spare).unwrap_err();
        assert!(matches!(error, ActionError::Wrong { .. }), "{error}");
        let open = session
            .authenticate(PinEntry::Typed(&new), LastTry::Spare)
            .unwrap();
        assert_eq!(open.lock().unwrap(), PinStatus::TriesLeft(limit(profile)));
    }
}

#[test]
fn the_puk_unblocks_where_the_token_has_one() {
    let puk = Puk::new(b"12345678").unwrap();
    let wrong = Puk::new(b"87654321").unwrap();
    let new = pin("271828");
    for profile in Profile::ALL {
        let card = card(profile);
        let mut session = open(&card);
        if matches!(profile, Profile::Crescendo2300 | Profile::CrescendoKey) {
            let error = session
                .unblock_with_puk(&puk, &new, LastTry::Spare)
                .unwrap_err();
            assert!(
                matches!(
                    error,
                    ActionError::Unavailable {
                        reason: Reason::NotPubliclyDocumented,
                        ..
                    }
                ),
                "{error}"
            );
            assert!(sent(&card).is_empty());
            continue;
        }
        if profile == Profile::Crescendo4000 && session.token().profile.profile().is_none() {
            continue;
        }
        block(&mut session);
        let error = session
            .unblock_with_puk(&wrong, &new, LastTry::Spare)
            .unwrap_err();
        assert!(
            matches!(
                error,
                ActionError::Wrong {
                    secret: Secret::Puk,
                    tries_left: Some(_)
                }
            ),
            "{error}"
        );
        let unblocked = session
            .unblock_with_puk(&puk, &new, LastTry::Spare)
            .unwrap();
        assert_eq!(unblocked.after, PinStatus::TriesLeft(limit(profile)));
        assert!(
            session
                .authenticate(PinEntry::Typed(&new), LastTry::Spare)
                .is_ok()
        );
    }
}

#[test]
fn the_admin_key_unblocks_a_crescendo_also_from_afar() {
    let key = XauthKey::from_slice(&[0; 24]).unwrap();
    let other = XauthKey::from_slice(&[0x5A; 24]).unwrap();
    let new = pin("271828");
    for profile in Profile::ALL {
        let card = card(profile);
        let mut session = open(&card);
        if profile == Profile::Piv {
            let error = session.unblock_challenge().unwrap_err();
            assert!(matches!(error, ActionError::Unavailable { .. }), "{error}");
            continue;
        }
        block(&mut session);
        let challenge = session.unblock_challenge().unwrap();
        let wrong = other.cryptogram(challenge.challenge()).unwrap();
        let error = session
            .unblock_with_response(&challenge, &wrong, &new)
            .unwrap_err();
        assert!(
            matches!(
                error,
                ActionError::Wrong {
                    secret: Secret::AdminKey,
                    ..
                }
            ),
            "{error}"
        );
        let challenge = session.unblock_challenge().unwrap();
        let response = key.cryptogram(challenge.challenge()).unwrap();
        let unblocked = session
            .unblock_with_response(&challenge, &response, &new)
            .unwrap();
        assert_eq!(unblocked.after, PinStatus::TriesLeft(limit(profile)));
        assert!(
            session
                .authenticate(PinEntry::Typed(&new), LastTry::Spare)
                .is_ok()
        );
        block(&mut session);
        session.unblock_with_key(&key, &new).unwrap();
        assert_eq!(session.check_admin_key(&key).unwrap(), KeyCheck::Right);
        assert_eq!(session.check_admin_key(&other).unwrap(), KeyCheck::Wrong);
    }
}

/// A static challenge has a constant response, which is used like a PUK.
#[test]
fn an_unlock_code_unblocks_where_the_challenge_is_static() {
    use token_manager::token_profile::{ChallengeType, Policy};
    let card = card(Profile::Crescendo4000);
    let mut session = open(&card);
    let new = pin("271828");
    let key = XauthKey::from_slice(&[0; 24]).unwrap();
    let challenge = session.unblock_challenge().unwrap();
    let code = key.cryptogram(challenge.challenge()).unwrap();
    let error = session.unblock_with_code(&code, &new).unwrap_err();
    assert!(matches!(error, ActionError::NotSent(_)), "{error}");

    let policy = Policy {
        challenge: ChallengeType::Static,
        ..Policy::DELIVERY
    };
    let right = factory(Profile::Crescendo4000);
    session
        .set_policy(PinEntry::Typed(&right), LastTry::Spare, &policy)
        .unwrap();
    let challenge = session.unblock_challenge().unwrap();
    assert_eq!(challenge, session.unblock_challenge().unwrap());
    let code = key.cryptogram(challenge.challenge()).unwrap();
    block(&mut session);
    let wrong = XauthCryptogram::from_slice(&[0x5A; 8]).unwrap();
    let error = session.unblock_with_code(&wrong, &new).unwrap_err();
    assert!(
        matches!(
            error,
            ActionError::Wrong {
                secret: Secret::UnlockCode,
                tries_left: None
            }
        ),
        "{error}"
    );
    session.unblock_with_code(&code, &new).unwrap();
    assert!(
        session
            .authenticate(PinEntry::Typed(&new), LastTry::Spare)
            .is_ok()
    );
}

#[test]
fn the_management_key_proves_itself_both_ways() {
    let card = card(Profile::Piv);
    let mut session = open(&card);
    let bytes: Vec<u8> = (1..=8).cycle().take(32).collect();
    let key = ManagementKey::new(ManagementAlgorithm::Aes256, &bytes).unwrap();
    let other = ManagementKey::new(ManagementAlgorithm::Aes256, &[0; 32]).unwrap();
    assert_eq!(session.check_management_key(&key).unwrap(), KeyCheck::Right);
    assert_eq!(
        session.check_management_key(&other).unwrap(),
        KeyCheck::Wrong
    );
}

/// Wrong PINs until none is left.
fn block(session: &mut Session) {
    let wrong = pin("314159");
    loop {
        let error = session
            .authenticate(PinEntry::Typed(&wrong), LastTry::Use)
            .map(drop)
            .unwrap_err();
        match error {
            ActionError::Wrong { .. } => {}
            ActionError::Blocked { .. } => return,
            other => panic!("{other}"),
        }
    }
}

/// A reader with a PIN pad of its own: the host never sees the PIN.
#[test]
fn a_pin_pad_is_used_where_there_is_one_and_the_pin_has_digits_only() {
    for profile in Profile::ALL {
        let card = card(profile);
        let pad = Keypad::new();
        let link = card
            .connect(&LinkOptions::new("Desk").pin_pad(&pad))
            .unwrap();
        let manager = Manager::new(Arc::new(MemoryBackend::new()))
            .with_overrides(token_manager::Overrides::default().allow_unverified(true));
        let mut session = manager.session(Card::new(Box::new(link))).unwrap();
        assert_eq!(
            session.pin_pad().verify,
            profile == Profile::Piv,
            "{profile}"
        );
        let right = std::str::from_utf8(profile.factory_pin()).unwrap();

        pad.press(right);
        let open = session
            .authenticate(PinEntry::PinPad, LastTry::Spare)
            .unwrap();
        assert_eq!(open.lock().unwrap(), PinStatus::TriesLeft(limit(profile)));

        pad.cancel();
        let error = session
            .authenticate(PinEntry::PinPad, LastTry::Spare)
            .map(drop)
            .unwrap_err();
        assert!(matches!(error, ActionError::PinPad(_)), "{error}");
        assert!(!error.may_have_spent_a_try());

        pad.press("27182818");
        let error = session
            .authenticate(PinEntry::PinPad, LastTry::Spare)
            .map(drop)
            .unwrap_err();
        assert!(matches!(error, ActionError::Wrong { .. }), "{error}");

        for entry in [right, "271828", "271828"] {
            pad.press(entry);
        }
        session
            .change_pin(PinChangeEntry::PinPad, LastTry::Spare)
            .unwrap();
        let new = pin("271828");
        let open = session
            .authenticate(PinEntry::Typed(&new), LastTry::Spare)
            .unwrap();
        assert_eq!(open.lock().unwrap(), PinStatus::TriesLeft(limit(profile)));
    }
}

#[test]
fn a_key_is_used_right_after_the_pin() {
    use piv_apdu::key::{Algorithm, KeyReference};
    for profile in [Profile::Piv, Profile::Crescendo2300] {
        let card = card(profile);
        let mut session = open(&card);
        let entry = session
            .token()
            .key(KeyReference::DIGITAL_SIGNATURE)
            .unwrap();
        let algorithm = entry.algorithm.unwrap();
        let length = if algorithm == Algorithm::EccP384 {
            48
        } else {
            32
        };
        let signature = session
            .use_key(
                &factory(profile),
                LastTry::Spare,
                KeyReference::DIGITAL_SIGNATURE,
                algorithm,
                &vec![7; length],
            )
            .unwrap();
        assert_eq!(signature.first(), Some(&0x30), "{profile}");
        let order = sent(&card);
        let used = order.iter().position(|ins| *ins == 0x87).unwrap();
        assert_eq!(order[used - 1], VERIFY, "{profile}");
        assert!(!order.contains(&GET_DATA));
    }
}

/// A card that says yes to any key, so that it gets at what is written to it.
#[test]
fn a_card_that_does_not_know_its_management_key_is_found_out() {
    let card = card(Profile::Piv);
    let bytes: Vec<u8> = (1..=8).cycle().take(32).collect();
    let key = ManagementKey::new(ManagementAlgorithm::Aes256, &bytes).unwrap();
    // The second GENERAL AUTHENTICATE, answered with some 16 bytes, and with none.
    let some = [&[0x7C, 0x12, 0x82, 0x10][..], &[0xA5; 16], &[0x90, 0x00]].concat();
    for answer in [some, vec![0x7C, 0x02, 0x82, 0x00, 0x90, 0x00]] {
        let mut session = open(&card);
        card.arm(Faults::new().at(2, Fault::Answer(answer)));
        let error = session.check_management_key(&key).unwrap_err();
        assert!(
            matches!(error, ActionError::CardNotGenuine { .. }),
            "{error}"
        );
        let text = error.to_string();
        assert!(text.contains("did not prove") && text.contains("take it out"));
    }
    card.disarm();
    let right = open(&card).check_management_key(&key).unwrap();
    assert_eq!(right, KeyCheck::Right);
}
