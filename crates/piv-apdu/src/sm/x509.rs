//! X.509 certificates: what of them vouches for a card's signer.

use core::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use const_oid::db::rfc5280::{
    ID_CE_AUTHORITY_KEY_IDENTIFIER, ID_CE_BASIC_CONSTRAINTS, ID_CE_CERTIFICATE_POLICIES,
    ID_CE_EXT_KEY_USAGE, ID_CE_KEY_USAGE, ID_CE_SUBJECT_ALT_NAME, ID_CE_SUBJECT_KEY_IDENTIFIER,
};
use const_oid::{AssociatedOid, ObjectIdentifier};
use der::referenced::OwnedToRef as _;
use der::{Decode, Reader as _, SliceReader};
use x509_cert::ext::pkix::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectKeyIdentifier,
};
use x509_cert::{Certificate, TbsCertificate};

use super::signature::{SignatureAlgorithm, VerifyingKey};
use crate::object::ObjectError;

/// id-PIV-content-signing (FIPS 201-3, 4.2.1).
const PIV_CONTENT_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.6.7");

/// Extensions that a signer's certificate may have marked critical: those that are
/// looked at here, and those that forbid nothing here.
const UNDERSTOOD: [ObjectIdentifier; 7] = [
    ID_CE_BASIC_CONSTRAINTS,
    ID_CE_KEY_USAGE,
    ID_CE_EXT_KEY_USAGE,
    ID_CE_SUBJECT_KEY_IDENTIFIER,
    ID_CE_AUTHORITY_KEY_IDENTIFIER,
    ID_CE_SUBJECT_ALT_NAME,
    ID_CE_CERTIFICATE_POLICIES,
];

/// A certificate that the caller trusts: of an authority that certifies the signers of
/// cards, or of such a signer itself.
#[derive(Clone, PartialEq, Eq)]
pub struct TrustAnchor(pub(super) X509);

impl TrustAnchor {
    /// Takes an X.509 certificate in DER. What it may vouch for is looked at when it is
    /// asked to.
    ///
    /// # Errors
    /// [`ObjectError::Certificate`] if it is none, or if bytes follow it.
    pub fn from_der(der: &[u8]) -> Result<Self, ObjectError> {
        X509::from_der(der).map(Self)
    }
}

impl fmt::Debug for TrustAnchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustAnchor({})", self.0.content().subject())
    }
}

/// A certificate as bytes and as what they say.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct X509 {
    der: Vec<u8>,
    certificate: Certificate,
}

impl X509 {
    pub(super) fn from_der(der: &[u8]) -> Result<Self, ObjectError> {
        let certificate = Certificate::from_der(der).map_err(ObjectError::Certificate)?;
        let der = der.to_vec();
        Ok(Self { der, certificate })
    }

    pub(super) fn content(&self) -> &TbsCertificate {
        self.certificate.tbs_certificate()
    }

    pub(super) fn key(&self) -> Option<VerifyingKey> {
        VerifyingKey::from_info(self.content().subject_public_key_info())
    }

    /// Whether `now` is within its time, the first and the last second included.
    pub(super) fn is_valid_at(&self, now: SystemTime) -> bool {
        let validity = self.content().validity();
        let begin = validity.not_before.to_unix_duration().as_secs();
        let end = validity.not_after.to_unix_duration().as_secs();
        now.duration_since(UNIX_EPOCH)
            .is_ok_and(|now| (begin..=end).contains(&now.as_secs()))
    }

    /// Whether it may sign certificates: it says that it is an authority's, and its key
    /// usage, if it names any, has that.
    pub(super) fn is_authority(&self) -> bool {
        let is_authority = self
            .extension::<BasicConstraints>()
            .is_ok_and(|constraints| constraints.is_some_and(|constraints| constraints.ca));
        is_authority && self.may(KeyUsages::KeyCertSign)
    }

    /// Whether it says in an extended key usage what it is for, legibly or not.
    pub(super) fn names_extended_usages(&self) -> bool {
        !matches!(self.extension::<ExtendedKeyUsage>(), Ok(None))
    }

    /// Whether it may sign a card's certificate: key usage and extended key usage, where
    /// it names any, have digital signatures and the content of PIV cards.
    pub(super) fn is_content_signer(&self) -> bool {
        let extended = self.extension::<ExtendedKeyUsage>();
        let is_for_content = extended.is_ok_and(|usages| {
            usages.is_none_or(|usages| usages.0.contains(&PIV_CONTENT_SIGNING))
        });
        is_for_content && self.may(KeyUsages::DigitalSignature)
    }

    /// The first critical extension that has a meaning unknown here.
    pub(super) fn not_understood(&self) -> Option<ObjectIdentifier> {
        let extensions = self.content().extensions().map(Vec::as_slice);
        extensions
            .unwrap_or_default()
            .iter()
            .find(|extension| extension.critical && !UNDERSTOOD.contains(&extension.extn_id))
            .map(|extension| extension.extn_id)
    }

    /// The first eight bytes of its key's identifier, as its issuer has given it.
    pub(super) fn key_id(&self) -> Option<[u8; 8]> {
        let identifier = self.extension::<SubjectKeyIdentifier>().ok()??;
        identifier.0.as_bytes().first_chunk().copied()
    }

    /// Whether its signature is that of the issuer's key.
    pub(super) fn is_signed_by(&self, issuer: &Self) -> bool {
        let outer = self.certificate.signature_algorithm();
        if outer != self.content().signature() {
            return false;
        }
        let checked = || {
            let algorithm = SignatureAlgorithm::from_identifier(outer.owned_to_ref())?;
            let signature = self.certificate.signature().as_bytes()?;
            let signed = signed_bytes(&self.der)?;
            Some(issuer.key()?.verifies(algorithm, signed, signature))
        };
        checked() == Some(true)
    }

    fn may(&self, usage: KeyUsages) -> bool {
        self.extension::<KeyUsage>()
            .is_ok_and(|usages| usages.is_none_or(|usages| usages.0.contains(usage)))
    }

    /// The extension, if it is there once or not at all.
    fn extension<'a, T: Decode<'a, Error = der::Error> + AssociatedOid>(
        &'a self,
    ) -> Result<Option<T>, der::Error> {
        let found = self.content().get_extension::<T>()?;
        Ok(found.map(|(_, extension)| extension))
    }
}

/// What the signature is over, as it came and not as it would be encoded again.
fn signed_bytes(der: &[u8]) -> Option<&[u8]> {
    let mut reader = SliceReader::new(der).ok()?;
    reader
        .sequence(|reader| {
            let signed = reader.tlv_bytes()?;
            // The algorithm and the signature, which were read before.
            reader.tlv_bytes()?;
            reader.tlv_bytes()?;
            Ok::<_, der::Error>(signed)
        })
        .ok()
}
