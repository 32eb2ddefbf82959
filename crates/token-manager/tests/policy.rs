//! The PIN policy on every kind of software token: what is refused, what is
//! sent, who enforces it, and what a card that is pulled out leaves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

mod desk;

use std::sync::Arc;

use pcsc_transport::Card;
use piv_apdu::secret::Pin;
use token_manager::token_profile::{Alphabet, ChallengeType, Policy, PolicyError, Rule};
use token_manager::{
    Action, ActionError, Aftermath, Enforcer, LastTry, Manager, NotSent, PinChangeEntry, PinEntry,
    PinStatus, PolicyRefusal, PolicySet, ProfileState, Reason, Secret, Session,
};
use virtual_token::fault::Fault;
use virtual_token::{Content, Keypad, LinkOptions, MemoryBackend, Profile, SharedToken};

use desk::{Desk, GET_DATA, LOSSES, PUT_DATA, SELECT, VERIFY, factory, limit, pin};

const STRICT: Policy = Policy {
    minimum: 6,
    maximum: 8,
    alphabet: Alphabet::Digits,
    refuse_weak: true,
    ..Policy::DELIVERY
};

/// One that the factory PINs, which are weak, keep.
const MILD: Policy = Policy {
    minimum: 6,
    refuse_weak: false,
    ..STRICT
};

/// Every profile, with nothing in the way of setting its policy. A plain PIV
/// card has no identity before it is personalized.
fn desk(profile: Profile) -> Desk {
    match profile {
        Profile::Piv => Desk::new(profile, Content::Personal).daring(),
        _ => Desk::new(profile, Content::Empty),
    }
}

fn set(session: &mut Session, pin: &Pin, policy: &Policy) -> Result<PolicySet, ActionError> {
    session.set_policy(PinEntry::Typed(pin), LastTry::Spare, policy)
}

fn refusal(result: Result<PolicySet, ActionError>) -> PolicyRefusal {
    match result.unwrap_err() {
        ActionError::Policy(refusal) => refusal,
        other => panic!("{other}"),
    }
}

fn untouched(card: &SharedToken) {
    assert_eq!(card.commands(), 0, "nothing was sent");
}

#[test]
fn a_policy_costs_one_verification_and_on_the_token_three_commands_more() {
    for profile in Profile::ALL {
        let desk = desk(profile);
        let mut session = desk.open();
        let done = set(&mut session, &factory(profile), &MILD).unwrap();
        let changed = [Action::UpdatePinLength, Action::UpdatePinAlphabet];
        assert_eq!(done.changed, changed, "{profile}");
        assert_eq!(done.before, Some(PinStatus::TriesLeft(limit(profile))));
        // A plain PIV card is logged out, a Crescendo reset.
        let expected: &[u8] = match profile {
            Profile::Piv => &[VERIFY, VERIFY, VERIFY, VERIFY],
            Profile::Crescendo4000 => &[VERIFY, SELECT, VERIFY, SELECT, PUT_DATA, GET_DATA],
            _ => &[VERIFY, SELECT, VERIFY],
        };
        assert_eq!(desk.sent(), expected, "{profile}");
        assert_eq!(session.managed_policy(), MILD);
        // The next session finds it.
        let session = desk.open();
        let on_token = profile == Profile::Crescendo4000;
        match &session.token().profile {
            ProfileState::OnToken(found) if on_token => assert_eq!(found.policy, MILD),
            ProfileState::OnHost(found) if !on_token => assert_eq!(found.policy, MILD),
            other => panic!("{profile}: {other:?}"),
        }
        assert_eq!(session.policy().minimum, 6);
        let tries = &session.token().pin.status;
        assert_eq!(*tries, PinStatus::TriesLeft(limit(profile)), "{profile}");
    }
}

#[test]
fn the_policy_in_force_is_not_set_again() {
    for profile in Profile::ALL {
        let desk = desk(profile);
        let mut session = desk.open();
        let done = set(&mut session, &factory(profile), &Policy::DELIVERY).unwrap();
        assert!(done.changed.is_empty() && done.before.is_none());
        untouched(&desk.card);
        assert!(
            session
                .plan_policy(&Policy::DELIVERY)
                .unwrap()
                .steps
                .is_empty()
        );
    }
}

