//! Plans: each says beforehand, sending nothing, which steps an action will take,
//! and what came of each is told by the same names and in the same order.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

mod desk;

use std::sync::{Arc, LazyLock, Mutex};

use crescendo_ext::xauth::{XauthCryptogram, XauthKey};
use piv_apdu::secret::Puk;
use token_manager::token_profile::{Alphabet, ChallengeType, Policy, RecoveryKind};
use token_manager::{
    ActionError, Authority, LastTry, Outcome, PinChangeEntry, PinEntry, Plan, RecoveryPlace,
    RecoverySecret, Session, SetKey, UnblockWith,
};
use virtual_token::{Content, Profile, TokenState};

use desk::{Desk, LOSSES, factory, management_key, pin};

const CRESCENDO: &[Profile] = &[
    Profile::Crescendo2300,
    Profile::Crescendo4000,
    Profile::CrescendoKey,
];
const WITH_PUK: &[Profile] = &[Profile::Crescendo4000, Profile::Piv];
const PUK: &[u8] = b"12345678";
const NEW_PUK: &[u8] = b"86421357";
const NEW_PIN: &str = "271828";
const STRICT: Policy = Policy {
    minimum: 6,
    alphabet: Alphabet::Digits,
    force_change: true,
    ..Policy::DELIVERY
};

/// An action, the token that it is done on, and which of its steps turn out to be
/// of no need.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    profiles: &'static [Profile],
    desk: fn(Profile) -> Desk,
    plan: fn(&Session) -> Result<Plan, ActionError>,
    act: fn(&mut Session, Profile) -> Result<(), ActionError>,
    skipped: &'static [&'static str],
}

/// A token of each kind, whose protected object is free.
static TOKENS: LazyLock<Vec<TokenState>> = LazyLock::new(|| {
    let free = |profile| {
        let state = Desk::new(profile, Content::Personal).state();
        let mut state = serde_json::to_value(state).unwrap();
        state["objects"]["5FC109"]["content"] = "".into();
        serde_json::from_value(state).unwrap()
    };
    Profile::ALL.map(free).to_vec()
});

fn used(profile: Profile) -> Desk {
    let state = TOKENS.iter().find(|state| state.profile() == profile);
    Desk::with_state(state.unwrap().clone()).daring()
}

/// Whose recovery secret is kept here.
fn keeping(profile: Profile, kind: RecoveryKind, place: RecoveryPlace) -> Desk {
    let desk = used(profile);
    let value: &[u8] = if kind == RecoveryKind::Puk {
        PUK
    } else {
        &[0; 24]
    };
    let secret = RecoverySecret::new(kind, value).unwrap();
    keep(&mut desk.open(), profile, place, &secret).unwrap();
    desk
}

fn keep(
    session: &mut Session,
    profile: Profile,
    place: RecoveryPlace,
    secret: &RecoverySecret,
) -> Result<(), ActionError> {
    let key = management_key();
    let key = (profile == Profile::Piv).then_some(&key);
    let pin = factory(profile);
    session.keep_recovery(PinEntry::Typed(&pin), LastTry::Spare, key, place, secret)
}

fn puk_on_token(profile: Profile) -> Desk {
    keeping(profile, RecoveryKind::Puk, RecoveryPlace::Token)
}

fn puk_on_host(profile: Profile) -> Desk {
    keeping(profile, RecoveryKind::Puk, RecoveryPlace::Host)
}

fn key_on_token(profile: Profile) -> Desk {
    keeping(profile, RecoveryKind::XauthKey, RecoveryPlace::Token)
}

fn key_on_host(profile: Profile) -> Desk {
    keeping(profile, RecoveryKind::XauthKey, RecoveryPlace::Host)
}

fn forgotten(profile: Profile) -> Desk {
    let desk = puk_on_token(profile);
    forget(&mut desk.open(), profile).unwrap();
    desk
}

/// Whose challenge is always the same.
fn fixed(profile: Profile) -> Desk {
    let desk = used(profile);
    let policy = Policy {
        challenge: ChallengeType::Static,
        ..Policy::DELIVERY
    };
    set_policy(&mut desk.open(), profile, &policy).unwrap();
    desk
}

fn forget(session: &mut Session, profile: Profile) -> Result<(), ActionError> {
    let pin = factory(profile);
    let pin = PinEntry::Typed(&pin);
    if profile == Profile::Piv {
        return session.forget_recovery_with_key(pin, LastTry::Spare, &management_key());
    }
    session.forget_recovery(pin, LastTry::Spare)
}

fn set_policy(session: &mut Session, profile: Profile, policy: &Policy) -> Result<(), ActionError> {
    let pin = factory(profile);
    session
        .set_policy(PinEntry::Typed(&pin), LastTry::Spare, policy)
        .map(drop)
}

