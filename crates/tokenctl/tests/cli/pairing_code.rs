//! `pairing-code`: shown, copied, kept for the login session, forgotten.

#[cfg(all(target_os = "linux", feature = "login-session"))]
use std::process::Command;

use piv_apdu::key::KeyReference;
use secret_scan::{forms, occurs};
use virtual_token::{CreateOptions, KeyAlgorithm, Profile};

use crate::tool::{Ran, Tool, entries};

const CODE: &str = "60718294";
const OBJECT: &str = "99083630373138323934FE00";
const PIN: &str = "123456\n";
const SHOW: [&str; 5] = ["pairing-code", "show", "--show", "--pin-fd", "0"];

fn options(seed: u64) -> CreateOptions {
    CreateOptions::default()
        .seed(seed)
        .key(KeyReference::PIV_AUTHENTICATION, KeyAlgorithm::EccP256)
}

/// Plain PIV cards with this pairing code.
fn with_code(names: &[&str]) -> Tool {
    let tool = Tool::new();
    for (seed, name) in (1..).zip(names) {
        tool.make(name, Profile::Piv, &options(seed).pairing_code(true));
        tool.put_object(name, "5FC123", OBJECT);
    }
    tool
}

#[test]
fn it_is_written_only_if_it_is_asked_for() {
    let tool = with_code(&["one"]);
    for arguments in [
        &SHOW[..2],
        &["pairing-code", "show", "--pin-fd", "0", "--json"],
    ] {
        let ran = tool.run_with_input(arguments, PIN).code(2);
        assert!(ran.stderr.contains("--show"), "{ran:#?}");
        assert!(!format!("{ran:?}").contains(CODE), "{ran:#?}");
    }
    let ran = tool.run_with_input(&SHOW, PIN).code(0);
    assert_eq!(ran.stdout, format!("{CODE}\n"));
    assert!(ran.stderr.contains("This is the pairing code."), "{ran:#?}");
    let json = [&SHOW[..], &["--json"]].concat();
    let document = tool.run_with_input(&json, PIN).ok().json();
    assert_eq!(document["schema"], "tokenctl/pairing-code-show");
    assert_eq!(document["value"], CODE);
}

#[test]
fn it_is_seen_where_it_is_asked_for_and_nowhere_else() {
    let tool = with_code(&["one"]);
    let trace = tool.file("trace.txt");
    let global = ["-vv", "--trace", trace.to_str().unwrap()];
    let ran = tool
        .run_with_input(&[&global[..], &SHOW].concat(), PIN)
        .code(0);
    assert_eq!(ran.stdout, format!("{CODE}\n"));
    let trace = std::fs::read(&trace).unwrap();
    assert!(occurs(b"5FC123", &trace), "it was asked for");
    for (form, needle) in forms(CODE.as_bytes()) {
        assert!(!occurs(&needle, &trace), "in the trace, {form}");
        assert!(!occurs(&needle, ran.stderr.as_bytes()), "{form}: {ran:#?}");
    }
    let records = tool.file("records");
    assert!(!records.exists() || entries(&records).is_empty());
}

#[test]
fn copying_needs_a_clipboard_and_shows_nothing_without_one() {
    let tool = with_code(&["one"]);
    let copy = [
        "--virtual",
        "pairing-code",
        "show",
        "--copy",
        "--pin-fd",
        "0",
    ];
    let mut command = tool.command(&copy);
    command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
    let output = assert_cmd::Command::from_std(command)
        .write_stdin(PIN)
        .output()
        .unwrap();
    let ran = Ran::of(&output);
    if cfg!(target_os = "linux") {
        assert_ne!(ran.code, 0, "{ran:?}");
        assert!(ran.stderr.contains("clipboard"), "{ran:?}");
    }
    assert!(!format!("{ran:?}").contains(CODE));
    let both = [&SHOW[..], &["--copy"]].concat();
    tool.run_with_input(&both, PIN).code(2);
}

