//! What authorises an action, and where it comes from: the PIN, the admin key,
//! the PIV card management key.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum, ValueHint};
use crescendo_ext::xauth::XauthKey;
use piv_apdu::management::{ManagementAlgorithm, ManagementError, ManagementKey};
use piv_apdu::secret::Pin;
use token_manager::{ActionError, Authority, LastTry, PinEntry, RecoveryPlace, Session};

use crate::commands::pin;
use crate::error::{Kind, Report, Result};
use crate::manage;
use crate::output::Output;
use crate::secret::key_file::{KeyFile, KeyFileError};
use crate::secret::{self, Descriptor};
use crate::text::Text;

/// The PIN that confirms an action.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct PinArgs {
    /// Read the PIN from this file descriptor.
    #[arg(long, value_name = "N")]
    pub(crate) pin_fd: Option<Descriptor>,

    /// Have the PIN typed on the reader's own PIN pad; this is the default where there is
    /// one and the PIN is made of digits.
    #[arg(long, conflicts_with = "pin_fd")]
    pub(crate) pin_pad: bool,

    /// Type the PIN here although the reader has a PIN pad.
    #[arg(long, conflicts_with = "pin_pad")]
    pub(crate) no_pin_pad: bool,

    /// Agree to use the last try, or one that the card does not tell from the last.
    #[arg(long)]
    pub(crate) last_try: bool,
}

/// A PIN that was typed here, or will be on the reader.
pub(crate) struct PresentPin {
    typed: Option<Pin>,
    arguments: PinArgs,
}

impl PinArgs {
    /// Tells the tries left and asks for the PIN.
    pub(crate) fn read(self, session: &mut Session, output: &Output) -> Result<PresentPin> {
        pin::may_be_asked(session)?;
        pin::say_tries(session, output);
        let on_pad =
            self.pin_pad || (self.pin_fd.is_none() && !self.no_pin_pad && session.pin_pad().verify);
        let typed = if on_pad {
            None
        } else {
            Some(secret::pin(self.pin_fd, "PIN", "--pin-fd")?)
        };
        Ok(PresentPin {
            typed,
            arguments: self,
        })
    }
}

impl PresentPin {
    /// As an action takes it.
    pub(crate) fn entry(&self, output: &Output) -> PinEntry<'_> {
        if let Some(pin) = &self.typed {
            return PinEntry::Typed(pin);
        }
        output.remark(&Text::from("Type the PIN on the reader."));
        PinEntry::PinPad
    }

    /// Does what the PIN authorises; asks first if it takes the last try.
    pub(crate) fn attempt<T>(
        &self,
        session: &mut Session,
        output: &Output,
        mut act: impl FnMut(&mut Session, PinEntry<'_>, LastTry) -> std::result::Result<T, ActionError>,
    ) -> Result<T> {
        let unattended = self.arguments.pin_fd.is_some();
        pin::attempt(
            session,
            self.arguments.last_try,
            unattended,
            |session, last_try| act(session, self.entry(output), last_try),
        )
    }
}

/// What shows a Crescendo that it may be administered.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct AuthorityArgs {
    #[command(flatten)]
    pub(crate) pin: PinArgs,

    /// Authorise it with the present admin key instead of the PIN.
    #[arg(long, conflicts_with_all = ["pin_fd", "pin_pad"])]
    pub(crate) admin_key: bool,

    /// Read the present admin key, in hexadecimal, from this file descriptor.
    #[arg(long, value_name = "N", conflicts_with_all = ["pin_fd", "pin_pad"])]
    pub(crate) admin_key_fd: Option<Descriptor>,

    /// Take the present admin key from FILE, which `helpdesk new-key-file` made.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["pin_fd", "pin_pad", "admin_key_fd"])]
    pub(crate) admin_key_file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}

/// The passphrase of a key file.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct PassphraseArgs {
    /// Read the key file's passphrase from this file descriptor.
    #[arg(long, value_name = "N")]
    pub(crate) passphrase_fd: Option<Descriptor>,
}

impl PassphraseArgs {
    /// The admin key in a key file.
    pub(crate) fn open(self, path: &Path) -> Result<XauthKey> {
        let failed = |error: KeyFileError| {
            let message = format!("{}: {error}", path.display());
            Report::new(Kind::Other, message).next("Nothing was sent to the token")
        };
        let file = KeyFile::read(path).map_err(failed)?;
        let prompt = format!("Passphrase of {}", path.display());
        let passphrase = secret::secret(self.passphrase_fd, &prompt, "--passphrase-fd")?;
        Ok(file.open(&passphrase).map_err(failed)?)
    }
}

/// What authorises it, as the person gave it.
pub(crate) enum Given {
    Pin(PresentPin),
    AdminKey(XauthKey),
    ManagementKey(ManagementKey),
}

impl AuthorityArgs {
    /// Whether it is the admin key, and not the PIN.
    pub(crate) fn is_admin_key(&self) -> bool {
        self.admin_key || self.admin_key_fd.is_some() || self.admin_key_file.is_some()
    }

