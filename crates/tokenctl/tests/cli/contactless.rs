//! Tokens on their contactless interface: whom to believe, and what is refused.

use std::ffi::OsStr;

use piv_apdu::key::KeyReference;
use piv_apdu::sm::CipherSuite;
use virtual_token::{CreateOptions, KeyAlgorithm, Profile, Vci};

use crate::tool::{Ran, Tool, entries};
use crate::watch::{interrupt, next, start};

pub(crate) const CODE: &str = "60718294";

/// A token with this pairing code on its contactless interface, and its authority's
/// certificate.
pub(crate) fn through_air() -> (Tool, String) {
    let (tool, file) = on_contact();
    let _ = tool
        .run(&["virtual", "move", "one", "--to", "contactless"])
        .ok();
    (tool, file)
}

fn on_contact() -> (Tool, String) {
    let tool = Tool::new();
    let options = CreateOptions::default()
        .seed(1)
        .vci(Vci::new(CipherSuite::Cs2));
    tool.make("one", Profile::Piv, &options);
    tool.put_object("one", "5FC123", "99083630373138323934FE00");
    let file = tool.file("authority.pem").to_str().unwrap().to_owned();
    let _ = tool
        .run(&["virtual", "authority", "one", "--output", &file])
        .code(0);
    (tool, file)
}

/// The certificate of an authority that has nothing to do with that token.
fn other_authority(tool: &Tool) -> String {
    let other = Tool::new();
    let options = CreateOptions::default()
        .seed(2)
        .vci(Vci::new(CipherSuite::Cs2));
    other.make("other", Profile::Piv, &options);
    let file = tool.file("other.pem").to_str().unwrap().to_owned();
    let _ = other
        .run(&["virtual", "authority", "other", "--output", &file])
        .code(0);
    file
}

/// How the session stands for `show --json` with the right code, with this trust.
fn state(tool: &Tool, anchors: Option<&OsStr>, arguments: &[&str]) -> (String, bool) {
    let show = ["--virtual", "show", "--json", "--pairing-code-fd", "0"];
    let mut command = tool.command(&[&show[..], arguments].concat());
    if let Some(anchors) = anchors {
        command.env("TOKENCTL_TRUST_ANCHORS", anchors);
    }
    let output = assert_cmd::Command::from_std(command)
        .write_stdin(CODE)
        .output()
        .unwrap();
    let vci = Ran::of(&output).ok().json()["token"]["vci"].take();
    let state = vci["state"].as_str().unwrap().to_owned();
    (state, vci["vouched"].as_bool().unwrap_or_default())
}

#[test]
fn the_authority_of_a_software_token_makes_it_believed() {
    let (tool, file) = through_air();
    let printed = tool.run(&["virtual", "authority", "one"]).ok().stdout;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), printed);
    let show = ["show", "--json", "--pairing-code-fd", "0", "--trust-anchor"];
    let arguments = [&show[..], &[&file]].concat();
    let shown = tool.run_with_input(&arguments, CODE).ok();
    assert_eq!(shown.json()["token"]["vci"]["state"], "open");
    assert_eq!(shown.json()["token"]["vci"]["vouched"], true);
    assert!(!format!("{shown:?}").contains(CODE));

    tool.empty_token("bare", Profile::Piv);
    let ran = tool.run(&["virtual", "authority", "bare"]).code(1);
    assert!(ran.stderr.contains("has no authority"), "{ran:#?}");
}

#[test]
fn how_it_stands_is_told_and_never_asked_for_in_json() {
    let (tool, file) = through_air();
    let state = |arguments: &[&str]| {
        let shown = tool.run(&[&["show", "--json"], arguments].concat()).ok();
        shown.json()["token"]["vci"]["state"].clone()
    };
    assert_eq!(state(&[]), "not-trusted");
    assert_eq!(
        state(&["--require-sm", "--trust-any-card"]),
        "no-pairing-code"
    );
    assert_eq!(state(&["--trust-anchor", &file]), "no-pairing-code");
    for code in ["60718295", "1234"] {
        let verify = [
            "pin",
            "verify",
            "--trust-any-card",
            "--pairing-code-fd",
            "0",
            "--pin-fd",
            "0",
        ];
        let input = format!("{code}\n123456\n");
        let expected = if code.len() == 8 { 10 } else { 12 };
        let ran = tool.run_with_input(&verify, &input).code(expected);
        assert!(!format!("{ran:?}").contains("123456"), "{ran:#?}");
    }
}

