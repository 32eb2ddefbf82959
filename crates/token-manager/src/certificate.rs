//! Certificates as a person reads them: who, by whom, how long, for what.

use std::fmt::{self, Write as _};
use std::time::SystemTime;

use const_oid::ObjectIdentifier;
use const_oid::db::DB;
use der::pem::LineEnding;
use der::{Decode, Encode};
use piv_apdu::key::{Algorithm, KeyReference};
use piv_apdu::object::ObjectTag;
use sha2::{Digest, Sha256};
use x509_cert::Certificate;
use x509_cert::ext::pkix::{ExtendedKeyUsage, KeyUsage as KeyUsageExtension};
use x509_cert::name::Name;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use crate::concern::{is_weak_curve, is_weak_signature};
use crate::error::Unreadable;

/// A certificate object and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateEntry {
    /// The key that the certificate belongs to, where its object is one of the
    /// standard's. A vendor's slot has none unless the card named it.
    pub slot: Option<KeyReference>,
    /// The data object that holds it.
    pub tag: ObjectTag,
    /// What was found there.
    pub state: CertificateState,
}

impl CertificateEntry {
    /// How its place is named in a sentence: the slot (`9A`), or the tag of the object
    /// (`5FC10D`) where it has none. Hexadecimal.
    pub fn place(&self) -> String {
        let bytes = match self.slot {
            Some(slot) => vec![slot.get()],
            None => self.tag.to_bytes(),
        };
        hex(&bytes).to_ascii_uppercase()
    }

    /// The certificate, if one was found and understood.
    pub fn certificate(&self) -> Option<&CertificateInfo> {
        match &self.state {
            CertificateState::Present(info) => Some(info),
            _ => None,
        }
    }

    /// The certificate's bytes (DER, not compressed), also of one that this
    /// program cannot read.
    pub fn der(&self) -> Option<&[u8]> {
        match &self.state {
            CertificateState::Present(info) => Some(&info.der),
            CertificateState::NotX509 { der, .. } => Some(der),
            _ => None,
        }
    }
}

/// What was found in a certificate object.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateState {
    /// A certificate.
    Present(Box<CertificateInfo>),
    /// The container exists and is empty (`53 00`).
    Empty,
    /// There is no such object on the card (6A82).
    Absent,
    /// The object holds something in its certificate field that is not an
    /// X.509 certificate this program can read. The bytes are kept.
    NotX509 {
        /// The bytes, uncompressed.
        der: Vec<u8>,
        /// What is wrong with them.
        error: String,
    },
    /// The card gives it on contact, or over the virtual contact interface, and it is on
    /// a contactless reader with that closed (6982).
    NeedsContact,
    /// The object could not be read at all, or is not a certificate object.
    Unreadable(Unreadable),
}

/// A parsed X.509 certificate (RFC 5280).
///
/// The texts come from the certificate and may hold any Unicode character:
/// make them safe before they go to a terminal.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct CertificateInfo {
    /// Subject, as RFC 4514 writes it: `CN=Jo Doe,O=Example`.
    pub subject: String,
    /// Issuer, as RFC 4514 writes it.
    pub issuer: String,
    /// Serial number: big-endian, two's complement, as in the certificate (at
    /// most 21 bytes).
    pub serial: Vec<u8>,
    /// Start of validity.
    pub not_before: SystemTime,
    /// End of validity: still valid at this moment.
    pub not_after: SystemTime,
    /// Key usage; `None` if the certificate does not have the extension.
    pub key_usage: Option<Vec<KeyUsage>>,
    /// Extended key usage; `None` if the certificate does not have the
    /// extension.
    pub extended_key_usage: Option<Vec<Purpose>>,
    /// The public key's algorithm and size.
    pub public_key: PublicKeyAlgorithm,
    /// What the issuer signed with, by its usual name or else its OID.
    pub signature_algorithm: String,
    /// SHA-256 over [`der`](Self::der).
    pub sha256: [u8; 32],
    /// Whether subject and issuer are the same name.
    pub self_issued: bool,
    /// Whether the card keeps it compressed (gzip).
    pub compressed: bool,
    /// The certificate itself, uncompressed.
    pub der: Vec<u8>,
    pub(crate) weak_curve: bool,
    pub(crate) weak_signature: bool,
}

