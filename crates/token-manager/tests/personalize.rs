//! Personalize: a token is set up for a person, who holds every secret of it at
//! every moment, wherever it is interrupted.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

mod desk;

use crescendo_ext::xauth::{XauthCryptogram, XauthKey};
use ctap_apdu::FidoPin;
use piv_apdu::secret::{Pin, Puk};
use token_manager::token_profile::{Alphabet, ChallengeType, Policy, RecoveryKind};
use token_manager::{
    Action, ActionError, Aftermath, Authority, KeyCheck, LastTry, NotSent, Outcome,
    PersonalizeOptions, Personalized, PinChangeEntry, PinEntry, PinStatus, PolicyOccasion,
    PolicyRefusal, PresentSecrets, ProfileState, Reason, RecoveryPlace, RecoverySecret, Secret,
    Session, TokenFamily,
};
use virtual_token::fault::Fault;
use virtual_token::{Content, CreateOptions, Profile, VirtualToken};

use desk::{Desk, GET_DATA, LOSSES, VERIFY, factory, limit, management_key, pin};

const NEW_PIN: &str = "271828";
const PUK: &[u8] = b"12345678";

/// How a token is personalized in a test, and by whom.
struct Case {
    profile: Profile,
    content: Content,
    policy: Policy,
    recovery: RecoveryPlace,
    /// Erased first, with the factory PIN.
    erase: bool,
}

impl Case {
    fn new(profile: Profile) -> Self {
        Self {
            profile,
            content: if profile == Profile::Piv {
                Content::Personal
            } else {
                Content::Empty
            },
            policy: Policy {
                minimum: 6,
                refuse_weak: true,
                alphabet: Alphabet::Digits,
                ..Policy::DELIVERY
            },
            recovery: RecoveryPlace::Nowhere,
            erase: false,
        }
    }

    fn erasing(mut self) -> Self {
        self.content = Content::Personal;
        self.erase = true;
        self
    }

    fn desk(&self) -> Desk {
        Desk::new(self.profile, self.content).daring()
    }
}

/// The secrets in a person's hands.
#[derive(Default)]
struct Hands {
    keys: Vec<XauthKey>,
    puks: Vec<Puk>,
    codes: Vec<XauthCryptogram>,
}

impl Hands {
    fn take(&mut self, secret: &RecoverySecret) -> bool {
        match secret.kind() {
            RecoveryKind::Puk => self.puks.push(secret.puk().unwrap()),
            RecoveryKind::XauthKey => self.keys.push(secret.xauth_key().unwrap()),
            RecoveryKind::UnlockCode => {
                let code = XauthCryptogram::from_hex(&secret.reveal()).unwrap();
                self.codes.push(code);
            }
        }
        true
    }
}

fn run(case: &Case, session: &mut Session, hands: &mut Hands) -> Result<Personalized, ActionError> {
    let old = factory(case.profile);
    let puk = Puk::new(PUK).unwrap();
    let present = if case.profile == Profile::Piv {
        PresentSecrets::Typed {
            pin: &old,
            puk: Some(&puk),
        }
    } else {
        PresentSecrets::Delivery
    };
    let last = hands.puks.last().cloned();
    let confirmation = session.confirmation();
    let mut options = PersonalizeOptions::new(present);
    options.policy = case.policy.clone();
    options.recovery = case.recovery;
    options.recycle_first = case.erase.then_some(confirmation.as_str());
    options.interrupted_puk = last.as_ref();
    let management = management_key();
    let authority = match case.profile {
        Profile::Piv if case.recovery == RecoveryPlace::Token => {
            Some(Authority::ManagementKey(&management))
        }
        _ if case.erase => Some(Authority::Pin(PinEntry::Typed(&old))),
        _ => None,
    };
    session.personalize(
        &options,
        &pin(NEW_PIN),
        authority,
        &mut |secret| hands.take(secret),
        LastTry::Spare,
        &mut |_| {},
    )
}

fn opens(session: &mut Session, pin: &Pin) -> bool {
    session
        .authenticate(PinEntry::Typed(pin), LastTry::Spare)
        .is_ok()
}

