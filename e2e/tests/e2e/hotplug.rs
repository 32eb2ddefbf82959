//! Cards, readers and pcscd coming and going, as `pcsc-transport` reports it.

use std::{
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use e2e::{Inserted, Pcscd, READERS, path_from_environment, tokens};
use pcsc_transport::{Backend as _, Canceller, Event, EventKind, pcsc::PcscBackend};
use virtual_token::Profile;

/// Virtual readers side by side, each with two slots.
const PROCESSES: u16 = 5;

/// The first of their ports; see `Pcscd` for the choice.
const FIRST_PORT: u16 = 31973;

/// Insertions into each slot: 1,000 in all.
const INSERTIONS: u16 = 100;

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn of_a_thousand_insertions_and_removals_none_is_lost_or_doubled() {
    let place = tempfile::tempdir().unwrap();
    let start = |number: u16| -> Child {
        Command::new(env!("CARGO_BIN_EXE_e2e-hotplug"))
            .args([
                format!("hotplug-{number}"),
                (FIRST_PORT + 2 * number).to_string(),
            ])
            .arg(INSERTIONS.to_string())
            .env("PCSCLITE_CSOCK_NAME", place.path().join(number.to_string()))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let processes: Vec<Child> = (0..PROCESSES).map(start).collect();
    for process in processes {
        let output = process.wait_with_output().unwrap();
        let (out, err) = (&output.stdout, &output.stderr);
        let text = [String::from_utf8_lossy(out), String::from_utf8_lossy(err)].concat();
        assert!(output.status.success(), "{text}");
        // Two readers, and two events for each insertion.
        let events = usize::from(2 + 2 * 2 * INSERTIONS);
        assert!(text.contains(&format!("{events} events")), "{text}");
    }
}

/// A watcher whose events a test can wait for.
struct Events {
    events: Receiver<Event>,
    canceller: Canceller,
}

impl Events {
    fn watch() -> Self {
        let watcher = PcscBackend::new().watch().unwrap();
        let canceller = watcher.canceller();
        let (sender, events) = channel();
        thread::spawn(move || {
            for event in watcher {
                if sender.send(event.expect("the watcher fails")).is_err() {
                    break;
                }
            }
        });
        Self { events, canceller }
    }

    /// The next event, at most ten seconds later.
    #[track_caller]
    fn next(&self) -> Event {
        self.events
            .recv_timeout(Duration::from_secs(10))
            .expect("an event should come")
    }

    /// The next events, in any order where they are of different readers.
    #[track_caller]
    fn expect(&self, mut expected: Vec<Event>) {
        while !expected.is_empty() {
            let event = self.next();
            let first_of_reader = expected.iter().position(|one| one.reader == event.reader);
            match first_of_reader {
                Some(place) if expected[place] == event => {
                    expected.remove(place);
                }
                _ => panic!("{event:?} came, expected {expected:?}"),
            }
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.canceller.cancel();
    }
}

fn service(kind: EventKind) -> Event {
    Event::new("", kind)
}

fn each_reader(kind: &EventKind) -> Vec<Event> {
    READERS
        .iter()
        .map(|reader| Event::new(*reader, kind.clone()))
        .collect()
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn a_restart_of_pcscd_is_seen_and_survived() {
    let mut pcscd = Pcscd::start("hotplug-restart");
    let token = tokens::empty(Profile::Piv);
    let inserted = Inserted::new(&pcscd, 0, &token);
    let in_first = |kind| Event::new(READERS[0], kind);
    let came = EventKind::CardInserted {
        atr: Some(token.atr()),
    };

    let events = Events::watch();
    let mut there = each_reader(&EventKind::ReaderAdded);
    there.push(in_first(came.clone()));
    events.expect(there.clone());

    pcscd.stop();
    drop(inserted);
    let mut gone = vec![in_first(EventKind::CardRemoved)];
    gone.extend(each_reader(&EventKind::ReaderRemoved));
    gone.push(service(EventKind::ServiceLost));
    events.expect(gone);

    pcscd.start_again();
    let _inserted = Inserted::without_waiting(&pcscd, 0, &token);
    let mut back = vec![service(EventKind::ServiceBack)];
    back.extend(there);
    events.expect(back);
    assert!(events.events.try_recv().is_err(), "nothing comes twice");
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn a_watch_may_begin_before_pcscd() {
    let place = path_from_environment("PCSCLITE_CSOCK_NAME");
    assert!(!place.exists(), "no pcscd yet");
    let events = Events::watch();
    events.expect(vec![service(EventKind::ServiceLost)]);

    let _pcscd = Pcscd::start("hotplug-late");
    let mut back = vec![service(EventKind::ServiceBack)];
    back.extend(each_reader(&EventKind::ReaderAdded));
    events.expect(back);
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn a_watch_that_waits_can_be_cancelled() {
    let _pcscd = Pcscd::start("hotplug-cancel");
    let events = Events::watch();
    events.expect(each_reader(&EventKind::ReaderAdded));
    events.canceller.cancel();
    let end = events.events.recv_timeout(Duration::from_secs(5));
    assert!(end.is_err_and(|error| error == std::sync::mpsc::RecvTimeoutError::Disconnected));
}