#[test]
fn an_anchor_that_is_none_is_named() {
    let (tool, _) = through_air();
    let wrong = tool.file("wrong.pem");
    std::fs::write(&wrong, "no certificate").unwrap();
    for file in [wrong, tool.file("none.pem")] {
        let file = file.to_str().unwrap();
        let ran = tool.run(&["show", "--trust-anchor", file]).code(2);
        assert!(ran.stderr.contains(file), "{ran:#?}");
    }
}

#[test]
fn the_environment_names_whom_to_believe() {
    let (tool, file) = through_air();
    let other = other_authority(&tool);
    let both = std::env::join_paths([&other, &file]).unwrap();
    let any = OsStr::new("any");
    for (anchors, expected) in [
        (OsStr::new(&file), ("open", true)),
        (&both, ("open", true)),
        (any, ("open", false)),
        (OsStr::new(&other), ("untrusted", false)),
        (OsStr::new(""), ("not-trusted", false)),
    ] {
        let (state, vouched) = state(&tool, Some(anchors), &[]);
        assert_eq!((state.as_str(), vouched), expected, "{anchors:?}");
    }
    // What the command line says counts more.
    let (state, _) = state(&tool, Some(any), &["--trust-anchor", &other]);
    assert_eq!(state, "untrusted");
}

#[test]
fn an_anchor_may_be_der_or_one_of_several_in_pem() {
    let (tool, file) = through_air();
    let other = other_authority(&tool);
    let pem = |file: &str| std::fs::read_to_string(file).unwrap();
    let (_, der) = der::pem::decode_vec(&std::fs::read(&file).unwrap()).unwrap();
    let bundles = [
        format!("# Ours\n{}\n# Theirs\n{}", pem(&other), pem(&file)),
        format!("{}{}\nand no more", pem(&file), pem(&other)),
    ];
    let written = tool.file("anchors");
    let trust = ["--trust-anchor", written.to_str().unwrap()];
    for content in [der.as_slice(), bundles[0].as_bytes(), bundles[1].as_bytes()] {
        std::fs::write(&written, content).unwrap();
        let vouched = true;
        assert_eq!(state(&tool, None, &trust), ("open".to_owned(), vouched));
    }
    // One that is broken is not left out.
    let broken = format!("{}{}", pem(&file), pem(&other).replace("-----END", "-----"));
    std::fs::write(&written, broken).unwrap();
    let ran = tool.run(&[&["list"], &trust[..]].concat()).code(2);
    assert!(ran.stderr.contains("does not end"), "{ran:#?}");
}

#[test]
fn a_card_of_another_authority_is_refused() {
    let (tool, _) = through_air();
    let other = other_authority(&tool);
    let verify = ["pin", "verify", "--pin-fd", "0", "--trust-anchor", &other];
    let ran = tool.run_with_input(&verify, "123456\n").code(12);
    assert!(ran.stderr.contains("no PIN was sent"), "{ran:#?}");
    let ran = tool.run(&["show", "--trust-anchor", &other]).ok();
    assert!(ran.stdout.contains("may be a copy or a fake"), "{ran:#?}");
}

/// Where the environment names a certificate that is not there.
fn wrong(tool: &Tool, arguments: &[&str], input: &str) -> Ran {
    let mut command = tool.command(&[&["--virtual"], arguments].concat());
    command.env("TOKENCTL_TRUST_ANCHORS", tool.file("none.pem"));
    let mut command = assert_cmd::Command::from_std(command);
    Ran::of(&command.write_stdin(input).output().unwrap())
}

#[test]
fn a_bad_file_in_the_environment_is_told_where_it_matters() {
    let verify = ["pin", "verify", "--pin-fd", "0"];
    let (tool, _) = on_contact();
    wrong(&tool, &["show"], "").ok();
    wrong(&tool, &verify, "123456\n").code(0);
    let (tool, _) = through_air();
    wrong(&tool, &["list"], "").ok();
    let ran = wrong(&tool, &["show"], "").code(0);
    assert!(ran.stderr.contains("warning: "), "{ran:#?}");
    assert!(ran.stderr.contains("none.pem"), "{ran:#?}");
    for json in [&[][..], &["--json"]] {
        let ran = wrong(&tool, &[&verify[..], json].concat(), "123456\n").code(12);
        assert!(ran.stderr.contains("none.pem"), "{ran:#?}");
        assert!(ran.stderr.contains("No PIN was sent"), "{ran:#?}");
    }
}

