//! The actions, a file each.

mod admin_key;
mod authenticate;
mod authority;
mod change_pin;
mod change_puk;
mod clear_cache;
mod entry;
mod fido_pin;
mod hand_over;
mod one_time_password;
mod pairing_code;
mod personalize;
mod policy;
mod progress;
mod recovery;
mod recycle;
mod rules;
mod unblock;
mod use_key;

pub(crate) use personalize::{CHANGE_PUK, KEEP_RECOVERY};

pub use admin_key::{AdminKeySet, KeyCheck, SetKey};
pub use authenticate::{Authenticated, Verification};
pub use authority::Authority;
pub use change_pin::PinChanged;
pub use clear_cache::CacheCleared;
pub use entry::{PinChangeEntry, PinEntry};
pub use fido_pin::{FidoPinChanged, FidoPinVerified};
pub use hand_over::HandOver;
pub use personalize::{PersonalizeNeeds, PersonalizeOptions, Personalized, PresentSecrets};
pub use policy::{Enforcer, PolicySet};
pub use progress::Observer;
pub use recovery::{RecoveryDoubt, RecoverySecret};
pub use recycle::Recycled;
pub use rules::{PolicyOccasion, PolicyRule};
pub use unblock::{UnblockChallenge, UnblockWith, Unblocked};
