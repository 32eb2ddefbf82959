//! No secret is left behind: every action is done with secrets that occur
//! nowhere by chance, and they are looked for in all memory that the host's
//! side gives back, in logs, traces, `Debug`, error sentences and records.
//!
//! The card's side, which has the secrets by its nature, is not looked at.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

mod secrets_support;

use std::collections::BTreeSet;
use std::fmt::{Debug, Write as _};
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crescendo_ext::xauth::{XauthCryptogram, XauthKey};
use piv_apdu::key::{Algorithm, KeyReference};
use piv_apdu::object::ObjectTag;
use piv_apdu::secret::{Pin, Puk, from_hex};
use secret_scan::{Scanner, apart, found, look_for, occurring};
use secrets_support::{Desk, log, management_key};
use token_manager::token_profile::{ChallengeType, Policy, RecoveryKind};
use token_manager::{
    ActionError, Authority, KeyCheck, LastTry, NotSent, PairingCodeStore as _, PersonalizeOptions,
    PinChangeEntry, PinEntry, PresentSecrets, RecoveryPlace, RecoverySecret, Session, SetKey,
    TokenFamily,
};
use virtual_token::{Content, Profile};

#[global_allocator]
static ALLOCATOR: Scanner = Scanner;

const PIN: &[u8] = b"739164";
const NEXT_PIN: &[u8] = b"91460327";
const WRONG_PIN: &[u8] = b"582037";
const PUK: &[u8] = b"40718365";
const NEXT_PUK: &[u8] = b"82641907";
const WRONG_PUK: &[u8] = b"27519380";
const ADMIN_KEY: [u8; 24] = *b"\x6B\x9D\xE3\x12\x57\xC8\xA4\xF0\x3E\x71\xB5\x2C\
    \xD9\x46\x8A\x17\xE5\x60\xFB\x94\x3D\xA8\xC7\x52";
const WRONG_KEY: [u8; 24] = *b"\xC1\x5E\x87\xFA\x23\x96\x4D\xB0\x7F\x38\xE2\x69\
    \x14\xAB\xD6\x80\x5B\xF3\x0E\xC9\x72\xA5\x1D\xE8";

const CODE: &[u8] = b"60718294";

/// The first HOTP of a Key's slot 1 (RFC 4226, appendix D, in eight digits), and the TOTP of
/// its slot 2 at 59 seconds (RFC 6238, appendix B).
const HOTP: &str = "84755224";
const TOTP: &str = "94287082";

const NAMED: [(&str, &[u8]); 11] = [
    ("PIN", PIN),
    ("next PIN", NEXT_PIN),
    ("wrong PIN", WRONG_PIN),
    ("PUK", PUK),
    ("next PUK", NEXT_PUK),
    ("wrong PUK", WRONG_PUK),
    ("admin key", &ADMIN_KEY),
    ("wrong admin key", &WRONG_KEY),
    ("pairing code", CODE),
    ("HOTP", HOTP.as_bytes()),
    ("TOTP", TOTP.as_bytes()),
];

/// What is found is one list for the whole program.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Everything that the actions have given back, as text, and which of them
/// have succeeded.
#[derive(Default)]
struct Seen {
    texts: Vec<(String, String)>,
    succeeded: BTreeSet<&'static str>,
}

impl Seen {
    fn shown(&mut self, name: &str, value: &dyn Debug) {
        let texts = [format!("{value:?}"), format!("{value:#?}")];
        self.texts.extend(texts.map(|text| (name.to_owned(), text)));
    }

    /// Keeps what a result shows of itself; what it was, if it succeeded.
    fn result<T: Debug>(
        &mut self,
        name: &'static str,
        result: Result<T, ActionError>,
    ) -> Option<T> {
        self.shown(name, &result);
        match result {
            Ok(value) => {
                self.succeeded.insert(name);
                Some(value)
            }
            Err(error) => {
                self.texts.push((name.to_owned(), error.to_string()));
                None
            }
        }
    }
}

