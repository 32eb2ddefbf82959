//! The real `tokenctl` on each kind of software token, through pcscd and vpcd.

use std::{ffi::CString, fs};

use e2e::{
    Inserted, Pcscd, READERS,
    programs::{Running, finish, run, tokenctl, tokenctl_command},
    tokens,
};
use pcsc::{Context, Protocols, Scope, ShareMode};
use serde_json::Value;
use virtual_token::{
    Profile,
    fault::{Fault, Faults},
};

/// What `list` calls a token of the profile.
fn name(profile: Profile) -> &'static str {
    match profile {
        Profile::Crescendo2300 => "HID Crescendo C2300",
        Profile::Crescendo4000 => "HID Crescendo C4000",
        Profile::CrescendoKey => "HID Crescendo Key",
        Profile::Piv => "Software PIV card",
    }
}

fn tries(profile: Profile) -> &'static str {
    match profile {
        Profile::Piv => "3 tries left",
        _ => "6 tries left",
    }
}

/// Slots with a certificate: those of the standard that the profile has.
fn slots(profile: Profile) -> &'static [&'static str] {
    match profile {
        Profile::Crescendo2300 | Profile::CrescendoKey => &["9a", "9c", "9d", "82"],
        Profile::Crescendo4000 => &["9a"],
        Profile::Piv => &["9a", "9c", "9d", "9e"],
    }
}

fn array(value: &Value) -> &[Value] {
    value
        .as_array()
        .unwrap_or_else(|| panic!("an array, and not {value}"))
}

