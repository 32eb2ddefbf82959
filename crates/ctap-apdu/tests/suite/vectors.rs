//! Against the Python package `fido2` (`vectors/client_pin`): every byte that is said,
//! and what is read of the answers.

use std::collections::VecDeque;
use std::convert::Infallible;

use ctap_apdu::client_pin::{
    ChangePin, GetKeyAgreement, GetPinRetries, GetPinToken, Permissions, PinRetries, PinToken,
    SetPin,
};
use ctap_apdu::{CtapCommand, FidoPin, GetInfo, Info, PinProtocol, SharedSecret, call};
use piv_apdu::apdu::{Command, Response};
use piv_apdu::secret::from_hex;
use piv_apdu::status::StatusWord;
use rand_core::{TryCryptoRng, TryRng};
use serde_json::{Value, json};

const VECTORS: &str = include_str!("../vectors/client_pin/vectors.json");

const PROTOCOLS: [PinProtocol; 2] = [PinProtocol::One, PinProtocol::Two];

fn vectors() -> Value {
    serde_json::from_str(VECTORS).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    match value.as_str().unwrap() {
        "" => Vec::new(),
        text => from_hex(text).unwrap().to_vec(),
    }
}

fn pin(value: &Value) -> FidoPin {
    FidoPin::new(value.as_str().unwrap()).unwrap()
}

/// The random bytes of a vector, and no more.
struct Noted(VecDeque<u8>);

impl TryRng for Noted {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("bytes are asked for, not numbers")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("bytes are asked for, not numbers")
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for byte in out {
            *byte = self.0.pop_front().unwrap();
        }
        Ok(())
    }
}

impl TryCryptoRng for Noted {}

/// The other side of one conversation: each command has to be the noted one.
struct Noting {
    said: VecDeque<(Vec<u8>, Vec<u8>)>,
    random: Noted,
    protocol: PinProtocol,
}

impl Noting {
    fn of(vectors: &Value, protocol: PinProtocol, action: &str) -> Self {
        let action = &vectors["protocols"][protocol.number().to_string()][action];
        let said = action["said"].as_array().unwrap().iter();
        Noting {
            said: said
                .map(|one| (bytes(&one["message"]), bytes(&one["answer"])))
                .collect(),
            random: Noted(bytes(&action["random"]).into()),
            protocol,
        }
    }

    fn call<C: CtapCommand>(&mut self, command: &C) -> C::Answer {
        let exchange = |apdu: &Command| {
            let (message, answer) = self.said.pop_front().unwrap();
            assert_eq!((apdu.cla(), apdu.ins()), (0x80, 0x10));
            assert_eq!(apdu.data(), message);
            Ok::<_, Infallible>(Response::new(&answer, StatusWord::SUCCESS))
        };
        call(command, exchange).unwrap()
    }

    fn agree(&mut self, vectors: &Value) -> SharedSecret {
        let protocol = self.protocol;
        let key = self.call(&GetKeyAgreement { protocol });
        let expected = &vectors["protocols"][protocol.number().to_string()]["authenticator_point"];
        assert_eq!(key.to_point(), bytes(expected));
        SharedSecret::agree(protocol, &key, &mut self.random).unwrap()
    }

    fn over(self) {
        assert!(self.said.is_empty(), "the client said more than this crate");
        assert!(self.random.0.is_empty(), "it took more at random");
    }
}

#[test]
fn how_many_tries_are_left_is_asked_as_the_client_does() {
    let vectors = vectors();
    for protocol in PROTOCOLS {
        let mut card = Noting::of(&vectors, protocol, "retries");
        let expected = PinRetries {
            left: 7,
            power_cycle_needed: Some(false),
        };
        assert_eq!(card.call(&GetPinRetries { protocol }), expected);
        card.over();
    }
}

#[test]
fn a_pin_is_set_as_the_client_does() {
    let vectors = vectors();
    for protocol in PROTOCOLS {
        let mut card = Noting::of(&vectors, protocol, "set");
        let secret = card.agree(&vectors);
        let new = pin(&vectors["new_pin"]);
        let set = SetPin::new(&secret, &new, &mut card.random).unwrap();
        card.call(&set);
        card.over();
    }
}

