//! What each place to remember things in does, and what several do together.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use common::{atr, ccc, chuid, identity, identity_on, name, remember, remembered, snapshot};
use piv_apdu::apdu::Response;
use piv_apdu::atr::Atr;
use piv_apdu::object::ObjectTag;
use piv_apdu::status::StatusWord;
use tempfile::TempDir;
use token_cache::{
    Cache, Change, Counts, DiskTier, Generation, Item, MemoryTier, Name, Snapshot, Tier,
};

/// Does a test with each kind of place.
fn with_each_tier(test: impl Fn(&dyn Tier)) {
    test(&MemoryTier::new());
    let folder = TempDir::new().expect("a folder can be made");
    test(&DiskTier::new(&folder.path().join("tokens")));
}

fn with_each_cache(test: impl Fn(&Cache)) {
    test(&Cache::off().with_memory());
    let folder = TempDir::new().expect("a folder can be made");
    test(&Cache::off().with_disk(&folder.path().join("disk")));
    test(
        &Cache::off()
            .with_memory()
            .with_disk(&folder.path().join("both")),
    );
}

#[test]
fn what_is_written_is_read() {
    with_each_tier(|tier| {
        let token = name(1);
        assert_eq!(tier.generation(&token), Generation::default());
        let change = tier.begin(&token).expect("can be written to");
        assert_eq!(change.from, Generation::default());

        let mut written = snapshot(identity(1), change.to, b"content");
        written.remember(Item::Tries(0x80), StatusWord::new(0x63C3).into());
        written.remember(ccc(), StatusWord::FILE_NOT_FOUND.into());
        written.set_checked_at(UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        tier.write(&Arc::new(written.clone()));

        let read = tier.read(&token).expect("is there");
        assert_eq!(read.identity(), written.identity());
        assert_eq!(read.generation(), tier.generation(&token));
        assert_eq!(read.checked_at(), written.checked_at());
        for (item, entry) in written.entries() {
            assert_eq!(read.answer(*item), Some(&entry.response));
        }
        assert_eq!(read.entries().len(), 3);
        assert_eq!(tier.names(), [token]);
        assert!(tier.read(&name(2)).is_none());
    });
}

#[test]
fn each_generation_is_a_new_one() {
    with_each_tier(|tier| {
        let mut seen = vec![Generation::default()];
        for _ in 0..530 {
            let Some(change) = tier.begin(&name(1)) else {
                panic!("can be written to");
            };
            // Now and then a place begins anew, and has none.
            if change.to != Generation::default() {
                assert!(!seen.contains(&change.to));
                assert_eq!(tier.generation(&name(1)), change.to);
                seen.push(change.to);
            }
        }
        assert!(seen.len() > 520);
        assert_eq!(tier.generation(&name(2)), Generation::default());
    });
}

#[test]
fn the_last_snapshot_counts() {
    with_each_tier(|tier| {
        for content in [&b"first"[..], b"second"] {
            tier.write(&Arc::new(snapshot(
                identity(1),
                Generation::default(),
                content,
            )));
        }
        let read = tier.read(&name(1)).expect("is there");
        assert_eq!(
            read.answer(chuid()).map(Response::data),
            Some(&b"second"[..])
        );
    });
}

#[test]
fn tokens_are_found_by_their_atr() {
    with_each_tier(|tier| {
        for number in [1, 2, 3] {
            let identity = identity_on(&atr(number / 3), number);
            tier.write(&Arc::new(snapshot(identity, Generation::default(), b"")));
        }
        let names_with = |number| -> Vec<_> {
            let found = tier.with_atr(&atr(number));
            found
                .iter()
                .map(|it| it.identity().name().clone())
                .collect()
        };
        let mut first = names_with(0);
        first.sort();
        assert_eq!(first, [name(1), name(2)]);
        assert_eq!(names_with(1), [name(3)]);
        assert!(names_with(2).is_empty());
    });
}

#[test]
fn a_token_with_two_interfaces_is_remembered_once() {
    with_each_tier(|tier| {
        for interface in 0..100 {
            let identity = identity_on(&atr(interface), 1);
            tier.write(&Arc::new(snapshot(
                identity,
                Generation::default(),
                &[interface],
            )));
        }
        assert_eq!(tier.names(), [name(1)]);
        assert!(tier.with_atr(&atr(0)).is_empty());
        assert_eq!(tier.with_atr(&atr(99)).len(), 1);
    });
}

#[test]
fn what_is_removed_is_gone() {
    with_each_tier(|tier| {
        let change = tier.begin(&name(1)).expect("can be written to");
        tier.write(&Arc::new(snapshot(identity(1), change.to, b"")));
        tier.count(&name(1), Counts { hits: 1, misses: 1 });
        assert!(tier.remove(&name(1)));
        assert!(tier.read(&name(1)).is_none());
        assert!(tier.names().is_empty());
        assert_eq!(tier.counts(&name(1)), Counts::default());
        assert_eq!(tier.generation(&name(1)), Generation::default());
        assert!(tier.remove(&name(1)), "there is nothing to remove");
    });
}

#[test]
fn counts_add_up_and_never_overflow() {
    with_each_tier(|tier| {
        tier.count(&name(1), Counts { hits: 2, misses: 1 });
        tier.count(
            &name(1),
            Counts {
                hits: 3,
                misses: u64::MAX,
            },
        );
        let sum = Counts {
            hits: 5,
            misses: u64::MAX,
        };
        assert_eq!(tier.counts(&name(1)), sum);
        assert_eq!(tier.counts(&name(2)), Counts::default());
    });
}

#[test]
fn the_tokens_that_were_used_last_are_remembered() {
    with_each_tier(|tier| {
        for number in 0..70 {
            let change = tier.begin(&name(number)).expect("can be written to");
            tier.write(&Arc::new(snapshot(identity(number), change.to, b"")));
            // A file's time has steps of some milliseconds.
            thread::sleep(Duration::from_millis(10));
            // The first one stays in use.
            tier.count(&name(0), Counts::default());
        }
        let names = tier.names();
        assert_eq!(names.len(), 64);
        assert!(names.contains(&name(0)) && names.contains(&name(69)));
        for number in 1..=6 {
            assert!(!names.contains(&name(number)));
            assert_eq!(tier.generation(&name(number)), Generation::default());
        }
    });
}

#[test]
fn only_what_changes_is_forgotten() {
    with_each_cache(|cache| {
        remember(cache, 1, &[(chuid(), b"a"), (ccc(), b"b")]);
        remember(cache, 2, &[(chuid(), b"c")]);
        assert!(cache.forget(&name(1), |item| item == chuid()));
        assert_eq!(remembered(cache, 1, chuid()), None);
        assert_eq!(remembered(cache, 1, ccc()).as_deref(), Some(&b"b"[..]));
        assert_eq!(remembered(cache, 2, chuid()).as_deref(), Some(&b"c"[..]));

        assert!(cache.clear(&name(1)));
        assert!(cache.read(&name(1)).is_none());
        assert_eq!(cache.held().len(), 1);
    });
}

#[test]
fn what_was_read_before_a_change_is_not_stored_after_it() {
    with_each_cache(|cache| {
        let before = cache.generation(&name(1));
        for change in [
            &(|| cache.forget(&name(1), |item| item == chuid())) as &dyn Fn() -> bool,
            &|| cache.clear(&name(1)),
        ] {
            assert!(change());
            cache.store(snapshot(identity(1), before, b"old"));
            assert!(cache.read(&name(1)).is_none());
            assert!(cache.with_atr(&atr(0)).is_empty());
        }
        // Nor without a generation.
        cache.store(snapshot(identity(1), Generation::default(), b"old"));
        assert!(cache.read(&name(1)).is_none());
    });
}

/// One program has in memory what another one makes stale on the disk.
#[test]
fn what_another_program_changes_is_not_taken_from_memory() {
    let folder = TempDir::new().expect("a folder can be made");
    let ours = Cache::off().with_memory().with_disk(folder.path());
    let theirs = Cache::off().with_disk(folder.path());
    remember(&ours, 1, &[(chuid(), b"old"), (ccc(), b"b")]);

    assert!(theirs.forget(&name(1), |item| item == chuid()));
    assert_eq!(remembered(&ours, 1, chuid()), None);
    assert_eq!(remembered(&ours, 1, ccc()).as_deref(), Some(&b"b"[..]));

    // What we then change ourselves does not make our own old answer new again.
    assert!(ours.forget(&name(1), |item| item == ccc()));
    assert_eq!(remembered(&ours, 1, chuid()), None);
    assert_eq!(remembered(&ours, 1, ccc()), None);
}

/// A folder as a program sees it that is stopped before one of its steps, while
/// something else happens.
struct Stopped<F> {
    folder: DiskTier,
    steps_left: AtomicUsize,
    meanwhile: F,
}

impl<F: Fn() + Send + Sync> Stopped<F> {
    fn step(&self) -> &DiskTier {
        if self.steps_left.fetch_sub(1, Ordering::Relaxed) == 0 {
            (self.meanwhile)();
        }
        &self.folder
    }
}

impl<F: Fn() + Send + Sync> Tier for Stopped<F> {
    fn generation(&self, token: &Name) -> Generation {
        self.step().generation(token)
    }

    fn begin(&self, token: &Name) -> Option<Change> {
        self.step().begin(token)
    }

    fn read(&self, token: &Name) -> Option<Arc<Snapshot>> {
        self.step().read(token)
    }

    fn with_atr(&self, atr: &Atr) -> Vec<Arc<Snapshot>> {
        self.step().with_atr(atr)
    }

    fn write(&self, snapshot: &Arc<Snapshot>) {
        self.step().write(snapshot);
    }

    fn remove(&self, token: &Name) -> bool {
        self.step().remove(token)
    }

    fn remove_all(&self) -> bool {
        self.step().remove_all()
    }

    fn count(&self, token: &Name, more: Counts) {
        self.step().count(token, more);
    }

    fn counts(&self, token: &Name) -> Counts {
        self.step().counts(token)
    }

    fn names(&self) -> Vec<Name> {
        self.step().names()
    }

    fn place(&self) -> String {
        self.folder.place()
    }
}

/// A program that is stopped outlives its transaction, if the token is taken out
/// meanwhile: what it then does comes after another program's change.
#[test]
fn a_program_that_was_stopped_brings_nothing_back() {
    let old: [(Item, &[u8]); 2] = [(chuid(), b"old"), (ccc(), b"b")];
    let actions: [fn(&Cache, Generation); 3] = [
        |ours, _| assert!(ours.forget(&name(1), |item| item == ccc())),
        |ours, read_in| ours.store(snapshot(identity(1), read_in, b"old")),
        |ours, _| assert!(ours.clear(&name(1))),
    ];
    // What the other program does: one change, or one and all that was there gone.
    let changes: [fn(&Cache); 3] = [
        |theirs| assert!(theirs.forget(&name(1), |item| item == chuid())),
        |theirs| assert!(theirs.clear(&name(1))),
        |theirs| {
            assert!(theirs.forget(&name(1), |item| item == chuid()));
            remember(theirs, 1, &[(chuid(), b"new")]);
        },
    ];
    for action in actions {
        for change in changes {
            let mut step = 0;
            loop {
                let folder = TempDir::new().expect("a folder can be made");
                let theirs = Cache::off().with_disk(folder.path());
                remember(&theirs, 1, &old);
                let read_in = theirs.generation(&name(1));
                let (done, has_come) = (theirs.clone(), Arc::new(AtomicUsize::new(0)));
                let noted = Arc::clone(&has_come);
                let ours = Cache::off().with_tier(Arc::new(Stopped {
                    folder: DiskTier::new(folder.path()),
                    steps_left: AtomicUsize::new(step),
                    meanwhile: move || {
                        noted.store(1, Ordering::Relaxed);
                        change(&done);
                    },
                }));
                action(&ours, read_in);
                if has_come.load(Ordering::Relaxed) == 0 {
                    break;
                }
                let known = remembered(&theirs, 1, chuid());
                assert_ne!(known.as_deref(), Some(&b"old"[..]), "step {step}");
                step += 1;
            }
            assert!(step >= 2);
        }
    }
}

/// The folder of the cache may be removed by anybody at any time.
#[test]
fn what_is_in_memory_is_not_used_without_the_folder() {
    let folder = TempDir::new().expect("a folder can be made");
    let cache = Cache::off().with_memory().with_disk(folder.path());
    let theirs = Cache::off().with_disk(folder.path());
    remember(&cache, 1, &[(chuid(), b"old")]);
    let read_before = cache.generation(&name(1));
    assert!(theirs.forget(&name(1), |_| true));
    std::fs::remove_dir_all(folder.path()).expect("can be removed");

    assert_eq!(remembered(&cache, 1, chuid()), None);
    cache.store(snapshot(identity(1), read_before, b"old"));
    assert_eq!(remembered(&cache, 1, chuid()), None);

    // It is made again when there is something to remember.
    remember(&cache, 1, &[(chuid(), b"new")]);
    assert_eq!(
        remembered(&theirs, 1, chuid()).as_deref(),
        Some(&b"new"[..])
    );
}

#[test]
fn a_cache_that_is_off_remembers_nothing() {
    let cache = Cache::off();
    remember(&cache, 1, &[(chuid(), b"a")]);
    assert!(cache.is_off() && cache.read(&name(1)).is_none());
    assert!(cache.forget(&name(1), |_| true) && cache.clear(&name(1)));
    assert!(cache.held().is_empty());
}

#[test]
fn what_is_held_is_told_with_its_places() {
    let folder = TempDir::new().expect("a folder can be made");
    let place = folder.path().display().to_string();
    let cache = Cache::off().with_memory().with_disk(folder.path());
    remember(&cache, 1, &[(chuid(), b"a")]);
    cache.count(&name(1), Counts { hits: 1, misses: 2 });
    let held = cache.held();
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].places, ["memory", &place]);
    assert_eq!(held[0].counts, Counts { hits: 1, misses: 2 });

    let later = Cache::off().with_memory().with_disk(folder.path());
    assert_eq!(later.held()[0].places, [place]);
}