fn set_key(session: &mut Session, authority: Authority<'_>) -> Result<(), ActionError> {
    session
        .set_admin_key(authority, SetKey::Generated, &mut |_| true, LastTry::Spare)
        .map(drop)
}

fn set_key_by_pin(session: &mut Session, profile: Profile) -> Result<(), ActionError> {
    let pin = factory(profile);
    set_key(session, Authority::Pin(PinEntry::Typed(&pin)))
}

fn change_puk(session: &mut Session, _: Profile) -> Result<(), ActionError> {
    let (old, new) = (Puk::new(PUK).unwrap(), Puk::new(NEW_PUK).unwrap());
    session.change_puk(&old, &new, LastTry::Spare)
}

fn unblock_by_hand(session: &mut Session, _: Profile) -> Result<(), ActionError> {
    let challenge = session.unblock_challenge()?;
    let response = delivery_key().cryptogram(challenge.challenge()).unwrap();
    session
        .unblock_with_response(&challenge, &response, &pin(NEW_PIN))
        .map(drop)
}

fn unblock_with_code(session: &mut Session, _: Profile) -> Result<(), ActionError> {
    let challenge = session.unblock_challenge()?;
    let code = delivery_key().cryptogram(challenge.challenge()).unwrap();
    session.unblock_with_code(&code, &pin(NEW_PIN)).map(drop)
}

fn delivery_key() -> XauthKey {
    XauthKey::from_slice(&[0; 24]).unwrap()
}

/// Every action that has a plan, but those with a journal: of recycle and
/// personalize their own tests say the same.
fn cases() -> Vec<Case> {
    let mut cases = of_the_pin();
    cases.extend(of_the_puk());
    cases.extend(of_what_is_kept());
    cases.extend(of_key_and_policy());
    cases
}

fn case(
    name: &'static str,
    profiles: &'static [Profile],
    desk: fn(Profile) -> Desk,
    plan: fn(&Session) -> Result<Plan, ActionError>,
    act: fn(&mut Session, Profile) -> Result<(), ActionError>,
) -> Case {
    Case {
        name,
        profiles,
        desk,
        plan,
        act,
        skipped: &[],
    }
}

fn skipping(skipped: &'static [&'static str], case: Case) -> Case {
    Case { skipped, ..case }
}

fn of_the_pin() -> Vec<Case> {
    vec![
        case(
            "change the PIN",
            &Profile::ALL,
            used,
            Session::plan_change_pin,
            |session, profile| {
                let (old, new) = (factory(profile), pin(NEW_PIN));
                let entry = PinChangeEntry::Typed {
                    old: &old,
                    new: &new,
                };
                session.change_pin(entry, LastTry::Spare).map(drop)
            },
        ),
        case(
            "unblock with the PUK",
            WITH_PUK,
            used,
            |session| session.plan_unblock(UnblockWith::Puk),
            |session, _| {
                let puk = Puk::new(PUK).unwrap();
                session
                    .unblock_with_puk(&puk, &pin(NEW_PIN), LastTry::Spare)
                    .map(drop)
            },
        ),
        case(
            "unblock with the response",
            CRESCENDO,
            used,
            |session| session.plan_unblock(UnblockWith::Response),
            unblock_by_hand,
        ),
        case(
            "unblock with the admin key",
            CRESCENDO,
            used,
            |session| session.plan_unblock(UnblockWith::AdminKey),
            |session, _| {
                session
                    .unblock_with_key(&delivery_key(), &pin(NEW_PIN))
                    .map(drop)
            },
        ),
    ]
}

fn of_the_puk() -> Vec<Case> {
    vec![
        case(
            "change a PUK of which nothing is noted",
            WITH_PUK,
            used,
            Session::plan_change_puk,
            change_puk,
        ),
        case(
            "change a PUK that the token keeps",
            WITH_PUK,
            puk_on_token,
            Session::plan_change_puk,
            change_puk,
        ),
        case(
            "change a PUK that the host keeps",
            WITH_PUK,
            puk_on_host,
            Session::plan_change_puk,
            change_puk,
        ),
        skipping(
            &["keep-recovery"],
            case(
                "change the PUK where the host keeps a key",
                &[Profile::Crescendo4000],
                key_on_host,
                Session::plan_change_puk,
                change_puk,
            ),
        ),
        case(
            "change a PUK that was forgotten",
            WITH_PUK,
            forgotten,
            Session::plan_change_puk,
            change_puk,
        ),
    ]
}

