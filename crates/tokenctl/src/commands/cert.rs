//! `cert`: the certificates of a token.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

use pcsc_transport::{Card, Interface};
use piv_apdu::command::GetData;
use piv_apdu::key::KeyReference;
use piv_apdu::object::{CertificateObject, ObjectTag};
use piv_apdu::status::StatusWord;
use token_manager::{CertificateState, Freshness, LoadOptions, Reason, Token, VciState};

use crate::cli::{CertCommand, CertFormat, ExportArgs};
use crate::contactless;
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
        let slot = Text::styled(describe::place(entry), NAME);
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
    let pem = describe::pem(&der);
    let bytes = match arguments.format {
        CertFormat::Pem => pem.as_bytes(),
        CertFormat::Der => der.as_slice(),
    };
    // `-` is stdout, as everywhere.
    let file = arguments.output.as_deref();
    let file = file.filter(|path| *path != Path::new("-"));
    if let Some(path) = file {
        write_file(path, bytes, arguments.force)?;
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
/// interface if that opens.
fn read_through_air(key: KeyReference, source: &Source, output: &Output) -> Result<(Vec<u8>, u64)> {
    let session = manage::open_to_read(source, output)?;
    let token = session.token();
    let entry = token.certificate(key);
    if let Some(der) = entry.and_then(|entry| entry.der()) {
        return Ok((der.to_vec(), session.round_trips()));
    }
    let is_closed = entry.is_some_and(|entry| entry.state == CertificateState::NeedsContact);
    let report = match &token.vci {
        VciState::Closed(why) if is_closed => contactless::vci_failed(why),
        _ if is_closed => {
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

/// Writes a file as a whole or not at all; an existing one only if `force`. A
/// device or a pipe is written to: a file moved there would take its place.
fn write_file(path: &Path, bytes: &[u8], force: bool) -> Result {
    let failed = |error: &io::Error| {
        let text = error.to_string();
        // Without the name of the temporary file, which says nothing.
        let why = text.split(" at path ").next().unwrap_or(&text);
        Report::new(
            Kind::Other,
            format!("{} could not be written: {why}", path.display()),
        )
    };
    if let Ok(there) = path.metadata()
        && !there.is_file()
    {
        let mut file = File::options()
            .write(true)
            .open(path)
            .map_err(|error| failed(&error))?;
        return Ok(file.write_all(bytes).map_err(|error| failed(&error))?);
    }
    // What a symbolic link leads to is replaced, not the link.
    let real = if force {
        path.canonicalize().ok()
    } else {
        None
    };
    let path = real.as_deref().unwrap_or(path);
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tokenctl-");
    // A certificate is public: the file is made as any other, whereas a
    // temporary one is its owner's alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder
        .tempfile_in(directory)
        .map_err(|error| failed(&error))?;
    file.write_all(bytes)
        .and_then(|()| file.as_file().sync_all())
        .map_err(|error| failed(&error))?;
    let moved = if force {
        file.persist(path)
    } else {
        file.persist_noclobber(path)
    };
    match moved {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(Report::new(
            Kind::Other,
            format!("{} exists already, and was left as it is", path.display()),
        )
        .next("Choose another name, or give --force to replace it")
        .into()),
        Err(error) => Err(failed(&error.error).into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_file_is_not_replaced_unless_forced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("certificate.pem");
        write_file(&path, b"one", false).unwrap();
        assert!(write_file(&path, b"two", false).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        write_file(&path, b"two", true).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        let left = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(left, 1, "no temporary file stays behind");
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("no").join("certificate.pem");
        let message = write_file(&path, b"one", false).unwrap_err().to_string();
        assert!(!message.contains(".tokenctl-"), "{message}");
        assert!(write_file(directory.path(), b"one", true).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_and_a_pipe_is_written_to() {
        use std::os::unix::fs::{FileTypeExt as _, symlink};

        let directory = tempfile::tempdir().unwrap();
        let [file, link, pipe] = ["file", "link", "pipe"].map(|name| directory.path().join(name));
        std::fs::write(&file, b"one").unwrap();
        symlink(&file, &link).unwrap();
        write_file(&link, b"two", true).unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(std::fs::read(&file).unwrap(), b"two");

        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let reader = {
            let pipe = pipe.clone();
            std::thread::spawn(move || std::fs::read(pipe).unwrap())
        };
        write_file(&pipe, b"three", true).unwrap();
        assert!(pipe.metadata().unwrap().file_type().is_fifo());
        assert_eq!(reader.join().unwrap(), b"three");
    }
}
