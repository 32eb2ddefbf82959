//! What this computer keeps about tokens, where it can't be read: no reason not
//! to look at a token, and one not to change it.

use virtual_token::Profile;

use crate::tool::{Tool, entries};

/// A token about which a policy was noted, in a record that was damaged since.
fn damaged() -> Tool {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Crescendo2300);
    let set = ["policy", "set", "--min", "6", "--pin-fd", "0"];
    tool.run_with_input(&set, "00000000\n").code(0);
    let records = tool.file("records");
    let names = entries(&records);
    let record = names.iter().find(|name| name.starts_with("serial-"));
    std::fs::write(records.join(record.unwrap()), "{\"version\":").unwrap();
    tool
}

#[test]
fn who_only_looks_is_warned() {
    let tool = damaged();
    for command in [
        &["list"][..],
        &["show"],
        &["pin", "status"],
        &["policy", "show"],
    ] {
        let ran = tool.run(command).code(0);
        assert!(ran.stderr.starts_with("warning: "), "{ran:#?}");
        assert!(ran.stderr.contains("move the file away"), "{ran:#?}");
        assert!(!ran.stdout.is_empty(), "{ran:#?}");
    }
    let status = tool.run(&["pin", "status", "--json"]).ok().json();
    assert_eq!(status["pin"]["tries_left"], 6);
}

#[test]
fn who_would_change_something_is_refused_and_told_how_to_go_on() {
    let tool = damaged();
    let change = ["pin", "change", "--pin-fd", "0", "--new-pin-fd", "0"];
    let set = ["policy", "set", "--min", "6", "--pin-fd", "0"];
    let show = ["puk", "show", "--show", "--pin-fd", "0"];
    for command in [&change[..], &set, &show] {
        let ran = tool.run_with_input(command, "00000000\n271828\n").code(1);
        assert!(ran.stderr.contains("can't be understood"), "{ran:#?}");
        assert!(
            ran.stderr.contains("next: ") && ran.stderr.contains("move the file away"),
            "{ran:#?}"
        );
    }
    let records = tool.file("records");
    for name in entries(&records) {
        std::fs::remove_file(records.join(name)).unwrap();
    }
    tool.run_with_input(&change, "00000000\n271828\n").code(0);
}

/// An interrupted run is told at first sight, in words and not by step names.
#[test]
fn what_was_begun_and_not_finished_is_told() {
    let tool = damaged();
    let records = tool.file("records");
    let names = entries(&records);
    let record = names.iter().find(|name| name.starts_with("serial-"));
    let journal = r#"{"version":1,"journal":{"action":"personalize","begun":"change-pin",
        "done":["reset-card","put-admin-key"],"had_content":true}}"#;
    std::fs::write(records.join(record.unwrap()), journal).unwrap();
    let list = tool.run(&["list"]).ok().stdout;
    assert!(list.contains("personalize not finished"), "{list}");
    let show = tool.run(&["show"]).ok().stdout;
    let flat = show.split_whitespace().collect::<Vec<_>>().join(" ");
    let told = "an earlier personalize did not come to its end. Done: the erasure of the token, \
                the new admin key. Perhaps done: the new PIN";
    assert!(flat.contains(told), "{show}");
    assert!(!show.contains("reset-card"), "{show}");
    let json = tool.run(&["list", "--json"]).ok().json();
    assert_eq!(json["tokens"][0]["unfinished"], "personalize");
    let ran = tool.run(&["recycle", "--dry-run"]).code(0);
    assert!(ran.stderr.contains(told), "{ran:#?}");
}
