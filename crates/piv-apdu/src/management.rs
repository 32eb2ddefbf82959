//! The card management key (9B), and authentication with it: the cryptography
//! and the order of the commands, without I/O.
//!
//! [`MutualAuthentication`] is the one to use: the card proves the key, too.
//! [`SingleAuthentication`] is for cards that know no other.
//!
//! Source: SP 800-73-5 Part 2, 3.2.4 and appendix A.1 (single) and A.2 (mutual);
//! SP 800-78-5 (algorithms).

mod authentication;
mod key;

pub use authentication::{Answered, MutualAuthentication, SingleAuthentication};
pub use key::{ManagementAlgorithm, ManagementKey};

/// A card management key, or an authentication with one, is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManagementError {
    /// The text is not pairs of hexadecimal digits.
    #[error("a key is written in hexadecimal digits, two for each byte")]
    NotHexadecimal,
    /// The key has another length than its algorithm.
    #[error("a {} key has {} bytes, and not {length}", algorithm.name(), algorithm.key_length())]
    KeyLength {
        /// The algorithm.
        algorithm: ManagementAlgorithm,
        /// The key's length, in bytes.
        length: usize,
    },
    /// The key's length leaves its algorithm open, and nobody has told it.
    #[error("a management key of 24 bytes may be a 3DES or an AES-192 key")]
    Ambiguous,
    /// The card gave no witness of one block, or in a single authentication no
    /// challenge of one block.
    #[error(
        "the card gave nothing of the key's block length to prove the key with: its management \
         key may be of another algorithm"
    )]
    Witness,
    /// The host's challenge is not one block long.
    #[error("the challenge does not have the key's block length")]
    Challenge,
    /// The card did not prove that it knows the key.
    #[error(
        "the card took the management key and did not prove that it knows it: do not trust it, \
         and take it out"
    )]
    CardNotGenuine,
}
