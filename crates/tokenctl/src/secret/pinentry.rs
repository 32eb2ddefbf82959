//! A client for pinentry, the dialog program of `GnuPG`, which shows a window
//! or draws on the terminal by itself.
//!
//! It speaks the Assuan protocol (the libassuan manual, "Client requests" and
//! "Server responses"): a line each way, `D` lines with percent-escaped data,
//! `OK` or `ERR code` at the end.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use zeroize::Zeroizing;

use super::buffer::{Buffer, Secret};
use crate::text::safe;

/// A line of the protocol has no more bytes than that, its end included.
const MAX_LINE: usize = 1000;

/// Errors of libgpg-error, in the lower 16 bits of the code.
const CANCELED: u32 = 99;
const NOT_CONFIRMED: u32 = 114;
const FULLY_CANCELED: u32 = 198;

/// Why pinentry gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum PinentryError {
    /// It could not be started.
    #[error("{0} could not be started: {1}")]
    NotStarted(String, io::Error),
    /// It went away, or could not be talked to.
    #[error("pinentry ended early: {0}")]
    Ended(io::Error),
    /// It said something that the protocol does not have.
    #[error("pinentry answered something that is not its protocol")]
    Protocol,
    /// What was typed is too long for any secret.
    #[error("what was typed is longer than any secret")]
    TooLong,
    /// It failed.
    #[error("pinentry failed with error {0}")]
    Failed(u32),
    /// The person pressed Cancel.
    #[error("cancelled")]
    Cancelled,
}

/// A pinentry that is running; ended when dropped.
pub(super) struct Pinentry {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl Pinentry {
    /// Starts `program` and tells it about the terminal.
    ///
    /// # Errors
    /// [`PinentryError`].
    pub(super) fn start(program: &Path) -> Result<Self, PinentryError> {
        let not_started = |error| PinentryError::NotStarted(program.display().to_string(), error);
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(not_started)?;
        let pipes = (child.stdin.take(), child.stdout.take());
        let (Some(input), Some(output)) = pipes else {
            return Err(not_started(io::ErrorKind::BrokenPipe.into()));
        };
        let mut pinentry = Pinentry {
            child,
            input,
            output,
        };
        pinentry.answer()?;
        if cfg!(unix) {
            // For those that draw on the terminal; its own name for itself,
            // since stdin may be a pipe.
            pinentry.option("ttyname", OsStr::new("/dev/tty"))?;
        }
        for (option, variable) in [("ttytype", "TERM"), ("lc-ctype", "LC_ALL")] {
            if let Some(value) = std::env::var_os(variable) {
                pinentry.option(option, &value)?;
            }
        }
        pinentry.request("SETTITLE", "tokenctl")?;
        Ok(pinentry)
    }

    /// Asks for a secret.
    ///
    /// # Errors
    /// [`PinentryError`].
    pub(super) fn secret(
        &mut self,
        description: &str,
        remark: Option<&str>,
    ) -> Result<Secret, PinentryError> {
        self.request("SETDESC", description)?;
        self.request("SETPROMPT", ">")?;
        if let Some(remark) = remark {
            self.request("SETERROR", remark)?;
        }
        self.request("GETPIN", "")
    }

