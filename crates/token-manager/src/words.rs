//! What every frontend says alike: warnings about a token at a glance, how old what is
//! shown is, and an error in two parts.

use std::time::{Duration, SystemTime};

use crate::certificate::CertificateState;
use crate::content::ObjectState;
use crate::error::LoadError;
use crate::failure::ActionError;
use crate::fido::{FidoApplication, FidoErasure};
use crate::options::Freshness;
use crate::pin::PinStatus;
use crate::token::{Remembered, Token};

impl Token {
    /// What a person should know of the token at a glance, each in a few words: its PIN's
    /// state, and what [`content_warnings`](Self::content_warnings) has. They may name what
    /// the card has named: make them safe before they go to a terminal.
    pub fn warnings(&self, now: SystemTime) -> Vec<String> {
        let mut warnings: Vec<String> = self.pin_warning().map(str::to_owned).into_iter().collect();
        warnings.extend(self.content_warnings(now));
        warnings
    }

    /// The same without what the PIN's state says by itself: an action that was not
    /// finished, a PIN change that is waiting, and [`faults`](Self::faults).
    pub fn content_warnings(&self, now: SystemTime) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(journal) = &self.unfinished {
            warnings.push(format!("{} not finished", journal.action));
        }
        if self.wants_pin_change() {
            warnings.push("the PIN has to be changed".to_owned());
        }
        warnings.extend(self.faults(now));
        warnings
    }

    /// What of the PIN's state a person should know at a glance.
    pub fn pin_warning(&self) -> Option<&'static str> {
        match &self.pin.status {
            PinStatus::TriesLeft(1) => Some("one PIN try left"),
            PinStatus::Blocked => Some("PIN blocked"),
            PinStatus::NotSet => Some("no PIN set"),
            _ => None,
        }
    }

    /// What is wrong with certificates, and what could not be read.
    pub fn faults(&self, now: SystemTime) -> Vec<String> {
        let mut warnings = Vec::new();
        for entry in &self.certificates {
            let place = entry.place();
            match &entry.state {
                CertificateState::Present(info) => {
                    for concern in info.concerns(now) {
                        warnings.push(format!("certificate {place} {concern}"));
                    }
                }
                CertificateState::Empty
                | CertificateState::Absent
                | CertificateState::NeedsContact => {}
                CertificateState::NotX509 { .. } | CertificateState::Unreadable(_) => {
                    warnings.push(format!("certificate {place} unreadable"));
                }
            }
        }
        for object in &self.objects {
            if let ObjectState::Unreadable(_) = object.state {
                warnings.push(format!("{} unreadable", object.name));
            }
        }
        for problem in &self.problems {
            warnings.push(format!(
                "{} unreadable",
                problem.part.name().trim_start_matches("the ")
            ));
        }
        warnings
    }
}

impl Remembered {
    /// How old it is. A clock that was set back makes nothing younger than `now`.
    pub fn age(&self, now: SystemTime) -> Duration {
        now.duration_since(self.since).unwrap_or_default()
    }

    /// The same for people: `as it was 5 min ago`, or `checked now, remembered for 5 min`.
    pub fn age_text(&self, now: SystemTime) -> String {
        let age = self.age(now);
        match self.freshness {
            Freshness::Checked if age.as_secs() == 0 => {
                "checked now, remembered just now".to_owned()
            }
            Freshness::Checked => format!("checked now, remembered for {}", span(age)),
            Freshness::Fresh | Freshness::Quick => format!("as it was {}", ago(age)),
        }
    }
}

/// When something was, this long ago: `5 min ago`, or `just now`.
pub fn ago(age: Duration) -> String {
    match age.as_secs() {
        0 => "just now".to_owned(),
        _ => format!("{} ago", span(age)),
    }
}