#[test]
fn a_code_that_is_none_is_an_error_also_where_it_need_not_be() {
    let (tool, _) = through_air();
    let show = ["show", "--trust-any-card", "--pairing-code-fd", "0"];
    for json in [&[][..], &["--json"]] {
        let arguments = [&show[..], json].concat();
        let ran = tool.run_with_input(&arguments, "6071829\n").code(12);
        assert!(ran.stderr.contains("no pairing code"), "{ran:#?}");
        assert!(!format!("{ran:?}").contains("6071829"), "{ran:#?}");
        assert_eq!(ran.stdout, "");
    }
}

/// Or it would be sent as the PIN that follows, which costs a try.
#[test]
fn a_code_that_is_not_needed_is_read_over() {
    let (tool, _) = on_contact();
    let fds = ["--pairing-code-fd", "0", "--pin-fd", "0"];
    let verify = [&["pin", "verify"], &fds[..]].concat();
    let input = format!("{CODE}\n123456\n");
    let ran = tool.run_with_input(&verify, &input).code(0);
    assert!(ran.stderr.contains("3 tries left"), "{ran:#?}");
    tool.run_with_input(&["show", "--pairing-code-fd", "0"], "")
        .ok();
}

/// It is there to choose from, and should be quick.
#[test]
fn a_list_opens_no_session() {
    let (tool, file) = through_air();
    let trace = tool.file("trace.txt");
    let opened = |arguments: &[&str], input: &str| {
        let more = ["--trace", trace.to_str().unwrap(), "--trust-anchor", &file];
        tool.run_with_input(&[arguments, &more].concat(), input)
            .ok();
        let trace = std::fs::read_to_string(&trace).unwrap().replace(' ', "");
        assert!(trace.contains("00A40400"), "{trace}");
        // GENERAL AUTHENTICATE with the key of secure messaging.
        trace.contains("00872704")
    };
    assert!(!opened(&["list"], ""));
    assert!(!opened(&["list", "--fresh", "--json"], ""));
    assert!(opened(&["show", "--pairing-code-fd", "0"], CODE));
    assert!(!opened(&["list"], ""));
    assert!(!opened(&["list", "--fresh"], ""));
}

/// Nobody has chosen the tokens that come, and none is told its pairing code.
#[cfg(unix)]
#[test]
fn what_comes_is_watched_without_a_session() {
    let (tool, _) = through_air();
    let _ = tool
        .run(&["virtual", "move", "one", "--to", "contact"])
        .ok();
    let force = ["policy", "set", "--force-change", "--allow-managed"];
    let set = [&force[..], &["--pin-fd", "0"]].concat();
    let _ = tool.run_with_input(&set, "123456\n").code(0);
    let _ = tool
        .run(&["virtual", "move", "one", "--to", "contactless"])
        .ok();
    let trace = tool.file("trace.txt");
    let watch = [
        "--virtual",
        "--json",
        "watch",
        "--trust-any-card",
        "--trace",
    ];
    let (child, mut lines) = start(&tool, &[&watch[..], &[trace.to_str().unwrap()]].concat());
    while next(&mut lines)["event"] != "pin-change-wanted" {}
    interrupt(child.id());
    Ran::of(&child.wait_with_output().unwrap()).ok();
    let trace = std::fs::read_to_string(&trace).unwrap().replace(' ', "");
    assert!(trace.contains("00A40400"), "{trace}");
    assert!(!trace.contains("00872704"), "{trace}");
}

/// How many secure sessions it takes: GENERAL AUTHENTICATE with their key.
fn sessions(tool: &Tool, arguments: &[&str], input: &str) -> (Ran, usize) {
    let trace = tool.file("trace.txt");
    let more = ["--trace", trace.to_str().unwrap(), "--trust-any-card"];
    let ran = tool.run_with_input(&[arguments, &more].concat(), input);
    let trace = std::fs::read_to_string(&trace).unwrap().replace(' ', "");
    assert!(trace.contains("00A40400"), "{trace}");
    (ran, trace.matches("00872704").count())
}

