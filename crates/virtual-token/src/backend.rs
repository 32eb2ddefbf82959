//! Software tokens as readers with cards in them, for programs that work on a
//! [`Backend`](pcsc_transport::Backend): no PC/SC and no hardware needed.

mod embedded;
mod memory;

pub use embedded::EmbeddedBackend;
pub use memory::{MemoryBackend, ReaderInUse};
