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

const VERIFY: [&str; 5] = ["fido", "pin", "verify", "--pin-fd", "0"];

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

/// As it reads on a terminal of any width.
fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What others may have changed is not told as if it had been looked at, and it is said what
/// looks.
#[test]
fn a_look_that_remembers_does_not_tell_fido_s_state_and_says_what_does() {
    let tool = Tool::with(Profile::Crescendo4000);
    let _ = tool.run_with_input(&SET, "Bern 22\n").code(0);
    let fresh = tool.run(&["show", "--fresh"]).ok().stdout;
    assert!(fresh.contains("more credentials"), "{fresh}");
    let shown = in_one_line(&tool.run(&["show"]).ok().stdout);
    assert!(!shown.contains("more credentials"), "{shown}");
    let how = "`tokenctl fido pin status` or `show --fresh` asks";
    assert!(shown.contains(how), "{shown}");
    let shown = tool.run(&["show", "--json"]).ok().json();
    let fido = &shown["token"]["fido"];
    assert_eq!(fido["state"], "present");
    assert_eq!(fido["pin"]["state"], "unknown");
    assert!(fido["pin"]["change_wanted"].is_null());
    assert!(fido["remaining_credentials"].is_null());
}

#[test]
fn a_fido_pin_is_verified_as_the_pin_is() {
    let tool = Tool::with(Profile::CrescendoKey);
    let ran = tool.run_with_input(&VERIFY, "Bern 22\n").code(12);
    assert!(ran.stderr.contains("there is no FIDO PIN yet"), "{ran:#?}");
    let _ = tool.run_with_input(&SET, "Bern 22\n").code(0);
    let ran = tool.run_with_input(&VERIFY, "Zug 333\n").code(10);
    assert!(ran.stderr.contains("7 tries are left"), "{ran:#?}");
    let ran = tool.run_with_input(&VERIFY, "Bern 22\n").code(0);
    assert!(
        ran.stderr.contains("The FIDO PIN is right. 8 tries left"),
        "{ran:#?}"
    );
    assert_eq!(ran.stdout, "");
    let json = [&VERIFY[..], &["--json"]].concat();
    let error = tool.run_with_input(&json, "Zug 333\n").code(10).error();
    assert_eq!(error["kind"], "wrong");
    assert_eq!(error["tries_left"], 7);
    let verified = tool.run_with_input(&json, "Bern 22\n").code(0).json();
    assert_eq!(verified["schema"], "tokenctl/fido-pin-result");
    assert_eq!(verified["action"], "verify-fido-pin");
    assert_eq!(verified["completed"], true);
    assert_eq!(verified["before"]["tries_left"], 7);
    assert_eq!(verified["after"]["tries_left"], 8);

    // The last try is nobody's to take unasked.
    for _ in 0..7 {
        let _ = tool.run_with_input(&VERIFY, "Zug 333\n").code(10);
    }
    let ran = tool.run_with_input(&VERIFY, "Bern 22\n").code(12);
    assert!(ran.stderr.contains("--last-try"), "{ran:#?}");
    let agreed = [&VERIFY[..], &["--last-try"]].concat();
    let _ = tool.run_with_input(&agreed, "Zug 333\n").code(11);
    let _ = tool.run_with_input(&agreed, "Bern 22\n").code(11);
}

