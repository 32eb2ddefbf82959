//! `admin-key`: whether a key is the token's.

#[cfg(target_os = "linux")]
use std::process::Command;

use virtual_token::Profile;

use crate::tool::{Ran, Tool};

fn run(tool: &Tool, arguments: &[&str], input: &str) -> Ran {
    tool.run_with_input(&[&["admin-key"], arguments].concat(), input)
}

#[test]
fn the_right_key_and_a_wrong_one() {
    for profile in [
        Profile::Crescendo2300,
        Profile::Crescendo4000,
        Profile::CrescendoKey,
    ] {
        let tool = Tool::new();
        tool.empty_token("one", profile);
        let check = ["check", "--key-fd", "0", "--json"];
        let right = "0".repeat(48) + "\n";
        let ran = run(&tool, &check, &right).ok().json();
        assert_eq!(
            (&ran["key"], &ran["algorithm"], &ran["right"]),
            (&"admin-key".into(), &"3DES".into(), &true.into()),
            "{profile}"
        );
        let wrong = "A5".repeat(24) + "\n";
        let ran = run(&tool, &check, &wrong).code(10);
        assert_eq!(ran.json()["right"], false);
        let ran = run(&tool, &["check", "--key-fd", "0"], &wrong).code(10);
        assert!(ran.stderr.contains("not the token's admin key"), "{ran:#?}");
        // No key at all.
        for input in ["xyz\n", "00\n"] {
            run(&tool, &check, input).code(12);
        }
    }
}

#[test]
fn the_management_key_and_its_algorithm() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Piv);
    let check = ["check", "--management-key-fd", "0", "--json"];
    let right = "0102030405060708".repeat(4) + "\n";
    let ran = run(&tool, &check, &right).ok().json();
    assert_eq!(
        (&ran["key"], &ran["algorithm"]),
        (&"management-key".into(), &"AES-256".into())
    );
    run(&tool, &check, &("A5".repeat(32) + "\n")).code(10);
    // 3DES or AES-192?
    let ran = run(&tool, &check, &("A5".repeat(24) + "\n")).code(2);
    assert!(ran.stderr.contains("--algorithm"), "{ran:#?}");
    // A plain PIV card has no admin key.
    run(&tool, &["check", "--key-fd", "0"], &right).code(13);
}

const ZEROS: &str = "000000000000000000000000000000000000000000000000";

fn set(tool: &Tool, arguments: &[&str], input: &str) -> Ran {
    run(tool, &[&["set"], arguments].concat(), input)
}

fn is_right(tool: &Tool, key: &str) -> bool {
    let ran = run(
        tool,
        &["check", "--key-fd", "0", "--json"],
        &format!("{key}\n"),
    );
    ran.json()["right"].as_bool().unwrap()
}

/// Its unlock code is another one then: without a way to hand that over, the PIN
/// is not even presented.
#[cfg(target_os = "linux")]
#[test]
fn a_key_for_a_static_challenge_needs_a_way_to_hand_its_code_over() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Crescendo4000);
    let fixed = ["policy", "set", "--challenge", "static", "--pin-fd", "0"];
    tool.run_with_input(&fixed, "000000\n").code(0);
    let set = [
        "--virtual",
        "admin-key",
        "set",
        "--pin-fd",
        "0",
        "--key-fd",
        "0",
    ];
    let inner = tool.command(&set);
    let mut wrapped = Command::new("setsid");
    wrapped
        .arg("--wait")
        .arg(inner.get_program())
        .args(inner.get_args());
    wrapped.envs(
        inner
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let input = format!("271828\n{}\n", "A5".repeat(24));
    let ran = assert_cmd::Command::from_std(wrapped)
        .write_stdin(input)
        .output()
        .unwrap();
    let ran = Ran::of(&ran).code(2);
    assert!(
        ran.stderr.contains("--save FILE --saved-is-taken"),
        "{ran:#?}"
    );
}

