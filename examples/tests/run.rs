//! Runs each example on software tokens and looks at what it prints.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

use std::path::PathBuf;
use std::process::Command;

/// Cargo builds the examples before it runs this, beside this program's folder.
fn command(example: &str) -> Command {
    let deps = PathBuf::from(std::env::current_exe().unwrap().parent().unwrap());
    let program = deps.parent().unwrap().join("examples").join(example);
    let mut command = Command::new(program.with_extension(std::env::consts::EXE_EXTENSION));
    command.env_remove("HELPDESK");
    command
}

fn run(example: &str) -> String {
    let output = command(example)
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

/// The texts, each after the one before it.
#[track_caller]
fn in_order(printed: &str, texts: &[&str]) {
    let mut rest = printed;
    for text in texts {
        let at = rest.find(text);
        let at = at.unwrap_or_else(|| panic!("no {text:?} where it should be:\n{printed}"));
        rest = &rest[at + text.len()..];
    }
}

#[test]
fn life_of_a_crescendo_2300() {
    let printed = run("life_of_a_crescendo_2300");
    let chapters = [
        "HID Crescendo C2300, PIN: 6 tries left",
        "\nPersonalize\n",
        "write down the admin key (recovery): ",
        "\nAuthenticate\n",
        "\nChange the PIN\n",
        "wrong PIN: blocked",
        "with a PUK: no public document says",
        "by challenge/response, PIN: 6 tries left",
        "\nView the PUK",
        "refused on the host: a PIN has to have at least 6 characters",
        "refused on the host: a PIN has to have at most 7 characters",
        "refused on the host: a PIN has to have digits only",
        "refused on the host: a PIN has to have no regular sequence",
        "changed, as it had to be",
        "update challenge type: no public document says",
        "update FIDO shared PIN: tokens of this kind do not have it",
        "\nRecycle\n",
        "erased, PIN: 6 tries left",
        "\nPersonalize again\n",
        "Its second life begins",
    ];
    in_order(&printed, &chapters);
    assert!(!printed.contains("the card enforces it"), "{printed}");
}

#[test]
fn life_of_a_crescendo_4000() {
    let printed = run("life_of_a_crescendo_4000");
    let by_card = "CHANGE PIN past the host's check: 6A80";
    let chapters = [
        "HID Crescendo C4000, PIN: 6 tries left",
        "\nPersonalize\n",
        "write down the PUK: ",
        "\nAuthenticate\n",
        "\nChange the PIN\n",
        "wrong PIN: blocked",
        "with the PUK, PIN: 6 tries left",
        "wrong PIN: blocked",
        "by challenge/response, PIN: 6 tries left",
        "\nView the PUK",
        "refused on the host: a PIN has to have at least 6 characters",
        by_card,
        "refused on the host: a PIN has to have at most 7 characters",
        by_card,
        "refused on the host: a PIN has to have digits only",
        by_card,
        "refused on the host: a PIN has to have no regular sequence",
        by_card,
        "VERIFY past the host's check: 6985",
        "changed, as it had to be",
        "challenge, always: ",
        "whether the PIN is shared with FIDO is decided when the token is personalized",
        "\nRecycle\n",
        "erased, PIN: 6 tries left",
        "\nPersonalize again",
        "write down the unlock code: ",
        "with the unlock code, PIN: 6 tries left",
        "Its second life begins",
    ];
    in_order(&printed, &chapters);
}

#[test]
fn life_of_a_piv_card() {
    let printed = run("life_of_a_piv_card");
    let chapters = [
        "Software PIV card, PIN: 3 tries left",
        "not unasked: it cannot be told whether an issuer administers this token",
        "write down the PUK: ",
        "\nAuthenticate\n",
        "\nChange the PIN\n",
        "wrong PIN: blocked",
        "with the PUK, PIN: 3 tries left",
        "unblock PIN by challenge/response: tokens of this kind do not have it",
        "\nView the PUK",
        "\nRetrieve the pairing code\n",
        "kept until this program ends",
        "refused on the host: a PIN has to have at least 7 characters",
        "refused on the host: a PIN has to have at most 7 characters",
        "refused on the host: a PIN has to have digits only",
        "refused on the host: a PIN has to have no regular sequence",
        "changed, as it had to be",
        "update challenge type: tokens of this kind do not have it",
        "update FIDO shared PIN: tokens of this kind do not have it",
        "change admin key: the standard leaves it to each vendor",
        "recycle: tokens of this kind do not have it",
        "read PIN policy: no: tokens of this kind do not have it",
        "\nPersonalize again",
        "Its second life begins",
    ];
    in_order(&printed, &chapters);
}

/// A reader alone is not enough: what is in it would be used up.
#[test]
fn no_token_in_a_reader_is_used_up_unasked() {
    for example in [
        "life_of_a_crescendo_2300",
        "life_of_a_crescendo_4000",
        "life_of_a_piv_card",
    ] {
        let output = command(example).args(["--pcsc", "Desk"]).output().unwrap();
        assert!(!output.status.success(), "{example}");
        assert!(output.stdout.is_empty(), "{example}");
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert!(complaint.contains("--yes-erase-this-token"), "{complaint}");
    }
}
