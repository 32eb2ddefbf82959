//! Random sequences of actions, of other programs and of hosts in between, held
//! against a simple model of a token: how each ends, what the card has after it,
//! what it cost, and that the token is locked.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

#[path = "../desk/mod.rs"]
mod desk;
mod oracle;
mod rig;
mod script;
#[path = "../sight/mod.rs"]
mod sight;

use std::collections::BTreeMap;
use std::sync::Mutex;

use piv_apdu::key::KeyReference;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use token_manager::token_profile::Policy;
use token_manager::{LastTry, RecoveryPlace};
use virtual_token::{Content, CreateOptions, KeyAlgorithm, Profile, TokenState, VirtualToken};

use desk::Desk;
use oracle::Model;
use rig::Rig;
use script::{Before, Given, Keep, Named, Script, Setup, Step};
use sight::{Sight, is_open};

/// Sequences for each profile.
const CASES: u32 = 4000;

/// Empty, but for a plain PIV card: without its CHUID nothing tells it from
/// another.
fn fresh(profile: Profile) -> TokenState {
    let mut options = CreateOptions::default().seed(profile as u64);
    options = if profile == Profile::Piv {
        options.key(KeyReference::PIV_AUTHENTICATION, KeyAlgorithm::EccP256)
    } else {
        options.content(Content::Empty)
    };
    let state = VirtualToken::create(profile, &options).unwrap().to_state();
    let mut state = serde_json::to_value(state).unwrap();
    state["objects"]["5FC109"]["content"] = "".into();
    serde_json::from_value(state).unwrap()
}

fn hold(profile: Profile, script: &Script, state: &TokenState) -> Result<Vec<String>, String> {
    let mut rig = Rig::new(Desk::with_state(state.clone()).daring());
    let mut model = Model::new(profile);
    let mut ends = Vec::new();
    for (number, step) in script.0.iter().enumerate() {
        let before = model.clone();
        rig.desk.card.clear_log();
        let found = rig.step(step, &before);
        let expected = model.step(step, &rig.handed);
        let wrong = |what: &str| format!("step {number}: {step:?}: {what}\nbefore: {before:?}");
        if found != expected {
            return Err(wrong(&format!("ended as {found:?}, not as {expected:?}")));
        }
        compare(&rig, &model).map_err(|what| wrong(&what))?;
        sent(&rig, step, &found).map_err(|what| wrong(&what))?;
        // A look is another program's, so it is not taken each time.
        if number % 2 == 1 && is_open(&rig.desk.card) != model.open {
            return Err(wrong(&format!("open, or not: {}", model.open)));
        }
        let name = format!("{step:?}");
        let name = name.split('(').next().unwrap_or_default();
        let found = found.split('(').next().unwrap_or_default();
        ends.push(format!("{name}: {found}"));
    }
    Ok(ends)
}

fn hex(key: Option<&[u8]>) -> String {
    let pairs = key.unwrap_or_default().iter();
    pairs
        .map(|byte| format!("{byte:02X}"))
        .collect::<Vec<_>>()
        .concat()
}

/// The card is what the model is, and what the host keeps, too.
fn compare(rig: &Rig, model: &Model) -> Result<(), String> {
    let found = Sight::of(&rig.desk.card);
    let protected = found.protected.as_ref();
    let same = found.pin.value == model.pin
        && found.pin.tries == model.tries
        && found.puk.as_ref().map(|puk| (&puk.value, puk.tries))
            == model.puk.as_ref().map(|(value, tries)| (value, *tries))
        && found.admin
            == model
                .admin
                .as_ref()
                .map(|admin| (hex(admin.key.as_deref()), admin.unlocks))
        && found.force_change == (model.enforces() && model.policy.force_change)
        && found.personalized == (model.enforces() && model.personalized)
        && protected.is_some_and(|it| !it.is_empty()) == model.kept.token.is_some()
        && rig.keeps_secret() == model.kept.host.is_some();
    if same {
        Ok(())
    } else {
        Err(format!("the card has {found:?}, not {model:?}"))
    }
}

/// At most one command had a PIN or PUK in it; none if nothing was sent. Only a
/// personalization has more to present, of which one may be wrong; and a token that
/// was erased may be offered its delivery PIN besides.
fn sent(rig: &Rig, step: &Step, end: &str) -> Result<(), String> {
    let presents = |ins| matches!(ins, 0x20 | 0x24 | 0x2C);
    let log = rig.desk.card.log();
    let personalizes = matches!(step, Step::Personalize(..));
    let secrets = log
        .iter()
        .filter(|it| presents(it.ins) && it.lc > 0)
        .filter(|it| !personalizes || it.status.is_none_or(|status| !status.is_success()));
    let most = match (step, end) {
        // The card says so.
        (_, "! change first") => 1,
        (_, end) if end.starts_with('!') => 0,
        (Step::Reload | Step::RefreshPinStatus | Step::CheckAdminKey(_), _) => 0,
        (Step::Recycle(..), _) => 2,
        _ => 1,
    };
    match secrets.count() {
        count if count <= most => Ok(()),
        count => Err(format!("{count} commands had a secret in them: {log:?}")),
    }
}

