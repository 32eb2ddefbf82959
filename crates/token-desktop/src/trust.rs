//! Whom to believe that a card on a contactless reader is genuine: certificates in files.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use piv_apdu::object::ObjectError;
use piv_apdu::sm::TrustAnchor;
use token_manager::CardTrust;

/// The environment variable that names files with certificates to trust, separated as in
/// `PATH`; `any` trusts any card.
pub const TRUST_ANCHORS: &str = "TOKENCTL_TRUST_ANCHORS";

/// A file of certificates to trust that can't be used.
#[derive(Debug, thiserror::Error)]
#[error("the certificate to trust in \"{}\" can't be used: {fault}", file.display())]
pub struct UnusableAnchor {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub fault: AnchorFault,
}

/// What is wrong with a file of certificates.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorFault {
    /// It can't be read.
    #[error(transparent)]
    Read(io::Error),
    /// It has the beginning of a certificate in PEM and not the end.
    #[error("a certificate in it does not end")]
    Unended,
    /// What stands between beginning and end is no PEM.
    #[error(transparent)]
    Pem(der::pem::Error),
    /// It holds something that is no X.509 certificate.
    #[error(transparent)]
    Certificate(ObjectError),
}

/// Trust in whoever the environment names ([`TRUST_ANCHORS`]); in nobody if it names no
/// one.
///
/// # Errors
/// [`UnusableAnchor`]: nobody is to be trusted then, and the person is to be told when a
/// token would have needed it.
pub fn trust_by_environment() -> Result<CardTrust, UnusableAnchor> {
    match env::var_os(TRUST_ANCHORS).filter(|value| !value.is_empty()) {
        None => Ok(CardTrust::Nobody),
        Some(value) if value == "any" => Ok(CardTrust::AnyCard),
        Some(value) => trust_in_files(env::split_paths(&value)),
    }
}

/// Trust in all certificates in these files: each X.509, in PEM (several to a file, with
/// whatever text around them, RFC 7468) or in DER.
///
/// # Errors
/// [`UnusableAnchor`] for the first file that can't be used.
pub fn trust_in_files<P: AsRef<Path>>(
    files: impl IntoIterator<Item = P>,
) -> Result<CardTrust, UnusableAnchor> {
    let mut anchors = Vec::new();
    for file in files {
        let file = file.as_ref();
        anchors.extend(anchors_in(file).map_err(|fault| UnusableAnchor {
            file: file.to_owned(),
            fault,
        })?);
    }
    Ok(CardTrust::Anchors(anchors.into()))
}

fn anchors_in(file: &Path) -> Result<Vec<TrustAnchor>, AnchorFault> {
    let content = fs::read(file).map_err(AnchorFault::Read)?;
    let mut certificates = pem_certificates(&content)?;
    if certificates.is_empty() {
        certificates.push(content);
    }
    certificates
        .iter()
        .map(|der| TrustAnchor::from_der(der).map_err(AnchorFault::Certificate))
        .collect()
}

/// The certificates in PEM, with whatever text around them (RFC 7468), in DER.
fn pem_certificates(content: &[u8]) -> Result<Vec<Vec<u8>>, AnchorFault> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let text = String::from_utf8_lossy(content);
    let mut blocks = text.split(BEGIN);
    // What comes before the first is text.
    blocks.next();
    let mut certificates = Vec::new();
    for block in blocks {
        let (body, _) = block.split_once(END).ok_or(AnchorFault::Unended)?;
        let pem = format!("{BEGIN}{body}{END}");
        let (_, der) = der::pem::decode_vec(pem.as_bytes()).map_err(AnchorFault::Pem)?;
        certificates.push(der);
    }
    Ok(certificates)
}
