//! The command line of the toolkit: lists and shows PIV tokens, follows
//! readers, exports certificates, talks raw to a card, and makes software
//! tokens. Thin: what a token is, `token-manager` knows.

mod authority;
mod certificate_file;
mod cli;
mod clipboard;
mod commands;
mod contactless;
mod describe;
mod error;
mod handover;
mod hex;
mod json;
mod manage;
mod memory;
mod objects;
mod output;
mod plan;
mod reveal;
mod run;
mod secret;
mod signal;
mod source;
mod stdout;
mod table;
mod text;
mod trace;

use std::process::ExitCode;

fn main() -> ExitCode {
    run::run()
}
