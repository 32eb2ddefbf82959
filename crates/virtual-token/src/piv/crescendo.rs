//! What a Crescendo's PIV instance has beyond the standard: GET PIV PROPERTIES, INJECT
//! PKI KEY in its removal form, and containers that are allocated once and for all.

use crescendo_ext::AppletVersion;
use crescendo_ext::identity::Family;
use crescendo_ext::properties::{
    Field, GetPivProperties, Init, KeyAttributes, KeyBlock, ObjectBlock, PivProperties,
};
use piv_apdu::apdu::Command;
use piv_apdu::command::TypedCommand;
use piv_apdu::key::{Algorithm, KeyReference};
use piv_apdu::object::ObjectTag;
use piv_apdu::status::StatusWord;
use piv_apdu::tlv::Tag;
use zeroize::Zeroizing;

use crate::aca;
use crate::card::{Answer, Card, done};
use crate::crypto::KeyAlgorithm;
use crate::policy;
use crate::profile::Profile;
use crate::state::{DataObject, HexId, KeyContainer, Origin, TokenState};

/// Capacities of a live C2300 (third-party).
const CHUID_CAPACITY: u16 = 2920;
const CERTIFICATE_CAPACITY: u16 = 1909;
const KEY_HISTORY_CAPACITY: u16 = 10;
/// The most that SP 800-73 has for these; what a Crescendo has is not public.
const PRINTED_INFORMATION_CAPACITY: u16 = 245;
const CCC_CAPACITY: u16 = 287;
const DISCOVERY_CAPACITY: u16 = 19;
const SECURITY_OBJECT_CAPACITY: u16 = 1336;

/// `None` if the command is not one of the vendor's for this card.
pub(super) fn execute(card: &mut Card, command: &Command) -> Option<Answer> {
    let family = family(card.state.profile)?;
    match (family, command.cla(), command.ins()) {
        (Family::C2300, 0x00, 0xCB) if is_properties_request(command) => {
            Some(Ok(properties(&card.state)))
        }
        (Family::C4000, 0x80, 0x56) => Some(
            GetPivProperties::from_command(command)
                .map(|_| properties(&card.state))
                .map_err(|error| error.status_word()),
        ),
        (_, 0x80, 0xD8) => Some(inject_pki_key(card, family, command)),
        _ => None,
    }
}

fn family(profile: Profile) -> Option<Family> {
    match profile {
        Profile::Crescendo2300 | Profile::CrescendoKey => Some(Family::C2300),
        Profile::Crescendo4000 => Some(Family::C4000),
        Profile::Piv => None,
    }
}

/// `00 CB 3F FF 05 5C 03 FF FF 7F 00`: GET DATA of a tag that the standard does not have.
fn is_properties_request(command: &Command) -> bool {
    GetPivProperties::from_command(command).is_ok()
}

/// INJECT PKI KEY, `80 D8 P1 <key> …`, with a length of zero, which takes the key out
/// (third-party). How a key is put in is not public.
fn inject_pki_key(card: &mut Card, family: Family, command: &Command) -> Answer {
    if !card.access.pin_or_xauth() {
        return Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED);
    }
    let container = card
        .state
        .keys
        .get_mut(&HexId::from(KeyReference(command.p2())))
        .ok_or(StatusWord::INCORRECT_P1P2)?;
    let expected: (u8, [u8; 3]) = match (family, container.algorithm) {
        (Family::C4000, algorithm) => (algorithm.identifier(), [0x00, 0x00, 0x00]),
        (_, KeyAlgorithm::Rsa2048) => (0x00, [0x00, 0xA3, 0x00]),
        (_, KeyAlgorithm::EccP256 | KeyAlgorithm::EccP384) => (0x03, [0x00, 0xB1, 0x00]),
    };
    if command.p1() != expected.0 {
        return Err(StatusWord::INCORRECT_P1P2);
    }
    if command.data() != expected.1 {
        return Err(StatusWord::WRONG_DATA);
    }
    container.key = None;
    card.mark_changed();
    done()
}

/// The containers that a Crescendo comes with, all empty.
pub(crate) fn allocate_containers(state: &mut TokenState) {
    let objects: &[(ObjectTag, u16)] = match family(state.profile) {
        Some(Family::C2300) => &[
            (ObjectTag::CHUID, CHUID_CAPACITY),
            (ObjectTag::PRINTED_INFORMATION, PRINTED_INFORMATION_CAPACITY),
            (ObjectTag::KEY_HISTORY, KEY_HISTORY_CAPACITY),
        ],
        Some(_) => &[
            (ObjectTag::DISCOVERY, DISCOVERY_CAPACITY),
            (ObjectTag::CHUID, CHUID_CAPACITY),
            (ObjectTag::SECURITY_OBJECT, SECURITY_OBJECT_CAPACITY),
            (ObjectTag::CCC, CCC_CAPACITY),
            (ObjectTag::PRINTED_INFORMATION, PRINTED_INFORMATION_CAPACITY),
            (ObjectTag::KEY_HISTORY, KEY_HISTORY_CAPACITY),
        ],
        None => return,
    };
    for (tag, capacity) in objects {
        state
            .objects
            .insert(HexId::from(*tag), DataObject::empty(*capacity));
    }
    let personal = state.profile.personal_keys();
    for key in state.profile.key_containers().unwrap_or_default() {
        let algorithm = personal
            .iter()
            .find(|(reference, _)| reference == key)
            .map_or(KeyAlgorithm::Rsa2048, |(_, algorithm)| *algorithm);
        let key = KeyReference(*key);
        let container = KeyContainer {
            algorithm,
            key: None,
        };
        state.keys.insert(HexId::from(key), container);
        if let Some(tag) = key.certificate_object() {
            let object = DataObject::empty(CERTIFICATE_CAPACITY);
            state.objects.insert(HexId::from(tag), object);
        }
    }
}

