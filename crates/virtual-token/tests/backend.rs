//! Software tokens as readers: moved by hand, and from a directory.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use pcsc_transport::{
    Backend, CardPresence, Event, EventKind, Interface, LinkError, Sharing, Watcher,
};
use support::{OK, PIN_STATUS, SELECT_PIV, VERIFY, VERIFY_WRONG, card, options, piv, send, status};
use virtual_token::fault::{Fault, Faults};
use virtual_token::store::{TokenName, TokenStore, Wait};
use virtual_token::{
    EmbeddedBackend, ExtendedCarriage, LinkOptions, MemoryBackend, Profile, SharedToken,
};

/// An event in few words: `+Desk`, `-Desk`, `Desk in`, `Desk out`.
fn words(event: &Event) -> String {
    match event.kind {
        EventKind::ReaderAdded => format!("+{}", event.reader),
        EventKind::ReaderRemoved => format!("-{}", event.reader),
        EventKind::CardInserted { .. } => format!("{} in", event.reader),
        EventKind::CardRemoved => format!("{} out", event.reader),
        ref other => format!("{other:?}"),
    }
}

/// The next events, on a thread of their own so that a missing one is no endless wait.
struct Seen(mpsc::Receiver<String>);

impl Seen {
    fn of(watcher: Watcher) -> Self {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            for event in watcher {
                if sender.send(words(&event.unwrap())).is_err() {
                    break;
                }
            }
        });
        Self(receiver)
    }

    fn next(&self, count: usize) -> Vec<String> {
        (0..count)
            .map(|i| {
                self.0
                    .recv_timeout(Duration::from_secs(20))
                    .unwrap_or_else(|_| format!("no event {i}"))
            })
            .collect()
    }

    fn assert_none(&self) {
        assert_eq!(self.0.recv_timeout(Duration::from_millis(200)).ok(), None);
    }
}

fn store(directory: &Path) -> TokenStore {
    TokenStore::open(directory).unwrap()
}

fn name(name: &str) -> TokenName {
    name.parse().unwrap()
}

#[test]
fn readers_and_cards_come_and_go() {
    let backend = MemoryBackend::new();
    assert!(backend.readers().unwrap().is_empty());
    backend.add_reader(LinkOptions::new("Left"));
    let token = piv();
    backend.insert("Right", &token).unwrap();

    let readers = backend.readers().unwrap();
    assert_eq!(readers[0].name, "Left");
    assert_eq!(readers[0].card, CardPresence::Empty);
    assert_eq!(readers[1].card, CardPresence::Present { atr: token.atr() });
    assert_eq!(readers[1].event_count, Some(1));

    backend.eject("Right").unwrap();
    assert!(backend.eject("Right").is_none());
    assert!(backend.eject("Nowhere").is_none());
    assert_eq!(backend.readers().unwrap()[1].event_count, Some(2));
    assert!(backend.remove_reader("Right"));
    assert!(!backend.remove_reader("Right"));
    assert_eq!(backend.readers().unwrap().len(), 1);
}

#[test]
fn connecting_says_what_is_missing() {
    let backend = MemoryBackend::new();
    backend.add_reader(LinkOptions::new("Desk"));
    assert!(matches!(
        backend.connect("Nowhere", Sharing::Shared),
        Err(LinkError::NoSuchReader { reader }) if reader == "Nowhere"
    ));
    assert!(matches!(
        backend.connect("Desk", Sharing::Shared),
        Err(LinkError::NoCard { reader }) if reader == "Desk"
    ));
    backend.insert("Desk", &piv()).unwrap();
    let _held = backend.connect("Desk", Sharing::Exclusive).unwrap();
    assert!(matches!(
        backend.connect("Desk", Sharing::Shared),
        Err(LinkError::SharingViolation { .. })
    ));
}

#[test]
fn a_reader_has_one_card_and_a_card_one_reader() {
    let backend = MemoryBackend::new();
    let (a, b) = (piv(), piv());
    backend.insert("Left", &a).unwrap();
    assert_eq!(backend.insert("Left", &b).unwrap_err().reader, "Left");

    let mut link = backend.connect("Left", Sharing::Shared).unwrap();
    backend.insert("Right", &a).unwrap();
    assert!(matches!(link.begin(), Err(LinkError::Removed)));
    assert_eq!(backend.readers().unwrap()[0].card, CardPresence::Empty);
    backend.connect("Right", Sharing::Shared).unwrap();
}

