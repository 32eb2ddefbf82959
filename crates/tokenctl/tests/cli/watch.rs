use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use virtual_token::Profile;

use crate::tool::{Ran, Tool};

/// What Ctrl-C sends.
#[cfg(unix)]
pub(crate) fn interrupt(process: u32) {
    let status = Command::new("kill")
        .args(["-INT", &process.to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

pub(crate) fn start(
    tool: &Tool,
    arguments: &[&str],
) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = tool
        .command(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    (child, lines)
}

pub(crate) fn next(lines: &mut impl BufRead) -> Value {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

/// Each line arrives as it happens, although stdout is a pipe.
#[cfg(unix)]
#[test]
fn events_come_as_they_happen_and_ctrl_c_ends_it() {
    let tool = Tool::new();
    tool.empty_token("first", Profile::Piv);
    let (child, mut lines) = start(&tool, &["--virtual", "--json", "watch"]);
    let seen = |lines: &mut _| {
        let line = next(lines);
        let event = line["event"].as_str().unwrap().to_owned();
        (event, line["reader"].as_str().unwrap_or("").to_owned())
    };
    let event = |kind: &str, reader: &str| (kind.to_owned(), reader.to_owned());
    assert_eq!(seen(&mut lines), event("reader-added", "Virtual first"));
    assert_eq!(seen(&mut lines), event("card-inserted", "Virtual first"));
    tool.empty_token("second", Profile::Crescendo2300);
    assert_eq!(seen(&mut lines), event("reader-added", "Virtual second"));
    let inserted = next(&mut lines);
    assert_eq!(inserted["event"], "card-inserted");
    assert_eq!(inserted["name"], "HID Crescendo C2300");
    tool.run(&["virtual", "remove", "second"]).ok();
    assert_eq!(seen(&mut lines), event("card-removed", "Virtual second"));
    assert_eq!(seen(&mut lines), event("reader-removed", "Virtual second"));
    interrupt(child.id());
    Ran::of(&child.wait_with_output().unwrap()).ok();
}

#[cfg(unix)]
#[test]
fn only_the_named_reader_is_followed() {
    let tool = Tool::new();
    tool.empty_token("alice", Profile::Piv);
    tool.empty_token("bob", Profile::Piv);
    let (child, mut lines) = start(&tool, &["--virtual", "--json", "watch", "--reader", "bob"]);
    assert_eq!(next(&mut lines)["reader"], "Virtual bob");
    interrupt(child.id());
    Ran::of(&child.wait_with_output().unwrap()).ok();
}

#[test]
fn it_ends_when_nobody_reads() {
    let tool = Tool::new();
    tool.empty_token("first", Profile::Piv);
    let (child, mut lines) = start(&tool, &["--virtual", "watch"]);
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert!(line.contains("reader added"), "{line}");
    lines.read_line(&mut line).unwrap();
    drop(lines);
    // Something to write.
    tool.empty_token("second", Profile::Piv);
    Ran::of(&child.wait_with_output().unwrap()).ok();
}

/// After the event of the insertion, which does not wait for it.
#[cfg(unix)]
#[test]
fn a_forced_pin_change_is_an_event_of_its_own() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Crescendo4000);
    let set = ["policy", "set", "--force-change", "--pin-fd", "0"];
    tool.run_with_input(&set, "000000\n").code(0);
    let (child, mut lines) = start(&tool, &["--virtual", "--json", "watch"]);
    for event in ["reader-added", "card-inserted"] {
        assert_eq!(next(&mut lines)["event"], event);
    }
    let wanted = next(&mut lines);
    assert_eq!(wanted["event"], "pin-change-wanted");
    assert_eq!(wanted["reader"], "Virtual one");
    assert_eq!(wanted["name"], "HID Crescendo C4000");
    interrupt(child.id());
    Ran::of(&child.wait_with_output().unwrap()).ok();

    let (child, mut lines) = start(&tool, &["--virtual", "watch"]);
    let mut line = String::new();
    while !line.contains("change the PIN") {
        line.clear();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "it never came");
    }
    assert!(line.contains("tokenctl pin change"), "{line}");
    interrupt(child.id());
    Ran::of(&child.wait_with_output().unwrap()).ok();
}
