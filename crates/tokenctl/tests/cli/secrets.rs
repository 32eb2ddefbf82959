//! What is given to the program in secret is seen nowhere outside it: not in
//! its output, its traces, its files, nor its command line.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use secret_scan::{forms, occurs};
use virtual_token::Profile;

use crate::contactless::{CODE, through_air};
use crate::tool::{Ran, Tool};

const PIN: &str = "739164";
const NEXT_PIN: &str = "91460327";
const WRONG_PIN: &str = "582037";
const PUK: &str = "40718365";
const WRONG_PUK: &str = "27519380";
const WRONG_KEY: &str = "C15E87FA23964DB07F38E26914ABD6805BF30EC972A51DE8";
const WRONG_RESPONSE: &str = "6B9DE31257C8A4F0";
const MANAGEMENT_KEY: &str = "0102030405060708010203040506070801020304050607080102030405060708";

const SECRETS: [&str; 6] = [PIN, NEXT_PIN, WRONG_PIN, PUK, WRONG_PUK, WRONG_RESPONSE];
const KEYS: [&str; 2] = [WRONG_KEY, MANAGEMENT_KEY];

/// Everything of a run that others can see.
struct Outside {
    what: String,
    ran: Ran,
    trace: String,
    command_line: Vec<u8>,
}

/// Runs it with a trace and as talkative as it gets, and its secrets on stdin.
fn run(tool: &Tool, arguments: &[&str], input: &str) -> Outside {
    let trace = tool.file("trace.txt");
    let trace_name = trace.to_str().unwrap();
    let global = ["--virtual", "-vv", "--trace", trace_name];
    let all = [&global[..], arguments].concat();
    let mut child = tool
        .command(&all)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It waits for its secrets, or has ended: then there is nothing to see. A
    // process that has only just begun has no command line yet.
    let mut command_line = process_files(child.id());
    while command_line.is_empty()
        && cfg!(target_os = "linux")
        && child.try_wait().unwrap().is_none()
    {
        command_line = process_files(child.id());
    }
    // One that asks for nothing does not read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let ran = Ran::of(&child.wait_with_output().unwrap());
    let what = format!("{arguments:?}");
    Outside {
        what,
        ran,
        trace: std::fs::read_to_string(&trace).unwrap_or_default(),
        command_line,
    }
}

/// What every user, or every program of this user, can read of a process.
fn process_files(id: u32) -> Vec<u8> {
    let files = ["cmdline", "environ"];
    let read = files.map(|file| std::fs::read(format!("/proc/{id}/{file}")).unwrap_or_default());
    read.concat()
}

fn files_under(directory: &Path) -> Vec<u8> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files_under(&path));
        } else {
            all.extend(std::fs::read(&path).unwrap());
        }
    }
    all
}

/// Each secret as it was typed, and a key's bytes, in every form.
fn needles() -> Vec<Vec<u8>> {
    let bytes = |key: &str| -> Vec<u8> {
        let pairs = key.as_bytes().chunks(2);
        pairs
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    };
    let typed = SECRETS
        .iter()
        .chain(&KEYS)
        .map(|text| text.as_bytes().to_vec());
    let keys = KEYS.iter().copied().chain([WRONG_RESPONSE]).map(bytes);
    typed
        .chain(keys)
        .flat_map(|secret| forms(&secret))
        .map(|(_, form)| form)
        .collect()
}

fn assert_clean(outside: &Outside) {
    assert_without(outside, &needles());
}

fn assert_without(outside: &Outside, needles: &[Vec<u8>]) {
    for needle in needles {
        for (place, text) in [
            ("stdout", outside.ran.stdout.as_bytes()),
            ("stderr", outside.ran.stderr.as_bytes()),
            ("the trace", outside.trace.as_bytes()),
            ("/proc", &outside.command_line),
        ] {
            assert!(
                !occurs(needle, text),
                "{} in {place} of {}: {:#?}",
                String::from_utf8_lossy(needle),
                outside.what,
                outside.ran
            );
        }
    }
}

