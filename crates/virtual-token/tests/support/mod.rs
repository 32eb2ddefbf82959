//! What the tests of the ways in share: a token without keys (made in no time), and
//! the few APDUs that tell its state.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test uses its part; a test fails by panicking"
)]

use pcsc_transport::{CardLink, Continuity, Leave, LinkError};
use virtual_token::{Content, CreateOptions, Profile, SharedToken, VirtualToken};

/// SELECT the PIV application by its full AID.
pub(crate) const SELECT_PIV: &[u8] =
    b"\x00\xA4\x04\x00\x0B\xA0\x00\x00\x03\x08\x00\x00\x10\x00\x01\x00\x00";
/// VERIFY without data: how many tries are left?
pub(crate) const PIN_STATUS: &[u8] = b"\x00\x20\x00\x80";
/// VERIFY with the plain PIV card's factory PIN.
pub(crate) const VERIFY: &[u8] = b"\x00\x20\x00\x80\x08123456\xFF\xFF";
/// VERIFY with another PIN.
pub(crate) const VERIFY_WRONG: &[u8] = b"\x00\x20\x00\x80\x08654321\xFF\xFF";

pub(crate) const OK: [u8; 2] = [0x90, 0x00];

pub(crate) fn options() -> CreateOptions {
    CreateOptions::default().seed(7).content(Content::Empty)
}

pub(crate) fn card(profile: Profile) -> VirtualToken {
    VirtualToken::create(profile, &options()).unwrap()
}

pub(crate) fn piv() -> SharedToken {
    SharedToken::new(card(Profile::Piv))
}

/// One command in a transaction of its own.
pub(crate) fn send(link: &mut dyn CardLink, command: &[u8]) -> Result<Vec<u8>, LinkError> {
    send_telling(link, command).map(|(_, answer)| answer)
}

/// As [`send`], with what the link says about others.
pub(crate) fn send_telling(
    link: &mut dyn CardLink,
    command: &[u8],
) -> Result<(Continuity, Vec<u8>), LinkError> {
    let continuity = link.begin()?;
    let answer = link.transmit(command);
    let ended = link.end(Leave::AsIs);
    let answer = answer?;
    ended?;
    Ok((continuity, answer.to_vec()))
}

/// The status word that ends an answer.
pub(crate) fn status(answer: &[u8]) -> u16 {
    u16::from_be_bytes(*answer.last_chunk().unwrap())
}
