//! Text for people: made safe for a terminal when it is made, styled, and of
//! known width.
//!
//! Names, labels and certificates come from a card, and a card is not to be
//! trusted: an escape sequence in a subject could rewrite what stands on the
//! screen, and an override of the writing direction could make a name read as
//! another. A [`Text`] can only be made through [`safe`], so that no command
//! can forget it.

use std::fmt;

use anstyle::{AnsiColor, Style};
pub(crate) use token_desktop::{is_unsafe, safe};
use unicode_width::UnicodeWidthStr;

/// Headings.
pub(crate) const BOLD: Style = Style::new().bold();
/// What is not important: labels, units, what is absent.
pub(crate) const DIM: Style = Style::new().dimmed();
/// As it should be.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Worth a look.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default();
/// Wrong.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What one can type or name: ids, slots.
pub(crate) const NAME: Style = AnsiColor::Cyan.on_default();

const PLAIN: Style = Style::new();

/// Styled text that is safe to write to a terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text {
    spans: Vec<(String, Style)>,
}

impl Text {
    /// Nothing.
    pub(crate) const fn new() -> Self {
        Text { spans: Vec::new() }
    }

    /// `text` in `style`.
    pub(crate) fn styled(text: impl AsRef<str>, style: Style) -> Self {
        Text::new().then(text, style)
    }

    /// A dim dash, for what is not there.
    pub(crate) fn absent() -> Self {
        Text::styled("-", DIM)
    }

    /// Appends `text` in `style`.
    pub(crate) fn then(mut self, text: impl AsRef<str>, style: Style) -> Self {
        self.spans.push((safe(text.as_ref()).into_owned(), style));
        self
    }

    /// Appends `text` without a style.
    pub(crate) fn plain(self, text: impl AsRef<str>) -> Self {
        self.then(text, PLAIN)
    }

    /// Appends another text.
    pub(crate) fn and(mut self, other: Text) -> Self {
        self.spans.extend(other.spans);
        self
    }

    /// How many columns of a terminal it fills.
    pub(crate) fn width(&self) -> usize {
        self.spans.iter().map(|(text, _)| text.width()).sum()
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.spans.iter().all(|(text, _)| text.is_empty())
    }

    /// The same in at most `columns` columns, with an ellipsis where it was cut.
    pub(crate) fn shortened(self, columns: usize) -> Self {
        if self.width() <= columns {
            return self;
        }
        let mut left = columns.saturating_sub(1);
        let mut spans = Vec::new();
        for (text, style) in self.spans {
            let mut kept = String::new();
            let mut cut = false;
            for character in text.chars() {
                let width = unicode_width::UnicodeWidthChar::width(character).unwrap_or(0);
                if width > left {
                    cut = true;
                    break;
                }
                left -= width;
                kept.push(character);
            }
            if cut {
                kept.push('…');
            }
            spans.push((kept, style));
            if cut {
                break;
            }
        }
        Text { spans }
    }

    /// The same on lines of at most `columns` columns, broken at blanks; a
    /// longer word stays whole. One line at least.
    pub(crate) fn wrapped(&self, columns: usize) -> Vec<Text> {
        let mut lines = vec![Text::new()];
        let mut used = 0;
        for (text, style) in &self.spans {
            for (index, word) in text.split(' ').enumerate() {
                let width = word.width();
                let blank = usize::from(index > 0);
                if blank > 0 && used > 0 && used + blank + width > columns {
                    lines.push(Text::new());
                    used = 0;
                }
                let Some(line) = lines.last_mut() else { break };
                let blank = if used > 0 { blank } else { 0 };
                line.append(&" "[..blank], *style);
                line.append(word, *style);
                used += blank + width;
            }
        }
        lines
    }

    /// Appends text that is safe already, to the last span if that has the
    /// same style.
    fn append(&mut self, text: &str, style: Style) {
        match self.spans.last_mut() {
            Some((last, same)) if *same == style => last.push_str(text),
            _ if text.is_empty() => {}
            _ => self.spans.push((text.to_owned(), style)),
        }
    }
}

impl<T: AsRef<str>> From<T> for Text {
    fn from(text: T) -> Self {
        Text::new().plain(text)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (text, style) in &self.spans {
            write!(f, "{style}{text}{style:#}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_make_a_text_makes_it_safe() {
        let bad = "\x1b[31m\n";
        let text = Text::from(bad)
            .plain(bad)
            .then(bad, PLAIN)
            .and(Text::styled(bad, PLAIN));
        assert!(!text.to_string().contains(['\x1b', '\n']));
    }

    #[test]
    fn width_counts_columns() {
        assert_eq!(Text::from("abc").then("de", BOLD).width(), 5);
        assert_eq!(Text::from("日本").width(), 4);
        assert_eq!(Text::from("e\u{301}").width(), 1);
    }

    #[test]
    fn shortens_to_columns() {
        assert_eq!(Text::from("abcdef").shortened(6), Text::from("abcdef"));
        assert_eq!(Text::from("abcdefg").shortened(6).to_string(), "abcde…");
        assert_eq!(
            Text::from("abc").plain("defg").shortened(5).to_string(),
            "abcd…"
        );
        let wide = Text::from("日本語日本語").shortened(6);
        assert_eq!(wide.to_string(), "日本…");
        assert!(wide.width() <= 6);
    }

    #[test]
    fn wraps_at_blanks() {
        let plain = |text: Text, columns| -> Vec<String> {
            let lines = text.wrapped(columns);
            lines.iter().map(ToString::to_string).collect()
        };
        assert_eq!(plain(Text::from("one two three"), 7), ["one two", "three"]);
        assert_eq!(plain(Text::from("one two three"), 80), ["one two three"]);
        assert_eq!(plain(Text::from("longword x"), 3), ["longword", "x"]);
        assert_eq!(plain(Text::new(), 3), [""]);
        assert_eq!(plain(Text::from("ab").plain("cd ef"), 4), ["abcd", "ef"]);
        let styled = Text::styled("one two", BOLD).wrapped(3);
        assert_eq!(
            styled,
            [Text::styled("one", BOLD), Text::styled("two", BOLD)]
        );
    }

    #[test]
    fn styles_are_ended() {
        assert_eq!(Text::styled("x", BOLD).to_string(), "\x1b[1mx\x1b[0m");
        assert_eq!(Text::from("x").to_string(), "x");
    }
}
