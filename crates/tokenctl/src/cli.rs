//! The command line: one definition, from which help, completions and man
//! pages are made.

mod administer;
mod fido;
mod lifecycle;
mod otp;
mod pairing_code;

use std::path::PathBuf;

pub(crate) use administer::{
    AdminKeyCheckArgs, AdminKeyCommand, AdminKeySetArgs, PolicyArgs, PolicyCommand, PolicySetArgs,
    PukChangeArgs, PukCommand, PukForgetArgs, PukShowArgs,
};

pub(crate) use fido::{
    FidoCommand, FidoPinChangeArgs, FidoPinCommand, FidoPinSetArgs, FidoPinVerifyArgs,
};

pub(crate) use lifecycle::{PersonalizeArgs, RecycleArgs};

pub(crate) use otp::{OtpCodeArgs, OtpCommand, OtpKind};

pub(crate) use pairing_code::{
    PairingCodeCacheArgs, PairingCodeCommand, PairingCodeForgetArgs, PairingCodeShowArgs,
};

use crate::authority::PinArgs;
use crate::contactless::ContactlessArgs;
use crate::manage::RiskArgs;
use crate::memory::FreshnessArgs;
use crate::secret::Descriptor;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, ValueHint};

/// See every PIV token and all that is on it.
#[derive(Debug, Parser)]
#[command(
    name = "tokenctl",
    version,
    about = "See every PIV token and all that is on it.",
    long_about = "See every PIV token and all that is on it.\n\n\
        Works with HID Crescendo and any other NIST PIV card in a PC/SC reader, and with \
        software tokens that need neither a reader nor pcscd (--virtual).",
    after_help = "Examples:\n  \
        tokenctl list                One line for each token\n  \
        tokenctl show                All that is on the only token\n  \
        tokenctl doctor              Why is my token not seen?\n  \
        tokenctl virtual create --profile crescendo-2300 alice\n  \
        tokenctl --virtual show      The same, with no reader needed\n\n\
        Exit status:\n  \
        0  success              5  PC/SC not available\n  \
        1  other failure        6  several tokens, none named\n  \
        2  wrong usage          7  token gone or reset\n  \
        3  no token             8  the card refused\n  \
        4  no reader            9  held by another program, or no access\n \
        10  wrong PIN, PUK, key 13  the token can't do it\n \
        11  blocked             14  button not pressed\n \
        12  not sent, no try spent",
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
#[allow(clippy::struct_excessive_bools, reason = "each is an option")]
pub(crate) struct GlobalArgs {
    /// Write one JSON document (for `watch`: one a line); see docs/json.md.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Use the token in the reader that is named NAME, or else contains it.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) reader: Option<String>,

    /// Use the token with this id, serial number or GUID; its beginning is enough.
    #[arg(long, global = true, value_name = "ID")]
    pub(crate) token: Option<String>,

