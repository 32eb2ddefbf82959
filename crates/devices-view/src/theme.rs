//! How the window looks: colours for light and dark, spacing, type sizes, icons.

use eframe::egui::{
    self, Color32, CornerRadius, FontFamily, FontId, Margin, Stroke, TextStyle, Theme,
    ThemePreference, Vec2, Visuals,
};

/// The unit of all spacing, in points.
pub(crate) const UNIT: f32 = 8.0;

/// The narrowest window that everything fits into, in points.
pub(crate) const NARROWEST: f32 = 480.0;

/// Colours that egui's own set has no name for.
#[derive(Clone, Copy)]
pub(crate) struct Palette {
    /// What can be pressed and is meant to be; focus.
    pub(crate) accent: Color32,
    /// Text on `accent`.
    pub(crate) on_accent: Color32,
    /// Locked; wrong; destructive.
    pub(crate) bad: Color32,
    /// To be seen to.
    pub(crate) warning: Color32,
    /// As it should be.
    pub(crate) good: Color32,
    /// Behind what lies on the page: tiles, dialogs.
    pub(crate) surface: Color32,
    /// The page.
    pub(crate) page: Color32,
    /// Lines between.
    pub(crate) line: Color32,
    /// Around what can be used; it keeps a contrast of 3 to 1 (WCAG 2.2, 1.4.11).
    pub(crate) outline: Color32,
    /// Text.
    pub(crate) text: Color32,
    /// Text of less weight; it keeps a contrast of 4.5 to 1 on `surface` and `page`.
    pub(crate) quiet: Color32,
}

const LIGHT: Palette = Palette {
    accent: Color32::from_rgb(0x1F, 0x5F, 0xBF),
    on_accent: Color32::WHITE,
    bad: Color32::from_rgb(0xB3, 0x26, 0x1E),
    warning: Color32::from_rgb(0x8A, 0x53, 0x00),
    good: Color32::from_rgb(0x1B, 0x6E, 0x3C),
    surface: Color32::WHITE,
    page: Color32::from_rgb(0xF3, 0xF5, 0xF8),
    line: Color32::from_rgb(0xD5, 0xDA, 0xE1),
    outline: Color32::from_rgb(0x86, 0x8F, 0x9C),
    text: Color32::from_rgb(0x1B, 0x20, 0x27),
    quiet: Color32::from_rgb(0x56, 0x5F, 0x6C),
};

const DARK: Palette = Palette {
    accent: Color32::from_rgb(0x6C, 0xA8, 0xF5),
    on_accent: Color32::from_rgb(0x0B, 0x1A, 0x2E),
    bad: Color32::from_rgb(0xF2, 0x8B, 0x82),
    warning: Color32::from_rgb(0xF2, 0xB8, 0x5B),
    good: Color32::from_rgb(0x7F, 0xD1, 0x9B),
    surface: Color32::from_rgb(0x23, 0x28, 0x30),
    page: Color32::from_rgb(0x18, 0x1C, 0x22),
    line: Color32::from_rgb(0x3A, 0x41, 0x4C),
    outline: Color32::from_rgb(0x74, 0x7E, 0x8D),
    text: Color32::from_rgb(0xEC, 0xEF, 0xF3),
    quiet: Color32::from_rgb(0xA9, 0xB2, 0xBF),
};

impl Palette {
    /// The colours that are in use.
    pub(crate) fn of(context: &egui::Context) -> Self {
        match context.theme() {
            Theme::Dark => DARK,
            Theme::Light => LIGHT,
        }
    }
}

/// Sets everything up, for both themes.
pub(crate) fn set_up(context: &egui::Context, preference: ThemePreference) {
    egui_material_icons::initialize(context);
    context.style_mut_of(Theme::Light, |style| apply(style, LIGHT, Visuals::light()));
    context.style_mut_of(Theme::Dark, |style| apply(style, DARK, Visuals::dark()));
    context.options_mut(|options| {
        options.theme_preference = preference;
        options.fallback_theme = Theme::Light;
    });
}

fn apply(style: &mut egui::Style, palette: Palette, mut visuals: Visuals) {
    let radius = CornerRadius::same(6);
    visuals.panel_fill = palette.page;
    visuals.window_fill = palette.surface;
    visuals.extreme_bg_color = palette.page;
    visuals.window_stroke = Stroke::new(1.0, palette.line);
    visuals.window_corner_radius = CornerRadius::same(12);
    visuals.menu_corner_radius = CornerRadius::same(8);
    visuals.override_text_color = None;
    visuals.weak_text_color = Some(palette.quiet);
    visuals.hyperlink_color = palette.accent;
    visuals.error_fg_color = palette.bad;
    visuals.warn_fg_color = palette.warning;
    // It would have the window drawn twice a second.
    visuals.text_cursor.blink = false;
    visuals.selection.bg_fill = palette.accent.gamma_multiply(0.35);
    visuals.selection.stroke = Stroke::new(2.0, palette.accent);
    let widgets = &mut visuals.widgets;
    for (state, line) in [
        (&mut widgets.noninteractive, Stroke::new(1.0, palette.line)),
        (&mut widgets.inactive, Stroke::new(1.0, palette.outline)),
        (&mut widgets.hovered, Stroke::new(1.0, palette.accent)),
        // What has the focus is drawn as active.
        (&mut widgets.active, Stroke::new(2.0, palette.accent)),
        (&mut widgets.open, Stroke::new(1.0, palette.accent)),
    ] {
        state.corner_radius = radius;
        state.bg_stroke = line;
        state.fg_stroke = Stroke::new(1.0, palette.text);
        state.bg_fill = palette.surface;
        state.weak_bg_fill = palette.surface;
        state.expansion = 0.0;
    }
    let hover = palette.accent.gamma_multiply(0.12);
    widgets.hovered.weak_bg_fill = hover;
    widgets.open.weak_bg_fill = hover;
    style.visuals = visuals;

    let sizes = [
        (TextStyle::Small, 12.5, FontFamily::Proportional),
        (TextStyle::Body, 14.5, FontFamily::Proportional),
        (TextStyle::Button, 14.5, FontFamily::Proportional),
        (TextStyle::Heading, 19.0, FontFamily::Proportional),
        (TextStyle::Monospace, 13.5, FontFamily::Monospace),
    ];
    for (name, size, family) in sizes {
        style.text_styles.insert(name, FontId::new(size, family));
    }
    style.spacing.item_spacing = Vec2::splat(UNIT);
    style.spacing.button_padding = Vec2::new(12.0, 6.0);
    style.spacing.interact_size = Vec2::new(40.0, 32.0);
    style.spacing.menu_margin = Margin::same(6);
    style.spacing.window_margin = Margin::same(20);
    style.spacing.icon_width = 18.0;
    style.spacing.combo_width = 160.0;
    style.spacing.tooltip_width = 320.0;
    style.spacing.scroll.floating_allocated_width = 10.0;
    style.interaction.selectable_labels = false;
    style.interaction.tooltip_delay = 0.3;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A harness for windows has set that already.
    #[test]
    fn the_caret_does_not_blink() {
        let context = egui::Context::default();
        set_up(&context, ThemePreference::Light);
        for theme in [Theme::Light, Theme::Dark] {
            let style = context.style_of(theme);
            assert!(!style.visuals.text_cursor.blink, "{theme:?}");
        }
    }
}