#[test]
fn a_readers_kind_is_its_links_kind() {
    let backend = MemoryBackend::new();
    backend.add_reader(LinkOptions::new("Short").carries(ExtendedCarriage::Fails));
    backend.insert("Short", &piv()).unwrap();
    let mut link = backend.connect("Short", Sharing::Shared).unwrap();
    assert!(matches!(
        send(
            &mut *link,
            b"\x00\xCB\x3F\xFF\x00\x00\x03\x5C\x01\x7E\x00\x00"
        ),
        Err(LinkError::NotTransacted)
    ));
}

/// The card is the same, and what it knows of its PIN.
#[test]
fn a_card_carried_to_a_contactless_reader_goes_and_comes() {
    let backend = MemoryBackend::new();
    backend.add_reader(LinkOptions::new("Slot"));
    backend.add_reader(LinkOptions::new("Pad").contactless());
    let token = piv();
    backend.insert("Slot", &token).unwrap();
    let contact = token.atr();
    let mut link = backend.connect("Slot", Sharing::Shared).unwrap();
    send(&mut *link, SELECT_PIV).unwrap();
    send(&mut *link, VERIFY_WRONG).unwrap();
    let seen = Seen::of(backend.watch().unwrap());
    assert_eq!(seen.next(3), ["+Slot", "Slot in", "+Pad"]);

    backend.insert("Pad", &token).unwrap();
    assert_eq!(seen.next(2), ["Slot out", "Pad in"]);
    assert!(matches!(
        send(&mut *link, PIN_STATUS),
        Err(LinkError::Removed)
    ));
    assert_eq!(token.interface(), Interface::Contactless);
    let readers = backend.readers().unwrap();
    assert_eq!(readers[1].card, CardPresence::Present { atr: token.atr() });
    let mut link = backend.connect("Pad", Sharing::Shared).unwrap();
    assert_eq!(link.info().interface, Interface::Contactless);
    assert!(link.info().atr.is_contactless_pcsc());
    send(&mut *link, SELECT_PIV).unwrap();
    assert_eq!(send(&mut *link, PIN_STATUS).unwrap(), [0x69, 0x82]);

    // By hand, to a reader of its own.
    token.set_interface(Interface::Contact);
    assert_eq!(seen.next(1), ["Pad out"]);
    assert!(matches!(
        send(&mut *link, PIN_STATUS),
        Err(LinkError::Removed)
    ));
    assert_eq!((token.atr(), token.is_present()), (contact, true));
    let mut link = token.link("Own");
    send(&mut link, SELECT_PIV).unwrap();
    assert_eq!(send(&mut link, PIN_STATUS).unwrap(), [0x63, 0xC2]);
}

#[test]
fn a_token_of_a_directory_that_is_moved_goes_and_comes() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let made = store
        .create(&name("one"), Profile::Piv, &options())
        .unwrap();
    assert_eq!(made.interface, Interface::Contact);
    let backend = EmbeddedBackend::new(store.clone());
    let seen = Seen::of(backend.watch().unwrap());
    assert_eq!(seen.next(2), ["+Virtual one", "Virtual one in"]);

    let moved = store
        .set_interface(&name("one"), Interface::Contactless)
        .unwrap();
    assert_eq!(moved.interface, Interface::Contactless);
    assert_eq!(seen.next(2), ["Virtual one out", "Virtual one in"]);
    let link = backend.connect("Virtual one", Sharing::Shared).unwrap();
    assert_eq!(link.info().interface, Interface::Contactless);
    assert_eq!(link.info().atr, moved.atr);
    // Nobody moves it while it is in use.
    let hurried = store.clone().with_wait(Wait::No);
    assert!(
        hurried
            .set_interface(&name("one"), Interface::Contact)
            .is_err()
    );
    drop(link);

    // Where it lies already, nothing happens.
    store
        .set_interface(&name("one"), Interface::Contactless)
        .unwrap();
    seen.assert_none();
    store
        .set_interface(&name("one"), Interface::Contact)
        .unwrap();
    assert_eq!(seen.next(2), ["Virtual one out", "Virtual one in"]);
}