impl CertificateInfo {
    /// Reads a certificate.
    ///
    /// # Errors
    /// A sentence on what is wrong if `der` is not exactly one X.509
    /// certificate. A malformed key usage extension is treated as absent: it
    /// takes nothing else down.
    pub fn parse(der: &[u8]) -> Result<Self, String> {
        let certificate = Certificate::from_der(der).map_err(|error| error.to_string())?;
        let tbs = certificate.tbs_certificate();
        Ok(Self {
            subject: distinguished_name(tbs.subject()),
            issuer: distinguished_name(tbs.issuer()),
            serial: tbs.serial_number().as_bytes().to_vec(),
            not_before: tbs.validity().not_before.to_system_time(),
            not_after: tbs.validity().not_after.to_system_time(),
            key_usage: tbs
                .get_extension::<KeyUsageExtension>()
                .ok()
                .flatten()
                .map(|(_, usage)| KeyUsage::all_in(usage)),
            extended_key_usage: tbs
                .get_extension::<ExtendedKeyUsage>()
                .ok()
                .flatten()
                .map(|(_, usage)| usage.0.into_iter().map(Purpose).collect()),
            public_key: PublicKeyAlgorithm::of(tbs.subject_public_key_info()),
            signature_algorithm: oid_name(&certificate.signature_algorithm().oid),
            sha256: Sha256::digest(der).into(),
            self_issued: tbs.subject() == tbs.issuer(),
            compressed: false,
            der: der.to_vec(),
            weak_curve: curve_of(tbs.subject_public_key_info())
                .is_some_and(|curve| is_weak_curve(&curve)),
            weak_signature: is_weak_signature(&certificate.signature_algorithm().oid),
        })
    }

    /// Whether the certificate is valid at `now`, by its dates alone.
    pub fn validity(&self, now: SystemTime) -> Validity {
        if now < self.not_before {
            Validity::NotYetValid
        } else if now > self.not_after {
            Validity::Expired
        } else {
            Validity::Valid
        }
    }

    /// The serial number as hexadecimal digits, two a byte.
    pub fn serial_hex(&self) -> String {
        hex(&self.serial)
    }

    /// The SHA-256 fingerprint as 64 hexadecimal digits.
    pub fn sha256_hex(&self) -> String {
        hex(&self.sha256)
    }
}

/// Without the bytes of the certificate.
impl fmt::Debug for CertificateInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateInfo")
            .field("subject", &self.subject)
            .field("issuer", &self.issuer)
            .field("serial", &self.serial_hex())
            .field("not_before", &utc(self.not_before))
            .field("not_after", &utc(self.not_after))
            .field("public_key", &self.public_key)
            .field("sha256", &self.sha256_hex())
            .finish_non_exhaustive()
    }
}

/// Validity by dates. That a certificate is `Valid` says nothing of its
/// signature, issuer or revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Validity {
    /// Between its two dates, both included.
    Valid,
    /// Before the first date.
    NotYetValid,
    /// After the second date.
    Expired,
}

impl Validity {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::NotYetValid => "not yet valid",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for Validity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One key usage bit (RFC 5280 section 4.2.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the standard's own names")]
pub enum KeyUsage {
    DigitalSignature,
    NonRepudiation,
    KeyEncipherment,
    DataEncipherment,
    KeyAgreement,
    KeyCertSign,
    CrlSign,
    EncipherOnly,
    DecipherOnly,
}

impl KeyUsage {
    /// The standard's name: `digitalSignature`.
    pub fn name(self) -> &'static str {
        match self {
            Self::DigitalSignature => "digitalSignature",
            Self::NonRepudiation => "nonRepudiation",
            Self::KeyEncipherment => "keyEncipherment",
            Self::DataEncipherment => "dataEncipherment",
            Self::KeyAgreement => "keyAgreement",
            Self::KeyCertSign => "keyCertSign",
            Self::CrlSign => "cRLSign",
            Self::EncipherOnly => "encipherOnly",
            Self::DecipherOnly => "decipherOnly",
        }
    }

    fn all_in(extension: KeyUsageExtension) -> Vec<Self> {
        [
            (extension.digital_signature(), Self::DigitalSignature),
            (extension.non_repudiation(), Self::NonRepudiation),
            (extension.key_encipherment(), Self::KeyEncipherment),
            (extension.data_encipherment(), Self::DataEncipherment),
            (extension.key_agreement(), Self::KeyAgreement),
            (extension.key_cert_sign(), Self::KeyCertSign),
            (extension.crl_sign(), Self::CrlSign),
            (extension.encipher_only(), Self::EncipherOnly),
            (extension.decipher_only(), Self::DecipherOnly),
        ]
        .into_iter()
        .filter_map(|(set, usage)| set.then_some(usage))
        .collect()
    }
}

/// One purpose in an extended key usage (RFC 5280 section 4.2.1.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Purpose(ObjectIdentifier);

impl Purpose {
    /// The OID, dotted.
    pub fn oid(&self) -> String {
        self.0.to_string()
    }

