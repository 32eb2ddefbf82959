//! Dialogs on a terminal: a hidden line, and a new secret with its rules.

use std::fmt::Write as _;
use std::io;

use subtle::ConstantTimeEq as _;

use super::Rules;
use super::buffer::{Buffer, Secret};
use super::terminal::{Dialog, Key};
use crate::text::{Text, safe};

/// Why there is no secret.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The person wants to leave.
    Cancelled,
    /// The person has nothing (more) to say.
    Ended,
    /// The terminal failed.
    Io(io::Error),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Stopped::Io(error)
    }
}

/// Asks for a secret that is there already: nothing shows how much was typed.
pub(super) fn hidden_line(terminal: &mut impl Dialog, prompt: &str) -> Result<Secret, Stopped> {
    hidden(terminal, prompt, false)
}

/// The same for one that the person need not have: an empty line is taken.
pub(super) fn hidden_line_or_nothing(
    terminal: &mut impl Dialog,
    prompt: &str,
) -> Result<Secret, Stopped> {
    or_nothing(hidden(terminal, prompt, true))
}

/// That nothing more comes is taken for nothing.
pub(super) fn or_nothing(typed: Result<Secret, Stopped>) -> Result<Secret, Stopped> {
    match typed {
        Err(Stopped::Ended) => Ok(Buffer::new().into_secret()),
        typed => typed,
    }
}

fn hidden(terminal: &mut impl Dialog, prompt: &str, may_be_empty: bool) -> Result<Secret, Stopped> {
    let mut typed = Buffer::new();
    terminal.write(&format!("{}: ", safe(prompt)))?;
    let ended = hidden_keys(terminal, &mut typed, may_be_empty);
    terminal.write("\n")?;
    ended.map(|()| typed.into_secret())
}

fn hidden_keys(
    terminal: &mut impl Dialog,
    typed: &mut Buffer,
    may_be_empty: bool,
) -> Result<(), Stopped> {
    loop {
        match terminal.key()? {
            Key::Enter if may_be_empty || !typed.as_bytes().is_empty() => return Ok(()),
            Key::Cancel => return Err(Stopped::Cancelled),
            Key::End => return Err(Stopped::Ended),
            key => {
                edit(typed, key);
            }
        }
    }
}

/// Asks for a line that is no secret, and shows it. Not left to the terminal:
/// Ctrl-C has to come back here, so that whoever asks can clear the screen.
pub(super) fn visible_line(terminal: &mut impl Dialog, prompt: &str) -> Result<Secret, Stopped> {
    let mut typed = Buffer::new();
    terminal.write(&format!("{}: ", safe(prompt)))?;
    let ended = visible_keys(terminal, &mut typed);
    terminal.write("\n")?;
    ended.map(|()| typed.into_secret())
}

fn visible_keys(terminal: &mut impl Dialog, typed: &mut Buffer) -> Result<(), Stopped> {
    // How much of it is on the screen: whole characters only.
    let mut shown = 0;
    loop {
        match terminal.key()? {
            Key::Enter => return Ok(()),
            Key::Cancel => return Err(Stopped::Cancelled),
            Key::End => return Err(Stopped::Ended),
            key @ (Key::Backspace | Key::KillLine) => {
                let before = typed.characters();
                edit(typed, key);
                let gone = before - typed.characters();
                terminal.write(&"\x08 \x08".repeat(gone))?;
                shown = typed.as_bytes().len();
            }
            key => {
                edit(typed, key);
                if let Ok(text) = std::str::from_utf8(&typed.as_bytes()[shown..]) {
                    terminal.write(&safe(text))?;
                    shown = typed.as_bytes().len();
                }
            }
        }
    }
}

/// What a key does to what was typed; false if it could do nothing.
fn edit(typed: &mut Buffer, key: Key) -> bool {
    match key {
        Key::Byte(byte) => return typed.push(byte),
        Key::Backspace => typed.backspace(),
        Key::KillLine => typed.clear(),
        Key::Enter | Key::Cancel | Key::End | Key::Other => return false,
    }
    true
}

/// Asks for a new secret until it meets `rules` and was typed twice alike.
pub(super) fn new_secret(
    terminal: &mut impl Dialog,
    prompt: &str,
    rules: &Rules<'_>,
) -> Result<Secret, Stopped> {
    loop {
        let first = if terminal.can_redraw() {
            Live::new(terminal, prompt, rules).run()?
        } else {
            plain_new_secret(terminal, prompt, rules)?
        };
        let second = hidden_line(terminal, "The same again")?;
        if bool::from(first.ct_eq(&second)) {
            return Ok(first);
        }
        terminal.write("The two were not the same. Once more, please.\n")?;
    }
}