/// Everything that the person was given last works, and the old PIN does not.
fn assert_personalized(case: &Case, desk: &Desk, hands: &Hands, what: &str) {
    let mut session = desk.open();
    let token = session.token();
    let profile = token.profile.profile().unwrap();
    assert!(profile.personalized, "{what}");
    assert_eq!(profile.policy, case.policy, "{what}");
    let on_token = matches!(token.profile, ProfileState::OnToken(_));
    assert_eq!(on_token, case.profile == Profile::Crescendo4000, "{what}");
    assert!(token.pin.status.tries_left() >= Some(3), "{what}");
    assert!(session.record().journal.is_none(), "{what}");
    if case.policy.force_change {
        return;
    }
    assert!(opens(&mut session, &pin(NEW_PIN)), "{what}");
    assert!(!opens(&mut session, &factory(case.profile)), "{what}");
    let new = pin("161803");
    if let Some(key) = hands.keys.last() {
        assert_eq!(
            session.check_admin_key(key).unwrap(),
            KeyCheck::Right,
            "{what}"
        );
        session.unblock_with_key(key, &new).unwrap();
    }
    if case.policy.challenge == ChallengeType::Static {
        let challenge = session.unblock_challenge().unwrap();
        let code = hands.codes.last().unwrap();
        session
            .unblock_with_response(&challenge, code, &new)
            .unwrap();
    }
    if let Some(puk) = hands.puks.last() {
        session.unblock_with_puk(puk, &new, LastTry::Spare).unwrap();
        let old = Puk::new(PUK).unwrap();
        assert!(
            session
                .unblock_with_puk(&old, &new, LastTry::Spare)
                .is_err()
        );
    }
    if case.recovery != RecoveryPlace::Nowhere {
        session
            .unblock_by(hands, &new)
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        let shown = session
            .view_puk(PinEntry::Typed(&new), LastTry::Spare)
            .unwrap();
        match shown.kind() {
            RecoveryKind::Puk => assert_eq!(&shown.puk().unwrap(), hands.puks.last().unwrap()),
            _ => assert_eq!(&shown.xauth_key().unwrap(), hands.keys.last().unwrap()),
        }
    }
}

trait UnblockBy {
    fn unblock_by(&mut self, hands: &Hands, new: &Pin) -> Result<(), ActionError>;
}

impl UnblockBy for Session {
    fn unblock_by(&mut self, hands: &Hands, new: &Pin) -> Result<(), ActionError> {
        match (hands.keys.last(), hands.puks.last()) {
            (Some(key), _) => self.unblock_with_key(key, new).map(drop),
            (None, Some(puk)) => self.unblock_with_puk(puk, new, LastTry::Spare).map(drop),
            (None, None) => panic!("nothing in hand"),
        }
    }
}

#[test]
fn a_token_is_set_up_in_a_known_number_of_commands() {
    for profile in Profile::ALL {
        let case = Case::new(profile);
        let desk = case.desk();
        let mut session = desk.open();
        let load = session.token().round_trips;
        let mut hands = Hands::default();
        let before = session.round_trips();
        let done = run(&case, &mut session, &mut hands).unwrap();
        assert!(!done.finished_earlier_run);
        assert_eq!(done.pin, PinStatus::TriesLeft(limit(profile)));
        let again = session.token().round_trips;
        let own = session.round_trips() - before - load - again;
        let expected = match profile {
            // Tries, VERIFY; tries, VERIFY, PUK, PIN, VERIFY; each time logged out,
            // and asked whether it is.
            Profile::Piv => 11,
            // Tries 1, VERIFY 2; challenge 2; tries 2, VERIFY 2, key and its check 3,
            // PIN 1, VERIFY 1.
            Profile::Crescendo2300 | Profile::CrescendoKey => 14,
            // And the PUK with two SELECTs; the policy in a transaction of its
            // own: tries 2, VERIFY 2, SELECT, PUT DATA, GET DATA.
            Profile::Crescendo4000 => 24,
        };
        assert_eq!(own, expected, "{profile}");
        assert_personalized(&case, &desk, &hands, profile.name());
        let kind = if matches!(profile, Profile::Piv | Profile::Crescendo4000) {
            RecoveryKind::Puk
        } else {
            RecoveryKind::XauthKey
        };
        assert_eq!(done.recovery, kind);
        let name = if kind == RecoveryKind::Puk {
            "the PUK"
        } else {
            "the admin key"
        };
        let said = format!(
            "The token is set up. Its PIN is the new one. What unblocks it is {name}, which is with \
             you only."
        );
        assert_eq!(done.sentences(), said);
        assert_eq!(done.leftover(), None);
    }
}

#[test]
fn a_used_token_is_erased_first_if_that_is_confirmed() {
    for profile in [
        Profile::Crescendo2300,
        Profile::CrescendoKey,
        Profile::Crescendo4000,
    ] {
        for recovery in [RecoveryPlace::Token, RecoveryPlace::Host] {
            let mut case = Case::new(profile).erasing();
            case.recovery = recovery;
            let desk = case.desk();
            let mut session = desk.open();
            let mut hands = Hands::default();
            let done = run(&case, &mut session, &mut hands).unwrap();
            let kept = match recovery {
                RecoveryPlace::Token => "on the token",
                _ => "in this computer's secret store",
            };
            assert!(done.sentences().contains(kept), "{}", done.sentences());
            assert!(
                session
                    .token()
                    .certificates
                    .iter()
                    .all(|it| it.certificate().is_none())
            );
            assert_personalized(&case, &desk, &hands, profile.name());
        }
    }
}

/// A policy that shares the PIN, on a token that nobody has set up yet.
fn shared_before_personalized() -> Desk {
    let desk = Desk::new(Profile::Crescendo4000, Content::Empty);
    let mut state = serde_json::to_value(desk.state()).unwrap();
    state["management"]["fido_shared_pin"] = true.into();
    state["pin_format"]["fido_shared_pin"] = true.into();
    Desk::with_state(serde_json::from_value(state).unwrap()).daring()
}

