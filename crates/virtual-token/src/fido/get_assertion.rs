//! authenticatorGetAssertion and authenticatorGetNextAssertion (CTAP 2.1, 6.2 and 6.3).

use minicbor::Encoder;
use sha2::{Digest, Sha256};

use super::attestation;
use super::cbor::{self, Key};
use super::credential::{self, Credential};
use super::request::{Options, client_data_hash};
use super::state::User;
use super::status::Status;
use super::token::{self, GET_ASSERTION, Proof};
use crate::card::Card;

#[derive(Default)]
struct Request<'b> {
    rp_id: Option<&'b str>,
    client_data_hash: Option<&'b [u8]>,
    allow: Vec<&'b [u8]>,
    has_allow_list: bool,
    options: Options,
    proof: Proof<'b>,
}

impl<'b> Request<'b> {
    fn decode(parameters: &'b [u8]) -> Result<Self, Status> {
        let mut request = Request::default();
        cbor::parameters(parameters, |key, value| {
            match key {
                Key::Number(0x01) => request.rp_id = Some(value.str()?),
                Key::Number(0x02) => request.client_data_hash = Some(value.bytes()?),
                Key::Number(0x03) => {
                    request.has_allow_list = true;
                    request.allow = credential::decode_list(value)?;
                }
                Key::Number(0x05) => request.options = Options::decode(value)?,
                Key::Number(0x06) => request.proof.signature = Some(value.bytes()?),
                Key::Number(0x07) => request.proof.protocol = Some(value.u64()?),
                _ => value.skip()?,
            }
            Ok(())
        })?;
        Ok(request)
    }
}

/// Assertions that one command has asked for, and that are fetched one by one.
pub(super) struct Assertions {
    rp_id_hash: Vec<u8>,
    client_data_hash: Vec<u8>,
    flags: u8,
    /// The credentials that are left, the next one last.
    candidates: Vec<Candidate>,
}

/// A credential that fits.
struct Candidate {
    id: Vec<u8>,
    user: Option<User>,
}

pub(super) fn get_assertion(card: &mut Card, parameters: &[u8]) -> Result<Vec<u8>, Status> {
    card.fido.in_use = true;
    let request = Request::decode(parameters)?;
    let rp_id = request.rp_id.ok_or(Status::MissingParameter)?;
    let client_data_hash = client_data_hash(request.client_data_hash)?;
    let (options, proof) = (&request.options, &request.proof);

    proof.check_not_a_question(card)?;
    options.check_verification(proof)?;
    if options.rk.is_some() {
        return Err(Status::UnsupportedOption);
    }
    let verified = proof.verifies_user(card, client_data_hash, GET_ASSERTION, rp_id)?;

    let rp_id_hash = Sha256::digest(rp_id);
    let candidates = if request.has_allow_list {
        allowed(card, &request.allow, &rp_id_hash)?
    } else {
        discovered(card, rp_id, verified)
    };
    if candidates.is_empty() {
        return Err(Status::NoCredentials);
    }
    let present = options.up != Some(false);
    if present {
        token::use_up(card);
    }
    let count = candidates.len();
    let assertions = Assertions {
        rp_id_hash: rp_id_hash.to_vec(),
        client_data_hash: client_data_hash.to_vec(),
        flags: attestation::flags(present, verified),
        candidates,
    };
    next(card, assertions, (count > 1).then_some(count))
}

pub(super) fn get_next_assertion(
    card: &mut Card,
    assertions: Option<Assertions>,
) -> Result<Vec<u8>, Status> {
    next(card, assertions.ok_or(Status::NotAllowed)?, None)
}

/// The first of the credentials in the list that is the card's: the host has chosen.
fn allowed(card: &Card, ids: &[&[u8]], rp_id_hash: &[u8]) -> Result<Vec<Candidate>, Status> {
    for id in ids {
        if Credential::open(card, id, rp_id_hash)?.is_some() {
            return Ok(vec![Candidate {
                id: id.to_vec(),
                user: None,
            }]);
        }
    }
    Ok(Vec::new())
}

/// All discoverable ones of the relying party, of which the latest is given first. Who they
/// belong to is said in full only to choose among several, and only if the user was
/// verified.
fn discovered(card: &Card, rp_id: &str, verified: bool) -> Vec<Candidate> {
    let mut candidates: Vec<Candidate> = card
        .state
        .fido
        .credentials
        .iter()
        .filter(|kept| kept.rp_id == rp_id)
        .map(|kept| Candidate {
            id: kept.id.0.clone(),
            user: Some(kept.user.clone()),
        })
        .collect();
    if candidates.len() == 1 || !verified {
        for user in candidates.iter_mut().filter_map(|one| one.user.as_mut()) {
            user.name = None;
            user.display_name = None;
        }
    }
    candidates
}

/// Signs with the next credential and remembers the others.
fn next(
    card: &mut Card,
    mut assertions: Assertions,
    count: Option<usize>,
) -> Result<Vec<u8>, Status> {
    let candidate = assertions.candidates.pop().ok_or(Status::NotAllowed)?;
    let credential = Credential::open(card, &candidate.id, &assertions.rp_id_hash)?
        .ok_or(Status::NoCredentials)?;
    let data = attestation::data(card, &assertions.rp_id_hash, assertions.flags);
    let hash = &assertions.client_data_hash;
    let signature = attestation::sign(card, &credential.key, &data, hash)?;
    if !assertions.candidates.is_empty() {
        card.fido.assertions = Some(assertions);
    }
    answer(&candidate, &data, &signature, count)
}

fn answer(
    candidate: &Candidate,
    data: &[u8],
    signature: &[u8],
    count: Option<usize>,
) -> Result<Vec<u8>, Status> {
    let entries = 3 + u64::from(candidate.user.is_some()) + u64::from(count.is_some());
    let mut answer = Encoder::new(Vec::new());
    answer.map(entries)?;
    answer.u8(0x01)?;
    credential::encode_descriptor(&mut answer, &candidate.id)?;
    answer.u8(0x02)?.bytes(data)?;
    answer.u8(0x03)?.bytes(signature)?;
    if let Some(user) = &candidate.user {
        answer.u8(0x04)?;
        encode_user(&mut answer, user)?;
    }
    if let Some(count) = count {
        let count = u64::try_from(count).map_err(|_| Status::Other)?;
        answer.u8(0x05)?.u64(count)?;
    }
    Ok(answer.into_writer())
}

fn encode_user(encoder: &mut Encoder<Vec<u8>>, user: &User) -> Result<(), Status> {
    let names = [("name", &user.name), ("displayName", &user.display_name)];
    let given: u64 = names
        .iter()
        .map(|(_, name)| u64::from(name.is_some()))
        .sum();
    encoder.map(1 + given)?;
    encoder.str("id")?.bytes(&user.id.0)?;
    for (key, name) in names {
        if let Some(name) = name {
            encoder.str(key)?.str(name)?;
        }
    }
    Ok(())
}
