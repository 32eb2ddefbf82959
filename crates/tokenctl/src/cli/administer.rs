//! The commands that administer a token.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use token_manager::token_profile::ChallengeType;

use crate::authority::{AuthorityArgs, ManagementArgs, PassphraseArgs, PinArgs};
use crate::handover::HandOverArgs;
use crate::manage::RiskArgs;
use crate::reveal::RevealArgs;
use crate::secret::Descriptor;

/// What `puk` does.
#[derive(Debug, Subcommand)]
pub(crate) enum PukCommand {
    /// Show the PUK, or the admin key that unblocks the token, where it was kept.
    #[command(after_help = "Examples:\n  \
        tokenctl puk show                       On a page that is cleared again\n  \
        tokenctl puk show --show --pin-fd 0 < pin.txt\n\n\
        Only one that this software has set and kept can be shown. The PIN is asked for.")]
    Show(PukShowArgs),

    /// Erase the PUK or admin key that was kept, so that it is never shown again.
    #[command(after_help = "Examples:\n  \
        tokenctl puk forget\n  \
        tokenctl puk forget --yes --pin-fd 0 < pin.txt\n\n\
        It still unblocks the token. From file descriptors: PIN, then management key.")]
    Forget(PukForgetArgs),

    /// Change the PUK, knowing the present one.
    #[command(after_help = "Examples:\n  \
        tokenctl puk change\n  \
        tokenctl puk change --puk-fd 0 --new-puk-fd 0 < two-lines.txt\n\n\
        A PUK has eight characters. Where it is kept behind the PIN, the PIN is asked for too. From \
        file descriptors: PUK, new PUK, PIN, management key.")]
    Change(PukChangeArgs),
}

/// What `puk show` takes.
#[derive(Debug, Args)]
pub(crate) struct PukShowArgs {
    #[command(flatten)]
    pub(crate) reveal: RevealArgs,

    #[command(flatten)]
    pub(crate) pin: PinArgs,
}

/// What `puk forget` takes.
#[derive(Debug, Args)]
pub(crate) struct PukForgetArgs {
    /// Agree to it without being asked.
    #[arg(long)]
    pub(crate) yes: bool,

    /// Print what would be done, ask for nothing and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) pin: PinArgs,

    #[command(flatten)]
    pub(crate) management: ManagementArgs,

    #[command(flatten)]
    pub(crate) risks: RiskArgs,
}

/// What `puk change` takes.
#[derive(Debug, Args)]
pub(crate) struct PukChangeArgs {
    /// Read the present PUK from this file descriptor.
    #[arg(long, value_name = "N")]
    pub(crate) puk_fd: Option<Descriptor>,

    /// Read the new PUK from this file descriptor; from the same one, it is the next line.
    #[arg(long, value_name = "N")]
    pub(crate) new_puk_fd: Option<Descriptor>,

    /// Print what would be done, ask for nothing and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) pin: PinArgs,

    #[command(flatten)]
    pub(crate) management: ManagementArgs,

    #[command(flatten)]
    pub(crate) risks: RiskArgs,
}

/// What `policy` does.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Show each rule for the PIN, who enforces it, and whether it can be set.
    #[command(after_help = "Examples:\n  \
        tokenctl policy show\n  \
        tokenctl policy show --json | jq -r '.rules[] | [.rule, .value, .enforced_by] | @tsv'\n\n\
        No PIN is asked for.")]
    Show,

    /// Set rules for the PIN; those that are not named stay.
    #[command(after_help = "Examples:\n  \
        tokenctl policy set --min 6 --digits\n  \
        tokenctl policy set --refuse-weak --force-change --dry-run\n  \
        tokenctl policy set --refuse-weak=no --pin-fd 0 < pin.txt\n\n\
        What will be done is printed first, and the PIN confirms it. --dry-run asks for no PIN and \
        sends nothing. Whether the PIN is shared with FIDO is decided at personalization only.")]
    Set(PolicySetArgs),
}

/// The rules of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Rules for the PIN")]
pub(crate) struct PolicyArgs {
    /// Set the least length of a PIN, 4 to 8.
    #[arg(long, value_name = "N")]
    pub(crate) min: Option<u8>,

    /// Set the greatest length of a PIN, 4 to 8.
    #[arg(long, value_name = "N")]
    pub(crate) max: Option<u8>,

    /// Let a PIN be made of digits only.
    #[arg(long)]
    pub(crate) digits: bool,

    /// Let a PIN be made of any characters.
    #[arg(long, conflicts_with = "digits")]
    pub(crate) any: bool,

    /// Have the PIN changed before the token is used, or not.
    #[arg(long, value_enum, value_name = "yes|no", num_args = 0..=1, require_equals = true, default_missing_value = "yes")]
    pub(crate) force_change: Option<Switch>,

