//! A token that is exchanged for another one, or reset, while a session is open:
//! no secret goes to a token other than the one that the person was shown.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

mod desk;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pcsc_transport::{Card, CardLink, Continuity, Leave, LinkError, LinkInfo};
use piv_apdu::Zeroizing;
use piv_apdu::secret::Puk;
use token_manager::token_profile::{Policy, RecoveryKind};
use token_manager::{
    ActionError, Authority, LastTry, Manager, MemorySecretStore, NotSent, PinChangeEntry, PinEntry,
    PinStatus, RecoveryPlace, RecoverySecret, Session, SetKey,
};
use virtual_token::fault::{Fault, Faults};
use virtual_token::{
    Content, CreateOptions, MemoryBackend, Profile, SharedToken, VirtualLink, VirtualToken,
};

use desk::{Desk, factory, pin};

/// A reader in which the first card is exchanged for the second at the first
/// transaction after the word is given, and which says only "lost", once.
struct Exchanged {
    cards: [VirtualLink; 2],
    word: Arc<AtomicBool>,
    second: bool,
}

impl CardLink for Exchanged {
    fn info(&self) -> &LinkInfo {
        self.cards[0].info()
    }

    fn begin(&mut self) -> Result<Continuity, LinkError> {
        if !self.second && self.word.load(Ordering::SeqCst) {
            self.second = true;
            self.cards[1].begin()?;
            return Ok(Continuity::Lost);
        }
        self.cards[usize::from(self.second)].begin()
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        self.cards[usize::from(self.second)].transmit(command)
    }

    fn end(&mut self, leave: Leave) -> Result<(), LinkError> {
        self.cards[usize::from(self.second)].end(leave)
    }
}

fn token(profile: Profile, seed: u64) -> SharedToken {
    let options = CreateOptions::default()
        .seed(seed)
        .pairing_code(profile == Profile::Piv);
    SharedToken::new(VirtualToken::create(profile, &options).unwrap())
}

/// A session with the first token, the second one, and the word to exchange them.
fn session(profile: Profile) -> (Session, SharedToken, Arc<AtomicBool>) {
    let (first, second) = (token(profile, 1), token(profile, 2));
    let readers = MemoryBackend::new();
    readers.insert("One", &first).unwrap();
    readers.insert("Two", &second).unwrap();
    let word = Arc::new(AtomicBool::new(false));
    let link = Exchanged {
        cards: [first.link("One"), second.link("Two")],
        word: Arc::clone(&word),
        second: false,
    };
    let overrides = token_manager::Overrides::default()
        .allow_unverified(true)
        .allow_managed(true);
    let manager = Manager::new(Arc::new(readers))
        .with_secrets(Arc::new(MemorySecretStore::new()))
        .with_overrides(overrides);
    let session = manager.session(Card::new(Box::new(link))).unwrap();
    second.clear_log();
    (session, second, word)
}

/// Whether the card was sent anything but SELECT, GET DATA, and an empty VERIFY.
fn was_only_looked_at(card: &SharedToken) -> bool {
    card.log()
        .iter()
        .all(|header| matches!(header.ins, 0xA4 | 0xCB | 0xCA))
}

type Act = fn(&mut Session, Profile) -> Result<(), ActionError>;

const ACTIONS: &[(&str, Act)] = &[
    ("authenticate", |session, profile| {
        let right = factory(profile);
        let opened = session.authenticate(PinEntry::Typed(&right), LastTry::Spare);
        opened.map(drop)
    }),
    ("change-pin", |session, profile| {
        let (old, new) = (factory(profile), pin("271828"));
        let entry = PinChangeEntry::Typed {
            old: &old,
            new: &new,
        };
        session.change_pin(entry, LastTry::Spare).map(drop)
    }),
    ("change-puk", |session, _| {
        let old = Puk::new(b"12345678").unwrap();
        let new = Puk::new(b"31415926").unwrap();
        session.change_puk(&old, &new, LastTry::Spare)
    }),
    ("unblock", |session, _| {
        let puk = Puk::new(b"12345678").unwrap();
        let unblocked = session.unblock_with_puk(&puk, &pin("271828"), LastTry::Spare);
        unblocked.map(drop)
    }),
    ("policy", |session, profile| {
        let right = factory(profile);
        let policy = Policy {
            force_change: true,
            ..Policy::DELIVERY
        };
        let set = session.set_policy(PinEntry::Typed(&right), LastTry::Spare, &policy);
        set.map(drop)
    }),
    ("retrieve", |session, profile| {
        let right = factory(profile);
        let entry = PinEntry::Typed(&right);
        session.cache_pairing_code(entry, LastTry::Spare)
    }),
    ("keep", |session, profile| {
        let right = factory(profile);
        let secret = RecoverySecret::new(RecoveryKind::Puk, b"31415926").unwrap();
        let place = RecoveryPlace::Host;
        let entry = PinEntry::Typed(&right);
        session.keep_recovery(entry, LastTry::Spare, None, place, &secret)
    }),
    ("recycle", |session, profile| {
        let right = factory(profile);
        let authority = Authority::Pin(PinEntry::Typed(&right));
        let confirmation = session.confirmation();
        let recycled = session.recycle(authority, &confirmation, LastTry::Spare, &mut |_| {});
        recycled.map(drop)
    }),
];

