//! Tokens in files, which survive the process that made them.
//!
//! A [`TokenStore`] is a directory with one JSON file a token. **The file holds the
//! token's private keys, PIN and PUK in the clear**: a software token is a test
//! instrument and guards nothing. The file is readable by its owner alone (mode
//! 0600 in a directory of mode 0700, where the system has modes).
//!
//! A token is open in one process at a time; [`Wait`] says what the next one does.
//! A save is atomic (a temporary file in the same directory, flushed to the disk,
//! then renamed): whenever the process or the machine stops, the file holds the
//! state before or after a command, never half of one, and a retry counter cannot
//! be turned back by pulling the plug.
//!
//! ```
//! use virtual_token::store::{TokenName, TokenStore};
//! use virtual_token::{CreateOptions, Profile};
//!
//! let directory = tempfile::tempdir()?;
//! let store = TokenStore::open(directory.path())?;
//! let name: TokenName = "office".parse()?;
//! store.create(&name, Profile::Piv, &CreateOptions::default())?;
//!
//! let token = store.load(&name)?; // a `SharedToken`; saved as it is used
//! # drop(token);
//! assert_eq!(store.list()?.len(), 1);
//! store.remove(&name)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The file's format, version 1: an object with `schema` (`"virtual-token"`),
//! `version`, `id`, `profile` and `atr` (hexadecimal), which is all that a listing
//! reads, and `state`, which is the [`TokenState`].

mod lock;
mod name;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pcsc_transport::{Holder, Interface};
use piv_apdu::atr::Atr;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use self::lock::Wait;
pub(crate) use self::lock::program_name;
use self::lock::{Lock, LockError};
pub use self::name::{InvalidName, MAX_NAME_LENGTH, TokenName};
use crate::state::from_hex;
use crate::{CreateError, CreateOptions, Profile, SharedToken, TokenState, VirtualToken};

/// What the `schema` field of a token's file says.
const SCHEMA: &str = "virtual-token";

/// The version of the format that this library reads and writes.
pub const FORMAT_VERSION: u32 = 1;

/// The longest file that is read, in bytes. A token with every container of the
/// standard full is far below it.
const MAX_FILE: u64 = 16 * 1024 * 1024;

const SUFFIX: &str = ".json";
const LOCKS: &str = ".locks";

/// A directory of tokens. See the [module](self).
#[derive(Debug, Clone)]
pub struct TokenStore {
    directory: PathBuf,
    wait: Wait,
}

/// What a listing says of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenSummary {
    /// Its name.
    pub name: TokenName,
    /// Its identity: another token under the same name has another.
    pub id: String,
    /// The kind of card.
    pub profile: Profile,
    /// Its answer to reset.
    pub atr: Atr,
    /// The interface that it lies on.
    pub interface: Interface,
}

/// One file of a listing.
#[derive(Debug)]
#[non_exhaustive]
pub struct Entry {
    /// The file.
    pub path: PathBuf,
    /// The token's name: the file's name without `.json`.
    pub name: String,
    /// The token, or why the file cannot be used.
    pub token: Result<TokenSummary, StoreError>,
}

/// Why a store cannot do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The text cannot name a token.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// There is no token of this name.
    #[error("there is no software token named \"{name}\" in {}", directory.display())]
    NotFound {
        /// The name asked for.
        name: TokenName,
        /// The store's directory.
        directory: PathBuf,
    },
    /// There is a token of this name already.
    #[error(
        "there is a software token named \"{name}\" already ({}); choose another name or remove it first",
        path.display()
    )]
    Exists {
        /// The name.
        name: TokenName,
        /// Its file.
        path: PathBuf,
    },
    /// The token is open elsewhere.
    #[error("the software token \"{name}\" is in use{}; close that program or try again later", InUseBy(holder.as_ref()))]
    Busy {
        /// The token's name.
        name: TokenName,
        /// Who has it open, where the system lets that be read.
        holder: Option<Holder>,
    },
    /// The file is not a token's.
    #[error("{} is not a software token ({problem}); move it elsewhere", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it lacks.
        problem: String,
    },
    /// The file was written by a newer version of this library.
    #[error(
        "{} has version {version} of the software tokens' format and this program reads up to \
         {FORMAT_VERSION}; use a newer version of the program",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// The file is a token's, and damaged.
    #[error(
        "the software token in {} is damaged ({problem}); restore the file from a backup, \
         or remove the token and create it anew",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The token could not be made.
    #[error("the software token could not be made: {0}")]
    Create(#[from] CreateError),
    /// A file or the directory cannot be read or written.
    #[error("{action} {} failed: {source}; check that the file system has room and that the path is yours", path.display())]
    Io {
        /// What was tried, as "reading".
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

struct InUseBy<'a>(Option<&'a Holder>);

impl core::fmt::Display for InUseBy<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            Some(holder) => write!(f, " by {holder}"),
            None => f.write_str(" by another program"),
        }
    }
}

