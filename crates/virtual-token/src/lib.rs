//! See the crate's description in Cargo.toml.

mod aca;
mod atr;
mod card;
mod create;
mod crypto;
mod isd;
mod oath;
mod piv;
mod profile;
mod state;
mod token;
mod verification;

pub use create::{Content, CreateError, CreateOptions};
pub use crypto::{KeyAlgorithm, SymmetricAlgorithm};
pub use profile::{Profile, Protocol, UnknownProfile};
pub use state::{STATE_VERSION, StateError, TokenState};
pub use token::VirtualToken;
