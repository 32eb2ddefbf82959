//! How a token is loaded.

use std::time::Duration;

/// How a token is loaded. [`LoadOptions::default`] reads what a token says it
/// has, and gives it 30 seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadOptions {
    /// Also ask for the rest of the objects that SP 800-73 knows, which costs a
    /// round-trip for each that is not there. Objects behind the PIN are listed
    /// and not asked for.
    pub all: bool,
    /// The time that one token may take, from its first command. `None`: as
    /// long as it likes.
    ///
    /// It is looked at before each command. A command that the reader does not
    /// answer can't be taken back: [`load`](crate::load) then returns when the
    /// reader does, whereas [`load_all`](crate::load_all) reports the token as
    /// late at once.
    pub timeout: Option<Duration>,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            all: false,
            timeout: Some(Duration::from_secs(30)),
        }
    }
}

impl LoadOptions {
    /// The default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`all`](Self::all).
    #[must_use]
    pub fn with_all(mut self, all: bool) -> Self {
        self.all = all;
        self
    }

    /// Sets [`timeout`](Self::timeout).
    #[must_use]
    pub fn with_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }
}