/// A token's file as it is written.
#[derive(Serialize)]
struct Written<'a> {
    schema: &'a str,
    version: u32,
    id: &'a str,
    profile: Profile,
    atr: String,
    state: &'a TokenState,
}

/// What every version has.
#[derive(Deserialize)]
struct Marked {
    schema: String,
    version: u32,
}

/// What a listing reads; the state is skipped over, no key is decoded.
#[derive(Deserialize)]
struct Listed {
    id: String,
    profile: Profile,
    atr: String,
}

#[derive(Deserialize)]
struct Stored {
    state: TokenState,
}

impl TokenStore {
    /// Opens a directory as a store, and makes it if it is not there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if that is not possible.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let directory = directory.into();
        let locks = directory.join(LOCKS);
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(&locks)
            .map_err(failed("making the directory", &locks))?;
        Ok(Self {
            directory,
            wait: Wait::AtMost(Duration::from_secs(3)),
        })
    }

    /// Sets how long to wait for a token that is open in another process; three
    /// seconds unless set.
    #[must_use]
    pub fn with_wait(mut self, wait: Wait) -> Self {
        self.wait = wait;
        self
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The file of a token.
    pub fn path(&self, name: &TokenName) -> PathBuf {
        self.directory.join(format!("{name}{SUFFIX}"))
    }

    /// Every token, by name. A file that cannot be used is an entry with the
    /// reason; files that are not called `*.json` are none of a store's business.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if the directory cannot be read.
    pub fn list(&self) -> Result<Vec<Entry>, StoreError> {
        let reading = || failed("reading the directory", &self.directory);
        let mut entries = Vec::new();
        for file in fs::read_dir(&self.directory).map_err(reading())? {
            let path = file.map_err(reading())?.path();
            if let Some(name) = token_file(&path) {
                match self.entry(name) {
                    // Removed while the directory was read.
                    Err(StoreError::NotFound { .. }) => {}
                    token => entries.push(Entry {
                        name: name.to_owned(),
                        token,
                        path,
                    }),
                }
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// What a listing says of one token. Needs no lock.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`]; [`StoreError::Foreign`], [`StoreError::Newer`] or
    /// [`StoreError::Damaged`] if the file is not a usable token; [`StoreError::Io`].
    pub fn summary(&self, name: &TokenName) -> Result<TokenSummary, StoreError> {
        self.summarize(name, &self.read(name)?)
    }

    fn summarize(&self, name: &TokenName, text: &[u8]) -> Result<TokenSummary, StoreError> {
        let path = self.path(name);
        let listed: Listed = parse(text, &path)?;
        let atr = from_hex(&listed.atr).and_then(|bytes| Atr::parse(&bytes).ok());
        let atr = atr.ok_or_else(|| damaged(&path, "its `atr` is no ATR"))?;
        Ok(TokenSummary {
            name: name.clone(),
            id: listed.id,
            profile: listed.profile,
            interface: Interface::of(&atr),
            atr,
        })
    }

    /// The certificate (DER) of the test authority that signed a token's certificates;
    /// `None` if it has none. Needs no lock, so that it is there while the token is used.
    ///
    /// # Errors
    ///
    /// As [`TokenStore::summary`].
    pub fn issuer_certificate(&self, name: &TokenName) -> Result<Option<Vec<u8>>, StoreError> {
        let Stored { state } = parse(&self.read(name)?, &self.path(name))?;
        Ok(state.issuer_certificate.as_ref().map(|der| der.0.clone()))
    }

    fn entry(&self, name: &str) -> Result<TokenSummary, StoreError> {
        match TokenName::new(name) {
            Ok(name) => self.summary(&name),
            Err(error) => Err(StoreError::Foreign {
                path: self.directory.join(format!("{name}{SUFFIX}")),
                problem: error.to_string(),
            }),
        }
    }

    /// Makes a token and saves it. Making keys takes as long as their algorithms
    /// do: an RSA key, seconds in an unoptimised build.
    ///
    /// # Errors
    ///
    /// [`StoreError::Exists`], [`StoreError::Create`], [`StoreError::Busy`] or
    /// [`StoreError::Io`]; nothing is made then.
    pub fn create(
        &self,
        name: &TokenName,
        profile: Profile,
        options: &CreateOptions,
    ) -> Result<TokenSummary, StoreError> {
        self.refuse_existing(name)?;
        let token = VirtualToken::create(profile, options)?;
        self.add(name, &token)
    }

    /// Saves a token that was made elsewhere under a new name.
    ///
    /// # Errors
    ///
    /// [`StoreError::Exists`], [`StoreError::Busy`] or [`StoreError::Io`]; nothing
    /// is saved then.
    pub fn add(&self, name: &TokenName, token: &VirtualToken) -> Result<TokenSummary, StoreError> {
        let _lock = self.lock(name)?;
        self.refuse_existing(name)?;
        self.save(name, token)?;
        self.summary(name)
    }

    fn refuse_existing(&self, name: &TokenName) -> Result<(), StoreError> {
        let path = self.path(name);
        match path.symlink_metadata() {
            Ok(_) => Err(StoreError::Exists {
                name: name.clone(),
                path,
            }),
            Err(_) => Ok(()),
        }
    }

    /// Opens a token for use. It is locked until the last clone of the
    /// [`SharedToken`] (and the last link to it) is dropped; every change of state
    /// is on the disk before the answer to the command that made it leaves. If the
    /// token is removed from the directory by hand meanwhile, saves fail.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`]; [`StoreError::Busy`] if the token is still open
    /// elsewhere after the wait; [`StoreError::Foreign`], [`StoreError::Newer`] or
    /// [`StoreError::Damaged`] if the file is not a usable token;
    /// [`StoreError::Io`].
    pub fn load(&self, name: &TokenName) -> Result<SharedToken, StoreError> {
        let lock = self.lock(name)?;
        let path = self.path(name);
        let text = self.read(name)?;
        let Stored { state } = parse(&text, &path)?;
        let token =
            VirtualToken::from_state(state).map_err(|error| damaged(&path, &error.to_string()))?;
        let listed = self.summarize(name, &text)?;
        if (listed.id.as_str(), listed.profile, listed.atr)
            != (token.id(), token.profile(), token.atr())
        {
            return Err(damaged(&path, "what it lists is not the state's token"));
        }
        self.sweep(name);

        let store = self.clone();
        let name = name.clone();
        let persist = move |token: &VirtualToken| {
            let _held = &lock;
            if !path.exists() {
                return Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    format!("{} was removed", path.display()),
                ));
            }
            store.save(&name, token).map_err(io::Error::other)
        };
        Ok(SharedToken::with_persistence(token, Box::new(persist)))
    }

    /// Puts a token on another interface. Whoever watches an
    /// [`EmbeddedBackend`](crate::EmbeddedBackend) sees it go and come back.
    ///
    /// # Errors
    ///
    /// As [`TokenStore::load`]; [`StoreError::Io`] also if it cannot be saved, and then
    /// it lies where it was.
    pub fn set_interface(
        &self,
        name: &TokenName,
        interface: Interface,
    ) -> Result<TokenSummary, StoreError> {
        let token = self.load(name)?;
        token.set_interface(interface);
        if let Some(problem) = token.save_error() {
            return Err(failed("writing", &self.path(name))(io::Error::other(
                problem,
            )));
        }
        self.summary(name)
    }

    /// Removes a token for good. Its file need not be readable for that.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`], [`StoreError::Busy`] if it is open elsewhere, or
    /// [`StoreError::Io`].
    pub fn remove(&self, name: &TokenName) -> Result<(), StoreError> {
        let _lock = self.lock(name)?;
        let path = self.path(name);
        match fs::remove_file(&path) {
            Ok(()) => {
                self.sweep(name);
                self.sync_directory();
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(self.not_found(name)),
            Err(error) => Err(failed("removing", &path)(error)),
        }
    }

    fn not_found(&self, name: &TokenName) -> StoreError {
        StoreError::NotFound {
            name: name.clone(),
            directory: self.directory.clone(),
        }
    }

    fn lock(&self, name: &TokenName) -> Result<Lock, StoreError> {
        let path = self.directory.join(LOCKS).join(name.as_str());
        Lock::acquire(&path, self.wait).map_err(|error| match error {
            LockError::Held(holder) => StoreError::Busy {
                name: name.clone(),
                holder,
            },
            LockError::Io(error) => failed("locking", &path)(error),
        })
    }

    fn read(&self, name: &TokenName) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let path = self.path(name);
        let missing = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => self.not_found(name),
            _ => failed("reading", &path)(error),
        };
        // Looked at before it is opened: a pipe would keep us waiting for a writer.
        if !fs::metadata(&path).map_err(missing)?.is_file() {
            return Err(StoreError::Foreign {
                path,
                problem: "it is not a regular file".to_owned(),
            });
        }
        let file = File::open(&path).map_err(missing)?;
        let length = file.metadata().map_err(failed("reading", &path))?.len();
        if length > MAX_FILE {
            return Err(StoreError::Foreign {
                path,
                problem: format!("it has {length} bytes"),
            });
        }
        // Room for all of it, so that no copy of a key is left behind by growing.
        let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1));
        file.take(MAX_FILE)
            .read_to_end(&mut text)
            .map_err(failed("reading", &path))?;
        Ok(text)
    }

    fn save(&self, name: &TokenName, token: &VirtualToken) -> Result<(), StoreError> {
        let path = self.path(name);
        let state = token.to_state();
        let mut text = Zeroizing::new(Vec::with_capacity(128 * 1024));
        serde_json::to_writer_pretty(
            &mut *text,
            &Written {
                schema: SCHEMA,
                version: FORMAT_VERSION,
                id: token.id(),
                profile: token.profile(),
                atr: token.atr().to_string(),
                state: &state,
            },
        )
        .map_err(|error| failed("writing", &path)(error.into()))?;

        // Mode 0600 from the start, and gone if the save does not get to its end.
        let mut file = tempfile::Builder::new()
            .prefix(&temporary_prefix(name))
            .suffix(".tmp")
            .tempfile_in(&self.directory)
            .map_err(failed("writing in", &self.directory))?;
        file.write_all(&text)
            .and_then(|()| file.as_file().sync_all())
            .map_err(failed("writing", file.path()))?;
        file.persist(&path)
            .map_err(|error| failed("writing", &path)(error.error))?;
        self.sync_directory();
        Ok(())
    }

    /// Makes a rename or a removal last. Where a directory cannot be flushed
    /// (Windows), the system does so by itself.
    fn sync_directory(&self) {
        #[cfg(unix)]
        let _ = File::open(&self.directory).and_then(|directory| directory.sync_all());
    }

    /// Removes what saves of this token left behind when they were cut off. The
    /// token's lock must be held.
    fn sweep(&self, name: &TokenName) {
        let prefix = temporary_prefix(name);
        let Ok(files) = fs::read_dir(&self.directory) else {
            return;
        };
        for file in files.flatten() {
            let file_name = file.file_name();
            let is_left_over = file_name
                .to_str()
                .and_then(|file_name| file_name.strip_prefix(&prefix)?.strip_suffix(".tmp"))
                .is_some_and(|random| !random.contains('.'));
            if is_left_over {
                let _ = fs::remove_file(file.path());
            }
        }
    }
}

