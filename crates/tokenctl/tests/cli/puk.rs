//! `puk`: what was kept is shown and forgotten, and the PUK changed.

use token_manager::token_profile::RecoveryKind;
use virtual_token::Profile;

use crate::tool::{Ran, Tool};

const PUK: &str = "31415926";

/// The management key of a software PIV card.
const MANAGEMENT_KEY: &str = "0102030405060708010203040506070801020304050607080102030405060708";

fn factory(profile: Profile) -> String {
    String::from_utf8(profile.factory_pin().to_vec()).unwrap()
}

/// A token on which this software has kept a PUK.
fn keeping(profile: Profile, kind: RecoveryKind, value: &[u8]) -> Tool {
    // A plain PIV card has no identity before it is personalized.
    let tool = match profile {
        Profile::Piv => Tool::with(profile),
        _ => Tool::new(),
    };
    if profile != Profile::Piv {
        tool.empty_token("one", profile);
    }
    tool.keep_recovery("one", kind, value);
    tool
}

fn run(tool: &Tool, arguments: &[&str], input: &str) -> Ran {
    tool.run_with_input(&[&["puk"], arguments].concat(), input)
}

#[test]
fn what_is_kept_is_written_only_if_it_is_asked_for() {
    for profile in Profile::ALL {
        let tool = keeping(profile, RecoveryKind::Puk, PUK.as_bytes());
        let pin = factory(profile) + "\n";
        for arguments in [
            &["show", "--pin-fd", "0"][..],
            &["show", "--pin-fd", "0", "--json"],
        ] {
            let ran = run(&tool, arguments, &pin).code(2);
            assert!(
                !format!("{ran:?}").contains(PUK) && ran.stderr.contains("--show"),
                "{ran:#?}"
            );
        }
        let ran = run(&tool, &["show", "--show", "--pin-fd", "0"], &pin).code(0);
        assert_eq!(ran.stdout, format!("{PUK}\n"), "{profile}");
        assert!(ran.stderr.contains("This is the PUK."), "{ran:#?}");
        let shown = run(&tool, &["show", "--show", "--pin-fd", "0", "--json"], &pin)
            .ok()
            .json();
        assert_eq!(
            (&shown["kind"], &shown["value"]),
            (&"puk".into(), &PUK.into())
        );
        assert_eq!(shown["place"], "token");
        assert_eq!(shown["doubt"], "not-asked");
        assert!(ran.stderr.contains("on another computer"), "{ran:#?}");
    }
}

#[test]
fn a_token_says_which_secret_it_has() {
    // The key that it is delivered with.
    let tool = keeping(Profile::Crescendo2300, RecoveryKind::XauthKey, &[0; 24]);
    let show = ["show", "--show", "--pin-fd", "0"];
    let ran = run(&tool, &show, "00000000\n").code(0);
    let name = "admin key (recovery)";
    assert!(
        ran.stderr.contains(&format!("This is the {name}.")),
        "{ran:#?}"
    );
    assert!(ran.stdout.starts_with("0000-0000-"), "{ran:#?}");
    let json = run(&tool, &[&show[..], &["--json"]].concat(), "00000000\n")
        .ok()
        .json();
    assert_eq!(json["kind"], "admin-key");
    assert!(json["doubt"].is_null(), "the token has just taken it");
}

#[test]
fn what_does_not_unblock_the_token_any_more_is_not_shown() {
    for kind in [RecoveryKind::XauthKey, RecoveryKind::UnlockCode] {
        let tool = keeping(Profile::Crescendo2300, kind, &[0xA5; 8].repeat(3));
        let show = ["show", "--show", "--pin-fd", "0"];
        let ran = run(&tool, &show, "00000000\n").code(13);
        assert!(ran.stdout.is_empty(), "{ran:#?}");
        assert!(ran.stderr.contains("not the token's any more"), "{ran:#?}");
    }
}

#[test]
fn a_wrong_pin_shows_nothing_and_costs_a_try() {
    let tool = keeping(Profile::Crescendo2300, RecoveryKind::Puk, PUK.as_bytes());
    let ran = run(
        &tool,
        &["show", "--show", "--pin-fd", "0", "--json"],
        "27182818\n",
    )
    .code(10);
    assert_eq!(ran.error()["tries_left"], 5);
    assert_eq!(ran.stdout, "");
}

