//! Tokens in files: what survives, what is refused, and several processes at once.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use support::{OK, PIN_STATUS, SELECT_PIV, VERIFY, VERIFY_WRONG, card, options, send};
use virtual_token::store::{StoreError, TokenName, TokenStore, Wait};
use virtual_token::{CreateOptions, Profile, SharedToken};

fn name(name: &str) -> TokenName {
    name.parse().unwrap()
}

/// A directory with the token "a" in it.
fn with_a() -> (tempfile::TempDir, TokenStore) {
    let directory = tempfile::tempdir().unwrap();
    let store = TokenStore::open(directory.path()).unwrap();
    store.create(&name("a"), Profile::Piv, &options()).unwrap();
    (directory, store)
}

fn pin_status(token: &SharedToken) -> Vec<u8> {
    let mut link = token.link("status");
    send(&mut link, SELECT_PIV).unwrap();
    send(&mut link, PIN_STATUS).unwrap()
}

/// What is on the disk, whoever has the token open.
fn pin_status_on_disk(store: &TokenStore) -> Vec<u8> {
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = TokenStore::open(elsewhere.path()).unwrap();
    fs::copy(store.path(&name("a")), copy.path(&name("a"))).unwrap();
    pin_status(&copy.load(&name("a")).unwrap())
}

fn listing(store: &TokenStore) -> Vec<String> {
    let entries = store.list().unwrap();
    entries.into_iter().map(|entry| entry.name).collect()
}

/// A pipe without a writer never answers to being opened; the others are listed
/// and used all the same.
#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_foreign_and_keeps_nobody_waiting() {
    let (directory, store) = with_a();
    let pipe = directory.path().join("pipe.json");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    fs::create_dir(directory.path().join("directory.json")).unwrap();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(store.list().unwrap()));
    let listed = receiver.recv_timeout(Duration::from_secs(20)).unwrap();
    let usable: Vec<_> = listed.iter().map(|entry| entry.token.is_ok()).collect();
    assert_eq!(usable, [true, false, false], "a, directory, pipe");
    for entry in &listed[1..] {
        assert!(matches!(entry.token, Err(StoreError::Foreign { .. })));
    }
}

#[test]
fn a_token_is_made_listed_used_and_removed() {
    let directory = tempfile::tempdir().unwrap();
    let store = TokenStore::open(directory.path().join("not/there/yet")).unwrap();
    assert!(store.list().unwrap().is_empty());

    let made = store
        .create(&name("key"), Profile::CrescendoKey, &options())
        .unwrap();
    store
        .create(&name("card"), Profile::Piv, &options())
        .unwrap();
    assert_eq!(made.profile, Profile::CrescendoKey);
    assert_eq!(made.atr, card(Profile::CrescendoKey).atr());
    assert_eq!(made.id, card(Profile::CrescendoKey).id());
    assert_eq!(listing(&store), ["card", "key"]);
    let entry = store.list().unwrap().remove(1);
    assert_eq!(entry.token.unwrap(), made);

    let token = store.load(&name("key")).unwrap();
    assert_eq!(token.atr(), made.atr);
    drop(token);
    store.remove(&name("key")).unwrap();
    assert_eq!(listing(&store), ["card"]);
}

#[test]
fn what_is_not_there_and_what_is_there_already() {
    let (_directory, store) = with_a();
    assert!(matches!(
        store.load(&name("b")),
        Err(StoreError::NotFound { .. })
    ));
    assert!(matches!(
        store.summary(&name("b")),
        Err(StoreError::NotFound { .. })
    ));
    assert!(matches!(
        store.remove(&name("b")),
        Err(StoreError::NotFound { .. })
    ));

    let before = fs::read(store.path(&name("a"))).unwrap();
    let error = store
        .create(&name("a"), Profile::Crescendo4000, &options())
        .unwrap_err();
    assert!(matches!(error, StoreError::Exists { .. }), "{error}");
    assert_eq!(fs::read(store.path(&name("a"))).unwrap(), before);
}

