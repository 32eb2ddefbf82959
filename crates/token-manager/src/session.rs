//! A token in use: connected, read afresh, and ready for actions.

mod effects;
mod job;
mod same;
mod steps;

use std::fmt;
use std::sync::Arc;

use crescendo_ext::identity::Family;
use pcsc_transport::{Backend, Card, Interface, PinPadFeatures, Sharing, TransportError};

pub use self::effects::about_to_send;
pub(crate) use self::job::Job;
use self::steps::Steps;

use crate::capability::{Action, Reason};
use crate::error::{LoadError, Unreadable};
use crate::failure::{ActionError, NotSent};
use crate::load::load;
use crate::options::{Freshness, LoadOptions};
use crate::pairing_codes::{MemoryPairingCodes, PairingCodeStore};
use crate::pin::{Alphabet, PinPolicy, PinStatus};
use crate::record::{HostRecord, HostStore, MemoryStore, TokenKey};
use crate::secrets::{SecretStore, SecretStoreError};
use crate::token::Token;
use crate::vci::VciState;

/// Risks that a person has agreed to take. The default takes none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Overrides {
    /// Send commands that change a real token although only third parties
    /// describe them (those of the C4000 family). If a description is wrong,
    /// the token may refuse, or end up in a state that nobody can name.
    pub allow_unverified: bool,
    /// Administer a token although an issuer manages it, or may. The issuer's
    /// system may then no longer be able to, and what it put on the token may
    /// be lost.
    pub allow_managed: bool,
    /// Take any PIN of 1 to 8 characters for one that the token may have, where
    /// neither the token nor a profile tells a rule: cards exist whose PINs are not
    /// the standard's 6 to 8 digits. A PIN that can't be right then costs a try.
    pub allow_any_pin: bool,
}

impl Overrides {
    /// Sets [`allow_unverified`](Self::allow_unverified).
    #[must_use]
    pub fn allow_unverified(mut self, allow: bool) -> Self {
        self.allow_unverified = allow;
        self
    }

    /// Sets [`allow_managed`](Self::allow_managed).
    #[must_use]
    pub fn allow_managed(mut self, allow: bool) -> Self {
        self.allow_managed = allow;
        self
    }

    /// Sets [`allow_any_pin`](Self::allow_any_pin).
    #[must_use]
    pub fn allow_any_pin(mut self, allow: bool) -> Self {
        self.allow_any_pin = allow;
        self
    }
}

/// A risk that a person may agree to take, one by one; what [`Overrides`] is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Risk {
    /// [`Overrides::allow_unverified`].
    Unverified,
    /// [`Overrides::allow_managed`].
    Managed,
    /// [`Overrides::allow_any_pin`].
    AnyPin,
}

impl Risk {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Unverified, Self::Managed, Self::AnyPin];

    /// What a person agrees to, as the name of a choice.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unverified => "Send unverified commands",
            Self::Managed => "Administer tokens that an issuer may manage",
            Self::AnyPin => "Take a PIN of any kind",
        }
    }

    /// What is at risk, as sentences.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Unverified => {
                "Some commands that change a token of the C4000 family are described by third \
                 parties only. If a description is wrong, the token may refuse, or end up in a \
                 state that nobody can name."
            }
            Self::Managed => {
                "An issuer manages some tokens, and of others it can't be told. If you administer \
                 such a token, the issuer's system may no longer be able to, and what it put on \
                 the token may be lost."
            }
            Self::AnyPin => {
                "Where a token tells no rule, PINs are held against the standard's: 6 to 8 digits. \
                 Cards exist with PINs of another kind. Without the rule, a PIN that can't be \
                 right is sent all the same, and costs a try."
            }
        }
    }
}

impl Overrides {
    /// Whether this risk was agreed to.
    pub fn allows(self, risk: Risk) -> bool {
        match risk {
            Risk::Unverified => self.allow_unverified,
            Risk::Managed => self.allow_managed,
            Risk::AnyPin => self.allow_any_pin,
        }
    }

    /// Sets whether this risk is agreed to.
    #[must_use]
    pub fn with(self, risk: Risk, allow: bool) -> Self {
        match risk {
            Risk::Unverified => self.allow_unverified(allow),
            Risk::Managed => self.allow_managed(allow),
            Risk::AnyPin => self.allow_any_pin(allow),
        }
    }
}

/// Whether the last try may be used, or one of which the card does not tell whether
/// it is the last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum LastTry {
    /// No: [`NotSent::LastTry`] or [`NotSent::TriesUnknown`] then.
    #[default]
    Spare,
    /// Yes, the person has agreed to it.
    Use,
}

