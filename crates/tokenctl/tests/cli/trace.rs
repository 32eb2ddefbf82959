use std::time::{Duration, SystemTime};

use pcsc_transport::Card;
use pcsc_transport::trace::Replayer;
use token_manager::LoadOptions;
use virtual_token::Profile;

use crate::tool::Tool;

/// A trace of `show` is the same token again, without the token.
#[test]
fn a_trace_can_be_replayed() {
    let tool = Tool::with(Profile::Crescendo2300);
    let path = tool.file("trace");
    let shown = tool
        .run(&["--json", "show", "--trace", path.to_str().unwrap()])
        .ok()
        .json();
    let text = std::fs::read_to_string(&path).unwrap();
    let replayer = Replayer::new(&text).unwrap();
    let options = LoadOptions::new().with_timeout(Some(Duration::from_secs(5)));
    let token = token_manager::load(&mut Card::new(Box::new(replayer)), &options).unwrap();
    assert_eq!(
        token.identity.id().as_deref(),
        shown["token"]["id"].as_str()
    );
    assert_eq!(
        token.round_trips,
        shown["token"]["round_trips"].as_u64().unwrap()
    );
    let now = SystemTime::now();
    let valid = token
        .certificates
        .iter()
        .filter_map(|entry| entry.certificate())
        .filter(|info| info.validity(now).name() == "valid")
        .count();
    assert_eq!(valid, 4);
}

#[test]
fn tokens_read_side_by_side_do_not_mix() {
    let tool = Tool::new();
    for name in ["a", "b", "c"] {
        tool.empty_token(name, Profile::Piv);
    }
    let path = tool.file("trace");
    tool.run(&["list", "--trace", path.to_str().unwrap()]).ok();
    let text = std::fs::read_to_string(&path).unwrap();
    let blocks: Vec<&str> = text.split("trace 1\n").skip(1).collect();
    assert_eq!(blocks.len(), 3, "{text}");
    for block in blocks {
        let whole = format!("trace 1\n{block}");
        assert!(Replayer::new(&whole).is_ok(), "{whole}");
        assert_eq!(block.matches("reader ").count(), 1, "{block}");
    }
}

#[test]
fn a_trace_that_cannot_be_written_is_an_error_before_anything_is_sent() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Piv);
    let path = tool.file("no/such/directory");
    tool.run(&["list", "--trace", path.to_str().unwrap()])
        .code(1);
}
