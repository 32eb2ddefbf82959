//! Who vouches for a card's certificate.

use std::time::SystemTime;

use const_oid::ObjectIdentifier;
use sha1::{Digest as _, Sha1};

use super::cvc::{Cvc, CvcHolder};
use super::keys::CipherSuite;
use super::signature::{Hash, SignatureAlgorithm, VerifyingKey};
use super::x509::{TrustAnchor, X509};
use crate::object::{ObjectError, SmSigner};
use crate::tlv::TemplateError;

/// Why nobody who is trusted vouches for a card's certificate. The session with it was
/// given up; the card does not know of that, and has not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// No anchor was given.
    #[error("no certificate is trusted to vouch for cards, so no card can be believed")]
    NoAnchor,
    /// The signer's certificate, in the object `5FC122`, is not an X.509 certificate.
    #[error("the certificate of the card's signer can't be read: {0}")]
    Signer(ObjectError),
    /// No anchor has the name of the signer's issuer.
    #[error("the card's signer was certified by \"{issuer}\", which is not trusted here")]
    UnknownIssuer {
        /// The issuer's name, in the form of RFC 4514.
        issuer: String,
    },
    /// The anchor with the name of the signer's issuer is not an authority's.
    #[error("the trusted certificate that the card's signer names is not an authority's")]
    NotAnAuthority,
    /// The time is not within the anchor's.
    #[error("the trusted certificate that the card's signer names is not valid at this time")]
    AnchorNotValid,
    /// The signer's certificate was not signed by the anchor that it names.
    #[error("the certificate of the card's signer is not from the authority that it names")]
    SignerSignature,
    /// The time is not within the signer's.
    #[error("the certificate of the card's signer is not valid at this time")]
    SignerNotValid,
    /// The signer's certificate is for something else.
    #[error("the certificate of the card's signer is not one for signing what is on cards")]
    SignerUsage,
    /// The signer's certificate has no extended key usage, and is no anchor itself.
    #[error(
        "the certificate of the card's signer does not say that it is for signing what is on \
         cards, and is not itself trusted here"
    )]
    SignerPurpose,
    /// The signer's certificate has a critical extension that is not understood here.
    #[error("the certificate of the card's signer has the unknown critical extension {0}")]
    SignerExtension(ObjectIdentifier),
    /// The signer's certificate has no identifier of its key.
    #[error("the certificate of the card's signer has no identifier of its key")]
    SignerKeyIdentifier,
    /// The signer's key is none of P-256, P-384 and RSA of at least 2048 bits.
    #[error("the key of the card's signer is of a kind or size that is not taken")]
    SignerKey,
    /// The intermediate card verifiable certificate, in the object `5FC122`, does not hold.
    #[error("the intermediate certificate between signer and card does not hold: {0}")]
    Intermediate(CvcFault),
    /// The card's own certificate does not hold.
    #[error("the card's certificate for secure sessions does not hold: {0}")]
    Card(CvcFault),
}

/// What is wrong with a card verifiable certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CvcFault {
    /// It can't be read.
    #[error(transparent)]
    Malformed(#[from] TemplateError),
    /// It is for somebody else: the card's for a signer, or the other way round.
    #[error("it has another role")]
    Role,
    /// Its own identifier is not that of its key.
    #[error("its identifier is not that of its key")]
    KeyIdentifier,
    /// Its key is on another curve than the card's, or on none.
    #[error("its key is not of the card's cipher suite")]
    Key,
    /// It names another issuer.
    #[error("it names another issuer")]
    Issuer,
    /// It is not signed by the algorithm that the standard has for it.
    #[error("it is signed in another way than the standard has it")]
    Algorithm,
    /// Its signature is not the issuer's.
    #[error("its signature is not its issuer's")]
    Signature,
}

/// Who signs: a key, and the first eight bytes of its identifier.
struct Issuer {
    id: [u8; 8],
    key: VerifyingKey,
}

/// Checks the whole chain: an anchor, the signer, an intermediate if there is one, the
/// card.
pub(super) fn verify(
    card: &Cvc,
    signer: &SmSigner,
    anchors: &[TrustAnchor],
    now: SystemTime,
) -> Result<(), ChainError> {
    let certificate = &signer.certificate.certificate;
    let certificate = X509::from_der(certificate).map_err(ChainError::Signer)?;
    if !anchors.iter().any(|anchor| anchor.0 == certificate) {
        check_certified(&certificate, anchors, now)?;
    }
    let mut issuer = content_signer(&certificate, now)?;
    if let Some(intermediate) = &signer.intermediate_cvc {
        issuer = intermediate_signer(intermediate, &issuer, card.suite())
            .map_err(ChainError::Intermediate)?;
    }
    check_card(card, &issuer).map_err(ChainError::Card)
}

