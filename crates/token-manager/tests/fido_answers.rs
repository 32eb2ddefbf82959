//! What the FIDO application answers to a PIN and what it leaves open: the state that the
//! PIN is in then, and how a person finds out. And the PIN verified.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

use std::sync::Arc;
use std::time::Duration;

use ctap_apdu::FidoPin;
use pcsc_transport::{Card, CardLink, Continuity, Leave, LinkError, LinkInfo};
use piv_apdu::secret::Pin;
use piv_apdu::status::StatusWord;
use token_manager::token_profile::Policy;
use token_manager::{
    Action, ActionError, Aftermath, Capability, FidoPinState, LastTry, LoadOptions, Manager,
    NotSent, PersonalizeOptions, PresentSecrets, Reason, Secret, Session,
};
use virtual_token::fault::{Fault, Faults};
use virtual_token::{
    Content, CreateOptions, LinkOptions, MemoryBackend, Profile, SharedToken, VirtualLink,
    VirtualToken,
};
use zeroize::Zeroizing;

const OLD: &str = "old PIN";
const NEW: &str = "new PIN";

fn card(profile: Profile) -> SharedToken {
    let options = CreateOptions::default().seed(7).content(Content::Empty);
    SharedToken::new(VirtualToken::create(profile, &options).unwrap())
}

fn with_pin() -> SharedToken {
    let card = card(Profile::Crescendo4000);
    open(&card).set_fido_pin(&pin(OLD)).unwrap();
    card.reset();
    card
}

/// The same token once more, as it is without power.
fn copy(card: &SharedToken) -> SharedToken {
    let state = card.with(|token| token.to_state());
    SharedToken::new(VirtualToken::from_state(state).unwrap())
}

fn manager(readers: MemoryBackend) -> Manager {
    // Else a token that is never done takes a minute.
    let options = LoadOptions::new().with_keep_alive_pause(Duration::ZERO);
    Manager::new(Arc::new(readers)).with_options(options)
}

fn open_on(card: &SharedToken, reader: LinkOptions) -> Session {
    let readers = MemoryBackend::new();
    readers.add_reader(reader);
    readers.insert("Desk", card).unwrap();
    let session = manager(readers).open("Desk").unwrap();
    card.clear_log();
    session
}

fn open(card: &SharedToken) -> Session {
    open_on(card, LinkOptions::new("Desk"))
}

fn pin(text: &str) -> FidoPin {
    FidoPin::new(text).unwrap()
}

/// The PIN's state, as the session knows it.
fn state(session: &Session) -> FidoPinState {
    session.token().fido.application().unwrap().pin.clone()
}

fn set(session: &mut Session) -> Result<(), ActionError> {
    session.set_fido_pin(&pin(NEW)).map(drop)
}

fn change(session: &mut Session) -> Result<(), ActionError> {
    let changed = session.change_fido_pin(&pin(OLD), &pin(NEW), LastTry::Spare);
    changed.map(drop)
}

fn verify(session: &mut Session) -> Result<(), ActionError> {
    session.verify_fido_pin(&pin(OLD), LastTry::Spare).map(drop)
}

type Act = fn(&mut Session) -> Result<(), ActionError>;

/// Which command brings the `nth` CTAP message (from 1) to its end.
fn command_of(card: &SharedToken, act: Act, nth: usize) -> u64 {
    let card = copy(card);
    let mut session = open(&card);
    act(&mut session).unwrap();
    let log = card.log();
    let mut commands = (1..).zip(&log);
    let mut ends = commands
        .by_ref()
        .filter(|(_, header)| (header.cla, header.ins) == (0x80, 0x10));
    ends.nth(nth - 1).unwrap().0
}

/// What comes of an action if this happens from its command number `k` on.
fn struck(card: &SharedToken, act: Act, k: u64, fault: Fault) -> (ActionError, Session) {
    let card = copy(card);
    let mut session = open(&card);
    card.arm(Faults::new().from(k, fault));
    let error = act(&mut session).unwrap_err();
    (error, session)
}

fn answers(bytes: &[u8]) -> Fault {
    Fault::Answer(bytes.to_vec())
}

