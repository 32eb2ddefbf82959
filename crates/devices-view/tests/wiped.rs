//! No secret is left behind by the window: they are looked for in all memory that it gives
//! back, and at the end in all that it had, egui's included.
//!
//! The card's side, which has the secrets by its nature, is not looked at; nor is the
//! clipboard, where a copy is what was wanted.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

#[allow(dead_code, reason = "shared with another test program")]
#[path = "window/clipboard.rs"]
mod clipboard;
#[allow(dead_code, reason = "shared with another test program")]
#[path = "window/desk.rs"]
mod desk;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use devices_view::Lending;
use pcsc_transport::{
    Backend, CardLink, Continuity, Leave, LinkError, LinkInfo, ReaderState, Sharing, Watcher,
};
use piv_apdu::management::{ManagementAlgorithm, ManagementKey};
use piv_apdu::secret::{Pin, Puk, from_hex};
use secret_scan::{Found, Scanner, apart, found, look_for};
use token_desktop::{Clipboard, ClipboardError};
use token_manager::token_profile::RecoveryKind;
use token_manager::{
    LastTry, Manager, Overrides, PinChangeEntry, PinEntry, RecoveryPlace, RecoverySecret,
};
use virtual_token::{MemoryBackend, Profile, VirtualToken};
use zeroize::Zeroizing;

use clipboard::FakeClipboard;
use desk::{Desk, FIVE_MINUTES, empty, pin, token};

#[global_allocator]
static ALLOCATOR: Scanner = Scanner;

const PIN: &str = "739164";
const NEXT_PIN: &str = "91460327";
const LAST_PIN: &str = "60283947";
const PUK: &str = "40718365";

/// What is found is one list for the whole program.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Looks for all of them from now on, and for nothing twice.
fn alone() -> MutexGuard<'static, ()> {
    static NAMED: std::sync::Once = std::sync::Once::new();
    let guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    NAMED.call_once(|| {
        look_for("PIN", PIN.as_bytes());
        look_for("next PIN", NEXT_PIN.as_bytes());
        look_for("last PIN", LAST_PIN.as_bytes());
        look_for("PUK", PUK.as_bytes());
    });
    apart(|| drop(found()));
    guard
}

/// A window with a token that has these secrets, and keeps the PUK.
fn window(profile: Profile) -> Desk {
    let readers = MemoryBackend::new();
    apart(|| {
        readers.insert("Desk", &token(profile, &empty())).unwrap();
        set_up(&readers, profile);
    });
    let table: Arc<dyn Backend> = Arc::new(Table(readers.clone()));
    let board = FakeClipboard::default();
    let clipboard = board.clone();
    let lending = Lending {
        open: Arc::new(move || Ok(Box::new(Board(clipboard.clone())))),
        time: FIVE_MINUTES,
    };
    let set = |_| Manager::new(table);
    let minutes = FIVE_MINUTES;
    let mut desk = Desk::lending(readers, set, minutes, (board, lending));
    desk.is_read();
    desk
}

fn set_up(readers: &MemoryBackend, profile: Profile) {
    let risks = Overrides::default()
        .allow_managed(true)
        .allow_unverified(true);
    let manager = Manager::new(Arc::new(readers.clone())).with_overrides(risks);
    let mut session = manager.open("Desk").unwrap();
    let old = Pin::new(pin(profile).as_bytes()).unwrap();
    let new = Pin::new(PIN.as_bytes()).unwrap();
    let entry = PinChangeEntry::Typed {
        old: &old,
        new: &new,
    };
    session.change_pin(entry, LastTry::Spare).unwrap();
    let factory = readers_puk(profile);
    let puk = Puk::new(PUK.as_bytes()).unwrap();
    session.change_puk(&factory, &puk, LastTry::Spare).unwrap();
    let key = (1..=8).cycle().take(32).collect::<Vec<u8>>();
    let key = ManagementKey::new(ManagementAlgorithm::Aes256, &key).unwrap();
    let key = (profile == Profile::Piv).then_some(&key);
    let secret = RecoverySecret::new(RecoveryKind::Puk, PUK.as_bytes()).unwrap();
    let (entry, place) = (PinEntry::Typed(&new), RecoveryPlace::Token);
    session
        .keep_recovery(entry, LastTry::Spare, key, place, &secret)
        .unwrap();
}

