//! `fido pin`, and the FIDO application in `show`.

use virtual_token::Profile;

use crate::tool::Tool;

const SET: [&str; 5] = ["fido", "pin", "set", "--new-pin-fd", "0"];
const CHANGE: [&str; 7] = [
    "fido",
    "pin",
    "change",
    "--pin-fd",
    "0",
    "--new-pin-fd",
    "0",
];

#[test]
fn a_fido_pin_is_set_shown_and_changed() {
    for profile in [Profile::Crescendo4000, Profile::CrescendoKey] {
        let tool = Tool::with(profile);
        let shown = tool.run(&["show"]).code(0).stdout;
        assert!(shown.contains("\nFIDO\n"), "{shown}");
        assert!(shown.contains("no PIN is set"), "{shown}");
        let ran = tool.run_with_input(&SET, "Zürich 1\n").code(0);
        assert!(
            ran.stderr.contains("The FIDO PIN is set. 8 tries left"),
            "{ran:#?}"
        );
        let status = tool
            .run(&["fido", "pin", "status", "--json"])
            .code(0)
            .json();
        assert_eq!(status["schema"], "tokenctl/fido-pin-status");
        assert_eq!(status["pin"]["state"], "tries-left");
        assert_eq!(status["pin"]["tries_left"], 8);
        assert_eq!(status["pin"]["minimum_characters"], 4);
        let json = [&CHANGE[..], &["--json"]].concat();
        let changed = tool
            .run_with_input(&json, "Zürich 1\nBern 22\n")
            .code(0)
            .json();
        assert_eq!(changed["action"], "change-fido-pin");
        assert_eq!(changed["after"]["tries_left"], 8);
        let steps: Vec<_> = changed["steps"].as_array().unwrap().iter().collect();
        assert_eq!(steps.len(), 3);
        let shown = tool.run(&["show", "--fresh"]).code(0).stdout;
        assert!(shown.contains("8 tries left"), "{shown}");
        let shown = tool.run(&["show", "--json", "--fresh"]).code(0).json();
        let fido = &shown["token"]["fido"];
        assert_eq!(fido["state"], "present");
        assert_eq!(fido["versions"][0], "FIDO_2_0");
        assert_eq!(fido["pin"]["tries_left"], 8);
    }
}

#[test]
fn each_way_to_fail_has_its_exit_code_and_says_what_to_do() {
    let tool = Tool::with(Profile::Crescendo4000);
    let ran = tool.run_with_input(&CHANGE, "1234\n5678\n").code(12);
    assert!(ran.stderr.contains("there is no FIDO PIN yet"), "{ran:#?}");
    let ran = tool.run_with_input(&SET, "123\n").code(12);
    assert!(ran.stderr.contains("at least 4 characters"), "{ran:#?}");
    let ran = tool.run_with_input(&SET, &("x".repeat(64) + "\n")).code(12);
    assert!(ran.stderr.contains("at most 63 bytes"), "{ran:#?}");
    tool.run_with_input(&SET, "1234\n").code(0);
    let ran = tool.run_with_input(&SET, "5678\n").code(12);
    assert!(ran.stderr.contains("change it"), "{ran:#?}");
    let ran = tool.run_with_input(&CHANGE, "1234\n1234\n").code(12);
    assert!(ran.stderr.contains("the same as the old one"), "{ran:#?}");
    let ran = tool.run_with_input(&CHANGE, "4321\n5678\n").code(10);
    assert!(ran.stderr.contains("7 tries are left"), "{ran:#?}");
    assert!(ran.stderr.contains("erases all FIDO credentials"));

    let tool = Tool::with(Profile::Crescendo2300);
    for arguments in [&SET[..], &["fido", "pin", "status"]] {
        tool.run_with_input(arguments, "1234\n").code(13);
    }
    let shown = tool.run(&["show"]).code(0).stdout;
    assert!(!shown.contains("\nFIDO\n"), "{shown}");
}