#[test]
fn what_is_planted_is_found() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    look_for("planted", b"PLANTED-SECRET");
    found();
    // Not where a whole buffer begins, and in the old block of one that grew.
    let mut grown = Vec::with_capacity(20);
    grown.extend_from_slice(b"xx PLANTED-SECRET");
    grown.extend_from_slice(&[0; 100]);
    grown.fill(0);
    drop(grown);
    let forms: Vec<_> = found()
        .iter()
        .map(|found| (found.form, found.size))
        .collect();
    assert_eq!(forms, [("raw", 20)]);
    for (form, bytes) in secret_scan::forms(b"PLANTED-SECRET") {
        found();
        drop(bytes.clone());
        assert!(found().iter().any(|found| found.form == form), "{form}");
        apart(|| drop(bytes));
    }
    found();
    assert_eq!(
        occurring(b"a log line with 50-4C"),
        [],
        "a part of it is none"
    );
    assert_eq!(occurring(b"[PLANTED-SECRET]"), [("planted", "raw")]);
    // Nor is anything of this left for the other test.
    apart(|| drop(found()));
}

#[test]
fn no_secret_is_left_behind_by_any_action() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    log::capture();
    for (name, secret) in NAMED {
        look_for(name, secret);
    }
    apart(|| {
        let management: Vec<u8> = (1..=8).cycle().take(32).collect();
        look_for("management key", &management);
    });
    found();
    let mut seen = Seen::default();
    let mut everything = Vec::new();
    for profile in Profile::ALL {
        for content in [Content::Empty, Content::Personal] {
            let desk = apart(|| Desk::new(profile, content, PIN, PUK, &ADMIN_KEY, CODE));
            let mut session = desk.open();
            every_action(&mut session, &mut seen);
            seen.shown("session", &session);
            seen.shown("token", session.token());
            seen.shown("record", session.record());
            drop(session);
            seen.shown("codes", &desk.codes);
            desk.codes.forget_all().unwrap();
            everything.push(("trace", desk.trace()));
            everything.push(("records", desk.records()));
            apart(|| drop(desk));
        }
    }
    let found = found();
    let mut texts = String::new();
    for found in &found {
        let (name, form, size) = (found.name, found.form, found.size);
        let _ = writeln!(
            texts,
            "{name} ({form}) in {size} bytes\n{}",
            found.backtrace
        );
    }
    assert!(found.is_empty(), "{} blocks:\n{texts}", found.len());

    for action in ACTIONS {
        assert!(seen.succeeded.contains(action), "{action} never succeeded");
    }
    let log = log::taken();
    assert!(log.contains("command") && log.contains("bytes"), "{log}");
    everything.push(("log", log));
    for (_, trace) in everything.iter().filter(|(what, _)| *what == "trace") {
        assert!(trace.contains("VERIFY"), "{trace}");
    }
    let shown = seen.texts.iter().map(|(what, text)| (what.as_str(), text));
    let written = everything.iter().map(|(what, text)| (*what, text));
    for (what, text) in shown.chain(written) {
        assert_eq!(occurring(text.as_bytes()), [], "{what}: {text}");
    }
}

/// What has to succeed on one kind of token at least.
const ACTIONS: [&str; 25] = [
    "authenticate",
    "cache the pairing code",
    "change PIN",
    "change PUK",
    "challenge",
    "check admin key",
    "check management key",
    "forget recovery",
    "get a HOTP",
    "get a TOTP",
    "keep recovery on the host",
    "keep recovery on the token",
    "personalize",
    "read object",
    "recycle",
    "retrieve the pairing code",
    "set a new admin key",
    "set the admin key back",
    "set policy",
    "unblock by key",
    "unblock by response",
    "unblock with PUK",
    "unblock with the code",
    "use key",
    "view PUK",
];

