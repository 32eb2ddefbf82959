//! The FIDO application of the software tokens: what is read of it, what that costs, what
//! is remembered, and its PIN, set and changed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

use std::sync::Arc;

use crescendo_ext::xauth::XauthKey;
use ctap_apdu::FidoPin;
use piv_apdu::secret::{Pin, Puk};
use piv_apdu::status::StatusWord;
use token_manager::token_cache::{Cache, Item};
use token_manager::token_profile::{Policy, Rule};
use token_manager::{
    Action, ActionError, Aftermath, Capability, FidoPinState, FidoState, Freshness, LastTry,
    LoadOptions, Manager, NotSent, PersonalizeOptions, Personalized, PinChangeEntry, PinEntry,
    PinStatus, PresentSecrets, Reason, Secret, Session, Sides,
};
use virtual_token::fault::{Fault, Faults};
use virtual_token::{Content, CreateOptions, MemoryBackend, Profile, SharedToken, VirtualToken};

const FIDO: [Profile; 2] = [Profile::Crescendo4000, Profile::CrescendoKey];

fn card(profile: Profile) -> SharedToken {
    // Keys for RSA take long to make.
    let content = match profile {
        Profile::Crescendo4000 => Content::Personal,
        _ => Content::Empty,
    };
    let options = CreateOptions::default()
        .seed(profile as u64)
        .content(content);
    SharedToken::new(VirtualToken::create(profile, &options).unwrap())
}

fn open_with(card: &SharedToken, options: LoadOptions) -> Session {
    let readers = MemoryBackend::new();
    readers.insert("Desk", card).unwrap();
    let manager = Manager::new(Arc::new(readers)).with_options(options);
    let session = manager.open("Desk").unwrap();
    card.clear_log();
    session
}

fn open(card: &SharedToken) -> Session {
    open_with(card, LoadOptions::new())
}

fn pin(text: &str) -> FidoPin {
    FidoPin::new(text).unwrap()
}

/// The PIN's state, as the session knows it.
fn state(session: &Session) -> FidoPinState {
    session.token().fido.application().unwrap().pin.clone()
}

/// How many CTAP messages, and how many commands, the card was sent.
fn sent(card: &SharedToken) -> (usize, usize) {
    let log = card.log();
    card.clear_log();
    let messages = log.iter().filter(|header| header.ins == 0x10).count();
    (messages, log.len())
}

/// A token with a FIDO PIN.
fn with_pin(profile: Profile, text: &str) -> SharedToken {
    let card = card(profile);
    open(&card).set_fido_pin(&pin(text)).unwrap();
    card.reset();
    card
}

#[test]
fn only_the_4000_and_the_key_are_asked_and_say_what_they_are() {
    for profile in Profile::ALL {
        let card = card(profile);
        let session = {
            let readers = MemoryBackend::new();
            readers.insert("Desk", &card).unwrap();
            Manager::new(Arc::new(readers)).open("Desk").unwrap()
        };
        let fido = &session.token().fido;
        let capability = session.token().capabilities.get(Action::Fido);
        if !FIDO.contains(&profile) {
            assert_eq!(*fido, FidoState::NotLookedFor, "{profile}");
            assert_eq!(sent(&card).0, 0, "{profile}");
            assert_eq!(capability, Capability::Unknown(Reason::NotProbed));
            continue;
        }
        let application = fido.application().unwrap();
        assert!(application.info.versions.contains(&"FIDO_2_0".to_owned()));
        assert_ne!(application.info.aaguid.0, [0; 16]);
        assert_eq!(application.pin, FidoPinState::NotSet);
        assert_eq!(application.min_pin_length(), 4);
        assert!(!application.wants_pin_change());
        // Without a PIN nothing is asked about its tries.
        assert_eq!(sent(&card).0, 1, "{profile}");
        assert_eq!(capability, Capability::Available);
    }
}

