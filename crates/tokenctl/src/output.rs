//! Where results go: stdout for people or programs, stderr for remarks.

use std::io::{self, IsTerminal as _, Write};

use anstream::{AutoStream, ColorChoice};
use serde::Serialize;

use crate::cli::{ColorWhen, GlobalArgs};
use crate::text::{BOLD, DIM, Text, WARNING, is_unsafe};

/// How results are written.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    /// One JSON document instead of text.
    pub(crate) json: bool,
    /// How much more to say.
    pub(crate) verbose: u8,
    color: ColorChoice,
}

impl Output {
    /// As the command line asks.
    pub(crate) fn new(global: &GlobalArgs) -> Self {
        let color = match global.color {
            _ if global.no_color => ColorChoice::Never,
            ColorWhen::Never => ColorChoice::Never,
            ColorWhen::Always => ColorChoice::Always,
            // Leaves it to anstream: a terminal, NO_COLOR, CLICOLOR, TERM=dumb.
            ColorWhen::Auto => ColorChoice::Auto,
        };
        Output {
            json: global.json,
            verbose: global.verbose,
            color,
        }
    }

    /// Stdout, which drops styles where they are not wanted.
    pub(crate) fn stdout(&self) -> Box<dyn Write> {
        Box::new(io::BufWriter::new(AutoStream::new(
            io::stdout(),
            self.color,
        )))
    }

    /// A remark on stderr, which no program has to read. Nothing with `--json`.
    pub(crate) fn remark(&self, text: &Text) {
        if !self.json {
            self.stderr_line(text);
        }
    }

    /// A remark that begins with a yellow `warning:`.
    pub(crate) fn warning(&self, text: impl AsRef<str>) {
        self.remark(&Text::styled("warning: ", WARNING).plain(text));
    }

    /// A remark for those who asked for more with `-v`.
    pub(crate) fn detail(&self, text: impl AsRef<str>) {
        if self.verbose > 0 {
            self.remark(&Text::styled(text, DIM));
        }
    }

    /// A line on stderr; that stderr is closed is no reason to fail.
    pub(crate) fn stderr_line(&self, text: &Text) {
        self.stderr_paragraph(&Text::new(), text);
    }

    /// `text` after `first` on stderr; set to its width on a terminal, and on
    /// one line where a program may search it.
    pub(crate) fn stderr_paragraph(&self, first: &Text, text: &Text) {
        let columns = columns_of(io::stderr()).unwrap_or(usize::MAX);
        let mut stderr = AutoStream::new(io::stderr(), self.color);
        let _ = write_wrapped(&mut stderr, first, text, columns);
    }

    /// Writes `text`, which is safe as it is, to stderr if that is a terminal:
    /// what is written over again. Nothing with `--json`.
    pub(crate) fn transient(&self, text: &str) {
        if !self.json && io::stderr().is_terminal() {
            let mut stderr = io::stderr();
            let _ = stderr
                .write_all(text.as_bytes())
                .and_then(|()| stderr.flush());
        }
    }

    /// A prompt on stderr, after which the person types.
    pub(crate) fn prompt(&self, text: &Text) {
        let mut stderr = AutoStream::new(io::stderr(), self.color);
        let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
    }
}

/// Writes a document to stdout, on several lines.
pub(crate) fn document<T: Serialize>(document: &T) -> io::Result<()> {
    document_to(io::stdout().lock(), document)
}

/// Writes a document to `out`, on several lines.
pub(crate) fn document_to<T: Serialize>(out: impl Write, document: &T) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    write_json(&mut out, document, true)?;
    out.flush()
}

/// Writes a document to stdout on one line, and flushes it.
pub(crate) fn line<T: Serialize>(document: &T) -> io::Result<()> {
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    write_json(&mut stdout, document, false)?;
    stdout.flush()
}

/// Writes a document to stderr; that it is closed is no reason to fail.
pub(crate) fn stderr_document<T: Serialize>(document: &T) {
    let mut stderr = io::BufWriter::new(io::stderr().lock());
    let _ = write_json(&mut stderr, document, true).and_then(|()| stderr.flush());
}

/// Writes a heading.
pub(crate) fn heading(out: &mut dyn Write, title: &str) -> io::Result<()> {
    writeln!(out, "\n{}", Text::styled(title, BOLD))
}

/// Writes `text` after `first`, and in line with it where it needs more lines,
/// to stdout's width.
pub(crate) fn paragraph(out: &mut dyn Write, first: &Text, text: &Text) -> io::Result<()> {
    let columns = columns_of(io::stdout()).unwrap_or(MAX_COLUMNS);
    write_wrapped(out, first, text, columns)
}

/// Writes `text` after `first`, and in line with it, on lines of `columns` columns.
pub(crate) fn write_wrapped(
    out: &mut dyn Write,
    first: &Text,
    text: &Text,
    columns: usize,
) -> io::Result<()> {
    let indent = first.width();
    let columns = columns.saturating_sub(indent).max(MIN_COLUMNS / 2);
    for (index, line) in text.wrapped(columns).iter().enumerate() {
        if index == 0 {
            writeln!(out, "{first}{line}")?;
        } else {
            writeln!(out, "{:indent$}{line}", "")?;
        }
    }
    Ok(())
}