/// That the signer was certified by an anchor, and for this. An anchor is trusted for all
/// that it certifies; there may be several with one name.
fn check_certified(
    signer: &X509,
    anchors: &[TrustAnchor],
    now: SystemTime,
) -> Result<(), ChainError> {
    if anchors.is_empty() {
        return Err(ChainError::NoAnchor);
    }
    let issuer = signer.content().issuer();
    let mut outcome = Err(ChainError::UnknownIssuer {
        issuer: issuer.to_string(),
    });
    for TrustAnchor(anchor) in anchors {
        if anchor.content().subject() == issuer {
            outcome = check_issued(signer, anchor, now);
        }
        if outcome.is_ok() {
            break;
        }
    }
    outcome?;
    // An authority certifies others too, cardholders among them.
    if !signer.names_extended_usages() {
        return Err(ChainError::SignerPurpose);
    }
    Ok(())
}

fn check_issued(signer: &X509, anchor: &X509, now: SystemTime) -> Result<(), ChainError> {
    if !anchor.is_authority() {
        return Err(ChainError::NotAnAuthority);
    }
    if !anchor.is_valid_at(now) {
        return Err(ChainError::AnchorNotValid);
    }
    if !signer.is_signed_by(anchor) {
        return Err(ChainError::SignerSignature);
    }
    Ok(())
}

/// What a certificate that is anchored may sign with.
fn content_signer(certificate: &X509, now: SystemTime) -> Result<Issuer, ChainError> {
    if !certificate.is_valid_at(now) {
        return Err(ChainError::SignerNotValid);
    }
    if let Some(extension) = certificate.not_understood() {
        return Err(ChainError::SignerExtension(extension));
    }
    if !certificate.is_content_signer() {
        return Err(ChainError::SignerUsage);
    }
    Ok(Issuer {
        id: certificate
            .key_id()
            .ok_or(ChainError::SignerKeyIdentifier)?,
        key: certificate.key().ok_or(ChainError::SignerKey)?,
    })
}

/// An intermediate has a key for the card's suite, and an RSA signature.
fn intermediate_signer(
    content: &[u8],
    issuer: &Issuer,
    suite: CipherSuite,
) -> Result<Issuer, CvcFault> {
    let cvc = Cvc::decode_content(content)?;
    let CvcHolder::Intermediate(id) = cvc.holder() else {
        return Err(CvcFault::Role);
    };
    if Sha1::digest(cvc.point())[..id.len()] != id {
        return Err(CvcFault::KeyIdentifier);
    }
    check_signature(&cvc, issuer, SignatureAlgorithm::Rsa(Hash::Sha256))?;
    let key = VerifyingKey::from_point(cvc.suite(), cvc.point());
    let key = key.filter(|_| cvc.suite() == suite).ok_or(CvcFault::Key)?;
    Ok(Issuer { id, key })
}

/// A card's certificate has a signature of its own suite.
fn check_card(cvc: &Cvc, issuer: &Issuer) -> Result<(), CvcFault> {
    let hash = match cvc.suite() {
        CipherSuite::Cs2 => Hash::Sha256,
        CipherSuite::Cs7 => Hash::Sha384,
    };
    if !matches!(cvc.holder(), CvcHolder::Card(_)) {
        return Err(CvcFault::Role);
    }
    check_signature(cvc, issuer, SignatureAlgorithm::Ecdsa(hash))?;
    if issuer.key.suite() != Some(cvc.suite()) {
        return Err(CvcFault::Algorithm);
    }
    Ok(())
}

fn check_signature(
    cvc: &Cvc,
    issuer: &Issuer,
    algorithm: SignatureAlgorithm,
) -> Result<(), CvcFault> {
    if cvc.issuer_id() != issuer.id {
        return Err(CvcFault::Issuer);
    }
    if cvc.algorithm != algorithm {
        return Err(CvcFault::Algorithm);
    }
    if !issuer.key.verifies(algorithm, cvc.signed(), &cvc.signature) {
        return Err(CvcFault::Signature);
    }
    Ok(())
}
