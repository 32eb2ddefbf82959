//! authenticatorClientPIN (06): the PIN of an authenticator.
//!
//! Source: CTAP 2.1, 6.5.

use core::fmt;

use rand_core::TryCryptoRng;
use zeroize::Zeroizing;

use crate::cbor::{Reader, Writer};
use crate::command::{CtapCommand, nothing};
use crate::error::MalformedAnswer;
use crate::pin::FidoPin;
use crate::protocol::{AgreementKey, PinProtocol, SharedSecret};

/// getPINRetries (01): how many tries are left. Spends none.
///
/// Source: CTAP 2.1, 6.5.5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetPinRetries {
    /// Of no matter to CTAP 2.1; CTAP 2.0 has it in every subcommand.
    pub protocol: PinProtocol,
}

/// The answer to [`GetPinRetries`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PinRetries {
    /// `pinRetries`: tries left before the PIN is blocked; 8 on a fresh authenticator.
    pub left: u8,
    /// `powerCycleState`: no try is taken before the authenticator lost power, since
    /// three in a row were wrong. `None` where it does not tell.
    pub power_cycle_needed: Option<bool>,
}

impl CtapCommand for GetPinRetries {
    type Answer = PinRetries;

    fn to_message(&self) -> Vec<u8> {
        Parameters::new(self.protocol, Subcommand::GetPinRetries).encode()
    }

    fn decode_answer(&self, parameters: &[u8]) -> Result<PinRetries, MalformedAnswer> {
        let (mut left, mut power_cycle_needed) = (None, None);
        let mut reader = Reader::new(parameters);
        reader.fields(|key, value| {
            match key {
                0x03 => left = Some(value.unsigned()?),
                0x04 => power_cycle_needed = Some(value.boolean()?),
                _ => value.skip()?,
            }
            Ok(())
        })?;
        reader.finish()?;
        let field = "pinRetries";
        let left = left.ok_or(MalformedAnswer::Missing { field })?;
        let left = u8::try_from(left).map_err(|_| MalformedAnswer::Value { field })?;
        Ok(PinRetries {
            left,
            power_cycle_needed,
        })
    }
}

/// getKeyAgreement (02): the authenticator's public key, for
/// [`SharedSecret::agree`].
///
/// Source: CTAP 2.1, 6.5.5.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetKeyAgreement {
    /// The protocol that the key is for.
    pub protocol: PinProtocol,
}

impl CtapCommand for GetKeyAgreement {
    type Answer = AgreementKey;

    fn to_message(&self) -> Vec<u8> {
        Parameters::new(self.protocol, Subcommand::GetKeyAgreement).encode()
    }

    fn decode_answer(&self, parameters: &[u8]) -> Result<AgreementKey, MalformedAnswer> {
        only_field(parameters, 0x01, "keyAgreement", AgreementKey::decode)
    }
}

/// setPIN (03): the first PIN, where there is none yet.
///
/// Refusals of its own: `PIN_POLICY_VIOLATION` (too short), `PIN_AUTH_INVALID` (there is
/// a PIN already, or the shared secret is another).
///
/// Source: CTAP 2.1, 6.5.5.5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetPin {
    message: Vec<u8>,
}

impl SetPin {
    /// Encrypts the PIN. Protocol two takes 16 bytes of `random`.
    ///
    /// # Errors
    /// What `random` fails with.
    pub fn new<R: TryCryptoRng + ?Sized>(
        secret: &SharedSecret,
        pin: &FidoPin,
        random: &mut R,
    ) -> Result<Self, R::Error> {
        let new_pin = secret.encrypt(pin.padded(), random)?;
        let message = Parameters {
            key_agreement: Some(secret.host_key()),
            pin_uv_auth_param: Some(&secret.authenticate(&[&new_pin])),
            new_pin_enc: Some(&new_pin),
            ..Parameters::new(secret.protocol(), Subcommand::SetPin)
        }
        .encode();
        Ok(SetPin { message })
    }
}

impl CtapCommand for SetPin {
    type Answer = ();

    fn to_message(&self) -> Vec<u8> {
        self.message.clone()
    }

    fn decode_answer(&self, parameters: &[u8]) -> Result<(), MalformedAnswer> {
        nothing(parameters)
    }
}

/// changePIN (04): another PIN, for whoever knows the present one. A wrong one spends a
/// try.
///
/// Refusals of its own: `PIN_INVALID`, `PIN_AUTH_BLOCKED`, `PIN_BLOCKED`,
/// `PIN_POLICY_VIOLATION` (the new one is too short, or is the present one where a change
/// is forced), `PIN_NOT_SET`.
///
/// Source: CTAP 2.1, 6.5.5.6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangePin {
    message: Vec<u8>,
}

