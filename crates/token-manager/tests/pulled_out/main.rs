//! Pulled out, or reset, at every command of an action: what the error says of
//! the token is true, at most the try that was sent is spent, the next run comes
//! to the end, and the token is locked.
//!
//! Recycle and personalize have loops of their own in the tests of those names;
//! so have, where more is to be seen than here, policies and the admin key.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

mod cases;
#[path = "../desk/mod.rs"]
mod desk;
mod flow;
#[path = "../sight/mod.rs"]
mod sight;
mod told;

use std::sync::LazyLock;

use piv_apdu::key::KeyReference;
use token_manager::token_profile::{ChallengeType, Policy};
use token_manager::{
    ActionError, Aftermath, KeyCheck, LastTry, NotSent, PinEntry, PinStatus, RecoveryPlace, Secret,
    SecretStore, Session,
};
use virtual_token::fault::Fault;
use virtual_token::{Content, CreateOptions, KeyAlgorithm, Profile, TokenState, VirtualToken};

use cases::{Case, NEW, NEW_KEY, NEW_PUK, PUK, WRONG, authenticate, cases, keep, key, puk};
use desk::{Desk, LOSSES, factory, limit, pin};
use sight::{Held, Sight, is_open};

/// Tokens with elliptic keys only, which are quick to make, and the 4000 with a
/// static challenge. Made once.
static TOKENS: LazyLock<Vec<TokenState>> = LazyLock::new(|| {
    let fresh = |profile: Profile| {
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
        let state = VirtualToken::create(profile, &options).unwrap().to_state();
        with_code(&state)
    };
    Profile::ALL.map(fresh).to_vec()
});

/// With a pairing code that is known here. A Crescendo lists it; whether a real one
/// has any is not public.
fn with_code(state: &TokenState) -> TokenState {
    let mut state = serde_json::to_value(state).unwrap();
    let object = serde_json::json!({ "capacity": 12, "content": "99083630373138323934FE00" });
    state["objects"]["5FC123"] = object;
    serde_json::from_value(state).unwrap()
}

/// The token of a profile, with so many tries left for its PIN.
fn token(profile: Profile, tries: Option<u8>) -> Desk {
    let state = TOKENS.iter().find(|state| state.profile() == profile);
    let desk = prepared(state.unwrap().clone());
    spend(&desk, profile, tries);
    desk
}

/// The token that a case begins with, and what the host keeps of it.
fn begin(case: &Case, profile: Profile) -> Desk {
    let Some(place) = case.kept else {
        return token(profile, case.tries);
    };
    let state = TOKENS.iter().find(|state| state.profile() == profile);
    let desk = prepared(without_content(state.unwrap()));
    if place != RecoveryPlace::Nowhere {
        let pin = factory(profile);
        keep(&mut desk.open(), PinEntry::Typed(&pin), profile, place).unwrap();
    }
    spend(&desk, profile, case.tries);
    desk
}

/// With nothing in the object that the PIN protects.
fn without_content(state: &TokenState) -> TokenState {
    let mut state = serde_json::to_value(state).unwrap();
    state["objects"]["5FC109"]["content"] = "".into();
    serde_json::from_value(state).unwrap()
}

/// With a static challenge, if it can have one.
fn prepared(state: TokenState) -> Desk {
    let profile = state.profile();
    let desk = Desk::with_state(state).daring();
    let mut session = desk.open();
    if profile == Profile::Crescendo4000 {
        let policy = Policy {
            challenge: ChallengeType::Static,
            ..Policy::DELIVERY
        };
        let pin = factory(profile);
        session
            .set_policy(PinEntry::Typed(&pin), LastTry::Spare, &policy)
            .unwrap();
    }
    drop(session);
    desk
}

fn spend(desk: &Desk, profile: Profile, tries: Option<u8>) {
    let spent = tries.map_or(0, |tries| limit(profile) - tries);
    let mut session = desk.open();
    for _ in 0..spent {
        let wrong = pin(WRONG);
        session
            .authenticate(PinEntry::Typed(&wrong), LastTry::Use)
            .map(drop)
            .unwrap_err();
    }
}

/// What the host keeps of the token and of its recovery secret.
fn kept(desk: &Desk) -> (Option<RecoveryPlace>, bool) {
    let session = desk.open();
    let secret = session.key().and_then(|key| {
        let secrets = desk.secrets.as_ref().unwrap();
        secrets.get(key).unwrap()
    });
    (session.record().recovery, secret.is_some())
}