/// Opens tokens for actions, and knows what actions need besides the token.
#[derive(Clone)]
pub struct Manager {
    backend: Arc<dyn Backend>,
    store: Arc<dyn HostStore>,
    secrets: Option<Arc<dyn SecretStore>>,
    pairing_codes: Arc<dyn PairingCodeStore>,
    overrides: Overrides,
    options: LoadOptions,
}

impl Manager {
    /// A manager of the tokens of a backend, which keeps its records and pairing
    /// codes in memory, has no secret store, and takes no risk.
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        let pairing_codes: Arc<dyn PairingCodeStore> = Arc::new(MemoryPairingCodes::new());
        Self {
            backend,
            store: Arc::new(MemoryStore::new()),
            secrets: None,
            overrides: Overrides::default(),
            options: LoadOptions::default().with_pairing_codes(Arc::clone(&pairing_codes)),
            pairing_codes,
        }
    }

    /// Sets where records about tokens are kept.
    #[must_use]
    pub fn with_store(mut self, store: Arc<dyn HostStore>) -> Self {
        self.store = store;
        self
    }

    /// Sets where recovery secrets can be kept on this host.
    #[must_use]
    pub fn with_secrets(mut self, secrets: Arc<dyn SecretStore>) -> Self {
        self.secrets = Some(secrets);
        self
    }

    /// Sets where pairing codes are kept while their holder is logged in.
    #[must_use]
    pub fn with_pairing_codes(mut self, codes: Arc<dyn PairingCodeStore>) -> Self {
        self.options = self.options.with_pairing_codes(Arc::clone(&codes));
        self.pairing_codes = codes;
        self
    }

    /// Where pairing codes are kept while their holder is logged in.
    pub fn pairing_codes(&self) -> &Arc<dyn PairingCodeStore> {
        &self.pairing_codes
    }

    pub(crate) fn store(&self) -> Arc<dyn HostStore> {
        Arc::clone(&self.store)
    }

    pub(crate) fn secrets(&self) -> Option<&Arc<dyn SecretStore>> {
        self.secrets.as_ref()
    }

    /// Erases what this computer's secret store keeps for a token, if there is a
    /// store.
    pub(crate) fn forget_secret(&self, token: Option<&TokenKey>) -> Result<(), SecretStoreError> {
        match (self.secrets(), token) {
            (Some(secrets), Some(token)) => secrets.remove(token),
            _ => Ok(()),
        }
    }

    /// Sets the risks that were agreed to.
    #[must_use]
    pub fn with_overrides(mut self, overrides: Overrides) -> Self {
        self.overrides = overrides;
        self
    }

    /// The risks that were agreed to.
    pub fn overrides(&self) -> Overrides {
        self.overrides
    }

    /// Sets how tokens are read. Pairing codes are those of
    /// [`with_pairing_codes`](Self::with_pairing_codes), whatever the options say.
    #[must_use]
    pub fn with_options(mut self, options: LoadOptions) -> Self {
        self.options = options.with_pairing_codes(Arc::clone(&self.pairing_codes));
        self
    }

    /// How tokens are read.
    pub fn options(&self) -> &LoadOptions {
        &self.options
    }

    /// Connects to the token in a reader, shared with other programs, and
    /// reads it: the commands are those of [`load`](crate::load()).
    ///
    /// # Errors
    /// [`ActionError::Load`]; [`ActionError::Store`] if what this host keeps
    /// about the token can't be read.
    pub fn open(&self, reader: &str) -> Result<Session, ActionError> {
        let link = self
            .backend
            .connect(reader, Sharing::Shared)
            .map_err(|source| LoadError::Link {
                reader: reader.to_owned(),
                source,
            })?;
        self.session(Card::new(link))
    }

    /// Reads the token of a connection: the commands are those of
    /// [`load`](crate::load()).
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn session(&self, mut card: Card) -> Result<Session, ActionError> {
        let token = load(&mut card, &self.options)?;
        let mut session = Session {
            manager: self.clone(),
            read_at: card.losses(),
            card,
            token,
            key: None,
            record: HostRecord::new(),
            steps: Steps::default(),
        };
        session.consult_record()?;
        Ok(session)
    }

    /// Adds to a token that was read what this host keeps about it, and the
    /// risks that were agreed to: policy and capabilities follow. Sends
    /// nothing.
    ///
    /// # Errors
    /// [`ActionError::Store`]; the token is then as it was.
    pub fn complete(&self, token: &mut Token) -> Result<(), ActionError> {
        let record = match TokenKey::of(&token.identity) {
            Some(key) => self.store.read(&key)?,
            None => HostRecord::new(),
        };
        token.complete(&record, self.overrides);
        Ok(())
    }
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager")
            .field("backend", &self.backend.name())
            .field("overrides", &self.overrides)
            .finish_non_exhaustive()
    }
}