/// The name of the token whose file this is, checked no further.
pub(crate) fn token_file(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?.strip_suffix(SUFFIX)?;
    (!name.starts_with('.')).then_some(name)
}

fn temporary_prefix(name: &TokenName) -> String {
    format!(".{name}{SUFFIX}.")
}

fn failed<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> StoreError + 'a {
    move |source| StoreError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

fn damaged(path: &Path, problem: &str) -> StoreError {
    StoreError::Damaged {
        path: path.to_owned(),
        problem: problem.to_owned(),
    }
}

/// Reads the fields that `T` asks for from a token's file.
fn parse<'de, T: Deserialize<'de>>(text: &'de [u8], path: &Path) -> Result<T, StoreError> {
    let marked: Marked = serde_json::from_slice(text).map_err(|error| StoreError::Foreign {
        path: path.to_owned(),
        problem: without_content(&error),
    })?;
    if marked.schema != SCHEMA {
        return Err(StoreError::Foreign {
            path: path.to_owned(),
            problem: "it is of another schema".to_owned(),
        });
    }
    if marked.version > FORMAT_VERSION {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            version: marked.version,
        });
    }
    serde_json::from_slice(text).map_err(|error| damaged(path, &without_content(&error)))
}

/// What is wrong with a file, without the file's content: serde's messages quote
/// the value that they did not expect, and that could be a key.
fn without_content(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Io => "it cannot be read",
        serde_json::error::Category::Syntax => "it is not JSON",
        serde_json::error::Category::Data => "a field is missing or of the wrong kind",
        serde_json::error::Category::Eof => "it ends too early",
    };
    format!("{what}, at line {} column {}", error.line(), error.column())
}
