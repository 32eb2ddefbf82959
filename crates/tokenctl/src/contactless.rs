//! Tokens on a contactless reader: whom to believe that a card is genuine, and where
//! its pairing code comes from.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::{env, fs};

use clap::{Args, ValueHint};
use piv_apdu::object::Guid;
use piv_apdu::secret::PairingCode;
use piv_apdu::sm::TrustAnchor;
use token_manager::{
    CardTrust, KeptUntil, LoadOptions, MemoryPairingCodes, PairingCodeStore, SecretStoreError,
    Session, Token, TokenIdentity, VciError, VciState,
};

use crate::error::{Kind, Report, Result};
use crate::manage;
use crate::output::Output;
use crate::secret::{self, Descriptor};
use crate::text::{GOOD, Text};

/// Certificates to trust, separated as in `PATH`; `any` trusts any card.
const ANCHORS: &str = "TOKENCTL_TRUST_ANCHORS";

/// What a contactless reader takes in addition.
#[derive(Debug, Args)]
#[command(next_help_heading = "Contactless readers")]
#[allow(clippy::struct_excessive_bools, reason = "each is an option")]
pub(crate) struct ContactlessArgs {
    /// Believe cards that the certificate in FILE (PEM or DER) vouches for.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        hide_short_help = true,
        long_help = "Believe cards that the certificate in FILE (PEM or DER) vouches for: that of \
            the issuer's authority, or of its content signer. May be given several times.\n\n\
            A token on a contactless reader gets a PIN in a secure session only, and that is opened \
            only with a card that somebody vouches for. $TOKENCTL_TRUST_ANCHORS names files, too."
    )]
    trust_anchor: Vec<PathBuf>,

    /// Believe any card on a contactless reader.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        conflicts_with = "trust_anchor",
        long_help = "Believe any card on a contactless reader.\n\nWho only listens can't read along \
            then, but who puts himself between the reader and the card can, PIN included. \
            TOKENCTL_TRUST_ANCHORS=any says the same."
    )]
    trust_any_card: bool,

    /// Read the pairing code of a card on a contactless reader from this file descriptor.
    #[arg(long, global = true, value_name = "FD", hide_short_help = true)]
    pairing_code_fd: Option<Descriptor>,

    /// Keep the pairing code that is given until you log out.
    #[arg(long, global = true, hide_short_help = true)]
    keep_pairing_code: bool,

    /// Send no PIN through the air without a secure session; always so.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        long_help = "Send no PIN through the air without a secure session.\n\nThis is always so, \
            and can't be turned off; the option is there for scripts that want to say it."
    )]
    require_sm: bool,
}

/// What is known for tokens on contactless readers.
pub(crate) struct Contactless {
    trust: CardTrust,
    codes: Arc<Codes>,
    from: Option<Descriptor>,
    keep: bool,
}

impl Contactless {
    /// As the command line and the environment say.
    pub(crate) fn new(arguments: &ContactlessArgs) -> Result<Self> {
        let ContactlessArgs {
            pairing_code_fd,
            keep_pairing_code,
            ..
        } = arguments;
        Ok(Self {
            trust: trust(arguments)?,
            codes: Arc::default(),
            from: *pairing_code_fd,
            keep: *keep_pairing_code,
        })
    }

    /// Adds it to how tokens are read.
    pub(crate) fn with(&self, options: LoadOptions) -> LoadOptions {
        let codes = Arc::clone(&self.codes) as Arc<dyn PairingCodeStore>;
        options
            .with_card_trust(self.trust.clone())
            .with_pairing_codes(codes)
    }

    /// Where pairing codes are looked for.
    pub(crate) fn codes(&self) -> Arc<dyn PairingCodeStore> {
        Arc::clone(&self.codes) as Arc<dyn PairingCodeStore>
    }