fn is(document: &Value, schema: &str) {
    assert_eq!(document["schema"], schema, "{document}");
    assert_eq!(document["version"], 1, "{document}");
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn each_profile_is_listed_and_shown() {
    let pcscd = Pcscd::start("tokenctl-show");
    for profile in Profile::ALL {
        let inserted = Inserted::new(&pcscd, 0, &tokens::personal(profile));

        let _ = tokenctl(&["list"])
            .success()
            .says(name(profile))
            .says(tries(profile))
            .says(READERS[0]);
        let list = tokenctl(&["list", "--json"]).success().json();
        is(&list, "tokenctl/list");
        let [token] = array(&list["tokens"]) else {
            panic!("one token in {list}")
        };
        assert!(
            token["name"]
                .as_str()
                .is_some_and(|text| text.contains(name(profile))),
            "{list}"
        );
        assert_eq!(token["reader"], READERS[0]);
        assert_eq!(token["pin"]["state"], "tries-left");
        assert_eq!(token["warnings"], Value::Array(Vec::new()), "{list}");

        let shown = tokenctl(&["show"])
            .success()
            .says(name(profile))
            .says(tries(profile));
        for slot in slots(profile) {
            let words: Vec<_> = shown.stdout.split_whitespace().collect();
            let slot = slot.to_uppercase();
            assert!(
                words.iter().any(|word| word.to_uppercase() == slot),
                "{slot} in {shown}"
            );
        }
        let shown = tokenctl(&["show", "--json"]).success().json();
        is(&shown, "tokenctl/show");
        let body = &shown["token"];
        assert_eq!(body["id"], token["id"]);
        assert_eq!(
            body["serial"].is_string(),
            profile.is_crescendo(),
            "{shown}"
        );
        assert_eq!(body["problems"], Value::Array(Vec::new()), "{shown}");
        assert!(body["guid"].is_string(), "{shown}");

        inserted.eject();
    }
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn certificates_are_listed_and_exported() {
    let pcscd = Pcscd::start("tokenctl-certificates");
    let place = tempfile::tempdir().unwrap();
    for profile in Profile::ALL {
        let inserted = Inserted::new(&pcscd, 0, &tokens::personal(profile));

        let list = tokenctl(&["cert", "list"]).success();
        let documents = tokenctl(&["cert", "list", "--json"]).success().json();
        is(&documents, "tokenctl/cert-list");
        let present: Vec<_> = array(&documents["certificates"])
            .iter()
            .filter(|entry| entry["state"] == "present")
            .collect();
        let found: Vec<_> = present
            .iter()
            .map(|entry| entry["slot"].as_str().unwrap().to_lowercase())
            .collect();
        for slot in slots(profile) {
            assert!(
                found.iter().any(|one| one == slot),
                "{slot} of {profile} in {documents}"
            );
            let list = list.stdout.to_lowercase();
            assert!(
                list.lines().any(|line| line.starts_with(slot)),
                "{slot} in {list}"
            );
        }

        for entry in present {
            let slot = entry["slot"].as_str().unwrap();
            let pem = tokenctl(&["cert", "export", "--slot", slot]).success();
            assert_eq!(entry["certificate"]["pem"], pem.stdout, "{slot}");
            let der = tokenctl(&["cert", "export", "--slot", slot, "--format", "der"]).success();

            // OpenSSL reads both, as the same certificate, with our subject.
            let file = place.path().join("certificate");
            let file = file.to_str().unwrap();
            let seen = |bytes: &[u8], form| {
                fs::write(file, bytes).unwrap();
                run(
                    "openssl",
                    &[
                        "x509",
                        "-in",
                        file,
                        "-inform",
                        form,
                        "-noout",
                        "-fingerprint",
                    ],
                )
                .success()
                .stdout
            };
            assert_eq!(seen(&pem.bytes, "PEM"), seen(&der.bytes, "DER"), "{slot}");
        }
        inserted.eject();
    }

    let _inserted = Inserted::new(&pcscd, 0, &tokens::empty(Profile::Piv));
    let _ = tokenctl(&["cert", "export", "--slot", "9a"])
        .failure(1)
        .complains("there is no certificate in slot 9A");
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn raw_commands_go_through() {
    let pcscd = Pcscd::start("tokenctl-apdu");
    for profile in Profile::ALL {
        let inserted = Inserted::new(&pcscd, 0, &tokens::personal(profile));
        let chuid = "00CB3FFF055C035FC10200";
        let _ = tokenctl(&["apdu", chuid])
            .success()
            .says("GET DATA")
            .says("9000");
        let answer = tokenctl(&["apdu", "--json", chuid]).success().json();
        is(&answer, "tokenctl/apdu");
        let exchanges = array(&answer["exchanges"]);
        let last = exchanges.last().unwrap();
        assert_eq!(last["status_word"], "9000", "{answer}");
        assert!(last["data"].as_str().unwrap().starts_with("53"), "{answer}");
        // An instruction that no applet has.
        let _ = tokenctl(&["apdu", "00EE0000"]).failure(8).says("6D00");
        inserted.eject();
    }
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn what_is_missing_is_said_with_its_own_exit_code() {
    let mut pcscd = Pcscd::start("tokenctl-missing");
    for command in [
        &["list"][..],
        &["show"],
        &["cert", "list"],
        &["apdu", "00A40400"],
    ] {
        let _ = tokenctl(command)
            .failure(3)
            .complains("there is no token in any of the 2 readers");
    }
    let _ = tokenctl(&["show", "--reader", "omnikey"])
        .failure(4)
        .complains("there is no reader whose name contains \"omnikey\"")
        .complains(READERS[0]);
    let none = tokenctl(&["show", "--json"]).failure(3);
    let error: Value = serde_json::from_str(&none.stderr).unwrap();
    is(&error, "tokenctl/error");
    assert_eq!(error["error"]["kind"], "no-token");

    let first = Inserted::new(&pcscd, 0, &tokens::personal(Profile::Piv));
    let second = Inserted::new(&pcscd, 1, &tokens::personal(Profile::CrescendoKey));
    let list = tokenctl(&["list"]).success();
    for reader in READERS {
        assert!(list.stdout.contains(reader), "{list}");
    }
    let _ = tokenctl(&["show"])
        .failure(6)
        .complains("several tokens are present, and none was named")
        .complains(name(Profile::CrescendoKey));
    let _ = tokenctl(&["show", "--reader", READERS[1]])
        .success()
        .says("Crescendo Key");
    let tokens = tokenctl(&["list", "--json"]).success().json();
    for token in array(&tokens["tokens"]) {
        let id = token["id"].as_str().unwrap();
        let shown = tokenctl(&["show", "--token", id, "--json"])
            .success()
            .json();
        assert_eq!(shown["token"]["reader"], token["reader"], "{id}");
    }
    first.eject();
    second.eject();

    pcscd.stop();
    for command in [&["list"][..], &["show"], &["cert", "list"]] {
        let _ = tokenctl(command)
            .failure(5)
            .complains("PC/SC service")
            .complains("systemctl start pcscd");
    }
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn an_exclusive_holder_is_explained() {
    let pcscd = Pcscd::start("tokenctl-exclusive");
    let _inserted = Inserted::new(&pcscd, 0, &tokens::personal(Profile::Piv));
    let context = Context::establish(Scope::User).unwrap();
    let reader = CString::new(READERS[0]).unwrap();
    let held = context
        .connect(&reader, ShareMode::Exclusive, Protocols::ANY)
        .unwrap();

    let process = std::process::id().to_string();
    let shown = tokenctl(&["show"]).failure(9).complains("is held by");
    let _ = shown.complains(&process);
    let _ = tokenctl(&["list"]).failure(9).complains("held");
    let _ = tokenctl(&["doctor"]).says("Virtual PCD 00 00");

    drop(held);
    let _ = tokenctl(&["show"]).success();
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn a_token_pulled_out_meanwhile_is_said_to_be_gone() {
    let pcscd = Pcscd::start("tokenctl-gone");
    let token = tokens::personal(Profile::Piv);
    let inserted = Inserted::new(&pcscd, 0, &token);
    // The card is pulled out at its third command, before it carries it out.
    token.arm(Faults::new().at(3, Fault::VanishBefore));
    let shown = tokenctl(&["show"]).failure(7).complains("removed");
    assert!(shown.stdout.is_empty(), "nothing half is shown: {shown}");
    drop(inserted);
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn watch_follows_tokens_and_survives_a_restart_of_pcscd() {
    let mut pcscd = Pcscd::start("tokenctl-watch");
    let token = tokens::empty(Profile::Crescendo2300);
    let watch = Running::start(&mut tokenctl_command(&["watch"]));
    let json = Running::start(&mut tokenctl_command(&["watch", "--json"]));
    let event = || -> (Value, Value) {
        let line: Value = serde_json::from_str(&json.line()).unwrap();
        is(&line, "tokenctl/watch");
        (line["event"].clone(), line["reader"].clone())
    };
    let expect = |kind: &str, reader: Option<&str>| {
        assert_eq!(
            event(),
            (Value::from(kind), reader.map_or(Value::Null, Value::from))
        );
    };

    watch.wait_for(READERS[0]);
    watch.wait_for(READERS[1]);
    expect("reader-added", Some(READERS[0]));
    expect("reader-added", Some(READERS[1]));

    let inserted = Inserted::new(&pcscd, 0, &token);
    assert!(watch.wait_for("token inserted").contains("Crescendo C2300"));
    expect("card-inserted", Some(READERS[0]));
    inserted.eject();
    watch.wait_for("token removed");
    expect("card-removed", Some(READERS[0]));

    pcscd.stop();
    watch.wait_for("PC/SC is gone");
    expect("reader-removed", Some(READERS[0]));
    expect("reader-removed", Some(READERS[1]));
    expect("service-lost", None);

    pcscd.start_again();
    watch.wait_for("PC/SC is back");
    expect("service-back", None);
    expect("reader-added", Some(READERS[0]));
    expect("reader-added", Some(READERS[1]));
    let _inserted = Inserted::new(&pcscd, 1, &token);
    assert!(watch.wait_for("token inserted").contains(READERS[1]));
    expect("card-inserted", Some(READERS[1]));
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn doctor_finds_what_is_there_and_what_is_wrong() {
    let mut pcscd = Pcscd::start("tokenctl-doctor");
    let inserted = Inserted::new(&pcscd, 0, &tokens::personal(Profile::Crescendo4000));
    let _ = tokenctl(&["doctor"]).says(READERS[0]);
    let found = tokenctl(&["doctor", "--json"]).json();
    is(&found, "tokenctl/doctor");
    assert!(!array(&found["findings"]).is_empty());
    inserted.eject();

    pcscd.stop();
    let _ = tokenctl(&["doctor"]).failure(1).says("pcscd");
    let found = tokenctl(&["doctor", "--json"]).failure(1).json();
    let problem = |finding: &&Value| finding["level"] == "problem";
    let problem = array(&found["findings"]).iter().find(problem);
    assert!(
        problem.is_some_and(|problem| problem["next"].is_string()),
        "{found}"
    );
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn a_software_token_is_made_served_and_pulled_out() {
    let pcscd = Pcscd::start("tokenctl-serve");
    let store = tempfile::tempdir().unwrap();
    let with_store = |arguments: &[&str]| {
        let mut command = tokenctl_command(arguments);
        command.env("TOKENCTL_VIRTUAL_DIR", store.path());
        command
    };
    let create = [
        "virtual",
        "create",
        "--profile",
        "crescendo-key",
        "--empty",
        "spare",
    ];
    let _ = finish(&mut with_store(&create)).success();
    e2e::wait_for_card(0, false);

    let serve = ["virtual", "serve", "spare", "--address", &pcscd.address(0)];
    let served = Running::start(&mut with_store(&serve));
    e2e::wait_for_card(0, true);
    let _ = tokenctl(&["list"])
        .success()
        .says("Crescendo Key")
        .says(READERS[0]);
    drop(served);
    e2e::wait_for_card(0, false);
    let _ = tokenctl(&["list"]).failure(3);
}
