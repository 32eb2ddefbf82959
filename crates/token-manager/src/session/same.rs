//! Whether the token in the reader still is the one that was read.

use crescendo_ext::cplc::{GetCplc, SelectIsd};
use piv_apdu::command::GetData;
use piv_apdu::object::{Chuid, DataObject as _, Guid, ObjectTag};

use super::job::Job;
use crate::failure::{ActionError, Aftermath, NotSent};
use crate::token::TokenIdentity;

/// Compares what tells a token from others, after a reset that may have been an
/// exchange, and before a secret is sent: on a Crescendo SELECT of the issuer
/// security domain and GET CPLC, then SELECT of the PIV application and GET DATA of
/// the CHUID if a GUID was read there. A token that has neither serial number nor
/// GUID is not taken for the same one.
pub(super) fn check(job: &mut Job<'_>, known: &TokenIdentity) -> Result<(), ActionError> {
    if known.serial.is_none() && known.guid.is_none() {
        return Err(NotSent::MayBeOtherToken.into());
    }
    job.at("same-token", Aftermath::Unchanged);
    let same_serial = known.serial.is_none() || serial(job)? == known.serial;
    if !same_serial || known.guid.is_some() && guid(job)? != known.guid {
        return Err(NotSent::OtherToken.into());
    }
    job.at("begin", Aftermath::Unchanged);
    Ok(())
}

fn serial(job: &mut Job<'_>) -> Result<Option<String>, ActionError> {
    if job.ask(&SelectIsd)?.is_none() {
        return Ok(None);
    }
    Ok(job.ask(&GetCplc)?.map(|data| data.serial()))
}

fn guid(job: &mut Job<'_>) -> Result<Option<Guid>, ActionError> {
    job.select_piv()?;
    let content = job.ask(&GetData::new(ObjectTag::CHUID))?;
    Ok(content
        .and_then(|content| Chuid::decode(&content).ok())
        .map(|chuid| chuid.guid))
}
