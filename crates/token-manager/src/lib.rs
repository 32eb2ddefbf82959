//! The domain of PIV tokens: discovery into a profile with capabilities, and
//! the full content of a token.

mod all;
mod capability;
mod certificate;
mod content;
mod error;
mod load;
mod options;
mod pin;
mod token;

pub use all::{LoadAll, Loaded, load_all, load_reader};
pub use capability::{Action, Capabilities, Capability, CapabilityEntry, Reason};
pub use certificate::{
    CertificateEntry, CertificateInfo, CertificateState, KeyUsage, PublicKeyAlgorithm, Purpose,
    Validity, utc,
};
pub use content::{
    AlgorithmSource, KeyEntry, KeyOrigin, OathSlot, OathState, ObjectEntry, ObjectState,
    ObjectValue,
};
pub use error::{LoadError, Part, Problem, Unreadable};
pub use load::load;
pub use options::LoadOptions;
pub use pin::{Alphabet, PinPolicy, PinState, PinStatus, PolicyNote, PolicySource};
pub use token::{Token, TokenFamily, TokenIdentity};
