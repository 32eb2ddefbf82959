//! `personalize`: a token is set up, and every new secret is in hand before the
//! token has it.

#![cfg(unix)]

use std::path::PathBuf;

use token_manager::RecoveryPlace;
use virtual_token::Profile;

use crate::tool::{Ran, Tool};

const MANAGEMENT_KEY: &str = "0102030405060708010203040506070801020304050607080102030405060708";
const NEW_PIN: &str = "271828";

/// A new file for the secrets, and the options that save them there.
fn personalize(tool: &Tool, file: &str, arguments: &[&str], input: &str) -> (Ran, PathBuf) {
    let file = tool.file(file);
    let save = [
        "--save",
        file.to_str().unwrap(),
        "--saved-is-taken",
        "--allow-managed",
    ];
    let all = [&["personalize"], &save[..], arguments].concat();
    (tool.run_with_input(&all, input), file)
}

/// What was saved: `puk: 31415926` and such, by kind.
fn saved(file: &PathBuf, kind: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{kind}: ")));
    line.map(str::to_owned)
}

fn opens(tool: &Tool, pin: &str) -> bool {
    let ran = tool.run_with_input(&["pin", "verify", "--pin-fd", "0"], &format!("{pin}\n"));
    ran.code == 0
}

#[test]
fn each_crescendo_is_set_up_with_its_delivery_pin_by_consent() {
    for profile in [
        Profile::Crescendo2300,
        Profile::Crescendo4000,
        Profile::CrescendoKey,
    ] {
        let tool = Tool::new();
        tool.empty_token("one", profile);
        let options = [
            "--delivery-pin",
            "--min",
            "6",
            "--digits",
            "--refuse-weak",
            "--keep",
            "token",
            "--new-pin-fd",
            "0",
            "--json",
        ];
        let (ran, file) = personalize(&tool, "new", &options, "271828\n");
        let done = ran.ok().json();
        assert_eq!(
            (&done["completed"], &done["kept"]),
            (&true.into(), &"token".into()),
            "{profile}"
        );
        assert_eq!(done["saved"], file.to_str().unwrap());
        let steps = done["steps"].as_array().unwrap();
        assert!(
            steps.iter().all(|step| step["outcome"] != "failed"),
            "{steps:#?}"
        );
        assert!(opens(&tool, NEW_PIN), "{profile}");
        // What was saved is the token's.
        let key = saved(&file, "admin-key").unwrap();
        let check = ["admin-key", "check", "--key-fd", "0"];
        tool.run_with_input(&check, &format!("{key}\n")).code(0);
        assert_eq!(
            saved(&file, "puk").is_some(),
            profile == Profile::Crescendo4000
        );
        // And is shown to whoever has the PIN.
        let show = ["puk", "show", "--show", "--pin-fd", "0"];
        let shown = tool.run_with_input(&show, "271828\n").code(0);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(shown.stdout.trim_end()), "{profile}");
        let policy = tool.run(&["policy", "show", "--json"]).ok().json();
        assert_eq!(policy["rules"][0]["value"], "6 to 8", "{profile}");
    }
}

const PIV: [&str; 8] = [
    "--pin-fd",
    "0",
    "--puk-fd",
    "0",
    "--new-pin-fd",
    "0",
    "--management-key-fd",
    "0",
];

#[test]
fn a_plain_piv_card_is_set_up_with_its_pin_and_puk() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Piv);
    let options = [&PIV[..], &["--keep", "token"]].concat();
    let input = format!("123456\n12345678\n{NEW_PIN}\n{MANAGEMENT_KEY}\n");
    let (ran, file) = personalize(&tool, "new", &options, &input);
    let ran = ran.code(0);
    let told = ran.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    let says = "The token is set up. Its PIN is the new one. What unblocks it is the PUK, which is \
                on the token, behind the PIN, too. `tokenctl puk show` shows it.";
    assert!(told.contains(says), "{told}");
    let puk = saved(&file, "puk").unwrap();
    assert!(!ran.stderr.contains(&puk), "it is in the file only");
    let show = ["puk", "show", "--show", "--pin-fd", "0"];
    let shown = tool.run_with_input(&show, "271828\n").code(0);
    assert_eq!(shown.stdout.trim_end(), puk);
    let change = ["puk", "change", "--puk-fd", "0", "--new-puk-fd", "0"];
    tool.run_with_input(&change, &format!("{puk}\n31415926\n"))
        .code(0);
}

