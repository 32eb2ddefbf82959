//! `otp`: the slots, the code alone on stdout, the wait for the button, and what there is
//! instead of a code.

use secret_scan::{forms, occurs};
use virtual_token::{Button, Content, CreateOptions, OathCredential, OathHash, Profile};

#[cfg(unix)]
use crate::tool::Ran;
use crate::tool::{Tool, entries};

/// That of RFC 4226, appendix D.
const SECRET: &[u8] = b"12345678901234567890";
const PIN: &str = "00000000\n";
const TOTP: [&str; 5] = ["otp", "code", "2", "--pin-fd", "0"];

fn options() -> CreateOptions {
    CreateOptions::default()
        .seed(1)
        .content(Content::Empty)
        .oath_slot(1, OathCredential::hotp(SECRET))
        .oath_slot(
            2,
            OathCredential::totp(SECRET)
                .hash(OathHash::Sha256)
                .digits(8),
        )
}

fn key(options: &CreateOptions) -> Tool {
    let tool = Tool::new();
    tool.make("one", Profile::CrescendoKey, options);
    tool
}

/// RFC 4226, appendix D: for scripts the code is all that is on stdout.
#[test]
fn the_next_hotp_is_alone_on_stdout() {
    let tool = key(&options());
    for expected in ["755224\n", "287082\n", "359152\n"] {
        let ran = tool.run(&["otp", "code"]).code(0);
        assert_eq!(ran.stdout, expected);
        assert!(ran.stderr.contains("Press the token's button"), "{ran:#?}");
    }
    let document = tool.run(&["--json", "otp", "code", "1"]).ok().json();
    assert_eq!(document["schema"], "tokenctl/otp-code");
    assert_eq!(document["value"], "969429");
    assert_eq!(document["kind"], "hotp");
    assert_eq!(document["slot"], 1);
    assert_eq!(document["time"], serde_json::Value::Null);
}

#[test]
fn a_totp_is_of_this_computers_time_and_takes_the_pin() {
    let tool = key(&options());
    let ran = tool.run_with_input(&TOTP, PIN).code(0);
    let code = ran.stdout.strip_suffix('\n').unwrap();
    assert!(
        code.len() == 8 && code.bytes().all(|byte| byte.is_ascii_digit()),
        "{ran:#?}"
    );
    let json = [&TOTP[..], &["--json"]].concat();
    let document = tool.run_with_input(&json, PIN).ok().json();
    assert_eq!(document["kind"], "totp");
    let time = document["time"].as_str().unwrap();
    assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");

    let ran = tool.run_with_input(&TOTP, "271828\n").code(10);
    assert!(ran.stderr.contains("5 tries are left"), "{ran:#?}");
    assert_eq!(ran.stdout, "");
}

#[test]
fn a_button_that_nobody_presses_ends_the_wait() {
    let tool = key(&options().button(Button::Unattended));
    let ran = tool.run(&["otp", "code", "--timeout", "1"]).code(14);
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.contains("not pressed in time"), "{ran:#?}");
    let json = [&TOTP[..], &["--json", "--timeout", "1"]].concat();
    let error = tool.run_with_input(&json, PIN).code(14).error();
    assert_eq!(error["kind"], "not-pressed");
    // No HOTP was used up.
    tool.edit("one", |token| token["state"]["button"] = "attended".into());
    assert_eq!(tool.run(&["otp", "code"]).code(0).stdout, "755224\n");
}

/// Asked to end while it waits, it does so in order, and says that it was asked to.
#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_wait_and_uses_nothing_up() {
    use rexpect::process::Signal;
    use rexpect::session::spawn_command;

    let tool = key(&options().button(Button::Unattended));
    let command = tool.command(&["--virtual", "otp", "code", "--timeout", "600"]);
    let mut session = spawn_command(command, Some(20_000)).unwrap();
    session.exp_string("Press the token's button").unwrap();
    session.process_mut().signal(Signal::SIGINT).unwrap();
    session
        .exp_string("stopped: the button was not pressed")
        .unwrap();
    let rest = session.exp_eof().unwrap();
    assert!(!rest.contains("in time"), "{rest}");
    tool.edit("one", |token| token["state"]["button"] = "attended".into());
    assert_eq!(tool.run(&["otp", "code"]).code(0).stdout, "755224\n");
}

#[test]
fn what_gives_no_code_says_why() {
    let tool = key(&options());
    let ran = tool.run(&["otp", "code", "3", "--kind", "hotp"]).code(8);
    assert!(ran.stderr.contains("The slot is empty"), "{ran:#?}");
    tool.run(&["otp", "code", "4"]).code(2);

    for profile in [Profile::Crescendo2300, Profile::Crescendo4000, Profile::Piv] {
        let tool = Tool::new();
        tool.empty_token("one", profile);
        for arguments in [&["otp", "list"][..], &["otp", "code"], &TOTP] {
            let ran = tool.run(arguments).code(13);
            assert!(ran.stderr.contains("do not have it"), "{ran:#?}");
            assert_eq!(ran.stdout, "");
        }
    }
}

#[test]
fn the_slots_are_listed() {
    let tool = key(&options());
    let listed = tool.run(&["otp", "list"]).ok().stdout;
    let rows: Vec<Vec<&str>> = listed
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows[1], ["1", "present", "HOTP"]);
    assert_eq!(rows[2], ["2", "present", "TOTP", "OR", "HOTP"]);
    let document = tool.run(&["--json", "otp", "list"]).ok().json();
    assert_eq!(document["schema"], "tokenctl/otp-list");
    assert_eq!(document["slots"][2]["number"], 3);
    assert_eq!(document["slots"][0]["kinds"], serde_json::json!(["hotp"]));
    assert_eq!(document["reason"], serde_json::Value::Null);
}

