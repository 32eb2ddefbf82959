use piv_apdu::object::{DataObject, KeyHistory};
use virtual_token::Profile;

use crate::tool::{Tool, assert_plain};

#[test]
fn everything_is_shown() {
    let tool = Tool::with(Profile::Crescendo2300);
    let shown = tool.run(&["show"]).ok().stdout;
    for part in [
        "HID Crescendo C2300",
        "Serial number",
        "GUID",
        "6 tries left",
        "Keys",
        "generated on the card",
        "Certificates",
        "CN=Alex Example",
        "valid until",
        "digitalSignature",
        "None in 83",
        "Data objects",
        "5FC102",
        "needs the PIN, not read",
        "What can be done",
        "read PIN policy",
        "no public document says how this token does it",
    ] {
        assert!(shown.contains(part), "{part:?} is not in\n{shown}");
    }
    assert_plain(&shown);
    assert!(
        shown.lines().all(|line| line == line.trim_end()),
        "no blanks at the end of a line"
    );
}

#[test]
fn one_time_password_slots_are_shown_on_a_key() {
    let tool = Tool::new();
    tool.empty_token("key", Profile::CrescendoKey);
    let shown = tool.run(&["show"]).ok().stdout;
    assert!(shown.contains("A0000000792301"), "{shown}");
}

/// Each profile: what it has beside PIV is shown and in JSON, field by field, and what it
/// has not is neither.
#[test]
fn what_a_token_has_beside_piv_is_shown_and_in_json() {
    use Profile::{Crescendo2300, Crescendo4000, CrescendoKey, Piv};

    for (profile, has_fido, slots) in [
        (Piv, false, 0),
        (Crescendo2300, false, 0),
        (Crescendo4000, true, 0),
        (CrescendoKey, true, 3),
    ] {
        let tool = Tool::new();
        tool.empty_token("one", profile);
        let look = || {
            let text = tool.run(&["show", "--fresh"]).ok().stdout;
            let mut document = tool.run(&["show", "--fresh", "--json"]).ok().json();
            (text, document["token"].take())
        };
        let (text, token) = look();
        let oath = token["oath_slots"].as_array().unwrap();
        assert_eq!(oath.len(), slots, "{profile}");
        for (slot, number) in oath.iter().zip(1..) {
            assert_eq!(slot["number"], number);
            assert_eq!(slot["state"], "present");
            let aid = format!("A00000007923{:02X}", number - 1);
            assert_eq!(slot["aid"], aid);
            assert!(text.contains(&aid), "{text}");
        }
        let fido = &token["fido"];
        assert_eq!(text.contains("\nFIDO\n"), has_fido, "{profile}: {text}");
        if !has_fido {
            assert_eq!(fido["state"], "not-looked-for", "{profile}");
            for key in ["versions", "aaguid", "pin", "remaining_credentials"] {
                assert!(fido[key].is_null(), "{profile}: {key}");
            }
            continue;
        }
        assert_eq!(fido["state"], "present");
        assert_eq!(fido["versions"], serde_json::json!(["FIDO_2_0"]));
        let aaguid = fido["aaguid"].as_str().unwrap();
        let room = fido["remaining_credentials"].as_u64().unwrap();
        let pin = &fido["pin"];
        assert_eq!(pin["state"], "not-set");
        assert!(pin["tries_left"].is_null());
        assert_eq!(pin["change_wanted"], false);
        assert_eq!(pin["shared_with_piv"], false);
        assert_eq!(pin["minimum_characters"], 4);
        assert_eq!(pin["maximum_bytes"], 63);
        let room = format!("{room} more credentials");
        let parts = [
            "FIDO_2_0",
            aaguid,
            &room,
            "no PIN is set",
            "4 characters",
            "63 bytes",
        ];
        for part in parts {
            assert!(text.contains(part), "{profile}: no {part:?} in\n{text}");
        }
        let set = ["fido", "pin", "set", "--new-pin-fd", "0"];
        let _ = tool.run_with_input(&set, "Bern 22\n").code(0);
        let verify = ["fido", "pin", "verify", "--pin-fd", "0"];
        let _ = tool.run_with_input(&verify, "Zug 333\n").code(10);
        let (text, token) = look();
        assert_eq!(token["fido"]["pin"]["state"], "tries-left");
        assert_eq!(token["fido"]["pin"]["tries_left"], 7);
        assert!(text.contains("7 tries left"), "{profile}: {text}");
    }
}

