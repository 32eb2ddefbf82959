//! The Devices view: a desktop window for PIV security tokens, as a library, so that tests
//! and other programs can put it on a backend of their own. The program is `devices-view`.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use devices_view::{Config, DevicesView, Lending};
//! use eframe::egui;
//! use pcsc_transport::Backend;
//! use token_desktop::PairingCodes;
//! use token_manager::{Manager, PairingCodeStore};
//! use virtual_token::{CreateOptions, MemoryBackend, Profile, SharedToken, VirtualToken};
//!
//! // A software token in a reader; with hardware this is PC/SC's backend.
//! let card = VirtualToken::create(Profile::Piv, &CreateOptions::default())?;
//! let readers = MemoryBackend::new();
//! readers.insert("Desk", &SharedToken::new(card))?;
//! let backend: Arc<dyn Backend> = Arc::new(readers);
//!
//! // None is kept for the login session here; a program takes `PairingCodes::new()`, and its
//! // manager from `token_desktop::Desktop`.
//! let pairing_codes = Arc::new(PairingCodes::with_kept(None));
//! let codes = Arc::clone(&pairing_codes) as Arc<dyn PairingCodeStore>;
//!
//! // A program hands it to `eframe::run_native`, which calls it for each frame.
//! let context = egui::Context::default();
//! let window = DevicesView::new(&context, Config {
//!     manager: Manager::new(Arc::clone(&backend)).with_pairing_codes(codes),
//!     backend,
//!     is_virtual: true,
//!     pairing_codes,
//!     lending: Lending::default(),
//!     lock_after: Duration::from_secs(300),
//!     theme: egui::ThemePreference::System,
//!     close_at_first_tile: false,
//! });
//! # drop(window);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it does by itself
//!
//! It waits for readers and cards on a thread, and has one more for each token, which reads
//! the token when it appears: as it is remembered, then held against that
//! ([`token_manager::Freshness`]). Nothing is asked of a card besides that and what a person
//! asks for. Nothing is drawn while nothing has happened.
//!
//! # Secrets
//!
//! What is typed lies in memory of its own, not in egui's, and is wiped when it was handed on
//! or the dialog is gone. Tokens that are open are locked by a click, after
//! [`Config::lock_after`], before the computer sleeps and when its screen is locked
//! (Linux: logind), and when the window is closed.

mod app;
mod appearance;
mod clearing;
mod content;
mod devices;
mod dialogs;
mod lending;
mod preferences;
mod suspend;
mod theme;
mod tiles;
mod watch;
mod widgets;
mod work;

pub use app::{Config, DevicesView, TITLE};
pub use lending::{Lending, OpenClipboard};