#[test]
fn a_pin_is_set_and_changed_and_the_tries_are_told() {
    for profile in FIDO {
        let card = card(profile);
        let mut session = open(&card);
        let set = session.set_fido_pin(&pin("first PIN")).unwrap();
        assert_eq!(set.before, FidoPinState::NotSet);
        assert_eq!(set.after, FidoPinState::TriesLeft(8));
        assert_eq!(state(&session), set.after);
        // Key agreement, the PIN, its tries; and SELECT, and a chain of two.
        assert_eq!(sent(&card).0, 3, "{profile}");

        let (old, new) = (pin("first PIN"), pin("zweite PIN, größer 🔑"));
        let changed = session.change_fido_pin(&old, &new, LastTry::Spare).unwrap();
        assert_eq!(changed.before, FidoPinState::TriesLeft(8));
        assert_eq!(changed.after, FidoPinState::TriesLeft(8));
        assert!(!changed.was_forced);

        // As a new look at the token says it.
        let mut session = open(&card);
        assert_eq!(state(&session), FidoPinState::TriesLeft(8));
        let error = session
            .change_fido_pin(&old, &pin("third"), LastTry::Spare)
            .unwrap_err();
        let is_wrong = matches!(
            error,
            ActionError::Wrong {
                secret: Secret::FidoPin,
                tries_left: Some(7)
            }
        );
        assert!(is_wrong, "{error}");
        assert_eq!(state(&session), FidoPinState::TriesLeft(7));
        session.change_fido_pin(&new, &old, LastTry::Spare).unwrap();
    }
}

#[test]
fn three_wrong_ones_want_the_token_without_power_and_eight_block_it() {
    let card = with_pin(Profile::Crescendo4000, "right PIN");
    let (wrong, new) = (pin("wrong PIN"), pin("new PIN"));
    let mut session = open(&card);
    for left in [7, 6] {
        let error = session.change_fido_pin(&wrong, &new, LastTry::Spare);
        assert_eq!(error.unwrap_err().tries_left(), Some(left));
    }
    let error = session
        .change_fido_pin(&wrong, &new, LastTry::Spare)
        .unwrap_err();
    let tries_left = Some(5);
    assert!(
        matches!(
            error,
            ActionError::WrongUntilPowerCycle { secret: Secret::FidoPin, tries_left: left }
                if left == tries_left
        ),
        "{error}"
    );
    assert!(error.to_string().contains("erases all FIDO credentials"));
    assert!(error.to_string().contains("Take it out and put it back"));
    card.clear_log();
    // Also the right one, which the token would not look at.
    let right = pin("right PIN");
    let error = session.change_fido_pin(&right, &new, LastTry::Spare);
    let error = error.unwrap_err();
    let is_it = matches!(error, ActionError::NotSent(NotSent::PowerCycle { left: 5 }));
    assert!(is_it, "{error}");
    assert!(!error.may_have_spent_a_try());
    assert_eq!(sent(&card).1, 0);

    for left in [4, 3, 2, 1] {
        card.reset();
        let mut session = open(&card);
        let error = session.change_fido_pin(&wrong, &new, LastTry::Spare);
        assert_eq!(error.unwrap_err().tries_left(), Some(left));
    }
    card.reset();
    let mut session = open(&card);
    let error = session.change_fido_pin(&wrong, &new, LastTry::Spare);
    let error = error.unwrap_err();
    let is_it = matches!(
        error,
        ActionError::NotSent(NotSent::LastTry {
            secret: Secret::FidoPin
        })
    );
    assert!(is_it, "{error}");
    // Agreed to, and wrong.
    let error = session
        .change_fido_pin(&wrong, &new, LastTry::Use)
        .unwrap_err();
    let secret = Secret::FidoPin;
    assert!(
        matches!(error, ActionError::Blocked { secret: it } if it == secret),
        "{error}"
    );
    card.clear_log();
    let error = session
        .change_fido_pin(&wrong, &new, LastTry::Use)
        .unwrap_err();
    assert!(
        matches!(error, ActionError::NotSent(NotSent::Blocked { secret: it }) if it == secret),
        "{error}"
    );
    assert_eq!(sent(&card).1, 0);
}

