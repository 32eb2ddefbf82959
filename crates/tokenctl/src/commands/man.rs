//! `man`: manual pages.

use std::io::{self, Write as _};
use std::path::Path;

use clap::CommandFactory as _;
use clap_mangen::Man;

use crate::cli::Cli;
use crate::error::{Kind, Report, Result};
use crate::json;
use crate::output::Output;
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
    let (name, roff) = page(Cli::command())?;
    if output.json {
        let page = json::ManPage {
            name,
            path: None,
            roff: Some(String::from_utf8_lossy(&roff).into_owned()),
        };
        output.document(&json::Document::new(json::Man { pages: vec![page] }))?;
    } else {
        let mut stdout = io::stdout().lock();
        stdout.write_all(&roff)?;
        stdout.flush()?;
    }
    Ok(())
}

fn write_all(directory: &Path, output: &Output) -> Result {
    let failed = |what: &Path, error: io::Error| {
        Report::new(Kind::Other, format!("{} could not be written: {error}", what.display()))
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
        output.document(&json::Document::new(json::Man { pages }))?;
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
    let man = Man::new(command);
    let mut roff = Vec::new();
    man.render(&mut roff)?;
    Ok((man.get_filename(), roff))
}

/// The command and all below it.
fn with_subcommands(command: clap::Command) -> Vec<clap::Command> {
    let below: Vec<clap::Command> = command.get_subcommands().cloned().collect();
    let mut all = vec![command];
    all.extend(below.into_iter().flat_map(with_subcommands));
    all
}
