//! The token management profile: a PIN policy as a small, versioned object,
//! its rules, and the weak-PIN check. Does no I/O.
//!
//! It is **this project's own**. No public command of any vendor stores a PIN
//! policy, so what the policy says is kept in this object: on a token that
//! lists a place for it ([`OBJECT_TAG`]), else on the host. Nothing here says
//! anything about a vendor's tokens. docs/token-management-profile.md has the
//! format and who enforces what.
//!
//! ```
//! use token_profile::{ManagementProfile, Policy, is_weak};
//!
//! let policy = Policy { minimum: 6, refuse_weak: true, ..Policy::DELIVERY };
//! policy.check()?;
//! assert!(policy.accepts(b"271828").is_ok());
//! assert!(is_weak(b"123456") && policy.accepts(b"123456").is_err());
//!
//! let profile = ManagementProfile { policy, personalized: true, enforced_by_card: false };
//! assert_eq!(ManagementProfile::decode(&profile.encode())?, profile);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod policy;
mod profile;
mod recovery;
mod weak;

pub use policy::{Alphabet, ChallengeType, Policy, PolicyError, Rule, RuleState};
pub use profile::{ManagementProfile, OBJECT_TAG, ProfileError};
pub use recovery::{RecoveryError, RecoveryKind, RecoveryRecord};
pub use weak::is_weak;

/// Runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
