//! What the programs of this toolkit share on a person's computer, whether they talk at a
//! terminal or in a window: where records, the cache and software tokens lie
//! ([`Place`]), the desktop's stores for secrets ([`secret_store`], [`login_session`]),
//! a secret in the clipboard for a short while ([`lend`]), new secrets in a file
//! ([`SecretFile`]), certificates that vouch for cards ([`trust_in_files`]), and text
//! from a card made safe to show ([`safe`]). A [`Desktop`] puts it together for the
//! [`Manager`](token_manager::Manager) of a backend's tokens.
//!
//! It knows no terminal and no window, and asks nobody anything: what a person is to be
//! told comes as a value or as an error with a sentence.
//!
//! ```
//! use std::sync::Arc;
//!
//! use pcsc_transport::Backend;
//! use token_desktop::{Desktop, SecretFile};
//! use token_manager::{Overrides, token_cache::Cache};
//! use virtual_token::{CreateOptions, MemoryBackend, Profile, SharedToken, VirtualToken};
//!
//! // A software token in a reader; with hardware this is PC/SC's backend.
//! let card = VirtualToken::create(Profile::Piv, &CreateOptions::default())?;
//! let readers = MemoryBackend::new();
//! readers.insert("Desk", &SharedToken::new(card))?;
//! let backend: Arc<dyn Backend> = Arc::new(readers);
//!
//! // An example leaves the person's own files and stores alone; a program takes
//! // `Desktop::new()` as it is.
//! let folder = tempfile::tempdir()?;
//! let desktop = Desktop::new()
//!     .with_records(folder.path().join("records"))
//!     .with_secrets(None)
//!     .with_cache(Cache::off().with_memory());
//! let manager = desktop.manager(backend, Overrides::default())?;
//! let session = manager.open("Desk")?;
//! println!("{}: {}", session.token().identity.name, session.token().pin.status);
//!
//! // Where a new PUK would go. Nothing is made yet, and nothing is ever written over.
//! let mut file = SecretFile::new(folder.path().join("puk.txt"), "an example")?;
//! file.name(session.token());
//! assert!(!file.path().exists());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Environment
//!
//! | variable | says |
//! |---|---|
//! | `TOKENCTL_RECORD_DIR`, `TOKENCTL_CACHE_DIR`, `TOKENCTL_VIRTUAL_DIR` | another directory ([`Place`]); for the cache also `off` |
//! | `TOKENCTL_SECRET_STORE` | `none`: no store for secrets ([`STORES`]) |
//! | `TOKENCTL_TRUST_ANCHORS` | whom to believe ([`TRUST_ANCHORS`]) |
//!
//! # Features
//!
//! Each brings its crates: `clipboard`, `secret-store`, `login-session`. Without one its
//! functions are there and say that it was left out.

mod clipboard;
mod desktop;
mod places;
mod safe;
mod secret_file;
#[cfg(feature = "secret-store")]
mod secret_store;
mod stores;
mod trust;

pub use clipboard::{Clipboard, ClipboardError, Lent, clipboard, lend};
pub use desktop::Desktop;
pub use places::{NoPlace, Place, cache};
pub use safe::{is_unsafe, safe};
pub use secret_file::{SecretFile, SecretFileError};
pub use stores::{NoStore, PairingCodes, STORES, login_session, secret_store};
pub use trust::{AnchorFault, TRUST_ANCHORS, UnusableAnchor, trust_by_environment, trust_in_files};
