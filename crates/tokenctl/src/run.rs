//! From arguments to an exit code.

use std::cell::OnceCell;
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::{Cli, Command};
use crate::commands;
use crate::error::{self, Kind, Report, Result};
use crate::json;
use crate::memory;
use crate::output::{self, Output};
use crate::secret;
use crate::source::Source;
use crate::trace::TraceFile;

/// Reads the command line and does what it says.
pub(crate) fn run() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => {
            let output = Output::new(&cli.global);
            if let Some(program) = &cli.global.pinentry {
                secret::use_pinentry(program);
            }
            error::finish(dispatch(&cli, &output), &output)
        }
        Err(error) => misused(&without_secret(error)),
    }
}

fn dispatch(cli: &Cli, output: &Output) -> Result {
    let trace = OnceCell::new();
    let cache = OnceCell::new();
    let source = || {
        let file = cli.global.trace.as_deref().map(TraceFile::create);
        let file = file.transpose()?;
        let source = Source::open(&cli.global, file.clone())?;
        if let Some(file) = file {
            let _ = trace.set(file);
        }
        let _ = cache.set(source.cache().clone());
        Ok(source)
    };
    let result = execute(cli, source, output);
    let traced = trace.get().map_or(Ok(()), TraceFile::check);
    if let (Err(_), Err(error)) = (&result, &traced) {
        output.warning(error.to_string());
    }
    if let Some(cache) = cache.get().filter(|cache| cache.has_failed_to_forget()) {
        output.warning(memory::not_forgotten(cache));
    }
    result.and(traced)
}

fn execute(cli: &Cli, source: impl Fn() -> Result<Source>, output: &Output) -> Result {
    match &cli.command {
        Command::List(freshness) => commands::list::run(&source()?, *freshness, output),
        Command::Show(arguments) => {
            let source = source()?.naming(arguments.id.clone());
            commands::show::run(&source, arguments, output)
        }
        Command::Watch => commands::watch::run(&source()?, output),
        Command::Pin { command } => commands::pin::run(command, &source()?, output),
        Command::Fido { command } => commands::fido::run(command, &source()?, output),
        Command::Puk { command } => commands::puk::run(command, &source()?, output),
        Command::PairingCode { command } => {
            let token = cli.global.token.as_deref();
            commands::pairing_code::run(command, token, source, output)
        }
        Command::Otp { command } => commands::otp::run(command, &source()?, output),
        Command::Policy { command } => commands::policy::run(command, &source()?, output),
        Command::AdminKey { command } => commands::admin_key::run(command, &source()?, output),
        Command::Recycle(arguments) => commands::recycle::run(arguments, &source()?, output),
        Command::Personalize(arguments) => {
            commands::personalize::run(arguments, &source()?, output)
        }
        Command::Cache { command } => {
            let source = || Ok(source()?.naming(cli.global.token.clone()));
            commands::cache::run(command, cli.global.no_cache, source, output)
        }
        Command::Cert { command } => commands::cert::run(command, &source()?, output),
        Command::Apdu(arguments) => commands::apdu::run(arguments, source, output),
        Command::Helpdesk { command } => commands::helpdesk::run(command, output),
        Command::Virtual { command } => commands::virtual_token::run(command, output),
        Command::Doctor => commands::doctor::run(cli.global.r#virtual, output),
        Command::Completions { shell } => commands::completions::run(*shell, output),
        Command::Man { output: directory } => commands::man::run(directory.as_deref(), output),
    }
}

/// What was given where nothing, a command or the number of a file descriptor
/// belongs may be a secret that should have been typed: it is not repeated.
fn without_secret(mut error: clap::Error) -> clap::Error {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let argument = text(ContextKind::InvalidArg);
    let hidden = match error.kind() {
        ErrorKind::UnknownArgument if argument.is_some_and(|text| !text.starts_with('-')) => {
            Some(ContextKind::InvalidArg)
        }
        // No command has a digit in its name, and most secrets have one.
        ErrorKind::InvalidSubcommand
            if text(ContextKind::InvalidSubcommand)
                .is_some_and(|text| text.contains(|c: char| c.is_ascii_digit())) =>
        {
            Some(ContextKind::InvalidSubcommand)
        }
        ErrorKind::TooManyValues => Some(ContextKind::InvalidValue),
        _ if argument.is_some_and(|text| text.contains("-fd "))
            && text(ContextKind::InvalidValue).is_some() =>
        {
            Some(ContextKind::InvalidValue)
        }
        _ => None,
    };
    if let Some(kind) = hidden {
        error.insert(kind, ContextValue::String("…".to_owned()));
    }
    error
}

/// Prints help, version, or what is wrong with the command line; the latter as
/// a document if one was asked for.
fn misused(error: &clap::Error) -> ExitCode {
    let wants_json = std::env::args_os()
        .take_while(|argument| argument != "--")
        .any(|argument| argument == "--json");
    if wants_json && error.use_stderr() {
        let message = error.render().to_string();
        let message = message.strip_prefix("error: ").unwrap_or(&message);
        let mut paragraphs = message.trim().splitn(2, "\n\n");
        let mut report = Report::new(Kind::Usage, paragraphs.next().unwrap_or_default());
        report.next = paragraphs.next().map(str::to_owned);
        let document = json::Document::new(json::ErrorReport {
            error: report.to_json(),
        });
        output::stderr_document(&document);
        return ExitCode::from(Kind::Usage.exit_code());
    }
    // Fails only if nobody reads it.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::from(Kind::Usage.exit_code()),
    }
}
