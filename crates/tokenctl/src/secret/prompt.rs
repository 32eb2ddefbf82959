//! Questions at the terminal. They go to the terminal itself, so that they
//! work while stdin or stdout is a pipe.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, read};
use crossterm::style::Stylize as _;
use crossterm::terminal::{Clear, ClearType, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, queue};
use zeroize::Zeroizing;

use super::line::Line;
use crate::error::{Failure, Kind, Report, Result};

/// Rules and whether what is typed so far meets each.
type Rules<'a> = dyn Fn(&[u8]) -> Vec<(String, bool)> + 'a;

/// Whether there is a terminal to ask at.
pub(crate) fn is_terminal() -> bool {
    terminal().is_ok()
}

/// Asks for a secret; a dot stands for each character.
pub(crate) fn ask(prompt: &str, option: &str) -> Result<Zeroizing<Vec<u8>>> {
    let mut raw = Raw::enter(option)?;
    raw.read(prompt, true, &|_| Vec::new())
}

/// Asks for a new secret with its rules under the line, and asks again until
/// both times are the same.
pub(super) fn new_secret(
    prompt: &str,
    again: &str,
    option: &str,
    rules: &Rules<'_>,
) -> Result<Zeroizing<Vec<u8>>> {
    let mut raw = Raw::enter(option)?;
    loop {
        let first = raw.read(prompt, true, rules)?;
        let second = raw.read(again, true, &|_| Vec::new())?;
        if bool::from(subtle::ConstantTimeEq::ct_eq(&**first, &**second)) {
            return Ok(first);
        }
        raw.say("They differ. Once more.")?;
    }
}

/// Asks a question that is answered with y or n; no is the default.
pub(crate) fn confirm(question: &str, option: &str) -> Result<bool> {
    let mut raw = Raw::enter(option)?;
    let answer = raw.read(&format!("{question} [y/N]"), false, &|_| Vec::new())?;
    Ok(matches!(
        answer.as_slice(),
        b"y" | b"Y" | b"yes" | b"Yes" | b"YES"
    ))
}

#[allow(
    dead_code,
    reason = "for the actions that erase, which are on their way"
)]
/// Asks to type a word, so that nobody confirms by habit.
pub(crate) fn confirm_typing(question: &str, word: &str, option: &str) -> Result<bool> {
    let mut raw = Raw::enter(option)?;
    let answer = raw.read(question, false, &|_| Vec::new())?;
    Ok(answer.as_slice() == word.as_bytes())
}

/// The terminal in raw mode, until this is dropped.
struct Raw {
    out: File,
}

impl Raw {
    fn enter(option: &str) -> Result<Self> {
        let none = || -> Failure {
            let message = "there is no terminal to ask at";
            Report::new(Kind::Usage, message)
                .next(format!(
                    "Give it with {option}; nothing was sent to the token"
                ))
                .into()
        };
        let out = terminal().map_err(|_| none())?;
        enable_raw_mode().map_err(|_| none())?;
        Ok(Raw { out })
    }

    /// Reads a line.
    fn read(
        &mut self,
        prompt: &str,
        hidden: bool,
        rules: &Rules<'_>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let mut line = Line::new();
        let mut told = None;
        loop {
            let states = rules(line.bytes());
            self.draw(prompt, &line, hidden, &states, told)?;
            told = None;
            let Event::Key(key) = read().map_err(terminal_failed)? else {
                continue;
            };
            match pressed(key) {
                Key::Enter if states.iter().all(|(_, met)| *met) => {
                    self.draw(prompt, &line, hidden, &[], None)?;
                    write!(self.out, "\r\n").map_err(terminal_failed)?;
                    return Ok(line.finish());
                }
                Key::Enter => told = Some("not every rule is met"),
                Key::Character(character) => line.push(character),
                Key::Back => line.backspace(),
                Key::ClearLine => line.clear(),
                Key::Cancel => {
                    self.draw(prompt, &Line::new(), hidden, &[], None)?;
                    write!(self.out, "\r\n").map_err(terminal_failed)?;
                    return Err(Report::new(Kind::NotSent, "cancelled")
                        .next("Nothing was sent to the token after that")
                        .into());
                }
                Key::Other => {}
            }
        }
    }

    /// Draws the line and the rules under it, and leaves the cursor at the
    /// line's end.
    fn draw(
        &mut self,
        prompt: &str,
        line: &Line,
        hidden: bool,
        rules: &[(String, bool)],
        told: Option<&str>,
    ) -> Result {
        let mut drawn = || -> io::Result<()> {
            queue!(
                self.out,
                cursor::MoveToColumn(0),
                Clear(ClearType::FromCursorDown)
            )?;
            let mut under: u16 = 0;
            for (rule, met) in rules {
                let mark = if *met { "✓".green() } else { "✗".red() };
                write!(self.out, "\r\n  {mark} {rule}")?;
                under += 1;
            }
            if let Some(told) = told {
                write!(self.out, "\r\n  {}", told.red())?;
                under += 1;
            }
            if under > 0 {
                queue!(self.out, cursor::MoveUp(under))?;
            }
            queue!(self.out, cursor::MoveToColumn(0))?;
            write!(self.out, "{prompt}: ")?;
            if hidden {
                write!(self.out, "{}", "•".repeat(line.characters()))?;
            } else {
                self.out.write_all(line.bytes())?;
            }
            self.out.flush()
        };
        drawn().map_err(terminal_failed)
    }

    fn say(&mut self, text: &str) -> Result {
        write!(self.out, "{text}\r\n").map_err(terminal_failed)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = disable_raw_mode();
    }
}

enum Key {
    Enter,
    Character(char),
    Back,
    ClearLine,
    Cancel,
    Other,
}

fn pressed(key: KeyEvent) -> Key {
    if key.kind == KeyEventKind::Release {
        return Key::Other;
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c' | 'd') if control => Key::Cancel,
        KeyCode::Char('u') if control => Key::ClearLine,
        KeyCode::Char('h') if control => Key::Back,
        KeyCode::Char('j' | 'm') if control => Key::Enter,
        KeyCode::Char(_) if control || key.modifiers.contains(KeyModifiers::ALT) => Key::Other,
        KeyCode::Char(character) => Key::Character(character),
        KeyCode::Enter => Key::Enter,
        KeyCode::Backspace => Key::Back,
        KeyCode::Esc => Key::Cancel,
        _ => Key::Other,
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

#[allow(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn terminal_failed(error: io::Error) -> Failure {
    Report::new(Kind::Other, format!("the terminal cannot be used: {error}")).into()
}
