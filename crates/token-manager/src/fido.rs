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
    /// Whether `info` is from memory. Which application it is does not change; that its PIN
    /// has to be changed, and for how many credentials it has room, may have.
    pub remembered: bool,
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

/// How long a new FIDO PIN may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FidoPinLengths {
    /// The fewest code points.
    pub minimum_characters: usize,
    /// The most bytes in UTF-8.
    pub maximum_bytes: usize,
}

/// What a FIDO application tells of whether it was erased along with its token: by its own
/// word before and after. Credentials themselves can't be looked for: to list them takes the
/// PIN, which is gone (CTAP 2.1, 6.8), and those that the token does not find by itself are
/// in no list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FidoErasure {
    /// There is no FIDO application.
    NotThere,
    /// Nobody looked: no document says whether tokens of this family have one, and what an
    /// erasure makes of it.
    NotLookedFor,
    /// It still has a PIN, and maybe credentials.
    PinKept,
    /// It has no PIN, and room for more discoverable credentials than before: those that
    /// took it up are gone.
    RoomGrown,
    /// The PIN that it had of its own is gone, with which by CTAP's rule (2.1, 6.6) all
    /// credentials go. Those were not read back, and its room has not grown, or is not told.
    PinGone,
    /// Nothing that it tells shows whether there were credentials, and are still: it had no
    /// PIN of its own before, and tells of no more room than before. So it is after an
    /// earlier run has erased the token, too, since there is nothing to compare with.
    NotTold,
}

/// What a FIDO application told before its token was erased.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct BeforeErasure {
    /// Whether it had a PIN of its own, and not PIV's.
    pub(crate) had_own_pin: bool,
    /// For how many more discoverable credentials it had room.
    pub(crate) room: Option<u64>,
}

impl FidoErasure {
    pub(crate) fn of(before: BeforeErasure, after: &FidoState) -> Self {
        let application = match after {
            FidoState::Absent => return Self::NotThere,
            FidoState::NotLookedFor => return Self::NotLookedFor,
            FidoState::Unreadable(_) => return Self::NotTold,
            FidoState::Present(application) => application,
        };
        let room = application.room();
        if application.pin.is_set() {
            Self::PinKept
        } else if before.room.is_some_and(|before| room > Some(before)) {
            Self::RoomGrown
        } else if before.had_own_pin {
            Self::PinGone
        } else {
            Self::NotTold
        }
    }

    /// A stable identifier for programs: `not-there`, `not-looked-for`, `pin-kept`,
    /// `room-grown`, `pin-gone`, `not-told`.
    pub fn id(self) -> &'static str {
        match self {
            Self::NotThere => "not-there",
            Self::NotLookedFor => "not-looked-for",
            Self::PinKept => "pin-kept",
            Self::RoomGrown => "room-grown",
            Self::PinGone => "pin-gone",
            Self::NotTold => "not-told",
        }
    }
}

impl FidoState {
    /// The application, if it is there and says what it is.
    pub fn application(&self) -> Option<&FidoApplication> {
        match self {
            Self::Present(application) => Some(application),
            _ => None,
        }
    }

    /// Whether it is known to have no try left for its PIN.
    pub(crate) fn is_blocked(&self) -> bool {
        let application = self.application();
        application.is_some_and(|application| application.pin == FidoPinState::Blocked)
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
    /// Whether the PIN has to be changed before it is of use, as far as it was asked now.
    pub fn wants_pin_change(&self) -> bool {
        !self.remembered && self.info.force_pin_change == Some(true)
    }

    /// For how many more discoverable credentials it has room at least (CTAP 2.1, 6.4).
    /// `None` if it does not tell, or was not asked now.
    pub fn room(&self) -> Option<u64> {
        let room = self.info.remaining_discoverable_credentials;
        room.filter(|_| !self.remembered)
    }

    /// How long a new PIN has to be at least, in code points, as the application says it.
    /// What holds for one that PIV shares is in
    /// [`Token::fido_pin_lengths`](crate::Token::fido_pin_lengths).
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
