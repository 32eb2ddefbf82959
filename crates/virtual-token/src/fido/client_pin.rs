//! authenticatorClientPIN (CTAP 2.1, 6.5.5).

use minicbor::{Decoder, Encoder};
use zeroize::Zeroizing;

use super::attestation;
use super::cbor::{self, Key};
use super::pin;
use super::pin_protocol::{PinProtocol, SharedSecret};
use super::status::Status;
use super::token::{GET_ASSERTION, MAKE_CREDENTIAL, PinUvAuthToken};
use crate::card::Card;
use crate::crypto::{KeyAlgorithm, PrivateKey};

/// Bytes of a new PIN with its padding of zeros.
const PADDED_PIN: usize = 64;
const TOKEN: usize = 32;

/// ECDH-ES with HKDF-256, which CTAP puts there and does not use.
const ALGORITHM: i64 = -25;

#[derive(Default)]
struct Request<'b> {
    protocol: Option<u64>,
    subcommand: Option<u64>,
    /// The host's point.
    key_agreement: Option<Vec<u8>>,
    signature: Option<&'b [u8]>,
    new_pin: Option<&'b [u8]>,
    pin_hash: Option<&'b [u8]>,
    permissions: Option<u64>,
    rp_id: Option<&'b str>,
}

impl<'b> Request<'b> {
    fn decode(parameters: &'b [u8]) -> Result<Self, Status> {
        let mut request = Request::default();
        cbor::parameters(parameters, |key, value| {
            match key {
                Key::Number(0x01) => request.protocol = Some(value.u64()?),
                Key::Number(0x02) => request.subcommand = Some(value.u64()?),
                Key::Number(0x03) => request.key_agreement = Some(point(value)?),
                Key::Number(0x04) => request.signature = Some(value.bytes()?),
                Key::Number(0x05) => request.new_pin = Some(value.bytes()?),
                Key::Number(0x06) => request.pin_hash = Some(value.bytes()?),
                Key::Number(0x09) => request.permissions = Some(value.u64()?),
                Key::Number(0x0A) => request.rp_id = Some(value.str()?),
                _ => value.skip()?,
            }
            Ok(())
        })?;
        Ok(request)
    }
}

pub(super) fn client_pin(card: &mut Card, parameters: &[u8]) -> Result<Vec<u8>, Status> {
    let request = Request::decode(parameters)?;
    let subcommand = request.subcommand.ok_or(Status::MissingParameter)?;
    // Whoever only asks is not yet at work.
    card.fido.in_use |= subcommand != 0x01;
    match subcommand {
        0x01 => get_pin_retries(card),
        0x02 => get_key_agreement(card, &request),
        0x03 => set_pin(card, &request),
        0x04 => change_pin(card, &request),
        0x05 => get_pin_token(card, &request),
        0x09 => get_token_with_permissions(card, &request),
        _ => Err(Status::InvalidSubcommand),
    }
}

fn get_pin_retries(card: &Card) -> Result<Vec<u8>, Status> {
    let mut answer = Encoder::new(Vec::new());
    answer.map(2)?;
    answer.u8(0x03)?.u8(card.state.fido.tries_left())?;
    answer.u8(0x04)?.bool(pin::wants_power_cycle(card))?;
    Ok(answer.into_writer())
}

fn get_key_agreement(card: &mut Card, request: &Request<'_>) -> Result<Vec<u8>, Status> {
    PinProtocol::named(request.protocol)?;
    let key = agreement_key(card)?.public_key();
    let mut answer = Encoder::new(Vec::new());
    answer.map(1)?.u8(0x01)?;
    attestation::encode_public_key(&mut answer, &key, ALGORITHM)?;
    Ok(answer.into_writer())
}

fn set_pin(card: &mut Card, request: &Request<'_>) -> Result<Vec<u8>, Status> {
    let protocol = PinProtocol::named(request.protocol)?;
    let host = given(request.key_agreement.as_deref())?;
    let new_pin = given(request.new_pin)?;
    let signature = given(request.signature)?;
    if pin::is_set(&card.state) {
        return Err(Status::PinAuthInvalid);
    }
    let secret = shared_secret(card, protocol, host)?;
    secret.verify(&[new_pin], signature)?;
    pin::set(card, &unpadded(&secret, new_pin)?)?;
    Ok(Vec::new())
}

