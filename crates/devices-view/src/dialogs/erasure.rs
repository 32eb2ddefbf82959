//! What is erased, and the token's ID that has to be typed before it is.

use eframe::egui::{Response, RichText, TextEdit, TextStyle, Ui};
use token_manager::{FidoErasure, Plan, Token};

use super::steps;
use crate::widgets::{Notice, remark};

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

/// Whether the FIDO application was erased with the rest, as far as it tells.
pub(super) fn fido(ui: &mut Ui, erasure: FidoErasure, token: &Token) {
    if let Some(told) = erasure.sentences(token) {
        let kind = match erasure {
            FidoErasure::PinKept => Notice::Warning,
            _ => Notice::Info,
        };
        remark(ui, kind, &told);
    }
}
