//! Many readers at once: none waits for another.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use common::{FakePiv, atr};
use pcsc_transport::{
    Backend, CardLink, CardPresence, LinkError, LinkInfo, ReaderState, Sharing, Watcher,
};
use token_manager::{LoadError, LoadOptions, load_all, load_reader};

type Connect = Box<dyn Fn() -> Result<Box<dyn CardLink>, LinkError> + Send + Sync>;

/// Readers by name, each with a way to connect to what is in it.
#[derive(Default)]
struct Readers(Vec<(ReaderState, Option<Connect>)>);

impl Readers {
    fn add(
        mut self,
        name: &str,
        connect: impl Fn() -> Result<FakePiv, LinkError> + Send + Sync + 'static,
    ) -> Self {
        let reader = name.to_owned();
        let connect = move || {
            let mut card = connect()?;
            card.info = LinkInfo::new(reader.clone(), atr(false));
            Ok(Box::new(card) as Box<dyn CardLink>)
        };
        let state = ReaderState::new(name, CardPresence::Present { atr: atr(false) });
        self.0.push((state, Some(Box::new(connect))));
        self
    }

    fn with_state(mut self, name: &str, card: CardPresence) -> Self {
        self.0.push((ReaderState::new(name, card), None));
        self
    }

    fn backend(self) -> Arc<dyn Backend> {
        Arc::new(self)
    }
}

impl Backend for Readers {
    fn name(&self) -> &'static str {
        "fakes"
    }

    fn readers(&self) -> Result<Vec<ReaderState>, LinkError> {
        Ok(self.0.iter().map(|(state, _)| state.clone()).collect())
    }

    fn connect(&self, reader: &str, _sharing: Sharing) -> Result<Box<dyn CardLink>, LinkError> {
        let found = self.0.iter().find(|(state, _)| state.name == reader);
        match found {
            Some((_, Some(connect))) => connect(),
            _ => panic!("nobody should connect to {reader}"),
        }
    }

    fn watch(&self) -> Result<Watcher, LinkError> {
        Err(LinkError::ServiceUnavailable)
    }
}

#[allow(clippy::unnecessary_wraps, reason = "it is a way to connect")]
fn honest() -> Result<FakePiv, LinkError> {
    Ok(FakePiv::new(false))
}

#[test]
fn a_stuck_reader_delays_nobody_and_is_reported_in_time() {
    let (release, stuck) = mpsc::channel::<()>();
    let stuck = Arc::new(std::sync::Mutex::new(stuck));
    let backend = Readers::default()
        .add("stuck", move || {
            let stuck = Arc::clone(&stuck);
            Ok(FakePiv::new(false).with_fault(move |number, _| {
                if number == 7 {
                    // Until the test is over.
                    let _ = stuck.lock().unwrap().recv();
                }
                None
            }))
        })
        .add("first", honest)
        .add("second", honest)
        .backend();
    let options = LoadOptions::new().with_timeout(Some(Duration::from_secs(2)));
    let mut loads = load_all(&backend, &options).unwrap();
    assert_eq!(loads.len(), 3);
    // Both while the first still hangs.
    for _ in 0..2 {
        let loaded = loads.next().unwrap();
        assert!(loaded.result.is_ok());
        assert_ne!(loaded.reader, "stuck");
    }
    let late = loads.next().unwrap();
    assert_eq!(late.reader, "stuck");
    assert!(matches!(late.result, Err(LoadError::Timeout { .. })));
    assert!(loads.next().is_none());
    drop(release);
}

#[test]
fn all_are_read_at_the_same_time() {
    // Each card answers its third command only when all have come that far.
    let barrier = Arc::new(Barrier::new(8));
    let mut readers = Readers::default();
    for n in 0..8 {
        let barrier = Arc::clone(&barrier);
        readers = readers.add(&format!("reader {n}"), move || {
            let barrier = Arc::clone(&barrier);
            Ok(FakePiv::new(false).with_fault(move |number, _| {
                if number == 3 {
                    barrier.wait();
                }
                None
            }))
        });
    }
    let loaded = load_all(&readers.backend(), &LoadOptions::default())
        .unwrap()
        .ordered();
    let names: Vec<_> = loaded.iter().map(|loaded| loaded.reader.as_str()).collect();
    assert_eq!(
        names,
        [
            "reader 0", "reader 1", "reader 2", "reader 3", "reader 4", "reader 5", "reader 6",
            "reader 7"
        ]
    );
    assert!(loaded.iter().all(|loaded| loaded.result.is_ok()));
}

