//! `admin-key`: whether a key is the token's.

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
