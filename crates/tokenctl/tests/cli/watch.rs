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

fn start(tool: &Tool, arguments: &[&str]) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = tool
        .command(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    (child, lines)
}

fn next(lines: &mut impl BufRead) -> Value {
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