/// For terminals that write one line after the other: the rules come first.
fn plain_new_secret(
    terminal: &mut impl Dialog,
    prompt: &str,
    rules: &Rules<'_>,
) -> Result<Secret, Stopped> {
    for (rule, _) in rules(&[]) {
        terminal.write(&format!("  - {}\n", safe(&rule)))?;
    }
    loop {
        let typed = hidden_line(terminal, prompt)?;
        let unmet = super::unmet(rules, &typed);
        if unmet.is_empty() {
            return Ok(typed);
        }
        terminal.write(&format!("Not yet: {}.\n", safe(&unmet.join("; "))))?;
    }
}

/// A prompt under which each rule shows whether it is met, as the person types.
struct Live<'a, D> {
    terminal: &'a mut D,
    prompt: &'a str,
    rules: &'a Rules<'a>,
    typed: Buffer,
    /// What is said under the rules.
    remark: String,
}

impl<'a, D: Dialog> Live<'a, D> {
    fn new(terminal: &'a mut D, prompt: &'a str, rules: &'a Rules<'a>) -> Self {
        Live {
            terminal,
            prompt,
            rules,
            typed: Buffer::new(),
            remark: String::new(),
        }
    }

    fn run(mut self) -> Result<Secret, Stopped> {
        let ended = self.keys();
        // The rules have served their time.
        self.terminal.write("\r\n\x1b[J")?;
        ended.map(|()| self.typed.into_secret())
    }

    fn keys(&mut self) -> Result<(), Stopped> {
        loop {
            self.draw()?;
            match self.terminal.key()? {
                Key::Cancel => return Err(Stopped::Cancelled),
                Key::End => return Err(Stopped::Ended),
                Key::Enter => {
                    let unmet = super::unmet(self.rules, self.typed.as_bytes());
                    if unmet.is_empty() && !self.typed.as_bytes().is_empty() {
                        return Ok(());
                    }
                    self.remark = format!("Not yet: {}", unmet.join("; "));
                }
                key => {
                    self.remark.clear();
                    edit(&mut self.typed, key);
                }
            }
        }
    }

