//! Reaching the service.

use std::ffi::CString;

use pcsc::{Context, Scope};

use super::convert::guarded;
use crate::error::LinkError;

pub(super) fn establish() -> Result<Context, LinkError> {
    guarded(|| Context::establish(Scope::User))
}

pub(super) fn reader_names(context: &Context) -> Result<Vec<CString>, LinkError> {
    // The list may grow between asking for its length and fetching it.
    for _ in 0..3 {
        match guarded(|| context.list_readers_owned()) {
            Err(LinkError::Pcsc { code, .. }) if code == pcsc::Error::InsufficientBuffer as u32 => {
            }
            result => return result,
        }
    }
    guarded(|| context.list_readers_owned())
}