impl ChangePin {
    /// Encrypts both PINs. Protocol two takes 32 bytes of `random`: first those for the
    /// present PIN.
    ///
    /// # Errors
    /// What `random` fails with.
    pub fn new<R: TryCryptoRng + ?Sized>(
        secret: &SharedSecret,
        present: &FidoPin,
        new: &FidoPin,
        random: &mut R,
    ) -> Result<Self, R::Error> {
        let pin_hash = secret.encrypt(present.hash(), random)?;
        let new_pin = secret.encrypt(new.padded(), random)?;
        let message = Parameters {
            key_agreement: Some(secret.host_key()),
            pin_uv_auth_param: Some(&secret.authenticate(&[&new_pin, &pin_hash])),
            new_pin_enc: Some(&new_pin),
            pin_hash_enc: Some(&pin_hash),
            ..Parameters::new(secret.protocol(), Subcommand::ChangePin)
        }
        .encode();
        Ok(ChangePin { message })
    }
}

impl CtapCommand for ChangePin {
    type Answer = ();

    fn to_message(&self) -> Vec<u8> {
        self.message.clone()
    }

    fn decode_answer(&self, parameters: &[u8]) -> Result<(), MalformedAnswer> {
        nothing(parameters)
    }
}

/// What a [`PinToken`] is to be good for: bits, to be put together with `|`.
///
/// Source: CTAP 2.1, 6.5.5.7 (permissions).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Permissions(pub u8);

impl Permissions {
    /// `mc`: to make a credential. Takes the relying party's id.
    pub const MAKE_CREDENTIAL: Permissions = Permissions(0x01);
    /// `ga`: to get an assertion. Takes the relying party's id.
    pub const GET_ASSERTION: Permissions = Permissions(0x02);
    /// `cm`: to manage credentials.
    pub const CREDENTIAL_MANAGEMENT: Permissions = Permissions(0x04);
    /// `be`: to enroll fingerprints.
    pub const BIO_ENROLLMENT: Permissions = Permissions(0x08);
    /// `lbw`: to write large blobs.
    pub const LARGE_BLOB_WRITE: Permissions = Permissions(0x10);
    /// `acfg`: to configure the authenticator.
    pub const AUTHENTICATOR_CONFIGURATION: Permissions = Permissions(0x20);
}

impl core::ops::BitOr for Permissions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Permissions(self.0 | other.0)
    }
}

/// getPinToken (05), or getPinUvAuthTokenUsingPinWithPermissions (09): verifies a PIN,
/// and gets what shows that it was verified. A wrong PIN spends a try.
///
/// Refusals of its own: `PIN_INVALID`, `PIN_AUTH_BLOCKED`, `PIN_BLOCKED`, `PIN_NOT_SET`,
/// and `PIN_POLICY_VIOLATION` where the PIN has to be changed first.
///
/// Source: CTAP 2.1, 6.5.5.7.1 and 6.5.5.7.2.
#[derive(Debug)]
pub struct GetPinToken<'s> {
    message: Vec<u8>,
    secret: &'s SharedSecret,
}

impl<'s> GetPinToken<'s> {
    /// Encrypts the PIN, for getPinToken, which every authenticator with a PIN has.
    /// Protocol two takes 16 bytes of `random`.
    ///
    /// # Errors
    /// What `random` fails with.
    pub fn new<R: TryCryptoRng + ?Sized>(
        secret: &'s SharedSecret,
        pin: &FidoPin,
        random: &mut R,
    ) -> Result<Self, R::Error> {
        let pin_hash = secret.encrypt(pin.hash(), random)?;
        Ok(Self::from_parameters(
            secret,
            &Parameters {
                key_agreement: Some(secret.host_key()),
                pin_hash_enc: Some(&pin_hash),
                ..Parameters::new(secret.protocol(), Subcommand::GetPinToken)
            },
        ))
    }

    /// The same with permissions, for authenticators with the option `pinUvAuthToken`.
    ///
    /// # Errors
    /// What `random` fails with.
    pub fn with_permissions<R: TryCryptoRng + ?Sized>(
        secret: &'s SharedSecret,
        pin: &FidoPin,
        permissions: Permissions,
        rp_id: Option<&str>,
        random: &mut R,
    ) -> Result<Self, R::Error> {
        let pin_hash = secret.encrypt(pin.hash(), random)?;
        Ok(Self::from_parameters(
            secret,
            &Parameters {
                key_agreement: Some(secret.host_key()),
                pin_hash_enc: Some(&pin_hash),
                permissions: Some(permissions),
                rp_id,
                ..Parameters::new(secret.protocol(), Subcommand::GetPinTokenWithPermissions)
            },
        ))
    }

