//! authenticatorMakeCredential (CTAP 2.1, 6.1).

use minicbor::{Decoder, Encoder};
use sha2::{Digest, Sha256};

use super::attestation;
use super::cbor::{self, Key};
use super::credential::{self, Credential, ES256, Kind, PUBLIC_KEY};
use super::pin;
use super::request::{Options, client_data_hash};
use super::state::{CAPACITY, DiscoverableCredential, User};
use super::status::Status;
use super::token::{self, MAKE_CREDENTIAL, Proof};
use crate::card::Card;
use crate::state::Bytes;

/// Bytes of the longest name of a relying party; a domain name is shorter.
const RP_ID_LIMIT: usize = 255;
/// Bytes of the longest identifier of a user (`WebAuthn` 5.4.3).
const USER_ID_LIMIT: usize = 64;
/// Bytes that are kept of a user's names, at least (CTAP 2.1, 6.1.2).
const NAME_LIMIT: usize = 64;

#[derive(Default)]
struct Request<'b> {
    client_data_hash: Option<&'b [u8]>,
    rp_id: Option<&'b str>,
    user: Option<User>,
    /// Whether an algorithm that the card has is among those that may be.
    has_algorithm: Option<bool>,
    exclude: Vec<&'b [u8]>,
    options: Options,
    proof: Proof<'b>,
    enterprise: bool,
}

impl<'b> Request<'b> {
    fn decode(parameters: &'b [u8]) -> Result<Self, Status> {
        let mut request = Request::default();
        cbor::parameters(parameters, |key, value| {
            match key {
                Key::Number(0x01) => request.client_data_hash = Some(value.bytes()?),
                Key::Number(0x02) => request.rp_id = Some(rp_id(value)?),
                Key::Number(0x03) => request.user = Some(user(value)?),
                Key::Number(0x04) => request.has_algorithm = Some(has_algorithm(value)?),
                Key::Number(0x05) => request.exclude = credential::decode_list(value)?,
                Key::Number(0x07) => request.options = Options::decode(value)?,
                Key::Number(0x08) => request.proof.signature = Some(value.bytes()?),
                Key::Number(0x09) => request.proof.protocol = Some(value.u64()?),
                Key::Number(0x0A) => request.enterprise = true,
                _ => value.skip()?,
            }
            Ok(())
        })?;
        Ok(request)
    }
}

pub(super) fn make_credential(card: &mut Card, parameters: &[u8]) -> Result<Vec<u8>, Status> {
    card.fido.in_use = true;
    let request = Request::decode(parameters)?;
    let client_data_hash = client_data_hash(request.client_data_hash)?;
    let rp_id = request.rp_id.ok_or(Status::MissingParameter)?;
    let user = request.user.ok_or(Status::MissingParameter)?;
    let has_algorithm = request.has_algorithm.ok_or(Status::MissingParameter)?;
    let (options, proof) = (&request.options, &request.proof);

    proof.check_not_a_question(card)?;
    if !has_algorithm {
        return Err(Status::UnsupportedAlgorithm);
    }
    options.check_verification(proof)?;
    if options.up == Some(false) {
        return Err(Status::InvalidOption);
    }
    if request.enterprise {
        return Err(Status::InvalidParameter);
    }
    let verified = proof.verifies_user(card, client_data_hash, MAKE_CREDENTIAL, rp_id)?;
    if !verified && pin::is_set(&card.state) {
        return Err(Status::PinUvAuthTokenRequired);
    }

    let rp_id_hash = Sha256::digest(rp_id);
    for id in request.exclude {
        if Credential::open(card, id, &rp_id_hash)?.is_some() {
            return Err(Status::CredentialExcluded);
        }
    }
    token::use_up(card);

    let credential = if options.rk == Some(true) {
        let credential = Credential::make(card, Kind::Discoverable, &rp_id_hash)?;
        keep(card, &credential, rp_id, user)?;
        credential
    } else {
        Credential::make(card, Kind::ByIdentifier, &rp_id_hash)?
    };
    let flags = attestation::flags(true, verified);
    let data = attestation::attested_data(card, &rp_id_hash, flags, &credential)?;
    let signature = attestation::sign(card, &credential.key, &data, client_data_hash)?;
    answer(&data, &signature)
}

/// Self attestation: the credential signs for itself (`WebAuthn` 8.2).
fn answer(data: &[u8], signature: &[u8]) -> Result<Vec<u8>, Status> {
    let mut answer = Encoder::new(Vec::new());
    answer.map(3)?;
    answer.u8(0x01)?.str("packed")?;
    answer.u8(0x02)?.bytes(data)?;
    answer.u8(0x03)?.map(2)?;
    answer.str("alg")?.i64(ES256)?;
    answer.str("sig")?.bytes(signature)?;
    Ok(answer.into_writer())
}

/// Keeps a discoverable credential, in the place of the one for the same account.
fn keep(card: &mut Card, credential: &Credential, rp_id: &str, user: User) -> Result<(), Status> {
    let credentials = &mut card.state.fido.credentials;
    let former = credentials
        .iter()
        .position(|kept| kept.rp_id == rp_id && kept.user.id == user.id);
    if let Some(former) = former {
        credentials.remove(former);
    } else if credentials.len() >= CAPACITY {
        return Err(Status::KeyStoreFull);
    }
    credentials.push(DiscoverableCredential {
        id: Bytes(credential.id.clone()),
        rp_id: rp_id.to_owned(),
        user,
    });
    card.mark_changed();
    Ok(())
}

fn rp_id<'b>(decoder: &mut Decoder<'b>) -> Result<&'b str, Status> {
    let mut id = None;
    cbor::map(decoder, |key, value| {
        match key {
            Key::Text("id") => id = Some(value.str()?),
            _ => value.skip()?,
        }
        Ok(())
    })?;
    let id = id.ok_or(Status::MissingParameter)?;
    if id.len() > RP_ID_LIMIT {
        return Err(Status::LimitExceeded);
    }
    Ok(id)
}

fn user(decoder: &mut Decoder<'_>) -> Result<User, Status> {
    let mut id = None;
    let mut user = User::default();
    cbor::map(decoder, |key, value| {
        match key {
            Key::Text("id") => id = Some(value.bytes()?),
            Key::Text("name") => user.name = Some(shortened(value.str()?)),
            Key::Text("displayName") => user.display_name = Some(shortened(value.str()?)),
            _ => value.skip()?,
        }
        Ok(())
    })?;
    let id = id.ok_or(Status::MissingParameter)?;
    if id.len() > USER_ID_LIMIT {
        return Err(Status::InvalidLength);
    }
    user.id = Bytes(id.to_vec());
    Ok(user)
}

/// As much of a name as is kept, in whole characters.
fn shortened(name: &str) -> String {
    let mut end = name.len().min(NAME_LIMIT);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name[..end].to_owned()
}

fn has_algorithm(decoder: &mut Decoder<'_>) -> Result<bool, Status> {
    let mut found = false;
    cbor::array(decoder, |item| {
        let (mut algorithm, mut kind) = (None, None);
        cbor::map(item, |key, value| {
            match key {
                Key::Text("alg") => algorithm = Some(value.i64()?),
                Key::Text("type") => kind = Some(value.str()?),
                _ => value.skip()?,
            }
            Ok(())
        })?;
        let algorithm = algorithm.ok_or(Status::MissingParameter)?;
        let kind = kind.ok_or(Status::MissingParameter)?;
        found |= (algorithm, kind) == (ES256, PUBLIC_KEY);
        Ok(())
    })?;
    Ok(found)
}
