//! What is erased, and the token's ID that has to be typed before it is.

use eframe::egui::{Response, RichText, TextEdit, TextStyle, Ui};
use token_manager::Plan;

use super::steps;

/// The ID as far as it is typed.
#[derive(Default)]
pub(super) struct Confirmation {
    typed: String,
}

impl Confirmation {
    /// Draws it.
    pub(super) fn ui(&mut self, ui: &mut Ui, expected: &str) -> Response {
        let label = ui
            .horizontal_wrapped(|ui| {
                ui.spacing_mut().item_spacing.x = 4.0;
                let label = ui.label("ID of the token that is erased");
                ui.label(RichText::new(format!("(type {expected})")).monospace());
                label
            })
            .inner;
        let field = TextEdit::singleline(&mut self.typed)
            .font(TextStyle::Monospace)
            .desired_width(f32::INFINITY);
        ui.add(field).labelled_by(label.id)
    }

    /// Whether it was typed in full.
    pub(super) fn is(&self, expected: &str) -> bool {
        self.typed.trim() == expected
    }

    /// What was typed.
    pub(super) fn typed(&self) -> &str {
        self.typed.trim()
    }
}

/// What becomes of what is on the token.
pub(super) fn fates(ui: &mut Ui, plan: &Plan) {
    ui.label(RichText::new("What becomes of what is on it").strong());
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 4.0;
        steps::fates(ui, plan);
    });
}