    /// Asks for the pairing code if that is all that a token on a contactless reader
    /// wants for its content, and reads it again by `again`. That nothing is given is no
    /// reason not to show what the token shows to everybody.
    pub(crate) fn complete(
        &self,
        token: Token,
        again: impl FnOnce() -> Result<Token>,
        output: &Output,
    ) -> Result<Token> {
        let asked = match self.ask(&token, output) {
            Err(crate::error::Failure::Failed(report)) if report.kind == Kind::NotSent => {
                output.warning(report.message);
                false
            }
            asked => asked?,
        };
        if !asked {
            return Ok(token);
        }
        let token = again()?;
        self.settle(&token, output)?;
        Ok(token)
    }

    /// The same for a session.
    pub(crate) fn open(&self, session: &mut Session, output: &Output) -> Result {
        if !self.ask(session.token(), output)? {
            return Ok(());
        }
        let reader = session.token().reader.clone();
        session
            .reload()
            .map_err(|error| manage::action_failed(&error, &reader))?;
        self.settle(session.token(), output)
    }

    /// True if a pairing code was given that was not known before.
    fn ask(&self, token: &Token, output: &Output) -> Result<bool> {
        let (VciState::Closed(why), Some(card)) = (&token.vci, token.identity.guid) else {
            return Ok(false);
        };
        match why {
            VciError::NoPairingCode => {}
            VciError::WrongPairingCode { vouched: true } => self.forget(&card, output)?,
            VciError::WrongPairingCode { vouched: false } => output.warning(
                "The card refused the pairing code that is kept for it. Nobody vouches for the \
                 card, so it may be another one, and the code is kept",
            ),
            _ => return Ok(false),
        }
        let can_ask = !output.json && secret::is_terminal();
        if self.from.is_none() && !can_ask {
            return Ok(false);
        }
        let prompt = format!("Pairing code of {}", TokenIdentity::id_of(&card));
        let typed = secret::secret(self.from, &prompt, "--pairing-code-fd")?;
        let code = PairingCode::new(&typed).map_err(|error| {
            Report::new(Kind::NotSent, error.to_string())
                .next("It is on the card, behind the PIN: `tokenctl pairing-code show`, on contact")
        })?;
        self.codes
            .typed
            .put(&card, &code)
            .map_err(|error| failed(&error))?;
        Ok(true)
    }

    /// A code that is kept for the card and is not its own (any more).
    fn forget(&self, card: &Guid, output: &Output) -> Result {
        if self.codes.forget(card).map_err(|error| failed(&error))? {
            output.warning(
                "The pairing code that was kept for this card is not (any more) its own, and was \
                 forgotten",
            );
        }
        Ok(())
    }

    /// After the token was read again: says if the code was wrong, and keeps it if that
    /// is wished.
    fn settle(&self, token: &Token, output: &Output) -> Result {
        if let VciState::Closed(why @ VciError::WrongPairingCode { .. }) = &token.vci {
            return Err(vci_failed(why).in_reader(&token.reader).into());
        }
        let (true, Some(card)) = (token.vci.allows_contact(), token.identity.guid) else {
            return Ok(());
        };
        let Some(code) = self
            .codes
            .typed
            .get(&card)
            .map_err(|error| failed(&error))?
        else {
            return Ok(());
        };
        let Some(store) = self.codes.kept() else {
            if self.keep {
                output.warning(
                    "The pairing code is not kept: there is no place for it here that is \
                     forgotten at logout",
                );
            }
            return Ok(());
        };
        let until = store.kept_until().sentence();
        let wished = self.keep
            || self.from.is_none()
                && secret::confirm(
                    &format!("Keep the pairing code {until}?"),
                    "--keep-pairing-code",
                )?;
        if wished {
            store.put(&card, &code).map_err(|error| failed(&error))?;
            let done = format!("The pairing code is kept in {}, {until}.", store.name());
            output.remark(&Text::styled(done, GOOD));
        }
        Ok(())
    }
}