/// What goes nowhere is not asked for: the counter does not move.
#[cfg(unix)]
#[test]
fn no_code_is_made_where_stdout_is_known_not_to_take_it() {
    use std::fs::File;
    use std::process::Stdio;

    let tool = key(&options());
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    let mut ways = vec![
        ("null", Stdio::null()),
        ("closed pipe", closed()),
        ("read only", File::open("/dev/zero").unwrap().into()),
    ];
    if let Ok(full) = File::options().write(true).open("/dev/full") {
        ways.push(("full", full.into()));
    }
    for (what, stdout) in ways {
        let mut command = tool.command(&["--virtual", "otp", "code"]);
        let output = command.stdout(stdout).stderr(Stdio::piped()).output();
        let ran = Ran::of(&output.unwrap());
        assert_eq!(ran.code, 12, "{what}: {ran:#?}");
        assert!(ran.stderr.contains("Nothing was sent"), "{what}: {ran:#?}");
    }
    let shell = ["sh", "-c", "exec \"$@\" >&-", "sh"];
    let ran = tool
        .run_by(&shell, &["--virtual", "--json", "otp", "code"])
        .output();
    assert_eq!(Ran::of(&ran.unwrap()).code(12).error()["kind"], "not-sent");
    assert_eq!(tool.run(&["otp", "code"]).code(0).stdout, "755224\n");
}

/// A code that did not get out is gone, and that is said and no success.
#[cfg(unix)]
#[test]
fn a_code_that_could_not_be_written_is_told_to_be_lost() {
    use std::io::Write as _;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::process::Stdio;

    let tool = key(&options());
    let run = |json: bool| {
        // It is open, and there is no room in it.
        let (mut writer, _reader) = UnixStream::pair().unwrap();
        writer.set_nonblocking(true).unwrap();
        while writer.write(&[0; 4096]).is_ok() {}
        while writer.write(&[0]).is_ok() {}
        let mut command = tool.command(&["--virtual", "otp", "code"]);
        if json {
            command.arg("--json");
        }
        let output = command
            .stdout(Stdio::from(OwnedFd::from(writer)))
            .stderr(Stdio::piped())
            .output();
        Ran::of(&output.unwrap()).code(1)
    };
    let ran = run(false);
    assert!(ran.stderr.contains("is lost"), "{ran:#?}");
    assert!(ran.stderr.contains("counter has moved on"), "{ran:#?}");
    assert!(!ran.stderr.contains("755224"), "{ran:#?}");
    let error = run(true).error();
    assert_eq!(error["kind"], "other");
    assert_eq!(error["aftermath"], "code-used-or-not");
    assert_eq!(tool.run(&["otp", "code"]).code(0).stdout, "359152\n");
}

/// Neither the code nor the PIN is anywhere but where it was asked for.
#[test]
fn a_code_leaves_no_trace() {
    let tool = key(&options());
    let trace = tool.file("trace.txt");
    let global = ["-vv", "--trace", trace.to_str().unwrap()];
    let ran = tool
        .run_with_input(&[&global[..], &["otp", "code"]].concat(), PIN)
        .code(0);
    assert_eq!(ran.stdout, "755224\n");
    let trace = std::fs::read(&trace).unwrap();
    assert!(
        occurs(b"80 88", &trace) || occurs(b"8088", &trace),
        "it was asked for"
    );
    for (form, needle) in forms(b"755224")
        .into_iter()
        .chain(forms(&[0x75, 0x52, 0x24]))
    {
        assert!(!occurs(&needle, &trace), "in the trace, {form}");
        assert!(!occurs(&needle, ran.stderr.as_bytes()), "{form}: {ran:#?}");
    }
    for directory in ["records", "cache"] {
        let directory = tool.file(directory);
        for name in directory
            .exists()
            .then(|| entries(&directory))
            .into_iter()
            .flatten()
        {
            let Ok(content) = std::fs::read(directory.join(name)) else {
                continue;
            };
            assert!(!occurs(&[0x75, 0x52, 0x24], &content));
        }
    }
}

/// A made Key has slots with secrets of their own, which follow from the seed.
#[test]
fn a_made_key_gives_codes() {
    let tool = Tool::new();
    let make = |name: &str, more: &[&str]| {
        let create = ["virtual", "create", "--profile", "crescendo-key"];
        tool.run(&[&create[..], more, &[name]].concat()).code(0);
    };
    let hotp = |name: &str| {
        let ran = tool.run(&["--reader", name, "otp", "code"]).code(0);
        assert_eq!(ran.stdout.trim_end().len(), 6, "{ran:#?}");
        ran.stdout
    };
    make("first", &["--seed", "7"]);
    make("second", &["--seed", "7"]);
    assert_eq!(hotp("first"), hotp("second"));
    make("alone", &["--seed", "7", "--unattended"]);
    tool.run(&["--reader", "alone", "otp", "code", "--timeout", "1"])
        .code(14);
    let piv = [
        "virtual",
        "create",
        "--profile",
        "piv",
        "--unattended",
        "no",
    ];
    let ran = tool.run(&piv);
    assert_ne!(ran.code, 0, "{ran:#?}");
    assert!(
        ran.stderr.contains("only a Crescendo Key has one"),
        "{ran:#?}"
    );
}
