//! `man`: manual pages.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

use clap::CommandFactory as _;
use clap_mangen::Man;

use crate::cli::Cli;
use crate::error::{Kind, Report, Result};
use crate::json;
use crate::output::{self, Output};
use crate::text::Text;

/// Writes the main page to stdout, or one page for each command into
/// `directory`.
pub(crate) fn run(directory: Option<&Path>, output: &Output) -> Result {
    match directory {
        None => print(output),
        Some(directory) => write_all(directory, output),
    }
}

fn print(output: &Output) -> Result {
    let (name, roff) = page(Cli::command().disable_help_subcommand(true))?;
    if output.json {
        let page = json::ManPage {
            name,
            path: None,
            roff: Some(String::from_utf8_lossy(&roff).into_owned()),
        };
        output::document(&json::Document::new(json::Man { pages: vec![page] }))?;
    } else {
        let mut stdout = io::stdout().lock();
        stdout.write_all(&roff)?;
        stdout.flush()?;
    }
    Ok(())
}

fn write_all(directory: &Path, output: &Output) -> Result {
    let failed = |what: &Path, error: io::Error| {
        Report::new(
            Kind::Other,
            format!("{} could not be written: {error}", what.display()),
        )
    };
    std::fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
    let mut command = Cli::command().disable_help_subcommand(true);
    // Gives every command its full name and the global options.
    command.build();
    let mut pages = Vec::new();
    for command in with_subcommands(command) {
        let (name, roff) = page(command)?;
        let path = directory.join(&name);
        std::fs::write(&path, roff).map_err(|error| failed(&path, error))?;
        pages.push(json::ManPage {
            name,
            path: Some(path.display().to_string()),
            roff: None,
        });
    }
    if output.json {
        output::document(&json::Document::new(json::Man { pages }))?;
    } else {
        output.remark(&Text::from(format!(
            "{} pages written to {}",
            pages.len(),
            directory.display()
        )));
    }
    Ok(())
}

/// A command's page and the name of its file.
fn page(command: clap::Command) -> io::Result<(String, Vec<u8>)> {
    let extra = command.get_after_help().map(ToString::to_string);
    let has_subcommands = command.has_subcommands();
    let man = Man::new(command);
    let mut roff = Vec::new();
    man.render_title(&mut roff)?;
    man.render_name_section(&mut roff)?;
    man.render_synopsis_section(&mut roff)?;
    man.render_description_section(&mut roff)?;
    man.render_options_section(&mut roff)?;
    if has_subcommands {
        man.render_subcommands_section(&mut roff)?;
    }
    roff.extend(sections(&extra.unwrap_or_default()).into_bytes());
    Ok((man.get_filename(), roff))
}

/// What follows the help, as sections: a paragraph with a title (`Examples:`)
/// becomes one of its own, in which lines stay lines; the others are notes.
fn sections(text: &str) -> String {
    // Writing to a String cannot fail.
    let mut roff = String::new();
    let mut notes = String::new();
    for paragraph in text.split("\n\n") {
        match paragraph.split_once(":\n") {
            Some((title, lines)) if lines.starts_with("  ") => {
                let _ = write!(roff, ".SH \"{}\"\n.nf\n", title.to_uppercase());
                for line in lines.lines() {
                    roff.push_str(&escape(line.strip_prefix("  ").unwrap_or(line)));
                    roff.push('\n');
                }
                roff.push_str(".fi\n");
            }
            _ if paragraph.is_empty() => {}
            _ => {
                let _ = write!(notes, ".PP\n{}\n", escape(paragraph));
            }
        }
    }
    if !notes.is_empty() {
        roff.push_str(".SH NOTES\n");
        roff.push_str(&notes);
    }
    roff
}

/// Text that roff takes as text : backslashes and hyphens as
/// themselves, no line that begins with a control character.
fn escape(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-");
    if escaped.starts_with(['.', '\'']) {
        format!("\\&{escaped}")
    } else {
        escaped
    }
}

/// The command and all below it.
fn with_subcommands(command: clap::Command) -> Vec<clap::Command> {
    let below: Vec<clap::Command> = command.get_subcommands().cloned().collect();
    let mut all = vec![command];
    all.extend(below.into_iter().flat_map(with_subcommands));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titled_paragraphs_become_sections() {
        let roff = sections("Examples:\n  a --b   c\n  .d\n\nA note.\n\nAnother.");
        assert_eq!(
            roff,
            ".SH \"EXAMPLES\"\n.nf\na \\-\\-b   c\n\\&.d\n.fi\n\
             .SH NOTES\n.PP\nA note.\n.PP\nAnother.\n"
        );
    }
}