/// All of them, on a token whose PIN is `PIN`, and is so again after.
fn every_action(session: &mut Session, seen: &mut Seen) {
    authenticate(session, seen);
    change(session, seen);
    unblock(session, seen);
    pairing_code(session, seen);
    one_time_passwords(session, seen);
    keys(session, seen);
    policy_and_recovery(session, seen);
    administer(session, seen);
}

fn pin(digits: &[u8]) -> Pin {
    Pin::new(digits).unwrap()
}

fn authenticate(session: &mut Session, seen: &mut Seen) {
    let (right, wrong) = (pin(PIN), pin(WRONG_PIN));
    seen.shown("PIN", &(&right, right.padded(), PinEntry::Typed(&right)));
    let refused = session
        .authenticate(PinEntry::Typed(&wrong), LastTry::Spare)
        .map(|open| format!("{open:?}"));
    assert!(seen.result("authenticate wrongly", refused).is_none());
    let shown = session
        .authenticate(PinEntry::Typed(&right), LastTry::Spare)
        .map(|mut open| {
            let read = open.read_object(ObjectTag::PRINTED_INFORMATION);
            (format!("{open:?}"), read.map(|content| content.is_some()))
        });
    if let Some((_, read)) = seen.result("authenticate", shown) {
        seen.result("read object", read);
    }
}

fn change(session: &mut Session, seen: &mut Seen) {
    let (now, next, wrong) = (pin(PIN), pin(NEXT_PIN), pin(WRONG_PIN));
    let mut change = |name, old, new| {
        let entry = PinChangeEntry::Typed { old, new };
        seen.shown("change", &entry);
        let result = session.change_pin(entry, LastTry::Spare);
        seen.result(name, result).is_some()
    };
    assert!(!change("change of a wrong PIN", &wrong, &next));
    assert!(!change("change to the same", &now, &now));
    assert!(change("change PIN", &now, &next));
    assert!(change("change PIN", &next, &now));

    let (now, next) = (Puk::new(PUK).unwrap(), Puk::new(NEXT_PUK).unwrap());
    let wrong = Puk::new(WRONG_PUK).unwrap();
    seen.shown("PUK", &(&now, now.padded()));
    for (name, old, new) in [
        ("change of a wrong PUK", &wrong, &next),
        ("change PUK", &now, &next),
        ("change PUK", &next, &now),
    ] {
        let result = session.change_puk(old, new, LastTry::Spare);
        seen.result(name, result);
    }
}

/// Wrong PINs until none is left.
fn block(session: &mut Session) {
    let wrong = pin(WRONG_PIN);
    loop {
        match session.authenticate(PinEntry::Typed(&wrong), LastTry::Use) {
            Err(ActionError::Wrong { .. }) => {}
            Err(ActionError::Blocked { .. } | ActionError::NotSent(NotSent::Blocked { .. })) => {
                return;
            }
            other => panic!("{other:?}"),
        }
    }
}

fn unblock(session: &mut Session, seen: &mut Seen) {
    let now = pin(PIN);
    let (puk, wrong) = (Puk::new(PUK).unwrap(), Puk::new(WRONG_PUK).unwrap());
    let result = session.unblock_with_puk(&wrong, &now, LastTry::Spare);
    seen.result("unblock with a wrong PUK", result);
    let result = session.unblock_with_puk(&puk, &now, LastTry::Spare);
    seen.result("unblock with PUK", result);

    let key = XauthKey::from_slice(&ADMIN_KEY).unwrap();
    let wrong = XauthKey::from_slice(&WRONG_KEY).unwrap();
    for (name, key) in [("unblock wrongly", &wrong), ("unblock by response", &key)] {
        block(session);
        let challenge = session.unblock_challenge();
        let Some(challenge) = seen.result("challenge", challenge) else {
            return;
        };
        let response = key.cryptogram(challenge.challenge()).unwrap();
        look_for("response", response.as_bytes());
        seen.shown("response", &response);
        let result = session.unblock_with_response(&challenge, &response, &now);
        seen.result(name, result);
    }
    block(session);
    let result = session.unblock_with_key(&wrong, &now);
    seen.result("unblock by a wrong key", result);
    let result = session.unblock_with_key(&key, &now);
    seen.result("unblock by key", result);
}

