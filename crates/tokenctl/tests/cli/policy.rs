//! `policy`: shown with who enforces what, planned, and set.

use serde_json::Value;
use virtual_token::Profile;

use crate::tool::{Ran, Tool, assert_plain};

fn token(profile: Profile) -> Tool {
    // A plain PIV card has no identity before it is personalized.
    if profile == Profile::Piv {
        return Tool::with(profile);
    }
    let tool = Tool::new();
    tool.empty_token("one", profile);
    tool
}

fn set(tool: &Tool, arguments: &[&str], pin: &str) -> Ran {
    let all = [
        &["policy", "set", "--pin-fd", "0", "--allow-managed"],
        arguments,
    ]
    .concat();
    tool.run_with_input(&all, &format!("{pin}\n"))
}

fn factory(profile: Profile) -> String {
    String::from_utf8(profile.factory_pin().to_vec()).unwrap()
}

fn rule<'a>(document: &'a Value, name: &str) -> &'a Value {
    let rules = document["rules"].as_array().unwrap();
    rules.iter().find(|rule| rule["rule"] == name).unwrap()
}

#[test]
fn each_rule_is_shown_with_who_enforces_it() {
    for profile in Profile::ALL {
        let tool = token(profile);
        let shown = tool.run(&["policy", "show", "--json"]).ok().json();
        let by = |name: &str| {
            rule(&shown, name)["enforced_by"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(shown["rules"].as_array().unwrap().len(), 6);
        if profile == Profile::Crescendo4000 {
            assert_eq!(shown["profile"], "on-token");
            let rules = shown["rules"].as_array().unwrap();
            assert!(rules.iter().all(|rule| rule["enforced_by"] == "card"));
        } else {
            assert_eq!(shown["profile"], "none");
            assert_eq!(by("force-change"), "prompt", "{profile}");
            assert_eq!(by("refuse-weak"), "host", "{profile}");
            assert_eq!(by("challenge"), "nobody", "{profile}");
        }
        let text = tool.run(&["policy", "show"]).ok().stdout;
        for part in [
            "RULE",
            "Length",
            "Weak PINs refused",
            "A new PIN",
            "Evidence",
            "Everywhere",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        assert_plain(&text);
    }
}

#[test]
fn where_card_and_standard_differ_it_says_who_wins() {
    let tool = token(Profile::Crescendo2300);
    let shown = tool.run(&["policy", "show"]).ok().stdout;
    assert!(
        shown.contains("the card takes 4 to 8 characters and decides"),
        "{shown}"
    );
    assert!(
        shown.contains("6 to 8 digits is what every PIV program takes"),
        "{shown}"
    );
}

#[test]
fn what_is_set_holds_on_every_token() {
    for profile in Profile::ALL {
        let tool = token(profile);
        let ran = set(
            &tool,
            &["--min", "7", "--refuse-weak", "--force-change", "--json"],
            &factory(profile),
        )
        .ok();
        let done = ran.json();
        assert_eq!(
            done["changed"],
            serde_json::json!(["length", "force-change", "refuse-weak"]),
            "{profile}"
        );
        assert_eq!(rule(&done, "length")["value"], "7 to 8");
        let shown = tool.run(&["policy", "show", "--json"]).ok().json();
        assert_eq!(rule(&shown, "refuse-weak")["value"], "yes");
        // Both say that the PIN has to be changed.
        for arguments in [&["list"][..], &["show"]] {
            let ran = tool.run(arguments).ok();
            assert!(
                ran.stdout.contains("the PIN has to be changed"),
                "{profile}: {ran:#?}"
            );
        }
        let listed = tool.run(&["list", "--json"]).ok().json();
        let warnings = listed["tokens"][0]["warnings"].as_array().unwrap();
        assert!(
            warnings.contains(&"the PIN has to be changed".into()),
            "{profile}"
        );
        // A weak or a short new PIN is not sent; a good one ends it.
        let change = ["pin", "change", "--pin-fd", "0", "--new-pin-fd", "0"];
        for bad in ["12345678", "271828"] {
            let input = format!("{}\n{bad}\n", factory(profile));
            tool.run_with_input(&change, &input).code(12);
        }
        let input = format!("{}\n27182846\n", factory(profile));
        tool.run_with_input(&change, &input).code(0);
        let ran = tool.run(&["list"]).ok();
        assert!(
            !ran.stdout.contains("has to be changed"),
            "{profile}: {ran:#?}"
        );
    }
}

#[test]
fn a_dry_run_prints_the_plan_and_asks_for_nothing() {
    let tool = token(Profile::Crescendo4000);
    let arguments = ["policy", "set", "--digits", "--min", "6", "--dry-run"];
    let ran = tool.run(&arguments).ok();
    for part in [
        "verify the PIN",
        "4 to 8 becomes 6 to 8",
        "PUT DATA",
        "project profile",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {ran:#?}");
    }
    let plan = tool
        .run(&[&arguments[..], &["--json"]].concat())
        .ok()
        .json();
    assert_eq!(
        (&plan["schema"], &plan["action"]),
        (&"tokenctl/plan".into(), &"update-pin-length".into())
    );
    assert!(plan["steps"].as_array().unwrap().len() >= 4);
    let shown = tool.run(&["policy", "show", "--json"]).ok().json();
    assert_eq!(rule(&shown, "length")["value"], "4 to 8");
}

#[test]
fn what_would_change_nothing_asks_for_nothing() {
    let tool = token(Profile::Crescendo2300);
    let ran = tool.run(&["policy", "set", "--refuse-weak=no"]).code(0);
    assert!(ran.stderr.contains("nothing was sent"), "{ran:#?}");
}

#[test]
fn policies_that_cannot_be_are_refused_before_the_pin_is_asked_for() {
    let tool = token(Profile::Crescendo4000);
    for arguments in [
        &["--min", "8", "--max", "6"][..],
        &["--min", "3"],
        &["--max", "9"],
        &["--fido-shared-pin"],
    ] {
        let ran = tool.run(&[&["policy", "set"], arguments].concat());
        assert!(matches!(ran.code, 12 | 13), "{ran:#?}");
    }
    for arguments in [
        &[][..],
        &["--digits", "--any"],
        &["--min", "x"],
        &["--challenge", "odd"],
    ] {
        tool.run(&[&["policy", "set"], arguments].concat()).code(2);
    }
    // The present PIN would break it.
    let ran = set(&tool, &["--refuse-weak", "--json"], "000000").code(12);
    assert!(
        ran.error()["message"]
            .as_str()
            .unwrap()
            .contains("present PIN"),
        "{ran:#?}"
    );
}

#[test]
fn a_wrong_pin_sets_nothing() {
    for profile in Profile::ALL {
        let tool = token(profile);
        let ran = set(&tool, &["--min", "6", "--max", "7", "--json"], "271828").code(10);
        assert!(ran.error()["tries_left"].is_u64(), "{ran:#?}");
        let shown = tool.run(&["policy", "show", "--json"]).ok().json();
        assert_ne!(rule(&shown, "length")["value"], "6 to 7", "{profile}");
    }
}

#[test]
fn a_token_that_an_issuer_may_manage_takes_consent() {
    let tool = Tool::with(Profile::Piv);
    let ran = tool
        .run_with_input(
            &["policy", "set", "--min", "7", "--pin-fd", "0", "--json"],
            "123456\n",
        )
        .code(13);
    assert!(
        ran.error()["message"].as_str().unwrap().contains("issuer"),
        "{ran:#?}"
    );
}