#[test]
fn what_the_host_can_know_is_refused_before_anything_is_sent() {
    for profile in Profile::ALL {
        let desk = desk(profile);
        let before = desk.picture();
        let mut session = desk.open();
        let right = factory(profile);

        let reversed = Policy {
            minimum: 8,
            maximum: 6,
            ..MILD
        };
        assert_eq!(
            refusal(set(&mut session, &right, &reversed)),
            PolicyRefusal::Nonsense(PolicyError::MinimumAboveMaximum {
                minimum: 8,
                maximum: 6
            })
        );
        for (minimum, maximum) in [(3, 8), (4, 9), (0, 0)] {
            let policy = Policy {
                minimum,
                maximum,
                ..MILD
            };
            assert!(matches!(
                refusal(set(&mut session, &right, &policy)),
                PolicyRefusal::Nonsense(PolicyError::OutOfRange { .. })
            ));
        }

        // The factory PINs are all zeros, or 123456.
        assert_eq!(
            refusal(set(&mut session, &right, &STRICT)),
            PolicyRefusal::PresentPin {
                rule: Rule::NotWeak
            }
        );
        let shared = Policy {
            fido_shared_pin: true,
            ..MILD
        };
        let error = set(&mut session, &right, &shared).unwrap_err();
        match profile {
            Profile::Crescendo4000 => assert!(matches!(
                error,
                ActionError::Policy(PolicyRefusal::SharedPinOutsidePersonalize)
            )),
            _ => assert!(matches!(
                error,
                ActionError::Unavailable {
                    action: Action::UpdateFidoSharedPin,
                    reason: Reason::NotSupportedByFamily
                }
            )),
        }
        let short = pin("27");
        let error = set(&mut session, &short, &MILD).unwrap_err();
        assert!(matches!(
            error,
            ActionError::NotSent(NotSent::CannotBe { .. })
        ));
        untouched(&desk.card);
        assert_eq!(desk.picture(), before);
        assert_eq!(session.managed_policy(), Policy::DELIVERY);
    }
}

#[test]
fn a_range_that_the_card_does_not_take_is_refused() {
    let desk = desk(Profile::Piv);
    let mut session = desk.open();
    let short = Policy {
        minimum: 4,
        maximum: 5,
        ..Policy::DELIVERY
    };
    assert_eq!(
        refusal(set(&mut session, &factory(Profile::Piv), &short)),
        PolicyRefusal::OutsideCard {
            minimum: 6,
            maximum: 8
        }
    );
    untouched(&desk.card);
}

#[test]
fn a_static_challenge_is_for_a_card_that_can() {
    let fixed = Policy {
        challenge: ChallengeType::Static,
        ..Policy::DELIVERY
    };
    for profile in Profile::ALL {
        let desk = desk(profile);
        let mut session = desk.open();
        let result = set(&mut session, &factory(profile), &fixed);
        let reason = match profile {
            Profile::Crescendo4000 => {
                assert_eq!(result.unwrap().changed, [Action::UpdateChallengeType]);
                assert!(session.token().has_static_challenge());
                continue;
            }
            Profile::Piv => Reason::NotSupportedByFamily,
            _ => Reason::NotPubliclyDocumented,
        };
        assert!(
            matches!(result, Err(ActionError::Unavailable { action: Action::UpdateChallengeType, reason: found }) if found == reason),
            "{profile}"
        );
        untouched(&desk.card);
    }
}

#[test]
fn an_issuer_s_token_keeps_its_policy() {
    for profile in Profile::ALL {
        let desk = Desk::new(profile, Content::Personal);
        let mut session = desk.open();
        let error = set(&mut session, &factory(profile), &MILD).unwrap_err();
        assert!(
            matches!(
                error,
                ActionError::Unavailable {
                    reason: Reason::ManagementUnknown,
                    ..
                }
            ),
            "{profile}: {error}"
        );
        untouched(&desk.card);
    }
}

#[test]
fn a_token_without_identity_has_no_policy_on_the_host() {
    let desk = Desk::new(Profile::Piv, Content::Empty);
    let mut session = desk.open();
    let error = set(&mut session, &factory(Profile::Piv), &MILD).unwrap_err();
    assert!(matches!(
        error,
        ActionError::Unavailable {
            reason: Reason::NoIdentity,
            ..
        }
    ));
}

#[test]
fn a_wrong_pin_costs_one_try_and_changes_nothing() {
    for profile in Profile::ALL {
        let desk = desk(profile);
        let mut session = desk.open();
        let error = set(&mut session, &pin("271828"), &MILD).unwrap_err();
        let left = limit(profile) - 1;
        assert!(
            matches!(error, ActionError::Wrong { secret: Secret::Pin, tries_left } if tries_left == Some(left)),
            "{profile}: {error}"
        );
        assert!(!desk.sent().contains(&PUT_DATA));
        assert_eq!(session.token().pin.status, PinStatus::TriesLeft(left));
        let session = desk.open();
        assert_eq!(session.managed_policy(), Policy::DELIVERY);
        assert_eq!(session.token().pin.status, PinStatus::TriesLeft(left));
    }
}