#[test]
fn nothing_that_is_given_in_secret_is_seen_outside() {
    let formats = [&[][..], &["--json"]];
    let runs = Profile::ALL
        .into_iter()
        .flat_map(|profile| formats.map(|format| (profile, format)));
    for (profile, format) in runs {
        let tool = Tool::new();
        tool.empty_token("one", profile);
        let factory = String::from_utf8(profile.factory_pin().to_vec()).unwrap();
        let puk = profile.factory_puk().unwrap_or(b"00000000").to_vec();
        let puk = String::from_utf8(puk).unwrap();
        let zeros = "0".repeat(48);
        let steps: &[(&[&str], &[&str])] = &[
            (
                &["pin", "change", "--pin-fd", "0", "--new-pin-fd", "0"],
                &[&factory, PIN],
            ),
            (&["pin", "verify", "--pin-fd", "0"], &[WRONG_PIN]),
            (&["pin", "verify", "--pin-fd", "0"], &[PIN]),
            (
                &["pin", "change", "--pin-fd", "0", "--new-pin-fd", "0"],
                &[PIN, NEXT_PIN],
            ),
            (
                &["puk", "change", "--puk-fd", "0", "--new-puk-fd", "0"],
                &[&puk, PUK],
            ),
            (
                &["pin", "unblock", "--puk-fd", "0", "--new-pin-fd", "0"],
                &[WRONG_PUK, PIN],
            ),
            (
                &["pin", "unblock", "--puk-fd", "0", "--new-pin-fd", "0"],
                &[PUK, PIN],
            ),
            (
                &[
                    "pin",
                    "unblock",
                    "--challenge",
                    "--new-pin-fd",
                    "0",
                    "--response-fd",
                    "0",
                ],
                &[PIN, WRONG_RESPONSE],
            ),
            (
                &["pin", "unblock", "--key-fd", "0", "--new-pin-fd", "0"],
                &[WRONG_KEY, PIN],
            ),
            (
                &["pin", "unblock", "--key-fd", "0", "--new-pin-fd", "0"],
                &[&zeros, PIN],
            ),
            (&["admin-key", "check", "--key-fd", "0"], &[WRONG_KEY]),
            (
                &["admin-key", "check", "--management-key-fd", "0"],
                &[MANAGEMENT_KEY],
            ),
            (&["policy", "set", "--min", "6", "--pin-fd", "0"], &[PIN]),
            (
                &["helpdesk", "respond", "--key-fd", "0", "0123456789ABCDEF"],
                &[WRONG_KEY],
            ),
            (&["puk", "show", "--show", "--pin-fd", "0"], &[PIN]),
            (
                &["recycle", "--confirm", "no-such", "--admin-key-fd", "0"],
                &[WRONG_KEY],
            ),
        ];
        let (mut succeeded, mut seen) = (0, 0);
        for (arguments, lines) in steps {
            let input = lines.join("\n") + "\n";
            let outside = run(&tool, &[*arguments, format].concat(), &input);
            assert_clean(&outside);
            seen += usize::from(occurs(b"--trace", &outside.command_line));
            succeeded += usize::from(outside.ran.code == 0);
        }
        assert!(seen >= 1 || !cfg!(target_os = "linux"), "{profile}: {seen}");
        assert!(succeeded >= 5, "{profile}: {succeeded} went through");
        let records = files_under(&tool.file("records"));
        for needle in needles() {
            assert!(!occurs(&needle, &records), "{profile}: in the records");
        }
    }
}

/// What the program makes itself is in the file that was asked for, and in nothing
/// else: through a whole life.
#[test]
fn a_secret_that_it_makes_is_in_the_file_that_was_asked_for_and_nowhere_else() {
    for (profile, format) in [
        (Profile::Crescendo2300, "--json"),
        (Profile::CrescendoKey, "--no-color"),
        (Profile::Crescendo4000, "--json"),
        (Profile::Crescendo4000, "--no-color"),
    ] {
        let tool = Tool::new();
        tool.empty_token("one", profile);
        let mut seen = Vec::new();
        let mut made = Vec::new();
        for (round, pin) in [(1, PIN), (2, NEXT_PIN)] {
            let files = ["set-up", "key"].map(|name| tool.file(&format!("{name}-{round}")));
            let [set_up, key] = files.each_ref().map(|file| file.to_str().unwrap());
            let input = format!("{pin}\n");
            let taken = ["--saved-is-taken", "--allow-managed", format, "--save"];
            let personalize = [
                "personalize",
                "--delivery-pin",
                "--keep",
                "token",
                "--new-pin-fd",
                "0",
            ];
            seen.push(run(
                &tool,
                &[&personalize, &taken[..], &[set_up]].concat(),
                &input,
            ));
            let new_key = ["admin-key", "set", "--generate", "--pin-fd", "0"];
            seen.push(run(&tool, &[&new_key, &taken[..], &[key]].concat(), &input));
            for file in &files {
                made.extend(saved(file));
            }
            let listed = tool.run(&["list", "--fresh", "--json"]).ok().json();
            let id = listed["tokens"][0]["id"].as_str().unwrap().to_owned();
            let recycle = [
                "recycle",
                "--allow-managed",
                format,
                "--pin-fd",
                "0",
                "--confirm",
                &id,
            ];
            seen.push(run(&tool, &recycle, &input));
        }
        assert!(made.len() >= 4, "{profile}: {made:?}");
        let needles: Vec<Vec<u8>> = made
            .iter()
            .flat_map(|secret| forms(secret))
            .map(|(_, form)| form)
            .chain(needles())
            .collect();
        for outside in &seen {
            assert_eq!(
                outside.ran.code, 0,
                "{profile}, {}: {:#?}",
                outside.what, outside.ran
            );
            assert_without(outside, &needles);
        }
        let kept = [tool.file("records"), tool.file("cache")]
            .map(|it| files_under(&it))
            .concat();
        for needle in &needles {
            assert!(!occurs(needle, &kept), "{profile}: in records or cache");
        }
    }
}