#[test]
fn what_the_host_knows_to_be_of_no_use_is_not_sent() {
    let card = card(Profile::Crescendo4000);
    let mut session = open(&card);
    let (one, other) = (pin("1234"), pin("5678"));
    let error = session.change_fido_pin(&one, &other, LastTry::Spare);
    let error = error.unwrap_err();
    assert!(matches!(error, ActionError::NotSent(NotSent::NoFidoPin)));
    assert_eq!(sent(&card).1, 0);
    session.set_fido_pin(&one).unwrap();
    card.clear_log();
    let error = session.set_fido_pin(&other).unwrap_err();
    assert!(matches!(error, ActionError::NotSent(NotSent::FidoPinIsSet)));
    let error = session.change_fido_pin(&one, &one, LastTry::Spare);
    let error = error.unwrap_err();
    assert!(matches!(
        error,
        ActionError::NotSent(NotSent::SameAsOld { .. })
    ));
    assert_eq!(sent(&card).1, 0);

    let card = card_of_no_fido();
    let mut session = open(&card);
    let error = session.set_fido_pin(&one).unwrap_err();
    assert!(matches!(error, ActionError::Unavailable { .. }), "{error}");
    assert_eq!(sent(&card).1, 0);
}

fn card_of_no_fido() -> SharedToken {
    card(Profile::Crescendo2300)
}

#[test]
fn a_plan_names_its_steps_and_sends_nothing() {
    let card = card(Profile::CrescendoKey);
    let mut session = open(&card);
    let ids = |plan: token_manager::Plan| plan.steps.iter().map(|step| step.id).collect::<Vec<_>>();
    let set = ids(session.plan_set_fido_pin().unwrap());
    assert_eq!(set, ["fido-key-agreement", "set-fido-pin"]);
    assert_eq!(sent(&card).1, 0);
    session.set_fido_pin(&pin("1234")).unwrap();
    let change = ids(session.plan_change_fido_pin().unwrap());
    assert_eq!(
        change,
        ["fido-tries-left", "fido-key-agreement", "change-fido-pin"]
    );
}

#[test]
fn a_token_that_is_lost_with_the_pin_on_its_way_has_one_of_two() {
    let card = with_pin(Profile::Crescendo4000, "old PIN");
    let mut session = open(&card);
    // SELECT, tries, key agreement, and the first block with the PINs.
    card.arm(Faults::new().at(4, Fault::VanishAfter));
    let error = session
        .change_fido_pin(&pin("old PIN"), &pin("new PIN"), LastTry::Spare)
        .unwrap_err();
    match &error {
        ActionError::Interrupted { aftermath, .. } => {
            assert_eq!(*aftermath, Aftermath::FidoPinOldOrNew, "{error}");
        }
        other => panic!("{other}"),
    }
    assert!(error.may_have_spent_a_try());
    assert!(matches!(state(&session), FidoPinState::Unknown(_)));
}

#[test]
fn what_others_change_is_seen_by_a_fresh_look_and_the_pin_is_never_from_memory() {
    let card = card(Profile::Crescendo4000);
    let cache = Cache::off().with_memory();
    let look = |freshness| {
        let options = LoadOptions::new()
            .with_cache(cache.clone())
            .with_freshness(freshness);
        let session = open_with(&card, options);
        let fido = session.token().fido.clone();
        fido.application().unwrap().clone()
    };
    let remembers = || {
        let held = cache.held();
        let snapshot = &held.first().unwrap().snapshot;
        snapshot.answer(Item::FidoInfo).is_some()
    };
    let fresh = look(Freshness::Fresh);
    assert_eq!(
        (&fresh.pin, fresh.room()),
        (&FidoPinState::NotSet, Some(50))
    );
    assert!(remembers());
    // Another program, which knows nothing of this cache.
    open(&card).set_fido_pin(&pin("1234")).unwrap();
    let is_not_told = || {
        for freshness in [Freshness::Quick, Freshness::Checked] {
            let application = look(freshness);
            let state = &application.pin;
            assert!(matches!(state, FidoPinState::Unknown(_)), "{state:?}");
            // What others change is not told from memory either.
            assert!(application.remembered);
            assert_eq!(application.room(), None);
        }
    };
    is_not_told();
    assert_eq!(look(Freshness::Fresh).pin, FidoPinState::TriesLeft(8));
    is_not_told();
    // Our own.
    let options = LoadOptions::new().with_cache(cache.clone());
    let mut session = open_with(&card, options);
    let changed = session.change_fido_pin(&pin("1234"), &pin("5678"), LastTry::Spare);
    changed.unwrap();
    assert!(!remembers());
}