fn one_time_passwords(session: &mut Session, seen: &mut Seen) {
    let now = pin(PIN);
    let waiting = || ControlFlow::Continue(());
    if let Some(code) = seen.result("get a HOTP", session.hotp(1, waiting)) {
        assert_eq!(code.digits(), HOTP);
    }
    let clock = || SystemTime::UNIX_EPOCH + Duration::from_secs(59);
    let entry = PinEntry::Typed(&now);
    let code = session.totp(2, entry, LastTry::Spare, clock, waiting);
    if let Some(code) = seen.result("get a TOTP", code) {
        assert_eq!(code.digits(), TOTP);
    }
}

fn pairing_code(session: &mut Session, seen: &mut Seen) {
    let (now, wrong) = (pin(PIN), pin(WRONG_PIN));
    let refused = session.retrieve_pairing_code(PinEntry::Typed(&wrong), LastTry::Spare);
    assert!(seen.result("retrieve wrongly", refused).is_none());
    let code = session.retrieve_pairing_code(PinEntry::Typed(&now), LastTry::Spare);
    if let Some(code) = seen.result("retrieve the pairing code", code) {
        assert_eq!(code.as_bytes(), CODE);
    }
    let cached = session.cache_pairing_code(PinEntry::Typed(&now), LastTry::Spare);
    seen.result("cache the pairing code", cached);
}

fn keys(session: &mut Session, seen: &mut Seen) {
    let key = XauthKey::from_slice(&ADMIN_KEY).unwrap();
    let typed = XauthKey::from_hex(&key.to_hex()).unwrap();
    seen.shown("admin key", &typed);
    let checked = session.check_admin_key(&typed);
    if let Some(check) = seen.result("check admin key", checked) {
        assert_eq!(check, KeyCheck::Right);
    }
    let wrong = XauthKey::from_slice(&WRONG_KEY).unwrap();
    let checked = session.check_admin_key(&wrong);
    seen.result("check a wrong admin key", checked);
    let management = management_key();
    seen.shown("management key", &management);
    let checked = session.check_management_key(&management);
    if let Some(check) = seen.result("check management key", checked) {
        assert_eq!(check, KeyCheck::Right);
    }
    let slot = KeyReference::DIGITAL_SIGNATURE;
    let algorithm = session.token().key(slot).and_then(|key| key.algorithm);
    if let Some(algorithm @ (Algorithm::EccP256 | Algorithm::EccP384)) = algorithm {
        let digest = vec![
            7;
            if algorithm == Algorithm::EccP384 {
                48
            } else {
                32
            }
        ];
        let result = session.use_key(&pin(PIN), LastTry::Spare, slot, algorithm, &digest);
        seen.result("use key", result);
    }
}