#[test]
fn a_token_that_is_not_meant_is_not_spoken_to_in_a_session() {
    let (tool, _) = through_air();
    tool.make("two", Profile::Piv, &CreateOptions::default().seed(2));
    let id = |reader: &str| {
        let listed = tool.run(&["list", "--json", "--reader", reader]).ok();
        let id = listed.json()["tokens"][0]["id"].take();
        id.as_str().unwrap().to_owned()
    };
    let (one, two) = (id("one"), id("two"));
    let code = ["--pairing-code-fd", "0"];
    for command in [&["show"][..], &["cert", "list"]] {
        let named = |id| [command, &code, &["--json", "--token", id]].concat();
        let (ran, opened) = sessions(&tool, &[command, &code].concat(), CODE);
        assert_eq!((ran.code, opened), (6, 0), "{ran:#?}");
        let (ran, opened) = sessions(&tool, &named(&two), CODE);
        assert_eq!((ran.code, opened), (0, 0), "{ran:#?}");
        let (ran, opened) = sessions(&tool, &named(&one), CODE);
        assert_eq!(ran.code, 0, "{ran:#?}");
        assert!(opened > 0);
    }
    // A look that makes it known does not leave it at that.
    tool.run(&["cache", "clear", "--all"]).code(0);
    let arguments = ["show", "--json", "--quick", "--token", &one];
    let (ran, _) = sessions(&tool, &[&arguments[..], &code].concat(), CODE);
    assert_eq!(ran.json()["token"]["vci"]["state"], "open");
}

#[test]
fn a_public_certificate_is_exported_without_a_code() {
    let tool = Tool::new();
    let options = CreateOptions::default()
        .seed(1)
        .vci(Vci::new(CipherSuite::Cs2))
        .key(KeyReference::CARD_AUTHENTICATION, KeyAlgorithm::EccP256)
        .key(KeyReference::PIV_AUTHENTICATION, KeyAlgorithm::EccP256);
    tool.make("one", Profile::Piv, &options);
    tool.put_object("one", "5FC123", "99083630373138323934FE00");
    let export = |slot| ["cert", "export", "--slot", slot];
    let on_contact = tool.run(&export("9E")).ok().stdout;
    tool.run(&["virtual", "move", "one", "--to", "contactless"])
        .ok();
    let public = export("9E");
    assert_eq!(wrong(&tool, &public, "").ok().stdout, on_contact);
    let given = ["--trust-any-card", "--pairing-code-fd", "0"];
    for code in ["", "no code\n", "60718295\n", CODE] {
        let ran = tool.run_with_input(&[&public[..], &given].concat(), code);
        assert_eq!(ran.ok().stdout, on_contact);
    }

    let other = export("9A");
    let ran = wrong(&tool, &other, "").code(12);
    assert!(ran.stderr.contains("none.pem"), "{ran:#?}");
    let arguments = [&other[..], &given].concat();
    tool.run_with_input(&arguments, "60718295\n").code(10);
    tool.run_with_input(&arguments, CODE).ok();
}

/// What can't be read of this computer changes nothing of how the token is read.
#[test]
fn a_damaged_record_closes_no_session() {
    let (tool, file) = on_contact();
    let records = tool.file("records");
    let set = ["policy", "set", "--min", "5", "--pin-fd", "0"];
    let set = [&set[..], &["--allow-managed"]].concat();
    tool.run_with_input(&set, "123456\n").code(0);
    for record in entries(&records) {
        std::fs::write(records.join(record), "{\"version\":").unwrap();
    }
    let _ = tool
        .run(&["virtual", "move", "one", "--to", "contactless"])
        .ok();
    let status = ["pin", "status", "--pairing-code-fd", "0"];
    let status = [&status[..], &["--trust-anchor", &file]].concat();
    let ran = tool.run_with_input(&status, CODE).code(0);
    assert!(ran.stderr.contains("move the file away"), "{ran:#?}");
    assert!(ran.stdout.contains("3 tries left"), "{ran:#?}");
}