/// One token, connected and read. Actions are its methods.
///
/// Each action is one transaction, or one for each part between which a
/// person is asked; none is held while anybody is asked anything. After each,
/// the token is locked again, unless an [`Authenticated`](crate::Authenticated)
/// guard holds it open. Dropping the session locks the token.
///
/// While a session is open, other programs can use the token too, and what one
/// program unlocks is open to all of them: that is how a card works.
pub struct Session {
    pub(crate) manager: Manager,
    pub(crate) card: Card,
    /// [`Card::losses`] when the token was read, or seen to be the same.
    read_at: u64,
    pub(crate) token: Token,
    pub(crate) key: Option<TokenKey>,
    pub(crate) record: HostRecord,
    pub(crate) steps: Steps,
}

impl Session {
    /// The token as it was read last, with the PIN's state as the last action
    /// found it.
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// The PIN policy in force.
    pub fn policy(&self) -> &PinPolicy {
        &self.token.pin_policy
    }

    /// What this host keeps about the token.
    pub fn record(&self) -> &HostRecord {
        &self.record
    }

    /// The name under which this host keeps things about the token; `None` if
    /// it has neither a serial number nor a GUID.
    pub fn key(&self) -> Option<&TokenKey> {
        self.key.as_ref()
    }

    /// The risks that were agreed to.
    pub fn overrides(&self) -> Overrides {
        self.manager.overrides
    }

    /// How many APDUs were sent since the connection was made.
    pub fn round_trips(&self) -> u64 {
        self.card.round_trips()
    }

    /// Reads what is in the reader again, past everything that is remembered of it: the
    /// session is with that token from now on, also if it is another one.
    ///
    /// # Errors
    /// [`ActionError::Load`], [`ActionError::Store`]; what was known is kept.
    pub fn reload(&mut self) -> Result<(), ActionError> {
        let mut options = self.manager.options.clone();
        // It may be part of an action, which is not to be left half done.
        options.cancel = None;
        self.token = load(&mut self.card, &options.with_freshness(Freshness::Fresh))?;
        self.read_at = self.card.losses();
        self.consult_record()
    }

    /// The same for whoever has decided something about the token, or was asked for
    /// something, meanwhile.
    ///
    /// # Errors
    /// As [`reload`](Self::reload); [`NotSent::OtherToken`] if the family, the serial
    /// number or the GUID is not what it was: another token, which is known by now.
    pub fn reload_same(&mut self) -> Result<(), ActionError> {
        let known = self.token.identity.clone();
        self.reload()?;
        if self.token.identity.is(&known) {
            return Ok(());
        }
        Err(NotSent::OtherToken.into())
    }

    /// What this host keeps about the token, as it is now.
    pub(crate) fn consult_record(&mut self) -> Result<(), ActionError> {
        self.key = TokenKey::of(&self.token.identity);
        self.record = match &self.key {
            Some(key) => self.manager.store.read(key)?,
            None => HostRecord::new(),
        };
        self.refresh();
        Ok(())
    }

    /// Policy and capabilities after the record or the token has changed.
    pub(crate) fn refresh(&mut self) {
        self.token.complete(&self.record, self.manager.overrides);
    }

    /// Changes the record as it is in the store now, which other programs may
    /// have changed since it was read.
    pub(crate) fn update_record(
        &mut self,
        mut change: impl FnMut(&mut HostRecord),
    ) -> Result<(), ActionError> {
        let Some(key) = &self.key else {
            return Ok(());
        };
        self.record = self.manager.store.update(key, &mut change)?;
        self.refresh();
        Ok(())
    }

    /// Refuses an action that the token can't do, or that was not agreed to, as
    /// every action does before anything else: for a frontend that asks a person
    /// for a secret first. That it needs a PIN is no reason: whoever calls brings
    /// one. Sends nothing.
    ///
    /// # Errors
    /// [`ActionError::Unavailable`]; [`ActionError::Vci`] if all that is missing is the
    /// virtual contact interface; [`ActionError::NotSent`] with [`NotSent::Blocked`] if
    /// the PIN is known to be blocked.
    pub fn ensure(&self, action: Action) -> Result<(), ActionError> {
        let Some(reason) = self.token.capabilities.get(action).obstacle() else {
            return Ok(());
        };
        if reason == Reason::PinBlocked {
            let secret = self.token.blocked_pin(action);
            return Err(NotSent::Blocked { secret }.into());
        }
        Err(match &self.token.vci {
            VciState::Closed(why) if self.token.vci.obstacle() == Some(reason) => {
                let source = why.clone();
                ActionError::Vci { action, source }
            }
            _ => ActionError::Unavailable { action, reason },
        })
    }

