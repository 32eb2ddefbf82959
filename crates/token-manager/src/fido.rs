//! The FIDO application of a token: what it says of itself, and the state of its PIN.

use std::fmt;

use ctap_apdu::Info;
use ctap_apdu::client_pin::PinRetries;

use crate::capability::{Reason, Said};
use crate::error::Unreadable;

/// What is known of a token's FIDO application.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FidoState {
    /// Nobody looked: no token of this family is known to have one.
    NotLookedFor,
    /// There is none (6A82).
    Absent,
    /// It is there.
    Present(Box<FidoApplication>),
    /// It is there, or may be, and does not say what it is.
    Unreadable(Unreadable),
}

/// A FIDO application, as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FidoApplication {
    /// Its answer to authenticatorGetInfo (CTAP 2.1, 6.4). Texts are as the card has
    /// them.
    pub info: Info,
    /// The state of its PIN.
    pub pin: FidoPinState,
}

/// The state of a FIDO PIN.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FidoPinState {
    /// The authenticator has no PIN, and takes none.
    NotSupported,
    /// There is none yet.
    NotSet,
    /// So many tries are left, at least one.
    TriesLeft(u8),
    /// Three in a row were wrong: no try is taken before the token was without power.
    PowerCycleNeeded {
        /// Tries left after that.
        tries_left: u8,
    },
    /// No try is left.
    Blocked,
    /// Nobody knows, for this reason; or only its tries are not known.
    Unknown(Unreadable),
}

impl FidoState {
    /// The application, if it is there and says what it is.
    pub fn application(&self) -> Option<&FidoApplication> {
        match self {
            Self::Present(application) => Some(application),
            _ => None,
        }
    }

    /// The PIN's state as an action found it.
    pub(crate) fn note_pin(&mut self, state: FidoPinState) {
        if let Self::Present(application) = self {
            application.pin = state;
        }
    }

    /// There is a new PIN, with which a forced change is done.
    pub(crate) fn note_new_pin(&mut self, state: FidoPinState) {
        if let Self::Present(application) = self {
            let info = &mut application.info;
            info.options.insert("clientPin".to_owned(), true);
            info.force_pin_change = info.force_pin_change.map(|_| false);
        }
        self.note_pin(state);
    }

    /// A stable identifier for programs: `not-looked-for`, `absent`, `present`,
    /// `unreadable`.
    pub fn id(&self) -> &'static str {
        match self {
            Self::NotLookedFor => "not-looked-for",
            Self::Absent => "absent",
            Self::Present(_) => "present",
            Self::Unreadable(_) => "unreadable",
        }
    }

    pub(crate) fn said(&self) -> Said {
        match self {
            Self::NotLookedFor => Said::Nothing(Reason::NotProbed),
            Self::Absent => Said::No(Reason::NotAnnounced),
            Self::Present(_) => Said::Yes,
            Self::Unreadable(_) => Said::Nothing(Reason::CouldNotRead),
        }
    }
}

impl FidoApplication {
    /// Whether the PIN has to be changed before it is of use.
    pub fn wants_pin_change(&self) -> bool {
        self.info.force_pin_change == Some(true)
    }

    /// How long a new PIN has to be at least, in code points. At most it has
    /// [`FidoPin::MAX_BYTES`](ctap_apdu::FidoPin::MAX_BYTES) bytes in UTF-8.
    pub fn min_pin_length(&self) -> usize {
        self.info.min_pin_length()
    }
}

impl FidoPinState {
    /// What the answer to getPINRetries means.
    pub(crate) fn from_retries(retries: PinRetries) -> Self {
        match (retries.left, retries.power_cycle_needed) {
            (0, _) => Self::Blocked,
            (tries_left, Some(true)) => Self::PowerCycleNeeded { tries_left },
            (left, _) => Self::TriesLeft(left),
        }
    }

    /// Whether there is a PIN.
    pub fn is_set(&self) -> bool {
        !matches!(self, Self::NotSupported | Self::NotSet)
    }

    /// Tries left, if they are known.
    pub fn tries_left(&self) -> Option<u8> {
        match self {
            Self::TriesLeft(left) | Self::PowerCycleNeeded { tries_left: left } => Some(*left),
            Self::Blocked => Some(0),
            Self::NotSupported | Self::NotSet | Self::Unknown(_) => None,
        }
    }

    /// A stable identifier for programs: `not-supported`, `not-set`, `tries-left`,
    /// `power-cycle-needed`, `blocked`, `unknown`.
    pub fn id(&self) -> &'static str {
        match self {
            Self::NotSupported => "not-supported",
            Self::NotSet => "not-set",
            Self::TriesLeft(_) => "tries-left",
            Self::PowerCycleNeeded { .. } => "power-cycle-needed",
            Self::Blocked => "blocked",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// As a person reads it: `8 tries left`.
impl fmt::Display for FidoPinState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSupported => f.write_str("it has no PIN"),
            Self::NotSet => f.write_str("no PIN is set"),
            Self::TriesLeft(1) => f.write_str("1 try left"),
            Self::TriesLeft(left) => write!(f, "{left} tries left"),
            Self::PowerCycleNeeded { tries_left } => write!(
                f,
                "{tries_left} tries left, and none before the token was taken out and put back"
            ),
            Self::Blocked => {
                f.write_str("blocked; only a reset, which erases all FIDO credentials, helps")
            }
            Self::Unknown(why) => write!(f, "unknown: {why}"),
        }
    }
}