#[cfg(unix)]
#[test]
fn files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;

    let directory = tempfile::tempdir().unwrap();
    let store = TokenStore::open(directory.path().join("tokens")).unwrap();
    store.create(&name("a"), Profile::Piv, &options()).unwrap();
    let path = store.path(&name("a"));
    assert_eq!(mode(store.directory()), 0o700);
    assert_eq!(mode(&path), 0o600);

    // Also after a save in place of a file that somebody opened up.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let token = store.load(&name("a")).unwrap();
    send(&mut token.link("A"), SELECT_PIV).unwrap();
    send(&mut token.link("A"), SELECT_PIV).unwrap();
    let mut link = token.link("A");
    send(&mut link, SELECT_PIV).unwrap();
    send(&mut link, VERIFY_WRONG).unwrap();
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_counter_is_on_the_disk_before_the_answer_is_out() {
    let (_directory, store) = with_a();
    let token = store.load(&name("a")).unwrap();
    let mut link = token.link("A");
    send(&mut link, SELECT_PIV).unwrap();
    for left in [2, 1] {
        assert_eq!(send(&mut link, VERIFY_WRONG).unwrap(), [0x63, 0xC0 | left]);
        assert_eq!(pin_status_on_disk(&store), [0x63, 0xC0 | left]);
    }
    assert_eq!(send(&mut link, VERIFY).unwrap(), OK);
    assert_eq!(pin_status_on_disk(&store), [0x63, 0xC3]);
}

#[test]
fn a_blocked_pin_stays_blocked() {
    let (_directory, store) = with_a();
    {
        let token = store.load(&name("a")).unwrap();
        let mut link = token.link("A");
        send(&mut link, SELECT_PIV).unwrap();
        for _ in 0..3 {
            send(&mut link, VERIFY_WRONG).unwrap();
        }
    }
    let token = store.load(&name("a")).unwrap();
    let mut link = token.link("A");
    send(&mut link, SELECT_PIV).unwrap();
    assert_eq!(send(&mut link, VERIFY).unwrap(), [0x69, 0x83]);
}

#[test]
fn what_a_test_does_to_the_card_is_saved_too() {
    let (_directory, store) = with_a();
    let token = store.load(&name("a")).unwrap();
    token.with(|card| {
        card.power_on();
        card.process(SELECT_PIV);
        card.process(VERIFY_WRONG);
    });
    assert_eq!(pin_status_on_disk(&store), [0x63, 0xC2]);
}

#[test]
fn an_open_token_is_busy_for_others_and_says_for_whom() {
    let (directory, store) = with_a();
    let token = store.load(&name("a")).unwrap();
    let link = token.link("A");
    drop(token);

    let other = TokenStore::open(directory.path())
        .unwrap()
        .with_wait(Wait::No);
    for result in [other.load(&name("a")).map(drop), other.remove(&name("a"))] {
        match result {
            Err(StoreError::Busy { name, holder }) => {
                assert_eq!(name.as_str(), "a");
                if cfg!(unix) {
                    assert_eq!(holder.unwrap().pid, std::process::id());
                }
            }
            other => panic!("{other:?}"),
        }
    }
    let start = Instant::now();
    let limit = Duration::from_millis(100);
    let patient = other.clone().with_wait(Wait::AtMost(limit));
    assert!(matches!(
        patient.load(&name("a")),
        Err(StoreError::Busy { .. })
    ));
    assert!(start.elapsed() >= limit);

    // Other tokens, and the listing, are nobody's hostage.
    other.create(&name("b"), Profile::Piv, &options()).unwrap();
    other.load(&name("b")).unwrap();
    assert_eq!(listing(&other), ["a", "b"]);

    drop(link);
    // Not `Wait::No`: the wait that was given up above may still be about to get
    // the lock, and to let it go at once.
    let patient = other.with_wait(Wait::AtMost(Duration::from_secs(20)));
    patient.load(&name("a")).unwrap();
}