#[test]
fn why_it_is_not_given_is_said() {
    let tool = with_code(&["one"]);
    let ran = tool.run_with_input(&SHOW, "271828\n").code(10);
    assert!(ran.stderr.contains("2 tries are left"), "{ran:#?}");
    assert_eq!(ran.stdout, "");

    // Announced, and not there.
    tool.edit("one", |token| {
        token["state"]["objects"]
            .as_object_mut()
            .unwrap()
            .remove("5FC123");
    });
    let ran = tool.run_with_input(&SHOW, PIN).code(13);
    assert!(
        ran.stderr.contains("there is no pairing code on it"),
        "{ran:#?}"
    );

    // Not announced: the PIN is not even read.
    for profile in [Profile::Piv, Profile::Crescendo4000] {
        let tool = Tool::new();
        tool.empty_token("one", profile);
        let ran = tool.run_with_input(&SHOW, "").code(13);
        assert!(ran.stderr.contains("does not announce it"), "{ran:#?}");
    }
}

/// The tests turn the stores off, as the person may.
#[test]
fn without_a_place_nothing_is_kept_and_no_pin_is_asked_for() {
    let tool = with_code(&["one"]);
    let error = tool
        .run_with_input(&["--json", "pairing-code", "cache", "--pin-fd", "0"], PIN)
        .code(13)
        .error();
    let message = error["message"].as_str().unwrap();
    let why = if cfg!(feature = "login-session") {
        "turned off"
    } else {
        "left out of this build"
    };
    assert!(message.contains(why), "{message}");
    assert!(
        error["next"]
            .as_str()
            .unwrap()
            .contains("pairing-code show")
    );
    let listed = tool.run(&["--json", "pairing-code", "list"]).ok().json();
    assert_eq!(listed["cards"], serde_json::json!([]));
    assert_eq!(listed["place"], serde_json::Value::Null);
    assert!(listed["reason"].as_str().unwrap().contains(why));
    let ran = tool.run(&["pairing-code", "list"]).code(0);
    assert!(ran.stderr.contains("No pairing code is kept"), "{ran:#?}");
    tool.run(&["pairing-code", "forget"]).code(3);
    tool.run(&["pairing-code", "forget", "24fb"]).code(3);
    let forgotten = tool.run(&["--json", "pairing-code", "forget", "--all"]);
    assert_eq!(forgotten.ok().json()["cards"], serde_json::json!([]));
    tool.run(&["pairing-code", "forget", "24fb", "--all"])
        .code(2);
}

/// The program in a login session of its own, with the kernel's keyring; `None`,
/// and said so, where the machine does not let it. In the script, `ctl` runs it over
/// the software tokens.
#[cfg(all(target_os = "linux", feature = "login-session"))]
pub(crate) fn in_a_session(tool: &Tool, script: &str) -> Option<Ran> {
    let began = Command::new("keyctl")
        .args(["session", "-", "true"])
        .output();
    if !began.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: there is no keyctl (Debian: keyutils), or no session for it");
        return None;
    }
    let script = format!("ctl() {{ \"$0\" --virtual \"$@\"; }}; set -e; {script}");
    let output = tool
        .run_by(&["keyctl", "session", "-", "sh", "-c", &script], &[])
        .env("TOKENCTL_SECRET_STORE", "")
        .output()
        .unwrap();
    let mut ran = Ran::of(&output);
    let joined = "Joined session keyring: ";
    let lines = ran.stderr.split_inclusive('\n');
    ran.stderr = lines.filter(|line| !line.starts_with(joined)).collect();
    Some(ran)
}