/// What the plan says of the FIDO PIN is what then becomes of it.
#[test]
fn the_plan_says_what_becomes_of_the_fido_pin() {
    let policy = |shared| Policy {
        fido_shared_pin: shared,
        ..Policy::DELIVERY
    };
    let fido_pin = |text| FidoPin::new(text).unwrap();
    let empty = || Desk::new(Profile::Crescendo4000, Content::Empty).daring();
    let with_fido_pin = || {
        let desk = empty();
        desk.open().set_fido_pin(&fido_pin("Bern 22")).unwrap();
        desk
    };
    let old = factory(Profile::Crescendo4000);
    let puk = Puk::new(PUK).unwrap();
    for (what, desk, shared, erase, says) in [
        ("none, not shared", empty(), false, false, None),
        ("its own, not shared", with_fido_pin(), false, false, None),
        (
            "none, shared",
            empty(),
            true,
            false,
            Some("which there is none of yet; FIDO's credentials stay"),
        ),
        (
            "its own, shared",
            with_fido_pin(),
            true,
            false,
            Some("is replaced by the new PIN; FIDO's credentials stay"),
        ),
        (
            "its own, erased, shared",
            with_fido_pin(),
            true,
            true,
            Some("the new PIN becomes the FIDO PIN too"),
        ),
        (
            "shared before, shared",
            shared_before_personalized(),
            true,
            false,
            Some("as the present one is; FIDO's credentials stay"),
        ),
        (
            "shared before, not shared",
            shared_before_personalized(),
            false,
            false,
            Some("is taken away, and FIDO has none until one is set; its credentials stay"),
        ),
    ] {
        let mut session = desk.open();
        let confirmation = session.confirmation();
        let mut options = PersonalizeOptions::new(PresentSecrets::Typed {
            pin: &old,
            puk: Some(&puk),
        });
        options.policy = policy(shared);
        options.recycle_first = erase.then_some(confirmation.as_str());
        let plan = session.plan_personalize(&options).unwrap();
        let step = plan
            .steps
            .iter()
            .find(|it| it.id == "write-policy")
            .unwrap();
        match says {
            Some(says) => assert!(step.text.ends_with(says), "{what}: {}", step.text),
            None => assert_eq!(step.text, "keep the policy", "{what}"),
        }
        let authority = Authority::Pin(PinEntry::Typed(&old));
        session
            .personalize(
                &options,
                &pin(NEW_PIN),
                erase.then_some(authority),
                &mut |_| true,
                LastTry::Spare,
                &mut |_| {},
            )
            .unwrap();
        let mut takes = |text| {
            let changed =
                session.change_fido_pin(&fido_pin(text), &fido_pin("161803"), LastTry::Spare);
            changed.is_ok()
        };
        assert_eq!(
            takes("Bern 22"),
            what == "its own, not shared",
            "{what}: the old one"
        );
        assert_eq!(takes(NEW_PIN), shared, "{what}: the new one");
    }
}

#[test]
fn the_plan_is_what_is_then_done() {
    for profile in Profile::ALL {
        let mut case = Case::new(profile);
        case.recovery = RecoveryPlace::Host;
        if profile == Profile::Crescendo4000 {
            case.policy.challenge = ChallengeType::Static;
            case.policy.fido_shared_pin = true;
        }
        let desk = case.desk();
        let mut session = desk.open();
        let (old, puk) = (factory(profile), Puk::new(PUK).unwrap());
        let mut options = PersonalizeOptions::new(match profile {
            Profile::Piv => PresentSecrets::Typed {
                pin: &old,
                puk: Some(&puk),
            },
            _ => PresentSecrets::Delivery,
        });
        options.policy = case.policy.clone();
        options.recovery = case.recovery;
        let plan = session.plan_personalize(&options).unwrap();
        assert!(desk.sent().is_empty());
        let mut reports = Vec::new();
        let mut hands = Hands::default();
        session
            .personalize(
                &options,
                &pin(NEW_PIN),
                None,
                &mut |secret| hands.take(secret),
                LastTry::Spare,
                &mut |it| reports.push((it.id, it.outcome.clone())),
            )
            .unwrap();
        let planned: Vec<_> = plan.steps.iter().map(|it| (it.id, Outcome::Done)).collect();
        assert_eq!(reports, planned, "{profile}");
        assert_personalized(&case, &desk, &hands, profile.name());
    }
}

/// A policy that is another one in this rule.
fn changed_in(rule: Action, mut policy: Policy) -> Policy {
    match rule {
        Action::UpdatePinLength => policy.minimum = 7,
        Action::UpdatePinAlphabet => policy.alphabet = Alphabet::Digits,
        Action::UpdateForcePinChange => policy.force_change ^= true,
        Action::UpdateChallengeType => policy.challenge = ChallengeType::Static,
        Action::UpdateWeakPinControl => policy.refuse_weak ^= true,
        Action::UpdateFidoSharedPin => policy.fido_shared_pin ^= true,
        other => panic!("{other} sets no rule"),
    }
    policy
}

