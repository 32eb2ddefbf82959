//! All that is on a token besides certificates.

use eframe::egui::{CollapsingHeader, Ui};
use pcsc_transport::Interface;
use token_desktop::safe;
use token_manager::{FidoState, OathState, ObjectState, Token};

use super::{code, field, section};
use crate::theme::UNIT;
use crate::widgets::{focus_ring, quiet};

/// Who it is, and how its PIN stands. The ID only once it was held against the token.
pub(super) fn token(ui: &mut Ui, token: &Token, is_checked: bool) {
    let identity = &token.identity;
    section(ui, &identity.name, |ui| {
        match identity.id() {
            _ if !is_checked => {}
            Some(id) => code(ui, "ID", id),
            None => field(ui, "ID", "none"),
        }
        if let Some(serial) = &identity.serial {
            field(ui, "Serial number", serial);
        }
        if let Some(guid) = &identity.guid {
            code(ui, "GUID", guid.to_string());
        }
        field(ui, "Family", identity.family.to_string());
        if let Some(label) = &identity.application_label {
            field(ui, "Application", label);
        }
        if let Some(version) = &identity.applet_version {
            field(ui, "Applet version", version.to_string());
        }
        let interface = match token.interface {
            Interface::Contact => "contact",
            Interface::Contactless => "contactless",
        };
        field(ui, "Reader", format!("{} ({interface})", token.reader));
        if token.interface == Interface::Contactless {
            field(ui, "Secure session", token.vci.to_string());
        }
        field(ui, "PIN", token.pin.status.to_string());
        field(ui, "PIN takes", token.pin_policy.to_string());
    });
}

/// Private keys, by their places.
pub(super) fn keys(ui: &mut Ui, token: &Token) {
    section(ui, "Keys", |ui| {
        if token.keys.is_empty() {
            quiet(ui, "None is known of.");
        }
        for key in &token.keys {
            let algorithm = key.algorithm.map_or("unknown algorithm", |it| it.name());
            let place = format!("{:02X} {}", key.slot.get(), key.slot.name());
            field(ui, &place, format!("{algorithm}, {}", key.origin));
        }
    });
}

/// Data objects.
pub(super) fn objects(ui: &mut Ui, token: &Token) {
    section(ui, "Data objects", |ui| {
        let there = |state: &ObjectState| !matches!(state, ObjectState::Absent);
        for object in token.objects.iter().filter(|object| there(&object.state)) {
            let text = match &object.state {
                ObjectState::Present { size, .. } => format!("{size} bytes"),
                ObjectState::Empty => "empty".to_owned(),
                ObjectState::NeedsPin => "behind the PIN".to_owned(),
                ObjectState::NeedsContact => "on a contact reader only".to_owned(),
                ObjectState::Unreadable(why) => why.to_string(),
                _ => continue,
            };
            field(ui, &object.name, text);
        }
    });
}

/// The FIDO application, where one was looked for.
pub(super) fn fido(ui: &mut Ui, token: &Token) {
    let application = match &token.fido {
        FidoState::Present(application) => application,
        FidoState::Unreadable(why) => {
            return section(ui, "FIDO", |ui| {
                quiet(ui, safe(&why.to_string()));
            });
        }
        _ => return,
    };
    section(ui, "FIDO", |ui| {
        let info = &application.info;
        field(ui, "Versions", info.versions.join(", "));
        code(ui, "AAGUID", info.aaguid.to_string());
        field(ui, "FIDO PIN", application.pin.to_string());
        if let Some(left) = info.remaining_discoverable_credentials {
            field(ui, "Room for", format!("{left} more credentials"));
        }
    });
}

/// One-time-password slots, on a token that has them.
pub(super) fn one_time_passwords(ui: &mut Ui, token: &Token) {
    if token.oath_slots.is_empty() {
        return;
    }
    section(ui, "One-time passwords", |ui| {
        for slot in &token.oath_slots {
            let state = match &slot.state {
                OathState::Present => "there".to_owned(),
                OathState::Absent => "not there".to_owned(),
                OathState::Unreadable(why) => why.to_string(),
                _ => continue,
            };
            field(ui, &format!("Slot {}", slot.number), state);
        }
    });
}

/// What can be done with it, and why not where it can't.
pub(super) fn abilities(ui: &mut Ui, token: &Token) {
    let shown = CollapsingHeader::new("What can be done with it").show(ui, |ui| {
        for entry in &token.capabilities {
            field(ui, entry.action.name(), entry.capability.to_string());
        }
    });
    let header = shown.header_response;
    if header.has_focus() {
        focus_ring(ui, header.rect, 2.0);
    }
    // For the ring, which the end of the page would cut off.
    ui.add_space(UNIT);
}
