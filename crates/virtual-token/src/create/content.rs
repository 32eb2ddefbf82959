//! What a personalized token is made with: keys, certificates, data objects.

use core::time::Duration;

use der::DateTime;
use piv_apdu::aid::Aid;
use piv_apdu::key::KeyReference;
use piv_apdu::object::{
    CardCapabilityContainer, CertificateObject, Chuid, DataObject as _, Date, Discovery, FascN,
    FascNFields, Guid, KeyHistory, ObjectTag, PairingCodeObject, PinUsagePolicy,
    PrintedInformation,
};
use piv_apdu::secret::PairingCode;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;

use super::{CreateError, CreateOptions, Vci, vci};
use crate::crypto::{Issuer, KeyAlgorithm, PrivateKey, Purpose, Request};
use crate::piv;
use crate::profile::Profile;
use crate::state::{Bytes, DataObject, HexId, KeyContainer, TokenState};

const NAME: &str = "Alex Example";
const PRINCIPAL: &str = "alex@example.com";
/// Five years: the longest that a PIV card lives.
const LIFE: Duration = Duration::from_secs(5 * 365 * 24 * 60 * 60);
const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];

/// Fills a new token. `created` counts from 1970.
pub(super) fn personalize(
    state: &mut TokenState,
    options: &CreateOptions,
    created: Duration,
    guid: Guid,
    random: &mut ChaCha20Rng,
) -> Result<(), CreateError> {
    let expiry = date(created + LIFE)?;
    let keys = wanted_keys(state.profile, options)?;
    let vci = vci::wanted(options, &keys);
    if vci.is_some() {
        vci::allocate(state);
    }
    let mut chuid = chuid(state, guid, expiry);
    put(state, ObjectTag::CHUID, &chuid.encode());
    put_ccc(state, random);
    put_discovery(state, vci);
    put_printed_information(state, expiry);
    let issuer = Issuer::new(created, random).map_err(CreateError::cryptography)?;
    state.issuer_certificate = Some(Bytes(issuer.certificate().to_vec()));
    put_keys(state, keys, &issuer, random)?;
    if options.issuer_signed {
        sign(&mut chuid, &issuer)?;
        put(state, ObjectTag::CHUID, &chuid.encode());
    }
    if let Some(vci) = vci {
        put_pairing_code(state, random)?;
        vci::put(state, vci, guid, &issuer, random)?;
    }
    Ok(())
}

fn put_discovery(state: &mut TokenState, vci: Option<Vci>) {
    let vci = match vci {
        None => 0,
        Some(vci) if vci.pairing_code => PinUsagePolicy::VCI,
        Some(_) => PinUsagePolicy::VCI | PinUsagePolicy::VCI_WITHOUT_PAIRING_CODE,
    };
    let discovery = Discovery {
        aid: Aid::piv(),
        pin_usage: PinUsagePolicy(PinUsagePolicy::PIV_PIN | vci),
    };
    put(state, ObjectTag::DISCOVERY, &discovery.encode());
}

/// Eight digits, each value as likely as every other.
fn put_pairing_code(state: &mut TokenState, random: &mut ChaCha20Rng) -> Result<(), CreateError> {
    const VALUES: u32 = 100_000_000;
    let value = loop {
        let value = random.next_u32();
        if value < u32::MAX - u32::MAX % VALUES {
            break value % VALUES;
        }
    };
    let code =
        PairingCode::new(format!("{value:08}").as_bytes()).map_err(CreateError::cryptography)?;
    let object = PairingCodeObject { code };
    put(state, ObjectTag::PAIRING_CODE, &object.encode());
    Ok(())
}

fn chuid(state: &TokenState, guid: Guid, expiry: Date) -> Chuid {
    // 9999 is the agency code of those who have none.
    let fasc_n = FascN::from_fields(&FascNFields {
        agency: 9999,
        system: 9999,
        credential: state.serial % 1_000_000,
        issue: 1,
        ..FascNFields::default()
    });
    Chuid {
        fasc_n,
        expiry: Some(expiry),
        ..Chuid::new(guid)
    }
}

/// The signature covers what comes before it: all but itself, empty as it still is, and
/// the error detection code, which is empty too.
fn sign(chuid: &mut Chuid, issuer: &Issuer) -> Result<(), CreateError> {
    let encoded = chuid.encode();
    let signed = encoded
        .strip_suffix(&[0x3E, 0x00, 0xFE, 0x00])
        .ok_or_else(|| CreateError::cryptography("the CHUID is not as it is to be signed"))?;
    chuid.signature = issuer
        .sign_chuid(signed)
        .map_err(CreateError::cryptography)?;
    Ok(())
}

/// The card identifier is made as everybody makes it: the GSC-IS RID, manufacturer FF,
/// card type 02, and a random number.
fn put_ccc(state: &mut TokenState, random: &mut ChaCha20Rng) {
    let mut identifier = [0; 21];
    random.fill_bytes(&mut identifier);
    identifier[..7].copy_from_slice(&[0xA0, 0x00, 0x00, 0x01, 0x16, 0xFF, 0x02]);
    let ccc = CardCapabilityContainer::piv(&identifier);
    put(state, ObjectTag::CCC, &ccc.encode());
}

