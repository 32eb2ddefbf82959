//! The actions, a file each.

mod admin_key;
mod authenticate;
mod change_pin;
mod change_puk;
mod entry;
mod policy;
mod recovery;
mod unblock;
mod use_key;

pub use admin_key::KeyCheck;
pub use authenticate::{Authenticated, Verification};
pub use change_pin::PinChanged;
pub use entry::{PinChangeEntry, PinEntry};
pub use policy::{Enforcer, PolicySet};
pub use recovery::RecoverySecret;
pub use unblock::{UnblockChallenge, Unblocked};