/// How many columns stdout has; `None` if it is no terminal, or does not tell.
pub(crate) fn stdout_columns() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(io::stdout())?;
    Some(usize::from(width.0)).filter(|columns| *columns > 0)
}

/// How wide text is set on a terminal, within reason; `None` if it is none.
#[cfg(unix)]
fn columns_of(stream: impl std::os::fd::AsFd) -> Option<usize> {
    limited(terminal_size::terminal_size_of(stream))
}

/// How wide text is set on a terminal, within reason; `None` if it is none.
#[cfg(windows)]
fn columns_of(stream: impl std::os::windows::io::AsHandle) -> Option<usize> {
    limited(terminal_size::terminal_size_of(stream))
}

fn limited(size: Option<(terminal_size::Width, terminal_size::Height)>) -> Option<usize> {
    size.map(|(width, _)| usize::from(width.0).clamp(MIN_COLUMNS, MAX_COLUMNS))
}

/// Lines of less are no use, lines of more are hard to read.
const MIN_COLUMNS: usize = 40;
const MAX_COLUMNS: usize = 100;

/// Labels and values, aligned, under a heading.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    fields: Vec<(&'static str, Text)>,
}

impl Fields {
    /// No fields yet.
    pub(crate) fn new() -> Self {
        Fields::default()
    }

    /// Adds a field.
    pub(crate) fn add(&mut self, label: &'static str, value: impl Into<Text>) {
        self.fields.push((label, value.into()));
    }

    /// Adds a field if there is a value.
    pub(crate) fn add_some(&mut self, label: &'static str, value: Option<impl Into<Text>>) {
        if let Some(value) = value {
            self.add(label, value);
        }
    }

    /// Writes them, `indent` columns from the left, values at least
    /// `label_width` columns further.
    pub(crate) fn write(
        &self,
        out: &mut dyn Write,
        indent: usize,
        label_width: usize,
    ) -> io::Result<()> {
        for (label, value) in &self.fields {
            let padding = label_width.saturating_sub(label.len()).max(1) + 1;
            let label = Text::from(" ".repeat(indent))
                .then(label, DIM)
                .plain(" ".repeat(padding));
            paragraph(out, &label, value)?;
        }
        Ok(())
    }
}

/// JSON in which every character that could act on a terminal is written as
/// an escape, so that a document is safe to look at and still means the same.
struct SafeFormatter<F>(F);

macro_rules! pass_on {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $name<W: ?Sized + Write>(&mut self, writer: &mut W $(, $argument: $type)*) -> io::Result<()> {
            self.0.$name(writer $(, $argument)*)
        })*
    };
}

impl<F: serde_json::ser::Formatter> serde_json::ser::Formatter for SafeFormatter<F> {
    pass_on! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        end_object_key();
        begin_object_value();
        end_object_value();
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((place, character)) = rest.char_indices().find(|(_, c)| is_unsafe(*c)) {
            writer.write_all(&rest.as_bytes()[..place])?;
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &rest[place + character.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

/// Writes a document and a line end.
fn write_json<T: Serialize>(out: &mut dyn Write, document: &T, pretty: bool) -> io::Result<()> {
    let written = if pretty {
        let formatter = SafeFormatter(serde_json::ser::PrettyFormatter::new());
        document.serialize(&mut serde_json::Serializer::with_formatter(
            &mut *out, formatter,
        ))
    } else {
        let formatter = SafeFormatter(serde_json::ser::CompactFormatter);
        document.serialize(&mut serde_json::Serializer::with_formatter(
            &mut *out, formatter,
        ))
    };
    written.map_err(io::Error::from)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn json(text: &str, pretty: bool) -> String {
        let mut out = Vec::new();
        write_json(&mut out, &[text], pretty).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_is_safe_for_a_terminal_and_means_the_same() {
        let bad = "a\x1b[2J\u{9b}\u{202e}\u{e0041}\n\"é日\"\u{7f}";
        for pretty in [false, true] {
            let written = json(bad, pretty);
            assert!(
                !written
                    .trim_end()
                    .chars()
                    .any(|c| is_unsafe(c) && c != '\n')
            );
            let read: Vec<String> = serde_json::from_str(&written).unwrap();
            assert_eq!(read, [bad]);
        }
    }

    #[test]
    fn compact_json_is_one_line() {
        assert_eq!(json("a\nb", false), "[\"a\\nb\"]\n");
    }

    #[test]
    fn fields_are_aligned() {
        let mut fields = Fields::new();
        fields.add("Name", "x");
        fields.add("Serial number", "y");
        fields.add_some("Nothing", None::<&str>);
        let mut out = anstream::StripStream::new(Vec::new());
        fields.write(&mut out, 2, 14).unwrap();
        assert_eq!(
            String::from_utf8(out.into_inner()).unwrap(),
            "  Name           x\n  Serial number  y\n"
        );
    }
}