    /// Use the software tokens of this machine; needs no reader and no pcscd.
    #[arg(
        long,
        global = true,
        long_help = "Use the software tokens of this machine; needs no reader and no pcscd.\n\n\
            They are kept in $TOKENCTL_VIRTUAL_DIR, or else in the platform's data directory \
            (on Linux ~/.local/share/tokenctl/virtual)."
    )]
    pub(crate) r#virtual: bool,

    /// Take any PIN for a card that tells no rule of its own, and not just 6 to 8 digits.
    #[arg(
        long,
        global = true,
        long_help = "Take any PIN for a card that tells no rule of its own, and not just 6 to 8 \
            digits, the standard's (SP 800-73).\n\nCards exist whose PIN has letters. On any \
            other, a PIN that can't be right costs a try then."
    )]
    pub(crate) allow_any_pin: bool,

    /// Ask for secrets through pinentry, or PROGRAM that acts like it.
    #[arg(
        long,
        global = true,
        value_name = "PROGRAM",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "pinentry"
    )]
    pub(crate) pinentry: Option<PathBuf>,

    /// Record the exchange with the card in FILE, decoded, with secrets redacted.
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) trace: Option<PathBuf>,

    /// Neither use nor keep what is remembered of tokens.
    #[arg(long, global = true)]
    pub(crate) no_cache: bool,

    #[command(flatten)]
    pub(crate) contactless: ContactlessArgs,

    /// Say when to use colour.
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t = ColorWhen::Auto,
        hide_default_value = true,
        long_help = "Say when to use colour.\n\n\
            `auto`, the default, uses it on a terminal unless NO_COLOR is set."
    )]
    pub(crate) color: ColorWhen,

    /// Use no colour; the same as `--color never`.
    #[arg(long, global = true, conflicts_with = "color")]
    pub(crate) no_color: bool,

    /// Say more on stderr: how many commands the card was sent.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// When colour is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always, also into a pipe.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the tokens, one line each.
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  \
            tokenctl list\n  \
            tokenctl list --json | jq -r '.tokens[].id'\n\n\
            Tokens that cannot be read are named on stderr; the others are listed all the same, \
            and the exit code says what was wrong with the first of them.\n\n\
            A token that is remembered is asked who it is, and shown as it was when it was last \
            checked (--quick); the notes say when that was."
    )]
    List(FreshnessArgs),

    /// Show everything that is on a token.
    #[command(after_help = "Examples:\n  \
        tokenctl show                  The only token present\n  \
        tokenctl show 3f2a             The token whose id begins with 3f2a\n  \
        tokenctl show --reader omnikey\n  \
        tokenctl show --all --json\n\n\
        No PIN is asked for and no PIN try is spent. What only a PIN opens is listed as such.")]
    Show(ShowArgs),

    /// Follow readers and tokens as they come and go, until Ctrl-C.
    #[command(after_help = "Examples:\n  \
        tokenctl watch\n  \
        tokenctl watch --json | jq --unbuffered -r .event\n\n\
        Nothing is polled: it sleeps until the system reports a change. It goes on when pcscd is \
        restarted.")]
    Watch,

    /// Verify, change and unblock the PIN.
    #[command(
        subcommand_required = true,
        arg_required_else_help = true,
        after_help = "A PIN is never an argument, which other users could see: it is asked for at \
            the terminal, or read from a file descriptor (0 is stdin), a line each."
    )]
    Pin {
        #[command(subcommand)]
        command: PinCommand,
    },

    /// Look after the FIDO application of a Crescendo 4000 or Key.
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Fido {
        #[command(subcommand)]
        command: FidoCommand,
    },

    /// Show, forget and change the PUK, or what plays its part.
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Puk {
        #[command(subcommand)]
        command: PukCommand,
    },

    /// Show the pairing code of a card, and keep it until you log out.
    #[command(subcommand_required = true, arg_required_else_help = true)]
    PairingCode {
        #[command(subcommand)]
        command: PairingCodeCommand,
    },

    /// Get one-time passwords of a Crescendo Key.
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Otp {
        #[command(subcommand)]
        command: OtpCommand,
    },

    /// Show and set the rules for the PIN.
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Policy {
        #[command(subcommand)]
        command: PolicyCommand,
    },

    /// Check and set the keys that administer a token.
    #[command(subcommand_required = true, arg_required_else_help = true)]
    AdminKey {
        #[command(subcommand)]
        command: AdminKeyCommand,
    },

    /// Erase a token, back to the state in which it is delivered.
    #[command(after_help = "Examples:\n  \
        tokenctl recycle --dry-run             What is erased and what is not\n  \
        tokenctl recycle\n  \
        tokenctl recycle --admin-key           With the PIN forgotten or blocked\n  \
        tokenctl recycle --confirm 24fb82f5975f --pin-fd 0 < pin.txt\n\n\
        This cannot be undone: keys that are on no other token are lost. The token's id has to be \
        typed in full. Interrupted, start it again: it says where the token stands, and finishes.")]
    Recycle(RecycleArgs),

    /// Set up an erased token for a person: PIN, policy, and the secret that unblocks it.
    #[command(after_help = "Examples:\n  \
        tokenctl personalize --delivery-pin --min 6 --digits --keep token\n  \
        tokenctl personalize --recycle --refuse-weak\n  \
        tokenctl personalize --recycle --dry-run\n  \
        tokenctl personalize --delivery-pin --save new.txt --saved-is-taken --new-pin-fd 0 < pin.txt\n\n\
        The new admin key, PUK or unlock code is shown on a page that is cleared again, or saved; \
        the token gets it only after it was taken over. From file descriptors: PIN or admin key, \
        PUK, new PIN, management key, PUK of an interrupted run. Interrupted, start it again with \
        the same options and the same new PIN: it says where the token stands, and finishes.")]
    Personalize(PersonalizeArgs),

    /// List and export the certificates of a token.
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Cert {
        #[command(subcommand)]
        command: CertCommand,
    },

    /// Show and clear what this computer remembers of tokens.
    #[command(
        subcommand_required = true,
        arg_required_else_help = true,
        after_help = "Only what a token shows to everybody is remembered, never a secret. It is kept in \
            $TOKENCTL_CACHE_DIR (`off` turns it off), or else in the platform's cache directory. \
            It is seldom necessary to clear it: `show` looks at every object's beginning."
    )]
    Cache {
        #[command(subcommand)]
        command: CacheCommand,
    },

    /// Send raw commands to a card and see the decoded exchange.
    #[command(after_help = "Examples:\n  \
            tokenctl apdu 00CB3FFF055C035FC10200   Read the CHUID\n  \
            tokenctl apdu --applet aca 00560200013100\n  \
            tokenctl apdu < commands.txt           A line each; # is a comment\n  \
            tokenctl apdu                          A shell\n\n\
            A command that carries a PIN, a PUK or a key is refused as an argument, since other \
            users can see arguments: give it on stdin. It is printed redacted.\n\n\
            Exit code 8 means that the card refused at least one of the commands.")]
    Apdu(ApduArgs),

    /// Answer challenges of tokens that are being unblocked; needs no token.
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Helpdesk {
        #[command(subcommand)]
        command: HelpdeskCommand,
    },

    /// Make, list, remove and serve software tokens.
    #[command(
        name = "virtual",
        subcommand_required = true,
        arg_required_else_help = true,
        after_help = "Software tokens act like real ones and keep their state in a file each, in \
            $TOKENCTL_VIRTUAL_DIR or the platform's data directory. The file holds the token's PIN \
            and private keys; only its owner can read it. They are for trying things out and for \
            tests: keep no real secret in one."
    )]
    Virtual {
        #[command(subcommand)]
        command: VirtualCommand,
    },

    /// Find out why a reader or a token is not seen, and what to do about it.
    #[command(after_help = "Examples:\n  \
        tokenctl doctor\n  \
        tokenctl doctor --json | jq '.findings[] | select(.level == \"problem\")'\n\n\
        Exit code 1 means that at least one problem was found; a warning does not count.")]
    Doctor,

    /// Print a shell completion script.
    #[command(after_help = "Examples:\n  \
        source <(tokenctl completions bash)\n  \
        tokenctl completions zsh > \"${fpath[1]}/_tokenctl\"\n  \
        tokenctl completions fish | source")]
    Completions {
        /// The shell to write the script for.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },

    /// Print the manual page, or write a page for each command.
    #[command(after_help = "Examples:\n  \
        tokenctl man | man -l -\n  \
        tokenctl man --output ~/.local/share/man/man1")]
    Man {
        /// Write a page for each command into this directory instead.
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        output: Option<PathBuf>,
    },
}