/// All that says nothing of what the card did.
fn says_nothing() -> Vec<Fault> {
    vec![
        Fault::VanishAfter,
        Fault::ReaderError,
        // The answer does not arrive.
        Fault::Truncate(0),
        Fault::Truncate(1),
        Fault::Status(StatusWord::new(0x6F00)),
        Fault::Status(StatusWord::new(0x6581)),
        // No status code; no CBOR; CBOR and something after it.
        answers(&[0x90, 0x00]),
        answers(&[0x00, 0xFF, 0x90, 0x00]),
        answers(&[0x00, 0xA0, 0x00, 0x90, 0x00]),
        // CTAP's "other", the vendor's own, one that CTAP does not know.
        answers(&[0x7F, 0x90, 0x00]),
        answers(&[0xF2, 0x90, 0x00]),
        answers(&[0x99, 0x90, 0x00]),
        // Never done.
        answers(&[0x01, 0x91, 0x00]),
    ]
}

#[test]
fn a_lost_or_senseless_answer_leaves_one_of_two_pins_and_says_how_to_find_out() {
    let none = card(Profile::Crescendo4000);
    let cases: [(&SharedToken, Act, usize, Aftermath, bool, &str); 2] = [
        (
            &with_pin(),
            change,
            3,
            Aftermath::FidoPinOldOrNew,
            true,
            "either the old or the new one, and a try may have been spent",
        ),
        (
            &none,
            set,
            2,
            Aftermath::FidoPinNewOrNotSet,
            false,
            "Either the FIDO PIN is the new one, or none is set",
        ),
    ];
    for (card, act, nth, expected, spends, says) in cases {
        let k = command_of(card, act, nth);
        for fault in says_nothing() {
            let (error, session) = struck(card, act, k, fault.clone());
            let what = format!("{fault:?}: {error}");
            assert_eq!(error.aftermath(), Some(expected), "{what}");
            assert!(error.to_string().contains(says), "{what}");
            assert!(
                error.to_string().contains("Insert the token again"),
                "{what}"
            );
            // A set spends none, whatever came of it.
            assert_eq!(error.may_have_spent_a_try(), spends, "{what}");
            assert!(
                matches!(state(&session), FidoPinState::Unknown(_)),
                "{what}"
            );
        }
    }
}

/// The token says that it has done nothing: then nothing is in doubt.
#[test]
fn a_check_that_failed_leaves_nothing_in_doubt() {
    let card = with_pin();
    let k = command_of(&card, change, 3);
    for fault in [
        Fault::Status(StatusWord::new(0x6A80)),
        Fault::Status(StatusWord::new(0x6985)),
        answers(&[0x33, 0x90, 0x00]),
        answers(&[0x37, 0x90, 0x00]),
    ] {
        let (error, _) = struck(&card, change, k, fault.clone());
        assert_eq!(error.aftermath(), None, "{fault:?}: {error}");
        assert!(error.to_string().contains("changed nothing"), "{error}");
    }
    // Before the PIN goes out, nothing is at stake.
    let (error, session) = struck(&card, change, k - 2, answers(&[0x00, 0xFF, 0x90, 0x00]));
    assert_eq!(error.aftermath(), Some(Aftermath::Unchanged), "{error}");
    assert_eq!(state(&session), FidoPinState::TriesLeft(8));
}

#[test]
fn a_right_pin_is_verified_and_spends_no_try() {
    for profile in [Profile::Crescendo4000, Profile::CrescendoKey] {
        let card = card(profile);
        open(&card).set_fido_pin(&pin(OLD)).unwrap();
        let mut session = open(&card);
        for left in [7, 6] {
            let error = session.verify_fido_pin(&pin("wrong"), LastTry::Spare);
            let error = error.unwrap_err();
            let is_it = matches!(
                error,
                ActionError::Wrong { secret: Secret::FidoPin, tries_left: Some(found) } if found == left
            );
            assert!(is_it, "{error}");
            assert_eq!(state(&session), FidoPinState::TriesLeft(left));
        }
        let verified = session.verify_fido_pin(&pin(OLD), LastTry::Spare).unwrap();
        assert_eq!(verified.before, FidoPinState::TriesLeft(6));
        assert_eq!(verified.after, FidoPinState::TriesLeft(8));
        assert_eq!(state(&session), verified.after);
        // And it is still that one.
        session.verify_fido_pin(&pin(OLD), LastTry::Spare).unwrap();
    }
}

