//! A secret that came from a token: hidden until it is asked for, and to be copied.
//!
//! It is painted a character at a time: egui keeps what it lays out for a while, and has it
//! in one piece nowhere. While it is shown, assistive technology is given it, too; egui makes
//! a tree for that only if some is running.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use eframe::egui::{
    self, FontId, Pos2, Rect, Response, Role, Sense, Ui, Vec2, WidgetInfo, accesskit,
};
use zeroize::Zeroizing;

use crate::lending::Lender;
use crate::theme::{Palette, UNIT};

/// What stands for a secret that is hidden, whatever its length.
const DOTS: usize = 8;

/// The secret.
pub(crate) struct ShownSecret {
    name: &'static str,
    value: Zeroizing<String>,
    is_shown: bool,
    /// The last copy, and whether it has come into the clipboard.
    copy: Option<Arc<AtomicBool>>,
    was_copied: bool,
}

impl ShownSecret {
    /// Hidden at first.
    pub(crate) fn new(name: &'static str, value: Zeroizing<String>) -> Self {
        Self {
            name,
            value,
            is_shown: false,
            copy: None,
            was_copied: false,
        }
    }

    /// Shows it no more, until it is asked for again.
    pub(crate) fn hide(&mut self) {
        self.is_shown = false;
    }

    /// Draws it, with its buttons. The button that shows it.
    pub(crate) fn ui(&mut self, ui: &mut Ui, lender: &Lender) -> Response {
        let palette = Palette::of(ui.ctx());
        let label = ui.label(super::capital(self.name));
        egui::Frame::new()
            .fill(palette.page)
            .corner_radius(8.0)
            .inner_margin(12.0)
            .show(ui, |ui| {
                ui.set_width(ui.available_width());
                self.value(ui).labelled_by(label.id);
            });
        let show = ui
            .horizontal(|ui| {
                let show = ui.button(if self.is_shown { "Hide" } else { "Show" });
                if show.clicked() {
                    self.is_shown = !self.is_shown;
                }
                if ui.button("Copy").clicked() {
                    self.copy = Some(lender.lend(self.name, &self.value));
                }
                show
            })
            .inner;
        lender.ui(ui);
        self.was_copied |= self
            .copy
            .as_ref()
            .is_some_and(|copy| copy.load(Ordering::Relaxed));
        show
    }

    /// Whether it has come into the clipboard.
    pub(crate) fn was_copied(&self) -> bool {
        self.was_copied
    }

    fn value(&self, ui: &mut Ui) -> Response {
        let font = FontId::monospace(20.0);
        let color = Palette::of(ui.ctx()).text;
        let cell = ui
            .painter()
            .layout_no_wrap("0".to_owned(), font.clone(), color)
            .size();
        let columns = columns(&self.value, ui.available_width() / cell.x);
        let length = if self.is_shown {
            self.value.chars().count()
        } else {
            DOTS
        };
        let size = Vec2::new(
            ui.available_width(),
            count(length.div_ceil(columns)) * cell.y,
        );
        let (rect, response) = ui.allocate_exact_size(size, Sense::focusable_noninteractive());
        let painter = ui.painter();
        let at = |index: usize| {
            let (row, column) = (index / columns, index % columns);
            rect.min + Vec2::new(count(column) * cell.x, count(row) * cell.y)
        };
        if self.is_shown {
            for (index, character) in self.value.chars().enumerate() {
                let galley = painter.layout_no_wrap(character.to_string(), font.clone(), color);
                painter.galley(at(index), galley, color);
            }
        } else {
            for index in 0..DOTS {
                let center: Pos2 = Rect::from_min_size(at(index), cell).center();
                painter.circle_filled(center, 3.5, color);
            }
        }
        if response.has_focus() {
            super::focus_ring(ui, rect, UNIT / 2.0);
        }
        response.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, self.name));
        ui.ctx().accesskit_node_builder(response.id, |node| {
            node.set_role(accesskit::Role::TextInput);
            node.set_read_only();
            let value = if self.is_shown {
                &**self.value
            } else {
                "hidden"
            };
            node.set_value(value);
            // AT-SPI gives the value of a text only as what egui would have laid out.
            node.set_description(value);
        });
        response
    }
}

/// How many characters stand in a line, of groups whole ones.
fn columns(text: &str, room: f32) -> usize {
    /// As `piv_apdu::secret::to_hex` writes keys, with what stands between.
    const GROUP: usize = 5;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small, not negative"
    )]
    let columns = (room.max(1.0) as usize).max(1);
    if text.contains('-') && columns > GROUP {
        columns - columns % GROUP
    } else {
        columns
    }
}

#[allow(clippy::cast_precision_loss, reason = "small")]
fn count(number: usize) -> f32 {
    number as f32
}

#[cfg(test)]
mod tests {
    use super::columns;

    #[test]
    fn a_line_ends_between_groups() {
        assert_eq!(columns("0123-4567-89AB", 13.9), 10);
        assert_eq!(columns("0123-4567-89AB", 4.0), 4);
        assert_eq!(columns("40718365", 6.5), 6);
        assert_eq!(columns("40718365", 0.0), 1);
    }
}
