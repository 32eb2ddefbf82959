//! `show`: everything that is on a token.

use std::io::{self, Write};
use std::time::SystemTime;

use pcsc_transport::Interface;
use token_manager::{
    AlgorithmSource, Alphabet, Capability, CertificateInfo, CertificateState, FidoState, Freshness,
    KeyOrigin, LoadOptions, OathState, ObjectState, Token, TokenFamily,
};

use crate::cli::ShowArgs;
use crate::describe;
use crate::error::Result;
use crate::json;
use crate::manage;
use crate::memory;
use crate::objects;
use crate::output::{self, Fields, Output, heading, paragraph};
use crate::source::Source;
use crate::table::Table;
use crate::text::{BOLD, DIM, GOOD, NAME, Text, WARNING};

/// Where values begin, so that all sections are in line.
const LABEL: usize = 15;

/// Loads the token that is meant and shows it.
pub(crate) fn run(source: &Source, arguments: &ShowArgs, output: &Output) -> Result {
    let all = arguments.all;
    let options = LoadOptions::new()
        .with_all(all)
        .with_freshness(arguments.freshness.or(Freshness::Checked));
    let mut token = source.load_one(&options, output)?;
    manage::complete(source, &mut token, output);
    let now = SystemTime::now();
    if output.json {
        let token = describe::token(&token, now);
        output::document(&json::Document::new(json::Show { token }))?;
    } else {
        let mut out = output.stdout();
        let view = View {
            token: &token,
            now,
            all,
        };
        view.write(&mut out)?;
        out.flush()?;
    }
    output.detail(format!("{} commands to the card", token.round_trips));
    Ok(())
}

/// What is shown, section by section.
struct View<'a> {
    token: &'a Token,
    now: SystemTime,
    all: bool,
}

