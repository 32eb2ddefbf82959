//! `virtual`.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Stdio;

use virtual_token::Profile;

use crate::tool::{Ran, Tool};

#[test]
fn create_list_remove() {
    let tool = Tool::new();
    for profile in Profile::ALL {
        let name = profile.name();
        let arguments = ["virtual", "create", "--profile", name, "--empty", name];
        let ran = tool.run(&arguments).ok();
        assert!(
            ran.stdout.contains(name) && ran.stdout.contains("PIN"),
            "{ran:#?}"
        );
    }
    let listed = tool.run(&["virtual", "list", "--json"]).ok().json();
    let tokens = listed["tokens"].as_array().unwrap();
    assert_eq!(tokens.len(), 4);
    assert!(tokens.iter().all(|token| token["name"] == token["profile"]));

    tool.run(&["virtual", "remove", "piv"]).ok();
    assert!(!tool.run(&["virtual", "list"]).ok().stdout.contains("piv"));
    tool.run(&["virtual", "remove", "piv"]).code(3);
}

#[test]
fn a_token_is_moved_from_interface_to_interface() {
    let tool = Tool::new();
    let create = ["virtual", "create", "--profile", "piv", "--empty", "one"];
    let made = tool.run(&[&create[..], &["--json"]].concat()).ok().json();
    assert_eq!(made["token"]["interface"], "contact");
    let try_wrong_pin = ["pin", "verify", "--pin-fd", "0"];
    tool.run_with_input(&try_wrong_pin, "654321\n").code(10);

    let moved = ["virtual", "move", "one", "--to", "contactless"];
    let ran = tool.run(&moved).ok();
    assert!(ran.stdout.contains("contactless"), "{ran:#?}");
    assert!(
        tool.run(&["virtual", "list"])
            .ok()
            .stdout
            .contains("contactless")
    );
    let listed = tool.run(&["virtual", "list", "--json"]).ok().json();
    assert_eq!(listed["tokens"][0]["interface"], "contactless");
    let shown = tool.run(&["--json", "show"]).ok().json();
    assert_eq!(shown["token"]["interface"], "contactless");

    let back = ["virtual", "move", "one", "--to", "contact", "--json"];
    let back = tool.run(&back).ok().json();
    assert_eq!(back["token"]["interface"], "contact");
    let status = tool.run(&["--json", "pin", "status"]).ok().json();
    assert_eq!(status["pin"]["tries_left"], 2, "the same card");

    tool.run(&["virtual", "move", "nobody", "--to", "contact"])
        .code(3);
    tool.run(&["virtual", "move", "one"]).code(2);
}

/// What the card says when it is selected: `AC { 80 <suite>, 06 00 }`.
#[test]
fn a_token_has_the_virtual_contact_interface_if_it_is_asked_for() {
    const SELECT: &str = "00A404000BA00000030800001000010000";
    let answer = |options: &[&str]| {
        let tool = Tool::new();
        let create = ["virtual", "create", "--profile", "piv", "one"];
        tool.run(&[&create[..], options].concat()).ok();
        let answer = |command| {
            let ran = tool.run(&["--json", "apdu", "--applet", "piv", command]);
            ran.ok().stdout
        };
        (answer(SELECT), answer("00CB3FFF035C017E00"))
    };
    let (select, discovery) = answer(&["--vci", "cs2"]);
    assert!(select.contains("800127060100"), "{select}");
    assert!(discovery.contains("5F2F024800"), "{discovery}");
    let (select, discovery) = answer(&["--vci", "cs7", "--no-pairing-code"]);
    assert!(select.contains("80012E060100"), "{select}");
    assert!(discovery.contains("5F2F024C00"), "{discovery}");
    let (select, discovery) = answer(&[]);
    assert!(!select.contains("060100"), "{select}");
    assert!(discovery.contains("5F2F024000"), "{discovery}");

    let tool = Tool::new();
    let create = ["virtual", "create", "--profile", "piv", "one"];
    for wrong in [
        &["--vci", "cs3"][..],
        &["--no-pairing-code"],
        &["--vci", "cs2", "--empty"],
        &["--vci", "cs2", "--no-pairing-code", "--pairing-code"],
    ] {
        tool.run(&[&create[..], wrong].concat()).code(2);
    }
}

#[test]
fn a_name_is_taken_once() {
    let tool = Tool::new();
    let create = ["virtual", "create", "--profile", "piv", "--empty", "one"];
    tool.run(&create).ok();
    let before = std::fs::read(tool.path().join("one.json")).unwrap();
    let ran = tool.run(&create).code(1);
    assert!(ran.stderr.contains("already"), "{ran:#?}");
    assert_eq!(std::fs::read(tool.path().join("one.json")).unwrap(), before);
}

#[test]
fn the_same_seed_makes_the_same_token() {
    let guid = |seed| {
        let tool = Tool::new();
        let create = [
            "virtual",
            "create",
            "--profile",
            "crescendo-key",
            "--seed",
            seed,
            "x",
        ];
        tool.run(&create).ok();
        let shown = tool.run(&["--json", "show"]).ok().json();
        shown["token"]["guid"].as_str().unwrap().to_owned()
    };
    assert_eq!(guid("7"), guid("7"));
    assert_ne!(guid("7"), guid("8"));
}

#[test]
fn an_empty_list_is_no_failure() {
    let tool = Tool::new();
    let ran = tool.run(&["virtual", "list"]).code(0);
    assert!(ran.stderr.contains("virtual create"), "{ran:#?}");
    assert_eq!(ran.stdout, "");
}

#[test]
fn serve_without_a_virtual_reader_says_what_is_missing() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Piv);
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let arguments = ["virtual", "serve", "one", "--address", &port.to_string()];
    let ran = tool.run(&arguments).code(5);
    assert!(ran.stderr.contains("vsmartcard-vpcd"), "{ran:#?}");
    tool.run(&["virtual", "serve", "nobody"]).code(3);
}

/// Plays the virtual reader's part.
#[cfg(unix)]
#[test]
fn serve_answers_a_reader_until_it_is_interrupted() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Crescendo2300);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let child = tool
        .command(&["--json", "virtual", "serve", "one", "--address", &address])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut reader, _) = listener.accept().unwrap();
    // Power on, then ask for the ATR: messages of a two-byte length and a control byte.
    reader.write_all(&[0, 1, 1, 0, 1, 4]).unwrap();
    let mut length = [0; 2];
    reader.read_exact(&mut length).unwrap();
    let mut atr = vec![0; usize::from(u16::from_be_bytes(length))];
    reader.read_exact(&mut atr).unwrap();
    assert!(
        atr.windows(5).any(|window| window == b"C2300"),
        "{atr:02X?}"
    );

    crate::watch::interrupt(child.id());
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();
    let ran = Ran::of(&child.wait_with_output().unwrap()).ok();
    let events: Vec<String> = ran
        .stdout
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["event"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(events, ["inserted", "ejected"]);
}

#[test]
fn a_reader_that_is_named_just_so_is_meant_before_others_that_contain_it() {
    let tool = Tool::new();
    tool.empty_token("a", Profile::Piv);
    tool.empty_token("alice", Profile::Piv);
    for name in ["a", "Virtual a", "ALICE"] {
        let shown = tool.run(&["--json", "show", "--reader", name]).ok().json();
        let reader = shown["token"]["reader"].as_str().unwrap().to_lowercase();
        assert!(reader.ends_with(&name.to_lowercase()), "{name}: {reader}");
    }
    tool.run(&["show", "--reader", "virt"]).code(6);
}