#[test]
fn a_watcher_first_tells_what_is_there() {
    let backend = MemoryBackend::new();
    backend.insert("Left", &piv()).unwrap();
    backend.add_reader(LinkOptions::new("Right"));
    let seen = Seen::of(backend.watch().unwrap());
    assert_eq!(seen.next(3), ["+Left", "Left in", "+Right"]);
    backend.remove_reader("Left");
    assert_eq!(seen.next(2), ["Left out", "-Left"]);
    seen.assert_none();
}

#[test]
fn a_thousand_insertions_are_each_seen_once_and_in_order() {
    let backend = MemoryBackend::new();
    backend.add_reader(LinkOptions::new("Desk"));
    let seen = Seen::of(backend.watch().unwrap());
    assert_eq!(seen.next(1), ["+Desk"]);
    let mover = {
        let backend = backend.clone();
        thread::spawn(move || {
            let token = piv();
            for _ in 0..1000 {
                backend.insert("Desk", &token).unwrap();
                backend.eject("Desk").unwrap();
            }
        })
    };
    let events = seen.next(2000);
    assert!(events.chunks(2).all(|pair| pair == ["Desk in", "Desk out"]));
    mover.join().unwrap();
    seen.assert_none();
    assert_eq!(backend.readers().unwrap()[0].event_count, Some(2000));
}

#[test]
fn watchers_that_join_in_between_agree_with_the_readers() {
    let backend = MemoryBackend::new();
    let mover = {
        let backend = backend.clone();
        thread::spawn(move || {
            let token = piv();
            for _ in 0..300 {
                backend.insert("Desk", &token).unwrap();
                backend.remove_reader("Desk");
            }
        })
    };
    for _ in 0..50 {
        let watcher = backend.watch().unwrap();
        watcher.canceller().cancel();
        // What was there when it began is told, and makes sense.
        let events: Vec<_> = watcher.map(|event| words(&event.unwrap())).collect();
        let expected = ["+Desk", "Desk in", "Desk out", "-Desk"];
        assert!(
            events
                .iter()
                .zip(expected.iter().cycle())
                .all(|(event, expected)| event == expected),
            "{events:?}"
        );
    }
    mover.join().unwrap();
}

#[test]
fn whoever_hears_of_a_card_can_connect_to_it() {
    let backend = MemoryBackend::new();
    let watcher = backend.watch().unwrap();
    let token = piv();
    let (done, next) = mpsc::channel();
    let mover = {
        let backend = backend.clone();
        thread::spawn(move || {
            for _ in 0..200 {
                backend.insert("Desk", &token).unwrap();
                next.recv().unwrap();
                backend.eject("Desk");
            }
        })
    };
    let inserted = watcher
        .map(Result::unwrap)
        .filter(|event| matches!(event.kind, EventKind::CardInserted { .. }))
        .take(200);
    for event in inserted {
        let mut link = backend.connect(&event.reader, Sharing::Shared).unwrap();
        assert_eq!(status(&send(&mut *link, SELECT_PIV).unwrap()), 0x9000);
        done.send(()).unwrap();
    }
    mover.join().unwrap();
}

#[test]
fn a_card_that_vanishes_by_a_fault_is_seen_to_go() {
    let backend = MemoryBackend::new();
    let token = piv();
    backend.insert("Desk", &token).unwrap();
    let seen = Seen::of(backend.watch().unwrap());
    assert_eq!(seen.next(2), ["+Desk", "Desk in"]);
    token.arm(Faults::new().at(2, Fault::VanishAfter));
    let mut link = backend.connect("Desk", Sharing::Shared).unwrap();
    send(&mut *link, SELECT_PIV).unwrap();
    assert!(matches!(
        send(&mut *link, PIN_STATUS),
        Err(LinkError::Removed)
    ));
    assert_eq!(seen.next(1), ["Desk out"]);
    assert_eq!(backend.readers().unwrap()[0].card, CardPresence::Empty);
    backend.insert("Desk", &token).unwrap();
    assert_eq!(seen.next(1), ["Desk in"]);
}