#[test]
fn that_a_pin_is_verified_is_never_kept() {
    let mut snapshot = Snapshot::new(identity(1), Generation::default());
    snapshot.remember(Item::Tries(0x80), StatusWord::SUCCESS.into());
    assert!(snapshot.entries().is_empty());
}

#[test]
fn what_only_the_pin_opens_has_no_item() {
    for tag in [
        ObjectTag::PRINTED_INFORMATION,
        ObjectTag::FINGERPRINTS,
        ObjectTag::FACIAL_IMAGE,
        ObjectTag::IRIS,
        ObjectTag::PAIRING_CODE,
    ] {
        assert_eq!(Item::object(tag), None);
    }
}

/// Threads of one process that share a cache, each with a token that nobody else
/// changes, and all with the same folder.
#[test]
fn threads_do_not_disturb_one_another() {
    with_each_cache(|cache| {
        thread::scope(|scope| {
            for number in 0..4 {
                scope.spawn(move || {
                    for round in 0_u8..50 {
                        remember(cache, number, &[(chuid(), &[round]), (ccc(), &[number])]);
                        assert_eq!(remembered(cache, number, chuid()), Some(vec![round]));
                        assert!(cache.forget(&name(number), |item| item == chuid()));
                        assert_eq!(remembered(cache, number, chuid()), None);
                        assert_eq!(remembered(cache, number, ccc()), Some(vec![number]));
                    }
                });
            }
        });
    });
}
