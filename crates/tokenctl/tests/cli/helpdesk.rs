//! `helpdesk`, and each way in which a secret comes in.

use crate::tool::Tool;

/// A 3DES key and an AES key, and what `openssl enc -ecb` makes of a
/// challenge under them.
const TDES_KEY: &str = "0123456789ABCDEF23456789ABCDEF01456789ABCDEF0123";
const TDES_CHALLENGE: &str = "5468652071756663"; // "The qufc"
const TDES_RESPONSE: &str = "A826-FD8C-E53B-855F";
const AES_KEY: &str = "000102030405060708090A0B0C0D0E0F";
const AES_CHALLENGE: &str = "00112233445566778899AABBCCDDEEFF";
const AES_RESPONSE: &str = "69C4-E0D8-6A7B-0430-D8CD-B780-70B4-C55A";

const PASSPHRASE: &str = "correct horse battery";

#[test]
fn responses_are_those_of_the_standards() {
    let tool = Tool::new();
    // SP 800-67 appendix B.1 and FIPS 197 appendix C.1.
    for (challenge, key, response) in [
        (TDES_CHALLENGE, TDES_KEY, TDES_RESPONSE),
        (AES_CHALLENGE, AES_KEY, AES_RESPONSE),
        ("5468-6520.7175 6663", TDES_KEY, TDES_RESPONSE),
    ] {
        let arguments = ["helpdesk", "respond", challenge, "--key-fd", "0"];
        let ran = tool.run_with_input(&arguments, &format!("{key}\n")).ok();
        assert_eq!(ran.stdout.trim(), response);
    }
    let ran = tool.run_with_input(
        &[
            "--json",
            "helpdesk",
            "respond",
            AES_CHALLENGE,
            "--key-fd",
            "0",
        ],
        AES_KEY,
    );
    let json = ran.ok().json();
    assert_eq!(json["algorithm"], "AES-128");
    assert_eq!(json["response"], AES_RESPONSE.replace('-', ""));
}

#[test]
fn a_key_on_the_command_line_is_refused() {
    let tool = Tool::new();
    for arguments in [
        &["helpdesk", "respond", TDES_KEY][..],
        &["helpdesk", "respond", TDES_CHALLENGE, "--key", TDES_KEY],
    ] {
        let ran = tool.run(arguments).code(2);
        assert!(ran.stderr.contains("on the command line"), "{ran:?}");
        assert!(ran.stderr.contains("--key-fd"), "{ran:?}");
        assert!(!ran.stderr.contains(TDES_KEY), "{ran:?}");
        assert_eq!(ran.stdout, "");
    }
}

#[test]
fn a_key_of_the_other_algorithm_is_refused() {
    let arguments = ["helpdesk", "respond", TDES_CHALLENGE, "--key-fd", "0"];
    let ran = Tool::new().run_with_input(&arguments, AES_KEY).code(12);
    assert!(ran.stderr.contains("3DES"), "{ran:?}");
    assert!(ran.stderr.contains("AES-128"), "{ran:?}");
    assert_eq!(ran.stdout, "");
}

#[test]
fn the_delivery_value_is_warned_of() {
    let arguments = ["helpdesk", "respond", TDES_CHALLENGE, "--key-fd", "0"];
    let ran = Tool::new().run_with_input(&arguments, &"0".repeat(48));
    assert!(ran.code(0).stderr.contains("delivered"));
}

#[test]
fn what_is_no_key_or_challenge_is_named_without_repeating_it() {
    let tool = Tool::new();
    let arguments = ["helpdesk", "respond", TDES_CHALLENGE, "--key-fd", "0"];
    for input in ["", "\n", "1234567\n", "nonsense\n", &"A".repeat(300)] {
        let ran = tool.run_with_input(&arguments, input);
        assert!([2, 12].contains(&ran.code), "{ran:?}");
        assert_eq!(ran.stdout, "");
        for secret in ["1234567", "nonsense", "AAAA"] {
            assert!(!ran.stderr.contains(secret), "{ran:?}");
        }
    }
    for challenge in ["", "1234", "no-hex", "0123456789ABCDEF01"] {
        tool.run(&["helpdesk", "respond", challenge]).code(2);
    }
}

