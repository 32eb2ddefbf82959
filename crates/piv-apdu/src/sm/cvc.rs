//! Card verifiable certificates.

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912;
use der::asn1::BitStringRef;
use der::{Decode as _, Reader as _, SliceReader};
use x509_cert::spki::AlgorithmIdentifierRef;

use super::keys::CipherSuite;
use super::signature::SignatureAlgorithm;
use crate::object::Guid;
use crate::tlv::{Reader, Tag, TemplateError};

const CERTIFICATE: Tag = Tag::new(0x7F21);
const PROFILE: Tag = Tag::new(0x5F29);
const ISSUER_ID: Tag = Tag::new(0x42);
const SUBJECT: Tag = Tag::new(0x5F20);
const PUBLIC_KEY: Tag = Tag::new(0x7F49);
const CURVE: Tag = Tag::new(0x06);
const POINT: Tag = Tag::new(0x86);
const ROLE: Tag = Tag::new(0x5F4C);
const SIGNATURE: Tag = Tag::new(0x5F37);

/// The only profile that there is.
const PROFILE_ID: u8 = 0x80;
const ROLE_CARD: u8 = 0x00;
const ROLE_INTERMEDIATE: u8 = 0x12;
/// An uncompressed point.
const UNCOMPRESSED: u8 = 0x04;

/// A card verifiable certificate: a public key, whose it is, and a signature, in far
/// fewer bytes than an X.509 certificate takes.
///
/// A card shows its own when a session is established; an intermediate one may lie in
/// the object [`SmSigner`](crate::object::SmSigner). That one could be decoded says
/// nothing of its signature: [`Established::verified`](super::Established::verified)
/// checks that.
///
/// Source: SP 800-73-5 Part 2, 4.1.5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cvc {
    issuer_id: [u8; 8],
    holder: CvcHolder,
    suite: CipherSuite,
    point: Vec<u8>,
    signed: Vec<u8>,
    pub(super) algorithm: SignatureAlgorithm,
    pub(super) signature: Vec<u8>,
}

/// Whose key a card verifiable certificate is for (`5F20`, with the role `5F4C`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CvcHolder {
    /// Role `00`: the card with this GUID.
    Card(Guid),
    /// Role `12`: an intermediate signer, the first eight bytes of the SHA-1 of its
    /// public key.
    Intermediate([u8; 8]),
}

impl Cvc {
    /// Decodes `7F21 { 5F29, 42, 5F20, 7F49 { 06, 86 }, 5F4C, 5F37 }`: these data
    /// objects in this order and nothing else. Lengths may have more bytes than they
    /// need, as everywhere in [`tlv`](crate::tlv): what is signed is signed as it came.
    ///
    /// Whether the point is on its curve is not looked at here.
    ///
    /// # Errors
    /// [`TemplateError`], with the data object that is not what it has to be.
    pub fn decode(bytes: &[u8]) -> Result<Self, TemplateError> {
        let mut reader = Reader::new(bytes);
        let content = next(&mut reader, CERTIFICATE)?;
        nothing_after(&reader, CERTIFICATE)?;
        Self::decode_content(content)
    }

    /// Decodes what is inside `7F21`.
    pub(super) fn decode_content(content: &[u8]) -> Result<Self, TemplateError> {
        let mut reader = Reader::new(content);
        if next(&mut reader, PROFILE)? != [PROFILE_ID] {
            return Err(value(PROFILE, "not the profile 80"));
        }
        let issuer_id = exactly(ISSUER_ID, next(&mut reader, ISSUER_ID)?)?;
        let subject = next(&mut reader, SUBJECT)?;
        let (suite, point) = public_key(next(&mut reader, PUBLIC_KEY)?)?;
        let holder = holder(next(&mut reader, ROLE)?, subject)?;
        let signed = content.strip_suffix(reader.remaining()).unwrap_or_default();
        let (algorithm, signature) = signature(next(&mut reader, SIGNATURE)?)?;
        nothing_after(&reader, SIGNATURE)?;
        Ok(Self {
            issuer_id,
            holder,
            suite,
            point,
            signed: signed.to_vec(),
            algorithm,
            signature,
        })
    }

