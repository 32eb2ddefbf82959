//! What registering and authenticating have in common: options, the hash of the client data.

use minicbor::Decoder;

use super::cbor::{self, Key};
use super::status::Status;
use super::token::Proof;

/// What is not given has the standard's default.
#[derive(Default)]
pub(super) struct Options {
    pub(super) rk: Option<bool>,
    pub(super) up: Option<bool>,
    pub(super) uv: Option<bool>,
}

impl Options {
    pub(super) fn decode(decoder: &mut Decoder<'_>) -> Result<Self, Status> {
        let mut options = Options::default();
        cbor::map(decoder, |key, value| {
            match key {
                Key::Text("rk") => options.rk = Some(value.bool()?),
                Key::Text("up") => options.up = Some(value.bool()?),
                Key::Text("uv") => options.uv = Some(value.bool()?),
                _ => value.skip()?,
            }
            Ok(())
        })?;
        Ok(options)
    }

    /// There is no way to verify the user but the PIN, which a proof stands for.
    pub(super) fn check_verification(&self, proof: &Proof<'_>) -> Result<(), Status> {
        if self.uv == Some(true) && proof.signature.is_none() {
            return Err(Status::InvalidOption);
        }
        Ok(())
    }
}

/// The hash of the client data, which is SHA-256.
pub(super) fn client_data_hash(given: Option<&[u8]>) -> Result<&[u8], Status> {
    let hash = given.ok_or(Status::MissingParameter)?;
    if hash.len() == 32 {
        Ok(hash)
    } else {
        Err(Status::InvalidLength)
    }
}
