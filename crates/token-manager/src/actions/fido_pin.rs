//! The PIN of the FIDO application: set the first one, verify it, change it.

use ctap_apdu::client_pin::{ChangePin, GetKeyAgreement, GetPinRetries, GetPinToken, SetPin};
use ctap_apdu::status::CtapStatus;
use ctap_apdu::{FidoPin, PinProtocol, SharedSecret};
use getrandom::SysRng;
use piv_apdu::secret::Pin;
use token_profile::Rule;

use super::entry::{may_be_pin, may_become_pin};
use crate::capability::{Action, Capability, Reason};
use crate::error::Unreadable;
use crate::failure::{ActionError, Aftermath, NotSent, Secret, Sides};
use crate::fido::{FidoApplication, FidoPinState};
use crate::pin::PinStatus;
use crate::plan::{Plan, Step};
use crate::session::{Job, LastTry, Session};

const TRIES: &str = "fido-tries-left";
const AGREE: &str = "fido-key-agreement";
const SET: &str = "set-fido-pin";
const VERIFY: &str = "verify-fido-pin";
const CHANGE: &str = "change-fido-pin";

/// How setting or changing the FIDO PIN went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FidoPinChanged {
    /// The PIN's state before.
    pub before: FidoPinState,
    /// The PIN's state after.
    pub after: FidoPinState,
    /// Whether a forced change was waiting, and is now done.
    pub was_forced: bool,
}

/// The state of a FIDO PIN that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FidoPinVerified {
    /// The PIN's state before.
    pub before: FidoPinState,
    /// The PIN's state after: it has all its tries again.
    pub after: FidoPinState,
}

impl Session {
    /// Sets the first FIDO PIN.
    ///
    /// Sends SELECT of the FIDO application, and in it authenticatorClientPIN with
    /// getKeyAgreement and setPIN (CTAP 2.1, 6.5.5.4 and 6.5.5.5), then getPINRetries.
    /// Sends nothing if there is a PIN already, or if the new one is shorter than the
    /// token takes.
    ///
    /// # Errors
    /// [`ActionError::Unavailable`], [`ActionError::NotSent`],
    /// [`ActionError::Refused`], [`ActionError::RefusedByFido`]. With
    /// [`Aftermath::FidoPinNewOrNotSet`] ([`ActionError::aftermath`]) where setPIN was sent
    /// and nothing tells what came of it: [`ActionError::Interrupted`] if the card was
    /// lost, [`ActionError::Malformed`], and the two refusals with a status that is no
    /// check that failed.
    pub fn set_fido_pin(&mut self, new: &FidoPin) -> Result<FidoPinChanged, ActionError> {
        let plan = self.plan_set_fido_pin()?;
        self.check_new_fido_pin(new)?;
        let protocol = self.fido_protocol()?;
        self.carry_out(&plan, |session| {
            let mut job = session.job(Action::FidoPin)?;
            let result = set(&mut job, protocol, new);
            job.end();
            Ok(FidoPinChanged {
                before: FidoPinState::NotSet,
                after: session.note_fido_pin(result)?,
                was_forced: false,
            })
        })
    }

    /// What [`set_fido_pin`](Self::set_fido_pin) would do. Sends nothing.
    ///
    /// # Errors
    /// [`ActionError::Unavailable`]; [`ActionError::NotSent`] if there is a PIN already.
    pub fn plan_set_fido_pin(&self) -> Result<Plan, ActionError> {
        self.ensure(Action::FidoPin)?;
        if self.fido()?.pin.is_set() {
            return Err(NotSent::FidoPinIsSet.into());
        }
        let step = Step::new(SET, "set the first FIDO PIN, encrypted for the token")
            .sends(&["authenticatorClientPIN setPIN"])
            .irreversible();
        Ok(Plan::new(Action::FidoPin).step(agree_step()).step(step))
    }

