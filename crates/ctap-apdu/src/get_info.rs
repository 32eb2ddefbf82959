//! authenticatorGetInfo: what an authenticator says of itself.

use core::fmt;
use std::collections::BTreeMap;

use piv_apdu::object::Guid;

use crate::cbor::Reader;
use crate::command::CtapCommand;
use crate::error::MalformedAnswer;
use crate::protocol::PinProtocol;

/// authenticatorGetInfo (04). Changes nothing, and asks nobody for a touch.
///
/// Source: CTAP 2.1, 6.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetInfo;

impl CtapCommand for GetInfo {
    type Answer = Info;

    fn to_message(&self) -> Vec<u8> {
        vec![0x04]
    }

    fn decode_answer(&self, parameters: &[u8]) -> Result<Info, MalformedAnswer> {
        Info::decode(parameters)
    }
}

/// Which model an authenticator is: 16 bytes, the same for all of a model. Zeros where
/// the maker gives none.
///
/// Source: CTAP 2.1, 6.4 (`aaguid`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Aaguid(pub [u8; 16]);

/// As a UUID: `00112233-4455-6677-8899-aabbccddeeff`.
impl fmt::Display for Aaguid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Guid(self.0).fmt(f)
    }
}

/// The answer to [`GetInfo`]. A field is `None`, or empty, where the authenticator does
/// not tell. Texts are as the card has them: what shows them has to look after control
/// characters.
///
/// Source: CTAP 2.1, 6.4.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// `versions`: `FIDO_2_0`, `FIDO_2_1`, `U2F_V2` and the like.
    pub versions: Vec<String>,
    /// `extensions`.
    pub extensions: Vec<String>,
    /// `aaguid`.
    pub aaguid: Aaguid,
    /// `options`: what it can do (`true`), could be set up to do (`false`), and cannot
    /// (absent; some options have another default).
    pub options: BTreeMap<String, bool>,
    /// `maxMsgSize`, in bytes. 1,024 where it is not told.
    pub max_message_size: Option<u64>,
    /// `pinUvAuthProtocols`, the one it prefers first.
    pub pin_uv_auth_protocols: Vec<u64>,
    /// `maxCredentialCountInList`.
    pub max_credential_count_in_list: Option<u64>,
    /// `maxCredentialIdLength`, in bytes.
    pub max_credential_id_length: Option<u64>,
    /// `transports`: `nfc`, `smart-card`, `usb` and the like.
    pub transports: Vec<String>,
    /// `algorithms`: COSE identifiers of public key algorithms, the one it prefers first.
    pub algorithms: Vec<i64>,
    /// `maxSerializedLargeBlobArray`, in bytes.
    pub max_serialized_large_blob_array: Option<u64>,
    /// `forcePINChange`: the PIN has to be changed before it is of use.
    pub force_pin_change: Option<bool>,
    /// `minPINLength`, in code points; [`Info::min_pin_length`] knows the default.
    pub min_pin_length: Option<u64>,
    /// `firmwareVersion`.
    pub firmware_version: Option<u64>,
    /// `maxCredBlobLength`, in bytes.
    pub max_cred_blob_length: Option<u64>,
    /// `maxRPIDsForSetMinPINLength`.
    pub max_rp_ids_for_set_min_pin_length: Option<u64>,
    /// `preferredPlatformUvAttempts`.
    pub preferred_platform_uv_attempts: Option<u64>,
    /// `uvModality`: bits of the FIDO registry.
    pub uv_modality: Option<u64>,
    /// `certifications`: the level of each.
    pub certifications: BTreeMap<String, u64>,
    /// `remainingDiscoverableCredentials`: for how many more there is room, at least.
    pub remaining_discoverable_credentials: Option<u64>,
    /// `vendorPrototypeConfigCommands`.
    pub vendor_prototype_config_commands: Vec<u64>,
}

/// What an authenticator says of its PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientPinState {
    /// `clientPin` is `true`.
    Set,
    /// `clientPin` is `false`: it takes one.
    NotSet,
    /// There is no `clientPin`: it has no PIN.
    NotSupported,
}

impl Info {
    /// Whether there is a PIN: the option `clientPin`.
    pub fn client_pin(&self) -> ClientPinState {
        match self.options.get("clientPin") {
            Some(true) => ClientPinState::Set,
            Some(false) => ClientPinState::NotSet,
            None => ClientPinState::NotSupported,
        }
    }

