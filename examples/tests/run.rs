//! Runs each example on software tokens and looks at what it prints.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

use std::path::PathBuf;
use std::process::Command;

/// Cargo builds the examples before it runs this, beside this program's folder.
fn run(example: &str) -> String {
    let deps = PathBuf::from(std::env::current_exe().unwrap().parent().unwrap());
    let program = deps.parent().unwrap().join("examples").join(example);
    let output = Command::new(program.with_extension(std::env::consts::EXE_EXTENSION))
        .output()
        .unwrap_or_else(|error| panic!("{example}: {error}"));
    let printed = String::from_utf8(output.stdout).unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{example}: {complaints}");
    assert!(complaints.is_empty(), "{example}: {complaints}");
    printed
}

const NAMES: [&str; 3] = [
    "HID Crescendo C2300",
    "HID Crescendo C4000",
    "HID Crescendo Key (C2300)",
];

#[test]
fn list_tokens() {
    let printed = run("list_tokens");
    for name in NAMES {
        assert!(printed.contains(name), "{printed}");
    }
    assert!(
        printed.contains("6 to 8 digits, the standard's rule"),
        "{printed}"
    );
}

#[test]
fn show_certificates() {
    let printed = run("show_certificates");
    assert_eq!(printed.matches("\n  9A  CN=").count(), 4, "{printed}");
}

#[test]
fn what_can_be_done() {
    let printed = run("what_can_be_done");
    assert_eq!(printed.matches("show content").count(), 4, "{printed}");
}

#[test]
fn watch_events() {
    let printed = run("watch_events");
    let events: Vec<_> = printed
        .lines()
        .map(|line| line.split(", ATR").next().unwrap())
        .collect();
    assert_eq!(
        events,
        [
            "Desk: reader added",
            "Desk: card inserted",
            "Desk: card removed",
            "Desk: card inserted",
            "Desk: card removed",
            "Desk: card inserted",
            "Desk: card removed",
            "Desk: reader removed",
        ]
    );
}

#[test]
fn embedded_token() {
    let printed = run("embedded_token");
    let lines: Vec<_> = printed.lines().collect();
    assert!(
        lines[0].ends_with("Virtual office: 3 tries left"),
        "{printed}"
    );
    assert_eq!(lines[1], "PIN verified");
    assert_eq!(lines[3], "afterwards: 3 tries left");
}