#[test]
fn the_help_says_what_each_place_of_the_recovery_secret_means() {
    let help = Tool::new().run(&["personalize", "--help"]).ok().stdout;
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for place in [
        RecoveryPlace::Token,
        RecoveryPlace::Host,
        RecoveryPlace::Nowhere,
    ] {
        let says = format!("{}: {}. {}", place.id(), place.name(), place.sentence());
        assert!(help.contains(&says), "{says}\n{help}");
    }
}

/// Somebody who finds several such files has to know which is which.
#[test]
fn a_saved_file_names_its_token() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Crescendo4000);
    let listed = tool.run(&["list", "--json"]).ok().json();
    let token = &listed["tokens"][0];
    let options = ["--delivery-pin", "--new-pin-fd", "0"];
    let (ran, file) = personalize(&tool, "new", &options, "271828\n");
    ran.code(0);
    let text = std::fs::read_to_string(&file).unwrap();
    for what in ["name", "serial", "id", "reader"] {
        assert!(
            text.contains(token[what].as_str().unwrap()),
            "{what}: {text}"
        );
    }
    let (remarks, secrets): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.starts_with('#'));
    assert!(remarks[0].contains("saved by tokenctl at 20"), "{text}");
    assert_eq!(secrets.len(), 2, "{text}");
    for (secret, kind) in secrets.iter().zip(["admin-key: ", "puk: "]) {
        let place = text.find(secret).unwrap();
        let above = text[..place].lines().last().unwrap();
        assert!(
            secret.starts_with(kind) && above.contains("unblocks the PIN"),
            "{text}"
        );
    }
}

/// The object is taken: others' content is never written over, and that is found
/// before anything is done.
#[test]
fn a_card_without_room_for_the_puk_is_left_as_it_was() {
    let tool = Tool::with(Profile::Piv);
    let options = [&PIV[..], &["--keep", "token"]].concat();
    let input = format!("123456\n12345678\n{NEW_PIN}\n{MANAGEMENT_KEY}\n");
    let (ran, file) = personalize(&tool, "new", &options, &input);
    let ran = ran.code(1);
    assert!(ran.stderr.contains("not written over"), "{ran:#?}");
    assert!(!ran.stderr.contains("Some steps are done"), "{ran:#?}");
    assert!(saved(&file, "puk").is_none());
    assert!(opens(&tool, "123456"));
    let change = ["puk", "change", "--puk-fd", "0", "--new-puk-fd", "0"];
    tool.run_with_input(&change, "12345678\n31415926\n").code(0);
}

/// It says where it stands, and goes on from there.
#[test]
fn what_stopped_half_way_is_finished_by_another_run() {
    let tool = Tool::with(Profile::Piv);
    // As a run that was killed between the PUK and the PIN leaves it.
    let puk = "31415926";
    let change = ["puk", "change", "--puk-fd", "0", "--new-puk-fd", "0"];
    tool.run_with_input(&change, &format!("12345678\n{puk}\n"))
        .code(0);
    let record = std::fs::read_dir(tool.file("records"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|it| it == "json"))
        .unwrap();
    let journal =
        r#"{"version":1,"journal":{"action":"personalize","begun":"","done":["change-puk"]}}"#;
    std::fs::write(record, journal).unwrap();

    let input = format!("123456\n12345678\n{NEW_PIN}\n{puk}\n");
    let again = [
        "--pin-fd",
        "0",
        "--puk-fd",
        "0",
        "--new-pin-fd",
        "0",
        "--interrupted-puk-fd",
        "0",
    ];
    // Without the PUK that was handed over, it says how to give it.
    let (without, _) = personalize(&tool, "without", &again[..6], &input);
    let without = without.code(12);
    assert!(
        without.stderr.contains("--interrupted-puk-fd"),
        "{without:#?}"
    );

    let (ran, _) = personalize(&tool, "again", &again, &input);
    let ran = ran.code(0);
    assert!(ran.stderr.contains("did not come to its end"), "{ran:#?}");
    assert!(opens(&tool, NEW_PIN));
    let unblock = ["pin", "unblock", "--puk-fd", "0", "--new-pin-fd", "0"];
    tool.run_with_input(&unblock, &format!("{puk}\n161803\n"))
        .code(0);
}

