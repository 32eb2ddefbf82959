//! Light and dark.

use eframe::egui::{Color32, Shape, Theme, ThemePreference};
use virtual_token::MemoryBackend;

use crate::desk::Desk;

fn themed(theme: ThemePreference) -> Desk {
    let mut desk = Desk::configured(MemoryBackend::new(), |config| config.theme = theme);
    desk.sees("No software token");
    desk
}

/// What the page is painted with: the largest area of one colour.
fn page(desk: &mut Desk) -> Color32 {
    // One frame to take the theme in, one to draw with it.
    desk.window.step();
    desk.window.step();
    let shapes = desk.window.output().shapes.iter();
    let areas = shapes.filter_map(|shape| match &shape.shape {
        Shape::Rect(area) if area.fill != Color32::TRANSPARENT => Some((area.rect, area.fill)),
        _ => None,
    });
    let largest = areas.max_by(|(a, _), (b, _)| a.area().total_cmp(&b.area()));
    largest.unwrap().1
}

fn is_light(color: Color32) -> bool {
    color.intensity() > 0.5
}

#[test]
fn the_window_is_light_or_dark_as_it_is_told() {
    for (theme, light) in [
        (ThemePreference::Light, true),
        (ThemePreference::Dark, false),
    ] {
        let mut desk = themed(theme);
        assert_eq!(is_light(page(&mut desk)), light, "{theme:?}");
        // The system's has no say then.
        for system in [Theme::Dark, Theme::Light] {
            desk.window.input_mut().system_theme = Some(system);
            assert_eq!(is_light(page(&mut desk)), light, "{theme:?} on {system:?}");
        }
    }
}

#[test]
fn it_is_light_where_the_system_has_no_theme() {
    let mut desk = themed(ThemePreference::System);
    assert!(is_light(page(&mut desk)));
}

/// As on Windows and macOS, which tell the window.
#[test]
fn it_follows_the_system_while_it_runs() {
    let mut desk = themed(ThemePreference::System);
    for (system, light) in [
        (Theme::Dark, false),
        (Theme::Light, true),
        (Theme::Dark, false),
    ] {
        desk.window.input_mut().system_theme = Some(system);
        assert_eq!(is_light(page(&mut desk)), light, "{system:?}");
    }
}

/// As on Linux, where the desktop's portal is asked besides.
#[test]
fn it_follows_what_the_portal_says_while_it_runs() {
    let mut desk = themed(ThemePreference::System);
    for (portal, light) in [(Theme::Dark, false), (Theme::Light, true)] {
        desk.until("the theme", |desk| {
            // The real portal, where there is one, may speak in between.
            let context = &desk.window.ctx;
            context.options_mut(|options| options.fallback_theme = portal);
            is_light(page(desk)) == light
        });
    }
}
