//! What a person has to be told: an icon, what it is, and what to do.

use eframe::egui::accesskit::Live;
use eframe::egui::{self, CornerRadius, Frame, Margin, Response, RichText, Stroke, Ui};
use egui_material_icons::{MaterialIcon, icons};

use super::{picture, sentence};
use crate::theme::{Palette, UNIT};

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// It went well.
    Good,
    /// To know.
    Info,
    /// To be seen to.
    Warning,
    /// It went wrong.
    Bad,
}

impl Notice {
    fn icon(self) -> MaterialIcon {
        match self {
            Self::Good => icons::ICON_CHECK_CIRCLE,
            Self::Info => icons::ICON_INFO,
            Self::Warning => icons::ICON_WARNING,
            Self::Bad => icons::ICON_ERROR,
        }
    }
}

/// Shows a text of one sentence, or of more: what it is, and then what to do.
pub(crate) fn remark(ui: &mut Ui, kind: Notice, text: &str) {
    let (what, next) = token_manager::sentences(text);
    notice(
        ui,
        kind,
        &sentence(&what),
        next.as_deref().map(sentence).as_deref(),
    );
}

/// Shows it, over the whole width.
pub(crate) fn notice(ui: &mut Ui, kind: Notice, what: &str, next: Option<&str>) -> Response {
    let palette = Palette::of(ui.ctx());
    let color = match kind {
        Notice::Good => palette.good,
        Notice::Info => palette.accent,
        Notice::Warning => palette.warning,
        Notice::Bad => palette.bad,
    };
    Frame::new()
        .fill(color.gamma_multiply(0.10))
        .stroke(Stroke::new(1.0, color.gamma_multiply(0.5)))
        .corner_radius(CornerRadius::same(8))
        .inner_margin(Margin::symmetric(12, 10))
        .show(ui, |ui| {
            ui.horizontal_top(|ui| {
                ui.spacing_mut().item_spacing.x = UNIT;
                picture(ui, kind.icon(), 20.0, color);
                ui.vertical(|ui| {
                    ui.set_width(ui.available_width());
                    ui.spacing_mut().item_spacing.y = 4.0;
                    say(ui, kind, RichText::new(what).color(palette.text));
                    if let Some(next) = next {
                        say(ui, kind, RichText::new(next).color(palette.quiet));
                    }
                });
            });
        })
        .response
}

/// Text that a screen reader says as soon as it is there; what went wrong, before all else.
fn say(ui: &mut Ui, kind: Notice, text: RichText) {
    let label = ui.add(egui::Label::new(text).wrap());
    ui.ctx().accesskit_node_builder(label.id, |node| {
        node.set_live(match kind {
            Notice::Bad => Live::Assertive,
            _ => Live::Polite,
        });
    });
}
