//! `completions`: shell completion scripts.

use std::io::Write as _;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::error::Result;
use crate::json;
use crate::output::{self, Output};

/// Writes the script for `shell` to stdout.
pub(crate) fn run(shell: Shell, output: &Output) -> Result {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tokenctl", &mut script);
    if output.json {
        output::document(&json::Document::new(json::Completions {
            shell: shell.to_string(),
            script: String::from_utf8_lossy(&script).into_owned(),
        }))?;
    } else {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(&script)?;
        stdout.flush()?;
    }
    Ok(())
}
