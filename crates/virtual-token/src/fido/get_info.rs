//! authenticatorGetInfo (CTAP 2.1, 6.4).

use minicbor::Encoder;

use super::credential::{self, ES256, PUBLIC_KEY};
use super::pin;
use super::state::CAPACITY;
use super::status::Status;
use super::{AAGUID, MAX_MESSAGE};
use crate::card::Card;

/// Credentials in a list that a host should send at once. More are looked at too.
const LIST: u8 = 16;
const FIRMWARE: u8 = 1;

pub(super) fn get_info(card: &Card) -> Result<Vec<u8>, Status> {
    let state = &card.state;
    let number = |number: usize| u64::try_from(number).map_err(|_| Status::Other);
    let mut info = Encoder::new(Vec::new());
    info.map(13)?;
    // versions
    info.u8(0x01)?.array(1)?.str("FIDO_2_0")?;
    info.u8(0x03)?.bytes(&AAGUID)?;
    // options
    info.u8(0x04)?.map(5)?;
    info.str("rk")?.bool(true)?;
    info.str("up")?.bool(true)?;
    info.str("plat")?.bool(false)?;
    info.str("clientPin")?.bool(pin::is_set(state))?;
    info.str("pinUvAuthToken")?.bool(true)?;
    info.u8(0x05)?.u64(number(MAX_MESSAGE)?)?;
    // pinUvAuthProtocols, the preferred one first
    info.u8(0x06)?.array(2)?.u8(2)?.u8(1)?;
    // maxCredentialCountInList, maxCredentialIdLength
    info.u8(0x07)?.u8(LIST)?;
    info.u8(0x08)?.u64(number(credential::ID)?)?;
    // transports
    info.u8(0x09)?.array(2)?.str("nfc")?.str("smart-card")?;
    // algorithms
    info.u8(0x0A)?.array(1)?.map(2)?;
    info.str("alg")?.i64(ES256)?;
    info.str("type")?.str(PUBLIC_KEY)?;
    // forcePINChange, minPINLength, firmwareVersion
    info.u8(0x0C)?.bool(pin::is_to_be_changed(state))?;
    info.u8(0x0D)?.u8(pin::minimum(state))?;
    info.u8(0x0E)?.u8(FIRMWARE)?;
    // remainingDiscoverableCredentials
    let room = CAPACITY.saturating_sub(state.fido.credentials.len());
    info.u8(0x14)?.u64(number(room)?)?;
    Ok(info.into_writer())
}