#[test]
fn a_pin_that_can_not_be_verified_is_not_sent() {
    let none = card(Profile::Crescendo4000);
    let mut session = open(&none);
    let error = verify(&mut session).unwrap_err();
    assert!(matches!(error, ActionError::NotSent(NotSent::NoFidoPin)));
    assert_eq!(none.log().len(), 0);

    let card = with_pin();
    let mut session = open(&card);
    for _ in 0..3 {
        let _ = session.verify_fido_pin(&pin("wrong"), LastTry::Spare);
    }
    card.clear_log();
    let error = verify(&mut session).unwrap_err();
    let is_it = matches!(error, ActionError::NotSent(NotSent::PowerCycle { left: 5 }));
    assert!(is_it, "{error}");
    assert_eq!(card.log().len(), 0);
    for left in [4, 3, 2, 1] {
        card.reset();
        let error = open(&card).verify_fido_pin(&pin("wrong"), LastTry::Spare);
        assert_eq!(error.unwrap_err().tries_left(), Some(left));
    }
    card.reset();
    let mut session = open(&card);
    // The right one too: nobody knows that it is.
    let error = verify(&mut session).unwrap_err();
    assert!(
        matches!(error, ActionError::NotSent(NotSent::LastTry { .. })),
        "{error}"
    );
    session.verify_fido_pin(&pin(OLD), LastTry::Use).unwrap();

    let (error, _) = struck(
        &card,
        verify,
        command_of(&card, verify, 3),
        Fault::VanishAfter,
    );
    assert_eq!(error.aftermath(), Some(Aftermath::TryUncertain), "{error}");
    assert!(error.may_have_spent_a_try());
    let (error, _) = struck(&none_with_change_forced(), verify, 1, Fault::VanishBefore);
    assert!(
        matches!(error, ActionError::NotSent(NotSent::ForcePinChange { .. })),
        "{error}"
    );
    assert!(
        error.to_string().contains("change the PIN first"),
        "{error}"
    );

    // A FIDO PIN of its own: it is right, and has to be changed.
    let card = with_pin();
    let k = command_of(&card, verify, 3);
    let (error, _) = struck(&card, verify, k, answers(&[0x37, 0x90, 0x00]));
    let text = error.to_string();
    assert!(text.contains("change the FIDO PIN first"), "{text}");
}

/// A token whose shared PIN has to be changed before it is of use (project profile).
fn none_with_change_forced() -> SharedToken {
    personalized(Policy {
        force_change: true,
        fido_shared_pin: true,
        ..Policy::DELIVERY
    })
}

fn personalized(policy: Policy) -> SharedToken {
    let card = card(Profile::Crescendo4000);
    let mut options = PersonalizeOptions::new(PresentSecrets::Delivery);
    options.policy = policy;
    let piv = Pin::new(b"602214").unwrap();
    let mut session = open(&card);
    let done = session.personalize(
        &options,
        &piv,
        None,
        &mut |_| true,
        LastTry::Spare,
        &mut |_| {},
    );
    done.unwrap();
    drop(session);
    card.reset();
    card
}

/// A token of before CTAP 2.1, whose getPINRetries has no `powerCycleState`.
struct Older(VirtualLink);

impl CardLink for Older {
    fn info(&self) -> &LinkInfo {
        self.0.info()
    }
    fn begin(&mut self) -> Result<Continuity, LinkError> {
        self.0.begin()
    }
    fn transmit(&mut self, command: &[u8]) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        let answer = self.0.transmit(command)?;
        // {3: tries, 4: power cycle}
        if let [0x00, 0xA2, 0x03, left, 0x04, _, 0x90, 0x00] = answer[..] {
            return Ok(Zeroizing::new(vec![0x00, 0xA1, 0x03, left, 0x90, 0x00]));
        }
        Ok(answer)
    }
    fn end(&mut self, leave: Leave) -> Result<(), LinkError> {
        self.0.end(leave)
    }
}