/// What each rule says of itself is what personalize says to a policy that changes it.
fn assert_rules_tell(session: &Session, erase: bool, what: &str) {
    let (pin, puk) = (pin("31415926"), Puk::new(PUK).unwrap());
    let confirmation = session.confirmation();
    let mut options = PersonalizeOptions::new(PresentSecrets::Typed {
        pin: &pin,
        puk: Some(&puk),
    });
    options.recycle_first = erase.then_some(confirmation.as_str());
    for rule in session.rules() {
        let base = if erase {
            Policy::DELIVERY
        } else {
            session.managed_policy()
        };
        options.policy = changed_in(rule.action, base);
        let refusal = rule.refusal_at(PolicyOccasion::Personalize { erase });
        let plan = session.plan_personalize(&options);
        let id = rule.id;
        assert_eq!(
            refusal.is_some(),
            plan.is_err(),
            "{what}, erase: {erase}, {id}: {refusal:?}, {plan:?}"
        );
    }
}

#[test]
fn which_rules_can_be_set_when_a_token_is_set_up_is_told_before() {
    for profile in Profile::ALL {
        let case = Case::new(profile);
        let desk = case.desk();
        let mut session = desk.open();
        let erasures: &[bool] = match session.plan_recycle() {
            Ok(_) => &[false, true],
            Err(_) => &[false],
        };
        for &erase in erasures {
            assert_rules_tell(&session, erase, profile.name());
        }
        run(&case, &mut session, &mut Hands::default()).unwrap();
        for &erase in erasures {
            assert_rules_tell(&session, erase, &format!("{profile}, set up"));
        }
    }
    // Nothing tells this one from another, so no policy is kept for it.
    let nameless = Desk::new(Profile::Piv, Content::Empty).daring();
    assert_rules_tell(&nameless.open(), false, "nameless");
}

/// What is asked for is what the action does not do without, and nothing else.
#[test]
fn what_a_token_is_set_up_with_is_told_before() {
    for profile in Profile::ALL {
        let case = Case::new(profile);
        let desk = case.desk();
        let mut session = desk.open();
        for is_set_up in [false, true] {
            let what = format!("{profile}, set up: {is_set_up}");
            for has_others in [false, true] {
                assert_needs(&session, has_others, is_set_up, &what);
            }
            let erased = session
                .token()
                .personalize_needs(true, true, RecoveryPlace::Nowhere);
            assert!(erased.authority, "{what}");
            assert!(!erased.present_pin && !erased.present_puk, "{what}");
            if !is_set_up {
                run(&case, &mut session, &mut Hands::default()).unwrap();
            }
        }
    }
}

fn assert_needs(session: &Session, has_others: bool, is_set_up: bool, what: &str) {
    let token = session.token();
    let is_piv = token.identity.family == TokenFamily::Piv;
    let (pin, puk) = (pin("31415926"), Puk::new(PUK).unwrap());
    for place in [
        RecoveryPlace::Token,
        RecoveryPlace::Host,
        RecoveryPlace::Nowhere,
    ] {
        let needs = token.personalize_needs(false, has_others, place);
        assert!(!needs.authority, "{what}");
        let typed = has_others || is_set_up || is_piv;
        assert_eq!(needs.present_pin, typed, "{what}");
        let on_token = place == RecoveryPlace::Token;
        assert_eq!(needs.management_key, is_piv && on_token, "{what}");
        let plan = |present| {
            let mut options = PersonalizeOptions::new(present);
            options.policy = session.managed_policy();
            options.recovery = place;
            session.plan_personalize(&options)
        };
        let delivery = plan(PresentSecrets::Delivery);
        assert!(
            needs.present_pin || delivery.is_ok(),
            "{what}: {delivery:?}"
        );
        let typed = |puk| PresentSecrets::Typed { pin: &pin, puk };
        let without = plan(typed(None));
        let needs_puk = token.personalize_needs(false, true, place).present_puk;
        assert_eq!(needs_puk, without.is_err(), "{what}: {without:?}");
        assert_eq!(needs.present_puk, needs.present_pin && needs_puk, "{what}");
        let complete = plan(typed(Some(&puk)));
        assert!(complete.is_ok(), "{what}: {complete:?}");
    }
}

