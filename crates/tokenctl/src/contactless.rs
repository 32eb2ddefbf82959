//! Tokens on a contactless reader: whom to believe that a card is genuine, and where
//! its pairing code comes from.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueHint};
use piv_apdu::object::Guid;
use piv_apdu::secret::PairingCode;
use token_desktop::{PairingCodes, TRUST_ANCHORS, trust_by_environment, trust_in_files};
use token_manager::{
    CardTrust, PairingCodeStore as _, SecretStoreError, Session, Token, TokenIdentity, VciError,
    VciState,
};

use crate::error::{Kind, Report, Result};
use crate::manage;
use crate::output::Output;
use crate::secret::{self, Descriptor};
use crate::text::{GOOD, Text};

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
            the issuer's authority, or of its content signer. All certificates that a PEM file \
            holds count. May be given several times.\n\n\
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
    /// Why nobody is trusted although the environment names certificates.
    unusable: Option<String>,
    codes: Arc<PairingCodes>,
    from: Option<Descriptor>,
    keep: bool,
}

impl Contactless {
    /// As the command line and the environment say, and whom they trust.
    pub(crate) fn new(arguments: &ContactlessArgs) -> Result<(Self, CardTrust)> {
        let ContactlessArgs {
            pairing_code_fd,
            keep_pairing_code,
            ..
        } = arguments;
        let (trust, unusable) = trust(arguments)?;
        let contactless = Self {
            unusable,
            codes: Arc::default(),
            from: *pairing_code_fd,
            keep: *keep_pairing_code,
        };
        Ok((contactless, trust))
    }

    /// The same with the pairing codes that tokens are read with.
    pub(crate) fn with_codes(mut self, codes: &Arc<PairingCodes>) -> Self {
        self.codes = Arc::clone(codes);
        self
    }

    /// Asks for the pairing code if that is all that a token on a contactless reader
    /// wants for its content, and reads it again by `again`.
    pub(crate) fn complete(
        &self,
        token: Token,
        again: impl FnOnce(&Token) -> Result<Token>,
        output: &Output,
    ) -> Result<Token> {
        let Some((card, code)) = self.ask(&token, SessionFor::Reading, output)? else {
            return Ok(token);
        };
        let failed = |error: SecretStoreError| failed(&error);
        self.codes.put(&card, &code).map_err(failed)?;
        let token = again(&token)?;
        let entered = self.codes.settle(&token).map_err(failed)?;
        self.settle(&token, entered.map(|()| card), &code, output)?;
        Ok(token)
    }

    /// The same for a session, if the secure session is wanted for anything.
    pub(crate) fn open(
        &self,
        session: &mut Session,
        wanted: Option<SessionFor>,
        output: &Output,
    ) -> Result {
        let Some(what) = wanted else {
            self.skip();
            return Ok(());
        };
        let Some((_, code)) = self.ask(session.token(), what, output)? else {
            return Ok(());
        };
        let reader = session.token().reader.clone();
        let entered = self
            .codes
            .enter(session, &code)
            .map_err(|error| manage::action_failed(&error, &reader))?;
        self.settle(session.token(), entered, &code, output)
    }

    /// The card and its pairing code, if it is wanted and was given.
    fn ask(
        &self,
        token: &Token,
        what: SessionFor,
        output: &Output,
    ) -> Result<Option<(Guid, Box<PairingCode>)>> {
        self.tell_unusable(token, what, output)?;
        let Some(card) = self.wants_code(token, output)? else {
            self.skip();
            return Ok(None);
        };
        if self.from.is_none() && !what.may_ask(output) {
            return Ok(None);
        }
        let given = secret::pairing_code(self.from, &what.prompt(&card), "--pairing-code-fd")?;
        if let Some(code) = given {
            return Ok(Some((card, Box::new(code))));
        }
        match what {
            SessionFor::Reading => Ok(None),
            SessionFor::Acting => Err(Report::new(Kind::NotSent, "no pairing code was given")
                .next(
                    "Through the air the card takes no PIN without it, and none was sent. On \
                     contact `tokenctl pairing-code show` shows it",
                )
                .in_reader(&token.reader)
                .into()),
        }
    }

    /// A code that is given and not needed must not be taken for what follows it.
    fn skip(&self) {
        if let Some(from) = self.from {
            secret::skip(from);
        }
    }

