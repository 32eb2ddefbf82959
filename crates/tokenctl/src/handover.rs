//! New secrets into the hands of the person, before a token has them: on a page
//! of the terminal that is cleared again, or in a file of the person's own.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{Args, ValueHint};
use crossterm::terminal::{Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{cursor, execute};
use token_manager::token_profile::RecoveryKind;
use token_manager::{RecoverySecret, Token, utc};
use zeroize::Zeroizing;

use crate::commands::puk;
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
    /// The same in the file, line by line.
    token_lines: Vec<String>,
    file: Option<File>,
    failure: Option<Failure>,
}

impl<'a> Hands<'a> {
    /// Refuses a file that exists, before anything is asked or sent.
    pub(crate) fn new(arguments: &'a HandOverArgs) -> Result<Self> {
        match &arguments.save {
            Some(path) if path.symlink_metadata().is_ok() => Err(exists(path).into()),
            _ => Ok(Hands {
                arguments,
                token: String::new(),
                token_lines: Vec::new(),
                file: None,
                failure: None,
            }),
        }
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
        let guid = identity.guid.as_ref().map(ToString::to_string);
        let named = [
            ("token", Some(identity.name.clone())),
            ("serial number", identity.serial.clone()),
            ("GUID when it was saved", guid),
            ("id when it was saved", identity.id()),
            ("reader", Some(token.reader.clone())),
        ];
        self.token_lines = named
            .into_iter()
            .filter_map(|(label, value)| Some(format!("# {label}: {}", safe(&value?))))
            .collect();
    }

    /// Hands a secret over; whether the person has taken it.
    pub(crate) fn take(&mut self, secret: &RecoverySecret) -> bool {
        let taken = match &self.arguments.save {
            Some(path) => self.save(secret, path),
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

    /// What stands above the secrets in the file: whoever finds several has to
    /// know which is which, and whether it holds.
    fn head(&self) -> String {
        let now = utc(SystemTime::now());
        let mut head = format!("# Secrets of a security token, saved by tokenctl at {now}\n");
        for line in &self.token_lines {
            head.push_str(line);
            head.push('\n');
        }
        head.push_str(
            "# They were saved before the token got them: they hold if the run ended well\n",
        );
        head
    }

    /// Adds a secret to the file, a line each, and sees it to the disk. Lines
    /// that begin with `#` say what it is, and of which token.
    fn save(&mut self, secret: &RecoverySecret, path: &Path) -> Result<bool> {
        let (kind, value) = (puk::kind(secret.kind()), secret.reveal());
        let mut line = Zeroizing::new(String::with_capacity(kind.len() + value.len() + 3));
        for part in [kind, ": ", value.as_str(), "\n"] {
            line.push_str(part);
        }
        let is_first = self.file.is_none();
        let written = (|| {
            let mut remarks = use_of(secret.kind()).to_owned();
            if is_first {
                self.file = Some(create(path)?);
                sync_directory(path)?;
                remarks = self.head() + &remarks;
            }
            if let Some(file) = &mut self.file {
                file.write_all(remarks.as_bytes())?;
                file.write_all(line.as_bytes())?;
                file.sync_all()?;
            }
            Ok(())
        })();
        written.map_err(|error: io::Error| {
            if error.kind() == io::ErrorKind::AlreadyExists {
                return exists(path);
            }
            // There is nothing in it, and it would be in the way of another run.
            if is_first && self.file.take().is_some() {
                let _ = std::fs::remove_file(path);
            }
            let message = format!("{} cannot be written: {error}", path.display());
            Report::new(Kind::Other, message).next("The token does not have the new secret")
        })?;
        if self.arguments.saved_is_taken {
            return Ok(true);
        }
        let question = format!(
            "The new {} is in {}, and the token gets it next. Have you got it?",
            secret.name(),
            path.display()
        );
        secret::confirm(&question, "--saved-is-taken")
    }
}

/// What a saved secret is for, as a remark above it.
fn use_of(kind: RecoveryKind) -> &'static str {
    match kind {
        RecoveryKind::Puk => "# The PUK, which unblocks the PIN: `tokenctl pin unblock`\n",
        RecoveryKind::XauthKey => {
            "# The admin key, which unblocks the PIN and can erase the token: `tokenctl pin unblock \
             --key`\n"
        }
        RecoveryKind::UnlockCode => {
            "# The unlock code, which unblocks the PIN: `tokenctl pin unblock --unlock-code`\n"
        }
    }
}

fn exists(path: &Path) -> Report {
    let message = format!("{} exists already and is not written over", path.display());
    Report::new(Kind::Usage, message).next("Name a file that does not exist yet")
}

/// A file that only its owner can read, and that was not there before.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A file's name is on the disk when its directory is.
#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "as on Unix")]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
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
