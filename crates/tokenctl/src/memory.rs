//! What this computer remembers of tokens, and how much of it is held against a
//! token before it is shown.

use std::time::SystemTime;

use clap::Args;
use token_manager::token_cache::Cache;
use token_manager::{Freshness, Token, utc};

use crate::json;

/// How much of what is remembered is held against the token.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = "What is remembered")]
#[group(multiple = false)]
pub(crate) struct FreshnessArgs {
    /// Ask the token who it is, and show the rest as it is remembered.
    #[arg(long)]
    quick: bool,

    /// Look at the beginning of each object that is remembered, too.
    #[arg(long)]
    checked: bool,

    /// Read everything from the token.
    #[arg(long)]
    fresh: bool,
}

impl FreshnessArgs {
    /// What was asked for, or else what the command does by itself.
    pub(crate) fn or(self, usual: Freshness) -> Freshness {
        match (self.quick, self.checked, self.fresh) {
            (true, ..) => Freshness::Quick,
            (_, true, _) => Freshness::Checked,
            (.., true) => Freshness::Fresh,
            _ => usual,
        }
    }
}

/// That a change may be hidden by what was remembered before it.
pub(crate) fn not_forgotten(cache: &Cache) -> String {
    format!(
        "what is remembered of the token could not be forgotten in {cache:?}, and may be shown \
         again as it was. Check the folder's rights, then run tokenctl cache clear --all"
    )
}

/// How old what is shown of a token is, if it was not all read from it: `as it was
/// 5 min ago`.
pub(crate) fn age_text(token: &Token, now: SystemTime) -> Option<String> {
    Some(token.remembered?.age_text(now))
}

/// The same as a program reads it.
pub(crate) fn json(token: &Token, now: SystemTime) -> Option<json::Remembered> {
    let remembered = token.remembered?;
    Some(json::Remembered {
        since: utc(remembered.since),
        seconds: remembered.age(now).as_secs(),
        check: match remembered.freshness {
            Freshness::Checked => "objects",
            _ => "identity",
        },
    })
}
