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

/// How the programs are built.
#[derive(Clone, Copy)]
pub(crate) enum Build {
    /// As tests want them.
    Debug,
    /// As people use them, where their time counts.
    Release,
}

impl Build {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Debug => &[],
            Self::Release => &["--release"],
        }
    }

    /// Where cargo puts them.
    fn directory(self) -> PathBuf {
        target().join(match self {
            Self::Debug => "debug",
            Self::Release => "release",
        })
    }
}

/// The built programs, and a directory for the socket of a pcscd of our own.
/// The tests start and stop that pcscd themselves, beside one that the system
/// may run; its directory goes away with this value.
pub(crate) struct Stage {
    tokenctl: PathBuf,
    examples: PathBuf,
    logs: PathBuf,
    directory: PathBuf,
}

impl Stage {
    /// Whether pcscd and vpcd can be had on this system.
    pub(crate) fn possible_here() -> bool {
        packages::known_here()
    }

    /// Builds what runs on the stage, with cargo's package `selection`.
    pub(crate) fn build(build: Build, selection: &[&str]) -> Outcome<Self> {
        run(&mut cargo(
            [
                &["build", "--bins", "--examples"],
                build.arguments(),
                selection,
            ]
            .concat(),
        ))?;
        let logs = target().join("e2e");
        make(&logs)?;
        // A copy: other steps build tokenctl anew with other features.
        let tokenctl = logs.join("tokenctl");
        let program = build.directory().join("tokenctl");
        fs::copy(&program, &tokenctl).map_err(|error| format!("{}: {error}", program.display()))?;

        // A socket's path is at most 108 bytes long: not in target/.
        let directory = std::env::temp_dir().join(format!("tokenctl-e2e-{}", std::process::id()));
        make(&directory)?;
        Ok(Self {
            tokenctl,
            examples: build.directory().join("examples"),
            logs,
            directory,
        })
    }

    /// Builds the independent PIV card, which the tests use and nothing else.
    pub(crate) fn build_independent_card() -> Outcome {
        let mut build = cargo([
            "build",
            "--locked",
            "--manifest-path",
            CARD_MANIFEST,
            "--target-dir",
        ]);
        run(build.arg(card_target()))
    }

    /// Tells `command` where everything is. PC/SC clients, too, then find our
    /// pcscd and no other.
    pub(crate) fn enter<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("PCSCLITE_CSOCK_NAME", self.directory.join("pcscd.comm"))
            .env("E2E_TOKENCTL", &self.tokenctl)
            .env("E2E_EXAMPLES", &self.examples)
            .env("E2E_INDEPENDENT_CARD", independent_card())
            .env("E2E_LOGS", &self.logs)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Best effort: it is a directory of temporary files.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Where the independent card is built: a workspace of its own.
fn card_target() -> PathBuf {
    target().join("interop")
}

fn independent_card() -> PathBuf {
    card_target().join("debug/piv-authenticator-card")
}

fn make(directory: &Path) -> Outcome {
    fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))
}