#[test]
fn a_watcher_that_is_cancelled_ends_and_others_go_on() {
    let backend = MemoryBackend::new();
    let mut first = backend.watch().unwrap();
    let other = Seen::of(backend.watch().unwrap());
    let canceller = first.canceller();
    let waiting = thread::spawn(move || (first.next().is_none(), first.next().is_none()));
    canceller.cancel();
    canceller.cancel();
    assert_eq!(waiting.join().unwrap(), (true, true));
    backend.insert("Desk", &piv()).unwrap();
    assert_eq!(other.next(2), ["+Desk", "Desk in"]);
}

#[test]
fn each_token_of_a_directory_is_a_reader_with_its_card() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    for (token, profile) in [("b-piv", Profile::Piv), ("a-key", Profile::CrescendoKey)] {
        store.create(&name(token), profile, &options()).unwrap();
    }
    std::fs::write(directory.path().join("broken.json"), "{").unwrap();
    std::fs::write(directory.path().join("no name.json"), "{}").unwrap();

    let backend = EmbeddedBackend::open(directory.path()).unwrap();
    let readers = backend.readers().unwrap();
    let names: Vec<_> = readers.iter().map(|reader| reader.name.as_str()).collect();
    assert_eq!(names, ["Virtual a-key", "Virtual b-piv", "Virtual broken"]);
    assert_eq!(
        readers[0].card.atr().unwrap(),
        &card(Profile::CrescendoKey).atr()
    );
    assert_eq!(readers[2].card, CardPresence::Mute);

    let mut link = backend.connect("Virtual b-piv", Sharing::Shared).unwrap();
    assert_eq!(status(&send(&mut *link, SELECT_PIV).unwrap()), 0x9000);
    let error = backend
        .connect("Virtual broken", Sharing::Shared)
        .err()
        .unwrap();
    assert!(error.to_string().contains("broken.json"), "{error}");
    for reader in ["Virtual c", "b-piv", "Virtual ../b-piv", ""] {
        assert!(matches!(
            backend.connect(reader, Sharing::Shared),
            Err(LinkError::NoSuchReader { .. })
        ));
    }
}

#[test]
fn links_of_one_process_share_the_card_and_leave_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    store(directory.path())
        .create(&name("a"), Profile::Piv, &options())
        .unwrap();
    let backend = EmbeddedBackend::open(directory.path()).unwrap();
    {
        let mut first = backend.connect("Virtual a", Sharing::Shared).unwrap();
        let mut second = backend.connect("Virtual a", Sharing::Shared).unwrap();
        send(&mut *first, SELECT_PIV).unwrap();
        assert_eq!(send(&mut *first, VERIFY).unwrap(), OK);
        assert_eq!(send(&mut *second, PIN_STATUS).unwrap(), OK);
    }
    let mut third = backend.connect("Virtual a", Sharing::Shared).unwrap();
    send(&mut *third, SELECT_PIV).unwrap();
    assert_eq!(send(&mut *third, PIN_STATUS).unwrap(), [0x63, 0xC3]);
    send(&mut *third, VERIFY_WRONG).unwrap();
    drop(third);

    let elsewhere = EmbeddedBackend::open(directory.path()).unwrap();
    let mut fourth = elsewhere.connect("Virtual a", Sharing::Shared).unwrap();
    send(&mut *fourth, SELECT_PIV).unwrap();
    assert_eq!(send(&mut *fourth, PIN_STATUS).unwrap(), [0x63, 0xC2]);
}

#[test]
fn a_token_that_is_open_elsewhere_says_by_whom() {
    let directory = tempfile::tempdir().unwrap();
    let patient = store(directory.path());
    patient
        .create(&name("a"), Profile::Piv, &options())
        .unwrap();
    let holder = EmbeddedBackend::new(patient.clone());
    let link = holder.connect("Virtual a", Sharing::Shared).unwrap();

    let hasty = EmbeddedBackend::new(patient.with_wait(Wait::No));
    match hasty.connect("Virtual a", Sharing::Shared) {
        Err(LinkError::SharingViolation { reader, holders }) => {
            assert_eq!(reader, "Virtual a");
            if cfg!(unix) {
                assert_eq!(holders[0].pid, std::process::id());
            }
        }
        other => panic!("{:?}", other.err()),
    }
    assert!(
        hasty.readers().unwrap()[0].card.is_present(),
        "listing needs no lock"
    );
    drop(link);
    hasty.connect("Virtual a", Sharing::Shared).unwrap();
}