    /// Changes the FIDO PIN.
    ///
    /// Sends SELECT of the FIDO application, and in it authenticatorClientPIN with
    /// getPINRetries, getKeyAgreement and changePIN (CTAP 2.1, 6.5.5.2, 6.5.5.4 and
    /// 6.5.5.6), then getPINRetries again. A wrong present PIN costs one try.
    /// Sends nothing if there is no PIN, if it is known that the token would not look at
    /// it, or if the new one is shorter than the token takes or is the present one.
    ///
    /// A PIN that PIV shares is changed there, too: its state is asked for after, as
    /// [`refresh_pin_status`](Self::refresh_pin_status) does, and that of both sides if the
    /// FIDO application says that it is blocked. Of a new one that was typed in
    /// another form than Unicode's Normalization Form C nothing is sent: PIV would have
    /// another PIN than the one that was typed.
    ///
    /// # Errors
    /// [`ActionError::Unavailable`], [`ActionError::NotSent`], [`ActionError::Wrong`],
    /// [`ActionError::WrongUntilPowerCycle`], [`ActionError::Blocked`],
    /// [`ActionError::Refused`], [`ActionError::RefusedByFido`]. With
    /// [`Aftermath::FidoPinOldOrNew`], or [`Aftermath::SharedPinOldOrNew`] of a PIN that PIV
    /// shares ([`ActionError::aftermath`]), where changePIN was sent
    /// and nothing tells what came of it: [`ActionError::Interrupted`] if the card was
    /// lost, [`ActionError::Malformed`], and the two refusals with a status that is no
    /// check that failed.
    pub fn change_fido_pin(
        &mut self,
        present: &FidoPin,
        new: &FidoPin,
        last_try: LastTry,
    ) -> Result<FidoPinChanged, ActionError> {
        let plan = self.plan_change_fido_pin()?;
        let secret = self.fido_secret();
        self.check_present_fido_pin(present)?;
        self.check_new_fido_pin(new)?;
        if present == new {
            return Err(NotSent::SameAsOld { secret }.into());
        }
        let protocol = self.fido_protocol()?;
        let was_forced = self.fido()?.wants_pin_change();
        self.carry_out(&plan, |session| {
            let mut job = session.job(Action::FidoPin)?;
            let mut before = FidoPinState::NotSet;
            let result = tries(&mut job, protocol, secret, last_try).and_then(|state| {
                before = state.clone();
                change(&mut job, (protocol, secret), &state, present, new)
            });
            job.end();
            Ok(FidoPinChanged {
                before,
                after: session.note_fido_pin(result)?,
                was_forced,
            })
        })
    }

    /// What [`change_fido_pin`](Self::change_fido_pin) would do. Sends nothing.
    ///
    /// # Errors
    /// [`ActionError::Unavailable`]; [`ActionError::NotSent`] if there is no PIN, if it is
    /// known to be blocked, or if the token was not without power since the third wrong
    /// one.
    pub fn plan_change_fido_pin(&self) -> Result<Plan, ActionError> {
        self.ensure(Action::FidoPin)?;
        self.may_present_fido_pin()?;
        let tries = Step::new(TRIES, "ask for the tries left").sends(&[
            "SELECT of the FIDO application",
            "authenticatorClientPIN getPINRetries",
        ]);
        let text = "present the FIDO PIN, and set the new one in its place, both encrypted for \
                    the token";
        let step = Step::new(CHANGE, text)
            .sends(&["authenticatorClientPIN changePIN"])
            .irreversible();
        Ok(Plan::new(Action::FidoPin)
            .step(tries)
            .step(agree_step())
            .step(step))
    }

    /// Verifies the FIDO PIN. A right one spends no try; what the token gives for it, with
    /// which credentials could be used, is thrown away.
    ///
    /// Sends SELECT of the FIDO application, and in it authenticatorClientPIN with
    /// getPINRetries, getKeyAgreement and getPinToken (CTAP 2.1, 6.5.5.2, 6.5.5.4 and
    /// 6.5.5.7.1), then getPINRetries again. A wrong PIN costs one try.
    /// Sends nothing if there is no PIN, if it is known that the token would not look at
    /// it, or if it has to be changed first.
    ///
    /// # Errors
    /// [`ActionError::Unavailable`], [`ActionError::NotSent`], [`ActionError::Wrong`],
    /// [`ActionError::WrongUntilPowerCycle`], [`ActionError::Blocked`],
    /// [`ActionError::Refused`], [`ActionError::RefusedByFido`]; with
    /// [`Aftermath::TryUncertain`] [`ActionError::Interrupted`] and
    /// [`ActionError::Malformed`].
    pub fn verify_fido_pin(
        &mut self,
        pin: &FidoPin,
        last_try: LastTry,
    ) -> Result<FidoPinVerified, ActionError> {
        self.may_verify_fido_pin()?;
        self.check_present_fido_pin(pin)?;
        let (protocol, secret) = (self.fido_protocol()?, self.fido_secret());
        let mut job = self.job(Action::FidoPin)?;
        let verified = tries(&mut job, protocol, secret, last_try).and_then(|before| {
            let after = verify(&mut job, (protocol, secret), &before, pin)?;
            Ok(FidoPinVerified { before, after })
        });
        job.end();
        let verified = verified.map_err(|error| self.note_fido_failure(error))?;
        self.token.note_fido_pin(verified.after.clone());
        Ok(verified)
    }

