//! Clear cache.

use token_manager::token_cache::Cache;
use token_manager::{LoadOptions, Manager};
use virtual_token::{CreateOptions, Profile};

use crate::desk::{Desk, FAMILIES, FIVE_MINUTES, token};

const DONE: &str = "What was remembered of the token is forgotten, and it was read anew.";

#[test]
fn what_is_remembered_is_forgotten_and_the_token_read_anew() {
    for profile in FAMILIES {
        let cache = Cache::off().with_memory();
        let options = LoadOptions::new().with_cache(cache.clone());
        let set = |manager: Manager| manager.with_options(options);
        let mut desk = Desk::with(set, FIVE_MINUTES);
        let token = token(profile, &CreateOptions::default());
        desk.readers.insert("Desk", &token).unwrap();
        desk.sees("ID ");
        let before = cache.held();
        assert_eq!(before.len(), 1, "{}", profile.name());
        token.clear_log();
        desk.pick("Clear cache");
        desk.sees(DONE);
        let after = cache.held();
        assert_eq!(after.len(), 1, "{}", profile.name());
        assert!(
            before[0].snapshot.generation() != after[0].snapshot.generation(),
            "{}: it is still the old one",
            profile.name()
        );
        // Not only who it is, and its first blocks.
        assert!(
            token.commands() > 10,
            "{}: {:?}",
            profile.name(),
            token.log()
        );
        desk.sees("ID ");
    }
}

#[test]
fn where_nothing_is_remembered_it_says_so() {
    let (mut desk, token) = Desk::holding(Profile::Piv);
    token.clear_log();
    desk.pick("Clear cache");
    desk.sees("The cache is turned off: the token was only read anew.");
    assert!(token.commands() > 0);
}