    /// The purpose in words, for those met on PIV tokens.
    pub fn name(&self) -> Option<&'static str> {
        Some(match self.0.to_string().as_str() {
            "2.5.29.37.0" => "any purpose",
            "1.3.6.1.5.5.7.3.1" => "server authentication",
            "1.3.6.1.5.5.7.3.2" => "client authentication",
            "1.3.6.1.5.5.7.3.3" => "code signing",
            "1.3.6.1.5.5.7.3.4" => "email protection",
            "1.3.6.1.5.5.7.3.8" => "time stamping",
            "1.3.6.1.5.5.7.3.9" => "OCSP signing",
            "1.3.6.1.5.5.7.3.21" => "SSH client",
            "1.3.6.1.5.2.3.4" => "PKINIT client authentication",
            "1.3.6.1.4.1.311.20.2.2" => "smart card logon",
            "1.3.6.1.4.1.311.10.3.12" => "document signing",
            "2.16.840.1.101.3.6.7" => "PIV content signing",
            "2.16.840.1.101.3.6.8" => "PIV card authentication",
            _ => return None,
        })
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => self.0.fmt(f),
        }
    }
}

/// The algorithm of a certificate's public key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PublicKeyAlgorithm {
    /// RSA with a modulus of so many bits.
    Rsa {
        /// Bits of the modulus, leading zeros not counted.
        bits: u32,
    },
    /// ECDSA or ECDH on P-256.
    EccP256,
    /// ECDSA or ECDH on P-384.
    EccP384,
    /// Something else, by name or OID.
    Other(String),
}

impl PublicKeyAlgorithm {
    fn of(key: &SubjectPublicKeyInfoOwned) -> Self {
        const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
        const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
        const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

        let algorithm = key.algorithm.oid;
        if algorithm == RSA
            && let Some(bits) = rsa_bits(key.subject_public_key.raw_bytes())
        {
            return Self::Rsa { bits };
        }
        match curve_of(key) {
            Some(P256) => Self::EccP256,
            Some(P384) => Self::EccP384,
            Some(curve) => Self::Other(oid_name(&curve)),
            None => Self::Other(oid_name(&algorithm)),
        }
    }

    /// The PIV algorithm (SP 800-78) that such a key has, if PIV has one.
    pub fn piv(&self) -> Option<Algorithm> {
        match self {
            Self::Rsa { bits: 1024 } => Some(Algorithm::Rsa1024),
            Self::Rsa { bits: 2048 } => Some(Algorithm::Rsa2048),
            Self::Rsa { bits: 3072 } => Some(Algorithm::Rsa3072),
            Self::Rsa { bits: 4096 } => Some(Algorithm::Rsa4096),
            Self::EccP256 => Some(Algorithm::EccP256),
            Self::EccP384 => Some(Algorithm::EccP384),
            Self::Rsa { .. } | Self::Other(_) => None,
        }
    }
}

