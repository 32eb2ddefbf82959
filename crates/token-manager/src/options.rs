//! How a token is loaded.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use token_cache::Cache;

use crate::pairing_codes::PairingCodeStore;
use crate::vci::{CardTrust, VciAccess};

/// How much of what is remembered of a token is held against it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Freshness {
    /// Everything is read from the token, and remembered.
    #[default]
    Fresh,
    /// Each remembered data object is asked for its first block (at most 256
    /// bytes), and read again if that differs; the PIN's tries and a
    /// Crescendo's list of keys are read. What a token can't change by a
    /// documented command (its serial number, applications, PIN properties) is
    /// taken as it is remembered.
    Checked,
    /// Only who it is is asked, and on a plain PIV card the PIN's tries:
    /// everything else is taken as it is remembered. Two commands on a Crescendo,
    /// three on a plain PIV card. A Crescendo that certainly was never out of the
    /// reader since it was read ([`Transaction::insertion`]) is asked for its list of
    /// keys instead, and checked if that has changed.
    ///
    /// [`Transaction::insertion`]: pcsc_transport::Transaction::insertion
    Quick,
}

/// How a token is loaded. [`LoadOptions::default`] reads what a token says it
/// has, and gives it 30 seconds.
#[derive(Debug, Clone)]
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
    /// Where tokens are remembered. [`Cache::off`] by default.
    pub cache: Cache,
    /// How much of what is remembered is held against the token.
    pub freshness: Freshness,
    /// How long an action waits before it asks a FIDO application again that says that
    /// it is not done; it asks [`MAX_KEEP_ALIVES`] times at most. A tenth of a second by
    /// default.
    ///
    /// [`MAX_KEEP_ALIVES`]: ctap_apdu::framing::MAX_KEEP_ALIVES
    pub keep_alive_pause: Duration,
    pub(crate) vci: VciAccess,
    pub(crate) cancel: Option<Arc<AtomicBool>>,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            all: false,
            timeout: Some(Duration::from_secs(30)),
            cache: Cache::off(),
            freshness: Freshness::Fresh,
            keep_alive_pause: Duration::from_millis(100),
            vci: VciAccess::default(),
            cancel: None,
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

    /// Sets [`cache`](Self::cache).
    #[must_use]
    pub fn with_cache(mut self, cache: Cache) -> Self {
        self.cache = cache;
        self
    }

    /// Sets who is trusted to vouch for a card that is spoken to through the air. By
    /// default nobody is, and a token on a contactless reader shows what it shows to
    /// everybody.
    #[must_use]
    pub fn with_card_trust(mut self, trust: CardTrust) -> Self {
        self.vci.trust = trust;
        self
    }

    /// Sets where to look for the pairing code of a card that is spoken to through the
    /// air. By default there is none.
    #[must_use]
    pub fn with_pairing_codes(mut self, codes: Arc<dyn PairingCodeStore>) -> Self {
        self.vci.codes = Some(codes);
        self
    }

    /// Sets a flag that ends a load when it becomes true: before its next command, with
    /// [`LoadError::Cancelled`](crate::LoadError::Cancelled), and with nothing remembered
    /// of it. Like the timeout it can't take a command back that the reader has not
    /// answered. For a [`Manager`](crate::Manager) it ends the reading that opens a
    /// session; what a session does, reloading included, goes on to its end.
    #[must_use]
    pub fn with_cancel(mut self, flag: Arc<AtomicBool>) -> Self {
        self.cancel = Some(flag);
        self
    }

    /// Sets [`freshness`](Self::freshness).
    #[must_use]
    pub fn with_freshness(mut self, freshness: Freshness) -> Self {
        self.freshness = freshness;
        self
    }
    /// Sets [`keep_alive_pause`](Self::keep_alive_pause).
    #[must_use]
    pub fn with_keep_alive_pause(mut self, pause: Duration) -> Self {
        self.keep_alive_pause = pause;
        self
    }
}
