//! The admin key: the person has it before the token does, and it is there
//! afterwards.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

mod desk;

use crescendo_ext::xauth::{XauthAlgorithm, XauthKey};
use token_manager::token_profile::{ChallengeType, Policy, RecoveryKind};
use token_manager::{
    Action, ActionError, Aftermath, Authority, KeyCheck, LastTry, NotSent, PinEntry, PinStatus,
    Reason, RecoveryPlace, RecoverySecret, Secret, Session, SetKey,
};
use virtual_token::fault::{Fault, Faults};
use virtual_token::{Content, CreateOptions, Profile, SymmetricAlgorithm, VirtualToken};

use desk::{Desk, LOSSES, SELECT, VERIFY, factory, limit, pin};

const CRESCENDO: [Profile; 3] = [
    Profile::Crescendo2300,
    Profile::CrescendoKey,
    Profile::Crescendo4000,
];
const PUT_KEY: u8 = 0xD8;
const GET_CHALLENGE: u8 = 0x84;
const EXTERNAL_AUTHENTICATE: u8 = 0x82;

fn zeros() -> XauthKey {
    XauthKey::from_slice(&[0; 24]).unwrap()
}

fn key(byte: u8) -> XauthKey {
    XauthKey::from_slice(&[byte; 24]).unwrap()
}

fn daring(profile: Profile) -> Desk {
    Desk::new(profile, Content::Personal).daring()
}

/// Sets a key with the factory PIN; gives what was handed over.
fn set(session: &mut Session, profile: Profile, new: SetKey) -> (Vec<String>, Option<ActionError>) {
    let old = factory(profile);
    let authority = Authority::Pin(PinEntry::Typed(&old));
    let mut taken = Vec::new();
    let mut take = |secret: &RecoverySecret| {
        taken.push(secret.reveal().to_string());
        true
    };
    let result = session.set_admin_key(authority, new, &mut take, LastTry::Spare);
    (taken, result.err())
}

#[test]
fn a_plan_sends_nothing_and_says_what_cannot_be_undone() {
    for profile in CRESCENDO {
        let desk = daring(profile);
        let session = desk.open();
        desk.sent();
        let plan = session.plan_admin_key().unwrap();
        assert_eq!(plan.action, Action::ChangeAdminKey);
        assert!(plan.steps.iter().any(|step| step.irreversible));
        let hand_over = plan.steps.iter().position(|step| step.id == "hand-over");
        let put = plan
            .steps
            .iter()
            .position(|step| step.id == "put-admin-key");
        assert!(hand_over < put);
        assert!(desk.sent().is_empty());
    }
}

#[test]
fn a_new_key_is_handed_over_first_and_checked_after() {
    for profile in CRESCENDO {
        let desk = daring(profile);
        let mut session = desk.open();
        let mut at_hand_over = None;
        let old = factory(profile);
        let mut given = None;
        let mut take = |secret: &RecoverySecret| {
            assert_eq!(secret.kind(), RecoveryKind::XauthKey);
            at_hand_over = Some(desk.sent());
            given = secret.xauth_key();
            true
        };
        let set = session
            .set_admin_key(
                Authority::Pin(PinEntry::Typed(&old)),
                SetKey::Generated,
                &mut take,
                LastTry::Spare,
            )
            .unwrap();
        assert_eq!(set.algorithm, XauthAlgorithm::Tdes);
        assert_eq!(set.recovery, None);
        assert_eq!(at_hand_over.unwrap(), [SELECT, GET_CHALLENGE], "{profile}");
        assert_eq!(
            desk.sent(),
            [
                SELECT,
                VERIFY,
                SELECT,
                VERIFY,
                PUT_KEY,
                GET_CHALLENGE,
                EXTERNAL_AUTHENTICATE
            ],
            "{profile}"
        );
        let given = given.unwrap();
        assert_eq!(session.check_admin_key(&given).unwrap(), KeyCheck::Right);
        assert_eq!(session.check_admin_key(&zeros()).unwrap(), KeyCheck::Wrong);
        // Rotated with the old one as authority.
        let next = key(0x5A);
        let mut take = |_: &RecoverySecret| true;
        session
            .set_admin_key(
                Authority::AdminKey(&given),
                SetKey::Given(key(0x5A)),
                &mut take,
                LastTry::Spare,
            )
            .unwrap();
        assert_eq!(session.check_admin_key(&next).unwrap(), KeyCheck::Right);
        let unblocked = session.unblock_with_key(&next, &pin("271828")).unwrap();
        assert_eq!(unblocked.after, PinStatus::TriesLeft(limit(profile)));
    }
}

