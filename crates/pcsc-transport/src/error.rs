//! What can go wrong between a program and a card, in two families: the link
//! ([`LinkError`]: service, reader, card there or not) and the exchange
//! ([`TransportError`]: the link, or a card that breaks the rules of
//! ISO 7816-4). What a card *says* is not an error here: a status word arrives
//! in a [`Response`](piv_apdu::apdu::Response).

use std::fmt;

use piv_apdu::apdu::EncodeError;
use piv_apdu::command::AnswerError;
use piv_apdu::sm::SmError;

/// A process that has the PC/SC library or service open, and so may be the one
/// that holds a reader.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// The program's name as the system gives it (Linux: `/proc/<pid>/comm`).
    pub name: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.pid)
    }
}

/// A failure of the link: the service, the reader, or the card's presence.
///
/// After any of these the security state of the card (PIN verified, keys
/// authenticated) must be taken as unknown; after [`LinkError::Reset`] and
/// [`LinkError::Removed`] it is certainly gone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// No PC/SC service can be reached (`SCARD_E_NO_SERVICE`).
    #[error("the PC/SC service cannot be reached. {}", service_hint())]
    ServiceUnavailable,
    /// The PC/SC service ended while it was used (`SCARD_E_SERVICE_STOPPED`).
    #[error(
        "the PC/SC service has stopped; the state of the card is unknown. {}",
        service_hint()
    )]
    ServiceStopped,
    /// There is no reader of that name.
    #[error("there is no reader named \"{}\"; list the readers and use one of their names", reader.escape_debug())]
    NoSuchReader {
        /// The name that was asked for.
        reader: String,
    },
    /// The reader holds no card.
    #[error("there is no card in the reader \"{}\"; insert one and try again", reader.escape_debug())]
    NoCard {
        /// The reader's name.
        reader: String,
    },
    /// The card or the reader was taken away while it was used, and maybe another
    /// card was put in. Whether the last command was carried out is unknown.
    #[error("the card was removed; insert it again and start over")]
    Removed,
    /// The card was reset while it was used, by another program or by a loss
    /// of power. Selected applet and verified PINs are gone; the command that
    /// met the reset was not repeated.
    #[error(
        "the card was reset by another program or lost power; nothing was sent again. Start over"
    )]
    Reset,
    /// The card does not answer to power-on (`SCARD_W_UNRESPONSIVE_CARD`), or
    /// is without power.
    #[error(
        "the card does not respond; it may be upside down, dirty or not a smart card. Take it out and insert it again"
    )]
    Unresponsive,
    /// Someone else holds the reader exclusively, or exclusive access was asked
    /// for while others use it.
    #[error("the reader \"{}\" is held by another program{}", reader.escape_debug(), HoldersSentence(holders))]
    SharingViolation {
        /// The reader's name.
        reader: String,
        /// Processes that may be holding it, best effort; empty where the
        /// system does not tell.
        holders: Vec<Holder>,
    },
    /// The system does not let this user at the service or the reader.
    #[error(
        "access to the card was denied by the system (on Linux: the polkit rules of pcscd); ask for the right to use smart cards, or run in a local session"
    )]
    AccessDenied,
    /// The reader could not carry out the exchange (`SCARD_E_NOT_TRANSACTED`).
    /// Whether the card saw the command is unknown.
    #[error(
        "the reader failed to pass the command on or the answer back; whether the card carried it out is unknown"
    )]
    NotTransacted,
    /// The operation took longer than it may.
    #[error("the card or the reader did not answer in time")]
    Timeout,
    /// The reader has no PIN pad, or none that can do what was asked; nothing was
    /// sent to the card.
    #[error("the reader has no PIN pad that can do this; nothing was sent to the card")]
    NoPinPad,
    /// The operation was cancelled on request.
    #[error("the operation was cancelled")]
    Cancelled,
    /// Card and reader have no protocol in common that this library speaks.
    #[error("the card and the reader \"{}\" agree on neither T=0 nor T=1", reader.escape_debug())]
    ProtocolMismatch {
        /// The reader's name.
        reader: String,
    },
    /// An operation came at a time it cannot: a command outside of a
    /// transaction, or a second `begin`.
    #[error("a card link was used out of order: {0}")]
    OutOfOrder(&'static str),
    /// Another answer of the PC/SC service.
    #[error("PC/SC: {message} (0x{code:08X})")]
    Pcsc {
        /// The PC/SC return code; 0 where the binding did not give it.
        code: u32,
        /// What the code means.
        message: String,
    },
    /// Reading or writing a file, a socket or a trace failed.
    #[error("input or output failed: {0}")]
    Io(#[from] std::io::Error),
    /// A replayed trace does not fit what was asked of it.
    #[error(transparent)]
    Replay(#[from] crate::trace::ReplayError),
    /// A failure of an in-process backend, in its own words.
    #[error("{0}")]
    Backend(String),
}

impl LinkError {
    /// True if the card itself is gone or its session is: everything that was
    /// selected or verified is lost.
    pub fn is_session_lost(&self) -> bool {
        matches!(
            self,
            LinkError::Reset
                | LinkError::Removed
                | LinkError::NoCard { .. }
                | LinkError::NoSuchReader { .. }
                | LinkError::Unresponsive
                | LinkError::ServiceStopped
                | LinkError::ServiceUnavailable
        )
    }

    /// True if the PC/SC service is not there (never started, or stopped).
    pub fn is_service_gone(&self) -> bool {
        matches!(
            self,
            LinkError::ServiceUnavailable | LinkError::ServiceStopped
        )
    }
}

struct HoldersSentence<'a>(&'a [Holder]);

impl fmt::Display for HoldersSentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("; close programs that use smart cards (gpg's scdaemon, a browser, the desktop's smart card service) and try again"),
            [one] => write!(f, ", maybe {one}; close it and try again"),
            [first, rest @ ..] => {
                write!(f, ", maybe one of: {first}")?;
                for holder in rest {
                    write!(f, ", {holder}")?;
                }
                f.write_str("; close it and try again")
            }
        }
    }
}

