//! A secret into the hands of the person: on a page of the terminal that is
//! cleared again.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};

use crate::error::{Kind, Report, Result};
use crate::secret;
use crate::text::safe;
use crossterm::terminal::{Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{cursor, execute};

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
struct Page(File);

impl Page {
    fn open(option: &str) -> Result<Self> {
        let opened = terminal().and_then(|mut out| {
            execute!(
                out,
                EnterAlternateScreen,
                Clear(ClearType::All),
                cursor::MoveTo(0, 1)
            )?;
            Ok(out)
        });
        match opened {
            Ok(out) => Ok(Page(out)),
            Err(_) => Err(
                Report::new(Kind::Usage, "there is no terminal to show it at")
                    .next(format!("Give {option}; nothing was sent to the token"))
                    .into(),
            ),
        }
    }

    /// In one piece, so that no copy is left in a buffer that grew.
    fn write(&self, name: &str, value: &str) -> io::Result<()> {
        let mut out = &self.0;
        write!(out, "  {}\r\n\r\n      ", safe(name))?;
        out.write_all(value.as_bytes())?;
        write!(out, "\r\n\r\n")?;
        out.flush()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = execute!(
            self.0,
            Clear(ClearType::All),
            Clear(ClearType::Purge),
            LeaveAlternateScreen
        );
    }
}

#[cfg(unix)]
fn terminal() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/tty")
}

#[cfg(windows)]
fn terminal() -> io::Result<File> {
    OpenOptions::new().write(true).open("CONOUT$")
}
