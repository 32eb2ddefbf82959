//! Making a token: its options, its identity, and what is on it from the start.

mod content;
mod options;
mod vci;

use core::time::Duration;
use std::time::SystemTime;

use piv_apdu::object::Guid;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;

use crate::crypto::{SymmetricAlgorithm, SymmetricKey};
use crate::profile::{Profile, Protocol};
use crate::state::{Bytes, CPLC_LENGTH, StateError, TokenState, Xauth};
use crate::{oath, piv};

pub use options::{Content, CreateOptions, Vci};

/// A token cannot be made as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// An option does not go with the profile, or with another option.
    #[error("a {profile} token cannot be made with {option}: {reason}")]
    Option {
        /// The profile asked for.
        profile: Profile,
        /// The option at fault.
        option: &'static str,
        /// Why not.
        reason: &'static str,
    },
    /// A key or certificate could not be made.
    #[error("a key or certificate for the token could not be made: {0}")]
    Cryptography(String),
    /// The token's state could not be brought to life.
    #[error(transparent)]
    State(#[from] StateError),
}

impl CreateError {
    #[allow(clippy::needless_pass_by_value)] // it is what `map_err` gives
    fn cryptography(error: impl ToString) -> Self {
        CreateError::Cryptography(error.to_string())
    }
}

/// The state of a new token.
pub(crate) fn state(
    profile: Profile,
    options: &CreateOptions,
    random: &mut ChaCha20Rng,
) -> Result<TokenState, CreateError> {
    check(profile, options)?;
    let created = since_1970(profile, options)?;
    let guid = random_uuid(random);
    let serial = random.next_u32() % 100_000_000;
    let mut state = TokenState::blank(profile, guid.to_string(), serial, cplc(serial));
    state.protocol = options.protocol;
    if let Some(extended_length) = options.extended_length {
        state.extended_length = extended_length;
    } else if options.protocol == Protocol::T0 {
        state.extended_length = false;
    }
    state.yubico = options.yubico;
    piv::allocate_containers(&mut state);
    if let Some(default) = profile.xauth_algorithm() {
        let algorithm = options.xauth_key.unwrap_or(default);
        state.xauth = Some(Xauth::as_delivered(algorithm));
    }
    let management_key = options.management_key.or(match profile {
        Profile::Piv if options.yubico => Some(SymmetricAlgorithm::TripleDes),
        Profile::Piv => Some(SymmetricAlgorithm::Aes256),
        _ => None,
    });
    state.management_key = management_key.map(factory_management_key).transpose()?;
    if options.content == Content::Personal {
        content::personalize(&mut state, options, created, guid, random)?;
    }
    state.oath = oath::credentials(profile, options, random);
    state.button = options.button;
    Ok(state)
}

fn check(profile: Profile, options: &CreateOptions) -> Result<(), CreateError> {
    let refuse = |option, reason| {
        Err(CreateError::Option {
            profile,
            option,
            reason,
        })
    };
    if profile.is_crescendo() {
        if options.yubico {
            return refuse(
                "Yubico's instructions",
                "a Crescendo answers them with 6D00",
            );
        }
        if options.protocol != Protocol::T1 {
            return refuse("T=0", "a Crescendo's ATR offers T=1 alone");
        }
        if !matches!(
            options.xauth_key,
            None | Some(SymmetricAlgorithm::TripleDes | SymmetricAlgorithm::Aes128)
        ) {
            return refuse("this XAUTH key", "it is 3DES or AES-128");
        }
        if options.pairing_code && options.vci.is_none() {
            return refuse(
                "a pairing code",
                "nothing is public about a Crescendo that has one",
            );
        }
    } else if options.xauth_key.is_some() {
        return refuse("an XAUTH key", "only a Crescendo has one");
    }
    if options.issuer_signed && options.content == Content::Empty {
        return refuse(
            "an issuer's signature",
            "an empty token has no CHUID to sign",
        );
    }
    if options.content == Content::Empty {
        if options.pairing_code {
            return refuse("a pairing code", "an empty token has nothing to pair with");
        }
        if options.vci.is_some() {
            return refuse(
                "the virtual contact interface",
                "an empty token has no certificate to open it with",
            );
        }
    }
    if vci::contradicts_keys(options) {
        return refuse(
            "cipher suite CS2",
            "a P-384 key for signing or key management goes with CS7 alone",
        );
    }
    if options.protocol == Protocol::T0 && options.extended_length == Some(true) {
        return refuse("extended length", "T=0 carries short commands only");
    }
    oath::check_options(profile, options)
}

/// When the token is made, in whole seconds.
fn since_1970(profile: Profile, options: &CreateOptions) -> Result<Duration, CreateError> {
    let created = options.created.unwrap_or_else(SystemTime::now);
    created
        .duration_since(SystemTime::UNIX_EPOCH)
        .map(|since| Duration::from_secs(since.as_secs()))
        .map_err(|_| CreateError::Option {
            profile,
            option: "this date of creation",
            reason: "it is before 1970",
        })
}

/// The bytes 01 to 08, over and over: the value that PIV tools know as the default.
fn factory_management_key(algorithm: SymmetricAlgorithm) -> Result<SymmetricKey, CreateError> {
    let key: Vec<u8> = (1..=8).cycle().take(algorithm.key_length()).collect();
    SymmetricKey::new(algorithm, &key)
        .map_err(|_| CreateError::cryptography("the management key has a wrong length"))
}

/// Card production life cycle data: a fabricator that does not exist (9999), and in the
/// IC serial number's four bytes the token's serial number in decimal digits.
fn cplc(serial: u32) -> Bytes {
    let mut cplc = vec![0; CPLC_LENGTH];
    cplc[0..2].copy_from_slice(&[0x99, 0x99]);
    cplc[2..4].copy_from_slice(&[0x00, 0x01]);
    let mut rest = serial;
    for byte in cplc[12..16].iter_mut().rev() {
        let [.., digits] = ((rest / 10 % 10) * 16 + rest % 10).to_be_bytes();
        *byte = digits;
        rest /= 100;
    }
    cplc[16..18].copy_from_slice(&[0x00, 0x01]);
    Bytes(cplc)
}

/// A random UUID, version 4 (RFC 9562, 5.4).
fn random_uuid(random: &mut ChaCha20Rng) -> Guid {
    let mut uuid = [0; 16];
    random.fill_bytes(&mut uuid);
    uuid[6] = uuid[6] & 0x0F | 0x40;
    uuid[8] = uuid[8] & 0x3F | 0x80;
    Guid(uuid)
}
