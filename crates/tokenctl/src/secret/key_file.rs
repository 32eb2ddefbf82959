//! A file that holds an admin key, encrypted with a passphrase.
//!
//! PKCS #5 (RFC 8018) PBES2 with scrypt (RFC 7914, N = 2^17, r = 8, p = 1) and
//! AES-256-GCM, in the structure `EncryptedPrivateKeyInfo` of RFC 5208, as PEM
//! (RFC 7468). Inside is the bare key: its length tells its algorithm. The
//! label is this project's own, since a bare symmetric key is no PKCS #8
//! private key.

use std::io::{self, Read as _, Write as _};
use std::path::Path;

use crescendo_ext::xauth::XauthKey;
use der::asn1::OctetString;
use der::pem::LineEnding;
use der::{Decode as _, Encode as _};
use pkcs8::EncryptedPrivateKeyInfoOwned;
use pkcs8::pkcs5::{EncryptionScheme, pbes2, scrypt};
use zeroize::Zeroizing;

/// What stands between `BEGIN` and the dashes.
const LABEL: &str = "TOKENCTL ENCRYPTED ADMIN KEY";

/// No key file is larger, in bytes: many times what one needs.
const MAX_FILE: u64 = 4096;

/// The most memory that a key file may make scrypt use, in bytes (128·N·r),
/// and how often over (p).
const MAX_MEMORY: u64 = 1 << 30;
const MAX_PARALLEL: u16 = 4;

const SALT_LENGTH: usize = 16;
const NONCE_LENGTH: usize = 12;

/// Why a key file could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum KeyFileError {
    /// The file could not be read.
    #[error("it could not be read: {0}")]
    Unreadable(#[source] io::Error),
    /// The file could not be written.
    #[error("it could not be written: {0}")]
    Unwritable(#[source] io::Error),
    /// There is a file of that name.
    #[error("it exists already, and was left as it is")]
    Exists,
    /// It is something else.
    #[error("it is no key file of tokenctl")]
    NotAKeyFile,
    /// It was encrypted in a way that this version does not take.
    #[error("it is encrypted in a way that this version does not take")]
    Unsupported,
    /// It does not open.
    #[error("the passphrase is wrong, or the file was changed")]
    WrongPassphrase,
    /// The system's random generator failed, or the encryption did.
    #[error("it could not be encrypted")]
    NotEncrypted,
}

/// Encrypts `key` and writes it to a new file at `path`, which only its owner
/// can read. Takes 128 MiB of memory, and a second or so.
///
/// # Errors
/// [`KeyFileError::Exists`], [`KeyFileError::Unwritable`],
/// [`KeyFileError::NotEncrypted`].
pub(crate) fn write(path: &Path, key: &XauthKey, passphrase: &[u8]) -> Result<(), KeyFileError> {
    // Before the work, and again when the file is put in its place.
    if path.symlink_metadata().is_ok() {
        return Err(KeyFileError::Exists);
    }
    let text = encrypt(key, passphrase, scrypt::Params::RECOMMENDED)?;
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new()
        .prefix(".tokenctl-")
        .tempfile_in(directory)
        .map_err(KeyFileError::Unwritable)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.as_file().sync_all())
        .map_err(KeyFileError::Unwritable)?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(KeyFileError::Exists)
        }
        Err(error) => Err(KeyFileError::Unwritable(error.error)),
    }
}

/// A key file that was read and found to be one, but not opened: so nobody is
/// asked for the passphrase of something else.
#[derive(Debug)]
pub(crate) struct KeyFile {
    content: EncryptedPrivateKeyInfoOwned,
}

impl KeyFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`KeyFileError::Unreadable`], [`KeyFileError::NotAKeyFile`],
    /// [`KeyFileError::Unsupported`].
    pub(crate) fn read(path: &Path) -> Result<Self, KeyFileError> {
        let file = std::fs::File::open(path).map_err(KeyFileError::Unreadable)?;
        let mut bytes = Vec::new();
        file.take(MAX_FILE + 1)
            .read_to_end(&mut bytes)
            .map_err(KeyFileError::Unreadable)?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(KeyFileError::NotAKeyFile);
        }
        Self::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Result<Self, KeyFileError> {
        let (label, der) = der::pem::decode_vec(bytes).map_err(|_| KeyFileError::NotAKeyFile)?;
        if label != LABEL {
            return Err(KeyFileError::NotAKeyFile);
        }
        let content =
            EncryptedPrivateKeyInfoOwned::from_der(&der).map_err(|_| KeyFileError::NotAKeyFile)?;
        if !is_supported(&content.encryption_algorithm) {
            return Err(KeyFileError::Unsupported);
        }
        Ok(KeyFile { content })
    }

    /// Opens it. Takes as much memory and time as [`write()`].
    ///
    /// # Errors
    /// [`KeyFileError::WrongPassphrase`]; [`KeyFileError::NotAKeyFile`] if what
    /// is inside is no admin key.
    pub(crate) fn open(&self, passphrase: &[u8]) -> Result<XauthKey, KeyFileError> {
        let content = &self.content;
        let key = content
            .encryption_algorithm
            .decrypt(passphrase, content.encrypted_data.as_bytes())
            .map(Zeroizing::new)
            .map_err(|_| KeyFileError::WrongPassphrase)?;
        XauthKey::from_slice(&key).map_err(|_| KeyFileError::NotAKeyFile)
    }
}

