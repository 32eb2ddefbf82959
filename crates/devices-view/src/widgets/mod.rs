//! What the pages and dialogs are made of.

mod focus;
mod notice;
mod qr_code;
mod secret_field;
mod segments;
mod shown_secret;

use eframe::egui::{
    self, Align2, Button, Color32, FontId, Response, RichText, Role, Sense, Stroke, Ui, Vec2,
    Widget as _, WidgetInfo,
};
use egui_material_icons::MaterialIcon;
use token_desktop::safe;

pub(crate) use self::focus::{CameFrom, focus_ring, follow_focus, give_focus_back, release_focus};
pub(crate) use self::notice::{Notice, notice, remark};
pub(crate) use self::qr_code::qr_code;
pub(crate) use self::secret_field::SecretField;
pub(crate) use self::segments::segments;
pub(crate) use self::shown_secret::ShownSecret;
use crate::theme::Palette;

/// An icon as a text of this size and colour.
pub(crate) fn icon(icon: MaterialIcon, size: f32, color: Color32) -> RichText {
    icon.rich_text().size(size).color(color)
}

/// An icon that only decorates: nothing of it is read out.
pub(crate) fn picture(ui: &mut Ui, what: MaterialIcon, size: f32, color: Color32) -> Response {
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(size), Sense::hover());
    let font = FontId::new(size, what.font_family());
    ui.painter().text(
        rect.center(),
        Align2::CENTER_CENTER,
        what.codepoint,
        font,
        color,
    );
    response
}

/// A button that is an icon; its name is for screen readers and on hover.
pub(crate) fn icon_button(
    ui: &mut Ui,
    picture: MaterialIcon,
    name: &str,
    color: Color32,
) -> Response {
    let button = Button::new(icon(picture, 20.0, color)).frame_when_inactive(false);
    let response = button.ui(ui);
    let enabled = response.enabled();
    response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, name));
    response.on_hover_text(name)
}

/// The one button of a dialog that does what the dialog is for.
pub(crate) fn primary(ui: &mut Ui, name: &str, enabled: bool) -> Response {
    let palette = Palette::of(ui.ctx());
    let text = RichText::new(name).color(palette.on_accent).strong();
    filled(ui, Button::new(text).fill(palette.accent), enabled)
}

/// The same for what can't be undone.
pub(crate) fn destructive(ui: &mut Ui, name: &str, enabled: bool) -> Response {
    let palette = Palette::of(ui.ctx());
    let on = if ui.visuals().dark_mode {
        Color32::BLACK
    } else {
        Color32::WHITE
    };
    let text = RichText::new(name).color(on).strong();
    filled(ui, Button::new(text).fill(palette.bad), enabled)
}

/// On what is filled, only a ring at a distance shows that it has the focus.
fn filled(ui: &mut Ui, button: Button<'_>, enabled: bool) -> Response {
    let response = ui.add_enabled(enabled, button);
    if response.has_focus() {
        focus_ring(ui, response.rect, 2.0);
    }
    response
}

/// What lies on the page, over its whole width.
pub(crate) fn surface(ui: &mut Ui, add: impl FnOnce(&mut Ui)) {
    let palette = Palette::of(ui.ctx());
    egui::Frame::new()
        .fill(palette.surface)
        .stroke(Stroke::new(1.0, palette.line))
        .corner_radius(12.0)
        .inner_margin(16.0)
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            add(ui);
        });
}

/// Text of less weight.
pub(crate) fn quiet(ui: &mut Ui, text: impl Into<String>) -> Response {
    let color = Palette::of(ui.ctx()).quiet;
    ui.label(RichText::new(text).color(color))
}

/// Says what a thing is to a screen reader, besides its name.
pub(crate) fn describe(response: &Response, text: &str) {
    response.ctx.accesskit_node_builder(response.id, |node| {
        node.set_description(text);
    });
}

/// A progress that has no end in sight, and what it is about.
pub(crate) fn progress(ui: &mut Ui, what: &str) {
    ui.horizontal(|ui| {
        ui.add(egui::Spinner::new().size(16.0));
        live(ui, what);
    });
}

/// How long a name may be that a card gives itself, in characters.
const LONGEST_NAME: usize = 60;

/// A name that a card gives itself, as it may be shown: short, and nothing in it acts on the
/// text around it.
pub(crate) fn card_name(name: &str) -> String {
    let name = safe(name);
    match name.char_indices().nth(LONGEST_NAME) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.into_owned(),
    }
}

/// With a capital letter.
pub(crate) fn capital(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

/// With a capital letter, and a full stop.
pub(crate) fn sentence(text: &str) -> String {
    let text = capital(text);
    if text.ends_with(['.', '!', '?']) {
        text
    } else {
        text + "."
    }
}

/// Text of less weight that changes by itself: a screen reader says it when it does.
pub(crate) fn live(ui: &mut Ui, text: &str) {
    say(&quiet(ui, text));
}

/// Has a screen reader say this text as soon as it is there, and when it changes.
pub(crate) fn say(label: &Response) {
    label.ctx.accesskit_node_builder(label.id, |node| {
        node.set_live(egui::accesskit::Live::Polite);
    });
}

#[cfg(test)]
mod tests {
    use super::card_name;

    #[test]
    fn a_name_from_a_card_is_one_short_line() {
        assert_eq!(card_name("My card"), "My card");
        assert_eq!(
            card_name("PIV\ncard \u{202e}DCBA"),
            "PIV\\ncard \\u{202e}DCBA"
        );
        let long = card_name(&"é".repeat(4000));
        assert_eq!(long.chars().count(), 61);
        assert!(long.ends_with("é…"));
    }
}