impl View<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.identity(out)?;
        self.pin(out)?;
        self.keys(out)?;
        self.certificates(out)?;
        self.objects(out)?;
        self.oath_slots(out)?;
        self.fido(out)?;
        self.capabilities(out)?;
        self.problems(out)
    }

    fn identity(&self, out: &mut dyn Write) -> io::Result<()> {
        let token = self.token;
        let identity = &token.identity;
        writeln!(out, "{}", Text::styled(&identity.name, BOLD))?;
        let mut fields = Fields::new();
        fields.add_some("Id", identity.id().map(|id| Text::styled(id, NAME)));
        fields.add_some("Serial number", identity.serial.as_ref());
        fields.add_some("GUID", identity.guid.as_ref().map(ToString::to_string));
        fields.add("Family", family(token));
        fields.add_some("Application", identity.application_label.as_ref());
        fields.add_some(
            "Applet version",
            identity.applet_version.as_ref().map(ToString::to_string),
        );
        fields.add(
            "Reader",
            Text::from(&token.reader)
                .then(format!(" ({})", describe::interface(token.interface)), DIM),
        );
        if token.interface == Interface::Contactless {
            fields.add("Secure session", describe::vci_text(&token.vci));
        }
        fields.add(
            "ATR",
            Text::styled(crate::hex::spaced(token.atr.as_bytes()), DIM),
        );
        let age = memory::age_text(token, self.now);
        fields.add_some("Content", age.map(|age| Text::styled(age, DIM)));
        fields.add_some(
            "Unfinished",
            token.unfinished.as_ref().map(|journal| {
                let text = format!(
                    "{}. Start it again, and it goes on from there",
                    journal.sentence()
                );
                Text::styled(text, WARNING)
            }),
        );
        fields.write(out, 2, LABEL)
    }

    fn pin(&self, out: &mut dyn Write) -> io::Result<()> {
        heading(out, "PIN")?;
        let policy = &self.token.pin_policy;
        let mut fields = Fields::new();
        let status = &self.token.pin.status;
        match describe::shared_fido_side(self.token) {
            Some(fido) => {
                fields.add("State", describe::shared_pin_text(status));
                fields.add("For FIDO", describe::fido_pin_text(fido, Some(true)));
            }
            None => fields.add("State", describe::pin_text(status)),
        }
        if self.token.wants_pin_change() {
            let text = "the PIN has to be changed: `tokenctl pin change`";
            fields.add("Wanted", Text::styled(text, WARNING));
        }
        let length = if policy.minimum == policy.maximum {
            policy.minimum.to_string()
        } else {
            format!("{} to {}", policy.minimum, policy.maximum)
        };
        let characters = match policy.alphabet {
            Alphabet::Digits => "digits",
            _ => "characters of any kind",
        };
        let mut source = policy.decided_by.name().to_owned();
        if let Some(evidence) = policy.evidence {
            source = format!("{source}; evidence: {}", evidence.name());
        }
        fields.add(
            "Takes",
            Text::from(format!("{length} {characters}")).then(format!(" ({source})"), DIM),
        );
        for note in &policy.notes {
            fields.add("Note", Text::styled(note.to_string(), DIM));
        }
        fields.write(out, 2, LABEL)
    }

    fn keys(&self, out: &mut dyn Write) -> io::Result<()> {
        heading(out, "Keys")?;
        let mut table = Table::new(&["SLOT", "USE", "ALGORITHM", "ORIGIN"]).indented(2);
        for key in &self.token.keys {
            let algorithm = match key.algorithm {
                None => Text::absent(),
                Some(algorithm) if key.algorithm_source == AlgorithmSource::Certificate => {
                    Text::from(algorithm.name()).then(" (by certificate)", DIM)
                }
                Some(algorithm) => Text::from(algorithm.name()),
            };
            let origin = match key.origin {
                KeyOrigin::Allocated => Text::styled("no key", DIM),
                KeyOrigin::Unknown => Text::styled("unknown", DIM),
                other => Text::from(other.to_string()),
            };
            table.row([
                Text::styled(describe::slot(key.slot), NAME),
                Text::from(key.slot.name()),
                algorithm,
                origin,
            ]);
        }
        if table.is_empty() {
            return none(
                out,
                "None known; the card has no certificate that tells of one",
            );
        }
        table.write(out)
    }

    fn certificates(&self, out: &mut dyn Write) -> io::Result<()> {
        heading(out, "Certificates")?;
        let mut empty = Vec::new();
        let mut any = false;
        for entry in &self.token.certificates {
            if entry.der().is_some() && any {
                writeln!(out)?;
            }
            let place = entry.place();
            let name = entry.tag.name();
            let name = name.strip_prefix("X.509 certificate for ").unwrap_or(name);
            let title = Text::from("  ")
                .then(&place, NAME)
                .plain(format!("  {name}"));
            match &entry.state {
                CertificateState::Present(info) => {
                    writeln!(out, "{title}")?;
                    self.certificate(out, info)?;
                }
                CertificateState::Empty | CertificateState::Absent => {
                    empty.push(place);
                    continue;
                }
                CertificateState::NeedsContact => {
                    writeln!(out, "{}", title.then("  on contact only, not read", DIM))?;
                }
                CertificateState::NotX509 { error, der } => {
                    writeln!(out, "{title}")?;
                    let what = format!("no X.509 certificate: {error} ({} bytes)", der.len());
                    writeln!(out, "      {}", Text::styled(what, WARNING))?;
                }
                CertificateState::Unreadable(why) => {
                    writeln!(out, "{title}")?;
                    let what = format!("unreadable: {why}");
                    writeln!(out, "      {}", Text::styled(what, WARNING))?;
                }
                _ => {}
            }
            any = true;
        }
        if !empty.is_empty() {
            let word = if any { "None in" } else { "None; empty are" };
            let line = format!("{word} {}", empty.join(", "));
            paragraph(out, &Text::from("  "), &Text::styled(line, DIM))?;
        } else if !any {
            none(out, "None")?;
        }
        Ok(())
    }

    fn certificate(&self, out: &mut dyn Write, info: &CertificateInfo) -> io::Result<()> {
        let mut fields = Fields::new();
        fields.add("Subject", or_empty(&info.subject));
        if info.self_issued {
            fields.add("Issuer", Text::styled("the same (self-issued)", DIM));
        } else {
            fields.add("Issuer", or_empty(&info.issuer));
        }
        fields.add("Validity", describe::validity(info, self.now));
        fields.add(
            "Public key",
            Text::from(info.public_key.to_string())
                .then(format!(", signed with {}", info.signature_algorithm), DIM),
        );
        fields.add_some(
            "Key usage",
            info.key_usage
                .as_ref()
                .map(|usages| join(usages.iter().map(|usage| usage.name().to_owned()))),
        );
        fields.add_some(
            "Extended usage",
            info.extended_key_usage
                .as_ref()
                .map(|purposes| join(purposes.iter().map(ToString::to_string))),
        );
        fields.add("Serial number", info.serial_hex());
        fields.add("SHA-256", Text::styled(info.sha256_hex(), DIM));
        if info.compressed {
            fields.add("Stored", Text::styled("compressed (gzip)", DIM));
        }
        fields.write(out, 6, LABEL)
    }

    fn objects(&self, out: &mut dyn Write) -> io::Result<()> {
        heading(out, "Data objects")?;
        let mut absent = Vec::new();
        for entry in &self.token.objects {
            let tag = describe::tag(entry.tag);
            let title = Text::from("  ")
                .then(format!("{tag:<6}"), NAME)
                .plain(format!("  {}", entry.name));
            match &entry.state {
                ObjectState::Present { value, size } => {
                    writeln!(out, "{}", title.then(format!("  {size} bytes"), DIM))?;
                    objects::fields(value, self.now).write(out, 10, LABEL)?;
                }
                ObjectState::Empty => writeln!(out, "{}", title.then("  empty", DIM))?,
                ObjectState::NeedsPin => {
                    writeln!(out, "{}", title.then("  needs the PIN, not read", DIM))?;
                }
                ObjectState::NeedsContact => {
                    writeln!(out, "{}", title.then("  on contact only, not read", DIM))?;
                }
                ObjectState::Absent => absent.push(entry.name.as_str()),
                ObjectState::Unreadable(why) => writeln!(
                    out,
                    "{}",
                    title.then(format!("  unreadable: {why}"), WARNING)
                )?,
                _ => {}
            }
        }
        if self.token.objects.is_empty() {
            none(out, "None")?;
        }
        if !absent.is_empty() {
            let line = format!("Not on this token: {}", absent.join(", "));
            paragraph(out, &Text::from("  "), &Text::styled(line, DIM))?;
        }
        Ok(())
    }

    fn oath_slots(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.token.oath_slots.is_empty() {
            return Ok(());
        }
        heading(out, "One-time passwords (OATH)")?;
        let mut table = Table::new(&["SLOT", "STATE", "AID"]).indented(2);
        for slot in &self.token.oath_slots {
            let state = match &slot.state {
                OathState::Present => Text::from("present"),
                OathState::Absent => Text::styled("absent", DIM),
                OathState::Unreadable(why) => Text::styled(format!("unreadable: {why}"), WARNING),
                _ => Text::absent(),
            };
            table.row([
                Text::styled(slot.number.to_string(), NAME),
                state,
                Text::styled(crate::hex::encode(&slot.aid), DIM),
            ]);
        }
        table.write(out)
    }

    fn fido(&self, out: &mut dyn Write) -> io::Result<()> {
        let application = match &self.token.fido {
            FidoState::Present(application) => application,
            FidoState::Unreadable(why) => {
                heading(out, "FIDO")?;
                let line = Text::styled(format!("unreadable: {why}"), WARNING);
                return paragraph(out, &Text::from("  "), &line);
            }
            _ => return Ok(()),
        };
        heading(out, "FIDO")?;
        let info = &application.info;
        let mut fields = Fields::new();
        fields.add("Versions", join(info.versions.iter().cloned()));
        fields.add("AAGUID", Text::styled(info.aaguid.to_string(), DIM));
        describe::fido_pin_fields(&mut fields, "PIN", self.token);
        fields.add_some(
            "Room for",
            application
                .room()
                .map(|count| format!("{count} more credentials")),
        );
        fields.write(out, 2, LABEL)
    }

    /// Actions by answer and reason, so that 25 actions stay a few lines;
    /// with `--all` each on its own line, with its evidence.
    fn capabilities(&self, out: &mut dyn Write) -> io::Result<()> {
        heading(out, "What can be done")?;
        if self.all {
            return self.every_capability(out);
        }
        let mut groups: Vec<(Capability, Vec<&str>)> = Vec::new();
        for entry in &self.token.capabilities {
            let name = entry.action.name();
            match groups.iter_mut().find(|(key, _)| *key == entry.capability) {
                Some((_, names)) => names.push(name),
                None => groups.push((entry.capability, vec![name])),
            }
        }
        groups.sort_by_key(|(capability, _)| order(*capability));
        for (capability, names) in groups {
            let answer = answer(capability);
            let padding = " ".repeat(9 - answer.width());
            let first = Text::from("  ").and(answer).plain(padding);
            let mut what = Text::from(names.join(", "));
            if let Some(reason) = capability.reason() {
                what = what.then(format!(": {}", reason.sentence()), DIM);
            }
            paragraph(out, &first, &what)?;
        }
        Ok(())
    }

    fn every_capability(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new(&["ACTION", "HERE", "TOKEN", "EVIDENCE", "REASON"]).indented(2);
        for entry in &self.token.capabilities {
            let reason = entry.token.reason().or(entry.capability.reason());
            table.row([
                Text::from(entry.action.name()),
                answer(entry.capability),
                answer(entry.token),
                Text::styled(entry.evidence.map_or("", |evidence| evidence.name()), DIM),
                Text::styled(reason.map_or("", token_manager::Reason::sentence), DIM),
            ]);
        }
        table.write(out)?;
        none(
            out,
            "HERE: this program can do it. TOKEN: the token could, whatever this program can.",
        )
    }

    fn problems(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.token.problems.is_empty() {
            return Ok(());
        }
        heading(out, "Could not be read")?;
        for problem in &self.token.problems {
            writeln!(out, "  {}", Text::styled(problem.to_string(), WARNING))?;
        }
        Ok(())
    }
}

/// The family, and whether it is a FIPS model.
fn family(token: &Token) -> String {
    match &token.identity.family {
        TokenFamily::Crescendo(identity) if identity.is_fips() => {
            format!("{}, FIPS", token.identity.family)
        }
        family => family.to_string(),
    }
}

/// The answer, in one word.
fn answer(capability: Capability) -> Text {
    match capability {
        Capability::Available => Text::styled("yes", GOOD),
        Capability::Unavailable(_) => Text::styled("no", DIM),
        Capability::Unknown(_) => Text::styled("unknown", WARNING),
    }
}

/// Yes first, then unknown, then no.
fn order(capability: Capability) -> u8 {
    match capability {
        Capability::Available => 0,
        Capability::Unknown(_) => 1,
        Capability::Unavailable(_) => 2,
    }
}

fn none(out: &mut dyn Write, text: &str) -> io::Result<()> {
    paragraph(out, &Text::from("  "), &Text::styled(text, DIM))
}

fn or_empty(name: &str) -> Text {
    if name.is_empty() {
        Text::styled("(empty)", DIM)
    } else {
        Text::from(name)
    }
}

fn join(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}
