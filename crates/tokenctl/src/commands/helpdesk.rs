//! `helpdesk`: the other end of challenge and response. Needs no token.

use std::io::Write as _;
use std::path::Path;

use crescendo_ext::aca::XauthChallenge;
use crescendo_ext::xauth::{XauthError, XauthKey};

use crate::cli::{HelpdeskCommand, NewKeyFileArgs, RespondArgs};
use zeroize::Zeroizing;

use crate::clipboard;
use crate::error::{Failure, Kind, Report, Result};
use crate::json;
use crate::output::{self, Output};
use crate::secret::key_file::{self, KeyFile, KeyFileError};
use crate::secret::{self, Descriptor, Secret};
use crate::text::{NAME, Text};

/// Digits of a 3DES key; no challenge has as many.
const TDES_KEY_DIGITS: usize = 48;

/// The shortest passphrase for a file, in characters: a choice of this
/// project. scrypt makes each guess slow, and length makes them many.
const MIN_PASSPHRASE: usize = 12;

/// Runs one of the commands under `helpdesk`.
pub(crate) fn run(command: &HelpdeskCommand, output: &Output) -> Result {
    match command {
        HelpdeskCommand::Respond(arguments) => respond(arguments, output),
        HelpdeskCommand::NewKeyFile(arguments) => new_key_file(arguments, output),
    }
}

/// Encrypts a challenge under the admin key, which is the response.
fn respond(arguments: &RespondArgs, output: &Output) -> Result {
    if arguments.key.is_some() {
        return Err(key_as_argument());
    }
    let challenge = match &arguments.challenge {
        Some(text) => challenge(text)?,
        None => challenge(&secret::visible_line(
            "Challenge",
            "Give the challenge as an argument: it is no secret",
        )?)?,
    };
    let wanted = challenge.algorithm();
    let key = if let Some(path) = &arguments.key_file {
        let failed = |error| file_failed(path, &error);
        let file = KeyFile::read(path).map_err(failed)?;
        let prompt = format!("Passphrase of {}", path.display());
        let passphrase = secret::secret(arguments.passphrase_fd, &prompt, "--passphrase-fd")?;
        file.open(&passphrase).map_err(failed)?
    } else {
        let prompt = format!("Admin key ({}, hexadecimal)", wanted.name());
        let digits = secret::text(arguments.key_fd, &prompt, "--key-fd")?;
        XauthKey::from_hex(&digits).map_err(not_a_key)?
    };
    warn_if_delivered(&key, output);
    let response = key.cryptogram(&challenge).map_err(|error| {
        let report = Report::new(Kind::NotSent, error.to_string());
        report.next("Is it the key of this token? A challenge of 16 digits is for 3DES, one of 32 for AES-128")
    })?;
    if let Some(seconds) = arguments.copy {
        // Without blanks or dashes: what it is pasted into may not take them.
        let digits = Zeroizing::new(crate::hex::encode(response.as_bytes()));
        let instead = "Leave --copy out, and the response is written to stdout";
        return clipboard::lend(&digits, "The response", seconds, instead, output);
    }
    if output.json {
        let body = json::HelpdeskRespond {
            algorithm: wanted.name(),
            challenge: crate::hex::encode(challenge.as_bytes()),
            response: crate::hex::encode(response.as_bytes()),
        };
        return Ok(output::document(&json::Document::new(body))?);
    }
    let mut out = output.stdout();
    writeln!(out, "{}", Text::styled(groups(response.as_bytes()), NAME))?;
    out.flush()?;
    Ok(())
}

/// Asks for a key and puts it into a file of its own.
fn new_key_file(arguments: &NewKeyFileArgs, output: &Output) -> Result {
    let path = &arguments.file;
    if path.symlink_metadata().is_ok() {
        return Err(file_failed(path, &KeyFileError::Exists));
    }
    let key = new_key(arguments.key_fd)?;
    warn_if_delivered(&key, output);
    let prompt = format!("Passphrase for {}", path.display());
    let passphrase = new_passphrase(arguments.passphrase_fd, &prompt)?;
    key_file::write(path, &key, &passphrase).map_err(|error| file_failed(path, &error))?;
    if output.json {
        let body = json::HelpdeskNewKeyFile {
            file: path.display().to_string(),
            algorithm: key.algorithm().name(),
        };
        return Ok(output::document(&json::Document::new(body))?);
    }
    output.remark(&Text::from(format!(
        "{} key written to {}. Without the passphrase it is lost: keep both, apart from each other.",
        key.algorithm().name(),
        path.display()
    )));
    Ok(())
}