/// Whether the PIN is shared is not told to everybody: so nothing is asked or sent.
#[test]
fn on_a_contactless_reader_the_fido_pin_of_a_4000_is_left_alone() {
    let tool = Tool::with(Profile::Crescendo4000);
    let status = || {
        let ran = tool.run(&["fido", "pin", "status", "--json"]).code(0);
        ran.json()["pin"]["shared_with_piv"].clone()
    };
    assert_eq!(status(), false);
    let to = ["virtual", "move", "one", "--to", "contactless"];
    let _ = tool.run(&to).ok();
    assert_eq!(status(), serde_json::Value::Null);
    let shown = tool.run(&["show", "--fresh", "--json"]).code(0).json();
    let fido = &shown["token"]["fido"];
    assert_eq!(fido["pin"]["shared_with_piv"], serde_json::Value::Null);
    for arguments in [
        &SET[..],
        &CHANGE,
        &VERIFY,
        &["fido", "pin", "set", "--dry-run"],
    ] {
        let ran = tool.run_with_input(arguments, "").code(13);
        assert!(
            ran.stderr.contains("only on the contact interface"),
            "{ran:#?}"
        );
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
    assert!(!ran.stderr.contains("at least 4"), "{ran:#?}");
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
        let ran = tool.run_with_input(arguments, "1234\n").code(13);
        let told = in_one_line(&ran.stderr);
        assert!(told.contains("other FIDO software, shows"), "{told}");
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
    let c4000 = Profile::Crescendo4000;
    for (profile, set, pin, state, erasure, says) in [
        (
            c4000,
            true,
            "000000",
            "not-set",
            "pin-gone",
            "no PIN any more, and has room for 50 more credentials, which is not more than \
             before. That credentials, if it had any, went with the PIN is FIDO's rule",
        ),
        (
            c4000,
            false,
            "000000",
            "not-set",
            "not-told",
            "Nothing that it tells shows",
        ),
        (
            Profile::CrescendoKey,
            true,
            "00000000",
            "tries-left",
            "pin-kept",
            "still has a PIN",
        ),
        (
            Profile::Crescendo2300,
            false,
            "00000000",
            "",
            "not-looked-for",
            "no document says, and none was looked for",
        ),
    ] {
        let what = format!("{profile} {erasure}");
        for json in [false, true] {
            let tool = Tool::with(profile);
            if set {
                let _ = tool.run_with_input(&SET, "Bern 22\n").code(0);
            }
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
                let found = ran.json()["fido"]["pin"]["state"].clone();
                assert_eq!(found.as_str().unwrap_or(""), state, "{what}");
                assert_eq!(ran.json()["fido_erasure"], erasure, "{what}");
            } else {
                let told = in_one_line(&ran.stderr);
                assert!(told.contains(says), "{what}: {told}");
            }
        }
    }
}

