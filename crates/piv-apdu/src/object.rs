//! Data objects.

mod tag;

pub use tag::{ObjectTag, ReadAccess};
