//! Key establishment: one-pass Diffie-Hellman with the card's static key, by which the
//! card proves that it has the key of its certificate (SP 800-73-5 Part 2, 4.1).

use piv_apdu::command::DynamicAuthenticationTemplate;
use piv_apdu::sm::CipherSuite;
use piv_apdu::status::StatusWord;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::session::Session;
use super::suite;
use crate::crypto::PrivateKey;

/// The host's control byte, and the card's: no persistent binding.
const CONTROL: u8 = 0x00;
const UNCOMPRESSED: u8 = 0x04;

/// What the host sends: `CBH || IDsH || 04 X Y`.
pub(super) struct Request {
    host_id: [u8; 8],
    /// `04 X Y`.
    point: Vec<u8>,
}

impl Request {
    /// Reads `7C { 81 { CBH || IDsH || 04 X Y }, 82 00 }`.
    ///
    /// The standard's card looks at the high half of CBH alone (step C2). This one refuses
    /// all but the 00 that the same text has the host send.
    pub(super) fn read(
        suite: CipherSuite,
        template: &DynamicAuthenticationTemplate,
    ) -> Result<Self, StatusWord> {
        let asks = template.response.as_ref().is_some_and(|r| r.is_empty());
        let challenge = match (&template.challenge, &template.witness) {
            (Some(challenge), None) if asks && template.exponentiation.is_none() => challenge,
            _ => return Err(StatusWord::WRONG_DATA),
        };
        let Some((&[CONTROL, ref host_id @ ..], point)) = challenge.split_first_chunk::<9>() else {
            return Err(StatusWord::WRONG_DATA);
        };
        let length = 1 + 2 * suite::coordinate_length(suite);
        if point.len() != length || point.first() != Some(&UNCOMPRESSED) {
            return Err(StatusWord::WRONG_DATA);
        }
        Ok(Request {
            host_id: *host_id,
            point: point.to_vec(),
        })
    }

    /// The coordinates, `X Y`.
    fn coordinates(&self) -> &[u8] {
        self.point.get(1..).unwrap_or_default()
    }
}

/// Agrees on the keys of a session; gives it and the answer
/// `7C { 82 { CBICC || N || cryptogram || C_ICC } }`. A point that is not on the curve is
/// refused.
pub(super) fn complete(
    suite: CipherSuite,
    key: &PrivateKey,
    cvc: &[u8],
    nonce: &[u8],
    request: &Request,
) -> Result<(Session, Zeroizing<Vec<u8>>), StatusWord> {
    let certificate_hash = Sha256::digest(cvc);
    let card_id = certificate_hash.get(..8).unwrap_or_default();
    let secret = key
        .agree(&request.point)
        .map_err(|_| StatusWord::WRONG_DATA)?;
    let info = other_info(suite, request, card_id, nonce);
    let keys = derive(suite, &secret, &info);
    let length = suite::key_length(suite);
    let mut keys = keys.chunks_exact(length);
    let mut next = || keys.next().ok_or(StatusWord::EXECUTION_ERROR);
    let (confirmation, mac, encryption, response_mac) = (next()?, next()?, next()?, next()?);

    let confirmed = [b"KC_1_V", card_id, &request.host_id, request.coordinates()].concat();
    let cryptogram = suite::cmac(suite, confirmation, &confirmed)?;
    let response = [&[CONTROL], nonce, &cryptogram, cvc].concat();
    let answer = DynamicAuthenticationTemplate::default().with_response(&response);
    let session = Session::new(suite, mac, encryption, response_mac);
    Ok((session, answer.encode()))
}

/// 61 bytes, or 69 (4.1.6).
fn other_info(suite: CipherSuite, request: &Request, card_id: &[u8], nonce: &[u8]) -> Vec<u8> {
    let cipher = suite::cipher_identifier(suite);
    let nonce_length = if suite == CipherSuite::Cs2 {
        0x10
    } else {
        0x18
    };
    [
        &[0x04, cipher, cipher, cipher, cipher, 0x08],
        &request.host_id[..],
        &[0x01, CONTROL, 0x10],
        request.coordinates().get(..16).unwrap_or_default(),
        &[0x08],
        card_id,
        &[nonce_length],
        nonce,
        &[0x01, CONTROL],
    ]
    .concat()
}

/// The one-step key derivation function of SP 800-56A Rev. 3, 5.8.1.
fn derive(suite: CipherSuite, secret: &[u8], info: &[u8]) -> Zeroizing<Vec<u8>> {
    let wanted = 4 * suite::key_length(suite);
    // Room for a last block that is longer than what is still wanted.
    let mut keys = Zeroizing::new(Vec::with_capacity(wanted + 48));
    let mut counter = 1_u32;
    while keys.len() < wanted {
        let input = Zeroizing::new([&counter.to_be_bytes(), secret, info].concat());
        keys.extend_from_slice(&suite::hash(suite, &input));
        counter += 1;
    }
    keys.truncate(wanted);
    keys
}
