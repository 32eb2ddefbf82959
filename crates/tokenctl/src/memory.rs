//! What this computer remembers of tokens, and how much of it is held against a
//! token before it is shown.

use std::time::{Duration, SystemTime};

use clap::Args;
use token_manager::token_cache::Cache;
use token_manager::{Freshness, Remembered, Token, utc};

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
    let remembered = token.remembered?;
    let age_now = age_of(remembered, now);
    Some(match remembered.freshness {
        Freshness::Checked if age_now.as_secs() == 0 => "checked now, remembered just now".into(),
        Freshness::Checked => format!("checked now, remembered for {}", age(age_now)),
        _ => format!("as it was {}", ago(age_now)),
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

/// When that was: `5 min ago`, or `just now`.
pub(crate) fn ago(since: Duration) -> String {
    match since.as_secs() {
        0 => "just now".to_owned(),
        _ => format!("{} ago", age(since)),
    }
}

/// A span of time in its largest unit: `12 s`, `5 min`, `3 h`, `2 days`.
fn age(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_less_than_a_second_ago_was_just_now() {
        for (milliseconds, text) in [
            (0, "just now"),
            (999, "just now"),
            (1_000, "1 s ago"),
            (119_999, "119 s ago"),
            (120_000, "2 min ago"),
            (7_200_000, "2 h ago"),
            (172_800_000, "2 days ago"),
        ] {
            assert_eq!(ago(Duration::from_millis(milliseconds)), text);
        }
    }
}