    /// Whose key it is for.
    pub fn holder(&self) -> CvcHolder {
        self.holder
    }

    /// `42`: the first eight bytes of the signer's key identifier.
    pub fn issuer_id(&self) -> [u8; 8] {
        self.issuer_id
    }

    /// The cipher suite that has the key's curve.
    pub fn suite(&self) -> CipherSuite {
        self.suite
    }

    /// The public key, `04 X Y`: 65 or 97 bytes.
    pub fn point(&self) -> &[u8] {
        &self.point
    }

    /// What the signature is over: `5F29` to `5F4C`, as they came.
    pub fn signed(&self) -> &[u8] {
        &self.signed
    }
}

/// The value of the next data object, which has to have this tag.
pub(super) fn next<'a>(reader: &mut Reader<'a>, tag: Tag) -> Result<&'a [u8], TemplateError> {
    let object = reader.next().ok_or(TemplateError::Missing { tag })??;
    if object.tag == tag {
        Ok(object.value)
    } else {
        Err(TemplateError::Missing { tag })
    }
}

pub(super) fn nothing_after(reader: &Reader<'_>, tag: Tag) -> Result<(), TemplateError> {
    match reader.remaining() {
        [] => Ok(()),
        _ => Err(value(tag, "something follows that does not belong there")),
    }
}

fn exactly<const N: usize>(tag: Tag, bytes: &[u8]) -> Result<[u8; N], TemplateError> {
    let length = bytes.len();
    bytes
        .try_into()
        .map_err(|_| TemplateError::Length { tag, length })
}

fn value(tag: Tag, reason: &'static str) -> TemplateError {
    TemplateError::Value { tag, reason }
}

fn holder(role: &[u8], subject: &[u8]) -> Result<CvcHolder, TemplateError> {
    match role {
        [ROLE_CARD] => Ok(CvcHolder::Card(Guid(exactly(SUBJECT, subject)?))),
        [ROLE_INTERMEDIATE] => Ok(CvcHolder::Intermediate(exactly(SUBJECT, subject)?)),
        _ => Err(value(ROLE, "not the role of a card or of a signer")),
    }
}

/// `06` and `86`: the curve, and a point that has its length.
fn public_key(content: &[u8]) -> Result<(CipherSuite, Vec<u8>), TemplateError> {
    let mut reader = Reader::new(content);
    let curve = next(&mut reader, CURVE)?;
    let point = next(&mut reader, POINT)?;
    nothing_after(&reader, POINT)?;
    let suite = match ObjectIdentifier::from_bytes(curve) {
        Ok(rfc5912::SECP_256_R_1) => CipherSuite::Cs2,
        Ok(rfc5912::SECP_384_R_1) => CipherSuite::Cs7,
        _ => return Err(value(CURVE, "neither P-256 nor P-384")),
    };
    if point.len() != 1 + 2 * suite.coordinate_length() || point.first() != Some(&UNCOMPRESSED) {
        return Err(value(POINT, "not an uncompressed point of its curve"));
    }
    Ok((suite, point.to_vec()))
}

/// `SEQUENCE { AlgorithmIdentifier, BIT STRING }`, in DER.
fn signature(der: &[u8]) -> Result<(SignatureAlgorithm, Vec<u8>), TemplateError> {
    let (identifier, bits) =
        algorithm_and_bits(der).map_err(|_| value(SIGNATURE, "not a signature in DER"))?;
    let algorithm = SignatureAlgorithm::from_identifier(identifier)
        .ok_or(value(SIGNATURE, "not an algorithm that the standard has"))?;
    let octets = bits
        .as_bytes()
        .ok_or(value(SIGNATURE, "not of whole bytes"))?;
    Ok((algorithm, octets.to_vec()))
}

fn algorithm_and_bits(
    der: &[u8],
) -> Result<(AlgorithmIdentifierRef<'_>, BitStringRef<'_>), der::Error> {
    let mut reader = SliceReader::new(der)?;
    let parts = reader.sequence(|reader| {
        let identifier = AlgorithmIdentifierRef::decode(reader)?;
        Ok::<_, der::Error>((identifier, BitStringRef::decode(reader)?))
    })?;
    reader.finish()?;
    Ok(parts)
}