#[test]
fn the_algorithm_is_the_token_s() {
    let options = CreateOptions::default()
        .seed(9)
        .xauth_key(SymmetricAlgorithm::Aes128);
    let card = VirtualToken::create(Profile::Crescendo2300, &options).unwrap();
    let desk = Desk::with_state(card.to_state()).daring();
    let mut session = desk.open();
    let (taken, error) = set(&mut session, Profile::Crescendo2300, SetKey::Generated);
    assert!(error.is_none());
    let given = XauthKey::from_hex(&taken[0]).unwrap();
    assert_eq!(given.algorithm(), XauthAlgorithm::Aes128);
    assert_eq!(session.check_admin_key(&given).unwrap(), KeyCheck::Right);
    let (taken, error) = set(&mut session, Profile::Crescendo2300, SetKey::Given(key(1)));
    assert!(taken.is_empty());
    assert!(
        matches!(error, Some(ActionError::NotSent(NotSent::KeyDoesNotFit(_)))),
        "{error:?}"
    );
}

#[test]
fn a_static_challenge_brings_its_unlock_code_along() {
    let profile = Profile::Crescendo4000;
    let desk = daring(profile);
    let mut session = desk.open();
    let policy = Policy {
        challenge: ChallengeType::Static,
        ..Policy::DELIVERY
    };
    let old = factory(profile);
    session
        .set_policy(PinEntry::Typed(&old), LastTry::Spare, &policy)
        .unwrap();
    let (taken, error) = set(&mut session, profile, SetKey::Generated);
    assert!(error.is_none());
    let challenge = session.unblock_challenge().unwrap();
    let code = crescendo_ext::xauth::XauthCryptogram::from_hex(&taken[1]).unwrap();
    session
        .unblock_with_response(&challenge, &code, &pin("271828"))
        .unwrap();
}

#[test]
fn what_must_not_or_can_t_be_set_is_not_sent() {
    let profile = Profile::Crescendo2300;
    let desk = daring(profile);
    let before = desk.picture();
    let mut session = desk.open();
    let (_, error) = set(&mut session, profile, SetKey::Given(zeros()));
    assert!(
        matches!(error, Some(ActionError::NotSent(NotSent::DeliveryKey))),
        "{error:?}"
    );
    let mut take = |_: &RecoverySecret| true;
    let error = session
        .set_admin_key(
            Authority::AdminKey(&key(3)),
            SetKey::Given(key(3)),
            &mut take,
            LastTry::Spare,
        )
        .unwrap_err();
    assert!(
        matches!(error, ActionError::NotSent(NotSent::SameAsOld { .. })),
        "{error}"
    );
    assert!(desk.sent().is_empty());
    // Not taken over: the token does not get it.
    let old = factory(profile);
    let mut refuse = |_: &RecoverySecret| false;
    let error = session
        .set_admin_key(
            Authority::Pin(PinEntry::Typed(&old)),
            SetKey::Generated,
            &mut refuse,
            LastTry::Spare,
        )
        .unwrap_err();
    assert!(
        matches!(
            error,
            ActionError::NotTakenOver {
                secret: Secret::AdminKey,
                aftermath: Aftermath::Unchanged
            }
        ),
        "{error}"
    );
    assert_eq!(desk.sent(), [SELECT, GET_CHALLENGE]);
    assert_eq!(desk.picture(), before);
    // Asked for by name, the delivery value is set.
    let (_, error) = set(&mut session, profile, SetKey::Generated);
    assert!(error.is_none());
    let (_, error) = set(&mut session, profile, SetKey::Delivery);
    assert!(error.is_none());
    assert_eq!(session.check_admin_key(&zeros()).unwrap(), KeyCheck::Right);
}