fn of_what_is_kept() -> Vec<Case> {
    vec![
        case(
            "forget on the token",
            &Profile::ALL,
            puk_on_token,
            Session::plan_forget_recovery,
            forget,
        ),
        skipping(
            &["erase-recovery"],
            case(
                "forget on the host",
                &Profile::ALL,
                puk_on_host,
                Session::plan_forget_recovery,
                forget,
            ),
        ),
        skipping(
            &["erase-recovery"],
            case(
                "forget on the host without the management key",
                &[Profile::Piv],
                puk_on_host,
                Session::plan_forget_recovery,
                |session, profile| {
                    let pin = factory(profile);
                    session.forget_recovery(PinEntry::Typed(&pin), LastTry::Spare)
                },
            ),
        ),
        case(
            "keep on the token what the host kept",
            &Profile::ALL,
            puk_on_host,
            |session| session.plan_keep_recovery(RecoveryPlace::Token),
            |session, profile| {
                let puk = RecoverySecret::new(RecoveryKind::Puk, NEW_PUK).unwrap();
                keep(session, profile, RecoveryPlace::Token, &puk)
            },
        ),
        case(
            "keep on the host what the token kept",
            &Profile::ALL,
            puk_on_token,
            |session| session.plan_keep_recovery(RecoveryPlace::Host),
            |session, profile| {
                let puk = RecoverySecret::new(RecoveryKind::Puk, NEW_PUK).unwrap();
                keep(session, profile, RecoveryPlace::Host, &puk)
            },
        ),
        case(
            "keep nowhere what the token kept",
            &Profile::ALL,
            puk_on_token,
            |session| session.plan_keep_recovery(RecoveryPlace::Nowhere),
            |session, profile| {
                let puk = RecoverySecret::new(RecoveryKind::Puk, NEW_PUK).unwrap();
                keep(session, profile, RecoveryPlace::Nowhere, &puk)
            },
        ),
    ]
}

fn of_key_and_policy() -> Vec<Case> {
    vec![
        case(
            "set the admin key",
            CRESCENDO,
            used,
            Session::plan_admin_key,
            set_key_by_pin,
        ),
        case(
            "set an admin key that the host keeps",
            CRESCENDO,
            key_on_host,
            Session::plan_admin_key,
            set_key_by_pin,
        ),
        case(
            "set an admin key that the token keeps",
            CRESCENDO,
            key_on_token,
            Session::plan_admin_key,
            set_key_by_pin,
        ),
        skipping(
            &["keep-recovery"],
            case(
                "set an admin key that the token keeps, with the old one",
                CRESCENDO,
                key_on_token,
                Session::plan_admin_key,
                |session, _| set_key(session, Authority::AdminKey(&delivery_key())),
            ),
        ),
        case(
            "set the policy",
            &Profile::ALL,
            used,
            |session| session.plan_policy(&STRICT),
            |session, profile| set_policy(session, profile, &STRICT),
        ),
    ]
}

type Told = Arc<Mutex<Vec<(&'static str, Outcome)>>>;

/// A session whose steps are noted as they are told.
fn watched(mut session: Session) -> (Session, Told) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&told);
    session.watch_steps(move |report| {
        notes
            .lock()
            .unwrap()
            .push((report.id, report.outcome.clone()));
    });
    (session, told)
}

fn ids(plan: &Plan) -> Vec<&'static str> {
    plan.steps.iter().map(|step| step.id).collect()
}

#[test]
fn what_was_planned_is_told_to_be_done_step_by_step() {
    for case in cases() {
        for &profile in case.profiles {
            let desk = (case.desk)(profile);
            let (mut session, told) = watched(desk.open());
            let plan = (case.plan)(&session).unwrap();
            assert!(desk.sent().is_empty(), "{} sends", case.name);
            (case.act)(&mut session, profile).unwrap();
            let what = format!("{} on {profile}", case.name);
            let told = told.lock().unwrap();
            let told_ids: Vec<_> = told.iter().map(|(id, _)| *id).collect();
            assert_eq!(told_ids, ids(&plan), "{what}");
            for (id, outcome) in told.iter() {
                let expected = if case.skipped.contains(id) {
                    "skipped"
                } else {
                    "done"
                };
                assert_eq!(outcome.id(), expected, "{what}: {id}, {outcome:?}");
            }
        }
    }
}

#[test]
fn an_unlock_code_is_planned_only_where_the_challenge_is_static() {
    let profile = Profile::Crescendo4000;
    let fixed = fixed(profile);
    let (mut session, told) = watched(fixed.open());
    let plan = session.plan_unblock(UnblockWith::UnlockCode).unwrap();
    assert!(fixed.sent().is_empty());
    unblock_with_code(&mut session, profile).unwrap();
    // The first one is that of the test, which looks for the code.
    let told: Vec<_> = told.lock().unwrap().iter().map(|(id, _)| *id).collect();
    assert_eq!(told[1..], ids(&plan));

    for profile in Profile::ALL {
        let desk = used(profile);
        let (mut session, told) = watched(desk.open());
        let plan = session.plan_unblock(UnblockWith::UnlockCode);
        let code = XauthCryptogram::from_hex("0123456789ABCDEF").unwrap();
        let done = session.unblock_with_code(&code, &pin(NEW_PIN));
        assert_eq!(
            plan.unwrap_err().to_string(),
            done.unwrap_err().to_string(),
            "{profile}"
        );
        assert!(desk.sent().is_empty() && told.lock().unwrap().is_empty());
    }
}

