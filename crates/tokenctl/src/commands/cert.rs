//! `cert`: the certificates of a token.

use std::io::{self, Write};
use std::time::SystemTime;

use pcsc_transport::{Card, Interface};
use piv_apdu::command::GetData;
use piv_apdu::key::KeyReference;
use piv_apdu::object::{CertificateObject, ObjectTag};
use piv_apdu::status::StatusWord;
use token_manager::{CertificateState, Freshness, LoadOptions, Reason, Session, Token, VciState};

use crate::certificate_file;
use crate::cli::{CertCommand, CertFormat, ExportArgs};
use crate::contactless::{self, SessionFor};
use crate::describe;
use crate::error::{Kind, Report, Result};
use crate::json;
use crate::manage;
use crate::memory::{self, FreshnessArgs};
use crate::output::{self, Output};
use crate::source::{self, Source};
use crate::table::Table;
use crate::text::{DIM, NAME, Text, WARNING};

/// Columns for a subject, which comes from the card.
const SUBJECT_COLUMNS: usize = 60;

/// Runs one of the commands under `cert`.
pub(crate) fn run(command: &CertCommand, source: &Source, output: &Output) -> Result {
    match command {
        CertCommand::List(freshness) => list(source, *freshness, output),
        CertCommand::Export(arguments) => export(arguments, source, output),
    }
}

fn list(source: &Source, freshness: FreshnessArgs, output: &Output) -> Result {
    let options = LoadOptions::new().with_freshness(freshness.or(Freshness::Checked));
    let token = source.load_one(&options, output)?;
    let now = SystemTime::now();
    if output.json {
        let body = json::CertList {
            token: source::token_name(&token),
            remembered: memory::json(&token, now),
            certificates: token
                .certificates
                .iter()
                .map(|entry| describe::certificate_slot(entry, now))
                .collect(),
        };
        return Ok(output::document(&json::Document::new(body))?);
    }
    output.detail(format!("{} commands to the card", token.round_trips));
    if let Some(age) = memory::age_text(&token, now) {
        output.remark(&Text::styled(format!("Content: {age}."), DIM));
    }
    let table = table(&token, now);
    if table.is_empty() {
        output.remark(&Text::styled("There is no certificate on this token.", DIM));
    }
    let mut out = output.stdout();
    table.write(&mut out)?;
    out.flush()?;
    Ok(())
}

fn table(token: &Token, now: SystemTime) -> Table {
    let mut table = Table::new(&["SLOT", "USE", "KEY", "VALIDITY", "SUBJECT"]);
    for entry in &token.certificates {
        let slot = Text::styled(entry.place(), NAME);
        let usage = entry
            .slot
            .map_or_else(|| entry.tag.name(), KeyReference::name);
        match &entry.state {
            CertificateState::Present(info) => table.row([
                slot,
                Text::from(usage),
                Text::from(info.public_key.to_string()),
                describe::validity(info, now),
                Text::from(&info.subject).shortened(SUBJECT_COLUMNS),
            ]),
            CertificateState::NotX509 { error, .. } => {
                table.row([slot, Text::from(usage), Text::absent(), unreadable(error)]);
            }
            CertificateState::Unreadable(why) => table.row([
                slot,
                Text::from(usage),
                Text::absent(),
                unreadable(&why.to_string()),
            ]),
            CertificateState::NeedsContact => table.row([
                slot,
                Text::from(usage),
                Text::absent(),
                Text::styled("on contact only", DIM),
            ]),
            // Empty or absent.
            _ => {}
        }
    }
    table
}

fn unreadable(why: &str) -> Text {
    Text::styled(format!("unreadable: {why}"), WARNING).shortened(SUBJECT_COLUMNS)
}