/// Whom the command line and the environment trust.
fn trust(arguments: &ContactlessArgs) -> Result<CardTrust> {
    if arguments.trust_any_card {
        return Ok(CardTrust::AnyCard);
    }
    if !arguments.trust_anchor.is_empty() {
        return anchors(&arguments.trust_anchor);
    }
    match env::var_os(ANCHORS).filter(|value| !value.is_empty()) {
        None => Ok(CardTrust::Nobody),
        Some(value) if value == "any" => Ok(CardTrust::AnyCard),
        Some(value) => anchors(&env::split_paths(&value).collect::<Vec<_>>()),
    }
}

fn anchors(files: &[PathBuf]) -> Result<CardTrust> {
    let mut anchors = Vec::new();
    for file in files {
        anchors.push(anchor(file)?);
    }
    Ok(CardTrust::Anchors(anchors.into()))
}

fn anchor(file: &Path) -> Result<TrustAnchor> {
    let unusable = |why: String| {
        let message = format!(
            "the certificate to trust in \"{}\" can't be used: {why}",
            file.display()
        );
        Report::new(Kind::Usage, message).next("Give an X.509 certificate, PEM or DER")
    };
    let content = fs::read(file).map_err(|error| unusable(error.to_string()))?;
    let der = match der::pem::decode_vec(&content) {
        Ok((_, der)) => der,
        Err(_) => content,
    };
    Ok(TrustAnchor::from_der(&der).map_err(|error| unusable(error.to_string()))?)
}

/// What a closed virtual contact interface means for a command that needs it.
pub(crate) fn vci_failed(error: &VciError) -> Report {
    let (message, next) = manage::sentences(&error.to_string());
    let kind = match error {
        VciError::WrongPairingCode { .. } => Kind::Wrong,
        _ => Kind::NotSent,
    };
    let mut report = Report::new(kind, message);
    report.next = match error {
        VciError::NotTrusted => Some(
            "--trust-anchor FILE names the certificate of the card's authority, and \
             --trust-any-card believes any card. No PIN was sent"
                .to_owned(),
        ),
        VciError::NoPairingCode => Some(
            "--pairing-code-fd reads it. On a contact reader, `tokenctl pairing-code cache` keeps \
             it until you log out. No PIN was sent"
                .to_owned(),
        ),
        _ => next,
    };
    report
}

fn failed(error: &SecretStoreError) -> Report {
    Report::new(Kind::Other, error.to_string())
}

/// The pairing codes that were given to this program, and those of the login session,
/// which is asked only when a card wants one.
#[derive(Default)]
struct Codes {
    typed: MemoryPairingCodes,
    kept: OnceLock<Option<Arc<dyn PairingCodeStore>>>,
}

impl Codes {
    fn kept(&self) -> Option<&Arc<dyn PairingCodeStore>> {
        let kept = self.kept.get_or_init(|| manage::login_session().ok());
        kept.as_ref()
    }
}

impl PairingCodeStore for Codes {
    fn name(&self) -> &str {
        self.kept().map_or(self.typed.name(), |kept| kept.name())
    }

    fn kept_until(&self) -> KeptUntil {
        KeptUntil::ProgramEnd
    }

    fn put(&self, card: &Guid, code: &PairingCode) -> std::result::Result<(), SecretStoreError> {
        self.typed.put(card, code)
    }

    fn get(&self, card: &Guid) -> std::result::Result<Option<PairingCode>, SecretStoreError> {
        match (self.typed.get(card)?, self.kept()) {
            (None, Some(kept)) => kept.get(card),
            (typed, _) => Ok(typed),
        }
    }

    fn forget(&self, card: &Guid) -> std::result::Result<bool, SecretStoreError> {
        let typed = self.typed.forget(card)?;
        let kept = self.kept().map_or(Ok(false), |kept| kept.forget(card))?;
        Ok(typed || kept)
    }

    fn list(&self) -> std::result::Result<Vec<Guid>, SecretStoreError> {
        self.kept().map_or(Ok(Vec::new()), |kept| kept.list())
    }
}
