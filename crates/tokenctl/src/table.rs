//! Aligned columns.

use std::io::{self, Write};

use crate::text::{DIM, Text};

/// Rows of cells under a header. A column that is empty throughout is left out.
#[derive(Debug)]
pub(crate) struct Table {
    header: Vec<Text>,
    rows: Vec<Vec<Text>>,
    indent: usize,
}

impl Table {
    /// A table with these column names.
    pub(crate) fn new(header: &[&str]) -> Self {
        Table {
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

    /// Writes header and rows, or nothing if there is no row.
    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let columns: Vec<(usize, usize)> = (0..self.header.len())
            .filter_map(|column| {
                let widest = self.rows.iter().map(|row| row[column].width()).max()?;
                (widest > 0).then(|| (column, widest.max(self.header[column].width())))
            })
            .collect();
        for row in std::iter::once(&self.header).chain(&self.rows) {
            write_row(out, self.indent, row, &columns)?;
        }
        Ok(())
    }
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
        let mut out = anstream::StripStream::new(Vec::new());
        table.write(&mut out).unwrap();
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
