use virtual_token::Profile;

use crate::tool::{Tool, assert_plain};

const VERIFY: &str = "00200080 08 313233343536FFFF";

fn tool() -> Tool {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Piv);
    tool
}

#[test]
fn the_exchange_is_decoded() {
    let tool = Tool::with(Profile::Piv);
    let ran = tool.run(&["apdu", "00CB3FFF035C017E00"]).code(0);
    assert!(ran.stderr.contains("selected PIV"), "{ran:#?}");
    assert!(ran.stdout.starts_with("> 00 CB 3F FF 03 5C 01 7E 00\n"));
    assert!(ran.stdout.contains("GET DATA discovery object"), "{ran:#?}");
    assert!(ran.stdout.contains("    7E  "), "{ran:#?}");
    assert_plain(&ran.stdout);
}

#[test]
fn a_refusal_is_shown_and_tells_in_the_exit_code() {
    let ran = tool()
        .run(&["apdu", "00CB3FFF035C017E00", "00FF0000"])
        .code(8);
    assert!(ran.stdout.contains("6D00"), "{ran:#?}");
}

#[test]
fn secrets_are_refused_as_arguments_and_nothing_is_sent() {
    let tool = tool();
    for secret in [
        VERIFY,
        "0024008010 313233343536FFFF 313233343536FFFF",
        "002C008010 3132333435363738 313233343536FFFF",
        "10200080 04 31323334",
    ] {
        let ran = tool.run(&["apdu", "00200080", secret]).code(2);
        assert_eq!(ran.stdout, "", "{ran:#?}");
        assert!(ran.stderr.contains("nothing was sent") && ran.stderr.contains("stdin"));
        assert!(!ran.stderr.contains("3132") && !ran.stderr.contains("31323334"));
    }
    let list = tool.run(&["list", "--json"]).ok().json();
    assert_eq!(list["tokens"][0]["pin"]["tries_left"], 3);
}

#[test]
fn secrets_from_stdin_are_sent_and_not_shown() {
    let tool = tool();
    let input = format!("# verify\n{VERIFY}\n00200080  # verified?\n");
    let ran = tool.run_with_input(&["apdu"], &input).code(0);
    assert!(ran.stdout.contains("[9 bytes redacted]"), "{ran:#?}");
    assert!(ran.stdout.contains("VERIFY PIV PIN"), "{ran:#?}");
    let ran_json = tool.run_with_input(&["apdu", "--json"], &input).ok();
    let exchange = &ran_json.json()["exchanges"][0];
    assert_eq!(exchange["redacted"], true);
    assert!(exchange["command"].is_null());
    assert_eq!(exchange["header"], "00200080");
    for text in [ran.stdout, ran.stderr, ran_json.stdout] {
        assert!(!text.contains("3132") && !text.contains("31 32"), "{text}");
    }
}

#[test]
fn a_wrong_line_is_refused_before_anything_is_sent() {
    let tool = tool();
    let wrong_pin = "0020008008393939393939FFFF";
    let ran = tool
        .run_with_input(&["apdu"], &format!("{wrong_pin}\n00A4040\n"))
        .code(2);
    assert!(ran.stderr.contains("line 2"), "{ran:#?}");
    assert!(!ran.stderr.contains("3939"));
    let list = tool.run(&["list", "--json"]).ok().json();
    assert_eq!(list["tokens"][0]["pin"]["tries_left"], 3, "not sent");
}

#[test]
fn an_applet_can_be_chosen() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Crescendo2300);
    // GET PIN PROPERTIES answers in the access control applet only.
    let command = "00560200013100";
    tool.run(&["apdu", "--applet", "aca", command]).code(0);
    tool.run(&["apdu", "--applet", "a0000000791000", command])
        .code(0);
    tool.run(&["apdu", "--applet", "piv", command]).code(8);
    tool.run(&["apdu", "--applet", "isd", "80CA9F7F00"]).code(0);
    let ran = tool.run(&["apdu", "--applet", "none", "80CA9F7F00"]);
    assert!(!ran.stderr.contains("selected"), "{ran:#?}");
}

#[test]
fn an_applet_that_is_not_there_is_a_refusal() {
    let ran = tool()
        .run(&["--json", "apdu", "--applet", "aca", "00560200013100"])
        .code(8);
    let error = ran.error();
    assert_eq!(error["kind"], "card-refused");
    assert_eq!(error["status_word"], "6A82");
    assert_eq!(ran.json()["exchanges"].as_array().unwrap().len(), 0);
}

#[test]
fn raw_sends_exactly_what_is_written() {
    let tool = Tool::with(Profile::Piv);
    // A certificate is longer than a short answer: raw shows 61xx.
    let command = "00CB3FFF055C035FC10500";
    let whole = tool.run(&["--json", "apdu", command]).ok().json();
    assert_eq!(whole["exchanges"][0]["status_word"], "9000");
    let part = tool
        .run(&["--json", "apdu", "--raw", command])
        .code(8)
        .json();
    let status = part["exchanges"][0]["status_word"].as_str().unwrap();
    assert!(status.starts_with("61"), "{status}");
}

#[test]
fn a_secret_never_reaches_a_trace() {
    let tool = tool();
    let path = tool.file("trace");
    let arguments = ["apdu", "--trace", path.to_str().unwrap()];
    tool.run_with_input(&arguments, VERIFY).code(0);
    let trace = std::fs::read_to_string(&path).unwrap();
    assert!(
        trace.contains("VERIFY") && trace.contains("redacted"),
        "{trace}"
    );
    assert!(!trace.contains("3132"), "{trace}");
}
