//! How a command fails: a sentence, what to do next, and an exit code.

use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::json;
use crate::output::{self, Output};
use crate::text::{BAD, DIM, NAME, Text};

/// The kinds of failure that a script can tell apart, each with an exit code
/// (docs/exit-codes.md) and a name in JSON (docs/json.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// None of the others.
    Other,
    /// The command line is wrong.
    Usage,
    /// There are readers, but no token, or not the one that was named.
    NoToken,
    /// There is no reader, or not the one that was named.
    NoReader,
    /// The PC/SC service is not installed, not running or not reachable.
    ServiceUnavailable,
    /// Several tokens are present and none was named.
    SeveralTokens,
    /// The token was taken out, or reset, while it was used.
    TokenGone,
    /// The card answered a status word that means no.
    CardRefused,
    /// Another program holds the card, or the system does not let us in.
    AccessDenied,
    /// A PIN, PUK or key was sent and is wrong.
    Wrong,
    /// The PIN or the PUK is blocked.
    Blocked,
    /// It was not sent, since it would be of no use or of harm.
    NotSent,
    /// The token, or this software, cannot do it.
    Unavailable,
    /// The token's button was not pressed in time.
    NotPressed,
}

impl Kind {
    /// Every kind.
    #[cfg(test)]
    pub(crate) const ALL: [Kind; 14] = [
        Kind::Other,
        Kind::Usage,
        Kind::NoToken,
        Kind::NoReader,
        Kind::ServiceUnavailable,
        Kind::SeveralTokens,
        Kind::TokenGone,
        Kind::CardRefused,
        Kind::AccessDenied,
        Kind::Wrong,
        Kind::Blocked,
        Kind::NotSent,
        Kind::Unavailable,
        Kind::NotPressed,
    ];

    /// The program's exit code.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Kind::Other => 1,
            Kind::Usage => 2,
            Kind::NoToken => 3,
            Kind::NoReader => 4,
            Kind::ServiceUnavailable => 5,
            Kind::SeveralTokens => 6,
            Kind::TokenGone => 7,
            Kind::CardRefused => 8,
            Kind::AccessDenied => 9,
            Kind::Wrong => 10,
            Kind::Blocked => 11,
            Kind::NotSent => 12,
            Kind::Unavailable => 13,
            Kind::NotPressed => 14,
        }
    }

    /// The name in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Other => "other",
            Kind::Usage => "usage",
            Kind::NoToken => "no-token",
            Kind::NoReader => "no-reader",
            Kind::ServiceUnavailable => "service-unavailable",
            Kind::SeveralTokens => "several-tokens",
            Kind::TokenGone => "token-gone",
            Kind::CardRefused => "card-refused",
            Kind::AccessDenied => "access-denied",
            Kind::Wrong => "wrong",
            Kind::Blocked => "blocked",
            Kind::NotSent => "not-sent",
            Kind::Unavailable => "unavailable",
            Kind::NotPressed => "not-pressed",
        }
    }
}

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Whoever read our output has closed it; that is no failure.
    OutputClosed,
    /// Everything was said already; only the exit code is left.
    Reported(Kind),
    /// To be reported.
    Failed(Box<Report>),
}

/// What is reported of a failure.
#[derive(Debug)]
pub(crate) struct Report {
    /// What kind it is.
    pub(crate) kind: Kind,
    /// What happened: a sentence without a full stop.
    pub(crate) message: String,
    /// What can be done about it: a sentence.
    pub(crate) next: Option<String>,
    /// The reader, where there is one.
    pub(crate) reader: Option<String>,
    /// The card's status word, where there is one.
    pub(crate) status_word: Option<u16>,
    /// Tries left of the PIN or PUK that was wrong, where the card told.
    pub(crate) tries_left: Option<u8>,
    /// In what state an interrupted action left the token.
    pub(crate) aftermath: Option<&'static str>,
    /// The tokens that could be named instead.
    pub(crate) tokens: Vec<json::TokenName>,
}

/// What a command gives.
pub(crate) type Result<T = ()> = std::result::Result<T, Failure>;

