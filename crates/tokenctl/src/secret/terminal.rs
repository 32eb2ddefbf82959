//! The terminal of the person at it, not stdin and stdout, which may be pipes.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::io;

#[cfg(unix)]
pub(super) use unix::Terminal;
#[cfg(windows)]
pub(super) use windows::Terminal;

/// A key that was pressed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// A byte of a character; characters beyond ASCII come as several.
    Byte(u8),
    /// Take the last character off.
    Backspace,
    /// Ctrl-U: take all off.
    KillLine,
    /// Done.
    Enter,
    /// Ctrl-C or Ctrl-\: leave.
    Cancel,
    /// Ctrl-D: nothing more comes.
    End,
    /// Any other: arrows and the like.
    Other,
}

/// A terminal on which a dialog takes place. A trait, so that dialogs are
/// tested without one.
pub(super) trait Dialog {
    /// Waits for the next key, which the terminal does not show.
    fn key(&mut self) -> io::Result<Key>;

    /// Writes text that was made safe before.
    fn write(&mut self, text: &str) -> io::Result<()>;

    /// How many columns it has.
    fn columns(&self) -> usize;

    /// Whether the cursor can be moved back, to write over what is there.
    fn can_redraw(&self) -> bool;
}

/// A width to set text to where the terminal does not tell.
const USUAL_COLUMNS: usize = 80;
