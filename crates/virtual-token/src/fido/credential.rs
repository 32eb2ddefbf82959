//! Credentials: their identifiers, their keys, and which one is meant.
//!
//! A key is not kept. It follows from the card's master key, the identifier and the relying
//! party; the identifier has a checksum, so that the card knows its own. That of a
//! discoverable credential counts only while the card has the credential.

use minicbor::{Decoder, Encoder};
use subtle::ConstantTimeEq;

use super::cbor::{self, Key};
use super::pin_protocol::hmac_sha_256;
use super::state::MASTER_KEY;
use super::status::Status;
use crate::card::Card;
use crate::crypto::PrivateKey;
use crate::state::SecretBytes;

/// An identifier: what kind of credential it is, a number, a checksum.
const KIND: usize = 1;
const NUMBER: usize = 32;
const CHECKSUM: usize = 16;
pub(super) const ID: usize = KIND + NUMBER + CHECKSUM;

/// What is derived from the master key.
const FOR_CHECKSUM: u8 = 0x00;
const FOR_KEY: u8 = 0x01;

/// ECDSA on P-256 with SHA-256 (COSE).
pub(super) const ES256: i64 = -7;
/// The one type of credential there is.
pub(super) const PUBLIC_KEY: &str = "public-key";

/// Whether the card finds a credential by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    ByIdentifier = 0,
    Discoverable = 1,
}

/// A credential in use.
pub(super) struct Credential {
    pub(super) id: Vec<u8>,
    pub(super) key: PrivateKey,
}

impl Credential {
    /// A new one for a relying party.
    pub(super) fn make(card: &mut Card, kind: Kind, rp_id_hash: &[u8]) -> Result<Self, Status> {
        let master_key = master_key(card);
        // One number in four thousand million is no key on the curve.
        loop {
            let number = card.random_bytes(NUMBER);
            let mut id = vec![kind as u8];
            id.extend_from_slice(&number);
            if let Some(key) = derive_key(&master_key, &id, rp_id_hash)? {
                let checksum = derive(&master_key, FOR_CHECKSUM, &id, rp_id_hash)?;
                id.extend_from_slice(&checksum[..CHECKSUM]);
                return Ok(Credential { id, key });
            }
        }
    }

    /// The card's credential of this identifier for this relying party, if there is one.
    pub(super) fn open(card: &Card, id: &[u8], rp_id_hash: &[u8]) -> Result<Option<Self>, Status> {
        let fido = &card.state.fido;
        let Some(master_key) = &fido.master_key else {
            return Ok(None);
        };
        let Some((body, checksum)) = id.split_at_checked(KIND + NUMBER) else {
            return Ok(None);
        };
        let expected = derive(master_key, FOR_CHECKSUM, body, rp_id_hash)?;
        if !bool::from(expected[..CHECKSUM].ct_eq(checksum)) {
            return Ok(None);
        }
        let is_kept = fido.credentials.iter().any(|kept| kept.id.0 == id);
        if body.first() == Some(&(Kind::Discoverable as u8)) && !is_kept {
            return Ok(None);
        }
        let key = derive_key(master_key, body, rp_id_hash)?;
        Ok(key.map(|key| Credential {
            id: id.to_vec(),
            key,
        }))
    }
}

fn master_key(card: &mut Card) -> SecretBytes {
    if let Some(key) = &card.state.fido.master_key {
        return key.clone();
    }
    let key = SecretBytes::new(&card.random_bytes(MASTER_KEY));
    card.state.fido.master_key = Some(key.clone());
    card.mark_changed();
    key
}

fn derive(
    master_key: &SecretBytes,
    purpose: u8,
    id: &[u8],
    rp_id_hash: &[u8],
) -> Result<zeroize::Zeroizing<[u8; 32]>, Status> {
    hmac_sha_256(master_key.as_slice(), &[&[purpose], id, rp_id_hash])
}

fn derive_key(
    master_key: &SecretBytes,
    id: &[u8],
    rp_id_hash: &[u8],
) -> Result<Option<PrivateKey>, Status> {
    let number = derive(master_key, FOR_KEY, id, rp_id_hash)?;
    Ok(p256::SecretKey::from_slice(&*number)
        .ok()
        .map(PrivateKey::P256))
}

/// The identifiers in a list of credential descriptors. Those of an unknown type name
/// nothing.
pub(super) fn decode_list<'b>(decoder: &mut Decoder<'b>) -> Result<Vec<&'b [u8]>, Status> {
    let mut ids = Vec::new();
    cbor::array(decoder, |item| {
        let (mut id, mut kind) = (None, None);
        cbor::map(item, |key, value| {
            match key {
                Key::Text("id") => id = Some(value.bytes()?),
                Key::Text("type") => kind = Some(value.str()?),
                _ => value.skip()?,
            }
            Ok(())
        })?;
        let id = id.ok_or(Status::MissingParameter)?;
        if kind.ok_or(Status::MissingParameter)? == PUBLIC_KEY {
            ids.push(id);
        }
        Ok(())
    })?;
    Ok(ids)
}

/// A credential descriptor.
pub(super) fn encode_descriptor(encoder: &mut Encoder<Vec<u8>>, id: &[u8]) -> Result<(), Status> {
    encoder.map(2)?;
    encoder.str("id")?.bytes(id)?;
    encoder.str("type")?.str(PUBLIC_KEY)?;
    Ok(())
}
