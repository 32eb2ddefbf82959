//! What can go wrong, in two families: errors that end a load, and reasons why
//! one part of a token could not be read while the rest could.

use std::time::Duration;

use ctap_apdu::status::CtapStatus;
use pcsc_transport::LinkError;
use piv_apdu::atr::Atr;
use piv_apdu::status::StatusWord;

/// Why a whole load ended without a [`Token`](crate::Token).
///
/// Loading only reads: no PIN try is ever spent, nothing on the token is
/// changed, and after any of these errors the load can simply be run again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The card refused to select the PIV application, and its ATR is not that
    /// of a known family either: this is some other kind of card.
    #[error(
        "the card in {reader:?} is not a PIV card: it refused to select the PIV application \
         ({status}). Nothing was changed on it; use another token, or another reader"
    )]
    NotAPivCard {
        /// The reader's name.
        reader: String,
        /// The card's answer to reset.
        atr: Atr,
        /// What it answered to SELECT.
        status: StatusWord,
    },
    /// What answered SELECT with success did not act like a PIV card at all:
    /// the answer could not be read as a response APDU.
    #[error(
        "the card in {reader:?} did not answer SELECT of the PIV application in a way that can be \
         read ({detail}). Nothing was changed on it; take it out, put it back and try again"
    )]
    NoSelectAnswer {
        /// The reader's name.
        reader: String,
        /// What was wrong with the answer.
        detail: String,
    },
    /// The connection to the card failed: removed, service gone, held by
    /// another program and so on.
    #[error("while reading the token in {reader:?}: {source}")]
    Link {
        /// The reader's name.
        reader: String,
        /// What the link said, with its own advice.
        source: LinkError,
    },
    /// The card was reset in the middle of a load, and again while the load
    /// was repeated from its beginning.
    #[error(
        "the token in {reader:?} was reset twice while it was being read, most likely by another \
         program. Nothing was changed on it; close the other program or try again"
    )]
    ResetAgain {
        /// The reader's name.
        reader: String,
    },
    /// The token did not give its whole content within
    /// [`LoadOptions::timeout`](crate::LoadOptions::timeout).
    #[error(
        "the token in {reader:?} was not read completely within {} s. Nothing was changed on it; \
         try again, or allow more time", after.as_secs_f32()
    )]
    Timeout {
        /// The reader's name.
        reader: String,
        /// The time that was allowed.
        after: Duration,
    },
    /// The caller has given it up
    /// ([`LoadOptions::with_cancel`](crate::LoadOptions::with_cancel), or a
    /// [`LoadAll`](crate::LoadAll) that was dropped).
    #[error(
        "reading the token in {reader:?} was cancelled. Nothing was changed on it; it can be read \
         again"
    )]
    Cancelled {
        /// The reader's name.
        reader: String,
    },
    /// The thread that read this token ended without a result, which means
    /// that the reader's backend panicked. The other tokens are not concerned.
    #[error(
        "reading the token in {reader:?} stopped without a result. This is a fault of the program, \
         not of the token; please report it"
    )]
    Aborted {
        /// The reader's name.
        reader: String,
    },
}

impl LoadError {
    /// The reader in which this happened.
    pub fn reader(&self) -> &str {
        match self {
            Self::NotAPivCard { reader, .. }
            | Self::NoSelectAnswer { reader, .. }
            | Self::Link { reader, .. }
            | Self::ResetAgain { reader }
            | Self::Timeout { reader, .. }
            | Self::Cancelled { reader }
            | Self::Aborted { reader } => reader,
        }
    }
}

/// Why one part of a token could not be read. The rest of the token is there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// The card refused with this status word.
    #[error("the card refused: {0}")]
    Refused(StatusWord),
    /// The card answered, but the answer is not what the standard or the
    /// vendor's documentation describes.
    #[error("the card's answer could not be understood: {0}")]
    Malformed(String),
    /// The card kept answering without an end that this program would wait
    /// for, or broke the rules of ISO 7816-4; the exchange was given up.
    #[error("the exchange with the card was given up: {0}")]
    GivenUp(String),
    /// The card's FIDO application refused with this CTAP status code.
    #[error("the FIDO application refused: {0}")]
    Ctap(CtapStatus),
    /// It was not asked for, or could not have been told, for this reason.
    #[error("{0}")]
    NotTold(&'static str),
}

/// A part of a token that a load asks for besides objects, keys and
/// certificates, which carry their own state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Part {
    /// The serial number in the card's production data (CPLC).
    Serial,
    /// The access control applet's SELECT answer (applet family and version).
    AccessControlApplet,
    /// The PIN properties kept by the access control applet.
    PinProperties,
    /// The list of containers (GET PIV PROPERTIES).
    PivProperties,
    /// The PIV application's SELECT answer.
    PivApplication,
    /// What the FIDO application says of itself.
    Fido,
}

impl Part {
    /// What this part is called in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Serial => "the serial number",
            Self::AccessControlApplet => "the access control applet's version",
            Self::PinProperties => "the PIN properties",
            Self::PivProperties => "the list of containers",
            Self::PivApplication => "the PIV application's description",
            Self::Fido => "what the FIDO application says of itself",
        }
    }
}

/// A part that could not be read, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} could not be read: {why}", part.name())]
#[non_exhaustive]
pub struct Problem {
    /// What could not be read.
    pub part: Part,
    /// Why not.
    pub why: Unreadable,
}

impl Problem {
    pub(crate) fn new(part: Part, why: Unreadable) -> Self {
        Self { part, why }
    }
}
