//! From the `pcsc` crate's values to this crate's.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pcsc::State;
use piv_apdu::atr::Atr;

use crate::backend::{CardPresence, ReaderState};
use crate::error::LinkError;
use crate::link::Protocol;

/// Calls PC/SC. Return codes that the `pcsc` crate does not know make it panic
/// in debug builds; that becomes an error here.
pub(super) fn guarded<T>(call: impl FnOnce() -> Result<T, pcsc::Error>) -> Result<T, LinkError> {
    // The values behind the call are handles; after a panic in the conversion
    // of a return code they are as good as before.
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(link_error),
        Err(_) => Err(unknown_code()),
    }
}

pub(super) fn unknown_code() -> LinkError {
    LinkError::Pcsc {
        code: 0,
        message: "the service returned a code that the PC/SC specification does not have".into(),
    }
}

/// An error as the link reports it. Reader names are not known here: see
/// [`at_reader`].
pub(super) fn link_error(error: pcsc::Error) -> LinkError {
    use pcsc::Error;
    match error {
        Error::NoService => LinkError::ServiceUnavailable,
        Error::ServiceStopped | Error::Shutdown => LinkError::ServiceStopped,
        Error::UnknownReader => LinkError::NoSuchReader {
            reader: String::new(),
        },
        Error::NoSmartcard => LinkError::NoCard {
            reader: String::new(),
        },
        Error::RemovedCard | Error::ReaderUnavailable => LinkError::Removed,
        Error::ResetCard => LinkError::Reset,
        Error::UnresponsiveCard | Error::UnpoweredCard => LinkError::Unresponsive,
        Error::SharingViolation => LinkError::SharingViolation {
            reader: String::new(),
            holders: Vec::new(),
        },
        Error::SecurityViolation | Error::NoAccess => LinkError::AccessDenied,
        Error::NotTransacted => LinkError::NotTransacted,
        Error::Timeout | Error::WaitedTooLong => LinkError::Timeout,
        Error::Cancelled | Error::SystemCancelled | Error::CancelledByUser => LinkError::Cancelled,
        Error::ProtoMismatch => LinkError::ProtocolMismatch {
            reader: String::new(),
        },
        other => LinkError::Pcsc {
            code: other as u32,
            message: other.to_string(),
        },
    }
}

/// Adds the reader's name, and who may be holding it, to an error.
pub(super) fn at_reader(error: LinkError, name: &str) -> LinkError {
    let reader = name.to_owned();
    match error {
        LinkError::NoSuchReader { .. } => LinkError::NoSuchReader { reader },
        LinkError::NoCard { .. } => LinkError::NoCard { reader },
        LinkError::ProtocolMismatch { .. } => LinkError::ProtocolMismatch { reader },
        LinkError::SharingViolation { .. } => LinkError::SharingViolation {
            reader,
            holders: super::holders(),
        },
        other => other,
    }
}

/// An error of a connection that was there before: what is not found now has
/// gone away.
pub(super) fn in_use(error: LinkError) -> LinkError {
    match error {
        LinkError::NoSuchReader { .. } | LinkError::NoCard { .. } => LinkError::Removed,
        LinkError::ServiceUnavailable => LinkError::ServiceStopped,
        LinkError::Pcsc { code, .. } if code == pcsc::Error::InvalidHandle as u32 => {
            // The handle was good: the service has been started anew since.
            LinkError::ServiceStopped
        }
        other => other,
    }
}

pub(super) fn protocol(protocol: Option<pcsc::Protocol>) -> Protocol {
    match protocol {
        Some(pcsc::Protocol::T0) => Protocol::T0,
        Some(pcsc::Protocol::T1) => Protocol::T1,
        Some(pcsc::Protocol::RAW) | None => Protocol::Other,
    }
}

/// A reader's state; who holds a card exclusively is left open.
pub(super) fn reader_state(state: &pcsc::ReaderState) -> ReaderState {
    let name = state.name().to_string_lossy().into_owned();
    let event = state.event_state();
    if event.intersects(State::UNAVAILABLE | State::UNKNOWN | State::IGNORE) {
        return ReaderState::new(name, CardPresence::Unavailable);
    }
    let atr = Atr::parse(state.atr()).ok();
    let card = if !event.contains(State::PRESENT) {
        CardPresence::Empty
    } else if event.contains(State::EXCLUSIVE) {
        CardPresence::InUseExclusively {
            atr,
            holders: Vec::new(),
        }
    } else {
        match atr {
            Some(atr) if !event.contains(State::MUTE) => CardPresence::Present { atr },
            _ => CardPresence::Mute,
        }
    };
    // The count is the high word of the event state.
    #[allow(clippy::cast_possible_truncation)] // 16 bits by the crate's own mask
    let count = state.event_count() as u16;
    ReaderState::new(name, card).with_event_count(count)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)] // a panic is what is caught

    use super::*;

    #[test]
    fn a_panic_in_the_binding_is_an_error() {
        let result: Result<(), LinkError> = guarded(|| panic!("unknown PCSC error code: 0x16"));
        assert!(matches!(result, Err(LinkError::Pcsc { code: 0, .. })));
    }

    #[test]
    fn errors_name_the_reader() {
        let error = at_reader(link_error(pcsc::Error::NoSmartcard), "Reader 1");
        assert!(matches!(&error, LinkError::NoCard { reader } if reader == "Reader 1"));
        assert!(error.to_string().contains("Reader 1"));
    }

    #[test]
    fn what_vanishes_in_use_was_removed_or_stopped() {
        let now = |error| in_use(link_error(error));
        assert!(matches!(now(pcsc::Error::NoSmartcard), LinkError::Removed));
        assert!(matches!(
            now(pcsc::Error::UnknownReader),
            LinkError::Removed
        ));
        assert!(matches!(
            now(pcsc::Error::NoService),
            LinkError::ServiceStopped
        ));
        assert!(matches!(
            now(pcsc::Error::InvalidHandle),
            LinkError::ServiceStopped
        ));
        assert!(matches!(now(pcsc::Error::ResetCard), LinkError::Reset));
    }

    #[test]
    fn other_codes_keep_their_number() {
        let LinkError::Pcsc { code, .. } = link_error(pcsc::Error::CommError) else {
            panic!("not a code");
        };
        assert_eq!(code, 0x8010_0013);
    }
}
