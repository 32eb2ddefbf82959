//! An allocator for tests that looks for secrets in every block of memory as it
//! is given back: what is found there was not wiped.
//!
//! A test program of its own declares it and says what to look for:
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: secret_scan::Scanner = secret_scan::Scanner;
//!
//! secret_scan::look_for("PIN", b"739164");
//! drop(b"the PIN is 739164".to_vec());
//! let found = secret_scan::found();
//! assert_eq!(found.len(), 1);
//! assert_eq!(found[0].name, "PIN");
//! ```
//!
//! It also counts what a piece of code asks for:
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: secret_scan::Scanner = secret_scan::Scanner;
//!
//! assert_eq!(secret_scan::allocations(|| vec![1, 2, 3]), (vec![1, 2, 3], 1));
//! assert_eq!(secret_scan::allocations(|| [1, 2, 3]), ([1, 2, 3], 0));
//! ```
//!
//! What it can't see: the stack, registers, blocks that are never given back,
//! and what the system keeps.

mod allocator;
mod needle;

use std::sync::{Mutex, PoisonError, RwLock};

pub use allocator::{Scanner, allocations, apart};
pub use needle::{forms, occurs};

use needle::Needle;

static NEEDLES: RwLock<Vec<Needle>> = RwLock::new(Vec::new());
static FOUND: Mutex<Vec<Found>> = Mutex::new(Vec::new());

/// A secret in a block that was given back.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Found {
    /// The secret's name.
    pub name: &'static str,
    /// The form in which it was there: `raw`, `hex`, ...
    pub form: &'static str,
    /// The block's size, in bytes.
    pub size: usize,
    /// Where it was given back.
    pub backtrace: String,
}

/// Looks for a secret from now on, in each of its [`forms`].
pub fn look_for(name: &'static str, secret: &[u8]) {
    apart(|| {
        let mut needles = NEEDLES.write().unwrap_or_else(PoisonError::into_inner);
        needles.extend(Needle::all(name, secret));
    });
}

/// What was found since this was asked last.
pub fn found() -> Vec<Found> {
    std::mem::take(&mut *FOUND.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The names and forms of what [`look_for`] was told and occurs in `text`, such
/// as a log.
pub fn occurring(text: &[u8]) -> Vec<(&'static str, &'static str)> {
    let needles = NEEDLES.read().unwrap_or_else(PoisonError::into_inner);
    needles
        .iter()
        .filter(|needle| occurs(needle.bytes(), text))
        .map(|needle| (needle.name, needle.form))
        .collect()
}
