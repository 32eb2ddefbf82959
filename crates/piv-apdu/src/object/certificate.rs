//! The certificate objects.

use std::borrow::Cow;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use zeroize::Zeroizing;

use super::{ERROR_DETECTION_CODE, ObjectError};
use crate::tlv::{self, Node, Tag, TemplateError};

/// The content of an X.509 certificate object: `5FC105`, `5FC10A`, `5FC10B`,
/// `5FC101` and the retired `5FC10D` to `5FC120`.
///
/// ```
/// use piv_apdu::object::CertificateObject;
/// # let der = include_bytes!("../../tests/data/p256.der");
///
/// let object = CertificateObject { certificate: der.to_vec(), compressed: true };
/// let decoded = CertificateObject::decode(&object.encode())?;
/// assert_eq!(decoded, object);
/// println!("{}", decoded.parse()?.tbs_certificate().subject());
/// # Ok::<(), piv_apdu::object::ObjectError>(())
/// ```
///
/// Source: SP 800-73-5 Part 1, Appendix A (tables of the X.509 certificates).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateObject {
    /// `70`: the certificate in DER, decompressed.
    pub certificate: Vec<u8>,
    /// `71`, bit 0: whether it lies on the card compressed with gzip.
    pub compressed: bool,
}

const CERTIFICATE: Tag = Tag::new(0x70);
const CERT_INFO: Tag = Tag::new(0x71);
/// "Compressed", as the standard has it: the lowest bit.
const COMPRESSED: u8 = 0x01;
/// What gzip starts with and no DER certificate does. Some cards do not set
/// the bit, or set it at the other end of the byte.
const GZIP_MAGIC: &[u8] = &[0x1F, 0x8B];

impl CertificateObject {
    /// The most that a compressed certificate may decompress to, in bytes.
    pub const MAX_DECOMPRESSED: usize = 64 * 1024;

    /// A certificate, uncompressed on the card.
    pub fn new(der: &[u8]) -> Self {
        CertificateObject {
            certificate: der.to_vec(),
            compressed: false,
        }
    }

    /// Decodes the content and decompresses the certificate. Whether it is a
    /// sound certificate is for [`parse`](Self::parse) to tell. Who need not own
    /// it takes [`CertificateRef`], which copies nothing.
    ///
    /// # Errors
    /// All that [`CertificateRef::decode`] and [`CertificateRef::der`] return.
    pub fn decode(content: &[u8]) -> Result<Self, ObjectError> {
        let found = CertificateRef::decode(content)?;
        Ok(CertificateObject {
            certificate: found.der()?.into_owned(),
            compressed: found.compressed,
        })
    }

    /// Encodes the content: `70 certificate, 71 01 info, FE 00`, compressing
    /// if [`compressed`](Self::compressed) is set.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let packed = self.compressed.then(|| compress(&self.certificate));
        let value = packed.as_ref().unwrap_or(&self.certificate);
        let info = if self.compressed { COMPRESSED } else { 0 };
        tlv::encode(&[
            Node::Value(CERTIFICATE, value),
            Node::Value(CERT_INFO, &[info]),
            Node::Value(ERROR_DETECTION_CODE, &[]),
        ])
    }

    /// Parses the certificate.
    ///
    /// # Errors
    /// [`ObjectError::Certificate`] if it is not DER of an X.509 certificate,
    /// or if bytes follow after it.
    pub fn parse(&self) -> Result<Certificate, ObjectError> {
        Certificate::from_der(&self.certificate).map_err(ObjectError::Certificate)
    }
}

/// A certificate as it lies in its object's content, borrowed from there.
///
/// ```
/// use std::borrow::Cow;
///
/// use piv_apdu::object::{CertificateObject, CertificateRef};
/// # let der = include_bytes!("../../tests/data/p256.der");
///
/// let content = CertificateObject::new(der).encode();
/// let found = CertificateRef::decode(&content)?;
/// assert!(!found.compressed);
/// assert!(matches!(found.der()?, Cow::Borrowed(bytes) if bytes == der));
/// # Ok::<(), piv_apdu::object::ObjectError>(())
/// ```
///
/// Source: as for [`CertificateObject`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateRef<'a> {
    /// `70`: the certificate as it lies on the card, maybe compressed.
    pub stored: &'a [u8],
    /// Whether it is compressed with gzip.
    pub compressed: bool,
}

impl<'a> CertificateRef<'a> {
    /// Finds the certificate in the content. Allocates nothing.
    ///
    /// Taken for compressed is what `71` says is, and what starts as gzip does
    /// whatever `71` says.
    ///
    /// # Errors
    /// [`ObjectError::Template`] if there is no certificate, or an empty one.
    pub fn decode(content: &'a [u8]) -> Result<Self, ObjectError> {
        let stored = tlv::require(content, CERTIFICATE)?;
        if stored.is_empty() {
            let (tag, length) = (CERTIFICATE, 0);
            return Err(TemplateError::Length { tag, length }.into());
        }
        let info = tlv::find(content, CERT_INFO)?.unwrap_or_default();
        let flagged = info.first().is_some_and(|info| info & COMPRESSED != 0);
        Ok(CertificateRef {
            stored,
            compressed: flagged || stored.starts_with(GZIP_MAGIC),
        })
    }

    /// The certificate in DER: the content's own bytes, or what they decompress
    /// to. Allocates only if they are compressed.
    ///
    /// # Errors
    /// [`ObjectError::Gzip`] if it does not decompress,
    /// [`ObjectError::TooLarge`] if to more than
    /// [`CertificateObject::MAX_DECOMPRESSED`].
    pub fn der(&self) -> Result<Cow<'a, [u8]>, ObjectError> {
        if self.compressed {
            decompress(self.stored).map(Cow::Owned)
        } else {
            Ok(Cow::Borrowed(self.stored))
        }
    }
}

fn decompress(gzip: &[u8]) -> Result<Vec<u8>, ObjectError> {
    let max = CertificateObject::MAX_DECOMPRESSED;
    let mut out = Vec::new();
    // One byte more than allowed shows that there is too much.
    let limit = u64::try_from(max + 1).unwrap_or(u64::MAX);
    GzDecoder::new(gzip)
        .take(limit)
        .read_to_end(&mut out)
        .map_err(|_| ObjectError::Gzip)?;
    if out.len() > max {
        return Err(ObjectError::TooLarge { max });
    }
    Ok(out)
}

fn compress(der: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Writing into memory does not fail.
    let written = encoder.write_all(der).and_then(|()| encoder.finish());
    written.unwrap_or_default()
}
