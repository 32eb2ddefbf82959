use virtual_token::Profile;

use crate::tool::{Ran, Tool};

/// Runs without `--virtual`, where no PC/SC service is to be found.
fn run_real(tool: &Tool, arguments: &[&str]) -> Ran {
    Ran::of(&tool.command(arguments).output().unwrap())
}

#[test]
fn no_pcscd() {
    let tool = Tool::new();
    for command in [
        &["list"][..],
        &["show"],
        &["cert", "list"],
        &["apdu", "00A40400"],
    ] {
        let ran = run_real(&tool, command).code(5);
        assert_eq!(ran.stdout, "");
        assert!(ran.stderr.starts_with("error: "), "{ran:#?}");
        assert!(ran.stderr.contains("--virtual"), "{ran:#?}");
    }
    let ran = run_real(&tool, &["--json", "list"]).code(5);
    assert_eq!(ran.error()["kind"], "service-unavailable");
    assert_eq!(ran.stdout, "");
}

#[test]
fn no_token() {
    let tool = Tool::new();
    let ran = tool.run(&["show"]).code(3);
    assert!(ran.stderr.contains("no software token"), "{ran:#?}");
    assert!(ran.stderr.contains("virtual create"), "{ran:#?}");
    tool.empty_token("one", Profile::Piv);
    let ran = tool.run(&["--json", "show", "ffffffff"]).code(3);
    let error = ran.error();
    assert_eq!(error["kind"], "no-token");
    assert_eq!(error["tokens"][0]["reader"], "Virtual one");
}

#[test]
fn no_reader() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Piv);
    let ran = tool.run(&["show", "--reader", "omnikey"]).code(4);
    assert!(ran.stderr.contains("omnikey") && ran.stderr.contains("Virtual one"));
    assert_eq!(
        tool.run(&["--json", "show", "--reader", "x y"])
            .code(4)
            .error()["kind"],
        "no-reader"
    );
}

#[test]
fn several_tokens_and_none_named() {
    let tool = Tool::new();
    tool.empty_token("alice", Profile::Crescendo2300);
    tool.empty_token("bob", Profile::Piv);
    for command in [
        &["show"][..],
        &["cert", "list"],
        &["cert", "export", "--slot", "9a"],
        &["apdu", "00200080"],
    ] {
        let ran = tool.run(command).code(6);
        assert_eq!(ran.stdout, "", "{command:?}");
        assert!(ran.stderr.contains("Virtual alice") && ran.stderr.contains("Virtual bob"));
        assert!(ran.stderr.contains("--token"), "{ran:#?}");
    }
    let error = tool.run(&["--json", "show"]).code(6).error();
    assert_eq!(error["tokens"].as_array().unwrap().len(), 2);
    assert!(error["tokens"][0]["id"].is_string());
}

#[test]
fn held_by_another_program() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Piv);
    let held = tool.store().load(&"one".parse().unwrap()).unwrap();
    let ran = tool.run(&["show"]).code(9);
    let me = std::process::id().to_string();
    assert!(
        ran.stderr.contains("held by") && ran.stderr.contains(&me),
        "{ran:#?}"
    );
    assert_eq!(
        tool.run(&["--json", "show"]).code(9).error()["kind"],
        "access-denied"
    );
    drop(held);
    tool.run(&["show"]).ok();
}

#[test]
fn wrong_usage() {
    let tool = Tool::new();
    for wrong in [
        &["no-such-command"][..],
        &["list", "--no-such-option"],
        &["cert"],
        &["cert", "export"],
        &["apdu", "xyz"],
        &["apdu", "--applet", "?", "00A40400"],
        &["show", "abc", "--token", "abc"],
        &["virtual", "create", "--profile", "no-such-profile", "x"],
        &["virtual", "create", "--profile", "piv", "../x"],
        &["list", "--color", "always", "--no-color"],
    ] {
        let ran = tool.run(wrong).code(2);
        assert_eq!(ran.stdout, "", "{wrong:?}");
        assert!(!ran.stderr.is_empty(), "{wrong:?}");
    }
    let ran = tool.run(&["list", "--json", "--no-such-option"]).code(2);
    assert_eq!(ran.error()["kind"], "usage");
}

#[test]
fn a_closed_pipe_is_success() {
    use std::process::Stdio;

    let tool = Tool::with(Profile::Piv);
    for command in [
        &["show"][..],
        &["--json", "show"],
        &["man"],
        &["completions", "bash"],
    ] {
        let mut all = vec!["--virtual"];
        all.extend(command);
        let mut child = tool
            .command(&all)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let ran = Ran::of(&child.wait_with_output().unwrap());
        ran.ok();
    }
}
