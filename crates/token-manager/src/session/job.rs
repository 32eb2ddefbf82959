//! One transaction of an action: which step is under way, and what an
//! interruption there would mean.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crescendo_ext::aca::SelectAca;
use crescendo_ext::identity::Family;
use ctap_apdu::framing::AskOn;
use ctap_apdu::status::CtapStatus;
use ctap_apdu::{CallError, CtapCommand, CtapError};
use pcsc_transport::{Card, SendError, Transaction, TransportError};
use pcsc_transport::{PinDigits, PinModify, PinPadError, PinVerify};
use piv_apdu::aid;
use piv_apdu::apdu::{Command, Response};
use piv_apdu::command::{AnswerError, TypedCommand, Verify};
use piv_apdu::key::KeyReference;
use piv_apdu::management::{ManagementKey, MutualAuthentication};
use piv_apdu::object::ObjectTag;
use piv_apdu::status::StatusWord;
use token_cache::{Cache, Item, Name};
use zeroize::Zeroizing;

use crate::capability::{Action, Reason};
use crate::failure::{ActionError, Aftermath, NotSent, Secret};
use crate::options::LoadOptions;
use crate::pin::PinStatus;
use crate::session::Steps;
use crate::token::Token;
use crate::vci::{Announced, VciAccess, open};

use super::effects;

/// A transaction in which an action sends its commands.
pub(crate) struct Job<'c> {
    transaction: Transaction<'c>,
    action: Action,
    family: Option<Family>,
    pin: KeyReference,
    /// How many digits a PIN pad takes for the PIN that holds.
    digits: PinDigits,
    /// How many it takes for that one and for a new one.
    digits_to_change: PinDigits,
    /// What is remembered of the token, and its name there.
    cache: &'c Cache,
    cache_name: Option<Name>,
    /// What it takes to open the virtual contact interface, if that is the way in.
    vci: Option<(Arc<Announced>, VciAccess)>,
    /// How long to wait before an authenticator is asked again whether it is done.
    keep_alive_pause: Duration,
    step: &'static str,
    aftermath: Aftermath,
    steps: &'c mut Steps,
}

impl<'c> Job<'c> {
    pub(super) fn begin(
        card: &'c mut Card,
        action: Action,
        token: &Token,
        options: &'c LoadOptions,
        steps: &'c mut Steps,
    ) -> Result<Self, ActionError> {
        let step = "begin";
        let transaction = card
            .begin()
            .map_err(|error| transport(error, action, step, Aftermath::Unchanged))?;
        let policy = &token.pin_policy;
        let any = policy.of_any_pin();
        let digits = PinDigits::new(any.minimum, any.maximum).unwrap_or(PinDigits::PIV);
        // The PIN that holds may be older than the policy, but a pad has one range for
        // both. A card that enforces the policy looks at the new one itself; else it is
        // the pad that keeps it within the lengths.
        let digits_to_change = if policy.enforced_by_card {
            digits
        } else {
            PinDigits::new(policy.minimum, policy.maximum).unwrap_or(PinDigits::PIV)
        };
        Ok(Self {
            transaction,
            action,
            family: token.identity.family.crescendo(),
            pin: token.pin.reference,
            digits,
            digits_to_change,
            cache: &options.cache,
            cache_name: token.cache_name(),
            vci: token
                .open_vci()
                .map(|announced| (announced, options.vci.clone())),
            keep_alive_pause: options.keep_alive_pause,
            step,
            aftermath: Aftermath::Unchanged,
            steps,
        })
    }

    /// [`Card::losses`], with what this transaction's beginning found.
    pub(super) fn losses(&self) -> u64 {
        self.transaction.losses()
    }

    /// The family, if it is a Crescendo.
    pub(crate) fn family(&self) -> Option<Family> {
        self.family
    }

    /// Whether the token is spoken to over the virtual contact interface.
    pub(crate) fn is_through_air(&self) -> bool {
        self.vci.is_some()
    }

    /// The family, if the PIN is the access control applet's to compare: on a
    /// Crescendo, but not through the air, where only the PIV application has secure
    /// sessions.
    pub(crate) fn aca(&self) -> Option<Family> {
        self.family.filter(|_| !self.is_through_air())
    }