#[test]
fn the_last_try_is_not_used_unasked() {
    for profile in Profile::ALL {
        let desk = desk(profile);
        for _ in 1..limit(profile) {
            set(&mut desk.open(), &pin("271828"), &MILD).unwrap_err();
        }
        let right = factory(profile);
        let error = set(&mut desk.open(), &right, &MILD).unwrap_err();
        assert!(
            matches!(
                error,
                ActionError::NotSent(NotSent::LastTry {
                    secret: Secret::Pin
                })
            ),
            "{profile}: {error}"
        );
        assert_eq!(desk.tries(), PinStatus::TriesLeft(1));
        let mut session = desk.open();
        session
            .set_policy(PinEntry::Typed(&right), LastTry::Use, &MILD)
            .unwrap();
        assert_eq!(desk.tries(), PinStatus::TriesLeft(limit(profile)));
    }
}

#[test]
fn a_host_keeps_the_policy_of_a_card_that_can_t() {
    for profile in [Profile::Piv, Profile::Crescendo2300, Profile::CrescendoKey] {
        let desk = desk(profile);
        let before = desk.picture();
        let right = factory(profile);
        let forced = Policy {
            force_change: true,
            ..STRICT
        };
        set(&mut desk.open(), &right, &forced).unwrap();
        assert_eq!(desk.picture(), before, "the card knows nothing of it");

        let mut session = desk.open();
        assert!(session.token().wants_pin_change(), "a prompt");
        let open = session.authenticate(PinEntry::Typed(&right), LastTry::Spare);
        drop(open.expect("and no more than that"));
        let change = |session: &mut Session, new: &Pin| {
            let entry = PinChangeEntry::Typed { old: &right, new };
            session.change_pin(entry, LastTry::Spare).map(drop)
        };
        desk.card.clear_log();
        for (new, rule) in [
            ("13579", Rule::AtLeast(6)),
            ("135791a", Rule::DigitsOnly),
            ("234567", Rule::NotWeak),
        ] {
            let error = change(&mut session, &pin(new)).unwrap_err();
            assert!(
                matches!(&error, ActionError::NotSent(NotSent::NewPin { rule: broken }) if *broken == rule),
                "{profile}: {error}"
            );
        }
        untouched(&desk.card);
        change(&mut session, &pin("271828")).unwrap();
        assert!(!desk.open().token().wants_pin_change());
        let kept = Policy {
            force_change: false,
            ..STRICT
        };
        assert_eq!(desk.open().managed_policy(), kept);
    }
}

#[test]
fn a_card_enforces_its_policy_itself() {
    let profile = Profile::Crescendo4000;
    let desk = desk(profile);
    let right = factory(profile);
    let forced = Policy {
        force_change: true,
        ..STRICT
    };
    let mut session = desk.open();
    set(&mut session, &right, &forced).unwrap();
    assert!(session.token().wants_pin_change());
    let mut session = desk.open();
    let error = session
        .authenticate(PinEntry::Typed(&right), LastTry::Spare)
        .map(drop)
        .unwrap_err();
    assert!(
        matches!(error, ActionError::NotSent(NotSent::ForcePinChange { .. })),
        "{error}"
    );
    let error = set(&mut session, &right, &Policy::DELIVERY).unwrap_err();
    assert!(
        matches!(error, ActionError::NotSent(NotSent::ForcePinChange { .. })),
        "{error}"
    );
    assert_eq!(desk.tries(), PinStatus::TriesLeft(limit(profile)));
    let new = pin("271828");
    let entry = PinChangeEntry::Typed {
        old: &right,
        new: &new,
    };
    let changed = desk.open().change_pin(entry, LastTry::Spare).unwrap();
    assert!(changed.was_forced);
    // Wider again, in the same session as it was narrowed.
    let mut session = desk.open();
    assert!(!session.token().wants_pin_change());
    set(&mut session, &new, &Policy::DELIVERY).unwrap();
    assert_eq!((session.policy().minimum, session.policy().maximum), (4, 8));
    assert!(session.policy().rules(b"1234").iter().all(|rule| rule.met));
    assert_eq!(
        session.policy().to_string(),
        desk.open().policy().to_string()
    );
    assert_eq!(session.policy().notes, desk.open().policy().notes);
}

