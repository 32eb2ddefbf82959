//! What is remembered of tokens: shown as such, cleared, and never in the way.

use serde_json::Value;
use virtual_token::{CreateOptions, Profile};

use crate::tool::{Ran, Tool};

fn listed(tool: &Tool, arguments: &[&str]) -> Value {
    let ran = tool
        .run(&[&["--json", "-v", "list"], arguments].concat())
        .code(0);
    serde_json::from_str(&ran.stdout).unwrap()
}

fn shown(tool: &Tool, arguments: &[&str]) -> Value {
    let ran = tool.run(&[&["--json", "show"], arguments].concat()).code(0);
    serde_json::from_str::<Value>(&ran.stdout).unwrap()["token"].take()
}

/// Commands to the card, as `-v` tells them.
fn commands(tool: &Tool, arguments: &[&str]) -> u64 {
    let ran = tool.run(&[&["-v"], arguments].concat()).code(0);
    let line = ran
        .stderr
        .lines()
        .find(|line| line.contains("commands to the card"));
    let before = line.unwrap().split(" commands").next().unwrap();
    before.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_known_token_is_listed_in_two_or_three_commands_and_the_age_is_told() {
    for (profile, most) in [
        (Profile::Crescendo2300, 2),
        (Profile::Crescendo4000, 2),
        (Profile::CrescendoKey, 2),
        (Profile::Piv, 3),
    ] {
        let tool = Tool::with(profile);
        let first = listed(&tool, &[]);
        assert_eq!(first["tokens"][0]["remembered"], Value::Null, "{profile}");
        assert_eq!(commands(&tool, &["list"]), most, "{profile}");
        let again = listed(&tool, &[]);
        assert_eq!(again["tokens"][0]["remembered"]["check"], "identity");
        assert!(again["tokens"][0]["remembered"]["seconds"].is_u64());
        assert_eq!(first["tokens"][0]["id"], again["tokens"][0]["id"]);
        let text = tool.run(&["list"]).code(0).stdout;
        assert!(
            text.contains("as it was just now") || text.contains(" s ago"),
            "{text}"
        );
    }
}

#[test]
fn each_command_can_be_asked_for_the_freshness_of_the_other() {
    let tool = Tool::with(Profile::Crescendo2300);
    listed(&tool, &[]);
    assert_eq!(shown(&tool, &[])["remembered"]["check"], "objects");
    assert_eq!(
        shown(&tool, &["--quick"])["remembered"]["check"],
        "identity"
    );
    assert_eq!(shown(&tool, &["--fresh"])["remembered"], Value::Null);
    let checked = listed(&tool, &["--checked"]);
    assert_eq!(checked["tokens"][0]["remembered"]["check"], "objects");
    let cold = commands(&tool, &["show", "--fresh"]);
    assert!(commands(&tool, &["show"]) < cold);
    assert_eq!(commands(&tool, &["--no-cache", "show"]), cold);
    tool.run(&["show", "--quick", "--fresh"]).code(2);
    let text = tool.run(&["show"]).code(0).stdout;
    assert!(text.contains("checked now, remembered "), "{text}");
}

#[test]
fn cache_show_lists_what_is_held_and_cache_clear_forgets_it() {
    let tool = Tool::with(Profile::Piv);
    let text = tool.run(&["cache", "show"]).code(0).stderr;
    assert!(text.contains("No token is remembered"), "{text}");
    let id = listed(&tool, &[])["tokens"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    listed(&tool, &[]);
    let held = |arguments: &[&str]| -> Value {
        let ran = tool.run(&[&["--json", "cache", "show"], arguments].concat());
        serde_json::from_str(&ran.code(0).stdout).unwrap()
    };
    let one = held(&[])["tokens"][0].take();
    assert_eq!(one["id"], id.as_str());
    assert!(one["hits"].as_u64().unwrap() > 5 && one["misses"].as_u64().unwrap() > 5);
    assert!(
        one["items"]
            .as_array()
            .unwrap()
            .iter()
            .any(|it| it["item"] == "discovery object")
    );
    assert!(
        one["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|it| { it["status_word"].as_str().unwrap().len() == 4 })
    );
    let text = tool.run(&["cache", "show", &id[..4]]).code(0).stdout;
    assert!(
        text.contains("X.509 certificate for PIV authentication"),
        "{text}"
    );
    assert_eq!(held(&["no-such"])["tokens"].as_array().unwrap().len(), 0);

    // One token: forgotten and read anew.
    let before = commands(&tool, &["--no-cache", "show"]);
    assert_eq!(commands(&tool, &["cache", "clear"]), before);
    assert_eq!(held(&[])["tokens"][0]["hits"], 0);
    let ran = tool.run(&["--json", "cache", "clear", "--all"]).code(0);
    let cleared: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(cleared["cleared"], 1);
    assert_eq!(held(&[])["tokens"].as_array().unwrap().len(), 0);
}

#[test]
fn cache_clear_says_how_much_was_there() {
    let tool = Tool::with(Profile::Piv);
    let cleared = |arguments: &[&str]| -> Value {
        let ran = tool.run(&[&["--json", "cache", "clear"], arguments].concat());
        serde_json::from_str::<Value>(&ran.code(0).stdout).unwrap()["cleared"].take()
    };
    let said = |folder: &str, arguments: &[&str]| {
        let mut command = tool.command(&[&["--virtual", "cache", "clear"], arguments].concat());
        command.env("TOKENCTL_CACHE_DIR", folder);
        Ran::of(&command.output().unwrap()).code(0).stderr
    };
    let folder = tool.file("cache");
    let folder = folder.to_str().unwrap();
    assert_eq!(cleared(&[]), 0, "nothing was remembered");
    assert_eq!(cleared(&[]), 1, "it was read anew, and remembered");
    assert_eq!(cleared(&["--no-cache"]), 1);
    assert_eq!(cleared(&["--no-cache"]), 0, "it was not remembered again");
    assert!(said(folder, &[]).contains("Nothing was remembered of the token"));
    assert!(said(folder, &[]).contains("is forgotten, and it was read anew"));
    assert!(said(folder, &["--all"]).contains("One token is forgotten"));
    assert!(said(folder, &["--all"]).contains("No token was remembered"));

    assert!(said("off", &[]).contains("turned off"));
    assert!(said("off", &["--all"]).contains("turned off"));
}

#[test]
fn a_folder_that_can_not_be_used_is_no_error() {
    let tool = Tool::with(Profile::Piv);
    std::fs::write(tool.file("cache"), "in the way").unwrap();
    let first = listed(&tool, &[]);
    let again = listed(&tool, &[]);
    assert_eq!(first["tokens"][0]["id"], again["tokens"][0]["id"]);
    assert_eq!(again["tokens"][0]["remembered"], Value::Null);
    assert!(tool.run(&["show"]).code(0).stderr.is_empty());
}

/// A folder stands in the way of the file that a change is noted in.
#[cfg(unix)]
#[test]
fn what_can_not_be_forgotten_is_said() {
    let tool = Tool::with(Profile::Piv);
    listed(&tool, &[]);
    let files = std::fs::read_dir(tool.file("cache")).unwrap();
    let mut files = files.map(|file| file.unwrap().path());
    let generation = files.find(|path| path.extension().is_some_and(|it| it == "generation"));
    let generation = generation.unwrap();
    let wrong = ["pin", "verify", "--pin-fd", "0"];
    let warns = |arguments: &[&str]| {
        let ran = tool.run_with_input(arguments, "314159\n").code(10);
        ran.stderr.contains("could not be forgotten")
    };
    assert!(!warns(&wrong));
    std::fs::remove_file(&generation).unwrap();
    std::fs::create_dir(&generation).unwrap();
    assert!(warns(&wrong));
    // What can't be forgotten is not shown either.
    let listed_again = listed(&tool, &[]);
    assert_eq!(listed_again["tokens"][0]["pin"]["tries_left"], 1);
    assert_eq!(listed_again["tokens"][0]["remembered"], Value::Null);
    let ran = tool.run(&["cache", "clear"]).code(1);
    assert!(
        ran.stderr.contains("could not be removed"),
        "{}",
        ran.stderr
    );
    std::fs::remove_dir(&generation).unwrap();
    assert!(
        tool.run(&["cache", "clear"])
            .code(0)
            .stderr
            .contains("read anew")
    );
}

#[cfg(unix)]
#[test]
fn where_nothing_can_be_remembered_there_is_nothing_to_forget() {
    let tool = Tool::with(Profile::Piv);
    std::fs::write(tool.file("cache"), "in the way").unwrap();
    let wrong = ["pin", "verify", "--pin-fd", "0"];
    let ran = tool.run_with_input(&wrong, "314159\n").code(10);
    assert!(!ran.stderr.contains("not be forgotten"), "{}", ran.stderr);
    let ran = tool.run(&["cache", "clear"]).code(0);
    assert!(
        ran.stderr.contains("Nothing was remembered"),
        "{}",
        ran.stderr
    );
}

#[test]
fn what_is_damaged_is_read_again() {
    let tool = Tool::with(Profile::Piv);
    listed(&tool, &[]);
    let files = std::fs::read_dir(tool.file("cache")).unwrap();
    let files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    let snapshot = files
        .iter()
        .find(|path| path.extension().is_some_and(|it| it == "token"));
    let mut content = std::fs::read(snapshot.unwrap()).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    std::fs::write(snapshot.unwrap(), content).unwrap();
    assert_eq!(listed(&tool, &[])["tokens"][0]["remembered"], Value::Null);
    assert!(listed(&tool, &[])["tokens"][0]["remembered"].is_object());
}

#[cfg(unix)]
#[test]
fn an_own_write_is_seen_at_once() {
    let tool = Tool::new();
    tool.make(
        "one",
        Profile::Crescendo4000,
        &CreateOptions::default().seed(1),
    );
    let rule = |arguments: &[&str]| shown(&tool, arguments)["pin_policy"]["minimum"].take();
    assert_eq!(rule(&[]), 4);
    assert_eq!(rule(&["--quick"]), 4);
    let set = [
        "policy",
        "set",
        "--min",
        "6",
        "--pin-fd",
        "0",
        "--allow-managed",
    ];
    tool.run_with_input(&set, "000000\n").code(0);
    assert_eq!(
        rule(&["--quick"]),
        6,
        "the profile was forgotten before it was written"
    );
    // A wrong PIN: the tries that are remembered are forgotten.
    listed(&tool, &[]);
    tool.run_with_input(&["pin", "verify", "--pin-fd", "0"], "314159\n")
        .code(10);
    assert_eq!(listed(&tool, &[])["tokens"][0]["pin"]["tries_left"], 5);
    // An erased token is another one.
    let id = listed(&tool, &[])["tokens"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let recycle = [
        "recycle",
        "--confirm",
        &id,
        "--pin-fd",
        "0",
        "--allow-managed",
    ];
    tool.run_with_input(&recycle, "000000\n").code(0);
    let after = listed(&tool, &[]);
    assert_eq!(after["tokens"][0]["certificates"], 0);
    assert_ne!(after["tokens"][0]["id"], id.as_str());
}

/// What is not used is not left stale for the next command either.
#[cfg(unix)]
#[test]
fn a_change_without_the_cache_is_forgotten_there_all_the_same() {
    let tool = Tool::with(Profile::Crescendo2300);
    listed(&tool, &[]);
    let wrong = ["--no-cache", "pin", "verify", "--pin-fd", "0"];
    tool.run_with_input(&wrong, "314159\n").code(10);
    assert_eq!(listed(&tool, &[])["tokens"][0]["pin"]["tries_left"], 5);
    // And it adds nothing.
    tool.run(&["cache", "clear", "--all"]).code(0);
    listed(&tool, &["--no-cache"]);
    assert_eq!(listed(&tool, &[])["tokens"][0]["remembered"], Value::Null);
}

/// A card that shows another one's CHUID is taken for it at a quick look; what is done
/// is done to the token that was named, or not at all.
#[cfg(unix)]
#[test]
fn a_token_is_named_by_what_it_is_and_not_by_what_is_remembered() {
    let tool = Tool::new();
    tool.make(
        "one",
        Profile::Crescendo2300,
        &CreateOptions::default().seed(1),
    );
    let listed_one = listed(&tool, &[]);
    let serial = listed_one["tokens"][0]["serial"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut chuid = Value::Null;
    tool.edit("one", |token| {
        chuid = token["state"]["objects"]["5FC102"].clone();
    });
    tool.run(&["virtual", "remove", "one"]);
    tool.make(
        "two",
        Profile::Crescendo2300,
        &CreateOptions::default().seed(2),
    );
    tool.edit("two", |token| {
        token["state"]["objects"]["5FC102"] = chuid.clone();
    });
    let verify = ["--token", &serial, "pin", "verify", "--pin-fd", "0"];
    tool.run_with_input(&verify, "314159\n").code(3);
    let fresh = listed(&tool, &["--fresh"]);
    assert_ne!(fresh["tokens"][0]["serial"], serial.as_str());
    assert_eq!(fresh["tokens"][0]["pin"]["tries_left"], 6);
}

/// Raw commands may change anything.
#[test]
fn after_a_raw_command_that_is_no_reading_one_nothing_is_remembered() {
    let tool = Tool::with(Profile::Piv);
    listed(&tool, &[]);
    tool.run(&["apdu", "00CB3FFF055C035FC10200"]).code(0);
    assert!(listed(&tool, &[])["tokens"][0]["remembered"].is_object());
    tool.run(&["apdu", "--applet", "piv", "00DB3FFF095C035FC1025302FE00"]);
    assert_eq!(listed(&tool, &[])["tokens"][0]["remembered"], Value::Null);
}