#[cfg(all(target_os = "linux", feature = "login-session"))]
#[test]
fn it_is_kept_for_the_session_and_forgotten_without_the_card() {
    let tool = with_code(&["one"]);
    let script = "echo 123456 | ctl pairing-code cache --pin-fd 0 2>&1; \
        ctl pairing-code list 2>&1; \
        keyctl pipe $(keyctl search @s user piv:pairing-code:$(ctl pairing-code list --json \
            | sed -n 's/.*\"guid\": *\"\\([^\"]*\\)\".*/\\1/p')); echo; \
        ctl virtual remove one 2>/dev/null; \
        ctl pairing-code forget $(ctl pairing-code list | sed -n '2s/ .*//p') 2>&1; \
        ctl pairing-code list 2>&1; keyctl list @s";
    let Some(ran) = in_a_session(&tool, script) else {
        return;
    };
    let ran = ran.code(0);
    let said = &ran.stdout;
    let kept = "The pairing code is kept in the login session's keyring, until you log out.";
    assert!(said.contains(kept), "{ran:#?}");
    assert!(
        said.contains("Kept in the login session's keyring, until you log out."),
        "{ran:#?}"
    );
    // Once: what keyctl shows.
    assert_eq!(said.matches(CODE).count(), 1, "{ran:#?}");
    assert!(said.contains("is forgotten."), "{ran:#?}");
    assert!(said.contains("No pairing code is kept."), "{ran:#?}");
    assert!(said.trim_end().ends_with("keyring is empty"), "{ran:#?}");
}

#[cfg(all(target_os = "linux", feature = "login-session"))]
#[test]
fn one_of_several_is_forgotten_by_its_name() {
    let tool = with_code(&["one", "two"]);
    let cache = |name: &str| {
        format!("echo 123456 | ctl pairing-code cache --pin-fd 0 --json --reader {name} | cat; ")
    };
    let script = cache("one")
        + &cache("two")
        + "ctl pairing-code forget --json 2>&1 | cat; ctl pairing-code forget zz --json 2>&1 | cat; \
           two=$(ctl list --json --reader two | sed -n 's/.*\"guid\": *\"\\([^\"]*\\)\".*/\\1/p'); \
           ctl pairing-code forget --json --token $two; ctl pairing-code list --json; \
           ctl pairing-code forget --all --json";
    let Some(ran) = in_a_session(&tool, &script) else {
        return;
    };
    let ran = ran.code(0);
    let documents: Vec<serde_json::Value> = serde_json::Deserializer::from_str(&ran.stdout)
        .into_iter()
        .map(|document| document.unwrap_or_else(|error| panic!("{error}: {ran:#?}")))
        .collect();
    let [one, two, unnamed, unknown, forgotten, left, all] = &documents[..] else {
        panic!("{ran:#?}");
    };
    assert_eq!(one["schema"], "tokenctl/pairing-code-result");
    assert_eq!(one["action"], "cache");
    assert_eq!(one["until"], "logout");
    assert_eq!(unnamed["error"]["kind"], "several-tokens");
    assert_eq!(unknown["error"]["kind"], "no-token");
    assert_eq!(forgotten["cards"], two["cards"]);
    assert_eq!(left["cards"], one["cards"]);
    assert_eq!(all["cards"], left["cards"]);
    assert!(!format!("{ran:?}").contains(CODE));
}

/// A session that is over takes nothing, and no PIN is used up on it.
#[cfg(all(target_os = "linux", feature = "login-session"))]
#[test]
fn a_session_that_is_over_keeps_nothing() {
    let tool = with_code(&["one"]);
    let script = "keyctl revoke @s; ctl pairing-code cache --pin-fd 0 --json < /dev/null";
    if let Some(ran) = in_a_session(&tool, script) {
        let error = ran.code(13).error();
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("the login session is over"), "{message}");
    }
}

#[test]
fn a_card_with_a_pairing_code_is_made_if_asked() {
    let tool = Tool::new();
    let create = ["virtual", "create", "--profile"];
    let ran = tool.run(&[&create[..], &["crescendo-2300", "--pairing-code", "no"]].concat());
    assert_ne!(ran.code, 0, "{ran:#?}");
    tool.run(
        &[
            &create[..],
            &["piv", "--seed", "7", "--pairing-code", "yes"],
        ]
        .concat(),
    )
    .code(0);
    let ran = tool.run_with_input(&SHOW, PIN).code(0);
    let code = ran.stdout.trim_end();
    assert!(
        code.len() == 8 && code.bytes().all(|byte| byte.is_ascii_digit()),
        "{ran:#?}"
    );
    let shown = tool.run(&["show"]).ok().stdout;
    assert!(shown.contains("yes, with pairing code"), "{shown}");
    assert!(!shown.contains(code), "{shown}");
}