#[test]
fn whoever_waits_gets_the_token_when_it_is_free() {
    let (_directory, store) = with_a();
    for wait in [Wait::Forever, Wait::AtMost(Duration::from_secs(20))] {
        let token = store.load(&name("a")).unwrap();
        let waiting = {
            let store = store.clone().with_wait(wait);
            thread::spawn(move || store.load(&name("a")).map(|token| pin_status(&token)))
        };
        thread::sleep(Duration::from_millis(50));
        assert!(!waiting.is_finished());
        drop(token);
        assert_eq!(waiting.join().unwrap().unwrap(), [0x63, 0xC3]);
    }
    // A wait that was given up takes nothing.
    let token = store.load(&name("a")).unwrap();
    let hasty = store.with_wait(Wait::AtMost(Duration::from_millis(1)));
    assert!(hasty.load(&name("a")).is_err());
    drop(token);
    let patient = hasty.with_wait(Wait::AtMost(Duration::from_secs(20)));
    patient.load(&name("a")).unwrap();
}

#[test]
fn no_update_is_lost_between_several_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = TokenStore::open(directory.path()).unwrap();
    store
        .create(&name("a"), Profile::Crescendo2300, &options())
        .unwrap();
    let guesses: Vec<_> = (0..5)
        .map(|_| {
            let store = TokenStore::open(directory.path())
                .unwrap()
                .with_wait(Wait::Forever);
            thread::spawn(move || {
                let token = store.load(&name("a")).unwrap();
                let mut link = token.link("A");
                send(&mut link, SELECT_PIV).unwrap();
                send(&mut link, VERIFY_WRONG).unwrap()
            })
        })
        .collect();
    let mut answers: Vec<_> = guesses
        .into_iter()
        .map(|guess| guess.join().unwrap())
        .collect();
    answers.sort();
    let expected: Vec<_> = (1..=5).map(|left| vec![0x63, 0xC0 | left]).collect();
    assert_eq!(answers, expected);
}

#[test]
fn two_that_make_the_same_token_at_once_make_one() {
    let directory = tempfile::tempdir().unwrap();
    let makers: Vec<_> = (0..8)
        .map(|seed| {
            let store = TokenStore::open(directory.path()).unwrap();
            let options = options().seed(seed);
            thread::spawn(move || store.create(&name("a"), Profile::Piv, &options))
        })
        .collect();
    let made: Vec<_> = makers
        .into_iter()
        .filter_map(|maker| match maker.join().unwrap() {
            Ok(summary) => Some(summary),
            Err(StoreError::Exists { .. }) => None,
            Err(other) => panic!("{other}"),
        })
        .collect();
    assert_eq!(made.len(), 1);
    let store = TokenStore::open(directory.path()).unwrap();
    assert_eq!(store.summary(&name("a")).unwrap(), made[0]);
}

#[test]
fn a_save_that_was_cut_off_leaves_the_token_as_it_was() {
    let (directory, store) = with_a();
    store
        .create(&name("a.json.b"), Profile::Piv, &options())
        .unwrap();
    let left_over = directory.path().join(".a.json.Xy12Zq.tmp");
    let of_another = directory.path().join(".a.json.b.json.Xy12Zq.tmp");
    let whole = fs::read(store.path(&name("a"))).unwrap();
    for path in [&left_over, &of_another] {
        fs::write(path, &whole[..whole.len() / 2]).unwrap();
    }
    assert_eq!(listing(&store), ["a", "a.json.b"]);
    let token = store.load(&name("a")).unwrap();
    assert_eq!(pin_status(&token), [0x63, 0xC3]);
    assert!(
        !left_over.exists(),
        "it holds keys: it is not left lying about"
    );
    assert!(
        of_another.exists(),
        "the other token may be in the middle of a save"
    );
}

