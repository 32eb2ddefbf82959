//! The command `fido`.

use clap::{Args, Subcommand};

use crate::secret::Descriptor;

/// What `fido` does.
#[derive(Debug, Subcommand)]
pub(crate) enum FidoCommand {
    /// Look after the FIDO PIN: one of its own, or the PIN of the token where they share one.
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Pin {
        #[command(subcommand)]
        command: FidoPinCommand,
    },
}

/// What `fido pin` does.
#[derive(Debug, Subcommand)]
pub(crate) enum FidoPinCommand {
    /// Show whether a FIDO PIN is set, the tries left, and the rules for a new one.
    #[command(after_help = "Examples:\n  \
        tokenctl fido pin status\n  \
        tokenctl fido pin status --json | jq .pin.tries_left\n\n\
        No PIN is asked for and no try is spent.")]
    Status,

    /// Verify the FIDO PIN: check that it is right.
    #[command(after_help = "Examples:\n  \
        tokenctl fido pin verify\n  \
        tokenctl fido pin verify --pin-fd 0 < pin.txt\n\n\
        A right PIN spends no try, and gives all of them back.")]
    Verify(FidoPinVerifyArgs),

    /// Set the first FIDO PIN, where there is none yet.
    #[command(after_help = "Examples:\n  \
        tokenctl fido pin set\n  \
        tokenctl fido pin set --new-pin-fd 0 < pin.txt\n\n\
        A FIDO PIN is text: letters, digits and all else. Who forgets it can only reset the FIDO \
        application, which erases its credentials.")]
    Set(FidoPinSetArgs),

    /// Change the FIDO PIN, knowing the present one.
    #[command(after_help = "Examples:\n  \
        tokenctl fido pin change\n  \
        tokenctl fido pin change --pin-fd 0 --new-pin-fd 0 < two-lines.txt\n\n\
        After three wrong ones in a row the token takes none until it was taken out and put back.")]
    Change(FidoPinChangeArgs),
}

/// What `fido pin verify` takes.
#[derive(Debug, Args)]
pub(crate) struct FidoPinVerifyArgs {
    /// Read the FIDO PIN from this file descriptor.
    #[arg(long, value_name = "N")]
    pub(crate) pin_fd: Option<Descriptor>,

    /// Agree to use the last try, or one that the card does not tell from the last.
    #[arg(long)]
    pub(crate) last_try: bool,
}

/// What `fido pin set` takes.
#[derive(Debug, Args)]
pub(crate) struct FidoPinSetArgs {
    /// Read the new FIDO PIN from this file descriptor.
    #[arg(long, value_name = "N")]
    pub(crate) new_pin_fd: Option<Descriptor>,

    /// Print what would be done, ask for nothing and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// What `fido pin change` takes.
#[derive(Debug, Args)]
pub(crate) struct FidoPinChangeArgs {
    /// Read the present FIDO PIN from this file descriptor.
    #[arg(long, value_name = "N")]
    pub(crate) pin_fd: Option<Descriptor>,

    /// Read the new FIDO PIN from this file descriptor; from the same one, it is the next line.
    #[arg(long, value_name = "N")]
    pub(crate) new_pin_fd: Option<Descriptor>,

    /// Agree to use the last try, or one that the card does not tell from the last.
    #[arg(long)]
    pub(crate) last_try: bool,

    /// Print what would be done, ask for nothing and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}
