//! `recycle`: confirmed with the token's id, planned, carried out and told step
//! by step.

use virtual_token::Profile;

use crate::tool::{Ran, Tool};

const CRESCENDOS: [Profile; 3] = [
    Profile::Crescendo2300,
    Profile::Crescendo4000,
    Profile::CrescendoKey,
];

fn factory(profile: Profile) -> String {
    String::from_utf8(profile.factory_pin().to_vec()).unwrap()
}

fn id(tool: &Tool) -> String {
    let listed = tool.run(&["list", "--json"]).ok().json();
    listed["tokens"][0]["id"].as_str().unwrap().to_owned()
}

/// With the consent that a token with content takes, which an issuer may manage.
fn recycle(tool: &Tool, arguments: &[&str], input: &str) -> Ran {
    let all = [&["recycle", "--allow-managed"], arguments].concat();
    tool.run_with_input(&all, input)
}

fn certificates(tool: &Tool) -> u64 {
    let listed = tool.run(&["list", "--json"]).ok().json();
    listed["tokens"][0]["certificates"].as_u64().unwrap()
}

#[test]
fn a_confirmed_token_is_erased_with_its_steps_told() {
    for profile in CRESCENDOS {
        let tool = Tool::with(profile);
        assert!(certificates(&tool) > 0);
        let pin = factory(profile) + "\n";
        let arguments = ["--confirm", &id(&tool), "--pin-fd", "0", "--json"];
        let done = recycle(&tool, &arguments, &pin).ok().json();
        assert_eq!(done["completed"], true, "{profile}");
        let steps = done["steps"].as_array().unwrap();
        let names: Vec<_> = steps
            .iter()
            .map(|step| step["id"].as_str().unwrap())
            .collect();
        assert_eq!(
            names,
            ["read-again", "reset-card", "verify-empty", "forget-records"]
        );
        assert!(steps.iter().all(|step| step["outcome"] == "done"));
        assert_eq!(certificates(&tool), 0, "{profile}");
    }
}

#[test]
fn people_read_what_is_erased_and_what_is_done() {
    let tool = Tool::with(Profile::CrescendoKey);
    let arguments = ["--confirm", &id(&tool), "--pin-fd", "0"];
    let ran = recycle(&tool, &arguments, "00000000\n").code(0);
    for part in [
        "erased",
        "keys and certificates",
        "stays",
        "cannot be undone",
        "done",
        "The token is erased",
    ] {
        assert!(ran.stderr.contains(part), "{part:?}: {ran:#?}");
    }
}

#[test]
fn without_the_right_id_nothing_is_sent() {
    let tool = Tool::with(Profile::Crescendo2300);
    let right = id(&tool);
    for wrong in ["", "x", &right[..11], &right.to_uppercase()] {
        let ran = recycle(
            &tool,
            &["--confirm", wrong, "--pin-fd", "0", "--json"],
            "00000000\n",
        )
        .code(12);
        assert!(
            ran.error()["message"].as_str().unwrap().contains(&right),
            "{ran:#?}"
        );
    }
    // There is nobody to type it.
    recycle(&tool, &["--pin-fd", "0"], "00000000\n").code(2);
    assert!(certificates(&tool) > 0);
}

#[test]
fn a_dry_run_erases_nothing_and_asks_for_nothing() {
    let tool = Tool::with(Profile::CrescendoKey);
    let plan = tool
        .run(&["recycle", "--allow-managed", "--dry-run", "--json"])
        .ok()
        .json();
    assert_eq!(
        (&plan["schema"], &plan["action"]),
        (&"tokenctl/plan".into(), &"recycle".into())
    );
    let fates = plan["fates"].as_array().unwrap();
    for erased in [true, false] {
        assert!(fates.iter().any(|fate| fate["erased"] == erased));
    }
    let steps = plan["steps"].as_array().unwrap();
    assert!(steps.iter().any(|step| step["irreversible"] == true));
    let text = tool
        .run(&["recycle", "--allow-managed", "--dry-run"])
        .ok()
        .stdout;
    assert!(
        text.contains("RESET CARD") && text.contains("one-time passwords"),
        "{text}"
    );
    assert!(certificates(&tool) > 0);
}

