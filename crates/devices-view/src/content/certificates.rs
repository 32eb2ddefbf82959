//! The certificates on a token.

use std::time::SystemTime;

use eframe::egui::{RichText, Ui};
use token_desktop::safe;
use token_manager::{CertificateEntry, CertificateInfo, CertificateState, Token, date};

use super::export::Export;
use super::{code, field, section};
use crate::devices::Device;
use crate::theme::Palette;
use crate::widgets::{Notice, describe, notice, quiet, remark};

/// Draws them; what is to be exported, if that was chosen.
pub(super) fn ui(ui: &mut Ui, device: &Device, token: &Token, now: SystemTime) -> Option<Export> {
    let mut export = None;
    section(ui, "Certificates", |ui| {
        let there = |entry: &&CertificateEntry| {
            !matches!(
                entry.state,
                CertificateState::Absent | CertificateState::Empty
            )
        };
        let mut shown = token.certificates.iter().filter(there).peekable();
        if shown.peek().is_none() {
            quiet(ui, "There is no certificate on it.");
        }
        let mut is_first = true;
        for entry in shown {
            if !std::mem::take(&mut is_first) {
                ui.separator();
            }
            export = certificate(ui, device, entry, now).or(export.take());
        }
    });
    export
}

fn certificate(
    ui: &mut Ui,
    device: &Device,
    entry: &CertificateEntry,
    now: SystemTime,
) -> Option<Export> {
    let palette = Palette::of(ui.ctx());
    let place = match entry.slot {
        Some(slot) => format!("{:02X} {}", slot.get(), slot.name()),
        None => entry.tag.to_string(),
    };
    ui.label(RichText::new(&place).strong());
    match &entry.state {
        CertificateState::Present(info) => fields(ui, info, now),
        CertificateState::NotX509 { error, .. } => {
            let next = "Its bytes can be exported as they are.";
            let what = format!("It is not a certificate that can be read: {error}.");
            notice(ui, Notice::Warning, &what, Some(next));
        }
        CertificateState::NeedsContact => {
            quiet(ui, "Shown on a contact reader only.");
        }
        CertificateState::Unreadable(why) => {
            ui.label(RichText::new(safe(&why.to_string())).color(palette.warning));
        }
        _ => {}
    }
    let der = entry.der()?;
    let button = ui.button("Export…");
    describe(&button, &format!("Export the certificate {place}"));
    button
        .clicked()
        .then(|| Export::new(device, &place, der, ui.ctx()))
}

fn fields(ui: &mut Ui, info: &CertificateInfo, now: SystemTime) {
    for concern in info.concerns(now) {
        remark(ui, Notice::Warning, concern.sentence());
    }
    field(ui, "Subject", &info.subject);
    field(ui, "Issuer", &info.issuer);
    let (from, until) = (date(info.not_before), date(info.not_after));
    field(
        ui,
        "Validity",
        format!("{from} to {until} ({})", info.validity(now)),
    );
    let usage = |usages: &Vec<token_manager::KeyUsage>| {
        let names: Vec<_> = usages.iter().map(|usage| usage.name()).collect();
        names.join(", ")
    };
    let usage = info
        .key_usage
        .as_ref()
        .map_or("not limited".to_owned(), usage);
    field(ui, "Key usage", usage);
    if let Some(purposes) = &info.extended_key_usage {
        let name = |purpose: &token_manager::Purpose| {
            purpose.name().map_or_else(|| purpose.oid(), str::to_owned)
        };
        let names: Vec<_> = purposes.iter().map(name).collect();
        field(ui, "Purposes", names.join(", "));
    }
    field(ui, "Public key", info.public_key.to_string());
    field(ui, "Signed with", &info.signature_algorithm);
    code(ui, "Serial number", info.serial_hex());
    code(ui, "SHA-256", info.sha256_hex());
}