#[test]
fn an_application_that_answers_nonsense_spoils_nothing_else() {
    let card = card(Profile::Crescendo4000);
    let readers = MemoryBackend::new();
    readers.insert("Desk", &card).unwrap();
    // The sixth command is GetInfo, after ISD, CPLC, ACA, PIN properties and SELECT.
    card.arm(Faults::new().at(6, Fault::oversize(40)));
    let session = Manager::new(Arc::new(readers)).open("Desk");
    let session = session.unwrap();
    let token = session.token();
    assert!(matches!(token.fido, FidoState::Unreadable(_)));
    assert_eq!(token.problems.len(), 1, "{:?}", token.problems);
    assert!(!token.keys.is_empty());
    assert_eq!(
        token.capabilities.get(Action::Fido),
        Capability::Unknown(Reason::CouldNotRead)
    );
}

/// A 4000 whose PIN is shared with FIDO (project profile).
fn shared(text: &str) -> SharedToken {
    let options = CreateOptions::default().seed(7).content(Content::Empty);
    let card = VirtualToken::create(Profile::Crescendo4000, &options).unwrap();
    let card = SharedToken::new(card);
    personalize_shared(&mut open(&card), &Pin::new(text.as_bytes()).unwrap()).unwrap();
    card.reset();
    card
}

fn personalize_shared(session: &mut Session, new: &Pin) -> Result<Personalized, ActionError> {
    let mut options = PersonalizeOptions::new(PresentSecrets::Delivery);
    options.policy = Policy {
        fido_shared_pin: true,
        ..Policy::DELIVERY
    };
    session.personalize(
        &options,
        new,
        None,
        &mut |_| true,
        LastTry::Spare,
        &mut |_| {},
    )
}

/// The same token once more, as it is without power.
fn copy(card: &SharedToken) -> SharedToken {
    let state = card.with(|token| token.to_state());
    SharedToken::new(VirtualToken::from_state(state).unwrap())
}

/// Whether PIV and FIDO take this PIN.
fn taken(card: &SharedToken, text: &str) -> (bool, bool) {
    let piv = Pin::new(text.as_bytes()).unwrap();
    let verified = open(&copy(card))
        .authenticate(PinEntry::Typed(&piv), LastTry::Use)
        .is_ok();
    let changed = open(&copy(card)).change_fido_pin(&pin(text), &pin("161803"), LastTry::Use);
    (verified, changed.is_ok())
}

