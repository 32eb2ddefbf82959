//! What the card signs: authenticator data (`WebAuthn` 6.1) with the hash of the client data,
//! and the public key in it (COSE).

use minicbor::Encoder;
use piv_apdu::command::PublicKey;
use sha2::{Digest, Sha256};

use super::AAGUID;
use super::credential::{Credential, ES256};
use super::status::Status;
use crate::card::Card;
use crate::crypto::PrivateKey;

/// Flags of authenticator data.
pub(super) const USER_PRESENT: u8 = 0x01;
pub(super) const USER_VERIFIED: u8 = 0x04;
const ATTESTED: u8 = 0x40;

/// The flags of a command.
pub(super) fn flags(user_present: bool, user_verified: bool) -> u8 {
    let present = if user_present { USER_PRESENT } else { 0 };
    let verified = if user_verified { USER_VERIFIED } else { 0 };
    present | verified
}

/// Authenticator data, with the next number of the counter of signatures.
pub(super) fn data(card: &mut Card, rp_id_hash: &[u8], flags: u8) -> Vec<u8> {
    let signatures = card.state.fido.signatures.saturating_add(1);
    card.state.fido.signatures = signatures;
    card.mark_changed();
    let mut data = rp_id_hash.to_vec();
    data.push(flags);
    data.extend_from_slice(&signatures.to_be_bytes());
    data
}

/// Authenticator data that present a new credential.
pub(super) fn attested_data(
    card: &mut Card,
    rp_id_hash: &[u8],
    flags: u8,
    credential: &Credential,
) -> Result<Vec<u8>, Status> {
    let mut data = data(card, rp_id_hash, flags | ATTESTED);
    data.extend_from_slice(&AAGUID);
    let length = u16::try_from(credential.id.len()).map_err(|_| Status::Other)?;
    data.extend_from_slice(&length.to_be_bytes());
    data.extend_from_slice(&credential.id);
    let mut key = Encoder::new(data);
    encode_public_key(&mut key, &credential.key.public_key(), ES256)?;
    Ok(key.into_writer())
}

/// ECDSA over authenticator data and the hash of the client data, in DER.
pub(super) fn sign(
    card: &mut Card,
    key: &PrivateKey,
    data: &[u8],
    client_data_hash: &[u8],
) -> Result<Vec<u8>, Status> {
    let digest = Sha256::new()
        .chain_update(data)
        .chain_update(client_data_hash)
        .finalize();
    key.sign(&digest, &mut card.random)
        .map(|signature| signature.to_vec())
        .map_err(|_| Status::Other)
}

/// A public key on P-256.
pub(super) fn encode_public_key(
    encoder: &mut Encoder<Vec<u8>>,
    key: &PublicKey,
    algorithm: i64,
) -> Result<(), Status> {
    let PublicKey::Ecc { point } = key else {
        return Err(Status::Other);
    };
    let [0x04, coordinates @ ..] = point.as_slice() else {
        return Err(Status::Other);
    };
    let (x, y) = coordinates.split_at_checked(32).ok_or(Status::Other)?;
    encoder.map(5)?;
    encoder.i8(1)?.i8(2)?;
    encoder.i8(3)?.i64(algorithm)?;
    encoder.i8(-1)?.i8(1)?;
    encoder.i8(-2)?.bytes(x)?;
    encoder.i8(-3)?.bytes(y)?;
    Ok(())
}