#[test]
fn a_key_file_opens_with_its_passphrase_only() {
    let tool = Tool::new();
    let path = tool.file("office.pem");
    let file = path.to_str().unwrap();
    let make = [
        "helpdesk",
        "new-key-file",
        file,
        "--key-fd",
        "0",
        "--passphrase-fd",
        "0",
    ];
    let secrets = format!("{TDES_KEY}\n{PASSPHRASE}\n");
    tool.run_with_input(&make, &format!("{TDES_KEY}\nshort\n"))
        .code(12);
    assert!(!path.exists());
    tool.run_with_input(&make, &secrets).code(0);
    let again = tool.run_with_input(&make, &secrets).code(1);
    assert!(again.stderr.contains("exists already"), "{again:?}");

    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("-----BEGIN TOKENCTL ENCRYPTED ADMIN KEY-----"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    let respond = [
        "helpdesk",
        "respond",
        TDES_CHALLENGE,
        "--key-file",
        file,
        "--passphrase-fd",
        "0",
    ];
    let ran = tool.run_with_input(&respond, PASSPHRASE).ok();
    assert_eq!(ran.stdout.trim(), TDES_RESPONSE);
    let ran = tool
        .run_with_input(&respond, "correct horse batterz")
        .code(1);
    assert!(ran.stderr.contains("passphrase is wrong"), "{ran:?}");

    std::fs::write(&path, "something else").unwrap();
    let ran = tool.run_with_input(&respond, PASSPHRASE).code(1);
    assert!(ran.stderr.contains("no key file"), "{ran:?}");
}

#[cfg(unix)]
mod unix {
    use std::os::unix::process::CommandExt as _;
    use std::process::{Command, Stdio};

    use rexpect::session::{PtySession, spawn_command};

    use super::*;
    use crate::tool::{Ran, seen};

    /// Runs it with no terminal at all.
    fn without_terminal(mut command: Command) -> Ran {
        let program = command.get_program().to_owned();
        let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        let mut wrapped = Command::new("setsid");
        wrapped.arg("--wait").arg(program).args(arguments);
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(name, value),
                None => wrapped.env_remove(name),
            };
        }
        command.process_group(0);
        Ran::of(&wrapped.stdin(Stdio::null()).output().unwrap())
    }

    #[test]
    fn with_nobody_to_ask_the_options_are_named() {
        let tool = Tool::new();
        let ran = without_terminal(tool.command(&["helpdesk", "respond", TDES_CHALLENGE])).code(2);
        assert!(ran.stderr.contains("no terminal"), "{ran:?}");
        assert!(ran.stderr.contains("--key-fd"), "{ran:?}");
        assert!(ran.stderr.contains("--pinentry"), "{ran:?}");
        let ran = without_terminal(tool.command(&["helpdesk", "respond"])).code(2);
        assert!(ran.stderr.contains("challenge"), "{ran:?}");
    }

    #[test]
    fn a_descriptor_beyond_stdin_is_read_line_by_line() {
        let tool = Tool::new();
        let file = tool.file("key.pem");
        let run = |script: &str| {
            let mut command = Command::new("sh");
            command
                .args(["-c", script])
                .env("TOOL", env!("CARGO_BIN_EXE_tokenctl"));
            command.env("FILE", &file).stdin(Stdio::null());
            Ran::of(&command.output().unwrap())
        };
        run(&format!(
            "printf '{TDES_KEY}\\n{PASSPHRASE}\\n' | \
             \"$TOOL\" helpdesk new-key-file \"$FILE\" --key-fd 7 --passphrase-fd 7 7<&0"
        ))
        .code(0);
        let ran = run(&format!(
            "\"$TOOL\" helpdesk respond {TDES_CHALLENGE} --key-file \"$FILE\" \
             --passphrase-fd 5 5<<END\n{PASSPHRASE}\nEND"
        ));
        assert_eq!(ran.ok().stdout.trim(), TDES_RESPONSE);
        let ran = run(&format!(
            "\"$TOOL\" helpdesk respond {TDES_CHALLENGE} --key-fd 9"
        ));
        assert!(ran.code(2).stderr.contains("file descriptor 9"));
    }

    #[test]
    fn pinentry_is_asked() {
        let tool = Tool::new();
        let escaped = format!("D %30{}\nOK", &TDES_KEY[1..]);
        let pinentry = tool.pinentry(&[&escaped]);
        let ran = tool
            .run(&["helpdesk", "respond", TDES_CHALLENGE, &pinentry])
            .ok();
        assert_eq!(ran.stdout.trim(), TDES_RESPONSE);
        let asked = std::fs::read_to_string(tool.file("asked")).unwrap();
        for line in [
            "SETTITLE tokenctl",
            "SETDESC Admin key (3DES, hexadecimal)",
            "GETPIN",
        ] {
            assert!(asked.contains(line), "{asked}");
        }
    }

    #[test]
    fn pinentry_is_asked_again_for_what_does_not_meet_the_rules() {
        let tool = Tool::new();
        let [short, good, key] =
            ["short", PASSPHRASE, TDES_KEY].map(|text| format!("D {text}\nOK"));
        let pinentry = tool.pinentry(&[&key, &key, &short, &good, &good]);
        let file = tool.file("key.pem");
        tool.run(&[
            "helpdesk",
            "new-key-file",
            file.to_str().unwrap(),
            &pinentry,
        ])
        .code(0);
        let asked = std::fs::read_to_string(tool.file("asked")).unwrap();
        assert!(
            asked.contains("SETERROR Not yet: at least 12 characters"),
            "{asked}"
        );
        assert_eq!(asked.matches("GETPIN").count(), 5, "{asked}");
    }

    #[test]
    fn pinentry_that_is_cancelled_or_missing_or_fails() {
        for (answer, expected) in [
            ("ERR 83886179 Operation cancelled <Pinentry>", "cancelled"),
            ("ERR 83886340 No display", "failed"),
            ("nonsense", "protocol"),
            ("OK", "nothing was typed"),
        ] {
            let tool = Tool::new();
            let pinentry = tool.pinentry(&[answer]);
            let ran = tool.run(&["helpdesk", "respond", TDES_CHALLENGE, &pinentry]);
            assert!(ran.stderr.contains(expected), "{ran:?}");
            assert!(
                [1, 12].contains(&ran.code) && ran.stdout.is_empty(),
                "{ran:?}"
            );
        }
        let ran = Tool::new().run(&["helpdesk", "respond", TDES_CHALLENGE, "--pinentry=/no/such"]);
        assert!(ran.code(1).stderr.contains("could not be started"));
    }

    /// A shell in a terminal of its own, which outlives the program, with the
    /// program's stdin and stdout elsewhere.
    fn shell(tool: &Tool, term: &str, arguments: &str) -> PtySession {
        let mut command = Command::new("sh");
        let script = format!(
            "stty echo; stty -a | tr ' ' '\\n' | grep -x -e '-*echo;*' -e '-*icanon;*' -e '-*isig;*'; echo READY; \
             \"$TOOL\" {arguments} </dev/null >\"$OUT\"; echo \"CODE $?\"; \
             stty -a | tr ' ' '\\n' | grep -x -e '-*echo;*' -e '-*icanon;*' -e '-*isig;*'; echo END"
        );
        command
            .args(["-c", &script])
            .env("TOOL", env!("CARGO_BIN_EXE_tokenctl"))
            .env("OUT", tool.file("out"))
            .env("FILE", tool.file("key.pem"))
            .env("TERM", term)
            // There, anstream takes any terminal for one with colours.
            .env_remove("CI");
        spawn_command(command, Some(20_000)).unwrap()
    }

    /// Presses keys, without Enter.
    fn keys(session: &mut PtySession, typed: &str) {
        session.send(typed).unwrap();
        session.flush().unwrap();
    }

    /// The state of the terminal before and after, and what was on it.
    fn finish(mut session: PtySession, before: &str) -> (String, String) {
        let screen = session.exp_string("CODE ").unwrap();
        let rest = session.exp_string("END").unwrap();
        let (code, after) = rest.split_once('\n').unwrap();
        assert_eq!(after.trim(), before.trim(), "the terminal is as it was");
        assert!(
            before.contains("echo") && !before.contains("-echo"),
            "{before}"
        );
        session.exp_eof().unwrap();
        (code.trim().to_owned(), screen)
    }

    #[test]
    fn a_prompt_hides_what_is_typed_and_needs_neither_stdin_nor_stdout() {
        let tool = Tool::new();
        let arguments = format!("helpdesk respond {TDES_CHALLENGE}");
        let mut session = shell(&tool, "xterm", &arguments);
        let before = session.exp_string("READY").unwrap();
        session
            .exp_string("Admin key (3DES, hexadecimal): ")
            .unwrap();
        // A wrong start, taken back.
        keys(&mut session, "FFFF");
        session.send_control('u').unwrap();
        session
            .send_line(&format!("\x1b[A{TDES_KEY}x\x7f"))
            .unwrap();
        let (code, screen) = finish(session, &before);
        assert_eq!(code, "0");
        assert_eq!(screen.trim(), "", "nothing is shown");
        let out = std::fs::read_to_string(tool.file("out")).unwrap();
        assert_eq!(out.trim(), TDES_RESPONSE);
    }

    #[test]
    fn leaving_a_prompt_puts_the_terminal_back() {
        for control in ['c', 'd'] {
            let tool = Tool::new();
            let mut session = shell(&tool, "xterm", "helpdesk new-key-file \"$FILE\"");
            let before = session.exp_string("READY").unwrap();
            session.exp_string("hexadecimal digits").unwrap();
            keys(&mut session, "0123");
            session.exp_string(&seen("••••")).unwrap();
            session.send_control(control).unwrap();
            let (code, screen) = finish(session, &before);
            assert_eq!(code, "12");
            assert!(screen.contains("cancelled"), "{screen}");
            assert!(!screen.contains("0123"), "{screen}");
            assert!(!tool.file("key.pem").exists());
        }
    }

    #[test]
    fn rules_are_shown_as_they_are_met() {
        let tool = Tool::new();
        let mut session = shell(&tool, "xterm", "helpdesk new-key-file \"$FILE\"");
        let before = session.exp_string("READY").unwrap();
        session
            .exp_string(&seen("✗ 48 hexadecimal digits"))
            .unwrap();
        keys(&mut session, &TDES_KEY[1..]);
        session.send_line("").unwrap();
        session
            .exp_string("Not yet: 48 hexadecimal digits")
            .unwrap();
        session.send_control('u').unwrap();
        keys(&mut session, TDES_KEY);
        session
            .exp_string(&seen("✓ 48 hexadecimal digits"))
            .unwrap();
        session.send_line("").unwrap();
        session.exp_string("The same again: ").unwrap();
        session.send_line(TDES_KEY).unwrap();
        session
            .exp_string(&seen("✗ at least 12 characters"))
            .unwrap();
        keys(&mut session, PASSPHRASE);
        session
            .exp_string(&seen("✓ at least 12 characters"))
            .unwrap();
        session.send_line("").unwrap();
        session.exp_string("The same again: ").unwrap();
        session.send_line("another one altogether").unwrap();
        session.exp_string("not the same").unwrap();
        session
            .exp_string(&seen("✗ at least 12 characters"))
            .unwrap();
        keys(&mut session, PASSPHRASE);
        session
            .exp_string(&seen("✓ at least 12 characters"))
            .unwrap();
        session.send_line("").unwrap();
        session.exp_string("The same again: ").unwrap();
        session.send_line(PASSPHRASE).unwrap();
        let (code, _) = finish(session, &before);
        assert_eq!(code, "0");
        assert!(tool.file("key.pem").exists());
    }

    #[test]
    fn a_dumb_terminal_gets_lines() {
        let tool = Tool::new();
        let mut session = shell(&tool, "dumb", "helpdesk new-key-file \"$FILE\"");
        let before = session.exp_string("READY").unwrap();
        session.exp_string("  - 48 hexadecimal digits").unwrap();
        session.exp_string("Admin key to keep: ").unwrap();
        session.send_line("0123").unwrap();
        session
            .exp_string("Not yet: 48 hexadecimal digits")
            .unwrap();
        session.exp_string("Admin key to keep: ").unwrap();
        session.send_control('c').unwrap();
        let (code, screen) = finish(session, &before);
        assert_eq!(code, "12");
        assert!(!screen.contains('\x1b'), "{screen}");
    }

    #[test]
    fn the_challenge_is_asked_for_and_shown() {
        let tool = Tool::new();
        let mut session = shell(&tool, "xterm", "helpdesk respond");
        let before = session.exp_string("READY").unwrap();
        session.exp_string("Challenge: ").unwrap();
        session.send_line("5468 6520 7175 6663").unwrap();
        session.exp_string("5468 6520 7175 6663").unwrap();
        session
            .exp_string("Admin key (3DES, hexadecimal): ")
            .unwrap();
        session.send_line(TDES_KEY).unwrap();
        let (code, _) = finish(session, &before);
        assert_eq!(code, "0");
        let out = std::fs::read_to_string(tool.file("out")).unwrap();
        assert_eq!(out.trim(), TDES_RESPONSE);
    }
}