#[test]
fn a_token_without_one_says_so_before_it_asks_for_more() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Crescendo2300);
    let ran = run(&tool, &["show", "--show", "--pin-fd", "0"], "00000000\n").code(13);
    assert!(ran.stderr.contains("set by this software"), "{ran:#?}");
}

#[test]
fn forgotten_is_never_shown_again() {
    for profile in Profile::ALL {
        let tool = keeping(profile, RecoveryKind::Puk, PUK.as_bytes());
        let pin = factory(profile) + "\n";
        let fds = [
            "--pin-fd",
            "0",
            "--management-key-fd",
            "0",
            "--allow-managed",
        ];
        let input = format!("{pin}{MANAGEMENT_KEY}\n");
        // Nobody agreed to it.
        run(&tool, &[&["forget"], &fds[..]].concat(), &input).code(2);
        let ran = run(&tool, &[&["forget", "--yes"], &fds[..]].concat(), &input).code(0);
        assert!(ran.stderr.contains("forgotten"), "{profile}: {ran:#?}");
        let ran = run(&tool, &["show", "--show", "--pin-fd", "0"], &pin);
        assert!(ran.code(13).stdout.is_empty(), "{profile}");
    }
}

#[test]
fn the_puk_is_changed_and_so_is_the_one_that_is_kept() {
    let tool = keeping(Profile::Piv, RecoveryKind::Puk, b"12345678");
    tool.run_with_input(&["puk", "show", "--show", "--pin-fd", "0"], "123456\n")
        .code(0);
    let fds = [
        "--puk-fd",
        "0",
        "--new-puk-fd",
        "0",
        "--pin-fd",
        "0",
        "--management-key-fd",
        "0",
    ];
    let change = [&["change", "--json"], &fds[..], &["--allow-managed"]].concat();
    let wrong = run(
        &tool,
        &change,
        &format!("87654321\n{PUK}\n123456\n{MANAGEMENT_KEY}\n"),
    )
    .code(10);
    assert!(wrong.error()["tries_left"].is_u64());
    let input = format!("12345678\n{PUK}\n123456\n{MANAGEMENT_KEY}\n");
    let changed = run(&tool, &change, &input).ok().json();
    assert_eq!(
        (&changed["action"], &changed["kept"]),
        (&"change-puk".into(), &"token".into())
    );
    let shown = run(&tool, &["show", "--show", "--pin-fd", "0"], "123456\n").code(0);
    assert_eq!(shown.stdout, format!("{PUK}\n"));
    // And it is the card's.
    let unblock = ["pin", "unblock", "--puk-fd", "0", "--new-pin-fd", "0"];
    tool.run_with_input(&unblock, "31415926\n271828\n").code(0);
}

#[test]
fn a_puk_that_cannot_be_one_is_not_sent() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Piv);
    let change = ["change", "--json", "--puk-fd", "0", "--new-puk-fd", "0"];
    for input in ["12345678\n314159265\n", "12345678\n12345678\n"] {
        run(&tool, &change, input).code(12);
    }
}

#[test]
fn a_secret_in_an_argument_is_refused_and_not_repeated() {
    let tool = keeping(Profile::Piv, RecoveryKind::Puk, PUK.as_bytes());
    for secret in ["secret9", "271828", "31415926"] {
        for arguments in [
            &["show", "--pin-fd", secret][..],
            &["show", "--pin", secret],
            &["show", &format!("--pin-fd={secret}")],
            &["change", "--puk-fd", secret],
            &["forget", "--management-key-fd", secret],
            &["show", "--pin-fd", secret, "--json"],
            &["show", secret],
            &["show", secret, "--json"],
            &["show", &format!("--show={secret}")],
            &[secret],
        ] {
            let ran = run(&tool, arguments, "").code(2);
            let said = format!("{}{}", ran.stdout, ran.stderr);
            assert!(!said.contains(secret), "{ran:#?}");
        }
    }
}