/// What only contact allows, and what the token does not have.
const NOT_THROUGH_AIR: [(&[&str], &str); 12] = [
    (&["pin", "unblock"], "only on the contact interface"),
    (
        &["pin", "unblock", "--puk-fd", "0"],
        "only on the contact interface",
    ),
    (&["pin", "unblock", "--key"], "do not have it"),
    (&["puk", "change"], "only on the contact interface"),
    (&["puk", "show", "--show"], "only on the contact interface"),
    (&["puk", "forget"], "only on the contact interface"),
    (
        &["pairing-code", "show", "--show"],
        "only on the contact interface",
    ),
    (
        &["admin-key", "check", "--management-key"],
        "only on the contact interface",
    ),
    (&["admin-key", "set", "--delivery"], "nothing is known"),
    (
        &["policy", "set", "--min", "7"],
        "only on the contact interface",
    ),
    (&["recycle"], "do not have it"),
    (
        &["personalize", "--dry-run"],
        "only on the contact interface",
    ),
];

#[test]
fn what_no_session_allows_is_refused_for_that() {
    let (tool, _) = through_air();
    for (arguments, why) in NOT_THROUGH_AIR {
        for ran in [
            wrong(&tool, arguments, ""),
            tool.run(&[arguments, &["--trust-any-card"]].concat()),
        ] {
            assert_eq!(ran.code, 13, "{arguments:?} {ran:#?}");
            assert!(ran.stderr.contains(why), "{arguments:?} {ran:#?}");
        }
    }
}

#[test]
fn a_pin_in_a_raw_command_is_not_sent() {
    let (tool, _) = through_air();
    let ran = tool
        .run_with_input(&["apdu"], "0020008008313233343536FFFF\n")
        .code(12);
    assert!(ran.stderr.contains("nothing was sent"), "{ran:#?}");
}

#[test]
fn that_a_pairing_code_can_not_be_kept_is_said() {
    let (tool, _) = through_air();
    let show = [
        "show",
        "--trust-any-card",
        "--pairing-code-fd",
        "0",
        "--keep-pairing-code",
    ];
    let ran = tool.run_with_input(&show, CODE).code(0);
    assert!(ran.stderr.contains("is not kept"), "{ran:#?}");
}

#[cfg(unix)]
mod at_terminal {
    use rexpect::session::{PtySession, spawn_command};
    use rustix::termios::{LocalModes, tcgetattr};

    use super::*;

    const PROMPT: &str = "(empty: show what is public): ";
    const TRUST: &str = "--trust-any-card";

    /// At a terminal that shows what is typed, with how it ended at the end.
    fn start(tool: &Tool, by: &[&str], arguments: &[&str], stdout: &str) -> PtySession {
        let script = format!("stty echo </dev/tty; \"$@\" {stdout}; echo CODE $?");
        let by = [by, &["sh", "-c", &script, "sh"]].concat();
        let mut command = tool.run_by(&by, &[&["--virtual", "--no-color"], arguments].concat());
        command.env("TERM", "xterm").env("OUT", tool.file("out"));
        if !by.starts_with(&["sh"]) {
            command.env("TOKENCTL_SECRET_STORE", "");
        }
        spawn_command(command, Some(20_000)).unwrap()
    }

    fn is_shown(session: &PtySession) -> bool {
        let terminal = session.process().get_file_handle().unwrap();
        let modes = tcgetattr(&terminal).unwrap().local_modes;
        modes.contains(LocalModes::ECHO)
    }

    /// Types it at a prompt that does not show it.
    fn answer(session: &mut PtySession, typed: &str) {
        assert!(!is_shown(session));
        match typed {
            "^C" => session.send_control('c').unwrap(),
            "^D" => session.send_control('d').unwrap(),
            typed => drop(session.send_line(typed).unwrap()),
        }
    }

    /// What is on the terminal until it ends with this code, which leaves the terminal as
    /// it was.
    #[track_caller]
    fn ends(mut session: PtySession, code: u8) -> String {
        let screen = session.exp_string("CODE ").unwrap();
        let ended = session.exp_string("\n").unwrap();
        assert_eq!(ended.trim(), code.to_string(), "{screen}");
        assert!(is_shown(&session));
        assert!(!screen.contains(CODE), "{screen}");
        screen
    }

