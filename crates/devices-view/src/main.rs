//! `devices-view`: the window, on this person's desktop.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, ValueEnum, ValueHint};
use devices_view::{Config, DevicesView, Lending, TITLE};
use eframe::egui;
use pcsc_transport::Backend;
use pcsc_transport::pcsc::PcscBackend;
use token_desktop::{Desktop, Place, cache, trust_by_environment, trust_in_files};
use token_manager::{CardTrust, Overrides};
use virtual_token::EmbeddedBackend;

/// A window for PIV security tokens: what is on them, their PINs, their set-up
#[derive(Debug, Parser)]
#[command(version, about)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option")]
struct Arguments {
    /// Show the software tokens of this computer instead of those in readers
    #[arg(long)]
    r#virtual: bool,

    /// Lock an open token after so many minutes without a key or the mouse
    #[arg(long, value_name = "MINUTES", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1440))]
    lock_after: u64,

    /// Light or dark
    #[arg(long, value_enum, default_value_t = Theme::System)]
    theme: Theme,

    /// Remember nothing of tokens, and use nothing that is remembered
    #[arg(long)]
    no_cache: bool,

    /// Believe cards on contactless readers that the certificate in FILE vouches for
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    trust_anchor: Vec<PathBuf>,

    /// Believe every card on a contactless reader: also one that only pretends to be yours
    #[arg(long, conflicts_with = "trust_anchor")]
    trust_any_card: bool,

    /// Close again as soon as a token is shown: to time the start
    #[arg(long, hide = true)]
    close_at_first_tile: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Theme {
    /// As the system has it.
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Theme {
    fn preference(self) -> egui::ThemePreference {
        match self {
            Self::System => egui::ThemePreference::System,
            Self::Light => egui::ThemePreference::Light,
            Self::Dark => egui::ThemePreference::Dark,
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("devices-view: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let backend = backend(arguments.r#virtual)?;
    let desktop = Desktop::new()
        .with_cache(cache(arguments.no_cache))
        .with_trust(trust(arguments)?);
    let manager = desktop.manager(Arc::clone(&backend), Overrides::default())?;
    let config = Config {
        backend,
        manager,
        is_virtual: arguments.r#virtual,
        pairing_codes: Arc::clone(desktop.pairing_codes()),
        lending: Lending::default(),
        lock_after: Duration::from_secs(60 * arguments.lock_after),
        theme: arguments.theme.preference(),
        close_at_first_tile: arguments.close_at_first_tile,
    };
    let options = eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_title(TITLE)
            .with_app_id("devices-view")
            .with_inner_size([900.0, 680.0])
            .with_min_inner_size([480.0, 400.0]),
        ..eframe::NativeOptions::default()
    };
    let open: eframe::AppCreator<'_> = Box::new(|creation| {
        close_when_told(&creation.egui_ctx)?;
        Ok(Box::new(DevicesView::new(&creation.egui_ctx, config)))
    });
    eframe::run_native("devices-view", options, open).map_err(|error| {
        format!("no window can be opened: {error}. On a computer without a desktop use tokenctl")
            .into()
    })
}

/// Ctrl-C, and what asks a process to end: the window closes as by its button, so that
/// tokens are locked.
fn close_when_told(context: &egui::Context) -> Result<(), ctrlc::Error> {
    let context = context.clone();
    ctrlc::set_handler(move || {
        context.send_viewport_cmd(egui::ViewportCommand::Close);
        context.request_repaint();
    })
}

/// Whom to believe: what the command line says, or else the environment.
fn trust(arguments: &Arguments) -> Result<CardTrust, Box<dyn std::error::Error>> {
    Ok(if arguments.trust_any_card {
        CardTrust::AnyCard
    } else if arguments.trust_anchor.is_empty() {
        trust_by_environment()?
    } else {
        trust_in_files(&arguments.trust_anchor)?
    })
}

fn backend(is_virtual: bool) -> Result<Arc<dyn Backend>, Box<dyn std::error::Error>> {
    if is_virtual {
        let directory = Place::SoftwareTokens.directory()?;
        return Ok(Arc::new(EmbeddedBackend::open(directory)?));
    }
    Ok(Arc::new(PcscBackend::new()))
}