    /// Asks a question; true if the answer was yes.
    ///
    /// # Errors
    /// [`PinentryError`].
    pub(super) fn confirm(&mut self, question: &str) -> Result<bool, PinentryError> {
        self.request("SETDESC", question)?;
        match self.request("CONFIRM", "") {
            Ok(_) => Ok(true),
            Err(PinentryError::Cancelled) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// An option that this pinentry may not know.
    fn option(&mut self, name: &str, value: &OsStr) -> Result<(), PinentryError> {
        let option = format!("{name}={}", value.to_string_lossy());
        match self.request("OPTION", &option) {
            Ok(_) | Err(PinentryError::Failed(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn request(&mut self, command: &str, argument: &str) -> Result<Secret, PinentryError> {
        let line = request_line(command, argument);
        self.input
            .write_all(line.as_bytes())
            .and_then(|()| self.input.flush())
            .map_err(PinentryError::Ended)?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Secret, PinentryError> {
        read_answer(&mut self.output)
    }
}

impl Drop for Pinentry {
    fn drop(&mut self) {
        // Fails only if it has ended already. Killed, so that one that hangs
        // keeps nobody waiting; it has given what it had.
        let _ = self.input.write_all(b"BYE\n");
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A line of the protocol. What is too long is cut: it is text for people.
fn request_line(command: &str, argument: &str) -> String {
    let mut line = command.to_owned();
    if !argument.is_empty() {
        line.push(' ');
    }
    for (index, part) in argument.split('\n').enumerate() {
        if index > 0 {
            line.push_str("%0A");
        }
        for character in safe(part).chars() {
            if line.len() > MAX_LINE - 8 {
                break;
            }
            match character {
                '%' => line.push_str("%25"),
                // At the end of a line it would have a meaning.
                '\\' => line.push_str("%5C"),
                other => line.push(other),
            }
        }
    }
    line.push('\n');
    line
}

/// Reads up to `OK`, and what data came before.
fn read_answer(from: &mut impl Read) -> Result<Secret, PinentryError> {
    let mut data = Buffer::new();
    loop {
        let line = read_line(from)?;
        let (word, rest) = match line.iter().position(|byte| *byte == b' ') {
            Some(blank) => (&line[..blank], &line[blank + 1..]),
            None => (line.as_slice(), &[][..]),
        };
        match word {
            b"OK" => return Ok(data.into_secret()),
            b"ERR" => return Err(error_of(rest)),
            b"D" => unescape(rest, &mut data)?,
            // Status, comments.
            [b'S'] | [b'#', ..] | [] => {}
            _ => return Err(PinentryError::Protocol),
        }
    }
}

fn error_of(rest: &[u8]) -> PinentryError {
    let digits = rest.split(|byte| !byte.is_ascii_digit()).next();
    let code = digits
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| digits.parse::<u32>().ok());
    match code {
        None => PinentryError::Protocol,
        Some(code) => match code & 0xFFFF {
            CANCELED | FULLY_CANCELED | NOT_CONFIRMED => PinentryError::Cancelled,
            _ => PinentryError::Failed(code),
        },
    }
}

/// A line without its end, in a buffer that does not move.
fn read_line(from: &mut impl Read) -> Result<Secret, PinentryError> {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_LINE));
    let mut byte = Zeroizing::new([0]);
    loop {
        match from.read(&mut *byte) {
            Ok(0) => return Err(PinentryError::Ended(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) if byte[0] == b'\n' => break,
            Ok(_) if line.len() == MAX_LINE => return Err(PinentryError::Protocol),
            Ok(_) => line.push(byte[0]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(PinentryError::Ended(error)),
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(line)
}

/// Appends data whose bytes may be written as `%` and two digits.
fn unescape(escaped: &[u8], to: &mut Buffer) -> Result<(), PinentryError> {
    let mut bytes = escaped.iter();
    while let Some(&byte) = bytes.next() {
        let byte = if byte == b'%' {
            let mut digit = || {
                let digit = bytes.next().and_then(|byte| char::from(*byte).to_digit(16));
                let digit = digit.and_then(|digit| u8::try_from(digit).ok());
                digit.ok_or(PinentryError::Protocol)
            };
            digit()? << 4 | digit()?
        } else {
            byte
        };
        if !to.push(byte) {
            return Err(PinentryError::TooLong);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn read(text: &str) -> Result<Vec<u8>, PinentryError> {
        read_answer(&mut text.as_bytes()).map(|secret| secret.to_vec())
    }

    #[test]
    fn requests_are_one_line() {
        assert_eq!(request_line("GETPIN", ""), "GETPIN\n");
        assert_eq!(
            request_line("SETDESC", "50% of\nit\\"),
            "SETDESC 50%25 of%0Ait%5C\n"
        );
        assert!(!request_line("SETDESC", "a\rb\x1bc").contains(['\r', '\x1b']));
        assert!(request_line("SETDESC", &"%".repeat(5000)).len() <= MAX_LINE);
    }

    #[test]
    fn data_is_unescaped_and_put_together() {
        assert_eq!(read("OK Pleased to meet you\n").unwrap(), b"");
        assert_eq!(
            read("S PROGRESS\n# comment\nD 12%25%0a\r\nD 34 5\nOK\n").unwrap(),
            b"12%\n34 5"
        );
    }

    #[test]
    fn errors_are_told_apart() {
        assert!(matches!(
            read("D 12\nERR 83886179 Operation cancelled <Pinentry>\n"),
            Err(PinentryError::Cancelled)
        ));
        assert!(matches!(
            read("ERR 83886194\n"),
            Err(PinentryError::Cancelled)
        ));
        assert!(matches!(
            read("ERR 83886355 Unknown\n"),
            Err(PinentryError::Failed(83_886_355))
        ));
        for wrong in [
            "ERR x\n",
            "ERR 99999999999999\n",
            "INQUIRE X\n",
            "D %4\nOK\n",
            "D %zz\nOK\n",
        ] {
            assert!(
                matches!(read(wrong), Err(PinentryError::Protocol)),
                "{wrong}"
            );
        }
        assert!(matches!(read("D 12"), Err(PinentryError::Ended(_))));
        let long = format!("D {}\nOK\n", "1".repeat(300));
        assert!(matches!(read(&long), Err(PinentryError::TooLong)));
        let endless = "1".repeat(5000);
        assert!(matches!(read(&endless), Err(PinentryError::Protocol)));
    }
}
