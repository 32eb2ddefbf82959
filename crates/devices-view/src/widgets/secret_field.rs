//! A field for a PIN, a PUK or a code, of which egui never has a copy.
//!
//! egui's own text field keeps what was typed in its undo history and in its cache of laid out
//! text. This one has the text in memory of its own that is wiped, draws a dot a character,
//! and wipes the events that brought the characters.

use std::fmt::Display;

use eframe::egui::{
    self, Event, EventFilter, Key, Modifiers, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui,
    Vec2, WidgetInfo,
};
use zeroize::{Zeroize as _, Zeroizing};

use crate::theme::Palette;

/// As many bytes as any secret that is typed has: 48 hexadecimal digits of a key, with
/// spaces. What comes after them is not taken.
const CAPACITY: usize = 128;

/// What was typed.
pub(crate) struct SecretField {
    /// Never grows past its capacity, so that no copy is left behind.
    text: Zeroizing<String>,
}

impl Default for SecretField {
    fn default() -> Self {
        let text = Zeroizing::new(String::with_capacity(CAPACITY));
        Self { text }
    }
}

impl SecretField {
    /// The text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Whether nothing was typed.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Wipes what was typed.
    pub(crate) fn wipe(&mut self) {
        self.text.zeroize();
    }

    /// Makes a secret of what was typed, which stays in the field.
    ///
    /// The secret is in a block of its own: where it is handed on, from closure to channel to
    /// thread, copies of a pointer are left behind, and none of the secret.
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) fn make<S, E>(&self, make: impl FnOnce(&str) -> Result<S, E>) -> Result<Box<S>, E> {
        let secret = boxed(&self.text, make);
        wipe_stack();
        secret
    }

    /// The same, with why it can't be `what` as a sentence.
    ///
    /// # Errors
    /// That sentence.
    pub(crate) fn read<S, E: Display>(
        &self,
        what: &str,
        make: impl FnOnce(&str) -> Result<S, E>,
    ) -> Result<Box<S>, String> {
        self.make(make)
            .map_err(|error| format!("this can't be {what}: {error}"))
    }

    /// As [`make`](Self::make), and wipes the field.
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) fn take<S, E>(
        &mut self,
        make: impl FnOnce(&str) -> Result<S, E>,
    ) -> Result<Box<S>, E> {
        let taken = self.make(make);
        self.wipe();
        taken
    }

    /// Shows the name and the field under it, over the whole width.
    pub(crate) fn ui(&mut self, ui: &mut Ui, name: &str) -> Response {
        let label = ui.label(name);
        self.field(ui, name).labelled_by(label.id)
    }

    fn field(&mut self, ui: &mut Ui, name: &str) -> Response {
        let size = Vec2::new(ui.available_width(), ui.spacing().interact_size.y + 4.0);
        let (rect, mut response) = ui.allocate_exact_size(size, Sense::click());
        if response.clicked() {
            response.request_focus();
        }
        let has_focus = response.has_focus();
        if has_focus {
            let filter = EventFilter {
                horizontal_arrows: true,
                ..EventFilter::default()
            };
            ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
            if self.take_typed(ui) {
                response.mark_changed();
            }
        }
        if response.hovered() {
            ui.ctx().set_cursor_icon(egui::CursorIcon::Text);
        }
        self.paint(ui, rect, has_focus);
        let (enabled, dots) = (ui.is_enabled(), "•".repeat(self.text.chars().count()));
        response.widget_info(|| WidgetInfo::labeled(Role::PasswordInput, enabled, name));
        ui.ctx().accesskit_node_builder(response.id, |node| {
            node.set_role(Role::PasswordInput);
            node.set_value(dots);
        });
        response
    }

    fn paint(&self, ui: &Ui, rect: Rect, has_focus: bool) {
        let palette = Palette::of(ui.ctx());
        let (line, fill) = match (ui.is_enabled(), has_focus) {
            (false, _) => (Stroke::new(1.0, palette.line), palette.page),
            (true, false) => (Stroke::new(1.0, palette.quiet), palette.surface),
            (true, true) => (Stroke::new(2.0, palette.accent), palette.surface),
        };
        let painter = ui.painter();
        painter.rect(rect, 6.0, fill, line, StrokeKind::Inside);
        let (left, step) = (rect.left() + 14.0, 12.0);
        let room = ((rect.width() - 28.0) / step).max(0.0);
        let mut x = left;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "small, not negative"
        )]
        for _ in self.text.chars().take(room as usize) {
            painter.circle_filled(egui::pos2(x + 2.0, rect.center().y), 3.5, palette.text);
            x += step;
        }
        if has_focus {
            let caret = Stroke::new(1.5, palette.accent);
            painter.vline(x + 1.0, rect.shrink(8.0).y_range(), caret);
        }
    }

    /// Takes what was typed or pasted out of the events, and wipes it there. Whether
    /// anything changed.
    fn take_typed(&mut self, ui: &Ui) -> bool {
        ui.input_mut(|input| {
            let mut changed = false;
            input.events.retain_mut(|event| {
                let (kept, does) = self.take_event(event);
                changed |= does;
                kept
            });
            // The same events once more, as they came.
            input.raw.events.retain_mut(|event| match event {
                Event::Text(text) | Event::Paste(text) => {
                    text.zeroize();
                    false
                }
                _ => true,
            });
            changed
        })
    }

    /// Whether the event is left to others, and whether it changed the text.
    fn take_event(&mut self, event: &mut Event) -> (bool, bool) {
        match event {
            Event::Text(text) | Event::Paste(text) => {
                for character in text.trim_end_matches(['\r', '\n']).chars() {
                    if self.text.len() + character.len_utf8() <= CAPACITY {
                        self.text.push(character);
                    }
                }
                text.zeroize();
                (false, true)
            }
            Event::Key {
                key: Key::Backspace,
                pressed: true,
                modifiers,
                ..
            } => {
                self.erase(*modifiers);
                (false, true)
            }
            _ => (true, false),
        }
    }

    /// The last character, or with Ctrl all of them.
    fn erase(&mut self, modifiers: Modifiers) {
        if modifiers.command || modifiers.alt {
            return self.wipe();
        }
        let Some((start, _)) = self.text.char_indices().next_back() else {
            return;
        };
        // Popping leaves the bytes behind; this wipes them.
        let mut bytes = Zeroizing::new(std::mem::take(&mut *self.text).into_bytes());
        bytes[start..].zeroize();
        bytes.truncate(start);
        *self.text = String::from_utf8(std::mem::take(&mut *bytes)).unwrap_or_default();
    }
}

