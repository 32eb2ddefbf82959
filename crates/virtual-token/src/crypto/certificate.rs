//! The certificates that a token is made with, and the test authority that signs them.

use core::str::FromStr;
use core::time::Duration;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280::{ID_KP_CLIENT_AUTH, ID_KP_EMAIL_PROTECTION};
use der::asn1::{Ia5String, Utf8StringRef};
use der::flagset::FlagSet;
use der::{Any, Encode};
use p256::ecdsa::{DerSignature, SigningKey};
use p256::elliptic_curve::Generate;
use rand_core::CryptoRng;
use spki::{EncodePublicKey, SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef};
use x509_cert::TbsCertificate;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{self, Builder, CertificateBuilder};
use x509_cert::ext::pkix::name::{GeneralName, OtherName};
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages,
    SubjectAltName, SubjectKeyIdentifier,
};
use x509_cert::ext::{Extension, ToExtension};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::time::{Time, Validity};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a cardholder's certificate is valid.
const VALID: Duration = DAY.saturating_mul(3 * 365);
/// How long the authority's is.
const ISSUER_VALID: Duration = DAY.saturating_mul(10 * 365);

/// id-PIV-cardAuth (SP 800-73-5, certificates for key 9E).
const PIV_CARD_AUTHENTICATION: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("2.16.840.1.101.3.6.8");
/// id-PIV-content-signing.
const PIV_CONTENT_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.6.7");
/// Microsoft's smart card logon.
const SMART_CARD_LOGON: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.20.2.2");
/// Microsoft's user principal name, another name in a subject alternative name.
const USER_PRINCIPAL_NAME: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.20.2.3");
/// A certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error(transparent)]
    Builder(#[from] builder::Error),
    #[error(transparent)]
    Asn1(#[from] der::Error),
    #[error(transparent)]
    PublicKey(#[from] spki::Error),
    #[error("the serial number is empty")]
    SerialNumber,
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// 9A: the cardholder logs on.
    Authentication,
    /// 9C: the cardholder signs.
    Signature,
    /// 9D and the retired keys: others encrypt to the cardholder.
    KeyManagement { agreement: bool },
    /// 9E: the card, whoever holds it.
    CardAuthentication,
    /// Whoever signs what is on the card: here its card verifiable certificate.
    ContentSigning,
}

/// A certificate to be made.
pub(crate) struct Request<'a> {
    pub(crate) purpose: Purpose,
    /// RFC 4514.
    pub(crate) subject: String,
    /// `name@domain`, for a cardholder.
    pub(crate) principal: &'a str,
    /// The card's UUID in text.
    pub(crate) uuid: &'a str,
    pub(crate) key: SubjectPublicKeyInfoOwned,
}

/// The authority of one token, alive while that is made.
pub(crate) struct Issuer {
    key: SigningKey,
    name: Name,
    certificate: Vec<u8>,
    /// Since 1970.
    not_before: Duration,
}

impl Issuer {
    pub(crate) fn new<R: CryptoRng>(
        not_before: Duration,
        random: &mut R,
    ) -> Result<Self, CertificateError> {
        let key = SigningKey::generate_from_rng(random);
        let name = Name::from_str("CN=Test CA,O=Example")?;
        let spki = spki_of(&key)?;
        let profile = Profile {
            issuer: name.clone(),
            subject: name.clone(),
            extensions: authority_extensions(&name)?,
        };
        let certificate = sign(&key, profile, spki, not_before, ISSUER_VALID, random)?;
        Ok(Issuer {
            key,
            name,
            certificate,
            not_before,
        })
    }

    /// The authority's own certificate, DER.
    pub(crate) fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    pub(super) fn key(&self) -> &SigningKey {
        &self.key
    }

    /// A certificate, DER.
    pub(crate) fn issue<R: CryptoRng>(
        &self,
        request: Request<'_>,
        random: &mut R,
    ) -> Result<Vec<u8>, CertificateError> {
        let subject = Name::from_str(&request.subject)?;
        let valid = match request.purpose {
            // It has to live as long as the card.
            Purpose::ContentSigning => ISSUER_VALID,
            _ => VALID,
        };
        let profile = Profile {
            issuer: self.name.clone(),
            extensions: cardholder_extensions(&request, &subject)?,
            subject,
        };
        sign(
            &self.key,
            profile,
            request.key,
            self.not_before,
            valid,
            random,
        )
    }
}

fn sign<R: CryptoRng>(
    key: &SigningKey,
    profile: Profile,
    spki: SubjectPublicKeyInfoOwned,
    not_before: Duration,
    valid: Duration,
    random: &mut R,
) -> Result<Vec<u8>, CertificateError> {
    let mut serial = [0; 8];
    random.fill_bytes(&mut serial);
    // Positive and not zero, in as few bytes as it is.
    serial[0] = serial[0] & 0x7F | 0x40;
    let serial = SerialNumber::new(&serial).map_err(|_| CertificateError::SerialNumber)?;
    let validity = Validity::new(time(not_before)?, time(not_before + valid)?);
    let builder = CertificateBuilder::new(profile, serial, validity, spki)?;
    Ok(builder.build::<_, DerSignature>(key)?.to_der()?)
}

/// The identifier of a public key: the SHA-1 of its bits (RFC 5280, 4.2.1.2, method 1).
pub(crate) fn key_identifier(key: &SubjectPublicKeyInfoOwned) -> Result<Vec<u8>, CertificateError> {
    let document = key.to_der()?;
    let key = SubjectPublicKeyInfoRef::try_from(document.as_slice())?;
    Ok(SubjectKeyIdentifier::try_from(key)?.0.into_bytes().into())
}

fn time(since_1970: Duration) -> Result<Time, der::Error> {
    Ok(der::DateTime::from_unix_duration(since_1970)?.into())
}

fn spki_of(key: &SigningKey) -> Result<SubjectPublicKeyInfoOwned, CertificateError> {
    let document = key.verifying_key().to_public_key_der()?;
    Ok(SubjectPublicKeyInfoOwned::try_from(document.as_bytes())?)
}

/// The extensions as they are, and the two key identifiers, which follow from the keys.
struct Profile {
    issuer: Name,
    subject: Name,
    extensions: Vec<Extension>,
}

impl BuilderProfile for Profile {
    fn get_issuer(&self, _subject: &Name) -> Name {
        self.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        spk: SubjectPublicKeyInfoRef<'_>,
        issuer_spk: SubjectPublicKeyInfoRef<'_>,
        tbs: &TbsCertificate,
    ) -> builder::Result<Vec<Extension>> {
        let mut extensions = self.extensions.clone();
        let subject_key = SubjectKeyIdentifier::try_from(spk)?;
        let issuer_key = AuthorityKeyIdentifier::try_from(issuer_spk)?;
        extensions.push(subject_key.to_extension(tbs.subject(), &extensions)?);
        extensions.push(issuer_key.to_extension(tbs.subject(), &extensions)?);
        Ok(extensions)
    }
}

fn authority_extensions(name: &Name) -> Result<Vec<Extension>, der::Error> {
    let constraints = BasicConstraints {
        ca: true,
        path_len_constraint: Some(0),
    };
    let usage = KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign);
    Ok(vec![
        constraints.to_extension(name, &[])?,
        usage.to_extension(name, &[])?,
    ])
}

