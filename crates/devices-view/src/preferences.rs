//! Preferences: the risks that a person agrees to, and when open tokens are locked. They
//! hold as long as the window is open: consent is given each time anew.

use std::time::Duration;

use eframe::egui::{self, RichText, Ui};
use token_manager::{Overrides, Risk};

use crate::dialogs::parts;
use crate::theme::UNIT;
use crate::widgets::{CameFrom, quiet, segments};

/// The times to choose from, in minutes.
const TIMES: [u64; 4] = [1, 5, 15, 60];

/// The times, and the one that holds now if it is another one.
fn times(now: Duration) -> Vec<(Duration, String)> {
    let mut times: Vec<_> = TIMES.map(Duration::from_mins).into();
    times.push(now);
    times.sort_unstable();
    times.dedup();
    let named = times.into_iter().map(|time| match time.as_secs() / 60 {
        0 => (time, format!("{} s", time.as_secs())),
        60 => (time, "1 h".to_owned()),
        minutes => (time, format!("{minutes} min")),
    });
    named.collect()
}

/// The dialog.
pub(crate) struct Preferences {
    overrides: Overrides,
    lock_after: Duration,
    times: Vec<(Duration, String)>,
    came_from: CameFrom,
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
    pub(crate) fn new(overrides: Overrides, lock_after: Duration, context: &egui::Context) -> Self {
        Self {
            overrides,
            lock_after,
            times: times(lock_after),
            came_from: CameFrom::leave(context),
        }
    }

    /// Draws it.
    pub(crate) fn show(&mut self, context: &egui::Context) -> Choice {
        let shown = parts::modal(context, "Preferences", |ui| self.form(ui));
        let choice = match shown.inner {
            Choice::Open if shown.is_left => Choice::Cancelled,
            choice => choice,
        };
        if !matches!(choice, Choice::Open) {
            self.came_from.back(context);
        }
        choice
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
        let times: Vec<_> = self
            .times
            .iter()
            .map(|(time, name)| (*time, name.as_str()))
            .collect();
        segments(ui, "Lock after", &times, &mut self.lock_after);
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