#[test]
fn others_tokens_and_plain_piv_have_no_such_thing() {
    let piv = Desk::new(Profile::Piv, Content::Personal).daring();
    let (_, error) = set(&mut piv.open(), Profile::Piv, SetKey::Generated);
    assert!(
        matches!(
            error,
            Some(ActionError::Unavailable {
                action: Action::ChangeAdminKey,
                reason: Reason::NotInStandard
            })
        ),
        "{error:?}"
    );
    let desk = Desk::new(Profile::Crescendo2300, Content::Personal);
    let (_, error) = set(&mut desk.open(), Profile::Crescendo2300, SetKey::Generated);
    assert!(
        matches!(
            error,
            Some(ActionError::Unavailable {
                reason: Reason::ManagementUnknown,
                ..
            })
        ),
        "{error:?}"
    );
    assert!(desk.sent().is_empty() && piv.sent().is_empty());
}

/// Whatever happens, the person holds the key that the token has.
#[test]
fn pulled_out_anywhere_one_of_the_two_keys_holds() {
    for profile in CRESCENDO {
        for fault in LOSSES {
            for k in 1.. {
                let desk = daring(profile);
                let mut session = desk.open_with(k, fault.clone());
                let (taken, error) = set(&mut session, profile, SetKey::Generated);
                drop(session);
                let mut session = desk.open();
                let full = PinStatus::TriesLeft(limit(profile));
                assert_eq!(session.token().pin.status, full, "{profile} {fault:?} {k}");
                let holds = |session: &mut Session, key: &XauthKey| {
                    session.check_admin_key(key).unwrap() == KeyCheck::Right
                };
                let new = taken.first().map(|text| XauthKey::from_hex(text).unwrap());
                let has_new = new.as_ref().is_some_and(|new| holds(&mut session, new));
                let has_old = holds(&mut session, &zeros());
                assert!(has_new != has_old, "{profile} {fault:?} {k}");
                match error {
                    Some(ActionError::Interrupted { aftermath, .. }) => assert!(
                        has_old || aftermath == Aftermath::KeyOldOrNew,
                        "{aftermath:?}"
                    ),
                    Some(other) => panic!("{other}"),
                    None => {
                        assert!(has_new);
                        break;
                    }
                }
                // Once more, and it is done.
                let (_, error) = set(&mut session, profile, SetKey::Generated);
                assert!(error.is_none());
            }
        }
    }
}

#[test]
fn a_card_that_only_says_yes_is_found_out() {
    let profile = Profile::Crescendo2300;
    let desk = daring(profile);
    let mut session = desk.open();
    desk.card
        .arm(Faults::new().at(7, Fault::Answer(vec![0x90, 0x00])));
    let (_, error) = set(&mut session, profile, SetKey::Generated);
    assert!(
        matches!(error, Some(ActionError::NotConfirmed { .. })),
        "{error:?}"
    );
}

#[test]
fn a_kept_key_is_replaced_where_it_is_kept() {
    let profile = Profile::Crescendo2300;
    for place in [RecoveryPlace::Token, RecoveryPlace::Host] {
        let desk = Desk::new(profile, Content::Empty).daring();
        let mut session = desk.open();
        let old = factory(profile);
        let entry = PinEntry::Typed(&old);
        let first = RecoverySecret::new(RecoveryKind::XauthKey, &[0; 24]).unwrap();
        session
            .keep_recovery(entry, LastTry::Spare, None, place, &first)
            .unwrap();
        let (taken, error) = set(&mut session, profile, SetKey::Generated);
        assert!(error.is_none());
        let shown = session.view_puk(entry, LastTry::Spare).unwrap();
        assert_eq!(*shown.reveal(), taken[0], "{place:?}");
        // The admin key does not open what the PIN protects.
        let held = shown.xauth_key().unwrap();
        let mut take = |_: &RecoverySecret| true;
        let set = session
            .set_admin_key(
                Authority::AdminKey(&held),
                SetKey::Given(key(7)),
                &mut take,
                LastTry::Spare,
            )
            .unwrap();
        let shown = session.view_puk(entry, LastTry::Spare);
        if place == RecoveryPlace::Host {
            assert_eq!(set.recovery, Some(place));
            assert_eq!(shown.unwrap().xauth_key().unwrap(), key(7));
        } else {
            assert_eq!(set.recovery, Some(RecoveryPlace::Nowhere));
            assert!(
                matches!(
                    shown,
                    Err(ActionError::Unavailable {
                        reason: Reason::NotKept,
                        ..
                    })
                ),
                "{shown:?}"
            );
        }
    }
}