#[test]
fn a_used_token_is_erased_first_if_that_is_asked_for() {
    for profile in [
        Profile::Crescendo2300,
        Profile::Crescendo4000,
        Profile::CrescendoKey,
    ] {
        let tool = Tool::with(profile);
        let pin = std::str::from_utf8(profile.factory_pin()).unwrap();
        // Not without: it is no token as delivered.
        let (ran, file) = personalize(
            &tool,
            "none",
            &["--delivery-pin", "--new-pin-fd", "0"],
            "271828\n",
        );
        ran.code(12);
        assert!(!file.exists());
        let listed = tool.run(&["list", "--json"]).ok().json();
        let id = listed["tokens"][0]["id"].as_str().unwrap();
        let options = [
            "--recycle",
            "--confirm",
            id,
            "--pin-fd",
            "0",
            "--new-pin-fd",
            "0",
            "--json",
        ];
        let (ran, _) = personalize(&tool, "new", &options, &format!("{pin}\n{NEW_PIN}\n"));
        let done = ran.ok().json();
        let steps = done["steps"].as_array().unwrap();
        assert!(
            steps.iter().any(|step| step["id"] == "reset-card"),
            "{steps:#?}"
        );
        assert!(opens(&tool, NEW_PIN), "{profile}");
    }
}

#[test]
fn a_dry_run_asks_for_nothing() {
    for (profile, options) in [
        (Profile::Piv, &[][..]),
        (Profile::Crescendo2300, &["--recycle"]),
        (
            Profile::Crescendo4000,
            &["--recycle", "--challenge", "static", "--fido-shared-pin"],
        ),
    ] {
        let tool = Tool::with(profile);
        let all = [
            &["personalize", "--dry-run", "--allow-managed", "--json"],
            options,
        ]
        .concat();
        let plan = tool.run(&all).ok().json();
        assert_eq!(plan["action"], "personalize");
        let steps = plan["steps"].as_array().unwrap();
        assert!(
            steps.iter().any(|step| step["id"] == "hand-over"),
            "{profile}"
        );
        assert_eq!(
            plan["fates"].as_array().unwrap().is_empty(),
            profile == Profile::Piv
        );
    }
}

#[test]
fn a_static_challenge_gives_an_unlock_code() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Crescendo4000);
    let options = [
        "--delivery-pin",
        "--challenge",
        "static",
        "--fido-shared-pin",
        "--new-pin-fd",
        "0",
    ];
    let (ran, file) = personalize(&tool, "new", &options, "271828\n");
    ran.code(0);
    assert!(saved(&file, "unlock-code").is_some());
    let policy = tool.run(&["policy", "show", "--json"]).ok().json();
    let value = |index: usize| policy["rules"][index]["value"].clone();
    assert_eq!((value(3), value(5)), ("static".into(), "yes".into()));
}

#[test]
fn what_is_wrong_is_told_before_anything_changes() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Crescendo2300);
    let refused = |options: &[&str], input: &str, code: i32| {
        let (ran, file) = personalize(&tool, "never", options, input);
        let ran = ran.code(code);
        assert!(!file.exists(), "{ran:#?}");
        ran
    };
    let delivery = ["--delivery-pin", "--new-pin-fd", "0"];
    // A new PIN against the new policy; the old one again; a policy that can't be.
    refused(&[&delivery[..], &["--min", "7"]].concat(), "271828\n", 12);
    refused(
        &[&delivery[..], &["--refuse-weak"]].concat(),
        "123456\n",
        12,
    );
    refused(&delivery, "00000000\n", 12);
    refused(
        &[&delivery[..], &["--challenge", "static"]].concat(),
        "271828\n",
        13,
    );
    refused(&["--admin-key", "--new-pin-fd", "0"], "271828\n", 2);
    // A secret does not belong on the command line.
    let ran = refused(&["--delivery-pin", "--new-pin-fd", NEW_PIN], "", 2);
    assert!(!ran.stderr.contains(NEW_PIN));
    // Nobody could take the new key over.
    let nowhere = ["personalize", "--delivery-pin", "--new-pin-fd", "0"];
    tool.run_with_input(&nowhere, "271828\n").code(2);
    // The token is as it was.
    assert!(opens(&tool, "00000000"));
}

#[test]
fn a_wrong_pin_leaves_everything_as_it_was() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Crescendo2300);
    let options = ["--pin-fd", "0", "--new-pin-fd", "0", "--json"];
    let (ran, _) = personalize(&tool, "new", &options, "31415926\n271828\n");
    let ran = ran.code(10);
    assert_eq!(ran.error()["tries_left"], 5);
    assert_eq!(ran.json()["completed"], false);
    assert!(opens(&tool, "00000000"));
}