#[test]
fn a_pin_is_changed_as_the_client_does() {
    let vectors = vectors();
    for protocol in PROTOCOLS {
        let mut card = Noting::of(&vectors, protocol, "change");
        let secret = card.agree(&vectors);
        let (present, new) = (pin(&vectors["present_pin"]), pin(&vectors["new_pin"]));
        let change = ChangePin::new(&secret, &present, &new, &mut card.random).unwrap();
        card.call(&change);
        card.over();
    }
}

#[test]
fn a_pin_is_verified_as_the_client_does() {
    let vectors = vectors();
    let is_the_token = |token: &PinToken, protocol: PinProtocol| {
        let expected = &vectors["protocols"][protocol.number().to_string()]["pin_token"];
        assert_eq!(token.as_bytes(), bytes(expected));
        assert_eq!(format!("{token:?}"), "PinToken(..)");
    };
    let present = pin(&vectors["present_pin"]);
    for protocol in PROTOCOLS {
        let mut card = Noting::of(&vectors, protocol, "token");
        let secret = card.agree(&vectors);
        let get = GetPinToken::new(&secret, &present, &mut card.random).unwrap();
        is_the_token(&card.call(&get), protocol);
        card.over();

        let mut card = Noting::of(&vectors, protocol, "token_with_permissions");
        let secret = card.agree(&vectors);
        let all = Permissions::MAKE_CREDENTIAL
            | Permissions::GET_ASSERTION
            | Permissions::CREDENTIAL_MANAGEMENT
            | Permissions::BIO_ENROLLMENT
            | Permissions::LARGE_BLOB_WRITE
            | Permissions::AUTHENTICATOR_CONFIGURATION;
        let rp_id = vectors["rp_id"].as_str();
        let random = &mut card.random;
        let get = GetPinToken::with_permissions(&secret, &present, all, rp_id, random).unwrap();
        is_the_token(&card.call(&get), protocol);
        card.over();
    }
}

#[test]
fn get_info_is_read_as_the_client_reads_it() {
    let vectors = vectors();
    let vector = &vectors["info"];
    assert_eq!(GetInfo.to_message(), bytes(&vector["message"]));
    let Info {
        versions,
        extensions,
        aaguid,
        options,
        max_message_size,
        pin_uv_auth_protocols,
        max_credential_count_in_list,
        max_credential_id_length,
        transports,
        algorithms,
        max_serialized_large_blob_array,
        force_pin_change,
        min_pin_length,
        firmware_version,
        max_cred_blob_length,
        max_rp_ids_for_set_min_pin_length,
        preferred_platform_uv_attempts,
        uv_modality,
        certifications,
        remaining_discoverable_credentials,
        vendor_prototype_config_commands,
        ..
    } = GetInfo.read_answer(&bytes(&vector["answer"])).unwrap();
    let read = json!({
        "versions": versions,
        "extensions": extensions,
        "aaguid": aaguid.to_string(),
        "options": options,
        "max_message_size": max_message_size,
        "pin_uv_auth_protocols": pin_uv_auth_protocols,
        "max_credential_count_in_list": max_credential_count_in_list,
        "max_credential_id_length": max_credential_id_length,
        "transports": transports,
        "algorithms": algorithms,
        "max_serialized_large_blob_array": max_serialized_large_blob_array,
        "force_pin_change": force_pin_change,
        "min_pin_length": min_pin_length,
        "firmware_version": firmware_version,
        "max_cred_blob_length": max_cred_blob_length,
        "max_rp_ids_for_set_min_pin_length": max_rp_ids_for_set_min_pin_length,
        "preferred_platform_uv_attempts": preferred_platform_uv_attempts,
        "uv_modality": uv_modality,
        "certifications": certifications,
        "remaining_discoverable_credentials": remaining_discoverable_credentials,
        "vendor_prototype_config_commands": vendor_prototype_config_commands,
    });
    assert_eq!(read, vector["read"]);
}