/// A token that is set up is erased first, and what FIDO tells of that is told.
#[test]
fn a_token_that_is_erased_to_be_set_up_tells_the_same_and_its_plan_what_is_shared() {
    let tool = Tool::with(Profile::Crescendo4000);
    let _ = tool.run_with_input(&SET, "Bern 22\n").code(0);
    let own = ["personalize", "--allow-managed", "--fido-shared-pin"];
    let plan = tool.run(&[&own[..], &["--recycle", "--dry-run"]].concat());
    let plan = plan.ok().stdout;
    let plan = plan.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        plan.contains("erased FIDO credentials and FIDO PIN"),
        "{plan}"
    );
    assert!(
        plan.contains("the new PIN becomes the FIDO PIN too"),
        "{plan}"
    );
    assert!(!plan.contains("credentials stay"), "{plan}");
    let listed = tool.run(&["list", "--json"]).ok().json();
    let id = listed["tokens"][0]["id"].as_str().unwrap().to_owned();
    let file = tool.file("secrets");
    let run = [
        "--recycle",
        "--confirm",
        &id,
        "--pin-fd",
        "0",
        "--new-pin-fd",
        "0",
        "--save",
        file.to_str().unwrap(),
        "--saved-is-taken",
        "--json",
    ];
    let ran = tool.run_with_input(&[&own[..], &run].concat(), "000000\n271828\n");
    assert_eq!(ran.code(0).json()["fido_erasure"], "pin-gone");
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
    assert_eq!(status()["minimum_characters"], 4);
    assert_eq!(status()["maximum_bytes"], 8);
    let rules = tool.run(&["fido", "pin", "status"]).code(0).stdout;
    assert!(rules.contains("8 bytes of UTF-8 at most"), "{rules}");
    // Too long for PIV: it is not sent.
    let ran = tool
        .run_with_input(&CHANGE, "602214\nmore than eight\n")
        .code(12);
    assert!(!ran.stderr.contains("more than eight"), "{ran:#?}");
    assert!(ran.stderr.contains("at most 8 bytes"), "{ran:#?}");
    // Nor one that PIV would see otherwise than FIDO, on whichever side it is typed.
    let change_piv = ["pin", "change", "--pin-fd", "0", "--new-pin-fd", "0"];
    for arguments in [&CHANGE[..], &change_piv] {
        let ran = tool.run_with_input(arguments, "602214\npa\u{308}sse\n");
        let ran = ran.code(12);
        assert!(ran.stderr.contains("letters without accents"), "{ran:#?}");
    }
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
    let of_pin = tool.run(&["pin", "status", "--json"]).ok().json();
    assert_eq!(of_pin["pin"]["tries_left"], 6);
    assert_eq!(of_pin["fido"]["state"], "blocked");
    let of_pin = tool.run(&["pin", "status"]).ok().stdout;
    assert!(of_pin.contains("tokenctl pin unblock"), "{of_pin}");
    // What is said of it is not to erase everything. Nor is it planned, or offered.
    let dry = ["pin", "change", "--dry-run"];
    for arguments in [&CHANGE[..], &change_piv, &dry] {
        let ran = tool.run_with_input(arguments, "271828\n602214\n").code(11);
        assert!(ran.stderr.contains("Unblock it with the PUK"), "{ran:#?}");
        assert!(!ran.stderr.contains("erases"), "{ran:#?}");
    }
    // PIV still takes it.
    let _ = tool.run_with_input(&verify, "271828\n").code(0);

    // And where PIV's side is blocked, it is shown wherever FIDO's is.
    assert_eq!(status()["piv"]["state"], "tries-left");
    let wrong = [&verify[..], &["--last-try"]].concat();
    for _ in 0..6 {
        tool.run_with_input(&wrong, "111111\n");
    }
    assert_eq!(status()["piv"]["state"], "blocked");
    let way_out = "`tokenctl pin unblock` sets a new PIN for PIV and FIDO";
    for arguments in [
        &["fido", "pin", "status"][..],
        &["pin", "status"],
        &["show", "--fresh"],
    ] {
        let shown = in_one_line(&tool.run(arguments).ok().stdout);
        let sides = shown.matches(way_out).count();
        let expected = if arguments[0] == "show" { 4 } else { 2 };
        assert_eq!(sides, expected, "{shown}");
    }
    let ran = tool.run_with_input(&CHANGE, "271828\n602214\n").code(11);
    let told = in_one_line(&ran.stderr);
    assert!(told.contains("those of both are used up"), "{told}");
}

/// Whoever types it sees what both sides want of it, when it is set up and when it is changed.
#[cfg(unix)]
#[test]
fn the_rules_of_a_shared_pin_are_shown_while_it_is_typed() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Crescendo4000);
    let file = tool.file("secrets");
    let asked = || std::fs::read_to_string(tool.file("asked")).unwrap();
    let (old, new) = ("D 602214\nOK", "D 271828\nOK");
    let pinentry = tool.pinentry(&[old, old, old, new, new]);
    let personalize = [
        "personalize",
        &pinentry,
        "--fido-shared-pin",
        "--delivery-pin",
        "--save",
        file.to_str().unwrap(),
        "--saved-is-taken",
    ];
    let _ = tool.run(&personalize).code(0);
    let when_set_up = asked();
    assert!(
        when_set_up.contains("text that FIDO takes"),
        "{when_set_up}"
    );
    let _ = tool.run(&["fido", "pin", "change", &pinentry]).code(0);
    let when_changed = asked()[when_set_up.len()..].to_owned();
    assert!(when_changed.contains("at most 8 bytes"), "{when_changed}");
    assert!(
        when_changed.contains("text that FIDO takes"),
        "{when_changed}"
    );
}