#[test]
fn each_broken_token_has_its_own_error() {
    let backend = Readers::default()
        .add("good", honest)
        .with_state("empty", CardPresence::Empty)
        .add("mute", || Err(LinkError::Unresponsive))
        .add("held", || {
            Err(LinkError::SharingViolation {
                reader: "held".to_owned(),
                holders: Vec::new(),
            })
        })
        .add("pulled", || {
            Ok(FakePiv::new(false)
                .with_fault(|number, _| (number > 4).then_some(Err(LinkError::Removed))))
        })
        .add("panics", || panic!("a backend with a fault"))
        .add("other", || {
            let mut card = FakePiv::new(false);
            card.select = (Vec::new(), 0x6A82);
            Ok(card)
        })
        .backend();
    let loaded = load_all(&backend, &LoadOptions::default())
        .unwrap()
        .ordered();
    let results: Vec<_> = loaded
        .iter()
        .map(|loaded| {
            (
                loaded.reader.as_str(),
                loaded.result.as_ref().map(|token| token.round_trips),
            )
        })
        .collect();
    assert!(
        matches!(
            results[..],
            [
                ("good", Ok(18)),
                (
                    "mute",
                    Err(LoadError::Link {
                        source: LinkError::Unresponsive,
                        ..
                    })
                ),
                (
                    "held",
                    Err(LoadError::Link {
                        source: LinkError::SharingViolation { .. },
                        ..
                    })
                ),
                (
                    "pulled",
                    Err(LoadError::Link {
                        source: LinkError::Removed,
                        ..
                    })
                ),
                ("panics", Err(LoadError::Aborted { .. })),
                ("other", Err(LoadError::NotAPivCard { .. })),
            ]
        ),
        "{results:?}"
    );
    // Every sentence names the reader.
    for loaded in &loaded {
        if let Err(error) = &loaded.result {
            assert!(error.to_string().contains(&loaded.reader), "{error}");
            assert_eq!(error.reader(), loaded.reader);
        }
    }
}

#[test]
fn no_reader_is_no_error() {
    let backend = Readers::default().backend();
    assert_eq!(
        load_all(&backend, &LoadOptions::default()).unwrap().count(),
        0
    );
}

#[test]
fn dropping_the_loads_stops_them_before_their_next_command() {
    let sent = Arc::new(AtomicUsize::new(0));
    let (go, gate) = mpsc::channel::<()>();
    let gate = Arc::new(std::sync::Mutex::new(gate));
    let (ended, end) = mpsc::channel::<()>();
    let counter = Arc::clone(&sent);
    let ended = std::sync::Mutex::new(Some(ended));
    let backend = Readers::default()
        .add("slow", move || {
            let (counter, gate) = (Arc::clone(&counter), Arc::clone(&gate));
            // Dropped with the card, when the load is over.
            let ended = ended.lock().unwrap().take();
            Ok(FakePiv::new(false).with_fault(move |number, _| {
                let _ = &ended;
                counter.store(number, Ordering::SeqCst);
                let _ = gate.lock().unwrap().recv();
                None
            }))
        })
        .backend();
    let loads = load_all(&backend, &LoadOptions::default()).unwrap();
    go.send(()).unwrap();
    drop(loads);
    // Opens the gate for good.
    drop(go);
    assert_eq!(end.recv(), Err(mpsc::RecvError));
    let sent = sent.load(Ordering::SeqCst);
    assert!(sent < 18, "{sent}");
}

#[test]
fn one_reader_by_name() {
    let backend = Readers::default().add("one", honest).backend();
    let token = load_reader(&*backend, "one", &LoadOptions::default()).unwrap();
    assert_eq!(token.reader, "one");
}