#[test]
fn a_wrong_pin_erases_nothing_and_says_what_was_not_done() {
    let tool = Tool::with(Profile::Crescendo2300);
    let arguments = ["--confirm", &id(&tool), "--pin-fd", "0", "--json"];
    let ran = recycle(&tool, &arguments, "27182818\n").code(10);
    assert_eq!(ran.error()["tries_left"], 5);
    let told = ran.json();
    assert_eq!(told["completed"], false);
    let steps = told["steps"].as_array().unwrap();
    assert_eq!(steps.last().unwrap()["outcome"], "failed");
    assert!(certificates(&tool) > 0);
}

#[test]
fn the_admin_key_erases_a_token_whose_pin_is_forgotten() {
    let tool = Tool::with(Profile::Crescendo2300);
    let arguments = ["--confirm", &id(&tool), "--admin-key-fd", "0"];
    recycle(&tool, &arguments, &("A5".repeat(24) + "\n")).code(10);
    recycle(&tool, &arguments, &("0".repeat(48) + "\n")).code(0);
    assert_eq!(certificates(&tool), 0);
}

/// A PIN that the card would not look at is not asked for, nor is anything else.
#[test]
fn a_blocked_pin_is_refused_at_once_and_the_admin_key_named() {
    let tool = Tool::with(Profile::Crescendo2300);
    let wrong = ["pin", "verify", "--last-try", "--pin-fd", "0"];
    for _ in 0..6 {
        tool.run_with_input(&wrong, "27182818\n");
    }
    for command in [
        &["recycle", "--allow-managed"][..],
        &[
            "personalize",
            "--recycle",
            "--allow-managed",
            "--save",
            "x",
            "--saved-is-taken",
        ],
        &["admin-key", "set", "--delivery", "--yes", "--allow-managed"],
    ] {
        let ran = tool.run(&[command, &["--json"]].concat()).code(11);
        let error = ran.error();
        assert_eq!(error["message"], "the PIN is blocked");
        assert!(error["next"].as_str().unwrap().contains("--admin-key"));
    }
    tool.run(&["policy", "set", "--min", "5", "--allow-managed"])
        .code(11);
}

#[test]
fn a_pin_that_has_to_be_changed_is_not_asked_for_anything_else() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Crescendo4000);
    let force = ["policy", "set", "--force-change", "--pin-fd", "0"];
    tool.run_with_input(&force, "000000\n").code(0);
    for command in [
        &["pin", "verify"][..],
        &["puk", "show", "--show"],
        &["recycle"],
    ] {
        let ran = tool.run(command).code(12);
        assert!(ran.stderr.contains("change the PIN"), "{ran:#?}");
    }
}

#[test]
fn the_id_that_a_token_has_after_it_is_told() {
    let tool = Tool::with(Profile::Crescendo2300);
    let before = id(&tool);
    let arguments = ["--confirm", &before, "--pin-fd", "0"];
    let ran = recycle(&tool, &arguments, "00000000\n").code(0);
    let after = id(&tool);
    assert_ne!(before, after);
    assert!(
        ran.stderr.contains(&format!("Its id is now {after}.")),
        "{ran:#?}"
    );
    assert!(ran.stderr.contains("--delivery-pin"), "{ran:#?}");
}

#[test]
fn what_cannot_be_recycled_is_refused_before_anything_is_asked() {
    let tool = Tool::with(Profile::Piv);
    tool.run(&["recycle", "--allow-managed"]).code(13);
    // Nobody agreed to administer what an issuer may manage.
    let tool = Tool::with(Profile::Crescendo2300);
    tool.run(&["recycle"]).code(13);
}