    /// Whether the token would look at a FIDO PIN that is to be verified, as far as that is
    /// known: who asks a person for it asks this first. One that PIV shares is looked at
    /// while only PIV's side is blocked. Sends nothing.
    ///
    /// # Errors
    /// [`ActionError::Unavailable`]; [`ActionError::NotSent`] if there is no PIN, if it is
    /// known to be blocked, if it has to be changed first, or if the token was not without
    /// power since the third wrong one.
    pub fn may_verify_fido_pin(&self) -> Result<(), ActionError> {
        self.may_present_fido_pin()?;
        if self.fido()?.wants_pin_change() {
            return Err(forced_change(self.fido_secret()));
        }
        Ok(())
    }

    fn may_present_fido_pin(&self) -> Result<(), ActionError> {
        match self.fido()?.pin {
            FidoPinState::NotSet => Err(NotSent::NoFidoPin.into()),
            FidoPinState::Blocked => {
                let secret = self.token.blocked_pin(Action::FidoPin);
                Err(NotSent::Blocked { secret }.into())
            }
            FidoPinState::PowerCycleNeeded { tries_left: left } => {
                Err(NotSent::PowerCycle { left }.into())
            }
            _ => Ok(()),
        }
    }

    /// The FIDO application, if it has or takes a PIN, blocked or not.
    fn fido(&self) -> Result<&FidoApplication, ActionError> {
        let blocked = Capability::Unavailable(Reason::PinBlocked);
        if self.token.capabilities.get(Action::FidoPin) != blocked {
            self.ensure(Action::FidoPin)?;
        }
        let application = self.token.fido.application();
        application
            .filter(|application| application.pin != FidoPinState::NotSupported)
            .ok_or(ActionError::Unavailable {
                action: Action::FidoPin,
                reason: Reason::NotAnnounced,
            })
    }

    fn fido_protocol(&self) -> Result<PinProtocol, ActionError> {
        let protocol = self.fido()?.info.pin_protocol();
        protocol.ok_or(ActionError::Unavailable {
            action: Action::FidoPin,
            reason: Reason::NotAnnounced,
        })
    }

    /// What the PIN that the FIDO application takes is, with the tries that it has there.
    fn fido_secret(&self) -> Secret {
        if self.token.shares_fido_pin() {
            Secret::SharedPin(Sides::Fido)
        } else {
            Secret::FidoPin
        }
    }

    /// A PIN that is shared can't be one that PIV could not have taken.
    fn check_present_fido_pin(&self, present: &FidoPin) -> Result<(), ActionError> {
        if !self.token.shares_fido_pin() {
            return Ok(());
        }
        let shared = self.as_shared(present);
        let shared = shared.map_err(|rule| NotSent::CannotBe {
            secret: Secret::SharedPin(Sides::Both),
            rule,
            whose: self.token.pin_policy.decided_by,
        })?;
        Ok(may_be_pin(&self.token.pin_policy, &shared)?)
    }

    /// As the PIN that PIV has.
    fn as_shared(&self, pin: &FidoPin) -> Result<Pin, Rule> {
        Pin::new(pin.as_str().as_bytes()).map_err(|_| Rule::AtMost(self.token.pin_policy.maximum))
    }

    /// Holds a new PIN against the rules of the FIDO application, and against the PIV
    /// PIN's too where the profile says that both are one.
    fn check_new_fido_pin(&self, new: &FidoPin) -> Result<(), ActionError> {
        let minimum = self.fido()?.min_pin_length();
        if new.code_points() < minimum {
            return Err(NotSent::FidoPinTooShort { minimum }.into());
        }
        if self.token.shares_fido_pin() {
            let shared = self
                .as_shared(new)
                .map_err(|rule| NotSent::NewPin { rule })?;
            // What PIV gets is what goes out, and not what the person will type there.
            if !new.is_as_given() {
                let rule = Rule::FidoPin;
                return Err(NotSent::NewPin { rule }.into());
            }
            may_become_pin(&self.token.pin_policy, &shared)?;
        }
        Ok(())
    }

    /// The FIDO PIN's state as an action found or left it, and what that means for the PIV
    /// side of one that both share.
    fn note_fido_pin(
        &mut self,
        result: Result<FidoPinState, ActionError>,
    ) -> Result<FidoPinState, ActionError> {
        let state = result.map_err(|error| self.note_fido_failure(error))?;
        self.token.note_new_fido_pin(state.clone());
        if self.token.shares_fido_pin() {
            self.note_pin_changed();
            self.ask_piv_side();
        }
        Ok(state)
    }

