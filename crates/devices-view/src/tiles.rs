//! The page of all tokens: a tile each, with its menu.

use std::time::SystemTime;

use eframe::egui::{self, Align, Layout, RichText, Role, Ui, WidgetInfo};
use egui_material_icons::{MaterialIcon, icons};
use pcsc_transport::Interface;
use token_desktop::safe;
use token_manager::{Action, PinStatus, PolicyRule, Reason, Token};

use crate::devices::{Device, Devices, Trouble};
use crate::dialogs::parts;
use crate::theme::{Palette, UNIT};
use crate::widgets::{
    Notice, capital, describe, icon_button, notice, picture, primary, progress, quiet, remark,
    sentence, surface,
};

/// What a person has chosen to do with a token.
#[derive(Clone, Copy)]
pub(crate) enum Chosen {
    /// To see its content.
    Content,
    /// To do this.
    Action(Action),
    /// To enter its pairing code.
    PairingCode,
    /// To read it again.
    ReadAgain,
}

/// The ways to unblock the PIN.
const UNBLOCK: [Action; 2] = [Action::UnblockWithPuk, Action::UnblockWithChallengeResponse];

/// What stands in the menu, in this order, with its name there.
const MENU: &[(&[Action], &str)] = &[
    (&[Action::ChangePin], "Change PIN…"),
    (&UNBLOCK, "Unblock PIN…"),
    (&[Action::ViewPuk], "View PUK…"),
    (&[Action::RetrievePairingCode], "Retrieve pairing code…"),
    (&PolicyRule::ACTIONS, "Update PIN policies…"),
    (&[Action::ClearCache], "Clear cache"),
    (&[Action::Recycle], "Recycle device…"),
    (&[Action::Personalize], "Personalize…"),
];

/// Draws the page.
pub(crate) fn ui(ui: &mut Ui, devices: &Devices, is_virtual: bool) -> Option<(u64, Chosen)> {
    if devices.iter().next().is_none() {
        let (what, next) = match (devices.has_reader(), is_virtual) {
            (true, _) => (
                "No token",
                "Insert one, chip first, or lay it on the reader. It appears here by itself.",
            ),
            (false, true) => (
                "No software token",
                "Make one at a terminal, and it appears here by itself:\n\
                 tokenctl virtual create --profile crescendo-4000 my-token",
            ),
            (false, false) => (
                "No reader",
                "Plug in a card reader or a USB token. It appears here by itself. To try this \
                 program without hardware, start it with --virtual.",
            ),
        };
        empty(ui, icons::ICON_CREDIT_CARD, what, next);
        return None;
    }
    let mut chosen = None;
    let width = ui.available_width();
    let columns = if width < 700.0 { 1 } else { 2 };
    #[allow(clippy::cast_precision_loss, reason = "one or two")]
    let tile_width = (width - UNIT * (columns as f32 - 1.0)) / columns as f32;
    let all: Vec<_> = devices.iter().collect();
    for row in all.chunks(columns) {
        ui.horizontal_top(|ui| {
            for device in row {
                ui.allocate_ui(egui::vec2(tile_width, 0.0), |ui| {
                    ui.vertical(|ui| {
                        if let Some(choice) = tile(ui, device) {
                            chosen = Some((device.stay, choice));
                        }
                    });
                });
            }
        });
    }
    chosen
}

/// Draws what keeps readers from being seen. Whether to try again was pressed.
pub(crate) fn trouble(ui: &mut Ui, trouble: &Trouble) -> bool {
    let (what, next) = trouble_text(trouble);
    empty(ui, icons::ICON_ERROR, what, &next);
    // A service that is not there is waited for.
    let has_failed = matches!(trouble, Trouble::Failed(_));
    has_failed
        && ui
            .vertical_centered(|ui| ui.button("Try again").clicked())
            .inner
}

fn trouble_text(trouble: &Trouble) -> (&'static str, String) {
    match trouble {
        Trouble::NoService => (
            "The smart card service is not running",
            "Start it (on Linux: pcscd). This page goes on by itself as soon as it is there. To \
             try this program without it, start it with --virtual."
                .to_owned(),
        ),
        Trouble::Failed(error) => ("Readers can't be seen", sentence(&error.to_string())),
    }
}

