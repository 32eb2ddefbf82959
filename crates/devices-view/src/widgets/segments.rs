//! One of a few short values, side by side.

use eframe::egui::{Button, Response, RichText, Role, Ui, WidgetInfo};

use crate::theme::Palette;

/// Shows the choices; each is called by `name` and its own text. The first
/// of them.
pub(crate) fn segments<T: Copy + PartialEq>(
    ui: &mut Ui,
    name: &str,
    choices: &[(T, &str)],
    value: &mut T,
) -> Option<Response> {
    let mut first = None;
    let palette = Palette::of(ui.ctx());
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        ui.label(name);
        for (choice, text) in choices {
            let is_chosen = *value == *choice;
            let label = RichText::new(*text).color(palette.text);
            let button = Button::selectable(is_chosen, label).frame_when_inactive(true);
            let response = ui.add(button);
            let enabled = ui.is_enabled();
            response.widget_info(|| {
                let name = format!("{name}: {text}");
                WidgetInfo::selected(Role::RadioButton, enabled, is_chosen, name)
            });
            if response.clicked() {
                *value = *choice;
            }
            first.get_or_insert(response);
        }
    });
    first
}