/// What `show` takes.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The token's id, serial number or GUID; its beginning is enough.
    #[arg(value_name = "TOKEN", conflicts_with = "token")]
    pub(crate) id: Option<String>,

    /// Also ask for the objects of the standard that the token does not announce, and
    /// list what is absent or cannot be done.
    #[arg(long)]
    pub(crate) all: bool,

    #[command(flatten)]
    pub(crate) freshness: FreshnessArgs,
}

/// What `cache` does.
#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// List the tokens that are remembered, or all that is remembered of one.
    #[command(after_help = "Examples:\n  \
        tokenctl cache show\n  \
        tokenctl cache show 3f2a\n  \
        tokenctl cache show --json | jq '.tokens[] | [.id, .hits, .misses]'\n\n\
        HITS are answers that were as remembered, whether they were taken from memory or \
        the token gave them again; MISSES were not remembered, or had changed.\n\n\
        No token is asked for anything.")]
    Show(CacheShowArgs),

    /// Forget a token that is present, and read it anew; or forget all tokens.
    #[command(after_help = "Examples:\n  \
        tokenctl cache clear           The only token present\n  \
        tokenctl cache clear --token 3f2a\n  \
        tokenctl cache clear --all     Every token, present or not")]
    Clear(CacheClearArgs),
}