fn empty(ui: &mut Ui, what_icon: MaterialIcon, what: &str, next: &str) {
    let palette = Palette::of(ui.ctx());
    ui.add_space(ui.available_height() * 0.25);
    ui.vertical_centered(|ui| {
        picture(ui, what_icon, 56.0, palette.quiet);
        ui.heading(what);
        ui.set_max_width(460.0);
        for line in next.lines() {
            let text = RichText::new(line).color(palette.quiet);
            let is_command = line.starts_with("tokenctl ");
            let text = if is_command { text.monospace() } else { text };
            ui.add(egui::Label::new(text).selectable(is_command));
        }
    });
}

fn tile(ui: &mut Ui, device: &Device) -> Option<Chosen> {
    let palette = Palette::of(ui.ctx());
    let mut chosen = None;
    surface(ui, |ui| {
        ui.horizontal_top(|ui| {
            picture(ui, face(device), 32.0, palette.accent);
            // The menu first: the texts get the width that it leaves.
            ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
                if let Some(action) = menu(ui, device) {
                    chosen = Some(Chosen::Action(action));
                }
                ui.with_layout(Layout::top_down(Align::Min), |ui| {
                    ui.spacing_mut().item_spacing.y = 2.0;
                    ui.label(RichText::new(device.name()).size(16.0).strong());
                    quiet(ui, place(device));
                });
            });
        });
        state(ui, device);
        if let Some(token) = device.token() {
            warnings(ui, token);
        }
        device.clearing.ui(ui);
        ui.horizontal_wrapped(|ui| {
            let name = format!("Content of {} in {}", device.name(), device.reader_name());
            let is_there = device.snapshot.is_some();
            let shows = ui.add_enabled(is_there, egui::Button::new("Content"));
            shows.widget_info(|| WidgetInfo::labeled(Role::Button, is_there, &name));
            if shows.clicked() {
                chosen = Some(Chosen::Content);
            }
            if let Some((action, name)) = device.token().and_then(remedy)
                && ui.button(name).clicked()
            {
                chosen = Some(Chosen::Action(action));
            }
            let wants_code = device.token().and_then(Token::wants_pairing_code).is_some();
            if wants_code && ui.button("Enter pairing code…").clicked() {
                chosen = Some(Chosen::PairingCode);
            }
            if let Some(action) = device.token().and_then(unfinished) {
                let name = format!("Resume {action}");
                let may = device
                    .token()
                    .is_some_and(|token| obstacle(token, action).is_none());
                if primary(ui, &name, may && !device.is_read).clicked() {
                    chosen = Some(Chosen::Action(action));
                }
            }
            if device.error.is_some() && ui.button("Read again").clicked() {
                chosen = Some(Chosen::ReadAgain);
            }
        });
    });
    chosen
}

fn face(device: &Device) -> MaterialIcon {
    match device.token().map(|token| token.interface) {
        Some(Interface::Contactless) => icons::ICON_CONTACTLESS,
        _ => icons::ICON_CREDIT_CARD,
    }
}

/// Family, interface, reader.
fn place(device: &Device) -> String {
    let Some(token) = device.token() else {
        return device.reader_name().into_owned();
    };
    let interface = match token.interface {
        Interface::Contact => "contact",
        Interface::Contactless => "contactless",
    };
    format!(
        "{} · {interface} · {}",
        token.identity.family,
        device.reader_name()
    )
}

/// The ID, or what keeps it from being shown.
fn state(ui: &mut Ui, device: &Device) {
    if doubt(ui, device) {
        return;
    }
    if let Some(id) = device.id() {
        let text = RichText::new(format!("ID {id}")).monospace();
        ui.label(text);
    } else {
        quiet(ui, "It has no ID: neither a GUID nor a serial number.");
    }
}