    /// That a token is not believed because the environment names what can't be used: a
    /// warning where the session would only show more.
    fn tell_unusable(&self, token: &Token, what: SessionFor, output: &Output) -> Result {
        let (VciState::Closed(VciError::NotTrusted), Some(unusable)) = (&token.vci, &self.unusable)
        else {
            return Ok(());
        };
        match what {
            SessionFor::Reading => {
                output.warning(unusable);
                Ok(())
            }
            SessionFor::Acting => Err(Report::new(Kind::NotSent, unusable)
                .next(format!("{TRUST_ANCHORS} names it. No PIN was sent"))
                .in_reader(&token.reader)
                .into()),
        }
    }

    /// The card, if all that is missing is its pairing code. What is kept for it is
    /// forgotten if it is certainly the card that says that it is wrong.
    fn wants_code(&self, token: &Token, output: &Output) -> Result<Option<Guid>> {
        let Some((card, why)) = token.wants_pairing_code() else {
            return Ok(None);
        };
        let forgets = self.codes.forget_refused(token);
        if forgets.map_err(|error| failed(&error))? {
            output.warning(
                "The pairing code that was kept for this card is not (any more) its own, and was \
                 forgotten",
            );
        }
        match why {
            VciError::WrongPairingCode { vouched: false } => output.warning(
                "The card refused the pairing code that is kept for it. Nobody vouches for the \
                 card, so it may be another one, and the code is kept",
            ),
            VciError::Store(why) => output.warning(why),
            _ => {}
        }
        Ok(Some(card))
    }

    /// After the token was read again: says if the code was wrong, and keeps it if that
    /// is wished.
    fn settle(
        &self,
        token: &Token,
        entered: std::result::Result<Guid, VciError>,
        code: &PairingCode,
        output: &Output,
    ) -> Result {
        match entered {
            Ok(card) => self.keep(&card, code, output),
            Err(why @ VciError::WrongPairingCode { .. }) => {
                Err(vci_failed(&why).in_reader(&token.reader).into())
            }
            // The token is shown as far as it shows itself; an action says why it can't be.
            Err(_) => Ok(()),
        }
    }

    /// Keeps a code that the card has taken, if that is wished.
    fn keep(&self, card: &Guid, code: &PairingCode, output: &Output) -> Result {
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
        if !wished {
            return Ok(());
        }
        match store.put(card, code) {
            Ok(()) => {
                let done = format!("The pairing code is kept in {}, {until}.", store.name());
                output.remark(&Text::styled(done, GOOD));
            }
            Err(error) => output.warning(format!("The pairing code is not kept: {error}")),
        }
        Ok(())
    }
}

/// What the secure session is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionFor {
    /// To show more than the card shows to everybody, which is shown without it.
    Reading,
    /// To do what can't be done without it.
    Acting,
}

impl SessionFor {
    /// Whether a person may be asked for the pairing code: never for a document, and only
    /// to read what that person sees.
    fn may_ask(self, output: &Output) -> bool {
        let is_seen = self == Self::Acting || io::stdout().is_terminal();
        is_seen && !output.json && secret::can_ask()
    }

    fn prompt(self, card: &Guid) -> String {
        let of = format!("Pairing code of {}", TokenIdentity::id_of(card));
        match self {
            Self::Reading => format!("{of} (empty: show what is public)"),
            Self::Acting => of,
        }
    }
}

/// Whom the command line and the environment trust; and if that is nobody, because what
/// the environment names can't be used, why. Most commands meet no token that it is for.
fn trust(arguments: &ContactlessArgs) -> Result<(CardTrust, Option<String>)> {
    if arguments.trust_any_card {
        return Ok((CardTrust::AnyCard, None));
    }
    if !arguments.trust_anchor.is_empty() {
        let trust = trust_in_files(&arguments.trust_anchor).map_err(|unusable| {
            Report::new(Kind::Usage, unusable.to_string())
                .next("Give X.509 certificates, PEM or DER")
        })?;
        return Ok((trust, None));
    }
    Ok(match trust_by_environment() {
        Ok(trust) => (trust, None),
        Err(unusable) => (CardTrust::Nobody, Some(unusable.to_string())),
    })
}

/// What a closed virtual contact interface means for a command that needs it.
pub(crate) fn vci_failed(error: &VciError) -> Report {
    let (message, next) = token_manager::sentences(&error.to_string());
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