    /// Notes what a failure tells of the PIN. Gives the failure, with the sides that are
    /// blocked if it is one that PIV shares.
    fn note_fido_failure(&mut self, error: ActionError) -> ActionError {
        if matches!(error, ActionError::Blocked { .. }) && self.token.shares_fido_pin() {
            return self.note_shared_block(error);
        }
        if let Some(state) = state_after(&error) {
            self.token.note_fido_pin(state);
        }
        if error.aftermath() == Some(Aftermath::SharedPinOldOrNew) {
            self.note_pin(PinStatus::Unknown(Unreadable::NotTold(UNANSWERED)));
        }
        match error {
            ActionError::NotSent(NotSent::Blocked {
                secret: Secret::SharedPin(_),
            }) => {
                let secret = Secret::SharedPin(self.token.blocked_sides());
                NotSent::Blocked { secret }.into()
            }
            error => error,
        }
    }

    /// A token says that a shared PIN is blocked if either side is, since whoever knows the
    /// PIN can't change it then: both are asked. Other failures are left as they are.
    pub(super) fn note_shared_block(&mut self, error: ActionError) -> ActionError {
        let ActionError::Blocked {
            secret: Secret::SharedPin(_),
        } = error
        else {
            return error;
        };
        self.ask_piv_side();
        self.ask_fido_side();
        let secret = Secret::SharedPin(self.token.blocked_sides());
        ActionError::Blocked { secret }
    }

    /// Asks for the PIV PIN's state. That it can't be told is no failure of what was done.
    fn ask_piv_side(&mut self) {
        if let Err(error) = self.refresh_pin_status() {
            let why = Unreadable::GivenUp(error.to_string());
            self.note_pin(PinStatus::Unknown(why));
        }
    }

    /// The same of the FIDO PIN.
    fn ask_fido_side(&mut self) {
        let application = self.token.fido.application();
        let Some(protocol) = application.and_then(|fido| fido.info.pin_protocol()) else {
            return;
        };
        let state = match self.job(Action::Fido) {
            Ok(mut job) => {
                let state = state_now(&mut job, protocol);
                job.end();
                state
            }
            Err(error) => FidoPinState::Unknown(Unreadable::GivenUp(error.to_string())),
        };
        self.token.note_fido_pin(state);
    }
}

fn agree_step() -> Step {
    Step::new(AGREE, "agree on a key with the token").sends(&[
        "SELECT of the FIDO application",
        "authenticatorClientPIN getKeyAgreement",
    ])
}

/// The PIN's state; refuses if no try may be used.
fn tries(
    job: &mut Job<'_>,
    protocol: PinProtocol,
    secret: Secret,
    last_try: LastTry,
) -> Result<FidoPinState, ActionError> {
    job.step(TRIES);
    let state = match job.send_ctap(&GetPinRetries { protocol })? {
        Ok(retries) => FidoPinState::from_retries(retries),
        Err(status) => FidoPinState::Unknown(Unreadable::Ctap(status)),
    };
    let spare = last_try == LastTry::Spare;
    match state {
        FidoPinState::Blocked => Err(NotSent::Blocked { secret }.into()),
        FidoPinState::PowerCycleNeeded { tries_left: left } => {
            Err(NotSent::PowerCycle { left }.into())
        }
        FidoPinState::TriesLeft(1) if spare => Err(NotSent::LastTry { secret }.into()),
        FidoPinState::Unknown(why) if spare => Err(NotSent::TriesUnknown { secret, why }.into()),
        state => Ok(state),
    }
}

fn agree(job: &mut Job<'_>, protocol: PinProtocol) -> Result<SharedSecret, ActionError> {
    let key = job.step(AGREE).demand_ctap(&GetKeyAgreement { protocol })?;
    SharedSecret::agree(protocol, &key, &mut SysRng).map_err(no_random)
}

/// Sets the PIN. Gives its state after.
fn set(
    job: &mut Job<'_>,
    protocol: PinProtocol,
    new: &FidoPin,
) -> Result<FidoPinState, ActionError> {
    let secret = agree(job, protocol)?;
    let command = SetPin::new(&secret, new, &mut SysRng).map_err(no_random)?;
    job.forget_fido();
    job.risking(SET, Aftermath::FidoPinNewOrNotSet)
        .demand_ctap(&command)?;
    Ok(state_now(job, protocol))
}