/// PIV gets a PIN as it is typed, FIDO in Normalization Form C: one that is in another form
/// would be two.
#[test]
fn a_shared_pin_is_refused_wherever_it_is_typed_in_another_form_than_fido_s() {
    let (typed, meant) = ("pa\u{308}sse", "pässe");
    let card = shared("602214");
    let old = Pin::new(b"602214").unwrap();
    let new = Pin::new(typed.as_bytes()).unwrap();
    let puk = Puk::new(b"12345678").unwrap();
    let entry = PinChangeEntry::Typed {
        old: &old,
        new: &new,
    };
    let mut session = open(&card);
    let errors = [
        session
            .change_fido_pin(&pin("602214"), &pin(typed), LastTry::Spare)
            .unwrap_err(),
        session.change_pin(entry, LastTry::Spare).unwrap_err(),
        session
            .unblock_with_puk(&puk, &new, LastTry::Spare)
            .unwrap_err(),
        session
            .unblock_with_key(&XauthKey::from_slice(&[7; 24]).unwrap(), &new)
            .unwrap_err(),
    ];
    for error in errors {
        let rule = Rule::FidoPin;
        assert!(
            matches!(error, ActionError::NotSent(NotSent::NewPin { rule: it }) if it == rule),
            "{error}"
        );
        assert!(error.to_string().contains("without accents"), "{error}");
    }
    assert_eq!(sent(&card).1, 0);
    session
        .change_fido_pin(&pin("602214"), &pin(meant), LastTry::Spare)
        .unwrap();
    assert_eq!(taken(&card, meant), BOTH);

    // Nor does a token come to share it by being set up.
    let options = CreateOptions::default().content(Content::Empty);
    let card = VirtualToken::create(Profile::Crescendo4000, &options).unwrap();
    let card = SharedToken::new(card);
    let mut session = open(&card);
    let error = personalize_shared(&mut session, &new).unwrap_err();
    assert!(
        matches!(error, ActionError::NotSent(NotSent::NewPin { .. })),
        "{error}"
    );
    assert_eq!(sent(&card).1, 0);
}

#[test]
fn a_shared_pin_that_is_wrong_three_times_is_to_be_unblocked_and_nothing_is_to_be_erased() {
    let card = shared("602214");
    let mut session = open(&card);
    let mut wrong = || {
        let changed = session.change_fido_pin(&pin("111111"), &pin("271828"), LastTry::Spare);
        changed.unwrap_err()
    };
    let _ = (wrong(), wrong());
    let error = wrong();
    assert!(
        matches!(
            error,
            ActionError::WrongUntilPowerCycle {
                secret: Secret::SharedPin(Sides::Fido),
                tries_left: Some(5)
            }
        ),
        "{error}"
    );
    let text = error.to_string();
    assert!(text.contains("unblock it"), "{text}");
    assert!(!text.contains("erase"), "{text}");
}

#[test]
fn what_a_change_by_fido_does_to_the_piv_side_is_known_after_it() {
    let card = shared("602214");
    let wrong = Pin::new(b"111111").unwrap();
    let mut session = open(&card);
    let refused = session.authenticate(PinEntry::Typed(&wrong), LastTry::Spare);
    assert!(refused.is_err());
    drop(refused);
    assert_eq!(session.token().pin.status, PinStatus::TriesLeft(5));
    session
        .change_fido_pin(&pin("602214"), &pin("271828"), LastTry::Spare)
        .unwrap();
    assert_eq!(session.token().pin.status, PinStatus::TriesLeft(6));

    // Another program blocks PIV's side; FIDO then says that the PIN is blocked.
    card.with(|token| {
        let select = [
            &[0x00, 0xA4, 0x04, 0x00, 0x09][..],
            &piv_apdu::aid::PIV[..9],
        ]
        .concat();
        let _ = token.process(&select);
        let verify = [
            &[0x00, 0x20, 0x00, 0x80, 0x08][..],
            wrong.padded().as_bytes(),
        ]
        .concat();
        let answers: Vec<_> = (0..7).map(|_| token.process(&verify).to_vec()).collect();
        assert_eq!(answers.last().unwrap(), &[0x69, 0x83]);
    });
    card.reset();
    let error = session
        .change_fido_pin(&pin("271828"), &pin("602214"), LastTry::Spare)
        .unwrap_err();
    assert!(matches!(error, ActionError::Blocked { .. }), "{error}");
    assert_eq!(session.token().pin.status, PinStatus::Blocked);
    assert_ne!(state(&session), FidoPinState::Blocked);

    // On its way when the token is lost: neither side's state is known.
    let card = shared("602214");
    let mut session = open(&card);
    card.arm(Faults::new().at(4, Fault::VanishAfter));
    let lost = session.change_fido_pin(&pin("602214"), &pin("271828"), LastTry::Spare);
    let text = lost.unwrap_err().to_string();
    assert!(
        text.contains("still the same one for PIV and FIDO"),
        "{text}"
    );
    assert!(matches!(session.token().pin.status, PinStatus::Unknown(_)));
}

