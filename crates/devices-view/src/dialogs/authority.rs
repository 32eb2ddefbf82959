//! What allows a token to be erased: its PIN, or the admin key.

use crescendo_ext::xauth::XauthKey;
use eframe::egui::{Response, Ui};
use piv_apdu::management::ManagementKey;
use piv_apdu::secret::Pin;
use token_manager::{Authority, PinEntry};

use super::{Reach, parts};
use crate::widgets::{SecretField, quiet, segments};

/// What is typed.
#[derive(Default)]
pub(super) struct AuthorityEntry {
    by_key: bool,
    pin: SecretField,
    key: SecretField,
}

/// What was given, in a block of its own ([`SecretField::make`]).
pub(super) enum Given {
    Pin(Box<Pin>),
    AdminKey(Box<XauthKey>),
    ManagementKey(Box<ManagementKey>),
}

impl Given {
    /// As an action takes it.
    pub(super) fn authority(&self) -> Authority<'_> {
        match self {
            Self::Pin(pin) => Authority::Pin(PinEntry::Typed(pin)),
            Self::AdminKey(key) => Authority::AdminKey(key),
            Self::ManagementKey(key) => Authority::ManagementKey(key),
        }
    }
}

impl AuthorityEntry {
    /// Draws it. Gives the field that is shown.
    pub(super) fn ui(&mut self, ui: &mut Ui, reach: &Reach<'_>) -> Response {
        let ways = [(false, "PIN"), (true, "Admin key")];
        segments(ui, "Allowed by", &ways, &mut self.by_key);
        if self.by_key {
            let field = self.key.ui(ui, "Admin key");
            quiet(
                ui,
                "In hexadecimal. It also serves when the PIN is blocked.",
            );
            return field;
        }
        parts::tries(ui, &reach.snapshot.token.pin.status);
        self.pin.ui(ui, "PIN")
    }

    /// Whether something was typed.
    pub(super) fn is_ready(&self) -> bool {
        let field = if self.by_key { &self.key } else { &self.pin };
        !field.is_empty()
    }

    /// What was typed, which stays in its field.
    ///
    /// # Errors
    /// Why it can't be one, as a sentence.
    pub(super) fn given(&self) -> Result<Given, String> {
        if self.by_key {
            let key = self.key.read("an admin key", XauthKey::from_hex);
            return key.map(Given::AdminKey);
        }
        let pin = self.pin.read("a PIN", |text| Pin::new(text.as_bytes()));
        pin.map(Given::Pin)
    }

    /// Wipes what was typed.
    pub(super) fn wipe(&mut self) {
        self.pin.wipe();
        self.key.wipe();
    }
}
