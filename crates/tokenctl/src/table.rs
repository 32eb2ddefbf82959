//! Aligned columns.

use std::io::{self, Write};

use crate::output;
use crate::text::{DIM, Text};

/// Rows of cells under a header. A column that is empty throughout is left out.
#[derive(Debug)]
pub(crate) struct Table {
    names: Vec<String>,
    header: Vec<Text>,
    rows: Vec<Vec<Text>>,
    indent: usize,
}

impl Table {
    /// A table with these column names.
    pub(crate) fn new(header: &[&str]) -> Self {
        Table {
            names: header.iter().map(ToString::to_string).collect(),
            header: header.iter().map(|name| Text::styled(name, DIM)).collect(),
            rows: Vec::new(),
            indent: 0,
        }
    }

    /// The same, this many columns from the left.
    pub(crate) fn indented(mut self, indent: usize) -> Self {
        self.indent = indent;
        self
    }

    /// Adds a row; cells beyond the header are not shown.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Text>) {
        let mut cells: Vec<Text> = cells.into_iter().collect();
        cells.resize(self.header.len(), Text::new());
        self.rows.push(cells);
    }

    /// Whether there is no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes header and rows, or nothing if there is no row. Where stdout is a
    /// terminal that is too narrow, the last columns go beneath each row.
    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.write_within(out, output::stdout_columns())
    }

    fn write_within(&self, out: &mut dyn Write, limit: Option<usize>) -> io::Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let mut columns: Vec<(usize, usize)> = (0..self.header.len())
            .filter_map(|column| {
                let widest = self.rows.iter().map(|row| row[column].width()).max()?;
                (widest > 0).then(|| (column, widest.max(self.header[column].width())))
            })
            .collect();
        let limit = limit.unwrap_or(usize::MAX);
        let mut beneath = Vec::new();
        while columns.len() > 1 && self.indent + total(&columns) > limit {
            beneath.extend(columns.pop());
        }
        beneath.reverse();
        write_row(out, self.indent, &self.header, &columns)?;
        for row in &self.rows {
            write_row(out, self.indent, row, &columns)?;
            self.write_beneath(out, row, &beneath, limit)?;
        }
        Ok(())
    }

    /// Writes cells that found no place in the row, each after its column's name.
    fn write_beneath(
        &self,
        out: &mut dyn Write,
        row: &[Text],
        columns: &[(usize, usize)],
        limit: usize,
    ) -> io::Result<()> {
        let indent = self.indent + BENEATH;
        for &(column, _) in columns {
            if row[column].is_empty() {
                continue;
            }
            let name = self.names[column].to_lowercase();
            let first = Text::from(" ".repeat(indent)).then(name, DIM).plain(" ");
            output::write_wrapped(out, &first, &row[column], limit)?;
        }
        Ok(())
    }
}

/// How much further to the right what stands beneath a row begins.
const BENEATH: usize = 4;

/// Columns of a terminal that these take with what is between them.
fn total(columns: &[(usize, usize)]) -> usize {
    let widths: usize = columns.iter().map(|(_, width)| width).sum();
    widths + 2 * columns.len().saturating_sub(1)
}

/// Writes the cells of the chosen columns, with no blanks at the line's end.
fn write_row(
    out: &mut dyn Write,
    indent: usize,
    row: &[Text],
    columns: &[(usize, usize)],
) -> io::Result<()> {
    let mut pending = indent;
    for &(column, width) in columns {
        let cell = &row[column];
        if !cell.is_empty() {
            write!(out, "{:pending$}{cell}", "")?;
            pending = 0;
        }
        pending += width - cell.width() + 2;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::text::BOLD;

    fn written(table: &Table) -> String {
        written_within(table, None)
    }

    fn written_within(table: &Table, limit: Option<usize>) -> String {
        let mut out = anstream::StripStream::new(Vec::new());
        table.write_within(&mut out, limit).unwrap();
        String::from_utf8(out.into_inner()).unwrap()
    }

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(&["ID", "NAME", "PIN"]);
        table.row([Text::from("a"), Text::from("long name"), Text::from("3")]);
        table.row([Text::from("bcdef"), Text::from("x"), Text::from("blocked")]);
        assert_eq!(
            written(&table),
            "ID     NAME       PIN\n\
             a      long name  3\n\
             bcdef  x          blocked\n"
        );
    }

    #[test]
    fn styles_and_wide_characters_do_not_shift_columns() {
        let mut table = Table::new(&["A", "B"]);
        table.row([Text::styled("日本", BOLD), Text::from("1")]);
        table.row([Text::from("abcd"), Text::from("2")]);
        assert_eq!(written(&table), "A     B\n日本  1\nabcd  2\n");
    }

    #[test]
    fn empty_columns_are_left_out() {
        let mut table = Table::new(&["A", "B", "C"]).indented(2);
        table.row([Text::from("1"), Text::new(), Text::from("2")]);
        assert_eq!(written(&table), "  A  C\n  1  2\n");
    }

    #[test]
    fn what_is_too_wide_goes_beneath_its_row() {
        let mut table = Table::new(&["ID", "NAME", "PIN", "READER"]);
        let row = [
            "abc",
            "some name",
            "6 tries left",
            "Reader with a long name",
        ];
        table.row(row.map(Text::from));
        let narrow = "ID   NAME       PIN\n\
                      abc  some name  6 tries left\n    \
                      reader Reader with a long\n           name\n";
        assert_eq!(written_within(&table, Some(30)), narrow);
        let whole = written(&table);
        assert_eq!(written_within(&table, Some(53)), whole);
        for limit in 10..53 {
            let text = written_within(&table, Some(limit));
            for word in row.iter().flat_map(|cell| cell.split(' ')) {
                assert!(text.contains(word), "{limit}: {text}");
            }
            assert!(
                limit < 31 || text.lines().all(|line| line.len() <= limit),
                "{text}"
            );
        }
    }

    #[test]
    fn no_line_ends_in_blanks() {
        let mut table = Table::new(&["A", "LONG HEADER"]);
        table.row([Text::from("a long cell"), Text::from("x")]);
        table.row([Text::from("b")]);
        assert!(written(&table).lines().all(|line| line == line.trim_end()));
    }

    #[test]
    fn without_rows_there_is_nothing() {
        assert_eq!(written(&Table::new(&["A"])), "");
    }
}