    #[test]
    fn the_code_is_asked_for_and_not_shown() {
        let (tool, file) = through_air();
        let show = ["show", "--trust-anchor", &file];
        let shown = |typed: &str, code: u8| {
            let mut session = start(&tool, &[], &show, "");
            session.exp_string("Pairing code of ").unwrap();
            session.exp_string(PROMPT).unwrap();
            answer(&mut session, typed);
            ends(session, code)
        };
        assert!(shown(CODE, 0).contains("the card is vouched for"));
        for nothing in ["", "^D"] {
            let screen = shown(nothing, 0);
            assert!(screen.contains("Secure session"), "{screen}");
            assert!(screen.contains("card's pairing code"), "{screen}");
        }
        let left = shown("^C", 12);
        assert!(left.contains("cancelled"), "{left}");
        let other = shown("6071829x", 12);
        assert!(other.contains("is no pairing code"), "{other}");
        let wrong = shown("60718295", 10);
        assert!(wrong.contains("is not this card's"), "{wrong}");
        for not_shown in [left, other, wrong] {
            assert!(!not_shown.contains("Secure session"), "{not_shown}");
        }
    }

    #[test]
    fn what_can_not_do_without_it_says_so() {
        let (tool, _) = through_air();
        for (typed, said) in [
            ("", "no pairing code was given"),
            ("^D", "no pairing code was given"),
            ("^C", "cancelled"),
        ] {
            let mut session = start(&tool, &[], &["pin", "verify", TRUST], ">\"$OUT\"");
            session.exp_regex("Pairing code of [^ ]+: ").unwrap();
            answer(&mut session, typed);
            let screen = ends(session, 12);
            assert!(screen.contains(said), "{screen}");
            assert!(!screen.contains("tries left"), "{screen}");
        }
        let mut session = start(&tool, &[], &["pin", "verify", TRUST], ">\"$OUT\"");
        session.exp_regex("Pairing code of [^ ]+: ").unwrap();
        answer(&mut session, CODE);
        session.exp_string("PIN: 3 tries left").unwrap();
        session.exp_string("PIN: ").unwrap();
        answer(&mut session, "123456");
        ends(session, 0);
    }

    #[test]
    fn what_no_session_allows_asks_for_no_code() {
        let (tool, _) = through_air();
        for (arguments, why) in NOT_THROUGH_AIR {
            let session = start(&tool, &[], &[arguments, &[TRUST]].concat(), "");
            let screen = ends(session, 13);
            assert!(!screen.contains("Pairing code of"), "{screen}");
            let screen = screen.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(screen.contains(why), "{arguments:?} {screen}");
        }
    }

    #[test]
    fn a_token_that_was_exchanged_at_the_prompt_is_not_shown() {
        let (tool, _) = through_air();
        let other = Tool::new();
        let options = CreateOptions::default()
            .seed(2)
            .vci(Vci::new(CipherSuite::Cs2));
        other.make("one", Profile::Piv, &options);
        other
            .run(&["virtual", "move", "one", "--to", "contactless"])
            .ok();
        let mut session = start(&tool, &[], &["show", TRUST], "");
        session.exp_string(PROMPT).unwrap();
        let file = |tool: &Tool| tool.path().join("one.json");
        std::fs::copy(file(&other), file(&tool)).unwrap();
        answer(&mut session, CODE);
        let screen = ends(session, 12);
        assert!(
            screen.contains("another token is in the reader"),
            "{screen}"
        );
        assert!(!screen.contains("Secure session"), "{screen}");
    }

    #[test]
    fn nobody_is_asked_for_what_nobody_sees() {
        let (tool, _) = through_air();
        for (arguments, stdout) in [
            (&["show"][..], ">\"$OUT\""),
            (&["show"], "| cat"),
            (&["pin", "status"], ">\"$OUT\""),
            (&["show", "--json"], ""),
            (&["pin", "verify", "--json", "--pin-fd", "0"], "</dev/null"),
            (&["list"], ""),
            (&["list", "--fresh"], ""),
        ] {
            let session = start(&tool, &[], &[arguments, &[TRUST]].concat(), stdout);
            let code = if arguments.contains(&"verify") { 12 } else { 0 };
            let screen = ends(session, code);
            assert!(!screen.contains("Pairing code of"), "{screen}");
        }
        let out = std::fs::read_to_string(tool.file("out")).unwrap();
        assert!(out.contains("PIN"), "{out}");
    }