    fn from_parameters(secret: &'s SharedSecret, parameters: &Parameters<'_>) -> Self {
        GetPinToken {
            message: parameters.encode(),
            secret,
        }
    }
}

impl CtapCommand for GetPinToken<'_> {
    type Answer = PinToken;

    fn to_message(&self) -> Vec<u8> {
        self.message.clone()
    }

    fn decode_answer(&self, parameters: &[u8]) -> Result<PinToken, MalformedAnswer> {
        let field = "pinUvAuthToken";
        let encrypted = only_field(parameters, 0x02, field, Reader::bytes)?;
        let token = self.secret.decrypt(&encrypted);
        token
            .filter(|token| PinToken::is_length(self.secret.protocol(), token.len()))
            .map(PinToken)
            .ok_or(MalformedAnswer::Value { field })
    }
}

/// `pinUvAuthToken`: shows to the authenticator that the PIN was given. Wiped when
/// dropped, and not shown by `Debug`.
pub struct PinToken(Zeroizing<Vec<u8>>);

impl PinToken {
    /// The token: 32 bytes, or 16 with protocol one.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn is_length(protocol: PinProtocol, length: usize) -> bool {
        length == 32 || (length == 16 && protocol == PinProtocol::One)
    }
}

impl fmt::Debug for PinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PinToken(..)")
    }
}

#[derive(Clone, Copy)]
enum Subcommand {
    GetPinRetries = 0x01,
    GetKeyAgreement = 0x02,
    SetPin = 0x03,
    ChangePin = 0x04,
    GetPinToken = 0x05,
    GetPinTokenWithPermissions = 0x09,
}

/// What the command's map can have in it.
struct Parameters<'a> {
    protocol: PinProtocol,
    subcommand: Subcommand,
    key_agreement: Option<&'a AgreementKey>,
    pin_uv_auth_param: Option<&'a [u8]>,
    new_pin_enc: Option<&'a [u8]>,
    pin_hash_enc: Option<&'a [u8]>,
    permissions: Option<Permissions>,
    rp_id: Option<&'a str>,
}

impl Parameters<'_> {
    fn new(protocol: PinProtocol, subcommand: Subcommand) -> Self {
        Parameters {
            protocol,
            subcommand,
            key_agreement: None,
            pin_uv_auth_param: None,
            new_pin_enc: None,
            pin_hash_enc: None,
            permissions: None,
            rp_id: None,
        }
    }

    fn encode(&self) -> Vec<u8> {
        let optional = [
            self.key_agreement.is_some(),
            self.pin_uv_auth_param.is_some(),
            self.new_pin_enc.is_some(),
            self.pin_hash_enc.is_some(),
            self.permissions.is_some(),
            self.rp_id.is_some(),
        ];
        let mut writer = Writer::new(0x06);
        writer.map(2 + optional.iter().map(|given| u64::from(*given)).sum::<u64>());
        writer.integer(0x01).integer(self.protocol.number().into());
        writer.integer(0x02).integer(self.subcommand as i64);
        if let Some(key) = self.key_agreement {
            key.encode(writer.integer(0x03));
        }
        let bytes = [
            (0x04, self.pin_uv_auth_param),
            (0x05, self.new_pin_enc),
            (0x06, self.pin_hash_enc),
        ];
        for (key, value) in bytes {
            if let Some(value) = value {
                writer.integer(key).bytes(value);
            }
        }
        if let Some(Permissions(bits)) = self.permissions {
            writer.integer(0x09).integer(bits.into());
        }
        if let Some(rp_id) = self.rp_id {
            writer.integer(0x0A).text(rp_id);
        }
        writer.finish()
    }
}

/// The one field of interest in an answer's map.
fn only_field<'b, T>(
    parameters: &'b [u8],
    wanted: i64,
    name: &'static str,
    mut decode: impl FnMut(&mut Reader<'b>) -> Result<T, MalformedAnswer>,
) -> Result<T, MalformedAnswer> {
    let mut found = None;
    let mut reader = Reader::new(parameters);
    reader.fields(|key, value| {
        if key == wanted {
            found = Some(decode(value)?);
            Ok(())
        } else {
            value.skip()
        }
    })?;
    reader.finish()?;
    found.ok_or(MalformedAnswer::Missing { field: name })
}