/// As another program leaves it that has tried wrong PINs, with no try left on this side.
fn without_tries(card: &SharedToken, side: &str, count: &str, at_end: u8) {
    card.with(|token| {
        let mut state = serde_json::to_value(token.to_state()).unwrap();
        let tries = &mut state[side][count];
        assert!(tries.is_number(), "{side} {count}");
        *tries = at_end.into();
        *token = VirtualToken::from_state(serde_json::from_value(state).unwrap()).unwrap();
        token.power_on();
    });
    card.reset();
}

fn block_fido_side(card: &SharedToken) {
    without_tries(card, "fido", "tries_used", 8);
}

fn block_piv_side(card: &SharedToken) {
    without_tries(card, "pin", "tries_left", 0);
}

/// What comes of a change on either side, and what its message says.
fn changes(session: &mut Session) -> [ActionError; 2] {
    let (old, new) = (Pin::new(b"602214").unwrap(), Pin::new(b"271828").unwrap());
    let entry = PinChangeEntry::Typed {
        old: &old,
        new: &new,
    };
    let by_piv = session.change_pin(entry, LastTry::Spare).unwrap_err();
    let by_fido = session.change_fido_pin(&pin("602214"), &pin("271828"), LastTry::Spare);
    [by_piv, by_fido.unwrap_err()]
}

#[test]
fn the_side_of_a_shared_pin_that_another_program_has_blocked_is_found_by_a_change() {
    let card = shared("602214");
    let mut session = open(&card);
    block_fido_side(&card);
    let [by_piv, _] = changes(&mut session);
    assert!(
        matches!(
            by_piv,
            ActionError::Blocked {
                secret: Secret::SharedPin(Sides::Fido)
            }
        ),
        "{by_piv}"
    );
    let text = by_piv.to_string();
    assert!(text.contains("FIDO's are used up"), "{text}");
    assert!(text.contains("Unblock it with the PUK"), "{text}");
    assert_eq!(session.token().pin.status, PinStatus::TriesLeft(6));
    assert_eq!(state(&session), FidoPinState::Blocked);

    // PIV's side is a no of its own, before anything is sent.
    let card = shared("602214");
    let mut session = open(&card);
    block_piv_side(&card);
    let [by_piv, by_fido] = changes(&mut session);
    let secret = Secret::Pin;
    assert!(
        matches!(by_piv, ActionError::NotSent(NotSent::Blocked { secret: it }) if it == secret),
        "{by_piv}"
    );
    let is_piv = matches!(
        by_fido,
        ActionError::NotSent(NotSent::Blocked {
            secret: Secret::SharedPin(Sides::Piv)
        })
    );
    assert!(is_piv, "{by_fido}");
    assert_eq!(session.token().pin.status, PinStatus::Blocked);
    assert_eq!(state(&session), FidoPinState::TriesLeft(8));
}