#[test]
fn a_new_token_may_want_its_pin_changed_at_once() {
    for profile in [Profile::Crescendo2300, Profile::Crescendo4000] {
        let mut case = Case::new(profile);
        case.policy.force_change = true;
        let desk = case.desk();
        let mut hands = Hands::default();
        run(&case, &mut desk.open(), &mut hands).unwrap();
        assert!(desk.open().token().wants_pin_change());
        assert_personalized(&case, &desk, &hands, profile.name());
    }
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_sent() {
    let profile = Profile::Crescendo2300;
    let case = Case::new(profile);
    let desk = case.desk();
    let before = desk.picture();
    let mut session = desk.open();
    let mut refused = |change: &dyn Fn(&mut PersonalizeOptions<'_>), new: &str| {
        let mut options = PersonalizeOptions::new(PresentSecrets::Delivery);
        options.policy = case.policy.clone();
        change(&mut options);
        session
            .personalize(
                &options,
                &pin(new),
                None,
                &mut |_| true,
                LastTry::Spare,
                &mut |_| {},
            )
            .unwrap_err()
    };
    // The new PIN against the new policy.
    for new in ["12345", "123456", "abcdefg"] {
        let error = refused(&|_| {}, new);
        assert!(
            matches!(error, ActionError::NotSent(NotSent::NewPin { .. })),
            "{new}: {error}"
        );
    }
    let delivery = |options: &mut PersonalizeOptions<'_>| options.policy = Policy::DELIVERY;
    let error = refused(&delivery, "00000000");
    assert!(
        matches!(error, ActionError::NotSent(NotSent::SameAsOld { .. })),
        "{error}"
    );
    let error = refused(&|options| options.policy.minimum = 9, NEW_PIN);
    assert!(
        matches!(error, ActionError::Policy(PolicyRefusal::Nonsense(_))),
        "{error}"
    );
    let error = refused(
        &|options| options.policy.challenge = ChallengeType::Static,
        NEW_PIN,
    );
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
    let error = refused(&|options| options.recycle_first = Some("yes"), NEW_PIN);
    assert!(
        matches!(error, ActionError::NotSent(NotSent::Unconfirmed { .. })),
        "{error}"
    );
    assert!(desk.sent().is_empty());
    assert_eq!(desk.picture(), before);
}

#[test]
fn a_delivery_pin_is_never_a_guess() {
    // Something is on it, so it has been in use.
    let mut case = Case::new(Profile::Crescendo2300);
    case.content = Content::Personal;
    let desk = case.desk();
    let error = run(&case, &mut desk.open(), &mut Hands::default()).unwrap_err();
    assert!(
        matches!(error, ActionError::NotSent(NotSent::NotAsDelivered)),
        "{error}"
    );
    assert!(desk.sent().is_empty());
    // A plain PIV card does not tell its own.
    let piv = Case::new(Profile::Piv).desk();
    let options = PersonalizeOptions::new(PresentSecrets::Delivery);
    let error = piv.open().plan_personalize(&options).unwrap_err();
    assert!(
        matches!(error, ActionError::NotSent(NotSent::NotAsDelivered)),
        "{error}"
    );
    // With one try left it is not presented either.
    let case = Case::new(Profile::Crescendo2300);
    let desk = case.desk();
    let mut session = desk.open();
    while session.token().pin.status != PinStatus::TriesLeft(1) {
        opens(&mut session, &pin("314159"));
        session.refresh_pin_status().unwrap();
    }
    desk.sent();
    let error = run(&case, &mut session, &mut Hands::default()).unwrap_err();
    assert!(
        matches!(error, ActionError::NotSent(NotSent::LastTry { .. })),
        "{error}"
    );
    let presented = desk
        .card
        .log()
        .iter()
        .any(|it| it.ins == VERIFY && it.lc > 0);
    assert!(!presented);
}

/// Its PIN is another one by now, as this computer knows or the token tells: the
/// delivery value would be a try for nothing.
#[test]
fn the_delivery_pin_is_not_tried_on_a_token_that_was_set_up_here() {
    for profile in [
        Profile::Crescendo2300,
        Profile::CrescendoKey,
        Profile::Crescendo4000,
    ] {
        let case = Case::new(profile);
        let desk = case.desk();
        let mut hands = Hands::default();
        run(&case, &mut desk.open(), &mut hands).unwrap();
        let mut session = desk.open();
        let tries = session.token().pin.status.clone();
        let error = run(&case, &mut session, &mut hands).unwrap_err();
        assert!(
            matches!(error, ActionError::NotSent(NotSent::NotAsDelivered)),
            "{profile}: {error}"
        );
        assert!(desk.sent().is_empty(), "{profile}");
        assert_eq!(desk.tries(), tries, "{profile}");
    }
}

#[test]
fn what_is_not_taken_over_the_token_does_not_get() {
    for profile in Profile::ALL {
        let case = Case::new(profile);
        let desk = case.desk();
        let before = desk.picture();
        let mut session = desk.open();
        let (old, puk) = (factory(profile), Puk::new(PUK).unwrap());
        let present = PresentSecrets::Typed {
            pin: &old,
            puk: Some(&puk),
        };
        let options = PersonalizeOptions::new(present);
        let error = session
            .personalize(
                &options,
                &pin(NEW_PIN),
                None,
                &mut |_| false,
                LastTry::Spare,
                &mut |_| {},
            )
            .unwrap_err();
        assert!(
            matches!(
                error,
                ActionError::NotTakenOver {
                    aftermath: Aftermath::Unchanged,
                    secret: Secret::AdminKey | Secret::Puk,
                }
            ),
            "{error}"
        );
        assert_eq!(desk.picture(), before, "{profile}");
        assert!(desk.open().record().is_empty());
    }
}

#[test]
fn what_others_administer_is_left_alone() {
    for profile in Profile::ALL {
        let options = CreateOptions::default().seed(4).issuer_signed(true);
        let card = VirtualToken::create(profile, &options).unwrap();
        let signed = Desk::with_state(card.to_state());
        let mut case = Case::new(profile);
        case.recovery = RecoveryPlace::Nowhere;
        let error = run(&case, &mut signed.open(), &mut Hands::default()).unwrap_err();
        assert!(
            matches!(
                error,
                ActionError::Unavailable {
                    reason: Reason::DeviceManaged,
                    ..
                }
            ),
            "{error}"
        );
        assert!(signed.sent().is_empty());
    }
}

#[test]
fn wrong_secrets_are_told_and_leave_no_trace() {
    let profile = Profile::Piv;
    let desk = Case::new(profile).desk();
    let (right, wrong) = (factory(profile), pin("314159"));
    let (puk, wrong_puk) = (Puk::new(PUK).unwrap(), Puk::new(b"87654321").unwrap());
    for (pin_given, puk_given, secret) in [
        (&right, &wrong_puk, Secret::Puk),
        (&wrong, &puk, Secret::Pin),
    ] {
        let present = PresentSecrets::Typed {
            pin: pin_given,
            puk: Some(puk_given),
        };
        let mut hands = Hands::default();
        let error = desk
            .open()
            .personalize(
                &PersonalizeOptions::new(present),
                &pin(NEW_PIN),
                None,
                &mut |secret| hands.take(secret),
                LastTry::Spare,
                &mut |_| {},
            )
            .unwrap_err();
        assert!(
            matches!(error, ActionError::Wrong { secret: told, .. } if told == secret),
            "{error}"
        );
        assert!(desk.open().record().journal.is_none(), "{secret:?}");
        // A wrong PIN is found before a PUK is made.
        assert_eq!(hands.puks.len(), usize::from(secret == Secret::Puk));
    }
    let case = Case::new(profile);
    let mut hands = Hands::default();
    run(&case, &mut desk.open(), &mut hands).unwrap();
    assert_personalized(&case, &desk, &hands, "after wrong secrets");
}

/// What would only show behind the PIN is looked at before anything is handed
/// over or changed.
#[test]
fn a_token_without_room_for_the_recovery_secret_is_left_as_it_was() {
    for profile in Profile::ALL {
        for fixed in [false, true] {
            if fixed && profile != Profile::Crescendo4000 {
                continue;
            }
            // It has somebody's printed information.
            let desk = Desk::new(profile, Content::Personal).daring();
            let before = desk.picture();
            let (old, puk, management) =
                (factory(profile), Puk::new(PUK).unwrap(), management_key());
            let mut options = PersonalizeOptions::new(PresentSecrets::Typed {
                pin: &old,
                puk: Some(&puk),
            });
            options.recovery = RecoveryPlace::Token;
            if fixed {
                options.policy.challenge = ChallengeType::Static;
            }
            let piv = profile == Profile::Piv;
            let error = desk
                .open()
                .personalize(
                    &options,
                    &pin(NEW_PIN),
                    piv.then_some(Authority::ManagementKey(&management)),
                    &mut |_| panic!("{profile}: a secret was handed over"),
                    LastTry::Spare,
                    &mut |_| {},
                )
                .unwrap_err();
            assert!(
                matches!(error, ActionError::ForeignContent { .. }),
                "{profile}: {error}"
            );
            assert_eq!(desk.picture(), before, "{profile}");
            assert!(desk.open().record().is_empty(), "{profile}");
        }
    }
}

#[test]
fn a_wrong_management_key_is_found_before_anything_is_changed() {
    let desk = Desk::new(Profile::Piv, Content::Empty).daring();
    let before = desk.picture();
    let (old, puk) = (factory(Profile::Piv), Puk::new(PUK).unwrap());
    let algorithm = piv_apdu::management::ManagementAlgorithm::Aes256;
    let wrong = piv_apdu::management::ManagementKey::new(algorithm, &[9; 32]).unwrap();
    let mut options = PersonalizeOptions::new(PresentSecrets::Typed {
        pin: &old,
        puk: Some(&puk),
    });
    options.recovery = RecoveryPlace::Token;
    let error = desk
        .open()
        .personalize(
            &options,
            &pin(NEW_PIN),
            Some(Authority::ManagementKey(&wrong)),
            &mut |_| panic!("a secret was handed over"),
            LastTry::Spare,
            &mut |_| {},
        )
        .unwrap_err();
    let secret = Secret::ManagementKey;
    assert!(
        matches!(error, ActionError::Wrong { secret: told, .. } if told == secret),
        "{error}"
    );
    assert_eq!(desk.picture(), before);
}

/// Every interruption, in each way to lose a card, of each composition: the
/// token's PIN is one of two, the person holds its key and PUK, and the next run
/// finishes although only three tries are left.
#[test]
fn pulled_out_anywhere_the_next_run_finishes() {
    for case in cases() {
        let state = case.desk().state();
        for fault in LOSSES {
            for k in 1.. {
                let what = format!("{} {fault:?} {k} erase={}", case.profile, case.erase);
                let desk = Desk::with_state(state.clone()).daring();
                let mut hands = Hands::default();
                let mut session = desk.open_with(k, fault.clone());
                let result = run(&case, &mut session, &mut hands);
                drop(session);
                match result {
                    // A reset while it is read is made good.
                    Ok(_) if desk.card.log().len() as u64 >= k => {
                        assert_personalized(&case, &desk, &hands, &what);
                        continue;
                    }
                    Ok(_) => break,
                    Err(ActionError::Interrupted { .. } | ActionError::Load(_)) => {}
                    Err(other) => panic!("{what}: {other}"),
                }
                let mut session = desk.open();
                let full = PinStatus::TriesLeft(limit(case.profile));
                assert_eq!(session.token().pin.status, full, "{what}");
                // Only as many tries as the next run may need.
                for _ in 3..limit(case.profile) {
                    if !session.token().wants_pin_change() {
                        assert!(!opens(&mut session, &pin("314159")), "{what}");
                    }
                }
                run(&case, &mut session, &mut hands)
                    .unwrap_or_else(|error| panic!("{what}: {error} {:?}", session.record()));
                drop(session);
                assert_personalized(&case, &desk, &hands, &what);
            }
        }
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for profile in Profile::ALL {
        let mut case = Case::new(profile);
        case.recovery = RecoveryPlace::Host;
        cases.push(case);
    }
    for profile in [Profile::Crescendo2300, Profile::Crescendo4000] {
        let mut case = Case::new(profile).erasing();
        case.recovery = RecoveryPlace::Token;
        cases.push(case);
    }
    let mut fixed = Case::new(Profile::Crescendo4000);
    fixed.policy.challenge = ChallengeType::Static;
    fixed.policy.fido_shared_pin = true;
    fixed.recovery = RecoveryPlace::Token;
    cases.push(fixed);
    let mut forced = Case::new(Profile::Crescendo4000);
    forced.policy.force_change = true;
    cases.push(forced);
    cases
}

/// Interrupted again and again, the PUK stays one of two and the PIN one of two.
#[test]
fn pulled_out_again_and_again_it_comes_to_its_end() {
    for case in cases() {
        let state = case.desk().state();
        for fault in [Fault::VanishBefore, Fault::VanishAfter] {
            let desk = Desk::with_state(state.clone()).daring();
            let mut hands = Hands::default();
            let mut k = 1;
            loop {
                let mut session = desk.open_with(k, fault.clone());
                match run(&case, &mut session, &mut hands) {
                    Ok(_) => break,
                    Err(ActionError::Interrupted { .. } | ActionError::Load(_)) => k += 1,
                    Err(other) => panic!("{} {fault:?} {k}: {other}", case.profile),
                }
            }
            assert!(k > 10);
            desk.card.disarm();
            assert_personalized(&case, &desk, &hands, case.profile.name());
            assert!(hands.puks.len() <= 1 + usize::try_from(k).unwrap());
        }
    }
}

#[test]
fn a_token_that_was_left_half_personalized_can_be_erased_instead() {
    let mut case = Case::new(Profile::Crescendo4000).erasing();
    case.recovery = RecoveryPlace::Host;
    let state = case.desk().state();
    for k in 1.. {
        let desk = Desk::with_state(state.clone()).daring();
        let mut hands = Hands::default();
        let mut session = desk.open_with(k, Fault::VanishAfter);
        if run(&case, &mut session, &mut hands).is_ok() {
            break;
        }
        drop(session);
        let mut session = desk.open();
        let confirmation = session.confirmation();
        let (old, new) = (factory(case.profile), pin(NEW_PIN));
        let authorities = [&new, &old].map(|pin| Authority::Pin(PinEntry::Typed(pin)));
        let erased = authorities.into_iter().any(|authority| {
            session
                .recycle(authority, &confirmation, LastTry::Spare, &mut |_| {})
                .is_ok()
        });
        assert!(erased, "{k}");
        assert!(session.record().is_empty(), "{k}");
        let profile = session.token().profile.profile().unwrap();
        assert!(!profile.personalized, "{k}");
        assert!(opens(&mut session, &old), "{k}");
    }
}

/// Erased first, and then nothing that is new is taken over.
fn erase_and_stop(case: &Case, session: &mut Session) {
    let old = factory(case.profile);
    let confirmation = session.confirmation();
    let mut options = PersonalizeOptions::new(PresentSecrets::Delivery);
    options.policy = case.policy.clone();
    options.recycle_first = Some(&confirmation);
    let authority = Authority::Pin(PinEntry::Typed(&old));
    let error = session
        .personalize(
            &options,
            &pin(NEW_PIN),
            Some(authority),
            &mut |_| false,
            LastTry::Spare,
            &mut |_| {},
        )
        .unwrap_err();
    assert!(matches!(error, ActionError::NotTakenOver { .. }), "{error}");
    let said = "stopped before the token got the new admin key, since it was not taken over. A part \
                is done. With the token in the reader, start the same action again";
    assert!(error.to_string().starts_with(said), "{error}");
}

#[test]
fn an_erased_token_that_was_changed_since_is_erased_again() {
    for profile in Profile::ALL.into_iter().filter(|it| *it != Profile::Piv) {
        let case = Case::new(profile).erasing();
        let desk = case.desk();
        let mut session = desk.open();
        erase_and_stop(&case, &mut session);
        let (old, new) = (factory(profile), pin(NEW_PIN));
        let entry = PinChangeEntry::Typed {
            old: &old,
            new: &new,
        };
        session.change_pin(entry, LastTry::Spare).unwrap();
        let confirmation = session.confirmation();
        let authority = Authority::Pin(PinEntry::Typed(&new));
        let recycled = session
            .recycle(authority, &confirmation, LastTry::Spare, &mut |_| {})
            .unwrap();
        assert!(!recycled.finished_earlier_run, "{profile}");
        assert!(opens(&mut session, &old), "{profile}");
        assert!(session.record().is_empty(), "{profile}");
    }
}

#[test]
fn an_erased_token_that_has_drawn_a_challenge_is_not_called_empty() {
    let mut case = Case::new(Profile::Crescendo4000).erasing();
    case.policy.challenge = ChallengeType::Static;
    let desk = case.desk();
    let mut session = desk.open();
    erase_and_stop(&case, &mut session);
    let confirmation = session.confirmation();
    let key = XauthKey::from_slice(&[0; 24]).unwrap();
    let mut by = |authority| session.recycle(authority, &confirmation, LastTry::Spare, &mut |_| {});
    // An erasure takes the admin key away.
    let error = by(Authority::AdminKey(&key)).unwrap_err();
    assert!(matches!(error, ActionError::NotConfirmed { .. }), "{error}");
    let old = factory(case.profile);
    by(Authority::Pin(PinEntry::Typed(&old))).unwrap();
    assert!(!desk.open().token().has_static_challenge());
}

/// It goes on in the same session, which may set a key and has to hand over the code.
#[test]
fn a_session_knows_of_the_challenge_that_was_drawn() {
    let mut case = Case::new(Profile::Crescendo4000).erasing();
    case.policy.challenge = ChallengeType::Static;
    let desk = case.desk();
    let mut session = desk.open();
    erase_and_stop(&case, &mut session);
    assert!(session.token().has_static_challenge());
    assert!(desk.open().token().has_static_challenge());
}

/// What is noted of the PUK's tries does not replace the journal of the run that
/// presents it.
#[test]
fn a_wrong_puk_leaves_the_journal_of_what_was_done_before_it() {
    let profile = Profile::Crescendo4000;
    let desk = Case::new(profile).desk();
    let (present, wrong) = (factory(profile), Puk::new(b"87654321").unwrap());
    let mut hands = Hands::default();
    let error = desk
        .open()
        .personalize(
            &PersonalizeOptions::new(PresentSecrets::Typed {
                pin: &present,
                puk: Some(&wrong),
            }),
            &pin(NEW_PIN),
            None,
            &mut |secret| hands.take(secret),
            LastTry::Spare,
            &mut |_| {},
        )
        .unwrap_err();
    assert!(matches!(error, ActionError::Wrong { .. }), "{error}");
    let session = desk.open();
    assert_eq!(session.record().puk_tries_left, Some(limit(profile) - 1));
    let journal = session.record().journal.clone().unwrap();
    assert_eq!(journal.done, ["put-admin-key"]);
}

/// What another program did since the token was read does not mislead it.
#[test]
fn a_token_is_read_again_before_it_is_set_up() {
    let profile = Profile::Crescendo2300;
    let case = Case::new(profile);
    let desk = case.desk();
    let mut session = desk.open();
    let used = Desk::new(profile, Content::Personal).state();
    let used = serde_json::to_value(used).unwrap();
    desk.card.with(|token| {
        let mut state = serde_json::to_value(token.to_state()).unwrap();
        state["objects"]["5FC105"] = used["objects"]["5FC105"].clone();
        *token = VirtualToken::from_state(serde_json::from_value(state).unwrap()).unwrap();
        token.power_on();
    });
    let before = desk.picture();
    desk.card.clear_log();
    let error = run(&case, &mut session, &mut Hands::default()).unwrap_err();
    assert!(
        matches!(error, ActionError::NotSent(NotSent::NotAsDelivered)),
        "{error}"
    );
    assert!(desk.sent().contains(&GET_DATA), "it was read again");
    assert_eq!(desk.picture(), before);
}