    /// Refuses, before anything is asked, to go by a PIN that the card would not
    /// look at.
    pub(crate) fn ready(&self, session: &Session) -> Result {
        if self.is_admin_key() {
            return Ok(());
        }
        pin::may_be_asked(session).map_err(|refused| {
            let next = "Give --admin-key, or see to the PIN first (`tokenctl pin`); nothing was \
                        sent and no try was spent";
            refused.next(next).into()
        })
    }

    /// Asks for the PIN or the admin key.
    pub(crate) fn read(&self, session: &mut Session, output: &Output) -> Result<Given> {
        if let Some(path) = &self.admin_key_file {
            return Ok(Given::AdminKey(self.passphrase.open(path)?));
        }
        if self.is_admin_key() {
            let key = admin_key(self.admin_key_fd, "Present admin key", "--admin-key-fd")?;
            return Ok(Given::AdminKey(key));
        }
        Ok(Given::Pin(self.pin.read(session, output)?))
    }
}

impl Given {
    /// As an action takes it.
    pub(crate) fn authority(&self, output: &Output) -> Authority<'_> {
        match self {
            Given::Pin(pin) => Authority::Pin(pin.entry(output)),
            Given::AdminKey(key) => Authority::AdminKey(key),
            Given::ManagementKey(key) => Authority::ManagementKey(key),
        }
    }

    /// Does what it authorises; asks first if that takes the PIN's last try.
    pub(crate) fn attempt<T>(
        &self,
        session: &mut Session,
        output: &Output,
        mut act: impl FnMut(&mut Session, Authority<'_>, LastTry) -> std::result::Result<T, ActionError>,
    ) -> Result<T> {
        if let Given::Pin(pin) = self {
            return pin.attempt(session, output, |session, pin, last_try| {
                act(session, Authority::Pin(pin), last_try)
            });
        }
        act(session, self.authority(output), LastTry::Spare)
            .map_err(|error| manage::action_failed(&error, &session.token().reader).into())
    }
}

/// The admin key, in hexadecimal.
pub(crate) fn admin_key(from: Option<Descriptor>, prompt: &str, option: &str) -> Result<XauthKey> {
    let typed = secret::text(from, &format!("{prompt} (hexadecimal)"), option)?;
    Ok(XauthKey::from_hex(&typed).map_err(|error| unusable(&error.to_string()))?)
}

/// The PIV card management key, which a plain PIV card wants before it is
/// written to.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct ManagementArgs {
    /// Read the card management key (9B), in hexadecimal, from this file descriptor.
    #[arg(long, value_name = "N")]
    pub(crate) management_key_fd: Option<Descriptor>,

    /// The card management key's algorithm; a key of 24 bytes may be of two.
    #[arg(long, value_enum, value_name = "ALGORITHM")]
    pub(crate) algorithm: Option<Algorithm>,
}

impl ManagementArgs {
    /// Asks for the key if what is kept in this place is written with it.
    pub(crate) fn read_for(
        self,
        session: &Session,
        place: RecoveryPlace,
    ) -> Result<Option<ManagementKey>> {
        let wanted = session.token().takes_management_key(place);
        wanted.then(|| self.read()).transpose()
    }

    /// Asks for the key. Without an algorithm its length decides; 24 bytes are
    /// either of two, so there it has to be told.
    pub(crate) fn read(self) -> Result<ManagementKey> {
        let option = "--management-key-fd";
        let typed = secret::text(
            self.management_key_fd,
            "Management key (hexadecimal)",
            option,
        )?;
        let algorithm = self.algorithm.map(Algorithm::of_management);
        let key = ManagementKey::from_hex_by_length(algorithm, &typed);
        Ok(key.map_err(|error| match error {
            ManagementError::Ambiguous => Report::new(Kind::Usage, error.to_string())
                .next("Say which with --algorithm; nothing was sent to the token"),
            other => unusable(&other.to_string()),
        })?)
    }
}

/// The algorithm of a PIV card management key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Algorithm {
    /// 3DES with three keys.
    #[value(name = "3des")]
    TripleDes,
    /// AES with a key of 16 bytes.
    #[value(name = "aes-128")]
    Aes128,
    /// AES with a key of 24 bytes.
    #[value(name = "aes-192")]
    Aes192,
    /// AES with a key of 32 bytes.
    #[value(name = "aes-256")]
    Aes256,
}

impl Algorithm {
    fn of_management(self) -> ManagementAlgorithm {
        match self {
            Algorithm::TripleDes => ManagementAlgorithm::TripleDes,
            Algorithm::Aes128 => ManagementAlgorithm::Aes128,
            Algorithm::Aes192 => ManagementAlgorithm::Aes192,
            Algorithm::Aes256 => ManagementAlgorithm::Aes256,
        }
    }
}

/// That what was given can't be used.
pub(crate) fn unusable(why: &str) -> Report {
    Report::new(Kind::NotSent, why.to_owned()).next("Nothing was sent and no try was spent")
}
