//! The command `otp`.

use clap::{Args, Subcommand, ValueEnum};

use crate::authority::PinArgs;

/// What `otp` does.
#[derive(Debug, Subcommand)]
pub(crate) enum OtpCommand {
    /// List the slots for one-time passwords.
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  \
            tokenctl otp list\n  \
            tokenctl otp list --json | jq -r '.slots[].number'\n\n\
            Whether a slot is set up, and for which kind of code, a token tells only when it is \
            asked for one."
    )]
    List,

    /// Get a code: the next one (HOTP), or that of the time (TOTP).
    #[command(after_help = "Examples:\n  \
        tokenctl otp code                      The next HOTP of slot 1\n  \
        tokenctl otp code 2                    The TOTP of slot 2, with the PIN\n  \
        tokenctl otp code 3 --kind hotp\n  \
        code=$(tokenctl otp code 2 --pin-fd 3 3< pin.txt)\n\n\
        The button has to be pressed while the token's light blinks. The code alone goes to stdout. \
        TOTP takes the PIN, and this computer's clock. Each HOTP that is asked for moves the slot's \
        counter on. Exit code 14 means that the button was not pressed in time.")]
    Code(OtpCodeArgs),
}

/// What `otp code` takes.
#[derive(Debug, Args)]
pub(crate) struct OtpCodeArgs {
    /// The slot's number.
    #[arg(default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=3))]
    pub(crate) slot: u8,

    /// The kind of code; by default HOTP of slot 1, and TOTP of the others.
    #[arg(long, value_enum, value_name = "KIND")]
    pub(crate) kind: Option<OtpKind>,

    /// Wait this long for the button.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 30,
        value_parser = clap::value_parser!(u16).range(1..=600)
    )]
    pub(crate) timeout: u16,

    #[command(flatten)]
    pub(crate) pin: PinArgs,
}

/// A kind of one-time password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OtpKind {
    /// By a counter (RFC 4226).
    Hotp,
    /// By the time (RFC 6238).
    Totp,
}

impl OtpKind {
    /// Its name in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            OtpKind::Hotp => "hotp",
            OtpKind::Totp => "totp",
        }
    }

    /// The kinds that a slot may give, the likelier first. The vendor's texts have HOTP alone
    /// in slot 1 and either in the others; its samples have TOTP there.
    pub(crate) fn of_slot(slot: u8) -> &'static [OtpKind] {
        match slot {
            1 => &[OtpKind::Hotp],
            _ => &[OtpKind::Totp, OtpKind::Hotp],
        }
    }
}
