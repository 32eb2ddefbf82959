//! New secrets in a file of the person's own, before a token has them.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use token_manager::token_profile::RecoveryKind;
use token_manager::{RecoverySecret, Token, utc};
use zeroize::Zeroizing;

use crate::safe::safe;

/// A file that new secrets are saved to, a line each: `puk: `, `admin-key: ` or
/// `unlock-code: ` and the value. Lines that begin with `#` name the token and the
/// time, and what each secret is for.
///
/// It is not there before the first secret is saved, only its owner can read it
/// (Unix: mode 600), and nothing that was there is written over.
#[derive(Debug)]
pub struct SecretFile {
    path: PathBuf,
    saved_by: String,
    /// Which token the secrets are of, line by line.
    token: Vec<String>,
    file: Option<File>,
}

/// Why a secret was not saved. The token must not get it then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretFileError {
    /// There is something of this name.
    #[error(
        "{} exists already and is not written over. Name a file that does not exist yet",
        path.display()
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// It can't be made or written.
    #[error("{} cannot be written: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl SecretFile {
    /// A file of this name, which is not made yet; `saved_by` is the program, for the
    /// file's first line.
    ///
    /// # Errors
    /// [`SecretFileError::Exists`], so that a person is told before anything is asked or
    /// sent.
    pub fn new(
        path: impl Into<PathBuf>,
        saved_by: impl Into<String>,
    ) -> Result<Self, SecretFileError> {
        let path = path.into();
        if path.symlink_metadata().is_ok() {
            return Err(SecretFileError::Exists { path });
        }
        Ok(Self {
            path,
            saved_by: saved_by.into(),
            token: Vec::new(),
            file: None,
        })
    }

    /// The file's name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names the token that the secrets are of, for what stands above them.
    pub fn name(&mut self, token: &Token) {
        let identity = &token.identity;
        let guid = identity.guid.as_ref().map(ToString::to_string);
        let named = [
            ("token", Some(identity.name.clone())),
            ("serial number", identity.serial.clone()),
            ("GUID when it was saved", guid),
            ("id when it was saved", identity.id()),
            ("reader", Some(token.reader.clone())),
        ];
        self.token = named
            .into_iter()
            .filter_map(|(label, value)| Some(format!("# {label}: {}", safe(&value?))))
            .collect();
    }

    /// Adds a secret, and sees it to the disk.
    ///
    /// # Errors
    /// [`SecretFileError`]. A file that was made for it is removed again if nothing else
    /// is in it.
    pub fn save(&mut self, secret: &RecoverySecret) -> Result<(), SecretFileError> {
        let (kind, value) = (secret.kind().id(), secret.reveal());
        let mut line = Zeroizing::new(String::with_capacity(kind.len() + value.len() + 3));
        for part in [kind, ": ", value.as_str(), "\n"] {
            line.push_str(part);
        }
        let is_first = self.file.is_none();
        self.write(use_of(secret.kind()), &line).map_err(|source| {
            let path = self.path.clone();
            if source.kind() == io::ErrorKind::AlreadyExists {
                return SecretFileError::Exists { path };
            }
            // There is nothing in it, and it would be in the way of another run.
            if is_first && self.file.take().is_some() {
                let _ = std::fs::remove_file(&path);
            }
            SecretFileError::Write { path, source }
        })
    }

    fn write(&mut self, remark: &str, line: &str) -> io::Result<()> {
        if self.file.is_none() {
            let head = self.head();
            let file = self.file.insert(create(&self.path)?);
            sync_directory(&self.path)?;
            file.write_all(head.as_bytes())?;
        }
        if let Some(file) = &mut self.file {
            file.write_all(remark.as_bytes())?;
            file.write_all(line.as_bytes())?;
            file.sync_all()?;
        }
        Ok(())
    }

    /// What stands above the secrets: whoever finds several files has to know which is
    /// which, and whether it holds.
    fn head(&self) -> String {
        let now = utc(SystemTime::now());
        let mut head = format!(
            "# Secrets of a security token, saved by {} at {now}\n",
            safe(&self.saved_by)
        );
        for line in &self.token {
            head.push_str(line);
            head.push('\n');
        }
        head.push_str(
            "# They were saved before the token got them: they hold if the run ended well\n",
        );
        head
    }
}

/// What a saved secret is for, as a remark above it.
fn use_of(kind: RecoveryKind) -> &'static str {
    match kind {
        RecoveryKind::Puk => "# The PUK, which unblocks the PIN: `tokenctl pin unblock`\n",
        RecoveryKind::XauthKey => {
            "# The admin key, which unblocks the PIN and can erase the token: `tokenctl pin unblock \
             --key`\n"
        }
        RecoveryKind::UnlockCode => {
            "# The unlock code, which unblocks the PIN: `tokenctl pin unblock --unlock-code`\n"
        }
    }
}

/// A file that only its owner can read, and that was not there before.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A file's name is on the disk when its directory is.
#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "as on Unix")]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}
