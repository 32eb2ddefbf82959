//! Pulled out, or reset, at every command of an action: what the error says of
//! the token is true, at most the try that was sent is spent, the next run comes
//! to the end, and the token is locked.
//!
//! Policies, the recovery secret, recycle, personalize and the admin key have
//! loops of their own in the tests of those names.

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
    ActionError, Aftermath, LastTry, NotSent, PinEntry, PinStatus, Secret, Session,
};
use virtual_token::fault::Fault;
use virtual_token::{Content, CreateOptions, KeyAlgorithm, Profile, TokenState, VirtualToken};

use cases::{Case, NEW, NEW_PUK, PUK, WRONG, authenticate, cases, puk};
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
    let desk = Desk::with_state(state.unwrap().clone()).daring();
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
    let spend = tries.map_or(0, |tries| limit(profile) - tries);
    for _ in 0..spend {
        let wrong = pin(WRONG);
        session
            .authenticate(PinEntry::Typed(&wrong), LastTry::Use)
            .map(drop)
            .unwrap_err();
    }
    drop(session);
    desk
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
    assert!(struck >= 1000, "{struck}");
}

/// How often the card was lost: three ways at each command.
fn every_loss(case: &Case, profile: Profile) -> u64 {
    let calm = token(profile, case.tries);
    let state = calm.state();
    let mut session = calm.open();
    let result = (case.run)(&mut session, profile);
    drop(session);
    assert_end(case, &result, &format!("{}, {profile}, calm", case.name));
    let whole = calm.card.commands();
    let after = Sight::of(&calm.card);
    let mut struck = 0;
    for loss in LOSSES {
        for k in 1..=whole {
            let desk = Desk::with_state(state.clone()).daring();
            let before = Sight::of(&desk.card);
            let mut session = desk.open_with(k, loss.clone());
            let result = (case.run)(&mut session, profile);
            let what = format!(
                "{}, {profile}, {:?} tries, {loss} at {k} of {whole}: {}",
                case.name,
                case.tries,
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
                    assert_true(case, *aftermath, &before, &found, &what);
                    go_on(case, profile, *aftermath, &mut session, &what);
                }
                Err(ActionError::Load(_)) => {
                    assert_eq!(before, found, "{what}");
                    (case.run)(&mut session, profile).expect(&what);
                }
                // Lost where it did not matter any more, or where the card has
                // forgotten what it was asked.
                Err(
                    ActionError::AuthenticationLost | ActionError::NotSent(NotSent::ChallengeLost),
                ) => {
                    assert_true(case, Aftermath::Unchanged, &before, &found, &what);
                    go_on(case, profile, Aftermath::Unchanged, &mut session, &what);
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
fn assert_true(case: &Case, aftermath: Aftermath, before: &Sight, found: &Sight, what: &str) {
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
    let holds = match aftermath {
        Aftermath::Unchanged => {
            pin(&same_or_all_back) && puk(&same_or_all_back) && before.admin == found.admin
        }
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
        other => panic!("{what}: {other:?} is no aftermath of this"),
    };
    assert!(holds, "{what}: {before:?}, {found:?}");
}

/// What the error tells the person to do leads to the end.
fn go_on(case: &Case, profile: Profile, told: Aftermath, session: &mut Session, what: &str) {
    let again = |session: &mut Session| {
        let mut result = (case.run)(session, profile);
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
            result = (case.run)(session, profile);
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
        Aftermath::PukOldOrNew if case.wrong.is_none() => match (case.run)(session, profile) {
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
        _ => again(session),
    }
}
