//! Preferences: the risks that a person agrees to, and when open tokens are locked. They
//! hold as long as the window is open: consent is given each time anew.

use std::time::Duration;

use eframe::egui::{self, RichText, Ui};
use token_manager::{Overrides, Risk};

use crate::dialogs::parts;
use crate::theme::UNIT;
use crate::widgets::{quiet, segments};

/// The times to choose from.
const TIMES: [(Duration, &str); 4] = [
    (Duration::from_mins(1), "1 min"),
    (Duration::from_mins(5), "5 min"),
    (Duration::from_mins(15), "15 min"),
    (Duration::from_hours(1), "1 h"),
];

/// The dialog.
pub(crate) struct Preferences {
    overrides: Overrides,
    lock_after: Duration,
}

/// What was chosen.
pub(crate) struct Made {
    /// The risks that are agreed to.
    pub(crate) overrides: Overrides,
    /// After how long without a key or the mouse open tokens are locked.
    pub(crate) lock_after: Duration,
}

/// How far the dialog has come.
pub(crate) enum Choice {
    /// It goes on.
    Open,
    /// It is over, and nothing was chosen.
    Cancelled,
    /// It is over.
    Made(Made),
}

impl Preferences {
    /// As they are.
    pub(crate) fn new(overrides: Overrides, lock_after: Duration) -> Self {
        Self {
            overrides,
            lock_after,
        }
    }

    /// Draws it.
    pub(crate) fn show(&mut self, context: &egui::Context) -> Choice {
        let shown = parts::modal(context, "Preferences", |ui| self.form(ui));
        match shown.inner {
            Choice::Open if shown.should_close() => Choice::Cancelled,
            choice => choice,
        }
    }

    fn form(&mut self, ui: &mut Ui) -> Choice {
        quiet(
            ui,
            "They hold until this window is closed, and are not stored.",
        );
        ui.add_space(UNIT);
        ui.label(RichText::new("Risks that you agree to").strong());
        for risk in Risk::ALL {
            let mut allowed = self.overrides.allows(risk);
            let choice = ui.checkbox(&mut allowed, risk.name());
            parts::focus_first(ui, &choice);
            self.overrides = self.overrides.with(risk, allowed);
            parts::below_choice(ui, risk.sentence());
        }
        ui.add_space(UNIT);
        ui.label(RichText::new("Open tokens").strong());
        segments(ui, "Lock after", &TIMES, &mut self.lock_after);
        quiet(
            ui,
            "Counted from the last key that was pressed and the last move of the mouse.",
        );
        let mut choice = Choice::Open;
        parts::buttons(ui, |ui| {
            if parts::primary(ui, "Apply", true).clicked() {
                choice = Choice::Made(Made {
                    overrides: self.overrides,
                    lock_after: self.lock_after,
                });
            }
            if ui.add(parts::button("Cancel")).clicked() {
                choice = Choice::Cancelled;
            }
        });
        choice
    }
}