/// The extensions that a PIV certificate is told apart by (SP 800-73, FPKI profiles). No
/// policy and no place for revocation lists: this authority has neither.
fn cardholder_extensions(
    request: &Request<'_>,
    subject: &Name,
) -> Result<Vec<Extension>, der::Error> {
    let (usage, extended, principal): (FlagSet<KeyUsages>, Vec<ObjectIdentifier>, bool) =
        match request.purpose {
            Purpose::Authentication => (
                KeyUsages::DigitalSignature.into(),
                vec![ID_KP_CLIENT_AUTH, SMART_CARD_LOGON],
                true,
            ),
            Purpose::Signature => (
                KeyUsages::DigitalSignature | KeyUsages::NonRepudiation,
                vec![ID_KP_EMAIL_PROTECTION],
                true,
            ),
            Purpose::KeyManagement { agreement } => (
                if agreement {
                    KeyUsages::KeyAgreement.into()
                } else {
                    KeyUsages::KeyEncipherment.into()
                },
                vec![ID_KP_EMAIL_PROTECTION],
                true,
            ),
            Purpose::CardAuthentication => (
                KeyUsages::DigitalSignature.into(),
                vec![PIV_CARD_AUTHENTICATION],
                false,
            ),
            Purpose::ContentSigning => (
                KeyUsages::DigitalSignature.into(),
                vec![PIV_CONTENT_SIGNING],
                false,
            ),
        };
    let mut extensions = vec![
        KeyUsage(usage).to_extension(subject, &[])?,
        ExtendedKeyUsage(extended).to_extension(subject, &[])?,
    ];
    // It is no card's.
    if request.purpose == Purpose::ContentSigning {
        return Ok(extensions);
    }
    let mut names = Vec::new();
    if principal {
        names.push(GeneralName::OtherName(OtherName {
            type_id: USER_PRINCIPAL_NAME,
            value: Any::encode_from(&Utf8StringRef::new(request.principal)?)?,
        }));
    }
    let uuid = Ia5String::new(&format!("urn:uuid:{}", request.uuid))?;
    names.push(GeneralName::UniformResourceIdentifier(uuid));
    extensions.push(SubjectAltName(names).to_extension(subject, &[])?);
    Ok(extensions)
}