    /// Writes prompt, dots and rules over those before, and leaves the cursor
    /// after the dots. No line is wider than the terminal: how many lines to
    /// go back is then known.
    fn draw(&mut self) -> io::Result<()> {
        let columns = self.terminal.columns().saturating_sub(1);
        let dots = "•".repeat(self.typed.characters());
        let line = Text::from(format!("{}: {dots}", self.prompt)).shortened(columns);
        let rules = (self.rules)(self.typed.as_bytes());
        let mut below: Vec<Text> = rules
            .iter()
            .map(|(rule, met)| {
                let mark = if *met { '✓' } else { '✗' };
                Text::from(format!("  {mark} {rule}"))
            })
            .collect();
        if !self.remark.is_empty() {
            below.push(Text::from(&self.remark));
        }
        // Writing to a String cannot fail.
        let mut frame = format!("\r\x1b[J{line}");
        for text in &below {
            let _ = write!(frame, "\r\n{}", text.clone().shortened(columns));
        }
        if !below.is_empty() {
            let _ = write!(frame, "\x1b[{}A", below.len());
        }
        let _ = write!(frame, "\r\x1b[{}C", line.width().max(1));
        self.terminal.write(&frame)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::VecDeque;

    use super::*;

    /// A terminal whose keys are known before.
    struct Script {
        keys: VecDeque<Key>,
        screen: String,
        can_redraw: bool,
    }

    impl Script {
        fn new(typed: &str) -> Self {
            let keys = typed.bytes().map(|byte| match byte {
                b'\n' => Key::Enter,
                3 => Key::Cancel,
                4 => Key::End,
                8 => Key::Backspace,
                0x15 => Key::KillLine,
                byte => Key::Byte(byte),
            });
            Script {
                keys: keys.collect(),
                screen: String::new(),
                can_redraw: true,
            }
        }
    }

    impl Dialog for Script {
        fn key(&mut self) -> io::Result<Key> {
            self.keys
                .pop_front()
                .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
        }

        fn write(&mut self, text: &str) -> io::Result<()> {
            self.screen.push_str(text);
            Ok(())
        }

        fn columns(&self) -> usize {
            40
        }

        fn can_redraw(&self) -> bool {
            self.can_redraw
        }
    }

    fn digits(pin: &[u8]) -> Vec<(String, bool)> {
        vec![
            ("at least 4 characters".to_owned(), pin.len() >= 4),
            ("digits only".to_owned(), pin.iter().all(u8::is_ascii_digit)),
        ]
    }

    #[test]
    fn a_hidden_line_can_be_corrected_and_shows_nothing() {
        let mut terminal = Script::new("\nwrong\x15123x\x084\n");
        let secret = hidden_line(&mut terminal, "PIN of \x1b[2Jme").unwrap();
        assert_eq!(secret.as_slice(), b"1234");
        assert_eq!(terminal.screen, format!("{}: \n", safe("PIN of \x1b[2Jme")));
    }

    #[test]
    fn nothing_is_an_answer_where_it_may_be() {
        for typed in ["\n", "\x04", "12\x04", "12\x15\n"] {
            let mut terminal = Script::new(typed);
            let given = hidden_line_or_nothing(&mut terminal, "Code").unwrap();
            assert!(given.is_empty(), "{typed:?}");
            assert_eq!(terminal.screen, "Code: \n");
        }
        let given = hidden_line_or_nothing(&mut Script::new("12\n"), "Code").unwrap();
        assert_eq!(given.as_slice(), b"12");
        let left = hidden_line_or_nothing(&mut Script::new("12\x03"), "Code");
        assert!(matches!(left, Err(Stopped::Cancelled)));
        let ended = hidden_line(&mut Script::new("12\x04"), "PIN");
        assert!(matches!(ended, Err(Stopped::Ended)));
        let answer = or_nothing(visible_line(&mut Script::new("y\x04"), "Sure?")).unwrap();
        assert!(answer.is_empty());
    }

    #[test]
    fn a_visible_line_shows_what_is_left_of_it() {
        let mut terminal = Script::new("nö\x08o\n");
        let line = visible_line(&mut terminal, "Sure?").unwrap();
        assert_eq!(line.as_slice(), b"no");
        assert_eq!(terminal.screen, "Sure?: nö\x08 \x08o\n");
        assert!(
            visible_line(&mut Script::new("\n"), "Sure?")
                .unwrap()
                .is_empty()
        );
        let left = visible_line(&mut Script::new("y\x03"), "Sure?");
        assert!(matches!(left, Err(Stopped::Cancelled)));
    }

    #[test]
    fn a_new_secret_is_accepted_only_when_every_rule_is_met() {
        let mut terminal = Script::new("12a\n\x083\n4\n1234\n");
        let secret = new_secret(&mut terminal, "New PIN", &digits).unwrap();
        assert_eq!(secret.as_slice(), b"1234");
        let screen = &terminal.screen;
        assert!(screen.contains("✗ at least 4 characters"), "{screen}");
        assert!(screen.contains("✓ at least 4 characters"), "{screen}");
        assert!(
            screen.contains("Not yet: at least 4 characters; digits"),
            "{screen}"
        );
        assert!(screen.contains("New PIN: ••••"), "{screen}");
        assert!(!screen.contains("1234"), "{screen}");
    }

    #[test]
    fn two_that_differ_are_asked_for_again() {
        let mut terminal = Script::new("1234\n1235\n5678\n5678\n");
        let secret = new_secret(&mut terminal, "New PIN", &digits).unwrap();
        assert_eq!(secret.as_slice(), b"5678");
        assert!(terminal.screen.contains("not the same"));
    }

    #[test]
    fn a_dumb_terminal_has_the_rules_first_and_no_escape_sequences() {
        let mut terminal = Script::new("12\n1234\n1234\n");
        terminal.can_redraw = false;
        let secret = new_secret(&mut terminal, "New PIN", &digits).unwrap();
        assert_eq!(secret.as_slice(), b"1234");
        assert!(terminal.screen.starts_with("  - at least 4 characters\n"));
        assert!(terminal.screen.contains("Not yet: at least 4 characters."));
        assert!(!terminal.screen.contains('\x1b'));
    }

    #[test]
    fn leaving_gives_nothing() {
        for typed in ["12\x03", "1234\n12\x03"] {
            let ended = new_secret(&mut Script::new(typed), "New PIN", &digits);
            assert!(matches!(ended, Err(Stopped::Cancelled)));
        }
        assert!(matches!(
            hidden_line(&mut Script::new("12"), "PIN"),
            Err(Stopped::Io(_))
        ));
    }
}