fn open_older(card: &SharedToken) -> Session {
    let link = card.connect(&LinkOptions::new("Desk")).unwrap();
    let card = Card::new(Box::new(Older(link)));
    manager(MemoryBackend::new()).session(card).unwrap()
}

type ActWith = fn(&mut Session, &str) -> Result<(), ActionError>;

/// It answers `PIN_AUTH_BLOCKED` both to the third wrong one and to all after it, and only
/// the tries tell them apart.
#[test]
fn a_token_that_does_not_tell_that_it_takes_none_is_understood_all_the_same() {
    let acts: [ActWith; 2] = [
        |session, with| {
            let changed = session.change_fido_pin(&pin(with), &pin(NEW), LastTry::Spare);
            changed.map(drop)
        },
        |session, with| {
            session
                .verify_fido_pin(&pin(with), LastTry::Spare)
                .map(drop)
        },
    ];
    for act in acts {
        let card = with_pin();
        let mut session = open_older(&card);
        for left in [7, 6] {
            let error = act(&mut session, "wrong").unwrap_err();
            let is_it = matches!(
                error,
                ActionError::Wrong { tries_left: Some(found), .. } if found == left
            );
            assert!(is_it, "{error}");
        }
        let error = act(&mut session, "wrong").unwrap_err();
        let is_it = matches!(
            error,
            ActionError::WrongUntilPowerCycle {
                tries_left: Some(5),
                ..
            }
        );
        assert!(is_it, "{error}");
        assert!(error.may_have_spent_a_try());

        // Another program, to which it says that it has five tries.
        let mut session = open_older(&card);
        assert_eq!(state(&session), FidoPinState::TriesLeft(5));
        let error = act(&mut session, OLD).unwrap_err();
        let is_it = matches!(error, ActionError::NotSent(NotSent::PowerCycle { left: 5 }));
        assert!(is_it, "{error}");
        assert!(!error.may_have_spent_a_try());
        assert!(
            error.to_string().contains("take it out and put it back"),
            "{error}"
        );
        // It got the PIN, and only did not look at it.
        assert!(!error.to_string().contains("Nothing was sent"), "{error}");
        // From now on it is known, and nothing is sent.
        let needed = FidoPinState::PowerCycleNeeded { tries_left: 5 };
        assert_eq!(state(&session), needed);
        card.clear_log();
        act(&mut session, OLD).unwrap_err();
        assert_eq!(card.log().len(), 0);

        card.reset();
        act(&mut open_older(&card), OLD).unwrap();
    }
}

/// Without a secure session the token's profile is not told, nor whether its PIN is FIDO's.
#[test]
fn through_the_air_the_fido_pin_is_left_alone_unless_it_is_known_not_to_be_shared() {
    let shared = |shared| Policy {
        fido_shared_pin: shared,
        ..Policy::DELIVERY
    };
    let cards = [
        personalized(shared(true)),
        personalized(shared(false)),
        card(Profile::Crescendo4000),
    ];
    for (card, expected) in cards.iter().zip([true, false, false]) {
        assert_eq!(open(card).token().fido_pin_is_shared(), Some(expected));
        let mut session = open_on(card, LinkOptions::new("Desk").contactless());
        let token = session.token();
        assert_eq!(token.fido_pin_is_shared(), None);
        assert!(token.fido.application().is_some());
        assert!(token.capabilities.get(Action::Fido).is_available());
        assert_eq!(
            token.capabilities.get(Action::FidoPin),
            Capability::Unavailable(Reason::OnlyOnContact)
        );
        for act in [set as Act, change, verify] {
            let error = act(&mut session).unwrap_err();
            assert!(matches!(error, ActionError::Unavailable { .. }), "{error}");
            assert!(error.to_string().contains("contact interface"), "{error}");
        }
        assert_eq!(card.log().len(), 0);
        session.plan_set_fido_pin().unwrap_err();
    }
    // A Key's is never shared.
    let key = card(Profile::CrescendoKey);
    let mut session = open_on(&key, LinkOptions::new("Desk").contactless());
    assert_eq!(session.token().fido_pin_is_shared(), Some(false));
    set(&mut session).unwrap();
    session.verify_fido_pin(&pin(NEW), LastTry::Spare).unwrap();
}