    /// Choose the challenge for unblocking: another one each time, or always the same.
    #[arg(long, value_enum, value_name = "static|dynamic")]
    pub(crate) challenge: Option<Challenge>,

    /// Refuse a new PIN such as 123456, or do not.
    #[arg(long, value_enum, value_name = "yes|no", num_args = 0..=1, require_equals = true, default_missing_value = "yes")]
    pub(crate) refuse_weak: Option<Switch>,

    /// Make the PIN and the FIDO PIN one, or not; only when personalizing.
    #[arg(long, value_enum, value_name = "yes|no", num_args = 0..=1, require_equals = true, default_missing_value = "yes")]
    pub(crate) fido_shared_pin: Option<Switch>,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// On.
    Yes,
    /// Off.
    No,
}

impl From<Switch> for bool {
    fn from(switch: Switch) -> bool {
        switch == Switch::Yes
    }
}

/// The challenge for unblocking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Challenge {
    /// Always the same: its response is a fixed unlock code.
    Static,
    /// Another one each time.
    Dynamic,
}

impl From<Challenge> for ChallengeType {
    fn from(challenge: Challenge) -> ChallengeType {
        match challenge {
            Challenge::Static => ChallengeType::Static,
            Challenge::Dynamic => ChallengeType::Dynamic,
        }
    }
}

/// What `policy set` takes.
#[derive(Debug, Args)]
pub(crate) struct PolicySetArgs {
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,

    /// Print what would be done, ask for nothing and change nothing.
    #[arg(long, help_heading = None)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) pin: PinArgs,

    #[command(flatten)]
    pub(crate) risks: RiskArgs,
}

/// What `admin-key` does.
#[derive(Debug, Subcommand)]
pub(crate) enum AdminKeyCommand {
    /// Check whether a key is the token's; no try is spent.
    #[command(after_help = "Examples:\n  \
        tokenctl admin-key check\n  \
        tokenctl admin-key check --key-file office.pem\n  \
        tokenctl admin-key check --key-fd 0 < key.hex\n  \
        tokenctl admin-key check --management-key --algorithm aes-256\n\n\
        Exit code 10 means that it is another key.")]
    Check(AdminKeyCheckArgs),

    /// Give the token a new admin key (XAUTH key 1 of a Crescendo).
    #[command(after_help = "Examples:\n  \
        tokenctl admin-key set --generate\n  \
        tokenctl admin-key set --generate --save key.txt --saved-is-taken --pin-fd 0 < pin.txt\n  \
        tokenctl admin-key set --admin-key-fd 0 --key-fd 0 < old-and-new.hex\n  \
        tokenctl admin-key set --delivery\n\n\
        The token gets the key only after it was taken over. A file holds a line for each secret: \
        `admin-key: 0123-4567...`. From file descriptors: PIN or present key, then the new key.")]
    Set(AdminKeySetArgs),
}

/// What `admin-key set` takes.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option")]
pub(crate) struct AdminKeySetArgs {
    /// Make a random key, of the algorithm that the token wants, and hand it over.
    #[arg(long, conflicts_with_all = ["key_fd", "delivery"])]
    pub(crate) generate: bool,

    /// Read the new key, in hexadecimal, from this file descriptor.
    #[arg(long, value_name = "N", conflicts_with = "delivery")]
    pub(crate) key_fd: Option<Descriptor>,

    /// Take the new key from FILE, which `helpdesk new-key-file` made.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["generate", "key_fd", "delivery"])]
    pub(crate) key_file: Option<PathBuf>,

    /// Print what would be done, ask for nothing and send nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Put the delivery value back, which everybody knows: zeros throughout.
    #[arg(long)]
    pub(crate) delivery: bool,

    /// Agree to the delivery value without being asked.
    #[arg(long, requires = "delivery")]
    pub(crate) yes: bool,

    #[command(flatten)]
    pub(crate) hand_over: HandOverArgs,

    #[command(flatten)]
    pub(crate) authority: AuthorityArgs,

    #[command(flatten)]
    pub(crate) risks: RiskArgs,
}

/// What `admin-key check` takes.
#[derive(Debug, Args)]
pub(crate) struct AdminKeyCheckArgs {
    /// Read the admin key, in hexadecimal, from this file descriptor.
    #[arg(long, value_name = "N", conflicts_with_all = ["management_key", "management_key_fd"])]
    pub(crate) key_fd: Option<Descriptor>,

    /// Take the admin key from FILE, which `helpdesk new-key-file` made.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["key_fd", "management_key", "management_key_fd"])]
    pub(crate) key_file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,

    /// Check the PIV card management key (9B) instead.
    #[arg(long)]
    pub(crate) management_key: bool,

    #[command(flatten)]
    pub(crate) management: ManagementArgs,

    #[command(flatten)]
    pub(crate) risks: RiskArgs,
}