    /// The first of its PIN protocols that this crate speaks, which is the one it
    /// prefers. `None`: it has told none that is known here.
    pub fn pin_protocol(&self) -> Option<PinProtocol> {
        let mut numbers = self.pin_uv_auth_protocols.iter();
        numbers.find_map(|number| PinProtocol::from_number(*number))
    }

    /// The length of the shortest PIN that it takes as a new one, in code points: what
    /// it tells, and never less than CTAP's own minimum of 4.
    pub fn min_pin_length(&self) -> usize {
        let told = self.min_pin_length.unwrap_or_default();
        usize::try_from(told)
            .unwrap_or(usize::MAX)
            .max(crate::FidoPin::MIN_CODE_POINTS)
    }

    /// Decodes the answer's map. Lenient, as authenticators are many: any order, unknown
    /// keys skipped, indefinite lengths read.
    ///
    /// # Errors
    /// [`MalformedAnswer`] if it is no such map, if a key is in it twice, or if
    /// `versions` or `aaguid` is missing.
    pub fn decode(parameters: &[u8]) -> Result<Info, MalformedAnswer> {
        let mut info = Info::default();
        let (mut versions, mut aaguid) = (None, None);
        let mut reader = Reader::new(parameters);
        reader.fields(|key, value| {
            match key {
                0x01 => versions = Some(value.list(Reader::text)?),
                0x02 => info.extensions = value.list(Reader::text)?,
                0x03 => aaguid = Some(decode_aaguid(value)?),
                0x04 => info.options = value.named(Reader::boolean)?,
                0x05 => info.max_message_size = Some(value.unsigned()?),
                0x06 => info.pin_uv_auth_protocols = value.list(Reader::unsigned)?,
                0x07 => info.max_credential_count_in_list = Some(value.unsigned()?),
                0x08 => info.max_credential_id_length = Some(value.unsigned()?),
                0x09 => info.transports = value.list(Reader::text)?,
                0x0A => info.algorithms = decode_algorithms(value)?,
                0x0B => info.max_serialized_large_blob_array = Some(value.unsigned()?),
                0x0C => info.force_pin_change = Some(value.boolean()?),
                0x0D => info.min_pin_length = Some(value.unsigned()?),
                0x0E => info.firmware_version = Some(value.unsigned()?),
                0x0F => info.max_cred_blob_length = Some(value.unsigned()?),
                0x10 => info.max_rp_ids_for_set_min_pin_length = Some(value.unsigned()?),
                0x11 => info.preferred_platform_uv_attempts = Some(value.unsigned()?),
                0x12 => info.uv_modality = Some(value.unsigned()?),
                0x13 => info.certifications = value.named(Reader::unsigned)?,
                0x14 => info.remaining_discoverable_credentials = Some(value.unsigned()?),
                0x15 => info.vendor_prototype_config_commands = value.list(Reader::unsigned)?,
                _ => value.skip()?,
            }
            Ok(())
        })?;
        reader.finish()?;
        let missing = |field| MalformedAnswer::Missing { field };
        info.versions = versions.ok_or(missing("versions"))?;
        info.aaguid = aaguid.ok_or(missing("aaguid"))?;
        Ok(info)
    }
}

fn decode_aaguid(value: &mut Reader<'_>) -> Result<Aaguid, MalformedAnswer> {
    let bytes = value.bytes()?.try_into();
    bytes
        .map(Aaguid)
        .map_err(|_| MalformedAnswer::Value { field: "aaguid" })
}

/// A list of `PublicKeyCredentialParameters`; those of another type than `public-key`
/// are passed over.
fn decode_algorithms(value: &mut Reader<'_>) -> Result<Vec<i64>, MalformedAnswer> {
    let parameters = value.list(|parameters| {
        let (mut algorithm, mut public_key) = (None, false);
        parameters.texts(|name, value| {
            match name {
                "alg" => algorithm = Some(value.integer()?),
                "type" => public_key = value.text()? == "public-key",
                _ => value.skip()?,
            }
            Ok(())
        })?;
        Ok(algorithm.filter(|_| public_key))
    })?;
    Ok(parameters.into_iter().flatten().collect())
}