/// How the PC/SC service is started on this system, as a sentence.
pub fn service_hint() -> &'static str {
    if cfg!(target_os = "windows") {
        "Start the Windows service \"Smart Card\" (SCardSvr) and check that a reader is plugged in: the service runs only while there is one"
    } else if cfg!(target_os = "macos") {
        "PC/SC is part of macOS and starts when a reader is plugged in; check the reader, or restart the computer"
    } else {
        "Start it with `sudo systemctl start pcscd.socket`, or where there is no systemd with `sudo pcscd -f`; on Debian and Ubuntu it comes with `sudo apt install pcscd`"
    }
}

/// A failed exchange: the link failed, the command cannot be put into bytes, or
/// the card broke the rules of the protocol.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The link failed.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The command has no encoding; nothing was sent.
    #[error("the command cannot be encoded, nothing was sent: {0}")]
    Encode(#[from] EncodeError),
    /// The card's answer has fewer than the two bytes of a status word.
    #[error(
        "the card answered {len} bytes, less than a status word; it is broken or not an ISO 7816 card"
    )]
    MalformedResponse {
        /// Bytes received: 0 or 1.
        len: usize,
    },
    /// The card announced more and more data; what it sent was thrown away.
    #[error(
        "the card's answer is longer than {limit} bytes and was cut off; the card is broken or hostile"
    )]
    ResponseTooLong {
        /// The most bytes of data that one exchange may return.
        limit: usize,
    },
    /// One command took more round-trips than any honest answer needs.
    #[error(
        "the card kept one command going for more than {limit} round-trips; the card is broken or hostile"
    )]
    TooManySteps {
        /// The most round-trips that one exchange may take.
        limit: usize,
    },
    /// The card announces data (61xx) or another length (6Cxx) and then gives
    /// nothing.
    #[error(
        "the card announces data with status {status} and does not give it; the card is broken or hostile"
    )]
    NoProgress {
        /// The status word it stays at.
        status: piv_apdu::status::StatusWord,
    },
    /// A PIN, PUK, pairing code or key would have gone over a contactless reader
    /// without secure messaging. Nothing was sent.
    #[error(
        "a PIN is never sent through the air in the clear; nothing was sent. Put the token into a contact reader or plug it in, or use it with secure messaging, if it has that"
    )]
    InTheClear,
    /// The session of secure messaging has failed and is over. Whether the card has
    /// carried out the command is unknown.
    #[error(transparent)]
    Secure(#[from] SmError),
}

/// A typed command that failed: on the way, or with what the card answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The exchange failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The card refused (status word), or its answer is malformed.
    #[error(transparent)]
    Answer(#[from] AnswerError),
}

impl From<LinkError> for SendError {
    fn from(error: LinkError) -> Self {
        SendError::Transport(TransportError::Link(error))
    }
}