fn readers_puk(profile: Profile) -> Puk {
    let made = VirtualToken::create(profile, &empty()).unwrap();
    Puk::new(made.factory_puk().unwrap()).unwrap()
}

/// All that was found, once the window and its threads are gone.
fn found_of(desk: Desk) -> Vec<Found> {
    let readers = desk.readers.clone();
    drop(desk);
    // The readers' threads end on their own.
    std::thread::sleep(Duration::from_millis(500));
    apart(|| drop(readers));
    found()
}

#[track_caller]
fn assert_nothing(found: &[Found]) {
    let all: Vec<_> = found
        .iter()
        .map(|it| {
            format!(
                "{} ({}) in {} bytes\n{}",
                it.name, it.form, it.size, it.backtrace
            )
        })
        .collect();
    assert!(all.is_empty(), "{}: {}", all.len(), all.join("\n\n"));
}

#[test]
fn what_is_planted_is_found() {
    let _alone = alone();
    drop(format!("the PIN is {PIN}"));
    assert!(found().iter().any(|it| it.name == "PIN"));
}

#[test]
fn neither_a_change_nor_an_unblock_leaves_a_pin_behind() {
    let _alone = alone();
    for profile in [Profile::Piv, Profile::Crescendo4000] {
        let mut desk = window(profile);
        desk.pick("Change PIN…");
        desk.type_secret("Present PIN", PIN);
        desk.type_secret("New PIN", NEXT_PIN);
        desk.type_secret("New PIN again", NEXT_PIN);
        desk.press("Change PIN");
        desk.sees("The PIN is changed.");
        desk.press("Close");

        desk.pick("Unblock PIN…");
        desk.type_secret("PUK", PUK);
        desk.type_secret("New PIN", LAST_PIN);
        desk.type_secret("New PIN again", LAST_PIN);
        desk.press("Unblock PIN");
        desk.sees("The PIN is unblocked");
        desk.press("Close");

        let lock = desk.word("Locked: ");
        desk.press(&lock);
        desk.type_secret("PIN", LAST_PIN);
        desk.press("Authenticate");
        desk.sees("Authenticated: ");
        assert_nothing(&found_of(desk));
    }
}

fn view(desk: &mut Desk) {
    desk.pick("View PUK…");
    desk.type_secret("PIN", PIN);
    desk.press("View PUK");
    desk.sees("hidden");
}

#[test]
fn a_puk_that_is_copied_and_not_shown_is_left_nowhere() {
    let _alone = alone();
    for profile in [Profile::Piv, Profile::Crescendo4000] {
        let mut desk = window(profile);
        view(&mut desk);
        desk.press("Copy");
        desk.sees("The PUK is in the clipboard for ");
        desk.press("Close");
        assert_nothing(&found_of(desk));
    }
}

#[test]
fn a_puk_that_is_shown_is_left_with_assistive_technology_alone() {
    let _alone = alone();
    let mut desk = window(Profile::Piv);
    view(&mut desk);
    desk.press("Show");
    // Not `sees`, which makes copies of all texts.
    for _ in 0..5 {
        desk.window.step();
    }
    desk.press("Close");
    let (spoken, others): (Vec<_>, Vec<_>) = found_of(desk)
        .into_iter()
        .partition(|it| it.backtrace.contains("accesskit"));
    assert_nothing(&others);
    assert!(!spoken.is_empty(), "nobody was told the PUK");
}

/// Types a PIN where it is new.
fn choose(desk: &mut Desk, pin: &str) {
    desk.type_secret("New PIN", pin);
    desk.type_secret("New PIN again", pin);
}