/// In a frame of its own, which [`wipe_stack`] writes over.
#[inline(never)]
fn boxed<S, E>(text: &str, make: impl FnOnce(&str) -> Result<S, E>) -> Result<Box<S>, E> {
    make(text).map(Box::new)
}

/// Writes over the part of the stack that functions called before have left. What is drawn
/// next lies there, and would take what it does not write itself along to the heap.
#[inline(never)]
fn wipe_stack() {
    let mut area = [0_u8; 16 * 1024];
    std::hint::black_box(&mut area);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

    use super::*;

    fn typed(field: &mut SecretField, text: &str) {
        let mut event = Event::Text(text.to_owned());
        assert_eq!(field.take_event(&mut event), (false, true));
        assert_eq!(event, Event::Text(String::new()));
    }

    #[test]
    fn what_was_typed_is_taken_out_of_the_events_and_can_be_erased() {
        let mut field = SecretField::default();
        let begin = field.text.as_ptr();
        typed(&mut field, "1");
        typed(&mut field, "2é");
        field.erase(Modifiers::NONE);
        assert_eq!(field.text(), "12");
        assert_eq!(field.text.as_ptr(), begin, "nothing was copied elsewhere");
        field.erase(Modifiers::COMMAND);
        assert!(field.is_empty());
    }

    #[test]
    fn it_never_grows() {
        let mut field = SecretField::default();
        let begin = field.text.as_ptr();
        typed(&mut field, &"é".repeat(CAPACITY));
        assert_eq!(field.text.len(), CAPACITY);
        assert_eq!(field.text.as_ptr(), begin);
    }
}
