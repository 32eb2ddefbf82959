//! The management key (9B) of a plain PIV card, in hexadecimal.

use eframe::egui::Ui;
use piv_apdu::management::{ManagementAlgorithm, ManagementError, ManagementKey};

use super::parts;
use crate::widgets::SecretField;

/// What was typed, and of what algorithm it is where its length leaves that open.
#[derive(Default)]
pub(super) struct ManagementKeyField {
    text: SecretField,
    chosen: Option<ManagementAlgorithm>,
}

impl ManagementKeyField {
    /// Whether anything was typed.
    pub(super) fn is_ready(&self) -> bool {
        !self.text.is_empty()
    }

    /// Draws it. Whether Enter was pressed in it.
    pub(super) fn ui(&mut self, ui: &mut Ui) -> bool {
        let field = self.text.ui(ui, "Management key (hexadecimal)");
        if let Some(mut chosen) = self.choice() {
            ui.horizontal(|ui| {
                for algorithm in self.algorithms() {
                    let name = format!("{} key", algorithm.name());
                    ui.radio_value(&mut chosen, *algorithm, name);
                }
            });
            self.chosen = Some(chosen);
        }
        parts::enter(ui, &field)
    }

    /// The key, which stays in its field.
    pub(super) fn key(&self) -> Result<Box<ManagementKey>, ManagementError> {
        let choice = self.choice();
        self.text
            .make(|text| ManagementKey::from_hex_by_length(choice, text))
    }

    /// Wipes what was typed.
    pub(super) fn wipe(&mut self) {
        self.text.wipe();
    }

    /// What is chosen, where there is a choice.
    fn choice(&self) -> Option<ManagementAlgorithm> {
        match self.algorithms() {
            [first, _, ..] => self.chosen.or(Some(*first)),
            _ => None,
        }
    }

    /// Those that it can be of, as far as it is typed.
    fn algorithms(&self) -> &'static [ManagementAlgorithm] {
        let bytes = piv_apdu::secret::from_hex(self.text.text());
        let length = bytes.map_or(0, |bytes| bytes.len());
        ManagementAlgorithm::with_key_length(length)
    }
}