    #[test]
    fn pinentry_asks_for_it_too() {
        let (tool, _) = through_air();
        let pinentry = |answers: &[&str]| {
            let _ = std::fs::remove_file(tool.file("count"));
            tool.pinentry(answers)
        };
        let code = format!("D {CODE}\nOK");
        let option = pinentry(&[&code, "D 123456\nOK"]);
        let verify = ["pin", "verify", TRUST, &option];
        tool.run(&verify).code(0);
        let asked = std::fs::read_to_string(tool.file("asked")).unwrap();
        assert!(asked.contains("SETDESC Pairing code of "), "{asked}");
        assert!(asked.contains("SETDESC PIN"), "{asked}");

        pinentry(&["OK"]);
        let ran = tool.run(&verify).code(12);
        assert!(ran.stderr.contains("no pairing code was given"), "{ran:#?}");
        // Whoever gives stdout away does not see what it would be asked for.
        std::fs::remove_file(tool.file("asked")).unwrap();
        tool.run(&["show", TRUST, &option]).ok();
        assert!(!tool.file("asked").exists());
    }

    #[cfg(all(target_os = "linux", feature = "login-session"))]
    mod kept {
        use super::*;
        use crate::pairing_code::in_a_session;

        /// Keeps the code of the token, which is on contact then, and finds its key in
        /// the keyring.
        const KEEP: &str = "ctl virtual move one --to contact >/dev/null; \
            echo 123456 | ctl pairing-code cache --pin-fd 0 >/dev/null 2>&1; \
            key=$(keyctl search @s user piv:pairing-code:$(ctl pairing-code list --json \
                | sed -n 's/.*\"guid\": *\"\\([^\"]*\\)\".*/\\1/p')); \
            ctl virtual move one --to contactless >/dev/null; ";

        #[test]
        fn it_is_forgotten_only_if_it_is_certainly_the_card_that_refuses_it() {
            let (tool, file) = through_air();
            let wrong = "keyctl update $key 60718295; ";
            for (trust, said, left) in [
                (TRUST.to_owned(), "Nobody vouches for the card", "60718295"),
                (format!("--trust-anchor {file}"), "was forgotten", "none"),
            ] {
                let script = format!(
                    "{KEEP} {wrong} ctl show {trust}; keyctl pipe $key 2>/dev/null || echo none"
                );
                let Some(ran) = in_a_session(&tool, &script) else {
                    return;
                };
                let ran = ran.code(0);
                assert!(ran.stderr.contains(said), "{ran:#?}");
                assert!(ran.stdout.trim().ends_with(left), "{ran:#?}");
            }
        }

        /// With the right code on stdin, after this was done to what is kept.
        fn shown_after(meddling: &str, more: &str) -> Option<Ran> {
            let (tool, _) = through_air();
            let script = format!(
                "{KEEP} {meddling}; \
                 echo {CODE} | ctl show {TRUST} --pairing-code-fd 0 {more}"
            );
            let ran = in_a_session(&tool, &script)?.code(0);
            assert!(ran.stdout.contains("open (CS2)"), "{ran:#?}");
            Some(ran)
        }

        #[test]
        fn what_is_given_counts_where_what_is_kept_is_damaged() {
            if let Some(ran) = shown_after("keyctl update $key 1234", "") {
                assert!(ran.stderr.contains("is no pairing code"), "{ran:#?}");
            }
        }

        #[test]
        fn that_it_could_not_be_kept_ends_nothing() {
            // What is kept is of no use, and may be seen and read, and not be replaced.
            let meddling = "keyctl update $key 1234; keyctl setperm $key 0x0b000000";
            if let Some(ran) = shown_after(meddling, "--keep-pairing-code") {
                let said = "is not kept: the login session's keyring can't be used";
                assert!(ran.stderr.contains(said), "{ran:#?}");
            }
        }

        #[test]
        fn it_is_kept_only_after_a_yes() {
            let (tool, _) = through_air();
            if in_a_session(&tool, "true").is_none() {
                return;
            }
            let by = ["keyctl", "session", "-"];
            for (typed, kept) in [("^D", false), ("n", false), ("y", true)] {
                let mut session = start(&tool, &by, &["show", TRUST], "");
                session.exp_string(PROMPT).unwrap();
                answer(&mut session, CODE);
                session
                    .exp_string("Keep the pairing code until you log out? [y/N]: ")
                    .unwrap();
                answer(&mut session, typed);
                let screen = ends(session, 0);
                assert!(screen.contains("Secure session"), "{screen}");
                assert_eq!(screen.contains("is kept in"), kept, "{screen}");
            }
        }
    }
}