impl fmt::Display for PublicKeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA-{bits}"),
            Self::EccP256 => f.write_str("P-256"),
            Self::EccP384 => f.write_str("P-384"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

/// A certificate as text, between BEGIN CERTIFICATE and END CERTIFICATE (RFC 7468). It is given
/// as DER, and is not looked into. Cannot fail for what fits in memory; an empty text if it does.
pub fn certificate_pem(der: &[u8]) -> String {
    der::pem::encode_string("CERTIFICATE", LineEnding::LF, der).unwrap_or_default()
}

/// A moment as ISO 8601 writes it in UTC: `2026-01-31T23:59:59Z`. Moments
/// before 1970 or after 9999 cannot be written so and come out as `"unknown"`.
pub fn utc(moment: SystemTime) -> String {
    der::DateTime::from_system_time(moment)
        .map_or_else(|_| "unknown".to_owned(), |moment| moment.to_string())
}

/// The day of a moment in UTC: `2031-05-01`; `"unknown"` as for [`utc`].
pub fn date(moment: SystemTime) -> String {
    let moment = utc(moment);
    moment.split('T').next().unwrap_or_default().to_owned()
}

/// The named curve of a key on one (RFC 5480).
fn curve_of(key: &SubjectPublicKeyInfoOwned) -> Option<ObjectIdentifier> {
    const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

    let parameters = key.algorithm.parameters.as_ref()?;
    (key.algorithm.oid == EC)
        .then(|| parameters.decode_as::<ObjectIdentifier>().ok())
        .flatten()
}

/// Bits of the modulus of an `RSAPublicKey ::= SEQUENCE { INTEGER, INTEGER }`.
fn rsa_bits(key: &[u8]) -> Option<u32> {
    #[derive(der::Sequence)]
    struct RsaPublicKey {
        modulus: der::asn1::Uint,
        exponent: der::asn1::Uint,
    }

    let key = RsaPublicKey::from_der(key).ok()?;
    let modulus = key.modulus.as_bytes();
    let bytes = u32::try_from(modulus.len()).ok()?;
    Some(bytes * 8 - modulus.first()?.leading_zeros())
}

/// RFC 4514, without trusting the name to be printable: a value that the
/// formatter refuses is written as its DER.
fn distinguished_name(name: &Name) -> String {
    let mut text = String::new();
    if write!(text, "{name}").is_err() {
        text = format!("#{}", hex(&name.to_der().unwrap_or_default()));
    }
    text
}

fn oid_name(oid: &ObjectIdentifier) -> String {
    DB.by_oid(oid)
        .map_or_else(|| oid.to_string(), str::to_owned)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

    use proptest::prelude::*;

    use super::*;

    const RSA: &[u8] = include_bytes!("../tests/data/digital_signature.der");
    const ECC: &[u8] = include_bytes!("../tests/data/piv_authentication.der");

    #[test]
    fn pem_has_lines_of_64_and_gives_the_same_certificate_back() {
        let text = certificate_pem(RSA);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.first(), Some(&"-----BEGIN CERTIFICATE-----"));
        assert_eq!(lines.get(1).map(|line| line.len()), Some(64));
        assert_eq!(lines.last(), Some(&"-----END CERTIFICATE-----"));
        let (label, der) = der::pem::decode_vec(text.as_bytes()).unwrap();
        assert_eq!((label, der.as_slice()), ("CERTIFICATE", RSA));
    }

    #[test]
    fn dates_are_days_in_utc() {
        assert_eq!(date(SystemTime::UNIX_EPOCH), "1970-01-01");
        let moment = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_709_251_199);
        assert_eq!(date(moment), "2024-02-29");
    }

    fn show(der: &[u8]) {
        if let Ok(info) = CertificateInfo::parse(der) {
            for purpose in info.extended_key_usage.iter().flatten() {
                let _ = format!("{purpose} {}", purpose.oid());
            }
            let _ = format!("{info:?} {} {:?}", info.public_key, info.public_key.piv());
            let _ = info.validity(SystemTime::now());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            show(&bytes);
        }

        /// Damage that leaves most of the structure as it was gets further in.
        #[test]
        fn a_damaged_certificate_is_read_or_refused(
            rsa: bool,
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            cut in any::<prop::sample::Index>(),
            whole: bool,
        ) {
            let mut der = if rsa { RSA } else { ECC }.to_vec();
            for (at, byte) in damage {
                let at = at.index(der.len());
                der[at] = byte;
            }
            if !whole {
                der.truncate(cut.index(der.len()));
            }
            show(&der);
        }
    }

    #[test]
    fn a_moment_out_of_range_is_unknown() {
        let before = SystemTime::UNIX_EPOCH - std::time::Duration::from_secs(1);
        assert_eq!(utc(before), "unknown");
        assert_eq!(utc(SystemTime::UNIX_EPOCH), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn an_rsa_key_s_size_is_that_of_its_modulus() {
        // SEQUENCE { INTEGER 2^17 - 1, INTEGER 65537 }
        let key = [
            0x30, 0x0A, 0x02, 0x03, 0x01, 0xFF, 0xFF, 0x02, 0x03, 0x01, 0x00, 0x01,
        ];
        assert_eq!(rsa_bits(&key), Some(17));
        assert_eq!(rsa_bits(&key[..5]), None);
        assert_eq!(PublicKeyAlgorithm::Rsa { bits: 17 }.piv(), None);
    }
}
