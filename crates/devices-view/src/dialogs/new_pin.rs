//! A new PIN: its rules in a bubble above it, and twice the PIN.

use eframe::egui::{Response, Ui};
use piv_apdu::secret::Pin;
use subtle::ConstantTimeEq as _;
use token_manager::PinPolicy;

use super::parts;
use crate::widgets::SecretField;

/// What was typed.
#[derive(Default)]
pub(super) struct NewPin {
    first: SecretField,
    again: SecretField,
}

/// How far that is.
pub(super) struct Entered {
    /// It keeps the policy, and both are the same.
    pub(super) is_ready: bool,
    /// Enter was pressed in the last field.
    pub(super) enter: bool,
    /// The first field.
    pub(super) first: Response,
}

impl NewPin {
    /// Draws it.
    pub(super) fn ui(&mut self, ui: &mut Ui, policy: &PinPolicy) -> Entered {
        let is_met = parts::rules(ui, policy, self.first.bytes());
        let first = self.first.ui(ui, "New PIN");
        let last = self.again.ui(ui, "New PIN again");
        let is_same = bool::from(self.first.bytes().ct_eq(self.again.bytes()));
        if !is_same && !self.again.is_empty() {
            parts::remark(ui, "The two entries of the new PIN differ.");
        }
        Entered {
            is_ready: is_met && is_same,
            enter: parts::enter(ui, &last),
            first,
        }
    }

    /// The PIN, which stays in its fields.
    ///
    /// # Errors
    /// Why it can't be one, as a sentence.
    pub(super) fn pin(&self) -> Result<Box<Pin>, String> {
        self.first
            .read("the new PIN", |text| Pin::new(text.as_bytes()))
    }

    /// The PIN, wiped from its fields.
    pub(super) fn take<T>(&mut self, doing: &mut parts::Doing<T>) -> Option<Box<Pin>> {
        self.again.wipe();
        parts::pin(&mut self.first, doing)
    }
}