#[test]
fn neither_an_erasure_nor_one_that_fails_leaves_what_allows_it_behind() {
    let _alone = alone();
    let mut desk = window(Profile::Crescendo4000);
    desk.pick("Recycle device…");
    // What is no PIN of this token first: it is wiped, and typed again.
    desk.type_secret("PIN", NEXT_PIN);
    let id = desk.word("(type ");
    let id = id
        .trim_start_matches("(type ")
        .trim_end_matches(')')
        .to_owned();
    desk.replace("ID of the token that is erased", &id);
    desk.press("Erase");
    desk.sees("The PIN is wrong");
    desk.type_secret("PIN", PIN);
    desk.press("Erase");
    desk.sees("The token is erased.");
    desk.press("Close");
    assert_nothing(&found_of(desk));
}

/// Takes a new secret over by copying it, and looks for it, too, from then on.
fn take_over(desk: &mut Desk) {
    desk.press("Copy");
    desk.until("a copy", |desk| desk.can_set("I have it in safe keeping"));
    let clipboard = desk.clipboard.clone();
    // On a stack of its own, which nothing of the window comes to lie on.
    let look = move || {
        let new = clipboard.text().unwrap();
        look_for("new secret", new.as_bytes());
        if new.contains('-') {
            look_for("new key", &from_hex(&new).unwrap());
        }
        clipboard.set(None);
    };
    apart(|| std::thread::spawn(move || apart(look)).join()).unwrap();
    desk.set("I have it in safe keeping");
    desk.press("Go on");
}

#[test]
fn a_set_up_leaves_neither_old_secrets_nor_new_ones_behind() {
    let _alone = alone();
    for profile in [Profile::Piv, Profile::Crescendo4000] {
        let mut desk = window(profile);
        desk.pick("Personalize…");
        // As it is: neither erased, nor with other policies.
        while !desk.shows("Present PIN") {
            if desk.can_set("Others") {
                desk.set("Others");
            } else {
                desk.press("Next");
            }
        }
        desk.type_secret("Present PIN", PIN);
        if desk.shows("Present PUK") {
            desk.type_secret("Present PUK", PUK);
        }
        desk.press("Next");
        choose(&mut desk, NEXT_PIN);
        desk.press("Next");
        desk.set("Nowhere besides");
        desk.press("Next");
        desk.press("Start");
        while !desk.shows("The token is set up.") {
            desk.until("a secret, or the end", |desk| {
                desk.can("Copy") || desk.shows("The token is set up.")
            });
            if desk.can("Copy") {
                take_over(&mut desk);
            }
        }
        desk.press("Close");
        assert_nothing(&found_of(desk));
    }
}

/// A clipboard that is not looked at.
struct Board(FakeClipboard);

impl Clipboard for Board {
    fn put(&mut self, text: &str) -> Result<(), ClipboardError> {
        apart(|| self.0.put(text))
    }

    fn get(&mut self) -> Result<Option<Zeroizing<String>>, ClipboardError> {
        apart(|| self.0.get())
    }

    fn clear(&mut self) -> Result<(), ClipboardError> {
        apart(|| self.0.clear())
    }
}

/// Readers whose cards are not looked at.
struct Table(MemoryBackend);

impl Backend for Table {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn readers(&self) -> Result<Vec<ReaderState>, LinkError> {
        self.0.readers()
    }

    fn connect(&self, reader: &str, sharing: Sharing) -> Result<Box<dyn CardLink>, LinkError> {
        Ok(Box::new(Apart(apart(|| self.0.connect(reader, sharing))?)))
    }

    fn watch(&self) -> Result<Watcher, LinkError> {
        self.0.watch()
    }
}

/// A link whose other end is not looked at. It carries what it is given, and what it gives
/// back is the window's.
struct Apart(Box<dyn CardLink>);

impl CardLink for Apart {
    fn info(&self) -> &LinkInfo {
        self.0.info()
    }

    fn begin(&mut self) -> Result<Continuity, LinkError> {
        apart(|| self.0.begin())
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        apart(|| self.0.transmit(command))
    }

    fn end(&mut self, leave: Leave) -> Result<(), LinkError> {
        apart(|| self.0.end(leave))
    }
}