#[test]
fn tokens_made_and_removed_elsewhere_are_each_seen_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let token = card(Profile::Piv);
    store.add(&name("there"), &token).unwrap();
    let backend = EmbeddedBackend::open(directory.path()).unwrap();
    let seen = Seen::of(backend.watch().unwrap());
    assert_eq!(seen.next(2), ["+Virtual there", "Virtual there in"]);

    // Use of a token is no event, though its file changes.
    {
        let mut link = backend.connect("Virtual there", Sharing::Shared).unwrap();
        send(&mut *link, SELECT_PIV).unwrap();
        send(&mut *link, VERIFY_WRONG).unwrap();
    }
    std::fs::write(directory.path().join("notes.txt"), "nothing").unwrap();
    seen.assert_none();

    let names: Vec<_> = (0..60).map(|i| format!("t{i:02}")).collect();
    for token_name in &names {
        store.add(&name(token_name), &token).unwrap();
    }
    let events = seen.next(2 * names.len());
    for (pair, token_name) in events.chunks(2).zip(&names) {
        assert_eq!(
            pair,
            [
                format!("+Virtual {token_name}"),
                format!("Virtual {token_name} in")
            ]
        );
    }
    for token_name in &names {
        store.remove(&name(token_name)).unwrap();
    }
    let events: Vec<_> = seen.next(2 * names.len());
    for (pair, token_name) in events.chunks(2).zip(&names) {
        assert_eq!(
            pair,
            [
                format!("Virtual {token_name} out"),
                format!("-Virtual {token_name}")
            ]
        );
    }
    seen.assert_none();
}

#[test]
fn another_token_under_the_same_name_is_another_card() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    store.create(&name("a"), Profile::Piv, &options()).unwrap();
    let backend = EmbeddedBackend::open(directory.path()).unwrap();
    let mut watcher = backend.watch().unwrap();
    watcher.by_ref().take(2).for_each(drop);
    // Nobody looks in between.
    store.remove(&name("a")).unwrap();
    store
        .create(&name("a"), Profile::Piv, &options().seed(8))
        .unwrap();
    let seen = Seen::of(watcher);
    assert_eq!(seen.next(2), ["Virtual a out", "Virtual a in"]);
    seen.assert_none();
}

#[test]
fn a_watch_on_a_directory_can_be_cancelled_while_it_waits() {
    let directory = tempfile::tempdir().unwrap();
    let backend = EmbeddedBackend::open(directory.path()).unwrap();
    let mut watcher = backend.watch().unwrap();
    let canceller = watcher.canceller();
    let waiting = thread::spawn(move || watcher.next().is_none());
    thread::sleep(Duration::from_millis(50));
    canceller.cancel();
    assert!(waiting.join().unwrap());
}

#[test]
fn a_directory_that_is_removed_takes_its_tokens_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokens");
    store(&path).add(&name("a"), &card(Profile::Piv)).unwrap();
    let backend = EmbeddedBackend::open(&path).unwrap();
    let mut watcher = backend.watch().unwrap();
    watcher.by_ref().take(2).for_each(drop);
    std::fs::remove_dir_all(&path).unwrap();
    let seen: Vec<_> = watcher
        .map(|event| event.map_or_else(|_| "error".to_owned(), |event| words(&event)))
        .collect();
    assert_eq!(seen, ["Virtual a out", "-Virtual a", "error"]);
}

#[test]
fn a_hundred_tokens_are_listed_without_opening_one() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let token = card(Profile::Crescendo2300);
    for i in 0..100 {
        store.add(&name(&format!("t{i}")), &token).unwrap();
    }
    let _open: SharedToken = store.load(&name("t5")).unwrap();
    let backend = EmbeddedBackend::new(store.with_wait(Wait::No));
    let readers = backend.readers().unwrap();
    assert_eq!(readers.len(), 100);
    assert!(readers.iter().all(|reader| reader.card.is_present()));
}