#[test]
fn files_that_are_no_tokens_are_told_and_spoil_nothing() {
    type Check = fn(&StoreError) -> bool;
    let foreign: Check = |error| matches!(error, StoreError::Foreign { .. });
    let damaged: Check = |error| matches!(error, StoreError::Damaged { .. });
    let newer: Check = |error| matches!(error, StoreError::Newer { version: 99, .. });

    let (directory, store) = with_a();
    let whole = fs::read_to_string(store.path(&name("a"))).unwrap();
    let cases: &[(&str, Vec<u8>, Check)] = &[
        ("empty", vec![], foreign),
        (
            "half",
            whole.as_bytes()[..whole.len() / 2].to_vec(),
            foreign,
        ),
        ("binary", vec![0xFF, 0x00, 0x80], foreign),
        ("list", b"[1, 2]".to_vec(), foreign),
        ("deep", vec![b'['; 100_000], foreign),
        (
            "package",
            br#"{"name": "x", "version": "1.0.0"}"#.to_vec(),
            foreign,
        ),
        (
            "other-schema",
            br#"{"schema": "x", "version": 1}"#.to_vec(),
            foreign,
        ),
        (
            "newer",
            br#"{"schema": "virtual-token", "version": 99}"#.to_vec(),
            newer,
        ),
        (
            "no-state",
            br#"{"schema": "virtual-token", "version": 1}"#.to_vec(),
            damaged,
        ),
        (
            "atr",
            whole.replace("\"atr\": \"3B", "\"atr\": \"3").into(),
            damaged,
        ),
        (
            "no-atr",
            whole.replace("\"atr\": \"3B", "\"atr\": \"55").into(),
            damaged,
        ),
        (
            "other-atr",
            whole.replace("\"atr\": \"3B", "\"atr\": \"3F").into(),
            damaged,
        ),
        (
            "profile",
            whole
                .replace("\"profile\": \"piv\"", "\"profile\": \"x\"")
                .into(),
            damaged,
        ),
    ];
    for (token, content, _) in cases {
        fs::write(store.path(&name(token)), content).unwrap();
    }
    fs::write(directory.path().join("no name.json"), "{}").unwrap();
    fs::write(directory.path().join("notes.txt"), "x").unwrap();
    fs::create_dir(directory.path().join("folder.json")).unwrap();

    let entries = store.list().unwrap();
    assert_eq!(entries.len(), cases.len() + 3);
    for entry in entries {
        let Err(error) = entry.token else {
            // That the state is of another card is found when it is loaded.
            assert!(["a", "other-atr"].contains(&entry.name.as_str()));
            continue;
        };
        match cases.iter().find(|(token, ..)| *token == entry.name) {
            Some((_, _, check)) => assert!(check(&error), "{}: {error:?}", entry.name),
            None => assert!(
                matches!(error, StoreError::Foreign { .. } | StoreError::Io { .. }),
                "{error:?}"
            ),
        }
        let text = error.to_string();
        assert!(text.contains(entry.path.to_str().unwrap()), "{text}");
    }
    for (token, _, check) in cases {
        let error = store.load(&name(token)).err().unwrap();
        assert!(check(&error), "{token}: {error:?}");
        store.remove(&name(token)).unwrap();
    }
    store.load(&name("a")).unwrap();
}

#[test]
fn a_damaged_state_is_found_on_loading_and_never_shown() {
    let (_directory, store) = with_a();
    let path = store.path(&name("a"));
    let whole = fs::read_to_string(&path).unwrap();
    // The PIN's 8 bytes, with a digit lost.
    let pin = "313233343536FFFF";
    assert!(whole.contains(pin), "the test knows the format");
    fs::write(&path, whole.replace(pin, "313233343536FFF")).unwrap();
    let error = store.load(&name("a")).err().unwrap();
    assert!(matches!(error, StoreError::Damaged { .. }));
    assert!(
        !format!("{error} {error:?}").contains("3132333435"),
        "{error:?}"
    );
    assert!(
        store.summary(&name("a")).is_ok(),
        "a listing does not look at it"
    );
}

#[test]
fn a_token_whose_file_was_deleted_does_not_come_back() {
    let (_directory, store) = with_a();
    let token = store.load(&name("a")).unwrap();
    let mut link = token.link("A");
    send(&mut link, SELECT_PIV).unwrap();
    fs::remove_file(store.path(&name("a"))).unwrap();
    assert_eq!(send(&mut link, VERIFY_WRONG).unwrap(), [0x65, 0x81]);
    assert!(token.save_error().unwrap().contains("removed"));
    assert!(!store.path(&name("a")).exists());
    drop((token, link));
    store.create(&name("a"), Profile::Piv, &options()).unwrap();
}

