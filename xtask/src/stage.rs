//! What the end-to-end tests and the counting need around them: the programs
//! under test, and a place of its own for their pcscd.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    packages,
    process::{Outcome, cargo, run, target},
};

const CARD_MANIFEST: &str = "interop/piv-authenticator-card/Cargo.toml";

/// The built programs, and a directory for the socket of a pcscd of our own.
/// The tests start and stop that pcscd themselves, beside one that the system
/// may run; its directory goes away with this value.
pub(crate) struct Stage {
    tokenctl: PathBuf,
    examples: PathBuf,
    card: PathBuf,
    logs: PathBuf,
    directory: PathBuf,
}

impl Stage {
    /// Whether pcscd and vpcd can be had on this system.
    pub(crate) fn possible_here() -> bool {
        packages::known_here()
    }

    /// Builds what runs on the stage, with cargo's package `selection`.
    pub(crate) fn build(selection: &[&str]) -> Outcome<Self> {
        let card = Self::build_independent_card()?;
        run(&mut cargo(
            [&["build", "--bins", "--examples"], selection].concat(),
        ))?;
        let logs = target().join("e2e");
        make(&logs)?;
        // A copy: other steps build tokenctl anew with other features.
        let tokenctl = logs.join("tokenctl");
        let built = target().join("debug/tokenctl");
        fs::copy(&built, &tokenctl).map_err(|error| format!("{}: {error}", built.display()))?;

        // A socket's path is at most 108 bytes long: not in target/.
        let directory = std::env::temp_dir().join(format!("tokenctl-e2e-{}", std::process::id()));
        make(&directory)?;
        Ok(Self {
            tokenctl,
            examples: target().join("debug/examples"),
            card,
            logs,
            directory,
        })
    }

    /// Builds the independent PIV card and says where it is.
    pub(crate) fn build_independent_card() -> Outcome<PathBuf> {
        let place = target().join("interop");
        let mut build = cargo([
            "build",
            "--locked",
            "--manifest-path",
            CARD_MANIFEST,
            "--target-dir",
        ]);
        run(build.arg(&place))?;
        Ok(place.join("debug/piv-authenticator-card"))
    }

    /// Tells `command` where everything is. PC/SC clients, too, then find our
    /// pcscd and no other.
    pub(crate) fn enter<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("PCSCLITE_CSOCK_NAME", self.directory.join("pcscd.comm"))
            .env("E2E_TOKENCTL", &self.tokenctl)
            .env("E2E_EXAMPLES", &self.examples)
            .env("E2E_INDEPENDENT_CARD", &self.card)
            .env("E2E_LOGS", &self.logs)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Best effort: it is a directory of temporary files.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn make(directory: &Path) -> Outcome {
    fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))
}
