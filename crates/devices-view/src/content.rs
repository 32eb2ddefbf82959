//! The content of one token, as far as it can be read without the PIN.

mod certificates;
mod details;
mod export;

use std::time::SystemTime;

use eframe::egui::{self, RichText, Ui};
use token_desktop::safe;
use token_manager::Token;

use self::export::Export;
use crate::devices::Device;
use crate::theme::{Palette, UNIT};
use crate::tiles;
use crate::widgets::{Notice, card_name, notice, surface};
use crate::work::Snapshot;

/// What the page remembers from one frame to the next.
#[derive(Default)]
pub(crate) struct Content {
    export: Option<Export>,
}

impl Content {
    /// Draws the page.
    pub(crate) fn ui(&mut self, ui: &mut Ui, device: &Device, snapshot: &Snapshot) {
        let token = &snapshot.token;
        let now = SystemTime::now();
        ui.spacing_mut().item_spacing.y = 1.5 * UNIT;
        let is_checked = !tiles::doubt(ui, device);
        details::token(ui, token, is_checked);
        problems(ui, token);
        if let Some(export) = certificates::ui(ui, device, token, now) {
            self.export = Some(export);
        }
        details::keys(ui, token);
        details::objects(ui, token);
        details::fido(ui, token);
        details::one_time_passwords(ui, token);
        details::abilities(ui, token);
        if let Some(export) = &mut self.export
            && export.show(ui.ctx(), device).is_break()
        {
            self.export = None;
        }
    }

    /// The page is left, and what was open on it with it.
    pub(crate) fn leave(&mut self) {
        self.export = None;
    }
}

fn problems(ui: &mut Ui, token: &Token) {
    for problem in &token.problems {
        notice(ui, Notice::Warning, &safe(&problem.to_string()), None);
    }
}

/// A part of the page, with its name above.
fn section(ui: &mut Ui, name: &str, add: impl FnOnce(&mut Ui)) {
    let name = card_name(name);
    let title = ui.label(RichText::new(&name).size(16.0).strong());
    ui.ctx().accesskit_node_builder(title.id, |node| {
        node.set_role(egui::accesskit::Role::Heading);
        node.set_label(name);
    });
    surface(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 6.0;
        add(ui);
    });
}

/// A name and its value; the value wraps.
fn field(ui: &mut Ui, name: &str, value: impl AsRef<str>) {
    row(ui, name, RichText::new(safe(value.as_ref())));
}

/// The same for a value of which each character counts.
fn code(ui: &mut Ui, name: &str, value: impl AsRef<str>) {
    row(ui, name, RichText::new(safe(value.as_ref())).monospace());
}

fn row(ui: &mut Ui, name: &str, value: RichText) {
    let palette = Palette::of(ui.ctx());
    ui.horizontal_top(|ui| {
        let width = 130.0_f32.min(ui.available_width() * 0.4);
        let label = egui::Label::new(RichText::new(safe(name)).color(palette.quiet)).wrap();
        let label = ui
            .allocate_ui(egui::vec2(width, 0.0), |ui| {
                ui.set_min_width(width);
                ui.add(label)
            })
            .inner;
        let value = egui::Label::new(value).wrap().selectable(true);
        ui.add(value).labelled_by(label.id);
    });
}