/// scrypt within bounds, since the file says how much it takes, and a cipher
/// that authenticates.
fn is_supported(scheme: &EncryptionScheme) -> bool {
    let Some(parameters) = scheme.pbes2() else {
        return false;
    };
    let bounded = match &parameters.kdf {
        pbes2::Kdf::Scrypt(scrypt) => {
            let memory = u64::from(scrypt.block_size)
                .checked_mul(128)
                .and_then(|block| block.checked_mul(scrypt.cost_parameter));
            memory.is_some_and(|memory| memory <= MAX_MEMORY)
                && scrypt.parallelization <= MAX_PARALLEL
        }
        _ => false,
    };
    bounded
        && matches!(
            parameters.encryption,
            pbes2::EncryptionScheme::Aes256Gcm { .. }
        )
}

fn encrypt(
    key: &XauthKey,
    passphrase: &[u8],
    cost: scrypt::Params,
) -> Result<String, KeyFileError> {
    let mut salt = [0; SALT_LENGTH];
    let mut nonce = [0; NONCE_LENGTH];
    getrandom::fill(&mut salt)
        .and_then(|()| getrandom::fill(&mut nonce))
        .map_err(|_| KeyFileError::NotEncrypted)?;
    let sealed = || {
        let parameters = pbes2::Parameters::scrypt_aes256gcm(cost, &salt, nonce).ok()?;
        let encrypted = parameters.encrypt(passphrase, key.as_bytes()).ok()?;
        let der = EncryptedPrivateKeyInfoOwned {
            encryption_algorithm: parameters.into(),
            encrypted_data: OctetString::new(encrypted).ok()?,
        }
        .to_der()
        .ok()?;
        der::pem::encode_string(LABEL, LineEnding::LF, &der).ok()
    };
    sealed().ok_or(KeyFileError::NotEncrypted)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// As weak as scrypt takes it: tests need not be slow.
    fn cheap() -> scrypt::Params {
        scrypt::Params::new(4, 8, 1).unwrap()
    }

    fn key(length: usize) -> XauthKey {
        let bytes: Vec<u8> = (0..24).collect();
        XauthKey::from_slice(&bytes[..length]).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_again() {
        for length in [16, 24] {
            let text = encrypt(&key(length), b"passphrase", cheap()).unwrap();
            let file = KeyFile::parse(text.as_bytes()).unwrap();
            assert_eq!(file.open(b"passphrase").unwrap(), key(length));
            let again = encrypt(&key(length), b"passphrase", cheap()).unwrap();
            assert_ne!(text, again, "salt and nonce are fresh");
        }
    }

    #[test]
    fn a_wrong_passphrase_and_every_changed_bit_are_noticed() {
        let text = encrypt(&key(24), b"passphrase", cheap()).unwrap();
        let file = KeyFile::parse(text.as_bytes()).unwrap();
        assert!(matches!(
            file.open(b"Passphrase"),
            Err(KeyFileError::WrongPassphrase)
        ));
        let sealed = file.content.encrypted_data.as_bytes().to_vec();
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            let file = KeyFile {
                content: EncryptedPrivateKeyInfoOwned {
                    encryption_algorithm: file.content.encryption_algorithm.clone(),
                    encrypted_data: OctetString::new(changed).unwrap(),
                },
            };
            assert!(matches!(
                file.open(b"passphrase"),
                Err(KeyFileError::WrongPassphrase)
            ));
        }
    }

    #[test]
    fn costs_beyond_bounds_and_other_ciphers_are_refused() {
        let seal = |parameters: pbes2::Parameters| {
            let der = EncryptedPrivateKeyInfoOwned {
                encryption_algorithm: parameters.into(),
                encrypted_data: OctetString::new([0; 40]).unwrap(),
            };
            let der = der.to_der().unwrap();
            let text = der::pem::encode_string(LABEL, LineEnding::LF, &der).unwrap();
            KeyFile::parse(text.as_bytes()).map(|_| ())
        };
        let salt = [0; SALT_LENGTH];
        let gcm = |cost| pbes2::Parameters::scrypt_aes256gcm(cost, &salt, [0; 12]).unwrap();
        seal(gcm(scrypt::Params::RECOMMENDED)).unwrap();
        for (log_n, r, p) in [(24, 8, 1), (17, 8, 5), (17, 4000, 1)] {
            let dear = gcm(scrypt::Params::new(log_n, r, p).unwrap());
            assert!(matches!(seal(dear), Err(KeyFileError::Unsupported)));
        }
        let cbc = pbes2::Parameters::generate_scrypt_aes256cbc(cheap(), &salt, [0; 16]).unwrap();
        assert!(matches!(seal(cbc), Err(KeyFileError::Unsupported)));
    }

    #[test]
    fn other_files_are_told_apart() {
        let text = encrypt(&key(24), b"passphrase", cheap()).unwrap();
        let other = text.replace("TOKENCTL ENCRYPTED ADMIN KEY", "ENCRYPTED PRIVATE KEY");
        for bytes in [
            &b""[..],
            b"\xff\x00",
            &text.as_bytes()[..90],
            other.as_bytes(),
        ] {
            assert!(matches!(
                KeyFile::parse(bytes),
                Err(KeyFileError::NotAKeyFile)
            ));
        }
    }

    #[test]
    fn an_existing_file_is_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.pem");
        std::fs::write(&path, "mine").unwrap();
        assert!(matches!(
            write(&path, &key(24), b"passphrase"),
            Err(KeyFileError::Exists)
        ));
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    }
}
