use std::time::{Duration, SystemTime};

use virtual_token::{CreateOptions, Profile};

use crate::tool::{Tool, assert_plain};

#[test]
fn one_line_a_token() {
    let tool = Tool::new();
    tool.empty_token("a", Profile::Crescendo2300);
    tool.empty_token("b", Profile::Piv);
    tool.empty_token("c", Profile::Crescendo4000);
    let ran = tool.run(&["list"]).ok();
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{ran:#?}");
    assert!(lines[0].starts_with("ID "));
    assert!(lines[1].contains("HID Crescendo C2300") && lines[1].contains("6 tries left"));
    assert!(lines[2].contains("3 tries left") && lines[2].contains("Virtual b"));
    // Columns are aligned.
    let reader = lines[0].find("READER").unwrap();
    for line in &lines[1..] {
        assert!(line[reader..].starts_with("Virtual"), "{line}");
    }
    assert_plain(&ran.stdout);
}

#[test]
fn what_is_wrong_is_noted() {
    let tool = Tool::new();
    let long_ago = SystemTime::now() - Duration::from_secs(20 * 365 * 86_400);
    tool.make(
        "old",
        Profile::Piv,
        &CreateOptions::default().seed(1).created(long_ago),
    );
    tool.edit("old", |token| {
        token["state"]["pin"]["tries_left"] = 0.into();
    });
    let line = tool.run(&["list"]).ok().stdout;
    assert!(line.contains("blocked"), "{line}");
    assert!(line.contains("certificate 9A expired"), "{line}");

    let summary = tool.run(&["list", "--json"]).ok().json()["tokens"][0].take();
    assert_eq!(summary["pin"]["state"], "blocked");
    assert_eq!(summary["pin"]["tries_left"], 0);
    assert_eq!(summary["certificates"], 4);
    assert!(summary["warnings"].as_array().unwrap().len() >= 5);
}

#[test]
fn a_certificate_that_expires_soon_is_told_before_it_has() {
    let tool = Tool::new();
    let day = Duration::from_secs(86_400);
    // A software token's certificates are valid for three years.
    let created = SystemTime::now() - (3 * 365 - 10) * day;
    tool.make(
        "old",
        Profile::Piv,
        &CreateOptions::default().seed(1).created(created),
    );
    let line = tool.run(&["list"]).ok().stdout;
    assert!(line.contains("certificate 9A expires soon"), "{line}");
    let table = tool.run(&["cert", "list", "--fresh"]).ok().stdout;
    assert_eq!(table.matches("expires soon, on 20").count(), 4, "{table}");
    let shown = tool.run(&["show", "--fresh"]).ok().stdout;
    assert!(shown.contains("expires soon, on 20"), "{shown}");

    let document = tool.run(&["cert", "list", "--json"]).ok().json();
    let certificate = &document["certificates"][0]["certificate"];
    assert_eq!(certificate["validity"], "valid");
    assert_eq!(certificate["concerns"][0]["id"], "expires-soon");
    let sentence = certificate["concerns"][0]["sentence"].as_str().unwrap();
    assert!(sentence.contains("30 days"), "{sentence}");
}

#[test]
fn others_are_listed_when_one_fails() {
    let tool = Tool::new();
    tool.empty_token("good", Profile::Piv);
    std::fs::write(tool.path().join("bad.json"), "no token at all").unwrap();
    let ran = tool.run(&["list"]).code(1);
    assert!(ran.stdout.contains("Virtual good"), "{ran:#?}");
    assert!(ran.stderr.contains("bad.json"), "{ran:#?}");

    let ran = tool.run(&["list", "--json"]).code(1);
    let document = ran.json();
    assert_eq!(document["tokens"].as_array().unwrap().len(), 1);
    assert_eq!(document["failed"][0]["reader"], "Virtual bad");
    assert_eq!(document["failed"][0]["exit_code"], 1);
}

#[test]
fn a_reader_can_be_named_by_part_of_its_name() {
    let tool = Tool::new();
    tool.empty_token("alice", Profile::Piv);
    tool.empty_token("bob", Profile::Piv);
    let ran = tool.run(&["list", "--reader", "ALI"]).ok();
    assert!(ran.stdout.contains("Virtual alice") && !ran.stdout.contains("bob"));
}

#[test]
fn a_token_can_be_named() {
    let tool = Tool::new();
    tool.empty_token("alice", Profile::Crescendo2300);
    tool.empty_token("bob", Profile::Crescendo4000);
    let all = tool.run(&["list", "--json"]).ok().json();
    let id = all["tokens"][1]["id"].as_str().unwrap();
    let one = tool.run(&["list", "--json", "--token", id]).ok().json();
    assert_eq!(one["tokens"].as_array().unwrap().len(), 1);
    assert_eq!(one["tokens"][0]["reader"], "Virtual bob");
    let none = tool.run(&["list", "--json", "--token", "zz"]).code(3);
    assert_eq!(none.error()["kind"], "no-token");
    tool.run(&["watch", "--token", id]).code(2);
}

#[test]
fn no_token_is_an_empty_list_and_a_failure() {
    let tool = Tool::new();
    let ran = tool.run(&["list", "--json"]).code(3);
    assert_eq!(ran.json()["tokens"].as_array().unwrap().len(), 0);
    assert_eq!(ran.error()["kind"], "no-token");
}

#[test]
fn colour_is_for_terminals_or_when_asked_for() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Piv);
    assert!(!tool.run(&["list"]).ok().stdout.contains('\x1b'));
    let coloured = tool.run(&["list", "--color", "always"]).ok().stdout;
    assert!(coloured.contains("\x1b["));
    for off in [&["list", "--no-color"][..], &["list", "--color=never"]] {
        assert!(!tool.run(off).ok().stdout.contains('\x1b'));
    }
    let plain = tool.run(&["list"]).ok().stdout;
    let stripped = anstream::adapter::strip_str(&coloured).to_string();
    assert_eq!(stripped, plain, "colour changes nothing but colour");
}

#[test]
fn verbose_tells_the_round_trips() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Piv);
    let ran = tool.run(&["-v", "list"]).code(0);
    assert!(ran.stderr.contains("commands to the card"), "{ran:#?}");
}
