//! Single statements about an interrupted action that were once wrong.

use token_manager::{ActionError, Aftermath, LastTry, NotSent, PinStatus};
use virtual_token::Profile;
use virtual_token::fault::{Fault, Faults};

use crate::cases::{
    CRESCENDOS, NEW, NEW_PUK, PUK, WRONG_PUK, authenticate, change_puk, key, puk, respond, unblock,
    unblock_with_key,
};
use crate::desk::{Desk, limit, pin};
use crate::sight::Sight;
use crate::token;

#[test]
fn an_unblocked_pin_is_told_as_such_though_the_token_is_lost_right_after() {
    let desk = token(Profile::Piv, Some(0));
    // PIV is selected: RESET RETRY COUNTER, and then the question for tries.
    for loss in [Fault::VanishBefore, Fault::VanishAfter] {
        let mut session = desk.open_with(2, loss);
        let unblocked = session
            .unblock_with_puk(&puk(PUK), &pin(NEW), LastTry::Spare)
            .unwrap();
        assert!(matches!(unblocked.after, PinStatus::Unknown(_)));
        assert_eq!(Sight::of(&desk.card).pin.value, NEW.as_bytes());
    }
}

#[test]
fn tries_left_prove_no_new_pin_where_the_old_one_had_some_too() {
    for (tries, expected) in [(0, Aftermath::PinNewOrBlocked), (2, Aftermath::PinOldOrNew)] {
        let desk = token(Profile::Piv, Some(tries));
        let mut session = desk.open_with(1, Fault::VanishBefore);
        match unblock(&mut session, PUK).unwrap_err() {
            ActionError::Interrupted { aftermath, .. } => assert_eq!(aftermath, expected),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn after_an_interrupted_unblocking_the_pin_is_not_held_to_be_blocked() {
    for profile in CRESCENDOS {
        let desk = token(*profile, Some(0));
        let mut session = desk.open();
        // SELECT, GET CHALLENGE, EXTERNAL AUTHENTICATE, UNLOCK PIN.
        let lost = Faults::new().at(4, Fault::Truncate(0));
        desk.card.arm(lost);
        unblock_with_key(&mut session, 0).unwrap_err();
        desk.card.disarm();
        assert_eq!(Sight::of(&desk.card).pin.value, NEW.as_bytes());
        authenticate(&mut session, &pin(NEW)).unwrap();
    }
}

#[test]
fn a_response_to_a_challenge_that_is_lost_is_not_sent() {
    let desk = token(Profile::Crescendo2300, Some(0));
    let mut session = desk.open();
    let challenge = session.unblock_challenge().unwrap();
    let response = key(0).cryptogram(challenge.challenge()).unwrap();
    desk.card.reset();
    desk.sent();
    let error = session
        .unblock_with_response(&challenge, &response, &pin(NEW))
        .unwrap_err();
    assert!(
        matches!(error, ActionError::NotSent(NotSent::ChallengeLost)),
        "{error}"
    );
    // The token is looked at, since it might be another one; EXTERNAL
    // AUTHENTICATE is not sent.
    assert!(!desk.sent().contains(&0x82));
    respond(&mut session, 0).unwrap();
}

#[test]
fn a_puk_that_may_have_been_wrong_is_counted_as_wrong() {
    let desk = token(Profile::Piv, None);
    change_puk(&mut desk.open(), WRONG_PUK).unwrap_err();
    let mut session = desk.open_with(2, Fault::VanishAfter);
    change_puk(&mut session, WRONG_PUK).unwrap_err();
    assert_eq!(Sight::of(&desk.card).puk.unwrap().tries, 1);
    // So the last try is asked for, as it would be had the card answered.
    let error = change_puk(&mut desk.open(), WRONG_PUK).unwrap_err();
    assert!(
        matches!(error, ActionError::NotSent(NotSent::LastTry { .. })),
        "{error}"
    );
}

#[test]
fn a_puk_that_another_program_has_brought_back_can_be_used_again() {
    let desk = token(Profile::Piv, None);
    let before = desk.state();
    for _ in 0..limit(Profile::Piv) {
        let (wrong, new) = (puk(WRONG_PUK), puk(NEW_PUK));
        let mut session = desk.open();
        session.change_puk(&wrong, &new, LastTry::Use).unwrap_err();
    }
    let error = change_puk(&mut desk.open(), PUK).unwrap_err();
    assert_eq!(error.tries_left(), Some(0), "{error}");
    let restored = Desk {
        store: desk.store.clone(),
        ..Desk::with_state(before).daring()
    };
    let (right, new) = (puk(PUK), puk(NEW_PUK));
    let mut session = restored.open();
    session.change_puk(&right, &new, LastTry::Use).unwrap();
}