    pub(crate) fn family(&self) -> Option<Family> {
        self.token.identity.family.crescendo()
    }

    /// As [`Job::aca`].
    pub(crate) fn aca(&self) -> Option<Family> {
        let through_air = self.token.open_vci().is_some();
        self.family().filter(|_| !through_air)
    }

    /// One transaction for an action, on the token that was read: if others may
    /// have exchanged it since, that is looked at before anything else
    /// ([`same::check`]).
    pub(crate) fn job(&mut self, action: Action) -> Result<Job<'_>, ActionError> {
        let mut job = Job::begin(
            &mut self.card,
            action,
            &self.token,
            &self.manager.options,
            &mut self.steps,
        )?;
        if job.losses() != self.read_at {
            same::check(&mut job, &self.token.identity)?;
            self.read_at = job.losses();
        }
        Ok(job)
    }

    /// One transaction on whatever token is in the reader, to lock it or to see
    /// what holds.
    pub(crate) fn job_on_any(&mut self, action: Action) -> Result<Job<'_>, ActionError> {
        Job::begin(
            &mut self.card,
            action,
            &self.token,
            &self.manager.options,
            &mut self.steps,
        )
    }

    /// Whether the card was reset or exchanged by others since the token was read.
    pub(crate) fn was_lost(&self) -> bool {
        self.card.losses() != self.read_at
    }

    /// Locks what a guard was to hold, or has held, open. That this may not work
    /// is no failure of the action: a card that is gone is locked, and anything
    /// else is tried again when the session ends.
    pub(crate) fn lock_again(&mut self) {
        if let Err(error) = self.card.lock() {
            tracing::warn!(%error, "the token could not be locked again");
        }
    }

    /// Locks the token: logs out the PIN with VERIFY, P1 = FF, where that is
    /// known to work, else resets the card. Sends nothing if nothing was
    /// unlocked through this session.
    ///
    /// # Errors
    /// [`ActionError::Interrupted`] if the token could not be locked.
    pub fn lock(&mut self) -> Result<(), ActionError> {
        self.card.lock().map_err(|error| match error {
            TransportError::Link(source) => ActionError::Interrupted {
                action: Action::Authenticate,
                step: "lock",
                aftermath: crate::Aftermath::Unchanged,
                source,
            },
            other => ActionError::Malformed {
                action: Action::Authenticate,
                step: "lock",
                aftermath: crate::Aftermath::Unchanged,
                detail: other.to_string(),
            },
        })
    }

    /// What the reader's own PIN pad can do for this token's PIN: verify it,
    /// change it. A pad knows nothing of secure sessions, so it is offered on contact
    /// only; and it has digits only, so it is offered where a PIN is made of
    /// digits only. Asks the reader, and sends nothing to the card.
    pub fn pin_pad(&mut self) -> PinPadFeatures {
        let on_contact = self.token.interface == Interface::Contact;
        if on_contact && self.token.pin_policy.alphabet == Alphabet::Digits {
            self.card.pin_pad()
        } else {
            PinPadFeatures::NONE
        }
    }

    /// Asks for the PIN's state: SELECT of the PIV application, empty VERIFY.
    /// Spends no try.
    ///
    /// # Errors
    /// [`ActionError::Interrupted`], [`ActionError::Refused`].
    pub fn refresh_pin_status(&mut self) -> Result<PinStatus, ActionError> {
        let mut job = self.job(Action::ReadContent)?;
        job.select_piv()?;
        let status = job.pin_status()?;
        job.end_open();
        self.note_pin(status.clone());
        Ok(status)
    }

    /// The PIN's state as an action found it.
    pub(crate) fn note_pin(&mut self, status: PinStatus) {
        self.token.note_pin(status);
    }

    /// The token was locked again after the PIN was right: it has its tries
    /// back, and how many that are is the card's to tell when it matters.
    pub(crate) fn note_locked(&mut self) {
        if self.token.pin.status == PinStatus::AlreadyVerified {
            self.note_pin(PinStatus::Unknown(Unreadable::NotTold(
                "not asked since the token was locked",
            )));
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("card", &self.card)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