#[test]
fn pulled_out_anywhere_what_is_said_is_true_and_the_next_run_finishes() {
    let mut struck = 0;
    for case in cases() {
        for &profile in case.profiles {
            let here = every_loss(&case, profile);
            assert!(here > 0, "{} sends nothing on {profile}", case.name);
            struck += here;
        }
    }
    // As of writing; it may grow.
    assert!(struck >= 2000, "{struck}");
}

/// How often the card was lost: three ways at each command.
fn every_loss(case: &Case, profile: Profile) -> u64 {
    let calm = begin(case, profile);
    let mut session = calm.open();
    let result = case.carry_out(&mut session, &calm.pad, profile);
    drop(session);
    assert_end(case, &result, &format!("{}, {profile}, calm", case.name));
    let whole = calm.card.commands();
    let after = Sight::of(&calm.card);
    let kept_after = kept(&calm);
    let mut struck = 0;
    for loss in LOSSES {
        for k in 1..=whole {
            let desk = begin(case, profile);
            let before = Sight::of(&desk.card);
            let mut session = desk.open_with(k, loss.clone());
            let result = case.carry_out(&mut session, &desk.pad, profile);
            let what = format!(
                "{}, {profile}, {:?} tries, kept: {:?}, {loss} at {k} of {whole}: {}",
                case.name,
                case.tries,
                case.kept,
                result
                    .as_ref()
                    .map_or_else(ToString::to_string, |()| "done".to_owned())
            );
            desk.card.disarm();
            let found = Sight::of(&desk.card);
            struck += 1;
            if loss == Fault::Reset {
                assert!(!is_open(&desk.card), "{what}");
            } else {
                drop(session);
                session = desk.open();
            }
            match &result {
                Err(ActionError::Interrupted { aftermath, .. }) => {
                    assert_true(case, *aftermath, [&before, &found, &after], &what);
                    go_on(case, &desk, *aftermath, &mut session, &what);
                }
                Err(ActionError::Load(_)) => {
                    assert_eq!(before, found, "{what}");
                    let again = case.carry_out(&mut session, &desk.pad, profile);
                    again.expect(&what);
                }
                // Lost where it did not matter any more, or where the card has
                // forgotten what it was asked.
                Err(
                    ActionError::AuthenticationLost | ActionError::NotSent(NotSent::ChallengeLost),
                ) => {
                    assert_true(case, Aftermath::Unchanged, [&before, &found, &after], &what);
                    go_on(case, &desk, Aftermath::Unchanged, &mut session, &what);
                }
                other => {
                    assert_end(case, other, &what);
                    assert_eq!(found.pin, after.pin, "{what}");
                    assert_eq!(found.puk, after.puk, "{what}");
                }
            }
            drop(session);
            assert!(!is_open(&desk.card), "{what}");
            if case.wrong.is_none() {
                let found = Sight::of(&desk.card);
                assert_eq!(found.pin.value, after.pin.value, "{what}");
                let puk = |sight: &Sight| sight.puk.as_ref().map(|puk| puk.value.clone());
                assert_eq!(puk(&found), puk(&after), "{what}");
                assert_eq!(found.protected, after.protected, "{what}");
                assert_eq!(kept(&desk), kept_after, "{what}");
            }
        }
    }
    struck
}

/// How the action ends when nothing is in its way.
fn assert_end(case: &Case, result: &Result<(), ActionError>, what: &str) {
    match (case.wrong, result) {
        (None, Ok(())) => {}
        (Some(wrong), Err(ActionError::Wrong { secret, .. })) if *secret == wrong => {}
        _ => panic!("{what}: {result:?}"),
    }
}