/// Reads the object of one slot and writes the certificate in it: SELECT and
/// one GET DATA, nothing else; but on a contactless reader what it takes to get at it.
fn export(arguments: &ExportArgs, source: &Source, output: &Output) -> Result {
    let key = KeyReference(arguments.slot);
    let slot = describe::slot(key);
    let Some(object) = key.certificate_object() else {
        let message = format!("slot {slot} has no certificate object in the PIV standard");
        return Err(Report::new(Kind::Usage, message).into());
    };
    let mut card = source.connect_one(output)?;
    let reader = card.info().reader.clone();
    let (der, round_trips) = if card.info().interface == Interface::Contact {
        (read(&mut card, key, object)?, card.round_trips())
    } else {
        drop(card);
        read_through_air(key, source, output)?
    };
    let pem = token_manager::certificate_pem(&der);
    let bytes = match arguments.format {
        CertFormat::Pem => pem.as_bytes(),
        CertFormat::Der => der.as_slice(),
    };
    let file = certificate_file::named(arguments.output.as_deref());
    if let Some(path) = file {
        certificate_file::write(path, bytes, arguments.force)?;
    }
    output.detail(format!("{round_trips} commands to the card"));
    if output.json {
        let inline = file.is_none();
        let is_pem = arguments.format == CertFormat::Pem;
        let body = json::CertExport {
            reader,
            slot,
            object: describe::tag(object),
            format: arguments.format.name(),
            size: bytes.len(),
            output: file.map(|path| path.display().to_string()),
            pem: (inline && is_pem).then(|| pem.clone()),
            der: (inline && !is_pem).then(|| crate::hex::encode(&der)),
        };
        return Ok(output::document(&json::Document::new(body))?);
    }
    if let Some(path) = file {
        output.remark(&Text::from(format!(
            "Certificate of slot {slot} written to {}",
            path.display()
        )));
    } else {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        stdout.flush()?;
    }
    Ok(())
}

/// The certificate of a slot of a token on a contactless reader, uncompressed DER, and
/// how many commands it took: the token is read as a whole, over the virtual contact
/// interface if that opens. Only a certificate that is not public asks for what that takes.
fn read_through_air(key: KeyReference, source: &Source, output: &Output) -> Result<(Vec<u8>, u64)> {
    let is_closed = |session: &Session| {
        let entry = session.token().certificate(key);
        entry.is_some_and(|entry| entry.state == CertificateState::NeedsContact)
    };
    let wanted = |session: &Session| is_closed(session).then_some(SessionFor::Acting);
    let session = manage::open_to_read(source, wanted, output)?;
    let token = session.token();
    if let Some(der) = token.certificate(key).and_then(|entry| entry.der()) {
        return Ok((der.to_vec(), session.round_trips()));
    }
    let report = match &token.vci {
        VciState::Closed(why) if is_closed(&session) => contactless::vci_failed(why),
        _ if is_closed(&session) => {
            let what = format!(
                "the certificate of slot {} is given {}",
                describe::slot(key),
                Reason::OnlyOnContact
            );
            Report::new(Kind::Unavailable, what).next("Use it on a contact reader")
        }
        _ => nothing(key),
    };
    Err(report.in_reader(&token.reader).into())
}

fn nothing(key: KeyReference) -> Report {
    let slot = describe::slot(key);
    let what = format!("there is no certificate in slot {slot} ({})", key.name());
    Report::new(Kind::Other, what).next("`tokenctl cert list` shows the slots that have one")
}

/// The certificate of a slot, uncompressed DER.
fn read(card: &mut Card, key: KeyReference, object: ObjectTag) -> Result<Vec<u8>> {
    let reader = card.info().reader.clone();
    let slot = describe::slot(key);
    let mut transaction = card
        .begin()
        .map_err(|error| source::transport_failed(&error, &reader))?;
    let selected = transaction
        .ensure_selected(piv_apdu::aid::PIV)
        .map_err(|error| source::transport_failed(&error, &reader))?;
    if let Some(answer) = selected.filter(|answer| !answer.status().is_success()) {
        let what = "the card is not a PIV token: it refused to select the PIV application";
        return Err(source::refused(what, answer.status(), &reader).into());
    }
    let nothing = || nothing(key).in_reader(&reader);
    let content = match transaction.send(&GetData::new(object)) {
        Ok(content) => content,
        Err(error) if source::status_of(&error) == Some(StatusWord::FILE_NOT_FOUND) => {
            return Err(nothing().into());
        }
        Err(error) => {
            let what = format!("the certificate of slot {slot} could not be read");
            return Err(source::send_failed(&error, &what, &reader).into());
        }
    };
    if content.is_empty() {
        return Err(nothing().into());
    }
    match CertificateObject::decode(&content) {
        Ok(object) if object.certificate.is_empty() => Err(nothing().into()),
        Ok(object) => Ok(object.certificate),
        Err(error) => Err(Report::new(
            Kind::Other,
            format!("what is in slot {slot} is not a certificate object: {error}"),
        )
        .in_reader(&reader)
        .into()),
    }
}