/// Runs the sequences, and gives every end that some step came to, and how often.
fn run(profile: Profile) -> BTreeMap<String, usize> {
    let state = fresh(profile);
    let all_ends = Mutex::new(BTreeMap::new());
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        max_shrink_iters: 4096,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&script::script(), |script| {
        let ends = hold(profile, &script, &state).map_err(TestCaseError::fail)?;
        let mut all_ends = all_ends.lock().unwrap();
        for end in ends {
            *all_ends.entry(end).or_default() += 1;
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{profile}: {error}");
    }
    all_ends.into_inner().unwrap()
}

/// Ends that the sequences have to reach, or they say little.
fn assert_reached(profile: Profile, reached: &BTreeMap<String, usize>, ends: &[&str]) {
    for end in ends {
        assert!(
            reached.contains_key(*end),
            "{profile}: {end:?} in {reached:#?}"
        );
    }
}

const EVERYWHERE: &[&str] = &[
    "Authenticate: done",
    "Authenticate: blocked Pin",
    "Authenticate: ! blocked Pin",
    "Authenticate: ! last try Pin",
    "Authenticate: ! cannot be Pin",
    "ChangePin: done",
    "ChangePin: ! new PIN",
    "ChangePin: ! same Pin",
    "SetPolicy: done",
    "SetPolicy: ! policy",
    "RefreshPinStatus: verified",
    "AuthenticateOnPad: done",
    "AuthenticateOnPad: wrong Pin 1",
    "AuthenticateOnPad: ! pad PinLength",
    "AuthenticateOnPad: ! pad Cancelled",
    "ChangePinOnPad: done",
    "ChangePinOnPad: ! pad NewPinsDiffer",
    "KeepRecovery: done",
    "ViewPuk: shown Puk",
    "ViewPuk: shown Key",
    "ViewPuk: unavailable",
    "ForgetRecovery: done",
    "Personalize: done",
    "Personalize: not taken",
    "Personalize: ! new PIN",
];

/// Where there is RESET CARD.
const CRESCENDO: &[&str] = &[
    "Recycle: done",
    "Recycle: ! unconfirmed",
    "Recycle: wrong AdminKey",
    // There is none after an erasure.
    "CheckAdminKey: refused",
];

#[test]
fn a_crescendo_2300_is_what_the_model_says() {
    let profile = Profile::Crescendo2300;
    let reached = run(profile);
    assert_reached(profile, &reached, EVERYWHERE);
    assert_reached(profile, &reached, CRESCENDO);
    assert_reached(
        profile,
        &reached,
        &[
            "UnblockWithCode: ! no fixed challenge",
            "UnblockWithKey: done",
            "UnblockWithResponse: ! challenge lost",
            "UnblockWithPuk: unavailable",
            "SetAdminKeyByKey: done",
        ],
    );
}

#[test]
fn a_crescendo_key_is_what_the_model_says() {
    let profile = Profile::CrescendoKey;
    let reached = run(profile);
    assert_reached(profile, &reached, EVERYWHERE);
    assert_reached(profile, &reached, CRESCENDO);
}

#[test]
fn a_crescendo_4000_is_what_the_model_says() {
    let profile = Profile::Crescendo4000;
    let reached = run(profile);
    assert_reached(profile, &reached, EVERYWHERE);
    assert_reached(profile, &reached, CRESCENDO);
    assert_reached(
        profile,
        &reached,
        &[
            "UnblockWithCode: done",
            "UnblockWithCode: wrong UnlockCode",
            "Personalize: wrong Puk 5",
            "Authenticate: ! change first",
            "UnblockWithPuk: done",
            "UnblockWithKey: done",
            "SetAdminKeyByPin: done",
        ],
    );
}

#[test]
fn a_plain_piv_card_is_what_the_model_says() {
    let profile = Profile::Piv;
    let reached = run(profile);
    assert_reached(profile, &reached, EVERYWHERE);
    assert_reached(
        profile,
        &reached,
        &[
            "UseKey: done",
            "UnblockWithPuk: done",
            "UnblockWithPuk: ! last try Puk",
            "UnblockWithPuk: ! blocked Puk",
            "UnblockWithPuk: blocked Puk",
            "ChangePuk: done",
            "UnblockWithKey: unavailable",
            "Recycle: unavailable",
            "Personalize: wrong Puk 2",
            "Personalize: ! not as delivered",
        ],
    );
}

/// What the session does after it has locked the token uses the card: a reset then is
/// another's.
fn hold_before_a_reset(steps: Vec<Step>) {
    let profile = Profile::Crescendo2300;
    let mut script = Script(steps);
    script.0.extend([
        Step::OtherResets,
        Step::OtherVerifiesRight,
        Step::RefreshPinStatus,
    ]);
    if let Err(error) = hold(profile, &script, &fresh(profile)) {
        panic!("{error}");
    }
}

#[test]
fn another_s_reset_after_secrets_that_were_not_taken_is_seen() {
    let setup = Setup {
        before: Before::Delivery,
        pin: Given::Text("271828"),
        recovery: RecoveryPlace::Nowhere,
        policy: Named("delivery", Policy::DELIVERY),
        erase_first: None,
        takes: false,
    };
    hold_before_a_reset(vec![Step::Personalize(setup, LastTry::Spare)]);
}

#[test]
fn another_s_reset_after_a_secret_of_the_host_was_shown_is_seen() {
    let keep = Keep::Puk(Given::Text("12345678"));
    let (pin, last) = (Given::Present, LastTry::Spare);
    hold_before_a_reset(vec![
        Step::KeepRecovery(pin, RecoveryPlace::Host, keep, last),
        Step::ViewPuk(pin, last),
    ]);
}
