use virtual_token::Profile;

use crate::tool::{Ran, Tool};

#[test]
fn software_tokens_are_well_without_pcsc() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Piv);
    let ran = tool.run(&["doctor"]).ok();
    assert!(ran.stdout.contains("1 software token in"), "{ran:#?}");
    assert!(ran.stdout.ends_with("All is well.\n"), "{ran:#?}");
}

#[test]
fn looking_makes_nothing() {
    let tool = Tool::new();
    tool.run(&["doctor"]).ok();
    assert!(!tool.path().exists());
}

#[test]
fn a_file_that_is_no_token_is_a_warning() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Piv);
    std::fs::write(tool.path().join("bad.json"), "{}").unwrap();
    let ran = tool.run(&["doctor"]).ok();
    assert!(
        ran.stdout.contains("warning") && ran.stdout.contains("bad.json"),
        "{ran:#?}"
    );
}

#[cfg(feature = "pcsc")]
#[test]
fn no_service_is_a_problem_with_a_next_step() {
    let tool = Tool::new();
    let ran = Ran::of(&tool.command(&["doctor"]).output().unwrap()).code(1);
    assert_eq!(ran.stderr, "");
    assert!(
        ran.stdout.contains("problem") && ran.stdout.contains("next:"),
        "{ran:#?}"
    );
    let ran = Ran::of(&tool.command(&["--json", "doctor"]).output().unwrap()).code(1);
    let document = ran.json();
    let findings = document["findings"].as_array().unwrap();
    let problem = findings
        .iter()
        .find(|finding| finding["level"] == "problem")
        .unwrap();
    assert_eq!(problem["area"], "service");
    assert!(problem["next"].is_string());
}

#[cfg(not(feature = "pcsc"))]
#[test]
fn a_build_without_pcsc_says_so() {
    let tool = Tool::new();
    let ran = Ran::of(&tool.command(&["doctor"]).output().unwrap()).ok();
    assert!(ran.stdout.contains("built without PC/SC"), "{ran:#?}");
}
