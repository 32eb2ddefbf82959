//! What the admin key (XAUTH key 1) does, and RESET CARD.

use core::fmt;

use piv_apdu::apdu::{Command, Le, Response};
use piv_apdu::command::{AnswerError, CommandError, TypedCommand, answer_data};
use piv_apdu::secret::{self, PinBlock};
use piv_apdu::tlv::TemplateError;
use zeroize::Zeroizing;

use super::pin::block;
use crate::identity::Family;
use crate::wire;
use crate::xauth::{XauthAlgorithm, XauthCryptogram, XauthError, XauthKey};

/// GET CHALLENGE, to the access control applet: `00 84 00 00 00`, on a C4000
/// `00 84 00 01 00`.
///
/// Always allowed. The challenge serves once, for [`ExternalAuthenticate`]
/// right after it. Evidence: vendor (LL/external-auth-xauth); P2 = 01
/// third-party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetChallenge {
    /// The family, which decides P2.
    pub family: Family,
}

impl TypedCommand for GetChallenge {
    type Answer = XauthChallenge;

    fn to_command(&self) -> Command {
        Command::new(0x00, 0x84, 0x00, challenge_p2(self.family)).with_le(Le::SHORT_MAX)
    }

    fn from_command(command: &Command) -> Result<Self, CommandError> {
        let family = match command.p2() {
            0x01 => Family::C4000,
            _ => Family::C2300,
        };
        wire::expect_header(command, [0x00, 0x84, 0x00, challenge_p2(family)])?;
        wire::expect_no_data(command)?;
        Ok(Self { family })
    }

    fn decode_answer(response: &Response) -> Result<XauthChallenge, AnswerError> {
        let data = answer_data(response)?;
        XauthChallenge::from_slice(data)
            .map_err(|_| AnswerError::Malformed(TemplateError::TotalLength { length: data.len() }))
    }
}

const fn challenge_p2(family: Family) -> u8 {
    match family {
        Family::C2300 => 0x00,
        Family::C4000 => 0x01,
    }
}

/// A token's challenge: 8 bytes mean that its admin key is a 3DES key, 16 an
/// AES-128 key. `Display` is in hexadecimal, in groups of four digits.
#[derive(Clone, PartialEq, Eq)]
pub struct XauthChallenge(Vec<u8>);

impl XauthChallenge {
    /// Copies a challenge of 8 or 16 bytes.
    ///
    /// # Errors
    /// [`XauthError::ChallengeLength`].
    pub fn from_slice(bytes: &[u8]) -> Result<Self, XauthError> {
        match XauthAlgorithm::of_block_length(bytes.len()) {
            Some(_) => Ok(Self(bytes.to_vec())),
            None => Err(XauthError::ChallengeLength {
                length: bytes.len(),
            }),
        }
    }

    /// Reads a challenge in hexadecimal, 16 or 32 digits, as a person types it.
    ///
    /// # Errors
    /// [`XauthError::NotHexadecimal`], [`XauthError::ChallengeLength`].
    pub fn from_hex(text: &str) -> Result<Self, XauthError> {
        let bytes = secret::from_hex(text).ok_or(XauthError::NotHexadecimal)?;
        Self::from_slice(&bytes)
    }

    /// The algorithm of the key that the challenge is for.
    pub fn algorithm(&self) -> XauthAlgorithm {
        if self.0.len() == XauthAlgorithm::Tdes.block_length() {
            XauthAlgorithm::Tdes
        } else {
            XauthAlgorithm::Aes128
        }
    }

    /// The 8 or 16 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for XauthChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&secret::to_hex(&self.0))
    }
}

impl fmt::Debug for XauthChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "XauthChallenge({self})")
    }
}

/// EXTERNAL AUTHENTICATE, to the access control applet: `00 82 00 01 Lc
/// cryptogram`.
///
/// `6300`: the response is wrong. `6985`: no challenge was asked for before.
/// `6A88`: the token has no admin key ([`Self::refusal`]). Opens XAUTH1's access
/// condition on the whole card. Evidence: vendor (LL/external-auth-xauth).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalAuthenticate {
    /// The response to the challenge, 8 or 16 bytes.
    pub cryptogram: XauthCryptogram,
}

impl TypedCommand for ExternalAuthenticate {
    type Answer = ();

    fn to_command(&self) -> Command {
        Command::new(0x00, 0x82, 0x00, 0x01).with_data(self.cryptogram.as_bytes())
    }

    fn from_command(command: &Command) -> Result<Self, CommandError> {
        wire::expect_header(command, [0x00, 0x82, 0x00, 0x01])?;
        let length = command.data().len();
        let cryptogram = XauthCryptogram::from_slice(command.data())
            .map_err(|_| CommandError::Length { length })?;
        Ok(Self { cryptogram })
    }