#[test]
fn a_dry_run_asks_for_nothing_and_no_pin_is_seen_anywhere() {
    let tool = Tool::with(Profile::CrescendoKey);
    let ran = tool.run(&["fido", "pin", "set", "--dry-run"]).code(0);
    assert!(ran.stdout.contains("set the first FIDO PIN"), "{ran:#?}");
    let trace = tool.file("trace.txt");
    let global = ["-vv", "--trace", trace.to_str().unwrap()];
    let secret = "Geheim-7391";
    let ran = tool.run_with_input(&[&global[..], &SET].concat(), &format!("{secret}\n"));
    let ran = ran.code(0);
    let trace = std::fs::read_to_string(&trace).unwrap();
    assert!(trace.contains("> 80108000"), "{trace}");
    for seen in [&ran.stdout, &ran.stderr, &trace] {
        assert!(!seen.contains(secret), "{seen}");
    }
}

/// A Key's FIDO application is not what RESET CARD is said to erase.
#[test]
fn what_fido_says_after_the_token_was_erased_is_told() {
    for (profile, pin, state, says) in [
        (Profile::Crescendo4000, "000000", "not-set", "has no PIN"),
        (
            Profile::CrescendoKey,
            "00000000",
            "tries-left",
            "still has a PIN",
        ),
    ] {
        for json in [false, true] {
            let tool = Tool::with(profile);
            let _ = tool.run_with_input(&SET, "Bern 22\n").code(0);
            let listed = tool.run(&["list", "--json"]).ok().json();
            let id = listed["tokens"][0]["id"].as_str().unwrap().to_owned();
            let recycle = [
                "recycle",
                "--allow-managed",
                "--pin-fd",
                "0",
                "--confirm",
                &id,
            ];
            let more: &[&str] = if json { &["--json"] } else { &[] };
            let ran = tool.run_with_input(&[&recycle[..], more].concat(), pin);
            let ran = ran.code(0);
            if json {
                assert_eq!(ran.json()["fido"]["pin"]["state"], state, "{profile}");
            } else {
                assert!(ran.stderr.contains(says), "{profile}: {ran:#?}");
            }
        }
    }
}

/// The project profile's shared PIN: one side that is blocked is shown, and what helps.
#[test]
fn a_shared_pin_is_shown_as_one_and_a_blocked_side_with_its_way_out() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Crescendo4000);
    let file = tool.file("secrets");
    let secrets = ["--save", file.to_str().unwrap(), "--saved-is-taken"];
    let delivered = ["--delivery-pin", "--new-pin-fd", "0", "--keep", "token"];
    let personalize = [
        &["personalize", "--fido-shared-pin"],
        &secrets[..],
        &delivered,
    ]
    .concat();
    let _ = tool.run_with_input(&personalize, "602214\n").code(0);
    let status = || {
        let ran = tool.run(&["fido", "pin", "status", "--json"]).code(0);
        ran.json()["pin"].clone()
    };
    assert_eq!(status()["shared_with_piv"], true);
    assert_eq!(status()["tries_left"], 8);
    // Too long for PIV: it is not sent.
    let ran = tool
        .run_with_input(&CHANGE, "602214\nmore than eight\n")
        .code(12);
    assert!(!ran.stderr.contains("more than eight"), "{ran:#?}");
    // Nor one that PIV can't have taken.
    let _ = tool
        .run_with_input(&CHANGE, "1234567890\n271828\n")
        .code(12);
    assert_eq!(status()["tries_left"], 8);
    let _ = tool.run_with_input(&CHANGE, "602214\n271828\n").code(0);
    let verify = ["pin", "verify", "--pin-fd", "0"];
    let _ = tool.run_with_input(&verify, "271828\n").code(0);

    for _ in 0..8 {
        tool.run_with_input(&[&CHANGE[..], &["--last-try"]].concat(), "111111\n602214\n");
    }
    assert_eq!(status()["state"], "blocked");
    let shown = tool.run(&["show", "--fresh"]).code(0).stdout;
    assert!(shown.contains("changed on both"), "{shown}");
    assert!(shown.contains("tokenctl pin unblock"), "{shown}");
    // What is said of it is not to erase everything.
    let change = ["pin", "change", "--pin-fd", "0", "--new-pin-fd", "0"];
    for arguments in [&CHANGE[..], &change] {
        let ran = tool.run_with_input(arguments, "271828\n602214\n").code(11);
        assert!(ran.stderr.contains("Unblock it with the PUK"), "{ran:#?}");
        assert!(!ran.stderr.contains("erases"), "{ran:#?}");
    }
    // PIV still takes it.
    let _ = tool.run_with_input(&verify, "271828\n").code(0);
}