/// What `cache show` takes.
#[derive(Debug, Args)]
pub(crate) struct CacheShowArgs {
    /// The token's id, serial number or GUID; its beginning is enough.
    #[arg(value_name = "TOKEN")]
    pub(crate) id: Option<String>,
}

/// What `cache clear` takes.
#[derive(Debug, Args)]
pub(crate) struct CacheClearArgs {
    /// Forget every token, present or not.
    #[arg(long, conflicts_with_all = ["token", "reader"])]
    pub(crate) all: bool,
}

/// What `pin` does.
#[derive(Debug, Subcommand)]
pub(crate) enum PinCommand {
    /// Show tries left, the rules for a new PIN, and how it can be unblocked.
    #[command(after_help = "Examples:\n  \
        tokenctl pin status\n  \
        tokenctl pin status --json | jq .pin.tries_left\n\n\
        No PIN is asked for and no try is spent.")]
    Status,

    /// Verify the PIN, and lock the token again.
    #[command(after_help = "Examples:\n  \
        tokenctl pin verify\n  \
        tokenctl pin verify --pin-fd 0 < pin.txt\n\n\
        A wrong PIN costs a try. What cannot be the PIN is not sent, and costs none.")]
    Verify(PinArgs),

    /// Change the PIN, knowing the present one.
    #[command(after_help = "Examples:\n  \
        tokenctl pin change\n  \
        tokenctl pin change --pin-fd 0 --new-pin-fd 0 < two-lines.txt\n\n\
        The rules are shown before, and each is ticked as the new PIN is typed.")]
    Change(PinChangeArgs),

    /// Set a new PIN with the PUK, or by challenge and response.
    #[command(after_help = "Examples:\n  \
        tokenctl pin unblock                With the PUK, where the token has one\n  \
        tokenctl pin unblock --challenge    Tell the challenge to the helpdesk, type its response\n  \
        tokenctl pin unblock --key          With the admin key itself\n  \
        tokenctl pin unblock --unlock-code   With the fixed code of a static challenge\n\n\
        From file descriptors: PUK, code or key, then the new PIN, then the response.")]
    Unblock(PinUnblockArgs),
}

/// What `pin change` takes.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option")]
pub(crate) struct PinChangeArgs {
    /// Read the present PIN from this file descriptor.
    #[arg(long, value_name = "N")]
    pub(crate) pin_fd: Option<Descriptor>,

    /// Read the new PIN from this file descriptor; from the same one, it is the next line.
    #[arg(long, value_name = "N")]
    pub(crate) new_pin_fd: Option<Descriptor>,

    /// Have both PINs typed on the reader's own PIN pad; this is the default where there is
    /// one and the PIN is made of digits.
    #[arg(long, conflicts_with_all = ["pin_fd", "new_pin_fd"])]
    pub(crate) pin_pad: bool,

    /// Type the PINs here although the reader has a PIN pad.
    #[arg(long, conflicts_with = "pin_pad")]
    pub(crate) no_pin_pad: bool,

    /// Agree to use the last try, or one that the card does not tell from the last.
    #[arg(long)]
    pub(crate) last_try: bool,

    /// Print what would be done, ask for nothing and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) risks: RiskArgs,
}

/// What `pin unblock` takes.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option")]
pub(crate) struct PinUnblockArgs {
    /// Unblock by challenge and response: print the challenge, ask for the response.
    #[arg(long)]
    pub(crate) challenge: bool,

    /// Unblock with the admin key itself, which is asked for.
    #[arg(long, conflicts_with = "challenge")]
    pub(crate) key: bool,

