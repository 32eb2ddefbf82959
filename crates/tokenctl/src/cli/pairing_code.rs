//! The command `pairing-code`.

use clap::{Args, Subcommand};

use crate::authority::PinArgs;
use crate::reveal::RevealArgs;

/// What `pairing-code` does.
#[derive(Debug, Subcommand)]
pub(crate) enum PairingCodeCommand {
    /// Show the pairing code, or put it into the clipboard for a short while.
    #[command(after_help = "Examples:\n  \
        tokenctl pairing-code show              On a page that is cleared again\n  \
        tokenctl pairing-code show --copy=20\n  \
        tokenctl pairing-code show --show --pin-fd 0 < pin.txt\n\n\
        The PIN is asked for. A card gives its pairing code on the contact interface only.")]
    Show(PairingCodeShowArgs),

    /// Retrieve the pairing code and keep it until you log out.
    #[command(after_help = "Examples:\n  \
        tokenctl pairing-code cache\n  \
        tokenctl pairing-code cache --pin-fd 0 < pin.txt\n\n\
        It is kept for the card's GUID: in the kernel's session keyring on Linux, for the logon \
        session in the Credential Manager of Windows. Where there is no such place, none is kept.")]
    Cache(PairingCodeCacheArgs),

    /// List the cards whose pairing code is kept, without the codes.
    #[command(after_help = "Examples:\n  \
        tokenctl pairing-code list\n  \
        tokenctl pairing-code list --json | jq -r '.cards[].guid'\n\n\
        Needs neither a token nor a reader.")]
    List,

    /// Forget the pairing code that is kept for a card, or all of them.
    #[command(after_help = "Examples:\n  \
        tokenctl pairing-code forget           The only one\n  \
        tokenctl pairing-code forget 24fb\n  \
        tokenctl pairing-code forget --all\n\n\
        Needs neither the token nor a reader. The code on the card stays as it is.")]
    Forget(PairingCodeForgetArgs),
}

/// What `pairing-code show` takes.
#[derive(Debug, Args)]
pub(crate) struct PairingCodeShowArgs {
    #[command(flatten)]
    pub(crate) reveal: RevealArgs,

    #[command(flatten)]
    pub(crate) pin: PinArgs,
}

/// What `pairing-code cache` takes.
#[derive(Debug, Args)]
pub(crate) struct PairingCodeCacheArgs {
    #[command(flatten)]
    pub(crate) pin: PinArgs,
}

/// What `pairing-code forget` takes.
#[derive(Debug, Args)]
pub(crate) struct PairingCodeForgetArgs {
    /// The token's id or GUID; its beginning is enough.
    #[arg(value_name = "TOKEN", conflicts_with = "token")]
    pub(crate) id: Option<String>,

    /// Forget all that are kept.
    #[arg(long, conflicts_with_all = ["id", "token"])]
    pub(crate) all: bool,
}