#[test]
fn all_shows_every_capability_with_its_evidence() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Crescendo2300);
    let shown = tool.run(&["show", "--all"]).ok().stdout;
    assert!(
        shown.contains("ACTION") && shown.contains("vendor"),
        "{shown}"
    );
    assert!(shown.contains("Not on this token"), "{shown}");
}

#[test]
fn a_token_can_be_named_by_id_serial_number_or_guid() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Crescendo2300);
    tool.empty_token("two", Profile::Crescendo2300);
    let list = tool.run(&["list", "--json"]).ok().json();
    let two = &list["tokens"][1];
    let mut names = vec![two["id"].as_str().unwrap(), two["serial"].as_str().unwrap()];
    names.extend(two["guid"].as_str());
    for name in names {
        for arguments in [
            &["show", "--json", name][..],
            &["show", "--json", "--token", name],
        ] {
            let shown = tool.run(arguments).ok().json();
            assert_eq!(shown["token"]["reader"], "Virtual two", "{name}");
        }
    }
    // The beginning is enough, in any case of letters.
    let beginning = two["id"].as_str().unwrap()[..6].to_uppercase();
    let shown = tool.run(&["show", "--json", &beginning]).ok().json();
    assert_eq!(shown["token"]["id"], two["id"]);
}

#[test]
fn nothing_from_the_card_acts_on_the_terminal() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Piv);
    let url = "http://x/\x1b]0;owned\x07\x1b[2J\r\nPIN blocked\u{202e}txt";
    let history = KeyHistory {
        on_card: 0,
        off_card: 1,
        url: Some(url.to_owned()),
    };
    let content = hex(&history.encode());
    tool.put_object("one", "5FC10C", &content);
    let shown = tool.run(&["show"]).ok().stdout;
    assert_plain(&shown);
    assert!(!shown.contains('\u{202e}'), "{shown:?}");
    assert!(
        shown.contains("http://x/\\u{1b}]0;owned\\u{7}\\u{1b}[2J\\r\\nPIN blocked"),
        "{shown}"
    );
    let coloured = tool.run(&["show", "--color", "always"]).ok().stdout;
    assert!(!coloured.contains("\x1b]") && !coloured.contains("\x1b[2J"));

    // JSON is as safe to look at, and means the same.
    let ran = tool.run(&["show", "--json"]).ok();
    assert_plain(&ran.stdout);
    assert!(!ran.stdout.contains('\u{202e}'));
    let document = ran.json();
    let objects = document["token"]["objects"].as_array().unwrap();
    let found = objects
        .iter()
        .find(|object| object["tag"] == "5FC10C")
        .unwrap();
    assert_eq!(found["content"]["url"], url);
}

#[test]
fn the_token_management_profile_has_a_name() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Crescendo4000);
    let shown = tool.run(&["show"]).ok().stdout;
    assert!(
        shown.contains("5FFD01  token management profile"),
        "{shown}"
    );
}

#[test]
fn one_bad_certificate_spoils_nothing_else() {
    let tool = Tool::with(Profile::Piv);
    // 70 03 010203, 71 01 00, FE 00
    tool.put_object("one", "5FC10A", "7003010203710100FE00");
    let shown = tool.run(&["show"]).ok().stdout;
    assert!(shown.contains("no X.509 certificate"), "{shown}");
    assert_eq!(shown.matches("valid until").count(), 3, "{shown}");
    let list = tool.run(&["list"]).ok().stdout;
    assert!(list.contains("certificate 9C unreadable"), "{list}");
}

#[test]
fn a_verified_pin_is_never_zero_left() {
    // Verified and asked for in one transaction, which is as far as the PIN
    // of a software token lasts.
    let tool = Tool::new();
    tool.empty_token("one", Profile::Piv);
    let input = "0020008008313233343536FFFF\n00200080\n";
    let ran = tool.run_with_input(&["apdu", "--json"], input).ok();
    assert_eq!(ran.json()["exchanges"][1]["status_word"], "9000");
    let list = tool.run(&["list", "--json"]).ok().json();
    assert_eq!(list["tokens"][0]["pin"]["tries_left"], 3, "locked again");
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02X}").unwrap();
        text
    })
}