#[test]
fn keys_survive_and_the_file_says_that_it_holds_them() {
    let directory = tempfile::tempdir().unwrap();
    let store = TokenStore::open(directory.path()).unwrap();
    let made = store
        .create(
            &name("full"),
            Profile::Piv,
            &CreateOptions::default().seed(3),
        )
        .unwrap();
    let token = store.load(&name("full")).unwrap();
    // GET DATA, the certificate of 9A.
    let certificate = b"\x00\xCB\x3F\xFF\x05\x5C\x03\x5F\xC1\x05\x00";
    let mut link = token.link("A");
    send(&mut link, SELECT_PIV).unwrap();
    let answer = send(&mut link, certificate).unwrap();
    assert!(answer.starts_with(&[0x53]) && answer.len() > 100);
    let text = fs::read_to_string(store.path(&made.name)).unwrap();
    let header = &text[..text.find("\"state\"").unwrap()];
    assert!(header.contains("virtual-token") && header.contains(&made.id));
}

// ---- other processes ----

const DIRECTORY: &str = "VIRTUAL_TOKEN_TEST_DIRECTORY";

/// What [`child`] runs in a process of its own: it opens the token, says so, and
/// guesses and verifies the PIN without end. Without a directory it is no child.
#[test]
fn in_a_child_process() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let store = TokenStore::open(directory).unwrap();
    let token = store.load(&name("a")).unwrap();
    println!("open");
    let mut link = token.link("A");
    send(&mut link, SELECT_PIV).unwrap();
    loop {
        assert_eq!(send(&mut link, VERIFY_WRONG).unwrap(), [0x63, 0xC2]);
        assert_eq!(send(&mut link, VERIFY).unwrap(), OK);
    }
}

fn child(store: &TokenStore) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "in_a_child_process", "--nocapture"])
        .env(DIRECTORY, store.directory())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("open") {
        line.clear();
        assert_ne!(
            output.read_line(&mut line).unwrap(),
            0,
            "the child has ended"
        );
    }
    (child, output)
}

#[test]
fn a_process_that_is_killed_at_any_moment_leaves_a_whole_token() {
    let (directory, store) = with_a();
    for round in 0..8 {
        let (mut child, _output) = child(&store);
        let pid = child.id();
        match store.clone().with_wait(Wait::No).load(&name("a")) {
            Err(StoreError::Busy { holder, .. }) => {
                if cfg!(unix) {
                    assert_eq!(holder.unwrap().pid, pid);
                }
            }
            other => panic!("{:?}", other.err()),
        }
        thread::sleep(Duration::from_millis(5 * round));
        child.kill().unwrap();
        child.wait().unwrap();

        // Its lock is gone with it; what is there is before or after a command.
        let token = store.load(&name("a")).unwrap();
        let status = pin_status(&token);
        assert!(
            [[0x63, 0xC3], [0x63, 0xC2]].contains(&[status[0], status[1]]),
            "{status:02X?}"
        );
        let mut link = token.link("A");
        send(&mut link, SELECT_PIV).unwrap();
        assert_eq!(send(&mut link, VERIFY).unwrap(), OK);
        drop((token, link));
        let hidden = fs::read_dir(directory.path())
            .unwrap()
            .filter(|file| {
                let name = file.as_ref().unwrap().file_name();
                name.to_string_lossy().ends_with(".tmp")
            })
            .count();
        assert_eq!(hidden, 0, "what was cut off is swept");
    }
}

#[test]
fn a_token_is_handed_over_when_its_process_ends() {
    let (_directory, store) = with_a();
    let (mut child, _output) = child(&store);
    let (done, got) = mpsc::channel();
    {
        let store = store.with_wait(Wait::AtMost(Duration::from_secs(20)));
        thread::spawn(move || done.send(store.load(&name("a")).is_ok()));
    }
    assert!(got.recv_timeout(Duration::from_millis(100)).is_err());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(got.recv_timeout(Duration::from_secs(20)), Ok(true));
}