/// The PIN is older than the policy: it has to be taken as the old one.
#[test]
fn a_forced_change_takes_an_old_pin_that_the_policy_would_not() {
    let profile = Profile::Crescendo4000;
    let desk = desk(profile);
    let (factory, short, long) = (factory(profile), pin("2718"), pin("27182818"));
    let to_short = PinChangeEntry::Typed {
        old: &factory,
        new: &short,
    };
    desk.open().change_pin(to_short, LastTry::Spare).unwrap();
    let policy = Policy {
        minimum: 8,
        force_change: true,
        ..Policy::DELIVERY
    };
    set(&mut desk.open(), &short, &policy).unwrap();
    let mut session = desk.open();
    let to_long = PinChangeEntry::Typed {
        old: &short,
        new: &long,
    };
    session.change_pin(to_long, LastTry::Spare).unwrap();
}

/// The host can't look at a PIN that is typed on the reader; the card can.
#[test]
fn on_a_pin_pad_it_is_the_card_that_looks_at_the_present_pin() {
    let profile = Profile::Crescendo4000;
    let desk = desk(profile);
    let keypad = Keypad::new();
    let reader = LinkOptions::new("Desk").pin_pad(&keypad);
    let open = || {
        let card = Card::new(Box::new(desk.card.connect(&reader).unwrap()));
        let manager = Manager::new(Arc::new(MemoryBackend::new()));
        manager.session(card).unwrap()
    };
    let mut session = open();
    let mut set = |policy: &Policy| {
        keypad.press(profile.factory_pin());
        session.set_policy(PinEntry::PinPad, LastTry::Spare, policy)
    };
    assert_eq!(refusal(set(&STRICT)), PolicyRefusal::PresentPinByCard);
    set(&MILD).unwrap();
    drop(session);
    assert_eq!(open().managed_policy(), MILD);
}

/// A PIN may be older than the policy, and then has to be typed once more.
#[test]
fn on_a_pin_pad_a_pin_that_is_older_than_the_policy_can_be_typed() {
    let policy = Policy {
        minimum: 8,
        force_change: true,
        ..Policy::DELIVERY
    };
    for profile in [Profile::Piv, Profile::Crescendo4000] {
        let desk = desk(profile);
        let old = factory(profile);
        let mut session = desk.open();
        set(&mut session, &old, &policy).unwrap();
        if profile == Profile::Piv {
            // The card knows nothing of the policy.
            desk.pad.press(old.padded().unpadded());
            session
                .authenticate(PinEntry::PinPad, LastTry::Spare)
                .map(drop)
                .unwrap();
            continue;
        }
        for typed in [old.padded().unpadded(), b"2718281", b"2718281"] {
            desk.pad.press(typed);
        }
        let change = PinChangeEntry::PinPad;
        let error = session.change_pin(change, LastTry::Spare).unwrap_err();
        assert!(matches!(error, ActionError::Refused { .. }), "{error}");
        for typed in [old.padded().unpadded(), b"27182818", b"27182818"] {
            desk.pad.press(typed);
        }
        session.change_pin(change, LastTry::Spare).unwrap();
        assert_eq!(desk.tries(), PinStatus::TriesLeft(limit(profile)));
    }
}

#[test]
fn what_is_read_back_is_compared() {
    let profile = Profile::Crescendo4000;
    let desk = desk(profile);
    // PUT DATA that is answered, and not done.
    let mut session = desk.open_with(5, Fault::Status(0x9000.into()));
    let error = set(&mut session, &factory(profile), &MILD).unwrap_err();
    assert!(matches!(error, ActionError::NotConfirmed { .. }), "{error}");
}

#[test]
fn it_says_who_enforces_what() {
    use Enforcer::{Card, Host, Nobody, Prompt};
    for profile in Profile::ALL {
        let desk = desk(profile);
        let mut session = desk.open();
        let enforcers = |session: &Session| -> Vec<_> {
            let enforcement = session.enforcement();
            enforcement.iter().map(|(_, enforcer)| *enforcer).collect()
        };
        let before = match profile {
            Profile::Crescendo4000 => [Card; 6],
            Profile::Piv => [Host, Host, Prompt, Nobody, Host, Nobody],
            _ => [Card, Card, Prompt, Nobody, Host, Nobody],
        };
        assert_eq!(enforcers(&session), before, "{profile}");

        let plan = session.plan_policy(&MILD).unwrap();
        let ids: Vec<_> = plan.steps.iter().map(|step| step.id).collect();
        let write: &[&str] = match profile {
            Profile::Crescendo4000 => &["verify-pin", "write-policy", "read-back"],
            _ => &["verify-pin", "write-record"],
        };
        assert_eq!(
            ids,
            [write, &["update-pin-length", "update-pin-alphabet"]].concat(),
            "{profile}"
        );
        let length = &plan.steps[write.len()].text;
        assert!(length.contains("4 to 8 becomes 6 to 8"));
        untouched(&desk.card);

        set(&mut session, &factory(profile), &MILD).unwrap();
        let after = match profile {
            Profile::Crescendo4000 => [Card; 6],
            _ => [Host, Host, Prompt, Nobody, Host, Nobody],
        };
        assert_eq!(enforcers(&session), after, "{profile}");
    }
}