    /// Unblock with the unlock code of a token whose challenge is static.
    #[arg(long, conflicts_with_all = ["challenge", "key", "key_fd", "response_fd"])]
    pub(crate) unlock_code: bool,

    /// Read the unlock code, in hexadecimal, from this file descriptor.
    #[arg(long, value_name = "N", conflicts_with_all = ["challenge", "key", "key_fd", "response_fd"])]
    pub(crate) code_fd: Option<Descriptor>,

    /// Read the PUK from this file descriptor.
    #[arg(long, value_name = "N", conflicts_with_all = ["challenge", "key", "key_fd", "response_fd", "unlock_code", "code_fd"])]
    pub(crate) puk_fd: Option<Descriptor>,

    /// Read the admin key, in hexadecimal, from this file descriptor.
    #[arg(long, value_name = "N", conflicts_with_all = ["challenge", "response_fd"])]
    pub(crate) key_fd: Option<Descriptor>,

    /// Read the response, in hexadecimal, from this file descriptor.
    #[arg(long, value_name = "N")]
    pub(crate) response_fd: Option<Descriptor>,

    /// Read the new PIN from this file descriptor.
    #[arg(long, value_name = "N")]
    pub(crate) new_pin_fd: Option<Descriptor>,

    /// Agree to use the PUK's last try.
    #[arg(long)]
    pub(crate) last_try: bool,

    /// Print what would be done, ask for nothing and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) risks: RiskArgs,
}

/// What `cert` does.
#[derive(Debug, Subcommand)]
pub(crate) enum CertCommand {
    /// List the certificates of a token, one line each.
    #[command(after_help = "Examples:\n  \
        tokenctl cert list\n  \
        tokenctl cert list --json | jq -r '.certificates[] | [.slot, .not_after] | @tsv'")]
    List(FreshnessArgs),

    /// Write the certificate of a slot to a file or to stdout.
    #[command(after_help = "Examples:\n  \
        tokenctl cert export --slot 9a\n  \
        tokenctl cert export --slot 9c --format der --output signing.cer\n  \
        tokenctl cert export --slot 9a | openssl x509 -noout -text\n\n\
        Slots: 9a PIV authentication, 9c digital signature, 9d key management, 9e card \
        authentication, 82 to 95 retired key management. Only the object of this slot is read.")]
    Export(ExportArgs),
}

/// What `cert export` takes.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The slot, as its hexadecimal key reference: 9a, 9c, 9d, 9e, or 82 to 95.
    #[arg(long, value_name = "SLOT", value_parser = parse_slot)]
    pub(crate) slot: u8,

    /// The encoding to write.
    #[arg(long, value_enum, default_value_t = CertFormat::Pem)]
    pub(crate) format: CertFormat,

    /// Write to FILE instead of stdout; an existing file is kept unless --force is given.
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,

    /// Replace FILE if it exists.
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
}

/// How a certificate is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CertFormat {
    /// Text between BEGIN CERTIFICATE and END CERTIFICATE.
    Pem,
    /// The bytes as they are.
    Der,
}

impl CertFormat {
    /// The name, as it is given on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            CertFormat::Pem => "pem",
            CertFormat::Der => "der",
        }
    }
}

/// What `apdu` takes.
#[derive(Debug, Args)]
pub(crate) struct ApduArgs {
    /// Commands in hexadecimal, one an argument; none reads them from stdin, one a line.
    #[arg(value_name = "HEX")]
    pub(crate) commands: Vec<String>,

    /// The applet to select first: piv, aca, isd, none, or an AID in hexadecimal.
    #[arg(long, value_name = "APPLET", default_value = "piv", value_parser = parse_applet)]
    pub(crate) applet: Applet,

    /// Send each command exactly as written: no chaining, no GET RESPONSE, no retry with
    /// the right length.
    #[arg(long)]
    pub(crate) raw: bool,
}

/// The applet that `apdu` talks to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Applet {
    /// Whichever is selected.
    None,
    /// The one with this AID.
    Aid(Vec<u8>),
}

