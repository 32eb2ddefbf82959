//! Light or dark as the desktop has it. macOS and Windows tell the window; on Linux the
//! desktop's portal is asked (org.freedesktop.appearance, color-scheme).

use eframe::egui;

#[cfg(not(target_os = "linux"))]
pub(crate) fn follow(_: &egui::Context) {}

/// Begins to follow the desktop. Where there is no portal it stays as it is.
#[cfg(target_os = "linux")]
pub(crate) fn follow(context: &egui::Context) {
    let context = context.clone();
    let wait = move || {
        if let Err(error) = portal::follow(&context) {
            tracing::info!(%error, "the desktop does not tell whether it is light or dark");
        }
    };
    if let Err(error) = std::thread::Builder::new()
        .name("appearance".into())
        .spawn(wait)
    {
        tracing::warn!(%error, "no thread that asks for the desktop's appearance");
    }
}

#[cfg(target_os = "linux")]
mod portal {
    use eframe::egui::{self, Theme};
    use zbus::MatchRule;
    use zbus::blocking::{Connection, MessageIterator};
    use zbus::message::Type;
    use zbus::zvariant::OwnedValue;

    const SERVICE: &str = "org.freedesktop.portal.Desktop";
    const PATH: &str = "/org/freedesktop/portal/desktop";
    const SETTINGS: &str = "org.freedesktop.portal.Settings";
    const WHAT: (&str, &str) = ("org.freedesktop.appearance", "color-scheme");

    pub(super) fn follow(context: &egui::Context) -> zbus::Result<()> {
        let bus = Connection::session()?;
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .interface(SETTINGS)?
            .member("SettingChanged")?
            .build();
        let changes = MessageIterator::for_match_rule(rule, &bus, None)?;
        let reply = bus.call_method(Some(SERVICE), PATH, Some(SETTINGS), "ReadOne", &WHAT)?;
        apply(context, &reply.body().deserialize()?);
        for change in changes {
            let change = change?;
            let body = change.body();
            let (space, key, value): (String, String, OwnedValue) = body.deserialize()?;
            if (space.as_str(), key.as_str()) == WHAT {
                apply(context, &value);
            }
        }
        Ok(())
    }

    /// 1 is dark, 2 is light, and 0 is no preference.
    fn apply(context: &egui::Context, value: &OwnedValue) {
        let theme = match u32::try_from(value) {
            Ok(1) => Theme::Dark,
            _ => Theme::Light,
        };
        context.options_mut(|options| options.fallback_theme = theme);
        context.request_repaint();
    }
}