#[test]
fn copying_needs_a_clipboard_and_shows_nothing_without_one() {
    let tool = keeping(Profile::Crescendo4000, RecoveryKind::Puk, PUK.as_bytes());
    let pin = factory(Profile::Crescendo4000) + "\n";
    let mut command = tool.command(&["--virtual", "puk", "show", "--copy", "--pin-fd", "0"]);
    command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
    let output = assert_cmd::Command::from_std(command)
        .write_stdin(pin.clone())
        .output()
        .unwrap();
    let ran = Ran::of(&output);
    if cfg!(target_os = "linux") {
        assert_ne!(ran.code, 0, "{ran:?}");
        assert!(ran.stderr.contains("clipboard"), "{ran:?}");
    }
    assert!(!format!("{ran:?}").contains(PUK));
    // It goes with neither of the other two ways.
    run(&tool, &["show", "--copy", "--show", "--pin-fd", "0"], &pin).code(2);
    run(&tool, &["show", "--copy", "--json", "--pin-fd", "0"], &pin).code(2);
}

#[test]
fn a_dry_run_asks_for_nothing_and_names_the_steps_that_are_then_told() {
    for profile in Profile::ALL {
        let tool = keeping(profile, RecoveryKind::Puk, PUK.as_bytes());
        let ids = |document: &serde_json::Value| -> Vec<serde_json::Value> {
            let steps = document["steps"].as_array().unwrap();
            steps.iter().map(|step| step["id"].clone()).collect()
        };
        // Nothing is on stdin, and there is no terminal.
        let plan = tool
            .run(&["puk", "forget", "--dry-run", "--json"])
            .ok()
            .json();
        assert_eq!(plan["schema"], "tokenctl/plan");
        let pin = factory(profile);
        let mut arguments = vec!["forget", "--yes", "--json", "--pin-fd", "0"];
        let mut input = pin + "\n";
        if profile == Profile::Piv {
            arguments.extend(["--management-key-fd", "0", "--algorithm", "aes-256"]);
            input = input + MANAGEMENT_KEY + "\n";
        }
        let wrong = input.replacen(input.lines().next().unwrap(), "271828", 1);
        let failed = run(&tool, &arguments, &wrong).code(10).json();
        assert_eq!(failed["completed"], false);
        assert_eq!(ids(&failed), ["verify-pin"], "{profile}");
        assert_eq!(failed["steps"][0]["outcome"], "failed");
        let done = run(&tool, &arguments, &input).ok().json();
        assert_eq!(done["completed"], true);
        assert_eq!(ids(&done), ids(&plan), "{profile}");
    }
}

#[test]
fn a_simple_change_says_its_steps_only_to_who_asks_for_more() {
    let tool = Tool::with(Profile::Piv);
    let plan = tool.run(&["pin", "change", "--dry-run"]).ok();
    assert!(plan.stdout.contains("1. "), "{plan:#?}");
    let change = ["pin", "change", "--pin-fd", "0", "--new-pin-fd", "0"];
    let ran = tool.run_with_input(&change, "123456\n271828\n").code(0);
    assert!(!ran.stderr.contains("done  "), "{ran:#?}");
    let more = [&change[..], &["-v"]].concat();
    let ran = tool.run_with_input(&more, "271828\n314159\n").code(0);
    assert!(ran.stderr.contains("done  "), "{ran:#?}");
}

#[test]
fn each_way_to_unblock_can_be_planned_first() {
    for (profile, arguments, step) in [
        (Profile::Piv, &["pin", "unblock"][..], "reset-retry-counter"),
        (Profile::Piv, &["puk", "change"], "change-puk"),
        (
            Profile::Crescendo2300,
            &["pin", "unblock", "--key"],
            "unlock-pin",
        ),
    ] {
        let tool = Tool::with(profile);
        let plan = tool
            .run(&[arguments, &["--dry-run", "--json"]].concat())
            .code(0);
        let plan: serde_json::Value = serde_json::from_str(&plan.stdout).unwrap();
        assert_eq!(plan["schema"], "tokenctl/plan", "{arguments:?}");
        let steps = plan["steps"].as_array().unwrap();
        assert!(steps.iter().any(|it| it["id"] == step), "{plan:#}");
    }
}