#[test]
fn a_shared_pin_that_is_known_to_be_blocked_is_not_planned_to_be_changed_and_the_sides_are_told() {
    type Block = fn(&SharedToken);
    let both: Block = |card| {
        block_fido_side(card);
        block_piv_side(card);
    };
    let cases: [(Block, Sides, &str); 3] = [
        (block_piv_side, Sides::Piv, "PIV's are used up"),
        (block_fido_side, Sides::Fido, "FIDO's are used up"),
        (both, Sides::Both, "those of both are used up"),
    ];
    for (block, sides, says) in cases {
        let card = shared("602214");
        block(&card);
        let mut session = open(&card);
        let capabilities = &session.token().capabilities;
        for action in [Action::ChangePin, Action::FidoPin] {
            let blocked = Capability::Unavailable(Reason::PinBlocked);
            assert_eq!(capabilities.get(action), blocked, "{sides:?} {action}");
        }
        let plans = [
            session.plan_change_pin().unwrap_err(),
            session.plan_change_fido_pin().unwrap_err(),
        ];
        for error in plans.into_iter().chain(changes(&mut session)) {
            let is_it = matches!(
                error,
                ActionError::NotSent(NotSent::Blocked { secret: Secret::SharedPin(it) })
                    if it == sides
            );
            assert!(is_it, "{sides:?}: {error}");
            let text = error.to_string();
            assert!(text.contains(says), "{text}");
            assert!(!text.contains("works"), "{text}");
        }
        assert_eq!(sent(&card).1, 0);
    }
}

/// It is only not to be changed.
#[test]
fn a_shared_pin_that_is_blocked_on_piv_s_side_is_verified_on_fido_s() {
    let card = shared("602214");
    block_piv_side(&card);
    let mut session = open(&card);
    session.may_verify_fido_pin().unwrap();
    let verified = session.verify_fido_pin(&pin("602214"), LastTry::Spare);
    assert_eq!(verified.unwrap().after, FidoPinState::TriesLeft(8));
    assert_eq!(session.token().pin.status, PinStatus::Blocked);
    let change = session.plan_change_fido_pin().unwrap_err();
    assert!(
        matches!(change, ActionError::NotSent(NotSent::Blocked { .. })),
        "{change}"
    );

    block_fido_side(&card);
    let mut session = open(&card);
    let verified = session.verify_fido_pin(&pin("602214"), LastTry::Spare);
    let errors = [
        session.may_verify_fido_pin().unwrap_err(),
        verified.unwrap_err(),
    ];
    for error in errors {
        let is_it = matches!(
            error,
            ActionError::NotSent(NotSent::Blocked {
                secret: Secret::SharedPin(Sides::Both)
            })
        );
        assert!(is_it, "{error}");
    }
    assert_eq!(sent(&card).1, 0);
}

#[test]
fn whose_tries_of_a_shared_pin_are_left_is_told() {
    let card = shared("602214");
    let mut session = open(&card);
    let wrong = session.change_fido_pin(&pin("111111"), &pin("271828"), LastTry::Spare);
    let text = wrong.unwrap_err().to_string();
    assert!(
        text.starts_with(
            "the PIN that PIV and FIDO share is wrong; 7 tries are left on FIDO's side."
        ),
        "{text}"
    );
}

/// Without what would tell, neither the PIN's rules nor its way out are known.
#[test]
fn on_contact_too_the_fido_pin_is_left_alone_where_it_is_not_known_to_be_shared_or_not() {
    let made = shared("602214");
    let mut seen = 0;
    for k in 1..40 {
        let card = copy(&made);
        card.arm(Faults::new().at(k, Fault::Status(StatusWord::new(0x6581))));
        let readers = MemoryBackend::new();
        readers.insert("Desk", &card).unwrap();
        let Ok(mut session) = Manager::new(Arc::new(readers)).open("Desk") else {
            continue;
        };
        card.disarm();
        if session.token().fido_pin_is_shared().is_some()
            || session.token().fido.application().is_none()
        {
            continue;
        }
        seen += 1;
        card.clear_log();
        let unknown = Capability::Unknown(Reason::SharingUnknown);
        assert_eq!(session.token().capabilities.get(Action::FidoPin), unknown);
        let errors = [
            session.set_fido_pin(&pin("1234")).unwrap_err(),
            session
                .change_fido_pin(&pin("602214"), &pin("271828"), LastTry::Spare)
                .unwrap_err(),
            session
                .verify_fido_pin(&pin("602214"), LastTry::Spare)
                .unwrap_err(),
        ];
        for error in errors {
            assert!(
                matches!(
                    error,
                    ActionError::Unavailable {
                        reason: Reason::SharingUnknown,
                        ..
                    }
                ),
                "{error}"
            );
            assert!(!error.to_string().contains("erases"), "{error}");
        }
        assert_eq!(sent(&card).1, 0);
    }
    assert!(seen >= 2, "the list of containers, and the profile: {seen}");
}

