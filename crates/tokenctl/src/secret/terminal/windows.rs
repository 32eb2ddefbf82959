//! The console.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write as _};

use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers, read};
use crossterm::terminal::{disable_raw_mode, enable_raw_mode, size};
use zeroize::Zeroize as _;

use super::{Dialog, Key, USUAL_COLUMNS};

/// The console, which shows nothing that is typed while this lives. Dropping
/// it puts the console back as it was.
pub(in super::super) struct Terminal {
    output: File,
    /// The rest of a character of several bytes.
    pending: VecDeque<u8>,
}

impl Terminal {
    /// Whether there is one.
    pub(in super::super) fn is_there() -> bool {
        input().is_ok()
    }

    /// Opens it and turns its echo off.
    ///
    /// # Errors
    /// There is none, or it cannot be set up.
    pub(in super::super) fn hidden() -> io::Result<Self> {
        input()?;
        let output = output()?;
        enable_raw_mode()?;
        Ok(Terminal {
            output,
            // A character has four bytes at most.
            pending: VecDeque::with_capacity(4),
        })
    }
}

fn input() -> io::Result<File> {
    File::options().read(true).write(true).open("CONIN$")
}

fn output() -> io::Result<File> {
    File::options().read(true).write(true).open("CONOUT$")
}

impl Dialog for Terminal {
    fn key(&mut self) -> io::Result<Key> {
        if let Some(byte) = self.pending.pop_front() {
            return Ok(Key::Byte(byte));
        }
        loop {
            let Event::Key(key) = read()? else { continue };
            if key.kind == KeyEventKind::Release {
                continue;
            }
            // AltGr comes as Ctrl and Alt, and makes characters.
            let control = key.modifiers.contains(KeyModifiers::CONTROL)
                && !key.modifiers.contains(KeyModifiers::ALT);
            return Ok(match key.code {
                KeyCode::Enter => Key::Enter,
                KeyCode::Backspace => Key::Backspace,
                KeyCode::Char('c') if control => Key::Cancel,
                KeyCode::Char('d') if control => Key::End,
                KeyCode::Char('u') if control => Key::KillLine,
                KeyCode::Char(character) if !control => {
                    let mut bytes = [0; 4];
                    self.pending
                        .extend(character.encode_utf8(&mut bytes).bytes());
                    bytes.zeroize();
                    self.pending.pop_front().map_or(Key::Other, Key::Byte)
                }
                _ => Key::Other,
            });
        }
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.output.write_all(text.as_bytes())
    }

    fn columns(&self) -> usize {
        size().map_or(USUAL_COLUMNS, |(columns, _)| usize::from(columns))
    }

    fn can_redraw(&self) -> bool {
        // Also turns them on.
        crossterm::ansi_support::supports_ansi()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.pending.make_contiguous().zeroize();
        // Fails only if the console is gone.
        let _ = disable_raw_mode();
    }
}
