//! `e2e-hotplug NAME PORT INSERTIONS`: puts cards into both slots of a virtual
//! reader of its own, INSERTIONS times each, and pulls them out again, while
//! `pcsc-transport` watches. Every change must be reported once and in order.
//!
//! A process of its own, since pcscd looks at vpcd only every 0.4 s: many
//! insertions take several readers side by side, each with its pcscd, and a
//! process has one pcscd only (`PCSCLITE_CSOCK_NAME`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "part of a test: what fails here fails the test"
)]

use std::{collections::HashMap, thread, time::Duration};

use e2e::{Pcscd, READERS, path_from_environment, tokens};
use pcsc_transport::{Backend as _, Event, EventKind, pcsc::PcscBackend};
use piv_apdu::atr::Atr;
use virtual_token::{Profile, SharedToken};

/// Two kinds of card by turns, so that a change that is reported late or twice
/// doesn't pass for another.
const PROFILES: [Profile; 2] = [Profile::Crescendo2300, Profile::Piv];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, port, insertions] = arguments.as_slice() else {
        panic!("usage: e2e-hotplug NAME PORT INSERTIONS");
    };
    let insertions: usize = insertions.parse().unwrap();
    let socket = path_from_environment("PCSCLITE_CSOCK_NAME");
    let mut pcscd = Pcscd::start_at(name, &socket, port.parse().unwrap());
    pcscd.set_time_limit(
        Duration::from_secs(10) + Duration::from_millis(1500) * insertions.try_into().unwrap(),
    );

    let cards = PROFILES.map(tokens::empty);
    let atrs = cards.each_ref().map(SharedToken::atr);
    let watcher = PcscBackend::new().watch().unwrap();
    let canceller = watcher.canceller();
    let seen = thread::spawn(move || watcher.collect::<Result<Vec<Event>, _>>());

    thread::scope(|scope| {
        for slot in 0..READERS.len() {
            let pcscd = &pcscd;
            scope.spawn(move || {
                let cards = PROFILES.map(tokens::empty);
                for card in cards.iter().cycle().take(insertions) {
                    e2e::Inserted::new(pcscd, slot, card).eject();
                }
            });
        }
    });
    // What is still under way arrives; what comes twice comes now.
    thread::sleep(Duration::from_secs(2));
    canceller.cancel();
    let events = seen.join().unwrap().expect("the watcher fails");
    check(&events, &atrs, insertions);
    println!(
        "{insertions} insertions in each of {} slots: {} events",
        READERS.len(),
        events.len()
    );
}

fn check(events: &[Event], atrs: &[Atr; 2], insertions: usize) {
    let mut per_reader: HashMap<&str, Vec<&EventKind>> = HashMap::new();
    for event in events {
        per_reader
            .entry(&event.reader)
            .or_default()
            .push(&event.kind);
    }
    assert_eq!(per_reader.len(), READERS.len(), "readers in {events:?}");
    for reader in READERS {
        let mut kinds = per_reader[reader].iter();
        assert_eq!(
            kinds.next(),
            Some(&&EventKind::ReaderAdded),
            "first event of {reader}"
        );
        for (number, atr) in atrs.iter().cycle().take(insertions).enumerate() {
            let inserted = EventKind::CardInserted { atr: Some(*atr) };
            assert_eq!(
                kinds.next(),
                Some(&&inserted),
                "insertion {number} in {reader}"
            );
            assert_eq!(
                kinds.next(),
                Some(&&EventKind::CardRemoved),
                "removal {number} in {reader}"
            );
        }
        assert_eq!(kinds.next(), None, "after the last removal from {reader}");
    }
}