#[test]
fn no_secret_goes_to_another_token_than_the_one_that_was_read() {
    let mut compared = 0;
    for profile in Profile::ALL {
        for (name, act) in ACTIONS {
            let (mut session, second, word) = session(profile);
            word.store(true, Ordering::SeqCst);
            let error = act(&mut session, profile).unwrap_err();
            if let ActionError::Unavailable { .. } = error {
                continue;
            }
            assert!(
                matches!(error, ActionError::NotSent(NotSent::OtherToken)),
                "{profile} {name}: {error}"
            );
            compared += 1;
            if *name != "recycle" {
                assert!(was_only_looked_at(&second), "{profile} {name}");
                // Nor is it the second time, when nobody says so any more.
                let error = act(&mut session, profile).unwrap_err();
                assert_eq!(error.id(), "not-sent", "{profile} {name}");
                assert!(was_only_looked_at(&second), "{profile} {name}");
            }
        }
    }
    assert!(compared > 20, "{compared}");
}

/// The key is made and handed over between two transactions, and the token is
/// exchanged while the person writes it down.
#[test]
fn a_new_key_goes_to_no_token_that_was_exchanged_meanwhile() {
    for profile in [Profile::Crescendo2300, Profile::Crescendo4000] {
        let (mut session, second, word) = session(profile);
        let right = factory(profile);
        let authority = Authority::Pin(PinEntry::Typed(&right));
        let mut take = |_: &RecoverySecret| {
            word.store(true, Ordering::SeqCst);
            true
        };
        let set = session.set_admin_key(authority, SetKey::Generated, &mut take, LastTry::Spare);
        let error = set.unwrap_err();
        assert!(
            matches!(error, ActionError::NotSent(NotSent::OtherToken)),
            "{error}"
        );
        assert!(was_only_looked_at(&second));
    }
}

/// The guard's own locking meets the exchange first, and takes note of it.
#[test]
fn an_exchange_that_the_guard_met_is_not_forgotten() {
    for profile in Profile::ALL {
        let (mut session, second, word) = session(profile);
        let right = factory(profile);
        let mut open = session
            .authenticate(PinEntry::Typed(&right), LastTry::Spare)
            .unwrap();
        word.store(true, Ordering::SeqCst);
        assert!(!open.is_still_verified().unwrap());
        drop(open);
        second.clear_log();
        let again = session.authenticate(PinEntry::Typed(&right), LastTry::Spare);
        assert!(
            matches!(
                again.unwrap_err(),
                ActionError::NotSent(NotSent::OtherToken)
            ),
            "{profile}"
        );
        assert!(was_only_looked_at(&second), "{profile}");
        // Whoever reads it has been shown it.
        session.reload().unwrap();
        session
            .authenticate(PinEntry::Typed(&right), LastTry::Spare)
            .unwrap();
    }
}

#[test]
fn the_same_token_after_a_reset_is_known_again() {
    for profile in Profile::ALL {
        let desk = Desk::new(profile, Content::Personal);
        let mut session = desk.open();
        desk.card.arm(Faults::new().at(1, Fault::Reset));
        let right = factory(profile);
        session
            .authenticate(PinEntry::Typed(&right), LastTry::Spare)
            .unwrap();
    }
}

/// As is done after a person was asked for something, which takes time.
#[test]
fn a_token_that_was_exchanged_is_told_when_it_is_read_again() {
    for profile in Profile::ALL {
        let (mut session, _, word) = session(profile);
        session.reload_same().unwrap();
        let known = session.token().identity.clone();
        word.store(true, Ordering::SeqCst);
        let error = session.reload_same().unwrap_err();
        assert!(
            matches!(error, ActionError::NotSent(NotSent::OtherToken)),
            "{profile}: {error:?}"
        );
        assert_ne!(session.token().identity.guid, known.guid, "{profile}");
    }
}

/// An empty plain PIV card has neither serial number nor GUID.
#[test]
fn a_token_without_a_name_is_not_taken_for_the_same_one() {
    let desk = Desk::new(Profile::Piv, Content::Empty);
    let mut session = desk.open();
    assert!(session.key().is_none());
    desk.card.arm(Faults::new().at(1, Fault::Reset));
    let right = factory(Profile::Piv);
    let error = session
        .authenticate(PinEntry::Typed(&right), LastTry::Spare)
        .unwrap_err();
    assert!(
        matches!(error, ActionError::NotSent(NotSent::MayBeOtherToken)),
        "{error}"
    );
    session.reload().unwrap();
    assert!(matches!(
        session.token().pin.status,
        PinStatus::TriesLeft(3)
    ));
}

/// The erasure is over, and the token is exchanged for an empty one before it is
/// seen to be empty.
#[test]
fn another_token_does_not_prove_that_this_one_is_erased() {
    let profile = Profile::Crescendo2300;
    let (mut session, _, word) = session(profile);
    let right = factory(profile);
    let authority = Authority::Pin(PinEntry::Typed(&right));
    let confirmation = session.confirmation();
    let mut observe = |report: &token_manager::StepReport| {
        if report.id == "reset-card" {
            word.store(true, Ordering::SeqCst);
        }
    };
    let recycled = session.recycle(authority, &confirmation, LastTry::Spare, &mut observe);
    let error = recycled.unwrap_err();
    assert!(error.to_string().contains("another token"), "{error}");
    assert_eq!(error.id(), "not-confirmed");
}