fn change_pin(card: &mut Card, request: &Request<'_>) -> Result<Vec<u8>, Status> {
    let protocol = PinProtocol::named(request.protocol)?;
    let host = given(request.key_agreement.as_deref())?;
    let new_pin = given(request.new_pin)?;
    let pin_hash = given(request.pin_hash)?;
    let signature = given(request.signature)?;
    pin::check_tries(card)?;
    pin::check_change(card)?;
    let secret = shared_secret(card, protocol, host)?;
    secret.verify(&[new_pin, pin_hash], signature)?;
    pin::compare(card, &secret.decrypt(pin_hash)?)?;
    pin::set(card, &unpadded(&secret, new_pin)?)?;
    card.fido.token = None;
    Ok(Vec::new())
}

/// getPinToken of CTAP 2.0: for what that had, and for the relying party of its first use.
fn get_pin_token(card: &mut Card, request: &Request<'_>) -> Result<Vec<u8>, Status> {
    if request.permissions.is_some() || request.rp_id.is_some() {
        return Err(Status::InvalidParameter);
    }
    give_token(card, request, MAKE_CREDENTIAL | GET_ASSERTION)
}

fn get_token_with_permissions(card: &mut Card, request: &Request<'_>) -> Result<Vec<u8>, Status> {
    let permissions = given(request.permissions)?;
    if permissions == 0 {
        return Err(Status::InvalidParameter);
    }
    if permissions & !(MAKE_CREDENTIAL | GET_ASSERTION) != 0 {
        return Err(Status::UnauthorizedPermission);
    }
    given(request.rp_id)?;
    give_token(card, request, permissions)
}

/// Compares the PIN and gives out a new token, encrypted. The old one is void.
fn give_token(card: &mut Card, request: &Request<'_>, permissions: u64) -> Result<Vec<u8>, Status> {
    let protocol = PinProtocol::named(request.protocol)?;
    let host = given(request.key_agreement.as_deref())?;
    let pin_hash = given(request.pin_hash)?;
    pin::check_tries(card)?;
    let secret = shared_secret(card, protocol, host)?;
    pin::compare(card, &secret.decrypt(pin_hash)?)?;
    if pin::is_to_be_changed(&card.state) {
        return Err(Status::PinPolicyViolation);
    }
    let value = card.random_bytes(TOKEN);
    let encrypted = secret.encrypt(&value, &mut card.random)?;
    card.fido.token = Some(PinUvAuthToken {
        protocol,
        value,
        permissions,
        rp_id: request.rp_id.map(str::to_owned),
    });
    let mut answer = Encoder::new(Vec::new());
    answer.map(1)?.u8(0x02)?.bytes(&encrypted)?;
    Ok(answer.into_writer())
}

/// The card's key for agreeing on secrets, until the PIN is wrong or the power goes.
fn agreement_key(card: &mut Card) -> Result<&PrivateKey, Status> {
    match &mut card.fido.key_agreement {
        Some(key) => Ok(key),
        none => {
            let key = PrivateKey::generate(KeyAlgorithm::EccP256, &mut card.random)
                .map_err(|_| Status::Other)?;
            Ok(none.insert(key))
        }
    }
}

fn shared_secret(
    card: &mut Card,
    protocol: PinProtocol,
    host: &[u8],
) -> Result<SharedSecret, Status> {
    let coordinate = agreement_key(card)?
        .agree(host)
        .map_err(|_| Status::InvalidParameter)?;
    protocol.shared_secret(&coordinate)
}

/// A new PIN without the zeros that pad it.
fn unpadded(secret: &SharedSecret, encrypted: &[u8]) -> Result<Zeroizing<Vec<u8>>, Status> {
    let mut pin = secret.decrypt(encrypted)?;
    if pin.len() != PADDED_PIN {
        return Err(Status::InvalidParameter);
    }
    let length = pin
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    pin.truncate(length);
    Ok(pin)
}

/// A public key on P-256 in COSE, as an uncompressed point.
fn point(decoder: &mut Decoder<'_>) -> Result<Vec<u8>, Status> {
    let (mut kind, mut algorithm, mut curve) = (None, None, None);
    let (mut x, mut y) = (None, None);
    cbor::map(decoder, |key, value| {
        match key {
            Key::Number(1) => kind = Some(value.i64()?),
            Key::Number(3) => algorithm = Some(value.i64()?),
            Key::Number(-1) => curve = Some(value.i64()?),
            Key::Number(-2) => x = Some(value.bytes()?),
            Key::Number(-3) => y = Some(value.bytes()?),
            _ => value.skip()?,
        }
        Ok(())
    })?;
    let (x, y) = (given(x)?, given(y)?);
    if (kind, algorithm, curve) != (Some(2), Some(ALGORITHM), Some(1))
        || x.len() != 32
        || y.len() != 32
    {
        return Err(Status::InvalidParameter);
    }
    Ok([&[0x04], x, y].concat())
}

fn given<T>(parameter: Option<T>) -> Result<T, Status> {
    parameter.ok_or(Status::MissingParameter)
}