/// The key to keep, typed twice where a person types it.
fn new_key(from: Option<Descriptor>) -> Result<XauthKey> {
    let rules = |typed: &[u8]| {
        let rule = "48 hexadecimal digits (3DES) or 32 (AES-128)";
        vec![(rule.to_owned(), key_of(typed).is_ok())]
    };
    let digits = secret::new_secret(from, "Admin key to keep", "--key-fd", &rules)?;
    Ok(key_of(&digits).map_err(not_a_key)?)
}

fn key_of(digits: &[u8]) -> std::result::Result<XauthKey, XauthError> {
    let text = std::str::from_utf8(digits).map_err(|_| XauthError::NotHexadecimal)?;
    XauthKey::from_hex(text)
}

fn not_a_key(error: XauthError) -> Report {
    let message = format!("what was given is no admin key: {error}");
    Report::new(Kind::NotSent, message)
}

fn new_passphrase(from: Option<Descriptor>, prompt: &str) -> Result<Secret> {
    let rules = |typed: &[u8]| {
        let rule = format!("at least {MIN_PASSPHRASE} characters");
        vec![(rule, secret::characters(typed) >= MIN_PASSPHRASE)]
    };
    secret::new_secret(from, prompt, "--passphrase-fd", &rules)
}

/// Reads a challenge as people write it: digits with blanks, dots, dashes or
/// colons in between.
fn challenge(text: &str) -> Result<XauthChallenge> {
    let is_between = |c: char| c.is_whitespace() || ".-:‐‑–—".contains(c);
    let digits: String = text.chars().filter(|c| !is_between(*c)).collect();
    let is_hex = digits.chars().all(|c| c.is_ascii_hexdigit());
    if is_hex && digits.len() == TDES_KEY_DIGITS {
        return Err(key_as_argument());
    }
    XauthChallenge::from_hex(&digits).map_err(|error| {
        let what = match error {
            XauthError::ChallengeLength { .. } => error.to_string(),
            _ => "a challenge is 16 or 32 hexadecimal digits; blanks, dots and dashes may stand between them".to_owned(),
        };
        Report::new(Kind::Usage, what).into()
    })
}

fn key_as_argument() -> Failure {
    Report::new(
        Kind::Usage,
        "an admin key was given on the command line, where other users and the shell's history can see it; it was not used",
    )
    .next("Give it at the prompt, with --key-fd N, or as --key-file FILE; and set a new key on the tokens that have this one")
    .into()
}

fn file_failed(path: &Path, error: &KeyFileError) -> Failure {
    let report = Report::new(Kind::Other, format!("{}: {error}", path.display()));
    match error {
        KeyFileError::Exists => report.next("Choose another name").into(),
        KeyFileError::NotAKeyFile => report
            .next("`tokenctl helpdesk new-key-file FILE` makes one")
            .into(),
        _ => report.into(),
    }
}

fn warn_if_delivered(key: &XauthKey, output: &Output) {
    if key.is_delivery_value() {
        output.warning("this is the key that every token is delivered with: it protects nothing");
    }
}

/// Groups of four digits, to be read out: as challenges and keys are written.
fn groups(bytes: &[u8]) -> String {
    let groups: Vec<String> = bytes.chunks(2).map(crate::hex::encode).collect();
    groups.join("-")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn challenges_are_read_as_people_write_them() {
        for text in [
            "0123456789ABCDEF",
            "0123 4567 89ab cdef",
            "0123-4567-89AB-CDEF",
            "01.23.45.67.89.AB.CD.EF",
            " 0123–4567–89AB–CDEF\n",
        ] {
            let read = challenge(text).unwrap();
            assert_eq!(read.as_bytes(), 0x0123_4567_89AB_CDEF_u64.to_be_bytes());
        }
        for wrong in ["", "0123", "0123456789ABCDEG", "0123456789ABCDEF0", "été"] {
            assert!(challenge(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn responses_are_read_out_in_groups() {
        assert_eq!(groups(&[0x01, 0x23, 0xAB, 0xCD]), "0123-ABCD");
    }
}