/// What `helpdesk` does.
#[derive(Debug, Subcommand)]
pub(crate) enum HelpdeskCommand {
    /// Compute the response to a challenge under a token's admin key.
    #[command(after_help = "Examples:\n  \
        tokenctl helpdesk respond 0123-4567-89AB-CDEF\n  \
        tokenctl helpdesk respond 0123456789ABCDEF --key-file office.pem\n  \
        pass show piv/office | tokenctl helpdesk respond 0123456789ABCDEF --key-fd 0\n\n\
        The holder of the token reads the challenge out, which is no secret, and types the \
        response. A challenge of 16 digits is for a 3DES key, one of 32 for AES-128. Only give a \
        response to whom you know: it lets them unblock the token.")]
    Respond(RespondArgs),

    /// Put an admin key into a new file, encrypted with a passphrase.
    #[command(after_help = "Examples:\n  \
        tokenctl helpdesk new-key-file office.pem\n  \
        tokenctl helpdesk new-key-file office.pem --key-fd 0 --passphrase-fd 0 < secrets\n\n\
        From one descriptor, the key is the first line and the passphrase the second. The file is \
        PKCS #5 with scrypt and AES-256-GCM; an existing file is never replaced.")]
    NewKeyFile(NewKeyFileArgs),
}

/// What `helpdesk respond` takes.
#[derive(Debug, Args)]
pub(crate) struct RespondArgs {
    /// The challenge in hexadecimal, with blanks, dots or dashes; none asks for it.
    #[arg(value_name = "CHALLENGE")]
    pub(crate) challenge: Option<String>,

    /// Read the admin key, in hexadecimal, from this file descriptor.
    #[arg(long, value_name = "N")]
    pub(crate) key_fd: Option<Descriptor>,

    /// Take the admin key from FILE, which `helpdesk new-key-file` made.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "key_fd")]
    pub(crate) key_file: Option<PathBuf>,

    /// Read the file's passphrase from this file descriptor.
    #[arg(long, value_name = "N")]
    pub(crate) passphrase_fd: Option<Descriptor>,

    /// Put the response into the clipboard for SECONDS, or 30, instead of writing it.
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "30",
        value_parser = clap::value_parser!(u16).range(1..=600),
        conflicts_with = "json"
    )]
    pub(crate) copy: Option<u16>,

    /// Refused: a key does not belong on the command line.
    #[arg(long, value_name = "KEY", hide = true)]
    pub(crate) key: Option<String>,
}

/// What `helpdesk new-key-file` takes.
#[derive(Debug, Args)]
pub(crate) struct NewKeyFileArgs {
    /// The file to make.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,

    /// Read the admin key, in hexadecimal, from this file descriptor.
    #[arg(long, value_name = "N")]
    pub(crate) key_fd: Option<Descriptor>,

    /// Read the file's passphrase from this file descriptor.
    #[arg(long, value_name = "N")]
    pub(crate) passphrase_fd: Option<Descriptor>,
}

/// What `virtual` does.
#[derive(Debug, Subcommand)]
pub(crate) enum VirtualCommand {
    /// Make a software token with keys, certificates and data objects.
    #[command(after_help = "Examples:\n  \
        tokenctl virtual create --profile crescendo-2300 alice\n  \
        tokenctl virtual create --profile piv --seed 7 bob\n  \
        tokenctl virtual create --profile piv --vci cs2 carol\n  \
        tokenctl virtual create --profile crescendo-key --empty spare")]
    Create(CreateArgs),