#[cfg(unix)]
#[test]
fn a_generated_key_is_in_the_file_before_the_token_has_it() {
    use std::os::unix::fs::PermissionsExt as _;

    for profile in [
        Profile::Crescendo2300,
        Profile::Crescendo4000,
        Profile::CrescendoKey,
    ] {
        let tool = Tool::new();
        tool.empty_token("one", profile);
        let file = tool.file("key");
        let path = file.to_str().unwrap();
        let save = [
            "--generate",
            "--save",
            path,
            "--saved-is-taken",
            "--pin-fd",
            "0",
            "--json",
        ];
        let pin = format!("{}\n", std::str::from_utf8(profile.factory_pin()).unwrap());
        // A wrong PIN: the token keeps its key, and the person has a spare one.
        set(&tool, &save, "271828\n").code(10);
        assert!(is_right(&tool, ZEROS), "{profile}");
        let ran = set(&tool, &save, &pin).code(2);
        assert!(ran.stderr.contains("not written over"), "{ran:#?}");
        std::fs::remove_file(&file).unwrap();

        let done = set(&tool, &save, &pin).ok().json();
        assert_eq!(
            (&done["algorithm"], &done["saved"]),
            (&"3DES".into(), &path.into())
        );
        assert_eq!(
            std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let text = std::fs::read_to_string(&file).unwrap();
        let key = text
            .lines()
            .find_map(|line| line.strip_prefix("admin-key: "));
        let key = key.unwrap();
        assert!(is_right(&tool, key), "{profile}");
        assert!(!is_right(&tool, ZEROS), "{profile}");
        // Rotated with itself, and back to delivery.
        let input = format!("{key}\n{}\n", "5A".repeat(24));
        let rotate = ["--admin-key-fd", "0", "--key-fd", "0"];
        set(&tool, &rotate, &input).code(0);
        let delivery = ["--delivery", "--yes", "--pin-fd", "0"];
        set(&tool, &delivery, &pin).code(0);
        assert!(is_right(&tool, ZEROS), "{profile}");
    }
}

#[test]
fn a_key_that_nobody_could_take_over_is_not_set() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Crescendo2300);
    // No terminal to show it at, no directory to save it in.
    set(&tool, &["--generate", "--pin-fd", "0"], "00000000\n").code(2);
    let nowhere = tool.file("no/such/directory");
    let save = [
        "--generate",
        "--pin-fd",
        "0",
        "--saved-is-taken",
        "--save",
        nowhere.to_str().unwrap(),
    ];
    let ran = set(&tool, &save, "00000000\n").code(1);
    assert!(
        ran.stderr.contains("does not have the new secret"),
        "{ran:#?}"
    );
    assert!(is_right(&tool, ZEROS));
    // Everybody would know it.
    let given = ["--key-fd", "0", "--pin-fd", "0"];
    set(&tool, &given, &format!("00000000\n{ZEROS}\n")).code(12);
}

#[cfg(unix)]
#[test]
fn a_key_file_serves_wherever_a_key_does() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Crescendo2300);
    let file = tool.file("office.pem");
    let path = file.to_str().unwrap();
    let new = [
        "helpdesk",
        "new-key-file",
        path,
        "--key-fd",
        "0",
        "--passphrase-fd",
        "0",
    ];
    let input = format!("{}\nfourteen words\n", "5A".repeat(24));
    tool.run_with_input(&new, &input).code(0);
    let from_file = ["--key-file", path, "--passphrase-fd", "0"];
    let passphrase = "fourteen words\n";
    let check = [&["check"], &from_file[..]].concat();
    run(&tool, &check, passphrase).code(10);
    let options = [&["--pin-fd", "0"], &from_file[..]].concat();
    set(&tool, &options, &format!("00000000\n{passphrase}")).code(0);
    run(&tool, &check, passphrase).code(0);
    run(&tool, &check, "another passphrase\n").code(1);
    let back = [
        "--delivery",
        "--yes",
        "--admin-key-file",
        path,
        "--passphrase-fd",
        "0",
    ];
    set(&tool, &back, passphrase).code(0);
    assert!(is_right(&tool, ZEROS));
}

#[test]
fn a_dry_run_sends_nothing_and_asks_for_nothing() {
    let tool = Tool::with(Profile::Crescendo2300);
    let plan = tool
        .run(&[
            "admin-key",
            "set",
            "--allow-managed",
            "--generate",
            "--dry-run",
            "--json",
        ])
        .ok()
        .json();
    assert_eq!(
        (&plan["schema"], &plan["action"]),
        (&"tokenctl/plan".into(), &"change-admin-key".into())
    );
}