fn policy_and_recovery(session: &mut Session, seen: &mut Seen) {
    let now = pin(PIN);
    let mut policy = Policy::DELIVERY;
    policy.minimum = 6;
    policy.challenge = ChallengeType::Static;
    for policy in [policy, Policy::DELIVERY] {
        let result = session.set_policy(PinEntry::Typed(&now), LastTry::Spare, &policy);
        seen.result("set policy", result);
    }
    let secrets = [
        RecoverySecret::new(RecoveryKind::Puk, PUK).unwrap(),
        RecoverySecret::new(RecoveryKind::XauthKey, &ADMIN_KEY).unwrap(),
    ];
    let key = management_key();
    for (name, place) in [
        ("keep recovery on the token", RecoveryPlace::Token),
        ("keep recovery on the host", RecoveryPlace::Host),
    ] {
        for secret in &secrets {
            seen.shown("recovery secret", secret);
            let management = (session.token().identity.family == TokenFamily::Piv).then_some(&key);
            let entry = PinEntry::Typed(&now);
            let kept = session.keep_recovery(entry, LastTry::Spare, management, place, secret);
            if seen.result(name, kept).is_none() {
                continue;
            }
            let shown = session.view_puk(PinEntry::Typed(&now), LastTry::Spare);
            let shown = seen.result("view PUK", shown).unwrap();
            assert_eq!(&shown, secret);
            assert_eq!(shown.reveal(), secret.reveal());
            let forgotten = match management {
                Some(key) => {
                    session.forget_recovery_with_key(PinEntry::Typed(&now), LastTry::Spare, key)
                }
                None => session.forget_recovery(PinEntry::Typed(&now), LastTry::Spare),
            };
            seen.result("forget recovery", forgotten);
        }
    }
}

/// A new admin key, the old one again, and the end of the token.
fn administer(session: &mut Session, seen: &mut Seen) {
    let now = pin(PIN);
    let authority = Authority::Pin(PinEntry::Typed(&now));
    let mut new = None;
    let mut take = |secret: &RecoverySecret| {
        // The person's copy.
        new = new.take().or_else(|| secret.xauth_key());
        if let Some(new) = &new {
            look_for("new admin key", new.as_bytes());
        }
        true
    };
    let refused =
        session.set_admin_key(authority, SetKey::Generated, &mut |_| false, LastTry::Spare);
    seen.result("a new admin key that is not taken over", refused);
    let set = session.set_admin_key(authority, SetKey::Generated, &mut take, LastTry::Spare);
    seen.result("set a new admin key", set);
    if let Some(new) = new {
        let old = SetKey::Given(XauthKey::from_slice(&ADMIN_KEY).unwrap());
        seen.shown("key to set", &old);
        let authority = Authority::AdminKey(&new);
        seen.shown("authority", &authority);
        let set = session.set_admin_key(authority, old, &mut |_| true, LastTry::Spare);
        seen.result("set the admin key back", set);
    }
    let confirmation = session.confirmation();
    let mut steps = Vec::new();
    let recycled = session.recycle(authority, &confirmation, LastTry::Spare, &mut |step| {
        steps.push(format!("{step:?}"));
    });
    let erased = seen.result("recycle", recycled).is_some();
    let puk = Puk::new(PUK).unwrap();
    let present = PresentSecrets::Typed {
        pin: &now,
        puk: Some(&puk),
    };
    let mut options = PersonalizeOptions::new(if erased {
        PresentSecrets::Delivery
    } else {
        present
    });
    options.policy.challenge = ChallengeType::Static;
    options.recovery = RecoveryPlace::Host;
    seen.shown("options", &options);
    let mut code = None;
    let mut take = |secret: &RecoverySecret| {
        let shown = secret.reveal();
        if let Some(puk) = secret.puk() {
            look_for("new PUK", puk.as_bytes());
        } else {
            let bytes = from_hex(&shown).unwrap();
            look_for("handed over", &bytes);
            code = XauthCryptogram::from_slice(&bytes).ok().or(code.take());
        }
        true
    };
    let next = pin(NEXT_PIN);
    for challenge in [ChallengeType::Static, ChallengeType::Dynamic] {
        options.policy.challenge = challenge;
        let done = session.personalize(
            &options,
            &next,
            None,
            &mut take,
            LastTry::Spare,
            &mut |step| steps.push(format!("{step:?}")),
        );
        if seen.result("personalize", done).is_some() {
            break;
        }
    }
    if let Some(code) = code {
        block(session);
        let result = session.unblock_with_code(&code, &next);
        seen.result("unblock with the code", result);
    }
    seen.shown("steps", &steps);
}