/// A span of time in its largest unit: `12 s`, `5 min`, `3 h`, `2 days`.
fn span(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// The first sentence of an error's text, which says what happened, and the rest, which
/// says what to do next; both without a full stop at their end.
pub fn sentences(text: &str) -> (String, Option<String>) {
    match text.split_once(". ") {
        Some((first, rest)) => (
            first.to_owned(),
            Some(rest.trim_end_matches('.').to_owned()),
        ),
        None => (text.trim_end_matches('.').to_owned(), None),
    }
}

impl FidoErasure {
    /// Whether the FIDO application was erased along with its token, as far as it tells, and
    /// what was not read back, as sentences; `None` if there is no such application. The token
    /// is as it was read after.
    pub fn sentences(self, token: &Token) -> Option<String> {
        let room = token.fido.application().and_then(FidoApplication::room);
        // It has grown, or it is said that it has not.
        let no_more = match (self, room) {
            (Self::PinGone, Some(_)) => ", which is not more than before",
            _ => "",
        };
        let room = match room {
            Some(room) => format!("has room for {room} more credentials"),
            None => "does not tell for how many credentials it has room".to_owned(),
        };
        Some(match self {
            Self::NotThere => return None,
            Self::PinKept => {
                "Its FIDO application still has a PIN, and maybe credentials: the token \
                              has kept them. A FIDO reset by other software erases them."
                    .to_owned()
            }
            Self::RoomGrown => format!(
                "Its FIDO application has no PIN, and {room}, which is more than before: it has \
                 forgotten some."
            ),
            Self::PinGone => format!(
                "Its FIDO application has no PIN any more, and {room}{no_more}. That credentials, \
                 if it had any, went with the PIN is FIDO's rule; it was not read back."
            ),
            Self::NotTold => format!(
                "Its FIDO application has no PIN, and {room}. Nothing that it tells shows whether \
                 credentials that were made without a PIN are gone: if there may have been any, a \
                 FIDO reset by other software makes sure."
            ),
            Self::NotLookedFor => format!(
                "Whether a {} has a FIDO application no document says, and none was looked for: if \
                 it has one, nothing tells what became of its credentials. A browser, or other \
                 FIDO software, shows whether it has.",
                token.identity.family
            ),
        })
    }
}

impl LoadError {
    /// What happened, and what to do next ([`sentences`]).
    pub fn parts(&self) -> (String, Option<String>) {
        sentences(&self.to_string())
    }
}

impl ActionError {
    /// What happened, and what to do next ([`sentences`]); after an interruption, the state
    /// in which the token is.
    pub fn parts(&self) -> (String, Option<String>) {
        let (happened, next) = sentences(&self.to_string());
        match self {
            Self::Interrupted { aftermath, .. } | Self::SessionLost { aftermath, .. } => {
                (happened, Some(aftermath.sentence().to_owned()))
            }
            _ => (happened, next),
        }
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

    #[test]
    fn what_is_remembered_tells_its_age_and_whether_it_was_checked() {
        let since = SystemTime::UNIX_EPOCH;
        let text = |freshness, seconds| {
            let remembered = Remembered { since, freshness };
            remembered.age_text(since + Duration::from_secs(seconds))
        };
        assert_eq!(text(Freshness::Quick, 300), "as it was 5 min ago");
        assert_eq!(text(Freshness::Quick, 0), "as it was just now");
        assert_eq!(
            text(Freshness::Checked, 300),
            "checked now, remembered for 5 min"
        );
        assert_eq!(
            text(Freshness::Checked, 0),
            "checked now, remembered just now"
        );
        let later = Remembered {
            since: since + Duration::from_secs(9),
            freshness: Freshness::Quick,
        };
        assert_eq!(later.age(since), Duration::ZERO, "the clock was set back");
    }

    #[test]
    fn an_error_says_what_happened_and_then_what_to_do() {
        let (happened, next) = sentences("It broke. Mend it; then try again.");
        assert_eq!(happened, "It broke");
        assert_eq!(next.as_deref(), Some("Mend it; then try again"));
        assert_eq!(sentences("It broke."), ("It broke".to_owned(), None));
    }
}