#[test]
fn each_rule_says_what_it_is_set_to_what_that_means_and_whether_it_can_be_set() {
    for profile in Profile::ALL {
        let mut session = desk(profile).open();
        let before = session.rules();
        set(&mut session, &factory(profile), &MILD).unwrap();
        let after = session.rules();
        let ids: Vec<_> = after.iter().map(|rule| rule.id).collect();
        let all = [
            "length",
            "alphabet",
            "force-change",
            "challenge",
            "refuse-weak",
        ];
        assert_eq!(ids, [&all[..], &["fido-shared-pin"]].concat(), "{profile}");
        assert_eq!(after[0].value, "6 to 8", "{profile}");
        assert_eq!(
            after[0].meaning(),
            "A new PIN has 6 to 8 characters",
            "{profile}"
        );
        assert_eq!(after[1].value, "digits", "{profile}");
        let enforcement: Vec<_> = after.iter().map(|it| (it.action, it.enforcer)).collect();
        assert_eq!(enforcement, session.enforcement(), "{profile}");
        for (before, after) in before.iter().zip(&after) {
            let changed = before.value != after.value;
            assert_eq!(changed, before.meaning() != after.meaning(), "{profile}");
            let settable = session.ensure(after.action).is_ok();
            assert_eq!(
                settable,
                after.refusal().is_none(),
                "{profile} {}",
                after.id
            );
        }
    }
}

#[test]
fn a_card_lost_at_any_command_has_the_old_policy_or_the_new_one() {
    for profile in Profile::ALL {
        let calm = desk(profile);
        let state = calm.state();
        let overrides = calm.overrides;
        set(&mut calm.open(), &factory(profile), &MILD).unwrap();
        let whole = calm.card.commands();
        for loss in LOSSES {
            for k in 1..=whole {
                let desk = Desk {
                    overrides,
                    ..Desk::with_state(state.clone())
                };
                let mut session = desk.open_with(k, loss.clone());
                let result = set(&mut session, &factory(profile), &MILD);
                drop(session);
                let case = format!("{profile}, {loss} at {k}: {result:?}");
                let found = desk.open().managed_policy();
                match result {
                    // Lost while it was locked again.
                    Ok(_) => assert_eq!(found, MILD, "{case}"),
                    Err(ActionError::Interrupted {
                        aftermath, step, ..
                    }) => match aftermath {
                        Aftermath::Unchanged | Aftermath::TryUncertain => {
                            assert_eq!(found, Policy::DELIVERY, "{case}");
                            assert_eq!(
                                aftermath == Aftermath::TryUncertain,
                                step == "verify-pin",
                                "{case}"
                            );
                        }
                        Aftermath::ObjectOldOrNew => {
                            assert!(["write-policy", "read-back"].contains(&step), "{case}");
                            let written = step == "read-back" || loss == Fault::VanishAfter;
                            assert_eq!(found == MILD, written, "{case}");
                        }
                        other => panic!("{case}: {other:?}"),
                    },
                    Err(other) => panic!("{case}: {other}"),
                }
                assert_eq!(desk.tries(), PinStatus::TriesLeft(limit(profile)), "{case}");
                // The same again finishes it.
                set(&mut desk.open(), &factory(profile), &MILD).unwrap();
                assert_eq!(desk.open().managed_policy(), MILD, "{case}");
            }
        }
    }
}

#[test]
fn a_wrong_pin_and_a_lost_card_cost_one_try_at_most() {
    for profile in Profile::ALL {
        let state = desk(profile).state();
        for loss in LOSSES {
            for k in 1..=4 {
                let desk = Desk::with_state(state.clone()).daring();
                let mut session = desk.open_with(k, loss.clone());
                let error = set(&mut session, &pin("271828"), &MILD).unwrap_err();
                drop(session);
                let case = format!("{profile}, {loss} at {k}: {error}");
                let spent = desk.tries() == PinStatus::TriesLeft(limit(profile) - 1);
                if !spent {
                    assert_eq!(desk.tries(), PinStatus::TriesLeft(limit(profile)), "{case}");
                }
                assert!(error.may_have_spent_a_try() || !spent, "{case}");
                assert_eq!(desk.open().managed_policy(), Policy::DELIVERY, "{case}");
            }
        }
    }
}
