//! The management key (9B) of a plain PIV card, in hexadecimal.

use eframe::egui::Ui;
use piv_apdu::management::{ManagementAlgorithm, ManagementError, ManagementKey};

use super::parts;
use crate::widgets::SecretField;

/// What was typed, and of what algorithm it is where its length leaves that open.
#[derive(Default)]
pub(super) struct ManagementKeyField {
    text: SecretField,
    /// Of a key of 24 bytes: AES-192 rather than 3DES.
    is_aes: bool,
}

impl ManagementKeyField {
    /// Whether anything was typed.
    pub(super) fn is_ready(&self) -> bool {
        !self.text.is_empty()
    }

    /// Draws it. Whether Enter was pressed in it.
    pub(super) fn ui(&mut self, ui: &mut Ui) -> bool {
        let field = self.text.ui(ui, "Management key (hexadecimal)");
        if self.length() == Some(24) {
            ui.horizontal(|ui| {
                ui.radio_value(&mut self.is_aes, false, "3DES key");
                ui.radio_value(&mut self.is_aes, true, "AES-192 key");
            });
        }
        parts::enter(ui, &field)
    }

    /// The key, wiped from its field.
    pub(super) fn take(&mut self) -> Result<Box<ManagementKey>, ManagementError> {
        let algorithm = self.algorithm();
        self.text
            .take(|text| ManagementKey::from_hex(algorithm, text))
    }

    /// The key, which stays in its field.
    pub(super) fn key(&self) -> Result<ManagementKey, ManagementError> {
        ManagementKey::from_hex(self.algorithm(), self.text.text())
    }

    fn algorithm(&self) -> ManagementAlgorithm {
        match self.length() {
            Some(16) => ManagementAlgorithm::Aes128,
            Some(24) if self.is_aes => ManagementAlgorithm::Aes192,
            Some(24) => ManagementAlgorithm::TripleDes,
            // Whatever else it is, what is said of its length is right.
            _ => ManagementAlgorithm::Aes256,
        }
    }

    /// In bytes.
    fn length(&self) -> Option<usize> {
        piv_apdu::secret::from_hex(self.text.text()).map(|bytes| bytes.len())
    }
}
