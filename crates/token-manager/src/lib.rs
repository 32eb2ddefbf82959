//! The domain of PIV tokens: what a token is, what is on it, and what can be done
//! with it. Works on any card with the NIST PIV application (SP 800-73), with more
//! to see on an HID Crescendo.
//!
//! [`load`] reads one token completely, [`load_all`] every token side by side. What
//! comes out is a [`Token`]: who it is, the PIN's tries and policy, data objects, keys,
//! certificates, and its [`Capabilities`]: for each [`Action`] yes, no, or unknown, with
//! the reason.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::SystemTime;
//!
//! use pcsc_transport::Backend;
//! use token_manager::{Action, LoadOptions, load_all};
//! use virtual_token::{CreateOptions, MemoryBackend, Profile, SharedToken, VirtualToken};
//!
//! // A software token in a reader; with hardware this is PC/SC's backend.
//! let card = VirtualToken::create(Profile::Piv, &CreateOptions::default())?;
//! let readers = MemoryBackend::new();
//! readers.insert("Desk", &SharedToken::new(card))?;
//! let backend: Arc<dyn Backend> = Arc::new(readers);
//!
//! for loaded in load_all(&backend, &LoadOptions::default())? {
//!     let token = match loaded.result {
//!         Ok(token) => token,
//!         Err(error) => {
//!             eprintln!("{error}");
//!             continue;
//!         }
//!     };
//!     println!("{} in {}: {}", token.identity.name, token.reader, token.pin.status);
//!     for entry in &token.certificates {
//!         if let Some(info) = entry.certificate() {
//!             println!("  {} ({})", info.subject, info.validity(SystemTime::now()));
//!         }
//!     }
//!     println!("  recycle? {}", token.capabilities.get(Action::Recycle));
//!     assert_eq!(token.certificates.len(), 4);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What a load costs
//!
//! Round-trips are counted ([`Token::round_trips`]) and asserted in tests. A plain PIV
//! card with four certificates of two GET RESPONSEs each takes 18 with short APDUs and 10
//! with extended length: SELECT, tries, discovery, CHUID, CCC, key history and the
//! certificates. A Crescendo takes three SELECTs, CPLC, PIN properties, PIV properties and
//! tries, and then only what its properties list. Nothing that is known to be absent is
//! asked for. The commands are listed at [`load`].
//!
//! # What a load never does
//!
//! It spends no PIN try, writes nothing, asks for nothing behind the PIN, and holds the
//! card for its one transaction only. What a card answers is not trusted: anything that
//! can't be read or understood is [shown as such](Unreadable) in its place, and only a failed
//! link, a card that is no PIV card, or the time limit end a load ([`LoadError`]).
//!
//! # Families
//!
//! The table of facts behind [`Capabilities`] is the only place where a token's family
//! counts. It holds what the standard says of a plain PIV card, and for a Crescendo the
//! operations of `crescendo-ext` with the evidence for each.

mod actions;
mod all;
mod capability;
mod certificate;
mod concern;
mod content;
mod error;
mod failure;
mod fido;
mod load;
mod options;
mod pairing_codes;
mod pin;
mod plan;
mod record;
mod secrets;
mod session;
mod token;
mod vci;
mod words;

pub use actions::{
    AdminKeySet, Authenticated, Authority, CacheCleared, Enforcer, FidoPinChanged, FidoPinVerified,
    HandOver, KeyCheck, Observer, PersonalizeNeeds, PersonalizeOptions, Personalized,
    PinChangeEntry, PinChanged, PinEntry, PolicyOccasion, PolicyRule, PolicySet, PresentSecrets,
    RecoveryDoubt, RecoverySecret, Recycled, SetKey, UnblockChallenge, UnblockWith, Unblocked,
    Verification,
};

pub use crescendo_ext::oath::OneTimePassword;

pub use all::{LoadAll, Loaded, load_all, load_reader};
pub use capability::{Action, Capabilities, Capability, CapabilityEntry, Reason};
pub use certificate::{
    CertificateEntry, CertificateInfo, CertificateState, KeyUsage, PublicKeyAlgorithm, Purpose,
    Validity, certificate_pem, date, utc,
};
pub use concern::CertificateConcern;
pub use content::{
    AlgorithmSource, KeyEntry, KeyOrigin, OathSlot, OathState, ObjectEntry, ObjectState,
    ObjectValue,
};
pub use error::{LoadError, Part, Problem, Unreadable};
pub use failure::{ActionError, Aftermath, NotSent, PolicyRefusal, Secret, Sides};
pub use fido::{FidoApplication, FidoErasure, FidoPinLengths, FidoPinState, FidoState};
pub use load::load;
pub use options::{Freshness, LoadOptions};
pub use pairing_codes::{KeptUntil, MemoryPairingCodes, PairingCodeStore};
#[cfg(feature = "login-session")]
pub use pairing_codes::{NoLoginSession, login_session};
pub use pin::{Alphabet, PinPolicy, PinState, PinStatus, PolicyNote, PolicySource};
pub use plan::{Fate, Outcome, Plan, Step, StepReport};
pub use record::{
    FileStore, HostRecord, HostStore, Journal, KeptPuk, MemoryStore, RECORD_VERSION, RecoveryPlace,
    StoreError, TokenKey, recovery_name,
};
pub use secrets::{MemorySecretStore, SecretStore, SecretStoreError};
pub use session::{LastTry, Manager, Overrides, Risk, Session, about_to_send};
pub use token::{ProfileState, Remembered, Token, TokenFamily, TokenIdentity};
#[doc(no_inline)]
pub use token_cache;
pub use token_profile;
pub use vci::{CardTrust, VciError, VciState};
pub use words::{ago, sentences};