/// Says why what is shown of a token may not be how it is now, if there is a reason:
/// it is being read, or could not be.
pub(crate) fn doubt(ui: &mut Ui, device: &Device) -> bool {
    if let Some(error) = &device.error {
        let (what, next) = error.parts();
        let next = next.as_deref().map(sentence);
        notice(ui, Notice::Bad, &sentence(&what), next.as_deref());
    } else if device.is_read {
        let remembered = device.token().and_then(|token| token.remembered);
        let what =
            remembered.map(|it| format!("Being checked; {}", it.age_text(SystemTime::now())));
        ui.horizontal(|ui| {
            progress(ui, what.as_deref().unwrap_or("Reading…"));
            if ui.small_button("Cancel").clicked() {
                device.worker.cancel_reading();
            }
        });
    }
    device.error.is_some() || device.is_read
}

/// What the person should see to.
fn warnings(ui: &mut Ui, token: &Token) {
    if token.wants_pin_change() {
        let what = "The PIN has to be changed before the token is of use.";
        notice(ui, Notice::Warning, what, None);
    }
    parts::stands(ui, token);
    if let Some((_, why)) = token.wants_pairing_code() {
        remark(ui, Notice::Info, &why.to_string());
    }
    let mut others: Vec<_> = token.pin_warning().map(str::to_owned).into_iter().collect();
    others.extend(token.faults(SystemTime::now()));
    if !others.is_empty() {
        let text =
            RichText::new(capital(&safe(&others.join(", ")))).color(Palette::of(ui.ctx()).warning);
        ui.add(egui::Label::new(text).wrap());
    }
}

/// What makes a PIN of use again, with its button's name.
fn remedy(token: &Token) -> Option<(Action, &'static str)> {
    if token.wants_pin_change() {
        return Some((Action::ChangePin, "Change PIN now…"));
    }
    let is_blocked = token.pin.status == PinStatus::Blocked;
    let (unblock, obstacle) = best(token, &UNBLOCK);
    (is_blocked && obstacle.is_none()).then_some((unblock, "Unblock PIN now…"))
}

/// The action of several steps that did not come to its end.
fn unfinished(token: &Token) -> Option<Action> {
    let journal = token.unfinished.as_ref()?;
    let mut actions = [Action::Recycle, Action::Personalize].into_iter();
    actions.find(|action| action.id() == journal.action)
}

/// The menu of what can be done with the token.
fn menu(ui: &mut Ui, device: &Device) -> Option<Action> {
    let palette = Palette::of(ui.ctx());
    let name = format!("Menu of {} in {}", device.name(), device.reader_name());
    let button = icon_button(ui, icons::ICON_MORE_VERT, &name, palette.text);
    let mut chosen = None;
    egui::Popup::menu(&button).style(menu_style).show(|ui| {
        ui.set_min_width(220.0);
        let Some(token) = device.token() else {
            quiet(ui, "The token is being read.");
            return;
        };
        for (actions, name) in MENU {
            let (action, reason) = best(token, actions);
            let item = ui.add_enabled(reason.is_none(), egui::Button::new(*name));
            if let Some(reason) = reason {
                let why = match reason.lifted_by() {
                    Some(_) => format!("Not possible: {reason}. Allow it in Preferences."),
                    None => format!("Not possible: {reason}."),
                };
                describe(&item, &why);
                item.on_disabled_hover_text(why);
            } else if item.clicked() {
                chosen = Some(action);
                // Where the focus comes back to: the item is gone then.
                button.request_focus();
                ui.close();
            }
        }
    });
    chosen
}

/// As menus are, but that the item that has the focus shows it.
fn menu_style(style: &mut egui::Style) {
    let focus = style.visuals.widgets.active.bg_stroke;
    egui::containers::menu::menu_style(style);
    style.visuals.widgets.active.bg_stroke = focus;
}

/// The first of these that can be done, or why the first can't.
fn best(token: &Token, actions: &[Action]) -> (Action, Option<Reason>) {
    let can = actions.iter().find(|it| obstacle(token, **it).is_none());
    let action = can
        .or(actions.first())
        .copied()
        .unwrap_or(Action::ReadContent);
    (action, obstacle(token, action))
}

fn obstacle(token: &Token, action: Action) -> Option<Reason> {
    token.capabilities.get(action).obstacle()
}
