//! The recovery secret in the object that the PIN protects: read, written with
//! care for others' content, erased; each within a transaction of an action.

use piv_apdu::command::{GetData, PutData};
use piv_apdu::object::ObjectTag;
use piv_apdu::status::StatusWord;
use token_profile::{RecoveryError, RecoveryRecord};

use super::RecoverySecret;
use crate::failure::{ActionError, Aftermath};
use crate::session::Job;

const OBJECT: ObjectTag = ObjectTag::PRINTED_INFORMATION;

/// What is in the object.
pub(super) enum Kept {
    Nothing,
    /// A record of ours, or what is left of one.
    Ours(Result<RecoveryRecord, RecoveryError>),
    Foreign,
}

/// SELECT of the PIV application and GET DATA; the PIN has to be verified.
pub(super) fn read_record(job: &mut Job<'_>) -> Result<Kept, ActionError> {
    job.step("select-piv").select_piv()?;
    job.step("read-recovery");
    let content = match job.send(&GetData::new(OBJECT))? {
        Ok(content) => content,
        Err(StatusWord::FILE_NOT_FOUND) => return Ok(Kept::Nothing),
        Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED) => {
            return Err(ActionError::AuthenticationLost);
        }
        Err(status) => return Err(job.refused(status)),
    };
    Ok(match RecoveryRecord::decode(&content) {
        Err(RecoveryError::Empty) => Kept::Nothing,
        Err(RecoveryError::NotOurs) => Kept::Foreign,
        ours => Kept::Ours(ours),
    })
}

/// Refuses if there is content that is not ours; the PIN has to be verified.
pub(crate) fn leave_foreign_content(job: &mut Job<'_>) -> Result<(), ActionError> {
    match read_record(job)? {
        Kept::Foreign => Err(job.foreign_content(OBJECT)),
        Kept::Nothing | Kept::Ours(_) => Ok(()),
    }
}

/// Writes the secret to the token, which has to be authorised, and reads it
/// back. Content that is not ours is left alone.
pub(crate) fn write_record(job: &mut Job<'_>, secret: &RecoverySecret) -> Result<(), ActionError> {
    leave_foreign_content(job)?;
    put(job, "write-recovery", &secret.record.encode())?;
    match read_record(job)? {
        Kept::Ours(Ok(found)) if found == secret.record => Ok(()),
        _ => Err(job.not_confirmed("the recovery secret is not there as it was written")),
    }
}

/// Puts the one of these secrets that is of the kind that the token keeps in
/// its place; the PIN has to be verified. `false` if it keeps none of them.
pub(crate) fn replace_record(
    job: &mut Job<'_>,
    new: &[RecoverySecret],
) -> Result<bool, ActionError> {
    let Kept::Ours(Ok(kept)) = read_record(job)? else {
        return Ok(false);
    };
    match new.iter().find(|secret| secret.kind() == kept.kind()) {
        Some(secret) => write_record(job, secret).map(|()| true),
        None => Ok(false),
    }
}

pub(super) fn erase_record(job: &mut Job<'_>) -> Result<(), ActionError> {
    put(job, "erase-recovery", &[])?;
    match read_record(job)? {
        Kept::Nothing => Ok(()),
        _ => Err(job.not_confirmed("the recovery secret still is there")),
    }
}

fn put(job: &mut Job<'_>, step: &'static str, content: &[u8]) -> Result<(), ActionError> {
    job.risking(step, Aftermath::ObjectOldOrNew);
    job.demand(&PutData::new(OBJECT, content))
}
