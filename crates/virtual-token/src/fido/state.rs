//! What the applet keeps without power.

use serde::{Deserialize, Serialize};

use crate::state::{Bytes, SecretBytes};

/// Wrong PINs in a row that block it (CTAP 2.1, 6.5.1: at most eight).
pub(super) const TRIES_LIMIT: u8 = 8;
/// Discoverable credentials that there is room for.
pub(super) const CAPACITY: usize = 50;
/// Bytes of the hash of a PIN, and of the key of all credentials.
pub(super) const PIN_HASH: usize = 16;
pub(super) const MASTER_KEY: usize = 32;

/// PIN, credentials and what they are made of. The default is an applet as delivered.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct FidoState {
    /// The first half of the PIN's SHA-256, which is all that a host sends of it.
    pub(super) pin: Option<SecretBytes>,
    /// Wrong PINs in a row.
    pub(super) tries_used: u8,
    /// What every credential's key follows from. Drawn when it is first needed.
    pub(super) master_key: Option<SecretBytes>,
    /// Of signatures, over all credentials.
    pub(super) signatures: u32,
    /// The discoverable ones, the latest last.
    pub(super) credentials: Vec<DiscoverableCredential>,
}

/// A credential that the card finds by itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct DiscoverableCredential {
    pub(super) id: Bytes,
    pub(super) rp_id: String,
    pub(super) user: User,
}

/// Whose account it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct User {
    pub(super) id: Bytes,
    pub(super) name: Option<String>,
    pub(super) display_name: Option<String>,
}

impl FidoState {
    pub(crate) fn tries_left(&self) -> u8 {
        TRIES_LIMIT.saturating_sub(self.tries_used)
    }

    /// Takes the applet's own PIN away, and what was tried of whichever it had.
    pub(crate) fn forget_pin(&mut self) {
        self.pin = None;
        self.tries_used = 0;
    }

    /// Whether there is nothing in it that came after delivery.
    pub(crate) fn is_as_delivered(&self) -> bool {
        self.pin.is_none()
            && self.tries_used == 0
            && self.master_key.is_none()
            && self.signatures == 0
            && self.credentials.is_empty()
    }

    /// Whether its parts have their lengths.
    pub(crate) fn holds_together(&self) -> bool {
        let has_length = |secret: &Option<SecretBytes>, length| {
            secret
                .as_ref()
                .is_none_or(|secret| secret.as_slice().len() == length)
        };
        has_length(&self.pin, PIN_HASH)
            && has_length(&self.master_key, MASTER_KEY)
            && self.tries_used <= TRIES_LIMIT
            && self.credentials.len() <= CAPACITY
    }
}