    /// List the software tokens of this machine.
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  tokenctl virtual list\n  tokenctl virtual list --json"
    )]
    List,

    /// Remove a software token with all its keys; this cannot be undone.
    #[command(
        visible_alias = "rm",
        after_help = "Examples:\n  tokenctl virtual remove alice"
    )]
    Remove {
        /// The token's name.
        name: String,
    },

    /// Put a software token on its contact or its contactless interface.
    #[command(after_help = "Examples:\n  \
        tokenctl virtual move alice --to contactless\n  \
        tokenctl virtual move alice --to contact\n\n\
        It stays there for every program, with the same PIN, keys and tries left. Over the \
        contactless interface a token tells little and does less; one that was made with --vci \
        does most of what it does over contact, once a host has opened the virtual contact \
        interface.")]
    Move {
        /// The token's name.
        name: String,

        /// The interface to put it on.
        #[arg(long, value_enum, value_name = "INTERFACE")]
        to: InterfaceName,
    },

    /// Print the certificate of the test authority that vouches for a software token.
    #[command(after_help = "Examples:\n  \
        tokenctl virtual authority alice --output authority.pem\n  \
        tokenctl --virtual show --reader alice --trust-anchor authority.pem\n\n\
        It signed the token's certificates when the token was made, and its key was forgotten \
        then. With --trust-anchor, tokenctl believes that the token is genuine, which a secure \
        session over a contactless reader takes.")]
    Authority(AuthorityArgs),

    /// Put a software token into a virtual reader of pcscd, until Ctrl-C pulls it out.
    #[command(after_help = "Examples:\n  \
            tokenctl virtual serve alice\n  \
            tokenctl virtual serve bob --address 127.0.0.1:35964\n  \
            tokenctl virtual serve carol --contactless\n\n\
            Needs pcscd with the driver vpcd (Debian and Ubuntu: apt install pcscd \
            vsmartcard-vpcd). All programs then see the token in the reader \"Virtual PCD 00 00\", \
            or \"Virtual PCD 00 01\" at port 35964.")]
    Serve(ServeArgs),
}

/// What `virtual create` takes.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option")]
pub(crate) struct CreateArgs {
    /// What to imitate.
    #[arg(long, value_enum, value_name = "PROFILE")]
    pub(crate) profile: ProfileName,

    /// Derive all keys and numbers from N, so that the same token can be made again.
    /// Its keys are then as secret as N: for tests only.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// Make it without keys, certificates and personal objects.
    #[arg(long)]
    pub(crate) empty: bool,

    /// Whether it takes extended length APDUs; by default a piv card does and the others
    /// do not.
    #[arg(long, value_name = "true|false")]
    pub(crate) extended_length: Option<bool>,

    /// Also answer Yubico's version and serial commands, which Yubico's tools ask for.
    #[arg(long)]
    pub(crate) yubico: bool,

    /// Give it the virtual contact interface, for use over contactless: secure messaging
    /// with this cipher suite, and a pairing code. No real Crescendo is known to have one.
    #[arg(long, value_enum, value_name = "SUITE", conflicts_with = "empty")]
    pub(crate) vci: Option<SuiteName>,

    /// Make the virtual contact interface want no pairing code.
    #[arg(long, requires = "vci", conflicts_with = "pairing_code")]
    pub(crate) no_pairing_code: bool,

    /// Give a piv card a pairing code, and the virtual contact interface that it is for,
    /// of the cipher suite that its keys call for.
    #[arg(long)]
    pub(crate) pairing_code: bool,

    /// Have nobody press the button of a crescendo-key, so that a code is waited for in
    /// vain. By default it is pressed as soon as the token waits for it.
    #[arg(long)]
    pub(crate) unattended: bool,

    /// The token's name; it appears in its reader's name.
    pub(crate) name: String,
}

/// What a software token imitates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileName {
    /// An HID Crescendo 2300 card.
    #[value(name = "crescendo-2300")]
    Crescendo2300,
    /// An HID Crescendo 4000 card.
    #[value(name = "crescendo-4000")]
    Crescendo4000,
    /// An HID Crescendo Key.
    #[value(name = "crescendo-key")]
    CrescendoKey,
    /// A plain NIST PIV card (SP 800-73).
    #[value(name = "piv")]
    Piv,
}

/// A cipher suite of secure messaging.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SuiteName {
    /// P-256, AES-128, SHA-256.
    Cs2,
    /// P-384, AES-256, SHA-384.
    Cs7,
}

/// An interface of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum InterfaceName {
    /// Contacts, or a USB plug.
    Contact,
    /// Radio.
    Contactless,
}

/// What `virtual authority` takes.
#[derive(Debug, Args)]
pub(crate) struct AuthorityArgs {
    /// The token's name.
    pub(crate) name: String,