/// Wherever the token is pulled out: what is told is what was planned, in order,
/// and only the last of it may have failed.
#[test]
fn what_fails_is_the_last_that_is_told() {
    for case in cases() {
        for &profile in case.profiles {
            let calm = (case.desk)(profile);
            (case.act)(&mut calm.open(), profile).unwrap();
            let whole = calm.card.commands();
            assert!(whole > 0, "{}", case.name);
            for fault in LOSSES {
                for k in 1..=whole {
                    let desk = (case.desk)(profile);
                    let (mut session, told) = watched(desk.open_with(k, fault.clone()));
                    let plan = ids(&(case.plan)(&session).unwrap());
                    let result = (case.act)(&mut session, profile);
                    let what = format!("{} on {profile}, {fault:?} at {k}", case.name);
                    let told = told.lock().unwrap();
                    let told_ids: Vec<_> = told.iter().map(|(id, _)| *id).collect();
                    assert!(plan.starts_with(&told_ids), "{what}: {told_ids:?}");
                    let failed = |(_, outcome): &(_, Outcome)| outcome.id() == "failed";
                    if let Some((_, before)) = told.split_last() {
                        assert!(!before.iter().any(failed), "{what}: {told:?}");
                    }
                    let last_failed = told.last().filter(|it| failed(it)).map(|(id, _)| *id);
                    match result {
                        Err(error) if last_failed.is_some() => {
                            let reason = told.last().and_then(|(_, it)| it.reason());
                            assert_eq!(reason, Some(error.to_string().as_str()), "{what}");
                        }
                        // Nothing was begun, or not yet the next step.
                        Err(_) => assert!(told.len() < plan.len(), "{what}: {told:?}"),
                        // It is unblocked, though the token was gone before it said so.
                        Ok(()) => assert!(
                            matches!(last_failed, None | Some("tries-left")),
                            "{what}: {told:?}"
                        ),
                    }
                }
            }
        }
    }
}

#[test]
fn a_refusal_is_told_where_it_happens_and_one_of_the_host_s_not_at_all() {
    type Act = fn(&mut Session) -> Result<(), ActionError>;
    let acts: [(Act, &[(&str, &str)]); 6] = [
        (
            |session| {
                let (old, new) = (pin("314159"), pin(NEW_PIN));
                let entry = PinChangeEntry::Typed {
                    old: &old,
                    new: &new,
                };
                session.change_pin(entry, LastTry::Spare).map(drop)
            },
            &[("change-pin", "failed")],
        ),
        (
            |session| {
                let wrong = pin("314159");
                session.forget_recovery(PinEntry::Typed(&wrong), LastTry::Spare)
            },
            &[("verify-pin", "failed")],
        ),
        (
            // There is none.
            |session| forget(session, Profile::Crescendo4000),
            &[("verify-pin", "done"), ("erase-recovery", "failed")],
        ),
        (
            |session| {
                let right = factory(Profile::Crescendo4000);
                let authority = Authority::Pin(PinEntry::Typed(&right));
                session
                    .set_admin_key(authority, SetKey::Generated, &mut |_| false, LastTry::Spare)
                    .map(drop)
            },
            &[("challenge", "done"), ("hand-over", "failed")],
        ),
        (
            |session| {
                let wrong = XauthKey::from_slice(&[7; 24]).unwrap();
                session.unblock_with_key(&wrong, &pin(NEW_PIN)).map(drop)
            },
            &[("challenge", "done"), ("external-authenticate", "failed")],
        ),
        (
            |session| {
                let (old, new) = (factory(Profile::Crescendo4000), pin("123"));
                let entry = PinChangeEntry::Typed {
                    old: &old,
                    new: &new,
                };
                session.change_pin(entry, LastTry::Spare).map(drop)
            },
            &[],
        ),
    ];
    for (act, expected) in acts {
        let desk = used(Profile::Crescendo4000);
        let (mut session, told) = watched(desk.open());
        act(&mut session).unwrap_err();
        let told = told.lock().unwrap();
        let told: Vec<_> = told
            .iter()
            .map(|(id, outcome)| (*id, outcome.id()))
            .collect();
        assert_eq!(told, expected);
    }
}