    fn decode_answer(response: &Response) -> Result<(), AnswerError> {
        answer_data(response).map(drop)
    }
}

/// UNLOCK PIN, to the access control applet: `00 2C 02 00 08 new`.
///
/// Sets the PIN and gives it its tries back. Needs XAUTH1. `63CX`: not
/// authenticated, X **unlocks** left. `6983`: the unlocks are used up. `6A80`: the
/// new PIN's format is refused ([`Self::refusal`]). Evidence: vendor
/// (LL/unlock-pin).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnlockPin {
    /// The PIN from now on, padded with FF to 8 bytes.
    pub new: PinBlock,
}

impl TypedCommand for UnlockPin {
    type Answer = ();

    fn to_command(&self) -> Command {
        Command::new(0x00, 0x2C, 0x02, 0x00).with_data(self.new.as_bytes())
    }

    fn from_command(command: &Command) -> Result<Self, CommandError> {
        wire::expect_header(command, [0x00, 0x2C, 0x02, 0x00])?;
        let new = block(command.data())?;
        Ok(Self { new })
    }

    fn decode_answer(response: &Response) -> Result<(), AnswerError> {
        answer_data(response).map(drop)
    }
}

/// PUT XAUTH KEY, to the access control applet: `00 D8 01 00 Lc 00 algorithm
/// keylen+1 keylen key 00`.
///
/// Needs the PIN or XAUTH1 (`6982`). Evidence: vendor (LL/put-xauth-key); the
/// algorithm's byte and Lc (1D for 3DES, 15 for AES-128) third-party.
#[derive(Debug, PartialEq, Eq)]
pub struct PutXauthKey {
    /// The admin key from now on.
    pub key: XauthKey,
}

impl TypedCommand for PutXauthKey {
    type Answer = ();

    fn to_command(&self) -> Command {
        let key = self.key.as_bytes();
        let mut data = Zeroizing::new(Vec::with_capacity(key.len() + 5));
        data.extend_from_slice(&key_header(self.key.algorithm()));
        data.extend_from_slice(key);
        data.push(0x00);
        Command::new(0x00, 0xD8, 0x01, 0x00).with_owned_data(data)
    }

    fn from_command(command: &Command) -> Result<Self, CommandError> {
        wire::expect_header(command, [0x00, 0xD8, 0x01, 0x00])?;
        let data = command.data();
        XauthAlgorithm::ALL
            .into_iter()
            .find_map(|algorithm| {
                let key = data
                    .strip_prefix(&key_header(algorithm))?
                    .strip_suffix(&[0x00])?;
                XauthKey::new(algorithm, key).ok()
            })
            .map(|key| Self { key })
            .ok_or_else(|| TemplateError::TotalLength { length: data.len() }.into())
    }

    fn decode_answer(response: &Response) -> Result<(), AnswerError> {
        answer_data(response).map(drop)
    }
}

/// What comes before the key: `00 algorithm keylen+1 keylen`.
const fn key_header(algorithm: XauthAlgorithm) -> [u8; 4] {
    let [field, length] = match algorithm {
        XauthAlgorithm::Tdes => [0x19, 0x18],
        XauthAlgorithm::Aes128 => [0x11, 0x10],
    };
    [0x00, algorithm.identifier(), field, length]
}

/// RESET CARD, to the access control applet: `00 38 00 00`, with no Lc, no data
/// and no Le.
///
/// **Irreversible.** Clears the admin key (it is removed, not put back to its
/// delivery value), sets the PIN to its delivery value, and clears all PKI keys
/// and PIV containers, and OATH on a Key. The applet's security state does not
/// survive. Needs the PIN or XAUTH1 (`6982`). May be sent only where the family
/// is known from the historical bytes of the ATR. Evidence: vendor
/// (LL/reset-card), which does not mention FIDO; on a C4000 third-party, and FIDO
/// is cleared too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResetCard;

impl TypedCommand for ResetCard {
    type Answer = ();

    fn to_command(&self) -> Command {
        Command::new(0x00, 0x38, 0x00, 0x00)
    }

    fn from_command(command: &Command) -> Result<Self, CommandError> {
        wire::expect_header(command, [0x00, 0x38, 0x00, 0x00])?;
        wire::expect_no_data(command)?;
        match command.le() {
            None => Ok(Self),
            // What cannot be undone is taken in its one form only.
            Some(_) => Err(CommandError::Length { length: 0 }),
        }
    }

    fn decode_answer(response: &Response) -> Result<(), AnswerError> {
        answer_data(response).map(drop)
    }
}