impl Report {
    /// A failure of this kind; `message` says what happened.
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Report {
            kind,
            message: message.into(),
            next: None,
            reader: None,
            status_word: None,
            tries_left: None,
            aftermath: None,
            tokens: Vec::new(),
        }
    }

    /// A failure of this kind that tells itself: its first sentence says what happened,
    /// the rest what can be done.
    pub(crate) fn of(kind: Kind, error: &impl fmt::Display) -> Self {
        let (message, next) = token_manager::sentences(&error.to_string());
        let mut report = Report::new(kind, message);
        report.next = next;
        report
    }

    /// Adds what can be done about it.
    pub(crate) fn next(mut self, sentence: impl Into<String>) -> Self {
        self.next = Some(sentence.into());
        self
    }

    /// Adds the reader it happened in.
    pub(crate) fn in_reader(mut self, reader: impl Into<String>) -> Self {
        self.reader = Some(reader.into());
        self
    }

    /// As it stands in JSON.
    pub(crate) fn to_json(&self) -> json::ErrorBody {
        json::ErrorBody {
            kind: self.kind.name(),
            exit_code: self.kind.exit_code(),
            message: self.message.clone(),
            next: self.next.clone(),
            reader: self.reader.clone(),
            status_word: self.status_word.map(json::status_word),
            tries_left: self.tries_left,
            aftermath: self.aftermath,
            tokens: self.tokens.clone(),
        }
    }

    /// Writes it to stderr, as text or as a document.
    pub(crate) fn print(&self, output: &Output) {
        if output.json {
            output::stderr_document(&json::Document::new(json::ErrorReport {
                error: self.to_json(),
            }));
            return;
        }
        output.stderr_paragraph(&Text::styled("error: ", BAD), &Text::from(&self.message));
        for token in &self.tokens {
            output.stderr_paragraph(
                &Text::from("  "),
                &Text::styled(token.id.as_deref().unwrap_or("-"), NAME)
                    .plain(format!("  {}", token.name))
                    .then(format!("  in {}", token.reader), DIM),
            );
        }
        if let Some(next) = &self.next {
            output.stderr_paragraph(&Text::styled("  next: ", DIM), &Text::from(next));
        }
    }
}

impl Failure {
    /// Says it as a warning, where it is no reason to end.
    pub(crate) fn warn(&self, output: &Output) {
        let mut text = self.to_string();
        if let Failure::Failed(report) = self
            && let Some(next) = &report.next
        {
            text = format!("{text}. {next}");
        }
        output.warning(text);
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::OutputClosed => f.write_str("nobody reads the output"),
            Failure::Reported(kind) => f.write_str(kind.name()),
            Failure::Failed(report) => f.write_str(&report.message),
        }
    }
}

impl From<Report> for Failure {
    fn from(report: Report) -> Self {
        Failure::Failed(Box::new(report))
    }
}

/// Failing to write a result. Other input and output names its file in a
/// [`Report`] of its own.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Failure::OutputClosed
        } else {
            Report::new(
                Kind::Other,
                format!("the result could not be written: {error}"),
            )
            .into()
        }
    }
}

/// Reports a command's result and turns it into the exit code.
pub(crate) fn finish(result: Result, output: &Output) -> ExitCode {
    match result {
        Ok(()) | Err(Failure::OutputClosed) => ExitCode::SUCCESS,
        Err(Failure::Reported(kind)) => ExitCode::from(kind.exit_code()),
        Err(Failure::Failed(report)) => {
            report.print(output);
            ExitCode::from(report.kind.exit_code())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn exit_codes_and_names_are_unique() {
        let codes: BTreeSet<u8> = Kind::ALL.iter().map(|kind| kind.exit_code()).collect();
        let names: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(codes, (1..=14).collect());
        assert_eq!(names.len(), Kind::ALL.len());
    }

    #[test]
    fn documentation_names_every_kind() {
        let documentation = include_str!("../../../docs/exit-codes.md");
        for kind in Kind::ALL {
            let row = format!("| {} | `{}` |", kind.exit_code(), kind.name());
            assert!(documentation.contains(&row), "{row}");
        }
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let closed = io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(matches!(Failure::from(closed), Failure::OutputClosed));
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert!(matches!(Failure::from(full), Failure::Failed(_)));
    }
}