/// Verifies the PIN, whose state was this before. Gives its state after.
fn verify(
    job: &mut Job<'_>,
    (protocol, secret): (PinProtocol, Secret),
    before: &FidoPinState,
    pin: &FidoPin,
) -> Result<FidoPinState, ActionError> {
    let key = agree(job, protocol)?;
    let command = GetPinToken::new(&key, pin, &mut SysRng).map_err(no_random)?;
    let answer = job
        .risking(VERIFY, Aftermath::TryUncertain)
        .send_ctap(&command)?;
    match answer.map(drop) {
        Ok(()) => Ok(state_now(job, protocol)),
        // It is right, and of no use before it is changed.
        Err(CtapStatus::PIN_POLICY_VIOLATION) => Err(forced_change(secret)),
        Err(status) => Err(refused(job, (protocol, secret), before, status)),
    }
}

/// Changes the PIN, whose state was this before. Gives its state after.
fn change(
    job: &mut Job<'_>,
    (protocol, secret): (PinProtocol, Secret),
    before: &FidoPinState,
    present: &FidoPin,
    new: &FidoPin,
) -> Result<FidoPinState, ActionError> {
    let key = agree(job, protocol)?;
    let command = ChangePin::new(&key, present, new, &mut SysRng).map_err(no_random)?;
    job.forget_fido();
    let aftermath = match secret {
        Secret::SharedPin(_) => Aftermath::SharedPinOldOrNew,
        _ => Aftermath::FidoPinOldOrNew,
    };
    let answer = job.risking(CHANGE, aftermath).send_ctap(&command)?;
    match answer {
        Ok(()) => Ok(state_now(job, protocol)),
        Err(status) => Err(refused(job, (protocol, secret), before, status)),
    }
}

/// What a status code that answered a PIN means.
fn refused(
    job: &mut Job<'_>,
    (protocol, secret): (PinProtocol, Secret),
    before: &FidoPinState,
    status: CtapStatus,
) -> ActionError {
    match status {
        CtapStatus::PIN_BLOCKED => ActionError::Blocked { secret },
        CtapStatus::PIN_INVALID => match state_now(job, protocol).tries_left() {
            Some(0) => ActionError::Blocked { secret },
            tries_left => ActionError::Wrong { secret, tries_left },
        },
        // This one was the third; or it was not looked at, and the tries are as before: not
        // every token says beforehand that it looks at none.
        CtapStatus::PIN_AUTH_BLOCKED => {
            let now = state_now(job, protocol).tries_left();
            match (before.tries_left(), now) {
                (Some(was), Some(left)) if was == left => NotSent::PowerCycle { left }.into(),
                (_, tries_left) => ActionError::WrongUntilPowerCycle { secret, tries_left },
            }
        }
        status => job.refused_by_fido(status),
    }
}

/// The PIN's state after the action. That it can't be told is no failure of that.
fn state_now(job: &mut Job<'_>, protocol: PinProtocol) -> FidoPinState {
    match job.send_ctap(&GetPinRetries { protocol }) {
        Ok(Ok(retries)) => FidoPinState::from_retries(retries),
        Ok(Err(status)) => FidoPinState::Unknown(Unreadable::Ctap(status)),
        Err(error) => FidoPinState::Unknown(Unreadable::GivenUp(error.to_string())),
    }
}

const UNANSWERED: &str = "not asked since the PIN was sent and nothing told what came of it";

/// Whether the PIN was sent, and nothing tells what came of it.
fn leaves_doubt(error: &ActionError) -> bool {
    let aftermath = error.aftermath();
    aftermath.is_some_and(|aftermath| aftermath != Aftermath::Unchanged)
}

/// What a failure tells of the PIN's state.
fn state_after(error: &ActionError) -> Option<FidoPinState> {
    Some(match error {
        ActionError::Blocked { .. } | ActionError::NotSent(NotSent::Blocked { .. }) => {
            FidoPinState::Blocked
        }
        ActionError::Wrong {
            tries_left: Some(left),
            ..
        } => FidoPinState::TriesLeft(*left),
        ActionError::WrongUntilPowerCycle {
            tries_left: Some(left),
            ..
        }
        | ActionError::NotSent(NotSent::PowerCycle { left }) => {
            FidoPinState::PowerCycleNeeded { tries_left: *left }
        }
        ActionError::NotSent(NotSent::LastTry { .. }) => FidoPinState::TriesLeft(1),
        error if leaves_doubt(error) => FidoPinState::Unknown(Unreadable::NotTold(UNANSWERED)),
        _ => return None,
    })
}

/// Whoever is asked for a PIN that both share knows it as the PIN.
fn forced_change(secret: Secret) -> ActionError {
    let secret = match secret {
        Secret::SharedPin(_) => Secret::Pin,
        other => other,
    };
    NotSent::ForcePinChange { secret }.into()
}

fn no_random(error: impl std::fmt::Display) -> ActionError {
    ActionError::Random(error.to_string())
}
