//! Help, version, completions, pages.

use crate::tool::{Tool, entries};

#[test]
fn help_and_version() {
    let tool = Tool::new();
    let help = tool.run(&["--help"]).ok().stdout;
    for word in [
        "list",
        "show",
        "watch",
        "cert",
        "apdu",
        "virtual",
        "doctor",
        "Examples:",
    ] {
        assert!(help.contains(word), "{word}");
    }
    let version = tool.run(&["--version"]).ok().stdout;
    assert_eq!(version, format!("tokenctl {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn without_arguments_there_is_help() {
    let ran = tool_output(&[]);
    assert!(ran.1.contains("Usage:"), "{ran:?}");
    assert_eq!(ran.0, Some(2));
}

fn tool_output(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Tool::new().command(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn completions_for_every_shell() {
    let tool = Tool::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = tool.run(&["completions", shell]).ok().stdout;
        assert!(
            script.contains("tokenctl") && script.contains("doctor"),
            "{shell}"
        );
    }
}

#[test]
fn the_page_and_all_pages() {
    let tool = Tool::new();
    let page = tool.run(&["man"]).ok().stdout;
    assert!(page.contains(".TH tokenctl 1"), "{page}");
    assert!(page.contains(".SH \"EXIT STATUS\""), "{page}");
    let directory = tool.file("man1");
    let ran = tool
        .run(&["man", "--output", directory.to_str().unwrap()])
        .code(0);
    assert_eq!(ran.stdout, "");
    let pages = entries(&directory);
    for page in [
        "tokenctl.1",
        "tokenctl-show.1",
        "tokenctl-cert-export.1",
        "tokenctl-virtual-move.1",
        "tokenctl-virtual-serve.1",
    ] {
        assert!(pages.contains(&page.to_owned()), "{pages:?}");
    }
    let export = std::fs::read_to_string(directory.join("tokenctl-cert-export.1")).unwrap();
    assert!(export.contains("openssl x509"), "examples are in the page");
}
