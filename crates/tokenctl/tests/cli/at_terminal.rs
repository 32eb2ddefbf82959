//! What is asked at the terminal by the commands that administer a token, and
//! what is left on it.

#![cfg(unix)]

use rexpect::process::Signal;
use rexpect::session::{PtySession, spawn_command};
use rustix::termios::{LocalModes, tcgetattr};
use virtual_token::{CreateOptions, Profile};

use crate::tool::{Tool, seen};

fn start(tool: &Tool, arguments: &[&str]) -> PtySession {
    let mut command = tool.command(&[&["--virtual", "--no-color"], arguments].concat());
    command.env("TERM", "xterm");
    spawn_command(command, Some(20_000)).unwrap()
}

#[test]
fn an_erasure_is_confirmed_by_typing_the_id() {
    let tool = Tool::with(Profile::Crescendo2300);
    let listed = tool.run(&["list", "--json"]).ok().json();
    let id = listed["tokens"][0]["id"].as_str().unwrap();
    let question = format!("Type {id} to erase this token");
    let mut session = start(&tool, &["recycle", "--allow-managed"]);
    session.exp_string(&question).unwrap();
    session.send_line("yes").unwrap();
    session.exp_string("not confirmed").unwrap();
    session.exp_eof().unwrap();

    let mut session = start(&tool, &["recycle", "--allow-managed"]);
    session.exp_string("keys and certificates").unwrap();
    session.exp_string(&question).unwrap();
    session.send_line(id).unwrap();
    session.exp_string("PIN: 6 tries left").unwrap();
    session.exp_string("PIN: ").unwrap();
    session.send_line("00000000").unwrap();
    session.exp_string("The token is erased").unwrap();
    session.exp_eof().unwrap();
}

/// The secret is on the terminal's second screen only, which is cleared.
#[test]
fn a_new_key_is_shown_on_a_page_of_its_own_and_set_only_after_a_yes() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Crescendo2300);
    let check = ["admin-key", "check", "--key-fd", "0"];
    let zeros = "0".repeat(48) + "\n";
    for (answer, said, zeros_hold) in [
        ("n", "not taken over", 0),
        ("y", "The token has the new admin key", 10),
    ] {
        let mut session = start(&tool, &["admin-key", "set", "--generate"]);
        session.exp_string("tries left").unwrap();
        session.exp_string("PIN: ").unwrap();
        session.send_line("00000000").unwrap();
        session.exp_string("\x1b[?1049h").unwrap();
        session
            .exp_string("The new admin key (recovery) of HID Crescendo C2300, serial number ")
            .unwrap();
        session.exp_regex("([0-9A-F]{4}-){11}[0-9A-F]{4}").unwrap();
        session.exp_string("Is it written down?").unwrap();
        session.send_line(answer).unwrap();
        session.exp_string("\x1b[?1049l").unwrap();
        let rest = session.exp_string(said).unwrap();
        assert!(!rest.contains('-'), "{rest:?}");
        session.exp_eof().unwrap();
        tool.run_with_input(&check, &zeros).code(zeros_hold);
    }
}

/// On the second screen too, and only after a yes.
#[test]
fn a_pairing_code_is_shown_on_a_page_that_is_cleared_again() {
    let tool = Tool::new();
    let options = CreateOptions::default().seed(1).pairing_code(true);
    tool.make("one", Profile::Piv, &options);
    tool.put_object("one", "5FC123", "99083630373138323934FE00");
    for answer in ["y", "n"] {
        let mut session = start(&tool, &["pairing-code", "show"]);
        session.exp_string("PIN: 3 tries left").unwrap();
        session.exp_string("PIN: ").unwrap();
        session.send_line("123456").unwrap();
        session.exp_string("has a pairing code. Show it?").unwrap();
        session.send_line(answer).unwrap();
        if answer == "y" {
            session.exp_string("\x1b[?1049h").unwrap();
            session.exp_string("60718294").unwrap();
            session.exp_string("It is cleared then").unwrap();
            session.send_line("y").unwrap();
            session.exp_string("\x1b[?1049l").unwrap();
        }
        let rest = session.exp_eof().unwrap();
        assert!(!rest.contains("60718294"), "{rest:?}");
    }
}

/// Who is asked to end while the terminal shows nothing that is typed leaves it as it
/// was.
#[test]
fn asked_to_end_it_puts_the_terminal_back() {
    let tool = Tool::with(Profile::Crescendo2300);
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        let mut session = start(&tool, &["pin", "verify"]);
        session.exp_string("tries left").unwrap();
        session.exp_string("PIN: ").unwrap();
        let terminal = session.process().get_file_handle().unwrap();
        // The echo itself this terminal never had.
        let is_usual = || {
            let modes = tcgetattr(&terminal).unwrap().local_modes;
            modes.contains(LocalModes::ICANON | LocalModes::ISIG)
        };
        assert!(!is_usual(), "{signal}: nothing is shown");
        session.process_mut().signal(signal).unwrap();
        session.exp_eof().unwrap();
        assert!(is_usual(), "{signal}: it is as it was");
    }
}

/// And who shows a secret clears the page.
#[test]
fn asked_to_end_it_clears_the_page_with_a_secret() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Crescendo2300);
    let mut session = start(&tool, &["admin-key", "set", "--generate"]);
    session.exp_string("PIN: ").unwrap();
    session.send_line("00000000").unwrap();
    session.exp_string("Is it written down?").unwrap();
    session.process_mut().signal(Signal::SIGTERM).unwrap();
    session.exp_string("\x1b[2J\x1b[?1049l").unwrap();
    session.exp_eof().unwrap();
    // It was not taken over, so the token does not have it.
    let check = ["admin-key", "check", "--key-fd", "0"];
    tool.run_with_input(&check, &("0".repeat(48) + "\n"))
        .code(0);
}

/// The rules are there before the new PIN is asked for, and each is marked as it is met.
#[test]
fn a_new_pin_is_held_against_the_rules_as_it_is_typed() {
    let tool = Tool::with(Profile::Crescendo4000);
    let set = [
        "policy",
        "set",
        "--min",
        "6",
        "--digits",
        "--pin-fd",
        "0",
        "--allow-managed",
    ];
    tool.run_with_input(&set, "000000\n").code(0);
    let mut session = start(&tool, &["pin", "change"]);
    session.exp_string("The new PIN: 6 to 8 digits").unwrap();
    session.exp_string("Present PIN: ").unwrap();
    session.send_line("000000").unwrap();
    session.exp_string("New PIN: ").unwrap();
    session
        .exp_string(&seen("\u{2717} at least 6 characters"))
        .unwrap();
    session.send("27182").unwrap();
    session.flush().unwrap();
    session.send_line("").unwrap();
    session.exp_string("Not yet: ").unwrap();
    session.send("8").unwrap();
    session.flush().unwrap();
    session
        .exp_string(&seen("\u{2713} at least 6 characters"))
        .unwrap();
    session.send_line("").unwrap();
    session.exp_string("The same again: ").unwrap();
    session.send_line("271828").unwrap();
    session.exp_string("The PIN is changed").unwrap();
    session.exp_eof().unwrap();
    tool.run_with_input(&["pin", "verify", "--pin-fd", "0"], "271828\n")
        .code(0);
}
