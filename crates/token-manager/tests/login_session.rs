//! The session keyring of Linux itself, in sessions that `keyctl` begins for this
//! program: what is kept there is seen by the whole session, by nobody else, and
//! gone with it. Left out, and said so, where there is no `keyctl` (Debian:
//! keyutils) or the kernel does not let it.

#![cfg(all(target_os = "linux", feature = "login-session"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

mod code_store;

use std::process::{Command, Output};

use code_store::check_store;
use piv_apdu::object::Guid;
use piv_apdu::secret::PairingCode;
use token_manager::{KeptUntil, NoLoginSession, login_session};

const CARD: Guid = Guid(*b"\x12\x34\x56\x78\x9A\xBC\x4D\xEF\x80\x01\x02\x03\x04\x05\x06\x07");
const KEY: &str = "piv:pairing-code:12345678-9abc-4def-8001-020304050607";
const CODE: &[u8; 8] = b"60718294";

/// Runs a script in a session with a keyring of its own; in it, `"$0" TEST` runs one
/// of the ignored tests of this file in the same session.
fn in_a_session(script: &str) -> Option<Output> {
    let began = Command::new("keyctl")
        .args(["session", "-", "true"])
        .output();
    if !began.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: there is no keyctl, or no session keyring for it");
        return None;
    }
    let run = r#"run() { "$0" --exact --ignored --nocapture "$@"; }; set -e; "#;
    let output = Command::new("keyctl")
        .args(["session", "-", "sh", "-c", &format!("{run}{script}")])
        .arg(std::env::current_exe().unwrap())
        .output()
        .unwrap();
    Some(output)
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Runs a script that has to succeed; what it wrote.
fn succeeds(script: &str) -> Option<String> {
    let output = in_a_session(script)?;
    assert!(output.status.success(), "{}", text(&output));
    Some(text(&output))
}

#[test]
fn the_keyring_is_a_store_like_others() {
    if let Some(said) = succeeds("run child_checks_the_store") {
        assert!(said.contains("1 passed"), "{said}");
    }
}

#[test]
fn what_one_program_keeps_another_of_the_session_finds_and_forgets() {
    let script = format!(
        "run child_keeps; run child_finds; \
         id=$(keyctl search @s user {KEY}); keyctl rdescribe $id; keyctl pipe $id; echo; \
         keyctl session - sh -c \"! keyctl pipe $id && ! keyctl rdescribe $id\"; \
         run child_forgets; ! keyctl search @s user {KEY}"
    );
    let Some(said) = succeeds(&script) else {
        return;
    };
    // Only who possesses it may do anything with it.
    assert!(said.contains(";2f000000;"), "{said}");
    assert!(said.contains("60718294"), "{said}");
    assert_eq!(said.matches("1 passed").count(), 3, "{said}");
}

#[test]
fn another_session_finds_nothing() {
    let script = r#"run child_keeps; keyctl session - "$0" --exact --ignored child_misses"#;
    if let Some(said) = succeeds(script) {
        assert_eq!(said.matches("1 passed").count(), 2, "{said}");
    }
}

#[test]
fn a_session_that_is_over_is_no_place() {
    if let Some(said) = succeeds("keyctl revoke @s; run child_is_told_that_it_is_over") {
        assert!(said.contains("1 passed"), "{said}");
    }
}

#[test]
fn a_keyring_that_takes_nothing_is_no_place() {
    // View, read and search, and no more.
    let script = "keyctl setperm @s 0x0b000000; run child_is_refused";
    if let Some(said) = succeeds(script) {
        assert!(said.contains("1 passed"), "{said}");
    }
}

/// What the kernel gives a program that nothing has begun a session for.
#[test]
fn a_user_s_keyring_is_no_place() {
    match login_session() {
        Ok(store) => assert_eq!(store.kept_until(), KeptUntil::Logout),
        Err(NoLoginSession::None | NoLoginSession::Refused(_) | NoLoginSession::Over) => {}
        Err(other) => panic!("{other}"),
    }
    let user = Command::new("keyctl").args(["id", "@us"]).output();
    let session = Command::new("keyctl").args(["id", "@s"]).output();
    match (user, session) {
        (Ok(user), Ok(session)) if user.status.success() && user.stdout == session.stdout => {
            assert_eq!(login_session().err(), Some(NoLoginSession::None));
        }
        _ => eprintln!("SKIPPED: this program has a login session, or there is no keyctl"),
    }
}

#[test]
#[ignore = "run by the others, in a session"]
fn child_checks_the_store() {
    let store = login_session().unwrap();
    assert_eq!(store.kept_until(), KeptUntil::Logout);
    check_store(&*store);
}

#[test]
#[ignore = "run by the others, in a session"]
fn child_keeps() {
    let code = PairingCode::new(CODE).unwrap();
    login_session().unwrap().put(&CARD, &code).unwrap();
}

#[test]
#[ignore = "run by the others, in a session"]
fn child_finds() {
    let store = login_session().unwrap();
    assert_eq!(store.list().unwrap(), [CARD]);
    assert_eq!(store.get(&CARD).unwrap().unwrap().as_bytes(), CODE);
}

#[test]
#[ignore = "run by the others, in a session"]
fn child_forgets() {
    assert!(login_session().unwrap().forget(&CARD).unwrap());
}

#[test]
#[ignore = "run by the others, in a session"]
fn child_misses() {
    let store = login_session().unwrap();
    assert_eq!(store.list().unwrap(), []);
    assert_eq!(store.get(&CARD).unwrap(), None);
    assert!(!store.forget(&CARD).unwrap());
}

#[test]
#[ignore = "run by the others, in a session"]
fn child_is_told_that_it_is_over() {
    assert_eq!(login_session().err(), Some(NoLoginSession::Over));
}

#[test]
#[ignore = "run by the others, in a session"]
fn child_is_refused() {
    let error = login_session().err().unwrap();
    assert!(matches!(error, NoLoginSession::Refused(_)), "{error}");
}