/// The answer to GET PIV PROPERTIES: containers, not contents, but for the keys' origin.
fn properties(state: &TokenState) -> Zeroizing<Vec<u8>> {
    let properties = match family(state.profile) {
        Some(Family::C4000) => properties_c4000(state),
        _ => properties_c2300(state),
    };
    Zeroizing::new(properties.encode())
}

/// As a live C2300 answered (third-party). The meaning of 26, 39, 3B and 45 is unknown.
fn properties_c2300(state: &TokenState) -> PivProperties {
    let other = || vec![field(0x26, &[0x01])];
    let key_blocks = keys(state).map(|(key, container)| KeyBlock {
        key,
        certificate_object: key.certificate_object(),
        attributes: Some(attributes(container, None)),
        capacity: key
            .certificate_object()
            .and_then(|tag| state.objects.get(&HexId::from(tag)))
            .map(|object| u32::from(object.capacity)),
        other: other(),
    });
    let certificates: Vec<_> = keys(state)
        .filter_map(|(key, _)| key.certificate_object())
        .collect();
    PivProperties {
        version: AppletVersion::decode(&[0x21, 0x03, 0x00, 0x03, 0x06]),
        objects: objects(state)
            .filter(|(tag, _)| !certificates.contains(tag))
            .map(|(tag, capacity)| ObjectBlock {
                tag,
                capacity: Some(u32::from(capacity)),
                other: other(),
            })
            .collect(),
        keys: key_blocks.chain(management_key(state)).collect(),
        other: vec![
            field(0x39, &[0x15]),
            field(0x3A, aca::AID),
            field(0x3B, &[]),
            field(0x45, &[0xD6, 0x88, 0x83, 0x80, 0x00]),
        ],
        ..PivProperties::default()
    }
}

/// As the C4000 page has it (third-party): no 3B and 45, but 40, whose two counts are
/// taken to be those of the blocks; a key block does not name its certificate, so the
/// certificate is listed among the objects; the access rules 4D are left empty, the key's
/// purpose is 00, both for want of a source.
fn properties_c4000(state: &TokenState) -> PivProperties {
    let other = || vec![field(0x4D, &[])];
    let count = |length: usize| u8::try_from(length).unwrap_or(u8::MAX);
    let objects: Vec<_> = objects(state)
        .chain(policy::container(state))
        .map(|(tag, capacity)| ObjectBlock {
            tag,
            capacity: Some(u32::from(capacity)),
            other: other(),
        })
        .collect();
    let keys: Vec<_> = keys(state)
        .map(|(key, container)| KeyBlock {
            key,
            certificate_object: None,
            attributes: Some(attributes(container, Some(0x00))),
            capacity: None,
            other: other(),
        })
        .chain(management_key(state))
        .collect();
    let counts = [count(objects.len()), count(keys.len())];
    PivProperties {
        version: AppletVersion::decode(&[0x21, 0x04, 0x00, 0x00, 0x00, 0x01]),
        objects,
        keys,
        other: vec![
            field(0x39, &[0x15]),
            field(0x3A, aca::AID),
            field(0x40, &counts),
        ],
        ..PivProperties::default()
    }
}

/// The block of a real 9B key, which a minority of units are documented to have
/// (third-party). Nothing is public about it but the key reference.
fn management_key(state: &TokenState) -> Option<KeyBlock> {
    state.management_key.is_some().then(|| KeyBlock {
        key: KeyReference::CARD_MANAGEMENT,
        certificate_object: None,
        attributes: None,
        capacity: None,
        other: Vec::new(),
    })
}

fn objects(state: &TokenState) -> impl Iterator<Item = (ObjectTag, u16)> {
    state
        .objects
        .iter()
        .filter_map(|(id, object)| Some((id.object_tag()?, object.capacity)))
}

/// In the order in which the profile names them, as the live unit did.
fn keys(state: &TokenState) -> impl Iterator<Item = (KeyReference, &KeyContainer)> {
    let references = state.profile.key_containers().unwrap_or_default();
    references.iter().filter_map(|reference| {
        let key = KeyReference(*reference);
        Some((key, state.keys.get(&HexId::from(key))?))
    })
}

fn attributes(container: &KeyContainer, purpose: Option<u8>) -> KeyAttributes {
    let init = match &container.key {
        None => Init::None,
        Some(key) => match key.origin {
            Origin::Generated => Init::Generated,
        },
    };
    KeyAttributes {
        algorithm: Algorithm::from_u8(container.algorithm.identifier()),
        // The unit is unknown: 20 was seen with RSA-2048.
        key_length: match container.algorithm {
            KeyAlgorithm::Rsa2048 | KeyAlgorithm::EccP256 => 0x20,
            KeyAlgorithm::EccP384 => 0x30,
        },
        private_init: init,
        public_init: init,
        purpose,
    }
}

fn field(tag: u8, value: &[u8]) -> Field {
    Field {
        tag: Tag::new(u32::from(tag)),
        value: value.to_vec(),
    }
}