fn put_printed_information(state: &mut TokenState, expiry: Date) {
    let month = MONTHS
        .get(usize::from(expiry.month()).saturating_sub(1))
        .copied()
        .unwrap_or_default();
    let printed = PrintedInformation {
        name: NAME.to_owned(),
        employee_affiliation: "Example".to_owned(),
        expiration_date: format!("{:04}{month}{:02}", expiry.year(), expiry.day()),
        agency_card_serial_number: format!("{:08}", state.serial),
        issuer_identification: "Software tokens".to_owned(),
        ..PrintedInformation::default()
    };
    put(state, ObjectTag::PRINTED_INFORMATION, &printed.encode());
}

/// Keys with their certificates, and the key history that counts the retired ones.
fn put_keys(
    state: &mut TokenState,
    keys: Vec<(KeyReference, KeyAlgorithm)>,
    issuer: &Issuer,
    random: &mut ChaCha20Rng,
) -> Result<(), CreateError> {
    let mut retired = 0;
    for (key, algorithm) in keys {
        let private = PrivateKey::generate(algorithm, random).map_err(CreateError::cryptography)?;
        let container =
            KeyContainer::generated(algorithm, &private).map_err(CreateError::cryptography)?;
        state.keys.insert(HexId::from(key), container);
        let Some(tag) = key.certificate_object() else {
            continue;
        };
        let request = Request {
            purpose: purpose(key, algorithm),
            subject: subject(state, key),
            principal: PRINCIPAL,
            uuid: &state.id,
            key: private
                .subject_public_key_info()
                .map_err(CreateError::cryptography)?,
        };
        let certificate = issuer
            .issue(request, random)
            .map_err(CreateError::cryptography)?;
        let is_retired = key.retired_index().is_some();
        retired += u8::from(is_retired);
        let object = CertificateObject {
            certificate,
            // Old certificates are the ones that issuers save room on.
            compressed: is_retired,
        };
        put(state, tag, &object.encode());
    }
    let history = KeyHistory {
        on_card: retired,
        off_card: 0,
        url: None,
    };
    put(state, ObjectTag::KEY_HISTORY, &history.encode());
    Ok(())
}

/// The profile's keys, with the algorithms that the options ask for.
fn wanted_keys(
    profile: Profile,
    options: &CreateOptions,
) -> Result<Vec<(KeyReference, KeyAlgorithm)>, CreateError> {
    let mut keys: Vec<_> = profile
        .personal_keys()
        .iter()
        .map(|(key, algorithm)| (KeyReference(*key), *algorithm))
        .map(|(key, algorithm)| (key, vci::key_algorithm(options, key, algorithm)))
        .collect();
    for (key, algorithm) in &options.keys {
        let exists = match profile.key_containers() {
            Some(containers) => containers.contains(&key.get()),
            None => key.certificate_object().is_some(),
        };
        if !exists {
            return Err(CreateError::Option {
                profile,
                option: "a key that was asked for",
                reason: "the card has no container for its key reference",
            });
        }
        match keys.iter_mut().find(|(known, _)| known == key) {
            Some((_, known)) => *known = *algorithm,
            None => keys.push((*key, *algorithm)),
        }
    }
    Ok(keys)
}

fn purpose(key: KeyReference, algorithm: KeyAlgorithm) -> Purpose {
    match key {
        KeyReference::PIV_AUTHENTICATION => Purpose::Authentication,
        KeyReference::DIGITAL_SIGNATURE => Purpose::Signature,
        KeyReference::CARD_AUTHENTICATION => Purpose::CardAuthentication,
        _ => Purpose::KeyManagement {
            agreement: algorithm != KeyAlgorithm::Rsa2048,
        },
    }
}

/// A card authentication certificate names the card, the others its holder.
fn subject(state: &TokenState, key: KeyReference) -> String {
    let name = if key == KeyReference::CARD_AUTHENTICATION {
        &state.id
    } else {
        NAME
    };
    format!("CN={name},O=Example")
}

/// Fills a container. A Crescendo has only those it has; a plain PIV card makes one.
pub(super) fn put(state: &mut TokenState, tag: ObjectTag, content: &[u8]) {
    let content = Bytes(content.to_vec());
    match state.objects.get_mut(&HexId::from(tag)) {
        Some(object) => object.content = content,
        None if state.profile.is_crescendo() => {}
        None => {
            let capacity = piv::PIV_CAPACITY;
            let object = DataObject { capacity, content };
            state.objects.insert(HexId::from(tag), object);
        }
    }
}

fn date(since_1970: Duration) -> Result<Date, CreateError> {
    DateTime::from_unix_duration(since_1970)
        .ok()
        .and_then(|date| Date::new(date.year(), date.month(), date.day()))
        .ok_or_else(|| CreateError::cryptography("the card's expiry date is out of range"))
}