    /// The PIN that the token uses.
    pub(crate) fn pin_reference(&self) -> KeyReference {
        self.pin
    }

    /// The transaction, for what has no typed command.
    pub(crate) fn transaction(&mut self) -> &mut Transaction<'c> {
        &mut self.transaction
    }

    /// Says which step comes next, and in what state the token is if the
    /// connection is lost from there on.
    pub(crate) fn at(&mut self, step: &'static str, aftermath: Aftermath) -> &mut Self {
        self.aftermath = aftermath;
        self.step(step)
    }

    /// Says which step comes next; what a loss there would mean is as before.
    pub(crate) fn step(&mut self, step: &'static str) -> &mut Self {
        self.step = step;
        self.steps.come_to(step);
        self
    }

    /// Says which step comes next and what a loss there would mean, unless more
    /// is at stake already.
    pub(crate) fn risking(&mut self, step: &'static str, aftermath: Aftermath) -> &mut Self {
        if self.aftermath == Aftermath::Unchanged {
            self.aftermath = aftermath;
        }
        self.step(step)
    }

    /// The steps of the plan that is carried out.
    pub(crate) fn steps(&mut self) -> &mut Steps {
        self.steps
    }

    /// In what state the token would be if the connection were lost.
    pub(crate) fn aftermath(&self) -> Aftermath {
        self.aftermath
    }

    /// Sends a command; a status word that means no is the caller's to read.
    pub(crate) fn send<C: TypedCommand>(
        &mut self,
        command: &C,
    ) -> Result<Result<C::Answer, StatusWord>, ActionError> {
        effects::forget(self.cache, self.cache_name.as_ref(), &command.to_command());
        match self.transaction.send(command) {
            Ok(answer) => Ok(Ok(answer)),
            Err(SendError::Answer(AnswerError::Status(status))) => Ok(Err(status)),
            Err(SendError::Transport(error)) => {
                Err(transport(error, self.action, self.step, self.aftermath))
            }
            Err(other) => Err(self.malformed(other.to_string())),
        }
    }

    /// Sends a CTAP command, with the FIDO application selected first, and waits while
    /// the authenticator is not done; a status code that means no is the caller's to read.
    pub(crate) fn send_ctap<C: CtapCommand>(
        &mut self,
        command: &C,
    ) -> Result<Result<C::Answer, CtapStatus>, ActionError> {
        self.select(ctap_apdu::framing::AID)?;
        let answer = ctap_apdu::call(command, |apdu| {
            if AskOn::from_command(apdu).is_ok() {
                thread::sleep(self.keep_alive_pause);
            }
            self.transaction.exchange(apdu)
        });
        match answer {
            Ok(answer) => Ok(Ok(answer)),
            Err(CallError::Exchange(error)) => {
                Err(transport(error, self.action, self.step, self.aftermath))
            }
            Err(CallError::Ctap(CtapError::Status(status))) => Ok(Err(status)),
            Err(CallError::Ctap(CtapError::Card(status))) => Err(self.refused(status)),
            Err(CallError::Ctap(error)) => Err(self.malformed(error.to_string())),
        }
    }

    /// Sends a CTAP command that has to be answered.
    pub(crate) fn demand_ctap<C: CtapCommand>(
        &mut self,
        command: &C,
    ) -> Result<C::Answer, ActionError> {
        self.send_ctap(command)?
            .map_err(|status| self.refused_by_fido(status))
    }

    /// Forgets what a change of the FIDO PIN makes stale; on a token that shares it, the
    /// PIV PIN's tries too. To be called before it is sent.
    pub(crate) fn forget_fido(&self) {
        if let Some(name) = &self.cache_name {
            let stale = |item: Item| matches!(item, Item::FidoInfo | Item::Tries(_));
            effects::forget_items(self.cache, name, stale);
        }
    }

    /// That the FIDO application refused the step under way.
    pub(crate) fn refused_by_fido(&self, status: CtapStatus) -> ActionError {
        ActionError::RefusedByFido {
            action: self.action,
            step: self.step,
            status,
            aftermath: self.aftermath,
        }
    }

    /// Sends a command whose answer is of use only if there is one that can be
    /// understood.
    pub(super) fn ask<C: TypedCommand>(
        &mut self,
        command: &C,
    ) -> Result<Option<C::Answer>, ActionError> {
        match self.send(command) {
            Ok(answer) => Ok(answer.ok()),
            Err(ActionError::Malformed { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends a command that has to be answered.
    pub(crate) fn demand<C: TypedCommand>(
        &mut self,
        command: &C,
    ) -> Result<C::Answer, ActionError> {
        self.send(command)?.map_err(|status| self.refused(status))
    }

    /// What a status word that answered a secret with a counter means.
    pub(crate) fn refused_secret(&self, secret: Secret, status: StatusWord) -> ActionError {
        match (status, status.tries_left()) {
            (StatusWord::AUTHENTICATION_METHOD_BLOCKED, _) | (_, Some(0)) => {
                ActionError::Blocked { secret }
            }
            (_, tries_left @ Some(_)) => ActionError::Wrong { secret, tries_left },
            (StatusWord::VERIFICATION_FAILED, None) => ActionError::Wrong {
                secret,
                tries_left: None,
            },
            _ => self.refused(status),
        }
    }

    /// That the card refused the step under way.
    pub(crate) fn refused(&self, status: StatusWord) -> ActionError {
        ActionError::Refused {
            action: self.action,
            step: self.step,
            status,
            aftermath: self.aftermath,
        }
    }

    /// That the answer to the step under way can't be understood.
    pub(crate) fn malformed(&self, detail: impl Into<String>) -> ActionError {
        ActionError::Malformed {
            action: self.action,
            step: self.step,
            aftermath: self.aftermath,
            detail: detail.into(),
        }
    }

    /// That what was done does not show.
    pub(crate) fn not_confirmed(&self, detail: impl Into<String>) -> ActionError {
        ActionError::NotConfirmed {
            action: self.action,
            detail: detail.into(),
        }
    }

    /// That an object has content that is not ours.
    pub(crate) fn foreign_content(&self, object: ObjectTag) -> ActionError {
        ActionError::ForeignContent {
            action: self.action,
            object,
        }
    }

    /// Selects the PIV application, unless it certainly is selected; on a contactless
    /// reader opens the virtual contact interface there, unless it is open.
    pub(crate) fn select_piv(&mut self) -> Result<(), ActionError> {
        self.select(aid::PIV)?;
        let Some((announced, access)) = &self.vci else {
            return Ok(());
        };
        if self.transaction.is_secured() {
            return Ok(());
        }
        let opened = open(&mut self.transaction, announced, access)
            .map_err(|error| transport(error, self.action, self.step, self.aftermath))?;
        opened.map_err(|source| ActionError::Vci {
            action: self.action,
            source,
        })
    }

    /// Selects the access control applet, unless it certainly is selected.
    pub(crate) fn select_aca(&mut self) -> Result<(), ActionError> {
        if self.transaction.selected() == Some(crescendo_ext::aid::ACA) {
            return Ok(());
        }
        self.demand(&SelectAca).map(drop)
    }

    fn select(&mut self, aid: &[u8]) -> Result<(), ActionError> {
        match self.transaction.ensure_selected(aid) {
            Ok(None) => Ok(()),
            Ok(Some(response)) if response.status().is_success() => Ok(()),
            Ok(Some(response)) => Err(self.refused(response.status())),
            Err(error) => Err(transport(error, self.action, self.step, self.aftermath)),
        }
    }

    /// Asks for the PIN's state in the PIV application, which has to be
    /// selected. Spends no try.
    pub(crate) fn pin_status(&mut self) -> Result<PinStatus, ActionError> {
        Ok(match self.send(&Verify::query(self.pin))? {
            Ok(()) => PinStatus::AlreadyVerified,
            Err(status) => PinStatus::from_status_word(status),
        })
    }

    /// VERIFY with the PIN from the reader's own PIN pad: in the ACA on a
    /// Crescendo, else in PIV.
    pub(crate) fn verify_on_pin_pad(&mut self) -> Result<Result<(), StatusWord>, ActionError> {
        let header = match self.aca() {
            Some(_) => [0x00, 0x20, 0x00, 0x00],
            None => [0x00, 0x20, 0x00, self.pin.get()],
        };
        if !self.transaction.pin_pad().verify {
            return Err(NotSent::NoPinPad.into());
        }
        self.forget_tries(header);
        let request = PinVerify::new(header, self.digits);
        let answer = self.transaction.verify_on_pin_pad(&request);
        self.pad_answer(answer)
    }

    /// The change of the PIN, with both PINs from the reader's own PIN pad.
    pub(crate) fn change_on_pin_pad(&mut self) -> Result<Result<(), StatusWord>, ActionError> {
        let header = match self.aca() {
            Some(_) => [0x00, 0x24, 0x01, 0x00],
            None => [0x00, 0x24, 0x00, self.pin.get()],
        };
        if !self.transaction.pin_pad().modify {
            return Err(NotSent::NoPinPad.into());
        }
        self.forget_tries(header);
        let request = PinModify::new(header, self.digits_to_change);
        let answer = self.transaction.modify_on_pin_pad(&request);
        self.pad_answer(answer)
    }

    /// What the reader's pad is about to send has a PIN in it.
    fn forget_tries(&self, [cla, ins, p1, p2]: [u8; 4]) {
        let command = Command::new(cla, ins, p1, p2).with_data(&[0xFF]);
        effects::forget(self.cache, self.cache_name.as_ref(), &command);
    }

    fn pad_answer(
        &self,
        answer: Result<Response, PinPadError>,
    ) -> Result<Result<(), StatusWord>, ActionError> {
        match answer {
            Ok(response) if response.status().is_success() => Ok(Ok(())),
            Ok(response) => Ok(Err(response.status())),
            Err(PinPadError::Transport(error)) => {
                Err(transport(error, self.action, self.step, self.aftermath))
            }
            Err(error) => Err(ActionError::PinPad(error)),
        }
    }

    /// Mutual authentication with the card management key, with the PIV
    /// application selected first.
    pub(crate) fn authenticate_management(
        &mut self,
        key: &ManagementKey,
    ) -> Result<(), ActionError> {
        self.step("management-key").select_piv()?;
        let wrong = || ActionError::Wrong {
            secret: Secret::ManagementKey,
            tries_left: None,
        };
        let mutual = MutualAuthentication::new(key);
        let witness = self.demand(&mutual.request_witness())?;
        let mut challenge = Zeroizing::new([0; 16]);
        let challenge = &mut challenge[..key.algorithm().block_length()];
        getrandom::fill(challenge).map_err(|error| ActionError::Random(error.to_string()))?;
        let (command, mutual) = mutual
            .answer_witness(&witness, challenge)
            .map_err(|error| self.malformed(error.to_string()))?;
        let answer = match self.send(&command)? {
            Ok(answer) => answer,
            Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED | StatusWord::VERIFICATION_FAILED) => {
                return Err(wrong());
            }
            Err(status) => return Err(self.refused(status)),
        };
        // The card has to know the key, too.
        mutual
            .check_response(&answer)
            .map_err(|_| ActionError::CardNotGenuine {
                action: self.action,
            })
    }

    /// Locks what was unlocked and ends the transaction, so that no other
    /// program finds the token unlocked in between. That it can't be locked is
    /// no failure of the action: it is tried again when the session ends.
    pub(crate) fn end(self) {
        if let Err(error) = self.transaction.end_locked() {
            tracing::warn!(%error, "the token could not be locked");
        }
    }

    /// Ends the transaction and leaves the token as it is, for a guard that
    /// holds it unlocked.
    pub(crate) fn end_open(self) {
        drop(self.transaction);
    }
}

/// What a failed exchange means for an action.
pub(crate) fn transport(
    error: TransportError,
    action: Action,
    step: &'static str,
    aftermath: Aftermath,
) -> ActionError {
    match error {
        TransportError::Link(source) => ActionError::Interrupted {
            action,
            step,
            aftermath,
            source,
        },
        TransportError::InTheClear => ActionError::Unavailable {
            action,
            reason: Reason::NoSecureSession,
        },
        TransportError::Secure(source) => ActionError::SessionLost {
            action,
            step,
            aftermath,
            source,
        },
        other => ActionError::Malformed {
            action,
            step,
            aftermath,
            detail: other.to_string(),
        },
    }
}
