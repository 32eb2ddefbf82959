//! What the virtual contact interface takes: the key 04, its certificate, and who signed it.

use piv_apdu::key::KeyReference;
use piv_apdu::object::{CertificateObject, DataObject as _, Guid, ObjectTag, SmSigner};
use piv_apdu::sm::CipherSuite;
use rand_chacha::ChaCha20Rng;

use super::content::put as put_object;
use super::{CreateError, CreateOptions, Vci};
use crate::crypto::{
    CardVerifiable, Issuer, KeyAlgorithm, PrivateKey, Purpose, Request, key_identifier,
};
use crate::state::{Bytes, DataObject, HexId, SecretBytes, SecureMessagingKey, TokenState};

const ROLE_CARD: u8 = 0x00;
const ROLE_INTERMEDIATE: u8 = 0x12;

/// The containers that a Crescendo with the interface has beyond those of its family, with
/// room for the largest that is made here.
const CONTAINERS: [(ObjectTag, u16); 3] = [
    (ObjectTag::DISCOVERY, 19),
    (ObjectTag::SM_SIGNER, 2471),
    (ObjectTag::PAIRING_CODE, 12),
];

/// The interface that the options ask for, if they do. A pairing code alone asks for the
/// suite of the keys.
pub(super) fn wanted(
    options: &CreateOptions,
    keys: &[(KeyReference, KeyAlgorithm)],
) -> Option<Vci> {
    let suite = if keys
        .iter()
        .any(|(key, algorithm)| needs_cs7(*key, *algorithm))
    {
        CipherSuite::Cs7
    } else {
        CipherSuite::Cs2
    };
    options
        .vci
        .or(options.pairing_code.then_some(Vci::new(suite)))
}

/// SP 800-73-5 Part 2, 4.1.4: with such a key a card with the interface has CS7.
fn needs_cs7(key: KeyReference, algorithm: KeyAlgorithm) -> bool {
    let signs_or_decrypts = matches!(
        key,
        KeyReference::DIGITAL_SIGNATURE | KeyReference::KEY_MANAGEMENT
    );
    algorithm == KeyAlgorithm::EccP384 && (signs_or_decrypts || key.retired_index().is_some())
}

fn has_cs2(options: &CreateOptions) -> bool {
    options.vci.is_some_and(|vci| vci.suite == CipherSuite::Cs2)
}

/// Whether a key that is asked for is one that the suite that is asked for does not go with.
pub(super) fn contradicts_keys(options: &CreateOptions) -> bool {
    let mut keys = options.keys.iter();
    has_cs2(options) && keys.any(|(key, algorithm)| needs_cs7(*key, *algorithm))
}

/// The algorithm of a key that is made unasked.
pub(super) fn key_algorithm(
    options: &CreateOptions,
    key: KeyReference,
    usual: KeyAlgorithm,
) -> KeyAlgorithm {
    if has_cs2(options) && needs_cs7(key, usual) {
        KeyAlgorithm::EccP256
    } else {
        usual
    }
}

/// Gives a Crescendo the containers. A plain PIV card makes them as they are filled.
pub(super) fn allocate(state: &mut TokenState) {
    if !state.profile.is_crescendo() {
        return;
    }
    for (tag, capacity) in CONTAINERS {
        state
            .objects
            .entry(HexId::from(tag))
            .or_insert_with(|| DataObject::empty(capacity));
    }
}

/// Makes the key, its certificate, and the signer's object.
pub(super) fn put(
    state: &mut TokenState,
    vci: Vci,
    guid: Guid,
    issuer: &Issuer,
    random: &mut ChaCha20Rng,
) -> Result<(), CreateError> {
    let algorithm = match vci.suite {
        CipherSuite::Cs2 => KeyAlgorithm::EccP256,
        CipherSuite::Cs7 => KeyAlgorithm::EccP384,
    };
    let key = generate(algorithm, random)?;
    let signer = Signer::new(vci, algorithm, issuer, random)?;
    let card = CardVerifiable {
        issuer: &signer.identifier,
        subject: &guid.0,
        role: ROLE_CARD,
        key: &key,
    };
    let cvc = card
        .sign(&signer.key, random)
        .map_err(CreateError::cryptography)?;
    put_object(state, ObjectTag::SM_SIGNER, &signer.object.encode());
    state.secure_messaging = Some(SecureMessagingKey {
        algorithm,
        pkcs8: SecretBytes::new(&key.to_pkcs8().map_err(CreateError::cryptography)?),
        cvc: Bytes(cvc),
    });
    Ok(())
}

/// Who signs the card's certificate, alive while that is made.
struct Signer {
    key: PrivateKey,
    /// Eight bytes.
    identifier: Vec<u8>,
    object: SmSigner,
}

impl Signer {
    /// The content signer itself, with a key on the suite's curve; or an intermediate with
    /// such a key, which a content signer with an RSA one vouches for.
    fn new(
        vci: Vci,
        algorithm: KeyAlgorithm,
        issuer: &Issuer,
        random: &mut ChaCha20Rng,
    ) -> Result<Self, CreateError> {
        let of_content = if vci.intermediate {
            KeyAlgorithm::Rsa2048
        } else {
            algorithm
        };
        let content_key = generate(of_content, random)?;
        let content_identifier = identifier(&content_key)?;
        let mut object = SmSigner {
            certificate: certificate(&content_key, issuer, random)?,
            intermediate_cvc: None,
        };
        if !vci.intermediate {
            return Ok(Signer {
                key: content_key,
                identifier: content_identifier,
                object,
            });
        }
        let key = generate(algorithm, random)?;
        let own_identifier = identifier(&key)?;
        let intermediate = CardVerifiable {
            issuer: &content_identifier,
            subject: &own_identifier,
            role: ROLE_INTERMEDIATE,
            key: &key,
        };
        let cvc = intermediate
            .sign(&content_key, random)
            .map_err(CreateError::cryptography)?;
        object.intermediate_cvc = Some(inside(&cvc)?);
        Ok(Signer {
            key,
            identifier: own_identifier,
            object,
        })
    }
}

fn generate(algorithm: KeyAlgorithm, random: &mut ChaCha20Rng) -> Result<PrivateKey, CreateError> {
    PrivateKey::generate(algorithm, random).map_err(CreateError::cryptography)
}

/// The first eight bytes of a key's identifier.
fn identifier(key: &PrivateKey) -> Result<Vec<u8>, CreateError> {
    let key = key
        .subject_public_key_info()
        .map_err(CreateError::cryptography)?;
    let mut identifier = key_identifier(&key).map_err(CreateError::cryptography)?;
    identifier.truncate(8);
    Ok(identifier)
}

fn certificate(
    key: &PrivateKey,
    issuer: &Issuer,
    random: &mut ChaCha20Rng,
) -> Result<CertificateObject, CreateError> {
    let request = Request {
        purpose: Purpose::ContentSigning,
        subject: "CN=Test content signer,O=Example".to_owned(),
        principal: "",
        uuid: "",
        key: key
            .subject_public_key_info()
            .map_err(CreateError::cryptography)?,
    };
    Ok(CertificateObject {
        certificate: issuer
            .issue(request, random)
            .map_err(CreateError::cryptography)?,
        compressed: false,
    })
}

/// What is inside a certificate's tag.
fn inside(cvc: &[u8]) -> Result<Vec<u8>, CreateError> {
    piv_apdu::tlv::require(cvc, piv_apdu::tlv::Tag::new(0x7F21))
        .map(<[u8]>::to_vec)
        .map_err(CreateError::cryptography)
}
