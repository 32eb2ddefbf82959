//! New secrets into the hands of the person, before a token has them: on a page
//! of the terminal that is cleared again, or in a file of the person's own.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Args, ValueHint};
use crossterm::terminal::{Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{cursor, execute};
use token_desktop::{SecretFile, SecretFileError};
use token_manager::{RecoverySecret, Token};

use crate::error::{Failure, Kind, Report, Result};
use crate::secret;
use crate::signal::{self, Restoring};
use crate::text::safe;

/// How new secrets are handed over.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct HandOverArgs {
    /// Save the new secrets in FILE, which must not exist yet, instead of showing them.
    #[arg(
        long,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        long_help = "Save the new secrets in FILE, which must not exist yet, instead of showing \
            them.\n\nEach is a line of its own: `puk: `, `admin-key: ` or `unlock-code: ` and its \
            value. Lines that begin with # name the token and the time."
    )]
    pub(crate) save: Option<PathBuf>,

    /// Take what is saved in FILE for taken over, without being asked.
    #[arg(long, requires = "save")]
    pub(crate) saved_is_taken: bool,
}

/// Hands secrets over, one after the other.
pub(crate) struct Hands<'a> {
    arguments: &'a HandOverArgs,
    /// Which token they are of, on the page.
    token: String,
    file: Option<SecretFile>,
    failure: Option<Failure>,
}

impl<'a> Hands<'a> {
    /// Refuses a file that exists, before anything is asked or sent.
    pub(crate) fn new(arguments: &'a HandOverArgs) -> Result<Self> {
        let file = arguments
            .save
            .as_ref()
            .map(|path| SecretFile::new(path, "tokenctl"))
            .transpose()
            .map_err(|error| not_saved(&error))?;
        Ok(Hands {
            arguments,
            token: String::new(),
            file,
            failure: None,
        })
    }

    /// Sees that there is a way to hand a new secret over, before anything is
    /// asked or sent.
    pub(crate) fn expecting(self) -> Result<Self> {
        if self.arguments.saved_is_taken || secret::is_terminal() {
            return Ok(self);
        }
        let message = "there is no terminal to show the new secret at";
        Err(Report::new(Kind::Usage, message)
            .next("Give --save FILE --saved-is-taken; nothing was sent to the token")
            .into())
    }

    /// Names the token on the page that shows its secrets, and in the file.
    pub(crate) fn name(&mut self, token: &Token) {
        let identity = &token.identity;
        self.token = match &identity.serial {
            Some(serial) => format!(" of {}, serial number {serial}", identity.name),
            None => format!(" of {} in {}", identity.name, token.reader),
        };
        if let Some(file) = &mut self.file {
            file.name(token);
        }
    }

    /// Hands a secret over; whether the person has taken it.
    pub(crate) fn take(&mut self, secret: &RecoverySecret) -> bool {
        let taken = match &mut self.file {
            Some(file) => save(file, secret, self.arguments.saved_is_taken),
            None => show(
                &format!("The new {}{}", secret.name(), self.token),
                &secret.reveal(),
                "The token gets it next. Is it written down?",
                "--save FILE",
            ),
        };
        match taken {
            Ok(taken) => taken,
            Err(failure) => {
                self.failure = Some(failure);
                false
            }
        }
    }

    /// Why it could not be handed over says more than that it was not taken.
    pub(crate) fn explain<T>(self, result: Result<T>) -> Result<T> {
        match (result, self.failure) {
            (Err(_), Some(failure)) => Err(failure),
            (result, _) => result,
        }
    }
}

/// Saves a secret in the file; whether the person has taken it.
fn save(file: &mut SecretFile, secret: &RecoverySecret, saved_is_taken: bool) -> Result<bool> {
    file.save(secret).map_err(|error| not_saved(&error))?;
    if saved_is_taken {
        return Ok(true);
    }
    let question = format!(
        "The new {} is in {}, and the token gets it next. Have you got it?",
        secret.name(),
        file.path().display()
    );
    secret::confirm(&question, "--saved-is-taken")
}

fn not_saved(error: &SecretFileError) -> Report {
    match error {
        SecretFileError::Exists { path } => {
            let message = format!("{} exists already and is not written over", path.display());
            Report::new(Kind::Usage, message).next("Name a file that does not exist yet")
        }
        other => Report::new(Kind::Other, other.to_string())
            .next("The token does not have the new secret"),
    }
}

/// Shows a secret at the terminal, and says whether the question under it was
/// answered with yes. The page is cleared then and is not in the scrollback.
pub(crate) fn show(name: &str, value: &str, question: &str, option: &str) -> Result<bool> {
    let page = Page::open(option)?;
    page.write(name, value).map_err(|error| {
        Report::new(Kind::Other, format!("the terminal cannot be used: {error}"))
    })?;
    secret::confirm(question, option)
}

/// The terminal's second screen, until this is dropped.
struct Page {
    out: File,
    /// Clears it as well if the process is asked to end meanwhile.
    _restoring: Restoring,
}

impl Page {
    fn open(option: &str) -> Result<Self> {
        let opened = terminal().and_then(|mut out| {
            let at_end = out.try_clone()?;
            let restoring = signal::restoring(move || clear(&at_end));
            execute!(
                out,
                EnterAlternateScreen,
                Clear(ClearType::All),
                cursor::MoveTo(0, 1)
            )?;
            Ok(Page {
                out,
                _restoring: restoring,
            })
        });
        match opened {
            Ok(page) => Ok(page),
            Err(_) => Err(
                Report::new(Kind::Usage, "there is no terminal to show it at")
                    .next(format!("Give {option}"))
                    .into(),
            ),
        }
    }

    /// In one piece, so that no copy is left in a buffer that grew.
    fn write(&self, name: &str, value: &str) -> io::Result<()> {
        let mut out = &self.out;
        write!(out, "  {}\r\n\r\n      ", safe(name))?;
        out.write_all(value.as_bytes())?;
        write!(out, "\r\n\r\n")?;
        out.flush()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        clear(&self.out);
    }
}

/// This screen has no scrollback; that of the other one is the person's.
fn clear(mut page: &File) {
    let _ = execute!(page, Clear(ClearType::All), LeaveAlternateScreen);
}

#[cfg(unix)]
fn terminal() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/tty")
}

#[cfg(windows)]
fn terminal() -> io::Result<File> {
    OpenOptions::new().write(true).open("CONOUT$")
}
