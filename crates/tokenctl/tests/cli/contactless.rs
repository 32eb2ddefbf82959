//! Tokens on their contactless interface: whom to believe, and what is refused.

use piv_apdu::sm::CipherSuite;
use virtual_token::{CreateOptions, Profile, Vci};

use crate::tool::Tool;

const CODE: &str = "60718294";

/// A token with this pairing code on its contactless interface, and its authority's
/// certificate.
fn through_air() -> (Tool, String) {
    let tool = Tool::new();
    let options = CreateOptions::default()
        .seed(1)
        .vci(Vci::new(CipherSuite::Cs2));
    tool.make("one", Profile::Piv, &options);
    tool.put_object("one", "5FC123", "99083630373138323934FE00");
    let file = tool.file("authority.pem").to_str().unwrap().to_owned();
    let _ = tool
        .run(&["virtual", "authority", "one", "--output", &file])
        .code(0);
    let _ = tool
        .run(&["virtual", "move", "one", "--to", "contactless"])
        .ok();
    (tool, file)
}

#[test]
fn the_authority_of_a_software_token_makes_it_believed() {
    let (tool, file) = through_air();
    let printed = tool.run(&["virtual", "authority", "one"]).ok().stdout;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), printed);
    let show = ["show", "--json", "--pairing-code-fd", "0", "--trust-anchor"];
    let arguments = [&show[..], &[&file]].concat();
    let shown = tool.run_with_input(&arguments, CODE).ok();
    assert_eq!(shown.json()["token"]["vci"]["state"], "open");
    assert_eq!(shown.json()["token"]["vci"]["vouched"], true);
    assert!(!format!("{shown:?}").contains(CODE));

    tool.empty_token("bare", Profile::Piv);
    let ran = tool.run(&["virtual", "authority", "bare"]).code(1);
    assert!(ran.stderr.contains("has no authority"), "{ran:#?}");
}

#[test]
fn how_it_stands_is_told_and_never_asked_for_in_json() {
    let (tool, file) = through_air();
    let state = |arguments: &[&str]| {
        let shown = tool.run(&[&["show", "--json"], arguments].concat()).ok();
        shown.json()["token"]["vci"]["state"].clone()
    };
    assert_eq!(state(&[]), "not-trusted");
    assert_eq!(
        state(&["--require-sm", "--trust-any-card"]),
        "no-pairing-code"
    );
    assert_eq!(state(&["--trust-anchor", &file]), "no-pairing-code");
    for code in ["60718295", "1234"] {
        let verify = [
            "pin",
            "verify",
            "--trust-any-card",
            "--pairing-code-fd",
            "0",
            "--pin-fd",
            "0",
        ];
        let input = format!("{code}\n123456\n");
        let expected = if code.len() == 8 { 10 } else { 12 };
        let ran = tool.run_with_input(&verify, &input).code(expected);
        assert!(!format!("{ran:?}").contains("123456"), "{ran:#?}");
    }
}

#[test]
fn an_anchor_that_is_none_is_named() {
    let (tool, _) = through_air();
    let wrong = tool.file("wrong.pem");
    std::fs::write(&wrong, "no certificate").unwrap();
    for file in [wrong, tool.file("none.pem")] {
        let file = file.to_str().unwrap();
        let ran = tool.run(&["show", "--trust-anchor", file]).code(2);
        assert!(ran.stderr.contains(file), "{ran:#?}");
    }
}

#[test]
fn a_pin_in_a_raw_command_is_not_sent() {
    let (tool, _) = through_air();
    let ran = tool
        .run_with_input(&["apdu"], "0020008008313233343536FFFF\n")
        .code(12);
    assert!(ran.stderr.contains("nothing was sent"), "{ran:#?}");
}

#[test]
fn that_a_pairing_code_can_not_be_kept_is_said() {
    let (tool, _) = through_air();
    let show = [
        "show",
        "--trust-any-card",
        "--pairing-code-fd",
        "0",
        "--keep-pairing-code",
    ];
    let ran = tool.run_with_input(&show, CODE).code(0);
    assert!(ran.stderr.contains("is not kept"), "{ran:#?}");
}