/// What the error says of the token is what the token is.
fn assert_true(case: &Case, aftermath: Aftermath, sights: [&Sight; 3], what: &str) {
    let [before, found, after] = sights;
    let same_or_all_back =
        |before: &Held, found: &Held| before.value == found.value && found.tries >= before.tries;
    let one_spent = |before: &Held, found: &Held| {
        before.value == found.value && found.tries + 1 >= before.tries
    };
    let is_new = |found: &Held, new: Option<&str>| {
        new.is_some_and(|new| new.as_bytes() == found.value) && found.tries > 0
    };
    let puk = |rule: &dyn Fn(&Held, &Held) -> bool| match (&before.puk, &found.puk) {
        (Some(before), Some(found)) => rule(before, found),
        (before, found) => before == found,
    };
    let pin = |rule: &dyn Fn(&Held, &Held) -> bool| rule(&before.pin, &found.pin);
    let same_key = before.admin == found.admin;
    let same_object = before.protected == found.protected;
    let object_old_or_new = same_object || found.protected == after.protected;
    let may_write = matches!(
        aftermath,
        Aftermath::ObjectOldOrNew | Aftermath::KeyOldOrNew
    );
    assert!(same_object || may_write, "{what}");
    let holds = match aftermath {
        Aftermath::Unchanged => pin(&same_or_all_back) && puk(&same_or_all_back) && same_key,
        Aftermath::TryUncertain => pin(&one_spent) && puk(&same_or_all_back),
        Aftermath::PinOldOrNew => {
            (pin(&one_spent) || is_new(&found.pin, case.new_pin)) && puk(&one_spent)
        }
        // "If it shows tries left, the new PIN holds".
        Aftermath::PinNewOrBlocked => {
            (found.pin.tries == 0 && pin(&same_or_all_back) || is_new(&found.pin, case.new_pin))
                && puk(&one_spent)
        }
        Aftermath::PukOldOrNew => {
            let one_of_them = |before: &Held, found: &Held| {
                one_spent(before, found) || is_new(found, case.new_puk)
            };
            pin(&same_or_all_back) && puk(&one_of_them)
        }
        Aftermath::ObjectOldOrNew => {
            pin(&same_or_all_back) && puk(&same_or_all_back) && same_key && object_old_or_new
        }
        Aftermath::KeyOldOrNew => {
            pin(&same_or_all_back)
                && puk(&same_or_all_back)
                && (same_key || found.admin == after.admin)
                && object_old_or_new
        }
        other => panic!("{what}: {other:?} is no aftermath of this"),
    };
    assert!(holds, "{what}: {before:?}, {found:?}");
}

/// What the error tells the person to do leads to the end.
fn go_on(case: &Case, desk: &Desk, told: Aftermath, session: &mut Session, what: &str) {
    let profile = desk.state().profile();
    let run = |session: &mut Session| case.carry_out(session, &desk.pad, profile);
    let again = |session: &mut Session| {
        let mut result = run(session);
        if let Err(ActionError::NotSent(NotSent::LastTry { secret })) = result {
            // That is an explanation, too. Whoever knows the PIN agrees to it.
            assert_eq!(secret, Secret::Pin, "{what}");
            if case.wrong.is_some() {
                return;
            }
            let right = factory(profile);
            session
                .authenticate(PinEntry::Typed(&right), LastTry::Use)
                .map(drop)
                .expect(what);
            result = run(session);
        }
        assert_end(case, &result, &format!("{what}; again"));
    };
    match told {
        Aftermath::PinOldOrNew if case.wrong.is_none() => match authenticate(session, &pin(NEW)) {
            Ok(()) => {}
            Err(ActionError::Wrong { .. }) => again(session),
            Err(other) => panic!("{what}; {other}"),
        },
        Aftermath::PinNewOrBlocked if case.wrong.is_none() => {
            match session.refresh_pin_status().unwrap() {
                PinStatus::TriesLeft(_) => authenticate(session, &pin(NEW)).expect(what),
                PinStatus::Blocked => again(session),
                other => panic!("{what}; {other}"),
            }
        }
        Aftermath::PukOldOrNew if case.wrong.is_none() => match run(session) {
            Ok(()) => {}
            // So the new one holds.
            Err(ActionError::Wrong { .. }) => {
                let (new, other) = (puk(NEW_PUK), puk(PUK));
                session
                    .change_puk(&new, &other, LastTry::Spare)
                    .expect(what);
                session
                    .change_puk(&other, &new, LastTry::Spare)
                    .expect(what);
            }
            Err(other) => panic!("{what}; {other}"),
        },
        Aftermath::KeyOldOrNew if case.wrong.is_none() => match run(session) {
            Ok(()) => {}
            // So the new one holds.
            Err(ActionError::Wrong { .. }) => {
                let found = session.check_admin_key(&key(NEW_KEY)).expect(what);
                assert_eq!(found, KeyCheck::Right, "{what}");
            }
            Err(other) => panic!("{what}; {other}"),
        },
        _ => again(session),
    }
}