    /// Write to FILE instead of stdout; an existing file is kept unless --force is given.
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,

    /// Replace FILE if it exists.
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
}

/// What `virtual serve` takes.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The token's name.
    pub(crate) name: String,

    /// Put it on its contactless interface first, as `virtual move --to contactless` does.
    #[arg(long)]
    pub(crate) contactless: bool,

    /// Where vpcd listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:35963")]
    pub(crate) address: String,
}

/// Reads a slot such as `9a`.
fn parse_slot(text: &str) -> Result<u8, String> {
    match crate::hex::decode(text).as_deref().map(Vec::as_slice) {
        Ok(&[slot @ (0x9A | 0x9C | 0x9D | 0x9E | 0x82..=0x95)]) => Ok(slot),
        _ => Err("a slot is 9a, 9c, 9d, 9e, or 82 to 95".to_owned()),
    }
}

/// Reads the name of an applet, or an AID of 5 to 16 bytes in hexadecimal
/// (ISO/IEC 7816-4, 12.2.3).
fn parse_applet(text: &str) -> Result<Applet, String> {
    match text.to_ascii_lowercase().as_str() {
        "none" => Ok(Applet::None),
        "piv" => Ok(Applet::Aid(piv_apdu::aid::PIV.to_vec())),
        "aca" => Ok(Applet::Aid(crescendo_ext::aid::ACA.to_vec())),
        "isd" => Ok(Applet::Aid(crescendo_ext::aid::ISD.to_vec())),
        _ => match crate::hex::decode(text) {
            Ok(aid) if (5..=16).contains(&aid.len()) => Ok(Applet::Aid(aid.to_vec())),
            _ => Err(
                "an applet is piv, aca, isd, none, or an AID of 5 to 16 bytes in hexadecimal"
                    .to_owned(),
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_help_text_is_a_sentence() {
        // clap takes the full stop off the short texts.
        fn is_sentence(text: &str) -> bool {
            text.starts_with(|first: char| first.is_ascii_uppercase() || first == '-')
                && text.split_whitespace().count() >= 3
        }
        fn check(command: &clap::Command) {
            let name = command.get_name();
            let about = command
                .get_about()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(is_sentence(&about), "{name}: {about:?}");
            for argument in command.get_arguments() {
                let help = argument
                    .get_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                assert!(is_sentence(&help), "{name} {}: {help:?}", argument.get_id());
            }
            if !command.has_subcommands() {
                let after = command.get_after_help().map(ToString::to_string);
                assert!(
                    after.is_some_and(|text| text.contains("Examples:\n")),
                    "{name}"
                );
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn every_example_is_understood() {
        fn check(command: &clap::Command) {
            let after = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            for line in after.lines().filter(|line| line.starts_with("  tokenctl")) {
                // An explanation follows after blanks, the shell's part after its signs.
                let line = line.trim_start();
                let end = line.find("   ").unwrap_or(line.len());
                let end = line[..end].find(['|', '<', '>']).unwrap_or(end);
                let parsed = Cli::try_parse_from(line[..end].split_whitespace());
                assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn slots_are_hexadecimal_key_references() {
        assert_eq!(parse_slot("9a"), Ok(0x9A));
        assert_eq!(parse_slot("9A"), Ok(0x9A));
        assert_eq!(parse_slot("0x82"), Ok(0x82));
        for wrong in ["", "9b", "80", "96", "9f", "100", "zz", "+9a"] {
            assert!(parse_slot(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn applets_have_names_or_aids() {
        assert_eq!(parse_applet("none"), Ok(Applet::None));
        assert_eq!(
            parse_applet("PIV"),
            Ok(Applet::Aid(piv_apdu::aid::PIV.to_vec()))
        );
        assert_eq!(
            parse_applet("A0:00:00:03:08"),
            Ok(Applet::Aid(vec![0xA0, 0, 0, 3, 8]))
        );
        for wrong in [
            "",
            "A0",
            "A0000003",
            "oath?",
            "A00000030800001000010000000000000000",
        ] {
            assert!(parse_applet(wrong).is_err(), "{wrong}");
        }
    }
}
