//! The controlling terminal, through termios.
//!
//! Read byte by byte and by ourselves: a library for terminal events keeps
//! what was typed in buffers that it never wipes.

use std::fs::File;
use std::io::{self, Read as _, Write as _};

use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use zeroize::Zeroizing;

use super::{Dialog, Key, USUAL_COLUMNS};
use crate::signal::{self, Restoring};

/// The controlling terminal, which shows nothing that is typed while this
/// lives. Dropping it puts the terminal back as it was.
pub(in super::super) struct Terminal {
    file: File,
    before: Termios,
    /// Puts it back as well if the process is asked to end meanwhile.
    _restoring: Restoring,
    /// What an escape sequence has come to.
    escape: Escape,
}

/// How much of an escape sequence was read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    /// The escape itself.
    Begun,
    /// Its introducer, too: parameters follow, and a final byte.
    Inside,
}

impl Terminal {
    /// Whether there is one.
    pub(in super::super) fn is_there() -> bool {
        open().is_ok()
    }

    /// Opens it and turns its echo off. What was typed before is thrown away:
    /// it was not meant for this.
    ///
    /// # Errors
    /// There is none, or it cannot be set up.
    pub(in super::super) fn hidden() -> io::Result<Self> {
        let file = open()?;
        let before = tcgetattr(&file)?;
        let mut hidden = before.clone();
        // Keys one by one, and Ctrl-C as a key, so that the terminal is put
        // back before the program ends.
        hidden.local_modes -=
            LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN;
        hidden.input_modes -= InputModes::IXON;
        hidden.special_codes[SpecialCodeIndex::VMIN] = 1;
        hidden.special_codes[SpecialCodeIndex::VTIME] = 0;
        let at_end = (file.try_clone()?, before.clone());
        let restoring = signal::restoring(move || {
            let (file, before) = &at_end;
            let _ = tcsetattr(file, OptionalActions::Flush, before);
        });
        tcsetattr(&file, OptionalActions::Flush, &hidden)?;
        Ok(Terminal {
            file,
            before,
            _restoring: restoring,
            escape: Escape::None,
        })
    }

    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = Zeroizing::new([0]);
        self.file.read_exact(&mut *byte)?;
        Ok(byte[0])
    }
}

fn open() -> io::Result<File> {
    File::options().read(true).write(true).open("/dev/tty")
}

impl Dialog for Terminal {
    fn key(&mut self) -> io::Result<Key> {
        let byte = self.byte()?;
        match (self.escape, byte) {
            (Escape::Begun, b'[' | b'O') => {
                self.escape = Escape::Inside;
                return Ok(Key::Other);
            }
            (Escape::Inside, 0x40..=0x7E) => {
                self.escape = Escape::None;
                return Ok(Key::Other);
            }
            (Escape::Inside, 0x20..=0x3F) => return Ok(Key::Other),
            _ => self.escape = Escape::None,
        }
        Ok(match byte {
            b'\r' | b'\n' => Key::Enter,
            0x03 | 0x1C => Key::Cancel,
            0x04 => Key::End,
            0x08 | 0x7F => Key::Backspace,
            0x15 => Key::KillLine,
            0x1B => {
                self.escape = Escape::Begun;
                Key::Other
            }
            0x00..0x20 => Key::Other,
            _ => Key::Byte(byte),
        })
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.file.write_all(text.as_bytes())
    }

    fn columns(&self) -> usize {
        terminal_size::terminal_size_of(&self.file)
            .map(|(width, _)| usize::from(width.0))
            .filter(|columns| *columns > 0)
            .unwrap_or(USUAL_COLUMNS)
    }

    fn can_redraw(&self) -> bool {
        // One that can do no more than write lines one after the other says so.
        std::env::var_os("TERM").is_some_and(|name| !name.is_empty() && name != "dumb")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Fails only if the terminal is gone.
        let _ = tcsetattr(&self.file, OptionalActions::Flush, &self.before);
    }
}
