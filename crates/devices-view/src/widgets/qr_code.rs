//! A text as a QR code, for a telephone's camera.

use eframe::egui::{Color32, Rect, Role, Sense, Ui, Vec2, WidgetInfo};
use qrcodegen::{QrCode, QrCodeEcc};

/// Draws it, dark on light whatever the theme: cameras want it so. Nothing for a text that is
/// too long for one.
pub(crate) fn qr_code(ui: &mut Ui, text: &str, name: &str) {
    const MODULE: f32 = 4.0;
    const QUIET_ZONE: i32 = 4;

    let Ok(code) = QrCode::encode_text(text, QrCodeEcc::Medium) else {
        return;
    };
    let modules = code.size() + 2 * QUIET_ZONE;
    #[allow(clippy::cast_precision_loss, reason = "at most 185")]
    let side = |modules: i32| modules as f32 * MODULE;
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(side(modules)), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, name));
    let painter = ui.painter();
    painter.rect_filled(rect, 4.0, Color32::WHITE);
    for y in 0..code.size() {
        for x in (0..code.size()).filter(|x| code.get_module(*x, y)) {
            let at = rect.min + Vec2::new(side(x + QUIET_ZONE), side(y + QUIET_ZONE));
            painter.rect_filled(
                Rect::from_min_size(at, Vec2::splat(MODULE)),
                0.0,
                Color32::BLACK,
            );
        }
    }
}