/// The secrets in a file that was saved, as text and as the bytes that it stands for.
fn saved(file: &Path) -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string(file).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let values = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(_, value)| value);
    values
        .flat_map(|value| {
            let plain = value.replace('-', "");
            let bytes = piv_apdu::secret::from_hex(&plain).map(|bytes| bytes.to_vec());
            let texts = [value.as_bytes().to_vec(), plain.into_bytes()];
            texts
                .into_iter()
                .chain(bytes.filter(|bytes| bytes.len() > 8))
        })
        .collect()
}

/// Through the air, the files that are kept as well.
#[test]
fn a_pairing_code_and_a_pin_that_go_through_the_air_are_seen_nowhere() {
    let (tool, file) = through_air();
    let trust = ["--trust-anchor", file.as_str(), "--pairing-code-fd", "0"];
    let needles: Vec<Vec<u8>> = [CODE, NEXT_PIN, WRONG_PIN]
        .iter()
        .flat_map(|secret| forms(secret.as_bytes()))
        .map(|(_, form)| form)
        .collect();
    let change = ["pin", "change", "--pin-fd", "0", "--new-pin-fd", "0"];
    let verify = ["pin", "verify", "--pin-fd", "0"];
    let mut traces = 0;
    for (arguments, lines, code) in [
        (&change[..], &[CODE, "123456", NEXT_PIN][..], 0),
        (&verify, &[CODE, WRONG_PIN], 10),
        (&verify, &[CODE, NEXT_PIN], 0),
        (&verify, &["60718295", NEXT_PIN], 10),
        (&["show"], &[CODE], 0),
        (&["show", "--json"], &[CODE], 0),
    ] {
        let input = lines.join("\n") + "\n";
        let outside = run(&tool, &[arguments, &trust].concat(), &input);
        assert_eq!(outside.ran.code, code, "{:#?}", outside.ran);
        assert_without(&outside, &needles);
        traces += usize::from(outside.trace.contains("> 0C200098"));
    }
    assert_eq!(traces, 6, "VERIFY went through the session: {traces}");
    let kept = [tool.file("records"), tool.file("cache")].map(|it| files_under(&it));
    assert!(!kept[1].is_empty(), "something is remembered");
    for needle in &needles {
        assert!(kept.iter().all(|kept| !occurs(needle, kept)));
    }
}

/// The net holds: what is asked to be shown is found.
#[test]
fn a_secret_that_is_shown_is_found() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Crescendo2300);
    tool.keep_recovery(
        "one",
        token_manager::token_profile::RecoveryKind::Puk,
        PUK.as_bytes(),
    );
    let pin = String::from_utf8(Profile::Crescendo2300.factory_pin().to_vec()).unwrap() + "\n";
    let outside = run(&tool, &["puk", "show", "--show", "--pin-fd", "0"], &pin);
    let stdout = outside.ran.stdout.as_bytes();
    assert!(needles().iter().any(|needle| occurs(needle, stdout)));
    let elsewhere = [outside.ran.stderr.as_bytes(), outside.trace.as_bytes()];
    for needle in needles() {
        assert!(elsewhere.iter().all(|text| !occurs(&needle, text)));
    }
}
