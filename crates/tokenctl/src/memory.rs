//! What this computer remembers of tokens, and how much of it is held against a
//! token before it is shown.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Args;
use etcetera::BaseStrategy as _;
use token_manager::token_cache::Cache;
use token_manager::{Freshness, Remembered, Token, utc};

use crate::json;

/// Names another folder, or turns the cache off with the value `off`.
const FOLDER: &str = "TOKENCTL_CACHE_DIR";

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

/// The cache of this user. Touches no file yet. Without it, what a change makes stale
/// is forgotten all the same: the next command may use it again.
pub(crate) fn cache(off: bool) -> Cache {
    match folder() {
        Some(folder) if off => Cache::off().with_disk(&folder).only_forgetting(),
        Some(folder) => Cache::off().with_disk(&folder),
        None => Cache::off(),
    }
}

fn folder() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os(FOLDER).filter(|folder| !folder.is_empty()) {
        return (folder != "off").then(|| folder.into());
    }
    let strategy = etcetera::choose_base_strategy().ok()?;
    Some(strategy.cache_dir().join("tokenctl").join("tokens"))
}

/// How old what is shown of a token is, if it was not all read from it: `as it was
/// 5 min ago`.
pub(crate) fn age_text(token: &Token, now: SystemTime) -> Option<String> {
    let remembered = token.remembered?;
    let age = age(age_of(remembered, now));
    Some(match remembered.freshness {
        Freshness::Checked => format!("checked now, remembered for {age}"),
        _ => format!("as it was {age} ago"),
    })
}

/// The same as a program reads it.
pub(crate) fn json(token: &Token, now: SystemTime) -> Option<json::Remembered> {
    let remembered = token.remembered?;
    Some(json::Remembered {
        since: utc(remembered.since),
        seconds: age_of(remembered, now).as_secs(),
        check: match remembered.freshness {
            Freshness::Checked => "objects",
            _ => "identity",
        },
    })
}

/// A clock that was set back makes nothing younger than now.
fn age_of(remembered: Remembered, now: SystemTime) -> Duration {
    now.duration_since(remembered.since).unwrap_or_default()
}

/// A span of time in its largest unit: `12 s`, `5 min`, `3 h`, `2 days`.
pub(crate) fn age(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}