#[test]
fn a_forced_change_that_is_done_by_fido_is_done_for_piv() {
    let card = shared("602214");
    let pin_602214 = Pin::new(b"602214").unwrap();
    let mut session = open(&card);
    let policy = Policy {
        fido_shared_pin: true,
        force_change: true,
        ..Policy::DELIVERY
    };
    session
        .set_policy(PinEntry::Typed(&pin_602214), LastTry::Spare, &policy)
        .unwrap();
    session.reload().unwrap();
    assert!(session.token().wants_pin_change());
    let changed = session.change_fido_pin(&pin("602214"), &pin("271828"), LastTry::Spare);
    assert!(changed.unwrap().was_forced);
    assert!(!session.token().wants_pin_change());
}

#[test]
fn the_lengths_of_a_shared_pin_are_those_of_both_sides() {
    let lengths = |card: &SharedToken| {
        let session = open(card);
        let lengths = session.token().fido_pin_lengths().unwrap();
        (lengths.minimum_characters, lengths.maximum_bytes)
    };
    assert_eq!(lengths(&card(Profile::CrescendoKey)), (4, 63));
    assert_eq!(lengths(&shared("602214")), (4, 8));
}

type Change = dyn Fn(&mut Session) -> Result<(), ActionError>;

const BOTH: (bool, bool) = (true, true);
const NEITHER: (bool, bool) = (false, false);

#[test]
fn a_shared_pin_is_one_wherever_the_token_is_pulled_out() {
    let (old, new) = ("602214", "271828");
    let by_piv = |session: &mut Session| {
        let (old, new) = (
            Pin::new(old.as_bytes()).unwrap(),
            Pin::new(new.as_bytes()).unwrap(),
        );
        let entry = PinChangeEntry::Typed {
            old: &old,
            new: &new,
        };
        session.change_pin(entry, LastTry::Spare).map(drop)
    };
    let by_fido = |session: &mut Session| {
        session
            .change_fido_pin(&pin(old), &pin(new), LastTry::Spare)
            .map(drop)
    };
    let made = shared(old);
    assert_eq!(taken(&made, old), BOTH);
    let ways: [(&str, &Change); 2] = [("piv", &by_piv), ("fido", &by_fido)];
    for (way, change) in ways {
        for fault in [Fault::VanishBefore, Fault::VanishAfter, Fault::Reset] {
            let (mut failures, mut unknown) = (0, 0);
            for k in 0.. {
                let card = copy(&made);
                let mut session = open(&card);
                card.arm(Faults::new().at(k, fault.clone()));
                let changed = change(&mut session);
                drop(session);
                card.disarm();
                card.reset();
                let what = format!("{way} {fault:?} at {k}: {changed:?}");
                let holds = (taken(&card, old), taken(&card, new));
                match changed {
                    // It has fewer commands.
                    Ok(()) if k > 15 => break,
                    Ok(()) => assert_eq!(holds, (NEITHER, BOTH), "{what}"),
                    Err(ActionError::Interrupted {
                        aftermath: Aftermath::SharedPinOldOrNew,
                        ..
                    }) => {
                        unknown += 1;
                        assert!(
                            holds == (NEITHER, BOTH) || holds == (BOTH, NEITHER),
                            "{what}"
                        );
                    }
                    Err(_) => {
                        failures += 1;
                        assert_eq!(holds, (BOTH, NEITHER), "{what}");
                    }
                }
            }
            assert!(
                failures >= 1 && unknown >= 1,
                "{way} {fault:?}: {failures} {unknown}"
            );
        }
    }
}
